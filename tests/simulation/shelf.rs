//! A store: named objects, as a directory or a bucket has them, and the way to them of one client.

use super::chance::number;
use super::lies::{self, Lie};
use super::network::Link;
use super::oracle;
use super::world::{World, lock};
use async_trait::async_trait;
use catchment::sync::channel::Channel;
use catchment::sync::codec::Digest;
use catchment::sync::head::State;
use catchment::sync::store::objects::{Expect, Key, Listed, Object, Objects, Plain, Read, Tag};
use catchment::sync::store::{Result, Store, StoreError};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// A server that sends without end is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// The channel that all follow.
pub(crate) fn channel() -> Channel {
    "prod".parse().unwrap()
}

/// Where its state is.
pub(crate) const STATE: &str = "channels/prod/state";

/// Objects, as they really are.
pub(crate) struct Shelf {
    pub(crate) world: Arc<World>,
    /// 0: the one that is published to.
    pub(crate) number: usize,
    inner: Mutex<Inner>,
    /// The channel's state is another. (A `watch` channel of tokio's wakes those who wait in an order that no seed decides.)
    moved: Notify,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Stored>,
    revision: u64,
    /// All states of the channel that there were.
    states: Vec<Arc<[u8]>>,
    down_until_ms: u64,
    /// How far its clock is ahead of what has really passed.
    ahead: Duration,
}

#[derive(Clone)]
struct Stored {
    bytes: Arc<[u8]>,
    tag: String,
    written: Instant,
    /// What its clock was ahead then.
    ahead: Duration,
}

impl Shelf {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Arc<Shelf> {
        Arc::new(Shelf { world: Arc::clone(world), number, inner: Mutex::default(), moved: Notify::new() })
    }

    pub(crate) fn read(&self, key: &str) -> Option<(Arc<[u8]>, String)> {
        lock(&self.inner).objects.get(key).map(|stored| (Arc::clone(&stored.bytes), stored.tag.clone()))
    }

    /// `None`: what is there is not as expected.
    pub(crate) fn write(&self, key: &str, bytes: &[u8], expect: Expect<'_>, stolen: bool) -> Option<Tag> {
        let tag = {
            let mut inner = lock(&self.inner);
            let as_expected = match (expect, inner.objects.get(key)) {
                (Expect::Anything, _) | (Expect::Nothing, None) => true,
                (Expect::Tag(tag), Some(there)) => *tag == there.tag,
                (Expect::Nothing, Some(_)) | (Expect::Tag(_), None) => false,
            };
            if !as_expected {
                return None;
            }
            inner.revision += 1;
            let bytes: Arc<[u8]> = bytes.into();
            let tag = format!("r{}", inner.revision);
            if key == STATE {
                inner.states.push(Arc::clone(&bytes));
            }
            let stored = Stored { bytes, tag: tag.clone(), written: Instant::now(), ahead: inner.ahead };
            inner.objects.insert(key.into(), stored);
            tag
        };
        if key == STATE {
            if self.number == 0 {
                oracle::moved(&self.world, self, bytes, stolen);
            }
            self.moved.notify_waiters();
        }
        Some(tag)
    }

    /// Whether a blob is there.
    pub(crate) fn blob(&self, name: &Digest) -> Option<Arc<[u8]>> {
        self.read(&blob_key(name)).map(|(bytes, _)| bytes)
    }

    pub(crate) fn put_blob(&self, name: &Digest, bytes: &[u8]) {
        self.write(&blob_key(name), bytes, Expect::Anything, false);
    }

    /// A blob of those that there are.
    pub(crate) fn some_blob(&self, draw: u64) -> Option<Arc<[u8]>> {
        let inner = lock(&self.inner);
        let blobs = inner.objects.range("blobs/".to_owned().."blobs0".to_owned());
        let count = blobs.clone().count() as u64;
        let mut blobs = blobs;
        blobs.nth((draw % count.max(1)) as usize).map(|(_, stored)| Arc::clone(&stored.bytes))
    }

    /// A state that the channel had once.
    pub(crate) fn old_state(&self, draw: u64) -> Option<Arc<[u8]>> {
        let inner = lock(&self.inner);
        let count = inner.states.len() as u64;
        inner.states.get((draw % count.max(1)) as usize).cloned()
    }

    /// The first state of the channel in which a release was on trial.
    pub(crate) fn state_on_trial(&self) -> Option<State> {
        let states: Vec<Arc<[u8]>> = lock(&self.inner).states.clone();
        let mut states = states.iter().filter_map(|bytes| State::decode(bytes).ok());
        states.find(|state| state.head.as_ref().is_some_and(|head| head.trial.is_some()))
    }

    pub(crate) fn down(&self, until_ms: u64) {
        let mut inner = lock(&self.inner);
        inner.down_until_ms = inner.down_until_ms.max(until_ms);
    }

