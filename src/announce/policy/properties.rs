//! Invariants over any interleaving of lease, probe, address, clock, operator and settings events.
//!
//! I4: no prefix is announced without a valid lease, or, for services without one, a passing probe. What the policy is held
//! against is counted here once more, as simply as it can be said.

use super::tests::{ms, settings};
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What a test does to a policy.
#[derive(Debug, Clone)]
enum Op {
    /// A lease: more answers, more drops, how old, and how much older the oldest worker's stamp is.
    Lease {
        queries: u64,
        drops: u64,
        age_ms: u64,
        lag_ms: u64,
        /// How long a permit is to last from now on; 0: there is none.
        permit_ms: u64,
        stale: bool,
        draining: bool,
        stopping: bool,
    },
    /// One that the clock says is not there yet.
    Future,
    Lost,
    Probe {
        which: usize,
        ok: bool,
    },
    /// All probes, so many times, a tenth of a second apart, with leases between.
    Steady {
        rounds: usize,
        ok: bool,
        qps: u64,
    },
    Address {
        which: usize,
        present: bool,
    },
    Drain,
    Undrain,
    Settings {
        which: usize,
    },
    /// Time goes on, and deadlines are kept.
    Wait {
        ms: u64,
    },
    /// Time jumps: the host slept, or we were not run.
    Jump {
        ms: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let flag = || prop::bool::weighted(0.1);
    prop_oneof![
        6 => (
            (0..2000u64, prop_oneof![Just(0), 0..2000u64], 0..2000u64, 0..2000u64, prop_oneof![Just(0), 0..8000u64]),
            (flag(), flag(), flag()),
        )
            .prop_map(|((queries, drops, age_ms, lag_ms, permit_ms), (stale, draining, stopping))| {
                let (age_ms, lag_ms) = (age_ms / 4, lag_ms / 4);
                Op::Lease { queries, drops, age_ms, lag_ms, permit_ms, stale, draining, stopping }
            }),
        1 => Just(Op::Future),
        1 => Just(Op::Lost),
        8 => (0..8usize, any::<bool>()).prop_map(|(which, ok)| Op::Probe { which, ok }),
        8 => (1..12usize, prop::bool::weighted(0.7), prop_oneof![Just(0), Just(1000)])
            .prop_map(|(rounds, ok, qps)| Op::Steady { rounds, ok, qps }),
        2 => (0..4usize, prop::bool::weighted(0.7)).prop_map(|(which, present)| Op::Address { which, present }),
        1 => Just(Op::Drain),
        1 => Just(Op::Undrain),
        1 => (0..3usize).prop_map(|which| Op::Settings { which }),
        4 => (0..3000u64).prop_map(|ms| Op::Wait { ms }),
        1 => (0..120_000u64).prop_map(|ms| Op::Jump { ms }),
    ]
}

/// Three files: two of one shape, one with less.
fn files() -> [Arc<Settings>; 3] {
    let text = |overload: &str, more: &str| {
        settings(&format!(
            "drain-timeout = \"10s\"\n\
             [[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\", \"2001:db8:53::53\"]\noverload = \"{overload}\"\n\
             stale = \"withdraw\"\n\
             [[service.probe]]\ntype = \"dns\"\ninterval = \"100ms\"\ntransports = [\"udp\"]\nquestion = \". SOA\"\n\
             [[service]]\nname = \"web\"\naddresses = [\"192.0.2.80\"]\nlease = false\n\
             [[service.probe]]\ntype = \"tcp\"\nport = 80\ninterval = \"100ms\"\n\
             [[prefix]]\nprefix = \"192.0.2.0/25\"\nservices = [\"dns\"]\n\
             [[prefix]]\nprefix = \"2001:db8:53::/48\"\nservices = [\"dns\", \"web\"]\n{more}"
        ))
    };
    let more = "[[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\", \"web\"]\nrequire = \"any\"\n\
                [[prefix]]\nprefix = \"192.0.0.0/16\"\nservices = [\"web\", \"dns\"]\n";
    [text("absorb", more), text("withdraw", more), text("depreference", "")]
}

/// What is known of one probe, counted once more.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// The last results, the newest last.
    results: Vec<bool>,
    last: Moment,
    passing: bool,
    failing: bool,
}

