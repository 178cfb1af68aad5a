//! The records of one zone between parsing and compiling: flat, in the order in which they were read.

use super::memory;

mod servers;

use servers::Found;
pub(super) use servers::Pool;

/// One record. Its owner and RDATA lie in the [`Records`] that it came from.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Where the owner lies in its arena; the octet before it is its length.
    owner_at: u32,
    rdata_at: u32,
    /// Seconds, at most 2^31 - 1 (RFC 2181 section 8).
    pub ttl_secs: u32,
    /// Line in the file, from 1, at which the record starts.
    pub line: u32,
    owner_arena: u16,
    /// Where the RDATA lies: an arena, or with [`SHARED`] a pool.
    rdata_arena: u16,
    /// Index of the file in the list of sources that the parser returns beside the records.
    pub file: u16,
    /// RR type.
    pub rtype: u16,
    rdata_len: u16,
}

/// A record as it is kept; or the NS records of an owner on lines that follow one another, the data of which others have too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    owner_at: u32,
    /// Where the RDATA lies; the number of a set in its pool.
    rdata_at: u32,
    ttl_secs: u32,
    /// Of the first record.
    line: u32,
    /// Where the owner lies; with [`SHARED`] it is a set of name servers.
    arena: u16,
    file: u16,
    pub(super) rtype: u16,
    /// Octets; the number of the pool.
    rdata_len: u16,
}

const _: () = assert!(size_of::<Item>() == 24);

/// The bit of an arena's number that says: the data lies in a pool.
const SHARED: u16 = 1 << 15;

/// Which set of name servers an item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    /// The pool.
    pub(super) pool: u16,
    /// The set in it.
    pub(super) number: u32,
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
    items: Vec<Item>,
    /// Records that the items stand for.
    len: usize,
    /// Bit t: there are records of type t; the last bit stands for all types from there on.
    types: u128,
    /// Where in the last arena the owner set last lies.
    owner_at: Option<u32>,
    /// Where items that are sets of name servers have their data, by number.
    pools: Vec<Pool>,
    /// Which items become such sets when they are appended to others, in their order.
    shared: Vec<Found>,
}

impl Records {
    /// None yet, with room for those of about so many octets of text.
    pub(super) fn for_text(octets: usize) -> Records {
        let arenas = vec![Vec::with_capacity(octets)];
        Records { arenas, items: Vec::with_capacity(octets / LINE), ..Records::default() }
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
        self.items.push(Item { owner_at, rdata_at, ttl_secs, line, arena, file, rtype, rdata_len });
        self.len += 1;
    }

    /// Where items that are sets of name servers have their data, by number.
    pub(super) fn pools(&mut self) -> &mut Vec<Pool> {
        &mut self.pools
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
        debug_assert!(part.pools.is_empty(), "the sets of a part are told by `shared` alone");
        // By copying: in large pages the compiler finds what it looks for sooner, and who reads parts gets the memory again.
        if part.shared.is_empty() {
            (0u16..).zip(&part.arenas).for_each(|(from, arena)| self.append_arena(from, arena, part, lines_before));
        } else {
            self.append_shared(part, lines_before);
        }
        self.len += part.len;
        self.types |= part.types;
        self.owner_at = None;
    }

    /// Appends what lies in one arena.
    fn append_arena(&mut self, from: u16, arena: &[u8], part: &Records, lines_before: u32) {
        let (into, octets) = arena_for(&mut self.arenas, arena.len());
        let octets_before = octets.len() as u32;
        octets.extend_from_slice(arena);
        let items = part.items.iter().filter(|item| item.arena == from);
        self.items.extend(items.map(|item| Item {
            owner_at: octets_before + item.owner_at,
            rdata_at: octets_before + item.rdata_at,
            arena: into,
            line: item.line.saturating_add(lines_before),
            ..*item
        }));
    }

