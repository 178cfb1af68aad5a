//! Reading one zone file.

use super::Report;
use super::discover::{Source, is_image};
use super::judge::{Judge, Verdict};
use super::stamp::{Look, Stamps};
use crate::wire::code::rtype;
use crate::zone::compile;
use crate::zone::diagnostic::{Diagnostic, Severity, render, shown_path};
use crate::zone::finding::Finding;
use crate::zone::image::{FileError, Image};
use crate::zone::parse::{self, Parsed};
use crate::zone::records::Records;
use crate::zone::sources::Sources;
use crate::zone::spot;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::SystemTime;

/// Octets of an image that are read at once.
const READ_AHEAD: usize = 64 << 10;

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

/// What is wanted of a zone's file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Its image alone.
    Image,
    /// Its records too.
    Records,
}

/// A zone's file, read.
pub(super) struct Opened {
    /// Whether it is a zone at all: it must be one, or has an SOA at the name that it bears.
    pub(super) is_zone: bool,
    /// What its text says, if that is kept; of an image nothing.
    pub(super) records: Records,
    pub(super) sources: Sources,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// `None`: it can't be served.
    pub(super) image: Option<Image>,
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

/// Reads a file, whatever it holds.
pub(super) fn open(source: &Source, include_outside: bool, cores: usize, keep: Keep) -> Opened {
    if is_image(&source.path) {
        return open_image(source);
    }
    let options =
        parse::Options { root: Some(source.root.to_path_buf()), include_outside, cores, ..parse::Options::default() };
    let mut parsed = parse::parse_file(&source.path, &source.apex, &options);
    let parsed_well = !parsed.has_errors();
    if parsed.diagnostics.is_empty() {
        parsed.sources.release();
    }
    let Parsed { records, sources, mut diagnostics } = parsed;
    let apex = &source.apex;
    let is_apex = |owner: &[u8]| owner.eq_ignore_ascii_case(apex.as_wire());
    let is_zone = source.certain || records.of_type(rtype::SOA).any(|soa| is_apex(records.owner(soa)));
    let ((image, findings), records) = match keep {
        Keep::Image => (compile::compile_owned(apex, records), Records::default()),
        Keep::Records => (compile::compile(apex, &records), records),
    };
    // What could not be parsed is missing: then only what is wrong about a record that is there can be believed.
    let is_of_record =
        |finding: &Finding| finding.severity == Severity::Error && finding.line > 0 && !finding.is_absence;
    let believed = findings.into_iter().filter(|finding| parsed_well || is_of_record(finding));
    diagnostics.extend(spot::place(believed.collect(), &sources));
    let image = image.filter(|_| parsed_well);
    Opened { is_zone, records, sources, diagnostics, image }
}

fn open_image(source: &Source) -> Opened {
    let mut sources = Sources::default();
    sources.add(source.path.to_path_buf(), Vec::new(), None, None);
    let refused = |message, remedy: &str| (None, vec![Diagnostic::of_file(message, remedy)]);
    let (image, diagnostics) = match read_image(&source.path) {
        Ok(image) if image.apex().to_lower() != source.apex.to_lower() => {
            let message = format!("this is the image of zone {}, not of {}", image.apex(), source.apex);
            refused(message, "give the file that zone's name, or compile this zone into it")
        }
        Ok(image) => (Some(image), Vec::new()),
        Err(error) => refused(error.to_string(), "compile the zone again"),
    };
    Opened { is_zone: source.certain, records: Records::default(), sources, diagnostics, image }
}

/// Reads a file with an image.
pub fn read_image(path: &Path) -> Result<Image, FileError> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    // A small one is read at once, and takes no more memory than it must.
    let buffer = READ_AHEAD.min(len as usize);
    Image::read_from(BufReader::with_capacity(buffer, file), len)
}

fn one_line(source: &Source, sources: &Sources, error: &Diagnostic) -> String {
    let path = shown_path(sources.path(error.file).unwrap_or(&source.path));
    match error.line {
        0 => format!("{path}: {}", error.message),
        line => format!("{path}:{line}: {}", error.message),
    }
}
