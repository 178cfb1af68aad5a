//! Each rule of the state machine, on virtual time.

use super::*;
use crate::announce::bgp::codec::{Context, Decoder, encode};
use crate::announce::bgp::message::{Attributes, Capability, Origin, Role};
use crate::announce::prefix::Family;
use crate::announce::route;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const US: u32 = 64501;
const THEM: u32 = 64500;

/// What the machine did, as a test reads it.
#[derive(Debug, Clone, PartialEq)]
enum Did {
    Connect,
    Accept,
    Refuse,
    Close(Side),
    Sent(Side, Message),
}

/// A session, its clock, and the other end of its connections.
struct Rig {
    session: Session,
    now: Moment,
    ends: [(Decoder, Context); 2],
    notices: Vec<Notice>,
    /// Octets are taken by the system as soon as they are sent.
    takes: bool,
}

impl Rig {
    fn new(settings: Peer) -> Rig {
        let session = Session::new(settings, 7);
        let end = || (Decoder::new(), Context::default());
        Rig { session, now: Moment::from_secs(1000), ends: [end(), end()], notices: Vec::new(), takes: true }
    }

    /// One that is established, its peer as [`their_open`] has it.
    fn established(settings: Peer) -> Rig {
        let open = their_open(&settings);
        Rig::established_with(settings, open)
    }

    fn established_with(settings: Peer, open: Open) -> Rig {
        let mut rig = Rig::new(settings);
        rig.event(Event::Start);
        rig.establish(open);
        rig
    }

    /// From Connect to Established. Returns what was sent last.
    fn establish(&mut self, open: Open) -> Vec<Did> {
        self.event(Event::Connected { local: "10.0.0.2".parse().unwrap() });
        self.opens(Side::Outgoing, open);
        let did = self.says(Side::Outgoing, Message::Keepalive);
        assert_eq!(self.session.state(), State::Established);
        did
    }

    fn event(&mut self, event: Event) -> Vec<Did> {
        let mut out = Vec::new();
        self.session.handle(self.now, event, &mut out);
        let mut did = Vec::new();
        let mut wrote = BTreeSet::new();
        for action in out {
            match action {
                Action::Connect => did.push(Did::Connect),
                Action::Accept => did.push(Did::Accept),
                Action::Refuse => did.push(Did::Refuse),
                Action::Close { side } => {
                    self.ends[side as usize] = (Decoder::new(), Context::default());
                    wrote.remove(&side);
                    did.push(Did::Close(side));
                }
                Action::Send { side, octets } => {
                    wrote.insert(side);
                    let (decoder, context) = &mut self.ends[side as usize];
                    let mut octets = octets.as_slice();
                    while let Some(message) = decoder.next(&mut octets, context) {
                        did.push(Did::Sent(side, message.unwrap()));
                    }
                }
                Action::Notice(notice) => self.notices.push(notice),
            }
        }
        if self.takes {
            for side in wrote {
                did.extend(self.event(Event::Written { side, queued: 0 }));
            }
        }
        did
    }

    /// The peer sends its OPEN.
    fn opens(&mut self, side: Side, open: Open) -> Vec<Did> {
        let octets = encode(&Message::Open(open.clone()), &Context::default());
        self.ends[side as usize].1 = Context::negotiated(&negotiate::open(&self.session.settings), &open);
        self.event(Event::Octets { side, octets })
    }

    fn says(&mut self, side: Side, message: Message) -> Vec<Did> {
        let octets = encode(&message, &self.ends[side as usize].1);
        self.event(Event::Octets { side, octets })
    }

    /// Ticks until a moment; returns what was done, and when.
    fn wait(&mut self, time: Duration) -> Vec<(Duration, Did)> {
        let (start, end) = (self.now, self.now + time);
        let mut did = Vec::new();
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            assert!(deadline >= self.now, "a deadline is never left in the past");
            self.now = deadline;
            let at = self.now - start;
            did.extend(self.event(Event::Tick).into_iter().map(|did| (at, did)));
        }
        self.now = end;
        did
    }

    /// The next thing that is done, and after what time.
    fn next(&mut self) -> (Duration, Vec<Did>) {
        let start = self.now;
        loop {
            self.now = self.session.deadline().expect("something is waited for");
            let did = self.event(Event::Tick);
            if !did.is_empty() {
                return (self.now - start, did);
            }
        }
    }

    fn state(&self) -> State {
        self.session.state()
    }

    fn said(&self, text: &str) -> bool {
        self.notices.iter().any(|notice| notice.to_string().contains(text))
    }
}

fn settings() -> Peer {
    Peer::new(US, THEM, Ipv4Addr::new(192, 0, 2, 1))
}

fn internal() -> Peer {
    Peer::new(US, US, Ipv4Addr::new(192, 0, 2, 1))
}

/// The OPEN of a peer that can do all, holds for 90 s, and has the higher identifier.
fn their_open(settings: &Peer) -> Open {
    Open {
        asn: settings.remote_as,
        hold_time: 90,
        identifier: Ipv4Addr::new(192, 0, 2, 200),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4),
            Capability::Multiprotocol(Family::Ipv6),
            Capability::RouteRefresh,
            Capability::ExtendedNextHop,
            Capability::FourOctetAsn(settings.remote_as),
            Capability::EnhancedRouteRefresh,
        ],
    }
}

fn with_role(settings: &Peer, role: Role) -> Open {
    let mut open = their_open(settings);
    open.capabilities.push(Capability::Role(role));
    open
}

fn without(settings: &Peer, capability: Capability) -> Open {
    let mut open = their_open(settings);
    open.capabilities.retain(|known| *known != capability);
    open
}

fn local() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn routes(prefixes: &[&str]) -> Routes {
    prefixes.iter().map(|text| (prefix(text), attributes(&[]))).collect()
}

fn attributes(communities: &[u32]) -> route::Attributes {
    let next_hop = None;
    route::Attributes { communities: communities.to_vec(), next_hop, ..route::Attributes::default() }
}

fn v6_routes(prefixes: &[&str]) -> Routes {
    let next_hop = Some("2001:db8::2".parse().unwrap());
    prefixes.iter().map(|text| (prefix(text), route::Attributes { next_hop, ..attributes(&[]) })).collect()
}

/// What the peer announces to us.
fn update(announced: &[&str], withdrawn: &[&str], as_path: &[u32]) -> Message {
    let attributes = Attributes {
        origin: Origin::Igp,
        as_path: as_path.to_vec(),
        next_hop: "10.0.0.1".parse().unwrap(),
        med: None,
        local_preference: None,
        communities: Vec::new(),
        large_communities: Vec::new(),
        only_to_customer: None,
    };
    let all = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect::<Vec<Prefix>>();
    let attributes = (!announced.is_empty()).then_some(attributes);
    Message::Update(Update { announced: all(announced), withdrawn: all(withdrawn), attributes, ..Update::default() })
}

