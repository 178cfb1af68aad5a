//! From a question to the RRsets that answer it: the algorithm of RFC 1034 section 4.3.2, as amended by RFC 4592 (wildcards),
//! RFC 6672 (DNAME) and RFC 4035 section 3.1.4.1 (DS).

use super::edns::Reply;
use super::emit::{Section, Stop, Suffixes, is_name_at};
use super::step::{CHAIN_MAX, Proofs, Step, Subject};
use super::{Response, Served};
use crate::wire::code::{class, ede, rcode, rtype};
use crate::wire::lookup::LookupName;
use crate::wire::name::NAME_LEN_MAX;
use crate::wire::query::{HEADER_LEN, Question};
use crate::wire::writer::POINTER_MAX;
use crate::zone::image::{Found, Image, Node, Rrset};
use crate::zone::set::{Zone, Zones};

pub(super) fn resolve(response: &mut Response, question: &Question, served: &Served, reply: &mut Reply) {
    match follow(response, question, served, reply) {
        Ok(()) => {}
        Err(Stop::Full) => response.truncated = true,
        Err(Stop::Damaged) => {
            response.writer.truncate(HEADER_LEN + question.wire_len());
            response.counts = [1, 0, 0, 0];
            response.authoritative = false;
            fail(response, reply);
        }
    }
}

/// The server holds the zone, and can't answer from it.
fn fail(response: &mut Response, reply: &mut Reply) {
    response.rcode = rcode::SERVFAIL;
    reply.error = Some(ede::INVALID_DATA);
}

/// Answers the name asked, then each name that an alias leads to, across all zones that are served. RCODE is the last
/// name's, AA the first one's (RFC 6604, RFC 1034 section 6.2.7).
fn follow(response: &mut Response, question: &Question, served: &Served, reply: &mut Reply) -> Result<(), Stop> {
    let Some(zone) = authority_for(&served.zones, question.name, question.qtype) else {
        response.rcode = rcode::REFUSED;
        reply.error = Some(ede::NOT_AUTHORITATIVE);
        return Ok(());
    };
    response.zone = Some(zone.id);
    let Some(image) = zone.image() else {
        fail(response, reply);
        return Ok(());
    };
    if reply.wants_zone_version() {
        reply.zone_version = Some((image.apex_labels() as u8, image.serial()));
    }
    // Room for the OPT that comes last.
    let reserved = reply.len(&served.settings);
    response.writer.set_limit(response.limit.saturating_sub(reserved));

    // Only who asks for proofs pays for the room that they take.
    if !response.dnssec {
        return follow_chain(response, question, served, zone, image, None);
    }
    let mut proofs = Proofs::default();
    follow_chain(response, question, served, zone, image, Some(&mut proofs))
}

fn follow_chain<'z>(
    response: &mut Response,
    question: &Question,
    served: &'z Served,
    zone: &Zone,
    image: &'z Image,
    proofs: Option<&mut Proofs<'z>>,
) -> Result<(), Stop> {
    let mut step = Step {
        response,
        proofs,
        qtype: question.qtype,
        is_first: true,
        authoritative: question.qclass != class::ANY,
        image,
        dnames: [0; CHAIN_MAX + 1],
        dname_count: 0,
        suffixes: apex_in_question(question, image),
    };
    let Some(mut alias) = step.answer(question.name, question.name_wire, HEADER_LEN)? else {
        return step.prove_expansions();
    };
    step.is_first = false;
    let mut followed = [0usize; CHAIN_MAX];
    let mut last_zone = zone.id;
    let mut name = LookupName::default();
    for hop in 0..CHAIN_MAX {
        name.read(&alias.wire).ok_or(Stop::Damaged)?;
        let message = step.response.writer.written();
        // A loop ends where it comes back: all its records are there.
        if std::iter::once(&HEADER_LEN)
            .chain(&followed[..hop])
            .try_fold(false, |found, &at| Ok::<bool, Stop>(found || is_name_at(message, at, name.lower())?))?
        {
            break;
        }
        followed[hop] = alias.at;
        // A zone that is not here, or not in order, ends the chain without spoiling what was found: the client asks on.
        let Some(zone) = authority_for(&served.zones, &name, step.qtype) else { break };
        let Some(image) = zone.image() else { break };
        if zone.id != last_zone {
            step.suffixes = Suffixes::default();
        }
        step.suffixes.owner = None;
        (step.image, last_zone) = (image, zone.id);
        let wire = &alias.wire[..name.lower().len()];
        match step.answer(&name, wire, alias.at)? {
            Some(next) => alias = next,
            None => break,
        }
    }
    step.prove_expansions()
}

/// The zone to answer from. DS lies on the parent's side of a cut: when both sides are served, the parent answers (RFC 4035
/// section 3.1.4.1).
fn authority_for<'a>(zones: &'a Zones, name: &LookupName, qtype: u16) -> Option<&'a Zone> {
    let zone = zones.find(name, usize::MAX)?;
    let labels = name.label_count();
    let is_apex = || zone.apex_wire().len() == name.lower().len();
    if qtype == rtype::DS
        && labels > 0
        && is_apex()
        && let Some(above) = zones.find(name, labels - 1)
    {
        return Some(above);
    }
    Some(zone)
}

