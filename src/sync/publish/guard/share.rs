//! Much changes at once: a template or a script went wrong more often than somebody meant it.
//!
//! Of a zone's records those count that people write: each signing replaces all signatures. A record that was changed is gone and new, and
//! counts once.

use super::Settings;
use crate::counted::grouped;
use crate::sync::publish::plan::{Plan, ZoneChange};

/// Of all records of a zone.
pub(super) fn of_records(change: &ZoneChange, settings: &Settings) -> Option<String> {
    // A zone that goes is another guard's; one that is new, or can't be compared, has nothing before.
    change.new.as_ref()?;
    let share = &change.difference.share;
    if share.before < settings.zone_records_min.max(1) {
        return None;
    }
    exceeds("records", share.removed.max(share.added), share.before, settings.zone_share_max)
}

/// Of all zones.
pub(super) fn of_zones(plan: &Plan, settings: &Settings) -> Option<String> {
    if plan.zones_before < settings.zones_min.max(1) {
        return None;
    }
    let counts = plan.counts();
    exceeds("zones", counts.changed + counts.removed, plan.zones_before, settings.zones_share_max)
}

fn exceeds(what: &str, changed: u64, before: u64, max_percent: u8) -> Option<String> {
    // Additions can be more than all there was: 100 % turns the guard off all the same.
    let percent = changed.min(before) as f64 * 100.0 / before as f64;
    (percent > f64::from(max_percent)).then(|| {
        let (changed, before) = (grouped(changed), grouped(before));
        format!("{changed} of {before} {what} change ({percent:.0} %), more than {max_percent} %")
    })
}
