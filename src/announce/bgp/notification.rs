//! Why a session ends: the codes of NOTIFICATION (RFC 4271 4.5 and those after it), their names, and their data.

use super::message::Notification;
use crate::announce::prefix::Family;
use std::fmt;

/// A shutdown message takes one octet for its length (RFC 9003 2).
pub const SHUTDOWN_MESSAGE_OCTETS_MAX: usize = 255;
/// More of a notification's data than this is not shown.
const SHOWN_OCTETS_MAX: usize = 32;

/// An error's code and subcode as IANA's registry of BGP error codes has them; the code is the number's high octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Reason {
    /// RFC 4271 6.1: the marker is not all ones.
    ConnectionNotSynchronized = 0x0101,
    /// RFC 4271 6.1; data: the length field.
    BadMessageLength = 0x0102,
    /// RFC 4271 6.1; data: the type field.
    BadMessageType = 0x0103,
    /// RFC 4271 6.2: an optional parameter or a capability is malformed.
    OpenUnspecific = 0x0200,
    /// RFC 4271 6.2; data: the version that we speak, two octets.
    UnsupportedVersion = 0x0201,
    /// RFC 4271 6.2, RFC 7607: not the configured AS, or zero.
    BadPeerAs = 0x0202,
    /// RFC 6286 2.2: zero, or an internal peer's that is our own.
    BadBgpIdentifier = 0x0203,
    /// RFC 4271 6.2.
    UnsupportedOptionalParameter = 0x0204,
    /// RFC 1771; deprecated.
    AuthenticationFailure = 0x0205,
    /// RFC 4271 6.2: one or two seconds, or less than we would accept.
    UnacceptableHoldTime = 0x0206,
    /// RFC 5492 3; data: the capabilities that are missing.
    UnsupportedCapability = 0x0207,
    /// RFC 9234 4.2.
    RoleMismatch = 0x020b,
    /// RFC 4271 6.3; also where RFC 7606 3 leaves only the session's end.
    MalformedAttributeList = 0x0301,
    /// RFC 4271 6.3; data: the attribute.
    UnrecognizedWellKnownAttribute = 0x0302,
    /// RFC 4271 6.3; data: the attribute's type.
    MissingWellKnownAttribute = 0x0303,
    /// RFC 4271 6.3; data: the attribute.
    AttributeFlags = 0x0304,
    /// RFC 4271 6.3; data: the attribute.
    AttributeLength = 0x0305,
    /// RFC 4271 6.3; data: the attribute.
    InvalidOrigin = 0x0306,
    /// RFC 1771; deprecated.
    AsRoutingLoop = 0x0307,
    /// RFC 4271 6.3; data: the attribute.
    InvalidNextHop = 0x0308,
    /// RFC 4271 6.3; data: the attribute.
    OptionalAttribute = 0x0309,
    /// RFC 4271 6.3: a prefix is too long or cut off.
    InvalidNetworkField = 0x030a,
    /// RFC 4271 6.3.
    MalformedAsPath = 0x030b,
    /// RFC 4271 6.5.
    HoldTimerExpired = 0x0400,
    /// RFC 4271 6.6.
    FiniteStateMachine = 0x0500,
    /// RFC 6608 4: not one for OpenSent.
    UnexpectedInOpenSent = 0x0501,
    /// RFC 6608 4: not one for OpenConfirm.
    UnexpectedInOpenConfirm = 0x0502,
    /// RFC 6608 4: not one for Established.
    UnexpectedInEstablished = 0x0503,
    /// RFC 4271 6.7.
    Cease = 0x0600,
    /// RFC 4486 4; data: [`Notification::too_many_prefixes`].
    MaximumPrefixes = 0x0601,
    /// RFC 4486 4; data: a shutdown message (RFC 9003).
    AdministrativeShutdown = 0x0602,
    /// RFC 4486 4.
    PeerDeconfigured = 0x0603,
    /// RFC 4486 4; data: a shutdown message (RFC 9003).
    AdministrativeReset = 0x0604,
    /// RFC 4486 4.
    ConnectionRejected = 0x0605,
    /// RFC 4486 4.
    OtherConfigurationChange = 0x0606,
    /// RFC 4486 4, RFC 4271 6.8.
    ConnectionCollisionResolution = 0x0607,
    /// RFC 4486 4.
    OutOfResources = 0x0608,
    /// RFC 8538 3; data: the code, subcode and data of what it stands for.
    HardReset = 0x0609,
    /// RFC 9384 3.
    BfdDown = 0x060a,
    /// RFC 7313 5: a ROUTE-REFRESH of wrong length; data: the message.
    InvalidRefreshLength = 0x0701,
    /// RFC 9687 3.3.
    SendHoldTimerExpired = 0x0800,
}

