//! Generated zones, signed in every way, and the questions for them.

use crate::ask::Theirs;
use crate::generate;
use crate::model::Question;
use crate::record::{Name, Response, SOA, child, wire};
use crate::support::peers::{Kind, Options, Peers};
use crate::support::process::TempDir;
use crate::support::signing::{Scheme, VALIDITY, sign};
use crate::zone::Zone;
use catchment::random::Random;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Groups of related zones.
const FAMILIES: usize = 8;
/// One zone in so many is left unsigned.
const UNSIGNED_PART: usize = 5;
/// Questions for each name.
const QUESTIONS_PER_NAME: usize = 5;
/// Owners of NSEC3 records that are asked for in each zone.
const HASHED_PER_ZONE: usize = 6;
/// A deep name, an empty non-terminal with a wildcard below it, and one with nothing below it but a delegation.
const MORE: &str = "\
1.2.3.4.5.6.7.8.9.10.11.12.deep.APEX 300 IN TXT \"deep\"
*.wild.empty.APEX 300 IN TXT \"wild\"
cut.x.y.APEX 300 IN NS ns.example.net.
";

/// A zone that servers are asked about.
pub(crate) struct Signed {
    pub(crate) apex: String,
    /// As its signer left it.
    pub(crate) text: String,
    pub(crate) zone: Zone,
    pub(crate) questions: Vec<Asked>,
}

/// A question and how it is put.
pub(crate) struct Asked {
    pub(crate) question: Question,
    /// UDP size; none: no EDNS.
    pub(crate) udp_size: Option<u16>,
    pub(crate) recursion_desired: bool,
    /// The name in random case.
    pub(crate) wire: Vec<u8>,
}

/// Zones from a seed. A test that finds no peers gives the error to `support::skip`.
pub(crate) fn zones(peers: &Peers, seed: u64) -> Result<Vec<Signed>, String> {
    let mut random = Random::new(seed);
    let mut zones = generate::zones(&mut random, FAMILIES);
    // Nothing below a DNAME: NSD looks for that in all zones together, and refuses it.
    let all: BTreeSet<String> = zones.iter().flat_map(|zone| zone.owners.clone()).collect();
    zones.retain(|zone| !all.iter().any(|owner| zone.redirects(owner)));
    let dir = TempDir::new("signed");
    let mut files = Vec::new();
    for (at, zone) in zones.iter().enumerate() {
        let mut text = zone.text.clone();
        if !zone.redirects(&format!("deep.{}", zone.apex)) {
            text.push_str(&MORE.replace("APEX", &zone.apex));
        }
        files.push(match at % UNSIGNED_PART {
            0 => dir.write(&format!("{}plain", zone.apex), text),
            _ => {
                sign(peers, dir.path(), &zone.apex, &text, Scheme::ALL[random.below(Scheme::ALL.len())], VALIDITY)?.path
            }
        });
    }
    let apexes: Vec<&str> = zones.iter().map(|zone| zone.apex.as_str()).collect();
    let signed = transfer(peers, &apexes, &files)?.into_iter().zip(apexes).zip(&files).map(|((zone, apex), file)| {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let questions = questions(&mut random, &zone);
        Ok(Signed { apex: apex.into(), text, zone, questions })
    });
    signed.collect()
}

/// The zones' records as octets, from a server that shares no code with ours.
fn transfer(peers: &Peers, apexes: &[&str], files: &[PathBuf]) -> Result<Vec<Zone>, String> {
    let list: Vec<_> = apexes.iter().zip(files).map(|(apex, file)| (*apex, file.as_path())).collect();
    let running = peers.start(Kind::Bind, &list, &Options { transfer: true, ..Options::default() })?;
    let theirs = Theirs::new(running.addr);
    Ok(apexes.iter().map(|apex| Zone::new(transferred(&theirs, apex))).collect())
}

/// All records of one zone (RFC 5936): from SOA to SOA.
fn transferred(theirs: &Theirs, apex: &str) -> Vec<crate::record::Record> {
    const AXFR: u16 = 252;
    let mut records = Vec::new();
    let stream = theirs.stream(&crate::support::peers::query(1, apex, AXFR), |bytes| {
        records.extend(Response::read(bytes).answer);
        records.len() > 1 && records.last().is_some_and(|last| last.rtype == SOA)
    });
    stream.unwrap_or_else(|error| panic!("AXFR of {apex}: {error}"));
    records.pop();
    records
}

/// Types that are asked for. All that the zones have, and some that no name has.
const TYPES: [u16; 32] = [
    1, 1, 1, 28, 28, 2, 2, 6, 5, 39, 43, 43, 43, 16, 15, 33, 35, 64, 65, 257, 12, 17, 65280, 65281, 46, 47, 47, 48, 50,
    51, 59, 255,
];
/// UDP sizes of clients.
const SIZES: [u16; 6] = [512, 800, 1232, 1232, 1432, 4096];

/// Questions for every name of a zone, its ancestors, children and neighbours.
fn questions(random: &mut Random, zone: &Zone) -> Vec<Asked> {
    let mut names = BTreeSet::<Name>::new();
    for owner in zone.nodes.keys() {
        // Up to one label above the apex.
        names.extend((zone.apex.len() - 1..=owner.len()).filter(|len| *len > 0).map(|len| owner[..len].to_vec()));
        for label in [&b"a"[..], b"*", b"x", b"\0"] {
            if random.percent(40) {
                names.insert(child(owner, label));
                names.insert(child(&child(owner, label), b"x"));
            }
        }
        // A neighbour in canonical order, and one that hashes anywhere.
        let label = owner.last().expect("no zone is the root");
        names.insert(child(&owner[..owner.len() - 1], &[&label[..], b"-"].concat()));
        names.insert(child(&zone.apex, format!("n{}", random.below(1_000_000)).as_bytes()));
    }
    let hashed = zone.hashed_names();
    for _ in 0..HASHED_PER_ZONE.min(hashed.len()) {
        let name = random.pick(&hashed);
        names.extend([name.clone(), child(name, b"x"), child(name, b"*")]);
    }
    let mut asked = Vec::new();
    for name in &names {
        for _ in 0..QUESTIONS_PER_NAME {
            let udp_size = random.percent(85).then(|| *random.pick(&SIZES));
            let question = Question {
                name: name.clone(),
                qtype: *random.pick(&TYPES),
                dnssec_ok: udp_size.is_some() && random.percent(80),
            };
            let upper = random.percent(50);
            let mut wire = wire(name);
            // Octets of lengths are below those of letters.
            wire.iter_mut().filter(|_| upper && random.percent(50)).for_each(|octet| octet.make_ascii_uppercase());
            asked.push(Asked { question, udp_size, recursion_desired: random.percent(30), wire });
        }
    }
    asked
}

impl Asked {
    /// The message.
    pub(crate) fn packet(&self, id: u16) -> Vec<u8> {
        let mut packet = id.to_be_bytes().to_vec();
        packet.extend_from_slice(&[
            self.recursion_desired as u8,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            self.udp_size.is_some() as u8,
        ]);
        packet.extend_from_slice(&self.wire);
        packet.extend_from_slice(&self.question.qtype.to_be_bytes());
        packet.extend_from_slice(&[0, 1]);
        if let Some(size) = self.udp_size {
            let [high, low] = size.to_be_bytes();
            let flags = if self.question.dnssec_ok { 0x80 } else { 0 };
            packet.extend_from_slice(&[0, 0, 41, high, low, 0, 0, flags, 0, 0, 0]);
        }
        packet
    }
}
