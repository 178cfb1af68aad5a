//! The lease between a real server and the sidecar's end of it.

mod support;

use catchment::announce::lease::{Lost, Told};
use catchment::lease::{INTERVAL, Lease, Leases, VALID};
use catchment::serve::boot_time;
use catchment::serve::control::{self, Request};
use hickory_proto::rr::{DNSClass, RecordType};
use std::io::Read;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};
use support::catchment::{Server, catchment, prepare, query, receive, zone};
use support::process::signal;
use support::sidecar::Sidecar;
use support::skip;
use support::wedge::{thread_named, wedge};

fn start(label: &str, settings: &str) -> Server {
    Server::start(label, &[("example.com.zone", &zone(1))], settings)
}

fn sidecar(server: &Server) -> Sidecar {
    Sidecar::start(&server.dir.path().join("lease.sock"), None)
}

/// A client that is another host, as far as the server can know: its address is not the one that it asks.
fn stranger() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket
}

/// Asks once; whether an answer came.
fn asked(socket: &UdpSocket, server: &Server) -> bool {
    let question = query("www.example.com.", RecordType::A, DNSClass::IN);
    socket.send_to(&question.to_vec().unwrap(), server.dns).unwrap();
    receive(socket, question.metadata.id).is_some()
}

#[test]
fn a_lease_tells_what_the_server_is_doing() {
    let zones = [("example.com.zone", zone(1)), ("other.zone", zone(1)), ("bad.zone", "@ A 192.0.2\n".to_owned())];
    let zones = zones.each_ref().map(|(name, text)| (*name, text.as_str()));
    let mut server = Server::start("fields", &zones, "node = \"ams1\"");
    let sidecar = sidecar(&server);
    let first = sidecar.lease(|_| true);
    let now = boot_time();
    assert!(first.sent <= now && first.valid(now), "{first:?} at {now:?}");
    let told = Lease { seq: first.seq, sent: first.sent, beat: first.beat, ..Lease::default() };
    assert_eq!(first, Lease { node: "ams1".into(), zones: 2, failed: 1, ..told });
    // The next may come before a worker has gone round.
    let second = sidecar.lease(|lease| lease.beat > first.beat);
    assert!(second.seq > first.seq && second.sent > first.sent, "{first:?} {second:?}");
    server.wait_for("a sidecar is connected");
    assert!(
        server.get("/metrics").1.contains("\ncatchment_sidecars{state=\"announcing\"} 1.0\n"),
        "it said nothing yet"
    );
    sidecar.announce(2);
    let line = server.wait_for("sidecar \"test\"");
    assert!(line.contains("announced=2 withdrawn=false"), "{line}");
    sidecar.announce(0);
    server.wait_for("withdrawn=true");
    assert!(server.get("/metrics").1.contains("\ncatchment_sidecars{state=\"withdrawn\"} 1.0\n"));

    // What is served and the node's name follow a reload; a bad version of a good zone leaves that one served.
    std::fs::write(server.zone_file("other.zone"), "@ A 192.0.2\n").unwrap();
    std::fs::write(server.zone_file("third.zone"), zone(1)).unwrap();
    support::catchment::configure(&server.dir, "node = \"fra1\"");
    server.reload();
    let reloaded = sidecar.fresh_lease();
    assert_eq!((reloaded.node.as_str(), reloaded.zones, reloaded.failed), ("fra1", 3, 1));

    // A path of its own is wherever it is told, and only its leases: commands get none.
    assert_eq!(server.dir.path().join("lease.sock").metadata().unwrap().permissions().mode() & 0o777, 0o666);
    drop(sidecar);
    server.wait_for("a sidecar is gone: it closed the connection");
    assert!(server.get("/metrics").1.contains("\ncatchment_sidecars{state=\"withdrawn\"} 0.0\n"));
}

#[test]
fn the_lease_of_an_idle_server_stays_valid() {
    let server = start("idle", "workers = 2");
    let sidecar = sidecar(&server);
    let mut last = sidecar.lease(|_| true);
    let (began, mut leases) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        let lease = sidecar.lease(|_| true);
        assert!(lease.sent < last.valid_until(), "there was a gap: {last:?} {lease:?}");
        assert!(lease.age(lease.sent) < VALID / 2, "a worker is late: {lease:?}");
        assert_eq!((lease.queries, lease.qps), (0, 0));
        last = lease;
        leases += 1;
    }
    assert!(leases >= 3, "{leases} in 3 s, one in {INTERVAL:?} is due");
}

