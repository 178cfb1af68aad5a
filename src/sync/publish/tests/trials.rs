//! Releases on trial: laid, widened, promoted, taken back, abandoned; and what others may do meanwhile.

use super::*;
use crate::sync::publish::trial::{By, Ended};
use crate::sync::trial::OnTrial;
use crate::sync::trust::Verdict;

fn takers(nodes: &[&str]) -> Takers {
    Takers { nodes: nodes.iter().map(|node| String::from(*node)).collect(), deadline: Duration::from_millis(59_100) }
}

fn with(zones: &Zones, changed: &str, word: &str) -> Zones {
    let mut zones = zones.clone();
    zones.insert(changed.into(), word.into());
    zones
}

async fn try_at(memory: &Memory, zones: &Zones, nodes: &[&str], now_secs: u64) -> Result<Outcome, Error> {
    let mut proposal = Proposal::new(images(zones).into(), &|_| Ok(Vec::new()));
    publisher(memory).lay_trial(&key(2), &mut proposal, &takers(nodes), &options(now_secs)).await
}

/// Lays 1.2 and 1.3 beside 1.1. Gives the zones of both, and which release is on trial.
async fn laid(memory: &Memory) -> (Zones, Zones, Held) {
    let old = zones(30);
    published(memory, &old).await;
    let new = with(&old, "z3.example.", "two");
    let Outcome::Published(laid) = try_at(memory, &new, &["ams1", "fra1"], 100).await.unwrap() else { panic!() };
    assert_eq!((laid.generation, laid.before), (generation("1.2"), Some(generation("1.1"))));
    assert_eq!((laid.zones, laid.added, laid.changed, laid.removed), (30, 0, 1, 0));
    (old, new, Held { generation: laid.generation, manifest: laid.manifest })
}

async fn on_trial(memory: &Memory) -> Option<OnTrial> {
    publisher(memory).tip().await.unwrap().on_trial().cloned()
}

async fn faults(memory: &Memory) -> Vec<String> {
    let anchor = publisher(memory).anchor;
    verify(&memory.store(), Arc::new(Silent), None, &anchor).await.unwrap().faults
}

#[tokio::test]
async fn a_trial_leaves_the_head_and_names_a_way_back() {
    let memory = Memory::default();
    let (old, _, release) = laid(&memory).await;
    assert_eq!(served(&memory).await, (generation("1.1"), digests(&old)), "the head, and verify finds all");
    let on = on_trial(&memory).await.unwrap();
    let trial = on.trial.claims();
    assert_eq!((trial.step, trial.deadline_secs, trial.time_secs), (1, 60, 100));
    assert_eq!((trial.nodes(), trial.release), (&["ams1".to_owned(), "fra1".into()][..], release));
    assert_eq!(trial.back.generation, generation("1.3"));
    let tip = publisher(&memory).tip().await.unwrap();
    let head = tip.state.head.unwrap().manifest;
    assert_eq!(on.back.claims().root, head.claims().root);
    assert_eq!((on.back.claims().parent, on.manifest.claims().parent), (Some(head.digest()), Some(head.digest())));
    // All of it is there.
    let content = publisher(&memory).whole(release.generation, &on.manifest.claims().root).await.unwrap();
    assert_eq!(content.zones.len(), 30);
    assert_eq!(faults(&memory).await, Vec::<String>::new());
}

#[tokio::test]
async fn wave_by_wave_then_promoted() {
    let memory = Memory::default();
    let (_, new, release) = laid(&memory).await;
    let publisher = publisher(&memory);
    let longer = Takers { deadline: Duration::from_secs(300), ..takers(&["syd1", "ams1"]) };
    publisher.widen(&key(2), release, &longer, 150).await.unwrap();
    let on = on_trial(&memory).await.unwrap();
    let trial = on.trial.claims();
    assert_eq!((trial.step, trial.deadline_secs, trial.time_secs, trial.release), (2, 300, 150, release));
    assert_eq!(trial.nodes(), ["ams1", "fra1", "syd1"]);
    // The word about the head is signed again meanwhile.
    publisher.refresh(&key(2), 160).await.unwrap();
    assert_eq!(on_trial(&memory).await, Some(on.clone()));
    let other = Held { generation: generation("1.1"), ..release };
    let error = publisher.promote(&key(2), Some(other), 170).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "release 1.1 is not on trial, or no longer, the head of channel prod is 1.1: see catchment releases"
    );

    let done = publisher.promote(&key(2), Some(release), 170).await.unwrap();
    assert_eq!((done.generation, done.before, done.changed), (generation("1.4"), Some(generation("1.1")), 1));
    assert_eq!(served(&memory).await, (generation("1.4"), digests(&new)));
    assert_eq!(on_trial(&memory).await, None);
    // To nodes that took it and to those that went back it is a step forward.
    for held in [on.manifest.held(), on.back.held()] {
        let tip = publisher.tip().await.unwrap();
        let mut trust = publisher.tip().await.unwrap().trust;
        trust.applied(held);
        assert_eq!(trust.judge(&tip.state.head.unwrap().manifest), Ok(Verdict::Held), "the tip has it");
        assert!(held.generation < done.generation);
    }
    let history = publisher.history(&publisher.tip().await.unwrap(), 10).await.unwrap();
    let generations: Vec<String> = history.entries.iter().map(|entry| entry.generation().to_string()).collect();
    assert_eq!(generations, ["1.4", "1.1"], "what was never the head is no history");
    for error in [
        publisher.promote(&key(2), None, 180).await.unwrap_err(),
        publisher.take_back(&key(2), Some(release), 180).await.unwrap_err(),
        publisher.widen(&key(2), release, &longer, 180).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NoTrial { .. }), "{error}");
    }
}

