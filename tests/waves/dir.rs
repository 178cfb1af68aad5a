//! Waves through a store in a directory.

use crate::clients::NAMES;
use crate::command::publish;
use crate::fleet::{Fleet, PATIENCE, until, write};
use crate::support::catchment::run;
use crate::support::process::signal;
use catchment::sync::publish::Silent;
use catchment::sync::publish::tip::{Anchor, Held};
use catchment::sync::publish::wave::ask::{Ask, Asker, Question, Serial};
use catchment::sync::publish::wave::observe::Observer;
use catchment::sync::report::Report;
use catchment::sync::store::address::Address;
use serde_json::{Value, json};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The canary of most of these.
const CANARY: usize = 3;
const NAME: &str = "node03";
/// Waves that are quick, and leave the canary to itself soon.
const QUICK: [&str; 8] = ["--canary", NAME, "--soak", "2s", "--deadline", "6s", "--min-queries", "30"];

/// `catchment` with these arguments: exit code, standard output, standard error.
fn command(fleet: &Fleet, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = fleet.publisher.command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn status(fleet: &Fleet) -> (i32, String) {
    let (code, out, _) = command(fleet, &["status", "--of", &fleet.publisher.store, "--channel", "prod"]);
    (code, out)
}

fn signed(fleet: &Fleet, verb: &str) -> (i32, String, String) {
    let store = &fleet.publisher.store;
    command(fleet, &[verb, "--of", store, "--channel", "prod", "--key", "prod.key", "--wait"])
}

/// A good release goes through all waves; each step is printed with its time.
fn a_good_release_reaches_everyone(fleet: &Fleet) {
    fleet.write(2);
    fleet.settle();
    let waves = ["--canary", "10%", "--waves", "50%", "--soak", "5s", "--min-queries", "100"];
    let ended = publish(&fleet.publisher, &waves).ended();
    println!("{}", ended.out);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    for part in [
        "1.2 is on trial: node",
        "canary: 1 of 1 node serves 1.2 after ",
        "soak 5s",
        "canary: passed, ",
        "wave 2: 5 of 5 nodes serve 1.2 after ",
        "wave 2: passed, ",
        "1.4 is the head, with the content of 1.2",
        "everyone: 10 nodes serve it",
    ] {
        assert!(ended.out.contains(part), "`{part}` is not in:\n{}", ended.out);
    }
    fleet.wait_all(2);
    let (code, out) = status(fleet);
    assert!(code == 0 && out.starts_with("channel prod: head 1.4,") && !out.contains("trial"), "{out}");
}

/// A release that breaks one name, which guards let pass as they were told to: the canary's figures show it, and nobody else ever serves it.
fn a_broken_release_stays_at_the_canary(fleet: &Fleet) {
    write(&fleet.publisher, 2, &NAMES[1..]);
    fleet.settle();
    let waves = ["--canary", "10%", "--soak", "3s", "--min-queries", "50"];
    // Guards and the answer diff know of it before anybody serves it.
    let guarded = publish(&fleet.publisher, &waves).ended();
    assert!(guarded.code == 5, "{}{}", guarded.out, guarded.err);
    assert!(guarded.err.contains("as guards object: serial-same, answer-nxdomain;"), "{}", guarded.err);
    let allowed = ["--allow", "serial-same", "--allow", "answer-nxdomain"];
    let ended = publish(&fleet.publisher, &[&waves[..], &allowed].concat()).ended();
    println!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, 6, "{}{}", ended.out, ended.err);
    let broken = fleet.clients.broken();
    assert_eq!(broken.len(), 1, "only the canary: {broken:?}");
    assert!(ended.err.contains(&format!("error: canary: node{:02}: NXDOMAIN is ", broken[0])), "{}", ended.err);
    assert!(ended.err.contains("; on 9 other nodes it changed by 0.0 points (median); a rise by "), "{}", ended.err);
    assert!(ended.err.contains(" was taken back: 1."), "{}", ended.err);
    // The canary is back, and no name is missing anywhere.
    let start = Instant::now();
    loop {
        fleet.settle();
        if fleet.clients.broken().is_empty() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the canary does not come back");
    }
}

