//! RDATA of each type: from zone text to wire form, from wire form to text, and whether octets are well-formed at all.
//!
//! Most types are a list of fields ([`layout`]); what can't be said by the list has a module of its own: [`loc`], [`svcb`].
//! Called by the parser and the dump. No names are compressed here, and nothing knows zones.

mod base64;
mod layout;
mod loc;
#[cfg(test)]
mod properties;
mod svcb;

use super::parse::fault::{Fault, shown};
use super::parse::fields::{Fields, decimal, unescape};
use crate::wire::code::rtype;
use crate::wire::name;
use layout::{Field, Kind, layout};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// How the RDATA of a type is written, for remedies.
pub(crate) fn usage(rtype: u16) -> String {
    let mut text = format!("the form is: {}", rtype::text(rtype));
    for field in layout(rtype).unwrap_or(&[]) {
        let _ = write!(text, " {}", field.form());
    }
    text
}

/// Reads what follows the type in a record, up to the record's end, and appends it to the empty `out` in wire form.
#[inline]
pub(crate) fn read(rtype: u16, fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    debug_assert!(out.is_empty());
    let start = fields.expect("the record's data")?;
    if fields.take_word(b"\\#")? {
        return read_generic(rtype, fields, out);
    }
    let Some(layout) = layout(rtype) else {
        let mnemonic = rtype::text(rtype);
        return Err(Fault::new(
            fields.token("the record's data")?.spot(),
            format!("{mnemonic} records have no text form here"),
            format!("write the octets in hexadecimal (RFC 3597): {mnemonic} \\# 4 0A000001, where 4 is their number"),
        ));
    };
    for field in layout {
        read_field(field, fields, out)?;
    }
    let data = fields.since(start);
    fields.finish()?;
    if out.len() > usize::from(u16::MAX) {
        fields.bound(data, out)?;
    }
    match rtype {
        rtype::DS | rtype::SSHFP | rtype::SVCB | rtype::HTTPS => {
            whole(rtype, out).map_err(|why| Fault::new(data, why, usage(rtype)))
        }
        _ => Ok(()),
    }
}

/// RFC 3597 section 5: `\#`, the length, the octets in hexadecimal. For known types they must be well-formed.
fn read_generic(rtype: u16, fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let length = fields.token("the number of octets")?;
    let Some(expected) = decimal(&length).filter(|&octets| octets <= u32::from(u16::MAX)) else {
        return Err(fields.unexpected(&length, "the number of octets (0 to 65535) behind \\#"));
    };
    fields.hex("the octets in hexadecimal", out)?;
    if out.len() != expected as usize {
        return Err(Fault::new(
            length.spot(),
            format!("{expected} octets are announced, but {} follow", out.len()),
            format!("write \\# {}, or correct the hexadecimal digits", out.len()),
        ));
    }
    check(rtype, out).map_err(|why| {
        let text = rtype::text(rtype);
        Fault::new(length.spot(), format!("these octets are not valid {text} data: {why}"), usage(rtype))
    })
}

