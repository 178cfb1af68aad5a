//! Unbound validates what the server says, from a trust anchor down: secure, insecure and bogus, for names that exist and names
//! that don't.
//!
//! The resolver has no way out: all of its questions go to the server, its own address is on loopback. Knot DNS is tried in our
//! place too, so that what fails with us alone is our fault.

mod support;

use catchment::wire::code::rtype;
use catchment::wire::name::Name;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::catchment::Server;
use support::peers::{Kind, Options, Peers, free_port};
use support::process::{Process, TempDir};
use support::signing::{Denial, Scheme, Signed, Signer, VALIDITY, sign};

/// Signatures that have ended.
const EXPIRED: (&str, &str) = ("20200101000000", "20210101000000");
/// How long the resolver may take to start, or for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The zone at the top; TOP is its name, NEXT that of another one. The delegations' DS records are added.
const TOP: &str = "\
$TTL 300
@ SOA ns hostmaster 1 7200 3600 1209600 300
@ NS ns
ns A 127.0.0.1
www A 192.0.2.1
deep.er.ent A 192.0.2.1
*.wild A 192.0.2.1
*.wildalias CNAME www
alias CNAME www
away CNAME www.NEXT
toinsecure CNAME www.insecure
tobad CNAME bad
bad A 192.0.2.1
*.badwild A 192.0.2.1
within DNAME ent
intochild DNAME child
child NS ns
broken NS ns
expired NS ns
insecure NS ns
sub.empty NS ns
";

/// A zone below.
const CHILD: &str = "\
$TTL 300
@ SOA ns hostmaster 1 7200 3600 1209600 300
@ NS ns
ns A 127.0.0.1
www A 192.0.2.1
";

/// What the resolver says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// AD.
    Secure,
    /// AD, but not where the proof has an NSEC3 record with Opt-Out (RFC 5155 section 9.2).
    SecureUnlessOptOut,
    /// AD, but not where Opt-Out leaves the name without an NSEC3 record; ldns' signer sets the flag and leaves out none.
    SecureUnlessLeftOut,
    /// No AD.
    Insecure,
    /// SERVFAIL, and the answer if checking is disabled.
    Bogus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Data,
    NoData,
    NoName,
}

use Answer::{Data, NoData, NoName};
use Trust::{Bogus, Insecure, Secure, SecureUnlessLeftOut, SecureUnlessOptOut};

/// Names are below the top; an empty one is the top itself.
const CASES: &[(&str, &str, Answer, Trust)] = &[
    // What is there.
    ("", "SOA", Data, Secure),
    ("", "NS", Data, Secure),
    ("", "DNSKEY", Data, Secure),
    ("www", "A", Data, Secure),
    ("child", "DS", Data, Secure),
    ("www.child", "A", Data, Secure),
    ("alias", "A", Data, Secure),
    ("away", "A", Data, Secure),
    ("deep.er.within", "A", Data, Secure),
    ("www.intochild", "A", Data, Secure),
    ("www.broken", "A", Data, Secure),
    // What is not.
    ("www", "TXT", NoData, Secure),
    ("ent", "A", NoData, Secure),
    ("er.ent", "TXT", NoData, Secure),
    ("alias", "DS", Data, Secure),
    ("", "TXT", NoData, Secure),
    ("nothing", "A", NoName, SecureUnlessOptOut),
    ("no.thing.at.all", "A", NoName, SecureUnlessOptOut),
    ("below.www", "A", NoName, SecureUnlessOptOut),
    ("nothing.ent", "A", NoName, SecureUnlessOptOut),
    ("nothing.child", "A", NoName, SecureUnlessOptOut),
    ("www.child", "TXT", NoData, Secure),
    ("nothing.within", "A", NoName, SecureUnlessOptOut),
    ("er.within", "A", NoData, Secure),
    ("nothing.intochild", "A", NoName, SecureUnlessOptOut),
    ("www.intochild", "TXT", NoData, Secure),
    // Wildcards.
    ("any.wild", "A", Data, SecureUnlessOptOut),
    ("any.thing.wild", "A", Data, SecureUnlessOptOut),
    ("*.wild", "A", Data, Secure),
    ("any.wild", "TXT", NoData, SecureUnlessOptOut),
    ("wild", "A", NoData, Secure),
    ("any.wildalias", "A", Data, SecureUnlessOptOut),
    ("any.wildalias", "TXT", NoData, SecureUnlessOptOut),
    // Unsigned delegations.
    ("insecure", "DS", NoData, SecureUnlessLeftOut),
    ("www.insecure", "A", Data, Insecure),
    ("nothing.insecure", "A", NoName, Insecure),
    ("www.insecure", "TXT", NoData, Insecure),
    ("www.sub.empty", "A", Data, Insecure),
    ("empty", "A", NoData, SecureUnlessLeftOut),
    ("toinsecure", "A", Data, Insecure),
    // What must not be believed.
    ("bad", "A", Data, Bogus),
    ("tobad", "A", Data, Bogus),
    ("any.badwild", "A", Data, Bogus),
    ("nothing.broken", "A", NoName, Bogus),
    ("www.broken", "TXT", NoData, Bogus),
    ("www.expired", "A", Data, Bogus),
    ("nothing.expired", "A", NoName, Bogus),
];

