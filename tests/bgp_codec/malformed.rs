//! What a peer may not send, and what becomes of it: RFC 4271 6.1 and 6.2, RFC 7606 for UPDATE.

use super::messages::*;
use catchment::announce::bgp::codec::{Context, Decoder, MESSAGE_OCTETS_MAX};
use catchment::announce::bgp::message::{Message, Notification, RouteRefresh};
use catchment::announce::bgp::notification::Reason;
use catchment::announce::prefix::Family;

/// The message ends the session with this NOTIFICATION.
#[track_caller]
fn check_reset(octets: &[u8], context: &Context, reason: Reason, data: &[u8]) {
    let error = decode(octets, context).expect_err("the session must end");
    assert_eq!(error.notification, Notification::new(reason, data), "{error}");
}

#[test]
fn headers() {
    let with = |at: usize, octets: &str| {
        let mut message = framed(KEEPALIVE, &[]);
        message.splice(at..at + hex(octets).len(), hex(octets));
        message
    };
    check_reset(&with(15, "fe"), &external(), Reason::ConnectionNotSynchronized, &[]);
    // The length is the data, whether too short or too long for any message, or for its type.
    for (length, kind) in [
        ("0012", "04"),
        ("1001", "02"),
        ("ffff", "01"),
        ("0014", "04"),
        ("001c", "01"),
        ("0016", "02"),
        ("0014", "03"),
        ("0016", "05"),
    ] {
        let octets = with(16, &format!("{length} {kind}"));
        check_reset(&octets, &external(), Reason::BadMessageLength, &hex(length));
    }
    check_reset(&with(18, "00"), &external(), Reason::BadMessageType, &[0]);
    check_reset(&with(18, "06"), &external(), Reason::BadMessageType, &[6]);
}

#[test]
fn a_wrong_header_is_not_waited_behind() {
    // 19 octets are enough to see that a length is too large.
    let mut octets = framed(UPDATE, &[]);
    octets[16..18].copy_from_slice(&(MESSAGE_OCTETS_MAX as u16 + 1).to_be_bytes());
    let mut decoder = Decoder::new();
    let mut rest = &octets[..];
    assert!(matches!(decoder.next(&mut rest, &external()), Some(Err(_))));
    // And nothing comes out behind an error.
    let keepalive = framed(KEEPALIVE, &[]);
    let mut rest = &keepalive[..];
    assert_eq!(decoder.next(&mut rest, &external()), None);
    assert!(rest.is_empty());
}

#[test]
fn opens() {
    let check =
        |body: &str, reason, data: &[u8]| check_reset(&framed(OPEN, &hex(body)), &Context::default(), reason, data);
    check("03 fbf5 0009 c0000201 00", Reason::UnsupportedVersion, &[0, 4]);
    check("05 fbf5 0009 c0000201 00", Reason::UnsupportedVersion, &[0, 4]);
    check("04 0000 0009 c0000201 00", Reason::BadPeerAs, &[]);
    check("04 fbf5 0009 c0000201 08 02 06 41 04 00000000", Reason::BadPeerAs, &[]);
    check("04 fbf5 0001 c0000201 00", Reason::UnacceptableHoldTime, &[]);
    check("04 fbf5 0002 c0000201 00", Reason::UnacceptableHoldTime, &[]);
    check("04 fbf5 0009 00000000 00", Reason::BadBgpIdentifier, &[]);
    // RFC 4271 6.2: authentication (1) is no more; 3 is unassigned.
    check("04 fbf5 0009 c0000201 03 01 01 00", Reason::UnsupportedOptionalParameter, &[]);
    check("04 fbf5 0009 c0000201 02 03 00", Reason::UnsupportedOptionalParameter, &[]);
    for malformed in [
        // Lengths: of all parameters, of one, of a capability; octets behind all of them.
        "04 fbf5 0009 c0000201 01",
        "04 fbf5 0009 c0000201 01 02",
        "04 fbf5 0009 c0000201 02 02 01",
        "04 fbf5 0009 c0000201 03 02 01 02",
        "04 fbf5 0009 c0000201 04 02 02 02 01",
        "04 fbf5 0009 c0000201 00 00",
        "04 fbf5 0009 c0000201 ff ff",
        "04 fbf5 0009 c0000201 ff ff 0003 02 0001",
        // RFC 9072 2: the extended form has no first length of 0.
        "04 fbf5 0009 c0000201 00 ff 0000",
        // Capabilities that we know, of wrong length.
        "04 fbf5 0009 c0000201 07 02 05 01 03 000100",
        "04 fbf5 0009 c0000201 05 02 03 02 01 00",
        "04 fbf5 0009 c0000201 09 02 07 05 05 0001000100",
        "04 fbf5 0009 c0000201 04 02 02 09 00",
        "04 fbf5 0009 c0000201 06 02 04 41 02 fbf5",
        "04 fbf5 0009 c0000201 05 02 03 46 01 00",
    ] {
        check(malformed, Reason::OpenUnspecific, &[]);
    }
    // 0 is a hold time: no keepalives.
    assert!(decode(&framed(OPEN, &hex("04 fbf5 0000 c0000201 00")), &Context::default()).is_ok());
}

