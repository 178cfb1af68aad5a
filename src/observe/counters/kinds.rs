//! What is told apart: query types and response codes by slots, families, and the causes of drops and closings.

use crate::answer::Drop;
use crate::wire::code::{rcode, rtype};
use std::net::IpAddr;

/// Query types with a figure of their own; the rest are counted together. 0 is that of an unreadable question.
pub(super) const QTYPES: [u16; 49] = [
    0,
    rtype::A,
    rtype::NS,
    rtype::CNAME,
    rtype::SOA,
    rtype::PTR,
    rtype::HINFO,
    rtype::MX,
    rtype::TXT,
    rtype::RP,
    rtype::AFSDB,
    rtype::SIG,
    rtype::KEY,
    rtype::AAAA,
    rtype::LOC,
    rtype::SRV,
    rtype::NAPTR,
    rtype::KX,
    rtype::CERT,
    rtype::DNAME,
    rtype::APL,
    rtype::DS,
    rtype::SSHFP,
    rtype::IPSECKEY,
    rtype::RRSIG,
    rtype::NSEC,
    rtype::DNSKEY,
    rtype::DHCID,
    rtype::NSEC3,
    rtype::NSEC3PARAM,
    rtype::TLSA,
    rtype::SMIMEA,
    rtype::HIP,
    rtype::CDS,
    rtype::CDNSKEY,
    rtype::OPENPGPKEY,
    rtype::CSYNC,
    rtype::ZONEMD,
    rtype::SVCB,
    rtype::HTTPS,
    rtype::SPF,
    rtype::EUI48,
    rtype::TKEY,
    rtype::TSIG,
    rtype::IXFR,
    rtype::AXFR,
    rtype::ANY,
    rtype::URI,
    rtype::CAA,
];
pub(super) const QTYPE_SLOTS: usize = QTYPES.len() + 1;

/// Response codes with a figure of their own: those that this server sends.
pub(super) const RCODES: [u16; 10] = [
    rcode::NOERROR,
    rcode::FORMERR,
    rcode::SERVFAIL,
    rcode::NXDOMAIN,
    rcode::NOTIMP,
    rcode::REFUSED,
    rcode::YXDOMAIN,
    rcode::NOTAUTH,
    rcode::BADVERS,
    rcode::BADCOOKIE,
];
pub(super) const RCODE_SLOTS: usize = RCODES.len() + 1;

/// Slot by value, for the values under the table's length; those above have the last slot.
const fn slots<const N: usize>(values: &[u16]) -> [u8; N] {
    let mut table = [values.len() as u8; N];
    let mut slot = 0;
    while slot < values.len() {
        table[values[slot] as usize] = slot as u8;
        slot += 1;
    }
    table
}
static QTYPE_SLOT: [u8; 258] = slots(&QTYPES);
static RCODE_SLOT: [u8; 24] = slots(&RCODES);

fn slot(table: &[u8], value: u16, other: usize) -> usize {
    table.get(usize::from(value)).map_or(other, |slot| usize::from(*slot))
}

/// Where a query type is counted: its own slot, or the last.
#[inline]
pub(super) fn qtype_slot(qtype: u16) -> usize {
    slot(&QTYPE_SLOT, qtype, QTYPES.len())
}

/// Where a response code is counted: its own slot, or the last.
#[inline]
pub(super) fn rcode_slot(rcode: u16) -> usize {
    slot(&RCODE_SLOT, rcode, RCODES.len())
}

/// The address family that a client came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order of their figures.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// Why a message got no response, or its response did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// Under 12 octets.
    Short,
    /// It was a response.
    Response,
    /// UDP source port 0.
    PortZero,
    /// The kernel dropped it before we saw it: the receive buffer was full (`SO_RXQ_OVFL`).
    KernelOverflow,
    /// The kernel did not take our response.
    SendFailed,
}

impl DropCause {
    /// All, in the order of their figures.
    pub const ALL: [DropCause; 5] =
        [DropCause::Short, DropCause::Response, DropCause::PortZero, DropCause::KernelOverflow, DropCause::SendFailed];
}

impl From<Drop> for DropCause {
    fn from(drop: Drop) -> DropCause {
        match drop {
            Drop::Short => DropCause::Short,
            Drop::Response => DropCause::Response,
            Drop::PortZero => DropCause::PortZero,
        }
    }
}

/// Why a TCP connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closed {
    /// The client closed it.
    ByClient,
    /// No query for the idle timeout.
    Idle,
    /// A message that had begun did not come whole in time.
    ReadTimeout,
    /// The client did not take its answers in time.
    WriteTimeout,
    /// Closed in favour of a newer connection of the same client.
    EvictedByClient,
    /// Closed in favour of a newer connection of anybody.
    EvictedByTotal,
    /// It sent something that gets no response.
    BadMessage,
    /// The kernel reported an error, a reset by the client among them.
    Error,
    /// The server stopped.
    Stopped,
}

impl Closed {
    /// All, in the order of their figures.
    pub const ALL: [Closed; 9] = [
        Closed::ByClient,
        Closed::Idle,
        Closed::ReadTimeout,
        Closed::WriteTimeout,
        Closed::EvictedByClient,
        Closed::EvictedByTotal,
        Closed::BadMessage,
        Closed::Error,
        Closed::Stopped,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_the_slot_of_its_own_or_the_last() {
        for (i, qtype) in QTYPES.iter().enumerate() {
            assert_eq!(qtype_slot(*qtype), i, "{}", rtype::text(*qtype));
        }
        for (i, rcode) in RCODES.iter().enumerate() {
            assert_eq!(rcode_slot(*rcode), i, "{}", rcode::text(*rcode));
        }
        for other in [rtype::MD, rtype::OPT, 258, 65535] {
            assert_eq!(qtype_slot(other), QTYPES.len());
        }
        assert_eq!(rcode_slot(4095), RCODES.len());
    }
}
