//! What of an image lies where: beside its node, behind its cut, or among the far items; flat or in segments.

use super::Unfit;
use super::names::{Names, parent};
use super::order::{Items, Order};
use super::rrsets::{Entry, Extra, Rrsets};
use crate::wire::name::Name;
use crate::zone::cores::in_parts;
use crate::zone::layout::{
    BUCKET_MAX, DIGEST, EXPANSION_MAX, Grid, IMAGE_MAX, PADDING, PLACE, SEGMENT_ENTRY, extra, far, header, node,
};
use std::collections::HashMap;
use std::ops::Range;

/// Where everything will lie.
pub(super) struct Plan<'a> {
    pub(super) names: &'a Names<'a>,
    pub(super) rrsets: &'a Rrsets,
    pub(super) is_flat: bool,
    pub(super) apex: usize,
    /// The tables of names and of far items.
    pub(super) name_grid: Grid,
    pub(super) far_grid: Grid,
    /// All far items, by hash.
    pub(super) far: Vec<Item>,
    /// What denials are found in.
    pub(super) order: Order<'a>,
    /// Octets of all segments but the order's, as far as they can be told before they are written.
    pub(super) segments_len: u64,
    /// Names that lie behind their cut.
    own: Vec<bool>,
    /// The child `*` of a name.
    pub(super) wildcards: HashMap<usize, usize>,
}

/// A far item.
pub(super) struct Item {
    pub(super) hash: u64,
    pub(super) key: u16,
    /// Of a name, if the key says that it is a node, or of an RRset.
    pub(super) number: u32,
}

impl Item {
    pub(super) fn is_node(&self) -> bool {
        self.key & far::NODE != 0
    }
}

impl<'a> Plan<'a> {
    /// An image of more than `flat_max` octets is laid out in segments.
    pub(super) fn new(
        flat_max: u64,
        apex: &Name,
        names: &'a Names<'a>,
        rrsets: &'a Rrsets,
        items: &'a Items<'a>,
    ) -> Result<Plan<'a>, Unfit> {
        let mut plan = Plan {
            names,
            rrsets,
            is_flat: true,
            apex: names.apex(),
            name_grid: Grid::flat(0),
            far_grid: Grid { bits: 0, buckets: 0 },
            far: Vec::new(),
            order: Order::default(),
            segments_len: 0,
            own: own(names, rrsets),
            wildcards: wildcards(names),
        };
        plan.collect_far();
        let head_len = header::SIZE + apex.as_wire().len() + items.hashing().len();
        let root_len = |plan: &Plan| (head_len + plan.node_len(plan.apex) + DIGEST) as u64;
        let indexed = names.indexed().count();
        // Each set is in the image once at least: often that alone is too much to be flat.
        let mut len = rrsets.octets_len();
        if len <= flat_max {
            plan.lay_out(indexed, |_| 0);
            len = root_len(&plan) + plan.segments_len + items.len_max();
        }
        plan.is_flat = len <= flat_max;
        plan.order = items.order(plan.is_flat);
        if !plan.is_flat {
            plan.lay_out(indexed, |octets| octets);
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
        plan.check_name_buckets()?;
        plan.assign_keys()?;
        Ok(plan)
    }

    /// Chooses the grids, for tables whose octets count as `counted`.
    fn lay_out(&mut self, indexed: usize, counted: impl Fn(u64) -> u64) {
        let is_indexed = |&number: &usize| self.names.is_indexed(number);
        let in_names = self
            .sum(self.names.len(), |part| part.filter(is_indexed).map(|number| 4 + self.node_len(number) as u64).sum());
        let in_far =
            self.sum(self.far.len(), |part| self.far[part].iter().map(|item| 4 + self.item_len(item) as u64).sum());
        let directory = |grid: Grid| (grid.segments() * (grid.buckets as usize * (PLACE + 1) + PLACE)) as u64;
        self.name_grid = Grid::new(indexed, counted(in_names));
        if !self.far.is_empty() {
            self.far_grid = Grid::new(self.far.len(), counted(in_far));
        }
        self.segments_len = in_names + in_far + directory(self.name_grid) + directory(self.far_grid);
    }

    /// Of `0..len`, on all cores.
    fn sum(&self, len: usize, part: impl Fn(Range<usize>) -> u64 + Sync) -> u64 {
        in_parts(self.names.cores(), len, part).into_iter().sum()
    }