#[test]
fn route_refreshes() {
    // RFC 7313 5: where its subtypes were agreed on, theirs have 23 octets; the data is the message.
    for subtype in [1, 2] {
        let octets = framed(ROUTE_REFRESH, &[0, 1, subtype, 1, 0]);
        check_reset(&octets, &external(), Reason::InvalidRefreshLength, &octets);
        // RFC 2918 3: else the octet means nothing, and each is a request.
        let expected = Message::RouteRefresh(RouteRefresh { family: Some(Family::Ipv4), subtype: 0 });
        assert_eq!(decode(&octets, &Context { enhanced_route_refresh: false, ..external() }), Ok(expected));
    }
    // An unknown subtype is the session's to ignore.
    assert!(decode(&framed(ROUTE_REFRESH, &[0, 1, 9, 1]), &external()).is_ok());
}

/// Of an external peer with AS numbers of four octets.
const ORIGIN: &str = "40 01 01 00";
const AS_PATH: &str = "40 02 06 02 01 0000fbf5";
const NEXT_HOP: &str = "40 03 04 c0000202";
const REACH: &str = "80 0e 1c 0002 01 10 20010db8000000000000000000000002 00 30 20010db80053";
const UNREACH: &str = "80 0f 0a 0002 01 30 20010db80054";

/// Two sets of attributes that are whole but for the one that is tested, for routes in the own field and in
/// MP_REACH_NLRI.
fn without(code: &str) -> String {
    [ORIGIN, AS_PATH, NEXT_HOP].into_iter().filter(|attribute| !attribute[3..].starts_with(code)).collect()
}

/// Its routes count as withdrawn, of whatever family; with no routes in it the session ends (RFC 7606 5.2).
#[track_caller]
fn check_withdraw(attribute: &str, context: &Context, reason: Reason) {
    let preference = if context.internal { "40 05 04 00000064" } else { "" };
    let code = attribute.trim_start().get(3..5).unwrap_or("--");
    let preference = if code == "05" { "" } else { preference };
    let others = without(code);
    let all = format!("{others}{preference}{attribute}");
    let ipv4 = decode_update(&update_octets("18 c63364", &all, "18 c00002"), context);
    assert_eq!(ipv4.withdrawn, prefixes(&["198.51.100.0/24", "192.0.2.0/24"]), "{attribute}");
    assert_eq!((ipv4.announced, ipv4.attributes), (Vec::new(), None), "{attribute}");
    assert!(ipv4.malformed.is_some_and(|what| !what.is_empty()), "{attribute}");

    let ipv6 = decode_update(&update_octets("", &format!("{REACH}{UNREACH}{all}"), ""), context);
    assert_eq!(ipv6.withdrawn, prefixes(&["2001:db8:54::/48", "2001:db8:53::/48"]), "{attribute}");
    assert_eq!((ipv6.announced, ipv6.attributes), (Vec::new(), None), "{attribute}");

    let error = decode(&update_octets("18 c63364", &all, ""), context).expect_err("there are no routes in it");
    assert_eq!(error.notification.reason(), Some(reason), "{attribute}: {error}");
}

