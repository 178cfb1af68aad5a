//! What the server's leases say over time: whether one is valid, and whether answers flow.

use crate::announce::Moment;
use crate::lease::{self, Lease};
use std::collections::VecDeque;
use std::time::Duration;

/// Answers a second, besides those to our own probes, from which on they *flow*. Somebody is served then, so that a failing
/// probe means too much traffic rather than none. Below, it is monitoring and chance.
const FLOW_QPS: f64 = 10.0;
/// Kernel drops a second that mean overload: fewer are what a burst leaves behind.
const DROPS_PER_SEC: f64 = 100.0;
/// A drained node is *quiet* below so many answers a second besides those to our own probes...
const QUIET_QPS: f64 = 5.0;
/// ...and this part of theirs, because counts over a second are as uneven as their ends.
const QUIET_SLACK: f64 = 0.25;
/// How long it has to be quiet.
const QUIET: Duration = Duration::from_secs(1);
/// Counts are compared over at most so long.
const KEPT: Duration = Duration::from_secs(2);
/// Counts nearer to each other than this are one.
const SPACING: Duration = Duration::from_millis(100);
/// Counts kept.
const SAMPLES_MAX: usize = 24;

/// A server's counts at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    sent: Moment,
    queries: u64,
    drops: u64,
}

/// The leases that came.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    newest: Option<Lease>,
    /// The highest time of sending ever seen, of any server process.
    seen: Option<Moment>,
    /// Why the last one ended before its time.
    lost: Option<String>,
    samples: VecDeque<Sample>,
}

impl Flow {
    /// A lease came. `false`: it is from the future, or no newer than one that came before, and counts for nothing.
    pub(super) fn push(&mut self, now: Moment, lease: Lease) -> bool {
        if lease.sent > now || self.seen.is_some_and(|seen| lease.sent <= seen) {
            return false;
        }
        self.seen = Some(lease.sent);
        self.lost = None;
        let sample = Sample { sent: lease.sent, queries: lease.queries, drops: lease.drops };
        // Counts that go down are those of another process.
        if self.samples.back().is_some_and(|last| sample.queries < last.queries || sample.drops < last.drops) {
            self.samples.clear();
        }
        if self.samples.back().is_none_or(|last| last.sent.saturating_add(SPACING) <= sample.sent) {
            self.samples.push_back(sample);
        }
        while self.samples.len() > SAMPLES_MAX
            || self.samples.front().is_some_and(|first| first.sent.saturating_add(KEPT) < sample.sent)
        {
            self.samples.pop_front();
        }
        self.newest = Some(lease);
        true
    }

    /// The server went away.
    pub(super) fn lose(&mut self, reason: String) {
        self.newest = None;
        self.samples.clear();
        self.lost = Some(reason);
    }

    /// The newest lease, valid or not.
    pub(super) fn newest(&self) -> Option<&Lease> {
        self.newest.as_ref()
    }

    /// The newest lease while it is valid.
    pub(super) fn valid(&self, now: Moment) -> Option<&Lease> {
        self.newest.as_ref().filter(|lease| lease.valid(now))
    }

    /// Whether a lease ever came.
    pub(super) fn had_lease(&self) -> bool {
        self.seen.is_some()
    }

    /// Why there is no lease: the connection ended, or there never was one.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Answers a second over as long as a lease is valid.
    pub(super) fn answers_per_sec(&self) -> Option<f64> {
        self.per_sec(lease::VALID, |sample| sample.queries)
    }

    /// Whether the kernel drops queries.
    pub(super) fn dropping(&self) -> bool {
        self.per_sec(lease::VALID, |sample| sample.drops).is_some_and(|drops| drops >= DROPS_PER_SEC)
    }

    /// Whether queries are answered, or come too fast to be taken. `own`: answers to our own probes, a second.
    pub(super) fn flows(&self, own: f64) -> bool {
        self.answers_per_sec().is_some_and(|answers| answers >= own + FLOW_QPS) || self.dropping()
    }

    /// Whether hardly any queries were answered over a second that began after `since`.
    pub(super) fn quiet(&self, since: Moment, own: f64) -> bool {
        let Some(newest) = self.samples.back() else { return false };
        let a_second_ago = |sample: &&Sample| sample.sent >= since && sample.sent.saturating_add(QUIET) <= newest.sent;
        let Some(then) = self.samples.iter().rev().find(a_second_ago) else { return false };
        let answers = rate(then, newest, |sample| sample.queries);
        answers < own * (1.0 + QUIET_SLACK) + QUIET_QPS
    }

