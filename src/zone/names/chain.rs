//! Which NSEC3 records deny names: the chain that the zone's NSEC3PARAM names (RFC 5155 section 4).

use crate::wire::code::rtype;
use crate::wire::name::Name;
use crate::wire::rdata;
use crate::zone::finding::Findings;
use crate::zone::layout::{ITERATIONS_MAX, order};
use crate::zone::nsec3::{self, HASH_LEN, Hash, LABEL_LEN, Params};
use crate::zone::records::{Record, Records};
use std::collections::BTreeMap;

/// The records of the chain. They lie in the order and not among the names: a question for such a name is answered as if it did not
/// exist (RFC 5155 section 7.2.8).
#[derive(Default)]
pub(in crate::zone) struct Chain {
    pub(in crate::zone) iterations: u16,
    pub(in crate::zone) salt: Vec<u8>,
    /// The hashes of the apex and of its child `*`: most denials need them.
    pub(in crate::zone) apex_hashes: [Hash; 2],
    /// Numbers of the records of each owner, RRSIG among them.
    owners: BTreeMap<Hash, Vec<u32>>,
    /// Whether a record is one of them; empty if none is.
    members: Vec<bool>,
}

/// Whether a record is NSEC3, or covers one.
pub(super) fn is_of_nsec3(record: &Record, records: &Records) -> bool {
    match record.rtype {
        rtype::NSEC3 => true,
        rtype::RRSIG => rdata::type_covered(records.rdata(record)) == Some(rtype::NSEC3),
        _ => false,
    }
}

impl Chain {
    /// Finds it: that of the first NSEC3PARAM which has a record for the apex itself. A zone may have several, one that is being
    /// made or taken down among them; and none is used if the zone's SOA is not signed.
    pub(in crate::zone) fn find(apex: &Name, records: &Records, findings: &mut Findings) -> Chain {
        if records.of_type(rtype::NSEC3).next().is_none() || !is_signed(apex, records) {
            return Chain::default();
        }
        let mut owners = BTreeMap::<Hash, Vec<u32>>::new();
        for (index, record) in records.iter().enumerate().filter(|(_, record)| is_of_nsec3(record, records)) {
            if let Some(hash) = hash_of(records.owner(record), apex) {
                owners.entry(hash).or_default().push(index as u32);
            }
        }
        let lower = apex.to_lower();
        let at_apex = |record: &&Record| records.owner(record).len() == apex.as_wire().len();
        let mut offered: Vec<&Record> = records.of_type(rtype::NSEC3PARAM).filter(at_apex).collect();
        offered.sort_by_key(|record| records.rdata(record));
        for record in offered {
            // Others are to be ignored (RFC 5155 section 4.1.2).
            let params = Params::read(records.rdata(record));
            let Some(params) = params.filter(|params| params.algorithm == nsec3::SHA1 && params.flags == 0) else {
                continue;
            };
            let is_member = |index: u32| is_of_chain(records.rdata(records.at(index as usize)), &params);
            let is_link = |members: &Vec<u32>| {
                let mut nsec3 =
                    members.iter().filter(|&&index| records.at(index as usize).rtype == rtype::NSEC3).peekable();
                nsec3.peek().is_some() && nsec3.all(|&index| is_member(index))
            };
            if params.iterations > ITERATIONS_MAX {
                let message =
                    format!("NSEC3 with {} iterations; at most {ITERATIONS_MAX} are served", params.iterations);
                findings.error(
                    record,
                    message,
                    "sign the zone again with 0 iterations and no salt (RFC 9276 section 3.1)",
                );
                continue;
            }
            let apex_hash = nsec3::hash(lower.as_wire(), params.salt, params.iterations);
            if !owners.get(&apex_hash).is_some_and(is_link) {
                continue;
            }
            if params.iterations > 0 || !params.salt.is_empty() {
                let (count, salt_len) = (params.iterations, params.salt.len());
                let message = format!(
                    "NSEC3 with {count} iterations and a salt of {salt_len} octets: they cost, and hide nothing"
                );
                findings.warning(record, message, "sign the zone with 0 iterations and no salt (RFC 9276 section 3.1)");
            }
            owners.retain(|_, members| is_link(members));
            let mut members = vec![false; records.len()];
            owners.values().flatten().for_each(|&index| members[index as usize] = true);
            let star = [b"\x01*", lower.as_wire()].concat();
            let star_hash = nsec3::hash(&star, params.salt, params.iterations);
            return Chain {
                iterations: params.iterations,
                salt: params.salt.to_vec(),
                apex_hashes: [apex_hash, star_hash],
                owners,
                members,
            };
        }
        Chain::default()
    }

    /// Whether there is none.
    pub(in crate::zone) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether the record with this number is in it.
    pub(in crate::zone) fn has(&self, index: usize) -> bool {
        self.members.get(index).copied().unwrap_or(false)
    }

    /// Hash and records of each owner, by hash.
    pub(in crate::zone) fn iter(&self) -> impl Iterator<Item = (&Hash, &[u32])> {
        self.owners.iter().map(|(hash, members)| (hash, &members[..]))
    }
}

/// Whether the apex has a signature of its SOA: only such a zone denies with proof.
pub(in crate::zone) fn is_signed(apex: &Name, records: &Records) -> bool {
    records.of_type(rtype::RRSIG).any(|record| {
        records.owner(record).len() == apex.as_wire().len()
            && rdata::type_covered(records.rdata(record)) == Some(rtype::SOA)
    })
}

/// The hash that an owner's first label is, if that lies right below the apex.
fn hash_of(owner: &[u8], apex: &Name) -> Option<Hash> {
    let (label, rest) = owner.split_first_chunk::<{ order::LABEL }>()?;
    (label[0] as usize == LABEL_LEN && rest.len() == apex.as_wire().len()).then(|| nsec3::from_label(&label[1..]))?
}

/// Whether an NSEC3 record belongs to the chain with these parameters, and has a hash of a name to go on with.
fn is_of_chain(nsec3: &[u8], params: &Params) -> bool {
    let next_len = 5 + params.salt.len();
    Params::read(nsec3).is_some_and(|own| Params { flags: 0, ..own } == *params)
        && nsec3.get(next_len).is_some_and(|&len| len as usize == HASH_LEN)
        && nsec3.len() > next_len + HASH_LEN
}
