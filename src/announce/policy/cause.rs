//! Why a prefix is in its state.

use std::fmt;

/// A reason: one of a few words for metrics, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Of which sort.
    pub kind: CauseKind,
    /// In words.
    pub text: String,
}

/// Sorts of causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// Everything that is asked for is there.
    Healthy,
    /// Not enough is known yet.
    Starting,
    /// The server went away.
    LeaseLost,
    /// The server gave no sign of life in time.
    LeaseExpired,
    /// The host does not have a service's address.
    AddressMissing,
    /// A probe fails.
    ProbeFailing,
    /// Probes fail, or the kernel drops queries, while answers flow.
    Overload,
    /// A drain.
    Drain,
    /// The node is stale.
    Stale,
    /// The node runs behind on purpose.
    Standby,
    /// It was withdrawn a short time ago.
    HoldDown,
    /// The settings changed.
    Settings,
}

impl CauseKind {
    /// All.
    pub const ALL: [CauseKind; 12] = [
        CauseKind::Healthy,
        CauseKind::Starting,
        CauseKind::LeaseLost,
        CauseKind::LeaseExpired,
        CauseKind::AddressMissing,
        CauseKind::ProbeFailing,
        CauseKind::Overload,
        CauseKind::Drain,
        CauseKind::Stale,
        CauseKind::Standby,
        CauseKind::HoldDown,
        CauseKind::Settings,
    ];

    /// The word in metrics and JSON.
    pub fn word(self) -> &'static str {
        match self {
            CauseKind::Healthy => "healthy",
            CauseKind::Starting => "starting",
            CauseKind::LeaseLost => "lease-lost",
            CauseKind::LeaseExpired => "lease-expired",
            CauseKind::AddressMissing => "address-missing",
            CauseKind::ProbeFailing => "probe-failing",
            CauseKind::Overload => "overload",
            CauseKind::Drain => "drain",
            CauseKind::Stale => "stale",
            CauseKind::Standby => "standby",
            CauseKind::HoldDown => "hold-down",
            CauseKind::Settings => "settings",
        }
    }
}

impl Cause {
    pub(super) fn new(kind: CauseKind, text: impl Into<String>) -> Cause {
        Cause { kind, text: text.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
