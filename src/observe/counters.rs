//! What the data plane counts, and how it is added up.
//!
//! Each UDP worker has [`Counters`] of its own and is their only writer, so that counting is a plain load and store on a
//! cache line that no other core writes. TCP's tasks move between threads and share one set, with atomic adds. Nothing is
//! added up before somebody asks: [`Registry::snapshot`] reads all of them.
//!
//! Relaxed throughout: a snapshot taken in the middle of a query may have its size and not yet its response code.

use crate::answer::{Drop, Outcome, Transport};
use crate::wire::code::{rcode, rtype};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Query types with a figure of their own; the rest are counted together. 0 is that of an unreadable question.
pub const QTYPES: [u16; 49] = [
    0,
    rtype::A,
    rtype::NS,
    rtype::CNAME,
    rtype::SOA,
    rtype::PTR,
    rtype::HINFO,
    rtype::MX,
    rtype::TXT,
    rtype::RP,
    rtype::AFSDB,
    rtype::SIG,
    rtype::KEY,
    rtype::AAAA,
    rtype::LOC,
    rtype::SRV,
    rtype::NAPTR,
    rtype::KX,
    rtype::CERT,
    rtype::DNAME,
    rtype::APL,
    rtype::DS,
    rtype::SSHFP,
    rtype::IPSECKEY,
    rtype::RRSIG,
    rtype::NSEC,
    rtype::DNSKEY,
    rtype::DHCID,
    rtype::NSEC3,
    rtype::NSEC3PARAM,
    rtype::TLSA,
    rtype::SMIMEA,
    rtype::HIP,
    rtype::CDS,
    rtype::CDNSKEY,
    rtype::OPENPGPKEY,
    rtype::CSYNC,
    rtype::ZONEMD,
    rtype::SVCB,
    rtype::HTTPS,
    rtype::SPF,
    rtype::EUI48,
    rtype::TKEY,
    rtype::TSIG,
    rtype::IXFR,
    rtype::AXFR,
    rtype::ANY,
    rtype::URI,
    rtype::CAA,
];
const QTYPE_SLOTS: usize = QTYPES.len() + 1;

/// Response codes with a figure of their own: those that this server sends.
pub const RCODES: [u16; 9] = [
    rcode::NOERROR,
    rcode::FORMERR,
    rcode::SERVFAIL,
    rcode::NXDOMAIN,
    rcode::NOTIMP,
    rcode::REFUSED,
    rcode::YXDOMAIN,
    rcode::BADVERS,
    rcode::BADCOOKIE,
];
const RCODE_SLOTS: usize = RCODES.len() + 1;

/// Slot by value, for the values under the table's length; those above have the last slot.
const fn slots<const N: usize>(values: &[u16]) -> [u8; N] {
    let mut table = [values.len() as u8; N];
    let mut slot = 0;
    while slot < values.len() {
        table[values[slot] as usize] = slot as u8;
        slot += 1;
    }
    table
}
static QTYPE_SLOT: [u8; 258] = slots(&QTYPES);
static RCODE_SLOT: [u8; 24] = slots(&RCODES);

fn slot(table: &[u8], value: u16, other: usize) -> usize {
    table.get(usize::from(value)).map_or(other, |slot| usize::from(*slot))
}

/// The address family that a client came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order of their figures.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// Why a message got no response, or its response did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// Under 12 octets.
    Short,
    /// It was a response.
    Response,
    /// UDP source port 0.
    PortZero,
    /// The kernel dropped it before we saw it: the receive buffer was full (`SO_RXQ_OVFL`).
    KernelOverflow,
    /// The kernel did not take our response.
    SendFailed,
}

impl DropCause {
    /// All, in the order of their figures.
    pub const ALL: [DropCause; 5] =
        [DropCause::Short, DropCause::Response, DropCause::PortZero, DropCause::KernelOverflow, DropCause::SendFailed];
}

impl From<Drop> for DropCause {
    fn from(drop: Drop) -> DropCause {
        match drop {
            Drop::Short => DropCause::Short,
            Drop::Response => DropCause::Response,
            Drop::PortZero => DropCause::PortZero,
        }
    }
}

