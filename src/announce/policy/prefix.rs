//! One prefix: its state, why, since when, and what came before.

use super::cause::{Cause, CauseKind};
use super::damping::Damper;
use super::service::{Judgement, Verdict};
use crate::announce::Moment;
use crate::announce::prefix::Prefix;
use crate::announce::settings::{Announced, Damping, Require};
use crate::announce::state::State;
use std::collections::VecDeque;

/// Transitions that are kept of each prefix.
pub const TRANSITIONS_MAX: usize = 50;

/// A prefix went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which.
    pub prefix: Prefix,
    /// From here,
    pub from: State,
    /// to here.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// When that was decided.
    pub at: Moment,
}

/// A prefix and its past.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) settings: Announced,
    pub(super) state: State,
    /// Where it would be if there were no permits: all but what it is announced with goes by that. Another than `state` only while
    /// it is away: it would be announced, and is not.
    pub(super) under: State,
    pub(super) since: Moment,
    pub(super) cause: Cause,
    pub(super) damper: Damper,
    pub(super) transitions: VecDeque<Transition>,
}

impl Route {
    pub(super) fn new(now: Moment, settings: Announced) -> Route {
        Route {
            settings,
            state: State::Init,
            under: State::Init,
            since: now,
            cause: Cause::new(CauseKind::Starting, "nothing is known yet"),
            damper: Damper::default(),
            transitions: VecDeque::new(),
        }
    }

    /// Whether a permit keeps it from being announced.
    pub(super) fn away(&self) -> bool {
        self.under.announced() && !self.state.announced()
    }

    /// What its services' verdicts mean for it together. `verdicts`: of those that have an address of its family.
    pub(super) fn combine(&self, verdicts: &[Judgement]) -> Judgement {
        let known = |judged: &&Judgement| judged.verdict != Verdict::Unknown;
        let may_begin = |judged: &&Judgement| judged.verdict.may_begin();
        let rank = |judged: &&Judgement| judged.verdict;
        let decisive = match self.settings.require {
            // A service that the settings added is no reason to withdraw until it is known to be down.
            Require::All if self.under.announced() => verdicts.iter().filter(known).max_by_key(rank),
            Require::All => verdicts.iter().max_by_key(rank),
            Require::Any if self.under.announced() => verdicts.iter().min_by_key(rank),
            Require::Any => {
                verdicts.iter().filter(may_begin).min_by_key(rank).or_else(|| verdicts.iter().min_by_key(rank))
            }
        };
        decisive.or(verdicts.first()).cloned().unwrap_or_else(|| {
            let cause = Cause::new(CauseKind::Settings, "no service has an address of its family");
            Judgement { verdict: Verdict::Unknown, cause, excused: false }
        })
    }

    /// Goes where the verdict leads.
    pub(super) fn step(
        &mut self,
        now: Moment,
        Judgement { verdict, cause, excused }: Judgement,
        damping: &Damping,
    ) -> Option<Transition> {
        let announced = self.under.announced();
        let was_away = self.away();
        let aim = match verdict {
            Verdict::Up | Verdict::Absorbing => State::Up,
            Verdict::Standby | Verdict::Stale | Verdict::Depreferenced => State::Depref,
            Verdict::Draining => State::Drain,
            Verdict::Drained | Verdict::Down => State::Withdrawn,
            Verdict::Unknown => State::Init,
        };
        let (to, cause) = match self.damper.held(now) {
            _ if announced || !aim.announced() => (aim, cause),
            Some(until) if verdict.may_begin() => (State::Withdrawn, held(now, until, self.damper.flaps(now, damping))),
            None if verdict.may_begin() => (aim, cause),
            // Overloaded or about to be drained: no time to begin.
            _ if self.under == State::Init && verdict != Verdict::Draining => (State::Init, cause),
            _ => (State::Withdrawn, cause),
        };
        // Who is being drained was about to go anyway: only what is taken away from traffic by surprise is a flap.
        if verdict == Verdict::Down && matches!(self.under, State::Up | State::Depref) {
            self.damper.flap(now, damping);
        }
        self.under = to;
        let away = to.announced()
            && match verdict {
                Verdict::Stale => excused,
                // Nobody leaves in a flood: it would walk on to the next node. Who is away already is not drawn into it.
                Verdict::Absorbing | Verdict::Depreferenced => excused && was_away,
                // Nor comes anybody back for the time of a drain.
                Verdict::Draining => was_away,
                _ => false,
            };
        match away {
            true if verdict == Verdict::Stale => self.go(now, State::Withdrawn, cause),
            // Still for what it left for.
            true => None,
            false => self.go(now, to, cause),
        }
    }

    /// Goes to a state, or stays there for another reason.
    pub(super) fn go(&mut self, now: Moment, to: State, cause: Cause) -> Option<Transition> {
        self.cause = cause;
        if to == self.state {
            return None;
        }
        let cause = self.cause.clone();
        let transition = Transition { prefix: self.settings.prefix, from: self.state, to, cause, at: now };
        self.state = to;
        self.since = now;
        if self.transitions.len() == TRANSITIONS_MAX {
            self.transitions.pop_front();
        }
        self.transitions.push_back(transition.clone());
        Some(transition)
    }
}

fn held(now: Moment, until: Moment, flaps: u32) -> Cause {
    let left = until.saturating_sub(now).as_secs_f32();
    let times = if flaps == 1 { "once".to_owned() } else { format!("{flaps} times") };
    Cause::new(CauseKind::HoldDown, format!("healthy again, but withdrawn {times} of late: held down {left:.1} s more"))
}
