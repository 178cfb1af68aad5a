//! Signatures, and what denials are found in.

use super::*;
use crate::zone::dump;
use crate::zone::image::{Denial, Root, Segment};
use crate::zone::nsec3;
use crate::zone::order::OrderKey;
use crate::zone::records::Record;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A record: owner, type, RDATA.
type Line = (String, u16, Vec<u8>);

/// An RRSIG record, its signature `octets` long.
fn rrsig(owner: &str, covered: u16, octets: usize) -> Line {
    let fixed = [&covered.to_be_bytes()[..], &[13, 2, 0, 0, 0, 60, 9, 9, 9, 9, 8, 8, 8, 8, 7, 7]].concat();
    let signature = blake3::hash(format!("{owner} {covered}").as_bytes()).as_bytes().repeat(octets.div_ceil(32));
    (owner.into(), rtype::RRSIG, [&fixed[..], b"\x07example\0", &signature[..octets]].concat())
}

/// The RDATA of an NSEC3 record.
fn nsec3(salt: &[u8], iterations: u16, next: &[u8; 20]) -> Vec<u8> {
    let [high, low] = iterations.to_be_bytes();
    [&[1, 0, high, low, salt.len() as u8], salt, &[20], next, &[0, 1, 0x40]].concat()
}

fn nsec3param(salt: &[u8], iterations: u16) -> Line {
    let [high, low] = iterations.to_be_bytes();
    ("example".into(), rtype::NSEC3PARAM, [&[1, 0, high, low, salt.len() as u8], salt].concat())
}

/// Names with an address each, all of it signed: but for the denials.
fn signed(names: &[String]) -> Vec<Line> {
    let mut lines = vec![rrsig("example", rtype::SOA, 64), rrsig("example", rtype::NS, 64)];
    for owner in names {
        lines.push((owner.clone(), rtype::A, vec![192, 0, 2, 1]));
        lines.push(rrsig(owner, rtype::A, 64));
    }
    lines
}

fn with_nsec(names: &[String]) -> Vec<Line> {
    let mut lines = signed(names);
    let mut owners: Vec<&str> = names.iter().map(String::as_str).chain(["example"]).collect();
    owners.sort_by_key(|owner| key(owner));
    for (at, owner) in owners.iter().enumerate() {
        let next = name(owners[(at + 1) % owners.len()]);
        lines.push((owner.to_string(), rtype::NSEC, [next.as_wire(), &[0, 1, 0x40]].concat()));
        lines.push(rrsig(owner, rtype::NSEC, 64));
    }
    lines
}

fn with_nsec3(names: &[String], salt: &[u8], iterations: u16) -> Vec<Line> {
    let mut lines = signed(names);
    lines.push(nsec3param(salt, iterations));
    let hash = |owner: &str| nsec3::hash(name(owner).to_lower().as_wire(), salt, iterations);
    let mut hashes: Vec<[u8; 20]> = names.iter().map(String::as_str).chain(["example"]).map(hash).collect();
    hashes.sort();
    hashes.dedup();
    for (at, own) in hashes.iter().enumerate() {
        let owner = owner_of(own);
        lines.push((owner.clone(), rtype::NSEC3, nsec3(salt, iterations, &hashes[(at + 1) % hashes.len()])));
        lines.push(rrsig(&owner, rtype::NSEC3, 64));
    }
    lines
}

fn owner_of(hash: &[u8; 20]) -> String {
    format!("{}.example", std::str::from_utf8(&nsec3::label(hash)).unwrap())
}

fn key(owner: &str) -> Vec<u8> {
    OrderKey::new(name(owner).as_wire().strip_suffix(b"\x07example\0").unwrap()).as_bytes().to_vec()
}

fn borrowed(lines: &[Line]) -> Vec<(&str, u16, u32, &[u8])> {
    lines.iter().map(|(owner, rtype, rdata)| (&owner[..], *rtype, 60, &rdata[..])).collect()
}

fn both_forms(lines: &[Line]) -> [Image; 2] {
    let records = records(&borrowed(lines));
    [compile, compile_in_segments].map(|compile| {
        let (image, findings) = compile(&name("example"), &records);
        image.unwrap_or_else(|| panic!("{findings:?}"))
    })
}

/// All records of an image as they were given.
fn lines_of(image: &Image) -> HashSet<(String, u16, u32, Vec<u8>)> {
    let mut lines = HashSet::new();
    let each = |owner: &[u8], rtype, ttl, rdata: &[u8]| {
        assert!(lines.insert((Text(owner).to_string(), rtype, ttl, rdata.to_vec())), "twice");
    };
    image.for_each_record(each).unwrap();
    lines
}

