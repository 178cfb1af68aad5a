//! What of an image lies where: beside its node, behind its cut, or among the far items; flat or in segments.

use super::Unfit;
use super::order::{Items, Order};
use super::part::{Entry, Extra, Place};
use super::rrsets::{Encoded, Rrsets};
use crate::wire::name::Name;
use crate::zone::cores::in_parts;
use crate::zone::layout::{
    BUCKET_MAX, DIGEST, EXPANSION_MAX, Grid, IMAGE_MAX, PADDING, PLACE, SEGMENT_ENTRY, SEGMENT_MAX, SLOT, extra, far,
    header, node,
};
use crate::zone::memory;

/// Where everything will lie.
pub(super) struct Plan<'a> {
    pub(super) rrsets: &'a Rrsets,
    pub(super) is_flat: bool,
    /// The tables of names and of far items.
    pub(super) name_grid: Grid,
    pub(super) far_grid: Grid,
    /// The names of the index, by hash.
    pub(super) indexed: Vec<u32>,
    /// All far items, by hash.
    pub(super) far: Vec<Item>,
    /// What denials are found in.
    pub(super) order: Order<'a>,
    /// Octets of all segments but the order's, as far as they can be told before they are written.
    pub(super) segments_len: u64,
}

/// A far item.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) hash: u64,
    pub(super) key: u16,
    /// Of a name, if the key says that it is a node, or of an RRset.
    pub(super) number: u32,
}

/// So many far items ahead of the one that is measured, memory is being loaded.
const AHEAD: usize = 16;

/// Bits of a hash that tell the ranges which cores share in.
const HASH_RANGES_BITS: u32 = 16;

impl Item {
    pub(super) fn is_node(&self) -> bool {
        self.key & far::NODE != 0
    }
}

/// Octets that each of the names of the index takes, and each far item: its slot, and itself.
#[derive(Default)]
struct Lens {
    names: Vec<u32>,
    far: Vec<u32>,
}

