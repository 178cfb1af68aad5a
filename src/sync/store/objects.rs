//! Stores that are named objects: a directory, a bucket, a tree behind HTTP. Where everything lies in them, and both halves of a store
//! over them.
//!
//! ```text
//! blobs/AB/ABCDEF...                  a blob; AB are the first two digits of its name
//! channels/CHANNEL/state              the channel's state
//! channels/CHANNEL/keys/VERSION       a key set; ten digits, so that names sort as versions do
//! channels/CHANNEL/nodes/HEX.json     a node's report; its name in hexadecimal, so that no name is a path; / after each 200 digits
//! ```

use super::{Blob, Blobs, Channels, Reports, Result, Store, StoreError, Version, Versioned, at_most_nodes};
use crate::random::Random;
use crate::sync::channel::Channel;
use crate::sync::codec::Digest;
use crate::sync::head::STATE_LEN_MAX;
use crate::sync::report::{KEPT_MAX, NODE_LEN_MAX, REPORT_LEN_MAX};
use crate::sync::signed::DOCUMENT_LEN_MAX;
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Requests of one question that are under way at once.
const REQUESTS_MAX: usize = 32;
/// Hexadecimal digits of a node's name in one segment: no file system takes 510 in one.
const NODE_DIGITS_MAX: usize = 200;

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
    /// How long ago it was written: from the store's time of writing to this machine's clock.
    pub age: Duration,
}

/// Named objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Reads an object of at most `max` octets, unless it is still `known`.
    async fn read(&self, key: &Key, known: Option<&Tag>, max: u64) -> Result<Read>;
    /// Writes an object as a whole, durably; it is young from now, also if what is there is the same. `Ok(None)`: what is there is not
    /// as expected, and nothing has changed.
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

/// A store of named objects: blobs and channels.
#[derive(Debug)]
pub struct Plain<O> {
    objects: O,
    /// What pauses differ by: it depends on the seed alone, so that simulations replay.
    jitter: Mutex<Random>,
}

impl<O: Objects + 'static> Plain<O> {
    /// `seed` decides when it polls.
    pub fn new(objects: O, seed: u64) -> Plain<O> {
        Plain { objects, jitter: Mutex::new(Random::new(seed)) }
    }

    /// Both halves of a store.
    pub fn store(name: impl Into<String>, objects: O, seed: u64) -> Store {
        let plain = Arc::new(Plain::new(objects, seed));
        Store { name: name.into(), blobs: plain.clone(), channels: plain, permits: None }
    }

    /// Between three and five quarters of the interval: nodes that started together don't ask together for ever.
    fn pause(&self) -> Duration {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).about(self.objects.poll_interval())
    }

    async fn all(&self, key: &Key, max: usize) -> Result<Option<Object>> {
        match self.objects.read(key, None, max as u64).await? {
            Read::Object(object) => Ok(Some(object)),
            Read::Missing | Read::Unchanged => Ok(None),
        }
    }
}

#[async_trait]
impl<O: Objects + 'static> Blobs for Plain<O> {
    async fn get(&self, name: &Digest, max: u64) -> Result<Option<Vec<u8>>> {
        match self.objects.read(&blob_key(name), None, max).await? {
            Read::Object(object) => Ok(Some(object.bytes)),
            Read::Missing | Read::Unchanged => Ok(None),
        }
    }

    async fn put(&self, name: &Digest, bytes: Vec<u8>) -> Result<()> {
        self.objects.write(&blob_key(name), bytes, Expect::Anything).await.map(|_| ())
    }

    async fn has(&self, names: &[Digest]) -> Result<Vec<bool>> {
        // The keys are made first: a stream over borrowed names would not be Send for all lifetimes.
        let keys: Vec<String> = names.iter().map(blob_key).collect();
        stream::iter(keys)
            .map(|key| async move { Ok(self.objects.len(&key).await?.is_some()) })
            .buffered(REQUESTS_MAX)
            .try_collect()
            .await
    }

    async fn list(&self) -> Result<Vec<Blob>> {
        let listed = self.objects.list("blobs/").await?;
        // What else lies there is not ours.
        Ok(listed.into_iter().filter_map(|l| Some(Blob { name: blob_of(&l.key)?, len: l.len, age: l.age })).collect())
    }

    async fn delete(&self, name: &Digest) -> Result<()> {
        self.objects.delete(&blob_key(name)).await
    }
}

