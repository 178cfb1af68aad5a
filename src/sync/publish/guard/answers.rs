//! What is asked often gets no answer any more, or one that takes a second query over TCP.
//!
//! By the zone that questions lie in: a small zone that breaks is none of a large one's traffic, and all of its own. Of a zone's traffic
//! those queries count whose questions are known: what breaks among them breaks as much of the others.

use super::{Guard, Settings};
use crate::counted::grouped;
use crate::sync::publish::answers::{Kind, OfZone, percent};

/// The guards, and what each looks for. REFUSED is another one's: a zone goes.
pub(super) const GUARDS: [(Guard, Kind); 4] = [
    (Guard::AnswerNxdomain, Kind::Nxdomain),
    (Guard::AnswerServfail, Kind::Servfail),
    (Guard::AnswerEmpty, Kind::Empty),
    (Guard::AnswerLarge, Kind::Large),
];

pub(super) fn check(zone: &OfZone, kind: Kind, settings: &Settings) -> Option<String> {
    let (changed, (question, count)) = (zone.changed.get(&kind)?, zone.most.get(&kind)?);
    let (share, max) = (changed.percent_of(&zone.put), f64::from(settings.answers_share_max) / 1_000.0);
    (share > max).then(|| {
        let example = match changed.questions {
            1 => format!("{question}, asked {} times", grouped(*count)),
            questions => {
                format!("{} questions, {question} for one, asked {} times", grouped(questions), grouped(*count))
            }
        };
        format!("{} of the queries asked of it would be {kind}, more than {max} %: {example}", percent(share))
    })
}
