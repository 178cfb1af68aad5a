//! Clusters of real etcd members: on loopback, or each in a network namespace of its own; killed, stopped, cut off and started again.

use super::peers::{Peers, free_port};
use super::process::{Process, TempDir, signal};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a cluster may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a start is tried again on other ports.
const TRIES: usize = 3;

/// How a cluster is run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Members.
    pub(crate) members: usize,
    /// More of etcd's own flags.
    pub(crate) flags: Vec<String>,
    /// Files of the members' TLS; clients need a certificate of the same authority.
    pub(crate) tls: Option<Certificates>,
}

impl Default for Options {
    fn default() -> Options {
        Options { members: 3, flags: Vec::new(), tls: None }
    }
}

/// Members that run, ended with this value.
#[derive(Debug)]
pub(crate) struct Cluster {
    peers: Peers,
    options: Options,
    members: Vec<Member>,
    /// What members remember when they are killed.
    data: TempDir,
    net: Option<Net>,
}

#[derive(Debug)]
struct Member {
    client: String,
    peer: String,
    process: Option<Process>,
}

impl Cluster {
    /// Starts one on loopback and waits until each member answers. The error says why that can't be done here.
    pub(crate) fn start(options: Options) -> Result<Cluster, String> {
        Cluster::try_start(&options, || Ok(None))
    }

    /// Starts one in a network of namespaces.
    pub(crate) fn start_in_net(options: Options) -> Result<Cluster, String> {
        Cluster::try_start(&options, || Net::new(Peers::find()?, options.members).map(Some))
    }

    fn try_start(options: &Options, net: impl Fn() -> Result<Option<Net>, String>) -> Result<Cluster, String> {
        let peers = Peers::find()?;
        peers.command("ETCDCTL")?;
        let mut tries = 0;
        loop {
            let net = net()?;
            let members = (0..options.members).map(|n| match &net {
                None => {
                    let [client, peer] =
                        [(); 2].map(|()| format!("127.0.0.1:{}", free_port(Ipv4Addr::LOCALHOST.into())));
                    Member { client, peer, process: None }
                }
                Some(_) => Member {
                    client: format!("{}:2379", Net::client(n)),
                    peer: format!("{}:2380", Net::peer(n)),
                    process: None,
                },
            });
            let members = members.collect();
            let data = TempDir::new("etcd-data");
            let mut cluster = Cluster { peers: peers.clone(), options: options.clone(), members, data, net };
            for n in 0..options.members {
                cluster.spawn(n)?;
            }
            match cluster.wait() {
                Ok(()) => return Ok(cluster),
                // Somebody took a port between our look and etcd's.
                Err(why) if why.contains("address already in use") && tries < TRIES => tries += 1,
                Err(why) => return Err(why),
            }
        }
    }

    /// `HOST:PORT` of each member, for clients.
    pub(crate) fn clients(&self) -> Vec<String> {
        self.members.iter().map(|member| member.client.clone()).collect()
    }

