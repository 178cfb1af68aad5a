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
        2 => Just(Vec::new()).boxed(),
        3 => vec(any::<u8>(), 2).boxed(),
        4 => (1usize..4).prop_flat_map(|count| vec(any::<u8>(), 4 * count)).boxed(),
        5 => vec(any::<u8>(), 1..50).boxed(),
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

fn field(field: &Field) -> BoxedStrategy<Vec<u8>> {
    let octets = |count: usize| vec(any::<u8>(), count).boxed();
    match field.kind {
        Kind::Name => name(),
        Kind::U8 | Kind::Algorithm => octets(1),
        Kind::U16 => octets(2),
        Kind::U32 | Kind::Time | Kind::Ipv4 => octets(4),
        Kind::Ipv6 => octets(16),
        Kind::String => string(0),
        Kind::Strings => vec(string(0), 1..4).prop_map(|strings| strings.concat()).boxed(),
        Kind::Hex | Kind::RestSome => vec(any::<u8>(), 1..100).boxed(),
        Kind::Rest => vec(any::<u8>(), 0..100).boxed(),
        Kind::Tag => "[a-zA-Z0-9]{1,20}".prop_map(|tag| [&[tag.len() as u8], tag.as_bytes()].concat()).boxed(),
        Kind::Loc => loc(),
        Kind::SvcParams => svc_params(),
    }
}

/// A type, and RDATA that is well-formed for it.
fn record() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let any_type = prop_oneof![proptest::sample::select(known()), Just(65_280u16), Just(rtype::DNSKEY)];
    any_type.prop_flat_map(|rtype| {
        let fields: Vec<_> = match layout(rtype) {
            Some(fields) => fields.iter().map(field).collect(),
            None => vec![vec(any::<u8>(), 0..100).boxed()],
        };
        fields.prop_map(move |parts| {
            let mut wire = parts.concat();
            match (rtype, &mut wire[..]) {
                // The digest's length follows from its type: take one without a known length.
                (rtype::DS, [_, _, _, kind, ..]) => *kind |= 0x80,
                (rtype::SSHFP, [_, kind, ..]) => *kind |= 0x80,
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
        prop_assert_eq!(parsed.records.rdata(record), &rdata[..], "{}", text);
        prop_assert_eq!(parsed.records.owner(record), &owner[..]);
        prop_assert_eq!((record.rtype, record.ttl_secs, record.line), (rtype, ttl_secs, 1));
        // Only what has no other form is written as octets.
        let zero_extent = rtype == rtype::LOC && rdata[1..4].iter().any(|extent| (1..10).contains(extent));
        prop_assert_eq!(text.contains("\t\\# "), layout(rtype).is_none() || zero_extent, "{}", text);
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
            prop_assert_eq!(parsed.records.rdata(record), &rdata[..], "{}", text);
        }
    }
}
