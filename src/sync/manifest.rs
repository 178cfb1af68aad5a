//! A release's manifest: its place in the channel, and the root of its tree of zones.
//!
//! ```text
//! payload     channel (length u8, octets) | key set u32, counter u64 | parent: 0, or 1 and its digest (32) | time u64
//!             | root page's digest (32) | its level u8 | zones u64 | octets of all images u64 | extensions
//! ```
//!
//! One release key of the key set signs it. Its name is the digest of its file. A release that goes back has a new
//! generation and older content; so has a *return release*, which is signed before a wave begins and is not the head
//! ([`super::trial`]).

use super::channel::{Channel, Generation};
use super::codec::{Digest, FormatError, Reader, at_most};
use super::extension::{self, Extension};
use super::page::{LEVELS_MAX, Totals, ZONES_MAX};
use super::signed::{Document, Signed};
use super::tree::Root;

/// Which release: one that a node serves, keeps to start from, or is told of. Ordered by generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Its generation.
    pub generation: Generation,
    /// Its manifest's name.
    pub manifest: Digest,
}

impl Held {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        self.generation.write(out);
        out.extend_from_slice(&self.manifest.0);
    }

    pub(super) fn read(from: &mut Reader) -> Result<Held, FormatError> {
        Ok(Held { generation: Generation::read(from)?, manifest: from.digest()? })
    }
}

impl Signed<Manifest> {
    /// Which release it is of.
    pub fn held(&self) -> Held {
        Held { generation: self.claims().generation, manifest: self.digest() }
    }
}

/// What a release key signs of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The channel.
    pub channel: Channel,
    /// The release's place in it.
    pub generation: Generation,
    /// The manifest that this one was made from; `None` for a channel's first.
    pub parent: Option<Digest>,
    /// When it was made, in seconds since 1970, for people only.
    pub time_secs: u64,
    /// The tree of zones.
    pub root: Root,
    /// Fields of later builds.
    pub extensions: Vec<Extension>,
}

