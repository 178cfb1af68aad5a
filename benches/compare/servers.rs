//! Who is compared: the floor, Catchment, NSD, Knot, BIND; each one process (tree) on loopback with one worker.

use crate::load::{self, Queries};
use crate::support::peers::{Kind as Peer, Options, Peers, free_port};
use crate::support::process::{Process, Stat, TempDir, signal, tree};
use crate::sys;
use crate::zones::{Question, Set};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a server may take to load a zone.
const LOAD_TIME: Duration = Duration::from_secs(300);
/// Questions of each kind whose answers are checked in full before anything is timed.
const SAMPLE: usize = 500;

/// A server that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// Only receives and sends.
    Floor,
    /// Us.
    Catchment,
    /// Another's.
    Peer(Peer),
}

impl Server {
    /// In the order of the tables.
    pub(crate) const ALL: [Server; 5] =
        [Server::Floor, Server::Catchment, Server::Peer(Peer::Nsd), Server::Peer(Peer::Knot), Server::Peer(Peer::Bind)];

    /// Name in options and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Server::Floor => "floor",
            Server::Catchment => "catchment",
            Server::Peer(peer) => peer.name(),
        }
    }

    /// Starts it with the set's zones, and waits for the first right answers about the last names.
    pub(crate) fn start(self, set: &Set, peers: Option<&Peers>) -> Result<Running, String> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let process = match self {
            Server::Floor => {
                let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
                command.args(["--floor", &addr.to_string()]);
                Process::start(command, TempDir::new("floor")).map_err(|e| e.to_string())?
            }
            Server::Catchment => catchment(&set.directory, addr).map_err(|e| e.to_string())?,
            Server::Peer(peer) => {
                let peers = peers.ok_or("not found: run tests/peers/fetch")?;
                let zones: Vec<_> = set.zones.iter().map(|(origin, path)| (origin.as_str(), path.as_path())).collect();
                peers.spawn(peer, &zones, &Options::default(), addr)?.process
            }
        };
        Running::new(self, addr, process, set)
    }

    /// Starts Catchment with the images of the set's zones, which are in a directory.
    pub(crate) fn start_from_images(set: &Set, images: &Path) -> Result<Running, String> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let process = catchment(images, addr).map_err(|e| e.to_string())?;
        Running::new(Server::Catchment, addr, process, set)
    }
}

/// Compiles the set's zones to images in `images`.
pub(crate) fn compile(set: &Set, images: &Path) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.arg("compile").arg(&set.directory).arg("-o").arg(images);
    let output = command.output().map_err(|e| e.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

/// Catchment with a directory of zone files, or of images.
fn catchment(zones: &Path, addr: SocketAddr) -> io::Result<Process> {
    let dir = TempDir::new("catchment");
    let config = format!(
        "listen = [\"{addr}\"]\nnode = \"bench\"\nworkers = 1\nadmin = \"none\"\ncontrol = \"none\"\nlease = \"none\"\nzones = {:?}\n",
        zones.to_string_lossy(),
    );
    let config = dir.write("catchment.toml", config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command.arg("serve").arg("--config").arg(config);
    Process::start(command, dir)
}

/// A server that runs.
pub(crate) struct Running {
    /// Which.
    pub(crate) server: Server,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    process: Process,
    /// What its start took.
    pub(crate) load: Load,
}

/// From the start of a server to the first right answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// By the clock.
    pub(crate) seconds: f64,
    /// User and system time of all its processes.
    pub(crate) cpu_seconds: f64,
}

/// One run of load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Responses in a second of wall clock.
    pub(crate) per_second: f64,
    /// Microseconds of user time for a query.
    pub(crate) user_us: f64,
    /// Microseconds of system time for a query.
    pub(crate) system_us: f64,
    /// Share of the whole machine's time that neither the server nor the generator took.
    pub(crate) foreign: f64,
}

impl Running {
    fn new(server: Server, addr: SocketAddr, process: Process, set: &Set) -> Result<Running, String> {
        let mut running = Running { server, addr, process, load: Load { seconds: 0.0, cpu_seconds: 0.0 } };
        set.last.iter().try_for_each(|question| running.wait(question))?;
        let seconds = running.process.started().elapsed().as_secs_f64();
        running.load = Load { seconds, cpu_seconds: running.cpu_seconds() };
        Ok(running)
    }

