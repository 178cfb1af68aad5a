//! What the RFCs ask for: the response to a question as sets of records, found out slowly, from the records of the zones alone.

use crate::record::{A, AAAA, ANY, CNAME, DNAME, DS, NS, NSEC, NSEC3, Name, RRSIG, Record, SOA, labels, wire};
use crate::zone::{Found, Proof, Rrset, Zone};
use std::collections::BTreeSet;

/// Aliases that are followed. Longer chains, and those without end, are the unsigned comparison's affair.
pub(crate) const ALIASES_MAX: usize = 8;

/// What happens where an alias leads out of the question's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    /// Back to step 1, the search for a zone (RFC 1034 section 4.3.2).
    AcrossZones,
    /// The zone of the question answers as if it were the only one.
    InZone,
    /// The response ends with the alias.
    Ends,
}

/// A question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Lower case.
    pub(crate) name: Name,
    pub(crate) qtype: u16,
    /// DO.
    pub(crate) dnssec_ok: bool,
}

/// What a response has in it that not everybody does alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Note {
    /// A wildcard without records of its own answers: there are names below it.
    EmptyWildcard,
    /// An alias is asked for a type of DNSSEC that it does not have.
    AliasAskedForDnssec,
    /// A cut is asked for NSEC, which the parent has.
    NsecAtCut,
    /// ANY below a DNAME.
    AnyBelowDname,
    /// A wildcard answers for a name that has an asterisk of its own.
    AsteriskExpanded,
    /// A wildcard answers a question for NSEC.
    NsecExpanded,
    /// A wildcard does not have the type.
    NoWildcardType,
    /// A wildcard's own name does not have the type.
    NoTypeAtAsterisk,
    /// A wildcard answers for a name that a DNAME led to.
    ExpandedBehindDname,
    /// A name below the owner of an NSEC3 record.
    BelowHashed,
    /// A name below an empty non-terminal that Opt-Out leaves without an NSEC3 record.
    BelowOptedOut,
}

/// The response that is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) rcode: u16,
    pub(crate) authoritative: bool,
    pub(crate) answer: BTreeSet<Record>,
    pub(crate) authority: BTreeSet<Record>,
    /// Must be in the additional section.
    pub(crate) glue: BTreeSet<Record>,
    /// Some of `answer` is enough: ANY (RFC 8482), and RRSIG, which nothing says more about.
    pub(crate) is_part_enough: bool,
    /// The zone can't prove what is to be proved.
    pub(crate) is_unprovable: bool,
    pub(crate) notes: BTreeSet<Note>,
}

/// All zones that are served.
pub(crate) struct World<'z>(pub(crate) Vec<&'z Zone>);

impl<'z> World<'z> {
    /// The zone that answers: the closest; for DS of an apex the parent, if that is here.
    pub(crate) fn zone_of(&self, name: &Name, qtype: u16) -> Option<&'z Zone> {
        let closest = |is_strict: bool| {
            let is_above = |zone: &&&Zone| name.starts_with(&zone.apex) && !(is_strict && *name == zone.apex);
            self.0.iter().filter(is_above).max_by_key(|zone| zone.apex.len()).copied()
        };
        closest(qtype == DS).or_else(|| closest(false))
    }

    /// The response to a question; `None` for a chain of aliases that is too long.
    pub(crate) fn respond(&self, question: &Question, chain: Chain) -> Option<Expected> {
        let Some(mut zone) = self.zone_of(&question.name, question.qtype) else {
            return Some(Expected { rcode: 5, ..Expected::default() });
        };
        let first = zone;
        let mut response = Responder { question, expected: Expected::default(), zone };
        let mut name = question.name.clone();
        for aliases in 0..=ALIASES_MAX {
            response.zone = zone;
            let Some(next) = response.step(&name, aliases == 0) else { return Some(response.expected) };
            name = next;
            zone = match (self.zone_of(&name, question.qtype), chain) {
                (Some(next), Chain::AcrossZones) => next,
                (Some(next), Chain::Ends) if std::ptr::eq(next, first) => next,
                (Some(_), Chain::InZone) if name.starts_with(&first.apex) => first,
                _ => return Some(response.expected),
            };
        }
        None
    }
}

