//! The log of queries, for those who asked for it: one line each, with the target [`QUERY_TARGET`]. It costs more than the answer does.

use crate::answer::{Outcome, Query, Transport};
use crate::observe::logs::QUERY_TARGET;
use crate::wire::code::{rcode, rtype};
use crate::wire::name;
use crate::wire::query::HEADER_LEN;

/// Writes the line of one query.
#[cold]
pub(crate) fn write(query: &Query<'_>, outcome: &Outcome) {
    let question = query.packet.get(HEADER_LEN..).unwrap_or_default();
    let qname = name::wire_len(question).ok().map(|len| tracing::field::display(name::Text(&question[..len])));
    let (size, dropped) = match outcome.result {
        Ok(size) => (size, None),
        Err(cause) => (0, Some(tracing::field::debug(cause))),
    };
    tracing::info!(
        target: QUERY_TARGET,
        peer = %query.peer,
        local = %query.local,
        transport = match query.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        },
        qname,
        qtype = %rtype::text(outcome.qtype),
        rcode = rcode::text(outcome.rcode),
        size,
        truncated = outcome.truncated,
        dropped,
    );
}
