//! How long is the service address dark when something breaks? A lab of network namespaces: see [`topology`].
//!
//! ```text
//! cargo test --test failover                                  says how to run it
//! cargo test --test failover -- --check [WORD...]             each fault once, against its target; WORDs choose rows
//! cargo test --release --test failover -- --write [--runs N]  all of them N times (3), and the comparison: docs/failover.md
//! ```
//!
//! It needs root, for namespaces, and the routers that `tests/peers/fetch` finds.

mod client;
mod compare;
mod faults;
mod lab;
mod pop;
mod relay;
mod router;
mod router_bird;
mod router_frr;
mod router_gobgp;
mod speaker;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod topology;

use compare::COMPARISONS;
use faults::{FAULTS, Fault, Outcome, Run, Target};
use lab::{Kind, Lab};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::peers::Peers;
use table::Line;
use topology::Family;

/// A client that was late by more than this did not measure the fault but the machine: the run counts for nothing.
const LATE_MAX: Duration = Duration::from_millis(25);
/// How often such a run is made again before its figures count all the same.
const AGAIN_MAX: usize = 2;
/// Programs that must be there; ExaBGP only for the comparison.
const NEEDED: [&str; 11] = ["IP", "NFT", "DIG", "BIRD", "BIRDC", "ZEBRA", "BGPD", "BFDD", "VTYSH", "GOBGPD", "GOBGP"];

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Plan {
    check: bool,
    write: bool,
    compare: bool,
    runs: usize,
    /// Rows whose `router: fault` has one of these in it; none: all.
    words: Vec<String>,
}

impl Plan {
    fn read() -> Result<Plan, String> {
        let mut plan = Plan { runs: 1, ..Plan::default() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check" => plan.check = true,
                "--compare" => plan.compare = true,
                "--write" => (plan.write, plan.compare, plan.runs) = (true, true, 3),
                "--runs" => {
                    let runs =
                        arguments.next().and_then(|runs| runs.parse().ok()).filter(|runs| (1..=1000).contains(runs));
                    plan.runs = runs.ok_or("--runs wants a number, 1 to 1000")?;
                }
                // What `cargo test -- ...` gives to every test program.
                flag if flag.starts_with('-') => {}
                word => plan.words.push(word.to_lowercase()),
            }
        }
        Ok(plan)
    }

    fn wants(&self, kind: Kind, fault: &Fault) -> bool {
        let name = format!("{}: {}", kind.name(), fault.name).to_lowercase();
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
    }
}

