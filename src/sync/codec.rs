//! Octets of the formats: checked reads, appends, digests, and what can be wrong. All integers are little-endian.

use std::fmt;

/// A BLAKE3 digest, the name of a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these octets.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }
}

/// 64 hexadecimal digits in lower case.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = NotHex;
    /// Takes exactly what [`fmt::Display`] writes: a digest has one spelling, and with it one path in a store.
    fn from_str(text: &str) -> Result<Digest, NotHex> {
        match hex32(text) {
            Some(bytes) if !text.bytes().any(|c| c.is_ascii_uppercase()) => Ok(Digest(bytes)),
            _ => Err(NotHex),
        }
    }
}

/// Text that is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits in lower case")]
pub struct NotHex;

/// 32 octets from 64 hexadecimal digits of either case.
pub(super) fn hex32(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    for (octet, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = pair.map(|digit| (digit as char).to_digit(16));
        *octet = (high? << 4 | low?) as u8;
    }
    Some(bytes)
}

/// Why octets are not what they should be. The maker of them erred, or what carried them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They end early.
    #[error("cut short")]
    Truncated,
    /// They go on after the end.
    #[error("octets follow its end")]
    Trailing,
    /// They start with other octets than this kind of file does.
    #[error("this is no {0}")]
    NotA(&'static str),
    /// A format that this build does not know.
    #[error("{what} of format {found}, this build reads format {reads}; upgrade the reader first")]
    Version {
        /// Kind of file.
        what: &'static str,
        /// Its format.
        found: u32,
        /// The format of this build.
        reads: u32,
    },
    /// A field that may not be ignored, and that this build does not know.
    #[error("field {0:#06x} must be understood, and this build does not; upgrade the reader first")]
    Critical(u16),
    /// More than the bound.
    #[error("{what}: {has}, more than {max}")]
    TooLarge {
        /// What there is too much of, with its unit.
        what: &'static str,
        /// How much there is, or is said to be.
        has: u64,
        /// The bound.
        max: u64,
    },
    /// Neighbours in a list are equal, or not in ascending order.
    #[error("{0} are not in ascending order, each once")]
    Order(&'static str),
    /// A value that is never written.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Reads from the front.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn slice(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(FormatError::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn digest(&mut self) -> Result<Digest, FormatError> {
        self.array().map(Digest)
    }

    pub(super) fn magic(&mut self, magic: &[u8; 8], what: &'static str) -> Result<(), FormatError> {
        if self.array::<8>()? == *magic { Ok(()) } else { Err(FormatError::NotA(what)) }
    }

    /// A format number that must be `reads`.
    pub(super) fn version(&mut self, what: &'static str, reads: u32) -> Result<(), FormatError> {
        let found = self.u32()?;
        if found == reads { Ok(()) } else { Err(FormatError::Version { what, found, reads }) }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), FormatError> {
        if self.0.is_empty() { Ok(()) } else { Err(FormatError::Trailing) }
    }
}

/// Refuses what is more than `max`.
pub(super) fn at_most(what: &'static str, has: u64, max: u64) -> Result<(), FormatError> {
    if has > max { Err(FormatError::TooLarge { what, has, max }) } else { Ok(()) }
}

/// Refuses a list that is not strictly ascending.
pub(super) fn ascending<T: Ord>(what: &'static str, list: &[T]) -> Result<(), FormatError> {
    if list.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(FormatError::Order(what)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = Digest::of(b"abc");
        // The specification's own implementation: b3sum of "abc".
        let text = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        for other in
            [&text.to_uppercase(), &text[1..], &format!("{text}0"), "", &text.replace('6', "g"), &"..".repeat(32)]
        {
            assert_eq!(other.parse::<Digest>(), Err(NotHex), "{other}");
        }
    }
}
