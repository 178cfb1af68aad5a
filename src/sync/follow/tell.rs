//! Reports to the store: at each change, and from time to time.

use super::{Figures, Health, Shared};
use crate::sync::report::{Report, Trying, interval_on_trial};
use crate::sync::store::StoreError;
use crate::sync::trial::OnTrial;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a store may take for a report.
const REPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// A store that takes no reports is asked again after this.
const DENIED_PAUSE: Duration = Duration::from_secs(600);
/// A report is forgotten after so many intervals.
const INTERVALS_KEPT: u32 = 3;

/// Reports until it is dropped.
pub(super) async fn tell(shared: &Shared) {
    let mut denied: Vec<Option<Instant>> = vec![None; shared.stores.len()];
    loop {
        tokio::select! {
            biased;
            () = shared.news.notified() => {}
            () = sleep(shared.jittered(interval(shared))) => {}
        }
        report(shared, &mut denied).await;
    }
}

impl Shared {
    /// Reports more often while a release is on trial somewhere in the fleet, which the channel's keys have said.
    pub(super) fn hears_of_trial(&self, on: Option<&OnTrial>) {
        let deadline = on.map(|on| Duration::from_secs(on.trial.claims().deadline_secs.into()));
        let mut before = None;
        self.status.set(|figures| before = std::mem::replace(&mut figures.compared, deadline));
        if before != deadline {
            self.news.notify_one();
        }
    }
}

/// How long until the next report.
fn interval(shared: &Shared) -> Duration {
    let usual = shared.settings.report_interval;
    let compared = shared.status.figures().compared;
    compared.map_or(usual, |deadline| usual.min(interval_on_trial(deadline)))
}

async fn report(shared: &Shared, denied: &mut [Option<Instant>]) {
    let Settled { channel, node, ttl } = Settled::of(shared);
    for (at, store) in shared.by_preference() {
        if denied[at].is_some_and(|since| since.elapsed() < DENIED_PAUSE) {
            continue;
        }
        // A report is a few kilobytes at most: nothing of it can fail to be written.
        let report = compose(shared, &shared.status.figures(), shared.node.health());
        let Ok(bytes) = serde_json::to_vec(&report) else { return };
        match timeout(REPORT_TIMEOUT, store.channels.report(channel, node, bytes, ttl)).await {
            Ok(Ok(())) => return,
            Ok(Err(StoreError::Denied(why))) => {
                denied[at] = Some(Instant::now());
                tracing::debug!("store {} takes no reports: {why}", store.name);
            }
            Ok(Err(error)) => shared.store_failed(at, &format!("a report: {error}")),
            Err(_) => shared.store_failed(at, "a report: no answer in time"),
        }
    }
}

struct Settled<'a> {
    channel: &'a crate::sync::channel::Channel,
    node: &'a str,
    ttl: Duration,
}

impl Settled<'_> {
    fn of(shared: &Shared) -> Settled<'_> {
        let settings = &shared.settings;
        Settled {
            channel: &settings.policy.channel,
            node: &settings.node,
            ttl: settings.report_interval * INTERVALS_KEPT,
        }
    }
}

fn compose(shared: &Shared, figures: &Figures, health: Health) -> Report {
    Report {
        node: shared.settings.node.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        time_secs: (shared.clock)(),
        serving: figures.serving,
        problem: figures.problem.clone().or_else(|| figures.unkept.clone()),
        ready: health.ready,
        announce: health.announce,
        zones: health.zones,
        failed: health.failed,
        qps: health.qps,
        signatures_end: health.signatures_end,
        wave: shared.settings.wave,
        delay_secs: shared.settings.delay.as_secs(),
        trial: figures
            .trial
            .map(|(step, back)| Trying { step, back_secs: back.saturating_duration_since(Instant::now()).as_secs() }),
        refused: figures.refused.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect(),
        answers: health.answers,
        lately: health.lately,
        addresses: health.addresses,
        traffic: health.traffic,
    }
}
