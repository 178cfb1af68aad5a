//! The course of a release: from wave to wave, until it is the head or is taken back.
//!
//! ```text
//! on trial at the canaries -> all of them serve it -> soak -> judged --good--> widen -> ... -> promote -> everyone
//!                  |                  |                 |       |bad
//!                  +------------------+-----------------+-------+-> take back
//! ```
//!
//! Nothing but the last two steps changes what other nodes serve. A publisher that ends anywhere before leaves a release on trial, whose nodes
//! go back by themselves at the deadline ([`crate::sync::publish::trial`]).

use super::Settings;
use super::ask::{ASKING_MAX, Ask};
use super::judge::{End, Fault, Judgement, What, judge};
use super::observe::Observer;
use crate::sync::key::KeyPair;
use crate::sync::publish::tip::Held;
use crate::sync::publish::trial::Takers;
use crate::sync::publish::{Error, Published, Publisher};
use crate::sync::report::{Report, interval_on_trial};
use futures_util::{StreamExt, stream};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often nodes are looked at when something is waited for.
const POLL: Duration = Duration::from_millis(200);
/// A report takes so long from a node to here at most, beyond the interval at which nodes report.
const REPORT_TRAVEL: Duration = Duration::from_secs(3);

/// Nodes that are asked at once: each takes a socket, and what it sends back must find room there.
pub const ASKED_AT_ONCE: usize = 64;

/// A release that is on trial at the nodes of the first step.
pub struct Course<'a> {
    /// Who publishes.
    pub publisher: &'a Publisher,
    /// What signs.
    pub key: &'a KeyPair,
    /// How it is tried.
    pub settings: &'a Settings,
    /// The nodes that serve it after each step.
    pub steps: &'a [BTreeSet<String>],
    /// The release.
    pub release: Held,
    /// How long nodes may take until they serve it.
    pub timeout: Duration,
    /// Seconds since 1970.
    pub clock: fn() -> u64,
    /// Asks nodes that too few others ask.
    pub ask: &'a dyn Ask,
}

/// How it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// So many of a wave's nodes serve it.
    Serve {
        /// Which wave, from 0.
        wave: usize,
        /// Nodes that serve it.
        there: usize,
        /// Nodes of the wave.
        nodes: usize,
        /// How long after the wave began.
        after: Duration,
    },
    /// They are watched for so long from now on.
    Soak(Duration),
    /// A wave passed.
    Passed {
        /// Which, from 0.
        wave: usize,
        /// By what.
        by: Passed,
    },
}

/// What a wave passed by.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// Queries that its nodes had over the soak.
    pub queries: u64,
    /// Nodes that were asked, as too few others asked them, and how many questions.
    pub asked: Vec<(String, usize)>,
}

/// Why a release is not to be the head.
#[derive(Debug)]
pub enum Why {
    /// What was seen of its nodes.
    Faults {
        /// In which wave, from 0.
        wave: usize,
        /// What.
        faults: Vec<Fault>,
    },
    /// It could not be found out.
    Error(Error),
}

impl From<Error> for Why {
    fn from(error: Error) -> Why {
        Why::Error(error)
    }
}

