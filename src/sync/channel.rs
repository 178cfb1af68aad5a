//! A named line of releases, and the place of a release in it.

use super::codec::{FormatError, Reader};
use std::fmt;
use std::str::FromStr;

/// Most octets in a channel's name.
pub const CHANNEL_LEN_MAX: usize = 63;

/// Name of a channel: 1 to 63 of `a`-`z`, `0`-`9` and `-`, not starting with `-`. Stores make paths of it, so it can hold neither
/// `/` nor `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(String);

/// Text that is no channel name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel's name is 1 to 63 of a-z, 0-9 and -, and does not start with -")]
pub struct NotAChannel;

impl Channel {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.0.len() as u8);
        out.extend_from_slice(self.0.as_bytes());
    }

    pub(super) fn read(from: &mut Reader) -> Result<Channel, FormatError> {
        let len = from.u8()? as usize;
        let text = std::str::from_utf8(from.slice(len)?).ok();
        text.and_then(|text| text.parse().ok()).ok_or(FormatError::Invalid("its channel's name is malformed"))
    }
}

impl FromStr for Channel {
    type Err = NotAChannel;
    fn from_str(text: &str) -> Result<Channel, NotAChannel> {
        let good = text.bytes().all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        match text.len() {
            1..=CHANNEL_LEN_MAX if good && !text.starts_with('-') => Ok(Channel(text.into())),
            _ => Err(NotAChannel),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Place of a release in its channel. The key set counts before the counter: so a new key set recovers from a stolen key that
/// signed a huge counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation {
    /// Version of the key set under which it was signed.
    pub key_set: u32,
    /// Rises with each release.
    pub counter: u64,
}

/// Text that is no generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a generation is two numbers, as in 1.42: the key set's version and the release's counter")]
pub struct NotAGeneration;

impl Generation {
    /// What the next release under key set `key_set` is numbered, if that is possible: no older key set, no counter after
    /// the last.
    pub fn next(self, key_set: u32) -> Option<Generation> {
        match key_set.cmp(&self.key_set) {
            std::cmp::Ordering::Greater => Some(Generation { key_set, counter: 1 }),
            std::cmp::Ordering::Equal => Some(Generation { key_set, counter: self.counter.checked_add(1)? }),
            std::cmp::Ordering::Less => None,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key_set.to_le_bytes());
        out.extend_from_slice(&self.counter.to_le_bytes());
    }

    pub(super) fn read(from: &mut Reader) -> Result<Generation, FormatError> {
        Ok(Generation { key_set: from.u32()?, counter: from.u64()? })
    }
}

/// `1.42`
impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key_set, self.counter)
    }
}

impl FromStr for Generation {
    type Err = NotAGeneration;
    /// Takes exactly what [`fmt::Display`] writes.
    fn from_str(text: &str) -> Result<Generation, NotAGeneration> {
        let (key_set, counter) = text.split_once('.').ok_or(NotAGeneration)?;
        let number = |text: &str| text.parse().map_err(|_| NotAGeneration);
        let key_set = u32::try_from(number(key_set)?).map_err(|_| NotAGeneration)?;
        let generation = Generation { key_set, counter: number(counter)? };
        if generation.to_string() == text { Ok(generation) } else { Err(NotAGeneration) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_are_safe_in_paths() {
        for good in ["prod", "a", "0-9", &"x".repeat(63)] {
            assert_eq!(good.parse::<Channel>().unwrap().as_str(), good);
        }
        for bad in ["", "..", ".", "a/b", "a.b", "Prod", "-a", "a b", "a\0", "ä", &"x".repeat(64)] {
            assert_eq!(bad.parse::<Channel>(), Err(NotAChannel), "{bad}");
        }
    }

    #[test]
    fn the_key_set_counts_before_the_counter() {
        let generation = |text: &str| text.parse::<Generation>().unwrap();
        assert!(generation("1.18446744073709551615") < generation("2.1"));
        assert!(generation("1.9") < generation("1.10"));
        assert_eq!(generation("1.9").next(1), Some(generation("1.10")));
        assert_eq!(generation("1.18446744073709551615").next(1), None);
        assert_eq!(generation("1.18446744073709551615").next(3), Some(generation("3.1")));
        assert_eq!(generation("2.1").next(1), None);
        for bad in ["", "1", "1.", ".1", "01.2", "1.+2", "1.2.3", "4294967296.1", "-1.2", "1.18446744073709551616"] {
            assert_eq!(bad.parse::<Generation>(), Err(NotAGeneration), "{bad}");
        }
    }
}
