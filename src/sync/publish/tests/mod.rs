mod course;
mod large;
mod memory;
mod plan;
mod reports;
mod scale;
mod serials;
mod trials;

use super::gc::{YOUNG, collect};
use super::images::Images;
use super::keys::{self, Laid};
use super::verify::verify;
use super::*;
use crate::sync::key_set::{ReleaseKey, Roots};
use crate::sync::report::{Report, Serving, Wave};
use crate::wire::name::Name;
use crate::zone::{compile, parse};
use memory::Memory;
use std::collections::BTreeMap;
use std::time::Duration;

/// Zones by name, with a word that makes their content.
type Zones = BTreeMap<String, String>;

fn image(name: &str, word: &str) -> Image {
    let apex: Name = name.parse().unwrap();
    let text = format!("$TTL 1h\n@ SOA ns h 1 1h 1h 1w 1h\n@ NS ns\nns A 192.0.2.1\n@ TXT \"{word}\"\n");
    let parsed = parse::parse_text(name, text, &apex, &parse::Options::default());
    assert!(!parsed.has_errors());
    compile::compile(&apex, &parsed.records).0.unwrap()
}

fn zones(count: usize) -> Zones {
    (0..count).map(|n| (format!("z{n}.example."), "one".to_string())).collect()
}

fn images(zones: &Zones) -> Vec<Image> {
    zones.iter().map(|(name, word)| image(name, word)).collect()
}

fn key(n: u8) -> KeyPair {
    KeyPair::from_seed([n; 32])
}

/// Of root key 1 and these release keys.
fn key_set(version: u32, keys: &[u8]) -> Signed<KeySet> {
    let roots = Roots::new(vec![key(1).public()], 1).unwrap();
    let keys = keys.iter().map(|n| ReleaseKey { key: key(*n).public(), signs: Use::Releases }).collect();
    let set = KeySet::new("prod".parse().unwrap(), version, 0, roots, keys).unwrap();
    Signed::sign(&set, &[&key(1)]).unwrap()
}

fn publisher(memory: &Memory) -> Publisher {
    Publisher {
        store: memory.store(),
        channel: "prod".parse().unwrap(),
        anchor: Anchor::key_set(key_set(1, &[2])),
        progress: Arc::new(Silent),
    }
}

fn options(now_secs: u64) -> Options {
    Options { on_conflict: OnConflict::Rebase, first_key_set: Some(key_set(1, &[2])), now_secs }
}

async fn publish(memory: &Memory, zones: &Zones) -> Result<Outcome, Error> {
    publisher(memory).publish(&key(2), images(zones), &options(100)).await
}

async fn published(memory: &Memory, zones: &Zones) -> Published {
    match publish(memory, zones).await.unwrap() {
        Outcome::Published(published) => published,
        unchanged => panic!("{unchanged:?}"),
    }
}

/// What the head holds, as images that were read and checked: by verification, and by content.
async fn served(memory: &Memory) -> (Generation, Vec<(String, Digest)>) {
    let publisher = publisher(memory);
    let tip = publisher.tip().await.unwrap();
    let content = publisher.content(&tip, &Images::default()).await.unwrap();
    assert!(content.is_whole(), "{:?} {:?}", content.faults, content.lost);
    let verified = verify(&memory.store(), Arc::new(Silent), None, &publisher.anchor).await.unwrap();
    assert_eq!(verified.faults, Vec::<String>::new());
    let zones = content.zones.into_iter().map(|(name, leaf)| (name.to_string(), leaf.image)).collect();
    (tip.held().unwrap().generation, zones)
}

fn digests(zones: &Zones) -> Vec<(String, Digest)> {
    let mut images = images(zones);
    images.sort_by_key(|image| crate::sync::zone_name::ZoneName::from(&image.apex()));
    images.iter().map(|image| (image.apex().to_string(), Digest(image.digest()))).collect()
}

fn generation(text: &str) -> Generation {
    text.parse().unwrap()
}

