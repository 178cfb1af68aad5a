//! Releases on trial, and nodes that run behind. The node is `ams1`.

use super::in_process::{SHORT, World, zones};
use super::releases::{Content, Publisher, Release, key_set, on_trial, put_state};
use catchment::sync::follow::Doing;
use std::future::Future;
use std::time::Duration;
use tokio::time::sleep;

const DEADLINE_SECS: u32 = 120;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// The head 1.1, and 1.2 to be tried.
struct Story {
    publisher: Publisher,
    old: Content,
    new: Content,
    head: Release,
    tried: Release,
}

impl Story {
    fn new() -> Story {
        let mut publisher = Publisher::new();
        let (old, new) = (zones(&[1, 1, 1]), zones(&[1, 2, 1, 1]));
        let (head, tried) = (publisher.release("1.1", &old), publisher.release("1.2", &new));
        Story { publisher, old, new, head, tried }
    }

    fn step(&self, step: u32, nodes: &[&str]) -> Release {
        on_trial(&self.head, &self.tried, nodes, step, DEADLINE_SECS)
    }
}

/// The node follows while the story is told.
async fn told<T>(world: &World, story: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        told = story => told,
        () = world.follow(secs(100_000)) => unreachable!("it follows for as long as is told"),
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_promotes_and_the_node_goes_back_by_itself() {
    let mut world = World::new(1);
    let story = Story::new();
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        story.step(1, &["ams1", "fra1"]).publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!((world.generations(), world.served()), (vec!["1.1".into(), "1.2".to_owned()], story.new.clone()));
        let report = world.report(0).await.unwrap();
        assert_eq!(report.serving.unwrap().generation.to_string(), "1.2");
        let trying = report.trial.unwrap();
        assert!(trying.step == 1 && (100..=120).contains(&trying.back_secs), "{trying:?}");
        assert_eq!((report.problem, world.figures().stale()), (None, false));
        // The store goes away: all that it takes to go back is here.
        world.stores[0].0.away(true);
        sleep(secs(100)).await;
        assert_eq!(world.generations().len(), 2);
        sleep(secs(20)).await;
        assert_eq!((world.generations()[2].as_str(), world.served()), ("1.3", story.old.clone()));
        world.stores[0].0.away(false);
        sleep(secs(600)).await;
        assert_eq!(world.generations().len(), 3, "once tried, it is not tried again");
        let figures = world.figures();
        assert_eq!((figures.doing, figures.trial, figures.refused.len()), (Doing::Watching, None, 0), "{figures:?}");
        assert!(!figures.stale());
    })
    .await;
    // A restart begins with what it went back to.
    world.stores[0].0.away(true);
    world.restart();
    drop(world.start().await);
    assert_eq!((world.generations(), world.served()), (vec!["1.3".to_owned()], story.old));
}

