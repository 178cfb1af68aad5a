//! Writes an image as it was planned.

use super::apex::Soa;
use super::part::Entry;
use super::plan::{Item, Plan};
use super::rrsets::GlueAhead;
use crate::wire::name::Name;
use crate::zone::cores::in_parts;
use crate::zone::image::Piece;
use crate::zone::layout::{
    BUCKET_MAX, Grid, MAGIC, PADDING, PLACE, SEGMENT_MAX, SLOT, VERSION, denial, extra, far, header, node,
};
use crate::zone::memory::{self, ARENA};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// So many names or far items ahead of the one that is written, memory is being loaded.
const AHEAD: usize = 8;

/// Writes the image: its flat bytes, or its root and segments, in `spare` memory as far as that goes: what is new the kernel has to clear.
pub(super) fn image(apex: &Name, soa: &Soa, plan: &Plan, spare: Vec<Vec<u8>>) -> (Vec<u8>, Vec<Piece>) {
    let refs = Refs::new(plan);
    if plan.is_flat {
        // The first time to learn the places, the second to write them.
        flat(apex, soa, plan, &refs);
        return (flat(apex, soa, plan, &refs), Vec::new());
    }
    let segments = segments(plan, &refs, &Mutex::new(spare));
    let root = root(apex, soa, plan, &segments, &refs);
    (root, segments.into_iter().map(|(piece, _)| piece).collect())
}

fn flat(apex: &Name, soa: &Soa, plan: &Plan, refs: &Refs) -> Vec<u8> {
    let mut root = start_root(apex, soa, plan, refs);
    let name_table = root.len() as u32;
    let mut run = Run::new(plan, refs, root, 0);
    run.put_names(0, &mut &plan.indexed[..]);
    let far_table = run.out.len() as u32;
    if !plan.far.is_empty() {
        run.put_far(0, &mut &plan.far[..]);
    }
    root = run.out;
    let order = root.len() as u32;
    plan.order.runs.iter().for_each(|run| root.extend_from_slice(run));
    root[header::ORDER..][..4].copy_from_slice(&order.to_le_bytes());
    root[header::NAME_TABLE..][..4].copy_from_slice(&name_table.to_le_bytes());
    root[header::FAR_TABLE..][..4].copy_from_slice(&far_table.to_le_bytes());
    finish_root(root, 0)
}

fn root(apex: &Name, soa: &Soa, plan: &Plan, segments: &[(Piece, blake3::Hash)], refs: &Refs) -> Vec<u8> {
    let mut root = start_root(apex, soa, plan, refs);
    let fences = root.len() as u32;
    root.extend_from_slice(&plan.order.fences());
    root[header::FENCES..][..4].copy_from_slice(&fences.to_le_bytes());
    let mut segments_len = 0;
    for (segment, digest) in segments {
        let len = segment.bytes().len();
        root.extend_from_slice(digest.as_bytes());
        root.extend_from_slice(&(len as u32).to_le_bytes());
        segments_len += len as u64;
    }
    finish_root(root, segments_len)
}