fn end_of_rib(family: Family) -> Did {
    Did::Sent(Side::Outgoing, Message::Update(Update { end_of_rib: Some(family), ..Update::default() }))
}

fn notified(side: Side, reason: Reason, data: &[u8]) -> Vec<Did> {
    vec![Did::Sent(side, Message::Notification(Notification::new(reason, data))), Did::Close(side)]
}

/// The UPDATEs among what was done.
fn updates(did: &[Did]) -> Vec<&Update> {
    did.iter()
        .filter_map(|did| match did {
            Did::Sent(_, Message::Update(update)) if update.end_of_rib.is_none() => Some(update),
            _ => None,
        })
        .collect()
}

fn sent_open(did: &[Did]) -> &Open {
    did.iter()
        .find_map(|did| match did {
            Did::Sent(_, Message::Open(open)) => Some(open),
            _ => None,
        })
        .expect("an OPEN is sent")
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn assert_jittered(time: Duration, whole: Duration) {
    assert!(time <= whole && time >= whole.mul_f64(0.75), "{time:?} is not between 3/4 and all of {whole:?}");
}

// Up.

#[test]
fn a_session_comes_up_as_rfc_4271_8_2_2_has_it() {
    let mut rig = Rig::new(settings());
    assert_eq!((rig.state(), rig.session.deadline()), (State::Idle, None));
    assert_eq!(rig.event(Event::Start), [Did::Connect]);
    assert_eq!(rig.state(), State::Connect);
    let did = rig.event(Event::Connected { local: local() });
    assert_eq!(did.len(), 1);
    assert_eq!((sent_open(&did).asn, sent_open(&did).hold_time), (US, 9));
    assert_eq!(rig.state(), State::OpenSent);
    assert_eq!(rig.opens(Side::Outgoing, their_open(&settings())), [Did::Sent(Side::Outgoing, Message::Keepalive)]);
    assert_eq!(rig.state(), State::OpenConfirm);
    let did = rig.says(Side::Outgoing, Message::Keepalive);
    assert_eq!(did, [end_of_rib(Family::Ipv4), end_of_rib(Family::Ipv6)]);
    assert_eq!(rig.state(), State::Established);
    assert!(rig.said("OpenConfirm -> Established: KEEPALIVE received"));
    let snapshot = rig.session.snapshot();
    assert_eq!((snapshot.established, snapshot.flaps, snapshot.last_error), (1, 0, None));
    assert_eq!((snapshot.sent.open, snapshot.sent.keepalive, snapshot.sent.update), (1, 1, 2));
    assert_eq!((snapshot.received.open, snapshot.received.keepalive), (1, 1));
}

#[test]
fn octets_may_come_one_by_one() {
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local() });
    let mut octets = encode(&Message::Open(their_open(&settings())), &Context::default());
    octets.extend(encode(&Message::Keepalive, &Context::default()));
    for octet in octets {
        rig.event(Event::Octets { side: Side::Outgoing, octets: vec![octet] });
    }
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_passive_session_never_dials() {
    let mut rig = Rig::new(Peer { passive: true, ..settings() });
    assert_eq!(rig.event(Event::Start), []);
    assert_eq!((rig.state(), rig.session.deadline()), (State::Active, None));
    let did = rig.event(Event::Accepted { local: local() });
    assert_eq!(did[0], Did::Accept);
    assert_eq!(sent_open(&did[1..]).asn, US);
    rig.opens(Side::Incoming, their_open(&settings()));
    rig.says(Side::Incoming, Message::Keepalive);
    assert_eq!(rig.state(), State::Established);
    rig.event(Event::Closed { side: Side::Incoming, error: "reset".into() });
    assert_eq!((rig.state(), rig.session.deadline()), (State::Active, None));
}

// OPEN.

#[test]
fn no_open_carries_graceful_restart_or_anything_that_is_not_done() {
    for role in [None, Some(Role::Customer), Some(Role::Peer)] {
        for families in [vec![Family::Ipv4], vec![Family::Ipv6], Family::ALL.to_vec()] {
            for remote_as in [US, THEM] {
                let families: BTreeSet<Family> = families.iter().copied().collect();
                let mut rig = Rig::new(Peer { role, remote_as, families, ..settings() });
                rig.event(Event::Start);
                let mut out = Vec::new();
                rig.session.handle(rig.now, Event::Connected { local: local() }, &mut out);
                let Some(Action::Send { octets, .. }) = out.first() else { panic!("{out:?}") };
                let codes = capability_codes(octets);
                assert!(!codes.contains(&64), "graceful restart (RFC 4724) is in {codes:?}");
                assert!(codes.iter().all(|code| [1, 2, 5, 9, 65, 70].contains(code)), "{codes:?}");
                assert_eq!(codes.contains(&9), role.is_some() && remote_as != US, "roles are for eBGP (RFC 9234 4)");
            }
        }
    }
}

/// The codes in an OPEN's octets, read apart from the codec (RFC 4271 4.2, RFC 5492 4).
fn capability_codes(octets: &[u8]) -> Vec<u8> {
    let parameters = &octets[29..];
    assert_eq!(parameters.len(), usize::from(octets[28]));
    let (mut codes, mut parameters) = (Vec::new(), parameters);
    while let [2, length, rest @ ..] = parameters {
        let (mut capabilities, rest) = rest.split_at(usize::from(*length));
        while let [code, length, rest @ ..] = capabilities {
            codes.push(*code);
            capabilities = &rest[usize::from(*length)..];
        }
        parameters = rest;
    }
    assert_eq!(parameters, [] as [u8; 0], "every parameter is a capability");
    codes
}

#[test]
fn an_open_that_is_wrong_is_answered_as_rfc_4271_6_2_has_it() {
    let check = |settings: Peer, open: Open, reason: Reason, data: &[u8]| {
        let mut rig = Rig::new(settings);
        rig.event(Event::Start);
        rig.event(Event::Connected { local: local() });
        assert_eq!(rig.opens(Side::Outgoing, open), notified(Side::Outgoing, reason, data), "{reason}");
        assert_eq!(rig.state(), State::Idle);
    };
    let open = || their_open(&settings());
    check(settings(), Open { asn: 64999, ..open() }.with_asn(64999), Reason::BadPeerAs, &[]);
    for hold_time in [1, 2] {
        check(settings(), Open { hold_time, ..open() }, Reason::UnacceptableHoldTime, &[]);
    }
    let ours = settings().identifier;
    check(internal(), Open { identifier: ours, ..their_open(&internal()) }, Reason::BadBgpIdentifier, &[]);
    let v6 = Peer { families: [Family::Ipv6].into(), ..settings() };
    let v4_only = without(&settings(), Capability::Multiprotocol(Family::Ipv6));
    // RFC 5492 3: the data has the missing capability: Multiprotocol, 4 octets, AFI 2, SAFI 1.
    check(v6, v4_only, Reason::UnsupportedCapability, &[1, 4, 0, 2, 0, 1]);
}

