//! How the parts fit together: names that must exist, what contradicts, and what is unwise.

use super::read::Draft;
use super::value::{Placed, secs};
use super::{Announced, Damping, Overload, Peer, Service, Settings, Stale};
use crate::announce::prefix::Family;
use crate::announce::sockets;
use crate::config::Endpoint;
use crate::config::document::Fault;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What the host says of things that the settings name.
pub(super) struct Host {
    /// What is wrong with a file of keys, and the remedy.
    pub(super) key_file: fn(&Path) -> Option<(String, String)>,
    /// Whether it has an address.
    pub(super) has: fn(IpAddr) -> bool,
}

/// From a draft to settings. They are good only if there is no fault afterwards.
pub(super) fn settle(
    draft: Draft,
    text: &str,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<Fault>,
    host: &Host,
) -> Option<Settings> {
    let lines = Lines(text);
    damping(&draft.damping, faults);
    services(&draft, &lines, faults, warnings, host);
    prefixes(&draft, &lines, faults, warnings);
    peers(&draft, &lines, faults, warnings, host);
    let router_id = draft.router_id.or_else(|| draft.peers.iter().find_map(|draft| local_ipv4(&draft.peer)));
    if router_id.is_none() {
        let message = "`router-id` is missing, and no peer has an IPv4 `local-address` to take it from";
        let remedy =
            "add a line `router-id = \"192.0.2.1\"`: an IPv4 address that no other router has as its identifier";
        faults.push(Fault::new(lines.first(), message, remedy));
    }
    let settled = announced(&draft);
    next_hops(&draft, &settled, &lines, faults);
    let service = |service: super::service::Draft| Service {
        name: service.name.0,
        addresses: service.addresses.into_iter().map(|(address, _)| address).collect(),
        lease: service.lease,
        overload: service.overload.map_or(Overload::Absorb, |(overload, _)| overload),
        stale: service.stale.map_or(Stale::Depreference, |(stale, _)| stale),
        rise: service.rise,
        fall: service.fall,
        probes: service.probes,
    };
    Some(Settings {
        router_id: router_id?,
        local_as: draft.local_as,
        node: draft.node,
        lease: draft.lease,
        server_user: draft.server_user,
        control: draft.control,
        admin: draft.admin,
        drain_timeout: draft.drain_timeout,
        log_format: draft.log_format,
        log_level: draft.log_level,
        damping: draft.damping.0,
        services: draft.services.into_iter().map(service).collect(),
        prefixes: settled,
        peers: draft.peers.into_iter().map(|draft| draft.peer).collect(),
    })
}

/// Tells places of the text to people.
struct Lines<'t>(&'t str);

impl Lines<'_> {
    /// The number of the line that a place begins in.
    fn of(&self, at: &std::ops::Range<usize>) -> usize {
        self.0[..at.start].matches('\n').count() + 1
    }

    /// The first line.
    fn first(&self) -> std::ops::Range<usize> {
        0..self.0.find('\n').unwrap_or(self.0.len())
    }

    /// A fault for each that is there twice; it names the line of the first.
    fn twice<'a, T: Eq + Hash + std::fmt::Display + 'a>(
        &self,
        what: &str,
        all: impl Iterator<Item = &'a Placed<T>>,
        faults: &mut Vec<Fault>,
    ) {
        let mut seen = HashMap::new();
        for (item, at) in all {
            if let Some(first) = seen.insert(item, at) {
                let message = format!("{what} {item} is named twice: also in line {}", self.of(first));
                faults.push(Fault::new(at.clone(), message, "remove one of the two"));
            }
        }
    }
}

fn damping((damping, at): &Placed<Damping>, faults: &mut Vec<Fault>) {
    if damping.hold_down_max < damping.hold_down {
        let message = format!(
            "`hold-down-max` ({:?}) is shorter than `hold-down` ({:?})",
            damping.hold_down_max, damping.hold_down
        );
        faults.push(Fault::new(at.clone(), message, "make `hold-down-max` longer, or `hold-down` shorter"));
    }
    // A hold-down that outlives its own memory would never grow.
    if damping.forget < damping.hold_down_max {
        let message =
            format!("`forget` ({:?}) is shorter than `hold-down-max` ({:?})", damping.forget, damping.hold_down_max);
        faults.push(Fault::new(at.clone(), message, "make `forget` longer, or `hold-down-max` shorter"));
    }
}

