//! The canonical order of names (RFC 4034 section 6.1) as the order of octets.

use crate::wire::name::{self, LABELS_MAX, NAME_LEN_MAX};

/// Most octets of a key: each octet of a name can take two.
const KEY_LEN_MAX: usize = 2 * NAME_LEN_MAX;

/// A name below an apex as octets whose order is the canonical one: labels from the right, in lower case, each with a zero behind it.
/// The octets 0 and 1 take two, so that a label that ends comes before any that goes on. A name's key starts with those of its
/// ancestors.
pub struct OrderKey {
    octets: [u8; KEY_LEN_MAX],
    len: usize,
}

impl OrderKey {
    /// The key of a name without its apex and without the root's zero. Of malformed ones, of what of it is a name.
    pub fn new(relative: &[u8]) -> OrderKey {
        let mut key = OrderKey { octets: [0; KEY_LEN_MAX], len: 0 };
        // Where labels start: at most at octet 254.
        let mut starts = [0u8; LABELS_MAX];
        let (mut count, mut at) = (0, 0);
        for label in name::labels(relative).take(LABELS_MAX) {
            starts[count] = at as u8;
            count += 1;
            at += 1 + label.len();
        }
        for start in starts[..count].iter().rev() {
            key.push_label(name::labels(&relative[*start as usize..]).next().unwrap_or_default());
        }
        key
    }

    /// Makes it the key of a child. Ends where no name goes on.
    pub fn push_label(&mut self, label: &[u8]) {
        for octet in label.iter().map(u8::to_ascii_lowercase) {
            if octet <= 1 {
                self.push(1);
                self.push(octet + 1);
            } else {
                self.push(octet);
            }
        }
        self.push(0);
    }

    fn push(&mut self, octet: u8) {
        if let Some(free) = self.octets.get_mut(self.len) {
            *free = octet;
            self.len += 1;
        }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    /// The example of RFC 4034 section 6.1, and what is not in it: empty octets, and a label that is the start of another.
    #[test]
    fn keys_are_in_canonical_order() {
        let names = [
            "",
            "a",
            "yljkjljk.a",
            "Z.a",
            "zABC.a.EXAMPLE",
            "z.example",
            "\\001.z.example",
            "*.z.example",
            "\\200.z.example",
            "ab",
            "ab\\000",
            "ab\\000\\000",
            "x.ab\\000",
            "ab\\001",
            "ab\\002",
            "abc",
        ];
        let mut sorted: Vec<&str> = names.to_vec();
        sorted.sort_by_key(|text| {
            let mut labels: Vec<Vec<u8>> = match *text {
                "" => Vec::new(),
                text => name::labels(text.parse::<Name>().unwrap().as_wire()).map(|l| l.to_ascii_lowercase()).collect(),
            };
            labels.reverse();
            labels
        });
        let key = |text: &str| match text {
            "" => OrderKey::new(b""),
            text => OrderKey::new(text.parse::<Name>().unwrap().as_wire()),
        };
        for pair in sorted.windows(2) {
            assert!(key(pair[0]).as_bytes() < key(pair[1]).as_bytes(), "{pair:?}");
        }
        assert!(key("x.ab").as_bytes().starts_with(key("AB").as_bytes()));
    }

    #[test]
    fn the_longest_name_has_a_key() {
        let label = "\\000".repeat(62);
        let name: Name = format!("{label}.{label}.{label}.{label}").parse().unwrap();
        assert_eq!(OrderKey::new(name.as_wire()).as_bytes().len(), 4 * (2 * 62 + 1));
    }
}
