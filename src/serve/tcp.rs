//! TCP (RFC 7766): one task for each listener, one for each connection.
//!
//! ```text
//!                +-> idle ----- first octets ----> reading ---+
//!                |    |                              |  ^     |
//!  accept -------+    | idle timeout     read timeout|  |more | whole messages: answer, write in one call
//!                ^    v                              v  +-----+
//!                |  closed <-------------------- closed       |
//!                |    ^  write timeout                        v
//!                +----+------ all written ------- writing <- the client does not take all at once
//! ```
//!
//! From any state: evicted ([`super::limits`]), stopped, end or error of the stream. A client that ended its side, and a
//! server that stops, still get through what has been read: those connections close where they would read on.
//!
//! An idle connection has no buffers: reading and answering go through the thread's own, between two awaits. Only what is
//! left over, the beginning of a message or the end of an answer that the client does not take yet, is kept by the
//! connection, and while there is any of the latter nothing more is read from that client.

use super::limits::{Place, Table};
use super::query_log;
use super::syscall::{now_ns, wall_secs};
use super::throttle::Throttle;
use crate::answer::{Query, Served, Transport, answer};
use crate::config::TcpSettings;
use crate::observe::counters::{Closed, Counters, Family, Many, Registry};
use arc_swap::ArcSwap;
use socket2::SockRef;
use std::cell::RefCell;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

/// Octets of a message's length (RFC 1035 section 4.2.2).
const PREFIX: usize = 2;
/// Octets of the longest message.
const MESSAGE_MAX: usize = 65_535;
/// Octets read in one call.
const READ_MAX: usize = 16 * 1024;
/// Octets of answers after which no further one joins the same write.
const WRITE_JOIN_MAX: usize = 16 * 1024;
/// Least growth of a buffer for a message that did not come whole.
const GROWTH_MIN: usize = 512;
/// Waits between attempts to accept when the process or the host is short of something.
const ACCEPT_WAIT_MIN: Duration = Duration::from_millis(10);
const ACCEPT_WAIT_MAX: Duration = Duration::from_secs(1);

/// Connections still accepted after a stop, as their clients have them open already.
const ACCEPTS_LAST_MAX: usize = 1024;

/// Reads from a connection after a stop.
const LAST_READS_MAX: usize = 16;

/// What all connections share.
pub(crate) struct Tcp {
    settings: TcpSettings,
    served: Arc<ArcSwap<Served>>,
    registry: Arc<Registry>,
    counters: Arc<Counters<Many>>,
    table: Table,
    query_log: bool,
}

impl Tcp {
    pub(crate) fn new(
        settings: TcpSettings,
        served: Arc<ArcSwap<Served>>,
        registry: Arc<Registry>,
        query_log: bool,
    ) -> Arc<Tcp> {
        let table = Table::new(settings.connections, settings.connections_per_client);
        let counters = registry.tcp();
        Arc::new(Tcp { settings, served, registry, counters, table, query_log })
    }

    /// Accepts connections until it is told to stop, then those that wait already. Each task holds a clone of `running` for
    /// as long as it runs.
    pub(crate) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        mut stop: watch::Receiver<bool>,
        running: mpsc::Sender<()>,
    ) {
        let mut wait = ACCEPT_WAIT_MIN;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    wait = ACCEPT_WAIT_MIN;
                    self.clone().connected(stream, peer, &stop, &running);
                    // Who was evicted for it closes before the next one comes: else accepting runs ahead of closing.
                    if self.table.is_full() {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) if is_exhaustion(&error) => {
                    self.registry.connections().accept_failed();
                    report_exhaustion(&error);
                    self.table.evict_oldest();
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => break,
                        () = sleep(wait) => {}
                    }
                    wait = (wait * 2).min(ACCEPT_WAIT_MAX);
                }
                // The connection's own failure, before it was accepted (accept(2), "Error handling"): the next one waits.
                Err(_) => self.registry.connections().accept_failed(),
            }
        }
        let Ok(listener) = listener.into_std() else { return };
        for (stream, peer) in (0..ACCEPTS_LAST_MAX).map_while(|_| listener.accept().ok()) {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.clone().connected(stream, peer, &stop, &running);
            }
        }
    }

    fn connected(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        stop: &watch::Receiver<bool>,
        running: &mpsc::Sender<()>,
    ) {
        self.registry.connections().accepted();
        let place = self.table.admit(peer.ip(), now_ns());
        let connection = Connection::new(self, stream, peer, place);
        let (stop, running) = (stop.clone(), running.clone());
        tokio::spawn(async move {
            connection.run(stop).await;
            drop(running);
        });
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

#[cold]
fn report_exhaustion(error: &io::Error) {
    static EXHAUSTED: Throttle = Throttle::new(Duration::from_secs(10));
    if let Some(times) = EXHAUSTED.pass() {
        tracing::warn!(
            "TCP: cannot accept a connection: {error} ({times} times since the last report): raise the limit of open files \
             (LimitNOFILE= in the systemd unit, `ulimit -n`), or lower the limit of connections"
        );
    }
}

/// A thread's buffers. Borrowed between two awaits, never across one.
struct Scratch {
    read: Box<[u8]>,
    write: Box<[u8]>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        read: vec![0; READ_MAX].into(),
        write: vec![0; WRITE_JOIN_MAX + PREFIX + MESSAGE_MAX].into(),
    });
}