    /// Appends records some of which are sets of name servers: without the RDATA of these.
    fn append_shared(&mut self, part: &Records, lines_before: u32) {
        let from = &part.arenas[0];
        let (into, octets) = arena_for(&mut self.arenas, from.len());
        let (mut found, mut next) = (part.shared.iter(), 0);
        let mut copied = 0;
        // What is added to a place in the part's arena; an owner lies before the data of all of its items.
        let mut before = octets.len() as u32;
        let (mut owner, mut owner_at) = (0, 0);
        let mut stretch = found.next();
        while let Some(item) = part.items.get(next) {
            if owner != item.owner_at {
                (owner, owner_at) = (item.owner_at, before.wrapping_add(item.owner_at));
            }
            let own = Item { owner_at, arena: into, line: item.line.saturating_add(lines_before), ..*item };
            match stretch {
                Some(servers) if servers.from as usize == next => {
                    let Shared { pool, number } = servers.shared;
                    self.items.push(Item { rdata_at: number, arena: into | SHARED, rdata_len: pool, ..own });
                    octets.extend_from_slice(&from[copied..item.rdata_at as usize]);
                    copied = item.rdata_at as usize + usize::from(servers.len);
                    before = before.wrapping_sub(servers.len.into());
                    next += usize::from(servers.count);
                    stretch = found.next();
                }
                _ => {
                    self.items.push(Item { rdata_at: before.wrapping_add(item.rdata_at), ..own });
                    next += 1;
                }
            }
        }
        octets.extend_from_slice(&from[copied..]);
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
        self.shared.clear();
        (self.len, self.types, self.owner_at) = (0, 0, None);
    }

    /// Makes room for the records of about so many octets of text.
    pub(super) fn expect_text(&mut self, octets: usize) {
        self.items.reserve(octets / LINE);
        memory::prefer_huge_pages(&mut self.items);
    }

