//! Properties over generated RDATA of every type: text and wire form say the same.

use super::layout::{Field, Kind, known, layout};
use super::{check, write};
use crate::wire::code::rtype;
use crate::wire::name::Name;
use crate::zone::dump::write_record;
use crate::zone::parse::{Options, parse_text};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn name() -> BoxedStrategy<Vec<u8>> {
    // Four labels of 63 octets would be one octet too many.
    vec(vec(any::<u8>(), 1..=60), 0..=4)
        .prop_map(|labels| {
            let mut wire = Vec::new();
            for label in labels {
                wire.push(label.len() as u8);
                wire.extend(label);
            }
            wire.push(0);
            wire
        })
        .boxed()
}

fn string(min: usize) -> BoxedStrategy<Vec<u8>> {
    vec(any::<u8>(), min..=255).prop_map(|text| [&[text.len() as u8], &text[..]].concat()).boxed()
}

/// A value that is right for the key, by RFC 9460 section 7.
fn svc_value(key: u16) -> BoxedStrategy<Vec<u8>> {
    match key {
        1 => vec(string(1), 1..4).prop_map(|items| items.concat()).boxed(),
        2 | 8 => Just(Vec::new()).boxed(),
        3 => vec(any::<u8>(), 2).boxed(),
        4 => (1usize..4).prop_flat_map(|count| vec(any::<u8>(), 4 * count)).boxed(),
        5 | 7 => vec(any::<u8>(), 1..50).boxed(),
        6 => (1usize..4).prop_flat_map(|count| vec(any::<u8>(), 16 * count)).boxed(),
        _ => vec(any::<u8>(), 0..50).boxed(),
    }
}

fn svc_params() -> BoxedStrategy<Vec<u8>> {
    let key = prop_oneof![1u16..10, 1u16..65_535];
    btree_map(key, any::<proptest::sample::Index>(), 0..6)
        .prop_flat_map(|keys| {
            let values: Vec<_> = keys.keys().map(|&key| svc_value(key).prop_map(move |value| (key, value))).collect();
            (values, any::<bool>())
        })
        .prop_map(|(params, mandatory)| {
            let mut params: Vec<(u16, Vec<u8>)> = params;
            if !params.iter().any(|(key, _)| *key == 1) {
                params.retain(|(key, _)| *key != 2);
            }
            if mandatory && !params.is_empty() {
                let keys = params.iter().flat_map(|(key, _)| key.to_be_bytes()).collect();
                params.insert(0, (0, keys));
            }
            let mut wire = Vec::new();
            for (key, value) in params {
                wire.extend(key.to_be_bytes());
                wire.extend((value.len() as u16).to_be_bytes());
                wire.extend(value);
            }
            wire
        })
        .boxed()
}

fn loc() -> BoxedStrategy<Vec<u8>> {
    let extent = (0u8..=9, 0u8..=9).prop_map(|(mantissa, exponent)| mantissa << 4 | exponent);
    let angle = |degrees: u32| ((1 << 31) - degrees * 3_600_000)..=((1 << 31) + degrees * 3_600_000);
    (vec(extent, 3), angle(90), angle(180), any::<u32>())
        .prop_map(|(extents, latitude, longitude, altitude)| {
            [&[0], &extents[..], &latitude.to_be_bytes(), &longitude.to_be_bytes(), &altitude.to_be_bytes()].concat()
        })
        .boxed()
}

/// Windows of types: none is empty, and each ends with an octet that is not 0.
fn windows(min: usize) -> BoxedStrategy<Vec<u8>> {
    let bits = (vec(any::<u8>(), 0..32), 1u8..).prop_map(|(bits, last)| [&bits[..], &[last]].concat());
    btree_map(any::<u8>(), bits, min..4)
        .prop_map(|windows| {
            windows.into_iter().flat_map(|(window, bits)| [&[window, bits.len() as u8], &bits[..]].concat()).collect()
        })
        .boxed()
}

