//! Packs: many small images in one blob, so that 100,000 zones are not 100,000 requests.
//!
//! ```text
//! pack     magic (8) | format u32 | images u32 | images x (image's digest (32), octets u32) | the images, one after another
//! ```
//!
//! Images of more than 256 KiB are blobs of their own. Where an image lies is said by the leaf page, so that a node may fetch that
//! range alone; the directory is for those who look at a pack without a release (verification of a store). Which images go into one is
//! settled by [`super::packing`].

use super::codec::{Digest, FormatError, Reader, at_most};
use std::collections::HashSet;

/// Most octets of a pack.
pub const PACK_MAX: usize = 1 << 20;
/// Largest image that is packed: every flat one.
pub const SMALL_MAX: usize = crate::zone::image::FLAT_MAX as usize;

const MAGIC: [u8; 8] = *b"CTCHPACK";
const FORMAT: u32 = 1;
/// Octets of a pack without images.
pub(super) const HEAD: usize = 8 + 4 + 4;
/// Octets of the directory for each image.
pub(super) const ENTRY: usize = 32 + 4;
/// Octets of an image's digest at its end: no image is shorter.
const DIGEST: usize = 32;

/// A pack of images, well-formed and each with its own digest right. Whether they are images of zones is found out by opening
/// them ([`super::page::Leaf::open`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// An image in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The image's name: the digest that it ends with.
    pub image: Digest,
    /// Its first octet in the pack.
    pub offset: u32,
    /// Its octets.
    pub len: u32,
}

impl Pack {
    /// Packs images, in this order: one at least, each once, each of 32 to [`SMALL_MAX`] octets and ending with its digest.
    pub fn build(images: &[&[u8]]) -> Result<Pack, FormatError> {
        let content: usize = images.iter().map(|image| image.len()).sum();
        let len = HEAD + images.len() * ENTRY + content;
        at_most("octets of a pack", len as u64, PACK_MAX as u64)?;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(images.len() as u32).to_le_bytes());
        for image in images {
            let digest = image.last_chunk::<DIGEST>().ok_or(TOO_SHORT)?;
            bytes.extend_from_slice(digest);
            bytes.extend_from_slice(&(image.len() as u32).to_le_bytes());
        }
        images.iter().for_each(|image| bytes.extend_from_slice(image));
        Pack::decode(bytes)
    }

    /// Takes exactly one pack, whatever its name, and checks each image's digest.
    pub fn decode(bytes: Vec<u8>) -> Result<Pack, FormatError> {
        at_most("octets of a pack", bytes.len() as u64, PACK_MAX as u64)?;
        let mut from = Reader::new(&bytes);
        from.magic(&MAGIC, "pack")?;
        from.version("pack", FORMAT)?;
        let count = from.u32()? as usize;
        if count == 0 {
            return Err(FormatError::Invalid("it has no images"));
        }
        let mut directory = Reader::new(from.slice(count.checked_mul(ENTRY).ok_or(FormatError::Truncated)?)?);
        let mut entries = Vec::with_capacity(count);
        let mut seen = HashSet::with_capacity(count);
        for _ in 0..count {
            let (image, len) = (directory.digest()?, directory.u32()?);
            at_most("octets of a packed image", len.into(), SMALL_MAX as u64)?;
            let offset = (bytes.len() - from.rest().len()) as u32;
            let (content, end) = from.slice(len as usize)?.split_last_chunk::<DIGEST>().ok_or(TOO_SHORT)?;
            if *end != image.0 || Digest::of(content) != image {
                return Err(FormatError::Invalid("an image in it does not have the digest that it should"));
            }
            if !seen.insert(image) {
                return Err(FormatError::Invalid("an image is in it twice"));
            }
            entries.push(Entry { image, offset, len });
        }
        from.end()?;
        Ok(Pack { bytes, entries })
    }

    /// Takes the pack of this name.
    pub fn open(bytes: Vec<u8>, wanted: &Digest) -> Result<Pack, PackError> {
        let format = |e| PackError::Format(*wanted, e);
        at_most("octets of a pack", bytes.len() as u64, PACK_MAX as u64).map_err(format)?;
        let found = Digest::of(&bytes);
        if found != *wanted {
            return Err(PackError::Digest { wanted: *wanted, found });
        }
        Pack::decode(bytes).map_err(format)
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its name: the digest of the whole file.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Its images, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Octets of an image of this pack.
    pub fn image(&self, entry: &Entry) -> Option<&[u8]> {
        let start = entry.offset as usize;
        self.bytes.get(start..start.checked_add(entry.len as usize)?)
    }
}

