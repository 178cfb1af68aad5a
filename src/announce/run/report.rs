//! What the loop knows, as a [`Report`].

use super::Announcer;
use super::peers::{Bfd, Router};
use crate::announce::Moment;
use crate::announce::bfd::packet::Diagnostic;
use crate::announce::bgp::message::{Attributes, Origin};
use crate::announce::bgp::session::State;
use crate::announce::explain::{self, Report};
use crate::announce::policy::{Alarm, Explanation, LeaseReport};
use crate::announce::prefix::{Family, Prefix};
use crate::announce::probe::Outcome;
use crate::announce::settings::{self, ProbeId, Service, Transport};
use crate::config::Endpoint;
use crate::counted::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A router that has not answered for so long, a first retry over (RFC 6298 2), seldom does later.
const SILENCE: Duration = Duration::from_secs(2);

/// What became of each probe so far.
#[derive(Debug, Default)]
pub(super) struct Counts(BTreeMap<ProbeId, Count>);

#[derive(Debug, Default)]
struct Count {
    passed: u64,
    failed: u64,
    last: Option<Outcome>,
}

impl Counts {
    pub(super) fn count(&mut self, id: ProbeId, outcome: Outcome) {
        let count = self.0.entry(id).or_default();
        *if outcome.result.is_ok() { &mut count.passed } else { &mut count.failed } += 1;
        count.last = Some(outcome);
    }

    /// Forgets probes that are no more.
    pub(super) fn keep(&mut self, services: &[Service]) {
        let known: BTreeSet<ProbeId> = services.iter().flat_map(Service::probe_ids).map(|(id, _)| id).collect();
        self.0.retain(|id, _| known.contains(id));
    }
}

impl Announcer {
    pub(super) fn report(&self, now: Moment) -> Report {
        let known = self.policy.explain(now);
        Report {
            node: self.settings.node.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            uptime: secs(now.saturating_sub(self.started)),
            alarms: self.policy.alarms().iter().map(|(alarm, details)| explained(alarm, details)).collect(),
            dry_run: self.options.dry_run,
            draining: known.drain.is_some(),
            prefixes: self.prefixes(now, &known),
            services: self.services(&known),
            lease: (self.settings.lease != Endpoint::None).then(|| self.lease(known.lease.as_ref())),
            routers: self.network.routers().iter().map(|router| session(now, router)).collect(),
            transitions: self.transitions.all(),
        }
    }

    fn prefixes(&self, now: Moment, known: &Explanation) -> Vec<explain::Prefix> {
        let wanted: BTreeMap<String, Prefix> =
            self.settings.prefixes.iter().map(|p| (p.prefix.to_string(), p.prefix)).collect();
        let shown = known.prefixes.iter().map(|report| explain::Prefix {
            prefix: report.prefix.clone(),
            state: report.state.clone(),
            age: report.for_secs,
            cause: report.cause.clone(),
            cause_kind: report.cause_kind.into(),
            attributes: report.attributes.clone(),
            hold_down: report.held_secs.unwrap_or(0.0),
            flaps: report.flaps_total,
            services: report.services.clone(),
            routers: match wanted.get(&report.prefix) {
                Some(prefix) => {
                    self.network.routers().iter().map(|router| self.told_router(now, router, *prefix)).collect()
                }
                None => Vec::new(),
            },
        });
        shown.collect()
    }

    fn told_router(&self, now: Moment, router: &Router, prefix: Prefix) -> explain::Told {
        let advertised = router.session.advertised().and_then(|all| all.get(&prefix));
        let wanted = self.policy.routes().contains_key(&prefix);
        let obstacle = || {
            if !router.takes(prefix) {
                return Some(format!("{} is not among its families", prefix.family()));
            }
            let state = router.session.state();
            if state != State::Established {
                return Some(format!("the session is {state}"));
            }
            router.session.unannounced().find(|(other, _)| *other == prefix).map(|(_, why)| why.to_string())
        };
        explain::Told {
            router: router.settings.name.clone(),
            announced: advertised.is_some(),
            age: advertised.and_then(|route| route.written).map(|written| secs(now.saturating_sub(written))),
            attributes: advertised.map(|route| text(&route.attributes)),
            obstacle: if wanted && advertised.is_none() { obstacle() } else { None },
        }
    }

