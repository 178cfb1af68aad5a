//! Zones that nobody signed.

use super::{
    A, AAAA, Kind, QUERIES_MAX, Question, REFERRAL, Set, head, hosts, ipv4, ipv6, misses, place, some, unique,
};
use crate::label::label;
use catchment::random::Random;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// `names` hosts.
pub(super) fn small(directory: &Path, names: usize) -> io::Result<Set> {
    let origin = "small.test.";
    let (directory, path) = place(directory, "small", origin)?;
    let mut random = Random::new(1);
    let mut file = BufWriter::new(File::create(&path)?);
    let records = head(&mut file, origin)?;
    let labels = unique(&mut random, names);
    let (more, hits) = hosts(&mut file, &mut random, &labels, origin)?;
    file.flush()?;
    let last = Question::new(format!("{}.{origin}", labels[labels.len() - 1]), A, super::HIT);
    let hits = some(&mut random, &hits, 100_000);
    let misses = misses(&mut random, &[origin], 100_000);
    Ok(Set {
        name: "small",
        zones: vec![(origin.into(), path)],
        directory,
        records: records + more,
        kinds: vec![Kind { name: "hit", questions: hits }, misses],
        last: vec![last],
    })
}

/// `names` delegations to two name servers each. A tenth has them within itself, with glue; the others share those of
/// hosters, fifty names to a hoster. A fifth has DS records.
pub(super) fn tld(directory: &Path, names: usize) -> io::Result<Set> {
    let origin = "bench.";
    let (directory, path) = place(directory, "tld", origin)?;
    let mut random = Random::new(2);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    let mut records = head(&mut file, origin)?;
    let hosters: Vec<String> = (0..(names / 50).max(10)).map(|_| label(&mut random, 6, 14)).collect();
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
            let digest: [u64; 4] = std::array::from_fn(|_| random.draw());
            write!(file, "{label} DS {} 13 2 ", random.below(65536))?;
            digest.iter().try_for_each(|word| write!(file, "{word:016x}"))?;
            writeln!(file)?;
            records += 1;
        }
    }
    file.flush()?;
    let last = Question::new(format!("{}.{origin}", labels[names - 1]), A, REFERRAL);
    let count = names.clamp(1_000, QUERIES_MAX);
    let questions = (0..count).map(|_| {
        let label = &labels[random.below(names)];
        let name = if random.below(2) == 0 { format!("{label}.{origin}") } else { format!("www.{label}.{origin}") };
        Question::new(name, if random.below(10) < 7 { A } else { AAAA }, REFERRAL)
    });
    let referrals = Kind { name: "referral", questions: questions.collect() };
    let misses = misses(&mut random, &[origin], count);
    Ok(Set {
        name: "tld",
        zones: vec![(origin.into(), path)],
        directory,
        records,
        kinds: vec![referrals, misses],
        last: vec![last],
    })
}
