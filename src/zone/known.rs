//! Finds what was kept before by the hash of its content.

use crate::zone::memory;
use std::hash::{BuildHasher, RandomState};

/// Numbers by hash. Open addressing, a power of two of slots, at most half of them used. A slot is the upper half of the spread hash,
/// then the number plus one; 0 is free. The first bits of the upper half say where its slot is looked for: so a larger table is filled
/// from slots alone, in their order.
#[derive(Debug)]
pub(super) struct Known {
    slots: Vec<u64>,
    used: usize,
    /// Spreads hashes that everybody can compute: contents that collide in the image's hash must not make this table slow.
    secret: u64,
}

/// The part of a slot that is the hash's.
const TAG: u64 = !0 << 32;
const SLOTS_MIN: usize = 64;

impl Known {
    /// Room for half as many.
    pub(super) fn with_room(slots: usize) -> Known {
        let slots = free(slots.next_power_of_two().max(SLOTS_MIN));
        Known { slots, used: 0, secret: RandomState::new().hash_one(0) }
    }

    /// The number under this hash. If there is none, `number` is from now on. `hash_of`: the hash that each has.
    pub(super) fn find_or_add(&mut self, hash: u64, number: u32, hash_of: impl Fn(u32) -> u64) -> Option<u32> {
        let tag = self.tag(hash);
        let slot = match self.find(tag, |found| hash_of(found) == hash) {
            Ok(found) => return Some(found),
            Err(slot) => slot,
        };
        self.slots[slot] = tag | (u64::from(number) + 1);
        self.used += 1;
        if 2 * self.used > self.slots.len() {
            self.grow();
        }
        None
    }

    /// What is likely to be under this hash.
    pub(super) fn guess(&self, hash: u64) -> Option<u32> {
        self.find(self.tag(hash), |_| true).ok()
    }

    /// Starts loading what [`Known::guess`] reads.
    pub(super) fn prefetch(&self, hash: u64) {
        memory::prefetch_item(&self.slots, self.place(self.tag(hash)));
    }

    /// The first number with this tag that is the right one, or the slot where it belongs.
    fn find(&self, tag: u64, is_right: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mut place = self.place(tag);
        // Ends: at least half of the slots are free.
        loop {
            let slot = self.slots[place];
            let number = (slot as u32).wrapping_sub(1);
            match slot {
                0 => return Err(place),
                _ if slot & TAG == tag && is_right(number) => return Ok(number),
                _ => place = (place + 1) & (self.slots.len() - 1),
            }
        }
    }

    fn grow(&mut self) {
        let larger = free(2 * self.slots.len());
        for slot in std::mem::replace(&mut self.slots, larger).into_iter().filter(|&slot| slot != 0) {
            let mut place = self.place(slot & TAG);
            while self.slots[place] != 0 {
                place = (place + 1) & (self.slots.len() - 1);
            }
            self.slots[place] = slot;
        }
    }

    fn tag(&self, hash: u64) -> u64 {
        let product = u128::from(self.secret ^ hash) * 0x9e37_79b9_7f4a_7c15;
        (product as u64 ^ (product >> 64) as u64) & TAG
    }

    fn place(&self, tag: u64) -> usize {
        (tag >> (64 - self.slots.len().ilog2())) as usize
    }
}

fn free(slots: usize) -> Vec<u64> {
    let mut free = Vec::with_capacity(slots);
    memory::prefer_huge_pages(&mut free);
    free.resize(slots, 0);
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_has_the_number_that_came_first() {
        let hashes: Vec<u64> = (0..5000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let mut known = Known::with_room(0);
        let hash_of = |number: u32| hashes[number as usize];
        for (&hash, number) in hashes.iter().zip(0..) {
            assert_eq!(known.guess(hash).filter(|&found| hash_of(found) == hash), None);
            assert_eq!(known.find_or_add(hash, number, hash_of), None);
            known.prefetch(hash);
        }
        for (&hash, number) in hashes.iter().zip(0..) {
            assert_eq!(known.find_or_add(hash, 9999, hash_of), Some(number));
        }
        assert_eq!((known.used, known.slots.len()), (5000, 16384));
    }

    #[test]
    fn other_hashes_with_the_same_tag_are_told_apart() {
        let mut known = Known::with_room(0);
        let hashes = [7, 8];
        known.find_or_add(7, 0, |number| hashes[number as usize]);
        // As if the tag of 8 were that of 7.
        let tag = known.tag(7);
        assert_eq!(known.find(tag, |number| hashes[number as usize] == 8), Err((known.place(tag) + 1) & 63));
        assert_eq!(known.guess(7), Some(0));
    }
}