    fn services(&self, known: &Explanation) -> Vec<explain::Service> {
        let shown = known.services.iter().map(|report| {
            let missing = report.addresses.iter().filter(|address| address.present == Some(false));
            let settings = self.settings.services.iter().find(|service| service.name == report.service);
            let ids = settings.into_iter().flat_map(Service::probe_ids);
            let ids = ids.filter(|(id, _)| Family::of(id.address).to_string() == report.family);
            explain::Service {
                service: report.service.clone(),
                family: report.family.clone(),
                health: report.verdict.into(),
                detail: report.detail.clone(),
                missing: missing.map(|address| address.address.clone()).collect(),
                probes: ids.map(|(id, probe)| self.probe(&id, probe.kind.word())).collect(),
            }
        });
        shown.collect()
    }

    fn probe(&self, id: &ProbeId, word: &str) -> explain::Probe {
        let count = self.counts.0.get(id);
        let last = count.and_then(|count| count.last.as_ref());
        explain::Probe {
            address: id.address.to_string(),
            kind: match id.transport {
                Some(Transport::Udp) => format!("{word}-udp"),
                Some(Transport::Tcp) => format!("{word}-tcp"),
                None => word.into(),
            },
            number: id.probe + 1,
            passed: count.map_or(0, |count| count.passed),
            failed: count.map_or(0, |count| count.failed),
            took: last.map(|outcome| secs(outcome.took)),
            error: last.and_then(|outcome| outcome.result.clone().err()),
        }
    }

    fn lease(&self, report: Option<&LeaseReport>) -> explain::Lease {
        let ignored = self.server.as_ref().map(|client| client.ignored()).unwrap_or_default();
        explain::Lease {
            valid: report.is_some_and(|lease| lease.valid),
            age: report.map(|lease| lease.age_secs),
            detail: match (report, &self.server_lost) {
                (Some(lease), _) => lease_text(lease),
                (None, Some(why)) => why.clone(),
                (None, None) => "none has come yet".into(),
            },
            permit: report.and_then(|lease| lease.permit_secs),
            ignored: ignored.unreadable + ignored.future + ignored.older,
        }
    }
}

fn explained(alarm: &Alarm, details: &str) -> explain::Alarm {
    let (service, family) = match alarm {
        Alarm::Overload { service, family } => (service.clone(), family.to_string()),
        Alarm::ZonesFailed | Alarm::Stale => (String::new(), String::new()),
    };
    explain::Alarm { alarm: alarm.word().into(), service, family, text: format!("{alarm}: {details}") }
}

fn lease_text(lease: &LeaseReport) -> String {
    let LeaseReport { node, generation, zones, failed, drops, flags, .. } = lease;
    let zones = counted(*zones, "zone");
    let mut text = format!("node {node}, generation {generation}, {zones} served, {failed} failed");
    if let Some(answers) = lease.answers_per_sec {
        text.push_str(&format!(", {answers} answers/s"));
    }
    text.push_str(&format!(", {}", counted(*drops, "kernel drop")));
    for flag in flags {
        text.push_str(", ");
        text.push_str(flag);
    }
    if let Some(secs) = lease.permit_secs {
        text.push_str(&format!(", permit to withdraw for {secs:.1} s"));
    }
    text
}