    fn collect_far(&mut self) {
        let sets = self.rrsets.sets().iter().zip(0..).filter(|(set, _)| !set.is_inline());
        let sets = sets.map(|(set, number)| Item { hash: set.hash, key: far::key(set.hash, false), number });
        let hidden = (0..self.names.len()).filter(|&number| self.names.at(number).is_hidden && !self.own[number]);
        let hidden = hidden.map(|number| {
            let hash = self.names.at(number).hash;
            Item { hash, key: far::key(hash, true), number: number as u32 }
        });
        self.far = sets.chain(hidden).collect();
        // Two of one hash are rare, and in an order that the content gives.
        let content = |item: &Item| match item.is_node() {
            true => self.names.at(item.number as usize).relative,
            false => self.rrsets.octets(item.number),
        };
        let mut far = std::mem::take(&mut self.far);
        far.sort_by(|a, b| a.hash.cmp(&b.hash).then_with(|| (a.is_node(), content(a)).cmp(&(b.is_node(), content(b)))));
        self.far = far;
    }

    fn check_name_buckets(&self) -> Result<(), Unfit> {
        let (mut last, mut run) = (None, 0);
        for (_, name) in self.names.indexed() {
            let bucket = Some(self.name_grid.place(name.hash));
            run = if bucket == last { run + 1 } else { 1 };
            last = bucket;
            if run > BUCKET_MAX {
                return Err(Unfit::Seed);
            }
        }
        Ok(())
    }

    /// Gives each far item a key that no other of its bucket has.
    fn assign_keys(&mut self) -> Result<(), Unfit> {
        let grid = self.far_grid;
        let place = |item: &Item| grid.place(far::prefix(item.hash));
        for bucket in self.far.chunk_by_mut(|a, b| place(a) == place(b)) {
            if bucket.len() > BUCKET_MAX {
                return Err(Unfit::Seed);
            }
            for at in 1..bucket.len() {
                while bucket[..at].iter().any(|other| other.key == bucket[at].key) {
                    bucket[at].key = far::next_key(bucket[at].key);
                }
            }
        }
        Ok(())
    }

    /// How an extra's target is given, as its flags say it.
    pub(super) fn extra_flags(&self, extra: &Extra) -> u8 {
        let target = extra.target as usize;
        let given = match () {
            () if self.own[target] => extra::PLACE | extra::OWN,
            () if target == self.apex => extra::APEX,
            () if self.is_flat => extra::PLACE,
            () if self.names.at(target).is_hidden => extra::FAR,
            () => extra::HASH,
        };
        given | if extra.is_required { extra::REQUIRED } else { 0 }
    }

    /// Octets of a node, with all that lies behind it.
    pub(super) fn node_len(&self, number: usize) -> usize {
        let mut len = self.head_len(number);
        for &Entry { is_inline, set, .. } in self.rrsets.of(number) {
            if is_inline {
                len += self.set_len(set);
                let targets = self.rrsets.extras(set).iter().map(|extra| extra.target as usize);
                len += targets.filter(|&target| self.own[target]).map(|target| self.node_len(target)).sum::<usize>();
            }
        }
        len
    }

    /// Octets of a node before its first RRset.
    pub(super) fn head_len(&self, number: usize) -> usize {
        let has_place = self.is_flat && self.wildcards.contains_key(&number);
        let entries = self.rrsets.of(number).iter().map(|entry| self.entry_len(entry)).sum::<usize>();
        node::FIXED + self.names.at(number).relative.len() + if has_place { PLACE } else { 0 } + entries
    }

    fn entry_len(&self, entry: &Entry) -> usize {
        if self.is_flat || entry.is_inline { node::ENTRY } else { node::FAR_ENTRY }
    }

    /// Octets of an RRset.
    pub(super) fn set_len(&self, set: u32) -> usize {
        let extras = self.rrsets.extras(set).iter();
        let extras = extras.map(|extra| extra::FIXED + extra::target_len(self.extra_flags(extra)));
        self.rrsets.octets(set).len() + extras.sum::<usize>()
    }

    fn item_len(&self, item: &Item) -> usize {
        if item.is_node() { self.node_len(item.number as usize) } else { self.set_len(item.number) }
    }
}

/// Hidden names that nothing but the NS records of their own cut needs, where these lie in the cut's bucket: they may lie there
/// too, so that such a referral is one run of cache lines. Few enough: the RRset that names them is small.
fn own(names: &Names, rrsets: &Rrsets) -> Vec<bool> {
    let mut own = vec![false; names.len()];
    let mut wanted = vec![false; names.len()];
    for (set, number) in rrsets.sets().iter().zip(0..) {
        for extra in rrsets.extras(number) {
            let target = extra.target as usize;
            own[target] = !wanted[target] && extra.is_required && set.is_inline() && names.at(target).is_hidden;
            wanted[target] = true;
        }
    }
    own
}

/// Which name has which as its child `*`.
fn wildcards(names: &Names) -> HashMap<usize, usize> {
    let stars = names.indexed().filter(|(_, name)| name.is_wildcard);
    stars.filter_map(|(number, name)| Some((names.find(parent(name.relative))?, number))).collect()
}
