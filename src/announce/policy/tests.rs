//! A node on virtual time: a server, its addresses, an operator; and what the policy makes of them.

use super::*;
use crate::announce::settings;
use std::path::Path;

pub(super) const V4: &str = "192.0.2.0/24";
pub(super) const V6: &str = "2001:db8:53::/48";

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Settings from text, with what every file needs put before it.
pub(super) fn settings(text: &str) -> Arc<Settings> {
    let text = format!("router-id = \"192.0.2.1\"\nlocal-as = 64501\nnode = \"test\"\n{text}");
    match settings::parse(Path::new("announcer.toml"), &text) {
        Ok((settings, _)) => Arc::new(settings),
        Err(error) => panic!("{error}"),
    }
}

/// A DNS service in both families, probed over UDP as often as said, and two prefixes. `more` goes into the service.
fn dns(interval: &str, more: &str) -> Arc<Settings> {
    settings(&format!(
        "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\", \"2001:db8:53::53\"]\n{more}\n\
         [[service.probe]]\ntype = \"dns\"\ninterval = \"{interval}\"\ntimeout = \"100ms\"\ntransports = [\"udp\"]\n\
         question = \"www.example.com A\"\n\
         [[prefix]]\nprefix = \"{V4}\"\nservices = [\"dns\"]\n[[prefix]]\nprefix = \"{V6}\"\nservices = [\"dns\"]\n"
    ))
}

/// A web service that only its own probe knows.
const WEB: &str = "[[service]]\nname = \"web\"\naddresses = [\"192.0.2.80\"]\nlease = false\n\
                   [[service.probe]]\ntype = \"tcp\"\nport = 80\ninterval = \"100ms\"\ntimeout = \"100ms\"\n";

struct Node {
    policy: Policy,
    settings: Arc<Settings>,
    now: Moment,
    /// Whether the server sends leases, and the workers stamp them.
    server: bool,
    workers: bool,
    beat: Moment,
    /// What the lease says, and how fast its counts grow.
    lease: Lease,
    qps: u64,
    drops_per_sec: u64,
    /// Addresses and transports that don't answer.
    deaf: Vec<String>,
    asked: BTreeMap<ProbeId, Moment>,
    /// Probes that are not answered, and when they are given up.
    hopeless: Vec<(Moment, ProbeId)>,
    log: Vec<(Moment, Action)>,
}

impl Node {
    /// A node that has just started; its server has been up for long.
    fn new(settings: Arc<Settings>) -> Node {
        let now = Duration::from_secs(1000);
        let mut node = Node {
            policy: Policy::new(Arc::clone(&settings), now),
            settings,
            now,
            server: true,
            workers: true,
            beat: now,
            lease: Lease { queries: 1_000_000, drops: 5_000, zones: 3, ..Lease::default() },
            qps: 0,
            drops_per_sec: 0,
            deaf: Vec::new(),
            asked: BTreeMap::new(),
            hopeless: Vec::new(),
            log: Vec::new(),
        };
        node.look_for_addresses();
        node
    }

    /// One that announces everything.
    fn up(settings: Arc<Settings>) -> Node {
        let mut node = Node::new(settings);
        node.run(ms(5000));
        assert!(node.policy.states().all(|(_, state, _)| state == State::Up), "{}", node.states());
        node.log.clear();
        node
    }

    fn look_for_addresses(&mut self) {
        let settings = Arc::clone(&self.settings);
        for address in settings.services.iter().flat_map(|service| &service.addresses) {
            self.handle(Event::Address { address: *address, present: true });
        }
    }

    fn handle(&mut self, event: Event) {
        for action in self.policy.handle(self.now, event) {
            self.log.push((self.now, action));
        }
        assert!(self.policy.deadline().is_none_or(|deadline| deadline > self.now));
    }

