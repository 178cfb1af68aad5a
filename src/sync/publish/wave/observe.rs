//! What nodes report while a release is tried on some of them.
//!
//! Ages of reports go by the store's clock, which may be wrong. A report that differs from the one before was written since: so what is news is
//! told by what reports say, and when, by this machine's clock.
//!
//! Whoever may write reports may write very many, under ever new names: nodes are those that were there at the first look, at most
//! [`NODES_MAX`](crate::sync::report::NODES_MAX), and of what they say only what waves go by is kept.

use super::judge::{End, Watched};
use crate::sync::publish::fleet::AGE_MAX;
use crate::sync::publish::transfer::persist;
use crate::sync::publish::{Error, Publisher};
use crate::sync::report::{REPORT_LEN_MAX, Report, Wave, is_node_name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The nodes of a channel, looked at again and again.
pub struct Observer<'a> {
    publisher: &'a Publisher,
    /// As they were at the first look.
    first: Reports,
    /// The same nodes, as they are now.
    now: BTreeMap<String, Seen>,
}

struct Seen {
    report: Report,
    /// When it was news.
    at: Instant,
}

/// The reports at one time.
pub type Reports = BTreeMap<String, Report>;

/// The reports that can be read, and how old each is.
async fn read(publisher: &Publisher) -> Result<impl Iterator<Item = (String, Report, Duration)>, Error> {
    let Publisher { store, channel, .. } = publisher;
    let found = persist(|| store.channels.reports(channel)).await.map_err(Error::store("reading reports"))?;
    Ok(found.into_iter().filter_map(|(node, bytes, age)| {
        if !is_node_name(&node) || bytes.len() > REPORT_LEN_MAX {
            return None;
        }
        let report: Report = serde_json::from_slice(&bytes).ok()?;
        Some((node, Report { traffic: None, ..report }, age))
    }))
}

impl<'a> Observer<'a> {
    /// Looks for the first time. Nodes whose reports are older than [`AGE_MAX`] are gone, and don't count.
    pub async fn start(publisher: &'a Publisher) -> Result<Observer<'a>, Error> {
        let there = read(publisher).await?.filter(|(_, _, age)| *age <= AGE_MAX);
        let at = Instant::now();
        let first: Reports = there.map(|(node, report, _)| (node, report)).collect();
        let now = first.iter().map(|(node, report)| (node.clone(), Seen { report: report.clone(), at })).collect();
        Ok(Observer { publisher, first, now })
    }

    /// Looks again.
    pub async fn look(&mut self) -> Result<(), Error> {
        let found = read(self.publisher).await?;
        let now = Instant::now();
        for (node, report, _) in found {
            if let Some(seen) = self.now.get_mut(&node)
                && seen.report != report
            {
                *seen = Seen { report, at: now };
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