struct Responder<'w> {
    question: &'w Question,
    expected: Expected,
    zone: &'w Zone,
}

impl<'w> Responder<'w> {
    /// What the zone says of a name; the next name, if this is an alias.
    fn step(&mut self, name: &Name, is_first: bool) -> Option<Name> {
        let (zone, qtype) = (self.zone, self.question.qtype);
        let found = zone.find(name, qtype);
        if zone.hashed_above(name) {
            self.expected.notes.insert(Note::BelowHashed);
        }
        self.expected.authoritative |= is_first && !matches!(found, Found::Cut(_));
        match found {
            Found::Cut(cut) => self.refer(&cut),
            Found::Dname(owner) => return self.redirect(&owner, name),
            Found::Name => {
                if let Some(next) = self.take(name, name) {
                    return next;
                }
                if name.last().is_some_and(|label| label == b"*") {
                    self.expected.notes.insert(Note::NoTypeAtAsterisk);
                }
                self.deny(0, zone.no_type(name));
            }
            Found::Wildcard { encloser, wildcard } => {
                self.note_wildcard(name);
                if let Some(next) = self.take(&wildcard, name) {
                    self.prove(zone.expanded(name, &encloser));
                    return next;
                }
                let is_empty = !zone.nodes.contains_key(&wildcard);
                self.expected.notes.insert(if is_empty { Note::EmptyWildcard } else { Note::NoWildcardType });
                self.deny(0, zone.no_wildcard_type(name, &encloser, &wildcard));
            }
            Found::Nothing { encloser } => {
                if zone.is_opted_out(&encloser) {
                    self.expected.notes.insert(Note::BelowOptedOut);
                }
                self.deny(3, zone.no_name(name, &encloser));
            }
        }
        None
    }

    fn note_wildcard(&mut self, name: &Name) {
        let is_behind_dname = self.expected.answer.iter().any(|record| record.rtype == DNAME);
        let notes = [
            (name.last().is_some_and(|label| label == b"*"), Note::AsteriskExpanded),
            (self.question.qtype == NSEC, Note::NsecExpanded),
            (is_behind_dname, Note::ExpandedBehindDname),
        ];
        self.expected.notes.extend(notes.into_iter().filter_map(|(is_so, note)| is_so.then_some(note)));
    }

    /// Takes what answers from `node`, as records of `owner`. `Some(None)`: that is all. `None`: nothing does.
    fn take(&mut self, node: &Name, owner: &Name) -> Option<Option<Name>> {
        let (zone, qtype) = (self.zone, self.question.qtype);
        if qtype == ANY || qtype == RRSIG {
            let types = zone.nodes.get(node).into_iter().flatten();
            let mut is_found = false;
            for (_, rrset) in types {
                let records = rrset.records.iter().filter(|record| qtype == ANY || record.rtype == qtype);
                // Without DO they are types like any other (RFC 4035 section 3).
                for record in records.chain(&rrset.signatures) {
                    is_found = true;
                    self.expected.answer.insert(Record { owner: owner.clone(), ..record.clone() });
                }
            }
            self.expected.is_part_enough = is_found;
            if is_found {
                return Some(None);
            }
        }
        if let Some(rrset) = zone.rrset(node, qtype) {
            self.answer(rrset, owner);
            return Some(None);
        }
        let alias = zone.rrset(node, CNAME)?;
        if matches!(qtype, RRSIG | NSEC | NSEC3) {
            self.expected.notes.insert(Note::AliasAskedForDnssec);
        }
        self.answer(alias, owner);
        Some(Some(alias.records[0].target()))
    }

