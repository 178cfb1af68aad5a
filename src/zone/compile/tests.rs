use super::*;
use crate::wire::code::rtype;
use crate::wire::lookup::LookupName;
use crate::wire::name::Text;
use crate::zone::finding::{FINDINGS_MAX, Part};
use crate::zone::image::{Found, Hint};
use crate::zone::layout;
use crate::zone::parse::{Options, Way, parse_text_by};

mod denial;
mod segments;

const SOA: &[u8] = b"\x02ns\x07example\0\x01h\x07example\0\0\0\0\x07\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x3c";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A zone `example.` with SOA and NS, and these records: (owner, type, TTL, RDATA).
fn records(more: &[(&str, u16, u32, &[u8])]) -> Records {
    let mut records = Records::default();
    let fixed: [(&str, u16, u32, &[u8]); 2] =
        [("example", rtype::SOA, 3600, SOA), ("example", rtype::NS, 3600, b"\x02ns\x07example\0")];
    for (line, (owner, rtype, ttl_secs, rdata)) in fixed.iter().chain(more).enumerate() {
        records.set_owner(name(owner).as_wire());
        records.push(*rtype, *ttl_secs, rdata, 0, line as u32 + 1);
    }
    records
}

fn compiled(more: &[(&str, u16, u32, &[u8])]) -> Image {
    let (image, findings) = compile(&name("example"), &records(more));
    image.unwrap_or_else(|| panic!("{findings:?}"))
}

fn refusal(more: &[(&str, u16, u32, &[u8])]) -> String {
    let (image, findings) = compile(&name("example"), &records(more));
    assert!(image.is_none());
    findings.into_iter().find(|finding| finding.fatal).unwrap().message
}

fn find<'a>(image: &'a Image, text: &str) -> Found<'a> {
    let mut lookup = LookupName::default();
    lookup.read(name(text).as_wire()).unwrap();
    image.find(&lookup).unwrap()
}

fn exists(image: &Image, text: &str) -> bool {
    matches!(find(image, text), Found::Exact(_))
}

/// A name may have more records that follow one another, and more that do not, than a name among others has room to tell.
#[test]
fn records_of_one_name_are_all_counted() {
    let many = |owner: fn(u32) -> &'static str| {
        let mut records = records(&[]);
        for number in 0..140_000 {
            records.set_owner(name(owner(number)).as_wire());
            records.push(rtype::A, 60, &number.to_be_bytes(), 0, number + 3);
        }
        let (_, findings) = compile(&name("example"), &records);
        findings.into_iter().filter(|finding| finding.fatal).map(|finding| finding.message).collect::<Vec<_>>()
    };
    let told = |owner: &str, count: u64| {
        format!(
            "the A records at {owner}.example. take {} octets; an RRset may take 64000, so that it fits a message",
            count * (12 + 4)
        )
    };
    assert_eq!(many(|_| "a.example"), [told("a", 140_000)]);
    assert_eq!(
        many(|number| if number % 2 == 0 { "a.example" } else { "b.example" }),
        [told("a", 70_000), told("b", 70_000)]
    );
}

#[test]
fn order_of_lines_changes_nothing() {
    let mut lines: Vec<(String, u16, u32, Vec<u8>)> = (0..300u16)
        .map(|n| (format!("h{}.d{}.example", n % 100, n % 7), 1, 60, vec![10, 0, (n >> 8) as u8, n as u8]))
        .collect();
    lines.push(("H1.d1.Example".into(), 16, 60, b"\x01x".to_vec()));
    let image_of = |lines: &[(String, u16, u32, Vec<u8>)]| {
        let lines: Vec<_> = lines.iter().map(|(owner, t, ttl, rdata)| (&owner[..], *t, *ttl, &rdata[..])).collect();
        compiled(&lines)
    };
    let first = image_of(&lines);
    lines.reverse();
    lines.swap(3, 250);
    assert_eq!(first.root(), image_of(&lines).root());
    assert_eq!(first.record_count(), 303);
    assert_eq!(first.serial(), 7);
    assert_eq!(first.negative_ttl_secs(), 60);
}

