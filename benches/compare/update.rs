//! What one changed record costs: another file in a zone's place, SIGHUP, and the time until the new answer.

use crate::load;
use crate::servers::{Server, memory};
use crate::support::peers::Peers;
use crate::zones::{Question, Set};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the memory is read. A reading takes some milliseconds of its own where it is much.
const MEMORY_EVERY: Duration = Duration::from_millis(100);
/// What a server puts off counts too, for so long.
const REST: Duration = Duration::from_secs(1);
/// An old name is asked for so often, and again when no answer came for so long.
const ASK_EVERY: Duration = Duration::from_millis(1);
const LOST_AFTER: Duration = Duration::from_millis(50);

/// What a change took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    /// From the signal to the new answer.
    pub(crate) seconds: f64,
    /// User and system time of all processes, from the signal until a second after the new answer.
    pub(crate) cpu_seconds: f64,
    /// Longest time in which an old name was not answered.
    pub(crate) silence_ms: f64,
    /// Most memory meanwhile, in octets.
    pub(crate) memory_max: u64,
}

/// Starts a server on a copy of the set's files, so that others find them unchanged, and changes one.
pub(crate) fn measure(server: Server, set: &Set, peers: Option<&Peers>, directory: &Path) -> Result<Update, String> {
    let copy = directory.join(format!("update-{}", server.name()));
    let own = |path: &Path| copy.join(path.file_name().unwrap_or_default());
    let copied = fs::create_dir_all(&copy);
    copied
        .and_then(|()| set.zones.iter().try_for_each(|(_, path)| fs::copy(path, own(path)).map(drop)))
        .map_err(|e| format!("{}: {e}", copy.display()))?;
    let zones = set.zones.iter().map(|(origin, path)| (origin.clone(), own(path))).collect();
    let set = Set { zones, directory: copy.clone(), kinds: Vec::new(), last: set.last.clone(), ..*set };
    let result = change(server, &set, peers, directory);
    let _ = fs::remove_dir_all(&copy);
    result
}

fn change(server: Server, set: &Set, peers: Option<&Peers>, directory: &Path) -> Result<Update, String> {
    let mut up = server.start(set, peers)?;
    let (text, question) = set.changed().map_err(|e| e.to_string())?;
    let path = &set.zones[0].1;
    let new = directory.join("update-new");
    // Servers that compare times to the second must see another one.
    std::thread::sleep(Duration::from_millis(1_100));
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(|e| e.to_string())?;
    let (pid, addr) = (up.pid(), up.addr);
    let is_over = AtomicBool::new(false);
    let cpu_before = up.cpu_seconds();
    std::thread::scope(|scope| {
        let silence = scope.spawn(|| longest_silence(addr, &set.last[0], &is_over));
        let most = scope.spawn(|| {
            let mut most = 0;
            while !is_over.load(Ordering::Relaxed) {
                most = memory(pid).max(most);
                std::thread::sleep(MEMORY_EVERY);
            }
            most
        });
        let start = Instant::now();
        up.reload();
        let result = up.wait(&question);
        let seconds = start.elapsed().as_secs_f64();
        std::thread::sleep(REST);
        let cpu_seconds = up.cpu_seconds() - cpu_before;
        is_over.store(true, Ordering::Relaxed);
        let silence_ms = 1e3 * silence.join().expect("no panic")?.as_secs_f64();
        let memory_max = most.join().expect("no panic");
        result.map(|()| Update { seconds, cpu_seconds, silence_ms, memory_max })
    })
}

/// Asks the same again and again, and gives the longest time without a right answer.
fn longest_silence(addr: SocketAddr, question: &Question, is_over: &AtomicBool) -> Result<Duration, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    let (mut longest, mut heard) = (Duration::ZERO, Instant::now());
    for id in (0..=u16::MAX).cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let answer = load::ask(&socket, addr, question, id, LOST_AFTER).map_err(|e| e.to_string())?;
        if answer.is_some_and(|answer| answer.is_ok()) {
            longest = longest.max(heard.elapsed());
            heard = Instant::now();
        }
        std::thread::sleep(ASK_EVERY);
    }
    Ok(longest.max(heard.elapsed()))
}
