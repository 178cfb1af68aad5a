//! Work on a large zone, spread over all cores.

use std::ops::Range;
use std::sync::OnceLock;

/// How many threads may work on large zones.
pub(crate) fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    // Asking takes longer than reading a small zone.
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()))
}

/// Cuts `0..len` into a part for each core and works on all of them at once. Gives what came of them, in their order.
pub(crate) fn in_parts<T: Send>(cores: usize, len: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    each(parts(cores, len), work)
}

/// The parts that `0..len` is cut into, by their order.
pub(crate) fn parts(cores: usize, len: usize) -> Vec<Range<usize>> {
    let cores = cores.clamp(1, len.max(1));
    (0..cores).map(|number| number * len / cores..(number + 1) * len / cores).collect()
}

/// Works on all of these at once. Gives what came of them, in their order.
pub(crate) fn each<P: Send, T: Send>(parts: Vec<P>, work: impl Fn(P) -> T + Sync) -> Vec<T> {
    if parts.len() == 1 {
        return parts.into_iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || work(part))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_it_in_order() {
        for (cores, len) in [(1, 0), (3, 0), (1, 5), (2, 5), (5, 5), (8, 5), (3, 1000)] {
            let parts = in_parts(cores, len, |part| part.collect::<Vec<_>>());
            assert!(parts.len() <= cores.max(1));
            assert_eq!(parts.concat(), (0..len).collect::<Vec<_>>(), "{cores} cores, {len}");
        }
    }
}
