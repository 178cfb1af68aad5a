//! A fleet in one thread on virtual time: the real follower and the real publisher over simulated networks, stores and disks, with faults
//! drawn from a seed. The invariants of ARCHITECTURE.md are checked as events touch them.
//!
//! ```text
//! plan       what a run is made of             run        lays out a fleet, strikes it, asks for calm, waits for all at the head
//! world      time, log, violations             oracle     what was signed and what it holds: the truth to compare with
//! network    latency, loss, partitions, death  shelf      a store's objects; `push`: channels as etcd has them; `lies`; `thief`
//! disk       crashes, a full disk, rot         node, publisher, office: who takes part;  zones: what is published
//! trials     releases on trial: who may serve them, for how long, and who may end them;  met: what must have happened to some of them
//! ```
//!
//! `cargo test --test simulation` runs 200 seeds of 50 nodes and three of 1,500. Other runs are asked for by the environment:
//!
//! | variable | |
//! | --- | --- |
//! | `SIM_SEEDS=1000..3000` | these seeds (or so many, from 0) |
//! | `SIM_NODES=50` | of so many nodes |
//! | `SIM_SEED=17` | this one alone, and its log |
//! | `SIM_WITHOUT=crash,lies` | without these troubles |
//! | `SIM_REPORT=1` | `convergence` prints how long publishes take until they are served |
//!
//! A seed that fails is run again with fewer troubles, and the command that repeats the smallest such run is printed.

mod chance;
mod disk;
mod lies;
mod met;
mod network;
mod node;
mod office;
mod oracle;
mod plan;
mod publisher;
mod push;
mod report;
mod run;
mod shelf;
mod thief;
mod trials;
mod world;
mod zones;

use met::Tally;
use plan::{Plan, Trouble};
use run::{Ran, run};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Threads that run seeds, each one at a time.
const THREADS: usize = 2;
/// So often at least the seeds that are always run meet each thing that can happen to a release on trial.
const MET_MIN: u64 = 2;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

fn plan_of(seed: u64, nodes: u32) -> Plan {
    let mut plan = Plan::of(seed, nodes);
    for name in variable("SIM_WITHOUT").iter().flat_map(|names| names.split(',')) {
        let trouble = Trouble::ALL.iter().find(|(_, known)| *known == name);
        plan.troubles.remove(&trouble.unwrap_or_else(|| panic!("SIM_WITHOUT: there is no trouble {name}")).0);
    }
    plan
}

/// Runs these seeds and fails with the first that does not hold, made as small as can be. Gives what they met.
fn seeds(seeds: impl Iterator<Item = u64> + Send, nodes: u32) -> Tally {
    let began = std::time::Instant::now();
    let seeds = Mutex::new(seeds);
    let failed: Mutex<Option<(Plan, Ran)>> = Mutex::new(None);
    let met = Mutex::new(Tally::default());
    let (count, slowest, applied) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let next = || world::lock(&failed).is_none().then(|| world::lock(&seeds).next()).flatten();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    let plan = plan_of(seed, nodes);
                    let ran = run(plan.clone(), false);
                    count.fetch_add(1, Ordering::Relaxed);
                    slowest.fetch_max(ran.converged.as_millis() as u64, Ordering::Relaxed);
                    applied.fetch_add(ran.applied as u64, Ordering::Relaxed);
                    world::lock(&met).append(&ran.met);
                    if ran.failure.is_some() {
                        world::lock(&failed).get_or_insert((plan, ran));
                    }
                }
            });
        }
    });
    println!(
        "{} seeds of {nodes} nodes in {:.1?}: {} releases taken, all at the head {} ms after the last publish at most",
        count.into_inner(),
        began.elapsed(),
        applied.into_inner(),
        slowest.into_inner()
    );
    let met = world::lock(&met).clone();
    println!("{met:?}");
    if let Some((plan, ran)) = world::lock(&failed).take() {
        fail(plan, ran);
    }
    met
}

/// Leaves out what is not needed to fail, and says how to see the rest.
fn fail(mut plan: Plan, mut ran: Ran) -> ! {
    let mut without: Vec<&str> = Vec::new();
    for trouble in plan.troubles.clone() {
        let mut fewer = plan.clone();
        fewer.troubles.remove(&trouble);
        let again = run(fewer.clone(), false);
        if again.failure.is_some() {
            (plan, ran) = (fewer, again);
            without.push(trouble.name());
        }
    }
    let (seed, nodes) = (plan.seed, plan.nodes);
    let why = ran.failure.unwrap_or_default();
    let without = if without.is_empty() { String::new() } else { format!("SIM_WITHOUT={} ", without.join(",")) };
    panic!(
        "seed {seed}, {:?} model, troubles {:?}\n{why}\nSIM_SEED={seed} SIM_NODES={nodes} {without}cargo test --test simulation seeds -- --nocapture",
        plan.model, plan.troubles
    );
}

/// 200 seeds, or those that are asked for.
#[test]
fn seeds_of_fifty() {
    let nodes = number("SIM_NODES").unwrap_or(50) as u32;
    if let Some(seed) = number("SIM_SEED") {
        let plan = plan_of(seed, nodes);
        println!("{plan:#?}");
        let ran = run(plan, true);
        ran.log.iter().for_each(|line| println!("{line}"));
        println!("digest {:016x}, all at the head after {:?}", ran.digest, ran.converged);
        assert_eq!(ran.failure, None);
        return;
    }
    let asked = variable("SIM_SEEDS").unwrap_or("200".into());
    let (first, end) = asked.split_once("..").unwrap_or(("0", &asked));
    let bound = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("SIM_SEEDS={asked} is no range"));
    let met = seeds(bound(first)..bound(end), nodes);
    if ["SIM_SEEDS", "SIM_NODES", "SIM_WITHOUT"].iter().all(|name| variable(name).is_none()) {
        assert_eq!(met.rarer_than(MET_MIN), [], "these seeds say too little of that: {met:?}");
    }
}

/// As many as a large fleet has.
#[test]
fn seeds_of_fifteen_hundred() {
    if ["SIM_SEED", "SIM_SEEDS", "SIM_NODES", "SIM_REPORT"].iter().any(|name| variable(name).is_some()) {
        return;
    }
    seeds(1_000..1_003, 1_500);
}

/// Or a seed that failed would say nothing.
#[test]
fn a_seed_replays() {
    for seed in [3, 4, 5, 6, 7, 8] {
        let [one, two] = [(); 2].map(|()| run(plan_of(seed, 20), true));
        let differs = one.log.iter().zip(&two.log).find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!((one.digest, one.failure), (two.digest, two.failure), "seed {seed}");
    }
}

/// Publish to served, for docs/sync.md.
#[test]
fn convergence() {
    let full = variable("SIM_REPORT").is_some();
    report::convergence(if full { 1_500 } else { 30 }, if full { 20 } else { 2 });
}
