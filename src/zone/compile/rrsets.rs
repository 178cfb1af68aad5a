//! The RRsets of a zone, encoded as the image holds them; equal ones are kept once.

use super::chain::Chain;
use super::encode::{Encoder, Sorted, covering, expanded, take_signatures};
use super::names::{NameEntry, Names};
use crate::wire::code::rtype;
use crate::wire::name::Name;
use crate::zone::check::{self, Content};
use crate::zone::cores::in_parts;
use crate::zone::finding::Findings;
use crate::zone::layout::{self, APEX_INLINE_MAX, INLINE_MAX, SIGNED_INLINE_MAX, order, rrset};
use crate::zone::memory;
use crate::zone::nsec3::Hash as NameHash;
use crate::zone::records::Records;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

/// RRsets shorter than this are not shared: a copy beside its node saves a cache miss, and costs little.
const SHARE_MIN: usize = 32;
/// The records of so many names are being loaded while one is worked on.
const AHEAD: usize = 8;

/// All RRsets of a zone.
#[derive(Default)]
pub(super) struct Rrsets {
    bytes: Vec<u8>,
    sets: Vec<Set>,
    /// The extras of all sets.
    extras: Vec<Extra>,
    /// What each name has, one name after the other, each by type.
    entries: Vec<Entry>,
    /// Where each name's entries start; one more at the end.
    starts: Vec<u32>,
    /// Those that may be shared, by the hash of their content.
    known: HashMap<u64, u32, Secret>,
    share_a_hash: bool,
    /// The NSEC3 records that deny, by hash.
    chain: Vec<Link>,
    /// Records after duplicates are gone.
    pub(super) record_count: u64,
    /// Octets of all records written out.
    pub(super) expanded_len: u64,
}

/// An RRset of a name.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) rtype: u16,
    /// See [`Set::is_inline`]: here too, as what many names share lies far away in memory.
    pub(super) is_inline: bool,
    pub(super) set: u32,
}

/// An NSEC3 record of the chain: its octets, from its label on, lie among those of the sets.
struct Link {
    hash: NameHash,
    at: usize,
    len: u32,
}

/// One RRset, encoded but for its extras.
pub(super) struct Set {
    at: usize,
    len: u32,
    /// Of its content, its extras' targets among it.
    pub(super) hash: u64,
    /// How many names have it.
    pub(super) uses: u32,
    /// Whether a name with the same one uses it too.
    may_be_shared: bool,
    /// Whether it lies beside its node, if no other name has it.
    may_be_inline: bool,
    extras_at: u32,
    extras: u8,
}

impl Set {
    /// Whether it lies beside its node. Its length counts with each extra's target by hash, so that where it lies does not depend on
    /// where they do.
    pub(super) fn is_inline(&self) -> bool {
        self.uses == 1 && self.may_be_inline
    }
}

/// A name whose addresses go along with an RRset.
#[derive(Clone, Copy)]
pub(super) struct Extra {
    pub(super) record: u8,
    pub(super) place: u8,
    pub(super) is_required: bool,
    /// Number of the name.
    pub(super) target: u32,
}

/// Octets of an extra as they are hashed: record, place, whether it is required, hash of the target.
const HASHED_EXTRA: usize = 3 + 8;

impl Rrsets {
    /// Sorts, checks and encodes the records of each name.
    pub(super) fn build(
        apex: &Name,
        records: &Records,
        names: &Names,
        chain: &Chain,
        findings: &mut Findings,
    ) -> Rrsets {
        let mut all = Rrsets::default();
        // What lies in the order comes first.
        let mut encoder = Encoder::new(apex, records, names, findings);
        all.encode_chain(&mut encoder, chain, &mut Vec::new(), &mut Vec::new());
        let parts = in_parts(names.cores(), names.len(), |part| Rrsets::of_part(apex, records, names, part));
        for (part, found) in parts {
            all.append(part);
            findings.append(found);
        }
        all.starts.push(all.entries.len() as u32);
        all.known = HashMap::default();
        let mut is_used = vec![false; names.len()];
        all.extras.iter().for_each(|extra| is_used[extra.target as usize] = true);
        check::glue(&Content { apex, records, names }, &is_used, findings);
        let sets = &all.sets;
        all.entries.iter_mut().for_each(|entry| entry.is_inline = sets[entry.set as usize].is_inline());
        all
    }