/// A publisher is killed: wherever it was, the canary goes back by itself, and nobody else ever served the release.
fn a_killed_publisher_leaves_nobody_on_a_trial(fleet: &Fleet) {
    for (round, phase) in ["is on trial", "serves 1.", "soak 2s"].into_iter().enumerate() {
        let number = 10 + round as u8;
        let before = if round == 0 { 2 } else { 9 + round as u8 };
        fleet.write(number);
        fleet.settle();
        let mut command = publish(&fleet.publisher, &QUICK);
        command.until(phase);
        command.kill();
        let killed = Instant::now();
        // Another one must wait, and may not touch it.
        let refused = publish(&fleet.publisher, &QUICK).ended();
        assert!(refused.code == 3 && refused.err.contains("has release 1."), "{}{}", refused.out, refused.err);
        fleet.wait(&[CANARY], before);
        // It may not have got to it when the publisher was killed at once.
        let mut gone_back = false;
        while killed.elapsed() < Duration::from_secs(20) && !gone_back {
            gone_back = has_gone_back(fleet) && fleet.clients.served(number).contains(&CANARY);
            std::thread::sleep(Duration::from_millis(50));
        }
        fleet.wait(&[CANARY], before);
        assert_eq!(fleet.clients.served(number), [CANARY], "killed at `{phase}`");
        let (code, out) = status(fleet);
        assert!(code == 1 && out.contains(&format!("is on trial at {NAME} (step 1")), "{out}");
        assert!(out.contains("its nodes have gone back: a publish ends it in "), "{out}");
        assert!(out.contains("has gone back by itself"), "{out}");
        // Whoever is on duty ends it one way or the other.
        let (code, out, err) = match round {
            0 => signed(fleet, "promote"),
            _ => {
                let ended = signed(fleet, "rollback");
                let again = publish(&fleet.publisher, &["--at-once", "--wait"]).ended();
                assert_eq!(again.code, 0, "{}{}", again.out, again.err);
                ended
            }
        };
        assert_eq!(code, 0, "{out}{err}");
        fleet.wait_all(number);
    }
}

/// The same in a later wave: all that have it go back.
fn a_killed_publisher_of_a_later_wave(fleet: &Fleet) {
    fleet.write(15);
    fleet.settle();
    let waves = ["--canary", NAME, "--waves", "50%", "--soak", "1s", "--deadline", "5s", "--min-queries", "30"];
    let mut command = publish(&fleet.publisher, &waves);
    command.until("wave 2: 5 of 5 nodes serve");
    command.kill();
    until("all five go back", || {
        let (_, out) = status(fleet);
        if out.matches("has gone back by itself").count() == 5 { Ok(()) } else { Err(out) }
    });
    fleet.wait_all(12);
    let served = fleet.clients.served(15);
    assert!(served.len() == 5 && served.contains(&CANARY), "{served:?}");
    let (code, out, err) = signed(fleet, "rollback");
    assert_eq!(code, 0, "{out}{err}");
    fleet.wait_all(12);
    // Whoever serves what from now on: nobody the release that was tried.
    fleet.settle();
    assert!(fleet.clients.served(15).is_empty());
}

/// Whether the canary has gone back: it serves a generation above the head.
fn has_gone_back(fleet: &Fleet) -> bool {
    status(fleet).1.contains("has gone back by itself")
}

/// An interrupted publisher takes the channel back itself.
fn an_interrupted_publisher_takes_it_back(fleet: &Fleet) {
    for (number, name) in [(20, "INT"), (21, "TERM")] {
        fleet.write(number);
        fleet.settle();
        let mut command = publish(&fleet.publisher, &QUICK);
        command.until("soak 2s");
        signal(name, &[command.pid()]);
        let ended = command.ended();
        assert_eq!(ended.code, 6, "{}{}", ended.out, ended.err);
        assert!(ended.err.contains(&format!("error: interrupted by SIG{name}\n")), "{}", ended.err);
        assert!(ended.err.contains(" was taken back: 1."), "{}", ended.err);
        fleet.wait_all(12);
        assert_eq!(fleet.clients.served(number), [CANARY]);
    }
}

