//! The control packet (RFC 5880 4.1): 24 octets, as there is no authentication section.
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//!  |                       My Discriminator                        |
//!  |                      Your Discriminator                       |
//!  |                    Desired Min TX Interval                    |
//!  |                   Required Min RX Interval                    |
//!  |                 Required Min Echo RX Interval                 |
//! ```
//!
//! [`Packet::decode`] has those rules of reception (6.8.6) that need no session, in the RFC's order.

use std::fmt;

/// Octets of a control packet without authentication.
pub const LEN: usize = 24;
/// Least octets of one with authentication (6.8.6).
const LEN_AUTHENTICATED_MIN: u8 = 26;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session, as its own end sees it (4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Switched off by the operator.
    AdminDown = 0,
    /// Nothing is heard, or the peer does not hear us.
    Down = 1,
    /// The peer is heard, and does not know it yet.
    Init = 2,
    /// Both hear each other.
    Up = 3,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::AdminDown => "admin-down",
            State::Down => "down",
            State::Init => "init",
            State::Up => "up",
        })
    }
}

/// Why a session last changed to another state (4.1): five bits, of which nine values have a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// No diagnostic.
    pub const NONE: Diagnostic = Diagnostic(0);
    /// Nothing was received for the detection time.
    pub const DETECTION_TIME_EXPIRED: Diagnostic = Diagnostic(1);
    /// The peer said that it is down.
    pub const NEIGHBOR_SIGNALED_DOWN: Diagnostic = Diagnostic(3);
    /// The operator switched the session off.
    pub const ADMINISTRATIVELY_DOWN: Diagnostic = Diagnostic(7);

    /// The number on the wire: 0 to 31.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "no diagnostic",
            1 => "control detection time expired",
            2 => "echo function failed",
            3 => "neighbor signaled session down",
            4 => "forwarding plane reset",
            5 => "path down",
            6 => "concatenated path down",
            7 => "administratively down",
            8 => "reverse concatenated path down",
            code => return write!(f, "diagnostic {code}"),
        })
    }
}

/// A control packet. Intervals are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender last changed its state.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// P: an answer with F is wanted.
    pub poll: bool,
    /// F: the answer to P.
    pub is_final: bool,
    /// C: the sender's BFD outlives its control plane.
    pub control_plane_independent: bool,
    /// D: the sender is in Demand mode.
    pub demand: bool,
    /// Packets that may get lost in a row before the sender counts as gone, and one; not zero.
    pub detect_mult: u8,
    /// The sender's name for the session; not zero.
    pub my_discriminator: u32,
    /// The receiver's name for it; zero if the sender does not know it yet.
    pub your_discriminator: u32,
    /// The sender would like to send no faster than this.
    pub desired_min_tx_us: u32,
    /// The sender can receive no faster than this; zero: it wants no periodic packets.
    pub required_min_rx_us: u32,
    /// The same for Echo packets; zero: it takes none.
    pub required_min_echo_rx_us: u32,
}

/// Why a received packet was discarded: rules of 6.8.6 in their order, after those of the TTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Discard {
    /// The TTL or hop limit is too low (RFC 5881 5; for multihop as set).
    #[error("TTL too low")]
    Ttl,
    /// Not version 1.
    #[error("version is not 1")]
    Version,
    /// Shorter than a packet of its kind, by its length field or in fact.
    #[error("too short")]
    Short,
    /// The length field says more than was received.
    #[error("length field exceeds the datagram")]
    Length,
    /// Detect Mult is zero.
    #[error("detection multiplier is zero")]
    DetectMult,
    /// M is set.
    #[error("multipoint")]
    Multipoint,
    /// My Discriminator is zero.
    #[error("my discriminator is zero")]
    MyDiscriminator,
    /// Your Discriminator is not that of the session.
    #[error("your discriminator is unknown")]
    YourDiscriminator,
    /// Your Discriminator is zero, in a state that cannot be reached without knowing it.
    #[error("your discriminator is zero though the state is neither down nor admin-down")]
    State,
    /// A is set, and no authentication is in use.
    #[error("authenticated, and authentication is not in use")]
    Authentication,
    /// The session is switched off.
    #[error("session is administratively down")]
    AdminDown,
}

impl Discard {
    /// All causes, in the order in which they are looked for.
    pub const ALL: [Discard; 11] = [
        Discard::Ttl,
        Discard::Version,
        Discard::Short,
        Discard::Length,
        Discard::DetectMult,
        Discard::Multipoint,
        Discard::MyDiscriminator,
        Discard::YourDiscriminator,
        Discard::State,
        Discard::Authentication,
        Discard::AdminDown,
    ];