fn lines_of_records(lines: &[Line]) -> HashSet<(String, u16, u32, Vec<u8>)> {
    let records = records(&borrowed(lines));
    let line = |r: Record| (Text(records.owner(&r)).to_string(), r.rtype, r.ttl_secs, records.rdata(&r).to_vec());
    records.iter().map(line).collect()
}

fn hosts(count: usize) -> Vec<String> {
    (0..count)
        .map(|n| match n % 5 {
            0 => format!("host{n}.example"),
            1 => format!("_dmarc.host{}.example", n - 1),
            2 => format!("A{}.b{}.example", n % 37, n % 11),
            3 => format!("\\000{}.c.example", n % 100),
            _ => format!("www.a-name-that-has-much-in-common-with-others-{n}.example"),
        })
        .collect::<HashSet<_>>()
        .into_iter()
        .collect()
}

/// Each RRset has its own signatures, with their TTL; what covers nothing, or lies where nothing is signed, stays an RRset.
#[test]
fn signatures_lie_with_what_they_cover() {
    let (mx, txt) = (rrsig("www.example", rtype::MX, 64), rrsig("www.example", rtype::TXT, 300));
    let (cut_ns, cut_ds) = (rrsig("cut.example", rtype::NS, 64), rrsig("cut.example", rtype::DS, 64));
    let glue = rrsig("ns.cut.example", rtype::A, 64);
    let a = rrsig("www.example", rtype::A, 64);
    let mut lines = borrowed(&[]);
    lines.extend([
        ("www.example", rtype::A, 60, &[192, 0, 2, 1][..]),
        ("www.example", rtype::TXT, 60, b"\x01a"),
        ("cut.example", rtype::NS, 60, b"\x02ns\x03cut\x07example\0"),
        ("cut.example", rtype::DS, 60, b"\0\x01\x0d\x02digest"),
        ("ns.cut.example", rtype::A, 60, &[192, 0, 2, 1]),
    ]);
    for (line, ttl) in [(&a, 50), (&txt, 60), (&cut_ds, 60), (&mx, 60), (&cut_ns, 60), (&glue, 60)] {
        lines.push((&line.0, line.1, ttl, &line.2));
    }
    for compile in [compile, compile_in_segments] {
        let image = compile(&name("example"), &records(&lines)).0.unwrap();
        assert_eq!(image.record_count(), 13);
        let seen = |owner: &str, rtype: u16| match find(&image, owner) {
            Found::Exact(node) => node.rrset(rtype).unwrap().map(|set| {
                let signatures = set.signatures().unwrap();
                signatures.map(|s| (s.ttl_secs, s.items().map(|item| item.unwrap()[2..].to_vec()).collect::<Vec<_>>()))
            }),
            Found::Encloser(..) => panic!("{owner}"),
        };
        assert_eq!(seen("www.example", rtype::A), Some(Some((50, vec![a.2.clone()]))));
        assert_eq!(seen("www.example", rtype::TXT), Some(Some((60, vec![txt.2.clone()]))));
        assert_eq!(seen("cut.example", rtype::DS), Some(Some((60, vec![cut_ds.2.clone()]))));
        assert_eq!(seen("cut.example", rtype::NS), Some(None));
        assert_eq!(seen("example", rtype::SOA), Some(None));
        let Found::Exact(www) = find(&image, "www.example") else { panic!() };
        let rest: Vec<_> = www.rrset(rtype::RRSIG).unwrap().unwrap().iter().map(|r| r.unwrap().to_vec()).collect();
        assert_eq!(rest, std::slice::from_ref(&mx.2));
        let all: Vec<Line> = lines.iter().map(|(o, t, _, r)| (o.to_string(), *t, r.to_vec())).collect();
        let mut expected = lines_of_records(&all);
        expected.remove(&("www.example.".into(), rtype::RRSIG, 60, a.2.clone()));
        expected.insert(("www.example.".into(), rtype::RRSIG, 50, a.2.clone()));
        assert_eq!(lines_of(&image), expected);
    }
}

