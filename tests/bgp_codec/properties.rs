//! Any message survives its octets, however TCP cuts them; any octets are survived.

use super::messages::{decode_all, joined};
use catchment::announce::bgp::codec::{
    Context, Decoder, MESSAGE_OCTETS_MAX, encode, encode_announced, encode_withdrawn,
};
use catchment::announce::bgp::message::{
    Attributes, Capability, Message, Notification, Open, Origin, Role, RouteRefresh, Update,
};
use catchment::announce::prefix::{Family, Prefix};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

pub(crate) fn ipv4_prefix() -> impl Strategy<Value = Prefix> {
    (any::<[u8; 4]>(), 0..=32u8).prop_map(|(address, bits)| Prefix::truncated(address.into(), bits).unwrap())
}

pub(crate) fn ipv6_prefix() -> impl Strategy<Value = Prefix> {
    (any::<[u8; 16]>(), 0..=128u8).prop_map(|(address, bits)| Prefix::truncated(address.into(), bits).unwrap())
}

fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1..=65535u32, 65536..=u32::MAX]
}

/// A next hop that a host may have (RFC 4271 6.3).
fn next_hop() -> impl Strategy<Value = IpAddr> {
    let ipv4 = any::<[u8; 4]>().prop_map(|[_, b, c, d]| IpAddr::from([192, b, c, d]));
    let ipv6 = any::<[u8; 16]>().prop_map(|mut address| {
        address[0] = 0x20;
        IpAddr::from(address)
    });
    prop_oneof![ipv4, ipv6]
}

pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let numbers = (option::of(any::<u32>()), option::of(any::<u32>()), option::of(any::<u32>()));
    let lists = (vec(any::<u32>(), 0..80), vec(any::<[u32; 3]>(), 0..30));
    // Some paths are longer than a segment.
    let as_path = prop_oneof![9 => vec(asn(), 0..10), 1 => vec(asn(), 250..260)];
    (origin, as_path, next_hop(), numbers, lists).prop_map(
        |(origin, as_path, next_hop, (med, local_preference, only_to_customer), (communities, large_communities))| {
            Attributes {
                origin,
                as_path,
                next_hop,
                med,
                local_preference,
                communities,
                large_communities,
                only_to_customer,
            }
        },
    )
}

pub(crate) fn context() -> impl Strategy<Value = Context> {
    any::<[bool; 4]>().prop_map(|[four_octet_asns, extended_next_hop, enhanced_route_refresh, internal]| Context {
        four_octet_asns,
        extended_next_hop,
        enhanced_route_refresh,
        families: Family::ALL.to_vec(),
        internal,
    })
}

fn capability() -> impl Strategy<Value = Capability> {
    let family = prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)];
    prop_oneof![
        family.prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        Just(Capability::ExtendedNextHop),
        (0..5u8).prop_map(|role| Capability::Role(Role::of(role).unwrap())),
        Just(Capability::EnhancedRouteRefresh),
        (128..=255u8, vec(any::<u8>(), 0..60)).prop_map(|(code, value)| Capability::Other { code, value }),
    ]
}

pub(crate) fn open() -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0), 3..=u16::MAX];
    (asn(), hold_time, 1..=u32::MAX, vec(capability(), 0..20)).prop_map(
        |(asn, hold_time, identifier, mut capabilities)| {
            // Where the number needs four octets, or where the capability says it anyway.
            if asn > 65535 || asn % 2 == 0 {
                capabilities.push(Capability::FourOctetAsn(asn));
            }
            Open { asn, hold_time, identifier: Ipv4Addr::from_bits(identifier), capabilities }
        },
    )
}

/// Messages that are one message in octets.
fn message() -> impl Strategy<Value = Message> {
    let family = option::of(prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]);
    prop_oneof![
        open().prop_map(Message::Open),
        Just(Message::Keepalive),
        (any::<u8>(), any::<u8>(), vec(any::<u8>(), 0..300))
            .prop_map(|(code, subcode, data)| Message::Notification(Notification { code, subcode, data })),
        (family, 0..4u8).prop_map(|(family, subtype)| Message::RouteRefresh(RouteRefresh { family, subtype })),
        vec(ipv4_prefix(), 1..50).prop_map(|withdrawn| Message::Update(Update { withdrawn, ..Update::default() })),
        vec(ipv6_prefix(), 1..50).prop_map(|withdrawn| Message::Update(Update { withdrawn, ..Update::default() })),
    ]
}

