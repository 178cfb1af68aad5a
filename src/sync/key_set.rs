//! A key set: who may sign releases of a channel, and who may sign the next key set. After The Update Framework's root role.
//!
//! ```text
//! payload     channel (length u8, octets) | version u32 | time u64 | threshold u8
//!             | roots u8 x public key (32) | keys u8 x (public key (32), uses u8) | extensions
//! ```
//!
//! Both lists are in ascending order of the keys' octets, each key once.
//!
//! **One key set for each channel**, not one for all: a release key stolen from the CI of `staging` signs nothing for `prod`, and to
//! replace it moves no other channel's generation, which has the key set's version in front. The same root keys may
//! sign the key sets of many channels.
//!
//! **No expiry**, unlike TUF: a date would make the wall clock decide what is served. Age is shown and alarmed about instead
//! (see [`super::freshness`]).

use super::channel::Channel;
use super::codec::{FormatError, Reader, ascending, at_most};
use super::extension::{self, Extension};
use super::key::{KeyId, PublicKey};
use super::signed::{Document, SIGNATURES_MAX, Signed};

/// Most root keys.
pub const ROOTS_MAX: usize = 16;
/// Most release keys.
pub const KEYS_MAX: usize = 64;

/// Use of a key: may sign manifests.
const RELEASES: u8 = 1;
/// Use of a key: may sign freshness statements.
const FRESHNESS: u8 = 2;

/// What a key of the set may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Manifests, and freshness statements.
    Releases,
    /// Freshness statements alone: what a job that runs each minute may hold. Whoever steals it can claim that an old release is
    /// the head, which nodes refuse as lower, or that the head is fresh.
    FreshnessOnly,
}

/// A key of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseKey {
    /// The key.
    pub key: PublicKey,
    /// What it may sign.
    pub signs: Use,
}

/// Keys of which a number must sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    keys: Vec<PublicKey>,
    threshold: u8,
}

impl Roots {
    /// 1 to [`ROOTS_MAX`] different keys, of which `threshold` must sign: from 1 to all.
    pub fn new(mut keys: Vec<PublicKey>, threshold: u8) -> Result<Roots, FormatError> {
        keys.sort_unstable();
        ascending("root keys", &keys)?;
        at_most("root keys", keys.len() as u64, ROOTS_MAX as u64)?;
        if threshold == 0 || threshold as usize > keys.len() {
            return Err(FormatError::Invalid("the threshold of root keys is not from 1 to their number"));
        }
        Ok(Roots { keys, threshold })
    }

    /// The keys, ascending.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many of them must sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many of them signed; each counts once.
    pub fn signed(&self, set: &Signed<KeySet>) -> usize {
        self.keys.iter().filter(|key| set.is_signed_by(key)).count()
    }

    /// Whether enough of them signed.
    pub fn accept(&self, set: &Signed<KeySet>) -> bool {
        self.signed(set) >= self.threshold as usize
    }
}

/// A key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Whose releases.
    pub channel: Channel,
    /// Only rises; 1 is the first.
    pub version: u32,
    /// When it was made, in seconds since 1970: for people, and for publishers that come upon a store without the channel.
    pub time_secs: u64,
    /// Who signs the next key set.
    pub roots: Roots,
    keys: Vec<ReleaseKey>,
    /// Fields of later builds.
    pub extensions: Vec<Extension>,
}

impl KeySet {
    /// Puts a key set together. Without any keys it closes the channel until the next one.
    pub fn new(
        channel: Channel,
        version: u32,
        time_secs: u64,
        roots: Roots,
        mut keys: Vec<ReleaseKey>,
    ) -> Result<KeySet, FormatError> {
        keys.sort_unstable_by_key(|key| key.key);
        let set = KeySet { channel, version, time_secs, roots, keys, extensions: Vec::new() };
        set.check()?;
        Ok(set)
    }

    /// The keys that sign releases or freshness, ascending.
    pub fn keys(&self) -> &[ReleaseKey] {
        &self.keys
    }