#[tokio::test]
async fn first_release_then_one_zone_then_nothing() {
    let memory = Memory::default();
    let mut zones = zones(30);
    let first = published(&memory, &zones).await;
    assert_eq!((first.generation, first.before), (generation("1.1"), None));
    assert_eq!((first.zones, first.added, first.changed, first.removed), (30, 30, 0, 0));
    assert_eq!(served(&memory).await, (generation("1.1"), digests(&zones)));

    zones.insert("z3.example.".into(), "two".into());
    zones.insert("new.example.".into(), "one".into());
    zones.remove("z4.example.");
    let second = published(&memory, &zones).await;
    assert_eq!((second.generation, second.before), (generation("1.2"), Some(generation("1.1"))));
    assert_eq!((second.zones, second.added, second.changed, second.removed), (30, 1, 1, 1));
    // A pack, a page, the manifest.
    assert_eq!(second.blobs, 3);
    assert_eq!(served(&memory).await, (generation("1.2"), digests(&zones)));

    let (writes, ..) = memory.counts();
    let options = options(200);
    let outcome = publisher(&memory).publish(&key(2), images(&zones), &options).await.unwrap();
    assert_eq!(outcome, Outcome::Unchanged { generation: second.generation, manifest: second.manifest, zones: 30 });
    assert_eq!(memory.counts().0, writes + 1, "the state alone");
    let tip = publisher(&memory).tip().await.unwrap();
    assert_eq!(tip.trust.head_age_secs(230), Some(30));
    // A clock that goes back does not make the word older.
    publisher(&memory).refresh(&key(2), 150).await.unwrap();
    assert_eq!(publisher(&memory).tip().await.unwrap().trust.head_age_secs(230), Some(30));
}

#[tokio::test]
async fn who_may_not_publish_changes_nothing() {
    let memory = Memory::default();
    let zones = zones(3);
    let missing = Options { first_key_set: None, ..options(1) };
    let error = publisher(&memory).publish(&key(2), images(&zones), &missing).await.unwrap_err();
    assert!(matches!(error, Error::NoChannel(_)), "{error}");
    let error = publisher(&memory).publish(&key(3), images(&zones), &options(1)).await.unwrap_err();
    assert!(error.to_string().contains("is not one that key set 1 of channel prod lets sign releases"), "{error}");
    assert_eq!(memory.counts().0, 0, "nothing was written");

    published(&memory, &zones).await;
    let other =
        Publisher { anchor: Anchor::Roots(Roots::new(vec![key(9).public()], 1).unwrap()), ..publisher(&memory) };
    let error = other.publish(&key(2), images(&zones), &options(1)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { what: "key set", .. }), "{error}");
}

/// At each write: afterwards the old head or the new one is whole, and the next publish gives what is wanted.
#[tokio::test]
async fn killed_at_any_write() {
    for first in [true, false] {
        let mut kills = 0;
        for writes in 0.. {
            let memory = Memory::default();
            let (old, mut new) = (zones(40), zones(40));
            new.insert("z7.example.".into(), "two".into());
            new.remove("z8.example.");
            if !first {
                published(&memory, &old).await;
            }
            memory.kill_after(Some(writes));
            let outcome = publish(&memory, &new).await;
            memory.kill_after(None);
            if let Err(error) = &outcome {
                assert!(error.to_string().contains("killed"), "{error}");
                kills += 1;
                if first {
                    assert!(matches!(publisher(&memory).tip().await, Err(Error::NoChannel(_))));
                } else {
                    assert_eq!(served(&memory).await, (generation("1.1"), digests(&old)));
                }
                published(&memory, &new).await;
            }
            let expected = if first { generation("1.1") } else { generation("1.2") };
            assert_eq!(served(&memory).await, (expected, digests(&new)), "killed after {writes} writes");
            if outcome.is_ok() {
                break;
            }
        }
        assert!(kills >= 4, "{kills}");
    }
}

#[tokio::test]
async fn what_was_uploaded_is_not_sent_again() {
    let memory = Memory::default();
    let all = zones(200);
    memory.kill_after(Some(2));
    publish(&memory, &all).await.unwrap_err();
    memory.kill_after(None);
    let (_, before, _) = memory.counts();
    assert!(before > 0);
    let done = published(&memory, &all).await;
    let (_, after, _) = memory.counts();
    assert_eq!(after, done.octets, "each blob was written once: {before} octets of them before");
}

