//! The Adj-RIB-Out (RFC 4271 3.2): what one peer shall hold, what it was sent, and the messages between the two.
//!
//! Withdrawals never wait. Announcements wait until everything sent before has left ([`AdjRibOut::announcements`] is asked only
//! then), so that a withdrawal finds nothing before it but what the system's own buffer already took. A change that is
//! undone before it was sent is never sent.

use super::codec::{Context, encode_announced};
use super::message::{Attributes, Message, Origin, Role, RouteRefresh, Update};
use crate::announce::Moment;
use crate::announce::prefix::{Family, Prefix};
use crate::announce::route;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// LOCAL_PREF where nothing is set.
const LOCAL_PREFERENCE: u32 = 100;
/// Subtypes of ROUTE-REFRESH (RFC 7313 3.2).
const BEGIN_OF_REFRESH: u8 = 1;
const END_OF_REFRESH: u8 = 2;

/// What the routes of a session depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Our AS number.
    pub local_as: u32,
    /// Our role (RFC 9234); eBGP only.
    pub role: Option<Role>,
    /// What both sides can do.
    pub context: Context,
    /// Our end of the session.
    pub local_address: IpAddr,
}

/// Why a route is not announced to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unannounced {
    /// The family is not part of the session.
    #[error("the router did not agree to {0} routes: enable the family in its settings for this session")]
    Family(Family),
    /// The session runs over the other family, and nothing says where packets shall go.
    #[error(
        "the session has no {0} address to be the next hop: set `next-hop-{0}`{hint}",
        hint = if matches!(.0, Family::Ipv4) { ", or enable extended next hops (RFC 8950) on the router" } else { "" }
    )]
    NextHop(Family),
    /// A next hop is set that routes of the family can't have in this session.
    #[error("the next hop set for {0} routes is of the other family{hint}",
        hint = if matches!(.0, Family::Ipv4) { ", and the router has no extended next hops (RFC 8950)" } else { "" }
    )]
    NextHopFamily(Family),
    /// No message has room for its attributes (RFC 4271 9.2).
    #[error("its attributes don't fit into a message of 4096 octets: set fewer communities")]
    TooLong,
}

/// A route that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// As sent.
    pub attributes: Attributes,
    /// Since when it is written; `None` while it is in our send buffer.
    pub written: Option<Moment>,
    position: Position,
}

/// Where in the stream of octets sent a message ends; `Unsent` until that is known.
type Position = Option<u64>;

/// The Adj-RIB-Out of one established session.
#[derive(Debug)]
pub struct AdjRibOut {
    terms: Terms,
    wanted: BTreeMap<Prefix, Attributes>,
    unannounced: BTreeMap<Prefix, Unannounced>,
    sent: BTreeMap<Prefix, Advertised>,
    /// Withdrawn, but not yet written: the peer may still hold them.
    withdrawing: BTreeMap<Prefix, Position>,
    /// Families whose first transfer has not ended.
    first_transfer: BTreeSet<Family>,
    /// Families that the peer wants again.
    refresh: BTreeSet<Family>,
}

impl AdjRibOut {
    /// Of a session that has just been established: the peer holds nothing.
    pub fn new(terms: Terms) -> AdjRibOut {
        AdjRibOut {
            first_transfer: terms.context.families.iter().copied().collect(),
            terms,
            wanted: BTreeMap::new(),
            unannounced: BTreeMap::new(),
            sent: BTreeMap::new(),
            withdrawing: BTreeMap::new(),
            refresh: BTreeSet::new(),
        }
    }

