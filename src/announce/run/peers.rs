//! The routers: a session machine each, and the connections that it asks for.
//!
//! ```text
//! sockets -> poll -> Event -> bgp::session -> Action -> perform -> sockets
//! ```
//!
//! There is no task and no queue between a decision and its octets: what a session wants sent is offered to the system before
//! anything else is done. What the system does not take waits here, and goes out as soon as it does.

use crate::announce::Moment;
use crate::announce::bfd::session as bfd;
use crate::announce::bgp::notification::Reason;
use crate::announce::bgp::session::{Action, Event, Notice, PathState, Session, Side};
use crate::announce::prefix::Prefix;
use crate::announce::settings;
use crate::announce::sockets::{self, BfdSender};
use crate::config::{SECRETS_LEN_MAX, read_bounded};
use std::collections::VecDeque;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;

/// Reads from one connection before the others get their turn.
const READS_MAX: usize = 16;
/// Octets that may wait to be sent: far more than all that is ever announced. A session that asks for more is broken.
const QUEUE_LEN_MAX: usize = 4 << 20;

/// How long connecting may take: less than the session waits, so that it hears what the matter was.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(9);
/// TTL of packets to routers that may be more than one hop away.
const TTL_FAR: u8 = 64;

/// A connection being made.
type Dialling = Pin<Box<dyn Future<Output = Result<TcpStream, String>> + Send>>;

/// One router.
pub(super) struct Router {
    /// As set.
    pub(super) settings: settings::Peer,
    /// What its sockets needed when it was set, or why its key could not be read: another key in the same file is another peer.
    pub(super) link: Result<sockets::Peer, String>,
    /// Its session machine.
    pub(super) session: Session,
    connections: [Option<Connection>; 2],
    /// The attempt to connect that is under way.
    dialling: Option<Dialling>,
    /// Connected by the router, and not yet taken by the session.
    offered: Option<TcpStream>,
    /// Whether it is of our AS.
    pub(super) internal: bool,
    /// BFD with it, where that is on.
    pub(super) bfd: Option<Bfd>,
}

/// BFD with one router.
pub(super) struct Bfd {
    /// Its machine.
    pub(super) session: bfd::Session,
    sender: Option<BfdSender>,
    to: SocketAddr,
    /// Whether it was told that nothing can be sent.
    told: bool,
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
    pub(super) fn new(
        settings: settings::Peer,
        link: Result<sockets::Peer, String>,
        internal: bool,
        session: Session,
    ) -> Router {
        let bfd = settings.bfd.as_ref().map(|bfd| Bfd::new(bfd, settings.address));
        Router { settings, link, session, connections: [None, None], dialling: None, offered: None, internal, bfd }
    }

    /// Begins.
    pub(super) fn start(&mut self, now: Moment, notices: &mut Vec<Notice>) {
        self.handle(now, Event::Start, notices);
        self.beat(now, bfd::Event::Start, notices);
    }

    /// Ends the session, and BFD with it.
    pub(super) fn stop(&mut self, now: Moment, reason: Reason, message: &str, notices: &mut Vec<Notice>) {
        self.handle(now, Event::Stop { reason, message: message.into() }, notices);
        // The router must not take our end for a fault of the path.
        self.beat(now, bfd::Event::AdminDown, notices);
    }

    /// Whether it is what these settings ask for, but for how fast BFD is: that can be changed under way.
    pub(super) fn is_for(&self, peer: &settings::Peer) -> bool {
        let mut ours = self.settings.clone();
        if let (Some(ours), Some(theirs)) = (&mut ours.bfd, &peer.bfd) {
            (ours.interval, ours.multiplier) = (theirs.interval, theirs.multiplier);
        }
        ours == *peer
    }

    /// Takes settings that it [is for](Router::is_for).
    pub(super) fn retime(&mut self, now: Moment, peer: &settings::Peer, notices: &mut Vec<Notice>) {
        if let Some(settings::Bfd { interval, multiplier, .. }) = peer.bfd
            && self.settings.bfd != peer.bfd
        {
            self.beat(now, bfd::Event::Retime { interval, multiplier }, notices);
        }
        self.settings = peer.clone();
    }

    /// When the session or BFD wants [`Router::tick`].
    pub(super) fn deadline(&self) -> Option<Moment> {
        let bfd = self.bfd.as_ref().and_then(|bfd| bfd.session.deadline());
        self.session.deadline().into_iter().chain(bfd).min()
    }

    /// The time has come for something, maybe.
    pub(super) fn tick(&mut self, now: Moment, notices: &mut Vec<Notice>) {
        let due = |deadline: Option<Moment>| deadline.is_some_and(|deadline| deadline <= now);
        if due(self.bfd.as_ref().and_then(|bfd| bfd.session.deadline())) {
            self.beat(now, bfd::Event::Tick, notices);
        }
        if due(self.session.deadline()) {
            self.handle(now, Event::Tick, notices);
        }
        self.beat(now, bfd::Event::Awake, notices);
    }