/// The routes stay, and the attribute is as if it were not there.
#[track_caller]
fn check_discard(attribute: &str, context: &Context) {
    let preference = if context.internal { "40 05 04 00000064" } else { "" };
    let all = format!("{ORIGIN}{AS_PATH}{NEXT_HOP}{preference}");
    let plain = decode_update(&update_octets("", &all, "18 c00002"), context);
    assert_eq!(plain.malformed, None);
    assert_eq!(
        decode_update(&update_octets("", &format!("{all}{attribute}"), "18 c00002"), context),
        plain,
        "{attribute}"
    );
}

/// The table of RFC 7606 7, and the RFCs of later attributes.
#[test]
fn attributes_for_which_routes_count_as_withdrawn() {
    use Reason::*;
    let external = external();
    for (attribute, reason) in [
        ("40 01 00", AttributeLength),                                  // 7.1
        ("40 01 02 0000", AttributeLength),                             // 7.1
        ("40 01 01 03", InvalidOrigin),                                 // 7.1
        ("40 02 06 05 01 0000fbf5", MalformedAsPath),                   // 7.2: an unknown type
        ("40 02 06 00 01 0000fbf5", MalformedAsPath),                   // 7.2
        ("40 02 06 02 02 0000fbf5", MalformedAsPath),                   // 7.2: overrun
        ("40 02 07 02 01 0000fbf5 02", MalformedAsPath),                // 7.2: a single octet left
        ("40 02 02 02 00", MalformedAsPath),                            // 7.2: an empty segment
        ("40 02 06 02 01 00000000", MalformedAsPath),                   // RFC 7607 2
        ("40 02 06 03 01 0000fbf5", MalformedAsPath),                   // RFC 5065 5: a confederation's, from outside
        ("40 03 03 c00002", AttributeLength),                           // 7.3
        ("40 03 00", AttributeLength),                                  // 7.3
        ("40 03 10 20010db8000000000000000000000002", AttributeLength), // 7.3
        ("40 03 04 00000000", InvalidNextHop),                          // RFC 4271 6.3: no host's address
        ("40 03 04 e0000001", InvalidNextHop),
        ("40 03 04 7f000001", InvalidNextHop),
        ("40 03 04 ffffffff", InvalidNextHop),
        ("80 04 03 000000", AttributeLength),                           // 7.4
        ("c0 08 00", AttributeLength),                                  // 7.8
        ("c0 08 06 fbf500640000", AttributeLength),                     // 7.8
        ("c0 10 00", AttributeLength),                                  // 7.14
        ("c0 10 09 000000000000000000", AttributeLength),               // 7.14
        ("c0 19 10 00000000000000000000000000000000", AttributeLength), // 7.15
        ("c0 20 00", AttributeLength),                                  // RFC 8092 6
        ("c0 20 0b 0000000000000000000000", AttributeLength),           // RFC 8092 6
        ("c0 23 02 fbf5", AttributeLength),                             // RFC 9234 5
        // 3 (c): the Optional or Transitive bit is wrong.
        ("c0 01 01 00", AttributeFlags),
        ("80 02 06 02 01 0000fbf5", AttributeFlags),
        ("00 03 04 c0000202", AttributeFlags),
        ("40 04 04 00000000", AttributeFlags),
        ("c0 06 00", AttributeFlags),
        ("80 08 04 fbf50064", AttributeFlags),
        ("40 20 0c 0000fbf5 00000001 00000002", AttributeFlags),
        ("80 23 04 0000fbf5", AttributeFlags),
        // Said to be well-known, and isn't.
        ("40 63 00", UnrecognizedWellKnownAttribute),
        // 4: a length beyond the end, and less than a header.
        ("c0 08 08 fbf50064", MalformedAttributeList),
        ("d0 08 00", MalformedAttributeList),
        ("c0", MalformedAttributeList),
        ("c0 08", MalformedAttributeList),
    ] {
        check_withdraw(attribute, &external, reason);
    }
    for (attribute, reason) in [
        ("40 05 02 0064", AttributeLength),         // 7.5
        ("80 09 03 c00002", AttributeLength),       // 7.9
        ("80 0a 00", AttributeLength),              // 7.10
        ("80 0a 06 c0000201c000", AttributeLength), // 7.10
        ("c0 05 04 00000064", AttributeFlags),
    ] {
        check_withdraw(attribute, &internal(), reason);
    }
}

