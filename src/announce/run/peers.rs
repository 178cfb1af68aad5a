//! The routers: a session machine each, and the connections that it asks for.
//!
//! ```text
//! sockets -> poll -> Event -> bgp::session -> Action -> perform -> sockets
//! ```
//!
//! There is no task and no queue between a decision and its octets: what a session wants sent is offered to the system before
//! anything else is done. What the system does not take waits here, and goes out as soon as it does.

use crate::announce::Moment;
use crate::announce::bgp::session::{Action, Event, Notice, Session, Side};
use crate::announce::prefix::Prefix;
use crate::announce::{settings, sockets};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::net::TcpStream;

/// Reads from one connection before the others get their turn.
const READS_MAX: usize = 16;
/// Octets that may wait to be sent: far more than all that is ever announced. A session that asks for more is broken.
const QUEUE_LEN_MAX: usize = 4 << 20;

/// A connection being made.
pub(super) type Dialling = Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>;

/// One router.
pub(super) struct Router {
    /// As set.
    pub(super) settings: settings::Peer,
    /// Its session machine.
    pub(super) session: Session,
    connections: [Option<Connection>; 2],
    /// The attempt to connect that is under way.
    dialling: Option<Dialling>,
    /// Connected by the router, and not yet taken by the session.
    offered: Option<TcpStream>,
}

/// A connection of a session.
struct Connection {
    stream: TcpStream,
    /// What the system did not take yet.
    queue: VecDeque<u8>,
}

fn slot(side: Side) -> usize {
    match side {
        Side::Outgoing => 0,
        Side::Incoming => 1,
    }
}

const SIDES: [Side; 2] = [Side::Outgoing, Side::Incoming];

impl Router {
    /// A router whose session is stopped.
    pub(super) fn new(settings: settings::Peer, session: Session) -> Router {
        Router { settings, session, connections: [None, None], dialling: None, offered: None }
    }

    /// Looks at all of its sockets, and gives what happened there. Whoever polls is woken when there is more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8], events: &mut Vec<Event>) {
        if let Some(dialling) = &mut self.dialling
            && let Poll::Ready(result) = dialling.as_mut().poll(cx)
        {
            self.dialling = None;
            events.push(self.dialled(result));
        }
        for side in SIDES {
            let Some(connection) = &mut self.connections[slot(side)] else { continue };
            if let Some(event) = connection.flush(cx, side) {
                events.push(event);
            }
            connection.read(cx, side, buffer, events);
        }
    }

    fn dialled(&mut self, result: io::Result<TcpStream>) -> Event {
        match result.and_then(|stream| Ok((stream.local_addr()?.ip(), stream))) {
            Ok((local, stream)) => {
                self.connections[slot(Side::Outgoing)] = Some(Connection::new(stream));
                Event::Connected { local }
            }
            Err(error) => Event::ConnectFailed { error: error.to_string() },
        }
    }

    /// The router has connected; gives what to tell its session.
    pub(super) fn offer(&mut self, stream: TcpStream) -> Option<Event> {
        let local = stream.local_addr().ok()?.ip();
        self.offered = Some(stream);
        Some(Event::Accepted { local })
    }

    /// Gives an event to the session and does what it asks for. What there is to log is added to `notices`: logging waits until
    /// all sessions have sent.
    pub(super) fn handle(&mut self, now: Moment, event: Event, notices: &mut Vec<Notice>) {
        let mut actions = Vec::new();
        self.session.handle(now, event, &mut actions);
        // Writing is an event of its own, which may bring more to write; at last nothing is left to announce.
        while !actions.is_empty() {
            let mut sent = [false; 2];
            for action in actions.drain(..) {
                if let Action::Send { side, .. } = &action {
                    sent[slot(*side)] = true;
                }
                self.perform(action, notices);
            }
            for side in SIDES {
                let Some(connection) = self.connections[slot(side)].as_ref().filter(|_| sent[slot(side)]) else { continue };
                let event = if connection.queue.len() > QUEUE_LEN_MAX {
                    Event::Closed { side, error: "the router does not read".into() }
                } else {
                    Event::Written { side, queued: connection.queue.len() }
                };
                self.session.handle(now, event, &mut actions);
            }
        }
    }

    fn perform(&mut self, action: Action, notices: &mut Vec<Notice>) {
        match action {
            Action::Connect => self.dialling = Some(Box::pin(sockets::dial(self.settings.clone()))),
            Action::Accept => {
                self.connections[slot(Side::Incoming)] = self.offered.take().map(Connection::new);
            }
            Action::Refuse => self.offered = None,
            Action::Send { side, octets } => {
                if let Some(connection) = &mut self.connections[slot(side)] {
                    connection.send(&octets);
                }
            }
            Action::Close { side } => {
                if let Some(connection) = self.connections[slot(side)].take() {
                    connection.close();
                }
                if side == Side::Outgoing {
                    self.dialling = None;
                }
            }
            Action::Notice(notice) => notices.push(notice),
        }
    }

    /// Until nothing waits to be sent.
    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for side in SIDES {
            if let Some(connection) = &mut self.connections[slot(side)] {
                let _ = connection.flush(cx, side);
                if !connection.queue.is_empty() {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(())
    }

    /// Whether prefixes of its family are for this router.
    pub(super) fn takes(&self, prefix: Prefix) -> bool {
        self.settings.families.contains(&prefix.family())
    }

    /// Whether this is the router's address.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        canonical(self.settings.address) == canonical(address.ip())
    }
}

/// IPv4 addresses as such, also those that an IPv6 socket shows.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
        // KEEPALIVEs and withdrawals must not wait for the acknowledgement of what went before (Nagle).
        let _ = stream.set_nodelay(true);
        Connection { stream, queue: VecDeque::new() }
    }

    /// Offers octets to the system; what it does not take waits.
    fn send(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while self.queue.is_empty() && !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No room; or the connection is broken, which is found by reading.
                Err(_) => break,
            }
        }
        self.queue.extend(rest);
    }

    /// Closes so that what was sent still arrives: octets that came and were not read would make it a reset.
    fn close(self) {
        let _ = socket2::SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write);
        let mut rest = [0; 4096];
        for _ in 0..READS_MAX {
            if !matches!(self.stream.try_read(&mut rest), Ok(1..)) {
                return;
            }
        }
    }

    /// Sends what waits, as far as there is room.
    fn flush(&mut self, cx: &mut Context<'_>, side: Side) -> Option<Event> {
        let before = self.queue.len();
        while !self.queue.is_empty() {
            match self.stream.poll_write_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => break,
                Poll::Ready(Ok(())) => {}
            }
            match self.stream.try_write(self.queue.as_slices().0) {
                Ok(length) => drop(self.queue.drain(..length)),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        (self.queue.len() < before).then_some(Event::Written { side, queued: self.queue.len() })
    }

    /// Reads what is there.
    fn read(&mut self, cx: &mut Context<'_>, side: Side, buffer: &mut [u8], events: &mut Vec<Event>) {
        for _ in 0..READS_MAX {
            match self.stream.poll_read_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return events.push(Event::Closed { side, error: error.to_string() }),
            }
            match self.stream.try_read(buffer) {
                Ok(0) => return events.push(Event::Closed { side, error: "closed by the router".into() }),
                Ok(length) => events.push(Event::Octets { side, octets: buffer[..length].to_vec() }),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return events.push(Event::Closed { side, error: error.to_string() }),
            }
        }
        // There may be more: come round once more after the others.
        cx.waker().wake_by_ref();
    }
}
