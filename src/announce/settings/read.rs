//! From tables and keys to a draft: everything typed, each thing by itself, with the places that judging needs.

use super::attributes::{self, ByState};
use super::value::{Placed, asn, bounded, secs};
use super::{DEFAULT_ADMIN, Damping, Require, peer, service};
use crate::announce::prefix::Prefix;
use crate::config::document::{Fault, Keys, Read, Value, duration, path, placed, string, table, word};
use crate::config::{Endpoint, LEVELS, LOG_FORMATS, LogFormat, admin_address, endpoint, host_name, node};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeTable;

/// Most services, prefixes, and peers.
pub(super) const TABLES_MAX: usize = 256;

/// The settings as they are written.
pub(super) struct Draft {
    pub(super) router_id: Option<Ipv4Addr>,
    pub(super) local_as: u32,
    pub(super) node: String,
    pub(super) lease: Endpoint<PathBuf>,
    pub(super) server_user: String,
    pub(super) control: Endpoint<PathBuf>,
    pub(super) admin: Endpoint<SocketAddr>,
    pub(super) drain_timeout: Duration,
    pub(super) log_format: LogFormat,
    pub(super) log_level: tracing::Level,
    pub(super) damping: Placed<Damping>,
    pub(super) services: Vec<service::Draft>,
    pub(super) prefixes: Vec<Announced>,
    pub(super) peers: Vec<peer::Draft>,
}

/// A prefix as it is written.
pub(super) struct Announced {
    pub(super) prefix: Placed<Prefix>,
    pub(super) services: Vec<Placed<String>>,
    pub(super) require: Require,
    pub(super) attributes: ByState,
    pub(super) warnings: Vec<Fault>,
}

/// Reads a whole document. `None` or less than everything: `faults` says why.
pub(super) fn draft(document: DeTable<'_>, base: &Path, text: &str, faults: &mut Vec<Fault>) -> Option<Draft> {
    let before = faults.len();
    let whole = 0..text.find('\n').unwrap_or(text.len());
    let mut keys = Keys::new(document, faults);
    let router_id = keys.read("router-id", router_id);
    let local_as = keys.require("local-as", whole.clone(), asn);
    let node = keys.read("node", node).unwrap_or_else(host_name);
    let lease = keys.read("lease", |v| endpoint(v, path(base))).unwrap_or(Endpoint::Default);
    let server_user = keys.read("server-user", string).unwrap_or_else(|| "catchment".into());
    let control = keys.read("control", |v| endpoint(v, path(base))).unwrap_or(Endpoint::Default);
    let admin = keys.read("admin", |v| endpoint(v, admin_address(DEFAULT_ADMIN))).unwrap_or(Endpoint::Default);
    let drain_timeout = keys.read("drain-timeout", duration(secs(1)..=secs(3600))).unwrap_or(secs(30));
    let log_format = keys.read("log-format", word(LOG_FORMATS)).unwrap_or(LogFormat::Text);
    let log_level = keys.read("log-level", word(LEVELS)).unwrap_or(tracing::Level::INFO);
    let damping_table = keys.read("damping", placed(table));
    let services = tables(&mut keys, "service", &whole);
    let prefixes = tables(&mut keys, "prefix", &whole);
    let peers = keys.read("peer", bounded(TABLES_MAX, placed(table))).unwrap_or_default();
    keys.finish();

    let damping = match damping_table {
        Some((table, at)) => (damping(table, faults), at),
        None => (Damping::default(), whole),
    };
    let services: Vec<_> =
        services.into_iter().filter_map(|(table, at)| service::read(table, at, base, faults)).collect();
    let prefixes: Vec<_> = prefixes.into_iter().filter_map(|(table, at)| announced(table, at, faults)).collect();
    let peers: Vec<_> = peers.into_iter().filter_map(|(table, at)| peer::read(table, at, base, faults)).collect();
    // What could not be read is missing here: then nothing more can be said about how the rest fits together.
    let complete = faults.len() == before;
    complete.then_some(())?;
    Some(Draft {
        router_id,
        local_as: local_as?,
        node,
        lease,
        server_user,
        control,
        admin,
        drain_timeout,
        log_format,
        log_level,
        damping,
        services,
        prefixes,
        peers,
    })
}

/// The tables `[[key]]`; one at least.
fn tables<'a>(keys: &mut Keys<'a, '_>, key: &'static str, whole: &Range<usize>) -> Vec<Placed<DeTable<'a>>> {
    if keys.place(key).is_none() {
        let remedy = format!("add a table `[[{key}]]`, as in deploy/announcer.toml");
        // Asked for all the same, so that it counts as known.
        keys.read(key, |_| Ok(()));
        keys.fault(Fault::new(whole.clone(), format!("there is no `[[{key}]]`"), remedy));
        return Vec::new();
    }
    keys.read(key, bounded(TABLES_MAX, placed(table))).unwrap_or_default()
}

fn damping(table: DeTable<'_>, faults: &mut Vec<Fault>) -> Damping {
    let default = Damping::default();
    let mut keys = Keys::new(table, faults);
    let damping = Damping {
        hold_down: keys.read("hold-down", duration(Duration::ZERO..=secs(3600))).unwrap_or(default.hold_down),
        hold_down_max: keys
            .read("hold-down-max", duration(Duration::ZERO..=secs(3600)))
            .unwrap_or(default.hold_down_max),
        forget: keys.read("forget", duration(Duration::ZERO..=secs(86400))).unwrap_or(default.forget),
    };
    keys.finish();
    damping
}

fn announced(table: DeTable<'_>, at: Range<usize>, faults: &mut Vec<Fault>) -> Option<Announced> {
    let mut warnings = Vec::new();
    let mut keys = Keys::new(table, faults);
    let prefix = keys.require("prefix", at.clone(), placed(prefix));
    let services = keys.require("services", at, bounded(TABLES_MAX, placed(string)));
    let require = keys.read("require", word(&[("all", Require::All), ("any", Require::Any)])).unwrap_or(Require::All);
    let tables = attributes::take(&mut keys);
    keys.finish();
    let attributes = attributes::by_state(tables, faults, &mut warnings);
    Some(Announced { prefix: prefix?, services: services?, require, attributes, warnings })
}

/// RFC 6286 2.1: four octets, not zero. Ours has to be told apart from others, so no address that everybody has.
fn router_id(value: Value<'_>) -> Read<Ipv4Addr> {
    let at = value.span();
    let text = string(value)?;
    let remedy = "write an IPv4 address that no other router of the AS has as its identifier, such as \"192.0.2.1\"";
    match text.parse::<Ipv4Addr>() {
        Ok(id) if !id.is_unspecified() => Ok(id),
        Ok(_) => Err(vec![Fault::new(at, "the router identifier is zero", remedy)]),
        Err(_) => Err(vec![Fault::new(at, format!("\"{text}\" is no router identifier"), remedy)]),
    }
}

fn prefix(value: Value<'_>) -> Read<Prefix> {
    let at = value.span();
    let text = string(value)?;
    let prefix: Prefix =
        text.parse().map_err(|e| vec![Fault::new(at.clone(), format!("\"{text}\" is no prefix"), format!("{e}"))])?;
    if prefix.bits() == 0 {
        let message = format!("{prefix} is the default route");
        return Err(vec![Fault::new(at, message, "write the prefix of the service addresses")]);
    }
    if prefix.address().is_multicast() {
        return Err(vec![Fault::new(at, format!("{prefix} is multicast"), "write a unicast prefix")]);
    }
    Ok(prefix)
}
