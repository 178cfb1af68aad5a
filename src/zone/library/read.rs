//! Reading one zone file, and knowing whether it changed since.

use super::Report;
use super::discover::{Source, is_image};
use super::judge::{Judge, Verdict};
use crate::wire::code::rtype;
use crate::zone::compile;
use crate::zone::diagnostic::{Diagnostic, Severity, render, shown_path};
use crate::zone::finding::Finding;
use crate::zone::image::{FileError, Image};
use crate::zone::parse::{self, Parsed};
use crate::zone::records::Records;
use crate::zone::sources::Sources;
use crate::zone::spot;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The times of files are those of the kernel's last tick: one that changed within so long before it was read may change
/// again without a new time.
const TICK: Duration = Duration::from_millis(50);
/// The same where times are whole seconds, or every second one: some file systems keep no more.
const COARSE_TICK: Duration = Duration::from_millis(2_050);

/// Octets of an image that are read at once.
const READ_AHEAD: usize = 64 << 10;

/// What became of a file.
pub(super) enum Outcome {
    /// It is the one that is served already.
    Unchanged,
    /// A zone; the verdict is empty if it was not judged.
    Zone { image: Image, files: Vec<Stamp>, verdict: Verdict },
    /// It should be a zone and can't be served; why, in a line.
    Failed { error: String },
    /// It is none, and need not be.
    NoZone { reason: String, files: Vec<Stamp> },
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

/// Reads, parses and compiles a file, on so many cores if it is large, and lets its signatures be judged. The report has all that is
/// wrong with it.
pub(super) fn read(
    source: &Source,
    include_outside: bool,
    judge: Option<&Judge>,
    cores: usize,
) -> (Outcome, Option<Report>) {
    let began = SystemTime::now();
    // A judge asks the records.
    let keep = if judge.is_some() { Keep::Records } else { Keep::Image };
    let mut opened = open(source, include_outside, cores, keep);
    let files = stamps(source, &opened.sources, began);
    if !opened.is_zone {
        return (Outcome::NoZone { reason: format!("has no SOA record at {}", source.apex), files }, None);
    }
    let verdict = judge.map(|judge| judge.judge(source, &mut opened, cores)).unwrap_or_default();
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
    let (image, diagnostics) = match read_image(&source.path) {
        Ok(image) if image.apex().to_lower() != source.apex.to_lower() => {
            let message = format!("this is the image of zone {}, not of {}", image.apex(), source.apex);
            (None, vec![Diagnostic::of_file(message, "give the file that zone's name, or compile this zone into it")])
        }
        Ok(image) => (Some(image), Vec::new()),
        Err(error) => (None, vec![Diagnostic::of_file(error.to_string(), "compile the zone again")]),
    };
    Opened { is_zone: source.certain, records: Records::default(), sources, diagnostics, image }
}

/// Reads a file with an image.
pub fn read_image(path: &Path) -> Result<Image, FileError> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Image::read_from(BufReader::with_capacity(READ_AHEAD, file), len)
}

fn one_line(source: &Source, sources: &Sources, error: &Diagnostic) -> String {
    let path = shown_path(sources.path(error.file).unwrap_or(&source.path));
    match error.line {
        0 => format!("{path}: {}", error.message),
        line => format!("{path}:{line}: {}", error.message),
    }
}

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    path: Arc<Path>,
    /// `None`: unknown, or so fresh that the next change may not show.
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `began`: when reading began.
    fn take(path: Arc<Path>, began: SystemTime) -> Stamp {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let settled = |seen: &Seen| {
            let changed = Duration::new(seen.changed.0.max(0) as u64, seen.changed.1.clamp(0, 999_999_999) as u32);
            let tick = if seen.changed.1 == 0 { COARSE_TICK } else { TICK };
            changed < began.saturating_sub(tick)
        };
        let seen = look(&path).filter(settled);
        Stamp { path, seen }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a later look, of another process too, can tell a changed file.
    pub(super) fn is_certain(&self) -> bool {
        // Paths that are no text can't be written down.
        self.seen.is_some() && self.path.to_str().is_some()
    }

    /// Whether the file is still as it was.
    fn is_current(&self) -> bool {
        self.seen.is_some() && self.seen == look(&self.path)
    }
}

/// Whether all of a zone's files are as they were.
pub(super) fn are_current(files: &[Stamp]) -> bool {
    !files.is_empty() && files.iter().all(Stamp::is_current)
}

/// The zone file and all that it includes. They are looked at after they were read: a change in between shows as a
/// fresh one.
fn stamps(source: &Source, sources: &Sources, began: SystemTime) -> Vec<Stamp> {
    let included = (1..sources.len()).filter_map(|file| sources.path(file as u16)).map(Arc::from);
    // As many as there are: they stay as long as the zone does.
    let mut stamps = Vec::with_capacity(sources.len().max(1));
    stamps.extend(std::iter::once(Arc::clone(&source.path)).chain(included).map(|path| Stamp::take(path, began)));
    stamps
}

fn look(path: &Path) -> Option<Seen> {
    let metadata = path.metadata().ok()?;
    Some(Seen {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}
