//! The session with one router (RFC 4271 8): when to connect, what to say, when to end. Pure: [`Event`]s go in, [`Action`]s come
//! out, the clock is an argument. No socket, no timer, no randomness but from the seed.
//!
//! ```text
//!                       wait over, BFD up                 TCP connected           OPEN                KEEPALIVE
//!  stopped --start-->  Idle ----------------> Connect ------------------> OpenSent ----> OpenConfirm -----------> Established
//!                       ^ ^                    |   ^                       ^ |               |                         |
//!                       | |             failed |   | wait over   accepted  | |               |                         |
//!                       | |                    v   |                       | | TCP lost      | TCP lost                |
//!                       | |                    Active ---------------------+ |               |                         |
//!                       | |                    ^ ^-------------------------+-+---------------+-------------------------+
//!                       | +--- errors: a NOTIFICATION sent or received, BFD down; kept for a while --------------------+
//!                       +----- stop, from any state
//! ```
//!
//! - `event`: what goes in and comes out
//! - `connect`: when to connect, when to wait; BFD
//! - `connection`: one TCP connection and its timers
//! - `negotiate`: OPEN
//! - `exchange`: routes while a session is established
//! - `received`: counts what the peer announces
//! - `timers`: how long to wait
//! - `report`: notices and snapshots
//!
//! What is to be announced is kept here while there is no session; [`super::advertise`] knows what a peer was sent.
//!
//! **Two connections.** Both sides may connect at once. Each connection goes its own way up to its OPEN; then RFC 4271 6.8 decides
//! which stays. The session's state is that of the connection that has come furthest.
//!
//! **Waiting.** When TCP fails, the next attempt comes after 1 s, doubling up to `connect_retry`, each shortened by up to a
//! quarter; the peer may connect meanwhile (Active). After a NOTIFICATION either way the session stays in Idle for 1 s, doubling up
//! to 60 s, and refuses connections; after too many prefixes for 1 min, doubling up to 1 h. A session that was established for
//! 60 s (10 min after too many prefixes) starts these anew.
//!
//! **BFD** (RFC 5882). A path that was up and goes down ends the session at once, and keeps it in Idle until the path is up, for a
//! minute at most. Before it was up for the first time, after that minute, and while either side has BFD administratively
//! down, BFD neither ends nor blocks anything (RFC 5882 3.2, 4.1): a router without BFD, or one that needs the session
//! first, or on which BFD was switched off without a word, is reached. BIRD ends sessions in the same cases; it does
//! not wait for BFD afterwards, and is up again at once on a path that drops packets.

mod connect;
mod connection;
mod event;
mod exchange;
mod negotiate;
mod received;
mod report;
mod timers;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use event::{Action, Event, PathState, Side};
pub use negotiate::Negotiated;
pub use received::ReceivedCount;
pub use report::{Cause, Counts, LastError, Notice, Snapshot};

use super::advertise::{AdjRibOut, Advertised, Terms, Unannounced};
use super::message::{Message, Notification, Open};
use super::notification::Reason;
use super::settings::Peer;
use crate::announce::Moment;
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use connect::Dial;
use connection::{Connection, Expired, Phase};
use exchange::Exchange;
use received::Received;
use std::collections::BTreeMap;
use timers::{After, Backoff, Jitter, earlier};

/// States of a session (RFC 4271 8.2.2), in the order in which it passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Stopped, or kept down for a while. Connections are refused.
    Idle,
    /// Connecting.
    Connect,
    /// Waiting for the peer to connect, or for the next attempt.
    Active,
    /// Connected, our OPEN sent.
    OpenSent,
    /// The peer's OPEN was good.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

/// The session with one router.
#[derive(Debug)]
pub struct Session {
    settings: Peer,
    jitter: Jitter,
    backoff: Backoff,
    dial: Dial,
    /// By side.
    connections: [Option<Connection>; 2],
    exchange: Option<Exchange>,
    routes: Routes,
    /// The path was up, and neither side has turned BFD off since.
    path_was_up: bool,
    /// The path is down after it was up: how long that keeps us from connecting.
    path_lost: Option<Moment>,
    state: State,
    since: Moment,
    cause: Cause,
    last_error: Option<LastError>,
    sent: Counts,
    got: Counts,
    established: u64,
    flaps: u64,
    malformed: u64,
    malformed_unsaid: u64,
    malformed_said: Option<Moment>,
}

