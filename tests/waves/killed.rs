//! A publisher killed (SIGKILL) before each of its writes to the store, from the first blob of a trial to the end of the promotion, and after each
//! move of the state. In a publish with one further wave these are, in this order ([`catchment::sync::publish::trial`]):
//!
//! | | in a directory | in etcd |
//! |---|---|---|
//! | lay the trial | pack, page, and the manifests of the release and the return release appear, that of the head becomes young; then the state | the state |
//! | widen | the state | the state |
//! | promote | the new head's manifest appears; then the state | the state |
//!
//! So whatever is killed, the state was moved none to three times, and that alone decides what becomes of the nodes. All must come to one release, none may
//! serve anything between, the next publish goes on, and nothing is missing in the store.

use crate::command::{publish, traced};
use crate::fleet::{Fleet, until};
use crate::moves::{CALLS, Eye, Place, Write};
use crate::support::etcd::{Cluster, Options};
use crate::support::process::TempDir;
use crate::support::skip;
use crate::support::trace::Then;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A canary, one more in the second wave, and one that the release never reaches before it is the head.
const NODES: usize = 3;
const CANARY: usize = 0;
/// Few ask, so that the publisher does. The deadline is long enough for a wave on a busy machine.
const WAVES: [&str; 10] =
    ["--canary", "node00", "--waves", "50%", "--soak", "1s", "--deadline", "7s", "--min-queries", "1000000"];
/// Fleets at once.
const AT_ONCE: usize = 6;
/// The writes of a publish to a directory.
const WRITES: [Write; 9] = {
    use Write::{Blob, State, Young};
    [Blob, Blob, Blob, Blob, Young, State, State, Blob, State]
};
/// Those of one to etcd.
const WRITES_ETCD: [Write; 3] = [Write::State; 3];
/// Those of `WRITES` that lay, widen and promote.
const STATES: [usize; 3] = [5, 6, 8];

/// When it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before its nth write.
    Before(usize),
    /// When that is done, and before it hears of it.
    After(usize),
    /// It is not.
    Never,
}

/// One publisher that is killed.
struct Case {
    at: At,
    /// How often it has moved the state by then.
    moved: usize,
    /// Where; `None`: in a directory.
    store: Option<String>,
}

impl Case {
    fn label(&self) -> String {
        let store = if self.store.is_some() { "etcd" } else { "dir" };
        format!("{store}, killed {:?}", self.at)
    }

    fn run(&self) {
        let label = self.label();
        let fleet = Fleet::small("waves-killed", self.store.clone(), NODES);
        let began = Instant::now();
        self.publish(&fleet);
        // Tried at the canary, and then at one more; the way back; promoted: 1.2, 1.3, 1.4.
        let settled: Vec<&str> = match self.moved {
            0 => vec!["1.1"; NODES],
            3 => vec!["1.4"; NODES],
            went_back => (0..NODES).map(|n| if n < NODES - went_back { "1.1" } else { "1.3" }).collect(),
        };
        until(&label, || {
            let mut generations = fleet.generations();
            generations.sort_unstable();
            if generations == settled { Ok(()) } else { Err(format!("{generations:?}, not {settled:?}")) }
        });
        fleet.wait_all(if self.moved == 3 { 2 } else { 1 });
        let served = fleet.clients.served(2);
        match self.moved {
            0 => assert!(served.is_empty(), "{label}: {served:?}"),
            3 => {}
            waves => assert!(served.len() == waves && served.contains(&CANARY), "{label}: {served:?}"),
        }
        until(&label, || self.status(&fleet));
        fleet.publisher.verify().unwrap_or_else(|why| panic!("{label}: {why}"));
        self.next(&fleet);
        println!("{label}: settled, and published after, in {:.1} s", began.elapsed().as_secs_f64());
    }

    /// Publishes release 2 up to where it is killed.
    fn publish(&self, fleet: &Fleet) {
        let (label, place, eye) = (self.label(), Place::of(&fleet.publisher), Eye::on(&fleet.publisher));
        fleet.write(2);
        fleet.clients.forget();
        let (mut writes, mut done, mut state) = (Vec::new(), Vec::new(), eye.state());
        let ended = traced(&fleet.publisher, &WAVES, &CALLS, |call| {
            let Some(write) = place.write(call) else { return Then::GoOn };
            let entered = call.result.is_none();
            if entered {
                writes.push(write);
            }
            let nth = writes.len() - 1;
            if entered && self.at == At::Before(nth) {
                return Then::Kill;
            }
            if !entered {
                done.push(write);
                if write == Write::State {
                    // What was sent to etcd is not done yet.
                    eye.until_other_than(&state);
                    state = eye.state();
                }
                if self.at == At::After(nth) {
                    return Then::Kill;
                }
            }
            Then::GoOn
        });
        let told = format!("{label}: {writes:?}\n{}{}", ended.out, ended.err);
        assert_eq!(ended.code, if self.at == At::Never { 0 } else { -1 }, "{told}");
        assert_eq!(done.iter().filter(|write| **write == Write::State).count(), self.moved, "{told}");
        if self.at == At::Never && self.store.is_some() {
            assert_eq!(writes, WRITES_ETCD, "{told}");
        } else if self.at == At::Never {
            // Blobs are put at once, in any order; the state waits for all of them.
            writes[..STATES[0]].sort_unstable();
            assert_eq!(writes, WRITES, "{told}");
        }
        until(&label, || match fleet.clients.answers_min() {
            0 => Err("clients get no answers".into()),
            _ => Ok(()),
        });
    }

