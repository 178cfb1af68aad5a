//! `cargo bench --bench compare`: Catchment beside NSD, Knot and BIND, and beside what the kernel alone costs.
//!
//! Every server gets one worker on one core, the load generator another core; they take turns (A B C, then C B A). What is
//! compared is the CPU time of a query: it holds on a machine that others use too, where queries per second do not. All
//! traffic stays on loopback, all processes are ended by their pids. docs/benchmarking.md says how to read the tables.

#[path = "../../tests/support/mod.rs"]
mod support;

mod floor;
mod load;
mod random;
mod servers;
mod sys;
mod table;
mod zones;

use clap::Parser;
use load::Queries;
use servers::{Running, Sample, Server};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use support::peers::Peers;
use table::Row;
use zones::Set;

/// A run in which others took more of the machine than this is made again, as often as this.
const FOREIGN_MAX: f64 = 0.15;
const TRIES: usize = 3;

#[derive(Parser)]
#[command(about = "Compares Catchment with NSD, Knot and BIND on this machine")]
struct Options {
    /// Sets: small (1,000 names), tld (1,000,000 delegations)
    #[arg(long, value_delimiter = ',', default_value = "small,tld")]
    sets: Vec<String>,
    /// Servers: floor, catchment, nsd, knot, bind
    #[arg(long, value_delimiter = ',', default_value = "floor,catchment,nsd,knot,bind")]
    servers: Vec<String>,
    /// Rounds of load; the servers' order turns with each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each server and kind of query in a round
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Starts of each server that are timed
    #[arg(long, default_value_t = 1)]
    loads: usize,
    /// Multiplies the size of the sets
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// (given by cargo)
    #[arg(long, hide = true)]
    bench: bool,
    /// (the floor is this program)
    #[arg(long, hide = true)]
    floor: Option<SocketAddr>,
}

fn main() {
    if let Err(why) = run(&Options::parse()) {
        eprintln!("compare: {why}");
        std::process::exit(1);
    }
}

fn run(options: &Options) -> Result<(), String> {
    if let Some(addr) = options.floor {
        return floor::serve(addr).map_err(|e| format!("floor: {e}"));
    }
    if !(1..=100).contains(&options.rounds) || !(1..=20).contains(&options.loads) {
        return Err("--rounds takes 1 to 100, --loads 1 to 20".into());
    }
    if !(0.1..=60.0).contains(&options.secs) || !(0.0001..=4.0).contains(&options.scale) {
        return Err("--secs takes 0.1 to 60, --scale 0.0001 to 4".into());
    }
    let servers = options
        .servers
        .iter()
        .map(|name| Server::ALL.into_iter().find(|s| s.name() == name).ok_or(format!("there is no server {name}")))
        .collect::<Result<Vec<_>, _>>()?;
    let cores = sys::cores();
    let [server_core, generator_core, ..] = cores[..] else {
        return Err("two cores are needed: one for the server, one for the generator".into());
    };
    // Beside the build, not in /tmp: that may be memory, and the large zone has 100 MB.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let result = options.sets.iter().try_for_each(|name| {
        eprintln!("{name}: making the zone");
        let set = zones::make(name, &directory, options.scale).map_err(|e| format!("{name}: {e}"))?;
        compare(&set, &servers, options, server_core, generator_core)
    });
    let _ = std::fs::remove_dir_all(&directory);
    result
}

