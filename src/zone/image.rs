//! The zone image: one zone as immutable bytes, read in place.
//!
//! [`Image::open`] takes a small image, [`Root::open`] and [`Root::assemble`] one of any size: a root and segments, of which
//! those that did not change are shared with the version before. Header, bounds and digests are checked there, once. Every read
//! after that is checked again: a crafted image, whose digests are right and whose content is not, yields [`Damaged`] (the
//! responder makes it SERVFAIL), never a panic, a read out of bounds or a loop. The layout stands in `layout.rs`.
//!
//! ```text
//! root      header, apex, the names of the segments: what opens an image
//! segment   a run of octets under its digest, in memory that versions share
//! node      names and RRsets, as the responder reads them
//! order     what denies names and types
//! ahead     loads the memory of a probe before it is made
//! records   all records, for dumps and differences
//! serial    the same zone under another serial
//! file      an image in a file
//! ```

mod ahead;
mod bytes;
mod file;
mod node;
mod order;
mod records;
mod root;
mod segment;
mod serial;

pub use ahead::Ahead;
pub use file::FileError;
pub use node::{Extra, Hint, Node, Rrset, Signatures};
pub use order::{Denial, Nsec3};
pub(super) use records::expanded_len;
pub use root::Root;
pub(super) use segment::Piece;
pub use segment::Segment;
use segment::Shelf;

use super::layout::{self, BUCKET_MAX, MAGIC, VERSION, far, header};
use crate::wire::case::eq_lower;
use crate::wire::lookup::LookupName;
use crate::wire::name::Name;
use bytes::Bytes;
use root::Head;
use std::sync::Arc;

/// Octets of a cache line, and how much of a bucket is worth loading ahead: most have less.
const CACHE_LINE: usize = 64;
const PREFETCH_MAX: usize = 4 * CACHE_LINE;

/// Largest image that is one run of octets; a larger one is a root and segments.
pub const FLAT_MAX: u64 = layout::FLAT_MAX;
/// Most octets of a segment.
pub const SEGMENT_MAX: usize = layout::SEGMENT_MAX;

/// A zone, compiled. Cloning it shares the bytes.
#[derive(Clone)]
pub struct Image {
    arena: Arc<Vec<u8>>,
    /// Where in the arena the flat image or the root lies.
    start: usize,
    /// `None`: the image is flat.
    segments: Option<Arc<[Piece]>>,
    head: Head,
}

/// Why bytes are not an image that this build reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Fewer octets than the header says, or than a header has.
    #[error("the zone image is cut short: {has} octets instead of {wants}; fetch or compile it again")]
    Truncated {
        /// Octets there are.
        has: u64,
        /// Octets there should be.
        wants: u64,
    },
    /// Not an image at all.
    #[error("this is not a zone image (it does not start with {:?})", String::from_utf8_lossy(&MAGIC))]
    NotAnImage,
    /// An image of a layout that this build doesn't know.
    #[error(
        "zone image of layout version {0}, this build reads version {VERSION}; compile the zone again with this build"
    )]
    Version(u32),
    /// The digest at the end is not that of the bytes before it.
    #[error("the zone image is damaged: its digest does not match; fetch or compile it again")]
    Digest,
    /// The digest is right, but the content contradicts itself.
    #[error("the zone image contradicts itself: {0}; compile it again")]
    Inconsistent(&'static str),
    /// A segment's octets do not have the digest that names it.
    #[error("segment {} of a zone image is damaged: its digest does not match; fetch it again", hex(.0))]
    SegmentDigest([u8; 32]),
    /// A segment of the image was not given.
    #[error("segment {} of the zone image is missing; fetch it", hex(.0))]
    SegmentMissing([u8; 32]),
}

fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_string()
}

/// A read met bytes that no compiler writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

impl From<Damaged> for ImageError {
    fn from(_: Damaged) -> ImageError {
        ImageError::Inconsistent("a reference leads nowhere")
    }
}

/// Where a question's name leads within a zone.
pub enum Found<'a> {
    /// The name exists, as an owner of records or as an empty non-terminal.
    Exact(Node<'a>),
    /// It does not exist. This is its closest encloser (RFC 4592 section 3.3.1), and its number of labels below the apex.
    Encloser(Node<'a>, usize),
}

/// A bucket, and the run that it lies in.
#[derive(Clone, Copy)]
struct Bucket<'a> {
    run: Bytes<'a>,
    start: usize,
    end: usize,
}

impl Image {
    /// Takes the bytes of a flat image: exactly one, from its magic to its digest.
    pub fn open(bytes: Vec<u8>) -> Result<Image, ImageError> {
        // A root names segments, and none is given.
        Root::open(bytes)?.assemble(|_| None)
    }

