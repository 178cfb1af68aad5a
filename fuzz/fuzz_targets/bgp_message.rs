//! Any octets from a router: messages or an error that says which NOTIFICATION to send; the same however TCP cuts them;
//! and each message, written and read again, is the same.
//!
//! First octet of the input: what the session agreed on, a bit each. Second: where the stream is cut.
#![no_main]

use catchment::announce::bgp::codec::{
    Context, Decoder, Error, MESSAGE_OCTETS_MAX, encode, encode_announced, encode_withdrawn,
};
use catchment::announce::bgp::message::{Message, Update};
use catchment::announce::prefix::{Family, Prefix};

/// All messages of some pieces, up to the first error.
fn decode(pieces: &[&[u8]], context: &Context) -> Vec<Result<Message, Error>> {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        messages.extend(std::iter::from_fn(|| decoder.next(&mut rest, context)));
        assert!(rest.is_empty(), "what is given is taken");
    }
    messages
}

/// Messages are written IPv4 first.
fn in_order(prefixes: &[Prefix]) -> Vec<Prefix> {
    let of = |family| prefixes.iter().copied().filter(move |prefix| prefix.family() == family);
    of(Family::Ipv4).chain(of(Family::Ipv6)).collect()
}

fn check_update(update: &Update, context: &Context) {
    let withdrawn = encode_withdrawn(&update.withdrawn, context);
    assert_eq!(withdrawn.unsent, [], "what can be received can be withdrawn");
    let mut messages = withdrawn.messages;
    let mut sent = Vec::new();
    if let Some(attributes) = &update.attributes {
        let announced = encode_announced(&update.announced, attributes, context);
        let unsent: Vec<Prefix> = announced.unsent.iter().map(|(prefix, _)| *prefix).collect();
        sent = in_order(&update.announced);
        sent.retain(|prefix| !unsent.contains(prefix));
        messages.extend(announced.messages);
    }
    let mut again = Update::default();
    for message in decode(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>(), context) {
        let Ok(Message::Update(part)) = message else { panic!("an UPDATE became {message:?}") };
        assert_eq!(part.malformed, None);
        if part.attributes.is_some() {
            assert_eq!(part.attributes, update.attributes);
        }
        again.withdrawn.extend(part.withdrawn);
        again.announced.extend(part.announced);
    }
    assert_eq!(again.withdrawn, in_order(&update.withdrawn));
    assert_eq!(again.announced, sent);
    assert!(messages.iter().all(|message| message.len() <= MESSAGE_OCTETS_MAX));
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let &[agreed, cut, ref octets @ ..] = input else { return };
    let bit = |bit: u8| agreed & 1 << bit != 0;
    let context = Context {
        four_octet_asns: bit(0),
        extended_next_hop: bit(1),
        enhanced_route_refresh: bit(2),
        families: Family::ALL.into_iter().zip([!bit(3), !bit(4)]).filter(|(_, on)| *on).map(|(f, _)| f).collect(),
        internal: bit(5),
    };
    let messages = decode(&[octets], &context);
    let (front, back) = octets.split_at(usize::from(cut).min(octets.len()));
    assert_eq!(decode(&[front, back], &context), messages, "cut after {cut} octets");
    for message in &messages {
        match message {
            Err(error) => {
                assert!(error.notification.reason().is_some(), "{error}");
                assert!(
                    encode(&Message::Notification(error.notification.clone()), &context).len() <= MESSAGE_OCTETS_MAX
                );
            }
            Ok(Message::Update(update)) => {
                assert_eq!(update.attributes.is_none(), update.announced.is_empty());
                check_update(update, &context);
            }
            Ok(message) => {
                if let Message::Notification(notification) = message {
                    assert!(!notification.to_string().contains('\n'));
                }
                let octets = encode(message, &context);
                assert_eq!(decode(&[&octets], &context), [Ok(message.clone())], "{octets:02x?}");
            }
        }
    }
});