#[test]
fn attributes_that_are_discarded() {
    for attribute in [
        "40 05 02 0064", // 7.5: LOCAL_PREF from outside, even malformed
        "c0 05 04 00000064",
        "80 09 03 c00002",       // 7.9
        "80 0a 00",              // 7.10
        "40 06 01 00",           // 7.6
        "c0 07 06 fbf5c0000201", // 7.7: of two octets' size
        "c0 07 00",
        "c0 11 02 02 01", // RFC 6793 4.1: from a peer with four octets
        "c0 12 03 000000",
    ] {
        check_discard(attribute, &external());
    }
    // A confederation's segments are no part of the path that others see.
    let attributes = format!("{ORIGIN}40 02 0c 03 01 0000fde8 02 01 0000fbf5 {NEXT_HOP}40 05 04 00000064");
    let update = decode_update(&update_octets("", &attributes, "18 c00002"), &internal());
    assert_eq!(update.attributes.unwrap().as_path, [64501]);
}

#[test]
fn of_two_attributes_the_first_counts() {
    // 3 (g).
    check_discard("40 01 01 02", &external());
    check_discard("40 03 04 c0000203", &external());
    check_discard("40 02 02 02 00", &external());
    check_discard("c0 63 01 00 c0 63 01 01", &external());
    // But of fields that hold routes.
    let twice = format!("{ORIGIN}{AS_PATH}{REACH}{REACH}");
    check_reset(&update_octets("", &twice, ""), &external(), Reason::MalformedAttributeList, &[]);
    let twice = format!("{UNREACH}{UNREACH}");
    check_reset(&update_octets("", &twice, ""), &external(), Reason::MalformedAttributeList, &[]);
}

#[test]
fn attributes_that_are_missing() {
    // 3 (d). NEXT_HOP is missed by routes in the own field only (RFC 4760 3).
    let without = |present: &str, nlri: &str, context: &Context| {
        let update = decode_update(&update_octets("", present, nlri), context);
        (update.withdrawn, update.announced, update.malformed)
    };
    let (ipv4, ipv6) = (prefixes(&["192.0.2.0/24"]), prefixes(&["2001:db8:53::/48"]));
    for (present, nlri, withdrawn, what) in [
        (format!("{AS_PATH}{NEXT_HOP}"), "18 c00002", &ipv4, "ORIGIN is missing"),
        (format!("{ORIGIN}{NEXT_HOP}"), "18 c00002", &ipv4, "AS_PATH is missing"),
        (format!("{ORIGIN}{AS_PATH}"), "18 c00002", &ipv4, "NEXT_HOP is missing"),
        (String::new(), "18 c00002", &ipv4, "ORIGIN is missing"),
        (format!("{REACH}{AS_PATH}"), "", &ipv6, "ORIGIN is missing"),
        (format!("{REACH}{ORIGIN}"), "", &ipv6, "AS_PATH is missing"),
    ] {
        assert_eq!(without(&present, nlri, &external()), (withdrawn.clone(), Vec::new(), Some(what.to_owned())));
    }
    assert_eq!(without(&format!("{REACH}{ORIGIN}{AS_PATH}"), "", &external()), (Vec::new(), ipv6, None));
    // RFC 4271 5.1.5: inside an AS, LOCAL_PREF too.
    let (withdrawn, _, what) = without(&format!("{ORIGIN}{AS_PATH}{NEXT_HOP}"), "18 c00002", &internal());
    assert_eq!((withdrawn, what.as_deref()), (ipv4, Some("LOCAL_PREF is missing")));
}

#[test]
fn routes_that_cannot_be_told_apart_end_the_session() {
    let whole = format!("{ORIGIN}{AS_PATH}{NEXT_HOP}");
    // 5.3: too long, or cut off, announced or withdrawn; also behind an attribute that alone would only withdraw.
    for field in ["21 c0000200", "18 c000", "18 c00002 18", "ff"] {
        for attributes in [whole.as_str(), "40 01 01 03"] {
            check_reset(&update_octets("", attributes, field), &external(), Reason::InvalidNetworkField, &[]);
        }
        check_reset(&update_octets(field, "", ""), &external(), Reason::InvalidNetworkField, &[]);
    }
    // RFC 4271 6.3: the lengths of the fields.
    for body in ["0001 0000", "0000 0001", "0005 00000000 00", "ffff ffff"] {
        check_reset(&framed(UPDATE, &hex(body)), &external(), Reason::MalformedAttributeList, &[]);
    }
}