#[test]
fn every_name_is_found_and_no_other() {
    let owners: Vec<String> = (0..5000).map(|n| format!("h{n}.x{}.example", n % 50)).collect();
    let lines: Vec<_> = owners.iter().map(|owner| (&owner[..], 1, 60, &[192, 0, 2, 1][..])).collect();
    let image = compiled(&lines);
    for owner in &owners {
        assert!(exists(&image, owner), "{owner}");
        assert!(exists(&image, &owner.to_uppercase()), "{owner}");
    }
    assert!(exists(&image, "x7.example"), "an empty non-terminal");
    assert!(exists(&image, "example"));
    assert!(!exists(&image, "x50.example"));
    assert!(!exists(&image, "h0.x1.example"));
    assert!(!exists(&image, "a.h0.x0.example"));
}

#[test]
fn occluded_names_are_not_found_but_kept() {
    let image = compiled(&[
        ("sub.example", rtype::NS, 60, b"\x02ns\x01e\x03sub\x07example\0"),
        ("ns.e.sub.example", rtype::A, 60, &[192, 0, 2, 1]),
    ]);
    assert!(exists(&image, "sub.example"));
    assert!(!exists(&image, "e.sub.example"));
    assert!(!exists(&image, "ns.e.sub.example"));
    let mut owners = Vec::new();
    image.for_each_record(|owner, rtype, _, _| owners.push((Text(owner).to_string(), rtype))).unwrap();
    let expected = [("example.", 6), ("example.", 2), ("sub.example.", 2), ("ns.e.sub.example.", 1)];
    assert_eq!(owners, expected.map(|(owner, rtype)| (owner.to_string(), rtype)));
}

/// Most delegations of a registry have one of few sets of name servers; each that looks alike is what it says all the same.
#[test]
fn delegations_with_common_servers_keep_what_they_say() {
    let (one, two, capital): (&[u8], &[u8], &[u8]) =
        (b"\x03ns1\x06hoster\x03net\0", b"\x03ns2\x06hoster\x03net\0", b"\x03NS1\x06hoster\x03net\0");
    let inside: &[u8] = b"\x02ns\x07example\0";
    let owners: Vec<String> = (0..2000).map(|n| format!("d{n}.example")).collect();
    let servers: [&[(u32, &[u8])]; 8] = [
        &[(60, one), (60, two)],
        &[(60, two), (60, one)],
        &[(61, one), (61, two)],
        &[(60, capital), (60, two)],
        &[(60, one), (60, two), (60, one)],
        &[(60, one), (90, two)],
        &[(60, one), (60, inside)],
        &[(60, one), (60, two), (60, b"\x03ns3\x06hoster\x03net\0")],
    ];
    let mut lines: Vec<(&str, u16, u32, &[u8])> = vec![("ns.example", rtype::A, 60, &[192, 0, 2, 1])];
    let mut expected = Vec::new();
    for (owner, n) in owners.iter().zip(0..) {
        let of_one = servers[n % 8].iter().map(|&(ttl_secs, rdata)| (&owner[..], rtype::NS, ttl_secs, rdata));
        lines.extend(of_one.clone());
        let ttl_secs = of_one.clone().map(|(_, _, ttl_secs, _)| ttl_secs).min().unwrap();
        let mut rdata: Vec<&[u8]> = of_one.map(|(_, _, _, rdata)| rdata).collect();
        rdata.sort_by_key(|rdata| rdata.to_ascii_lowercase());
        rdata.dedup();
        expected.extend(rdata.into_iter().map(|rdata| (format!("{owner}."), ttl_secs, rdata.to_vec())));
    }
    let (image, findings) = compile(&name("example"), &records(&lines));
    let image = image.unwrap();
    let told = |what: &str| findings.iter().filter(|finding| finding.message.contains(what)).count();
    assert_eq!((told("duplicate NS"), told("TTL 90 differs")), (250, 250));
    let mut found = Vec::new();
    let of_delegation = |owner: &[u8], rtype: u16| rtype == rtype::NS && Text(owner).to_string() != "example.";
    image
        .for_each_record(|owner, rtype, ttl_secs, rdata| {
            if of_delegation(owner, rtype) {
                found.push((Text(owner).to_string(), ttl_secs, rdata.to_vec()));
            }
        })
        .unwrap();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let copies = image.root().windows(one.len()).filter(|window| window == &one).count();
    assert_eq!(copies, 4, "with two, at another TTL, with the zone's own, with three");
    lines.reverse();
    assert_eq!(compiled(&lines).root(), image.root());
}

