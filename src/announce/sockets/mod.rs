//! The sockets of the sidecar, its addresses and its clock. All of its system calls are in `system`, and nowhere else.
//!
//! - `tcp`: BGP. [`dial`] and [`Listener`] give connections with all that the peer's settings ask for already in force before
//!   the first segment: TCP-MD5 (RFC 2385) or TCP-AO (RFC 5925), the TTL, and with GTSM (RFC 5082) the least TTL of what is
//!   received. What cannot be had is an [`Error`], never a connection without it.
//! - `authentication`: keys
//! - `bfd`: [`BfdReceiver`], one a family and port for all sessions, tells the TTL of each datagram; each session has a
//!   [`BfdSender`] of its own, with a source port of its own (RFC 5881 4).
//! - `addresses`: which ones this host has
//!
//! Reads no settings and logs nothing: both are up to who calls.

mod addresses;
mod authentication;
mod bfd;
mod system;
mod tcp;

pub use addresses::{is_local, local_addresses};
pub use authentication::{Algorithm, Authentication, KEY_LEN_MAX, Secret};
pub use bfd::{BfdReceiver, BfdSender, Datagram};
pub use system::now;
pub use tcp::{Accepted, Listener, Peer, Ttl, check, dial};

use socket2::{Domain, SockRef, Socket};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

/// Class selector 6, what routing protocols are marked with (RFC 4594 3.2).
const TRAFFIC_CLASS: u32 = 0xc0;

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
    /// Nobody knows from where a peer connected; closed.
    #[error(
        "peer {peer}: connection whose first TTL the kernel did not keep (it answers with SYN cookies: many connections are \
         begun and not completed), and `ttl-security` wants to know it: closed"
    )]
    Unknown {
        /// Name of the peer.
        peer: String,
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

fn domain(address: IpAddr) -> Domain {
    if address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 }
}

fn set_traffic_class(socket: &Socket, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => socket.set_tos_v4(TRAFFIC_CLASS),
        IpAddr::V6(_) => socket.set_tclass_v6(TRAFFIC_CLASS),
    }
}

fn set_sent_ttl(socket: &impl AsFd, address: IpAddr, ttl: u8) -> io::Result<()> {
    let socket = SockRef::from(socket);
    match address {
        IpAddr::V4(_) => socket.set_ttl_v4(ttl.into()),
        IpAddr::V6(_) => socket.set_unicast_hops_v6(ttl.into()),
    }
}