/// A policy, and what it was told.
struct World {
    policy: Policy,
    now: Moment,
    files: [Arc<Settings>; 3],
    settings: Arc<Settings>,
    /// Everything in force before the last lease was not stale; every lease is.
    stale: bool,
    /// Whether leases tell of permits.
    permits: bool,
    permit_until: Moment,
    lease: Option<Lease>,
    /// Whether the server is draining, or stopping, as the next steady lease says. Apart from `lease`, which nothing but what the
    /// policy was told may change.
    draining: bool,
    stopping: bool,
    sent: Moment,
    queries: u64,
    drops: u64,
    /// Whether answers or drops ever rose.
    flowed: bool,
    absent: Vec<IpAddr>,
    probes: BTreeMap<ProbeId, Seen>,
    /// Since when the sidecar is asked to drain.
    asked: Option<Moment>,
    reloaded: bool,
    transitions: Vec<Transition>,
}

const RISE: usize = 3;
/// Three probes of 100 ms, one of them given up after 100 ms, and two seconds.
const PATIENCE: Duration = Duration::from_millis(2400);

impl World {
    fn new(file: usize, stale: bool) -> World {
        let files = files();
        let settings = Arc::clone(&files[file]);
        let now = Duration::from_secs(100);
        let mut world = World {
            policy: Policy::new(Arc::clone(&settings), now),
            now,
            files,
            settings,
            stale,
            permits: false,
            permit_until: Duration::ZERO,
            lease: None,
            draining: false,
            stopping: false,
            sent: Duration::ZERO,
            queries: 0,
            drops: 0,
            flowed: false,
            absent: Vec::new(),
            probes: BTreeMap::new(),
            asked: None,
            reloaded: false,
            transitions: Vec::new(),
        };
        world.look();
        world
    }

