//! The layout of a zone image: the numbers that its writer (`compile`) and its reader (`image`) share.
//!
//! All integers are little-endian, except the RDLENGTHs, which are copied into messages as they are. A *ref* is a byte
//! offset from the image's start in 40 bits.
//!
//! ```text
//! image      header | apex name | directory | buckets | shared RRsets | hidden nodes | BLAKE3 digest of all before (32)
//! directory  (buckets + 1) x ref: bucket b is what lies between entries b and b + 1
//! bucket     count u8 | count x (tag u8, place in the bucket u24) | the nodes, each followed by the RRsets that only it has
//! node       flags u8 | name length u8 | RRsets u8 | name | [wildcard ref] | RRsets x (type u16, ref), by type
//! RRset      TTL u32 | count u16 | length of all RDATA u16 | flags u8 | count x (RDLENGTH u16 big-endian, RDATA)
//!            | [hints] | [extras]
//! hints      for each name in the RDATA of a compressible type: cut u8 | target u8 | place u8
//! extras     count u8 | count x (index of the RR u8, place of the name in its RDATA u8, flags u8, node ref)
//! hidden     hidden nodes, each behind its length with RRsets u32, in canonical order
//! ```
//!
//! A node's name is the owner without the apex and without the root's zero, case as written; the apex node's is empty.
//! A name's bucket is `hash * buckets / 2^64`, its tag the hash's low 8 bits, with hash = XXH3-64 (with the header's
//! seed) of that name in lower case. Hidden nodes are the occluded names (RFC 9499 section 7: below a cut or DNAME, glue
//! among them): they are no answer to any question, so no bucket has them; extras point to them.

/// First octets of each image.
pub(super) const MAGIC: [u8; 8] = *b"CATCHMNT";
/// This build's layout. A reader takes this version and the one before (there is none yet).
pub(super) const VERSION: u32 = 1;

/// Where the header's fields lie.
pub(super) mod header {
    /// u32
    pub(crate) const VERSION: usize = 8;
    /// u32
    pub(crate) const SERIAL: usize = 12;
    /// u64: octets of the whole image, digest included.
    pub(crate) const LEN: usize = 16;
    /// u64
    pub(crate) const RECORDS: usize = 24;
    /// u64
    pub(crate) const SEED: usize = 32;
    /// u64: number of buckets, 1 at least.
    pub(crate) const BUCKETS: usize = 40;
    /// u64
    pub(crate) const DIRECTORY: usize = 48;
    /// u64
    pub(crate) const HIDDEN: usize = 56;
    /// u64: where the hidden nodes end.
    pub(crate) const HIDDEN_END: usize = 64;
    /// u64: the apex node.
    pub(crate) const APEX_NODE: usize = 72;
    /// u32: the SOA's TTL in negative answers (RFC 2308 section 3).
    pub(crate) const NEGATIVE_TTL: usize = 80;
    /// u8: labels below the apex of the deepest name in a bucket.
    pub(crate) const DEPTH: usize = 84;
    /// u8: octets of the apex name.
    pub(crate) const APEX_LEN: usize = 85;
    /// The whole header; the apex name follows.
    pub(crate) const SIZE: usize = 88;
}

/// Octets of a ref.
pub(super) const REF: usize = 5;
/// Largest ref.
pub(super) const REF_MAX: u64 = (1 << 40) - 1;
/// Octets of the digest at the end.
pub(super) const DIGEST: usize = 32;
/// Names that a bucket has on average.
pub(super) const BUCKET_MEAN: usize = 4;
/// Most names in one bucket: the stated bound on a lookup. Random names exceed it with a chance of 1e-18 a bucket; names
/// chosen to collide make the compiler choose another seed.
pub(super) const BUCKET_MAX: usize = 32;
/// An RRset larger than this lies apart from its node, so that buckets stay within a few cache lines.
pub(super) const INLINE_MAX: usize = 256;

/// Flags of a node.
pub(super) mod node {
    /// A zone cut: NS below the apex.
    pub(crate) const CUT: u8 = 1;
    /// Has a DNAME.
    pub(crate) const DNAME: u8 = 2;
    /// Has a child `*`, whose ref follows the name.
    pub(crate) const WILDCARD: u8 = 4;
    /// Octets before the name.
    pub(crate) const FIXED: usize = 3;
    /// Octets of an RRset's entry.
    pub(crate) const ENTRY: usize = 2 + super::REF;
}

/// Flags of an RRset, and its sizes.
pub(super) mod rrset {
    /// Hints follow the RDATA.
    pub(crate) const HINTS: u8 = 1;
    /// Extras come last.
    pub(crate) const EXTRAS: u8 = 2;
    /// Octets before the RDATA.
    pub(crate) const FIXED: usize = 9;
    /// Octets of one hint.
    pub(crate) const HINT: usize = 3;
    /// Octets of one extra.
    pub(crate) const EXTRA: usize = 3 + super::REF;
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
    /// Instead of a place in the RDATA: the name is the RRset's owner (SVCB with target `.`, RFC 9460 section 2.5.2).
    pub(crate) const AT_OWNER: u8 = 0xff;
    /// Most extras of an RRset; and only its first so many RRs have any.
    pub(crate) const MAX: usize = 64;
}

/// Octets that an RRset may take in a message, so that it fits one TCP message with question and OPT.
pub(super) const RRSET_WIRE_MAX: usize = 64_000;

/// The hash of a name: its wire form in lower case, without the apex and without the root's zero.
pub(super) fn hash(seed: u64, relative_lower: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(relative_lower, seed)
}

/// The bucket of a hash.
pub(super) fn bucket(hash: u64, buckets: u64) -> u64 {
    ((hash as u128 * buckets as u128) >> 64) as u64
}

#[cfg(test)]
mod tests {
    /// The hash is part of the format: these values are those of the XXH3 specification's reference implementation.
    #[test]
    fn hash_is_xxh3() {
        assert_eq!(super::hash(0, b""), 0x2d06800538d394c2);
        assert_eq!(super::hash(0, b"abc"), 0x78af5f94892f3950);
    }
}
