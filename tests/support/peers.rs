//! The servers that Catchment is compared with: NSD, Knot DNS and BIND, each started in the foreground on loopback.
//!
//! `tests/peers/fetch` finds or unpacks them and writes `target/peers/env`. Each runs as whoever runs the tests (root or
//! not), with a configuration of its own in a temporary directory, without control channel, transfers or rate limits.

use super::process::{Process, TempDir};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often a start is tried again on another port, when the one found free was taken meanwhile.
const PORT_TRIES: usize = 3;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// NLnet Labs NSD.
    Nsd,
    /// CZ.NIC Knot DNS.
    Knot,
    /// ISC BIND.
    Bind,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Kind; 3] = [Kind::Nsd, Kind::Knot, Kind::Bind];

    /// Lower-case name, for tables and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Nsd => "nsd",
            Kind::Knot => "knot",
            Kind::Bind => "bind",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Kind::Nsd => "NSD",
            Kind::Knot => "KNOTD",
            Kind::Bind => "NAMED",
        }
    }
}

/// How a peer is run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Loopback address to serve, UDP and TCP.
    pub(crate) address: IpAddr,
    /// Port; `None`: a free one.
    pub(crate) port: Option<u16>,
    /// Worker threads or processes.
    pub(crate) workers: usize,
    /// Whether the authority and additional sections hold only what is required (NSD, BIND; Knot always does).
    pub(crate) minimal: bool,
    /// Largest UDP response.
    pub(crate) udp_size: u16,
    /// Whether loopback may transfer the zones.
    pub(crate) transfer: bool,
    /// More lines for the server's section of the configuration, in the peer's own syntax.
    pub(crate) extra: String,
    /// How long it may take until every zone is answered for.
    pub(crate) patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            address: Ipv4Addr::LOCALHOST.into(),
            port: None,
            workers: 1,
            minimal: true,
            udp_size: 1232,
            transfer: false,
            extra: String::new(),
            patience: Duration::from_secs(60),
        }
    }
}

/// Where the peers' programs are.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    programs: BTreeMap<String, PathBuf>,
    libraries: String,
    root: PathBuf,
}

impl Peers {
    /// Reads what `tests/peers/fetch` wrote. The error says what to do; give it to [`super::skip`].
    pub(crate) fn find() -> Result<Peers, String> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
        let text = std::fs::read_to_string(home.join("env"))
            .map_err(|e| format!("no peers to compare with: run tests/peers/fetch (target/peers/env: {e})"))?;
        let mut programs = BTreeMap::new();
        let mut libraries = String::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "LD_LIBRARY_PATH" => libraries = value.into(),
                _ => drop(programs.insert(key.into(), PathBuf::from(value))),
            }
        }
        Ok(Peers { programs, libraries, root: home.join("root") })
    }

    /// Whether a peer is there.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.programs.contains_key(kind.key())
    }

    /// A command for one of the programs by its key in `target/peers/env`: `DIG`, `KDIG`, `NAMED_CHECKZONE`, ...
    pub(crate) fn command(&self, key: &str) -> Result<Command, String> {
        let Some(path) = self.programs.get(key) else {
            return Err(format!("{key} is not in target/peers/env: tests/peers/fetch says why"));
        };
        let mut command = Command::new(path);
        // Only what was unpacked sees the unpacked libraries.
        if path.starts_with(&self.root) {
            command.env("LD_LIBRARY_PATH", &self.libraries);
        }
        Ok(command)
    }

    /// The words that run one of the programs, where an environment can't be given: after `ip netns exec`, say.
    pub(crate) fn words(&self, key: &str) -> Result<Vec<String>, String> {
        let Some(path) = self.programs.get(key) else {
            return Err(format!("{key} is not in target/peers/env: tests/peers/fetch says why"));
        };
        let mut words = Vec::new();
        if path.starts_with(&self.root) {
            let python = self.root.join("usr/lib/python3/dist-packages");
            words.extend(["env".into(), format!("LD_LIBRARY_PATH={}", self.libraries)]);
            words.push(format!("PYTHONPATH={}", python.display()));
        }
        words.push(path.display().to_string());
        Ok(words)
    }

    /// Starts a peer with zones (origin, file), and waits until it answers for each. The error has the end of its log.
    pub(crate) fn start(&self, kind: Kind, zones: &[(&str, &Path)], options: &Options) -> Result<Running, String> {
        let mut tries = PORT_TRIES;
        loop {
            let port = options.port.unwrap_or_else(|| free_port(options.address));
            let mut running = self.spawn(kind, zones, options, SocketAddr::new(options.address, port))?;
            match running.wait(zones, options.patience) {
                Ok(()) => return Ok(running),
                Err(why) => {
                    tries -= 1;
                    let taken = running.process.log().to_ascii_lowercase().contains("in use");
                    if options.port.is_some() || tries == 0 || !taken {
                        return Err(format!("{} {why}; its log ends:\n{}", kind.name(), tail(&running.process.log())));
                    }
                }
            }
        }
    }

    /// Starts a peer and does not wait.
    pub(crate) fn spawn(
        &self,
        kind: Kind,
        zones: &[(&str, &Path)],
        options: &Options,
        addr: SocketAddr,
    ) -> Result<Running, String> {
        let mut command = self.command(kind.key())?;
        let dir = TempDir::new(kind.name());
        let zones: Vec<(&str, PathBuf)> = zones
            .iter()
            .map(|(origin, path)| Ok((*origin, path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?)))
            .collect::<Result<_, String>>()?;
        let text = match kind {
            Kind::Nsd => nsd_conf(&zones, options, addr, dir.path()),
            Kind::Knot => knot_conf(&zones, options, addr, dir.path()),
            Kind::Bind => bind_conf(&zones, options, addr, dir.path()),
        };
        let conf = dir.write("conf", text);
        match kind {
            Kind::Nsd => command.arg("-d"),
            Kind::Knot => &mut command,
            Kind::Bind => command.args(["-f", "-n", &options.workers.to_string()]),
        };
        command.arg("-c").arg(conf);
        let process = Process::start(command, dir).map_err(|e| e.to_string())?;
        Ok(Running { addr, process })
    }
}

