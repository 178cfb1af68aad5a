//! What the data plane counts, and how it is added up.
//!
//! Each UDP worker has [`Counters`] of its own and is their only writer, so that counting is a plain load and store on a
//! cache line that no other core writes. TCP's tasks move between threads and share one set, with atomic adds. Nothing is
//! added up before somebody asks: [`Registry::snapshot`] reads all of them.
//!
//! Relaxed throughout: a snapshot taken in the middle of a query may have its size and not yet its response code.

mod histogram;
mod kinds;
mod snapshot;

use crate::answer::{Outcome, Transport};
pub use histogram::Distribution;
use histogram::{Latencies, Sizes};
pub use kinds::{Closed, DropCause, Family};
use kinds::{QTYPE_SLOTS, RCODE_SLOTS, qtype_slot, rcode_slot};
pub use snapshot::{QueryCount, Snapshot, TcpSnapshot};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// How a set of counters is written.
pub trait Writers: Send + Sync + 'static {
    /// Adds to a counter.
    fn add(cell: &AtomicU64, n: u64);
}

/// One thread writes: a lock-free load and store, an `add` instruction without a bus lock.
pub struct One;
/// Several threads write.
pub struct Many;

impl Writers for One {
    #[inline(always)]
    fn add(cell: &AtomicU64, n: u64) {
        cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
    }
}

impl Writers for Many {
    #[inline(always)]
    fn add(cell: &AtomicU64, n: u64) {
        cell.fetch_add(n, Relaxed);
    }
}

/// Zones in one chunk of a table.
const ZONE_CHUNK: usize = 4096;
/// Chunks in a table.
const ZONE_CHUNKS: usize = 1024;
/// Zones that have a figure of their own, by their stable id; queries for those with a higher one count in all other figures.
pub const ZONES_MAX: usize = ZONE_CHUNK * ZONE_CHUNKS;

type ZoneChunk = Box<[AtomicU64]>;

/// The figures of one writer, or of TCP's many.
///
/// Aligned to two cache lines, which the hardware fetches together, so that no two workers share one.
#[repr(align(128))]
pub struct Counters<W: Writers> {
    transport: Transport,
    queries: [[[AtomicU64; RCODE_SLOTS]; QTYPE_SLOTS]; 2],
    local: AtomicU64,
    truncated: AtomicU64,
    drops: [AtomicU64; DropCause::ALL.len()],
    sizes: Sizes,
    latencies: Latencies,
    zones: Box<[OnceLock<ZoneChunk>]>,
    writers: PhantomData<W>,
}

impl<W: Writers> Counters<W> {
    fn new(transport: Transport) -> Counters<W> {
        Counters {
            transport,
            queries: [const { [const { [const { AtomicU64::new(0) }; RCODE_SLOTS] }; QTYPE_SLOTS] }; 2],
            local: AtomicU64::new(0),
            truncated: AtomicU64::new(0),
            drops: [const { AtomicU64::new(0) }; DropCause::ALL.len()],
            sizes: Sizes::new(),
            latencies: Latencies::new(),
            zones: (0..ZONE_CHUNKS).map(|_| OnceLock::new()).collect(),
            writers: PhantomData,
        }
    }

    /// Counts one message by what became of it.
    #[inline]
    pub fn outcome(&self, family: Family, outcome: &Outcome) {
        let len = match outcome.result {
            Ok(len) => len,
            Err(drop) => return self.dropped(drop.into(), 1),
        };
        let (qtype, rcode) = (qtype_slot(outcome.qtype), rcode_slot(outcome.rcode));
        W::add(&self.queries[family as usize][qtype][rcode], 1);
        self.sizes.count::<W>(len as u64, 1);
        if outcome.truncated {
            W::add(&self.truncated, 1);
        }
        if let Some(zone) = outcome.zone {
            let zone = zone as usize;
            if let Some(chunk) = self.zones.get(zone / ZONE_CHUNK).and_then(OnceLock::get) {
                W::add(&chunk[zone % ZONE_CHUNK], 1);
            }
        }
    }

