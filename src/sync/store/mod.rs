//! Stores: where releases live. A store is not trusted: it can withhold, never forge, mix or move a node back.
//!
//! ```text
//! Store ─┬─ Blobs      immutable, named by digest: pages, packs, images, segments, manifests
//!        ├─ Channels   one state a channel, replaced by compare-and-set; key sets by version; what nodes report
//!        └─ Permits    tokens of which there are so many and no more: of etcd alone, where a quorum decides
//! ```
//!
//! - [`address`]: what an operator writes: `dir:PATH`, `s3://BUCKET/PREFIX`, `https://HOST/PATH`, `etcd://HOST:PORT/PREFIX`
//! - [`objects`]: stores that are named objects, some of them conditional: both halves over one such thing
//! - [`dir`]: a directory; [`object`]: S3, and HTTP for reading; [`etcd`]: channels in etcd, blobs elsewhere
//!
//! Every method may be called by many at once, and dropped at any await: what was begun is then done or not, never half.

pub mod address;
pub mod dir;
pub mod etcd;
pub mod object;
pub mod objects;

use super::channel::Channel;
use super::codec::Digest;
use super::head::State;
use super::report::NODES_MAX;
use crate::counted::grouped;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// A store, opened.
#[derive(Clone)]
pub struct Store {
    /// As the operator wrote it, without secrets: for messages.
    pub name: String,
    /// Blobs.
    pub blobs: Arc<dyn Blobs>,
    /// Channels.
    pub channels: Arc<dyn Channels>,
    /// Permits; `None`: this store can't give any.
    pub permits: Option<Arc<dyn Permits>>,
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, or did not answer in time: asking again, or another store, may help.
    #[error("{0}")]
    Unavailable(String),
    /// It says no: credentials, permissions, a store that is only read.
    #[error("{0}")]
    Denied(String),
    /// What is there is more than what was asked for can be.
    #[error("{what} has {has} octets, more than {max}")]
    TooLarge {
        /// The object.
        what: String,
        /// Its octets, or as many as were read.
        has: u64,
        /// The bound.
        max: u64,
    },
    /// What is there is not what can be there.
    #[error("{what}: {why}")]
    Malformed {
        /// The object.
        what: String,
        /// Why.
        why: String,
    },
    /// The disk is full, or a quota is used up.
    #[error("no room: {0}")]
    Full(String),
}

impl StoreError {
    /// Whether the same question may be answered later without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Unavailable(_))
    }
}

/// What comes out of a store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Immutable octets by digest. What a digest is of is the caller's to check: a store may give anything.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// All octets, at most `max` of them; `None`: it is not there.
    async fn get(&self, name: &Digest, max: u64) -> Result<Option<Vec<u8>>>;
    /// Durable when it returns, and young from now ([`Blob::age`]), also if it was there. One that was damaged is whole again.
    async fn put(&self, name: &Digest, bytes: Vec<u8>) -> Result<()>;
    /// Which of these are there.
    async fn has(&self, names: &[Digest]) -> Result<Vec<bool>>;
    /// All, in no stated order.
    async fn list(&self) -> Result<Vec<Blob>>;
    /// Removes it, if it is there.
    async fn delete(&self, name: &Digest) -> Result<()>;
}

/// A blob in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// Its name.
    pub name: Digest,
    /// Its octets.
    pub len: u64,
    /// How long ago it was put: from the store's time of writing to this machine's clock.
    pub age: Duration,
}

/// Which of a channel's states is meant; opaque, and the store's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// A channel's state as it is in the store, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Which.
    pub version: Version,
    /// The state's octets: of [`super::head::State`].
    pub bytes: Vec<u8>,
}

impl Versioned {
    /// Reads them.
    pub fn state(&self) -> std::result::Result<State, super::codec::FormatError> {
        State::decode(&self.bytes)
    }
}

/// What nodes reported: the node's name, the report's octets, and how old it is: from the store's time of
/// writing to this machine's clock, or by etcd's lease.
pub type Reports = Vec<(String, Vec<u8>, Duration)>;

/// Whether so many nodes, whose reports lie there, are not too many.
fn at_most_nodes(what: &str, nodes: usize) -> Result<()> {
    if nodes <= NODES_MAX {
        return Ok(());
    }
    let why =
        format!("it has reports of more than {} nodes; remove those that are no nodes'", grouped(NODES_MAX as u64));
    Err(StoreError::Malformed { what: what.into(), why })
}

/// Permits of a channel: each is one of so many slots, held by one at a time.
#[async_trait]
pub trait Permits: Send + Sync {
    /// Takes one of `slots` for `holder`, or goes on with the one that it has; gives its number. `None`: all are taken. It is the holder's
    /// for `ttl` from a moment after the question was sent, and nobody else's until then. A holder is one process: of two with
    /// one name both would have it.
    async fn take(&self, channel: &Channel, holder: &str, slots: u32, ttl: Duration) -> Result<Option<u32>>;
}

/// Channels of a store.
#[async_trait]
pub trait Channels: Send + Sync {
    /// The channels that there are, sorted.
    async fn channels(&self) -> Result<Vec<Channel>>;
    /// A channel's state; `None`: there is no such channel.
    async fn state(&self, channel: &Channel) -> Result<Option<Versioned>>;
    /// Waits until the state is another than `known` and gives it. Takes as long as it takes: a store that polls does so with jitter; one
    /// that watches finds out by itself that it hears nothing. Errors are passing, or somebody must act; call it again after a pause.
    /// `Ok(None)`: there is no such channel, or no more.
    async fn changed(&self, channel: &Channel, known: Option<&Version>) -> Result<Option<Versioned>>;
    /// Replaces the state if it is still `known` (`None`: if there is none). `Ok(None)`: it is not, and nothing has changed.
    async fn replace(&self, channel: &Channel, known: Option<&Version>, bytes: Vec<u8>) -> Result<Option<Version>>;
    /// A key set by its version; `None`: it is not there.
    async fn key_set(&self, channel: &Channel, version: u32) -> Result<Option<Vec<u8>>>;
    /// Keeps a key set under its version, unless there is one already: the answer is whether it was kept.
    async fn put_key_set(&self, channel: &Channel, version: u32, bytes: Vec<u8>) -> Result<bool>;
    /// A node says how it is. It is forgotten after `ttl` where the store can forget, and is shown with its age elsewhere, for [`KEPT_MAX`].
    async fn report(&self, channel: &Channel, node: &str, bytes: Vec<u8>, ttl: Duration) -> Result<()>;
    /// What nodes said last, and within [`KEPT_MAX`], sorted by their names; an error if they are more than [`NODES_MAX`].
    async fn reports(&self, channel: &Channel) -> Result<Reports>;
}
