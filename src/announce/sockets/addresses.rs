//! Which addresses this host has.

use crate::announce::prefix::Prefix;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv6Addr, UdpSocket};

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
}
