//! The states of a prefix. [`super::policy`] decides which one a prefix is in, [`super::settings`] what it is announced with.

use std::fmt;

/// The states of a prefix.
///
/// ```text
///            rise, lease                stale, overloaded
///   INIT ----------------> UP <-----------------------------> DEPREF
///    |  ^                  | ^                                  |
///    |  |                  | | undrained                        |
///    |  | undrained        | v                                  |
///    |  |                 DRAIN <-------------------------------+
///    |  |                  | quiet, or drain-timeout            |
///    v  |                  v                                    |
///   WITHDRAWN <------------+------------------------------------+   a fault: at once, from any of them; stale, with a permit
///       |
///       +---> UP, DEPREF   healthy again, and held down long enough; or the permit has ended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not announced: not enough is known yet.
    Init,
    /// Announced.
    Up,
    /// Announced as worse than other nodes.
    Depref,
    /// Announced as the last resort, while traffic moves away.
    Drain,
    /// Not announced.
    Withdrawn,
}

impl State {
    /// All.
    pub const ALL: [State; 5] = [State::Init, State::Up, State::Depref, State::Drain, State::Withdrawn];

    /// Whether the prefix is announced in it.
    pub fn announced(self) -> bool {
        matches!(self, State::Up | State::Depref | State::Drain)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Init => "INIT",
            State::Up => "UP",
            State::Depref => "DEPREF",
            State::Drain => "DRAIN",
            State::Withdrawn => "WITHDRAWN",
        })
    }
}