#[test]
fn multiprotocol_attributes_that_end_the_session() {
    let classic_only = Context { extended_next_hop: false, ..external() };
    for (attribute, context) in [
        ("80 0e 04 0002 01 00", external()), // 5.3: less than 5 octets
        ("80 0e 00", external()),
        ("80 0e 05 0002 01 10 00", external()), // a next hop that is cut off
        ("80 0e 09 0002 01 04 c0000202 00", external()), // 7.11: IPv4's, of IPv6 routes
        ("80 0e 0d 0001 01 08 c0000202c0000202 00", external()), // 7.11
        ("80 0e 19 0001 01 10 20010db8000000000000000000000002 00 18 c00002", classic_only), // 7.11, RFC 8950 4
        ("80 0e 16 0002 01 10 20010db8000000000000000000000002 00 81", external()), // 5.3: 129 bits
        ("80 0e 17 0002 01 10 20010db8000000000000000000000002 00 30 20", external()), // 5.3: cut off
        ("c0 0e 15 0002 01 10 20010db8000000000000000000000002 00", external()), // 5.3: flags
        ("40 0e 15 0002 01 10 20010db8000000000000000000000002 00", external()),
        ("80 0f 02 0002", external()), // 5.3: less than 3 octets
        ("80 0f 05 0002 01 30 20", external()),
        ("80 0f 04 0001 01 21", external()),
        ("c0 0f 03 0002 01", external()),
    ] {
        // RFC 4760 7: Optional Attribute Error, with the attribute (RFC 4271 6.3).
        let octets = update_octets("", &format!("{attribute}{ORIGIN}{AS_PATH}"), "");
        check_reset(&octets, &context, Reason::OptionalAttribute, &hex(attribute));
    }
}

#[test]
fn next_hops_in_mp_reach_nlri_are_hosts_too() {
    for (reach, withdrawn) in [
        ("80 0e 0d 0001 01 04 7f000001 00 18 c00002", "192.0.2.0/24"),
        ("80 0e 1c 0002 01 10 00000000000000000000000000000000 00 30 20010db80053", "2001:db8:53::/48"),
        ("80 0e 1c 0002 01 10 ff020000000000000000000000000001 00 30 20010db80053", "2001:db8:53::/48"),
    ] {
        let update = decode_update(&update_octets("", &format!("{reach}{ORIGIN}{AS_PATH}"), ""), &external());
        assert_eq!((update.withdrawn, update.announced), (prefixes(&[withdrawn]), Vec::new()));
        assert!(update.malformed.is_some_and(|what| what.starts_with("the next hop is")));
    }
}

#[test]
fn every_truncation_waits_for_more_or_is_an_error() {
    let messages = [
        framed(KEEPALIVE, &[]),
        framed(OPEN, &hex("04 5ba0 0009 c0000201 16 02 14 01 04 0002 00 01 05 06 0001 0001 0002 41 04 fa56ea01")),
        framed(OPEN, &hex("04 fbf5 0009 c0000201 ff ff 0005 02 0002 02 00")),
        framed(NOTIFICATION, &hex("06 02 03 627965")),
        framed(ROUTE_REFRESH, &hex("0001 00 01")),
        update_octets(
            "18 c63364",
            &format!("{REACH}{UNREACH}{ORIGIN}{AS_PATH}{NEXT_HOP}c0 08 04 fbf50064"),
            "18 c00002",
        ),
    ];
    for message in &messages {
        let whole = decode(message, &external()).unwrap();
        for cut in 0..message.len() {
            // The stream stops: no message, and no error as long as what is there is right.
            assert_eq!(decode_all(&message[..cut], &external()), Ok(Vec::new()), "{cut} of {message:02x?}");
            // The length says so too: an error, or another message (an UPDATE with fewer prefixes, a NOTIFICATION with
            // less data).
            if cut >= 19 {
                let shorter = framed(message[18], &message[19..cut]);
                match decode(&shorter, &external()) {
                    Ok(other) => {
                        assert!(matches!(message[18], UPDATE | NOTIFICATION), "{cut} of {message:02x?}");
                        assert_ne!(other, whole);
                    }
                    Err(error) => assert!(error.notification.reason().is_some()),
                }
            }
        }
    }
}