fn compare(set: &Set, servers: &[Server], options: &Options, core: usize, own_core: usize) -> Result<(), String> {
    let peers = Peers::find();
    let mut loads: Vec<Vec<f64>> = Vec::new();
    let mut running: Vec<Running> = Vec::new();
    for &server in servers {
        match start(server, set, peers.as_ref().ok(), options.loads) {
            Ok((up, seconds)) => {
                eprintln!("{}: {} answers after {:.2} s", set.name, server.name(), up.load_seconds);
                running.push(up);
                loads.push(seconds);
            }
            Err(why) if matches!(server, Server::Peer(_)) => support::skip(format_args!("{}: {why}", server.name())),
            Err(why) => return Err(format!("{}: {why}", server.name())),
        }
    }
    sys::pin(0, own_core);
    for up in &running {
        up.check(set).map_err(|why| format!("{} answers wrong: {why}", up.server.name()))?;
        up.pin(core);
    }

    let mut rows = Vec::new();
    for kind in &set.kinds {
        let queries = Queries::new(kind);
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); running.len()];
        for up in &running {
            up.measure(&queries, Duration::from_secs_f64(options.secs / 4.0))
                .map_err(|why| format!("{}: {why}", up.server.name()))?;
        }
        for round in 0..options.rounds {
            let mut order: Vec<usize> = (0..running.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let name = running[at].server.name();
                let sample = quiet(&running[at], &queries, options.secs).map_err(|why| format!("{name}: {why}"))?;
                eprintln!(
                    "{} {} round {}: {name}: {:.0} q/s, {:.2} us user, {:.2} us system, others took {:.0} %",
                    set.name,
                    kind.name,
                    round + 1,
                    sample.per_second,
                    sample.user_us,
                    sample.system_us,
                    100.0 * sample.foreign,
                );
                samples[at].push(sample);
            }
        }
        rows.extend(figures(kind.name, &running, &samples));
    }
    let one = |value: f64| vec![value];
    let memory = running.iter().map(|up| one(up.memory() as f64 / 1e6)).collect();
    rows.push(Row { figure: "memory, MB".into(), values: memory });
    rows.push(Row { figure: "load, s".into(), values: loads });
    let servers: Vec<Server> = running.iter().map(|up| up.server).collect();
    println!(
        "\n### {}: {} records; medians of {} rounds of {} s\n\n{}",
        set.name,
        set.records,
        options.rounds,
        options.secs,
        table::render(&servers, &rows)
    );
    Ok(())
}

/// Starts a server `times` times; the last stays. Gives the seconds that each start took.
fn start(server: Server, set: &Set, peers: Option<&Peers>, times: usize) -> Result<(Running, Vec<f64>), String> {
    let mut up = server.start(set, peers)?;
    let mut seconds = vec![up.load_seconds];
    for _ in 1..times {
        drop(up);
        up = server.start(set, peers)?;
        seconds.push(up.load_seconds);
    }
    Ok((up, seconds))
}

/// The quietest of some runs: the first in which others took little of the machine.
fn quiet(up: &Running, queries: &Queries, secs: f64) -> Result<Sample, String> {
    let mut best: Option<Sample> = None;
    for _ in 0..TRIES {
        let sample = up.measure(queries, Duration::from_secs_f64(secs))?;
        if best.is_none_or(|best| sample.foreign < best.foreign) {
            best = Some(sample);
        }
        if sample.foreign <= FOREIGN_MAX {
            break;
        }
    }
    best.ok_or_else(|| "no run".into())
}

fn figures(kind: &str, running: &[Running], samples: &[Vec<Sample>]) -> Vec<Row> {
    let row = |figure: &str, value: &dyn Fn(usize, usize) -> f64| Row {
        figure: format!("{kind}: {figure}"),
        values: (0..running.len()).map(|at| (0..samples[at].len()).map(|round| value(at, round)).collect()).collect(),
    };
    let cpu = |at: usize, round: usize| samples[at][round].user_us + samples[at][round].system_us;
    let mut rows = vec![
        row("CPU, us a query", &cpu),
        row("user, us", &|at, round| samples[at][round].user_us),
        row("system, us", &|at, round| samples[at][round].system_us),
        row("queries/s", &|at, round| samples[at][round].per_second),
    ];
    if let Some(floor) = running.iter().position(|up| up.server == Server::Floor) {
        rows.push(row("CPU over the floor's", &|at, round| cpu(at, round) / cpu(floor, round)));
        rows.push(row("CPU less the floor's, us", &|at, round| cpu(at, round) - cpu(floor, round)));
    }
    rows
}
