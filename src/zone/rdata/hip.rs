//! Host identities (RFC 8005 section 5): lengths in front of what they measure, and servers at the end.

use super::{base64, identifier};
use crate::wire::name;
use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::Fields;
use std::fmt::Write;

/// Reads algorithm, tag, key and servers.
pub(super) fn read(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let algorithm = fields.number("the public key's algorithm", 255)? as u8;
    let token = fields.token("the host identity tag")?;
    let mut tag = Vec::new();
    let is_hex = !token.quoted && identifier::hex(token.text, &mut tag).is_some();
    let Some(tag_len) = u8::try_from(tag.len()).ok().filter(|&len| is_hex && len > 0) else {
        return Err(
            fields.unexpected(&token, "the host identity tag (an even number of hexadecimal digits, 510 at most)")
        );
    };
    let token = fields.token("the public key")?;
    let mut key = Vec::new();
    let is_base64 = !token.quoted && base64::decode(token.text, &mut key).is_some();
    let Some(key_len) = u16::try_from(key.len()).ok().filter(|&len| is_base64 && len > 0) else {
        return Err(fields.unexpected(&token, "the public key (in Base 64, without blanks)"));
    };
    out.extend_from_slice(&[tag_len, algorithm]);
    out.extend_from_slice(&key_len.to_be_bytes());
    out.extend_from_slice(&tag);
    out.extend_from_slice(&key);
    while fields.has_more()? {
        let start = fields.expect("a rendezvous server's name")?;
        fields.name("a rendezvous server's name", out)?;
        fields.bound(fields.since(start), out)?;
    }
    Ok(())
}

/// The parts of the wire form.
struct Parts<'w> {
    algorithm: u8,
    tag: &'w [u8],
    key: &'w [u8],
    /// Names, one behind the other.
    servers: &'w [u8],
}

fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let [tag_len, algorithm, k1, k2, rest @ ..] = bytes else { return None };
    let (tag, rest) = rest.split_at_checked(usize::from(*tag_len))?;
    let (key, servers) = rest.split_at_checked(usize::from(u16::from_be_bytes([*k1, *k2])))?;
    Some(Parts { algorithm: *algorithm, tag, key, servers })
}

/// Whether octets are such a record.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let Parts { tag, key, mut servers, .. } =
        split(bytes).ok_or("it ends within the host identity tag or the public key")?;
    if tag.is_empty() || key.is_empty() {
        return Err("the host identity tag or the public key is empty".into());
    }
    while !servers.is_empty() {
        let len = name::wire_len(servers).map_err(|why| format!("a rendezvous server's name: {why}"))?;
        servers = &servers[len..];
    }
    Ok(())
}

/// Writes octets that [`check`] accepts.
pub(super) fn write(bytes: &[u8], out: &mut String) -> Option<()> {
    let Parts { algorithm, tag, key, mut servers } = split(bytes)?;
    let _ = write!(out, "{algorithm} ");
    super::hex(tag, out);
    out.push(' ');
    base64::encode(key, out);
    while !servers.is_empty() {
        let (server, rest) = servers.split_at_checked(name::wire_len(servers).ok()?)?;
        let _ = write!(out, " {}", name::Text(server));
        servers = rest;
    }
    Some(())
}
