//! The names of a zone in canonical order (RFC 4034 section 6.1), with empty non-terminals, and what is authoritative of them.
//!
//! In this order all that is below a name follows it: one walk finds out what a delegation or DNAME hides, and which names between
//! an owner and the apex own nothing themselves.

use crate::wire::code::rtype::{DNAME, DS, NS, NSEC3, RRSIG};
use crate::wire::name::{self, Name};
use crate::wire::rdata;
use crate::zone::order::OrderKey;
use crate::zone::records::{Record, Records};
use std::borrow::Cow;
use std::ops::Range;

/// All names of a zone.
pub(super) struct Order<'a> {
    pub(super) apex: &'a Name,
    pub(super) owners: Vec<Owner<'a>>,
    records: &'a Records,
    /// The records, by owner.
    grouped: Vec<Record>,
}

/// One name.
pub(super) struct Owner<'a> {
    /// In wire form, as its first record spells it.
    pub(super) name: &'a [u8],
    pub(super) kind: Kind,
    grouped: Range<usize>,
}

/// What a name is to the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its records are the zone's own.
    Authoritative,
    /// A delegation: DS and NSEC are the zone's own.
    Cut {
        /// Whether it has DS records.
        is_secure: bool,
    },
    /// A hash of the NSEC3 chain: it has nothing but NSEC3 and its signatures.
    Hash,
    /// No records, but names below.
    Empty,
    /// Below a cut or DNAME.
    Hidden,
}

/// The records of one type at one name.
pub(super) struct Rrset<'a> {
    pub(super) rtype: u16,
    /// The smallest: what is served.
    pub(super) ttl_secs: u32,
    /// In the order of the text.
    pub(super) records: Vec<&'a Record>,
    /// Canonical RDATA in canonical order, no two equal (RFC 4034 section 6.3).
    pub(super) data: Vec<Cow<'a, [u8]>>,
}

impl<'a> Order<'a> {
    /// `None`: there are owners outside the zone, or none at the apex, which others tell of.
    pub(super) fn new(apex: &'a Name, records: &'a Records) -> Option<Order<'a>> {
        // Records mostly follow others of their owner: each run of them has one key.
        let mut runs: Vec<(Vec<u8>, Range<usize>)> = Vec::new();
        let mut last: &[u8] = &[];
        let items = records.items();
        for (index, item) in items.iter().enumerate() {
            let owner = records.owner_of(item);
            match runs.last_mut() {
                Some((_, run)) if std::ptr::eq(owner, last) => run.end = index + 1,
                _ if !name::is_at_or_below(owner, apex.as_wire()) => return None,
                _ => {
                    let relative = &owner[..owner.len() - apex.as_wire().len()];
                    runs.push((OrderKey::new(relative).as_bytes().to_vec(), index..index + 1));
                }
            }
            last = owner;
        }
        runs.sort_by(|a, b| a.0.cmp(&b.0));
        let mut order = Order { apex, owners: Vec::new(), records, grouped: Vec::with_capacity(records.len()) };
        // The highest name above the ones that follow which hides them.
        let mut hidden_by: Option<&[u8]> = None;
        let mut previous: &[u8] = apex.as_wire();
        for same in runs.chunk_by(|a, b| a.0 == b.0) {
            let from = order.grouped.len();
            order.grouped.extend(same.iter().flat_map(|(_, run)| records.all(&items[run.clone()])));
            let name = records.owner_of(&items[same[0].1.start]);
            let grouped = from..order.grouped.len();
            hidden_by = hidden_by.filter(|above| name::is_at_or_below(name, above));
            let kind = order.kind(name, grouped.clone(), hidden_by.is_some());
            if kind != Kind::Hidden {
                order.add_empty(name, previous);
            }
            let hides = order.has(&grouped, DNAME) || matches!(kind, Kind::Cut { .. });
            if hidden_by.is_none() && hides {
                hidden_by = Some(name);
            }
            order.owners.push(Owner { name, kind, grouped });
            previous = name;
        }
        order.owners.first().is_some_and(|first| first.name.len() == apex.as_wire().len()).then_some(order)
    }

    fn kind(&self, name: &[u8], grouped: Range<usize>, is_below: bool) -> Kind {
        let has = |rtype| self.has(&grouped, rtype);
        let is_apex = name.len() == self.apex.as_wire().len();
        if has(NSEC3) && self.at(&grouped).all(|record| matches!(record.rtype, NSEC3 | RRSIG)) {
            // They stand below the apex even where that has a DNAME.
            return Kind::Hash;
        }
        match () {
            () if is_below => Kind::Hidden,
            () if has(NS) && !is_apex => Kind::Cut { is_secure: has(DS) },
            () => Kind::Authoritative,
        }
    }

    /// Adds the names between the apex and `name` that come first here: those that the name before is not below.
    fn add_empty(&mut self, name: &'a [u8], previous: &[u8]) {
        let first = self.owners.len();
        let mut above = name;
        while above.len() > self.apex.as_wire().len() {
            above = &above[1 + above[0] as usize..];
            if name::is_at_or_below(previous, above) {
                break;
            }
            self.owners.push(Owner { name: above, kind: Kind::Empty, grouped: 0..0 });
        }
        self.owners[first..].reverse();
    }

    fn at(&self, grouped: &Range<usize>) -> std::slice::Iter<'_, Record> {
        self.grouped[grouped.clone()].iter()
    }

    fn has(&self, grouped: &Range<usize>, rtype: u16) -> bool {
        self.at(grouped).any(|record| record.rtype == rtype)
    }

    /// The apex.
    pub(super) fn top(&self) -> &Owner<'a> {
        &self.owners[0]
    }

    /// The records of a name, in the order of the text.
    pub(super) fn records_of(&self, owner: &Owner) -> std::slice::Iter<'_, Record> {
        self.at(&owner.grouped)
    }

    /// The data of a record, as written.
    pub(super) fn data(&self, record: &Record) -> &'a [u8] {
        self.records.rdata(record)
    }

    /// The RRsets of a name, by type.
    pub(super) fn rrsets<'s>(&'s self, owner: &Owner) -> Vec<Rrset<'s>> {
        let mut records: Vec<&Record> = self.at(&owner.grouped).collect();
        // Stable: within a type they stay in the order of the text.
        records.sort_by_key(|record| record.rtype);
        let rrset = |records: &[&'s Record]| {
            let rtype = records[0].rtype;
            let mut data: Vec<_> = records.iter().map(|record| rdata::canonical(rtype, self.data(record))).collect();
            data.sort();
            data.dedup();
            let ttl_secs = records.iter().map(|record| record.ttl_secs).min().unwrap_or_default();
            Rrset { rtype, ttl_secs, records: records.to_vec(), data }
        };
        records.chunk_by(|a, b| a.rtype == b.rtype).map(rrset).collect()
    }

    /// The RRset of one type.
    pub(super) fn rrset(&self, owner: &Owner, rtype: u16) -> Option<Rrset<'_>> {
        self.has(&owner.grouped, rtype).then(|| self.rrsets(owner).into_iter().find(|set| set.rtype == rtype))?
    }
}

