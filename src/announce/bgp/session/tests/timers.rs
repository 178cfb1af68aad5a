//! Hold, keepalive and send-hold timers, and the waits before connecting again.

use super::*;

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
    let settings = Peer { hold_time_secs: 0, ..settings() };
    let open = Open { hold_time: 0, ..their_open(&settings) };
    let mut rig = Rig::established_with(settings, open);
    assert_eq!(rig.session.deadline(), None);
    rig.takes = false;
    rig.event(Event::Routes(routes(&["192.0.2.0/24"])));
    assert_eq!(rig.session.deadline(), None);
    assert_eq!(rig.wait(secs(100_000)), []);
    assert_eq!(rig.state(), State::Established);
}

#[test]
fn a_router_cannot_take_the_hold_time_away() {
    // RFC 4271 4.2: the lower one counts, and 0 is the lowest. 6.2: it may be refused.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local() });
    let did = rig.opens(Side::Outgoing, Open { hold_time: 0, ..their_open(&settings()) });
    assert_eq!(did, notified(Side::Outgoing, Reason::UnacceptableHoldTime, &[]));
    assert_eq!(rig.state(), State::Idle);
}

#[test]
fn a_peer_that_connects_and_says_nothing_is_left_after_four_minutes() {
    // RFC 4271 8.2.2: the hold timer has a large value until the OPEN comes.
    let mut rig = Rig::new(settings());
    rig.event(Event::Start);
    rig.event(Event::Connected { local: local() });
    assert_eq!(rig.next(), (secs(240), notified(Side::Outgoing, Reason::HoldTimerExpired, &[])));
    let mut rig = Rig::new(Peer { hold_time_secs: 0, ..settings() });
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
            // Being told that nothing left is no progress.
            let (sent, written) = rig.session.connection(Side::Outgoing).unwrap().positions();
            rig.event(Event::Written { side: Side::Outgoing, queued: (sent - written) as usize });
            // The peer itself goes on talking.
            did.extend(rig.wait(secs(1)).into_iter().map(|(_, did)| did));
            waited += secs(1);
            assert!(waited <= secs(expected), "it is not left in time");
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
