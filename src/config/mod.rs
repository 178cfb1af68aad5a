//! The settings file, `catchment.toml`.
//!
//! Text comes in, a typed [`Config`] or the list of everything wrong with it goes out, each fault with its place and its
//! remedy. Called by `cli`; opens no socket and looks at no zone. `docs/configuration.md` describes every key.

pub(crate) mod document;
pub mod publish;
mod settings;
mod sync;

pub(crate) use settings::host_name;
pub use sync::{DEFAULT_CACHE, SyncSettings};

use crate::shown::is_shown;
use crate::wire::name::Name;
use document::{Fault, Keys, address, boolean, duration, integer, list, name, path, placed, string, table, word};
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the settings are when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/catchment/catchment.toml";
/// Where a server answers when nobody says otherwise, as far as the host has the addresses.
pub const DEFAULT_LISTEN: [SocketAddr; 2] = [
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5300)),
    SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 5300, 0, 0)),
];
/// Where the admin server is when nobody says otherwise.
pub const DEFAULT_ADMIN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9153));

/// Octets of a settings file: half a million `[[zone]]`s.
const SETTINGS_LEN_MAX: u64 = 64 << 20;
/// Octets of a file that has a secret in it, or a few.
pub(crate) const SECRETS_LEN_MAX: u64 = 64 << 10;

/// A place that has a default, can be set, and can be turned off with `"none"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint<T> {
    /// The default: going without it is worth a warning, no more.
    Default,
    /// Turned off.
    None,
    /// Set: it must work.
    At(T),
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line of text each, for people.
    Text,
    /// A JSON object each, for machines.
    Json,
}

/// A zone that the settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneEntry {
    /// Apex.
    pub name: Name,
    /// Its zone file.
    pub file: PathBuf,
}

/// Bounds of TCP service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpSettings {
    /// Open connections in all. The process needs as many file descriptors and some more.
    pub connections: usize,
    /// Open connections of one client: an IPv4 address or an IPv6 /56.
    pub connections_per_client: usize,
    /// Maximum segment size, octets.
    pub mss: u16,
    /// How long a connection may stay without a query (RFC 7766 section 6.2.3).
    pub idle_timeout: Duration,
    /// How long a begun query may take to arrive.
    pub read_timeout: Duration,
    /// How long the client may take to accept what was answered to one read.
    pub write_timeout: Duration,
}

impl Default for TcpSettings {
    /// 256 for one client: a resolver behind one address opens many at once, and those that it has closed count until their end
    /// is seen.
    fn default() -> TcpSettings {
        TcpSettings {
            connections: 4096,
            connections_per_client: 256,
            mss: 1220,
            idle_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(5),
        }
    }
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses to answer at; `None`: the default ones, as far as the host has them.
    pub listen: Option<Vec<SocketAddr>>,
    /// This node's name: NSID, `id.server`, `hostname.bind`. `None`: the host's name.
    pub node: Option<String>,
    /// UDP worker threads; `None`: one a core.
    pub workers: Option<usize>,
    /// Directory of zone files.
    pub zones: Option<PathBuf>,
    /// Zones named one by one.
    pub zone: Vec<ZoneEntry>,
    /// The channel that is followed.
    pub sync: Option<SyncSettings>,
    /// Whether `$INCLUDE` may leave the directory of the zones.
    pub include_outside: bool,
    /// Whether one bad zone keeps the server from starting.
    pub strict: bool,
    /// Largest UDP response, octets.
    pub udp_size: u16,
    /// Bounds of TCP service.
    pub tcp: TcpSettings,
    /// File of cookie secrets; `None`: a random one.
    pub cookie_secrets: Option<PathBuf>,
    /// Whether UDP clients must show a valid cookie.
    pub require_cookie: bool,
    /// Whether NSID is answered.
    pub nsid: bool,
    /// Whether `id.server` is answered.
    pub chaos_id: bool,
    /// Whether `hostname.bind` is answered.
    pub chaos_hostname: bool,
    /// Whether `version.server` and `version.bind` are answered.
    pub chaos_version: bool,
    /// User to become once all sockets are bound.
    pub user: Option<String>,
    /// Group to become; `None`: the user's.
    pub group: Option<String>,
    /// Address of the admin HTTP server.
    pub admin: Endpoint<SocketAddr>,
    /// Unix socket for commands.
    pub control: Endpoint<PathBuf>,
    /// Unix socket for sidecars.
    pub lease: Endpoint<PathBuf>,
    /// Who may read leases beside root and the server's own user, name or number.
    pub lease_user: String,
    /// How long traffic may take to go before the server stops, or a drain that is waited for has failed.
    pub drain_timeout: Duration,
    /// How many zones have query counts of their own in the metrics.
    pub metrics_zones: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The least severe level that is logged.
    pub log_level: tracing::Level,
    /// Whether every query is logged.
    pub query_log: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: None,
            node: None,
            workers: None,
            zones: None,
            zone: Vec::new(),
            sync: None,
            include_outside: false,
            strict: false,
            udp_size: 1232,
            tcp: TcpSettings::default(),
            cookie_secrets: None,
            require_cookie: false,
            nsid: true,
            chaos_id: true,
            chaos_hostname: true,
            chaos_version: true,
            user: None,
            group: None,
            admin: Endpoint::Default,
            control: Endpoint::Default,
            lease: Endpoint::Default,
            lease_user: "catchment-announcer".into(),
            drain_timeout: Duration::from_secs(30),
            metrics_zones: 100,
            log_format: LogFormat::Text,
            log_level: tracing::Level::INFO,
            query_log: false,
        }
    }
}

