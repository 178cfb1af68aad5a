//! NS RRsets that many owners have in common: a hoster's name servers under its customers' delegations.
//!
//! Most of what a large zone of delegations says is such sets again and again. Each is kept once, with its TTL, and who has one has its number: that
//! takes much less memory, and who compiles the zone knows the RRset by its number.

use super::{Item, Records, Shared, owner_at};
use crate::wire::code::rtype;
use crate::zone::known::Known;
use crate::zone::layout;
use crate::zone::memory;

/// Nothing is looked for in a pool once its octets are so many: offsets in it have 32 bits.
const FULL: usize = 1 << 31;
/// So many sets are looked for together: what the next step reads of one is loaded while others are looked at.
const BATCH: usize = 32;
/// Octets of a set, mostly.
const SERVERS: usize = 64;
/// So many more sets may be added than are found again: beyond that delegations have little in common, and a pool takes more than it saves.
const VAIN_MAX: usize = 1 << 16;

/// NS RRsets, each once: those that one reader has read.
#[derive(Debug)]
pub(in crate::zone) struct Pool {
    /// By which items tell it from those of other readers.
    pub(super) number: u16,
    known: Known,
    list: Vec<Servers>,
    /// How often a set was found again.
    found: usize,
    /// Of each set the lengths of its RDATA, one octet each, then the RDATA.
    pub(super) octets: Vec<u8>,
}

/// One NS RRset.
#[derive(Debug, Clone, Copy)]
struct Servers {
    /// Of its RDATA.
    hash: u64,
    at: u32,
    ttl_secs: u32,
    /// Octets of RDATA.
    len: u16,
    count: u8,
}

/// NS records of one owner, on lines that follow one another, as others may have them too.
struct Stretch {
    /// The first item.
    from: usize,
    /// What they are in a pool, but for the place: that is theirs in the arena.
    servers: Servers,
}

/// Items that are a set of name servers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// The first item, and how many.
    pub(super) from: u32,
    pub(super) count: u8,
    /// Octets of their RDATA, which follow one another.
    pub(super) len: u16,
    /// The pool, and the set in it.
    pub(super) shared: Shared,
}

impl Records {
    /// Finds NS RRsets that owners have in common: when these records are appended to others, each is kept once, in this pool. Only where all
    /// lies in one arena.
    pub(in crate::zone) fn find_servers(&mut self, pool: &mut Pool) {
        self.shared.clear();
        let [arena] = &self.arenas[..] else { return };
        if !pool.is_open() {
            return;
        }
        let mut stretches = stretches(&self.items, arena);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            batch.extend(stretches.by_ref().take(BATCH));
            pool.prefetch(batch.iter().map(|stretch| stretch.servers.hash));
            self.shared.extend(batch.iter().filter_map(|Stretch { from, servers }| {
                let items = &self.items[*from..][..servers.count.into()];
                let shared = Shared { pool: pool.number, number: pool.number_of(items, servers, arena)? };
                Some(Found { from: *from as u32, count: servers.count, len: servers.len, shared })
            }));
            if batch.len() < BATCH {
                return;
            }
        }
    }
}

/// All of them. Nobody else has servers the first of which ends in the owner's name; where TTLs differ, or lines could not be told from the first
/// one, records stay as they are.
fn stretches(items: &[Item], arena: &[u8]) -> impl Iterator<Item = Stretch> {
    let mut from = 0;
    let same = items.chunk_by(|a, b| (a.owner_at, a.rtype) == (b.owner_at, b.rtype));
    let numbered = same.map(move |same| {
        from += same.len();
        (from - same.len(), same)
    });
    numbered.filter_map(|(from, same)| {
        let first = &same[0];
        if first.rtype != rtype::NS {
            return None;
        }
        let is_alike = |(item, line): (&Item, u32)| {
            (item.ttl_secs, item.file, item.line) == (first.ttl_secs, first.file, line)
                && u8::try_from(item.rdata_len).is_ok()
        };
        let len = u16::try_from(same.iter().map(|item| usize::from(item.rdata_len)).sum::<usize>()).ok()?;
        let rdata = &arena[first.rdata_at as usize..][..len.into()];
        let is_own = rdata[..first.rdata_len.into()].ends_with(owner_at(arena, first.owner_at));
        if is_own || !same.iter().zip(first.line..).all(is_alike) {
            return None;
        }
        let hash = layout::hash(first.ttl_secs.into(), rdata);
        let (at, ttl_secs, count) = (first.rdata_at, first.ttl_secs, u8::try_from(same.len()).ok()?);
        Some(Stretch { from, servers: Servers { hash, at, ttl_secs, len, count } })
    })
}

