//! The answer diff: questions that nodes were asked, put to the old and the new release through the one door, [`crate::answer::answer`].
//! Pure: whoever has a store supplies images.
//!
//! ```text
//! questions -> which zones are needed? -> images (supplied) -> where do aliases lead? -> ... -> both sides answer -> what differs, and
//!                     ^                                                  |                      how much of the traffic that is
//!                     +--------------------------------------------------+
//! ```
//!
//! A node follows aliases through all zones of its release, so those zones are needed too, and an unchanged zone whose aliases lead into one
//! that changes answers otherwise as well. What changes is here already. An unchanged zone whose image can't be had ends the chain on both
//! sides, as a zone that is not served does; questions that lie in it are not put, and counted.
//!
//! # For whoever asks a node
//!
//! [`Answers::expected`] has the questions that are asked most, each with what a node that serves the new release answers over UDP:
//! [`Expected::query`] is the message to send, [`Expected::judge`] compares what comes back. [`expected`] makes the same of any questions
//! and images.

pub mod message;
mod side;
#[cfg(test)]
mod tests;

use crate::sync::question::{Asked, Question};
use crate::sync::zone_name::ZoneName;
use crate::wire::code::rcode;
use crate::zone::image::Image;
use message::{Answer, query};
use side::{Images, Server, Wanted, wanted, zone_of};
use std::collections::BTreeMap;
use std::fmt;

/// So many questions have what is expected of a node with them.
pub const EXPECTED_MAX: usize = 256;
/// So many changed answers are kept to be shown, of each kind.
pub const EXAMPLES_MAX: usize = 5;
/// So often images are asked for: more often than a responder follows aliases.
const ROUNDS_MAX: usize = 20;

/// How an answer changes, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The name is gone.
    Nxdomain,
    /// The server fails.
    Servfail,
    /// The name is there, and nothing of what is asked.
    Empty,
    /// Nobody is responsible.
    Refused,
    /// It no longer fits a UDP response of [`message::UDP_SIZE`] octets.
    Large,
    /// In any other way.
    Other,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] = [Kind::Nxdomain, Kind::Servfail, Kind::Empty, Kind::Refused, Kind::Large, Kind::Other];

    /// The word for it in documents for machines.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Nxdomain => "nxdomain",
            Kind::Servfail => "servfail",
            Kind::Empty => "empty",
            Kind::Refused => "refused",
            Kind::Large => "large",
            Kind::Other => "other",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Nxdomain => "newly NXDOMAIN",
            Kind::Servfail => "newly SERVFAIL",
            Kind::Empty => "newly without data",
            Kind::Refused => "newly REFUSED",
            Kind::Large => "newly over 1232 octets",
            Kind::Other => "otherwise changed",
        })
    }
}

/// Questions to be put, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Questions {
    /// For people: `3 nodes`, or the name of a file.
    pub source: String,
    /// How many queries nodes were asked altogether, if that is known.
    pub queries: Option<u64>,
    /// The questions.
    pub asked: Asked,
}

/// An answer that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerChange {
    /// To which question.
    pub question: Question,
    /// How often that was asked.
    pub count: u64,
    /// How.
    pub kind: Kind,
    /// The head's answer, for people.
    pub before: String,
    /// The answer to come.
    pub after: String,
}

/// Questions, and how often they were asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions.
    pub questions: u64,
    /// Queries that they stand for.
    pub queries: u64,
}

impl Tally {
    fn add(&mut self, queries: u64) {
        self.questions += 1;
        self.queries = self.queries.saturating_add(queries);
    }

    /// Percent of these queries.
    pub fn percent_of(&self, all: &Tally) -> f64 {
        if all.queries == 0 { 0.0 } else { self.queries as f64 * 100.0 / all.queries as f64 }
    }
}

/// What the questions that lie in one zone say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfZone {
    /// Those that were put.
    pub put: Tally,
    /// Those whose answers change, by how.
    pub changed: BTreeMap<Kind, Tally>,
    /// Of each kind, the one that is asked most.
    pub most: BTreeMap<Kind, (Question, u64)>,
}

