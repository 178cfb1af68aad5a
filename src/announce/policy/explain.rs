//! What `explain` and `/prefixes` show: everything that the policy knows, with ages instead of moments.

use super::service::{Around, Service};
use super::{Policy, around};
use crate::announce::Moment;
use crate::announce::policy::health::Health;
use crate::announce::prefix::Family;
use crate::announce::settings::{Require, Transport};
use serde::Serialize;
use std::time::Duration;

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The server's lease; `None`: there is none.
    pub lease: Option<LeaseReport>,
    /// Who asked the sidecar for a drain.
    pub drain: Option<String>,
    /// Each prefix, in their order.
    pub prefixes: Vec<PrefixReport>,
    /// Each service by name, and each of its families.
    pub services: Vec<ServiceReport>,
}

/// The newest lease.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaseReport {
    /// Whether it is valid.
    pub valid: bool,
    /// Seconds since the older of its stamps.
    pub age_secs: f64,
    /// The server's node.
    pub node: String,
    /// The generation that it serves.
    pub generation: u64,
    /// Zones served.
    pub zones: u64,
    /// Zones failed.
    pub failed: u64,
    /// Answers a second, those to our own probes included.
    pub answers_per_sec: Option<f64>,
    /// Queries that the kernel dropped.
    pub drops: u64,
    /// Its flags that are set.
    pub flags: Vec<&'static str>,
    /// Seconds that its permit to withdraw for staleness lasts if it is not renewed.
    pub permit_secs: Option<f64>,
}

/// One prefix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrefixReport {
    /// Which.
    pub prefix: String,
    /// INIT, UP, DEPREF, DRAIN or WITHDRAWN.
    pub state: String,
    /// Seconds since it is in this state.
    pub for_secs: f64,
    /// Why, in words.
    pub cause: String,
    /// Of which sort that is.
    pub cause_kind: &'static str,
    /// Its attributes, while it is announced.
    pub attributes: Option<String>,
    /// `all` or `any` of the services.
    pub require: &'static str,
    /// Names of its services that have an address of its family.
    pub services: Vec<String>,
    /// Withdrawals by fault that are not forgotten.
    pub flaps: u32,
    /// Withdrawals by fault since the start.
    pub flaps_total: u64,
    /// Seconds until it may be announced again.
    pub held_secs: Option<f64>,
    /// The last transitions, the oldest first.
    pub transitions: Vec<TransitionReport>,
}

/// One service, in one family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceReport {
    /// Its name.
    pub service: String,
    /// The family.
    pub family: String,
    /// What can be said of it in a word: `up`, `absorbing`, `standby`, `stale`, `depreferenced`, `draining`, `drained`, `unknown`, `down`.
    pub verdict: &'static str,
    /// More about it.
    pub detail: String,
    /// Its addresses.
    pub addresses: Vec<AddressReport>,
    /// Its probes.
    pub probes: Vec<ProbeReport>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddressReport {
    /// Which.
    pub address: String,
    /// Whether the host has it; `None`: nobody looked yet.
    pub present: Option<bool>,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Which, for people: kind, number, address and transport.
    pub probe: String,
    /// `dns`, `tcp`, `http` or `exec`.
    pub kind: &'static str,
    /// The address.
    pub address: String,
    /// Of DNS probes only.
    pub transport: Option<Transport>,
    /// What its results say.
    pub health: Health,
    /// Results like the last one in a row.
    pub streak: u32,
    /// How often it passed...
    pub passed: u64,
    /// ...and failed, since the start.
    pub failed: u64,
    /// The last result: seconds ago...
    pub last_secs: Option<f64>,
    /// ...whether it passed...
    pub ok: Option<bool>,
    /// ...how long it took...
    pub latency_ms: Option<f64>,
    /// ...and what was wrong.
    pub detail: String,
}

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TransitionReport {
    /// Seconds ago.
    pub ago_secs: f64,
    /// From this state
    pub from: String,
    /// to this one,
    pub to: String,
    /// because of this.
    pub cause: String,
}

