//! Channels as etcd has them: a state that changes is told to those who watch it, a watch that is cut off hears nothing, and finds out by
//! asking for progress.

use super::network::Link;
use super::shelf::{Remote, STATE, Shelf};
use async_trait::async_trait;
use catchment::sync::channel::Channel;
use catchment::sync::store::objects::{Objects, Read};
use catchment::sync::store::{Channels, Reports, Result, Store, StoreError, Version, Versioned};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How often progress is asked for.
const PROGRESS: Duration = Duration::from_secs(5);
/// The most octets of a state that are read.
const STATE_MAX: u64 = catchment::sync::head::STATE_LEN_MAX as u64;

struct Push {
    remote: Remote,
    /// All that is not watching.
    plain: Arc<dyn Channels>,
}

/// `plain`, but its channels are watched.
pub(crate) fn store(plain: Store, shelf: &Arc<Shelf>, link: Link) -> Store {
    let remote = Remote { shelf: Arc::clone(shelf), link };
    let channels = Arc::new(Push { remote, plain: plain.channels });
    Store { name: plain.name, blobs: plain.blobs, channels, permits: None }
}

#[async_trait]
impl Channels for Push {
    async fn changed(&self, _: &Channel, known: Option<&Version>) -> Result<Option<Versioned>> {
        let Remote { shelf, link } = &self.remote;
        let mut news = shelf.moves();
        let known = known.map(|version| version.0.clone());
        let read = || self.remote.read(STATE, known.as_ref(), STATE_MAX);
        match read().await? {
            Read::Object(object) => return Ok(Some(object.into())),
            Read::Missing => return Ok(None),
            Read::Unchanged => {}
        }
        loop {
            let told = timeout(PROGRESS, &mut news).await.is_ok();
            if told {
                news = shelf.moves();
            }
            if link.client.is_cut(&link.world) {
                tokio::time::sleep(PROGRESS).await;
                return Err(StoreError::Unavailable("a member says nothing".into()));
            }
            if link.is_lied_to() {
                if let Read::Object(object) = read().await? {
                    return Ok(Some(object.into()));
                }
            } else if told {
                link.push(STATE).await;
                link.life.step().await;
                if let Some((bytes, tag)) = shelf.read(STATE).filter(|(_, tag)| Some(tag) != known.as_ref()) {
                    return Ok(Some(Versioned { version: Version(tag), bytes: bytes.to_vec() }));
                }
            }
        }
    }

    async fn channels(&self) -> Result<Vec<Channel>> {
        self.plain.channels().await
    }

    async fn state(&self, channel: &Channel) -> Result<Option<Versioned>> {
        self.plain.state(channel).await
    }

    async fn replace(&self, channel: &Channel, known: Option<&Version>, bytes: Vec<u8>) -> Result<Option<Version>> {
        self.plain.replace(channel, known, bytes).await
    }

    async fn key_set(&self, channel: &Channel, version: u32) -> Result<Option<Vec<u8>>> {
        self.plain.key_set(channel, version).await
    }

    async fn put_key_set(&self, channel: &Channel, version: u32, bytes: Vec<u8>) -> Result<bool> {
        self.plain.put_key_set(channel, version, bytes).await
    }

    async fn report(&self, channel: &Channel, node: &str, bytes: Vec<u8>, ttl: Duration) -> Result<()> {
        self.plain.report(channel, node, bytes, ttl).await
    }

    async fn reports(&self, channel: &Channel) -> Result<Reports> {
        self.plain.reports(channel).await
    }
}
