//! The sidecar's binary beside a real server, and a router that is a few lines of `support::announcer`.

mod support;

use catchment::announce::bgp::message::Notification;
use catchment::announce::explain::Report;
use catchment::announce::prefix::Prefix;
use catchment::announce::sockets::{Authentication, Listener, Peer, Secret, Ttl, check};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use support::announcer::{
    Announcer, GRACEFUL_SHUTDOWN, LOCAL_AS, PATIENCE, ROUTER_AS, Router, Seen, ask, command, converse,
};
use support::catchment::{Server, zone};
use support::process::{TempDir, signal};

/// A server that gives leases.
fn server(label: &str) -> Server {
    Server::start(label, &[("example.com.zone", &zone(1))], "drain-timeout = \"10s\"")
}

fn prefix() -> Prefix {
    "127.0.0.0/24".parse().unwrap()
}

/// Settings for a server at `dns` and one router.
fn settings(dns: SocketAddr, router: SocketAddr, more: &str) -> String {
    format!(
        "router-id = \"192.0.2.1\"\nlocal-as = {LOCAL_AS}\nnode = \"ams1\"\nlease = \"lease.sock\"\n\
         control = \"announcer.sock\"\nadmin = \"127.0.0.1:0\"\n{more}\n\
         [damping]\nhold-down = \"1s\"\n\
         [[service]]\nname = \"dns\"\naddresses = [\"127.0.0.1\"]\n\
         [[service.probe]]\ntype = \"dns\"\ninterval = \"100ms\"\ntimeout = \"100ms\"\nport = {}\n\
         question = \"www.example.com A\"\nexpect = \"192.0.2.2\"\n\
         [service.up]\ncommunities = [\"64501:100\"]\nmed = 10\nnext-hop-ipv4 = \"192.0.2.9\"\n\
         [[prefix]]\nprefix = \"127.0.0.0/24\"\nservices = [\"dns\"]\n\
         [[peer]]\nname = \"r1\"\naddress = \"127.0.0.1\"\nport = {}\nas = {ROUTER_AS}\n",
        dns.port(),
        router.port()
    )
}

fn write_settings(dir: &TempDir, server: &Server, router: &Router, more: &str) {
    dir.write("announcer.toml", settings(server.dns, router.address, more));
}

/// Server, router and sidecar, the prefix announced.
fn announcing(label: &str) -> (Server, Router, Announcer) {
    let (server, router) = (server(label), Router::start());
    write_settings(&server.dir, &server, &router, "");
    let announcer = Announcer::start(server.dir.path(), &[]);
    let (announced, attributes) = router.announced();
    assert_eq!(announced, prefix());
    assert_eq!(attributes.as_path, [LOCAL_AS]);
    assert_eq!(attributes.next_hop.to_string(), "192.0.2.9");
    assert_eq!((attributes.communities.as_slice(), attributes.med), (&[64501 << 16 | 100][..], Some(10)));
    (server, router, announcer)
}

