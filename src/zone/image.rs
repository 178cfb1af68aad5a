//! The zone image: one zone as immutable bytes, read in place.
//!
//! [`Image::open`] checks header, bounds and digest once. Every read after that is checked again: a crafted image, whose
//! digest is right and whose content is not, yields [`Damaged`] (the responder makes it SERVFAIL), never a panic, a read out
//! of bounds or a loop. The layout stands in `layout.rs`.

use super::layout::{self, BUCKET_MAX, DIGEST, MAGIC, REF, VERSION, extra, header, hint, node, rrset};
use crate::wire::case::eq_lower;
use crate::wire::code::rtype;
use crate::wire::lookup::LookupName;
use crate::wire::name::{self, LABELS_MAX, NAME_LEN_MAX, Name};
use std::sync::Arc;

/// Octets of a cache line, and how much of a bucket is worth loading ahead: most have less.
const CACHE_LINE: usize = 64;
const PREFETCH_MAX: usize = 4 * CACHE_LINE;
/// RRsets of a name that are loaded ahead: a delegation has two, NS and DS.
const SHARED_MAX: usize = 2;

/// A zone, compiled. Cloning it shares the bytes.
#[derive(Clone)]
pub struct Image {
    arena: Arc<Vec<u8>>,
    start: usize,
    len: usize,
    seed: u64,
    buckets: u64,
    directory: usize,
    apex_node: usize,
    negative_ttl_secs: u32,
    serial: u32,
    depth: u8,
    apex_labels: u8,
    apex_len: u8,
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

impl Image {
    /// Takes the bytes of an image: exactly one, from its magic to its digest.
    pub fn open(bytes: Vec<u8>) -> Result<Image, ImageError> {
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
        let len = head.u64(header::LEN)?;
        if len != has {
            return Err(if len > has { truncated(len) } else { ImageError::Inconsistent("octets follow its end") });
        }
        let (content, digest) = bytes.split_last_chunk::<DIGEST>().ok_or_else(|| truncated(len))?;
        if blake3::hash(content).as_bytes() != digest {
            return Err(ImageError::Digest);
        }
        Image::read(bytes)
    }

    /// Takes bytes whose length and digest are right: the compiler's own, or checked.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Image, ImageError> {
        let head = Bytes(&bytes);
        let len = bytes.len() as u64;
        let apex_len = head.u8(header::APEX_LEN)?;
        let apex = head.slice(header::SIZE, apex_len as usize)?;
        if name::wire_len(apex) != Ok(apex.len()) {
            return Err(ImageError::Inconsistent("its zone's name is malformed"));
        }
        let apex_labels = name::labels(apex).count() as u8;
        let buckets = head.u64(header::BUCKETS)?;
        let directory = head.u64(header::DIRECTORY)?;
        let directory_len = buckets.checked_add(1).and_then(|n| n.checked_mul(REF as u64));
        let directory_end = directory_len.and_then(|len| directory.checked_add(len));
        if buckets == 0 || directory_end.is_none_or(|end| end > len.saturating_sub(DIGEST as u64)) {
            return Err(ImageError::Inconsistent("its directory is larger than itself"));
        }
        let apex_node = head.u64(header::APEX_NODE)?;
        if apex_node >= len {
            return Err(ImageError::Inconsistent("its apex lies outside"));
        }
        let image = Image {
            start: 0,
            len: bytes.len(),
            seed: head.u64(header::SEED)?,
            buckets,
            directory: directory as usize,
            apex_node: apex_node as usize,
            negative_ttl_secs: head.u32(header::NEGATIVE_TTL)?,
            serial: head.u32(header::SERIAL)?,
            depth: head.u8(header::DEPTH)?,
            apex_labels,
            apex_len,
            arena: Arc::new(bytes),
        };
        if image.apex_node()?.rrset(rtype::SOA)?.is_none() {
            return Err(ImageError::Inconsistent("it has no SOA record"));
        }
        Ok(image)
    }

    /// The whole image, digest included.
    pub fn bytes(&self) -> &[u8] {
        &self.arena[self.start..self.start + self.len]
    }

    /// The zone's name, case as written.
    pub fn apex(&self) -> Name {
        // Checked when the image was opened.
        Name::from_wire(self.apex_wire()).unwrap_or_else(|_| Name::root())
    }

    /// The zone's name in wire form, case as written.
    #[inline]
    pub fn apex_wire(&self) -> &[u8] {
        &self.bytes()[header::SIZE..header::SIZE + self.apex_len as usize]
    }

