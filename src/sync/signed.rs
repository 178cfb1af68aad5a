//! The envelope of all that is signed.
//!
//! ```text
//! document    magic (8) | format u32 | length of the payload u32 | payload | count u8 | count x (key id (32), signature (64))
//! ```
//!
//! Signatures are in ascending order of key ids. What is signed is the kind's context, a zero, and all octets up to the end of the
//! payload: so no signature of one kind is ever one of another.

use super::codec::{Digest, FormatError, Reader, ascending, at_most};
use super::key::{KeyId, KeyPair, PublicKey, SIGNATURE_LEN};
use std::fmt;

/// Most octets of a signed document.
pub const DOCUMENT_LEN_MAX: usize = 64 << 10;
/// Most signatures of a document.
pub const SIGNATURES_MAX: usize = 32;

/// A kind of document. Its `write` and `read` are each other's inverse, and `read` takes one encoding of each value.
pub trait Document: Sized + PartialEq {
    /// First octets of its files.
    const MAGIC: [u8; 8];
    /// What people call it.
    const WHAT: &'static str;
    /// What its signatures are for.
    const CONTEXT: &'static str;
    /// The format that this build writes and reads.
    const FORMAT: u32;
    /// Most signatures.
    const SIGNERS_MAX: usize;

    /// Appends the payload.
    fn write(&self, out: &mut Vec<u8>);
    /// Takes exactly a payload.
    fn read(payload: &[u8]) -> Result<Self, FormatError>;
}

/// A document with its signatures, well-formed. Nothing is known yet of who signed: [`super::trust`] finds that out.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<T> {
    claims: T,
    bytes: Vec<u8>,
    /// Where the payload ends.
    payload_end: usize,
    signatures: Vec<(KeyId, [u8; SIGNATURE_LEN])>,
}

/// Octets before the payload.
const HEAD: usize = 8 + 4 + 4;

impl<T: Document> Signed<T> {
    /// Writes `document` and signs it. Errors: it holds what its kind does not allow.
    pub fn sign(document: &T, keys: &[&KeyPair]) -> Result<Signed<T>, FormatError> {
        let mut bytes = T::MAGIC.to_vec();
        bytes.extend_from_slice(&T::FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        document.write(&mut bytes);
        let payload_len = (bytes.len() - HEAD) as u32;
        bytes[HEAD - 4..HEAD].copy_from_slice(&payload_len.to_le_bytes());
        let message = message::<T>(&bytes);
        let signatures = keys.iter().map(|key| (key.public().id(), key.sign(&message))).collect();
        let signed = finish(bytes, signatures)?;
        if signed.claims == *document { Ok(signed) } else { Err(FormatError::Invalid("one of its lists is too long")) }
    }

    /// Adds a signature, or renews this key's: the holders of root keys sign one after another.
    pub fn and_signed_by(&self, key: &KeyPair) -> Result<Signed<T>, FormatError> {
        let body = &self.bytes[..self.payload_end];
        let id = key.public().id();
        let mut signatures: Vec<_> = self.signatures.iter().filter(|(signer, _)| *signer != id).copied().collect();
        signatures.push((id, key.sign(&message::<T>(body))));
        finish(body.to_vec(), signatures)
    }

    /// Takes exactly one document.
    pub fn decode(bytes: &[u8]) -> Result<Signed<T>, FormatError> {
        at_most(T::WHAT, bytes.len() as u64, DOCUMENT_LEN_MAX as u64)?;
        let mut from = Reader::new(bytes);
        from.magic(&T::MAGIC, T::WHAT)?;
        from.version(T::WHAT, T::FORMAT)?;
        let payload_len = from.u32()? as usize;
        let claims = T::read(from.slice(payload_len)?)?;
        let count = from.u8()?;
        at_most("signatures", count.into(), T::SIGNERS_MAX.min(SIGNATURES_MAX) as u64)?;
        if count == 0 {
            return Err(FormatError::Invalid("nobody signed it"));
        }
        let mut signatures = Vec::with_capacity(count.into());
        for _ in 0..count {
            signatures.push((KeyId(from.array()?), from.array()?));
        }
        from.end()?;
        let signers: Vec<KeyId> = signatures.iter().map(|(id, _)| *id).collect();
        ascending("its signatures", &signers)?;
        Ok(Signed { claims, bytes: bytes.to_vec(), payload_end: HEAD + payload_len, signatures })
    }

    /// What it says, whoever signed it.
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Digest of the whole file, signatures included: its name as a blob.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Whether both say the same, whoever signed each.
    pub fn says_the_same(&self, other: &Signed<T>) -> bool {
        self.bytes[..self.payload_end] == other.bytes[..other.payload_end]
    }

    /// Ids of the keys that are said to have signed.
    pub fn signers(&self) -> impl Iterator<Item = KeyId> {
        self.signatures.iter().map(|(id, _)| *id)
    }

    /// Whether this key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let id = key.id();
        let signature = self.signatures.iter().find(|(signer, _)| *signer == id);
        signature.is_some_and(|(_, signature)| key.verifies(&message::<T>(&self.bytes[..self.payload_end]), signature))
    }
}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signers: Vec<KeyId> = self.signatures.iter().map(|(id, _)| *id).collect();
        f.debug_struct("Signed").field("claims", &self.claims).field("signers", &signers).finish()
    }
}

/// What a signature is for.
fn message<T: Document>(body: &[u8]) -> Vec<u8> {
    [T::CONTEXT.as_bytes(), &[0], body].concat()
}

/// Appends the signatures. Reading it again is the check that the document is one that may be written.
fn finish<T: Document>(
    mut bytes: Vec<u8>,
    mut signatures: Vec<(KeyId, [u8; SIGNATURE_LEN])>,
) -> Result<Signed<T>, FormatError> {
    at_most("signatures", signatures.len() as u64, SIGNATURES_MAX as u64)?;
    signatures.sort_unstable_by_key(|(id, _)| *id);
    bytes.push(signatures.len() as u8);
    for (id, signature) in signatures {
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(&signature);
    }
    Signed::decode(&bytes)
}
