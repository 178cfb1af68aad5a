//! Domain names as zone text writes them: relative to an origin, `@`, escapes (RFC 1035 section 5.1).

use super::fault::{Fault, shown};
use super::lexer::Token;
use crate::wire::name::{LABEL_LEN_MAX, NAME_LEN_MAX, NameError, escape};

/// Octets of a text that are searched for dots at once.
const CHUNK: usize = 16;

/// A valid name in wire form, on the stack.
#[derive(Clone)]
pub(crate) struct NameBuf {
    len: usize,
    /// With room for a whole last chunk.
    bytes: [u8; NAME_LEN_MAX + CHUNK],
}

impl NameBuf {
    /// Takes valid wire bytes.
    pub(crate) fn new(wire: &[u8]) -> NameBuf {
        let mut name = NameBuf { len: 0, bytes: [0; NAME_LEN_MAX + CHUNK] };
        name.set(wire);
        name
    }

    pub(crate) fn as_wire(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn set(&mut self, wire: &[u8]) {
        self.bytes[..wire.len()].copy_from_slice(wire);
        self.len = wire.len();
    }

    /// Reads a name; what does not end in a dot is relative to `origin` (valid wire bytes). Says whether it is relative;
    /// after a fault the content is that of some valid name.
    #[inline]
    pub(crate) fn read(&mut self, token: &Token, origin: &[u8]) -> Result<bool, Fault> {
        if token.quoted || token.escaped || !self.read_plain(token.text, origin) {
            let read = self.read_any(token, origin);
            if read.is_err() {
                self.set(&[0]);
            }
            return read;
        }
        Ok(token.text.last() != Some(&b'.'))
    }

    /// The common shape: a word without escapes. False: not that shape, or wrong.
    #[inline]
    pub(super) fn read_plain(&mut self, text: &[u8], origin: &[u8]) -> bool {
        if text.is_empty() || text.len() > NAME_LEN_MAX - 2 || text == b"@" {
            return false;
        }
        // Each dot stands exactly where the length of the label behind it belongs.
        self.bytes[1..1 + text.len()].copy_from_slice(text);
        let mut label_at = 0;
        for chunk_at in (0..text.len()).step_by(CHUNK) {
            let Some(&chunk) = self.bytes[1 + chunk_at..].first_chunk::<CHUNK>() else { return false };
            let mut dots = dots(chunk, text.len() - chunk_at);
            while dots != 0 {
                let at = chunk_at + (dots.trailing_zeros() / u8::BITS) as usize;
                let len = at - label_at;
                if len == 0 || len > LABEL_LEN_MAX {
                    return false;
                }
                self.bytes[label_at] = len as u8;
                label_at = at + 1;
                dots &= dots - 1;
            }
        }
        let len = text.len() - label_at;
        let total = 1 + text.len() + origin.len();
        if len == 0 {
            self.bytes[label_at] = 0;
            self.len = label_at + 1;
        } else if len > LABEL_LEN_MAX || total > NAME_LEN_MAX {
            return false;
        } else {
            self.bytes[label_at] = len as u8;
            self.bytes[1 + text.len()..total].copy_from_slice(origin);
            self.len = total;
        }
        true
    }

    #[cold]
    fn read_any(&mut self, token: &Token, origin: &[u8]) -> Result<bool, Fault> {
        if token.quoted {
            return Err(Fault::new(token.spot(), "a name can't stand in quotes", "remove the quotes"));
        }
        let text = token.text;
        match text {
            b"@" => {
                self.set(origin);
                return Ok(true);
            }
            b"." => {
                self.set(&[0]);
                return Ok(false);
            }
            _ => {}
        }
        let fault = |at: usize, len: usize, error: NameError| {
            let remedy = match error {
                NameError::BadEscape => {
                    "write the octet as three digits, \\000 to \\255, or `\\\\` for a backslash itself"
                }
                NameError::EmptyLabel => "remove one of the dots",
                _ => "a label has at most 63 octets, a whole name at most 255 in wire form, the origin included",
            };
            Fault::new(token.spot_within(at, len), format!("{error}: {}", shown(text)), remedy)
        };
        let (mut label_at, mut label_text_at, mut at) = (0, 0, 0);
        self.bytes[0] = 0;
        let mut wire_at = 1;
        while at < text.len() {
            let octet = match text[at] {
                b'.' => {
                    let len = wire_at - label_at - 1;
                    if len == 0 {
                        return Err(fault(at, 1, NameError::EmptyLabel));
                    }
                    self.bytes[label_at] = len as u8;
                    label_at = wire_at;
                    label_text_at = at + 1;
                    at += 1;
                    0
                }
                b'\\' => match escape(&text[at..]) {
                    Some((octet, used)) => {
                        at += used;
                        octet
                    }
                    None => {
                        return Err(fault(at, 4.min(text.len() - at), NameError::BadEscape));
                    }
                },
                octet => {
                    at += 1;
                    octet
                }
            };
            if wire_at - label_at > LABEL_LEN_MAX {
                return Err(fault(label_text_at, at - label_text_at, NameError::LabelTooLong));
            }
            if wire_at >= NAME_LEN_MAX {
                return Err(fault(0, text.len(), NameError::NameTooLong));
            }
            self.bytes[wire_at] = octet;
            wire_at += 1;
        }
        let relative = wire_at > label_at + 1;
        if relative {
            self.bytes[label_at] = (wire_at - label_at - 1) as u8;
            if wire_at + origin.len() > NAME_LEN_MAX {
                return Err(fault(0, text.len(), NameError::NameTooLong));
            }
            self.bytes[wire_at..wire_at + origin.len()].copy_from_slice(origin);
            wire_at += origin.len();
        }
        self.len = wire_at;
        Ok(relative)
    }
}

/// Bit 7 of each octet that is a dot, among the first `len` of a chunk.
#[inline]
fn dots(chunk: [u8; CHUNK], len: usize) -> u128 {
    const ONES: u128 = u128::from_ne_bytes([1; CHUNK]);
    const LOW_7: u128 = 0x7f * ONES;
    let other = u128::from_le_bytes(chunk) ^ (ONES * b'.' as u128);
    // Bit 7 of an octet is clear in all three only if the octet is zero: it was a dot. No sum touches its neighbour.
    let dots = !(((other & LOW_7) + LOW_7) | other | LOW_7);
    if len < CHUNK { dots & ((1 << (u8::BITS as usize * len)) - 1) } else { dots }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Text;
    use crate::zone::parse::lexer::Lexer;

    fn read(text: &str, origin: &[u8]) -> Result<String, String> {
        let token = Lexer::new(text.as_bytes()).next().unwrap().unwrap();
        let mut name = NameBuf::new(&[0]);
        match name.read(&token, origin) {
            Ok(_) => Ok(Text(name.as_wire()).to_string()),
            Err(fault) => {
                let spot = fault.spot();
                Err(format!("{}+{} {}", spot.at, spot.len, fault.into_texts().0))
            }
        }
    }

    #[test]
    fn relative_absolute_and_escaped() {
        let origin = b"\x07example\x03com\0";
        for (text, expected) in [
            ("a", "a.example.com."),
            ("a.b", "a.b.example.com."),
            ("a.b.", "a.b."),
            (".", "."),
            ("@", "example.com."),
            ("\\@", "\\@.example.com."),
            ("a\\.b", "a\\.b.example.com."),
            ("a\\.", "a\\..example.com."),
            ("\\097.", "a."),
            ("*.a", "*.a.example.com."),
            ("-_é.", "-_\\195\\169."),
        ] {
            assert_eq!(read(text, origin).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(read("a", b"\0").as_deref(), Ok("a."));
    }

    #[test]
    fn bounds_hold_on_both_paths() {
        let label = "x".repeat(63);
        let three = format!("{label}.{label}.{label}.");
        for escaped in ["", "\\"] {
            // Three labels of 63 octets take 192; 61 more and the root's zero make 255.
            for (last, good) in [(61, true), (62, false)] {
                let text = format!("{escaped}{three}{}.", "y".repeat(last));
                assert_eq!(read(&text, b"\0").is_ok(), good, "{escaped}{last}");
                assert_eq!(read(&text[..text.len() - 1], b"\0").is_ok(), good);
                assert_eq!(read(&text[..text.len() - 4], b"\x02zz\0").is_ok(), good);
            }
            let text = format!("a.{escaped}{label}x.b");
            assert!(
                read(&text, b"\0").unwrap_err().starts_with(&format!("2+{} a label is longer", 64 + escaped.len()))
            );
        }
    }

    #[test]
    fn faults_point_into_the_token() {
        assert!(read("a..b", b"\0").unwrap_err().starts_with("2+1 a label is empty"));
        assert!(read(".a", b"\0").unwrap_err().starts_with("0+1 a label is empty"));
        assert!(read("ab\\25", b"\0").unwrap_err().starts_with("2+3 a backslash"));
        assert!(read("ab\\256", b"\0").unwrap_err().starts_with("2+4 a backslash"));
        assert!(read("\"a\"", b"\0").unwrap_err().starts_with("0+3 a name can't"));
    }
}