/// What became of all questions.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Where the questions come from, for people: `3 nodes`, a file.
    pub source: String,
    /// How many queries nodes were asked altogether, if that is known.
    pub queries: Option<u64>,
    /// Questions that were put to both releases.
    pub put: Tally,
    /// Questions that could not be: the image of their zone is not here.
    pub left_out: Tally,
    /// Answers that change, by how.
    pub changed: BTreeMap<Kind, Tally>,
    /// Those of them that are asked most, [`EXAMPLES_MAX`] of each kind: by kind, the most asked first.
    pub examples: Vec<AnswerChange>,
    /// By the zone that questions lie in; without those whose answers all stay.
    pub zones: BTreeMap<ZoneName, OfZone>,
    /// What a node that serves the new release answers to the questions that are asked most.
    pub expected: Vec<Expected>,
}

/// A question that can be put to a node, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The question.
    pub question: Question,
    /// How often it is asked.
    pub count: u64,
    /// The answer over UDP.
    pub answer: Answer,
}

impl Expected {
    /// The message that puts it, with this ID.
    pub fn query(&self, id: u16) -> Vec<u8> {
        query(&self.question, id)
    }

    /// Compares a datagram that came back. `Err`: what differs, for people. That it comes from whom was asked is for the caller to see; a
    /// message with another ID or question is said to be one.
    pub fn judge(&self, id: u16, response: &[u8]) -> Result<(), String> {
        let asked = self.query(id);
        let question_end = asked.len() - message::OPT_LEN;
        let echoed = response.get(12..question_end).unwrap_or_default();
        if response.get(..2) != Some(&asked[..2]) || !echoed.eq_ignore_ascii_case(&asked[12..question_end]) {
            return Err("what it sends is no response to this question".into());
        }
        let came = Answer::read(response).ok_or("it sends a malformed response")?;
        came.agrees_with(&self.answer)
    }
}

/// What a node that serves these zones and no others answers, to each question that lies in one of them.
pub fn expected<'q>(
    questions: impl IntoIterator<Item = (&'q Question, u64)>,
    images: impl IntoIterator<Item = Image>,
) -> Vec<Expected> {
    let images: Images = images.into_iter().map(|image| (ZoneName::from(&image.apex()), Some(image))).collect();
    let mut server = Server::new(&images);
    let inside =
        questions.into_iter().filter(|(question, _)| zone_of(question, &|zone| images.contains_key(zone)).is_some());
    let answer = |(question, count): (&Question, u64)| {
        Some(Expected { question: question.clone(), count, answer: server.ask(question)?.short })
    };
    inside.filter_map(answer).collect()
}

/// Questions on their way to both releases.
pub struct Inquiry<'a> {
    questions: &'a Questions,
    old: Side<'a>,
    new: Side<'a>,
    rounds: usize,
}

struct Side<'a> {
    images: Images,
    has_zone: &'a (dyn Fn(&ZoneName) -> bool + Sync),
    /// Questions for which images were lacking when it was last looked.
    waiting: Vec<&'a Question>,
}

/// A zone that changes: its name, and the images that both releases have of it. `None` where one has no such zone, or its image is lost.
pub type Changed = (ZoneName, Option<Image>, Option<Image>);

