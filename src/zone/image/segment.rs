//! Segments, and the memory that they lie in: shared by all versions of a zone that have them.

use super::{Image, ImageError};
use crate::zone::layout::SEGMENT_MAX;
use crate::zone::memory::{self, ARENA};
use std::collections::HashMap;
use std::sync::Arc;

/// A part of an image, as a divisor: segments that lie alone are put together when they are so many (huge pages need large
/// allocations), and so much at most moves at a change because an arena has emptied.
const MOVED: usize = 8;
/// But so much may always move.
const MOVED_MIN: usize = 4 << 20;

/// A part of an image, under the digest of its octets. Cloning it shares them.
#[derive(Clone)]
pub struct Segment {
    digest: [u8; 32],
    piece: Piece,
}

impl Segment {
    /// Takes the octets that this digest names: all of them are hashed.
    pub fn open(mut bytes: Vec<u8>, digest: &[u8; 32]) -> Result<Segment, ImageError> {
        if bytes.len() > SEGMENT_MAX {
            return Err(ImageError::Inconsistent("a segment is too large"));
        }
        if blake3::hash(&bytes).as_bytes() != digest {
            return Err(ImageError::SegmentDigest(*digest));
        }
        // It is kept as long as a version has it.
        bytes.shrink_to_fit();
        Ok(Segment { digest: *digest, piece: Piece::alone(bytes) })
    }

    pub(super) fn new(piece: Piece, digest: [u8; 32]) -> Segment {
        Segment { digest, piece }
    }

    pub(super) fn into_piece(self) -> Piece {
        self.piece
    }

    /// BLAKE3 digest of its octets: its name.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Its octets.
    pub fn bytes(&self) -> &[u8] {
        self.piece.bytes()
    }
}

/// A segment's octets, alone in memory or in an arena with others.
#[derive(Clone)]
pub(in crate::zone) struct Piece {
    arena: Arc<Vec<u8>>,
    start: u32,
    len: u32,
}

impl Piece {
    fn alone(bytes: Vec<u8>) -> Piece {
        Piece { len: bytes.len() as u32, arena: Arc::new(bytes), start: 0 }
    }

    /// The octets of an arena of at most 4 GiB, cut after these lengths.
    pub(in crate::zone) fn cut(arena: Vec<u8>, lens: impl IntoIterator<Item = usize>) -> impl Iterator<Item = Piece> {
        memory::collapse(&arena);
        let arena = Arc::new(arena);
        lens.into_iter().scan(0, move |start, len| {
            let piece = Piece { arena: arena.clone(), start: *start, len: len as u32 };
            *start += len as u32;
            Some(piece)
        })
    }

    /// The octets.
    #[inline]
    pub(in crate::zone) fn bytes(&self) -> &[u8] {
        &self.arena[self.start as usize..self.start as usize + self.len as usize]
    }

    fn is_alone(&self) -> bool {
        self.arena.len() == self.len as usize
    }
}

/// The segments of an image as they are put together: those that lie alone move into arenas when they are many, and so do what
/// is left of arenas that have emptied. Where they lie is nothing that anybody else sees.
pub(super) struct Shelf {
    pieces: Vec<Piece>,
    /// Which of them lie alone, and their octets.
    alone: Vec<usize>,
    alone_len: usize,
}

impl Shelf {
    /// For so many segments.
    pub(super) fn with_capacity(segments: usize) -> Shelf {
        Shelf { pieces: Vec::with_capacity(segments), alone: Vec::new(), alone_len: 0 }
    }

    /// Adds the next segment.
    pub(super) fn push(&mut self, piece: Piece) {
        if piece.is_alone() {
            self.alone.push(self.pieces.len());
            self.alone_len += piece.bytes().len();
        }
        self.pieces.push(piece);
        if self.alone_len >= ARENA {
            let alone = std::mem::take(&mut self.alone);
            self.alone_len = 0;
            self.gather(&alone);
        }
    }

    /// All of them.
    pub(super) fn finish(mut self) -> Arc<[Piece]> {
        let total: usize = self.pieces.iter().map(|piece| piece.bytes().len()).sum();
        let mut left = (total / MOVED).max(MOVED_MIN);
        if self.alone_len >= left {
            let alone = std::mem::take(&mut self.alone);
            self.gather(&alone);
        }
        let mut live = HashMap::<*const Vec<u8>, (usize, Vec<usize>)>::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            let (octets, pieces) = live.entry(Arc::as_ptr(&piece.arena)).or_default();
            *octets += piece.bytes().len();
            pieces.push(index);
        }
        let arena_len = |pieces: &[usize]| self.pieces[pieces[0]].arena.len();
        let mut sparse: Vec<_> =
            live.into_values().filter(|(octets, pieces)| *octets < arena_len(pieces) / 2).collect();
        // The emptiest first; which of them is first among equals changes no octet of the image.
        sparse.sort_by_key(|(octets, pieces)| (*octets, pieces[0]));
        for (_, mut pieces) in sparse {
            // What does not move now moves with the next change.
            pieces.retain(|&index| {
                let len = self.pieces[index].bytes().len();
                let moves = len <= left;
                left -= if moves { len } else { 0 };
                moves
            });
            self.gather(&pieces);
        }
        self.pieces.into()
    }

    /// Moves these, if there are any, into an arena of their own.
    fn gather(&mut self, which: &[usize]) {
        if which.is_empty() {
            return;
        }
        let mut arena = Vec::with_capacity(which.iter().map(|&index| self.pieces[index].bytes().len()).sum());
        memory::prefer_huge_pages(&mut arena);
        let mut lens = Vec::with_capacity(which.len());
        for &index in which {
            let bytes = self.pieces[index].bytes();
            arena.extend_from_slice(bytes);
            lens.push(bytes.len());
            // What was alone goes now, not when all are here.
            self.pieces[index] = Piece::alone(Vec::new());
        }
        for (&index, piece) in which.iter().zip(Piece::cut(arena, lens)) {
            self.pieces[index] = piece;
        }
    }
}

impl Image {
    /// The same image, in the memory of `old` where that has the same segments.
    pub(in crate::zone) fn sharing(mut self, old: &Image) -> Image {
        let here: HashMap<[u8; 32], Piece> = old.segments().map(|segment| (segment.digest, segment.piece)).collect();
        if !here.is_empty() && self.segments.is_some() {
            let mut shelf = Shelf::with_capacity(self.segments().len());
            for Segment { digest, piece } in self.segments() {
                shelf.push(here.get(&digest).cloned().unwrap_or(piece));
            }
            self.segments = Some(shelf.finish());
        }
        self
    }
}

#[cfg(test)]
impl Image {
    /// Octets of memory that the segments hold, and those that they have.
    pub(in crate::zone) fn memory(&self) -> (usize, usize) {
        let pieces = self.segments.as_deref().unwrap_or_default();
        let arenas: HashMap<_, _> = pieces.iter().map(|piece| (Arc::as_ptr(&piece.arena), piece.arena.len())).collect();
        (arenas.values().sum(), pieces.iter().map(|piece| piece.bytes().len()).sum())
    }
}