#[test]
fn equal_rrsets_are_kept_once() {
    let ns: &[u8] = b"\x03ns1\x0chosting-corp\x03net\0";
    let owners: Vec<String> = (0..1000).map(|n| format!("d{n}.example")).collect();
    let lines: Vec<_> = owners.iter().map(|owner| (&owner[..], rtype::NS, 60, ns)).collect();
    let image = compiled(&lines);
    let copies = image.root().windows(ns.len()).filter(|window| window == &ns).count();
    assert_eq!(copies, 1);
}

#[test]
fn hints_name_the_longest_suffix() {
    let image = compiled(&[
        ("m.example", rtype::MX, 60, b"\0\x01\x01a\x01m\x07example\0"),
        ("m.example", rtype::MX, 60, b"\0\x02\x01b\x03net\0"),
        ("m.example", rtype::MX, 60, b"\0\x03\x01c\x01b\x03net\0"),
        ("m.example", rtype::MX, 60, b"\0\x04\x01d\x07Example\0"),
        ("m.example", rtype::MX, 60, b"\0\x05\x01e\x07example\0"),
    ]);
    let Found::Exact(node) = find(&image, "m.example") else { panic!() };
    let set = node.rrset(rtype::MX).unwrap().unwrap();
    let hints: Vec<_> = (0..5).map(|index| set.hint(index).unwrap()).collect();
    assert_eq!(
        hints,
        [
            Hint::Owner { cut: 2 },
            Hint::None,
            Hint::Name { cut: 2, name: 1, place: 0 },
            // Another spelling than the apex has: its case must survive.
            Hint::None,
            Hint::Apex { cut: 2 },
        ]
    );
}

#[test]
fn what_cannot_be_served() {
    let a: &[u8] = &[192, 0, 2, 1];
    assert_eq!(refusal(&[("x.test", 1, 60, a)]), "x.test. is outside the zone example.");
    assert_eq!(
        refusal(&[("x.example", 6, 60, SOA)]),
        "SOA record at x.example., which is not the zone's name example."
    );
    assert_eq!(
        refusal(&[("x.example", 5, 60, b"\x01a\0"), ("x.example", 1, 60, a)]),
        "x.example. has a CNAME record and other data (A)"
    );
    assert_eq!(
        refusal(&[("x.example", 5, 60, b"\x01a\0"), ("x.example", 5, 60, b"\x01b\0")]),
        "x.example. has more than one CNAME record"
    );
    let text = [&[255u8][..], &[b'x'; 255]].concat();
    let texts: Vec<Vec<u8>> = (0..250u8).map(|n| [&[1, n][..], &text].concat()).collect();
    let lines: Vec<_> = texts.iter().map(|text| ("x.example", 16, 60, &text[..])).collect();
    assert!(refusal(&lines).starts_with("the TXT records at x.example. take 67500 octets"));
    let (image, findings) = compile(&name("example"), &Records::default());
    assert!(image.is_none());
    assert_eq!(findings[0].message, "example. has no SOA record");
    assert_eq!(findings[1].message, "example. has no NS record");
}

#[test]
fn differing_ttls_and_duplicates_are_warned_about() {
    let lines: [(&str, u16, u32, &[u8]); 3] =
        [("x.example", 2, 60, b"\x01a\0"), ("x.example", 2, 30, b"\x01b\0"), ("x.example", 2, 30, b"\x01A\0")];
    let (image, findings) = compile(&name("example"), &records(&lines));
    let image = image.unwrap();
    assert_eq!(image.record_count(), 4);
    let of_record = findings.iter().filter(|finding| finding.line >= 3);
    let messages: Vec<_> = of_record.map(|finding| (finding.line, &finding.message[..])).collect();
    assert_eq!(
        messages,
        [
            (3, "TTL 60 differs within x.example. NS: the smallest, 30, is served"),
            (3, "duplicate NS record at x.example."),
        ]
    );
    let mut seen = Vec::new();
    image.for_each_record(|_, rtype, ttl, rdata| seen.push((rtype, ttl, rdata.to_vec()))).unwrap();
    // Of two spellings the least bytes win.
    assert_eq!(seen[2..], [(2, 30, b"\x01A\0".to_vec()), (2, 30, b"\x01b\0".to_vec())]);
}