    fn per_sec(&self, window: Duration, count: impl Fn(&Sample) -> u64) -> Option<f64> {
        let newest = self.samples.back()?;
        let oldest = self.samples.iter().find(|sample| sample.sent.saturating_add(window) >= newest.sent)?;
        (oldest.sent < newest.sent).then(|| rate(oldest, newest, count))
    }
}

/// What a count grew by, a second. The samples lie [`SPACING`] apart at least.
fn rate(from: &Sample, to: &Sample, count: impl Fn(&Sample) -> u64) -> f64 {
    let grown = count(to).saturating_sub(count(from));
    // Counts up to 2^53 are exact in a float, and nobody answers more in two seconds.
    grown as f64 / to.sent.saturating_sub(from.sent).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn lease(at: u64, queries: u64, drops: u64) -> Lease {
        Lease { sent: ms(at), beat: ms(at), queries, drops, ..Lease::default() }
    }

    /// Leases every 250 ms with these counts of queries.
    fn flow(counts: &[u64]) -> Flow {
        let mut flow = Flow::default();
        for (i, queries) in counts.iter().enumerate() {
            let at = 1000 + 250 * i as u64;
            assert!(flow.push(ms(at), lease(at, *queries, 0)));
        }
        flow
    }

    #[test]
    fn leases_of_the_future_and_of_the_past_count_for_nothing() {
        let mut flow = Flow::default();
        assert!(!flow.push(ms(1000), lease(1001, 0, 0)));
        assert!(flow.push(ms(1000), lease(1000, 5, 0)));
        assert!(!flow.push(ms(1001), lease(1000, 6, 0)), "a repetition");
        assert!(!flow.push(ms(1001), lease(999, 7, 0)));
        assert_eq!(flow.newest().unwrap().queries, 5);
        flow.lose("gone".into());
        assert!(!flow.push(ms(2000), lease(1000, 5, 0)), "not even after it was lost");
        assert_eq!(flow.lost(), Some("gone"));
        assert!(flow.push(ms(2000), lease(2000, 1, 0)), "another process counts from 0");
        assert_eq!(flow.lost(), None);
    }

    #[test]
    fn answers_flow_from_ten_a_second_besides_our_own() {
        assert_eq!(flow(&[100]).answers_per_sec(), None);
        assert!(!flow(&[100]).flows(0.0), "one count says nothing");
        let flowing = flow(&[100, 105, 110, 115, 120]);
        assert_eq!(flowing.answers_per_sec(), Some(20.0));
        assert!(flowing.flows(10.0) && !flowing.flows(10.5));
        assert!(!flow(&[1000, 0, 0, 0]).flows(0.0), "a new process has answered nothing yet");
    }

    #[test]
    fn drops_are_overload() {
        let mut flow = Flow::default();
        flow.push(ms(1000), lease(1000, 0, 1_000_000));
        assert!(!flow.dropping(), "those of yesterday");
        flow.push(ms(1250), lease(1250, 0, 1_000_024));
        assert!(!flow.dropping(), "96 a second");
        flow.push(ms(1500), lease(1500, 0, 1_000_050));
        assert!(flow.dropping() && flow.flows(1000.0), "100 a second");
    }

    #[test]
    fn quiet_is_a_second_that_began_after_the_drain() {
        // 200 a second up to 2000 ms, then nothing.
        let counts = [0, 50, 100, 150, 200, 200, 200, 200, 200, 200, 200];
        for (taken, quiet) in [(5, false), (8, false), (9, true), (11, true)] {
            assert_eq!(flow(&counts[..taken]).quiet(ms(1000), 0.0), quiet, "{taken}");
        }
        assert!(!flow(&counts[..9]).quiet(ms(2001), 0.0), "only 750 ms of it are after the drain");
        // Our own probes go on.
        let own: Vec<u64> = (0..9).map(|i| i * 10).collect();
        assert!(!flow(&own).quiet(ms(1000), 20.0));
        assert!(flow(&own).quiet(ms(1000), 40.0));
        assert!(!flow(&[]).quiet(ms(0), 0.0));
    }

    #[test]
    fn a_flood_of_leases_is_kept_within_bounds() {
        let mut flow = Flow::default();
        for i in 0..100_000 {
            flow.push(ms(i), lease(i, i, 0));
        }
        assert!(flow.samples.len() <= SAMPLES_MAX);
        assert_eq!(flow.answers_per_sec().unwrap().round(), 1000.0);
        assert!(!flow.quiet(ms(98_000), 0.0));
    }
}
