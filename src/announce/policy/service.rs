//! One service: its probes, its addresses, its drain; and the verdict on it, for each family by itself.

use super::cause::{Cause, CauseKind};
use super::flow::Flow;
use super::health::{Check, Health, Result};
use crate::announce::Moment;
use crate::announce::prefix::Family;
use crate::announce::settings::{self, Overload, ProbeId, Stale, Transport};
use crate::lease;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// How fresh a lease has to be, at least, to show that answers flow: the time of one and a half of them. A server that was
/// stopped fails its probes sooner than its lease expires; its last lease must not pass for a sign of overload then.
const FRESH: Duration = Duration::from_millis(400);
/// How long after its last sign an overload lasts, so that a prefix does not go to and fro with the flood.
const CALM: Duration = Duration::from_secs(10);

/// What can be said of a service in one family; the better the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It answers.
    Up,
    /// Overloaded, and to be kept announced as it is.
    Absorbing,
    /// It answers, with data that is old on purpose: for when nobody else does.
    Standby,
    /// It answers, with data that is too old.
    Stale,
    /// Overloaded, and to be announced as worse.
    Depreferenced,
    /// Traffic is to be moved away.
    Draining,
    /// Traffic was moved away.
    Drained,
    /// Not enough is known.
    Unknown,
    /// It does not answer.
    Down,
}

impl Verdict {
    /// The word in JSON.
    pub(super) fn word(self) -> &'static str {
        match self {
            Verdict::Up => "up",
            Verdict::Absorbing => "absorbing",
            Verdict::Standby => "standby",
            Verdict::Stale => "stale",
            Verdict::Depreferenced => "depreferenced",
            Verdict::Draining => "draining",
            Verdict::Drained => "drained",
            Verdict::Unknown => "unknown",
            Verdict::Down => "down",
        }
    }

    /// Whether a prefix that is not announced may be. What is overloaded keeps its routes; it gets no new ones.
    pub(super) fn may_begin(self) -> bool {
        matches!(self, Verdict::Up | Verdict::Standby | Verdict::Stale)
    }
}

/// A verdict with its reason.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) cause: Cause,
    /// It is stale, and the fleet can do without it: a permit says so, and the settings let it be used.
    pub(super) excused: bool,
}

/// What a verdict needs besides the service itself.
pub(super) struct Around<'a> {
    pub(super) now: Moment,
    pub(super) flow: &'a Flow,
    /// Answers to our own probes a second.
    pub(super) own: f64,
    /// Who asked the sidecar for a drain, and when.
    pub(super) asked: Option<&'a (Moment, String)>,
    pub(super) drain_timeout: Duration,
}

/// Traffic is being moved away from a service, or was.
#[derive(Debug, Clone)]
struct Drain {
    since: Moment,
    by: String,
    /// It is quiet, or it took too long.
    ended: bool,
}

/// An overload that was seen.
#[derive(Debug, Clone, Copy)]
struct Flood {
    since: Moment,
    until: Moment,
}

/// What is remembered of a service in one family.
#[derive(Debug, Clone, Default)]
struct Memory {
    /// All that is asked for was there once, and has not been missing since. Only then can an overload be told from a service
    /// that never worked, and is a probe that the settings added since given time.
    proven: bool,
    flood: Option<Flood>,
}

/// A service.
#[derive(Debug, Clone)]
pub(super) struct Service {
    settings: settings::Service,
    checks: BTreeMap<ProbeId, Check>,
    /// Whether the host has an address, where it was looked.
    present: BTreeMap<IpAddr, bool>,
    drain: Option<Drain>,
    memory: [Memory; 2],
}

impl Service {
    pub(super) fn new(settings: settings::Service) -> Service {
        let checks = settings.probe_ids().map(|(id, probe)| (id, Check::new(&settings, probe))).collect();
        Service { settings, checks, present: BTreeMap::new(), drain: None, memory: Default::default() }
    }

    /// Takes new settings. A probe in the place of another goes on with its results, or a corrected question would withdraw.
    pub(super) fn set(&mut self, settings: settings::Service) {
        let mut old = std::mem::take(&mut self.checks);
        let kept = |(id, probe): (ProbeId, &settings::Probe)| {
            let check = match old.remove(&id) {
                Some(mut check) => {
                    check.set(&settings, probe);
                    check
                }
                None => Check::new(&settings, probe),
            };
            (id, check)
        };
        self.checks = settings.probe_ids().map(kept).collect();
        self.present.retain(|address, _| settings.addresses.contains(address));
        self.settings = settings;
    }

