//! OPEN (RFC 4271 4.2, 6.2) and its capabilities (RFC 5492).

use super::read::Octets;
use super::{AS_TRANS, Error};
use crate::announce::bgp::message::{Capability, Open, Role};
use crate::announce::bgp::notification::Reason;
use crate::announce::prefix::Family;
use crate::counted::counted;

const VERSION: u8 = 4;
/// The optional parameter that holds capabilities (RFC 5492 4).
const CAPABILITIES: u8 = 2;
/// Where the first parameter's type would stand: lengths have two octets from here on (RFC 9072 2).
const EXTENDED: u8 = 255;
/// What one parameter of the classic form holds: with its own two octets they are 255.
const CLASSIC_CAPABILITIES_OCTETS_MAX: usize = 253;
/// Behind the fixed part of the message and the three octets of RFC 9072 and another three of the parameter.
const CAPABILITIES_OCTETS_MAX: usize = super::MESSAGE_OCTETS_MAX - 29 - 3 - 3;

const MULTIPROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_NEXT_HOP: u8 = 5;
const ROLE: u8 = 9;
const FOUR_OCTET_ASN: u8 = 65;
const ENHANCED_ROUTE_REFRESH: u8 = 70;

fn malformed(what: &str) -> Error {
    Error::new(Reason::OpenUnspecific, [], what)
}

/// An OPEN's body.
pub(super) fn decode(body: &[u8]) -> Result<Open, Error> {
    let cut_off = || malformed("an OPEN is cut off");
    let mut octets = Octets::new(body);
    let version = octets.u8().ok_or_else(cut_off)?;
    if version != VERSION {
        let ours = u16::from(VERSION).to_be_bytes();
        return Err(Error::new(Reason::UnsupportedVersion, ours, format!("the peer speaks BGP version {version}")));
    }
    let short_asn = octets.u16().ok_or_else(cut_off)?;
    let hold_time = octets.u16().ok_or_else(cut_off)?;
    let identifier = octets.ipv4().ok_or_else(cut_off)?;
    let capabilities = capabilities(octets)?;
    let asn = capabilities.iter().find_map(four_octet_asn).unwrap_or(u32::from(short_asn));
    // RFC 7607 2.
    if asn == 0 {
        return Err(Error::new(Reason::BadPeerAs, [], "the peer says that its AS is 0"));
    }
    if matches!(hold_time, 1 | 2) {
        return Err(Error::new(Reason::UnacceptableHoldTime, [], format!("a hold time of {hold_time} s is too short")));
    }
    // RFC 6286 2.1: any other number will do.
    if identifier.is_unspecified() {
        return Err(Error::new(Reason::BadBgpIdentifier, [], "the BGP identifier is 0.0.0.0"));
    }
    Ok(Open { asn, hold_time, identifier, capabilities })
}

fn four_octet_asn(capability: &Capability) -> Option<u32> {
    match capability {
        Capability::FourOctetAsn(asn) => Some(*asn),
        _ => None,
    }
}

/// The optional parameters with their length: the capabilities in all of them.
fn capabilities(mut octets: Octets) -> Result<Vec<Capability>, Error> {
    let cut_off = || malformed("the optional parameters do not fit their length");
    let length = octets.u8().ok_or_else(cut_off)?;
    // RFC 9072 2: the type octet alone tells; a receiver takes any length but 0 with it.
    let mut extended = octets;
    let extended = length != 0 && extended.u8() == Some(EXTENDED);
    let length = if extended {
        octets.u8().ok_or_else(cut_off)?;
        usize::from(octets.u16().ok_or_else(cut_off)?)
    } else {
        usize::from(length)
    };
    let mut parameters = Octets::new(octets.take(length).ok_or_else(cut_off)?);
    if !octets.is_empty() {
        return Err(cut_off());
    }
    let mut capabilities = Vec::new();
    while !parameters.is_empty() {
        let kind = parameters.u8().ok_or_else(cut_off)?;
        let length = if extended { parameters.u16() } else { parameters.u8().map(u16::from) };
        let value = parameters.take(usize::from(length.ok_or_else(cut_off)?)).ok_or_else(cut_off)?;
        if kind != CAPABILITIES {
            let what = format!("an optional parameter has type {kind}");
            return Err(Error::new(Reason::UnsupportedOptionalParameter, [], what));
        }
        let mut value = Octets::new(value);
        while !value.is_empty() {
            let (code, length) = (value.u8(), value.u8());
            let (Some(code), Some(length)) = (code, length) else { return Err(cut_off()) };
            capabilities.push(capability(code, value.take(usize::from(length)).ok_or_else(cut_off)?)?);
        }
    }
    Ok(capabilities)
}

