//! A signed zone as its records are: names, RRsets with their signatures, and what denies.

use crate::record::{DNAME, DS, NS, NSEC, NSEC3, NSEC3PARAM, Name, RRSIG, Record, SOA, child, wire};
use ring::digest;
use std::collections::BTreeMap;

/// Records of one name and type, and the signatures that cover them.
#[derive(Debug, Default)]
pub(crate) struct Rrset {
    pub(crate) records: Vec<Record>,
    pub(crate) signatures: Vec<Record>,
}

/// What denies that something exists.
enum Denial {
    /// Nothing: the zone is not signed.
    None,
    /// NSEC records, at their nodes.
    Nsec,
    /// NSEC3 records by their hash (base32hex keeps the order of what it encodes).
    Nsec3 { salt: Vec<u8>, iterations: u16, chain: BTreeMap<Vec<u8>, Rrset> },
}

/// One zone.
pub(crate) struct Zone {
    pub(crate) apex: Name,
    pub(crate) nodes: BTreeMap<Name, BTreeMap<u16, Rrset>>,
    denial: Denial,
}

/// Where the search for a name in a zone ends (RFC 1034 section 4.3.2, RFC 6672 section 3.2).
pub(crate) enum Found {
    /// At or below a cut.
    Cut(Name),
    /// Below a DNAME.
    Dname(Name),
    /// The name exists.
    Name,
    /// It does not, but a wildcard at its closest encloser does.
    Wildcard { encloser: Name, wildcard: Name },
    /// It does not.
    Nothing { encloser: Name },
}

/// Owners of the records that prove something. `None`: the zone can't prove it.
pub(crate) type Proof<'z> = Option<Vec<&'z Rrset>>;

impl Zone {
    /// Of all records of a zone.
    pub(crate) fn new(records: Vec<Record>) -> Zone {
        let apex = records.iter().find(|record| record.rtype == SOA).expect("a zone has a SOA record").owner.clone();
        let mut nodes = BTreeMap::<Name, BTreeMap<u16, Rrset>>::new();
        for record in records {
            let rtype = record.covered().unwrap_or(record.rtype);
            let rrset = nodes.entry(record.owner.clone()).or_default().entry(rtype).or_default();
            if record.rtype == RRSIG { &mut rrset.signatures } else { &mut rrset.records }.push(record);
        }
        // NSEC3 records lie beside the names: nobody finds one by asking for its owner (RFC 5155 section 7.2.8).
        let hashed: Vec<Name> =
            nodes.iter().filter(|(_, types)| types.contains_key(&NSEC3)).map(|(name, _)| name.clone()).collect();
        let chain = hashed.into_iter().map(|name| {
            let mut types = nodes.remove(&name).unwrap();
            (name.last().unwrap().clone(), types.remove(&NSEC3).unwrap())
        });
        let chain: BTreeMap<_, _> = chain.collect();
        let denial = match nodes[&apex].get(&NSEC3PARAM).map(|rrset| &rrset.records[0].rdata[..]) {
            Some(&[_, _, high, low, len, ref salt @ ..]) => {
                assert_eq!(salt.len(), usize::from(len));
                Denial::Nsec3 { salt: salt.to_vec(), iterations: u16::from_be_bytes([high, low]), chain }
            }
            _ if nodes[&apex].contains_key(&NSEC) => Denial::Nsec,
            _ => Denial::None,
        };
        Zone { apex, nodes, denial }
    }

    /// Whether a name or one below it has records.
    pub(crate) fn exists(&self, name: &Name) -> bool {
        self.nodes.range(name.clone()..).next().is_some_and(|(next, _)| next.starts_with(name))
    }

    /// The RRset of a name and type.
    pub(crate) fn rrset(&self, name: &Name, rtype: u16) -> Option<&Rrset> {
        self.nodes.get(name)?.get(&rtype).filter(|rrset| !rrset.records.is_empty())
    }

    /// Looks for a name at or below the apex.
    pub(crate) fn find(&self, name: &Name, qtype: u16) -> Found {
        for len in self.apex.len()..=name.len() {
            let at = name[..len].to_vec();
            let is_last = len == name.len();
            // The parent's side of a cut answers for DS (RFC 4035 section 3.1.4.1).
            if len > self.apex.len() && self.rrset(&at, NS).is_some() && !(is_last && qtype == DS) {
                return Found::Cut(at);
            }
            if !is_last && self.rrset(&at, DNAME).is_some() {
                return Found::Dname(at);
            }
            if !self.exists(&at) {
                let encloser = name[..len - 1].to_vec();
                let wildcard = child(&encloser, b"*");
                return match self.exists(&wildcard) {
                    true => Found::Wildcard { encloser, wildcard },
                    false => Found::Nothing { encloser },
                };
            }
        }
        Found::Name
    }