impl Session {
    /// A session that is stopped and has nothing to announce. Equal seeds give equal waits.
    pub fn new(settings: Peer, seed: u64) -> Session {
        Session {
            settings,
            jitter: Jitter::new(seed),
            backoff: Backoff::default(),
            dial: Dial::Stopped,
            connections: [None, None],
            exchange: None,
            routes: Routes::new(),
            path_was_up: false,
            path_lost: None,
            state: State::Idle,
            since: Moment::ZERO,
            cause: Cause::Started,
            last_error: None,
            sent: Counts::default(),
            got: Counts::default(),
            established: 0,
            flaps: 0,
            malformed: 0,
            malformed_unsaid: 0,
            malformed_said: None,
        }
    }

    /// Takes an event; what is to be done is added to `out`. Withdrawals come first.
    pub fn handle(&mut self, now: Moment, event: Event, out: &mut Vec<Action>) {
        match event {
            Event::Start => self.start(now, out),
            Event::Stop { reason, message } => self.stop(now, &Notification::cease(reason, &message), out),
            Event::Connected { local } => self.connected(now, local, out),
            Event::ConnectFailed { error } => self.connect_failed(now, error, out),
            Event::Accepted { local } => self.accepted(now, local, out),
            Event::Octets { side, octets } => self.octets(now, side, &octets, out),
            Event::Closed { side, error } => self.closed(now, side, error, out),
            Event::Written { side, queued } => self.written(now, side, queued, out),
            Event::Routes(routes) => self.set_routes(now, routes, out),
            Event::OwnPrefixes(own) => self.set_own_prefixes(own),
            Event::Path(state) => self.path(now, state, out),
            Event::Tick => self.tick(now, out),
        }
    }

    /// When [`Event::Tick`] is wanted; may be over already.
    pub fn deadline(&self) -> Option<Moment> {
        let dial = match self.dial {
            Dial::Stopped => None,
            // The path's return is an event of its own.
            Dial::Held { until } => Some(self.held_until(until)),
            Dial::Waiting { until } => until,
            Dial::Trying { until } => Some(until),
        };
        self.connections().map(Connection::deadline).fold(dial, earlier)
    }

    /// The session's state.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the peer was sent and not sent a withdrawal of. `None` if the session is not established: then it holds nothing.
    pub fn advertised(&self) -> Option<&BTreeMap<Prefix, Advertised>> {
        self.exchange.as_ref().map(|exchange| exchange.out.advertised())
    }

    /// What can't be announced to this peer, and why. Empty while no session is established.
    pub fn unannounced(&self) -> impl Iterator<Item = (Prefix, Unannounced)> {
        let all = self.exchange.iter().flat_map(|exchange| exchange.out.unannounced());
        all.map(|(prefix, why)| (*prefix, *why))
    }

