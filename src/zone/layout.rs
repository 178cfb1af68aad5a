//! The layout of a zone image: the numbers that its writer (`compile`) and its reader (`image`) share.
//!
//! An image of up to 256 KiB is *flat*: one run of octets. A larger one is a *root* and *segments*, each a blob of its own, so that
//! versions of a zone share those that are equal. All integers are little-endian, except the RDLENGTHs, which are copied into
//! messages as they are. A *place* is an octet's distance, in 24 bits, from the start of the run that it is in: flat image, root or
//! segment.
//!
//! ```text
//! flat image    header | apex name | [hashing] | apex node | table of names | table of far items | [order] | BLAKE3 digest of all before
//!               (32)
//! root          header | apex name | [hashing] | apex node | [fences] | segments x (BLAKE3 digest (32), length u32)
//!               | BLAKE3 digest of all before (32)
//! segment       table of names or of far items, or order, 5 zeros; those of names come first, then those of far items
//! table         (buckets + 1) x place: bucket b is what lies between entries b and b + 1 | the buckets
//! names' bucket count u8 | count x (tag u8, place u24) | the nodes
//! far bucket    count u8 | count x (key u12, place u20) | nodes and RRsets
//! node          flags u8 | name length u8 | RRsets u8 | name | [wildcard's place, if flat] | RRsets x (type u16, ref), by type
//!               | the RRsets that only it has | the nodes that only it needs
//! RRset         TTL u32 | count u16 | length of all RDATA u16 | flags u8 | count x (RDLENGTH u16 big-endian, RDATA)
//!               | [signatures] | [hints] | [extras]
//! signatures    TTL u32 | count u16 | length of all RDATA u16 | count x (RDLENGTH u16 big-endian, RDATA)
//! hints         for each name in the RDATA of a compressible type: cut u8 | target u8 | place u8
//! extras        count u8 | count x (index of the RR u8, place of the name in its RDATA u8, flags u8, target)
//! ref           place u24, bit 23 clear; or a far ref u40, its bit 23 set
//! target        by the flags: place u24, far ref u40, the name's hash u64, or nothing for the apex
//! far ref       bits 0 to 11: key; 23: set; the others: the first 27 bits of the item's hash, bits 24 to 39 the higher ones
//! order         slots u32 | length of the prefix u16 | prefix | slots x u64 | pages, or NSEC3 records
//! slot          bits 0 to 23: distance from the order's start; the others: the 40 bits of the key that follow the prefix
//! page          count u8 | count x (shared number, length number, octets, the name's hash u64)
//! NSEC3 record  32 | label, as written (32) | RRset
//! number        u8 below 128; or two octets, the higher 7 bits first, with bit 7 set
//! hashing       hash of the apex (20) | hash of the apex's child `*` (20) | salt
//! fences        (segments of the order - 1) x distance from the fences' start u24 | as many x (length u16, key)
//! ```
//!
//! A node's name is the owner without the apex and without the root's zero, case as written; the apex node's is empty. Its hash is
//! XXH3-64, with the header's seed, of that name in lower case; its tag the hash's low 8 bits. A [`Grid`] says in which segment and
//! bucket a hash lies: by its first bits, so that what is added to a zone moves nothing else.
//!
//! **Hidden nodes** are the occluded names (RFC 9499 section 7: below a cut or DNAME, glue among them): they are no answer to any
//! question, so no names' bucket has them; extras point to them. Glue that nothing but its own cut needs lies behind that cut.
//!
//! **Far items** are what several need: RRsets that are equal at several names, other hidden nodes, and RRsets too large for a
//! bucket. An item's hash is that of its name or content (the extras' targets by their hashes), its key an 11-bit tag and, lowest,
//! whether it is a node. The tag is the hash's low 11 bits; where two in a bucket have the same, the one of the smaller hash has
//! it, and the other the next free one. So a ref stays what it is whatever is added elsewhere. In a flat image nothing has a far
//! ref: a place will do.
//!
//! **Signatures** are the RRSIG records that cover an RRset. Those at names that are not authoritative, and those that cover
//! nothing, are RRsets of type RRSIG.
//!
//! **The order** is what denials are found in; a signed zone has it. With NSEC, its keys are the names that own NSEC records, as octets
//! whose order is the canonical one (`order.rs`). They lie in pages of [`order::PAGE`], each name without what it shares with the one
//! before, the first one without the prefix that all of the order's names have; a page's key is that of its first name. With NSEC3, the
//! keys are the hashes in the owners' labels, and the records themselves lie here: no question finds these names (RFC 5155 section
//! 7.2.8). A large order is cut into segments where the content says so ([`order::is_boundary`]); a fence is the key that a segment but the
//! first one starts with.

