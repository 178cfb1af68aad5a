//! The records of one zone between parsing and compiling: flat, in the order in which they were read.

use super::memory;

/// One record. Its owner and RDATA lie in an arena of the [`Records`] that it came from.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Where the owner lies in the arena; the octet before it is its length.
    owner_at: u32,
    rdata_at: u32,
    /// Seconds, at most 2^31 - 1 (RFC 2181 section 8).
    pub ttl_secs: u32,
    /// Line in the file, from 1, at which the record starts.
    pub line: u32,
    arena: u16,
    /// Index of the file in the list of sources that the parser returns beside the records.
    pub file: u16,
    /// RR type.
    pub rtype: u16,
    rdata_len: u16,
}

/// Where octets lie in the arenas of some [`Records`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) arena: u16,
    pub(super) len: u8,
}

/// Octets of text that a record takes at least, in most zones.
const LINE: usize = 32;
/// Parts of a text are joined in arenas of this size.
const ARENA: usize = 32 << 20;
/// An arena takes no more once it holds so much: offsets in it have 32 bits.
const ARENA_FULL: usize = 1 << 31;

/// The records of a zone. Names and RDATA share arenas: no allocation per record.
#[derive(Debug, Default)]
pub struct Records {
    /// Those of [`Records::append`], and one for what is pushed between them.
    arenas: Vec<Vec<u8>>,
    items: Vec<Record>,
    /// Bit t: there are records of type t; the last bit stands for all types from there on.
    types: u128,
    /// Where in the last arena the owner set last lies.
    owner_at: Option<u32>,
}

impl Records {
    /// None yet, with room for those of about so many octets of text.
    pub(super) fn for_text(octets: usize) -> Records {
        let arenas = vec![Vec::with_capacity(octets)];
        Records { arenas, items: Vec::with_capacity(octets / LINE), types: 0, owner_at: None }
    }

    /// Sets the owner of the records that [`Records::push`] adds from now on: an absolute name in wire form, case as written.
    pub fn set_owner(&mut self, owner: &[u8]) {
        let arena = match self.arenas.last_mut() {
            Some(arena) if arena.len() <= ARENA_FULL => arena,
            _ => {
                self.owner_at = None;
                self.arenas.push(Vec::new());
                self.arenas.last_mut().expect("it was pushed")
            }
        };
        if self.owner_at.is_none_or(|at| owner_at(arena, at) != owner) {
            arena.push(owner.len() as u8);
            self.owner_at = Some(arena.len() as u32);
            arena.extend_from_slice(owner);
        }
    }

    /// Adds a record under the owner set last. `rdata` is in wire form, uncompressed, at most 65,535 octets.
    pub fn push(&mut self, rtype: u16, ttl_secs: u32, rdata: &[u8], file: u16, line: u32) {
        if self.arenas.last().is_some_and(|arena| arena.len() > ARENA_FULL) {
            self.move_owner();
        }
        let (Some(owner_at), Some(arena)) = (self.owner_at, self.arenas.last_mut()) else {
            unreachable!("set_owner comes first");
        };
        self.types |= type_bit(rtype);
        let rdata_at = arena.len() as u32;
        arena.extend_from_slice(rdata);
        let (arena, rdata_len) = ((self.arenas.len() - 1) as u16, rdata.len() as u16);
        self.items.push(Record { owner_at, rdata_at, ttl_secs, line, arena, file, rtype, rdata_len });
    }

    /// Writes the owner set last into a new arena too.
    #[cold]
    fn move_owner(&mut self) {
        if let (Some(at), Some(arena)) = (self.owner_at, self.arenas.last()) {
            let owner = owner_at(arena, at).to_vec();
            self.set_owner(&owner);
        }
    }

    /// Adds the records of a later part of a text, whose lines were counted from 1, behind so many lines. The next record needs
    /// [`Records::set_owner`] before it.
    pub(super) fn append(&mut self, part: &Records, lines_before: u32) {
        // By copying: in large pages the compiler finds what it looks for sooner, and who reads parts gets the memory again.
        for (from, arena) in (0u16..).zip(&part.arenas) {
            let octets_before = self.arena_for(arena.len()).len() as u32;
            let into = self.arenas.len() as u16 - 1;
            self.arenas[usize::from(into)].extend_from_slice(arena);
            let records = part.items.iter().filter(|record| record.arena == from);
            self.items.extend(records.map(|record| Record {
                owner_at: octets_before + record.owner_at,
                rdata_at: octets_before + record.rdata_at,
                arena: into,
                line: record.line.saturating_add(lines_before),
                ..*record
            }));
        }
        self.types |= part.types;
        self.owner_at = None;
    }

    /// The memory that owners and RDATA lay in, empty.
    pub(super) fn into_arenas(mut self) -> Vec<Vec<u8>> {
        self.arenas.iter_mut().for_each(Vec::clear);
        self.arenas
    }

    /// Forgets all records, but keeps the memory for others.
    pub(super) fn clear(&mut self) {
        self.arenas.truncate(1);
        self.arenas.iter_mut().for_each(Vec::clear);
        self.items.clear();
        (self.types, self.owner_at) = (0, None);
    }

