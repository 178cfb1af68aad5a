//! The signatures of a zone that was read: judged where zones are checked or published, not where they are served.

use super::discover::Source;
use super::families::Families;
use super::open::Opened;
use crate::zone::check::dnssec::{self, Ends};
use crate::zone::diagnostic::{Diagnostic, Severity};
use crate::zone::spot;

/// How zones are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judging {
    /// The time that signatures are judged at, in seconds since 1970.
    pub now_secs: u64,
    /// Whether zones must be signed, and whatever is wrong with that is an error, not a warning.
    pub must_be_signed: bool,
}

/// Judges the zones of a run.
pub(super) struct Judge {
    pub(super) judging: Judging,
    pub(super) families: Families,
}

/// What is known of a judged zone beside what is wrong with it.
#[derive(Default)]
pub(super) struct Verdict {
    /// From when on time alone makes something else wrong with it, in seconds since 1970. `None`: never.
    pub(super) holds_until_secs: Option<u64>,
    /// What it says to its relatives. `None`: it has none in this run, or can't be read.
    pub(super) ends: Option<Ends>,
}

impl Judge {
    /// Adds what is wrong with the zone's signatures to all else that is, on so many cores.
    pub(super) fn judge(&self, source: &Source, opened: &mut Opened, cores: usize) -> Verdict {
        if let Some(image) = opened.image.as_ref().filter(|_| opened.records.is_empty()) {
            match image.to_records() {
                Ok(records) => opened.records = records,
                Err(error) => opened.diagnostics.push(Diagnostic::of_file(error.to_string(), "compile the zone again")),
            }
        }
        // What could not be read is missing in every chain and digest.
        if opened.diagnostics.iter().any(|found| found.severity == Severity::Error) {
            return Verdict::default();
        }
        let Judging { now_secs, must_be_signed } = self.judging;
        let dnssec::Judgement { is_signed, mut findings, holds_until_secs } =
            dnssec::judge(&source.apex, &opened.records, now_secs, cores);
        if !must_be_signed {
            findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
        }
        opened.diagnostics.extend(spot::place(findings, &opened.sources));
        if must_be_signed && !is_signed {
            let message = format!("{} is not signed", source.apex);
            opened.diagnostics.push(Diagnostic::of_file(message, "sign it, or leave out --dnssec"));
        }
        let relatives = self.families.of(&source.apex);
        let ends = relatives.map(|relatives| Ends::read(&source.apex, &opened.records, &relatives.children));
        Verdict { holds_until_secs, ends }
    }
}