    /// The key of this id.
    pub fn key(&self, id: KeyId) -> Option<&ReleaseKey> {
        self.keys.iter().find(|key| key.key.id() == id)
    }

    fn check(&self) -> Result<(), FormatError> {
        at_most("release keys", self.keys.len() as u64, KEYS_MAX as u64)?;
        let keys: Vec<PublicKey> = self.keys.iter().map(|key| key.key).collect();
        ascending("release keys", &keys)?;
        if self.version == 0 { Err(FormatError::Invalid("key set 0: the first has version 1")) } else { Ok(()) }
    }
}

impl Document for KeySet {
    const MAGIC: [u8; 8] = *b"CTCHKEYS";
    const WHAT: &'static str = "key set";
    const CONTEXT: &'static str = "catchment key set";
    const FORMAT: u32 = 1;
    const SIGNERS_MAX: usize = SIGNATURES_MAX;

    fn write(&self, out: &mut Vec<u8>) {
        self.channel.write(out);
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.time_secs.to_le_bytes());
        out.push(self.roots.threshold);
        out.push(self.roots.keys.len() as u8);
        for key in &self.roots.keys {
            out.extend_from_slice(key.as_bytes());
        }
        out.push(self.keys.len() as u8);
        for key in &self.keys {
            out.extend_from_slice(key.key.as_bytes());
            out.push(match key.signs {
                Use::Releases => RELEASES | FRESHNESS,
                Use::FreshnessOnly => FRESHNESS,
            });
        }
        extension::write(&self.extensions, out);
    }

    fn read(payload: &[u8]) -> Result<KeySet, FormatError> {
        let mut from = Reader::new(payload);
        let channel = Channel::read(&mut from)?;
        let (version, time_secs, threshold) = (from.u32()?, from.u64()?, from.u8()?);
        let count = from.u8()?;
        at_most("root keys", count.into(), ROOTS_MAX as u64)?;
        let roots = (0..count).map(|_| public_key(&mut from)).collect::<Result<Vec<_>, _>>()?;
        // `Roots::new` sorts, for people who write settings; in a document the order is part of the form.
        ascending("root keys", &roots)?;
        let roots = Roots::new(roots, threshold)?;
        let count = from.u8()?;
        at_most("release keys", count.into(), KEYS_MAX as u64)?;
        let mut keys = Vec::with_capacity(count.into());
        for _ in 0..count {
            let key = public_key(&mut from)?;
            let signs = match from.u8()? {
                FRESHNESS => Use::FreshnessOnly,
                uses if uses == RELEASES | FRESHNESS => Use::Releases,
                _ => return Err(FormatError::Invalid("a key has an unknown use")),
            };
            keys.push(ReleaseKey { key, signs });
        }
        let extensions = extension::read(&mut from, &[])?;
        from.end()?;
        let set = KeySet { channel, version, time_secs, roots, keys, extensions };
        set.check()?;
        Ok(set)
    }
}