/// Why there are no settings.
#[derive(Debug, Clone)]
pub struct ConfigError {
    path: PathBuf,
    text: String,
    /// The file could not be read: the message.
    unreadable: Option<String>,
    faults: Vec<Fault>,
}

impl ConfigError {
    /// Each fault with its line, the spot marked, and its remedy.
    pub fn render(&self, color: bool) -> String {
        let path = self.path.display().to_string();
        match &self.unreadable {
            Some(message) => format!("error: {path}: {message}\n"),
            None => document::render(&path, &self.text, annotate_snippets::Level::ERROR, &self.faults, color),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for ConfigError {}

/// The settings file to read: the one that is named, else the default one if it is there.
pub fn found(named: Option<&Path>) -> Option<&Path> {
    let default = Path::new(DEFAULT_PATH);
    named.or(default.exists().then_some(default))
}

/// Reads the settings file at `path`. Relative paths in it start at its own directory.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    parse(path, &read_text(path)?)
}

/// The text of a settings file.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    match read_bounded(path, SETTINGS_LEN_MAX) {
        Ok(bytes) => {
            String::from_utf8(bytes).map_err(|_| unreadable(path, "is not UTF-8 text; is it a settings file?".into()))
        }
        Err(e) => Err(unreadable(path, format!("{e}; write the file, or name another with --config"))),
    }
}

/// What is in a file, if that is at most `len_max` octets: some files, such as devices, have no end.
pub(crate) fn read_bounded(path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?.take(len_max + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > len_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {len_max} octets")));
    }
    Ok(octets)
}

/// Reads settings from text; `path` is for messages, and its directory is where relative paths start.
pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let (document, mut faults) = document::parse(text);
    let config = read(document, path.parent().unwrap_or(Path::new("")), text, &mut faults);
    faultless(path, text, faults).map(|()| config)
}

/// `Err`: the faults, in the order of the text.
pub(crate) fn faultless(path: &Path, text: &str, mut faults: Vec<Fault>) -> Result<(), ConfigError> {
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort_by_key(|f| f.at.start);
    Err(ConfigError { path: path.into(), text: text.into(), unreadable: None, faults })
}

fn unreadable(path: &Path, message: String) -> ConfigError {
    ConfigError { path: path.into(), text: String::new(), unreadable: Some(message), faults: Vec::new() }
}

