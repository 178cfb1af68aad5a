//! Why a release is not served.

use crate::sync::trust::Refusal;

/// Why a release is not served.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// It, or what names it, must not be.
    Refused(Refused),
    /// It can't be had now.
    Passing(String),
}

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// A word for metrics.
    pub(super) label: &'static str,
    pub(super) why: String,
    /// Keys are misused.
    pub(super) alarm: bool,
    /// Another store may have a better state.
    pub(super) elsewhere: bool,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        // What was signed right and is too much here is so everywhere.
        let elsewhere = !matches!(refusal, Refusal::TooLarge { .. });
        let (label, alarm) = (refusal.label(), refusal.is_alarm());
        Failure::Refused(Refused { label, why: refusal.to_string(), alarm, elsewhere })
    }
}

impl Failure {
    /// Whoever signed the release erred.
    pub(super) fn release(label: &'static str, why: String) -> Failure {
        Failure::Refused(Refused { label, why, alarm: false, elsewhere: false })
    }

    /// For people.
    pub(super) fn why(self) -> String {
        match self {
            Failure::Passing(why) | Failure::Refused(Refused { why, .. }) => why,
        }
    }
}