    /// Lets time pass, in steps of 10 ms.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(10);
            if self.policy.deadline().is_some_and(|deadline| deadline <= self.now) {
                self.handle(Event::Tick);
            }
            if self.server {
                self.serve();
            }
            self.probe();
        }
    }

    fn serve(&mut self) {
        let past = self.now.as_millis();
        if self.workers {
            self.beat = self.now;
        }
        // In steps of 50 ms, so that small rates are whole numbers.
        if past.is_multiple_of(50) {
            self.lease.queries += self.qps / 20;
            self.lease.drops += self.drops_per_sec / 20;
        }
        if past.is_multiple_of(250) {
            self.lease.seq += 1;
            let lease = Lease { sent: self.now, beat: self.beat, ..self.lease.clone() };
            self.handle(Event::Lease(lease));
        }
    }

    fn probe(&mut self) {
        let now = self.now;
        let over: Vec<_> = self.hopeless.extract_if(.., |(end, _)| *end <= now).collect();
        for (_, id) in over {
            self.handle(Event::Probed { id, ok: false, latency: ms(100), detail: "no answer".into() });
        }
        let settings = Arc::clone(&self.settings);
        for (id, probe) in settings.services.iter().flat_map(|service| service.probe_ids()) {
            if self.asked.get(&id).is_some_and(|asked| *asked + probe.interval > now) {
                continue;
            }
            self.asked.insert(id.clone(), now);
            let leased = settings.services.iter().any(|service| service.name == id.service && service.lease);
            let deaf = self.deaf.iter().any(|address| *address == id.address.to_string());
            if deaf || leased && !self.server {
                self.hopeless.push((now + probe.timeout, id));
                continue;
            }
            self.lease.queries += u64::from(leased);
            self.handle(Event::Probed { id, ok: true, latency: ms(1), detail: String::new() });
        }
    }

    /// `prefix STATE`, all of them.
    fn states(&self) -> String {
        self.policy.states().map(|(prefix, state, _)| format!("{prefix} {state}")).collect::<Vec<_>>().join(", ")
    }

    fn state(&self, prefix: &str) -> State {
        self.policy.states().find(|(known, _, _)| known.to_string() == prefix).unwrap().1
    }

    /// Transitions of a prefix since this was asked last: `after FROM > TO: cause`; `after` in ms from `since`.
    fn transitions(&mut self, since: Moment, of: &str) -> Vec<String> {
        let log = std::mem::take(&mut self.log);
        log.iter()
            .filter_map(|(at, action)| match action {
                Action::Transition(t) if t.prefix.to_string() == of => {
                    assert_eq!(t.at, *at);
                    Some(format!("{} {} > {}: {}", (*at - since).as_millis(), t.from, t.to, t.cause))
                }
                _ => None,
            })
            .collect()
    }

    fn alarms(&self) -> Vec<String> {
        self.policy.alarms().keys().map(ToString::to_string).collect()
    }

    /// Runs until a prefix is in a state, and gives how long that took.
    fn until(&mut self, prefix: &str, state: State, most: Duration) -> Duration {
        let began = self.now;
        while self.state(prefix) != state {
            assert!(self.now < began + most, "{} after {most:?}, not {state}", self.states());
            self.run(ms(10));
        }
        self.now - began
    }
}

#[test]
fn a_start_waits_for_the_lease_and_the_rise_and_for_no_hold_down() {
    let mut node = Node::new(dns("1s", ""));
    let start = node.now;
    node.run(ms(1500));
    assert_eq!(node.states(), format!("{V4} INIT, {V6} INIT"));
    assert!(node.policy.routes().is_empty());
    node.run(ms(3000));
    assert_eq!(
        node.transitions(start, V4),
        ["2010 INIT > UP: healthy"],
        "the third probe, of one a second, is at 2.01 s"
    );
    assert_eq!(node.policy.routes().len(), 2);
}

#[test]
fn without_a_lease_nothing_is_announced() {
    let mut node = Node::new(dns("1s", ""));
    node.handle(Event::LeaseLost { reason: "no such file".into() });
    for _ in 0..1000 {
        // Probes pass: somebody else answers at the address.
        for (id, _) in Arc::clone(&node.settings).services[0].probe_ids() {
            node.now += ms(1);
            node.handle(Event::Probed { id, ok: true, latency: ms(1), detail: String::new() });
        }
    }
    assert_eq!(node.states(), format!("{V4} INIT, {V6} INIT"));
    let report = node.policy.explain(node.now);
    assert_eq!(report.prefixes[0].cause, "dns: waits for the server's lease: no such file");
}

#[test]
fn a_killed_server_ends_the_routes_in_the_same_breath_and_the_hold_down_is_served() {
    let mut node = Node::up(dns("1s", ""));
    let killed = node.now;
    node.server = false;
    node.handle(Event::LeaseLost { reason: "end of file".into() });
    assert!(node.policy.routes().is_empty());
    // Before anything else: the routes.
    assert!(matches!(&node.log[0].1, Action::Routes(change) if change.routes.is_empty()
        && change.caused_at == killed && change.cause.kind == CauseKind::LeaseLost));
    let gone = "0 UP > WITHDRAWN: dns: the server went away: end of file";
    assert_eq!(node.transitions(killed, V4), [gone]);
    node.server = true;
    node.lease.queries = 0;
    node.run(ms(10_000));
    let back = "5000 WITHDRAWN > UP: healthy";
    assert_eq!(node.transitions(killed, V4), [back], "at the very end of the hold-down");
}

