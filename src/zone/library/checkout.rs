//! The zones of a checkout, for a publish: all are known, and only those are compiled that have to be.
//!
//! What files were found to be is remembered from one process to the next ([`Memory`]). A file that is as it was is not read again: its
//! zone is known by its image's name. Who needs the image itself has it made ([`Checkout::compile`]). What is remembered is believed of
//! a file only while device, inode, size and both times are those that it had when it was read, and these were old enough
//! then that no later write could have left them as they are ([`Stamps`]); only until time alone would change what was found, as it does of
//! signatures that begin and end; and only for a day, so that a wrong belief does not last.

use super::choose::choose;
use super::discover::{Source, sources};
use super::families::{Families, Gathered, Misfits, Relatives};
use super::judge::{Judge, Judging};
use super::read::Outcome;
use super::read_all::{read_all, read_rest};
use super::stamp::Stamps;
use super::{Places, Report, Skipped, Watch};
use crate::wire::name::Name;
use crate::zone::check::dnssec::Ends;
use crate::zone::diagnostic::{Severity, render};
use crate::zone::image::Image;
use crate::zone::sources::Sources;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How long what is remembered of a file is believed.
const BELIEVED_SECS: u64 = 24 * 60 * 60;
/// A report that is longer is not remembered: its file is read again.
const REPORT_MAX: usize = 64 << 10;

/// What is known of a zone whose image is not at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The image's name.
    #[serde(with = "hex")]
    pub digest: [u8; 32],
    /// The SOA's serial.
    pub serial: u32,
    /// Octets of the image.
    pub len: u64,
}

/// What files were found to be, for the next process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// How signatures were judged.
    must_be_signed: bool,
    files: HashMap<String, Remembered>,
}

/// What one file was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// When it was read, in seconds since 1970.
    read_secs: u64,
    /// From when on its signatures are to be judged anew, in seconds since 1970. `None`: never.
    holds_until_secs: Option<u64>,
    /// The zones above and below it, and what it says to these.
    relatives: Option<Relatives>,
    ends: Option<Ends>,
    /// It, and what it includes, as they were.
    files: Stamps,
    found: Found,
    /// What its zone was published as, if that was under another serial.
    released: Option<Known>,
    /// Warnings: they are told at each publish.
    told: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Found {
    Zone(Known),
    /// Why it is none.
    NoZone(String),
}

/// A zone of a checkout.
#[derive(Clone)]
pub enum Compiled {
    /// It was compiled.
    Image(Image),
    /// Its file is as it was when it was compiled.
    Known(Known),
}

/// All zones of some places.
pub struct Checkout {
    zones: BTreeMap<Name, (Source, Compiled)>,
    include_outside: bool,
    judging: Judging,
    /// Errors and warnings.
    pub reports: Vec<Report>,
    /// Files of the directory that are no zones.
    pub skipped: Vec<Skipped>,
    /// For the next time.
    pub memory: Memory,
}

