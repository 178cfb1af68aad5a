//! Domain names in wire form (RFC 1035 section 3.1): labels with a length byte before each, the root's zero last.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Most octets a name may take in wire form, the root's zero included (RFC 1035 section 2.3.4).
pub const NAME_LEN_MAX: usize = 255;
/// Most octets in one label (RFC 1035 section 2.3.4).
pub const LABEL_LEN_MAX: usize = 63;
/// Most labels in a name, the root not counted: 127 labels of one octet fill 254 octets.
pub const LABELS_MAX: usize = 127;

/// A whole, uncompressed domain name in wire form. Its bytes are valid by construction; the case is kept as given. Cloning it shares
/// them: the zones of a server have each name in several tables.
///
/// Equality and order are those of the bytes; for DNS equality compare [`Name::to_lower`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Name(Arc<[u8]>);

/// Why bytes or text are not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A label has more than [`LABEL_LEN_MAX`] octets.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// The name has more than [`NAME_LEN_MAX`] octets in wire form.
    #[error("the name is longer than 255 octets")]
    NameTooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("a label is empty (two dots in a row?)")]
    EmptyLabel,
    /// A backslash with neither a character nor three digits up to 255 behind it.
    #[error("a backslash must be followed by a character or by three digits up to 255")]
    BadEscape,
    /// Wire bytes that end early, go on after the root, or hold a pointer or a reserved label type.
    #[error("malformed wire form")]
    Malformed,
}

impl Name {
    /// The root, `.`.
    pub fn root() -> Name {
        Name(Arc::new([0]))
    }

    /// Takes exactly one uncompressed name in wire form.
    pub fn from_wire(bytes: &[u8]) -> Result<Name, NameError> {
        if wire_len(bytes)? != bytes.len() {
            return Err(NameError::Malformed);
        }
        Ok(Name(bytes.into()))
    }

    /// Reads presentation form (RFC 1035 section 5.1): dots, `\.` and `\065`. A missing final dot is allowed: the name
    /// is always taken as absolute. `.` is the root.
    pub fn from_text(text: &str) -> Result<Name, NameError> {
        let bytes = text.as_bytes();
        if bytes == b"." {
            return Ok(Name::root());
        }
        let mut wire = Vec::with_capacity(bytes.len() + 2);
        let mut label_at = 0;
        wire.push(0);
        let mut i = 0;
        while i < bytes.len() {
            let octet = match bytes[i] {
                b'.' => {
                    close_label(&mut wire, label_at)?;
                    label_at = wire.len();
                    wire.push(0);
                    i += 1;
                    continue;
                }
                b'\\' => {
                    let (octet, used) = escape(&bytes[i..]).ok_or(NameError::BadEscape)?;
                    i += used - 1;
                    octet
                }
                plain => plain,
            };
            wire.push(octet);
            i += 1;
        }
        if wire.len() > label_at + 1 {
            close_label(&mut wire, label_at)?;
            wire.push(0);
        } else if wire.len() == 1 {
            return Err(NameError::EmptyLabel);
        }
        if wire.len() > NAME_LEN_MAX {
            return Err(NameError::NameTooLong);
        }
        Ok(Name(wire.into()))
    }

    /// The wire form, the root's zero included: 1 to 255 octets.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The same name with ASCII letters in lower case (RFC 4343 section 3).
    pub fn to_lower(&self) -> Name {
        if !self.0.iter().any(u8::is_ascii_uppercase) {
            return self.clone();
        }
        Name(self.0.to_ascii_lowercase().into())
    }

    /// Number of labels, the root not counted.
    pub fn label_count(&self) -> usize {
        labels(&self.0).count()
    }

    /// Whether this name is `ancestor` or below it, letters compared without case.
    pub fn is_at_or_below(&self, ancestor: &Name) -> bool {
        is_at_or_below(&self.0, &ancestor.0)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;
    fn try_from(text: String) -> Result<Name, NameError> {
        Name::from_text(&text)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::from_text(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text(&self.0), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Text(&self.0), f)
    }
}

/// Presentation form of valid wire bytes, absolute, escaped so that [`Name::from_text`] and any master file reads it back.
pub struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 1 {
            return f.write_str(".");
        }
        for label in labels(self.0) {
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => write!(f, "\\{}", octet as char)?,
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

/// The labels of valid wire bytes, leftmost first, without the root.
pub fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (&len, tail) = rest.split_first()?;
        if len == 0 || tail.len() < len as usize {
            return None;
        }
        let (label, next) = tail.split_at(len as usize);
        rest = next;
        Some(label)
    })
}