#[tokio::test]
async fn taken_back() {
    let memory = Memory::default();
    let (old, _, release) = laid(&memory).await;
    let back = on_trial(&memory).await.unwrap().back.held();
    let done = publisher(&memory).take_back(&key(2), Some(release), 170).await.unwrap();
    assert_eq!((done.generation, done.manifest, done.changed), (back.generation, back.manifest, 0));
    assert_eq!(served(&memory).await, (generation("1.3"), digests(&old)));
    assert_eq!(on_trial(&memory).await, None);
    // Further releases are above.
    assert_eq!(published(&memory, &with(&old, "z1.example.", "x")).await.generation, generation("1.4"));
}

#[tokio::test]
async fn what_others_may_do_meanwhile() {
    let memory = Memory::default();
    let (old, new, release) = laid(&memory).await;
    let other = with(&old, "z9.example.", "nine");
    for error in [publish(&memory, &other).await.unwrap_err(), try_at(&memory, &other, &["x"], 219).await.unwrap_err()]
    {
        assert_eq!(
            error.to_string(),
            format!(
                "key {} has release 1.2 on trial at 2 nodes (step 1): wait for it, or finish it: catchment promote, or \
                 catchment rollback",
                key(2).public().id()
            )
        );
    }
    // It was not renewed for twice its deadline: its publisher is gone.
    let outcome = try_at(&memory, &other, &["x"], 221).await.unwrap();
    let Outcome::Published(laid) = outcome else { panic!("{outcome:?}") };
    assert_eq!((laid.generation, laid.before), (generation("1.4"), Some(generation("1.3"))));
    assert_eq!(served(&memory).await, (generation("1.3"), digests(&old)));
    let error = publisher(&memory).promote(&key(2), Some(release), 230).await.unwrap_err();
    assert!(matches!(error, Error::NoTrial { .. }), "who comes back late ends no other's trial: {error}");

    // Going back is always possible: to the head's content that is the return release, else a release of its own.
    let publisher = publisher(&memory);
    let outcome = publisher.roll_back(&key(2), generation("1.3"), 230).await.unwrap();
    let Outcome::Published(done) = outcome else { panic!("{outcome:?}") };
    assert_eq!((done.generation, on_trial(&memory).await), (generation("1.5"), None));
    published(&memory, &new).await;
    try_at(&memory, &other, &["x"], 300).await.unwrap();
    let outcome = publisher.roll_back(&key(2), generation("1.1"), 310).await.unwrap();
    let Outcome::Published(done) = outcome else { panic!("{outcome:?}") };
    assert_eq!((done.generation, on_trial(&memory).await), (generation("1.9"), None), "above 1.7 and 1.8");
    assert_eq!(served(&memory).await.1, digests(&old));
}

