//! The log of queries, for those who asked for it: one line each, target `query`. It costs more than the answer does.

use crate::answer::{Outcome, Query, Transport};
use crate::wire::code::{rcode, rtype};
use crate::wire::name;

/// Writes the line of one query.
#[cold]
pub(crate) fn write(query: &Query<'_>, outcome: &Outcome) {
    let question = query.packet.get(12..).unwrap_or_default();
    let qname = name::wire_len(question).ok().map(|len| tracing::field::display(name::Text(&question[..len])));
    let (size, dropped) = match outcome.result {
        Ok(size) => (size, None),
        Err(cause) => (0, Some(tracing::field::debug(cause))),
    };
    tracing::info!(
        target: "query",
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