    /// Labels of the zone's name.
    #[inline]
    pub fn apex_labels(&self) -> usize {
        self.apex_labels as usize
    }

    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// TTL of the SOA in negative answers, in seconds: the smaller of its own and its MINIMUM (RFC 2308 section 3).
    pub fn negative_ttl_secs(&self) -> u32 {
        self.negative_ttl_secs
    }

    /// Number of records.
    pub fn record_count(&self) -> u64 {
        self.raw().u64(header::RECORDS).unwrap_or(0)
    }

    /// BLAKE3 digest of the content: the image's name.
    pub fn digest(&self) -> [u8; 32] {
        self.bytes().last_chunk().copied().unwrap_or_default()
    }

    /// The node of the zone's own name.
    pub fn apex_node(&self) -> Result<Node<'_>, Damaged> {
        Node::read(self.raw(), self.apex_node)
    }

    /// Finds a name which lies at or below the apex.
    ///
    /// All ancestors of an indexed name are indexed, so the deepest existing one is found by halving: for a name at most
    /// as deep as the zone, with the zone three labels deep, that is two probes; for an ip6.arpa zone five.
    pub fn find(&self, name: &LookupName) -> Result<Found<'_>, Damaged> {
        let apex = self.apex_labels();
        let wanted = name.label_count().saturating_sub(apex);
        let (mut low, mut high) = (0, wanted.min(self.depth as usize));
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

    /// The first probe that [`Image::find`] will make for this name; `None` if it will make none.
    pub fn ahead(&self, name: &LookupName) -> Option<Ahead<'_>> {
        let apex = self.apex_labels();
        let wanted = name.label_count().saturating_sub(apex).min(self.depth as usize);
        let hash = layout::hash(self.seed, name.relative(apex, wanted.div_ceil(2)));
        (wanted > 0).then_some(Ahead { image: self, hash })
    }

    /// Calls `each(owner, type, TTL in seconds, RDATA)` for every record, names in wire form: the SOA first, then in canonical
    /// order (RFC 4034 sections 6.1 and 6.3). Allocates: for dumps and differences.
    pub fn for_each_record(&self, mut each: impl FnMut(&[u8], u16, u32, &[u8])) -> Result<(), ImageError> {
        let mut nodes = Vec::new();
        let mut previous_end = 0;
        for bucket in 0..self.buckets {
            let (start, end) = self.bucket_at(bucket)?;
            let slots = self.raw().u8(start)? as usize;
            // Buckets follow one another: so a crafted image can't name the same nodes over and over.
            if start < previous_end || slots > BUCKET_MAX || start + 1 + 4 * slots > end {
                return Err(ImageError::Inconsistent("its buckets overlap"));
            }
            for slot in 0..slots {
                let (_, at) = self.slot(start, slot)?;
                nodes.push(Node::read(self.raw(), at)?);
            }
            previous_end = end;
        }
        let (mut at, end) = (self.raw().u64(header::HIDDEN)? as usize, self.raw().u64(header::HIDDEN_END)? as usize);
        while at < end {
            let len = self.raw().u32(at)? as usize;
            nodes.push(Node::read(self.raw(), at + 4)?);
            at += 4 + len;
        }
        nodes.sort_by_cached_key(|node| canonical_key(node.name));
        let mut owner = Vec::with_capacity(NAME_LEN_MAX);
        let mut left = self.record_count();
        for node in nodes {
            owner.clear();
            owner.extend_from_slice(node.name);
            owner.extend_from_slice(self.apex_wire());
            if name::wire_len(&owner) != Ok(owner.len()) {
                return Err(ImageError::Inconsistent("an owner name is malformed"));
            }
            let is_apex = node.name.is_empty();
            let soa = if is_apex { node.rrset(rtype::SOA)? } else { None };
            let others = (0..node.rrset_count()).map(|index| node.rrset_at(index));
            let others = others.filter(|set| !(is_apex && matches!(set, Ok(set) if set.rtype == rtype::SOA)));
            for set in soa.map(Ok).into_iter().chain(others) {
                let set = set?;
                for rdata in set.iter() {
                    let exceeded = ImageError::Inconsistent("it has more records than it says");
                    left = left.checked_sub(1).ok_or(exceeded)?;
                    each(&owner, set.rtype, set.ttl_secs, rdata?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn arena(&self) -> &Arc<Vec<u8>> {
        &self.arena
    }

    /// Points to the same bytes at another place.
    pub(super) fn relocate(&mut self, arena: Arc<Vec<u8>>, start: usize) {
        debug_assert_eq!(self.bytes(), &arena[start..start + self.len]);
        (self.arena, self.start) = (arena, start);
    }

    fn raw(&self) -> Bytes<'_> {
        Bytes(self.bytes())
    }

    /// One probe: the node of exactly this name (relative, in lower case).
    fn probe(&self, relative: &[u8]) -> Result<Option<Node<'_>>, Damaged> {
        let hash = layout::hash(self.seed, relative);
        let (start, end) = self.bucket(hash)?;
        // The node lies a line or two behind the slots: wait for both at once.
        self.prefetch_bucket(start + CACHE_LINE, end);
        let slots = self.raw().u8(start)? as usize;
        if slots > BUCKET_MAX {
            return Err(Damaged);
        }
        for slot in 0..slots {
            let (tag, at) = self.slot(start, slot)?;
            if tag == hash as u8 {
                let node = Node::read(self.raw(), at)?;
                if eq_lower(node.name, relative) {
                    return Ok(Some(node));
                }
            }
        }
        Ok(None)
    }

    #[inline]
    fn prefetch_bucket(&self, start: usize, end: usize) {
        for line in (start..end.min(start + PREFETCH_MAX)).step_by(CACHE_LINE) {
            super::memory::prefetch(self.bytes(), line);
        }
    }

    #[inline]
    fn bucket(&self, hash: u64) -> Result<(usize, usize), Damaged> {
        self.bucket_at(layout::bucket(hash, self.buckets))
    }

    #[inline]
    fn bucket_at(&self, bucket: u64) -> Result<(usize, usize), Damaged> {
        let at = self.directory + bucket as usize * REF;
        Ok((self.raw().reference(at)?, self.raw().reference(at + REF)?))
    }

    /// A bucket's slot: tag, and where its node lies.
    #[inline]
    fn slot(&self, bucket: usize, slot: usize) -> Result<(u8, usize), Damaged> {
        let word = self.raw().u32(bucket + 1 + 4 * slot)?;
        Ok((word as u8, bucket + (word >> 8) as usize))
    }
}

/// A probe whose memory is loaded before it is made: each step starts the loads that the one before has made possible. A batch
/// takes each step for all of its queries in turn, and so waits for memory once a step, not once a query.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    image: &'a Image,
    hash: u64,
}

impl Ahead<'_> {
    /// First the directory's entry of the bucket.
    #[inline]
    pub fn load_directory(&self) {
        let bucket = layout::bucket(self.hash, self.image.buckets) as usize;
        super::memory::prefetch(self.image.bytes(), self.image.directory + bucket * REF);
    }

    /// Then the bucket.
    #[inline]
    pub fn load_bucket(&self) {
        if let Ok((start, end)) = self.image.bucket(self.hash) {
            self.image.prefetch_bucket(start, end);
        }
    }

    /// Then the RRsets that the name shares with others, and which lie elsewhere.
    #[inline]
    pub fn load_shared(&self) {
        // Damage shows when the probe is made.
        let _ = self.find_shared();
    }

    fn find_shared(&self) -> Result<(), Damaged> {
        let raw = self.image.raw();
        let (start, end) = self.image.bucket(self.hash)?;
        for slot in 0..(raw.u8(start)? as usize).min(BUCKET_MAX) {
            let (tag, at) = self.image.slot(start, slot)?;
            if tag != self.hash as u8 {
                continue;
            }
            let node = Node::read(raw, at)?;
            for index in 0..node.rrset_count().min(SHARED_MAX) {
                let rrset = raw.reference(node.entries + index * node::ENTRY + 2)?;
                if !(start..end).contains(&rrset) {
                    super::memory::prefetch(self.image.bytes(), rrset);
                    super::memory::prefetch(self.image.bytes(), rrset + CACHE_LINE);
                }
            }
        }
        Ok(())
    }
}