    fn look(&mut self) {
        for address in self.addresses() {
            self.handle(Event::Address { address, present: !self.absent.contains(&address) });
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.settings.services.iter().flat_map(|service| service.addresses.clone()).collect()
    }

    fn ids(&self) -> Vec<ProbeId> {
        self.settings.services.iter().flat_map(|service| service.probe_ids()).map(|(id, _)| id).collect()
    }

    fn handle(&mut self, event: Event) {
        let before = self.policy.routes().clone();
        let actions = self.policy.handle(self.now, event);
        // Routes come first, and of those the withdrawals.
        let changes: Vec<&Change> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Routes(change) => Some(change),
                _ => None,
            })
            .collect();
        assert!(actions[..changes.len()].iter().all(|action| matches!(action, Action::Routes(_))));
        let gone = before.keys().any(|prefix| !self.policy.routes().contains_key(prefix));
        if gone {
            assert!(changes[0].routes.iter().all(|(prefix, attributes)| before.get(prefix) == Some(attributes)));
        }
        let last = changes.last().map_or(&before, |change| &change.routes);
        assert_eq!(last, self.policy.routes(), "actions and routes say the same");
        assert!(changes.iter().all(|change| change.caused_at <= self.now));
        for action in actions {
            if let Action::Transition(transition) = action {
                self.transitions.push(transition);
            }
        }
        let deadline = self.policy.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "a deadline that is over leads to no busy loop");
        for (prefix, state, _) in self.policy.states() {
            assert_eq!(state.announced(), self.policy.routes().contains_key(&prefix));
        }
    }

    /// Time goes on, with its deadlines.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.policy.deadline().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            self.tick();
        }
        self.now = end;
    }

    fn tick(&mut self) {
        self.handle(Event::Tick);
        self.check();
    }

    fn lease(&mut self, lease: Lease) {
        let known = lease.sent <= self.now && lease.sent > self.sent;
        if known {
            self.sent = lease.sent;
            self.lease = Some(lease.clone());
        }
        self.handle(Event::Lease(lease));
    }

    fn probed(&mut self, id: ProbeId, ok: bool) {
        let now = self.now;
        let seen = self.probes.entry(id.clone()).or_default();
        if !seen.results.is_empty() && seen.last + PATIENCE <= now {
            *seen = Seen { failing: true, ..Seen::default() };
        }
        seen.results.push(ok);
        seen.last = now;
        let tail: Vec<_> = seen.results.iter().rev().take(RISE).collect();
        if tail.len() == RISE && tail.iter().all(|result| **result == ok) {
            (seen.passing, seen.failing) = (ok, !ok);
        }
        self.handle(Event::Probed { id, ok, latency: ms(1), detail: String::new() });
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Lease { queries, drops, age_ms, lag_ms, permit_ms, stale, draining, stopping } => {
                if self.permits && *permit_ms > 0 {
                    self.permit_until = self.now + ms(*permit_ms);
                }
                self.queries += queries;
                self.drops += drops;
                (self.draining, self.stopping) = (*draining, *stopping);
                self.flowed |= *queries > 0 || *drops > 0;
                let sent = self.now - ms(*age_ms);
                self.lease(Lease {
                    sent,
                    beat: sent - ms(*lag_ms),
                    queries: self.queries,
                    drops: self.drops,
                    stale: *stale || self.stale,
                    draining: *draining,
                    stopping: *stopping,
                    permit_until: self.permit_until,
                    ..Lease::default()
                });
            }
            Op::Future => {
                let sent = self.now + ms(1);
                self.lease(Lease { sent, beat: sent, ..Lease::default() });
            }
            Op::Lost => {
                self.lease = None;
                (self.draining, self.stopping) = (false, false);
                self.handle(Event::LeaseLost { reason: "end of file".into() });
            }
            Op::Probe { which, ok } => {
                let ids = self.ids();
                self.probed(ids[which % ids.len()].clone(), *ok);
            }
            Op::Steady { rounds, ok, qps } => {
                for round in 0..*rounds {
                    self.wait(ms(100));
                    if round % 2 == 0 {
                        let (queries, draining, stopping) = (qps / 5, self.draining, self.stopping);
                        self.apply(&Op::Lease {
                            queries,
                            drops: 0,
                            age_ms: 0,
                            lag_ms: 0,
                            permit_ms: 0,
                            stale: false,
                            draining,
                            stopping,
                        });
                        self.check();
                    }
                    for id in self.ids() {
                        self.probed(id, *ok);
                        self.check();
                    }
                }
            }
            Op::Address { which, present } => {
                let addresses = self.addresses();
                let address = addresses[which % addresses.len()];
                self.absent.retain(|absent| *absent != address);
                if !present {
                    self.absent.push(address);
                }
                self.handle(Event::Address { address, present: *present });
            }
            Op::Drain => {
                self.asked.get_or_insert(self.now);
                self.handle(Event::Drain { by: "command".into() });
            }
            Op::Undrain => {
                self.asked = None;
                self.handle(Event::Undrain);
            }
            Op::Settings { which } => {
                self.settings = Arc::clone(&self.files[*which]);
                self.reloaded = true;
                self.handle(Event::Settings(Arc::clone(&self.settings)));
                self.look();
            }
            Op::Wait { ms: time } => self.wait(ms(*time)),
            Op::Jump { ms: time } => {
                self.now += ms(*time);
                self.handle(Event::Tick);
            }
        }
        self.check();
    }

    fn leased(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| self.now < lease.sent.min(lease.beat) + ms(1500))
    }

    /// Whether a service may have routes of this family at all, and whether it surely works.
    fn evidence(&self, name: &str, family: Family) -> bool {
        let service = self.settings.services.iter().find(|service| service.name == name).unwrap();
        let mine = |id: &&ProbeId| id.service == name && Family::of(id.address) == family;
        let ids = self.ids();
        let seen = || ids.iter().filter(mine).filter_map(|id| self.probes.get(id));
        let fresh = |seen: &Seen| self.now < seen.last + PATIENCE;
        let there = !service.addresses.iter().any(|a| Family::of(*a) == family && self.absent.contains(a));
        if !service.lease {
            return there && seen().any(|seen| seen.passing && fresh(seen)) && !seen().any(|seen| seen.failing);
        }
        // An overload is told by answers and drops: without any of them a failing probe ends the route.
        there && self.leased() && (self.flowed || seen().all(|seen| !seen.failing && fresh(seen)))
    }

    /// I4 and its companions, at this moment.
    fn check(&self) {
        for prefix in self.policy.routes().keys() {
            let announced = self.settings.prefixes.iter().find(|announced| announced.prefix == *prefix).unwrap();
            let family = prefix.family();
            let has = |name: &&String| {
                self.settings.services.iter().any(|service| service.name == **name && service.has(family))
            };
            let evident: Vec<_> =
                announced.services.iter().filter(has).map(|name| self.evidence(name, family)).collect();
            let enough = match announced.require {
                settings::Require::All if !self.reloaded => evident.iter().all(|evident| *evident),
                _ => evident.iter().any(|evident| *evident),
            };
            assert!(enough, "{prefix} is announced: {:#?}", self.policy.explain(self.now));
        }
        if let Some(asked) = self.asked {
            assert!(self.now < asked + TIMEOUT || self.policy.drained(), "a drain ends");
        }
    }

    /// From a fault's withdrawal to the next announcement there are five seconds at least.
    fn check_damping(&self) {
        for prefix in self.policy.explain(self.now).prefixes {
            assert!(prefix.held_secs.unwrap_or(0.0) <= 300.0);
            assert!(prefix.transitions.len() <= TRANSITIONS_MAX);
        }
        let mut faults: BTreeMap<Prefix, Moment> = BTreeMap::new();
        for transition in &self.transitions {
            let Transition { prefix, from, to, cause, at } = transition;
            let fault = !matches!(cause.kind, CauseKind::Drain | CauseKind::Settings);
            if matches!(from, State::Up | State::Depref) && *to == State::Withdrawn && fault {
                faults.insert(*prefix, *at);
            } else if cause.kind == CauseKind::Settings {
                faults.remove(prefix);
            }
            if !from.announced() && to.announced() && !self.reloaded {
                assert!(faults.get(prefix).is_none_or(|fault| *at >= *fault + ms(5000)), "{transition:?}");
            }
        }
    }
}