impl Kind {
    /// Whether records of this type at such a name are the zone's own word.
    pub(super) fn is_authoritative(self, rtype: u16) -> bool {
        match self {
            Kind::Authoritative | Kind::Hash => true,
            // RFC 4035 section 2.2.
            Kind::Cut { .. } => matches!(rtype, DS | crate::wire::code::rtype::NSEC),
            Kind::Empty | Kind::Hidden => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Text;
    use crate::zone::parse::{Options, parse_text};

    #[test]
    fn names_in_canonical_order_and_what_they_are() {
        let text = "$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS a.b\nZ A 192.0.2.1\na.b A 192.0.2.1\n*.z TXT x\nd.c.y.B TXT x\n\
                    cut NS ns.cut\nns.cut A 192.0.2.1\nns.x.cut TXT x\nsec NS .\nsec DS 1 8 1 0000000000000000000000000000000000000000\n\
                    dn DNAME .\nbelow.dn A 192.0.2.1\nz TXT y\ncuta A 192.0.2.1\n\\001.z TXT x\n";
        let apex = "example".parse().unwrap();
        let parsed = parse_text("t", text, &apex, &Options::default());
        assert!(!parsed.has_errors());
        let order = Order::new(&apex, &parsed.records).unwrap();
        let lines: Vec<String> = order
            .owners
            .iter()
            .map(|owner| format!("{} {:?} {}", Text(owner.name), owner.kind, order.records_of(owner).count()))
            .collect();
        assert_eq!(
            lines,
            [
                "example. Authoritative 2",
                "b.example. Empty 0",
                "a.b.example. Authoritative 1",
                "y.B.example. Empty 0",
                "c.y.B.example. Empty 0",
                "d.c.y.B.example. Authoritative 1",
                "cut.example. Cut { is_secure: false } 1",
                "ns.cut.example. Hidden 1",
                "ns.x.cut.example. Hidden 1",
                "cuta.example. Authoritative 1",
                "dn.example. Authoritative 1",
                "below.dn.example. Hidden 1",
                "sec.example. Cut { is_secure: true } 2",
                "Z.example. Authoritative 2",
                "\\001.z.example. Authoritative 1",
                "*.z.example. Authoritative 1",
            ]
        );
        assert!(Order::new(&"other".parse().unwrap(), &parsed.records).is_none());
    }
}
