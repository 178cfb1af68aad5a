//! The head's version of a zone is lost: none of the guards that compare has seen the change.

use crate::sync::publish::plan::ZoneChange;

pub(super) fn check(change: &ZoneChange) -> Option<String> {
    let is_blind = change.is_unreadable() && change.new.is_some();
    is_blind.then(|| "the store has lost what the head has of it: there is nothing to compare with".into())
}
