//! Path attributes (RFC 4271 4.3, 5), and what becomes of wrong ones (RFC 7606).

use super::read::Octets;
use super::{AS_TRANS, Context, Error, as_path, nlri};
use crate::announce::bgp::message::{Attributes, Origin};
use crate::announce::bgp::notification::Reason;
use crate::announce::prefix::{Family, Prefix};
use crate::counted::counted;
use std::net::{IpAddr, Ipv4Addr};

const ORIGIN: u8 = 1;
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const MULTI_EXIT_DISC: u8 = 4;
const LOCAL_PREF: u8 = 5;
const ATOMIC_AGGREGATE: u8 = 6;
const AGGREGATOR: u8 = 7;
const COMMUNITIES: u8 = 8;
const ORIGINATOR_ID: u8 = 9;
const CLUSTER_LIST: u8 = 10;
pub(super) const MP_REACH_NLRI: u8 = 14;
pub(super) const MP_UNREACH_NLRI: u8 = 15;
const EXTENDED_COMMUNITIES: u8 = 16;
const AS4_PATH: u8 = 17;
const AS4_AGGREGATOR: u8 = 18;
const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
const LARGE_COMMUNITY: u8 = 32;
const ONLY_TO_CUSTOMER: u8 = 35;

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED_LENGTH: u8 = 0x10;

/// The Optional and Transitive bits of an attribute that we know (RFC 4271 5, and the RFC of each).
fn known_flags(code: u8) -> Option<u8> {
    match code {
        ORIGIN | AS_PATH | NEXT_HOP | LOCAL_PREF | ATOMIC_AGGREGATE => Some(TRANSITIVE),
        MULTI_EXIT_DISC | ORIGINATOR_ID | CLUSTER_LIST | MP_REACH_NLRI | MP_UNREACH_NLRI => Some(OPTIONAL),
        AGGREGATOR
        | COMMUNITIES
        | EXTENDED_COMMUNITIES
        | AS4_PATH
        | AS4_AGGREGATOR
        | IPV6_EXTENDED_COMMUNITIES
        | LARGE_COMMUNITY
        | ONLY_TO_CUSTOMER => Some(OPTIONAL | TRANSITIVE),
        _ => None,
    }
}

/// An attribute's error for which its routes count as withdrawn (RFC 7606 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    reason: Reason,
    /// What a NOTIFICATION about it would carry: the attribute, or the type of a missing one (RFC 4271 6.3).
    data: Vec<u8>,
    /// What was wrong, for the log.
    pub(super) what: String,
}

impl Fault {
    /// The error that it is where there are no routes to withdraw.
    pub(super) fn into_error(self) -> Error {
        Error::new(self.reason, self.data, self.what)
    }

    fn missing(code: u8, name: &str) -> Fault {
        Fault { reason: Reason::MissingWellKnownAttribute, data: vec![code], what: format!("{name} is missing") }
    }
}

/// MP_REACH_NLRI: routes with a next hop of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reached {
    pub(super) prefixes: Vec<Prefix>,
    next_hop: IpAddr,
}

/// MP_UNREACH_NLRI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreached {
    /// `None` for one that is not exchanged; then there are no prefixes either.
    pub(super) family: Option<Family>,
    pub(super) prefixes: Vec<Prefix>,
}

/// The attributes of an UPDATE, each as far as it was there and well.
#[derive(Debug, Default)]
pub(super) struct Received {
    origin: Option<Origin>,
    as_path: Option<as_path::Path>,
    as4_path: Option<as_path::Path>,
    /// Of AGGREGATOR.
    aggregator_asn: Option<u32>,
    as4_aggregator: bool,
    next_hop: Option<Ipv4Addr>,
    med: Option<u32>,
    local_preference: Option<u32>,
    communities: Vec<u32>,
    large_communities: Vec<[u32; 3]>,
    only_to_customer: Option<u32>,
    pub(super) reached: Option<Reached>,
    pub(super) unreached: Option<Unreached>,
    /// The types that were there, whatever became of them.
    seen: Vec<u8>,
    /// The first error for which routes count as withdrawn.
    pub(super) fault: Option<Fault>,
}

