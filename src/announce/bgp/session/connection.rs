//! One TCP connection of a session: what has come and gone, and its timers.

use super::negotiate::Negotiated;
use super::timers::{self, Jitter, OPEN_WAIT, earlier, send_hold_time};
use super::{Action, Counts, Side};
use crate::announce::Moment;
use crate::announce::bgp::codec::{Context, Decoder, Error, encode};
use crate::announce::bgp::message::Message;
use std::net::IpAddr;
use std::time::Duration;

/// How far a connection has come (RFC 4271 8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    OpenSent,
    OpenConfirm,
    Established,
}

/// A connection on which our OPEN has been sent.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) side: Side,
    pub(super) phase: Phase,
    /// Our end.
    pub(super) local_address: IpAddr,
    /// Once the peer's OPEN was found good.
    pub(super) negotiated: Option<Negotiated>,
    context: Context,
    decoder: Decoder,
    /// Octets handed to the system's side, and how many of those have left our send buffer.
    sent: u64,
    written: u64,
    hold_until: Option<Moment>,
    keepalive_at: Option<Moment>,
    /// Send-hold timer (RFC 9687): runs while anything is in the send buffer.
    send_hold_until: Option<Moment>,
}

/// A timer of a connection that has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    Hold,
    SendHold,
    Keepalive,
}

impl Connection {
    pub(super) fn new(now: Moment, side: Side, local_address: IpAddr) -> Connection {
        Connection {
            side,
            phase: Phase::OpenSent,
            local_address,
            negotiated: None,
            context: Context::default(),
            decoder: Decoder::new(),
            sent: 0,
            written: 0,
            hold_until: Some(now + OPEN_WAIT),
            keepalive_at: None,
            send_hold_until: None,
        }
    }

    /// The next message in `octets`.
    pub(super) fn next_message(&mut self, octets: &mut &[u8]) -> Option<Result<Message, Error>> {
        self.decoder.next(octets, &self.context)
    }

    /// Hands a message over to be sent.
    pub(super) fn send(
        &mut self,
        now: Moment,
        message: &Message,
        jitter: &mut Jitter,
        counts: &mut Counts,
        out: &mut Vec<Action>,
    ) {
        let octets = encode(message, &self.context);
        if octets.is_empty() {
            return;
        }
        counts.count(message, messages_in(&octets));
        self.sent += octets.len() as u64;
        // RFC 4271 4.4: KEEPALIVEs and UPDATEs both show that we live.
        if matches!(message, Message::Keepalive | Message::Update(_)) {
            self.keepalive_at = jitter.keepalive(self.hold_time_secs()).map(|time| now + time);
        }
        if self.send_hold_until.is_none() {
            self.send_hold_until = self.send_hold_time().map(|time| now + time);
        }
        out.push(Action::Send { side: self.side, octets });
    }

    /// The system's side says how many octets are still in its send buffer.
    pub(super) fn written(&mut self, now: Moment, queued: usize) {
        let written = self.sent.saturating_sub(queued as u64);
        if written > self.written {
            self.written = written;
            // RFC 9687 3.2: every octet that leaves starts the timer anew.
            self.send_hold_until = self.send_hold_time().map(|time| now + time);
        }
        if self.all_written() {
            self.send_hold_until = None;
        }
    }

    pub(super) fn all_written(&self) -> bool {
        self.written == self.sent
    }

    /// How many octets have been sent so far, and how many of them have left the send buffer.
    pub(super) fn positions(&self) -> (u64, u64) {
        (self.sent, self.written)
    }

    /// The peer's OPEN is good.
    pub(super) fn agree(&mut self, now: Moment, negotiated: Negotiated) {
        self.phase = Phase::OpenConfirm;
        self.context = negotiated.context.clone();
        self.negotiated = Some(negotiated);
        self.heard(now);
    }

    /// The peer lives.
    pub(super) fn heard(&mut self, now: Moment) {
        match self.hold_time_secs() {
            // No hold timer, but a connection must get beyond OpenConfirm some time: the wait for the OPEN goes on.
            0 if self.phase < Phase::Established => {}
            0 => self.hold_until = None,
            secs => self.hold_until = Some(now + Duration::from_secs(secs.into())),
        }
    }

    /// The negotiated hold time; 0 before it is negotiated, as no timer runs by it then.
    fn hold_time_secs(&self) -> u16 {
        self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hold_time_secs)
    }

    fn send_hold_time(&self) -> Option<Duration> {
        send_hold_time(self.hold_time_secs())
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        earlier(earlier(self.hold_until, self.keepalive_at), self.send_hold_until)
    }

    /// Which timer has run out, the gravest first.
    pub(super) fn expired(&self, now: Moment) -> Option<Expired> {
        let due = |timer: Option<Moment>| timer.is_some_and(|at| at <= now);
        if due(self.hold_until) {
            Some(Expired::Hold)
        } else if due(self.send_hold_until) {
            Some(Expired::SendHold)
        } else {
            due(self.keepalive_at).then_some(Expired::Keepalive)
        }
    }

    /// The keepalive timer has run out. While the send buffer is not empty one more KEEPALIVE would only lengthen it.
    pub(super) fn keepalive(&mut self, now: Moment, jitter: &mut Jitter, counts: &mut Counts, out: &mut Vec<Action>) {
        if self.all_written() {
            self.send(now, &Message::Keepalive, jitter, counts, out);
        } else {
            self.keepalive_at = jitter.keepalive(self.hold_time_secs()).map(|time| now + time);
        }
    }

    /// Time between KEEPALIVEs; `None` if there are none.
    pub(super) fn keepalive_time(&self) -> Option<Duration> {
        timers::keepalive_time(self.hold_time_secs())
    }
}

/// How many messages there are, going by their length fields (RFC 4271 4.1).
fn messages_in(mut octets: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(length) = octets.get(16..18) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        octets = octets.get(length.max(1)..).unwrap_or_default();
        count += 1;
    }
    count
}
