//! What may differ, and why.

use crate::ask::{Answer, Ours, Theirs, packet};
use crate::generate::{Query, Zone};
use crate::message::{AA, Message, Rr, TC, rcode_text};
use crate::support::peers::Kind;
use catchment::answer::Transport;
use std::collections::BTreeSet;
use std::fmt;

/// The explained differences. Each is bound to the servers and the kind of response that show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explained {
    /// All: ours is one RRset of theirs, or theirs is one too, another one.
    AnyOneRrset,
    /// NSD, Knot: they follow the CNAME that they synthesize, we end with it.
    AnyBelowDname,
    /// NSD, BIND: authority of positive answers.
    ApexNs,
    /// NSD, BIND: what ApexNs adds, or how names are compressed, makes one response too large.
    TruncatedAlone,
    /// All: they answer as we do when the question's zone is the only one.
    ChainAcrossZones,
    /// BIND: the chain ends where the next name is in another zone, also in a child of the first.
    ChainEndsAtZone,
    /// BIND: loops, and chains of more than its limit.
    ChainFails,
    /// NSD, Knot: a chain that passes one DNAME again ends early.
    DnameAgain,
    /// NSD: a name that only another zone has, or a wildcard there.
    SharedNames,
    /// NSD: DS where the parent does not delegate the child.
    OtherParent,
    /// BIND: referrals have glue alone.
    AuthoritativeAddresses,
    /// BIND: nothing additional for a target whose name is a wildcard's, literally.
    WildcardTargets,
    /// BIND, NSD: beside an answer no glue, nor addresses from another zone; BIND: nothing beside ANY, or to clients of 512 octets.
    FewerAddresses,
    /// Knot, BIND: no addresses for a service at its own name.
    OwnTarget,
    /// NSD, Knot: addresses of name servers in referrals, from a wildcard.
    SynthesizedGlue,
    /// NSD: synthesized addresses whose owner lacks a label of the target.
    OtherOwner,
    /// NSD: a referral without all glue, and without TC.
    GlueLeftOut,
    /// BIND: addresses below a DNAME.
    OccludedAddresses,
    /// NSD: nothing additional for SVCB and HTTPS; NSD, Knot: nothing for NAPTR.
    NoServiceAddresses,
    /// All: addresses of targets that only a wildcard covers.
    SynthesizedAddresses,
    /// Knot, BIND: for SVCB and HTTPS, aliases of the target and more records of the service.
    ServiceChain,
}

impl Explained {
    /// The reason, with the RFC that leaves it free, or what is known of the peer.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Explained::AnyOneRrset => {
                "RFC 8482 section 4.1: one RRset answers ANY; NSD picks another one, BIND and Knot give all"
            }
            Explained::AnyBelowDname => {
                "RFC 8482 section 4.1: DNAME and its CNAME answer ANY; NSD and Knot follow it, BIND does not"
            }
            Explained::ApexNs => {
                "RFC 1034 section 4.3.2 asks for no NS records beside an answer; NSD and BIND add the zone's"
            }
            Explained::TruncatedAlone => {
                "RFC 1035 section 4.1.4, RFC 2181 section 9: only one of the responses exceeds the size"
            }
            Explained::ChainAcrossZones => {
                "RFC 1034 section 4.3.2: back to step 1, the search for a zone; the peers stay in the first"
            }
            Explained::ChainEndsAtZone => {
                "RFC 1034 section 4.3.2: back to step 1; BIND does not mix answers from different zones"
            }
            Explained::ChainFails => {
                "RFC 1034 section 3.6.2 wants loops caught; BIND makes them SERVFAIL (its max-query-restarts is 11)"
            }
            Explained::DnameAgain => {
                "RFC 6672 section 3.2: back to step 1; NSD follows each DNAME of a chain once, Knot three times, we all 16 aliases"
            }
            Explained::SharedNames => {
                "RFC 4592 section 2.2: names exist per zone; NSD keeps those of all zones in one table"
            }
            Explained::OtherParent => {
                "RFC 4035 section 3.1.4.1: the parent answers for DS; NSD takes for it the zone that has NS records for the child"
            }
            Explained::AuthoritativeAddresses => {
                "RFC 9471 section 2: only glue must go along with a referral; BIND leaves out addresses of the zone's own data"
            }
            Explained::WildcardTargets => {
                "RFC 4592 section 2.3: a wildcard's own name is like any; BIND adds no addresses for it (RFC 1034 section 4.3.2 \
                 step 6 leaves it free)"
            }
            Explained::FewerAddresses => {
                "RFC 1034 section 4.3.2 step 6 leaves free what is useful; BIND and NSD add no glue or other zone's data beside an \
                 answer, BIND nothing beside ANY and where EDNS says 512"
            }
            Explained::OwnTarget => {
                "RFC 9460 section 2.5.2: target `.` in ServiceMode is the owner; Knot and BIND add no addresses for it"
            }
            Explained::SynthesizedGlue => {
                "RFC 9471 section 2: glue is what the parent's zone has; NSD and Knot make some of wildcards, below the cut too"
            }
            Explained::OtherOwner => {
                "RFC 1035 section 4.1.3: NSD 4.6 gives addresses synthesized from a wildcard an owner that nothing names"
            }
            Explained::GlueLeftOut => {
                "RFC 9471 section 3.1: glue that does not fit means TC; NSD 4.6 is older than that"
            }
            Explained::OccludedAddresses => {
                "RFC 6672 section 2.4: no data below a DNAME; BIND gives such addresses as additional"
            }
            Explained::NoServiceAddresses => {
                "RFC 9460 section 4.1, RFC 3403 section 4.2: addresses of the target SHOULD, MAY go along; NSD adds none for SVCB and \
                 HTTPS, NSD and Knot none for NAPTR"
            }
            Explained::SynthesizedAddresses => {
                "RFC 1034 section 4.3.2 step 6: what else is useful; the peers also synthesize addresses from wildcards"
            }
            Explained::ServiceChain => {
                "RFC 9460 section 4.1: more records of a service MAY go along; we add addresses alone"
            }
        }
    }
}

