//! What may differ at the peers, and why.

use crate::judge;
use crate::model::{Chain, Expected, World};
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
}

impl Explained {
    /// The reason, with the RFC that leaves it free, or what is known of the peer.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Explained::LongChain => "RFC 1034 section 3.6.2 wants loops caught; where, is free",
            Explained::ChainInZone => {
                "RFC 1034 section 4.3.2: back to step 1, the search for a zone; Knot and BIND stay in the first"
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
) -> Result<(Option<Expected>, Vec<Explained>), String> {
    let respond = |chain| world.respond(&asked.question, chain);
    let Some(expected) = respond(Chain::AcrossZones) else { return Ok((None, vec![Explained::LongChain])) };
    let Err(fault) = judge::judge(world, asked, &expected, got) else { return Ok((Some(expected), Vec::new())) };
    let others: &[(Chain, Explained)] = match kind {
        Some(Kind::Knot) => &[(Chain::InZone, Explained::ChainInZone)],
        Some(Kind::Bind) => &[(Chain::Ends, Explained::ChainEnds), (Chain::InZone, Explained::ChainInZone)],
        Some(Kind::Nsd) | None => &[],
    };
    for (chain, reason) in others {
        if let Some(other) = respond(*chain)
            && judge::judge(world, asked, &other, got).is_ok()
        {
            return Ok((Some(other), vec![*reason]));
        }
    }
    Err(fault)
}