impl Open {
    fn with_asn(mut self, asn: u32) -> Open {
        self.asn = asn;
        for capability in &mut self.capabilities {
            if let Capability::FourOctetAsn(value) = capability {
                *value = asn;
            }
        }
        self
    }
}

#[test]
fn an_external_peer_may_have_our_identifier() {
    // RFC 6286 2.1: identifiers are unique within an AS only.
    let open = Open { identifier: settings().identifier, ..their_open(&settings()) };
    assert_eq!(Rig::established_with(settings(), open).state(), State::Established);
}

#[test]
fn an_open_of_another_version_or_with_identifier_zero_is_refused() {
    let check = |change: fn(&mut Vec<u8>), reason, data: &[u8]| {
        let mut rig = Rig::new(settings());
        rig.event(Event::Start);
        rig.event(Event::Connected { local: local() });
        let mut octets = encode(&Message::Open(their_open(&settings())), &Context::default());
        change(&mut octets);
        let did = rig.event(Event::Octets { side: Side::Outgoing, octets });
        assert_eq!(did, notified(Side::Outgoing, reason, data));
    };
    check(|octets| octets[19] = 3, Reason::UnsupportedVersion, &[0, 4]);
    check(|octets| octets[24..28].fill(0), Reason::BadBgpIdentifier, &[]);
    check(|octets| octets[0] = 0, Reason::ConnectionNotSynchronized, &[]);
}

#[test]
fn roles_must_fit_as_rfc_9234_4_2_has_it() {
    use Role::{Customer, Peer as Lateral, Provider, RouteServer, RouteServerClient};
    let all = [Provider, RouteServer, RouteServerClient, Customer, Lateral];
    let fit = [
        (Provider, Customer),
        (Customer, Provider),
        (RouteServer, RouteServerClient),
        (RouteServerClient, RouteServer),
        (Lateral, Lateral),
    ];
    let answer = |settings: Peer, open: Open| {
        let mut rig = Rig::new(settings);
        rig.event(Event::Start);
        rig.event(Event::Connected { local: local() });
        rig.opens(Side::Outgoing, open)
    };
    let good = [Did::Sent(Side::Outgoing, Message::Keepalive)];
    let mismatch = notified(Side::Outgoing, Reason::RoleMismatch, &[]);
    for ours in all {
        let settings = Peer { role: Some(ours), ..settings() };
        for theirs in all {
            let did = answer(settings.clone(), with_role(&settings, theirs));
            assert_eq!(did == good, fit.contains(&(ours, theirs)), "{ours:?} {theirs:?}");
            assert!(did == good || did == mismatch, "{did:?}");
        }
        assert_eq!(answer(settings.clone(), their_open(&settings)), good, "a role of ours alone will do");
        let strict = Peer { strict_role: true, ..settings.clone() };
        assert_eq!(answer(strict.clone(), their_open(&strict)), mismatch, "unless we are strict");
    }
    let settings = Peer { role: Some(Customer), ..settings() };
    let mut two = with_role(&settings, Provider);
    two.capabilities.push(Capability::Role(RouteServer));
    assert_eq!(answer(settings, two), mismatch, "two different roles are none");
}

// Timers.

#[test]
fn the_lower_hold_time_counts_and_keepalives_come_in_a_third_of_it() {
    let mut rig = Rig::established(settings());
    let snapshot = rig.session.snapshot();
    assert_eq!(snapshot.negotiated.unwrap().hold_time_secs, 9, "ours is lower (RFC 4271 4.2)");
    assert_eq!(snapshot.keepalive_time, Some(secs(3)));
    for _ in 0..50 {
        let (time, did) = rig.next();
        assert_eq!(did, [Did::Sent(Side::Outgoing, Message::Keepalive)]);
        assert_jittered(time, secs(3));
        rig.says(Side::Outgoing, Message::Keepalive);
    }
    let open = Open { hold_time: 3, ..their_open(&settings()) };
    let mut rig = Rig::established_with(settings(), open);
    assert_eq!(rig.next().0, secs(1), "never more often than once a second (RFC 4271 4.4)");
}

#[test]
fn a_silent_peer_is_gone_after_the_hold_time() {
    // RFC 4271 6.5 and 8.2.2, event 10.
    let mut rig = Rig::established(settings());
    rig.wait(secs(5));
    rig.says(Side::Outgoing, Message::Keepalive);
    let did = rig.wait(secs(9));
    let ends: Vec<_> =
        did.into_iter().filter(|(_, did)| *did != Did::Sent(Side::Outgoing, Message::Keepalive)).collect();
    let expected = notified(Side::Outgoing, Reason::HoldTimerExpired, &[]);
    assert_eq!(ends, expected.into_iter().map(|did| (secs(9), did)).collect::<Vec<_>>());
    assert_eq!(rig.state(), State::Idle);
    assert_eq!(rig.session.snapshot().flaps, 1);
}

#[test]
fn an_update_or_a_refresh_shows_life_too() {
    let mut rig = Rig::established(settings());
    let refresh = Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype: 0 });
    for message in [update(&["198.51.100.0/24"], &[], &[THEM]), refresh] {
        rig.wait(secs(8));
        rig.says(Side::Outgoing, message);
    }
    rig.wait(secs(8));
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn with_hold_time_zero_nobody_needs_to_say_anything() {
    // RFC 4271 4.4: no KEEPALIVEs. RFC 9687 3.2: no send-hold timer.
    let open = Open { hold_time: 0, ..their_open(&settings()) };
    let mut rig = Rig::established_with(settings(), open);
    assert_eq!(rig.session.deadline(), None);
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    assert_eq!(rig.session.deadline(), None);
    assert_eq!(rig.wait(secs(100_000)), []);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_peer_that_connects_and_says_nothing_is_left_after_four_minutes() {
    // RFC 4271 8.2.2: the hold timer has a large value until the OPEN comes.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local() });
    assert_eq!(rig.next(), (secs(240), notified(Side::Outgoing, Reason::HoldTimerExpired, &[])));
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local() });
    rig.opens(Side::Outgoing, Open { hold_time: 0, ..their_open(&settings()) });
    assert_eq!(rig.next(), (secs(240), notified(Side::Outgoing, Reason::HoldTimerExpired, &[])), "in OpenConfirm too");
}