#[async_trait]
impl<O: Objects + 'static> Channels for Plain<O> {
    async fn channels(&self) -> Result<Vec<Channel>> {
        let listed = self.objects.list("channels/").await?;
        let mut channels: Vec<Channel> = listed.iter().filter_map(|listed| channel_of(&listed.key)).collect();
        channels.sort();
        Ok(channels)
    }

    async fn state(&self, channel: &Channel) -> Result<Option<Versioned>> {
        Ok(self.all(&state_key(channel), STATE_LEN_MAX).await?.map(Versioned::from))
    }

    async fn changed(&self, channel: &Channel, known: Option<&Version>) -> Result<Option<Versioned>> {
        let (key, known) = (state_key(channel), known.map(|version| &version.0));
        loop {
            match self.objects.read(&key, known, STATE_LEN_MAX as u64).await? {
                Read::Object(object) => return Ok(Some(object.into())),
                Read::Missing => return Ok(None),
                Read::Unchanged => tokio::time::sleep(self.pause()).await,
            }
        }
    }

    async fn replace(&self, channel: &Channel, known: Option<&Version>, bytes: Vec<u8>) -> Result<Option<Version>> {
        let key = state_key(channel);
        at_most(&key, &bytes, STATE_LEN_MAX)?;
        let expect = known.map_or(Expect::Nothing, |version| Expect::Tag(&version.0));
        Ok(self.objects.write(&key, bytes, expect).await?.map(Version))
    }

    async fn key_set(&self, channel: &Channel, version: u32) -> Result<Option<Vec<u8>>> {
        Ok(self.all(&key_set_key(channel, version), DOCUMENT_LEN_MAX).await?.map(|object| object.bytes))
    }

    async fn put_key_set(&self, channel: &Channel, version: u32, bytes: Vec<u8>) -> Result<bool> {
        let key = key_set_key(channel, version);
        at_most(&key, &bytes, DOCUMENT_LEN_MAX)?;
        Ok(self.objects.write(&key, bytes, Expect::Nothing).await?.is_some())
    }

    async fn report(&self, channel: &Channel, node: &str, bytes: Vec<u8>, _ttl: Duration) -> Result<()> {
        let key = report_key(channel, node);
        if node.is_empty() || node.len() > NODE_LEN_MAX {
            let why = format!("a node's name has 1 to {NODE_LEN_MAX} octets, this one {}", node.len());
            return Err(StoreError::Malformed { what: key, why });
        }
        at_most(&key, &bytes, REPORT_LEN_MAX)?;
        // A report begins no store: where a disk is not mounted it would lie below that, and make the place look like an empty store.
        if self.objects.len(&state_key(channel)).await?.is_none() {
            return Err(StoreError::Unavailable(format!("it has no channel {channel}")));
        }
        self.objects.write(&key, bytes, Expect::Anything).await.map(|_| ())
    }

    async fn reports(&self, channel: &Channel) -> Result<Reports> {
        let prefix = format!("channels/{channel}/nodes/");
        let mut listed = self.objects.list(&prefix).await?;
        // Nobody removes them here.
        listed.retain(|listed| listed.age <= KEPT_MAX);
        // Of several spellings of a name one is a node's: a store may let each node write its own key only.
        let node = |key: &str| node_of(key.strip_prefix(&prefix)?).filter(|node| report_key(channel, node) == key);
        let named = listed.into_iter().filter_map(|listed| Some((node(&listed.key)?, listed)));
        let named: Vec<(String, Listed)> = named.collect();
        at_most_nodes(&prefix, named.len())?;
        let mut reports: Reports = stream::iter(named)
            .map(|(node, listed)| async move {
                match self.all(&listed.key, REPORT_LEN_MAX).await {
                    // One that went meanwhile is left out.
                    Ok(object) => Ok(object.map(|object| (node, object.bytes, listed.age))),
                    // No node may keep the others from being heard: of what is too long only that it is there is told.
                    Err(StoreError::TooLarge { .. }) => Ok(Some((node, Vec::new(), listed.age))),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(REQUESTS_MAX)
            .try_filter_map(|report| async move { Ok(report) })
            .try_collect()
            .await?;
        reports.sort();
        Ok(reports)
    }
}

impl From<Object> for Versioned {
    fn from(object: Object) -> Versioned {
        Versioned { version: Version(object.tag), bytes: object.bytes }
    }
}

fn at_most(what: &str, bytes: &[u8], max: usize) -> Result<()> {
    if bytes.len() > max {
        return Err(StoreError::TooLarge { what: what.into(), has: bytes.len() as u64, max: max as u64 });
    }
    Ok(())
}

fn blob_key(name: &Digest) -> String {
    let text = name.to_string();
    format!("blobs/{}/{text}", &text[..2])
}

fn blob_of(key: &Key) -> Option<Digest> {
    let name: Digest = key.rsplit('/').next()?.parse().ok()?;
    (blob_key(&name) == key).then_some(name)
}

fn state_key(channel: &Channel) -> String {
    format!("channels/{channel}/state")
}

fn channel_of(key: &Key) -> Option<Channel> {
    key.strip_prefix("channels/")?.strip_suffix("/state")?.parse().ok()
}

fn key_set_key(channel: &Channel, version: u32) -> String {
    format!("channels/{channel}/keys/{version:010}")
}

fn report_key(channel: &Channel, node: &str) -> String {
    let mut key = format!("channels/{channel}/nodes");
    for (at, octet) in node.bytes().enumerate() {
        if (at * 2).is_multiple_of(NODE_DIGITS_MAX) {
            key.push('/');
        }
        key.push_str(&format!("{octet:02x}"));
    }
    key + ".json"
}

/// The node whose report has this name below `nodes/`.
fn node_of(name: &str) -> Option<String> {
    let digits = name.strip_suffix(".json")?.replace('/', "");
    let octet = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let octets: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(octet).collect();
    String::from_utf8(octets?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::disk::Directory;
    use crate::sync::store::dir::Files;

    #[test]
    fn pauses_differ_and_replay() {
        let pauses = |seed| -> Vec<Duration> {
            let plain = Plain::new(Files(Directory::new("/nonexistent")), seed);
            (0..1000).map(|_| plain.pause()).collect()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        let (least, most) = (*pauses(7).iter().min().unwrap(), *pauses(7).iter().max().unwrap());
        let quarter = Duration::from_millis(250) / 4;
        assert!(quarter * 3 <= least && least < Duration::from_millis(190), "{least:?}");
        assert!(Duration::from_millis(310) < most && most <= quarter * 5, "{most:?}");
    }

    #[test]
    fn names_there_and_back() {
        let channel: Channel = "prod".parse().unwrap();
        let digest = Digest::of(b"abc");
        assert_eq!(blob_key(&digest), "blobs/64/6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
        assert_eq!(blob_of(&blob_key(&digest)), Some(digest));
        for other in ["blobs/64/x", "blobs/00/6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85", ""] {
            assert_eq!(blob_of(other), None, "{other}");
        }
        assert_eq!(channel_of(&state_key(&channel)), Some(channel.clone()));
        assert_eq!(channel_of("channels/prod/keys/0000000001"), None);
        assert_eq!(channel_of("channels/prod/x/state"), None);
        assert_eq!(key_set_key(&channel, 7), "channels/prod/keys/0000000007");
        assert_eq!(report_key(&channel, "ams1"), "channels/prod/nodes/616d7331.json");
        for node in ["ams1", "../../etc/passwd", "ä b\n", &"n".repeat(100), &"n".repeat(101), &"n".repeat(255)] {
            let key = report_key(&channel, node);
            assert!(key.split('/').all(|segment| segment.len() <= 205), "{key}");
            assert_eq!(node_of(key.strip_prefix("channels/prod/nodes/").unwrap()).as_deref(), Some(node));
        }
        for other in ["616.json", "zz.json", "616d", "ff.json"] {
            assert_eq!(node_of(other), None, "{other}");
        }
    }
}
