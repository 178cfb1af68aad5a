//! A `[[service]]` and its probes.

use super::attributes::{self, ByState};
use super::value::{Placed, bounded, ip, label, secs};
use super::{Overload, Probe, ProbeKind, Stale, Transport};
use crate::announce::probe::dns::Expect;
use crate::config::document::{Fault, Keys, Read, Value, boolean, duration, integer, placed, string, table, word};
use crate::wire::code::{rcode, rtype};
use crate::wire::name::Name;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;

/// Most addresses of a service.
const ADDRESSES_MAX: usize = 64;
/// Most probes of a service.
const PROBES_MAX: usize = 16;
/// Most words of a command.
const COMMAND_MAX: usize = 64;

const OVERLOADS: &[(&str, Overload)] =
    &[("absorb", Overload::Absorb), ("depreference", Overload::Depreference), ("withdraw", Overload::Withdraw)];

const STALES: &[(&str, Stale)] = &[("depreference", Stale::Depreference), ("withdraw", Stale::Withdraw)];

/// A service as it is written.
pub(super) struct Draft {
    pub(super) at: Range<usize>,
    pub(super) name: Placed<String>,
    pub(super) addresses: Vec<Placed<IpAddr>>,
    pub(super) lease: bool,
    pub(super) overload: Option<Placed<Overload>>,
    pub(super) stale: Option<Placed<Stale>>,
    pub(super) rise: u32,
    pub(super) fall: u32,
    pub(super) probes: Vec<Probe>,
    pub(super) attributes: ByState,
    pub(super) warnings: Vec<Fault>,
}

/// Reads one service.
pub(super) fn read(table_: DeTable<'_>, at: Range<usize>, base: &Path, faults: &mut Vec<Fault>) -> Option<Draft> {
    let mut warnings = Vec::new();
    let mut keys = Keys::new(table_, faults);
    let name = keys.require("name", at.clone(), placed(label));
    let addresses = keys.require("addresses", at.clone(), bounded(ADDRESSES_MAX, placed(address)));
    let lease = keys.read("lease", boolean).unwrap_or(true);
    let overload = keys.read("overload", placed(word(OVERLOADS)));
    let stale = keys.read("stale", placed(word(STALES)));
    let rise = keys.read("rise", integer(1..=1000)).unwrap_or(3);
    let fall = keys.read("fall", integer(1..=1000)).unwrap_or(3);
    let probes = keys.read("probe", bounded(PROBES_MAX, placed(table))).unwrap_or_default();
    let tables = attributes::take(&mut keys);
    keys.finish();
    let probes = probes.into_iter().filter_map(|(table, at)| probe(table, at, base, faults)).collect();
    let attributes = attributes::by_state(tables, faults, &mut warnings);
    let (name, addresses) = (name?, addresses?);
    Some(Draft { at, name, addresses, lease, overload, stale, rise, fall, probes, attributes, warnings })
}

/// What the keys `type` and its like stand for.
#[derive(Clone, Copy)]
enum Type {
    Dns,
    Tcp,
    Http,
    Exec,
}

fn probe(table: DeTable<'_>, at: Range<usize>, base: &Path, faults: &mut Vec<Fault>) -> Option<Probe> {
    const TYPES: &[(&str, Type)] =
        &[("dns", Type::Dns), ("tcp", Type::Tcp), ("http", Type::Http), ("exec", Type::Exec)];
    let mut keys = Keys::new(table, faults);
    let kind = keys.require("type", at.clone(), word(TYPES));
    let interval = keys.read("interval", duration(Duration::from_millis(20)..=secs(3600))).unwrap_or(secs(1));
    let timeout = keys.read("timeout", placed(duration(Duration::from_millis(10)..=secs(60))));
    let kind = match kind {
        Some(Type::Dns) => dns(&mut keys, at),
        Some(Type::Tcp) => keys.require("port", at, integer(1..=u16::MAX)).map(|port| ProbeKind::Tcp { port }),
        Some(Type::Http) => http(&mut keys),
        Some(Type::Exec) => exec(&mut keys, at, base),
        // Which keys it may have is not known either.
        None => return None,
    };
    keys.finish();
    let timeout = match timeout {
        Some((timeout, at)) if timeout > interval => {
            let message = format!("a probe of {timeout:?} lasts longer than the interval of {interval:?}");
            faults.push(Fault::new(at, message, "make `timeout` shorter, or `interval` longer"));
            timeout
        }
        Some((timeout, _)) => timeout,
        None => interval.min(Duration::from_millis(500)),
    };
    Some(Probe { interval, timeout, kind: kind? })
}

