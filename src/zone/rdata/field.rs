//! One field of any kind: from text to octets, how many octets it has, and back to text.

use super::layout::{Field, Kind};
use super::{a6, apl, base64, bitmap, gateway, hex, hip, identifier, loc, mnemonic, quote, stamp, svcb};
use crate::wire::code::rtype;
use crate::wire::name;
use crate::zone::base32;
use crate::zone::parse::fault::{Fault, shown};
use crate::zone::parse::fields::{Fields, about, decimal, unescape};
use crate::zone::parse::lexer::Token;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Reads a field and appends it in wire form.
#[inline]
pub(super) fn read(field: &Field, fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let what = field.what;
    match field.kind {
        Kind::Name => fields.name(what, out)?,
        Kind::U8 => out.push(fields.number(what, 255)? as u8),
        Kind::U16 => out.extend_from_slice(&(fields.number(what, 65_535)? as u16).to_be_bytes()),
        Kind::U32 => out.extend_from_slice(&fields.number(what, u32::MAX)?.to_be_bytes()),
        Kind::Time => out.extend_from_slice(&fields.time(what)?.to_be_bytes()),
        Kind::Ipv4 => read_ipv4(fields, what, out)?,
        Kind::Ipv6 => read_ipv6(fields, what, out)?,
        Kind::String => string(&fields.token(what)?, what, out)?,
        Kind::Strings => {
            string(&fields.token(what)?, what, out)?;
            while let Some(token) = fields.optional()? {
                string(&token, what, out)?;
                fields.bound(token.spot(), out)?;
            }
        }
        Kind::Hex => {
            // Each token has at least one octet, so what is there can't be empty.
            fields.expect(what)?;
            fields.hex(what, out)?;
        }
        Kind::Algorithm => mnemonic::read(&mnemonic::ALGORITHMS, fields, what, out)?,
        Kind::Digest => mnemonic::read(&mnemonic::DIGESTS, fields, what, out)?,
        Kind::HashAlgorithm => mnemonic::read(&mnemonic::HASHES, fields, what, out)?,
        Kind::Certificate => mnemonic::read(&mnemonic::CERTIFICATES, fields, what, out)?,
        Kind::Scheme => mnemonic::read(&mnemonic::SCHEMES, fields, what, out)?,
        Kind::Protocol => mnemonic::read(&mnemonic::PROTOCOLS, fields, what, out)?,
        Kind::Type => read_type(fields, what, out)?,
        Kind::Stamp => word(fields, what, "YYYYMMDDHHmmSS, or seconds since 1970", out, stamp::read)?,
        Kind::MaybeString => {
            if let Some(token) = fields.optional()? {
                string(&token, what, out)?;
            }
        }
        Kind::Psdn => {
            let (token, at) = (fields.token(what)?, out.len());
            string(&token, what, out)?;
            if !identifier::is_psdn(&out[at + 1..]) {
                return Err(fields.unexpected(&token, &format!("{what} (4 to 255 digits)")));
            }
        }
        Kind::Base64 => base64::read(fields, what, out)?,
        Kind::MaybeBase64 => {
            if fields.has_more()? {
                base64::read(fields, what, out)?;
            }
        }
        Kind::Base64OrDash => {
            fields.expect(what)?;
            if !fields.take_word(b"-")? {
                base64::read(fields, what, out)?;
            }
        }
        Kind::Types => bitmap::read_types(fields, out)?,
        Kind::SomeTypes => {
            fields.expect(what)?;
            bitmap::read_types(fields, out)?;
        }
        Kind::NxtTypes => bitmap::read_nxt_types(fields, out)?,
        Kind::Ports => bitmap::read_ports(fields, out)?,
        Kind::Salt => {
            word(fields, what, "pairs of hexadecimal digits, 255 at most, or - for none", out, identifier::salt)?
        }
        Kind::Hash => {
            word(fields, what, "Base 32 with the digits 0-9 and A-V, without padding", out, identifier::hash)?
        }
        Kind::Eui48 => word(fields, what, "six pairs of digits: 00-00-5e-00-53-2a", out, identifier::eui48)?,
        Kind::Eui64 => word(fields, what, "eight pairs of digits: 00-00-5e-ef-10-00-00-2a", out, identifier::eui64)?,
        Kind::Locator => word(fields, what, "four groups of digits: 14:4fff:ff20:ee64", out, identifier::locator)?,
        Kind::Nsap => word(fields, what, "0x and pairs of hexadecimal digits, dots among them", out, identifier::nsap)?,
        Kind::Atma => word(fields, what, "pairs of hexadecimal digits, or + and digits", out, identifier::atma)?,
        Kind::Tag => word(fields, what, "1 to 255 letters and digits: issue, issuewild, iodef", out, tag)?,
        Kind::Rest | Kind::RestSome => {
            let token = fields.token(what)?;
            unescape(&token, out).map_err(|fault| about(what, fault))?;
            if token.text.is_empty() && field.kind == Kind::RestSome {
                return Err(
                    fields.unexpected(&token, &format!("{what}, which may not be empty (RFC 7553 section 4.4)"))
                );
            }
        }
        Kind::Loc => loc::read(fields, out)?,
        Kind::SvcParams => svcb::read(fields, out)?,
        Kind::Prefixes => apl::read(fields, out)?,
        Kind::Ipseckey => gateway::read_ipseckey(fields, out)?,
        Kind::Amtrelay => gateway::read_amtrelay(fields, out)?,
        Kind::Hip => hip::read(fields, out)?,
        Kind::A6 => a6::read(fields, out)?,
    }
    Ok(())
}

