//! Channels in etcd v3: a change is pushed to all nodes within milliseconds, one of two publishers wins, silent nodes are forgotten.
//! Blobs are in another store.
//!
//! Over etcd's JSON gateway (HTTP), which every member has on its client port: gRPC would need a compiler for protocol buffers to build,
//! and a second HTTP stack. No consensus of our own: what etcd's quorum says is so.
//!
//! - [`keys`]: where everything lies
//! - [`message`]: what the gateway says, and what its refusals mean
//! - [`settings`]: members, TLS, users
//! - [`gateway`]: questions to members: which, as whom, how long, how much
//! - [`watch`]: waiting for another state; [`presence`]: reports under leases; [`permits`]: permits under leases
//!
//! A [`Version`] is the revision that wrote the state (`mod_revision`).

mod gateway;
mod keys;
mod message;
mod permits;
mod presence;
mod settings;
mod watch;

pub use settings::{Auth, Identity, Secret, Settings, Tls};

use super::{Channels, Permits, Reports, Result, StoreError, Version, Versioned};
use crate::sync::channel::Channel;
use crate::sync::head::STATE_LEN_MAX;
use crate::sync::report::NODE_LEN_MAX;
use crate::sync::signed::DOCUMENT_LEN_MAX;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::{Asked, Gateway, SMALL, Trouble};
use keys::{Keys, end_of};
use message::{KeyValue, Range, Revision, Transaction};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use settings::malformed;
use std::sync::Arc;
use std::time::Duration;

/// Channels of a store, before `channels` says that they are too many.
const CHANNELS_MAX: usize = 10_000;
/// Octets of an answer with one state.
const STATE_ANSWER_MAX: u64 = answer_max(STATE_LEN_MAX);

/// Octets of an answer with one value of at most `len` octets: in base64, with what stands around it.
const fn answer_max(len: usize) -> u64 {
    (len as u64).div_ceil(3) * 4 + 4096
}

/// Octets, base64 in JSON.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Bytes, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        STANDARD.decode(&*text).map(Bytes).map_err(serde::de::Error::custom)
    }
}

/// Channels in etcd.
pub struct Etcd {
    keys: Keys,
    gateway: Arc<Gateway>,
    leases: presence::Leases,
}

impl Etcd {
    /// Reads certificates; asks nobody, so that a node starts without etcd too. Needs a tokio runtime only when it is asked.
    pub fn open(settings: Settings) -> Result<Etcd> {
        let keys = Keys::new(&settings.prefix).map_err(|why| malformed("etcd's prefix", why))?;
        Ok(Etcd { keys, gateway: Arc::new(Gateway::new(&settings)?), leases: Default::default() })
    }

    async fn range(&self, body: serde_json::Value, what: &str, max: u64) -> Result<Range> {
        let asked = self.gateway.ask::<Range>("kv/range", &body, what, max).await;
        Ok(asked.map_err(Trouble::into_error)?.answer)
    }

    /// Writes a key if `known` is the revision of what is there (0: if nothing is).
    async fn compare_and_put(&self, key: &str, known: Revision, bytes: &[u8], max: usize) -> Result<Option<Version>> {
        if bytes.len() > max {
            return Err(StoreError::TooLarge { what: key.into(), has: bytes.len() as u64, max: max as u64 });
        }
        let encoded = STANDARD.encode(key);
        let body = json!({
            "compare": [{ "key": encoded, "target": "MOD", "result": "EQUAL", "mod_revision": known.to_string() }],
            "success": [{ "request_put": { "key": encoded, "value": STANDARD.encode(bytes) } }],
            "failure": [{ "request_range": { "key": encoded } }],
        });
        let asked = self.gateway.ask::<Transaction>("kv/txn", &body, key, answer_max(max)).await;
        let Asked { answer, repeated, .. } = match asked {
            Err(Trouble::Passing { why, sent: true }) => {
                return Err(StoreError::Unavailable(format!("it is not known whether {key} was written: {why}")));
            }
            asked => asked.map_err(Trouble::into_error)?,
        };
        if answer.succeeded {
            return Ok(Some(Version(answer.header.revision.to_string())));
        }
        if !repeated {
            return Ok(None);
        }
        // A member that did not answer may have written it. Then it is there, or was and somebody has replaced it since.
        let there = answer.responses.into_iter().find_map(|response| response.response_range?.kvs.into_iter().next());
        match there {
            Some(kv) if kv.value.0 == bytes => Ok(Some(Version(kv.mod_revision.to_string()))),
            _ => Err(StoreError::Unavailable(format!("it is not known whether {key} was written: read it"))),
        }
    }
}

