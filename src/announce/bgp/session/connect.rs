//! When to connect, when to wait, and what BFD has to say about it (RFC 4271 8.2.2, RFC 5882).

use super::connection::{Connection, Phase};
use super::report::Cause;
use super::timers::{After, CONNECT_WAIT, PATH_WAIT};
use super::{Action, PathState, Session, Side, negotiate};
use crate::announce::Moment;
use crate::announce::bgp::message::{Message, Notification};
use crate::announce::bgp::notification::Reason;
use std::net::IpAddr;

/// What our own end does about connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dial {
    /// Nothing, until started.
    Stopped,
    /// Nothing until then, and until BFD agrees or was waited for (Idle).
    Held { until: Moment },
    /// Wait until then (Active); for ever where the peer is to connect, or a connection is there.
    Waiting { until: Option<Moment> },
    /// An attempt is under way (Connect), given up at that time.
    Trying { until: Moment },
}

impl Session {
    pub(super) fn start(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.dial == Dial::Stopped {
            self.backoff.reset();
            self.dial(now, out);
            self.settle(now, Cause::Started, out);
        }
    }

    pub(super) fn stop(&mut self, now: Moment, cease: &Notification, out: &mut Vec<Action>) {
        self.abandon(now, cease, out);
        self.dial = Dial::Stopped;
        self.settle(now, Cause::Stopped(cease.clone()), out);
    }

    /// Closes all connections, and gives up an attempt.
    fn abandon(&mut self, now: Moment, notification: &Notification, out: &mut Vec<Action>) {
        for side in [Side::Outgoing, Side::Incoming] {
            if self.connection(side).is_some() {
                self.send(now, side, &Message::Notification(notification.clone()), out);
                self.drop_connection(now, side, out);
            }
        }
        if matches!(self.dial, Dial::Trying { .. }) {
            out.push(Action::Close { side: Side::Outgoing });
        }
    }

    /// Tries to connect, or waits for the peer where that is set, or BFD says that it's no use.
    fn dial(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.dial = if self.path_lost.is_some() {
            Dial::Held { until: now }
        } else if self.settings.passive {
            Dial::Waiting { until: None }
        } else {
            out.push(Action::Connect);
            Dial::Trying { until: now + CONNECT_WAIT }
        };
    }

    pub(super) fn connected(&mut self, now: Moment, local: IpAddr, out: &mut Vec<Action>) {
        if !matches!(self.dial, Dial::Trying { .. }) {
            // Given up in the meantime.
            out.extend(self.connection(Side::Outgoing).is_none().then_some(Action::Close { side: Side::Outgoing }));
            return;
        }
        self.dial = Dial::Waiting { until: None };
        self.open(now, Side::Outgoing, local, out);
    }

    pub(super) fn connect_failed(&mut self, now: Moment, error: String, out: &mut Vec<Action>) {
        if matches!(self.dial, Dial::Trying { .. }) {
            self.dial = Dial::Waiting { until: None };
            let cause = Cause::ConnectFailed(error);
            self.stay_down(now, After::Retry);
            self.failed(now, &cause);
            self.settle(now, cause, out);
        }
    }

    pub(super) fn accepted(&mut self, now: Moment, local: IpAddr, out: &mut Vec<Action>) {
        let idle = matches!(self.dial, Dial::Stopped | Dial::Held { .. });
        // RFC 4271 8.2.2: Idle refuses connections. A peer has one at a time; if it has one already and dials again, the
        // first is dead and its OPEN will never come. One whose OPEN came is for the hold timer to judge.
        let first = self.connection(Side::Incoming).map(|connection| connection.phase);
        let busy = first.is_some_and(|phase| phase > Phase::OpenSent);
        if idle || busy {
            out.push(Action::Refuse);
            return;
        }
        if first.is_some() {
            self.drop_connection(now, Side::Incoming, out);
        }
        if let Dial::Waiting { until } = &mut self.dial {
            *until = None;
        }
        out.push(Action::Accept);
        self.open(now, Side::Incoming, local, out);
    }

    /// A connection is there: our OPEN goes first (RFC 4271 8.2.2; DelayOpen is not done).
    fn open(&mut self, now: Moment, side: Side, local: IpAddr, out: &mut Vec<Action>) {
        self.connections[side as usize] = Some(Connection::new(now, side, local.to_canonical()));
        self.send(now, side, &Message::Open(negotiate::open(&self.settings)), out);
        self.settle(now, Cause::Connected(side), out);
    }

    /// Decides when to go on.
    pub(super) fn stay_down(&mut self, now: Moment, after: After) {
        let waits_for_peer = self.settings.passive || self.connections().next().is_some();
        if after == After::Retry && waits_for_peer {
            self.dial = Dial::Waiting { until: None };
            return;
        }
        let until = now + self.backoff.next(after, self.settings.connect_retry, &mut self.jitter);
        self.dial = match after {
            After::Retry => Dial::Waiting { until: Some(until) },
            // A longer stay in Idle is not cut short: a router's BFD goes down with a session closed for too many routes.
            After::Hold | After::OverLimit => match self.dial {
                Dial::Held { until: before } => Dial::Held { until: until.max(before) },
                _ => Dial::Held { until },
            },
        };
    }

    pub(super) fn path(&mut self, now: Moment, state: PathState, out: &mut Vec<Action>) {
        match state {
            PathState::Up => {
                self.path_was_up = true;
                self.path_back(now, out);
            }
            PathState::AdminDown => {
                self.path_was_up = false;
                self.path_back(now, out);
            }
            PathState::Down if self.path_was_up && self.path_lost.is_none() => {
                self.path_lost = Some(now + PATH_WAIT);
                if self.dial == Dial::Stopped {
                    return;
                }
                // RFC 9384: the peer may not hear it, but if it does it knows why.
                let cease = Notification::new(Reason::BfdDown, []);
                self.abandon(now, &cease, out);
                self.stay_down(now, After::Hold);
                let cause = Cause::Sent(cease);
                self.failed(now, &cause);
                self.settle(now, cause, out);
            }
            PathState::Down => {}
        }
    }

    fn path_back(&mut self, now: Moment, out: &mut Vec<Action>) {
        if self.path_lost.take().is_some() && matches!(self.dial, Dial::Held { until } if until <= now) {
            self.dial(now, out);
            self.settle(now, Cause::BfdUp, out);
        }
    }

    /// When Idle ends, if BFD says nothing before.
    pub(super) fn held_until(&self, until: Moment) -> Moment {
        self.path_lost.map_or(until, |lost| lost.max(until))
    }

    /// Waits that are over.
    pub(super) fn tick_dial(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.dial {
            Dial::Held { until } if self.held_until(until) <= now => {
                // Whatever BFD says from now on, it has to be up first.
                if self.path_lost.take().is_some() {
                    self.path_was_up = false;
                }
                self.dial(now, out);
                self.settle(now, Cause::WaitOver, out);
            }
            Dial::Waiting { until: Some(until) } if until <= now => {
                self.dial(now, out);
                self.settle(now, Cause::WaitOver, out);
            }
            Dial::Trying { until } if until <= now => {
                out.push(Action::Close { side: Side::Outgoing });
                self.connect_failed(now, format!("no answer for {} s", CONNECT_WAIT.as_secs()), out);
            }
            _ => {}
        }
    }
}