/// The names of the codes (IANA, BGP Error (Notification) Codes).
const CODES: [(u8, &str); 8] = [
    (1, "message header error"),
    (2, "OPEN message error"),
    (3, "UPDATE message error"),
    (4, "hold timer expired"),
    (5, "finite state machine error"),
    (6, "Cease"),
    (7, "ROUTE-REFRESH message error"),
    (8, "send hold timer expired"),
];

/// The names of the subcodes; empty where the code alone says it.
const SUBCODES: [(Reason, &str); 41] = [
    (Reason::ConnectionNotSynchronized, "connection not synchronized"),
    (Reason::BadMessageLength, "bad message length"),
    (Reason::BadMessageType, "bad message type"),
    (Reason::OpenUnspecific, "malformed"),
    (Reason::UnsupportedVersion, "unsupported version number"),
    (Reason::BadPeerAs, "bad peer AS"),
    (Reason::BadBgpIdentifier, "bad BGP identifier"),
    (Reason::UnsupportedOptionalParameter, "unsupported optional parameter"),
    (Reason::AuthenticationFailure, "authentication failure"),
    (Reason::UnacceptableHoldTime, "unacceptable hold time"),
    (Reason::UnsupportedCapability, "unsupported capability"),
    (Reason::RoleMismatch, "role mismatch"),
    (Reason::MalformedAttributeList, "malformed attribute list"),
    (Reason::UnrecognizedWellKnownAttribute, "unrecognized well-known attribute"),
    (Reason::MissingWellKnownAttribute, "missing well-known attribute"),
    (Reason::AttributeFlags, "attribute flags error"),
    (Reason::AttributeLength, "attribute length error"),
    (Reason::InvalidOrigin, "invalid ORIGIN"),
    (Reason::AsRoutingLoop, "AS routing loop"),
    (Reason::InvalidNextHop, "invalid NEXT_HOP"),
    (Reason::OptionalAttribute, "optional attribute error"),
    (Reason::InvalidNetworkField, "invalid network field"),
    (Reason::MalformedAsPath, "malformed AS_PATH"),
    (Reason::HoldTimerExpired, ""),
    (Reason::FiniteStateMachine, ""),
    (Reason::UnexpectedInOpenSent, "unexpected message in OpenSent"),
    (Reason::UnexpectedInOpenConfirm, "unexpected message in OpenConfirm"),
    (Reason::UnexpectedInEstablished, "unexpected message in Established"),
    (Reason::Cease, ""),
    (Reason::MaximumPrefixes, "maximum number of prefixes reached"),
    (Reason::AdministrativeShutdown, "administrative shutdown"),
    (Reason::PeerDeconfigured, "peer de-configured"),
    (Reason::AdministrativeReset, "administrative reset"),
    (Reason::ConnectionRejected, "connection rejected"),
    (Reason::OtherConfigurationChange, "other configuration change"),
    (Reason::ConnectionCollisionResolution, "connection collision resolution"),
    (Reason::OutOfResources, "out of resources"),
    (Reason::HardReset, "hard reset"),
    (Reason::BfdDown, "BFD down"),
    (Reason::InvalidRefreshLength, "invalid message length"),
    (Reason::SendHoldTimerExpired, ""),
];

impl Reason {
    /// The code: which message or timer.
    pub fn code(self) -> u8 {
        (self as u16 >> 8) as u8
    }

