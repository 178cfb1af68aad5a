//! `cargo bench --bench compare`: Catchment beside NSD, Knot and BIND, and beside what the kernel alone costs.
//!
//! Every server gets one worker on one core, the load generator another core; they take turns (A B C, then C B A). What is
//! compared is the CPU time of a query: it holds on a machine that others use too, where queries per second do not. All
//! traffic stays on loopback (as root, on that of a network namespace of its own), all processes are ended by their pids.
//! docs/benchmarking.md says how to read the tables.

#[path = "../../tests/support/mod.rs"]
mod support;

mod check;
mod floor;
mod label;
mod load;
mod network;
mod servers;
mod sys;
mod table;
mod update;
mod zones;

use clap::Parser;
use load::Queries;
use servers::{Load, Running, Sample, Server};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use support::peers::Peers;
use table::Row;
use zones::Set;

/// A run in which others took more of the machine than this is made again.
const FOREIGN_MAX: f64 = 0.15;
const FIGURES: [&str; 5] = ["load", "images", "query", "update", "check"];

#[derive(Parser)]
#[command(about = "Compares Catchment with NSD, Knot and BIND on this machine")]
struct Options {
    /// Sets: small (1,000 names), tld (1,000,000 delegations), nsec and nsec3 (100,000 signed names, asked with DO),
    /// many (10,000 zones), many100k
    #[arg(long, value_delimiter = ',', default_value = "small,tld")]
    sets: Vec<String>,
    /// Servers: floor, catchment, nsd, knot, bind
    #[arg(long, value_delimiter = ',', default_value = "floor,catchment,nsd,knot,bind")]
    servers: Vec<String>,
    /// Figures: load (starts, memory), images (starts from images), query, update (one changed record), check (zone checkers)
    #[arg(long, value_delimiter = ',', default_value = "load,query")]
    figures: Vec<String>,
    /// Rounds of load; the servers' order turns with each
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of load for each server and kind of query in a round
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
    /// Starts, changes and checks of each server that are timed
    #[arg(long, default_value_t = 1)]
    loads: usize,
    /// Runs of load at most, where others take much of the machine
    #[arg(long, default_value_t = 3)]
    tries: usize,
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
    if !(1..=100).contains(&options.rounds) || !(1..=20).contains(&options.loads) || !(1..=20).contains(&options.tries)
    {
        return Err("--rounds takes 1 to 100, --loads and --tries 1 to 20".into());
    }
    if let Some(other) = options.figures.iter().find(|figure| !FIGURES.contains(&figure.as_str())) {
        return Err(format!("there is no figure {other}: {}", FIGURES.join(", ")));
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
    if cores.len() < 2 {
        return Err("two cores are needed: one for the server, one for the generator".into());
    }
    // Beside the build, not in /tmp: that may be memory, and the large zone has 100 MB.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compare-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let peers = Peers::find().ok();
    if let Err(why) = network::leave_for_own(peers.as_ref()) {
        eprintln!("packets pass this machine's own packet filter, if it has one: {why}");
    }
    let result = options.sets.iter().try_for_each(|name| {
        eprintln!("{name}: making the zones");
        let set = zones::make(name, &directory, options.scale, peers.as_ref()).map_err(|e| format!("{name}: {e}"))?;
        Comparison { set, servers: servers.clone(), peers: peers.as_ref(), options, directory: &directory }.run(&cores)
    });
    let _ = std::fs::remove_dir_all(&directory);
    result
}

/// One set, and who is compared with it.
struct Comparison<'a> {
    set: Set,
    /// Those that are not here are taken out as that shows.
    servers: Vec<Server>,
    peers: Option<&'a Peers>,
    options: &'a Options,
    directory: &'a Path,
}