    /// Whether octets begin as images do.
    pub fn is_magic(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Takes what the compiler wrote.
    pub(super) fn compiled(root: Vec<u8>, segments: Vec<Piece>) -> Result<Image, ImageError> {
        let head = Head::read(&root)?;
        Image::build(root, head, head.is_segmented.then(|| segments.into()))
    }

    fn build(root: Vec<u8>, head: Head, segments: Option<Arc<[Piece]>>) -> Result<Image, ImageError> {
        let image = Image { arena: Arc::new(root), start: 0, segments, head };
        if image.apex_node()?.rrset(crate::wire::code::rtype::SOA)?.is_none() {
            return Err(ImageError::Inconsistent("it has no SOA record"));
        }
        Ok(image)
    }

    /// The root, digest included. Of a flat image that is all of it.
    #[inline]
    pub fn root(&self) -> &[u8] {
        &self.arena[self.start..self.start + self.head.root_len]
    }

    /// The segments, in the order of the root; a flat image has none. They share memory with the image.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Segment> {
        let pieces = self.segments.as_deref().unwrap_or_default();
        let digests = root::entries(self.root(), pieces.len()).map(|(digest, _)| digest);
        let named = pieces.iter().zip(digests).map(|(piece, digest)| Segment::new(piece.clone(), digest));
        named.collect::<Vec<_>>().into_iter()
    }

    /// Octets of the whole image, root and segments.
    #[expect(clippy::len_without_is_empty, reason = "there is no empty image")]
    pub fn len(&self) -> u64 {
        self.head.len
    }

    /// The zone's name, case as written.
    pub fn apex(&self) -> Name {
        // Checked when the image was opened.
        Name::from_wire(self.apex_wire()).unwrap_or_else(|_| Name::root())
    }

    /// The zone's name in wire form, case as written.
    #[inline]
    pub fn apex_wire(&self) -> &[u8] {
        &self.root()[header::SIZE..header::SIZE + self.head.apex_len as usize]
    }