    /// The subcode: what about it.
    pub fn subcode(self) -> u8 {
        self as u16 as u8
    }

    /// The reason of a code and subcode, if they are assigned.
    pub fn of(code: u8, subcode: u8) -> Option<Reason> {
        SUBCODES.iter().map(|(reason, _)| *reason).find(|reason| (reason.code(), reason.subcode()) == (code, subcode))
    }
}

/// The code's name, and the subcode's behind a colon: `Cease: administrative shutdown`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(f, self.code(), self.subcode())
    }
}

fn write_names(f: &mut fmt::Formatter<'_>, code: u8, subcode: u8) -> fmt::Result {
    match CODES.iter().find(|(known, _)| *known == code) {
        Some((_, name)) => f.write_str(name)?,
        None => write!(f, "code {code}")?,
    }
    let name = Reason::of(code, subcode)
        .and_then(|reason| SUBCODES.iter().find(|(known, _)| *known == reason))
        .map(|(_, name)| *name);
    match name {
        Some("") => Ok(()),
        Some(name) => write!(f, ": {name}"),
        None if subcode == 0 => Ok(()),
        None => write!(f, ": subcode {subcode}"),
    }
}

impl Notification {
    /// A notification that says why, with the data that [`Reason`] asks for.
    pub fn new(reason: Reason, data: impl Into<Vec<u8>>) -> Notification {
        Notification { code: reason.code(), subcode: reason.subcode(), data: data.into() }
    }

    /// Cease with a shutdown message for the peer's operator (RFC 9003). `reason` is [`Reason::AdministrativeShutdown`]
    /// or [`Reason::AdministrativeReset`]; under any other there is no room for a message, and it is left out. A
    /// message of more than [`SHUTDOWN_MESSAGE_OCTETS_MAX`] octets is cut between two characters.
    pub fn cease(reason: Reason, message: &str) -> Notification {
        let mut data = Vec::new();
        if takes_message(reason) && !message.is_empty() {
            let fits = |(at, char): &(usize, char)| at + char.len_utf8() <= SHUTDOWN_MESSAGE_OCTETS_MAX;
            let message: String = message.char_indices().take_while(fits).map(|(_, char)| char).collect();
            data.push(message.len() as u8);
            data.extend_from_slice(message.as_bytes());
        }
        Notification::new(reason, data)
    }

    /// Cease since the peer sent more than `limit` routes of a family (RFC 4486 4: AFI, SAFI, the limit).
    pub fn too_many_prefixes(family: Family, limit: u32) -> Notification {
        let mut data = family.afi().to_be_bytes().to_vec();
        data.push(family.safi());
        data.extend_from_slice(&limit.to_be_bytes());
        Notification::new(Reason::MaximumPrefixes, data)
    }

    /// What it says, if its code and subcode are assigned.
    pub fn reason(&self) -> Option<Reason> {
        Reason::of(self.code, self.subcode)
    }

    /// The shutdown message in it (RFC 9003), as the peer wrote it: not fit for a terminal or log before its control
    /// characters are escaped, as [`Notification`]'s `Display` does. `None` if there is none or it is no UTF-8.
    pub fn shutdown_message(&self) -> Option<&str> {
        let (length, rest) = self.data.split_first()?;
        let message = rest.get(..usize::from(*length)).filter(|message| !message.is_empty())?;
        self.reason().filter(|reason| takes_message(*reason)).and(std::str::from_utf8(message).ok())
    }
}

fn takes_message(reason: Reason) -> bool {
    matches!(reason, Reason::AdministrativeShutdown | Reason::AdministrativeReset)
}