/// First octets of each image.
pub(super) const MAGIC: [u8; 8] = *b"CATCHMNT";
/// This build's layout: the first that is released, so a reader takes no other.
pub(super) const VERSION: u32 = 3;

/// Where the header's fields lie.
pub(super) mod header {
    /// u32
    pub(crate) const VERSION: usize = 8;
    /// u32
    pub(crate) const SERIAL: usize = 12;
    /// u64: octets of the whole image, segments and digest included.
    pub(crate) const LEN: usize = 16;
    /// u64: octets of the flat image or root, digest included.
    pub(crate) const ROOT_LEN: usize = 24;
    /// u64
    pub(crate) const RECORDS: usize = 32;
    /// u64
    pub(crate) const SEED: usize = 40;
    /// u32: buckets of names in a segment, 1 at least.
    pub(crate) const NAME_BUCKETS: usize = 48;
    /// u32: buckets of far items in a segment; 0: there are no far items, nor segments of them.
    pub(crate) const FAR_BUCKETS: usize = 52;
    /// u32: place of the names' table in its run.
    pub(crate) const NAME_TABLE: usize = 56;
    /// u32: place of the far items' table in its run.
    pub(crate) const FAR_TABLE: usize = 60;
    /// u32: place of the apex node.
    pub(crate) const APEX_NODE: usize = 64;
    /// u32: the SOA's TTL in negative answers (RFC 2308 section 3).
    pub(crate) const NEGATIVE_TTL: usize = 68;
    /// u8: 0 for a flat image, 1 for a root.
    pub(crate) const FORM: usize = 72;
    /// u8: a hash's bits that choose the segment of a name.
    pub(crate) const NAME_BITS: usize = 73;
    /// u8: a hash's bits that choose the segment of a far item.
    pub(crate) const FAR_BITS: usize = 74;
    /// u8: labels below the apex of the deepest name in a bucket.
    pub(crate) const DEPTH: usize = 75;
    /// u8: octets of the apex name.
    pub(crate) const APEX_LEN: usize = 76;
    /// u8: how names and types are denied: 0 not, 1 by NSEC, 2 by NSEC3.
    pub(crate) const DENIAL: usize = 77;
    /// u8: octets of the salt of NSEC3.
    pub(crate) const SALT_LEN: usize = 78;
    /// u16: iterations of NSEC3.
    pub(crate) const ITERATIONS: usize = 79;
    /// u32: place of the order in its run.
    pub(crate) const ORDER: usize = 81;
    /// u32: segments of the order.
    pub(crate) const ORDER_SEGMENTS: usize = 85;
    /// u32: place of the fences.
    pub(crate) const FENCES: usize = 89;
    /// u32: when the first signature of the zone ends, as RRSIG has it; 0: there is none.
    pub(crate) const SIGNATURES_END: usize = 93;
    /// The whole header; the apex name follows.
    pub(crate) const SIZE: usize = 97;
}

