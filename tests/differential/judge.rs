//! Compares two responses, rule by rule, and finds the explanation of a difference.

use crate::ask::{Answer, Ours, Theirs, packet};
use crate::explain::Explained;
use crate::generate::{Query, Zone};
use crate::message::{AA, Message, Rr, TC, rcode_text};
use crate::support::peers::Kind;
use catchment::answer::Transport;
use std::collections::BTreeSet;
use std::fmt;

/// Largest response over UDP, ours and the peers'.
pub(crate) const UDP_SIZE: u16 = 1232;
/// BIND's `max-query-restarts`.
const BIND_ALIASES_MAX: usize = 11;

/// This server, with all zones and with one.
pub(crate) struct Worlds<'z> {
    zones: &'z [Zone],
    all: Ours,
    alone: Vec<Ours>,
}

impl<'z> Worlds<'z> {
    pub(crate) fn new(zones: &'z [Zone]) -> Worlds<'z> {
        let texts = || zones.iter().map(|zone| (zone.apex.as_str(), zone.text.as_str()));
        let alone = texts().map(|zone| Ours::new([zone], UDP_SIZE)).collect();
        Worlds { zones, all: Ours::new(texts(), UDP_SIZE), alone }
    }

    /// The closest zone of a name; for DS the parent's, if that is here (RFC 4035 section 3.1.4.1).
    fn zone_of(&self, name: &str, qtype: &str) -> Option<usize> {
        let closest = |is_strict: bool| {
            let is_above = |apex: &str| is_at_or_below(name, apex) && !(is_strict && name.eq_ignore_ascii_case(apex));
            let above = self.zones.iter().enumerate().filter(|(_, zone)| is_above(&zone.apex));
            above.max_by_key(|(_, zone)| zone.apex.len()).map(|(index, _)| index)
        };
        closest(qtype == "DS").or_else(|| closest(false))
    }
}

/// One query and what both sides said.
pub(crate) struct Case<'a> {
    kind: Kind,
    worlds: &'a Worlds<'a>,
    query: &'a Query,
    packet: Vec<u8>,
    ours: Answer,
    theirs: Answer,
    /// Who truncated over UDP; if anybody did, both sides were asked again over TCP.
    truncated: (bool, bool),
}

type Verdict = Result<Vec<Explained>, String>;

