//! A channel's state: the one object of a store that is replaced, by compare-and-set. All else is only ever added.
//!
//! ```text
//! state       magic (8) | format u32 | key set: length u32, document | 0, or 1 and the head
//! head        freshness statement: length u32, document | manifest: length u32, document | in format 2: trial
//! trial       word about it: length u32, document | manifest of the release on trial: length u32, document
//!             | manifest of the return release: length u32, document
//! ```
//!
//! Format 1 has no release on trial; format 2 has one. So builds that know of no trials refuse a state while one is on, and go on with the
//! head that they have, which is what they would do if they were not named.
//!
//! It holds whole documents, so that a node which watches it learns in one message all it must believe before it fetches pages.
//! Nothing in it is believed because it is here: each document carries its own signatures ([`super::trust`]). A channel has a state
//! without a head from when its first key set is laid out until its first release.

use super::codec::{FormatError, Reader, at_most};
use super::freshness::Freshness;
use super::key_set::KeySet;
use super::manifest::{Held, Manifest};
use super::signed::{DOCUMENT_LEN_MAX, Document, Signed};
use super::trial::OnTrial;

/// Octets of a channel's state.
pub const STATE_LEN_MAX: usize = 8 + 4 + 1 + 6 * (4 + DOCUMENT_LEN_MAX);

const MAGIC: [u8; 8] = *b"CTCHSTAT";
/// Of a state without a trial.
const FORMAT: u32 = 1;
/// Of one with a trial.
const FORMAT_TRIAL: u32 = 2;
const WHAT: &str = "channel's state";

/// What a store says of a channel, well-formed. Who signed, and whether head and manifest belong together, is found out by
/// [`super::trust::Trust`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The newest key set. Older ones are objects of their own, by version.
    pub key_set: Signed<KeySet>,
    /// The newest release; `None`: nothing was published yet.
    pub head: Option<Head>,
}

/// A channel's newest release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Which manifest is the head, and when that was last said.
    pub freshness: Signed<Freshness>,
    /// That manifest.
    pub manifest: Signed<Manifest>,
    /// What some nodes serve instead, if a release is on trial.
    pub trial: Option<OnTrial>,
}

impl Head {
    /// The manifest of this release, if it is the head, on trial, or what one goes back to.
    pub fn find(&self, held: &Held) -> Option<&Signed<Manifest>> {
        let trial = self.trial.iter().flat_map(|on| [&on.manifest, &on.back]);
        [&self.manifest].into_iter().chain(trial).find(|manifest| manifest.held() == *held)
    }
}

impl State {
    /// Takes exactly one state.
    pub fn decode(bytes: &[u8]) -> Result<State, FormatError> {
        at_most(WHAT, bytes.len() as u64, STATE_LEN_MAX as u64)?;
        let mut from = Reader::new(bytes);
        from.magic(&MAGIC, WHAT)?;
        let has_trial = !from.rest().starts_with(&FORMAT.to_le_bytes());
        from.version(WHAT, if has_trial { FORMAT_TRIAL } else { FORMAT })?;
        let key_set = read(&mut from)?;
        let head = match from.u8()? {
            0 if has_trial => return Err(FormatError::Invalid("a release is on trial, and there is no head")),
            0 => None,
            1 => {
                let (freshness, manifest) = (read(&mut from)?, read(&mut from)?);
                let trial = match has_trial {
                    true => {
                        let (trial, manifest, back) = (read(&mut from)?, read(&mut from)?, read(&mut from)?);
                        Some(OnTrial { trial, manifest, back })
                    }
                    false => None,
                };
                Some(Head { freshness, manifest, trial })
            }
            _ => return Err(FormatError::Invalid("it neither has a head nor has none")),
        };
        from.end()?;
        Ok(State { key_set, head })
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let trial = self.head.as_ref().and_then(|head| head.trial.as_ref());
        let format = if trial.is_some() { FORMAT_TRIAL } else { FORMAT };
        out.extend_from_slice(&format.to_le_bytes());
        write(&self.key_set, &mut out);
        match &self.head {
            None => out.push(0),
            Some(head) => {
                out.push(1);
                write(&head.freshness, &mut out);
                write(&head.manifest, &mut out);
            }
        }
        if let Some(OnTrial { trial, manifest, back }) = trial {
            write(trial, &mut out);
            write(manifest, &mut out);
            write(back, &mut out);
        }
        out
    }
}

fn read<T: Document>(from: &mut Reader) -> Result<Signed<T>, FormatError> {
    let len = from.u32()?;
    at_most(T::WHAT, len.into(), DOCUMENT_LEN_MAX as u64)?;
    Signed::decode(from.slice(len as usize)?)
}