    /// Gives BFD an event, and the session what BFD says of the path.
    pub(super) fn beat(&mut self, now: Moment, event: bfd::Event<'_>, notices: &mut Vec<Notice>) {
        let local = self.settings.local_address;
        let Some(bfd) = &mut self.bfd else { return };
        for action in bfd.session.handle(now, event) {
            let Some(bfd) = &mut self.bfd else { return };
            let path = match action {
                bfd::Action::Send(octets) => {
                    bfd.send(&octets, local, &self.settings.name);
                    continue;
                }
                bfd::Action::Up => PathState::Up,
                bfd::Action::Down { administrative: true, .. } => PathState::AdminDown,
                bfd::Action::Down { administrative: false, .. } => PathState::Down,
            };
            // First the session, then the log.
            let name = self.settings.name.clone();
            self.handle(now, Event::Path(path), notices);
            match action {
                bfd::Action::Down { diagnostic, .. } => {
                    tracing::warn!(router = %name, "{name}: BFD is down: {diagnostic}")
                }
                _ => tracing::info!(router = %name, "{name}: BFD is up"),
            }
        }
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

    fn dialled(&mut self, result: Result<TcpStream, String>) -> Event {
        let local = |stream: TcpStream| match stream.local_addr() {
            Ok(local) => Ok((local.ip(), stream)),
            Err(error) => Err(error.to_string()),
        };
        match result.and_then(local) {
            Ok((local, stream)) => {
                self.connections[slot(Side::Outgoing)] = Some(Connection::new(stream));
                Event::Connected { local }
            }
            Err(error) => Event::ConnectFailed { error },
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
                let Some(connection) = self.connections[slot(side)].as_ref().filter(|_| sent[slot(side)]) else {
                    continue;
                };
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
            Action::Connect => self.dialling = Some(dial(&self.settings, self.internal)),
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
}

/// Connects to a router. A key that can't be read, or that the kernel does not take, is a failure like any other: it is tried
/// again, and there is never a connection without it.
fn dial(peer: &settings::Peer, internal: bool) -> Dialling {
    match link(peer, internal) {
        Ok(link) => {
            let dialling = sockets::dial(&link, peer.local_address, peer.port, CONNECT_TIMEOUT);
            Box::pin(async { dialling.await.map_err(|error| error.to_string()) })
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// What sockets of a router need. Reads its key.
pub(super) fn link(peer: &settings::Peer, internal: bool) -> Result<sockets::Peer, String> {
    let secret = |file: &Path| {
        let text = read_key(file).map_err(|error| format!("peer {}: {}: {error}", peer.name, file.display()))?;
        let line = text.split(|octet| *octet == b'\n').next().unwrap_or_default();
        Ok::<_, String>(sockets::Secret::new(line.strip_suffix(b"\r").unwrap_or(line)))
    };
    let authentication = match &peer.authentication {
        None => None,
        Some(settings::Authentication::Md5 { key_file }) => Some(sockets::Authentication::Md5(secret(key_file)?)),
        Some(settings::Authentication::Ao { key_file, send_id, receive_id, algorithm }) => {
            Some(sockets::Authentication::Ao {
                secret: secret(key_file)?,
                send_id: *send_id,
                receive_id: *receive_id,
                algorithm: match algorithm {
                    settings::AoAlgorithm::HmacSha1 => sockets::Algorithm::HmacSha1,
                    settings::AoAlgorithm::Aes128Cmac => sockets::Algorithm::Aes128Cmac,
                },
            })
        }
    };
    let near = !peer.multihop && !internal;
    let ttl = match peer.ttl_security {
        Some(hops) => sockets::Ttl::Security { hops },
        None => sockets::Ttl::Sent(if near { 1 } else { TTL_FAR }),
    };
    Ok(sockets::Peer { name: peer.name.clone(), address: peer.address, ttl, authentication })
}

/// A file with a key. Others than regular ones are not waited for: nothing else would be done meanwhile.
fn read_key(file: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    read_bounded(file, SECRETS_LEN_MAX)
}

impl Bfd {
    fn new(settings: &settings::Bfd, address: IpAddr) -> Bfd {
        let settings::Bfd { interval, multiplier, multihop, min_ttl } = *settings;
        let session = bfd::Session::new(bfd::Settings { interval, multiplier, multihop, min_ttl }, seed());
        Bfd { to: SocketAddr::new(address, session.port()), session, sender: None, told: false }
    }

    /// Sends, if there is a socket or one can be had. A packet that is lost here might be lost on the way as well.
    fn send(&mut self, octets: &[u8], local: Option<IpAddr>, router: &str) {
        if self.sender.is_none() {
            match BfdSender::bind(local.unwrap_or(unspecified(self.to.ip())), seed()) {
                Ok(sender) => (self.sender, self.told) = (Some(sender), false),
                Err(error) if !self.told => {
                    self.told = true;
                    tracing::error!(%router, "{router}: no BFD: {error}");
                }
                Err(_) => {}
            }
        }
        if let Some(sender) = &self.sender
            && let Err(error) = sender.send(octets, self.to)
        {
            tracing::debug!(%router, "{router}: a BFD packet was not sent: {error}");
        }
    }
}

/// The address of a family that stands for any.
pub(super) fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Of the system's own randomness: each hasher has new keys.
pub(super) fn seed() -> u64 {
    RandomState::new().hash_one(0u8)
}

impl Connection {
    fn new(stream: TcpStream) -> Connection {
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
