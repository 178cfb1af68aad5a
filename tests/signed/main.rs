//! Signed zones: Catchment, NSD, Knot DNS and BIND, each against what the RFCs ask for.
//!
//! Generated zones are signed by BIND's and ldns' tools, with NSEC, NSEC3 and opt-out, and served by each server. What is due
//! is worked out by [`model`], slowly and from the records alone, as sets: which RRsets, which signatures, which proofs, and no
//! more. Our responses must be exactly that. So must the peers', but for [`explain::Explained`]: as three servers agree with the
//! model, it is right. The seeds are printed; `DIFFERENTIAL_SEED` runs another.

// What other tests use of the modules of theirs is not all used here.
#[path = "../differential/ask.rs"]
#[allow(dead_code)]
mod ask;
mod explain;
#[path = "../differential/generate.rs"]
#[allow(dead_code)]
mod generate;
mod judge;
#[path = "../support/message.rs"]
#[allow(dead_code)]
mod message;
mod model;
mod record;
#[path = "../support/mod.rs"]
mod support;
mod world;
mod zone;

use ask::{Ours, Theirs};
use catchment::answer::Transport;
use explain::Explained;
use judge::Fault;
use message::TC;
use model::World;
use record::{CNAME, DNAME, Record, Response, show};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use support::peers::{Kind, Options, Peers};
use support::process::TempDir;
use world::{Asked, Signed};

/// The seeds of the run that everybody makes.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=2;
/// Largest response over UDP, of all servers.
const UDP_SIZE: u16 = 4096;
/// Of so many responses, at most one may need an explanation: more would mean that one explains too much.
const EXPLAINED_PART: usize = 5;
/// Kinds of failures that are printed, and failures of each.
const KINDS_MAX: usize = 30;
const SHOWN_MAX: usize = 3;

/// Each seed and its zones, or why none can be made here.
type Zones = Result<Vec<(u64, Vec<Signed>)>, String>;

/// Zones are signed once, for all servers.
static ZONES: LazyLock<Zones> = LazyLock::new(|| {
    let peers = Peers::find()?;
    let seeds = match std::env::var("DIFFERENTIAL_SEED") {
        Ok(seed) => vec![seed.parse().expect("DIFFERENTIAL_SEED is a number")],
        Err(_) => SEEDS.collect(),
    };
    seeds.into_iter().map(|seed| Ok((seed, world::zones(&peers, seed)?))).collect()
});

#[test]
fn catchment_answers_as_is_due() {
    let seeds = match &*ZONES {
        Ok(seeds) => seeds,
        Err(why) => return support::skip(why),
    };
    for (seed, zones) in seeds {
        let ours = Ours::new(zones.iter().map(|zone| (zone.apex.as_str(), zone.text.as_str())), UDP_SIZE);
        let zones = zones.iter().collect::<Vec<_>>();
        examine(&format!("catchment, seed {seed}"), &zones, None, |packet, transport| {
            ours.ask(packet, transport).bytes
        });
    }
}

#[test]
fn nsd_answers_as_is_due() {
    try_peer(Kind::Nsd);
}

#[test]
fn knot_answers_as_is_due() {
    try_peer(Kind::Knot);
}

#[test]
fn bind_answers_as_is_due() {
    try_peer(Kind::Bind);
}

fn try_peer(kind: Kind) {
    let peers = match Peers::find() {
        Ok(peers) if peers.has(kind) => peers,
        Ok(_) => return support::skip(format_args!("{} is not here", kind.name())),
        Err(why) => return support::skip(why),
    };
    let seeds = match &*ZONES {
        Ok(seeds) => seeds,
        Err(why) => return support::skip(why),
    };
    for (seed, zones) in seeds {
        let zones = served_by(kind, zones);
        let dir = TempDir::new("signed");
        let files: Vec<PathBuf> =
            zones.iter().map(|zone| dir.write(&format!("{}zone", zone.apex), &zone.text)).collect();
        let list: Vec<(&str, &Path)> =
            zones.iter().zip(&files).map(|(zone, file)| (zone.apex.as_str(), file.as_path())).collect();
        let options = Options { udp_size: UDP_SIZE, extra: extra(kind).into(), ..Options::default() };
        let running = peers.start(kind, &list, &options).unwrap_or_else(|why| panic!("{why}"));
        let theirs = Theirs::new(running.addr);
        examine(&format!("{}, seed {seed}", kind.name()), &zones, Some(kind), |packet, transport| {
            theirs.ask(packet, transport).bytes
        });
    }
}

/// The zones that a peer is asked about. NSD keeps the names of all zones in one table, which shows in its answers (the unsigned
/// comparison has that): it gets no zone that lies below another.
fn served_by(kind: Kind, zones: &[Signed]) -> Vec<&Signed> {
    let lies_below = |zone: &Signed| {
        zones.iter().any(|other| zone.apex != other.apex && zone.zone.apex.starts_with(&other.zone.apex))
    };
    zones.iter().filter(|zone| kind != Kind::Nsd || !lies_below(zone)).collect()
}

/// Settings that a comparison needs.
fn extra(kind: Kind) -> &'static str {
    match kind {
        // By default BIND sets the TTL of the SOA to 0 in negative answers to SOA questions, for the sake of old resolvers.
        Kind::Bind => "zero-no-soa-ttl no;",
        Kind::Nsd | Kind::Knot => "",
    }
}

