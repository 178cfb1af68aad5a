//! Limits how often one cause is logged.

use super::syscall::now_ns;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Lets one event through in each interval, and counts the others.
pub(crate) struct Throttle {
    interval_ns: u64,
    /// Before this, events are only counted.
    next_ns: AtomicU64,
    held_back: AtomicU64,
}

impl Throttle {
    pub(crate) const fn new(interval: Duration) -> Throttle {
        let interval_ns = interval.as_nanos() as u64;
        Throttle { interval_ns, next_ns: AtomicU64::new(0), held_back: AtomicU64::new(0) }
    }

    /// Whether to log this event; if so, how many there were since the last one that was logged, this one included.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(now_ns())
    }

    fn pass_at(&self, now_ns: u64) -> Option<u64> {
        let held_back = self.held_back.fetch_add(1, Relaxed);
        let next_ns = self.next_ns.load(Relaxed);
        let due = now_ns >= next_ns
            && self.next_ns.compare_exchange(next_ns, now_ns + self.interval_ns, Relaxed, Relaxed).is_ok();
        due.then(|| {
            self.held_back.fetch_sub(held_back + 1, Relaxed);
            held_back + 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_an_interval_passes_and_tells_of_the_others() {
        let throttle = Throttle::new(Duration::from_nanos(100));
        let passed: Vec<_> = [5, 6, 50, 104, 105, 106, 300].into_iter().map(|now| throttle.pass_at(now)).collect();
        assert_eq!(passed, [Some(1), None, None, None, Some(4), None, Some(2)]);
    }
}
