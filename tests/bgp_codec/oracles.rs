//! Two other codecs, bgpkit-parser (of a route collector) and rustbgpd-wire (of a daemon): what we write they read the
//! same, what they write we read the same. Where they differ on malformed messages, the RFC says why.

use super::messages::*;
use super::properties;
use bgpkit_parser::models as bgpkit;
use bgpkit_parser::parser::bgp::parse_bgp_message;
use bytes::Bytes;
use catchment::announce::bgp::codec::{Context, encode, encode_announced, encode_withdrawn};
use catchment::announce::bgp::message::{Attributes, Capability, Message, Open, Origin, Role, Update};
use catchment::announce::bgp::notification::Reason;
use catchment::announce::prefix::{Family, Prefix};
use proptest::collection::vec;
use proptest::prelude::*;
use rustbgpd_wire::attribute as rustbgpd;
use rustbgpd_wire::{Afi, Ipv4UnicastMode, Safi, UpdateMessage};
use std::net::{IpAddr, Ipv4Addr};

const ONLY_TO_CUSTOMER: u8 = 35;
const AS4_PATH: u8 = 17;

/// What comes out of a reader that keeps each attribute: as much of ours as there was.
#[derive(Debug, Default)]
struct Seen {
    update: Update,
    origin: Option<Origin>,
    as_path: Option<Vec<u32>>,
    as4_path: Option<Vec<u32>>,
    next_hop: Option<IpAddr>,
    med: Option<u32>,
    local_preference: Option<u32>,
    communities: Vec<u32>,
    large_communities: Vec<[u32; 3]>,
    only_to_customer: Option<u32>,
}

impl Seen {
    /// As ours. These readers leave it to their caller to make one path of two (RFC 6793 4.2.3); of paths of sequences
    /// only, AS4_PATH takes the place of as many of the last numbers.
    fn update(self) -> Update {
        let mut as_path = self.as_path.unwrap_or_default();
        if let Some(as4_path) = self.as4_path.filter(|as4_path| as4_path.len() <= as_path.len()) {
            as_path.truncate(as_path.len() - as4_path.len());
            as_path.extend(as4_path);
        }
        let attributes = (!self.update.announced.is_empty()).then(|| Attributes {
            origin: self.origin.unwrap(),
            as_path,
            next_hop: self.next_hop.unwrap(),
            med: self.med,
            local_preference: self.local_preference,
            communities: self.communities,
            large_communities: self.large_communities,
            only_to_customer: self.only_to_customer,
        });
        Update { attributes, ..self.update }
    }
}

fn bgpkit_read(octets: &[u8], context: &Context) -> Result<bgpkit::BgpMessage, String> {
    let width = if context.four_octet_asns { bgpkit::AsnLength::Bits32 } else { bgpkit::AsnLength::Bits16 };
    parse_bgp_message(&mut Bytes::copy_from_slice(octets), false, &width).map_err(|error| error.to_string())
}

fn bgpkit_prefixes(prefixes: &[bgpkit::NetworkPrefix]) -> impl Iterator<Item = Prefix> {
    // RFC 4271 4.3: trailing bits are irrelevant; bgpkit-parser keeps them.
    prefixes.iter().map(|p| Prefix::truncated(p.prefix.addr(), p.prefix.prefix_len()).unwrap())
}

/// Whether bgpkit-parser takes the prefixes for ones with path identifiers: it guesses so of a 0 where a length stands.
/// RFC 7911 4: they are there where they were agreed on, and a length of 0 is the default route (RFC 4271 4.3).
fn bgpkit_guesses(prefixes: &[Prefix]) -> bool {
    prefixes.iter().any(|prefix| prefix.bits() == 0)
}