/// One attribute as it stands in the message.
struct Raw<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
    /// With its header, for a NOTIFICATION.
    whole: &'a [u8],
}

impl Raw<'_> {
    fn fault(&self, reason: Reason, what: impl Into<String>) -> Fault {
        Fault { reason, data: self.whole.to_vec(), what: what.into() }
    }

    fn length_fault(&self, name: &str) -> Fault {
        self.fault(Reason::AttributeLength, format!("{name} has {}", counted(self.value.len(), "octet")))
    }

    fn u32(&self, name: &str) -> Result<u32, Fault> {
        let value: [u8; 4] = self.value.try_into().map_err(|_| self.length_fault(name))?;
        Ok(u32::from_be_bytes(value))
    }

    /// Items of `size` octets each, at least one.
    fn items(&self, size: usize, name: &str) -> Result<std::slice::ChunksExact<'_, u8>, Fault> {
        let whole = !self.value.is_empty() && self.value.len().is_multiple_of(size);
        if whole { Ok(self.value.chunks_exact(size)) } else { Err(self.length_fault(name)) }
    }

    /// RFC 4760 7, RFC 7606 5.3: routes that cannot be told apart end the session, under this subcode.
    fn error(&self, what: impl Into<String>) -> Error {
        Error::new(Reason::OptionalAttribute, self.whole, what)
    }
}

/// The next attribute. `None` if it is cut off (RFC 7606 4).
fn next<'a>(octets: &mut Octets<'a>) -> Option<Raw<'a>> {
    let mut whole = *octets;
    let before = octets.len();
    let (flags, code) = (octets.u8()?, octets.u8()?);
    let length = if flags & EXTENDED_LENGTH != 0 { octets.u16()? } else { u16::from(octets.u8()?) };
    let value = octets.take(usize::from(length))?;
    let whole = whole.take(before - octets.len())?;
    Some(Raw { flags, code, value, whole })
}

/// Reads all attributes. An error is one that ends the session; lesser ones are in [`Received::fault`], or leave their
/// attribute out.
pub(super) fn decode(mut octets: Octets, context: &Context) -> Result<Received, Error> {
    let mut received = Received::default();
    while !octets.is_empty() {
        let Some(raw) = next(&mut octets) else {
            // RFC 7606 4: where the NLRI begin is still known, from the total length.
            let what = "the path attributes do not fit their total length".to_owned();
            received.note(Fault { reason: Reason::MalformedAttributeList, data: Vec::new(), what });
            break;
        };
        if received.seen.contains(&raw.code) {
            if matches!(raw.code, MP_REACH_NLRI | MP_UNREACH_NLRI) {
                let what = format!("two attributes of type {}", raw.code);
                return Err(Error::new(Reason::MalformedAttributeList, [], what));
            }
            continue; // RFC 7606 3 (g): the first counts.
        }
        received.seen.push(raw.code);
        match raw.code {
            MP_REACH_NLRI => {
                received.reached = reached(&raw, context)?;
                if let Some(Reached { next_hop, .. }) = &received.reached
                    && let Err(fault) = check_host(&raw, *next_hop)
                {
                    received.note(fault);
                }
            }
            MP_UNREACH_NLRI => received.unreached = Some(unreached(&raw, context)?),
            _ => {
                if let Err(fault) = received.take(&raw, context) {
                    received.note(fault);
                }
            }
        }
    }
    Ok(received)
}

/// Where the prefixes begin in MP_REACH_NLRI or MP_UNREACH_NLRI cannot be known if their flags are wrong (RFC 7606
/// 5.3).
fn check_multiprotocol_flags(raw: &Raw) -> Result<(), Error> {
    if raw.flags & (OPTIONAL | TRANSITIVE) == OPTIONAL {
        return Ok(());
    }
    Err(raw.error(format!("the attribute of type {} has flags {:#04x}", raw.code, raw.flags)))
}

