//! Serials that the publisher writes: the images of these tests all say 1.

use super::super::plan;
use super::super::serials::Serials;
use super::*;
use crate::sync::zone_name::ZoneName;

/// Publishes with serials of this kind, at a time.
async fn publish_with(memory: &Memory, zones: &Zones, serials: Serials, now_secs: u64) -> Result<Outcome, Error> {
    let mut proposal = Proposal { serials, ..Proposal::new(images(zones).into(), &|_| Ok(Vec::new())) };
    publisher(memory).publish_zones(&key(2), &mut proposal, &options(now_secs)).await
}

/// The head's serials, by zone.
async fn serials(memory: &Memory) -> Vec<(String, u32)> {
    // Its images are those that its pages name.
    served(memory).await;
    let publisher = publisher(memory);
    let content = publisher.zones(&publisher.tip().await.unwrap()).await.unwrap();
    content.zones.into_values().map(|leaf| (leaf.name.to_string(), leaf.serial)).collect()
}

fn with(zones: &Zones, changed: &[&str], word: &str) -> Zones {
    zones
        .iter()
        .map(|(name, old)| (name.clone(), if changed.contains(&&name[..2]) { word } else { old }.into()))
        .collect()
}

fn expected(of: &[u32]) -> Vec<(String, u32)> {
    of.iter().enumerate().map(|(n, serial)| (format!("z{n}.example."), *serial)).collect()
}

#[tokio::test]
async fn only_what_changes_gets_a_serial() {
    let memory = Memory::default();
    let old = zones(3);
    publish_with(&memory, &old, Serials::Increment, 100).await.unwrap();
    assert_eq!(serials(&memory).await, expected(&[1, 1, 1]));
    let new = with(&old, &["z1"], "two");
    publish_with(&memory, &new, Serials::Increment, 100).await.unwrap();
    assert_eq!(serials(&memory).await, expected(&[1, 2, 1]));
    for serials in [Serials::Increment, Serials::Date, Serials::Unixtime] {
        let outcome = publish_with(&memory, &new, serials, 1_800_000_000).await.unwrap();
        assert!(matches!(outcome, Outcome::Unchanged { .. }), "{serials:?}: {outcome:?}");
    }
    publish_with(&memory, &with(&new, &["z1", "z2"], "three"), Serials::Unixtime, 1_800_000_000).await.unwrap();
    assert_eq!(serials(&memory).await, expected(&[1, 1_800_000_000, 1_800_000_000]));
    // What was there once, and what is new, are changes too.
    let mut again = new.clone();
    again.insert("z3.example.".into(), "one".into());
    publish_with(&memory, &again, Serials::Unixtime, 1_800_000_000).await.unwrap();
    assert_eq!(serials(&memory).await, expected(&[1, 1_800_000_001, 1_800_000_001, 1_800_000_000]));
}

/// Zones that are known by name alone are made when the head has them under another, and go by the head's name from then on.
#[tokio::test]
async fn what_is_remembered_need_not_be_made() {
    let memory = Memory::default();
    let old = zones(3);
    publish_with(&memory, &old, Serials::Increment, 100).await.unwrap();
    let new = with(&old, &["z1"], "two");
    let all: BTreeMap<ZoneName, Image> =
        images(&new).into_iter().map(|image| (ZoneName::from(&image.apex()), image)).collect();
    let mut known: BTreeMap<ZoneName, images::Named> =
        all.iter().map(|(zone, image)| (zone.clone(), image.into())).collect();
    for made_now in [vec!["z1.example."], vec![]] {
        let made = std::sync::Mutex::new(Vec::new());
        let make = |zones: &[ZoneName]| {
            made.lock().unwrap().extend(zones.iter().map(ZoneName::to_string));
            Ok(zones.iter().map(|zone| all[zone].clone()).collect())
        };
        let brought = known.iter().map(|(zone, named)| (zone.clone(), images::Brought::Named(*named)));
        let images = Images::new(brought);
        let mut proposal = Proposal { serials: Serials::Increment, ..Proposal::new(images, &make) };
        publisher(&memory).publish_zones(&key(2), &mut proposal, &options(100)).await.unwrap();
        known = proposal.images.zones().map(|(zone, named)| (zone.clone(), named)).collect();
        assert_eq!(*made.lock().unwrap(), made_now);
        assert_eq!(serials(&memory).await, expected(&[1, 2, 1]));
    }
}