fn write<T: Document>(document: &Signed<T>, out: &mut Vec<u8>) {
    // A signed document is at most 64 KiB.
    out.extend_from_slice(&(document.bytes().len() as u32).to_le_bytes());
    out.extend_from_slice(document.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::channel::Generation;
    use crate::sync::codec::Digest;
    use crate::sync::key::KeyPair;
    use crate::sync::key_set::{ReleaseKey, Roots, Use};
    use crate::sync::page::Totals;
    use crate::sync::tree::Root;
    use crate::sync::trial::Trial;

    fn state() -> State {
        let key = KeyPair::from_seed([1; 32]);
        let channel: crate::sync::channel::Channel = "prod".parse().unwrap();
        let roots = Roots::new(vec![key.public()], 1).unwrap();
        let keys = vec![ReleaseKey { key: key.public(), signs: Use::Releases }];
        let generation = Generation { key_set: 1, counter: 1 };
        let root = Root { digest: Digest::of(b"root"), level: 0, totals: Totals { zones: 1, octets: 100 } };
        let manifest =
            Manifest { channel: channel.clone(), generation, parent: None, time_secs: 1, root, extensions: vec![] };
        let manifest = Signed::sign(&manifest, &[&key]).unwrap();
        let freshness = Freshness {
            channel: channel.clone(),
            generation,
            manifest: manifest.digest(),
            time_secs: 2,
            extensions: vec![],
        };
        let freshness = Signed::sign(&freshness, &[&key]).unwrap();
        let key_set = KeySet::new(channel, 1, 0, roots, keys).unwrap();
        let head = Head { freshness, manifest, trial: None };
        State { key_set: Signed::sign(&key_set, &[&key]).unwrap(), head: Some(head) }
    }

    fn on_trial() -> State {
        let (key, mut state) = (KeyPair::from_seed([1; 32]), state());
        let head = state.head.as_mut().unwrap();
        let after = |counter| {
            let generation = Generation { key_set: 1, counter };
            Signed::sign(&Manifest { generation, ..head.manifest.claims().clone() }, &[&key]).unwrap()
        };
        let (manifest, back) = (after(2), after(3));
        let channel = "prod".parse().unwrap();
        let trial = Trial::new(channel, head.manifest.held(), manifest.held(), back.held(), 60, 3);
        let trial = Signed::sign(&trial.with_nodes(["ams1".into()]), &[&key]).unwrap();
        head.trial = Some(OnTrial { trial, manifest, back });
        state
    }

    #[test]
    fn there_and_back() {
        let state = state();
        assert_eq!(State::decode(&state.encode()).unwrap(), state);
        let empty = State { head: None, ..state };
        assert_eq!(State::decode(&empty.encode()).unwrap(), empty);
        let trial = on_trial();
        assert_eq!(State::decode(&trial.encode()).unwrap(), trial);
        let (head, other) = (trial.head.unwrap(), Digest::of(b"other"));
        let on = head.trial.as_ref().unwrap();
        for manifest in [&head.manifest, &on.manifest, &on.back] {
            assert_eq!(head.find(&manifest.held()), Some(manifest));
            assert_eq!(head.find(&Held { manifest: other, ..manifest.held() }), None);
        }
    }

    /// Builds that know format 1 alone read what has no trial, and refuse what has one.
    #[test]
    fn a_trial_makes_another_format() {
        assert_eq!(state().encode()[8..12], [1, 0, 0, 0]);
        let mut bytes = on_trial().encode();
        assert_eq!(bytes[8..12], [2, 0, 0, 0]);
        for len in 0..bytes.len() {
            assert!(State::decode(&bytes[..len]).is_err(), "{len}");
        }
        bytes[8] = 1;
        assert_eq!(State::decode(&bytes).unwrap_err(), FormatError::Trailing);
        bytes[8] = 3;
        let version = FormatError::Version { what: "channel's state", found: 3, reads: 2 };
        assert_eq!(State::decode(&bytes).unwrap_err(), version);
        let mut headless = State { head: None, ..state() }.encode();
        headless[8] = 2;
        let error = FormatError::Invalid("a release is on trial, and there is no head");
        assert_eq!(State::decode(&headless).unwrap_err(), error);
    }

    #[test]
    fn what_is_no_state() {
        let good = state().encode();
        for len in 0..good.len() {
            assert!(State::decode(&good[..len]).is_err(), "{len}");
        }
        assert_eq!(State::decode(&[&good[..], b"x"].concat()).unwrap_err(), FormatError::Trailing);
        let key_set_len = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
        let mut neither = good.clone();
        neither[16 + key_set_len] = 2;
        assert_eq!(State::decode(&neither).unwrap_err(), FormatError::Invalid("it neither has a head nor has none"));
        let mut absurd = good.clone();
        absurd[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            State::decode(&absurd).unwrap_err(),
            FormatError::TooLarge { what: "key set", has: u32::MAX.into(), max: 65_536 }
        );
        assert_eq!(State::decode(b"CTCHPACK\x01\0\0\0").unwrap_err(), FormatError::NotA("channel's state"));
    }
}
