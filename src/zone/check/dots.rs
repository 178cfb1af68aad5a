//! Names that look as if their final dot had been forgotten: relative ones got the origin on top.

use super::{Content, Part};
use crate::wire::code::rtype;
use crate::wire::name::{self, Text};
use crate::wire::rdata;
use crate::zone::compile::NameEntry;
use crate::zone::finding::Findings;
use crate::zone::records::Record;

/// Top-level domains that hardly anybody gives as a label to names of their own.
const WELL_KNOWN: [&[u8]; 8] = [b"arpa", b"com", b"edu", b"gov", b"info", b"int", b"net", b"org"];

const REMEDY: &str = "put a dot at its end if it is meant to be complete; else all is well";

/// Checks the owner: `www.example.com` under `example.com.` is `www.example.com.example.com.`
pub(super) fn owner(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    if !is_doubled(content, entry.relative) {
        return;
    }
    let mut records: Vec<&Record> = content.names.records_of(entry).collect();
    records.sort_by_key(|record| (record.file, record.line));
    // Not for what lies between: it has no record to show.
    if let Some(record) = records.first() {
        let message = format!("{} has the zone's name in it twice", content.owner_text(entry));
        findings.point(false, Some(record), Part::Owner, message, REMEDY);
    }
}

/// Checks the names in a record's data.
pub(super) fn data(content: &Content, entry: &NameEntry, record: &Record, findings: &mut Findings) {
    // The name in NSEC is another owner, and said there.
    if record.rtype == rtype::NSEC {
        return;
    }
    let data = content.records.rdata(record);
    for place in rdata::names(record.rtype, data) {
        let target = &data[place];
        let Some(relative) = relative(content, target) else { continue };
        let why = if is_doubled(content, relative) {
            "has the zone's name in it twice"
        } else if record.rtype == rtype::PTR && is_reverse(content) {
            "is within the reverse zone itself"
        } else if is_foreign(content, relative) && content.names.find(relative).is_none() {
            "is not in the zone, and looks complete without its final dot"
        } else {
            continue;
        };
        let message =
            format!("{} {}: {} {why}", content.owner_text(entry), rtype::text(record.rtype), Text(target));
        findings.point(false, Some(record), Part::Name(target.into()), message, REMEDY);
    }
}

/// Whether [`data`] tells of a target that is not in the zone.
pub(super) fn is_told(content: &Content, target: &[u8]) -> bool {
    relative(content, target).is_some_and(|relative| is_doubled(content, relative) || is_foreign(content, relative))
}

/// The name without the apex, if it is in the zone.
fn relative<'n>(content: &Content, name: &'n [u8]) -> Option<&'n [u8]> {
    let apex = content.apex.as_wire();
    name::is_at_or_below(name, apex).then(|| &name[..name.len() - apex.len()])
}

/// Whether a relative name ends in the zone's own. A zone of one label (`com.`) may well have one like it below.
fn is_doubled(content: &Content, relative: &[u8]) -> bool {
    let apex = content.apex.as_wire();
    let own = &apex[..apex.len() - 1];
    let Some(from) = relative.len().checked_sub(own.len()) else { return false };
    // Compared before it is known to be at a label's start: it hardly ever is equal.
    if own.len() <= usize::from(apex[0]) + 1 || !relative[from..].eq_ignore_ascii_case(own) {
        return false;
    }
    let mut at = 0;
    while at < from {
        at += 1 + relative[at] as usize;
    }
    at == from
}

/// Whether a relative name of several labels ends in a top-level domain.
fn is_foreign(content: &Content, relative: &[u8]) -> bool {
    let Some(last) = name::labels(relative).skip(1).last() else { return false };
    let own = name::labels(content.apex.as_wire()).last();
    WELL_KNOWN.iter().copied().chain(own).any(|domain| domain.eq_ignore_ascii_case(last))
}

fn is_reverse(content: &Content) -> bool {
    name::is_at_or_below(content.apex.as_wire(), b"\x07in-addr\x04arpa\0")
        || name::is_at_or_below(content.apex.as_wire(), b"\x03ip6\x04arpa\0")
}