#[test]
fn queries_of_others_are_counted_and_those_of_the_host_itself_are_not() {
    let server = start("qps", "workers = 1");
    let sidecar = sidecar(&server);
    let (own, others) = (UdpSocket::bind("127.0.0.1:0").unwrap(), stranger());
    own.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // 200 a second of each, for 2.5 s: longer than the time that the rate is taken over.
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_millis(2500) {
        if began.elapsed() >= Duration::from_millis(5) * sent {
            assert!(asked(&own, &server) && asked(&others, &server));
            sent += 1;
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let rate = f64::from(sent) / began.elapsed().as_secs_f64();
    let lease = sidecar.fresh_lease();
    assert!((lease.qps as f64) > rate * 0.5 && (lease.qps as f64) < rate * 1.5, "{} of {rate}", lease.qps);
    let ended = sidecar.lease(|lease| lease.qps == 0);
    assert_eq!(ended.queries, u64::from(sent));
    assert_eq!(ended.drops, 0);
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains(&format!("\ncatchment_local_queries_total{{transport=\"udp\"}} {sent}\n")), "{metrics}");
}

#[test]
fn a_killed_server_ends_its_lease_at_once_and_the_next_one_is_found() {
    let server = start("killed", "");
    let sidecar = sidecar(&server);
    sidecar.lease(|_| true);
    let killed = Instant::now();
    signal("KILL", &[server.pid()]);
    assert!(matches!(sidecar.lost(), Lost::Ended));
    assert!(killed.elapsed() < VALID / 2, "{:?}: sooner than the lease by itself", killed.elapsed());
    let directory = server.dir.path();
    let mut again = catchment();
    again.args(["serve", "--config", "catchment.toml"]).current_dir(directory);
    let mut again = again.stderr(std::process::Stdio::null()).spawn().unwrap();
    loop {
        if let Told::Lease(lease) = sidecar.next() {
            assert!(lease.seq < 100 && lease.valid(boot_time()), "{lease:?}");
            break;
        }
    }
    drop(sidecar);
    signal("TERM", &[again.id()]);
    assert!(again.wait().unwrap().success());
}

#[test]
fn a_stopped_server_lets_its_lease_expire() {
    let server = start("stopped", "");
    let sidecar = sidecar(&server);
    sidecar.lease(|_| true);
    signal("STOP", &[server.pid()]);
    std::thread::sleep(VALID);
    let mut last = None;
    // The connection is still there: what comes of it is silence.
    while let Some(lease) = sidecar.waiting() {
        last = Some(lease);
    }
    if let Some(lease) = last {
        assert!(!lease.valid(boot_time()), "{lease:?}");
    }
    signal("CONT", &[server.pid()]);
    assert!(sidecar.lease(|lease| lease.valid(boot_time())).zones == 1);
}

#[test]
fn one_wedged_worker_ends_the_lease_and_the_others_go_on() {
    let server = start("wedged", "workers = 2");
    let sidecar = sidecar(&server);
    let before = sidecar.lease(|_| true);
    assert!(before.valid(boot_time()));
    let tid = thread_named(server.pid(), "udp-0").expect("workers have names");
    let wedged = match wedge(tid) {
        Ok(wedged) => wedged,
        Err(error) => return skip(format!("no thread can be stopped here: {error}")),
    };
    let began = boot_time();
    // Leases keep coming, and each has the wedged worker's last stamp: valid until 1.5 s after that.
    let expired = sidecar.lease(|lease| !lease.valid(lease.sent));
    let took = boot_time() - began;
    assert!(expired.beat <= began && expired.sent >= expired.beat + VALID, "{expired:?}");
    assert!(took <= Duration::from_secs(2), "{took:?}");
    let (status, reasons) = server.get("/readyz");
    assert!(status == 503 && reasons.starts_with("worker 0 has not come round for "), "{reasons}");
    // The kernel spreads clients over the workers' sockets: some are the other one's.
    let clients: Vec<UdpSocket> = (0..32).map(|_| stranger()).collect();
    let question = query("www.example.com.", RecordType::A, DNSClass::IN);
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        client.send_to(&question.to_vec().unwrap(), server.dns).unwrap();
    }
    let answered = clients.iter().filter(|client| receive(client, question.metadata.id).is_some()).count();
    assert!((1..32).contains(&answered), "{answered} of 32 are answered by the other worker");

    drop(wedged);
    let after = sidecar.lease(|lease| lease.valid(lease.sent));
    assert!(after.beat > expired.sent, "{after:?}");
}

