//! Reading one zone file for a server: what becomes of it, and what is said of that.

use super::Report;
use super::discover::Source;
use super::judge::{Judge, Verdict};
use super::open::{Keep, Opened, open};
use super::stamp::{Look, Stamps};
use crate::zone::diagnostic::{Diagnostic, Severity, render, shown_path};
use crate::zone::image::Image;
use crate::zone::sources::Sources;
use std::time::SystemTime;

/// What became of a file.
pub(super) enum Outcome {
    /// It is the one that is served already.
    Unchanged,
    /// A zone; the verdict is empty if it was not judged.
    Zone { image: Image, files: Stamps, verdict: Verdict },
    /// It should be a zone and can't be served; why, in a line.
    Failed { error: String },
    /// It is none, and need not be.
    NoZone { reason: String, files: Stamps },
}

impl Outcome {
    /// The image of a zone.
    pub(super) fn image(&self) -> Option<&Image> {
        match self {
            Outcome::Zone { image, .. } => Some(image),
            Outcome::Unchanged | Outcome::Failed { .. } | Outcome::NoZone { .. } => None,
        }
    }

    /// Takes the same image at another place.
    pub(super) fn relocate(&mut self, moved: Image) {
        if let Outcome::Zone { image, .. } = self {
            *image = moved;
        }
    }
}

/// How files are read.
pub(super) struct Reading<'j> {
    /// The time before any was looked at.
    pub(super) began: SystemTime,
    pub(super) include_outside: bool,
    /// Who judges signatures, if they are to be.
    pub(super) judge: Option<&'j Judge>,
}

/// Reads, parses and compiles a file that was looked at when `began` was past, on so many cores if it is large. The report has all that is
/// wrong with it.
pub(super) fn read(source: &Source, look: Look, reading: &Reading, cores: usize) -> (Outcome, Option<Report>) {
    // A judge asks the records.
    let keep = if reading.judge.is_some() { Keep::Records } else { Keep::Image };
    let mut opened = open(source, reading.include_outside, cores, keep);
    let included = (1..opened.sources.len()).filter_map(|file| opened.sources.path(file as u16));
    let files = Stamps::take(look, included, reading.began);
    if !opened.is_zone {
        return (Outcome::NoZone { reason: format!("has no SOA record at {}", source.apex), files }, None);
    }
    let verdict = reading.judge.map(|judge| judge.judge(source, &mut opened, cores)).unwrap_or_default();
    let Opened { sources, diagnostics, image, .. } = opened;
    let first_error = diagnostics.iter().find(|d| d.severity == Severity::Error);
    let has_errors = first_error.is_some();
    let outcome = match (image, first_error) {
        (Some(image), _) => Outcome::Zone { image, files, verdict },
        (None, Some(error)) => Outcome::Failed { error: one_line(source, &sources, error) },
        (None, None) => {
            Outcome::Failed { error: format!("{}: no image could be built of it", shown_path(&source.path)) }
        }
    };
    let report = (!diagnostics.is_empty()).then(|| Report {
        path: source.path.to_path_buf(),
        fatal: matches!(outcome, Outcome::Failed { .. }),
        has_errors,
        text: render(&sources, &diagnostics, false),
    });
    (outcome, report)
}

fn one_line(source: &Source, sources: &Sources, error: &Diagnostic) -> String {
    let path = shown_path(sources.path(error.file).unwrap_or(&source.path));
    match error.line {
        0 => format!("{path}: {}", error.message),
        line => format!("{path}:{line}: {}", error.message),
    }
}
