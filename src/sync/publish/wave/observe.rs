//! What nodes report while a release is tried on some of them.
//!
//! Ages of reports go by the store's clock, which may be wrong. A report that differs from the one before was written since: so what is news is
//! told by what reports say, and when, by this machine's clock.

use super::judge::{End, Watched};
use crate::sync::publish::fleet::AGE_MAX;
use crate::sync::publish::transfer::persist;
use crate::sync::publish::{Error, Publisher};
use crate::sync::report::{REPORT_LEN_MAX, Report, Wave};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// The nodes of a channel, looked at again and again.
pub struct Observer<'a> {
    publisher: &'a Publisher,
    /// As they were at the first look.
    first: BTreeMap<String, Report>,
    now: BTreeMap<String, Seen>,
}

struct Seen {
    report: Report,
    /// When it was news.
    at: Instant,
}

/// The reports at one time.
pub type Reports = BTreeMap<String, Report>;

impl<'a> Observer<'a> {
    /// Looks for the first time. Nodes whose reports are older than [`AGE_MAX`] are gone, and don't count.
    pub async fn start(publisher: &'a Publisher) -> Result<Observer<'a>, Error> {
        let mut observer = Observer { publisher, first: BTreeMap::new(), now: BTreeMap::new() };
        observer.look().await?;
        observer.first = observer.reports();
        Ok(observer)
    }

    /// Looks again.
    pub async fn look(&mut self) -> Result<(), Error> {
        let Publisher { store, channel, .. } = self.publisher;
        let found = persist(|| store.channels.reports(channel)).await.map_err(Error::store("reading reports"))?;
        let now = Instant::now();
        for (node, bytes, age) in found {
            if age > AGE_MAX && !self.now.contains_key(&node) || bytes.len() > REPORT_LEN_MAX {
                continue;
            }
            let Ok(report) = serde_json::from_slice::<Report>(&bytes) else { continue };
            if self.now.get(&node).is_none_or(|seen| seen.report != report) {
                self.now.insert(node, Seen { report, at: now });
            }
        }
        Ok(())
    }

    /// The nodes, and which wave each is for: those that run behind are there to be safe, and try nothing.
    pub fn fleet(&self) -> BTreeMap<String, Wave> {
        let wave = |report: &Report| if report.delay_secs > 0 { Wave::Last } else { report.wave };
        self.now.iter().map(|(node, seen)| (node.clone(), wave(&seen.report))).collect()
    }

    /// What they said last.
    pub fn reports(&self) -> Reports {
        self.now.iter().map(|(node, seen)| (node.clone(), seen.report.clone())).collect()
    }

    /// What a node said last, and when that was news.
    pub fn report(&self, node: &str) -> Option<(&Report, Instant)> {
        self.now.get(node).map(|seen| (&seen.report, seen.at))
    }

    /// The nodes of a wave, and all others, since they reported `start`. A wave's node that has reported nothing since `since` is silent.
    pub fn watched(&self, wave: &BTreeSet<String>, start: &Reports, since: Instant) -> (Vec<Watched>, Vec<Watched>) {
        let watched = |(node, start): (&String, &Report)| {
            let end = match self.now.get(node) {
                Some(seen) if seen.at >= since || !wave.contains(node) => End::Said(Box::new(seen.report.clone())),
                Some(seen) => End::Silent(seen.at.elapsed().as_secs()),
                None => End::Silent(since.elapsed().as_secs()),
            };
            let before = self.first.get(node).and_then(|report| report.lately);
            Watched { node: node.clone(), before, start: start.clone(), end }
        };
        start.iter().map(watched).partition(|watched| wave.contains(&watched.node))
    }
}
