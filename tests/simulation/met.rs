//! What runs meet: seeds in which nobody dies while a release is on trial would say nothing of that.

use std::collections::BTreeMap;

/// Something that happens to a release on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Met {
    /// A publisher dies while it lays it out,
    DiesLaying,
    /// while it waits,
    DiesWaiting,
    /// while it widens it,
    DiesWidening,
    /// while it promotes it,
    DiesPromoting,
    /// while it takes it back.
    DiesTakingBack,
    /// A publisher finds another's release on trial, and waits.
    Refused,
    /// One finds that its own is no longer.
    Ended,
    /// One ends another's that was abandoned.
    Abandoned,
    /// A node that serves it dies.
    CanaryDies,
    /// A node goes back by itself.
    GoesBack,
    /// The store goes away.
    StoreDown,
    /// The store lies.
    StoreLies,
    /// It becomes the head,
    Promoted,
    /// or does not.
    TakenBack,
}

impl Met {
    pub(crate) const ALL: [Met; 14] = [
        Met::DiesLaying,
        Met::DiesWaiting,
        Met::DiesWidening,
        Met::DiesPromoting,
        Met::DiesTakingBack,
        Met::Refused,
        Met::Ended,
        Met::Abandoned,
        Met::CanaryDies,
        Met::GoesBack,
        Met::StoreDown,
        Met::StoreLies,
        Met::Promoted,
        Met::TakenBack,
    ];
}

/// How often each was met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(BTreeMap<Met, u64>);

impl Tally {
    pub(crate) fn add(&mut self, met: Met) {
        *self.0.entry(met).or_default() += 1;
    }

    pub(crate) fn append(&mut self, other: &Tally) {
        other.0.iter().for_each(|(met, count)| *self.0.entry(*met).or_default() += count);
    }

    /// Those that were met less often than this.
    pub(crate) fn rarer_than(&self, least: u64) -> Vec<Met> {
        Met::ALL.into_iter().filter(|met| self.0.get(met).is_none_or(|count| *count < least)).collect()
    }
}
