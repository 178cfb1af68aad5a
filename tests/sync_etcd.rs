//! Channels in etcd against real members: three on loopback or in network namespaces, killed, stopped, cut off, started again.

mod support;

use catchment::sync::channel::Channel;
use catchment::sync::head::STATE_LEN_MAX;
use catchment::sync::report::REPORT_LEN_MAX;
use catchment::sync::store::etcd::{Auth, Etcd, Identity, Secret, Settings, Tls};
use catchment::sync::store::{Channels, Permits, StoreError, Version, Versioned};
use std::collections::BTreeSet;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use support::etcd::{Certificates, Cluster, Options};
use support::peers::free_port;
use support::process::TempDir;
use support::skip;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// Most that may pass until a change is seen by all that watch members which are well: p99.
const LATENCY_MAX: Duration = Duration::from_secs(1);
/// Most that may pass until a change is seen in spite of a silent member: 3 s of silence, a question of 2 s, a pause, a read.
const SILENT_MAX: Duration = Duration::from_secs(7);
/// Most that anything else may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clusters are fsync and elections: one at a time, or what is measured is the other tests.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Starts a cluster, or says why the test is skipped.
fn cluster(options: Options) -> Option<Cluster> {
    Cluster::start(options).map_err(skip).ok()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(4 * PATIENCE, work).await.expect("an end") })
}

fn settings(members: Vec<String>) -> Settings {
    Settings { members, prefix: "test".into(), tls: None, auth: None }
}

fn open(members: Vec<String>) -> Arc<Etcd> {
    Arc::new(Etcd::open(settings(members)).expect("good settings"))
}

fn user(members: Vec<String>, user: &str, password: &str) -> Arc<Etcd> {
    let auth = Auth::Password { user: user.into(), password: Secret::Text(password.into()) };
    Arc::new(Etcd::open(Settings { auth: Some(auth), ..settings(members) }).expect("good settings"))
}

fn prod() -> Channel {
    "prod".parse().unwrap()
}