    /// Starts a member that was killed, with what it remembers.
    pub(crate) fn spawn(&mut self, n: usize) -> Result<(), String> {
        let (client, peer) = match &self.options.tls {
            None => ("http", "http"),
            Some(_) => ("https", "http"),
        };
        let initial: Vec<String> =
            self.members.iter().enumerate().map(|(n, member)| format!("m{n}={peer}://{}", member.peer)).collect();
        let member = &self.members[n];
        let client = format!("{client}://{}", member.client);
        let peer = format!("{peer}://{}", member.peer);
        let mut words = self.peers.words("ETCD")?;
        words
            .extend([format!("--name=m{n}"), format!("--data-dir={}", self.data.path().join(n.to_string()).display())]);
        words.extend([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")]);
        words.extend([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")]);
        words.extend([format!("--initial-cluster={}", initial.join(",")), "--logger=zap".into()]);
        if let Some(tls) = &self.options.tls {
            words.extend([format!("--cert-file={}", tls.certificate("server").display())]);
            words.extend([format!("--key-file={}", tls.key("server").display())]);
            words.extend([format!("--trusted-ca-file={}", tls.authority().display()), "--client-cert-auth".into()]);
        }
        words.extend(self.options.flags.iter().cloned());
        let command = match &self.net {
            None => command(&words),
            Some(net) => net.command(&format!("m{n}"), &words)?,
        };
        let process = Process::start(command, TempDir::new("etcd")).map_err(|e| e.to_string())?;
        self.members[n].process = Some(process);
        Ok(())
    }

    /// Waits until all members that run answer.
    pub(crate) fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        for n in 0..self.members.len() {
            while self.members[n].process.is_some() && self.ask(n, &["endpoint", "health"]).is_err() {
                let process = self.members[n].process.as_mut().expect("it was just there");
                if process.ended().is_some() || Instant::now() >= deadline {
                    let log = process.log();
                    let lines: Vec<&str> = log.lines().collect();
                    return Err(format!("etcd m{n}: {}", lines[lines.len().saturating_sub(10)..].join("\n")));
                }
            }
        }
        Ok(())
    }

    /// Runs etcdctl against all members; its output, or what it complains of.
    pub(crate) fn ctl(&self, words: &[&str]) -> Result<String, String> {
        self.etcdctl(&self.clients().join(","), words)
    }

    /// Runs etcdctl against one member.
    pub(crate) fn ask(&self, n: usize, words: &[&str]) -> Result<String, String> {
        self.etcdctl(&self.members[n].client, words)
    }

    fn etcdctl(&self, endpoints: &str, arguments: &[&str]) -> Result<String, String> {
        let scheme = if self.options.tls.is_some() { "https://" } else { "http://" };
        let endpoints: Vec<String> = endpoints.split(',').map(|endpoint| format!("{scheme}{endpoint}")).collect();
        let mut words = self.peers.words("ETCDCTL")?;
        words.extend([format!("--endpoints={}", endpoints.join(",")), "--command-timeout=3s".into()]);
        if let Some(tls) = &self.options.tls {
            words.push(format!("--cacert={}", tls.authority().display()));
            words.push(format!("--cert={}", tls.certificate("client").display()));
            words.push(format!("--key={}", tls.key("client").display()));
        }
        words.extend(arguments.iter().map(|&word| word.to_owned()));
        let mut command = match &self.net {
            None => command(&words),
            Some(net) => net.command("c", &words)?,
        };
        let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("etcdctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// The member that leads.
    pub(crate) fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            for n in 0..self.members.len() {
                // Fields: address, id, version, size, whether it leads, ...
                let status = self.ask(n, &["endpoint", "status"]).unwrap_or_default();
                if status.split(", ").nth(4) == Some("true") {
                    return n;
                }
            }
        }
        panic!("no member leads");
    }

    /// Ends a member at once (SIGKILL).
    pub(crate) fn kill(&mut self, n: usize) {
        if let Some(mut process) = self.members[n].process.take() {
            process.kill();
        }
    }

    /// Keeps a member from running (SIGSTOP): its connections stay, and say nothing.
    pub(crate) fn stop(&self, n: usize) {
        signal("STOP", &[self.pid(n)]);
    }

    /// Lets it run again.
    pub(crate) fn resume(&self, n: usize) {
        signal("CONT", &[self.pid(n)]);
    }

    /// The processes of the members that run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.members.iter().filter_map(|member| Some(member.process.as_ref()?.pid())).collect()
    }

    fn pid(&self, n: usize) -> u32 {
        self.members[n].process.as_ref().expect("a member that runs").pid()
    }

    /// The network, of a cluster that is in one.
    pub(crate) fn net(&self) -> &Net {
        self.net.as_ref().expect("a cluster in a network")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What they hold is of no use to anybody: no need to wait for an orderly end, least of all of one that is stopped.
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.kill();
            }
        }
    }
}

/// A network: a namespace `c` for clients, one for each member (`m0`, ...). Members have two links, for clients and for peers.
#[derive(Debug)]
pub(crate) struct Net {
    peers: Peers,
    prefix: String,
    members: usize,
}

impl Net {
    fn client(n: usize) -> String {
        format!("10.0.1.{}", n + 1)
    }

    fn peer(n: usize) -> String {
        format!("10.0.2.{}", n + 1)
    }

