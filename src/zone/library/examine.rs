//! Zone files read to be judged, not to be served: all that is wrong with all of them.

use super::discover::{Places, Skipped, Source, sources};
use super::families::{Families, Gathered, Misfits};
use super::judge::{Judge, Judging, Verdict};
use super::open::{Keep, Opened, open};
use crate::wire::name::Name;
use crate::zone::cores::cores;
use crate::zone::diagnostic::Diagnostic;
use crate::zone::image::Image;
use crate::zone::sources::Sources;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One zone, judged.
pub struct Examined {
    /// Apex.
    pub zone: Name,
    /// Its file.
    pub path: PathBuf,
    /// The image that it would be served as. `None`: it can't be.
    pub image: Option<Image>,
    /// What was read.
    pub sources: Sources,
    /// All that is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// What is known when all zones were judged.
pub struct Rest {
    /// Delegations that don't fit the zones that they lead to.
    pub misfits: Vec<Misfits>,
    /// Files that are no zones.
    pub skipped: Vec<Skipped>,
}

/// Judges the zones of these places, or only `zone`, on all cores. `each` gets one after the other, in the order of the places and of the
/// paths in each, and how many there are; it is called on any thread. `Err`: a place can't be searched.
pub fn examine(
    places: &[Places],
    zone: Option<&Name>,
    judging: Judging,
    each: impl FnMut(Examined, usize) + Send,
) -> Result<Rest, String> {
    let wanted = |source: &Source| zone.is_none_or(|zone| source.apex.to_lower() == zone.to_lower());
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    for (place, places) in places.iter().enumerate() {
        let (sources, no_zones) = sources(places, |_, _| false)?;
        files.extend(sources.into_iter().filter(wanted).map(|source| (place, source)));
        skipped.extend(no_zones);
    }
    let judge = Judge { judging, families: Families::new(files.iter().map(|(_, source)| source)) };
    let next = AtomicUsize::new(0);
    let (first, gathered) = (HashMap::new(), Gathered::default());
    let turn = Mutex::new(Turn { next: 0, waiting: BTreeMap::new(), first, gathered, each, skipped });
    let readers = cores().min(files.len());
    let work = || {
        while let Some((number, (place, source))) = take(&next, &files) {
            let examined = examined(source, places[*place].include_outside, &judge, cores() / readers);
            turn.lock().expect("nobody panics").take(number, files.len(), (*place, source), examined);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(work);
        }
    });
    let Turn { gathered, mut skipped, .. } = turn.into_inner().expect("nobody panics");
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Rest { misfits: gathered.misfits(judge.judging.must_be_signed), skipped })
}

fn take<'s, T>(next: &AtomicUsize, all: &'s [T]) -> Option<(usize, &'s T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    all.get(number).map(|one| (number, one))
}

/// Whose turn it is to be told of: those that are done early wait.
struct Turn<F> {
    next: usize,
    waiting: BTreeMap<usize, Option<(usize, Examined)>>,
    /// Which file of a place each zone was found in first.
    first: HashMap<(usize, Name), PathBuf>,
    gathered: Gathered,
    each: F,
    skipped: Vec<Skipped>,
}

impl<F: FnMut(Examined, usize)> Turn<F> {
    fn take(
        &mut self,
        number: usize,
        count: usize,
        (place, source): (usize, &Source),
        examined: Option<(Examined, Verdict)>,
    ) {
        if examined.is_none() {
            let reason = format!("has no SOA record at {}", source.apex);
            self.skipped.push(Skipped { path: source.path.to_path_buf(), reason });
        }
        let examined = examined.map(|(examined, verdict)| {
            if let Some(ends) = verdict.ends {
                self.gathered.add(&examined.zone, &examined.path, examined.sources.clone(), ends);
            }
            (place, examined)
        });
        self.waiting.insert(number, examined);
        while let Some(examined) = self.waiting.remove(&self.next) {
            self.next += 1;
            let Some((place, mut examined)) = examined else { continue };
            let zone = (place, examined.zone.to_lower());
            if let Some(first) = self.first.get(&zone) {
                let message = format!("zone {} has another file, {}", examined.zone, first.display());
                examined.diagnostics.push(Diagnostic::of_file(message, "remove one of them"));
            }
            self.first.entry(zone).or_insert_with(|| examined.path.clone());
            (self.each)(examined, count);
        }
    }
}

/// `None`: it need not be a zone, and is none.
fn examined(source: &Source, include_outside: bool, judge: &Judge, cores: usize) -> Option<(Examined, Verdict)> {
    let mut opened = open(source, include_outside, cores, Keep::Records);
    if !opened.is_zone {
        return None;
    }
    let verdict = judge.judge(source, &mut opened, cores);
    let (zone, path) = (source.apex.clone(), source.path.to_path_buf());
    let Opened { image, sources, diagnostics, .. } = opened;
    Some((Examined { zone, path, image, sources, diagnostics }, verdict))
}