/// A name of the zone, and its RRsets.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    bytes: Bytes<'a>,
    flags: u8,
    rrsets: u8,
    /// Where the entries of the RRsets start.
    entries: usize,
    /// Where the wildcard's ref lies, if there is one.
    wildcard: usize,
    /// The owner without the apex, without the root's zero, case as written.
    pub name: &'a [u8],
}

impl<'a> Node<'a> {
    fn read(bytes: Bytes<'a>, at: usize) -> Result<Node<'a>, Damaged> {
        let [flags, name_len, rrsets] = bytes.array(at)?;
        let name = bytes.slice(at + node::FIXED, name_len as usize)?;
        let wildcard = at + node::FIXED + name_len as usize;
        let entries = if flags & node::WILDCARD != 0 { wildcard + REF } else { wildcard };
        Ok(Node { bytes, flags, rrsets, entries, wildcard, name })
    }

    /// Whether the node is a zone cut: delegated, not authoritative.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.flags & node::CUT != 0
    }

    /// Whether the node has a DNAME: names below it are redirected.
    #[inline]
    pub fn has_dname(&self) -> bool {
        self.flags & node::DNAME != 0
    }

    /// The node's child `*`, the source of synthesis for names below it that don't exist (RFC 4592 section 3.3.1).
    pub fn wildcard(&self) -> Result<Option<Node<'a>>, Damaged> {
        if self.flags & node::WILDCARD == 0 {
            return Ok(None);
        }
        Node::read(self.bytes, self.bytes.reference(self.wildcard)?).map(Some)
    }

    /// Number of RRsets; 0 at an empty non-terminal.
    pub fn rrset_count(&self) -> usize {
        self.rrsets as usize
    }

    /// RRset `index`, in order of type.
    pub fn rrset_at(&self, index: usize) -> Result<Rrset<'a>, Damaged> {
        let entry = self.entries + index * node::ENTRY;
        Rrset::read(self.bytes, self.bytes.u16(entry)?, self.bytes.reference(entry + 2)?)
    }

    /// The RRset of a type.
    #[inline]
    pub fn rrset(&self, rtype: u16) -> Result<Option<Rrset<'a>>, Damaged> {
        for index in 0..self.rrset_count() {
            let entry = self.entries + index * node::ENTRY;
            if self.bytes.u16(entry)? == rtype {
                return Rrset::read(self.bytes, rtype, self.bytes.reference(entry + 2)?).map(Some);
            }
        }
        Ok(None)
    }
}

