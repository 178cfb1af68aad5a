//! The zones of a server: found, read, compiled, and kept across reloads.
//!
//! [`Places`] come in; out goes a whole new set of zones, ready to be swapped in, and a report for the operator. Only files
//! that changed since they were last read are read again. A zone that can't be loaded keeps its last good version, or is
//! served as SERVFAIL when there never was one. Called by `cli` at the start and by `serve::reload`; never by a worker.

mod checkout;
mod discover;
mod examine;
mod families;
mod judge;
mod read;

use super::arena;
use super::cores::cores;
use super::image::Image;
use super::set::{Zone, Zones};
use crate::wire::name::Name;
use crate::zone::check::dnssec;
use crate::zone::diagnostic::shown_path;
pub use checkout::{Checkout, Content, Known as KnownZone, Memory};
use dashmap::DashMap;
pub use discover::{PUBLISH_SETTINGS, Places, Skipped, apex_of, image_name, is_image};
use discover::{Source, sources};
pub use examine::{Examined, Rest, examine};
pub use families::Misfits;
use judge::Judge;
pub use judge::Judging;
pub use read::read_image;
use read::{Outcome, Stamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Where it comes from.
    pub origin: Origin,
    /// What it answers with.
    pub state: State,
    /// Why its file can't be served, where it can't; of a channel's zone, why a file of the same zone is not.
    pub error: Option<String>,
    /// The SOA's serial, records, digest of what is served. `None`: nothing is.
    pub version: Option<Version>,
}

/// Where a zone comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of this node.
    File(Arc<Path>),
    /// A release of this channel.
    Channel(Arc<str>),
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
    /// When the first of its signatures ends, in seconds since 1970. `None`: it has none.
    pub signatures_end: Option<u32>,
    /// When this content was first loaded.
    pub since: Instant,
}

impl Version {
    /// Whether a signature has ended, or ends within [`dnssec::ENDS_SOON_SECS`].
    pub fn ends_soon(&self, now_secs: u64) -> bool {
        self.signatures_end.is_some_and(|end| u64::from(end) < now_secs + u64::from(dnssec::ENDS_SOON_SECS))
    }
}

/// The status of every zone by its stable id. Written by loads, read by the admin server while they go on.
pub type Statuses = DashMap<u32, Status>;

/// Is told how far a load is: octets of zone files that are done, and of all that are to be read.
pub type Watch = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What the operator is told about one file.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// Whether the zone can't be served from it.
    pub fatal: bool,
    /// Whether there is an error in it: who publishes stops at it, also where the zone could be served.
    pub has_errors: bool,
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
    /// Zones of files as the last load found them, by apex in lower case.
    local: BTreeMap<Name, Local>,
    /// Zones of a channel, by apex in lower case. They go before files.
    followed: HashMap<Name, Good>,
    /// The channel's name.
    channel: Option<Arc<str>>,
    /// Octets of images that were replaced since all were last packed together.
    replaced_len: usize,
    watch: Option<Watch>,
}

/// A zone that has a file.
struct Local {
    /// As the file's name or the settings spell it.
    name: Name,
    path: Arc<Path>,
    /// Why its newest state can't be served.
    error: Option<String>,
}

/// What an update of a channel's zones gives.
pub struct Followed {
    /// The new set.
    pub zones: Zones,
    /// Ids are under this.
    pub ids: usize,
    /// Zones that have a file here too, which is no longer served.
    pub conflicts: Vec<String>,
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

    /// Who is told how far loads are from now on.
    pub fn watch(&mut self, watch: Option<Watch>) {
        self.watch = watch;
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
        let (mut outcomes, mut reports) =
            read_changed(&sources, &self.known, places.include_outside, self.watch.as_ref());
        let chosen = choose(&sources, &outcomes, &mut skipped, &mut reports);
        if chosen.is_empty() && !self.local.is_empty() && !places.is_nowhere() {
            return Err("no zone is left in the places where zones are looked for: all stay as they are".into());
        }
        let changed = self.take(&chosen, &mut outcomes);
        self.local = chosen.into_iter().map(|(apex, choice)| (apex, choice.into())).collect();
        reports.extend(self.local.iter().filter(|(apex, _)| self.followed.contains_key(apex)).map(|(apex, local)| {
            Report {
                path: local.path.to_path_buf(),
                fatal: true,
                has_errors: true,
                text: format!("error: {}\n", self.conflict(apex, local)),
            }
        }));
        let mut summary = Summary { changed: changed.len(), ..Summary::default() };
        let (zones, removed) = self.zones(&mut summary);
        let zones = Zones::new(zones);
        self.adopt(zones.iter());
        self.replaced_len = 0;
        Ok(Load { zones, ids: self.ids.len(), reports, skipped, summary, changed, removed })
    }

