//! SVCB and HTTPS RRsets (RFC 9460): what single records can't be wrong about.

use super::{Content, Part};
use crate::wire::code::rtype::{self, HTTPS, SVCB};
use crate::zone::finding::Findings;
use crate::zone::names::NameEntry;
use crate::zone::records::Record;

pub(super) fn is_service(rtype: u16) -> bool {
    matches!(rtype, SVCB | HTTPS)
}

pub(super) fn check(content: &Content, entry: &NameEntry, findings: &mut Findings) {
    for rtype in [SVCB, HTTPS] {
        let records = content.of_type(entry, rtype);
        // Priority 0: AliasMode (section 2.4.2).
        let is_alias = |record: &&Record| content.records.rdata(record).starts_with(&[0, 0]);
        let aliases: Vec<_> = records.iter().filter(is_alias).collect();
        let Some(alias) = aliases.first() else { continue };
        let (owner, kind) = (content.owner_text(entry), rtype::text(rtype));
        if aliases.len() < records.len() {
            let message = format!("{owner} has {kind} records of both modes: clients ignore those with a priority");
            let remedy = "keep either the alias (priority 0) or the others (RFC 9460 section 2.4.1)";
            findings.point(false, Some(alias), Part::Word("0".into()), message, remedy);
        }
        let first = content.records.rdata(alias);
        if let Some(second) = aliases.iter().find(|other| !content.records.rdata(other).eq_ignore_ascii_case(first)) {
            let message = format!("{owner} has more than one {kind} alias: each client takes one at random");
            let remedy = "keep one (RFC 9460 section 2.4.2)";
            findings.point(false, Some(second), Part::Word("0".into()), message, remedy);
        }
        let own = content.owner(entry);
        if let Some(own) = aliases.iter().find(|alias| content.records.rdata(alias)[2..].eq_ignore_ascii_case(&own)) {
            let message = format!("{owner} is a {kind} alias of itself");
            findings.point(false, Some(own), Part::Whole, message, "name another target, or remove it");
        }
    }
}