    /// Those of some names, numbered from 0.
    fn of_part(apex: &Name, records: &Records, names: &Names, part: Range<usize>) -> (Rrsets, Findings) {
        let mut all = Rrsets::with_room(part.len());
        let mut findings = Findings::default();
        let mut encoder = Encoder::new(apex, records, names, &mut findings);
        let (mut list, mut signatures) = (Vec::new(), Vec::new());
        for number in part {
            names.prefetch(number + AHEAD);
            let entry = names.at(number);
            encoder.set_owner(entry);
            all.starts.push(all.entries.len() as u32);
            encoder.sort(names.records_of(entry), &mut list);
            encoder.check_types(entry, &list);
            check::name(&encoder.content(), entry, encoder.findings);
            take_signatures(entry, &mut list, &mut signatures);
            for group in list.chunk_by(|a, b| a.record.rtype == b.record.rtype) {
                let count = encoder.encode(entry, group, covering(&signatures, group[0].record.rtype));
                all.record_count += count as u64;
                all.expanded_len += expanded(encoder.owner.len(), &encoder.encoded);
                let rtype = group[0].record.rtype;
                let set = all.keep(names, entry, rtype, &mut encoder.encoded, &encoder.extras);
                all.entries.push(Entry { rtype, is_inline: false, set });
            }
        }
        (all, findings)
    }

    /// None yet, with room for what so many names mostly have.
    fn with_room(names: usize) -> Rrsets {
        let mut none = Rrsets {
            bytes: Vec::with_capacity(32 * names),
            sets: Vec::with_capacity(names),
            entries: Vec::with_capacity(names + names / 2),
            starts: Vec::with_capacity(names + 1),
            ..Rrsets::default()
        };
        memory::prefer_huge_pages(&mut none.bytes);
        memory::prefer_huge_pages(&mut none.sets);
        memory::prefer_huge_pages(&mut none.entries);
        none
    }

    /// Takes those of the names that follow.
    fn append(&mut self, mut part: Rrsets) {
        self.record_count += part.record_count;
        self.expanded_len += part.expanded_len;
        self.share_a_hash |= part.share_a_hash;
        if self.starts.is_empty() && self.bytes.is_empty() {
            *self = part;
            return;
        }
        let (octets_before, extras_before) = (self.bytes.len(), self.extras.len() as u32);
        let entries_before = self.entries.len() as u32;
        let mut numbers = Vec::with_capacity(part.sets.len());
        for (set, number) in part.sets.iter().zip(0..) {
            let known = set.may_be_shared.then(|| self.known(set.hash, part.octets(number), part.extras(number)));
            match known.flatten() {
                Some(known) => {
                    self.sets[known as usize].uses += set.uses;
                    numbers.push(known);
                }
                None => {
                    numbers.push(self.sets.len() as u32);
                    self.sets.push(Set {
                        at: octets_before + set.at,
                        extras_at: extras_before + set.extras_at,
                        ..*set
                    });
                }
            }
        }
        self.bytes.append(&mut part.bytes);
        self.extras.append(&mut part.extras);
        self.entries.extend(part.entries.iter().map(|entry| Entry { set: numbers[entry.set as usize], ..*entry }));
        self.starts.extend(part.starts.iter().map(|start| entries_before + start));
    }

    /// Whether two of different content have the same hash: then not all that are equal are known to be.
    pub(super) fn share_a_hash(&self) -> bool {
        self.share_a_hash
    }

    /// The set of this content, if there is one; if not, the next one will be it.
    fn known(&mut self, hash: u64, octets: &[u8], extras: &[Extra]) -> Option<u32> {
        let number = self.sets.len() as u32;
        let first = *self.known.entry(hash).or_insert(number);
        if first == number {
            return None;
        }
        let is_same = self.is_same(first, octets, extras);
        self.share_a_hash |= !is_same;
        is_same.then_some(first)
    }

