//! UPDATE (RFC 4271 4.3, RFC 4760): routes withdrawn and announced.
//!
//! Read: any of its fields in any combination; what of its errors only withdraws routes is RFC 7606's. Written: one of
//! the four fields that hold prefixes in each message, MP_REACH_NLRI and MP_UNREACH_NLRI before all other attributes
//! (RFC 7606 5.1).

use super::attributes::{self, MP_REACH_NLRI, MP_UNREACH_NLRI};
use super::read::Octets;
use super::{Context, Error, HEADER_OCTETS, MESSAGE_OCTETS_MAX, frame, nlri};
use crate::announce::bgp::message::{Attributes, Update};
use crate::announce::bgp::notification::Reason;
use crate::announce::prefix::{Family, Prefix};
use std::net::IpAddr;

/// Octets for attributes and prefixes: behind the header stand two lengths of two octets each.
const ROOM: usize = MESSAGE_OCTETS_MAX - HEADER_OCTETS - 4;
/// Of an attribute whose length has two octets.
const ATTRIBUTE_HEADER_OCTETS: usize = 4;

/// An UPDATE's body.
pub(super) fn decode(body: &[u8], context: &Context) -> Result<Update, Error> {
    let mut octets = Octets::new(body);
    let mut field = || {
        let length = octets.u16()?;
        octets.take(usize::from(length))
    };
    let fields = field().and_then(|withdrawn| Some((withdrawn, field()?)));
    let (withdrawn, attributes) = fields.ok_or_else(|| {
        Error::new(Reason::MalformedAttributeList, [], "the lengths in an UPDATE are too large") // RFC 4271 6.3.
    })?;
    let received = attributes::decode(Octets::new(attributes), context)?;
    // RFC 7606 5.3: routes that cannot be told apart cannot be taken as withdrawn either.
    let prefixes = |octets, field| {
        let what = || Error::new(Reason::InvalidNetworkField, [], format!("a prefix in {field} is malformed"));
        nlri::decode(octets, Family::Ipv4).ok_or_else(what)
    };
    let empty = body == [0; 4];
    let reachable = !octets.is_empty() || received.reaches();
    let mut withdrawn = prefixes(Octets::new(withdrawn), "Withdrawn Routes")?;
    let mut announced = prefixes(octets, "NLRI")?;
    if !context.families.contains(&Family::Ipv4) {
        withdrawn.clear();
        announced.clear();
    }
    let classic = !announced.is_empty();

    let only_unreached = received.unreached.as_ref().filter(|_| !received.describes_routes());
    let end_of_rib = if empty {
        Some(Family::Ipv4).filter(|family| context.families.contains(family))
    } else if let Some(unreached) = only_unreached
        && body.len() == 4 + attributes.len()
        && unreached.prefixes.is_empty()
    {
        unreached.family
    } else {
        None
    };
    withdrawn.extend(received.unreached.iter().flat_map(|unreached| &unreached.prefixes));
    announced.extend(received.reached.iter().flat_map(|reached| &reached.prefixes));

    let result = match received.fault.clone() {
        Some(fault) => Err(fault),
        None if announced.is_empty() => Ok(None),
        None => received.attributes(classic, context).map(Some),
    };
    match result {
        Ok(attributes) => Ok(Update { withdrawn, announced, attributes, end_of_rib, malformed: None }),
        // RFC 7606 5.2: if it is not even known which routes it is about, they may have been misread.
        Err(fault) if !reachable => Err(fault.into_error()),
        Err(fault) => {
            withdrawn.append(&mut announced);
            Ok(Update { withdrawn, malformed: Some(fault.what), ..Update::default() })
        }
    }
}

/// The messages of one change, and what could not be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updates {
    /// Each at most [`super::MESSAGE_OCTETS_MAX`] octets.
    pub messages: Vec<Vec<u8>>,
    /// Prefixes that are in none of them, and why.
    pub unsent: Vec<(Prefix, Unsendable)>,
}

/// Why a prefix cannot be announced or withdrawn in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The session has no such family.
    #[error("the session does not carry this address family")]
    Family,
    /// IPv6 routes need an IPv6 next hop, IPv4 ones an IPv4 next hop unless RFC 8950 was agreed.
    #[error("the next hop is of the other address family")]
    NextHop,
    /// The attributes leave no room for a prefix (RFC 4271 9.2).
    #[error("the path attributes are too long for a message")]
    TooLong,
}

