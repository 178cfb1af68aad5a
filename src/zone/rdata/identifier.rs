//! Words of a fixed shape that stand for octets: salts and hashes of NSEC3, MAC addresses, the locators of ILNP, the addresses of old networks.

use crate::zone::base32;
use std::fmt::Write;

/// The octets of pairs of hexadecimal digits. `None`: other digits, or an odd number.
pub(super) fn hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |octet: u8| (octet as char).to_digit(16);
    let (pairs, rest) = text.as_chunks::<2>();
    for [high, low] in pairs {
        out.push((digit(*high)? << 4 | digit(*low)?) as u8);
    }
    rest.is_empty().then_some(())
}

/// Appends what `append` does behind the number of its octets. `None`: these are more than 255, or what they should be is wrong.
fn measured(out: &mut Vec<u8>, append: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    let at = out.len();
    out.push(0);
    append(out)?;
    out[at] = u8::try_from(out.len() - at - 1).ok()?;
    Some(())
}

/// NSEC3's salt: `-` for none (RFC 5155 section 3.3).
pub(super) fn salt(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    measured(out, |out| if text == b"-" { Some(()) } else { hex(text, out) })
}

/// An NSEC3 record's next hash, 1 to 255 octets (RFC 5155 section 3.3).
pub(super) fn hash(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    measured(out, |out| base32::decode(text, |octet| out.push(octet)).filter(|()| !text.is_empty()))
}

/// Six pairs of digits with hyphens between them (RFC 7043 section 3.2).
pub(super) fn eui48(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    eui(6, text, out)
}

/// Eight pairs of digits with hyphens between them (RFC 7043 section 4.2).
pub(super) fn eui64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    eui(8, text, out)
}

fn eui(octets: usize, text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut pairs = 0;
    for pair in text.split(|&octet| octet == b'-') {
        if pair.len() != 2 {
            return None;
        }
        hex(pair, out)?;
        pairs += 1;
    }
    (pairs == octets).then_some(())
}

/// Writes a MAC address.
pub(super) fn write_eui(bytes: &[u8], out: &mut String) {
    for (nth, octet) in bytes.iter().enumerate() {
        let _ = write!(out, "{}{octet:02x}", if nth > 0 { "-" } else { "" });
    }
}

/// 64 bits as four groups of one to four digits (RFC 6742 sections 2.1.2 and 2.3.2).
pub(super) fn locator(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut groups = 0;
    for group in text.split(|&octet| octet == b':') {
        let is_hex = matches!(group.len(), 1..=4) && group.iter().all(u8::is_ascii_hexdigit);
        let value = u16::from_str_radix(std::str::from_utf8(group).ok().filter(|_| is_hex)?, 16).ok()?;
        out.extend_from_slice(&value.to_be_bytes());
        groups += 1;
    }
    (groups == 4).then_some(())
}

/// Writes 64 bits, four digits a group: Knot takes nothing less.
pub(super) fn write_locator(bytes: &[u8], out: &mut String) {
    for (nth, [high, low]) in bytes.as_chunks::<2>().0.iter().enumerate() {
        let _ = write!(out, "{}{high:02x}{low:02x}", if nth > 0 { ":" } else { "" });
    }
}

/// `0x` and pairs of digits, dots among them as one likes (RFC 1706 section 7).
pub(super) fn nsap(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digits = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X"))?;
    let digits: Vec<u8> = digits.iter().copied().filter(|&octet| octet != b'.').collect();
    if digits.is_empty() { None } else { hex(&digits, out) }
}

/// An ATM address: digits of an E.164 number behind `+`, or pairs of hexadecimal digits; single dots may stand between them
/// (ATM Forum, "ATM Name System", section 5).
pub(super) fn atma(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (is_number, digits) = match text.strip_prefix(b"+") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    if digits.split(|&octet| octet == b'.').any(<[u8]>::is_empty) {
        return None;
    }
    let digits: Vec<u8> = digits.iter().copied().filter(|&octet| octet != b'.').collect();
    out.push(u8::from(is_number));
    if !is_number {
        return hex(&digits, out);
    }
    out.extend_from_slice(&digits);
    digits.iter().all(u8::is_ascii_digit).then_some(())
}

/// Whether octets are an ATM address of a format that is known.
pub(super) fn check_atma(bytes: &[u8]) -> Result<(), String> {
    match bytes {
        [_] | [] => Err("it has a format and no address".into()),
        [0, ..] => Ok(()),
        [1, digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        [1, ..] => Err("an E.164 number has digits only".into()),
        [format, ..] => Err(format!("its format is {format}: only 0 and 1 are known")),
    }
}

/// Writes an ATM address that [`check_atma`] accepts.
pub(super) fn write_atma(bytes: &[u8], out: &mut String) {
    match bytes {
        [1, digits @ ..] => {
            out.push('+');
            out.extend(digits.iter().map(|&digit| digit as char));
        }
        [_, octets @ ..] => super::hex(octets, out),
        [] => {}
    }
}

/// Whether a text is an address of a public data network: at least four digits (RFC 1183 section 3.1).
pub(super) fn is_psdn(text: &[u8]) -> bool {
    (4..=255).contains(&text.len()) && text.iter().all(u8::is_ascii_digit)
}
