//! A page of zones: a leaf or an inner node of a release's tree.
//!
//! ```text
//! page     magic (8) | format u32 | level u8 | entries u16 | [packs u16 x pack's digest (32), if level is 0] | entries
//! leaf     zone's name, wire form | serial u32 | image's digest (32) | image's octets u64 | pack's index u16 | offset u32
//! inner    last name below, wire form | page's digest (32) | zones below u64 | octets of their images u64
//! ```
//!
//! Names are in lower case and in canonical order, each once. Packs are in ascending order, each used. An image in a blob of its
//! own has index 65,535 and offset 0. Only the root page of a release without zones is empty.

use super::codec::{Digest, FormatError, Reader, ascending, at_most};
use super::pack::{PACK_MAX, SMALL_MAX};
use super::zone_name::ZoneName;
use crate::zone::image::{self, Image, ImageError};

/// Most octets of a page.
pub const PAGE_MAX: usize = 16 << 10;
/// Most zones of a release.
pub const ZONES_MAX: u64 = 1 << 24;
/// Most levels of a tree. Its builder puts six entries into a page at the least (names of 255 octets, pages of 2 KiB), so that
/// [`ZONES_MAX`] zones need no more than ten.
pub const LEVELS_MAX: usize = 12;
/// Most octets of an image: what its own refs can address.
pub const IMAGE_MAX: u64 = 1 << 40;

const MAGIC: [u8; 8] = *b"CTCHPAGE";
const FORMAT: u32 = 1;
const OWN_BLOB: u16 = u16::MAX;
/// Octets of a page without entries.
pub(super) const HEAD: usize = 8 + 4 + 1 + 2 + 2;
/// Octets of a leaf entry without its name, if no other entry has the same pack.
pub(super) const LEAF_MAX: usize = 4 + 32 + 8 + 2 + 4 + 32;
/// Octets of an inner entry without its name.
pub(super) const INNER: usize = 32 + 8 + 8;

/// Where an image's octets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the blob that has the image's own digest as its name; of a large image its root, which names the blobs of its segments.
    Own,
    /// In a pack, from this octet on.
    Pack {
        /// The pack's name.
        pack: Digest,
        /// First octet of the image in it.
        offset: u32,
    },
}

/// A zone of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Its name.
    pub name: ZoneName,
    /// Its SOA's serial.
    pub serial: u32,
    /// Its image's name.
    pub image: Digest,
    /// Octets of the image.
    pub len: u64,
    /// Where they are.
    pub place: Place,
}

/// A page below an inner page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The last zone below.
    pub last: ZoneName,
    /// The page's name.
    pub page: Digest,
    /// What is below.
    pub totals: Totals,
}

/// How much there is below a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Totals {
    /// Zones.
    pub zones: u64,
    /// Octets of their images.
    pub octets: u64,
}

impl Totals {
    /// `None`: more than 64 bits hold.
    pub(super) fn add(self, other: Totals) -> Option<Totals> {
        Some(Totals { zones: self.zones.checked_add(other.zones)?, octets: self.octets.checked_add(other.octets)? })
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.zones.to_le_bytes());
        out.extend_from_slice(&self.octets.to_le_bytes());
    }

    pub(super) fn read(from: &mut Reader) -> Result<Totals, FormatError> {
        Ok(Totals { zones: from.u64()?, octets: from.u64()? })
    }
}

/// A page's content, well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Zones; level 0.
    Leaves(Vec<Leaf>),
    /// Pages of one level less.
    Inner {
        /// 1 at least.
        level: u8,
        /// One at least.
        children: Vec<Child>,
    },
}

/// What is known of a page before it is read: by the manifest of the root, by its parent of any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRef {
    /// The page's name.
    pub digest: Digest,
    /// 0 for leaves.
    pub level: u8,
    /// All its names are after this one.
    pub after: Option<ZoneName>,
    /// Its last name; `None` for a root page, which may have any.
    pub last: Option<ZoneName>,
    /// What is below.
    pub totals: Totals,
}

/// Why a page is not the one that was asked for. With the right digest, whoever signed the release erred.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Other octets: the store, or what lies between.
    #[error("page {wanted}: its octets have another digest, {found}")]
    Digest {
        /// The name that was asked for.
        wanted: Digest,
        /// Of what came.
        found: Digest,
    },
    /// No page.
    #[error("page {0}: {1}")]
    Format(Digest, FormatError),
    /// It contradicts its parent.
    #[error("page {0}: {1}")]
    Contradiction(Digest, &'static str),
}