fn services(draft: &Draft, lines: &Lines<'_>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>, host: &Host) {
    lines.twice("service", draft.services.iter().map(|service| &service.name), faults);
    for service in &draft.services {
        let name = &service.name.0;
        lines.twice("address", service.addresses.iter(), faults);
        warnings.extend(service.warnings.iter().cloned());
        if !service.lease && service.probes.is_empty() {
            let message = format!("service {name} has neither a lease nor a probe: nothing says whether it answers");
            faults.push(Fault::new(service.at.clone(), message, "add a table `[[service.probe]]`"));
        }
        if service.lease && draft.lease == Endpoint::None {
            let message = format!("service {name} needs the server's lease, and `lease` is \"none\"");
            let remedy = "set `lease` to the server's lease socket, or `lease = false` in the service";
            faults.push(Fault::new(service.at.clone(), message, remedy));
        }
        if let (Some((_, at)), false) = (&service.overload, service.lease) {
            let message = format!("service {name} has no lease, so that nobody knows when it is overloaded");
            warnings.push(Fault::new(at.clone(), message, "remove `overload`: a failing probe withdraws"));
        }
        if let (Some((_, at)), false) = (&service.stale, service.lease) {
            let message = format!("service {name} has no lease, so that nobody knows when it is stale");
            warnings.push(Fault::new(at.clone(), message, "remove `stale`"));
        }
        let prefixes: Vec<_> = draft
            .prefixes
            .iter()
            .filter(|prefix| prefix.services.iter().any(|(service, _)| service == name))
            .map(|prefix| prefix.prefix.0)
            .collect();
        if prefixes.is_empty() {
            let message = format!("no prefix is announced for service {name}");
            warnings.push(Fault::new(service.name.1.clone(), message, "name it in the `services` of a `[[prefix]]`"));
            continue;
        }
        for (address, at) in &service.addresses {
            if !(host.has)(*address) {
                let remedy =
                    format!("add it, `ip addr add {address} dev lo`: until then its prefixes are not announced");
                warnings.push(Fault::new(at.clone(), format!("{address} is on no interface of this host"), remedy));
            }
            if !prefixes.iter().any(|prefix| prefix.contains(*address)) {
                let message = format!("{address} lies in no prefix that names service {name}");
                warnings.push(Fault::new(
                    at.clone(),
                    message,
                    "add its prefix, or remove the address: nothing leads clients to it",
                ));
            }
        }
    }
}

fn prefixes(draft: &Draft, lines: &Lines<'_>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>) {
    lines.twice("prefix", draft.prefixes.iter().map(|prefix| &prefix.prefix), faults);
    for announced in &draft.prefixes {
        let (prefix, at) = &announced.prefix;
        warnings.extend(announced.warnings.iter().cloned());
        lines.twice("service", announced.services.iter(), faults);
        let mut unknown = false;
        for (name, at) in &announced.services {
            if !draft.services.iter().any(|service| service.name.0 == *name) {
                let all: Vec<_> = draft.services.iter().map(|service| service.name.0.as_str()).collect();
                let remedy = format!("add a `[[service]]` of this name, or write one of: {}", all.join(", "));
                faults.push(Fault::new(at.clone(), format!("there is no service {name}"), remedy));
                unknown = true;
            }
        }
        let family = prefix.family();
        let has = |(name, _): &Placed<String>| {
            let service = draft.services.iter().find(|service| service.name.0 == *name);
            service.is_some_and(|service| service.addresses.iter().any(|(address, _)| Family::of(*address) == family))
        };
        if !unknown && !announced.services.iter().any(has) {
            let message = format!("no service of {prefix} has an {family} address");
            let remedy = "add the address to the service: each family is judged by its own addresses";
            faults.push(Fault::new(at.clone(), message, remedy));
        }
        let usual = match family {
            Family::Ipv4 => 24,
            Family::Ipv6 => 48,
        };
        if prefix.bits() > usual {
            let message = format!("{prefix} is longer than /{usual}");
            let remedy =
                "most of the Internet drops longer prefixes: announce a shorter one if it is to be seen everywhere";
            warnings.push(Fault::new(at.clone(), message, remedy));
        }
        if !draft.peers.is_empty() && !draft.peers.iter().any(|draft| draft.peer.families.contains(&family)) {
            let message = format!("no peer takes {prefix}");
            warnings.push(Fault::new(at.clone(), message, format!("add \"{family}\" to the `families` of a peer")));
        }
    }
}

