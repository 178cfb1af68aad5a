//! A6 (RFC 2874 section 3.1): a prefix length; the part of the address behind the prefix, whole octets of it; the name that has
//! the prefix. Historic (RFC 6563), but BIND takes it.

use super::field;
use crate::wire::name;
use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::Fields;
use std::fmt::Write;
use std::net::Ipv6Addr;

/// Reads length, address and name: without the address if all bits are the prefix's, without the name if none are.
pub(super) fn read(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let prefix = fields.number("the prefix length", 128)? as u8;
    out.push(prefix);
    if prefix < 128 {
        let mut address = Vec::new();
        field::read_ipv6(fields, "the address suffix", &mut address)?;
        let first = usize::from(prefix / 8);
        // Bits of the prefix are 0 (RFC 2874 section 3.1).
        address[first] &= 0xff >> (prefix % 8);
        out.extend_from_slice(&address[first..]);
    }
    if prefix > 0 { fields.name("the prefix name", out) } else { Ok(()) }
}

/// The prefix length, the octets of the address, the name or nothing.
fn split(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), String> {
    let (&prefix, rest) = bytes.split_first().ok_or("it ends where the prefix length is expected")?;
    if prefix > 128 {
        return Err(format!("the prefix length is {prefix}: 128 is the most"));
    }
    let (suffix, name) =
        rest.split_at_checked(16 - usize::from(prefix / 8)).ok_or("it ends within the address suffix")?;
    Ok((prefix, suffix, name))
}

/// Whether octets are such a record.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let (prefix, suffix, prefix_name) = split(bytes)?;
    if suffix.first().is_some_and(|&octet| octet & !(0xff >> (prefix % 8)) != 0) {
        return Err("bits of the prefix are set in the address suffix".into());
    }
    let len = match prefix {
        0 => 0,
        _ => name::wire_len(prefix_name).map_err(|why| format!("the prefix name: {why}"))?,
    };
    if len < prefix_name.len() { Err(format!("{} octets too many", prefix_name.len() - len)) } else { Ok(()) }
}

/// Writes octets that [`check`] accepts.
pub(super) fn write(bytes: &[u8], out: &mut String) -> Option<()> {
    let (prefix, suffix, prefix_name) = split(bytes).ok()?;
    let _ = write!(out, "{prefix}");
    if prefix < 128 {
        let mut address = [0; 16];
        address.get_mut(16 - suffix.len()..)?.copy_from_slice(suffix);
        let _ = write!(out, " {}", Ipv6Addr::from(address));
    }
    if prefix > 0 {
        let _ = write!(out, " {}", name::Text(prefix_name));
    }
    Some(())
}
