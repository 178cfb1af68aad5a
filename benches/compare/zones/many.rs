//! A hoster's small zones.

use super::{A, AAAA, HIT, Kind, MX, QUERIES_MAX, Question, Set, head, ipv4, ipv6, misses, place, some, unique};
use catchment::random::Random;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Zones whose last record is asked for before a server counts as started.
const PROBES: usize = 64;

/// `count` zones of 20 records.
pub(super) fn make(name: &'static str, directory: &Path, count: usize) -> io::Result<Set> {
    let mut random = Random::new(3);
    let (mut records, mut zones, mut hits) = (0, Vec::with_capacity(count), Vec::with_capacity(3 * count));
    for label in unique(&mut random, count) {
        let origin = format!("{label}.test.");
        let mut text = Vec::new();
        records += head(&mut text, &origin)? + 14;
        for host in ["www", "mail", "ftp", "api", "dev"] {
            writeln!(text, "{host} A {}\n{host} AAAA {}", ipv4(&mut random), ipv6(&mut random))?;
        }
        writeln!(text, "@ MX 10 mail\n@ TXT \"v=spf1 mx -all\"\n@ A {}\nshop CNAME www", ipv4(&mut random))?;
        let (_, path) = place(directory, name, &origin)?;
        fs::write(&path, text)?;
        let asked = [(format!("www.{origin}"), A), (format!("api.{origin}"), AAAA), (origin.clone(), MX)];
        hits.extend(asked.map(|(name, rtype)| Question::new(name, rtype, HIT)));
        zones.push((origin, path));
    }
    let probes = PROBES.min(count);
    let probed = (0..probes).map(|at| &zones[at * (count - 1) / (probes - 1)].0);
    let last = probed.map(|origin| Question::new(format!("www.{origin}"), A, HIT)).collect();
    let asked = (10 * count).clamp(1_000, QUERIES_MAX);
    let hits = some(&mut random, &hits, asked);
    let origins: Vec<&str> = zones.iter().map(|(origin, _)| origin.as_str()).collect();
    let misses = misses(&mut random, &origins, asked);
    let kinds = vec![Kind { name: "hit", questions: hits }, misses];
    Ok(Set { name, zones, directory: directory.join(name), records, kinds, last })
}