fn read(document: toml::de::DeTable<'_>, base: &Path, text: &str, faults: &mut Vec<Fault>) -> Config {
    const SECOND: Duration = Duration::from_secs(1);
    const HOUR: Duration = Duration::from_secs(3600);
    let mut config = Config::default();
    let mut keys = Keys::new(document, faults);

    /// `set!(field = "key", reader)`: the field keeps its default when the key is absent.
    macro_rules! set {
        ($($field:ident).+ = $key:literal, $reader:expr) => {
            if let Some(value) = keys.read($key, $reader) { config.$($field).+ = value; }
        };
    }
    /// The same for fields that are `None` by default.
    macro_rules! set_some {
        ($($field:ident).+ = $key:literal, $reader:expr) => {
            if let Some(value) = keys.read($key, $reader) { config.$($field).+ = Some(value); }
        };
    }

    let listen_at = keys.place("listen");
    set_some!(listen = "listen", list(address));
    set_some!(node = "node", node);
    set_some!(workers = "workers", integer(1..=1024));

    set_some!(zones = "zones", path(base));
    let zones = keys.read("zone", list(placed(table)));
    let sync_at = keys.place("sync");
    let sync = keys.read("sync", table);
    set!(include_outside = "include-outside", boolean);
    set!(strict = "strict", boolean);

    set!(udp_size = "udp-size", integer(512..=4096));
    set!(tcp.connections = "tcp-connections", integer(1..=1_000_000));
    set!(tcp.connections_per_client = "tcp-connections-per-client", integer(1..=1_000_000));
    set!(tcp.mss = "tcp-mss", integer(536..=32_767));
    set!(tcp.idle_timeout = "tcp-idle-timeout", duration(SECOND..=HOUR));
    set!(tcp.read_timeout = "tcp-read-timeout", duration(SECOND..=HOUR));
    set!(tcp.write_timeout = "tcp-write-timeout", duration(SECOND..=HOUR));

    set_some!(cookie_secrets = "cookie-secrets", path(base));
    set!(require_cookie = "require-cookie", boolean);
    set!(nsid = "nsid", boolean);
    set!(chaos_id = "chaos-id", boolean);
    set!(chaos_hostname = "chaos-hostname", boolean);
    set!(chaos_version = "chaos-version", boolean);

    set_some!(user = "user", string);
    let group_at = keys.place("group");
    set_some!(group = "group", string);
    set!(admin = "admin", |v| endpoint(v, admin_address(DEFAULT_ADMIN)));
    set!(control = "control", |v| endpoint(v, path(base)));
    set!(lease = "lease", |v| endpoint(v, path(base)));
    set!(lease_user = "lease-user", string);
    set!(drain_timeout = "drain-timeout", duration(Duration::ZERO..=HOUR));
    set!(metrics_zones = "metrics-zones", integer(0..=100_000));

    set!(log_format = "log-format", word(LOG_FORMATS));
    set!(log_level = "log-level", word(LEVELS));
    set!(query_log = "query-log", boolean);
    keys.finish();

    if let (Some(at), Some([])) = (listen_at, config.listen.as_deref()) {
        faults.push(Fault::new(
            at,
            "`listen` has no address",
            "add one, or leave the key out for the default addresses",
        ));
    }
    if let (Some(at), None) = (group_at, &config.user) {
        faults.push(Fault::new(at, "`group` without `user`", "set `user` too: the group is taken on with the user"));
    }
    config.sync = sync.zip(sync_at).and_then(|(table, at)| sync::read(table, at, base, faults));
    config.zone = zone_entries(zones.unwrap_or_default(), base, text, faults);
    config
}

/// Words for [`LogFormat`].
pub(crate) const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
/// Words for log levels.
pub(crate) const LEVELS: &[(&str, tracing::Level)] = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];

