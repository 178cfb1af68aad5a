//! Messages in octets, written down from the RFCs' field layouts, and the values that they are.

use super::messages::*;
use catchment::announce::bgp::codec::{
    Context, MESSAGE_OCTETS_MAX, Unsendable, Updates, encode, encode_announced, encode_withdrawn,
};
use catchment::announce::bgp::message::{
    Attributes, Capability, Message, Notification, Open, Origin, Role, RouteRefresh, Update,
};
use catchment::announce::bgp::notification::Reason;
use catchment::announce::prefix::Family;

/// The octets are the message, and the message is the octets.
#[track_caller]
fn check(message: &Message, octets: &[u8], context: &Context) {
    assert_eq!(encode(message, context), octets, "{:02x?}", encode(message, context));
    assert_eq!(decode(octets, context).as_ref(), Ok(message));
}

fn open(asn: u32, capabilities: Vec<Capability>) -> Open {
    Open { asn, hold_time: 9, identifier: "192.0.2.1".parse().unwrap(), capabilities }
}

#[test]
fn keepalive() {
    check(&Message::Keepalive, &hex("ffffffffffffffffffffffffffffffff 0013 04"), &external());
}

#[test]
fn open_without_parameters() {
    // RFC 4271 4.2: version, My AS, hold time, identifier, length of optional parameters.
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 00"));
    check(&Message::Open(open(64501, Vec::new())), &octets, &Context::default());
}

