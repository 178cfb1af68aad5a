//! A release: the whole set of zone images at one generation, under one signature. Its formats, and what a node believes.
//!
//! Enters: octets from a store that nobody trusts, settings, what the node already has. Leaves: values that are known to be
//! well-formed, signed and newer, or a typed refusal. Never in here: files, sockets, the clock, randomness. Whoever fetches
//! and stores calls these functions.
//!
//! ```text
//! root keys -- sign --> key set -- names --> release keys -- sign --> manifest --> page tree --> images, packed or alone
//! (settings)            (version)            (CI)                     (generation)  ^
//!                                                                     freshness ----+-- which manifest is the head, and when
//! ```
//!
//! The modules, lowest first:
//!
//! - [`codec`]: checked little-endian octets, digests, and what can be wrong with a format
//! - [`channel`]: names of channels, and generations
//! - [`zone_name`]: names of zones in canonical order
//! - [`key`]: Ed25519 keys, their ids and files
//! - [`signed`]: the envelope of all that is signed; [`extension`]: how fields are added later
//! - [`key_set`], [`manifest`], [`freshness`], [`trial`]: the four signed documents
//! - [`page`]: a page of zones; [`tree`]: building a tree of them, fetching it, comparing two
//! - [`pack`]: small images together in one blob; [`packing`] settles which
//! - [`trust`]: what a node accepts, and why not
//! - [`head`]: a channel's state, the one object that is replaced; [`report`]: what a node says of itself, with the [`question`]s that it
//!   is asked
//!
//! Around them, with I/O:
//!
//! - [`disk`]: files of one directory; [`store`]: where releases live
//! - [`permit`]: how many nodes may withdraw because they are stale
//! - [`publish`]: making releases, and looking after a store
//!
//! # Why these formats
//!
//! By hand, in fixed fields. Every value must have exactly one encoding, or digests would not name values; every list
//! needs its own bound and order checked; a serializer would save a hundred lines and leave those checks to be written all the
//! same. Nothing is compressed, so nothing explodes: each decoder allocates at most a small multiple of what it was given, and
//! refuses what is longer than its bound before reading it.
//!
//! Blobs are named by BLAKE3: pages, packs, manifests by that of all their octets; an image by the digest it ends with, which is
//! that of all octets before. No name of a zone is ever part of a path.

pub mod cache;
pub mod channel;
pub mod codec;
pub mod disk;
pub mod extension;
pub mod follow;
pub mod freshness;
pub mod head;
pub mod key;
pub mod key_set;
pub mod manifest;
pub mod pack;
pub mod packing;
pub mod page;
pub mod permit;
pub mod publish;
pub mod question;
pub mod report;
pub mod signed;
pub mod store;
pub mod tree;
pub mod trial;
pub mod trust;
pub mod zone_name;