/// A type's mnemonic, `TYPEnnn`, or the plain number that BIND takes too.
fn read_type(fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let token = fields.token(what)?;
    let by_number = || decimal(&token).and_then(|number| u16::try_from(number).ok());
    match rtype::from_text(token.text).filter(|_| !token.quoted).or_else(by_number) {
        Some(rtype) => out.extend_from_slice(&rtype.to_be_bytes()),
        None => return Err(fields.unexpected(&token, &format!("{what} (a type's name, or TYPEnnn)"))),
    }
    Ok(())
}

/// Reads one word by `parse`; `form` says in messages how it is written.
#[inline(never)]
fn word(
    fields: &mut Fields,
    what: &str,
    form: &str,
    out: &mut Vec<u8>,
    parse: fn(&[u8], &mut Vec<u8>) -> Option<()>,
) -> Result<(), Fault> {
    let token = fields.token(what)?;
    let parsed = if token.quoted { None } else { parse(token.text, out) };
    parsed.ok_or_else(|| fields.unexpected(&token, &format!("{what} ({form})")))
}

/// Dotted quad, each number without leading zeros.
pub(super) fn read_ipv4(fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let token = fields.token(what)?;
    match std::str::from_utf8(token.text).ok().and_then(|text| text.parse::<Ipv4Addr>().ok()) {
        Some(address) if !token.quoted => out.extend_from_slice(&address.octets()),
        _ => return Err(fields.unexpected(&token, "an IPv4 address such as 192.0.2.1")),
    }
    Ok(())
}

/// An IPv6 address as RFC 4291 section 2.2 writes it.
pub(super) fn read_ipv6(fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let token = fields.token(what)?;
    match std::str::from_utf8(token.text).ok().and_then(|text| text.parse::<Ipv6Addr>().ok()) {
        Some(address) if !token.quoted => out.extend_from_slice(&address.octets()),
        _ => return Err(fields.unexpected(&token, "an IPv6 address such as 2001:db8::1")),
    }
    Ok(())
}

/// A character-string (RFC 1035 section 3.3): a length octet, then up to 255 octets.
fn string(token: &Token, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let at = out.len();
    out.push(0);
    unescape(token, out).map_err(|fault| about(what, fault))?;
    match u8::try_from(out.len() - at - 1) {
        Ok(len) => out[at] = len,
        Err(_) => {
            return Err(Fault::new(
                token.spot(),
                format!("{what}: {} is a string of {} octets; 255 is the most", shown(token.text), out.len() - at - 1),
                "split it: \"first part\" \"second part\" is read as one text by those who ask for it",
            ));
        }
    }
    Ok(())
}

fn tag(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(text.len() as u8);
    out.extend_from_slice(text);
    is_tag(text).then_some(())
}

fn is_tag(text: &[u8]) -> bool {
    (1..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric)
}