impl<'a> Inquiry<'a> {
    /// Questions to be put to two releases, of which it is known what zones they have; all other zones than the changed ones are the same
    /// in both.
    pub fn new(
        questions: &'a Questions,
        changed: Vec<Changed>,
        old_has: &'a (dyn Fn(&ZoneName) -> bool + Sync),
        new_has: &'a (dyn Fn(&ZoneName) -> bool + Sync),
    ) -> Inquiry<'a> {
        let all: Vec<&Question> = questions.asked.iter().map(|(question, _)| question).collect();
        let side = |has_zone| Side { images: Images::new(), has_zone, waiting: all.clone() };
        let (mut old, mut new) = (side(old_has), side(new_has));
        for (zone, before, after) in changed {
            if old_has(&zone) {
                old.images.insert(zone.clone(), before);
            }
            if new_has(&zone) {
                new.images.insert(zone, after);
            }
        }
        Inquiry { questions, old, new, rounds: 0 }
    }

    /// Unchanged zones whose images are needed now; none, if all is there. First those that aliases lead to, as without them other questions
    /// can't be answered to the end.
    pub fn lacking(&mut self) -> Vec<ZoneName> {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Vec::new();
        }
        let mut all = Wanted::default();
        for side in [&mut self.old, &mut self.new] {
            let (found, waiting) = wanted(&side.waiting, &side.images, side.has_zone);
            side.waiting = waiting;
            all.followed.extend(found.followed);
            all.asked.extend(found.asked);
        }
        all.asked.retain(|zone| !all.followed.contains(zone));
        all.followed.into_iter().chain(all.asked).collect()
    }

    /// The image of such a zone; `None`: it can't be had.
    pub fn supply(&mut self, zone: ZoneName, image: Option<Image>) {
        for side in [&mut self.old, &mut self.new] {
            if (side.has_zone)(&zone) {
                side.images.entry(zone.clone()).or_insert_with(|| image.clone());
            }
        }
    }

    /// Puts all questions to both.
    pub fn compare(self) -> Answers {
        let Questions { source, queries, asked } = self.questions;
        let mut answers = Answers { source: source.clone(), queries: *queries, ..Answers::default() };
        let mut changes = Vec::new();
        let (mut old, mut new) = (Server::new(&self.old.images), Server::new(&self.new.images));
        let mut by_count: Vec<(&Question, u64)> = asked.iter().collect();
        // Stable: by name where they are asked as often.
        by_count.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (question, count) in by_count {
            let zones = [&self.old, &self.new].map(|side| side.zone_of(question));
            if zones.iter().any(|zone| matches!(zone, Some((_, false)))) {
                answers.left_out.add(count);
                continue;
            }
            let (Some(before), Some(after)) = (old.ask(question), new.ask(question)) else { continue };
            answers.put.add(count);
            if answers.expected.len() < EXPECTED_MAX && zones[1].is_some() {
                answers.expected.push(Expected { question: question.clone(), count, answer: after.short.clone() });
            }
            let kind = kind(&before, &after);
            if let Some(zone) = zones.into_iter().flatten().next().map(|(zone, _)| zone) {
                answers.zones.entry(zone).or_default().count(question, count, kind);
            }
            let Some(kind) = kind else { continue };
            let of_kind = answers.changed.entry(kind).or_default();
            of_kind.add(count);
            if of_kind.questions <= EXAMPLES_MAX as u64 {
                let (before, after) = shown(&before, &after, kind);
                changes.push(AnswerChange { question: question.clone(), count, kind, before, after });
            }
        }
        changes.sort_by_key(|change| change.kind);
        answers.examples = changes;
        answers.zones.retain(|_, zone| !zone.changed.is_empty());
        answers
    }
}

impl Side<'_> {
    /// The zone that a question lies in, and whether its image is here.
    fn zone_of(&self, question: &Question) -> Option<(ZoneName, bool)> {
        let zone = zone_of(question, self.has_zone)?;
        let is_here = self.images.get(&zone).is_some_and(Option::is_some);
        Some((zone, is_here))
    }
}

impl OfZone {
    /// One question more, which comes after those that are asked more often.
    fn count(&mut self, question: &Question, count: u64, kind: Option<Kind>) {
        self.put.add(count);
        if let Some(kind) = kind {
            self.changed.entry(kind).or_default().add(count);
            self.most.entry(kind).or_insert_with(|| (question.clone(), count));
        }
    }
}

/// A share in percent, as precisely as it takes to see it.
pub(crate) fn percent(share: f64) -> String {
    match share {
        _ if share >= 10.0 || share == 0.0 => format!("{share:.0} %"),
        _ if share >= 1.0 => format!("{share:.1} %"),
        _ if share >= 0.01 => format!("{share:.2} %"),
        _ => "under 0.01 %".into(),
    }
}

/// How an answer changes, if it does.
fn kind(before: &side::Given, after: &side::Given) -> Option<Kind> {
    let newly = |code| after.whole.rcode == code && before.whole.rcode != code;
    Some(match () {
        () if newly(rcode::NXDOMAIN) => Kind::Nxdomain,
        () if newly(rcode::SERVFAIL) => Kind::Servfail,
        () if newly(rcode::REFUSED) => Kind::Refused,
        () if after.whole.is_empty && before.whole.has_data() => Kind::Empty,
        () if after.short.is_truncated && !before.short.is_truncated => Kind::Large,
        () if before.whole != after.whole => Kind::Other,
        () => return None,
    })
}

/// Both answers for people, where they differ.
fn shown(before: &side::Given, after: &side::Given, kind: Kind) -> (String, String) {
    let octets = |given: &side::Given| format!("{} octets", given.len);
    let (old, new) = (before.whole.to_string(), after.whole.to_string());
    match kind {
        Kind::Large => (octets(before), octets(after)),
        _ if old == new => (old, "the same with other TTLs, or with other records beside it".into()),
        _ => (old, new),
    }
}