/// Tries until it is done, as a publisher does.
async fn publish(etcd: &Etcd, bytes: &[u8]) -> Version {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let known = etcd.state(&prod()).await;
        let done = match &known {
            Ok(Some(there)) if there.bytes == bytes => return there.version.clone(),
            Ok(there) => etcd.replace(&prod(), there.as_ref().map(|there| &there.version), bytes.into()).await.map(Ok),
            Err(e) => Ok(Err(e.clone())),
        };
        match done {
            Ok(Ok(Some(version))) => return version,
            failed => assert!(Instant::now() < deadline, "not published: {failed:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a follower learned, and when.
struct Follower {
    seen: mpsc::UnboundedReceiver<(Instant, Versioned)>,
    task: tokio::task::JoinHandle<()>,
}

impl Follower {
    fn new(etcd: Arc<Etcd>) -> Follower {
        let (tell, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut known = None;
            loop {
                match etcd.changed(&prod(), known.as_ref()).await {
                    Ok(Some(state)) => {
                        known = Some(state.version.clone());
                        let _ = tell.send((Instant::now(), state));
                    }
                    Ok(None) => tokio::time::sleep(Duration::from_millis(100)).await,
                    Err(e) => {
                        assert!(e.is_passing(), "{e}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
        Follower { seen, task }
    }

    /// Waits until it has learned of this state.
    async fn sees(&mut self, bytes: &[u8]) -> Instant {
        let wait = async {
            loop {
                let (at, state) = self.seen.recv().await.expect("the follower lives");
                if state.bytes == bytes {
                    return at;
                }
            }
        };
        let late = || panic!("{} not seen in {PATIENCE:?}", String::from_utf8_lossy(bytes));
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| late())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Something between client and member: listens on a port, passes on; may hold back what asks for a watch.
struct Relay {
    addr: SocketAddr,
    held: Arc<Mutex<usize>>,
    pass: watch::Sender<bool>,
}

impl Relay {
    /// `port` 0: any.
    async fn new(port: u16, to: String, pass: bool) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a port");
        let addr = listener.local_addr().unwrap();
        let (sender, pass) = watch::channel(pass);
        let held = Arc::new(Mutex::new(0));
        let counted = held.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, mut pass, held) = (to.clone(), pass.clone(), counted.clone());
                tokio::spawn(async move {
                    let Ok(member) = TcpStream::connect(to).await else { return };
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_member, mut to_member) = member.into_split();
                    let back = tokio::spawn(async move { tokio::io::copy(&mut from_member, &mut to_client).await });
                    let mut buffer = vec![0; 65536];
                    while let Ok(len @ 1..) = from_client.read(&mut buffer).await {
                        if buffer[..len].windows(14).any(|window| window == b"POST /v3/watch") && !*pass.borrow() {
                            *held.lock().unwrap() += 1;
                            let _ = pass.wait_for(|pass| *pass).await;
                        }
                        if to_member.write_all(&buffer[..len]).await.is_err() {
                            break;
                        }
                    }
                    back.abort();
                });
            }
        });
        Relay { addr, held, pass: sender }
    }
}

fn quantiles(mut all: Vec<Duration>) -> [Duration; 3] {
    all.sort();
    [all[all.len() / 2], all[all.len() * 99 / 100], all[all.len() - 1]]
}

#[test]
fn of_many_writers_one_wins_each_time() {
    let _alone = alone();
    let Some(cluster) = cluster(Options::default()) else { return };
    run(async {
        const WRITERS: u64 = 8;
        const EACH: u64 = 10;
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let etcd = open(cluster.clients());
                tokio::spawn(async move {
                    let mut versions = Vec::new();
                    while versions.len() < EACH as usize {
                        let there = etcd.state(&prod()).await.unwrap();
                        let count: u64 =
                            there.as_ref().map_or(0, |there| String::from_utf8_lossy(&there.bytes).parse().unwrap());
                        let next = (count + 1).to_string().into_bytes();
                        let known = there.as_ref().map(|there| &there.version);
                        if let Some(version) = etcd.replace(&prod(), known, next.clone()).await.unwrap() {
                            // A version that is gone replaces nothing.
                            assert_eq!(etcd.replace(&prod(), known, b"again".to_vec()).await, Ok(None));
                            versions.push(version.0);
                        }
                    }
                    versions
                })
            })
            .collect();
        let mut versions = BTreeSet::new();
        for writer in writers {
            versions.extend(writer.await.unwrap());
        }
        assert_eq!(versions.len() as u64, WRITERS * EACH, "each version was given once");
        let etcd = open(cluster.clients());
        let last = etcd.state(&prod()).await.unwrap().unwrap();
        assert_eq!(last.bytes, (WRITERS * EACH).to_string().into_bytes(), "no write was lost");
        assert!(versions.contains(&last.version.0));
        for known in [None, Some(Version("0".into())), Some(Version("W/\"etag\"".into()))] {
            assert_eq!(etcd.replace(&prod(), known.as_ref(), b"other".to_vec()).await, Ok(None), "{known:?}");
        }
        assert_eq!(etcd.state(&prod()).await.unwrap().unwrap(), last);

        // Key sets are kept once.
        assert_eq!(etcd.key_set(&prod(), 7).await, Ok(None));
        assert_eq!(etcd.put_key_set(&prod(), 7, b"seven".to_vec()).await, Ok(true));
        assert_eq!(etcd.put_key_set(&prod(), 7, b"other".to_vec()).await, Ok(false));
        assert_eq!(etcd.put_key_set(&prod(), 7, b"seven".to_vec()).await, Ok(false));
        assert_eq!(etcd.key_set(&prod(), 7).await, Ok(Some(b"seven".to_vec())));

        // A channel is there once it has a state.
        for name in ["a-b", "a0", "a", "z"] {
            let channel: Channel = name.parse().unwrap();
            etcd.report(&channel, "ams1", b"{}".to_vec(), Duration::from_secs(60)).await.unwrap();
            etcd.put_key_set(&channel, 1, b"one".to_vec()).await.unwrap();
            assert_eq!(etcd.state(&channel).await, Ok(None));
            if name != "z" {
                etcd.replace(&channel, None, b"x".to_vec()).await.unwrap().expect("it was absent");
            }
        }
        cluster.ctl(&["put", "test/channels/No Channel/state", "x"]).unwrap();
        cluster.ctl(&["put", "testing", "x"]).unwrap();
        let names: Vec<String> = etcd.channels().await.unwrap().iter().map(Channel::to_string).collect();
        assert_eq!(names, ["a", "a-b", "a0", "prod"]);
        let stored = cluster.ctl(&["get", "test/channels/prod", "--prefix", "--keys-only"]).unwrap();
        let stored: Vec<&str> = stored.split_whitespace().collect();
        assert_eq!(stored, ["test/channels/prod/keys/0000000007", "test/channels/prod/state"]);
    });
}

#[test]
fn twenty_watchers_see_each_change_at_once() {
    let _alone = alone();
    let Some(cluster) = cluster(Options::default()) else { return };
    run(async {
        const CHANGES: usize = 50;
        let publisher = open(cluster.clients());
        publish(&publisher, b"first").await;
        let mut followers: Vec<Follower> = (0..20).map(|_| Follower::new(open(cluster.clients()))).collect();
        for follower in &mut followers {
            follower.sees(b"first").await;
        }
        let mut latencies = Vec::new();
        let mut known = publisher.state(&prod()).await.unwrap().unwrap().version;
        for n in 0..CHANGES {
            let bytes = [n.to_string().into_bytes(), vec![b'.'; 20_000]].concat();
            let begun = Instant::now();
            known = publisher.replace(&prod(), Some(&known), bytes.clone()).await.unwrap().expect("nobody else writes");
            for follower in &mut followers {
                let (at, state) = follower.seen.recv().await.unwrap();
                assert_eq!((&state.bytes, &state.version), (&bytes, &known), "each change, once and in order");
                latencies.push(at.saturating_duration_since(begun));
            }
        }
        let [p50, p99, max] = quantiles(latencies);
        println!(
            "from the write of a 20 kB state to 20 watchers, {CHANGES} times: p50 {p50:?} p99 {p99:?} max {max:?}"
        );
        assert!(p99 <= LATENCY_MAX, "{p99:?}");
    });
}

#[test]
fn a_watch_whose_start_is_compacted_reads_again() {
    let _alone = alone();
    let Some(cluster) = cluster(Options { members: 1, ..Options::default() }) else { return };
    run(async {
        let publisher = open(cluster.clients());
        publish(&publisher, b"first").await;
        // The follower reads, and its watch is held back until its start is gone.
        let relay = Relay::new(0, cluster.clients().remove(0), false).await;
        let mut follower = Follower::new(open(vec![relay.addr.to_string()]));
        follower.sees(b"first").await;
        let deadline = Instant::now() + PATIENCE;
        while *relay.held.lock().unwrap() == 0 {
            assert!(Instant::now() < deadline, "no watch was asked for");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for change in ["second", "third"] {
            publish(&publisher, change.as_bytes()).await;
        }
        let revision = publisher.state(&prod()).await.unwrap().unwrap().version.0;
        cluster.ctl(&["compact", &revision]).unwrap();
        let begun = Instant::now();
        relay.pass.send(true).unwrap();
        let (at, state) = follower.seen.recv().await.unwrap();
        assert_eq!(state.bytes, b"third", "what was between is gone, the newest is not");
        assert!(at - begun < Duration::from_secs(2), "{:?}", at - begun);
        // And one that is open meanwhile goes on.
        let more = publish(&publisher, b"fourth").await.0;
        follower.sees(b"fourth").await;
        cluster.ctl(&["compact", &more]).unwrap();
        publish(&publisher, b"fifth").await;
        follower.sees(b"fifth").await;
    });
}

#[test]
fn a_killed_leader_a_member_started_again_and_all_of_them() {
    let _alone = alone();
    let Some(mut cluster) = cluster(Options::default()) else { return };
    run(async {
        let publisher = open(cluster.clients());
        publish(&publisher, b"first").await;
        let mut followers: Vec<Follower> = (0..6).map(|_| Follower::new(open(cluster.clients()))).collect();
        for follower in &mut followers {
            follower.sees(b"first").await;
        }
        let leader = cluster.leader();
        cluster.kill(leader);
        let begun = Instant::now();
        publish(&publisher, b"without its leader").await;
        let written = begun.elapsed();
        for follower in &mut followers {
            follower.sees(b"without its leader").await;
        }
        println!("leader killed: written after {written:?}, seen by all after {:?}", begun.elapsed());
        cluster.spawn(leader).unwrap();
        cluster.wait().unwrap();
        publish(&publisher, b"three again").await;
        for follower in &mut followers {
            follower.sees(b"three again").await;
        }
        // One after the other, as for an upgrade.
        for n in 0..3 {
            cluster.kill(n);
            cluster.spawn(n).unwrap();
            cluster.wait().unwrap();
        }
        publish(&publisher, b"one after the other").await;
        for follower in &mut followers {
            follower.sees(b"one after the other").await;
        }
        for n in 0..3 {
            cluster.kill(n);
        }
        let begun = Instant::now();
        let gone = publisher.state(&prod()).await.unwrap_err();
        assert!(gone.is_passing(), "{gone:?}");
        for member in cluster.clients() {
            assert!(gone.to_string().contains(&member), "{gone}");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "nobody listens, so nobody is waited for: {:?}",
            begun.elapsed()
        );
        for n in 0..3 {
            cluster.spawn(n).unwrap();
        }
        cluster.wait().unwrap();
        publish(&publisher, b"all again").await;
        for follower in &mut followers {
            follower.sees(b"all again").await;
        }
    });
}

/// A follower that watches member 0 while the others can't be reached; then they can. Then `silence` befalls member 0, and a change is
/// made through the others: how long until it is seen?
async fn left_after(cluster: &Cluster, silence: impl FnOnce(&Cluster)) -> Duration {
    let clients = cluster.clients();
    let ports = [free_port(Ipv4Addr::LOCALHOST.into()), free_port(Ipv4Addr::LOCALHOST.into())];
    let others = ports.map(|port| format!("127.0.0.1:{port}"));
    let publisher = open(clients[1..].to_vec());
    publish(&publisher, b"first").await;
    let mut follower = Follower::new(open(vec![clients[0].clone(), others[0].clone(), others[1].clone()]));
    follower.sees(b"first").await;
    let _relays =
        [Relay::new(ports[0], clients[1].clone(), true).await, Relay::new(ports[1], clients[2].clone(), true).await];
    publish(&publisher, b"second").await;
    follower.sees(b"second").await;
    // The watch from there on is made within this, or its read meets the silence: both must end well.
    tokio::time::sleep(Duration::from_millis(300)).await;
    silence(cluster);
    let begun = Instant::now();
    publish(&publisher, b"third").await;
    follower.sees(b"third").await - begun
}

#[test]
fn a_stopped_member_is_left() {
    let _alone = alone();
    let Some(cluster) = cluster(Options::default()) else { return };
    run(async {
        for (what, leads) in [("follower", false), ("leader", true)] {
            // Member 0 is to be the one or the other.
            let member = |n: usize| {
                let status = cluster.ask(n, &["endpoint", "status", "-w", "fields"]).unwrap();
                let id = status
                    .lines()
                    .find_map(|line| line.strip_prefix("\"MemberID\" : "))
                    .expect("an id")
                    .trim()
                    .to_owned();
                format!("{:x}", id.parse::<u64>().unwrap())
            };
            if (cluster.leader() == 0) != leads {
                let to = member(if leads { 0 } else { 1 });
                cluster.ask(cluster.leader(), &["move-leader", &to]).unwrap();
            }
            assert_eq!(cluster.leader() == 0, leads);
            let took = left_after(&cluster, |cluster| cluster.stop(0)).await;
            println!("a {what} stopped: a change is seen after {took:?} by who watched it");
            assert!(took < SILENT_MAX, "{took:?}");
            cluster.resume(0);
            publish(&open(cluster.clients()), b"healed").await;
        }
    });
}

#[test]
fn a_member_that_is_cut_off_is_left() {
    let _alone = alone();
    let cluster = match Cluster::start_in_net(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    cluster.net().as_client(|| {
        run(async {
            // Relays of left_after listen in the clients' namespace, where all this runs.
            let took = left_after(&cluster, |cluster| cluster.net().cut(0, "peer").unwrap()).await;
            println!("a member without its quorum: a change is seen after {took:?} by who watched it");
            assert!(took < SILENT_MAX, "{took:?}");
            let stale =
                cluster.ask(0, &["get", "test/channels/prod/state", "--consistency=s", "--print-value-only"]).unwrap();
            assert_eq!(stale.trim(), "second", "it answers who asks for no quorum, from what it has");
            let begun = Instant::now();
            let refused = open(cluster.clients()[..1].to_vec()).state(&prod()).await.unwrap_err();
            assert!(refused.is_passing(), "{refused:?}");
            assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
            // With the others beside it: one attempt lost at most.
            let begun = Instant::now();
            assert_eq!(open(cluster.clients()).state(&prod()).await.unwrap().unwrap().bytes, b"third");
            assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
            cluster.net().heal(0).unwrap();
            publish(&open(cluster.clients()[..1].to_vec()), b"healed").await;

            let took = left_after(&cluster, |cluster| cluster.net().cut(0, "client").unwrap()).await;
            println!("a member whose packets are dropped: a change is seen after {took:?} by who watched it");
            assert!(took < SILENT_MAX, "{took:?}");
        });
    });
}

#[test]
fn nodes_that_report_no_more_are_forgotten() {
    let _alone = alone();
    let Some(cluster) = cluster(Options::default()) else { return };
    run(async {
        const TTL: Duration = Duration::from_secs(3);
        let etcd = open(cluster.clients());
        assert_eq!(etcd.reports(&prod()).await, Ok(vec![]));
        let odd = "näme/..\u{0}";
        etcd.report(&prod(), odd, b"once".to_vec(), TTL).await.unwrap();
        etcd.report(&prod(), "silent", b"for long".to_vec(), Duration::from_secs(600)).await.unwrap();
        let other: Channel = "prod2".parse().unwrap();
        etcd.report(&other, "elsewhere", b"x".to_vec(), TTL).await.unwrap();
        let begun = Instant::now();
        for n in 0.. {
            etcd.report(&prod(), "ams1", n.to_string().into_bytes(), TTL).await.unwrap();
            let reports = etcd.reports(&prod()).await.unwrap();
            let ams1 = reports.iter().find(|(node, ..)| node == "ams1").expect("who reports is there");
            assert_eq!(ams1.1, n.to_string().into_bytes());
            assert!(ams1.2 <= Duration::from_secs(2), "just reported: {:?}", ams1.2);
            if n == 0 {
                let names: Vec<&str> = reports.iter().map(|(node, ..)| node.as_str()).collect();
                assert_eq!(names, ["ams1", odd, "silent"], "sorted");
            }
            if begun.elapsed() > 2 * TTL && reports.len() == 2 {
                let silent = &reports[1];
                assert_eq!((silent.0.as_str(), &silent.1[..]), ("silent", &b"for long"[..]));
                assert!(silent.2 >= 2 * TTL - Duration::from_secs(2), "its age rises: {:?}", silent.2);
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "not forgotten: {reports:?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        println!("a report of {TTL:?} was forgotten by {:?}", begun.elapsed());

        // A lease that is gone is granted again.
        let leases = cluster.ctl(&["lease", "list"]).unwrap();
        for lease in leases.lines().filter(|line| line.len() == 16) {
            cluster.ctl(&["lease", "revoke", lease]).unwrap();
        }
        assert_eq!(etcd.reports(&prod()).await, Ok(vec![]));
        etcd.report(&prod(), "ams1", b"back".to_vec(), TTL).await.unwrap();
        let reports = etcd.reports(&prod()).await.unwrap();
        assert_eq!((reports.len(), &reports[0].1[..]), (1, &b"back"[..]));
        // A node reports from a process that was started again, and with another lifetime.
        open(cluster.clients()).report(&prod(), "ams1", b"new".to_vec(), 20 * TTL).await.unwrap();
        tokio::time::sleep(2 * TTL).await;
        let reports = etcd.reports(&prod()).await.unwrap();
        assert_eq!((reports.len(), &reports[0].1[..]), (1, &b"new"[..]), "the old lease took nothing with it");

        // More nodes than a page has.
        for n in 0..150 {
            etcd.report(&prod(), &format!("node{n:03}"), vec![b'x'; 5000], 40 * TTL).await.unwrap();
        }
        let begun = Instant::now();
        let reports = etcd.reports(&prod()).await.unwrap();
        println!("reports of {} nodes read in {:?}", reports.len(), begun.elapsed());
        assert_eq!(reports.len(), 151);
        assert!(reports.iter().all(|(node, bytes, _)| node == "ams1" || bytes.len() == 5000));
    });
}

#[test]
fn users_roles_and_tokens() {
    let _alone = alone();
    let options = Options { flags: vec!["--auth-token-ttl=2".into()], ..Options::default() };
    let Some(mut cluster) = cluster(options) else { return };
    run(async {
        let members = cluster.clients();
        // Whoever has a password already is served before there are users.
        let early = user(members.clone(), "publisher", "secret-p");
        publish(&early, b"first").await;
        let root = ["--user", "root:secret-r"];
        // As operators are told to do it. `user add` would ask for a password.
        let mut commands = 0;
        for line in include_str!("../docs/sync.md").lines() {
            let Some(command) = line.strip_prefix("    etcdctl ") else { continue };
            let mut command = command.replace("dns/", "test/");
            if let Some(user) = command.strip_prefix("user add ") {
                command = format!("user add {user}:secret-{}", &user[..1]);
            }
            cluster.ctl(&command.split_whitespace().collect::<Vec<_>>()).unwrap();
            commands += 1;
        }
        assert_eq!(commands, 13, "docs/sync.md has them");
        let denied = |result: Result<(), StoreError>, says: &str| match result {
            Err(StoreError::Denied(why)) => assert!(why.contains(says), "{why}"),
            other => panic!("{other:?} and not: {says}"),
        };
        let says =
            "it asks who we are (CATCHMENT_ETCD_USER and CATCHMENT_ETCD_PASSWORD_FILE, or CATCHMENT_ETCD_TOKEN_FILE)";
        denied(open(members.clone()).state(&prod()).await.map(drop), says);
        let wrong = user(members.clone(), "node", "wrong");
        denied(
            wrong.state(&prod()).await.map(drop),
            "user node: etcdserver: authentication failed, invalid user ID or password",
        );
        denied(wrong.changed(&prod(), None).await.map(drop), "user node: etcdserver: authentication failed");

        // Once there are users, who was early logs in.
        publish(&early, b"second").await;
        let node = user(members.clone(), "node", "secret-n");
        let state = node.state(&prod()).await.unwrap().unwrap();
        assert_eq!(state.bytes, b"second");
        node.report(&prod(), "ams1", b"{}".to_vec(), Duration::from_secs(60)).await.unwrap();
        assert_eq!(node.reports(&prod()).await.unwrap().len(), 1);
        let ttl = Duration::from_secs(10);
        assert_eq!(node.take(&prod(), "ams1 0", 1, ttl).await, Ok(Some(0)));
        assert_eq!(node.take(&prod(), "ams1 0", 1, ttl).await, Ok(Some(0)), "it goes on with it");
        assert_eq!(node.take(&prod(), "ams2 0", 1, ttl).await, Ok(None), "it is another's");
        assert_eq!(node.take(&prod(), "ams2 0", 2, ttl).await, Ok(Some(1)));
        denied(node.take(&"other".parse().unwrap(), "ams1 0", 1, ttl).await.map(drop), "permission denied");
        denied(node.replace(&prod(), Some(&state.version), b"mine".to_vec()).await.map(drop), "permission denied");
        denied(node.put_key_set(&prod(), 1, b"mine".to_vec()).await.map(drop), "permission denied");
        let other: Channel = "other".parse().unwrap();
        denied(node.state(&other).await.map(drop), "permission denied");
        denied(node.changed(&other, None).await.map(drop), "permission denied");
        assert_eq!(early.state(&prod()).await.unwrap().unwrap(), state, "nothing that was denied was done");

        // Tokens of two seconds: a watch outlives them, and who was idle logs in again.
        let mut follower = Follower::new(node.clone());
        follower.sees(b"second").await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        publish(&early, b"third").await;
        follower.sees(b"third").await;
        tokio::time::sleep(Duration::from_secs(6)).await;
        node.report(&prod(), "ams1", b"again".to_vec(), Duration::from_secs(60)).await.unwrap();

        // A token of somebody else's: good until it is not, then read again from its file.
        let token = |user: &str| {
            let request = format!(r#"{{"name":"{user}","password":"secret-n"}}"#);
            let answer = ask_gateway(&members[0], "/v3/auth/authenticate", &request);
            answer.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token").to_owned()
        };
        let dir = TempDir::new("etcd-token");
        let path = dir.write("token", format!("{}\n", token("node")));
        let auth = Some(Auth::Token(Secret::File(path)));
        let by_token = Etcd::open(Settings { auth, ..settings(members.clone()) }).unwrap();
        assert_eq!(by_token.state(&prod()).await.unwrap().unwrap().bytes, b"third");
        tokio::time::sleep(Duration::from_secs(6)).await;
        denied(by_token.state(&prod()).await.map(drop), "the token is not taken: get another");
        dir.write("token", token("node"));
        assert_eq!(by_token.state(&prod()).await.unwrap().unwrap().bytes, b"third");

        // Members forget simple tokens when they are started again.
        for n in 0..3 {
            cluster.kill(n);
        }
        for n in 0..3 {
            cluster.spawn(n).unwrap();
        }
        // Without a user etcdctl is refused once members answer.
        let up = |n: usize| cluster.ask(n, &[&root[..], &["get", "x"]].concat()).is_ok();
        let deadline = Instant::now() + PATIENCE;
        while !(0..3).all(up) {
            assert!(Instant::now() < deadline, "the cluster is not back");
        }
        publish(&early, b"fourth").await;
        follower.sees(b"fourth").await;
        node.report(&prod(), "ams1", b"still".to_vec(), Duration::from_secs(60)).await.unwrap();

        // What changes while everybody is logged in.
        cluster.ctl(&[&root[..], &["user", "revoke-role", "publisher", "catchment-publisher"]].concat()).unwrap();
        let version = node.state(&prod()).await.unwrap().unwrap().version;
        denied(early.replace(&prod(), Some(&version), b"fifth".to_vec()).await.map(drop), "permission denied");
    });
}

/// One request by hand.
fn ask_gateway(member: &str, path: &str, body: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(member).expect("a member");
    let len = body.len();
    write!(stream, "POST {path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn tls_of_an_authority_of_our_own() {
    let _alone = alone();
    let dir = TempDir::new("etcd-tls");
    let ours = Certificates::new(&dir.path().join("ours")).and_then(|made| {
        made.issue("server")?;
        made.issue("client")?;
        Ok(made)
    });
    let theirs = Certificates::new(&dir.path().join("theirs")).and_then(|made| made.issue("client").map(|()| made));
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(why), _) | (_, Err(why)) => return skip(why),
    };
    let Some(cluster) = cluster(Options { tls: Some(ours.clone()), ..Options::default() }) else { return };
    run(async {
        let with = |ca: &Certificates, client: Option<&Certificates>| {
            let identity =
                client.map(|made| Identity { certificate: made.certificate("client"), key: made.key("client") });
            let tls = Some(Tls { ca: Some(ca.authority()), identity });
            Etcd::open(Settings { tls, ..settings(cluster.clients()) }).unwrap()
        };
        let good = Arc::new(with(&ours, Some(&ours)));
        publish(&good, b"first").await;
        let mut follower = Follower::new(good.clone());
        follower.sees(b"first").await;
        publish(&good, b"second").await;
        follower.sees(b"second").await;
        good.report(&prod(), "ams1", b"{}".to_vec(), Duration::from_secs(60)).await.unwrap();
        let refused = |result: Result<Option<Versioned>, StoreError>, says: &str| {
            let why = result.unwrap_err();
            assert!(why.is_passing() && why.to_string().contains(says), "{why} and not: {says}");
        };
        refused(with(&theirs, Some(&ours)).state(&prod()).await, "invalid peer certificate: UnknownIssuer");
        refused(with(&ours, Some(&theirs)).state(&prod()).await, &cluster.clients()[0]);
        refused(with(&ours, None).state(&prod()).await, &cluster.clients()[0]);
        refused(open(cluster.clients()).state(&prod()).await, "connection closed before message completed");
        let nobody = Settings { tls: Some(Tls::default()), ..settings(cluster.clients()) };
        refused(Etcd::open(nobody).unwrap().state(&prod()).await, "invalid peer certificate: UnknownIssuer");

        let path = dir.write("no.pem", "no certificate");
        for (tls, says) in [
            (Tls { ca: Some(path.clone()), identity: None }, "no.pem: there is no certificate (PEM) in it"),
            (Tls { ca: Some(dir.path().join("absent")), identity: None }, "absent: No such file"),
            (
                Tls { ca: None, identity: Some(Identity { certificate: ours.certificate("client"), key: path }) },
                "no.pem",
            ),
        ] {
            let why = Etcd::open(Settings { tls: Some(tls), ..settings(cluster.clients()) })
                .err()
                .expect("refused")
                .to_string();
            assert!(why.contains(says), "{why}");
        }
    });
}

#[test]
fn absurd_sizes_are_refused() {
    let _alone = alone();
    // Lets etcd take more than its default of 1.5 MiB.
    let options = Options { members: 1, flags: vec!["--max-request-bytes=12000000".into()], ..Options::default() };
    let Some(cluster) = cluster(options) else { return };
    run(async {
        let etcd = open(cluster.clients());
        let too_large = |result: Result<(), StoreError>, max: u64| match result {
            Err(StoreError::TooLarge { has, max: bound, .. }) => {
                assert!(has > max && bound >= max && bound < 2 * max + 5000, "{has} {bound}")
            }
            other => panic!("{other:?}"),
        };
        let state_max = STATE_LEN_MAX as u64;
        too_large(etcd.replace(&prod(), None, vec![0; STATE_LEN_MAX + 1]).await.map(drop), state_max);
        too_large(etcd.put_key_set(&prod(), 1, vec![0; 70_000]).await.map(drop), 65_536);
        too_large(etcd.report(&prod(), "a", vec![0; REPORT_LEN_MAX + 1], PATIENCE).await, REPORT_LEN_MAX as u64);
        too_large(etcd.report(&prod(), &"a".repeat(256), vec![], PATIENCE).await, 255);
        assert_eq!(cluster.ctl(&["get", "", "--prefix", "--keys-only"]).unwrap().trim(), "", "nothing was written");

        // The largest that can be.
        let largest = vec![0xfe; STATE_LEN_MAX];
        let version = etcd.replace(&prod(), None, largest.clone()).await.unwrap().expect("it was absent");
        assert_eq!(etcd.state(&prod()).await.unwrap().unwrap(), Versioned { version: version.clone(), bytes: largest });

        // Who may write wrote more: one more octet than can be, and as much as etcd takes.
        for len in [STATE_LEN_MAX + 1, 8_000_000] {
            put_by_hand(&cluster.clients()[0], "test/channels/prod/state", 10, None);
            let (etcd, known) = (etcd.clone(), etcd.state(&prod()).await.unwrap().unwrap().version);
            let watcher = etcd.clone();
            let watching = tokio::spawn(async move { watcher.changed(&prod(), Some(&known)).await });
            // Time for it to watch.
            tokio::time::sleep(Duration::from_millis(300)).await;
            put_by_hand(&cluster.clients()[0], "test/channels/prod/state", len, None);
            too_large(etcd.state(&prod()).await.map(drop), state_max);
            too_large(tokio::time::timeout(PATIENCE, watching).await.unwrap().unwrap().map(drop), state_max);
        }
        put_by_hand(&cluster.clients()[0], "test/channels/prod/keys/0000000009", 1_000_000, None);
        too_large(etcd.key_set(&prod(), 9).await.map(drop), 65_536);

        // Reports: too long without its octets, the others as they are; one without a lease, or at no node's key, is none.
        let lease = cluster.ctl(&["lease", "grant", "600"]).unwrap();
        let lease = i64::from_str_radix(lease.split_whitespace().nth(1).expect("an id"), 16).unwrap();
        etcd.report(&prod(), "b", b"good".to_vec(), PATIENCE).await.unwrap();
        for (node, len) in [("61", REPORT_LEN_MAX + 1), ("63", 1_000_000), ("6", 1)] {
            put_by_hand(&cluster.clients()[0], &format!("test/channels/prod/nodes/{node}"), len, Some(lease));
        }
        put_by_hand(&cluster.clients()[0], "test/channels/prod/nodes/64", 1, None);
        let reports = etcd.reports(&prod()).await.unwrap();
        let shown: Vec<(&str, &[u8])> = reports.iter().map(|(node, bytes, _)| (node.as_str(), &bytes[..])).collect();
        assert_eq!(shown, [("a", &b""[..]), ("b", b"good"), ("c", b"")]);
        put_by_hand(&cluster.clients()[0], "test/channels/prod/nodes/65", 8_000_000, Some(lease));
        assert!(
            matches!(etcd.reports(&prod()).await, Err(StoreError::TooLarge { .. })),
            "what can't be told in bounds is said"
        );
    });
}

/// Writes so many zeros at a key, past our own bounds.
fn put_by_hand(member: &str, key: &str, len: usize, lease: Option<i64>) {
    use base64::Engine;
    let base64 = base64::engine::general_purpose::STANDARD;
    let (key, value) = (base64.encode(key), base64.encode(vec![0; len]));
    let body = format!(r#"{{"key":"{key}","value":"{value}","lease":"{}"}}"#, lease.unwrap_or(0));
    let answer = ask_gateway(member, "/v3/kv/put", &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn what_is_no_etcd_is_named() {
    run(async {
        let port = free_port(Ipv4Addr::LOCALHOST.into());
        let begun = Instant::now();
        let gone = open(vec![format!("127.0.0.1:{port}")]).state(&prod()).await.unwrap_err();
        assert!(gone.is_passing() && gone.to_string().contains("Connection refused"), "{gone}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());

        // A web server; one that says nothing; one that never ends.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let member = listener.local_addr().unwrap().to_string();
        let (say, said) = watch::channel("");
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let said = *said.borrow();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = client.read(&mut request).await;
                    let _ = client.write_all(said.as_bytes()).await;
                    while said.ends_with("[") && client.write_all(&[b' '; 4096]).await.is_ok() {}
                    let _ = client.read(&mut request).await;
                });
            }
        });
        for (answer, says) in [
            (
                "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nnginx",
                "not etcd's JSON gateway: 404 Not Found: nginx",
            ),
            (
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                "302 Found",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", "no answer of etcd's"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n[", "has"),
            ("", "no answer in 2 s"),
        ] {
            say.send(answer).unwrap();
            let begun = Instant::now();
            let refused = open(vec![member.clone()]).state(&prod()).await.unwrap_err();
            assert!(refused.to_string().contains(says), "{refused} and not: {says}");
            assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        }
        for members in [vec![], vec!["a/b".to_owned()], vec!["a".to_owned(); 17]] {
            assert!(matches!(Etcd::open(settings(members)), Err(StoreError::Malformed { .. })));
        }
        let bad = Settings { prefix: "/a".into(), ..settings(vec!["a".into()]) };
        let why = Etcd::open(bad).err().expect("refused").to_string();
        assert!(why.starts_with("etcd's prefix: a prefix is segments"), "{why}");
    });
}