impl Comparison<'_> {
    fn run(mut self, cores: &[usize]) -> Result<(), String> {
        let wants = |figure: &str| self.options.figures.iter().any(|wanted| wanted == figure);
        let mut rows = Vec::new();
        // On all cores, and one after the other.
        sys::pin(0, cores);
        let (mut running, loads) = self.load()?;
        if wants("query") {
            rows.extend(self.ask(&running, cores[0], cores[1])?);
            sys::pin(0, cores);
        }
        if wants("load") {
            rows.extend(self.load_rows(&running, &loads));
        }
        running.clear();
        if wants("images") {
            rows.extend(self.image_row()?);
        }
        if wants("update") && self.set.is_changeable() {
            rows.extend(self.update_rows()?);
        }
        if wants("check") {
            rows.extend(self.check_rows()?);
        }
        println!(
            "\n### {}: {} records in {} zones; medians of {} rounds of {} s\n\n{}",
            self.set.name,
            self.set.records,
            self.set.zones.len(),
            self.options.rounds,
            self.options.secs,
            table::render(&self.servers, &rows)
        );
        Ok(())
    }

    /// Starts all servers; they stay.
    fn load(&mut self) -> Result<(Vec<Running>, Vec<Vec<Load>>), String> {
        let (mut running, mut loads) = (Vec::new(), Vec::new());
        for server in std::mem::take(&mut self.servers) {
            match start(server, &self.set, self.peers, self.options.loads) {
                Ok((up, times)) => {
                    eprintln!("{}: {} answers after {:.2} s", self.set.name, server.name(), up.load.seconds);
                    self.servers.push(server);
                    running.push(up);
                    loads.push(times);
                }
                Err(why) if matches!(server, Server::Peer(_)) => {
                    support::skip(format_args!("{}: {why}", server.name()))
                }
                Err(why) => return Err(format!("{}: {why}", server.name())),
            }
        }
        Ok((running, loads))
    }

    /// What starts cost, and the memory after all that was asked.
    fn load_rows(&self, running: &[Running], loads: &[Vec<Load>]) -> Vec<Row> {
        let each = |figure: &str, value: &dyn Fn(&Load) -> f64| Row {
            figure: figure.into(),
            values: loads.iter().map(|loads| loads.iter().map(value).collect()).collect(),
        };
        let memory = running.iter().map(|up| servers::memory(up.pid()) as f64).collect::<Vec<_>>();
        let of_memory = |figure: &str, unit: f64| Row {
            figure: figure.into(),
            values: memory.iter().map(|octets| vec![octets / unit]).collect(),
        };
        vec![
            of_memory("memory, MB", 1e6),
            of_memory("memory, octets a record", self.set.records as f64),
            each("load, s", &|load| load.seconds),
            each("load: CPU, s", &|load| load.cpu_seconds),
        ]
    }

    /// What starts from images cost; the peers have none.
    fn image_row(&self) -> Result<Option<Row>, String> {
        let Some(us) = self.servers.iter().position(|&server| server == Server::Catchment) else { return Ok(None) };
        let mut values = vec![Vec::new(); self.servers.len()];
        values[us] = self.load_from_images()?;
        Ok(Some(Row { figure: "load from images, s".into(), values }))
    }

    fn load_from_images(&self) -> Result<Vec<f64>, String> {
        let images = self.directory.join(format!("{}.images", self.set.name));
        servers::compile(&self.set, &images)?;
        let start = |_| Ok(Server::start_from_images(&self.set, &images)?.load.seconds);
        let seconds = (0..self.options.loads).map(start).collect();
        let _ = std::fs::remove_dir_all(&images);
        seconds
    }

    /// All at once on one core, the load from another.
    fn ask(&self, running: &[Running], core: usize, own_core: usize) -> Result<Vec<Row>, String> {
        sys::pin(0, &[own_core]);
        for up in running {
            up.check(&self.set).map_err(|why| format!("{} answers wrong: {why}", up.server.name()))?;
            up.pin(core);
        }
        let mut rows = Vec::new();
        for kind in &self.set.kinds {
            let queries = Queries::new(kind);
            let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); running.len()];
            for up in running {
                up.measure(&queries, Duration::from_secs_f64(self.options.secs / 4.0))
                    .map_err(|why| format!("{}: {why}", up.server.name()))?;
            }
            for round in 0..self.options.rounds {
                for at in turn(running.len(), round) {
                    let name = running[at].server.name();
                    let sample = quiet(&running[at], &queries, self.options).map_err(|why| format!("{name}: {why}"))?;
                    eprintln!(
                        "{} {} round {}: {name}: {:.0} q/s, {:.2} us user, {:.2} us system, others took {:.0} %",
                        self.set.name,
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
            rows.extend(figures(kind.name, running, &samples));
        }
        Ok(rows)
    }

    fn update_rows(&self) -> Result<Vec<Row>, String> {
        let updates = self.each(|server| match server {
            Server::Floor => Ok(None),
            _ => update::measure(server, &self.set, self.peers, self.directory).map(Some),
        })?;
        Ok(vec![
            row("update: s", &updates, |update| update.seconds),
            row("update: CPU, s", &updates, |update| update.cpu_seconds),
            row("update: longest silence, ms", &updates, |update| update.silence_ms),
            row("update: memory at most, MB", &updates, |update| update.memory_max as f64 / 1e6),
        ])
    }

    fn check_rows(&self) -> Result<Vec<Row>, String> {
        let checks = self.each(|server| check::measure(server, &self.set, self.peers))?;
        let parsed = self.each(|server| check::parse(server, &self.set))?;
        Ok(vec![
            row("check: MB/s", &checks, |check| check.mb_per_second),
            row("check: CPU, s", &checks, |check| check.cpu_seconds),
            row("parsing alone: MB/s of a core", &parsed, |&mb_per_second| mb_per_second),
        ])
    }

    /// Measures every server in turn.
    fn each<T: Debug>(&self, measure: impl Fn(Server) -> Result<Option<T>, String>) -> Result<Vec<Vec<T>>, String> {
        let mut all: Vec<Vec<T>> = self.servers.iter().map(|_| Vec::new()).collect();
        for round in 0..self.options.loads {
            for at in turn(self.servers.len(), round) {
                let name = self.servers[at].name();
                if let Some(figure) = measure(self.servers[at]).map_err(|why| format!("{name}: {why}"))? {
                    eprintln!("{} round {}: {name}: {figure:?}", self.set.name, round + 1);
                    all[at].push(figure);
                }
            }
        }
        Ok(all)
    }
}

/// The order of the servers turns with each round.
fn turn(count: usize, round: usize) -> Vec<usize> {
    if round % 2 == 1 { (0..count).rev().collect() } else { (0..count).collect() }
}

fn row<T>(figure: &str, measured: &[Vec<T>], value: impl Fn(&T) -> f64) -> Row {
    let values = measured.iter().map(|rounds| rounds.iter().map(&value).collect()).collect();
    Row { figure: figure.into(), values }
}

/// Starts a server `times` times; the last stays. Gives what each start took.
fn start(server: Server, set: &Set, peers: Option<&Peers>, times: usize) -> Result<(Running, Vec<Load>), String> {
    let mut up = server.start(set, peers)?;
    let mut loads = vec![up.load];
    for _ in 1..times {
        drop(up);
        up = server.start(set, peers)?;
        loads.push(up.load);
    }
    Ok((up, loads))
}

/// The quietest of some runs: the first in which others took little of the machine.
fn quiet(up: &Running, queries: &Queries, options: &Options) -> Result<Sample, String> {
    let mut best: Option<Sample> = None;
    for _ in 0..options.tries {
        let sample = up.measure(queries, Duration::from_secs_f64(options.secs))?;
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