/// The owner before each place is found, against a look at all of them.
#[test]
fn nsec_owners_are_found_in_order() {
    for count in [0, 1, 15, 16, 17, 400, 9000] {
        let names = hosts(count);
        let lines = with_nsec(&names);
        let keys: BTreeMap<Vec<u8>, &str> =
            names.iter().map(String::as_str).chain(["example"]).map(|owner| (key(owner), owner)).collect();
        for image in both_forms(&lines) {
            assert_eq!(image.denial(), Denial::Nsec);
            if count <= 400 {
                assert_eq!(lines_of(&image), lines_of_records(&lines));
            }
            let asked = names.iter().flat_map(|owner| {
                [
                    owner.to_uppercase(),
                    format!("x.{owner}"),
                    format!("\\000.{owner}"),
                    format!("0{owner}"),
                    format!("z{owner}"),
                ]
            });
            let fixed =
                ["example", "a.example", "zzzz.example", "\\255.example", "\\000.example", "b5.example", "x.b.example"];
            for asked in asked.chain(fixed.map(String::from)) {
                let wire = name(&asked);
                let key = OrderKey::new(&wire.as_wire()[..wire.as_wire().len() - b"\x07example\0".len()]);
                let found = image.nsec_at_or_before(&key).unwrap().unwrap();
                let (_, expected) = keys.range(..=key.as_bytes().to_vec()).next_back().unwrap();
                let expected = name(expected);
                assert_eq!(Some(found.name), expected.as_wire().strip_suffix(b"\x07example\0"), "{asked} of {count}");
            }
        }
    }
}

/// The same for NSEC3, which is a circle; and no question finds such a name.
#[test]
fn nsec3_records_are_found_by_hash() {
    for (count, salt, iterations) in [(0, &b""[..], 0), (1, b"", 0), (300, b"\xab\xcd", 3), (3000, b"", 0)] {
        let names = hosts(count);
        let lines = with_nsec3(&names, salt, iterations);
        let owners: BTreeMap<[u8; 20], String> = lines
            .iter()
            .filter(|(_, rtype, _)| *rtype == rtype::NSEC3)
            .map(|(owner, ..)| (nsec3::from_label(&owner.as_bytes()[..32]).unwrap(), owner.clone()))
            .collect();
        for image in both_forms(&lines) {
            assert_eq!(image.denial(), Denial::Nsec3);
            let hash_of = |text: &str| image.nsec3_hash(name(text).as_wire());
            assert_eq!(image.nsec3_apex_hashes().unwrap(), [hash_of("example"), hash_of("*.example")]);
            assert_eq!(lines_of(&image), lines_of_records(&lines));
            assert!(owners.values().all(|owner| !exists(&image, owner)));
            let asked = names.iter().flat_map(|owner| [owner.clone(), format!("x.{owner}")]);
            for asked in asked.chain(["example", "a.example", "b.example"].map(String::from)) {
                let hash = image.nsec3_hash(name(&asked).to_lower().as_wire());
                assert_eq!(hash, nsec3::hash(name(&asked).to_lower().as_wire(), salt, iterations));
                let found = image.nsec3_at_or_before(&hash).unwrap();
                let (own, _) = owners.range(..=hash).next_back().or(owners.last_key_value()).unwrap();
                assert_eq!(found.owner[1..], nsec3::label(own), "{asked}");
                assert_eq!(found.is_match, *own == hash);
                assert_eq!(found.set.signatures().unwrap().unwrap().count, 1);
            }
            let (first, last) = (owners.first_key_value().unwrap().0, owners.last_key_value().unwrap().0);
            for (hash, expected) in [([0; 20], last), ([0xff; 20], last), (*first, first)] {
                assert_eq!(image.nsec3_at_or_before(&hash).unwrap().owner[1..], nsec3::label(expected));
            }
        }
    }
}