/// An UPDATE as bgpkit-parser reads it. `None` if it sees anything wrong, or an attribute that we do not write.
fn bgpkit_update(octets: &[u8], context: &Context) -> Option<Seen> {
    use bgpkit::AttributeValue::*;
    let Ok(bgpkit::BgpMessage::Update(update)) = bgpkit_read(octets, context) else { return None };
    if !update.attributes.validation_warnings().is_empty() {
        return None;
    }
    let flat = |path: &bgpkit::AsPath| path.to_u32_vec_opt(false).unwrap_or_default();
    let mut seen = Seen::default();
    seen.update.withdrawn.extend(bgpkit_prefixes(&update.withdrawn_prefixes));
    seen.update.announced.extend(bgpkit_prefixes(&update.announced_prefixes));
    let mut next_hop = None;
    for value in &update.attributes {
        match value {
            Origin(origin) => {
                seen.origin = Some(match origin {
                    bgpkit::Origin::IGP => self::Origin::Igp,
                    bgpkit::Origin::EGP => self::Origin::Egp,
                    bgpkit::Origin::INCOMPLETE => self::Origin::Incomplete,
                });
            }
            AsPath(path) => seen.as_path = Some(flat(path)),
            As4Path(path) => seen.as4_path = Some(flat(path)),
            NextHop(address) => next_hop = Some(*address),
            MultiExitDiscriminator(med) => seen.med = Some(*med),
            LocalPreference(preference) => seen.local_preference = Some(*preference),
            OnlyToCustomer(asn) => seen.only_to_customer = Some(asn.to_u32()),
            Communities(communities) => {
                let word = |community: &bgpkit::Community| match community {
                    bgpkit::Community::NoExport => 0xffff_ff01,
                    bgpkit::Community::NoAdvertise => 0xffff_ff02,
                    bgpkit::Community::NoExportSubConfed => 0xffff_ff03,
                    bgpkit::Community::Custom(asn, value) => asn.to_u32() << 16 | u32::from(*value),
                };
                seen.communities = communities.iter().map(word).collect();
            }
            LargeCommunities(communities) => {
                let words = |c: &bgpkit::LargeCommunity| [c.global_admin, c.local_data[0], c.local_data[1]];
                seen.large_communities = communities.iter().map(words).collect();
            }
            MpReachNlri(nlri) => {
                seen.next_hop = nlri.next_hop.map(|next_hop| next_hop.global_addr());
                seen.update.announced.extend(bgpkit_prefixes(&nlri.prefixes));
            }
            MpUnreachNlri(nlri) => seen.update.withdrawn.extend(bgpkit_prefixes(&nlri.prefixes)),
            _ => return None,
        }
    }
    seen.next_hop = next_hop.or(seen.next_hop);
    Some(seen)
}

/// An UPDATE as rustbgpd-wire reads it. `None` if it sees anything wrong, or an attribute that we do not write.
fn rustbgpd_update(octets: &[u8], context: &Context) -> Option<Seen> {
    use rustbgpd::PathAttribute::*;
    let Ok(rustbgpd_wire::Message::Update(raw)) =
        rustbgpd_wire::decode_message(&mut Bytes::copy_from_slice(octets), rustbgpd_wire::MAX_MESSAGE_LEN)
    else {
        return None;
    };
    let parsed = raw.parse(context.four_octet_asns, false, &[]).ok()?;
    let multiprotocol = parsed.attributes.iter().any(|attribute| matches!(attribute, MpReachNlri(_)));
    let body = !parsed.announced.is_empty();
    rustbgpd_wire::validate::validate_update_attributes(
        &parsed.attributes,
        body || multiprotocol,
        body,
        !context.internal,
    )
    .ok()?;
    let ipv4 = |entry: &rustbgpd_wire::nlri::Ipv4NlriEntry| {
        Prefix::new(entry.prefix.addr.into(), entry.prefix.len).expect("trailing bits are cleared")
    };
    let either = |entry: &rustbgpd_wire::nlri::NlriEntry| match entry.prefix {
        rustbgpd_wire::nlri::Prefix::V4(prefix) => Prefix::new(prefix.addr.into(), prefix.len).unwrap(),
        rustbgpd_wire::nlri::Prefix::V6(prefix) => Prefix::new(prefix.addr.into(), prefix.len).unwrap(),
    };
    let mut seen = Seen::default();
    seen.update.withdrawn.extend(parsed.withdrawn.iter().map(ipv4));
    seen.update.announced.extend(parsed.announced.iter().map(ipv4));
    let mut next_hop = None;
    for attribute in parsed.attributes {
        match attribute {
            Origin(origin) => {
                seen.origin = Some(match origin {
                    rustbgpd::Origin::Igp => self::Origin::Igp,
                    rustbgpd::Origin::Egp => self::Origin::Egp,
                    rustbgpd::Origin::Incomplete => self::Origin::Incomplete,
                });
            }
            AsPath(path) => {
                let flat = path.segments.into_iter().flat_map(|segment| match segment {
                    rustbgpd::AsPathSegment::AsSet(asns) | rustbgpd::AsPathSegment::AsSequence(asns) => asns,
                });
                seen.as_path = Some(flat.collect());
            }
            NextHop(address) => next_hop = Some(IpAddr::from(address)),
            Med(med) => seen.med = Some(med),
            LocalPref(preference) => seen.local_preference = Some(preference),
            Communities(communities) => seen.communities = communities,
            LargeCommunities(communities) => {
                let words = |c: &rustbgpd::LargeCommunity| [c.global_admin, c.local_data1, c.local_data2];
                seen.large_communities = communities.iter().map(words).collect();
            }
            MpReachNlri(reach) => {
                seen.next_hop = Some(reach.next_hop);
                seen.update.announced.extend(reach.announced.iter().map(either));
            }
            MpUnreachNlri(unreach) => seen.update.withdrawn.extend(unreach.withdrawn.iter().map(either)),
            // It knows neither OTC nor AS4_PATH, and keeps their octets.
            Unknown(raw) if raw.type_code == ONLY_TO_CUSTOMER => {
                seen.only_to_customer = raw.data[..].try_into().ok().map(u32::from_be_bytes);
            }
            Unknown(raw) if raw.type_code == AS4_PATH => seen.as4_path = as4_path(&raw.data),
            _ => return None,
        }
    }
    seen.next_hop = next_hop.or(seen.next_hop);
    Some(seen)
}

