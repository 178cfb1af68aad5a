//! A store in memory that fails where a test wants it to.

use crate::sync::channel::Channel;
use crate::sync::codec::Digest;
use crate::sync::store::{Blob, Blobs, Channels, Reports, Result, Store, StoreError, Version, Versioned};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A blob's octets and age.
type Aged = (Vec<u8>, Duration);

#[derive(Default)]
struct Inner {
    blobs: BTreeMap<Digest, Aged>,
    states: BTreeMap<Channel, (u64, Vec<u8>)>,
    key_sets: BTreeMap<(Channel, u32), Vec<u8>>,
    reports: BTreeMap<(Channel, String), Aged>,
    versions: u64,
    /// Writes still to be done before the publisher "is killed": all operations fail from then on.
    writes_left: Option<u64>,
    writes: u64,
    written: u64,
    reads: u64,
}

/// The store.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Inner>>);

fn killed() -> StoreError {
    StoreError::Denied("killed".into())
}

impl Memory {
    pub(super) fn store(&self) -> Store {
        Store { name: "memory".into(), blobs: Arc::new(self.clone()), channels: Arc::new(self.clone()), permits: None }
    }

    /// After `writes` more writes all fails. `None`: nothing does.
    pub(super) fn kill_after(&self, writes: Option<u64>) {
        self.0.lock().unwrap().writes_left = writes;
    }

    /// Writes so far, and octets of blobs in them; reads.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let inner = self.0.lock().unwrap();
        (inner.writes, inner.written, inner.reads)
    }

    pub(super) fn bytes(&self, name: &Digest) -> Option<Vec<u8>> {
        self.0.lock().unwrap().blobs.get(name).map(|(bytes, _)| bytes.clone())
    }

    pub(super) fn names(&self) -> Vec<Digest> {
        self.0.lock().unwrap().blobs.keys().copied().collect()
    }

    /// Removes a blob, or gives it other octets.
    pub(super) fn damage(&self, name: &Digest, bytes: Option<Vec<u8>>) {
        let mut inner = self.0.lock().unwrap();
        match bytes {
            None => drop(inner.blobs.remove(name)),
            Some(bytes) => drop(inner.blobs.insert(*name, (bytes, Duration::ZERO))),
        }
    }

    /// Time goes on.
    pub(super) fn age(&self, by: Duration) {
        self.0.lock().unwrap().blobs.values_mut().for_each(|(_, age)| *age += by);
    }

    pub(super) fn report_aged(&self, channel: &Channel, node: &str, bytes: Vec<u8>, age: Duration) {
        self.0.lock().unwrap().reports.insert((channel.clone(), node.into()), (bytes, age));
    }

    fn read<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> Result<T> {
        let mut inner = self.0.lock().unwrap();
        inner.reads += 1;
        if inner.writes_left == Some(0) { Err(killed()) } else { Ok(f(&mut inner)) }
    }

    fn write<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> Result<T> {
        let mut inner = self.0.lock().unwrap();
        match &mut inner.writes_left {
            Some(0) => return Err(killed()),
            Some(left) => *left -= 1,
            None => {}
        }
        inner.writes += 1;
        Ok(f(&mut inner))
    }
}

#[async_trait]
impl Blobs for Memory {
    async fn get(&self, name: &Digest, max: u64) -> Result<Option<Vec<u8>>> {
        tokio::task::yield_now().await;
        match self.read(|inner| inner.blobs.get(name).map(|(bytes, _)| bytes.clone()))? {
            Some(bytes) if bytes.len() as u64 > max => {
                Err(StoreError::TooLarge { what: name.to_string(), has: bytes.len() as u64, max })
            }
            found => Ok(found),
        }
    }

    async fn put(&self, name: &Digest, bytes: Vec<u8>) -> Result<()> {
        tokio::task::yield_now().await;
        self.write(|inner| {
            let len = bytes.len() as u64;
            match inner.blobs.get_mut(name) {
                Some((_, age)) => *age = Duration::ZERO,
                None => {
                    inner.written += len;
                    inner.blobs.insert(*name, (bytes, Duration::ZERO));
                }
            }
        })
    }

    async fn has(&self, names: &[Digest]) -> Result<Vec<bool>> {
        self.read(|inner| names.iter().map(|name| inner.blobs.contains_key(name)).collect())
    }

    async fn list(&self) -> Result<Vec<Blob>> {
        let blob = |(name, (bytes, age)): (&Digest, &Aged)| Blob { name: *name, len: bytes.len() as u64, age: *age };
        self.read(|inner| inner.blobs.iter().map(blob).collect())
    }

    async fn delete(&self, name: &Digest) -> Result<()> {
        self.write(|inner| drop(inner.blobs.remove(name)))
    }
}

#[async_trait]
impl Channels for Memory {
    async fn channels(&self) -> Result<Vec<Channel>> {
        self.read(|inner| inner.states.keys().cloned().collect())
    }

    async fn state(&self, channel: &Channel) -> Result<Option<Versioned>> {
        tokio::task::yield_now().await;
        let versioned = |(version, bytes): &(u64, Vec<u8>)| Versioned {
            version: Version(version.to_string()),
            bytes: bytes.clone(),
        };
        self.read(|inner| inner.states.get(channel).map(versioned))
    }

    async fn changed(&self, _: &Channel, _: Option<&Version>) -> Result<Option<Versioned>> {
        Err(StoreError::Denied("publishers don't watch".into()))
    }

    async fn replace(&self, channel: &Channel, known: Option<&Version>, bytes: Vec<u8>) -> Result<Option<Version>> {
        tokio::task::yield_now().await;
        self.write(|inner| {
            let now = inner.states.get(channel).map(|(version, _)| Version(version.to_string()));
            (now.as_ref() == known).then(|| {
                inner.versions += 1;
                inner.states.insert(channel.clone(), (inner.versions, bytes));
                Version(inner.versions.to_string())
            })
        })
    }

    async fn key_set(&self, channel: &Channel, version: u32) -> Result<Option<Vec<u8>>> {
        self.read(|inner| inner.key_sets.get(&(channel.clone(), version)).cloned())
    }

    async fn put_key_set(&self, channel: &Channel, version: u32, bytes: Vec<u8>) -> Result<bool> {
        self.write(|inner| {
            let known = inner.key_sets.contains_key(&(channel.clone(), version));
            inner.key_sets.entry((channel.clone(), version)).or_insert(bytes);
            !known
        })
    }

    async fn report(&self, channel: &Channel, node: &str, bytes: Vec<u8>, _: Duration) -> Result<()> {
        self.report_aged(channel, node, bytes, Duration::ZERO);
        Ok(())
    }

    async fn reports(&self, channel: &Channel) -> Result<Reports> {
        let row = |((_, node), (bytes, age)): (&(Channel, String), &Aged)| (node.clone(), bytes.clone(), *age);
        self.read(|inner| inner.reports.iter().filter(|((of, _), _)| of == channel).map(row).collect())
    }
}