    /// Whether the peer may hold a route of ours: one was sent, and no withdrawal of it has left our send buffer.
    pub fn may_hold(&self, prefix: Prefix) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.out.may_hold(prefix))
    }

    /// Whether the peer may hold any route of ours.
    pub fn may_hold_any(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.out.held_max() > 0)
    }

    /// All else that there is to know.
    pub fn snapshot(&self) -> Snapshot {
        let best = self.connections().max_by_key(|connection| connection.phase);
        Snapshot {
            state: self.state,
            since: self.since,
            cause: self.cause.clone(),
            last_error: self.last_error.clone(),
            next_attempt: match self.dial {
                Dial::Held { until } => Some(self.held_until(until)),
                Dial::Waiting { until } => until,
                Dial::Stopped | Dial::Trying { .. } => None,
            },
            waits_for_bfd: self.path_lost.is_some(),
            side: best.map(|connection| connection.side),
            negotiated: best.and_then(|connection| connection.negotiated.clone()),
            keepalive_time: best.and_then(Connection::keepalive_time),
            sent: self.sent,
            received: self.got,
            established: self.established,
            flaps: self.flaps,
            malformed: self.malformed,
            prefixes: self.exchange.as_ref().map(|exchange| exchange.received.count()).unwrap_or_default(),
            advertised: self.exchange.as_ref().map_or(0, |exchange| exchange.out.advertised().len()),
        }
    }

    // Messages.

    fn octets(&mut self, now: Moment, side: Side, mut octets: &[u8], out: &mut Vec<Action>) {
        loop {
            // A message may have ended the connection.
            let Some(connection) = self.connection_mut(side) else { return };
            match connection.next_message(&mut octets) {
                None => return,
                Some(Ok(message)) => self.message(now, side, message, out),
                Some(Err(error)) => {
                    let cause = Cause::SentFor(error.notification.clone(), error.what);
                    self.end(now, side, Some(error.notification), cause, After::Hold, out);
                }
            }
        }
    }

    fn message(&mut self, now: Moment, side: Side, message: Message, out: &mut Vec<Action>) {
        self.got.count(&message, 1);
        let Some(connection) = self.connection_mut(side) else { return };
        let phase = connection.phase;
        if phase > Phase::OpenSent {
            connection.heard(now);
        }
        match (phase, message) {
            (_, Message::Notification(notification)) => {
                // Losing a collision is no error.
                let collision = notification.reason() == Some(Reason::ConnectionCollisionResolution);
                let after = if collision { After::Retry } else { After::Hold };
                self.end(now, side, None, Cause::Received(notification), after, out);
            }
            (Phase::OpenSent, Message::Open(open)) => self.opened(now, side, &open, out),
            (Phase::OpenConfirm, Message::Keepalive) => self.establish(now, side, out),
            (Phase::Established, Message::Keepalive) => {}
            (Phase::Established, Message::Update(update)) => self.update(now, side, update, out),
            (Phase::Established, Message::RouteRefresh(refresh)) => self.refresh(now, refresh, out),
            (phase, message) => {
                let reason = match phase {
                    Phase::OpenSent => Reason::UnexpectedInOpenSent,
                    Phase::OpenConfirm => Reason::UnexpectedInOpenConfirm,
                    Phase::Established => Reason::UnexpectedInEstablished,
                };
                // RFC 6608 3: the data is the message's type.
                self.refuse(now, side, Notification::new(reason, [message_type(&message)]), After::Hold, out);
            }
        }
    }

    fn opened(&mut self, now: Moment, side: Side, open: &Open, out: &mut Vec<Action>) {
        let negotiated = match negotiate::negotiate(&self.settings, open) {
            Ok(negotiated) => negotiated,
            Err(notification) => return self.refuse(now, side, notification, After::Hold, out),
        };
        let other = match side {
            Side::Outgoing => Side::Incoming,
            Side::Incoming => Side::Outgoing,
        };
        let collision = || Notification::new(Reason::ConnectionCollisionResolution, []);
        let winner = self.collision_winner(&negotiated);
        match self.connection(other).map(|connection| connection.phase) {
            // RFC 4271 6.8: an established session wins whatever the identifiers.
            Some(Phase::Established) => return self.refuse(now, side, collision(), After::Retry, out),
            Some(Phase::OpenConfirm) if winner == other => {
                return self.refuse(now, side, collision(), After::Retry, out);
            }
            // In OpenSent nobody has said who it is. It is the same peer by its address, and would lose as soon as it did.
            Some(Phase::OpenConfirm | Phase::OpenSent) if winner == side => {
                self.refuse(now, other, collision(), After::Retry, out);
            }
            _ => {}
        }
        let Some(connection) = self.connection_mut(side) else { return };
        connection.agree(now, negotiated);
        self.send(now, side, &Message::Keepalive, out);
        self.settle(now, Cause::OpenReceived, out);
    }

    /// Which connection stays when both sides connected: that of the higher identifier (RFC 4271 6.8), and of the higher AS
    /// number where those are equal (RFC 6286 2.3).
    fn collision_winner(&self, theirs: &Negotiated) -> Side {
        let ours = (self.settings.identifier, self.settings.local_as);
        if ours > (theirs.identifier, self.settings.remote_as) { Side::Outgoing } else { Side::Incoming }
    }

    fn establish(&mut self, now: Moment, side: Side, out: &mut Vec<Action>) {
        let Some(connection) = self.connection_mut(side) else { return };
        let Some(negotiated) = &connection.negotiated else { return };
        let (context, local_address) = (negotiated.context.clone(), connection.local_address);
        connection.phase = Phase::Established;
        connection.heard(now);
        let received = Received::new(&context.families);
        let role = self.settings.effective_role();
        let terms = Terms { local_as: self.settings.local_as, role, context, local_address };
        self.exchange = Some(Exchange { side, since: now, out: AdjRibOut::new(terms), received });
        self.established += 1;
        if matches!(self.dial, Dial::Trying { .. }) {
            self.dial = Dial::Waiting { until: None };
            out.push(Action::Close { side: Side::Outgoing });
        }
        self.settle(now, Cause::KeepaliveReceived, out);
        self.want(now, out);
    }

    // Ends.

    /// The peer, or what it did, is refused with a NOTIFICATION.
    fn refuse(&mut self, now: Moment, side: Side, why: Notification, after: After, out: &mut Vec<Action>) {
        self.end(now, side, Some(why.clone()), Cause::Sent(why), after, out);
    }

    fn closed(&mut self, now: Moment, side: Side, error: String, out: &mut Vec<Action>) {
        if self.connection(side).is_some() {
            self.end(now, side, None, Cause::Closed(error), After::Retry, out);
        }
    }

    /// Ends a connection, and the session if it was the last.
    fn end(
        &mut self,
        now: Moment,
        side: Side,
        notification: Option<Notification>,
        cause: Cause,
        after: After,
        out: &mut Vec<Action>,
    ) {
        if let Some(notification) = notification {
            self.send(now, side, &Message::Notification(notification), out);
        }
        let was = self.state;
        self.drop_connection(now, side, out);
        // One of two connections lost, as in every collision, is no failure of the session.
        if self.connections().next().is_none() {
            self.failed(now, &cause);
            if after != After::Retry && matches!(self.dial, Dial::Trying { .. }) {
                out.push(Action::Close { side: Side::Outgoing });
                self.dial = Dial::Waiting { until: None };
            }
            if !matches!(self.dial, Dial::Trying { .. }) {
                self.stay_down(now, after);
            }
        }
        self.settle(now, cause.clone(), out);
        if self.state == was {
            out.push(Action::Notice(Notice::ConnectionLost { side, cause }));
        }
    }

    fn drop_connection(&mut self, now: Moment, side: Side, out: &mut Vec<Action>) {
        self.connections[side as usize] = None;
        out.push(Action::Close { side });
        // What the peer held is gone with the session.
        if let Some(exchange) = self.exchange.take_if(|exchange| exchange.side == side) {
            self.flaps += 1;
            self.backoff.held_for(now.saturating_sub(exchange.since));
        }
    }

    // Timers.

    fn tick(&mut self, now: Moment, out: &mut Vec<Action>) {
        for side in [Side::Outgoing, Side::Incoming] {
            let Some(connection) = &mut self.connections[side as usize] else { continue };
            match connection.expired(now) {
                None => {}
                Some(Expired::Hold) => {
                    self.refuse(now, side, Notification::new(Reason::HoldTimerExpired, []), After::Hold, out);
                }
                Some(Expired::SendHold) => {
                    self.refuse(now, side, Notification::new(Reason::SendHoldTimerExpired, []), After::Hold, out);
                }
                Some(Expired::Keepalive) => connection.keepalive(now, &mut self.jitter, &mut self.sent, out),
            }
        }
        self.tick_dial(now, out);
    }

    // Small things.

    fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().flatten()
    }

    fn connection(&self, side: Side) -> Option<&Connection> {
        self.connections[side as usize].as_ref()
    }

    fn connection_mut(&mut self, side: Side) -> Option<&mut Connection> {
        self.connections[side as usize].as_mut()
    }

    fn send(&mut self, now: Moment, side: Side, message: &Message, out: &mut Vec<Action>) {
        if let Some(connection) = &mut self.connections[side as usize] {
            connection.send(now, message, &mut self.jitter, &mut self.sent, out);
        }
    }

    fn failed(&mut self, now: Moment, cause: &Cause) {
        self.last_error = Some(LastError { at: now, cause: cause.clone() });
    }

    /// Notes what the state has become, and says so if it is another.
    fn settle(&mut self, now: Moment, cause: Cause, out: &mut Vec<Action>) {
        let dial = match self.dial {
            Dial::Stopped | Dial::Held { .. } => State::Idle,
            Dial::Waiting { .. } => State::Active,
            Dial::Trying { .. } => State::Connect,
        };
        let best = self.connections().map(|connection| connection.phase).max();
        let to = best.map_or(dial, |phase| match phase {
            Phase::OpenSent => State::OpenSent,
            Phase::OpenConfirm => State::OpenConfirm,
            Phase::Established => State::Established,
        });
        if to != self.state {
            let from = std::mem::replace(&mut self.state, to);
            self.since = now;
            self.cause = cause.clone();
            out.push(Action::Notice(Notice::Transition { from, to, cause }));
        }
    }
}

/// A message's type (RFC 4271 4.1, RFC 2918 3).
fn message_type(message: &Message) -> u8 {
    match message {
        Message::Open(_) => 1,
        Message::Update(_) => 2,
        Message::Notification(_) => 3,
        Message::Keepalive => 4,
        Message::RouteRefresh(_) => 5,
    }
}
