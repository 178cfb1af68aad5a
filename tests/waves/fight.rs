//! Two publishers that lay a trial in the same instant: both have compared, made and put all of it, and are held at the system call that begins to
//! move the channel's state, until both are there. One is first. Each has another zone to change, and neither change may be lost.

use crate::command::{Ended, publish, traced};
use crate::fleet::{Fleet, PATIENCE};
use crate::moves::{CALLS, Place};
use crate::support::catchment::{ask, query, serial};
use crate::support::etcd::{Cluster, Options};
use crate::support::fleet::Publisher;
use crate::support::process::TempDir;
use crate::support::skip;
use crate::support::trace::Then;
use hickory_proto::rr::{DNSClass, RecordType};
use serde_json::Value;
use std::sync::{Condvar, Mutex};

const ROUNDS: u32 = 5;
const NODES: usize = 2;
const TRY: [&str; 8] = ["--canary", "node00", "--soak", "1s", "--deadline", "30s", "--min-queries", "1000000"];
const AT_ONCE: [&str; 1] = ["--at-once"];
/// Who changes which zone.
const ZONES: [&str; 2] = ["a.test", "b.test"];

/// Where two wait for each other.
#[derive(Default)]
struct Meeting {
    there: Mutex<usize>,
    both: Condvar,
}

impl Meeting {
    fn meet(&self) {
        let mut there = self.there.lock().unwrap();
        *there += 1;
        self.both.notify_all();
        let (there, waited) = self.both.wait_timeout_while(there, PATIENCE, |there| *there < 2).unwrap();
        assert!(!waited.timed_out(), "{there} of two publishers came");
    }
}

/// The two, and what they publish to.
struct Fight {
    fleet: Fleet,
    publishers: [Publisher; 2],
    /// The counter of the newest release.
    head: u64,
}

fn write(publisher: &Publisher, zone: &str, serial: u32) {
    publisher.write(zone, &format!("$TTL 1h\n@ SOA ns hostmaster {serial} 1d 2h 4w 1h\n@ NS ns\nns A 192.0.2.1\n"));
}

impl Fight {
    fn start(store: Option<String>) -> Fight {
        let fleet = Fleet::small("waves-fight", store, NODES);
        ZONES.iter().for_each(|zone| write(&fleet.publisher, zone, 1));
        let publishers = [(); 2].map(|()| fleet.publisher.another("waves-fight-too"));
        let ended = publish(&publishers[0], &["--at-once", "--wait"]).ended();
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        let fight = Fight { fleet, publishers, head: 2 };
        fight.all_serve([1, 1]);
        fight
    }

    /// Both publish in the same instant, with these arguments.
    fn at_once(&self, how: [&[&str]; 2]) -> [Ended; 2] {
        let meeting = Meeting::default();
        let run = |publisher: &Publisher, how: &[&str]| {
            let (place, mut met) = (Place::of(publisher), false);
            let ended = traced(publisher, how, &CALLS, |call| {
                if !met && call.result.is_none() && place.begins_to_move(call) {
                    met = true;
                    meeting.meet();
                }
                Then::GoOn
            });
            assert!(met, "{}{}", ended.out, ended.err);
            ended
        };
        std::thread::scope(|scope| {
            let [a, b] = [0, 1].map(|n| {
                let (run, publisher, how) = (&run, &self.publishers[n], how[n]);
                scope.spawn(move || run(publisher, how))
            });
            [a, b].map(|thread| thread.join().expect("it has run"))
        })
    }

    /// Every node has these serials of both zones, from the newest release.
    fn all_serve(&self, serials: [u32; 2]) {
        for node in &self.fleet.nodes {
            let has = ZONES.map(|zone| {
                let answer = ask(node.addr, &query(zone, RecordType::SOA, DNSClass::IN));
                answer.and_then(|answer| serial(&answer)).unwrap_or_else(|| panic!("{zone} is lost:\n{}", node.log()))
            });
            assert_eq!(has, serials, "{}", node.log());
        }
        let head = format!("1.{}", self.head);
        assert_eq!(self.fleet.generations(), [head.clone(), head]);
    }

