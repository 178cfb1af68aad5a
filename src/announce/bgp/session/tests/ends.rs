//! Errors, stops, collisions, BFD: how connections end.

use super::*;

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
    assert_eq!(rig.wait(secs(59)), []);
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
    assert_eq!((rig.state(), rig.wait(secs(59))), (State::Idle, vec![]));
}

#[test]
fn a_router_that_lost_its_bfd_without_a_word_is_reached_after_a_minute() {
    // RFC 5882 4.1: that it has no BFD must not keep the session from being established.
    let mut rig = Rig::established(settings());
    rig.event(Event::Path(PathState::Up));
    rig.event(Event::Path(PathState::Down));
    assert_eq!(rig.event(Event::Path(PathState::Down)), []);
    let lost = rig.now;
    assert_eq!(rig.session.snapshot().next_attempt, Some(lost + secs(60)));
    assert_eq!(rig.next(), (secs(60), vec![Did::Connect]));
    assert!(!rig.session.snapshot().waits_for_bfd);
    rig.establish(their_open(&settings()));
    assert_eq!(rig.event(Event::Path(PathState::Down)), [], "BFD has not been up since");
    rig.event(Event::Path(PathState::Up));
    assert_eq!(rig.event(Event::Path(PathState::Down)), notified(Side::Outgoing, Reason::BfdDown, &[]));
    // A stop meanwhile changes nothing about the wait.
    rig.event(Event::Stop { reason: Reason::AdministrativeShutdown, message: String::new() });
    assert_eq!(rig.event(Event::Start), []);
    assert_eq!(rig.next(), (secs(60), vec![Did::Connect]));
}
