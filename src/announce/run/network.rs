//! All routers together: their sessions, the connections that they make to us, and BFD beside them.

use super::peers::Router;
use crate::announce::Moment;
use crate::announce::bgp::notification::Reason;
use crate::announce::bgp::session::{self, Notice, Session};
use crate::announce::bgp::settings as bgp;
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use crate::announce::settings::{Peer, Settings};
use crate::announce::sockets;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// Octets of one read.
const READ_LEN: usize = 16 * 1024;
/// Connections taken before the others get their turn.
const ACCEPTS_MAX: usize = 16;

/// What happened.
pub(super) enum Event {
    /// To the session of a router, by its place.
    Session(usize, session::Event),
    /// Somebody has connected.
    Accepted(TcpStream, SocketAddr),
}

/// The routers and their sockets. Empty until [`Network::set`].
#[derive(Default)]
pub(super) struct Network {
    routers: Vec<Router>,
    /// Sockets that routers connect to, and why one can't be had.
    listeners: BTreeMap<SocketAddr, Result<TcpListener, String>>,
    /// For the log, once there is time.
    notices: Vec<(String, Notice)>,
    /// AS number and identifier of all sessions.
    identity: Option<(u32, Ipv4Addr)>,
    buffer: Vec<u8>,
}

impl Network {
    /// Begins sessions with routers that are new or are set otherwise, ends those with routers that are gone. Their routes are
    /// to be set afterwards. `Err`: what can't be had although it must.
    pub(super) fn set(&mut self, now: Moment, settings: &Settings) -> Result<(), String> {
        self.buffer.resize(READ_LEN, 0);
        let identity = Some((settings.local_as, settings.router_id));
        let same_identity = std::mem::replace(&mut self.identity, identity) == identity;
        let mut old = std::mem::take(&mut self.routers);
        for peer in &settings.peers {
            let place = old.iter().position(|router| router.settings.name == peer.name);
            let router = match place.map(|place| old.remove(place)) {
                Some(router) if same_identity && router.settings == *peer => router,
                former => {
                    if let Some(mut router) = former {
                        self.stop(now, &mut router, Reason::AdministrativeReset, "the announcer's settings changed");
                    }
                    Router::new(peer.clone(), Session::new(session_settings(settings, peer), seed()))
                }
            };
            self.routers.push(router);
        }
        for mut router in old {
            self.stop(now, &mut router, Reason::PeerDeconfigured, "");
        }
        let result = self.listen(true);
        for place in 0..self.routers.len() {
            self.session(now, place, session::Event::Start);
        }
        result
    }

    fn stop(&mut self, now: Moment, router: &mut Router, reason: Reason, message: &str) {
        let mut notices = Vec::new();
        router.handle(now, session::Event::Stop { reason, message: message.into() }, &mut notices);
        self.notices.extend(notices.into_iter().map(|notice| (router.settings.name.clone(), notice)));
    }

    /// Ends all sessions; `message` is for the routers' operators (RFC 9003).
    pub(super) fn stop_all(&mut self, now: Moment, message: &str) {
        self.listeners.clear();
        for mut router in std::mem::take(&mut self.routers) {
            self.stop(now, &mut router, Reason::AdministrativeShutdown, message);
            self.routers.push(router);
        }
    }

    /// Binds what routers connect to, as far as it is not bound yet. A router that we dial as well can do without.
    fn listen(&mut self, first: bool) -> Result<(), String> {
        let wanted: BTreeMap<SocketAddr, bool> = self.routers.iter().fold(BTreeMap::new(), |mut all, router| {
            *all.entry(listening_address(&router.settings)).or_default() |= router.settings.passive;
            all
        });
        self.listeners.retain(|address, _| wanted.contains_key(address));
        let mut result = Ok(());
        for (address, required) in wanted {
            if let Some(Ok(_)) = self.listeners.get(&address) {
                continue;
            }
            let peers = self.routers.iter().map(|router| &router.settings);
            let peers: Vec<&Peer> = peers.filter(|peer| listening_address(peer) == address).collect();
            let bound = sockets::listen(address, &peers).map_err(|error| error.to_string());
            match &bound {
                Ok(_) => tracing::info!("routers can connect to {address}"),
                Err(error) if required => {
                    let message = format!("routers that are to connect can't: {address}: {error}");
                    if first && self.listeners.is_empty() {
                        result = Err(message);
                    } else if self.listeners.get(&address).is_none() {
                        tracing::error!("{message}");
                    }
                }
                Err(error) => tracing::debug!("routers can't connect to {address}: {error}; they are dialled"),
            }
            self.listeners.insert(address, bound);
        }
        result
    }

