//! Draining a real server: by command, and before it stops.

mod support;

use catchment::serve::control::{self, Request};
use hickory_proto::rr::{DNSClass, RecordType};
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::catchment::{Server, catchment, prepare, query, receive, run, zone};
use support::sidecar::Sidecar;

fn start(label: &str, settings: &str) -> Server {
    Server::start(label, &[("example.com.zone", &zone(1))], settings)
}

fn sidecar(server: &Server) -> Sidecar {
    let sidecar = Sidecar::start(&server.dir.path().join("lease.sock"), None);
    sidecar.lease(|_| true);
    sidecar
}

/// `catchment COMMAND --config catchment.toml`: exit code, standard output, standard error.
fn command(directory: &Path, command: &[&str]) -> (i32, String, String) {
    run(&[command, &["--config", "catchment.toml"]].concat(), directory)
}

/// A client, another host as far as the server can know, that asks every 10 ms.
struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u32, u32)>,
}

impl Client {
    fn start(dns: SocketAddr) -> Client {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let (mut asked, mut answered) = (0, 0);
            while !stopped.load(Ordering::Relaxed) {
                let question = query("www.example.com.", RecordType::A, DNSClass::IN);
                socket.send_to(&question.to_vec().unwrap(), dns).unwrap();
                asked += 1;
                answered += u32::from(receive(&socket, question.metadata.id).is_some());
                std::thread::sleep(Duration::from_millis(10));
            }
            (asked, answered)
        });
        Client { stop, thread }
    }

    /// Queries that it sent, and those that were answered.
    fn stop(self) -> (u32, u32) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[test]
fn a_drain_is_told_everywhere_and_ends_when_it_is_called_off() {
    let mut server = start("drain", "");
    let (code, out, _) = command(server.dir.path(), &["drain"]);
    assert_eq!((code, out.as_str()), (0, "draining: no sidecar is connected: only /readyz tells of it\n"));
    let sidecar = sidecar(&server);
    assert!(sidecar.lease(|_| true).draining);
    let (code, out, _) = command(server.dir.path(), &["drain"]);
    assert_eq!((code, out.as_str()), (0, "draining already: 1 sidecar is told to move traffic away\n"));
    let drained = "the server is drained: `catchment undrain` ends that\n";
    assert_eq!(server.get("/readyz"), (503, drained.into()));
    assert_eq!(server.get("/healthz").0, 200, "it is well all the same");
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("\ncatchment_draining 1.0\n") && metrics.contains("\ncatchment_ready 0.0\n"));
    assert_eq!(server.serial("example.com."), Some(1), "it answers");
    // A reload has nothing to do with it.
    assert_eq!(server.reload().0, 0);
    assert!(sidecar.fresh_lease().draining);

    assert_eq!(command(server.dir.path(), &["undrain"]), (0, "no longer draining\n".into(), String::new()));
    sidecar.lease(|lease| !lease.draining && !lease.stopping);
    assert_eq!(server.get("/readyz"), (200, "ready\n".into()));
    assert!(server.get("/metrics").1.contains("\ncatchment_draining 0.0\n"));
    assert_eq!(command(server.dir.path(), &["undrain"]).1, "there was no drain\n");
    for part in ["draining: sidecars are told to move traffic away", "no longer draining: sidecars may announce"] {
        server.wait_for(part);
    }
}

#[test]
fn a_drain_can_be_waited_for() {
    let server = start("wait", "");
    let sidecar = sidecar(&server);
    sidecar.announce(2);
    let client = Client::start(server.dns);
    let directory = server.dir.path();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| command(directory, &["drain", "--wait"]));
        sidecar.lease(|lease| lease.draining);
        sidecar.announce(0);
        // The route is gone; the client's packets are still under way for a while.
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!waiting.is_finished(), "queries still come");
        assert_eq!(client.stop().0, client_answers(&server));
        let (code, out, errors) = waiting.join().unwrap();
        assert_eq!(code, 0, "{errors}");
        assert!(
            out.starts_with("drained in ") && out.ends_with("no sidecar announces, and queries have ceased\n"),
            "{out}"
        );
    });
    // Its own probes don't count: queries from the address that is asked.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| command(directory, &["drain", "--wait"]));
        while !waiting.is_finished() {
            assert_eq!(server.serial("example.com."), Some(1));
        }
        let (code, _, errors) = waiting.join().unwrap();
        assert_eq!(code, 0, "{errors}");
    });
}

/// Answers that the server counts over UDP.
fn client_answers(server: &Server) -> u32 {
    let metrics = server.get("/metrics").1;
    let line =
        metrics.lines().find(|line| line.starts_with("catchment_answer_size_bytes_count{transport=\"udp\"}")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_drain_that_is_waited_for_fails_when_nothing_moves_or_it_is_called_off() {
    let server = start("fails", "drain-timeout = \"1s\"");
    let sidecar = sidecar(&server);
    sidecar.announce(3);
    sidecar.fresh_lease();
    let (code, _, errors) = command(server.dir.path(), &["drain", "--wait"]);
    let expected = "draining, but not drained within 1s: sidecar \"test\" has not withdrawn (3 prefixes)\n";
    assert_eq!((code, errors.as_str()), (1, expected));
    assert!(sidecar.fresh_lease().draining, "it goes on");

    let client = Client::start(server.dns);
    sidecar.announce(0);
    sidecar.fresh_lease();
    let (code, _, errors) = command(server.dir.path(), &["drain", "--wait"]);
    assert_eq!((code, errors.as_str()), (1, "draining already, but not drained within 1s: queries still come\n"));
    client.stop();

    sidecar.announce(3);
    sidecar.fresh_lease();
    let directory = server.dir.path();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| command(directory, &["drain", "--wait"]));
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(command(server.dir.path(), &["undrain"]).0, 0);
        let (code, _, errors) = waiting.join().unwrap();
        // On a machine that is busy for 200 ms the command may come after the end of the drain.
        assert!(code == 1 && (errors == "the drain was called off\n" || errors.contains("3 prefixes")), "{errors}");
    });
}

