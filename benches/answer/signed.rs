//! Signed zones: signatures as large as ECDSA's, and a chain of NSEC or NSEC3. Nobody verifies them here.

use super::{Bench, MANY, add, address, apex, bench, label, name, packets};
use catchment::random::Random;
use catchment::wire::code::rtype;
use catchment::zone::nsec3;
use catchment::zone::records::Records;
use std::collections::BTreeMap;

/// How names are denied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chain {
    Nsec,
    Nsec3,
}

const ZONE: &str = "signed";

/// A zone of so many names with an address each, and questions with DO for it.
pub(crate) fn zone(names: usize, chain: Chain, random: &mut Random) -> Bench {
    let mut zone = Records::default();
    apex(&mut zone, ZONE);
    let labels: Vec<String> = (0..names).map(|n| format!("{}{n}", label(random))).collect();
    for rtype in [rtype::SOA, rtype::NS] {
        sign(&mut zone, ZONE, rtype, random);
    }
    sign(&mut zone, &format!("ns1.{ZONE}"), rtype::A, random);
    for label in &labels {
        let owner = format!("{label}.{ZONE}");
        add(&mut zone, &owner, rtype::A, &address(random));
        sign(&mut zone, &owner, rtype::A, random);
    }
    let owners = || labels.iter().map(String::as_str).chain(["ns1"]).map(|label| format!("{label}.{ZONE}"));
    match chain {
        Chain::Nsec => {
            // Names of one label under an apex that comes first: their order is that of their text.
            let mut order: Vec<String> = owners().collect();
            order.sort_by(|a, b| a.split('.').next().cmp(&b.split('.').next()));
            order.insert(0, ZONE.into());
            for (at, owner) in order.iter().enumerate() {
                let next = name(&order[(at + 1) % order.len()]);
                add(&mut zone, owner, rtype::NSEC, &[next.as_wire(), &[0, 6, 0x40, 0, 0, 0, 0, 3]].concat());
                sign(&mut zone, owner, rtype::NSEC, random);
            }
        }
        Chain::Nsec3 => {
            add(&mut zone, ZONE, rtype::NSEC3PARAM, &[1, 0, 0, 0, 0]);
            sign(&mut zone, ZONE, rtype::NSEC3PARAM, random);
            let hash = |owner: String| nsec3::hash(name(&owner).as_wire(), &[], 0);
            let order: BTreeMap<_, _> = owners().chain([ZONE.to_owned()]).map(|owner| (hash(owner), ())).collect();
            let nexts = order.keys().skip(1).chain(order.keys().take(1));
            for (own, next) in order.keys().zip(nexts) {
                let owner = format!("{}.{ZONE}", String::from_utf8_lossy(&nsec3::label(own)));
                let rdata = [&[1, 0, 0, 0, 0, 20], &next[..], &[0, 6, 0x40, 0, 0, 0, 0, 2]].concat();
                add(&mut zone, &owner, rtype::NSEC3, &rdata);
                sign(&mut zone, &owner, rtype::NSEC3, random);
            }
        }
    }
    let mut cases = vec![
        ("hit", packets(random, MANY, rtype::A, |random| format!("{}.{ZONE}", random.pick(&labels)))),
        ("NODATA", packets(random, MANY, rtype::MX, |random| format!("{}.{ZONE}", random.pick(&labels)))),
        ("NXDOMAIN", packets(random, MANY, rtype::A, |random| format!("{}x.{ZONE}", label(random)))),
    ];
    cases.iter_mut().for_each(|(_, packets)| packets.set_do());
    bench(ZONE, &zone, cases)
}

fn sign(zone: &mut Records, owner: &str, covered: u16, random: &mut Random) {
    let fixed = [&covered.to_be_bytes()[..], &[13, 2, 0, 0, 14, 16], &[1; 10]].concat();
    let signature: Vec<u8> = (0..8).flat_map(|_| random.draw().to_le_bytes()).collect();
    add(zone, owner, rtype::RRSIG, &[&fixed[..], name(ZONE).as_wire(), &signature].concat());
}
