//! A fleet as its operator has it: zone files and keys, `catchment publish`, and nodes that follow the store, all real processes.

use super::catchment::catchment;
use super::peers::free_port;
use super::process::{Process, TempDir};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The channel of all of these.
pub(crate) const CHANNEL: &str = "prod";

/// Who publishes: zone files and keys in one directory.
pub(crate) struct Publisher {
    dir: TempDir,
    /// The store's address.
    pub(crate) store: String,
    /// The public root key, as nodes' settings take it.
    pub(crate) root: String,
}

impl Publisher {
    /// Makes keys for a store; `None`: a `dir:` store beside the zones.
    pub(crate) fn new(label: &str, store: Option<String>) -> Result<Publisher, String> {
        let dir = TempDir::new(label);
        std::fs::create_dir(dir.path().join("zones")).map_err(|e| e.to_string())?;
        let store = store.unwrap_or_else(|| format!("dir:{}", dir.path().join("store").display()));
        let mut publisher = Publisher { dir, store, root: String::new() };
        publisher.run(&["keygen", "--out", CHANNEL])?;
        let key = std::fs::read_to_string(publisher.dir.path().join(format!("{CHANNEL}.root.pub")))
            .map_err(|e| e.to_string())?;
        publisher.root = key.lines().find(|line| line.starts_with("ed25519:")).ok_or("no public key")?.into();
        Ok(publisher)
    }

    /// Somebody else with the same keys, zones and store, in a directory of their own.
    pub(crate) fn another(&self, label: &str) -> Publisher {
        let dir = TempDir::new(label);
        std::fs::create_dir(dir.path().join("zones")).expect("a directory of our own");
        for from in [self.dir.path(), &self.zones()] {
            let to = dir.path().join(from.strip_prefix(self.dir.path()).expect("it is below"));
            for file in std::fs::read_dir(from).expect("it is there").flatten().filter(|file| file.path().is_file()) {
                std::fs::copy(file.path(), to.join(file.file_name())).expect("a directory of our own");
            }
        }
        Publisher { dir, store: self.store.clone(), root: self.root.clone() }
    }

    /// The zone files' directory.
    pub(crate) fn zones(&self) -> PathBuf {
        self.dir.path().join("zones")
    }

    /// The directory of a `dir:` store.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.store.strip_prefix("dir:").expect("a store in a directory").into()
    }

    /// Writes a zone file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.dir.write(&format!("zones/{name}.zone"), text);
    }

    /// `catchment` with these arguments, in the publisher's directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = catchment();
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.dir.path().join("caches"));
        command
    }

    /// `catchment publish`, not yet started.
    pub(crate) fn publish_command(&self) -> Command {
        let (key, key_set) = (format!("{CHANNEL}.key"), format!("{CHANNEL}.keyset"));
        let channel = ["--channel", CHANNEL, "--key", &key, "--key-set", &key_set];
        self.command(&[&["publish", "zones", "--to", &self.store], &channel[..]].concat())
    }

    /// Starts `catchment publish`; what it says goes nowhere but its errors.
    pub(crate) fn start_publish(&self) -> Result<Child, String> {
        let mut command = self.publish_command();
        command.stdout(Stdio::null()).spawn().map_err(|e| format!("{command:?}: {e}"))
    }

    /// Publishes and waits for the end.
    pub(crate) fn publish(&self) -> Result<(), String> {
        ran(self.publish_command())
    }

    /// Runs `catchment` with these arguments to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<(), String> {
        ran(self.command(arguments))
    }

    /// Every blob that a kept release uses is there and is what its name says.
    pub(crate) fn verify(&self) -> Result<(), String> {
        self.run(&["verify", "--of", &self.store, "--channel", CHANNEL])
    }
}

/// Runs a command to its end; its words if it fails.
pub(crate) fn ran(mut command: Command) -> Result<(), String> {
    let Output { status, stdout, stderr } = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} ended with {status}\n{}{}", text(&stdout), text(&stderr))),
    }
}

/// A node that follows. Its address and its cache stay when it is killed and started again.
pub(crate) struct Node {
    /// Where it answers.
    pub(crate) addr: SocketAddr,
    /// Where its admin server is.
    pub(crate) admin: SocketAddr,
    /// What it remembers.
    home: PathBuf,
    _own_home: Option<TempDir>,
    process: Option<Process>,
    /// What starts it: words before `catchment`, as `nsenter` and its arguments.
    wrapper: Vec<String>,
}

impl Node {
    /// Starts node `number`, which follows `publisher`'s channel.
    pub(crate) fn start(publisher: &Publisher, number: usize) -> Result<Node, String> {
        let home = TempDir::new("node");
        let mut node = Node::prepare(publisher, number, home.path());
        node._own_home = Some(home);
        node.spawn()?;
        Ok(node)
    }

    /// Starts one whose directory is `cache`, by a command that begins with the words of `wrapper`.
    pub(crate) fn start_in(publisher: &Publisher, cache: &Path, wrapper: Vec<String>) -> Result<Node, String> {
        let home = TempDir::new("node");
        let mut node = Node::prepare_with_cache(publisher, 0, home.path(), cache);
        node._own_home = Some(home);
        node.wrapper = wrapper;
        node.spawn()?;
        Ok(node)
    }

    fn prepare(publisher: &Publisher, number: usize, home: &Path) -> Node {
        Node::prepare_with_cache(publisher, number, home, &home.join("cache"))
    }

    fn prepare_with_cache(publisher: &Publisher, number: usize, home: &Path, cache: &Path) -> Node {
        let port = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())));
        let (addr, admin) = (port(), port());
        let settings = format!(
            "listen = [\"{addr}\"]\nnode = \"node{number:02}\"\nworkers = 1\nadmin = \"{admin}\"\ncontrol = \"none\"\nlease = \"none\"\n\
             [sync]\nfollow = [{store:?}]\nchannel = \"{CHANNEL}\"\nroot-keys = [{root:?}]\ncache = {cache:?}\n",
            store = publisher.store,
            root = publisher.root,
            cache = cache.display().to_string(),
        );
        std::fs::write(home.join("catchment.toml"), settings).expect("a directory of our own");
        Node { addr, admin, home: home.into(), _own_home: None, process: None, wrapper: Vec::new() }
    }

    /// Starts it, or starts it again.
    pub(crate) fn spawn(&mut self) -> Result<(), String> {
        let serve = catchment();
        let mut command = match self.wrapper.split_first() {
            None => serve,
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(serve.get_program());
                command
            }
        };
        command.args(["serve", "--config"]).arg(self.home.join("catchment.toml"));
        let process = Process::start(command, TempDir::new("node-log")).map_err(|e| e.to_string())?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// What it has logged since it was started last.
    pub(crate) fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// A figure of its metrics, with its labels as they are written there.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(self.admin).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Twenty orderly ends, one after the other, take long, and what a node keeps is safe at any moment.
        self.kill();
    }
}