#[test]
fn a_peer_that_takes_nothing_is_left_after_the_send_hold_time() {
    // RFC 9687 3: 8 minutes, or twice the hold time if that is more.
    for (hold_time, expected) in [(9, 480), (300, 600)] {
        let settings = Peer { hold_time_secs: hold_time, ..settings() };
        let open = Open { hold_time, ..their_open(&settings) };
        let mut rig = Rig::established_with(settings, open);
        rig.takes = false;
        rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
        let mut waited = Duration::ZERO;
        let mut did = Vec::new();
        while rig.state() == State::Established {
            // The peer itself goes on talking.
            did.extend(rig.wait(secs(1)).into_iter().map(|(_, did)| did));
            waited += secs(1);
            if rig.state() == State::Established {
                rig.says(Side::Outgoing, Message::Keepalive);
            }
        }
        assert_eq!(waited, secs(expected));
        assert_eq!(did, notified(Side::Outgoing, Reason::SendHoldTimerExpired, &[]), "and no KEEPALIVE piled up");
    }
}

#[test]
fn octets_that_leave_start_the_send_hold_timer_anew() {
    let mut rig = Rig::established(settings());
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    for queued in [30, 20, 10] {
        for _ in 0..400 {
            rig.wait(secs(1));
            rig.says(Side::Outgoing, Message::Keepalive);
        }
        rig.event(Event::Written { side: Side::Outgoing, queued });
    }
    assert_eq!(rig.state(), State::Established, "some octets left every 400 s");
}

// Connecting again.

#[test]
fn attempts_come_after_a_second_that_doubles_up_to_what_is_set() {
    let mut rig = Rig::new(Peer { connect_retry: secs(20), ..settings() });
    rig.event(Event::Start);
    for expected in [1, 2, 4, 8, 16, 20, 20] {
        assert_eq!(rig.event(Event::ConnectFailed { error: "refused".into() }), []);
        assert_eq!(rig.state(), State::Active);
        let (time, did) = rig.next();
        assert_eq!(did, [Did::Connect]);
        assert_jittered(time, secs(expected));
        assert_eq!(rig.state(), State::Connect);
    }
    assert!(rig.said("Connect -> Active: can't connect: refused"));
}

#[test]
fn different_seeds_wait_differently() {
    let first_wait = |seed| {
        let mut session = Session::new(settings(), seed);
        let mut out = Vec::new();
        session.handle(secs(1), Event::Start, &mut out);
        session.handle(secs(1), Event::ConnectFailed { error: String::new() }, &mut out);
        session.deadline().unwrap()
    };
    assert_eq!((0..20).map(first_wait).collect::<BTreeSet<_>>().len(), 20);
    assert_eq!(first_wait(3), first_wait(3));
}

#[test]
fn an_attempt_that_gets_no_answer_is_given_up() {
    // RFC 4271 8.2.2, Connect, event 9: the attempt is dropped, and another begins.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    assert_eq!(rig.next(), (secs(10), vec![Did::Close(Side::Outgoing)]));
    assert_eq!(rig.state(), State::Active);
    assert_eq!(rig.next().1, [Did::Connect]);
    rig.event(Event::ConnectFailed { error: String::new() });
    assert_eq!(rig.event(Event::Connected { local: local() }), [Did::Close(Side::Outgoing)], "it is too late");
}

#[test]
fn after_errors_the_session_stays_idle_for_a_time_that_doubles() {
    // RFC 4271 8.1.1: IdleHoldTimer. 8.2.2, Idle: connections are refused.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
        rig.event(Event::Connected { local: local() });
        rig.opens(Side::Outgoing, Open { hold_time: 1, ..their_open(&settings()) });
        assert_eq!(rig.state(), State::Idle);
        assert_eq!(rig.event(Event::Accepted { local: local() }), [Did::Refuse]);
        let (time, did) = rig.next();
        assert_eq!(did, [Did::Connect]);
        assert_jittered(time, secs(expected));
    }
}

#[test]
fn a_session_that_held_for_a_minute_starts_the_waits_anew() {
    let mut rig = Rig::established(settings());
    for expected in [1, 2, 4] {
        rig.says(Side::Outgoing, Message::Notification(Notification::cease(Reason::AdministrativeReset, "")));
        assert_jittered(rig.next().0, secs(expected));
        rig.establish(their_open(&settings()));
    }
    for _ in 0..60 {
        rig.wait(secs(1));
        rig.says(Side::Outgoing, Message::Keepalive);
    }
    rig.says(Side::Outgoing, Message::Notification(Notification::cease(Reason::AdministrativeReset, "")));
    assert_jittered(rig.next().0, secs(1));
}

#[test]
fn a_connection_lost_makes_the_session_active() {
    let mut rig = Rig::established(settings());
    assert_eq!(
        rig.event(Event::Closed { side: Side::Outgoing, error: "reset by peer".into() }),
        [Did::Close(Side::Outgoing)]
    );
    assert_eq!(rig.state(), State::Active, "the peer may connect at once");
    assert_jittered(rig.next().0, secs(1));
    let snapshot = rig.session.snapshot();
    assert_eq!(snapshot.last_error.unwrap().cause.to_string(), "connection lost: reset by peer");
    assert_eq!(snapshot.flaps, 1);
}

// Errors.

#[test]
fn messages_that_come_too_early_or_twice_are_fsm_errors() {
    // RFC 4271 6.6; RFC 6608 3: the subcode says the state, the data the message's type.
    let open = || Message::Open(their_open(&settings()));
    let refresh = || Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype: 0 });
    let eor = || Message::Update(Update { end_of_rib: Some(Family::Ipv4), ..Update::default() });
    let check = |state: State, message: Message, reason: Reason, kind: u8| {
        let mut rig = Rig::new(settings());
        rig.event(Event::Start);
        rig.event(Event::Connected { local: local() });
        if state > State::OpenSent {
            rig.opens(Side::Outgoing, their_open(&settings()));
        }
        if state > State::OpenConfirm {
            rig.says(Side::Outgoing, Message::Keepalive);
        }
        assert_eq!(rig.state(), state);
        let mut context = rig.ends[0].1.clone();
        context.families = Family::ALL.to_vec();
        let octets = encode(&message, &context);
        let did = rig.event(Event::Octets { side: Side::Outgoing, octets });
        assert_eq!(did, notified(Side::Outgoing, reason, &[kind]), "{state} {message:?}");
        assert_eq!(rig.state(), State::Idle);
    };
    check(State::OpenSent, Message::Keepalive, Reason::UnexpectedInOpenSent, 4);
    check(State::OpenSent, eor(), Reason::UnexpectedInOpenSent, 2);
    check(State::OpenSent, refresh(), Reason::UnexpectedInOpenSent, 5);
    check(State::OpenConfirm, open(), Reason::UnexpectedInOpenConfirm, 1);
    check(State::OpenConfirm, eor(), Reason::UnexpectedInOpenConfirm, 2);
    check(State::OpenConfirm, refresh(), Reason::UnexpectedInOpenConfirm, 5);
    check(State::Established, open(), Reason::UnexpectedInEstablished, 1);
}

