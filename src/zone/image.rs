//! The zone image.

use crate::wire::name::Name;

/// (contract only, body to come)
#[derive(Clone)]
pub struct Image {}

/// Why bytes are not an image that this build reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Too short
    #[error("truncated")]
    Truncated,
}

impl Image {
    /// Takes the bytes of an image, checks header and digest.
    pub fn open(_bytes: Vec<u8>) -> Result<Image, ImageError> {
        todo!()
    }
    /// The whole image, digest included.
    pub fn bytes(&self) -> &[u8] {
        todo!()
    }
    /// The zone's name, case as written.
    pub fn apex(&self) -> Name {
        todo!()
    }
    /// The SOA's serial.
    pub fn serial(&self) -> u32 {
        todo!()
    }
    /// Number of records.
    pub fn record_count(&self) -> u64 {
        todo!()
    }
    /// BLAKE3 digest: the image's name.
    pub fn digest(&self) -> [u8; 32] {
        todo!()
    }
    /// Calls `each(owner wire, rtype, ttl_secs, rdata wire)` for every record, in canonical order (RFC 4034 section 6.1)
    /// with the SOA first. Allocates; for dumps and diffs. `Err` when the image is damaged.
    pub fn for_each_record(&self, _each: &mut dyn FnMut(&[u8], u16, u32, &[u8])) -> Result<(), ImageError> {
        todo!()
    }
}