/// Two publishers: the second one is refused while the first is at work; a rollback ends the first one's trial, and it says so.
fn publishers_that_fight(fleet: &Fleet) {
    fleet.write(30);
    fleet.settle();
    let mut first = publish(&fleet.publisher, &["--canary", NAME, "--soak", "4s", "--min-queries", "30"]);
    first.until("soak 4s");
    let (code, out) = status(fleet);
    assert!(code == 0 && out.contains(": 1 node serves it; without further word back to 1."), "{out}");
    for how in [&QUICK[..], &["--at-once"]] {
        let second = publish(&fleet.publisher, how).ended();
        assert!(second.code == 3 && second.err.contains("wait for it, or finish it"), "{}{}", second.out, second.err);
    }
    let (code, out, err) = signed(fleet, "rollback");
    assert_eq!(code, 0, "{out}{err}");
    let ended = first.ended();
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(
        ended.err.starts_with("error: somebody else has ended the trial meanwhile: somebody took 1."),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(" back, and everyone is to serve what was the head before: 1."), "{}", ended.err);
    fleet.wait_all(12);
    assert_eq!(fleet.clients.served(30), [CANARY]);
    // Without a trial there is nothing to finish.
    for (command, word) in
        [("promote", "no release is on trial"), ("rollback", "name the release to go back to, with --to")]
    {
        let (code, _, err) = signed(fleet, command);
        assert!(code != 0 && err.contains(word), "{code} {err}");
    }
}

/// The store goes away in the middle of a wave: the publisher says so, and the canary goes back by itself.
fn a_store_that_goes_away(fleet: &Fleet) {
    fleet.write(40);
    fleet.settle();
    let mut command = publish(&fleet.publisher, &QUICK);
    command.until("soak 2s");
    let (store, away) = (fleet.publisher.store_path(), fleet.publisher.store_path().with_extension("away"));
    std::fs::rename(&store, &away).unwrap();
    // No node makes it anew to report into it.
    std::fs::write(&store, "gone").unwrap();
    let ended = command.ended();
    assert_ne!(ended.code, 0, "{}{}", ended.out, ended.err);
    println!("{}{}", ended.out, ended.err);
    assert!(ended.err.contains("its nodes go back by themselves within 6s"), "{}", ended.err);
    fleet.wait(&[CANARY], 12);
    std::fs::remove_file(&store).unwrap();
    std::fs::rename(&away, &store).unwrap();
    assert_eq!(fleet.clients.served(40), [CANARY]);
    let (code, out, err) = signed(fleet, "rollback");
    assert_eq!(code, 0, "{out}{err}");
    fleet.wait_all(12);
}

/// A canary dies: the release is taken back, with its name.
fn a_canary_that_dies(fleet: &mut Fleet) {
    fleet.write(50);
    fleet.settle();
    let mut command = publish(&fleet.publisher, &["--canary", NAME, "--soak", "3s", "--min-queries", "30"]);
    command.until("soak 3s");
    fleet.nodes[CANARY].kill();
    let ended = command.ended();
    println!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, 6, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains(&format!("error: canary: {NAME}: it has reported nothing for ")), "{}", ended.err);
    assert_eq!(fleet.clients.served(50), [CANARY]);
    fleet.nodes[CANARY].spawn().unwrap();
    fleet.wait_all(12);
}

/// Nobody asks: the publisher does.
fn without_clients_the_publisher_asks(fleet: &Fleet) {
    fleet.write(60);
    let waves = ["--canary", NAME, "--soak", "1s", "--min-queries", "1000000"];
    let ended = publish(&fleet.publisher, &waves).ended();
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert!(ended.out.contains(", 8 questions asked by us"), "{}", ended.out);
    fleet.wait_all(60);
    fleet.write(61);
    let ended = publish(&fleet.publisher, &[&waves[..], &["--json"]].concat()).ended();
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&document["published"], &document["all-serve-it"]), (&json!(true), &json!(true)), "{document}");
    assert_eq!(document["waves"][0]["asked"], json!([{ "node": NAME, "questions": 8 }]), "{document}");
    assert!(ended.err.contains("canary: 1 of 1 node serves "), "{}", ended.err);
}