impl Pool {
    /// An empty one.
    pub(in crate::zone) fn new(number: u16) -> Pool {
        Pool { number, known: Known::with_room(0), list: Vec::new(), found: 0, octets: Vec::new() }
    }

    /// Whether it is worth while to look for sets, and there is room for more.
    fn is_open(&self) -> bool {
        self.octets.len() <= FULL && self.list.len() <= self.found + VAIN_MAX
    }

    /// Takes no more: forgets what finds sets again.
    pub(super) fn end(&mut self) {
        self.known = Known::with_room(0);
        self.list.shrink_to_fit();
        self.octets.shrink_to_fit();
    }

    /// Records and octets of RDATA of a set.
    pub(super) fn extent(&self, number: u32) -> (u8, u16) {
        let servers = &self.list[number as usize];
        (servers.count, servers.len)
    }

    /// Where the RDATA of a set start, and the length of each.
    pub(super) fn of(&self, number: u32) -> (u32, &[u8]) {
        let Servers { at, count, .. } = self.list[number as usize];
        let lens = &self.octets[at as usize..][..count.into()];
        (at + u32::from(count), lens)
    }

    /// Starts loading what finding the sets of these hashes reads.
    fn prefetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        hashes.clone().for_each(|hash| self.known.prefetch(hash));
        let guesses = hashes.filter_map(|hash| self.known.guess(hash)).map(|number| number as usize);
        guesses.clone().for_each(|number| memory::prefetch_item(&self.list, number));
        let octets = |servers: &Servers| memory::prefetch_from(&self.octets[servers.at as usize..], SERVERS);
        guesses.filter_map(|number| self.list.get(number)).for_each(octets);
    }

    /// The number of the set that these items are, which may have to be added. `None`: it has the hash of another.
    fn number_of(&mut self, items: &[Item], servers: &Servers, arena: &[u8]) -> Option<u32> {
        let rdata = &arena[servers.at as usize..][..servers.len.into()];
        let lens = || items.iter().map(|item| item.rdata_len as u8);
        let (list, next) = (&self.list, self.list.len() as u32);
        if let Some(found) = self.known.find_or_add(servers.hash, next, |number| list[number as usize].hash) {
            let (from, known_lens) = self.of(found);
            let is_same = self.list[found as usize].ttl_secs == servers.ttl_secs
                && lens().eq(known_lens.iter().copied())
                && self.octets[from as usize..].starts_with(rdata);
            self.found += usize::from(is_same);
            return is_same.then_some(found);
        }
        let at = self.octets.len() as u32;
        self.octets.extend(lens());
        self.octets.extend_from_slice(rdata);
        self.list.push(Servers { at, ..*servers });
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines<'t> = [(&'t [u8], u16, u32, &'t [u8])];

    /// Owner, type, TTL, RDATA, line.
    type Told = (Vec<u8>, u16, u32, Vec<u8>, u32);

    fn told(records: &Records) -> Vec<Told> {
        let tell = |r: super::super::Record| {
            (records.owner(&r).to_vec(), r.rtype, r.ttl_secs, records.rdata(&r).to_vec(), r.line)
        };
        records.iter().map(tell).collect()
    }

    fn records(lines: &Lines) -> Records {
        let mut records = Records::for_text(100);
        for (&(owner, rtype, ttl_secs, rdata), line) in lines.iter().zip(1..) {
            records.set_owner(owner);
            records.push(rtype, ttl_secs, rdata, 0, line);
        }
        records
    }

    #[test]
    fn sets_that_owners_have_in_common_are_kept_once() {
        let lines: &Lines = &[
            (b"\0", rtype::SOA, 60, b"soa"),
            (b"\x01a\0", rtype::NS, 60, b"\x03ns1\0"),
            (b"\x01a\0", rtype::NS, 60, b"\x03ns2\0"),
            (b"\x01a\0", rtype::DS, 60, b"digest"),
            (b"\x01b\0", rtype::NS, 60, b"\x03ns1\0"),
            (b"\x01b\0", rtype::NS, 60, b"\x03ns2\0"),
            (b"\x01c\0", rtype::NS, 5, b"\x03ns1\0"),
            (b"\x01c\0", rtype::NS, 5, b"\x03ns2\0"),
            (b"\x01d\0", rtype::NS, 60, b"\x02ns\x01d\0"),
            (b"\x01e\0", rtype::NS, 60, b"\x03ns1\0"),
            (b"\x01e\0", rtype::NS, 61, b"\x03ns2\0"),
            (b"\x01f\0", rtype::DS, 60, b"other"),
            (b"\x01f\0", rtype::NS, 60, b"\x03ns1\0"),
            (b"\x01f\0", rtype::NS, 60, b"\x03ns2\0"),
        ];
        let expected: Vec<_> = lines
            .iter()
            .zip(1..)
            .map(|(&(owner, rtype, ttl_secs, rdata), line)| (owner.to_vec(), rtype, ttl_secs, rdata.to_vec(), line))
            .collect();
        let mut part = records(lines);
        let mut pool = Pool::new(0);
        part.find_servers(&mut pool);
        assert_eq!((told(&part), pool.list.len(), pool.found), (expected.clone(), 2, 2));
        let mut all = Records::default();
        all.append(&part, 0);
        all.append(&part, 14);
        assert_eq!((all.len(), all.items().len()), (28, 20));
        let shared: Vec<_> = all.items().iter().filter_map(Item::shared).map(|shared| shared.number).collect();
        assert_eq!(shared, [0, 0, 1, 0, 0, 0, 1, 0]);
        pool.end();
        *all.pools() = vec![pool];
        let again = expected.iter().cloned().map(|line| (line.0, line.1, line.2, line.3, line.4 + 14));
        assert_eq!(told(&all), expected.iter().cloned().chain(again).collect::<Vec<_>>());
        let ns: Vec<u32> = all.of_type(rtype::NS).map(|record| record.line).take(6).collect();
        assert_eq!(ns, [2, 3, 5, 6, 7, 8]);
    }

    /// Nothing is gained there, and each set that is added takes memory.
    #[test]
    fn where_delegations_have_nothing_in_common_a_pool_stops_growing() {
        let rdata = |n: usize| [&b"\x04"[..], &(n as u32).to_be_bytes(), b"\0"].concat();
        let mut pool = Pool::new(0);
        for n in 0..VAIN_MAX + 100 {
            records(&[(b"\x01a\0", rtype::NS, 60, &rdata(n))]).find_servers(&mut pool);
        }
        assert_eq!((pool.list.len(), pool.found), (VAIN_MAX + 1, 0));
        let mut first = records(&[(b"\x01b\0", rtype::NS, 60, &rdata(0))]);
        first.find_servers(&mut pool);
        assert!(first.shared.is_empty(), "it looks for none any more");
    }

    #[test]
    fn another_set_of_the_same_hash_is_not_taken_for_it() {
        let mut pool = Pool::new(0);
        let one = records(&[(b"\x01a\0", rtype::NS, 60, b"\x03ns1\0")]);
        let other = records(&[(b"\x01a\0", rtype::NS, 60, b"\x03ns2\0")]);
        let servers = |records: &Records| {
            let found = stretches(&records.items, &records.arenas[0]).next().map(|stretch| stretch.servers);
            Servers { hash: 7, ..found.unwrap() }
        };
        assert_eq!(pool.number_of(&one.items, &servers(&one), &one.arenas[0]), Some(0));
        assert_eq!(pool.number_of(&other.items, &servers(&other), &other.arenas[0]), None);
        assert_eq!(pool.number_of(&one.items, &servers(&one), &one.arenas[0]), Some(0));
    }
}
