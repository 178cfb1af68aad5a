//! Twenty nodes that follow a three-member etcd: how fast a publish reaches all of them, and kills at random.

use crate::clients::Clients;
use crate::support::etcd::{Cluster, Options};
use crate::support::fleet::{Node, Publisher};
use crate::support::peers::query;
use crate::support::process::TempDir;
use crate::support::{self, watch};
use crate::{release, seed};
use catchment::random::Random;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const NODES: usize = 20;

/// The bounded version: what is asserted is that nothing is lost, mixed or left behind; no time but a generous one.
#[test]
fn releases_reach_every_node_through_etcd() {
    run(10, 10, Duration::from_millis(50));
}

/// The figures.
#[test]
#[ignore = "takes minutes: the figures of docs/sync.md"]
fn figures_of_fifty_publishes_and_fifty_with_kills() {
    run(50, 50, Duration::from_millis(20));
}

fn run(publishes: u32, with_kills: u32, pause: Duration) {
    let cluster = match Cluster::start(Options::default()) {
        Ok(cluster) => cluster,
        Err(why) => return support::skip(why),
    };
    let mut random = Random::new(seed());
    let blobs = TempDir::new("fleet-blobs");
    let store = format!("etcd://{}/fleet?blobs=dir:{}", cluster.clients().join(","), blobs.path().display());
    let publisher = Publisher::new("fleet-publisher", Some(store)).unwrap();
    let mut number = 1;
    release::write(&publisher, number);
    publisher.publish().unwrap();
    let nodes: Vec<Node> = (0..NODES).map(|n| Node::start(&publisher, n).unwrap()).collect();
    let mut swarm = Swarm { cluster, publisher, nodes };
    swarm.arrived(number, Instant::now()).unwrap_or_else(|why| swarm.fail(&why));
    let clients = Clients::start(&swarm.addrs(), pause);

    let mut times = Vec::new();
    for _ in 0..publishes {
        number += 1;
        release::write(&swarm.publisher, number);
        let start = Instant::now();
        let mut command = swarm.publisher.start_publish().unwrap();
        let took = swarm.arrived(number, start).unwrap_or_else(|why| swarm.fail(&why));
        assert!(command.wait().unwrap().success());
        times.push(took);
    }
    let asked = clients.answered();
    times.sort();
    let at = |share: usize| times[(times.len() * share).div_ceil(100).max(1) - 1].as_millis();
    println!(
        "{publishes} publishes, {NODES} nodes, 3 members of etcd: from the start of the command to the last node \
         p50 {} ms, p99 {} ms, max {} ms; {asked} queries answered meanwhile, none lost",
        at(50),
        at(99),
        at(100)
    );

    clients.expect_kills();
    let mut killed = [0, 0];
    let mut failed = 0;
    for _ in 0..with_kills {
        number += 1;
        release::write(&swarm.publisher, number);
        let mut command = swarm.publisher.start_publish().unwrap();
        // A moment somewhere before, in or after the publish and the nodes' taking it.
        std::thread::sleep(Duration::from_millis(random.below(300) as u64));
        // One member at a time: two of three are needed. Nodes: any number.
        let member = random.below(2) == 0;
        let victim = random.below(3);
        if member {
            swarm.cluster.kill(victim);
            killed[0] += 1;
        }
        for _ in 0..random.below(4) {
            swarm.nodes[random.below(NODES)].kill();
            killed[1] += 1;
        }
        // A publisher that met the dying member may say so and fail: then the operator, or CI, runs it again.
        while !command.wait().unwrap().success() {
            failed += 1;
            assert!(failed <= with_kills, "publishes keep failing");
            command = swarm.publisher.start_publish().unwrap();
        }
        if member {
            swarm.cluster.spawn(victim).unwrap();
        }
        for node in swarm.nodes.iter_mut().filter(|node| node.pid().is_none()) {
            node.spawn().unwrap();
        }
        if member {
            // A second one may die only when this one is back.
            swarm.cluster.wait().unwrap();
        }
    }
    let start = Instant::now();
    let took = swarm.arrived(number, start).unwrap_or_else(|why| swarm.fail(&why));
    let (answered, unanswered) = clients.stop().unwrap_or_else(|why| swarm.fail(&why));
    println!(
        "{with_kills} publishes with {} nodes and {} members killed, {failed} of them run again: all at the head {} ms after the \
         last; {answered} queries answered in all, {unanswered} while nodes were gone",
        killed[1],
        killed[0],
        took.as_millis(),
    );
}

struct Swarm {
    // Nodes first: none should be busy with a cluster that is gone.
    nodes: Vec<Node>,
    publisher: Publisher,
    cluster: Cluster,
}

impl Swarm {
    fn addrs(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.addr).collect()
    }

    /// Waits until every node serves this release; how long after `start` the last did.
    fn arrived(&self, number: u32, start: Instant) -> Result<Duration, String> {
        let question = query(number as u16, "texts.zone0.test", 16);
        let mark = format!("one {number}");
        let done = |response: &[u8]| watch::holds(response, &mark);
        let found = watch::until(&self.addrs(), &question, done, start, Duration::from_millis(5), PATIENCE)?;
        Ok(found.into_iter().max().unwrap_or_default())
    }

    /// Fails with the nodes' last words.
    fn fail(&self, why: &str) -> ! {
        for node in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}:\n{}", node.addr, lines[lines.len().saturating_sub(8)..].join("\n"));
        }
        panic!("{why}");
    }
}
