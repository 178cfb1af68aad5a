//! What an answer is made of: names and their RRsets, read in place.

use super::bytes::Bytes;
use super::{Damaged, Image};
use crate::wire::name::NAME_LEN_MAX;
use crate::zone::layout::{PLACE, PLACE_MAX, extra, far, hint, node, rrset};

/// A name of the zone, and its RRsets.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    image: &'a Image,
    run: Bytes<'a>,
    flags: u8,
    rrsets: u8,
    /// Where the entries of the RRsets start.
    entries: usize,
    /// The owner without the apex, without the root's zero, case as written.
    pub name: &'a [u8],
}

/// Where an RRset lies.
#[derive(Clone, Copy)]
pub(super) enum Ref {
    /// In the run of its node.
    Place(usize),
    /// Elsewhere.
    Far(u64),
}

impl<'a> Node<'a> {
    #[inline]
    pub(super) fn read(image: &'a Image, run: Bytes<'a>, at: usize) -> Result<Node<'a>, Damaged> {
        let [flags, name_len, rrsets, _] = run.array(at)?;
        let name = run.slice(at + node::FIXED, name_len as usize)?;
        let behind = at + node::FIXED + name_len as usize;
        let has_place = flags & node::WILDCARD != 0 && image.is_flat();
        let entries = if has_place { behind + PLACE } else { behind };
        Ok(Node { image, run, flags, rrsets, entries, name })
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
        if self.image.is_flat() {
            return Node::read(self.image, self.run, self.run.place(self.entries - PLACE)?).map(Some);
        }
        self.find_wildcard().map(Some)
    }

    #[inline(never)]
    fn find_wildcard(&self) -> Result<Node<'a>, Damaged> {
        let mut name = [0; 2 + NAME_LEN_MAX];
        name[..2].copy_from_slice(b"\x01*");
        let name = name.get_mut(..2 + self.name.len()).ok_or(Damaged)?;
        name[2..].copy_from_slice(self.name);
        name.make_ascii_lowercase();
        self.image.probe(name)?.ok_or(Damaged)
    }

    /// Number of RRsets; 0 at an empty non-terminal.
    pub fn rrset_count(&self) -> usize {
        self.rrsets as usize
    }

    /// All RRsets, in order of type.
    pub fn rrsets(&self) -> impl Iterator<Item = Result<Rrset<'a>, Damaged>> + use<'a> {
        let (image, run) = (self.image, self.run);
        self.entries().map(move |entry| {
            let (rtype, reference) = entry?;
            Rrset::at(image, run, rtype, reference)
        })
    }

    /// RRset `index`, in order of type.
    pub fn rrset_at(&self, index: usize) -> Result<Rrset<'a>, Damaged> {
        self.rrsets().nth(index).ok_or(Damaged)?
    }

    /// The RRset of a type.
    #[inline]
    pub fn rrset(&self, rtype: u16) -> Result<Option<Rrset<'a>>, Damaged> {
        for entry in self.entries() {
            let (found, reference) = entry?;
            if found == rtype {
                return Rrset::at(self.image, self.run, rtype, reference).map(Some);
            }
        }
        Ok(None)
    }

    /// Type and ref of each RRset.
    #[inline]
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<(u16, Ref), Damaged>> + use<'a> {
        let (run, mut at) = (self.run, self.entries);
        (0..self.rrsets).map(move |_| {
            // Type and far ref are seven octets: one load for both.
            let word = run.u64(at)?;
            let (rtype, reference) = (word as u16, word >> 16 & far::MAX);
            if reference & far::FLAG == 0 {
                at += node::ENTRY;
                return Ok((rtype, Ref::Place((reference & PLACE_MAX) as usize)));
            }
            at += node::FAR_ENTRY;
            Ok((rtype, Ref::Far(reference)))
        })
    }
}

/// The records of one type at one name.
#[derive(Clone, Copy)]
pub struct Rrset<'a> {
    image: &'a Image,
    run: Bytes<'a>,
    /// RR type.
    pub rtype: u16,
    /// TTL in seconds.
    pub ttl_secs: u32,
    /// Number of records, 1 at least.
    pub count: u16,
    /// RDLENGTH and RDATA of each record, one after the other, as in a message.
    items: &'a [u8],
    flags: u8,
    /// Where what follows the RDATA starts.
    behind: usize,
}

/// The RRSIG records that cover an RRset.
#[derive(Clone, Copy)]
pub struct Signatures<'a> {
    /// Their own TTL, in seconds: as a rule that of the RRset (RFC 4034 section 3).
    pub ttl_secs: u32,
    /// How many, 1 at least.
    pub count: u16,
    items: &'a [u8],
}