/// What a peer can see of attributes.
fn as_seen(attributes: &Attributes, context: &Context) -> Attributes {
    let local_preference = context.internal.then(|| attributes.local_preference.unwrap_or(100));
    Attributes { local_preference, ..attributes.clone() }
}

proptest! {
    #[test]
    fn messages_survive_a_stream_cut_anywhere(
        messages in vec(message(), 1..6),
        pieces in vec(1..200usize, 1..20),
        context in context(),
    ) {
        // Whether a ROUTE-REFRESH has subtypes is agreed on.
        let context = Context { enhanced_route_refresh: true, ..context };
        let octets: Vec<u8> = messages.iter().flat_map(|message| encode(message, &context)).collect();
        let mut decoder = Decoder::new();
        let (mut read, mut rest) = (Vec::new(), &octets[..]);
        for piece in pieces.iter().cycle() {
            let (mut piece, behind) = rest.split_at((*piece).min(rest.len()));
            while let Some(message) = decoder.next(&mut piece, &context) {
                read.push(message.unwrap());
            }
            prop_assert!(piece.is_empty());
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, messages);
    }

    #[test]
    fn announcements_survive(
        attributes in attributes(),
        ipv4 in vec(ipv4_prefix(), 0..2000),
        ipv6 in vec(ipv6_prefix(), 0..600),
        context in context(),
    ) {
        let announced = [ipv4.clone(), ipv6.clone()].concat();
        let updates = encode_announced(&announced, &attributes, &context);
        prop_assert!(updates.messages.iter().all(|message| message.len() <= MESSAGE_OCTETS_MAX));
        let sent = match attributes.next_hop {
            IpAddr::V4(_) => ipv4,
            IpAddr::V6(_) if context.extended_next_hop => announced.clone(),
            IpAddr::V6(_) => ipv6,
        };
        prop_assert_eq!(updates.unsent.len() + sent.len(), announced.len());
        let update = joined(decode_all(&updates.messages.concat(), &context).unwrap());
        prop_assert_eq!(update.malformed, None);
        prop_assert_eq!(update.attributes, (!sent.is_empty()).then(|| as_seen(&attributes, &context)));
        prop_assert_eq!(update.announced, sent);
    }

    #[test]
    fn withdrawals_survive(
        ipv4 in vec(ipv4_prefix(), 0..3000),
        ipv6 in vec(ipv6_prefix(), 0..900),
        context in context(),
    ) {
        let withdrawn = [ipv4, ipv6].concat();
        let updates = encode_withdrawn(&withdrawn, &context);
        prop_assert!(updates.messages.iter().all(|message| message.len() <= MESSAGE_OCTETS_MAX));
        let update = joined(decode_all(&updates.messages.concat(), &context).unwrap());
        prop_assert_eq!(update, Update { withdrawn, ..Update::default() });
    }

    #[test]
    fn any_change_of_a_message_is_survived(
        attributes in attributes(),
        announced in vec(ipv6_prefix(), 1..20),
        changes in vec((19..4096usize, any::<u8>()), 1..6),
        context in context(),
    ) {
        let next_hop = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into();
        let attributes = Attributes { next_hop, ..attributes };
        let mut octets = encode_announced(&announced, &attributes, &context).messages.concat();
        for (at, octet) in changes {
            let at = 19 + at % (octets.len() - 19);
            octets[at] = octet;
        }
        // Whatever it is now: what can be read of it can be written, and is the same then.
        if let Ok(Ok(Message::Update(update))) = decode_all(&octets, &context).map(|mut all| all.pop().ok_or(())) {
            if update.malformed.is_some() {
                prop_assert_eq!((update.announced.len(), &update.attributes), (0, &None));
            }
            prop_assert_eq!(update.attributes.is_none(), update.announced.is_empty());
        }
    }

    #[test]
    fn any_octets_are_survived(octets in vec(any::<u8>(), 0..300), kind in 1..=5u8, context in context()) {
        let _ = decode_all(&octets, &context);
        let framed = super::messages::framed(kind, &octets);
        if let Err(error) = decode_all(&framed, &context) {
            prop_assert!(error.notification.reason().is_some(), "{}", error);
        }
    }
}