/// RFC 6793 3: segments as in AS_PATH, four octets each number.
fn as4_path(mut octets: &[u8]) -> Option<Vec<u32>> {
    let mut asns = Vec::new();
    while let [_, count, rest @ ..] = octets {
        let (segment, behind) = rest.split_at_checked(4 * usize::from(*count))?;
        asns.extend(segment.chunks(4).map(|asn| u32::from_be_bytes(asn.try_into().unwrap())));
        octets = behind;
    }
    Some(asns)
}

/// Attributes for bgpkit-parser to write. Routes of a family whose next hop is IPv4 stand in the UPDATE's own field.
fn bgpkit_attributes(attributes: &Attributes, announced: &[Prefix]) -> bgpkit::BgpUpdateMessage {
    use bgpkit::AttributeValue::*;
    let networks = |prefixes: &[Prefix]| prefixes.iter().map(|p| p.to_string().parse().unwrap()).collect::<Vec<_>>();
    let mut values = vec![
        Origin(match attributes.origin {
            self::Origin::Igp => bgpkit::Origin::IGP,
            self::Origin::Egp => bgpkit::Origin::EGP,
            self::Origin::Incomplete => bgpkit::Origin::INCOMPLETE,
        }),
        AsPath(bgpkit::AsPath::from_segments(
            attributes.as_path.chunks(255).map(bgpkit::AsPathSegment::sequence).collect::<Vec<_>>(),
        )),
    ];
    values.extend(attributes.med.map(MultiExitDiscriminator));
    values.extend(attributes.local_preference.map(LocalPreference));
    values.extend(attributes.only_to_customer.map(|asn| OnlyToCustomer(asn.into())));
    if !attributes.communities.is_empty() {
        let community =
            |word: &u32| bgpkit::Community::Custom(bgpkit::Asn::new_16bit((word >> 16) as u16), *word as u16);
        values.push(Communities(attributes.communities.iter().map(community).collect()));
    }
    if !attributes.large_communities.is_empty() {
        let large = |[a, b, c]: &[u32; 3]| bgpkit::LargeCommunity::new(*a, [*b, *c]);
        values.push(LargeCommunities(attributes.large_communities.iter().map(large).collect()));
    }
    let mut message = bgpkit::BgpUpdateMessage::default();
    match attributes.next_hop {
        IpAddr::V4(_) => {
            values.push(NextHop(attributes.next_hop));
            message.announced_prefixes = networks(announced);
        }
        IpAddr::V6(_) => {
            let networks = networks(announced);
            let mut nlri = bgpkit::Nlri::new_reachable(networks[0], Some(attributes.next_hop));
            nlri.prefixes = networks;
            values.push(MpReachNlri(nlri));
        }
    }
    // Its writer leaves it to the caller to say that a length needs two octets.
    message.attributes = values
        .into_iter()
        .map(|value| {
            let mut attribute = bgpkit::Attribute::from(value);
            attribute.flag |= bgpkit::AttrFlags::EXTENDED;
            attribute
        })
        .collect::<Vec<_>>()
        .into();
    message
}

