//! BGP's connections: dialled and accepted, with TTLs as set, and with GTSM (RFC 5082).

use super::authentication::{Authentication, authenticate};
use super::system::{first_segment, set_option};
use super::{Error, domain, other, set_sent_ttl, set_traffic_class};
use crate::announce::prefix::Family;
use libc::c_int;
use socket2::{Protocol, Socket, Type};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Sleep, sleep, timeout};

/// How long the router may leave unacknowledged what it was sent, or take nothing (TCP_USER_TIMEOUT): longer than usual hold times,
/// which find most faults sooner. Not one: a router whose window is shut, and that goes on talking. Our KEEPALIVEs are
/// so small that the system's buffer takes them for hours, and the send-hold timer (RFC 9687) sees nothing; meanwhile
/// no withdrawal gets through.
const USER_TIMEOUT: Duration = Duration::from_secs(240);
/// Connections that wait to be accepted.
const BACKLOG: c_int = 64;
/// Pause after an `accept` that failed for want of something, such as file descriptors: it would fail again at once, and again.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// How far packets go, and have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Sent with this TTL: 1 for a peer on the same link. What comes may have any.
    Sent(u8),
    /// GTSM (RFC 5082): sent with TTL 255; what comes from farther than so many hops (1: the same link) is dropped.
    Security {
        /// At least 1.
        hops: u8,
    },
}

impl Ttl {
    fn sent(self) -> u8 {
        match self {
            Ttl::Sent(ttl) => ttl,
            Ttl::Security { .. } => u8::MAX,
        }
    }

    /// Least TTL received; `None`: any.
    fn least(self) -> Option<u8> {
        match self {
            Ttl::Sent(_) => None,
            // At one hop nothing has taken from the 255.
            Ttl::Security { hops } => Some(u8::MAX - hops.saturating_sub(1)),
        }
    }
}

/// What a connection to or from a router needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the settings, for errors.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// TTLs.
    pub ttl: Ttl,
    /// What segments are authenticated with.
    pub authentication: Option<Authentication>,
}

/// Whether this kernel has all that a peer's settings ask for, tried on a socket that is thrown away: a reload can be refused
/// before anything changes.
pub fn check(peer: &Peer) -> Result<(), Error> {
    outgoing(peer).map(|_| ())
}

/// Connects to a peer, from a local address if there is one, within `limit`. What the peer's settings ask for is in force
/// before the first segment. Whoever drops the future gives up the attempt.
pub fn dial(
    peer: &Peer,
    local: Option<IpAddr>,
    port: u16,
    limit: Duration,
) -> impl Future<Output = Result<TcpStream, Error>> + Send + use<> {
    let peer = peer.clone();
    async move {
        let socket = outgoing(&peer)?;
        if let Some(local) = local {
            socket.bind(&SocketAddr::new(local, 0).into()).map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => Error::LocalAddress { peer: peer.name.clone(), address: local },
                _ => other(&peer.name, "bind to `local-address`")(error),
            })?;
        }
        let address = SocketAddr::new(peer.address, port);
        match timeout(limit, TcpSocket::from_std_stream(socket.into()).connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Error::Connect { peer: peer.name, address, error }),
            Err(_) => Err(Error::Silent { peer: peer.name, address, limit }),
        }
    }
}

fn outgoing(peer: &Peer) -> Result<Socket, Error> {
    let socket = tcp_socket(peer.address).map_err(other(&peer.name, "make a socket"))?;
    authenticate(&socket, peer, true)?;
    set_ttl(&socket, peer).map_err(other(&peer.name, "set `ttl-security` or `multihop`"))?;
    Ok(socket)
}