/// The zones of one scheme, as (origin, file), and the trust anchor.
struct Tree {
    top: String,
    scheme: Scheme,
    zones: Vec<(String, PathBuf)>,
    anchor: String,
}

impl Tree {
    fn grow(peers: &Peers, dir: &Path, at: usize, scheme: Scheme) -> Result<Tree, String> {
        let top = format!("t{at}.");
        let next = format!("t{}.", (at + 1) % Scheme::ALL.len());
        let below = |label: &str| format!("{label}.{top}");
        let child = |label: &str, validity| sign(peers, dir, &below(label), CHILD, scheme, validity);
        let children = [("child", VALIDITY), ("broken", VALIDITY), ("expired", EXPIRED)];
        let mut text = TOP.replace("NEXT", &next);
        let mut zones = Vec::new();
        for (label, validity) in children {
            let Signed { path, ds } = child(label, validity)?;
            text.push_str(&ds);
            zones.push((below(label), path));
        }
        damage(&zones[1].1, |owner, covered| covered.starts_with("NSEC") && !owner.is_empty());
        for label in ["insecure", "sub.empty"] {
            let path = dir.join(format!("{}plain", below(label)));
            std::fs::write(&path, CHILD).map_err(|e| format!("{}: {e}", path.display()))?;
            zones.push((below(label), path));
        }
        let Signed { path, ds } = sign(peers, dir, &top, &text, scheme, VALIDITY)?;
        damage(&path, |owner, covered| {
            covered == "A" && [below("bad"), below("*.badwild")].iter().any(|bad| bad == owner)
        });
        zones.push((top.clone(), path));
        Ok(Tree { top, scheme, zones, anchor: ds })
    }
}

/// Changes one sign of the signatures of which `which` (owner, type covered) is true. There must be one.
fn damage(path: &Path, which: impl Fn(&str, &str) -> bool) {
    let text = std::fs::read_to_string(path).expect("a signed zone");
    let mut count = 0;
    let damaged = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[owner, _, _, "RRSIG", covered, ..] = &words[..] else { return line.to_owned() };
        if !which(owner, covered) {
            return line.to_owned();
        }
        count += 1;
        // Well within the last word, before any padding.
        let at = line.trim_end().len() - 6;
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &line[..at], &line[at + 1..])
    };
    let text: Vec<String> = text.lines().map(damaged).collect();
    assert!(count > 0, "{} has no such signature", path.display());
    std::fs::write(path, text.join("\n") + "\n").expect("a signed zone");
}

/// Unbound over a server, until it is dropped.
struct Resolver {
    process: Process,
    socket: UdpSocket,
}

impl Resolver {
    fn start(peers: &Peers, server: SocketAddr, trees: &[Tree]) -> Result<Resolver, String> {
        let port = free_port(Ipv4Addr::LOCALHOST.into());
        let dir = TempDir::new("unbound");
        let place = dir.path().display();
        let anchors = dir.write("anchors", trees.iter().map(|tree| tree.anchor.as_str()).collect::<String>());
        // Zones of their own, as Unbound would first ask a server of the root for its name.
        let tops = trees.iter().map(|tree| tree.top.as_str()).chain(["."]);
        let stubs = tops.map(|top| {
            let addr = format!("{}@{}", server.ip(), server.port());
            format!("stub-zone:\n  name: \"{top}\"\n  stub-prime: no\n  stub-addr: {addr}\n")
        });
        let conf = format!(
            r#"server:
  directory: "{place}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  val-log-level: 2
  do-daemonize: no
  interface: 127.0.0.1@{port}
  outgoing-interface: 127.0.0.1
  do-not-query-localhost: no
  do-ip6: no
  num-threads: 1
  trust-anchor-signaling: no
  root-key-sentinel: no
  trust-anchor-file: "{}"
remote-control:
  control-enable: no
{}"#,
            anchors.display(),
            stubs.collect::<String>(),
        );
        let conf = dir.write("conf", conf);
        let mut command = peers.command("UNBOUND")?;
        command.args(["-d", "-c"]).arg(conf);
        let process = Process::start(command, dir).map_err(|e| e.to_string())?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        socket.connect((Ipv4Addr::LOCALHOST, port)).map_err(|e| e.to_string())?;
        let mut resolver = Resolver { process, socket };
        resolver.wait()?;
        Ok(resolver)
    }

