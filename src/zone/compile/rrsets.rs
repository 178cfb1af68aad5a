//! All nodes and RRsets of a zone, encoded as the image holds them; RRsets that are equal are kept once.

use super::encode::{Encoder, expanded, take_signatures};
use super::part::{BATCH, Entry, Extra, Node, Part, Place, Set};
use crate::wire::name::Name;
use crate::zone::check::{self, Content};
use crate::zone::cores::in_parts;
use crate::zone::finding::Findings;
use crate::zone::known::Known;
use crate::zone::layout::order;
use crate::zone::memory;
use crate::zone::names::{Chain, NameEntry, Names};
use crate::zone::nsec3::Hash as NameHash;
use crate::zone::records::Records;
use std::collections::HashMap;
use std::ops::Range;

/// What a zone's records say, with nothing left to ask them: nodes in the order of their hashes, and RRsets.
pub(super) struct Rrsets {
    /// As each core made them. They stay where they are: to put them together is to copy them.
    parts: Vec<Part>,
    /// The first node, and the first set, of each part, as they are numbered among all.
    firsts: Vec<(usize, u32)>,
    /// What names are hashed with.
    pub(super) seed: u64,
    /// How many threads may work on them.
    pub(super) cores: usize,
    /// The number of the apex.
    pub(super) apex: usize,
    /// The child `*` of a name.
    pub(super) wildcards: HashMap<usize, usize>,
    /// Cuts, each with a hidden name that nothing but its NS records needs, by cut: such a name may lie behind its cut, so that the
    /// referral is one run of cache lines. Few enough: the RRset that names it is small.
    pub(super) glue: Vec<(u32, u32)>,
    share_a_hash: bool,
    /// The NSEC3 records that deny.
    chain: Links,
    /// Octets of all names and sets.
    pub(super) octets_len: u64,
    /// Records after duplicates are gone.
    pub(super) record_count: u64,
    /// Octets of all records written out.
    pub(super) expanded_len: u64,
}

/// NSEC3 records of the chain, by hash.
#[derive(Default)]
struct Links {
    list: Vec<Link>,
    octets: Vec<u8>,
    record_count: u64,
    expanded_len: u64,
}

/// One of them: where its octets, from its label on, lie.
struct Link {
    hash: NameHash,
    at: usize,
    len: u32,
}

/// An RRset as it lies in its part.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    pub(super) set: &'a Set,
    /// All but its extras: their number is the last one, if it has any.
    pub(super) octets: &'a [u8],
    pub(super) extras: &'a [Extra],
}

impl Rrsets {
    /// Sorts, checks and encodes the records of each name.
    pub(super) fn build(
        apex: &Name,
        records: &Records,
        names: &Names,
        chain: &Chain,
        findings: &mut Findings,
    ) -> Rrsets {
        let mut all = Rrsets {
            parts: Vec::new(),
            firsts: Vec::new(),
            seed: names.seed(),
            cores: names.cores(),
            apex: names.apex(),
            wildcards: HashMap::new(),
            glue: Vec::new(),
            share_a_hash: false,
            chain: Links::default(),
            octets_len: 0,
            record_count: 0,
            expanded_len: 0,
        };
        // What lies in the order comes first.
        let links = in_parts(names.cores(), chain.len(), |part| {
            let mut findings = Findings::default();
            (Links::of(&mut Encoder::new(apex, records, names, &mut findings), chain, part), findings)
        });
        for (links, found) in links {
            all.add_links(links);
            findings.append(found);
        }
        let parts = in_parts(names.cores(), names.len(), |part| Part::of(apex, records, names, part));
        let mut first_known = None;
        for (mut part, known, found) in parts {
            match &mut first_known {
                None => first_known = Some(known),
                Some(known) => all.share(&mut part, known),
            }
            all.add(part);
            findings.append(found);
        }
        drop(first_known);
        // What is needed twice is told from the rest, but not from what is needed more often.
        let mut uses = vec![0u8; names.len()];
        for extra in all.parts.iter().flat_map(|part| &part.extras) {
            let uses = &mut uses[extra.target as usize];
            *uses = uses.saturating_add(1);
        }
        all.glue.retain(|&(_, target)| uses[target as usize] == 1);
        for number in 0..all.glue.len() {
            let (at, place) = all.place_of_node(all.glue[number].1 as usize);
            all.parts[at].nodes[place].place = Place::Cut;
        }
        check::glue(&Content { apex, records, names }, |number| uses[number] > 0, findings);
        all.tell_inline();
        all
    }