/// One capability. RFC 4271 6.2: one that is recognized and malformed ends the session, since the sides would not agree
/// on what was agreed. Families and roles that we do not know are kept as they are.
fn capability(code: u8, value: &[u8]) -> Result<Capability, Error> {
    let wrong = || malformed(&format!("the capability with code {code} has {}", counted(value.len(), "octet")));
    let other = || Capability::Other { code, value: value.to_vec() };
    Ok(match (code, value) {
        // RFC 4760 8: the third octet is reserved, and ignored.
        (MULTIPROTOCOL, &[high, low, _, safi]) => {
            Family::of_identifiers(u16::from_be_bytes([high, low]), safi).map_or_else(other, Capability::Multiprotocol)
        }
        (ROUTE_REFRESH, []) => Capability::RouteRefresh,
        (EXTENDED_NEXT_HOP, _) if value.len().is_multiple_of(6) => {
            let ipv4_over_ipv6 = value.chunks_exact(6).any(|triple| triple == EXTENDED_NEXT_HOP_TRIPLE);
            if ipv4_over_ipv6 { Capability::ExtendedNextHop } else { other() }
        }
        (ROLE, &[role]) => Role::of(role).map_or_else(other, Capability::Role),
        (FOUR_OCTET_ASN, &[a, b, c, d]) => Capability::FourOctetAsn(u32::from_be_bytes([a, b, c, d])),
        (ENHANCED_ROUTE_REFRESH, []) => Capability::EnhancedRouteRefresh,
        (MULTIPROTOCOL | ROUTE_REFRESH | EXTENDED_NEXT_HOP | ROLE | FOUR_OCTET_ASN | ENHANCED_ROUTE_REFRESH, _) => {
            return Err(wrong());
        }
        _ => other(),
    })
}

/// NLRI of AFI 1, SAFI 1 (of two octets here) with next hops of AFI 2 (RFC 8950 4).
const EXTENDED_NEXT_HOP_TRIPLE: [u8; 6] = [0, 1, 0, 1, 0, 2];

/// An OPEN's body. All capabilities go into one parameter (RFC 5492 4), in the form of RFC 9072 only where they are too
/// long.
pub(super) fn encode(open: &Open) -> Vec<u8> {
    let mut capabilities = Vec::new();
    for capability in &open.capabilities {
        let (code, value) = capability_value(capability);
        let Ok(length) = u8::try_from(value.len()) else { break };
        if capabilities.len() + 2 + value.len() > CAPABILITIES_OCTETS_MAX {
            break;
        }
        capabilities.extend_from_slice(&[code, length]);
        capabilities.extend_from_slice(&value);
    }
    let mut body = vec![VERSION];
    body.extend_from_slice(&u16::try_from(open.asn).unwrap_or(AS_TRANS).to_be_bytes());
    body.extend_from_slice(&open.hold_time.to_be_bytes());
    body.extend_from_slice(&open.identifier.octets());
    let length = capabilities.len();
    if length == 0 {
        body.push(0);
    } else if length <= CLASSIC_CAPABILITIES_OCTETS_MAX {
        body.extend_from_slice(&[length as u8 + 2, CAPABILITIES, length as u8]);
    } else {
        body.extend_from_slice(&[EXTENDED, EXTENDED]);
        body.extend_from_slice(&(length as u16 + 3).to_be_bytes());
        body.push(CAPABILITIES);
        body.extend_from_slice(&(length as u16).to_be_bytes());
    }
    body.extend_from_slice(&capabilities);
    body
}

fn capability_value(capability: &Capability) -> (u8, Vec<u8>) {
    match capability {
        Capability::Multiprotocol(family) => {
            let [high, low] = family.afi().to_be_bytes();
            (MULTIPROTOCOL, vec![high, low, 0, family.safi()])
        }
        Capability::RouteRefresh => (ROUTE_REFRESH, Vec::new()),
        Capability::ExtendedNextHop => (EXTENDED_NEXT_HOP, EXTENDED_NEXT_HOP_TRIPLE.to_vec()),
        Capability::Role(role) => (ROLE, vec![*role as u8]),
        Capability::FourOctetAsn(asn) => (FOUR_OCTET_ASN, asn.to_be_bytes().to_vec()),
        Capability::EnhancedRouteRefresh => (ENHANCED_ROUTE_REFRESH, Vec::new()),
        Capability::Other { code, value } => (*code, value.clone()),
    }
}