    /// Takes an update of the zones of `channel`: `changed` are new or in place of what was, `removed` are gone. Only these are
    /// touched. `before` is the set that is served.
    pub fn follow(&mut self, channel: &str, before: &Zones, changed: Vec<Image>, removed: &[Name]) -> Followed {
        let now = Instant::now();
        self.channel.get_or_insert_with(|| channel.into());
        let mut conflicts = Vec::new();
        let mut zones = Vec::with_capacity(changed.len());
        let mut touched = Vec::with_capacity(changed.len());
        for image in changed {
            let apex = image.apex().to_lower();
            let good = Good::new(image, now);
            if let Some(before) = self.followed.insert(apex.clone(), good) {
                self.replaced_len += before.image.len() as usize;
            } else if let Some(local) = self.local.get(&apex) {
                conflicts.push(self.conflict(&apex, local));
            }
            touched.push(apex);
        }
        let mut gone = Vec::new();
        for apex in removed.iter().map(Name::to_lower) {
            if let Some(before) = self.followed.remove(&apex) {
                self.replaced_len += before.image.len() as usize;
            }
            // A file that had to stand back comes into its own.
            match self.local.contains_key(&apex) {
                true => touched.push(apex),
                false => gone.push(apex),
            }
        }
        for apex in &touched {
            let (zone, status) = self.zone(apex);
            self.statuses.insert(zone.id, status);
            zones.push(zone);
        }
        for apex in &gone {
            if let Some(id) = self.ids.get(apex) {
                self.statuses.remove(id);
            }
        }
        let mut zones = before.updated(zones, &gone);
        if self.replaced_len > zones.image_len() / REPACK_SHARE {
            zones = Zones::new(zones.iter().cloned().collect());
            self.adopt(zones.iter());
            self.replaced_len = 0;
        } else {
            self.adopt(touched.iter().filter_map(|apex| zones.exact(apex.as_wire())));
        }
        Followed { zones, ids: self.ids.len(), conflicts }
    }

