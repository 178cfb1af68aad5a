//! A release on trial: the signed word that some nodes are to serve a release before it is the head, and go back if nobody promotes it.
//!
//! ```text
//! payload     channel (length u8, octets) | head | release | return | step u32 | deadline in seconds u32 | time u64
//!             | nodes u16 x (length u8, octets) | extensions
//! each of head, release, return: key set u32, counter u64 | manifest's digest (32)
//! ```
//!
//! - *head* is the channel's head while the trial is on. The word is good under no other head: an old one can't be laid beside a newer.
//! - *release* is what the named nodes serve. *return* has the content of the head and the generation after the release's: it is what a
//!   node goes back to, by itself, when its own clock has counted the deadline since it applied the release. So all generations rise.
//! - *step* rises with each wave. A node that sees a higher one counts from there again.
//! - *nodes* are those that take it, by name, in ascending order: who took what can be looked up, and no node works out for itself
//!   whether it is meant.
//!
//! Whoever promotes the release makes a third one, after both, with the release's content. So nodes that went back move forward too.

use super::channel::{Channel, Generation};
use super::codec::{FormatError, Reader, ascending, at_most};
use super::extension::{self, Extension};
use super::manifest::{Held, Manifest};
use super::report::NODE_LEN_MAX;
use super::signed::{Document, Signed};

/// The longest that a release may be on trial since the last step, in seconds: a week.
pub const DEADLINE_SECS_MAX: u32 = 7 * 24 * 60 * 60;

/// What a release key signs of a release on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The channel.
    pub channel: Channel,
    /// The head, which all other nodes serve.
    pub head: Held,
    /// The release on trial.
    pub release: Held,
    /// The return release: the head's content once more.
    pub back: Held,
    /// Rises with each wave; the first is 1.
    pub step: u32,
    /// How long a node serves the release since it applied it, or since it saw this step, in seconds: from 1 to
    /// [`DEADLINE_SECS_MAX`].
    pub deadline_secs: u32,
    /// When this was said, in seconds since 1970 by the publisher's clock, for people and for other publishers.
    pub time_secs: u64,
    /// See [`Trial::nodes`].
    pub(super) nodes: Vec<String>,
    /// Fields of later builds.
    pub extensions: Vec<Extension>,
}

/// A release on trial, with all documents that it takes to serve it and to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnTrial {
    /// Who serves it, and for how long.
    pub trial: Signed<Trial>,
    /// The manifest of the release.
    pub manifest: Signed<Manifest>,
    /// The manifest of the return release.
    pub back: Signed<Manifest>,
}

impl Trial {
    /// The nodes that take it, ascending.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Whether a node takes it.
    pub fn names(&self, node: &str) -> bool {
        self.nodes.binary_search_by(|named| named.as_str().cmp(node)).is_ok()
    }

    /// Names the nodes that take it: one at least, each of 1 to 255 octets. Too many for a document are refused when it is signed.
    pub fn with_nodes(mut self, nodes: impl IntoIterator<Item = String>) -> Trial {
        self.nodes = nodes.into_iter().collect();
        self.nodes.sort_unstable();
        self.nodes.dedup();
        self
    }

    /// The first step of a trial that names nobody yet.
    pub fn new(channel: Channel, head: Held, release: Held, back: Held, deadline_secs: u32, time_secs: u64) -> Trial {
        let (nodes, extensions) = (Vec::new(), Vec::new());
        Trial { channel, head, release, back, step: 1, deadline_secs, time_secs, nodes, extensions }
    }

    fn check(&self) -> Result<(), FormatError> {
        let generations = [self.head, self.release, self.back].map(|held| held.generation);
        if !generations.is_sorted_by(|a: &Generation, b| a < b) {
            return Err(FormatError::Invalid("the generations of head, release and return release don't rise"));
        }
        if self.step == 0 {
            return Err(FormatError::Invalid("step 0: the first is 1"));
        }
        if self.deadline_secs == 0 {
            return Err(FormatError::Invalid("its deadline is 0 seconds"));
        }
        at_most("seconds of its deadline", self.deadline_secs.into(), DEADLINE_SECS_MAX.into())?;
        if self.nodes.is_empty() {
            return Err(FormatError::Invalid("it names no node"));
        }
        if self.nodes.iter().any(String::is_empty) {
            return Err(FormatError::Invalid("a node's name is empty"));
        }
        ascending("its nodes", &self.nodes)
    }
}

impl Document for Trial {
    const MAGIC: [u8; 8] = *b"CTCHTRIA";
    const WHAT: &'static str = "word about a trial";
    const CONTEXT: &'static str = "catchment trial";
    const FORMAT: u32 = 1;
    const SIGNERS_MAX: usize = 1;

    fn write(&self, out: &mut Vec<u8>) {
        self.channel.write(out);
        for held in [self.head, self.release, self.back] {
            held.write(out);
        }
        out.extend_from_slice(&self.step.to_le_bytes());
        out.extend_from_slice(&self.deadline_secs.to_le_bytes());
        out.extend_from_slice(&self.time_secs.to_le_bytes());
        // What does not fit into its count or length is noticed when it is read again, before it is signed.
        out.extend_from_slice(&(self.nodes.len() as u16).to_le_bytes());
        for node in &self.nodes {
            out.push(node.len() as u8);
            out.extend_from_slice(node.as_bytes());
        }
        extension::write(&self.extensions, out);
    }

