//! The network: a client behind a router, two PoPs beyond it, and a second client whose nearest PoP is the second.
//!
//! ```text
//!   client (c) ---- router (r) ---- PoP 1 (p1)
//!                         \-------- PoP 2 (p2) ---- second client (d)
//! ```
//!
//! Each is a network namespace, named by this process's id, and goes with [`Net`], on a panic too. Both PoPs have the service
//! addresses on their loopback interface. Traffic is dropped by nftables: some kernels lack netem.

use crate::support::peers::Peers;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The service addresses: what the client asks.
pub(crate) const SERVICE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, 0x53))];
/// What is announced for them.
pub(crate) const PREFIXES: [&str; 2] = ["192.0.2.0/24", "2001:db8:53::/48"];

/// An address family, as an index into pairs like [`SERVICE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// `IPv4`, for tables.
    pub(crate) fn name(self) -> &'static str {
        ["IPv4", "IPv6"][self as usize]
    }

    /// `ipv4`, as daemons spell it.
    pub(crate) fn word(self) -> &'static str {
        ["ipv4", "ipv6"][self as usize]
    }

    /// The service address.
    pub(crate) fn service(self) -> IpAddr {
        SERVICE[self as usize]
    }

    /// What is announced.
    pub(crate) fn prefix(self) -> &'static str {
        PREFIXES[self as usize]
    }

    /// The router's address on its link with a PoP (1, 2).
    pub(crate) fn router(self, pop: usize) -> IpAddr {
        self.link(pop, 1)
    }

    /// The PoP's address on that link.
    pub(crate) fn pop(self, pop: usize) -> IpAddr {
        self.link(pop, 2)
    }

    fn link(self, pop: usize, host: u8) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::new(10, 99, pop as u8, host).into(),
            Family::V6 => Ipv6Addr::new(0xfd99, pop as u16, 0, 0, 0, 0, 0, host.into()).into(),
        }
    }
}

/// All namespaces of one lab.
pub(crate) struct Net {
    peers: Arc<Peers>,
    prefix: String,
}

/// Hosts; a namespace each.
const HOSTS: [&str; 5] = ["c", "d", "r", "p1", "p2"];