    /// All records in reading order.
    pub fn iter(&self) -> impl Iterator<Item = Record> + '_ {
        self.all(&self.items)
    }

    /// What is kept, in reading order.
    #[inline]
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// The records that these items are.
    #[inline]
    pub(super) fn all<'r>(&'r self, items: &'r [Item]) -> All<'r> {
        All { records: self, items: items.iter(), last: None, lens: [].iter() }
    }

    /// The first record of an item: the only one, but of a set of name servers.
    #[inline]
    pub(super) fn first(&self, item: &Item) -> Record {
        self.open(item).0
    }

    /// The first record of the item with this number: the only one, but of a set of name servers.
    pub(super) fn at(&self, item: usize) -> Record {
        self.first(&self.items[item])
    }

    /// The first record of an item, and octets of the RDATA of each of the others: it lies behind that of the one before.
    #[inline]
    fn open(&self, item: &Item) -> (Record, &[u8]) {
        let record = Record {
            owner_at: item.owner_at,
            rdata_at: item.rdata_at,
            ttl_secs: item.ttl_secs,
            line: item.line,
            owner_arena: item.owner_arena(),
            rdata_arena: item.arena,
            file: item.file,
            rtype: item.rtype,
            rdata_len: item.rdata_len,
        };
        let Some(Shared { pool, number }) = item.shared() else { return (record, &[]) };
        let (rdata_at, lens) = self.pool(pool).of(number);
        let (&first, lens) = lens.split_first().expect("no set is empty");
        (Record { rdata_at, rdata_arena: SHARED | pool, rdata_len: first.into(), ..record }, lens)
    }

    fn pool(&self, number: u16) -> &Pool {
        &self.pools[usize::from(number)]
    }

    /// How many pools there are.
    pub(super) fn pool_count(&self) -> usize {
        self.pools.len()
    }

    /// Tells that no more is read: what finds sets again is not needed.
    pub(super) fn end_sharing(&mut self) {
        self.pools.iter_mut().for_each(Pool::end);
    }

    /// Records and octets of RDATA of a set of name servers.
    pub(super) fn extent(&self, shared: Shared) -> (u8, u16) {
        self.pool(shared.pool).extent(shared.number)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All records of a type in reading order; mostly known at once where there are none.
    pub(super) fn of_type(&self, rtype: u16) -> impl Iterator<Item = Record> {
        let all = if self.types & type_bit(rtype) != 0 { &self.items[..] } else { &[] };
        self.all(all).filter(move |record| record.rtype == rtype)
    }

    /// The owner's wire form, as written.
    #[inline]
    pub fn owner(&self, record: &Record) -> &[u8] {
        owner_at(&self.arenas[record.owner_arena as usize], record.owner_at)
    }

    /// That of an item.
    #[inline]
    pub(super) fn owner_of(&self, item: &Item) -> &[u8] {
        owner_at(&self.arenas[item.owner_arena() as usize], item.owner_at)
    }

    /// Where the owner lies, but for so many octets at its end.
    #[inline]
    pub(super) fn owner_place(&self, item: &Item, without: usize) -> Place {
        Place { at: item.owner_at, arena: item.owner_arena(), len: (self.owner_of(item).len() - without) as u8 }
    }

    /// Where the owner's first label lies.
    pub(super) fn first_label(&self, record: &Record) -> Place {
        let len = self.owner(record).first().map_or(0, |len| len + 1);
        Place { at: record.owner_at, arena: record.owner_arena, len }
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

    /// The items in runs that were read under one owner.
    pub(super) fn runs(&self) -> impl Iterator<Item = &[Item]> {
        runs(&self.items)
    }

    /// The RDATA in wire form, uncompressed.
    #[inline]
    pub fn rdata(&self, record: &Record) -> &[u8] {
        let octets = match record.rdata_arena & SHARED {
            0 => &self.arenas[record.rdata_arena as usize],
            _ => &self.pool(record.rdata_arena & !SHARED).octets,
        };
        &octets[record.rdata_at as usize..][..record.rdata_len as usize]
    }
}

/// The last arena, with its number, or a new one if that has no room for so many octets.
fn arena_for(arenas: &mut Vec<Vec<u8>>, octets: usize) -> (u16, &mut Vec<u8>) {
    if arenas.last().is_none_or(|arena| arena.len() > ARENA_FULL || arena.capacity() - arena.len() < octets) {
        let mut arena = Vec::with_capacity(octets.max(ARENA));
        memory::prefer_huge_pages(&mut arena);
        arenas.push(arena);
    }
    let number = arenas.len() as u16 - 1;
    assert!(number < SHARED, "records take more than a tebioctet");
    (number, arenas.last_mut().expect("it was pushed"))
}

impl Item {
    fn is_shared(&self) -> bool {
        self.arena & SHARED != 0
    }

    fn owner_arena(&self) -> u16 {
        self.arena & !SHARED
    }

    /// Which set of name servers it is, if it is one.
    #[inline]
    pub(super) fn shared(&self) -> Option<Shared> {
        self.is_shared().then_some(Shared { pool: self.rdata_len, number: self.rdata_at })
    }
}

/// The records of some items.
#[derive(Clone)]
pub(super) struct All<'r> {
    records: &'r Records,
    items: std::slice::Iter<'r, Item>,
    last: Option<Record>,
    /// Octets of RDATA of those that follow in its item.
    lens: std::slice::Iter<'r, u8>,
}

impl Iterator for All<'_> {
    type Item = Record;

    #[inline]
    fn next(&mut self) -> Option<Record> {
        if let (Some(&len), Some(last)) = (self.lens.next(), &mut self.last) {
            last.rdata_at += u32::from(last.rdata_len);
            last.rdata_len = len.into();
            last.line = last.line.saturating_add(1);
            return self.last;
        }
        let (record, lens) = self.records.open(self.items.next()?);
        if !lens.is_empty() {
            (self.last, self.lens) = (Some(record), lens.iter());
        }
        Some(record)
    }
}

/// The same of some of the items.
pub(super) fn runs(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    items.chunk_by(|a, b| a.owner_at == b.owner_at && a.owner_arena() == b.owner_arena())
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
        let tell = |r: Record| (records.owner(&r).to_vec(), r.rtype, records.rdata(&r).to_vec(), r.line);
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
        let runs: Vec<usize> = records.runs().map(<[Item]>::len).collect();
        assert_eq!(runs, [1, 2, 1], "by the owner's place alone");
    }
}
