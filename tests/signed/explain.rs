//! What may differ at the peers, and why.

use crate::judge::{self, Fault};
use crate::model::{Chain, Expected, Note, World};
use crate::record::Response;
use crate::support::peers::Kind;
use crate::world::Asked;

/// The explained differences of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explained {
    /// All: a chain that is too long to compare.
    LongChain,
    /// Knot, BIND: aliases are followed in the first zone alone.
    ChainInZone,
    /// BIND: the chain ends where the next name is in another zone.
    ChainEnds,
    /// All: a wildcard that has no records, but names below it.
    EmptyWildcard,
    /// All: NSEC or NSEC3 of an alias that has none.
    AliasAskedForDnssec,
    /// BIND: NSEC of a cut.
    NsecAtCut,
    /// NSD, Knot: they follow the CNAME that they synthesize, we end with it.
    AnyBelowDname,
    /// Knot: a wildcard answers for a name that has an asterisk of its own.
    AsteriskExpanded,
    /// Knot: a wildcard answers a question for NSEC.
    NsecExpanded,
    /// Knot: a proof of no address beside SVCB and HTTPS.
    ProofOfNoAddress,
    /// Knot: a name below an empty non-terminal that Opt-Out leaves without an NSEC3 record.
    BelowOptedOut,
    /// NSD: a name below the owner of an NSEC3 record.
    BelowHashed,
    /// NSD: a wildcard answers for a name that a DNAME led to.
    ExpandedBehindDname,
    /// NSD: a wildcard has no such type.
    NoEncloser,
    /// NSD: the name of a wildcard has no such type.
    NeedlessEncloser,
    /// NSD, Knot: addresses of name servers in referrals, from a wildcard.
    SynthesizedGlue,
    /// NSD, BIND: a referral without all glue, and without TC.
    GlueLeftOut,
}

impl Explained {
    /// The reason, with the RFC that leaves it free, or what is known of the peer.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Explained::LongChain => "RFC 1034 section 3.6.2 wants loops caught; where, is free",
            Explained::ChainInZone => {
                "RFC 1034 section 4.3.2: back to step 1, the search for a zone; Knot and BIND stay in the first"
            }
            Explained::EmptyWildcard => {
                "RFC 4592 section 2.2.2: an empty wildcard answers too, which RFC 5155 section 7.2.5 and RFC 4035 section 3.1.3.4 \
                 want proved; BIND and Knot leave a part of that out, NSD says NXDOMAIN"
            }
            Explained::AliasAskedForDnssec => {
                "RFC 1034 section 4.3.2 step 3a follows the alias; they say that the type is not there"
            }
            Explained::NsecAtCut => "RFC 1034 section 4.3.2 step 3b refers; BIND answers with the parent's NSEC record",
            Explained::AnyBelowDname => {
                "RFC 8482 section 4.1: DNAME and its CNAME answer ANY; NSD and Knot follow it, BIND does not"
            }
            Explained::AsteriskExpanded => {
                "RFC 4592 section 2.3: an asterisk in a question is like any label; Knot takes the wildcard for the name itself, and \
                 leaves out that the name does not exist"
            }
            Explained::NsecExpanded => {
                "RFC 4035 section 3.1.3.3: that the name does not exist goes along; Knot leaves out an NSEC record that is the answer \
                 too, under another name"
            }
            Explained::ProofOfNoAddress => {
                "RFC 9460 section 4.1: addresses go along; Knot proves that there is none of the other kind"
            }
            Explained::BelowOptedOut => {
                "RFC 5155 section 7.2.2: the closest provable encloser; Knot 3.2 finds no proof, and says NXDOMAIN without SOA and AA"
            }
            Explained::BelowHashed => {
                "RFC 5155 section 7.2.8: owners of NSEC3 records don't exist; to NSD they are the closest enclosers of names below"
            }
            Explained::ExpandedBehindDname => {
                "RFC 4035 section 3.1.3.3, RFC 5155 section 7.2.6: what covers the next closer name; NSD 4.6 covers another one where \
                 a DNAME led there"
            }
            Explained::NoEncloser => {
                "RFC 5155 section 7.2.5: the closest encloser's record too; NSD 4.6 leaves it out at times"
            }
            Explained::NeedlessEncloser => {
                "RFC 5155 section 7.2.3: the record that matches is enough; NSD adds the closest encloser's for names with an asterisk"
            }
            Explained::SynthesizedGlue => {
                "RFC 9471 section 2: glue is what the parent's zone has; NSD and Knot make some of wildcards, below the cut too"
            }
            Explained::GlueLeftOut => {
                "RFC 9471 section 3.1: glue that does not fit means TC; NSD 4.6 and BIND 9.18 leave it out"
            }
            Explained::ChainEnds => {
                "RFC 1034 section 4.3.2: back to step 1; BIND does not mix answers from different zones"
            }
        }
    }
}