/// A peer that runs; stopped at drop.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it listens, UDP and TCP.
    pub(crate) addr: SocketAddr,
    /// The process itself: pid, log.
    pub(crate) process: Process,
}

impl Running {
    /// Waits until every zone's SOA is answered with authority.
    pub(crate) fn wait(&mut self, zones: &[(&str, &Path)], patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        let socket = UdpSocket::bind((self.addr.ip(), 0)).map_err(|e| e.to_string())?;
        for (origin, _) in zones {
            while !soa_answered(&socket, self.addr, origin) {
                if let Some(status) = self.process.ended() {
                    return Err(format!("ended with {status}"));
                }
                if Instant::now() >= deadline {
                    return Err(format!("does not answer for {origin} after {patience:?}"));
                }
            }
        }
        Ok(())
    }
}

/// A port that is free for UDP and TCP at this moment, and given to nobody else here. Not one that the kernel gives to whoever asks for any
/// (from 32768 on, as Linux is set up): connections take these all the time.
pub(crate) fn free_port(address: IpAddr) -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes begin at different places.
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT {
        let port = (FIRST + start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT) as u16;
        if TcpListener::bind((address, port)).is_ok() && UdpSocket::bind((address, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {COUNT} is free at {address}");
}

/// A query for (name, type) in class IN, without EDNS. For probes; tests that judge answers use hickory-proto.
pub(crate) fn query(id: u16, name: &str, rtype: u16) -> Vec<u8> {
    let mut packet = vec![0; 12];
    packet[..2].copy_from_slice(&id.to_be_bytes());
    packet[5] = 1;
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&rtype.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    packet
}

fn soa_answered(socket: &UdpSocket, addr: SocketAddr, origin: &str) -> bool {
    const PAUSE: Duration = Duration::from_millis(10);
    let query = query(0x5ca1, origin, 6);
    let mut buffer = [0; 4096];
    let _ = socket.set_read_timeout(Some(PAUSE));
    if socket.send_to(&query, addr).is_err() {
        std::thread::sleep(PAUSE);
        return false;
    }
    match socket.recv_from(&mut buffer) {
        // QR and AA, NOERROR, something in the answer section.
        Ok((len, from)) if from == addr && len > 12 => {
            let done = buffer[..2] == query[..2] && buffer[2] & 0x84 == 0x84 && buffer[3] & 15 == 0 && buffer[7] > 0;
            if !done {
                std::thread::sleep(PAUSE);
            }
            done
        }
        _ => false,
    }
}

fn tail(log: &str) -> &str {
    let mut at = log.len().saturating_sub(2000);
    while !log.is_char_boundary(at) {
        at += 1;
    }
    &log[at..]
}

fn nsd_conf(zones: &[(&str, PathBuf)], options: &Options, addr: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = format!(
        r#"server:
  server-count: {workers}
  ip-address: {ip}
  port: {port}
  reuseport: {reuseport}
  username: ""
  database: ""
  zonesdir: "{dir}"
  pidfile: "{dir}/pid"
  xfrdfile: "{dir}/xfrd.state"
  zonelistfile: "{dir}/zone.list"
  xfrdir: "{dir}"
  tcp-count: 250
  minimal-responses: {minimal}
  ipv4-edns-size: {size}
  ipv6-edns-size: {size}
  zonefiles-check: yes
  zonefiles-write: 0
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
  {extra}
remote-control:
  control-enable: no
"#,
        workers = options.workers,
        ip = addr.ip(),
        port = addr.port(),
        reuseport = yes(options.workers > 1),
        minimal = yes(options.minimal),
        size = options.udp_size,
        extra = options.extra,
    );
    for (origin, path) in zones {
        let _ = write!(text, "zone:\n  name: \"{origin}\"\n  zonefile: \"{}\"\n", path.display());
        if options.transfer {
            text.push_str("  provide-xfr: 127.0.0.0/8 NOKEY\n  provide-xfr: ::1 NOKEY\n");
        }
    }
    text
}

fn knot_conf(zones: &[(&str, PathBuf)], options: &Options, addr: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = format!(
        r#"server:
  rundir: "{dir}"
  listen: "{ip}@{port}"
  udp-workers: {workers}
  tcp-workers: {workers}
  background-workers: 2
  tcp-reuseport: {reuseport}
  udp-max-payload: {size}
  {extra}
database:
  storage: "{dir}"
log:
  - target: stderr
    any: warning
acl:
  - id: loopback
    address: ["127.0.0.0/8", "::1"]
    action: transfer
    deny: {deny}
template:
  - id: default
    acl: loopback
    storage: "{dir}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
"#,
        ip = addr.ip(),
        port = addr.port(),
        workers = options.workers,
        reuseport = if options.workers > 1 { "on" } else { "off" },
        deny = if options.transfer { "off" } else { "on" },
        size = options.udp_size,
        extra = options.extra,
    );
    for (origin, path) in zones {
        let _ = write!(text, "  - domain: \"{origin}\"\n    file: \"{}\"\n", path.display());
    }
    text
}

fn bind_conf(zones: &[(&str, PathBuf)], options: &Options, addr: SocketAddr, dir: &Path) -> String {
    let dir = dir.display();
    let (v4, v6) = match addr.ip() {
        IpAddr::V4(ip) => (format!("{ip};"), "none;".to_owned()),
        IpAddr::V6(ip) => ("none;".to_owned(), format!("{ip};")),
    };
    let mut text = format!(
        r#"options {{
  directory "{dir}"; pid-file "{dir}/pid"; session-keyfile "{dir}/session.key"; lock-file none;
  managed-keys-directory "{dir}";
  listen-on port {port} {{ {v4} }}; listen-on-v6 port {port} {{ {v6} }};
  recursion no; notify no; dnssec-validation no; empty-zones-enable no;
  minimal-responses {minimal}; edns-udp-size {size}; max-udp-size {size};
  allow-transfer {{ {transfer}; }}; allow-query {{ any; }}; check-integrity no; check-names primary ignore; tcp-clients 250;
  {extra}
}};
controls {{ }};
logging {{ channel log {{ stderr; severity warning; }}; category default {{ log; }}; category lame-servers {{ null; }}; }};
"#,
        port = addr.port(),
        minimal = yes(options.minimal),
        transfer = if options.transfer { "localhost" } else { "none" },
        size = options.udp_size,
        extra = options.extra,
    );
    for (origin, path) in zones {
        let _ = writeln!(text, "zone \"{origin}\" {{ type primary; file \"{}\"; }};", path.display());
    }
    text
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}
