//! Which file speaks for a zone.

use super::Report;
use super::discover::{Skipped, Source};
use super::read::Outcome;
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The file that speaks for a zone.
pub(super) struct Chosen {
    /// Its number among the sources.
    pub(super) source: usize,
    /// Why its newest state can't be served.
    pub(super) error: Option<String>,
}

/// One source for each zone, by apex in lower case; each source has its outcome. Bare names without an SOA are skipped; two different
/// files for one zone are an error of it.
pub(super) fn choose(
    sources: &[Source],
    outcomes: &[Outcome],
    skipped: &mut Vec<Skipped>,
    reports: &mut Vec<Report>,
) -> BTreeMap<Name, Chosen> {
    let mut chosen: BTreeMap<Name, Chosen> = BTreeMap::new();
    for (number, (source, outcome)) in sources.iter().zip(outcomes).enumerate() {
        let error = match outcome {
            Outcome::NoZone { reason, .. } => {
                skipped.push(Skipped { path: source.path.to_path_buf(), reason: reason.clone() });
                continue;
            }
            Outcome::Failed { error } => Some(error.clone()),
            Outcome::Zone { .. } | Outcome::Unchanged => None,
        };
        match chosen.entry(source.apex.to_lower()) {
            Entry::Vacant(free) => drop(free.insert(Chosen { source: number, error })),
            Entry::Occupied(mut taken) => {
                let first = taken.get_mut();
                let (a, b) = (shown_path(&sources[first.source].path), shown_path(&source.path));
                let message = format!("zone {} has two files, {a} and {b}: remove one of them", source.apex);
                reports.push(Report {
                    path: source.path.to_path_buf(),
                    fatal: true,
                    has_errors: true,
                    text: format!("error: {message}\n"),
                });
                first.error = Some(message);
            }
        }
    }
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    chosen
}
