//! Opening one zone file, text or image: what it holds, and all that is wrong with it.

use super::discover::{Source, is_image};
use crate::regular;
use crate::wire::code::rtype;
use crate::zone::compile;
use crate::zone::diagnostic::{Diagnostic, Severity};
use crate::zone::finding::Finding;
use crate::zone::image::{FileError, Image};
use crate::zone::parse::{self, Parsed};
use crate::zone::records::Records;
use crate::zone::sources::Sources;
use crate::zone::spot;
use std::io::BufReader;
use std::path::Path;

/// Octets of an image that are read at once.
const READ_AHEAD: usize = 64 << 10;

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
    let is_zone = source.certain || records.of_type(rtype::SOA).any(|soa| is_apex(records.owner(&soa)));
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
    let (file, metadata) = regular::open(path)?;
    let len = metadata.len();
    // A small one is read at once, and takes no more memory than it must.
    let buffer = READ_AHEAD.min(len as usize);
    Image::read_from(BufReader::with_capacity(buffer, file), len)
}
