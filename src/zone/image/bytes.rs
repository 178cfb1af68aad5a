//! Checked little-endian reads.

use super::Damaged;
use crate::zone::layout::{PLACE, PLACE_MAX, far};

/// A run of octets: a flat image, a root, a segment.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(super) fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Damaged> {
        self.0.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(Damaged)
    }

    #[inline]
    pub(super) fn slice(&self, at: usize, len: usize) -> Result<&'a [u8], Damaged> {
        self.0.get(at..).and_then(|rest| rest.get(..len)).ok_or(Damaged)
    }

    #[inline]
    pub(super) fn u8(&self, at: usize) -> Result<u8, Damaged> {
        self.0.get(at).copied().ok_or(Damaged)
    }

    #[inline]
    pub(super) fn u32(&self, at: usize) -> Result<u32, Damaged> {
        self.array(at).map(u32::from_le_bytes)
    }

    #[inline]
    pub(super) fn u64(&self, at: usize) -> Result<u64, Damaged> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// A place. Like all that follows by one load of eight octets: digests and segments' ends leave room for it.
    #[inline]
    pub(super) fn place(&self, at: usize) -> Result<usize, Damaged> {
        Ok((self.u64(at)? & PLACE_MAX) as usize)
    }

    /// Two places, one after the other: a bucket's ends.
    #[inline]
    pub(super) fn places(&self, at: usize) -> Result<(usize, usize), Damaged> {
        let word = self.u64(at)?;
        Ok(((word & PLACE_MAX) as usize, (word >> (8 * PLACE) & PLACE_MAX) as usize))
    }

    /// A far ref.
    #[inline]
    pub(super) fn far(&self, at: usize) -> Result<u64, Damaged> {
        Ok(self.u64(at)? & far::MAX)
    }
}
