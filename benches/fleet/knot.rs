//! Knot DNS: a primary and its secondaries, told by NOTIFY, fed by IXFR over loopback.
//!
//! What is set is what makes Knot cheapest and fastest at this without giving up what it promises: one thread of each kind (there are
//! more servers than cores), no zone files written by anybody (`zonefile-sync: -1`), differences from the changed zone file into
//! the journal and from there to IXFR (`zonefile-load: difference`), only changes in journals, nothing logged but warnings,
//! TCP connections to remotes kept open. Zones are configured, not from a catalog: a change costs the same, and the start less.
//! Secondaries begin with the primary's files, so that a run does not begin with a transfer of every zone to every node.

use crate::fleet::{Fleet, Told};
use crate::support::peers::{Peers, free_port};
use crate::support::process::{Process, TempDir};
use crate::zones;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The fleet.
pub(crate) struct Knot {
    primary: Process,
    secondaries: Vec<Process>,
    addrs: Vec<SocketAddr>,
    zones: PathBuf,
    knotc: Command,
    // Knot's zones and journals, removed after the processes have ended.
    _directory: TempDir,
}

impl Knot {
    /// Starts a primary and `nodes` secondaries with `count` zones.
    pub(crate) fn start(peers: &Peers, nodes: usize, count: usize) -> Result<Knot, String> {
        let directory = TempDir::new("knot-fleet");
        let zones = directory.path().join("zones");
        // The secondaries' own: the primary's files change.
        let copy = directory.path().join("copy");
        for directory in [&zones, &copy] {
            zones::write_all(directory, count).map_err(|e| e.to_string())?;
        }
        let port = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let (primary_addr, addrs) = (port(), (0..nodes).map(|_| port()).collect::<Vec<_>>());
        let domains: String = (0..count).map(|at| format!("  - domain: {}\n", zones::name(at))).collect();

        let mut remotes = String::new();
        for (at, addr) in addrs.iter().enumerate() {
            let _ = writeln!(remotes, "  - id: s{at}\n    address: {}@{}", addr.ip(), addr.port());
        }
        let notify: Vec<String> = (0..nodes).map(|at| format!("s{at}")).collect();
        let template = format!("    zonefile-load: difference\n    notify: [{}]\n", notify.join(", "));
        let primary = start(peers, primary_addr, &zones, &remotes, "transfer", &template, &domains)?;
        let remotes = format!("  - id: primary\n    address: {}@{}\n", primary_addr.ip(), primary_addr.port());
        let template = "    zonefile-load: whole\n    master: primary\n";
        let secondaries = addrs
            .iter()
            .map(|addr| start(peers, *addr, &copy, &remotes, "notify", template, &domains))
            .collect::<Result<Vec<_>, _>>()?;
        let mut knotc = peers.command("KNOTC")?;
        knotc.arg("-s").arg(primary.dir().join("knot.sock"));
        Ok(Knot { primary, secondaries, addrs, zones, knotc, _directory: directory })
    }
}

impl Fleet for Knot {
    fn name(&self) -> &'static str {
        "knot"
    }

    fn nodes(&self) -> &[SocketAddr] {
        &self.addrs
    }

    fn node_pids(&self) -> Vec<u32> {
        self.secondaries.iter().map(Process::pid).collect()
    }

    fn other_pids(&self) -> Vec<u32> {
        vec![self.primary.pid()]
    }

    fn zones(&self) -> &Path {
        &self.zones
    }

    fn ways(&self) -> &'static [Told] {
        &[Told::Zone, Told::Nothing]
    }

    fn publish(&mut self, zone: usize, told: Told) -> Result<Child, String> {
        let mut knotc = Command::new(self.knotc.get_program());
        knotc.args(self.knotc.get_args()).envs(self.knotc.get_envs().filter_map(|(key, value)| Some((key, value?))));
        knotc.arg("zone-reload").stdin(Stdio::null()).stdout(Stdio::null());
        if told == Told::Zone {
            knotc.arg(zones::name(zone));
        }
        knotc.spawn().map_err(|e| format!("{knotc:?}: {e}"))
    }
}

fn start(
    peers: &Peers,
    addr: SocketAddr,
    zones: &Path,
    remotes: &str,
    action: &str,
    template: &str,
    domains: &str,
) -> Result<Process, String> {
    let dir = TempDir::new("knot-node");
    let text = format!(
        r#"server:
    rundir: "{dir}"
    listen: {ip}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    remote-pool-limit: 32
    remote-pool-timeout: 60
control:
    listen: "{dir}/knot.sock"
log:
  - target: stderr
    any: warning
database:
    storage: "{dir}"
    journal-db-max-size: 200M
acl:
  - id: peers
    address: 127.0.0.0/8
    action: {action}
remote:
{remotes}template:
  - id: default
    storage: "{zones}"
    file: "%s.zone"
    zonefile-sync: -1
    journal-content: changes
    acl: peers
{template}zone:
{domains}"#,
        dir = dir.path().display(),
        ip = addr.ip(),
        port = addr.port(),
        zones = zones.display(),
    );
    let config = dir.write("knot.conf", text);
    let mut command = peers.command("KNOTD")?;
    command.arg("-c").arg(config);
    Process::start(command, dir).map_err(|e| e.to_string())
}
