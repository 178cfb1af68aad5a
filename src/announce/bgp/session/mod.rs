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
//! - `connection`: one TCP connection and its timers
//! - `negotiate`: OPEN
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
//! **BFD** (RFC 5882). A path that was up and goes down ends the session at once, and keeps it in Idle until the path is up.
//! Before it was up for the first time, and while either side has BFD administratively down, BFD neither ends nor blocks
//! anything (RFC 5882 3.2, 4.1): a router without BFD, or one that needs the session first, is reached. BIRD ends
//! sessions in the same cases; it does not wait for BFD afterwards, and would be up again on a path that drops packets.

mod connection;
mod event;
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
use super::message::{Message, Notification, Open, RouteRefresh, Update};
use super::notification::Reason;
use super::settings::Peer;
use crate::announce::Moment;
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use connection::{Connection, Expired, Phase};
use received::{Received, Verdict};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use timers::{After, Backoff, CONNECT_WAIT, Jitter, earlier};

/// Pause between notices of malformed UPDATEs.
const MALFORMED_PAUSE: Duration = Duration::from_secs(60);
/// Subtypes of ROUTE-REFRESH (RFC 7313 3.2).
const REFRESH_REQUEST: u8 = 0;
const REFRESH_BEGINS: u8 = 1;
const REFRESH_ENDS: u8 = 2;

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

/// What our own end does about connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dial {
    /// Nothing, until started.
    Stopped,
    /// Nothing until then, and BFD agrees (Idle).
    Held { until: Moment },
    /// Wait until then (Active); for ever where the peer is to connect, or a connection is there.
    Waiting { until: Option<Moment> },
    /// An attempt is under way (Connect), given up at that time.
    Trying { until: Moment },
}

