//! Serial number arithmetic (RFC 1982): numbers of 32 bits that go round.

/// Whether `a` is before `b`. Of two that are half the circle apart each is before the other: the RFC leaves that undefined, and
/// nobody should count on either (section 3.2).
pub fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_go_round() {
        for (a, b, expected) in [
            (1, 2, true),
            (2, 1, false),
            (7, 7, false),
            (u32::MAX, 0, true),
            (0, u32::MAX, false),
            (0, 0x7FFF_FFFF, true),
            (0x7FFF_FFFF, 0, false),
            (0, 0x8000_0000, true),
            (0x8000_0000, 0, true),
            (2_026_010_101, 1, false),
        ] {
            assert_eq!(is_before(a, b), expected, "{a} {b}");
        }
    }
}
