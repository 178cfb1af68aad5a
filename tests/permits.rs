//! Permits to withdraw for staleness, from real etcd members: every node stale at once, members killed, stopped, cut off; and the whole of it,
//! servers, sidecars and routers.

mod support;

use catchment::announce::explain::Report;
use catchment::random::Random;
use catchment::serve::boot_time;
use catchment::sync::permit::{Keeper, Permit, TTL, VALID};
use catchment::sync::store::Permits;
use catchment::sync::store::etcd::{Etcd, Settings};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::announcer::{Announcer, LOCAL_AS, ROUTER_AS, Router};
use support::catchment::Server;
use support::etcd::{Cluster, Options};
use support::fleet::{CHANNEL, Publisher};
use support::process::TempDir;
use support::skip;

/// Most that anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked how many permits are in force.
const LOOK: Duration = Duration::from_millis(20);
/// Permits of all these fleets.
const SLOTS: u32 = 2;

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(4 * PATIENCE, work).await.expect("an end") })
}

/// A node that is stale: what asks for its permit, and what its sidecar would be told.
struct Node {
    permit: Arc<Permit>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    fn start(number: usize, members: Vec<String>) -> Node {
        let settings = Settings { members, prefix: "test".into(), tls: None, auth: None };
        let permits: Arc<dyn Permits> = Arc::new(Etcd::open(settings).expect("good settings"));
        let permit = Arc::new(Permit::new(Arc::new(boot_time)));
        let keeper = Keeper {
            permits,
            channel: CHANNEL.parse().unwrap(),
            holder: format!("node{number}"),
            slots: SLOTS,
            wanted: Box::new(|| true),
            permit: Arc::clone(&permit),
            jitter: Random::new(number as u64),
        };
        Node { permit, task: tokio::spawn(keeper.run()) }
    }