#[tokio::test]
async fn two_publishers_at_once_give_each_change_one_serial() {
    let memory = Memory::default();
    let mut now = zones(4);
    publish_with(&memory, &now, Serials::Increment, 100).await.unwrap();
    for round in 0..10u32 {
        // A zone of its own each, and one that both change in the same way.
        let word = format!("r{round}");
        let (ours, theirs) = (with(&now, &["z0", "z1"], &word), with(&now, &["z1", "z2"], &word));
        let (a, b) = tokio::join!(
            publish_with(&memory, &ours, Serials::Increment, 100),
            publish_with(&memory, &theirs, Serials::Increment, 100)
        );
        let (Outcome::Published(a), Outcome::Published(b)) = (a.unwrap(), b.unwrap()) else { panic!("{round}") };
        assert_eq!(a.rebased + b.rebased, 1);
        now = with(&now, &["z0", "z1", "z2"], &word);
        let next = round + 2;
        assert_eq!(serials(&memory).await, expected(&[next, next, next, 1]));
    }
}

/// With clocks that differ the same change gets different serials: it is the same change all the same.
#[tokio::test]
async fn the_same_change_at_another_time_is_no_conflict() {
    let memory = Memory::default();
    let old = zones(2);
    publish_with(&memory, &old, Serials::Keep, 100).await.unwrap();
    let new = with(&old, &["z1"], "two");
    let (a, b) = tokio::join!(
        publish_with(&memory, &new, Serials::Unixtime, 1_800_000_000),
        publish_with(&memory, &new, Serials::Unixtime, 1_800_000_007)
    );
    let unchanged = [&a, &b].iter().filter(|done| matches!(done, Ok(Outcome::Unchanged { .. }))).count();
    assert!(a.is_ok() && b.is_ok() && unchanged == 1, "{a:?} {b:?}");
    assert!([1_800_000_000, 1_800_000_007].contains(&serials(&memory).await[1].1));

    let (ours, theirs) = (with(&new, &["z1"], "a"), with(&new, &["z1"], "b"));
    let (a, b) = tokio::join!(
        publish_with(&memory, &ours, Serials::Increment, 100),
        publish_with(&memory, &theirs, Serials::Increment, 100)
    );
    assert!(a.is_ok() != b.is_ok(), "another change is one: {a:?} {b:?}");
    assert!(matches!(a.err().or(b.err()), Some(Error::Conflict { .. })));
}

/// A serial that a signature proves and that another publisher has raised is not ours to judge.
#[tokio::test]
async fn what_another_changes_meanwhile_is_not_numbered() {
    let memory = Memory::default();
    let signed = |serial: u32| {
        let rrsig = "RRSIG SOA 13 1 3600 20900101000000 20200101000000 1 @ AAAA";
        plan::examples::image("signed", &format!("@ SOA ns.o. h {serial} 1 1 1 1\n@ NS ns.o.\n@ {rrsig}\n"))
    };
    let publish = async |zones: &Zones, signed: Image| {
        let images = images(zones).into_iter().chain([signed]).collect::<Vec<_>>();
        let proposal = Proposal::new(images.into(), &|_| Ok(Vec::new()));
        let mut proposal = Proposal { serials: Serials::Increment, ..proposal };
        publisher(&memory).publish_zones(&key(2), &mut proposal, &options(100)).await
    };
    let old = zones(2);
    publish(&old, signed(4)).await.unwrap();
    let new = with(&old, &["z1"], "two");
    let (ours, theirs) = tokio::join!(publish(&new, signed(4)), publish(&old, signed(5)));
    ours.unwrap();
    theirs.unwrap();
    let expected = [("z0.example.".to_string(), 1), ("z1.example.".into(), 2), ("signed.".into(), 5)];
    assert_eq!(serials(&memory).await, expected);
    // But what is changed here must be ahead.
    let error = publish(&new, signed(4)).await.unwrap_err();
    assert!(error.to_string().contains("covers the SOA record of 1 zone"), "{error}");
}
