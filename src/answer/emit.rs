//! Puts RRsets into the sections of a response, compresses names in them, and adds what goes along.

use super::Response;
use crate::wire::code::{class, rtype};
use crate::wire::lookup::LookupName;
use crate::wire::name::NAME_LEN_MAX;
use crate::wire::rdata;
use crate::wire::writer::{Full, POINTER_MAX};
use crate::zone::image::{Damaged, Hint, Rrset};

/// Names and records of one RRset whose places are remembered: as many as hints and extras can refer to.
const PLACES: usize = 64;
/// Octets of A and AAAA records with their RDLENGTH: copied as a whole, without a call.
const A_ITEM: usize = 2 + 4;
const AAAA_ITEM: usize = 2 + 16;
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

/// Where the parts of one RRset were written.
pub(super) struct Places {
    /// Where the RDATA of the first records starts.
    rdata: [u16; PLACES],
    /// Where the first names in RDATA start.
    names: [u16; PLACES],
    /// Names in the RDATA of a compressible type, all records together.
    name_count: usize,
    /// Where the owner stands.
    owner: usize,
}

impl Default for Places {
    fn default() -> Places {
        Places { rdata: [0; PLACES], names: [0; PLACES], name_count: 0, owner: 0 }
    }
}

impl Places {
    /// Where the RDATA of the first record starts.
    pub(super) fn first_rdata(&self) -> usize {
        self.rdata[0] as usize
    }
}