#[test]
fn a_stopped_server_is_withdrawn_when_its_lease_is_over() {
    let mut node = Node::up(dns("1s", "fall = 10"));
    let stopped = node.now;
    node.server = false;
    node.run(ms(1480));
    assert_eq!(node.state(V4), State::Up);
    node.run(ms(40));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} WITHDRAWN"));
    let change = node.log.iter().find_map(|(_, action)| match action {
        Action::Routes(change) => Some(change),
        _ => None,
    });
    assert_eq!(change.unwrap().caused_at, stopped + ms(1500), "the cause is the lease's end, however late we look");
    assert_eq!(
        node.transitions(stopped, V6),
        ["1500 UP > WITHDRAWN: dns: the lease expired: the server gives no sign of life"]
    );
}

#[test]
fn a_stopped_server_under_load_is_found_by_fast_probes_before_the_lease_is_over() {
    // Whenever it is stopped between two leases and two probes.
    for offset in 0..25 {
        let mut node = Node::up(dns("100ms", ""));
        node.qps = 20_000;
        node.run(ms(2000 + 10 * offset));
        node.server = false;
        let took = node.until(V4, State::Withdrawn, ms(1500));
        assert!(took <= ms(400), "{took:?} at {offset}");
        assert!(node.alarms().is_empty(), "nobody is told of an overload that is none");
    }
}

#[test]
fn one_wedged_worker_ends_the_lease() {
    let mut node = Node::up(dns("1s", ""));
    node.qps = 1000;
    node.run(ms(1000));
    let wedged = node.now;
    node.workers = false;
    node.run(ms(2000));
    assert_eq!(
        node.transitions(wedged, V4),
        ["1500 UP > WITHDRAWN: dns: the lease expired: a worker of the server hangs"]
    );
}

#[test]
fn a_failing_probe_withdraws_when_hardly_any_answers_flow_and_only_its_own_family() {
    let mut node = Node::up(dns("100ms", ""));
    // Nobody asks but our own probes, twenty times a second, and somebody's monitoring.
    node.qps = 0;
    node.run(ms(2000));
    let deaf = node.now;
    node.deaf = vec!["2001:db8:53::53".into()];
    node.run(ms(1000));
    assert_eq!(
        node.transitions(deaf, V6),
        ["310 UP > WITHDRAWN: dns: dns probe 1 of 2001:db8:53::53 over UDP fails: no answer"]
    );
    assert_eq!(node.state(V4), State::Up);
    node.deaf.clear();
    node.until(V6, State::Up, ms(5000));
}

#[test]
fn overload_is_absorbed_with_an_alarm_while_answers_flow() {
    let mut node = Node::up(dns("100ms", ""));
    node.qps = 1000;
    node.run(ms(2000));
    node.deaf = vec!["192.0.2.53".into(), "2001:db8:53::53".into()];
    node.run(ms(20_000));
    assert_eq!(node.states(), format!("{V4} UP, {V6} UP"));
    assert_eq!(node.alarms(), ["service dns is overloaded (ipv4)", "service dns is overloaded (ipv6)"]);
    assert!(node.transitions(Duration::ZERO, V4).is_empty());
    // The flood ends, and with it the answers: then nothing answers.
    node.qps = 0;
    node.until(V4, State::Withdrawn, ms(2000));
    assert!(node.alarms().is_empty());
}

#[test]
fn overload_is_told_by_drops_alone_and_lasts_until_it_is_calm() {
    let mut node = Node::up(dns("100ms", "overload = \"depreference\""));
    let began = node.now;
    node.qps = 50_000;
    node.drops_per_sec = 20_000;
    node.run(ms(5000));
    node.qps = 1000;
    node.drops_per_sec = 0;
    node.run(ms(20_000));
    let transitions = node.transitions(began, V4);
    // Drops since 250 ms, confirmed by the next lease; the last sign is in counts that are 1.5 s old.
    assert_eq!(
        transitions,
        ["500 UP > DEPREF: dns: overloaded, or was a short time ago", "16250 DEPREF > UP: healthy"]
    );
}

#[test]
fn overload_withdraws_where_that_is_set_and_comes_back_when_it_is_over() {
    let mut node = Node::up(dns("100ms", "overload = \"withdraw\""));
    node.qps = 1000;
    node.drops_per_sec = 1000;
    node.until(V4, State::Withdrawn, ms(1000));
    assert_eq!(node.alarms().len(), 2);
    node.run(ms(30_000));
    assert_eq!(node.state(V4), State::Withdrawn, "the flood goes on, and longer than the hold-down");
    node.drops_per_sec = 0;
    let took = node.until(V4, State::Up, ms(20_000));
    assert!(took >= ms(10_000), "{took:?}");
}

