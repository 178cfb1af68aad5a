//! The sidecar's settings file, `announcer.toml`.
//!
//! Text comes in, typed [`Settings`] and what to warn of go out, or the list of everything wrong, each with its place and its
//! remedy. Besides the text [`load`] looks at who may read the keys, and whether the host has the services' addresses.
//!
//! ```text
//! text -> read (tables, keys) -> service, attributes, peer (one table each) -> judge (what contradicts or is unwise) -> Settings
//!                                `-> value (what several tables have)
//! ```

mod attributes;
mod judge;
mod peer;
mod read;
mod service;
mod value;

use super::bgp::message::Role;
use super::prefix::{Family, Prefix};
use super::probe::dns::Expect;
use super::route::Attributes;
use super::state::State;
use crate::config::document::{self, Fault};
use crate::config::{ConfigError, Endpoint, LogFormat, faultless, read_text};
use crate::counted::counted;
use crate::wire::name::Name;
use annotate_snippets::Level;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the settings are when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/catchment/announcer.toml";
/// Where the admin server is when nobody says otherwise: the port after the DNS server's.
pub const DEFAULT_ADMIN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9154));

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The BGP identifier: as set, or the first IPv4 `local-address` of a peer.
    pub router_id: Ipv4Addr,
    /// Our AS number.
    pub local_as: u32,
    /// The node's name.
    pub node: String,
    /// Where the server's lease is.
    pub lease: Endpoint<PathBuf>,
    /// Who may run the server that gives the lease, besides root and our own user.
    pub server_user: String,
    /// Unix socket for commands.
    pub control: Endpoint<PathBuf>,
    /// Address of the admin HTTP server.
    pub admin: Endpoint<SocketAddr>,
    /// How long a drain waits for queries to cease before it withdraws all the same.
    pub drain_timeout: Duration,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The least severe level that is logged.
    pub log_level: tracing::Level,
    /// What holds back a prefix that comes and goes.
    pub damping: Damping,
    /// What is probed; each name once.
    pub services: Vec<Service>,
    /// What is announced; each prefix once, each service of theirs in `services`.
    pub prefixes: Vec<Announced>,
    /// To whom; each name once, and each address with its port.
    pub peers: Vec<Peer>,
}

/// Waiting times after a withdrawal that a fault caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damping {
    /// From the first withdrawal to the next announcement, at least. Doubles with each more.
    pub hold_down: Duration,
    /// The longest that it becomes.
    pub hold_down_max: Duration,
    /// After so long without one it starts over. Never less than `hold_down_max`.
    pub forget: Duration,
}

impl Default for Damping {
    fn default() -> Damping {
        Damping {
            hold_down: Duration::from_secs(5),
            hold_down_max: Duration::from_secs(300),
            forget: Duration::from_secs(600),
        }
    }
}

/// Something that answers at some addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its addresses; at least one, none twice.
    pub addresses: Vec<IpAddr>,
    /// Whether it is the DNS server of this node, whose lease must be valid.
    pub lease: bool,
    /// What to do while it is overloaded.
    pub overload: Overload,
    /// What to do while its server is stale.
    pub stale: Stale,
    /// Probes in a row that must pass before it counts as healthy.
    pub rise: u32,
    /// Probes in a row that must fail before it counts as failing.
    pub fall: u32,
    /// How it is probed. Without a lease there is at least one.
    pub probes: Vec<Probe>,
}

/// What to do with a prefix while its service is overloaded: probes fail, or the kernel drops queries, and answers flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overload {
    /// Keep announcing: withdrawing would walk the flood to the next node.
    Absorb,
    /// Announce it as worse than the others.
    Depreference,
    /// Withdraw.
    Withdraw,
}

/// What to do with a prefix while its service's server is stale: a newer release that is meant for it is known, and not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Announce it as worse than the others.
    Depreference,
    /// Withdraw while the lease has a permit; without one the former.
    Withdraw,
}

