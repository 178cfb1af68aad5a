//! The same zone under another serial: for releases whose serials are written by who publishes.

use super::bytes::Bytes;
use super::node::Ref;
use super::root::Head;
use super::{Damaged, Image, ImageError, Rrset};
use crate::wire::code::rtype::{SOA, ZONEMD};
use crate::zone::layout::{DIGEST, header};

/// Octets of the numbers that end a SOA record; the serial is the first of them (RFC 1035 section 3.3.13).
const SOA_NUMBERS: usize = 20;

impl Image {
    /// Whether something in the zone proves its serial, so that with another one it would be bogus: signatures of the SOA record, or
    /// a digest of the whole zone, which names the serial, too (RFC 8976 section 2.2.1).
    pub fn has_sealed_serial(&self) -> Result<bool, Damaged> {
        let apex = self.apex_node()?;
        let soa = apex.rrset(SOA)?.ok_or(Damaged)?;
        Ok(soa.is_signed() || apex.rrset(ZONEMD)?.is_some())
    }

    /// The image that these records have with this serial, byte for byte what the compiler makes of them. Shares the segments: the
    /// SOA record lies in the root.
    pub fn with_serial(&self, serial: u32) -> Result<Image, ImageError> {
        let at = self.serial_at()?;
        let mut root = self.root().to_vec();
        root[header::SERIAL..][..4].copy_from_slice(&serial.to_le_bytes());
        root[at..][..4].copy_from_slice(&serial.to_be_bytes());
        let content_len = root.len() - DIGEST;
        let digest = blake3::hash(&root[..content_len]);
        root[content_len..].copy_from_slice(digest.as_bytes());
        Image::build(root, Head { serial, ..self.head }, self.segments.clone())
    }

    /// Where in the root the SOA record's serial lies.
    fn serial_at(&self) -> Result<usize, Damaged> {
        for entry in self.apex_node()?.entries() {
            if let (SOA, Ref::Place(at)) = entry? {
                let soa = Rrset::read(self, Bytes(self.root()), SOA, at)?;
                return soa.rdata_end().checked_sub(SOA_NUMBERS).filter(|at| *at >= header::SIZE).ok_or(Damaged);
            }
        }
        Err(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::compile::{compile, compile_in_segments};
    use crate::zone::dump::to_text;
    use crate::zone::parse::{Options, parse_text};

    const HOSTS: &str = "@ NS ns\nns A 192.0.2.1\n* TXT x\nsub NS ns.sub\nsub NS ns\nns.sub A 192.0.2.2\n$GENERATE 1-400 h$ A 192.0.2.9\n";

    fn images(soa: &str, rest: &str) -> [Image; 2] {
        let apex = "example".parse().unwrap();
        let parsed = parse_text("t", format!("$TTL 60\n@ SOA {soa}\n{rest}"), &apex, &Options::default());
        assert!(!parsed.has_errors());
        [compile, compile_in_segments].map(|compile| compile(&apex, &parsed.records).0.unwrap())
    }

    #[test]
    fn the_compiler_would_have_made_the_same() {
        for names in ["ns h", ". .", "NS.Example. h.Example."] {
            let old = images(&format!("{names} 7 1 1 1 1"), HOSTS);
            for serial in [0, 8, 0x0102_0304, u32::MAX] {
                let new = images(&format!("{names} {serial} 1 1 1 1"), HOSTS);
                for (old, new) in old.iter().zip(&new) {
                    let made = old.with_serial(serial).unwrap();
                    assert_eq!((made.serial(), made.digest()), (serial, new.digest()), "{names}");
                    assert!(made.root() == new.root());
                    assert_eq!(to_text(&made).unwrap(), to_text(new).unwrap());
                    assert_eq!(made.with_serial(7).unwrap().digest(), old.digest());
                }
            }
        }
        assert!(images("ns h 7 1 1 1 1", HOSTS)[1].segments().len() > 0);
    }

    #[test]
    fn what_proves_a_serial_is_found() {
        let rrsig = |covered: &str| {
            format!("@ NS ns\nns A 192.0.2.1\n@ RRSIG {covered} 13 1 60 20300101000000 20200101000000 1 @ AAAA\n")
        };
        let digest = format!("{HOSTS}@ ZONEMD 7 1 1 {}\n", "00".repeat(48));
        for (rest, expected) in [(HOSTS, false), (&rrsig("SOA"), true), (&rrsig("NS"), false), (&digest, true)] {
            for image in images("ns h 7 1 1 1 1", rest) {
                assert_eq!(image.has_sealed_serial(), Ok(expected), "{rest}");
            }
        }
    }
}
