//! What a release did to those who ask, by figures of the nodes that serve it beside those of the nodes that don't. Pure.
//!
//! Of each of a wave's nodes three shares of its answers are looked at: SERVFAIL, NXDOMAIN, REFUSED. How much a share over the soak is
//! above what the node had lately, less how much it changed meanwhile elsewhere, is what the release did (a *difference in differences*: what
//! happens everywhere, such as a flood of random names, is nobody's fault). It may be as large as the margin, and as chance makes it: three
//! standard errors of the shares, so that few queries need a large difference and many a small one.
//!
//! ```text
//! rise = (soak - before) of the node - median of (soak - before) of each other node
//! ```
//!
//! Elsewhere are the nodes that are not yet changed, each with one voice, however much it is asked: what happens at one place, or what one
//! report claims, neither hides what the release did nor is laid to it. Of a single other node that can't be told, of two it can.
//!
//! A share of fewer queries than the minimum says nothing. Without the node's own soak it is undecided: somebody must ask it. Without its
//! own past, what the others have over the soak stands in for it, or else what they had before; without any of theirs nothing is taken off.
//! With neither nobody knows what is usual, and it is undecided too.

use super::share::Share;
use crate::counted::{grouped, many};
use crate::sync::channel::Generation;
use crate::sync::publish::tip::Held;
use crate::sync::report::{Answers, Report};
use std::fmt;

/// How many standard errors a rise may have.
const ERRORS: f64 = 3.0;

/// What is too much, and too little to say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// By so much of all answers a share may rise.
    pub margin: Share,
    /// Fewer queries say nothing.
    pub queries_min: u64,
}

/// A node over a soak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub node: String,
    /// What it had answered lately, before anything changed.
    pub before: Option<Answers>,
    /// What it reported when the soak began; for a wave's node: the first report in which it serves the release.
    pub start: Report,
    /// What it reported when the soak was over.
    pub end: End,
}

/// What a node said at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// This.
    Said(Box<Report>),
    /// Nothing since so many seconds.
    Silent(u64),
}

/// One of the shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The node can't answer.
    Servfail,
    /// It says that a name does not exist.
    Nxdomain,
    /// It has no such zone.
    Refused,
}

/// Why a release must go back.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The node on which it was seen.
    pub node: String,
    /// What.
    pub what: What,
}

/// What is wrong with a node.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It has said nothing for so many seconds.
    Silent(u64),
    /// It serves another release, or none, and perhaps says why.
    Serves(Option<Generation>, Option<String>),
    /// It does not answer, by its own word.
    NotReady,
    /// It was started again during the soak.
    Restarted,
    /// A share rose.
    Rose(Rise),
    /// It answers otherwise than the release does: asked, and what is wrong.
    Answers(String),
}

/// A share that rose, in figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// Which.
    pub measure: Measure,
    /// The node's share before, if that is known.
    pub before: Option<Counted>,
    /// Over the soak.
    pub soak: Counted,
    /// What the nodes that are not yet changed show, if any does.
    pub others: Option<Others>,
    /// What the release did, as a fraction of all answers.
    pub rise: f64,
    /// What may be.
    pub allowed: f64,
}

/// What the nodes that are not yet changed show of a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Others {
    /// How many do.
    pub nodes: usize,
    /// Of what.
    pub of: Of,
    /// The middle one, as a fraction of all answers.
    pub median: f64,
    /// The variance that it may have.
    variance: f64,
}

/// What is looked at on the nodes that are not yet changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// How much the share changed.
    Change,
    /// The share over the soak.
    Soak,
    /// The share before.
    Before,
}

/// So many of so many answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Those that are counted.
    pub some: u64,
    /// All.
    pub all: u64,
}

/// What there is to say of a wave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Why it must go back; none: nothing speaks against it.
    pub faults: Vec<Fault>,
    /// Nodes that too few asked to tell, or that nothing can be compared with, and how many queries they had.
    pub undecided: Vec<(String, u64)>,
    /// Queries of all the wave's nodes over the soak.
    pub queries: u64,
}