#[test]
fn overload_gets_no_new_routes() {
    let mut node = Node::up(dns("100ms", ""));
    node.handle(Event::LeaseLost { reason: "end of file".into() });
    node.qps = 1000;
    node.run(ms(3500));
    node.deaf = vec!["192.0.2.53".into()];
    node.run(ms(60_000));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} UP"));
}

#[test]
fn a_missing_address_withdraws_at_once() {
    let mut node = Node::up(dns("1s", ""));
    let gone = node.now;
    let address: IpAddr = "192.0.2.53".parse().unwrap();
    node.handle(Event::Address { address, present: false });
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} UP"));
    node.run(ms(8000));
    node.handle(Event::Address { address, present: true });
    assert_eq!(
        node.transitions(gone, V4),
        ["0 UP > WITHDRAWN: dns: 192.0.2.53 is on no interface of this host", "8000 WITHDRAWN > UP: healthy"]
    );
}

#[test]
fn a_drain_waits_for_quiet_and_is_no_flap() {
    for stopping in [false, true] {
        let mut node = Node::up(dns("1s", ""));
        node.qps = 500;
        node.run(ms(2000));
        let asked = node.now;
        if stopping {
            node.lease.stopping = true;
        } else {
            node.lease.draining = true;
        }
        node.run(ms(5000));
        assert_eq!(node.states(), format!("{V4} DRAIN, {V6} DRAIN"), "traffic has not moved yet");
        for attributes in node.policy.routes().values() {
            assert!(attributes.communities.contains(&(65535 << 16)), "RFC 8326 6");
            assert_eq!((attributes.prepend, attributes.local_preference), (6, Some(0)));
        }
        assert!(!node.policy.withdrawn(node.now));
        node.qps = 0;
        node.run(ms(2000));
        assert!(node.policy.withdrawn(node.now) && !node.policy.drained(), "the sidecar itself was not asked");
        let by = if stopping { "the server is stopping" } else { "the server was asked to drain" };
        assert_eq!(
            node.transitions(asked, V4),
            [format!("250 UP > DRAIN: dns: {by}"), format!("6000 DRAIN > WITHDRAWN: dns: {by}")]
        );
        // The end of a drained server is none of the faults that damping is for, and the next one starts from nothing.
        if stopping {
            node.server = false;
            node.handle(Event::LeaseLost { reason: "end of file".into() });
            node.run(ms(3000));
            node.server = true;
        }
        node.lease.stopping = false;
        node.lease.draining = false;
        let took = node.until(V4, State::Up, ms(5000));
        assert!(took >= ms(2000) && took <= ms(3500), "three probes have to pass again: {took:?}");
        assert_eq!(node.policy.explain(node.now).prefixes[0].flaps, 0);
    }
}

#[test]
fn a_drain_ends_when_its_time_is_over() {
    let mut node = Node::up(dns("1s", ""));
    node.qps = 500;
    let asked = node.now;
    node.handle(Event::Drain { by: "SIGTERM".into() });
    assert_eq!(node.states(), format!("{V4} DRAIN, {V6} DRAIN"));
    node.run(ms(60_000));
    assert_eq!(
        node.transitions(asked, V4),
        ["0 UP > DRAIN: dns: drain asked by SIGTERM", "30000 DRAIN > WITHDRAWN: dns: drain asked by SIGTERM"]
    );
    assert!(node.policy.drained() && node.policy.withdrawn(node.now));
}

#[test]
fn undrained_in_time_it_goes_straight_back() {
    let mut node = Node::up(dns("1s", ""));
    node.qps = 500;
    node.handle(Event::Drain { by: "command".into() });
    node.run(ms(3000));
    node.log.clear();
    let back = node.now;
    node.handle(Event::Undrain);
    assert_eq!(node.transitions(back, V4), ["0 DRAIN > UP: healthy"], "withdrawing in between would help nobody");
}

#[test]
fn a_fault_in_a_drain_withdraws_at_once() {
    let mut node = Node::up(dns("1s", ""));
    node.qps = 500;
    node.handle(Event::Drain { by: "command".into() });
    node.run(ms(1000));
    node.handle(Event::LeaseLost { reason: "end of file".into() });
    assert!(node.policy.routes().is_empty() && node.policy.drained());
    assert_eq!(node.policy.explain(node.now).prefixes[0].flaps_total, 0);
}