    pub(super) fn settings(&self) -> &settings::Service {
        &self.settings
    }

    /// A probe ended. One that the settings don't have (any more) counts for nothing.
    pub(super) fn probed(&mut self, id: &ProbeId, result: Result) {
        if let Some(check) = self.checks.get_mut(id) {
            check.push(result);
        }
    }

    /// The host has an address, or does not.
    pub(super) fn seen(&mut self, address: IpAddr, present: bool) {
        if self.settings.addresses.contains(&address) {
            self.present.insert(address, present);
        }
    }

    /// Whether traffic was moved away, as was asked.
    pub(super) fn drained(&self) -> bool {
        self.drain.as_ref().is_some_and(|drain| drain.ended)
    }

    /// Takes note of what time and the lease have brought. To be called before [`Service::verdict`].
    pub(super) fn refresh(&mut self, around: &Around<'_>) {
        for check in self.checks.values_mut() {
            check.refresh(around.now);
        }
        self.refresh_drain(around);
        for family in Family::ALL {
            self.refresh_flood(around, family);
        }
    }

    fn refresh_drain(&mut self, around: &Around<'_>) {
        let lease = around.flow.valid(around.now).filter(|_| self.settings.lease);
        let by_server = lease.and_then(|lease| match (lease.stopping, lease.draining) {
            (true, _) => Some("the server is stopping"),
            (false, true) => Some("the server was asked to drain"),
            (false, false) => None,
        });
        let asked = match (around.asked, by_server) {
            (Some((since, by)), _) => Some((*since, format!("drain asked by {by}"))),
            (None, Some(by)) => Some((around.now, by.to_owned())),
            (None, None) => None,
        };
        let Some((since, by)) = asked else {
            if self.drain.take().is_some_and(|drain| drain.ended) {
                // Back through the whole rise: nobody depends on it at the moment.
                self.checks.values_mut().for_each(Check::reset);
                self.memory = Default::default();
            }
            return;
        };
        let leased = self.settings.lease;
        let drain = self.drain.get_or_insert(Drain { since, by: String::new(), ended: false });
        drain.by = by;
        let quiet = leased && around.flow.quiet(drain.since, around.own);
        drain.ended |= quiet || drain.since.saturating_add(around.drain_timeout) <= around.now;
    }

    fn refresh_flood(&mut self, around: &Around<'_>, family: Family) {
        let now = around.now;
        let fresh = self.fresh(around, family);
        let failing = self.worst(family) == Some(Health::Failing);
        let memory = &mut self.memory[index(family)];
        memory.flood = memory.flood.filter(|flood| flood.until > now);
        let shown = fresh && around.flow.flows(around.own) && (failing || around.flow.dropping());
        if let Some(lease) = around.flow.newest().filter(|_| memory.proven && shown) {
            let since = memory.flood.map_or(now, |flood| flood.since);
            memory.flood = Some(Flood { since, until: lease.sent.saturating_add(CALM) });
        }
    }

    /// Whether the newest lease is valid, and fresh enough to show whether answers flow. Of a service that is known to be
    /// overloaded every valid lease is: in a flood they come late.
    fn fresh(&self, around: &Around<'_>, family: Family) -> bool {
        self.fresh_until(around, family).is_some_and(|end| around.now < end)
    }

    fn fresh_until(&self, around: &Around<'_>, family: Family) -> Option<Moment> {
        let lease = around.flow.valid(around.now).filter(|_| self.settings.lease)?;
        let fall = self.checks_of(family).filter(|(_, check)| check.health() == Health::Failing);
        let fall = fall.map(|(_, check)| check.fall_time()).min().unwrap_or(lease::VALID);
        let window = if self.confirmed(around, family) { lease::VALID } else { fall.clamp(FRESH, lease::VALID) };
        Some(lease.valid_until().min(lease.sent.saturating_add(window)))
    }

    /// Whether a lease was sent since the overload was first seen: a server that was stopped sends none.
    fn confirmed(&self, around: &Around<'_>, family: Family) -> bool {
        let flood = self.memory[index(family)].flood;
        flood.zip(around.flow.newest()).is_some_and(|(flood, lease)| lease.sent > flood.since)
    }

