//! Clients: one for each node, which asks all the time, one question after the other, and judges each response.

use crate::release;
use crate::support::catchment::{query, receive};
use hickory_proto::rr::DNSClass;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// What no answer came within is lost. Longer than a busy machine keeps anything from running.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// What they share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Nodes are being killed: what gets no answer then is not lost.
    kills: AtomicBool,
    answered: AtomicU64,
    unanswered: AtomicU64,
}

/// All clients.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Clients {
    /// Starts one for each node. Every node must answer already.
    pub(crate) fn start(nodes: &[SocketAddr], pause: Duration) -> Clients {
        let shared = Arc::new(Shared::default());
        let client = |addr: &SocketAddr| {
            let (addr, shared) = (*addr, shared.clone());
            std::thread::spawn(move || ask(addr, &shared, pause))
        };
        let threads = nodes.iter().map(client).collect();
        Clients { shared, threads }
    }

    /// From now on nodes may be gone for a while. What they answer is judged all the same.
    pub(crate) fn expect_kills(&self) {
        self.shared.kills.store(true, Ordering::Relaxed);
    }

    /// How many queries were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Ends them: queries that were answered, those that were not, or what was wrong with the first bad response.
    pub(crate) fn stop(mut self) -> Result<(u64, u64), String> {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a client panicked")??;
        }
        let figure = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Ok((figure(&self.shared.answered), figure(&self.shared.unanswered)))
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn ask(addr: SocketAddr, shared: &Shared, pause: Duration) -> Result<(), String> {
    let mut newest = 0;
    let questions = release::questions();
    for (name, rtype) in questions.iter().cycle() {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        // A socket of its own for each query: nothing late can be taken for an answer to the next one.
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        socket.connect(addr).map_err(|e| e.to_string())?;
        let kills = shared.kills.load(Ordering::Relaxed);
        let patience = if kills { Duration::from_millis(200) } else { LOST_AFTER };
        socket.set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
        let question = query(name, *rtype, DNSClass::IN);
        let sent = socket.send(&question.to_vec().map_err(|e| e.to_string())?);
        match sent.ok().and_then(|_| receive(&socket, question.metadata.id)) {
            Some(response) => {
                let number = release::number(&response).map_err(|why| format!("{addr}: {name} {rtype}: {why}"))?;
                if number < newest {
                    return Err(format!("{addr}: {name} {rtype}: release {number} after {newest}"));
                }
                newest = number;
                shared.answered.fetch_add(1, Ordering::Relaxed);
            }
            None if shared.kills.load(Ordering::Relaxed) => drop(shared.unanswered.fetch_add(1, Ordering::Relaxed)),
            None => return Err(format!("{addr}: {name} {rtype}: no answer after {patience:?}")),
        }
        std::thread::sleep(pause);
    }
    Ok(())
}
