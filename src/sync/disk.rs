//! Files of one directory: what a node keeps, and what a store in a directory is made of.
//!
//! The seam for faults: tests put a disk in its place that ends the process at any write, loses what was not synced, or is full.

mod directory;

pub use directory::Directory;

use super::codec::Digest;
use async_trait::async_trait;
use std::io;
use std::time::Duration;

/// A file in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path below the disk's directory, with slashes.
    pub path: String,
    /// Its octets.
    pub len: u64,
    /// How long ago it was written.
    pub age: Duration,
}

/// A directory of files that are written as a whole. Paths are relative, with slashes, and never leave the directory.
#[async_trait]
pub trait Disk: Send + Sync {
    /// All octets of a file, at most `max`; `None`: it is not there. A longer one is an error of kind `FileTooLarge`, a full disk at any
    /// write one of kind `StorageFull`.
    async fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>>;
    /// Octets of a file that is there, without reading it where that is possible.
    async fn len(&self, path: &str) -> io::Result<Option<u64>> {
        Ok(self.read(path, u64::MAX).await?.map(|bytes| bytes.len() as u64))
    }
    /// Writes a file as a whole: whoever reads it sees the old octets or the new ones, also after a crash; durable when it returns.
    /// Makes the directories that it needs.
    async fn write(&self, path: &str, bytes: Vec<u8>) -> io::Result<()>;
    /// Writes a file as [`Disk::write`] does if the digest of what is there is `known` (`None`: if nothing is there); the answer is whether it
    /// was. Of those who do so at once, in whatever process, each finds what the one before wrote. The real disk's own goes on to its end
    /// when its caller drops it; this one is for disks of tests.
    async fn write_if(&self, path: &str, known: Option<Digest>, bytes: Vec<u8>) -> io::Result<bool> {
        let _lock = self.lock("write").await?;
        let there = self.read(path, u64::MAX).await?.map(|bytes| Digest::of(&bytes));
        if there != known {
            return Ok(false);
        }
        self.write(path, bytes).await.map(|()| true)
    }
    /// Makes a file count as written now, if it is there: the answer is whether it is.
    async fn touch(&self, path: &str) -> io::Result<bool>;
    /// All files below a directory, those in directories of it too; none if it is not there. Files half written are not among them.
    async fn list(&self, directory: &str) -> io::Result<Vec<File>>;
    /// Removes a file, if it is there.
    async fn remove(&self, path: &str) -> io::Result<()>;
    /// Waits until nobody else, in whatever process, holds the lock of this name, and holds it until what is returned is dropped.
    async fn lock(&self, name: &str) -> io::Result<Box<dyn Send>>;
}
