//! The sidecar's binary, and a router that is a few lines here.

use super::process::signal;
use catchment::announce::bgp::codec::{Context, Decoder, encode};
use catchment::announce::bgp::message::{Attributes, Capability, Message, Notification, Open};
use catchment::announce::explain::Report;
use catchment::announce::prefix::{Family, Prefix};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What a test waits for at most: much longer than anything takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Our AS number, and the router's.
pub(crate) const LOCAL_AS: u32 = 64501;
pub(crate) const ROUTER_AS: u32 = 64500;
/// GRACEFUL_SHUTDOWN (RFC 8326 6).
pub(crate) const GRACEFUL_SHUTDOWN: u32 = 0xffff_0000;

/// What a router sees.
#[derive(Debug)]
pub(crate) enum Seen {
    Opened(Open),
    Announced(Prefix, Attributes),
    Withdrawn(Prefix),
    Ended(Notification),
    Closed,
}

/// A router: takes every connection, answers OPEN and KEEPALIVE, and tells what it sees.
pub(crate) struct Router {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Receiver<(Instant, Seen)>,
}

impl Router {
    pub(crate) fn start() -> Router {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A connection that breaks has been told about.
                let _ = converse(stream.unwrap(), &sender);
                if sender.send((Instant::now(), Seen::Closed)).is_err() {
                    return;
                }
            }
        });
        Router { address, seen }
    }

    pub(crate) fn next(&self) -> (Instant, Seen) {
        self.seen.recv_timeout(PATIENCE).expect("the router sees something")
    }

    /// The next announcement; nothing else may come before but an OPEN.
    pub(crate) fn announced(&self) -> (Prefix, Attributes) {
        loop {
            match self.next().1 {
                Seen::Announced(prefix, attributes) => return (prefix, attributes),
                Seen::Opened(open) => check_open(&open),
                other => panic!("{other:?} where an announcement should be"),
            }
        }
    }

    /// When the next thing came, which must be the withdrawal of `prefix`.
    pub(crate) fn withdrawn(&self, prefix: Prefix) -> Instant {
        match self.next() {
            (at, Seen::Withdrawn(withdrawn)) => {
                assert_eq!(withdrawn, prefix);
                at
            }
            other => panic!("{other:?} where a withdrawal should be"),
        }
    }

    /// Nothing comes for so long.
    pub(crate) fn quiet(&self, time: Duration) {
        if let Ok(seen) = self.seen.recv_timeout(time) {
            panic!("{seen:?} where nothing should be");
        }
    }
}

pub(crate) fn check_open(open: &Open) {
    assert_eq!((open.asn, open.hold_time), (LOCAL_AS, 9));
    assert!(open.capabilities.contains(&Capability::Multiprotocol(Family::Ipv4)));
    let graceful_restart = |capability: &Capability| matches!(capability, Capability::Other { code: 64, .. });
    assert!(!open.capabilities.iter().any(graceful_restart), "graceful restart is never advertised");
}

pub(crate) fn converse(mut stream: TcpStream, seen: &Sender<(Instant, Seen)>) -> std::io::Result<()> {
    let capabilities =
        vec![Capability::Multiprotocol(Family::Ipv4), Capability::RouteRefresh, Capability::FourOctetAsn(ROUTER_AS)];
    let ours = Open { asn: ROUTER_AS, hold_time: 90, identifier: [10, 0, 0, 1].into(), capabilities };
    let (mut decoder, mut context) = (Decoder::new(), Context::default());
    stream.write_all(&encode(&Message::Open(ours.clone()), &context))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut buffer = [0; 4096];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        let at = Instant::now();
        let tell = |what| drop(seen.send((at, what)));
        let mut octets = &buffer[..length];
        while let Some(message) = decoder.next(&mut octets, &context) {
            match message.expect("the sidecar's messages are well-formed") {
                Message::Open(open) => {
                    context = Context::negotiated(&ours, &open);
                    tell(Seen::Opened(open));
                }
                Message::Update(update) => {
                    assert_eq!(update.malformed, None);
                    update.withdrawn.into_iter().for_each(|prefix| tell(Seen::Withdrawn(prefix)));
                    for prefix in update.announced {
                        tell(Seen::Announced(prefix, update.attributes.clone().expect("routes have attributes")));
                    }
                }
                Message::Notification(notification) => tell(Seen::Ended(notification)),
                Message::Keepalive | Message::RouteRefresh(_) => {}
            }
        }
        stream.write_all(&encode(&Message::Keepalive, &context))?;
    }
}

/// The sidecar.
pub(crate) struct Announcer {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) log: String,
    pub(crate) admin: SocketAddr,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment-announcer"));
    for name in ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"] {
        command.env_remove(name);
    }
    command
}

impl Announcer {
    /// Starts in a server's directory, where `announcer.toml` is.
    pub(crate) fn start(dir: &Path, arguments: &[&str]) -> Announcer {
        let mut command = command();
        command.args(["--config", "announcer.toml"]).args(arguments).current_dir(dir);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut announcer = Announcer { child, lines, log: String::new(), admin: ([127, 0, 0, 1], 0).into() };
        let admin = announcer.wait_for("admin server at http://");
        announcer.admin = admin.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        announcer.wait_for("ready: ");
        announcer
    }

    /// The next line of the log that has `text` in it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("no `{text}` in the log:\n{}", self.log) };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(name, &[self.child.id()]);
    }

    pub(crate) fn wait_end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    pub(crate) fn report(&self) -> Report {
        serde_json::from_str(&self.get("/prefixes")).unwrap()
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        // By its handle, so that nothing else can be meant.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a subcommand to its end: success, and standard output or error.
pub(crate) fn ask(dir: &Path, arguments: &[&str]) -> (bool, String) {
    let output = command().args(arguments).args(["--config", "announcer.toml"]).current_dir(dir).output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    (output.status.success(), String::from_utf8(text).unwrap())
}