impl Checkout {
    /// Reads and judges those files of which `memory` does not know what they are, and tells `watch` how far it is. `Err`: the places
    /// can't be searched.
    pub fn read(places: &Places, memory: &Memory, judging: Judging, watch: Option<&Watch>) -> Result<Checkout, String> {
        let (sources, mut skipped) = sources(places, |_, _| false)?;
        let judge = Judge { judging, families: Families::new(&sources) };
        let mut gathered = Gathered::default();
        let (mut reports, mut kept) = (Vec::new(), HashMap::new());
        let mut outcomes = Vec::with_capacity(sources.len());
        for source in &sources {
            let remembered = memory.of(source, &judge);
            outcomes.push(remembered.map(|(_, remembered)| remembered.outcome()));
            let Some((path, remembered)) = remembered else { continue };
            let report = |text: &String| Report {
                path: source.path.to_path_buf(),
                fatal: false,
                has_errors: false,
                text: text.clone(),
            };
            reports.extend(remembered.told.as_ref().map(report));
            gather(&mut gathered, source, &remembered.files, remembered.ends.as_ref());
            kept.insert(path.to_owned(), remembered.clone());
        }
        let read = |source: &Source, outcome: &Outcome, report: Option<Report>| {
            kept.extend(Remembered::of(source, outcome, report.as_ref(), &judge));
            if let Outcome::Zone { files, verdict, .. } = outcome {
                gather(&mut gathered, source, files, verdict.ends.as_ref());
            }
            reports.extend(report);
        };
        let outcomes = read_rest(&sources, outcomes, places.include_outside, Some(&judge), watch, read);
        for misfits in gathered.misfits(judging.must_be_signed) {
            add(&mut reports, &misfits);
        }
        reports.sort_by(|a: &Report, b| a.path.cmp(&b.path));
        let chosen = choose(&sources, &outcomes, &mut skipped, &mut reports);
        let mut found: Vec<_> = sources.into_iter().zip(outcomes).map(Some).collect();
        let zones = chosen.into_iter().filter_map(|(apex, choice)| {
            let (source, outcome) = found[choice.source].take()?;
            let compiled = match outcome {
                Outcome::Zone { image, .. } => Compiled::Image(image),
                // Only what is remembered is called so here.
                _ => match kept.get(source.path.to_str()?)?.found {
                    Found::Zone(known) => Compiled::Known(known),
                    Found::NoZone(_) => return None,
                },
            };
            Some((apex, (source, compiled)))
        });
        let zones = zones.collect();
        let memory = Memory { must_be_signed: judging.must_be_signed, files: kept };
        Ok(Checkout { zones, include_outside: places.include_outside, judging, reports, skipped, memory })
    }

    /// All zones that could be read, by their apexes in lower case.
    pub fn zones(&self) -> impl Iterator<Item = (&Name, &Compiled)> {
        self.zones.iter().map(|(apex, (_, compiled))| (apex, compiled))
    }

    /// What this zone was published as while its file was as it is, if that was under another serial and is remembered.
    pub fn released(&self, apex: &Name) -> Option<Known> {
        let (source, _) = self.zones.get(&apex.to_lower())?;
        self.memory.files.get(source.path.to_str()?)?.released
    }

    /// Remembers what this zone is published as, for the next time.
    pub fn release(&mut self, apex: &Name, published: Known) {
        let path = self.zones.get(&apex.to_lower()).and_then(|(source, _)| source.path.to_str());
        if let Some(remembered) = path.and_then(|path| self.memory.files.get_mut(path)) {
            remembered.released = (remembered.found != Found::Zone(published)).then_some(published);
        }
    }

    /// Makes the images of these zones, of which each is one of ours. `Err`: what is wrong by now with their files.
    pub fn compile(&self, zones: &[Name]) -> Result<Vec<Image>, Vec<Report>> {
        let here = zones.iter().filter_map(|apex| self.zones.get(&apex.to_lower()));
        let (images, sources): (Vec<_>, Vec<_>) =
            here.partition(|(_, compiled)| matches!(compiled, Compiled::Image(_)));
        let image = |(_, compiled): &(Source, Compiled)| match compiled {
            Compiled::Image(image) => Some(image.clone()),
            Compiled::Known(_) => None,
        };
        let mut images: Vec<Image> = images.into_iter().filter_map(image).collect();
        let mut faults = Vec::new();
        let sources: Vec<&Source> = sources.into_iter().map(|(source, _)| source).collect();
        let judge = Judge { judging: self.judging, families: Families::default() };
        let read = read_all(&sources, self.include_outside, Some(&judge), None);
        for (source, (outcome, report)) in sources.iter().zip(read) {
            let fault = report.filter(|report| report.has_errors);
            match outcome {
                Outcome::Zone { image, .. } if fault.is_none() => images.push(image),
                Outcome::NoZone { reason, .. } => {
                    let text = format!("error: {}: it {reason}, and had one a moment ago\n", source.path.display());
                    faults.push(Report { path: source.path.to_path_buf(), fatal: true, has_errors: true, text });
                }
                Outcome::Zone { .. } | Outcome::Failed { .. } | Outcome::Unchanged => faults.extend(fault),
            }
        }
        if faults.is_empty() { Ok(images) } else { Err(faults) }
    }
}