/// The `[[zone]]` tables. Two of them for one apex are a fault that names both lines.
fn zone_entries(
    tables: Vec<(toml::de::DeTable<'_>, std::ops::Range<usize>)>,
    base: &Path,
    text: &str,
    faults: &mut Vec<Fault>,
) -> Vec<ZoneEntry> {
    let mut entries = Vec::with_capacity(tables.len());
    let mut places: HashMap<Name, usize> = HashMap::with_capacity(tables.len());
    for (table, at) in tables {
        let mut keys = Keys::new(table, faults);
        let name = keys.require("name", at.clone(), placed(name));
        let file = keys.require("file", at, path(base));
        keys.finish();
        let Some((name, name_at)) = name else { continue };
        if let Some(first) = places.insert(name.to_lower(), name_at.start) {
            let line = text[..first].matches('\n').count() + 1;
            let message = format!("zone {name} is named twice: also in line {line}");
            faults.push(Fault::new(name_at, message, "remove one of the two"));
        } else if let Some(file) = file {
            entries.push(ZoneEntry { name, file });
        }
    }
    entries
}

/// `"none"`, or what `reader` reads.
pub(crate) fn endpoint<'a, T>(
    value: document::Value<'a>,
    reader: impl Fn(document::Value<'a>) -> document::Read<T>,
) -> document::Read<Endpoint<T>> {
    match value.get_ref().as_str() {
        Some("none") => Ok(Endpoint::None),
        _ => reader(value).map(Endpoint::At),
    }
}

/// Where an admin server is to be; `default` is where this one is when nobody says otherwise.
pub(crate) fn admin_address(default: SocketAddr) -> impl Fn(document::Value<'_>) -> document::Read<SocketAddr> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        admin_from_text(&text, default).map_err(|(message, remedy)| vec![Fault::new(at, message, remedy)])
    }
}

/// The admin server has no authentication: it shows zones and traffic, so it stays on the host.
fn admin_from_text(text: &str, default: SocketAddr) -> Result<SocketAddr, (String, String)> {
    let address = document::address_from_text(text)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let remedy = format!(
        "write a loopback address such as \"{default}\", or \"none\"; put a proxy before it to show it elsewhere"
    );
    Err((format!("{address} is not a loopback address"), remedy))
}

/// A node's name goes into an NSID option and into one TXT string: 1 to 255 octets (RFC 1035 section 3.3).
pub(crate) fn node(value: document::Value<'_>) -> document::Read<String> {
    let at = value.span();
    let text = string(value)?;
    match text.len() {
        1..=255 if text.chars().all(is_shown) => Ok(text),
        1..=255 => Err(vec![Fault::new(
            at,
            "the name has characters that are not seen, or that move a terminal: nobody would count what the node reports",
            "write letters, digits, dots and hyphens",
        )]),
        length => Err(vec![Fault::new(at, format!("the name has {length} octets"), "write a name of 1 to 255 octets")]),
    }
}

/// An address given on the command line.
pub fn address_argument(text: &str) -> Result<SocketAddr, String> {
    document::address_from_text(text).map_err(|(message, remedy)| format!("{message}; {remedy}"))
}

/// The admin address given on the command line.
pub fn admin_argument(text: &str) -> Result<Endpoint<SocketAddr>, String> {
    match text {
        "none" => Ok(Endpoint::None),
        _ => admin_from_text(text, DEFAULT_ADMIN)
            .map(Endpoint::At)
            .map_err(|(message, remedy)| format!("{message}; {remedy}")),
    }
}

/// A Unix socket given on the command line.
pub fn socket_argument(text: &str) -> Result<Endpoint<PathBuf>, String> {
    match text {
        "none" => Ok(Endpoint::None),
        "" => Err("the path is empty".into()),
        path => Ok(Endpoint::At(path.into())),
    }
}