    /// Synthesizes a CNAME (RFC 6672 section 3.1). It has no signature: the DNAME's is enough (section 5.3.1).
    fn redirect(&mut self, owner: &Name, name: &Name) -> Option<Name> {
        let dname = self.zone.rrset(owner, DNAME).expect("found");
        self.answer(dname, owner);
        let target: Name = [dname.records[0].target(), name[owner.len()..].to_vec()].concat();
        let ttl_secs = dname.records[0].ttl_secs;
        if self.question.qtype == ANY {
            self.expected.is_part_enough = true;
            self.expected.notes.insert(Note::AnyBelowDname);
        }
        let rdata = wire(&target);
        self.expected.answer.insert(Record { owner: name.clone(), rtype: CNAME, ttl_secs, rdata });
        (!matches!(self.question.qtype, CNAME | ANY)).then_some(target)
    }

    /// A referral: RFC 4035 section 3.1.4, RFC 5155 section 7.2.7.
    fn refer(&mut self, cut: &Name) {
        let zone = self.zone;
        if self.question.qtype == NSEC && zone.rrset(cut, NSEC).is_some() {
            self.expected.notes.insert(Note::NsecAtCut);
        }
        let servers = zone.rrset(cut, NS).expect("a cut");
        self.expected.authority.extend(servers.records.iter().cloned());
        match zone.rrset(cut, DS) {
            // The DS RRset and its signatures: where nothing is signed, there is no use for it.
            Some(ds) if self.question.dnssec_ok && !ds.signatures.is_empty() => self.authority(ds),
            Some(_) => {}
            None => self.prove(zone.no_type(cut)),
        }
        let hosts = servers.records.iter().map(|server| labels(&server.rdata)).filter(|host| host.starts_with(cut));
        let addresses = hosts.flat_map(|host| [A, AAAA].into_iter().filter_map(move |rtype| zone.rrset(&host, rtype)));
        self.expected.glue = addresses.flat_map(|rrset| rrset.records.iter().cloned()).collect();
    }

    /// The SOA record, with the TTL for denials (RFC 2308 section 3), and the proof.
    fn deny(&mut self, rcode: u16, proof: Proof<'w>) {
        self.expected.rcode = rcode;
        let soa = self.zone.rrset(&self.zone.apex, SOA).expect("a zone has a SOA record");
        let rdata = &soa.records[0].rdata;
        let minimum = u32::from_be_bytes(rdata[rdata.len() - 4..].try_into().unwrap());
        let signatures = soa.signatures.iter().filter(|_| self.question.dnssec_ok);
        let capped = soa
            .records
            .iter()
            .chain(signatures)
            .map(|record| Record { ttl_secs: record.ttl_secs.min(minimum), ..record.clone() });
        self.expected.authority.extend(capped);
        self.prove(proof);
    }

    fn prove(&mut self, proof: Proof<'w>) {
        if self.question.dnssec_ok {
            self.expected.is_unprovable |= proof.is_none();
            proof.into_iter().flatten().for_each(|rrset| self.authority(rrset));
        }
    }

    fn answer(&mut self, rrset: &Rrset, owner: &Name) {
        let signatures = rrset.signatures.iter().filter(|_| self.question.dnssec_ok);
        let records = rrset.records.iter().chain(signatures);
        self.expected.answer.extend(records.map(|record| Record { owner: owner.clone(), ..record.clone() }));
    }

    fn authority(&mut self, rrset: &Rrset) {
        let signatures = rrset.signatures.iter().filter(|_| self.question.dnssec_ok);
        self.expected.authority.extend(rrset.records.iter().chain(signatures).cloned());
    }
}

impl Expected {
    /// Owners of the records that prove, for messages and counts.
    pub(crate) fn proofs(&self) -> usize {
        self.authority.iter().filter(|record| matches!(record.rtype, NSEC | NSEC3)).count()
    }
}