const TOO_SHORT: FormatError = FormatError::Invalid("an image in it is shorter than a digest");

/// Why octets are not the pack that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Other octets: the store, or what lies between.
    #[error("pack {wanted}: its octets have another digest, {found}")]
    Digest {
        /// The name that was asked for.
        wanted: Digest,
        /// Of what came.
        found: Digest,
    },
    /// With the right digest, whoever made it erred.
    #[error("pack {0}: {1}")]
    Format(Digest, FormatError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Octets that end with their digest, as images do.
    fn image(n: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len - DIGEST];
        let at = bytes.len().min(4);
        bytes[..at].copy_from_slice(&n.to_le_bytes()[..at]);
        let digest = Digest::of(&bytes);
        bytes.extend_from_slice(&digest.0);
        bytes
    }

    #[test]
    fn layout() {
        let (a, b) = (image(1, 40), image(2, 50));
        let pack = Pack::build(&[&a, &b]).unwrap();
        let mut expected = b"CTCHPACK\x01\0\0\0\x02\0\0\0".to_vec();
        expected.extend_from_slice(&a[8..]);
        expected.extend_from_slice(&[40, 0, 0, 0]);
        expected.extend_from_slice(&b[18..]);
        expected.extend_from_slice(&[50, 0, 0, 0]);
        expected.extend_from_slice(&a);
        expected.extend_from_slice(&b);
        assert_eq!(pack.bytes(), expected);
        assert_eq!(pack.entries()[1], Entry { image: Digest(*b.last_chunk().unwrap()), offset: 128, len: 50 });
        assert_eq!(pack.image(&pack.entries()[1]), Some(&b[..]));
        assert_eq!(Pack::open(expected, &pack.digest()).unwrap(), pack);
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let (a, b) = (image(1, 40), image(2, 50));
        let pack = Pack::build(&[&a, &b]).unwrap();
        for at in 0..pack.bytes().len() {
            let mut bytes = pack.bytes().to_vec();
            bytes[at] ^= 0x40;
            assert!(matches!(Pack::open(bytes.clone(), &pack.digest()), Err(PackError::Digest { .. })), "octet {at}");
            // Even where the pack's own digest is not known.
            assert!(Pack::decode(bytes).is_err(), "octet {at}");
        }
        for len in 0..pack.bytes().len() {
            assert!(Pack::decode(pack.bytes()[..len].to_vec()).is_err());
        }
        let longer = [pack.bytes(), b"x"].concat();
        assert_eq!(Pack::decode(longer).unwrap_err(), FormatError::Trailing);
    }

    #[test]
    fn what_makes_no_pack() {
        let a = image(1, 40);
        assert_eq!(Pack::build(&[]).unwrap_err(), FormatError::Invalid("it has no images"));
        assert_eq!(Pack::build(&[&a, &a]).unwrap_err(), FormatError::Invalid("an image is in it twice"));
        assert_eq!(Pack::build(&[&a[..31]]).unwrap_err(), TOO_SHORT);
        assert!(matches!(Pack::build(&[&a[..39]]), Err(FormatError::Invalid(_))));
        let large = image(1, SMALL_MAX + 1);
        let what = "octets of a packed image";
        let max = SMALL_MAX as u64;
        assert_eq!(Pack::build(&[&large]).unwrap_err(), FormatError::TooLarge { what, has: max + 1, max });
        let images: Vec<_> = (0..5).map(|n| image(n, SMALL_MAX)).collect();
        let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
        assert!(matches!(Pack::build(&images), Err(FormatError::TooLarge { what: "octets of a pack", .. })));
        // A count that would need 144 GiB of directory.
        let mut absurd = Pack::build(&[&a]).unwrap().bytes().to_vec();
        absurd[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Pack::decode(absurd).unwrap_err(), FormatError::Truncated);
    }

    proptest! {
        #[test]
        fn there_and_back(lens in proptest::collection::vec(32usize..500, 1..20)) {
            let images: Vec<_> = lens.iter().enumerate().map(|(n, len)| image(n as u32, (*len).max(36))).collect();
            let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
            let pack = Pack::build(&images).unwrap();
            let again = Pack::decode(pack.bytes().to_vec()).unwrap();
            let read: Vec<&[u8]> = again.entries().iter().map(|entry| again.image(entry).unwrap()).collect();
            prop_assert_eq!(&read, &images);
            let rebuilt = Pack::build(&read).unwrap();
            prop_assert_eq!(rebuilt.bytes(), pack.bytes());
        }

    }
}