/// Judges a wave by its nodes' reports. `others`: those that are not yet changed.
pub fn judge(wave: &[Watched], others: &[Watched], release: &Held, limits: &Limits) -> Judgement {
    let others = Elsewhere::of(others, limits);
    let mut judgement = Judgement::default();
    for watched in wave {
        let mut fault = |what| judgement.faults.push(Fault { node: watched.node.clone(), what });
        let end = match &watched.end {
            End::Silent(secs) => {
                fault(What::Silent(*secs));
                continue;
            }
            End::Said(end) => end,
        };
        match end.serving {
            Some(serving) if (serving.generation, serving.manifest) == (release.generation, release.manifest) => {}
            serving => {
                fault(What::Serves(serving.map(|serving| serving.generation), end.problem.clone()));
                continue;
            }
        }
        if !end.ready {
            fault(What::NotReady);
        }
        let soak = match watched.soak() {
            Ok(soak) => soak,
            Err(Started) => {
                fault(What::Restarted);
                continue;
            }
        };
        let queries = soak.map_or(0, |soak| soak.queries);
        judgement.queries = judgement.queries.saturating_add(queries);
        let enough = |answers: &Answers| answers.queries >= limits.queries_min;
        let before = watched.before.filter(enough);
        let is_usual_known = before.is_some() || others.show_anything();
        match soak.filter(|soak| is_usual_known && enough(soak)) {
            None => judgement.undecided.push((watched.node.clone(), queries)),
            Some(soak) => {
                for measure in Measure::ALL {
                    let rise = others.rise(measure, before.as_ref(), &soak, limits);
                    if rise.rise > rise.allowed {
                        fault(What::Rose(rise));
                    }
                }
            }
        }
    }
    judgement
}

/// A node was started again.
struct Started;

impl Watched {
    /// What it answered over the soak, if it tells.
    fn soak(&self) -> Result<Option<Answers>, Started> {
        let End::Said(end) = &self.end else { return Ok(None) };
        let since = |report: &Report| report.serving.map(|serving| serving.since_secs);
        if since(&self.start) != since(end) {
            return Err(Started);
        }
        match (&self.start.answers, &end.answers) {
            (Some(start), Some(end)) => end.since(start).map(Some).ok_or(Started),
            _ => Ok(None),
        }
    }
}

/// The nodes that are not yet changed: what each of them answered before, and over the soak, where that was enough.
struct Elsewhere(Vec<(Option<Answers>, Option<Answers>)>);

impl Elsewhere {
    fn of(others: &[Watched], limits: &Limits) -> Elsewhere {
        let enough = |answers: &Answers| answers.queries >= limits.queries_min;
        // One that was started again, or is silent, has nothing to say; it is no fault of the release.
        let said = others.iter().filter_map(|other| Some((other.before, other.soak().ok().flatten()?)));
        Elsewhere(said.map(|(before, soak)| (before.filter(enough), Some(soak).filter(enough))).collect())
    }

    /// Whether there is anything to compare with.
    fn show_anything(&self) -> bool {
        self.0.iter().any(|(before, soak)| before.is_some() || soak.is_some())
    }

    /// The middle one of what they show; `None`: none of them shows it.
    fn median(&self, measure: Measure, of: Of) -> Option<Others> {
        let shown = self.0.iter().filter_map(|(before, soak)| {
            let [before, soak] = [before, soak].map(|answers| answers.map(|answers| measure.of(&answers)));
            Some(match of {
                Of::Change => {
                    let (before, soak) = (before?, soak?);
                    (soak.share() - before.share(), before.variance() + soak.variance())
                }
                Of::Soak => (soak?.share(), soak?.variance()),
                Of::Before => (before?.share(), before?.variance()),
            })
        });
        let (mut values, mut variances): (Vec<f64>, Vec<f64>) = shown.unzip();
        let nodes = values.len();
        // Where two are in the middle, what both show: one of two that is flooded is not everywhere.
        let (low, high) = middle(&mut values)?;
        let median = 0.0_f64.clamp(low, high);
        // Of several nodes that are alike, the median varies less than a single one does: this is too much rather than too little, so that
        // good releases pass. It is a middle one too, of two the smaller: no single report makes room for a bad one by claiming few queries.
        let (variance, _) = middle(&mut variances)?;
        Some(Others { nodes, of, median, variance })
    }

