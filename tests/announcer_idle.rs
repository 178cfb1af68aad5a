//! What the sidecar costs while nothing happens: four routers, each on a link of its own, with BGP and BFD (100 ms x 3) up.
//!
//! ```text
//! cargo test --test announcer_idle -- --nocapture     prints figures of this build, from windows of 1 s
//! cargo build --release --bins && ANNOUNCER_IDLE_SECS=10 ANNOUNCER_IDLE_BINS=$PWD/target/release \
//!     cargo test --test announcer_idle -- --nocapture   those that count: of a release build, from windows of 10 s
//! ```
//!
//! Processor time is told and never judged: it is the machine's too. Memory is judged, and that all sessions are up and stay.
//! Needs root, for network namespaces, and the BIRD that `tests/peers/fetch` finds.

mod support;

use catchment::announce::explain::Report;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::catchment::zone;
use support::peers::Peers;
use support::process::{Process, Stat, TempDir};

/// How long the sessions may take to come up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The variable that names the directory of another build's programs.
const BINS: &str = "ANNOUNCER_IDLE_BINS";
const WINDOWS: usize = 3;
const ROUTERS: usize = 4;
/// Clock ticks a second in `/proc/PID/stat` (`getconf CLK_TCK`): of Linux's interface, the same everywhere.
const TICKS: f64 = 100.0;
/// Octets in memory, at most.
const RESIDENT_MAX: u64 = 8 << 20;
/// The same of a build for debugging, whose code is larger.
const RESIDENT_DEBUG_MAX: u64 = 20 << 20;

/// A host and a router, four links between them: namespaces that go with this value.
struct Net<'p> {
    peers: &'p Peers,
    id: u32,
}

impl Net<'_> {
    fn new(peers: &Peers) -> Result<Net<'_>, String> {
        let net = Net { peers, id: std::process::id() };
        let [host, router] = ["h", "r"].map(|end| net.name(end));
        let mut lines = format!("netns add {host}\nnetns add {router}\n");
        for n in 1..=ROUTERS {
            let _ = writeln!(lines, "link add e{n} netns {host} type veth peer name v{n} netns {router}");
        }
        net.ip(&lines)?;
        for (end, port, last) in [("h", 'e', 2), ("r", 'v', 1)] {
            let mut lines = "link set lo up\n".to_owned();
            for n in 1..=ROUTERS {
                let _ = writeln!(lines, "addr add 10.97.{n}.{last}/30 dev {port}{n}\nlink set {port}{n} up");
            }
            if end == "h" {
                lines.push_str("addr add 192.0.2.53/32 dev lo\n");
            }
            net.run(&["-n", &net.name(end)], &lines)?;
        }
        Ok(net)
    }

    fn name(&self, end: &str) -> String {
        format!("idle-{}-{end}", self.id)
    }

    fn ip(&self, lines: &str) -> Result<(), String> {
        self.run(&[], lines)
    }

    fn run(&self, arguments: &[&str], lines: &str) -> Result<(), String> {
        use std::io::Write as _;
        let mut command = self.peers.command("IP")?;
        command.args(arguments).args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        child.stdin.take().unwrap().write_all(lines.as_bytes()).map_err(|error| error.to_string())?;
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
        Process::start(command, TempDir::new(&format!("idle-{end}"))).unwrap()
    }
}

impl Drop for Net<'_> {
    fn drop(&mut self) {
        for end in ["h", "r"] {
            let _ = self.ip(&format!("netns del {}\n", self.name(end)));
        }
    }
}

fn bird_conf() -> String {
    let mut text = String::from(
        "router id 10.255.0.9;\nprotocol device { }\n\
         protocol bfd { interface \"v*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n",
    );
    for n in 1..=ROUTERS {
        let _ = writeln!(
            text,
            "protocol bgp p{n} {{ local 10.97.{n}.1 as 64500; neighbor 10.97.{n}.2 as 64501; bfd on;\n\
             connect retry time 2; connect delay time 1; error wait time 1, 2;\n\
             ipv4 {{ import all; export none; }}; }}"
        );
    }
    text
}

fn announcer_toml(dir: &Path) -> String {
    let mut text = format!(
        "router-id = \"10.255.0.1\"\nlocal-as = 64501\nnode = \"idle\"\nlease = \"{0}/lease.sock\"\n\
         control = \"{0}/announcer.sock\"\nadmin = \"127.0.0.1:9154\"\n\
         [damping]\nhold-down = \"1s\"\n\
         [[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\n\
         [[service.probe]]\ntype = \"dns\"\nquestion = \"www.example.com A\"\nexpect = \"192.0.2.2\"\n\
         [[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\"]\n",
        dir.display()
    );
    for n in 1..=ROUTERS {
        let _ = writeln!(
            text,
            "[[peer]]\nname = \"r{n}\"\naddress = \"10.97.{n}.1\"\nlocal-address = \"10.97.{n}.2\"\nas = 64500\n\
             families = [\"ipv4\"]\nconnect-retry = \"1s\"\n[peer.bfd]\ninterval = \"100ms\"\nmultiplier = 3"
        );
    }
    text
}

