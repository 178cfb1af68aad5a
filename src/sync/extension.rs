//! Fields that are added to signed documents later, without a new format.
//!
//! ```text
//! extensions  count u8 | count x (tag u16, length u16, octets), tags ascending, each once
//! ```
//!
//! A tag with its highest bit set is *critical*: a reader that does not know it refuses the document, so that a node never
//! ignores what the publisher relies on. Any other is skipped by readers that do not know it, and kept when written again. What
//! cannot be said so needs a new format number.

use super::codec::{FormatError, Reader, ascending, at_most};

/// Most extensions of a document.
pub const EXTENSIONS_MAX: usize = 32;
/// Bit of tags that must be understood.
pub const CRITICAL: u16 = 0x8000;

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Which.
    pub tag: u16,
    /// Its octets, at most 65,535.
    pub content: Vec<u8>,
}

pub(super) fn write(extensions: &[Extension], out: &mut Vec<u8>) {
    out.push(extensions.len() as u8);
    for extension in extensions {
        out.extend_from_slice(&extension.tag.to_le_bytes());
        out.extend_from_slice(&(extension.content.len() as u16).to_le_bytes());
        out.extend_from_slice(&extension.content);
    }
}

/// Reads a list. `known` are the critical tags that the caller understands.
pub(super) fn read(from: &mut Reader, known: &[u16]) -> Result<Vec<Extension>, FormatError> {
    let count = from.u8()?;
    at_most("extensions", count.into(), EXTENSIONS_MAX as u64)?;
    let mut list = Vec::with_capacity(count.into());
    for _ in 0..count {
        let (tag, len) = (from.u16()?, from.u16()?);
        list.push(Extension { tag, content: from.slice(len.into())?.to_vec() });
    }
    let tags: Vec<u16> = list.iter().map(|extension| extension.tag).collect();
    ascending("its extensions", &tags)?;
    match tags.into_iter().find(|tag| tag & CRITICAL != 0 && !known.contains(tag)) {
        Some(tag) => Err(FormatError::Critical(tag)),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tags: &[u16]) -> Vec<u8> {
        let list: Vec<_> = tags.iter().map(|&tag| Extension { tag, content: vec![7; tag as usize % 5] }).collect();
        let mut out = Vec::new();
        write(&list, &mut out);
        out
    }

    #[test]
    fn unknown_ones_are_kept_unless_critical() {
        let bytes = written(&[1, 4, 0x7fff]);
        let list = read(&mut Reader::new(&bytes), &[]).unwrap();
        let mut again = Vec::new();
        write(&list, &mut again);
        assert_eq!(again, bytes);
        assert_eq!(read(&mut Reader::new(&written(&[1, 0x8001])), &[]), Err(FormatError::Critical(0x8001)));
        assert_eq!(read(&mut Reader::new(&written(&[1, 0x8001])), &[0x8001]).unwrap().len(), 2);
    }

    #[test]
    fn lists_have_one_form() {
        for tags in [&[4, 1][..], &[1, 1]] {
            assert_eq!(read(&mut Reader::new(&written(tags)), &[]), Err(FormatError::Order("its extensions")));
        }
        let many: Vec<u16> = (0..33).collect();
        let error = FormatError::TooLarge { what: "extensions", has: 33, max: 32 };
        assert_eq!(read(&mut Reader::new(&written(&many)), &[]), Err(error));
        assert_eq!(read(&mut Reader::new(&[1, 0, 0, 9, 9, 1]), &[]), Err(FormatError::Truncated));
    }
}
