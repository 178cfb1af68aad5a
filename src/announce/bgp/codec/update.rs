//! UPDATE.
use super::{Context, Error};
use crate::announce::bgp::message::{Attributes, Update};
use crate::announce::prefix::Prefix;

/// The messages of one change, and what could not be said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updates {
    /// Each at most [`super::MESSAGE_OCTETS_MAX`] octets.
    pub messages: Vec<Vec<u8>>,
    /// Prefixes that are in none of them, and why.
    pub unsent: Vec<(Prefix, Unsendable)>,
}

/// Why a prefix cannot be announced or withdrawn in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The session has no such family.
    #[error("the session does not carry this address family")]
    Family,
    /// IPv6 routes need an IPv6 next hop, IPv4 ones too unless RFC 8950 was agreed.
    #[error("the next hop is of the other address family")]
    NextHop,
    /// The attributes leave no room for a prefix (RFC 4271 9.2).
    #[error("the path attributes are too long for a message")]
    TooLong,
}

/// The messages that withdraw prefixes of either family.
pub fn encode_withdrawn(_prefixes: &[Prefix], _context: &Context) -> Updates {
    Updates::default()
}

/// The messages that announce prefixes of either family with one set of attributes.
pub fn encode_announced(_prefixes: &[Prefix], _attributes: &Attributes, _context: &Context) -> Updates {
    Updates::default()
}

pub(super) fn encode(_update: &Update, _context: &Context) -> Vec<Vec<u8>> {
    Vec::new()
}

pub(super) fn decode(_body: &[u8], _context: &Context) -> Result<Update, Error> {
    Ok(Update::default())
}