fn session(now: Moment, router: &Router) -> explain::Router {
    let snapshot = router.session.snapshot();
    let ago = |moment: Moment| secs(now.saturating_sub(moment));
    let negotiated = snapshot.negotiated.as_ref();
    let prefixes = snapshot.prefixes;
    explain::Router {
        router: router.settings.name.clone(),
        address: router.settings.address.to_string(),
        asn: router.settings.asn,
        state: snapshot.state.to_string(),
        age: ago(snapshot.since),
        hold_time: negotiated.map(|negotiated| f64::from(negotiated.hold_time_secs)),
        keepalive_time: snapshot.keepalive_time.map(secs),
        next_attempt: snapshot.next_attempt.map(|at| secs(at.saturating_sub(now))),
        waits_for_bfd: snapshot.waits_for_bfd,
        suspicion: (snapshot.state == State::Connect && now.saturating_sub(snapshot.since) >= SILENCE)
            .then(|| suspicion(&router.settings, now.saturating_sub(snapshot.since))),
        established: snapshot.established,
        flaps: snapshot.flaps,
        last_error: snapshot.last_error.map(|error| format!("{:.1} s ago: {}", ago(error.at), error.cause)),
        received: vec![("ipv4".into(), prefixes.ipv4.into()), ("ipv6".into(), prefixes.ipv6.into())],
        announced: snapshot.advertised as u64,
        bfd: router.bfd.as_ref().map(|bfd| bfd_report(now, bfd)),
    }
}

/// Why a router may not answer at all. Those with another key drop what we send without a word.
fn suspicion(peer: &settings::Peer, silent: Duration) -> String {
    let silent = format!("no answer for {:.1} s", secs(silent));
    let key = match &peer.authentication {
        Some(settings::Authentication::Md5 { .. }) => "`password-file`",
        Some(settings::Authentication::Ao { .. }) => "`tcp-ao`",
        None => return format!("{silent}: is there a route to it, and does it want no password?"),
    };
    format!("{silent}: most likely the router has another key than {key}, or none; or there is no route to it")
}

fn bfd_report(now: Moment, bfd: &Bfd) -> explain::Bfd {
    let snapshot = bfd.session.snapshot();
    let known = snapshot.diagnostic != Diagnostic::NONE;
    explain::Bfd {
        state: snapshot.state.to_string(),
        age: secs(now.saturating_sub(snapshot.since)),
        detection_time: Some(secs(snapshot.detection_time)).filter(|time| *time > 0.0),
        flaps: snapshot.flaps,
        diagnostic: known.then(|| format!("last went down by: {}", snapshot.diagnostic)),
        packets: [snapshot.packets_in, snapshot.packets_out, snapshot.discarded.iter().map(|(_, count)| count).sum()],
    }
}

/// Path attributes as people write them.
fn text(attributes: &Attributes) -> String {
    let path: Vec<String> = attributes.as_path.iter().map(u32::to_string).collect();
    let mut parts = vec![format!("next hop {}", attributes.next_hop)];
    if !path.is_empty() {
        parts.insert(0, format!("AS path {}", path.join(" ")));
    }
    if attributes.origin != Origin::Igp {
        parts.push(format!("origin {:?}", attributes.origin));
    }
    parts.extend(attributes.med.map(|med| format!("MED {med}")));
    parts.extend(attributes.local_preference.map(|preference| format!("local preference {preference}")));
    let communities = attributes.communities.iter().map(|community| match community {
        // RFC 8326 6.
        0xffff_0000 => "GRACEFUL_SHUTDOWN".to_owned(),
        other => format!("{}:{}", other >> 16, other & 0xffff),
    });
    let large = attributes.large_communities.iter().map(|[asn, one, two]| format!("{asn}:{one}:{two}"));
    let all: Vec<String> = communities.chain(large).collect();
    if !all.is_empty() {
        parts.push(format!("communities {}", all.join(" ")));
    }
    parts.extend(attributes.only_to_customer.map(|asn| format!("only to customer {asn}")));
    parts.join(", ")
}

fn secs(time: Duration) -> f64 {
    time.as_secs_f64()
}