    /// Whether it is known to be overloaded.
    pub(super) fn overloaded(&self, around: &Around<'_>, family: Family) -> bool {
        self.memory[index(family)].proven && self.confirmed(around, family)
    }

    /// What can be said of it at this moment in one family, and why.
    pub(super) fn verdict(&mut self, around: &Around<'_>, family: Family) -> Judgement {
        let (verdict, cause) = self.judge(around, family);
        let memory = &mut self.memory[index(family)];
        match verdict {
            // Taken away because of the flood, it is looked at until the flood is over.
            Verdict::Down if cause.kind == CauseKind::Overload => {}
            Verdict::Down | Verdict::Unknown => *memory = Memory::default(),
            Verdict::Up | Verdict::Standby | Verdict::Stale => memory.proven = true,
            _ => {}
        }
        Judgement { verdict, cause, excused: self.excused(around) }
    }

    /// Whether it is stale, may withdraw for that, and has a permit.
    fn excused(&self, around: &Around<'_>) -> bool {
        let lease = around.flow.valid(around.now).filter(|lease| self.settings.lease && lease.stale);
        self.settings.stale == Stale::Withdraw && lease.is_some_and(|lease| lease.permits(around.now))
    }

    /// The same for who only wants to know.
    pub(super) fn judge(&self, around: &Around<'_>, family: Family) -> (Verdict, Cause) {
        let name = &self.settings.name;
        let say = |verdict, kind, text: String| (verdict, Cause::new(kind, format!("{name}: {text}")));
        let memory = &self.memory[index(family)];
        if let Some(address) = self.addresses(family).find(|address| self.present.get(address) == Some(&false)) {
            return say(Verdict::Down, CauseKind::AddressMissing, format!("{address} is on no interface of this host"));
        }
        let lease = around.flow.valid(around.now);
        if self.settings.lease && lease.is_none() {
            return self.without_lease(around);
        }
        let failing = self.first(family, Health::Failing);
        let flows = memory.proven && self.fresh(around, family) && around.flow.flows(around.own);
        if let Some((id, check)) = failing
            && !flows
        {
            let title = self.title(id);
            let text = match check.last() {
                Some(last) if last.ok => {
                    format!("{title} failed, and has passed {} times of {} since", check.streak(), self.settings.rise)
                }
                Some(last) => format!("{title} fails: {}", last.detail),
                None => format!("{title} fails"),
            };
            return say(Verdict::Down, CauseKind::ProbeFailing, text);
        }
        if let Some(drain) = &self.drain {
            // What is not known to answer has no routes that would have to be moved away.
            let over = drain.ended || !memory.proven;
            return say(if over { Verdict::Drained } else { Verdict::Draining }, CauseKind::Drain, drain.by.clone());
        }
        if let Some(missing) = self.missing(family) {
            return say(Verdict::Unknown, CauseKind::Starting, missing);
        }
        let lease = lease.filter(|_| self.settings.lease);
        let (stale, standby) = lease.map_or((false, false), |lease| (lease.stale, lease.standby));
        if memory.flood.is_some() && memory.proven {
            let why = match failing {
                Some((id, _)) => format!("overloaded: {} fails, but answers flow", self.title(id)),
                None => "overloaded, or was a short time ago".to_owned(),
            };
            // Until a lease was sent since, it may as well be about to go down: nothing is done then that is soon undone.
            let confirmed = self.confirmed(around, family);
            let verdict = match self.settings.overload {
                Overload::Withdraw if confirmed => Verdict::Down,
                Overload::Depreference if confirmed => Verdict::Depreferenced,
                _ if stale || standby => Verdict::Depreferenced,
                _ => Verdict::Absorbing,
            };
            return say(verdict, CauseKind::Overload, why);
        }
        if stale {
            let more = match self.settings.stale {
                Stale::Depreference => "",
                Stale::Withdraw if self.excused(around) => ", and has a permit to withdraw",
                Stale::Withdraw => ", and has no permit to withdraw",
            };
            let text = format!("the server serves a release that is too old{more}");
            return say(Verdict::Stale, CauseKind::Stale, text);
        }
        if standby {
            let text = "the server runs behind on purpose, to be there if the others fail";
            return say(Verdict::Standby, CauseKind::Standby, text.into());
        }
        (Verdict::Up, Cause::new(CauseKind::Healthy, "healthy"))
    }

