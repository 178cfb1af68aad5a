//! Numbers of things, as people read them.

use std::fmt::Display;

/// `1 zone`, `2 zones`. `thing` is one of them, and makes its plural by rule.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let end = match thing.as_bytes() {
        _ if number == N::from(1) => "",
        [.., b'x'] => "es",
        _ => "s",
    };
    format!("{number} {thing}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(0, "zone"), "0 zones");
        assert_eq!(counted(1_usize, "prefix"), "1 prefix");
        assert_eq!(counted(2_u64, "prefix"), "2 prefixes");
        assert_eq!(counted(21, "kernel drop"), "21 kernel drops");
    }
}
