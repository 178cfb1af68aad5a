//! A node that runs behind: which releases it knows and waits to take.
//!
//! It takes the newest release that it has known for the delay. One whose content comes back as a later release has been known since it
//! was first heard of, and what lies between was taken back: so a release that was rolled back within the delay is never served.

use crate::sync::head::State;
use crate::sync::tree::Root;
use crate::sync::trust::Held;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Releases that wait. When there are more, every other one is skipped; the oldest stays, so that there is always one that becomes due.
const WAITING_MAX: usize = 32;

/// A release that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Which.
    pub(super) held: Held,
    /// The state that it was the head of.
    pub(super) state: Arc<State>,
    root: Root,
    since: Instant,
}

/// All of them, the oldest first. Without a delay there are none.
#[derive(Debug, Default)]
pub(super) struct Queue {
    delay: Duration,
    waiting: Vec<Waiting>,
    /// What is due could not be taken: not before this.
    again: Option<Instant>,
}

impl Queue {
    pub(super) fn new(delay: Duration) -> Queue {
        Queue { delay, ..Queue::default() }
    }

    /// The state's head is known since `now`.
    pub(super) fn add(&mut self, held: Held, root: Root, state: Arc<State>, now: Instant) {
        if self.waiting.last().is_some_and(|last| last.held == held) {
            return;
        }
        let known = self.waiting.iter().position(|waiting| waiting.root == root);
        let since = known.map_or(now, |at| self.waiting[at].since);
        self.waiting.truncate(known.unwrap_or(self.waiting.len()));
        self.waiting.push(Waiting { held, state, root, since });
        if self.waiting.len() > WAITING_MAX {
            let mut at = 0;
            self.waiting.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
    }

    /// This release is served, or is never to be: neither it nor an older one waits any more.
    pub(super) fn done(&mut self, held: Held) {
        self.waiting.retain(|waiting| waiting.held > held);
        self.again = None;
    }

    /// When there is something to take.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let due = self.waiting.first()?.since + self.delay;
        Some(self.again.map_or(due, |again| due.max(again)))
    }

    /// The newest release that has been known for long enough.
    pub(super) fn due(&self, now: Instant) -> Option<&Waiting> {
        self.waiting.iter().rev().find(|waiting| waiting.since + self.delay <= now)
    }

    /// What is due can't be had now.
    pub(super) fn try_again(&mut self, at: Instant) {
        self.again = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::channel::Generation;
    use crate::sync::codec::Digest;
    use crate::sync::key::KeyPair;
    use crate::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
    use crate::sync::page::Totals;
    use crate::sync::signed::Signed;

    const DELAY: Duration = Duration::from_secs(600);

    struct Heard {
        queue: Queue,
        began: Instant,
        state: Arc<State>,
    }

    impl Heard {
        fn new() -> Heard {
            let key = KeyPair::from_seed([1; 32]);
            let roots = Roots::new(vec![key.public()], 1).unwrap();
            let keys = vec![ReleaseKey { key: key.public(), signs: Use::Releases }];
            let set = KeySet::new("prod".parse().unwrap(), 1, 0, roots, keys).unwrap();
            let state = Arc::new(State { key_set: Signed::sign(&set, &[&key]).unwrap(), head: None });
            Heard { queue: Queue::new(DELAY), began: Instant::now(), state }
        }

        fn at(&self, secs: u64) -> Instant {
            self.began + Duration::from_secs(secs)
        }

        /// Hears of a release with this content.
        fn hears(&mut self, counter: u64, content: &str, secs: u64) {
            let root =
                Root { digest: Digest::of(content.as_bytes()), level: 0, totals: Totals { zones: 1, octets: 1 } };
            self.queue.add(held(counter), root, Arc::clone(&self.state), self.at(secs));
        }

        fn due(&self, secs: u64) -> Option<u64> {
            self.queue.due(self.at(secs)).map(|waiting| waiting.held.generation.counter)
        }
    }

    fn held(counter: u64) -> Held {
        Held { generation: Generation { key_set: 1, counter }, manifest: Digest::of(&counter.to_le_bytes()) }
    }

    #[test]
    fn the_newest_that_is_old_enough() {
        let mut heard = Heard::new();
        assert_eq!(heard.queue.due_at(), None);
        heard.hears(2, "two", 0);
        heard.hears(2, "two", 50);
        heard.hears(3, "three", 100);
        heard.hears(4, "four", 500);
        assert_eq!(
            (heard.due(599), heard.due(600), heard.due(700), heard.due(1099)),
            (None, Some(2), Some(3), Some(3))
        );
        assert_eq!(heard.queue.due_at(), Some(heard.at(600)));
        heard.queue.try_again(heard.at(630));
        assert_eq!(heard.queue.due_at(), Some(heard.at(630)));
        heard.queue.done(held(3));
        assert_eq!(heard.queue.due_at(), Some(heard.at(1100)));
        assert_eq!((heard.due(1099), heard.due(1100)), (None, Some(4)));
        heard.queue.done(held(4));
        assert_eq!(heard.queue.due_at(), None);
    }

    #[test]
    fn what_was_rolled_back_is_skipped() {
        let mut heard = Heard::new();
        heard.hears(2, "good", 0);
        heard.hears(3, "bad", 100);
        heard.hears(4, "worse", 200);
        heard.hears(5, "good", 300);
        assert_eq!(heard.due(600), Some(5), "its content is known since 0");
        heard.queue.done(held(5));
        assert_eq!(heard.queue.due_at(), None);
    }

    #[test]
    fn releases_without_end_neither_fill_it_nor_keep_it_waiting() {
        let mut heard = Heard::new();
        let (mut taken, mut since) = (0, 0);
        for secs in 0..10_000 {
            heard.hears(secs + 2, &secs.to_string(), secs);
            assert!(heard.queue.waiting.len() <= WAITING_MAX);
            if let Some(due) = heard.due(secs) {
                assert!(due > taken && due - 2 + 600 <= secs, "{due} at {secs}");
                assert!(secs - since <= 600, "nothing between {since} and {secs}");
                (taken, since) = (due, secs);
                heard.queue.done(held(due));
            }
        }
        assert!(taken > 8_000, "{taken}");
    }
}