/// For people: names, then the shutdown message or the data's first octets. One line, whatever the peer wrote.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(f, self.code, self.subcode)?;
        if let Some(message) = self.shutdown_message() {
            return write!(f, ": {message:?}");
        }
        if !self.data.is_empty() {
            f.write_str(" (")?;
            for octet in self.data.iter().take(SHOWN_OCTETS_MAX) {
                write!(f, "{octet:02x}")?;
            }
            f.write_str(if self.data.len() > SHOWN_OCTETS_MAX { "...)" } else { ")" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: u8, subcode: u8, data: &[u8], text: &str) {
        assert_eq!(Notification { code, subcode, data: data.to_vec() }.to_string(), text);
    }

    #[test]
    fn every_code_has_its_name() {
        check(1, 2, &[0, 18], "message header error: bad message length (0012)");
        check(2, 0, &[], "OPEN message error: malformed");
        check(2, 7, &[], "OPEN message error: unsupported capability"); // RFC 5492
        check(2, 11, &[], "OPEN message error: role mismatch"); // RFC 9234
        check(3, 11, &[], "UPDATE message error: malformed AS_PATH");
        check(4, 0, &[], "hold timer expired");
        check(5, 0, &[], "finite state machine error");
        check(5, 3, &[], "finite state machine error: unexpected message in Established"); // RFC 6608
        check(6, 0, &[], "Cease");
        check(6, 9, &[], "Cease: hard reset"); // RFC 8538
        check(6, 10, &[], "Cease: BFD down"); // RFC 9384
        check(7, 1, &[], "ROUTE-REFRESH message error: invalid message length"); // RFC 7313
        check(8, 0, &[], "send hold timer expired"); // RFC 9687
        // Not assigned: the numbers.
        check(6, 42, &[], "Cease: subcode 42");
        check(4, 1, &[], "hold timer expired: subcode 1");
        check(99, 7, &[1], "code 99: subcode 7 (01)");
        check(
            1,
            1,
            &[0xab; 40],
            &format!("message header error: connection not synchronized ({}...)", "ab".repeat(32)),
        );
    }

    #[test]
    fn reasons_and_numbers_are_one_to_one() {
        for (reason, _) in SUBCODES {
            assert_eq!(Reason::of(reason.code(), reason.subcode()), Some(reason));
            assert_eq!(Notification::new(reason, []).reason(), Some(reason));
        }
        assert_eq!((Reason::BfdDown.code(), Reason::BfdDown.subcode()), (6, 10));
        assert_eq!((Reason::SendHoldTimerExpired.code(), Reason::SendHoldTimerExpired.subcode()), (8, 0));
        assert_eq!(Reason::of(2, 5), Some(Reason::AuthenticationFailure));
        assert_eq!(Reason::of(0, 0), None);
    }

    #[test]
    fn shutdown_messages_are_bounded_and_whole() {
        // RFC 9003 2: an octet of length, at most 255 of UTF-8; a character is not cut.
        let cease = Notification::cease(Reason::AdministrativeShutdown, &"ä".repeat(200));
        assert_eq!((cease.data[0], cease.data.len()), (254, 255));
        assert_eq!(cease.shutdown_message(), Some("ä".repeat(127).as_str()));
        let longest = "x".repeat(255);
        let cease = Notification::cease(Reason::AdministrativeReset, &longest);
        assert_eq!(cease.shutdown_message(), Some(longest.as_str()));
        assert!(Notification::cease(Reason::AdministrativeShutdown, "").data.is_empty());
        assert!(Notification::cease(Reason::BfdDown, "no room").data.is_empty());
    }

    #[test]
    fn what_a_peer_writes_stays_on_one_line() {
        check(6, 2, b"\x07up\n\x1b[2J", "Cease: administrative shutdown: \"up\\n\\u{1b}[2J\"");
        // RFC 9003 2: neither a length beyond the end nor what is no UTF-8 is a message.
        check(6, 2, b"\x09up", "Cease: administrative shutdown (097570)");
        check(6, 4, &[1, 0xff], "Cease: administrative reset (01ff)");
        check(6, 3, b"\x02up", "Cease: peer de-configured (027570)");
    }

    #[test]
    fn a_limit_of_prefixes_says_of_what() {
        // RFC 4486 4: AFI, SAFI, upper bound.
        let cease = Notification::too_many_prefixes(Family::Ipv6, 1000);
        assert_eq!((cease.code, cease.subcode), (6, 1));
        assert_eq!(cease.data, [0, 2, 1, 0, 0, 3, 0xe8]);
    }
}