/// What exists only while a session is established.
#[derive(Debug)]
struct Exchange {
    side: Side,
    since: Moment,
    out: AdjRibOut,
    received: Received,
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
    /// The path is down after it was up.
    path_lost: bool,
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
            path_lost: false,
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
            Event::Path(state) => self.path(now, state, out),
            Event::Tick => self.tick(now, out),
        }
    }

    /// When [`Event::Tick`] is wanted; may be over already.
    pub fn deadline(&self) -> Option<Moment> {
        let dial = match self.dial {
            Dial::Stopped => None,
            // The path's return is an event of its own.
            Dial::Held { until } => (!self.path_lost).then_some(until),
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
                Dial::Held { until } => Some(until),
                Dial::Waiting { until } => until,
                Dial::Stopped | Dial::Trying { .. } => None,
            },
            waits_for_bfd: self.path_lost,
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

    // Starting, stopping, connecting.

    fn start(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.dial == Dial::Stopped {
            self.backoff.reset();
            self.dial(now, out);
            self.settle(now, Cause::Started, out);
        }
    }

    fn stop(&mut self, now: Moment, cease: &Notification, out: &mut Vec<Action>) {
        self.abandon(now, cease, out);
        self.dial = Dial::Stopped;
        self.settle(now, Cause::Stopped(cease.clone()), out);
    }

    /// Closes all connections, and gives up an attempt.
    fn abandon(&mut self, now: Moment, notification: &Notification, out: &mut Vec<Action>) {
        for side in [Side::Outgoing, Side::Incoming] {
            if self.connection(side).is_some() {
                self.send(now, side, &Message::Notification(notification.clone()), out);
                self.drop_connection(now, side, out);
            }
        }
        if matches!(self.dial, Dial::Trying { .. }) {
            out.push(Action::Close { side: Side::Outgoing });
        }
    }

    /// Tries to connect, or waits for the peer where that is set, or BFD says that it's no use.
    fn dial(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.dial = if self.path_lost {
            Dial::Held { until: now }
        } else if self.settings.passive {
            Dial::Waiting { until: None }
        } else {
            out.push(Action::Connect);
            Dial::Trying { until: now + CONNECT_WAIT }
        };
    }

    fn connected(&mut self, now: Moment, local: IpAddr, out: &mut Vec<Action>) {
        if !matches!(self.dial, Dial::Trying { .. }) {
            // Given up in the meantime.
            out.extend(self.connection(Side::Outgoing).is_none().then_some(Action::Close { side: Side::Outgoing }));
            return;
        }
        self.dial = Dial::Waiting { until: None };
        self.open(now, Side::Outgoing, local, out);
    }

    fn connect_failed(&mut self, now: Moment, error: String, out: &mut Vec<Action>) {
        if matches!(self.dial, Dial::Trying { .. }) {
            self.dial = Dial::Waiting { until: None };
            let cause = Cause::ConnectFailed(error);
            self.stay_down(now, After::Retry);
            self.failed(now, &cause);
            self.settle(now, cause, out);
        }
    }

    fn accepted(&mut self, now: Moment, local: IpAddr, out: &mut Vec<Action>) {
        let idle = matches!(self.dial, Dial::Stopped | Dial::Held { .. });
        // RFC 4271 8.2.2: Idle refuses connections. A peer has one at a time; if it has one already and dials again, the
        // first is dead and its OPEN will never come. One whose OPEN came is for the hold timer to judge.
        let first = self.connection(Side::Incoming).map(|connection| connection.phase);
        let busy = first.is_some_and(|phase| phase > Phase::OpenSent);
        if idle || busy {
            out.push(Action::Refuse);
            return;
        }
        if first.is_some() {
            self.drop_connection(now, Side::Incoming, out);
        }
        if let Dial::Waiting { until } = &mut self.dial {
            *until = None;
        }
        out.push(Action::Accept);
        self.open(now, Side::Incoming, local, out);
    }

    /// A connection is there: our OPEN goes first (RFC 4271 8.2.2; DelayOpen is not done).
    fn open(&mut self, now: Moment, side: Side, local: IpAddr, out: &mut Vec<Action>) {
        self.connections[side as usize] = Some(Connection::new(now, side, local.to_canonical()));
        self.send(now, side, &Message::Open(negotiate::open(&self.settings)), out);
        self.settle(now, Cause::Connected(side), out);
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

    fn update(&mut self, now: Moment, side: Side, update: Update, out: &mut Vec<Action>) {
        let Some(exchange) = &mut self.exchange else { return };
        let verdict = exchange.received.update(&self.settings, &update);
        if let Some(what) = update.malformed {
            self.malformed(now, what, out);
        }
        match verdict {
            Verdict::Fine => {}
            Verdict::Alarm(family, count) => {
                let alarm = self.settings.receive_alarm.unwrap_or_default();
                out.push(Action::Notice(Notice::Alarm { family, count, alarm }));
            }
            Verdict::Limit(family) => {
                let cease = Notification::too_many_prefixes(family, self.settings.receive_limit);
                self.refuse(now, side, cease, After::OverLimit, out);
            }
        }
    }

    fn malformed(&mut self, now: Moment, what: String, out: &mut Vec<Action>) {
        self.malformed += 1;
        self.malformed_unsaid += 1;
        if self.malformed_said.is_none_or(|said| now >= said + MALFORMED_PAUSE) {
            self.malformed_said = Some(now);
            let count = std::mem::take(&mut self.malformed_unsaid);
            out.push(Action::Notice(Notice::Malformed { what, count }));
        }
    }

    fn refresh(&mut self, now: Moment, refresh: RouteRefresh, out: &mut Vec<Action>) {
        // RFC 2918 4, RFC 7313 5: other families and subtypes are ignored.
        let (Some(exchange), Some(family)) = (&mut self.exchange, refresh.family) else { return };
        match refresh.subtype {
            REFRESH_REQUEST => {
                exchange.out.refresh(family);
                self.announce(now, out);
            }
            REFRESH_BEGINS => exchange.received.repetition_begins(family),
            REFRESH_ENDS => exchange.received.repetition_ends(family),
            _ => {}
        }
    }

    // Announcing.

    fn set_routes(&mut self, now: Moment, routes: Routes, out: &mut Vec<Action>) {
        self.routes = routes;
        self.want(now, out);
    }

    /// What is wanted has changed, or a peer to want it for is there.
    fn want(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(exchange) = &mut self.exchange else { return };
        let news = exchange.out.set(&self.routes);
        self.announce(now, out);
        if news {
            out.extend(self.unannounced_notices().into_iter().map(Action::Notice));
        }
    }

    fn unannounced_notices(&self) -> Vec<Notice> {
        let mut reasons: BTreeMap<Unannounced, (Prefix, usize)> = BTreeMap::new();
        for (prefix, why) in self.unannounced() {
            reasons.entry(why).or_insert((prefix, 0)).1 += 1;
        }
        reasons.into_iter().map(|(why, (prefix, count))| Notice::Unannounced { prefix, count, why }).collect()
    }

    /// Sends what the peer lacks: withdrawals at once, all else while nothing waits in the send buffer.
    fn announce(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(mut exchange) = self.exchange.take() else { return };
        self.exchange_messages(now, &mut exchange, out);
        self.exchange = Some(exchange);
    }

    fn exchange_messages(&mut self, now: Moment, exchange: &mut Exchange, out: &mut Vec<Action>) {
        let Some(connection) = self.connection(exchange.side) else { return };
        let clear = connection.all_written();
        let mut messages = exchange.out.withdrawals();
        if clear {
            messages.extend(exchange.out.announcements());
        }
        for message in &messages {
            self.send(now, exchange.side, message, out);
        }
        if let Some(connection) = self.connection(exchange.side) {
            exchange.out.handed_over(connection.positions().0);
        }
    }

    fn written(&mut self, now: Moment, side: Side, queued: usize, out: &mut Vec<Action>) {
        let Some(connection) = self.connection_mut(side) else { return };
        connection.written(now, queued);
        let (position, clear) = (connection.positions().1, connection.all_written());
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.side == side) {
            exchange.out.written(now, position);
            if clear {
                self.announce(now, out);
            }
        }
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
        self.failed(now, &cause);
        if self.connections().next().is_none() {
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

    /// Decides when to go on.
    fn stay_down(&mut self, now: Moment, after: After) {
        let waits_for_peer = self.settings.passive || self.connections().next().is_some();
        if after == After::Retry && waits_for_peer {
            self.dial = Dial::Waiting { until: None };
            return;
        }
        let until = now + self.backoff.next(after, self.settings.connect_retry, &mut self.jitter);
        self.dial = match after {
            After::Retry => Dial::Waiting { until: Some(until) },
            // A longer stay in Idle is not cut short: a router's BFD goes down with a session closed for too many routes.
            After::Hold | After::OverLimit => match self.dial {
                Dial::Held { until: before } => Dial::Held { until: until.max(before) },
                _ => Dial::Held { until },
            },
        };
    }

    // BFD.

    fn path(&mut self, now: Moment, state: PathState, out: &mut Vec<Action>) {
        match state {
            PathState::Up => {
                self.path_was_up = true;
                self.path_back(now, out);
            }
            PathState::AdminDown => {
                self.path_was_up = false;
                self.path_back(now, out);
            }
            PathState::Down if self.path_was_up && !self.path_lost => {
                self.path_lost = true;
                if self.dial == Dial::Stopped {
                    return;
                }
                // RFC 9384: the peer may not hear it, but if it does it knows why.
                let cease = Notification::new(Reason::BfdDown, []);
                self.abandon(now, &cease, out);
                self.stay_down(now, After::Hold);
                let cause = Cause::Sent(cease);
                self.failed(now, &cause);
                self.settle(now, cause, out);
            }
            PathState::Down => {}
        }
    }

    fn path_back(&mut self, now: Moment, out: &mut Vec<Action>) {
        if std::mem::take(&mut self.path_lost) && matches!(self.dial, Dial::Held { until } if until <= now) {
            self.dial(now, out);
            self.settle(now, Cause::BfdUp, out);
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
        match self.dial {
            Dial::Held { until } if until <= now && !self.path_lost => {
                self.dial(now, out);
                self.settle(now, Cause::WaitOver, out);
            }
            Dial::Waiting { until: Some(until) } if until <= now => {
                self.dial(now, out);
                self.settle(now, Cause::WaitOver, out);
            }
            Dial::Trying { until } if until <= now => {
                out.push(Action::Close { side: Side::Outgoing });
                self.connect_failed(now, format!("no answer for {} s", CONNECT_WAIT.as_secs()), out);
            }
            _ => {}
        }
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
