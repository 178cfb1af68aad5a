//! How long to wait: the constants, jitter, and waits that grow.

use crate::announce::Moment;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How long an OPEN may take to come (RFC 4271 8.2.2 suggests this "large value" for the hold timer).
pub(super) const OPEN_WAIT: Duration = Duration::from_secs(240);
/// How long an attempt to connect may take; the system alone would go on for two minutes.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Lower bound of the send-hold time (RFC 9687 3.1).
const SEND_HOLD_MIN: Duration = Duration::from_secs(8 * 60);
/// KEEPALIVEs are never sent more often than this (RFC 4271 4.4).
const KEEPALIVE_MIN: Duration = Duration::from_secs(1);
/// First wait after a session or an attempt to connect failed. Doubles with each failure.
const FAILURE_WAIT: Duration = Duration::from_secs(1);
/// Longest stay in Idle after errors (RFC 4271 8.1.1, IdleHoldTime).
const IDLE_HOLD_MAX: Duration = Duration::from_secs(60);
/// First stay in Idle after too many prefixes, and the longest.
const LIMIT_WAIT: Duration = Duration::from_secs(60);
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(3600);
/// How long a session waits for a path that BFD lost. A router on which BFD was switched off, and that did not say so, never has it
/// up again.
pub(super) const PATH_WAIT: Duration = Duration::from_secs(60);
/// A session that held for this long has done with what was before it.
const STABLE: Duration = Duration::from_secs(60);
/// The same after too many prefixes.
const LIMIT_STABLE: Duration = Duration::from_secs(600);

/// Send-hold time of a session (RFC 9687 3.1); none where the hold time is 0 (3.2).
pub(super) fn send_hold_time(hold_time_secs: u16) -> Option<Duration> {
    (hold_time_secs > 0).then(|| SEND_HOLD_MIN.max(2 * Duration::from_secs(hold_time_secs.into())))
}

/// Time between KEEPALIVEs, without jitter: a third of the hold time (RFC 4271 4.4); none where that is 0.
pub(super) fn keepalive_time(hold_time_secs: u16) -> Option<Duration> {
    (hold_time_secs > 0).then(|| Duration::from_secs(hold_time_secs.into()) / 3)
}

/// A small generator: the same seed gives the same waits.
#[derive(Debug)]
pub(super) struct Jitter {
    seed: u64,
    drawn: u64,
}

impl Jitter {
    pub(super) fn new(seed: u64) -> Jitter {
        Jitter { seed, drawn: 0 }
    }

    /// Between three quarters and all of a time (RFC 4271 10).
    pub(super) fn shorten(&mut self, time: Duration) -> Duration {
        self.drawn += 1;
        let draw = xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) >> 40;
        let quarter = time / 4;
        time - quarter.mul_f64(draw as f64 / (1u64 << 24) as f64)
    }

    /// Time until the next KEEPALIVE.
    pub(super) fn keepalive(&mut self, hold_time_secs: u16) -> Option<Duration> {
        keepalive_time(hold_time_secs).map(|time| self.shorten(time).max(KEEPALIVE_MIN))
    }
}

/// What a wait follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// TCP's fault or a collision: try again soon.
    Retry,
    /// An error: Idle for a while.
    Hold,
    /// Too many prefixes: Idle for long.
    OverLimit,
}

/// Waits after failures: they double with each failure of their kind, and each is shortened by up to a quarter. Kinds are
/// counted apart, so that a router that was off for a night is not waited for longer when it errs once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    retries: u32,
    errors: u32,
    over_limit: u32,
}

impl Backoff {
    /// The wait after one more failure; after TCP's failures it is `retry_max` at most.
    pub(super) fn next(&mut self, after: After, retry_max: Duration, jitter: &mut Jitter) -> Duration {
        let (count, first, max) = match after {
            After::Retry => (&mut self.retries, FAILURE_WAIT, retry_max),
            After::Hold => (&mut self.errors, FAILURE_WAIT, IDLE_HOLD_MAX),
            After::OverLimit => (&mut self.over_limit, LIMIT_WAIT, LIMIT_WAIT_MAX),
        };
        let wait = doubled(first, *count, max);
        *count = count.saturating_add(1);
        jitter.shorten(wait)
    }

    /// A session ends that had been established for so long.
    pub(super) fn held_for(&mut self, time: Duration) {
        if time >= STABLE {
            self.retries = 0;
            self.errors = 0;
        }
        if time >= LIMIT_STABLE {
            self.over_limit = 0;
        }
    }

    /// Forgets all.
    pub(super) fn reset(&mut self) {
        *self = Backoff::default();
    }
}

fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    // 2^12 seconds are more than any bound here.
    first.saturating_mul(1 << times.min(12)).min(max)
}

/// The earlier of two deadlines.
pub(super) fn earlier(left: Option<Moment>, right: Option<Moment>) -> Option<Moment> {
    left.into_iter().chain(right).min()
}
