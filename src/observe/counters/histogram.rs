//! Histograms of answer sizes and latencies, and what is read off them.

use super::Writers;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A histogram with two buckets an octave. Bucket 0 ends at 2^`FIRST`, the others at 1.5 and 2 times a power of two (ends
/// belong to the bucket, as Prometheus's `le`); the last of the `N` has no end.
pub(super) struct Histogram<const FIRST: u32, const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const FIRST: u32, const N: usize> Histogram<FIRST, N> {
    pub(super) fn new() -> Self {
        Histogram { buckets: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }

    fn bucket(value: u64) -> usize {
        if value <= 1 << FIRST {
            return 0;
        }
        let below = value - 1;
        let octave = below.ilog2();
        let upper_half = (below >> (octave - 1)) & 1;
        ((octave - FIRST) as usize * 2 + upper_half as usize + 1).min(N - 1)
    }

    /// End of each bucket but the last.
    fn ends() -> Vec<u64> {
        (0..N as u32 - 1)
            .map(|i| match (FIRST + i / 2, i % 2) {
                (octave, 0) => 1 << octave,
                (octave, _) => (1 << octave) + (1 << (octave - 1)),
            })
            .collect()
    }

    #[inline]
    pub(super) fn count<W: Writers>(&self, value: u64, n: u64) {
        W::add(&self.buckets[Self::bucket(value)], n);
        W::add(&self.sum, value.wrapping_mul(n));
    }

    /// How many values were counted.
    pub(super) fn total(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    pub(super) fn add_to(&self, total: &mut Distribution) {
        for (sum, bucket) in total.counts.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        total.sum += self.sum.load(Relaxed);
    }

    pub(super) fn empty() -> Distribution {
        Distribution { ends: Self::ends(), counts: vec![0; N], sum: 0 }
    }
}

/// Octets: up to 32, ... up to 65,536.
pub(super) type Sizes = Histogram<5, 24>;
/// Nanoseconds: up to 1,024, ... up to 2^30 (1.07 s), and longer.
pub(super) type Latencies = Histogram<10, 42>;

/// A histogram's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Greatest value of each bucket but the last, which has none.
    pub ends: Vec<u64>,
    /// Values in each bucket, not cumulated; one more than `ends`.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
}

impl Distribution {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_lies_up_to_their_end() {
        let ends = Sizes::ends();
        assert_eq!(ends[..5], [32, 48, 64, 96, 128]);
        assert_eq!(ends.last(), Some(&65536));
        for value in 0..=70_000 {
            let by_ends = ends.iter().position(|end| value <= *end).unwrap_or(ends.len());
            assert_eq!(Sizes::bucket(value), by_ends, "{value}");
        }
        assert_eq!(Latencies::ends().last(), Some(&(1 << 30)));
        assert_eq!(Latencies::bucket(u64::MAX), Latencies::ends().len());
    }
}
