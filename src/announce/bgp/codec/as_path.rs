//! AS_PATH and AS4_PATH (RFC 4271 4.3, RFC 6793 4.2).

use super::AS_TRANS;
use super::read::Octets;

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFEDERATION_SEQUENCE: u8 = 3;
const CONFEDERATION_SET: u8 = 4;
/// AS numbers in one segment: their count has one octet.
const SEGMENT_ASNS_MAX: usize = 255;

/// A run of AS numbers: of one type, as long as its count says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    kind: u8,
    asns: Vec<u32>,
}

/// A path as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Segment>);

/// Reads a path whose AS numbers have four octets, or two. `None` if it is malformed as RFC 7606 7.2 has it: a segment
/// of unknown type, or empty, or longer than the attribute; or with AS 0 in it (RFC 7607 2).
pub(super) fn decode(mut octets: Octets, four_octet_asns: bool) -> Option<Path> {
    let mut segments = Vec::new();
    while !octets.is_empty() {
        let kind = octets.u8().filter(|kind| (SET..=CONFEDERATION_SET).contains(kind))?;
        let count = octets.u8().filter(|count| *count != 0)?;
        let mut asns = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let asn = if four_octet_asns { octets.u32() } else { octets.u16().map(u32::from) };
            asns.push(asn.filter(|asn| *asn != 0)?);
        }
        segments.push(Segment { kind, asns });
    }
    Some(Path(segments))
}

impl Segment {
    /// How much longer it makes a path: a set counts as one (RFC 4271 9.1.2.2), a confederation's segments not at all
    /// (RFC 5065 5.3).
    fn length(&self) -> usize {
        match self.kind {
            SEQUENCE => self.asns.len(),
            SET => 1,
            _ => 0,
        }
    }
}

impl Path {
    /// Whether it has segments that are a confederation's own affair (RFC 5065 3).
    pub(super) fn has_confederation_segments(&self) -> bool {
        self.0.iter().any(|segment| matches!(segment.kind, CONFEDERATION_SEQUENCE | CONFEDERATION_SET))
    }

    fn length(&self) -> usize {
        self.0.iter().map(Segment::length).sum()
    }

    /// The path that a peer with AS numbers of two octets meant: what AS4_PATH knows, behind what speakers that do not
    /// know it put before (RFC 6793 4.2.3).
    pub(super) fn merged(self, as4_path: Path) -> Path {
        let Some(mut leading) = self.length().checked_sub(as4_path.length()) else {
            return self; // The longer AS4_PATH is ignored.
        };
        let mut merged = Vec::new();
        for mut segment in self.0 {
            if leading == 0 {
                break;
            }
            if segment.kind == SEQUENCE {
                segment.asns.truncate(leading);
            }
            leading -= segment.length();
            merged.push(segment);
        }
        // RFC 6793 3: a confederation's segments have no place in AS4_PATH, and are dropped.
        merged.extend(as4_path.0.into_iter().filter(|segment| matches!(segment.kind, SET | SEQUENCE)));
        Path(merged)
    }

    /// All AS numbers of its sequences and sets, nearest first; a confederation's are not among them.
    pub(super) fn flattened(self) -> Vec<u32> {
        let public = self.0.into_iter().filter(|segment| matches!(segment.kind, SET | SEQUENCE));
        public.flat_map(|segment| segment.asns).collect()
    }
}

/// A path of sequences with AS numbers of four octets: AS_PATH's value, or AS4_PATH's.
pub(super) fn encode(asns: &[u32]) -> Vec<u8> {
    encode_with(asns, |asn, value| value.extend_from_slice(&asn.to_be_bytes()))
}

/// The same with two octets each: AS_TRANS where they are not enough (RFC 6793 4.2.2).
pub(super) fn encode_short(asns: &[u32]) -> Vec<u8> {
    encode_with(asns, |asn, value| {
        value.extend_from_slice(&u16::try_from(asn).unwrap_or(AS_TRANS).to_be_bytes());
    })
}

fn encode_with(asns: &[u32], write: fn(u32, &mut Vec<u8>)) -> Vec<u8> {
    let mut value = Vec::new();
    for segment in asns.chunks(SEGMENT_ASNS_MAX) {
        value.extend_from_slice(&[SEQUENCE, segment.len() as u8]);
        segment.iter().for_each(|asn| write(*asn, &mut value));
    }
    value
}