/// The state that decides what a connection waits for, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Reading,
    Writing,
}

struct Connection {
    tcp: Arc<Tcp>,
    stream: TcpStream,
    peer: SocketAddr,
    local: IpAddr,
    place: Arc<Place>,
    /// Read and not yet answered: at most one message, and one read.
    input: Vec<u8>,
    /// Answered and not yet taken by the kernel, from `sent` on: at most one joint write.
    output: Vec<u8>,
    sent: usize,
    /// Set when nothing more is to be read; the connection closes for this cause once what was read is answered.
    ending: Option<Closed>,
}

/// A connection leaves the table however its task ends.
impl Drop for Connection {
    fn drop(&mut self) {
        self.tcp.table.leave(&self.place);
    }
}

impl Connection {
    fn new(tcp: Arc<Tcp>, stream: TcpStream, peer: SocketAddr, place: Arc<Place>) -> Connection {
        let local = stream.local_addr().map_or(IpAddr::from([0; 4]), |local| local.ip());
        let (input, output) = (Vec::new(), Vec::new());
        Connection { tcp, stream, peer, local, place, input, output, sent: 0, ending: None }
    }

    /// Serves the connection to its end, and counts that.
    async fn run(mut self, stop: watch::Receiver<bool>) {
        let cause = self.serve(stop).await.unwrap_or(Closed::Error);
        self.tcp.registry.connections().closed(cause);
    }

    async fn serve(&mut self, mut stop: watch::Receiver<bool>) -> io::Result<Closed> {
        let place = self.place.clone();
        let mut evicted = pin!(place.evicted());
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut phase = Phase::Idle;
        let mut last_reads = 0;
        let mut timer = pin!(sleep(self.timeout(phase)));
        loop {
            let interest = if phase == Phase::Writing { Interest::WRITABLE } else { Interest::READABLE };
            let mut answered = 0;
            tokio::select! {
                biased;
                cause = &mut evicted => return Ok(cause),
                _ = &mut stopped, if self.ending.is_none() => {
                    self.ending = Some(Closed::Stopped);
                    last_reads = LAST_READS_MAX;
                }
                ready = self.stream.ready(interest) => {
                    ready?;
                    match phase {
                        Phase::Idle | Phase::Reading => answered = self.read()?,
                        Phase::Writing => self.write_on()?,
                    }
                }
                () = &mut timer => return Ok(match phase {
                    Phase::Idle => Closed::Idle,
                    Phase::Reading => Closed::ReadTimeout,
                    Phase::Writing => Closed::WriteTimeout,
                }),
            }
            while self.output.is_empty() {
                if first_message(&self.input).is_some() {
                    // A client with many messages in one read takes its turns with the others.
                    tokio::task::yield_now().await;
                    answered += self.answer_input()?;
                } else if last_reads > 0 && self.ending == Some(Closed::Stopped) {
                    last_reads = if self.read_last()? { last_reads - 1 } else { 0 };
                } else {
                    break;
                }
            }
            let next = match (self.output.is_empty(), self.ending) {
                (false, _) => Phase::Writing,
                (true, Some(cause)) => return Ok(cause),
                (true, None) if self.input.is_empty() => Phase::Idle,
                (true, None) => Phase::Reading,
            };
            // The time for a message runs from its beginning, whatever dribbles in.
            if next != phase || answered > 0 {
                phase = next;
                timer.as_mut().reset(Instant::now() + self.timeout(phase));
            }
        }
    }

    fn timeout(&self, phase: Phase) -> Duration {
        let settings = &self.tcp.settings;
        match phase {
            Phase::Idle => settings.idle_timeout,
            Phase::Reading => settings.read_timeout,
            Phase::Writing => settings.write_timeout,
        }
    }