#[tokio::test]
async fn what_can_not_be_on_trial() {
    let memory = Memory::default();
    let error = try_at(&memory, &zones(3), &["ams1"], 100).await.unwrap_err();
    assert!(matches!(error, Error::NoRelease(_)), "there is nothing to go back to: {error}");
    let old = zones(3);
    published(&memory, &old).await;
    let unchanged = try_at(&memory, &old, &["ams1"], 100).await.unwrap();
    assert!(matches!(unchanged, Outcome::Unchanged { .. }), "{unchanged:?}");
    assert_eq!(on_trial(&memory).await, None);
    let error = try_at(&memory, &with(&old, "z1.example.", "x"), &[], 100).await.unwrap_err();
    assert_eq!(error.to_string(), "no release can be made of these zones: it names no node");
    let many: Vec<String> = (0..3_000).map(|node| format!("node-with-a-long-name-{node}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = try_at(&memory, &with(&old, "z1.example.", "x"), &many, 100).await.unwrap_err();
    assert!(error.to_string().contains("more than 65536"), "{error}");
    assert_eq!(served(&memory).await, (generation("1.1"), digests(&old)));
}

/// At each write: the head stays, the trial is on or not, and the next publisher gets on.
#[tokio::test]
async fn killed_at_any_write_of_a_trial() {
    let mut kills = 0;
    for writes in 0.. {
        let memory = Memory::default();
        let old = zones(40);
        published(&memory, &old).await;
        let new = with(&old, "z7.example.", "two");
        memory.kill_after(Some(writes));
        let outcome = try_at(&memory, &new, &["ams1"], 100).await;
        memory.kill_after(None);
        assert_eq!(served(&memory).await, (generation("1.1"), digests(&old)), "killed after {writes} writes");
        if let Err(error) = &outcome {
            assert!(error.to_string().contains("killed"), "{error}");
            assert_eq!(on_trial(&memory).await, None);
            kills += 1;
            try_at(&memory, &new, &["ams1"], 101).await.unwrap();
        }
        memory.kill_after(Some(1));
        publisher(&memory).promote(&key(2), None, 110).await.unwrap_err();
        memory.kill_after(None);
        assert!(on_trial(&memory).await.is_some());
        publisher(&memory).promote(&key(2), None, 110).await.unwrap();
        assert_eq!(served(&memory).await, (generation("1.4"), digests(&new)));
        if outcome.is_ok() {
            break;
        }
    }
    assert!(kills >= 4, "{kills}");
}

#[tokio::test]
async fn the_collector_keeps_what_is_on_trial() {
    let memory = Memory::default();
    let (old, new, _) = laid(&memory).await;
    memory.age(YOUNG * 2);
    let done = collect(&memory.store(), Arc::new(Silent), 1, false).await.unwrap();
    assert_eq!((done.removed, done.releases), (0, 1));
    assert_eq!(faults(&memory).await, Vec::<String>::new());
    publisher(&memory).promote(&key(2), None, 110).await.unwrap();
    assert_eq!(served(&memory).await, (generation("1.4"), digests(&new)));
    assert_ne!(digests(&new), digests(&old));
}

#[tokio::test]
async fn a_roll_keeps_a_trial_or_drops_it() {
    for (keys, stays) in [(&[2u8, 3][..], true), (&[3], false)] {
        let memory = Memory::default();
        let (old, new, release) = laid(&memory).await;
        let publisher = publisher(&memory);
        publisher.lay_key_set(&key_set(2, keys)).await.unwrap();
        assert_eq!(on_trial(&memory).await.is_some(), stays);
        if stays {
            let done = publisher.promote(&key(3), Some(release), 120).await.unwrap();
            assert_eq!((done.generation, served(&memory).await.1), (generation("2.1"), digests(&new)));
        } else {
            let error = publisher.promote(&key(3), Some(release), 120).await.unwrap_err();
            assert!(matches!(error, Error::NoTrial { .. }), "{error}");
            let outcome = publisher.publish(&key(3), images(&old), &options(130)).await.unwrap();
            let Outcome::Published(done) = outcome else { panic!("{outcome:?}") };
            assert_eq!(done.generation, generation("2.1"), "above all that may have been taken on trial");
        }
    }
}

/// Whoever was at work is told by whom and how it ended.
#[tokio::test]
async fn who_ended_it_and_how() {
    let ours = Some(key(2).public().id());
    let by =
        |head: &str, same_as: Option<&str>, key| By { head: generation(head), same_as: same_as.map(generation), key };

    let memory = Memory::default();
    let (old, new, release) = laid(&memory).await;
    let publisher = publisher(&memory);
    assert_eq!(publisher.ended(release).await.unwrap(), None, "it goes on");
    publisher.promote(&key(2), None, 170).await.unwrap();
    let promoted = Ended::Promoted(by("1.4", None, ours));
    assert_eq!(publisher.ended(release).await.unwrap(), Some(promoted.clone()));
    published(&memory, &with(&new, "z4.example.", "x")).await;
    assert_eq!(publisher.ended(release).await.unwrap(), Some(promoted), "whatever came after that");

    let other = with(&old, "z9.example.", "nine");
    let Outcome::Published(tried) = try_at(&memory, &other, &["x"], 200).await.unwrap() else { panic!() };
    let release = Held { generation: tried.generation, manifest: tried.manifest };
    publisher.roll_back(&key(2), generation("1.1"), 210).await.unwrap();
    let replaced = Ended::Replaced(by("1.8", Some("1.1"), ours));
    assert_eq!(publisher.ended(release).await.unwrap(), Some(replaced));

    let memory = Memory::default();
    let (old, _, release) = laid(&memory).await;
    let publisher = super::publisher(&memory);
    publisher.take_back(&key(2), None, 170).await.unwrap();
    let back = Some(Ended::TakenBack(by("1.3", Some("1.1"), None)));
    assert_eq!(publisher.ended(release).await.unwrap(), back);
    published(&memory, &with(&old, "z4.example.", "x")).await;
    assert_eq!(publisher.ended(release).await.unwrap(), back, "whatever came after that");

    let memory = Memory::default();
    let (_, _, release) = laid(&memory).await;
    let publisher = super::publisher(&memory);
    publisher.lay_key_set(&key_set(2, &[3])).await.unwrap();
    assert_eq!(publisher.ended(release).await.unwrap(), Some(Ended::Disowned));
}
