//! The nodes and RRsets of some of a zone's names, encoded as the image holds them: what one core makes.

use super::encode::{Encoder, expanded};
use super::referrals::{self, Referral, Referrals};
use crate::wire::code::rtype;
use crate::wire::name::Name;
use crate::zone::finding::Findings;
use crate::zone::image::expanded_len;
use crate::zone::known::Known;
use crate::zone::layout::{self, APEX_INLINE_MAX, INLINE_MAX, SIGNED_INLINE_MAX, node, rrset};
use crate::zone::memory;
use crate::zone::names::{NameEntry, Names, parent};
use crate::zone::records::{Records, Shared};
use std::ops::Range;

/// RRsets shorter than this are not shared: a copy beside its node saves a cache miss, and costs little.
const SHARE_MIN: usize = 32;
/// So many names for each slot of the table that finds equal RRsets; it grows where they have more of their own.
const NAMES_PER_SLOT: usize = 8;
/// So many names, or RRsets, are worked on step by step together: what the next step reads of one is loaded while others are looked at.
pub(super) const BATCH: usize = 32;

/// Nodes and RRsets, each numbered from 0 here.
#[derive(Default)]
pub(super) struct Part {
    /// Names, each with those of its sets that are not shared behind it, but for their extras.
    octets: Vec<u8>,
    pub(super) nodes: Vec<Node>,
    /// What each node has, one node after the other, each by type.
    pub(super) entries: Vec<Entry>,
    pub(super) sets: Vec<Set>,
    /// The extras of all sets.
    pub(super) extras: Vec<Extra>,
    /// Whether two of different content have the same hash: then not all that are equal are known to be.
    pub(super) share_a_hash: bool,
    /// Octets of sets that have no uses.
    pub(super) octets_in_vain: usize,
    /// Names `*`, each behind its parent, by their numbers among all names.
    pub(super) wildcards: Vec<(usize, usize)>,
    /// Cuts, each with a hidden name that it needs and that may lie behind it, by their numbers among all names.
    pub(super) glue: Vec<(u32, u32)>,
    /// Records after duplicates are gone.
    pub(super) record_count: u64,
    /// Octets of all records written out.
    pub(super) expanded_len: u64,
}

/// A name as the image holds it.
pub(super) struct Node {
    pub(super) hash: u64,
    name_at: usize,
    entries_at: u32,
    name_len: u8,
    /// Labels below the apex.
    pub(super) depth: u8,
    /// Those of [`node`], but for the wildcard's.
    pub(super) flags: u8,
    pub(super) place: Place,
}

/// Where a node lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In the index, or it is the apex.
    Index,
    /// Hidden (occluded, or of NSEC3 records that lie in no order: no answer to any question), among the far items.
    Far,
    /// Hidden, behind the one cut that needs it.
    Cut,
}

/// An RRset of a name.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) rtype: u16,
    /// See [`Set::is_inline`]: here too, as what many names share lies far away in memory.
    pub(super) is_inline: bool,
    pub(super) set: u32,
}

/// One RRset.
pub(super) struct Set {
    at: usize,
    len: u32,
    /// Of its content, its extras' targets among it.
    pub(super) hash: u64,
    /// How many names have it; 0: it is equal to one of an earlier part, which all have instead.
    pub(super) uses: u32,
    /// Whether a name with the same one uses it too.
    pub(super) may_be_shared: bool,
    /// Whether it lies beside its node, if no other name has it.
    may_be_inline: bool,
    extras_at: u32,
    extras: u8,
}

impl Node {
    /// Without octets yet.
    fn new(entry: &NameEntry, entries_at: usize) -> Node {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        Node {
            hash: entry.hash,
            name_at: 0,
            entries_at: entries_at as u32,
            name_len: entry.relative_len(),
            depth: entry.depth,
            flags: flag(entry.is_cut(), node::CUT) | flag(entry.has_dname(), node::DNAME),
            place: if entry.is_hidden() { Place::Far } else { Place::Index },
        }
    }
}