#[test]
fn a_node_that_is_drained_announces_nothing_new() {
    let mut node = Node::new(dns("100ms", ""));
    node.handle(Event::Drain { by: "command".into() });
    assert!(node.policy.drained());
    node.run(ms(60_000));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} WITHDRAWN"));
}

#[test]
fn a_service_without_lease_depends_on_its_probes_alone_and_drains_for_the_whole_time() {
    let text = format!("drain-timeout = \"10s\"\n{WEB}[[prefix]]\nprefix = \"{V4}\"\nservices = [\"web\"]\n");
    let mut node = Node::new(settings(&text));
    node.server = false;
    node.run(ms(1000));
    assert_eq!(node.state(V4), State::Up);
    node.deaf = vec!["192.0.2.80".into()];
    assert_eq!(node.until(V4, State::Withdrawn, ms(1000)), ms(310));
    node.deaf.clear();
    node.until(V4, State::Up, ms(6000));
    node.handle(Event::Drain { by: "command".into() });
    assert_eq!(node.until(V4, State::Withdrawn, ms(11_000)), ms(10_000));
}

#[test]
fn a_probe_that_is_no_longer_asked_does_not_hold_a_route() {
    let text = format!("{WEB}[[prefix]]\nprefix = \"{V4}\"\nservices = [\"web\"]\n");
    let mut node = Node::new(settings(&text));
    node.run(ms(1000));
    assert_eq!(node.state(V4), State::Up);
    // Whatever asks has died. The last result came at most 100 ms ago.
    let last = node.now;
    while let Some(deadline) = node.policy.deadline().filter(|_| node.state(V4) == State::Up) {
        node.now = deadline;
        node.handle(Event::Tick);
        assert!(node.now <= last + ms(10_000), "{}", node.states());
    }
    assert_eq!(node.state(V4), State::Withdrawn);
    assert!(node.now - last <= ms(300 + 100 + 2000), "{:?}", node.now - last);
}

#[test]
fn when_every_node_is_stale_every_node_announces() {
    let mut nodes: Vec<Node> = (0..5).map(|_| Node::up(dns("1s", ""))).collect();
    for (i, node) in nodes.iter_mut().enumerate() {
        node.lease.stale = true;
        // A permit that came although the settings ask for none would change nothing.
        node.lease.permit_until = if i % 2 == 0 { Duration::MAX } else { Duration::ZERO };
        node.run(ms(3_600_000 / 60));
        assert_eq!(node.states(), format!("{V4} DEPREF, {V6} DEPREF"));
        assert_eq!(node.policy.routes().len(), 2);
        assert_eq!(node.alarms(), ["the server is stale"]);
        for attributes in node.policy.routes().values() {
            assert_eq!((attributes.prepend, attributes.med, attributes.local_preference), (3, Some(100), Some(50)));
        }
        node.lease.stale = false;
        node.until(V4, State::Up, ms(500));
    }
    // Nor does a stale node stay away that starts.
    let mut node = Node::new(dns("1s", ""));
    node.lease.stale = true;
    node.until(V4, State::Depref, ms(3000));
}

/// A stale node that may withdraw for it, with a permit for so long.
fn excused(more: &str, time: Duration) -> Node {
    let mut node = Node::up(dns("100ms", &format!("stale = \"withdraw\"\n{more}")));
    node.lease.stale = true;
    node.lease.permit_until = node.now + time;
    node
}

#[test]
fn a_permit_withdraws_until_it_ends_and_is_no_flap() {
    let mut node = excused("", ms(5000));
    let began = node.now;
    node.run(ms(1000));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} WITHDRAWN"));
    let report = node.policy.explain(node.now);
    assert_eq!(report.lease.unwrap().permit_secs, Some(4.0));
    assert_eq!(
        report.prefixes[0].cause,
        "dns: the server serves a release that is too old, and has a permit to withdraw"
    );
    assert_eq!((report.prefixes[0].cause_kind, report.prefixes[0].flaps), ("stale", 0));
    assert_eq!(
        node.policy.alarms()[&Alarm::Stale],
        "it serves generation 0, and is withdrawn by a permit",
        "nobody is withdrawn silently"
    );
    // The leases go on with the permit that is not renewed: as from a server whose store is gone, or whose follower hangs.
    node.run(ms(9000));
    assert_eq!(
        node.transitions(began, V4),
        [
            "250 UP > WITHDRAWN: dns: the server serves a release that is too old, and has a permit to withdraw",
            "5000 WITHDRAWN > DEPREF: dns: the server serves a release that is too old, and has no permit to withdraw"
        ],
        "back to the millisecond, and held down by nothing"
    );
    assert!(node.policy.routes().values().all(|attributes| attributes.prepend == 3));
    assert_eq!(node.policy.explain(node.now).lease.unwrap().permit_secs, None);
}

