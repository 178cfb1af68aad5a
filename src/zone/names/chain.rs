//! Which NSEC3 records deny names: the chain that the zone's NSEC3PARAM names (RFC 5155 section 4).

use crate::wire::code::rtype;
use crate::wire::name::Name;
use crate::wire::rdata;
use crate::zone::cores::in_parts;
use crate::zone::finding::Findings;
use crate::zone::layout::{ITERATIONS_MAX, order};
use crate::zone::nsec3::{self, HASH_LEN, Hash, LABEL_LEN, Params};
use crate::zone::records::{Item, Record, Records};

/// The records of the chain. They lie in the order and not among the names: a question for such a name is answered as if it did not
/// exist (RFC 5155 section 7.2.8).
#[derive(Default)]
pub(in crate::zone) struct Chain {
    pub(in crate::zone) iterations: u16,
    pub(in crate::zone) salt: Vec<u8>,
    /// The hashes of the apex and of its child `*`: most denials need them.
    pub(in crate::zone) apex_hashes: [Hash; 2],
    /// Hash of the owner and number of each record as an item, RRSIG among them; by hash, those of one owner in the order of the text.
    links: Vec<Link>,
    /// Where among them each owner's start.
    starts: Vec<u32>,
    /// Whether an item is one of them; empty if none is.
    members: Vec<bool>,
}

type Link = (Hash, u32);

/// Ranges of hashes that cores share in: by the first two octets.
const RANGES: usize = 1 << 16;

/// Whether a record is NSEC3, or covers one.
pub(super) fn is_of_nsec3(item: &Item, records: &Records) -> bool {
    match item.rtype {
        rtype::NSEC3 => true,
        rtype::RRSIG => rdata::type_covered(records.rdata(&records.first(item))) == Some(rtype::NSEC3),
        _ => false,
    }
}

impl Chain {
    /// Finds it: that of the first NSEC3PARAM which has a record for the apex itself. A zone may have several, one that is being
    /// made or taken down among them; and none is used if the zone's SOA is not signed.
    pub(in crate::zone) fn find(apex: &Name, records: &Records, cores: usize, findings: &mut Findings) -> Chain {
        if records.of_type(rtype::NSEC3).next().is_none() || !is_signed(apex, records) {
            return Chain::default();
        }
        let all = links(apex, records, cores);
        let lower = apex.to_lower();
        let at_apex = |record: &Record| records.owner(record).len() == apex.as_wire().len();
        let mut offered: Vec<Record> = records.of_type(rtype::NSEC3PARAM).filter(at_apex).collect();
        offered.sort_by_key(|record| records.rdata(record));
        for record in &offered {
            // Others are to be ignored (RFC 5155 section 4.1.2).
            let params = Params::read(records.rdata(record));
            let Some(params) = params.filter(|params| params.algorithm == nsec3::SHA1 && params.flags == 0) else {
                continue;
            };
            let is_member = |index: u32| is_of_chain(records.rdata(&records.at(index as usize)), &params);
            let is_owner = |links: &[Link]| {
                let numbers = links.iter().map(|&(_, number)| number);
                let mut nsec3 = numbers.filter(|&number| records.at(number as usize).rtype == rtype::NSEC3).peekable();
                nsec3.peek().is_some() && nsec3.all(is_member)
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
            let from = all.partition_point(|(hash, _)| *hash < apex_hash);
            if !all[from..]
                .chunk_by(is_same_owner)
                .next()
                .is_some_and(|first| first[0].0 == apex_hash && is_owner(first))
            {
                continue;
            }
            if params.iterations > 0 || !params.salt.is_empty() {
                let (count, salt_len) = (params.iterations, params.salt.len());
                let message = format!(
                    "NSEC3 with {count} iterations and a salt of {salt_len} octets: they cost, and hide nothing"
                );
                findings.warning(record, message, "sign the zone with 0 iterations and no salt (RFC 9276 section 3.1)");
            }
            let links = in_parts(cores, RANGES, |ranges| {
                let start = |range: usize| all.partition_point(|(hash, _)| range_of(hash) < range);
                let owners = all[start(ranges.start)..start(ranges.end)].chunk_by(is_same_owner);
                owners.filter(|links| is_owner(links)).collect::<Vec<_>>().concat()
            })
            .concat();
            let mut members = vec![false; records.items().len()];
            links.iter().for_each(|&(_, number)| members[number as usize] = true);
            let starts = links.chunk_by(is_same_owner).scan(0, |end, owner| {
                let start = *end;
                *end += owner.len() as u32;
                Some(start)
            });
            let star = [b"\x01*", lower.as_wire()].concat();
            let star_hash = nsec3::hash(&star, params.salt, params.iterations);
            return Chain {
                iterations: params.iterations,
                salt: params.salt.to_vec(),
                apex_hashes: [apex_hash, star_hash],
                starts: starts.collect(),
                links,
                members,
            };
        }
        Chain::default()
    }

    /// Whether there is none.
    pub(in crate::zone) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Whether the item with this number is in it.
    pub(in crate::zone) fn has(&self, item: usize) -> bool {
        self.members.get(item).copied().unwrap_or(false)
    }

    /// How many owners.
    pub(in crate::zone) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Hash, and numbers of the records as items, of one owner; they are in the order of their hashes.
    pub(in crate::zone) fn owner(&self, index: usize) -> (&Hash, impl Iterator<Item = u32> + use<'_>) {
        let end = self.starts.get(index + 1).map_or(self.links.len(), |&next| next as usize);
        let links = &self.links[self.starts[index] as usize..end];
        (&links[0].0, links.iter().map(|&(_, number)| number))
    }
}

/// All records that may be of a chain.
fn links(apex: &Name, records: &Records, cores: usize) -> Vec<Link> {
    let found = in_parts(cores, records.items().len(), |part| {
        let ours = part.filter(|&number| is_of_nsec3(&records.items()[number], records));
        let link = |number: usize| Some((hash_of(records.owner_of(&records.items()[number]), apex)?, number as u32));
        ours.filter_map(link).collect::<Vec<Link>>()
    });
    let sorted = in_parts(cores, RANGES, |ranges| {
        let links = found.iter().flatten().filter(|(hash, _)| ranges.contains(&range_of(hash)));
        let mut links: Vec<Link> = links.copied().collect();
        links.sort_unstable();
        links
    });
    sorted.concat()
}

fn range_of(hash: &Hash) -> usize {
    usize::from(u16::from_be_bytes([hash[0], hash[1]]))
}

fn is_same_owner(a: &Link, b: &Link) -> bool {
    a.0 == b.0
}

/// Whether the apex has a signature of its SOA: only such a zone denies with proof.
pub(in crate::zone) fn is_signed(apex: &Name, records: &Records) -> bool {
    records.of_type(rtype::RRSIG).any(|record| {
        records.owner(&record).len() == apex.as_wire().len()
            && rdata::type_covered(records.rdata(&record)) == Some(rtype::SOA)
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
