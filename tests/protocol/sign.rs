//! Signs the zones of cases, and shows signatures and denials so that they can be read.
//!
//! A signature is the name of its owner: what counts here is that each goes with what it covers; whether it verifies is for other
//! tests. Hashed names are shown as `#` and the name that was hashed.

use crate::message::Rr;
use catchment::wire::code::rtype;
use catchment::wire::name::{Name, Text, labels};
use catchment::zone::nsec3;
use catchment::zone::order::OrderKey;
use catchment::zone::records::Records;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

thread_local! {
    /// Labels of hashed names, and the names.
    static HASHED: RefCell<HashMap<Vec<u8>, String>> = RefCell::default();
}

/// An owner relative to the apex: (its spelling, types: (TTL, RDATAs)).
type Owner = (Vec<u8>, BTreeMap<u16, (u32, Vec<Vec<u8>>)>);

/// What signers do to a zone: `nsec`, `nsec3`, `opt-out` (NSEC3 that leaves insecure delegations out), or `signatures` alone.
pub(crate) fn sign(apex: &Name, records: &Records, how: &str) -> Records {
    let apex_len = apex.as_wire().len();
    let mut owners = BTreeMap::<Vec<u8>, Owner>::new();
    for record in records.iter() {
        let wire = records.owner(&record);
        let relative = wire[..wire.len() - apex_len].to_vec();
        let (_, types) = owners.entry(key(&relative)).or_insert_with(|| (relative, BTreeMap::new()));
        let (_, all) = types.entry(record.rtype).or_insert_with(|| (record.ttl_secs, Vec::new()));
        all.push(records.rdata(&record).to_vec());
    }
    let is_cut = |(relative, types): &Owner| !relative.is_empty() && types.contains_key(&rtype::NS);
    let ends: Vec<Vec<u8>> = owners
        .iter()
        .filter(|(_, o)| is_cut(o) || o.1.contains_key(&rtype::DNAME))
        .map(|(key, _)| key.clone())
        .collect();
    let visible = |key: &[u8]| !ends.iter().any(|end| key.len() > end.len() && key.starts_with(end));
    let absolute = |relative: &[u8]| [relative, apex.as_wire()].concat();

    if how == "nsec" {
        let chain: Vec<Vec<u8>> = owners.keys().filter(|key| visible(key)).cloned().collect();
        for (at, own) in chain.iter().enumerate() {
            let next = owners[&chain[(at + 1) % chain.len()]].0.clone();
            let owner = owners.get_mut(own).unwrap();
            let cut = is_cut(owner);
            let seen = owner.1.keys().copied().filter(|t| !cut || matches!(*t, rtype::NS | rtype::DS));
            let bitmap = bitmap(seen.chain([rtype::RRSIG, rtype::NSEC]));
            owner.1.insert(rtype::NSEC, (300, vec![[absolute(&next), bitmap].concat()]));
        }
    }
    let mut nsec3s = BTreeMap::<[u8; 20], Vec<u8>>::new();
    if matches!(how, "nsec3" | "opt-out") {
        let owner = owners.get_mut(&Vec::new()).unwrap();
        owner.1.insert(rtype::NSEC3PARAM, (0, vec![vec![1, 0, 0, 0, 0]]));
        let mut hashed = BTreeMap::<Vec<u8>, Vec<u8>>::new();
        for owner in owners.iter().filter(|(key, _)| visible(key)).map(|(_, owner)| owner) {
            let insecure = is_cut(owner) && !owner.1.contains_key(&rtype::DS);
            if insecure && how == "opt-out" {
                continue;
            }
            let seen = owner.1.keys().copied().filter(|t| !is_cut(owner) || matches!(*t, rtype::NS | rtype::DS));
            hashed.insert(owner.0.clone(), bitmap(seen.chain((!insecure).then_some(rtype::RRSIG))));
            let mut above = &owner.0[..];
            while !above.is_empty() {
                above = &above[1 + above[0] as usize..];
                hashed.entry(above.to_vec()).or_default();
            }
        }
        for (relative, bitmap) in hashed {
            let lower = absolute(&relative).to_ascii_lowercase();
            let hash = nsec3::hash(&lower, b"", 0);
            let label = nsec3::label(&hash).to_vec();
            HASHED.with_borrow_mut(|hashed| hashed.insert(label, Text(&lower).to_string()));
            nsec3s.insert(hash, bitmap);
        }
    }

    let mut signed = Records::default();
    let mut put = |relative: &[u8], rtype: u16, ttl_secs: u32, all: &[Vec<u8>], sign: bool| {
        let owner = absolute(relative);
        signed.set_owner(&owner);
        all.iter().for_each(|rdata| signed.push(rtype, ttl_secs, rdata, 0, 0));
        if sign {
            let count = labels(&owner).filter(|label| label != b"*").count() as u8;
            let fixed = [&rtype.to_be_bytes()[..], &[13, count], &ttl_secs.to_be_bytes(), &[0; 8], &[0, 7]].concat();
            signed.push(rtype::RRSIG, ttl_secs, &[&fixed[..], apex.as_wire(), &owner].concat(), 0, 0);
        }
    };
    for (key, owner) in &owners {
        for (&rtype, (ttl_secs, all)) in &owner.1 {
            let sign = visible(key) && (!is_cut(owner) || matches!(rtype, rtype::DS | rtype::NSEC));
            put(&owner.0, rtype, *ttl_secs, all, sign);
        }
    }
    let hashes: Vec<&[u8; 20]> = nsec3s.keys().collect();
    for (at, own) in hashes.iter().enumerate() {
        let flags = (how == "opt-out") as u8;
        let rdata = [&[1, flags, 0, 0, 0, 20], &hashes[(at + 1) % hashes.len()][..], &nsec3s[*own]].concat();
        put(&[&[32], &nsec3::label(own)[..]].concat(), rtype::NSEC3, 300, &[rdata], true);
    }
    signed
}

