//! A `[[peer]]`, its authentication and its BFD.

use super::value::{Placed, asn, bounded, ip, label, secs};
use super::{AoAlgorithm, Authentication, Bfd, Peer};
use crate::announce::bgp::message::Role;
use crate::announce::prefix::Family;
use crate::config::document::{Fault, Keys, Read, Value, boolean, duration, integer, path, placed, table, word};
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};

/// A peer, and the places that judging needs.
pub(super) struct Draft {
    pub(super) peer: Peer,
    pub(super) at: Range<usize>,
    pub(super) name_at: Range<usize>,
    pub(super) address_at: Range<usize>,
    pub(super) hold_time_at: Option<Range<usize>>,
    /// The file of its key.
    pub(super) key_file: Option<Placed<PathBuf>>,
}

const FAMILIES: &[(&str, Family)] = &[("ipv4", Family::Ipv4), ("ipv6", Family::Ipv6)];
const ROLES: &[(&str, Role)] = &[
    ("provider", Role::Provider),
    ("route-server", Role::RouteServer),
    ("route-server-client", Role::RouteServerClient),
    ("customer", Role::Customer),
    ("peer", Role::Peer),
];

/// Reads one peer.
pub(super) fn read(table_: DeTable<'_>, at: Range<usize>, base: &Path, faults: &mut Vec<Fault>) -> Option<Draft> {
    let before = faults.len();
    let mut keys = Keys::new(table_, faults);
    let name = keys.require("name", at.clone(), placed(label));
    let address = keys.require("address", at.clone(), placed(unicast));
    let asn = keys.require("as", at.clone(), asn);
    let port = keys.read("port", integer(1..=u16::MAX)).unwrap_or(179);
    let local_address = keys.read("local-address", placed(unicast));
    let passive = keys.read("passive", boolean).unwrap_or(false);
    let families = keys.read("families", families).unwrap_or_else(|| Family::ALL.to_vec());
    let hold_time = keys.read("hold-time", placed(hold_time));
    let connect_retry = keys.read("connect-retry", duration(secs(1)..=secs(3600))).unwrap_or(secs(5));
    let multihop = keys.read("multihop", boolean).unwrap_or(false);
    let ttl_security = keys.read("ttl-security", ttl_security).flatten();
    let password_file = keys.read("password-file", placed(path(base)));
    let ao = keys.read("tcp-ao", placed(table));
    let role = keys.read("role", word(ROLES));
    let strict_at = keys.place("strict-role");
    let strict_role = keys.read("strict-role", boolean).unwrap_or(false);
    let alarm_at = keys.place("receive-alarm").or_else(|| keys.place("receive-limit"));
    let alarm = keys.read("receive-alarm", integer(1..=u32::MAX));
    let receive_limit = keys.read("receive-limit", integer(1..=u32::MAX)).unwrap_or(1000);
    let bfd = keys.read("bfd", table);
    keys.finish();

    let ao = ao.and_then(|(table, at)| Some((tcp_ao(table, at.clone(), base, faults)?, at)));
    let bfd = bfd.map(|table| bfd_of(table, multihop, faults));
    let receive_alarm = alarm.unwrap_or(100.min(receive_limit));
    if let (Some((address, _)), Some((local, local_at))) = (&address, &local_address)
        && address.is_ipv4() != local.is_ipv4()
    {
        let message = format!("{local} is of another family than the peer's {address}");
        faults.push(Fault::new(local_at.clone(), message, "write our address on the way to the peer, or leave it out"));
    }
    if let (Some(at), None, true) = (strict_at, role, strict_role) {
        faults.push(Fault::new(
            at,
            "`strict-role` without `role`",
            "set our `role` towards this peer, such as \"customer\"",
        ));
    }
    if let (Some(at), true) = (alarm_at, receive_alarm > receive_limit) {
        let message = format!("the alarm at {receive_alarm} routes comes after the end at {receive_limit}");
        faults.push(Fault::new(at, message, "set `receive-alarm` no higher than `receive-limit`"));
    }
    if let (Some(_), Some((_, at))) = (&password_file, &ao) {
        faults.push(Fault::new(at.clone(), "both `password-file` and `tcp-ao`", "keep the one that the peer has"));
    }
    (faults.len() == before).then_some(())?;

    let key_file = match (&password_file, &ao) {
        (Some(file), _) => Some(file.clone()),
        (None, Some((ao, _))) => Some(ao.key_file.clone()),
        (None, None) => None,
    };
    let authentication = match (password_file, ao) {
        (Some((key_file, _)), _) => Some(Authentication::Md5 { key_file }),
        (None, Some((Ao { key_file: (key_file, _), send_id, receive_id, algorithm }, _))) => {
            Some(Authentication::Ao { key_file, send_id, receive_id, algorithm })
        }
        (None, None) => None,
    };
    let ((name, name_at), (address, address_at)) = (name?, address?);
    let peer = Peer {
        name,
        address,
        port,
        asn: asn?,
        local_address: local_address.map(|(address, _)| address),
        passive,
        families,
        hold_time: hold_time.as_ref().map_or(secs(9), |(time, _)| *time),
        connect_retry,
        multihop,
        ttl_security,
        authentication,
        role,
        strict_role,
        receive_alarm,
        receive_limit,
        bfd: bfd.flatten(),
    };
    Some(Draft { peer, at, name_at, address_at, hold_time_at: hold_time.map(|(_, at)| at), key_file })
}

