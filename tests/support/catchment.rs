//! Our own server as a process, and clients of it that share no code with it: hickory-proto for DNS, plain HTTP.

use super::process::{TempDir, signal};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What a test waits for at most: much longer than anything takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command, without arguments, and with nothing of the environment that names directories of the system's or the user's.
pub(crate) fn catchment() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    let directories = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "HOME"];
    for name in directories.into_iter().chain(["NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_USEC"]) {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str], directory: &Path) -> (i32, String, String) {
    let Output { status, stdout, stderr } = catchment().args(arguments).current_dir(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// A zone with this serial: `www`, and 30 more hosts.
pub(crate) fn zone(serial: u32) -> String {
    let mut text =
        format!("$TTL 1h\n@ SOA ns hostmaster {serial} 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n");
    text.push_str("$GENERATE 1-30 host$ A 198.51.100.$\n");
    text
}

/// A server in a directory of its own, which has `catchment.toml` and `zones/`. Stopped at drop.
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    log: String,
    /// Its directory.
    pub(crate) dir: TempDir,
    /// Where it answers.
    pub(crate) dns: SocketAddr,
    /// Its admin server.
    pub(crate) admin: SocketAddr,
}

/// Writes `zones/NAME` files and `catchment.toml`: free loopback ports, a control socket beside it, and `settings`.
pub(crate) fn prepare(label: &str, zones: &[(&str, &str)], settings: &str) -> TempDir {
    let dir = TempDir::new(label);
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    for (name, text) in zones {
        dir.write(&format!("zones/{name}"), text);
    }
    configure(&dir, settings);
    dir
}

/// Writes `catchment.toml` again.
pub(crate) fn configure(dir: &TempDir, settings: &str) {
    let fixed = "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\ncontrol = \"control.sock\"\nlease = \"lease.sock\"\nzones = \"zones\"\n";
    dir.write("catchment.toml", format!("{fixed}{settings}\n"));
}

impl Server {
    /// Starts a server with these zones and settings and waits until it answers.
    pub(crate) fn start(label: &str, zones: &[(&str, &str)], settings: &str) -> Server {
        let mut server = Server::launch(prepare(label, zones, settings), catchment());
        server.wait_ready();
        server
    }

    /// Starts `command` with `serve --config catchment.toml`, and waits for nothing.
    pub(crate) fn launch(dir: TempDir, mut command: Command) -> Server {
        command.args(["serve", "--config", "catchment.toml"]).current_dir(dir.path());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Server { child, lines, log: String::new(), dir, dns: nowhere, admin: nowhere }
    }

    /// Waits until it answers.
    pub(crate) fn wait_ready(&mut self) {
        let admin = self.wait_for("admin server at http://");
        self.admin = admin.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        let ready = self.wait_for("ready: answering on ");
        self.dns = ready.split("answering on ").nth(1).unwrap().trim_end_matches(['"', '}']).parse().unwrap();
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

    /// The log up to what was last waited for.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Path of a zone file.
    pub(crate) fn zone_file(&self, name: &str) -> PathBuf {
        self.dir.path().join("zones").join(name)
    }

    /// `catchment reload`: exit code, standard output, standard error.
    pub(crate) fn reload(&self) -> (i32, String, String) {
        run(&["reload", "--config", "catchment.toml"], self.dir.path())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, &[self.pid()]);
    }

    /// Waits for the end, and gives the status and how long it took.
    pub(crate) fn wait_end(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        // Standard error closes when the process ends.
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        (self.child.wait().unwrap(), began.elapsed())
    }

    /// Asks over UDP; `None` when no answer came.
    pub(crate) fn ask(&self, name: &str, rtype: RecordType) -> Option<Message> {
        ask(self.dns, &query(name, rtype, DNSClass::IN))
    }

    /// Asks over TCP, on a connection of its own.
    pub(crate) fn ask_tcp(&self, name: &str, rtype: RecordType) -> Message {
        let packet = query(name, rtype, DNSClass::IN).to_vec().unwrap();
        let mut stream = TcpStream::connect(self.dns).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[&(packet.len() as u16).to_be_bytes()[..], &packet].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        stream.read_exact(&mut answer).unwrap();
        Message::from_vec(&answer).unwrap()
    }

    /// The text of a CH TXT record, as `id.server`.
    pub(crate) fn ask_chaos(&self, name: &str) -> Option<String> {
        chaos(self.dns, name)
    }

    /// The serial of a zone, over UDP.
    pub(crate) fn serial(&self, zone: &str) -> Option<u32> {
        serial(&self.ask(zone, RecordType::SOA)?)
    }

    /// Status and body of a page of the admin server.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.http(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    }

    /// Head and body of the answer to a raw request.
    pub(crate) fn http(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By its handle, so that nothing else can be meant.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("TERM");
            self.wait_end();
        }
    }
}

/// Asks a server over UDP; `None` when no answer came.
pub(crate) fn ask(server: SocketAddr, query: &Message) -> Option<Message> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&query.to_vec().unwrap(), server).unwrap();
    receive(&socket, query.metadata.id)
}

/// The text of a CH TXT record, as `id.server`.
pub(crate) fn chaos(server: SocketAddr, name: &str) -> Option<String> {
    let answer = ask(server, &query(name, RecordType::TXT, DNSClass::CH))?;
    match &answer.answers.first()?.data {
        RData::TXT(text) => Some(text.to_string()),
        other => panic!("no TXT: {other:?}"),
    }
}

/// A query with an ID that differs from the last.
pub(crate) fn query(name: &str, rtype: RecordType, class: DNSClass) -> Message {
    static ID: AtomicU16 = AtomicU16::new(1);
    let mut message = Message::new(ID.fetch_add(1, Ordering::Relaxed), MessageType::Query, OpCode::Query);
    let mut question = Query::query(Name::from_ascii(name).unwrap(), rtype);
    question.set_query_class(class);
    message.add_query(question);
    message
}

/// The answer with this ID; `None` when it does not come.
pub(crate) fn receive(socket: &UdpSocket, id: u16) -> Option<Message> {
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).ok()?;
        let answer = Message::from_vec(&buffer[..length]).unwrap();
        if answer.metadata.id == id {
            return Some(answer);
        }
    }
}

/// The serial of the SOA record in the answer section.
pub(crate) fn serial(answer: &Message) -> Option<u32> {
    answer.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(soa.serial),
        _ => None,
    })
}