/// A hold-down ends between two leases, on the strength of the one before.
#[test]
fn a_hold_down_that_ends_between_two_leases_announces() {
    let steady = |rounds, ok| Op::Steady { rounds, ok, qps: 0 };
    let mut world = World::new(0, false);
    let before = [steady(3, true), Op::Lost, steady(5, false), Op::Wait { ms: 1369 }, steady(11, false)];
    let after = [Op::Wait { ms: 1031 }, steady(2, false), steady(2, false), steady(1, false), steady(4, true)];
    for op in before.iter().chain(&after) {
        world.apply(op);
    }
    assert!(world.policy.routes().is_empty() && world.leased());
    world.apply(&Op::Wait { ms: 100 });
    // The web kept the one that needs any of its services until it failed as well, 300 ms later: so much later it may come back.
    let held = |world: &World| -> Vec<String> {
        let prefixes = world.policy.explain(world.now).prefixes.into_iter();
        prefixes.filter(|prefix| prefix.held_secs.is_some()).map(|prefix| prefix.prefix).collect()
    };
    assert_eq!((world.policy.routes().len(), held(&world)), (3, vec!["192.0.2.0/24".to_owned()]));
    world.apply(&Op::Wait { ms: 300 });
    assert_eq!((world.policy.routes().len(), held(&world)), (4, vec![]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// I4, that withdrawals come first, that drains end, and that damping keeps its bounds.
    #[test]
    fn nothing_is_announced_that_cannot_answer(file in 0..2usize, ops in vec(op(), 1..60)) {
        let mut world = World::new(file, false);
        for op in &ops {
            world.apply(op);
        }
        world.check_damping();
    }

    /// The same where nobody but our own probes ever asks: then there is no overload, and a failing probe ends a route.
    #[test]
    fn where_no_answers_flow_a_failing_probe_ends_the_route(file in 0..2usize, ops in vec(op(), 1..60)) {
        let mut world = World::new(file, false);
        for op in &ops {
            match op {
                Op::Lease { .. } => {
                    let sent = world.now;
                    world.lease(Lease { sent, beat: sent, ..Lease::default() });
                    world.check();
                }
                Op::Steady { rounds, ok, .. } => world.apply(&Op::Steady { rounds: *rounds, ok: *ok, qps: 0 }),
                Op::Settings { .. } => {}
                op => world.apply(op),
            }
        }
        prop_assert!(!world.flowed);
    }

    /// A node that is stale announces exactly when it would if it were not: however many are stale, none is missing.
    #[test]
    fn staleness_takes_nothing_away(file in 0..2usize, ops in vec(op(), 1..60)) {
        let mut fresh = World::new(file, false);
        let mut stale = World::new(file, true);
        for op in &ops {
            fresh.apply(op);
            stale.apply(op);
            let announced = |world: &World| world.policy.routes().keys().copied().collect::<Vec<_>>();
            prop_assert_eq!(announced(&fresh), announced(&stale));
        }
    }

    /// While a permit lasts it takes prefixes away, and from the moment when it ends each is what it would be without: whatever fault,
    /// flood, drain, sleep or change of settings came meanwhile. Only what is being drained is not announced again for that.
    #[test]
    fn a_permit_takes_away_only_while_it_lasts(file in 0..2usize, ops in vec(op(), 1..60)) {
        let mut without = World::new(file, true);
        let mut with = World::new(file, true);
        with.permits = true;
        for op in &ops {
            without.apply(op);
            with.apply(op);
            prop_assert_eq!(with.now, without.now);
            let permitted = with.leased() && with.lease.as_ref().is_some_and(|lease| with.now < lease.permit_until);
            for ((prefix, state, _), (_, would_be, _)) in with.policy.states().zip(without.policy.states()) {
                let away = state == State::Withdrawn && (permitted && would_be.announced() || would_be == State::Drain);
                prop_assert!(state == would_be || away, "{} is {}, and would be {}", prefix, state, would_be);
            }
        }
    }

    /// However much traffic stays, a drain ends: by the sidecar's own timeout, or by that of the server's.
    #[test]
    fn a_drain_ends_under_any_load(file in 0..3usize, ops in vec(op(), 0..30), server in any::<bool>()) {
        let mut world = World::new(file, false);
        for op in &ops {
            world.apply(op);
        }
        world.apply(&Op::Undrain);
        world.absent.clear();
        world.look();
        (world.draining, world.stopping) = (false, false);
        for _ in 0..310 {
            world.apply(&Op::Steady { rounds: 10, ok: true, qps: 1000 });
            if world.policy.states().all(|(_, state, _)| state == State::Up) {
                break;
            }
        }
        prop_assert!(world.policy.states().all(|(_, state, _)| state == State::Up));
        if server {
            world.stopping = true;
        } else {
            world.apply(&Op::Drain);
        }
        world.apply(&Op::Steady { rounds: 98, ok: true, qps: 1000 });
        prop_assert!(!world.policy.withdrawn(world.now), "traffic is still there");
        world.apply(&Op::Steady { rounds: 6, ok: true, qps: 1000 });
        prop_assert!(world.policy.withdrawn(world.now));
        prop_assert!(server || world.policy.routes().is_empty());
    }

    /// Left alone, a policy has a last deadline, soon, and then announces nothing: no lease, no probe says that it could.
    #[test]
    fn left_alone_it_ends_with_nothing_announced(file in 0..3usize, ops in vec(op(), 1..40)) {
        let mut world = World::new(file, false);
        for op in &ops {
            world.apply(op);
        }
        let left = world.now;
        let mut ticks = 0;
        while let Some(deadline) = world.policy.deadline() {
            world.now = deadline;
            world.tick();
            ticks += 1;
            prop_assert!(ticks <= 100, "{:#?}", world.policy.explain(world.now));
        }
        prop_assert!(world.policy.routes().is_empty());
        prop_assert!(world.now <= left + Duration::from_secs(301));
    }

    /// Whatever was done to it, once everything works again everything is announced, no later than the longest hold-down.
    #[test]
    fn whatever_happened_it_comes_back(file in 0..3usize, ops in vec(op(), 1..40)) {
        let mut world = World::new(file, false);
        for op in &ops {
            world.apply(op);
        }
        world.absent.clear();
        world.look();
        world.apply(&Op::Undrain);
        (world.draining, world.stopping) = (false, false);
        for _ in 0..310 {
            world.apply(&Op::Steady { rounds: 10, ok: true, qps: 1000 });
            if world.policy.routes().len() == world.settings.prefixes.len() {
                break;
            }
        }
        let all_up = world.policy.states().all(|(_, state, _)| matches!(state, State::Up));
        prop_assert!(all_up || world.policy.routes().len() == world.settings.prefixes.len());
    }
}