impl<'a> Case<'a> {
    pub(crate) fn ask(kind: Kind, worlds: &'a Worlds<'a>, query: &'a Query, theirs: &Theirs) -> Case<'a> {
        let packet = packet(query);
        let (mut a, mut b) = (worlds.all.ask(&packet, Transport::Udp), theirs.ask(&packet, Transport::Udp));
        let truncated = (a.message.flag(TC), b.message.flag(TC));
        if truncated != (false, false) {
            (a, b) = (worlds.all.ask(&packet, Transport::Tcp), theirs.ask(&packet, Transport::Tcp));
        }
        Case { kind, worlds, query, packet, ours: a, theirs: b, truncated }
    }

    /// Says what explains the differences, if there are any; the error is a difference that nothing explains.
    pub(crate) fn judge(&self) -> Verdict {
        let mut reasons = Vec::new();
        match self.truncated {
            (false, true) if self.theirs.bytes.len() > self.limit() => reasons.push(Explained::TruncatedAlone),
            (true, false) if self.ours.bytes.len() > self.limit() => reasons.push(Explained::TruncatedAlone),
            (a, b) if a == b => {}
            _ => return Err("TC without need".into()),
        }
        let (ours, theirs) = (&self.ours.message, &self.theirs.message);
        let last = self.worlds.zone_of(last_name(ours).unwrap_or(&self.query.name), self.query.qtype);
        let whole = Pair { case: self, zone: last, ours, theirs };
        let verdict = whole.compare();
        reasons.extend(verdict.or_else(|difference| {
            let other = whole.chain_fails().or_else(|| self.across_zones()).or_else(|| self.other_parent());
            other.ok_or(difference)
        })?);
        Ok(reasons)
    }

    /// Octets that a response over UDP may take: the client's size and ours, which is the peers' too.
    fn limit(&self) -> usize {
        self.query.edns.map_or(512, |(size, _)| size.clamp(512, UDP_SIZE)) as usize
    }

    /// They stay in the zone of the question where a chain leaves it.
    fn across_zones(&self) -> Option<Vec<Explained>> {
        let (ours, theirs) = (&self.ours.message, &self.theirs.message);
        let first = self.worlds.zone_of(&self.query.name, self.query.qtype)?;
        let leaves =
            |record: &Rr| record.rtype == "CNAME" && self.worlds.zone_of(&record.data, self.query.qtype) != Some(first);
        let at = ours.answer.iter().position(leaves)?;
        if let Some(mut reasons) = self.answers_like(first) {
            reasons.push(Explained::ChainAcrossZones);
            return Some(reasons);
        }
        let is_prefix = theirs.rcode == 0 && set(&theirs.answer) == set(&ours.answer[..=at]);
        (self.kind == Kind::Bind && is_prefix && theirs.authority.is_empty()).then(|| vec![Explained::ChainEndsAtZone])
    }

    /// For DS of a zone's own name, of that of the question or of one that an alias leads to, another zone above answers.
    fn other_parent(&self) -> Option<Vec<Explained>> {
        let (ours, theirs) = (&self.ours.message, &self.theirs.message);
        if self.kind != Kind::Nsd || self.query.qtype != "DS" {
            return None;
        }
        let name = last_name(theirs).unwrap_or(&self.query.name);
        let is_apex = |name: &str| self.worlds.zones.iter().any(|zone| zone.apex.eq_ignore_ascii_case(name));
        if is_apex(&self.query.name) {
            let above =
                (0..self.worlds.zones.len()).filter(|&zone| is_below(&self.query.name, &self.worlds.zones[zone].apex));
            return above.filter_map(|zone| self.answers_like(zone)).next().map(|_| vec![Explained::OtherParent]);
        }
        let is_denied = theirs.authority.len() == 1 && is_below(name, &theirs.authority[0].owner);
        (is_apex(name) && is_denied && set(&theirs.answer) == set(&ours.answer)).then(|| vec![Explained::OtherParent])
    }

    /// Whether they answer as we do when `zone` is the only one, but for what is explained.
    fn answers_like(&self, zone: usize) -> Option<Vec<Explained>> {
        // Over UDP as they were, so that the same addresses fit; but a chain of ours may be longer than theirs.
        let ask = |transport| self.worlds.alone[zone].ask(&self.packet, transport).message;
        let over_udp = Some(ask(Transport::Udp)).filter(|alone| self.truncated == (false, false) && !alone.flag(TC));
        let alone = over_udp.unwrap_or_else(|| ask(Transport::Tcp));
        let pair = Pair { case: self, zone: Some(zone), ours: &alone, theirs: &self.theirs.message };
        pair.compare().ok().or_else(|| pair.chain_fails())
    }
}

/// Two responses to compare.
struct Pair<'a> {
    case: &'a Case<'a>,
    /// The zone that ours is from; for a chain, its last part.
    zone: Option<usize>,
    ours: &'a Message,
    theirs: &'a Message,
}

