//! Memory of large zones: what the operating system and the processor are asked about it, hints that may be refused without harm; and
//! vectors that several threads fill together.
#![allow(unsafe_code)]

use super::cores::each;
use std::mem::MaybeUninit;

/// Transparent huge pages pay from here on: below, there is no whole one to be had.
const HUGE_PAGE: usize = 2 << 20;

/// Segments lie together in allocations of about this size. From 32 MiB on an allocation is a mapping of its own, which has no pages
/// yet that are small; and it is given back when later versions of a zone share little with it.
pub(super) const ARENA: usize = 32 << 20;

/// Octets of an allocation that is a mapping of its own, and most free octets at the end of a heap.
#[cfg(target_env = "gnu")]
const FREED_KEPT: libc::c_int = 1 << 20;

/// Asks for huge pages under `buffer`'s capacity, before it is filled: a lookup in a large image is all cache misses, and a
/// page-table walk beside each costs as much again.
pub fn prefer_huge_pages<T>(buffer: &mut Vec<T>) {
    advise(buffer.as_ptr() as usize, buffer.capacity() * size_of::<T>(), libc::MADV_HUGEPAGE);
}

/// Has what was filled moved into huge pages now, where it lies in small ones: memory that was used before has such.
pub(super) fn collapse(filled: &[u8]) {
    advise(filled.as_ptr() as usize, filled.len(), libc::MADV_COLLAPSE);
}

/// Advises the kernel about the whole huge pages of an allocation, if they are worth the call.
fn advise(start: usize, len: usize, advice: libc::c_int) {
    if len < 2 * HUGE_PAGE {
        return;
    }
    let from = start.next_multiple_of(HUGE_PAGE);
    let to = (start + len) & !(HUGE_PAGE - 1);
    // SAFETY: [from, to) lies within one allocation of the caller's, and neither MADV_HUGEPAGE nor MADV_COLLAPSE changes any
    // content. A failure means that the kernel has no transparent huge pages, or none to spare, which is no error.
    unsafe {
        libc::madvise(from as *mut libc::c_void, to - from, advice);
    }
}

/// Has the allocator keep little of what is freed, from now on. As it stands, glibc's raises two bounds while large allocations come and go:
/// from which size on one is a mapping of its own (to 32 MiB), and how much free memory stays at the end of each thread's heap (to 64 MiB),
/// which [`return_freed`] doesn't reach. So a server of one large zone would keep as much again. Setting a bound keeps it where it is.
pub fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes any values; nothing else calls it.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, FREED_KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREED_KEPT);
    }
}

/// Gives memory that was freed back to the operating system: after a load the compiler's working memory is gone for good.
pub fn return_freed() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions and touches only memory that is free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Where one of several threads puts items of a vector that they fill together.
pub(super) struct Room<'r, T> {
    slots: &'r mut [MaybeUninit<T>],
    filled: usize,
}

impl<T: Copy> Room<'_, T> {
    /// Puts the next one. There must be room for it.
    #[inline]
    pub(super) fn push(&mut self, item: T) {
        self.slots[self.filled].write(item);
        self.filled += 1;
    }
}

/// Makes a vector on several threads, one for each part: it has room for at most so many items. Gives all of them in the order of the parts,
/// and what else came of each: without a copy of what the others made, for which the kernel would have to clear memory.
pub(super) fn fill<P: Send, T: Copy + Send, E: Send>(
    parts: Vec<(P, usize)>,
    work: impl Fn(P, &mut Room<T>) -> E + Sync,
) -> (Vec<T>, Vec<E>) {
    let mut all = Vec::with_capacity(parts.iter().map(|&(_, room)| room).sum());
    prefer_huge_pages(&mut all);
    let mut slots = all.spare_capacity_mut();
    let parts = parts
        .into_iter()
        .map(|(part, room)| (part, Room { slots: slots.split_off_mut(..room).expect("room for all"), filled: 0 }));
    let made = each(parts.collect(), |(part, mut room)| {
        let made = work(part, &mut room);
        (room.slots.len(), room.filled, made)
    });
    let slots = all.spare_capacity_mut();
    let (mut from, mut to) = (0, 0);
    for &(room, filled, _) in &made {
        if from > to {
            slots.copy_within(from..from + filled, to);
        }
        (from, to) = (from + room, to + filled);
    }
    // SAFETY: each room's first `filled` items were written, and were moved to follow those before them: `to` in all, within the capacity.
    unsafe { all.set_len(to) };
    (all, made.into_iter().map(|(.., made)| made).collect())
}

/// Starts loading the cache line at `at`, if it lies within `bytes`.
#[inline]
pub(super) fn prefetch(bytes: &[u8], at: usize) {
    if let Some(byte) = bytes.get(at) {
        load(byte);
    }
}

/// Starts loading an item and what lies behind it, if there is such an item.
#[inline]
pub(super) fn prefetch_item<T>(items: &[T], at: usize) {
    if let Some(item) = items.get(at) {
        load(std::ptr::from_ref(item).cast());
        load(std::ptr::from_ref(item).cast::<u8>().wrapping_add(CACHE_LINE));
    }
}

/// Starts loading the first cache lines of these octets and of what lies behind them.
#[inline]
pub(super) fn prefetch_behind(bytes: &[u8]) {
    for line in 0..3 {
        load(bytes.as_ptr().wrapping_add(line * CACHE_LINE));
    }
}

/// Starts loading the octets from the first of these on.
#[inline]
pub(super) fn prefetch_from(bytes: &[u8], octets: usize) {
    let from = bytes.as_ptr();
    // The last octet may lie in a line of its own.
    for line in 0..=octets.saturating_sub(1) / CACHE_LINE {
        load(from.wrapping_add(line * CACHE_LINE));
    }
    load(from.wrapping_add(octets));
}

/// Octets of a cache line.
const CACHE_LINE: usize = 64;

#[inline]
fn load(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint: it reads nothing that the program sees, and no address makes it fail.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_fill_one_vector_in_the_order_of_the_parts() {
        for room in [10, 12] {
            let parts = vec![(0..10, room), (10..10, room), (10..13, room), (13..20, 7)];
            let (all, sums) = fill(parts, |numbers: std::ops::Range<u64>, room| {
                numbers.clone().for_each(|number| room.push(number));
                numbers.sum::<u64>()
            });
            assert_eq!((all, sums), ((0..20).collect(), vec![45, 0, 33, 112]), "{room}");
        }
        assert_eq!(fill(vec![((), 0)], |(), _: &mut Room<u8>| ()), (vec![], vec![()]));
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn there_is_no_more_room_than_that() {
        fill(vec![((), 1), ((), 9)], |(), room| (0..2).for_each(|number: u8| room.push(number)));
    }
}
