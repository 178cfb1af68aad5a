//! Numbers of things, as people read them.

use std::fmt::Display;

/// `1 zone`, `2 zones`. `thing` is one of them, and makes its plural by rule.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let (stem, end) = match thing.as_bytes() {
        _ if number == N::from(1) => (thing, ""),
        [.., b'x'] => (thing, "es"),
        [.., before, b'y'] if !b"aeiou".contains(before) => (&thing[..thing.len() - 1], "ies"),
        _ => (thing, "s"),
    };
    format!("{number} {stem}{end}")
}

/// The same, for numbers that may be large: `1,234 zones`.
pub(crate) fn many(number: u64, thing: &str) -> String {
    counted(number, thing).replacen(&number.to_string(), &grouped(number), 1)
}

/// `a, b and 3 more`: the first `max` of some names.
pub(crate) fn listed<N: Display>(names: &[N], max: usize) -> String {
    let named = names.iter().take(max).map(N::to_string).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(max) {
        0 => named,
        more => format!("{named} and {} more", grouped(more as u64)),
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, rest) = digits.split_at(first);
    let groups = (0..rest.len()).step_by(3).map(|at| &rest[at..at + 3]);
    [head].into_iter().filter(|head| !head.is_empty()).chain(groups).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_named_and_the_rest_counted() {
        assert_eq!(listed(&["a", "b"], 2), "a, b");
        assert_eq!(listed(&["a", "b", "c"], 2), "a, b and 1 more");
        assert_eq!(listed(&vec!["x"; 2_001], 1), "x and 2,000 more");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, expected) in
            [(0, "0"), (12, "12"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!((many(1, "zone"), many(12_345, "prefix")), ("1 zone".into(), "12,345 prefixes".into()));
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(0, "zone"), "0 zones");
        assert_eq!(counted(1_usize, "prefix"), "1 prefix");
        assert_eq!(counted(2_u64, "prefix"), "2 prefixes");
        assert_eq!(counted(21, "kernel drop"), "21 kernel drops");
        assert_eq!((counted(2, "query"), counted(2, "key")), ("2 queries".into(), "2 keys".into()));
    }
}