impl<'a> Signatures<'a> {
    /// Octets of all RDLENGTHs and RDATA.
    #[inline]
    pub fn items_len(&self) -> usize {
        self.items.len()
    }

    /// RDLENGTH and RDATA of each record.
    #[inline]
    pub fn items(&self) -> impl Iterator<Item = Result<&'a [u8], Damaged>> + use<'a> {
        items(self.items)
    }
}

/// RDLENGTH and RDATA of each of several records.
#[inline]
fn items(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8], Damaged>> {
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

impl<'a> Rrset<'a> {
    #[inline]
    fn at(image: &'a Image, run: Bytes<'a>, rtype: u16, reference: Ref) -> Result<Rrset<'a>, Damaged> {
        let (run, at) = match reference {
            Ref::Place(place) => (run, place),
            Ref::Far(reference) => image.far_item(reference)?,
        };
        Rrset::read(image, run, rtype, at)
    }

    #[inline]
    pub(super) fn read(image: &'a Image, run: Bytes<'a>, rtype: u16, at: usize) -> Result<Rrset<'a>, Damaged> {
        let [t0, t1, t2, t3, c0, c1, l0, l1, flags] = run.array::<{ rrset::FIXED }>(at)?;
        let len = u16::from_le_bytes([l0, l1]) as usize;
        let items = run.slice(at + rrset::FIXED, len)?;
        let ttl_secs = u32::from_le_bytes([t0, t1, t2, t3]);
        let count = u16::from_le_bytes([c0, c1]);
        Ok(Rrset { image, run, rtype, ttl_secs, count, items, flags, behind: at + rrset::FIXED + len })
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
        items(self.items)
    }

    /// Where the last record's RDATA ends in the run.
    pub(super) fn rdata_end(&self) -> usize {
        self.behind
    }

    /// Where it lies: no two RRsets of what is served have the same.
    #[inline]
    pub fn id(&self) -> usize {
        self.items.as_ptr() as usize
    }

    /// Whether RRSIG records cover it.
    #[inline]
    pub fn is_signed(&self) -> bool {
        self.flags & rrset::SIGNATURES != 0
    }

    /// The RRSIG records that cover it.
    #[inline]
    pub fn signatures(&self) -> Result<Option<Signatures<'a>>, Damaged> {
        if !self.is_signed() {
            return Ok(None);
        }
        let [t0, t1, t2, t3, c0, c1, l0, l1] = self.run.array::<{ rrset::SIGNATURES_FIXED }>(self.behind)?;
        let len = u16::from_le_bytes([l0, l1]) as usize;
        Ok(Some(Signatures {
            ttl_secs: u32::from_le_bytes([t0, t1, t2, t3]),
            count: u16::from_le_bytes([c0, c1]),
            items: self.run.slice(self.behind + rrset::SIGNATURES_FIXED, len)?,
        }))
    }

    /// Where hints start, or what follows in their place.
    fn hints(&self) -> Result<usize, Damaged> {
        let signatures = self.signatures()?.map_or(0, |signatures| rrset::SIGNATURES_FIXED + signatures.items_len());
        Ok(self.behind + signatures)
    }

    /// Whether names in the RDATA may be compressed: [`Rrset::hint`] says how.
    #[inline]
    pub fn has_hints(&self) -> bool {
        self.flags & rrset::HINTS != 0
    }

    /// How the RRset's name `index` may be compressed; names counted over all its records.
    pub fn hint(&self, index: usize) -> Result<Hint, Damaged> {
        let [cut, target, place] = self.run.array(self.hints()? + index * rrset::HINT)?;
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
        let mut at = self.hints()? + if self.has_hints() { hinted_names * rrset::HINT } else { 0 };
        let (image, run) = (self.image, self.run);
        let count = if self.has_extras() { run.u8(at)? as usize } else { 0 };
        if count > extra::MAX {
            return Err(Damaged);
        }
        at += 1;
        Ok((0..count).map(move |_| {
            let [record, place, flags] = run.array::<{ extra::FIXED }>(at)?;
            let target = at + extra::FIXED;
            let node = match flags & extra::TARGET {
                extra::PLACE => Node::read(image, run, run.place(target)?)?,
                extra::FAR => {
                    let (run, at) = image.far_item(run.far(target)?)?;
                    Node::read(image, run, at)?
                }
                extra::HASH => image.by_hash(run.u64(target)?)?,
                _ => image.apex_node()?,
            };
            at = target + extra::target_len(flags);
            Ok(Extra {
                record: record as usize,
                place: (place != extra::AT_OWNER).then_some(place as usize),
                required: flags & extra::REQUIRED != 0,
                is_own: flags & extra::OWN != 0,
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
    /// Lies behind this cut, and is found nowhere else.
    pub(super) is_own: bool,
    /// The node.
    pub node: Node<'a>,
}