/// Largest flat image. As large as what synchronization packs together: a larger one is fetched by its parts.
pub(super) const FLAT_MAX: u64 = 256 << 10;
/// Octets that a segment is meant to have at most; half as many at least, on average.
pub(super) const SEGMENT_AIM: u64 = 256 << 10;
/// Most octets of a segment: random names and contents keep well below it; chosen ones make the compiler choose another seed.
pub(super) const SEGMENT_MAX: usize = 1 << 20;
/// Octets of a segment's entry in the root.
pub(super) const SEGMENT_ENTRY: usize = DIGEST + 4;
/// Most bits of a hash that choose a segment.
pub(super) const BITS_MAX: u8 = 22;
/// Largest image: 2^22 segments of names have that on average.
pub(super) const IMAGE_MAX: u64 = 1 << 40;
/// Octets of a place.
pub(super) const PLACE: usize = 3;
/// Largest place.
pub(super) const PLACE_MAX: u64 = (1 << (8 * PLACE)) - 1;
/// Zeros at the end of a segment, so that its last place can be read with one load of eight octets.
pub(super) const PADDING: usize = 8 - PLACE;
/// Octets of the digest at the end.
pub(super) const DIGEST: usize = 32;
/// Octets of a slot in a bucket.
pub(super) const SLOT: usize = 4;
/// Names or far items that a bucket has on average, at most.
pub(super) const BUCKET_MEAN: usize = 4;
/// Most names or far items in one bucket: the stated bound on a lookup. Random names exceed it with a chance of 1e-18 a bucket;
/// names chosen to collide make the compiler choose another seed.
pub(super) const BUCKET_MAX: usize = 32;
/// An RRset larger than this lies apart from its node, so that buckets stay within a few cache lines.
pub(super) const INLINE_MAX: usize = 256;
/// The apex's own RRsets lie in the root, beside the SOA that changes with each version: up to this size.
pub(super) const APEX_INLINE_MAX: usize = 16 << 10;
/// The same for an RRset with signatures: RSA's are large, and needed whenever it is.
pub(super) const SIGNED_INLINE_MAX: usize = 1024;
/// Octets of the zone's records written out, for each octet of the image: equal RRsets are kept once, and without a bound an image
/// of a megabyte could stand for more records than anybody can read.
pub(super) const EXPANSION_MAX: u64 = 4096;

/// Where hashes lie: a table in 2^bits segments, each of so many buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// The hash's first bits that choose the segment.
    pub(super) bits: u8,
    /// Buckets of each segment.
    pub(super) buckets: u32,
}

impl Grid {
    /// For so many items with so many octets. In steps, a power of two of segments and eight steps an octave for the buckets: so
    /// that one item more hardly ever moves all others.
    pub(super) fn new(items: usize, octets: u64) -> Grid {
        let bits = octets.div_ceil(SEGMENT_AIM).next_power_of_two().trailing_zeros();
        let buckets = items.div_ceil(BUCKET_MEAN << bits).max(1);
        let step = 1usize << buckets.ilog2().saturating_sub(3);
        Grid { bits: bits as u8, buckets: buckets.next_multiple_of(step) as u32 }
    }

    /// For so many items in one run.
    pub(super) fn flat(items: usize) -> Grid {
        Grid::new(items, 0)
    }

    /// How many segments.
    pub(super) fn segments(self) -> usize {
        if self.buckets == 0 { 0 } else { 1 << self.bits }
    }

    /// Octets of a segment's table beside its slots and what they stand for: the directory, and each bucket's count.
    pub(super) fn directory_len(self) -> usize {
        (self.buckets as usize + 1) * PLACE + self.buckets as usize
    }

    /// The segment of a hash, and its bucket there.
    #[inline]
    pub(super) fn place(self, hash: u64) -> (usize, usize) {
        // In two shifts: one by 64 is none.
        let segment = hash >> 1 >> (63 - self.bits);
        let bucket = (u128::from(hash << self.bits) * u128::from(self.buckets)) >> 64;
        (segment as usize, bucket as usize)
    }
}

/// Far refs.
pub(super) mod far {
    /// This bit tells a far ref from a place.
    pub(crate) const FLAG: u64 = 1 << 23;
    /// Octets of a far ref.
    pub(crate) const LEN: usize = 5;
    /// Largest far ref.
    pub(crate) const MAX: u64 = (1 << (8 * LEN)) - 1;
    /// Bits of a key.
    pub(crate) const KEY_BITS: u32 = 12;
    /// A key's lowest bit: the item is a node, not an RRset.
    pub(crate) const NODE: u16 = 1;
    /// Bits of the hash in a ref.
    const HASH_BITS: u32 = 27;
    /// Of these, those below bit 23.
    const LOW_BITS: u32 = 11;

    /// The key of an item whose tag is not taken in its bucket.
    pub(crate) fn key(hash: u64, is_node: bool) -> u16 {
        (hash as u16) << 1 & ((1 << KEY_BITS) - 1) | if is_node { NODE } else { 0 }
    }

    /// The key with the next tag.
    pub(crate) fn next_key(key: u16) -> u16 {
        (key + 2) & ((1 << KEY_BITS) - 1)
    }

    /// That part of a hash which refs have: it alone chooses the bucket.
    pub(crate) fn prefix(hash: u64) -> u64 {
        hash & (u64::MAX << (64 - HASH_BITS))
    }

