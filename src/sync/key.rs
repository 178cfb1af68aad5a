//! Ed25519 keys (RFC 8032), their ids, and the files and settings that hold them.
//!
//! ```text
//! public key    ed25519:HEX                one line, as in settings (64 hexadecimal digits)
//! secret key    ed25519-secret:HEX:HEX     the seed, and the public key that it must give
//! ```
//!
//! Lines that are empty or start with `#` are comments; a file has one key. Random seeds are made by the caller.

use super::codec::hex32;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;

/// Octets of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// Most octets of a key file.
pub const KEY_FILE_MAX: usize = 4096;

const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";
/// What ids are derived under: they are digests of nothing else.
const ID_CONTEXT: &str = "catchment 2026 key id";

/// Points of small order, sign bit clear, as little-endian octets: anybody can sign for these "keys", one of which is all zeros.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    with_ends(1, 0, 0),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
];

const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut point = [middle; 32];
    point[0] = first;
    point[31] = last;
    point
}

/// Id of a key: a digest of the public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; 32]);

/// The first 16 hexadecimal digits: enough for people to tell keys apart. Nothing is ever decided by this text.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key: 32 octets that are no point of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes a key's octets. `None`: for this key anybody could sign.
    pub fn new(bytes: [u8; 32]) -> Option<PublicKey> {
        let mut y = bytes;
        y[31] &= 0x7f;
        (!SMALL_ORDER.contains(&y)).then_some(PublicKey(bytes))
    }

    /// The key's octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        KeyId(blake3::derive_key(ID_CONTEXT, &self.0))
    }

    /// Whether `signature` is this key's for `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    /// Reads a public key's file, or a setting. `origin` is what the operator knows the text by: a path, or `root-keys`.
    pub fn from_text(text: &str, origin: &str) -> Result<PublicKey, KeyTextError> {
        let fault = |line, fault| KeyTextError { origin: origin.into(), line, fault };
        let (line, key) = only_line(text).map_err(|(line, e)| fault(line, e))?;
        match key.strip_prefix(PUBLIC) {
            Some(hex) => {
                let bytes = hex32(hex).ok_or(fault(line, KeyFault::Digits))?;
                PublicKey::new(bytes).ok_or(fault(line, KeyFault::Weak))
            }
            None if key.starts_with(SECRET) => Err(fault(line, KeyFault::SecretForPublic)),
            None => Err(fault(line, KeyFault::NotAKey)),
        }
    }
}

/// `ed25519:HEX`, as in settings and files.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PUBLIC)?;
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A secret key with its public one. Neither shown nor compared.
pub struct KeyPair {
    seed: [u8; 32],
    public: PublicKey,
    pair: Ed25519KeyPair,
}

impl KeyPair {
    /// The key pair of 32 random octets.
    pub fn from_seed(seed: [u8; 32]) -> KeyPair {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 octets are a seed");
        let public = PublicKey(pair.public_key().as_ref().try_into().expect("a public key has 32 octets"));
        KeyPair { seed, public, pair }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs. What is signed must say by itself what it is: [`super::signed`] is the only caller, and puts a context first.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(message);
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 octets")
    }

    /// Reads a secret key's file, or an environment variable. `origin` is what the operator knows the text by.
    pub fn from_text(text: &str, origin: &str) -> Result<KeyPair, KeyTextError> {
        let fault = |line, fault| KeyTextError { origin: origin.into(), line, fault };
        let (line, key) = only_line(text).map_err(|(line, e)| fault(line, e))?;
        let Some(key) = key.strip_prefix(SECRET) else {
            let public = key.starts_with(PUBLIC);
            return Err(fault(line, if public { KeyFault::PublicForSecret } else { KeyFault::NotAKey }));
        };
        let halves = key.split_once(':').and_then(|(seed, public)| Some((hex32(seed)?, hex32(public)?)));
        let (seed, public) = halves.ok_or(fault(line, KeyFault::Digits))?;
        let pair = KeyPair::from_seed(seed);
        if pair.public.0 == public { Ok(pair) } else { Err(fault(line, KeyFault::Mismatch)) }
    }

    /// The secret key's file. `name` is for people: a comment, its control characters left out.
    pub fn to_secret_text(&self, name: &str) -> String {
        let hex = super::codec::Digest(self.seed);
        let public = super::codec::Digest(self.public.0);
        let comment = comment(name, self.public.id());
        format!(
            "# SECRET key of {comment}: whoever reads this can sign. Never in git, never in a store.\n{SECRET}{hex}:{public}\n"
        )
    }

    /// The public key's file.
    pub fn to_public_text(&self, name: &str) -> String {
        format!("# Public key of {}\n{}\n", comment(name, self.public.id()), self.public)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public.id())
    }
}

/// A key text that cannot be used: where, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}: {fault}")]
pub struct KeyTextError {
    /// A path, or the name of a setting or variable.
    pub origin: String,
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub fault: KeyFault,
}

/// What is wrong with a key text. None of these shows any of its octets: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Comments at most.
    #[error("there is no key here; make one with catchment keygen")]
    Empty,
    /// A second one.
    #[error("a second key begins here; keep one key in each file")]
    Several,
    /// More than [`KEY_FILE_MAX`].
    #[error("this is longer than any key file ({KEY_FILE_MAX} octets); give the path of a key file")]
    TooLong,
    /// Something else.
    #[error("this is no key: a public one is {PUBLIC} and 64 hexadecimal digits, a secret one starts with {SECRET}")]
    NotAKey,
    /// The beginning is right.
    #[error("a key has 64 hexadecimal digits, a secret one 64 more behind a colon; copy it again, whole")]
    Digits,
    /// The public key does not belong to the seed.
    #[error("the two halves of the secret key do not belong together: it is damaged; restore it from its backup")]
    Mismatch,
    /// All zeros, for example.
    #[error("anybody can sign for this public key; make a real one with catchment keygen")]
    Weak,
    /// The wrong one of the two files.
    #[error("this is a public key, and a secret one is needed to sign; give the file that keygen named .key")]
    PublicForSecret,
    /// The wrong one of the two files, and a dangerous one.
    #[error(
        "this is a SECRET key where a public one belongs; remove it from here, and replace it if others could read it"
    )]
    SecretForPublic,
}