impl Document for Manifest {
    const MAGIC: [u8; 8] = *b"CTCHMNFT";
    const WHAT: &'static str = "manifest";
    const CONTEXT: &'static str = "catchment manifest";
    const FORMAT: u32 = 1;
    const SIGNERS_MAX: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.channel.write(out);
        self.generation.write(out);
        match self.parent {
            None => out.push(0),
            Some(parent) => {
                out.push(1);
                out.extend_from_slice(&parent.0);
            }
        }
        out.extend_from_slice(&self.time_secs.to_le_bytes());
        out.extend_from_slice(&self.root.digest.0);
        out.push(self.root.level);
        self.root.totals.write(out);
        extension::write(&self.extensions, out);
    }

    fn read(payload: &[u8]) -> Result<Manifest, FormatError> {
        let mut from = Reader::new(payload);
        let channel = Channel::read(&mut from)?;
        let generation = Generation::read(&mut from)?;
        let parent = match from.u8()? {
            0 => None,
            1 => Some(from.digest()?),
            _ => return Err(FormatError::Invalid("it neither has a parent nor has none")),
        };
        let time_secs = from.u64()?;
        let (digest, level) = (from.digest()?, from.u8()?);
        let totals = Totals::read(&mut from)?;
        at_most("levels of the tree", u64::from(level) + 1, LEVELS_MAX as u64)?;
        at_most("zones", totals.zones, ZONES_MAX)?;
        let extensions = extension::read(&mut from, &[])?;
        from.end()?;
        Ok(Manifest { channel, generation, parent, time_secs, root: Root { digest, level, totals }, extensions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::freshness::Freshness;
    use crate::sync::key::KeyPair;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        Manifest {
            channel: "prod".parse().unwrap(),
            generation: Generation { key_set: 1, counter: 42 },
            parent: Some(Digest::of(b"parent")),
            time_secs: 1_700_000_000,
            root: Root { digest: Digest::of(b"root"), level: 2, totals: Totals { zones: 100_000, octets: 1 << 30 } },
            extensions: vec![Extension { tag: 1, content: b"later".to_vec() }],
        }
    }

    fn key() -> KeyPair {
        KeyPair::from_seed([9; 32])
    }

    /// The layout, octet for octet: a format that has been published can't be changed by accident.
    #[test]
    fn layout() {
        let mut expected = b"CTCHMNFT\x01\0\0\0".to_vec();
        let mut payload = b"\x04prod\x01\0\0\0\x2a\0\0\0\0\0\0\0\x01".to_vec();
        payload.extend_from_slice(blake3::hash(b"parent").as_bytes());
        payload.extend_from_slice(b"\x00\xf1\x53\x65\0\0\0\0");
        payload.extend_from_slice(blake3::hash(b"root").as_bytes());
        payload.extend_from_slice(b"\x02\xa0\x86\x01\0\0\0\0\0\0\0\0\x40\0\0\0\0\x01\x01\0\x05\0later");
        expected.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        expected.extend_from_slice(&payload);
        expected.push(1);
        let signed = Signed::sign(&manifest(), &[&key()]).unwrap();
        let (body, signature) = signed.bytes().split_at(expected.len());
        assert_eq!(body, expected);
        assert_eq!(signature.len(), 32 + 64);
        let message = [b"catchment manifest\0", &expected[..expected.len() - 1]].concat();
        assert!(key().public().verifies(&message, signature[32..].try_into().unwrap()));
        assert_eq!(Signed::<Manifest>::decode(signed.bytes()).unwrap().claims(), &manifest());
    }

    #[test]
    fn every_octet_is_signed() {
        let good = Signed::sign(&manifest(), &[&key()]).unwrap();
        for at in 0..good.bytes().len() {
            let mut bytes = good.bytes().to_vec();
            bytes[at] ^= 1;
            let accepted = Signed::<Manifest>::decode(&bytes).is_ok_and(|signed| signed.is_signed_by(&key().public()));
            assert!(!accepted, "octet {at}");
        }
    }

    #[test]
    fn refusals_have_reasons() {
        let refused = |manifest: &Manifest| Signed::sign(manifest, &[&key()]).unwrap_err();
        let with = |root| Manifest { root, ..manifest() };
        let root = manifest().root;
        let zones = |zones| Root { totals: Totals { zones, octets: 0 }, ..root };
        assert_eq!(
            refused(&with(zones(u64::MAX))),
            FormatError::TooLarge { what: "zones", has: u64::MAX, max: ZONES_MAX }
        );
        assert_eq!(
            refused(&with(Root { level: 255, ..root })),
            FormatError::TooLarge { what: "levels of the tree", has: 256, max: LEVELS_MAX as u64 }
        );
        let critical = vec![Extension { tag: 0x8001, content: vec![] }];
        assert_eq!(refused(&Manifest { extensions: critical, ..manifest() }), FormatError::Critical(0x8001));
        let error = Signed::sign(&manifest(), &[&key(), &KeyPair::from_seed([8; 32])]).unwrap_err();
        assert_eq!(error, FormatError::TooLarge { what: "signatures", has: 2, max: 1 });

        let good = Signed::sign(&manifest(), &[&key()]).unwrap();
        let mut newer = good.bytes().to_vec();
        newer[8] = 2;
        let version = FormatError::Version { what: "manifest", found: 2, reads: 1 };
        assert_eq!(Signed::<Manifest>::decode(&newer).unwrap_err(), version);
        assert_eq!(Signed::<Freshness>::decode(good.bytes()).unwrap_err(), FormatError::NotA("freshness statement"));
        let long = vec![0; 65_537];
        assert_eq!(
            Signed::<Manifest>::decode(&long).unwrap_err(),
            FormatError::TooLarge { what: "manifest", has: 65_537, max: 65_536 }
        );
        // The channel `..` under a signature that is right.
        let mut dots = good.bytes().to_vec();
        dots[17..21].copy_from_slice(b"../x");
        let malformed = FormatError::Invalid("its channel's name is malformed");
        assert_eq!(Signed::<Manifest>::decode(&dots).unwrap_err(), malformed);
    }

    proptest! {
        /// Whatever is decoded, is written the same: no value has two encodings.
        #[test]
        fn one_encoding(at in 0usize..200, octet: u8, cut in 0usize..8) {
            let mut bytes = Signed::sign(&manifest(), &[&key()]).unwrap().bytes().to_vec();
            bytes.truncate(bytes.len() - cut);
            let at = at % bytes.len();
            bytes[at] = octet;
            if let Ok(signed) = Signed::<Manifest>::decode(&bytes) {
                let mut payload = Vec::new();
                signed.claims().write(&mut payload);
                prop_assert_eq!(&bytes[16..16 + payload.len()], &payload[..]);
                prop_assert_eq!(bytes.len(), 16 + payload.len() + 1 + 96);
            }
        }
    }
}