    /// Takes the part that follows.
    fn add(&mut self, mut part: Part) {
        self.firsts.push((self.node_count(), self.set_count()));
        self.octets_len += part.octets_len();
        self.record_count += part.record_count;
        self.expanded_len += part.expanded_len;
        self.share_a_hash |= part.share_a_hash;
        self.wildcards.extend(part.wildcards.drain(..));
        self.glue.append(&mut part.glue);
        self.parts.push(part);
    }

    /// Finds the sets of the part that follows which are equal to earlier ones: these have the uses. No two that may be shared are equal
    /// within it.
    fn share(&mut self, part: &mut Part, known: &mut Known) {
        if part.share_a_hash {
            return;
        }
        let first_set = self.set_count();
        let mut numbers: Vec<u32> = (first_set..).take(part.sets.len()).collect();
        for start in (0..part.sets.len()).step_by(BATCH) {
            let batch = start..part.sets.len().min(start + BATCH);
            let shared: Vec<usize> = batch.filter(|&own| part.sets[own].may_be_shared).collect();
            let hashes = shared.iter().map(|&own| part.sets[own].hash);
            hashes.clone().for_each(|hash| known.prefetch(hash));
            let guesses = hashes.filter_map(|hash| known.guess(hash)).filter(|&number| number < first_set);
            guesses.clone().for_each(|number| self.prefetch_set(number));
            guesses.for_each(|number| memory::prefetch_behind(self.set(number).octets));
            for own in shared {
                let hash_of = |number: u32| match number.checked_sub(first_set) {
                    Some(own) => part.sets[own as usize].hash,
                    None => self.set(number).set.hash,
                };
                let Some(first) = known.find_or_add(part.sets[own].hash, numbers[own], hash_of) else { continue };
                let earlier = self.set(first);
                if earlier.octets != part.octets(own) || earlier.extras != part.extras(own) {
                    part.share_a_hash = true;
                    continue;
                }
                let (at, place) = self.place_of_set(first);
                self.parts[at].sets[place].uses += std::mem::take(&mut part.sets[own].uses);
                part.octets_in_vain += part.octets(own).len();
                numbers[own] = first;
            }
        }
        part.entries.iter_mut().for_each(|entry| entry.set = numbers[entry.set as usize]);
    }

    /// Tells each node which of its sets lie beside it, once it is known who shares which.
    fn tell_inline(&mut self) {
        let is_inline: Vec<bool> = self.parts.iter().flat_map(|part| &part.sets).map(Set::is_inline).collect();
        let entries = self.parts.iter_mut().flat_map(|part| &mut part.entries);
        entries.for_each(|entry| entry.is_inline = is_inline[entry.set as usize]);
    }

    /// Whether two of different content have the same hash: then not all that are equal are known to be.
    pub(super) fn share_a_hash(&self) -> bool {
        self.share_a_hash
    }

    /// Takes the NSEC3 records that follow.
    fn add_links(&mut self, mut links: Links) {
        let chain = &mut self.chain;
        links.list.iter_mut().for_each(|link| link.at += chain.octets.len());
        chain.list.append(&mut links.list);
        chain.octets.append(&mut links.octets);
        self.octets_len = chain.octets.len() as u64;
        self.record_count += links.record_count;
        self.expanded_len += links.expanded_len;
    }

    /// Hash and octets of each NSEC3 record that lies in the order, by hash.
    pub(super) fn chain(&self) -> impl ExactSizeIterator<Item = (&NameHash, &[u8])> {
        let Links { list, octets, .. } = &self.chain;
        list.iter().map(|link| (&link.hash, &octets[link.at..link.at + link.len as usize]))
    }

    /// How many nodes.
    pub(super) fn node_count(&self) -> usize {
        self.firsts.last().zip(self.parts.last()).map_or(0, |(&(first, _), part)| first + part.nodes.len())
    }

    /// How many sets; some may be in vain.
    pub(super) fn set_count(&self) -> u32 {
        self.firsts.last().zip(self.parts.last()).map_or(0, |(&(_, first), part)| first + part.sets.len() as u32)
    }

    /// The node with this number.
    #[inline]
    pub(super) fn node(&self, number: usize) -> &Node {
        let (at, place) = self.place_of_node(number);
        &self.parts[at].nodes[place]
    }

    /// The name of a node, without the apex and the root, case as written.
    pub(super) fn name(&self, number: usize) -> &[u8] {
        self.name_and_entries(number).0
    }

    /// Both at once: who needs one mostly needs the other.
    #[inline]
    pub(super) fn name_and_entries(&self, number: usize) -> (&[u8], &[Entry]) {
        let (at, place) = self.place_of_node(number);
        (self.parts[at].name(place), self.parts[at].entries(place))
    }

