//! Zone files read to be judged, not to be served: all that is wrong with all of them.

use super::discover::{Places, Skipped, Source, sources};
use super::judge::{Judging, judge};
use super::read::{is_zone, open};
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

/// Judges the zones of these places, or only `zone`, on all cores. `each` gets one after the other, in the order of their paths, and
/// how many there are; it is called on any thread. Gives the files that are no zones. `Err`: a place can't be searched.
pub fn examine(
    places: &Places,
    zone: Option<&Name>,
    judging: &Judging,
    each: impl FnMut(Examined, usize) + Send,
) -> Result<Vec<Skipped>, String> {
    let (sources, mut skipped) = sources(places, |_, _| false)?;
    let wanted = |source: &&Source| zone.is_none_or(|zone| source.apex.to_lower() == zone.to_lower());
    let sources: Vec<&Source> = sources.iter().filter(wanted).collect();
    let next = AtomicUsize::new(0);
    let turn =
        Mutex::new(Turn { next: 0, waiting: BTreeMap::new(), first: HashMap::new(), each, skipped: &mut skipped });
    let readers = cores().min(sources.len());
    let work = || {
        while let Some((number, source)) = take(&next, &sources) {
            let examined = examined(source, places.include_outside, judging, cores() / readers);
            turn.lock().expect("nobody panics").take(number, sources.len(), source, examined);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(work);
        }
    });
    drop(turn);
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(skipped)
}

fn take<'s>(next: &AtomicUsize, sources: &[&'s Source]) -> Option<(usize, &'s Source)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    sources.get(number).map(|source| (number, *source))
}

/// Whose turn it is to be told of: those that are done early wait.
struct Turn<'k, F> {
    next: usize,
    waiting: BTreeMap<usize, Option<Examined>>,
    /// Which file each zone was found in first.
    first: HashMap<Name, PathBuf>,
    each: F,
    skipped: &'k mut Vec<Skipped>,
}

impl<F: FnMut(Examined, usize)> Turn<'_, F> {
    fn take(&mut self, number: usize, count: usize, source: &Source, examined: Option<Examined>) {
        if examined.is_none() {
            let reason = format!("has no SOA record at {}", source.apex);
            self.skipped.push(Skipped { path: source.path.to_path_buf(), reason });
        }
        self.waiting.insert(number, examined);
        while let Some(examined) = self.waiting.remove(&self.next) {
            self.next += 1;
            let Some(mut examined) = examined else { continue };
            if let Some(first) = self.first.get(&examined.zone.to_lower()) {
                let message = format!("zone {} has another file, {}", examined.zone, first.display());
                examined.diagnostics.push(Diagnostic::of_file(message, "remove one of them"));
            }
            self.first.entry(examined.zone.to_lower()).or_insert_with(|| examined.path.clone());
            (self.each)(examined, count);
        }
    }
}

/// `None`: it need not be a zone, and is none.
fn examined(source: &Source, include_outside: bool, judging: &Judging, cores: usize) -> Option<Examined> {
    let mut opened = open(source, include_outside, cores);
    if !is_zone(source, &opened) {
        return None;
    }
    judge(source, &mut opened, judging, cores);
    let (zone, path) = (source.apex.clone(), source.path.to_path_buf());
    Some(Examined { zone, path, image: opened.image, sources: opened.sources, diagnostics: opened.diagnostics })
}