impl<'a> Plan<'a> {
    /// An image of more than `flat_max` octets is laid out in segments.
    pub(super) fn new(flat_max: u64, apex: &Name, rrsets: &'a Rrsets, items: &'a Items<'a>) -> Result<Plan<'a>, Unfit> {
        let mut plan = Plan {
            rrsets,
            is_flat: true,
            name_grid: Grid::flat(0),
            far_grid: Grid { bits: 0, buckets: 0 },
            indexed: (0..rrsets.node_count()).filter(|&number| rrsets.is_indexed(number)).map(|n| n as u32).collect(),
            far: Vec::new(),
            order: Order::default(),
            segments_len: 0,
        };
        plan.far = plan.collect_far();
        let head_len = header::SIZE + apex.as_wire().len() + items.hashing().len();
        let root_len = |plan: &Plan| (head_len + plan.node_len(rrsets.apex) + DIGEST) as u64;
        // Each name and set is in the image once at least: often that alone is too much to be flat.
        let (mut len, mut lens) = (rrsets.octets_len, Lens::default());
        if len <= flat_max {
            lens = plan.lay_out(|_| 0);
            len = root_len(&plan) + plan.segments_len + items.len_max();
        }
        plan.is_flat = len <= flat_max;
        plan.order = items.order(plan.is_flat);
        if !plan.is_flat {
            lens = plan.lay_out(|octets| octets);
            let segments = plan.name_grid.segments() + plan.far_grid.segments() + plan.order.runs.len();
            let order_len = plan.order.runs.iter().map(|run| run.len() as u64).sum::<u64>();
            len = root_len(&plan)
                + plan.segments_len
                + plan.order.fences().len() as u64
                + order_len
                + (segments * (SEGMENT_ENTRY + PADDING)) as u64;
        }
        if len > IMAGE_MAX {
            return Err(Unfit::TooLarge);
        }
        if rrsets.expanded_len > len.saturating_mul(EXPANSION_MAX) {
            return Err(Unfit::TooRepetitive);
        }
        if !plan.fits(&lens) {
            return Err(Unfit::Seed);
        }
        plan.assign_keys();
        Ok(plan)
    }

    /// Chooses the grids, for tables whose octets count as `counted`.
    fn lay_out(&mut self, counted: impl Fn(u64) -> u64) -> Lens {
        let cores = self.rrsets.cores;
        // In the order in which they lie in memory; what lies behind cuts is then added by its number alone.
        let own = in_parts(cores, self.rrsets.node_count(), |part| {
            part.map(|number| self.own_len(number) as u32).collect::<Vec<_>>()
        });
        let mut own = own.concat();
        for &(cut, target) in &self.rrsets.glue {
            let behind = own[target as usize];
            own[cut as usize] += behind;
        }
        let names: Vec<u32> = self.indexed.iter().map(|&number| SLOT as u32 + own[number as usize]).collect();
        let far = in_parts(cores, self.far.len(), |part| {
            let len = |number: usize| {
                self.far.get(number + AHEAD).into_iter().for_each(|ahead| self.prefetch_set(ahead));
                (SLOT + self.item_len(&self.far[number])) as u32
            };
            part.map(len).collect::<Vec<_>>()
        });
        let lens = Lens { names, far: far.concat() };
        let sum = |lens: &[u32]| lens.iter().map(|&len| u64::from(len)).sum::<u64>();
        let (in_names, in_far) = (sum(&lens.names), sum(&lens.far));
        self.name_grid = Grid::new(self.indexed.len(), counted(in_names));
        if !self.far.is_empty() {
            self.far_grid = Grid::new(self.far.len(), counted(in_far));
        }
        let directories = |grid: Grid| (grid.segments() * grid.directory_len()) as u64;
        self.segments_len = in_names + in_far + directories(self.name_grid) + directories(self.far_grid);
        lens
    }

    /// Whether no bucket and no segment is too full. Those of the order never are.
    fn fits(&self, lens: &Lens) -> bool {
        let names = self.indexed.iter().map(|&number| self.rrsets.node(number as usize).hash);
        let far = self.far.iter().map(|item| far::prefix(item.hash));
        self.fits_table(self.name_grid, names.zip(&lens.names)) && self.fits_table(self.far_grid, far.zip(&lens.far))
    }

    /// The same for one table. `items`: hash and octets of each, by hash.
    fn fits_table<'l>(&self, grid: Grid, mut items: impl Iterator<Item = (u64, &'l u32)>) -> bool {
        let (mut last, mut in_bucket, mut octets) = (None, 0, 0);
        items.all(|(hash, &len)| {
            let (segment, bucket) = grid.place(hash);
            in_bucket = if last == Some((segment, bucket)) { in_bucket + 1 } else { 1 };
            let is_first = last.is_none_or(|(last, _)| last != segment);
            octets = len as usize + if is_first { grid.directory_len() + PADDING } else { octets };
            last = Some((segment, bucket));
            in_bucket <= BUCKET_MAX && (self.is_flat || octets <= SEGMENT_MAX)
        })
    }

    /// All far items, by hash.
    fn collect_far(&self) -> Vec<Item> {
        let rrsets = self.rrsets;
        // Two of one hash are rare, and in an order that the content gives.
        let content = |item: &Item| match item.is_node() {
            true => rrsets.name(item.number as usize),
            false => rrsets.set(item.number).octets,
        };
        let order = |a: &Item, b: &Item| {
            a.hash.cmp(&b.hash).then_with(|| (a.is_node(), content(a)).cmp(&(b.is_node(), content(b))))
        };
        // Each core takes the hashes of a range.
        let sets = in_parts(rrsets.cores, 1 << HASH_RANGES_BITS, |ranges| {
            let is_here = |hash: u64| ranges.contains(&((hash >> (64 - HASH_RANGES_BITS)) as usize));
            let sets = rrsets.sets().filter(|(_, Encoded { set, .. })| !set.is_inline() && is_here(set.hash));
            let item = |(number, Encoded { set, .. })| Item { hash: set.hash, key: far::key(set.hash, false), number };
            let mut sets: Vec<Item> = sets.map(item).collect();
            sets.sort_by(order);
            sets
        });
        let nodes = in_parts(rrsets.cores, rrsets.node_count(), |part| {
            let hidden = part.filter(|&number| rrsets.node(number).place == Place::Far);
            let item = |number: usize| {
                let hash = rrsets.node(number).hash;
                Item { hash, key: far::key(hash, true), number: number as u32 }
            };
            hidden.map(item).collect::<Vec<_>>()
        });
        let mut far = sets.concat();
        far.extend(nodes.concat());
        // Two runs that are in order.
        far.sort_by(order);
        far
    }

    /// Gives each far item a key that no other of its bucket has.
    fn assign_keys(&mut self) {
        let grid = self.far_grid;
        let place = |item: &Item| grid.place(far::prefix(item.hash));
        for bucket in self.far.chunk_by_mut(|a, b| place(a) == place(b)) {
            for at in 1..bucket.len() {
                while bucket[..at].iter().any(|other| other.key == bucket[at].key) {
                    bucket[at].key = far::next_key(bucket[at].key);
                }
            }
        }
    }

    /// How an extra's target is given, as its flags say it.
    pub(super) fn extra_flags(&self, extra: &Extra) -> u8 {
        let target = extra.target as usize;
        let given = match self.rrsets.node(target).place {
            Place::Cut => extra::PLACE | extra::OWN,
            _ if target == self.rrsets.apex => extra::APEX,
            _ if self.is_flat => extra::PLACE,
            Place::Far => extra::FAR,
            Place::Index => extra::HASH,
        };
        given | if extra.is_required { extra::REQUIRED } else { 0 }
    }

    /// Octets of a node, with all that lies behind it.
    pub(super) fn node_len(&self, number: usize) -> usize {
        let own_sets =
            self.rrsets.of(number).iter().filter(|entry| entry.is_inline).map(|entry| self.rrsets.set(entry.set));
        let targets = own_sets.flat_map(|encoded| encoded.extras).map(|extra| extra.target as usize);
        let behind = targets.filter(|&target| self.rrsets.node(target).place == Place::Cut);
        self.own_len(number) + behind.map(|target| self.node_len(target)).sum::<usize>()
    }

    /// Octets of a node and its RRsets, without the nodes that lie behind it.
    fn own_len(&self, number: usize) -> usize {
        let (name, entries) = self.rrsets.name_and_entries(number);
        let own_sets = entries.iter().filter(|entry| entry.is_inline).map(|entry| self.rrsets.set(entry.set));
        self.head_len(number, name, entries) + own_sets.map(|encoded| self.set_len(encoded)).sum::<usize>()
    }

    /// Octets of a node with this name and these entries before its first RRset.
    pub(super) fn head_len(&self, number: usize, name: &[u8], entries: &[Entry]) -> usize {
        let has_place = self.is_flat && self.rrsets.wildcards.contains_key(&number);
        let entries = entries.iter().map(|entry| self.entry_len(entry)).sum::<usize>();
        node::FIXED + name.len() + if has_place { PLACE } else { 0 } + entries
    }

    fn entry_len(&self, entry: &Entry) -> usize {
        if self.is_flat || entry.is_inline { node::ENTRY } else { node::FAR_ENTRY }
    }

    /// Octets of an RRset.
    pub(super) fn set_len(&self, encoded: Encoded) -> usize {
        let extras = encoded.extras.iter();
        let extras = extras.map(|extra| extra::FIXED + extra::target_len(self.extra_flags(extra)));
        encoded.octets.len() + extras.sum::<usize>()
    }

    /// Starts loading what is known of a far item's RRset: their order is that of no memory.
    pub(super) fn prefetch_set(&self, item: &Item) {
        if !item.is_node() {
            self.rrsets.prefetch_set(item.number);
        }
    }

    /// Starts loading the octets of a far item's RRset.
    pub(super) fn prefetch_octets(&self, item: &Item) {
        if !item.is_node() {
            memory::prefetch_behind(self.rrsets.set(item.number).octets);
        }
    }

    fn item_len(&self, item: &Item) -> usize {
        if item.is_node() { self.node_len(item.number as usize) } else { self.set_len(self.rrsets.set(item.number)) }
    }
}