impl Policy {
    /// Everything that is known at `now`.
    pub fn explain(&self, now: Moment) -> Explanation {
        let around = around(now, &self.settings, &self.flow, self.asked.as_ref());
        let lease = self.flow.newest().map(|lease| {
            let flags = [
                ("stale", lease.stale),
                ("standby", lease.standby),
                ("stopping", lease.stopping),
                ("draining", lease.draining),
            ];
            LeaseReport {
                valid: lease.valid(now),
                age_secs: secs(lease.age(now)),
                node: lease.node.clone(),
                generation: lease.generation,
                zones: lease.zones,
                failed: lease.failed,
                answers_per_sec: self.flow.answers_per_sec().map(|answers| (answers * 10.0).round() / 10.0),
                drops: lease.drops,
                flags: flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag).collect(),
                permit_secs: lease.permits(now).then(|| secs(lease.permit_until.saturating_sub(now))),
            }
        });
        let prefixes = self.prefixes.values().map(|route| {
            let family = route.settings.prefix.family();
            let ago = |moment: Moment| secs(now.saturating_sub(moment));
            let services = route.settings.services.iter().filter_map(|name| self.services.get(name));
            let services =
                services.filter(|service| service.settings().has(family)).map(|service| &service.settings().name);
            PrefixReport {
                prefix: route.settings.prefix.to_string(),
                state: route.state.to_string(),
                for_secs: ago(route.since),
                cause: route.cause.text.clone(),
                cause_kind: route.cause.kind.word(),
                attributes: route.settings.attributes(route.state).map(ToString::to_string),
                require: match route.settings.require {
                    Require::All => "all",
                    Require::Any => "any",
                },
                services: services.cloned().collect(),
                flaps: route.damper.flaps(now, &self.settings.damping),
                flaps_total: route.damper.total(),
                held_secs: route.damper.held(now).map(|until| secs(until.saturating_sub(now))),
                transitions: route
                    .transitions
                    .iter()
                    .map(|transition| TransitionReport {
                        ago_secs: ago(transition.at),
                        from: transition.from.to_string(),
                        to: transition.to.to_string(),
                        cause: transition.cause.text.clone(),
                    })
                    .collect(),
            }
        });
        let services = self.services.values().flat_map(|service| {
            let families = Family::ALL.into_iter().filter(|family| service.settings().has(*family));
            families.map(|family| report(service, family, &around))
        });
        Explanation {
            lease,
            drain: self.asked.as_ref().map(|(_, by)| by.clone()),
            prefixes: prefixes.collect(),
            services: services.collect(),
        }
    }
}

fn report(service: &Service, family: Family, around: &Around<'_>) -> ServiceReport {
    let addresses =
        service.presence(family).map(|(address, present)| AddressReport { address: address.to_string(), present });
    let probes = service.checks_of(family).map(|(id, check)| {
        let last = check.last();
        ProbeReport {
            probe: service.title(id),
            kind: service.kind(id),
            address: id.address.to_string(),
            transport: id.transport,
            health: check.health(),
            streak: check.streak(),
            passed: check.passed(),
            failed: check.failed(),
            last_secs: last.map(|last| secs(around.now.saturating_sub(last.at))),
            ok: last.map(|last| last.ok),
            latency_ms: last.map(|last| last.latency.as_micros() as f64 / 1000.0),
            detail: last.map(|last| last.detail.clone()).unwrap_or_default(),
        }
    });
    let (verdict, cause) = service.judge(around, family);
    ServiceReport {
        service: service.settings().name.clone(),
        family: family.to_string(),
        verdict: verdict.word(),
        detail: cause.text,
        addresses: addresses.collect(),
        probes: probes.collect(),
    }
}

/// Seconds, to the millisecond.
fn secs(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}