impl Page {
    /// Takes the octets of the page that `wanted` names: digest, format, level, range of names, totals.
    pub fn open(bytes: &[u8], wanted: &PageRef) -> Result<Page, PageError> {
        let digest = wanted.digest;
        // Before the digest is worked out: what is too long need not be hashed.
        at_most("octets of a page", bytes.len() as u64, PAGE_MAX as u64).map_err(|e| PageError::Format(digest, e))?;
        let found = Digest::of(bytes);
        if found != digest {
            return Err(PageError::Digest { wanted: digest, found });
        }
        let page = Page::decode(bytes).map_err(|e| PageError::Format(digest, e))?;
        let contradiction = |what| Err(PageError::Contradiction(digest, what));
        if page.level() != wanted.level {
            return contradiction("it is of another level than its parent says");
        }
        if wanted.after.as_ref().zip(page.first()).is_some_and(|(after, first)| after >= first) {
            return contradiction("it has names that belong before it");
        }
        if wanted.last.is_some() && wanted.last.as_ref() != page.last() {
            return contradiction("its last name is another than its parent says");
        }
        if page.totals() != Some(wanted.totals) {
            return contradiction("it has other totals than its parent says");
        }
        Ok(page)
    }

    /// Reads exactly one page.
    pub fn decode(bytes: &[u8]) -> Result<Page, FormatError> {
        at_most("octets of a page", bytes.len() as u64, PAGE_MAX as u64)?;
        let mut from = Reader::new(bytes);
        from.magic(&MAGIC, "page of zones")?;
        from.version("page of zones", FORMAT)?;
        let (level, count) = (from.u8()?, from.u16()?);
        at_most("levels of the tree", u64::from(level) + 1, LEVELS_MAX as u64)?;
        if level == 0 { Page::decode_leaves(from, count) } else { Page::decode_inner(from, level, count) }
    }

    fn decode_leaves(mut from: Reader, count: u16) -> Result<Page, FormatError> {
        let packs = (0..from.u16()?).map(|_| from.digest()).collect::<Result<Vec<_>, _>>()?;
        ascending("its packs", &packs)?;
        let mut used = vec![false; packs.len()];
        let mut leaves = Vec::new();
        for _ in 0..count {
            let (name, serial, image, len) = (ZoneName::read(&mut from)?, from.u32()?, from.digest()?, from.u64()?);
            let (index, offset) = (from.u16()?, from.u32()?);
            let place = if index == OWN_BLOB {
                Place::Own
            } else {
                let unknown = FormatError::Invalid("an image is in a pack that the page doesn't name");
                let pack = *packs.get(index as usize).ok_or(unknown)?;
                used[index as usize] = true;
                Place::Pack { pack, offset }
            };
            let leaf = Leaf { name, serial, image, len, place };
            leaf.check()?;
            if place == Place::Own && offset != 0 {
                return Err(FormatError::Invalid("an image of its own blob has an offset"));
            }
            leaves.push(leaf);
        }
        from.end()?;
        if !leaves.is_sorted_by(|a, b| a.name < b.name) {
            return Err(FormatError::Order("its zones"));
        }
        if used.contains(&false) {
            return Err(FormatError::Invalid("it names a pack that none of its images is in"));
        }
        Ok(Page::Leaves(leaves))
    }

    fn decode_inner(mut from: Reader, level: u8, count: u16) -> Result<Page, FormatError> {
        let mut children = Vec::new();
        for _ in 0..count {
            let (last, page, totals) = (ZoneName::read(&mut from)?, from.digest()?, Totals::read(&mut from)?);
            if totals.zones == 0 {
                return Err(FormatError::Invalid("a page below has no zones"));
            }
            children.push(Child { last, page, totals });
        }
        from.end()?;
        if children.is_empty() {
            return Err(FormatError::Invalid("an inner page has no pages below"));
        }
        if !children.is_sorted_by(|a, b| a.last < b.last) {
            return Err(FormatError::Order("the pages below"));
        }
        let page = Page::Inner { level, children };
        if page.totals().is_none() { Err(FormatError::Invalid("its totals overflow")) } else { Ok(page) }
    }

