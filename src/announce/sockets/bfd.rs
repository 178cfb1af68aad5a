//! BFD's datagrams: received with their TTL and the time of their arrival, sent with TTL 255.

use super::system::{self, now, set_option};
use super::{Error, domain, other, set_sent_ttl, set_traffic_class};
use crate::announce::Moment;
use libc::c_int;
use socket2::{Protocol, Socket, Type};
use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Source ports of BFD (RFC 5881 4): this and all above.
const BFD_SOURCE_PORT_MIN: u16 = 49152;
/// Source ports tried before one more is not free for another reason.
const BFD_SOURCE_PORT_TRIES: u64 = 64;

/// Receives the BFD control packets of all sessions of a family and port.
#[derive(Debug)]
pub struct BfdReceiver {
    socket: UdpSocket,
    /// The same socket, known to the runtime, while it wakes whoever polls.
    watch: Option<tokio::net::UdpSocket>,
    address: SocketAddr,
    /// When it was last found empty.
    emptied: Cell<Moment>,
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
    /// When it arrived. The kernel tells that by the wall clock, which is not believed if it says that the datagram came before
    /// the socket was last found empty.
    pub at: Moment,
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
        set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &(1 as c_int))
            .map_err(other(address, "ask for the time of arrival"))?;
        socket.bind(&address.into()).map_err(|error| Error::bind(address, error))?;
        let socket = UdpSocket::from(socket);
        let address = socket.local_addr().map_err(other(address, "getsockname"))?;
        let mut receiver = BfdReceiver { socket, watch: None, address, emptied: Cell::new(now()) };
        receiver.watch(true).map_err(other(address, "register"))?;
        Ok(receiver)
    }

    /// Where it receives; port 0 is resolved.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether a datagram wakes whoever polls; at first it does. If not, they wait in the socket until [`Self::take`].
    pub fn watch(&mut self, wanted: bool) -> io::Result<()> {
        if wanted != self.is_watched() {
            let register = || tokio::net::UdpSocket::from_std(self.socket.try_clone()?);
            self.watch = wanted.then(register).transpose()?;
        }
        Ok(())
    }

    /// Whether a datagram wakes whoever polls.
    pub fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// The next datagram that the kernel told all about; none while they wake nobody.
    pub fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<Datagram>> {
        let Some(watch) = &self.watch else { return Poll::Pending };
        loop {
            ready!(watch.poll_recv_ready(cx))?;
            // That nothing is there must be the runtime's to know.
            let take = || self.take(buffer)?.ok_or(io::ErrorKind::WouldBlock.into());
            match watch.try_io(Interest::READABLE, take) {
                Ok(datagram) => return Poll::Ready(Ok(datagram)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The next datagram that the kernel told all about, if one is there.
    pub fn take(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        loop {
            match system::receive(self.socket.as_fd(), buffer) {
                Ok(received) => {
                    let arrival = |stamp| arrival(stamp, self.emptied.get());
                    if let Some(datagram) = datagram(received.len, &received.name.0, received.control(), arrival) {
                        return Ok(Some(datagram));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.emptied.set(now());
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// When a datagram arrived whose time by the wall clock is known: not before the socket was last found empty.
fn arrival(stamp: Option<Duration>, emptied: Moment) -> Moment {
    let waited = stamp.and_then(|stamp| SystemTime::now().duration_since(UNIX_EPOCH + stamp).ok());
    now().saturating_sub(waited.unwrap_or_default()).max(emptied)
}

/// A datagram from the name and the control messages that came with it.
fn datagram(
    len: usize,
    name: &[u8; 128],
    control: &[u8],
    arrival: impl FnOnce(Option<Duration>) -> Moment,
) -> Option<Datagram> {
    let from = socket_address(name)?;
    let (mut ttl, mut to, mut stamp) = (None, None, None);
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
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => stamp = timespec(data),
            _ => {}
        }
    }
    Some(Datagram { len, from, to: to?, ttl: ttl?, at: arrival(stamp) })
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

/// The time in a `struct timespec`: two longs.
fn timespec(data: &[u8]) -> Option<Duration> {
    const LONG: usize = size_of::<usize>();
    let [secs, nanos] = [0, LONG].map(|at| Some(usize::from_ne_bytes(*data.get(at..)?.first_chunk::<LONG>()?)));
    Some(Duration::new(secs? as u64, (nanos? as u32).min(999_999_999)))
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

#[cfg(test)]
mod tests {
    use super::*;

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