impl Config {
    /// The keys in which `self` and `new` differ and which take effect only at the next start.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let mut keys = Vec::new();
        let mut differ = |key, differs: bool| {
            if differs {
                keys.push(key);
            }
        };
        differ("listen", self.listen != new.listen);
        differ("workers", self.workers != new.workers);
        differ("tcp-connections", self.tcp.connections != new.tcp.connections);
        differ("tcp-connections-per-client", self.tcp.connections_per_client != new.tcp.connections_per_client);
        differ("tcp-mss", self.tcp.mss != new.tcp.mss);
        differ("tcp-idle-timeout", self.tcp.idle_timeout != new.tcp.idle_timeout);
        differ("tcp-read-timeout", self.tcp.read_timeout != new.tcp.read_timeout);
        differ("tcp-write-timeout", self.tcp.write_timeout != new.tcp.write_timeout);
        differ("user", self.user != new.user);
        differ("group", self.group != new.group);
        differ("admin", self.admin != new.admin);
        differ("control", self.control != new.control);
        differ("lease", self.lease != new.lease);
        differ("lease-user", self.lease_user != new.lease_user);
        differ("drain-timeout", self.drain_timeout != new.drain_timeout);
        differ("log-format", self.log_format != new.log_format);
        differ("log-level", self.log_level != new.log_level);
        differ("query-log", self.query_log != new.query_log);
        differ("[sync]", self.sync != new.sync);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        parse(Path::new("/etc/c/catchment.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_fixed_keys() {
        let config = read(
            "listen = [\"127.0.0.1:5300\", \"[::1]:5300\"]\nnode = \"ams1\"\nworkers = 2\n\
             [[zone]]\nname = \"example.com\"\nfile = \"zones/example.com.zone\"\n",
        )
        .unwrap();
        assert_eq!(config.listen, Some(vec!["127.0.0.1:5300".parse().unwrap(), "[::1]:5300".parse().unwrap()]));
        assert_eq!(config.node.as_deref(), Some("ams1"));
        assert_eq!(config.workers, Some(2));
        assert_eq!(config.zone.len(), 1);
        assert_eq!(config.zone[0].name.to_string(), "example.com.");
        assert_eq!(config.zone[0].file, Path::new("/etc/c/zones/example.com.zone"));
    }

    #[test]
    fn every_other_key() {
        let config = read(
            "zones = \"z\"\ninclude-outside = true\nstrict = true\nudp-size = 1400\ntcp-connections = 10\n\
             tcp-connections-per-client = 2\ntcp-mss = 1400\ntcp-idle-timeout = \"1m\"\ntcp-read-timeout = \"1500ms\"\n\
             tcp-write-timeout = \"3s\"\ncookie-secrets = \"/s\"\nrequire-cookie = true\nnsid = false\nchaos-id = false\nchaos-hostname = false\n\
             chaos-version = false\nuser = \"u\"\ngroup = \"g\"\nadmin = \"none\"\ncontrol = \"c.sock\"\nlease = \"none\"\nlease-user = \"l\"\n\
             drain-timeout = \"0s\"\nmetrics-zones = 5\n\
             log-format = \"json\"\nlog-level = \"debug\"\nquery-log = true\n",
        )
        .unwrap();
        let expected = Config {
            listen: None,
            node: None,
            workers: None,
            zones: Some("/etc/c/z".into()),
            zone: Vec::new(),
            sync: None,
            include_outside: true,
            strict: true,
            udp_size: 1400,
            tcp: TcpSettings {
                connections: 10,
                connections_per_client: 2,
                mss: 1400,
                idle_timeout: Duration::from_secs(60),
                read_timeout: Duration::from_millis(1500),
                write_timeout: Duration::from_secs(3),
            },
            cookie_secrets: Some("/s".into()),
            require_cookie: true,
            nsid: false,
            chaos_id: false,
            chaos_hostname: false,
            chaos_version: false,
            user: Some("u".into()),
            group: Some("g".into()),
            admin: Endpoint::None,
            control: Endpoint::At("/etc/c/c.sock".into()),
            lease: Endpoint::None,
            lease_user: "l".into(),
            drain_timeout: Duration::ZERO,
            metrics_zones: 5,
            log_format: LogFormat::Json,
            log_level: tracing::Level::DEBUG,
            query_log: true,
        };
        assert_eq!(config, expected);
        assert_eq!(read("").unwrap(), Config::default());
    }

    /// What is wrong, where, and the remedy.
    fn check(text: &str, parts: &[&str]) {
        let message = read(text).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in:\n{message}");
        }
    }

