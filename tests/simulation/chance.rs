//! Where all randomness of a run comes from: its seed.

use catchment::random::Random;

/// A stream of draws.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Random);

impl Chance {
    /// The stream of these numbers: what a thing draws depends on what it is, not on who drew before it. So the fate of a request does not
    /// depend on the order in which requests were made, and one more of them changes no other.
    pub(crate) fn of(parts: &[u64]) -> Chance {
        let seed = parts.iter().fold(0x9e37_79b9_7f4a_7c15, |seed, part| Random::new(seed ^ part).draw());
        Chance(Random::new(seed))
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0.draw()
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
