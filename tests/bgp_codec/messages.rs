//! Messages for the tests: octets made by hand, and their decoding.

use catchment::announce::bgp::codec::{Context, Decoder, Error};
use catchment::announce::bgp::message::{Attributes, Message, Origin, Update};
use catchment::announce::prefix::{Family, Prefix};

/// Message types (RFC 4271 4.1, RFC 2918 3).
pub(crate) const OPEN: u8 = 1;
pub(crate) const UPDATE: u8 = 2;
pub(crate) const NOTIFICATION: u8 = 3;
pub(crate) const KEEPALIVE: u8 = 4;
pub(crate) const ROUTE_REFRESH: u8 = 5;

/// Octets of hexadecimal text; blanks are for the reader.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// A body behind the header of RFC 4271 4.1.
pub(crate) fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend_from_slice(&u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    message.push(kind);
    message.extend_from_slice(body);
    message
}

/// An UPDATE of its three fields, in hexadecimal text (RFC 4271 4.3).
pub(crate) fn update_octets(withdrawn: &str, attributes: &str, nlri: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for field in [hex(withdrawn), hex(attributes)] {
        body.extend_from_slice(&u16::try_from(field.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&field);
    }
    body.extend_from_slice(&hex(nlri));
    framed(UPDATE, &body)
}

/// An external session that agreed on all there is.
pub(crate) fn external() -> Context {
    Context {
        four_octet_asns: true,
        extended_next_hop: true,
        enhanced_route_refresh: true,
        families: Family::ALL.to_vec(),
        internal: false,
    }
}

/// The same inside an AS.
pub(crate) fn internal() -> Context {
    Context { internal: true, ..external() }
}

/// An external session with a peer whose AS numbers have two octets.
pub(crate) fn two_octets() -> Context {
    Context { four_octet_asns: false, ..external() }
}

/// All messages in some octets, which must end with the last of them, or the error that ended the stream.
pub(crate) fn decode_all(octets: &[u8], context: &Context) -> Result<Vec<Message>, Error> {
    let mut decoder = Decoder::new();
    let mut rest = octets;
    let mut messages = Vec::new();
    while let Some(message) = decoder.next(&mut rest, context) {
        messages.push(message?);
    }
    assert!(rest.is_empty(), "a decoder takes all octets before it waits for more");
    Ok(messages)
}

/// The one message in some octets.
pub(crate) fn decode(octets: &[u8], context: &Context) -> Result<Message, Error> {
    let mut messages = decode_all(octets, context)?;
    assert_eq!(messages.len(), 1, "one message in {octets:02x?}");
    Ok(messages.remove(0))
}

/// The one UPDATE in some octets.
pub(crate) fn decode_update(octets: &[u8], context: &Context) -> Update {
    match decode(octets, context) {
        Ok(Message::Update(update)) => update,
        other => panic!("no UPDATE but {other:?}"),
    }
}

pub(crate) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().map(|text| prefix(text)).collect()
}

/// The attributes that a route must have, and no other.
pub(crate) fn attributes(as_path: &[u32], next_hop: &str) -> Attributes {
    Attributes {
        origin: Origin::Igp,
        as_path: as_path.to_vec(),
        next_hop: next_hop.parse().unwrap(),
        med: None,
        local_preference: None,
        communities: Vec::new(),
        large_communities: Vec::new(),
        only_to_customer: None,
    }
}

/// Several UPDATEs as one: an encoder may have split what it was given.
pub(crate) fn joined(messages: Vec<Message>) -> Update {
    let mut all = Update::default();
    for message in messages {
        let Message::Update(update) = message else { panic!("no UPDATE but {message:?}") };
        all.withdrawn.extend(update.withdrawn);
        all.announced.extend(update.announced);
        if let Some(attributes) = update.attributes {
            assert_eq!(*all.attributes.get_or_insert_with(|| attributes.clone()), attributes);
        }
        all.end_of_rib = all.end_of_rib.or(update.end_of_rib);
        all.malformed = all.malformed.or(update.malformed);
    }
    all
}
