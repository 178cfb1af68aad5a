//! The pure responder: one question in, one response out.

pub mod cookie;

use crate::zone::set::Zones;
use std::net::{IpAddr, SocketAddr};

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram: the response must fit the client's size.
    Udp,
    /// A stream with length prefixes (RFC 7766): up to 65,535 octets.
    Tcp,
}

/// One message from a client.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// The whole message, without TCP's length prefix.
    pub packet: &'a [u8],
    /// Who asked.
    pub peer: SocketAddr,
    /// The address asked, as far as it is known.
    pub local: IpAddr,
    /// How.
    pub transport: Transport,
    /// Seconds since 1970, for cookies (RFC 9018 section 4.3).
    pub now_secs: u32,
}

/// All that an answer depends on; swapped as one.
pub struct Served {
    /// The zones.
    pub zones: Zones,
    /// The settings.
    pub settings: Settings,
}

/// Settings of the responder.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest UDP response and the size that our OPT advertises; 512 to 4096.
    pub udp_size: u16,
    /// Answer to NSID (RFC 5001) and to `id.server` and `hostname.bind`: the node's name. None: neither is answered.
    pub node: Option<Box<[u8]>>,
    /// Whether NSID is answered.
    pub nsid: bool,
    /// Whether CH TXT `id.server` and `hostname.bind` are answered.
    pub chaos_id: bool,
    /// Whether CH TXT `version.server` and `version.bind` are answered, and with what.
    pub chaos_version: Option<Box<[u8]>>,
    /// Keepalive told to TCP clients that ask (RFC 7828), in units of 100 ms.
    pub keepalive_100ms: u16,
    /// Cookie secrets (RFC 9018).
    pub cookies: cookie::Secrets,
    /// Whether UDP clients must show a valid cookie to get more than BADCOOKIE or TC.
    pub require_cookie: bool,
}

/// Why a message got no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drop {
    /// Under 12 octets.
    Short,
    /// QR=1: answering responses makes loops.
    Response,
    /// UDP source port 0: nobody can receive there.
    PortZero,
}

/// What became of a query: enough for counters and limits without parsing again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Octets of the response in the out buffer, or why there is none.
    pub result: Result<usize, Drop>,
    /// Extended response code.
    pub rcode: u16,
    /// Type asked; 0 when the question could not be read.
    pub qtype: u16,
    /// [`crate::zone::set::Zone::id`] of the zone that the question's name lies in.
    pub zone: Option<u32>,
    /// Whether TC is set.
    pub truncated: bool,
}

/// Answers one query into `out`, which must hold at least 65,535 octets for TCP and [`Settings::udp_size`] for UDP.
/// No I/O, no lock, no allocation; the clock is an argument.
pub fn answer(_query: &Query, _served: &Served, _out: &mut [u8]) -> Outcome {
    todo!()
}