fn rustbgpd_attributes(attributes: &Attributes, announced: &[Prefix]) -> UpdateMessage {
    use rustbgpd::PathAttribute::*;
    use rustbgpd_wire::nlri;
    let ipv4 = |prefix: &Prefix| match prefix.address() {
        IpAddr::V4(address) => nlri::Ipv4Prefix::new(address, prefix.bits()),
        IpAddr::V6(_) => panic!("an IPv6 prefix with an IPv4 next hop"),
    };
    let either = |prefix: &Prefix| nlri::NlriEntry {
        path_id: 0,
        prefix: match prefix.address() {
            IpAddr::V4(_) => nlri::Prefix::V4(ipv4(prefix)),
            IpAddr::V6(address) => nlri::Prefix::V6(nlri::Ipv6Prefix::new(address, prefix.bits())),
        },
    };
    let mut values = vec![
        Origin(match attributes.origin {
            self::Origin::Igp => rustbgpd::Origin::Igp,
            self::Origin::Egp => rustbgpd::Origin::Egp,
            self::Origin::Incomplete => rustbgpd::Origin::Incomplete,
        }),
        AsPath(rustbgpd::AsPath {
            segments: attributes
                .as_path
                .chunks(255)
                .map(|asns| rustbgpd::AsPathSegment::AsSequence(asns.to_vec()))
                .collect(),
        }),
    ];
    values.extend(attributes.med.map(Med));
    values.extend(attributes.local_preference.map(LocalPref));
    if !attributes.communities.is_empty() {
        values.push(Communities(attributes.communities.clone()));
    }
    if !attributes.large_communities.is_empty() {
        let large = |[a, b, c]: &[u32; 3]| rustbgpd::LargeCommunity::new(*a, *b, *c);
        values.push(LargeCommunities(attributes.large_communities.iter().map(large).collect()));
    }
    // It passes OTC on as one that it does not know: with the Partial bit (RFC 4271 5).
    values.extend(attributes.only_to_customer.map(|asn| {
        Unknown(rustbgpd::RawAttribute {
            flags: 0xc0,
            type_code: ONLY_TO_CUSTOMER,
            data: Bytes::copy_from_slice(&asn.to_be_bytes()),
        })
    }));
    let mut own_field = Vec::new();
    match attributes.next_hop {
        IpAddr::V4(next_hop) => {
            values.push(NextHop(next_hop));
            own_field = announced.iter().map(|p| nlri::Ipv4NlriEntry { path_id: 0, prefix: ipv4(p) }).collect();
        }
        IpAddr::V6(_) => values.push(MpReachNlri(rustbgpd::MpReachNlri {
            afi: if announced[0].family() == Family::Ipv4 { Afi::Ipv4 } else { Afi::Ipv6 },
            safi: Safi::Unicast,
            next_hop: attributes.next_hop,
            link_local_next_hop: None,
            announced: announced.iter().map(either).collect(),
            flowspec_announced: Vec::new(),
            evpn_announced: Vec::new(),
        })),
    }
    UpdateMessage::build(&own_field, &[], &values, true, false, Ipv4UnicastMode::Body)
}