/// What asking a node finds out.
fn what_asking_tells(fleet: &Fleet) {
    let publisher = catchment::sync::publish::Publisher {
        store: fleet.publisher.store.parse::<Address>().unwrap().open().unwrap(),
        channel: "prod".parse().unwrap(),
        anchor: Anchor::Store,
        progress: Arc::new(Silent),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let observer = Observer::start(&publisher).await.unwrap();
        let (report, _) = observer.report(NAME).unwrap();
        let serving = report.serving.unwrap();
        let head = Held { generation: serving.generation, manifest: serving.manifest };
        let question =
            |zone: &str, serial| Box::new(Serial { zone: zone.parse().unwrap(), serial }) as Box<dyn Question>;
        let ask = async |report: &Report, release: &Held, questions: Vec<Box<dyn Question>>| {
            Asker { questions: &questions }.ask(report, release).await
        };
        let asked = ask(report, &head, (0..40).map(|_| question("example.test", 61)).collect()).await;
        assert_eq!(asked, Ok(41));
        let wrong = vec![question("example.test", 61), question("example.test", 62), question("example.org", 1)];
        let address = fleet.nodes[CANARY].addr;
        assert_eq!(
            ask(report, &head, wrong).await.unwrap_err(),
            format!(
                "asked at {address}, 2 of 4 answers are wrong: example.org. SOA: it answers Query Refused without it, \
                 example.test. SOA: it answers serial 61, not 62"
            )
        );
        let other = Held { generation: "1.1".parse().unwrap(), ..head };
        assert_eq!(
            ask(report, &other, Vec::new()).await.unwrap_err(),
            format!("asked at {address}, it serves {}", head.generation)
        );
        // An address leads to somebody else, or to nobody.
        let elsewhere = fleet.nodes[CANARY + 1].addr;
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let report = Report { addresses: vec![nowhere, elsewhere], ..report.clone() };
        assert_eq!(
            ask(&report, &head, Vec::new()).await.unwrap_err(),
            format!(
                "too few queries to tell by, and it can't be asked: no answer from {nowhere}; {elsewhere} is node04"
            )
        );
        let report = Report { addresses: vec![elsewhere, address], ..report };
        assert_eq!(ask(&report, &head, Vec::new()).await, Ok(1));
    });
}

#[test]
fn ten_nodes_and_a_directory() {
    let mut fleet = Fleet::start("waves-dir", None);
    a_good_release_reaches_everyone(&fleet);
    a_broken_release_stays_at_the_canary(&fleet);
    a_killed_publisher_leaves_nobody_on_a_trial(&fleet);
    a_killed_publisher_of_a_later_wave(&fleet);
    an_interrupted_publisher_takes_it_back(&fleet);
    publishers_that_fight(&fleet);
    a_store_that_goes_away(&fleet);
    a_canary_that_dies(&mut fleet);
    without_clients_the_publisher_asks(&fleet);
    what_asking_tells(&fleet);
    fleet.publisher.verify().unwrap();
}

/// Nobody to try it on.
#[test]
fn who_can_not_try_it() {
    let publisher = crate::support::fleet::Publisher::new("waves-nobody", None).unwrap();
    write(&publisher, 1, &NAMES);
    let first = publish(&publisher, &["--canary", "10%"]).ended();
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    assert!(
        first.err.contains("note: there is no release to go back to: this one is for everyone at once"),
        "{}",
        first.err
    );
    // Where nothing changes there is nothing to try.
    let again = publish(&publisher, &["--canary", "10%"]).ended();
    assert_eq!((again.code, again.err.as_str()), (0, ""), "{}", again.out);
    assert!(again.out.starts_with("nothing changed: 1.1 stays the head, 1 zone;"), "{}", again.out);
    write(&publisher, 2, &NAMES);
    let second = publish(&publisher, &["--canary", "10%"]).ended();
    assert_eq!(second.code, 1, "{}{}", second.out, second.err);
    assert!(
        second.err.contains("it can't be tried: no node has reported lately; see catchment status"),
        "{}",
        second.err
    );
    let zones = publisher.zones();
    std::fs::write(zones.join("publish.toml"), "[waves]\ncanary = \"10%\"\nsoak = \"5s\"\n").unwrap();
    let configured = publish(&publisher, &[]).ended();
    assert!(configured.code == 1 && configured.err.contains("it can't be tried"), "{}", configured.err);
    let short = publish(&publisher, &["--deadline", "2s"]).ended();
    assert!(short.code == 1 && short.err.contains("nodes would go back before they are judged"), "{}", short.err);
    let at_once = publish(&publisher, &["--at-once"]).ended();
    assert_eq!(at_once.code, 0, "{}{}", at_once.out, at_once.err);
    let dir = zones.parent().unwrap();
    let (code, _, err) =
        run(&["publish", "zones", "--to", "dir:x", "--channel", "c", "--key", "prod.key", "--canary", "0%"], dir);
    assert!(code == 2 && err.contains("give a share of the nodes"), "{err}");
    let none = ["publish", "zones", "--to", "dir:x", "--channel", "c", "--key", "prod.key", "--canary", "none"];
    let (code, _, err) = run(&none, dir);
    assert!(code == 2 && err.contains("for everyone at once, whatever publish.toml says, give --at-once"), "{err}");
}
