//! A parent's DS records beside the keys of its child, where both zones are at hand (RFC 4035 section 5.2).

use super::{algorithm_text, keys};
use crate::wire::code::rtype::{DNSKEY, DS, NS};
use crate::wire::name::Name;
use crate::zone::finding::{Finding, Findings, Part, Severity};
use crate::zone::records::{Record, Records};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a zone says to its parent, and of its children.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::zone) struct Ends {
    /// RDATA of its DNSKEY records.
    pub(in crate::zone) keys: Vec<Vec<u8>>,
    /// By the child's apex in lower case. Those of an unsigned zone are insecure whatever they say, and are not here.
    pub(in crate::zone) delegations: BTreeMap<Name, Delegation>,
}

/// A delegation of a signed zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::zone) struct Delegation {
    /// Its first NS record.
    ns: Place,
    /// Each DS record and its RDATA.
    ds: Vec<(Place, Vec<u8>)>,
}

/// Where a record stands: index of the file, and line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    file: u16,
    line: u32,
}

impl From<&Record> for Place {
    fn from(record: &Record) -> Place {
        Place { file: record.file, line: record.line }
    }
}

impl Ends {
    /// Finds them in a zone of which these are the children, by their names in lower case.
    pub(in crate::zone) fn read(apex: &Name, records: &Records, children: &BTreeSet<Name>) -> Ends {
        let children: BTreeMap<&[u8], &Name> = children.iter().map(|child| (child.as_wire(), child)).collect();
        let mut keys = Vec::new();
        let (mut ns, mut ds) = (BTreeMap::new(), BTreeMap::<&Name, Vec<_>>::new());
        let mut lower = Vec::new();
        for run in records.runs() {
            let owner = records.owner_of(&run[0]);
            if owner.eq_ignore_ascii_case(apex.as_wire()) {
                let own = records.all(run).filter(|record| record.rtype == DNSKEY);
                keys.extend(own.map(|record| records.rdata(&record).to_vec()));
                continue;
            }
            lower.clear();
            // Length octets are no letters.
            lower.extend(owner.iter().map(u8::to_ascii_lowercase));
            let Some(&child) = children.get(&lower[..]) else { continue };
            for record in records.all(run) {
                match record.rtype {
                    NS => drop(ns.entry(child).or_insert(Place::from(&record))),
                    DS => ds.entry(child).or_default().push((Place::from(&record), records.rdata(&record).to_vec())),
                    _ => {}
                }
            }
        }
        if keys.is_empty() {
            return Ends::default();
        }
        // DS records without NS records are told of where the zone itself is judged.
        let delegation =
            |(child, ns): (&Name, Place)| (child.clone(), Delegation { ns, ds: ds.remove(child).unwrap_or_default() });
        Ends { keys, delegations: ns.into_iter().map(delegation).collect() }
    }
}