    /// Builds it. The error says what can't be done here.
    fn new(peers: Peers, members: usize) -> Result<Net, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("etcd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // From here on whatever was made is unmade when this value goes.
        let net = Net { peers, prefix, members };
        net.ip(&format!("netns add {}", net.name("c")))?;
        let hub = net.name("c");
        net.ip(&format!("-n {hub} link set lo up"))?;
        for bridge in ["clients", "peers"] {
            net.ip(&format!("-n {hub} link add {bridge} type bridge"))?;
            net.ip(&format!("-n {hub} link set {bridge} up"))?;
        }
        net.ip(&format!("-n {hub} addr add 10.0.1.100/24 dev clients"))?;
        for n in 0..members {
            let member = net.name(&format!("m{n}"));
            net.ip(&format!("netns add {member}"))?;
            net.ip(&format!("-n {member} link set lo up"))?;
            for (link, bridge, address) in [("client", "clients", Net::client(n)), ("peer", "peers", Net::peer(n))] {
                net.ip(&format!("link add {link} netns {member} type veth peer name {link}{n} netns {hub}"))?;
                net.ip(&format!("-n {hub} link set {link}{n} master {bridge} up"))?;
                net.ip(&format!("-n {member} addr add {address}/24 dev {link}"))?;
                net.ip(&format!("-n {member} link set {link} up"))?;
            }
        }
        // Whether packets can be dropped shows here, not in the middle of a test.
        net.cut(0, "client")?;
        net.heal(0)?;
        Ok(net)
    }

    /// Drops all packets of one of a member's links, `client` or `peer`, both ways.
    pub(crate) fn cut(&self, n: usize, link: &str) -> Result<(), String> {
        self.nft(
            n,
            &format!(
                "table inet cut_{link} {{
                   chain input {{ type filter hook input priority -300; iifname \"{link}\" drop; }}
                   chain output {{ type filter hook output priority -300; oifname \"{link}\" drop; }}
                 }}"
            ),
        )
    }

    /// Undoes all of [`Self::cut`].
    pub(crate) fn heal(&self, n: usize) -> Result<(), String> {
        self.nft(n, "flush ruleset")
    }

    fn nft(&self, n: usize, rules: &str) -> Result<(), String> {
        let words = [self.peers.words("NFT")?, vec!["-f".into(), "-".into()]].concat();
        let mut command = self.command(&format!("m{n}"), &words)?;
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        child.stdin.take().expect("piped").write_all(rules.as_bytes()).map_err(|e| e.to_string())?;
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// Runs `work` on a thread in the clients' namespace: threads and sockets made there stay there.
    pub(crate) fn as_client<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name("c"));
        let file = File::open(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn name(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// A command in a namespace. Its process has the pid of the program itself: each word executes the next.
    fn command(&self, host: &str, words: &[String]) -> Result<Command, String> {
        let mut command = self.peers.command("IP")?;
        command.args(["netns", "exec", &self.name(host)]).args(words);
        Ok(command)
    }

    fn ip(&self, words: &str) -> Result<(), String> {
        let output = self.peers.command("IP")?.args(words.split(' ')).output().map_err(|e| format!("ip: {e}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for host in (0..self.members).map(|n| format!("m{n}")).chain(["c".into()]) {
            let _ = self.ip(&format!("netns del {}", self.name(&host)));
        }
    }
}

/// An authority of our own, and certificates that it signed, made by `openssl`.
#[derive(Debug, Clone)]
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Makes an authority in a directory.
    pub(crate) fn new(dir: &Path) -> Result<Certificates, String> {
        std::fs::create_dir_all(dir).map_err(|e| e.to_string())?;
        let made = Certificates(dir.into());
        // Each has a name of its own: whom a certificate is signed by is looked up by name.
        let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        made.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN={name}"
        ))?;
        Ok(made)
    }

    /// Makes a certificate for 127.0.0.1, good for both ends. Members need that too: their gateway is a client of their own.
    pub(crate) fn issue(&self, name: &str) -> Result<(), String> {
        let extensions = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
        std::fs::write(self.0.join("extensions"), extensions).map_err(|e| e.to_string())?;
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ))?;
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out {name}.pem"
        ))
    }

    /// The authority's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// A certificate.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    /// Its key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    fn openssl(&self, words: &str) -> Result<(), String> {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(&self.0).output();
        let output = output.map_err(|e| format!("openssl: {e}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("openssl {words}: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}
