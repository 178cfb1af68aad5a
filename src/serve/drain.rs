//! Moving traffic away in order: the sidecars are told, and answers go on until nobody asks any more.
//!
//! ```text
//! `catchment drain` -> draining --+                                              +-> told to `drain --wait`
//!                                 +-> lease -> sidecars withdraw -> queries cease +
//! SIGTERM ----------> stopping --+                                              +-> the server stops
//! ```
//!
//! What ceased is judged by queries from other hosts: the sidecar's probes, and health checks, never cease.

use super::Running;
use crate::counted::counted;
use crate::observe::view::View;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Without a query for so long after the last withdrawal, traffic has gone: longer than routes take to change.
const QUIET_TIME: Duration = Duration::from_secs(1);
/// With at most [`FEW_QUERIES`] in each second for so long, too: some ask this very node, as monitoring does.
const FEW_TIME: Duration = Duration::from_secs(5);
/// See [`FEW_TIME`].
const FEW_QUERIES: u64 = 5;
/// How often it is looked whether traffic has gone.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The drain of this server.
pub struct Drain {
    view: Arc<View>,
    running: Arc<Running>,
    timeout: Duration,
    /// Makes the next lease go out at once.
    news: watch::Sender<()>,
}

/// How a drain ended that was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is announced, and nobody asks.
    Drained(Duration),
    /// The time was over. What was left, in words.
    TimedOut(String),
    /// It was called off.
    CalledOff,
}

impl Drain {
    /// Nothing drains yet. A drain that is waited for ends after `timeout`, if not before. Needs a [`View`] of `running`.
    pub fn new(view: Arc<View>, running: Arc<Running>, timeout: Duration) -> Drain {
        Drain { view, running, timeout, news: watch::Sender::new(()) }
    }

    /// Changes when leases should say something new at once.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// The longest that a drain is waited for.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Begins a drain on the operator's behalf. False if there was one.
    pub fn begin(&self) -> bool {
        let begun = !self.view.draining.swap(true, Relaxed);
        self.news.send_replace(());
        if begun {
            tracing::warn!("draining: sidecars are told to move traffic away");
        }
        begun
    }

    /// Calls it off. False if there was none.
    pub fn end(&self) -> bool {
        let ended = self.view.draining.swap(false, Relaxed);
        self.news.send_replace(());
        if ended {
            tracing::info!("no longer draining: sidecars may announce");
        }
        ended
    }

    /// How many sidecars are connected.
    pub fn sidecars(&self) -> usize {
        self.view.sidecars.count()
    }

    /// Waits until every sidecar has withdrawn and nobody asks any more, for as long as it drains.
    pub async fn wait(&self) -> Ended {
        self.wait_while(|| self.view.draining.load(Relaxed)).await
    }

    /// Tells the sidecars that the server stops and waits until it may. Without a sidecar there is nobody to wait for.
    pub async fn before_stop(&self) {
        self.news.send_replace(());
        let sidecars = self.sidecars();
        if sidecars == 0 {
            return;
        }
        tracing::info!(
            "telling {} to withdraw, and answering until that is done and queries have ceased, or {:?}",
            counted(sidecars, "sidecar"),
            self.timeout
        );
        match self.wait_while(|| true).await {
            Ended::Drained(took) => tracing::info!("drained in {took:.1?}"),
            Ended::TimedOut(left) => tracing::warn!("not drained within {:?}: {left}", self.timeout),
            Ended::CalledOff => {}
        }
    }

    async fn wait_while(&self, wanted: impl Fn() -> bool) -> Ended {
        let began = Instant::now();
        let queries = || self.running.counters().totals().foreign;
        let mut traffic = Traffic::new(queries());
        loop {
            if !wanted() {
                return Ended::CalledOff;
            }
            let announcing = self.view.sidecars.announcing();
            let (took, queries) = (began.elapsed(), queries());
            if traffic.gone(took, announcing.is_empty(), queries) {
                return Ended::Drained(took);
            }
            if took >= self.timeout {
                let mut left: Vec<String> = announcing
                    .iter()
                    .map(|word| {
                        format!("sidecar {:?} has not withdrawn ({})", word.name, counted(word.announced, "prefix"))
                    })
                    .collect();
                if left.is_empty() {
                    left.push("queries still come".into());
                }
                return Ended::TimedOut(left.join(", "));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Whether traffic has gone. Times count from when it was first looked.
#[derive(Debug)]
struct Traffic {
    queries: u64,
    /// When nothing was announced any more, and when the last query came: the later of the two.
    quiet_since: Duration,
    /// The same for the last second with more than a few queries.
    few_since: Duration,
    /// When the present second began, and the queries by then.
    second: (Duration, u64),
}

impl Traffic {
    fn new(queries: u64) -> Traffic {
        let start = Duration::ZERO;
        Traffic { queries, quiet_since: start, few_since: start, second: (start, queries) }
    }

    /// Takes a look at `now`: whether nothing is announced, and how many queries have come.
    fn gone(&mut self, now: Duration, withdrawn: bool, queries: u64) -> bool {
        if !withdrawn || queries != self.queries {
            self.quiet_since = now;
        }
        self.queries = queries;
        if !withdrawn || queries.saturating_sub(self.second.1) > FEW_QUERIES {
            self.few_since = now;
            self.second = (now, queries);
        } else if now.saturating_sub(self.second.0) >= Duration::from_secs(1) {
            self.second = (now, queries);
        }
        now.saturating_sub(self.quiet_since) >= QUIET_TIME || now.saturating_sub(self.few_since) >= FEW_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 50 ms for 20 s; gives the time in ms at which traffic has gone.
    fn gone(withdrawn_at: u64, queries_at: impl Fn(u64) -> u64) -> Option<u64> {
        let mut traffic = Traffic::new(queries_at(0));
        (0..20_000)
            .step_by(50)
            .find(|now| traffic.gone(Duration::from_millis(*now), *now >= withdrawn_at, queries_at(*now)))
    }

    #[test]
    fn traffic_has_gone_a_second_after_the_last_query() {
        // 100 a second until 400 ms after the withdrawal.
        assert_eq!(gone(2000, |now| now.min(2400) / 10), Some(3400));
    }

    #[test]
    fn silence_before_the_withdrawal_proves_nothing() {
        assert_eq!(gone(5000, |_| 7), Some(5950));
        assert_eq!(gone(0, |_| 7), Some(1000));
    }

    #[test]
    fn nothing_has_gone_while_something_is_announced() {
        assert_eq!(gone(u64::MAX, |_| 0), None);
    }

    #[test]
    fn a_few_queries_a_second_are_monitoring_and_more_are_clients() {
        // Every 250 ms, with no whole second of silence.
        let four = gone(1000, |now| now / 250).unwrap();
        assert!((5900..=6100).contains(&four), "{four}");
        assert_eq!(gone(1000, |now| now / 100), None, "10 a second");
        // 10 a second until 8 s, then 4.
        let late = gone(1000, |now| now.min(8000) / 100 + now.saturating_sub(8000) / 250).unwrap();
        assert!((12_400..=13_500).contains(&late), "{late}");
    }
}
