//! The sockets of the sidecar, its addresses and its clock: the only file of it that knows system calls.
//!
//! BGP: [`dial`] and [`Listener`] give connections with all that the peer's settings ask for already in force before the
//! first segment: TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925), the TTL, and with GTSM (RFC 5082) the least TTL of what is
//! received. What cannot be had is an [`Error`], never a connection without it.
//!
//! BFD: [`BfdReceiver`], one a family and port for all sessions, tells the TTL of each datagram; each session has a
//! [`BfdSender`] of its own, with a source port of its own (RFC 5881 4).
//!
//! Reads no settings and logs nothing: both are up to who calls.
#![allow(unsafe_code)]

use super::Moment;
use super::prefix::{Family, Prefix};
use libc::{c_int, c_void};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Octets of a key, at most: of the kernel's structures for both kinds of authentication.
pub const KEY_LEN_MAX: usize = 80;
/// Class selector 6, what routing protocols are marked with (RFC 4594 3.2).
const TRAFFIC_CLASS: u32 = 0xc0;
/// Connections that wait to be accepted.
const BACKLOG: c_int = 64;
/// Source ports of BFD (RFC 5881 4): this and all above.
const BFD_SOURCE_PORT_MIN: u16 = 49152;
/// Source ports tried before one more is not free for another reason.
const BFD_SOURCE_PORT_TRIES: u64 = 64;

/// Octets of a password or key. Not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// A secret of these octets.
    pub fn new(octets: &[u8]) -> Secret {
        Secret(octets.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// How TCP segments of a session are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// TCP-MD5 (RFC 2385), with a key of 1 to [`KEY_LEN_MAX`] octets.
    Md5(Secret),
    /// TCP-AO (RFC 5925), with one key of 1 to [`KEY_LEN_MAX`] octets.
    Ao {
        /// The master key.
        secret: Secret,
        /// KeyID of segments that are sent.
        send_id: u8,
        /// KeyID of segments that are received.
        receive_id: u8,
        /// What makes session keys and codes.
        algorithm: Algorithm,
    },
}

/// The algorithms that every TCP-AO has (RFC 5926 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1-96.
    HmacSha1,
    /// AES-128-CMAC-96.
    Aes128Cmac,
}

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