#[tokio::test(start_paused = true)]
async fn promoted_in_time_or_late_it_moves_forward() {
    for late in [false, true] {
        let world = World::new(1);
        let mut story = Story::new();
        told(&world, async {
            story.head.publish(world.store()).await;
            sleep(SHORT).await;
            story.step(1, &["ams1"]).publish(world.store()).await;
            sleep(secs(if late { 200 } else { 60 })).await;
            let before = world.figures();
            let promoted = story.publisher.release("1.4", &story.new);
            promoted.publish(world.store()).await;
            sleep(SHORT).await;
            let expected: &[&str] = if late { &["1.1", "1.2", "1.3", "1.4"] } else { &["1.1", "1.2", "1.4"] };
            assert_eq!(
                (world.generations(), world.served()),
                (expected.iter().map(|g| String::from(*g)).collect(), story.new.clone())
            );
            assert_eq!(world.figures().requests, before.requests, "its content was kept: late {late}");
            sleep(secs(600)).await;
            assert_eq!(world.generations().len(), expected.len(), "no deadline is left");
            assert!(world.figures().trial.is_none());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn taken_back_by_its_publisher() {
    let world = World::new(1);
    let story = Story::new();
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        let trial = story.step(1, &["ams1"]);
        trial.publish(world.store()).await;
        sleep(SHORT).await;
        let mut head = trial.state.clone();
        let back = head.head.as_ref().unwrap().trial.as_ref().unwrap().back.clone();
        let word = story.publisher.word_of(&back);
        head.head = Some(catchment::sync::head::Head { freshness: word, manifest: back, trial: None });
        put_state(world.store(), head.encode()).await;
        sleep(SHORT).await;
        assert_eq!((world.generations()[2].as_str(), world.served()), ("1.3", story.old.clone()));
        assert!(world.figures().trial.is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_is_not_named_waits_and_is_not_stale() {
    let world = World::new(1);
    let story = Story::new();
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        let before = world.figures();
        story.step(1, &["ams2", "fra1"]).publish(world.store()).await;
        sleep(secs(300)).await;
        let figures = world.figures();
        assert_eq!(world.generations(), ["1.1"]);
        assert_eq!((figures.stale(), figures.doing, figures.requests), (false, Doing::Watching, before.requests));
        // The next wave has it.
        story.step(2, &["ams1", "ams2", "fra1"]).publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!((world.generations()[1].as_str(), world.served()), ("1.2", story.new.clone()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_further_step_counts_anew_and_an_older_one_does_not() {
    let world = World::new(1);
    let story = Story::new();
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        story.step(1, &["ams1"]).publish(world.store()).await;
        sleep(secs(100)).await;
        story.step(2, &["ams1", "fra1"]).publish(world.store()).await;
        sleep(secs(100)).await;
        assert_eq!(world.generations(), ["1.1", "1.2"]);
        assert_eq!(world.figures().trial.unwrap().0, 2);
        // A store that has them take it for ever: it shows the first step again.
        put_state(world.store(), story.step(1, &["ams1"]).state.encode()).await;
        sleep(secs(15)).await;
        assert_eq!(world.figures().refused.get("older_trial"), Some(&1), "{:?}", world.figures());
        put_state(world.store(), story.step(2, &["ams1", "fra1"]).state.encode()).await;
        sleep(secs(10)).await;
        assert_eq!(world.generations(), ["1.1", "1.2", "1.3"]);
    })
    .await;
}

/// A new key set makes the word about a trial news once more; time goes on. One without its key takes nothing away from who goes back.
#[tokio::test(start_paused = true)]
async fn a_roll_while_on_trial_does_not_keep_it_there() {
    for keys in [&[10, 11][..], &[11]] {
        let world = World::new(1);
        let story = Story::new();
        told(&world, async {
            story.head.publish(world.store()).await;
            sleep(SHORT).await;
            let mut trial = story.step(1, &["ams1"]);
            trial.publish(world.store()).await;
            sleep(secs(100)).await;
            trial.state.key_set = key_set(2, &[1], keys, &[1]);
            trial.move_head(world.store()).await;
            sleep(secs(30)).await;
            assert_eq!((world.generations().join(" ").as_str(), world.served()), ("1.1 1.2 1.3", story.old.clone()));
        })
        .await;
    }
}

/// A store that hides what comes after, or says something else each moment, keeps nobody on a release on trial.
#[tokio::test(start_paused = true)]
async fn a_store_that_hides_the_promotion_leads_back() {
    let world = World::new(1);
    let mut story = Story::new();
    let taken = told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        story.step(1, &["ams1"]).publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!(world.generations(), ["1.1", "1.2"]);
        for second in 0.. {
            // Each time another one that is good for nothing.
            let strange = story.publisher.release("1.1", &zones(&[second + 7]));
            put_state(world.store(), strange.state.encode()).await;
            sleep(secs(1)).await;
            if world.generations().len() > 2 {
                return second;
            }
        }
        unreachable!()
    })
    .await;
    assert!((110..=120).contains(&taken), "{taken} s");
    assert_eq!(world.served(), story.old);
}

/// A process that ends while it serves a release on trial starts with the return release, with no store reachable: at each write too.
#[tokio::test(start_paused = true)]
async fn killed_while_on_trial_it_starts_with_what_was_before() {
    let mut tried = 0;
    for writes in 0.. {
        let mut world = World::new(1);
        let story = Story::new();
        told(&world, async {
            story.head.publish(world.store()).await;
            sleep(SHORT).await;
        })
        .await;
        world.restart();
        world.disk.writes();
        world.disk.dies_at(Some(writes));
        let followed = async {
            story.step(1, &["ams1"]).publish(world.store()).await;
            sleep(secs(60)).await;
        };
        told(&world, followed).await;
        let done = world.disk.writes() <= writes;
        world.disk.dies_at(None);
        let served = world.generations().last().cloned();
        tried += u32::from(served.as_deref() == Some("1.2"));
        world.stores[0].0.away(true);
        world.restart();
        drop(world.start().await);
        let started = world.generations();
        assert!(started == ["1.1"] || started == ["1.3"], "after {writes} writes {served:?}, then {started:?}");
        assert!(served.as_deref() != Some("1.2") || started == ["1.3"], "I2: after {writes} writes");
        assert_eq!(world.served(), story.old, "after {writes} writes");
        world.stores[0].0.away(false);
        if done {
            break;
        }
    }
    assert!(tried > 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_can_keep_nothing_tries_nothing() {
    let world = World::new(1);
    let story = Story::new();
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        world.disk.full_after(Some(0));
        story.step(1, &["ams1"]).publish(world.store()).await;
        sleep(secs(100)).await;
        assert_eq!(world.generations(), ["1.1"]);
        let figures = world.figures();
        assert!(figures.problem.as_ref().unwrap().contains("1.2 is on trial"), "{figures:?}");
        assert!(figures.stale(), "it is meant for this node");
        world.disk.full_after(None);
        sleep(secs(100)).await;
        assert_eq!(world.generations(), ["1.1", "1.2"]);
        assert!(!world.figures().stale());
    })
    .await;
}

/// An empty node, and one that lags, take the head first: there must be something to go back to.
#[tokio::test(start_paused = true)]
async fn a_node_without_the_head_takes_that_first() {
    let world = World::new(1);
    let story = Story::new();
    story.head.put_blobs(world.store()).await;
    story.step(1, &["ams1"]).publish(world.store()).await;
    told(&world, async {
        sleep(SHORT).await;
        assert_eq!((world.generations(), world.served()), (vec!["1.1".into(), "1.2".to_owned()], story.new.clone()));
        world.stores[0].0.away(true);
        sleep(secs(130)).await;
        assert_eq!((world.generations()[2].as_str(), world.served()), ("1.3", story.old.clone()));
    })
    .await;
}

/// Any file of its cache is damaged while it is on trial, and there is no store: what can be read is gone back to.
#[tokio::test(start_paused = true)]
async fn damage_while_on_trial_is_mended_and_the_way_back_stays() {
    let story = Story::new();
    let mut files = 0;
    for at in 0.. {
        let world = World::new(1);
        let path = told(&world, async {
            story.head.publish(world.store()).await;
            sleep(SHORT).await;
            story.step(1, &["ams1"]).publish(world.store()).await;
            sleep(SHORT).await;
            assert_eq!(world.generations(), ["1.1", "1.2"]);
            let (path, mut bytes) = world.disk.files().into_iter().nth(at)?;
            *bytes.last_mut().unwrap() ^= 1;
            world.disk.set(&path, Some(bytes));
            // It is found and mended from the store before that goes away.
            sleep(secs(95)).await;
            world.stores[0].0.away(true);
            sleep(secs(30)).await;
            assert_eq!((world.generations()[2].as_str(), world.served()), ("1.3", story.old.clone()), "{path}");
            Some(path)
        })
        .await;
        if path.is_none() {
            break;
        }
        files += 1;
    }
    assert!(files >= 7, "{files}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_runs_behind() {
    let mut world = World::new(1);
    world.delay = secs(600);
    let mut story = Story::new();
    let mut release = |at: &str, serials: &[u32]| story.publisher.release(at, &zones(serials));
    let [two, three, bad, good, six] =
        [("1.2", [2, 1]), ("1.3", [3, 1]), ("1.4", [9, 9]), ("1.5", [3, 1]), ("1.6", [6, 1])]
            .map(|(at, s)| release(at, &s));
    told(&world, async {
        story.head.publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!(world.generations(), ["1.1"], "the first at once");
        // It tries nothing, even if it is named.
        story.step(1, &["ams1"]).publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!(world.generations(), ["1.1"]);
        two.publish(world.store()).await;
        sleep(secs(300)).await;
        three.publish(world.store()).await;
        sleep(secs(290)).await;
        assert_eq!((world.generations().len(), world.figures().stale()), (1, false), "the delay is not staleness");
        sleep(secs(20)).await;
        assert_eq!(world.generations(), ["1.1", "1.2"]);
        let figures = world.figures();
        assert_eq!((figures.head.unwrap().0.to_string(), figures.stale()), ("1.3".into(), false));
        bad.publish(world.store()).await;
        sleep(secs(100)).await;
        good.publish(world.store()).await;
        sleep(secs(200)).await;
        assert_eq!(world.generations(), ["1.1", "1.2", "1.5"], "what was rolled back is skipped");
        // And if what is served is the head's content again, it is the head's at once.
        six.publish(world.store()).await;
        sleep(secs(100)).await;
        story.publisher.release("1.7", &zones(&[3, 1])).publish(world.store()).await;
        sleep(SHORT).await;
        assert_eq!((world.generations()[3].as_str(), world.served()), ("1.7", zones(&[3, 1])));
        sleep(secs(1_000)).await;
        assert_eq!(world.generations().len(), 4);
        assert_eq!(world.report(0).await.unwrap().delay_secs, 600);
    })
    .await;
}