#[test]
fn a_permit_that_is_renewed_lasts_and_who_is_no_longer_stale_comes_back_at_once() {
    let mut node = excused("", ms(5000));
    for _ in 0..30 {
        node.run(ms(2000));
        node.lease.permit_until = node.now + ms(5000);
        assert!(node.policy.routes().is_empty());
    }
    // It has caught up; the permit would still be there.
    node.lease.stale = false;
    let took = node.until(V4, State::Up, ms(500));
    assert!(took <= ms(250), "{took:?}: with the next lease");
}

#[test]
fn a_fault_under_a_permit_is_damped_as_it_would_be_without() {
    for permit in [Duration::ZERO, ms(4000)] {
        let mut node = excused("", permit);
        node.run(ms(1000));
        node.deaf = vec!["192.0.2.53".into()];
        node.run(ms(1000));
        node.deaf.clear();
        let failed = node.now;
        let took = node.until(V4, State::Depref, ms(10_000));
        assert!(node.now >= failed + ms(4000) && took <= ms(5000), "{took:?} with a permit of {permit:?}");
    }
}

#[test]
fn nobody_leaves_in_a_flood_and_who_is_away_is_not_drawn_into_one() {
    let mut node = Node::up(dns("100ms", "stale = \"withdraw\""));
    node.qps = 1000;
    node.run(ms(2000));
    node.deaf = vec!["192.0.2.53".into(), "2001:db8:53::53".into()];
    node.run(ms(2000));
    node.lease.stale = true;
    node.lease.permit_until = Duration::MAX;
    node.run(ms(5000));
    assert_eq!(node.states(), format!("{V4} DEPREF, {V6} DEPREF"), "the flood would walk on to the next node");
    node.deaf.clear();
    assert!(node.until(V4, State::Withdrawn, ms(15_000)) > ms(5000), "when it is calm");
    // Clients that have not heard of it yet.
    node.deaf = vec!["192.0.2.53".into(), "2001:db8:53::53".into()];
    node.run(ms(5000));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} WITHDRAWN"));
    // But when the permit ends the flood is no reason to stay away.
    node.lease.permit_until = node.now;
    node.until(V4, State::Depref, ms(500));
}

#[test]
fn a_drain_under_a_permit_announces_nothing_for_its_time() {
    let mut node = excused("", ms(5000));
    node.run(ms(1000));
    node.log.clear();
    node.lease.draining = true;
    node.run(ms(10_000));
    assert!(node.transitions(Duration::ZERO, V4).is_empty());
    assert!(node.policy.withdrawn(node.now));
    node.lease.draining = false;
    node.until(V4, State::Depref, ms(2000));
}

#[test]
fn of_two_services_one_that_is_stale_takes_its_prefix_along_only_where_all_are_needed() {
    for (require, state) in [("all", State::Withdrawn), ("any", State::Up)] {
        let text = format!(
            "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\nstale = \"withdraw\"\n{WEB}\
             [[prefix]]\nprefix = \"{V4}\"\nservices = [\"dns\", \"web\"]\nrequire = \"{require}\"\n"
        );
        let mut node = Node::up(settings(&text));
        node.lease.stale = true;
        node.lease.permit_until = Duration::MAX;
        node.run(ms(1000));
        assert_eq!(node.state(V4), state, "{require}");
    }
}

#[test]
fn a_stale_node_that_starts_with_a_permit_waits_for_its_end() {
    let mut node = Node::new(dns("100ms", "stale = \"withdraw\""));
    node.lease.stale = true;
    node.lease.permit_until = node.now + ms(5000);
    node.run(ms(4900));
    assert_eq!(node.states(), format!("{V4} WITHDRAWN, {V6} WITHDRAWN"));
    node.run(ms(200));
    assert_eq!(node.states(), format!("{V4} DEPREF, {V6} DEPREF"));
}

