//! The root of an image: header, apex, and which segments it has.

use super::bytes::Bytes;
use super::{Image, ImageError, Segment, Shelf};
use crate::wire::name::{self, Name};
use crate::zone::layout::{
    self, BITS_MAX, DIGEST, Grid, IMAGE_MAX, ITERATIONS_MAX, MAGIC, SEGMENT_ENTRY, SEGMENT_MAX, VERSION, header,
};

/// An image of which the root alone is here, checked: it says which segments to fetch. A flat image is its own root, and names
/// none.
#[derive(Debug, Clone)]
pub struct Root {
    bytes: Vec<u8>,
    head: Head,
}

/// Octets of a root beside its segments' entries and fences: more than header, names and the apex's own RRsets take.
const ROOT_BASE: u64 = 64 << 10;
/// A root has at most one octet for so many of its image, on top of that: names of 255 octets, all of them different in their last
/// one alone, make it a 59th.
const ROOT_SHARE: u64 = 32;

/// What a header says, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) len: u64,
    pub(super) root_len: usize,
    pub(super) seed: u64,
    pub(super) names: Grid,
    pub(super) far: Grid,
    pub(super) name_table: usize,
    pub(super) far_table: usize,
    pub(super) apex_node: usize,
    pub(super) negative_ttl_secs: u32,
    pub(super) serial: u32,
    pub(super) signatures_end: u32,
    pub(super) is_segmented: bool,
    pub(super) depth: u8,
    pub(super) apex_labels: u8,
    pub(super) apex_len: u8,
    pub(super) denial: u8,
    pub(super) salt_len: u8,
    pub(super) iterations: u16,
    pub(super) order: usize,
    pub(super) order_segments: usize,
    pub(super) fences: usize,
    /// The hash of the apex's own, empty name.
    pub(super) apex_hash: u64,
}

impl Root {
    /// Takes the bytes of a root or of a flat image: exactly one, from its magic to its digest.
    pub fn open(bytes: Vec<u8>) -> Result<Root, ImageError> {
        let has = bytes.len() as u64;
        let truncated = |wants: u64| ImageError::Truncated { has, wants };
        let head = Bytes(&bytes);
        if !bytes.starts_with(&MAGIC) {
            let short = bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes);
            return Err(if short { truncated(header::SIZE as u64) } else { ImageError::NotAnImage });
        }
        let short = |_| truncated((header::SIZE + DIGEST) as u64);
        let version = head.u32(header::VERSION).map_err(short)?;
        if version != VERSION {
            return Err(ImageError::Version(version));
        }
        head.array::<{ header::SIZE }>(0).map_err(short)?;
        let len = head.u64(header::ROOT_LEN)?;
        if len != has {
            return Err(if len > has { truncated(len) } else { ImageError::Inconsistent("octets follow its end") });
        }
        let (content, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(|| truncated(len))?;
        if blake3::hash(content).as_bytes() != digest {
            return Err(ImageError::Digest);
        }
        let head = Head::read(&bytes)?;
        Ok(Root { bytes, head })
    }

    /// Most octets that the root of an image of `len` octets has: segments have 128 KiB on average, with 36 octets in the root for
    /// each and a fence for those of the order, so that no compiler comes near this bound.
    pub fn len_max(len: u64) -> u64 {
        len.min(ROOT_BASE + len / ROOT_SHARE)
    }

    /// Digest and octets of each segment, in the order of the image; the same one may come again.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = ([u8; 32], u32)> {
        entries(&self.bytes, self.head.segments())
    }

    /// The image, with segments from `segment`: those of the version before, and what was fetched beside them. It is asked for one
    /// after the other, so that what is fetched only then is not held twice.
    pub fn assemble(self, mut segment: impl FnMut(&[u8; 32]) -> Option<Segment>) -> Result<Image, ImageError> {
        if !self.head.is_segmented {
            return Image::build(self.bytes, self.head, None);
        }
        let mut shelf = Shelf::with_capacity(self.head.segments());
        for (digest, len) in self.segments() {
            let found = segment(&digest).filter(|found| *found.digest() == digest);
            let found = found.ok_or(ImageError::SegmentMissing(digest))?;
            if found.bytes().len() != len as usize {
                return Err(ImageError::Inconsistent("a segment has another length than its root says"));
            }
            shelf.push(found.into_piece());
        }
        Image::build(self.bytes, self.head, Some(shelf.finish()))
    }

    /// Octets of the whole image, root and segments.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty image")]
    pub fn len(&self) -> u64 {
        self.head.len
    }

    /// The zone's name, case as written.
    pub fn apex(&self) -> Name {
        let wire = self.bytes.get(header::SIZE..header::SIZE + self.head.apex_len as usize);
        // Checked when the root was opened.
        Name::from_wire(wire.unwrap_or_default()).unwrap_or_else(|_| Name::root())
    }

    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        self.head.serial
    }

    /// The image's name.
    pub fn digest(&self) -> [u8; 32] {
        self.bytes.last_chunk().copied().unwrap_or_default()
    }
}