#[test]
fn commands_that_are_none_are_told_so() {
    let server = start("none", "");
    let control = server.dir.path().join("control.sock");
    for nonsense in ["\n", "reload\n", "{\"command\":\"stop\"}\n", &"x".repeat(5000)] {
        let mut stream = UnixStream::connect(&control).unwrap();
        // The server may close before it has read all of too much.
        let _ = stream.write_all(nonsense.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("not understood"), "{answer}");
    }
    assert!(control::ask(&control, Request::Reload {}).unwrap().ok);
    let (code, _, errors) = run(&["drain", "--control", "nowhere.sock"], server.dir.path());
    assert!(code == 1 && errors.contains("no server could be asked") && errors.contains("nowhere.sock"), "{errors}");
    support::catchment::configure(&server.dir, "");
    let settings = std::fs::read_to_string(server.dir.path().join("catchment.toml")).unwrap();
    server.dir.write("catchment.toml", settings.replace("\"control.sock\"", "\"none\""));
    let (code, _, errors) = command(server.dir.path(), &["drain"]);
    assert!(code == 1 && errors.contains("`control` is \"none\"; set it to a path"), "{errors}");
}

#[test]
fn sigterm_waits_for_the_sidecar_and_for_queries_and_loses_none() {
    let mut server = start("term", "");
    let sidecar = sidecar(&server);
    sidecar.announce(1);
    sidecar.fresh_lease();
    let client = Client::start(server.dns);
    server.signal("TERM");
    let stopping = sidecar.lease(|lease| lease.stopping);
    assert!(!stopping.draining, "nobody asked for that");
    assert!(server.get("/readyz").1.contains("the server is stopping"));
    // It announces on, with less preference: answers go on.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(server.serial("example.com."), Some(1));
    sidecar.announce(0);
    // The last queries under way.
    std::thread::sleep(Duration::from_millis(500));
    let (asked, answered) = client.stop();
    assert!(asked > 50, "{asked}");
    assert_eq!(answered, asked, "no query is lost");
    let (status, took) = server.wait_end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?} after the last query");
    assert!(server.log().contains("drained in "), "{}", server.log());
    assert!(!server.dir.path().join("lease.sock").exists());
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let mut server = start("second", "");
    let sidecar = sidecar(&server);
    sidecar.announce(1);
    sidecar.fresh_lease();
    server.signal("TERM");
    sidecar.lease(|lease| lease.stopping);
    server.signal("INT");
    let (status, took) = server.wait_end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(server.log().contains("a second signal"), "{}", server.log());
}

#[test]
fn a_sidecar_that_never_withdraws_delays_the_end_by_drain_timeout_at_most() {
    let mut server = start("timeout", "drain-timeout = \"2s\"");
    let sidecar = sidecar(&server);
    sidecar.announce(1);
    sidecar.fresh_lease();
    server.signal("TERM");
    let (status, took) = server.wait_end();
    assert_eq!(status.code(), Some(0));
    assert!(took >= Duration::from_millis(1800) && took < Duration::from_secs(7), "{took:?}");
    let expected = "not drained within 2s: sidecar \"test\" has not withdrawn (1 prefix)";
    assert!(server.log().contains(expected), "{}", server.log());
}

#[test]
fn a_sidecar_that_is_gone_is_not_waited_for() {
    let mut server = start("gone", "");
    let leading = sidecar(&server);
    leading.announce(1);
    leading.fresh_lease();
    server.signal("TERM");
    leading.lease(|lease| lease.stopping);
    drop(leading);
    let (_, took) = server.wait_end();
    assert!(took < Duration::from_secs(5), "{took:?}");

    // And without one from the start, nothing is waited for.
    let mut server = start("alone", "");
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait_end().0.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!server.log().contains("answering until"), "{}", server.log());
}

#[test]
fn the_service_manager_is_told_how_long_a_stop_may_take() {
    let dir = prepare("extend", &[("example.com.zone", &zone(1))], "drain-timeout = \"1m\"");
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = catchment();
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "400000");
    let mut server = Server::launch(dir, command);
    server.wait_for("ready: ");
    let sidecar = sidecar(&server);
    sidecar.announce(1);
    sidecar.fresh_lease();
    server.signal("TERM");
    let mut said = Vec::new();
    // While it waits it is alive, as the manager's watchdog wants to hear.
    while said.last().is_none_or(|last| last != "WATCHDOG=1\n") || said.len() < 3 {
        let mut buffer = [0; 4096];
        let len = manager.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        if !said.is_empty() || text == "STOPPING=1\n" {
            said.push(text);
        }
    }
    assert!(said.contains(&"EXTEND_TIMEOUT_USEC=65000000\n".to_owned()), "{said:?}");
    server.signal("TERM");
    server.wait_end();
}
