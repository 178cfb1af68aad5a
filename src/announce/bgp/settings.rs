//! What is set for one router, as far as the session machine cares. Addresses, ports, keys and hop limits belong to the sockets.

use super::message::Role;
use crate::announce::prefix::{Family, Prefix};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Hold time that is offered when nothing is set: a router that is silent for this long is gone.
pub const HOLD_TIME_SECS: u16 = 9;
/// Longest wait between attempts to connect when nothing is set.
pub const CONNECT_RETRY: Duration = Duration::from_secs(5);
/// Prefixes of a family that a router may announce to us when nothing is set.
pub const RECEIVE_LIMIT: u32 = 1000;

/// One router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Our AS number.
    pub local_as: u32,
    /// The router's AS number; equal to ours for iBGP.
    pub remote_as: u32,
    /// Our BGP identifier; not zero.
    pub identifier: Ipv4Addr,
    /// Families to be announced.
    pub families: BTreeSet<Family>,
    /// Wait for the router to connect, never dial.
    pub passive: bool,
    /// Hold time to offer, in seconds: 0 (never expires) or at least 3.
    pub hold_time_secs: u16,
    /// Longest wait between attempts to connect.
    pub connect_retry: Duration,
    /// Our side of the relation (RFC 9234); eBGP only.
    pub role: Option<Role>,
    /// Refuse a router that says no role (RFC 9234 4.2).
    pub strict_role: bool,
    /// Prefixes of one family received from the router above which there is an alarm; `None` for none.
    pub receive_alarm: Option<u32>,
    /// Prefixes of one family received from the router above which the session is closed. Also bounds what is remembered.
    pub receive_limit: u32,
    /// Prefixes that this node or its fellows announce: they may come back and are counted apart.
    pub own_prefixes: BTreeSet<Prefix>,
}

impl Peer {
    /// A router with everything else as it is when nothing is set: both families, dialled, hold time 9 s.
    pub fn new(local_as: u32, remote_as: u32, identifier: Ipv4Addr) -> Peer {
        Peer {
            local_as,
            remote_as,
            identifier,
            families: Family::ALL.into(),
            passive: false,
            hold_time_secs: HOLD_TIME_SECS,
            connect_retry: CONNECT_RETRY,
            role: None,
            strict_role: false,
            receive_alarm: None,
            receive_limit: RECEIVE_LIMIT,
            own_prefixes: BTreeSet::new(),
        }
    }

    /// Whether both sides are one AS.
    pub fn internal(&self) -> bool {
        self.local_as == self.remote_as
    }

    /// The role that counts: inside an AS there is none (RFC 9234 4).
    pub fn effective_role(&self) -> Option<Role> {
        self.role.filter(|_| !self.internal())
    }
}
