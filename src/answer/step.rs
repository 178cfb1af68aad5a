//! One name of a chain of aliases, while it is answered, and what the response has proved so far.

use super::Response;
use super::emit::{Stop, Suffixes, suffix_at};
use crate::wire::lookup::LookupName;
use crate::zone::image::{Image, Node};

/// Aliases followed in one response; a longer chain ends there, and the client asks for its last name.
pub(super) const CHAIN_MAX: usize = 16;
/// Records of denial in one response: one for each alias that a wildcard gave, three for the last name.
const SHOWN_MAX: usize = CHAIN_MAX + 1 + 3;

/// One name of a chain.
pub(super) struct Step<'r, 'q, 'z> {
    pub(super) response: &'r mut Response<'q>,
    /// What is proved, if it is wanted.
    pub(super) proofs: Option<&'r mut Proofs<'z>>,
    pub(super) qtype: u16,
    /// Whether the name is the question's own: it decides AA.
    pub(super) is_first: bool,
    /// Whether AA may be set at all: not for class ANY (RFC 1035 section 6.2).
    pub(super) authoritative: bool,
    pub(super) image: &'z Image,
    /// Where the owners of the DNAMEs stand that are in the answer.
    pub(super) dnames: [u16; CHAIN_MAX + 1],
    pub(super) dname_count: u8,
    pub(super) suffixes: Suffixes,
}

/// The proofs of one response.
#[derive(Default)]
pub(super) struct Proofs<'z> {
    /// The RRsets that are there, by where they lie.
    pub(super) shown: [usize; SHOWN_MAX],
    pub(super) shown_count: usize,
    /// Aliases that wildcards gave: their proofs come when the answer section is complete.
    pub(super) expansions: [Option<Expansion<'z>>; CHAIN_MAX + 1],
    pub(super) expansion_count: usize,
}

/// A name whose records a wildcard gave.
#[derive(Clone, Copy)]
pub(super) struct Expansion<'z> {
    pub(super) image: &'z Image,
    /// Where the name stands.
    pub(super) at: u16,
    /// Labels of its closest encloser.
    pub(super) encloser: u8,
}

/// The name that is proved about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'n> {
    pub(super) name: &'n LookupName,
    /// Where it stands in the message.
    pub(super) at: usize,
}

impl Step<'_, '_, '_> {
    /// Where the last `labels` labels of the name at `at` stand.
    pub(super) fn suffix_at(&self, name: &LookupName, at: usize, labels: usize) -> Result<usize, Stop> {
        let skip = name.label_count().saturating_sub(labels);
        suffix_at(self.response.writer.written(), at, skip)
    }

    /// Remembers where the owner stands, if the question spells it as the zone does: RDATA may then point to it.
    pub(super) fn note_owner(&mut self, node: &Node, wire: &[u8], at: usize) {
        if self.is_first && self.suffixes.apex.is_some() {
            self.suffixes.owner = wire.starts_with(node.name).then_some(at);
        }
    }

    pub(super) fn set_authoritative(&mut self) {
        if self.is_first {
            self.response.authoritative = self.authoritative;
        }
    }
}