    /// Until it answers anything.
    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).map_err(|e| e.to_string())?;
        let packet = packet(0, "t0.", "SOA", false);
        while Instant::now() < deadline {
            if self.socket.send(&packet).is_ok() && self.socket.recv(&mut [0; 4096]).is_ok() {
                return self.socket.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string());
            }
            if let Some(status) = self.process.ended() {
                return Err(format!("unbound ended with {status}: {}", self.process.log()));
            }
        }
        Err(format!("unbound does not answer: {}", self.process.log()))
    }

    /// RCODE, AD, and whether there is an answer.
    fn ask(&self, name: &str, qtype: &str, is_unchecked: bool) -> (u8, bool, bool) {
        static ID: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(1);
        let packet = packet(ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed), name, qtype, is_unchecked);
        let mut response = [0; 4096];
        self.socket.send(&packet).expect("sent");
        loop {
            let len = self.socket.recv(&mut response).unwrap_or_else(|e| panic!("{name} {qtype}: {e}"));
            if len >= 12 && response[..2] == packet[..2] {
                return (response[3] & 15, response[3] & 0x20 != 0, response[6..8] != [0, 0]);
            }
        }
    }
}

/// A question with RD, DO, and CD if wanted.
fn packet(id: u16, name: &str, qtype: &str, is_unchecked: bool) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend_from_slice(&[1, if is_unchecked { 0x10 } else { 0 }, 0, 1, 0, 0, 0, 0, 0, 1]);
    packet.extend_from_slice(name.parse::<Name>().expect("a name").as_wire());
    packet.extend_from_slice(&rtype::from_text(qtype).expect("a type").to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 41, 16, 0, 0, 0, 0x80, 0, 0, 0]);
    packet
}

/// Asks all cases of all trees.
fn examine(who: &str, resolver: &Resolver, trees: &[Tree]) {
    let mut faults = String::new();
    for (tree, &(label, qtype, answer, trust)) in
        trees.iter().flat_map(|tree| CASES.iter().map(move |case| (tree, case)))
    {
        let name = if label.is_empty() { tree.top.clone() } else { format!("{label}.{}", tree.top) };
        let is_opt_out = matches!(tree.scheme.denial, Denial::Nsec3 { opt_out: true, .. });
        let rcode = if answer == NoName { 3 } else { 0 };
        // An alias is an answer, whatever becomes of it.
        let is_alias =
            ["alias", "within", "intochild", "toinsecure", "tobad"].iter().any(|alias| label.contains(alias));
        let has_answer = answer == Data || is_alias;
        let due = match trust {
            Secure => (rcode, true, has_answer),
            SecureUnlessOptOut => (rcode, !is_opt_out, has_answer),
            SecureUnlessLeftOut => (rcode, !is_opt_out || tree.scheme.signer == Signer::Ldns, has_answer),
            Insecure => (rcode, false, has_answer),
            Bogus => (2, false, false),
        };
        let mut judge = |got, due, how| {
            if got != due {
                writeln!(
                    faults,
                    "{:?}: {name} {qtype}{how}: (RCODE, AD, answer) {got:?}, should be {due:?}",
                    tree.scheme
                )
                .unwrap();
            }
        };
        judge(resolver.ask(&name, qtype, false), due, "");
        if trust == Bogus {
            judge(resolver.ask(&name, qtype, true), (rcode, false, has_answer), " unchecked");
        }
    }
    assert!(faults.is_empty(), "over {who}:\n{faults}\n{}", resolver.process.log());
}

/// Signs the zones of every scheme, and gives them to `serve`; what that returns lives as long as the questions.
fn validate<S>(who: &str, serve: impl FnOnce(&Peers, &[(&str, &Path)]) -> Result<(S, SocketAddr), String>) {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    if let Err(why) = peers.command("UNBOUND") {
        return support::skip(why);
    }
    let dir = TempDir::new("validate");
    let grow = |(at, &scheme)| Tree::grow(&peers, dir.path(), at, scheme);
    let trees = Scheme::ALL.iter().enumerate().map(grow).collect::<Result<Vec<_>, _>>();
    let trees = match trees {
        Ok(trees) => trees,
        Err(why) => return support::skip(why),
    };
    let zones: Vec<(&str, &Path)> =
        trees.iter().flat_map(|tree| &tree.zones).map(|(origin, path)| (origin.as_str(), path.as_path())).collect();
    let (_server, addr) = serve(&peers, &zones).unwrap_or_else(|why| panic!("{who}: {why}"));
    let resolver = Resolver::start(&peers, addr, &trees).unwrap_or_else(|why| panic!("{why}"));
    examine(who, &resolver, &trees);
}

#[test]
fn unbound_over_knot() {
    validate("knot", |peers, zones| {
        let running = peers.start(Kind::Knot, zones, &Options { udp_size: 4096, ..Options::default() })?;
        let addr = running.addr;
        Ok((running, addr))
    });
}

#[test]
fn unbound_over_catchment() {
    validate("catchment", |_, zones| {
        let texts: Vec<(String, String)> = zones
            .iter()
            .map(|(origin, path)| {
                (
                    format!("{origin}zone"),
                    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())),
                )
            })
            .collect();
        let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let server = Server::start("validate", &files, "");
        let addr = server.dns;
        Ok((server, addr))
    });
}
