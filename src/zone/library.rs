//! The zones of a server: found, read, compiled, and kept across reloads.
//!
//! [`Places`] come in; out goes a whole new set of zones, ready to be swapped in, and a report for the operator. Only files
//! that changed since they were last read are read again. A zone that can't be loaded keeps its last good version, or is
//! served as SERVFAIL when there never was one. Called by `cli` at the start and by `serve::reload`; never by a worker.

mod checkout;
mod choose;
mod discover;
mod examine;
mod families;
mod judge;
mod open;
mod read;
mod read_all;
mod stamp;

use super::image::Image;
use super::set::{Content, Origin, Zone, Zones};
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
pub use checkout::{Checkout, Compiled, Known as KnownZone, Memory};
use choose::{Chosen, choose};
pub use discover::{PUBLISH_SETTINGS, Places, Skipped, apex_of, image_name, is_image};
use discover::{Source, sources};
pub use examine::{Examined, Rest, examine};
pub use families::Misfits;
pub use judge::Judging;
pub use open::read_image;
use read::Outcome;
use read_all::read_rest;
use stamp::Stamps;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

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
///
/// What is served of a zone and how it stands is in the set alone; a server may have a million zones, so nothing of it is kept twice.
#[derive(Default)]
pub struct Library {
    /// What is served.
    zones: Zones,
    /// Zones of files that stand back, as the channel has them too, by apex in lower case.
    shadowed: BTreeMap<Name, Arc<Zone>>,
    /// By zone's id: its files as they were when they were read. Those that can't be served now have none, and are read again.
    stamps: HashMap<u32, Stamps>,
    /// Files that were found to be no zones, and why.
    no_zones: HashMap<Source, (String, Stamps)>,
    /// What files may include follows from these; if they change, all files are read again.
    includes: (Option<PathBuf>, bool),
    ids: Ids,
    /// The channel's name.
    channel: Option<Arc<str>>,
    /// Octets of images that were replaced since all were last packed together.
    replaced_len: usize,
    watch: Option<Watch>,
}

/// Ids of zones. One is never given to another zone: counters are indexed by it.
#[derive(Default)]
struct Ids {
    /// All are under this.
    end: u32,
    /// Of zones that are gone, by apex in lower case: a zone that comes back has the same.
    gone: HashMap<Name, u32>,
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

/// Images are packed together again when so large a share of them (one of so many) has been replaced: it touches all of them.
const REPACK_SHARE: usize = 4;

impl Library {
    /// No zones yet.
    pub fn new() -> Library {
        Library::default()
    }

    /// Who is told how far loads are from now on.
    pub fn watch(&mut self, watch: Option<Watch>) {
        self.watch = watch;
    }

    /// Reads what changed and builds the new set. `Err` when the places can't be searched, or when all zones would vanish:
    /// then nothing has changed.
    pub fn load(&mut self, places: &Places) -> Result<Load, String> {
        let includes = (places.directory.clone(), places.include_outside);
        if self.includes != includes {
            self.stamps.clear();
            self.no_zones.clear();
            self.includes = includes;
        }
        let (sources, mut skipped) = sources(places, |apex, path| self.is_served(apex, path))?;
        let known = sources.iter().map(|source| self.known(source)).collect();
        let mut reports = Vec::new();
        let outcomes = read_rest(&sources, known, places.include_outside, None, self.watch.as_ref(), |_, _, report| {
            reports.extend(report);
        });
        reports.sort_by(|a: &Report, b| a.path.cmp(&b.path));
        let chosen = choose(&sources, &outcomes, &mut skipped, &mut reports);
        if chosen.is_empty() && self.has_files() && !places.is_nowhere() {
            return Err("no zone is left in the places where zones are looked for: all stay as they are".into());
        }
        let before = self.zones.clone();
        let changed = self.take(sources, outcomes, chosen);
        reports.extend(self.shadowed.values().map(|local| Report {
            path: local.file().map(PathBuf::from).unwrap_or_default(),
            fatal: true,
            has_errors: true,
            text: format!("error: {}\n", self.conflict(local)),
        }));
        let removed = self.forget(&before);
        let summary = Summary {
            zones: self.zones.len(),
            records: self.zones.iter().filter_map(|zone| zone.image()).map(Image::record_count).sum(),
            changed: changed.len(),
            removed: removed.len(),
            failed: self.zones.iter().filter(|zone| zone.error.is_some()).count(),
        };
        Ok(Load { zones: self.zones.clone(), ids: self.ids.end as usize, reports, skipped, summary, changed, removed })
    }