/// One way of probing each address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// From the beginning of one to that of the next.
    pub interval: Duration,
    /// How long one may take; at most `interval`.
    pub timeout: Duration,
    /// What is asked.
    pub kind: ProbeKind,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// A DNS question.
    Dns {
        /// Where.
        port: u16,
        /// Over what; at least one, none twice.
        transports: Vec<Transport>,
        /// The name asked for.
        name: Name,
        /// The type asked for.
        rtype: u16,
        /// What must come back.
        expect: Expect,
    },
    /// A TCP connection.
    Tcp {
        /// Where.
        port: u16,
    },
    /// A page over HTTP.
    Http {
        /// Where.
        port: u16,
        /// The host asked for; `None`: the address.
        host: Option<String>,
        /// The path, and maybe a query; begins with a slash.
        path: String,
        /// The status that must come back.
        status: u16,
        /// What must be in the page.
        contains: Option<String>,
    },
    /// A command; its success is the service's. `{address}` in an argument stands for the address.
    Exec {
        /// The program, by its full path, and its arguments.
        command: Vec<String>,
    },
}

/// What DNS goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Settings {
    /// Whether anything would be withdrawn for staleness if there were a permit.
    pub fn wants_permit(&self) -> bool {
        self.services.iter().any(|service| service.lease && service.stale == Stale::Withdraw)
    }

    /// How much there is: `2 prefixes, 1 service, 2 routers`.
    pub fn summary(&self) -> String {
        let all = [
            counted(self.prefixes.len(), "prefix"),
            counted(self.services.len(), "service"),
            counted(self.peers.len(), "router"),
        ];
        all.join(", ")
    }
}

impl ProbeKind {
    /// The word that the settings have for it.
    pub fn word(&self) -> &'static str {
        match self {
            ProbeKind::Dns { .. } => "dns",
            ProbeKind::Tcp { .. } => "tcp",
            ProbeKind::Http { .. } => "http",
            ProbeKind::Exec { .. } => "exec",
        }
    }
}

/// One thing that is asked over and over: a probe of a service, at one address, over one transport.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId {
    /// Name of the service.
    pub service: String,
    /// Which of the service's probes, from 0.
    pub probe: usize,
    /// Address of the service.
    pub address: IpAddr,
    /// Of DNS probes only.
    pub transport: Option<Transport>,
}

impl Service {
    /// All that is asked to know whether it is healthy.
    pub fn probe_ids(&self) -> impl Iterator<Item = (ProbeId, &Probe)> {
        let of = move |probe: usize, transport, address: IpAddr| ProbeId {
            service: self.name.clone(),
            probe,
            address,
            transport,
        };
        self.probes.iter().enumerate().flat_map(move |(at, probe)| {
            let transports: Vec<_> = match &probe.kind {
                ProbeKind::Dns { transports, .. } => transports.iter().copied().map(Some).collect(),
                _ => vec![None],
            };
            let all = self.addresses.iter().flat_map(move |address| {
                transports.clone().into_iter().map(move |transport| (of(at, transport, *address), probe))
            });
            all.collect::<Vec<_>>()
        })
    }

    /// Whether it has an address of this family.
    pub fn has(&self, family: Family) -> bool {
        self.addresses.iter().any(|address| Family::of(*address) == family)
    }
}

/// A prefix that is announced while its services can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The prefix.
    pub prefix: Prefix,
    /// Names of its services; at least one, none twice, and one of them has an address of the prefix's family.
    pub services: Vec<String>,
    /// How many of them must be healthy.
    pub require: Require,
    /// Attributes in state UP.
    pub up: Attributes,
    /// Attributes in state DEPREF.
    pub depreference: Attributes,
    /// Attributes in state DRAIN.
    pub drain: Attributes,
}

impl Announced {
    /// The attributes that a state gives it; `None` when it is not announced then.
    pub fn attributes(&self, state: State) -> Option<&Attributes> {
        match state {
            State::Up => Some(&self.up),
            State::Depref => Some(&self.depreference),
            State::Drain => Some(&self.drain),
            State::Init | State::Withdrawn => None,
        }
    }
}

/// How many of a prefix's services must be healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// Every one that has an address of the prefix's family.
    All,
    /// One of them.
    Any,
}