    /// Both want the trial: one has it, the other is told so, and comes again with the other's change.
    fn both_try(&mut self, serial: u32, more: &[&str]) {
        let before = serial - 1;
        ZONES.iter().zip(&self.publishers).for_each(|(zone, publisher)| write(publisher, zone, serial));
        let how = [&TRY[..], more].concat();
        let both = self.at_once([&how, &how]);
        let told = both.each_ref().map(|ended| format!("{}: {}{}", ended.code, ended.out, ended.err)).concat();
        let first = both.iter().position(|ended| ended.code == 0).unwrap_or_else(|| panic!("{told}"));
        let (winner, loser) = (&both[first], &both[1 - first]);
        assert_eq!((loser.code, winner.err.as_str()), (3, ""), "{told}");
        let tried = self.head + 1;
        assert!(winner.out.contains(&format!("1.{tried} is on trial: node00;")), "{told}");
        let why = format!(
            "has release 1.{tried} on trial at 1 node (step 1): wait for it, or finish it: catchment promote, or"
        );
        assert!(loser.err.contains(&why) && !loser.out.contains("is on trial:"), "{told}");
        // Tried, the way back, promoted.
        self.head += 3;
        let mut serials = [serial, serial];
        serials[1 - first] = before;
        self.all_serve(serials);
        self.again(first, 1 - first, serial);
    }

    /// One tries it, one publishes to all: whichever is first, the other rebases, or is told why not.
    fn one_tries(&mut self, serial: u32) {
        ZONES.iter().zip(&self.publishers).for_each(|(zone, publisher)| write(publisher, zone, serial));
        let both = self.at_once([&TRY, &AT_ONCE]);
        let told = both.each_ref().map(|ended| format!("{}: {}{}", ended.code, ended.out, ended.err)).concat();
        let [tries, publishes] = &both;
        assert_eq!(tries.code, 0, "{told}");
        if publishes.code == 0 {
            // It was first: what is on trial then has its change, too.
            self.head += 1;
            assert!(publishes.out.contains(&format!("published 1.{}", self.head)), "{told}");
            assert!(tries.out.contains(&format!("1.{} is on trial: node00;", self.head + 1)), "{told}");
            self.head += 3;
            self.all_serve([serial, serial]);
            write(&self.publishers[0], ZONES[1], serial);
            write(&self.publishers[1], ZONES[0], serial);
        } else {
            assert_eq!(publishes.code, 3, "{told}");
            assert!(publishes.err.contains(&format!("has release 1.{} on trial at 1 node", self.head + 1)), "{told}");
            self.head += 3;
            self.all_serve([serial, serial - 1]);
            self.again(0, 1, serial);
        }
    }

    /// The one who was refused merges what the other has published, and publishes.
    fn again(&mut self, winner: usize, loser: usize, serial: u32) {
        write(&self.publishers[loser], ZONES[winner], serial);
        let ended = publish(&self.publishers[loser], &["--at-once", "--wait"]).ended();
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        self.head += 1;
        self.all_serve([serial, serial]);
        write(&self.publishers[winner], ZONES[loser], serial);
    }

    /// The store has those releases that were told of, and no others, and all that they need.
    fn nothing_else(&self) {
        let arguments = ["releases", "--of", &self.fleet.publisher.store, "--channel", "prod", "--json"];
        let output = self.fleet.publisher.command(&arguments).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["releases"][0]["generation"], format!("1.{}", self.head), "{document}");
        self.fleet.publisher.verify().unwrap();
    }
}

fn rounds(store: Option<String>) {
    let mut fight = Fight::start(store);
    for serial in 2..2 + ROUNDS {
        match serial % 2 {
            0 => fight.both_try(serial, if serial == 2 { &["--on-conflict", "stop"] } else { &[] }),
            _ => fight.one_tries(serial),
        }
    }
    fight.nothing_else();
}

#[test]
fn two_publishers_in_the_same_instant() {
    let cluster = Cluster::start(Options { members: 1, ..Options::default() });
    let blobs = TempDir::new("waves-fight-blobs");
    std::thread::scope(|scope| {
        scope.spawn(|| rounds(None));
        match &cluster {
            Ok(cluster) => {
                let (members, blobs) = (cluster.clients().join(","), blobs.path().display());
                let store = format!("etcd://{members}/fight?blobs=dir:{blobs}");
                scope.spawn(|| rounds(Some(store)));
            }
            Err(why) => skip(why),
        }
    });
}
