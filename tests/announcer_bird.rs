//! The sidecar and BIRD, on links of their own: what it costs while nothing happens, and the kinds of sessions that the failover
//! lab does not have.
//!
//! ```text
//! cargo test --test announcer_bird -- --nocapture     with the figures of this build, from windows of 1 s
//! cargo build --release --bins && ANNOUNCER_IDLE_SECS=10 ANNOUNCER_BINS=$PWD/target/release \
//!     cargo test --test announcer_bird cost -- --nocapture   those that count: of a release build, from windows of 10 s
//! ```
//!
//! Processor time is told and never judged: it is the machine's too. Memory is judged.
//! Needs root, for network namespaces, and the BIRD that `tests/peers/fetch` finds.

mod support;

use catchment::announce::explain::{Report, Router};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::catchment::zone;
use support::peers::Peers;
use support::process::{Process, Stat, TempDir};

/// How long the sessions may take to come up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The variable that names the directory of another build's programs.
const BINS: &str = "ANNOUNCER_BINS";
const WINDOWS: usize = 3;
/// Links, and routers of which the cost is measured.
const LINKS: usize = 4;
/// Clock ticks a second in `/proc/PID/stat` (`getconf CLK_TCK`): of Linux's interface, the same everywhere.
const TICKS: f64 = 100.0;
/// Octets in memory, at most.
const RESIDENT_MAX: u64 = 8 << 20;
/// The same of a build for debugging, whose code is larger.
const RESIDENT_DEBUG_MAX: u64 = 12 << 20;
/// One lab at a time: they have one name, and one would be in the figures of the other.
static LAB: Mutex<()> = Mutex::new(());

/// A host and a router with four links between them, 10.97.N.2 and 10.97.N.1: namespaces that go with this value.
struct Net {
    peers: Peers,
}

impl Net {
    fn new(peers: Peers) -> Result<Net, String> {
        let net = Net { peers };
        let [host, router] = ["h", "r"].map(|end| net.name(end));
        let mut lines = format!("netns add {host}\nnetns add {router}\n");
        for n in 1..=LINKS {
            let _ = writeln!(lines, "link add e{n} netns {host} type veth peer name v{n} netns {router}");
        }
        net.ip(&[], &lines)?;
        // 10.96.0.N is behind the last link.
        for (end, port, own, other) in [("h", 'e', 2, 1), ("r", 'v', 1, 2)] {
            let mut lines = format!("link set lo up\naddr add 10.96.0.{own}/32 dev lo\n");
            for n in 1..=LINKS {
                let _ = writeln!(lines, "addr add 10.97.{n}.{own}/30 dev {port}{n}\nlink set {port}{n} up");
            }
            let _ = writeln!(lines, "route add 10.96.0.{other} via 10.97.{LINKS}.{other} src 10.96.0.{own}");
            if end == "h" {
                lines.push_str("addr add 192.0.2.53/32 dev lo\n");
            }
            net.ip(&["-n", &net.name(end)], &lines)?;
        }
        Ok(net)
    }

    fn name(&self, end: &str) -> String {
        format!("announcer-{}-{end}", std::process::id())
    }