#[inline]
fn read_field(field: &Field, fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let what = field.what;
    match field.kind {
        Kind::Name => fields.name(what, out)?,
        Kind::U8 => out.push(fields.number(what, 255)? as u8),
        Kind::U16 => out.extend_from_slice(&(fields.number(what, 65_535)? as u16).to_be_bytes()),
        Kind::U32 => out.extend_from_slice(&fields.number(what, u32::MAX)?.to_be_bytes()),
        Kind::Time => out.extend_from_slice(&fields.time(what)?.to_be_bytes()),
        Kind::Ipv4 => {
            let token = fields.token(what)?;
            match ipv4(token.text) {
                Some(address) if !token.quoted => out.extend_from_slice(&address.octets()),
                _ => return Err(fields.unexpected(&token, "an IPv4 address such as 192.0.2.1")),
            }
        }
        Kind::Ipv6 => {
            let token = fields.token(what)?;
            match std::str::from_utf8(token.text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok()) {
                Some(address) if !token.quoted => out.extend_from_slice(&address.octets()),
                _ => return Err(fields.unexpected(&token, "an IPv6 address such as 2001:db8::1")),
            }
        }
        Kind::String => {
            let token = fields.token(what)?;
            string(&token, out)?;
        }
        Kind::Strings => {
            string(&fields.token(what)?, out)?;
            while let Some(token) = fields.optional()? {
                string(&token, out)?;
                fields.bound(token.spot(), out)?;
            }
        }
        Kind::Hex => {
            // Each token has at least one octet, so what is there can't be empty.
            fields.expect(what)?;
            fields.hex(what, out)?;
        }
        Kind::Algorithm => {
            let token = fields.token(what)?;
            let number = decimal(&token).and_then(|value| u8::try_from(value).ok());
            match number.or_else(|| layout::algorithm(token.text).filter(|_| !token.quoted)) {
                Some(number) => out.push(number),
                None => {
                    return Err(
                        fields.unexpected(&token, "an algorithm's number, or its mnemonic (RFC 4034 appendix A.1)")
                    );
                }
            }
        }
        Kind::Tag => {
            let token = fields.token(what)?;
            if token.quoted || !is_tag(token.text) {
                return Err(
                    fields.unexpected(&token, "a tag of 1 to 255 letters and digits such as issue, issuewild or iodef")
                );
            }
            out.push(token.text.len() as u8);
            out.extend_from_slice(token.text);
        }
        Kind::Rest | Kind::RestSome => {
            let token = fields.token(what)?;
            unescape(&token, out)?;
            if token.text.is_empty() && field.kind == Kind::RestSome {
                return Err(fields.unexpected(&token, "a target that is not empty (RFC 7553 section 4.4)"));
            }
        }
        Kind::Loc => loc::read(fields, out)?,
        Kind::SvcParams => svcb::read(fields, out)?,
    }
    Ok(())
}

/// Dotted quad, each number without leading zeros.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A character-string (RFC 1035 section 3.3): a length octet, then up to 255 octets.
fn string(token: &super::parse::lexer::Token, out: &mut Vec<u8>) -> Result<(), Fault> {
    let at = out.len();
    out.push(0);
    unescape(token, out)?;
    match u8::try_from(out.len() - at - 1) {
        Ok(len) => out[at] = len,
        Err(_) => {
            return Err(Fault::new(
                token.spot(),
                format!("{} is a string of {} octets; 255 is the most", shown(token.text), out.len() - at - 1),
                "split it: \"first part\" \"second part\" is read as one text by those who ask for it",
            ));
        }
    }
    Ok(())
}

fn is_tag(text: &[u8]) -> bool {
    (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric)
}

/// Whether `rdata` is well-formed for its type; anything is for a type that is not known here. `Err` says why it is not.
pub fn check(rtype: u16, rdata: &[u8]) -> Result<(), String> {
    let Some(layout) = layout(rtype) else { return Ok(()) };
    let mut rest = rdata;
    for field in layout {
        take(field, &mut rest)?;
    }
    if !rest.is_empty() {
        return Err(format!("{} octets too many", rest.len()));
    }
    whole(rtype, rdata)
}

/// Rules that bind fields together, for RDATA whose fields are well-formed.
fn whole(rtype: u16, rdata: &[u8]) -> Result<(), String> {
    let digest = |kind: u8, expected: Option<usize>, digest: &[u8]| match expected {
        Some(octets) if octets != digest.len() => {
            Err(format!("a digest of type {kind} has {octets} octets, not {}", digest.len()))
        }
        _ => Ok(()),
    };
    match (rtype, rdata) {
        // The digests of the IANA "DS RR Type Digest Algorithms" registry.
        (rtype::DS, [_, _, _, kind, rest @ ..]) => {
            let octets = match kind {
                1 => Some(20),
                2 | 3 | 5 | 6 => Some(32),
                4 => Some(48),
                _ => None,
            };
            digest(*kind, octets, rest)
        }
        // RFC 4255 section 3.1.2, RFC 6594 section 3.1.
        (rtype::SSHFP, [_, kind, rest @ ..]) => {
            let octets = match kind {
                1 => Some(20),
                2 => Some(32),
                _ => None,
            };
            digest(*kind, octets, rest)
        }
        (rtype::SVCB | rtype::HTTPS, _) => svcb::check(rdata),
        _ => Ok(()),
    }
}

