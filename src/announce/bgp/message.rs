//! BGP's messages (RFC 4271 4) as values. [`super::codec`] turns octets into them and back.

use crate::announce::prefix::{Family, Prefix};
use std::net::{IpAddr, Ipv4Addr};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first of each side.
    Open(Open),
    /// Routes, announced and withdrawn.
    Update(Update),
    /// Why the session ends.
    Notification(Notification),
    /// Still here.
    Keepalive,
    /// The peer wants our routes again, or says where such a repetition begins and ends (RFC 2918, RFC 7313).
    RouteRefresh(RouteRefresh),
}

/// OPEN (RFC 4271 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The AS number, from the capability of RFC 6793 where there is one.
    pub asn: u32,
    /// Seconds; 0 or at least 3.
    pub hold_time: u16,
    /// The BGP identifier; not zero (RFC 6286).
    pub identifier: Ipv4Addr,
    /// In the order of the message.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// Whether it can have routes of a family. Without any word of families it can have IPv4's (RFC 4760 8).
    pub fn has_family(&self, family: Family) -> bool {
        // Families that are none of ours, too, are a word of families: code 1 under `Other`.
        let speaks = |capability: &Capability| {
            matches!(capability, Capability::Multiprotocol(_) | Capability::Other { code: 1, .. })
        };
        self.capabilities.contains(&Capability::Multiprotocol(family))
            || (family == Family::Ipv4 && !self.capabilities.iter().any(speaks))
    }

    /// Whether its AS numbers have four octets (RFC 6793).
    pub fn has_four_octet_asns(&self) -> bool {
        self.capabilities.iter().any(|capability| matches!(capability, Capability::FourOctetAsn(_)))
    }

    /// Whether it takes IPv4 routes with IPv6 next hops (RFC 8950).
    pub fn has_extended_next_hop(&self) -> bool {
        self.capabilities.contains(&Capability::ExtendedNextHop)
    }

    /// Whether it knows where a repetition of routes begins and ends (RFC 7313).
    pub fn has_enhanced_route_refresh(&self) -> bool {
        self.capabilities.contains(&Capability::EnhancedRouteRefresh)
    }
}

/// What a speaker can do (RFC 5492).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Routes of a family (code 1, RFC 4760).
    Multiprotocol(Family),
    /// ROUTE-REFRESH (code 2, RFC 2918).
    RouteRefresh,
    /// IPv4 routes with IPv6 next hops (code 5, RFC 8950).
    ExtendedNextHop,
    /// Which side is whose customer (code 9, RFC 9234).
    Role(Role),
    /// AS numbers of four octets (code 65, RFC 6793).
    FourOctetAsn(u32),
    /// ROUTE-REFRESH with its begin and end (code 70, RFC 7313).
    EnhancedRouteRefresh,
    /// Any other, kept to be shown.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// A side's role in a session (RFC 9234 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sells transit.
    Provider = 0,
    /// A route server.
    RouteServer = 1,
    /// A client of a route server.
    RouteServerClient = 2,
    /// Buys transit.
    Customer = 3,
    /// Neither pays.
    Peer = 4,
}

impl Role {
    /// The role of a value (RFC 9234 4.1), if it is assigned.
    pub fn of(value: u8) -> Option<Role> {
        [Role::Provider, Role::RouteServer, Role::RouteServerClient, Role::Customer, Role::Peer]
            .into_iter()
            .find(|role| *role as u8 == value)
    }
}

/// UPDATE (RFC 4271 4.3, RFC 4760).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// No longer reachable, of either family.
    pub withdrawn: Vec<Prefix>,
    /// Reachable, of either family.
    pub announced: Vec<Prefix>,
    /// How; `None` when nothing is announced.
    pub attributes: Option<Attributes>,
    /// This update ends the first transfer of a family (RFC 4724 2).
    pub end_of_rib: Option<Family>,
    /// Attributes were malformed so that the routes count as withdrawn (RFC 7606 2): what was wrong. Then `announced`
    /// is empty and its prefixes are in `withdrawn`.
    pub malformed: Option<String>,
}

/// Path attributes that matter here. Others are skipped when read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Where the route came from.
    pub origin: Origin,
    /// The AS path, sequences and sets flattened, nearest first.
    pub as_path: Vec<u32>,
    /// The address that packets go to. IPv4 routes may have IPv6 ones (RFC 8950). Of an update that announces in its
    /// own field and in MP_REACH_NLRI, which none of today sends (RFC 7606 5.1), the former's.
    pub next_hop: IpAddr,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; inside an AS only.
    pub local_preference: Option<u32>,
    /// COMMUNITIES (RFC 1997).
    pub communities: Vec<u32>,
    /// LARGE_COMMUNITY (RFC 8092).
    pub large_communities: Vec<[u32; 3]>,
    /// Only to Customer (RFC 9234 5).
    pub only_to_customer: Option<u32>,
}

/// ORIGIN (RFC 4271 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Interior.
    Igp = 0,
    /// Exterior.
    Egp = 1,
    /// Otherwise.
    Incomplete = 2,
}

/// NOTIFICATION (RFC 4271 4.5). Codes as assigned by IANA; [`super::notification`] names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The error's code.
    pub code: u8,
    /// Its subcode.
    pub subcode: u8,
    /// More about it; for Cease a shutdown message (RFC 9003).
    pub data: Vec<u8>,
}

/// ROUTE-REFRESH (RFC 2918 3, RFC 7313 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteRefresh {
    /// Of which routes; `None` for a family that is none of ours.
    pub family: Option<Family>,
    /// 0 asks, 1 begins, 2 ends.
    pub subtype: u8,
}