#[test]
fn a_notification_ends_the_session_and_is_never_answered() {
    // RFC 4271 8.2.2, events 24 and 25.
    let mut rig = Rig::established(settings());
    let cease = Notification::cease(Reason::AdministrativeShutdown, "maintenance until 5");
    assert_eq!(rig.says(Side::Outgoing, Message::Notification(cease)), [Did::Close(Side::Outgoing)]);
    assert_eq!(rig.state(), State::Idle);
    let why = rig.session.snapshot().last_error.unwrap().cause.to_string();
    assert_eq!(why, "received Cease: administrative shutdown: \"maintenance until 5\"");
}

#[test]
fn a_stop_sends_a_cease_and_stays_stopped() {
    // RFC 4486 4, RFC 9003 2: the length of the message, then the message.
    let mut rig = Rig::established(settings());
    let stop = || Event::Stop { reason: Reason::AdministrativeShutdown, message: "bye".into() };
    assert_eq!(rig.event(stop()), notified(Side::Outgoing, Reason::AdministrativeShutdown, b"\x03bye"));
    assert_eq!((rig.state(), rig.session.deadline()), (State::Idle, None));
    assert_eq!(rig.event(Event::Accepted { local: local() }), [Did::Refuse]);
    assert_eq!(rig.event(stop()), []);
    assert_eq!(rig.event(Event::Path(PathState::Up)), []);
    assert_eq!(rig.event(Event::Start), [Did::Connect]);
    assert_eq!(rig.event(stop()), [Did::Close(Side::Outgoing)], "the attempt is given up");
    for reason in [Reason::PeerDeconfigured, Reason::OtherConfigurationChange] {
        let mut rig = Rig::established(settings());
        assert_eq!(rig.event(Event::Stop { reason, message: "x".into() }), notified(Side::Outgoing, reason, &[]));
    }
}

#[test]
fn a_malformed_update_leaves_the_session_up() {
    // RFC 7606 2: treat-as-withdraw.
    let mut rig = Rig::established(settings());
    rig.says(Side::Outgoing, update(&["198.51.100.0/24"], &[], &[THEM]));
    let octets = encode(&update(&["198.51.100.0/24"], &[], &[THEM]), &rig.ends[0].1);
    // ORIGIN is the first attribute: flags, type 1, length 1, value. RFC 7606 7.1: a value of 9 is treat-as-withdraw.
    let mut octets = octets;
    let origin = octets.windows(3).position(|octets| octets == [0x40, 1, 1]).expect("there is an ORIGIN");
    octets[origin + 3] = 9;
    for _ in 0..3 {
        assert_eq!(rig.event(Event::Octets { side: Side::Outgoing, octets: octets.clone() }), []);
    }
    assert_eq!(rig.state(), State::Established);
    let snapshot = rig.session.snapshot();
    assert_eq!((snapshot.malformed, snapshot.prefixes.ipv4), (3, 0), "the route that was there is withdrawn");
    let said = rig.notices.iter().filter(|notice| matches!(notice, Notice::Malformed { .. })).count();
    assert_eq!(said, 1, "the log is not flooded");
}

// Collisions.

#[test]
fn of_two_connections_that_of_the_higher_identifier_stays() {
    // RFC 4271 6.8. Our identifier is 192.0.2.1.
    let collision = |side| notified(side, Reason::ConnectionCollisionResolution, &[]);
    for (theirs, winner) in [("192.0.2.200", Side::Incoming), ("10.9.9.9", Side::Outgoing)] {
        for first in [Side::Outgoing, Side::Incoming] {
            let open = Open { identifier: theirs.parse().unwrap(), ..their_open(&settings()) };
            let mut rig = Rig::new(settings());
            rig.event(Event::Start);
            assert_eq!(rig.event(Event::Accepted { local: local() })[0], Did::Accept);
            rig.event(Event::Connected { local: local() });
            let second = if first == Side::Outgoing { Side::Incoming } else { Side::Outgoing };
            let keepalive = Did::Sent(winner, Message::Keepalive);
            let did = rig.opens(first, open.clone());
            if first == winner {
                // The other would lose as soon as its OPEN came.
                assert_eq!(did, [collision(second), vec![keepalive]].concat());
            } else {
                assert_eq!(did, [Did::Sent(first, Message::Keepalive)]);
                assert_eq!(rig.opens(second, open), [collision(first), vec![keepalive]].concat());
            }
            assert_eq!(rig.state(), State::OpenConfirm);
            rig.says(winner, Message::Keepalive);
            assert_eq!(rig.state(), State::Established);
            assert_eq!(rig.session.snapshot().side, Some(winner));
        }
    }
}

#[test]
fn with_equal_identifiers_the_higher_as_number_stays() {
    // RFC 6286 2.3. We are 64501, they 64500.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Accepted { local: local() });
    rig.event(Event::Connected { local: local() });
    let open = Open { identifier: settings().identifier, ..their_open(&settings()) };
    rig.opens(Side::Incoming, open.clone());
    let did = rig.opens(Side::Outgoing, open);
    assert_eq!(did[..2], notified(Side::Incoming, Reason::ConnectionCollisionResolution, &[]));
}

#[test]
fn an_established_session_wins_every_collision() {
    // RFC 4271 6.8, last paragraph; although the peer has the higher identifier.
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    assert_eq!(rig.event(Event::Accepted { local: local() })[0], Did::Accept);
    let did = rig.opens(Side::Incoming, their_open(&settings()));
    assert_eq!(did, notified(Side::Incoming, Reason::ConnectionCollisionResolution, &[]));
    assert_eq!(rig.state(), State::Established);
    assert!(rig.session.may_hold(prefix("192.0.2.0/24")));
    assert!(rig.said("the incoming connection ended: sent Cease: connection collision resolution"));
}