struct Ao {
    key_file: Placed<PathBuf>,
    send_id: u8,
    receive_id: u8,
    algorithm: AoAlgorithm,
}

fn tcp_ao(table: DeTable<'_>, at: Range<usize>, base: &Path, faults: &mut Vec<Fault>) -> Option<Ao> {
    const ALGORITHMS: &[(&str, AoAlgorithm)] =
        &[("hmac-sha-1", AoAlgorithm::HmacSha1), ("aes-128-cmac", AoAlgorithm::Aes128Cmac)];
    let mut keys = Keys::new(table, faults);
    let key_file = keys.require("key-file", at, placed(path(base)));
    let send_id = keys.read("send-id", integer(0..=u8::MAX)).unwrap_or(1);
    let receive_id = keys.read("receive-id", integer(0..=u8::MAX)).unwrap_or(1);
    let algorithm = keys.read("algorithm", word(ALGORITHMS)).unwrap_or(AoAlgorithm::HmacSha1);
    keys.finish();
    Some(Ao { key_file: key_file?, send_id, receive_id, algorithm })
}

fn bfd_of(table: DeTable<'_>, peer_multihop: bool, faults: &mut Vec<Fault>) -> Option<Bfd> {
    let mut keys = Keys::new(table, faults);
    let interval = keys.read("interval", duration(Duration::from_millis(10)..=secs(60)));
    let multiplier = keys.read("multiplier", integer(1..=u8::MAX)).unwrap_or(3);
    let multihop = keys.read("multihop", boolean).unwrap_or(peer_multihop);
    let min_ttl = keys.read("min-ttl", placed(integer(1..=u8::MAX)));
    keys.finish();
    if let (Some((1..=254, at)), false) = (&min_ttl, multihop) {
        faults.push(Fault::new(
            at.clone(),
            "over one hop BFD takes TTL 255 only (RFC 5881 5)",
            "leave `min-ttl` out, or set `multihop = true`",
        ));
    }
    Some(Bfd {
        interval: interval.unwrap_or(Duration::from_millis(100)),
        multiplier,
        multihop,
        min_ttl: min_ttl.map_or(255, |(ttl, _)| ttl),
    })
}

fn unicast(value: Value<'_>) -> Read<IpAddr> {
    let at = value.span();
    let address = ip(value)?;
    let remedy = match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            "write a global or unique local address: a link-local one says nothing without an interface"
        }
        _ if address.is_unspecified() || address.is_multicast() => "write the address of one router",
        _ => return Ok(address),
    };
    Err(vec![Fault::new(at, format!("{address} can't be an end of a session"), remedy)])
}

fn families(value: Value<'_>) -> Read<Vec<Family>> {
    let at = value.span();
    let mut families = bounded(FAMILIES.len(), word(FAMILIES))(value)?;
    families.sort_unstable();
    let listed = families.len();
    families.dedup();
    let twice = || vec![Fault::new(at, "a family is listed twice", "remove one of the two")];
    if families.len() == listed { Ok(families) } else { Err(twice()) }
}

/// RFC 4271 4.2: whole seconds in two octets, at least 3. Its 0 (never) would leave a route standing for ever.
fn hold_time(value: Value<'_>) -> Read<Duration> {
    let at = value.span();
    let time = duration(secs(3)..=secs(65535))(value)?;
    if time.subsec_nanos() == 0 {
        return Ok(time);
    }
    Err(vec![Fault::new(at, format!("a hold time of {time:?}"), "write whole seconds: BGP knows no parts of them")])
}

/// `false`, `true` for one hop, or the number of hops.
fn ttl_security(value: Value<'_>) -> Read<Option<u8>> {
    match value.get_ref() {
        DeValue::Boolean(one) => Ok(one.then_some(1)),
        DeValue::Integer(_) => integer(1..=254)(value).map(Some),
        other => Err(vec![Fault::new(
            value.span(),
            format!("unexpected {}", other.type_str()),
            "write how many hops the peer is away at most: 1 for a neighbour; or `false`",
        )]),
    }
}
