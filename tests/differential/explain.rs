//! What may differ, and why.

use crate::ask::{Answer, Ours, Theirs, packet};
use crate::generate::{Query, Zone};
use crate::message::{AA, Message, NEVER, RD, Rr, TC, rcode_text};
use crate::support::peers::Kind;
use catchment::answer::Transport;
use std::collections::BTreeSet;
use std::fmt;

/// The explained differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explained {
    /// X
    Todo,
}

impl Explained {
    pub(crate) fn text(self) -> &'static str {
        "todo"
    }
}

/// One query and what both sides said.
pub(crate) struct Case<'a> {
    kind: Kind,
    zones: &'a [Zone],
    query: &'a Query,
    ours: Answer,
    theirs: Answer,
}

/// The records of a section, as a set: the order of RRsets and of records in them is free.
fn set(records: &[Rr]) -> BTreeSet<String> {
    records.iter().map(|record| record.to_string().to_ascii_lowercase()).collect()
}

impl<'a> Case<'a> {
    pub(crate) fn ask(kind: Kind, zones: &'a [Zone], query: &'a Query, ours: &Ours, theirs: &Theirs) -> Case<'a> {
        let packet = packet(query);
        let (mut a, mut b) = (ours.ask(&packet, Transport::Udp), theirs.ask(&packet, Transport::Udp));
        if a.message.flag(TC) || b.message.flag(TC) {
            (a, b) = (ours.ask(&packet, Transport::Tcp), theirs.ask(&packet, Transport::Tcp));
        }
        Case { kind, zones, query, ours: a, theirs: b }
    }

    pub(crate) fn judge(&self) -> Result<Vec<Explained>, String> {
        let (ours, theirs) = (&self.ours.message, &self.theirs.message);
        if ours.rcode != theirs.rcode {
            return Err(format!("RCODE {} {}", ours.rcode, theirs.rcode));
        }
        if ours.flags != theirs.flags {
            return Err("flags".into());
        }
        if set(&ours.answer) != set(&theirs.answer) {
            return Err("answer".into());
        }
        let is_answer = !ours.answer.is_empty();
        let theirs_authority: BTreeSet<String> = theirs
            .authority
            .iter()
            .filter(|rr| !(is_answer && rr.rtype == "NS" && ours.flag(AA)))
            .map(|record| record.to_string().to_ascii_lowercase())
            .collect();
        let ours_authority: BTreeSet<String> = ours
            .authority
            .iter()
            .filter(|rr| !(is_answer && rr.rtype == "NS" && ours.flag(AA)))
            .map(|record| record.to_string().to_ascii_lowercase())
            .collect();
        if ours_authority != theirs_authority {
            return Err("authority".into());
        }
        if !is_answer && set(&ours.additional) != set(&theirs.additional) {
            return Err("additional".into());
        }
        Ok(vec![])
    }
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "query {:?}", self.query)?;
        for (who, answer) in [("catchment", &self.ours), (self.kind.name(), &self.theirs)] {
            let message = &answer.message;
            write!(f, "{who}: {} flags {:04x}, {} octets", rcode_text(message.rcode), message.flags, answer.len)?;
            for (name, records) in
                [("answer", &message.answer), ("authority", &message.authority), ("additional", &message.additional)]
            {
                for record in records {
                    write!(f, "\n  {name} {record}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