impl Set {
    /// Whether it lies beside its node. Its length counts with each extra's target by hash, so that where it lies does not depend on
    /// where they do.
    pub(super) fn is_inline(&self) -> bool {
        self.uses == 1 && self.may_be_inline
    }

    /// Its octets among those of its part.
    fn octets<'p>(&self, all: &'p [u8]) -> &'p [u8] {
        &all[self.at..self.at + self.len as usize]
    }
}

/// A name whose addresses go along with an RRset.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) record: u8,
    pub(super) place: u8,
    pub(super) is_required: bool,
    /// Number of the name.
    pub(super) target: u32,
}

/// Octets of an extra as they are hashed: record, place, whether it is required, hash of the target.
const HASHED_EXTRA: usize = 3 + 8;

impl Part {
    /// Sorts, checks and encodes the records of these names. Gives, too, the sets that may be shared by the hash of their content, and
    /// what was found to be wrong.
    pub(super) fn of(apex: &Name, records: &Records, names: &Names, numbers: Range<usize>) -> (Part, Known, Findings) {
        let (mut part, mut known) = (Part::with_room(numbers.len()), Known::with_room(numbers.len() / NAMES_PER_SLOT));
        let mut findings = Findings::default();
        let mut encoder = Encoder::new(apex, records, names, &mut findings);
        let (mut targets, mut drafts) = (Vec::new(), Drafts::default());
        let mut referrals = Referrals::with_room(numbers.len(), records);
        let mut servers = Vec::with_capacity(BATCH);
        let end = numbers.end;
        (numbers.start..end.min(numbers.start + BATCH)).for_each(|number| names.prefetch(number));
        for start in numbers.step_by(BATCH) {
            let batch = start..end.min(start + BATCH);
            targets.clear();
            servers.clear();
            for entry in batch.clone().map(|number| names.at(number)) {
                let own = Referrals::servers(names, entry);
                match own.and_then(|own| referrals.known(own)) {
                    Some(known) => memory::prefetch_item(&part.sets, known.set as usize),
                    None if entry.is_hidden() => {}
                    None => encoder.hash_targets(entry, &mut targets),
                }
                servers.push(own);
            }
            names.prefetch_found(targets.iter().copied());
            for (number, &servers) in batch.clone().zip(&servers) {
                names.prefetch(number + BATCH);
                let entry = names.at(number);
                let entries_at = part.entries.len() + drafts.list.len();
                part.nodes.push(Node::new(entry, entries_at));
                if entry.is_wildcard() && !entry.is_hidden() {
                    part.wildcards.extend(names.find(parent(names.relative(entry))).map(|parent| (parent, number)));
                }
                let known = servers.and_then(|servers| referrals.known(servers));
                encoder.encode_name(entry, known.is_some(), |encoder, rtype, count| {
                    let owner_len = entry.relative_len() as usize + apex.as_wire().len();
                    let Some(count) = count else {
                        let Some(Referral { set, count, len }) = known else { return };
                        part.record_count += u64::from(count);
                        part.expanded_len += expanded_len(owner_len, count.into(), len.into());
                        return drafts.list.push(Draft { rtype, made: Made::Kept(set) });
                    };
                    part.record_count += count as u64;
                    part.expanded_len += expanded(owner_len, &encoder.encoded);
                    let may_be_known = rtype == rtype::NS && known.is_none();
                    let servers =
                        servers.filter(|&own| may_be_known && referrals::is_for_all(encoder, entry, own, count));
                    let may_be_inline = drafts.add(names, entry, rtype, servers, &mut encoder.encoded, &encoder.extras);
                    let required = encoder.extras.iter().filter(|extra| extra.is_required && may_be_inline);
                    let hidden = required.filter(|extra| names.at(extra.target as usize).is_hidden());
                    part.glue.extend(hidden.map(|extra| (number as u32, extra.target)));
                });
            }
            part.keep(records, names, batch, &mut drafts, &mut known, &mut referrals);
        }
        (part, known, findings)
    }