    #[test]
    fn faults_name_place_and_remedy() {
        check(
            "\nudp_size = 1232\n",
            &["unknown key `udp_size`", "/etc/c/catchment.toml:2:1", "did you mean `udp-size`?"],
        );
        check("zonen = 1", &["unknown key `zonen`", "did you mean `zone`?"]);
        check("frobnicate = 1", &["unknown key `frobnicate`", "known here are: listen, node"]);
        check("udp-size = 100", &["100 is out of bounds", ":1:12", "from 512 to 4096"]);
        check("udp-size = \"1232\"", &["unexpected string", ":1:12", "a whole number from 512 to 4096"]);
        check("workers = 0", &["0 is out of bounds", "from 1 to 1024"]);
        check("workers = 99999999999999999999", &["out of bounds"]);
        check("listen = [\"127.0.0.1\"]", &[":1:11", "add the port: \"127.0.0.1:53\""]);
        check("listen = []", &["`listen` has no address"]);
        check("admin = \"192.0.2.1:80\"", &["not a loopback address", ":1:9"]);
        check("tcp-idle-timeout = 10", &["unexpected integer", "such as \"10s\""]);
        check("tcp-idle-timeout = \"10ms\"", &["out of bounds", "from \"1s\" to \"3600s\""]);
        check("log-level = \"loud\"", &["\"loud\" is not known here", "\"info\""]);
        check("group = \"g\"", &["`group` without `user`"]);
        check("node = \"\"", &["0 octets"]);
        check("node = \"ams\\u001b1\"", &["not seen", "letters, digits"]);
        check("node = \"ams\u{200b}1\"", &["not seen"]);
        check("nsid = yes", &[":1:8"]);
        check("[[zone]]\nname = \"a..b\"\nfile = \"x\"", &["is no domain name", ":2:8"]);
        check("[[zone]]\nname = \"a\"\n", &["`file` is missing", ":1:1"]);
        check("[[zone]]\nname = \"a\"\nfile = \"x\"\nfil = 1", &["unknown key `fil`", ":4:1", "did you mean `file`?"]);
        check(
            "[[zone]]\nname = \"a\"\nfile = \"x\"\n[[zone]]\nname = \"A.\"\nfile = \"y\"",
            &["named twice: also in line 2", ":5:8"],
        );
    }

    #[test]
    fn files_without_an_end_are_refused() {
        let endless = Path::new("/dev/zero");
        assert_eq!(
            load(endless).err().unwrap().to_string().trim_end(),
            "error: /dev/zero: it has more than 67108864 octets; write the file, or name another with --config"
        );
        let config = Config { cookie_secrets: Some(endless.into()), ..Config::default() };
        let error = config.settings(&crate::answer::cookie::Secrets::random().unwrap()).err().unwrap();
        assert!(error.starts_with("/dev/zero: it has more than 65536 octets; `cookie-secrets` must name"), "{error}");
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_the_file() {
        let message = read("udp-size = 1\nbogus = 2\nlisten = [\"x\", \"y\"]\n").unwrap_err();
        let at: Vec<_> = [":1:12", ":2:1", ":3:11", ":3:16"].iter().map(|place| message.find(place).unwrap()).collect();
        assert!(at.is_sorted(), "{message}");
    }

    /// The example settings with everything uncommented.
    fn example() -> String {
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
            _ => line.to_owned(),
        };
        include_str!("../../deploy/catchment.toml").lines().map(|line| uncommented(line) + "\n").collect()
    }

    #[test]
    fn the_example_settings_show_the_defaults() {
        let config = read(&example()).unwrap();
        assert_eq!(config.zone.len(), 1);
        let shown = Config {
            listen: config.listen.clone(),
            node: config.node.clone(),
            workers: config.workers,
            zones: config.zones.clone(),
            zone: config.zone.clone(),
            sync: config.sync.clone(),
            cookie_secrets: config.cookie_secrets.clone(),
            user: config.user.clone(),
            group: config.group.clone(),
            admin: config.admin.clone(),
            control: config.control.clone(),
            lease: config.lease.clone(),
            ..Config::default()
        };
        assert_eq!(config, shown);
    }

    #[test]
    fn every_key_of_the_example_is_in_the_reference() {
        let reference = include_str!("../../docs/configuration.md");
        let text = example();
        let keys: Vec<_> = text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        assert!(keys.len() >= 25, "{keys:?}");
        for key in keys.iter().filter(|key| !["name", "file"].contains(key)) {
            assert!(reference.contains(&format!("\n| `{key}` |")), "`{key}` is not in docs/configuration.md");
        }
    }

    #[test]
    fn settings_that_wait_for_a_restart_are_named() {
        let old = Config::default();
        let new = Config { workers: Some(2), udp_size: 1400, query_log: true, ..Config::default() };
        assert_eq!(old.needs_restart(&new), ["workers", "query-log"]);
    }
}