    /// The last arena, or a new one if that has no room for so many octets.
    fn arena_for(&mut self, octets: usize) -> &mut Vec<u8> {
        if self.arenas.last().is_none_or(|arena| arena.len() > ARENA_FULL || arena.capacity() - arena.len() < octets) {
            let mut arena = Vec::with_capacity(octets.max(ARENA));
            memory::prefer_huge_pages(&mut arena);
            self.arenas.push(arena);
        }
        self.arenas.last_mut().expect("it was pushed")
    }

    /// Makes room for the records of about so many octets of text.
    pub(super) fn expect_text(&mut self, octets: usize) {
        self.items.reserve(octets / LINE);
        memory::prefer_huge_pages(&mut self.items);
    }

    /// All records in reading order.
    pub fn iter(&self) -> std::slice::Iter<'_, Record> {
        self.items.iter()
    }

    /// All records in reading order.
    #[inline]
    pub(super) fn as_slice(&self) -> &[Record] {
        &self.items
    }

    /// Record `index` in reading order.
    pub fn at(&self, index: usize) -> &Record {
        &self.items[index]
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All records of a type in reading order; mostly known at once where there are none.
    pub(super) fn of_type(&self, rtype: u16) -> impl Iterator<Item = &Record> {
        let all = if self.types & type_bit(rtype) != 0 { &self.items[..] } else { &[] };
        all.iter().filter(move |record| record.rtype == rtype)
    }

    /// The owner's wire form, as written.
    #[inline]
    pub fn owner(&self, record: &Record) -> &[u8] {
        owner_at(&self.arenas[record.arena as usize], record.owner_at)
    }

    /// Where the owner lies, but for so many octets at its end.
    #[inline]
    pub(super) fn owner_place(&self, record: &Record, without: usize) -> Place {
        Place { at: record.owner_at, arena: record.arena, len: (self.owner(record).len() - without) as u8 }
    }

    /// Where the owner's first label lies.
    pub(super) fn first_label(&self, record: &Record) -> Place {
        let len = self.owner(record).first().map_or(0, |len| len + 1);
        Place { at: record.owner_at, arena: record.arena, len }
    }

    /// Where a name lies without its first label; all of it if that is nothing.
    pub(super) fn behind_label(&self, place: Place) -> Place {
        let label = self.octets(place).first().map_or(0, |len| len + 1);
        Place { at: place.at + u32::from(label), len: place.len - label, ..place }
    }

    /// The octets there.
    #[inline]
    pub(super) fn octets(&self, place: Place) -> &[u8] {
        &self.arenas[place.arena as usize][place.at as usize..][..place.len as usize]
    }

    /// The records in runs that were read under one owner.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Record]> {
        runs(&self.items)
    }

    /// The RDATA in wire form, uncompressed.
    #[inline]
    pub fn rdata(&self, record: &Record) -> &[u8] {
        &self.arenas[record.arena as usize][record.rdata_at as usize..][..record.rdata_len as usize]
    }
}

/// The same of some of the records.
pub(super) fn runs(records: &[Record]) -> impl Iterator<Item = &[Record]> {
    records.chunk_by(|a, b| a.owner_at == b.owner_at && a.arena == b.arena)
}

fn type_bit(rtype: u16) -> u128 {
    1 << rtype.min(127)
}

#[inline]
fn owner_at(arena: &[u8], at: u32) -> &[u8] {
    &arena[at as usize..][..arena[at as usize - 1] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(records: &Records) -> Vec<(Vec<u8>, u16, Vec<u8>, u32)> {
        let tell = |r: &Record| (records.owner(r).to_vec(), r.rtype, records.rdata(r).to_vec(), r.line);
        records.iter().map(tell).collect()
    }

    #[test]
    fn parts_follow_one_another() {
        let mut records = Records::default();
        records.set_owner(b"\x01a\0");
        records.push(1, 60, b"one", 0, 1);
        let mut part = Records::for_text(100);
        part.set_owner(b"\x01a\0");
        part.push(1, 60, b"two", 0, 1);
        part.push(2, 60, b"three", 0, 3);
        records.append(&part, 10);
        part.clear();
        assert_eq!((told(&part), part.of_type(1).count()), (vec![], 0));
        records.set_owner(b"\x01b\0");
        records.push(3, 60, b"", 0, 20);
        let expected: [(&[u8], u16, &[u8], u32); 4] = [
            (b"\x01a\0", 1, b"one", 1),
            (b"\x01a\0", 1, b"two", 11),
            (b"\x01a\0", 2, b"three", 13),
            (b"\x01b\0", 3, b"", 20),
        ];
        assert_eq!(told(&records), expected.map(|(o, t, r, l)| (o.to_vec(), t, r.to_vec(), l)));
        let runs: Vec<usize> = records.runs().map(<[Record]>::len).collect();
        assert_eq!(runs, [1, 2, 1], "by the owner's place alone");
    }
}