/// Routes that fit one message: of one family, the next hop fitting.
fn routes() -> impl Strategy<Value = (Vec<Prefix>, Attributes)> {
    let ipv6_next_hop = || {
        any::<[u8; 14]>().prop_map(|rest| {
            let mut address = [0; 16];
            address[..2].copy_from_slice(&[0x20, 0x01]);
            address[2..].copy_from_slice(&rest);
            IpAddr::from(address)
        })
    };
    let ipv4_next_hop = any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([192, b, c, d]));
    let routes = prop_oneof![
        (vec(properties::ipv4_prefix(), 1..40), ipv4_next_hop),
        (vec(properties::ipv4_prefix(), 1..40), ipv6_next_hop()),
        (vec(properties::ipv6_prefix(), 1..40), ipv6_next_hop()),
    ];
    (routes, properties::attributes())
        .prop_map(|((prefixes, next_hop), attributes)| (prefixes, Attributes { next_hop, ..attributes }))
}

/// The widths of AS numbers and the kinds of peer.
fn contexts() -> impl Strategy<Value = Context> {
    prop_oneof![Just(external()), Just(internal()), Just(two_octets())]
}

fn capability_octets(capability: &Capability) -> (u8, Vec<u8>) {
    match capability {
        Capability::Multiprotocol(family) => (1, vec![0, if *family == Family::Ipv4 { 1 } else { 2 }, 0, 1]),
        Capability::RouteRefresh => (2, Vec::new()),
        Capability::ExtendedNextHop => (5, vec![0, 1, 0, 1, 0, 2]),
        Capability::Role(role) => (9, vec![*role as u8]),
        Capability::FourOctetAsn(asn) => (65, asn.to_be_bytes().to_vec()),
        Capability::EnhancedRouteRefresh => (70, Vec::new()),
        Capability::Other { code, value } => (*code, value.clone()),
    }
}

fn bgpkit_capability_octets(capability: &bgpkit::Capability) -> (u8, Vec<u8>) {
    use bgpkit::CapabilityValue::*;
    let value = match &capability.value {
        Raw(octets) => octets.clone(),
        MultiprotocolExtensions(value) => value.encode().to_vec(),
        RouteRefresh(value) => value.encode().to_vec(),
        ExtendedNextHop(value) => value.encode().to_vec(),
        FourOctetAs(value) => value.encode().to_vec(),
        BgpRole(value) => value.encode().to_vec(),
        other => panic!("a capability that we do not write: {other:?}"),
    };
    (capability.ty.into(), value)
}

