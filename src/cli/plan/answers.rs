//! What becomes of answers, for people and for machines.

use super::paint::painted;
use crate::counted::{grouped, many};
use crate::sync::publish::answers::{AnswerChange, Answers, Kind, Tally, percent};
use crate::wire::code::rtype;
use serde_json::{Value, json};
use std::fmt::Write;

/// What changes, by kind, with the questions that are asked most.
pub(super) fn text(answers: &Answers, color: bool) -> String {
    let mut text = headline(answers) + "\n";
    for (kind, tally) in &answers.changed {
        let sign = if *kind == Kind::Other { '~' } else { '-' };
        let share = percent(tally.percent_of(&answers.put));
        let line = format!("{sign} {kind}: {}, {share} of the queries", many(tally.questions, "question"));
        let _ = writeln!(text, "{}", painted(&line, sign, color));
        let examples: Vec<&AnswerChange> = answers.examples.iter().filter(|change| change.kind == *kind).collect();
        for change in &examples {
            let AnswerChange { question, count, before, after, .. } = change;
            let _ = writeln!(text, "    {question} ({}): {before} -> {after}", grouped(*count));
        }
        let more = tally.questions - examples.len() as u64;
        if more > 0 {
            let _ = writeln!(text, "    ... and {}", many(more, "more question"));
        }
    }
    text
}

/// In a line.
fn headline(answers: &Answers) -> String {
    let Answers { source, queries, put, left_out, .. } = answers;
    let known = match queries {
        Some(queries) => {
            let all = Tally { questions: 0, queries: *queries };
            format!(" ({} of what these are asked)", percent(put.percent_of(&all)))
        }
        None => String::new(),
    };
    let lost = match left_out.questions {
        0 => String::new(),
        questions => format!("; {} not put, as the zones are not at hand", many(questions, "question")),
    };
    let changed = answers.changed.values().fold(Tally::default(), |sum, tally| Tally {
        questions: sum.questions + tally.questions,
        queries: sum.queries.saturating_add(tally.queries),
    });
    let what = match changed.questions {
        0 => "no answer changes".into(),
        1 => format!("1 answer changes, {} of the queries", percent(changed.percent_of(put))),
        all => format!("{} answers change, {} of the queries", grouped(all), percent(changed.percent_of(put))),
    };
    format!("answers, by {} from {source}{known}: {what}{lost}", many(put.questions, "question"))
}

/// For machines.
pub(super) fn json(answers: &Answers) -> Value {
    let changed = answers.changed.iter().map(|(kind, tally)| {
        json!({
            "kind": kind.word(), "questions": tally.questions, "queries": tally.queries,
            "percent": tally.percent_of(&answers.put),
        })
    });
    let example = |change: &AnswerChange| {
        let AnswerChange { question, count, kind, before, after } = change;
        json!({
            "name": question.name().to_string(), "type": rtype::text(question.qtype()), "queries": count,
            "kind": kind.word(), "before": before, "after": after,
        })
    };
    json!({
        "source": answers.source,
        "queries-asked": answers.queries,
        "questions": answers.put.questions, "queries": answers.put.queries,
        "questions-left-out": answers.left_out.questions, "queries-left-out": answers.left_out.queries,
        "changed": changed.collect::<Vec<_>>(),
        "examples": answers.examples.iter().map(example).collect::<Vec<_>>(),
    })
}
