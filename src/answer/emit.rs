//! Puts RRsets into the sections of a response, compresses names in them, and adds what goes along.

use super::Response;
use crate::wire::code::{class, rtype};
use crate::wire::rdata;
use crate::wire::writer::{Full, POINTER_MAX};
use crate::zone::image::{Damaged, Hint, Rrset};

/// Names and records of one RRset whose places are remembered: as many as hints and extras can refer to.
const PLACES: usize = 64;
/// Pointers followed in one name: those that we write never nest deeper than a chain of aliases is long.
const POINTERS_MAX: usize = 32;

/// Why a response can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It would exceed its limit: what was begun is taken back.
    Full,
    /// The image is not what a compiler writes.
    Damaged,
}

impl From<Full> for Stop {
    fn from(_: Full) -> Stop {
        Stop::Full
    }
}

impl From<Damaged> for Stop {
    fn from(_: Damaged) -> Stop {
        Stop::Damaged
    }
}

/// A section of a message, as its index in the header's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Answer = 1,
    Authority = 2,
    Additional = 3,
}

/// Where names that RDATA may end in stand in the message, byte for byte: names in RDATA keep their case.
#[derive(Default)]
pub(super) struct Suffixes {
    pub(super) apex: Option<usize>,
    pub(super) owner: Option<usize>,
}

/// Where the parts of an RRset were written.
pub(super) struct Written {
    /// Where the RDATA of the first records starts.
    rdata_at: [u16; PLACES],
    /// Names in the RDATA of a compressible type, all records together.
    names: usize,
    /// Where the owner stands.
    owner_at: usize,
}

impl Written {
    /// Where the RDATA of the first record starts.
    pub(super) fn first_rdata(&self) -> usize {
        self.rdata_at[0] as usize
    }
}

impl Response<'_> {
    /// Appends an RRset whose owner stands at `owner_at` in the message. All of it or, with [`Stop`], nothing.
    pub(super) fn put_rrset(
        &mut self,
        section: Section,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        suffixes: &mut Suffixes,
    ) -> Result<Written, Stop> {
        let start = self.writer.len();
        let written = if set.has_hints() {
            self.put_compressed(owner_at, set, ttl_secs, suffixes)
        } else {
            self.put_plain(owner_at, set, ttl_secs)
        };
        match written {
            Ok(written) => {
                self.counts[section as usize] += set.count;
                Ok(written)
            }
            Err(stop) => {
                self.writer.truncate(start);
                Err(stop)
            }
        }
    }

    /// Appends the addresses of the nodes that an RRset names. [`Stop::Full`] when some must go along and don't fit.
    pub(super) fn put_extras(&mut self, set: &Rrset, written: &Written) -> Result<(), Stop> {
        if !set.has_extras() {
            return Ok(());
        }
        for extra in set.extras(written.names)? {
            let extra = extra?;
            let at = match extra.place {
                Some(place) => *written.rdata_at.get(extra.record).ok_or(Stop::Damaged)? as usize + place,
                None => written.owner_at,
            };
            for rtype in [rtype::A, rtype::AAAA] {
                let Some(addresses) = extra.node.rrset(rtype)? else { continue };
                if addresses.has_hints() {
                    return Err(Stop::Damaged);
                }
                let put = if at > POINTER_MAX {
                    Err(Stop::Full)
                } else {
                    let ttl_secs = addresses.ttl_secs;
                    self.put_rrset(Section::Additional, at, &addresses, ttl_secs, &mut Suffixes::default())
                };
                match put {
                    // Useful, but nobody needs it: no reason for TC (RFC 2181 section 9).
                    Err(Stop::Full) if !extra.required => {}
                    put => drop(put?),
                }
            }
        }
        Ok(())
    }

    /// Records as they are in the image: a prefix of owner, type, class and TTL before each.
    fn put_plain(&mut self, owner_at: usize, set: &Rrset, ttl_secs: u32) -> Result<Written, Stop> {
        let (prefix, from) = self.prefix(owner_at, set.rtype, ttl_secs)?;
        let prefix = &prefix[from..];
        let mut written = Written { rdata_at: [0; PLACES], names: 0, owner_at };
        if self.writer.room() < set.count as usize * prefix.len() + set.items.len() {
            return Err(Stop::Full);
        }
        let mut records = 0;
        for rdata in set.iter() {
            let rdata = rdata?;
            self.writer.put(prefix)?;
            self.writer.put_u16(rdata.len() as u16)?;
            if let Some(at) = written.rdata_at.get_mut(records) {
                *at = self.writer.len() as u16;
            }
            self.writer.put(rdata)?;
            records += 1;
        }
        if records == set.count as usize { Ok(written) } else { Err(Stop::Damaged) }
    }

    /// The same, with names in RDATA compressed as the compiler found them to be.
    fn put_compressed(
        &mut self,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        suffixes: &mut Suffixes,
    ) -> Result<Written, Stop> {
        let (prefix, from) = self.prefix(owner_at, set.rtype, ttl_secs)?;
        let mut written = Written { rdata_at: [0; PLACES], names: 0, owner_at };
        let mut names_at = [0u16; PLACES];
        let mut apex = suffixes.apex;
        let mut records = 0;
        for rdata in set.iter() {
            let rdata = rdata?;
            self.writer.put(&prefix[from..])?;
            let len_at = self.writer.len();
            self.writer.put_u16(0)?;
            let rdata_at = self.writer.len();
            if let Some(at) = written.rdata_at.get_mut(records) {
                *at = rdata_at as u16;
            }
            let mut done = 0;
            for place in rdata::names(set.rtype, rdata) {
                self.writer.put(&rdata[done..place.start])?;
                let (name, name_at) = (&rdata[place.clone()], self.writer.len());
                let (cut, target) = match set.hint(written.names)? {
                    Hint::None => (0, None),
                    Hint::Owner { cut } => (cut, suffixes.owner),
                    Hint::Apex { cut } if apex.is_none() => {
                        // Written out here for once; the next one can point to it.
                        apex = Some(name_at + cut as usize);
                        (cut, None)
                    }
                    Hint::Apex { cut } => (cut, apex),
                    Hint::Name { cut, name, place } => (cut, Some(names_at[name as usize] as usize + place as usize)),
                };
                match target {
                    Some(target) if target <= POINTER_MAX => {
                        if target >= name_at {
                            return Err(Stop::Damaged);
                        }
                        self.writer.put(name.get(..cut as usize).ok_or(Stop::Damaged)?)?;
                        self.writer.put_u16(0xc000 | target as u16)?;
                    }
                    _ => self.writer.put(name)?,
                }
                if let Some(at) = names_at.get_mut(written.names) {
                    *at = name_at as u16;
                }
                written.names += 1;
                done = place.end;
            }
            self.writer.put(&rdata[done..])?;
            self.writer.set_u16(len_at, (self.writer.len() - rdata_at) as u16);
            records += 1;
        }
        suffixes.apex = apex;
        if records == set.count as usize { Ok(written) } else { Err(Stop::Damaged) }
    }

    /// What stands before each record's RDLENGTH, and from where on it counts: the owner is a pointer, but the root itself is
    /// shorter than a pointer to it.
    fn prefix(&self, owner_at: usize, rtype: u16, ttl_secs: u32) -> Result<([u8; 10], usize), Stop> {
        let mut prefix = [0; 10];
        prefix[2..4].copy_from_slice(&rtype.to_be_bytes());
        prefix[4..6].copy_from_slice(&class::IN.to_be_bytes());
        prefix[6..10].copy_from_slice(&ttl_secs.to_be_bytes());
        if self.writer.written().get(owner_at) == Some(&0) {
            return Ok((prefix, 1));
        }
        if owner_at > POINTER_MAX {
            return Err(Stop::Full);
        }
        prefix[..2].copy_from_slice(&(0xc000 | owner_at as u16).to_be_bytes());
        Ok((prefix, 0))
    }
}

