//! Serials tell secondaries, monitoring and ZONEVERSION (RFC 9660) which version is the newer one (RFC 1982).

use crate::sync::publish::plan::ZoneChange;
use crate::wire::serial::is_before;

pub(super) fn goes_back(change: &ZoneChange) -> Option<String> {
    let (old, new) = serials(change)?;
    is_before(new, old).then(|| format!("its serial goes back, from {old} to {new}"))
}

pub(super) fn stays(change: &ZoneChange) -> Option<String> {
    let (old, new) = serials(change)?;
    (old == new).then(|| format!("its content changes, its serial {new} does not"))
}

/// Of a zone that has both versions, which differ.
fn serials(change: &ZoneChange) -> Option<(u32, u32)> {
    Some((change.old.as_ref()?.serial, change.new.as_ref()?.serial()))
}