#[test]
fn a_node_that_runs_behind_on_purpose_is_the_last_resort_and_no_alarm() {
    let mut node = Node::new(dns("100ms", "stale = \"withdraw\""));
    node.lease.standby = true;
    // It is not stale, so that a permit is nothing to it.
    node.lease.permit_until = Duration::MAX;
    node.run(ms(5000));
    assert_eq!(node.states(), format!("{V4} DEPREF, {V6} DEPREF"));
    assert!(node.alarms().is_empty());
    let report = node.policy.explain(node.now);
    assert_eq!(report.prefixes[0].cause, "dns: the server runs behind on purpose, to be there if the others fail");
    assert_eq!((report.prefixes[0].cause_kind, report.services[0].verdict), ("standby", "standby"));
    // The others are gone: what comes then is answered.
    node.qps = 1000;
    node.run(ms(2000));
    node.deaf = vec!["192.0.2.53".into(), "2001:db8:53::53".into()];
    node.run(ms(5000));
    assert_eq!(node.states(), format!("{V4} DEPREF, {V6} DEPREF"));
    node.deaf.clear();
    node.lease.standby = false;
    node.until(V4, State::Up, ms(15_000));
}

#[test]
fn bad_zones_are_an_alarm_and_nothing_more() {
    let mut node = Node::up(dns("1s", ""));
    node.lease.failed = 2;
    node.run(ms(60_000));
    assert_eq!(node.states(), format!("{V4} UP, {V6} UP"));
    assert_eq!(
        node.log,
        [(
            node.now - ms(59_750),
            Action::Alarm { alarm: Alarm::ZonesFailed, text: "2 of its zones failed".into(), raised: true }
        )]
    );
    node.log.clear();
    node.lease.failed = 0;
    node.run(ms(250));
    assert!(matches!(&node.log[..], [(_, Action::Alarm { alarm: Alarm::ZonesFailed, raised: false, .. })]));
}

#[test]
fn all_or_any_of_several_services() {
    let both = |require: &str| {
        settings(&format!(
            "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\", \"2001:db8:53::53\"]\n{WEB}\
             [[prefix]]\nprefix = \"{V4}\"\nservices = [\"dns\", \"web\"]\nrequire = \"{require}\"\n\
             [[prefix]]\nprefix = \"{V6}\"\nservices = [\"dns\", \"web\"]\nrequire = \"{require}\"\n"
        ))
    };
    for (require, without_web, without_dns) in
        [("all", State::Withdrawn, State::Withdrawn), ("any", State::Up, State::Up)]
    {
        let mut node = Node::up(both(require));
        node.deaf = vec!["192.0.2.80".into()];
        node.run(ms(1000));
        assert_eq!(node.state(V4), without_web, "{require}");
        assert_eq!(node.state(V6), State::Up, "the web has no IPv6 address");
        node.deaf.clear();
        node.run(ms(10_000));
        assert_eq!(node.state(V4), State::Up);
        node.server = false;
        node.handle(Event::LeaseLost { reason: "end of file".into() });
        assert_eq!(node.state(V4), without_dns, "{require}");
        assert_eq!(node.state(V6), State::Withdrawn);
    }
    // The server drains, and may go although the web keeps the prefix.
    let mut node = Node::up(both("any"));
    node.lease.stopping = true;
    node.run(ms(5000));
    assert_eq!(node.states(), format!("{V4} UP, {V6} WITHDRAWN"));
    assert!(node.policy.withdrawn(node.now));
}

#[test]
fn flapping_is_damped() {
    let mut node = Node::up(dns("100ms", ""));
    for held in [5, 10, 20, 40, 80, 160, 300, 300] {
        node.handle(Event::LeaseLost { reason: "end of file".into() });
        let took = node.until(V4, State::Up, ms(301_000));
        assert!(took >= ms(held * 1000) && took <= ms(held * 1000 + 500), "{took:?}, not {held} s");
        node.run(ms(1000));
    }
    node.run(ms(600_000));
    node.handle(Event::LeaseLost { reason: "end of file".into() });
    let took = node.until(V4, State::Up, ms(6000));
    assert!(took <= ms(5500), "forgotten: {took:?}");
}

