//! The real binary, following a directory.

use super::releases::{Content, Publisher, Release, content, key, registry};
use super::support::catchment::{Server, catchment, prepare, query, receive, serial, zone};
use super::support::process::TempDir;
use catchment::sync::store::{Store, dir};
use hickory_proto::rr::{DNSClass, RecordType};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn settings() -> String {
    format!(
        "node = \"ams1\"\n[sync]\nfollow = [\"dir:store\"]\nchannel = \"prod\"\ncache = \"cache\"\nroot-keys = [\"{}\"]\n\
         stale-after = \"1s\"",
        key(1).public()
    )
}

fn store(server: &Server) -> Store {
    dir::open(&server.dir.path().join("store"), 1)
}

fn publish(release: &Release, store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(release.publish(store));
}

/// Ends the process with SIGKILL, and gives its directory.
fn kill(mut server: Server) -> TempDir {
    server.signal("KILL");
    server.wait_end();
    std::mem::replace(&mut server.dir, TempDir::new("spent"))
}

fn start(dir: TempDir) -> Server {
    let mut server = Server::launch(dir, catchment());
    server.wait_ready();
    server
}

fn metric(server: &Server, line: &str) -> bool {
    server.get("/metrics").1.contains(&format!("\n{line}"))
}

#[test]
fn a_node_follows_a_directory_and_starts_without_it() {
    let mut server = Server::start("follow", &[("example.com.zone", &zone(77)), ("local.zone", &zone(5))], &settings());
    assert_eq!(server.serial("example.com."), Some(77), "zones of files are served from the start");
    assert_eq!(server.ask_chaos("generation.server."), None);
    let (status, why) = server.get("/readyz");
    assert_eq!(status, 503);
    assert!(why.contains("no release of channel prod is served"), "{why}");

    let mut publisher = Publisher::new();
    let store = store(&server);
    publish(&publisher.release("1.1", &content(&[("example.com.", 1), ("other.test.", 1)])), &store);
    server.wait_for("serving generation 1.1 of channel prod");
    assert!(server.log().contains("zone example.com. is in channel prod, and "), "{}", server.log());
    assert_eq!((server.serial("example.com."), server.serial("local.")), (Some(1), Some(5)));
    assert_eq!(server.ask_chaos("generation.server.").as_deref(), Some("1.1"));
    assert_eq!(server.get("/readyz").0, 200);
    let rows: serde_json::Value = serde_json::from_str(&server.get("/zones").1).unwrap();
    assert_eq!((&rows[0]["name"], &rows[0]["channel"]), (&"example.com.".into(), &"prod".into()));
    assert!(rows[0]["error"].as_str().unwrap().contains("example.com.zone is not served"), "{rows}");
    assert_eq!((&rows[1]["name"], &rows[1]["channel"]), (&"local.".into(), &serde_json::Value::Null));
    let (code, _, errors) = server.reload();
    assert_eq!(code, 1);
    assert!(errors.contains("zone example.com. is in channel prod"), "{errors}");
    assert_eq!(server.serial("example.com."), Some(1), "a reload does not lose the channel's zones");
    for line in [
        "catchment_sync_generation 1.0",
        "catchment_sync_key_set 1.0",
        "catchment_sync_state{state=\"watching\"} 1.0",
        "catchment_sync_applied_total 1",
        "catchment_sync_stale 0.0",
        "catchment_sync_unkept 0.0",
    ] {
        assert!(metric(&server, line), "no `{line}` in:\n{}", server.get("/metrics").1);
    }

    // The channel lets a zone go: the file comes into its own.
    publish(&publisher.release("1.2", &content(&[("other.test.", 2)])), &store);
    server.wait_for("serving generation 1.2 of channel prod");
    assert_eq!((server.serial("example.com."), server.serial("other.test.")), (Some(77), Some(2)));
    assert_eq!(server.ask_chaos("generation.server.").as_deref(), Some("1.2"));

    // What is signed by somebody else is not served, and is told.
    publisher.signer = 30;
    publish(&publisher.release("1.3", &content(&[("other.test.", 3)])), &store);
    server.wait_for("refused what store dir:");
    assert!(metric(&server, "catchment_sync_refused_total{reason=\"wrong_key\"} 1"));
    assert_eq!(server.serial("other.test."), Some(2));

    // Killed, and started with no store.
    let dir = kill(server);
    std::fs::rename(dir.path().join("store"), dir.path().join("gone")).unwrap();
    let server = start(dir);
    assert_eq!((server.serial("other.test."), server.serial("local.")), (Some(2), Some(5)));
    assert_eq!(server.ask_chaos("generation.server.").as_deref(), Some("1.2"));
    assert_eq!(server.get("/readyz").0, 200);
}