/// Why there is no connection or socket, which setting it is about, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key has no octets, or too many.
    #[error("peer {peer}: a key of {octets} octets in `{setting}`: it must have 1 to 80, and the same at the router")]
    KeyLength {
        /// Name of the peer.
        peer: String,
        /// `password-file` or `tcp-ao`.
        setting: &'static str,
        /// How many.
        octets: usize,
    },
    /// The kernel has no TCP-MD5.
    #[error(
        "peer {peer}: `password-file` asks for TCP-MD5, which this kernel refuses ({error}): run one with CONFIG_TCP_MD5SIG; \
         there is no session without it"
    )]
    Md5 {
        /// Name of the peer.
        peer: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The kernel has no TCP-AO.
    #[error(
        "peer {peer}: `tcp-ao` is not in this kernel ({error}): run Linux 6.7 or newer with CONFIG_TCP_AO, or agree with the \
         router's operator on `password-file`; there is no session without either"
    )]
    AoMissing {
        /// Name of the peer.
        peer: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The kernel has TCP-AO, and does not take the key.
    #[error(
        "peer {peer}: the kernel refuses the key of `tcp-ao` ({error}): check its algorithm; there is no session without it"
    )]
    AoKey {
        /// Name of the peer.
        peer: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The host lacks the local address.
    #[error("peer {peer}: this host has no address {address}: add it to an interface, or correct `local-address`")]
    LocalAddress {
        /// Name of the peer.
        peer: String,
        /// What it lacks.
        address: IpAddr,
    },
    /// The router did not take the connection.
    #[error("peer {peer}: cannot connect to {address}: {error}")]
    Connect {
        /// Name of the peer.
        peer: String,
        /// Where it should be.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// Nothing was heard of the router. A wrong key shows as this: both sides drop what the other sends.
    #[error(
        "peer {peer}: {address} did not answer within {limit:?}: check the route to it, and that both sides have the same \
         `password-file` or `tcp-ao`, `ttl-security` and `multihop`"
    )]
    Silent {
        /// Name of the peer.
        peer: String,
        /// Where it should be.
        address: SocketAddr,
        /// How long it had.
        limit: Duration,
    },
    /// Somebody connected who is no peer; closed.
    #[error("connection from {0}, which is the `address` of no peer: closed")]
    Stranger(SocketAddr),
    /// A peer connected from farther away than it may be; closed.
    #[error("peer {peer}: connection with TTL {ttl}, and `ttl-security` wants {least} or more: closed")]
    Far {
        /// Name of the peer.
        peer: String,
        /// Of its first segment.
        ttl: u8,
        /// What it should have had at least.
        least: u8,
    },
    /// Another process has the port.
    #[error("{0} is in use: stop the other BGP or BFD daemon (`ss -lnptu 'sport = :{port}'` names it)", port = .0.port())]
    InUse(SocketAddr),
    /// The port needs a privilege.
    #[error(
        "no permission to listen on {0}: give the capability CAP_NET_BIND_SERVICE, or lower \
         net.ipv4.ip_unprivileged_port_start; a peer that is only dialled needs neither"
    )]
    NotPermitted(SocketAddr),
    /// The host lacks the address to listen on.
    #[error("this host has no address {}: add it to an interface, or correct `local-address`", .0.ip())]
    NoSuchAddress(SocketAddr),
    /// Something else.
    #[error("{subject}: {step}: {error}")]
    Other {
        /// Which peer or address.
        subject: String,
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl Error {
    fn bind(address: SocketAddr, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::AddrInUse => Error::InUse(address),
            io::ErrorKind::PermissionDenied => Error::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress(address),
            _ => Error::Other { subject: address.to_string(), step: "bind", error },
        }
    }
}

/// Turns an error of some step into [`Error::Other`].
fn other(subject: impl ToString, step: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::Other { subject: subject.to_string(), step, error }
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
    set_traffic_class(&socket, address)?;
    Ok(socket)
}

fn domain(address: IpAddr) -> Domain {
    if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 }
}

fn set_traffic_class(socket: &Socket, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => socket.set_tos_v4(TRAFFIC_CLASS),
        IpAddr::V6(_) => socket.set_tclass_v6(TRAFFIC_CLASS),
    }
}

/// TTL of what is sent, and with GTSM the least of what is received.
fn set_ttl(socket: &impl AsFd, peer: &Peer) -> io::Result<()> {
    set_sent_ttl(socket, peer.address, peer.ttl.sent())?;
    let Some(least) = peer.ttl.least() else { return Ok(()) };
    let (level, name) = match peer.address {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MINTTL),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT),
    };
    set_option(socket.as_fd(), level, name, &c_int::from(least))
}

fn set_sent_ttl(socket: &impl AsFd, address: IpAddr, ttl: u8) -> io::Result<()> {
    let socket = SockRef::from(socket);
    match address {
        IpAddr::V4(_) => socket.set_ttl_v4(ttl.into()),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(ttl.into()),
    }
}

/// A `struct sockaddr_storage` with an address in it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Storage([u8; 128]);

impl Storage {
    fn new(address: IpAddr) -> Storage {
        let mut octets = [0; 128];
        let family = match address {
            IpAddr::V4(address) => {
                octets[4..8].copy_from_slice(&address.octets());
                libc::AF_INET
            }
            IpAddr::V6(address) => {
                octets[8..24].copy_from_slice(&address.octets());
                libc::AF_INET6
            }
        };
        octets[..2].copy_from_slice(&(family as libc::sa_family_t).to_ne_bytes());
        Storage(octets)
    }
}

/// `struct tcp_md5sig` of `linux/tcp.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Md5Key {
    address: Storage,
    flags: u8,
    prefix: u8,
    key_len: u16,
    interface: c_int,
    key: [u8; KEY_LEN_MAX],
}