    /// Labels of the zone's name.
    #[inline]
    pub fn apex_labels(&self) -> usize {
        self.head.apex_labels as usize
    }

    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        self.head.serial
    }

    /// When the first of the zone's signatures ends, in seconds since 1970. `None`: it has none.
    pub fn signatures_end(&self) -> Option<u32> {
        (self.head.signatures_end > 0).then_some(self.head.signatures_end)
    }

    /// TTL of the SOA in negative answers, in seconds: the smaller of its own and its MINIMUM (RFC 2308 section 3).
    pub fn negative_ttl_secs(&self) -> u32 {
        self.head.negative_ttl_secs
    }

    /// Number of records.
    pub fn record_count(&self) -> u64 {
        Bytes(self.root()).u64(header::RECORDS).unwrap_or(0)
    }

    /// BLAKE3 digest of the root's content, which has the digests of the segments: the image's name.
    pub fn digest(&self) -> [u8; 32] {
        self.root().last_chunk().copied().unwrap_or_default()
    }

    /// The node of the zone's own name.
    pub fn apex_node(&self) -> Result<Node<'_>, Damaged> {
        Node::read(self, Bytes(self.root()), self.head.apex_node)
    }

    /// Finds a name which lies at or below the apex.
    ///
    /// All ancestors of an indexed name are indexed, so the deepest existing one is found by halving: for a name at most
    /// as deep as the zone, with the zone three labels deep, that is two probes; for an ip6.arpa zone five.
    pub fn find(&self, name: &LookupName) -> Result<Found<'_>, Damaged> {
        let apex = self.apex_labels();
        let wanted = name.label_count().saturating_sub(apex);
        let (mut low, mut high) = (0, wanted.min(self.head.depth as usize));
        let mut best = None;
        while low < high {
            let middle = (low + high).div_ceil(2);
            match self.probe(name.relative(apex, middle))? {
                Some(node) => (low, best) = (middle, Some(node)),
                None => high = middle - 1,
            }
        }
        let node = match best {
            Some(node) => node,
            None => self.apex_node()?,
        };
        Ok(if low == wanted { Found::Exact(node) } else { Found::Encloser(node, low) })
    }

    pub(super) fn arena(&self) -> &Arc<Vec<u8>> {
        &self.arena
    }

    /// The same image, with its root at another place.
    pub(super) fn moved(&self, arena: Arc<Vec<u8>>, start: usize) -> Image {
        debug_assert_eq!(self.root(), &arena[start..start + self.head.root_len]);
        Image { arena, start, ..self.clone() }
    }

    #[inline]
    fn is_flat(&self) -> bool {
        self.segments.is_none()
    }

    /// One probe: the node of exactly this name (relative, in lower case).
    #[inline]
    fn probe(&self, relative: &[u8]) -> Result<Option<Node<'_>>, Damaged> {
        let hash = layout::hash(self.head.seed, relative);
        let bucket = self.name_bucket(hash)?;
        // The node lies a line or two behind the slots: wait for both at once.
        bucket.prefetch(CACHE_LINE);
        for slot in 0..bucket.slots()? {
            let (tag, at) = bucket.name_slot(slot)?;
            if tag == hash as u8 {
                if self.head.denial != layout::denial::NONE {
                    bucket.prefetch(at.saturating_sub(bucket.start));
                }
                let node = Node::read(self, bucket.run, at)?;
                if eq_lower(node.name, relative) {
                    return Ok(Some(node));
                }
            }
        }
        Ok(None)
    }

    /// The node of the indexed name with this hash: the compiler sees to it that no two have the same.
    fn by_hash(&self, hash: u64) -> Result<Node<'_>, Damaged> {
        let bucket = self.name_bucket(hash)?;
        let mut found = None;
        for slot in 0..bucket.slots()? {
            let (tag, at) = bucket.name_slot(slot)?;
            if tag == hash as u8 {
                let node = Node::read(self, bucket.run, at)?;
                if found.is_none() || self.has_hash(&node, hash) {
                    found = Some(node);
                }
            }
        }
        found.ok_or(Damaged)
    }

    #[cold]
    fn has_hash(&self, node: &Node, hash: u64) -> bool {
        let mut lower = [0; 256];
        let lower = &mut lower[..node.name.len()];
        lower.copy_from_slice(node.name);
        lower.make_ascii_lowercase();
        layout::hash(self.head.seed, lower) == hash
    }

    /// The far item of a ref: its run and its place there.
    #[inline(never)]
    fn far_item(&self, reference: u64) -> Result<(Bytes<'_>, usize), Damaged> {
        let (prefix, key) = far::parts(reference);
        let bucket = self.far_bucket(prefix)?;
        for slot in 0..bucket.slots()? {
            let (found, at) = bucket.far_slot(slot)?;
            if found == key {
                return Ok((bucket.run, at));
            }
        }
        Err(Damaged)
    }

    #[inline]
    fn name_bucket(&self, hash: u64) -> Result<Bucket<'_>, Damaged> {
        let (segment, bucket) = self.head.names.place(hash);
        self.bucket(segment, self.head.name_table, bucket)
    }

    #[inline]
    fn far_bucket(&self, hash: u64) -> Result<Bucket<'_>, Damaged> {
        if self.head.far.buckets == 0 {
            return Err(Damaged);
        }
        let (segment, bucket) = self.head.far.place(hash);
        self.bucket(self.head.names.segments() + segment, self.head.far_table, bucket)
    }

    #[inline]
    fn bucket(&self, segment: usize, table: usize, bucket: usize) -> Result<Bucket<'_>, Damaged> {
        let run = self.run(segment)?;
        let (start, end) = run.places(table + bucket * layout::PLACE)?;
        Ok(Bucket { run, start, end })
    }

    /// The run of segment `index`.
    #[inline]
    fn run(&self, index: usize) -> Result<Bytes<'_>, Damaged> {
        match &self.segments {
            None => Ok(Bytes(self.root())),
            Some(segments) => segments.get(index).map(|piece| Bytes(piece.bytes())).ok_or(Damaged),
        }
    }
}

impl<'a> Bucket<'a> {
    /// How many slots it has.
    #[inline]
    fn slots(&self) -> Result<usize, Damaged> {
        let slots = self.run.u8(self.start)? as usize;
        if slots > BUCKET_MAX { Err(Damaged) } else { Ok(slots) }
    }

    /// A slot of a names' bucket: tag, and where its node lies.
    #[inline]
    fn name_slot(&self, slot: usize) -> Result<(u8, usize), Damaged> {
        let word = self.run.u32(self.start + 1 + 4 * slot)?;
        Ok((word as u8, (word >> 8) as usize))
    }

    /// A slot of a far bucket: key, and where its item lies.
    #[inline]
    fn far_slot(&self, slot: usize) -> Result<(u16, usize), Damaged> {
        let word = self.run.u32(self.start + 1 + 4 * slot)?;
        Ok((word as u16 & ((1 << far::KEY_BITS) - 1), (word >> far::KEY_BITS) as usize))
    }

    /// Starts loading its first cache lines, from octet `from` of it on.
    #[inline]
    fn prefetch(&self, from: usize) {
        let start = self.start + from;
        for line in (start..self.end.min(start + PREFETCH_MAX)).step_by(CACHE_LINE) {
            super::memory::prefetch(self.run.0, line);
        }
    }
}
