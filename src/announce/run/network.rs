//! All routers together: their sessions, the connections that they make to us, and BFD beside them.

use super::peers::{self, Router};
use crate::announce::Moment;
use crate::announce::bfd::packet::your_discriminator;
use crate::announce::bfd::session as bfd;
use crate::announce::bgp::notification::Reason;
use crate::announce::bgp::session::{self, Notice, Session};
use crate::announce::bgp::settings as bgp;
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use crate::announce::settings::{Peer, Settings};
use crate::announce::sockets::{self, Accepted, BfdReceiver, Datagram, Listener};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

/// Octets of one read.
const READ_LEN: usize = 16 * 1024;
/// Connections taken before the others get their turn.
const ACCEPTS_MAX: usize = 16;
/// BFD packets taken before the others get their turn.
const DATAGRAMS_MAX: usize = 64;
/// BFD packets taken of a socket that wakes nobody: more than the system lets wait there. Of those that waited while this process
/// was stopped the last one counts.
const LOOK_MAX: usize = 1024;
/// Octets of a BFD packet that are looked at: more than one has without authentication, which is not taken (RFC 5880 4.1).
const DATAGRAM_LEN: usize = 64;
/// Sockets for BFD wake nobody while we look at them so often anyway, as some session is Up and sends: less than half of what
/// wakes us is left. What this costs is that a router's word (Down, a poll) waits so long at most. Its silence is found in time all
/// the same: the kernel tells when each packet arrived, and a last look goes before the end of a detection time.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(100);
/// After more packets than anybody sends in that time, they wake us as they come for so long: what waits must not fill the socket.
const CROWDED: Duration = Duration::from_secs(10);
/// Pause between lines about refused connections.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

/// What happened.
pub(super) enum Event {
    /// To the session of a router, by its place.
    Session(usize, session::Event),
    /// A router has connected.
    Accepted(Accepted),
    /// Somebody has connected who may not, or whose connection was gone before it was taken.
    Refused(sockets::Error),
    /// A BFD packet.
    Datagram(Datagram, [u8; DATAGRAM_LEN]),
}

impl Event {
    /// Whether it is a BFD packet.
    pub(super) fn is_datagram(&self) -> bool {
        matches!(self, Event::Datagram(..))
    }
}