    fn without_lease(&self, around: &Around<'_>) -> (Verdict, Cause) {
        let name = &self.settings.name;
        match (around.flow.lost(), around.flow.newest()) {
            (Some(reason), _) if !around.flow.had_lease() => {
                let text = format!("{name}: waits for the server's lease: {reason}");
                (Verdict::Unknown, Cause::new(CauseKind::Starting, text))
            }
            (Some(reason), _) => {
                (Verdict::Down, Cause::new(CauseKind::LeaseLost, format!("{name}: the server went away: {reason}")))
            }
            (None, Some(lease)) => {
                let hung = lease.sent.saturating_sub(lease.beat) >= FRESH;
                let who = if hung { "a worker of the server hangs" } else { "the server gives no sign of life" };
                (Verdict::Down, Cause::new(CauseKind::LeaseExpired, format!("{name}: the lease expired: {who}")))
            }
            (None, None) => {
                (Verdict::Unknown, Cause::new(CauseKind::Starting, format!("{name}: waits for the server's lease")))
            }
        }
    }

    /// What is not known yet and must be. What the settings added to a service that is proven has time until it fails, as
    /// long as something else shows that the service answers: the lease, or a probe.
    fn missing(&self, family: Family) -> Option<String> {
        let unproven = self.first(family, Health::Unknown);
        let passing = self.first(family, Health::Passing).is_some();
        if self.memory[index(family)].proven && (self.settings.lease || passing) {
            return None;
        }
        let unseen = self.addresses(family).find(|address| !self.present.contains_key(address));
        if let Some(address) = unseen {
            return Some(format!("it is not known yet whether the host has {address}"));
        }
        let (id, check) = unproven?;
        let passed = if check.last().is_some_and(|last| last.ok) { check.streak() } else { 0 };
        Some(format!("{} passed {passed} times of {}", self.title(id), self.settings.rise))
    }

    /// The next moments, after `now`, at which something may change by itself.
    pub(super) fn deadlines(&self, around: &Around<'_>, at: &mut impl FnMut(Moment)) {
        self.checks.values().filter_map(Check::expires).for_each(&mut *at);
        if let Some(drain) = self.drain.as_ref().filter(|drain| !drain.ended) {
            at(drain.since.saturating_add(around.drain_timeout));
        }
        for family in Family::ALL {
            if let Some(flood) = self.memory[index(family)].flood {
                at(flood.until);
                self.fresh_until(around, family).into_iter().for_each(&mut *at);
            }
        }
    }

    /// The worst that probes say.
    fn worst(&self, family: Family) -> Option<Health> {
        let rank = |health: &Health| match health {
            Health::Passing => 0,
            Health::Unknown => 1,
            Health::Failing => 2,
        };
        self.checks_of(family).map(|(_, check)| check.health()).max_by_key(rank)
    }

    fn first(&self, family: Family, health: Health) -> Option<(&ProbeId, &Check)> {
        self.checks_of(family).find(|(_, check)| check.health() == health)
    }

    /// The probes of a family's addresses.
    pub(super) fn checks_of(&self, family: Family) -> impl Iterator<Item = (&ProbeId, &Check)> {
        self.checks.iter().filter(move |(id, _)| Family::of(id.address) == family)
    }

    /// The addresses of a family, and whether the host has them, where it was looked.
    pub(super) fn presence(&self, family: Family) -> impl Iterator<Item = (IpAddr, Option<bool>)> {
        self.addresses(family).map(|address| (address, self.present.get(&address).copied()))
    }

    fn addresses(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        self.settings.addresses.iter().copied().filter(move |address| Family::of(*address) == family)
    }

    /// Of which type a probe is.
    pub(super) fn kind(&self, id: &ProbeId) -> &'static str {
        self.settings.probes.get(id.probe).map_or("", |probe| probe.kind.word())
    }

    /// A probe's name for people.
    pub(super) fn title(&self, id: &ProbeId) -> String {
        let kind = self.kind(id);
        let over = match id.transport {
            Some(Transport::Udp) => " over UDP",
            Some(Transport::Tcp) => " over TCP",
            None => "",
        };
        format!("{kind} probe {} of {}{over}", id.probe + 1, id.address)
    }
}

fn index(family: Family) -> usize {
    match family {
        Family::Ipv4 => 0,
        Family::Ipv6 => 1,
    }
}
