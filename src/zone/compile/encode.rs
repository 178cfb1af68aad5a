//! Encodes the RRsets of one name as the image holds them, and checks what one name can be wrong about.

use super::part::Extra;
use crate::wire::code::rtype;
use crate::wire::name::{self, Name, Text};
use crate::wire::rdata;
use crate::zone::check::{self, Content};
use crate::zone::finding::Findings;
use crate::zone::image::expanded_len;
use crate::zone::layout::{RRSET_WIRE_MAX, extra, hint, rrset};
use crate::zone::names::{NameEntry, Names};
use crate::zone::records::{Item, Record, Records};
use std::borrow::Cow;

/// Types that one name can have.
const TYPES_MAX: usize = 255;

/// A record with what it is sorted by.
pub(super) struct Sorted<'a> {
    pub(super) record: Record,
    pub(super) rdata: &'a [u8],
    /// For comparison; the RDATA itself where no names are in it.
    canonical: Cow<'a, [u8]>,
}

/// Encodes one RRset after the other.
pub(super) struct Encoder<'a, 'f> {
    pub(super) apex: &'a Name,
    pub(super) records: &'a Records,
    pub(super) names: &'a Names<'a>,
    findings: &'f mut Findings,
    /// The RRset that was encoded last, but for its extras.
    pub(super) encoded: Vec<u8>,
    pub(super) extras: Vec<Extra>,
    /// The name that is worked on, absolute.
    pub(super) owner: Vec<u8>,
    /// The records of a name, and its signatures: kept for their memory.
    lists: [Vec<Sorted<'a>>; 2],
    /// RDATA of an RRset and of its signatures: kept for its memory.
    unique: [Vec<&'a [u8]>; 2],
    /// The first names of an RRset, each with how much of it is written out: kept for its memory.
    earlier: Vec<(&'a [u8], usize)>,
}

impl<'a, 'f> Encoder<'a, 'f> {
    pub(super) fn new(
        apex: &'a Name,
        records: &'a Records,
        names: &'a Names<'a>,
        findings: &'f mut Findings,
    ) -> Encoder<'a, 'f> {
        let (encoded, extras, owner, lists, unique, earlier) = Default::default();
        Encoder { apex, records, names, findings, encoded, extras, owner, lists, unique, earlier }
    }

    /// Checks a name, and encodes its RRsets by type. `each` is called behind each, with its type and the number of its records,
    /// signatures among them; with no number if it is the NS RRset of a delegation and `is_known`: then it was not encoded again.
    pub(super) fn encode_name(
        &mut self,
        entry: &NameEntry,
        is_known: bool,
        mut each: impl FnMut(&mut Self, u16, Option<usize>),
    ) {
        let items = self.names.items_of(entry);
        if is_known && items.iter().all(|item| matches!(item.rtype, rtype::NS | rtype::DS)) {
            return self.encode_delegation(entry, items, each);
        }
        self.set_owner(entry);
        let [mut list, mut signatures] = std::mem::take(&mut self.lists);
        self.sort(self.names.records_of(entry), &mut list);
        self.check_types(entry, &list);
        check::name(&self.content(), entry, self.findings);
        take_signatures(entry, &mut list, &mut signatures);
        for group in list.chunk_by(|a, b| a.record.rtype == b.record.rtype) {
            let rtype = group[0].record.rtype;
            let is_known = is_known && rtype == rtype::NS;
            let count = (!is_known).then(|| self.encode(entry, group, covering(&signatures, rtype)));
            each(self, rtype, count);
        }
        self.lists = [list, signatures];
    }

    /// The same of a delegation that has nothing but name servers, which are known, and DS records: nothing is sorted for most.
    fn encode_delegation(
        &mut self,
        entry: &NameEntry,
        items: &[Item],
        mut each: impl FnMut(&mut Self, u16, Option<usize>),
    ) {
        check::delegation(&self.content(), entry, self.findings);
        each(self, rtype::NS, None);
        if items.len() == 1 {
            return;
        }
        self.set_owner(entry);
        let [mut list, signatures] = std::mem::take(&mut self.lists);
        let digests = items.iter().filter(|item| item.rtype == rtype::DS).map(|item| self.records.first(item));
        self.sort(digests, &mut list);
        let count = self.encode(entry, &list, &[]);
        each(self, rtype::DS, Some(count));
        self.lists = [list, signatures];
    }

    fn content(&self) -> Content<'a> {
        Content { apex: self.apex, records: self.records, names: self.names }
    }

    fn set_owner(&mut self, entry: &NameEntry) {
        self.owner.clear();
        self.owner.extend_from_slice(self.names.relative(entry));
        self.owner.extend_from_slice(self.apex.as_wire());
    }

    /// Records of one name by type, then by canonical RDATA (RFC 4034 section 6.3), then by spelling.
    pub(super) fn sort(&self, of_name: impl Iterator<Item = Record>, list: &mut Vec<Sorted<'a>>) {
        list.clear();
        list.extend(of_name.map(|record| {
            let rdata = self.records.rdata(&record);
            Sorted { record, rdata, canonical: rdata::canonical(record.rtype, rdata) }
        }));
        let place = |record: &Record| (record.file, record.line);
        list.sort_unstable_by(|a, b| {
            let by_content = a.record.rtype.cmp(&b.record.rtype).then_with(|| a.canonical.cmp(&b.canonical));
            by_content.then_with(|| a.rdata.cmp(b.rdata)).then_with(|| place(&a.record).cmp(&place(&b.record)))
        });
    }

    fn owner_text(&self, entry: &NameEntry) -> String {
        Text(&[self.names.relative(entry), self.apex.as_wire()].concat()).to_string()
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
            self.findings.error(&list[0].record, message, "spread them over several names");
        }
        for group in groups() {
            let first = &group[0].record;
            if !is_alone(first.rtype) {
                continue;
            }
            let kind = rtype::text(first.rtype);
            if let Some(second) = group.iter().find(|other| other.canonical != group[0].canonical) {
                let message = format!("{} has more than one {kind} record", self.owner_text(entry));
                self.findings.error(&second.record, message, "keep one");
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
    pub(super) fn encode(&mut self, entry: &NameEntry, group: &[Sorted<'a>], signatures: &[Sorted<'a>]) -> usize {
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
            self.findings.error(&group[0].record, message, "spread them over several names");
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
        if !entry.is_hidden() {
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
                self.findings.warning(&sorted.record, message, "give all records of the RRset one TTL (RFC 2181 5.2)");
            }
            if previous.is_some_and(|previous| previous.canonical == sorted.canonical) {
                let message = format!("duplicate {} record at {}", rtype::text(rtype), self.owner_text(entry));
                self.findings.warning(&sorted.record, message, "remove one of them");
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

    /// Adds the hashes of those names of the zone that are looked for when this one is encoded: what its records point to.
    pub(super) fn hash_targets(&self, entry: &NameEntry, hashes: &mut Vec<u64>) {
        for record in self.names.records_of(entry).filter(|record| has_extras(record.rtype)) {
            let rdata = self.records.rdata(&record);
            let target = rdata::names(record.rtype, rdata).last().map(|place| &rdata[place]);
            hashes.extend(target.and_then(|target| self.names.hash_absolute(self.apex, target)));
        }
    }

    /// Finds the names whose addresses go along.
    fn find_extras(&mut self, entry: &NameEntry, rtype: u16, items: &[&[u8]]) {
        use rtype::*;
        if !has_extras(rtype) {
            return;
        }
        if rtype == NS && items.len() > extra::MAX {
            let message = format!("{} has more than {} name servers", self.owner_text(entry), extra::MAX);
            let first = self.names.records_of(entry).find(|record| record.rtype == NS);
            self.findings.add(true, first.as_ref(), message, "keep fewer: no client tries so many");
        }
        for (index, rdata) in items.iter().take(extra::MAX).enumerate() {
            let Some(place) = rdata::names(rtype, rdata).last() else { continue };
            let target = &rdata[place.clone()];
            let is_service = matches!(rtype, SVCB | HTTPS) && !rdata.starts_with(&[0, 0]);
            let (number, place) = if target == [0] && is_service {
                (self.names.find(self.names.relative(entry)), extra::AT_OWNER)
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
            if known || target_entry.is_redirected() || !target_entry.has_address() {
                continue;
            }
            let is_required = rtype == NS && entry.is_cut() && name::is_at_or_below(target, &self.owner);
            self.extras.push(Extra { record: index as u8, place, is_required, target: number as u32 });
        }
        // What must fit goes first (RFC 9471 section 3.1).
        self.extras.sort_by_key(|extra| (!extra.is_required, extra.record));
    }
}

/// Whether addresses of the name that a record of this type points to go along with it.
fn has_extras(rtype: u16) -> bool {
    use rtype::*;
    matches!(rtype, NS | MX | SRV | SVCB | HTTPS | NAPTR)
}

/// Whether a name has at most one record of this type.
fn is_alone(rtype: u16) -> bool {
    matches!(rtype, rtype::CNAME | rtype::DNAME)
}

/// Moves the RRSIG records that cover another RRset of the same name out of the list. At names that are not authoritative, and at a cut
/// but for what is the parent's (RFC 4035 section 2.2), nothing is signed: what stands there all the same stays.
pub(super) fn take_signatures<'a>(entry: &NameEntry, list: &mut Vec<Sorted<'a>>, signatures: &mut Vec<Sorted<'a>>) {
    signatures.clear();
    if entry.is_hidden() || !list.iter().any(|sorted| sorted.record.rtype == rtype::RRSIG) {
        return;
    }
    let is_signed = |rtype| !entry.is_cut() || matches!(rtype, rtype::DS | rtype::NSEC);
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
pub(super) fn expanded(owner_len: usize, octets: &[u8]) -> u64 {
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
