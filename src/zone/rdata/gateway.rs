//! IPSECKEY (RFC 4025) and AMTRELAY (RFC 8777): where to go is none, an address or a name, as a number in front of it says.

use super::{base64, field};
use crate::wire::name;
use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::Fields;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What the gateway is (RFC 4025 section 2.3, RFC 8777 section 4.2.3).
const NONE: u8 = 0;
const IPV4: u8 = 1;
const IPV6: u8 = 2;
const NAME: u8 = 3;

/// Beside the type of an AMTRELAY: whether to try discovery first.
const DISCOVERY: u8 = 0x80;

/// Reads what follows the precedence of an IPSECKEY record: type, algorithm, gateway, and the key if there is an algorithm.
pub(super) fn read_ipseckey(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let kind = fields.number("the gateway's type", u32::from(NAME))? as u8;
    let algorithm = fields.number("the algorithm", 255)? as u8;
    out.extend_from_slice(&[kind, algorithm]);
    read(kind, fields, "the gateway", out)?;
    // Algorithm 0 says that there is no key (RFC 4025 section 2.4).
    if algorithm == 0 { Ok(()) } else { base64::read(fields, "the public key", out) }
}

/// Reads what follows the precedence of an AMTRELAY record: discovery, type, relay.
pub(super) fn read_amtrelay(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let discovery = fields.number("the discovery bit", 1)? as u8;
    let kind = fields.number("the relay's type", u32::from(NAME))? as u8;
    out.push(discovery << 7 | kind);
    read(kind, fields, "the relay", out)
}

fn read(kind: u8, fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    match kind {
        IPV4 => field::read_ipv4(fields, what, out),
        IPV6 => field::read_ipv6(fields, what, out),
        NAME => fields.name(what, out),
        _ => {
            let token = fields.token(what)?;
            if token.is_word(b".") {
                Ok(())
            } else {
                Err(fields.unexpected(&token, &format!("{what}, `.` for type 0")))
            }
        }
    }
}

/// Octets of the gateway at the front of `bytes`, which `what` names. `None`: the type is not known.
fn len(kind: u8, bytes: &[u8], what: &str) -> Result<Option<usize>, String> {
    let len = match kind {
        NONE => 0,
        IPV4 => 4,
        IPV6 => 16,
        NAME => name::wire_len(bytes).map_err(|why| format!("{what}: {why}"))?,
        _ => return Ok(None),
    };
    if len > bytes.len() { Err(format!("it ends within {what}")) } else { Ok(Some(len)) }
}

/// Whether octets are what follows an IPSECKEY's precedence.
pub(super) fn check_ipseckey(bytes: &[u8]) -> Result<(), String> {
    let [kind, algorithm, rest @ ..] = bytes else { return Err("it ends where the gateway is expected".into()) };
    let Some(len) = len(*kind, rest, "the gateway")? else {
        return Err(format!("the gateway's type is {kind}: only 0 to 3 are known"));
    };
    match (algorithm, rest.len() > len) {
        (0, true) => Err("it has a key, but algorithm 0 says that there is none".into()),
        (1.., false) => Err("it ends where the public key is expected".into()),
        _ => Ok(()),
    }
}

/// Whether octets are what follows an AMTRELAY's precedence. Relays of unknown type may be anything.
pub(super) fn check_amtrelay(bytes: &[u8]) -> Result<(), String> {
    let [kind, rest @ ..] = bytes else { return Err("it ends where the relay's type is expected".into()) };
    match len(kind & !DISCOVERY, rest, "the relay")? {
        Some(len) if len < rest.len() => Err(format!("{} octets too many", rest.len() - len)),
        _ => Ok(()),
    }
}

/// Writes octets that [`check_ipseckey`] accepts.
pub(super) fn write_ipseckey(bytes: &[u8], out: &mut String) -> Option<()> {
    let [kind, algorithm, rest @ ..] = bytes else { return None };
    let (gateway, key) = rest.split_at_checked(len(*kind, rest, "the gateway").ok()??)?;
    let _ = write!(out, "{kind} {algorithm} ");
    write(*kind, gateway, out)?;
    if !key.is_empty() {
        out.push(' ');
        base64::encode(key, out);
    }
    Some(())
}

/// Writes octets that [`check_amtrelay`] accepts. `None`: the type has no text form.
pub(super) fn write_amtrelay(bytes: &[u8], out: &mut String) -> Option<()> {
    let (first, relay) = bytes.split_first()?;
    let _ = write!(out, "{} {} ", first >> 7, first & !DISCOVERY);
    write(first & !DISCOVERY, relay, out)
}

fn write(kind: u8, gateway: &[u8], out: &mut String) -> Option<()> {
    match kind {
        NONE => out.push('.'),
        IPV4 => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(gateway).ok()?)).ok()?,
        IPV6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(gateway).ok()?)).ok()?,
        NAME => write!(out, "{}", name::Text(gateway)).ok()?,
        _ => return None,
    }
    Some(())
}