impl Head {
    /// Reads a header whose root's length and digest are right: the compiler's own, or checked.
    pub(super) fn read(root: &[u8]) -> Result<Head, ImageError> {
        let head = Bytes(root);
        let apex_len = head.u8(header::APEX_LEN)?;
        let apex = head.slice(header::SIZE, apex_len as usize)?;
        if name::wire_len(apex) != Ok(apex.len()) {
            return Err(ImageError::Inconsistent("its zone's name is malformed"));
        }
        let grid = |bits: usize, buckets: usize| -> Result<Grid, ImageError> {
            let grid = Grid { bits: head.u8(bits)?, buckets: head.u32(buckets)? };
            // A directory entry takes three octets.
            let max = (SEGMENT_MAX / 3) as u32;
            if grid.bits > BITS_MAX || grid.buckets > max {
                return Err(ImageError::Inconsistent("its tables are larger than any"));
            }
            Ok(grid)
        };
        let found = Head {
            len: head.u64(header::LEN)?,
            root_len: root.len(),
            seed: head.u64(header::SEED)?,
            names: grid(header::NAME_BITS, header::NAME_BUCKETS)?,
            far: grid(header::FAR_BITS, header::FAR_BUCKETS)?,
            name_table: head.u32(header::NAME_TABLE)? as usize,
            far_table: head.u32(header::FAR_TABLE)? as usize,
            apex_node: head.u32(header::APEX_NODE)? as usize,
            negative_ttl_secs: head.u32(header::NEGATIVE_TTL)?,
            serial: head.u32(header::SERIAL)?,
            signatures_end: head.u32(header::SIGNATURES_END)?,
            is_segmented: head.u8(header::FORM)? != 0,
            depth: head.u8(header::DEPTH)?,
            apex_labels: name::labels(apex).count() as u8,
            apex_len,
            denial: head.u8(header::DENIAL)?,
            salt_len: head.u8(header::SALT_LEN)?,
            iterations: u16::from_le_bytes(head.array(header::ITERATIONS)?),
            order: head.u32(header::ORDER)? as usize,
            order_segments: head.u32(header::ORDER_SEGMENTS)? as usize,
            fences: head.u32(header::FENCES)? as usize,
            apex_hash: layout::hash(head.u64(header::SEED)?, &[]),
        };
        if found.iterations > ITERATIONS_MAX {
            return Err(ImageError::Inconsistent("its NSEC3 records have more iterations than are served"));
        }
        if found.names.buckets == 0 {
            return Err(ImageError::Inconsistent("it has no table of names"));
        }
        if !found.is_segmented && (found.names.bits > 0 || found.far.bits > 0 || found.order_segments > 0) {
            return Err(ImageError::Inconsistent("it is flat, and has segments"));
        }
        let room = root.len().saturating_sub(header::SIZE + apex.len() + DIGEST);
        if found.segments() * SEGMENT_ENTRY > room {
            return Err(ImageError::Inconsistent("it has more segments than its root has room for"));
        }
        let mut len = root.len() as u64;
        for (_, octets) in entries(root, found.segments()) {
            if octets as usize > SEGMENT_MAX {
                return Err(ImageError::Inconsistent("a segment is too large"));
            }
            len += u64::from(octets);
        }
        if len != found.len || len > IMAGE_MAX {
            return Err(ImageError::Inconsistent("its length is not that of its parts"));
        }
        Ok(found)
    }

    /// Segments of the image.
    pub(super) fn segments(&self) -> usize {
        if self.is_segmented { self.order_from() + self.order_segments } else { 0 }
    }

    /// The number of the order's first segment.
    pub(super) fn order_from(&self) -> usize {
        self.names.segments() + self.far.segments()
    }
}

/// Digest and octets of the segments of a root, which stand before its own digest. That there is room for so many was checked.
pub(super) fn entries(root: &[u8], count: usize) -> impl ExactSizeIterator<Item = ([u8; 32], u32)> {
    let end = root.len().saturating_sub(DIGEST);
    let table = root.get(end.saturating_sub(count * SEGMENT_ENTRY)..end).unwrap_or_default();
    table.chunks_exact(SEGMENT_ENTRY).map(|entry| {
        let (digest, len) = entry.split_at(DIGEST);
        (digest.try_into().unwrap_or_default(), u32::from_le_bytes(len.try_into().unwrap_or_default()))
    })
}