#[test]
fn a_peer_that_dials_again_replaces_its_connection_that_said_nothing() {
    let mut rig = Rig::new(Peer { passive: true, ..settings() });
    rig.event(Event::Start);
    rig.event(Event::Accepted { local: local() });
    let did = rig.event(Event::Accepted { local: local() });
    assert_eq!(did[..2], [Did::Close(Side::Incoming), Did::Accept]);
    rig.opens(Side::Incoming, their_open(&settings()));
    assert_eq!(rig.event(Event::Accepted { local: local() }), [Did::Refuse], "but not one whose OPEN came");
    assert_eq!(rig.state(), State::OpenConfirm);
}

#[test]
fn a_session_over_an_accepted_connection_ends_the_attempt_to_connect() {
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Accepted { local: local() });
    rig.opens(Side::Incoming, their_open(&settings()));
    assert_eq!(rig.says(Side::Incoming, Message::Keepalive)[0], Did::Close(Side::Outgoing));
    assert_eq!(rig.state(), State::Established);
    assert_eq!(rig.wait(secs(8)).iter().filter(|(_, did)| *did == Did::Connect).count(), 0);
}

// BFD.

#[test]
fn a_path_that_goes_down_ends_the_session_until_it_is_up() {
    // RFC 9384 3: Cease, subcode 10.
    let mut rig = Rig::established(settings());
    rig.event(Event::Path(PathState::Up));
    assert_eq!(rig.event(Event::Path(PathState::Down)), notified(Side::Outgoing, Reason::BfdDown, &[]));
    assert_eq!(rig.state(), State::Idle);
    assert!(rig.session.snapshot().waits_for_bfd);
    assert_eq!(rig.wait(secs(3600)), []);
    assert_eq!(rig.event(Event::Accepted { local: local() }), [Did::Refuse]);
    assert_eq!(rig.event(Event::Path(PathState::Up)), [Did::Connect]);
    rig.establish(their_open(&settings()));
    rig.event(Event::Path(PathState::Down));
    assert_eq!(rig.event(Event::Path(PathState::Up)), [], "a path that flaps waits for the idle hold time too");
    assert_eq!(rig.next().1, [Did::Connect]);
}

#[test]
fn a_path_that_was_never_up_or_is_administratively_down_blocks_nothing() {
    // RFC 5882 3.2 and 4.1.
    let mut rig = Rig::new(settings());
    rig.event(Event::Path(PathState::Down));
    assert_eq!(rig.event(Event::Start), [Did::Connect]);
    rig.establish(their_open(&settings()));
    assert_eq!(rig.event(Event::Path(PathState::Down)), []);
    rig.event(Event::Path(PathState::Up));
    assert_eq!(rig.event(Event::Path(PathState::AdminDown)), []);
    assert_eq!(rig.event(Event::Path(PathState::Down)), [], "BFD starts again; it has not been up since");
    assert_eq!(rig.state(), State::Established);
    rig.event(Event::Path(PathState::Up));
    rig.event(Event::Path(PathState::Down));
    assert_eq!(rig.state(), State::Idle);
    rig.wait(secs(2));
    assert_eq!(rig.event(Event::Path(PathState::AdminDown)), [Did::Connect], "the operator turned BFD off");
}

#[test]
fn a_path_that_goes_down_gives_up_an_attempt() {
    let mut rig = Rig::new(settings());
    rig.event(Event::Path(PathState::Up));
    rig.event(Event::Start);
    assert_eq!(rig.event(Event::Path(PathState::Down)), [Did::Close(Side::Outgoing)]);
    assert_eq!((rig.state(), rig.session.deadline()), (State::Idle, None));
}

// What the peer announces.

#[test]
fn received_prefixes_are_counted_as_they_come_and_go() {
    let mut rig = Rig::established(Peer { own_prefixes: [prefix("192.0.2.0/24")].into(), ..settings() });
    let count = |rig: &Rig| rig.session.snapshot().prefixes;
    rig.says(Side::Outgoing, update(&["198.51.100.0/24", "203.0.113.0/24"], &[], &[THEM, 3]));
    rig.says(Side::Outgoing, update(&["198.51.100.0/24"], &[], &[THEM, 4]));
    assert_eq!(count(&rig), ReceivedCount { ipv4: 2, ..ReceivedCount::default() });
    rig.says(Side::Outgoing, update(&["192.0.2.0/24"], &[], &[THEM, US]));
    rig.says(Side::Outgoing, update(&["100.64.0.0/24", "203.0.113.0/24"], &[], &[THEM, US, 7]));
    assert_eq!(count(&rig), ReceivedCount { ipv4: 1, ipv6: 0, own: 1, looped: 2 });
    rig.says(Side::Outgoing, update(&[], &["192.0.2.0/24", "198.51.100.0/24", "10.0.0.0/8"], &[]));
    assert_eq!(count(&rig), ReceivedCount { looped: 2, ..ReceivedCount::default() });
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_repetition_shows_what_is_gone() {
    // RFC 7313 4: what is not between BoRR and EoRR is stale.
    let mut rig = Rig::established(settings());
    let mark = |subtype| Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype });
    rig.says(Side::Outgoing, update(&["198.51.100.0/24", "203.0.113.0/24"], &[], &[THEM]));
    rig.says(Side::Outgoing, mark(1));
    rig.says(Side::Outgoing, update(&["203.0.113.0/24"], &[], &[THEM]));
    assert_eq!(rig.session.snapshot().prefixes.ipv4, 2);
    rig.says(Side::Outgoing, mark(2));
    assert_eq!(rig.session.snapshot().prefixes.ipv4, 1);
}

#[test]
fn too_many_prefixes_alarm_once_and_then_close() {
    // RFC 4486 4: Cease, subcode 1; data: AFI, SAFI, and the limit.
    let mut rig = Rig::established(Peer { receive_alarm: Some(1), receive_limit: 3, ..settings() });
    let alarms = |rig: &Rig| rig.notices.iter().filter(|notice| matches!(notice, Notice::Alarm { .. })).count();
    rig.says(Side::Outgoing, update(&["10.1.0.0/16"], &[], &[THEM]));
    assert_eq!(alarms(&rig), 0);
    rig.says(Side::Outgoing, update(&["10.2.0.0/16"], &[], &[THEM]));
    rig.says(Side::Outgoing, update(&["10.3.0.0/16"], &[], &[THEM]));
    assert_eq!(alarms(&rig), 1);
    assert_eq!(rig.state(), State::Established);
    let did = rig.says(Side::Outgoing, update(&["10.4.0.0/16", "10.5.0.0/16"], &[], &[THEM]));
    assert_eq!(did, notified(Side::Outgoing, Reason::MaximumPrefixes, &[0, 1, 1, 0, 0, 0, 3]));
    assert_eq!(rig.state(), State::Idle);
    let (time, did) = rig.next();
    assert_eq!(did, [Did::Connect]);
    assert_jittered(time, secs(60));
    rig.establish(their_open(&settings()));
    rig.says(Side::Outgoing, update(&["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"], &[], &[THEM]));
    assert_jittered(rig.next().0, secs(120));
}

