//! Attributes of routes by state: what is set, and what follows from that.

use crate::announce::prefix::Family;
use crate::announce::route::Attributes;
use crate::config::document::{Fault, Keys, Read, Value, integer, list, placed, string};
use std::net::IpAddr;
use std::ops::Range;
use toml::de::DeTable;

/// GRACEFUL_SHUTDOWN (RFC 8326 6): whoever sees it prefers every other route.
pub(super) const GRACEFUL_SHUTDOWN: u32 = 65535 << 16;
/// LOCAL_PREF where nothing is set, as most routers have it.
const LOCAL_PREFERENCE: u32 = 100;
/// Most communities of a kind: they must leave room in an UPDATE of 4096 octets (RFC 4271 4.1).
const COMMUNITIES_MAX: usize = 64;
/// Most prepended AS numbers that can be set: filters against endless paths start at about 50.
const PREPEND_MAX: u8 = 20;

/// What one table of attributes sets. What is `None` stays as it was.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    communities: Option<Vec<u32>>,
    large_communities: Option<Vec<[u32; 3]>>,
    med: Option<u32>,
    prepend: Option<u8>,
    local_preference: Option<u32>,
    next_hop: [Option<IpAddr>; 2],
}

/// What the three tables of a service or a prefix set.
#[derive(Debug, Clone, Default)]
pub(super) struct ByState {
    pub(super) up: Chosen,
    pub(super) depreference: Chosen,
    pub(super) drain: Chosen,
}

/// The tables as they stand, not read yet.
pub(super) type Tables<'a> = [Option<DeTable<'a>>; 3];

/// Takes the tables `up`, `depreference` and `drain` out of the keys around them.
pub(super) fn take<'a>(keys: &mut Keys<'a, '_>) -> Tables<'a> {
    use crate::config::document::table;
    ["up", "depreference", "drain"].map(|key| keys.read(key, table))
}

/// Reads the tables.
pub(super) fn by_state(tables: Tables<'_>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) -> ByState {
    let [up, depreference, drain] = tables.map(|table| table.map(|table| chosen(table, faults, warnings)));
    let (drain, communities_at) = drain.unwrap_or_default();
    if let (Some(at), Some(communities)) = (communities_at, &drain.communities)
        && !communities.contains(&GRACEFUL_SHUTDOWN)
    {
        warnings.push(Fault::new(
            at,
            "a drain without GRACEFUL_SHUTDOWN",
            "add \"65535:0\" (RFC 8326), so that routers prefer other routes at once",
        ));
    }
    ByState { up: up.unwrap_or_default().0, depreference: depreference.unwrap_or_default().0, drain }
}

/// One table, and where its communities are.
fn chosen(table: DeTable<'_>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) -> (Chosen, Option<Range<usize>>) {
    let mut keys = Keys::new(table, faults);
    let communities_at = keys.place("communities");
    let chosen = Chosen {
        communities: keys.read("communities", bounded(community)),
        large_communities: keys.read("large-communities", bounded(large_community)),
        med: keys.read("med", integer(0..=u32::MAX)),
        prepend: keys.read("prepend", integer(0..=PREPEND_MAX)),
        local_preference: keys.read("local-preference", integer(0..=u32::MAX)),
        next_hop: [
            keys.read("next-hop-ipv4", placed(next_hop)).map(|(address, at)| {
                if address.is_ipv6() {
                    warnings.push(Fault::new(
                        at,
                        format!("{address} is an IPv6 next hop of IPv4 routes"),
                        "only routers that know RFC 8950 take it; write an IPv4 address for the others",
                    ));
                }
                address
            }),
            keys.read("next-hop-ipv6", |value: Value<'_>| {
                let at = value.span();
                match next_hop(value)? {
                    address if address.is_ipv6() => Ok(address),
                    address => Err(vec![Fault::new(
                        at,
                        format!("{address} can't be the next hop of IPv6 routes"),
                        "write an IPv6 address",
                    )]),
                }
            }),
        ],
    };
    keys.finish();
    (chosen, communities_at)
}

