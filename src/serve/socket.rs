//! The sockets: which there are, their options, and what to tell the operator when one cannot be had.
//!
//! All are made in one step, [`bind`], before the process drops its privileges. Each address gets one UDP socket a worker,
//! among which the kernel spreads clients (`SO_REUSEPORT`), and one TCP listener.

use super::syscall::set_option;
use crate::config::TcpSettings;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

/// How long a worker waits for a datagram before it looks at the stop flag and stamps its beat.
pub(crate) const RECEIVE_WAIT: Duration = Duration::from_millis(100);
/// Octets of answers that the kernel holds unsent for one TCP client before the socket counts as full: what a slow reader
/// can pin there.
const TCP_UNSENT_MAX: u32 = 64 * 1024;
/// Times that a port for port 0 is chosen again, as the one that was free for UDP was not for TCP.
const PORT_TRIES: usize = 16;

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 lets the kernel choose one, the same for UDP and TCP.
    pub address: SocketAddr,
    /// Whether it is an error if the host lacks the address. If not, it is skipped.
    pub required: bool,
}

/// Settings of the sockets.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// UDP receive buffer, in octets of memory as `SO_RCVBUF` takes them.
    pub receive_buffer: u32,
    /// Largest TCP segment, in octets: an anycast address gets its ICMP "too big" at another PoP, so that path MTU discovery
    /// cannot be relied on.
    pub tcp_mss: u16,
    /// TCP connections that the kernel holds until they are accepted, at most; `net.core.somaxconn` caps it.
    pub tcp_backlog: u16,
}

impl Default for SocketOptions {
    /// 4 MiB; the segment size that settings have by default; 4096.
    fn default() -> Self {
        SocketOptions { receive_buffer: 4 << 20, tcp_mss: TcpSettings::default().mss, tcp_backlog: 4096 }
    }
}

/// The sockets of one address.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The address as bound: port 0 is resolved.
    pub(crate) address: SocketAddr,
    /// One a worker.
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

/// All sockets, listening: what arrives from now on waits in them.
#[derive(Debug)]
pub struct Bound {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) workers: usize,
    /// Addresses that were not required, and that the host lacks.
    pub skipped: Vec<SocketAddr>,
}

impl Bound {
    /// The addresses that are listened on; port 0 is resolved.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.endpoints.iter().map(|endpoint| endpoint.address).collect()
    }
}

/// Why an address cannot be listened on, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "{0} is in use by another process: stop that one (`ss -lnptu 'sport = :{port}'` names it), or listen on another \
         address or port with --listen or `listen` in the settings", port = .0.port()
    )]
    InUse(SocketAddr),
    /// An address is listed twice.
    #[error("{0} is given twice to listen on: leave out one of the two")]
    Twice(SocketAddr),
    /// Two of the addresses to listen on overlap.
    #[error("{0} is covered by {1}, which is listened on too: leave out one of them")]
    Covered(SocketAddr, SocketAddr),
    /// The port needs a privilege.
    #[error(
        "no permission to bind {0}: ports under 1024 need root (set `user` in the settings to drop it afterwards), the \
         capability CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start"
    )]
    NotPermitted(SocketAddr),
    /// The host lacks the address.
    #[error("this host has no address {ip}: add it to an interface (`ip address add {ip} dev lo`), or correct `listen`", ip = .0.ip())]
    NoSuchAddress(SocketAddr),
    /// None of the addresses was required, and the host has none of them.
    #[error("there is no address to listen on: give one with --listen or `listen` in the settings")]
    NoAddress,
    /// Something else.
    #[error("cannot listen on {address}: {step}: {error}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What was being done.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, step: &'static str, error: io::Error) -> BindError {
        match error.kind() {
            io::ErrorKind::AddrInUse => return BindError::InUse(address),
            io::ErrorKind::PermissionDenied => return BindError::NotPermitted(address),
            io::ErrorKind::AddrNotAvailable => return BindError::NoSuchAddress(address),
            _ => {}
        }
        match error.raw_os_error() {
            // IPv6 is switched off, or the interface of a link-local address is not there.
            Some(libc::EAFNOSUPPORT | libc::ENODEV) => BindError::NoSuchAddress(address),
            _ => BindError::Other { address, step, error },
        }
    }
}

