//! Asks every probe of the settings, each at its interval and never two of one at a time.

use crate::announce::probe::{self, Check, Outcome, Probe, dns, exec, http};
use crate::announce::settings::{self, ProbeId, ProbeKind, Service, Transport};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use xxhash_rust::xxh3::xxh3_64;

/// Outcomes that wait to be taken; then the probes wait.
const WAITING_MAX: usize = 256;

/// A probe that ended.
pub(super) struct Ended {
    /// Which.
    pub(super) id: ProbeId,
    /// `dns`, `tcp`, `http` or `exec`.
    pub(super) kind: &'static str,
    /// How.
    pub(super) outcome: Outcome,
}

/// The probes that run.
pub(super) struct Probes {
    running: HashMap<ProbeId, (settings::Probe, AbortHandle)>,
    ended: mpsc::Sender<Ended>,
}

impl Probes {
    /// None yet; and where their outcomes come out.
    pub(super) fn new() -> (Probes, mpsc::Receiver<Ended>) {
        let (ended, outcomes) = mpsc::channel(WAITING_MAX);
        (Probes { running: HashMap::new(), ended }, outcomes)
    }

    /// Starts what is new, stops what is gone, and leaves alone what stays as it was.
    pub(super) fn set(&mut self, services: &[Service]) {
        let wanted: HashMap<ProbeId, &settings::Probe> = services.iter().flat_map(Service::probe_ids).collect();
        self.running.retain(|id, (probe, task)| {
            let stays = wanted.get(id).is_some_and(|wanted| **wanted == *probe);
            if !stays {
                task.abort();
            }
            stays
        });
        for (id, probe) in wanted {
            if !self.running.contains_key(&id) {
                let task = tokio::spawn(repeat(id.clone(), probe.clone(), self.ended.clone())).abort_handle();
                self.running.insert(id, (probe.clone(), task));
            }
        }
    }
}

async fn repeat(id: ProbeId, probe: settings::Probe, ended: mpsc::Sender<Ended>) {
    let kind = probe.kind.word();
    let asked = prepare(&id, &probe);
    // Probes of one interval shall not all come at once for ever.
    let spread = f64::from(xxh3_64(format!("{id:?}").as_bytes()) as u32) / f64::from(u32::MAX);
    let mut ticks = interval_at(Instant::now() + probe.interval.mul_f64(spread), probe.interval);
    // After a pause of the whole process one question tells as much as all that were missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let outcome = asked.run().await;
        if ended.send(Ended { id: id.clone(), kind, outcome }).await.is_err() {
            return;
        }
    }
}

/// From the settings to what is asked.
fn prepare(id: &ProbeId, probe: &settings::Probe) -> Probe {
    let check = match &probe.kind {
        ProbeKind::Dns { port, name, rtype, expect, .. } => Check::Dns(dns::Check {
            port: *port,
            tcp: id.transport == Some(Transport::Tcp),
            question: dns::Question { name: name.clone(), rtype: *rtype },
            expect: expect.clone(),
        }),
        ProbeKind::Tcp { port } => Check::Tcp { port: *port },
        ProbeKind::Http { port, host, path, status, contains } => Check::Http(http::Check {
            port: *port,
            path: path.clone(),
            host: host.clone(),
            status: *status,
            contains: contains.clone(),
        }),
        ProbeKind::Exec { command } => Check::Exec(exec::Check { command: command.clone() }),
    };
    probe::Probe { service: id.service.clone(), address: id.address, check, timeout: probe.timeout }
}
