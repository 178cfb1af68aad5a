//! The nodes of a channel, as they report themselves.

use super::tip::{Held, Tip};
use super::transfer::persist;
use super::{Error, Publisher};
use crate::calendar;
use crate::sync::channel::{Channel, Generation};
use crate::sync::codec::Digest;
use crate::sync::report::{REPORT_LEN_MAX, Report, is_node_name};
use crate::zone::check::dnssec::ENDS_SOON_SECS;
use serde::Serialize;
use std::time::Duration;

/// A report older than this is of a node that may be gone.
pub const AGE_MAX: Duration = Duration::from_secs(60);
/// How often nodes are looked at by those who wait for them.
const POLL: Duration = Duration::from_millis(200);

/// A channel's nodes beside its head.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fleet {
    /// The channel.
    #[serde(serialize_with = "shown")]
    pub channel: Channel,
    /// The head's generation.
    #[serde(serialize_with = "shown_some")]
    pub generation: Option<Generation>,
    /// The head's manifest.
    #[serde(serialize_with = "shown_some")]
    pub manifest: Option<Digest>,
    /// How long ago the head was last said to be it, in seconds.
    pub head_age_secs: Option<i64>,
    /// The release that some nodes try, if one is on trial.
    pub trial: Option<Tried>,
    /// Whether all is well.
    pub in_step: bool,
    /// By name.
    pub nodes: Vec<Node>,
}

/// A release on trial, as its publisher said it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tried {
    /// Its generation.
    #[serde(serialize_with = "shown")]
    pub generation: Generation,
    /// The return release.
    #[serde(serialize_with = "shown")]
    pub back: Generation,
    /// Which wave it is in, from 1.
    pub step: u32,
    /// The nodes that are to serve it.
    pub nodes: Vec<String>,
    /// How long ago the wave began, in seconds by the publisher's clock and ours.
    pub age_secs: i64,
    /// How long each node serves it without further word, in seconds.
    pub deadline_secs: u32,
    /// Its publisher must be gone: its nodes have gone back, and whoever publishes next ends it.
    pub abandoned: bool,
}

/// One node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Node {
    /// Its name.
    pub node: String,
    /// How old its last report is, in seconds.
    pub age_secs: u64,
    /// Releases between what it serves and the head; `None`: that can't be said.
    pub behind: Option<u64>,
    /// What is not as it should be; empty: nothing.
    pub faults: Vec<String>,
    /// What it said last, if that can be read.
    pub report: Option<Report>,
}

fn shown<T: std::fmt::Display, S: serde::Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(value)
}

fn shown_some<T: std::fmt::Display, S: serde::Serializer>(value: &Option<T>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => out.collect_str(value),
        None => out.serialize_none(),
    }
}

/// How a wait for nodes ended.
#[derive(Debug, Clone)]
pub enum Waited {
    /// All that report serve it, one at least.
    All(Fleet),
    /// Time is up. Of the nodes that count, if there are any, some don't serve it.
    TimedOut(Fleet),
}

impl Waited {
    /// The nodes that count, as they were seen last.
    pub fn fleet(&self) -> &Fleet {
        let (Waited::All(fleet) | Waited::TimedOut(fleet)) = self;
        fleet
    }
}

impl Node {
    /// Whether it serves this release or a later one.
    fn serves(&self, generation: Generation) -> bool {
        let serving = self.report.as_ref().and_then(|report| report.serving);
        serving.is_some_and(|serving| serving.generation >= generation)
    }
}

impl Tip {
    /// The release on trial, if one is, at this time in seconds since 1970.
    pub fn tried(&self, now_secs: u64) -> Option<Tried> {
        let trial = self.on_trial()?.trial.claims();
        Some(Tried {
            generation: trial.release.generation,
            back: trial.back.generation,
            step: trial.step,
            nodes: trial.nodes().to_vec(),
            age_secs: saturated(now_secs).saturating_sub(saturated(trial.time_secs)),
            deadline_secs: trial.deadline_secs,
            abandoned: self.is_abandoned(now_secs),
        })
    }
}

impl Publisher {
    /// The nodes of this channel.
    pub async fn fleet(&self, now_secs: u64, age_max: Duration) -> Result<Fleet, Error> {
        let tip = self.tip().await?;
        let channels = &self.store.channels;
        let reports = persist(|| channels.reports(&self.channel)).await.map_err(Error::store("reading reports"))?;
        let held = tip.held();
        let releases = Releases {
            held,
            head_age_secs: tip
                .state
                .head
                .as_ref()
                .map(|head| now_secs.saturating_sub(head.manifest.claims().time_secs)),
            on_trial: tip.on_trial().map(|on| [on.manifest.held(), on.back.held()]),
        };
        let judge = |(node, bytes, age): (String, Vec<u8>, Duration)| judge(node, &bytes, age, &releases, age_max);
        let nodes: Vec<Node> = reports.into_iter().filter(|(node, _, _)| is_node_name(node)).map(judge).collect();
        let trial = tip.tried(now_secs);
        let is_abandoned = trial.as_ref().is_some_and(|trial| trial.abandoned);
        Ok(Fleet {
            channel: self.channel.clone(),
            generation: held.map(|held| held.generation),
            manifest: held.map(|held| held.manifest),
            head_age_secs: tip.trust.head_age_secs(now_secs),
            in_step: nodes.iter().all(|node| node.faults.is_empty()) && !is_abandoned,
            trial,
            nodes,
        })
    }