/// Many rounds of two publishers, each with a zone of its own; each generation has one winner, and no change is lost.
#[tokio::test]
async fn two_publishers_at_once() {
    let memory = Memory::default();
    let mut now = zones(20);
    published(&memory, &now).await;
    let mut rebased = 0;
    for round in 0..40u64 {
        let (mut ours, mut theirs) = (now.clone(), now.clone());
        ours.insert("z1.example.".into(), format!("a{round}"));
        theirs.insert("z2.example.".into(), format!("b{round}"));
        theirs.insert(format!("t{round}.example."), "new".into());
        let (a, b) = tokio::join!(publish(&memory, &ours), publish(&memory, &theirs));
        let (Outcome::Published(a), Outcome::Published(b)) = (a.unwrap(), b.unwrap()) else { panic!("{round}") };
        let mut counters = [a.generation.counter, b.generation.counter];
        counters.sort_unstable();
        assert_eq!(counters, [2 * round + 2, 2 * round + 3]);
        rebased += a.rebased + b.rebased;
        now.insert("z1.example.".into(), format!("a{round}"));
        now.extend(theirs.into_iter().filter(|(name, _)| name != "z1.example."));
        assert_eq!(served(&memory).await.1, digests(&now));
    }
    assert_eq!(rebased, 40, "one of two loses each race");
}