    fn ip(&self, arguments: &[&str], lines: &str) -> Result<(), String> {
        let mut command = self.peers.command("IP")?;
        command.args(arguments).args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        child.stdin.take().expect("piped").write_all(lines.as_bytes()).map_err(|error| error.to_string())?;
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("ip: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    }

    /// Starts a program in a namespace. The process is the program's: each word executes the next.
    fn start(&self, end: &str, words: &[String]) -> Process {
        let mut command = self.peers.command("IP").unwrap();
        command.args(["netns", "exec", &self.name(end)]).args(words);
        for name in ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"] {
            command.env_remove(name);
        }
        Process::start(command, TempDir::new(&format!("announcer-bird-{end}"))).unwrap()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for end in ["h", "r"] {
            let _ = self.ip(&[], &format!("netns del {}\n", self.name(end)));
        }
    }
}

/// Everything together. Processes go before the namespaces.
struct Lab {
    announcer: Process,
    _server: Process,
    _bird: Process,
    dir: TempDir,
    net: Net,
}

impl Lab {
    /// BIRD with these lines, `catchment serve`, and the sidecar with these peers. `Err`: why it can't be had here.
    fn start(bird: &str, peers: &str) -> Result<Lab, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("this needs root, for network namespaces".into());
        }
        let programs = Peers::find()?;
        for program in ["IP", "BIRD", "BIRDC"] {
            programs.words(program)?;
        }
        let net = Net::new(programs).map_err(|why| format!("no network namespaces: {why}"))?;
        let dir = TempDir::new("announcer-bird");
        std::fs::create_dir(dir.path().join("zones")).unwrap();
        dir.write("zones/example.com.zone", zone(1));
        let path = |name: &str| dir.path().join(name).display().to_string();
        dir.write(
            "catchment.toml",
            "listen = [\"192.0.2.53:53\"]\nadmin = \"none\"\nzones = \"zones\"\n\
             control = \"control.sock\"\nlease = \"lease.sock\"\n",
        );
        dir.write(
            "announcer.toml",
            format!(
                "router-id = \"10.255.0.1\"\nlocal-as = 64501\nnode = \"lab\"\nlease = \"lease.sock\"\n\
                 control = \"announcer.sock\"\nadmin = \"127.0.0.1:9154\"\n\
                 [damping]\nhold-down = \"1s\"\n\
                 [[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n\
                 [[service.probe]]\ntype = \"dns\"\nquestion = \"www.example.com A\"\nexpect = \"192.0.2.2\"\n\
                 [[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\"]\n{peers}"
            ),
        );
        dir.write("bird.conf", format!("router id 10.255.0.9;\nprotocol device {{ }}\n{bird}"));
        let mut words = net.peers.words("BIRD")?;
        let arguments = ["-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("bird.pid")];
        words.extend(arguments.map(str::to_owned));
        let bird = net.start("r", &words);
        let ours = |name: &str, rest: &[&str]| -> Vec<String> {
            let program = program(name).display().to_string();
            [program].into_iter().chain(rest.iter().map(|&word| word.to_owned())).collect()
        };
        let server = net.start("h", &ours("catchment", &["serve", "--config", &path("catchment.toml")]));
        let announcer = net.start("h", &ours("catchment-announcer", &["--config", &path("announcer.toml")]));
        Ok(Lab { announcer, _server: server, _bird: bird, dir, net })
    }

