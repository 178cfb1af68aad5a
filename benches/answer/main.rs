//! How long `answer()` takes, in process: hit, wildcard, referral and NXDOMAIN, in a zone of 1,000 names and in one of
//! 1,000,000 delegations, and with proofs in signed ones of 100,000 names, names shuffled; beside it what one dependent load from memory takes on this machine in the same run,
//! as a lookup in a large zone is little else.
//!
//! Run: `cargo bench --bench answer [-- --names N]`. Prints Markdown; each figure is the median of the rounds. With `--change`
//! instead: what one changed record of such a zone costs a node.

mod change;
mod signed;

use catchment::answer::{Query, Served, Settings, Transport, answer, prefetch};
use catchment::random::Random;
use catchment::wire::code::rtype;
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::records::Records;
use catchment::zone::set::{Zone, Zones};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// Timed passes over all packets of a case; the median counts.
const ROUNDS: usize = 7;
/// Packets of a case in the large zone: enough that what they ask for does not stay in the caches. In the small one as many as
/// fit with it into the second-level cache: a server finds its packets there, the kernel has just written them.
const MANY: usize = 400_000;
const FEW: usize = 4_000;
/// Names of the signed zones.
const SIGNED: usize = 100_000;
/// Packets that a server gets from the kernel at once.
const BATCH: usize = 16;

fn main() {
    let (mut large_names, mut is_change) = (1_000_000, false);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match (&argument[..], if argument == "--change" { None } else { arguments.next() }) {
            ("--names", Some(names)) => large_names = names.parse().expect("--names takes a number"),
            ("--change", _) => is_change = true,
            (change::NODE, Some(store)) => return change::node(store.as_ref()),
            _ => panic!("usage: answer [--names N] [--change]"),
        }
    }
    if is_change {
        return change::publish(large_names);
    }
    let random = &mut Random::new(20);
    println!(
        "| case | ns a query | ns a query, batches of {BATCH} prefetched | answer, octets |\n|---|---:|---:|---:|"
    );
    let small = small_zone(1000, random);
    for (case, packets) in &small.cases {
        time(&format!("1,000 names, {case}"), &small.served, packets);
    }
    let mut signed_lens = Vec::new();
    for (chain, what) in [(signed::Chain::Nsec, "NSEC"), (signed::Chain::Nsec3, "NSEC3")] {
        let signed = signed::zone(SIGNED, chain, random);
        for (case, packets) in &signed.cases {
            time(&format!("{SIGNED} names with {what}, {case}"), &signed.served, packets);
        }
        signed_lens.push((what, signed.image_len, signed.records));
    }
    let large = delegations(large_names, random);
    for (case, packets) in &large.cases {
        time(&format!("{large_names} delegations, {case}"), &large.served, packets);
    }
    println!("\nDependent load from memory: {:.0} ns (a chain through 256 MiB).", memory_latency(random));
    println!("Image of {large_names} delegations: {} octets, {} records.", large.image_len, large.records);
    for (what, octets, records) in signed_lens {
        println!("Image of {SIGNED} names with {what}: {octets} octets, {records} records.");
    }
}

/// A zone with packets that ask it, by case.
struct Bench {
    served: Served,
    cases: Vec<(&'static str, Packets)>,
    image_len: u64,
    records: u64,
}

/// Packets one after the other in memory, and where each ends.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Packets {
    /// Asks for signatures and proofs: DO is in the OPT that each packet ends in, RDLENGTH behind it.
    fn set_do(&mut self) {
        self.ends.iter().for_each(|&end| self.bytes[end - 4] |= 0x80);
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.bytes[std::mem::replace(&mut start, end)..end])
    }
}

fn small_zone(names: usize, random: &mut Random) -> Bench {
    let mut zone = Records::default();
    apex(&mut zone, "small.test");
    let labels: Vec<String> = (0..names).map(|_| label(random)).collect();
    for label in &labels {
        add(&mut zone, &format!("{label}.small.test"), rtype::A, &address(random));
    }
    add(&mut zone, "*.wild.small.test", rtype::A, &[192, 0, 2, 1]);
    add(&mut zone, "child.small.test", rtype::NS, name("ns.child.small.test").as_wire());
    add(&mut zone, "ns.child.small.test", rtype::A, &[192, 0, 2, 1]);
    let cases = vec![
        ("hit", packets(random, FEW, rtype::A, |random| format!("{}.small.test", random.pick(&labels)))),
        ("wildcard", packets(random, FEW, rtype::A, |random| format!("{}.wild.small.test", label(random)))),
        ("referral", packets(random, FEW, rtype::A, |random| format!("{}.child.small.test", label(random)))),
        ("NXDOMAIN", packets(random, FEW, rtype::A, |random| format!("{}x.small.test", label(random)))),
    ];
    bench("small.test", &zone, cases)
}

/// Two name servers each, most of them hosters' shared by many delegations; glue of their own for one in ten. Gives the zone
/// `bench` and the labels of the delegations.
fn delegations_of(names: usize, random: &mut Random) -> (Records, Vec<String>) {
    let mut zone = Records::default();
    apex(&mut zone, "bench");
    let hosters: Vec<String> = (0..(names / 50).max(10)).map(|_| label(random)).collect();
    let labels: Vec<String> = (0..names).map(|n| format!("{}{n}", label(random))).collect();
    for (number, label) in labels.iter().enumerate() {
        let owner = format!("{label}.bench");
        let hoster = if number % 10 == 0 { owner.clone() } else { format!("{}.net", random.pick(&hosters)) };
        for server in 1..=2 {
            add(&mut zone, &owner, rtype::NS, name(&format!("ns{server}.{hoster}")).as_wire());
        }
        if number % 5 == 1 {
            let digest: Vec<u8> = (0..36).map(|_| random.draw() as u8).collect();
            add(&mut zone, &owner, rtype::DS, &digest);
        }
        if number % 10 == 0 {
            for server in 1..=2 {
                add(&mut zone, &format!("ns{server}.{owner}"), rtype::A, &address(random));
            }
        }
    }
    add(&mut zone, "*.wild.bench", rtype::A, &[192, 0, 2, 1]);
    (zone, labels)
}

