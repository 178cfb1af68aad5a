//! BFD in asynchronous mode (RFC 5880), over one hop (RFC 5881) or several (RFC 5883): whether packets still pass between
//! this node and a router, several times a second.
//!
//! ```text
//! datagram and its TTL, clock, operator -> Session::handle -> datagrams to send, Up, Down -> bgp (closes its session at once)
//! ```
//!
//! [`packet`] is the codec, [`session`] the machine. Both are pure; sockets are in `announce::sockets`. A datagram finds its
//! session by [`packet::your_discriminator`], and while that is zero by the addresses that it came from and was sent to.
//!
//! Deliberately absent: authentication (a packet that claims to have it is discarded; the TTL guards a single hop, RFC 5881
//! 5), the Echo function, Demand mode of our own (the peer may use it), the Passive role.

pub mod packet;
pub mod session;
#[cfg(test)]
mod simulation;

/// UDP port that single-hop control packets are sent to (RFC 5881 4).
pub const PORT_SINGLE_HOP: u16 = 3784;
/// UDP port that multihop control packets are sent to (RFC 5883 5).
pub const PORT_MULTIHOP: u16 = 4784;