/// Why a TCP connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The client closed it.
    ByClient,
    /// No query for the idle timeout.
    Idle,
    /// A message that had begun did not come whole in time.
    ReadTimeout,
    /// The client did not take its answers in time.
    WriteTimeout,
    /// Closed in favour of a newer connection of the same client.
    EvictedByClient,
    /// Closed in favour of a newer connection of anybody.
    EvictedByTotal,
    /// It sent something that gets no response.
    BadMessage,
    /// The kernel reported an error, a reset by the client among them.
    Error,
    /// The server stopped.
    Stopped,
}

impl Closed {
    /// All, in the order of their figures.
    pub const ALL: [Closed; 9] = [
        Closed::ByClient,
        Closed::Idle,
        Closed::ReadTimeout,
        Closed::WriteTimeout,
        Closed::EvictedByClient,
        Closed::EvictedByTotal,
        Closed::BadMessage,
        Closed::Error,
        Closed::Stopped,
    ];
}

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

/// A histogram with two buckets an octave. Bucket 0 ends at 2^`FIRST`, the others at 1.5 and 2 times a power of two (ends
/// belong to the bucket, as Prometheus's `le`); the last of the `N` has no end.
struct Histogram<const FIRST: u32, const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const FIRST: u32, const N: usize> Histogram<FIRST, N> {
    fn new() -> Self {
        Histogram { buckets: [const { AtomicU64::new(0) }; N], sum: AtomicU64::new(0) }
    }

    fn bucket(value: u64) -> usize {
        if value <= 1 << FIRST {
            return 0;
        }
        let below = value - 1;
        let octave = below.ilog2();
        let upper_half = (below >> (octave - 1)) & 1;
        ((octave - FIRST) as usize * 2 + upper_half as usize + 1).min(N - 1)
    }

    /// End of each bucket but the last.
    fn ends() -> Vec<u64> {
        (0..N as u32 - 1)
            .map(|i| match (FIRST + i / 2, i % 2) {
                (octave, 0) => 1 << octave,
                (octave, _) => (1 << octave) + (1 << (octave - 1)),
            })
            .collect()
    }

    #[inline]
    fn count<W: Writers>(&self, value: u64, n: u64) {
        W::add(&self.buckets[Self::bucket(value)], n);
        W::add(&self.sum, value.wrapping_mul(n));
    }

    fn add_to(&self, total: &mut Distribution) {
        for (sum, bucket) in total.counts.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
        total.sum += self.sum.load(Relaxed);
    }

    fn empty() -> Distribution {
        Distribution { ends: Self::ends(), counts: vec![0; N], sum: 0 }
    }
}