/// Asks everything, and fails with all differences that are not explained. `kind`: the peer; none is ourselves.
fn examine(who: &str, zones: &[&Signed], kind: Option<Kind>, ask: impl Fn(&[u8], Transport) -> Vec<u8>) {
    let (mut judged, mut proofs, mut truncated) = (0, 0, 0);
    // By what is wrong with them: few causes make many failures.
    let mut failures = BTreeMap::<BTreeSet<String>, Vec<String>>::new();
    let mut explained = BTreeMap::<Explained, usize>::new();
    let world = World(zones.iter().map(|zone| &zone.zone).collect());
    for (id, asked) in zones.iter().flat_map(|zone| &zone.questions).enumerate() {
        let packet = asked.packet(id as u16);
        let mut bytes = ask(&packet, Transport::Udp);
        let mut got = read(&bytes, kind);
        let limit = usize::from(asked.udp_size.unwrap_or(512).clamp(512, UDP_SIZE));
        let mut faults = Vec::new();
        let mut fault = |kind: &str, record| faults.push(Fault { kind: kind.into(), record });
        if bytes.len() > limit {
            fault("too long", format!("{} octets for {limit}", bytes.len()));
        }
        let is_truncated = got.flag(TC);
        if is_truncated {
            truncated += 1;
            bytes = ask(&packet, Transport::Tcp);
            got = read(&bytes, kind);
            if bytes.len() <= limit {
                fault("TC without need", format!("{} octets for {limit}", bytes.len()));
            }
        }
        judged += 1;
        let mut verdict = explain::judge(&world, kind, asked, &got);
        // All glue together is too much for UDP, and still nobody set TC.
        let is_glue = |faults: &Vec<Fault>| faults.iter().all(|fault| fault.kind.starts_with("missing in additional"));
        if matches!(kind, Some(Kind::Nsd | Kind::Bind)) && verdict.as_ref().is_err_and(is_glue) && !is_truncated {
            let whole = ask(&packet, Transport::Tcp);
            if whole.len() > limit {
                verdict = explain::judge(&world, kind, asked, &read(&whole, kind));
                verdict.iter_mut().for_each(|(_, reasons)| reasons.push(Explained::GlueLeftOut));
            }
        }
        match verdict {
            Ok((expected, reasons)) => {
                proofs += expected.map_or(0, |expected| expected.proofs());
                reasons.into_iter().for_each(|reason| *explained.entry(reason).or_default() += 1);
            }
            Err(differences) => faults.extend(differences),
        }
        if !faults.is_empty() {
            let kinds: BTreeSet<String> = faults.iter().map(|fault| fault.kind.clone()).collect();
            failures.entry(kinds).or_default().push(show_case(asked, &faults, &got));
        }
    }
    println!(
        "{who}: {} zones, {judged} questions, {proofs} records of proofs, {truncated} truncated; explained:",
        zones.len()
    );
    for (reason, count) in &explained {
        println!("{count:>7} {reason:?}: {}", reason.text());
    }
    let differing: usize = explained.values().sum();
    assert!(differing * EXPLAINED_PART <= judged, "{differing} of {judged} responses are explained");
    if !failures.is_empty() {
        let count: usize = failures.values().map(Vec::len).sum();
        let mut text = format!("{who}: {count} responses are not as is due\n");
        for (kinds, cases) in failures.iter().take(KINDS_MAX) {
            text += &format!("\n==== {} times {kinds:?}\n\n", cases.len());
            cases.iter().take(SHOWN_MAX).for_each(|case| text += case);
        }
        panic!("{text}");
    }
}

/// Peers may take over the question's case where they compress a name to it. We may only where a DNAME keeps its labels.
fn read(bytes: &[u8], kind: Option<Kind>) -> Response {
    message::Message::read(bytes).unwrap_or_else(|error| panic!("{error}: {}", message::hex(bytes)));
    let response = Response::read(bytes);
    let has_dname = response.answer.iter().any(|record| record.rtype == DNAME);
    let may_fold = |record: &Record| kind.is_some() || has_dname && record.rtype == CNAME;
    let fold = |records: Vec<Record>| -> Vec<Record> {
        records.into_iter().map(|record| if may_fold(&record) { record.folded() } else { record }).collect()
    };
    Response {
        answer: fold(response.answer),
        authority: fold(response.authority),
        additional: fold(response.additional),
        ..response
    }
}

fn show_case(asked: &Asked, faults: &[Fault], got: &Response) -> String {
    let question = &asked.question;
    let faults: String = faults.iter().map(|fault| format!("  {}: {}\n", fault.kind, fault.record)).collect();
    let mut text = format!(
        "{} {} DO={} size {:?}\n{faults}  got rcode {} flags {:04x}\n",
        show(&question.name),
        catchment::wire::code::rtype::text(question.qtype),
        question.dnssec_ok,
        asked.udp_size,
        got.rcode(),
        got.flags,
    );
    for (section, records) in [("answer", &got.answer), ("authority", &got.authority), ("additional", &got.additional)]
    {
        records.iter().for_each(|record| text += &format!("    {section} {record}\n"));
    }
    text
}