    fn report(&self) -> Result<Report, String> {
        let mut command = Command::new(program("catchment-announcer"));
        command.args(["explain", "--json", "--control"]).arg(self.dir.path().join("announcer.sock"));
        let output = command.output().map_err(|error| error.to_string())?;
        serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Waits until something holds of the sessions.
    fn wait(&self, what: &str, holds: impl Fn(&[Router]) -> bool) -> Report {
        let began = Instant::now();
        loop {
            let report = self.report();
            match report {
                Ok(report) if holds(&report.routers) => return report,
                _ => {}
            }
            assert!(began.elapsed() < PATIENCE, "not within time: {what}: {report:#?}\n{}", self.announcer.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What BIRD says.
    fn birdc(&self, words: &[&str]) -> String {
        let socket = self.dir.path().join("bird.ctl");
        let mut command = self.net.peers.command("BIRDC").unwrap();
        let output = command.arg("-s").arg(socket).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// One of our programs: of the build that was named, or of this one.
fn program(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_BIN_EXE_catchment-announcer")).parent().expect("a file is in a directory");
    std::env::var_os(BINS).map_or(here.to_owned(), PathBuf::from).join(name)
}

/// Whether the session is there, with BFD, and holds our prefix.
fn is_up(router: &Router) -> bool {
    let bfd = router.bfd.as_ref().is_some_and(|bfd| bfd.state == "up");
    router.state == "Established" && bfd && router.announced == 1
}

fn bfd_flaps(router: &Router) -> Option<u64> {
    router.bfd.as_ref().map(|bfd| bfd.flaps)
}

#[test]
fn four_routers_with_bfd_cost_little() {
    let _one = LAB.lock();
    let mut bird = String::from(
        "protocol bfd { interface \"v*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n",
    );
    let mut peers = String::new();
    for n in 1..=LINKS {
        let _ = writeln!(
            bird,
            "protocol bgp p{n} {{ local 10.97.{n}.1 as 64500; neighbor 10.97.{n}.2 as 64501; bfd on;\n\
             connect retry time 2; connect delay time 1; error wait time 1, 2;\n\
             ipv4 {{ import all; export none; }}; }}"
        );
        let _ = writeln!(
            peers,
            "[[peer]]\nname = \"r{n}\"\naddress = \"10.97.{n}.1\"\nlocal-address = \"10.97.{n}.2\"\nas = 64500\n\
             families = [\"ipv4\"]\nconnect-retry = \"1s\"\n[peer.bfd]\ninterval = \"100ms\"\nmultiplier = 3"
        );
    }
    let lab = match Lab::start(&bird, &peers) {
        Ok(lab) => lab,
        Err(why) => return support::skip(why),
    };
    let before = lab.wait("all are up", |routers| routers.iter().all(is_up));
    let window = std::env::var("ANNOUNCER_IDLE_SECS").map_or(1, |secs| secs.parse().expect("a number of seconds"));
    let window = Duration::from_secs(window);
    let pid = lab.announcer.pid();
    let ticks = || Stat::read(pid).map(|stat| stat.user_ticks + stat.system_ticks).unwrap();
    // What a start brings is over.
    std::thread::sleep(window);
    for _ in 0..WINDOWS {
        let (began, before) = (Instant::now(), ticks());
        std::thread::sleep(window);
        let share = (ticks() - before) as f64 / TICKS / began.elapsed().as_secs_f64() * 100.0;
        println!("{window:?}: {share:.2} % of a core");
    }
    // On a machine so busy that BFD went down meanwhile it comes back.
    let after = lab.wait("all are up", |routers| routers.iter().all(is_up));
    for (before, after) in before.routers.iter().zip(&after.routers) {
        if bfd_flaps(before) != bfd_flaps(after) {
            println!("{} was down meanwhile: these figures are not of an idle sidecar", after.router);
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10;
    println!("{resident} octets are resident");
    let debug = cfg!(debug_assertions) && std::env::var_os(BINS).is_none();
    assert!(resident <= if debug { RESIDENT_DEBUG_MAX } else { RESIDENT_MAX }, "{resident} octets are resident");
}

#[test]
fn inside_an_as_waiting_for_the_router_and_over_several_hops() {
    let _one = LAB.lock();
    let timers = "connect retry time 1; connect delay time 1; error wait time 1, 2;";
    let bird = format!(
        "protocol bfd {{ interface \"v*\" {{ interval 100 ms; multiplier 3; }}; multihop {{ interval 100 ms; multiplier 3; }}; }}
         protocol bgp inside {{ local 10.97.1.1 as 64501; neighbor 10.97.1.2 as 64501; direct; bfd on; {timers}
           ipv4 {{ import all; export none; }}; }}
         protocol bgp dials {{ local 10.97.2.1 as 64500; neighbor 10.97.2.2 as 64501; bfd on; {timers}
           ipv4 {{ import all; export none; }}; }}
         protocol bgp far {{ local 10.96.0.1 as 64500; neighbor 10.96.0.2 as 64501; multihop 5; bfd on; {timers}
           ipv4 {{ import all; export none; }}; }}\n"
    );
    let peer = |name: &str, net: &str, asn: u32, more: &str| {
        format!(
            "[[peer]]\nname = \"{name}\"\naddress = \"{net}.1\"\nlocal-address = \"{net}.2\"\nas = {asn}\n\
             families = [\"ipv4\"]\nconnect-retry = \"1s\"\n{more}\n"
        )
    };
    let peers = peer("inside", "10.97.1", 64501, "[peer.bfd]")
        + &peer("dials", "10.97.2", 64500, "passive = true\n[peer.bfd]")
        + &peer("far", "10.96.0", 64500, "multihop = true\n[peer.bfd]\nmin-ttl = 60");
    let lab = match Lab::start(&bird, &peers) {
        Ok(lab) => lab,
        Err(why) => return support::skip(why),
    };
    let report = lab.wait("all are up", |routers| routers.iter().all(is_up));
    let routes = lab.birdc(&["show", "route", "for", "192.0.2.0/24", "all"]);
    for name in ["inside", "dials", "far"] {
        assert!(routes.contains(&format!("[{name} ")), "{name}: {routes}");
    }
    // Inside an AS the path is empty and there is a preference; outside neither (RFC 4271 5.1.2, 5.1.5).
    let of = |name: &str| {
        let rest = routes.split_once(&format!("[{name} ")).unwrap().1;
        rest.lines().skip(1).take_while(|line| line.starts_with('\t')).collect::<String>()
    };
    assert!(of("inside").contains("BGP.as_path: \tBGP"), "{routes}");
    for name in ["dials", "far"] {
        assert!(of(name).contains("BGP.as_path: 64501"), "{routes}");
    }
    for told in &report.prefixes[0].routers {
        let preference = told.attributes.as_ref().is_some_and(|text| text.contains("local preference 100"));
        assert_eq!(preference, told.router == "inside", "{told:?}");
    }
    let bfd = lab.birdc(&["show", "bfd", "sessions"]);
    assert_eq!(bfd.matches(" Up ").count(), 3, "{bfd}");

    // The link of the last one carries nothing more.
    lab.net.ip(&["-n", &lab.net.name("h")], &format!("link set e{LINKS} down\n")).unwrap();
    let report = lab.wait("the far one is gone, and only that", |routers| {
        routers.iter().all(|router| is_up(router) == (router.router != "far"))
    });
    let far = report.routers.iter().find(|router| router.router == "far").unwrap();
    assert_eq!(bfd_flaps(far), Some(1), "{far:?}");
    lab.net
        .ip(
            &["-n", &lab.net.name("h")],
            &format!("link set e{LINKS} up\nroute add 10.96.0.1 via 10.97.{LINKS}.1 src 10.96.0.2\n"),
        )
        .unwrap();
    lab.wait("all are up again", |routers| routers.iter().all(is_up));
}