/// The routers and their sockets. Empty until [`Network::set`].
#[derive(Default)]
pub(super) struct Network {
    routers: Vec<Router>,
    /// Sockets that routers connect to, and why one can't be had.
    listeners: BTreeMap<SocketAddr, Result<Listener, String>>,
    /// Sockets for BFD, and why one can't be had.
    receivers: BTreeMap<SocketAddr, Result<BfdReceiver, String>>,
    /// Until when BFD's sockets are looked at as packets come, for there were too many.
    crowded: Moment,
    /// When it was last told that a connection was refused.
    refused: Option<Moment>,
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
            let internal = peer.asn == settings.local_as;
            let place = old.iter().position(|router| router.settings.name == peer.name);
            // Read again: the key in the file may be another one.
            let link = peers::link(peer, internal);
            let router = match place.map(|place| old.remove(place)) {
                Some(mut router) if same_identity && router.is_for(peer) && router.link == link => {
                    let own = session::Event::OwnPrefixes(own_prefixes(settings));
                    self.with(&mut router, |router, notices| {
                        router.handle(now, own, notices);
                        router.retime(now, peer, notices);
                    });
                    router
                }
                former => {
                    if let Some(mut router) = former {
                        self.stop(now, &mut router, Reason::AdministrativeReset, "the announcer's settings changed");
                    }
                    let checked = |link: &sockets::Peer| sockets::check(link).map_err(|error| error.to_string());
                    if let Err(error) = link.as_ref().map_err(Clone::clone).and_then(checked) {
                        tracing::error!(router = %peer.name, "{error}");
                    }
                    let session = Session::new(session_settings(settings, peer), peers::seed());
                    Router::new(peer.clone(), link, internal, session)
                }
            };
            self.routers.push(router);
        }
        for mut router in old {
            self.stop(now, &mut router, Reason::PeerDeconfigured, "");
        }
        // Anew, as keys may have changed. Connections stay.
        self.listeners.clear();
        let result = self.listen(true);
        self.receive(now);
        self.each(|router, notices| router.start(now, notices));
        result
    }

    fn stop(&mut self, now: Moment, router: &mut Router, reason: Reason, message: &str) {
        self.with(router, |router, notices| router.stop(now, reason, message, notices));
    }

    /// Does something with a router that is not in its place.
    fn with(&mut self, router: &mut Router, act: impl FnOnce(&mut Router, &mut Vec<Notice>)) {
        let mut notices = Vec::new();
        act(router, &mut notices);
        self.notices.extend(notices.into_iter().map(|notice| (router.settings.name.clone(), notice)));
    }

    /// Ends all sessions; `message` is for the routers' operators (RFC 9003).
    pub(super) fn stop_all(&mut self, now: Moment, message: &str) {
        self.listeners.clear();
        self.each(|router, notices| router.stop(now, Reason::AdministrativeShutdown, message, notices));
    }

    fn each(&mut self, mut act: impl FnMut(&mut Router, &mut Vec<Notice>)) {
        for router in &mut self.routers {
            let mut notices = Vec::new();
            act(router, &mut notices);
            self.notices.extend(notices.into_iter().map(|notice| (router.settings.name.clone(), notice)));
        }
    }

    /// Binds what routers connect to, as far as it is not bound yet. A router that we dial as well can do without.
    fn listen(&mut self, first: bool) -> Result<(), String> {
        let wanted: BTreeMap<SocketAddr, bool> = self.routers.iter().fold(BTreeMap::new(), |mut all, router| {
            *all.entry(self.listening_address(&router.settings)).or_default() |= router.settings.passive;
            all
        });
        self.listeners.retain(|address, _| wanted.contains_key(address));
        let mut result = Ok(());
        for (address, required) in wanted {
            if let Some(Ok(_)) = self.listeners.get(&address) {
                continue;
            }
            let of_address = self.routers.iter().filter(|router| self.listening_address(&router.settings) == address);
            // A router whose key can't be had is not let in; what is the matter with it was told.
            let peers = of_address.filter_map(|router| peers::link(&router.settings, router.internal).ok());
            let bound = Listener::bind(address, &peers.collect::<Vec<_>>()).map_err(|error| error.to_string());
            match &bound {
                Ok(_) => tracing::info!("routers can connect to {address}"),
                Err(error) if required => {
                    if first {
                        result = Err(format!("routers that are to connect can't: {error}"));
                    }
                }
                Err(error) if first => tracing::info!("routers can't connect to us, and are dialled only: {error}"),
                Err(_) => {}
            }
            self.listeners.insert(address, bound);
        }
        result
    }

    /// Where a router connects to. The system lets nobody listen at an address beside all of them: where one router may
    /// connect to any, all of its port do, and a connection is judged when it has come.
    fn listening_address(&self, peer: &Peer) -> SocketAddr {
        let anywhere = |other: &Router| {
            let Peer { address, port, local_address, .. } = other.settings;
            (address.is_ipv4(), port, local_address) == (peer.address.is_ipv4(), peer.port, None)
        };
        let local = peer.local_address.filter(|_| !self.routers.iter().any(anywhere));
        SocketAddr::new(local.unwrap_or(peers::unspecified(peer.address)), peer.port)
    }

    /// Binds what BFD needs, as far as it is not bound yet.
    fn receive(&mut self, now: Moment) {
        let with_bfd = self.routers.iter().filter_map(|router| Some((&router.settings, router.bfd.as_ref()?)));
        let wanted: BTreeSet<SocketAddr> = with_bfd
            .map(|(peer, bfd)| {
                SocketAddr::new(peer.local_address.unwrap_or(peers::unspecified(peer.address)), bfd.session.port())
            })
            .collect();
        self.receivers.retain(|address, _| wanted.contains(address));
        for address in wanted {
            let before = self.receivers.get(&address);
            if let Some(Ok(_)) = before {
                continue;
            }
            let bound = BfdReceiver::bind(address).map_err(|error| error.to_string());
            if let Err(error) = &bound
                && !matches!(before, Some(Err(before)) if before == error)
            {
                tracing::error!("no BFD: {error}");
            }
            self.receivers.insert(address, bound);
        }
        self.watch(now);
    }

    /// Lets BFD's packets wake us, or not, as its sessions are now.
    fn watch(&mut self, now: Moment) {
        let mut rhythms = self.routers.iter().filter_map(|router| router.bfd.as_ref()?.session.rhythm());
        let wanted = now < self.crowded || !rhythms.any(|rhythm| rhythm <= LOOK_PAUSE_MAX);
        for receiver in self.receivers.values_mut().flatten() {
            if let Err(error) = receiver.watch(wanted) {
                tracing::error!("BFD at {}: the socket can't be watched: {error}", receiver.address());
            }
        }
    }

    /// Takes the BFD packets that wake nobody.
    fn look(&mut self, now: Moment) {
        let mut datagrams = Vec::new();
        for receiver in self.receivers.values().flatten().filter(|receiver| !receiver.is_watched()) {
            for _ in 0..LOOK_MAX {
                let mut octets = [0; DATAGRAM_LEN];
                match receiver.take(&mut octets) {
                    Ok(Some(datagram)) => datagrams.push((datagram, octets)),
                    Ok(None) => break,
                    // Nothing that concerns a later one.
                    Err(_) => {}
                }
            }
        }
        if datagrams.len() > DATAGRAMS_MAX {
            self.crowded = now + CROWDED;
        }
        for (datagram, octets) in datagrams {
            self.datagram(now, &datagram, &octets);
        }
    }

    /// Looks at all sockets. Whoever polls is woken when there is more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Event>> {
        let mut events = Vec::new();
        for receiver in self.receivers.values().flatten() {
            for _ in 0..DATAGRAMS_MAX {
                let mut octets = [0; DATAGRAM_LEN];
                match receiver.poll_receive(cx, &mut octets) {
                    Poll::Ready(Ok(datagram)) => events.push(Event::Datagram(datagram, octets)),
                    // Nothing that concerns a later one.
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => break,
                }
            }
        }
        // Before new connections: one that was closed must not be taken for the one that comes in its place.
        let mut sessions = Vec::new();
        for (place, router) in self.routers.iter_mut().enumerate() {
            router.poll(cx, &mut self.buffer, &mut sessions);
            events.extend(sessions.drain(..).map(|event| Event::Session(place, event)));
        }
        for listener in self.listeners.values().flatten() {
            for _ in 0..ACCEPTS_MAX {
                match listener.poll_accept(cx) {
                    Poll::Ready(Ok(accepted)) => events.push(Event::Accepted(accepted)),
                    Poll::Ready(Err(error)) => {
                        let pause = matches!(error, sockets::Error::Other { .. });
                        events.push(Event::Refused(error));
                        if pause {
                            break;
                        }
                    }
                    Poll::Pending => break,
                }
            }
        }
        if events.is_empty() { Poll::Pending } else { Poll::Ready(events) }
    }

    /// Until nothing waits to be sent.
    pub(super) fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed =
            self.routers.iter_mut().map(|router| router.poll_flushed(cx)).filter(Poll::is_pending).count() == 0;
        if flushed { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What [`Network::poll`] gave.
    pub(super) fn handle(&mut self, now: Moment, events: Vec<Event>) {
        let beat = events.iter().any(Event::is_datagram);
        for event in events {
            match event {
                Event::Session(place, event) => self.session(now, place, event),
                Event::Accepted(Accepted { peer, stream }) => {
                    // Two of one address come to ports of their own.
                    let local = stream.local_addr().ok();
                    let is_it = |router: &Router| {
                        let Peer { address, port, local_address, .. } = router.settings;
                        address == peer
                            && local.is_some_and(|local| {
                                local.port() == port && local_address.is_none_or(|ours| ours == local.ip())
                            })
                    };
                    if let Some(place) = self.routers.iter().position(is_it)
                        && let Some(event) = self.routers[place].offer(stream)
                    {
                        self.session(now, place, event);
                    }
                }
                Event::Refused(error) => {
                    if self.refused.is_none_or(|told| told + REFUSAL_PAUSE <= now) {
                        self.refused = Some(now);
                        tracing::warn!("{error}");
                    }
                }
                Event::Datagram(datagram, octets) => self.datagram(now, &datagram, &octets),
            }
        }
        if beat {
            self.each(|router, notices| router.beat(now, bfd::Event::Awake, notices));
            self.watch(now);
        }
    }

    /// A BFD packet is for the session that it names, or while it can't name one, for that with its sender (RFC 5880 6.3).
    fn datagram(&mut self, now: Moment, datagram: &Datagram, octets: &[u8]) {
        let Some(octets) = octets.get(..datagram.len) else { return };
        let discriminator = your_discriminator(octets);
        let is_meant = |router: &Router| {
            let Some(bfd) = &router.bfd else { return false };
            match discriminator {
                Some(discriminator) => bfd.session.discriminator() == discriminator,
                None => {
                    router.settings.address == datagram.from.ip()
                        && router.settings.local_address.is_none_or(|local| local == datagram.to)
                }
            }
        };
        let Some(router) = self.routers.iter_mut().find(|router| is_meant(router)) else { return };
        let mut notices = Vec::new();
        router.beat(now, bfd::Event::Packet { octets, ttl: datagram.ttl, at: datagram.at }, &mut notices);
        self.notices.extend(notices.into_iter().map(|notice| (router.settings.name.clone(), notice)));
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
        if self.receivers.values().any(Result::is_err) {
            self.receive(now);
        }
    }

    /// The time has come for some sessions. What waits in sockets is heard before.
    pub(super) fn tick(&mut self, now: Moment) {
        self.look(now);
        self.each(|router, notices| router.tick(now, notices));
        self.watch(now);
    }

    /// When [`Network::tick`] is wanted.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.routers.iter().filter_map(Router::deadline).min()
    }

    /// Whether any router may send packets here for a prefix.
    pub(super) fn may_hold(&self, prefix: Prefix) -> bool {
        self.routers.iter().any(|router| router.session.may_hold(prefix))
    }

    /// The routers, in the order of the settings.
    pub(super) fn routers(&self) -> &[Router] {
        &self.routers
    }

    /// Whether there is something for the log: no session changes without.
    pub(super) fn has_news(&self) -> bool {
        !self.notices.is_empty()
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
fn own_prefixes(settings: &Settings) -> BTreeSet<Prefix> {
    settings.prefixes.iter().map(|announced| announced.prefix).collect()
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
        own_prefixes: own_prefixes(settings),
        ..bgp::Peer::new(settings.local_as, peer.asn, settings.router_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::settings;

    #[tokio::test]
    async fn routers_that_share_a_port_or_an_address_are_told_apart() {
        use tokio::io::AsyncReadExt;
        use tokio::net::TcpSocket;

        let free = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let [one, other] = free.map(|listener| listener.local_addr().unwrap().port());
        let peer = |name: &str, number: u8, port: u16, more: &str| {
            format!(
                "[[peer]]\nname = \"{name}\"\naddress = \"127.0.0.{number}\"\nas = 64500\nport = {port}\npassive = true\n\
                 {more}\n"
            )
        };
        let local = "local-address = \"127.0.0.1\"";
        let text = String::from("router-id = \"192.0.2.1\"\nlocal-as = 64501\n")
            + "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n"
            + "[[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\"]\n"
            + &peer("a", 2, one, local)
            + &peer("anywhere", 3, one, "")
            + &peer("of-the-same-address", 2, other, local);
        let mut network = Network::default();
        network.set(Duration::ZERO, &settings::parse("announcer.toml".as_ref(), &text).unwrap().0).unwrap();

        use session::State::{Active, OpenSent};
        let mut kept = Vec::new();
        for (from, to, port, states) in [
            (2, 9, one, [Active, Active, Active]),
            (3, 9, one, [Active, OpenSent, Active]),
            (2, 1, other, [Active, OpenSent, OpenSent]),
            (2, 1, one, [OpenSent, OpenSent, OpenSent]),
        ] {
            let before: Vec<_> = network.routers().iter().map(|router| router.session.snapshot().state).collect();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(([127, 0, 0, from], 0).into()).unwrap();
            let mut stream = socket.connect(([127, 0, 0, to], port).into()).await.unwrap();
            let mut came = false;
            while !came {
                let events = std::future::poll_fn(|cx| network.poll(cx)).await;
                came = events.iter().any(|event| matches!(event, Event::Accepted(_)));
                network.handle(Duration::ZERO, events);
            }
            let after: Vec<_> = network.routers().iter().map(|router| router.session.snapshot().state).collect();
            assert_eq!(after, states, "from 127.0.0.{from} to 127.0.0.{to}:{port}");
            if after == before {
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "whoever is no peer is closed");
            } else {
                kept.push(stream);
            }
        }
    }

    /// Since when each session has been as it is.
    fn since(network: &Network) -> Vec<u64> {
        network.routers().iter().map(|router| router.session.snapshot().since.as_secs()).collect()
    }

    #[tokio::test]
    async fn settings_end_only_sessions_that_they_change() {
        let directory = std::env::temp_dir().join(format!("catchment-network-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let peer = |name: &str, number: u8, more: &str| {
            format!(
                "[[peer]]\nname = \"{name}\"\naddress = \"127.0.0.{number}\"\nas = 64500\nport = 1790\npassive = true\n\
                 password-file = \"{name}\"\n{more}\n"
            )
        };
        let head = "router-id = \"192.0.2.1\"\nlocal-as = 64501\n\
                    [[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n\
                    [[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\"]\n";
        let [a, b, c] = [peer("a", 1, ""), peer("b", 2, ""), peer("c", 3, "")];
        let read = |text: String| settings::parse(&directory.join("announcer.toml"), &text).unwrap().0;
        for name in ["a", "b", "c"] {
            std::fs::write(directory.join(name), format!("secret of {name}\n")).unwrap();
        }
        let mut network = Network::default();
        let mut set = |at: u64, text: String| {
            // Whether the port is free does not matter here.
            let _ = network.set(Duration::from_secs(at), &read(text));
            since(&network)
        };
        assert_eq!(set(1, format!("{head}{a}{b}")), [1, 1]);
        assert_eq!(set(2, format!("{head}{a}{b}")), [1, 1], "the same");
        assert_eq!(set(3, format!("{head}{a}{b}{c}")), [1, 1, 3], "one more");
        assert_eq!(set(4, format!("{head}{c}{a}{b}")), [3, 1, 1], "another order");
        std::fs::write(directory.join("a"), "another secret\n").unwrap();
        assert_eq!(set(5, format!("{head}{a}{b}{c}")), [5, 1, 3], "another key in the same file");
        assert_eq!(set(6, format!("{head}{a}{b}{}", peer("c", 3, "hold-time = \"6s\""))), [5, 1, 6]);
        let bfd = |pace: &str| peer("c", 3, &format!("[peer.bfd]\n{pace}"));
        assert_eq!(set(7, format!("{head}{a}{b}{}", bfd(""))), [5, 1, 7], "with BFD");
        let paced = format!("{head}{a}{b}{}", bfd("interval = \"50ms\"\nmultiplier = 5"));
        assert_eq!(set(8, paced), [5, 1, 7], "BFD's pace changes under way");
        assert_eq!(set(9, format!("{head}{a}{b}{}", bfd("multihop = true"))), [5, 1, 9], "another port");
        assert_eq!(set(10, format!("{head}{b}")), [1], "two are gone");
        assert_eq!(set(11, format!("{}{b}", head.replace("64501", "64502"))), [11], "we are somebody else");
        let _ = std::fs::remove_dir_all(directory);
    }
}