#[test]
fn a_damaged_image_does_not_open() {
    use crate::zone::image::ImageError;
    let good = compiled(&[("x.example", 1, 60, &[192, 0, 2, 1])]).root().to_vec();
    let open = |bytes: &[u8]| Image::open(bytes.to_vec()).map(|_| ()).unwrap_err();
    let len = good.len() as u64;
    assert_eq!(open(&good[..good.len() - 1]), ImageError::Truncated { has: len - 1, wants: len });
    assert!(matches!(open(&good[..20]), ImageError::Truncated { has: 20, .. }));
    assert_eq!(open(b"$TTL 3600"), ImageError::NotAnImage);
    // Octets 24 to 31 say how long it is.
    for at in (12..24).chain(32..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(open(&bad), ImageError::Digest, "octet {at}");
    }
    let mut newer = good.clone();
    newer[8] = 9;
    assert_eq!(open(&newer), ImageError::Version(9));
    Image::open(good).unwrap();
}

/// A thousand warnings once took all the room, and the one error that kept the zone from being served was told to nobody.
#[test]
fn warnings_do_not_hide_an_error_and_findings_follow_the_text() {
    let owners: Vec<String> = (0..2000).map(|n| format!("h{}.example", n / 2)).collect();
    let mut lines: Vec<(&str, u16, u32, &[u8])> =
        owners.iter().map(|owner| (&owner[..], rtype::A, 60, &b"\x0a\0\0\x01"[..])).collect();
    lines.extend([("z.example", rtype::A, 60, &b"\x0a\0\0\x01"[..]), ("z.example", rtype::A, 60, b"\x0a\0\0\x01")]);
    lines.extend([("w.example", rtype::CNAME, 60, &b"\0"[..]), ("w.example", rtype::A, 60, b"\x0a\0\0\x01")]);
    let (image, findings) = compile(&name("example"), &records(&lines));
    assert!(image.is_none());
    let errors: Vec<_> = findings.iter().filter(|finding| finding.fatal).collect();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].line, &errors[0].message[..]), (2005, "w.example. has a CNAME record and other data (A)"));
    let (last, told) = findings.split_last().unwrap();
    assert_eq!((last.fatal, &last.message[..]), (false, "and 4 more warnings"));
    assert!(told.is_sorted_by_key(|finding| finding.line) && told.len() == 1001);
}

#[test]
fn more_empty_non_terminals_than_any_real_zone_has_are_refused() {
    // Each owner has 100 of its own: one line of $GENERATE could make as many as memory holds.
    let owners: Vec<String> = (0..100).map(|n| format!("{}{n}.example", "a.".repeat(100))).collect();
    let lines: Vec<_> = owners.iter().map(|owner| (&owner[..], 1, 60, &[192, 0, 2, 1][..])).collect();
    assert!(refusal(&lines).starts_with("the zone has more than 32 empty non-terminals"), "{}", refusal(&lines));
    // Some few deep names are no harm, and neither is ip6.arpa: 24 levels below a /32 that no two hosts share.
    assert!(exists(&compiled(&lines[..20]), "a.a.19.example"));
    let hosts: Vec<String> = (0..300).map(|n| format!("{}{n}.example", "f.".repeat(23))).collect();
    let lines: Vec<_> = hosts.iter().map(|owner| (&owner[..], 12, 60, &b"\x01a\0"[..])).collect();
    assert!(exists(&compiled(&lines), "f.f.299.example"));
}

#[test]
fn empty_non_terminals_are_spelled_alike_whatever_the_order_of_lines() {
    let mut lines = vec![("x.B.c.example", 1, 60, &[192, 0, 2, 1][..]), ("y.b.C.example", 1, 60, &[192, 0, 2, 2][..])];
    lines.push(("z.b.c.example", 1, 60, &[192, 0, 2, 3]));
    let first = compiled(&lines);
    for _ in 0..3 {
        lines.rotate_left(1);
        assert_eq!(compiled(&lines).root(), first.root());
    }
    let Found::Exact(node) = find(&first, "b.c.example") else { panic!("b.c is an empty non-terminal") };
    assert_eq!(node.name, b"\x01B\x01c");
}