/// Cuts one field off the front of `rest`.
fn take<'w>(field: &Field, rest: &mut &'w [u8]) -> Result<&'w [u8], String> {
    let bytes = *rest;
    let short = || format!("it ends where {} is expected", field.what);
    let len = match field.kind {
        Kind::U8 | Kind::Algorithm => 1,
        Kind::U16 => 2,
        Kind::U32 | Kind::Time | Kind::Ipv4 => 4,
        Kind::Ipv6 | Kind::Loc => 16,
        Kind::Name => name::wire_len(bytes).map_err(|why| format!("{}: {why}", field.what))?,
        Kind::String | Kind::Tag => 1 + usize::from(*bytes.first().ok_or_else(short)?),
        Kind::Strings => {
            let mut len = 0;
            while let Some(&octets) = bytes.get(len) {
                len += 1 + usize::from(octets);
            }
            // At least one string: RFC 1035 section 3.3.14.
            len.max(1)
        }
        Kind::Hex | Kind::RestSome => bytes.len().max(1),
        Kind::Rest | Kind::SvcParams => bytes.len(),
    };
    let (taken, after) = bytes.split_at_checked(len).ok_or_else(short)?;
    *rest = after;
    match field.kind {
        Kind::Tag if !is_tag(&taken[1..]) => Err("the tag must be of letters and digits".into()),
        Kind::Loc => loc::check(taken).map(|()| taken),
        _ => Ok(taken),
    }
}

/// Appends the RDATA in presentation form, names absolute. Octets that are not well-formed for their type, and those of
/// types that have no presentation form here, in that of RFC 3597 section 5: every reader of master files takes it.
pub fn write(rtype: u16, rdata: &[u8], out: &mut String) {
    let from = out.len();
    if let Some(layout) = layout(rtype)
        && check(rtype, rdata).is_ok()
        && write_fields(layout, rdata, out).is_some()
    {
        return;
    }
    out.truncate(from);
    let _ = write!(out, "\\# {}", rdata.len());
    if !rdata.is_empty() {
        out.push(' ');
        hex(rdata, out);
    }
}

/// `None`: some field has no presentation form that would be read back as the same octets.
fn write_fields(layout: &[Field], rdata: &[u8], out: &mut String) -> Option<()> {
    let mut rest = rdata;
    for (nth, field) in layout.iter().enumerate() {
        let taken = take(field, &mut rest).ok()?;
        if nth > 0 && !(field.kind == Kind::SvcParams && taken.is_empty()) {
            out.push(' ');
        }
        let number = || taken.iter().fold(0u32, |value, &octet| value << 8 | u32::from(octet));
        let _ = match field.kind {
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::Time | Kind::Algorithm => write!(out, "{}", number()),
            Kind::Ipv4 => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(taken).ok()?)),
            Kind::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(taken).ok()?)),
            Kind::Name => write!(out, "{}", name::Text(taken)),
            Kind::Tag => write!(out, "{}", std::str::from_utf8(&taken[1..]).ok()?),
            Kind::String => {
                quote(&taken[1..], out);
                Ok(())
            }
            Kind::Strings => {
                let mut strings = taken;
                while let Some((&octets, after)) = strings.split_first() {
                    let (string, next) = after.split_at_checked(octets.into())?;
                    if strings.len() < taken.len() {
                        out.push(' ');
                    }
                    quote(string, out);
                    strings = next;
                }
                Ok(())
            }
            Kind::Rest | Kind::RestSome => {
                quote(taken, out);
                Ok(())
            }
            Kind::Hex => {
                hex(taken, out);
                Ok(())
            }
            Kind::Loc => {
                loc::write(taken, out)?;
                Ok(())
            }
            Kind::SvcParams => {
                svcb::write(taken, out)?;
                Ok(())
            }
        };
    }
    Some(())
}

/// A text in quotes, with escapes for what is not printable ASCII.
fn quote(text: &[u8], out: &mut String) {
    out.push('"');
    for &octet in text {
        match octet {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(octet as char);
            }
            b' '..=b'~' => out.push(octet as char),
            _ => {
                let _ = write!(out, "\\{octet:03}");
            }
        }
    }
    out.push('"');
}

fn hex(bytes: &[u8], out: &mut String) {
    for octet in bytes {
        let _ = write!(out, "{octet:02X}");
    }
}