#[tokio::test]
async fn two_publishers_of_one_zone() {
    let memory = Memory::default();
    let now = zones(20);
    published(&memory, &now).await;
    let (mut ours, mut theirs) = (now.clone(), now.clone());
    ours.insert("z1.example.".into(), "a".into());
    theirs.insert("z1.example.".into(), "b".into());
    let (a, b) = tokio::join!(publish(&memory, &ours), publish(&memory, &theirs));
    let (won, lost) = if a.is_ok() { (&ours, b) } else { (&theirs, a) };
    let error = lost.unwrap_err();
    let expected = format!(
        "key {} published generation 1.2 meanwhile, and changed zones that this publish changes too: z1.example.; nothing was published",
        key(2).public().id()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(served(&memory).await, (generation("1.2"), digests(won)));

    // Who does not want to rebase stops, even if nothing contradicts.
    let (mut ours, mut theirs) = (won.clone(), won.clone());
    ours.insert("z2.example.".into(), "c".into());
    theirs.insert("z3.example.".into(), "d".into());
    let stop = Options { on_conflict: OnConflict::Stop, ..options(1) };
    let publisher = publisher(&memory);
    let k = key(2);
    let (a, b) =
        tokio::join!(publisher.publish(&k, images(&ours), &stop), publisher.publish(&k, images(&theirs), &stop));
    assert!(a.is_ok() != b.is_ok());
    let error = a.err().or(b.err()).unwrap();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(served(&memory).await.0, generation("1.3"));
}

#[tokio::test]
async fn going_back_is_a_new_generation() {
    let memory = Memory::default();
    let first = zones(20);
    let one = published(&memory, &first).await;
    let mut second = first.clone();
    second.insert("z1.example.".into(), "two".into());
    second.insert("x.example.".into(), "two".into());
    published(&memory, &second).await;
    let publisher = publisher(&memory);
    let back = publisher.roll_back(&key(2), generation("1.1"), 300).await.unwrap();
    let Outcome::Published(back) = back else { panic!("{back:?}") };
    assert_eq!((back.generation, back.before), (generation("1.3"), Some(generation("1.2"))));
    assert_eq!((back.zones, back.added, back.changed, back.removed, back.blobs), (20, 0, 1, 1, 1));
    assert_eq!(served(&memory).await, (generation("1.3"), digests(&first)));
    let again = publisher.roll_back(&key(2), generation("1.1"), 400).await.unwrap();
    assert!(matches!(again, Outcome::Unchanged { .. }), "{again:?}");

    let tip = publisher.tip().await.unwrap();
    let history = publisher.history(&tip, 10).await.unwrap();
    let shown: Vec<String> = history
        .entries
        .iter()
        .map(|entry| {
            assert_eq!((entry.by, &entry.doubt), (Some(key(2).public().id()), &None));
            let same = entry.same_as.map(|same| format!(" = {same}")).unwrap_or_default();
            format!("{}{same}", entry.generation())
        })
        .collect();
    assert_eq!(shown, ["1.3 = 1.1", "1.2", "1.1"]);
    assert_eq!(history.ends_before, None);
    assert_eq!(history.entries[2].manifest.digest(), one.manifest);

    let error = publisher.roll_back(&key(2), generation("1.7"), 500).await.unwrap_err();
    assert!(error.to_string().contains("no release 1.7 that is kept, the oldest is 1.1"), "{error}");
    // A release of which something is lost is not gone back to.
    let lost = published(&memory, &second).await;
    assert_eq!(lost.generation, generation("1.4"));
    let only_first = {
        let content = publisher.content(&tip, &Images::default()).await.unwrap();
        content.zones.values().find(|leaf| leaf.name.to_string() == "z1.example.").unwrap().pack().unwrap()
    };
    memory.damage(&only_first, None);
    let error = publisher.roll_back(&key(2), generation("1.1"), 600).await.unwrap_err();
    assert!(error.to_string().contains("release 1.1 is no longer whole: it has lost 0 pages and 1 blob of"), "{error}");
}

#[tokio::test]
async fn what_the_head_lost_is_made_again() {
    let all = zones(40);
    let count = {
        let memory = Memory::default();
        published(&memory, &all).await;
        memory.names().len()
    };
    for index in 0..count {
        for other in [None, Some(b"rubbish".to_vec())] {
            let memory = Memory::default();
            published(&memory, &all).await;
            let name = memory.names()[index];
            let good = memory.bytes(&name).unwrap();
            let is_page = good.starts_with(b"CTCHPAGE");
            memory.damage(&name, other.clone());
            let verified = verify(&memory.store(), Arc::new(Silent), None, &publisher(&memory).anchor).await.unwrap();
            let is_manifest = good.starts_with(b"CTCHMNFT");
            assert_eq!(verified.faults.is_empty(), is_manifest, "{:?}", verified.faults);
            let outcome = publish(&memory, &all).await.unwrap();
            if is_manifest || (other.is_some() && !is_page) {
                // The state has the manifest; a pack is looked for, not read: that is verification's part.
                assert!(matches!(outcome, Outcome::Unchanged { .. }));
                continue;
            }
            assert!(matches!(outcome, Outcome::Published(_)), "{outcome:?}");
            let (generation, zones) = {
                let publisher = publisher(&memory);
                let tip = publisher.tip().await.unwrap();
                let content = publisher.content(&tip, &Images::default()).await.unwrap();
                assert!(content.is_whole());
                (tip.held().unwrap().generation, content.zones.len())
            };
            assert_eq!((generation.counter, zones), (2, 40));
        }
    }
}

#[tokio::test]
async fn the_collector_takes_what_is_old_and_unused() {
    let memory = Memory::default();
    let mut all = zones(40);
    for round in 0..6 {
        all.insert("z1.example.".into(), format!("{round}"));
        published(&memory, &all).await;
    }
    let store = memory.store();
    let collected = collect(&store, Arc::new(Silent), 2, false).await.unwrap();
    assert_eq!((collected.channels, collected.releases, collected.removed), (1, 2, 0));
    // Pages, packs and manifests of four releases, but for the first one's pack.
    assert_eq!(collected.young, 4 * 3 - 1);

    memory.age(YOUNG);
    let dry = collect(&store, Arc::new(Silent), 2, true).await.unwrap();
    assert_eq!((dry.removed, dry.young), (collected.young, 0));
    assert_eq!(memory.names().len(), dry.blobs, "nothing goes in a dry run");
    let collected = collect(&store, Arc::new(Silent), 2, false).await.unwrap();
    assert_eq!((collected.removed, collected.removed_octets), (dry.removed, dry.removed_octets));
    assert_eq!(memory.names().len(), dry.blobs - dry.removed);
    assert_eq!(served(&memory).await, (generation("1.6"), digests(&all)));
    let tip = publisher(&memory).tip().await.unwrap();
    let history = publisher(&memory).history(&tip, 10).await.unwrap();
    assert_eq!(history.entries.len(), 2);
    assert!(history.ends_before.is_some());
    let back = publisher(&memory).roll_back(&key(2), generation("1.5"), 1).await.unwrap();
    assert!(matches!(back, Outcome::Published(_)));

    // While a kept release can't be read, nobody knows what it uses.
    let head = publisher(&memory).tip().await.unwrap().state.head.unwrap();
    memory.damage(&head.manifest.claims().root.digest, None);
    memory.age(YOUNG);
    let before = memory.names();
    let error = collect(&store, Arc::new(Silent), 2, false).await.unwrap_err();
    assert!(error.to_string().starts_with("nothing is removed"), "{error}");
    assert_eq!(memory.names(), before);
}

/// Old garbage that becomes part of a release again while a collector runs: whatever the order, the head is whole.
#[tokio::test]
async fn a_collector_beside_a_publisher() {
    for start in 0..60 {
        let memory = Memory::default();
        let mut all = zones(20);
        published(&memory, &all).await;
        for round in 0..4 {
            all.insert("z1.example.".into(), format!("{round}"));
            published(&memory, &all).await;
        }
        memory.age(YOUNG);
        // The same octets as a release that is no longer kept.
        all.insert("z1.example.".into(), "0".into());
        let publishing = async {
            for _ in 0..start {
                tokio::task::yield_now().await;
            }
            publish(&memory, &all).await
        };
        let store = memory.store();
        let (collected, outcome) = tokio::join!(collect(&store, Arc::new(Silent), 1, false), publishing);
        outcome.unwrap();
        drop(collected);
        assert_eq!(served_head(&memory).await, digests(&all), "the publisher began at step {start}");
    }
}

async fn served_head(memory: &Memory) -> Vec<(String, Digest)> {
    let publisher = publisher(memory);
    let tip = publisher.tip().await.unwrap();
    let content = publisher.content(&tip, &Images::default()).await.unwrap();
    assert!(content.is_whole(), "{:?} {:?}", content.faults, content.lost);
    content.zones.into_iter().map(|(name, leaf)| (name.to_string(), leaf.image)).collect()
}

#[tokio::test]
async fn key_sets_are_rolled() {
    let memory = Memory::default();
    let all = zones(5);
    published(&memory, &all).await;
    let publisher = publisher(&memory);
    assert_eq!(publisher.lay_key_set(&key_set(1, &[2])).await.unwrap(), Laid::Known);
    let error = publisher.lay_key_set(&key_set(3, &[2])).await.unwrap_err();
    assert!(error.to_string().contains("has key set 1, and 3 was given"), "{error}");
    let error = publisher.lay_key_set(&key_set(1, &[3])).await.unwrap_err();
    assert!(error.to_string().contains("two were signed with one version"), "{error}");

    // Key 2 was stolen, and signed a release far ahead.
    let tip = publisher.tip().await.unwrap();
    let stolen = {
        let mut head = tip.state.head.clone().unwrap();
        let generation = Generation { key_set: 1, counter: u64::MAX };
        let manifest = Manifest { generation, ..head.manifest.claims().clone() };
        head.manifest = Signed::sign(&manifest, &[&key(2)]).unwrap();
        let manifest = head.manifest.digest();
        let freshness = Freshness { generation, manifest, ..head.freshness.claims().clone() };
        head.freshness = Signed::sign(&freshness, &[&key(2)]).unwrap();
        State { head: Some(head), ..tip.state.clone() }
    };
    assert!(publisher.replace(tip.version.as_ref(), &stolen).await.unwrap());
    let error = publisher.publish(&key(2), images(&zones(6)), &options(1)).await.unwrap_err();
    assert!(matches!(error, Error::LastGeneration(_)), "{error}");

    let before = publisher.key_set_in_force().await.unwrap();
    let keys = vec![ReleaseKey { key: key(3).public(), signs: Use::Releases }];
    let set = keys::next(before.claims(), None, keys, 7).unwrap();
    let by_another = Signed::sign(&set, &[&key(9)]).unwrap();
    let error = publisher.lay_key_set(&by_another).await.unwrap_err();
    assert!(error.to_string().starts_with("1 more of the root keys of the key set in force must sign"), "{error}");
    let set = by_another.and_signed_by(&key(1)).unwrap();
    assert_eq!(publisher.lay_key_set(&set).await.unwrap(), Laid::New);
    let tip = publisher.tip().await.unwrap();
    assert!(tip.disowned.is_some() && tip.held().is_none());
    let error = publisher.refresh(&key(3), 1).await.unwrap_err();
    assert!(error.to_string().contains("publish a release under the key set in force"), "{error}");

    let error = publisher.publish(&key(2), images(&all), &options(1)).await.unwrap_err();
    assert!(matches!(error, Error::Key { key_set: 2, .. }), "{error}");
    let recovered = publisher.publish(&key(3), images(&all), &options(1)).await.unwrap();
    let Outcome::Published(recovered) = recovered else { panic!("{recovered:?}") };
    assert_eq!(recovered.generation, generation("2.1"));
    assert_eq!(served_head(&memory).await, digests(&all));
    // Whoever has the old key set file still finds the way; whoever has a newer one than the channel is told.
    let late = Publisher { anchor: Anchor::key_set(key_set(3, &[3])), ..publisher.clone() };
    let error = late.publish(&key(3), images(&all), &options(1)).await.unwrap_err();
    assert!(error.to_string().contains("lay it out first: catchment keyset publish"), "{error}");
}

#[tokio::test]
async fn the_fleet_and_waiting_for_it() {
    let memory = Memory::default();
    let publisher = publisher(&memory);
    let first = published(&memory, &zones(3)).await;
    let report = |node: &str, generation: Generation, manifest: Digest, ready: bool| Report {
        node: node.into(),
        version: "0.1.0".into(),
        time_secs: 1,
        serving: Some(Serving { generation, manifest, since_secs: 1 }),
        problem: None,
        ready,
        announce: None,
        zones: 3,
        failed: 0,
        qps: 10,
        signatures_end: None,
        wave: Wave::Main,
        delay_secs: 0,
        trial: None,
        refused: Default::default(),
        answers: None,
        lately: None,
        addresses: Vec::new(),
        traffic: None,
    };
    let tell = |node: &str, report: &Report, age: u64| {
        let bytes = serde_json::to_vec(report).unwrap();
        memory.report_aged(&publisher.channel, node, bytes, Duration::from_secs(age));
    };
    let at_head = report("a", first.generation, first.manifest, true);
    tell("a", &at_head, 1);
    let age = fleet::AGE_MAX;
    assert!(publisher.fleet(110, age).await.unwrap().in_step);
    tell("b", &Report { node: "b".into(), ready: false, ..at_head.clone() }, 1);
    tell("c", &Report { node: "c".into(), ..at_head.clone() }, 100);
    memory.report_aged(&publisher.channel, "d", b"{".to_vec(), Duration::ZERO);
    let other = Serving { manifest: Digest([1; 32]), ..at_head.serving.unwrap() };
    tell("e", &Report { serving: Some(other), ..at_head.clone() }, 1);
    let mut fleet = publisher.fleet(110, age).await.unwrap();
    assert_eq!((fleet.in_step, fleet.head_age_secs), (false, Some(10)));
    let faults: Vec<String> =
        fleet.nodes.drain(..).map(|node| format!("{} {}", node.node, node.faults.join(", "))).collect();
    let expected = [
        "a ",
        "b not ready",
        "c silent for 100 s",
        "d its report can't be read",
        "e serves another release of the same generation",
    ];
    assert_eq!(faults, expected);

    let memory = Memory::default();
    let publisher = super::tests::publisher(&memory);
    let first = published(&memory, &zones(3)).await;
    let second = published(&memory, &zones(4)).await;
    let tell = |node: &str, generation, manifest, age| {
        let bytes = serde_json::to_vec(&report(node, generation, manifest, true)).unwrap();
        memory.report_aged(&publisher.channel, node, bytes, Duration::from_secs(age));
    };
    let say = |generation, manifest| tell("a", generation, manifest, 0);
    say(first.generation, first.manifest);
    let short = Duration::from_millis(1);
    let waited = publisher.wait(second.generation, short, 0, |_, _| {}).await.unwrap();
    let fleet::Waited::TimedOut(fleet) = waited else { panic!("{waited:?}") };
    assert_eq!((fleet.nodes[0].behind, &fleet.nodes[0].faults[..]), (Some(1), &["behind".to_string()][..]));
    assert!(!fleet.in_step);
    // One that is gone holds nobody up.
    tell("c", first.generation, first.manifest, 100);
    let mut looks = 0;
    let waited = publisher.wait(second.generation, Duration::from_secs(60), 0, |_, _| {
        looks += 1;
        say(second.generation, second.manifest);
    });
    let waited = waited.await.unwrap();
    let fleet::Waited::All(fleet) = waited else { panic!("{waited:?}") };
    assert_eq!((looks, fleet.nodes.len(), fleet.in_step), (2, 1, true));
}