fn dns(keys: &mut Keys<'_, '_>, at: Range<usize>) -> Option<ProbeKind> {
    const TRANSPORTS: &[(&str, Transport)] = &[("udp", Transport::Udp), ("tcp", Transport::Tcp)];
    let port = keys.read("port", integer(1..=u16::MAX)).unwrap_or(53);
    let transports = keys.read("transports", |value: Value<'_>| {
        let at = value.span();
        let mut transports = bounded(TRANSPORTS.len(), word(TRANSPORTS))(value)?;
        transports.sort_unstable();
        let listed = transports.len();
        transports.dedup();
        let twice = || vec![Fault::new(at, "a transport is listed twice", "remove one of the two")];
        if transports.len() == listed { Ok(transports) } else { Err(twice()) }
    });
    let question = keys.require("question", at, question);
    let expected = keys.read("expect", placed(string));
    let (name, rtype) = question?;
    let expect = match expected {
        None => Expect::Rcode(rcode::NOERROR),
        Some((text, at)) => match Expect::from_text(text.trim(), rtype) {
            Ok(expect) => expect,
            Err(why) => {
                let remedy = format!(
                    "write the data of a record of type {}, or a response code such as \"NXDOMAIN\"",
                    rtype::text(rtype)
                );
                keys.fault(Fault::new(at, why, remedy));
                return None;
            }
        },
    };
    let transports = transports.unwrap_or_else(|| vec![Transport::Udp, Transport::Tcp]);
    Some(ProbeKind::Dns { port, transports, name, rtype, expect })
}

fn http(keys: &mut Keys<'_, '_>) -> Option<ProbeKind> {
    let port = keys.read("port", integer(1..=u16::MAX)).unwrap_or(80);
    let host = keys.read("host", visible);
    let path = keys.read("path", |value: Value<'_>| {
        let at = value.span();
        match visible(value)? {
            path if path.starts_with('/') => Ok(path),
            path => Err(vec![Fault::new(at, format!("\"{path}\" is no path"), format!("write \"/{path}\""))]),
        }
    });
    let status = keys.read("status", integer(200..=599)).unwrap_or(200);
    let contains = keys.read("contains", |value: Value<'_>| {
        let at = value.span();
        let text = string(value)?;
        let empty = || vec![Fault::new(at, "every page contains nothing", "write some text, or leave the key out")];
        if text.is_empty() { Err(empty()) } else { Ok(text) }
    });
    Some(ProbeKind::Http { port, host, path: path.unwrap_or_else(|| "/".into()), status, contains })
}

fn exec(keys: &mut Keys<'_, '_>, at: Range<usize>, base: &Path) -> Option<ProbeKind> {
    let mut command = keys.require("command", at, |value: Value<'_>| {
        let at = value.span();
        let words = bounded(COMMAND_MAX, string)(value)?;
        if words.iter().any(|word| word.contains('\0')) {
            return Err(vec![Fault::new(at, "a NUL in a command", "write words without it")]);
        }
        // A bare word would be looked for in a PATH that services seldom have as people do.
        if words[0].contains('/') {
            return Ok(words);
        }
        let message = format!("\"{}\" is no path of a program", words[0]);
        Err(vec![Fault::new(at, message, "write the program's full path first, such as \"/usr/bin/check\"")])
    })?;
    command[0] = base.join(&command[0]).to_string_lossy().into_owned();
    Some(ProbeKind::Exec { command })
}

fn address(value: Value<'_>) -> Read<IpAddr> {
    let at = value.span();
    let address = ip(value)?;
    let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if address.is_unspecified() || address.is_multicast() || mapped {
        let message = format!("{address} can't be a service address");
        return Err(vec![Fault::new(at, message, "write an address that clients send their queries to")]);
    }
    Ok(address)
}

fn question(value: Value<'_>) -> Read<(Name, u16)> {
    let at = value.span();
    let text = string(value)?;
    let fault =
        |message: String| vec![Fault::new(at.clone(), message, "write a name and a type: \"www.example.com A\"")];
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [name, kind] = words[..] else { return Err(fault(format!("\"{text}\" is no question"))) };
    let name = Name::from_text(name).map_err(|e| fault(format!("\"{name}\" is no domain name: {e}")))?;
    let rtype = rtype::from_text(kind).filter(|rtype| !rtype::is_meta(*rtype) || *rtype == rtype::ANY);
    Ok((name, rtype.ok_or_else(|| fault(format!("\"{kind}\" is no type that can be asked for")))?))
}

/// Text that can stand in the head of an HTTP request.
fn visible(value: Value<'_>) -> Read<String> {
    let at = value.span();
    let text = string(value)?;
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text);
    }
    Err(vec![Fault::new(
        at,
        "this can't be sent in a request",
        "write ASCII without blanks, and at least one character",
    )])
}
