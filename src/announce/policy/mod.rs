//! The policy: which prefixes are announced, how, and why. Pure: events and the time come in, actions go out.
//!
//! ```text
//! lease -> flow ---------+
//! probes -> health --+   v
//! addresses ---------+-> service -> verdict, by family --+-> prefix (state, damping) -> routes
//! operator: drain ---+                                   |
//!                       ...of every service of a prefix -+
//! ```
//!
//! | what is true | what follows |
//! | --- | --- |
//! | lease valid, probes passed `rise` times, addresses there | UP |
//! | lease over, address missing, probe failed `fall` times while hardly any answers flow | WITHDRAWN at once |
//! | probe failed or the kernel drops queries, and answers flow | overload: UP with an alarm, DEPREF or WITHDRAWN, as is set |
//! | drain asked, of the sidecar or of the server | DRAIN until it is quiet or `drain-timeout`, then WITHDRAWN |
//! | stale | DEPREF; WITHDRAWN where the settings say so, for as long as the lease has a permit and no longer |
//! | the server runs behind on purpose | DEPREF |
//! | zones failed, or anything else | nothing but an alarm |
//!
//! Never in here: sockets, files, clocks, randomness. Nothing that a peer says reaches the policy: a router that is away
//! withdraws nothing.

mod cause;
mod damping;
mod explain;
mod flow;
mod health;
mod prefix;
#[cfg(test)]
mod properties;
mod service;
#[cfg(test)]
mod tests;

pub use super::state::State;
pub use cause::{Cause, CauseKind};
pub use explain::{
    AddressReport, Explanation, LeaseReport, PrefixReport, ProbeReport, ServiceReport, TransitionReport,
};
pub use health::Health;
pub use prefix::{TRANSITIONS_MAX, Transition};

use super::Moment;
use super::prefix::{Family, Prefix};
use super::route::Routes;
use super::settings::{self, ProbeId, ProbeKind, Settings};
use crate::lease::Lease;
use flow::Flow;
use prefix::Route;
use service::{Around, Judgement, Service};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What happens to the policy.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A lease came. The moment of handling must be read after the lease was: one from the future counts for nothing.
    Lease(Lease),
    /// The connection to the server ended: its lease is over.
    LeaseLost {
        /// Why, for people.
        reason: String,
    },
    /// A probe ended.
    Probed {
        /// Which.
        id: ProbeId,
        /// Whether it passed.
        ok: bool,
        /// From asking to the answer, or to giving up.
        latency: Duration,
        /// What was wrong, for people.
        detail: String,
    },
    /// The host has a service's address, or no longer. To be told of each address once at the start, after new settings,
    /// and at each change.
    Address {
        /// Which.
        address: IpAddr,
        /// Whether it is there.
        present: bool,
    },
    /// The sidecar is to move all traffic away.
    Drain {
        /// Who asked, for people: `SIGTERM`, `command`.
        by: String,
    },
    /// ... or no longer.
    Undrain,
    /// The settings were read again.
    Settings(Arc<Settings>),
    /// The deadline has come.
    Tick,
}

/// What the policy wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// These are the routes from now on. Where an event takes some away and adds others, the first of two such actions only
    /// takes away.
    Routes(Change),
    /// To be logged and counted.
    Transition(Transition),
    /// To be logged: something needs a person, or no longer does.
    Alarm {
        /// What.
        alarm: Alarm,
        /// Details, for people.
        text: String,
        /// Raised, or over.
        raised: bool,
    },
}

/// New routes.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// All that is announced.
    pub routes: Routes,
    /// Why they changed.
    pub cause: Cause,
    /// The moment of the cause: of the event, or when time ran out for something.
    pub caused_at: Moment,
}

/// What needs a person and changes no route, or not only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A service is overloaded.
    Overload {
        /// Its name.
        service: String,
        /// In this family.
        family: Family,
    },
    /// The server can't answer from some of its zones.
    ZonesFailed,
    /// The server is stale.
    Stale,
}

impl Alarm {
    /// The word in metrics and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Alarm::Overload { .. } => "overload",
            Alarm::ZonesFailed => "zones-failed",
            Alarm::Stale => "stale",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alarm::Overload { service, family } => write!(f, "service {service} is overloaded ({family})"),
            Alarm::ZonesFailed => f.write_str("the server has zones that it can't answer from"),
            Alarm::Stale => f.write_str("the server is stale"),
        }
    }
}

/// The policy of one sidecar.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Arc<Settings>,
    flow: Flow,
    services: BTreeMap<String, Service>,
    prefixes: BTreeMap<Prefix, Route>,
    /// Since when, and by whom, the sidecar itself is asked to drain.
    asked: Option<(Moment, String)>,
    alarms: BTreeMap<Alarm, String>,
    routes: Routes,
    deadline: Option<Moment>,
}