#[async_trait]
impl Channels for Etcd {
    async fn channels(&self) -> Result<Vec<Channel>> {
        // From each channel's first key past its last one: there may be thousands of nodes between.
        let end = end_of(self.keys.channels().as_bytes());
        let mut from = self.keys.channels().as_bytes().to_vec();
        let mut channels = Vec::new();
        for _ in 0..CHANNELS_MAX {
            let (key, range_end) = (STANDARD.encode(&from), STANDARD.encode(&end));
            let body = json!({ "key": key, "range_end": range_end, "limit": "1", "keys_only": true });
            let range = self.range(body, "a key", SMALL).await?;
            let Some(segment) = range.kvs.first().and_then(|kv| self.keys.channel_segment(&kv.key.0)) else {
                channels.sort();
                return Ok(channels);
            };
            from = end_of(&[self.keys.channels().as_bytes(), segment, b"/"].concat());
            let channel = std::str::from_utf8(segment).ok().and_then(|name| name.parse::<Channel>().ok());
            if let Some(channel) = channel {
                let body = json!({ "key": STANDARD.encode(self.keys.state(&channel)), "keys_only": true });
                if !self.range(body, "a key", SMALL).await?.kvs.is_empty() {
                    channels.push(channel);
                }
            }
        }
        Err(malformed(self.keys.channels(), format!("there are more than {CHANNELS_MAX} channels")))
    }

    async fn state(&self, channel: &Channel) -> Result<Option<Versioned>> {
        let key = self.keys.state(channel);
        let range = self.range(json!({ "key": STANDARD.encode(&key) }), &key, STATE_ANSWER_MAX).await?;
        range.kvs.into_iter().next().map(|kv| state_of(&key, kv)).transpose()
    }

    async fn changed(&self, channel: &Channel, known: Option<&Version>) -> Result<Option<Versioned>> {
        watch::changed(&self.gateway, &self.keys.state(channel), known).await
    }

    async fn replace(&self, channel: &Channel, known: Option<&Version>, bytes: Vec<u8>) -> Result<Option<Version>> {
        let known = match known {
            None => 0,
            Some(version) => match revision(version) {
                Some(revision) => revision,
                // No version of etcd's, so not the one that is there.
                None => return Ok(None),
            },
        };
        self.compare_and_put(&self.keys.state(channel), known, &bytes, STATE_LEN_MAX).await
    }

    async fn key_set(&self, channel: &Channel, version: u32) -> Result<Option<Vec<u8>>> {
        let key = self.keys.key_set(channel, version);
        let range = self.range(json!({ "key": STANDARD.encode(&key) }), &key, answer_max(DOCUMENT_LEN_MAX)).await?;
        let value = range.kvs.into_iter().next().map(|kv| kv.value.0);
        value.map(|value| at_most(&key, value, DOCUMENT_LEN_MAX)).transpose()
    }

    async fn put_key_set(&self, channel: &Channel, version: u32, bytes: Vec<u8>) -> Result<bool> {
        let key = self.keys.key_set(channel, version);
        Ok(self.compare_and_put(&key, 0, &bytes, DOCUMENT_LEN_MAX).await?.is_some())
    }

    async fn report(&self, channel: &Channel, node: &str, bytes: Vec<u8>, ttl: Duration) -> Result<()> {
        if node.len() > NODE_LEN_MAX {
            let (has, max) = (node.len() as u64, NODE_LEN_MAX as u64);
            return Err(StoreError::TooLarge { what: "a node's name".into(), has, max });
        }
        presence::report(&self.gateway, &self.leases, &self.keys.node(channel, node), &bytes, ttl).await
    }

    async fn reports(&self, channel: &Channel) -> Result<Reports> {
        presence::reports(&self.gateway, &self.keys.nodes(channel), |key| self.keys.node_of(channel, key)).await
    }
}

#[async_trait]
impl Permits for Etcd {
    async fn take(&self, channel: &Channel, holder: &str, slots: u32, ttl: Duration) -> Result<Option<u32>> {
        permits::take(&self.gateway, &self.keys.permits(channel), holder, slots, ttl).await
    }
}

/// The revision that a version is.
fn revision(version: &Version) -> Option<Revision> {
    version.0.parse().ok().filter(|revision| *revision > 0)
}

fn state_of(key: &str, kv: KeyValue) -> Result<Versioned> {
    Ok(Versioned { version: Version(kv.mod_revision.to_string()), bytes: at_most(key, kv.value.0, STATE_LEN_MAX)? })
}

fn at_most(key: &str, value: Vec<u8>, max: usize) -> Result<Vec<u8>> {
    match value.len() {
        has if has > max => Err(StoreError::TooLarge { what: key.into(), has: has as u64, max: max as u64 }),
        _ => Ok(value),
    }
}
