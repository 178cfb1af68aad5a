//! Names of zones, in the order that pages have them.

use super::codec::{FormatError, Reader};
use crate::wire::name::{self, LABELS_MAX, Name};
use std::cmp::Ordering;
use std::fmt;

/// The name of a zone in lower case. Its order is the canonical one (RFC 4034 section 6.1): labels from the right, so that
/// neighbours in a tree of zones are neighbours in the tree of names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ZoneName(Name);

impl ZoneName {
    /// The name in wire form and lower case.
    pub fn as_wire(&self) -> &[u8] {
        self.0.as_wire()
    }

    /// The label that begins here.
    fn label(&self, start: u8) -> &[u8] {
        let from = &self.as_wire()[usize::from(start)..];
        &from[1..1 + usize::from(from[0])]
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.0
    }

    /// Reads one, which must be in lower case: a name has one spelling.
    pub(super) fn read(from: &mut Reader) -> Result<ZoneName, FormatError> {
        let malformed = |_| FormatError::Invalid("a zone's name is malformed");
        let len = name::wire_len(from.rest()).map_err(malformed)?;
        let wire = from.slice(len)?;
        if wire.iter().any(u8::is_ascii_uppercase) {
            return Err(FormatError::Invalid("a zone's name has letters in upper case"));
        }
        Name::from_wire(wire).map(ZoneName).map_err(malformed)
    }
}

impl From<&Name> for ZoneName {
    fn from(name: &Name) -> ZoneName {
        ZoneName(name.to_lower())
    }
}

impl Ord for ZoneName {
    fn cmp(&self, other: &ZoneName) -> Ordering {
        // Publishers and nodes compare names some twenty times for each zone: where labels begin is kept in as little as that takes.
        let (mut ours, mut theirs) = ([0; LABELS_MAX], [0; LABELS_MAX]);
        let (ours, theirs) = (starts(self, &mut ours), starts(other, &mut theirs));
        let labels = ours.iter().rev().map(|start| self.label(*start));
        labels.cmp(theirs.iter().rev().map(|start| other.label(*start)))
    }
}

impl PartialOrd for ZoneName {
    fn partial_cmp(&self, other: &ZoneName) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where each label begins, its octet of length included. A name has 255 octets at most.
fn starts<'a>(name: &ZoneName, into: &'a mut [u8; LABELS_MAX]) -> &'a [u8] {
    let (mut count, mut start) = (0, 0);
    for (place, label) in into.iter_mut().zip(name::labels(name.as_wire())) {
        *place = start as u8;
        start += 1 + label.len();
        count += 1;
    }
    &into[..count]
}

impl fmt::Display for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list of RFC 4034 section 6.1, its names in lower case.
    #[test]
    fn canonical_order() {
        let text = [
            "example",
            "a.example",
            "yljkjljk.a.example",
            "z.a.example",
            "zabc.a.example",
            "z.example",
            r"\001.z.example",
        ];
        let last = [r"*.z.example", r"\200.z.example"];
        let names: Vec<ZoneName> =
            text.iter().chain(&last).map(|text| ZoneName::from(&text.parse::<Name>().unwrap())).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        assert!(ZoneName::from(&Name::root()) < names[0]);
        assert_eq!(names[3], ZoneName::from(&"Z.a.EXAMPLE".parse::<Name>().unwrap()));
    }

    #[test]
    fn only_lower_case_is_read() {
        let read = |wire: &[u8]| ZoneName::read(&mut Reader::new(wire)).map(|name| name.to_string());
        assert_eq!(read(b"\x01a\0rest").unwrap(), "a.");
        assert_eq!(read(b"\0").unwrap(), ".");
        assert_eq!(read(b"\x01A\0").unwrap_err(), FormatError::Invalid("a zone's name has letters in upper case"));
        assert_eq!(read(b"\xc0\x0c").unwrap_err(), FormatError::Invalid("a zone's name is malformed"));
        assert_eq!(read(b"\x05a").unwrap_err(), FormatError::Invalid("a zone's name is malformed"));
    }
}