    /// How much a share of a node's rose, beside its own past, if that was enough to tell.
    fn rise(&self, measure: Measure, before: Option<&Answers>, soak: &Answers, limits: &Limits) -> Rise {
        let (before, soak) = (before.map(|before| measure.of(before)), measure.of(soak));
        let others = match before {
            Some(_) => self.median(measure, Of::Change),
            None => self.median(measure, Of::Soak).or_else(|| self.median(measure, Of::Before)),
        };
        // What the share would have been without the release.
        let usual = before.map_or(0.0, |before| before.share()) + others.map_or(0.0, |others| others.median);
        let variance = soak.variance()
            + before.map_or(0.0, |before| before.variance())
            + others.map_or(0.0, |others| others.variance);
        let (rise, allowed) = (soak.share() - usual, limits.margin.fraction() + ERRORS * variance.sqrt());
        Rise { measure, before, soak, others, rise, allowed }
    }
}

/// The value in the middle, twice; or both, if their number is even. `None`: there is none.
fn middle(values: &mut [f64]) -> Option<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let high = *values.get(values.len() / 2)?;
    Some((values[(values.len() - 1) / 2], high))
}

impl What {
    /// Whether it can't be otherwise when the soak is over.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, What::Silent(_) | What::Serves(..) | What::Restarted)
    }
}

impl Measure {
    /// All.
    pub const ALL: [Measure; 3] = [Measure::Servfail, Measure::Nxdomain, Measure::Refused];

    fn of(self, answers: &Answers) -> Counted {
        let some = match self {
            Measure::Servfail => answers.servfail,
            Measure::Nxdomain => answers.nxdomain,
            Measure::Refused => answers.refused,
        };
        // Answers to the host's own questions are among some, not among all.
        Counted { some: some.min(answers.queries), all: answers.queries }
    }
}

impl Counted {
    fn share(&self) -> f64 {
        if self.all == 0 { 0.0 } else { self.some as f64 / self.all as f64 }
    }

    /// Of a share that is taken for a binomial one.
    fn variance(&self) -> f64 {
        if self.all == 0 { 0.0 } else { self.share() * (1.0 - self.share()) / self.all as f64 }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Measure::Servfail => "SERVFAIL",
            Measure::Nxdomain => "NXDOMAIN",
            Measure::Refused => "REFUSED",
        })
    }
}

/// `1.2 % (12 of 1,000)`
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % ({} of {})", self.share() * 100.0, grouped(self.some), grouped(self.all))
    }
}

impl fmt::Display for Rise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rise { measure, before, soak, others, rise, allowed } = self;
        write!(f, "{measure} is {soak} of its answers over the soak")?;
        if let Some(before) = before {
            write!(f, ", was {before} before")?;
        }
        if let Some(Others { nodes, of, median, .. }) = others {
            let (others, points) = (many(*nodes as u64, "other node"), median * 100.0);
            match of {
                Of::Change => write!(f, "; on {others} it changed by {} points", signed(points))?,
                Of::Soak => write!(f, "; on {others} it is {points:.1} %")?,
                Of::Before => write!(f, "; on {others} it was {points:.1} %")?,
            }
            f.write_str(if *nodes > 1 { " (median)" } else { "" })?;
        }
        write!(f, "; a rise by {:.1} points, allowed are {:.1}", rise * 100.0, allowed * 100.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.node)?;
        match &self.what {
            What::Silent(secs) => write!(f, "it has reported nothing for {secs} s"),
            What::Serves(None, why) => write!(f, "it serves no release{}", because(why)),
            What::Serves(Some(generation), why) => write!(f, "it serves {generation}{}", because(why)),
            What::NotReady => write!(f, "it is not ready"),
            What::Restarted => write!(f, "it was started again during the soak"),
            What::Rose(rise) => rise.fmt(f),
            What::Answers(why) => f.write_str(why),
        }
    }
}

/// `+1.2`, `-0.3`, `0.0`
fn signed(points: f64) -> String {
    match format!("{points:+.1}") {
        zero if zero.ends_with("0.0") && zero.len() == 4 => "0.0".into(),
        points => points,
    }
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
