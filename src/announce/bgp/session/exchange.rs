//! Routes, while a session is established: ours to the peer, and the count of the peer's.

use super::received::{Received, Verdict};
use super::report::Notice;
use super::timers::After;
use super::{Action, Session, Side};
use crate::announce::Moment;
use crate::announce::bgp::advertise::{AdjRibOut, Unannounced};
use crate::announce::bgp::message::{Notification, RouteRefresh, Update};
use crate::announce::prefix::Prefix;
use crate::announce::route::Routes;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Pause between notices of malformed UPDATEs.
const MALFORMED_PAUSE: Duration = Duration::from_secs(60);
/// Subtypes of ROUTE-REFRESH (RFC 7313 3.2).
pub(super) const REFRESH_REQUEST: u8 = 0;
const REFRESH_BEGINS: u8 = 1;
const REFRESH_ENDS: u8 = 2;

/// What exists only while a session is established.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) side: Side,
    pub(super) since: Moment,
    pub(super) out: AdjRibOut,
    pub(super) received: Received,
}

impl Session {
    pub(super) fn update(&mut self, now: Moment, side: Side, update: Update, out: &mut Vec<Action>) {
        let Some(exchange) = &mut self.exchange else { return };
        let verdict = exchange.received.update(&self.settings, &update);
        if let Some(what) = update.malformed {
            self.malformed(now, what, out);
        }
        match verdict {
            Verdict::Fine => {}
            Verdict::Alarm(family, count) => {
                let alarm = self.settings.receive_alarm.unwrap_or_default();
                out.push(Action::Notice(Notice::Alarm { family, count, alarm }));
            }
            Verdict::Limit(family) => {
                let cease = Notification::too_many_prefixes(family, self.settings.receive_limit);
                self.refuse(now, side, cease, After::OverLimit, out);
            }
        }
    }

    fn malformed(&mut self, now: Moment, what: String, out: &mut Vec<Action>) {
        self.malformed += 1;
        self.malformed_unsaid += 1;
        if self.malformed_said.is_none_or(|said| now >= said + MALFORMED_PAUSE) {
            self.malformed_said = Some(now);
            let count = std::mem::take(&mut self.malformed_unsaid);
            out.push(Action::Notice(Notice::Malformed { what, count }));
        }
    }

    pub(super) fn refresh(&mut self, now: Moment, refresh: RouteRefresh, out: &mut Vec<Action>) {
        // RFC 2918 4, RFC 7313 5: other families and subtypes are ignored.
        let (Some(exchange), Some(family)) = (&mut self.exchange, refresh.family) else { return };
        match refresh.subtype {
            REFRESH_REQUEST => {
                exchange.out.refresh(family);
                self.announce(now, out);
            }
            REFRESH_BEGINS => exchange.received.repetition_begins(family),
            REFRESH_ENDS => exchange.received.repetition_ends(family),
            _ => {}
        }
    }

    pub(super) fn set_routes(&mut self, now: Moment, routes: Routes, out: &mut Vec<Action>) {
        self.routes = routes;
        self.want(now, out);
    }

    pub(super) fn set_own_prefixes(&mut self, own: BTreeSet<Prefix>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.received.own_prefixes(&own);
        }
        self.settings.own_prefixes = own;
    }

    /// What is wanted has changed, or a peer to want it for is there.
    pub(super) fn want(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(exchange) = &mut self.exchange else { return };
        // A family that the settings leave out is not wanted there: nothing is amiss.
        let families = &self.settings.families;
        let wanted = self.routes.iter().filter(|(prefix, _)| families.contains(&prefix.family()));
        let news = exchange.out.set(wanted);
        self.announce(now, out);
        if news {
            out.extend(self.unannounced_notices().into_iter().map(Action::Notice));
        }
    }

    fn unannounced_notices(&self) -> Vec<Notice> {
        let mut reasons: BTreeMap<Unannounced, (Prefix, usize)> = BTreeMap::new();
        for (prefix, why) in self.unannounced() {
            reasons.entry(why).or_insert((prefix, 0)).1 += 1;
        }
        reasons.into_iter().map(|(why, (prefix, count))| Notice::Unannounced { prefix, count, why }).collect()
    }

    /// Sends what the peer lacks: withdrawals at once, all else while nothing waits in the send buffer.
    pub(super) fn announce(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(mut exchange) = self.exchange.take() else { return };
        self.exchange_messages(now, &mut exchange, out);
        self.exchange = Some(exchange);
    }

    fn exchange_messages(&mut self, now: Moment, exchange: &mut Exchange, out: &mut Vec<Action>) {
        let Some(connection) = self.connection(exchange.side) else { return };
        let clear = connection.all_written();
        let mut messages = exchange.out.withdrawals();
        if clear {
            messages.extend(exchange.out.announcements());
        }
        for message in &messages {
            self.send(now, exchange.side, message, out);
        }
        if let Some(connection) = self.connection(exchange.side) {
            exchange.out.handed_over(connection.positions().0);
        }
    }

    pub(super) fn written(&mut self, now: Moment, side: Side, queued: usize, out: &mut Vec<Action>) {
        let Some(connection) = self.connection_mut(side) else { return };
        connection.written(now, queued);
        let (position, clear) = (connection.positions().1, connection.all_written());
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.side == side) {
            exchange.out.written(now, position);
            if clear {
                self.announce(now, out);
            }
        }
    }
}