fn prefixes() -> BoxedStrategy<Vec<u8>> {
    let address =
        |max: usize| (vec(any::<u8>(), 0..max), 1u8..).prop_map(|(octets, last)| [&octets[..], &[last]].concat());
    let item = prop_oneof![(Just(1u8), 0u8..=32, address(4)), (Just(2u8), 0u8..=128, address(16))];
    let item = (item, any::<bool>()).prop_map(|((family, prefix, address), is_negated)| {
        [&[0, family, prefix, address.len() as u8 | u8::from(is_negated) << 7], &address[..]].concat()
    });
    vec(item, 0..4).prop_map(|items| items.concat()).boxed()
}

/// A gateway of one of the four types.
fn gateway() -> BoxedStrategy<(u8, Vec<u8>)> {
    let octets = |kind: u8, count: usize| (Just(kind), vec(any::<u8>(), count));
    prop_oneof![octets(0, 0), octets(1, 4), octets(2, 16), (Just(3u8), name())].boxed()
}

fn hip() -> BoxedStrategy<Vec<u8>> {
    (any::<u8>(), vec(any::<u8>(), 1..=255), vec(any::<u8>(), 1..300), vec(name(), 0..3))
        .prop_map(|(algorithm, tag, key, servers)| {
            let head = [tag.len() as u8, algorithm, (key.len() >> 8) as u8, key.len() as u8];
            [&head, &tag[..], &key, &servers.concat()].concat()
        })
        .boxed()
}

fn a6() -> BoxedStrategy<Vec<u8>> {
    (0u8..=128, vec(any::<u8>(), 16), name())
        .prop_map(|(prefix, address, name)| {
            let mut suffix = address[usize::from(prefix / 8)..].to_vec();
            if let Some(first) = suffix.first_mut() {
                *first &= 0xff >> (prefix % 8);
            }
            [&[prefix][..], &suffix, if prefix > 0 { &name } else { &[] }].concat()
        })
        .boxed()
}

fn field(field: &Field) -> BoxedStrategy<Vec<u8>> {
    let octets = |count: usize| vec(any::<u8>(), count).boxed();
    // Bits of one run: the last octet is not 0.
    let run = |count: usize| {
        prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..count).prop_map(|bits| [&bits[..], &[1]].concat())].boxed()
    };
    match field.kind {
        Kind::Name => name(),
        Kind::U8 | Kind::Algorithm | Kind::Digest | Kind::HashAlgorithm | Kind::Scheme | Kind::Protocol => octets(1),
        Kind::U16 | Kind::Type | Kind::Certificate => octets(2),
        Kind::U32 | Kind::Time | Kind::Stamp | Kind::Ipv4 => octets(4),
        Kind::Eui48 => octets(6),
        Kind::Eui64 | Kind::Locator => octets(8),
        Kind::Ipv6 => octets(16),
        Kind::String | Kind::Salt => string(0),
        Kind::Hash => string(1),
        Kind::MaybeString => prop_oneof![Just(Vec::new()), string(0)].boxed(),
        Kind::Strings => vec(string(0), 1..4).prop_map(|strings| strings.concat()).boxed(),
        Kind::Psdn => "[0-9]{4,255}".prop_map(|digits| [&[digits.len() as u8], digits.as_bytes()].concat()).boxed(),
        Kind::Hex | Kind::Base64 | Kind::RestSome | Kind::Nsap => vec(any::<u8>(), 1..100).boxed(),
        Kind::Rest | Kind::MaybeBase64 | Kind::Base64OrDash => vec(any::<u8>(), 0..100).boxed(),
        Kind::Types => windows(0),
        Kind::SomeTypes => windows(1),
        // Type 0 is none.
        Kind::NxtTypes => run(15)
            .prop_map(|bits| {
                bits.into_iter().enumerate().map(|(at, bits)| if at > 0 { bits } else { bits & 0x7f | 1 }).collect()
            })
            .boxed(),
        Kind::Ports => run(200),
        Kind::Atma => prop_oneof![
            vec(any::<u8>(), 1..21).prop_map(|octets| [&[0], &octets[..]].concat()),
            "[0-9]{1,15}".prop_map(|digits| [&[1], digits.as_bytes()].concat()),
        ]
        .boxed(),
        Kind::Tag => "[a-zA-Z0-9]{1,20}".prop_map(|tag| [&[tag.len() as u8], tag.as_bytes()].concat()).boxed(),
        Kind::Loc => loc(),
        Kind::SvcParams => svc_params(),
        Kind::Prefixes => prefixes(),
        Kind::Ipseckey => (gateway(), vec(any::<u8>(), 0..100))
            .prop_map(|((kind, gateway), key)| [&[kind, u8::from(!key.is_empty()) * 2], &gateway[..], &key].concat())
            .boxed(),
        Kind::Amtrelay => (any::<bool>(), gateway())
            .prop_map(|(discovery, (kind, gateway))| [&[u8::from(discovery) << 7 | kind], &gateway[..]].concat())
            .boxed(),
        Kind::Hip => hip(),
        Kind::A6 => a6(),
    }
}