    /// A short name for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Discard::Ttl => "ttl",
            Discard::Version => "version",
            Discard::Short => "short",
            Discard::Length => "length",
            Discard::DetectMult => "detect-mult",
            Discard::Multipoint => "multipoint",
            Discard::MyDiscriminator => "my-discriminator",
            Discard::YourDiscriminator => "your-discriminator",
            Discard::State => "state",
            Discard::Authentication => "authentication",
            Discard::AdminDown => "admin-down",
        }
    }
}

/// Your Discriminator of a datagram that may be a control packet: which session it is for. `None` where it is zero (then the
/// addresses say which) or the datagram is too short (then any session will do, to count it).
pub fn your_discriminator(octets: &[u8]) -> Option<u32> {
    let discriminator = octets.get(8..12)?.try_into().ok().map(u32::from_be_bytes)?;
    (discriminator != 0).then_some(discriminator)
}

impl Packet {
    /// Reads a datagram. What follows the packet in it is ignored. A session that is known to be meant has its discriminator
    /// in `local`: a packet for another is discarded.
    pub fn decode(octets: &[u8], local: u32) -> Result<Packet, Discard> {
        let &[first, flags, detect_mult, length, ..] = octets else { return Err(Discard::Short) };
        if first >> 5 != VERSION {
            return Err(Discard::Version);
        }
        let authenticated = flags & AUTHENTICATION != 0;
        let length_min = if authenticated { LEN_AUTHENTICATED_MIN } else { LEN as u8 };
        if length < length_min {
            return Err(Discard::Short);
        }
        let Some(octets) = octets.get(..usize::from(length)).and_then(|octets| octets.first_chunk::<LEN>()) else {
            return Err(Discard::Length);
        };
        if detect_mult == 0 {
            return Err(Discard::DetectMult);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let word = |at: usize| u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        let packet = Packet {
            diagnostic: Diagnostic(first & 0x1f),
            state: match flags >> 6 {
                0 => State::AdminDown,
                1 => State::Down,
                2 => State::Init,
                _ => State::Up,
            },
            poll: flags & POLL != 0,
            is_final: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            detect_mult,
            my_discriminator: word(4),
            your_discriminator: word(8),
            desired_min_tx_us: word(12),
            required_min_rx_us: word(16),
            required_min_echo_rx_us: word(20),
        };
        if packet.my_discriminator == 0 {
            return Err(Discard::MyDiscriminator);
        }
        if packet.your_discriminator != 0 && packet.your_discriminator != local {
            return Err(Discard::YourDiscriminator);
        }
        if packet.your_discriminator == 0 && !matches!(packet.state, State::Down | State::AdminDown) {
            return Err(Discard::State);
        }
        if authenticated {
            return Err(Discard::Authentication);
        }
        Ok(packet)
    }

    /// Its octets. A and M are clear.
    pub fn encode(&self) -> [u8; LEN] {
        let mut octets = [0; LEN];
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        octets[0] = VERSION << 5 | self.diagnostic.0;
        octets[1] = (self.state as u8) << 6
            | flag(self.poll, POLL)
            | flag(self.is_final, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        octets[2] = self.detect_mult;
        octets[3] = LEN as u8;
        let words = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        for (place, word) in octets[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOCAL: u32 = 0x0a0b_0c0d;

    /// A packet field by field, as 4.1 lays it out.
    const OCTETS: [u8; LEN] = [
        0x23, // version 1, diagnostic 3
        0xea, // Up, P, C, D
        3, 24, //
        0x11, 0x22, 0x33, 0x44, // My Discriminator
        0x0a, 0x0b, 0x0c, 0x0d, // Your Discriminator
        0x00, 0x01, 0x86, 0xa0, // 100,000 us
        0x00, 0x0f, 0x42, 0x40, // 1,000,000 us
        0x00, 0x00, 0x00, 0x07, // 7 us
    ];

    #[test]
    fn section_4_1_each_field_has_its_place() {
        let packet = Packet {
            diagnostic: Diagnostic::NEIGHBOR_SIGNALED_DOWN,
            state: State::Up,
            poll: true,
            is_final: false,
            control_plane_independent: true,
            demand: true,
            detect_mult: 3,
            my_discriminator: 0x1122_3344,
            your_discriminator: LOCAL,
            desired_min_tx_us: 100_000,
            required_min_rx_us: 1_000_000,
            required_min_echo_rx_us: 7,
        };
        assert_eq!(Packet::decode(&OCTETS, LOCAL), Ok(packet));
        assert_eq!(packet.encode(), OCTETS);
        assert_eq!(your_discriminator(&OCTETS), Some(LOCAL));
        let is_final = Packet { poll: false, is_final: true, ..packet };
        assert_eq!(is_final.encode()[1], 0xda);
        for (bits, state) in [(0, State::AdminDown), (1, State::Down), (2, State::Init), (3, State::Up)] {
            assert_eq!(Packet { state, ..packet }.encode()[1] >> 6, bits);
        }
    }

    /// [`OCTETS`] with some of them replaced.
    fn decode_with(changes: &[(usize, u8)]) -> Result<Packet, Discard> {
        let mut octets = OCTETS;
        for &(at, value) in changes {
            octets[at] = value;
        }
        Packet::decode(&octets, LOCAL)
    }

    #[test]
    fn section_6_8_6_the_version_must_be_1() {
        for version in [0, 2, 7] {
            assert_eq!(decode_with(&[(0, version << 5)]), Err(Discard::Version));
        }
    }

    #[test]
    fn section_6_8_6_the_length_is_at_least_24_or_26_with_authentication() {
        assert_eq!(decode_with(&[(3, 23)]), Err(Discard::Short));
        assert_eq!(decode_with(&[(1, 0xee), (3, 25)]), Err(Discard::Short));
        for len in 0..4 {
            assert_eq!(Packet::decode(&OCTETS[..len], LOCAL), Err(Discard::Short));
        }
    }

    #[test]
    fn section_6_8_6_the_length_is_at_most_that_of_the_datagram() {
        assert_eq!(decode_with(&[(3, 25)]), Err(Discard::Length));
        for len in 4..LEN {
            assert_eq!(Packet::decode(&OCTETS[..len], LOCAL), Err(Discard::Length));
        }
        let mut longer = OCTETS.to_vec();
        longer.extend([0xff; 8]);
        assert_eq!(Packet::decode(&longer, LOCAL), decode_with(&[]));
        longer[3] = 32;
        assert_eq!(Packet::decode(&longer, LOCAL), decode_with(&[]));
    }

    #[test]
    fn section_6_8_6_detect_mult_must_not_be_zero() {
        assert_eq!(decode_with(&[(2, 0)]), Err(Discard::DetectMult));
    }

    #[test]
    fn section_6_8_6_the_multipoint_bit_must_be_zero() {
        assert_eq!(decode_with(&[(1, 0xeb)]), Err(Discard::Multipoint));
    }

    #[test]
    fn section_6_8_6_my_discriminator_must_not_be_zero() {
        assert_eq!(decode_with(&[(4, 0), (5, 0), (6, 0), (7, 0)]), Err(Discard::MyDiscriminator));
    }

    #[test]
    fn section_6_8_6_your_discriminator_must_be_known_or_zero() {
        assert_eq!(decode_with(&[(8, 1)]), Err(Discard::YourDiscriminator));
        let zero = [(8, 0), (9, 0), (10, 0), (11, 0)];
        for (flags, accepted) in [(0x00, true), (0x40, true), (0x80, false), (0xc0, false)] {
            let mut changes = zero.to_vec();
            changes.push((1, flags));
            let decoded = decode_with(&changes);
            assert_eq!(decoded.is_ok(), accepted, "{decoded:?}");
            assert!(accepted || decoded == Err(Discard::State));
        }
    }

    #[test]
    fn section_6_8_6_authentication_that_is_not_in_use_is_discarded() {
        let mut octets = OCTETS.to_vec();
        octets.extend([1, 2]);
        (octets[1], octets[3]) = (0xee, 26);
        assert_eq!(Packet::decode(&octets, LOCAL), Err(Discard::Authentication));
    }

    #[test]
    fn causes_are_listed_once_and_in_order() {
        assert!(Discard::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].label() != pair[1].label()));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(mut octets: [u8; LEN]) {
            // Version, length, and neither A nor M: what is left is nearly always a packet.
            (octets[0], octets[1], octets[3]) = (0x20 | octets[0] & 0x1f, octets[1] & 0xfa, 24);
            let packet = Packet::decode(&octets, your_discriminator(&octets).unwrap_or(0));
            prop_assume!(packet.is_ok());
            prop_assert_eq!(packet.unwrap().encode(), octets);
        }

        #[test]
        fn no_octets_panic(octets: Vec<u8>, local: u32) {
            let _ = Packet::decode(&octets, local);
        }
    }
}