/// Takes what a zone says to its relatives, if it has any.
fn gather(gathered: &mut Gathered, source: &Source, files: &Stamps, ends: Option<&Ends>) {
    let Some(ends) = ends else { return };
    // Lines are shown of delegations alone.
    let shown = files.paths(&source.path).filter(|_| !ends.delegations.is_empty());
    let sources = Sources::of_files(shown.map(Path::to_path_buf));
    gathered.add(&source.apex, &source.path, sources, ends.clone());
}

/// Adds what is wrong with a zone's delegations to what is said of its file.
fn add(reports: &mut Vec<Report>, misfits: &Misfits) {
    let Misfits { path, sources, diagnostics, .. } = misfits;
    let has_errors = diagnostics.iter().any(|found| found.severity == Severity::Error);
    let text = render(sources, diagnostics, false);
    match reports.iter_mut().find(|report| report.path == *path) {
        Some(report) => {
            report.text.push_str(&text);
            report.has_errors |= has_errors;
        }
        None => reports.push(Report { path: path.clone(), fatal: false, has_errors, text }),
    }
}

impl Memory {
    /// What tells these places from others: paths in a memory are as they were given.
    pub fn key(places: &Places) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        format!("{here:?} {places:?}")
    }

    /// What this file still is.
    fn of(&self, source: &Source, judge: &Judge) -> Option<(&str, &Remembered)> {
        let (path, remembered) = self.files.get_key_value(source.path.to_str()?)?;
        let Judging { now_secs, must_be_signed } = judge.judging;
        let is_same =
            self.must_be_signed == must_be_signed && remembered.relatives.as_ref() == judge.families.of(&source.apex);
        (is_same && remembered.holds_at(now_secs) && remembered.files.are_current(&source.path))
            .then_some((path.as_str(), remembered))
    }
}

impl Remembered {
    /// What can be said of it next time; `None`: it must be read again.
    fn of(source: &Source, outcome: &Outcome, report: Option<&Report>, judge: &Judge) -> Option<(String, Remembered)> {
        let (found, files, holds_until_secs, ends) = match outcome {
            Outcome::Zone { image, files, verdict } => {
                let (digest, serial, len) = (image.digest(), image.serial(), image.len());
                let found = Found::Zone(Known { digest, serial, len });
                (found, files, verdict.holds_until_secs, verdict.ends.clone())
            }
            Outcome::NoZone { reason, files } => (Found::NoZone(reason.clone()), files, None, None),
            Outcome::Failed { .. } | Outcome::Unchanged => return None,
        };
        let told = report.map(|report| report.text.clone());
        // Who has errors is looked at again, and told of by them.
        if report.is_some_and(|report| report.has_errors) {
            return None;
        }
        let small = told.as_ref().is_none_or(|told| told.len() <= REPORT_MAX);
        let path = source.path.to_str()?.to_owned();
        let remembered = || {
            let (read_secs, relatives) = (judge.judging.now_secs, judge.families.of(&source.apex).cloned());
            let (files, released) = (files.clone(), None);
            Remembered { read_secs, holds_until_secs, relatives, ends, files, found, released, told }
        };
        (small && files.are_certain()).then(|| (path, remembered()))
    }

    /// Whether it would be said of the same files at this time, too.
    fn holds_at(&self, now_secs: u64) -> bool {
        let is_young = now_secs.checked_sub(self.read_secs).is_some_and(|age| age < BELIEVED_SECS);
        is_young && self.holds_until_secs.is_none_or(|until_secs| now_secs < until_secs)
    }

    fn outcome(&self) -> Outcome {
        match &self.found {
            Found::Zone(_) => Outcome::Unchanged,
            Found::NoZone(reason) => Outcome::NoZone { reason: reason.clone(), files: self.files.clone() },
        }
    }
}

/// Digests as text.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&blake3::Hash::from_bytes(*digest).to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        blake3::Hash::from_hex(text.as_bytes()).map(|hash| *hash.as_bytes()).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