    /// Counts an answer, beside [`Counters::outcome`], that went to this host itself: a probe, a health check.
    #[inline]
    pub fn local(&self) {
        W::add(&self.local, 1);
    }

    /// Counts messages that got no response, or whose response did not leave.
    #[inline]
    pub fn dropped(&self, cause: DropCause, n: u64) {
        W::add(&self.drops[cause as usize], n);
    }

    /// Counts `n` messages that took this long together, from receipt to sending. UDP: from the return of the receiving
    /// call to that of the sending one. TCP: from the read to the answers' standing in the buffer, as the time to write
    /// them is the client's.
    #[inline]
    pub fn latency(&self, nanos: u64, n: u64) {
        self.latencies.count::<W>(nanos, n);
    }

    fn grow_zones(&self, zones: usize) {
        for chunk in self.zones.iter().take(zones.div_ceil(ZONE_CHUNK)) {
            chunk.get_or_init(|| (0..ZONE_CHUNK).map(|_| AtomicU64::new(0)).collect());
        }
    }

    fn add_totals(&self, totals: &mut Totals) {
        // Read before what it is taken from, so that the difference cannot fall below 0.
        let local = self.local.load(Relaxed);
        totals.foreign += self.sizes.total().saturating_sub(local);
        totals.kernel_drops += self.drops[DropCause::KernelOverflow as usize].load(Relaxed);
    }

    /// Adds the answers with this response code.
    fn add_answers(&self, code: u16, sum: &mut u64) {
        let slots = self.queries.iter().flatten().map(|rcodes| rcodes[rcode_slot(code)].load(Relaxed));
        *sum += slots.sum::<u64>();
    }

    fn add_to(&self, total: &mut Snapshot) {
        let transport = self.transport as usize;
        for (sums, slots) in total.queries[transport].iter_mut().flatten().zip(self.queries.iter().flatten()) {
            for (sum, slot) in sums.iter_mut().zip(slots) {
                *sum += slot.load(Relaxed);
            }
        }
        total.local[transport] += self.local.load(Relaxed);
        total.truncated[transport] += self.truncated.load(Relaxed);
        for (sum, slot) in total.drops[transport].iter_mut().zip(&self.drops) {
            *sum += slot.load(Relaxed);
        }
        self.sizes.add_to(&mut total.sizes[transport]);
        self.latencies.add_to(&mut total.latencies[transport]);
        let counts = self.zones.iter().map_while(OnceLock::get).flat_map(|chunk| chunk.iter());
        for (zone, count) in counts.map(|count| count.load(Relaxed)).enumerate() {
            match total.zones.get_mut(zone) {
                Some(sum) => *sum += count,
                None => total.zones.push(count),
            }
        }
    }
}

/// TCP's connections; written by all its tasks.
#[derive(Default)]
#[repr(align(128))]
pub struct Connections {
    accepted: AtomicU64,
    accept_failures: AtomicU64,
    closed: [AtomicU64; Closed::ALL.len()],
}

impl Connections {
    /// Counts a new connection.
    pub fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// Counts a connection that could not be taken, mostly for want of file descriptors.
    pub fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Relaxed);
    }

    /// Counts a connection's end.
    pub fn closed(&self, cause: Closed) {
        self.closed[cause as usize].fetch_add(1, Relaxed);
    }
}

/// The figures of a lease, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Queries of other hosts that were answered.
    pub foreign: u64,
    /// Messages that the kernel dropped because a socket's buffer was full.
    pub kernel_drops: u64,
}

/// All counters of the process.
pub struct Registry {
    udp: Box<[Arc<Counters<One>>]>,
    tcp: Arc<Counters<Many>>,
    connections: Connections,
}