fn public_key(from: &mut Reader) -> Result<PublicKey, FormatError> {
    PublicKey::new(from.array()?).ok_or(FormatError::Invalid("anybody can sign for one of its keys"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::key::KeyPair;

    fn pair(n: u8) -> KeyPair {
        KeyPair::from_seed([n; 32])
    }

    fn set(version: u32) -> KeySet {
        let roots = Roots::new(vec![pair(1).public(), pair(2).public(), pair(3).public()], 2).unwrap();
        let keys = vec![
            ReleaseKey { key: pair(10).public(), signs: Use::Releases },
            ReleaseKey { key: pair(11).public(), signs: Use::FreshnessOnly },
        ];
        KeySet::new("prod".parse().unwrap(), version, 1_700_000_000, roots, keys).unwrap()
    }

    #[test]
    fn there_and_back() {
        let signed = Signed::sign(&set(3), &[&pair(2), &pair(1)]).unwrap();
        let again = Signed::<KeySet>::decode(signed.bytes()).unwrap();
        assert_eq!(again, signed);
        assert_eq!(again.claims(), &set(3));
        assert_eq!(again.claims().roots.signed(&again), 2);
        assert_eq!(again.claims().key(pair(11).public().id()).unwrap().signs, Use::FreshnessOnly);
        assert_eq!(again.claims().key(pair(1).public().id()), None);
    }

    #[test]
    fn holders_of_root_keys_sign_one_after_another() {
        let one = Signed::sign(&set(1), &[&pair(1)]).unwrap();
        assert!(!set(1).roots.accept(&one));
        let two = one.and_signed_by(&pair(3)).unwrap();
        assert!(set(1).roots.accept(&two));
        assert!(two.says_the_same(&one) && two != one);
        // Twice by one key is one signature.
        assert!(!set(1).roots.accept(&one.and_signed_by(&pair(1)).unwrap()));
        assert_eq!(two, Signed::sign(&set(1), &[&pair(3), &pair(1)]).unwrap());
    }

    #[test]
    fn signatures_of_others_do_not_count() {
        // A release key, a stranger, and a root key whose signature is broken.
        let signed = Signed::sign(&set(1), &[&pair(1), &pair(10), &pair(77)]).unwrap();
        assert_eq!(set(1).roots.signed(&signed), 1);
        let good = Signed::sign(&set(1), &[&pair(1)]).unwrap();
        let mut bytes = good.bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(set(1).roots.signed(&Signed::decode(&bytes).unwrap()), 0);
    }

    #[test]
    fn every_octet_is_signed() {
        let good = Signed::sign(&set(1), &[&pair(1), &pair(2)]).unwrap();
        for at in 0..good.bytes().len() {
            let mut bytes = good.bytes().to_vec();
            bytes[at] ^= 1;
            let accepted = Signed::<KeySet>::decode(&bytes).is_ok_and(|signed| set(1).roots.accept(&signed));
            assert!(!accepted, "octet {at}");
        }
        for len in 0..good.bytes().len() {
            assert!(Signed::<KeySet>::decode(&good.bytes()[..len]).is_err(), "{len} octets");
        }
        assert_eq!(Signed::<KeySet>::decode(&[good.bytes(), b"x"].concat()).unwrap_err(), FormatError::Trailing);
    }

    #[test]
    fn what_makes_no_key_set() {
        let key = |n| pair(n).public();
        let invalid = FormatError::Invalid("the threshold of root keys is not from 1 to their number");
        assert_eq!(Roots::new(vec![], 0).unwrap_err(), invalid);
        assert_eq!(Roots::new(vec![key(1)], 0).unwrap_err(), invalid);
        assert_eq!(Roots::new(vec![key(1)], 2).unwrap_err(), invalid);
        assert_eq!(Roots::new(vec![key(1), key(1)], 2).unwrap_err(), FormatError::Order("root keys"));
        let many = (1..=17).map(key).collect();
        assert_eq!(Roots::new(many, 1).unwrap_err(), FormatError::TooLarge { what: "root keys", has: 17, max: 16 });
        let mut zero = set(1);
        zero.version = 0;
        assert_eq!(
            Signed::sign(&zero, &[&pair(1)]).unwrap_err(),
            FormatError::Invalid("key set 0: the first has version 1")
        );
        assert_eq!(Signed::sign(&set(1), &[]).unwrap_err(), FormatError::Invalid("nobody signed it"));
        let mut unsorted = set(1);
        unsorted.keys.swap(0, 1);
        assert_eq!(Signed::sign(&unsorted, &[&pair(1)]).unwrap_err(), FormatError::Order("release keys"));
        let mut unsorted = set(1);
        unsorted.roots.keys.swap(0, 1);
        assert_eq!(Signed::sign(&unsorted, &[&pair(1)]).unwrap_err(), FormatError::Order("root keys"));
    }
}