/// MP_REACH_NLRI (RFC 4760 3): AFI, SAFI, next hop with its length, an octet that means nothing, prefixes. `None` for a
/// family that is not exchanged.
fn reached(raw: &Raw, context: &Context) -> Result<Option<Reached>, Error> {
    check_multiprotocol_flags(raw)?;
    let cut_off = || raw.error("MP_REACH_NLRI is cut off");
    let mut octets = Octets::new(raw.value);
    let (afi, safi) = octets.u16().zip(octets.u8()).ok_or_else(cut_off)?;
    let length = octets.u8().ok_or_else(cut_off)?;
    let mut next_hop = Octets::new(octets.take(usize::from(length)).ok_or_else(cut_off)?);
    octets.u8().ok_or_else(cut_off)?;
    let Some(family) = context.exchanged(afi, safi) else { return Ok(None) };
    // RFC 7606 7.11: a next hop of unexpected length leaves it open where the prefixes begin.
    let next_hop = match (family, length) {
        (Family::Ipv4, 4) => next_hop.ipv4().map(IpAddr::from),
        (Family::Ipv4, 16 | 32) if context.extended_next_hop => next_hop.ipv6().map(IpAddr::from),
        // RFC 2545 3: of two addresses the second is link-local.
        (Family::Ipv6, 16 | 32) => next_hop.ipv6().map(IpAddr::from),
        _ => None,
    };
    let next_hop = next_hop.ok_or_else(|| raw.error(format!("a next hop of {family} routes has {length} octets")))?;
    let prefixes = nlri::decode(octets, family).ok_or_else(|| raw.error("a prefix in MP_REACH_NLRI is malformed"))?;
    Ok(Some(Reached { prefixes, next_hop }))
}

/// MP_UNREACH_NLRI (RFC 4760 4): AFI, SAFI, prefixes.
fn unreached(raw: &Raw, context: &Context) -> Result<Unreached, Error> {
    check_multiprotocol_flags(raw)?;
    let mut octets = Octets::new(raw.value);
    let (afi, safi) = octets.u16().zip(octets.u8()).ok_or_else(|| raw.error("MP_UNREACH_NLRI is cut off"))?;
    let family = context.exchanged(afi, safi);
    let prefixes = match family {
        Some(family) => nlri::decode(octets, family),
        None => Some(Vec::new()),
    };
    let prefixes = prefixes.ok_or_else(|| raw.error("a prefix in MP_UNREACH_NLRI is malformed"))?;
    Ok(Unreached { family, prefixes })
}

