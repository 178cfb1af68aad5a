//! `cargo bench --bench fleet`: one changed zone of many, from the changed file until every node of a fleet serves it.
//!
//! Knot DNS (a primary, NOTIFY, IXFR) beside Catchment (`catchment publish`, nodes that follow the store), all on this machine
//! and on loopback. The fleets take turns with each change; how far each has come is found out by the same DNS queries. What is
//! compared is the time to the last node and the CPU of all processes of a fleet. docs/benchmarking.md says how to read it.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../compare/label.rs"]
mod label;

mod cost;
mod fleet;
mod knot;
mod ours;
mod table;
mod zones;

use catchment::random::Random;
use clap::Parser;
use fleet::{Fleet, Sample, Told};
use knot::Knot;
use ours::Ours;
use std::time::Duration;
use support::peers::Peers;

#[derive(Parser)]
#[command(about = "One changed zone, brought to every node of a fleet: Catchment beside Knot DNS")]
struct Options {
    /// Zones, about twenty records each
    #[arg(long, default_value_t = 10_000)]
    zones: usize,
    /// Nodes of each fleet
    #[arg(long, default_value_t = 20)]
    nodes: usize,
    /// Changes brought to each fleet
    #[arg(long, default_value_t = 7)]
    changes: u32,
    /// Seconds over which fleets at rest are measured
    #[arg(long, default_value_t = 10)]
    idle: u64,
    /// Fleets: knot, dir, etcd
    #[arg(long, value_delimiter = ',', default_value = "knot,dir,etcd")]
    fleets: Vec<String>,
    /// Seconds that a fleet may take to start and come to rest
    #[arg(long, default_value_t = 900)]
    patience: u64,
    /// (given by cargo)
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    if let Err(why) = run(&Options::parse()) {
        eprintln!("fleet: {why}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Result<(), String> {
    if !(2..=1_000_000).contains(&options.zones) || !(1..=100).contains(&options.nodes) {
        return Err("--zones takes 2 to 1000000, --nodes 1 to 100".into());
    }
    if !(1..=1000).contains(&options.changes) {
        return Err("--changes takes 1 to 1000".into());
    }
    let mut fleets = Vec::new();
    for name in &options.fleets {
        eprintln!("{name}: starting {} nodes with {} zones", options.nodes, options.zones);
        let Some(fleet) = start(name, options)? else { continue };
        let ready = fleet::settle(&*fleet, options.zones, Duration::from_secs(options.patience))?;
        eprintln!("{name}: all nodes answer after {:.1} s, and are at rest now", ready.as_secs_f64());
        fleets.push(fleet);
    }

    let mut random = Random::new(1);
    let columns: Vec<(usize, Told)> =
        fleets.iter().enumerate().flat_map(|(at, fleet)| fleet.ways().iter().map(move |told| (at, *told))).collect();
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); columns.len()];
    let mut mark = 0;
    // One more than is counted: the first finds caches cold.
    for number in 0..=options.changes {
        let zone = random.below(options.zones);
        let mut order: Vec<usize> = (0..columns.len()).collect();
        if number % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (fleet, told) = columns[at];
            mark += 1;
            let sample = fleet::change(&mut *fleets[fleet], told, zone, mark)?;
            eprintln!(
                "change {number}: {}: last node after {:.0} ms, command {:.0} ms; CPU: command {:.1} ms, nodes {:.1} ms, others {:.1} ms",
                table::head(fleets[fleet].name(), told),
                1e3 * sample.last.as_secs_f64(),
                1e3 * sample.command.as_secs_f64(),
                1e3 * sample.command_cpu.as_secs_f64(),
                1e3 * sample.nodes_cpu.as_secs_f64(),
                1e3 * sample.others_cpu.as_secs_f64(),
            );
            if number > 0 {
                samples[at].push(sample);
            }
        }
    }
    let idle: Vec<f64> = fleets.iter().map(|fleet| fleet::idle(&**fleet, Duration::from_secs(options.idle))).collect();
    println!(
        "\n{} nodes, {} zones, one changed; medians of {} changes (least to most)\n\n{}",
        options.nodes,
        options.zones,
        options.changes,
        table::render(&fleets, &columns, &samples, &idle)
    );
    Ok(())
}

/// Starts a fleet; `None`: it can't be had here, and that was said.
fn start(name: &str, options: &Options) -> Result<Option<Box<dyn Fleet>>, String> {
    match name {
        "knot" => {
            let peers = match Peers::find() {
                Ok(peers) => peers,
                Err(why) => {
                    support::skip(why);
                    return Ok(None);
                }
            };
            Ok(Some(Box::new(Knot::start(&peers, options.nodes, options.zones)?)))
        }
        "dir" => Ok(Some(Box::new(Ours::over_directory(options.nodes, options.zones)?))),
        "etcd" => match Ours::over_etcd(options.nodes, options.zones)? {
            Ok(fleet) => Ok(Some(Box::new(fleet))),
            Err(why) => {
                support::skip(why);
                Ok(None)
            }
        },
        _ => Err(format!("there is no fleet {name}: knot, dir, etcd")),
    }
}