impl Pair<'_> {
    /// Section by section.
    fn compare(&self) -> Verdict {
        let (ours, theirs) = (self.ours, self.theirs);
        if let Some(reason) = self.any().or_else(|| self.shared_names()) {
            return Ok(vec![reason]);
        }
        if ours.rcode != theirs.rcode {
            return Err("RCODE".into());
        }
        if ours.flags != theirs.flags {
            return Err("flags".into());
        }
        if set(&ours.answer) != set(&theirs.answer) {
            return Err("answer section".into());
        }
        let mut reasons = Vec::new();
        // Owners of addresses that belong to what is explained already.
        let mut explained = BTreeSet::new();
        if ours.authority.is_empty() && self.is_apex_ns() {
            explained.extend(theirs.authority.iter().map(|record| record.data.to_ascii_lowercase()));
            reasons.push(Explained::ApexNs);
        } else if set(&ours.authority) != set(&theirs.authority) {
            return Err("authority section".into());
        }
        reasons.extend(self.additional(&explained)?);
        Ok(reasons)
    }

    fn kind(&self) -> Kind {
        self.case.kind
    }

    fn any(&self) -> Option<Explained> {
        let (our_answer, their_answer) = (set(&self.ours.answer), set(&self.theirs.answer));
        if self.case.query.qtype != "ANY" || our_answer.is_empty() || !self.ours.authority.is_empty() {
            return None;
        }
        let is_part = our_answer.is_subset(&their_answer);
        let is_dname = self.ours.answer[0].rtype == "DNAME" && our_answer.len() == 2;
        if self.kind() != Kind::Bind && is_dname && is_part && self.ours.flag(AA) == self.theirs.flag(AA) {
            return Some(Explained::AnyBelowDname);
        }
        let key = |record: &Rr| (record.owner.to_ascii_lowercase(), record.rtype.clone());
        let first = key(self.theirs.answer.first()?);
        let is_one = self.theirs.answer.iter().all(|record| key(record) == first);
        let is_one = self.kind() == Kind::Nsd && is_one && first.0 == key(&self.ours.answer[0]).0;
        let is_explained = our_answer != their_answer && self.ours.flags == self.theirs.flags && (is_part || is_one);
        is_explained.then_some(Explained::AnyOneRrset)
    }

    /// Whether their authority section has the NS records of a zone's own name beside an answer.
    fn is_apex_ns(&self) -> bool {
        let message = self.theirs;
        let apexes = &self.case.worlds.zones;
        let is_apex = |record: &Rr| apexes.iter().any(|zone| zone.apex.eq_ignore_ascii_case(&record.owner));
        self.kind() != Kind::Knot
            && message.flag(AA)
            && !message.answer.is_empty()
            && !message.authority.is_empty()
            && message.authority.iter().all(|record| record.rtype == "NS" && is_apex(record))
    }

    /// A negative answer for a name, the one asked or one that an alias leads to, that other zones know something about.
    fn shared_names(&self) -> Option<Explained> {
        let (ours, theirs) = (self.ours, self.theirs);
        let is_part = set(&theirs.answer).is_subset(&set(&ours.answer));
        let is_negative = is_part && theirs.authority.len() == 1 && theirs.authority[0].rtype == "SOA";
        let differs = ours.rcode != theirs.rcode || ours.answer.len() != theirs.answer.len();
        let aliases = ours.answer.iter().filter(|record| record.rtype == "CNAME").map(|record| &record.data);
        let is_shared = |name: &String| self.is_shared(name.to_ascii_lowercase());
        let is_explained = self.kind() == Kind::Nsd && is_negative && differs;
        (is_explained && aliases.chain([&self.case.query.name]).any(is_shared)).then_some(Explained::SharedNames)
    }

    /// Whether a zone other than the closest has the name, one between it and the apex, or a wildcard there, which that does not.
    fn is_shared(&self, mut name: String) -> bool {
        let zones = self.case.worlds.zones;
        let exists = |zone: &Zone, name: &str| zone.owners.iter().any(|owner| is_at_or_below(owner, name));
        let Some(zone) = self.case.worlds.zone_of(&name, self.case.query.qtype) else { return false };
        let zone = &zones[zone];
        let elsewhere = |name: &str| zones.iter().any(|other| other.apex != zone.apex && exists(other, name));
        loop {
            let wildcard = format!("*.{name}");
            if [&name, &wildcard].into_iter().any(|name| !exists(zone, name) && elsewhere(name)) {
                return true;
            }
            match name.split_once('.') {
                Some((_, parent)) if name.len() > zone.apex.len() => name = parent.to_owned(),
                _ => return false,
            }
        }
    }

    /// Chains that a peer gives up, and we follow to their end.
    fn chain_fails(&self) -> Option<Vec<Explained>> {
        let (ours, theirs) = (self.ours, self.theirs);
        let aliases = ours.answer.iter().filter(|record| record.rtype == "CNAME");
        let last = aliases.clone().next_back()?;
        let is_loop = aliases.clone().any(|record| record.owner.eq_ignore_ascii_case(&last.data));
        let (our_answer, their_answer) = (set(&ours.answer), set(&theirs.answer));
        let is_part = their_answer.is_subset(&our_answer);
        if self.kind() == Kind::Bind
            && is_part
            && theirs.rcode == 2
            && (is_loop || aliases.clone().count() > BIND_ALIASES_MAX)
        {
            return Some(vec![Explained::ChainFails]);
        }
        let dnames = || ours.answer.iter().filter(|record| record.rtype == "DNAME");
        let synthesized = aliases.filter(|alias| dnames().any(|dname| is_below(&alias.owner, &dname.owner)));
        let is_again = synthesized.count() > dnames().count() && (is_part || our_answer.is_subset(&their_answer));
        let ends = self.kind() != Kind::Bind && is_again && theirs.rcode == 0 && theirs.flags == ours.flags & !0xf;
        ends.then(|| vec![Explained::DnameAgain])
    }

    /// Glue for servers below the cut must be the same (RFC 9471 section 3.1), other addresses need not.
    fn additional(&self, explained: &BTreeSet<String>) -> Verdict {
        let cuts = || self.ours.authority.iter().filter(|record| record.rtype == "NS");
        let is_glue = |record: &Rr| cuts().any(|cut| is_at_or_below(&record.owner, &cut.owner));
        let split = |message: &Message| -> (Vec<Rr>, Vec<Rr>) { message.additional.iter().cloned().partition(is_glue) };
        let ((our_glue, our_rest), (their_glue, their_rest)) = (split(self.ours), split(self.theirs));
        let mut reasons = BTreeSet::new();
        if set(&our_glue) != set(&their_glue) {
            match self.why_other_glue(&our_glue, &their_glue) {
                // What else there was room for is their own affair.
                Some(Explained::GlueLeftOut) => return Ok(vec![Explained::GlueLeftOut]),
                reason => reasons.insert(reason.ok_or("glue")?),
            };
        }
        for record in missing_in(&our_rest, &their_rest) {
            reasons.insert(self.why_we_add(record).ok_or(format!("our additional {record}"))?);
        }
        for record in missing_in(&their_rest, &our_rest) {
            if !explained.contains(&record.owner.to_ascii_lowercase()) {
                reasons.insert(self.why_they_add(record).ok_or(format!("their additional {record}"))?);
            }
        }
        Ok(reasons.into_iter().collect())
    }

    fn why_other_glue(&self, ours: &[Rr], theirs: &[Rr]) -> Option<Explained> {
        let (more, fewer) = (missing_in(theirs, ours), missing_in(ours, theirs));
        if self.kind() != Kind::Bind && fewer.is_empty() && more.iter().all(|record| self.is_synthesized(record)) {
            return Some(Explained::SynthesizedGlue);
        }
        // All addresses together are too much for UDP, and still nobody set TC.
        let is_full = || self.case.worlds.all.ask(&self.case.packet, Transport::Tcp).bytes.len() > self.case.limit();
        let is_udp = self.case.truncated == (false, false);
        (self.kind() != Kind::Knot && more.is_empty() && is_udp && is_full()).then_some(Explained::GlueLeftOut)
    }

    fn why_we_add(&self, record: &Rr) -> Option<Explained> {
        let is_referral = self.is_referral();
        let has = |rtype: &str| self.ours.answer.iter().any(|answer| answer.rtype == rtype);
        let is_service = has("SVCB") || has("HTTPS");
        let is_own = is_service && self.ours.answer.iter().any(|answer| same_name(&answer.owner, &record.owner));
        let is_small = self.case.query.edns.is_some_and(|(size, _)| size <= 512);
        let is_any = self.case.query.qtype == "ANY";
        let is_authoritative = self.is_authoritative(record);
        let follows =
            self.theirs.additional.iter().any(|other| is_service_type(other) && same_name(&other.owner, &record.owner));
        if !is_address(record) {
            return None;
        }
        match self.kind() {
            Kind::Bind | Kind::Knot if is_own => Some(Explained::OwnTarget),
            Kind::Bind if is_service && follows => Some(Explained::ServiceChain),
            Kind::Bind if !is_referral && (is_any || is_small) => Some(Explained::FewerAddresses),
            Kind::Bind | Kind::Nsd if !is_referral && !is_authoritative => Some(Explained::FewerAddresses),
            Kind::Bind if is_referral && is_authoritative => Some(Explained::AuthoritativeAddresses),
            Kind::Bind if record.owner.starts_with("*.") => Some(Explained::WildcardTargets),
            Kind::Nsd if is_service => Some(Explained::NoServiceAddresses),
            Kind::Nsd | Kind::Knot if has("NAPTR") => Some(Explained::NoServiceAddresses),
            _ => None,
        }
    }

    fn why_they_add(&self, record: &Rr) -> Option<Explained> {
        let zones = self.case.worlds.zones;
        let is_service = self.ours.answer.iter().any(is_service_type);
        let all = self.theirs.answer.iter().chain(&self.theirs.authority);
        let is_named = all.flat_map(|record| record.data.split(' ')).any(|name| same_name(name, &record.owner));
        let owner = record.owner.to_ascii_lowercase();
        match self.kind() {
            Kind::Nsd if is_address(record) && !is_named => Some(Explained::OtherOwner),
            Kind::Nsd | Kind::Knot if is_address(record) && self.is_referral() && self.is_synthesized(record) => {
                Some(Explained::SynthesizedGlue)
            }
            Kind::Bind if is_address(record) && zones.iter().any(|zone| zone.redirects(&owner)) => {
                Some(Explained::OccludedAddresses)
            }
            _ if self.ours.answer.is_empty() => None,
            _ if is_address(record) && self.is_synthesized(record) => Some(Explained::SynthesizedAddresses),
            Kind::Knot | Kind::Bind if is_service => Some(Explained::ServiceChain),
            _ => None,
        }
    }

    fn is_referral(&self) -> bool {
        self.ours.authority.first().is_some_and(|first| first.rtype == "NS")
    }

    /// Whether the zone does not have the record's owner, so that only a wildcard can cover it.
    fn is_synthesized(&self, record: &Rr) -> bool {
        let zone = self.zone.map(|zone| &self.case.worlds.zones[zone]);
        zone.is_some_and(|zone| !zone.owners.contains(&record.owner.to_ascii_lowercase()))
    }

    /// Whether the record's owner lies in the zone, and no cut is above it there, or at it.
    fn is_authoritative(&self, record: &Rr) -> bool {
        let Some(zone) = self.zone else { return false };
        let packet = packet(&Query::plain(&record.owner, "A"));
        self.case.worlds.alone[zone].ask(&packet, Transport::Tcp).message.flag(AA)
    }
}

