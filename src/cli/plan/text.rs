//! A plan for people.

use super::paint::painted;
use super::{Judged, answers};
use crate::cli::status::place;
use crate::counted::{grouped, many};
use crate::sync::publish::Counts;
use crate::sync::publish::guard::Objection;
use crate::sync::publish::plan::{Listed, ZoneChange};
use crate::zone::diff::Side;
use std::fmt::Write;

/// So many objections of one guard are told one by one.
const OBJECTIONS_MAX: usize = 10;

impl Judged<'_> {
    /// All of it.
    pub(super) fn text(&self, color: bool) -> String {
        let mut text = self.changes(color);
        if !self.objections.is_empty() {
            text.push('\n');
            text.push_str(&self.objections(color));
        }
        text
    }

    /// What changes, in a line.
    pub(super) fn headline(&self) -> String {
        let Judged { channel, plan, .. } = self;
        let before = match (plan.head, plan.disowned) {
            (Some(head), _) => format!(", after {head}, {}", many(plan.zones_before, "zone")),
            (None, Some(head)) => format!(", after {head}, which is not built upon"),
            (None, None) => ", first release".into(),
        };
        let what = match plan.counts() {
            Counts { added: 0, changed: 0, removed: 0 } => "nothing changes".into(),
            Counts { added, changed, removed } => {
                format!("{} added, {} changed, {} removed", grouped(added), grouped(changed), grouped(removed))
            }
        };
        format!("channel {channel}{before}: {what}")
    }

    /// What some nodes try meanwhile, in a line: what changes is told from the head all the same.
    pub(super) fn trial(&self) -> Option<String> {
        let tried = self.plan.tried.as_ref()?;
        let meanwhile = match tried.abandoned {
            true => "abandoned: a publish takes it back first",
            false => "until it is over a publish stops, with exit code 3",
        };
        Some(format!("{}: {meanwhile}", place(tried)))
    }

    /// What changes, zone by zone and record by record.
    pub(super) fn changes(&self, color: bool) -> String {
        let mut text = self.headline() + "\n";
        if let Some(trial) = self.trial() {
            let _ = writeln!(text, "{}", painted(&trial, '~', color));
        }
        for change in self.plan.shown() {
            let sign = match (&change.old, &change.new) {
                (None, _) => '+',
                (Some(_), Some(_)) => '~',
                (Some(_), None) => '-',
            };
            let _ = writeln!(text, "{}", painted(&format!("{sign} {}", summary(change)), sign, color));
            for record in &change.difference.listed {
                let (sign, line) = (sign_of(record), line(record));
                let _ = writeln!(text, "    {}", painted(&format!("{sign} {line}"), sign, color));
            }
            // Where none is listed, the summary has said it.
            if change.more() > 0 && !change.difference.listed.is_empty() {
                let _ = writeln!(text, "    ... and {}", many(change.more(), "more record"));
            }
        }
        if self.plan.more() > 0 {
            let _ = writeln!(text, "... and {}", many(self.plan.more() as u64, "more zone"));
        }
        if let Some(found) = &self.plan.answers {
            text.push_str(&answers::text(found, color));
        }
        text
    }

    /// What guards say, with what to do about it.
    pub(super) fn objections(&self, color: bool) -> String {
        let mut text = String::new();
        for of_guard in self.objections.chunk_by(|a, b| a.guard == b.guard) {
            let guard = of_guard[0].guard;
            let (what, sign) = if of_guard[0].is_allowed { ("allowed", '~') } else { ("error", '-') };
            let label = painted(&format!("{what}: {guard}"), sign, color);
            for objection in of_guard.iter().take(OBJECTIONS_MAX) {
                let _ = writeln!(text, "{label}: {}", said(objection));
            }
            if of_guard.len() > OBJECTIONS_MAX {
                let _ = writeln!(text, "{label}: ... and {} more", grouped((of_guard.len() - OBJECTIONS_MAX) as u64));
            }
            if !of_guard[0].is_allowed {
                let _ = writeln!(text, "  = help: {}; if it is meant: --allow {guard}", guard.remedy());
            }
        }
        text
    }
}

/// `-` or `+`.
pub(super) fn sign_of(record: &Listed) -> char {
    match record.side {
        Side::Removed => '-',
        Side::Added => '+',
    }
}

/// A record as zone text has it.
pub(super) fn line(record: &Listed) -> String {
    let Listed { owner, ttl_secs, rtype, rdata, .. } = record;
    format!("{owner} {ttl_secs} IN {rtype} {rdata}")
}

/// A zone's change in a line.
pub(super) fn summary(change: &ZoneChange) -> String {
    let ZoneChange { zone, old, new, difference } = change;
    let (removed, added) = (difference.removed, difference.added);
    match (old, new) {
        (None, None) => zone.to_string(),
        (None, Some(new)) => format!("{zone} is new: serial {}, {}", new.serial(), many(added, "record")),
        (Some(old), None) => format!("{zone} goes: serial {}, {}", old.serial, many(removed, "record")),
        (Some(old), Some(new)) => {
            let serial = match (old.serial, new.serial()) {
                (old, new) if old == new => format!("serial {old} as before"),
                (old, new) => format!("serial {old} -> {new}"),
            };
            match change.is_unreadable() {
                true => format!("{zone} changes: {serial}, what the head has is lost"),
                false => {
                    format!("{zone} changes: {serial}, {} removed, {} added", many(removed, "record"), grouped(added))
                }
            }
        }
    }
}

fn said(objection: &Objection) -> String {
    match &objection.zone {
        Some(zone) => format!("zone {zone}: {}", objection.why),
        None => objection.why.clone(),
    }
}
