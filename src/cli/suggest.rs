//! How to ask a server: the address to reach it at, and a `dig` line that will get an answer from what is served.

use crate::answer::{Query, Served, Transport, answer};
use crate::wire::code::{class, opcode, rcode, rtype};
use crate::wire::name::Name;
use crate::wire::query::HEADER_LEN;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Zones that are tried; those of a fleet of reverse zones have no addresses anyway.
const ZONES_TRIED_MAX: usize = 50;

/// The line, for a server at `address`: a name with an address, `www` of a zone if there is one, else a zone's SOA. `None`
/// when no zone is served.
pub(super) fn dig_line(served: &Served, address: SocketAddr) -> Option<String> {
    let address = reachable(address);
    let port = if address.port() == 53 { String::new() } else { format!(" -p {}", address.port()) };
    let question = question(served)?;
    Some(format!("dig @{}{port} {question}", address.ip()))
}

/// Where to reach a server that listens on a wildcard address.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn question(served: &Served) -> Option<String> {
    let zones = || served.zones.iter().filter(|zone| zone.image().is_some());
    let hosts = zones().take(ZONES_TRIED_MAX).filter_map(|zone| Name::from_text(&format!("www.{}", zone.name())).ok());
    let apexes = zones().take(ZONES_TRIED_MAX).map(|zone| zone.name());
    let host = hosts.chain(apexes).find(|name| has_answer(served, name, rtype::A));
    match host {
        Some(host) => Some(short(&host)),
        None => zones().next().map(|zone| format!("{} SOA", short(&zone.name()))),
    }
}

/// Without the final dot, which a reader takes for a full stop.
fn short(name: &Name) -> String {
    let text = name.to_string();
    text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(&text).to_owned()
}

/// Asks the responder itself.
fn has_answer(served: &Served, name: &Name, qtype: u16) -> bool {
    let mut packet = vec![0, 0, opcode::QUERY << 3, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(name.as_wire());
    packet.extend_from_slice(&qtype.to_be_bytes());
    packet.extend_from_slice(&class::IN.to_be_bytes());
    let localhost = Ipv4Addr::LOCALHOST.into();
    let query = Query {
        packet: &packet,
        peer: SocketAddr::new(localhost, 53),
        local: localhost,
        transport: Transport::Tcp,
        now_secs: 0,
    };
    let mut out = vec![0; 65_535];
    let outcome = answer(&query, served, &mut out);
    // ANCOUNT (RFC 1035 section 4.1.1): a referral has none.
    outcome.rcode == rcode::NOERROR && outcome.result.is_ok_and(|length| length > HEADER_LEN) && out[6..8] != [0, 0]
}
