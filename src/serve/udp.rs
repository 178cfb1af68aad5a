//! One batch of datagrams: receive, answer, send, count.

use super::query_log;
use super::syscall::{Batch, now_ns, wall_secs};
use super::throttle::Throttle;
use crate::answer::{Query, Served, Transport, answer, prefetch};
use crate::observe::counters::{Counters, DropCause, Family, One};
use crate::observe::questions::Sampler;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

/// A worker's socket for one address.
pub(crate) struct Socket {
    pub(crate) socket: UdpSocket,
    address: IpAddr,
    /// Whether each datagram must say which address it was sent to.
    wildcard: bool,
    family: Family,
    /// The kernel's count of dropped datagrams when it was last seen; wraps.
    overflows: u32,
}

impl Socket {
    pub(crate) fn new(socket: UdpSocket, address: SocketAddr) -> Socket {
        let address = address.ip();
        Socket { socket, address, wildcard: address.is_unspecified(), family: Family::of(address), overflows: 0 }
    }

    /// Receives a batch, up to the next timeout if `wait`. Gives its length, 0 if nothing came.
    pub(crate) fn receive(&mut self, batch: &mut Batch, counters: &Counters<One>, wait: bool) -> io::Result<usize> {
        let received = batch.receive(self.socket.as_fd(), self.wildcard, wait)?;
        if let Some(overflows) = batch.overflows() {
            let new = overflows.wrapping_sub(self.overflows);
            self.overflows = overflows;
            if new > 0 {
                counters.dropped(DropCause::KernelOverflow, new.into());
            }
        }
        Ok(received)
    }

    /// Answers the `received` datagrams that the batch holds. Gives the time afterwards.
    pub(crate) fn answer(
        &self,
        batch: &mut Batch,
        received: usize,
        served: &Served,
        counters: &Counters<One>,
        query_log: bool,
        sampler: &mut Option<Sampler>,
    ) -> u64 {
        let started_ns = now_ns();
        let now_secs = wall_secs();
        if received > 1 {
            prefetch((0..received).map(|i| batch.packet(i)), served);
        }
        for i in 0..received {
            let exchange = batch.take(i);
            let query = Query {
                packet: exchange.packet,
                peer: exchange.peer,
                local: exchange.local.unwrap_or(self.address),
                transport: Transport::Udp,
                now_secs,
            };
            let outcome = answer(&query, served, exchange.response);
            if query_log {
                query_log::write(&query, &outcome);
            }
            counters.outcome(self.family, &outcome);
            if let Some(sampler) = sampler
                && sampler.is_due()
            {
                sampler.notice(&query, &outcome);
            }
            if let Ok(len) = outcome.result {
                if query.from_this_host() {
                    counters.local();
                }
                batch.reply(len);
            }
        }
        let sent = batch.send(self.socket.as_fd());
        let sent_ns = now_ns();
        counters.latency(sent_ns.saturating_sub(started_ns), received as u64);
        if let Some(error) = sent.error {
            counters.dropped(DropCause::SendFailed, sent.failed);
            report_unsent(&error);
        }
        sent_ns
    }
}

#[cold]
fn report_unsent(error: &io::Error) {
    static UNSENT: Throttle = Throttle::new(Duration::from_secs(10));
    if let Some(times) = UNSENT.pass() {
        tracing::warn!("the kernel did not take a response: {error} ({times} times since the last report)");
    }
}
