//! Signed zones: Catchment, NSD, Knot DNS and BIND, each against what the RFCs ask for.
//!
//! Generated zones are signed by BIND's and ldns' tools, with NSEC, NSEC3 and opt-out, and served by each server. What is due is worked out by
//! [`model`], slowly and from the records alone, as sets: which RRsets, which signatures, which proofs, and no more. Our
//! responses must be exactly that. So must the peers', but for [`explain::Explained`]; as three servers agree with it, the model is right.
//! The seeds are printed; `DIFFERENTIAL_SEED` runs another.

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

use ask::Theirs;
use catchment::answer::Transport;
use explain::Explained;
use message::TC;
use record::{Record, Response, show};
use std::collections::BTreeMap;
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
/// Failures that are printed in full.
const SHOWN_MAX: usize = 20;

/// Zones are signed once, for all servers.
static WORLDS: LazyLock<Result<Vec<(u64, Signed)>, String>> = LazyLock::new(|| {
    let peers = Peers::find()?;
    let seeds = match std::env::var("DIFFERENTIAL_SEED") {
        Ok(seed) => vec![seed.parse().expect("DIFFERENTIAL_SEED is a number")],
        Err(_) => SEEDS.collect(),
    };
    seeds.into_iter().map(|seed| Ok((seed, Signed::new(&peers, seed)?))).collect()
});

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
    let worlds = match &*WORLDS {
        Ok(worlds) => worlds,
        Err(why) => return support::skip(why),
    };
    for (seed, signed) in worlds {
        let dir = TempDir::new("signed");
        let files: Vec<PathBuf> =
            signed.texts.iter().map(|(apex, text)| dir.write(&format!("{apex}zone"), text)).collect();
        let list: Vec<(&str, &Path)> =
            signed.texts.iter().zip(&files).map(|((apex, _), file)| (apex.as_str(), file.as_path())).collect();
        let options = Options { udp_size: UDP_SIZE, extra: extra(kind).into(), ..Options::default() };
        let running = peers.start(kind, &list, &options).unwrap_or_else(|why| panic!("{why}"));
        let theirs = Theirs::new(running.addr);
        examine(&format!("{}, seed {seed}", kind.name()), signed, Some(kind), |packet, transport| {
            theirs.ask(packet, transport).bytes
        });
    }
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
fn examine(who: &str, signed: &Signed, kind: Option<Kind>, ask: impl Fn(&[u8], Transport) -> Vec<u8>) {
    let (mut judged, mut proofs, mut truncated, mut failures) = (0, 0, 0, Vec::new());
    let mut explained = BTreeMap::<Explained, usize>::new();
    for (id, asked) in signed.questions.iter().enumerate() {
        let packet = asked.packet(id as u16);
        let mut bytes = ask(&packet, Transport::Udp);
        let mut got = read(&bytes, kind);
        let limit = usize::from(asked.udp_size.unwrap_or(512).clamp(512, UDP_SIZE));
        let mut faults = Vec::new();
        if bytes.len() > limit {
            faults.push(format!("  {} octets are too many for {limit}\n", bytes.len()));
        }
        if got.flag(TC) {
            truncated += 1;
            bytes = ask(&packet, Transport::Tcp);
            got = read(&bytes, kind);
            if bytes.len() <= limit {
                faults.push(format!("  TC, where {} octets fit into {limit}\n", bytes.len()));
            }
        }
        judged += 1;
        match explain::judge(&signed.world, kind, asked, &got) {
            Ok((expected, reasons)) => {
                proofs += expected.map_or(0, |expected| expected.proofs());
                reasons.into_iter().for_each(|reason| *explained.entry(reason).or_default() += 1);
            }
            Err(why) => faults.push(why),
        }
        if !faults.is_empty() {
            failures.push(show_case(asked, &faults.concat(), &got));
        }
    }
    println!(
        "{who}: {} zones, {judged} questions, {proofs} records of proofs, {truncated} truncated; explained:",
        signed.world.0.len()
    );
    for (reason, count) in &explained {
        println!("{count:>7} {reason:?}: {}", reason.text());
    }
    let differing: usize = explained.values().sum();
    assert!(differing * EXPLAINED_PART <= judged, "{differing} of {judged} responses are explained");
    if !failures.is_empty() {
        let shown = failures.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
        panic!("{who}: {} responses are not as is due:\n\n{shown}", failures.len());
    }
}

/// Peers may take over the question's case where they compress a name to it; we may not.
fn read(bytes: &[u8], kind: Option<Kind>) -> Response {
    message::Message::read(bytes).unwrap_or_else(|error| panic!("{error}: {}", message::hex(bytes)));
    let response = Response::read(bytes);
    let fold = |records: Vec<Record>| match kind {
        Some(_) => records.into_iter().map(Record::folded).collect(),
        None => records,
    };
    Response {
        answer: fold(response.answer),
        authority: fold(response.authority),
        additional: fold(response.additional),
        ..response
    }
}

fn show_case(asked: &Asked, faults: &str, got: &Response) -> String {
    let question = &asked.question;
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