/// TCP_AO_ADD_KEY of `linux/tcp.h`, since Linux 6.7.
const TCP_AO_ADD_KEY: c_int = 38;

/// `struct tcp_ao_add` of `linux/tcp.h`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct AoKey {
    address: Storage,
    algorithm: [u8; 64],
    interface: i32,
    /// Bit fields: the key is the current one (the first bit), the peer shall use it next (the second).
    flags: u32,
    reserved: u16,
    prefix: u8,
    send_id: u8,
    receive_id: u8,
    /// Octets of the authentication code; 0: as usual, 12.
    code_len: u8,
    key_flags: u8,
    key_len: u8,
    key: [u8; KEY_LEN_MAX],
}

// What the kernel reads.
const _: () = assert!(size_of::<Md5Key>() == 216 && size_of::<AoKey>() == 288);

/// Gives a socket a peer's key. On a listening one it is for connections from that peer's address, and those without it are
/// dropped by the kernel.
fn authenticate(socket: &impl AsFd, peer: &Peer, dialling: bool) -> Result<(), Error> {
    let padded = |setting, secret: &Secret| {
        let octets = secret.0.len();
        let mut key = [0; KEY_LEN_MAX];
        match key.get_mut(..octets).filter(|_| octets > 0) {
            Some(place) => place.copy_from_slice(&secret.0),
            None => return Err(Error::KeyLength { peer: peer.name.clone(), setting, octets }),
        }
        Ok((key, octets as u8))
    };
    match &peer.authentication {
        None => Ok(()),
        Some(Authentication::Md5(secret)) => {
            let (key, key_len) = padded("password-file", secret)?;
            let address = Storage::new(peer.address);
            // Without flags the key is for exactly this address, on any interface.
            let key = Md5Key { address, flags: 0, prefix: 0, key_len: key_len.into(), interface: 0, key };
            set_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_MD5SIG, &key)
                .map_err(|error| Error::Md5 { peer: peer.name.clone(), error })
        }
        Some(Authentication::Ao { secret, send_id, receive_id, algorithm }) => {
            let (key, key_len) = padded("tcp-ao", secret)?;
            let name: &[u8] = match algorithm {
                Algorithm::HmacSha1 => b"hmac(sha1)",
                Algorithm::Aes128Cmac => b"cmac(aes128)",
            };
            let mut algorithm = [0; 64];
            algorithm[..name.len()].copy_from_slice(name);
            // Which key is the current one is a matter of a connection: a listening socket has none.
            let both: u32 = if cfg!(target_endian = "big") { 0b11 << 30 } else { 0b11 };
            let key = AoKey {
                address: Storage::new(peer.address),
                algorithm,
                interface: 0,
                flags: if dialling { both } else { 0 },
                reserved: 0,
                prefix: Family::of(peer.address).bits(),
                send_id: *send_id,
                receive_id: *receive_id,
                code_len: 0,
                key_flags: 0,
                key_len,
                key,
            };
            set_option(socket.as_fd(), libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &key).map_err(|error| {
                let peer = peer.name.clone();
                match error.raw_os_error() {
                    Some(libc::ENOPROTOOPT | libc::EOPNOTSUPP) => Error::AoMissing { peer, error },
                    _ => Error::AoKey { peer, error },
                }
            })
        }
    }
}