    /// Nothing yet, with room for what so many names mostly have.
    fn with_room(names: usize) -> Part {
        let mut none = Part {
            octets: Vec::with_capacity(48 * names),
            nodes: Vec::with_capacity(names),
            entries: Vec::with_capacity(names + names / 2),
            sets: Vec::with_capacity(names),
            ..Part::default()
        };
        memory::prefer_huge_pages(&mut none.octets);
        memory::prefer_huge_pages(&mut none.nodes);
        memory::prefer_huge_pages(&mut none.entries);
        memory::prefer_huge_pages(&mut none.sets);
        none
    }

    /// Keeps the last names that were added, which have these numbers among all, and what was encoded of them: again, or as a set that
    /// is known.
    fn keep(
        &mut self,
        records: &Records,
        names: &Names,
        numbers: Range<usize>,
        drafts: &mut Drafts,
        known: &mut Known,
        referrals: &mut Referrals,
    ) {
        let hashes = drafts.list.iter().filter_map(|draft| match &draft.made {
            Made::New(new) => new.may_be_shared.then_some(new.hash),
            Made::Kept(_) => None,
        });
        hashes.clone().for_each(|hash| known.prefetch(hash));
        let guesses = hashes.filter_map(|hash| known.guess(hash)).map(|set| set as usize);
        guesses.clone().for_each(|set| memory::prefetch_item(&self.sets, set));
        guesses.for_each(|set| memory::prefetch_behind(self.octets(set)));
        let (first, drafts_end) = (self.nodes.len() - numbers.len(), self.entries.len() + drafts.list.len());
        let mut list = drafts.list.iter();
        for (node, number) in (first..).zip(numbers) {
            self.nodes[node].name_at = self.octets.len();
            self.octets.extend_from_slice(names.relative(names.at(number)));
            let end = self.nodes.get(node + 1).map_or(drafts_end, |next| next.entries_at as usize);
            for draft in list.by_ref().take(end - self.entries.len()) {
                let set = match &draft.made {
                    Made::Kept(set) => {
                        self.sets[*set as usize].uses += 1;
                        *set
                    }
                    Made::New(new) => {
                        let set = self.keep_set(drafts, new, known);
                        new.servers.into_iter().for_each(|servers| referrals.learn(records, servers, set));
                        set
                    }
                };
                self.entries.push(Entry { rtype: draft.rtype, is_inline: false, set });
            }
        }
        drafts.clear();
    }

    /// Gives the number of the set.
    fn keep_set(&mut self, drafts: &Drafts, draft: &New, known: &mut Known) -> u32 {
        let (octets, extras) = (&drafts.octets[draft.octets.clone()], &drafts.extras[draft.extras.clone()]);
        let first = draft.may_be_shared.then(|| self.first(known, draft.hash, octets, extras)).flatten();
        if let Some(first) = first {
            self.sets[first as usize].uses += 1;
            return first;
        }
        self.sets.push(Set {
            at: self.octets.len(),
            len: octets.len() as u32,
            hash: draft.hash,
            uses: 1,
            may_be_shared: draft.may_be_shared,
            may_be_inline: draft.may_be_inline,
            extras_at: self.extras.len() as u32,
            extras: extras.len() as u8,
        });
        self.octets.extend_from_slice(octets);
        self.extras.extend_from_slice(extras);
        self.sets.len() as u32 - 1
    }

    /// The set of this content, if there is one; if not, the next one will be it.
    fn first(&mut self, known: &mut Known, hash: u64, octets: &[u8], extras: &[Extra]) -> Option<u32> {
        let first = known.find_or_add(hash, self.sets.len() as u32, |set| self.sets[set as usize].hash)?;
        let is_same = self.octets(first as usize) == octets && self.extras(first as usize) == extras;
        self.share_a_hash |= !is_same;
        is_same.then_some(first)
    }