    /// Its main process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Waits for the right answer to a question.
    pub(crate) fn wait(&mut self, question: &Question) -> Result<(), String> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let deadline = Instant::now() + LOAD_TIME;
        let mut said = "nothing".to_owned();
        for id in (0..=u16::MAX).cycle() {
            let pause = Duration::from_millis(4);
            let asked = load::ask(&socket, self.addr, question, id, pause).map_err(|e| e.to_string())?;
            match asked {
                // The floor has no answers; that it echoes is enough.
                Some(answer) if answer.is_ok() || self.server == Server::Floor => break,
                Some(answer) => {
                    said = answer.unwrap_err();
                    std::thread::sleep(pause);
                }
                None => {}
            }
            if let Some(status) = self.process.ended() {
                return Err(format!("ended with {status}: {}", self.process.log()));
            }
            if Instant::now() > deadline {
                return Err(format!("no right answer after {LOAD_TIME:?}, but {said}: {}", self.process.log()));
            }
        }
        Ok(())
    }

    /// Checks a sample of each kind of question: nobody is timed while failing.
    pub(crate) fn check(&self, set: &Set) -> Result<(), String> {
        if self.server == Server::Floor {
            return Ok(());
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        for question in set.kinds.iter().flat_map(|kind| kind.questions.iter().take(SAMPLE)) {
            let asked = load::ask(&socket, self.addr, question, 0x0c0c, Duration::from_secs(2));
            match asked.map_err(|e| e.to_string())? {
                Some(answer) => answer?,
                None => return Err(format!("no answer to {} {}", question.name, question.rtype)),
            }
        }
        Ok(())
    }

    /// Lets all of its threads run on one core only.
    pub(crate) fn pin(&self, core: usize) {
        for pid in tree(self.process.pid()) {
            for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                if let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                    sys::pin(thread, &[core]);
                }
            }
        }
    }

    /// Asks for `length` and measures what that cost the server.
    pub(crate) fn measure(&self, queries: &Queries, length: Duration) -> Result<Sample, String> {
        let tick = sys::ticks_per_second();
        let before = Times::read(self.process.pid());
        let brought = load::run(self.addr, queries, length, self.server != Server::Floor).map_err(|e| e.to_string())?;
        let after = Times::read(self.process.pid());
        if brought.right == 0 || brought.wrong > 0 {
            return Err(format!(
                "{} right answers, {} wrong ones, {} lost under load",
                brought.right, brought.wrong, brought.lost
            ));
        }
        let queries = brought.right as f64;
        let [user, system, own, machine] = std::array::from_fn(|at| (after.0[at] as f64 - before.0[at] as f64) / tick);
        Ok(Sample {
            per_second: queries / brought.seconds,
            user_us: 1e6 * user / queries,
            system_us: 1e6 * system / queries,
            foreign: ((machine - own - user - system) / brought.seconds / after.1 as f64).max(0.0),
        })
    }

    /// Has it look at its zones again.
    pub(crate) fn reload(&self) {
        signal("HUP", &[self.pid()]);
    }

    /// User and system time that its processes have taken so far, those that ended included.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let all = tree(self.pid()).into_iter().filter_map(Stat::read);
        let ticks: u64 = all.map(|stat| stat.user_ticks + stat.system_ticks + stat.ended_ticks).sum();
        ticks as f64 / sys::ticks_per_second()
    }
}

/// Proportional set size of a process tree, in octets: pages that its processes share count once.
pub(crate) fn memory(pid: u32) -> u64 {
    let pss = |pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    tree(pid).into_iter().filter_map(pss).sum::<u64>() * 1024
}

/// Clock ticks so far: the tree's user and system time, our own, and all that the machine did. And the machine's cores.
struct Times([u64; 4], usize);

impl Times {
    fn read(pid: u32) -> Times {
        let all: Vec<Stat> = tree(pid).into_iter().filter_map(Stat::read).collect();
        let own = Stat::read(std::process::id()).map_or(0, |stat| stat.user_ticks + stat.system_ticks);
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = text.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).take(8);
        // user nice system idle iowait irq softirq steal (proc(5)): all but the idle ones.
        let busy = fields.enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
        let cores = text.lines().skip(1).take_while(|line| line.starts_with("cpu")).count().max(1);
        let ticks = [
            all.iter().map(|stat| stat.user_ticks).sum(),
            all.iter().map(|stat| stat.system_ticks).sum(),
            own,
            busy.filter_map(|(_, field)| field.parse::<u64>().ok()).sum(),
        ];
        Times(ticks, cores)
    }
}
