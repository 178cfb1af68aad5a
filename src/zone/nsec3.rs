//! Hashed names (RFC 5155): the hash of a name, and the label that it is written as.

use super::base32;
use sha1::{Digest, Sha1};

/// Octets of a hash.
pub const HASH_LEN: usize = 20;
/// Octets of a hash as a label, in base32 with the extended hex alphabet (RFC 4648 section 7).
pub const LABEL_LEN: usize = 32;
/// The one hash algorithm that is registered: SHA-1.
pub const SHA1: u8 = 1;

/// A hashed name.
pub type Hash = [u8; HASH_LEN];

/// The hash of an absolute name, in wire form and lower case (RFC 5155 section 5).
pub fn hash(lower: &[u8], salt: &[u8], iterations: u16) -> Hash {
    let mut hash = Sha1::new().chain_update(lower).chain_update(salt).finalize();
    for _ in 0..iterations {
        hash = Sha1::new().chain_update(hash).chain_update(salt).finalize();
    }
    hash.into()
}

/// The label of a hash, in upper case: the order of labels is that of their hashes.
pub fn label(hash: &Hash) -> [u8; LABEL_LEN] {
    let mut label = [0; LABEL_LEN];
    for (five, eight) in hash.chunks_exact(5).zip(label.chunks_exact_mut(8)) {
        eight.copy_from_slice(&base32::eight(five));
    }
    label
}

/// The hash that a label, in any case, is.
pub fn from_label(label: &[u8]) -> Option<Hash> {
    if label.len() != LABEL_LEN {
        return None;
    }
    let mut hash = [0; HASH_LEN];
    let mut places = hash.iter_mut();
    base32::decode(label, |octet| places.by_ref().take(1).for_each(|place| *place = octet))?;
    Some(hash)
}

/// What the RDATA of NSEC3 and NSEC3PARAM starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a> {
    /// Hash algorithm.
    pub algorithm: u8,
    /// Flags: of NSEC3, bit 0 is opt-out.
    pub flags: u8,
    /// Additional iterations.
    pub iterations: u16,
    /// Salt.
    pub salt: &'a [u8],
}

impl<'a> Params<'a> {
    /// Reads them. None: the RDATA is too short.
    pub fn read(rdata: &'a [u8]) -> Option<Params<'a>> {
        let (&[algorithm, flags, i0, i1, salt_len], rest) = rdata.split_first_chunk::<5>()?;
        let salt = rest.get(..salt_len as usize)?;
        Some(Params { algorithm, flags, iterations: u16::from_be_bytes([i0, i1]), salt })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::Name;

    /// RFC 5155 appendix A.
    #[test]
    fn hashes_of_the_rfc() {
        for (name, expected) in [
            ("example", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"),
            ("a.example", "35mthgpgcu1qg68fab165klnsnk3dpvl"),
            ("*.w.example", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"),
            ("2t7b4g4vsa5smi47k61mv5bv1a22bojr.example", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"),
        ] {
            let hash = hash(name.parse::<Name>().unwrap().as_wire(), b"\xaa\xbb\xcc\xdd", 12);
            assert_eq!(label(&hash).to_ascii_lowercase(), expected.as_bytes(), "{name}");
            assert_eq!(from_label(expected.as_bytes()), Some(hash));
            assert_eq!(from_label(expected.to_uppercase().as_bytes()), Some(hash));
        }
        assert_eq!(from_label(b"2t7b4g4vsa5smi47k61mv5bv1a22bojw"), None);
        assert_eq!(from_label(b"2t7b"), None);
    }
}
