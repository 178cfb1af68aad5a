//! What differs between two versions of a zone: the records that are gone, and those that are new.

use super::image::{Image, ImageError};
use super::order::OrderKey;
use super::records::{Record, Records};
use crate::wire::code::rtype::SOA;
use std::cmp::Ordering;
use std::ops::Range;

/// Whether a record is gone or new. A record that has but another TTL is gone and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Only the old version has it.
    Removed,
    /// Only the new version has it.
    Added,
}

/// One record that only one of the versions has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Which.
    pub side: Side,
    /// In wire form, case as written.
    pub owner: &'a [u8],
    /// RR type.
    pub rtype: u16,
    /// Seconds.
    pub ttl_secs: u32,
    /// In wire form.
    pub rdata: &'a [u8],
}

/// Calls `each` with all changes: names in canonical order, at a name by type, the SOA first. `None` is a zone that is not there.
pub fn diff(old: Option<&Image>, new: Option<&Image>, each: impl FnMut(Change)) -> Result<(), ImageError> {
    if let (Some(old), Some(new)) = (old, new)
        && old.digest() == new.digest()
    {
        return Ok(());
    }
    let records = |image: Option<&Image>| image.map_or(Ok(Records::default()), Image::to_records);
    diff_records(records(old)?, records(new)?, each);
    Ok(())
}

/// The same of two versions as [`Image::to_records`] gives them.
pub fn diff_records(old: Records, new: Records, mut each: impl FnMut(Change)) {
    let (old, new) = (Names::new(old), Names::new(new));
    let (mut a, mut b) = (0, 0);
    loop {
        let order = match (old.list.get(a), new.list.get(b)) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.0.cmp(&new.0),
        };
        let (gone, come) = (order.is_le(), order.is_ge());
        let before = if gone { old.sorted(a) } else { Vec::new() };
        let after = if come { new.sorted(b) } else { Vec::new() };
        merge(&before, &after, &mut each);
        (a, b) = (a + usize::from(gone), b + usize::from(come));
    }
}

/// Two sorted lists of records of one name.
fn merge(old: &[Key], new: &[Key], each: &mut impl FnMut(Change)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let (side, key) = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(a), Some(b)) if a == b => {
                old.next();
                new.next();
                continue;
            }
            // Of the same data with another TTL the old one comes first.
            (Some(a), Some(b)) if (b.0, b.1, b.2) < (a.0, a.1, a.2) => (Side::Added, new.next()),
            (Some(_), _) => (Side::Removed, old.next()),
            (None, Some(_)) => (Side::Added, new.next()),
        };
        if let Some(&(_, rtype, rdata, ttl_secs, owner)) = key {
            each(Change { side, owner, rtype, ttl_secs, rdata });
        }
    }
}

/// What a record of a name is sorted by: whether it is no SOA, type, RDATA, TTL, owner as written.
type Key<'a> = (bool, u16, &'a [u8], u32, &'a [u8]);

/// The names of a version in canonical order, whatever their case.
struct Names {
    records: Records,
    list: Vec<(Vec<u8>, Range<usize>)>,
}

impl Names {
    /// The records of an image are in canonical order already.
    fn new(records: Records) -> Names {
        let mut list: Vec<(Vec<u8>, Range<usize>)> = Vec::new();
        let mut last: &[u8] = &[];
        for (index, item) in records.items().iter().enumerate() {
            let owner = records.owner_of(item);
            match list.last_mut() {
                Some((_, range)) if owner.eq_ignore_ascii_case(last) => range.end = index + 1,
                _ => list.push((OrderKey::new(&owner[..owner.len() - 1]).as_bytes().to_vec(), index..index + 1)),
            }
            last = owner;
        }
        Names { records, list }
    }

    fn sorted(&self, name: usize) -> Vec<Key<'_>> {
        let key = |record: Record| -> (bool, u16, &[u8], u32, &[u8]) {
            let (owner, rdata) = (self.records.owner(&record), self.records.rdata(&record));
            (record.rtype != SOA, record.rtype, rdata, record.ttl_secs, owner)
        };
        let mut keys: Vec<Key> = self.records.all(&self.records.items()[self.list[name].1.clone()]).map(key).collect();
        keys.sort_unstable();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::compile::compile;
    use crate::zone::dump::write_record;
    use crate::zone::parse::{Options, parse_text};

    fn image(text: &str) -> Image {
        let apex = "example".parse().unwrap();
        let parsed = parse_text("t", text, &apex, &Options::default());
        compile(&apex, &parsed.records).0.unwrap_or_else(|| panic!("{text}"))
    }

    fn lines(old: Option<&Image>, new: Option<&Image>) -> String {
        let mut text = String::new();
        diff(old, new, |change| {
            text.push(if change.side == Side::Added { '+' } else { '-' });
            write_record(change.owner, change.rtype, change.ttl_secs, change.rdata, &mut text);
        })
        .unwrap();
        text.replace('\t', " ")
    }

    #[test]
    fn records_that_one_version_has() {
        let old =
            "$TTL 60\n@ SOA . . 1 1 1 1 1\n@ NS ns.other.\na A 192.0.2.1\na A 192.0.2.2\nb.a TXT x\nz A 192.0.2.1\n";
        let new = "$TTL 60\n@ SOA . . 2 1 1 1 1\n@ NS ns.other.\na A 192.0.2.3\na A 192.0.2.2\nZ A 192.0.2.1\nb.a 5 TXT x\nc TXT y\n";
        let (old, new) = (image(old), image(new));
        assert_eq!(
            lines(Some(&old), Some(&new)),
            "-example. 60 IN SOA . . 1 1 1 1 1\n+example. 60 IN SOA . . 2 1 1 1 1\n-a.example. 60 IN A 192.0.2.1\n\
             +a.example. 60 IN A 192.0.2.3\n-b.a.example. 60 IN TXT \"x\"\n+b.a.example. 5 IN TXT \"x\"\n\
             +c.example. 60 IN TXT \"y\"\n-z.example. 60 IN A 192.0.2.1\n+Z.example. 60 IN A 192.0.2.1\n"
        );
        assert_eq!(lines(Some(&old), Some(&old)), "");
        assert_eq!(lines(Some(&old), None).matches("\n-").count(), 5);
        assert_eq!(lines(None, Some(&old)).lines().next(), Some("+example. 60 IN SOA . . 1 1 1 1 1"));
        assert_eq!(lines(None, None), "");
    }
}
