//! RDATA of each type: from zone text to wire form, from wire form to text, and whether octets are well-formed at all.
//!
//! A type is a list of fields ([`layout`]), each of a kind ([`field`]); rules that bind fields together are in [`whole`]. Kinds
//! that take more than a few lines have a module of their own. Called by the parser and the dump. No names are compressed here,
//! and nothing knows zones.

mod a6;
mod apl;
mod base64;
mod bitmap;
mod field;
mod gateway;
mod hip;
mod identifier;
mod layout;
mod loc;
mod mnemonic;
#[cfg(test)]
mod properties;
mod stamp;
mod svcb;
mod whole;

use super::parse::fault::Fault;
use super::parse::fields::{Fields, decimal};
use crate::wire::code::rtype;
use layout::{Field, layout};
use std::fmt::Write;

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
    // A list of no prefixes is the one text that may be empty (RFC 3123 section 4).
    if rtype == rtype::APL && !fields.has_more()? {
        return Ok(());
    }
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
        field::read(field, fields, out)?;
    }
    let data = fields.since(start);
    fields.finish()?;
    if out.len() > usize::from(u16::MAX) {
        fields.bound(data, out)?;
    }
    whole::check(rtype, out).map_err(|why| fields.wrong(data, why))
}

/// RFC 3597 section 5: `\#`, the length, the octets in hexadecimal. For known types they must be well-formed.
fn read_generic(rtype: u16, fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let length = fields.token("the number of octets")?;
    let Some(expected) = decimal(&length).filter(|&octets| octets <= u32::from(u16::MAX)) else {
        return Err(fields.unexpected(&length, "the number of octets (0 to 65535) behind \\#"));
    };
    fields.hex("the octets", out)?;
    if out.len() != expected as usize {
        return Err(Fault::new(
            length.spot(),
            format!("{expected} octets are announced, but {} follow", out.len()),
            format!("write \\# {}, or correct the hexadecimal digits", out.len()),
        ));
    }
    check(rtype, out).map_err(|why| {
        let text = rtype::text(rtype);
        fields.wrong(length.spot(), format!("these octets are not valid {text} data: {why}"))
    })
}

/// Whether `rdata` is well-formed for its type; anything is for a type that is not known here. `Err` says why it is not.
pub fn check(rtype: u16, rdata: &[u8]) -> Result<(), String> {
    let Some(layout) = layout(rtype) else { return Ok(()) };
    let mut rest = rdata;
    for field in layout {
        field::take(field, &mut rest)?;
    }
    if !rest.is_empty() {
        return Err(format!("{} octets too many", rest.len()));
    }
    whole::check(rtype, rdata)
}

/// Appends the RDATA in presentation form, names absolute. Octets that are not well-formed for their type, and those of
/// types that have no presentation form here, in that of RFC 3597 section 5: every reader of master files takes it.
pub fn write(rtype: u16, rdata: &[u8], out: &mut String) {
    let from = out.len();
    if let Some(layout) = layout(rtype)
        && check(rtype, rdata).is_ok()
        && write_fields(layout, rdata, out).is_some()
        && out.len() > from
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
        let taken = field::take(field, &mut rest).ok()?;
        if nth > 0 {
            out.push(' ');
        }
        let at = out.len();
        field::write(field.kind, taken, out)?;
        // Nothing to write: nor is there a blank for it.
        if nth > 0 && out.len() == at {
            out.pop();
        }
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