fn main() -> ExitCode {
    let plan = match Plan::read() {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if !(plan.check || plan.write || plan.compare) {
        println!("failover: run by `tests/run failover` (each fault once) or `make failover` (docs/failover.md)");
        return ExitCode::SUCCESS;
    }
    let peers = match ready(&plan) {
        Ok(peers) => Arc::new(peers),
        Err(why) => {
            support::skip(why);
            return ExitCode::SUCCESS;
        }
    };
    let began = Instant::now();
    let mut failures = Vec::new();
    let mut lines = Vec::new();
    if plan.check || plan.write {
        for kind in Kind::ALL {
            let here = |fault: &Fault| {
                fault.routers.contains(&kind) && (plan.write || !fault.slow || kind == fault.routers[0])
            };
            let wanted = |fault: &&Fault| here(fault) && plan.wants(kind, fault);
            lines.extend(run_all(&peers, kind, FAULTS.iter().filter(wanted).collect(), plan.runs, &mut failures));
        }
    }
    let mut comparisons = Vec::new();
    if plan.compare {
        let wanted = |fault: &&Fault| plan.wants(Kind::Bird, fault);
        comparisons = run_all(&peers, Kind::Bird, COMPARISONS.iter().filter(wanted).collect(), 1, &mut failures);
    }
    if plan.write && plan.words.is_empty() {
        table::write(&lines, &comparisons, plan.runs).expect("docs/ can be written");
    }
    println!("failover: {} rows in {:?}, {} failed", lines.len() + comparisons.len(), began.elapsed(), failures.len());
    for failure in &failures {
        println!("FAILED {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether it can run here; the error says why not.
fn ready(plan: &Plan) -> Result<Peers, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("failover needs root, for network namespaces".into());
    }
    let peers = Peers::find()?;
    for program in NEEDED.into_iter().chain(plan.compare.then_some("EXABGP")) {
        peers.words(program)?;
    }
    topology::possible(&peers).map_err(|why| format!("failover needs network namespaces with nftables: {why}"))?;
    Ok(peers)
}

/// Runs faults with one router. A fault that fails is told with all that is known, and the next has a lab of its own.
fn run_all(
    peers: &Arc<Peers>,
    kind: Kind,
    faults: Vec<&'static Fault>,
    runs: usize,
    failures: &mut Vec<String>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut lab = None;
    for fault in faults {
        let mut line = Line { fault, router: kind, runs: Vec::new() };
        for _ in 0..runs {
            let began = Instant::now();
            let result = match lab.take().map_or_else(|| Lab::new(Arc::clone(peers), kind), Ok) {
                Ok(fresh) => run(lab.insert(fresh), fault),
                Err(why) => Err(why),
            };
            let verdict = match result {
                Ok(outcome) => {
                    let verdict = judge(fault, &outcome);
                    line.runs.push(outcome);
                    verdict
                }
                Err(why) => Err(why),
            };
            let said = line.runs.last().map(show).unwrap_or_default();
            println!("{}: {}: {said} ({:.1} s)", kind.name(), fault.name, began.elapsed().as_secs_f64());
            if verbose() {
                println!("{}", lab.as_ref().map(Lab::detail).unwrap_or_default());
            }
            if let Err(why) = verdict {
                println!("FAILED: {why}");
                println!("{}", lab.take().map(|lab| lab.detail()).unwrap_or_default());
                failures.push(format!("{}: {}: {why}", kind.name(), fault.name));
            }
        }
        lines.push(line);
    }
    lines
}

/// Once, or again while the client could not keep its own time.
fn run(lab: &mut Lab, fault: &Fault) -> Run {
    let mut again = AGAIN_MAX;
    loop {
        let outcome = (fault.run)(lab)?;
        let late = outcome.figures.iter().flatten().map(|figures| figures.late).max().unwrap_or_default();
        if late <= LATE_MAX || again == 0 || judge(fault, &outcome).is_ok() {
            return Ok(outcome);
        }
        println!("again: the client itself was late by {late:?}: {}", show(&outcome));
        again -= 1;
    }
}

/// Whether all is told of good runs too.
fn verbose() -> bool {
    std::env::var_os("FAILOVER_VERBOSE").is_some()
}

fn judge(fault: &Fault, outcome: &Outcome) -> Result<(), String> {
    for family in Family::BOTH {
        let figures = outcome.figures.map(|figures| figures[family as usize]);
        let chosen = outcome.chosen.map(|chosen| chosen[family as usize]);
        let over = match fault.target {
            Target::NoneLost => {
                figures.filter(|figures| figures.lost > 0).map(|figures| format!("{} lost", figures.lost))
            }
            Target::Outage(most) => {
                let time = figures.map(|figures| figures.outage).or(chosen).filter(|time| *time > most);
                time.map(|time| format!("{time:?}"))
            }
            Target::Checked => None,
        };
        if let Some(over) = over {
            return Err(format!("{}: {over}, target {}", family.name(), fault.target_text));
        }
    }
    Ok(())
}

fn show(outcome: &Outcome) -> String {
    let line = |family: Family| {
        let figures = outcome.figures.map(|figures| figures[family as usize]);
        let chosen = outcome.chosen.map(|chosen| chosen[family as usize]);
        match (figures, chosen) {
            (Some(figures), _) => {
                let moved =
                    figures.moved.map_or("stayed".into(), |moved| format!("moved after {}", faults::secs(moved)));
                format!(
                    "{} {}, {} of {} lost, {moved}; ",
                    family.name(),
                    faults::secs(figures.outage),
                    figures.lost,
                    figures.sent
                )
            }
            (None, Some(chosen)) => format!("{} chosen after {}; ", family.name(), faults::secs(chosen)),
            (None, None) => String::new(),
        }
    };
    Family::BOTH.map(line).concat() + &outcome.notes.join("; ")
}
