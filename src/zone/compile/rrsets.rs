//! The RRsets of a zone, encoded as the image holds them; equal ones are kept once.

use super::TYPES_MAX;
use super::chain::Chain;
use super::names::{NameEntry, Names};
use crate::wire::code::rtype;
use crate::wire::name::{self, Name, Text};
use crate::wire::rdata;
use crate::zone::check::{self, Content};
use crate::zone::cores::in_parts;
use crate::zone::finding::Findings;
use crate::zone::image::expanded_len;
use crate::zone::layout::{
    self, APEX_INLINE_MAX, INLINE_MAX, RRSET_WIRE_MAX, SIGNED_INLINE_MAX, extra, hint, order, rrset,
};
use crate::zone::memory;
use crate::zone::nsec3::Hash as NameHash;
use crate::zone::records::{Record, Records};
use std::borrow::Cow;
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

/// A record with what it is sorted by.
struct Sorted<'a> {
    record: &'a Record,
    rdata: &'a [u8],
    /// For comparison; the RDATA itself where no names are in it.
    canonical: Cow<'a, [u8]>,
}

struct Encoder<'a, 'f> {
    apex: &'a Name,
    records: &'a Records,
    names: &'a Names<'a>,
    findings: &'f mut Findings,
    encoded: Vec<u8>,
    extras: Vec<Extra>,
    /// The name that is worked on, absolute.
    owner: Vec<u8>,
    /// RDATA of an RRset and of its signatures: kept for its memory.
    unique: [Vec<&'a [u8]>; 2],
    /// The first names of an RRset, each with how much of it is written out: kept for its memory.
    earlier: Vec<(&'a [u8], usize)>,
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

impl<'a, 'f> Encoder<'a, 'f> {
    fn new(apex: &'a Name, records: &'a Records, names: &'a Names<'a>, findings: &'f mut Findings) -> Encoder<'a, 'f> {
        let (encoded, extras, owner, unique, earlier) = Default::default();
        Encoder { apex, records, names, findings, encoded, extras, owner, unique, earlier }
    }

    fn content(&self) -> Content<'a> {
        Content { apex: self.apex, records: self.records, names: self.names }
    }

    /// Goes on to this name.
    fn set_owner(&mut self, entry: &NameEntry) {
        self.owner.clear();
        self.owner.extend_from_slice(entry.relative);
        self.owner.extend_from_slice(self.apex.as_wire());
    }

    /// Records of one name by type, then by canonical RDATA (RFC 4034 section 6.3), then by spelling.
    fn sort(&self, of_name: impl Iterator<Item = &'a Record>, list: &mut Vec<Sorted<'a>>) {
        list.clear();
        list.extend(of_name.map(|record| {
            let rdata = self.records.rdata(record);
            Sorted { record, rdata, canonical: rdata::canonical(record.rtype, rdata) }
        }));
        let place = |record: &Record| (record.file, record.line);
        list.sort_unstable_by(|a, b| {
            let by_content = a.record.rtype.cmp(&b.record.rtype).then_with(|| a.canonical.cmp(&b.canonical));
            by_content.then_with(|| a.rdata.cmp(b.rdata)).then_with(|| place(a.record).cmp(&place(b.record)))
        });
    }

    fn owner_text(&self, entry: &NameEntry) -> String {
        Text(&[entry.relative, self.apex.as_wire()].concat()).to_string()
    }

    /// A CNAME stands alone but for DNSSEC's own records (RFC 2181 section 10.1, RFC 4035 section 2.5); there is one CNAME, and
    /// one DNAME (RFC 6672 section 2.4).
    fn check_types(&mut self, entry: &NameEntry, list: &[Sorted]) {
        if list.len() <= TYPES_MAX && !list.iter().any(|sorted| is_alone(sorted.record.rtype)) {
            return;
        }
        let groups = || list.chunk_by(|a, b| a.record.rtype == b.record.rtype);
        let is_beside_cname = |t| matches!(t, rtype::CNAME | rtype::RRSIG | rtype::NSEC | rtype::KEY | rtype::SIG);
        if groups().count() > TYPES_MAX {
            let message = format!("{} has more than {TYPES_MAX} types", self.owner_text(entry));
            self.findings.error(list[0].record, message, "spread them over several names");
        }
        for group in groups() {
            let first = group[0].record;
            if !is_alone(first.rtype) {
                continue;
            }
            let kind = rtype::text(first.rtype);
            if let Some(second) = group.iter().find(|other| other.canonical != group[0].canonical) {
                let message = format!("{} has more than one {kind} record", self.owner_text(entry));
                self.findings.error(second.record, message, "keep one");
            }
            if first.rtype == rtype::CNAME
                && let Some(other) = list.iter().find(|other| !is_beside_cname(other.record.rtype))
            {
                let (owner, other_type) = (self.owner_text(entry), rtype::text(other.record.rtype));
                let message = format!("{owner} has a CNAME record and other data ({other_type})");
                self.findings.error(first, message, "keep either the CNAME or the other records");
            }
        }
    }

    /// Encodes the RRset of one type, all of whose records are in `group`, with what covers it. Gives the number of its records,
    /// signatures among them.
    fn encode(&mut self, entry: &NameEntry, group: &[Sorted<'a>], signatures: &[Sorted<'a>]) -> usize {
        let rtype = group[0].record.rtype;
        let [mut unique, mut unique_signatures] = std::mem::take(&mut self.unique);
        let ttl_secs = self.find_unique(entry, group, &mut unique);
        let signatures_ttl_secs = self.find_unique(entry, signatures, &mut unique_signatures);
        let wire_len: usize = unique.iter().chain(&unique_signatures).map(|rdata| 12 + rdata.len()).sum();
        if wire_len > RRSET_WIRE_MAX {
            let message = format!(
                "the {} records at {} take {wire_len} octets; an RRset may take {RRSET_WIRE_MAX}, so that it fits a message",
                rtype::text(rtype),
                self.owner_text(entry)
            );
            self.findings.error(group[0].record, message, "spread them over several names");
            unique.truncate(1);
            unique_signatures.clear();
        }

        self.encoded.clear();
        self.encoded.extend_from_slice(&ttl_secs.to_le_bytes());
        let put_items = |encoded: &mut Vec<u8>, flags: &[u8], items: &[&[u8]]| {
            let len: usize = items.iter().map(|rdata| 2 + rdata.len()).sum();
            encoded.extend_from_slice(&(items.len() as u16).to_le_bytes());
            encoded.extend_from_slice(&(len as u16).to_le_bytes());
            encoded.extend_from_slice(flags);
            for rdata in items {
                encoded.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
                encoded.extend_from_slice(rdata);
            }
        };
        let flags_at = rrset::FIXED - 1;
        put_items(&mut self.encoded, &[0], &unique);
        if !unique_signatures.is_empty() {
            self.encoded[flags_at] |= rrset::SIGNATURES;
            self.encoded.extend_from_slice(&signatures_ttl_secs.to_le_bytes());
            put_items(&mut self.encoded, &[], &unique_signatures);
        }
        self.extras.clear();
        // Hidden RRsets are never an answer of their own: addresses need neither.
        if !entry.is_hidden {
            if rdata::is_compressible(rtype) {
                self.encoded[flags_at] |= rrset::HINTS;
                self.encode_hints(rtype, &unique);
            }
            self.find_extras(entry, rtype, &unique);
            if !self.extras.is_empty() {
                self.encoded[flags_at] |= rrset::EXTRAS;
                self.encoded.push(self.extras.len() as u8);
            }
        }
        let count = unique.len() + unique_signatures.len();
        self.unique = [unique, unique_signatures];
        count
    }

    /// The smallest TTL of these; their RDATA without duplicates goes to `unique`.
    fn find_unique(&mut self, entry: &NameEntry, group: &[Sorted<'a>], unique: &mut Vec<&'a [u8]>) -> u32 {
        unique.clear();
        let ttl_secs = group.iter().map(|sorted| sorted.record.ttl_secs).min().unwrap_or_default();
        let mut previous: Option<&Sorted> = None;
        for sorted in group {
            let rtype = sorted.record.rtype;
            if sorted.record.ttl_secs != ttl_secs {
                let message = format!(
                    "TTL {} differs within {} {}: the smallest, {ttl_secs}, is served",
                    sorted.record.ttl_secs,
                    self.owner_text(entry),
                    rtype::text(rtype)
                );
                self.findings.warning(sorted.record, message, "give all records of the RRset one TTL (RFC 2181 5.2)");
            }
            if previous.is_some_and(|previous| previous.canonical == sorted.canonical) {
                let message = format!("duplicate {} record at {}", rtype::text(rtype), self.owner_text(entry));
                self.findings.warning(sorted.record, message, "remove one of them");
                continue;
            }
            previous = Some(sorted);
            unique.push(sorted.rdata);
        }
        ttl_secs
    }

    fn encode_hints(&mut self, rtype: u16, items: &[&'a [u8]]) {
        self.earlier.clear();
        for &rdata in items {
            for place in rdata::names(rtype, rdata) {
                let name = &rdata[place];
                let [cut, target, place] = best_hint(name, &self.owner, self.apex.as_wire(), &self.earlier);
                self.encoded.extend_from_slice(&[cut, target, place]);
                if self.earlier.len() < hint::NAMES {
                    self.earlier.push((name, if target == hint::NONE { name.len() } else { cut as usize }));
                }
            }
        }
    }

    /// Finds the names whose addresses go along.
    fn find_extras(&mut self, entry: &NameEntry, rtype: u16, items: &[&[u8]]) {
        use rtype::*;
        if !matches!(rtype, NS | MX | SRV | SVCB | HTTPS | NAPTR) {
            return;
        }
        if rtype == NS && items.len() > extra::MAX {
            let message = format!("{} has more than {} name servers", self.owner_text(entry), extra::MAX);
            let first = self.names.records_of(entry).find(|record| record.rtype == NS);
            self.findings.add(true, first, message, "keep fewer: no client tries so many");
        }
        for (index, rdata) in items.iter().take(extra::MAX).enumerate() {
            let Some(place) = rdata::names(rtype, rdata).last() else { continue };
            let target = &rdata[place.clone()];
            let is_service = matches!(rtype, SVCB | HTTPS) && !rdata.starts_with(&[0, 0]);
            let (number, place) = if target == [0] && is_service {
                (self.names.find(entry.relative), extra::AT_OWNER)
            } else {
                // A NAPTR's name may lie behind strings so long that its place doesn't fit.
                match u8::try_from(place.start) {
                    Ok(place) if place != extra::AT_OWNER => (self.names.find_absolute(self.apex, target), place),
                    _ => continue,
                }
            };
            check::target(&self.content(), entry, rtype, rdata, target, number, self.findings);
            let Some(number) = number else { continue };
            let known = self.extras.iter().any(|extra| extra.target as usize == number);
            let target_entry = self.names.at(number);
            if known || target_entry.is_redirected || !target_entry.has_address {
                continue;
            }
            let is_required = rtype == NS && entry.is_cut && name::is_at_or_below(target, &self.owner);
            self.extras.push(Extra { record: index as u8, place, is_required, target: number as u32 });
        }
        // What must fit goes first (RFC 9471 section 3.1).
        self.extras.sort_by_key(|extra| (!extra.is_required, extra.record));
    }
}

/// Whether a name has at most one record of this type.
fn is_alone(rtype: u16) -> bool {
    matches!(rtype, rtype::CNAME | rtype::DNAME)
}

/// Moves the RRSIG records that cover another RRset of the same name out of the list. At names that are not authoritative, and at a cut
/// but for what is the parent's (RFC 4035 section 2.2), nothing is signed: what stands there all the same stays.
fn take_signatures<'a>(entry: &NameEntry, list: &mut Vec<Sorted<'a>>, signatures: &mut Vec<Sorted<'a>>) {
    signatures.clear();
    if entry.is_hidden || !list.iter().any(|sorted| sorted.record.rtype == rtype::RRSIG) {
        return;
    }
    let is_signed = |rtype| !entry.is_cut || matches!(rtype, rtype::DS | rtype::NSEC);
    let mut types: Vec<u16> = list.iter().map(|sorted| sorted.record.rtype).filter(|&rtype| is_signed(rtype)).collect();
    types.dedup();
    signatures.extend(list.extract_if(.., |sorted| {
        sorted.record.rtype == rtype::RRSIG
            && rdata::type_covered(sorted.rdata).is_some_and(|covered| types.binary_search(&covered).is_ok())
    }));
}

/// Those of the signatures, in their order, that cover a type.
fn covering<'s, 'a>(signatures: &'s [Sorted<'a>], rtype: u16) -> &'s [Sorted<'a>] {
    let covered = |sorted: &Sorted| rdata::type_covered(sorted.rdata).unwrap_or_default();
    let start = signatures.partition_point(|sorted| covered(sorted) < rtype);
    let len = signatures[start..].partition_point(|sorted| covered(sorted) == rtype);
    &signatures[start..start + len]
}

/// Octets of the records of an RRset, its signatures among them, written out.
fn expanded(owner_len: usize, octets: &[u8]) -> u64 {
    let number = |at: usize| u16::from_le_bytes([octets[at], octets[at + 1]]) as usize;
    let (mut count, mut items_len) = (number(4), number(6));
    if octets[rrset::FIXED - 1] & rrset::SIGNATURES != 0 {
        let signatures = rrset::FIXED + items_len;
        count += number(signatures + 4);
        items_len += number(signatures + 6);
    }
    expanded_len(owner_len, count, items_len - 2 * count)
}

/// The longest suffix of `name` that stands elsewhere, byte for byte: (cut, target, place).
fn best_hint(name: &[u8], owner: &[u8], apex: &[u8], earlier: &[(&[u8], usize)]) -> [u8; 3] {
    let mut cut = 0;
    while name[cut] != 0 {
        let suffix = &name[cut..];
        for (index, (other, written)) in earlier.iter().enumerate() {
            let Some(place) = other.len().checked_sub(suffix.len()) else { continue };
            if place < *written && other[place..] == *suffix && is_label_start(other, place) {
                return [cut as u8, index as u8, place as u8];
            }
        }
        // At the apex itself both fit; the apex can be pointed to in more responses.
        if suffix == apex {
            return [cut as u8, hint::APEX, 0];
        }
        if suffix == owner {
            return [cut as u8, hint::OWNER, 0];
        }
        cut += 1 + name[cut] as usize;
    }
    [0, hint::NONE, 0]
}

fn is_label_start(name: &[u8], place: usize) -> bool {
    let mut at = 0;
    while at < place {
        at += 1 + name[at] as usize;
    }
    at == place
}
