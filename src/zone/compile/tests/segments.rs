//! Images in segments: what a change moves, what versions share, and that they say the same as flat ones.

use super::*;
use crate::zone::dump;
use crate::zone::image::{ImageError, Root, Segment};
use crate::zone::records::Record;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, HashSet};

/// (owner, type) to the RDATA of its records.
type Lines = BTreeMap<(String, u16), Vec<Vec<u8>>>;

const DELEGATIONS: usize = 24_000;

/// Delegations as a registry has them: most to hosters elsewhere, some to hosters in the zone, some with glue of their own.
fn registry() -> Lines {
    let mut lines = Lines::new();
    for n in 0..DELEGATIONS {
        let owner = format!("delegation{n}.example");
        let servers = match n % 10 {
            0 => ["ns1", "ns2"].map(|server| format!("{server}.{owner}")),
            1 => ["ns1", "ns2"].map(|server| format!("{server}.delegation{}.example", n / 500 * 500)),
            _ => ["ns1", "ns2"].map(|server| format!("{server}.hoster-of-some-size{}.net", n % 3001)),
        };
        let servers = servers.map(|server| name(&server).as_wire().to_vec());
        lines.insert((owner.clone(), rtype::NS), servers.to_vec());
        if n % 10 == 0 {
            for server in 1..=2 {
                lines.insert(
                    (format!("ns{server}.{owner}"), rtype::A),
                    vec![(n as u32 * server).to_be_bytes().to_vec()],
                );
            }
        }
        if n % 5 == 1 {
            lines.insert((owner, rtype::DS), vec![blake3::hash(&n.to_le_bytes()).as_bytes().to_vec()]);
        }
    }
    lines.insert(("*.wild.example".into(), rtype::A), vec![vec![192, 0, 2, 1]]);
    lines
}

fn records_of(serial: u8, lines: &Lines) -> Records {
    let mut soa = SOA.to_vec();
    let serial_at = soa.len() - 17;
    soa[serial_at] = serial;
    let mut records = Records::default();
    records.set_owner(name("example").as_wire());
    records.push(rtype::SOA, 3600, &soa, 0, 1);
    records.push(rtype::NS, 3600, b"\x02ns\x07example\0", 0, 2);
    for ((owner, rtype), all) in lines {
        records.set_owner(name(owner).as_wire());
        for rdata in all {
            records.push(*rtype, 60, rdata, 0, 3);
        }
    }
    records
}

fn version(serial: u8, lines: &Lines) -> Image {
    let (image, findings) = compile(&name("example"), &records_of(serial, lines));
    image.unwrap_or_else(|| panic!("{findings:?}"))
}

/// What a node does: the root, the segments that it has, and the others as they come from a store.
fn assembled(new: &Image, old: &Image) -> (Image, usize) {
    let here: HashMap<[u8; 32], Segment> = old.segments().map(|segment| (*segment.digest(), segment)).collect();
    let store: HashMap<[u8; 32], Vec<u8>> =
        new.segments().map(|segment| (*segment.digest(), segment.bytes().to_vec())).collect();
    let mut fetched = HashSet::new();
    let root = Root::open(new.root().to_vec()).unwrap();
    let image = root.assemble(|digest| {
        here.get(digest).cloned().or_else(|| {
            fetched.insert(*digest);
            Some(Segment::open(store[digest].clone(), digest).unwrap())
        })
    });
    (image.unwrap(), fetched.len())
}

fn text_of(records: &Records) -> HashSet<String> {
    let line = |record: Record| {
        let mut text = String::new();
        dump::write_record(records.owner(&record), record.rtype, record.ttl_secs, records.rdata(&record), &mut text);
        text
    };
    records.iter().map(line).collect()
}