/// Length of the uncompressed name that `bytes` start with, the root's zero included.
pub fn wire_len(bytes: &[u8]) -> Result<usize, NameError> {
    let mut at = 0;
    loop {
        let len = *bytes.get(at).ok_or(NameError::Malformed)? as usize;
        at += 1 + len;
        if len > LABEL_LEN_MAX {
            return Err(NameError::Malformed);
        }
        if at > NAME_LEN_MAX {
            return Err(NameError::NameTooLong);
        }
        if len == 0 {
            return Ok(at);
        }
    }
}

/// Whether `name` is `ancestor` or below it; both valid wire bytes, letters compared without case.
pub fn is_at_or_below(name: &[u8], ancestor: &[u8]) -> bool {
    let Some(skip) = name.len().checked_sub(ancestor.len()) else { return false };
    // Length bytes are below 64 and so are no letters: case folding can't touch them. Most names that are elsewhere differ here.
    if !name[skip..].eq_ignore_ascii_case(ancestor) {
        return false;
    }
    // The suffix must start at a label boundary, or `xexample.` would be below `example.`.
    let mut at = 0;
    while at < skip {
        at += 1 + name[at] as usize;
    }
    at == skip
}

/// One `\X` or `\DDD` at the start of `bytes`: the octet that it stands for, and how many bytes it took.
pub fn escape(bytes: &[u8]) -> Option<(u8, usize)> {
    match *bytes {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            let value = (a - b'0') as u16 * 100 + (b - b'0') as u16 * 10 + (c - b'0') as u16;
            Some((u8::try_from(value).ok()?, 4))
        }
        [b'\\', b'0'..=b'9', ..] => None,
        [b'\\', octet, ..] => Some((octet, 2)),
        _ => None,
    }
}

fn close_label(wire: &mut [u8], label_at: usize) -> Result<(), NameError> {
    match wire.len() - label_at - 1 {
        0 => Err(NameError::EmptyLabel),
        len @ 1..=LABEL_LEN_MAX => {
            wire[label_at] = len as u8;
            Ok(())
        }
        _ => Err(NameError::LabelTooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("example.com.", b"\x07example\x03com\0"),
            ("a\\.b.c.", b"\x03a.b\x01c\0"),
            ("\\000\\255.", b"\x02\0\xff\0"),
            ("\\@.x.", b"\x01@\x01x\0"),
        ] {
            let name = Name::from_text(text).unwrap();
            assert_eq!(name.as_wire(), wire);
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(Name::from_text("a\\065.b").unwrap().as_wire(), b"\x02aA\x01b\0");
    }

    #[test]
    fn refusals() {
        let long_label = "x".repeat(64);
        let long_name = "abcdefg.".repeat(32);
        for (text, error) in [
            ("", NameError::EmptyLabel),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            (long_label.as_str(), NameError::LabelTooLong),
            (long_name.as_str(), NameError::NameTooLong),
            ("a\\2x", NameError::BadEscape),
            ("a\\256", NameError::BadEscape),
            ("a\\", NameError::BadEscape),
        ] {
            assert_eq!(Name::from_text(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(Name::from_wire(b"\x01a").unwrap_err(), NameError::Malformed);
        assert_eq!(Name::from_wire(b"\xc0\x0c").unwrap_err(), NameError::Malformed);
        assert_eq!(Name::from_wire(b"\0\0").unwrap_err(), NameError::Malformed);
    }

    #[test]
    fn below_needs_a_label_boundary() {
        let apex = Name::from_text("Example.com").unwrap();
        assert!(Name::from_text("www.eXample.COM").unwrap().is_at_or_below(&apex));
        assert!(apex.is_at_or_below(&apex));
        assert!(!Name::from_text("xexample.com").unwrap().is_at_or_below(&apex));
        assert!(!Name::from_text("com").unwrap().is_at_or_below(&apex));
        assert!(apex.is_at_or_below(&Name::root()));
    }
}
