//! Octets to messages and back (RFC 4271 4 and 6). Pure: the session machine gives what TCP gave it, and gets messages
//! or the NOTIFICATION that the peer has earned.
//!
//! - [`Decoder`] cuts the stream into messages and checks their headers (RFC 4271 6.1)
//! - `open`: OPEN with its capabilities (RFC 5492, RFC 9072)
//! - `update`: UPDATE; what of its errors ends a session and what only withdraws its routes is RFC 7606's
//! - `attributes`, `as_path`, `nlri`: the parts of an UPDATE
//!
//! No policy is in here: whether an AS number, a role or a family is the right one is the session's to judge.

mod as_path;
mod attributes;
mod nlri;
mod open;
mod read;
mod update;

pub use update::{Unsendable, Updates, encode_announced, encode_withdrawn};

use super::message::{Message, Notification, Open, RouteRefresh};
use super::notification::Reason;
use crate::announce::prefix::Family;
use read::Octets;

/// A message's most octets, header and all (RFC 4271 4.1). RFC 8654's longer ones are not negotiated.
pub const MESSAGE_OCTETS_MAX: usize = 4096;
/// Octets of the header: marker, length, type.
const HEADER_OCTETS: usize = 19;

/// Where an AS number needs four octets and there are two (RFC 6793 9).
const AS_TRANS: u16 = 23456;

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const ROUTE_REFRESH: u8 = 5;

/// What the two OPENs agreed on, and with it how UPDATEs are written. The default is what holds before the OPENs:
/// nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// AS numbers in AS_PATH have four octets (RFC 6793).
    pub four_octet_asns: bool,
    /// IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// ROUTE-REFRESH has subtypes (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// Families whose routes are exchanged. What comes of others is passed over.
    pub families: Vec<Family>,
    /// The peer is of our own AS.
    pub internal: bool,
}

impl Context {
    /// What follows from both sides' OPENs: what both can. Without any Multiprotocol capability from a side, it takes
    /// IPv4 unicast only (RFC 4760 8).
    pub fn negotiated(ours: &Open, theirs: &Open) -> Context {
        let both = |has: fn(&Open) -> bool| has(ours) && has(theirs);
        Context {
            four_octet_asns: both(Open::has_four_octet_asns),
            extended_next_hop: both(Open::has_extended_next_hop),
            enhanced_route_refresh: both(Open::has_enhanced_route_refresh),
            families: Family::ALL.into_iter().filter(|f| ours.has_family(*f) && theirs.has_family(*f)).collect(),
            internal: ours.asn == theirs.asn,
        }
    }

    /// The family of an AFI and SAFI, if its routes are exchanged.
    fn exchanged(&self, afi: u16, safi: u8) -> Option<Family> {
        Family::of_identifiers(afi, safi).filter(|family| self.families.contains(family))
    }
}

/// Why the session must end: the peer sent what no speaker may send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{notification}: {what}")]
pub struct Error {
    /// What to tell it.
    pub notification: Notification,
    /// What was wrong, for the log.
    pub what: String,
}

impl Error {
    fn new(reason: Reason, data: impl Into<Vec<u8>>, what: impl Into<String>) -> Error {
        Error { notification: Notification::new(reason, data), what: what.into() }
    }
}

/// Cuts what comes from TCP into messages. Holds one message at most.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a message, less than [`MESSAGE_OCTETS_MAX`].
    begun: Vec<u8>,
    /// After an error the stream has no meaning any more.
    failed: bool,
}

impl Decoder {
    /// One for a new connection.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// The next message, if it is complete: takes its octets from the front of `octets`. `None` when all of them are
    /// taken and more are needed. `context` may change between two calls: what is negotiated holds from the message
    /// after the OPEN.
    ///
    /// After an error nothing more comes out: the session sends the NOTIFICATION and ends.
    pub fn next(&mut self, octets: &mut &[u8], context: &Context) -> Option<Result<Message, Error>> {
        if self.failed {
            *octets = &[];
            return None;
        }
        let message = self.take(octets, context)?;
        self.begun.clear();
        self.failed = message.is_err();
        Some(message)
    }

    fn take(&mut self, octets: &mut &[u8], context: &Context) -> Option<Result<Message, Error>> {
        self.fill(octets, HEADER_OCTETS)?;
        // Judged before the body is there: a length that is wrong must not be waited for.
        let (kind, length) = match header(&self.begun) {
            Ok(header) => header,
            Err(error) => return Some(Err(error)),
        };
        self.fill(octets, length)?;
        Some(body(kind, &self.begun, context))
    }

    /// Moves octets from the front of `octets` until `length` are there.
    fn fill(&mut self, octets: &mut &[u8], length: usize) -> Option<()> {
        let missing = length.saturating_sub(self.begun.len());
        let (taken, rest) = octets.split_at(missing.min(octets.len()));
        self.begun.extend_from_slice(taken);
        *octets = rest;
        (self.begun.len() >= length).then_some(())
    }
}

