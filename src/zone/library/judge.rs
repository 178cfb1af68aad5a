//! The signatures of a zone that was read: judged where zones are checked or published, not where they are served.

use super::discover::Source;
use super::read::Opened;
use crate::zone::check::dnssec;
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

/// Adds what is wrong with the zone's signatures to all else that is, on so many cores. Gives from when on, in seconds since 1970, time
/// alone makes it something else.
pub(super) fn judge(source: &Source, opened: &mut Opened, judging: &Judging, cores: usize) -> Option<u64> {
    if let Some(image) = opened.image.as_ref().filter(|_| opened.records.is_empty()) {
        match image.to_records() {
            Ok(records) => opened.records = records,
            Err(error) => opened.diagnostics.push(Diagnostic::of_file(error.to_string(), "compile the zone again")),
        }
    }
    // What could not be read is missing in every chain and digest.
    if opened.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return None;
    }
    let dnssec::Judgement { is_signed, mut findings, holds_until_secs } =
        dnssec::judge(&source.apex, &opened.records, judging.now_secs, cores);
    if !judging.must_be_signed {
        findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
    }
    opened.diagnostics.extend(spot::place(findings, &opened.sources));
    if judging.must_be_signed && !is_signed {
        let message = format!("{} is not signed", source.apex);
        opened.diagnostics.push(Diagnostic::of_file(message, "sign it, or leave out --dnssec"));
    }
    holds_until_secs
}
