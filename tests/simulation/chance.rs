//! Where all randomness of a run comes from: SplitMix64 (Steele, Lea, Flood 2014) over the run's seed.

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The stream of these numbers: what a thing draws depends on what it is, not on who drew before it. So the fate of a request does not
    /// depend on the order in which requests were made, and one more of them changes no other.
    pub(crate) fn of(parts: &[u64]) -> Chance {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for part in parts {
            chance.0 ^= *part;
            chance.0 = chance.draw();
        }
        chance
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From 0 to one less than this.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// From the first to the last, both included.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub(crate) fn percent(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// A number for a name, for [`Chance::of`].
pub(crate) fn number(name: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes())
}
