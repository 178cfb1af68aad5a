//! Waves: a release is tried on a few nodes before it is the head.
//!
//! - [`share`]: parts of a whole as operators write them
//! - [`choose`]: which nodes, in which order
//! - [`observe`]: what nodes report meanwhile; [`judge`]: what that says of the release; [`ask`]: asking those that nobody else asks
//! - [`course`]: all that in order

pub mod ask;
pub mod choose;
pub mod course;
pub mod judge;
pub mod observe;
pub mod share;

use crate::sync::trial::DEADLINE_SECS_MAX;
use choose::Canary;
use judge::Limits;
use share::Share;
use std::time::Duration;

/// The longest soak.
pub const SOAK_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that nodes wait to hear of a wave.
pub const DEADLINE_MAX: Duration = Duration::from_secs(DEADLINE_SECS_MAX as u64);
/// Beyond the soak it takes time until all nodes serve a release, until their reports are here, and until they are asked.
const DEADLINE_MORE: Duration = Duration::from_secs(60);

/// How a release is tried before it is the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// By which nodes first; `None`: it is not tried, but the head at once.
    pub canary: Option<Canary>,
    /// By how many then, wave by wave, before everyone.
    pub then: Vec<Share>,
    /// How long nodes are watched in each wave.
    pub soak: Duration,
    /// What is too much.
    pub limits: Limits,
    /// How long after a wave began its nodes go back by themselves; `None`: twice the soak and a minute.
    pub deadline: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            canary: None,
            then: Vec::new(),
            soak: Duration::from_secs(120),
            limits: Limits { margin: Share::percent(1), queries_min: 100 },
            deadline: None,
        }
    }
}

impl Settings {
    /// How long after a wave began its nodes go back by themselves.
    pub fn deadline(&self) -> Duration {
        self.deadline.unwrap_or(self.soak * 2 + DEADLINE_MORE)
    }
}
