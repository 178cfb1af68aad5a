//! Flap damping: a prefix that a fault withdrew waits before it is announced again, longer each time.

use crate::announce::Moment;
use crate::announce::settings::Damping;

/// What is remembered of one prefix's faults.
#[derive(Debug, Clone, Default)]
pub(super) struct Damper {
    flaps: u32,
    total: u64,
    last: Option<Moment>,
    until: Option<Moment>,
}

impl Damper {
    /// A fault withdrew the prefix. Gives the end of its hold-down.
    pub(super) fn flap(&mut self, now: Moment, settings: &Damping) -> Moment {
        self.flaps = self.flaps(now, settings).saturating_add(1);
        let doubled = settings.hold_down.saturating_mul(2u32.saturating_pow(self.flaps - 1));
        let until = now.saturating_add(doubled.min(settings.hold_down_max));
        self.total = self.total.saturating_add(1);
        self.last = Some(now);
        self.until = Some(until);
        until
    }

    /// Withdrawals that count at `now`.
    pub(super) fn flaps(&self, now: Moment, settings: &Damping) -> u32 {
        let recent = self.last.is_some_and(|last| now < last.saturating_add(settings.forget));
        if recent { self.flaps } else { 0 }
    }

    /// Withdrawals that were ever counted.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The end of the hold-down, while it lasts.
    pub(super) fn held(&self, now: Moment) -> Option<Moment> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_hold_down_doubles_up_to_its_longest_and_is_forgotten() {
        let settings = Damping::default();
        let mut damper = Damper::default();
        let mut now = secs(1000);
        assert_eq!(damper.held(now), None, "nothing holds a prefix down at the start");
        for held in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
            assert_eq!(damper.flap(now, &settings), now + secs(held));
            assert_eq!(damper.held(now + secs(held) - Duration::from_nanos(1)), Some(now + secs(held)));
            assert_eq!(damper.held(now + secs(held)), None);
            now += secs(599);
        }
        assert_eq!(damper.flaps(now, &settings), 9);
        now += secs(1);
        assert_eq!(damper.flaps(now, &settings), 0, "ten minutes after the last");
        assert_eq!(damper.flap(now, &settings), now + secs(5));
        assert_eq!(damper.total(), 10);
    }

    #[test]
    fn any_number_of_flaps_is_bounded() {
        let settings = Damping { hold_down: secs(1), hold_down_max: secs(60), forget: secs(60) };
        let mut damper = Damper::default();
        for _ in 0..1000 {
            assert!(damper.flap(secs(1), &settings) <= secs(61));
        }
        let off = Damping { hold_down: secs(0), hold_down_max: secs(0), forget: secs(0) };
        damper.flap(secs(2), &off);
        assert_eq!(damper.held(secs(2)), None);
    }
}