#[test]
fn a_path_that_flaps_does_not_cut_short_the_wait_after_too_many_prefixes() {
    // A router that gets the Cease takes its BFD session down with the BGP session, and up again.
    let mut rig = Rig::established(Peer { receive_limit: 1, ..settings() });
    rig.event(Event::Path(PathState::Up));
    rig.says(Side::Outgoing, update(&["10.1.0.0/16", "10.2.0.0/16"], &[], &[THEM]));
    assert_eq!(rig.state(), State::Idle);
    rig.event(Event::Path(PathState::Down));
    assert_eq!(rig.event(Event::Path(PathState::Up)), []);
    let (time, did) = rig.next();
    assert_eq!(did, [Did::Connect]);
    assert_jittered(time, secs(60));
}

// Announcing.

#[test]
fn only_differences_are_sent() {
    let mut rig = Rig::established(settings());
    let did = rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24"])));
    assert_eq!(updates(&did).len(), 1, "routes with equal attributes share an UPDATE");
    assert_eq!(updates(&did)[0].announced, [prefix("192.0.2.0/24"), prefix("198.51.100.0/24")]);
    assert_eq!(rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24"]))), []);
    let mut changed = routes(&["192.0.2.0/24", "198.51.100.0/24"]);
    changed.insert(prefix("198.51.100.0/24"), attributes(&[0xffff_0000]));
    let did = rig.event(Event::Routes(changed));
    assert_eq!(updates(&did).len(), 1);
    assert_eq!(updates(&did)[0].announced, [prefix("198.51.100.0/24")]);
    assert_eq!(updates(&did)[0].attributes.as_ref().unwrap().communities, [0xffff_0000]);
    let did = rig.event(Event::Routes(Routes::new()));
    assert_eq!(updates(&did)[0].withdrawn, [prefix("192.0.2.0/24"), prefix("198.51.100.0/24")]);
    assert_eq!(did.len(), 1);
}

#[test]
fn withdrawals_go_first() {
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    let did = rig.event(Event::Routes(routes(&["10.0.0.0/24"])));
    let updates = updates(&did);
    assert_eq!(updates[0].withdrawn, [prefix("192.0.2.0/24")]);
    assert_eq!(updates[1].announced, [prefix("10.0.0.0/24")]);
}

#[test]
fn withdrawals_do_not_wait_for_the_send_buffer_and_announcements_do() {
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24"])));
    assert_eq!(rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]))), []);
    let did = rig.event(Event::Routes(routes(&["203.0.113.0/24"])));
    assert_eq!(updates(&did).len(), 1);
    assert_eq!(updates(&did)[0].withdrawn, [prefix("192.0.2.0/24"), prefix("198.51.100.0/24")]);
    assert!(rig.session.may_hold(prefix("192.0.2.0/24")), "the withdrawal has not left");
    assert!(!rig.session.may_hold(prefix("203.0.113.0/24")));
    assert_eq!(rig.event(Event::Written { side: Side::Outgoing, queued: 5 }), []);
    assert!(rig.session.may_hold(prefix("192.0.2.0/24")));
    let did = rig.event(Event::Written { side: Side::Outgoing, queued: 0 });
    assert_eq!(updates(&did)[0].announced, [prefix("203.0.113.0/24")]);
    assert!(!rig.session.may_hold(prefix("192.0.2.0/24")));
}

#[test]
fn what_was_never_sent_is_not_withdrawn() {
    let mut rig = Rig::established(settings());
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24"])));
    assert_eq!(rig.event(Event::Routes(routes(&["192.0.2.0/24"]))), []);
}

#[test]
fn it_is_known_what_was_written_and_when() {
    let mut rig = Rig::established(settings());
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    let written = |rig: &Rig| rig.session.advertised().unwrap()[&prefix("192.0.2.0/24")].written;
    assert_eq!(written(&rig), None);
    rig.now += secs(2);
    rig.event(Event::Written { side: Side::Outgoing, queued: 1 });
    assert_eq!(written(&rig), None);
    rig.now += secs(1);
    rig.event(Event::Written { side: Side::Outgoing, queued: 0 });
    assert_eq!(written(&rig), Some(rig.now));
    let then = rig.now;
    rig.now += secs(1);
    rig.event(Event::Written { side: Side::Outgoing, queued: 0 });
    assert_eq!(written(&rig), Some(then));
    assert_eq!(rig.session.snapshot().advertised, 1);
    rig.event(Event::Closed { side: Side::Outgoing, error: String::new() });
    assert_eq!(rig.session.advertised(), None);
    assert!(!rig.session.may_hold_any());
}

#[test]
fn a_new_session_gets_everything_and_then_the_end_of_rib() {
    // RFC 4724 2.
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    rig.event(Event::Closed { side: Side::Outgoing, error: String::new() });
    rig.event(Event::Routes(routes(&["192.0.2.0/24", "198.51.100.0/24"])));
    rig.next();
    let did = rig.establish(their_open(&settings()));
    assert_eq!(updates(&did)[0].announced, [prefix("192.0.2.0/24"), prefix("198.51.100.0/24")]);
    assert_eq!(did[1..], [end_of_rib(Family::Ipv4), end_of_rib(Family::Ipv6)]);
}

#[test]
fn a_refresh_is_answered_between_marks_where_the_peer_knows_them() {
    // RFC 2918 4; RFC 7313 4: BoRR, the routes, EoRR.
    let ask = |subtype| Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype });
    let mark = |subtype| Did::Sent(Side::Outgoing, ask(subtype));
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    let did = rig.says(Side::Outgoing, ask(0));
    assert_eq!((&did[0], &did[2], did.len()), (&mark(1), &mark(2), 3));
    assert_eq!(updates(&did)[0].announced, [prefix("192.0.2.0/24")]);
    let mut rig = Rig::established_with(settings(), without(&settings(), Capability::EnhancedRouteRefresh));
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    let did = rig.says(Side::Outgoing, ask(0));
    assert_eq!((updates(&did).len(), did.len()), (1, 1));
    let v6 = Message::RouteRefresh(RouteRefresh { family: None, subtype: 0 });
    assert_eq!(rig.says(Side::Outgoing, v6), [], "other families are ignored");
}

