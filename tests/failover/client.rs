//! The client: a query to the service address every 10 ms, over UDP, for both families at once, and what came of each.

use crate::topology::{Family, Net};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two queries.
pub(crate) const INTERVAL: Duration = Duration::from_millis(10);
/// An answer that takes longer is lost.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// So many answers of one PoP in a row say that it has the traffic.
const STEADY: usize = 30;
/// IDs repeat after so many queries.
const IDS: usize = 1 << 16;

/// What became of a query.
#[derive(Debug, Clone, Copy)]
struct Asked {
    sent: Instant,
    /// By which PoP, and when.
    answered: Option<(usize, Instant)>,
}

#[derive(Default)]
struct Record {
    asked: Vec<Asked>,
}

/// What one family saw from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    /// Longest time between the sending of two queries, one after the other of those answered, less [`INTERVAL`].
    pub(crate) outage: Duration,
    /// Queries without an answer.
    pub(crate) lost: usize,
    /// Queries sent.
    pub(crate) sent: usize,
    /// From then to the sending of the first query that the other PoP answered.
    pub(crate) moved: Option<Duration>,
    /// Longest time between two queries, less [`INTERVAL`]: what the client itself was late.
    pub(crate) late: Duration,
}

/// The load of one client.
pub(crate) struct Client {
    records: [Arc<Mutex<Record>>; 2],
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Client {
    /// Starts to ask from the namespace of `host`.
    pub(crate) fn start(net: &Net, host: &str) -> Client {
        let stop = Arc::new(AtomicBool::new(false));
        let records: [Arc<Mutex<Record>>; 2] = Default::default();
        let threads = Family::BOTH
            .map(|family| {
                let (enter, stop) = (net.entrance(host), Arc::clone(&stop));
                let record = Arc::clone(&records[family as usize]);
                std::thread::spawn(move || {
                    enter();
                    ask(family, &record, &stop);
                })
            })
            .into();
        Client { records, stop, threads }
    }

    /// Which PoP answers now, if the last answers all come from one and none is missing but the very last.
    pub(crate) fn served_by(&self, family: Family) -> Option<usize> {
        let record = self.records[family as usize].lock().expect("no panic while asking");
        // What was asked within the last moments may be on its way.
        let settled = record.asked.iter().rev().skip_while(|asked| asked.sent.elapsed() < Duration::from_millis(60));
        let mut last = settled.take(STEADY).map(|asked| asked.answered.map(|(pop, _)| pop));
        let first = last.next()??;
        let mut count = 1;
        let same = last.all(|pop| {
            count += 1;
            pop == Some(first)
        });
        (same && count == STEADY).then_some(first)
    }

    /// Waits until a PoP answers for all of `families`.
    pub(crate) fn wait_for(&self, pop: usize, families: &[Family], patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while !families.iter().all(|family| self.served_by(*family) == Some(pop)) {
            if Instant::now() > deadline {
                let now = Family::BOTH.map(|family| self.served_by(family));
                return Err(format!(
                    "after {patience:?} PoP {pop} does not answer; IPv4 and IPv6 are answered by {now:?}"
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What was seen of a family since `from`, and until `until`; waits for the last answers.
    pub(crate) fn figures(&self, family: Family, from: Instant, until: Instant) -> Figures {
        std::thread::sleep((until + PATIENCE).saturating_duration_since(Instant::now()));
        let record = self.records[family as usize].lock().expect("no panic while asking");
        // A little earlier, so that the last answer before the fault is there.
        let start = from.checked_sub(10 * INTERVAL).unwrap_or(from);
        let window: Vec<Asked> =
            record.asked.iter().filter(|asked| (start..until).contains(&asked.sent)).copied().collect();
        let longest = |sent: &mut dyn Iterator<Item = Instant>| {
            let sent: Vec<Instant> = sent.collect();
            let gaps = sent.windows(2).map(|pair| pair[1].duration_since(pair[0]));
            gaps.max().unwrap_or_default().saturating_sub(INTERVAL)
        };
        let in_time = |asked: &Asked| {
            asked.answered.filter(|(_, at)| at.duration_since(asked.sent) <= PATIENCE).map(|(pop, _)| pop)
        };
        // Whatever is never answered is an outage up to the end.
        let end = window.last().map(|asked| asked.sent);
        let mut answered = window.iter().filter(|asked| in_time(asked).is_some()).map(|asked| asked.sent).chain(end);
        let before = window.iter().find_map(in_time);
        let other =
            window.iter().find(|asked| asked.sent >= from && in_time(asked).is_some_and(|pop| Some(pop) != before));
        Figures {
            outage: longest(&mut answered),
            lost: window.iter().filter(|asked| in_time(asked).is_none()).count(),
            sent: window.len(),
            moved: other.map(|asked| asked.sent.duration_since(from)),
            late: longest(&mut window.iter().map(|asked| asked.sent)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Asks until told to stop. Errors of sending and receiving are queries that get no answer: that is what is measured.
fn ask(family: Family, record: &Mutex<Record>, stop: &AtomicBool) {
    let own: SocketAddr = if family == Family::V4 { "0.0.0.0:0" } else { "[::]:0" }.parse().expect("an address");
    let socket = UdpSocket::bind(own).expect("a free port");
    let service = SocketAddr::new(family.service(), 53);
    let mut next = Instant::now();
    let mut buffer = [0; 1500];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            // What was late is not made up for.
            next = (next + INTERVAL).max(now);
            let id = {
                let mut record = record.lock().expect("no panic while asking");
                record.asked.push(Asked { sent: now, answered: None });
                record.asked.len() - 1
            };
            let _ = socket.send_to(&question((id % IDS) as u16), service);
            continue;
        }
        let _ = socket.set_read_timeout(Some((next - now).max(Duration::from_micros(100))));
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let at = Instant::now();
                let Some((id, pop)) = answer(&buffer[..length]) else { continue };
                let mut record = record.lock().expect("no panic while asking");
                let last = record.asked.len() - 1;
                // The newest query with this ID.
                let Some(index) = last.checked_sub((last % IDS + IDS - usize::from(id)) % IDS) else { continue };
                record.asked[index].answered.get_or_insert((pop, at));
            }
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// `www.example.com A`, with an OPT record that asks for the name of the node (RFC 5001).
pub(crate) fn question(id: u16) -> Vec<u8> {
    let mut packet = crate::support::peers::query(id, "www.example.com", 1);
    packet[11] = 1;
    packet.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0]);
    packet
}

/// ID and PoP of a whole answer: NOERROR with a record, and the NSID option at the end, `p1` or `p2`.
pub(crate) fn answer(packet: &[u8]) -> Option<(u16, usize)> {
    let (head, tail) = (packet.first_chunk::<12>()?, packet.last_chunk::<6>()?);
    let good = head[2] & 0x80 != 0 && head[3] & 15 == 0 && head[7] == 1;
    let pop = match tail {
        [0, 3, 0, 2, b'p', pop @ (b'1' | b'2')] => usize::from(pop - b'0'),
        _ => return None,
    };
    good.then_some((u16::from_be_bytes([head[0], head[1]]), pop))
}