/// With eight octets of XXH3's own secret in the right place, the eight behind them count for nothing under seed 0.
#[test]
fn names_chosen_for_their_hash_cost_no_more_than_others() {
    let secret = "\\222\\212m\\233\\131\\144\\151\\219";
    let owners: Vec<String> = (0..3000)
        .flat_map(|n| [format!("aaaaaaa{secret}{n:08}.example"), format!("below.aaaaaaa{secret}{n:08}.example")])
        .collect();
    let relative = |n: usize| {
        let wire = name(&owners[n]).as_wire().to_vec();
        layout::hash(0, &wire[..24])
    };
    assert_eq!(relative(0), relative(2), "they do collide");
    let lines: Vec<_> = owners.iter().map(|owner| (&owner[..], 1, 60, &[192, 0, 2, 1][..])).collect();
    let image = compiled(&lines);
    assert!(owners.iter().all(|owner| exists(&image, owner)));
    assert!(!exists(&image, &format!("aaaaaaa{secret}99999999.example")));
}

#[test]
fn a_target_has_addresses_in_additional_data_and_other_types_are_none() {
    let image = compiled(&[
        ("a.example", rtype::A, 60, &[192, 0, 2, 1]),
        ("t.example", rtype::TXT, 60, b"\x01x"),
        ("m.example", rtype::MX, 60, b"\0\x01\x01a\x07example\0"),
        ("m.example", rtype::MX, 60, b"\0\x02\x01t\x07example\0"),
    ]);
    let Found::Exact(node) = find(&image, "m.example") else { panic!("m exists") };
    let mx = node.rrset(rtype::MX).unwrap().unwrap();
    let extras: Vec<_> = mx.extras(2).unwrap().map(|extra| extra.unwrap().record).collect();
    assert_eq!(extras, [0]);
}

/// Whatever the number of threads: names spelled in several ways and in several runs of records, empty non-terminals, occlusion, RRsets
/// that many share, and what is found to be wrong.
#[test]
fn the_number_of_threads_changes_nothing() {
    let mut lines: Vec<(String, u16, u32, Vec<u8>)> = Vec::new();
    for n in 0..4000u32 {
        let zone = format!("d{n}.example");
        let hoster = format!("\x03ns1\x04h{:03}\x03net\0", n % 50).into_bytes();
        lines.push((zone.clone(), rtype::NS, 60, hoster));
        if n % 5 == 0 {
            lines.push((format!("ns.{zone}"), rtype::A, 60, n.to_be_bytes().to_vec()));
            lines.push((zone.to_uppercase(), rtype::NS, 60, [b"\x02ns".as_slice(), name(&zone).as_wire()].concat()));
        }
        if n % 7 == 0 {
            lines.push((format!("a.b{}.c{}.example", n % 40, n % 11), rtype::TXT, 60, b"\x01x".to_vec()));
        }
        if n % 9 == 0 {
            lines.push((format!("x.{zone}"), rtype::DNAME, 30, b"\x01y\0".to_vec()));
            lines.push((format!("B{}.C{}.example", n % 40, n % 11), rtype::AAAA, 60, vec![n as u8; 16]));
        }
        if n % 2 == 0 {
            // A duplicate, and another TTL.
            lines.push((zone, rtype::NS, 61, format!("\x03ns1\x04h{:03}\x03net\0", n % 50).into_bytes()));
        }
    }
    let lines: Vec<_> = lines.iter().map(|(owner, t, ttl, rdata)| (&owner[..], *t, *ttl, &rdata[..])).collect();
    let records = records(&lines);
    for flat_max in [0, u64::MAX] {
        let (one, found) = compile_on(1, flat_max, &name("example"), Given::Lent(&records));
        let one = one.unwrap();
        assert_eq!(found.len(), FINDINGS_MAX + 1, "as many as are kept, and how many more");
        for cores in [2, 3, 16] {
            let (several, found_by_several) = compile_on(cores, flat_max, &name("example"), Given::Lent(&records));
            let several = several.unwrap();
            assert!(one.root() == several.root(), "{cores} threads");
            assert!(one.segments().map(|s| *s.digest()).eq(several.segments().map(|s| *s.digest())), "{cores} threads");
            assert!(several.segments().all(|s| blake3::hash(s.bytes()).as_bytes() == s.digest()));
            assert_eq!(found, found_by_several, "{cores} threads");
        }
    }
}

