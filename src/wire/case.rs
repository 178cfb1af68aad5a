//! Case folding, eight octets at a time (RFC 4343: ASCII letters alone). Every query pays for it, and names are too short for the
//! wide loops that a compiler makes of the plain one.

/// Bit 7 of each octet that is an ASCII capital; the octets don't touch one another.
#[inline]
fn capitals(octets: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_ne_bytes(octets);
    let low_7 = word & (0x7f * ONES);
    // Bit 7 of an octet is then set if its low seven bits are above `Z`, or at least `A`.
    let above_z = low_7 + (0x7f - b'Z' as u64) * ONES;
    let from_a = low_7 + (0x80 - b'A' as u64) * ONES;
    (from_a ^ above_z) & !word & (0x80 * ONES)
}

/// Each octet that is an ASCII capital becomes small.
#[inline]
fn lower_8(octets: [u8; 8]) -> [u8; 8] {
    (u64::from_ne_bytes(octets) | capitals(octets) >> 2).to_ne_bytes()
}

/// Whether there are ASCII capitals among these octets.
#[inline]
pub fn has_capitals(octets: &[u8]) -> bool {
    let (chunks, rest) = octets.as_chunks::<8>();
    if chunks.iter().any(|chunk| capitals(*chunk) != 0) {
        return true;
    }
    match octets.last_chunk::<8>() {
        // The last eight, some of which have been looked at before.
        Some(last) => capitals(*last) != 0,
        None => rest.iter().any(u8::is_ascii_uppercase),
    }
}

/// Puts the first `len` octets of the buffer in lower case; up to seven behind them may change, too.
#[inline]
pub fn make_lower(buffer: &mut [u8; 256], len: usize) {
    let (chunks, _) = buffer.as_chunks_mut::<8>();
    for chunk in chunks.iter_mut().take(len.div_ceil(8)) {
        *chunk = lower_8(*chunk);
    }
}

/// Whether `any`, put in lower case, is `lower`.
#[inline]
pub fn eq_lower(any: &[u8], lower: &[u8]) -> bool {
    if any.len() != lower.len() {
        return false;
    }
    let (chunks, rest) = any.as_chunks::<8>();
    let (lower_chunks, lower_rest) = lower.as_chunks::<8>();
    if chunks.iter().zip(lower_chunks).any(|(any, lower)| lower_8(*any) != *lower) {
        return false;
    }
    match (any.last_chunk::<8>(), lower.last_chunk::<8>()) {
        // The last eight, some of which have been compared before.
        (Some(any), Some(lower)) => lower_8(*any) == *lower,
        _ => rest.eq_ignore_ascii_case(lower_rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_at_every_place() {
        for octet in 0..=255u8 {
            for place in 0..8 {
                // Neighbours that a carry would change.
                for neighbour in [0, 0x3f, b'A' - 1, b'z' + 1, 0x7f, 0x80, 0xff] {
                    let mut octets = [neighbour; 8];
                    octets[place] = octet;
                    assert_eq!(lower_8(octets), octets.map(|octet| octet.to_ascii_lowercase()));
                    for len in [place + 1, 8, 8 + place + 1] {
                        let longer = &[octets, octets].concat()[..len];
                        assert_eq!(has_capitals(longer), longer.iter().any(u8::is_ascii_uppercase), "{longer:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn all_lengths() {
        let any: Vec<u8> = (0..100).map(|n| b'@' + n % 30).collect();
        for len in 0..any.len() {
            let lower = any[..len].to_ascii_lowercase();
            assert!(eq_lower(&any[..len], &lower));
            assert!(!eq_lower(&any[..len + 1], &lower));
            for place in 0..len {
                let mut other = lower.clone();
                other[place] ^= 1;
                assert!(!eq_lower(&any[..len], &other), "{len} {place}");
            }
            let mut buffer = [b'A'; 256];
            buffer[..len].copy_from_slice(&any[..len]);
            make_lower(&mut buffer, len);
            assert_eq!(buffer[..len], lower);
            assert!(buffer[len.next_multiple_of(8)..].iter().all(|&octet| octet == b'A'));
        }
    }
}