/// A record as cases have it: of a signature, the type and the owner that were signed; of hashed names, the names.
pub(crate) fn text(record: &Rr) -> String {
    let rdata = record.data.strip_prefix("\\# ").and_then(|data| data.split_once(' '));
    let rdata = rdata.map(|(_, digits)| crate::check::unhex(digits)).unwrap_or_default();
    let data = match &record.rtype[..] {
        "RRSIG" => {
            let signer = Text(&rdata[18..]).to_string();
            let owner = Text(&rdata[18 + name_len(&rdata[18..])..]).to_string();
            assert!(owner.ends_with(&signer), "{owner} signed by {signer}");
            format!("{} of {owner}", rtype::text(u16::from_be_bytes([rdata[0], rdata[1]])))
        }
        "NSEC" => {
            let len = name_len(&rdata);
            format!("{}{}", Text(&rdata[..len]), types(&rdata[len..]))
        }
        "NSEC3" => {
            let next = hashed(&nsec3::label(rdata[6..26].try_into().unwrap()));
            format!("{}{next}{}", if rdata[1] == 1 { "opt-out " } else { "" }, types(&rdata[26..]))
        }
        _ => return record.to_string(),
    };
    let owner = match &record.rtype[..] == "NSEC3" || data.starts_with("NSEC3 of") {
        true => hashed(record.owner.as_bytes().get(..32).unwrap_or_default()),
        false => record.owner.clone(),
    };
    let data = match data.strip_prefix("NSEC3 of ") {
        Some(owner) => format!("NSEC3 of {}", hashed(&owner.as_bytes()[..32])),
        None => data,
    };
    format!("{owner} {} {} {} {data}", record.ttl_secs, record.class, record.rtype)
}

fn hashed(label: &[u8]) -> String {
    let name = HASHED.with_borrow(|hashed| hashed.get(&label.to_ascii_uppercase()).cloned());
    format!("#{}", name.unwrap_or_else(|| panic!("{}", label.escape_ascii())))
}

fn key(relative: &[u8]) -> Vec<u8> {
    OrderKey::new(relative).as_bytes().to_vec()
}

fn name_len(wire: &[u8]) -> usize {
    catchment::wire::name::wire_len(wire).unwrap()
}

/// A type bitmap (RFC 4034 section 4.1.2).
fn bitmap(types: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut windows = BTreeMap::<u8, [u8; 32]>::new();
    for rtype in types.collect::<BTreeSet<_>>() {
        let [window, low] = rtype.to_be_bytes();
        windows.entry(window).or_default()[low as usize / 8] |= 0x80 >> (low % 8);
    }
    let mut octets = Vec::new();
    for (window, bits) in windows {
        let len = bits.iter().rposition(|bits| *bits != 0).unwrap() + 1;
        octets.extend_from_slice(&[window, len as u8]);
        octets.extend_from_slice(&bits[..len]);
    }
    octets
}

fn types(mut bitmap: &[u8]) -> String {
    let mut text = String::new();
    while let [window, len, rest @ ..] = bitmap {
        for bit in 0..8 * *len as u16 {
            if rest[bit as usize / 8] & 0x80 >> (bit % 8) != 0 {
                text += &format!(" {}", rtype::text((*window as u16) << 8 | bit));
            }
        }
        bitmap = &rest[*len as usize..];
    }
    text
}