proptest! {
    #[test]
    fn what_we_announce_others_read((announced, attributes) in routes(), context in contexts()) {
        let updates = encode_announced(&announced, &attributes, &context);
        prop_assert_eq!(&updates.unsent, &[]);
        for octets in &updates.messages {
            let ours = decode_update(octets, &context);
            if !bgpkit_guesses(&announced) {
                let theirs = bgpkit_update(octets, &context).expect("bgpkit-parser reads it");
                prop_assert_eq!(theirs.update(), ours.clone());
            }
            prop_assert_eq!(rustbgpd_update(octets, &context).expect("rustbgpd-wire reads it").update(), ours);
        }
    }

    #[test]
    fn what_we_withdraw_others_read(
        ipv4 in vec(properties::ipv4_prefix(), 0..50),
        ipv6 in vec(properties::ipv6_prefix(), 0..50),
    ) {
        let withdrawn = [ipv4, ipv6].concat();
        let updates = encode_withdrawn(&withdrawn, &external());
        for octets in &updates.messages {
            let ours = decode_update(octets, &external());
            if !bgpkit_guesses(&withdrawn) {
                prop_assert_eq!(bgpkit_update(octets, &external()).unwrap().update(), ours.clone());
            }
            prop_assert_eq!(rustbgpd_update(octets, &external()).unwrap().update(), ours);
        }
    }

    #[test]
    fn what_others_announce_we_read((announced, attributes) in routes(), internal_peer in any::<bool>()) {
        let context = if internal_peer { internal() } else { external() };
        // What an external peer says of LOCAL_PREF is discarded (RFC 7606 7.5), what an internal one does not say is
        // missed.
        let local_preference = internal_peer.then_some(attributes.local_preference.unwrap_or(7));
        let attributes = Attributes { local_preference, ..attributes };
        let expected =
            Update { announced: announced.clone(), attributes: Some(attributes.clone()), ..Update::default() };

        let message = bgpkit::BgpMessage::Update(bgpkit_attributes(&attributes, &announced));
        let octets = message.encode(bgpkit::AsnLength::Bits32).unwrap();
        prop_assert_eq!(decode_update(&octets, &context), expected.clone());

        let message = rustbgpd_wire::Message::Update(rustbgpd_attributes(&attributes, &announced));
        let octets = rustbgpd_wire::encode_message(&message).unwrap();
        prop_assert_eq!(decode_update(&octets, &context), expected);
    }

    #[test]
    fn opens_are_read_and_written_alike(open in properties::open()) {
        let octets = encode(&Message::Open(open.clone()), &Context::default());
        let ours: Vec<_> = open.capabilities.iter().map(capability_octets).collect();
        let short = u16::try_from(open.asn).unwrap_or(23456);

        let Ok(bgpkit::BgpMessage::Open(theirs)) = bgpkit_read(&octets, &Context::default()) else { panic!("no OPEN") };
        prop_assert_eq!((theirs.version, theirs.asn.to_u32(), theirs.hold_time), (4, u32::from(short), open.hold_time));
        prop_assert_eq!(theirs.bgp_identifier, open.identifier);
        let read: Vec<_> = theirs
            .opt_params
            .iter()
            .flat_map(|parameter| match &parameter.param_value {
                bgpkit::ParamValue::Capacities(capabilities) => capabilities,
                bgpkit::ParamValue::Raw(_) => panic!("a parameter that we do not write"),
            })
            .map(bgpkit_capability_octets)
            .collect();
        prop_assert_eq!(&read, &ours);
        let again = bgpkit::BgpMessage::Open(theirs).encode(bgpkit::AsnLength::Bits16).unwrap();
        prop_assert_eq!(decode(&again, &Context::default()), Ok(Message::Open(open.clone())));

        let read = rustbgpd_wire::decode_message(&mut Bytes::copy_from_slice(&octets), rustbgpd_wire::MAX_MESSAGE_LEN);
        // RFC 9072 2, which rustbgpd-wire 0.9 does not know, and takes for a parameter of type 255.
        let extended = octets[28] == 255 && octets[29] == 255;
        match read {
            Ok(rustbgpd_wire::Message::Open(theirs)) if !extended => {
                prop_assert_eq!((theirs.version, theirs.my_as, theirs.hold_time), (4, short, open.hold_time));
                prop_assert_eq!(theirs.bgp_identifier, open.identifier);
                let mut written = Vec::new();
                for capability in &theirs.capabilities {
                    capability.encode(&mut written).unwrap();
                }
                let octets = |(code, value): (u8, Vec<u8>)| [vec![code, value.len() as u8], value].concat();
                let ours: Vec<u8> = ours.into_iter().flat_map(octets).collect();
                prop_assert_eq!(written, ours);
                let again = rustbgpd_wire::encode_message(&rustbgpd_wire::Message::Open(theirs)).unwrap();
                prop_assert_eq!(decode(&again, &Context::default()), Ok(Message::Open(open)));
            }
            other => prop_assert!(extended, "{:?}", other),
        }
    }

    /// Octets of an UPDATE changed at random: where both sides see nothing wrong, they read the same.
    #[test]
    fn changed_updates_are_read_alike_or_not_at_all(
        (announced, attributes) in routes(),
        changes in vec((any::<usize>(), any::<u8>()), 1..4),
        context in contexts(),
    ) {
        let mut octets = encode_announced(&announced, &attributes, &context).messages.remove(0);
        for (at, octet) in changes {
            let at = 19 + at % (octets.len() - 19);
            octets[at] = octet;
        }
        let Ok(Message::Update(ours)) = decode(&octets, &context) else { return Ok(()) };
        if ours.malformed.is_none() && let Some(Seen { update: theirs, .. }) = rustbgpd_update(&octets, &context) {
            prop_assert_eq!(theirs.withdrawn, ours.withdrawn);
            prop_assert_eq!(theirs.announced, ours.announced);
        }
    }
}