fn report(dir: &Path) -> Result<Report, String> {
    let mut command = Command::new(program("catchment-announcer"));
    let output = command.args(["explain", "--json", "--control"]).arg(dir.join("announcer.sock")).output().unwrap();
    serde_json::from_slice(&output.stdout).map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// One of our programs: of the build that was named, or of this one.
fn program(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_BIN_EXE_catchment-announcer")).parent().expect("a file is in a directory");
    std::env::var_os(BINS).map_or(here.to_owned(), PathBuf::from).join(name)
}

/// What is not up, or not announced.
fn lacks(report: &Report) -> Vec<String> {
    let down = report.routers.iter().filter(|router| {
        router.state != "Established" || router.bfd.as_ref().is_none_or(|bfd| bfd.state != "Up") || router.announced != 1
    });
    down.map(|router| format!("{router:?}")).collect()
}

#[test]
fn four_routers_with_bfd_cost_little() {
    if !nix::unistd::geteuid().is_root() {
        return support::skip("this needs root, for network namespaces");
    }
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    if let Some(why) = ["IP", "BIRD"].iter().find_map(|program| peers.words(program).err()) {
        return support::skip(why);
    }
    let net = match Net::new(&peers) {
        Ok(net) => net,
        Err(why) => return support::skip(format!("no network namespaces: {why}")),
    };
    let dir = TempDir::new("announcer-idle");
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    dir.write("zones/example.com.zone", zone(1));
    let path = |name: &str| dir.path().join(name).display().to_string();
    dir.write(
        "catchment.toml",
        format!(
            "listen = [\"192.0.2.53:53\"]\nadmin = \"none\"\nzones = \"{}\"\ncontrol = \"{}\"\nlease = \"{}\"\n",
            path("zones"),
            path("control.sock"),
            path("lease.sock")
        ),
    );
    dir.write("announcer.toml", announcer_toml(dir.path()));
    dir.write("bird.conf", bird_conf());

    let mut bird = peers.words("BIRD").unwrap();
    bird.extend(["-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("bird.pid")].map(str::to_owned));
    let _bird = net.start("r", &bird);
    let words = |name: &str, rest: &[&str]| -> Vec<String> {
        let program = program(name).display().to_string();
        [program].into_iter().chain(rest.iter().map(|&word| word.to_owned())).collect()
    };
    let _server = net.start("h", &words("catchment", &["serve", "--config", &path("catchment.toml")]));
    let announcer = net.start("h", &words("catchment-announcer", &["--config", &path("announcer.toml")]));

    let began = Instant::now();
    let before = loop {
        let lacks = match report(dir.path()) {
            Ok(report) if lacks(&report).is_empty() => break report,
            Ok(report) => lacks(&report),
            Err(why) => vec![why],
        };
        assert!(began.elapsed() < PATIENCE, "not up: {lacks:#?}\n{}", announcer.log());
        std::thread::sleep(Duration::from_millis(100));
    };
    let pid = announcer.pid();
    let window = std::env::var("ANNOUNCER_IDLE_SECS").map_or(1, |secs| secs.parse().expect("a number of seconds"));
    let window = Duration::from_secs(window);
    let ticks = || Stat::read(pid).map(|stat| stat.user_ticks + stat.system_ticks).unwrap();
    // What a start brings is over.
    std::thread::sleep(window);
    for _ in 0..WINDOWS {
        let (began, before) = (Instant::now(), ticks());
        std::thread::sleep(window);
        let share = (ticks() - before) as f64 / TICKS / began.elapsed().as_secs_f64() * 100.0;
        println!("{window:?}: {share:.2} % of a core");
    }
    let after = report(dir.path()).unwrap();
    assert_eq!(lacks(&after), [""; 0], "{}", announcer.log());
    for (before, after) in before.routers.iter().zip(&after.routers) {
        assert_eq!((before.flaps, before.established), (after.flaps, after.established), "{}", announcer.log());
        let flaps = |router: &catchment::announce::explain::Router| router.bfd.as_ref().map(|bfd| bfd.flaps);
        assert_eq!(flaps(before), flaps(after), "{}", announcer.log());
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident = resident.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10;
    println!("{resident} octets are resident");
    let debug = cfg!(debug_assertions) && std::env::var_os(BINS).is_none();
    assert!(resident <= if debug { RESIDENT_DEBUG_MAX } else { RESIDENT_MAX }, "{resident} octets are resident");
}
