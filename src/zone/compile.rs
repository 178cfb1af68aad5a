//! Compiles records to an image.

use super::image::Image;
use super::records::Records;
use crate::wire::name::Name;

/// A finding of the compiler about the zone's content, at a record's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether the zone cannot be served with it.
    pub fatal: bool,
    /// Index into the parser's list of sources, of the record that it is about; 0 when it is about the zone.
    pub file: u16,
    /// Line of that record, from 1; 0 when it is about the zone as a whole.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Compiles the records of the zone `apex`. Gives the image, unless a finding is fatal, and all findings.
pub fn compile(_apex: &Name, _records: &Records) -> (Option<Image>, Vec<Finding>) {
    todo!()
}