    /// Writes it. Errors: it is no page that [`Page::decode`] would take.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.push(self.level());
        match self {
            Page::Leaves(leaves) => {
                let mut packs: Vec<Digest> = leaves.iter().filter_map(Leaf::pack).collect();
                packs.sort_unstable();
                packs.dedup();
                at_most("zones of a page", leaves.len() as u64, PAGE_MAX as u64)?;
                out.extend_from_slice(&(leaves.len() as u16).to_le_bytes());
                out.extend_from_slice(&(packs.len() as u16).to_le_bytes());
                packs.iter().for_each(|pack| out.extend_from_slice(&pack.0));
                leaves.iter().for_each(|leaf| leaf.write(&packs, &mut out));
            }
            Page::Inner { children, .. } => {
                at_most("pages below a page", children.len() as u64, PAGE_MAX as u64)?;
                out.extend_from_slice(&(children.len() as u16).to_le_bytes());
                for child in children {
                    out.extend_from_slice(child.last.as_wire());
                    out.extend_from_slice(&child.page.0);
                    child.totals.write(&mut out);
                }
            }
        }
        // Reading it is the check; a page is small, and only publishers write.
        Page::decode(&out)?;
        Ok(out)
    }

    /// 0 for leaves.
    pub fn level(&self) -> u8 {
        match self {
            Page::Leaves(_) => 0,
            Page::Inner { level, .. } => *level,
        }
    }

    /// What is below; `None` if that overflows, which no page does that was decoded.
    pub(super) fn totals(&self) -> Option<Totals> {
        let mut sum = Totals::default();
        match self {
            Page::Leaves(leaves) => {
                for leaf in leaves {
                    sum = sum.add(Totals { zones: 1, octets: leaf.len })?;
                }
            }
            Page::Inner { children, .. } => {
                for child in children {
                    sum = sum.add(child.totals)?;
                }
            }
        }
        Some(sum)
    }

    /// The first name. Of an inner page it is the last of the first page below: its own first is not known here.
    fn first(&self) -> Option<&ZoneName> {
        match self {
            Page::Leaves(leaves) => leaves.first().map(|leaf| &leaf.name),
            Page::Inner { children, .. } => children.first().map(|child| &child.last),
        }
    }

    pub(super) fn last(&self) -> Option<&ZoneName> {
        match self {
            Page::Leaves(leaves) => leaves.last().map(|leaf| &leaf.name),
            Page::Inner { children, .. } => children.last().map(|child| &child.last),
        }
    }
}

impl Leaf {
    /// Takes the octets of a flat image: exactly the image that this entry names, of this zone and serial.
    pub fn open(&self, bytes: Vec<u8>) -> Result<Image, ImageRefusal> {
        let has = bytes.len() as u64;
        if has != self.len {
            return Err(ImageRefusal::Length { has, wants: self.len });
        }
        // A root is shorter than its image: what names segments is none here.
        Ok(self.open_root(bytes)?.assemble(|_| None)?)
    }

    /// Takes the octets of the image's root, which are all of it if it is flat: exactly the image that this entry names, of this
    /// zone and serial. With its segments it needs no further check.
    pub fn open_root(&self, bytes: Vec<u8>) -> Result<image::Root, ImageRefusal> {
        let root = image::Root::open(bytes)?;
        if root.len() != self.len {
            return Err(ImageRefusal::Length { has: root.len(), wants: self.len });
        }
        let found = Digest(root.digest());
        if found != self.image {
            return Err(ImageRefusal::Digest { wanted: self.image, found });
        }
        if ZoneName::from(&root.apex()) != self.name {
            return Err(ImageRefusal::Zone(root.apex().to_string()));
        }
        if root.serial() != self.serial {
            return Err(ImageRefusal::Serial { has: root.serial(), wants: self.serial });
        }
        Ok(root)
    }

    /// Most octets of the blob that has the image's name, if it is one of its own.
    pub fn root_len_max(&self) -> u64 {
        image::Root::len_max(self.len)
    }

    /// The pack that the image is in, if it is in one.
    pub fn pack(&self) -> Option<Digest> {
        match self.place {
            Place::Own => None,
            Place::Pack { pack, .. } => Some(pack),
        }
    }

    fn check(&self) -> Result<(), FormatError> {
        if self.len == 0 {
            return Err(FormatError::Invalid("an image has no octets"));
        }
        match self.place {
            Place::Own => at_most("octets of an image", self.len, IMAGE_MAX),
            Place::Pack { offset, .. } => {
                at_most("octets of a packed image", self.len, SMALL_MAX as u64)?;
                at_most("end of an image in its pack", u64::from(offset) + self.len, PACK_MAX as u64)
            }
        }
    }

    fn write(&self, packs: &[Digest], out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_wire());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.image.0);
        out.extend_from_slice(&self.len.to_le_bytes());
        let (index, offset) = match self.place {
            Place::Own => (OWN_BLOB, 0),
            Place::Pack { pack, offset } => (packs.partition_point(|other| *other < pack) as u16, offset),
        };
        out.extend_from_slice(&index.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
    }
}

/// Why octets are not the image that a release names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageRefusal {
    /// More or fewer.
    #[error("an image of {has} octets came for one that has {wants}")]
    Length {
        /// What came.
        has: u64,
        /// What the release says.
        wants: u64,
    },
    /// Damaged, or of a layout that this build does not read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Another image.
    #[error("image {wanted} was asked for, and {found} came")]
    Digest {
        /// What the release says.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
    /// The release errs.
    #[error("the release names an image that is of another zone, {0}")]
    Zone(String),
    /// The release errs.
    #[error("the release names serial {wants} for an image that has {has}")]
    Serial {
        /// The image's.
        has: u32,
        /// The release's.
        wants: u32,
    },
}