/// This server, with all zones and with one.
pub(crate) struct Worlds<'z> {
    zones: &'z [Zone],
    all: Ours,
    alone: Vec<Ours>,
}

impl<'z> Worlds<'z> {
    pub(crate) fn new(zones: &'z [Zone]) -> Worlds<'z> {
        Worlds { zones, all: Ours::new(zones), alone: zones.iter().map(|zone| Ours::new([zone])).collect() }
    }

    /// The closest zone of a name; for DS the parent's, if that is here (RFC 4035 section 3.1.4.1).
    fn zone_of(&self, name: &str, qtype: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let closest = |is_strict: bool| {
            let is_above =
                |apex: &str| format!(".{name}").ends_with(&format!(".{apex}")) && !(is_strict && name == apex);
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
    /// Who truncated over UDP; then both sides were asked over TCP.
    truncated: (bool, bool),
}

/// The records of a section, as a set: the order of RRsets and of records in them is free.
fn set(records: &[Rr]) -> BTreeSet<String> {
    records.iter().map(|record| record.to_string().to_ascii_lowercase()).collect()
}

fn lower(record: &Rr) -> String {
    record.to_string().to_ascii_lowercase()
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

    /// Octets that a response over UDP may take: the client's size and ours, which is the peers' too.
    fn limit(&self) -> usize {
        self.query.edns.map_or(512, |(size, _)| size.clamp(512, 1232)) as usize
    }

    /// Whether the difference, if there is any, is explained, and how.
    pub(crate) fn judge(&self) -> Verdict {
        let mut reasons = Vec::new();
        let limit = self.limit();
        match self.truncated {
            (false, true) if self.theirs.len > limit => reasons.push(Explained::TruncatedAlone),
            (true, false) if self.ours.len > limit => reasons.push(Explained::TruncatedAlone),
            (a, b) if a == b => {}
            _ => return Err("TC without need".into()),
        }
        let (ours, theirs) = (&self.ours.message, &self.theirs.message);
        let difference = match self.compare(ours, theirs) {
            Ok(more) => {
                reasons.extend(more);
                return Ok(reasons);
            }
            Err(difference) => difference,
        };
        if let Some(more) = self.across_zones(ours, theirs).or_else(|| self.too_long(ours, theirs)) {
            reasons.extend(more);
            return Ok(reasons);
        }
        Err(difference)
    }

    fn across_zones(&self, ours: &Message, theirs: &Message) -> Option<Vec<Explained>> {
        let first = self.worlds.zone_of(&self.query.name, self.query.qtype)?;
        let leaves =
            |record: &Rr| record.rtype == "CNAME" && self.worlds.zone_of(&record.data, self.query.qtype) != Some(first);
        let at = ours.answer.iter().position(leaves)?;
        let alone = self.worlds.alone[first].ask(&self.packet, Transport::Tcp).message;
        if let Ok(mut reasons) = self.compare(&alone, theirs) {
            reasons.push(Explained::ChainAcrossZones);
            return Some(reasons);
        }
        let is_prefix = theirs.rcode == 0 && set(&theirs.answer) == set(&ours.answer[..=at]);
        (self.kind == Kind::Bind && is_prefix && theirs.authority.is_empty()).then(|| vec![Explained::ChainEndsAtZone])
    }

    fn too_long(&self, ours: &Message, theirs: &Message) -> Option<Vec<Explained>> {
        let aliases = ours.answer.iter().filter(|record| record.rtype == "CNAME");
        let last = aliases.clone().next_back()?;
        let is_loop = aliases.clone().any(|record| record.owner.eq_ignore_ascii_case(&last.data));
        let is_part = set(&theirs.answer).is_subset(&set(&ours.answer));
        let fails =
            self.kind == Kind::Bind && theirs.rcode == 2 && is_part && (is_loop || aliases.clone().count() > 11);
        if fails {
            return Some(vec![Explained::ChainFails]);
        }
        let dnames = || ours.answer.iter().filter(|record| record.rtype == "DNAME");
        let is_synthesized = |alias: &&Rr| {
            let owner = alias.owner.to_ascii_lowercase();
            dnames().any(|dname| owner.ends_with(&format!(".{}", dname.owner.to_ascii_lowercase())))
        };
        let again = aliases.filter(is_synthesized).count() > dnames().count();
        let ends =
            self.kind != Kind::Bind && again && is_part && theirs.rcode == 0 && theirs.flags == ours.flags & !0xf;
        ends.then(|| vec![Explained::DnameAgain])
    }

    /// Compares two responses, rule by rule.
    fn compare(&self, ours: &Message, theirs: &Message) -> Verdict {
        if let Some(reason) = self.any(ours, theirs) {
            return Ok(vec![reason]);
        }
        if let Some(reason) = self.shared_names(ours, theirs) {
            return Ok(vec![reason]);
        }
        if self.other_parent(ours, theirs) {
            return Ok(vec![Explained::OtherParent]);
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
        if ours.authority.is_empty() && self.is_apex_ns(theirs) {
            explained.extend(theirs.authority.iter().map(|record| record.data.to_ascii_lowercase()));
            reasons.push(Explained::ApexNs);
        } else if set(&ours.authority) != set(&theirs.authority) {
            return Err("authority section".into());
        }
        reasons.extend(self.additional(ours, theirs, &explained)?);
        Ok(reasons)
    }

    fn any(&self, ours: &Message, theirs: &Message) -> Option<Explained> {
        let (our_answer, their_answer) = (set(&ours.answer), set(&theirs.answer));
        if self.query.qtype != "ANY" || ours.answer.is_empty() || !ours.authority.is_empty() {
            return None;
        }
        let is_part = our_answer.is_subset(&their_answer);
        if self.kind != Kind::Bind && ours.answer[0].rtype == "DNAME" && is_part && ours.flag(AA) == theirs.flag(AA) {
            return Some(Explained::AnyBelowDname);
        }
        let key = |record: &Rr| (record.owner.to_ascii_lowercase(), record.rtype.clone());
        let first = key(theirs.answer.first()?);
        let is_one = theirs.answer.iter().all(|record| key(record) == first) && first.0 == key(&ours.answer[0]).0;
        let is_explained = our_answer != their_answer && ours.flags == theirs.flags && (is_part || is_one);
        is_explained.then_some(Explained::AnyOneRrset)
    }

    /// DS of a zone's own name, denied by the closest zone above, and answered negatively by one further up.
    fn other_parent(&self, ours: &Message, theirs: &Message) -> bool {
        let is_apex = self.worlds.zones.iter().any(|zone| zone.apex.eq_ignore_ascii_case(&self.query.name));
        let name = self.query.name.to_ascii_lowercase();
        let is_above = |record: &Rr| name.ends_with(&format!(".{}", record.owner.to_ascii_lowercase()));
        let is_denied = ours.answer.is_empty() && ours.authority.iter().all(|record| record.rtype == "SOA");
        let differs = ours.rcode != theirs.rcode || set(&ours.authority) != set(&theirs.authority);
        self.kind == Kind::Nsd
            && self.query.qtype == "DS"
            && (is_apex && is_denied && differs && theirs.answer.is_empty())
            && theirs.authority.iter().all(is_above)
    }

    /// Whether the authority section has the NS records of a zone's own name beside an answer.
    fn is_apex_ns(&self, message: &Message) -> bool {
        let apexes = &self.worlds.zones;
        let is_apex = |record: &Rr| apexes.iter().any(|zone| zone.apex.eq_ignore_ascii_case(&record.owner));
        message.flag(AA)
            && !message.answer.is_empty()
            && !message.authority.is_empty()
            && message.authority.iter().all(|record| record.rtype == "NS" && is_apex(record))
    }

    /// A negative answer for a name, the one asked or one that an alias leads to, that other zones know something about.
    fn shared_names(&self, ours: &Message, theirs: &Message) -> Option<Explained> {
        let is_part = set(&theirs.answer).is_subset(&set(&ours.answer));
        let is_negative = is_part && theirs.authority.len() == 1 && theirs.authority[0].rtype == "SOA";
        let differs = ours.rcode != theirs.rcode || ours.answer.len() != theirs.answer.len();
        let aliases = ours.answer.iter().filter(|record| record.rtype == "CNAME").map(|record| &record.data);
        let is_shared = |name: &String| self.is_shared(name.to_ascii_lowercase());
        let is_explained = self.kind == Kind::Nsd && is_negative && differs;
        (is_explained && aliases.chain([&self.query.name]).any(is_shared)).then_some(Explained::SharedNames)
    }

    /// Whether a zone other than the closest has the name, one between it and the apex, or a wildcard there, which that does not.
    fn is_shared(&self, mut name: String) -> bool {
        let exists = |zone: &Zone, name: &str| {
            zone.owners.iter().any(|owner| owner == name || owner.ends_with(&format!(".{name}")))
        };
        let Some(zone) = self.worlds.zone_of(&name, self.query.qtype) else { return false };
        let zone = &self.worlds.zones[zone];
        let elsewhere =
            |name: &str| self.worlds.zones.iter().any(|other| other.apex != zone.apex && exists(other, name));
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

    /// Glue for servers below the cut must be the same (RFC 9471 section 3.1), other addresses need not.
    fn additional(&self, ours: &Message, theirs: &Message, explained: &BTreeSet<String>) -> Verdict {
        let cuts: BTreeSet<String> = ours
            .authority
            .iter()
            .filter(|record| record.rtype == "NS")
            .map(|record| record.owner.to_ascii_lowercase())
            .collect();
        let is_required = |record: &Rr| {
            let owner = format!(".{}", record.owner.to_ascii_lowercase());
            cuts.iter().any(|cut| owner.ends_with(&format!(".{cut}")))
        };
        let split = |message: &Message| {
            let (required, other): (Vec<_>, Vec<_>) = message.additional.iter().cloned().partition(is_required);
            (set(&required), other)
        };
        let ((our_glue, our_rest), (their_glue, their_rest)) = (split(ours), split(theirs));
        let mut reasons = BTreeSet::new();
        if our_glue != their_glue {
            let more = theirs.additional.iter().filter(|record| !our_glue.contains(&lower(record)));
            let is_synthesized = self.kind != Kind::Bind
                && our_glue.is_subset(&their_glue)
                && more.filter(|record| is_required(record)).all(|record| self.is_synthesized(record, ours));
            // Over UDP, where what is missing would not have fit: a pointer, the fixed part and an address for each.
            let missing = our_glue.difference(&their_glue).count() * (12 + 4);
            let is_left_out = self.kind == Kind::Nsd
                && their_glue.is_subset(&our_glue)
                && self.truncated == (false, false)
                && self.theirs.len + missing > self.limit();
            match (is_synthesized, is_left_out) {
                (true, _) => reasons.insert(Explained::SynthesizedGlue),
                // What else there was room for is their own affair.
                (_, true) => return Ok(vec![Explained::GlueLeftOut]),
                _ => return Err("glue".into()),
            };
        }
        for record in our_rest.iter().filter(|record| !set(&their_rest).contains(&lower(record))) {
            reasons.insert(self.why_we_add(record, ours, theirs).ok_or(format!("our additional {record}"))?);
        }
        for record in their_rest.iter().filter(|record| !set(&our_rest).contains(&lower(record))) {
            let owner = record.owner.to_ascii_lowercase();
            if !explained.contains(&owner) {
                reasons.insert(self.why_they_add(record, ours, theirs).ok_or(format!("their additional {record}"))?);
            }
        }
        Ok(reasons.into_iter().collect())
    }

    fn why_we_add(&self, record: &Rr, ours: &Message, theirs: &Message) -> Option<Explained> {
        let is_address = matches!(&record.rtype[..], "A" | "AAAA");
        let is_referral = ours.authority.first().is_some_and(|first| first.rtype == "NS");
        let has = |rtype: &str| ours.answer.iter().any(|answer| answer.rtype == rtype);
        let is_service = has("SVCB") || has("HTTPS");
        let is_own = is_service && ours.answer.iter().any(|answer| answer.owner.eq_ignore_ascii_case(&record.owner));
        let is_small = self.query.edns.is_some_and(|(size, _)| size <= 512);
        let is_authoritative = self.is_authoritative(record, self.answered_by(ours));
        let follows = theirs.additional.iter().any(|other| {
            matches!(&other.rtype[..], "SVCB" | "HTTPS") && other.owner.eq_ignore_ascii_case(&record.owner)
        });
        match self.kind {
            Kind::Bind | Kind::Knot if is_address && is_own => Some(Explained::OwnTarget),
            Kind::Bind if is_address && is_service && follows => Some(Explained::ServiceChain),
            Kind::Bind if is_address && !is_referral && (self.query.qtype == "ANY" || is_small) => {
                Some(Explained::FewerAddresses)
            }
            Kind::Bind | Kind::Nsd if is_address && !is_referral && !is_authoritative => {
                Some(Explained::FewerAddresses)
            }
            Kind::Bind if is_address && is_referral && is_authoritative => Some(Explained::AuthoritativeAddresses),
            Kind::Bind if is_address && record.owner.starts_with("*.") => Some(Explained::WildcardTargets),
            Kind::Nsd if is_address && is_service => Some(Explained::NoServiceAddresses),
            Kind::Nsd | Kind::Knot if is_address && has("NAPTR") => Some(Explained::NoServiceAddresses),
            _ => None,
        }
    }

    fn why_they_add(&self, record: &Rr, ours: &Message, theirs: &Message) -> Option<Explained> {
        let is_address = matches!(&record.rtype[..], "A" | "AAAA");
        let is_service = ours.answer.iter().any(|answer| matches!(&answer.rtype[..], "SVCB" | "HTTPS"));
        let is_referral = ours.authority.first().is_some_and(|first| first.rtype == "NS");
        let owner = record.owner.to_ascii_lowercase();
        let all = theirs.answer.iter().chain(&theirs.authority);
        let mut named = all.flat_map(|record| record.data.split(' ')).map(str::to_ascii_lowercase);
        match self.kind {
            Kind::Nsd if is_address && !named.any(|name| name == owner) => Some(Explained::OtherOwner),
            Kind::Nsd | Kind::Knot if is_address && is_referral && self.is_synthesized(record, ours) => {
                Some(Explained::SynthesizedGlue)
            }
            Kind::Bind if is_address && self.worlds.zones.iter().any(|zone| zone.redirects(&owner)) => {
                Some(Explained::OccludedAddresses)
            }
            _ if ours.answer.is_empty() => None,
            _ if is_address && self.is_synthesized(record, ours) => Some(Explained::SynthesizedAddresses),
            Kind::Knot | Kind::Bind if is_service => Some(Explained::ServiceChain),
            _ => None,
        }
    }

    /// Whether the zone that answers does not have the record's owner, so that only a wildcard can cover it.
    fn is_synthesized(&self, record: &Rr, ours: &Message) -> bool {
        let zone = self.worlds.zone_of(self.answered_by(ours), self.query.qtype).map(|zone| &self.worlds.zones[zone]);
        zone.is_some_and(|zone| !zone.owners.contains(&record.owner.to_ascii_lowercase()))
    }

    /// The last name of the chain that is answered.
    fn answered_by<'m>(&'m self, ours: &'m Message) -> &'m str {
        ours.answer.last().map_or(&self.query.name, |last| &last.owner)
    }

    /// Whether the record's owner lies in the closest zone of `name`, and no cut is above it there, or at it.
    fn is_authoritative(&self, record: &Rr, name: &str) -> bool {
        let Some(zone) = self.worlds.zone_of(name, self.query.qtype) else { return false };
        self.worlds.alone[zone].ask(&packet(&Query::plain(&record.owner, "A")), Transport::Tcp).message.flag(AA)
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