/// Cuts one field off the front of `rest`, if it is well-formed.
pub(super) fn take<'w>(field: &Field, rest: &mut &'w [u8]) -> Result<&'w [u8], String> {
    let bytes = *rest;
    let short = || format!("it ends where {} is expected", field.what);
    let len = match field.kind {
        Kind::U8 | Kind::Algorithm | Kind::Digest | Kind::HashAlgorithm | Kind::Scheme | Kind::Protocol => 1,
        Kind::U16 | Kind::Type | Kind::Certificate => 2,
        Kind::U32 | Kind::Time | Kind::Stamp | Kind::Ipv4 => 4,
        Kind::Eui48 => 6,
        Kind::Eui64 | Kind::Locator => 8,
        Kind::Ipv6 | Kind::Loc => 16,
        Kind::Name => name::wire_len(bytes).map_err(|why| format!("{}: {why}", field.what))?,
        Kind::MaybeString if bytes.is_empty() => 0,
        Kind::String | Kind::MaybeString | Kind::Psdn | Kind::Tag | Kind::Salt | Kind::Hash => {
            1 + usize::from(*bytes.first().ok_or_else(short)?)
        }
        Kind::Strings => {
            let mut len = 0;
            while let Some(&octets) = bytes.get(len) {
                len += 1 + usize::from(octets);
            }
            // At least one string: RFC 1035 section 3.3.14.
            len.max(1)
        }
        Kind::Hex | Kind::Base64 | Kind::RestSome | Kind::Nsap | Kind::SomeTypes => bytes.len().max(1),
        Kind::MaybeBase64
        | Kind::Base64OrDash
        | Kind::Types
        | Kind::NxtTypes
        | Kind::Ports
        | Kind::Atma
        | Kind::Rest => bytes.len(),
        Kind::SvcParams | Kind::Prefixes | Kind::Ipseckey | Kind::Amtrelay | Kind::Hip | Kind::A6 => bytes.len(),
    };
    let (taken, after) = bytes.split_at_checked(len).ok_or_else(short)?;
    *rest = after;
    match field.kind {
        Kind::Tag if !is_tag(&taken[1..]) => Err(format!("{} must be of letters and digits", field.what)),
        Kind::Psdn if !identifier::is_psdn(&taken[1..]) => Err(format!("{} must be of 4 to 255 digits", field.what)),
        Kind::Hash if taken.len() == 1 => Err(format!("{} is empty", field.what)),
        Kind::Types | Kind::SomeTypes => bitmap::check_types(taken),
        Kind::NxtTypes => bitmap::check_nxt_types(taken),
        Kind::Ports => bitmap::check_ports(taken),
        Kind::Atma => identifier::check_atma(taken),
        Kind::Loc => loc::check(taken),
        Kind::Prefixes => apl::check(taken),
        Kind::Ipseckey => gateway::check_ipseckey(taken),
        Kind::Amtrelay => gateway::check_amtrelay(taken),
        Kind::Hip => hip::check(taken),
        Kind::A6 => a6::check(taken),
        _ => Ok(()),
    }?;
    Ok(taken)
}

/// Writes what [`take`] took. `None`: it has no presentation form that would be read back as the same octets.
pub(super) fn write(kind: Kind, taken: &[u8], out: &mut String) -> Option<()> {
    let number = || taken.iter().fold(0u32, |value, &octet| value << 8 | u32::from(octet));
    match kind {
        Kind::U8 | Kind::U16 | Kind::U32 | Kind::Time => write!(out, "{}", number()).ok()?,
        // Every reader takes the number, not every one all of the names.
        Kind::Algorithm | Kind::Digest | Kind::HashAlgorithm | Kind::Certificate | Kind::Scheme | Kind::Protocol => {
            write!(out, "{}", number()).ok()?;
        }
        Kind::Stamp => stamp::write(number(), out),
        Kind::Ipv4 => write!(out, "{}", Ipv4Addr::from(<[u8; 4]>::try_from(taken).ok()?)).ok()?,
        Kind::Ipv6 => write!(out, "{}", Ipv6Addr::from(<[u8; 16]>::try_from(taken).ok()?)).ok()?,
        Kind::Name => write!(out, "{}", name::Text(taken)).ok()?,
        Kind::Type => out.push_str(&rtype::text(number() as u16)),
        Kind::Tag => out.push_str(std::str::from_utf8(&taken[1..]).ok()?),
        Kind::MaybeString if taken.is_empty() => {}
        Kind::String | Kind::MaybeString | Kind::Psdn => quote(&taken[1..], out),
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
        }
        Kind::Rest | Kind::RestSome => quote(taken, out),
        Kind::Hex => hex(taken, out),
        Kind::Base64OrDash if taken.is_empty() => out.push('-'),
        Kind::Base64 | Kind::MaybeBase64 | Kind::Base64OrDash => base64::encode(taken, out),
        Kind::Types | Kind::SomeTypes => bitmap::write_types(taken, out)?,
        Kind::NxtTypes => bitmap::write_nxt_types(taken, out),
        Kind::Ports => bitmap::write_ports(taken, out),
        Kind::Salt if taken == [0] => out.push('-'),
        Kind::Salt => hex(&taken[1..], out),
        Kind::Hash => base32::encode(&taken[1..], out),
        Kind::Eui48 | Kind::Eui64 => identifier::write_eui(taken, out),
        Kind::Locator => identifier::write_locator(taken, out),
        Kind::Nsap => {
            out.push_str("0x");
            hex(taken, out);
        }
        Kind::Atma => identifier::write_atma(taken, out),
        Kind::Loc => loc::write(taken, out)?,
        Kind::SvcParams => svcb::write(taken, out)?,
        Kind::Prefixes => apl::write(taken, out)?,
        Kind::Ipseckey => gateway::write_ipseckey(taken, out)?,
        Kind::Amtrelay => gateway::write_amtrelay(taken, out)?,
        Kind::Hip => hip::write(taken, out)?,
        Kind::A6 => a6::write(taken, out)?,
    }
    Some(())
}
