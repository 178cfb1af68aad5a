//! Names of hosts and zones.

use catchment::random::Random;

/// A label of `min` to `max` letters and digits, a letter first.
pub(crate) fn label(random: &mut Random, min: usize, max: usize) -> String {
    const SIGNS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let len = min + random.below(max - min + 1);
    (0..len).map(|at| SIGNS[random.below(if at == 0 { 26 } else { 36 })] as char).collect()
}
