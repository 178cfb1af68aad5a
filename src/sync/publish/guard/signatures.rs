//! Signatures that end soon: publishing such a zone is the moment to say so, as somebody is there to sign it again.
//!
//! Zones that don't change are none of this: to hold back another zone's change would help nobody, and nodes have an alarm of their own.

use super::{DAY_SECS, Settings};
use crate::calendar;
use crate::sync::publish::plan::ZoneChange;

pub(super) fn check(change: &ZoneChange, settings: &Settings, now_secs: u64) -> Option<String> {
    let end = u64::from(change.new.as_ref()?.signatures_end()?);
    let days = settings.signature_days_min;
    let when = calendar::text(end);
    match end {
        _ if end <= now_secs => Some(format!("it has signatures that ended at {when}")),
        _ if end < now_secs + u64::from(days) * u64::from(DAY_SECS) => {
            Some(format!("it has signatures that end at {when}, within {days} days"))
        }
        _ => None,
    }
}
