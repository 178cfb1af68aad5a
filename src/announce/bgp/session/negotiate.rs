//! OPEN: what we say, and what comes of what both sides said (RFC 4271 4.2, 6.2; RFC 5492).

use crate::announce::bgp::codec::Context;
use crate::announce::bgp::message::{Capability, Notification, Open, Role};
use crate::announce::bgp::notification::Reason;
use crate::announce::bgp::settings::Peer;
use crate::announce::prefix::Family;
use std::net::Ipv4Addr;

/// What both sides agreed upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer's BGP identifier.
    pub identifier: Ipv4Addr,
    /// Hold time in seconds: the lower of the two; 0, if both sides say so: never expires (RFC 4271 4.2).
    pub hold_time_secs: u16,
    /// How UPDATEs are written, and of which families.
    pub context: Context,
    /// What the peer says it is (RFC 9234).
    pub peer_role: Option<Role>,
    /// All that the peer said it can do.
    pub capabilities: Vec<Capability>,
}

/// Our OPEN.
///
/// Capability 64 (graceful restart, RFC 4724) is never in it: with it a router keeps sending packets to an announcer
/// that is gone.
pub(super) fn open(settings: &Peer) -> Open {
    let mut capabilities: Vec<Capability> =
        settings.families.iter().map(|family| Capability::Multiprotocol(*family)).collect();
    capabilities.push(Capability::RouteRefresh);
    if settings.families.contains(&Family::Ipv4) {
        capabilities.push(Capability::ExtendedNextHop);
    }
    capabilities.extend(settings.effective_role().map(Capability::Role));
    capabilities.push(Capability::FourOctetAsn(settings.local_as));
    capabilities.push(Capability::EnhancedRouteRefresh);
    Open { asn: settings.local_as, hold_time: settings.hold_time_secs, identifier: settings.identifier, capabilities }
}

/// Judges the peer's OPEN. The error is what to answer.
pub(super) fn negotiate(settings: &Peer, theirs: &Open) -> Result<Negotiated, Notification> {
    let refuse = |reason| Err(Notification::new(reason, []));
    if theirs.asn != settings.remote_as {
        return refuse(Reason::BadPeerAs);
    }
    // RFC 6286 2.2: not zero, and not our own inside an AS.
    if theirs.identifier.is_unspecified() || (settings.internal() && theirs.identifier == settings.identifier) {
        return refuse(Reason::BadBgpIdentifier);
    }
    // RFC 4271 6.2: any may be refused. 0 would win over ours, and the router would keep our routes for ever once we are cut off.
    if matches!(theirs.hold_time, 1 | 2) || theirs.hold_time == 0 && settings.hold_time_secs != 0 {
        return refuse(Reason::UnacceptableHoldTime);
    }
    let ours = open(settings);
    let context = Context::negotiated(&ours, theirs);
    if context.families.is_empty() {
        // RFC 5492 3: the data are the capabilities that we miss; each Multiprotocol: code, length, AFI, 0, SAFI.
        let missed = settings.families.iter().flat_map(|family| {
            let [high, low] = family.afi().to_be_bytes();
            [1, 4, high, low, 0, family.safi()]
        });
        return Err(Notification::new(Reason::UnsupportedCapability, missed.collect::<Vec<u8>>()));
    }
    let Ok(peer_role) = role(settings, theirs) else { return refuse(Reason::RoleMismatch) };
    Ok(Negotiated {
        identifier: theirs.identifier,
        hold_time_secs: settings.hold_time_secs.min(theirs.hold_time),
        context,
        peer_role,
        capabilities: theirs.capabilities.clone(),
    })
}

/// RFC 9234 4.2: both roles must fit; two different ones of one peer never do; none at all does unless we are strict.
fn role(settings: &Peer, open: &Open) -> Result<Option<Role>, ()> {
    let mut roles = open.capabilities.iter().filter_map(|capability| match capability {
        Capability::Role(role) => Some(*role),
        _ => None,
    });
    let theirs = roles.next();
    let Some(ours) = settings.effective_role() else { return Ok(theirs) };
    if roles.any(|other| Some(other) != theirs) {
        return Err(());
    }
    let wanted = match ours {
        Role::Provider => Role::Customer,
        Role::Customer => Role::Provider,
        Role::RouteServer => Role::RouteServerClient,
        Role::RouteServerClient => Role::RouteServer,
        Role::Peer => Role::Peer,
    };
    match theirs {
        Some(theirs) if theirs == wanted => Ok(Some(theirs)),
        None if !settings.strict_role => Ok(None),
        _ => Err(()),
    }
}
