//! A zone goes: nodes would answer REFUSED for all of its names.

use crate::counted::grouped;
use crate::sync::publish::plan::ZoneChange;

pub(super) fn check(change: &ZoneChange) -> Option<String> {
    let old = change.old.as_ref().filter(|_| change.new.is_none())?;
    let records = old.image.as_ref().map(|image| format!(", {} records", grouped(image.record_count())));
    Some(format!("it disappears: serial {}{}", old.serial, records.unwrap_or_default()))
}