/// Asks for the serials of two zones, one after the other, until told to stop. Every release gives both the same serial.
fn keep_asking(dns: SocketAddr, stop: &AtomicBool) -> u64 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut newest = 0;
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        for zone in ["a.test.", "b.test."] {
            let question = query(zone, RecordType::SOA, DNSClass::IN);
            socket.send_to(&question.to_vec().unwrap(), dns).unwrap();
            let answer = receive(&socket, question.metadata.id).expect("no query is lost");
            let serial = serial(&answer).expect("every answer is whole");
            assert!(
                serial >= newest,
                "{zone} has serial {serial} after {newest} was seen: half a release, or an old one"
            );
            newest = serial;
            answers += 1;
        }
    }
    answers
}

fn both(serial: u32) -> Content {
    content(&[("a.test.", serial), ("b.test.", serial)])
}

#[test]
fn under_load_no_query_is_lost_and_no_release_is_half_there() {
    let mut server = Server::start("follow-load", &[("local.zone", &zone(1))], &settings());
    let store = store(&server);
    let mut publisher = Publisher::new();
    publish(&publisher.release("1.1", &both(1)), &store);
    server.wait_for("serving generation 1.1 ");
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (dns, stop) = (server.dns, Arc::clone(&stop));
            std::thread::spawn(move || keep_asking(dns, &stop))
        })
        .collect();
    for n in 2..=12 {
        publish(&publisher.release(&format!("1.{n}"), &both(n)), &store);
        // Reloads go on beside.
        std::fs::write(server.zone_file("local.zone"), zone(n)).unwrap();
        server.signal("HUP");
        server.wait_for(&format!("serving generation 1.{n} "));
    }
    let (code, _, errors) = server.reload();
    assert_eq!(code, 0, "{errors}");
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.join().unwrap() > 100);
    }
    assert_eq!((server.serial("a.test."), server.serial("local.")), (Some(12), Some(12)));
}

#[test]
fn killed_at_random_it_always_starts_and_ends_at_the_head() {
    let dir = prepare("follow-kill", &[], &settings());
    let store = dir::open(&dir.path().join("store"), 1);
    let mut publisher = Publisher::new();
    publish(&publisher.release("1.1", &both(1)), &store);
    let mut server = start(dir);
    server.wait_for("serving generation 1.1 ");
    let mut served = 1;
    // A linear congruential generator: the same times in each run.
    let mut random = 12345u32;
    for n in 2..=15 {
        publish(&publisher.release(&format!("1.{n}"), &both(n)), &store);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from(random >> 22) / 2));
        let dir = kill(server);
        server = start(dir);
        // From its disk alone: it starts with what it had, or with what it was about to have.
        let serial = server.serial("a.test.").unwrap();
        assert!((served..=n).contains(&serial), "{serial} after {served}");
        served = serial;
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.serial("b.test.") != Some(15) {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.ask_chaos("generation.server.").as_deref(), Some("1.15"));
}

/// A line of /proc/PID/status, in MiB.
fn mib(server: &Server, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

/// Processor time of the server's threads so far, in nanoseconds, from the scheduler.
fn processor_ns(server: &Server) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let spent = |thread: std::fs::DirEntry| {
        // One that has ended meanwhile took what it took.
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    threads.filter_map(|thread| spent(thread.unwrap())).sum()
}

fn counter(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").1;
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "minutes, and gigabytes to compile the zone; figures for docs/sync.md"]
fn a_million_delegations() {
    let delegations = std::env::var("DELEGATIONS").map_or(1_000_000, |text| text.parse().expect("a number"));
    let mut server = Server::start("follow-million", &[("local.zone", &zone(1))], &settings());
    let store = store(&server);
    let mut publisher = Publisher::new();
    let image = registry("big.test.", 1, delegations, None);
    let (whole, segments) = (image.len(), image.segments().len());
    publish(&publisher.release_of("1.1", vec![image]), &store);
    server.wait_for("serving generation 1.1 ");
    let first = counter(&server, "catchment_sync_fetched_bytes_total");
    println!(
        "{delegations} delegations: an image of {whole} octets, {segments} segments; first sync: {first} octets, {:.1} s of processor \
         time, {} MiB at the peak",
        processor_ns(&server) as f64 / 1e9,
        mib(&server, "VmHWM")
    );
    let image = registry("big.test.", 2, delegations, Some(7));
    let release = publisher.release_of("1.2", vec![image]);
    // The peak counts anew from here.
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let (before, spent) = (mib(&server, "VmRSS"), processor_ns(&server));
    publish(&release, &store);
    let line = server.wait_for("serving generation 1.2 ");
    let spent = processor_ns(&server) - spent;
    let moved = counter(&server, "catchment_sync_fetched_bytes_total") - first;
    let (peak, after) = (mib(&server, "VmHWM"), mib(&server, "VmRSS"));
    println!(
        "one record changed: {moved} octets, {:.1} ms of processor time; {before} MiB before, {peak} MiB at the peak, {after} MiB \
         after: {line}",
        spent as f64 / 1e6
    );
    assert_eq!(server.serial("big.test."), Some(2));
    assert!(moved <= 1 << 20, "{moved}");
    assert!(peak - before <= whole >> 21, "{before} MiB, and {peak} at the peak");
}
