//! What is announced: a prefix, and the attributes that its state gives it.

use super::prefix::Prefix;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Attributes of a route as the settings name them; a session makes path attributes of them for its peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// COMMUNITIES (RFC 1997), each `asn << 16 | value`.
    pub communities: Vec<u32>,
    /// LARGE_COMMUNITY (RFC 8092).
    pub large_communities: Vec<[u32; 3]>,
    /// MULTI_EXIT_DISC; the lower the better.
    pub med: Option<u32>,
    /// LOCAL_PREF, sent to internal peers only (100 where this says nothing); the higher the better.
    pub local_preference: Option<u32>,
    /// How often the own AS number is put before the path once more.
    pub prepend: u8,
    /// Next hop of each family's routes, instead of the session's own address.
    pub next_hop: Option<IpAddr>,
}

/// All that is to be announced at this moment. What is not in it is withdrawn.
pub type Routes = BTreeMap<Prefix, Attributes>;
