//! Lays the parts of an image out, and writes them.

use super::Soa;
use super::names::{NameEntry, Names, depth, parent};
use super::rrsets::Rrsets;
use crate::wire::name::Name;
use crate::zone::layout::{self, DIGEST, INLINE_MAX, MAGIC, REF, REF_MAX, VERSION, header, node};
use crate::zone::memory;
use std::collections::HashMap;

/// The image would exceed what a ref can hold.
pub(super) struct TooLarge;

/// Writes the image, digest included.
pub(super) fn image(apex: &Name, soa: &Soa, seed: u64, names: &Names, rrsets: &Rrsets) -> Result<Vec<u8>, TooLarge> {
    let plan = Plan::new(apex, names, rrsets);
    if plan.len > REF_MAX {
        return Err(TooLarge);
    }
    let mut out = Vec::with_capacity(plan.len as usize);
    memory::prefer_huge_pages(&mut out);
    out.resize(header::SIZE, 0);
    let apex_node = plan.names[names.find(&[]).expect("the apex has a SOA")];
    let deepest = names.indexed().map(|(_, name)| depth(name.relative)).max().unwrap_or(0);
    let mut field = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    field(0, &MAGIC);
    field(header::VERSION, &VERSION.to_le_bytes());
    field(header::SERIAL, &soa.serial.to_le_bytes());
    field(header::LEN, &plan.len.to_le_bytes());
    field(header::RECORDS, &rrsets.record_count.to_le_bytes());
    field(header::SEED, &seed.to_le_bytes());
    field(header::BUCKETS, &(plan.directory.len() as u64 - 1).to_le_bytes());
    field(header::DIRECTORY, &((header::SIZE + apex.as_wire().len()) as u64).to_le_bytes());
    field(header::HIDDEN, &plan.hidden.to_le_bytes());
    field(header::HIDDEN_END, &plan.hidden_end.to_le_bytes());
    field(header::APEX_NODE, &apex_node.to_le_bytes());
    field(header::NEGATIVE_TTL, &soa.negative_ttl_secs.to_le_bytes());
    field(header::DEPTH, &[deepest as u8]);
    field(header::APEX_LEN, &[apex.as_wire().len() as u8]);
    out.extend_from_slice(apex.as_wire());
    for place in &plan.directory {
        push_ref(&mut out, *place);
    }
    plan.write_buckets(names, rrsets, &mut out);
    for set in plan.apart(rrsets) {
        plan.write_set(rrsets, set, &mut out);
    }
    plan.write_hidden(names, rrsets, &mut out);
    debug_assert_eq!(out.len() as u64 + DIGEST as u64, plan.len);
    let digest = blake3::hash(&out);
    out.extend_from_slice(digest.as_bytes());
    Ok(out)
}

/// Where everything will lie.
struct Plan {
    len: u64,
    /// Start of each bucket, and the end of the last.
    directory: Vec<u64>,
    hidden: u64,
    hidden_end: u64,
    /// Place of each name's node.
    names: Vec<u64>,
    /// Place of each RRset.
    sets: Vec<u64>,
    /// The child `*` of a name.
    wildcards: HashMap<usize, usize>,
}

impl Plan {
    fn new(apex: &Name, names: &Names, rrsets: &Rrsets) -> Plan {
        let buckets = names.bucket_count();
        let mut plan = Plan {
            len: 0,
            directory: Vec::with_capacity(buckets as usize + 1),
            hidden: 0,
            hidden_end: 0,
            names: vec![0; names.len()],
            sets: vec![0; rrsets.sets().len()],
            wildcards: wildcards(names),
        };
        let mut at = (header::SIZE + apex.as_wire().len() + (buckets as usize + 1) * REF) as u64;
        let mut indexed = names.indexed().peekable();
        let mut members = Vec::with_capacity(layout::BUCKET_MAX);
        for bucket in 0..buckets {
            plan.directory.push(at);
            members.clear();
            while let Some((number, _)) = indexed.next_if(|(_, name)| layout::bucket(name.hash, buckets) == bucket) {
                members.push(number);
            }
            at += 1 + 4 * members.len() as u64;
            for &number in &members {
                plan.place_name(number, names.at(number), rrsets, &mut at);
            }
        }
        plan.directory.push(at);
        for set in plan.apart(rrsets) {
            plan.sets[set as usize] = at;
            at += rrsets.len_of(set) as u64;
        }
        plan.hidden = at;
        for &number in &names.hidden {
            at += 4;
            plan.place_name(number, names.at(number), rrsets, &mut at);
        }
        plan.hidden_end = at;
        plan.len = at + DIGEST as u64;
        plan
    }

