//! The zones: as many as asked, about twenty records each, and a change of one of them.

use crate::label::label;
use catchment::random::Random;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Hosts with one address each; eight more records are in each zone.
const HOSTS: usize = 12;

/// The name of zone `at`.
pub(crate) fn name(at: usize) -> String {
    format!("zone{at:06}.example")
}

/// The owner that tells by its TXT record which change a server has.
pub(crate) fn probe(at: usize) -> String {
    format!("changed.{}", name(at))
}

/// What that record says at a change. The same number of octets for each, so that none is found within another.
pub(crate) fn mark(change: u32) -> String {
    format!("change-{change:08}")
}

/// The master file of zone `at` after a change.
pub(crate) fn text(at: usize, change: u32) -> String {
    let mut random = Random::new(at as u64);
    let mut text = format!(
        "$TTL 3600\n@ SOA ns1 hostmaster {serial} 86400 7200 2419200 3600\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\n\
         ns2 A 192.0.2.2\n@ MX 10 mail\nmail A 192.0.2.3\nchanged TXT \"{mark}\"\n",
        serial = 1 + change,
        mark = mark(change),
    );
    for _ in 0..HOSTS {
        let label = label(&mut random, 5, 12);
        let _ = writeln!(text, "{label} A 198.51.{}.{}", random.below(256), 1 + random.below(254));
    }
    text
}

/// Where the file of zone `at` is.
pub(crate) fn file(directory: &Path, at: usize) -> PathBuf {
    directory.join(format!("{}.zone", name(at)))
}

/// Writes all of them.
pub(crate) fn write_all(directory: &Path, count: usize) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    (0..count).try_for_each(|at| std::fs::write(file(directory, at), text(at, 0)))
}

/// Writes one of them again, as editors and git do: a new file in its place.
pub(crate) fn change(directory: &Path, at: usize, change: u32) -> io::Result<()> {
    let new = directory.join(".new");
    std::fs::write(&new, text(at, change))?;
    std::fs::rename(new, file(directory, at))
}