impl Policy {
    /// Announces nothing yet.
    pub fn new(settings: Arc<Settings>, now: Moment) -> Policy {
        let services = settings.services.iter().map(|service| (service.name.clone(), Service::new(service.clone())));
        let prefixes = settings.prefixes.iter().map(|prefix| (prefix.prefix, Route::new(now, prefix.clone())));
        Policy {
            services: services.collect(),
            prefixes: prefixes.collect(),
            settings,
            flow: Flow::default(),
            asked: None,
            alarms: BTreeMap::new(),
            routes: Routes::new(),
            deadline: None,
        }
    }

    /// Something happened, or the deadline came. `now` never goes back.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        // What time alone has brought was due at the deadline, however late we are called.
        let caused_at = match event {
            Event::Tick => self.deadline.map_or(now, |deadline| deadline.min(now)),
            _ => now,
        };
        let mut transitions = Vec::new();
        let mut reconfigured = false;
        match event {
            Event::Lease(lease) => {
                self.flow.push(now, lease);
            }
            Event::LeaseLost { reason } => self.flow.lose(reason),
            Event::Probed { id, ok, latency, detail } => {
                if let Some(service) = self.services.get_mut(&id.service) {
                    service.probed(&id, health::Result { at: now, ok, latency, detail });
                }
            }
            Event::Address { address, present } => {
                self.services.values_mut().for_each(|service| service.seen(address, present));
            }
            Event::Drain { by } => {
                self.asked.get_or_insert((now, by));
            }
            Event::Undrain => self.asked = None,
            Event::Settings(settings) => {
                transitions = self.set(now, settings);
                reconfigured = true;
            }
            Event::Tick => {}
        }
        transitions.extend(self.decide(now));
        let mut actions = self.change(&transitions, reconfigured, caused_at);
        actions.extend(transitions.into_iter().map(Action::Transition));
        actions.extend(self.alarm(now));
        self.deadline = self.next_deadline(now);
        actions
    }

    /// When [`Event::Tick`] is to be handled, if nothing else happens before. Always after the moment that was handled last.
    pub fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// What is announced.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The state of each prefix, and the sort of its cause.
    pub fn states(&self) -> impl Iterator<Item = (Prefix, State, CauseKind)> {
        self.prefixes.values().map(|route| (route.settings.prefix, route.state, route.cause.kind))
    }

    /// Alarms that are raised, with their details.
    pub fn alarms(&self) -> &BTreeMap<Alarm, String> {
        &self.alarms
    }

    /// Whether a drain was asked for, of the sidecar itself or of the server, and nothing is announced any more of what it
    /// concerns: a server that is stopping waits for this. A sidecar that is to end waits for [`Policy::drained`].
    pub fn withdrawn(&self, now: Moment) -> bool {
        let server = self.flow.valid(now).is_some_and(|lease| lease.stopping || lease.draining);
        let led = |route: &Route| {
            let leased = |name: &String| {
                let service = self.services.get(name);
                service.is_some_and(|service| service.settings().lease && !service.drained())
            };
            route.state.announced() && route.settings.services.iter().any(leased)
        };
        (server || self.asked.is_some()) && !self.prefixes.values().any(led)
    }

    /// Whether the sidecar itself was asked to drain, and announces nothing any more.
    pub fn drained(&self) -> bool {
        self.asked.is_some() && self.routes.is_empty()
    }

    /// Takes new settings. What stays the same keeps its state.
    fn set(&mut self, now: Moment, settings: Arc<Settings>) -> Vec<Transition> {
        let mut services = std::mem::take(&mut self.services);
        for new in &settings.services {
            let service = match services.remove(&new.name) {
                Some(mut service) => {
                    service.set(new.clone());
                    service
                }
                None => Service::new(new.clone()),
            };
            self.services.insert(new.name.clone(), service);
        }
        let mut prefixes = std::mem::take(&mut self.prefixes);
        for new in &settings.prefixes {
            let route = match prefixes.remove(&new.prefix) {
                Some(route) => Route { settings: new.clone(), ..route },
                None => Route::new(now, new.clone()),
            };
            self.prefixes.insert(new.prefix, route);
        }
        self.settings = settings;
        let removed = || Cause::new(CauseKind::Settings, "removed from the settings");
        let gone = prefixes.into_values().filter(|route| route.state.announced());
        gone.filter_map(|mut route| route.go(now, State::Withdrawn, removed())).collect()
    }

    /// Judges every service, and moves every prefix to where that leads.
    fn decide(&mut self, now: Moment) -> Vec<Transition> {
        let Policy { settings, flow, services, prefixes, asked, .. } = self;
        let around = around(now, settings, flow, asked.as_ref());
        services.values_mut().for_each(|service| service.refresh(&around));
        let mut verdicts: BTreeMap<(&str, Family), Judgement> = BTreeMap::new();
        for (name, service) in services.iter_mut() {
            for family in Family::ALL {
                if service.settings().has(family) {
                    verdicts.insert((name, family), service.verdict(&around, family));
                }
            }
        }
        let step = |route: &mut Route| {
            let family = route.settings.prefix.family();
            let of = |name: &String| verdicts.get(&(name.as_str(), family)).cloned();
            let verdicts: Vec<_> = route.settings.services.iter().filter_map(of).collect();
            route.step(now, route.combine(&verdicts), &settings.damping)
        };
        prefixes.values_mut().filter_map(step).collect()
    }

    /// Routes that follow from the states: first without those that are gone, then as they are.
    fn change(&mut self, transitions: &[Transition], reconfigured: bool, caused_at: Moment) -> Vec<Action> {
        if transitions.is_empty() && !reconfigured {
            return Vec::new();
        }
        let announced = |route: &Route| {
            let attributes = route.settings.attributes(route.state)?;
            Some((route.settings.prefix, attributes.clone()))
        };
        let routes: Routes = self.prefixes.values().filter_map(announced).collect();
        let mut left = self.routes.clone();
        left.retain(|prefix, _| routes.contains_key(prefix));
        let cause = |gone: bool| {
            let so = |transition: &&Transition| match gone {
                true => transition.from.announced() && !transition.to.announced(),
                false => transition.to.announced(),
            };
            let settings = || Cause::new(CauseKind::Settings, "the settings changed");
            transitions.iter().find(so).map_or_else(settings, |transition| transition.cause.clone())
        };
        let mut actions = Vec::new();
        if left.len() < self.routes.len() {
            actions.push(Action::Routes(Change { routes: left.clone(), cause: cause(true), caused_at }));
        }
        if routes != left {
            actions.push(Action::Routes(Change { routes: routes.clone(), cause: cause(false), caused_at }));
        }
        self.routes = routes;
        actions
    }

    fn alarm(&mut self, now: Moment) -> Vec<Action> {
        let Policy { settings, flow, services, asked, .. } = &*self;
        let around = around(now, settings, flow, asked.as_ref());
        let mut alarms = BTreeMap::new();
        for (name, service) in services {
            for family in Family::ALL.into_iter().filter(|family| service.overloaded(&around, *family)) {
                let text = match service.settings().overload {
                    settings::Overload::Absorb => "its prefixes stay announced",
                    settings::Overload::Depreference => "its prefixes are announced as worse",
                    settings::Overload::Withdraw => "its prefixes are withdrawn",
                };
                alarms.insert(Alarm::Overload { service: name.clone(), family }, text.to_owned());
            }
        }
        if let Some(lease) = flow.valid(now) {
            if lease.failed > 0 {
                let text = format!("{} of its zones failed", lease.failed);
                alarms.insert(Alarm::ZonesFailed, text);
            }
            if lease.stale {
                let away = self.prefixes.values().any(Route::away);
                let more = if away { ", and is withdrawn by a permit" } else { "" };
                alarms.insert(Alarm::Stale, format!("it serves generation {}{more}", lease.generation));
            }
        }
        let over = self.alarms.iter().filter(|(alarm, _)| !alarms.contains_key(*alarm)).map(|entry| (entry, false));
        let new =
            alarms.iter().filter(|(alarm, text)| self.alarms.get(*alarm) != Some(*text)).map(|entry| (entry, true));
        let say = |((alarm, text), raised): ((&Alarm, &String), bool)| Action::Alarm {
            alarm: alarm.clone(),
            text: text.clone(),
            raised,
        };
        let actions = over.chain(new).map(say).collect();
        self.alarms = alarms;
        actions
    }

    fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let around = around(now, &self.settings, &self.flow, self.asked.as_ref());
        let mut next: Option<Moment> = None;
        let mut at = |moment: Moment| {
            if moment > now {
                next = Some(next.map_or(moment, |next| next.min(moment)));
            }
        };
        if let Some(lease) = self.flow.newest() {
            at(lease.valid_until());
            at(lease.permit_until);
        }
        self.services.values().for_each(|service| service.deadlines(&around, &mut at));
        self.prefixes.values().filter_map(|route| route.damper.held(now)).for_each(at);
        next
    }
}

fn around<'a>(now: Moment, settings: &Settings, flow: &'a Flow, asked: Option<&'a (Moment, String)>) -> Around<'a> {
    Around { now, flow, own: own_per_sec(settings), asked, drain_timeout: settings.drain_timeout }
}

/// Answers of the server to our own probes, a second, if it answers them all.
fn own_per_sec(settings: &Settings) -> f64 {
    let leased = settings.services.iter().filter(|service| service.lease);
    let per_sec = |service: &settings::Service| -> f64 {
        let of = |probe: &settings::Probe| match &probe.kind {
            ProbeKind::Dns { transports, .. } => {
                (service.addresses.len() * transports.len()) as f64 / probe.interval.as_secs_f64()
            }
            _ => 0.0,
        };
        service.probes.iter().map(of).sum()
    };
    leased.map(per_sec).sum()
}