    fn place_name(&mut self, number: usize, name: &NameEntry, rrsets: &Rrsets, at: &mut u64) {
        self.names[number] = *at;
        let wildcard = if self.wildcards.contains_key(&number) { REF } else { 0 };
        let entries = rrsets.of(number);
        *at += (node::FIXED + name.relative.len() + wildcard + entries.len() * node::ENTRY) as u64;
        for &(_, set) in entries {
            if is_inline(rrsets, set) {
                self.sets[set as usize] = *at;
                *at += rrsets.len_of(set) as u64;
            }
        }
    }

    /// RRsets that lie apart from their nodes: shared and large ones.
    fn apart(&self, rrsets: &Rrsets) -> impl Iterator<Item = u32> + use<> {
        let apart = (0..rrsets.sets().len() as u32).filter(|&set| !is_inline(rrsets, set));
        apart.collect::<Vec<_>>().into_iter()
    }

    fn write_buckets(&self, names: &Names, rrsets: &Rrsets, out: &mut Vec<u8>) {
        let buckets = names.bucket_count();
        let mut indexed = names.indexed().peekable();
        let mut members = Vec::with_capacity(layout::BUCKET_MAX);
        for (bucket, &start) in self.directory[..buckets as usize].iter().enumerate() {
            debug_assert_eq!(out.len() as u64, start);
            members.clear();
            while let Some(member) = indexed.next_if(|(_, n)| layout::bucket(n.hash, buckets) == bucket as u64) {
                members.push(member);
            }
            out.push(members.len() as u8);
            for (number, name) in &members {
                let tag = name.hash as u8 as u64;
                out.extend_from_slice(&((tag | (self.names[*number] - start) << 8) as u32).to_le_bytes());
            }
            for (number, name) in &members {
                self.write_name(*number, name, rrsets, out);
            }
        }
    }

    fn write_hidden(&self, names: &Names, rrsets: &Rrsets, out: &mut Vec<u8>) {
        for &number in &names.hidden {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            self.write_name(number, names.at(number), rrsets, out);
            let len = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&len.to_le_bytes());
        }
    }

    fn write_name(&self, number: usize, name: &NameEntry, rrsets: &Rrsets, out: &mut Vec<u8>) {
        debug_assert_eq!(out.len() as u64, self.names[number]);
        let wildcard = self.wildcards.get(&number);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags =
            flag(name.is_cut, node::CUT) | flag(name.has_dname, node::DNAME) | flag(wildcard.is_some(), node::WILDCARD);
        let entries = rrsets.of(number);
        out.extend_from_slice(&[flags, name.relative.len() as u8, entries.len() as u8]);
        out.extend_from_slice(name.relative);
        if let Some(&wildcard) = wildcard {
            push_ref(out, self.names[wildcard]);
        }
        for &(rtype, set) in entries {
            out.extend_from_slice(&rtype.to_le_bytes());
            push_ref(out, self.sets[set as usize]);
        }
        for &(_, set) in entries {
            if is_inline(rrsets, set) {
                self.write_set(rrsets, set, out);
            }
        }
    }

    fn write_set(&self, rrsets: &Rrsets, set: u32, out: &mut Vec<u8>) {
        debug_assert_eq!(out.len() as u64, self.sets[set as usize]);
        rrsets.write(set, |name| self.names[name], out);
    }
}

fn is_inline(rrsets: &Rrsets, set: u32) -> bool {
    rrsets.sets()[set as usize].uses == 1 && rrsets.len_of(set) <= INLINE_MAX
}

/// Which name has which as its child `*`.
fn wildcards(names: &Names) -> HashMap<usize, usize> {
    let stars = names.indexed().filter(|(_, name)| name.relative.starts_with(b"\x01*"));
    stars.filter_map(|(number, name)| Some((names.find(parent(name.relative))?, number))).collect()
}

fn push_ref(out: &mut Vec<u8>, place: u64) {
    out.extend_from_slice(&place.to_le_bytes()[..REF]);
}
