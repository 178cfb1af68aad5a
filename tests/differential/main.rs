//! Catchment beside NSD, Knot DNS and BIND: the same generated zones and queries, and no difference that is not explained.
//!
//! Our side is [`catchment::answer::answer`] in process, fed with the same zone text that the peers load; theirs are the real
//! servers on loopback. Every difference is either one of [`explain::Explained`], each as narrow as it can be said, or a
//! failure that prints zone, query and both responses. The seeds are printed; `DIFFERENTIAL_SEED` runs another.

mod ask;
mod explain;
mod generate;
mod judge;
mod tsig;

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/message.rs"]
#[allow(dead_code)]
mod message;

use ask::Theirs;
use catchment::random::Random;
use explain::Explained;
use generate::Zone;
use judge::{Case, Worlds};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::peers::{Kind, Options, Peers};
use support::process::TempDir;

/// The seeds of the run that everybody makes.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=4;
/// Groups of related zones.
const FAMILIES: usize = 14;
/// Queries for each name, its ancestors and children.
const QUERIES_PER_NAME: usize = 4;
/// Of so many queries, at most one may need an explanation: more would mean that one explains too much.
const EXPLAINED_PART: usize = 5;
/// Failures that are printed in full.
const SHOWN_MAX: usize = 10;

#[test]
fn the_same_as_nsd() {
    compare_with(Kind::Nsd);
}

#[test]
fn the_same_as_knot() {
    compare_with(Kind::Knot);
}

#[test]
fn the_same_as_bind() {
    compare_with(Kind::Bind);
}

fn compare_with(kind: Kind) {
    let peers = match Peers::find() {
        Ok(peers) if peers.has(kind) => peers,
        Ok(_) => return support::skip(format_args!("{} is not here", kind.name())),
        Err(why) => return support::skip(why),
    };
    match std::env::var("DIFFERENTIAL_SEED") {
        Ok(seed) => compare_from(&peers, kind, seed.parse().expect("DIFFERENTIAL_SEED is a number")),
        Err(_) => SEEDS.for_each(|seed| compare_from(&peers, kind, seed)),
    }
}

fn compare_from(peers: &Peers, kind: Kind, seed: u64) {
    let mut random = Random::new(seed);
    let mut zones = generate::zones(&mut random, FAMILIES);
    // NSD and Knot DNS refuse zones with names below a DNAME (RFC 6672 section 2.4 wants none), and NSD looks for them in all
    // zones together. BIND hides them, as we do.
    let refused = |zone: &Zone| match kind {
        Kind::Nsd => zones.iter().flat_map(|other| &other.owners).any(|owner| zone.redirects(owner)),
        Kind::Knot => zone.owners.iter().any(|owner| zone.redirects(owner)),
        Kind::Bind => false,
    };
    let kept: Vec<bool> = zones.iter().map(|zone| !refused(zone)).collect();
    let mut kept = kept.into_iter();
    zones.retain(|_| kept.next() == Some(true));
    let dir = TempDir::new("differential");
    let files: Vec<PathBuf> = zones.iter().map(|zone| dir.write(&format!("{}zone", zone.apex), &zone.text)).collect();
    let list: Vec<(&str, &Path)> =
        zones.iter().zip(&files).map(|(zone, file)| (zone.apex.as_str(), file.as_path())).collect();
    let options = Options { minimal: false, extra: extra(kind).into(), ..Options::default() };
    let running = peers.start(kind, &list, &options).unwrap_or_else(|why| panic!("{why}"));
    let worlds = Worlds::new(&zones);
    let theirs = Theirs::new(running.addr);

    let (mut asked, mut differing, mut failures) = (0, 0, Vec::new());
    let mut explained = BTreeMap::<Explained, usize>::new();
    for zone in &zones {
        for query in generate::queries(&mut random, zone, QUERIES_PER_NAME) {
            asked += 1;
            let case = Case::ask(kind, &worlds, &query, &theirs);
            match case.judge() {
                Ok(reasons) => {
                    differing += !reasons.is_empty() as usize;
                    reasons.into_iter().for_each(|reason| *explained.entry(reason).or_default() += 1);
                }
                Err(difference) => failures.push(format!("{difference}\n{}\n{case}", show(&zones, &query.name))),
            }
        }
    }
    println!(
        "{}, seed {seed}: {} zones, {asked} queries, {differing} differ and are explained:",
        kind.name(),
        zones.len()
    );
    for (reason, count) in &explained {
        println!("{count:>7} {reason:?}: {}", reason.text());
    }
    assert!(differing * EXPLAINED_PART <= asked, "{differing} of {asked} responses differ");
    if !failures.is_empty() {
        let shown = failures.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n\n");
        panic!("{} unexplained differences, seed {seed}:\n\n{shown}", failures.len());
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

/// The text of the zones that a name lies in or below.
fn show(zones: &[Zone], name: &str) -> String {
    let name = format!(".{}", name.to_ascii_lowercase());
    let near = zones.iter().filter(|zone| name.ends_with(&format!(".{}", zone.apex)));
    near.map(|zone| format!("zone {}\n{}", zone.apex, zone.text)).collect()
}
