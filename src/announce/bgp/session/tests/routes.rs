//! What the peer announces, and what it is announced.

use super::*;

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
fn settings_that_change_count_what_is_there_anew() {
    let mut rig = Rig::established(Peer { own_prefixes: [prefix("192.0.2.0/24")].into(), ..settings() });
    rig.says(Side::Outgoing, update(&["192.0.2.0/24", "198.51.100.0/24"], &[], &[THEM, US]));
    rig.says(Side::Outgoing, update(&["203.0.113.0/24"], &[], &[THEM]));
    let count = |rig: &Rig| rig.session.snapshot().prefixes;
    assert_eq!(count(&rig), ReceivedCount { ipv4: 1, ipv6: 0, own: 1, looped: 1 });
    assert_eq!(rig.event(Event::OwnPrefixes([prefix("203.0.113.0/24")].into())), []);
    assert_eq!(count(&rig), ReceivedCount { ipv4: 1, ipv6: 0, own: 1, looped: 1 });
    rig.says(Side::Outgoing, update(&[], &["192.0.2.0/24"], &[]));
    assert_eq!(count(&rig), ReceivedCount { ipv4: 0, ipv6: 0, own: 1, looped: 1 });
    // What comes from now on is judged by the new ones too.
    rig.event(Event::OwnPrefixes([prefix("198.51.100.0/24")].into()));
    rig.says(Side::Outgoing, update(&["198.51.100.0/24"], &[], &[THEM, US]));
    assert_eq!(count(&rig), ReceivedCount { ipv4: 1, ipv6: 0, own: 1, looped: 1 });
}

#[test]
fn a_family_that_the_settings_leave_out_is_nothing_to_complain_of() {
    let mut rig = Rig::established(Peer { families: [Family::Ipv4].into(), ..settings() });
    let mut all = routes(&["192.0.2.0/24"]);
    all.extend(v6_routes(&["2001:db8:53::/48"]));
    let did = rig.event(Event::Routes(all));
    assert_eq!(updates(&did)[0].announced, [prefix("192.0.2.0/24")]);
    assert_eq!(rig.session.unannounced().count(), 0);
    assert!(!rig.said("not announced"));
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

// Announcing.

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
