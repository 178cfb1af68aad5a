//! The zones of a server: found, read, compiled, and kept across reloads.
//!
//! [`Places`] come in; out goes a whole new set of zones, ready to be swapped in, and a report for the operator. Only files
//! that changed since they were last read are read again. A zone that can't be loaded keeps its last good version, or is
//! served as SERVFAIL when there never was one. Called by `cli` at the start and by `serve::reload`; never by a worker.

mod discover;
mod read;

use super::image::Image;
use super::set::{Zone, Zones};
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
use dashmap::DashMap;
pub use discover::{Places, Skipped, apex_of};
use discover::{Source, sources};
use read::{Outcome, Stamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a zone answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// What its file says.
    Serving,
    /// The last version of it that was good: its file now is not.
    LastGood,
    /// SERVFAIL: no good version was ever loaded.
    Failed,
}

/// How one zone stands, for people and monitoring.
#[derive(Debug, Clone)]
pub struct Status {
    /// Apex.
    pub name: Name,
    /// Its file.
    pub path: PathBuf,
    /// What it answers with.
    pub state: State,
    /// Why its file can't be served, where it can't.
    pub error: Option<String>,
    /// The SOA's serial, records, digest of what is served. `None`: nothing is.
    pub version: Option<Version>,
}

/// What is served of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The SOA's serial.
    pub serial: u32,
    /// Records.
    pub records: u64,
    /// The image's name.
    pub digest: [u8; 32],
    /// When this content was first loaded.
    pub since: Instant,
}

/// The status of every zone by its stable id. Written by loads, read by the admin server while they go on.
pub type Statuses = DashMap<u32, Status>;

/// What the operator is told about one file.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Whether the zone can't be served from it.
    pub fatal: bool,
    /// All that is wrong with it, each with its place and remedy.
    pub text: String,
}

/// What a load gives.
pub struct Load {
    /// The new set.
    pub zones: Zones,
    /// Ids are under this.
    pub ids: usize,
    /// Errors and warnings of the files that were read.
    pub reports: Vec<Report>,
    /// Files of the directory that are no zones.
    pub skipped: Vec<Skipped>,
    /// What happened, in numbers.
    pub summary: Summary,
    /// Zones whose content differs from before, new ones included, by name.
    pub changed: Vec<Change>,
    /// Zones that are gone, by name.
    pub removed: Vec<Name>,
}

/// A zone with new content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Apex.
    pub zone: Name,
    /// The serial before; `None` for a new zone.
    pub before: Option<u32>,
    /// The serial now.
    pub now: u32,
}

/// A load in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Zones in the set.
    pub zones: usize,
    /// Records served.
    pub records: u64,
    /// Zones whose content differs from before, new ones included.
    pub changed: usize,
    /// Zones that are gone.
    pub removed: usize,
    /// Zones whose file can't be served: SERVFAIL, or the last good version.
    pub failed: usize,
}

/// All zones of a server, with what is needed to load only what changed.
#[derive(Default)]
pub struct Library {
    include_outside: bool,
    /// Files read before whose content need not be read again while they stay as they are.
    known: HashMap<Source, Known>,
    /// What is served, by apex in lower case.
    good: HashMap<Name, Good>,
    /// By apex in lower case. Never given to another zone: counters are indexed by it.
    ids: HashMap<Name, u32>,
    statuses: Arc<Statuses>,
}

/// A file that is what is served of its zone; or none, with the reason.
struct Known {
    files: Vec<Stamp>,
    no_zone: Option<String>,
}

struct Good {
    image: Image,
    version: Version,
}

impl Library {
    /// No zones yet.
    pub fn new() -> Library {
        Library::default()
    }

    /// The status of every zone.
    pub fn statuses(&self) -> Arc<Statuses> {
        Arc::clone(&self.statuses)
    }

