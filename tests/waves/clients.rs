//! Clients: one for each node, which asks for the same names again and again, and notes which releases answer.

use crate::support::peers::query;
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Names of the zone that are asked for. The first one is the one that breaks.
pub(crate) const NAMES: [&str; 5] = ["www", "mail", "shop", "api", "cdn"];
/// Another address than the nodes': what a node's own host asks is left out of its figures.
const SOURCE: &str = "127.0.0.2:0";
const A: u16 = 1;
/// Answers that are skipped at once.
const LATE_MAX: usize = 100;

/// What a node was seen to answer with.
#[derive(Default)]
struct Seen {
    /// The last octet of addresses: the release's number.
    releases: BTreeSet<u8>,
    /// NXDOMAIN was among it.
    nxdomain: bool,
    /// Answers.
    answers: u64,
}

/// All clients.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    seen: Vec<Arc<Mutex<Seen>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts one for each node, which waits so long between two questions.
    pub(crate) fn start(nodes: &[SocketAddr], pause: Duration) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let seen: Vec<Arc<Mutex<Seen>>> = nodes.iter().map(|_| Arc::default()).collect();
        let client = |(node, seen): (&SocketAddr, &Arc<Mutex<Seen>>)| {
            let (node, seen, stop) = (*node, seen.clone(), stop.clone());
            std::thread::spawn(move || ask(node, pause, &seen, &stop))
        };
        let threads = nodes.iter().zip(&seen).map(client).collect();
        Clients { stop, seen, threads }
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.seen.iter().for_each(|seen| *seen.lock().unwrap() = Seen::default());
    }

    /// The nodes that said NXDOMAIN.
    pub(crate) fn broken(&self) -> Vec<usize> {
        self.those(|seen| seen.nxdomain)
    }

    /// The nodes that answered from this release.
    pub(crate) fn served(&self, number: u8) -> Vec<usize> {
        self.those(|seen| seen.releases.contains(&number))
    }

    /// The least that any node answered.
    pub(crate) fn answers_min(&self) -> u64 {
        self.seen.iter().map(|seen| seen.lock().unwrap().answers).min().unwrap_or(0)
    }

    fn those(&self, which: impl Fn(&Seen) -> bool) -> Vec<usize> {
        (0..self.seen.len()).filter(|node| which(&self.seen[*node].lock().unwrap())).collect()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn ask(node: SocketAddr, pause: Duration, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let socket = UdpSocket::bind(SOURCE).expect("loopback has this address");
    socket.connect(node).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a time");
    let mut response = [0; 512];
    for (id, name) in NAMES.iter().cycle().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Nodes may be killed.
        let _ = socket.send(&query(id as u16, &format!("{name}.example.test"), A));
        // An answer that comes late, on a busy machine, is skipped: else all later ones would be taken for late ones, too.
        let answer = std::iter::from_fn(|| socket.recv(&mut response).ok().map(|length| (length, response)));
        let answer = answer.take(LATE_MAX).find(|(_, response)| response[..2] == (id as u16).to_be_bytes());
        if let Some((length, response)) = answer {
            let mut seen = seen.lock().unwrap();
            seen.answers += 1;
            match response[3] & 0xf {
                0 => drop(seen.releases.insert(response[length - 1])),
                3 => seen.nxdomain = true,
                code => panic!("{node}: {name}: RCODE {code}"),
            }
        }
        std::thread::sleep(pause);
    }
}
