//! The signed word that a manifest is its channel's head, and when that was last said.
//!
//! ```text
//! payload     channel (length u8, octets) | key set u32, counter u64 | manifest's digest (32) | time u64 | extensions
//! ```
//!
//! The publisher signs it again from time to time. A store that withholds releases can't renew it: nodes show its age and alarm.
//! It moves nothing by itself: what is taken is decided by the manifest that it names.

use super::channel::{Channel, Generation};
use super::codec::{Digest, FormatError, Reader};
use super::extension::{self, Extension};
use super::signed::Document;

/// What a release key, or one for freshness alone, signs of the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The channel.
    pub channel: Channel,
    /// The head's generation.
    pub generation: Generation,
    /// The head's manifest.
    pub manifest: Digest,
    /// When this was said, in seconds since 1970 by the publisher's clock. Compared with other statements of the same generation,
    /// and shown; the node's clock decides nothing.
    pub time_secs: u64,
    /// Fields of later builds.
    pub extensions: Vec<Extension>,
}

impl Document for Freshness {
    const MAGIC: [u8; 8] = *b"CTCHHEAD";
    const WHAT: &'static str = "freshness statement";
    const CONTEXT: &'static str = "catchment freshness";
    const FORMAT: u32 = 1;
    const SIGNERS_MAX: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.channel.write(out);
        self.generation.write(out);
        out.extend_from_slice(&self.manifest.0);
        out.extend_from_slice(&self.time_secs.to_le_bytes());
        extension::write(&self.extensions, out);
    }

    fn read(payload: &[u8]) -> Result<Freshness, FormatError> {
        let mut from = Reader::new(payload);
        let channel = Channel::read(&mut from)?;
        let generation = Generation::read(&mut from)?;
        let (manifest, time_secs) = (from.digest()?, from.u64()?);
        let extensions = extension::read(&mut from, &[])?;
        from.end()?;
        Ok(Freshness { channel, generation, manifest, time_secs, extensions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::key::KeyPair;
    use crate::sync::signed::Signed;

    #[test]
    fn there_and_back() {
        let freshness = Freshness {
            channel: "prod".parse().unwrap(),
            generation: Generation { key_set: 2, counter: 7 },
            manifest: Digest::of(b"m"),
            time_secs: 1_700_000_060,
            extensions: vec![],
        };
        let key = KeyPair::from_seed([3; 32]);
        let signed = Signed::sign(&freshness, &[&key]).unwrap();
        let again = Signed::<Freshness>::decode(signed.bytes()).unwrap();
        assert_eq!(again.claims(), &freshness);
        assert!(again.is_signed_by(&key.public()));
        assert!(!again.is_signed_by(&KeyPair::from_seed([4; 32]).public()));
    }
}