#[test]
fn others_write_the_same_octets() {
    // KEEPALIVE, the End-of-RIB marks, and a Cease: there is but one way to write them.
    let keepalive = bgpkit::BgpMessage::KeepAlive.encode(bgpkit::AsnLength::Bits32).unwrap();
    assert_eq!(keepalive, encode(&Message::Keepalive, &external()));
    let keepalive = rustbgpd_wire::encode_message(&rustbgpd_wire::Message::Keepalive).unwrap();
    assert_eq!(keepalive, encode(&Message::Keepalive, &external()));

    let end = |family| Message::Update(Update { end_of_rib: Some(family), ..Update::default() });
    for family in Family::ALL {
        let octets = encode(&end(family), &external());
        let Ok(bgpkit::BgpMessage::Update(update)) = bgpkit_read(&octets, &external()) else { panic!("no UPDATE") };
        assert!(update.is_end_of_rib());
        let again = bgpkit::BgpMessage::Update(update).encode(bgpkit::AsnLength::Bits32).unwrap();
        assert_eq!(decode(&again, &external()), Ok(end(family)));
    }

    let text = "moving: back at 04:00 UTC";
    let cease = catchment::announce::bgp::message::Notification::cease(Reason::AdministrativeShutdown, text);
    let octets = encode(&Message::Notification(cease.clone()), &external());
    let theirs = rustbgpd_wire::NotificationMessage::new(
        rustbgpd_wire::NotificationCode::Cease,
        2,
        rustbgpd_wire::notification::encode_shutdown_communication(text),
    );
    let written = rustbgpd_wire::encode_message(&rustbgpd_wire::Message::Notification(theirs)).unwrap();
    assert_eq!(written, octets);
    let Ok(bgpkit::BgpMessage::Notification(read)) = bgpkit_read(&octets, &external()) else {
        panic!("no NOTIFICATION")
    };
    assert_eq!((read.error.get_codes(), read.data), ((6, 2), cease.data));
}

#[test]
fn roles_are_numbered_alike() {
    for value in 0..=5u8 {
        let theirs = bgpkit::BgpRole::try_from(value).ok().map(u8::from);
        assert_eq!(Role::of(value).map(|role| role as u8), theirs);
    }
}

/// How the three judge one UPDATE of an external peer.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing is wrong.
    Good,
    /// The routes count as withdrawn; or, of a reader, there is something wrong.
    Withdraw,
    /// The session ends; or, of a reader, it does not read it.
    Reset,
}
use Verdict::{Good, Reset, Withdraw};

fn our_verdict(octets: &[u8]) -> Verdict {
    match decode(octets, &external()) {
        Ok(Message::Update(update)) if update.malformed.is_none() => Good,
        Ok(_) => Withdraw,
        Err(_) => Reset,
    }
}

fn bgpkit_verdict(octets: &[u8]) -> Verdict {
    match bgpkit_read(octets, &external()) {
        Ok(bgpkit::BgpMessage::Update(update)) if update.attributes.validation_warnings().is_empty() => Good,
        Ok(_) => Withdraw,
        Err(_) => Reset,
    }
}

fn rustbgpd_verdict(octets: &[u8]) -> Verdict {
    if rustbgpd_update(octets, &external()).is_some() { Good } else { Reset }
}

