//! Names that look as if their final dot had been forgotten: relative ones got the origin on top.

use super::{Content, Part};
use crate::wire::code::rtype;
use crate::wire::name::{self, Text};
use crate::wire::rdata;
use crate::zone::finding::Findings;
use crate::zone::names::NameEntry;
use crate::zone::records::Record;

/// Top-level domains that hardly anybody gives as a label to names of their own.
const WELL_KNOWN: [&[u8]; 8] = [b"arpa", b"com", b"edu", b"gov", b"info", b"int", b"net", b"org"];

const REMEDY: &str = "put a dot at its end if it is meant to be complete; else all is well";

/// Checks the owner: `www.example.com` under `example.com.` is `www.example.com.example.com.`
pub(super) fn owner(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    if !is_doubled(content, content.names.relative(entry)) {
        return;
    }
    // Not for what lies between: it has no record to show.
    if let Some(record) = content.first(entry, |_| true) {
        let message = format!("{} has the zone's name in it twice", content.owner_text(entry));
        findings.point(false, Some(&record), Part::Owner, message, REMEDY);
    }
}

/// Checks the names in a record's data.
pub(super) fn data(content: &Content, entry: &NameEntry, record: &Record, findings: &mut Findings) {
    // The signer's name is the zone's own, the name in NSEC another owner.
    if matches!(record.rtype, rtype::RRSIG | rtype::NSEC) {
        return;
    }
    let data = content.records.rdata(record);
    for place in rdata::names(record.rtype, data) {
        let target = &data[place];
        if let Some(why) = why(content, record.rtype, target, None) {
            tell(content, entry, record, target, why, findings);
        }
    }
}

/// Why a name in a record looks as if it lacked its final dot. `is_here`: whether it is a name of the zone, if that is known.
pub(super) fn why(content: &Content, rtype: u16, target: &[u8], is_here: Option<bool>) -> Option<&'static str> {
    let relative = relative(content, target)?;
    let is_missing = || !is_here.unwrap_or_else(|| content.names.find(relative).is_some());
    match () {
        () if is_doubled(content, relative) => Some("has the zone's name in it twice"),
        () if rtype == rtype::PTR && is_reverse(content) => Some("is within the reverse zone itself"),
        () if is_foreign(content, relative) && is_missing() => {
            Some("is not in the zone, and looks complete without its final dot")
        }
        () => None,
    }
}

pub(super) fn tell(
    content: &Content,
    entry: &NameEntry,
    record: &Record,
    target: &[u8],
    why: &str,
    findings: &mut Findings,
) {
    let (owner, kind) = (content.owner_text(entry), rtype::text(record.rtype));
    let message = format!("{owner} {kind}: {} {why}", Text(target));
    findings.point(false, Some(record), Part::Name(target.into()), message, REMEDY);
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
