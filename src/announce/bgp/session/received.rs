//! What the peer announces to us: counted, and dropped.

use crate::announce::bgp::message::Update;
use crate::announce::bgp::settings::Peer;
use crate::announce::prefix::{Family, Prefix};
use std::collections::{BTreeMap, BTreeSet};

/// The prefixes that a peer announces at this moment: of each family at most as many as the limit, and one more.
#[derive(Debug)]
pub(super) struct Received {
    others: BTreeMap<Family, Others>,
    /// Ours that come back, by a route server or by another node. As many as the settings name.
    own: BTreeSet<Prefix>,
    looped: u64,
    alarmed: bool,
}

/// Prefixes of one family that are not ours.
#[derive(Debug, Default)]
struct Others {
    /// With the repetition in which each was last announced.
    prefixes: BTreeMap<Prefix, u32>,
    /// Repetitions that have begun (RFC 7313).
    repetition: u32,
}

/// How many prefixes a peer announces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceivedCount {
    /// IPv4 prefixes of others, now.
    pub ipv4: u32,
    /// IPv6 prefixes of others, now.
    pub ipv6: u32,
    /// Our own prefixes, now.
    pub own: u32,
    /// Announcements with our own AS in their path, since the session was established.
    pub looped: u64,
}

/// What an UPDATE makes of the count.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing new.
    Fine,
    /// Above the alarm for the first time in this session.
    Alarm(Family, u32),
    /// Above the limit.
    Limit(Family),
}

impl Received {
    /// Of a session with these families that has just been established.
    pub(super) fn new(families: &[Family]) -> Received {
        let others = families.iter().map(|family| (*family, Others::default())).collect();
        Received { others, own: BTreeSet::new(), looped: 0, alarmed: false }
    }

    pub(super) fn update(&mut self, settings: &Peer, update: &Update) -> Verdict {
        for prefix in &update.withdrawn {
            self.forget(*prefix);
        }
        let path = update.attributes.as_ref().map(|attributes| attributes.as_path.as_slice()).unwrap_or_default();
        let looped = path.contains(&settings.local_as);
        for prefix in &update.announced {
            // Families that were not agreed upon are ignored (RFC 4760 7).
            let Some(others) = self.others.get_mut(&prefix.family()) else { continue };
            if settings.own_prefixes.contains(prefix) {
                self.own.insert(*prefix);
            } else if looped {
                // Every router drops these (RFC 4271 9.1.2): no leak, and not kept, for they could be any number.
                self.looped += 1;
                others.prefixes.remove(prefix);
            } else {
                others.prefixes.insert(*prefix, others.repetition);
                if others.count() > settings.receive_limit {
                    return Verdict::Limit(prefix.family());
                }
            }
        }
        let above = |others: &Others| settings.receive_alarm.is_some_and(|alarm| others.count() > alarm);
        match self.others.iter().find(|(_, others)| above(others)) {
            Some((family, others)) if !self.alarmed => {
                self.alarmed = true;
                Verdict::Alarm(*family, others.count())
            }
            _ => Verdict::Fine,
        }
    }

    /// Others are ours from now on: what the peer announces counts as if it had been so all the time. Whether that is too many
    /// shows with its next UPDATE.
    pub(super) fn own_prefixes(&mut self, own: &BTreeSet<Prefix>) {
        let no_longer: Vec<Prefix> = self.own.difference(own).copied().collect();
        for prefix in no_longer {
            self.own.remove(&prefix);
            if let Some(others) = self.others.get_mut(&prefix.family()) {
                others.prefixes.insert(prefix, others.repetition);
            }
        }
        for prefix in own {
            let others = self.others.get_mut(&prefix.family());
            if others.is_some_and(|others| others.prefixes.remove(prefix).is_some()) {
                self.own.insert(*prefix);
            }
        }
    }

    fn forget(&mut self, prefix: Prefix) {
        self.own.remove(&prefix);
        if let Some(others) = self.others.get_mut(&prefix.family()) {
            others.prefixes.remove(&prefix);
        }
    }

    /// The peer begins to repeat a family's routes: what it doesn't repeat is gone (RFC 7313 4).
    pub(super) fn repetition_begins(&mut self, family: Family) {
        if let Some(others) = self.others.get_mut(&family) {
            others.repetition = others.repetition.wrapping_add(1);
        }
    }

    /// It has repeated them all.
    pub(super) fn repetition_ends(&mut self, family: Family) {
        if let Some(Others { prefixes, repetition }) = self.others.get_mut(&family) {
            prefixes.retain(|_, seen| *seen == *repetition);
        }
    }

    pub(super) fn count(&self) -> ReceivedCount {
        let of = |family| self.others.get(&family).map_or(0, Others::count);
        ReceivedCount {
            ipv4: of(Family::Ipv4),
            ipv6: of(Family::Ipv6),
            own: u32::try_from(self.own.len()).unwrap_or(u32::MAX),
            looped: self.looped,
        }
    }
}

impl Others {
    fn count(&self) -> u32 {
        u32::try_from(self.prefixes.len()).unwrap_or(u32::MAX)
    }
}
