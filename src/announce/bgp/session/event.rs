//! What goes into a session, and what comes out.

use super::report::Notice;
use crate::announce::bgp::notification::Reason;
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Who opened a connection. There is at most one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// We did.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// What happened. After an [`Action::Close`] nothing may come of that connection any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin, or begin again after a stop.
    Start,
    /// End every connection with a Cease and stay down until [`Event::Start`]. The Cease withdraws all routes by itself.
    Stop {
        /// The Cease's subcode: [`Reason::AdministrativeShutdown`], [`Reason::PeerDeconfigured`], ...
        reason: Reason,
        /// For the peer's operator (RFC 9003); goes out with shutdown and reset only.
        message: String,
    },
    /// The attempt that [`Action::Connect`] asked for succeeded.
    Connected {
        /// Our end.
        local: IpAddr,
    },
    /// It failed.
    ConnectFailed {
        /// How.
        error: String,
    },
    /// The peer connected. Answered by [`Action::Accept`] or [`Action::Refuse`].
    Accepted {
        /// Our end.
        local: IpAddr,
    },
    /// Octets came; any number.
    Octets {
        /// On which connection.
        side: Side,
        /// As they came.
        octets: Vec<u8>,
    },
    /// A connection was closed or broke.
    Closed {
        /// Which.
        side: Side,
        /// How.
        error: String,
    },
    /// The system took octets of a connection. Must come after each [`Action::Send`], at once if all was taken, and each time
    /// that the system took more: routes are announced only while nothing is left.
    Written {
        /// Which.
        side: Side,
        /// How many octets are left.
        queued: usize,
    },
    /// All that is to be announced from now on.
    Routes(Routes),
    /// Prefixes that this node or its fellows announce, where the settings have changed: see `own_prefixes` of a peer's settings.
    OwnPrefixes(BTreeSet<Prefix>),
    /// BFD's state of the path to the peer changed.
    Path(PathState),
    /// [`super::Session::deadline`] has come. Octets that are there already should be given before.
    Tick,
}

/// What BFD says of the path to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// Packets pass both ways.
    Up,
    /// They don't, or no longer; or BFD is about to find out.
    Down,
    /// One side's operator turned BFD off: this says nothing of the path (RFC 5882 3.2).
    AdminDown,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to the peer, and say how that went.
    Connect,
    /// Take the connection of [`Event::Accepted`]; it is [`Side::Incoming`] from now on.
    Accept,
    /// Close the connection of [`Event::Accepted`]; nothing is sent on it.
    Refuse,
    /// Send octets. They must not wait behind anything but what was to be sent before.
    Send {
        /// On which connection.
        side: Side,
        /// One message or several.
        octets: Vec<u8>,
    },
    /// Close a connection, after what was sent on it if the system takes that at once; or give up the attempt to connect.
    Close {
        /// Which.
        side: Side,
    },
    /// For the log.
    Notice(Notice),
}