fn peers(draft: &Draft, lines: &Lines<'_>, faults: &mut Vec<Fault>, warnings: &mut Vec<Fault>, host: &Host) {
    if draft.peers.is_empty() {
        let remedy = "add a table `[[peer]]`: until then nothing is announced to anybody";
        warnings.push(Fault::new(lines.first(), "there is no `[[peer]]`", remedy));
    }
    let names: Vec<_> = draft.peers.iter().map(|draft| (&draft.peer.name, draft.name_at.clone())).collect();
    lines.twice("peer", names.iter(), faults);
    let end = |peer: &Peer| SocketAddr::new(peer.address, peer.port);
    let ends: Vec<_> = draft.peers.iter().map(|draft| (end(&draft.peer), draft.address_at.clone())).collect();
    lines.twice("peer", ends.iter(), faults);
    // A BFD packet that names no session yet is its sender's, and that is all that it says of it (RFC 5880 6.3).
    let with_bfd = draft.peers.iter().filter(|draft| draft.peer.bfd.is_some());
    let mut first = HashMap::new();
    for super::peer::Draft { peer, at, address_at, .. } in with_bfd {
        if let Some((other, line)) = first.insert(peer.address, (&peer.name, lines.of(at))) {
            let message = format!(
                "peers {other} (line {line}) and {} have BFD with one address, {}, and can't be told apart by it",
                peer.name, peer.address
            );
            faults.push(Fault::new(address_at.clone(), message, "keep `[peer.bfd]` at one of the two"));
        }
    }
    for super::peer::Draft { peer, at, hold_time_at, key_file, .. } in &draft.peers {
        let place = hold_time_at.as_ref().unwrap_or(at);
        if peer.hold_time > secs(9) && peer.bfd.is_none() {
            let message = format!("a host that is cut off keeps its routes for {:?}", peer.hold_time);
            let remedy = "set `hold-time = \"9s\"` or less, or add a table `[peer.bfd]`";
            warnings.push(Fault::new(place.clone(), message, remedy));
        }
        if peer.asn == draft.local_as && peer.role.is_some() {
            let message = format!("peer {} is internal, and roles are for external ones (RFC 9234 4)", peer.name);
            faults.push(Fault::new(at.clone(), message, "remove `role`"));
        }
        if let Some((file, at)) = key_file
            && let Some((message, remedy)) = (host.key_file)(file)
        {
            warnings.push(Fault::new(at.clone(), format!("{}: {message}", file.display()), remedy));
        }
    }
}

/// The host that we run on.
pub(super) const THIS_HOST: Host = Host {
    key_file,
    // Not being able to look says nothing about the address.
    has: |address| sockets::is_local(address).unwrap_or(true),
};

/// A host that has whatever is named.
pub(super) const ANY_HOST: Host = Host { key_file: |_| None, has: |_| true };

fn key_file(path: &Path) -> Option<(String, String)> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) => {
            let remedy = "write the key to it, or the session is refused: it never goes on without";
            return Some((e.to_string(), remedy.into()));
        }
    };
    if !metadata.is_file() {
        return Some(("it is no regular file".into(), "name a file whose first line is the key".into()));
    }
    let open = metadata.permissions().mode() & 0o007 != 0;
    open.then(|| ("everybody can read or write the key".into(), format!("chmod 0640 {}", path.display())))
}

fn local_ipv4(peer: &Peer) -> Option<Ipv4Addr> {
    match peer.local_address {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    }
}

/// The prefixes with the attributes of each state: of several services the first named gives them.
fn announced(draft: &Draft) -> Vec<Announced> {
    let one = |announced: &super::read::Announced| {
        let (prefix, _) = announced.prefix;
        let first = announced.services.first();
        let service = draft.services.iter().find(|service| first.is_some_and(|(name, _)| service.name.0 == *name));
        let base = service.map(|service| service.attributes.clone()).unwrap_or_default();
        let [up, depreference, drain] = base.settle(&announced.attributes, prefix.family());
        let services = announced.services.iter().map(|(name, _)| name.clone()).collect();
        Announced { prefix, services, require: announced.require, up, depreference, drain }
    };
    draft.prefixes.iter().map(one).collect()
}

/// An IPv6 route over an IPv4 session has no next hop of its own (RFC 4760 3: it must be an IPv6 address). An IPv4 route over
/// an IPv6 session has one where the router knows RFC 8950.
fn next_hops(draft: &Draft, settled: &[Announced], lines: &Lines<'_>, faults: &mut Vec<Fault>) {
    for (announced, written) in settled.iter().zip(&draft.prefixes) {
        if announced.prefix.family() == Family::Ipv4 || announced.up.next_hop.is_some() {
            continue;
        }
        let lacking =
            |draft: &&super::peer::Draft| draft.peer.address.is_ipv4() && draft.peer.families.contains(&Family::Ipv6);
        if let Some(draft) = draft.peers.iter().find(lacking) {
            let peer = &draft.peer.name;
            let message = format!(
                "{} has no next hop towards peer {peer} (line {}), whose session is IPv4",
                announced.prefix,
                lines.of(&draft.at)
            );
            let remedy =
                "set `next-hop-ipv6` in `[service.up]` or `[prefix.up]`, or `families = [\"ipv4\"]` at the peer";
            faults.push(Fault::new(written.prefix.1.clone(), message, remedy));
        }
    }
}