    /// Reads what changed and builds the new set. `Err` when the places can't be searched, or when all zones would vanish:
    /// then nothing has changed.
    pub fn load(&mut self, places: &Places) -> Result<Load, String> {
        if self.include_outside != places.include_outside {
            self.known.clear();
            self.include_outside = places.include_outside;
        }
        let (sources, mut skipped) = sources(places, |apex, path| self.is_served(apex, path))?;
        let (mut outcomes, mut reports) = read_changed(&sources, &self.known, places.include_outside);
        let chosen = choose(&sources, &outcomes, &mut skipped, &mut reports);
        if chosen.is_empty() && !self.statuses.is_empty() {
            return Err("no zone is left in the places where zones are looked for: all stay as they are".into());
        }
        let changed = self.take(&chosen, &mut outcomes);
        let mut summary = Summary { zones: chosen.len(), changed: changed.len(), ..Summary::default() };
        let (zones, removed) = self.zones(&chosen, &mut summary);
        let zones = Zones::new(zones);
        // The set packs small images together: keep its copies, and let ours go.
        for zone in zones.iter() {
            if let (Some(image), Some(good)) = (&zone.image, self.good.get_mut(&zone.name.to_lower())) {
                good.image = image.clone();
            }
        }
        Ok(Load { zones, ids: self.ids.len(), reports, skipped, summary, changed, removed })
    }

    /// Whether a version of this zone is served that this file once held.
    fn is_served(&self, apex: &Name, path: &Path) -> bool {
        let status = self.ids.get(&apex.to_lower()).and_then(|id| self.statuses.get(id));
        status.is_some_and(|status| status.version.is_some() && status.path == path)
    }

    /// Makes what was read the newest good version of each zone, and remembers the files.
    fn take(&mut self, chosen: &BTreeMap<Name, Chosen>, outcomes: &mut HashMap<Source, Outcome>) -> Vec<Change> {
        let now = Instant::now();
        let mut known = HashMap::with_capacity(outcomes.len());
        let mut changed = Vec::new();
        for (apex, choice) in chosen.iter().filter(|(_, choice)| choice.error.is_none()) {
            match outcomes.remove(&choice.source) {
                Some(Outcome::Zone { image, files }) => {
                    changed.extend(self.renew(apex, image, now));
                    known.insert(choice.source.clone(), Known { files, no_zone: None });
                }
                Some(Outcome::Unchanged) => known.extend(self.known.remove_entry(&choice.source)),
                Some(Outcome::Failed { .. } | Outcome::NoZone { .. }) | None => {}
            }
        }
        for (source, outcome) in outcomes.drain() {
            if let Outcome::NoZone { reason, files } = outcome {
                known.insert(source, Known { files, no_zone: Some(reason) });
            }
        }
        self.known = known;
        self.good.retain(|apex, _| chosen.contains_key(apex));
        changed
    }

    /// Takes a freshly compiled image for `apex`. `None`: it says the same as the one before, which then stays.
    fn renew(&mut self, apex: &Name, image: Image, now: Instant) -> Option<Change> {
        let digest = image.digest();
        let before = self.good.get(apex).map(|good| good.version);
        if before.is_some_and(|before| before.digest == digest) {
            return None;
        }
        let image = match self.good.get(apex) {
            Some(good) => image.sharing(&good.image),
            None => image,
        };
        let zone = image.apex();
        let version = Version { serial: image.serial(), records: image.record_count(), digest, since: now };
        self.good.insert(apex.clone(), Good { image, version });
        Some(Change { zone, before: before.map(|before| before.serial), now: version.serial })
    }