impl Net {
    /// Builds all. The error says what can't be done here.
    pub(crate) fn new(peers: Arc<Peers>) -> Result<Net, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // From here on whatever was made is unmade when this value goes.
        let net = Net { peers, prefix: format!("failover-{}-{n}", std::process::id()) };
        for host in HOSTS {
            net.ip(&format!("netns add {}", net.name(host)))?;
        }
        for host in HOSTS {
            let forwards = ["r", "p2"].contains(&host);
            net.within(host, move || -> std::io::Result<()> {
                let on = |name: &str, value: &str| std::fs::write(format!("/proc/sys/net/{name}"), value);
                on("ipv6/conf/all/accept_dad", "0")?;
                on("ipv6/conf/default/accept_dad", "0")?;
                on("ipv4/conf/all/rp_filter", "0")?;
                on("ipv4/conf/default/rp_filter", "0")?;
                // However often a fault makes a host unreachable, each client hears of it.
                on("ipv4/icmp_ratelimit", "0")?;
                on("ipv4/ip_forward", if forwards { "1" } else { "0" })?;
                on("ipv6/conf/all/forwarding", if forwards { "1" } else { "0" })
            })
            .map_err(|error| format!("settings of namespace {host}: {error}"))?;
        }
        net.lay_out()?;
        Ok(net)
    }

    fn lay_out(&self) -> Result<(), String> {
        let mut batches: Vec<(&str, String)> = HOSTS.map(|host| (host, "link set lo up\n".to_owned())).into();
        let links = [("c", "e0", "r", "c0"), ("p1", "e0", "r", "v1"), ("p2", "e0", "r", "v2"), ("d", "e0", "p2", "d0")];
        for (a, a_port, b, b_port) in links {
            let (a, b) = (self.name(a), self.name(b));
            self.ip(&format!("link add {a_port} netns {a} type veth peer name {b_port} netns {b}"))?;
        }
        let mut add = |host: &str, port: &str, addresses: [&str; 2], gateways: Option<[&str; 2]>| {
            let batch = &mut batches.iter_mut().find(|(name, _)| *name == host).expect("a host").1;
            let [v4, v6] = addresses;
            batch.push_str(&format!("addr add {v4} dev {port}\naddr add {v6} dev {port} nodad\nlink set {port} up\n"));
            if let Some([v4, v6]) = gateways {
                batch.push_str(&format!("route add default via {v4}\nroute add default via {v6}\n"));
            }
        };
        add("r", "c0", ["198.51.100.1/24", "2001:db8:c::1/64"], None);
        add("c", "e0", ["198.51.100.2/24", "2001:db8:c::2/64"], Some(["198.51.100.1", "2001:db8:c::1"]));
        for (pop, host) in [(1, "p1"), (2, "p2")] {
            let text = |address: IpAddr, length: u8| format!("{address}/{length}");
            let of = |host: fn(Family, usize) -> IpAddr| [host(Family::V4, pop), host(Family::V6, pop)];
            let ([r4, r6], [p4, p6]) = (of(Family::router), of(Family::pop));
            add("r", &format!("v{pop}"), [&text(r4, 30), &text(r6, 64)], None);
            add(host, "e0", [&text(p4, 30), &text(p6, 64)], Some([&r4.to_string(), &r6.to_string()]));
            add(host, "lo", ["192.0.2.53/32", "2001:db8:53::53/128"], None);
        }
        add("p2", "d0", ["10.98.0.1/30", "fd98::1/64"], None);
        add("d", "e0", ["10.98.0.2/30", "fd98::2/64"], Some(["10.98.0.1", "fd98::1"]));
        for (host, batch) in &batches {
            self.feed("IP", &["-n", &self.name(host), "-batch", "-"], batch)?;
        }
        Ok(())
    }

    /// A namespace's name.
    pub(crate) fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// The programs.
    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// A command in the namespace of a host. Its process has the pid of the program itself: each word executes the next.
    pub(crate) fn command(&self, host: &str, words: &[String]) -> Result<Command, String> {
        let mut command = self.peers.command("IP")?;
        command.args(["netns", "exec", &self.name(host)]).args(words);
        Ok(command)
    }

    /// Runs one of the programs in the namespace of a host, and gives its standard output.
    pub(crate) fn run(&self, host: &str, program: &str, arguments: &[&str]) -> Result<String, String> {
        let mut words = self.peers.words(program)?;
        words.extend(arguments.iter().map(|&word| word.to_owned()));
        self.output(host, &words)
    }

    /// Runs these words in the namespace of a host, and gives the standard output.
    pub(crate) fn output(&self, host: &str, words: &[String]) -> Result<String, String> {
        let output = self.command(host, words)?.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(text),
            false => Err(format!("{words:?}: {text}{}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Runs `work` on a thread in the namespace of a host. Sockets made there stay there.
    pub(crate) fn within<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> T {
        let enter = self.entrance(host);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                enter();
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// What moves the calling thread into the namespace of a host.
    pub(crate) fn entrance(&self, host: &str) -> impl FnOnce() + Send + 'static {
        let path = format!("/run/netns/{}", self.name(host));
        let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        move || setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace")
    }

    /// Drops all packets of a PoP from now on, both ways; its links stay up.
    pub(crate) fn cut_off(&self, host: &str) -> Result<(), String> {
        self.nft(
            host,
            "table inet cut {
               chain input { type filter hook input priority -300; iifname \"e0\" drop; }
               chain output { type filter hook output priority -300; oifname \"e0\" drop; }
             }",
        )
    }

    /// Lets a host lose so many of 100 DNS packets, from wherever, itself too. BGP and BFD pass.
    pub(crate) fn lose(&self, host: &str, percent: u32) -> Result<(), String> {
        let rules = format!(
            "table inet loss {{
               chain input {{ type filter hook input priority -300;
                 meta l4proto {{ tcp, udp }} th dport 53 numgen random mod 100 < {percent} drop; }}
             }}"
        );
        self.nft(host, &rules)
    }

    /// Undoes [`Self::cut_off`] and [`Self::lose`].
    pub(crate) fn heal(&self, host: &str) -> Result<(), String> {
        self.nft(host, "flush ruleset")
    }

    fn nft(&self, host: &str, rules: &str) -> Result<(), String> {
        let words = self.peers.words("NFT")?;
        let mut command = self.command(host, &[words, vec!["-f".into(), "-".into()]].concat())?;
        feed(&mut command, rules)
    }

    fn ip(&self, words: &str) -> Result<(), String> {
        let mut command = self.peers.command("IP")?;
        let output = command.args(words.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Result<(), String> {
        feed(self.peers.command(program)?.args(arguments), input)
    }
}

/// Whether this process may build namespaces, and drop packets in them.
pub(crate) fn possible(peers: &Peers) -> Result<(), String> {
    let net = Net::new(Arc::new(peers.clone()))?;
    net.cut_off("p1")
}

fn feed(command: &mut Command, input: &str) -> Result<(), String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    child.stdin.take().expect("piped").write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} with\n{input}\n{}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // Links go with either of their ends.
        for host in HOSTS {
            let _ = self.ip(&format!("netns del {}", self.name(host)));
        }
    }
}