/// Octets: up to 32, ... up to 65,536.
type Sizes = Histogram<5, 24>;
/// Nanoseconds: up to 1,024, ... up to 2^30 (1.07 s), and longer.
type Latencies = Histogram<10, 42>;

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
        let qtype = slot(&QTYPE_SLOT, outcome.qtype, QTYPES.len());
        let rcode = slot(&RCODE_SLOT, outcome.rcode, RCODES.len());
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

    fn add_to(&self, total: &mut Snapshot) {
        let transport = self.transport as usize;
        for (sums, slots) in total.queries[transport].iter_mut().flatten().zip(self.queries.iter().flatten()) {
            for (sum, slot) in sums.iter_mut().zip(slots) {
                *sum += slot.load(Relaxed);
            }
        }
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

    /// Adds everything up.
    pub fn snapshot(&self) -> Snapshot {
        let closed = std::array::from_fn(|i| self.connections.closed[i].load(Relaxed));
        // Read after what is taken from it, so that the difference cannot fall below 0.
        let accepted = self.connections.accepted.load(Relaxed);
        let mut total = Snapshot {
            queries: [[[[0; RCODE_SLOTS]; QTYPE_SLOTS]; 2]; 2],
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

/// All figures at one time, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    queries: [[[[u64; RCODE_SLOTS]; QTYPE_SLOTS]; 2]; 2],
    truncated: [u64; 2],
    drops: [[u64; DropCause::ALL.len()]; 2],
    sizes: [Distribution; 2],
    latencies: [Distribution; 2],
    zones: Vec<u64>,
    /// TCP's connections.
    pub tcp: TcpSnapshot,
}

/// Queries that were answered, of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryCount {
    /// How they came.
    pub transport: Transport,
    /// By which family.
    pub family: Family,
    /// Type asked; 0: unreadable; `None`: one without a figure of its own.
    pub qtype: Option<u16>,
    /// Response code; `None`: one without a figure of its own.
    pub rcode: Option<u16>,
    /// How many: never 0.
    pub count: u64,
}

const TRANSPORTS: [Transport; 2] = [Transport::Udp, Transport::Tcp];

impl Snapshot {
    /// Queries that were answered, by kind, those kinds that came at all.
    pub fn queries(&self) -> impl Iterator<Item = QueryCount> {
        TRANSPORTS.into_iter().flat_map(move |transport| {
            Family::ALL.into_iter().flat_map(move |family| {
                let slots = &self.queries[transport as usize][family as usize];
                slots.iter().enumerate().flat_map(move |(q, rcodes)| {
                    let counts = rcodes.iter().enumerate().filter(|(_, count)| **count > 0);
                    counts.map(move |(r, &count)| {
                        let (qtype, rcode) = (QTYPES.get(q).copied(), RCODES.get(r).copied());
                        QueryCount { transport, family, qtype, rcode, count }
                    })
                })
            })
        })
    }

    /// Responses with TC set.
    pub fn truncated(&self, transport: Transport) -> u64 {
        self.truncated[transport as usize]
    }

    /// Messages without a response, by cause.
    pub fn dropped(&self, transport: Transport, cause: DropCause) -> u64 {
        self.drops[transport as usize][cause as usize]
    }

    /// Octets of the responses.
    pub fn sizes(&self, transport: Transport) -> &Distribution {
        &self.sizes[transport as usize]
    }

    /// Nanoseconds that messages took; see [`Counters::latency`].
    pub fn latencies(&self, transport: Transport) -> &Distribution {
        &self.latencies[transport as usize]
    }

    /// Queries by the zone's stable id, all transports. Ids beyond the end had none.
    pub fn zones(&self) -> &[u64] {
        &self.zones
    }
}

/// A histogram's figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Greatest value of each bucket but the last, which has none.
    pub ends: Vec<u64>,
    /// Values in each bucket, not cumulated; one more than `ends`.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
}

impl Distribution {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// TCP's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSnapshot {
    /// Open now.
    pub open: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Failures to accept.
    pub accept_failures: u64,
    closed: [u64; Closed::ALL.len()],
}

impl TcpSnapshot {
    /// Closed since the start, by cause.
    pub fn closed(&self, cause: Closed) -> u64 {
        self.closed[cause as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIT: Outcome =
        Outcome { result: Ok(90), rcode: rcode::NOERROR, qtype: rtype::AAAA, zone: Some(1), truncated: false };

    fn count(snapshot: &Snapshot, transport: Transport, family: Family, qtype: Option<u16>, rcode: Option<u16>) -> u64 {
        let kind = |q: &QueryCount| (q.transport, q.family, q.qtype, q.rcode) == (transport, family, qtype, rcode);
        snapshot.queries().filter(kind).map(|q| q.count).sum()
    }

    #[test]
    fn each_value_has_the_slot_of_its_own_or_the_last() {
        for (i, qtype) in QTYPES.iter().enumerate() {
            assert_eq!(slot(&QTYPE_SLOT, *qtype, QTYPES.len()), i, "{}", rtype::text(*qtype));
        }
        for (i, rcode) in RCODES.iter().enumerate() {
            assert_eq!(slot(&RCODE_SLOT, *rcode, RCODES.len()), i, "{}", rcode::text(*rcode));
        }
        for other in [rtype::MD, rtype::OPT, 258, 65535] {
            assert_eq!(slot(&QTYPE_SLOT, other, QTYPES.len()), QTYPES.len());
        }
        assert_eq!(slot(&RCODE_SLOT, 4095, RCODES.len()), RCODES.len());
    }

    #[test]
    fn buckets_hold_what_lies_up_to_their_end() {
        let ends = Sizes::ends();
        assert_eq!(ends[..5], [32, 48, 64, 96, 128]);
        assert_eq!(ends.last(), Some(&65536));
        for value in 0..=70_000 {
            let by_ends = ends.iter().position(|end| value <= *end).unwrap_or(ends.len());
            assert_eq!(Sizes::bucket(value), by_ends, "{value}");
        }
        assert_eq!(Latencies::ends().last(), Some(&(1 << 30)));
        assert_eq!(Latencies::bucket(u64::MAX), Latencies::ends().len());
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
