//! Interim.

use super::Moment;
use super::settings::Peer;
use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Boot clock.
pub fn now() -> Moment {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("Linux has this clock");
    time.into()
}

/// Local addresses.
pub fn local_addresses() -> io::Result<std::collections::BTreeSet<IpAddr>> {
    let all = nix::ifaddrs::getifaddrs()?;
    Ok(all
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
            v4.or(address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
        })
        .collect())
}

/// Dial.
pub async fn dial(peer: Peer) -> io::Result<TcpStream> {
    let socket = if peer.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = peer.local_address {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(SocketAddr::new(peer.address, peer.port)).await
}

/// Listen.
pub fn listen(address: SocketAddr, _peers: &[&Peer]) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(16)
}
