//! Nodes, ten of them but where few are enough, their clients, and releases of one zone.

use crate::clients::{Clients, NAMES};
use crate::support::catchment::chaos;
use crate::support::fleet::{Node, Publisher};
use crate::support::peers::query;
use crate::support::watch;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const NODES: usize = 10;
/// Between two questions of a client: so that ten nodes are asked enough for their figures to show what breaks, and where figures don't matter.
const PAUSE: Duration = Duration::from_millis(8);
const LONG_PAUSE: Duration = Duration::from_millis(40);
const A: u16 = 1;

pub(crate) struct Fleet {
    pub(crate) clients: Clients,
    pub(crate) nodes: Vec<Node>,
    pub(crate) publisher: Publisher,
}

/// A zone, all of whose addresses say of which release it is.
pub(crate) fn write(publisher: &Publisher, number: u8, names: &[&str]) {
    let mut text = format!("$TTL 1h\n@ SOA ns hostmaster {number} 1d 2h 4w 1h\n@ NS ns\nns A 192.0.2.{number}\n");
    for name in names {
        let _ = writeln!(text, "{name} A 192.0.2.{number}");
    }
    publisher.write("example.test", &text);
}

/// Waits for what is to come about; the error says what is there instead.
pub(crate) fn until(label: &str, mut done: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(why) = done() {
        assert!(start.elapsed() < PATIENCE, "{label}: {why}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Fleet {
    /// Starts all of it; release 1 is served.
    pub(crate) fn start(label: &str, store: Option<String>) -> Fleet {
        Fleet::of(label, store, NODES, PAUSE)
    }

    /// The same with so few nodes, which few ask.
    pub(crate) fn small(label: &str, store: Option<String>, nodes: usize) -> Fleet {
        Fleet::of(label, store, nodes, LONG_PAUSE)
    }

    fn of(label: &str, store: Option<String>, nodes: usize, pause: Duration) -> Fleet {
        let publisher = Publisher::new(label, store).unwrap();
        write(&publisher, 1, &NAMES);
        publisher.publish().unwrap();
        let nodes: Vec<Node> = (0..nodes).map(|n| Node::start(&publisher, n).unwrap()).collect();
        let addrs: Vec<SocketAddr> = nodes.iter().map(|node| node.addr).collect();
        arrived(&addrs, 1).unwrap();
        Fleet { clients: Clients::start(&addrs, pause), nodes, publisher }
    }

    /// Writes the zone of this release.
    pub(crate) fn write(&self, number: u8) {
        write(&self.publisher, number, &NAMES);
    }

    /// Waits until these nodes answer from this release.
    pub(crate) fn wait(&self, nodes: &[usize], number: u8) {
        let addrs: Vec<SocketAddr> = nodes.iter().map(|node| self.nodes[*node].addr).collect();
        arrived(&addrs, number).unwrap_or_else(|why| {
            for node in nodes {
                eprintln!("{node}:\n{}", self.nodes[*node].log());
            }
            panic!("release {number}: {why}");
        });
    }

    /// Waits until all do.
    pub(crate) fn wait_all(&self, number: u8) {
        self.wait(&Vec::from_iter(0..self.nodes.len()), number);
    }

    /// The release that each node says that it serves.
    pub(crate) fn generations(&self) -> Vec<String> {
        let said = |node: &Node| chaos(node.addr, "generation.server").expect("it answers");
        self.nodes.iter().map(said).collect()
    }

    /// Waits until every client has had some answers since `forget`.
    pub(crate) fn settle(&self) {
        self.clients.forget();
        let start = Instant::now();
        while self.clients.answers_min() < 30 {
            assert!(start.elapsed() < PATIENCE, "clients get no answers");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn arrived(nodes: &[SocketAddr], number: u8) -> Result<(), String> {
    let question = query(u16::from(number), "cdn.example.test", A);
    let done =
        |response: &[u8]| response.len() > 12 && response[3] & 0xf == 0 && response.ends_with(&[192, 0, 2, number]);
    watch::until(nodes, &question, done, Instant::now(), Duration::from_millis(20), PATIENCE).map(drop)
}