#[test]
fn new_settings_keep_what_stays_the_same() {
    let text = |more: &str, prefixes: &[&str]| {
        let mut text = format!(
            "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\", \"2001:db8:53::53\"]\n{more}\
             [[service.probe]]\ntype = \"dns\"\nquestion = \"www.example.com A\"\n"
        );
        for prefix in prefixes {
            text += &format!("[[prefix]]\nprefix = \"{prefix}\"\nservices = [\"dns\"]\n");
        }
        settings(&text)
    };
    let mut node = Node::up(text("", &[V4, V6]));
    let reload = |node: &mut Node, settings: Arc<Settings>| {
        node.settings = Arc::clone(&settings);
        node.handle(Event::Settings(settings));
    };
    // The same again.
    reload(&mut node, text("", &[V4, V6]));
    assert_eq!(node.log, []);
    // Other attributes are announced; states stay.
    reload(&mut node, text("up.med = 7\n", &[V4, V6]));
    assert_eq!(node.states(), format!("{V4} UP, {V6} UP"));
    assert!(matches!(&node.log[..], [(_, Action::Routes(change))]
        if change.cause.kind == CauseKind::Settings && change.routes.values().all(|a| a.med == Some(7))));
    node.log.clear();
    // One prefix goes, one comes, another has new attributes: first of all, what goes is withdrawn.
    reload(&mut node, text("up.med = 8\n", &["192.0.2.0/25", V6]));
    let routes: Vec<_> = node
        .log
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Routes(change) => Some(&change.routes),
            _ => None,
        })
        .collect();
    let v6: Prefix = V6.parse().unwrap();
    assert_eq!(routes.len(), 2);
    assert_eq!(routes[0].iter().map(|(p, a)| (*p, a.med)).collect::<Vec<_>>(), [(v6, Some(7))]);
    assert_eq!(routes[1][&v6].med, Some(8));
    assert_eq!(node.transitions(node.now, V4), ["0 UP > WITHDRAWN: removed from the settings"]);
    // The service is known to be healthy: the new prefix need not wait.
    assert_eq!(node.state("192.0.2.0/25"), State::Up);
}

#[test]
fn a_probe_that_the_settings_add_is_given_time() {
    let text = |more: &str| {
        settings(&format!(
            "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n\
             [[service.probe]]\ntype = \"dns\"\nquestion = \"www.example.com A\"\n{more}\
             {WEB}[[prefix]]\nprefix = \"{V4}\"\nservices = [\"dns\"]\n"
        ))
    };
    let mut node = Node::up(text(""));
    node.settings = text("[[service.probe]]\ntype = \"tcp\"\nport = 53\n");
    node.handle(Event::Settings(Arc::clone(&node.settings)));
    node.run(ms(10_000));
    assert_eq!(node.transitions(Duration::ZERO, V4), [] as [String; 0]);
    // A service that a prefix is to depend on as well, too; and one that turns out to be down withdraws.
    let both = settings(&format!(
        "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n[[service]]\nname = \"new\"\naddresses = [\"192.0.2.54\"]\n\
         lease = false\n[[service.probe]]\ntype = \"tcp\"\nport = 1\n[[prefix]]\nprefix = \"{V4}\"\nservices = [\"dns\", \"new\"]\n"
    ));
    node.settings = both;
    node.handle(Event::Settings(Arc::clone(&node.settings)));
    node.look_for_addresses();
    node.deaf = vec!["192.0.2.54".into()];
    let changed = node.now;
    node.run(ms(10_000));
    assert_eq!(node.transitions(changed, V4), ["2510 UP > WITHDRAWN: new: tcp probe 1 of 192.0.2.54 fails: no answer"]);
}

#[test]
fn all_that_is_known_can_be_explained() {
    let mut node = Node::up(dns("100ms", ""));
    node.qps = 100;
    for _ in 0..60 {
        node.handle(Event::LeaseLost { reason: "end of file".into() });
        node.until(V4, State::Up, ms(301_000));
    }
    node.run(ms(2000));
    let report = node.policy.explain(node.now);
    let prefix = &report.prefixes[0];
    assert_eq!((prefix.prefix.as_str(), prefix.state.as_str(), prefix.cause_kind), (V4, "UP", "healthy"));
    assert_eq!((prefix.transitions.len(), prefix.flaps_total), (TRANSITIONS_MAX, 60));
    assert_eq!(prefix.for_secs, prefix.transitions.last().unwrap().ago_secs);
    assert_eq!(prefix.attributes.as_deref(), Some("none of its own"));
    let lease = report.lease.unwrap();
    assert!(lease.valid && lease.age_secs <= 0.25 && lease.zones == 3);
    assert_eq!(lease.answers_per_sec.map(|answers| answers.round()), Some(120.0));
    let families: Vec<_> = report.services.iter().map(|s| (s.service.as_str(), s.family.as_str(), s.verdict)).collect();
    assert_eq!(families, [("dns", "ipv4", "up"), ("dns", "ipv6", "up")]);
    let probe = &report.services[1].probes[0];
    assert_eq!(probe.probe, "dns probe 1 of 2001:db8:53::53 over UDP");
    assert_eq!((probe.health, probe.ok, probe.latency_ms, probe.failed), (Health::Passing, Some(true), Some(1.0), 0));
    // For machines as well.
    let json = serde_json::to_value(node.policy.explain(node.now)).unwrap();
    assert_eq!(json["services"][0]["probes"][0]["transport"], "udp");
    assert_eq!(json["prefixes"][0]["held_secs"], serde_json::Value::Null);
}