    /// The RRsets of a node, by type.
    pub(super) fn of(&self, number: usize) -> &[Entry] {
        self.name_and_entries(number).1
    }

    /// The set with this number.
    #[inline]
    pub(super) fn set(&self, number: u32) -> Encoded<'_> {
        let (at, place) = self.place_of_set(number);
        let part = &self.parts[at];
        Encoded { set: &part.sets[place], octets: part.octets(place), extras: part.extras(place) }
    }

    /// All sets that a name has, with their numbers.
    pub(super) fn sets(&self) -> impl Iterator<Item = (u32, Encoded<'_>)> {
        (0..self.set_count()).map(|number| (number, self.set(number))).filter(|(_, encoded)| encoded.set.uses > 0)
    }

    /// Starts loading what is known of a set, but for its octets.
    pub(super) fn prefetch_set(&self, number: u32) {
        let (at, place) = self.place_of_set(number);
        memory::prefetch_item(&self.parts[at].sets, place);
    }

    /// Loads ahead what a walk through the nodes, in their order and from this one on, needs of the names that lie behind cuts.
    pub(super) fn glue_ahead(&self, first: u32) -> GlueAhead<'_> {
        GlueAhead { rrsets: self, next: self.glue.partition_point(|&(cut, _)| cut < first) }
    }

    /// Whether the index holds a node: all but the apex and the hidden ones.
    #[inline]
    pub(super) fn is_indexed(&self, number: usize) -> bool {
        number != self.apex && self.node(number).place == Place::Index
    }

    /// The part that a node is in, and where it lies there.
    #[inline]
    fn place_of_node(&self, number: usize) -> (usize, usize) {
        let at = self.firsts.partition_point(|&(first, _)| first <= number) - 1;
        (at, number - self.firsts[at].0)
    }

    /// The part that a set is in, and where it lies there.
    #[inline]
    fn place_of_set(&self, number: u32) -> (usize, usize) {
        let at = self.firsts.partition_point(|&(_, first)| first <= number) - 1;
        (at, (number - self.firsts[at].1) as usize)
    }
}

impl Links {
    /// Encodes the NSEC3 records of these owners.
    fn of(encoder: &mut Encoder, chain: &Chain, owners: Range<usize>) -> Links {
        let records = encoder.records;
        let mut all = Links::default();
        let (mut list, mut signatures) = (Vec::new(), Vec::new());
        for (hash, numbers) in owners.map(|owner| chain.owner(owner)) {
            encoder.sort(numbers.map(|number| records.at(number as usize)), &mut list);
            // Of several spellings the least, as for every owner.
            let least = list.iter().map(|sorted| &sorted.record).min_by_key(|record| records.owner(record));
            let least = least.expect("each owner has a record");
            let label = &records.owner(least)[..order::LABEL];
            let entry = NameEntry::of_label(records, least);
            take_signatures(&entry, &mut list, &mut signatures);
            let count = encoder.encode(&entry, &list, &signatures);
            all.record_count += count as u64;
            all.expanded_len += expanded(label.len() + encoder.apex.as_wire().len(), &encoder.encoded);
            let at = all.octets.len();
            all.octets.extend_from_slice(label);
            all.octets.extend_from_slice(&encoder.encoded);
            all.list.push(Link { hash: *hash, at, len: (all.octets.len() - at) as u32 });
        }
        all
    }
}

/// See [`Rrsets::glue_ahead`].
pub(super) struct GlueAhead<'a> {
    rrsets: &'a Rrsets,
    /// Of the list of glue, what the walk comes to next.
    next: usize,
}

/// So many names behind cuts further on, memory is being loaded; so much further on again what it takes to know its place.
const AHEAD: usize = 4;

impl GlueAhead<'_> {
    /// Tells that the walk has come to this node.
    #[inline]
    pub(super) fn reach(&mut self, number: u32) {
        while self.rrsets.glue.get(self.next).is_some_and(|&(cut, _)| cut <= number) {
            self.next += 1;
            self.load(3 * AHEAD, |part, node| memory::prefetch_item(&part.nodes, node));
            self.load(2 * AHEAD, |part, node| {
                memory::prefetch_behind(part.name(node));
                memory::prefetch_item(part.entries(node), 0);
            });
            self.load(AHEAD, |part, node| {
                if let Some(entry) = part.entries(node).first() {
                    self.rrsets.prefetch_set(entry.set);
                }
            });
        }
    }

    fn load(&self, ahead: usize, what: impl Fn(&Part, usize)) {
        if let Some(&(_, target)) = self.rrsets.glue.get(self.next + ahead) {
            let (at, place) = self.rrsets.place_of_node(target as usize);
            what(&self.rrsets.parts[at], place);
        }
    }
}