/// The records of one type at one name.
#[derive(Clone, Copy)]
pub struct Rrset<'a> {
    bytes: Bytes<'a>,
    /// RR type.
    pub rtype: u16,
    /// TTL in seconds.
    pub ttl_secs: u32,
    /// Number of records, 1 at least.
    pub count: u16,
    /// RDLENGTH and RDATA of each record, one after the other, as in a message.
    items: &'a [u8],
    flags: u8,
    hints: usize,
}

impl<'a> Rrset<'a> {
    fn read(bytes: Bytes<'a>, rtype: u16, at: usize) -> Result<Rrset<'a>, Damaged> {
        let [t0, t1, t2, t3, c0, c1, l0, l1, flags] = bytes.array::<{ rrset::FIXED }>(at)?;
        let len = u16::from_le_bytes([l0, l1]) as usize;
        let items = bytes.slice(at + rrset::FIXED, len)?;
        let ttl_secs = u32::from_le_bytes([t0, t1, t2, t3]);
        let count = u16::from_le_bytes([c0, c1]);
        Ok(Rrset { bytes, rtype, ttl_secs, count, items, flags, hints: at + rrset::FIXED + len })
    }

    /// Octets of all RDLENGTHs and RDATA.
    #[inline]
    pub fn items_len(&self) -> usize {
        self.items.len()
    }

    /// The RDATA of the first record.
    pub fn first(&self) -> Result<&'a [u8], Damaged> {
        self.iter().next().ok_or(Damaged)?
    }

    /// The RDATA of each record.
    pub fn iter(&self) -> impl Iterator<Item = Result<&'a [u8], Damaged>> + use<'a> {
        self.items().map(|item| item.map(|item| &item[2..]))
    }