    fn permitted(&self) -> bool {
        self.permit.in_force()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many have a permit in force: never more than there are.
fn in_force(nodes: &[Node]) -> usize {
    let count = nodes.iter().filter(|node| node.permitted()).count();
    assert!(count <= SLOTS as usize, "{count} of {SLOTS} permits are in force");
    count
}

/// Looks for so long, and gives for how long how many were in force at least.
async fn watch(nodes: &[Node], time: Duration, least: usize) -> Duration {
    let (end, mut fewer) = (Instant::now() + time, Duration::ZERO);
    while Instant::now() < end {
        let begun = Instant::now();
        let few = in_force(nodes) < least;
        tokio::time::sleep(LOOK).await;
        fewer += if few { begun.elapsed() } else { Duration::ZERO };
    }
    fewer
}

/// Looks until so many are in force, and gives how long that took.
async fn until(nodes: &[Node], count: usize) -> Duration {
    let begun = Instant::now();
    while in_force(nodes) != count {
        assert!(begun.elapsed() < PATIENCE, "{} and not {count} are in force", in_force(nodes));
        tokio::time::sleep(LOOK).await;
    }
    begun.elapsed()
}

#[test]
fn every_node_is_stale_at_once() {
    let mut cluster = match Cluster::start(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    run(async {
        let mut nodes: Vec<Node> = (0..10).map(|number| Node::start(number, cluster.clients())).collect();
        until(&nodes, 2).await;
        assert_eq!(watch(&nodes, TTL + TTL / 2, 2).await, Duration::ZERO, "they are renewed");
        let keys = cluster.ctl(&["get", "test/channels/prod/permits/", "--prefix", "--keys-only"]).unwrap();
        let keys: Vec<&str> = keys.split_whitespace().collect();
        assert_eq!(keys, ["test/channels/prod/permits/0", "test/channels/prod/permits/1"]);

        // A holder is killed. What it was told counts on: nobody has its permit before that is over, and then somebody has.
        let holder = nodes.iter().position(Node::permitted).unwrap();
        nodes[holder].task.abort();
        let killed = Instant::now();
        while nodes[holder].permitted() {
            in_force(&nodes);
            tokio::time::sleep(LOOK).await;
        }
        let free = killed.elapsed();
        assert!(free <= VALID, "{free:?}");
        let again = until(&nodes, 2).await;
        println!("a holder was killed: its permit is over after {free:?}, and somebody else's {again:?} later");
        nodes.remove(holder);

        // An election takes none away, as long as it is one of one or two seconds.
        let leader = cluster.leader();
        cluster.kill(leader);
        let fewer = watch(&nodes, TTL, 2).await;
        println!("the leader was killed: for {fewer:?} of {TTL:?} not both were in force");
        cluster.spawn(leader).unwrap();
        cluster.wait().unwrap();
        until(&nodes, 2).await;

        // All members are gone: everybody announces again, by its own clock.
        for member in 0..3 {
            cluster.kill(member);
        }
        let took = until(&nodes, 0).await;
        println!("etcd is gone: no permit is in force after {took:?}");
        assert!(took <= VALID, "{took:?}");
        assert_eq!(watch(&nodes, VALID, 0).await, Duration::ZERO);
        for member in 0..3 {
            cluster.spawn(member).unwrap();
        }
        cluster.wait().unwrap();
        until(&nodes, 2).await;
    });
}

#[test]
fn a_leader_that_slept_gives_no_permit_twice() {
    let cluster = match Cluster::start(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    run(async {
        let clients = cluster.clients();
        let leader = cluster.leader();
        // Half of them know the leader alone.
        let members = |number: usize| if number < 4 { vec![clients[leader].clone()] } else { clients.clone() };
        let first: Vec<Node> = (0..4).map(|number| Node::start(number, members(number))).collect();
        until(&first, 2).await;
        let mut nodes: Vec<Node> = (4..8).map(|number| Node::start(number, members(number))).collect();
        nodes.extend(first);
        cluster.stop(leader);
        let given_up = Instant::now();
        while nodes[4..].iter().any(Node::permitted) {
            in_force(&nodes);
            tokio::time::sleep(LOOK).await;
        }
        println!("their member sleeps: holders give up after {:?}", given_up.elapsed());
        assert!(given_up.elapsed() <= VALID);
        let took = until(&nodes, 2).await;
        println!("others have the permits {took:?} later");
        // It wakes, believing that it leads, with all that was sent to it meanwhile.
        cluster.resume(leader);
        assert_eq!(watch(&nodes, TTL, 2).await, Duration::ZERO, "what the others have is not taken from them");
    });
}

#[test]
fn the_cluster_is_cut_in_two() {
    let cluster = match Cluster::start_in_net(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    cluster.net().as_client(|| {
        run(async {
            let clients = cluster.clients();
            let few = cluster.leader();
            // First those who know only the member that will be alone, so that they have the permits.
            let mut nodes: Vec<Node> = (0..5).map(|number| Node::start(number, vec![clients[few].clone()])).collect();
            until(&nodes, 2).await;
            let many: Vec<String> = clients.iter().filter(|client| **client != clients[few]).cloned().collect();
            nodes.extend((5..10).map(|number| Node::start(number, many.clone())));
            watch(&nodes, Duration::from_secs(2), 2).await;
            cluster.net().cut(few, "peer").unwrap();
            let cut = Instant::now();
            while nodes[..5].iter().any(Node::permitted) {
                in_force(&nodes);
                tokio::time::sleep(LOOK).await;
            }
            let alone = cut.elapsed();
            until(&nodes, 2).await;
            assert_eq!(in_force(&nodes[5..]), 2, "those who reach the quorum have them");
            println!(
                "cut in two: the few give up after {alone:?}, the many have the permits after {:?}",
                cut.elapsed()
            );
            assert!(
                alone <= VALID + Duration::from_secs(2),
                "{alone:?}: two seconds until it has found that it leads nobody"
            );
            watch(&nodes, TTL, 2).await;
            cluster.net().heal(few).unwrap();
            assert_eq!(watch(&nodes, TTL, 2).await, Duration::ZERO);
        });
    });
}

/// A node as its operator has it: server and sidecar, and a router that is a few lines.
struct Pop {
    announcer: Announcer,
    router: Router,
    server: Server,
}

impl Pop {
    fn start(number: usize, store: &str, root: &str) -> Pop {
        // `prepare` makes the settings; of the channel nothing is known before the directory is.
        let settings = format!(
            "node = \"node{number}\"\nworkers = 1\n[sync]\nfollow = [{store:?}]\nchannel = \"{CHANNEL}\"\nroot-keys = [{root:?}]\n\
             cache = \"cache\"\nstale-after = \"1s\"\nwithdraw-stale = {{ fleet = 10, share = \"10%\" }}\n"
        );
        let server = Server::start("permits", &[("local.example.zone", &support::catchment::zone(1))], &settings);
        let router = Router::start();
        server.dir.write(
            "announcer.toml",
            format!(
                "router-id = \"192.0.2.1\"\nlocal-as = {LOCAL_AS}\nnode = \"node{number}\"\nlease = \"lease.sock\"\n\
                 control = \"announcer.sock\"\nadmin = \"127.0.0.1:0\"\n\
                 [[service]]\nname = \"dns\"\naddresses = [\"127.0.0.1\"]\nstale = \"withdraw\"\n\
                 [[service.probe]]\ntype = \"dns\"\ninterval = \"250ms\"\nport = {}\nquestion = \"www.example.com A\"\n\
                 [service.up]\nnext-hop-ipv4 = \"192.0.2.9\"\n\
                 [[prefix]]\nprefix = \"127.0.0.0/24\"\nservices = [\"dns\"]\n\
                 [[peer]]\nname = \"r1\"\naddress = \"127.0.0.1\"\nport = {}\nas = {ROUTER_AS}\n",
                server.dns.port(),
                router.address.port()
            ),
        );
        let announcer = Announcer::start(server.dir.path(), &[]);
        Pop { announcer, router, server }
    }

    fn state(&self) -> String {
        self.announcer.report().prefixes[0].state.clone()
    }
}

/// Waits until the sidecars' states are these, in any order.
fn states(pops: &[Pop], wanted: &[&str]) -> Duration {
    let begun = Instant::now();
    loop {
        let mut all: Vec<String> = pops.iter().map(Pop::state).collect();
        all.sort();
        if all == wanted {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < PATIENCE, "{all:?} and not {wanted:?}\n{}", pops[0].server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
fn servers_sidecars_and_routers() {
    let mut cluster = match Cluster::start(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return skip(why),
    };
    // Nodes read blobs from a copy, which one day is not brought up to date.
    let blobs = TempDir::new("permits-blobs");
    let (ours, theirs) = (blobs.path().join("ours"), blobs.path().join("theirs"));
    let store = |blobs: &Path| format!("etcd://{}/test?blobs=dir:{}", cluster.clients().join(","), blobs.display());
    let publisher = Publisher::new("permits-publisher", Some(store(&ours))).unwrap();
    publisher.write("example.com", &support::catchment::zone(1));
    publisher.publish().unwrap();
    copy(&ours, &theirs);
    let pops: Vec<Pop> = (0..3).map(|number| Pop::start(number, &store(&theirs), &publisher.root)).collect();
    states(&pops, &["UP", "UP", "UP"]);
    for pop in &pops {
        assert_eq!(pop.router.announced().1.as_path, [LOCAL_AS]);
    }

    publisher.write("example.com", &support::catchment::zone(2));
    publisher.publish().unwrap();
    let took = states(&pops, &["DEPREF", "DEPREF", "WITHDRAWN"]);
    println!("all are stale: one is withdrawn after {took:?}");
    let away = pops.iter().position(|pop| pop.state() == "WITHDRAWN").unwrap();
    let report: Report = pops[away].announcer.report();
    let prefix = &report.prefixes[0];
    assert_eq!(
        (prefix.cause.as_str(), prefix.cause_kind.as_str(), prefix.flaps),
        ("dns: the server serves a release that is too old, and has a permit to withdraw", "stale", 0)
    );
    assert!(report.alarms[0].text.ends_with(", and is withdrawn by a permit"), "{:?}", report.alarms);
    let metrics = pops[away].announcer.get("/metrics");
    let left = metrics.lines().find_map(|line| line.strip_prefix("catchment_announcer_permit_seconds ")).unwrap();
    assert!((0.0..=5.0).contains(&left.parse::<f64>().unwrap()), "{left}");
    // It may have been announced as worse for as long as it had no permit yet; then its router was told to forget it.
    let gone = |router: &Router| {
        use support::announcer::Seen;
        loop {
            match router.next().1 {
                Seen::Withdrawn(prefix) => return assert_eq!(prefix.to_string(), "127.0.0.0/24"),
                Seen::Announced(_, attributes) => assert_eq!(attributes.as_path, [LOCAL_AS; 4]),
                other => panic!("{other:?}"),
            }
        }
    };
    gone(&pops[away].router);
    for (_, pop) in pops.iter().enumerate().filter(|(number, _)| *number != away) {
        assert_eq!(pop.router.announced().1.as_path, [LOCAL_AS; 4], "announced as worse");
        pop.router.quiet(Duration::from_millis(500));
    }

    // etcd is gone: all announce.
    for member in 0..3 {
        cluster.kill(member);
    }
    let killed = Instant::now();
    assert_eq!(pops[away].router.announced().1.as_path, [LOCAL_AS; 4]);
    println!("etcd is gone: the one is announced again after {:?}", killed.elapsed());
    assert!(killed.elapsed() <= VALID + Duration::from_secs(1), "{:?}", killed.elapsed());
    states(&pops, &["DEPREF", "DEPREF", "DEPREF"]);
    for member in 0..3 {
        cluster.spawn(member).unwrap();
    }
    cluster.wait().unwrap();
    states(&pops, &["DEPREF", "DEPREF", "WITHDRAWN"]);

    // What was missing comes: nobody is stale any more, whatever permits there are.
    copy(&ours, &theirs);
    states(&pops, &["UP", "UP", "UP"]);
}