/// Binds all addresses, each with a UDP socket for every worker and a TCP listener. Nothing stays bound on an error.
pub fn bind(addresses: &[Listen], workers: usize, options: &SocketOptions) -> Result<Bound, BindError> {
    let workers = workers.max(1);
    let mut bound = Bound { endpoints: Vec::new(), workers, skipped: Vec::new() };
    let mut receive_buffer_least = u32::MAX;
    check(addresses)?;
    for listen in addresses {
        match bind_address(listen.address, workers, options) {
            Ok((endpoint, receive_buffer)) => {
                receive_buffer_least = receive_buffer_least.min(receive_buffer);
                bound.endpoints.push(endpoint);
            }
            Err(BindError::NoSuchAddress(address)) if !listen.required => bound.skipped.push(address),
            Err(error) => return Err(error),
        }
    }
    if bound.endpoints.is_empty() {
        return Err(BindError::NoAddress);
    }
    if receive_buffer_least < options.receive_buffer {
        tracing::warn!(
            "the kernel caps the UDP receive buffers at {receive_buffer_least} octets instead of {}, so that bursts may be \
             lost: raise it with `sysctl -w net.core.rmem_max={}`, or give the capability CAP_NET_ADMIN",
            options.receive_buffer,
            options.receive_buffer
        );
    }
    Ok(bound)
}

/// Whether any of the addresses can't be listened on beside the others, whatever the host has. Binds nothing.
pub fn check(addresses: &[Listen]) -> Result<(), BindError> {
    for (i, listen) in addresses.iter().enumerate() {
        match addresses[..i].iter().find(|other| overlap(listen.address, other.address)) {
            Some(other) if other.address == listen.address => return Err(BindError::Twice(listen.address)),
            Some(other) => return Err(BindError::Covered(listen.address, other.address)),
            None => {}
        }
    }
    Ok(())
}

/// Whether two addresses cannot both be listened on: the kernel lets UDP do it and TCP not.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let covers = a == b || a.ip().is_unspecified() || b.ip().is_unspecified();
    same_family && covers && a.port() == b.port() && a.port() != 0
}

fn bind_address(listen: SocketAddr, workers: usize, options: &SocketOptions) -> Result<(Endpoint, u32), BindError> {
    let mut tries = if listen.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        // With SO_REUSEPORT, a second server of the same user would bind without an error and take a part of the clients:
        // a socket without it tells whether the port is free.
        let probe = udp_socket(listen).and_then(|socket| socket.bind(&listen.into()).map(|()| socket));
        let free = probe.and_then(|socket| socket.local_addr());
        let free = free.map_err(|error| BindError::new(listen, "UDP", error))?;
        let address = free.as_socket().unwrap_or(listen);
        match tcp_listener(address, options) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => continue,
            Err(error) => return Err(BindError::new(address, "TCP", error)),
            Ok(tcp) => {
                let mut receive_buffer = u32::MAX;
                let mut udp = Vec::with_capacity(workers);
                for _ in 0..workers {
                    let (socket, octets) = udp_worker_socket(address, options)?;
                    receive_buffer = receive_buffer.min(octets);
                    udp.push(socket);
                }
                return Ok((Endpoint { address, udp, tcp }, receive_buffer));
            }
        }
    }
}

fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // An IPv4 client has its own socket, if it is to be served at all.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// A worker's socket, and the size of its receive buffer as `SO_RCVBUF` takes it.
fn udp_worker_socket(address: SocketAddr, options: &SocketOptions) -> Result<(UdpSocket, u32), BindError> {
    let failed = |step| move |error| BindError::new(address, step, error);
    let socket = udp_socket(address).map_err(failed("UDP socket"))?;
    socket.set_reuse_port(true).map_err(failed("SO_REUSEPORT"))?;
    socket.set_read_timeout(Some(RECEIVE_WAIT)).map_err(failed("SO_RCVTIMEO"))?;
    let receive_buffer = set_receive_buffer(&socket, options.receive_buffer).map_err(failed("SO_RCVBUF"))?;
    let option =
        |level, name, value, step| set_option(socket.as_fd(), level, name, value).map_err(|error| failed(step)(error));
    option(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1, "SO_RXQ_OVFL")?;
    // OMIT: send whole up to the interface's MTU and let longer ones be fragmented, and believe no path MTU that an ICMP
    // message tells: forged ones would make the kernel fragment at will (RFC 9715 section 3.1 and appendix C).
    if address.is_ipv4() {
        option(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT, "IP_MTU_DISCOVER")?;
    } else {
        option(libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT, "IPV6_MTU_DISCOVER")?;
    }
    // On a wildcard address the kernel would answer from whichever address it likes best (RFC 2181 section 4.1).
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => option(libc::IPPROTO_IP, libc::IP_PKTINFO, 1, "IP_PKTINFO")?,
        IpAddr::V6(ip) if ip.is_unspecified() => {
            option(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO")?;
        }
        _ => {}
    }
    socket.bind(&address.into()).map_err(failed("UDP bind"))?;
    Ok((socket.into(), receive_buffer))
}