/// Where the name at `at` in a message of ours stands without its first `skip` labels.
pub(super) fn suffix_at(message: &[u8], at: usize, skip: usize) -> Result<usize, Stop> {
    let mut walk = Labels { message, at, pointers: 0 };
    for _ in 0..skip {
        walk.next()?.ok_or(Stop::Damaged)?;
    }
    Ok(walk.at)
}

/// Whether the name at `at` in a message of ours is `lower`, which is in wire form and lower case.
pub(super) fn is_name_at(message: &[u8], at: usize, lower: &[u8]) -> Result<bool, Stop> {
    let mut walk = Labels { message, at, pointers: 0 };
    for label in crate::wire::name::labels(lower) {
        if !walk.next()?.is_some_and(|other| other.eq_ignore_ascii_case(label)) {
            return Ok(false);
        }
    }
    Ok(walk.next()?.is_none())
}

/// Reads the labels of a possibly compressed name.
struct Labels<'a> {
    message: &'a [u8],
    at: usize,
    pointers: usize,
}

impl<'a> Labels<'a> {
    fn next(&mut self) -> Result<Option<&'a [u8]>, Stop> {
        loop {
            match *self.message.get(self.at).ok_or(Stop::Damaged)? {
                0 => return Ok(None),
                len @ 1..=63 => {
                    let start = self.at + 1;
                    let label = self.message.get(start..start + len as usize).ok_or(Stop::Damaged)?;
                    self.at = start + len as usize;
                    return Ok(Some(label));
                }
                high => {
                    let low = *self.message.get(self.at + 1).ok_or(Stop::Damaged)?;
                    self.pointers += 1;
                    if high < 0xc0 || self.pointers > POINTERS_MAX {
                        return Err(Stop::Damaged);
                    }
                    self.at = (high as usize & 0x3f) << 8 | low as usize;
                }
            }
        }
    }
}