/// Listens for the connections of peers at one local address.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    peers: Vec<Peer>,
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
        socket.bind(&address.into()).map_err(|error| Error::bind(address, error))?;
        socket.listen(BACKLOG).map_err(|error| Error::bind(address, error))?;
        let listener = TcpListener::from_std(socket.into()).map_err(other(address, "register"))?;
        let address = listener.local_addr().map_err(other(address, "getsockname"))?;
        Ok(Listener { listener, address, peers })
    }

    /// Where it listens; port 0 is resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection of a peer. Errors are about one connection, which is closed then, or about the process
    /// ([`Error::Other`], such as too many open files: ask again after a pause).
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Result<Accepted, Error>> {
        let accepted = ready!(self.listener.poll_accept(cx));
        Poll::Ready(accepted.map_err(other(self.address, "accept")).and_then(|(stream, from)| self.admit(stream, from)))
    }

    fn admit(&self, stream: TcpStream, from: SocketAddr) -> Result<Accepted, Error> {
        let peer = self.peers.iter().find(|peer| peer.address == from.ip()).ok_or(Error::Stranger(from))?;
        // IP_MINTTL of a listener is the same for all peers, so that the first segment is judged here. With SYN cookies the
        // kernel has not kept it; all later ones are judged by the kernel.
        if let (Some(least), Some(ttl)) = (peer.ttl.least(), first_ttl(&stream))
            && ttl < least
        {
            return Err(Error::Far { peer: peer.name.clone(), ttl, least });
        }
        set_ttl(&stream, peer).map_err(other(&peer.name, "set `ttl-security` or `multihop`"))?;
        stream.set_nodelay(true).map_err(other(&peer.name, "TCP_NODELAY"))?;
        Ok(Accepted { peer: peer.address, stream })
    }
}

