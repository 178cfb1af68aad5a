//! Guards: what must not happen to a fleet's zones by accident. Pure.
//!
//! A guard looks at a plan and objects, or does not; each idea has a file. All are asked, so that one run tells of everything. An
//! objection stops the publish, unless the operator allows it by the guard's name. Going back is asked nothing: it is the remedy.
//!
//! ```text
//! removal      a zone goes
//! share        much of a zone, or many zones, change at once
//! serial       secondaries and caches would not see the change
//! apex         the records by which a zone is found and believed change
//! signatures   a zone is about to turn bogus
//! ttl          a mistake would stay in caches for long
//! answers      what is asked often gets no answer any more
//! comparison   nothing can be said, as the head is not built upon, or has lost its version
//! ```
//!
//! Those that ask what changes have nothing to say about a channel's first release, nor about a zone that is new.

mod answers;
mod apex;
mod comparison;
mod removal;
mod serial;
mod share;
mod signatures;
mod ttl;

use super::plan::Plan;
use crate::sync::zone_name::ZoneName;
use crate::zone::check::dnssec::ENDS_SOON_SECS;
use clap::ValueEnum;
use std::collections::BTreeSet;
use std::fmt;

/// The guards, by the names that allow what they object to. In this order they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Guard {
    /// A zone file has an error.
    CheckError,
    /// The key that signed the head was removed.
    RemovedKey,
    /// A zone of the head is gone.
    ZoneRemoval,
    /// Many of all zones change or go.
    ZonesShare,
    /// Many of a zone's records change.
    ZoneShare,
    /// A serial goes back.
    SerialBack,
    /// Content changes under the same serial.
    SerialSame,
    /// The NS records of a zone's own name change.
    ApexNs,
    /// The DS records of a delegation to a zone of the release change.
    ApexDs,
    /// Signatures have ended, or end soon.
    SignaturesEnd,
    /// A changed record has an unusually long TTL.
    LongTtl,
    /// Much of what is asked of a zone is newly NXDOMAIN.
    AnswerNxdomain,
    /// Much of what is asked of a zone is newly SERVFAIL.
    AnswerServfail,
    /// Much of what is asked of a zone has newly no data.
    AnswerEmpty,
    /// Much of what is asked of a zone newly takes more than a UDP response.
    AnswerLarge,
    /// The store has lost what a zone is to be compared with.
    Unreadable,
}

/// From where on guards object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Guards whose objections stop nothing.
    pub allow: BTreeSet<Guard>,
    /// Percent of a zone's records that may change at once.
    pub zone_share_max: u8,
    /// In zones of fewer records any number may.
    pub zone_records_min: u64,
    /// Percent of all zones that may change or go at once.
    pub zones_share_max: u8,
    /// Of fewer zones any number may.
    pub zones_min: u64,
    /// Signatures must hold so many days more.
    pub signature_days_min: u32,
    /// Longest usual TTL, seconds.
    pub ttl_secs_max: u32,
    /// Thousandths of a percent of what is asked of a zone that may get no answer any more, of each kind.
    pub answers_share_max: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            allow: BTreeSet::new(),
            zone_share_max: 30,
            zone_records_min: 20,
            zones_share_max: 30,
            zones_min: 10,
            signature_days_min: ENDS_SOON_SECS / DAY_SECS,
            // A week: more is what resolvers should not keep either (RFC 8767 section 4).
            ttl_secs_max: 7 * DAY_SECS,
            // One query in a thousand is noticed at any server that is asked much; what is asked less may go without a word.
            answers_share_max: 100,
        }
    }
}

const DAY_SECS: u32 = 86_400;

/// Why a guard would rather not have something published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Objection {
    /// Whose it is.
    pub guard: Guard,
    /// About which zone, if it is about one.
    pub zone: Option<ZoneName>,
    /// What would happen, with its figures.
    pub why: String,
    /// Whether the operator allows it.
    pub is_allowed: bool,
}

/// All that guards have to say about a plan at a time, in seconds since 1970, and about zone files that have errors.
pub fn judge(plan: &Plan, faulty_files: &[String], settings: &Settings, now_secs: u64) -> Vec<Objection> {
    let mut objections = Vec::new();
    let mut object = |guard: Guard, zone: Option<&ZoneName>, why: Option<String>| {
        let is_allowed = settings.allow.contains(&guard);
        objections.extend(why.map(|why| Objection { guard, zone: zone.cloned(), why, is_allowed }));
    };
    for file in faulty_files {
        object(Guard::CheckError, None, Some(format!("{file} has errors: see above")));
    }
    object(Guard::RemovedKey, None, comparison::of_head(plan));
    object(Guard::ZonesShare, None, share::of_zones(plan, settings));
    for change in &plan.changes {
        let zone = Some(&change.zone);
        object(Guard::ZoneRemoval, zone, removal::check(change));
        object(Guard::ZoneShare, zone, share::of_records(change, settings));
        object(Guard::SerialBack, zone, serial::goes_back(change));
        object(Guard::SerialSame, zone, serial::stays(change));
        object(Guard::ApexNs, zone, apex::ns(change));
        object(Guard::ApexDs, zone, apex::ds(change));
        object(Guard::SignaturesEnd, zone, signatures::check(change, settings, now_secs));
        object(Guard::LongTtl, zone, ttl::check(change, settings));
        object(Guard::Unreadable, zone, comparison::check(change));
    }
    for (zone, of_zone) in plan.answers.iter().flat_map(|answers| &answers.zones) {
        for (guard, kind) in answers::GUARDS {
            object(guard, Some(zone), answers::check(of_zone, kind, settings));
        }
    }
    // Stable: zones stay in canonical order.
    objections.sort_by_key(|objection| objection.guard);
    objections
}

/// The guards that stop the publish.
pub fn stopping(objections: &[Objection]) -> Vec<Guard> {
    let guards: BTreeSet<Guard> =
        objections.iter().filter(|found| !found.is_allowed).map(|found| found.guard).collect();
    guards.into_iter().collect()
}

impl Guard {
    /// What to do if it was not meant.
    pub fn remedy(self) -> &'static str {
        match self {
            Guard::CheckError => "mend the file",
            Guard::RemovedKey => {
                "sign a release that was right once more, and publish after that: catchment rollback --to GENERATION, the head's if nobody else had the key"
            }
            Guard::ZoneRemoval => "bring its file back",
            Guard::ZonesShare | Guard::ZoneShare => {
                "look at the plan; make smaller steps, or raise the share in publish.toml"
            }
            Guard::SerialBack | Guard::SerialSame => "raise it in the file, or have it written: --serial increment",
            Guard::ApexNs => "see that the new servers answer for the zone, and change its delegation too",
            Guard::ApexDs => {
                "see that the key of each new DS record signs the zone, and has for as long as caches keep DNSKEY records"
            }
            Guard::SignaturesEnd => "sign the zone again",
            Guard::LongTtl => "lower the TTL, or raise ttl-secs-max in publish.toml",
            Guard::AnswerNxdomain | Guard::AnswerServfail | Guard::AnswerEmpty => {
                "bring back what is asked for, or raise answers-share-max in publish.toml"
            }
            Guard::AnswerLarge => "make the record sets smaller, or raise answers-share-max in publish.toml",
            Guard::Unreadable => "see catchment verify, and look at the zone itself",
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No guard is hidden from the command line.
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

#[cfg(test)]
mod tests;