fn delegations(names: usize, random: &mut Random) -> Bench {
    let (zone, labels) = delegations_of(names, random);
    let signed: Vec<&String> = labels.iter().skip(1).step_by(5).collect();
    let cases = vec![
        ("hit (DS)", packets(random, MANY, rtype::DS, |random| format!("{}.bench", random.pick(&signed)))),
        ("wildcard", packets(random, MANY, rtype::A, |random| format!("{}.wild.bench", label(random)))),
        ("referral", packets(random, MANY, rtype::A, |random| format!("www.{}.bench", random.pick(&labels)))),
        ("NXDOMAIN", packets(random, MANY, rtype::A, |random| format!("{}x.bench", label(random)))),
    ];
    bench("bench", &zone, cases)
}

fn bench(apex: &str, records: &Records, cases: Vec<(&'static str, Packets)>) -> Bench {
    let (image, findings) = compile(&name(apex), records);
    let image = image.unwrap_or_else(|| panic!("{findings:?}"));
    let (image_len, records) = (image.len(), image.record_count());
    let zones = Zones::new([Zone::new(0, image.into())]);
    let settings = Settings { keepalive_100ms: 100, ..Settings::plain(1232) };
    Bench { served: Served { zones, settings }, cases, image_len, records }
}

fn time(case: &str, served: &Served, packets: &Packets) {
    let mut out = vec![0; 65_535];
    let query = |packet| Query {
        packet,
        peer: (Ipv4Addr::LOCALHOST, 53000).into(),
        local: IpAddr::V4(Ipv4Addr::LOCALHOST),
        transport: Transport::Udp,
        now_secs: 1_700_000_000,
    };
    let octets: usize = packets.iter().map(|packet| answer(&query(packet), served, &mut out).result.unwrap()).sum();
    let passes = MANY / packets.ends.len();
    let one_by_one = median(|| {
        for packet in (0..passes).flat_map(|_| packets.iter()) {
            let _ = black_box(answer(&query(packet), served, &mut out));
        }
    });
    let mut batch = Vec::with_capacity(BATCH);
    let batched = median(|| {
        for packet in (0..passes).flat_map(|_| packets.iter()) {
            batch.push(packet);
            if batch.len() == BATCH {
                prefetch(batch.iter().copied(), served);
                for packet in batch.drain(..) {
                    let _ = black_box(answer(&query(packet), served, &mut out));
                }
            }
        }
        batch.clear();
    });
    let per_query = |seconds: f64| seconds * 1e9 / (passes * packets.ends.len()) as f64;
    let mean_octets = octets / packets.ends.len();
    println!("| {case} | {:.0} | {:.0} | {mean_octets} |", per_query(one_by_one), per_query(batched));
}

fn median(mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            pass();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
}

/// One cycle through all cache lines of 256 MiB, in random order: each load's address comes from the one before.
fn memory_latency(random: &mut Random) -> f64 {
    const LINE: usize = 64 / size_of::<usize>();
    let lines = (256 << 20) / 64;
    let mut order: Vec<usize> = (0..lines).collect();
    for at in (1..lines).rev() {
        order.swap(at, random.below(at + 1));
    }
    let mut chain = vec![0usize; lines * LINE];
    for pair in order.windows(2) {
        chain[pair[0] * LINE] = pair[1] * LINE;
    }
    chain[order[lines - 1] * LINE] = order[0] * LINE;
    let steps = 2_000_000;
    let mut at = 0;
    let start = Instant::now();
    for _ in 0..steps {
        at = chain[at];
    }
    black_box(at);
    start.elapsed().as_secs_f64() * 1e9 / steps as f64
}

fn apex(zone: &mut Records, apex: &str) {
    let server = name(&format!("ns1.{apex}"));
    let numbers = [[0, 0, 0, 1]; 5].concat();
    add(zone, apex, rtype::SOA, &[server.as_wire(), server.as_wire(), &numbers].concat());
    add(zone, apex, rtype::NS, server.as_wire());
    add(zone, &format!("ns1.{apex}"), rtype::A, &[192, 0, 2, 1]);
}

fn add(zone: &mut Records, owner: &str, rtype: u16, rdata: &[u8]) {
    zone.set_owner(name(owner).as_wire());
    zone.push(rtype, 3600, rdata, 0, 0);
}

fn name(text: &str) -> Name {
    text.parse().expect("a valid name")
}

/// Queries with EDNS.
fn packets(random: &mut Random, count: usize, rtype: u16, mut qname: impl FnMut(&mut Random) -> String) -> Packets {
    let mut packets = Packets::default();
    for _ in 0..count {
        packets.bytes.extend_from_slice(&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        packets.bytes.extend_from_slice(name(&qname(random)).as_wire());
        packets.bytes.extend_from_slice(&rtype.to_be_bytes());
        packets.bytes.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        packets.ends.push(packets.bytes.len());
    }
    packets
}

fn label(random: &mut Random) -> String {
    let len = 6 + random.below(8);
    (0..len).map(|_| (b'a' + random.below(26) as u8) as char).collect()
}

fn address(random: &mut Random) -> [u8; 4] {
    (random.draw() as u32).to_be_bytes()
}