#[test]
fn many_refreshes_are_answered_once_while_the_answer_is_being_sent() {
    let mut rig = Rig::established(settings());
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    rig.takes = false;
    let ask = || Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype: 0 });
    assert_eq!(rig.says(Side::Outgoing, ask()).len(), 3);
    for _ in 0..1000 {
        assert_eq!(rig.says(Side::Outgoing, ask()), []);
    }
    assert_eq!(rig.event(Event::Written { side: Side::Outgoing, queued: 0 }).len(), 3);
}

/// The attributes that one route arrives with.
fn arrives(settings: Peer, open: Open, route: route::Attributes) -> Attributes {
    let mut rig = Rig::established_with(settings, open);
    let did = rig.event(Event::Routes([(prefix("192.0.2.0/24"), route)].into()));
    updates(&did)[0].attributes.clone().unwrap()
}

#[test]
fn external_peers_get_our_as_and_no_local_preference() {
    // RFC 4271 5.1.2 and 5.1.5.
    let route = route::Attributes {
        communities: vec![64501 << 16 | 100],
        large_communities: vec![[64501, 1, 2]],
        med: Some(50),
        local_preference: Some(200),
        prepend: 2,
        next_hop: None,
    };
    let expected = Attributes {
        origin: Origin::Igp,
        as_path: vec![US, US, US],
        next_hop: local(),
        med: Some(50),
        local_preference: None,
        communities: vec![64501 << 16 | 100],
        large_communities: vec![[64501, 1, 2]],
        only_to_customer: None,
    };
    assert_eq!(arrives(settings(), their_open(&settings()), route.clone()), expected);
    let expected = Attributes { as_path: vec![], local_preference: Some(200), ..expected };
    assert_eq!(arrives(internal(), their_open(&internal()), route), expected, "iBGP");
    let plain = arrives(internal(), their_open(&internal()), route::Attributes::default());
    assert_eq!(plain.local_preference, Some(100));
}

#[test]
fn an_as_number_of_four_octets_reaches_a_peer_of_two() {
    // RFC 6793 4.2.2.
    let settings = Peer { local_as: 4_200_000_001, ..settings() };
    let open = without(&settings, Capability::FourOctetAsn(THEM));
    assert_eq!(arrives(settings, open, route::Attributes::default()).as_path, [4_200_000_001]);
}

#[test]
fn routes_that_go_down_are_marked_only_to_customer() {
    // RFC 9234 5, egress procedure.
    for (ours, theirs, otc) in [
        (Role::Provider, Role::Customer, Some(US)),
        (Role::Peer, Role::Peer, Some(US)),
        (Role::RouteServer, Role::RouteServerClient, Some(US)),
        (Role::Customer, Role::Provider, None),
        (Role::RouteServerClient, Role::RouteServer, None),
    ] {
        let settings = Peer { role: Some(ours), ..settings() };
        let open = with_role(&settings, theirs);
        assert_eq!(arrives(settings, open, route::Attributes::default()).only_to_customer, otc, "{ours:?}");
    }
}

/// What becomes of one route in a session over an address.
fn over(local: &str, open: Open, text: &str, next_hop: Option<&str>) -> Result<IpAddr, String> {
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local.parse().unwrap() });
    rig.opens(Side::Outgoing, open);
    rig.says(Side::Outgoing, Message::Keepalive);
    let next_hop = next_hop.map(|text| text.parse().unwrap());
    let route = route::Attributes { next_hop, ..route::Attributes::default() };
    let did = rig.event(Event::Routes([(prefix(text), route)].into()));
    match updates(&did).first() {
        Some(update) => Ok(update.attributes.as_ref().unwrap().next_hop),
        None => {
            let why = rig.session.unannounced().next().unwrap().1.to_string();
            assert!(rig.said(&why), "the log says so");
            Err(why)
        }
    }
}

#[test]
fn next_hops_are_our_own_address_or_what_is_set() {
    let open = || their_open(&settings());
    let plain = || without(&settings(), Capability::ExtendedNextHop);
    let (v4, v6) = ("10.0.0.2", "2001:db8::2");
    let address = |text: &str| Ok(text.parse::<IpAddr>().unwrap());
    let (p4, p6) = ("192.0.2.0/24", "2001:db8:53::/48");
    assert_eq!(over(v4, open(), p4, None), address(v4));
    assert_eq!(over("::ffff:10.0.0.2", open(), p4, None), address(v4));
    assert_eq!(over(v6, open(), p6, None), address(v6));
    assert_eq!(over(v4, open(), p4, Some("10.0.0.9")), address("10.0.0.9"));
    // RFC 8950: IPv4 over an IPv6 session.
    assert_eq!(over(v6, open(), p4, None), address(v6));
    assert_eq!(over(v6, plain(), p4, Some("10.0.0.9")), address("10.0.0.9"));
    assert_eq!(over(v6, open(), p4, Some("10.0.0.9")), address("10.0.0.9"));
    assert_eq!(
        over(v6, plain(), p4, None).unwrap_err(),
        "the session has no ipv4 address to be the next hop: set `next-hop-ipv4`, or enable extended next hops \
         (RFC 8950) on the router"
    );
    assert!(over(v6, plain(), p4, Some("2001:db8::9")).unwrap_err().contains("the router has no extended next hops"));
    assert_eq!(
        over(v4, open(), p6, None).unwrap_err(),
        "the session has no ipv6 address to be the next hop: set `next-hop-ipv6`"
    );
    assert_eq!(over(v4, open(), p6, Some(v6)), address(v6));
    assert!(over(v4, open(), p6, Some("10.0.0.9")).unwrap_err().contains("of the other family"));
    assert!(over("fe80::2", open(), p6, None).unwrap_err().contains("set `next-hop-ipv6`"));
    let v4_only = without(&settings(), Capability::Multiprotocol(Family::Ipv6));
    assert!(over(v6, v4_only, p6, None).unwrap_err().contains("did not agree to ipv6 routes"));
}

#[test]
fn a_peer_without_multiprotocol_gets_ipv4() {
    // RFC 4760 8.
    let mut rig = Rig::established_with(settings(), Open { capabilities: vec![], ..their_open(&settings()) });
    let mut all = routes(&["192.0.2.0/24"]);
    all.extend(v6_routes(&["2001:db8:53::/48"]));
    let did = rig.event(Event::Routes(all));
    assert_eq!(updates(&did).len(), 1);
    assert_eq!(updates(&did)[0].announced, [prefix("192.0.2.0/24")]);
}

#[test]
fn attributes_too_long_for_a_message_are_said_to_be() {
    let mut rig = Rig::established(settings());
    let long = attributes(&vec![1; 1100]);
    let did = rig.event(Event::Routes([(prefix("192.0.2.0/24"), long)].into()));
    assert_eq!(did, []);
    assert!(rig.said("192.0.2.0/24 is not announced: its attributes don't fit"));
}