/// Whether the question ends in the apex as the zone spells it, and where.
fn apex_in_question(question: &Question, image: &Image) -> Suffixes {
    let start = question.name.suffix_start(image.apex_labels());
    let same = question.name_wire[start..] == *image.apex_wire();
    Suffixes { apex: same.then_some(HEADER_LEN + start), owner: None }
}

/// The name that an alias leads to.
struct Alias {
    /// Its wire form at the start.
    wire: [u8; NAME_LEN_MAX],
    /// Where it stands in the message.
    at: usize,
}

impl Step<'_, '_, '_> {
    /// Answers `name`, which stands at `at` in the message and whose spelling is `wire`. Gives the next name when it is an alias.
    fn answer(&mut self, name: &LookupName, wire: &[u8], at: usize) -> Result<Option<Alias>, Stop> {
        match self.image.find(name)? {
            Found::Exact(node) if node.is_cut() && self.qtype != rtype::DS => {
                self.refer(&node, name, wire, at)?;
                Ok(None)
            }
            Found::Exact(node) => {
                self.note_owner(&node, wire, at);
                self.answer_from(&node, None, name, at)
            }
            Found::Encloser(node, _) if node.is_cut() => {
                self.refer(&node, name, wire, at)?;
                Ok(None)
            }
            Found::Encloser(node, depth) if node.has_dname() => self.redirect(&node, depth, name, wire, at),
            Found::Encloser(node, depth) => match node.wildcard()? {
                // RFC 4592 section 4.2 leaves NS at a wildcard undefined: a referral under the name asked.
                Some(source) if source.is_cut() && self.qtype != rtype::DS => {
                    self.put_referral(&source, at, None)?;
                    Ok(None)
                }
                Some(source) => self.answer_from(&source, Some(depth), name, at),
                None => {
                    self.set_authoritative();
                    self.response.rcode = rcode::NXDOMAIN;
                    self.put_soa(name, at)?;
                    self.prove_no_name(&node, depth, Subject { name, at })?;
                    Ok(None)
                }
            },
        }
    }

    /// The name exists, or is synthesized from the wildcard `node`, whose parent is `encloser` labels below the apex: its RRset, its
    /// alias, or no data.
    fn answer_from(
        &mut self,
        node: &Node,
        encloser: Option<usize>,
        name: &LookupName,
        at: usize,
    ) -> Result<Option<Alias>, Stop> {
        self.set_authoritative();
        let found = match self.qtype {
            // Any one of its RRsets will do, over UDP and TCP alike (RFC 8482 section 4.1).
            rtype::ANY if node.rrset_count() > 0 => Some(node.rrset_at(0)?),
            rtype::RRSIG => match self.put_any_signatures(node, at)? {
                true => {
                    encloser.inspect(|&depth| self.note_expansion(depth, at));
                    return Ok(None);
                }
                false => node.rrset(rtype::RRSIG)?,
            },
            qtype => node.rrset(qtype)?,
        };
        let is_found = found.is_some();
        if let Some(set) = found.map_or_else(|| node.rrset(rtype::CNAME), |set| Ok(Some(set)))? {
            self.response.put_rrset(Section::Answer, at, &set, set.ttl_secs, &mut self.suffixes)?;
            encloser.inspect(|&depth| self.note_expansion(depth, at));
            if is_found {
                self.prove_expansions()?;
                self.response.put_extras(&set)?;
                return Ok(None);
            }
            let target = set.first()?;
            let mut alias = Alias { wire: [0; NAME_LEN_MAX], at: self.response.places.first_rdata() };
            alias.wire.get_mut(..target.len()).ok_or(Stop::Damaged)?.copy_from_slice(target);
            return Ok(Some(alias));
        }
        self.put_soa(name, at)?;
        let subject = Subject { name, at };
        match encloser {
            None => self.prove_no_type(node, name.label_count(), subject)?,
            Some(depth) => self.prove_no_type_at_wildcard(node, depth, subject)?,
        }
        Ok(None)
    }

    /// Signatures asked for by their own type: those of any one RRset will do, as with ANY (RFC 8482 section 7). Whether there are any.
    fn put_any_signatures(&mut self, node: &Node, at: usize) -> Result<bool, Stop> {
        for set in node.rrsets() {
            let set = set?;
            if set.is_signed() {
                let start = self.response.writer.len();
                let put = self.response.put_signatures(at, &set, u32::MAX);
                let count = put.inspect_err(|_| self.response.writer.truncate(start))?;
                self.response.counts[Section::Answer as usize] += count;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A DNAME above the name: the DNAME, and the CNAME synthesized from it (RFC 6672 section 3.1).
    fn redirect(
        &mut self,
        node: &Node,
        depth: usize,
        name: &LookupName,
        wire: &[u8],
        at: usize,
    ) -> Result<Option<Alias>, Stop> {
        self.set_authoritative();
        let dname = node.rrset(rtype::DNAME)?.ok_or(Stop::Damaged)?;
        let labels = self.image.apex_labels() + depth;
        self.put_dname(&dname, name, at, labels)?;
        let prefix = wire.get(..name.suffix_start(labels)).ok_or(Stop::Damaged)?;
        let target = dname.first()?;
        let len = prefix.len() + target.len();
        if len > NAME_LEN_MAX {
            self.response.rcode = rcode::YXDOMAIN;
            return Ok(None);
        }
        let mut alias = Alias { wire: [0; NAME_LEN_MAX], at: 0 };
        alias.wire[..prefix.len()].copy_from_slice(prefix);
        alias.wire[prefix.len()..len].copy_from_slice(target);
        alias.at = self.put_synthesized_cname(at, dname.ttl_secs, &alias.wire[..len])?;
        // Asked for, the CNAME is the answer, and nothing is followed.
        Ok(if matches!(self.qtype, rtype::CNAME | rtype::ANY) { None } else { Some(alias) })
    }

    /// Appends the DNAME at the last `labels` labels of the name, unless the chain passed it before: a set has no record
    /// twice (RFC 2181 section 5).
    fn put_dname(&mut self, dname: &Rrset, name: &LookupName, at: usize, labels: usize) -> Result<(), Stop> {
        for &owner_at in &self.dnames[..self.dname_count as usize] {
            if is_name_at(self.response.writer.written(), owner_at as usize, name.suffix(labels))? {
                return Ok(());
            }
        }
        let owner_at = self.suffix_at(name, at, labels)?;
        self.response.put_rrset(Section::Answer, owner_at, dname, dname.ttl_secs, &mut self.suffixes)?;
        // In range: one for the question and one for each alias of a chain.
        self.dnames[self.dname_count as usize] = owner_at as u16;
        self.dname_count += 1;
        Ok(())
    }

    /// Appends a CNAME that no zone holds. Gives where its target stands.
    fn put_synthesized_cname(&mut self, owner_at: usize, ttl_secs: u32, target: &[u8]) -> Result<usize, Stop> {
        let writer = &mut self.response.writer;
        if writer.room() < 12 + target.len() || owner_at > POINTER_MAX {
            return Err(Stop::Full);
        }
        writer.put_u16(0xc000 | owner_at as u16)?;
        writer.put_u16(rtype::CNAME)?;
        writer.put_u16(class::IN)?;
        writer.put(&ttl_secs.to_be_bytes())?;
        writer.put_u16(target.len() as u16)?;
        let target_at = writer.len();
        writer.put(target)?;
        self.response.counts[Section::Answer as usize] += 1;
        Ok(target_at)
    }

    /// A cut at or above the name: the delegation.
    fn refer(&mut self, cut: &Node, name: &LookupName, wire: &[u8], at: usize) -> Result<(), Stop> {
        let skip = wire.len().saturating_sub(cut.name.len() + self.image.apex_wire().len());
        self.note_owner(cut, wire.get(skip..).unwrap_or_default(), at + skip);
        let labels = self.image.apex_labels() + crate::wire::name::labels(cut.name).count();
        let owner_at = self.suffix_at(name, at, labels)?;
        self.put_referral(cut, owner_at, Some((labels, Subject { name, at })))
    }

    /// NS in the authority section, glue behind it, no AA (RFC 1034 section 4.3.2 step 3b). Where proofs are wanted, DS or what denies it
    /// between (RFC 4035 section 3.1.4); `cut_labels` says of which name.
    fn put_referral(&mut self, cut: &Node, owner_at: usize, cut_labels: Option<(usize, Subject)>) -> Result<(), Stop> {
        self.prove_expansions()?;
        let set = cut.rrset(rtype::NS)?.ok_or(Stop::Damaged)?;
        self.response.put_rrset(Section::Authority, owner_at, &set, set.ttl_secs, &mut self.suffixes)?;
        if self.response.dnssec {
            match (cut.rrset(rtype::DS)?, cut_labels) {
                // Nobody could believe it without.
                (Some(ds), _) if !ds.is_signed() => {}
                (Some(ds), _) => self.response.put_proof(&[], owner_at, &ds)?,
                (None, Some((labels, subject))) => self.prove_insecure(cut, labels, subject)?,
                (None, None) => {}
            }
        }
        self.response.put_extras(&set)
    }

    /// The SOA of a negative answer (RFC 2308 section 3).
    fn put_soa(&mut self, name: &LookupName, at: usize) -> Result<(), Stop> {
        self.prove_expansions()?;
        let owner_at = self.suffix_at(name, at, self.image.apex_labels())?;
        let soa = self.image.apex_node()?.rrset(rtype::SOA)?.ok_or(Stop::Damaged)?;
        let ttl_secs = self.image.negative_ttl_secs();
        self.response.put_rrset(Section::Authority, owner_at, &soa, ttl_secs, &mut self.suffixes)?;
        Ok(())
    }
}