/// Header, apex name, hashing, apex node.
fn start_root(apex: &Name, soa: &Soa, plan: &Plan, refs: &Refs) -> Vec<u8> {
    let mut out = vec![0; header::SIZE];
    let depth = |&number: &u32| plan.rrsets.node(number as usize).depth;
    let deepest = plan.indexed.iter().map(depth).max().unwrap_or(0);
    let mut field = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    field(0, &MAGIC);
    field(header::VERSION, &VERSION.to_le_bytes());
    field(header::SERIAL, &soa.serial.to_le_bytes());
    field(header::RECORDS, &plan.rrsets.record_count.to_le_bytes());
    field(header::SEED, &plan.rrsets.seed.to_le_bytes());
    field(header::NAME_BUCKETS, &plan.name_grid.buckets.to_le_bytes());
    field(header::FAR_BUCKETS, &plan.far_grid.buckets.to_le_bytes());
    let items = plan.order.items;
    let hashing = items.map_or_else(Vec::new, |items| items.hashing());
    field(header::APEX_NODE, &((header::SIZE + apex.as_wire().len() + hashing.len()) as u32).to_le_bytes());
    field(header::NEGATIVE_TTL, &soa.negative_ttl_secs.to_le_bytes());
    field(header::SIGNATURES_END, &soa.signatures_end.to_le_bytes());
    field(header::FORM, &[!plan.is_flat as u8]);
    field(header::NAME_BITS, &[plan.name_grid.bits]);
    field(header::FAR_BITS, &[plan.far_grid.bits]);
    field(header::DEPTH, &[deepest]);
    field(header::APEX_LEN, &[apex.as_wire().len() as u8]);
    field(header::DENIAL, &[items.map_or(denial::NONE, |items| items.denial())]);
    field(header::SALT_LEN, &[items.map_or(0, |items| items.salt_len())]);
    field(header::ITERATIONS, &items.map_or(0, |items| items.iterations()).to_le_bytes());
    if !plan.is_flat {
        field(header::ORDER_SEGMENTS, &(plan.order.runs.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(apex.as_wire());
    out.extend_from_slice(&hashing);
    let mut run = Run::new(plan, refs, out, 0);
    run.put_node(plan.rrsets.apex);
    run.out
}

/// Lengths and digest.
fn finish_root(mut root: Vec<u8>, segments_len: u64) -> Vec<u8> {
    let len = (root.len() + blake3::OUT_LEN) as u64;
    root[header::LEN..][..8].copy_from_slice(&(len + segments_len).to_le_bytes());
    root[header::ROOT_LEN..][..8].copy_from_slice(&len.to_le_bytes());
    let digest = blake3::hash(&root);
    root.extend_from_slice(digest.as_bytes());
    root.shrink_to_fit();
    root
}

/// The segments, each with its digest.
fn segments(plan: &Plan, refs: &Refs, spare: &Spare) -> Vec<(Piece, blake3::Hash)> {
    let count = plan.name_grid.segments() + plan.far_grid.segments() + plan.order.runs.len();
    let parts = in_parts(plan.rrsets.cores, count, |part| part_of_segments(plan, refs, spare, part));
    parts.into_iter().flatten().collect()
}

/// Some of the segments.
fn part_of_segments(plan: &Plan, refs: &Refs, spare: &Spare, part: Range<usize>) -> Vec<(Piece, blake3::Hash)> {
    let name_segments = plan.name_grid.segments();
    let far_end = name_segments + plan.far_grid.segments();
    let mut left = plan.segments_len as usize / far_end * part.len();
    let (mut pieces, mut lens, mut digests) = (Vec::with_capacity(part.len()), Vec::new(), Vec::new());
    let hash = |&number: &u32| plan.rrsets.node(number as usize).hash;
    let mut names = from_segment(&plan.indexed, part.start, plan.name_grid, hash);
    let mut run = Run::new(plan, refs, new_arena(&mut left, spare), names.first().copied().unwrap_or(0));
    let far_start = part.start.saturating_sub(name_segments);
    let mut far = from_segment(&plan.far, far_start, plan.far_grid, |item| far::prefix(item.hash));
    for segment in part {
        if run.out.len() + SEGMENT_MAX > ARENA {
            let mut full = std::mem::replace(&mut run.out, new_arena(&mut left, spare));
            full.shrink_to_fit();
            pieces.extend(Piece::cut(full, std::mem::take(&mut lens)));
        }
        run.start = run.out.len();
        match segment.checked_sub(name_segments) {
            None => run.put_names(segment, &mut names),
            Some(_) if segment >= far_end => run.out.extend_from_slice(&plan.order.runs[segment - far_end]),
            Some(segment) => run.put_far(segment, &mut far),
        }
        run.out.extend_from_slice(&[0; PADDING]);
        let octets = &run.out[run.start..];
        assert!(octets.len() <= SEGMENT_MAX, "what is too large was found out when it was planned");
        digests.push(blake3::hash(octets));
        lens.push(octets.len());
    }
    run.out.shrink_to_fit();
    pieces.extend(Piece::cut(run.out, lens));
    pieces.into_iter().zip(digests).collect()
}

/// The items from those of a segment on, of items by hash.
fn from_segment<T>(items: &[T], segment: usize, grid: Grid, hash: impl Fn(&T) -> u64) -> &[T] {
    &items[items.partition_point(|item| grid.place(hash(item)).0 < segment)..]
}

/// Memory that was used before.
type Spare = Mutex<Vec<Vec<u8>>>;

/// Room for the next segments, of which about `left` octets are to come.
fn new_arena(left: &mut usize, spare: &Spare) -> Vec<u8> {
    let len = ARENA.min(*left + SEGMENT_MAX);
    *left = left.saturating_sub(len - SEGMENT_MAX);
    let mut spare = spare.lock().expect("nobody panics");
    let found = spare.iter().position(|arena| arena.capacity() >= len);
    found.map(|at| spare.swap_remove(at)).unwrap_or_else(|| {
        let mut arena = Vec::with_capacity(len);
        memory::prefer_huge_pages(&mut arena);
        arena
    })
}

/// What refs say: places where the image is flat, far refs where it is in segments. In segments they are known before, and all cores
/// read them.
struct Refs {
    names: Vec<AtomicU64>,
    sets: Vec<AtomicU64>,
}

impl Refs {
    fn new(plan: &Plan) -> Refs {
        let none = |count: usize| std::iter::repeat_with(AtomicU64::default).take(count).collect();
        let refs = Refs { names: none(plan.rrsets.node_count()), sets: none(plan.rrsets.set_count() as usize) };
        if !plan.is_flat {
            for item in &plan.far {
                let kind = if item.is_node() { &refs.names } else { &refs.sets };
                kind[item.number as usize].store(far::reference(item.hash, item.key), Relaxed);
            }
        }
        refs
    }

    fn name(&self, number: usize) -> u64 {
        self.names[number].load(Relaxed)
    }

    fn set(&self, number: u32) -> u64 {
        self.sets[number as usize].load(Relaxed)
    }

    /// Starts loading the refs to those of a node's sets that lie elsewhere.
    fn prefetch_sets(&self, entries: &[Entry]) {
        let elsewhere = entries.iter().filter(|entry| !entry.is_inline);
        elsewhere.for_each(|entry| memory::prefetch_item(&self.sets, entry.set as usize));
    }
}

/// A run that is being written: it starts at `start` of `out`.
struct Run<'a> {
    plan: &'a Plan<'a>,
    refs: &'a Refs,
    out: Vec<u8>,
    start: usize,
    glue: GlueAhead<'a>,
}

impl<'a> Run<'a> {
    /// Goes on behind `out`; the first name that is put is this one, or a later one.
    fn new(plan: &'a Plan, refs: &'a Refs, out: Vec<u8>, first: u32) -> Run<'a> {
        Run { plan, refs, out, start: 0, glue: plan.rrsets.glue_ahead(first) }
    }

    /// The next place.
    fn here(&self) -> usize {
        self.out.len() - self.start
    }

    /// The table of a segment's names: the first of `names`, which are taken off.
    fn put_names(&mut self, segment: usize, names: &mut &[u32]) {
        let plan = self.plan;
        let hash = |&number: &u32| plan.rrsets.node(number as usize).hash;
        self.put_table(plan.name_grid, segment, names, hash, |run, &number, behind| {
            if let Some(&ahead) = behind.get(AHEAD) {
                run.refs.prefetch_sets(plan.rrsets.of(ahead as usize));
            }
            let slot = hash(&number) as u8 as u32 | (run.here() as u32) << 8;
            run.glue.reach(number);
            run.put_node(number as usize);
            slot
        });
    }

    /// The table of a segment's far items.
    fn put_far(&mut self, segment: usize, items: &mut &[Item]) {
        let plan = self.plan;
        self.put_table(
            plan.far_grid,
            segment,
            items,
            |item| far::prefix(item.hash),
            |run, item, behind| {
                behind.get(2 * AHEAD).into_iter().for_each(|ahead| plan.prefetch_set(ahead));
                behind.get(AHEAD).into_iter().for_each(|ahead| plan.prefetch_octets(ahead));
                let slot = u32::from(item.key) | (run.here() as u32) << far::KEY_BITS;
                if item.is_node() {
                    run.put_node(item.number as usize);
                } else {
                    let own = run.put_set(item.number);
                    debug_assert!(own.is_empty(), "what only one cut needs lies beside it");
                }
                slot
            },
        );
    }

    /// Directory and buckets. `put` writes an item, is told what comes behind it, and gives its slot.
    fn put_table<T>(
        &mut self,
        grid: Grid,
        segment: usize,
        items: &mut &[T],
        hash: impl Fn(&T) -> u64,
        put: impl Fn(&mut Self, &T, &[T]) -> u32,
    ) {
        let directory = self.out.len();
        self.out.resize(directory + (grid.buckets as usize + 1) * PLACE, 0);
        for bucket in 0..grid.buckets as usize {
            let start = self.here();
            self.set_place(directory + bucket * PLACE, start);
            let is_here = |item: &T| grid.place(hash(item)) == (segment, bucket);
            let count = items.iter().take(BUCKET_MAX).take_while(|item| is_here(item)).count();
            self.out.push(count as u8);
            let slots = self.out.len();
            self.out.resize(slots + SLOT * count, 0);
            for index in 0..count {
                let Some((item, behind)) = items.split_first() else { break };
                *items = behind;
                let slot = put(self, item, behind);
                self.out[slots + SLOT * index..][..SLOT].copy_from_slice(&slot.to_le_bytes());
            }
        }
        let end = self.here();
        self.set_place(directory + grid.buckets as usize * PLACE, end);
    }

    fn put_node(&mut self, number: usize) {
        let (plan, start) = (self.plan, self.here());
        if plan.is_flat {
            self.refs.names[number].store(start as u64, Relaxed);
        }
        let (name, entries) = plan.rrsets.name_and_entries(number);
        let wildcard = plan.rrsets.wildcards.get(&number);
        let flags = plan.rrsets.node(number).flags | if wildcard.is_some() { node::WILDCARD } else { 0 };
        self.out.extend_from_slice(&[flags, name.len() as u8, entries.len() as u8]);
        self.out.extend_from_slice(name);
        if let Some(&wildcard) = wildcard
            && plan.is_flat
        {
            self.put_ref(self.refs.name(wildcard), PLACE);
        }
        let mut beside = start + plan.head_len(number, name, entries);
        for &Entry { rtype, is_inline, set } in entries {
            self.out.extend_from_slice(&rtype.to_le_bytes());
            if is_inline {
                self.put_ref(beside as u64, PLACE);
                beside += plan.set_len(plan.rrsets.set(set));
            } else {
                self.put_ref(self.refs.set(set), if plan.is_flat { PLACE } else { far::LEN });
            }
        }
        let mut own = Vec::new();
        for entry in entries.iter().filter(|entry| entry.is_inline) {
            own.extend(self.put_set(entry.set));
        }
        debug_assert_eq!(self.here(), beside);
        for (at, target) in own {
            let place = self.here();
            self.set_place(at, place);
            self.put_node(target);
        }
        debug_assert_eq!(self.here(), start + plan.node_len(number));
    }

    /// Writes an RRset. Gives the nodes that are to lie behind it, each with where its place is to stand.
    fn put_set(&mut self, number: u32) -> Vec<(usize, usize)> {
        let plan = self.plan;
        let encoded = plan.rrsets.set(number);
        if plan.is_flat {
            self.refs.sets[number as usize].store(self.here() as u64, Relaxed);
        }
        self.out.extend_from_slice(encoded.octets);
        let mut own = Vec::new();
        for extra in encoded.extras {
            let (flags, target) = (plan.extra_flags(extra), extra.target as usize);
            self.out.extend_from_slice(&[extra.record, extra.place, flags]);
            if flags & extra::OWN != 0 {
                own.push((self.out.len(), target));
            }
            let given = match flags & extra::TARGET {
                extra::HASH => plan.rrsets.node(target).hash,
                _ => self.refs.name(target),
            };
            self.put_ref(given, extra::target_len(flags));
        }
        own
    }

    fn put_ref(&mut self, value: u64, len: usize) {
        self.out.extend_from_slice(&value.to_le_bytes()[..len]);
    }

    /// Writes a place at octet `at` of `out`.
    fn set_place(&mut self, at: usize, place: usize) {
        self.out[at..at + PLACE].copy_from_slice(&(place as u64).to_le_bytes()[..PLACE]);
    }
}
