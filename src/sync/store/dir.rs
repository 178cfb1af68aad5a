//! A store in a directory: objects are files. What git, rsync or a mount carries elsewhere is a store there too, for reading.
//!
//! Which version a file is, is the digest of its octets: neither its time nor its inode says anything that a copy would keep. In a copy the
//! state may come before the blobs that it needs; a node that finds one missing serves what it has and asks again.

use super::objects::{Expect, Key, Listed, Object, Objects, Plain, Read, Tag};
use super::{Result, Store, StoreError};
use crate::sync::codec::Digest;
use crate::sync::disk::{Directory, Disk};
use async_trait::async_trait;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often a state is read again. It has a few KiB, and comes from the page cache.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Objects on a disk.
#[derive(Debug)]
pub struct Files<D>(pub D);

/// A store in this directory; `seed` decides when it polls.
pub fn open(path: &Path, seed: u64) -> Store {
    Plain::store(format!("dir:{}", path.display()), Files(Directory::new(path)), seed)
}

#[async_trait]
impl<D: Disk> Objects for Files<D> {
    async fn read(&self, key: &Key, known: Option<&Tag>, max: u64) -> Result<Read> {
        let bytes = match self.0.read(key, max).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Read::Missing),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                let has = self.0.len(key).await.ok().flatten().unwrap_or_default().max(max.saturating_add(1));
                return Err(StoreError::TooLarge { what: key.into(), has, max });
            }
            Err(e) => return Err(error(key)(e)),
        };
        let tag = Digest::of(&bytes).to_string();
        Ok(if known == Some(&tag) { Read::Unchanged } else { Read::Object(Object { bytes, tag }) })
    }

    async fn write(&self, key: &Key, bytes: Vec<u8>, expect: Expect<'_>) -> Result<Option<Tag>> {
        let digest = Digest::of(&bytes);
        let known = match expect {
            Expect::Anything => {
                // What is there already needs no room and no syncing.
                if self.holds(key, &bytes).await && self.0.touch(key).await.map_err(error(key))? {
                    return Ok(Some(digest.to_string()));
                }
                self.0.write(key, bytes).await.map_err(error(key))?;
                return Ok(Some(digest.to_string()));
            }
            Expect::Nothing => None,
            Expect::Tag(tag) => match tag.parse() {
                Ok(known) => Some(known),
                // No version of ours.
                Err(_) => return Ok(None),
            },
        };
        let written = self.0.write_if(key, known, bytes).await.map_err(error(key))?;
        Ok(written.then(|| digest.to_string()))
    }

    async fn len(&self, key: &Key) -> Result<Option<u64>> {
        self.0.len(key).await.map_err(error(key))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let files = self.0.list(prefix.trim_end_matches('/')).await.map_err(error(prefix))?;
        Ok(files.into_iter().map(|file| Listed { key: file.path, len: file.len, age: file.age }).collect())
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.0.remove(key).await.map_err(error(key))
    }

    fn poll_interval(&self) -> Duration {
        POLL_INTERVAL
    }
}

impl<D: Disk> Files<D> {
    async fn holds(&self, key: &Key, bytes: &[u8]) -> bool {
        let len = bytes.len() as u64;
        // What can't be read is written again.
        matches!(self.0.len(key).await, Ok(Some(there)) if there == len)
            && matches!(self.0.read(key, len).await, Ok(Some(there)) if there == bytes)
    }
}

/// Says what an error of a disk means for a store.
fn error(key: &Key) -> impl Fn(io::Error) -> StoreError {
    move |e| {
        let why = e.to_string();
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(why),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied(why),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => StoreError::Malformed { what: key.into(), why },
            _ => StoreError::Unavailable(why),
        }
    }
}