/// bgpkit-parser is a collector's: it warns where it can. rustbgpd-wire 0.9 follows RFC 4271: any error ends the
/// session, and leaves RFC 7606 to the daemon.
#[test]
fn differences_are_those_that_the_rfcs_explain() {
    const WHOLE: &str = "40 01 01 00 40 02 06 02 01 0000fbf5 40 03 04 c0000202";
    let nlri = "18 c00002";
    for (why, attributes, ours, bgpkit, rustbgpd) in [
        ("all agree", WHOLE.to_owned(), Good, Good, Good),
        ("RFC 7606 7.1: ORIGIN 3 withdraws", WHOLE.replace("40 01 01 00", "40 01 01 03"), Withdraw, Withdraw, Reset),
        (
            "RFC 7606 7.2: an empty segment withdraws",
            WHOLE.replace("02 06 02 01 0000fbf5", "02 02 02 00"),
            Withdraw,
            Good,
            Reset,
        ),
        ("RFC 7607 2: AS 0 withdraws", WHOLE.replace("0000fbf5", "00000000"), Withdraw, Good, Good),
        (
            "RFC 5065 5: a confederation's segment from outside",
            WHOLE.replace("06 02 01", "06 03 01"),
            Withdraw,
            Good,
            Reset,
        ),
        ("RFC 7606 7.3: NEXT_HOP of 3 octets", WHOLE.replace("04 c0000202", "03 c00002"), Withdraw, Withdraw, Reset),
        ("RFC 4271 6.3: NEXT_HOP of no host", WHOLE.replace("c0000202", "e0000001"), Withdraw, Good, Reset),
        ("RFC 7606 3 (d): ORIGIN is missing", WHOLE.replace("40 01 01 00", ""), Withdraw, Withdraw, Reset),
        ("RFC 7606 3 (c): flags", WHOLE.replace("40 01 01", "80 01 01"), Withdraw, Withdraw, Reset),
        ("RFC 7606 3 (g): the first of two ORIGINs counts", format!("{WHOLE} 40 01 01 02"), Good, Withdraw, Reset),
        ("RFC 7606 7.8: COMMUNITIES without any", format!("{WHOLE} c0 08 00"), Withdraw, Good, Good),
        ("RFC 7606 7.8: COMMUNITIES of 3 octets", format!("{WHOLE} c0 08 03 000000"), Withdraw, Withdraw, Reset),
        ("RFC 8092 6: LARGE_COMMUNITY of 4 octets", format!("{WHOLE} c0 20 04 00000000"), Withdraw, Withdraw, Reset),
        ("RFC 9234 5: OTC of 2 octets", format!("{WHOLE} c0 23 02 0000"), Withdraw, Withdraw, Good),
        ("RFC 7606 7.5: LOCAL_PREF from outside", format!("{WHOLE} 40 05 04 00000064"), Good, Good, Good),
        ("RFC 7606 4: cut off, which bgpkit-parser leaves out", format!("{WHOLE} c0 08 08 00"), Withdraw, Good, Reset),
    ] {
        let octets = update_octets("", &attributes, nlri);
        assert_eq!(
            (our_verdict(&octets), bgpkit_verdict(&octets), rustbgpd_verdict(&octets)),
            (ours, bgpkit, rustbgpd),
            "{why}"
        );
    }
    // RFC 7606 5.3: a prefix of 33 bits ends the session; bgpkit-parser warns.
    let octets = update_octets("", WHOLE, "21 c0000200");
    assert_eq!((our_verdict(&octets), bgpkit_verdict(&octets), rustbgpd_verdict(&octets)), (Reset, Withdraw, Reset));
    // RFC 8950 4: IPv4 routes with an IPv6 next hop only where that was agreed; the readers know of no agreement.
    let reach = "80 0e 19 0001 01 10 20010db8000000000000000000000002 00 18 c00002 40 01 01 00 40 02 06 02 01 0000fbf5";
    let octets = update_octets("", reach, "");
    let classic_only = Context { extended_next_hop: false, ..external() };
    assert!(decode(&octets, &classic_only).is_err());
    assert_eq!((our_verdict(&octets), bgpkit_verdict(&octets), rustbgpd_verdict(&octets)), (Good, Good, Good));
}

#[test]
fn a_known_capability_of_wrong_length_is_malformed() {
    // RFC 4271 6.2: recognized and malformed, an error; both readers keep it as if they did not know it.
    let octets = framed(OPEN, &hex("04 fbf5 0009 c0000201 06 02 04 41 02 fbf5"));
    let error = decode(&octets, &Context::default()).unwrap_err();
    assert_eq!(error.notification.reason(), Some(Reason::OpenUnspecific));
    assert!(bgpkit_read(&octets, &Context::default()).is_ok());
    assert!(rustbgpd_wire::decode_message(&mut Bytes::copy_from_slice(&octets), 4096).is_ok());
    // An OPEN that all three read.
    let open = Open { asn: 64501, hold_time: 9, identifier: Ipv4Addr::new(192, 0, 2, 1), capabilities: Vec::new() };
    let octets = encode(&Message::Open(open), &Context::default());
    assert!(bgpkit_read(&octets, &Context::default()).is_ok());
    assert!(rustbgpd_wire::decode_message(&mut Bytes::copy_from_slice(&octets), 4096).is_ok());
}
