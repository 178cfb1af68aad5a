//! A name made ready for lookups: lower case, and where each of its labels starts.

use super::case::make_lower;
use super::name::{LABEL_LEN_MAX, LABELS_MAX, NAME_LEN_MAX};

/// A name in lower case, with the places of its labels, so that each of its suffixes is a slice. Larger than it looks: it is
/// filled in place ([`LookupName::read`]) and lent, not moved.
pub struct LookupName {
    /// One octet longer than a name can be: a whole number of words.
    lower: [u8; 256],
    /// Where label `i` starts, leftmost first; the root's zero is entry `labels`.
    starts: [u8; LABELS_MAX + 1],
    len: u8,
    labels: u8,
}

impl Default for LookupName {
    /// The root.
    fn default() -> LookupName {
        LookupName { lower: [0; 256], starts: [0; LABELS_MAX + 1], len: 1, labels: 0 }
    }
}

impl LookupName {
    /// Reads the uncompressed name at the start of `bytes`. None, with an unspecified name left behind, when it ends early, is too
    /// long or holds a pointer.
    pub fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let (mut at, mut labels) = (0usize, 0usize);
        loop {
            let len = *bytes.get(at)? as usize;
            if at >= NAME_LEN_MAX || len > LABEL_LEN_MAX {
                return None;
            }
            // In range: each label takes two octets at least, so 255 octets hold at most 127 and the root.
            self.starts[labels] = at as u8;
            at += 1 + len;
            if len == 0 {
                break;
            }
            labels += 1;
        }
        let wire = bytes.get(..at)?;
        self.lower.get_mut(..at)?.copy_from_slice(wire);
        // Length octets are below 64 and so are no letters.
        make_lower(&mut self.lower, at);
        self.len = at as u8;
        self.labels = labels as u8;
        Some(())
    }

    /// The whole name in lower case, the root's zero included.
    pub fn lower(&self) -> &[u8] {
        &self.lower[..self.len as usize]
    }

    /// Number of labels, the root not counted.
    pub fn label_count(&self) -> usize {
        self.labels as usize
    }

    /// Where the suffix of the last `labels` labels starts; 0 when the name has no more than that.
    pub fn suffix_start(&self, labels: usize) -> usize {
        self.starts[self.label_count().saturating_sub(labels)] as usize
    }

    /// The suffix of the last `labels` labels, the root's zero included.
    pub fn suffix(&self, labels: usize) -> &[u8] {
        &self.lower()[self.suffix_start(labels)..]
    }

    /// The part of the name below its last `apex` labels, of which only the last `depth` labels: no root's zero.
    pub fn relative(&self, apex: usize, depth: usize) -> &[u8] {
        &self.lower()[self.suffix_start(apex + depth)..self.suffix_start(apex)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<LookupName> {
        let mut name = LookupName::default();
        name.read(bytes).map(|()| name)
    }

    #[test]
    fn suffixes() {
        let name = read(b"\x03WwW\x07eXample\x03com\0rest").unwrap();
        assert_eq!(name.lower(), b"\x03www\x07example\x03com\0");
        assert_eq!(name.label_count(), 3);
        assert_eq!(name.suffix(2), b"\x07example\x03com\0");
        assert_eq!(name.suffix(0), b"\0");
        assert_eq!(name.suffix(9), name.lower());
        assert_eq!(name.relative(1, 1), b"\x07example");
        assert_eq!(name.relative(1, 0), b"");
    }

    #[test]
    fn longest_and_too_long() {
        let mut wire = b"\x01a".repeat(127);
        wire.push(0);
        assert_eq!(read(&wire).unwrap().label_count(), 127);
        let mut wire = b"\x01a".repeat(128);
        wire.push(0);
        assert!(read(&wire).is_none());
        let mut wire = [&[63u8][..], &[b'x'; 63]].concat().repeat(4);
        wire.push(0);
        assert!(read(&wire).is_none(), "257 octets");
        assert!(read(b"\xc0\x0c").is_none());
        assert!(read(b"\x03ab").is_none());
        assert!(read(b"").is_none());
    }
}
