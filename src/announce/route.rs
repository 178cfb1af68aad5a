//! What is announced: a prefix, and the attributes that its state gives it.

use super::prefix::Prefix;
use std::collections::BTreeMap;
use std::fmt;
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

/// As the settings have them, those that are set: `communities 64501:100; med 0; prepend 3`.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join(", "));
        let communities = self.communities.iter().map(|c| format!("{}:{}", c >> 16, c & 0xffff)).collect();
        let large = self.large_communities.iter().map(|[asn, one, two]| format!("{asn}:{one}:{two}")).collect();
        let parts = [
            ("communities", list(communities)),
            ("large-communities", list(large)),
            ("med", self.med.map(|med| med.to_string())),
            ("local-preference", self.local_preference.map(|preference| preference.to_string())),
            ("prepend", (self.prepend > 0).then(|| self.prepend.to_string())),
            ("next-hop", self.next_hop.map(|address| address.to_string())),
        ];
        let set: Vec<_> = parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        f.write_str(if set.is_empty() { "none of its own" } else { "" })?;
        f.write_str(&set.join("; "))
    }
}

/// All that is to be announced at this moment. What is not in it is withdrawn.
pub type Routes = BTreeMap<Prefix, Attributes>;
