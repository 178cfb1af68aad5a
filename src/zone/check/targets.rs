//! Names that records point to, as far as they lie in the zone: there, no alias, with an address.

use super::{Content, Part, dots};
use crate::wire::code::rtype::{self, CNAME, HTTPS, MX, NS, SRV, SVCB};
use crate::wire::name::{self, Text};
use crate::zone::finding::Findings;
use crate::zone::names::NameEntry;
use crate::zone::records::Record;

/// A record that points to a name.
pub(super) struct Pointer<'a> {
    pub(super) entry: &'a NameEntry,
    pub(super) rtype: u16,
    pub(super) rdata: &'a [u8],
    pub(super) target: &'a [u8],
}

/// Whether the target of this type is looked up.
pub(super) fn is_pointer(rtype: u16) -> bool {
    matches!(rtype, NS | MX | SRV | SVCB | HTTPS)
}

/// `found`: the number of the target, if it is a name of the zone.
pub(super) fn check(content: &Content, pointer: &Pointer, found: Option<usize>, findings: &mut Findings) {
    if !is_pointer(pointer.rtype) {
        return;
    }
    let has_address = |number: usize| {
        let target = content.names.at(number);
        target.has_address() && !target.is_redirected()
    };
    if found.is_some_and(has_address) {
        return;
    }
    // The root stands for "no such service", or for the owner itself (RFC 7505, RFC 2782, RFC 9460 section 2.5).
    if pointer.target.len() == 1 || !name::is_at_or_below(pointer.target, content.apex.as_wire()) {
        return;
    }
    if pointer.is_for_glue(content) {
        let owner = content.owner_text(pointer.entry);
        let message = format!("{owner} is delegated to {}, which lies in it and has no address here", pointer.text());
        let remedy = "add its A and AAAA records as glue: nobody could find it (RFC 9471 section 3.1)";
        return findings.missing(
            false,
            pointer.record(content).as_ref(),
            Part::Name(pointer.target.into()),
            message,
            remedy,
        );
    }
    let Some(wrong) = wrong(content, pointer.target, found) else { return };
    if let (Wrong::Missing, Some(why), Some(record)) =
        (&wrong, dots::why(content, pointer.rtype, pointer.target, Some(false)), pointer.record(content))
    {
        return dots::tell(content, pointer.entry, &record, pointer.target, why, findings);
    }
    // SVCB and HTTPS may well point to an alias, or to what has SVCB records of its own (RFC 9460 section 2.4).
    let is_service = matches!(pointer.rtype, SVCB | HTTPS);
    let (what, remedy) = match wrong {
        Wrong::Missing => ("is not in the zone", "add it, or mend the name"),
        Wrong::Alias | Wrong::Addressless if is_service => return,
        Wrong::Alias => ("is an alias", "name what the alias stands for (RFC 2181 section 10.3)"),
        Wrong::Addressless => ("has no address", "add its A and AAAA records"),
    };
    let (owner, kind) = (content.owner_text(pointer.entry), rtype::text(pointer.rtype));
    let message = format!("{owner} {kind}: {} {what}", pointer.text());
    findings.point(false, pointer.record(content).as_ref(), Part::Name(pointer.target.into()), message, remedy);
}

/// What is wrong with a target.
enum Wrong {
    Missing,
    Alias,
    Addressless,
}

/// `None`: nothing, or another zone has to say.
fn wrong(content: &Content, target: &[u8], found: Option<usize>) -> Option<Wrong> {
    let names = content.names;
    if let Some(number) = found {
        let target = names.at(number);
        return match () {
            () if target.is_redirected() || content.has(target, CNAME) => Some(Wrong::Alias),
            () if target.is_cut() || target.is_hidden() => None,
            () => Some(Wrong::Addressless),
        };
    }
    // The closest encloser: what makes up for the name (a wildcard, a DNAME), or gives it away, is there.
    let mut rest = &target[..target.len() - content.apex.as_wire().len()];
    loop {
        rest = &rest[1 + rest.first().copied()? as usize..];
        let Some(number) = names.find(rest) else { continue };
        let encloser = names.at(number);
        if encloser.is_cut() || (encloser.is_hidden() && !encloser.is_redirected()) {
            return None;
        }
        if encloser.has_dname() || encloser.is_redirected() {
            return Some(Wrong::Alias);
        }
        let Some(wildcard) = names.find(&[b"\x01*", rest].concat()) else { return Some(Wrong::Missing) };
        return match names.at(wildcard) {
            wildcard if wildcard.has_address() => None,
            wildcard if content.has(wildcard, CNAME) => Some(Wrong::Alias),
            _ => Some(Wrong::Addressless),
        };
    }
}

impl Pointer<'_> {
    /// Whether it is an NS record of a delegation to a name at or below that.
    fn is_for_glue(&self, content: &Content) -> bool {
        let is_delegation = self.rtype == NS && self.entry.is_cut() && !self.entry.is_hidden();
        is_delegation && name::is_at_or_below(self.target, &content.owner(self.entry))
    }

    fn record(&self, content: &Content) -> Option<Record> {
        content.record(self.entry, self.rtype, self.rdata)
    }

    fn text(&self) -> Text<'_> {
        Text(self.target)
    }
}
