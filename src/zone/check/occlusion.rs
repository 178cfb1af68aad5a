//! Data that is never served, because a delegation or a DNAME lies above it or beside it (RFC 9499 section 7).

use super::{Content, Part};
use crate::wire::code::rtype::{self, A, AAAA, DS, NS, NSEC, NSEC3, RRSIG};
use crate::wire::name::Text;
use crate::zone::finding::Findings;
use crate::zone::names::{NameEntry, Names};

/// Checks a name that is a cut, or below one, or below a DNAME.
pub(super) fn check(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    let owner = || content.owner_text(entry);
    if entry.is_redirected() {
        // The hashes of an NSEC3 chain stand below the apex whatever that has.
        let Some(record) = content.first(entry, |record| !matches!(record.rtype, NSEC3 | RRSIG)) else { return };
        let message = format!("{} is below the DNAME at {}", owner(), above(content, entry));
        let remedy = "remove the record, or the DNAME: it redirects all names below it (RFC 6672 section 2.4)";
        findings.point(true, Some(&record), Part::Owner, message, remedy);
        return;
    }
    // At the cut itself the parent has its own say about the delegation.
    let belongs = |rtype| match rtype {
        // Signatures and hashes are spoken of with the others of their kind.
        A | AAAA | RRSIG | NSEC3 => true,
        NS | DS | NSEC => entry.is_cut() && !entry.is_hidden(),
        _ => false,
    };
    if let Some(record) = content.first(entry, |record| !belongs(record.rtype)) {
        let kind = rtype::text(record.rtype);
        let (message, remedy) = match entry.is_hidden() {
            true => (
                format!("{} {kind} is below the delegation of {} and never served", owner(), above(content, entry)),
                "move it to the child zone, or remove the delegation's NS records",
            ),
            false => (
                format!("{} {kind} is beside the delegation's NS records and never served", owner()),
                "move it to the child zone, or remove the NS records",
            ),
        };
        findings.point(false, Some(&record), Part::Type(record.rtype), message, remedy);
    }
}

/// Checks a name that no NS record of the zone needs for addresses at or below a cut.
pub(super) fn glue(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    let is_beyond = entry.is_cut() || (entry.is_hidden() && !entry.is_redirected());
    if !is_beyond || !entry.has_address() {
        return;
    }
    let address = |rtype| content.first(entry, |record| record.rtype == rtype);
    let message = format!("{} is delegated, and no NS record needs this address as glue", content.owner_text(entry));
    let remedy = "it is never served: move it to the child zone, or remove it";
    findings.point(false, address(A).or_else(|| address(AAAA)).as_ref(), Part::Owner, message, remedy);
}

/// The cut or DNAME that hides a name: the highest.
fn above(content: &Content, entry: &NameEntry) -> String {
    let hides = |names: &Names, number: usize| names.at(number).is_cut() || names.at(number).has_dname();
    let mut rest = content.names.relative(entry);
    let mut highest = rest;
    while let Some(&len) = rest.first() {
        rest = &rest[1 + len as usize..];
        if content.names.find(rest).is_some_and(|number| hides(content.names, number)) {
            highest = rest;
        }
    }
    Text(&[highest, content.apex.as_wire()].concat()).to_string()
}