impl Response<'_> {
    /// Appends an RRset whose owner stands at `owner_at` in the message, with its signatures where they are wanted. All of it or, with
    /// [`Stop`], nothing.
    #[inline]
    pub(super) fn put_rrset(
        &mut self,
        section: Section,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        suffixes: &mut Suffixes,
    ) -> Result<(), Stop> {
        let start = self.writer.len();
        let written = if set.has_hints() {
            self.put_compressed(owner_at, set, ttl_secs, suffixes)
        } else {
            self.put_plain(owner_at, set, ttl_secs)
        };
        self.keep(start, section, owner_at, set, ttl_secs, written)
    }

    /// Completes an RRset, whose records began at `start`, with its signatures; or takes it back.
    #[inline]
    fn keep(
        &mut self,
        start: usize,
        section: Section,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        mut written: Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut count = set.count;
        if self.dnssec && set.is_signed() && written.is_ok() {
            // A negative answer's SOA has a TTL of its own, and so have its signatures.
            let ttl_secs_max = if ttl_secs < set.ttl_secs { ttl_secs } else { u32::MAX };
            match self.put_signatures(owner_at, set, ttl_secs_max) {
                Ok(signatures) => count += signatures,
                Err(stop) => written = Err(stop),
            }
        }
        match written {
            Ok(()) => self.counts[section as usize] += count,
            Err(_) => self.writer.truncate(start),
        }
        written
    }

    /// The RRSIG records that cover an RRset. Gives how many.
    pub(super) fn put_signatures(&mut self, owner_at: usize, set: &Rrset, ttl_secs_max: u32) -> Result<u16, Stop> {
        let Some(signatures) = set.signatures()? else { return Ok(0) };
        let (prefix, from) = self.prefix(owner_at, rtype::RRSIG, signatures.ttl_secs.min(ttl_secs_max))?;
        let mut count = 0;
        for item in signatures.items() {
            self.writer.put(&prefix[from..])?;
            self.writer.put(item?)?;
            count += 1;
        }
        if count == signatures.count { Ok(count) } else { Err(Stop::Damaged) }
    }

    /// Appends a record of denial with its signatures to the authority section: its owner is `own`, and behind that what stands at `rest_at`. All
    /// of it or, with [`Stop`], nothing.
    pub(super) fn put_proof(&mut self, own: &[u8], rest_at: usize, set: &Rrset) -> Result<(), Stop> {
        let start = self.writer.len();
        match self.put_spelled(own, rest_at, set) {
            Ok(count) => {
                self.counts[Section::Authority as usize] += count;
                Ok(())
            }
            Err(stop) => {
                self.writer.truncate(start);
                Err(stop)
            }
        }
    }

    fn put_spelled(&mut self, own: &[u8], rest_at: usize, set: &Rrset) -> Result<u16, Stop> {
        let (rest, from) = self.prefix(rest_at, set.rtype, set.ttl_secs)?;
        let first_at = self.writer.len();
        let mut owner_at = rest_at;
        let mut count = 0;
        for item in set.items() {
            self.writer.put(own)?;
            self.writer.put(&rest[from..])?;
            self.writer.put(item?)?;
            count += 1;
        }
        if !own.is_empty() {
            owner_at = first_at;
        }
        if owner_at <= POINTER_MAX {
            return Ok(count + self.put_signatures(owner_at, set, u32::MAX)?);
        }
        // Too far for a pointer: it is spelled out again.
        if let Some(signatures) = set.signatures()? {
            let (rest, from) = self.prefix(rest_at, rtype::RRSIG, signatures.ttl_secs)?;
            for item in signatures.items() {
                self.writer.put(own)?;
                self.writer.put(&rest[from..])?;
                self.writer.put(item?)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Appends the addresses of the nodes that an RRset, the last one put, names. [`Stop::Full`] when some must go along and
    /// don't fit.
    pub(super) fn put_extras(&mut self, set: &Rrset) -> Result<(), Stop> {
        if !set.has_extras() {
            return Ok(());
        }
        for extra in set.extras(self.places.name_count)? {
            let extra = extra?;
            let at = match extra.place {
                Some(place) => *self.places.rdata.get(extra.record).ok_or(Stop::Damaged)? as usize + place,
                None => self.places.owner,
            };
            for rtype in [rtype::A, rtype::AAAA] {
                let Some(addresses) = extra.node.rrset(rtype)? else { continue };
                let put = if at > POINTER_MAX { Err(Stop::Full) } else { self.put_addresses(at, &addresses) };
                match put {
                    // Useful, but nobody needs it: no reason for TC (RFC 2181 section 9).
                    Err(Stop::Full) if !extra.required => {}
                    put => put?,
                }
            }
        }
        Ok(())
    }

    /// An RRset without names in it, into the additional section; the places of the RRset that it goes along with stay.
    fn put_addresses(&mut self, owner_at: usize, set: &Rrset) -> Result<(), Stop> {
        let start = self.writer.len();
        let written = self.put_records(owner_at, set, set.ttl_secs, |_, _| {});
        self.keep(start, Section::Additional, owner_at, set, set.ttl_secs, written)
    }

    /// Records as they are in the image.
    fn put_plain(&mut self, owner_at: usize, set: &Rrset, ttl_secs: u32) -> Result<(), Stop> {
        let mut rdata = [0; PLACES];
        self.put_records(owner_at, set, ttl_secs, |record, at| {
            if let Some(place) = rdata.get_mut(record) {
                *place = at as u16;
            }
        })?;
        (self.places.rdata, self.places.name_count, self.places.owner) = (rdata, 0, owner_at);
        Ok(())
    }

    /// A prefix of owner, type, class and TTL before each record; `note` learns where each one's RDATA starts.
    fn put_records(
        &mut self,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        mut note: impl FnMut(usize, usize),
    ) -> Result<(), Stop> {
        let (prefix, from) = self.prefix(owner_at, set.rtype, ttl_secs)?;
        if self.writer.room() < set.count as usize * (prefix.len() - from) + set.items_len() {
            return Err(Stop::Full);
        }
        let mut records = 0;
        for item in set.items() {
            let item = item?;
            if from == 0 {
                self.writer.put_array(&prefix)?;
            } else {
                self.writer.put(&prefix[from..])?;
            }
            note(records, self.writer.len() + 2);
            match item.len() {
                A_ITEM => self.writer.put_array(item.first_chunk::<A_ITEM>().ok_or(Stop::Damaged)?)?,
                AAAA_ITEM => self.writer.put_array(item.first_chunk::<AAAA_ITEM>().ok_or(Stop::Damaged)?)?,
                _ => self.writer.put(item)?,
            }
            records += 1;
        }
        if records == set.count as usize { Ok(()) } else { Err(Stop::Damaged) }
    }

    /// The same, with names in RDATA compressed as the compiler found them to be.
    fn put_compressed(
        &mut self,
        owner_at: usize,
        set: &Rrset,
        ttl_secs: u32,
        suffixes: &mut Suffixes,
    ) -> Result<(), Stop> {
        let (prefix, from) = self.prefix(owner_at, set.rtype, ttl_secs)?;
        (self.places.name_count, self.places.owner) = (0, owner_at);
        let mut apex = suffixes.apex;
        let mut records = 0;
        for rdata in set.iter() {
            let rdata = rdata?;
            self.writer.put(&prefix[from..])?;
            let len_at = self.writer.len();
            self.writer.put_u16(0)?;
            let rdata_at = self.writer.len();
            if let Some(at) = self.places.rdata.get_mut(records) {
                *at = rdata_at as u16;
            }
            let mut done = 0;
            for place in rdata::names(set.rtype, rdata) {
                self.writer.put(&rdata[done..place.start])?;
                let (name, name_at) = (&rdata[place.clone()], self.writer.len());
                let (cut, target) = match set.hint(self.places.name_count)? {
                    Hint::None => (0, None),
                    Hint::Owner { cut } => (cut, suffixes.owner),
                    Hint::Apex { cut } if apex.is_none() => {
                        // Written out here for once; the next one can point to it.
                        apex = Some(name_at + cut as usize);
                        (cut, None)
                    }
                    Hint::Apex { cut } => (cut, apex),
                    Hint::Name { cut, name, place } => {
                        (cut, Some(self.places.names[name as usize] as usize + place as usize))
                    }
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
                if let Some(at) = self.places.names.get_mut(self.places.name_count) {
                    *at = name_at as u16;
                }
                self.places.name_count += 1;
                done = place.end;
            }
            self.writer.put(&rdata[done..])?;
            self.writer.set_u16(len_at, (self.writer.len() - rdata_at) as u16);
            records += 1;
        }
        suffixes.apex = apex;
        if records == set.count as usize { Ok(()) } else { Err(Stop::Damaged) }
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

/// Reads the name at `at` in a message of ours.
pub(super) fn read_name_at(message: &[u8], at: usize, name: &mut LookupName) -> Result<(), Stop> {
    let mut wire = [0; NAME_LEN_MAX + 1];
    let mut len = 0;
    let mut walk = Labels { message, at, pointers: 0 };
    while let Some(label) = walk.next()? {
        let to = wire.get_mut(len..len + 1 + label.len()).ok_or(Stop::Damaged)?;
        to[0] = label.len() as u8;
        to[1..].copy_from_slice(label);
        len += to.len();
    }
    name.read(&wire).ok_or(Stop::Damaged)
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
