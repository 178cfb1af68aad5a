//! The head's version of a zone is lost, or the whole head is not to be trusted: none of the guards that compare has seen the change.

use crate::sync::publish::plan::{Plan, ZoneChange};

pub(super) fn of_head(plan: &Plan) -> Option<String> {
    let head = plan.disowned?;
    Some(format!(
        "the key that signed the head, {head}, was removed: all zones count as new, and nothing shows what goes or changes"
    ))
}

pub(super) fn check(change: &ZoneChange) -> Option<String> {
    let is_blind = change.is_unreadable() && change.new.is_some();
    is_blind.then(|| "the store has lost what the head has of it: there is nothing to compare with".into())
}