    /// RDLENGTH and RDATA of each record.
    #[inline]
    pub fn items(&self) -> impl Iterator<Item = Result<&'a [u8], Damaged>> + use<'a> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let len = rest.first_chunk::<2>().map(|len| 2 + u16::from_be_bytes(*len) as usize);
            match len.and_then(|len| rest.split_at_checked(len)) {
                Some((item, tail)) => {
                    rest = tail;
                    Some(Ok(item))
                }
                None if rest.is_empty() => None,
                None => {
                    rest = &[];
                    Some(Err(Damaged))
                }
            }
        })
    }

    /// Whether names in the RDATA may be compressed: [`Rrset::hint`] says how.
    #[inline]
    pub fn has_hints(&self) -> bool {
        self.flags & rrset::HINTS != 0
    }

    /// How the RRset's name `index` may be compressed; names counted over all its records.
    pub fn hint(&self, index: usize) -> Result<Hint, Damaged> {
        let [cut, target, place] = self.bytes.array(self.hints + index * rrset::HINT)?;
        Ok(match target {
            hint::NONE => Hint::None,
            hint::APEX => Hint::Apex { cut },
            hint::OWNER => Hint::Owner { cut },
            name if (name as usize) < hint::NAMES.min(index) => Hint::Name { cut, name, place },
            _ => return Err(Damaged),
        })
    }

    /// Nodes whose addresses belong into the additional section. `hinted_names`: how many names [`Rrset::hint`] covers.
    pub fn extras(
        &self,
        hinted_names: usize,
    ) -> Result<impl Iterator<Item = Result<Extra<'a>, Damaged>> + use<'a>, Damaged> {
        let at = self.hints + if self.has_hints() { hinted_names * rrset::HINT } else { 0 };
        let bytes = self.bytes;
        let count = if self.flags & rrset::EXTRAS != 0 { bytes.u8(at)? as usize } else { 0 };
        if count > extra::MAX {
            return Err(Damaged);
        }
        Ok((0..count).map(move |index| {
            let at = at + 1 + index * rrset::EXTRA;
            let [record, place, flags] = bytes.array(at)?;
            let node = Node::read(bytes, bytes.reference(at + 3)?)?;
            Ok(Extra {
                record: record as usize,
                place: (place != extra::AT_OWNER).then_some(place as usize),
                required: flags & extra::REQUIRED != 0,
                node,
            })
        }))
    }

    /// Whether there are extras.
    #[inline]
    pub fn has_extras(&self) -> bool {
        self.flags & rrset::EXTRAS != 0
    }
}

/// How one name in RDATA may be compressed: from its octet `cut` on it equals, byte for byte, another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// It may not.
    None,
    /// The apex.
    Apex {
        /// Octets before the shared suffix.
        cut: u8,
    },
    /// The RRset's owner.
    Owner {
        /// Octets before the shared suffix.
        cut: u8,
    },
    /// A suffix of an earlier name of the same RRset, in that part of it that is written out.
    Name {
        /// Octets before the shared suffix.
        cut: u8,
        /// Which name of the RRset.
        name: u8,
        /// Where in that name the shared suffix starts.
        place: u8,
    },
}

/// A node whose addresses belong into the additional section.
pub struct Extra<'a> {
    /// Index of the record that names it.
    pub record: usize,
    /// Where in that record's RDATA the name lies; None: it is the RRset's owner.
    pub place: Option<usize>,
    /// Must fit, or the response is truncated (RFC 9471 section 3.1).
    pub required: bool,
    /// The node.
    pub node: Node<'a>,
}

/// A key whose order is the canonical order of names without their common suffix (RFC 4034 section 6.1): labels from the right,
/// without case, a missing label before any other. The bytes as written decide between names that differ in case alone.
pub(super) fn canonical_key(relative: &[u8]) -> Vec<u8> {
    let mut labels = [&[][..]; LABELS_MAX + 1];
    let mut count = 0;
    // Relative names come from images that may be damaged: so many labels and no more.
    for label in name::labels(relative).take(labels.len()) {
        labels[count] = label;
        count += 1;
    }
    let mut key = Vec::with_capacity(2 * relative.len() + 2);
    for label in labels[..count].iter().rev() {
        // 0 ends a label; so 0 itself, and what it becomes, need an escape that keeps their order.
        for octet in label.iter().map(u8::to_ascii_lowercase) {
            match octet {
                0 | 1 => key.extend_from_slice(&[1, octet + 1]),
                _ => key.push(octet),
            }
        }
        key.push(0);
    }
    key.push(0);
    key.extend_from_slice(relative);
    key
}

/// Checked little-endian reads.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Damaged> {
        self.0.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(Damaged)
    }

    #[inline]
    fn slice(&self, at: usize, len: usize) -> Result<&'a [u8], Damaged> {
        self.0.get(at..).and_then(|rest| rest.get(..len)).ok_or(Damaged)
    }

    #[inline]
    fn u8(&self, at: usize) -> Result<u8, Damaged> {
        self.0.get(at).copied().ok_or(Damaged)
    }

    #[inline]
    fn u16(&self, at: usize) -> Result<u16, Damaged> {
        self.array(at).map(u16::from_le_bytes)
    }

    #[inline]
    fn u32(&self, at: usize) -> Result<u32, Damaged> {
        self.array(at).map(u32::from_le_bytes)
    }

    #[inline]
    fn u64(&self, at: usize) -> Result<u64, Damaged> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A ref. One unaligned load of eight octets where it fits: the digest follows every ref.
    #[inline]
    fn reference(&self, at: usize) -> Result<usize, Damaged> {
        Ok((self.u64(at)? & layout::REF_MAX) as usize)
    }
}