/// Which chain counts, where there are several, or parts of one; the others are kept, and found by nobody.
#[test]
fn the_chain_is_the_one_that_nsec3param_names() {
    let names = hosts(20);
    let both = |mut lines: Vec<Line>, salt: &[u8]| {
        let second = with_nsec3(&names, salt, 0)
            .into_iter()
            .filter(|(_, t, r)| *t == rtype::NSEC3 || *t == rtype::RRSIG && r.starts_with(&[0, 50]));
        lines.extend(second);
        lines
    };
    // A second chain without NSEC3PARAM is being made; one whose NSEC3PARAM comes first but has no records is not there yet.
    let making = both(with_nsec3(&names, b"", 0), b"\x05");
    let mut early = with_nsec3(&names, b"\x07", 0);
    early.push(nsec3param(b"", 0));
    for (lines, salt) in [(making, &b""[..]), (early, b"\x07")] {
        for image in both_forms(&lines) {
            assert_eq!(image.denial(), Denial::Nsec3);
            assert_eq!(image.nsec3_hash(b"\0"), nsec3::hash(b"\0", salt, 0));
            assert_eq!(lines_of(&image), lines_of_records(&lines));
            let nsec3s = lines.iter().filter(|(_, rtype, _)| *rtype == rtype::NSEC3);
            assert!(nsec3s.clone().count() > 20 && nsec3s.clone().all(|(owner, ..)| !exists(&image, owner)));
            assert!(names.iter().all(|owner| exists(&image, owner)));
        }
    }
    // Flags that nobody knows (RFC 5155 section 4.1.2), no NSEC3PARAM, a SOA that is not signed: there is nothing to deny with.
    let chain = with_nsec3(&names, b"", 0);
    let without = |rtype: u16, covered: &[u8]| {
        let is_it = |line: &Line| line.1 == rtype && line.2.starts_with(covered);
        chain.iter().filter(|line| !is_it(line)).cloned().collect::<Vec<_>>()
    };
    let mut flagged = without(rtype::NSEC3PARAM, &[]);
    flagged.push(("example".into(), rtype::NSEC3PARAM, vec![1, 1, 0, 0, 0]));
    for lines in [flagged, without(rtype::NSEC3PARAM, &[]), without(rtype::RRSIG, &[0, 6])] {
        for image in both_forms(&lines) {
            assert_eq!(image.denial(), Denial::None);
            assert_eq!(lines_of(&image), lines_of_records(&lines));
        }
    }
}

#[test]
fn iterations_are_bounded() {
    let served = |iterations| compile(&name("example"), &records(&borrowed(&with_nsec3(&[], b"", iterations))));
    let says = |findings: &[Finding], fatal, text: &str| {
        findings.iter().any(|finding| finding.fatal == fatal && finding.message.contains(text))
    };
    let (image, findings) = served(500);
    assert!(image.is_some() && says(&findings, false, "500 iterations"), "{findings:?}");
    let (image, findings) = served(501);
    assert!(
        image.is_none() && says(&findings, true, "NSEC3 with 501 iterations; at most 500 are served"),
        "{findings:?}"
    );
}

/// One name more or less moves few segments of a signed zone, whatever was there before.
#[test]
fn a_change_of_a_signed_zone_moves_few_segments() {
    let names: Vec<String> = (0..30_000).map(|n| format!("host{}.example", n * 7919 % 100_000)).collect();
    let with_chain = |names: &[String]| with_nsec3(names, b"", 0);
    for (what, make, bound) in [("NSEC", &with_nsec as &dyn Fn(&[String]) -> Vec<Line>, 4), ("NSEC3", &with_chain, 5)] {
        let version = |names: &[String]| {
            let (image, findings) = compile(&name("example"), &records(&borrowed(&make(names))));
            image.unwrap_or_else(|| panic!("{findings:?}"))
        };
        let old = version(&names);
        let here: HashMap<[u8; 32], Segment> = old.segments().map(|segment| (*segment.digest(), segment)).collect();
        assert!(old.segments().len() > 20, "{what}: {}", old.segments().len());
        assert!(old.root().len() as u64 <= Root::len_max(old.len()));
        for change in ["new.example", "aaa.example", "zzz.example", "host5000x.example"] {
            let mut more = names.clone();
            more.push(change.into());
            more.reverse();
            let new = version(&more);
            let moved = new.segments().filter(|segment| !here.contains_key(segment.digest())).count();
            assert!(moved > 0 && moved <= bound, "{what}, {change}: {moved} of {}", old.segments().len());
        }
        let less = version(&names[1..]);
        let moved = less.segments().filter(|segment| !here.contains_key(segment.digest())).count();
        assert!(moved > 0 && moved <= bound, "{what}, one less: {moved}");
    }
}

#[test]
fn order_of_lines_changes_nothing() {
    for mut lines in [with_nsec(&hosts(500)), with_nsec3(&hosts(500), b"", 1)] {
        let forward = both_forms(&lines);
        lines.reverse();
        lines.swap(3, 700);
        let backward = both_forms(&lines);
        for (a, b) in forward.iter().zip(&backward) {
            assert_eq!(a.root(), b.root());
            assert_eq!(dump::to_text(a).unwrap(), dump::to_text(b).unwrap());
        }
        assert_eq!(lines_of(&forward[0]), lines_of(&forward[1]));
    }
}