    fn read(payload: &[u8]) -> Result<Trial, FormatError> {
        let mut from = Reader::new(payload);
        let channel = Channel::read(&mut from)?;
        let (head, release, back) = (Held::read(&mut from)?, Held::read(&mut from)?, Held::read(&mut from)?);
        let (step, deadline_secs, time_secs) = (from.u32()?, from.u32()?, from.u64()?);
        let count = from.u16()?;
        let mut nodes = Vec::new();
        for _ in 0..count {
            let len = usize::from(from.u8()?);
            at_most("octets of a node's name", len as u64, NODE_LEN_MAX as u64)?;
            let name = std::str::from_utf8(from.slice(len)?);
            nodes.push(name.map_err(|_| FormatError::Invalid("a node's name is not UTF-8"))?.to_owned());
        }
        let extensions = extension::read(&mut from, &[])?;
        from.end()?;
        let trial = Trial { channel, head, release, back, step, deadline_secs, time_secs, nodes, extensions };
        trial.check()?;
        Ok(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::codec::Digest;
    use crate::sync::key::KeyPair;
    use crate::sync::signed::DOCUMENT_LEN_MAX;

    fn held(counter: u64, name: &[u8]) -> Held {
        Held { generation: Generation { key_set: 1, counter }, manifest: Digest::of(name) }
    }

    fn trial() -> Trial {
        let (head, release, back) = (held(41, b"head"), held(42, b"release"), held(43, b"back"));
        Trial::new("prod".parse().unwrap(), head, release, back, 300, 1_700_000_000)
            .with_nodes(["fra1", "ams1", "ams1"].map(String::from))
    }

    fn key() -> KeyPair {
        KeyPair::from_seed([9; 32])
    }

    /// The layout, octet for octet.
    #[test]
    fn layout() {
        let mut payload = b"\x04prod".to_vec();
        for (counter, name) in [(41u64, "head"), (42, "release"), (43, "back")] {
            payload.extend_from_slice(&1u32.to_le_bytes());
            payload.extend_from_slice(&counter.to_le_bytes());
            payload.extend_from_slice(blake3::hash(name.as_bytes()).as_bytes());
        }
        payload.extend_from_slice(b"\x01\0\0\0\x2c\x01\0\0\x00\xf1\x53\x65\0\0\0\0\x02\0\x04ams1\x04fra1\x00");
        let mut expected = b"CTCHTRIA\x01\0\0\0".to_vec();
        expected.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        expected.extend_from_slice(&payload);
        expected.push(1);
        let signed = Signed::sign(&trial(), &[&key()]).unwrap();
        assert_eq!(signed.bytes()[..expected.len()], expected);
        let again = Signed::<Trial>::decode(signed.bytes()).unwrap();
        assert_eq!(again.claims(), &trial());
        assert!(again.claims().names("ams1") && again.claims().names("fra1"));
        assert!(!again.claims().names("ams") && !again.claims().names("ams10") && !again.claims().names(""));
    }

    #[test]
    fn every_octet_is_signed() {
        let good = Signed::sign(&trial(), &[&key()]).unwrap();
        for at in 0..good.bytes().len() {
            let mut bytes = good.bytes().to_vec();
            bytes[at] ^= 1;
            let accepted = Signed::<Trial>::decode(&bytes).is_ok_and(|signed| signed.is_signed_by(&key().public()));
            assert!(!accepted, "octet {at}");
        }
        for len in 0..good.bytes().len() {
            assert!(Signed::<Trial>::decode(&good.bytes()[..len]).is_err(), "{len} octets");
        }
    }

    #[test]
    fn what_is_no_trial() {
        let refused = |trial: Trial| Signed::sign(&trial, &[&key()]).unwrap_err();
        let invalid = FormatError::Invalid;
        let rise = "the generations of head, release and return release don't rise";
        assert_eq!(refused(Trial { release: held(41, b"x"), ..trial() }), invalid(rise));
        assert_eq!(refused(Trial { back: held(42, b"x"), ..trial() }), invalid(rise));
        assert_eq!(refused(Trial { step: 0, ..trial() }), invalid("step 0: the first is 1"));
        assert_eq!(refused(Trial { deadline_secs: 0, ..trial() }), invalid("its deadline is 0 seconds"));
        let error = FormatError::TooLarge { what: "seconds of its deadline", has: 604_801, max: 604_800 };
        assert_eq!(refused(Trial { deadline_secs: 604_801, ..trial() }), error);
        assert_eq!(refused(trial().with_nodes([])), invalid("it names no node"));
        assert_eq!(refused(trial().with_nodes(["".into(), "a".into()])), invalid("a node's name is empty"));
        let unsorted = Trial { nodes: vec!["b".into(), "a".into()], ..trial() };
        assert_eq!(refused(unsorted), FormatError::Order("its nodes"));
        // A name or a list that is too long does not pass for a shorter one.
        Signed::sign(&trial().with_nodes(["x".repeat(256)]), &[&key()]).unwrap_err();
        let many = |count: usize| trial().with_nodes((0..count).map(|node| format!("node-with-a-long-name-{node:05}")));
        Signed::sign(&many(65_537), &[&key()]).unwrap_err();
        assert!(matches!(refused(many(3_000)), FormatError::TooLarge { has, .. } if has > DOCUMENT_LEN_MAX as u64));
        assert_eq!(Signed::sign(&many(2_000), &[&key()]).unwrap().claims().nodes().len(), 2_000);
    }
}
