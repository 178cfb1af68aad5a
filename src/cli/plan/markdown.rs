//! A plan as the comment of a merge request. What comes from zones stands in code blocks, where it is no markup.

use super::text::{line, sign_of, summary};
use super::{Judged, answers};
use crate::counted::many;
use crate::sync::publish::guard::stopping;
use std::fmt::Write;

/// Octets after which records are only counted: forges take comments of 65,536 characters.
const LISTED_MAX: usize = 48 << 10;
/// Octets that answers may take: clients choose names.
const ANSWERS_MAX: usize = 8 << 10;

impl Judged<'_> {
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("### {}\n", self.headline());
        if let Some(trial) = self.trial() {
            text.push('\n');
            text.push_str(&fenced("text", &format!("{trial}\n")));
        }
        let verdict = match (self.objections.is_empty(), stopping(self.objections).is_empty()) {
            (true, _) => "",
            (false, true) => "\n**Guards object to what is allowed:**\n\n",
            (false, false) => "\n**Guards object: this can't be published as it is.**\n\n",
        };
        text.push_str(verdict);
        if !verdict.is_empty() {
            text.push_str(&fenced("text", &self.objections(false)));
        }
        if !self.plan.changes.is_empty() {
            text.push('\n');
            text.push_str(&fenced("diff", &self.differences()));
        }
        if let Some(found) = &self.plan.answers {
            text.push('\n');
            text.push_str(&fenced("text", &cut(answers::text(found, false), ANSWERS_MAX)));
        }
        text
    }

    /// As `diff` prints them: forges colour that.
    fn differences(&self) -> String {
        let mut text = String::new();
        let mut zones = self.plan.changes.len();
        let mut is_full = false;
        for change in self.plan.shown() {
            if is_full || text.len() > LISTED_MAX {
                break;
            }
            zones -= 1;
            let _ = writeln!(text, "@@ {} @@", summary(change));
            let mut more = change.more() + change.difference.listed.len() as u64;
            for record in &change.difference.listed {
                let line = line(record);
                is_full = text.len() + line.len() > LISTED_MAX;
                if is_full {
                    break;
                }
                more -= 1;
                let _ = writeln!(text, "{} {line}", sign_of(record));
            }
            if more > 0 && !change.difference.listed.is_empty() {
                let _ = writeln!(text, "  ... and {}", many(more, "more record"));
            }
        }
        if zones > 0 {
            let _ = writeln!(text, "  ... and {}", many(zones as u64, "more zone"));
        }
        text
    }
}

/// The lines of a text that have room.
fn cut(text: String, len_max: usize) -> String {
    if text.len() <= len_max {
        return text;
    }
    let mut len = 0;
    let lines = text.lines().take_while(|line| {
        len += line.len() + 1;
        len <= len_max
    });
    lines.map(|line| format!("{line}\n")).collect::<String>() + "    ...\n"
}

/// A code block that nothing in it can end: its fence has more backticks than any run of them there.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{text}{fence}\n")
}
