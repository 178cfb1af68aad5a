//! All counters added up, for whoever asks.

use super::histogram::Distribution;
use super::kinds::{Closed, DropCause, Family, QTYPE_SLOTS, QTYPES, RCODE_SLOTS, RCODES};
use crate::answer::Transport;

/// All figures at one time, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) queries: [[[[u64; RCODE_SLOTS]; QTYPE_SLOTS]; 2]; 2],
    pub(super) local: [u64; 2],
    pub(super) truncated: [u64; 2],
    pub(super) drops: [[u64; DropCause::ALL.len()]; 2],
    pub(super) sizes: [Distribution; 2],
    pub(super) latencies: [Distribution; 2],
    pub(super) zones: Vec<u64>,
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

impl Snapshot {
    /// Queries that were answered, by kind, those kinds that came at all.
    pub fn queries(&self) -> impl Iterator<Item = QueryCount> {
        Transport::ALL.into_iter().flat_map(move |transport| {
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

    /// Queries that were answered and came from this host itself.
    pub fn local(&self, transport: Transport) -> u64 {
        self.local[transport as usize]
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

/// TCP's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSnapshot {
    /// Open now.
    pub open: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// Failures to accept.
    pub accept_failures: u64,
    pub(super) closed: [u64; Closed::ALL.len()],
}

impl TcpSnapshot {
    /// Closed since the start, by cause.
    pub fn closed(&self, cause: Closed) -> u64 {
        self.closed[cause as usize]
    }
}
