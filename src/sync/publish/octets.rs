//! Octets of blobs that are to be put.

use crate::zone::image::Segment;
use std::sync::Arc;

/// A blob's octets. Those of segments stay where the image has them: a large zone's are as many as fit into memory once.
#[derive(Clone)]
pub enum Octets {
    /// Octets of a page, a pack, a root, a manifest.
    Own(Arc<[u8]>),
    /// A segment's.
    Segment(Segment),
}

impl std::ops::Deref for Octets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Octets::Own(octets) => octets,
            Octets::Segment(segment) => segment.bytes(),
        }
    }
}

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Octets {
        Octets::Own(octets.into())
    }
}