    /// Takes an update of the zones of `channel`: `changed` are new or in place of what was, `removed` are gone. Only these are
    /// touched.
    pub fn follow(&mut self, channel: &str, changed: Vec<Image>, removed: &[Name]) -> Followed {
        let since = Instant::now();
        let channel = Arc::clone(self.channel.get_or_insert_with(|| channel.into()));
        let (mut conflicts, mut zones) = (Vec::new(), Vec::with_capacity(changed.len()));
        for image in changed {
            let apex = image.apex().to_lower();
            let before = self.zones.exact(apex.as_wire());
            if let Some(local) = before.filter(|before| before.file().is_some()) {
                conflicts.push(self.conflict(local));
                self.shadowed.insert(apex.clone(), Arc::clone(local));
            } else {
                self.replaced_len += image_len(before);
            }
            let error = self.shadowed.get(&apex).map(|local| self.conflict(local).into());
            let (id, origin) = (self.ids.of(&apex, before), Origin::Channel(Arc::clone(&channel)));
            zones.push(Arc::new(Zone { id, content: image.into(), origin, error, since }));
        }
        let mut gone = Vec::new();
        for apex in removed.iter().map(Name::to_lower) {
            let before = self.zones.exact(apex.as_wire()).filter(|before| before.channel().is_some());
            let Some(before) = before else { continue };
            self.replaced_len += image_len(Some(before));
            // A file that had to stand back comes into its own.
            match self.shadowed.remove(&apex) {
                Some(local) => zones.push(local),
                None => {
                    self.ids.gone.insert(apex.clone(), before.id);
                    gone.push(apex);
                }
            }
        }
        self.zones = self.zones.updated(zones, &gone);
        if self.replaced_len > self.zones.image_len() / REPACK_SHARE {
            self.zones = Zones::new(self.zones.iter().cloned());
            self.replaced_len = 0;
        }
        Followed { zones: self.zones.clone(), ids: self.ids.end as usize, conflicts }
    }

    /// What became of a file that is as it was when it was read.
    fn known(&self, source: &Source) -> Option<Outcome> {
        if let Some((reason, files)) = self.no_zones.get(source).filter(|(_, files)| files.are_current(&source.path)) {
            return Some(Outcome::NoZone { reason: reason.clone(), files: files.clone() });
        }
        let zone = self.local(&source.apex.to_lower()).filter(|zone| zone.file() == Some(&*source.path))?;
        self.stamps.get(&zone.id)?.are_current(&source.path).then_some(Outcome::Unchanged)
    }

    /// Makes what was read the newest good version of each zone, and remembers the files. Gives the zones that are no longer as they
    /// were.
    fn take(
        &mut self,
        sources: Vec<Source>,
        mut outcomes: Vec<Outcome>,
        chosen: BTreeMap<Name, Chosen>,
    ) -> Vec<Change> {
        let now = Instant::now();
        let (mut changed, mut zones) = (Vec::new(), Vec::with_capacity(chosen.len()));
        let (mut shadowed, mut stamps) = (BTreeMap::new(), HashMap::with_capacity(chosen.len()));
        for (apex, Chosen { source, error }) in chosen {
            let outcome = std::mem::replace(&mut outcomes[source], Outcome::Unchanged);
            let served = self.zones.exact(apex.as_wire());
            let id = self.ids.of(&apex, served);
            let (image, files) = match (outcome, &error) {
                (Outcome::Zone { image, files, .. }, None) => (Some(image), Some(files)),
                (Outcome::Unchanged, None) => (None, self.stamps.remove(&id)),
                _ => (None, None),
            };
            stamps.extend(files.map(|files| (id, files)));
            let (zone, change) = renewed(id, self.local(&apex), &sources[source], image, error, now);
            changed.extend(change);
            match served.and_then(|served| served.channel()) {
                Some(_) => drop(shadowed.insert(apex, zone)),
                None => zones.push(zone),
            }
        }
        self.stamps = stamps;
        self.no_zones.clear();
        for (source, outcome) in sources.into_iter().zip(outcomes) {
            if let Outcome::NoZone { reason, files } = outcome {
                self.no_zones.insert(source, (reason, files));
            }
        }
        self.shadowed = shadowed;
        zones.extend(self.zones.iter().filter(|zone| zone.channel().is_some()).map(|zone| {
            let error = self.shadowed.get(&zone.name().to_lower()).map(|local| self.conflict(local).into());
            if error == zone.error { Arc::clone(zone) } else { Arc::new(Zone { error, ..Zone::clone(zone) }) }
        }));
        self.zones = Zones::new(zones);
        self.replaced_len = 0;
        changed
    }