/// A router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Its port, and the port that we accept its connections at.
    pub port: u16,
    /// Its AS number; ours makes it an internal peer.
    pub asn: u32,
    /// Our address towards it; of the family of `address`. `None`: the system chooses.
    pub local_address: Option<IpAddr>,
    /// Whether we only wait for its connection.
    pub passive: bool,
    /// Whose routes we send; at least one, none twice.
    pub families: Vec<Family>,
    /// Hold time that we propose: whole seconds, at least 3.
    pub hold_time: Duration,
    /// Pause between attempts to connect, before jitter and back-off.
    pub connect_retry: Duration,
    /// Whether an external peer may be more than one hop away.
    pub multihop: bool,
    /// Hops that the peer is away at most, where packets from farther away are to be dropped (RFC 5082).
    pub ttl_security: Option<u8>,
    /// How the session's TCP segments are authenticated.
    pub authentication: Option<Authentication>,
    /// Our role towards it (RFC 9234).
    pub role: Option<Role>,
    /// Whether a peer that says no role is refused.
    pub strict_role: bool,
    /// So many received routes raise an alarm.
    pub receive_alarm: u32,
    /// So many end the session (RFC 4486: Cease 6/1). Never less than `receive_alarm`.
    pub receive_limit: u32,
    /// BFD beside the session.
    pub bfd: Option<Bfd>,
}

/// What authenticates TCP segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication {
    /// TCP-MD5 (RFC 2385).
    Md5 {
        /// File whose first line is the password.
        key_file: PathBuf,
    },
    /// TCP-AO (RFC 5925).
    Ao {
        /// File whose first line is the key.
        key_file: PathBuf,
        /// KeyID of segments that we send.
        send_id: u8,
        /// KeyID of segments that we receive.
        receive_id: u8,
        /// How segments are authenticated.
        algorithm: AoAlgorithm,
    },
}

/// Algorithms that every TCP-AO has (RFC 5926).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AoAlgorithm {
    /// HMAC-SHA-1-96.
    HmacSha1,
    /// AES-128-CMAC-96.
    Aes128Cmac,
}

/// BFD beside a session (RFC 5880).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bfd {
    /// Desired Min TX Interval and Required Min RX Interval.
    pub interval: Duration,
    /// Detect Mult.
    pub multiplier: u8,
    /// Over several hops (RFC 5883, port 4784), not one (RFC 5881, port 3784).
    pub multihop: bool,
    /// The least TTL that a packet may arrive with; 255 over one hop.
    pub min_ttl: u8,
}

/// What is unwise in a settings file, each with its place.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    path: PathBuf,
    text: String,
    faults: Vec<Fault>,
}

impl Warnings {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Each with its line, the spot marked, and its remedy.
    pub fn render(&self, color: bool) -> String {
        document::render(&self.path.display().to_string(), &self.text, Level::WARNING, &self.faults, color)
    }

    /// Each as one line for a log: `file:line:column: what; remedy`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| {
            let before = &self.text[..fault.at.start.min(self.text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{}:{line}:{column}: {}; {}", self.path.display(), fault.message, fault.remedy)
        })
    }
}

/// Reads the settings file at `path`. Relative paths in it start at its own directory.
pub fn load(path: &Path) -> Result<(Settings, Warnings), ConfigError> {
    read_with(path, &read_text(path)?, &judge::THIS_HOST)
}

/// Reads settings from text; `path` is for messages, and its directory is where relative paths start. Looks at nothing else.
pub fn parse(path: &Path, text: &str) -> Result<(Settings, Warnings), ConfigError> {
    read_with(path, text, &judge::ANY_HOST)
}

fn read_with(path: &Path, text: &str, host: &judge::Host) -> Result<(Settings, Warnings), ConfigError> {
    let (document, mut faults) = document::parse(text);
    let whole = faults.is_empty();
    let draft = read::draft(document, path.parent().unwrap_or(Path::new("")), text, &mut faults);
    let mut warnings = Vec::new();
    // What TOML's own faults have hidden can't be judged: half a file misses everything.
    let settings =
        draft.filter(|_| whole).and_then(|draft| judge::settle(draft, text, &mut faults, &mut warnings, host));
    faultless(path, text, faults)?;
    warnings.sort_by_key(|fault| fault.at.start);
    let settings = settings.expect("without a fault there are settings");
    Ok((settings, Warnings { path: path.into(), text: text.into(), faults: warnings }))
}
