//! What a session says about itself: notices for the log, a snapshot for metrics and `explain`.

use super::negotiate::Negotiated;
use super::received::ReceivedCount;
use super::{Side, State};
use crate::announce::Moment;
use crate::announce::bgp::advertise::Unannounced;
use crate::announce::bgp::message::{Message, Notification};
use crate::announce::prefix::{Family, Prefix};
use crate::counted::counted;
use std::fmt;
use std::time::Duration;
use tracing::Level;

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The session's state changed.
    Transition {
        /// Before.
        from: State,
        /// Now.
        to: State,
        /// What made it change.
        cause: Cause,
    },
    /// A connection ended that was not the session's furthest one, so that its state stays.
    ConnectionLost {
        /// Which.
        side: Side,
        /// Why.
        cause: Cause,
    },
    /// UPDATEs were malformed; their routes count as withdrawn (RFC 7606).
    Malformed {
        /// What was wrong with the last of them.
        what: String,
        /// How many there were since the last such notice.
        count: u64,
    },
    /// The router announces more than it should to us, who take nothing.
    Alarm {
        /// Of which family.
        family: Family,
        /// How many prefixes now.
        count: u32,
        /// How many make an alarm.
        alarm: u32,
    },
    /// Routes can't be announced to this router.
    Unannounced {
        /// The first of them.
        prefix: Prefix,
        /// How many there are with this reason.
        count: usize,
        /// Why.
        why: Unannounced,
    },
}

impl Notice {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Notice::Transition { to: State::Established, .. } => Level::INFO,
            Notice::Transition { from: State::Established, cause, .. } => match cause {
                Cause::Stopped(_) => Level::INFO,
                _ => Level::WARN,
            },
            Notice::Transition { cause: Cause::Sent(_) | Cause::Received(_), .. } => Level::WARN,
            Notice::Transition { .. } => Level::INFO,
            Notice::ConnectionLost { .. } => Level::INFO,
            Notice::Malformed { .. } | Notice::Alarm { .. } | Notice::Unannounced { .. } => Level::WARN,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Transition { from, to, cause } => write!(f, "{from} -> {to}: {cause}"),
            Notice::ConnectionLost { side, cause } => write!(f, "the {side} connection ended: {cause}"),
            Notice::Malformed { what, count: 1 } => write!(f, "an UPDATE was malformed: {what}"),
            Notice::Malformed { what, count } => write!(f, "{count} UPDATEs were malformed; the last: {what}"),
            Notice::Alarm { family, count, alarm } => write!(
                f,
                "the router announces {} to us, more than {alarm}: check its export filter",
                counted(*count, &format!("{family} prefix"))
            ),
            Notice::Unannounced { prefix, count: 1, why } => write!(f, "{prefix} is not announced: {why}"),
            Notice::Unannounced { prefix, count, why } => {
                write!(f, "{prefix} and {} more are not announced: {why}", count - 1)
            }
        }
    }
}

/// What made a session change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The operator's start.
    Started,
    /// The operator's stop, or our own; with the NOTIFICATION that says so.
    Stopped(Notification),
    /// The wait after a failure is over.
    WaitOver,
    /// The path is back.
    BfdUp,
    /// TCP is connected.
    Connected(Side),
    /// An attempt to connect failed, and why.
    ConnectFailed(String),
    /// The peer's OPEN was good.
    OpenReceived,
    /// The peer took our OPEN.
    KeepaliveReceived,
    /// TCP closed or broke, and how.
    Closed(String),
    /// We ended it.
    Sent(Notification),
    /// We ended it; with details on what the peer did wrong.
    SentFor(Notification, String),
    /// The peer ended it.
    Received(Notification),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Started => f.write_str("started"),
            Cause::Stopped(notification) => write!(f, "stopped, sent {notification}"),
            Cause::WaitOver => f.write_str("trying again"),
            Cause::BfdUp => f.write_str("BFD is up again"),
            Cause::Connected(side) => write!(f, "{side} connection is there"),
            Cause::ConnectFailed(why) => write!(f, "can't connect: {why}"),
            Cause::OpenReceived => f.write_str("OPEN received"),
            Cause::KeepaliveReceived => f.write_str("KEEPALIVE received"),
            Cause::Closed(how) => write!(f, "connection lost: {how}"),
            Cause::Sent(notification) => write!(f, "sent {notification}"),
            Cause::SentFor(notification, what) => write!(f, "sent {notification}: {what}"),
            Cause::Received(notification) => write!(f, "received {notification}"),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Idle => "Idle",
            State::Connect => "Connect",
            State::Active => "Active",
            State::OpenSent => "OpenSent",
            State::OpenConfirm => "OpenConfirm",
            State::Established => "Established",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Outgoing => "outgoing",
            Side::Incoming => "incoming",
        })
    }
}

/// Messages by type, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl Counts {
    pub(super) fn count(&mut self, message: &Message, times: u64) {
        *match message {
            Message::Open(_) => &mut self.open,
            Message::Update(_) => &mut self.update,
            Message::Notification(_) => &mut self.notification,
            Message::Keepalive => &mut self.keepalive,
            Message::RouteRefresh(_) => &mut self.route_refresh,
        } += times;
    }
}

/// Why the last connection or attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: Moment,
    /// What happened.
    pub cause: Cause,
}

/// A session at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The session's state: that of the connection that has come furthest.
    pub state: State,
    /// Since when it is in that state.
    pub since: Moment,
    /// Why it came into that state.
    pub cause: Cause,
    /// The last failure, also while the session is well again.
    pub last_error: Option<LastError>,
    /// When the next attempt comes at the latest, if one is waited for.
    pub next_attempt: Option<Moment>,
    /// Kept down until BFD says up, or until `next_attempt`.
    pub waits_for_bfd: bool,
    /// Which connection carries the session, if one is there.
    pub side: Option<Side>,
    /// What was negotiated on it.
    pub negotiated: Option<Negotiated>,
    /// Time between KEEPALIVEs.
    pub keepalive_time: Option<Duration>,
    /// Messages to the peer.
    pub sent: Counts,
    /// Messages from the peer.
    pub received: Counts,
    /// How often the session was established.
    pub established: u64,
    /// How often an established session ended.
    pub flaps: u64,
    /// UPDATEs that were malformed (RFC 7606).
    pub malformed: u64,
    /// What the peer announces.
    pub prefixes: ReceivedCount,
    /// How many prefixes it was sent and holds, as far as we know.
    pub advertised: usize,
}

impl Snapshot {
    /// How long the session has been established; `None` if it is not.
    pub fn uptime(&self, now: Moment) -> Option<Duration> {
        (self.state == State::Established).then(|| now.saturating_sub(self.since))
    }
}
