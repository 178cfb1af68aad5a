//! The records by which a zone is found and believed: its own NS records, and the DS records that its parent has of it, where that is in
//! the release too. Both depend on what lies elsewhere, and on its order in time.

use crate::sync::publish::plan::{SetChange, ZoneChange};
use crate::wire::code::rtype::{DS, NS};
use crate::zone::rdata;

/// So many records of a set are shown; more is no change to look at one by one.
const SHOWN_MAX: usize = 16;

/// Of the zone itself.
pub(super) fn ns(change: &ZoneChange) -> Option<String> {
    let set = &change.difference.apex_ns;
    (!set.is_none()).then(|| format!("its NS records change:{}", text(NS, set)))
}

/// Of zones below it.
pub(super) fn ds(change: &ZoneChange) -> Option<String> {
    let sets =
        change.difference.ds.iter().map(|(child, set)| format!("the DS records of {child} change:{}", text(DS, set)));
    let sets: Vec<String> = sets.collect();
    (!sets.is_empty()).then(|| sets.join("; "))
}

fn text(rtype: u16, set: &SetChange) -> String {
    let sides = [("-", &set.removed), ("+", &set.added)];
    let all = sides.iter().flat_map(|(sign, records)| records.iter().map(move |record| (sign, record)));
    let mut text = String::new();
    for (sign, record) in all.clone().take(SHOWN_MAX) {
        text.push(' ');
        text.push_str(sign);
        rdata::write(rtype, record, &mut text);
    }
    if all.count() > SHOWN_MAX {
        text.push_str(" ...");
    }
    text
}
