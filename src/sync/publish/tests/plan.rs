//! What a publish would change: read from the store, looked at before it is done, and once more on another's head.

use super::super::guard::{Guard, Settings, judge, stopping};
use super::super::plan::{Listing, Plan};
use super::super::proposal::Review;
use super::large::{ZONE, large, segments};
use super::*;
use crate::zone::diff::{Side, diff};
use std::sync::Mutex;

async fn plan(memory: &Memory, images: Vec<Image>) -> Plan {
    let mut proposal = Proposal::new(images.into(), &|_| Ok(Vec::new()));
    publisher(memory).plan(&mut proposal, Listing::ALL, 100).await.unwrap()
}

/// Reads that a plan takes, and the plan.
async fn counted(memory: &Memory, images: Vec<Image>) -> (u64, Plan) {
    let (writes, _, reads) = memory.counts();
    let plan = plan(memory, images).await;
    assert_eq!(memory.counts().0, writes, "a plan writes nothing");
    (memory.counts().2 - reads, plan)
}

/// Zones whose old version can't be read.
fn unreadable(plan: &Plan) -> Vec<String> {
    plan.changes.iter().filter(|change| change.is_unreadable()).map(|change| change.zone.to_string()).collect()
}

#[tokio::test]
async fn only_the_old_side_of_what_changes_is_fetched() {
    let memory = Memory::default();
    let old = zones(400);
    let (_, first) = counted(&memory, images(&old)).await;
    assert_eq!((first.head, first.counts().added), (None, 400), "a channel that is yet to be");
    published(&memory, &old).await;
    let (unchanged, nothing) = counted(&memory, images(&old)).await;
    assert_eq!((nothing.head, nothing.zones_before, nothing.changes.len()), (Some(generation("1.1")), 400, 0));
    let mut new = old.clone();
    new.insert("z7.example.".into(), "two".into());
    new.insert("a.example.".into(), "one".into());
    let (reads, plan) = counted(&memory, images(&new)).await;
    assert_eq!(reads, unchanged + 1, "a pack");
    assert_eq!(plan.counts(), Counts { added: 1, changed: 1, removed: 0 });
    // What is listed is what `catchment diff` says of the two.
    let mut expected = Vec::new();
    diff(Some(&image("z7.example.", "one")), Some(&image("z7.example.", "two")), |change| {
        expected.push((change.side, crate::wire::name::Text(change.owner).to_string()));
    })
    .unwrap();
    let changed = plan.changes.iter().find(|change| change.zone.to_string() == "z7.example.").unwrap();
    let listed: Vec<_> = changed.difference.listed.iter().map(|record| (record.side, record.owner.clone())).collect();
    assert_eq!(listed, expected);
    assert_eq!(listed, [(Side::Removed, "z7.example.".into()), (Side::Added, "z7.example.".into())]);
}

#[tokio::test]
async fn of_a_large_zone_only_what_its_successor_has_not() {
    let memory = Memory::default();
    let (old, new) = (large(1, 6_000, &[]), large(2, 6_000, &[7]));
    publisher(&memory).publish(&key(2), vec![old.clone()], &options(1)).await.unwrap();
    let (unchanged, _) = counted(&memory, vec![old.clone()]).await;
    let (reads, plan) = counted(&memory, vec![new.clone()]).await;
    let gone: Vec<Digest> = segments(&old).difference(&segments(&new)).copied().collect();
    assert!((1..=2).contains(&gone.len()) && old.segments().len() > 3, "{} of {}", gone.len(), old.segments().len());
    assert_eq!(reads, unchanged + 1 + gone.len() as u64, "root and segments");
    let found = &plan.changes[0].difference;
    assert_eq!((found.removed, found.added, found.share.added), (1, 2, 1));
    let last = found.listed.last().unwrap();
    assert_eq!((last.owner.as_str(), last.rdata.as_str()), ("ns1.customer-7.big.example.", "203.0.113.7"));
    // One that is lost can't be compared; nor can what has other octets.
    memory.damage(&gone[0], None);
    assert_eq!(unreadable(&counted(&memory, vec![new.clone()]).await.1), [ZONE]);
    memory.damage(&gone[0], Some(vec![1]));
    assert_eq!(unreadable(&counted(&memory, vec![new]).await.1), [ZONE]);
}