    /// Octets of all sets.
    pub(super) fn octets_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Encodes the NSEC3 records that lie in the order.
    fn encode_chain<'a>(
        &mut self,
        encoder: &mut Encoder<'a, '_>,
        chain: &Chain,
        list: &mut Vec<Sorted<'a>>,
        signatures: &mut Vec<Sorted<'a>>,
    ) {
        let records = encoder.records;
        for (hash, members) in chain.iter() {
            encoder.sort(members.iter().map(|&index| records.at(index as usize)), list);
            // Of several spellings the least, as for every owner.
            let least = list.iter().map(|sorted| records.owner(sorted.record)).min().unwrap_or_default();
            let label = &least[..order::LABEL];
            let entry = NameEntry::new(0, label, 0, 0);
            take_signatures(&entry, list, signatures);
            let count = encoder.encode(&entry, list, signatures);
            self.record_count += count as u64;
            self.expanded_len += expanded(label.len() + encoder.apex.as_wire().len(), &encoder.encoded);
            let at = self.bytes.len();
            self.bytes.extend_from_slice(label);
            self.bytes.extend_from_slice(&encoder.encoded);
            self.chain.push(Link { hash: *hash, at, len: (self.bytes.len() - at) as u32 });
        }
    }

    /// Hash and octets of each NSEC3 record that lies in the order, by hash.
    pub(super) fn chain(&self) -> impl ExactSizeIterator<Item = (&NameHash, &[u8])> {
        self.chain.iter().map(|link| (&link.hash, &self.bytes[link.at..link.at + link.len as usize]))
    }

    /// The RRsets of a name, by type.
    pub(super) fn of(&self, name: usize) -> &[Entry] {
        &self.entries[self.starts[name] as usize..self.starts[name + 1] as usize]
    }

    /// All sets.
    pub(super) fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The octets of a set but for its extras: its number of extras is the last one, if it has any.
    pub(super) fn octets(&self, set: u32) -> &[u8] {
        let set = &self.sets[set as usize];
        &self.bytes[set.at..set.at + set.len as usize]
    }

    /// The extras of a set.
    pub(super) fn extras(&self, set: u32) -> &[Extra] {
        let set = &self.sets[set as usize];
        &self.extras[set.extras_at as usize..set.extras_at as usize + set.extras as usize]
    }

    /// Keeps what the encoder made: again, or as one that is known.
    fn keep(&mut self, names: &Names, entry: &NameEntry, rtype: u16, encoded: &mut Vec<u8>, extras: &[Extra]) -> u32 {
        let number = self.sets.len() as u32;
        let len = encoded.len();
        for extra in extras {
            encoded.extend_from_slice(&[extra.record, extra.place, extra.is_required as u8]);
            encoded.extend_from_slice(&names.at(extra.target as usize).hash.to_le_bytes());
        }
        let hash = layout::hash(names.seed(), encoded);
        // No two names have the same signatures, digests of keys (RFC 4034 section 5.1.4 puts the name into them), or glue of their own.
        let is_signed = encoded[rrset::FIXED - 1] & rrset::SIGNATURES != 0;
        let is_own = is_signed || rtype == rtype::DS || extras.iter().any(|extra| extra.is_required);
        let may_be_shared = len >= SHARE_MIN && !is_own;
        if may_be_shared && let Some(known) = self.known(hash, &encoded[..len], extras) {
            self.sets[known as usize].uses += 1;
            return known;
        }
        let max = match () {
            () if entry.relative.is_empty() => APEX_INLINE_MAX,
            () if is_signed => SIGNED_INLINE_MAX,
            () => INLINE_MAX,
        };
        self.sets.push(Set {
            at: self.bytes.len(),
            len: len as u32,
            hash,
            uses: 1,
            may_be_shared,
            may_be_inline: len + extras.len() * HASHED_EXTRA <= max,
            extras_at: self.extras.len() as u32,
            extras: extras.len() as u8,
        });
        self.bytes.extend_from_slice(&encoded[..len]);
        self.extras.extend_from_slice(extras);
        number
    }

    fn is_same(&self, set: u32, octets: &[u8], extras: &[Extra]) -> bool {
        let key = |extra: &Extra| (extra.record, extra.place, extra.is_required, extra.target);
        self.octets(set) == octets && self.extras(set).iter().map(key).eq(extras.iter().map(key))
    }
}

/// Spreads hashes that everybody can compute by a secret: contents that collide in the image's hash must not make a table here slow.
#[derive(Clone)]
struct Secret(u64);

impl Default for Secret {
    fn default() -> Secret {
        Secret(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Secret {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        Spread(self.0)
    }
}

struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are hashes");
    }

    fn write_u64(&mut self, hash: u64) {
        let product = u128::from(self.0 ^ hash) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