    /// Keeps the ids of those zones of the set before that are gone. Gives these, by name.
    fn forget(&mut self, before: &Zones) -> Vec<Name> {
        let here: HashSet<u32> = self.zones.iter().map(|zone| zone.id).collect();
        let mut gone = Vec::new();
        for zone in before.iter().filter(|zone| !here.contains(&zone.id)) {
            self.ids.gone.insert(zone.name().to_lower(), zone.id);
            gone.push(zone.name());
        }
        gone.sort_unstable_by_key(Name::to_string);
        gone
    }

    /// Why a zone's file is not served although nothing is wrong with it.
    fn conflict(&self, local: &Zone) -> String {
        let channel = self.channel.as_deref().unwrap_or_default();
        let (apex, path) = (local.name().to_lower(), local.file().map(shown_path).unwrap_or_default());
        format!(
            "zone {apex} is in channel {channel}, and {path} is not served: remove that file here, or the zone there"
        )
    }

    /// The zone of a file, of this apex in lower case: it is served, or stands back.
    fn local(&self, apex: &Name) -> Option<&Arc<Zone>> {
        let served = self.zones.exact(apex.as_wire()).filter(|served| served.file().is_some());
        served.or_else(|| self.shadowed.get(apex))
    }

    /// Whether any zone has a file.
    fn has_files(&self) -> bool {
        !self.shadowed.is_empty() || self.zones.iter().any(|zone| zone.file().is_some())
    }

    /// Whether a version of this zone is served that this file once held.
    fn is_served(&self, apex: &Name, path: &Path) -> bool {
        self.local(&apex.to_lower()).is_some_and(|zone| zone.image().is_some() && zone.file() == Some(path))
    }
}

impl Ids {
    /// That of the zone of this apex, in lower case; `known`: the zone, if it is served now.
    fn of(&mut self, apex: &Name, known: Option<&Arc<Zone>>) -> u32 {
        known.map(|zone| zone.id).or_else(|| self.gone.remove(apex)).unwrap_or_else(|| {
            self.end += 1;
            self.end - 1
        })
    }
}

/// The zone of a file as it is from now on: with a new image, if that says anything else than the one before, and otherwise as it was;
/// and in what it has changed.
fn renewed(
    id: u32,
    before: Option<&Arc<Zone>>,
    source: &Source,
    image: Option<Image>,
    error: Option<String>,
    now: Instant,
) -> (Arc<Zone>, Option<Change>) {
    let old = before.and_then(|before| before.image());
    let image = image.filter(|image| old.is_none_or(|old| old.digest() != image.digest()));
    let change = image.as_ref().map(|image| {
        let before = old.map(Image::serial);
        Change { zone: image.apex(), before, now: image.serial() }
    });
    let as_before = |before: &&Arc<Zone>| {
        image.is_none() && before.file() == Some(&*source.path) && before.error.as_deref() == error.as_deref()
    };
    if let Some(before) = before.filter(as_before) {
        return (Arc::clone(before), None);
    }
    let (content, since) = match (image, before, old) {
        (Some(image), _, Some(old)) => (image.sharing(old).into(), now),
        (Some(image), _, None) => (image.into(), now),
        (None, Some(before), Some(_)) => (before.content.clone(), before.since),
        (None, ..) => (Content::Missing(source.apex.clone()), now),
    };
    let origin = Origin::File(Arc::clone(&source.path));
    (Arc::new(Zone { id, content, origin, error: error.map(String::into_boxed_str), since }), change)
}

/// Octets of a zone's image.
fn image_len(zone: Option<&Arc<Zone>>) -> usize {
    zone.and_then(|zone| zone.image()).map_or(0, |image| image.len() as usize)
}

#[cfg(test)]
mod tests;
