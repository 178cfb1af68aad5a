//! What is found out about the content of a zone, by the compiler and by the checks: where, what, and what to do about it.

use super::records::Record;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It may not be what was meant.
    Warning,
    /// It is wrong.
    Error,
}

/// A finding about the zone's content, at a record's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Whether the zone cannot be served with it. Much that is wrong harms no more than the name that it is about.
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
    /// Its type.
    Type(u16),
    /// This word in its data, the last time that the record has it.
    Word(String),
    /// The word before so many last ones.
    FromEnd(usize),
    /// This absolute name in wire form, somewhere in its data.
    Name(Box<[u8]>),
}

/// So many errors, and so many warnings, are kept of a zone; the rest is counted. Apart, so that no number of warnings hides the
/// error that keeps the zone from being served.
pub(in crate::zone) const FINDINGS_MAX: usize = 1000;

/// The findings, bounded.
#[derive(Default)]
pub(in crate::zone) struct Findings {
    list: Vec<Finding>,
    errors: usize,
    warnings: usize,
    is_fatal: bool,
}

impl Findings {
    /// Adds one. Those that are fatal are errors.
    pub(in crate::zone) fn push(&mut self, finding: Finding) {
        self.is_fatal |= finding.fatal;
        let count = self.count(finding.severity);
        *count += 1;
        if *count <= FINDINGS_MAX {
            self.list.push(finding);
        }
    }

    fn count(&mut self, severity: Severity) -> &mut usize {
        match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        }
    }

    /// Adds what is fatal, or a warning.
    pub(in crate::zone) fn add(&mut self, fatal: bool, at: Option<&Record>, message: String, remedy: &str) {
        let severity = if fatal { Severity::Error } else { Severity::Warning };
        self.push(Finding { fatal, ..finding(severity, at, Part::Whole, message, remedy) });
    }

    /// Adds an error that is not fatal, or a warning, about a part of a record.
    pub(in crate::zone) fn point(
        &mut self,
        is_error: bool,
        at: Option<&Record>,
        part: Part,
        message: String,
        remedy: &str,
    ) {
        let severity = if is_error { Severity::Error } else { Severity::Warning };
        self.push(finding(severity, at, part, message, remedy));
    }

    /// An error: something is not there that this record needs, or the zone (`None`: there is no record to show).
    pub(in crate::zone) fn missing(
        &mut self,
        fatal: bool,
        at: Option<&Record>,
        part: Part,
        message: String,
        remedy: &str,
    ) {
        self.push(Finding { fatal, is_absence: true, ..finding(Severity::Error, at, part, message, remedy) });
    }

    /// Those kept, about the zone as a whole first and then in the order of the text: names are gone through in that of their
    /// hashes. At the end, how many were not kept.
    pub(in crate::zone) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| (finding.file, finding.line));
        for (severity, count, what) in
            [(Severity::Warning, self.warnings, "warnings"), (Severity::Error, self.errors, "errors")]
        {
            if let Some(more @ 1..) = count.checked_sub(FINDINGS_MAX) {
                let (message, remedy) =
                    (format!("and {more} more {what}"), "correct the first ones; the rest may go with them");
                self.list.push(finding(severity, None, Part::Whole, message, remedy));
            }
        }
        self.list
    }

    /// Takes those of another, too, after its own.
    pub(in crate::zone) fn append(&mut self, other: Findings) {
        self.is_fatal |= other.is_fatal;
        other.list.into_iter().for_each(|finding| self.push(finding));
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

    /// What is fatal about the zone as a whole.
    pub(in crate::zone) fn zone(&mut self, message: &str, remedy: &str) {
        self.add(true, None, message.into(), remedy);
    }

    /// Whether the zone can't be served.
    pub(in crate::zone) fn fatal(&self) -> bool {
        self.is_fatal
    }
}

fn finding(severity: Severity, at: Option<&Record>, part: Part, message: String, remedy: &str) -> Finding {
    let (file, line) = at.map_or((0, 0), |record| (record.file, record.line));
    Finding { severity, fatal: false, file, line, part, is_absence: false, message, remedy: remedy.into() }
}
