//! What a fleet is for the comparison: nodes that answer, and a way to bring a changed zone file to them.

use crate::cost;
use crate::support::peers::query;
use crate::support::watch;
use crate::zones;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// How often nodes that have not converged are asked: a few per cent of a core, the same for all fleets.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// What is still spent so long after the last node has the change belongs to the change.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long is looked whether a fleet is at rest.
const REST: Duration = Duration::from_secs(3);
/// It is when it takes less than this share of a core, ...
const LITTLE: f64 = 0.10;
/// ... or not much, and no longer less than the time before: members of etcd write what nodes report at any time, and what that
/// takes is the machine's.
const NOT_MUCH: f64 = 0.50;
const STEADY: f64 = 0.85;
const TXT: u16 = 16;

/// What the operator's command is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Which zone has changed: somebody else has found that out, `git diff` say.
    Zone,
    /// Nothing: it finds the changed file among all.
    Nothing,
}

/// A fleet that runs.
pub(crate) trait Fleet {
    /// For tables and options.
    fn name(&self) -> &'static str;
    /// Where its nodes answer.
    fn nodes(&self) -> &[SocketAddr];
    /// The nodes' processes.
    fn node_pids(&self) -> Vec<u32>;
    /// The processes that are no nodes: the primary, etcd's members.
    fn other_pids(&self) -> Vec<u32>;
    /// Its zone files.
    fn zones(&self) -> &Path;
    /// What its command can be told; the figures of each are columns of their own.
    fn ways(&self) -> &'static [Told];
    /// Starts what an operator runs after zone `zone`'s file has changed.
    fn publish(&mut self, zone: usize, told: Told) -> Result<Child, String>;
}

/// What a change took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// From the changed file to the last node.
    pub(crate) last: Duration,
    /// From the changed file to the end of the command.
    pub(crate) command: Duration,
    /// CPU of the command.
    pub(crate) command_cpu: Duration,
    /// CPU of the nodes, until a second after the last has the change.
    pub(crate) nodes_cpu: Duration,
    /// CPU of the primary or of etcd.
    pub(crate) others_cpu: Duration,
}

impl Sample {
    /// All CPU.
    pub(crate) fn cpu(&self) -> Duration {
        self.command_cpu + self.nodes_cpu + self.others_cpu
    }
}

/// Changes a zone and follows the change to every node.
pub(crate) fn change(fleet: &mut dyn Fleet, told: Told, zone: usize, number: u32) -> Result<Sample, String> {
    let (nodes, others) = (fleet.node_pids(), fleet.other_pids());
    zones::change(fleet.zones(), zone, number).map_err(|e| e.to_string())?;
    let before = (cost::ended(), cost::running(&nodes), cost::running(&others));
    let start = Instant::now();
    let mut command = fleet.publish(zone, told)?;
    let (mark, question) = (zones::mark(number), query(number as u16, &zones::probe(zone), TXT));
    let found = watch::until(fleet.nodes(), &question, |r| watch::holds(r, &mark), start, ASK_EVERY, PATIENCE);
    let status = command.wait().map_err(|e| e.to_string())?;
    let ended = start.elapsed();
    if !status.success() {
        return Err(format!("{}: the command ended with {status}", fleet.name()));
    }
    let last = found?.into_iter().max().unwrap_or_default();
    std::thread::sleep((last.max(ended) + AFTERWARDS).saturating_sub(start.elapsed()));
    Ok(Sample {
        last,
        command: ended,
        command_cpu: cost::ended() - before.0,
        nodes_cpu: cost::running(&nodes) - before.1,
        others_cpu: cost::running(&others) - before.2,
    })
}

/// Waits until every node answers for the first and the last zone, and the fleet is at rest.
pub(crate) fn settle(fleet: &dyn Fleet, count: usize, patience: Duration) -> Result<Duration, String> {
    let start = Instant::now();
    for zone in [0, count - 1] {
        let question = query(1, &zones::probe(zone), TXT);
        let mark = zones::mark(0);
        let pause = Duration::from_millis(200);
        watch::until(fleet.nodes(), &question, |r| watch::holds(r, &mark), start, pause, patience)
            .map_err(|why| format!("{}: {why}", fleet.name()))?;
    }
    let ready = start.elapsed();
    let mut before = f64::INFINITY;
    loop {
        let share = idle(fleet, REST);
        if share < LITTLE || (share < NOT_MUCH && share > STEADY * before) {
            return Ok(ready);
        }
        before = share;
        if start.elapsed() > patience {
            return Err(format!("{}: {:.0} % of a core still after {patience:?}", fleet.name(), 100.0 * share));
        }
    }
}

/// The share of a core that a fleet takes when nothing is asked of it.
pub(crate) fn idle(fleet: &dyn Fleet, length: Duration) -> f64 {
    let pids = [fleet.node_pids(), fleet.other_pids()].concat();
    let (before, start) = (cost::running(&pids), Instant::now());
    std::thread::sleep(length);
    (cost::running(&pids) - before).as_secs_f64() / start.elapsed().as_secs_f64()
}