    /// What the operator reads, once nodes have reported.
    fn status(&self, fleet: &Fleet) -> Result<(), String> {
        let arguments = ["status", "--of", &fleet.publisher.store, "--channel", "prod"];
        let output = fleet.publisher.command(&arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let count = |part: &str| text.matches(part).count();
        let right = match self.moved {
            0 => text.starts_with("channel prod: head 1.1,") && count("trial") == 0,
            3 => text.starts_with("channel prod: head 1.4,") && count("trial") == 0,
            waves => {
                text.starts_with("channel prod: head 1.1,")
                    && count("1.2 is on trial at ") == 1
                    && count("its nodes have gone back") == 1
                    && count("has gone back by itself") == waves
            }
        };
        if right { Ok(()) } else { Err(text) }
    }

    /// The next publish: at once, or when what was on trial counts as abandoned.
    fn next(&self, fleet: &Fleet) {
        let label = self.label();
        fleet.write(3);
        let on_trial = self.moved == 1 || self.moved == 2;
        let mut said = String::new();
        until(&label, || {
            let ended = publish(&fleet.publisher, &["--at-once", "--wait"]).ended();
            let told = format!("{label}: {}{}", ended.out, ended.err);
            if ended.code == 3 && on_trial {
                assert!(ended.err.contains("has release 1.2 on trial at "), "{told}");
                // Asking again and again would only take time from others.
                std::thread::sleep(Duration::from_millis(500));
                return Err(told);
            }
            assert_eq!(ended.code, 0, "{told}");
            said = ended.err;
            Ok(())
        });
        let abandoned = "the trial of release 1.2 was abandoned: the channel is taken back first";
        assert_eq!(said.contains(abandoned), on_trial, "{label}: {said}");
        fleet.wait_all(3);
        // After the return release, which is the head before, or after the one that was promoted.
        let head = ["1.2", "1.4", "1.4", "1.5"][self.moved];
        assert_eq!(fleet.generations(), [head; NODES], "{label}");
        fleet.publisher.verify().unwrap_or_else(|why| panic!("{label}: {why}"));
    }
}

fn run_all(cases: Vec<Case>) {
    let queue = Mutex::new(VecDeque::from(cases));
    let next = || queue.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    case.run();
                }
            });
        }
    });
}

/// How often the state has been moved before the nth write of these states.
fn moved_before(nth: usize, states: &[usize]) -> usize {
    states.iter().filter(|state| **state < nth).count()
}

#[test]
fn a_publisher_killed_at_each_write() {
    let mut cases = Vec::new();
    let add = |cases: &mut Vec<Case>, states: &[usize], writes: usize, store: &dyn Fn() -> Option<String>| {
        // The long ones first: those that wait until a trial counts as abandoned.
        for nth in states {
            cases.push(Case { at: At::After(*nth), moved: moved_before(*nth + 1, states), store: store() });
        }
        for nth in (0..writes).rev() {
            cases.push(Case { at: At::Before(nth), moved: moved_before(nth, states), store: store() });
        }
    };
    add(&mut cases, &STATES, WRITES.len(), &|| None);
    let cluster = Cluster::start(Options { members: 1, ..Options::default() });
    let blobs = TempDir::new("waves-killed-blobs");
    match &cluster {
        Ok(cluster) => {
            let prefix = std::cell::Cell::new(0);
            let store = || {
                prefix.set(prefix.get() + 1);
                let (member, blobs) = (cluster.clients().join(","), blobs.path().join(prefix.get().to_string()));
                Some(format!("etcd://{member}/killed{}?blobs=dir:{}", prefix.get(), blobs.display()))
            };
            add(&mut cases, &[0, 1, 2], WRITES_ETCD.len(), &store);
            cases.push(Case { at: At::Never, moved: STATES.len(), store: store() });
        }
        Err(why) => skip(why),
    }
    cases.push(Case { at: At::Never, moved: STATES.len(), store: None });
    run_all(cases);
}