    /// Says what the peer shall hold from now on. Returns whether other routes than before can't be announced, or for
    /// other reasons.
    pub fn set<'r>(&mut self, routes: impl IntoIterator<Item = (&'r Prefix, &'r route::Attributes)>) -> bool {
        self.wanted.clear();
        let before = std::mem::take(&mut self.unannounced);
        for (&prefix, attributes) in routes {
            match path_attributes(&self.terms, prefix, attributes) {
                Ok(attributes) => drop(self.wanted.insert(prefix, attributes)),
                Err(why) => drop(self.unannounced.insert(prefix, why)),
            }
        }
        self.unannounced != before
    }

    /// The peer wants the routes of a family once more (RFC 2918). Requests that come before the answer are one.
    pub fn refresh(&mut self, family: Family) {
        if self.terms.context.families.contains(&family) {
            self.refresh.insert(family);
        }
    }

    /// What takes back all that the peer may hold and shall not. To be sent at once.
    pub fn withdrawals(&mut self) -> Vec<Message> {
        let gone: Vec<Prefix> = self.sent.keys().filter(|prefix| !self.wanted.contains_key(prefix)).copied().collect();
        for prefix in &gone {
            self.sent.remove(prefix);
            self.withdrawing.insert(*prefix, None);
        }
        if gone.is_empty() {
            return Vec::new();
        }
        vec![Message::Update(Update { withdrawn: gone, ..Update::default() })]
    }

    /// All else: new and changed routes, ends of first transfers, and repetitions.
    pub fn announcements(&mut self) -> Vec<Message> {
        let fresh: Vec<Prefix> = self
            .wanted
            .iter()
            .filter(|(prefix, attributes)| self.sent.get(prefix).is_none_or(|sent| sent.attributes != **attributes))
            .map(|(prefix, _)| *prefix)
            .collect();
        let mut messages = announce(fresh.iter().map(|prefix| (*prefix, &self.wanted[prefix])));
        for prefix in fresh {
            let attributes = self.wanted[&prefix].clone();
            self.sent.insert(prefix, Advertised { attributes, written: None, position: None });
            self.withdrawing.remove(&prefix);
        }
        // RFC 4724 2 recommends the End-of-RIB marker whether or not restarts are graceful.
        for family in std::mem::take(&mut self.first_transfer) {
            messages.push(Message::Update(Update { end_of_rib: Some(family), ..Update::default() }));
        }
        for family in std::mem::take(&mut self.refresh) {
            let mark = |subtype| Message::RouteRefresh(RouteRefresh { family: Some(family), subtype });
            let routes = self.sent.iter().filter(|(prefix, _)| prefix.family() == family);
            let again = announce(routes.map(|(prefix, sent)| (*prefix, &sent.attributes)));
            messages.extend(self.terms.context.enhanced_route_refresh.then(|| mark(BEGIN_OF_REFRESH)));
            messages.extend(again);
            messages.extend(self.terms.context.enhanced_route_refresh.then(|| mark(END_OF_REFRESH)));
        }
        messages
    }

    /// The messages asked for last end at this position of the stream.
    pub fn handed_over(&mut self, position: u64) {
        for place in self.sent.values_mut().map(|sent| &mut sent.position).chain(self.withdrawing.values_mut()) {
            place.get_or_insert(position);
        }
    }

    /// The stream is written up to a position.
    pub fn written(&mut self, now: Moment, position: u64) {
        let left = |place: Position| place.is_some_and(|place| place <= position);
        self.withdrawing.retain(|_, place| !left(*place));
        for sent in self.sent.values_mut().filter(|sent| left(sent.position)) {
            sent.written.get_or_insert(now);
        }
    }

    /// What the peer was sent and not sent a withdrawal of.
    pub fn advertised(&self) -> &BTreeMap<Prefix, Advertised> {
        &self.sent
    }

    /// Whether the peer may hold a prefix: it was sent, and no withdrawal has left our send buffer since.
    pub fn may_hold(&self, prefix: Prefix) -> bool {
        self.sent.contains_key(&prefix) || self.withdrawing.contains_key(&prefix)
    }

    /// How many prefixes the peer may hold.
    pub fn held_max(&self) -> usize {
        self.sent.len() + self.withdrawing.len()
    }

    /// What is wanted and can't be announced to this peer.
    pub fn unannounced(&self) -> &BTreeMap<Prefix, Unannounced> {
        &self.unannounced
    }
}

/// UPDATEs that announce routes, of which equal ones of a family share a message.
fn announce<'a>(routes: impl Iterator<Item = (Prefix, &'a Attributes)>) -> Vec<Message> {
    // Few differ: services give their attributes to all of their prefixes.
    let mut groups: Vec<(Family, &Attributes, Vec<Prefix>)> = Vec::new();
    for (prefix, attributes) in routes {
        let group = groups.iter_mut().find(|group| group.0 == prefix.family() && group.1 == attributes);
        match group {
            Some(group) => group.2.push(prefix),
            None => groups.push((prefix.family(), attributes, vec![prefix])),
        }
    }
    groups
        .into_iter()
        .map(|(_, attributes, announced)| {
            Message::Update(Update { announced, attributes: Some(attributes.clone()), ..Update::default() })
        })
        .collect()
}

/// The path attributes that a route has for a peer.
fn path_attributes(terms: &Terms, prefix: Prefix, route: &route::Attributes) -> Result<Attributes, Unannounced> {
    let family = prefix.family();
    if !terms.context.families.contains(&family) {
        return Err(Unannounced::Family(family));
    }
    // RFC 4271 5.1.2: our own AS for external peers, an empty path for internal ones. Prepending inside an AS would
    // make the peer take the route for a loop.
    let as_path =
        if terms.context.internal { Vec::new() } else { vec![terms.local_as; 1 + usize::from(route.prepend)] };
    let attributes = Attributes {
        origin: Origin::Igp,
        as_path,
        next_hop: next_hop(terms, family, route.next_hop)?,
        med: route.med,
        // RFC 4271 5.1.5: to internal peers always, to external ones never.
        local_preference: terms.context.internal.then(|| route.local_preference.unwrap_or(LOCAL_PREFERENCE)),
        communities: route.communities.clone(),
        large_communities: route.large_communities.clone(),
        only_to_customer: only_to_customer(terms),
    };
    let sendable = encode_announced(&[prefix], &attributes, &terms.context).unsent.is_empty();
    sendable.then_some(attributes).ok_or(Unannounced::TooLong)
}

fn next_hop(terms: &Terms, family: Family, set: Option<IpAddr>) -> Result<IpAddr, Unannounced> {
    let fits = |address: IpAddr| {
        Family::of(address) == family
            || (family == Family::Ipv4 && terms.context.extended_next_hop && address.is_ipv6())
    };
    match set {
        Some(address) => Some(address).filter(|address| fits(*address)).ok_or(Unannounced::NextHopFamily(family)),
        None => Some(terms.local_address)
            // A link-local address alone is no next hop (RFC 2545 3).
            .filter(|address| fits(*address) && !is_link_local(*address))
            .ok_or(Unannounced::NextHop(family)),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// RFC 9234 5, egress: what goes to a customer, a peer or a client of a route server goes to customers only from there on.
fn only_to_customer(terms: &Terms) -> Option<u32> {
    let downwards = matches!(terms.role, Some(Role::Provider | Role::Peer | Role::RouteServer));
    (downwards && !terms.context.internal).then_some(terms.local_as)
}
