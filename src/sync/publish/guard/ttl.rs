//! A new record with an unusually long TTL: if it is wrong, it stays so in caches, and no publish helps.

use super::Settings;
use crate::sync::publish::plan::ZoneChange;
use crate::wire::code::rtype;

pub(super) fn check(change: &ZoneChange, settings: &Settings) -> Option<String> {
    let longest = change.difference.longest.as_ref()?;
    let max = settings.ttl_secs_max;
    (longest.ttl_secs > max).then(|| {
        let (owner, rtype) = (&longest.owner, rtype::text(longest.rtype));
        format!("{owner} {rtype} is new or changed, with a TTL of {} s, more than {max} s", longest.ttl_secs)
    })
}
