//! Zone text to records: RFC 1035 section 5 master files, with what BIND added and RFC 3597's forms for any type.
//!
//! Enters: the path of a zone's file, or its text. Leaves: [`Records`] in reading order, the [`Sources`], and every
//! [`Diagnostic`], not just the first: after an error the reader goes on with the next entry. Called by the loader of zones
//! and by tests. What the records mean together (one SOA, no CNAME beside other data) is judged by the compiler, not here.
//!
//! ```text
//! octets -> lexer (tokens of an entry) -> reader (owner, TTL, class, type) -> rdata -> Records
//!                                            '-> directives, include, generate
//! ```
//!
//! Most lines of a large zone are of one plain shape, and are read without tokens ([`plain`]).
//!
//! A long text is cut into pieces, which all cores read ([`pieces`]).
//!
//! One pass over the octets; tokens are ranges of them, names are built on the stack, and nothing is allocated for a record.

mod directives;
pub(crate) mod fault;
pub(crate) mod fields;
mod generate;
pub(super) mod include;
pub(crate) mod lexer;
mod names;
mod pieces;
mod plain;
mod reader;
mod ttl;

use crate::wire::name::Name;
use crate::zone::cores::cores;
use crate::zone::diagnostic::{Diagnostic, Severity};
use crate::zone::records::Records;
use crate::zone::sources::Sources;
use reader::Reader;
use std::path::{Path, PathBuf};

/// What a zone's text may do and how much it may be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that `$INCLUDE` can't leave, symbolic links resolved. `None`: that of the zone's file.
    pub root: Option<PathBuf>,
    /// Lets `$INCLUDE` read files outside it.
    pub include_outside: bool,
    /// Most octets of all files of a zone together.
    pub text_octets_max: u64,
    /// How deep files may include each other.
    pub include_depth_max: usize,
    /// Most `$INCLUDE`s of a zone; at most 65,535.
    pub includes_max: usize,
    /// Most records that all `$GENERATE`s of a zone make.
    pub generated_max: u64,
    /// Most octets that the records of all `$GENERATE`s of a zone take, or their text if that is longer.
    pub generated_octets_max: u64,
    /// Most errors, and most warnings, that are kept; the rest is counted.
    pub diagnostics_max: usize,
    /// Threads that read a long text; it changes nothing in what is read.
    pub cores: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            root: None,
            include_outside: false,
            text_octets_max: 4 << 30,
            include_depth_max: 16,
            includes_max: 1000,
            generated_max: 1 << 20,
            generated_octets_max: 256 << 20,
            diagnostics_max: 1000,
            cores: cores(),
        }
    }
}

/// What a zone's text holds.
#[derive(Debug)]
pub struct Parsed {
    /// The records, in reading order. Those that have an error are not among them.
    pub records: Records,
    /// The files read.
    pub sources: Sources,
    /// All findings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the zone can't be served as it is.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads the file of the zone `apex`, and those that it includes.
pub fn parse_file(path: &Path, apex: &Name, options: &Options) -> Parsed {
    let mut reader = Reader::new(apex, options);
    reader.read_zone_file(path);
    reader.finish()
}

/// Reads the zone `apex` from text. `$INCLUDE` is refused. `name` stands for the file in messages.
pub fn parse_text(name: &str, text: impl Into<Vec<u8>>, apex: &Name, options: &Options) -> Parsed {
    let mut reader = Reader::new(apex, options);
    reader.read_zone_text(name.into(), text.into());
    reader.finish()
}

/// How a text is gone through. It changes nothing in what is read.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Octets of the pieces that a long text is read in, at least 1.
    pub piece: usize,
    /// Octets of the first lines of a long file, behind some of which its pieces begin.
    pub first_lines: usize,
    /// Octets of a file that are read at once to find where a piece may end, at least 1.
    pub probe: usize,
    /// Whether lines of the commonest shape are read without tokens.
    pub knows_plain: bool,
}

impl Way {
    /// The same, with no more pieces of a text of so many octets than there may be.
    fn for_text(self, octets: usize) -> Way {
        Way { piece: self.piece.max(octets / pieces::PIECES_MAX), ..self }
    }
}

/// As [`parse_text`], another way: for tests and fuzzers.
#[doc(hidden)]
pub fn parse_text_by(way: Way, text: impl Into<Vec<u8>>, apex: &Name, options: &Options) -> Parsed {
    let text = text.into();
    let mut reader = Reader::new(apex, options);
    reader.way = way.for_text(text.len());
    reader.read_zone_text("text".into(), text);
    reader.finish()
}

/// The same for a file's text, in which `$INCLUDE` is refused all the same: for tests and fuzzers.
#[doc(hidden)]
pub fn parse_file_text_by(way: Way, path: &Path, apex: &Name, options: &Options) -> std::io::Result<Parsed> {
    let mut reader = Reader::new(apex, options);
    reader.way = way.for_text(usize::try_from(path.metadata()?.len()).unwrap_or(usize::MAX));
    let text = reader.open_text(path, options.text_octets_max)?;
    reader.read_text("text".into(), text, None);
    Ok(reader.finish())
}

#[cfg(test)]
mod tests;