fn set_receive_buffer(socket: &Socket, octets: u32) -> io::Result<u32> {
    let wanted = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    // The forced one is not capped, and needs CAP_NET_ADMIN.
    if set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
        socket.set_recv_buffer_size(octets as usize)?;
    }
    // The kernel doubles what it is told, for its own book-keeping (socket(7)).
    Ok((socket.recv_buffer_size()? / 2).try_into().unwrap_or(u32::MAX))
}

/// Connections inherit these options from their listener, so that accepting one costs no further call.
fn tcp_listener(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a server that has just ended must not keep the next one from starting.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_mss(options.tcp_mss.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(TCP_UNSENT_MAX)?;
    socket.bind(&address.into())?;
    socket.listen(options.tcp_backlog.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::syscall::get_option;
    use socket2::SockRef;

    fn listen(address: &str) -> Listen {
        Listen { address: address.parse().unwrap(), required: true }
    }

    fn bind_one(address: &str, workers: usize) -> Result<Bound, BindError> {
        bind(&[listen(address)], workers, &SocketOptions::default())
    }

    #[test]
    fn port_0_becomes_one_port_for_all_sockets() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let bound = bind_one(address, 3).unwrap();
            let endpoint = &bound.endpoints[0];
            assert_ne!(endpoint.address.port(), 0);
            assert_eq!(bound.addresses(), [endpoint.address]);
            assert_eq!(endpoint.tcp.local_addr().unwrap(), endpoint.address);
            assert_eq!(endpoint.udp.len(), 3);
            assert!(endpoint.udp.iter().all(|socket| socket.local_addr().unwrap() == endpoint.address));
        }
    }

    #[test]
    fn a_second_server_is_told_that_the_port_is_in_use() {
        let first = bind_one("127.0.0.1:0", 1).unwrap();
        let address = first.endpoints[0].address;
        let error = bind_one(&address.to_string(), 1).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("ss -lnptu 'sport = :{}'", address.port())), "{error}");
        // Also one that shares UDP ports alone.
        let other = bind_one("127.0.0.1:0", 1).unwrap();
        let Endpoint { address, udp, tcp } = other.endpoints.into_iter().next().unwrap();
        drop(tcp);
        assert!(matches!(bind_one(&address.to_string(), 1), Err(BindError::InUse(_))));
        drop(udp);
        bind_one(&address.to_string(), 1).unwrap();
    }

    #[test]
    fn an_address_that_the_host_lacks_is_skipped_unless_required() {
        let mut lacking = listen("192.0.2.1:5300");
        let error = bind(&[lacking], 1, &SocketOptions::default()).unwrap_err();
        assert!(error.to_string().contains("ip address add 192.0.2.1 dev lo"), "{error}");
        lacking.required = false;
        assert!(matches!(bind(&[lacking], 1, &SocketOptions::default()), Err(BindError::NoAddress)));
        let bound = bind(&[lacking, listen("127.0.0.1:0")], 1, &SocketOptions::default()).unwrap();
        assert_eq!((bound.skipped, bound.endpoints.len()), (vec![lacking.address], 1));
    }

    #[test]
    fn overlapping_addresses_are_named() {
        let all = [listen("127.0.0.1:5300"), listen("[::]:5300"), listen("0.0.0.0:5300")];
        assert!(overlap(all[0].address, all[2].address) && !overlap(all[0].address, all[1].address));
        assert!(!overlap("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()));
        let twice = [listen("127.0.0.1:1"), listen("127.0.0.1:1")];
        assert!(matches!(check(&twice), Err(BindError::Twice(_))));
        assert!(matches!(check(&all), Err(BindError::Covered(_, _))));
        assert!(check(&all[..2]).is_ok());
    }

    #[test]
    fn forged_path_mtus_are_not_believed_and_overflows_are_told() {
        for (address, level, name, omit) in [
            ("127.0.0.1:0", libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
            ("[::1]:0", libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
        ] {
            let bound = bind_one(address, 2).unwrap();
            for socket in &bound.endpoints[0].udp {
                assert_eq!(get_option(socket.as_fd(), level, name).unwrap(), omit);
                assert_eq!(get_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RXQ_OVFL).unwrap(), 1);
            }
        }
    }

    #[test]
    fn the_receive_buffer_is_as_large_as_asked_or_reported() {
        let options = SocketOptions { receive_buffer: 100_000, ..SocketOptions::default() };
        let (socket, octets) = udp_worker_socket("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        assert_eq!(octets, 100_000);
        assert_eq!(SockRef::from(&socket).recv_buffer_size().unwrap(), 200_000);
    }
}
