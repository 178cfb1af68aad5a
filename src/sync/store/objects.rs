//! Stores that are named objects: a directory, a bucket, a tree behind HTTP. Where everything lies in them, and both halves of a store
//! over them.
//!
//! ```text
//! blobs/AB/ABCDEF...                  a blob; AB are the first two digits of its name
//! channels/CHANNEL/state              the channel's state
//! channels/CHANNEL/keys/VERSION       a key set; ten digits, so that names sort as versions do
//! channels/CHANNEL/nodes/HEX.json     a node's report; its name in hexadecimal, so that no name is a path
//! ```

use super::Result;
use async_trait::async_trait;
use std::time::Duration;

/// An object's name: segments of `a`-`z`, `0`-`9`, `-`, `.` between slashes, none of them starting with a dot.
pub type Key = str;

/// Which version of an object is meant, by its store: an ETag, a digest.
pub type Tag = String;

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its octets.
    pub bytes: Vec<u8>,
    /// Which version.
    pub tag: Tag,
}

/// What reading an object that may be known gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// There is none.
    Missing,
    /// It is the one that is known.
    Unchanged,
    /// It is another.
    Object(Object),
}

/// What must be there for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect<'a> {
    /// Anything, or nothing.
    Anything,
    /// Nothing.
    Nothing,
    /// This version.
    Tag(&'a Tag),
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: String,
    /// Its octets.
    pub len: u64,
    /// How long ago it was written, by the store's clock.
    pub age: Duration,
}

/// Named objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Reads an object of at most `max` octets, unless it is still `known`.
    async fn read(&self, key: &Key, known: Option<&Tag>, max: u64) -> Result<Read>;
    /// Writes an object as a whole, durably. `Ok(None)`: what is there is not as expected, and nothing has changed.
    async fn write(&self, key: &Key, bytes: Vec<u8>, expect: Expect<'_>) -> Result<Option<Tag>>;
    /// Octets of an object that is there, without reading it.
    async fn len(&self, key: &Key) -> Result<Option<u64>>;
    /// All objects whose names start with this, which ends with a slash; in no stated order.
    async fn list(&self, prefix: &str) -> Result<Vec<Listed>>;
    /// Removes an object, if it is there.
    async fn delete(&self, key: &Key) -> Result<()>;
    /// How often a state that may have changed is read again; each wait is between three and five quarters of it.
    fn poll_interval(&self) -> Duration;
}
