//! Disks without room: a node's, and a store's. A small tmpfs in a mount namespace of its own, so root is needed.

use crate::crash::{served_by, wait};
use crate::release;
use crate::support::fleet::{Node, Publisher, ran};
use crate::support::process::{Process, TempDir};
use crate::support::{self};
use catchment::random::Random;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Octets of the disk.
const SIZE: usize = 4 << 20;

/// A disk of 4 MiB, which only processes see that are started by [`SmallDisk::wrapper`].
struct SmallDisk {
    holder: Process,
    mount: TempDir,
}

impl SmallDisk {
    /// Makes it. The error says why it can't be had here.
    fn new() -> Result<SmallDisk, String> {
        let mount = TempDir::new("small-disk");
        let script = format!(
            "mount -t tmpfs -o size={SIZE} tmpfs '{}' && echo mounted && exec sleep 600",
            mount.path().display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]);
        let mut holder = Process::start(command, TempDir::new("small-disk-log")).map_err(|e| e.to_string())?;
        let start = Instant::now();
        while !holder.log().contains("mounted") {
            if holder.ended().is_some() || start.elapsed() > Duration::from_secs(10) {
                return Err(format!("no disk of its own can be mounted (needs root): {}", holder.log().trim()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(SmallDisk { holder, mount })
    }

    /// Where the processes see it.
    fn inside(&self) -> PathBuf {
        self.mount.path().into()
    }

    /// Where we see it.
    fn outside(&self) -> PathBuf {
        let path = self.mount.path().strip_prefix("/").expect("temporary directories have absolute paths");
        PathBuf::from(format!("/proc/{}/root", self.holder.pid())).join(path)
    }

    /// Words that start a command where this disk is seen, in a directory: it would start at the root.
    fn wrapper(&self, directory: &Path) -> Vec<String> {
        let directory = format!("--wd={}", directory.display());
        ["nsenter", "--mount", "--target", &self.holder.pid().to_string(), &directory, "--"].map(str::to_owned).into()
    }

    /// Takes all the room that is left but `spare` octets.
    fn fill(&self, spare: usize) {
        let path = self.outside().join("filler");
        let mut filler = Vec::new();
        while fs::write(&path, vec![0; filler.len() + 65_536]).is_ok() {
            filler.resize(filler.len() + 65_536, 0);
        }
        fs::write(&path, vec![0; filler.len().saturating_sub(spare)]).expect("less than what just fitted");
    }

    /// Gives that room back.
    fn empty(&self) {
        fs::remove_file(self.outside().join("filler")).expect("the filler");
    }
}

/// A zone of about a megabyte that nothing was kept of yet.
fn large_zone(publisher: &Publisher) {
    let mut random = Random::new(1);
    let mut text = String::from("$TTL 1h\n@ SOA ns hostmaster 1 1d 2h 4w 1h\n@ NS ns\nns A 192.0.2.1\n");
    for n in 0..8_000 {
        let _ = writeln!(
            text,
            "host{n} TXT \"{:016x}{:016x}{:016x}{:016x}\"",
            random.draw(),
            random.draw(),
            random.draw(),
            random.draw()
        );
    }
    publisher.write("large.test", &text);
}

#[test]
fn a_node_without_room_goes_on() {
    let disk = match SmallDisk::new() {
        Ok(disk) => disk,
        Err(why) => return support::skip(why),
    };
    let publisher = Publisher::new("full-node", None).unwrap();
    release::write(&publisher, 1);
    publisher.publish().unwrap();
    let mut node = Node::start_in(&publisher, &disk.inside().join("cache"), disk.wrapper(Path::new("/"))).unwrap();
    wait(&node, 1);

    disk.fill(16 << 10);
    large_zone(&publisher);
    release::write(&publisher, 2);
    publisher.publish().unwrap();
    // It serves the new release or the old one, but it serves, and says what is wrong.
    let start = Instant::now();
    while !node.log().contains("No space left") {
        assert!(start.elapsed() < Duration::from_secs(60) && node.runs(), "it does not say so:\n{}", node.log());
        served_by(&node).expect("a node with a full disk answers");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Killed and started with the disk full: it serves what was kept.
    node.kill();
    node.spawn().unwrap();
    let start = Instant::now();
    while served_by(&node).is_none() {
        assert!(start.elapsed() < Duration::from_secs(60) && node.runs(), "no start with a full disk:\n{}", node.log());
    }

    disk.empty();
    release::write(&publisher, 3);
    publisher.publish().unwrap();
    wait(&node, 3);
    // Kept as well as served: it starts from its disk with the store gone.
    let start = Instant::now();
    fs::rename(publisher.store_path(), publisher.store_path().with_extension("gone")).unwrap();
    loop {
        node.kill();
        node.spawn().unwrap();
        let now = std::iter::repeat_with(|| served_by(&node)).take(500).flatten().next().expect("it starts");
        if now == 3 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "release {now} is kept, 3 was served:\n{}", node.log());
    }
}

#[test]
fn a_store_without_room_stays_whole() {
    let disk = match SmallDisk::new() {
        Ok(disk) => disk,
        Err(why) => return support::skip(why),
    };
    let store = disk.inside().join("store");
    let publisher = Publisher::new("full-store", Some(format!("dir:{}", store.display()))).unwrap();
    let inside = |command: Command| {
        let wrapper = disk.wrapper(command.get_current_dir().expect("publishers have one"));
        let mut wrapped = Command::new(&wrapper[0]);
        wrapped.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
        ran(wrapped)
    };
    let verify = || publisher.command(&["verify", "--of", &publisher.store, "--channel", "prod"]);
    release::write(&publisher, 1);
    inside(publisher.publish_command()).unwrap();
    let home = TempDir::new("full-store-node");
    let node = Node::start_in(&publisher, &home.path().join("cache"), disk.wrapper(home.path())).unwrap();
    wait(&node, 1);

    large_zone(&publisher);
    // With more and more room, so that it gives out at one write after another.
    for (n, spare) in [0, 4 << 10, 16 << 10, 64 << 10, 256 << 10].into_iter().enumerate() {
        release::write(&publisher, 2 + n as u32);
        disk.fill(spare);
        let why = inside(publisher.publish_command()).expect_err("there is no room for a megabyte");
        assert!(why.contains("room") || why.contains("space"), "{why}");
        assert_eq!(served_by(&node), Some(1));
        inside(verify()).unwrap_or_else(|why| panic!("with {spare} octets left: {why}"));
        disk.empty();
    }
    release::write(&publisher, 100);
    inside(publisher.publish_command()).unwrap();
    wait(&node, 100);
    inside(verify()).unwrap();
}
