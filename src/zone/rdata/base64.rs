//! Base 64 (RFC 4648 section 4), strict: padding is there, and no bits are set behind the last octet.

use crate::zone::parse::fault::{Fault, shown};
use crate::zone::parse::fields::Fields;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// In [`VALUES`]: no digit.
const NONE: u8 = 0xff;

static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Reads digits up to the end of the record, and at least one octet. Blanks may cut them anywhere.
pub(super) fn read(fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = fields.expect(what)?;
    let mut decoder = Decoder::default();
    while let Some(token) = fields.optional()? {
        if token.quoted {
            return Err(fields.unexpected(&token, what));
        }
        if let Err(at) = decoder.push(token.text, out) {
            let message = format!("{} can't stand here in {what}, which is in Base 64", shown(&token.text[at..at + 1]));
            return Err(fields.wrong(token.spot_within(at, 1), message));
        }
        fields.bound(token.spot(), out)?;
    }
    if decoder.is_whole() {
        return Ok(());
    }
    Err(Fault::new(
        fields.since(start),
        format!("{what} ends within a group of four digits"),
        "Base 64 comes in groups of four: some are missing, or the padding (=)",
    ))
}

/// Appends the octets that `text` stands for. `None`: it is not Base 64.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut decoder = Decoder::default();
    decoder.push(text, out).ok()?;
    decoder.is_whole().then_some(())
}

/// Takes the digits piece by piece.
#[derive(Default)]
struct Decoder {
    /// The values of the digits since the last whole group.
    bits: u32,
    digits: usize,
    padding: usize,
}

impl Decoder {
    /// Appends the octets that are complete. The error is the place of the first octet that can't stand where it does.
    fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        let mut at = 0;
        while at < text.len() {
            if self.digits == 0 {
                at += whole_groups(&text[at..], out);
            }
            let Some(&octet) = text.get(at) else { break };
            self.push_one(octet, out).ok_or(at)?;
            at += 1;
        }
        Ok(())
    }

    fn push_one(&mut self, octet: u8, out: &mut Vec<u8>) -> Option<()> {
        match VALUES[octet as usize] {
            NONE if octet == b'=' && self.digits >= 2 && self.digits + self.padding < 4 => self.padding += 1,
            NONE => return None,
            _ if self.padding > 0 => return None,
            value => {
                self.bits = self.bits << 6 | u32::from(value);
                self.digits += 1;
            }
        }
        if self.digits + self.padding == 4 {
            let [_, octets @ ..] = (self.bits << (6 * self.padding)).to_be_bytes();
            let (kept, dropped) = octets.split_at(3 - self.padding);
            if dropped.iter().any(|&octet| octet != 0) {
                return None;
            }
            out.extend_from_slice(kept);
            // Behind padding nothing may follow: then the group stays full.
            if self.padding == 0 {
                (self.bits, self.digits) = (0, 0);
            }
        }
        Some(())
    }

    fn is_whole(&self) -> bool {
        self.digits == 0 || self.digits + self.padding == 4
    }
}

/// Takes groups of four digits as long as there are such. Gives the number of digits.
fn whole_groups(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for group in text.chunks_exact(4) {
        let value = |nth: usize| VALUES[group[nth] as usize];
        let [a, b, c, d] = [value(0), value(1), value(2), value(3)];
        if a | b | c | d == NONE {
            break;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        taken += 4;
    }
    taken
}

/// Appends the text that stands for `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - group.len()));
        for nth in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * nth)) as usize & 63];
            out.push(if nth <= group.len() { digit as char } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_section_10() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut encoded = String::new();
            encode(octets.as_bytes(), &mut encoded);
            assert_eq!(encoded, text);
            let mut decoded = Vec::new();
            assert_eq!(decode(text.as_bytes(), &mut decoded), Some(()));
            assert_eq!(decoded, octets.as_bytes());
        }
        for bad in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zg===", "Zm 9", "Zm9_", "Zm9vYm=y"] {
            assert_eq!(decode(bad.as_bytes(), &mut Vec::new()), None, "{bad}");
        }
    }

    #[test]
    fn pieces_cut_anywhere_are_one() {
        let (text, octets) = (b"Zm9vYmFyZm9vYg==", b"foobarfoob");
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut decoder = Decoder::default();
                let mut out = Vec::new();
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    assert_eq!(decoder.push(piece, &mut out), Ok(()), "{first} {second}");
                }
                assert!(decoder.is_whole());
                assert_eq!(out, octets);
            }
        }
        assert_eq!(Decoder::default().push(b"Zm9v!", &mut Vec::new()), Err(4));
        assert_eq!(Decoder::default().push(b"Zg==Zg==", &mut Vec::new()), Err(4));
    }
}
