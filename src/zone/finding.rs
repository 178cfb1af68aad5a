//! What is found out about the content of a zone, by the compiler and by the checks: where, what, and what to do about it.

use super::records::Record;

/// A finding about the zone's content, at a record's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the zone cannot be served with it.
    pub fatal: bool,
    /// Index into the parser's list of sources, of the record that it is about; 0 when it is about the zone.
    pub file: u16,
    /// Line of that record, from 1; 0 when it is about the zone as a whole.
    pub line: u32,
    /// What of the record it is about: what is shown.
    pub part: Part,
    /// Whether it is about something that is not there: where text could not be read, that may be it.
    pub is_absence: bool,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// What of a record a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Its owner.
    Owner,
    /// This word or number, the last time that the record has it.
    Word(String),
    /// This absolute name in wire form, somewhere in its data.
    Name(Box<[u8]>),
}

/// So many errors, and so many warnings, are kept of a zone; the rest is counted. Apart, so that no number of warnings hides the
/// error that keeps the zone from being served.
const FINDINGS_MAX: usize = 1000;

/// The findings, bounded.
#[derive(Default)]
pub(in crate::zone) struct Findings {
    list: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    pub(in crate::zone) fn add(&mut self, fatal: bool, at: Option<&Record>, message: String, remedy: &str) {
        self.point(fatal, at, Part::Whole, message, remedy);
    }

    /// The same, about a part of the record.
    pub(in crate::zone) fn point(
        &mut self,
        fatal: bool,
        at: Option<&Record>,
        part: Part,
        message: String,
        remedy: &str,
    ) {
        let count = if fatal { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= FINDINGS_MAX {
            let (file, line) = at.map_or((0, 0), |record| (record.file, record.line));
            self.list.push(Finding { fatal, file, line, part, is_absence: false, message, remedy: remedy.into() });
        }
    }

    /// An error: something is not there that this record needs, or the zone (`None`: there is no record to show).
    pub(in crate::zone) fn missing(&mut self, at: Option<&Record>, part: Part, message: String, remedy: &str) {
        let before = self.list.len();
        self.point(true, at, part, message, remedy);
        self.list[before..].iter_mut().for_each(|finding| finding.is_absence = true);
    }

    /// Those kept, about the zone as a whole first and then in the order of the text: names are gone through in that of their
    /// hashes. At the end, how many were not kept.
    pub(in crate::zone) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.file, finding.line));
        for (fatal, count, what) in [(false, self.warnings, "warnings"), (true, self.errors, "errors")] {
            if let Some(more @ 1..) = count.checked_sub(FINDINGS_MAX) {
                let message = format!("and {more} more {what}");
                let remedy = "correct the first ones; the rest may go with them".into();
                let (file, line, part, is_absence) = (0, 0, Part::Whole, false);
                self.list.push(Finding { fatal, file, line, part, is_absence, message, remedy });
            }
        }
        self.list
    }

    /// Takes those of another, too, after its own.
    pub(in crate::zone) fn append(&mut self, other: Findings) {
        for finding in other.list {
            let kept = if finding.fatal { &mut self.errors } else { &mut self.warnings };
            *kept += 1;
            if *kept <= FINDINGS_MAX {
                self.list.push(finding);
            }
        }
        // Of these there is the number alone.
        self.errors += other.errors.saturating_sub(FINDINGS_MAX);
        self.warnings += other.warnings.saturating_sub(FINDINGS_MAX);
    }

    pub(in crate::zone) fn error(&mut self, at: &Record, message: String, remedy: &str) {
        self.add(true, Some(at), message, remedy);
    }

    pub(in crate::zone) fn warning(&mut self, at: &Record, message: String, remedy: &str) {
        self.add(false, Some(at), message, remedy);
    }

    /// An error of the zone as a whole.
    pub(in crate::zone) fn zone(&mut self, message: &str, remedy: &str) {
        self.add(true, None, message.into(), remedy);
    }

    /// Whether there is an error.
    pub(in crate::zone) fn fatal(&self) -> bool {
        self.errors > 0
    }
}
