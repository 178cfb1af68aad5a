//! The data: zones of several shapes, and the questions for them with what must come back.

mod many;
mod plain;
mod signed;

use crate::label::label;
use crate::support::peers::Peers;
use catchment::random::Random;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Names of the sets.
pub(crate) const SETS: [&str; 6] = ["small", "tld", "nsec", "nsec3", "many", "many100k"];
/// Most queries kept of one kind; they are asked in a circle.
const QUERIES_MAX: usize = 500_000;
const A: u16 = 1;
const NS: u16 = 2;
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
    /// Least and most records in the authority section; `None`: any number (servers differ in what they add to an answer).
    pub(crate) authorities: Option<(u16, u16)>,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// Absolute name with its final dot.
    pub(crate) name: String,
    /// RR type.
    pub(crate) rtype: u16,
    /// DO.
    pub(crate) dnssec_ok: bool,
    /// What must come back.
    pub(crate) expected: Expected,
}

impl Question {
    fn new(name: String, rtype: u16, expected: Expected) -> Question {
        Question { name, rtype, dnssec_ok: false, expected }
    }
}

/// Questions of one kind.
pub(crate) struct Kind {
    /// `hit`, `referral`, `nxdomain`.
    pub(crate) name: &'static str,
    /// In random order.
    pub(crate) questions: Vec<Question>,
}

/// Zones and the questions for them.
pub(crate) struct Set {
    /// One of [`SETS`].
    pub(crate) name: &'static str,
    /// Apex and master file of each zone.
    pub(crate) zones: Vec<(String, PathBuf)>,
    /// The directory that has these files, named by their apexes, and no others.
    pub(crate) directory: PathBuf,
    /// Records in them.
    pub(crate) records: usize,
    /// Kinds of question.
    pub(crate) kinds: Vec<Kind>,
    /// Questions about the last names: whoever answers them has read everything.
    pub(crate) last: Vec<Question>,
}

impl Set {
    /// Whether a line more leaves the zones right: a signed one would have to be signed again.
    pub(crate) fn is_changeable(&self) -> bool {
        self.last.iter().all(|question| !question.dnssec_ok)
    }

    /// The first zone with another serial and one delegation more, and the question for that.
    pub(crate) fn changed(&self) -> io::Result<(String, Question)> {
        let (origin, path) = &self.zones[0];
        let text = std::fs::read_to_string(path)?.replacen(" 1 7200 ", " 2 7200 ", 1) + "new-record NS ns1\n";
        let expected = Expected { rcode: 0, authoritative: false, answers: 0, authorities: Some((1, 1)) };
        Ok((text, Question::new(format!("new-record.{origin}"), NS, expected)))
    }
}

/// Makes the set `name` in `directory`, its size multiplied by `scale`.
pub(crate) fn make(name: &str, directory: &Path, scale: f64, peers: Option<&Peers>) -> io::Result<Set> {
    let scaled = |size: f64| ((size * scale) as usize).max(64);
    match name {
        "small" => plain::small(directory, scaled(1_000.0).min(1_000)),
        "tld" => plain::tld(directory, scaled(1_000_000.0)),
        "nsec" => signed::make("nsec", directory, scaled(100_000.0), peers),
        "nsec3" => signed::make("nsec3", directory, scaled(100_000.0), peers),
        "many" => many::make("many", directory, scaled(10_000.0)),
        "many100k" => many::make("many100k", directory, scaled(100_000.0)),
        _ => Err(io::Error::other(format!("there is no set {name}: {}", SETS.join(", ")))),
    }
}

/// Makes the directory of a set. Gives it, and the file of the zone `origin` in it.
fn place(directory: &Path, name: &str, origin: &str) -> io::Result<(PathBuf, PathBuf)> {
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory)?;
    let path = directory.join(format!("{origin}zone"));
    Ok((directory, path))
}

const HIT: Expected = Expected { rcode: 0, authoritative: true, answers: 1, authorities: None };
const REFERRAL: Expected = Expected { rcode: 0, authoritative: false, answers: 0, authorities: Some((2, 2)) };
const NXDOMAIN: Expected = Expected { rcode: 3, authoritative: true, answers: 0, authorities: Some((1, 1)) };

/// Writes hosts with addresses, a tenth of them with mail. Gives the number of records, and a question for each RRset.
fn hosts(
    file: &mut impl Write,
    random: &mut Random,
    labels: &[String],
    origin: &str,
) -> io::Result<(usize, Vec<Question>)> {
    let mut hits = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        let mut add = |rtype, text: String| {
            hits.push(Question::new(format!("{label}.{origin}"), rtype, HIT));
            writeln!(file, "{label} {text}")
        };
        add(A, format!("A {}", ipv4(random)))?;
        if at % 2 == 0 {
            add(AAAA, format!("AAAA {}", ipv6(random)))?;
        }
        if at % 10 == 0 {
            add(MX, format!("MX 10 {}", labels[(at + 1) % labels.len()]))?;
        }
    }
    Ok((hits.len(), hits))
}

/// Some of the questions, in random order.
fn some(random: &mut Random, questions: &[Question], count: usize) -> Vec<Question> {
    (0..count).map(|_| questions[random.below(questions.len())].clone()).collect()
}

/// Names that no zone here has: longer than any label of theirs.
fn misses(random: &mut Random, origins: &[&str], count: usize) -> Kind {
    let question = |random: &mut Random| {
        let origin = origins[random.below(origins.len())];
        Question::new(format!("{}.{origin}", label(random, 15, 20)), A, NXDOMAIN)
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
        let label = label(random, 5, 14);
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