/// Compares with what is due, or with what the peer is known to say instead. Gives what was expected, and the explanations.
pub(crate) fn judge(
    world: &World,
    kind: Option<Kind>,
    asked: &Asked,
    got: &Response,
) -> Result<(Option<Expected>, Vec<Explained>), Vec<Fault>> {
    let respond = |chain| world.respond(&asked.question, chain);
    let Some(expected) = respond(Chain::AcrossZones) else { return Ok((None, vec![Explained::LongChain])) };
    let faults = judge::judge(world, asked, &expected, got);
    if faults.is_empty() {
        return Ok((Some(expected), Vec::new()));
    }
    let Some(kind) = kind else { return Err(faults) };
    let chains: &[(Chain, &[Explained])] = match kind {
        Kind::Nsd => &[(Chain::AcrossZones, &[])],
        Kind::Knot => &[(Chain::AcrossZones, &[]), (Chain::InZone, &[Explained::ChainInZone])],
        Kind::Bind => &[
            (Chain::AcrossZones, &[]),
            (Chain::Ends, &[Explained::ChainEnds]),
            (Chain::InZone, &[Explained::ChainInZone]),
        ],
    };
    for (chain, reasons) in chains {
        let Some(other) = respond(*chain) else { continue };
        let faults = judge::judge(world, asked, &other, got);
        let noted = noted(kind, &other, &faults);
        if faults.is_empty() || noted.is_some() {
            return Ok((Some(other), reasons.iter().copied().chain(noted).collect()));
        }
    }
    Err(faults)
}

/// What is known of a peer, in a response with such a note, if that is all.
fn noted(kind: Kind, expected: &Expected, faults: &[Fault]) -> Option<Explained> {
    let has = |note| expected.notes.contains(&note);
    let only = |kinds: &[&str]| faults.iter().all(|fault| kinds.iter().any(|kind| fault.kind.starts_with(kind)));
    const LESS: &str = "missing in authority: NSEC";
    const MORE: &str = "needless in authority: NSEC";
    let is = |is_so: bool, reason| is_so.then_some(reason);
    let of_all = || {
        is(has(Note::AliasAskedForDnssec), Explained::AliasAskedForDnssec)
            .or(is(has(Note::EmptyWildcard) && only(&[LESS, MORE]), Explained::EmptyWildcard))
    };
    match kind {
        Kind::Nsd => of_all()
            .or(is(has(Note::EmptyWildcard) && only(&[LESS, MORE, "RCODE is 3"]), Explained::EmptyWildcard))
            .or(is(has(Note::BelowHashed), Explained::BelowHashed))
            .or(is(has(Note::ExpandedBehindDname) && only(&[LESS, MORE]), Explained::ExpandedBehindDname))
            .or(is(has(Note::NoWildcardType) && only(&[LESS]), Explained::NoEncloser))
            .or(is(has(Note::NoTypeAtAsterisk) && only(&[MORE]), Explained::NeedlessEncloser))
            .or(is(only(&SYNTHESIZED), Explained::SynthesizedGlue))
            .or(is(has(Note::AnyBelowDname) && only(&["needless", "RCODE is 3"]), Explained::AnyBelowDname)),
        Kind::Knot => of_all()
            .or(is(has(Note::AsteriskExpanded) && only(&[LESS, PROOF_BESIDE]), Explained::AsteriskExpanded))
            .or(is(has(Note::NsecExpanded) && only(&[LESS]), Explained::NsecExpanded))
            .or(is(has(Note::BelowOptedOut) && only(&["flags", "missing in authority"]), Explained::BelowOptedOut))
            .or(is(has(Note::AnyBelowDname) && only(&["needless", "RCODE is 3"]), Explained::AnyBelowDname))
            .or(is(only(&[PROOF_BESIDE]), Explained::ProofOfNoAddress))
            .or(is(only(&SYNTHESIZED), Explained::SynthesizedGlue)),
        Kind::Bind => of_all().or(is(has(Note::NsecAtCut), Explained::NsecAtCut)),
    }
}

/// Addresses that no zone has.
const SYNTHESIZED: [&str; 1] = ["in no zone, but in additional: A"];
/// A proof in the additional section, where no RRset of a name is looked for.
const PROOF_BESIDE: &str = "in no zone, but in additional: NSEC";