    /// Looks at all sockets. Whoever polls is woken when there is more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Event>> {
        let mut events = Vec::new();
        for listener in self.listeners.values().flatten() {
            for _ in 0..ACCEPTS_MAX {
                match listener.poll_accept(cx) {
                    Poll::Ready(Ok((stream, address))) => events.push(Event::Accepted(stream, address)),
                    // A connection that was gone before it was taken, or no descriptors: it is tried again when woken.
                    Poll::Ready(Err(error)) => {
                        tracing::debug!("a connection can't be taken: {error}");
                        break;
                    }
                    Poll::Pending => break,
                }
            }
        }
        let mut sessions = Vec::new();
        for (place, router) in self.routers.iter_mut().enumerate() {
            router.poll(cx, &mut self.buffer, &mut sessions);
            events.extend(sessions.drain(..).map(|event| Event::Session(place, event)));
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(events) }
    }

    /// Until nothing waits to be sent.
    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = self.routers.iter_mut().map(|router| router.poll_flushed(cx)).filter(Poll::is_pending).count() == 0;
        if flushed { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What [`Network::poll`] gave.
    pub(super) fn handle(&mut self, now: Moment, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Session(place, event) => self.session(now, place, event),
                Event::Accepted(stream, address) => {
                    let Some(place) = self.routers.iter().position(|router| router.is_at(address)) else {
                        tracing::info!("a connection from {address} is refused: no peer has this address");
                        continue;
                    };
                    if let Some(event) = self.routers[place].offer(stream) {
                        self.session(now, place, event);
                    }
                }
            }
        }
    }

    fn session(&mut self, now: Moment, place: usize, event: session::Event) {
        let Some(router) = self.routers.get_mut(place) else { return };
        let mut notices = Vec::new();
        router.handle(now, event, &mut notices);
        self.notices.extend(notices.into_iter().map(|notice| (router.settings.name.clone(), notice)));
    }

    /// Sets the routes of all sessions.
    pub(super) fn announce(&mut self, now: Moment, routes: &Routes) {
        for place in 0..self.routers.len() {
            self.session(now, place, session::Event::Routes(routes.clone()));
        }
    }

    /// Once a second: gives each session its routes again that lacks some, and binds what could not be bound.
    pub(super) fn repair(&mut self, now: Moment, routes: &Routes) {
        let lacks = |router: &Router| {
            let Some(advertised) = router.session.advertised() else { return false };
            let obstacles = router.session.unannounced().count();
            advertised.len() + obstacles != routes.keys().filter(|prefix| router.takes(**prefix)).count()
                || advertised.keys().any(|prefix| !routes.contains_key(prefix))
        };
        let places: Vec<usize> = (0..self.routers.len()).filter(|place| lacks(&self.routers[*place])).collect();
        for place in places {
            self.session(now, place, session::Event::Routes(routes.clone()));
        }
        if self.listeners.values().any(Result::is_err) {
            // What is missing was told when it was found.
            let _ = self.listen(false);
        }
    }

    /// The time has come for some sessions.
    pub(super) fn tick(&mut self, now: Moment) {
        for place in 0..self.routers.len() {
            if self.routers[place].session.deadline().is_some_and(|deadline| deadline <= now) {
                self.session(now, place, session::Event::Tick);
            }
        }
    }

    /// When [`Network::tick`] is wanted.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.routers.iter().filter_map(|router| router.session.deadline()).min()
    }

    /// Whether any router may send packets here for a prefix.
    pub(super) fn may_hold(&self, prefix: Prefix) -> bool {
        self.routers.iter().any(|router| router.session.may_hold(prefix))
    }

    /// The routers, in the order of the settings.
    pub(super) fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// Writes the log lines that have waited.
    pub(super) fn log(&mut self) {
        for (router, notice) in self.notices.drain(..) {
            match notice.level() {
                tracing::Level::WARN | tracing::Level::ERROR => tracing::warn!(%router, "{router}: {notice}"),
                tracing::Level::INFO => tracing::info!(%router, "{router}: {notice}"),
                _ => tracing::debug!(%router, "{router}: {notice}"),
            }
        }
    }
}

/// Where a router connects to.
fn listening_address(peer: &Peer) -> SocketAddr {
    let any: IpAddr =
        if peer.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(peer.local_address.unwrap_or(any), peer.port)
}

fn session_settings(settings: &Settings, peer: &Peer) -> bgp::Peer {
    bgp::Peer {
        families: peer.families.iter().copied().collect(),
        passive: peer.passive,
        hold_time_secs: u16::try_from(peer.hold_time.as_secs()).unwrap_or(u16::MAX),
        connect_retry: peer.connect_retry,
        role: peer.role,
        strict_role: peer.strict_role,
        receive_alarm: Some(peer.receive_alarm),
        receive_limit: peer.receive_limit,
        own_prefixes: settings.prefixes.iter().map(|announced| announced.prefix).collect(),
        ..bgp::Peer::new(settings.local_as, peer.asn, settings.router_id)
    }
}

/// Of the system's own randomness: each hasher has new keys.
fn seed() -> u64 {
    RandomState::new().hash_one(0u8)
}
