//! Somebody ends a trial by hand while its publisher is at work, and a plan is made meanwhile. Two nodes, which nobody asks but the publisher.

use crate::clients::NAMES;
use crate::command::publish;
use crate::fleet::{until, write};
use crate::support::catchment::run;
use crate::support::fleet::{Node, Publisher};
use crate::support::process::signal;
use catchment::sync::key::KeyPair;
use serde_json::{Value, json};

/// Longer than any of these trials goes on.
const SOAK: [&str; 4] = ["--soak", "5m", "--timeout", "600"];

struct Fleet {
    publisher: Publisher,
    nodes: [Node; 2],
    /// The id of the key that signs all.
    key: String,
}

impl Fleet {
    fn start(label: &str) -> Fleet {
        let publisher = Publisher::new(label, None).unwrap();
        write(&publisher, 1, &NAMES);
        publisher.publish().unwrap();
        let nodes = [0, 1].map(|number| Node::start(&publisher, number).unwrap());
        let text = std::fs::read_to_string(publisher.zones().with_file_name("prod.key")).unwrap();
        let key = KeyPair::from_text(&text, "prod.key").unwrap().public().id().to_string();
        let fleet = Fleet { publisher, nodes, key };
        fleet.status_when(|status| status.matches("  1.1 ").count() == 2);
        fleet
    }

    /// A command on the channel: exit code, standard output, standard error.
    fn of(&self, command: &[&str], more: &[&str]) -> (i32, String, String) {
        let store = ["--of", &self.publisher.store, "--channel", "prod"];
        let dir = self.publisher.zones();
        run(&[command, &store, more].concat(), dir.parent().unwrap())
    }

    /// What status says, once it says that.
    fn status_when(&self, done: impl Fn(&str) -> bool) -> String {
        let mut said = String::new();
        until("status", || {
            let (_, out, err) = self.of(&["status"], &[]);
            said = out;
            if done(&said) { Ok(()) } else { Err(format!("{said}{err}")) }
        });
        said
    }

    /// `promote`, or `rollback`, by hand.
    fn by_hand(&self, command: &str, more: &[&str]) {
        let (code, out, err) = self.of(&[command], &[&["--key", "prod.key"], more].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
    }
}

#[test]
fn somebody_else_ends_a_trial() {
    let fleet = Fleet::start("waves-by-hand");
    let canary = [&["--canary", "node00"][..], &SOAK].concat();
    let key = &fleet.key;

    // During a soak it is promoted. A plan says meanwhile why a publish would stop.
    write(&fleet.publisher, 2, &NAMES);
    let mut command = publish(&fleet.publisher, &canary);
    command.until("soak 300s");
    let (code, out, err) = fleet.of(&["plan", "zones"], &[]);
    assert_eq!((code, err.as_str()), (2, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "channel prod, after 1.1, 1 zone: 0 added, 1 changed, 0 removed");
    assert!(lines[1].starts_with("1.2 is on trial at node00 (step 1, begun "), "{out}");
    assert!(lines[1].ends_with(" s ago): until it is over a publish stops, with exit code 3"), "{out}");
    let (_, out, _) = fleet.of(&["plan", "zones", "--json"], &[]);
    let plan: Value = serde_json::from_str(&out).unwrap();
    let tried = &plan["on-trial"];
    assert_eq!((&tried["generation"], &tried["nodes"]), (&json!("1.2"), &json!(["node00"])), "{plan}");
    let (_, out, _) = fleet.of(&["plan", "zones", "--markdown"], &[]);
    assert!(out.contains("\n```text\n1.2 is on trial at node00 (step 1, begun "), "{out}");
    fleet.by_hand("promote", &[]);
    let ended = command.ended();
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (
            3,
            format!(
                "error: somebody else has ended the trial meanwhile: key {key} promoted 1.2, and everyone is to serve it: 1.4 became the head\n"
            )
            .as_str()
        ),
        "{}",
        ended.out
    );
    let (code, out, err) = fleet.of(&["plan", "zones"], &[]);
    assert_eq!((code, out.as_str()), (0, "channel prod, after 1.4, 1 zone: nothing changes\n"), "{err}");

    // It is taken back, and machines are told too.
    write(&fleet.publisher, 3, &NAMES);
    let command = publish(&fleet.publisher, &[&canary[..], &["--json"]].concat());
    fleet.status_when(|status| status.contains("1.5 is on trial at node00") && status.contains(": 1 node serves it"));
    fleet.by_hand("rollback", &[]);
    let ended = command.ended();
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    let said = "somebody took 1.5 back, and everyone is to serve what was the head before: 1.6 became the head\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&document["published"], &document["tried"]), (&json!(false), &json!("1.5")), "{document}");
    assert_eq!(document["ended"], json!({ "how": "taken-back", "head": "1.6", "key": null }), "{document}");

    // Not all canaries serve it yet, and somebody goes back further: who waits for the last of them waits for nothing.
    write(&fleet.publisher, 4, &NAMES);
    let stopped = fleet.nodes[1].pid().unwrap();
    signal("STOP", &[stopped]);
    let mut command = publish(&fleet.publisher, &[&["--canary", "node00,node01"][..], &SOAK].concat());
    command.until("canary: 1 of 2 nodes serve 1.7 after ");
    fleet.by_hand("rollback", &["--to", "1.1"]);
    let ended = command.ended();
    signal("CONT", &[stopped]);
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    let said = format!(
        "error: somebody else has ended the trial meanwhile: key {key} went back to the content of 1.1: 1.9 became the head\n"
    );
    assert_eq!(ended.err, said, "{}", ended.out);
    fleet.status_when(|status| status.matches("  1.9 ").count() == 2);
}