impl Registry {
    /// Counters for so many UDP workers, and for TCP.
    pub fn new(workers: usize) -> Registry {
        Registry {
            udp: (0..workers).map(|_| Arc::new(Counters::new(Transport::Udp))).collect(),
            tcp: Arc::new(Counters::new(Transport::Tcp)),
            connections: Connections::default(),
        }
    }

    /// Those of a UDP worker, which must be their only writer. Panics if there is no such worker.
    pub fn udp(&self, worker: usize) -> Arc<Counters<One>> {
        self.udp[worker].clone()
    }

    /// TCP's.
    pub fn tcp(&self) -> Arc<Counters<Many>> {
        self.tcp.clone()
    }

    /// TCP's connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Makes room for the zones with ids under `zones` (at most [`ZONES_MAX`]). The control plane calls it before it
    /// publishes a set with a higher id than before: a worker never allocates, and does not count a zone without room.
    pub fn grow_zones(&self, zones: usize) {
        self.udp.iter().for_each(|counters| counters.grow_zones(zones));
        self.tcp.grow_zones(zones);
    }

    /// Adds up what a lease tells, in microseconds, however many zones there are.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.udp.iter().for_each(|counters| counters.add_totals(&mut totals));
        self.tcp.add_totals(&mut totals);
        totals
    }

    /// How many answers had this response code, one of those with a figure of their own.
    pub fn answers(&self, code: u16) -> u64 {
        let mut sum = 0;
        self.udp.iter().for_each(|counters| counters.add_answers(code, &mut sum));
        self.tcp.add_answers(code, &mut sum);
        sum
    }

    /// Adds everything up.
    pub fn snapshot(&self) -> Snapshot {
        let closed = std::array::from_fn(|i| self.connections.closed[i].load(Relaxed));
        // Read after what is taken from it, so that the difference cannot fall below 0.
        let accepted = self.connections.accepted.load(Relaxed);
        let mut total = Snapshot {
            queries: [[[[0; RCODE_SLOTS]; QTYPE_SLOTS]; 2]; 2],
            local: [0; 2],
            truncated: [0; 2],
            drops: [[0; DropCause::ALL.len()]; 2],
            sizes: [Sizes::empty(), Sizes::empty()],
            latencies: [Latencies::empty(), Latencies::empty()],
            zones: Vec::new(),
            tcp: TcpSnapshot {
                open: accepted.saturating_sub(closed.iter().sum()),
                accepted,
                accept_failures: self.connections.accept_failures.load(Relaxed),
                closed,
            },
        };
        self.udp.iter().for_each(|counters| counters.add_to(&mut total));
        self.tcp.add_to(&mut total);
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Drop;
    use crate::wire::code::{rcode, rtype};

    const HIT: Outcome =
        Outcome { result: Ok(90), rcode: rcode::NOERROR, qtype: rtype::AAAA, zone: Some(1), truncated: false };

    fn count(snapshot: &Snapshot, transport: Transport, family: Family, qtype: Option<u16>, rcode: Option<u16>) -> u64 {
        let kind = |q: &QueryCount| (q.transport, q.family, q.qtype, q.rcode) == (transport, family, qtype, rcode);
        snapshot.queries().filter(kind).map(|q| q.count).sum()
    }

    #[test]
    fn a_snapshot_adds_up_all_workers_and_keeps_kinds_apart() {
        let registry = Registry::new(2);
        registry.grow_zones(2);
        registry.udp(0).outcome(Family::V4, &HIT);
        registry.udp(1).outcome(Family::V4, &HIT);
        registry.udp(1).outcome(Family::V6, &Outcome { truncated: true, zone: None, ..HIT });
        registry.tcp().outcome(Family::V4, &Outcome { qtype: 4711, rcode: 4000, result: Ok(60_000), ..HIT });
        registry.udp(0).outcome(Family::V4, &Outcome { result: Err(Drop::PortZero), ..HIT });
        registry.udp(0).dropped(DropCause::KernelOverflow, 7);
        registry.udp(0).latency(2_000, 2);
        registry.tcp().latency(5_000_000_000, 1);
        let all = registry.snapshot();
        let hit = (Some(rtype::AAAA), Some(rcode::NOERROR));
        assert_eq!(count(&all, Transport::Udp, Family::V4, hit.0, hit.1), 2);
        assert_eq!(count(&all, Transport::Udp, Family::V6, hit.0, hit.1), 1);
        assert_eq!(count(&all, Transport::Tcp, Family::V4, None, None), 1);
        assert_eq!(all.queries().map(|q| q.count).sum::<u64>(), 4);
        assert_eq!((registry.answers(rcode::NOERROR), registry.answers(rcode::NXDOMAIN)), (3, 0));
        assert_eq!((all.truncated(Transport::Udp), all.truncated(Transport::Tcp)), (1, 0));
        assert_eq!(all.dropped(Transport::Udp, DropCause::PortZero), 1);
        assert_eq!(all.dropped(Transport::Udp, DropCause::KernelOverflow), 7);
        assert_eq!((all.sizes(Transport::Udp).count(), all.sizes(Transport::Udp).sum), (3, 270));
        assert_eq!(all.sizes(Transport::Tcp).counts[22], 1);
        assert_eq!((all.latencies(Transport::Udp).count(), all.latencies(Transport::Udp).sum), (2, 4_000));
        assert_eq!(all.latencies(Transport::Tcp).counts.last(), Some(&1));
        assert_eq!(all.zones()[..2], [0, 3]);
    }

    #[test]
    fn totals_leave_out_what_the_host_itself_asked() {
        let registry = Registry::new(2);
        for _ in 0..3 {
            registry.udp(0).outcome(Family::V4, &HIT);
            registry.udp(1).outcome(Family::V6, &HIT);
        }
        registry.udp(1).local();
        registry.tcp().outcome(Family::V4, &HIT);
        registry.tcp().local();
        registry.udp(0).outcome(Family::V4, &Outcome { result: Err(Drop::Short), ..HIT });
        registry.udp(0).dropped(DropCause::KernelOverflow, 4);
        registry.udp(1).dropped(DropCause::KernelOverflow, 2);
        assert_eq!(registry.totals(), Totals { foreign: 5, kernel_drops: 6 });
        let all = registry.snapshot();
        assert_eq!((all.local(Transport::Udp), all.local(Transport::Tcp)), (1, 1));
    }

    #[test]
    fn zones_are_counted_once_there_is_room_and_keep_their_count() {
        let registry = Registry::new(1);
        let far = Outcome { zone: Some(ZONE_CHUNK as u32 + 5), ..HIT };
        registry.grow_zones(1);
        registry.udp(0).outcome(Family::V4, &far);
        registry.udp(0).outcome(Family::V4, &HIT);
        assert_eq!(registry.snapshot().zones().len(), ZONE_CHUNK);
        registry.grow_zones(ZONE_CHUNK + 6);
        registry.udp(0).outcome(Family::V4, &far);
        registry.udp(0).outcome(Family::V4, &Outcome { zone: Some(u32::MAX), ..HIT });
        let all = registry.snapshot();
        assert_eq!((all.zones()[1], all.zones()[ZONE_CHUNK + 5]), (1, 1));
        assert_eq!(all.zones().iter().sum::<u64>(), 2);
    }

    #[test]
    fn open_connections_are_those_accepted_and_not_closed() {
        let registry = Registry::new(0);
        for _ in 0..3 {
            registry.connections().accepted();
        }
        registry.connections().closed(Closed::Idle);
        registry.connections().accept_failed();
        let tcp = registry.snapshot().tcp;
        assert_eq!((tcp.open, tcp.accepted, tcp.accept_failures), (2, 3, 1));
        assert_eq!((tcp.closed(Closed::Idle), tcp.closed(Closed::Stopped)), (1, 0));
    }
}
