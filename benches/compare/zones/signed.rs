//! A zone signed with ECDSA P-256 by `dnssec-signzone`, asked with DO.

use super::{A, Expected, Kind, QUERIES_MAX, Question, Set, head, hosts, misses, place, some, unique};
use crate::support::peers::Peers;
use crate::support::signing::{Algorithm, Denial, Scheme, Signer, VALIDITY, sign};
use catchment::random::Random;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A hit: the RRset and its signature.
const HIT: Expected = Expected { rcode: 0, authoritative: true, answers: 2, authorities: None };
/// SOA, one or two NSEC records, their signatures.
const NSEC_NXDOMAIN: Expected = Expected { rcode: 3, authoritative: true, answers: 0, authorities: Some((4, 6)) };
/// SOA, up to three NSEC3 records, their signatures.
const NSEC3_NXDOMAIN: Expected = Expected { rcode: 3, authoritative: true, answers: 0, authorities: Some((4, 8)) };

/// `names` hosts. What was signed is kept for the next run, beside the directories of runs: signing takes longer than most
/// measurements.
pub(super) fn make(name: &'static str, directory: &Path, names: usize, peers: Option<&Peers>) -> io::Result<Set> {
    let origin = "signed.test.";
    let mut random = Random::new(4);
    let mut plain = Vec::new();
    head(&mut plain, origin)?;
    let labels = unique(&mut random, names);
    let (_, hits) = hosts(&mut plain, &mut random, &labels, origin)?;
    let is_nsec = name == "nsec";
    let denial = if is_nsec { Denial::Nsec } else { Denial::Nsec3 { salt: "", iterations: 0, opt_out: false } };
    let kept = directory.parent().ok_or_else(|| io::Error::other("no directory for signed zones"))?;
    let (own, path) = place(kept, &format!("compare-{name}-{names}"), origin)?;
    if !path.exists() {
        let peers = peers.ok_or_else(|| io::Error::other("no dnssec-signzone: run tests/peers/fetch"))?;
        let plain = String::from_utf8(plain).map_err(io::Error::other)?;
        let scheme = Scheme { signer: Signer::Bind, algorithm: Algorithm::EcdsaP256, denial };
        let signed = sign(peers, directory, origin, &plain, scheme, VALIDITY).map_err(io::Error::other)?;
        fs::rename(signed.path, &path)?;
    }
    let nxdomain = if is_nsec { NSEC_NXDOMAIN } else { NSEC3_NXDOMAIN };
    let with_do = |expected| move |question| Question { dnssec_ok: true, expected, ..question };
    let count = (3 * names).clamp(1_000, QUERIES_MAX);
    let hits: Vec<Question> = some(&mut random, &hits, count).into_iter().map(with_do(HIT)).collect();
    let misses = misses(&mut random, &[origin], count).questions.into_iter().map(with_do(nxdomain)).collect();
    let last = Question::new(format!("{}.{origin}", labels[names - 1]), A, HIT);
    Ok(Set {
        name,
        zones: vec![(origin.into(), path.clone())],
        directory: own,
        records: records(&path)?,
        kinds: vec![Kind { name: "hit", questions: hits }, Kind { name: "nxdomain", questions: misses }],
        last: vec![with_do(HIT)(last)],
    })
}

/// `dnssec-signzone -O full` writes one record a line.
fn records(path: &PathBuf) -> io::Result<usize> {
    let mut count = 0;
    for line in BufReader::new(fs::File::open(path)?).lines() {
        count += !matches!(line?.bytes().next(), None | Some(b';')) as usize;
    }
    Ok(count)
}