    /// The ref to an item.
    pub(crate) fn reference(hash: u64, key: u16) -> u64 {
        let prefix = hash >> (64 - HASH_BITS);
        let low = prefix & ((1 << LOW_BITS) - 1);
        u64::from(key) | low << KEY_BITS | FLAG | prefix >> LOW_BITS << 24
    }

    /// Prefix and key of a ref.
    #[inline]
    pub(crate) fn parts(reference: u64) -> (u64, u16) {
        let low = reference >> KEY_BITS & ((1 << LOW_BITS) - 1);
        let prefix = reference >> 24 << LOW_BITS | low;
        (prefix << (64 - HASH_BITS), reference as u16 & ((1 << KEY_BITS) - 1))
    }
}

/// Flags of a node.
pub(super) mod node {
    /// A zone cut: NS below the apex.
    pub(crate) const CUT: u8 = 1;
    /// Has a DNAME.
    pub(crate) const DNAME: u8 = 2;
    /// Has a child `*`; in a flat image its place follows the name.
    pub(crate) const WILDCARD: u8 = 4;
    /// Octets before the name.
    pub(crate) const FIXED: usize = 3;
    /// Octets of an RRset's entry whose ref is a place.
    pub(crate) const ENTRY: usize = 2 + super::PLACE;
    /// Octets of an RRset's entry whose ref is far.
    pub(crate) const FAR_ENTRY: usize = 2 + super::far::LEN;
}

/// Flags of an RRset, and its sizes.
pub(super) mod rrset {
    /// Hints follow the RDATA.
    pub(crate) const HINTS: u8 = 1;
    /// Extras come last.
    pub(crate) const EXTRAS: u8 = 2;
    /// Signatures follow the RDATA.
    pub(crate) const SIGNATURES: u8 = 4;
    /// Octets before the RDATA.
    pub(crate) const FIXED: usize = 9;
    /// Octets before the RDATA of signatures.
    pub(crate) const SIGNATURES_FIXED: usize = 8;
    /// Octets of one hint.
    pub(crate) const HINT: usize = 3;
}

/// Targets of a hint: the name from its octet `cut` on equals, byte for byte ...
pub(super) mod hint {
    /// Nothing: the name is written out.
    pub(crate) const NONE: u8 = 0xff;
    /// ... the apex.
    pub(crate) const APEX: u8 = 0xfe;
    /// ... the RRset's owner.
    pub(crate) const OWNER: u8 = 0xfd;
    /// Less than this: ... what follows octet `place` of that one of the RRset's names; it lies before that name's own cut.
    pub(crate) const NAMES: usize = 64;
}

/// Flags of an extra.
pub(super) mod extra {
    /// Glue for a name server below the cut itself: without it the referral is useless, so that it must fit or TC is set
    /// (RFC 9471 section 3.1).
    pub(crate) const REQUIRED: u8 = 1;
    /// The node lies behind this cut, and is found nowhere else.
    pub(crate) const OWN: u8 = 2;
    /// What the target is given by: these two bits.
    pub(crate) const TARGET: u8 = 4 | 8;
    /// A place in the same run.
    pub(crate) const PLACE: u8 = 0;
    /// A far ref.
    pub(crate) const FAR: u8 = 4;
    /// The hash of the name of a node in a names' bucket.
    pub(crate) const HASH: u8 = 8;
    /// Nothing: it is the apex.
    pub(crate) const APEX: u8 = 4 | 8;
    /// Octets before the target.
    pub(crate) const FIXED: usize = 3;
    /// Octets of the target.
    pub(crate) const fn target_len(flags: u8) -> usize {
        match flags & TARGET {
            PLACE => super::PLACE,
            FAR => super::far::LEN,
            HASH => 8,
            _ => 0,
        }
    }
    /// Instead of a place in the RDATA: the name is the RRset's owner (SVCB with target `.`, RFC 9460 section 2.5.2).
    pub(crate) const AT_OWNER: u8 = 0xff;
    /// Most extras of an RRset; and only its first so many RRs have any.
    pub(crate) const MAX: usize = 64;
}