/// The type and length of a message, checked as RFC 4271 6.1 has it.
fn header(message: &[u8]) -> Result<(u8, usize), Error> {
    let mut octets = Octets::new(message);
    let (Some(marker), Some(length), Some(kind)) = (octets.take(16), octets.u16(), octets.u8()) else {
        return Err(Error::new(Reason::BadMessageLength, [], "a header is cut off"));
    };
    if marker != [0xff; 16] {
        return Err(Error::new(Reason::ConnectionNotSynchronized, [], "the marker is not all ones"));
    }
    let shortest = match kind {
        OPEN => 29,
        UPDATE | ROUTE_REFRESH => 23,
        NOTIFICATION => 21,
        _ => HEADER_OCTETS,
    };
    let longest = if kind == KEEPALIVE { HEADER_OCTETS } else { MESSAGE_OCTETS_MAX };
    if !(shortest..=longest).contains(&usize::from(length)) {
        let what = format!("a message of type {kind} has {length} octets");
        return Err(Error::new(Reason::BadMessageLength, length.to_be_bytes(), what));
    }
    if !(OPEN..=ROUTE_REFRESH).contains(&kind) {
        return Err(Error::new(Reason::BadMessageType, [kind], format!("a message has type {kind}")));
    }
    Ok((kind, usize::from(length)))
}

/// A whole message whose header was found right.
fn body(kind: u8, message: &[u8], context: &Context) -> Result<Message, Error> {
    let body = message.get(HEADER_OCTETS..).unwrap_or_default();
    match kind {
        OPEN => open::decode(body).map(Message::Open),
        UPDATE => update::decode(body, context).map(Message::Update),
        NOTIFICATION => Ok(Message::Notification(notification(body))),
        ROUTE_REFRESH => route_refresh(message, body, context).map(Message::RouteRefresh),
        _ => Ok(Message::Keepalive),
    }
}

/// An error in it cannot be told to the peer (RFC 4271 6.4): unknown codes are kept, and shown as numbers.
fn notification(body: &[u8]) -> Notification {
    let mut octets = Octets::new(body);
    let (code, subcode) = (octets.u8().unwrap_or(0), octets.u8().unwrap_or(0));
    Notification { code, subcode, data: octets.rest().to_vec() }
}

/// RFC 2918 3 and RFC 7313 3.2. Behind the four octets may stand filters (RFC 5291), which are not negotiated, and
/// passed over.
fn route_refresh(message: &[u8], body: &[u8], context: &Context) -> Result<RouteRefresh, Error> {
    let mut octets = Octets::new(body);
    let (afi, subtype, safi) = (octets.u16(), octets.u8().unwrap_or(0), octets.u8().unwrap_or(0));
    // RFC 2918 3: without RFC 7313 the octet is reserved, and ignored.
    let subtype = if context.enhanced_route_refresh { subtype } else { 0 };
    // RFC 7313 5: the length is judged for the subtypes that it adds.
    if matches!(subtype, 1 | 2) && !octets.is_empty() {
        let what = format!("a ROUTE-REFRESH of subtype {subtype} has {} octets", message.len());
        return Err(Error::new(Reason::InvalidRefreshLength, message, what));
    }
    Ok(RouteRefresh { family: afi.and_then(|afi| Family::of_identifiers(afi, safi)), subtype })
}

/// A message in octets. Of an UPDATE this may be several messages, one behind the other, as [`encode_withdrawn`] and
/// [`encode_announced`] split them; what cannot be sent is not in them.
///
/// Nothing is longer than its length field can say: of capabilities, those behind the last that fits are left out, of a
/// NOTIFICATION's data the octets that are too many.
pub fn encode(message: &Message, context: &Context) -> Vec<u8> {
    match message {
        Message::Open(open) => frame(OPEN, &open::encode(open)),
        Message::Update(update) => update::encode(update, context).concat(),
        Message::Notification(Notification { code, subcode, data }) => {
            let mut body = vec![*code, *subcode];
            body.extend(data.iter().take(MESSAGE_OCTETS_MAX - HEADER_OCTETS - body.len()));
            frame(NOTIFICATION, &body)
        }
        Message::Keepalive => frame(KEEPALIVE, &[]),
        Message::RouteRefresh(RouteRefresh { family, subtype }) => {
            // AFI and SAFI 0 are reserved: no peer takes them for a family.
            let (afi, safi) = family.map_or((0, 0), |family| (family.afi(), family.safi()));
            let [afi_high, afi_low] = afi.to_be_bytes();
            frame(ROUTE_REFRESH, &[afi_high, afi_low, *subtype, safi])
        }
    }
}

/// A body behind its header.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = HEADER_OCTETS + body.len();
    debug_assert!(length <= MESSAGE_OCTETS_MAX, "every body is bounded where it is made");
    let mut message = vec![0xff; 16];
    message.extend_from_slice(&(length as u16).to_be_bytes());
    message.push(kind);
    message.extend_from_slice(body);
    message
}