/// Sets of name servers that delegations have in common, and what comes near them.
const SERVERS: [&[&str]; 12] = [
    &["60 NS ns1.h.net.", "60 NS ns2.h.net."],
    &["60 NS ns1.h.net.", "60 NS ns2.h.net.", "60 DS 1 13 1 0000000000000000000000000000000000000000"],
    &["60 DS 1 13 1 0000000000000000000000000000000000000000", "60 NS ns1.h.net.", "60 NS ns2.h.net."],
    &["60 NS ns1.h.net.", "60 NS ns2.h.net.", "60 NSEC z NS RRSIG NSEC", "60 A 192.0.2.1"],
    &["60 NS ns2.h.net.", "60 NS ns1.h.net."],
    &["60 NS NS1.h.net.", "60 NS ns2.h.net."],
    &["30 NS ns1.h.net.", "30 NS ns2.h.net."],
    &["60 NS ns1.h.net.", "30 NS ns2.h.net."],
    &["60 NS ns1.h.net.", "60 NS NS1.h.net.", "60 NS ns2.h.net."],
    &["60 NS ns1.h.net."],
    &["60 NS ns1.h.net.", "60 NS nowhere"],
    &["60 NS ns.d1", "60 NS ns1.h.net."],
];

/// Text that is read in pieces, where such sets become one item, gives the image and the findings of the text as a whole.
#[test]
fn name_servers_that_delegations_have_in_common_change_nothing() {
    let mut text = "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.h.net.\nns.d1 60 A 192.0.2.1\n".to_string();
    for n in 0..2000 {
        let owner = match n {
            // Found to have the zone's name in it twice.
            _ if n % 13 == 0 => format!("d{n}.x.example"),
            // Once more: its records do not follow one another.
            _ if n % 17 == 0 => format!("D{}", n / 2),
            // Below another delegation.
            _ if n % 19 == 0 => format!("a.d{}", n - 1),
            _ => format!("d{n}"),
        };
        SERVERS[n * n % 31 % 12].iter().for_each(|line| text += &format!("{owner} {line}\n"));
    }
    let apex = name("x.example");
    let read = |cores: usize, piece: usize| {
        let way = Way { piece, first_lines: 0, probe: 64, knows_plain: true };
        parse_text_by(way, &text[..], &apex, &Options { cores, ..Options::default() }).records
    };
    let whole = read(1, usize::MAX / 2);
    assert_eq!(whole.items().len(), whole.len());
    for cores in [1, 2, 16] {
        let in_pieces = read(cores, 4000);
        assert_eq!(in_pieces.len(), whole.len());
        assert!(in_pieces.items().len() < 7 * whole.len() / 10, "{} of {}", in_pieces.items().len(), whole.len());
        let [(expected, found), (image, found_in_pieces)] =
            [&whole, &in_pieces].map(|records| compile_on(cores, FLAT_MAX, &apex, Given::Lent(records)));
        assert_eq!(found, found_in_pieces);
        let owners = |part: &Part| found.iter().filter(|finding| finding.part == *part).count();
        assert!(owners(&Part::Owner) > 100, "also about the owners of those that are known");
        let (expected, image) = (expected.unwrap(), image.unwrap());
        assert_eq!((image.digest(), image.record_count()), (expected.digest(), expected.record_count()));
    }
}

#[test]
fn a_dname_at_the_apex_occludes_all_names() {
    let image = compiled(&[
        ("example", rtype::DNAME, 60, b"\x05other\0"),
        ("www.example", rtype::A, 60, &[192, 0, 2, 1]),
        ("a.b.example", rtype::A, 60, &[192, 0, 2, 1]),
        ("c.b.example", rtype::NS, 60, b"\x02ns\x01c\x01b\x07example\0"),
        ("ns.c.b.example", rtype::A, 60, &[192, 0, 2, 1]),
    ]);
    for name in ["www.example", "a.b.example", "b.example", "c.b.example", "ns.c.b.example"] {
        assert!(!exists(&image, name), "{name}");
    }
    assert!(exists(&image, "example"));
}