fn comment(name: &str, id: KeyId) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    format!("{name}, id {id}")
}

/// The one line that is no comment, and its number.
fn only_line(text: &str) -> Result<(usize, &str), (usize, KeyFault)> {
    if text.len() > KEY_FILE_MAX {
        return Err((1, KeyFault::TooLong));
    }
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let key = keys.next().ok_or((1, KeyFault::Empty))?;
    match keys.next() {
        None => Ok(key),
        Some((line, _)) => Err((line, KeyFault::Several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_rfc_8032() {
        let seed = hex32("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb").unwrap();
        let pair = KeyPair::from_seed(seed);
        let public = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(pair.public().to_string(), public);
        let signature = pair.sign(&[0x72]);
        let halves = [
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ];
        assert_eq!(signature[..], halves.map(|half| hex32(half).unwrap()).concat());
        assert!(pair.public().verifies(&[0x72], &signature));
        assert!(!pair.public().verifies(&[0x73], &signature));
    }

    /// Signatures have one form: S plus the group's order would verify too, were it not refused (RFC 8032 section 8.4).
    #[test]
    fn signatures_are_not_malleable() {
        let pair = KeyPair::from_seed([1; 32]);
        let mut signature = pair.sign(b"m");
        let order = hex32("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut carry = 0;
        for (octet, add) in signature[32..].iter_mut().zip(order) {
            let sum = *octet as u16 + add as u16 + carry;
            (*octet, carry) = (sum as u8, sum >> 8);
        }
        assert!(!pair.public().verifies(b"m", &signature));
    }

    /// For each refused point a signature that nobody's secret made: R is the identity, S is 0, and the message is one of many.
    #[test]
    fn refused_points_are_weak() {
        let mut forged = [0; 64];
        forged[0] = 1;
        for point in SMALL_ORDER {
            assert_eq!(PublicKey::new(point), None);
            let mut negative = point;
            negative[31] |= 0x80;
            assert_eq!(PublicKey::new(negative), None);
            // Not in reduced form: ring refuses some of these by itself.
            let reduced = point[0] < 0xed || point[31] != 0x7f;
            let found = (0..200u8).any(|n| UnparsedPublicKey::new(&ED25519, point).verify(&[n], &forged).is_ok());
            assert!(found || !reduced, "{point:02x?}");
        }
    }

    #[test]
    fn key_files_there_and_back() {
        let pair = KeyPair::from_seed([7; 32]);
        let secret = pair.to_secret_text("prod\n# x");
        assert_eq!(secret.lines().count(), 2);
        assert!(secret.starts_with(&format!("# SECRET key of prod# x, id {}: ", pair.public().id())));
        assert_eq!(KeyPair::from_text(&secret, "prod.key").unwrap().public(), pair.public());
        let public = pair.to_public_text("prod");
        assert_eq!(PublicKey::from_text(&public, "prod.pub").unwrap(), pair.public());
        assert_eq!(PublicKey::from_text(&pair.public().to_string(), "root-keys").unwrap(), pair.public());
        assert!(!format!("{pair:?}").contains("0707"), "{pair:?}");
    }

    #[test]
    fn faults_name_the_place_and_the_fix() {
        let pair = KeyPair::from_seed([7; 32]);
        let (secret, public) = (pair.to_secret_text("x"), pair.to_public_text("x"));
        let zeros = format!("ed25519:{}", "0".repeat(64));
        let damaged = secret.replacen("0707", "0708", 1);
        let secrets = [
            ("", 1, KeyFault::Empty),
            ("# only\n\n", 1, KeyFault::Empty),
            (&*format!("{secret}{secret}"), 4, KeyFault::Several),
            ("\n-----BEGIN PRIVATE KEY-----", 2, KeyFault::NotAKey),
            ("ed25519-secret:07", 1, KeyFault::Digits),
            (&secret[..secret.len() - 3], 2, KeyFault::Digits),
            (&damaged, 2, KeyFault::Mismatch),
            (&public, 2, KeyFault::PublicForSecret),
            (&"#".repeat(KEY_FILE_MAX + 1), 1, KeyFault::TooLong),
        ];
        for (text, line, fault) in secrets {
            let error = KeyPair::from_text(text, "keys/prod.key").unwrap_err();
            assert_eq!((error.line, error.fault), (line, fault), "{text}");
        }
        for (text, fault) in [
            (&*secret, KeyFault::SecretForPublic),
            (&*zeros, KeyFault::Weak),
            ("ed25519:zz", KeyFault::Digits),
            ("ssh-ed25519 AAAA", KeyFault::NotAKey),
        ] {
            assert_eq!(PublicKey::from_text(text, "root-keys").unwrap_err().fault, fault, "{text}");
        }
        let shown = KeyPair::from_text(&public, "keys/prod.pub").unwrap_err().to_string();
        assert_eq!(
            shown,
            "keys/prod.pub:2: this is a public key, and a secret one is needed to sign; give the file that keygen named .key"
        );
    }
}