    /// The zones of the set, and those that are gone; the statuses follow.
    fn zones(&mut self, chosen: &BTreeMap<Name, Chosen>, summary: &mut Summary) -> (Vec<Zone>, Vec<Name>) {
        let mut zones = Vec::with_capacity(chosen.len());
        let mut here = HashSet::with_capacity(chosen.len());
        for (apex, choice) in chosen {
            let next_id = self.ids.len() as u32;
            let id = *self.ids.entry(apex.clone()).or_insert(next_id);
            let good = self.good.get(apex);
            let status = Status {
                name: good.map_or_else(|| choice.source.apex.clone(), |good| good.image.apex()),
                path: choice.source.path.clone(),
                state: match (&choice.error, good) {
                    (None, _) => State::Serving,
                    (Some(_), Some(_)) => State::LastGood,
                    (Some(_), None) => State::Failed,
                },
                error: choice.error.clone(),
                version: good.map(|good| good.version),
            };
            summary.failed += usize::from(choice.error.is_some());
            summary.records += good.map_or(0, |good| good.version.records);
            zones.push(Zone { id, name: status.name.clone(), image: good.map(|good| good.image.clone()) });
            self.statuses.insert(id, status);
            here.insert(id);
        }
        let mut removed = Vec::new();
        self.statuses.retain(|id, status| {
            let stays = here.contains(id);
            if !stays {
                removed.push(status.name.clone());
            }
            stays
        });
        removed.sort_unstable_by_key(Name::to_string);
        summary.removed = removed.len();
        (zones, removed)
    }
}

/// Reads those sources whose files changed, on all cores, the largest files first.
fn read_changed(
    sources: &[Source],
    known: &HashMap<Source, Known>,
    include_outside: bool,
) -> (HashMap<Source, Outcome>, Vec<Report>) {
    let mut outcomes = HashMap::with_capacity(sources.len());
    let mut todo: Vec<(u64, &Source)> = Vec::new();
    for source in sources {
        match known.get(source).filter(|known| read::are_current(&known.files)) {
            Some(Known { no_zone: None, .. }) => drop(outcomes.insert(source.clone(), Outcome::Unchanged)),
            Some(Known { no_zone: Some(reason), files }) => {
                let (reason, files) = (reason.clone(), files.clone());
                outcomes.insert(source.clone(), Outcome::NoZone { reason, files });
            }
            None => todo.push((source.path.metadata().map_or(0, |metadata| metadata.len()), source)),
        }
    }
    todo.sort_by_key(|(size, _)| std::cmp::Reverse(*size));

    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(todo.len()));
    let work = || {
        while let Some((_, source)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (outcome, report) = read::read(source, include_outside);
            done.lock().expect("readers don't panic").push(((*source).clone(), outcome, report));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..cores.min(todo.len()) {
            scope.spawn(work);
        }
    });
    let mut reports = Vec::new();
    for (source, outcome, report) in done.into_inner().expect("readers don't panic") {
        outcomes.insert(source, outcome);
        reports.extend(report);
    }
    reports.sort_by(|a: &Report, b| a.path.cmp(&b.path));
    (outcomes, reports)
}

/// Which file speaks for a zone.
struct Chosen {
    source: Source,
    /// Why its newest state can't be served.
    error: Option<String>,
}

/// One source for each zone. Bare names without an SOA are skipped; two different files for one zone are an error of it.
fn choose(
    sources: &[Source],
    outcomes: &HashMap<Source, Outcome>,
    skipped: &mut Vec<Skipped>,
    reports: &mut Vec<Report>,
) -> BTreeMap<Name, Chosen> {
    let mut chosen: BTreeMap<Name, Chosen> = BTreeMap::new();
    for source in sources {
        let error = match outcomes.get(source) {
            Some(Outcome::NoZone { reason, .. }) => {
                skipped.push(Skipped { path: source.path.clone(), reason: reason.clone() });
                continue;
            }
            Some(Outcome::Failed { error }) => Some(error.clone()),
            Some(Outcome::Zone { .. } | Outcome::Unchanged) | None => None,
        };
        match chosen.entry(source.apex.to_lower()) {
            Entry::Vacant(free) => drop(free.insert(Chosen { source: source.clone(), error })),
            Entry::Occupied(mut taken) => {
                let first = taken.get_mut();
                let (a, b) = (shown_path(&first.source.path), shown_path(&source.path));
                let message = format!("zone {} has two files, {a} and {b}: remove one of them", source.apex);
                reports.push(Report { path: source.path.clone(), fatal: true, text: format!("error: {message}\n") });
                first.error = Some(message);
            }
        }
    }
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    chosen
}

#[cfg(test)]
mod tests;