#[test]
fn open_with_every_capability_that_we_know() {
    let capabilities = vec![
        Capability::Multiprotocol(Family::Ipv4),
        Capability::Multiprotocol(Family::Ipv6),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop,
        Capability::Role(Role::Customer),
        Capability::FourOctetAsn(4_200_000_001),
        Capability::EnhancedRouteRefresh,
        Capability::Other { code: 73, value: b"\x03ams\0".to_vec() },
    ];
    let octets = framed(
        OPEN,
        &hex("04 5ba0 0009 c0000201 2a 02 28
              01 04 0001 00 01  01 04 0002 00 01  02 00  05 06 0001 0001 0002
              09 01 03  41 04 fa56ea01  46 00  49 05 03616d7300"),
    );
    // RFC 6793 9: 0x5ba0 is AS_TRANS, 23456.
    check(&Message::Open(open(4_200_000_001, capabilities)), &octets, &Context::default());
}

#[test]
fn roles_have_the_values_of_rfc_9234() {
    let roles = [Role::Provider, Role::RouteServer, Role::RouteServerClient, Role::Customer, Role::Peer];
    for (value, role) in (0u8..).zip(roles) {
        let octets = framed(OPEN, &[&hex("04 fbf5 0009 c0000201 05 02 03 09 01"), &[value][..]].concat());
        check(&Message::Open(open(64501, vec![Capability::Role(role)])), &octets, &Context::default());
    }
    // Unassigned: kept, for the session to judge.
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 05 02 03 09 01 05"));
    let kept = Capability::Other { code: 9, value: vec![5] };
    check(&Message::Open(open(64501, vec![kept])), &octets, &Context::default());
}

#[test]
fn capabilities_in_several_parameters_are_read() {
    // RFC 5492 4: once each, too.
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 0c 02 02 02 00  02 06 01 04 0002 00 01"));
    let capabilities = vec![Capability::RouteRefresh, Capability::Multiprotocol(Family::Ipv6)];
    assert_eq!(decode(&octets, &Context::default()), Ok(Message::Open(open(64501, capabilities))));
}

#[test]
fn families_that_are_none_of_ours_are_kept() {
    // VPN-IPv4 unicast (AFI 1, SAFI 128), and its IPv6 next hops (RFC 8950 4).
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 10 02 0e 01 04 0001 00 80  05 06 0001 0080 0002"));
    let capabilities = vec![
        Capability::Other { code: 1, value: hex("0001 00 80") },
        Capability::Other { code: 5, value: hex("0001 0080 0002") },
    ];
    check(&Message::Open(open(64501, capabilities.clone())), &octets, &Context::default());
    // A word of families, of which ours are not any.
    assert!(!open(64501, capabilities).has_family(Family::Ipv4));
}

#[test]
fn of_several_next_hop_families_ours_is_found() {
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 10 02 0e 05 0c 0001 0080 0002  0001 0001 0002"));
    let capabilities = vec![Capability::ExtendedNextHop];
    assert_eq!(decode(&octets, &Context::default()), Ok(Message::Open(open(64501, capabilities))));
}

#[test]
fn the_longest_classic_parameters_and_the_first_extended_ones() {
    let of_octets = |count: usize| vec![Capability::Other { code: 200, value: vec![7; count - 2] }];
    // 253 octets of capabilities and two of the parameter are the 255 that one octet says.
    let mut classic = hex("04 fbf5 0009 c0000201 ff 02 fd c8 fb");
    classic.extend_from_slice(&[7; 251]);
    check(&Message::Open(open(64501, of_octets(253))), &framed(OPEN, &classic), &Context::default());
    // RFC 9072 2: 255, 255, a length of two octets; then the parameter with a length of two octets.
    let mut extended = hex("04 fbf5 0009 c0000201 ff ff 0101 02 00fe c8 fc");
    extended.extend_from_slice(&[7; 252]);
    check(&Message::Open(open(64501, of_octets(254))), &framed(OPEN, &extended), &Context::default());
}

#[test]
fn the_extended_form_is_known_by_its_type_alone() {
    // RFC 9072 2: a receiver takes any first length but 0, and few octets too.
    for length in ["01", "04", "ff"] {
        let octets = framed(OPEN, &hex(&format!("04 fbf5 0009 c0000201 {length} ff 0005 02 0002 02 00")));
        let expected = open(64501, vec![Capability::RouteRefresh]);
        assert_eq!(decode(&octets, &Context::default()), Ok(Message::Open(expected)));
    }
}

#[test]
fn notification_and_route_refresh() {
    let cease = Message::Notification(Notification::cease(Reason::AdministrativeShutdown, "Wartung: ä"));
    // RFC 9003 2: code, subcode, length, UTF-8.
    let octets = framed(NOTIFICATION, &hex("06 02 0b 57617274756e673a20c3a4"));
    check(&cease, &octets, &Context::default());
    for (subtype, family, octets) in [
        (0, Some(Family::Ipv4), "0001 00 01"),
        (1, Some(Family::Ipv6), "0002 01 01"),
        (2, Some(Family::Ipv6), "0002 02 01"),
        (0, None, "0000 00 00"),
    ] {
        let message = Message::RouteRefresh(RouteRefresh { family, subtype });
        check(&message, &framed(ROUTE_REFRESH, &hex(octets)), &external());
    }
    // Another family is no error; filters behind it (RFC 5291) are passed over.
    let other = framed(ROUTE_REFRESH, &hex("0001 00 80 01 80 0000"));
    let expected = Message::RouteRefresh(RouteRefresh { family: None, subtype: 0 });
    assert_eq!(decode(&other, &external()), Ok(expected));
}

/// All attributes that there are.
fn rich() -> Attributes {
    Attributes {
        origin: Origin::Incomplete,
        as_path: vec![64501, 64501, 4_200_000_001],
        next_hop: "192.0.2.2".parse().unwrap(),
        med: Some(100),
        local_preference: None,
        communities: vec![0xffff_0000, 64501 << 16 | 100],
        large_communities: vec![[64501, 1, 2], [4_200_000_001, 3, u32::MAX]],
        only_to_customer: Some(64501),
    }
}

const COMMUNITIES: &str = "c0 08 08 ffff0000 fbf50064";
const LARGE: &str = "c0 20 18 0000fbf5 00000001 00000002  fa56ea01 00000003 ffffffff";
const OTC: &str = "c0 23 04 0000fbf5";
const AS_PATH: &str = "40 02 0e 02 03 0000fbf5 0000fbf5 fa56ea01";

#[test]
fn announcement_of_ipv4() {
    let update = Update {
        announced: prefixes(&["192.0.2.0/24", "198.51.100.128/25", "0.0.0.0/0", "203.0.113.7/32"]),
        attributes: Some(rich()),
        ..Update::default()
    };
    let attributes = format!("40 01 01 02 {AS_PATH} 40 03 04 c0000202 80 04 04 00000064 {COMMUNITIES} {LARGE} {OTC}");
    let octets = update_octets("", &attributes, "18 c00002  19 c6336480  00  20 cb007107");
    check(&Message::Update(update), &octets, &external());
}

#[test]
fn announcement_of_ipv6() {
    let update = Update {
        announced: prefixes(&["2001:db8:53::/48", "::/0", "2001:db8::/33"]),
        attributes: Some(Attributes { next_hop: "2001:db8::2".parse().unwrap(), ..rich() }),
        ..Update::default()
    };
    // RFC 7606 5.1: MP_REACH_NLRI is the first; RFC 4760 3: no NEXT_HOP.
    let reach = "80 0e 23 0002 01 10 20010db8000000000000000000000002 00 30 20010db80053 00 21 20010db800";
    let attributes = format!("{reach} 40 01 01 02 {AS_PATH} 80 04 04 00000064 {COMMUNITIES} {LARGE} {OTC}");
    let octets = update_octets("", &attributes, "");
    check(&Message::Update(update), &octets, &external());
}

#[test]
fn announcement_of_ipv4_with_an_ipv6_next_hop() {
    let update = Update {
        announced: prefixes(&["192.0.2.0/24"]),
        attributes: Some(attributes(&[64501], "2001:db8::2")),
        ..Update::default()
    };
    // RFC 8950 3: AFI 1, SAFI 1, a next hop of 16 octets.
    let reach = "80 0e 19 0001 01 10 20010db8000000000000000000000002 00 18 c00002";
    let octets = update_octets("", &format!("{reach} 40 01 01 00 40 02 06 02 01 0000fbf5"), "");
    check(&Message::Update(update.clone()), &octets, &external());

    let classic_only = Context { extended_next_hop: false, ..external() };
    let refused = encode_announced(&update.announced, &update.attributes.unwrap(), &classic_only);
    assert_eq!(refused, Updates { messages: Vec::new(), unsent: vec![(prefix("192.0.2.0/24"), Unsendable::NextHop)] });
}

#[test]
fn next_hops_of_32_octets_give_their_global_address() {
    // RFC 2545 3: global, then link-local.
    let both = "20010db8000000000000000000000002 fe800000000000000000000000000001";
    for (afi, nlri, expected) in
        [("0002", "30 20010db80053", "2001:db8:53::/48"), ("0001", "18 c00002", "192.0.2.0/24")]
    {
        let length = 5 + 32 + hex(nlri).len();
        let reach = format!("80 0e {length:02x} {afi} 01 20 {both} 00 {nlri}");
        let octets = update_octets("", &format!("{reach} 40 01 01 00 40 02 06 02 01 0000fbf5"), "");
        let update = decode_update(&octets, &external());
        assert_eq!(update.announced, prefixes(&[expected]));
        assert_eq!(update.attributes, Some(attributes(&[64501], "2001:db8::2")));
    }
    // RFC 4760 3: IPv4 routes with IPv4 next hops may stand there as well.
    let reach = "80 0e 0d 0001 01 04 c0000202 00 18 c00002";
    let octets = update_octets("", &format!("{reach} 40 01 01 00 40 02 06 02 01 0000fbf5"), "");
    assert_eq!(decode_update(&octets, &external()).attributes, Some(attributes(&[64501], "192.0.2.2")));
}

#[test]
fn inside_an_as() {
    let update = |local_preference| Update {
        announced: prefixes(&["192.0.2.0/24"]),
        attributes: Some(Attributes { local_preference, ..attributes(&[], "192.0.2.2") }),
        ..Update::default()
    };
    // An empty AS_PATH has no segment (RFC 4271 5.1.2).
    let octets = |preference| {
        update_octets("", &format!("40 01 01 00 40 02 00 40 03 04 c0000202 40 05 04 {preference}"), "18 c00002")
    };
    check(&Message::Update(update(Some(200))), &octets("000000c8"), &internal());
    // RFC 4271 5.1.5: always sent, so there is a default.
    assert_eq!(encode(&Message::Update(update(None)), &internal()), octets("00000064"));
    // And never to an external peer; what one says is discarded (RFC 7606 7.5).
    let outside = update_octets("", "40 01 01 00 40 02 00 40 03 04 c0000202", "18 c00002");
    assert_eq!(encode(&Message::Update(update(Some(200))), &external()), outside);
    assert_eq!(decode_update(&octets("000000c8"), &external()), update(None));
}

#[test]
fn withdrawals_of_both_families() {
    let withdrawn = prefixes(&["192.0.2.0/24", "2001:db8:53::/48", "198.51.100.0/22"]);
    let updates = encode_withdrawn(&withdrawn, &external());
    let ipv4 = update_octets("18 c00002 16 c63364", "", "");
    let ipv6 = update_octets("", "80 0f 0a 0002 01 30 20010db80053", "");
    assert_eq!(updates, Updates { messages: vec![ipv4.clone(), ipv6.clone()], unsent: Vec::new() });
    assert_eq!(decode_update(&ipv4, &external()).withdrawn, prefixes(&["192.0.2.0/24", "198.51.100.0/22"]));
    assert_eq!(decode_update(&ipv6, &external()).withdrawn, prefixes(&["2001:db8:53::/48"]));
    // IPv4 in MP_UNREACH_NLRI is the same as in Withdrawn Routes.
    let multiprotocol = update_octets("", "80 0f 07 0001 01 18 c00002", "");
    assert_eq!(decode_update(&multiprotocol, &external()).withdrawn, prefixes(&["192.0.2.0/24"]));
}

#[test]
fn the_end_of_rib_of_both_families() {
    // RFC 4724 2: an empty UPDATE; an empty MP_UNREACH_NLRI alone.
    for (family, octets) in
        [(Family::Ipv4, update_octets("", "", "")), (Family::Ipv6, update_octets("", "80 0f 03 0002 01", ""))]
    {
        let update = Update { end_of_rib: Some(family), ..Update::default() };
        check(&Message::Update(update), &octets, &external());
        // No word of a family that is not exchanged.
        let other = Context { families: Family::ALL.into_iter().filter(|f| *f != family).collect(), ..external() };
        assert_eq!(decode_update(&octets, &other), Update::default());
    }
    // With anything beside it, it is none.
    let withdrawing = decode_update(&update_octets("18 c00002", "80 0f 03 0002 01", ""), &external());
    assert_eq!((withdrawing.end_of_rib, withdrawing.withdrawn), (None, prefixes(&["192.0.2.0/24"])));
}

#[test]
fn fields_in_any_combination_are_read() {
    // RFC 7606 5.1: none of today sends this, all must read it. MP_REACH_NLRI stands last here.
    let attributes = "40 01 01 00 40 02 06 02 01 0000fbf5 40 03 04 c0000202
        80 0f 0a 0002 01 30 20010db80054
        80 0e 1c 0002 01 10 20010db8000000000000000000000002 00 30 20010db80053";
    let update = decode_update(&update_octets("18 c63364", attributes, "18 c00002"), &external());
    assert_eq!(update.withdrawn, prefixes(&["198.51.100.0/24", "2001:db8:54::/48"]));
    assert_eq!(update.announced, prefixes(&["192.0.2.0/24", "2001:db8:53::/48"]));
    assert_eq!(update.attributes.unwrap().next_hop.to_string(), "192.0.2.2");
}

#[test]
fn what_is_not_exchanged_is_passed_over() {
    // VPN-IPv4 (SAFI 128) with a next hop of 12 octets and labels.
    let vpn = "80 0e 15 0001 80 0c 0000000000000000c0000202 00 70 000001";
    let octets = update_octets("", &format!("{vpn} 40 01 01 00 40 02 00"), "");
    assert_eq!(decode_update(&octets, &external()), Update::default());
    let ipv6_only = Context { families: vec![Family::Ipv6], ..external() };
    let octets = update_octets("18 c63364", "40 01 01 00 40 02 00 40 03 04 c0000202", "18 c00002");
    assert_eq!(decode_update(&octets, &ipv6_only), Update::default());
    let refused = encode_withdrawn(&prefixes(&["192.0.2.0/24"]), &ipv6_only);
    assert_eq!(refused.unsent, [(prefix("192.0.2.0/24"), Unsendable::Family)]);
}

#[test]
fn bits_behind_a_prefix_mean_nothing() {
    // RFC 4271 4.3: "the value of trailing bits is irrelevant".
    let update = decode_update(&update_octets("14 c0a8ff 01 ff", "", ""), &external());
    assert_eq!(update.withdrawn, prefixes(&["192.168.240.0/20", "128.0.0.0/1"]));
}

#[test]
fn unknown_attributes_are_skipped() {
    let known = "40 01 01 00 40 02 06 02 01 0000fbf5 40 03 04 c0000202";
    // Optional; optional transitive and partial; with a length of two octets.
    for unknown in
        ["80 63 02 abcd", "e0 63 00", "d0 64 0001 ff", "c0 10 08 0002fbf500000064", "c0 07 08 0000fbf5c0000201"]
    {
        let octets = update_octets("", &format!("{unknown} {known}"), "18 c00002");
        let update = decode_update(&octets, &external());
        assert_eq!(update.attributes, Some(attributes(&[64501], "192.0.2.2")), "{unknown}");
        assert_eq!(update.malformed, None);
    }
}

#[test]
fn as_numbers_of_two_octets() {
    let update = |as_path: &[u32]| {
        let attributes = Some(attributes(as_path, "192.0.2.2"));
        Message::Update(Update { announced: prefixes(&["192.0.2.0/24"]), attributes, ..Update::default() })
    };
    let next_hop = "40 03 04 c0000202";
    // RFC 6793 4.2.2: AS_PATH with AS_TRANS, and AS4_PATH only where AS_PATH cannot say it.
    let plain = update_octets("", &format!("40 01 01 00 40 02 06 02 02 fbf5 fbf6 {next_hop}"), "18 c00002");
    check(&update(&[64501, 64502]), &plain, &two_octets());
    let as4 = "c0 11 0a 02 02 0000fbf5 fa56ea01";
    let mapped = update_octets("", &format!("40 01 01 00 40 02 06 02 02 fbf5 5ba0 {next_hop} {as4}"), "18 c00002");
    check(&update(&[64501, 4_200_000_001]), &mapped, &two_octets());
}

#[test]
fn as4_path_is_merged_as_rfc_6793_has_it() {
    let path = |as_path: &str, others: &str| {
        let length = hex(as_path).len();
        let attributes = format!("40 01 01 00 40 02 {length:02x} {as_path} 40 03 04 c0000202 {others}");
        let update = decode_update(&update_octets("", &attributes, "18 c00002"), &two_octets());
        assert_eq!(update.malformed, None);
        update.attributes.unwrap().as_path
    };
    let as4 = "c0 11 0a 02 02 00010001 00010002";
    // 4.2.3: what old speakers put before is taken from AS_PATH.
    assert_eq!(path("02 04 0064 00c8 5ba0 5ba0", as4), [100, 200, 65537, 65538]);
    // The longer AS4_PATH is ignored.
    assert_eq!(path("02 01 0064", as4), [100]);
    // A set counts as one, and stays one segment: 100, {200, 300}, then what AS4_PATH knows.
    assert_eq!(path("02 01 0064 01 02 00c8 012c 02 02 5ba0 5ba0", as4), [100, 200, 300, 65537, 65538]);
    // 6: malformed, it is discarded: an empty segment, one cut off, AS 0, an unknown type.
    for malformed in ["c0 11 02 02 00", "c0 11 06 02 02 00010001", "c0 11 06 02 01 00000000", "c0 11 06 09 01 00010001"]
    {
        assert_eq!(path("02 02 0064 5ba0", malformed), [100, 23456], "{malformed}");
    }
    // 4.2.3: an aggregator that AGGREGATOR can name shows that an old speaker aggregated since: AS4_PATH is out of
    // date.
    let aggregators = |asn| format!("c0 07 06 {asn} c0000201 c0 12 08 00010001 c0000201 {as4}");
    assert_eq!(path("02 02 0064 5ba0", &aggregators("0064")), [100, 23456]);
    assert_eq!(path("02 02 0064 5ba0", &aggregators("5ba0")), [65537, 65538]);
    // 3: a confederation's segments have no place in it.
    assert_eq!(path("02 02 0064 5ba0", "c0 11 0c 03 01 00010009 02 01 00010001"), [100, 65537]);
    // 4.1: from a peer with four octets it is discarded unseen.
    let attributes = format!("40 01 01 00 40 02 06 02 01 00000064 40 03 04 c0000202 {as4}");
    let update = decode_update(&update_octets("", &attributes, "18 c00002"), &external());
    assert_eq!(update.attributes.unwrap().as_path, [100]);
}

#[test]
fn long_paths_are_split_into_segments() {
    let as_path: Vec<u32> = (1..=300).collect();
    let update = Update {
        announced: prefixes(&["192.0.2.0/24"]),
        attributes: Some(attributes(&as_path, "192.0.2.2")),
        ..Update::default()
    };
    let octets = encode(&Message::Update(update.clone()), &external());
    // A length of two octets, 2 * 2 + 300 * 4 = 1204; the count of a segment has one octet.
    assert_eq!(octets[27..33], hex("50 02 04b4 02 ff"));
    assert_eq!(decode(&octets, &external()), Ok(Message::Update(update)));
}

#[test]
fn many_prefixes_are_split_over_messages() {
    let announced: Vec<_> = (0..3000u32)
        .flat_map(|n| [prefix(&format!("10.{}.{}.0/24", n >> 8, n & 255)), prefix(&format!("2001:db8:{n:x}::/48"))])
        .collect();
    let of = |family| announced.iter().copied().filter(move |p| p.family() == family);
    let ordered: Vec<_> = of(Family::Ipv4).chain(of(Family::Ipv6)).collect();

    let withdrawn = encode_withdrawn(&announced, &external());
    assert_eq!(withdrawn.unsent, []);
    // 12,000 octets of IPv4 over 4,073 each, 21,000 of IPv6 over 4,066.
    assert_eq!(withdrawn.messages.len(), 3 + 6);
    assert!(withdrawn.messages.iter().all(|message| message.len() <= MESSAGE_OCTETS_MAX));
    assert_eq!(joined(decode_all(&withdrawn.messages.concat(), &external()).unwrap()).withdrawn, ordered);

    for (next_hop, family) in [("192.0.2.2", Family::Ipv4), ("2001:db8::2", Family::Ipv6)] {
        let attributes = attributes(&[64501], next_hop);
        let context = Context { extended_next_hop: false, ..external() };
        let updates = encode_announced(&announced, &attributes, &context);
        assert!(updates.messages.iter().all(|message| message.len() <= MESSAGE_OCTETS_MAX));
        assert!(updates.messages[0].len() > MESSAGE_OCTETS_MAX - 8, "messages are filled");
        let update = joined(decode_all(&updates.messages.concat(), &context).unwrap());
        assert!(update.announced.iter().copied().eq(of(family)));
        assert_eq!(update.attributes, Some(attributes));
        assert!(updates.unsent.iter().all(|(prefix, why)| prefix.family() != family && *why == Unsendable::NextHop));
        assert_eq!(updates.unsent.len(), 3000);
    }
}

#[test]
fn attributes_that_leave_no_room_are_said() {
    // RFC 4271 9.2: what does not fit is not advertised. 4,073 octets are there for attributes and prefixes.
    let with =
        |communities: usize| Attributes { communities: vec![1; communities], ..attributes(&[64501], "192.0.2.2") };
    let announced = prefixes(&["192.0.2.0/24", "0.0.0.0/0"]);
    // ORIGIN 4, AS_PATH 9, NEXT_HOP 7, COMMUNITIES 4 + 4 * 1012: one octet is left.
    let updates = encode_announced(&announced, &with(1012), &external());
    assert_eq!(updates.messages.iter().map(Vec::len).collect::<Vec<_>>(), [MESSAGE_OCTETS_MAX]);
    assert_eq!(updates.unsent, [(announced[0], Unsendable::TooLong)]);
    let updates = encode_announced(&announced, &with(5000), &external());
    assert_eq!(updates.messages, Vec::<Vec<u8>>::new());
    assert_eq!(updates.unsent.len(), 2);
}

#[test]
fn what_is_too_long_for_any_message_is_cut() {
    let open = open(64501, vec![Capability::Other { code: 200, value: vec![7; 255] }; 20]);
    let octets = encode(&Message::Open(open.clone()), &Context::default());
    let Ok(Message::Open(read)) = decode(&octets, &Context::default()) else { panic!("no OPEN") };
    // 4,061 octets hold 15 of 257.
    assert_eq!(read.capabilities, open.capabilities[..15]);
    let notification = Message::Notification(Notification { code: 1, subcode: 3, data: vec![1; 5000] });
    assert_eq!(encode(&notification, &Context::default()).len(), MESSAGE_OCTETS_MAX);
}

#[test]
fn both_sides_agree_on_what_both_can() {
    let all = vec![
        Capability::Multiprotocol(Family::Ipv4),
        Capability::Multiprotocol(Family::Ipv6),
        Capability::ExtendedNextHop,
        Capability::FourOctetAsn(64501),
        Capability::EnhancedRouteRefresh,
    ];
    let ours = open(64501, all.clone());
    assert_eq!(Context::negotiated(&ours, &ours), internal());
    assert_eq!(Context::negotiated(&ours, &open(64500, all)), external());
    // RFC 4760 8: without a word of families a speaker takes IPv4 unicast.
    let plain = Context { families: vec![Family::Ipv4], ..Context::default() };
    assert_eq!(Context::negotiated(&ours, &open(64500, Vec::new())), plain);
    let ipv6 = open(64500, vec![Capability::Multiprotocol(Family::Ipv6)]);
    assert_eq!(Context::negotiated(&ours, &ipv6).families, [Family::Ipv6]);
}