#[test]
fn it_announces_after_the_probes_rise_and_withdraws_when_the_server_is_killed() {
    let (server, router, mut announcer) = announcing("announcer-kill");
    announcer.wait_for("127.0.0.0/24 INIT -> UP: ");

    let (done, text) = ask(server.dir.path(), &["explain"]);
    assert!(done, "{text}");
    for part in [
        "node ams1, catchment-announcer ",
        "127.0.0.0/24 UP for ",
        "  r1: announced for ",
        "AS path 64501, next hop 192.0.2.9, MED 10, communities 64501:100",
        "  dns ipv4: ",
        "probe 1, dns-udp 127.0.0.1: ",
        "probe 1, dns-tcp 127.0.0.1: ",
        "lease valid, ",
        "r1 127.0.0.1 AS 64500: Established for ",
        " 127.0.0.0/24 INIT -> UP: ",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
    let (done, json) = ask(server.dir.path(), &["explain", "--json"]);
    assert!(done);
    let report: Report = serde_json::from_str(&json).unwrap();
    assert_eq!((report.prefixes[0].state.as_str(), report.prefixes[0].routers[0].announced), ("UP", true));
    let metrics = announcer.get("/metrics");
    for line in [
        "catchment_announcer_prefix_state{prefix=\"127.0.0.0/24\",state=\"UP\",cause=\"healthy\"} 1.0",
        "catchment_announcer_announced{prefix=\"127.0.0.0/24\",router=\"r1\"} 1.0",
        "catchment_announcer_session_up{router=\"r1\"} 1.0",
        "catchment_announcer_lease_valid 1.0",
        "catchment_announcer_withdraw_seconds_count 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    assert_eq!(announcer.get("/healthz"), "alive\n");

    let killed = Instant::now();
    signal("KILL", &[server.pid()]);
    let withdrawn = router.withdrawn(prefix());
    println!("server killed: withdrawn after {:.1?}", withdrawn.duration_since(killed));
    announcer.wait_for("127.0.0.0/24 UP -> WITHDRAWN: ");
    let metrics = announcer.get("/metrics");
    let value = |name: &str| -> f64 {
        let line =
            metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}\n{metrics}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("catchment_announcer_withdraw_seconds_count"), 1.0);
    println!("from cause to withdrawal written: {:.0} us", value("catchment_announcer_last_withdraw_seconds") * 1e6);
    assert!(value("catchment_announcer_last_withdraw_seconds") < 1.0);
    assert_eq!(announcer.report().prefixes[0].cause_kind, "lease-lost");
}

#[test]
fn a_signal_drains_withdraws_and_says_goodbye() {
    let (_server, router, mut announcer) = announcing("announcer-drain");
    announcer.signal("TERM");
    let (drained, attributes) = router.announced();
    assert_eq!((drained, attributes.as_path), (prefix(), vec![LOCAL_AS; 7]));
    assert_eq!(attributes.communities, [64501 << 16 | 100, GRACEFUL_SHUTDOWN]);
    router.withdrawn(prefix());
    let Seen::Ended(notification) = router.next().1 else { panic!("no NOTIFICATION") };
    // Cease, administrative shutdown (RFC 4486 4), with a message (RFC 9003 2): its length, then UTF-8.
    assert_eq!((notification.code, notification.subcode), (6, 2));
    let message = String::from_utf8(notification.data[1..].to_vec()).unwrap();
    assert_eq!(
        (usize::from(notification.data[0]), message.as_str()),
        (message.len(), "ams1: catchment-announcer stops")
    );
    assert!(matches!(router.next().1, Seen::Closed));
    assert!(announcer.wait_end().success());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (server, router) = (server("announcer-twice"), Router::start());
    // Queries that never cease: the drain would take its whole time.
    write_settings(&server.dir, &server, &router, "drain-timeout = \"5m\"");
    let mut announcer = Announcer::start(server.dir.path(), &[]);
    router.announced();
    let (stop, dns) = (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), server.dns);
    let flood = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                socket.send_to(b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01", dns).unwrap();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    announcer.signal("TERM");
    announcer.wait_for("UP -> DRAIN: ");
    assert_eq!(router.announced().1.as_path.len(), 7);
    announcer.signal("TERM");
    assert!(announcer.wait_end().success());
    assert!(matches!(router.next().1, Seen::Ended(Notification { code: 6, subcode: 2, .. })));
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flood.join().unwrap();
}

#[test]
fn commands_drain_and_undrain() {
    let (server, router, mut announcer) = announcing("announcer-command");
    let (done, text) = ask(server.dir.path(), &["drain"]);
    assert!(done && text.starts_with("draining"), "{text}");
    assert_eq!(router.announced().1.as_path.len(), 7);
    router.withdrawn(prefix());
    announcer.wait_for("DRAIN -> WITHDRAWN: ");
    assert!(announcer.report().draining);
    let (done, _) = ask(server.dir.path(), &["undrain"]);
    assert!(done);
    assert_eq!(router.announced().1.as_path.len(), 1);
    let (done, text) = ask(server.dir.path(), &["explain", "--control", "nowhere.sock"]);
    assert!(!done && text.contains("cannot be used with"), "{text}");
    // The settings file may be named before and after the subcommand.
    let run = |arguments: &[&str]| command().args(arguments).current_dir(server.dir.path()).output().unwrap();
    for arguments in [["--config", "announcer.toml", "explain"], ["explain", "--config", "announcer.toml"]] {
        let output = run(&arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
    let output = run(&["explain", "--control", "nowhere.sock"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no announcer could be asked"), "{output:?}");
    let output = run(&["--dry-run", "explain"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--dry-run is for announcing"), "{output:?}");
}

#[test]
fn settings_at_fault_change_nothing_and_good_ones_keep_the_session() {
    let (server, router, mut announcer) = announcing("announcer-reload");
    let good = settings(server.dns, router.address, "");
    server.dir.write("announcer.toml", good.replace("med = 10", "med = \"ten\""));
    announcer.signal("HUP");
    announcer.wait_for("the settings stay as they were");
    announcer.wait_for("announcer.toml:");
    router.quiet(Duration::from_millis(500));
    assert!(announcer.get("/metrics").contains("catchment_announcer_reloads_total{result=\"failed\"} 1"));

    server.dir.write("announcer.toml", good.replace("med = 10", "med = 20"));
    announcer.signal("HUP");
    announcer.wait_for("the settings were read again");
    assert_eq!(router.announced().1.med, Some(20), "over the session that was there");
    let (done, text) = ask(server.dir.path(), &["--check-config"]);
    assert!(done && text.contains("all is well: 1 prefix, 1 service, 1 router"), "{text}");
    assert_eq!(announcer.report().routers[0].established, 1);
}

#[test]
fn why_it_can_not_begin_is_said_once() {
    let (taken, dir) = (TcpListener::bind("127.0.0.1:0").unwrap(), TempDir::new("announcer-taken"));
    let admin = taken.local_addr().unwrap();
    let settings = settings(admin, admin, "").replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""));
    dir.write("announcer.toml", settings);
    let (done, text) = ask(dir.path(), &[]);
    assert!(!done);
    assert_eq!(text.matches(&format!("the admin server can't be at {admin}: ")).count(), 1, "{text}");
    assert!(text.contains("ERROR"), "{text}");
}

#[test]
fn a_dry_run_opens_no_session() {
    let (server, router) = (server("announcer-dry"), Router::start());
    write_settings(&server.dir, &server, &router, "");
    let mut announcer = Announcer::start(server.dir.path(), &["--dry-run"]);
    announcer.wait_for("127.0.0.0/24 INIT -> UP: ");
    router.quiet(Duration::from_millis(500));
    let (done, text) = ask(server.dir.path(), &["explain"]);
    assert!(done && text.contains("dry run") && text.contains("127.0.0.0/24 UP"), "{text}");
}

#[test]
fn a_sidecar_that_was_stopped_announces_nothing_by_leases_that_waited() {
    let (server, router, mut announcer) = announcing("announcer-stopped");
    announcer.signal("STOP");
    // Leases pile up, then the server dies; what waits in the socket has an end that is newer than it all.
    std::thread::sleep(Duration::from_millis(1000));
    signal("KILL", &[server.pid()]);
    std::thread::sleep(Duration::from_millis(1500));
    router.quiet(Duration::from_millis(1));
    announcer.signal("CONT");
    router.withdrawn(prefix());
    announcer.wait_for("UP -> WITHDRAWN: ");
    router.quiet(Duration::from_millis(1500));
    let metrics = announcer.get("/metrics");
    assert!(metrics.contains("catchment_announcer_stalls_total 1"), "{metrics}");
}

#[test]
fn a_sidecar_that_was_stopped_goes_by_the_leases_that_came_meanwhile() {
    let (_server, router, mut announcer) = announcing("announcer-continued");
    for _ in 0..3 {
        announcer.signal("STOP");
        // Longer than a lease is valid.
        std::thread::sleep(Duration::from_millis(2000));
        announcer.signal("CONT");
        announcer.wait_for(" ms late: ");
        router.quiet(Duration::from_millis(300));
    }
    let report = announcer.report();
    assert_eq!((report.prefixes[0].state.as_str(), report.prefixes[0].flaps), ("UP", 0), "{report:?}");
}

#[test]
fn a_session_that_broke_is_made_again_with_its_routes() {
    let server = server("announcer-again");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    server.dir.write("announcer.toml", settings(server.dns, address, ""));
    let mut announcer = Announcer::start(server.dir.path(), &[]);
    // The first connection is closed without a word.
    drop(listener.accept().unwrap());
    drop(listener);
    announcer.wait_for("r1: ");
    let listener = loop {
        match TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let (sender, seen) = channel();
    std::thread::spawn(move || converse(listener.accept().unwrap().0, &sender));
    let router = Router { address, seen };
    assert_eq!(router.announced().0, prefix());
}

#[test]
fn a_wrong_key_is_suspected_while_the_first_attempt_goes_on() {
    let key = Some(Authentication::Md5(Secret::new(b"correct horse")));
    let us = Peer { name: "us".into(), address: [127, 0, 0, 1].into(), ttl: Ttl::Sent(1), authentication: key };
    if let Err(error) = check(&us) {
        return support::skip(error);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), &[us]).unwrap();
    let server = server("announcer-key");
    server.dir.write("key", "battery staple\n");
    let settings = settings(server.dns, listener.address(), "") + "password-file = \"key\"\n";
    server.dir.write("announcer.toml", settings);
    let announcer = Announcer::start(server.dir.path(), &[]);
    let began = Instant::now();
    let router = loop {
        let router = announcer.report().routers.remove(0);
        if router.suspicion.is_some() || router.last_error.is_some() {
            break router;
        }
        assert!(began.elapsed() < PATIENCE, "nothing is said: {router:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let suspicion = router.suspicion.expect("something is said before the attempt is given up");
    assert!(suspicion.contains("most likely the router has another key than `password-file`"), "{suspicion}");
    assert_eq!((router.state.as_str(), router.last_error), ("Connect", None));
}

/// What Linux says of the process: resident octets and processor time.
fn usage(pid: u32) -> (u64, Duration) {
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let schedstat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap();
    let nanos: u64 = schedstat.split_whitespace().next().unwrap().parse().unwrap();
    (field(&status, "VmRSS:") * 1024, Duration::from_nanos(nanos))
}

/// Octets of a program without symbols.
fn stripped(program: &str, dir: &Path) -> Result<u64, String> {
    let copy = dir.join("stripped");
    let output = Command::new("strip").arg("-o").arg(&copy).arg(program).output();
    let output = output.map_err(|error| format!("strip, of binutils: {error}"))?;
    assert!(output.status.success(), "{output:?}");
    Ok(std::fs::metadata(copy).unwrap().len())
}

#[test]
fn it_is_small_and_idle() {
    let (server, router) = (server("announcer-small"), Router::start());
    let others: Vec<Router> = (0..3).map(|_| Router::start()).collect();
    let mut text = settings(server.dns, router.address, "");
    // Loopback addresses of their own, as each peer has one; nobody answers BFD there, so that it sends once a second.
    for (i, other) in others.iter().enumerate() {
        text.push_str(&format!(
            "[[peer]]\nname = \"o{i}\"\naddress = \"127.0.0.{}\"\nport = {}\nas = {ROUTER_AS}\n",
            i + 2,
            other.address.port()
        ));
    }
    server.dir.write("announcer.toml", text.replace("interval = \"100ms\"", "interval = \"1s\""));
    let announcer = Announcer::start(server.dir.path(), &[]);
    router.announced();
    let pid = announcer.child.id();
    let (_, before) = usage(pid);
    let time = Duration::from_secs(5);
    std::thread::sleep(time);
    let (resident, after) = usage(pid);
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_catchment-announcer")).unwrap().len();
    let share = (after - before).as_secs_f64() / time.as_secs_f64() * 100.0;
    let stripped = stripped(env!("CARGO_BIN_EXE_catchment-announcer"), server.dir.path());
    println!("{size} octets, {stripped:?} stripped, {resident} resident, {share:.2} % of a core");
    // A build for debugging is another program: its code alone is larger.
    let debug = cfg!(debug_assertions);
    assert!(resident <= if debug { 12 << 20 } else { 8 << 20 }, "{resident} octets are resident");
    match stripped {
        Ok(size) => assert!(size <= if debug { 12_000_000 } else { 4_000_000 }, "{size} octets"),
        Err(why) => support::skip(why),
    }
}