    /// The set packs small images together: keep its copies, and let ours go.
    fn adopt<'a>(&mut self, zones: impl Iterator<Item = &'a Zone>) {
        for zone in zones {
            let apex = zone.name.to_lower();
            let good = self.followed.get_mut(&apex).or_else(|| self.good.get_mut(&apex));
            if let (Some(image), Some(good)) = (&zone.image, good) {
                good.image = image.clone();
            }
        }
    }

    /// Why a zone's file is not served although nothing is wrong with it.
    fn conflict(&self, apex: &Name, local: &Local) -> String {
        let (channel, path) = (self.channel.as_deref().unwrap_or_default(), shown_path(&local.path));
        format!(
            "zone {apex} is in channel {channel}, and {path} is not served: remove that file here, or the zone there"
        )
    }

    /// Whether a version of this zone is served that this file once held.
    fn is_served(&self, apex: &Name, path: &Path) -> bool {
        let apex = apex.to_lower();
        self.good.contains_key(&apex) && self.local.get(&apex).is_some_and(|local| *local.path == *path)
    }

    /// Makes what was read the newest good version of each zone, and remembers the files.
    fn take(&mut self, chosen: &BTreeMap<Name, Chosen>, outcomes: &mut HashMap<Source, Outcome>) -> Vec<Change> {
        let now = Instant::now();
        let mut known = HashMap::with_capacity(outcomes.len());
        let mut changed = Vec::new();
        for (apex, choice) in chosen.iter().filter(|(_, choice)| choice.error.is_none()) {
            match outcomes.remove(&choice.source) {
                Some(Outcome::Zone { image, files, .. }) => {
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
        let good = Good::new(image, now);
        let version = good.version;
        self.good.insert(apex.clone(), good);
        Some(Change { zone, before: before.map(|before| before.serial), now: version.serial })
    }

    /// The zones of the set, and those that are gone; the statuses follow.
    fn zones(&mut self, summary: &mut Summary) -> (Vec<Zone>, Vec<Name>) {
        let mut zones = Vec::with_capacity(self.local.len() + self.followed.len());
        let mut here = HashSet::with_capacity(zones.capacity());
        let followed = self.followed.keys().filter(|apex| !self.local.contains_key(apex));
        let all: Vec<Name> = self.local.keys().chain(followed).cloned().collect();
        for apex in all {
            let (zone, status) = self.zone(&apex);
            summary.failed += usize::from(status.error.is_some());
            summary.records += status.version.map_or(0, |version| version.records);
            here.insert(zone.id);
            self.statuses.insert(zone.id, status);
            zones.push(zone);
        }
        summary.zones = zones.len();
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

    /// A zone as it is to be served, and how it stands: the channel's, else the file's.
    fn zone(&mut self, apex: &Name) -> (Zone, Status) {
        let next_id = self.ids.len() as u32;
        let id = *self.ids.entry(apex.clone()).or_insert(next_id);
        let local = self.local.get(apex);
        let (good, state, origin, error) = match (self.followed.get(apex), local) {
            (Some(good), local) => {
                let channel = self.channel.clone().unwrap_or_default();
                let error = local.map(|local| self.conflict(apex, local));
                (Some(good), State::Serving, Origin::Channel(channel), error)
            }
            (None, local) => {
                let good = self.good.get(apex);
                let error = local.and_then(|local| local.error.clone());
                let state = match (&error, good) {
                    (None, _) => State::Serving,
                    (Some(_), Some(_)) => State::LastGood,
                    (Some(_), None) => State::Failed,
                };
                (
                    good,
                    state,
                    Origin::File(local.map_or_else(|| Path::new("").into(), |local| local.path.clone())),
                    error,
                )
            }
        };
        let spelled = local.map_or(apex, |local| &local.name);
        let name = good.map_or_else(|| spelled.clone(), |good| good.image.apex());
        let zone = Zone { id, name: name.clone(), image: good.map(|good| good.image.clone()) };
        (zone, Status { name, origin, state, error, version: good.map(|good| good.version) })
    }
}

impl Good {
    fn new(image: Image, since: Instant) -> Good {
        let (serial, records, digest) = (image.serial(), image.record_count(), image.digest());
        let signatures_end = image.signatures_end();
        Good { image, version: Version { serial, records, digest, signatures_end, since } }
    }
}

impl From<Chosen> for Local {
    fn from(choice: Chosen) -> Local {
        Local { name: choice.source.apex, path: choice.source.path, error: choice.error }
    }
}

/// Images are packed together again when so large a share of them (one of so many) has been replaced: it touches all of them.
const REPACK_SHARE: usize = 4;

/// Reads those sources whose files changed.
fn read_changed(
    sources: &[Source],
    known: &HashMap<Source, Known>,
    include_outside: bool,
    watch: Option<&Watch>,
) -> (HashMap<Source, Outcome>, Vec<Report>) {
    let mut outcomes = HashMap::with_capacity(sources.len());
    let mut todo: Vec<&Source> = Vec::new();
    for source in sources {
        match known.get(source).filter(|known| read::are_current(&known.files)) {
            Some(Known { no_zone: None, .. }) => drop(outcomes.insert(source.clone(), Outcome::Unchanged)),
            Some(Known { no_zone: Some(reason), files }) => {
                let (reason, files) = (reason.clone(), files.clone());
                outcomes.insert(source.clone(), Outcome::NoZone { reason, files });
            }
            None => todo.push(source),
        }
    }
    let mut reports = Vec::new();
    for (source, outcome, report) in read_all(todo, include_outside, None, watch) {
        outcomes.insert(source.clone(), outcome);
        reports.extend(report);
    }
    reports.sort_by(|a: &Report, b| a.path.cmp(&b.path));
    (outcomes, reports)
}

/// Reads all of these, on all cores, the largest files first.
fn read_all<'a>(
    sources: Vec<&'a Source>,
    include_outside: bool,
    judge: Option<&Judge>,
    watch: Option<&Watch>,
) -> Vec<Read<'a>> {
    let size = |source: &Source| source.path.metadata().map_or(0, |metadata| metadata.len());
    let mut todo: Vec<(u64, &Source)> = sources.into_iter().map(|source| (size(source), source)).collect();
    todo.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Read>> = Mutex::new(Vec::with_capacity(todo.len()));
    let readers = cores().min(todo.len());
    let (octets, octets_done) = (todo.iter().map(|(size, _)| size).sum(), AtomicU64::new(0));
    let work = || {
        // Packed together as they come, small images leave no holes behind among what stays.
        let (mut batch, mut batch_octets) = (Vec::new(), 0);
        while let Some((size, source)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (outcome, report) = read::read(source, include_outside, judge, cores() / readers);
            if let Outcome::Zone { image, .. } = &outcome {
                batch_octets += image.root().len();
            }
            batch.push((*source, outcome, report));
            if batch_octets >= arena::ARENA {
                hand_over(&mut batch, &done);
                batch_octets = 0;
            }
            if let Some(watch) = watch {
                watch(octets_done.fetch_add(*size, Ordering::Relaxed) + size, octets);
            }
        }
        hand_over(&mut batch, &done);
    };
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(work);
        }
    });
    done.into_inner().expect("readers don't panic")
}

/// A file, what became of it, and what is to be said about it.
type Read<'a> = (&'a Source, Outcome, Option<Report>);

/// Moves what was read to all that was, small images in arenas that they share.
fn hand_over<'a>(batch: &mut Vec<Read<'a>>, done: &Mutex<Vec<Read<'a>>>) {
    arena::pack(batch.iter_mut().filter_map(|(_, outcome, _)| match outcome {
        Outcome::Zone { image, .. } => Some(image),
        _ => None,
    }));
    done.lock().expect("readers don't panic").append(batch);
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
                skipped.push(Skipped { path: source.path.to_path_buf(), reason: reason.clone() });
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

#[cfg(test)]
mod tests;