impl Received {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Takes one attribute. One that is to be discarded leaves nothing behind (RFC 7606 2, "attribute discard").
    fn take(&mut self, raw: &Raw, context: &Context) -> Result<(), Fault> {
        let discarded = match raw.code {
            // RFC 7606 7.5, 7.9, 7.10: what only internal peers may say.
            LOCAL_PREF | ORIGINATOR_ID | CLUSTER_LIST => !context.internal,
            // RFC 6793 4.1: what only peers with AS numbers of two octets need to say.
            AS4_PATH | AS4_AGGREGATOR => context.four_octet_asns,
            _ => false,
        };
        if discarded {
            return Ok(());
        }
        match known_flags(raw.code) {
            Some(flags) if raw.flags & (OPTIONAL | TRANSITIVE) != flags => {
                let what = format!("the attribute of type {} has flags {:#04x}", raw.code, raw.flags);
                return Err(raw.fault(Reason::AttributeFlags, what)); // RFC 7606 3 (c).
            }
            // RFC 4271 6.3 ended the session for it. Its routes' withdrawal does: the prefixes are found without it.
            None if raw.flags & OPTIONAL == 0 => {
                let what = format!("an attribute of unknown type {} says that it is well-known", raw.code);
                return Err(raw.fault(Reason::UnrecognizedWellKnownAttribute, what));
            }
            _ => {}
        }
        match raw.code {
            ORIGIN => self.origin = Some(origin(raw)?),
            AS_PATH => self.as_path = Some(as_path(raw, context)?),
            NEXT_HOP => self.next_hop = Some(next_hop(raw)?),
            MULTI_EXIT_DISC => self.med = Some(raw.u32("MULTI_EXIT_DISC")?),
            LOCAL_PREF => self.local_preference = Some(raw.u32("LOCAL_PREF")?),
            COMMUNITIES => {
                let items = raw.items(4, "COMMUNITIES")?;
                self.communities = items.filter_map(|item| Octets::new(item).u32()).collect();
            }
            LARGE_COMMUNITY => {
                let words = |item| {
                    let mut octets = Octets::new(item);
                    Some([octets.u32()?, octets.u32()?, octets.u32()?])
                };
                self.large_communities = raw.items(12, "LARGE_COMMUNITY")?.filter_map(words).collect();
            }
            ONLY_TO_CUSTOMER => self.only_to_customer = Some(raw.u32("OTC")?),
            // RFC 7606 7.7: of wrong length, discarded.
            AGGREGATOR => {
                let mut octets = Octets::new(raw.value);
                let asn = if context.four_octet_asns { octets.u32() } else { octets.u16().map(u32::from) };
                self.aggregator_asn = asn.filter(|_| octets.ipv4().is_some() && octets.is_empty());
            }
            // RFC 6793 6: malformed, discarded.
            AS4_PATH => self.as4_path = as_path::decode(Octets::new(raw.value), true),
            AS4_AGGREGATOR => self.as4_aggregator = raw.value.len() == 8,
            // Of no use here; their length is judged since what is wrong with a route is wrong wherever it goes.
            ORIGINATOR_ID => _ = raw.u32("ORIGINATOR_ID")?,
            CLUSTER_LIST => _ = raw.items(4, "CLUSTER_LIST")?,
            EXTENDED_COMMUNITIES => _ = raw.items(8, "EXTENDED COMMUNITIES")?,
            IPV6_EXTENDED_COMMUNITIES => _ = raw.items(20, "IPv6 EXTENDED COMMUNITIES")?,
            _ => {}
        }
        Ok(())
    }

    /// Whether there was any attribute but MP_UNREACH_NLRI.
    pub(super) fn describes_routes(&self) -> bool {
        self.seen.iter().any(|code| *code != MP_UNREACH_NLRI)
    }

    /// Whether there was an MP_REACH_NLRI, be it of a family that is not exchanged.
    pub(super) fn reaches(&self) -> bool {
        self.seen.contains(&MP_REACH_NLRI)
    }

    /// The attributes of routes, which stand in the UPDATE's own field (`classic`), in MP_REACH_NLRI, or both. A fault
    /// if one is missing that routes must have (RFC 7606 3 (d)).
    pub(super) fn attributes(self, classic: bool, context: &Context) -> Result<Attributes, Fault> {
        let origin = self.origin.ok_or_else(|| Fault::missing(ORIGIN, "ORIGIN"))?;
        let mut path = self.as_path.ok_or_else(|| Fault::missing(AS_PATH, "AS_PATH"))?;
        // RFC 6793 4.2.3: an AGGREGATOR that is not AS_TRANS was set by one who does not know the AS4 attributes, which
        // are old then.
        let outdated = self.as4_aggregator && self.aggregator_asn.is_some_and(|asn| asn != u32::from(AS_TRANS));
        if let Some(as4_path) = self.as4_path.filter(|_| !outdated) {
            path = path.merged(as4_path);
        }
        let next_hop =
            if classic { self.next_hop.map(IpAddr::from) } else { self.reached.map(|reached| reached.next_hop) };
        let next_hop = next_hop.ok_or_else(|| Fault::missing(NEXT_HOP, "NEXT_HOP"))?;
        // RFC 4271 5.1.5.
        if context.internal && self.local_preference.is_none() {
            return Err(Fault::missing(LOCAL_PREF, "LOCAL_PREF"));
        }
        Ok(Attributes {
            origin,
            as_path: path.flattened(),
            next_hop,
            med: self.med,
            local_preference: self.local_preference,
            communities: self.communities,
            large_communities: self.large_communities,
            only_to_customer: self.only_to_customer,
        })
    }
}