    /// Reads once, and answers the messages that are whole then. Gives how many. Only while there is no output, and no
    /// whole message in the input.
    fn read(&mut self) -> io::Result<usize> {
        if self.input.is_empty() {
            return SCRATCH.with_borrow_mut(|Scratch { read, write }| {
                let Some(len) = unless_blocked(self.stream.try_read(read))? else { return Ok(0) };
                if len == 0 {
                    self.ending = self.ending.or(Some(Closed::ByClient));
                }
                let (done, answered) = self.answer(&read[..len], write)?;
                self.input = read[done..len].to_vec();
                Ok(answered)
            });
        }
        // What the client announces costs it as much as it costs us: the buffer at most doubles.
        let missing = message_len(&self.input).unwrap_or(PREFIX).saturating_sub(self.input.len());
        self.input.reserve_exact(missing.min(self.input.len().max(GROWTH_MIN)));
        match unless_blocked(self.stream.try_read_buf(&mut self.input))? {
            None => Ok(0),
            Some(0) => {
                self.ending = self.ending.or(Some(Closed::ByClient));
                Ok(0)
            }
            Some(_) => self.answer_input(),
        }
    }

    /// Reads what had come before the stop; gives whether anything had. Asks the kernel, not the runtime, which may not have
    /// heard of it yet: closing with something unread would reset the connection, and take answers under way with it.
    fn read_last(&mut self) -> io::Result<bool> {
        SCRATCH.with_borrow_mut(|Scratch { read, .. }| {
            let len = unless_blocked((&*SockRef::from(&self.stream)).read(read))?.unwrap_or(0);
            self.input.extend_from_slice(&read[..len]);
            Ok(len > 0)
        })
    }

    /// Answers the input's whole messages as far as they go into one write. Gives how many.
    fn answer_input(&mut self) -> io::Result<usize> {
        let mut input = std::mem::take(&mut self.input);
        let (done, answered) = SCRATCH.with_borrow_mut(|scratch| self.answer(&input, &mut scratch.write))?;
        if done > 0 {
            input.drain(..done);
            input.shrink_to_fit();
        }
        self.input = input;
        Ok(answered)
    }

    /// Answers the whole messages that `input` starts with, until a write is full, and writes as much as the client takes;
    /// the rest becomes output. Gives the octets that are done with, and the number of messages.
    fn answer(&mut self, input: &[u8], write: &mut [u8]) -> io::Result<(usize, usize)> {
        let tcp = &*self.tcp;
        let (started_ns, now_secs) = (now_ns(), wall_secs());
        let (mut done, mut len, mut answered) = (0, 0, 0);
        let served = tcp.served.load();
        while len < WRITE_JOIN_MAX
            && let Some(packet) = first_message(&input[done..])
        {
            done += PREFIX + packet.len();
            answered += 1;
            let query = Query { packet, peer: self.peer, local: self.local, transport: Transport::Tcp, now_secs };
            let outcome = answer(&query, &served, &mut write[len + PREFIX..][..MESSAGE_MAX]);
            if tcp.query_log {
                query_log::write(&query, &outcome);
            }
            tcp.counters.outcome(Family::of(self.peer.ip()), &outcome);
            let Ok(size) = outcome.result else {
                // Nothing that follows on such a stream is to be trusted; RFC 7766 section 8 for the length alone.
                self.ending = Some(Closed::BadMessage);
                done = input.len();
                break;
            };
            if query.from_this_host() {
                tcp.counters.local();
            }
            write[len..len + PREFIX].copy_from_slice(&(size as u16).to_be_bytes());
            len += PREFIX + size;
        }
        drop(served);
        if answered > 0 {
            self.place.touch(started_ns);
            tcp.counters.latency(now_ns().saturating_sub(started_ns), answered as u64);
        }
        if len > 0 {
            let sent = unless_blocked(self.stream.try_write(&write[..len]))?.unwrap_or(0);
            self.output = write[sent..len].to_vec();
            self.sent = 0;
        }
        Ok((done, answered))
    }

    /// Goes on writing the output.
    fn write_on(&mut self) -> io::Result<()> {
        self.sent += unless_blocked(self.stream.try_write(&self.output[self.sent..]))?.unwrap_or(0);
        if self.sent == self.output.len() {
            self.output = Vec::new();
        }
        Ok(())
    }
}

/// Length of the message that `input` starts with, its prefix included, once that is there.
fn message_len(input: &[u8]) -> Option<usize> {
    let [high, low, ..] = *input else { return None };
    Some(PREFIX + usize::from(u16::from_be_bytes([high, low])))
}

/// The message that `input` starts with, once it is whole, without its prefix.
fn first_message(input: &[u8]) -> Option<&[u8]> {
    input.get(PREFIX..message_len(input)?)
}

fn unless_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_counts_once_it_is_whole() {
        assert_eq!(message_len(&[]), None);
        assert_eq!(message_len(&[255]), None);
        assert_eq!(message_len(&[255, 255]), Some(65_537));
        assert_eq!(first_message(&[0, 3, 7, 8]), None);
        assert_eq!(first_message(&[0, 3, 7, 8, 9, 0]), Some(&[7, 8, 9][..]));
        assert_eq!(first_message(&[0, 0]), Some(&[][..]));
    }
}