fn tcp_socket(address: IpAddr) -> io::Result<Socket> {
    let socket = Socket::new(domain(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    // Connections have it from the socket that accepts them.
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    set_traffic_class(&socket, address)?;
    Ok(socket)
}

/// TTL of what is sent, and with GTSM the least of what is received.
fn set_ttl(socket: &impl AsFd, peer: &Peer) -> io::Result<()> {
    set_sent_ttl(socket, peer.address, peer.ttl.sent())?;
    peer.ttl.least().map_or(Ok(()), |least| set_least_ttl(socket, peer.address, least))
}

fn set_least_ttl(socket: &impl AsFd, address: IpAddr, least: u8) -> io::Result<()> {
    let (level, name) = match address {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    set_option(socket.as_fd(), level, name, &c_int::from(least))
}

/// Listens for the connections of peers at one local address.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    peers: Vec<Peer>,
    /// TTL below which the kernel drops whatever comes.
    least_ttl: Option<u8>,
    pause: RefCell<Option<Pin<Box<Sleep>>>>,
}

/// A connection that a peer made.
#[derive(Debug)]
pub struct Accepted {
    /// The peer's address: that of its settings.
    pub peer: IpAddr,
    /// Authenticated and guarded as the peer's settings ask for.
    pub stream: TcpStream,
}

impl Listener {
    /// Listens at an address and port; the address may be unspecified. Of the peers, those of its family are let in, each
    /// with its key. When they change, the listener is dropped and bound anew; connections that were accepted stay.
    pub fn bind(address: SocketAddr, peers: &[Peer]) -> Result<Listener, Error> {
        let peers: Vec<Peer> =
            peers.iter().filter(|peer| Family::of(peer.address) == Family::of(address.ip())).cloned().collect();
        let socket = tcp_socket(address.ip()).map_err(other(address, "make a socket"))?;
        if address.is_ipv6() {
            // Keys of IPv4 peers would be looked for under IPv4-mapped addresses: each family has listeners of its own.
            socket.set_only_v6(true).map_err(other(address, "IPV6_V6ONLY"))?;
        }
        socket.set_reuse_address(true).map_err(other(address, "SO_REUSEADDR"))?;
        // Its answers to first segments serve all peers, those with GTSM too.
        set_sent_ttl(&socket, address.ip(), u8::MAX).map_err(other(address, "set the TTL"))?;
        // Keeps each connection's first segment until it is asked for: its TTL.
        set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_SAVE_SYN, &1)
            .map_err(other(address, "TCP_SAVE_SYN"))?;
        for peer in &peers {
            authenticate(&socket, peer, false)?;
        }
        // None unless all of them have GTSM.
        let least_ttl = peers.iter().map(|peer| peer.ttl.least()).min().flatten();
        if let Some(least) = least_ttl {
            set_least_ttl(&socket, address.ip(), least).map_err(other(address, "set the least TTL"))?;
        }
        socket.bind(&address.into()).map_err(|error| Error::bind(address, error))?;
        socket.listen(BACKLOG).map_err(|error| Error::bind(address, error))?;
        let listener = TcpListener::from_std(socket.into()).map_err(other(address, "register"))?;
        let address = listener.local_addr().map_err(other(address, "getsockname"))?;
        Ok(Listener { listener, address, peers, least_ttl, pause: RefCell::new(None) })
    }

    /// Where it listens; port 0 is resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection of a peer. Errors are about one connection, which is closed then, or about the process
    /// ([`Error::Other`], such as too many open files: then there is none for a second).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<Accepted, Error>> {
        let mut pause = self.pause.borrow_mut();
        if let Some(pausing) = pause.as_mut() {
            ready!(pausing.as_mut().poll(cx));
            *pause = None;
        }
        let accepted = ready!(self.listener.poll_accept(cx));
        let want = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
        if accepted.as_ref().is_err_and(|error| error.raw_os_error().is_some_and(|code| want.contains(&code))) {
            *pause = Some(Box::pin(sleep(ACCEPT_PAUSE)));
        }
        Poll::Ready(accepted.map_err(other(self.address, "accept")).and_then(|(stream, from)| self.admit(stream, from)))
    }

    fn admit(&self, stream: TcpStream, from: SocketAddr) -> Result<Accepted, Error> {
        let peer = self.peers.iter().find(|peer| peer.address == from.ip()).ok_or(Error::Stranger(from))?;
        // IP_MINTTL of a listener is the same for all peers, so that the first segment is judged here; all later ones are
        // judged by the kernel.
        if let Some(least) = peer.ttl.least().filter(|least| self.least_ttl.is_none_or(|judged| judged < *least)) {
            match first_ttl(&stream) {
                Some(ttl) if ttl >= least => {}
                Some(ttl) => return Err(Error::Far { peer: peer.name.clone(), ttl, least }),
                None => return Err(Error::Unknown { peer: peer.name.clone() }),
            }
        }
        set_ttl(&stream, peer).map_err(other(&peer.name, "set `ttl-security` or `multihop`"))?;
        stream.set_nodelay(true).map_err(other(&peer.name, "TCP_NODELAY"))?;
        Ok(Accepted { peer: peer.address, stream })
    }
}

/// TTL or hop limit of a connection's first segment, where the kernel has kept it.
fn first_ttl(stream: &TcpStream) -> Option<u8> {
    let mut segment = [0; 256];
    let segment = first_segment(stream.as_fd(), &mut segment)?;
    match segment.first()? >> 4 {
        4 => segment.get(8).copied(),
        6 => segment.get(7).copied(),
        _ => None,
    }
}