    /// No such type at a name that exists (RFC 4035 section 3.1.3.1, RFC 5155 sections 7.2.3 and 7.2.4).
    pub(crate) fn no_type(&self, name: &Name) -> Proof<'_> {
        match &self.denial {
            Denial::None => Some(Vec::new()),
            // An empty non-terminal has no record of its own: what covers it says that there is something below it.
            Denial::Nsec => Some(vec![self.nsec(name)?]),
            Denial::Nsec3 { .. } => match self.matching(name) {
                Some(matching) => Some(vec![matching]),
                // Opted out: the closest provable encloser, and that there is nothing signed on the way.
                None => self.closest_encloser(name),
            },
        }
    }

    /// No such name (RFC 4035 section 3.1.3.2, RFC 5155 section 7.2.2).
    pub(crate) fn no_name(&self, name: &Name, encloser: &Name) -> Proof<'_> {
        match &self.denial {
            Denial::None => Some(Vec::new()),
            Denial::Nsec => Some(vec![self.covering_nsec(name)?, self.covering_nsec(&child(encloser, b"*"))?]),
            Denial::Nsec3 { .. } => {
                let mut proof = self.closest_encloser(name)?;
                proof.push(self.covering(&child(&self.provable(name)?, b"*"))?);
                Some(proof)
            }
        }
    }

    /// The name itself does not exist, so that a wildcard answers for it (RFC 4035 section 3.1.3.3, RFC 5155 section 7.2.6).
    pub(crate) fn expanded(&self, name: &Name, encloser: &Name) -> Proof<'_> {
        match &self.denial {
            Denial::None => Some(Vec::new()),
            Denial::Nsec => Some(vec![self.covering_nsec(name)?]),
            // That the encloser exists, the number of labels in the signature says.
            Denial::Nsec3 { .. } => Some(vec![self.covering(&name[..=encloser.len()].to_vec())?]),
        }
    }

    /// A wildcard has no such type (RFC 4035 section 3.1.3.4, RFC 5155 section 7.2.5).
    pub(crate) fn no_wildcard_type(&self, name: &Name, encloser: &Name, wildcard: &Name) -> Proof<'_> {
        let mut proof = match &self.denial {
            Denial::Nsec3 { .. } => vec![self.matching(encloser)?],
            _ => Vec::new(),
        };
        proof.extend(self.expanded(name, encloser)?);
        proof.extend(match &self.denial {
            Denial::Nsec3 { .. } => vec![self.matching(wildcard)?],
            _ => self.no_type(wildcard)?,
        });
        Some(proof)
    }

    /// The NSEC record at a name or before it.
    fn nsec(&self, name: &Name) -> Option<&Rrset> {
        self.nodes.range(..=name.clone()).rev().find_map(|(_, types)| types.get(&NSEC))
    }

    fn covering_nsec(&self, name: &Name) -> Option<&Rrset> {
        let nsec = self.nsec(name)?;
        (nsec.records[0].owner != *name).then_some(nsec)
    }

    /// The closest encloser of a name that has an NSEC3 record.
    fn provable(&self, name: &Name) -> Option<Name> {
        let lengths = (self.apex.len()..name.len()).rev();
        lengths.map(|len| name[..len].to_vec()).find(|above| self.matching(above).is_some())
    }

    /// RFC 5155 section 7.2.1.
    fn closest_encloser(&self, name: &Name) -> Proof<'_> {
        let encloser = self.provable(name)?;
        let next_closer = name[..=encloser.len()].to_vec();
        Some(vec![self.matching(&encloser)?, self.covering(&next_closer)?])
    }

    fn matching(&self, name: &Name) -> Option<&Rrset> {
        let Denial::Nsec3 { chain, .. } = &self.denial else { return None };
        chain.get(&self.hash(name))
    }

    fn covering(&self, name: &Name) -> Option<&Rrset> {
        let Denial::Nsec3 { chain, .. } = &self.denial else { return None };
        let hash = self.hash(name);
        let before = chain.range(..hash.clone()).next_back().or_else(|| chain.last_key_value())?;
        (!chain.contains_key(&hash)).then_some(before.1)
    }

    /// RFC 5155 section 5, in base32hex.
    fn hash(&self, name: &Name) -> Vec<u8> {
        let Denial::Nsec3 { salt, iterations, .. } = &self.denial else { return Vec::new() };
        let mut octets = wire(name);
        for _ in 0..=*iterations {
            octets.extend_from_slice(salt);
            octets = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &octets).as_ref().to_vec();
        }
        base32hex(&octets)
    }

    /// Whether a name that exists has no NSEC3 record in a zone that has such records.
    pub(crate) fn is_opted_out(&self, name: &Name) -> bool {
        matches!(self.denial, Denial::Nsec3 { .. }) && self.matching(name).is_none()
    }

    /// Whether the owner of an NSEC3 record is above a name.
    pub(crate) fn hashed_above(&self, name: &Name) -> bool {
        let Denial::Nsec3 { chain, .. } = &self.denial else { return false };
        name.len() > self.apex.len() + 1 && chain.contains_key(&name[self.apex.len()])
    }

    /// Owners of NSEC3 records.
    pub(crate) fn hashed_names(&self) -> Vec<Name> {
        let Denial::Nsec3 { chain, .. } = &self.denial else { return Vec::new() };
        chain.keys().map(|label| child(&self.apex, label)).collect()
    }
}

/// Of whole groups of five octets (RFC 4648 section 7), in lower case.
fn base32hex(octets: &[u8]) -> Vec<u8> {
    let group = |five: &[u8]| {
        let number = five.iter().fold(0_u64, |number, octet| number << 8 | u64::from(*octet));
        (0..8).rev().map(move |at| b"0123456789abcdefghijklmnopqrstuv"[(number >> (5 * at)) as usize & 31])
    };
    octets.chunks(5).flat_map(group).collect()
}
