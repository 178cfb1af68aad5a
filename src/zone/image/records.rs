//! All records of an image, in canonical order: for dumps and differences.

use super::bytes::Bytes;
use super::{Damaged, Image, ImageError, Node, Nsec3, Rrset};
use crate::wire::code::rtype;
use crate::wire::name::{self, NAME_LEN_MAX};
use crate::zone::layout::{EXPANSION_MAX, PLACE, far};
use crate::zone::order::OrderKey;
use crate::zone::records::Records;

impl Image {
    /// Calls `each(owner, type, TTL in seconds, RDATA)` for every record, names in wire form: the SOA first, then in canonical
    /// order (RFC 4034 sections 6.1 and 6.3). Allocates: for dumps and differences.
    pub fn for_each_record(&self, mut each: impl FnMut(&[u8], u16, u32, &[u8])) -> Result<(), ImageError> {
        let nodes = self.nodes()?.into_iter().map(Owner::Node);
        let mut owners: Vec<Owner> = nodes.chain(self.nsec3s()?.into_iter().map(Owner::Nsec3)).collect();
        owners.sort_by_cached_key(|owner| canonical_key(owner.name()));
        let mut owner = Vec::with_capacity(NAME_LEN_MAX);
        let mut records = Vec::new();
        let mut left = self.record_count();
        let mut octets_left = self.len().saturating_mul(EXPANSION_MAX);
        // A name can own both what lies among the names and an NSEC3 record.
        for same in owners.chunk_by(|a, b| a.name() == b.name()) {
            owner.clear();
            owner.extend_from_slice(same[0].name());
            owner.extend_from_slice(self.apex_wire());
            if name::wire_len(&owner) != Ok(owner.len()) {
                return Err(ImageError::Inconsistent("an owner name is malformed"));
            }
            records.clear();
            same.iter().try_for_each(|owner| owner.collect(&mut records))?;
            let is_apex = same[0].name().is_empty();
            records.sort_by_key(|&(rtype, _, rdata)| (rtype, if rtype == rtype::RRSIG { rdata } else { &[] }));
            let is_first = |rtype| is_apex && rtype == rtype::SOA;
            let soa = records.iter().filter(|&&(rtype, ..)| is_first(rtype));
            for &(rtype, ttl_secs, rdata) in soa.chain(records.iter().filter(|&&(rtype, ..)| !is_first(rtype))) {
                let exceeded = ImageError::Inconsistent("it has more records than it says");
                left = left.checked_sub(1).ok_or(exceeded)?;
                let exceeded = ImageError::Inconsistent("it stands for more records than any zone has");
                let octets = expanded_len(owner.len(), 1, rdata.len());
                octets_left = octets_left.checked_sub(octets).ok_or(exceeded)?;
                each(&owner, rtype, ttl_secs, rdata);
            }
        }
        Ok(())
    }

    /// All of them, as a zone's text would give them: in the same order, without lines.
    pub fn to_records(&self) -> Result<Records, ImageError> {
        let mut records = Records::default();
        self.for_each_record(|owner, rtype, ttl_secs, rdata| {
            records.set_owner(owner);
            records.push(rtype, ttl_secs, rdata, 0, 0);
        })?;
        Ok(records)
    }

    /// All nodes, in no stated order.
    fn nodes(&self) -> Result<Vec<Node<'_>>, ImageError> {
        let mut nodes = vec![self.apex_node()?];
        let (names, far) = (self.head.names, self.head.far);
        for segment in 0..names.segments() {
            let run = self.run(segment)?;
            self.each_slot(run, self.head.name_table, names.buckets, |word| {
                nodes.push(Node::read(self, run, (word >> 8) as usize)?);
                Ok(())
            })?;
        }
        for segment in 0..far.segments() {
            let run = self.run(names.segments() + segment)?;
            self.each_slot(run, self.head.far_table, far.buckets, |word| {
                if word & u32::from(far::NODE) != 0 {
                    nodes.push(Node::read(self, run, (word >> far::KEY_BITS) as usize)?);
                }
                Ok(())
            })?;
        }
        // Each takes more octets than this, and is met once.
        let max = self.len() as usize / 8;
        for at in 0..nodes.len() {
            if !nodes[at].is_cut() {
                continue;
            }
            if let Some(set) = nodes[at].rrset(rtype::NS)? {
                let hinted = if set.has_hints() { set.count as usize } else { 0 };
                for extra in set.extras(hinted)? {
                    let extra = extra?;
                    if extra.is_own {
                        nodes.push(extra.node);
                    }
                }
            }
            if nodes.len() > max {
                return Err(ImageError::Inconsistent("it has more names than it has room for"));
            }
        }
        Ok(nodes)
    }

    /// Calls `each` with every slot of a table.
    fn each_slot<'a>(
        &'a self,
        run: Bytes<'a>,
        table: usize,
        buckets: u32,
        mut each: impl FnMut(u32) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        let mut previous_end = 0;
        for bucket in 0..buckets as usize {
            let (start, end) = run.places(table + bucket * PLACE)?;
            let slots = super::Bucket { run, start, end }.slots()?;
            // Buckets follow one another: so a crafted image can't name the same nodes over and over.
            if start < previous_end || start + 1 + 4 * slots > end {
                return Err(ImageError::Inconsistent("its buckets overlap"));
            }
            for slot in 0..slots {
                each(run.u32(start + 1 + 4 * slot)?)?;
            }
            previous_end = end;
        }
        Ok(())
    }
}

/// A record's type, TTL in seconds, and RDATA.
type Data<'a> = (u16, u32, &'a [u8]);

/// What owns records.
enum Owner<'a> {
    Node(Node<'a>),
    Nsec3(Nsec3<'a>),
}

impl<'a> Owner<'a> {
    fn name(&self) -> &'a [u8] {
        match self {
            Owner::Node(node) => node.name,
            Owner::Nsec3(nsec3) => nsec3.owner,
        }
    }

    /// Appends its records.
    fn collect(&self, records: &mut Vec<Data<'a>>) -> Result<(), Damaged> {
        let mut add = |set: Rrset<'a>| -> Result<(), Damaged> {
            for rdata in set.iter() {
                records.push((set.rtype, set.ttl_secs, rdata?));
            }
            if let Some(signatures) = set.signatures()? {
                for item in signatures.items() {
                    records.push((rtype::RRSIG, signatures.ttl_secs, &item?[2..]));
                }
            }
            Ok(())
        };
        match self {
            Owner::Node(node) => node.rrsets().try_for_each(|set| add(set?)),
            Owner::Nsec3(nsec3) => add(nsec3.set),
        }
    }
}

/// Octets of so many records of one owner written out, with their owner and what stands before their RDATA.
pub(in crate::zone) fn expanded_len(owner_len: usize, count: usize, rdata_len: usize) -> u64 {
    (count * (owner_len + 10) + rdata_len) as u64
}

/// The canonical order of names, and of two that differ in case alone that of the bytes as written.
fn canonical_key(relative: &[u8]) -> Vec<u8> {
    let mut key = OrderKey::new(relative).as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(relative);
    key
}