/// The records of a section, as a set: the order of RRsets and of records in them is free.
fn set(records: &[Rr]) -> BTreeSet<String> {
    records.iter().map(lower).collect()
}

fn lower(record: &Rr) -> String {
    record.to_string().to_ascii_lowercase()
}

fn missing_in<'r>(records: &'r [Rr], others: &[Rr]) -> Vec<&'r Rr> {
    let others = set(others);
    records.iter().filter(|record| !others.contains(&lower(record))).collect()
}

/// The last name of a chain: that of the last record, or what it points to.
fn last_name(message: &Message) -> Option<&str> {
    let last = message.answer.last()?;
    Some(if last.rtype == "CNAME" && !message.authority.is_empty() { &last.data } else { &last.owner })
}

fn is_address(record: &Rr) -> bool {
    matches!(&record.rtype[..], "A" | "AAAA")
}

fn is_service_type(record: &Rr) -> bool {
    matches!(&record.rtype[..], "SVCB" | "HTTPS")
}

fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    same_name(name, above) || is_below(name, above)
}

fn is_below(name: &str, above: &str) -> bool {
    let Some(cut) = name.len().checked_sub(above.len() + 1) else { return false };
    name.is_char_boundary(cut) && name[cut..].starts_with('.') && same_name(&name[cut + 1..], above)
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "query {:?}", self.query)?;
        for (who, answer) in [("catchment", &self.ours), (self.kind.name(), &self.theirs)] {
            let message = &answer.message;
            write!(
                f,
                "{who}: {} flags {:04x}, {} octets",
                rcode_text(message.rcode),
                message.flags,
                answer.bytes.len()
            )?;
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