/// A type, and RDATA that is well-formed for it.
fn record() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let any_type = prop_oneof![20 => proptest::sample::select(known()), 1 => Just(65_280u16), 1 => Just(rtype::NULL)];
    any_type.prop_flat_map(|rtype| {
        let fields: Vec<_> = match layout(rtype) {
            Some(fields) => fields.iter().map(field).collect(),
            None => vec![vec(any::<u8>(), 0..100).boxed()],
        };
        fields.prop_map(move |parts| {
            let mut wire = parts.concat();
            match (rtype, &mut wire[..]) {
                // The digest's length follows from its type: take one without a known length.
                (rtype::DS | rtype::CDS | rtype::DLV | rtype::TA, [_, _, _, kind, ..]) => *kind |= 0x80,
                (rtype::SSHFP, [_, kind, ..]) => *kind |= 0x80,
                (rtype::ZONEMD, [_, _, _, _, _, kind, ..]) => {
                    *kind |= 0x80;
                    wire.extend([0; 11]);
                }
                (rtype::NSEC3, [algorithm, ..]) => *algorithm |= 0x80,
                (rtype::KEY, [flags, ..]) => *flags |= 0xc0,
                (rtype::RKEY, [first, second, ..]) => (*first, *second) = (0, 0),
                // Priority 0 takes no parameters.
                (rtype::SVCB | rtype::HTTPS, [_, low, ..]) => *low |= 1,
                _ => {}
            }
            (rtype, wire)
        })
    })
}

proptest! {
    #[test]
    fn text_of_any_record_reads_back_as_the_same_octets(
        owner in name(), (rtype, rdata) in record(), ttl_secs in 0u32..1 << 31,
    ) {
        prop_assert_eq!(check(rtype, &rdata), Ok(()));
        let mut text = String::new();
        write_record(&owner, rtype, ttl_secs, &rdata, &mut text);
        let parsed = parse_text("test", text.as_str(), &Name::root(), &Options::default());
        prop_assert_eq!(&parsed.diagnostics, &Vec::new(), "{}", text);
        let record = parsed.records.iter().next().unwrap();
        prop_assert_eq!(parsed.records.rdata(&record), &rdata[..], "{}", text);
        prop_assert_eq!(parsed.records.owner(&record), &owner[..]);
        prop_assert_eq!((record.rtype, record.ttl_secs, record.line), (rtype, ttl_secs, 1));
        // Only what has no other form is written as octets.
        let zero_extent = rtype == rtype::LOC && rdata[1..4].iter().any(|extent| (1..10).contains(extent));
        let has_no_form = layout(rtype).is_none() || zero_extent || (rtype == rtype::APL && rdata.is_empty());
        prop_assert_eq!(text.contains("\t\\# "), has_no_form, "{}", text);
    }

    #[test]
    fn octets_are_taken_or_refused_alike_in_every_form(rtype in proptest::sample::select(known()), rdata in vec(any::<u8>(), 0..40)) {
        let good = check(rtype, &rdata).is_ok();
        let mut text = String::new();
        write(rtype, &rdata, &mut text);
        let generic: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
        let generic = format!(". 0 {} \\# {} {generic}", rtype::text(rtype), rdata.len());
        let parsed = parse_text("test", generic.as_str(), &Name::root(), &Options::default());
        prop_assert_eq!(parsed.has_errors(), !good, "{}", generic);
        let parsed = parse_text("test", format!(". 0 {} {text}", rtype::text(rtype)), &Name::root(), &Options::default());
        prop_assert_eq!(parsed.has_errors(), !good, "{}", text);
        if let Some(record) = parsed.records.iter().next() {
            prop_assert_eq!(parsed.records.rdata(&record), &rdata[..], "{}", text);
        }
    }
}