/// How names and types are denied.
pub(super) mod denial {
    /// They are not: the zone is not signed, or not wholly.
    pub(crate) const NONE: u8 = 0;
    /// By NSEC (RFC 4034 section 4).
    pub(crate) const NSEC: u8 = 1;
    /// By NSEC3 (RFC 5155).
    pub(crate) const NSEC3: u8 = 2;
}

/// The order.
pub(super) mod order {
    /// Octets before the prefix.
    pub(crate) const FIXED: usize = 6;
    /// Octets of a slot.
    pub(crate) const SLOT: usize = 8;
    /// Bits of a slot that are the distance.
    pub(crate) const DISTANCE_BITS: u32 = 24;
    /// Octets of a key that a slot has.
    const KEY: usize = 5;
    /// Names in a page.
    pub(crate) const PAGE: usize = 16;
    /// Octets of an NSEC3 record before its RRset: its label with its length.
    pub(crate) const LABEL: usize = 33;
    /// Octets of a segment of the order: none ends before the first number, the second more follow on average, and each
    /// ends before the third is exceeded.
    const MIN: usize = 32 << 10;
    const MEAN: usize = 96 << 10;
    const MAX: usize = 512 << 10;

    /// What a slot has of a key behind the prefix.
    #[inline]
    pub(crate) fn slot_key(behind_prefix: &[u8]) -> u64 {
        let mut octets = [0; 8];
        let len = behind_prefix.len().min(KEY);
        octets[8 - KEY..][..len].copy_from_slice(&behind_prefix[..len]);
        u64::from_be_bytes(octets)
    }

    /// Whether a segment that has `before` octets ends before the next item, of `len` octets and with this hash. Where it is long
    /// enough the item alone decides: so what is added to a zone moves cuts near it, and no others.
    pub(crate) fn is_boundary(before: usize, hash: u64, len: usize) -> bool {
        let chosen = u64::from(hash as u32) * (MEAN as u64) < (len as u64) << 32;
        before >= MIN && chosen || before + len > MAX
    }
}

/// Most iterations of NSEC3 that are served: RFC 5155 section 10.3 allows them for keys of 2,048 bits. RFC 9276 wants none, and each
/// makes a negative answer dearer.
pub(super) const ITERATIONS_MAX: u16 = 500;

/// Octets that an RRset may take in a message, so that it fits one TCP message with question and OPT.
pub(super) const RRSET_WIRE_MAX: usize = 64_000;

/// The hash of a name: its wire form in lower case, without the apex and without the root's zero.
pub(super) fn hash(seed: u64, relative_lower: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(relative_lower, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash is part of the format: these values are those of the XXH3 specification's reference implementation.
    #[test]
    fn hash_is_xxh3() {
        assert_eq!(super::hash(0, b""), 0x2d06800538d394c2);
        assert_eq!(super::hash(0, b"abc"), 0x78af5f94892f3950);
    }

    #[test]
    fn far_refs_there_and_back() {
        for hash in [0, u64::MAX, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210] {
            for is_node in [false, true] {
                let key = far::key(hash, is_node);
                let reference = far::reference(hash, key);
                assert!(reference & far::FLAG != 0 && reference < 1 << 40);
                assert_eq!(far::parts(reference), (far::prefix(hash), key));
                assert_eq!(key & far::NODE != 0, is_node);
            }
        }
    }

    /// One name more moves the others at one in ten steps of a hundredth, not at each; and no bucket has more than four, or much
    /// less than that, on average.
    #[test]
    fn grids_change_seldom() {
        let (mut last, mut changes) = (Grid::flat(1), 0);
        for names in (1..200_000).step_by(7) {
            let grid = Grid::new(names, 64 * names as u64);
            changes += usize::from(grid != last);
            last = grid;
            let mean = names as f64 / (grid.segments() * grid.buckets as usize) as f64;
            assert!(mean <= 4.0 && (names < 40 || mean > 3.4), "{names}: {mean}");
            assert!((64 * names as u64) >> grid.bits <= SEGMENT_AIM);
        }
        assert!(changes < 130, "{changes}");
    }

    #[test]
    fn every_hash_has_its_bucket() {
        for grid in [Grid { bits: 0, buckets: 1 }, Grid { bits: 0, buckets: 7 }, Grid { bits: 8, buckets: 900 }] {
            assert_eq!(grid.place(0), (0, 0));
            assert_eq!(grid.place(u64::MAX), (grid.segments() - 1, grid.buckets as usize - 1));
        }
    }
}