impl ByState {
    /// The attributes in states UP, DEPREF and DRAIN for a prefix of this family. `self` is what the service sets, `prefix`
    /// what the prefix sets instead.
    pub(super) fn settle(&self, prefix: &ByState, family: Family) -> [Attributes; 3] {
        let set = |base: Attributes, service: &Chosen, prefix: &Chosen| prefix.over(service.over(base, family), family);
        let up = set(Attributes::default(), &self.up, &prefix.up);
        let depreference = set(worse(&up), &self.depreference, &prefix.depreference);
        let drain = set(last(&up), &self.drain, &prefix.drain);
        [up, depreference, drain]
    }
}

impl Chosen {
    fn over(&self, base: Attributes, family: Family) -> Attributes {
        let next_hop = self.next_hop[usize::from(family == Family::Ipv6)];
        Attributes {
            communities: self.communities.clone().unwrap_or(base.communities),
            large_communities: self.large_communities.clone().unwrap_or(base.large_communities),
            med: self.med.or(base.med),
            local_preference: self.local_preference.or(base.local_preference),
            prepend: self.prepend.unwrap_or(base.prepend),
            next_hop: next_hop.or(base.next_hop),
        }
    }
}

/// Worse than `up` in everything that a router looks at: whichever it compares first, another node wins.
fn worse(up: &Attributes) -> Attributes {
    let preference = up.local_preference.unwrap_or(LOCAL_PREFERENCE);
    Attributes {
        prepend: up.prepend.saturating_add(3),
        med: Some(up.med.unwrap_or(0).saturating_add(100)),
        local_preference: Some((preference / 2).min(50)),
        ..up.clone()
    }
}

/// Worse than that: only who has no other route keeps this one.
fn last(up: &Attributes) -> Attributes {
    let mut drain = Attributes {
        prepend: up.prepend.saturating_add(6),
        med: Some(up.med.unwrap_or(0).saturating_add(200)),
        local_preference: Some(0),
        ..up.clone()
    };
    if !drain.communities.contains(&GRACEFUL_SHUTDOWN) {
        drain.communities.push(GRACEFUL_SHUTDOWN);
    }
    drain
}

fn bounded<'a, T>(item: impl Fn(Value<'a>) -> Read<T>) -> impl FnOnce(Value<'a>) -> Read<Vec<T>> {
    move |value| {
        let at = value.span();
        let items = list(item)(value)?;
        if items.len() > COMMUNITIES_MAX {
            let message = format!("{} communities are too many for one route", items.len());
            return Err(vec![Fault::new(at, message, format!("write at most {COMMUNITIES_MAX}"))]);
        }
        Ok(items)
    }
}

fn community(value: Value<'_>) -> Read<u32> {
    let at = value.span();
    let text = string(value)?;
    let halves = text.split_once(':').and_then(|(asn, number)| Some((asn.parse().ok()?, number.parse().ok()?)));
    match halves {
        Some::<(u16, u16)>((asn, number)) => Ok(u32::from(asn) << 16 | u32::from(number)),
        None => Err(vec![Fault::new(
            at,
            format!("\"{text}\" is no community"),
            "write two numbers up to 65535, such as \"64501:100\"; longer AS numbers need `large-communities`",
        )]),
    }
}

fn large_community(value: Value<'_>) -> Read<[u32; 3]> {
    let at = value.span();
    let text = string(value)?;
    let numbers: Option<Vec<u32>> = text.split(':').map(|number| number.parse().ok()).collect();
    numbers.and_then(|numbers| <[u32; 3]>::try_from(numbers).ok()).ok_or_else(|| {
        vec![Fault::new(
            at,
            format!("\"{text}\" is no large community"),
            "write three numbers up to 4294967295, such as \"64501:1:100\"",
        )]
    })
}

fn next_hop(value: Value<'_>) -> Read<IpAddr> {
    let at = value.span();
    let address = super::value::ip(value)?;
    if address.is_unspecified() || address.is_multicast() {
        let message = format!("{address} can't be a next hop");
        return Err(vec![Fault::new(at, message, "write a unicast address that the router can reach")]);
    }
    Ok(address)
}