    /// Octets of all names, and of all sets that have uses.
    pub(super) fn octets_len(&self) -> u64 {
        (self.octets.len() - self.octets_in_vain) as u64
    }

    /// The name of a node, without the apex and the root, case as written.
    pub(super) fn name(&self, node: usize) -> &[u8] {
        let Node { name_at, name_len, .. } = self.nodes[node];
        &self.octets[name_at..name_at + name_len as usize]
    }

    /// The RRsets of a node, by type.
    pub(super) fn entries(&self, node: usize) -> &[Entry] {
        let end = self.nodes.get(node + 1).map_or(self.entries.len(), |next| next.entries_at as usize);
        &self.entries[self.nodes[node].entries_at as usize..end]
    }

    /// The octets of a set but for its extras: its number of extras is the last one, if it has any.
    pub(super) fn octets(&self, set: usize) -> &[u8] {
        self.sets[set].octets(&self.octets)
    }

    /// The extras of a set.
    pub(super) fn extras(&self, set: usize) -> &[Extra] {
        let set = &self.sets[set];
        &self.extras[set.extras_at as usize..set.extras_at as usize + set.extras as usize]
    }
}

/// RRsets that were encoded, one after the other, and are not kept yet.
#[derive(Default)]
struct Drafts {
    list: Vec<Draft>,
    octets: Vec<u8>,
    extras: Vec<Extra>,
}

struct Draft {
    rtype: u16,
    made: Made,
}

/// What was made of an RRset.
enum Made {
    /// It is the set with this number.
    Kept(u32),
    New(New),
}

/// An RRset that was encoded.
struct New {
    hash: u64,
    /// What name servers it is, if others may have the same; see [`Referrals`].
    servers: Option<Shared>,
    may_be_shared: bool,
    may_be_inline: bool,
    octets: Range<usize>,
    extras: Range<usize>,
}

impl Drafts {
    /// Adds what the encoder made, and works out how it may be kept. Gives whether it lies beside its node, if no other name has it.
    fn add(
        &mut self,
        names: &Names,
        entry: &NameEntry,
        rtype: u16,
        servers: Option<Shared>,
        encoded: &mut Vec<u8>,
        extras: &[Extra],
    ) -> bool {
        let len = encoded.len();
        for extra in extras {
            encoded.extend_from_slice(&[extra.record, extra.place, extra.is_required as u8]);
            encoded.extend_from_slice(&names.at(extra.target as usize).hash.to_le_bytes());
        }
        let hash = layout::hash(names.seed(), encoded);
        // No two names have the same signatures, digests of keys (RFC 4034 section 5.1.4 puts the name into them), or glue of their own.
        let is_signed = encoded[rrset::FIXED - 1] & rrset::SIGNATURES != 0;
        let is_own = is_signed || rtype == rtype::DS || extras.iter().any(|extra| extra.is_required);
        let max = match () {
            () if entry.is_apex() => APEX_INLINE_MAX,
            () if is_signed => SIGNED_INLINE_MAX,
            () => INLINE_MAX,
        };
        let may_be_inline = len + extras.len() * HASHED_EXTRA <= max;
        let (octets_at, extras_at) = (self.octets.len(), self.extras.len());
        self.octets.extend_from_slice(&encoded[..len]);
        self.extras.extend_from_slice(extras);
        let may_be_shared = len >= SHARE_MIN && !is_own;
        let made = Made::New(New {
            hash,
            servers: servers.filter(|_| may_be_shared),
            may_be_shared,
            may_be_inline,
            octets: octets_at..self.octets.len(),
            extras: extras_at..self.extras.len(),
        });
        self.list.push(Draft { rtype, made });
        may_be_inline
    }

    fn clear(&mut self) {
        self.list.clear();
        self.octets.clear();
        self.extras.clear();
    }
}