/// An UPDATE whose fields are these.
fn message(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + withdrawn.len() + attributes.len() + nlri.len());
    for field in [withdrawn, attributes] {
        body.extend_from_slice(&(field.len() as u16).to_be_bytes());
        body.extend_from_slice(field);
    }
    body.extend_from_slice(nlri);
    frame(super::UPDATE, &body)
}

/// The first octets of MP_REACH_NLRI and MP_UNREACH_NLRI.
fn identifiers(family: Family) -> Vec<u8> {
    let [high, low] = family.afi().to_be_bytes();
    vec![high, low, family.safi()]
}

impl Updates {
    fn refuse(&mut self, prefixes: &[Prefix], why: Unsendable) {
        self.unsent.extend(prefixes.iter().map(|prefix| (*prefix, why)));
    }

    /// Adds the messages that `message` makes of fields of at most `room` octets.
    fn split(&mut self, prefixes: &[Prefix], room: usize, message: impl Fn(&[u8]) -> Vec<u8>) {
        let (fields, unsent) = nlri::encode(prefixes, room);
        self.messages.extend(fields.iter().map(|field| message(field)));
        self.refuse(&unsent, Unsendable::TooLong);
    }
}

fn of_family(prefixes: &[Prefix], family: Family) -> Vec<Prefix> {
    prefixes.iter().copied().filter(|prefix| prefix.family() == family).collect()
}

/// The messages that withdraw prefixes of either family.
pub fn encode_withdrawn(prefixes: &[Prefix], context: &Context) -> Updates {
    let mut updates = Updates::default();
    for family in Family::ALL {
        let prefixes = of_family(prefixes, family);
        match family {
            _ if !context.families.contains(&family) => updates.refuse(&prefixes, Unsendable::Family),
            Family::Ipv4 => updates.split(&prefixes, ROOM, |field| message(field, &[], &[])),
            Family::Ipv6 => {
                let value = identifiers(family);
                let room = ROOM - ATTRIBUTE_HEADER_OCTETS - value.len();
                updates.split(&prefixes, room, |field| {
                    message(&[], &attributes::multiprotocol(MP_UNREACH_NLRI, &value, field), &[])
                });
            }
        }
    }
    updates
}

/// The messages that announce prefixes of either family with one set of attributes. IPv4 routes stand in the UPDATE's
/// own field if their next hop is IPv4, else in MP_REACH_NLRI (RFC 8950 4).
pub fn encode_announced(prefixes: &[Prefix], attributes: &Attributes, context: &Context) -> Updates {
    let mut updates = Updates::default();
    for family in Family::ALL {
        let prefixes = of_family(prefixes, family);
        match (family, attributes.next_hop) {
            _ if !context.families.contains(&family) => updates.refuse(&prefixes, Unsendable::Family),
            (Family::Ipv4, IpAddr::V4(next_hop)) => {
                let attributes = attributes::encode(attributes, Some(next_hop), context);
                let room = ROOM.saturating_sub(attributes.len());
                updates.split(&prefixes, room, |field| message(&[], &attributes, field));
            }
            (Family::Ipv6, IpAddr::V6(next_hop)) | (Family::Ipv4, IpAddr::V6(next_hop))
                if family == Family::Ipv6 || context.extended_next_hop =>
            {
                let attributes = attributes::encode(attributes, None, context);
                let mut value = identifiers(family);
                value.push(16);
                value.extend_from_slice(&next_hop.octets());
                value.push(0);
                let room = ROOM.saturating_sub(ATTRIBUTE_HEADER_OCTETS + value.len() + attributes.len());
                updates.split(&prefixes, room, |field| {
                    let mut all = attributes::multiprotocol(MP_REACH_NLRI, &value, field);
                    all.extend_from_slice(&attributes);
                    message(&[], &all, &[])
                });
            }
            _ => updates.refuse(&prefixes, Unsendable::NextHop),
        }
    }
    updates
}

/// The messages of an UPDATE as a value; what cannot be sent is left out.
pub(super) fn encode(update: &Update, context: &Context) -> Vec<Vec<u8>> {
    let mut messages = encode_withdrawn(&update.withdrawn, context).messages;
    if let Some(attributes) = &update.attributes {
        messages.extend(encode_announced(&update.announced, attributes, context).messages);
    }
    match update.end_of_rib.filter(|family| context.families.contains(family)) {
        Some(Family::Ipv4) => messages.push(message(&[], &[], &[])),
        Some(Family::Ipv6) => {
            let mark = attributes::multiprotocol(MP_UNREACH_NLRI, &identifiers(Family::Ipv6), &[]);
            messages.push(message(&[], &mark, &[]));
        }
        None => {}
    }
    messages
}