impl Course<'_> {
    /// Goes through all waves. The release is still on trial afterwards, in each case.
    pub async fn run(&self, observer: &mut Observer<'_>, mut tell: impl FnMut(&Told)) -> Result<(), Why> {
        for (wave, nodes) in self.steps.iter().enumerate() {
            let began = Instant::now();
            if wave > 0 {
                let next = Takers { nodes: nodes.clone(), deadline: self.settings.deadline() };
                self.publisher.widen(self.key, self.release, &next, (self.clock)()).await?;
            }
            let mut shown = None;
            let faulty = |faults| Why::Faults { wave, faults };
            self.until_served(observer, nodes, |there| {
                if shown.replace(there) != Some(there) {
                    tell(&Told::Serve { wave, there, nodes: nodes.len(), after: began.elapsed() });
                }
            })
            .await?
            .map_err(faulty)?;
            tell(&Told::Soak(self.settings.soak));
            let by = self.soak(observer, nodes, began + self.settings.deadline()).await?.map_err(faulty)?;
            tell(&Told::Passed { wave, by });
        }
        Ok(())
    }

    /// Makes it the head.
    pub async fn promote(&self) -> Result<Published, Error> {
        self.publisher.promote(self.key, Some(self.release), (self.clock)()).await
    }

    /// Waits until all these nodes serve it. `Err` within: those that don't in time, or never will, as they serve a later one.
    async fn until_served(
        &self,
        observer: &mut Observer<'_>,
        nodes: &BTreeSet<String>,
        mut each: impl FnMut(usize),
    ) -> Result<Result<(), Vec<Fault>>, Error> {
        let began = Instant::now();
        loop {
            observer.look().await?;
            let late: Vec<&String> = nodes.iter().filter(|node| !self.is_served_by(observer, node)).collect();
            each(nodes.len() - late.len());
            if late.is_empty() {
                return Ok(Ok(()));
            }
            let left = late.iter().filter(|node| self.has_left(observer, node));
            let left: Vec<Fault> = left.map(|node| self.lateness(observer, node)).collect();
            if !left.is_empty() {
                return Ok(Err(left));
            }
            if began.elapsed() + POLL > self.timeout {
                return Ok(Err(late.into_iter().map(|node| self.lateness(observer, node)).collect()));
            }
            sleep(POLL).await;
        }
    }

    fn is_served_by(&self, observer: &Observer<'_>, node: &str) -> bool {
        let serving = observer.report(node).and_then(|(report, _)| report.serving);
        serving.is_some_and(|s| s.generation == self.release.generation && s.manifest == self.release.manifest)
    }

    /// Whether a node serves a later release: none goes down.
    fn has_left(&self, observer: &Observer<'_>, node: &str) -> bool {
        let serving = observer.report(node).and_then(|(report, _)| report.serving);
        serving.is_some_and(|serving| serving.generation > self.release.generation)
    }

    fn lateness(&self, observer: &Observer<'_>, node: &str) -> Fault {
        let what = match observer.report(node) {
            None => What::Silent(self.timeout.as_secs()),
            Some((report, at)) if at.elapsed() < self.timeout => {
                What::Serves(report.serving.map(|serving| serving.generation), report.problem.clone())
            }
            Some((_, at)) => What::Silent(at.elapsed().as_secs()),
        };
        Fault { node: node.into(), what }
    }

    /// Watches all nodes for the time of a soak, and judges those of the wave. What can't become good again ends it early. Gives how many
    /// queries these had, and which were asked how many questions. `until`: when nodes go back by themselves.
    async fn soak(
        &self,
        observer: &mut Observer<'_>,
        nodes: &BTreeSet<String>,
        until: Instant,
    ) -> Result<Result<Passed, Vec<Fault>>, Error> {
        let start = observer.reports();
        let (began, soak) = (Instant::now(), self.settings.soak);
        let interval = interval_on_trial(self.settings.deadline());
        let patience = interval * 2 + REPORT_TRAVEL;
        let judged = |observer: &Observer<'_>, since: Instant| {
            let (wave, others) = observer.watched(nodes, &start, since);
            let has_all = wave.iter().all(|watched| matches!(watched.end, End::Said(_)));
            (judge(&wave, &others, &self.release, &self.settings.limits), has_all)
        };
        let over = began + soak;
        while Instant::now() < over {
            sleep_until(next_look(Instant::now(), over, interval.max(POLL))).await;
            observer.look().await?;
            let since = Instant::now().checked_sub(patience).unwrap_or(began);
            let (judgement, _) = judged(observer, since);
            let lasting: Vec<Fault> = judgement.faults.into_iter().filter(|fault| fault.what.is_lasting()).collect();
            if !lasting.is_empty() {
                return Ok(Err(lasting));
            }
        }
        // What each reports from now on has the whole soak in it.
        let Judgement { faults, undecided, queries } = loop {
            let (judgement, has_all) = judged(observer, over);
            if has_all || over.elapsed() >= patience {
                break judgement;
            }
            sleep(POLL).await;
            observer.look().await?;
        };
        if !faults.is_empty() {
            return Ok(Err(faults));
        }
        let undecided = undecided.iter().filter_map(|(node, _)| Some((node.as_str(), observer.report(node)?.0)));
        let (mut asked, mut faults) = (Vec::new(), Vec::new());
        for (node, went) in self.ask_all(undecided, until).await {
            match went {
                Ok(questions) => asked.push((node.into(), questions)),
                Err(why) => faults.push(Fault { node: node.into(), what: What::Answers(why) }),
            }
        }
        Ok(if faults.is_empty() { Ok(Passed { queries, asked }) } else { Err(faults) })
    }

    /// Asks these nodes, some at once: those that don't answer take their time together. Gives what each said, by name.
    async fn ask_all<'n>(
        &self,
        nodes: impl Iterator<Item = (&'n str, &'n Report)>,
        until: Instant,
    ) -> Vec<(&'n str, Result<usize, String>)> {
        let asking = nodes.map(|(node, report)| async move { (node, self.ask_one(report, until).await) });
        let mut went: Vec<_> = stream::iter(asking).buffer_unordered(ASKED_AT_ONCE).collect().await;
        went.sort_unstable_by_key(|(node, _)| *node);
        went
    }

    /// Asks a node, until it would go back by itself.
    async fn ask_one(&self, report: &Report, until: Instant) -> Result<usize, String> {
        const WHY: &str = "too few queries to tell by";
        let time = until.saturating_duration_since(Instant::now()).min(ASKING_MAX);
        match timeout(time, self.ask.ask(report, &self.release)).await {
            Ok(went) => went,
            Err(_) if time < ASKING_MAX => {
                Err(format!("{WHY}, and no time to ask it before it goes back: a longer deadline helps"))
            }
            Err(_) => Err(format!("{WHY}, and asking it takes more than {} s", time.as_secs())),
        }
    }
}

/// When nodes are looked at next during a soak: as often as they report, and shortly before its end. What is news at the end is taken for
/// what was reported after it, so it may not be older than that.
fn next_look(now: Instant, over: Instant, interval: Duration) -> Instant {
    match over.checked_sub(POLL) {
        Some(shortly_before) if now < shortly_before => shortly_before.min(now + interval),
        _ => over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_soak_is_seen_as_it_is() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let looks = |interval, over| {
            let (mut now, mut looks) = (0, Vec::new());
            while now < over {
                let next = next_look(at(now), at(over), Duration::from_millis(interval));
                now = next.duration_since(start).as_millis() as u64;
                looks.push(now);
            }
            looks
        };
        assert_eq!(looks(1_000, 3_500), [1_000, 2_000, 3_000, 3_300, 3_500]);
        assert_eq!(looks(1_000, 3_000), [1_000, 2_000, 2_800, 3_000]);
        assert_eq!(looks(30_000, 1_000), [800, 1_000]);
        assert_eq!(looks(200, 600), [200, 400, 600]);
        assert_eq!(looks(1_000, 150), [150]);
    }
}
