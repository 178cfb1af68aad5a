//! Lists of address prefixes (RFC 3123): `1:192.0.2.0/24`, `!2:2001:db8::/32`.

use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::{Fields, decimal};
use crate::zone::parse::lexer::Token;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA "Address Family Numbers".
const IPV4: u16 = 1;
const IPV6: u16 = 2;
/// The bit that excludes, beside the length of the address.
const NEGATION: u8 = 0x80;

/// Reads items up to the record's end; there may be none.
pub(super) fn read(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    while let Some(token) = fields.optional()? {
        if item(&token, out).is_none() {
            return Err(fields.unexpected(&token, "an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"));
        }
        fields.bound(token.spot(), out)?;
    }
    Ok(())
}

fn item(token: &Token, out: &mut Vec<u8>) -> Option<()> {
    if token.quoted {
        return None;
    }
    let is_negated = token.text.starts_with(b"!");
    let item = token.part(usize::from(is_negated)..token.text.len());
    let colon = item.text.iter().position(|&octet| octet == b':')?;
    let slash = item.text.iter().rposition(|&octet| octet == b'/').filter(|&slash| slash > colon)?;
    let family = u16::try_from(decimal(&item.part(0..colon))?).ok()?;
    let prefix = u8::try_from(decimal(&item.part(slash + 1..item.text.len()))?).ok()?;
    let address: IpAddr = std::str::from_utf8(&item.text[colon + 1..slash]).ok()?.parse().ok()?;
    let (octets, prefix_max) = match (family, address) {
        (IPV4, IpAddr::V4(address)) => (address.octets().to_vec(), 32),
        (IPV6, IpAddr::V6(address)) => (address.octets().to_vec(), 128),
        _ => return None,
    };
    // Zeros at the end are left out (RFC 3123 section 4).
    let len = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
    out.extend_from_slice(&family.to_be_bytes());
    out.extend_from_slice(&[prefix, len as u8 | if is_negated { NEGATION } else { 0 }]);
    out.extend_from_slice(&octets[..len]);
    (prefix <= prefix_max).then_some(())
}

/// One item of the wire form.
struct Item<'w> {
    family: u16,
    prefix: u8,
    is_negated: bool,
    address: &'w [u8],
}

fn take<'w>(rest: &mut &'w [u8]) -> Option<Item<'w>> {
    let [f1, f2, prefix, len, after @ ..] = *rest else { return None };
    let (address, after) = after.split_at_checked(usize::from(len & !NEGATION))?;
    *rest = after;
    Some(Item { family: u16::from_be_bytes([*f1, *f2]), prefix: *prefix, is_negated: len & NEGATION != 0, address })
}

/// Whether octets are a list of prefixes. Families that are not known here may have any address.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let item = take(&mut rest).ok_or("it ends within an address prefix")?;
        let (prefix_max, len_max) = match item.family {
            IPV4 => (32, 4),
            IPV6 => (128, 16),
            _ => (u8::MAX, usize::MAX),
        };
        if item.prefix > prefix_max || item.address.len() > len_max {
            return Err(format!("an address prefix of family {} is longer than {prefix_max} bits", item.family));
        }
        if item.address.last() == Some(&0) {
            return Err("an address prefix ends with an octet of 0, which must be left out".into());
        }
    }
    Ok(())
}

/// Writes a list that [`check`] accepts. `None`: a family has no text form.
pub(super) fn write(bytes: &[u8], out: &mut String) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let separator = if rest.len() < bytes.len() { " " } else { "" };
        let item = take(&mut rest)?;
        let mut octets = [0; 16];
        octets.get_mut(..item.address.len())?.copy_from_slice(item.address);
        let address: IpAddr = match item.family {
            IPV4 => Ipv4Addr::from(*octets.first_chunk::<4>()?).into(),
            IPV6 => Ipv6Addr::from(octets).into(),
            _ => return None,
        };
        let sign = if item.is_negated { "!" } else { "" };
        let _ = write!(out, "{separator}{sign}{}:{address}/{}", item.family, item.prefix);
    }
    Some(())
}