#[tokio::test]
async fn what_the_store_has_lost_is_told() {
    let memory = Memory::default();
    let old = zones(5);
    published(&memory, &old).await;
    let tip = publisher(&memory).tip().await.unwrap();
    let leaves = publisher(&memory).zones(&tip).await.unwrap().zones;
    let pack = leaves.values().next().unwrap().pack().unwrap();
    let mut new = old.clone();
    new.insert("z1.example.".into(), "two".into());
    let good = memory.bytes(&pack).unwrap();
    for bytes in [None, Some(good[1..].to_vec()), Some(vec![0; good.len() + 1])] {
        memory.damage(&pack, bytes);
        let plan = plan(&memory, images(&new)).await;
        assert_eq!(unreadable(&plan), ["z1.example."]);
        assert_eq!(stopping(&judge(&plan, &[], &Settings::default(), 1)), [Guard::SerialSame, Guard::Unreadable]);
    }
}

#[tokio::test]
async fn a_review_stops_a_publish_before_anything_is_written() {
    let memory = Memory::default();
    published(&memory, &zones(3)).await;
    let (writes, ..) = memory.counts();
    let review = |plan: &Plan| {
        assert_eq!(plan.counts(), Counts { added: 0, changed: 0, removed: 1 });
        Err(Error::Guarded { by: vec![Guard::ZoneRemoval] })
    };
    let review: Option<(&Review, _)> = Some((&review, Listing::default()));
    let mut proposal = Proposal { review, ..Proposal::new(images(&zones(2)).into(), &|_| Ok(Vec::new())) };
    let error = publisher(&memory).publish_zones(&key(2), &mut proposal, &options(100)).await.unwrap_err();
    let expected = "nothing was published, as guards object: zone-removal; mend that, or allow what is meant by name, with --allow";
    assert_eq!(error.to_string(), expected);
    assert_eq!(memory.counts().0, writes);
    // Going back is not reviewed: it is the remedy.
    let outcome = publisher(&memory).roll_back(&key(2), generation("1.1"), 100).await.unwrap();
    assert!(matches!(outcome, Outcome::Unchanged { .. }));
}

/// Who was slower looks again, at what is left to change on the other's head.
#[tokio::test]
async fn another_head_is_another_plan() {
    let memory = Memory::default();
    let old = zones(5);
    published(&memory, &old).await;
    let seen: Mutex<Vec<String>> = Mutex::default();
    let both = ["z1.example.", "z2.example."];
    let publish = async |changed: &[&str]| {
        let mut wanted = old.clone();
        wanted.extend(changed.iter().map(|zone| (zone.to_string(), "two".to_string())));
        let review = |plan: &Plan| {
            let zones: Vec<String> = plan.changes.iter().map(|change| change.zone.to_string()).collect();
            seen.lock().unwrap().push(format!("{}: {}", plan.head.unwrap(), zones.join(" ")));
            Ok(())
        };
        let review: Option<(&Review, _)> = Some((&review, Listing::default()));
        let mut proposal = Proposal { review, ..Proposal::new(images(&wanted).into(), &|_| Ok(Vec::new())) };
        publisher(&memory).publish_zones(&key(2), &mut proposal, &options(100)).await.unwrap()
    };
    tokio::join!(publish(&both), publish(&both[..1]));
    let mut seen = seen.into_inner().unwrap();
    seen[..2].sort();
    assert_eq!(seen[..2], ["1.1: z1.example.", "1.1: z1.example. z2.example."]);
    assert!(["1.2: z2.example.", "1.2: "].contains(&seen[2].as_str()) && seen.len() == 3, "{seen:?}");
}