impl Delegation {
    /// Says what does not fit the keys of the child, the RDATA of its DNSKEY records.
    pub(in crate::zone) fn check(&self, child: &Name, keys: &[Vec<u8>], findings: &mut Findings) {
        let mut add = |severity, Place { file, line }, message, remedy: &str| {
            let (fatal, is_absence, part, remedy) = (false, false, Part::Whole, remedy.into());
            findings.push(Finding { severity, fatal, file, line, part, is_absence, message, remedy });
        };
        let Some((first, _)) = self.ds.first() else {
            if !keys.is_empty() {
                let message = format!("{child} is signed, but has no DS record here");
                let remedy = "add DS records of its key-signing keys: without, nobody validates it";
                add(Severity::Warning, self.ns, message, remedy);
            }
            return;
        };
        if keys.is_empty() {
            let message = format!("{child} has a DS record here, but its zone is not signed");
            let remedy = "remove the DS records, or sign the zone: validators refuse all of it";
            return add(Severity::Error, *first, message, remedy);
        }
        let is_known = |ds: &[u8]| keys.iter().any(|key| keys::is_zone_key(key) && keys::is_about(ds, child, key));
        let unknown: Vec<_> = self.ds.iter().filter(|(_, ds)| !is_known(ds)).collect();
        if unknown.len() == self.ds.len() {
            let message = format!("no DS record of {child} is about a key of its zone");
            let remedy = "make them anew from the keys of the zone: validators refuse all of it";
            return add(Severity::Error, *first, message, remedy);
        }
        for (place, ds) in unknown {
            let which = match ds[..] {
                [t0, t1, algorithm, ..] => {
                    format!("key {} ({})", u16::from_be_bytes([t0, t1]), algorithm_text(algorithm))
                }
                _ => "a key".into(),
            };
            let message = format!("a DS record of {child} is about {which}, which is not in its zone");
            add(Severity::Warning, *place, message, "well if the key is about to be added; else remove the record");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::parse::{Options, parse_text};

    /// The key of RFC 4034 section 5.4, and its digests there and in RFC 4509 section 2.3.
    const KEY: &str = "DNSKEY 256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZ\
                       DRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rl\
                       jwvFw==";
    const SHA1: &str = "DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118";
    const SHA256: &str = "DS 60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A";

    fn ends(apex: &str, lines: &[&str], children: &[&str]) -> Ends {
        let text = format!("$TTL 60\n@ SOA . . 1 2 3 4 5\n@ NS .\n{}\n", lines.join("\n"));
        let apex = apex.parse().unwrap();
        let parsed = parse_text("t", text, &apex, &Options::default());
        assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
        Ends::read(&apex, &parsed.records, &children.iter().map(|child| child.parse().unwrap()).collect())
    }

    /// What is said of the delegation to a child with these keys, by line and severity.
    fn told(parent: &[&str], keys: &[&str]) -> Vec<String> {
        let child: Name = "dskey.example.com".parse().unwrap();
        let child_ends = ends("dskey.example.com", keys, &[]);
        let parent = ends("example.com", parent, &["dskey.example.com"]);
        let mut findings = Findings::default();
        for (name, delegation) in &parent.delegations {
            assert_eq!(*name, child);
            delegation.check(name, &child_ends.keys, &mut findings);
        }
        let told = |f: Finding| format!("{} {:?} {}", f.line, f.severity, f.message);
        findings.finish().into_iter().map(told).collect()
    }

    #[test]
    fn ds_records_and_keys_fit_together() {
        let own_key = format!("@ {KEY}");
        let no_zone_key = own_key.replace("256 3 5", "0 3 5");
        let (own_key, no_zone_key) = (own_key.as_str(), no_zone_key.as_str());
        let (sha1, sha256) = (format!("dsKEY {SHA1}"), format!("dskey {SHA256}"));
        let spoiled = sha256.replace("D4B7", "D4B8");
        let unknown_digest = "dskey DS 60485 5 200 00";
        let other = "dskey DS 1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A";
        let ns = "DSkey NS ns";
        let none = "5 Error no DS record of dskey.example.com. is about a key of its zone";
        for (parent, keys, expected) in [
            (&[own_key, ns, &sha1, &sha256][..], &[own_key][..], &[][..]),
            (&[own_key, ns, unknown_digest], &[own_key], &[]),
            (&[own_key, ns], &[], &[]),
            (&[own_key, ns], &[own_key], &["5 Warning dskey.example.com. is signed, but has no DS record here"]),
            (&[own_key, &spoiled, ns], &[own_key], &[none]),
            (&[own_key, other, ns, &spoiled], &[own_key], &[none]),
            (&[own_key, &sha256, ns], &[no_zone_key], &[none]),
            (
                &[own_key, &sha256, ns],
                &[],
                &["5 Error dskey.example.com. has a DS record here, but its zone is not signed"],
            ),
            (
                &[own_key, ns, &sha256, other],
                &[own_key],
                &[
                    "7 Warning a DS record of dskey.example.com. is about key 1 (ECDSAP256SHA256), which is not in its zone",
                ],
            ),
            // Nobody validates below a parent that is not signed itself, nor where there is no delegation.
            (&[ns, other], &[own_key], &[]),
            (&[own_key, other], &[own_key], &[]),
        ] {
            assert_eq!(told(parent, keys), expected, "{parent:?} {keys:?}");
        }
    }

    #[test]
    fn only_children_are_looked_for() {
        let found =
            ends("example", &[&format!("@ {KEY}"), "a NS .", "b NS .", "c.b NS ."], &["b.example", "x.example"]);
        assert_eq!(found.keys.len(), 1);
        assert_eq!(found.delegations.keys().map(Name::to_string).collect::<Vec<_>>(), ["b.example."]);
    }
}
