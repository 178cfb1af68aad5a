//! A plan for machines.

use super::text::sign_of;
use super::{Judged, answers};
use crate::sync::publish::guard::{Objection, stopping};
use crate::sync::publish::plan::{Listed, ZoneChange};
use serde_json::{Value, json};

impl Judged<'_> {
    pub(in crate::cli) fn json(&self) -> Value {
        let Judged { channel, plan, objections } = self;
        let counts = plan.counts();
        json!({
            "channel": channel.as_str(),
            "head": plan.head.map(|head| head.to_string()),
            "not-built-upon": plan.disowned.map(|head| head.to_string()),
            "on-trial": plan.tried,
            "zones-before": plan.zones_before,
            "added": counts.added, "changed": counts.changed, "removed": counts.removed,
            "zones": plan.shown().iter().map(zone).collect::<Vec<_>>(),
            "more-zones": plan.more(),
            "answers": plan.answers.as_ref().map(answers::json),
            "objections": objections.iter().map(objection).collect::<Vec<_>>(),
            "stopped-by": stopping(objections).iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }
}

fn zone(change: &ZoneChange) -> Value {
    let ZoneChange { zone, old, new, difference } = change;
    json!({
        "zone": zone.to_string(),
        "change": match (old, new) {
            (None, _) => "added",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "removed",
        },
        "serial-before": old.as_ref().map(|old| old.serial),
        "serial": new.as_ref().map(|new| new.serial()),
        "records-removed": difference.removed,
        "records-added": difference.added,
        "compared": !change.is_unreadable(),
        "records": difference.listed.iter().map(record).collect::<Vec<_>>(),
        "more-records": change.more(),
    })
}

fn record(record: &Listed) -> Value {
    let Listed { owner, ttl_secs, rtype, rdata, .. } = record;
    json!({ "change": sign_of(record), "owner": owner, "ttl-secs": ttl_secs, "type": rtype, "data": rdata })
}

fn objection(objection: &Objection) -> Value {
    json!({
        "guard": objection.guard.to_string(),
        "zone": objection.zone.as_ref().map(ToString::to_string),
        "why": objection.why,
        "remedy": objection.guard.remedy(),
        "allowed": objection.is_allowed,
    })
}