#[test]
fn a_sidecar_that_does_not_read_disturbs_nobody() {
    let mut server = start("deaf", "");
    let path = server.dir.path().join("lease.sock");
    let mut deaf = UnixStream::connect(&path).unwrap();
    let sidecar = sidecar(&server);
    sidecar.lease(|_| true);
    // Each change of the drain brings a lease at once: far more than its buffer holds.
    let control = server.dir.path().join("control.sock");
    for _ in 0..700 {
        assert!(control::ask(&control, Request::Drain { wait: false }).unwrap().ok);
        assert!(control::ask(&control, Request::Undrain {}).unwrap().ok);
    }
    server.wait_for("a sidecar does not read its leases");
    let fresh = sidecar.fresh_lease();
    assert!(fresh.valid(boot_time()) && fresh.seq > 300, "{fresh:?}");
    assert!(asked(&stranger(), &server));
    // When it reads again, it finds whole lines, and among them the present.
    let mut leases = Leases::default();
    let mut buffer = [0; 4096];
    let mut newest = Lease::default();
    while newest.seq < fresh.seq {
        let len = deaf.read(&mut buffer).unwrap();
        assert!(len > 0, "the server keeps it");
        newest = leases.push(boot_time(), &buffer[..len]).unwrap_or(newest);
    }
    assert!(newest.valid(boot_time()));
    assert_eq!(leases.ignored(), catchment::lease::Ignored::default());
}

#[test]
fn what_a_sidecar_must_not_send_changes_nothing() {
    use std::io::Write;
    let mut server = start("nonsense", "");
    let mut stream = UnixStream::connect(server.dir.path().join("lease.sock")).unwrap();
    stream.write_all(&[b'x'; 100_000]).unwrap();
    stream.write_all(b"\n{}\n{\"withdrawn\":\"yes\"}\n\xff\n{\"name\":\"ok\",\"announced\":4}\n").unwrap();
    let line = server.wait_for("sidecar \"ok\"");
    assert!(line.contains("announced=4 withdrawn=false"), "{line}");
    // More than are let in at once: the others are sent away, and told to nobody.
    let streams: Vec<UnixStream> =
        (0..12).map(|_| UnixStream::connect(server.dir.path().join("lease.sock")).unwrap()).collect();
    server.wait_for("a sidecar was sent away: there are 8");
    drop(streams);
    assert!(asked(&stranger(), &server));
}

#[test]
fn leases_are_for_root_the_servers_user_and_the_sidecars() {
    if !nix::unistd::geteuid().is_root() {
        return support::skip("only root can be somebody else");
    }
    for (settings, admitted) in [("", false), ("lease-user = \"65534\"", true), ("lease-user = \"nobody\"", true)] {
        let mut server = start("user", settings);
        // The other user may not reach the build directory: the program goes where it can.
        let program = server.dir.path().join("catchment");
        std::fs::copy(env!("CARGO_BIN_EXE_catchment"), &program).unwrap();
        // A command, sent to the wrong socket, shows whether a line comes: a lease is no response to it.
        let mut command = Command::new(&program);
        command.args(["undrain", "--control"]).arg(server.dir.path().join("lease.sock")).uid(65_534).gid(65_534);
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        if admitted {
            assert!(errors.contains("missing field `ok`"), "{settings}: {errors}");
        } else {
            assert!(!errors.contains("missing field"), "{errors}");
            assert!(server.wait_for("a sidecar was sent away").contains("uid=65534"));
        }
    }
}

#[test]
fn a_sidecar_believes_only_the_server_that_it_should() {
    if !nix::unistd::geteuid().is_root() {
        return support::skip("only root can be somebody else");
    }
    let dir = prepare("owner", &[("example.com.zone", &zone(1))], "");
    let program = dir.path().join("catchment");
    std::fs::copy(env!("CARGO_BIN_EXE_catchment"), &program).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(&program);
    command.uid(65_534).gid(65_534).env_remove("NOTIFY_SOCKET");
    let mut server = Server::launch(dir, command);
    server.wait_for("ready: ");
    let path = server.dir.path().join("lease.sock");
    assert!(matches!(Sidecar::start(&path, None).next(), Told::Lost(Lost::Stranger { uid: 65_534, .. })));
    assert!(matches!(Sidecar::start(&path, Some("daemon")).next(), Told::Lost(Lost::Stranger { .. })));
    for user in ["65534", "nobody"] {
        assert_eq!(Sidecar::start(&path, Some(user)).lease(|_| true).zones, 1);
    }
}