fn text_of_image(image: &Image) -> HashSet<String> {
    dump::to_text(image).unwrap().lines().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_change_moves_the_segments_that_it_is_in() {
    let lines = registry();
    let old = version(7, &lines);
    let count = old.segments().len();
    let lens: Vec<usize> = old.segments().map(|segment| segment.bytes().len()).collect();
    assert!(count >= 9, "{count}");
    assert!(lens.iter().all(|len| *len <= 1 << 18), "{lens:?}");
    assert_eq!(old.len() as usize, old.root().len() + lens.iter().sum::<usize>());
    assert_eq!(text_of_image(&old), text_of(&records_of(7, &lines)));

    let ns = |server: &str| vec![name(server).as_wire().to_vec()];
    let address = |last: u8| vec![vec![198, 51, 100, last]];
    let owner = |n: usize, rtype| (format!("delegation{n}.example"), rtype);
    type Change<'a> = (&'a str, usize, Box<dyn Fn(&mut Lines) + 'a>);
    let changes: [Change; 10] = [
        ("the serial alone", 0, Box::new(|_| ())),
        ("a DS record", 1, Box::new(|lines| lines.get_mut(&owner(6, rtype::DS)).unwrap()[0][3] ^= 1)),
        ("a name more", 1, Box::new(|lines| drop(lines.insert(("new.example".into(), rtype::A), address(1))))),
        ("a name less", 1, Box::new(|lines| drop(lines.remove(&owner(7, rtype::NS))))),
        (
            "glue of one cut",
            1,
            Box::new(|lines| drop(lines.insert(("ns1.delegation10.example".into(), rtype::A), address(2)))),
        ),
        (
            "glue that many use",
            1,
            Box::new(|lines| drop(lines.insert(("ns1.delegation500.example".into(), rtype::A), address(3)))),
        ),
        (
            "glue of one cut that another takes too",
            3,
            Box::new(|lines| drop(lines.insert(owner(13, rtype::NS), ns("ns1.delegation20.example")))),
        ),
        (
            "from shared servers to servers of its own",
            1,
            Box::new(|lines| drop(lines.insert(owner(14, rtype::NS), ns("ns.elsewhere-and-nobody-else-has-it.test")))),
        ),
        (
            "servers that one other has",
            3,
            Box::new(|lines| {
                lines.insert(owner(15, rtype::NS), ns("ns.elsewhere-and-somebody-else-has-it.test"));
                lines.insert(owner(16, rtype::NS), ns("ns.elsewhere-and-somebody-else-has-it.test"));
            }),
        ),
        (
            "a wildcard",
            2,
            Box::new(|lines| drop(lines.insert(("*.new.example".into(), rtype::MX), vec![b"\0\x01\x01a\0".to_vec()]))),
        ),
    ];
    for (what, bound, change) in changes {
        let mut changed = lines.clone();
        change(&mut changed);
        let new = version(8, &changed);
        let (image, fetched) = assembled(&new, &old);
        assert!(fetched <= bound, "{what}: {fetched} of {count} segments");
        assert!(fetched > 0 || bound == 0, "{what} changed nothing");
        let places: HashMap<[u8; 32], *const u8> =
            old.segments().map(|segment| (*segment.digest(), segment.bytes().as_ptr())).collect();
        let shared = image.segments().filter(|segment| places.get(segment.digest()) == Some(&segment.bytes().as_ptr()));
        assert_eq!(shared.count(), count - fetched, "{what}: what did not change is not copied");
        assert_eq!((image.root(), image.len(), image.serial()), (new.root(), new.len(), 8));
        assert_eq!(text_of_image(&image), text_of(&records_of(8, &changed)), "{what}");
        for (owner, rtype) in changed.keys() {
            assert_eq!(exists(&image, owner), *rtype != rtype::A || !owner.starts_with("ns"), "{what}: {owner}");
        }
    }
    // The other way round as well.
    let mut less = lines.clone();
    less.remove(&owner(22, rtype::NS));
    let (image, fetched) = assembled(&old, &version(6, &less));
    assert!(fetched <= 2, "{fetched}");
    assert_eq!(image.root(), old.root());
}

#[test]
fn what_is_wrong_with_segments_is_found_on_opening() {
    let image = version(7, &registry());
    let root = || Root::open(image.root().to_vec()).unwrap();
    let segments: HashMap<[u8; 32], Segment> = image.segments().map(|segment| (*segment.digest(), segment)).collect();
    assert!(root().segments().len() == segments.len() && segments.len() > 2);
    assert_eq!(root().assemble(|digest| segments.get(digest).cloned()).unwrap().root(), image.root());
    assert_eq!((root().len(), root().digest()), (image.len(), image.digest()));

    let (last, _) = root().segments().last().unwrap();
    let error = root().assemble(|digest| segments.get(digest).filter(|_| *digest != last).cloned()).err();
    assert_eq!(error, Some(ImageError::SegmentMissing(last)));
    // One under the name of another.
    let (first, len) = root().segments().next().unwrap();
    assert_eq!(segments[&first].bytes().len(), len as usize);
    assert_eq!(root().assemble(|_| segments.get(&last).cloned()).err(), Some(ImageError::SegmentMissing(first)));
    assert_eq!(Image::open(image.root().to_vec()).err(), Some(ImageError::SegmentMissing(first)));
    let octets = segments[&first].bytes();
    for at in (0..octets.len()).step_by(997) {
        let mut damaged = octets.to_vec();
        damaged[at] ^= 0x10;
        assert_eq!(Segment::open(damaged, &first).err(), Some(ImageError::SegmentDigest(first)), "octet {at}");
    }
    assert_eq!(Segment::open(octets[1..].to_vec(), &first).err(), Some(ImageError::SegmentDigest(first)));
    let endless = ImageError::Inconsistent("a segment is too large");
    assert_eq!(Segment::open(vec![0; (1 << 20) + 1], &first).err(), Some(endless));
    for at in (32..image.root().len()).step_by(7) {
        let mut damaged = image.root().to_vec();
        damaged[at] ^= 1;
        assert_eq!(Root::open(damaged).err(), Some(ImageError::Digest), "octet {at}");
    }
    // Well signed, and wrong: lengths that don't add up.
    let mut wrong = image.root()[..image.root().len() - 32].to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    wrong.extend_from_slice(blake3::hash(&wrong.clone()).as_bytes());
    assert!(matches!(Root::open(wrong), Err(ImageError::Inconsistent(_))));
}

/// Versions come and go, and the memory of those that went goes with them.
#[test]
fn memory_follows_what_is_in_use() {
    let mut lines = registry();
    let mut image = version(0, &lines);
    let count = image.segments().len();
    let mut fetched = 0;
    for serial in 1..=20 {
        let changed = lines.get_mut(&(format!("delegation{}.example", 1 + 5 * serial), rtype::DS)).unwrap();
        changed[0][0] ^= 1;
        let (next, moved) = assembled(&version(serial as u8, &lines), &image);
        fetched += moved;
        image = next;
    }
    assert_eq!(fetched, 20, "one each");
    let (held, used) = image.memory();
    assert_eq!(used, image.segments().map(|segment| segment.bytes().len()).sum::<usize>());
    assert!(held <= 2 * used, "{held} octets held for {used}");
    assert_eq!(image.segments().len(), count);
    // A version that was compiled here shares as well.
    lines.remove(&("delegation6.example".into(), rtype::DS));
    let compiled = version(21, &lines);
    let next = compiled.clone().sharing(&image);
    let at = |image: &Image| image.segments().map(|segment| segment.bytes().as_ptr()).collect::<HashSet<_>>();
    assert_eq!(at(&next).intersection(&at(&image)).count(), count - 1);
    assert_eq!(at(&next).intersection(&at(&compiled)).count(), 0, "one segment does not keep the compiler's arena");
    assert_eq!(text_of_image(&next), text_of(&records_of(21, &lines)));
}

/// A record that any zone may have anywhere.
fn record() -> impl Strategy<Value = (String, u16, Vec<u8>)> {
    let owner = prop_oneof![
        "[a-c]",
        "[a-c]\\.[a-c]",
        "\\*\\.[a-c]",
        "[a-c]\\.[a-c]\\.[a-c]",
        Just("*".to_owned()),
        Just(String::new())
    ];
    let target = prop_oneof!["[a-c]\\.example", "ns\\.[a-c]\\.example", Just("example".to_owned()), "[a-c]\\.test"];
    let data = prop_oneof![
        3 => (0u8..4).prop_map(|last| (rtype::A, vec![192, 0, 2, last])),
        3 => target.clone().prop_map(|target| (rtype::NS, name(&target).as_wire().to_vec())),
        2 => (0u8..3, target.clone()).prop_map(|(n, t)| (rtype::MX, [&[0, n], name(&t).as_wire()].concat())),
        1 => target.prop_map(|target| (rtype::SVCB, [&[0, 1], name(&target).as_wire()].concat())),
        1 => Just((rtype::SVCB, vec![0, 1, 0])),
        1 => (0u8..3).prop_map(|n| (rtype::TXT, [vec![200], vec![n; 200], vec![200], vec![n; 200]].concat())),
        1 => Just((rtype::DNAME, b"\x04test\0".to_vec())),
        1 => Just((rtype::NSEC, b"\x07example\0\0\x01\x40".to_vec())),
        2 => (0usize..6, 0u8..3).prop_map(|(covered, n)| {
            let covered = [rtype::SOA, rtype::NS, rtype::A, rtype::MX, rtype::NSEC, rtype::NSEC3][covered];
            (rtype::RRSIG, [&covered.to_be_bytes()[..], &[13; 16], b"\x07example\0", &[n; 64]].concat())
        }),
    ];
    (owner, data).prop_map(|(owner, (rtype, rdata))| {
        let dot = if owner.is_empty() { "" } else { "." };
        (format!("{owner}{dot}example"), rtype, rdata)
    })
}

proptest! {
    /// The form is nobody's business: what is found, and what goes along, is the same.
    #[test]
    fn flat_and_in_segments_say_the_same(lines in proptest::collection::vec(record(), 0..60)) {
        let borrowed: Vec<_> = lines.iter().map(|(owner, rtype, rdata)| (&owner[..], *rtype, 60, &rdata[..])).collect();
        let records = records(&borrowed);
        let (Some(flat), _) = compile(&name("example"), &records) else { return Ok(()) };
        let segmented = compile_in_segments(&name("example"), &records).0.unwrap();
        prop_assert_eq!(flat.segments().len(), 0);
        prop_assert!(segmented.segments().len() > 0);
        prop_assert_eq!(dump::to_text(&flat).unwrap(), dump::to_text(&segmented).unwrap());
        let again = assembled(&segmented, &flat).0;
        let seen = |image: &Image| {
            let mut seen = Vec::new();
            for owner in ["a", "b", "c", "a.b", "b.a", "*.a", "*.b", "a.b.c", "ns.a", "ns.b", "x.y", "c.c"] {
                let mut lookup = LookupName::default();
                lookup.read(name(&format!("{owner}.example")).as_wire()).unwrap();
                let (node, depth) = match image.find(&lookup).unwrap() {
                    Found::Exact(node) => (node, None),
                    Found::Encloser(node, depth) => (node, Some(depth)),
                };
                let sets: Vec<_> = node.rrsets().map(|set| set.unwrap()).map(|set| {
                    let names = if !set.has_hints() { 0 } else { set.count as usize };
                    let extras = set.extras(names).unwrap().map(|extra| extra.unwrap());
                    let extras: Vec<_> = extras.map(|e| (e.record, e.place, e.required, e.node.name.to_vec())).collect();
                    let signatures = set.signatures().unwrap();
                    let signatures: Vec<_> =
                        signatures.iter().flat_map(|s| s.items()).map(|item| item.unwrap().to_vec()).collect();
                    let items: Vec<_> = set.items().map(|item| item.unwrap().to_vec()).collect();
                    (set.rtype, items, signatures, extras)
                }).collect();
                let wildcard = node.wildcard().unwrap().map(|wildcard| wildcard.name.to_vec());
                seen.push((node.name.to_vec(), depth, node.is_cut(), wildcard, sets));
            }
            seen
        };
        prop_assert_eq!(seen(&flat), seen(&again));
        prop_assert_eq!(dump::to_text(&flat).unwrap().lines().count() as u64, flat.record_count());
        let mut reversed = borrowed;
        reversed.reverse();
        let other = compile_in_segments(&name("example"), &super::records(&reversed)).0.unwrap();
        prop_assert_eq!(other.root(), segmented.root());
    }
}
