//! docs/failover.md.

use crate::client::Figures;
use crate::faults::{Fault, Outcome, secs};
use crate::lab::Kind;
use crate::topology::Family;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

/// All runs of one fault with one router.
pub(crate) struct Line {
    pub(crate) fault: &'static Fault,
    pub(crate) router: Kind,
    pub(crate) runs: Vec<Outcome>,
}

impl Line {
    /// `253 ms, 25 lost`: the worst of all runs, after the median where there are several.
    pub(crate) fn cell(&self, family: Family) -> String {
        let figures: Vec<Figures> = self.runs.iter().filter_map(|run| Some(run.figures?[family as usize])).collect();
        let chosen: Vec<Duration> = self.runs.iter().filter_map(|run| Some(run.chosen?[family as usize])).collect();
        if let Some(lost) = figures.iter().map(|figures| figures.lost).max() {
            let outage = range(figures.iter().map(|figures| figures.outage).collect());
            return format!("{outage}, {lost} lost");
        }
        if chosen.is_empty() { String::new() } else { range(chosen) }
    }

    fn notes(&self) -> String {
        self.runs.last().map_or(String::new(), |run| run.notes.join("; "))
    }
}

/// Median and worst.
fn range(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    match times.as_slice() {
        [] => String::new(),
        [one] => secs(*one),
        many => format!("{} / {}", secs(many[many.len() / 2]), secs(many[many.len() - 1])),
    }
}

/// Writes all of it.
pub(crate) fn write(lines: &[Line], comparisons: &[Line], runs: usize) -> std::io::Result<()> {
    let mut text = format!(
        "# Failover: how long the service address is dark

{machine}, {date}, {build} build, {runs} run{plural} each. Written by

    make failover FAILOVER='--runs {runs}'

which needs root, for network namespaces, and fetches the routers. A client asks the service address every 10 ms, over IPv4
and IPv6 at once. It stands behind a router, and the router prefers PoP 1 of two; the fault is at PoP 1. *Outage* is the
longest time between two queries that were answered, one after the other, less the interval: at 10 ms the measure ends. A
figure before a slash is the median of the runs, that behind it the worst; *lost* is the worst run's count of queries without
an answer. Both PoPs run `catchment serve` and `catchment-announcer` with a DNS probe of 100 ms x 3, hold-down 1 s and, unless
the fault says otherwise, BFD of 100 ms x 3.

",
        machine = machine(),
        date = date(),
        build = if cfg!(debug_assertions) { "debug" } else { "release" },
        plural = if runs == 1 { "" } else { "s" },
    );
    for kind in Kind::ALL {
        let lines: Vec<&Line> = lines.iter().filter(|line| line.router == kind).collect();
        if lines.is_empty() {
            continue;
        }
        let _ = writeln!(text, "## {}\n", kind.name());
        if !kind.forwards() {
            text.push_str(
                "As packaged it forwards no packets and has no BFD. The time is from the fault until its monitor shows the other PoP's\n\
                 route as the best.\n\n",
            );
        }
        text.push_str("| fault at PoP 1 | target | IPv4 | IPv6 | |\n| --- | --- | --- | --- | --- |\n");
        for line in lines {
            let Line { fault, .. } = line;
            let [v4, v6] = Family::BOTH.map(|family| line.cell(family));
            let _ = writeln!(text, "| {} | {} | {v4} | {v6} | {} |", fault.name, fault.target_text, line.notes());
        }
        text.push('\n');
    }
    if !comparisons.is_empty() {
        text.push_str("## For comparison\n\nOther announcers in the same lab, behind BIRD.\n\n| what | IPv4 | IPv6 | |\n| --- | --- | --- | --- |\n");
        for line in comparisons {
            let [v4, v6] = Family::BOTH.map(|family| line.cell(family));
            let _ = writeln!(text, "| {} | {v4} | {v6} | {} |", line.fault.name, line.notes());
        }
        text.push('\n');
    }
    text.push_str(CLOSING);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/failover.md");
    std::fs::write(&path, text)?;
    println!("written: {}", path.display());
    Ok(())
}

const CLOSING: &str = "\
## Reading it

- **A host that is cut off says nothing**, so only a timer can tell. BFD is that timer; without it, it is the hold time, and
  routers shorten neither by themselves. Hold times are jittered: the outage may be anything up to the hold time.
- **TCP.** A connection that was open when the route moved is unknown at the new node, which answers the client's next segment
  with a reset: the client knows at once and asks again, over a new connection. Nothing hangs until a timeout, unless the client
  sends nothing. `dig +tcp` that began in the outage succeeds by itself, as TCP sends its SYN again after about 1 s.
- **A flood** takes from PoP 1's own clients what does not fit. The route stays, so that it does not walk on to the next PoP.
- **Too many routes**: the sidecar stays away from the router for 60 s (jittered), then tries again; the other PoP has the traffic.
- **Router restarted, sessions reset**: the queries that are lost are lost while the router has no route at all, or moves twice.
";

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a machine", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    format!("{}, {cores} cores, Linux {}", model.trim(), read("/proc/sys/kernel/osrelease").trim())
}

fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