/// TTL or hop limit of a connection's first segment, where the kernel has kept it.
fn first_ttl(stream: &TcpStream) -> Option<u8> {
    let mut segment = [0u8; 256];
    let mut len = segment.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` octets, which the buffer has, and both outlive the call.
    let done = unsafe {
        let to = segment.as_mut_ptr().cast::<c_void>();
        libc::getsockopt(stream.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_SAVED_SYN, to, &raw mut len)
    };
    let segment = segment.get(..usize::try_from(len).ok()?).filter(|_| done == 0)?;
    match segment.first()? >> 4 {
        4 => segment.get(8).copied(),
        6 => segment.get(7).copied(),
        _ => None,
    }
}

/// Sets a socket option to a value that the kernel reads.
fn set_option<T: Copy>(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one value, which outlives the call; the kernel only reads it.
    let done = unsafe {
        let value = (&raw const *value).cast::<c_void>();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of::<T>() as libc::socklen_t)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives the BFD control packets of all sessions of a family and port.
#[derive(Debug)]
pub struct BfdReceiver {
    socket: tokio::net::UdpSocket,
    address: SocketAddr,
}

/// A datagram, in the buffer that was given to receive into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Its octets; what the buffer has no room for is cut off.
    pub len: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// The address that it was sent to.
    pub to: IpAddr,
    /// The TTL or hop limit that it arrived with.
    pub ttl: u8,
}

impl BfdReceiver {
    /// Receives at an address, which may be unspecified, and a port: 3784 or 4784.
    pub fn bind(address: SocketAddr) -> Result<BfdReceiver, Error> {
        let socket = Socket::new(domain(address.ip()), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
            .map_err(other(address, "make a socket"))?;
        let options: &[(c_int, c_int)] = match address {
            SocketAddr::V4(_) => &[(libc::IPPROTO_IP, libc::IP_RECVTTL), (libc::IPPROTO_IP, libc::IP_PKTINFO)],
            SocketAddr::V6(_) => &[
                (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
                (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT),
                (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
            ],
        };
        for &(level, name) in options {
            set_option(socket.as_fd(), level, name, &(1 as c_int)).map_err(other(address, "ask for the TTL"))?;
        }
        socket.bind(&address.into()).map_err(|error| Error::bind(address, error))?;
        let socket = tokio::net::UdpSocket::from_std(socket.into()).map_err(other(address, "register"))?;
        let address = socket.local_addr().map_err(other(address, "getsockname"))?;
        Ok(BfdReceiver { socket, address })
    }

    /// Where it receives; port 0 is resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next datagram whose TTL the kernel told.
    pub fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Datagram>> {
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            match self.socket.try_io(Interest::READABLE, || receive(self.socket.as_fd(), buffer)) {
                Ok(Some(datagram)) => return Poll::Ready(Ok(datagram)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Receives one datagram; `None` if the kernel did not say its TTL and destination.
fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut name = Storage([0; 128]);
    // Room for a TTL (24 octets) and the larger pktinfo (40).
    let mut control = Storage([0; 128]);
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all fields of msghdr are integers and pointers, for which zero is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = name.0.as_mut_ptr().cast();
    header.msg_namelen = name.0.len() as _;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: the header points to buffers of the lengths that it says, which live on and to which nothing else refers.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let Ok(len) = usize::try_from(len) else { return Err(io::Error::last_os_error()) };
    let written = (header.msg_controllen as usize).min(control.0.len());
    Ok(datagram(len, &name.0, &control.0[..written]))
}

/// A datagram from the name and the control messages that came with it.
fn datagram(len: usize, name: &[u8; 128], control: &[u8]) -> Option<Datagram> {
    let from = socket_address(name)?;
    let (mut ttl, mut to) = (None, None);
    for (level, kind, data) in control_messages(control) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                ttl = data.first_chunk().and_then(|data| u8::try_from(c_int::from_ne_bytes(*data)).ok());
            }
            // ipi_ifindex, ipi_spec_dst, ipi_addr.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                to = data.get(8..12).and_then(<[u8]>::first_chunk).map(|octets: &[u8; 4]| IpAddr::from(*octets));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                to = data.first_chunk().map(|octets: &[u8; 16]| IpAddr::from(*octets));
            }
            _ => {}
        }
    }
    Some(Datagram { len, from, to: to?, ttl: ttl? })
}

/// Level, type and data of each control message (`cmsg(3)`); ends at one that is malformed.
fn control_messages(mut control: &[u8]) -> impl Iterator<Item = (c_int, c_int, &[u8])> {
    const HEAD: usize = size_of::<libc::cmsghdr>();
    std::iter::from_fn(move || {
        let len = usize::from_ne_bytes(*control.first_chunk()?);
        let [level, kind] = [HEAD - 8, HEAD - 4].map(|at| control.get(at..at + 4)?.first_chunk().copied());
        let message = control.get(..len)?;
        let data = message.get(HEAD..)?;
        control = control.get(len.next_multiple_of(size_of::<usize>())..).unwrap_or_default();
        Some((c_int::from_ne_bytes(level?), c_int::from_ne_bytes(kind?), data))
    })
}

/// The address in a `sockaddr_in` or `sockaddr_in6`.
fn socket_address(name: &[u8; 128]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([name[2], name[3]]);
    match c_int::from(libc::sa_family_t::from_ne_bytes([name[0], name[1]])) {
        libc::AF_INET => Some((Ipv4Addr::from(*name[4..].first_chunk::<4>()?), port).into()),
        libc::AF_INET6 => {
            let address = Ipv6Addr::from(*name[8..].first_chunk::<16>()?);
            let scope = u32::from_ne_bytes(*name[24..].first_chunk()?);
            Some(SocketAddrV6::new(address, port, 0, scope).into())
        }
        _ => None,
    }
}

/// Sends the BFD control packets of one session.
#[derive(Debug)]
pub struct BfdSender {
    socket: UdpSocket,
    address: SocketAddr,
}

impl BfdSender {
    /// Sends from a local address (unspecified: as routing chooses) and a port of 49152 to 65535 that nobody else has, chosen
    /// by the seed (RFC 5881 4). TTL 255 (RFC 5881 5).
    pub fn bind(local: IpAddr, seed: u64) -> Result<BfdSender, Error> {
        let mut tries = 0u64..;
        loop {
            let at = tries.next().unwrap_or(u64::MAX);
            let drawn = xxh3_64_with_seed(&at.to_le_bytes(), seed) % u64::from(u16::MAX - BFD_SOURCE_PORT_MIN + 1);
            let address = SocketAddr::new(local, BFD_SOURCE_PORT_MIN + drawn as u16);
            let socket = Socket::new(domain(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))
                .map_err(other(address, "make a socket"))?;
            set_sent_ttl(&socket, local, u8::MAX).map_err(other(address, "set the TTL"))?;
            set_traffic_class(&socket, local).map_err(other(address, "set the traffic class"))?;
            // Nobody reads what is sent to it.
            socket.set_recv_buffer_size(1).map_err(other(address, "SO_RCVBUF"))?;
            match socket.bind(&address.into()) {
                Ok(()) => return Ok(BfdSender { socket: socket.into(), address }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && at < BFD_SOURCE_PORT_TRIES => {}
                Err(error) => return Err(Error::bind(address, error)),
            }
        }
    }

    /// Where it sends from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a packet. Never waits: what the kernel does not take now is lost, as it might be on the way.
    pub fn send(&self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(octets, to).map(|_| ())
    }
}

/// All addresses of the interfaces.
pub fn local_addresses() -> io::Result<HashSet<IpAddr>> {
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Ok(nix::ifaddrs::getifaddrs()?.filter_map(address).collect())
}

/// Whether packets to an address would be ours: it is on an interface that is up and, for IPv6, known to be the only one with
/// it, or in a prefix that is routed to this host as a whole (`ip route add local 192.0.2.0/24 dev lo`). Found by binding a
/// socket, which says all that at once, but for IPv6 nothing of prefixes.
pub fn is_local(address: IpAddr) -> io::Result<bool> {
    let any = match address {
        IpAddr::V4(_) => "/proc/sys/net/ipv4/ip_nonlocal_bind",
        IpAddr::V6(_) => "/proc/sys/net/ipv6/ip_nonlocal_bind",
    };
    if std::fs::read_to_string(any).is_ok_and(|value| value.trim() != "0") {
        // Here everything can be bound.
        return Ok(local_addresses()?.contains(&address) || is_routed_here(address)?);
    }
    match UdpSocket::bind((address, 0)) {
        Ok(_) => Ok(true),
        // An interface's address that can't be bound is not usable, whatever the routes say.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            Ok(!local_addresses()?.contains(&address) && is_routed_here(address)?)
        }
        // IPv6 is switched off.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an IPv6 address is in a prefix that is routed to this host.
fn is_routed_here(address: IpAddr) -> io::Result<bool> {
    let IpAddr::V6(address) = address else { return Ok(false) };
    for route in BufReader::new(File::open("/proc/net/ipv6_route")?).lines() {
        if local_route(&route?).is_some_and(|prefix| prefix.contains(address.into())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The destination of a line of `/proc/net/ipv6_route`, if it is this host: numbers are hexadecimal, the ninth has flags.
fn local_route(line: &str) -> Option<Prefix> {
    const RTF_LOCAL: u32 = 0x8000_0000;
    let mut fields = line.split_ascii_whitespace();
    let address = u128::from_str_radix(fields.next()?, 16).ok()?;
    let len = u8::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.nth(6)?, 16).ok()?;
    (flags & RTF_LOCAL != 0).then(|| Prefix::truncated(Ipv6Addr::from_bits(address).into(), len).ok()).flatten()
}

/// The time since boot, times of suspension included.
pub fn now() -> Moment {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec. The call cannot fail for this clock, which Linux has since 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    Moment::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_to_this_host_are_told_from_others() {
        let line = |flags: &str| {
            format!(
                "20010db8000000000000000000000000 30 {zero} 00 {zero} 00000400 00000001 00000000 {flags}       lo",
                zero = "0".repeat(32)
            )
        };
        assert_eq!(local_route(&line("80200001")), "2001:db8::/48".parse().ok());
        for other in [&line("00200001"), "", "x", &line("80200001")[..100]] {
            assert_eq!(local_route(other), None, "{other}");
        }
    }

    #[test]
    fn control_messages_with_wrong_lengths_end_the_search() {
        const HEAD: usize = size_of::<libc::cmsghdr>();
        for len in [0, HEAD - 1, HEAD + 1, usize::MAX, usize::MAX - 6] {
            let mut control = [0; HEAD];
            control[..size_of::<usize>()].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(control_messages(&control).count(), 0, "{len}");
        }
    }
}
