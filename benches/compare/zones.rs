//! The data: a small zone and one of a registry's shape, and the queries for them with what must come back.

use crate::random::Random;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Most queries kept of one kind; they are asked in a circle.
const QUERIES_MAX: usize = 500_000;
const A: u16 = 1;
const AAAA: u16 = 28;
const MX: u16 = 15;

/// What the answer to a query must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Response code.
    pub(crate) rcode: u8,
    /// AA.
    pub(crate) authoritative: bool,
    /// Records in the answer section.
    pub(crate) answers: u16,
    /// Records in the authority section; `None`: any number (servers differ in what they add to an answer).
    pub(crate) authorities: Option<u16>,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Absolute name with its final dot.
    pub(crate) name: String,
    /// RR type.
    pub(crate) rtype: u16,
    /// What must come back.
    pub(crate) expected: Expected,
}

/// Questions of one kind.
pub(crate) struct Kind {
    /// `hit`, `referral`, `nxdomain`.
    pub(crate) name: &'static str,
    /// In random order.
    pub(crate) questions: Vec<Question>,
}

/// One zone and its questions.
pub(crate) struct Set {
    /// `small`, `tld`.
    pub(crate) name: &'static str,
    /// Apex.
    pub(crate) origin: &'static str,
    /// The master file.
    pub(crate) path: PathBuf,
    /// Records in it.
    pub(crate) records: usize,
    /// Kinds of question.
    pub(crate) kinds: Vec<Kind>,
    /// A question about the file's last name: whoever answers it has read the whole zone.
    pub(crate) last: Question,
}

/// Makes the set `name` in `directory`, its size multiplied by `scale`.
pub(crate) fn make(name: &str, directory: &Path, scale: f64) -> io::Result<Set> {
    let scaled = |size: f64| ((size * scale) as usize).max(64);
    match name {
        "small" => small(directory, scaled(1_000.0).min(1_000)),
        "tld" => tld(directory, scaled(1_000_000.0)),
        _ => Err(io::Error::other(format!("there is no set {name}: small, tld"))),
    }
}

const HIT: Expected = Expected { rcode: 0, authoritative: true, answers: 1, authorities: None };
const REFERRAL: Expected = Expected { rcode: 0, authoritative: false, answers: 0, authorities: Some(2) };
const NXDOMAIN: Expected = Expected { rcode: 3, authoritative: true, answers: 0, authorities: Some(1) };

/// `names` hosts with addresses, a tenth of them with mail.
fn small(directory: &Path, names: usize) -> io::Result<Set> {
    let origin = "small.test.";
    let path = directory.join("small.zone");
    let mut random = Random(1);
    let mut file = BufWriter::new(File::create(&path)?);
    let mut records = head(&mut file, origin)?;
    let labels = unique(&mut random, names);
    let mut hits = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        let mut add = |rtype, text: String| {
            hits.push(Question { name: format!("{label}.{origin}"), rtype, expected: HIT });
            records += 1;
            writeln!(file, "{label} {text}")
        };
        add(A, format!("A {}", ipv4(&mut random)))?;
        if at % 2 == 0 {
            add(AAAA, format!("AAAA {}", ipv6(&mut random)))?;
        }
        if at % 10 == 0 {
            add(MX, format!("MX 10 {}", labels[(at + 1) % labels.len()]))?;
        }
    }
    file.flush()?;
    let last = Question { name: format!("{}.{origin}", labels[labels.len() - 1]), rtype: A, expected: HIT };
    let hits = (0..100_000).map(|_| hits[random.below(hits.len())].clone()).collect();
    let misses = misses(&mut random, origin, 100_000);
    Ok(Set { name: "small", origin, path, records, kinds: vec![Kind { name: "hit", questions: hits }, misses], last })
}

/// `names` delegations to two name servers each. A tenth has them within itself, with glue; the others share those of
/// hosters, fifty names to a hoster. A fifth has DS records.
fn tld(directory: &Path, names: usize) -> io::Result<Set> {
    let origin = "bench.";
    let path = directory.join("tld.zone");
    let mut random = Random(2);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    let mut records = head(&mut file, origin)?;
    let hosters: Vec<String> = (0..(names / 50).max(10)).map(|_| random.label(6, 14)).collect();
    let labels = unique(&mut random, names);
    for (at, label) in labels.iter().enumerate() {
        if at % 10 == 0 {
            writeln!(file, "{label} NS ns1.{label}\n{label} NS ns2.{label}")?;
            writeln!(file, "ns1.{label} A {}\nns2.{label} A {}", ipv4(&mut random), ipv4(&mut random))?;
            writeln!(file, "ns2.{label} AAAA {}", ipv6(&mut random))?;
            records += 5;
        } else {
            let hoster = &hosters[random.below(hosters.len())];
            writeln!(file, "{label} NS ns1.{hoster}.net.\n{label} NS ns2.{hoster}.net.")?;
            records += 2;
        }
        if at % 5 == 1 {
            let digest: [u64; 4] = std::array::from_fn(|_| random.next());
            write!(file, "{label} DS {} 13 2 ", random.below(65536))?;
            digest.iter().try_for_each(|word| write!(file, "{word:016x}"))?;
            writeln!(file)?;
            records += 1;
        }
    }
    file.flush()?;
    let last = Question { name: format!("{}.{origin}", labels[names - 1]), rtype: A, expected: REFERRAL };
    let count = names.clamp(1_000, QUERIES_MAX);
    let questions = (0..count).map(|_| {
        let label = &labels[random.below(names)];
        let name = if random.below(2) == 0 { format!("{label}.{origin}") } else { format!("www.{label}.{origin}") };
        Question { name, rtype: if random.below(10) < 7 { A } else { AAAA }, expected: REFERRAL }
    });
    let referrals = Kind { name: "referral", questions: questions.collect() };
    let misses = misses(&mut random, origin, count);
    Ok(Set { name: "tld", origin, path, records, kinds: vec![referrals, misses], last })
}

/// Names that no zone here has: longer than any label of theirs.
fn misses(random: &mut Random, origin: &str, count: usize) -> Kind {
    let question = |random: &mut Random| {
        let name = format!("{}.{origin}", random.label(15, 20));
        Question { name, rtype: A, expected: NXDOMAIN }
    };
    Kind { name: "nxdomain", questions: (0..count).map(|_| question(random)).collect() }
}

fn head(file: &mut impl Write, origin: &str) -> io::Result<usize> {
    writeln!(file, "$ORIGIN {origin}\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 3600 1209600 3600\n@ NS ns1\n@ NS ns2")?;
    writeln!(file, "ns1 A 192.0.2.1\nns1 AAAA 2001:db8::1\nns2 A 192.0.2.2")?;
    Ok(6)
}

/// Different labels of 5 to 14 signs, in random order.
fn unique(random: &mut Random, count: usize) -> Vec<String> {
    let mut seen = HashSet::with_capacity(count);
    let mut labels = Vec::with_capacity(count);
    while labels.len() < count {
        let label = random.label(5, 14);
        if seen.insert(label.clone()) {
            labels.push(label);
        }
    }
    labels
}

fn ipv4(random: &mut Random) -> String {
    format!("192.0.{}.{}", random.below(256), 1 + random.below(254))
}

fn ipv6(random: &mut Random) -> String {
    format!("2001:db8:{:x}:{:x}::{:x}", random.below(65536), random.below(65536), 1 + random.below(65535))
}
