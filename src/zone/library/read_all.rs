//! Reading many files, on all cores.

use super::discover::Source;
use super::judge::Judge;
use super::read::{self, Outcome, Reading};
use super::stamp::Look;
use super::{Report, Watch};
use crate::zone::arena;
use crate::zone::cores::{cores, in_parts};
use std::cmp::Reverse;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

/// What became of a file, and what is to be said about it.
type Read = (Outcome, Option<Report>);

/// What became of each of these files, in their order: what is `known`, and of the others what reading them gives. `read` is told of each
/// of these.
pub(super) fn read_rest(
    sources: &[Source],
    known: Vec<Option<Outcome>>,
    include_outside: bool,
    judge: Option<&Judge>,
    watch: Option<&Watch>,
    mut read: impl FnMut(&Source, &Outcome, Option<Report>),
) -> Vec<Outcome> {
    let todo: Vec<&Source> =
        sources.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(source, _)| source).collect();
    let mut rest = todo.iter().zip(read_all(&todo, include_outside, judge, watch));
    let next = |known: Option<Outcome>| {
        known.or_else(|| {
            let (source, (outcome, report)) = rest.next()?;
            read(source, &outcome, report);
            Some(outcome)
        })
    };
    known.into_iter().filter_map(next).collect()
}

/// Reads all of these, the largest files first. What became of each, and what is to be said about it, comes back in their order.
pub(super) fn read_all(
    sources: &[&Source],
    include_outside: bool,
    judge: Option<&Judge>,
    watch: Option<&Watch>,
) -> Vec<Read> {
    let reading = Reading { began: SystemTime::now(), include_outside, judge };
    let look = |number: usize| (number, Look::at(&sources[number].path, reading.began));
    let mut todo = in_parts(cores(), sources.len(), |part| part.map(look).collect::<Vec<_>>()).concat();
    todo.sort_by_key(|(_, look)| Reverse(look.len));
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Read>>> = Mutex::new(sources.iter().map(|_| None).collect());
    let readers = cores().min(todo.len());
    let (octets, octets_done) = (todo.iter().map(|(_, look)| look.len).sum(), AtomicU64::new(0));
    let work = || {
        // Packed together as they come, small images leave no holes behind among what stays.
        let (mut batch, mut batch_octets) = (Vec::new(), 0);
        while let Some(&(number, look)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            let read = read::read(sources[number], look, &reading, cores() / readers);
            batch_octets += read.0.image().map_or(0, |image| image.root().len());
            batch.push((number, read));
            if batch_octets >= arena::ARENA {
                hand_over(&mut batch, &done);
                batch_octets = 0;
            }
            if let Some(watch) = watch {
                watch(octets_done.fetch_add(look.len, Ordering::Relaxed) + look.len, octets);
            }
        }
        hand_over(&mut batch, &done);
    };
    std::thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(work);
        }
    });
    let done = done.into_inner().expect("readers don't panic");
    done.into_iter().map(|read| read.expect("all are read")).collect()
}

/// Moves what was read, by number, to its place among all that was, small images in arenas that they share.
fn hand_over(batch: &mut Vec<(usize, Read)>, done: &Mutex<Vec<Option<Read>>>) {
    arena::pack(batch, |(_, (outcome, _))| outcome.image(), |(_, (outcome, _)), image| outcome.relocate(image));
    let mut done = done.lock().expect("readers don't panic");
    batch.drain(..).for_each(|(number, read)| done[number] = Some(read));
}
