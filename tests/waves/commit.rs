//! From `git commit` to all nodes: the hook of deploy/ci, then the steps of its workflow, each with the time that it takes.
//!
//! The table of docs/publishing.md: `cargo test --test waves from_git_commit -- --nocapture`.

use crate::clients::NAMES;
use crate::command::start;
use crate::fleet::{Fleet, PATIENCE, until};
use crate::support::etcd::{Cluster, Options};
use crate::support::peers::query;
use crate::support::process::TempDir;
use crate::support::workflow::{Context, Repository, Step, of_github, python, yaml};
use crate::support::{skip, watch};
use serde_json::Value;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const A: u16 = 1;
/// How often a node is asked for the change.
const PAUSE: Duration = Duration::from_millis(5);
/// A tenth of the nodes first, for five seconds.
const SETTINGS: &str = "[waves]\ncanary = \"10%\"\nsoak = \"5s\"\n";

/// What was done, and how long after the beginning it was.
struct Steps {
    began: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn done(&mut self, what: &'static str) {
        self.done.push((what, self.began.elapsed()));
    }

    fn table(&self) -> String {
        let mut text = String::from("| step | takes | after `git commit` began |\n|---|---:|---:|\n");
        let mut before = Duration::ZERO;
        for (what, at) in &self.done {
            let takes = at.saturating_sub(before).as_secs_f64();
            let _ = writeln!(text, "| {what} | {takes:.2} s | {:.2} s |", at.as_secs_f64());
            before = *at;
        }
        text
    }
}

/// A step of the workflow by its name, for an event.
fn step(workflow: &Value, event: &str, name: &str, fleet: &Fleet, repository: &Repository) -> Step {
    let context = Context::from([
        ("github.event_name", event.to_owned()),
        ("github.event.pull_request.number", "1".to_owned()),
        ("github.token", String::new()),
        ("vars.CATCHMENT_STORE", fleet.publisher.store.clone()),
        ("secrets.CATCHMENT_KEY", std::fs::read_to_string(repository.dir.join("prod.key")).unwrap()),
    ]);
    let mut steps = of_github(workflow, &context).into_iter().flat_map(|job| job.steps);
    steps.find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"))
}

#[test]
fn from_git_commit_to_everyone() {
    let started =
        python().and_then(|python| Ok((python, Cluster::start(Options { members: 1, ..Options::default() })?)));
    let (python, cluster) = match started {
        Ok(started) => started,
        Err(why) => return skip(why),
    };
    let (blobs, home) = (TempDir::new("waves-commit-blobs"), TempDir::new("waves-commit-home"));
    let store = format!("etcd://{}/commit?blobs=dir:{}", cluster.clients().join(","), blobs.path().display());
    let fleet = Fleet::start("waves-commit", Some(store));
    let workflow = yaml(&python, "deploy/ci/github.yml");
    std::fs::write(fleet.publisher.zones().join("publish.toml"), SETTINGS).unwrap();
    let repository = Repository::of(&fleet.publisher.zones());
    repository.install_hook();
    repository.git(&["checkout", "--quiet", "-b", "change"]).unwrap();
    let run = |event: &str, name: &str| {
        let workspace = repository.check_out("change");
        let step = step(&workflow, event, name, &fleet, &repository);
        let ended = start(step.command(workspace.path(), home.path())).ended();
        assert_eq!(ended.code, 0, "{name}: {}{}", ended.out, ended.err);
        workspace
    };
    fleet.settle();

    // Somebody changes a record; the hook is there.
    let addrs: Vec<SocketAddr> = fleet.nodes.iter().map(|node| node.addr).collect();
    fleet.publisher.write("example.test", "@ SOA\n");
    assert!(repository.commit("A mistake").is_err(), "the hook looks");
    fleet.write(2);
    repository.git(&["add", "zones"]).unwrap();
    let mut steps = Steps { began: Instant::now(), done: Vec::new() };
    let watching = {
        let (addrs, began) = (addrs.clone(), steps.began);
        let question = query(7, "cdn.example.test", A);
        let done = |response: &[u8]| response[3] & 0xf == 0 && response.ends_with(&[192, 0, 2, 2]);
        std::thread::spawn(move || watch::until(&addrs, &question, done, began, PAUSE, 2 * PATIENCE))
    };
    repository.git(&["commit", "--quiet", "-m", "Another address"]).unwrap();
    steps.done("`git commit`, with the hook's check");
    run("pull_request", "Check");
    steps.done("job `check`, in a new clone");
    let workspace = run("pull_request", "Plan");
    steps.done("job `plan`, in a new clone");
    let plan = std::fs::read_to_string(workspace.path().join("plan.md")).unwrap();
    for name in NAMES {
        assert!(plan.contains(&format!("+ {name}.example.test. 3600 IN A 192.0.2.2")), "{plan}");
    }
    repository.git(&["checkout", "--quiet", "main"]).unwrap();
    repository.git(&["merge", "--quiet", "--ff-only", "change"]).unwrap();
    steps.done("merged");

    // What main does.
    let workspace = repository.check_out("main");
    let publish = step(&workflow, "push", "Publish", &fleet, &repository);
    let mut running = start(publish.command(workspace.path(), home.path()));
    running.until("1.2 is on trial: ");
    steps.done("job `publish`: checked, compiled, planned, on trial");
    running.until("canary: 1 of 1 node serves 1.2 after ");
    running.until("soak 5s");
    steps.done("the canary serves it");
    let of_canary = running.out.split("1.2 is on trial: node").nth(1).unwrap().split(';').next().unwrap();
    let canary: usize = of_canary.parse().unwrap_or_else(|_| panic!("{}", running.out));
    until("the canary's client", || match fleet.clients.served(2).is_empty() {
        true => Err("it is not answered by what is on trial".into()),
        false => Ok(()),
    });
    assert_eq!(fleet.clients.served(2), [canary], "nobody else, while it soaks");
    running.until("canary: passed, ");
    steps.done("soak of 5 s, judged");
    running.until("1.4 is the head, with the content of 1.2");
    steps.done("it is the head");
    let ended = running.ended();
    steps.done("all ten have reported that they serve it");
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert!(ended.out.contains("everyone: 10 nodes serve it"), "{}", ended.out);

    // Each node says so, and answers so.
    assert_eq!(fleet.generations(), ["1.4"; 10]);
    fleet.wait_all(2);
    let mut answered = watching.join().unwrap().unwrap();
    let first = answered.remove(canary);
    let (next, last) = (answered.iter().min().unwrap(), answered.iter().max().unwrap());
    assert!(first < *next, "{first:?} at the canary, {answered:?} elsewhere");
    println!("{}", steps.table());
    println!(
        "seen by a client of each node, after `git commit` began: the canary answers with the change at {:.2} s, the first of the others at {:.2} s, the last at {:.2} s",
        first.as_secs_f64(),
        next.as_secs_f64(),
        last.as_secs_f64()
    );
}