    /// Waits until all nodes whose reports are younger than [`AGE_MAX`], and which have no delay, serve this release or a later one: one at
    /// least, as nobody knows of a release that none is known to serve. `now_secs`: when that begins, in seconds
    /// since 1970. `each` sees the nodes that count, each time that they were looked at.
    pub async fn wait(
        &self,
        generation: Generation,
        timeout: Duration,
        now_secs: u64,
        mut each: impl FnMut(&Fleet, usize),
    ) -> Result<Waited, Error> {
        let began = tokio::time::Instant::now();
        let deadline = began + timeout;
        loop {
            let mut fleet = self.fleet(now_secs + began.elapsed().as_secs(), AGE_MAX).await?;
            let is_delayed = |node: &Node| node.report.as_ref().is_some_and(|report| report.delay_secs > 0);
            fleet.nodes.retain(|node| node.age_secs <= AGE_MAX.as_secs() && !is_delayed(node));
            fleet.in_step = fleet.nodes.iter().all(|node| node.faults.is_empty());
            let there = fleet.nodes.iter().filter(|node| node.serves(generation)).count();
            each(&fleet, there);
            if there > 0 && there == fleet.nodes.len() {
                return Ok(Waited::All(fleet));
            }
            if tokio::time::Instant::now() + POLL > deadline {
                fleet.in_step = false;
                return Ok(Waited::TimedOut(fleet));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The releases that nodes may serve.
struct Releases {
    held: Option<Held>,
    /// How long ago the head was made.
    head_age_secs: Option<u64>,
    /// The release on trial, and its return release.
    on_trial: Option<[Held; 2]>,
}

/// Foreign clocks may say anything.
fn saturated(secs: u64) -> i64 {
    i64::try_from(secs).unwrap_or(i64::MAX)
}

fn judge(node: String, bytes: &[u8], age: Duration, releases: &Releases, age_max: Duration) -> Node {
    let held = releases.held;
    let mut faults = Vec::new();
    let report: Option<Report> = match bytes.len() {
        0..=REPORT_LEN_MAX => serde_json::from_slice(bytes).ok(),
        _ => None,
    };
    let mut behind = None;
    match &report {
        None => faults.push("its report can't be read".into()),
        Some(report) => {
            match (report.serving, held) {
                (None, _) => faults.push("serves no release".into()),
                (Some(serving), Some(held)) => {
                    if serving.generation.key_set == held.generation.key_set {
                        behind = Some(held.generation.counter.saturating_sub(serving.generation.counter));
                    }
                    let on_trial = releases.on_trial.unwrap_or([held; 2]);
                    let is_of_trial =
                        |held: &Held| *held == Held { generation: serving.generation, manifest: serving.manifest };
                    // What is to wait may be behind for so long.
                    let patience = report.delay_secs.saturating_add(age_max.as_secs());
                    let may_wait = report.delay_secs > 0 && releases.head_age_secs.is_some_and(|age| age <= patience);
                    if serving.generation < held.generation {
                        faults.extend((!may_wait).then(|| "behind".into()));
                    } else if let Some(place) = on_trial.iter().position(is_of_trial) {
                        // Those that went back by themselves have not heard of their publisher for long.
                        faults.extend((place == 1 && on_trial[1] != held).then(|| "has gone back by itself".into()));
                    } else if serving.generation > held.generation {
                        faults.push("ahead of this store".into());
                    } else if serving.manifest != held.manifest {
                        faults.push("serves another release of the same generation".into());
                    }
                }
                (Some(_), None) => faults.push("ahead of this store".into()),
            }
            if !report.ready {
                faults.push("not ready".into());
            }
            faults.extend(report.problem.clone());
            // By the node's own clock: it is the one that the zones are served by.
            let soon = report.time_secs.saturating_add(u64::from(ENDS_SOON_SECS));
            faults.extend(
                report
                    .signatures_end
                    .filter(|end| u64::from(*end) < soon)
                    .map(|end| format!("a zone's signatures end at {}", calendar::text(end.into()))),
            );
        }
    }
    if age > age_max {
        faults.push(format!("silent for {} s", age.as_secs()));
    }
    Node { node, age_secs: age.as_secs(), behind, faults, report }
}