    pub(crate) fn down_until_ms(&self) -> u64 {
        lock(&self.inner).down_until_ms
    }

    /// It is gone for good, also in the calm.
    pub(crate) fn vanish(&self) {
        self.down(u64::MAX);
    }

    /// Its clock goes on by this.
    pub(crate) fn skip(&self, time: Duration) {
        lock(&self.inner).ahead += time;
    }

    /// Ends at the next move of the channel's state.
    pub(crate) fn moves(&self) -> Pin<Box<Notified<'_>>> {
        let mut moves = Box::pin(self.moved.notified());
        moves.as_mut().enable();
        moves
    }

    /// Carries what another has and this one has not, as rsync would: in whatever order.
    pub(crate) fn copy_from(&self, other: &Shelf, state_first: bool) {
        let theirs = lock(&other.inner).objects.clone();
        let mut keys: Vec<&String> = theirs.keys().filter(|key| !key.contains("/nodes/")).collect();
        keys.sort_by_key(|key| (key.as_str() == STATE) != state_first);
        for key in keys {
            let bytes = &theirs[key].bytes;
            if self.read(key).is_none_or(|(ours, _)| ours != *bytes) {
                self.write(key, bytes, Expect::Anything, false);
            }
        }
    }
}

fn blob_key(name: &Digest) -> String {
    let name = name.to_string();
    format!("blobs/{}/{name}", &name[..2])
}

/// A store as one client reaches it.
pub(crate) struct Remote {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) link: Link,
}

/// A store as this client has it.
pub(crate) fn store(shelf: &Arc<Shelf>, link: Link) -> Store {
    let world = Arc::clone(&link.world);
    let seed = world.chance(&[link.client.number, 4]).draw();
    let name = format!("store-{}", shelf.number);
    let plain = Plain::store(name, Remote { shelf: Arc::clone(shelf), link: link.clone() }, seed);
    match world.plan.model {
        super::plan::Model::Etcd => super::push::store(plain, shelf, link),
        super::plan::Model::Dir | super::plan::Model::S3 => plain,
    }
}

#[async_trait]
impl Objects for Remote {
    async fn read(&self, key: &Key, known: Option<&Tag>, max: u64) -> Result<Read> {
        let trip = self.link.go(key, self.shelf.down_until_ms()).await?;
        let lie = match self.link.is_lied_to() {
            true => lies::tell(&self.link, &self.shelf, key, max),
            false => None,
        };
        let there = match lie {
            None => self.shelf.read(key),
            Some(Lie::Nothing) => None,
            Some(Lie::Octets(bytes)) => {
                let tag = format!("l{:x}", xxhash_rust::xxh3::xxh3_64(&bytes));
                Some((bytes, tag))
            }
            Some(Lie::Endless) => {
                tokio::time::sleep(PATIENCE).await;
                return Err(StoreError::Unavailable("it does not end".into()));
            }
            Some(Lie::Absurd) => {
                trip.back().await?;
                return Err(StoreError::TooLarge { what: key.into(), has: u64::MAX, max });
            }
        };
        trip.back().await?;
        match there {
            None => Ok(Read::Missing),
            Some((_, tag)) if known == Some(&tag) => Ok(Read::Unchanged),
            Some((bytes, _)) if bytes.len() as u64 > max => {
                Err(StoreError::TooLarge { what: key.into(), has: bytes.len() as u64, max })
            }
            Some((bytes, tag)) => Ok(Read::Object(Object { bytes: bytes.to_vec(), tag })),
        }
    }

    async fn write(&self, key: &Key, bytes: Vec<u8>, expect: Expect<'_>) -> Result<Option<Tag>> {
        let trip = self.link.go(key, self.shelf.down_until_ms()).await?;
        let written = self.shelf.write(key, &bytes, expect, false);
        trip.back().await?;
        Ok(written)
    }

    async fn len(&self, key: &Key) -> Result<Option<u64>> {
        let trip = self.link.go(key, self.shelf.down_until_ms()).await?;
        let there = self.shelf.read(key).map(|(bytes, _)| bytes.len() as u64);
        trip.back().await?;
        Ok(there)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let trip = self.link.go(prefix, self.shelf.down_until_ms()).await?;
        let listed = {
            let inner = lock(&self.shelf.inner);
            let below = inner.objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
            let listed = below.map(|(key, stored)| Listed {
                key: key.clone(),
                len: stored.bytes.len() as u64,
                age: stored.written.elapsed() + (inner.ahead - stored.ahead),
            });
            listed.collect()
        };
        trip.back().await?;
        Ok(listed)
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        let trip = self.link.go(key, self.shelf.down_until_ms()).await?;
        lock(&self.shelf.inner).objects.remove(key);
        self.shelf.world.log(format_args!("a collector removes object {:016x}", number(key)));
        trip.back().await
    }

    fn poll_interval(&self) -> Duration {
        self.link.world.plan.model.poll_interval()
    }
}
