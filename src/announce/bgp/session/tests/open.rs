//! Up, and what is said in OPEN.

use super::*;

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