fn origin(raw: &Raw) -> Result<Origin, Fault> {
    let &[value] = raw.value else { return Err(raw.length_fault("ORIGIN")) };
    match value {
        0 => Ok(Origin::Igp),
        1 => Ok(Origin::Egp),
        2 => Ok(Origin::Incomplete),
        _ => Err(raw.fault(Reason::InvalidOrigin, format!("ORIGIN is {value}"))),
    }
}

fn as_path(raw: &Raw, context: &Context) -> Result<as_path::Path, Fault> {
    as_path::decode(Octets::new(raw.value), context.four_octet_asns)
        // RFC 5065 5: from outside of a confederation, a malformed path.
        .filter(|path| context.internal || !path.has_confederation_segments())
        .ok_or_else(|| raw.fault(Reason::MalformedAsPath, "AS_PATH is malformed"))
}

fn next_hop(raw: &Raw) -> Result<Ipv4Addr, Fault> {
    let address = Ipv4Addr::from_bits(raw.u32("NEXT_HOP")?);
    check_host(raw, address.into())?;
    Ok(address)
}

/// RFC 4271 6.3: a next hop must be the address of a host.
fn check_host(raw: &Raw, next_hop: IpAddr) -> Result<(), Fault> {
    let broadcast = next_hop == IpAddr::from(Ipv4Addr::BROADCAST);
    if next_hop.is_unspecified() || next_hop.is_loopback() || next_hop.is_multicast() || broadcast {
        return Err(raw.fault(Reason::InvalidNextHop, format!("the next hop is {next_hop}")));
    }
    Ok(())
}

/// An attribute in octets.
fn write(code: u8, value: &[u8], out: &mut Vec<u8>) {
    let flags = known_flags(code).unwrap_or(OPTIONAL | TRANSITIVE);
    match u8::try_from(value.len()) {
        Ok(length) => out.extend_from_slice(&[flags, code, length]),
        Err(_) => {
            out.extend_from_slice(&[flags | EXTENDED_LENGTH, code]);
            out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(value);
}

/// MP_REACH_NLRI or MP_UNREACH_NLRI: what comes first in it, and prefixes.
pub(super) fn multiprotocol(code: u8, head: &[u8], prefixes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(code, &[head, prefixes].concat(), &mut out);
    out
}

/// All attributes of routes but MP_REACH_NLRI, in order of their types (RFC 4271 5). `next_hop` is NEXT_HOP's, of
/// routes in the UPDATE's own field.
pub(super) fn encode(attributes: &Attributes, next_hop: Option<Ipv4Addr>, context: &Context) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let path = &attributes.as_path;
    let mut out = Vec::new();
    write(ORIGIN, &[attributes.origin as u8], &mut out);
    let as_path = if context.four_octet_asns { as_path::encode(path) } else { as_path::encode_short(path) };
    write(AS_PATH, &as_path, &mut out);
    if let Some(next_hop) = next_hop {
        write(NEXT_HOP, &next_hop.octets(), &mut out);
    }
    if let Some(med) = attributes.med {
        write(MULTI_EXIT_DISC, &med.to_be_bytes(), &mut out);
    }
    // RFC 4271 5.1.5: to every internal peer, to no other.
    if context.internal {
        let preference = attributes.local_preference.unwrap_or(LOCAL_PREFERENCE_DEFAULT);
        write(LOCAL_PREF, &preference.to_be_bytes(), &mut out);
    }
    if !attributes.communities.is_empty() {
        write(COMMUNITIES, &words(&attributes.communities), &mut out);
    }
    // RFC 6793 4.2.2: only where AS_PATH could not say it all.
    if !context.four_octet_asns && path.iter().any(|asn| *asn > u32::from(u16::MAX)) {
        write(AS4_PATH, &as_path::encode(path), &mut out);
    }
    if !attributes.large_communities.is_empty() {
        write(LARGE_COMMUNITY, &words(attributes.large_communities.as_flattened()), &mut out);
    }
    if let Some(asn) = attributes.only_to_customer {
        write(ONLY_TO_CUSTOMER, &asn.to_be_bytes(), &mut out);
    }
    out
}

/// What most implementations take where nothing is said.
const LOCAL_PREFERENCE_DEFAULT: u32 = 100;
