//! Stores behind HTTP, through the `object_store` crate: S3 and everything that speaks it, and any web server for reading.
//!
//! - [`client`]: the HTTP client with its bounds; [`fault`]: what went wrong, for the operator
//!
//! Nothing here waits for ever or reads without bound: a server that hangs, drips or pours is [`StoreError::Unavailable`] or
//! [`StoreError::TooLarge`] in the end.

mod client;
mod fault;

use super::objects::{Expect, Key, Listed, Object, Objects, Plain, Read, Tag};
use super::{Result, Store, StoreError};
use crate::sync::codec::Digest;
use async_trait::async_trait;
use client::within;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, GetOptions, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// How often a state that may have changed is asked for: at 1,500 nodes 300 requests a second.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// Objects in a list.
const LIST_MAX: usize = 1 << 22;
/// Of so many questions to a web server whether an object has changed, one does not rely on its ETag.
const RELY_MAX: u32 = 12;

/// A bucket of S3, or of anything that speaks it. `variables` are those of the environment that the AWS tools use, such as
/// `AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`; `seed` decides when it polls.
pub fn open_s3(
    bucket: &str,
    prefix: &str,
    variables: impl IntoIterator<Item = (String, String)>,
    seed: u64,
) -> Result<Store> {
    let name = match prefix {
        "" => format!("s3://{bucket}"),
        _ => format!("s3://{bucket}/{prefix}"),
    };
    let mut builder = AmazonS3Builder::new();
    for (variable, value) in variables {
        let key = variable.starts_with("AWS_").then(|| variable.to_ascii_lowercase().parse::<AmazonS3ConfigKey>());
        // An empty one is one that is not set, as for the AWS tools.
        if let Some(Ok(key)) = key
            && !value.is_empty()
        {
            builder = builder.with_config(key, value);
        }
    }
    let set = |key| builder.get_config_value(&key);
    let allow_http = set(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp)).is_some_and(|value| value == "true");
    let endpoint = set(AmazonS3ConfigKey::S3Endpoint).or_else(|| set(AmazonS3ConfigKey::Endpoint));
    let plain = endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    if plain && !allow_http {
        let why =
            "AWS_ENDPOINT_URL is http://, where anybody on the way can read; use https://, or set AWS_ALLOW_HTTP=true";
        return Err(StoreError::Denied(format!("{name}: {why}")));
    }
    let builder = builder
        .with_bucket_name(bucket)
        // One object a request: `delete` takes one, and not every store has the other.
        .with_disable_bulk_delete(true)
        .with_client_options(client::options(allow_http, plain))
        .with_retry(client::retries())
        .with_http_connector(client::Bounded);
    let store = builder.build().map_err(|e| fault::opening(&name, &e))?;
    Ok(Plain::store(name.clone(), Remote::new(Box::new(store), name, prefix, Kind::S3)?, seed))
}

/// A web server's tree, for reading. `seed` decides when it polls.
pub fn open_http(url: &str, seed: u64) -> Result<Store> {
    let plain = url.starts_with("http://");
    let builder = HttpBuilder::new()
        .with_url(url)
        .with_client_options(client::options(plain, plain))
        .with_retry(client::retries())
        .with_http_connector(client::Bounded);
    let store = builder.build().map_err(|e| fault::opening(url, &e))?;
    Ok(Plain::store(url, Remote::new(Box::new(store), url.into(), "", Kind::Http)?, seed))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    S3,
    Http,
}

/// Objects of a store behind HTTP.
#[derive(Debug)]
struct Remote {
    store: Box<dyn ObjectStore>,
    name: String,
    prefix: Path,
    kind: Kind,
    /// Questions whether an object has changed.
    asked: AtomicU32,
}

impl Remote {
    fn new(store: Box<dyn ObjectStore>, name: String, prefix: &str, kind: Kind) -> Result<Remote> {
        let prefix = Path::parse(prefix).map_err(|e| fault::opening(&name, &e.into()))?;
        Ok(Remote { store, name, prefix, kind, asked: AtomicU32::new(0) })
    }

    fn path(&self, key: &Key) -> Path {
        key.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn what(&self, key: &Key) -> String {
        format!("{}/{key}", self.name)
    }

    fn fault(&self, key: &Key, e: &object_store::Error) -> StoreError {
        fault::of(&self.what(key), e)
    }

    /// Web servers make an ETag of a file's time in seconds and its length (nginx), so that one that was replaced twice in a second
    /// may look unchanged; some send none. So a tag is the octets' digest and the ETag, and now and then the ETag is not asked by.
    fn etag_to_ask_by(&self, known: Option<&Tag>) -> Option<String> {
        match self.kind {
            Kind::S3 => known.cloned(),
            Kind::Http => {
                let (_, etag) = known?.split_once(' ')?;
                let relies = self.asked.fetch_add(1, Ordering::Relaxed) % RELY_MAX != RELY_MAX - 1;
                relies.then(|| etag.into())
            }
        }
    }

    fn tag(&self, key: &Key, etag: Option<String>, bytes: &[u8]) -> Result<Tag> {
        match (self.kind, etag) {
            (Kind::S3, Some(etag)) => Ok(etag),
            (Kind::S3, None) => Err(StoreError::Malformed { what: self.what(key), why: "no ETag".into() }),
            (Kind::Http, Some(etag)) => Ok(format!("{} {etag}", Digest::of(bytes))),
            (Kind::Http, None) => Ok(Digest::of(bytes).to_string()),
        }
    }

    /// What there is to write: nothing, in a store that is only read.
    fn writes(&self) -> Result<()> {
        match self.kind {
            Kind::S3 => Ok(()),
            Kind::Http => {
                let why = "a web server is only read; publish and report to the store that it shows";
                Err(StoreError::Denied(format!("{}: {why}", self.name)))
            }
        }
    }

    async fn body(&self, key: &Key, result: GetResult, max: u64) -> Result<Vec<u8>> {
        let too_large = |has| StoreError::TooLarge { what: self.what(key), has, max };
        let said = result.meta.size;
        if said > max {
            return Err(too_large(said));
        }
        let mut bytes = Vec::new();
        let mut stream = result.into_stream();
        let mut pace = client::Pace::new();
        while let Some(chunk) = pace.within(&self.what(key), bytes.len(), stream.next()).await? {
            let chunk = chunk.map_err(|e| self.fault(key, &e))?;
            let has = (bytes.len() + chunk.len()) as u64;
            if has > max {
                return Err(too_large(has));
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.len() as u64 != said {
            let why = format!("{}: it ended after {} of {said} octets", self.what(key), bytes.len());
            return Err(StoreError::Unavailable(why));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Objects for Remote {
    async fn read(&self, key: &Key, known: Option<&Tag>, max: u64) -> Result<Read> {
        let if_none_match = self.etag_to_ask_by(known);
        let options = GetOptions { if_none_match, ..GetOptions::default() };
        let path = self.path(key);
        let result = match within(&self.what(key), 0, self.store.get_opts(&path, options)).await? {
            Ok(result) => result,
            Err(object_store::Error::NotModified { .. }) => return Ok(Read::Unchanged),
            Err(e) if fault::is_missing(&e) => return Ok(Read::Missing),
            Err(e) => return Err(self.fault(key, &e)),
        };
        let etag = result.meta.e_tag.clone();
        let bytes = self.body(key, result, max).await?;
        let tag = self.tag(key, etag, &bytes)?;
        // A web server's ETag may change with nothing else, and one asks without it now and then.
        let same = known.is_some_and(|known| match self.kind {
            Kind::S3 => *known == tag,
            Kind::Http => known.split(' ').next() == tag.split(' ').next(),
        });
        Ok(if same { Read::Unchanged } else { Read::Object(Object { bytes, tag }) })
    }

    async fn write(&self, key: &Key, bytes: Vec<u8>, expect: Expect<'_>) -> Result<Option<Tag>> {
        self.writes()?;
        let mode = match expect {
            Expect::Anything => PutMode::Overwrite,
            Expect::Nothing => PutMode::Create,
            Expect::Tag(tag) => PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version: None }),
        };
        let payload = PutPayload::from(bytes);
        let options = PutOptions { mode, ..PutOptions::default() };
        let path = self.path(key);
        let len = payload.content_length();
        match within(&self.what(key), len, self.store.put_opts(&path, payload.clone(), options)).await? {
            Ok(put) => self.tag(key, put.e_tag, &[]).map(Some),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                // The answer to a write that was done may have been lost, and the client's second try finds its own object there.
                match self.read(key, None, len as u64).await {
                    Ok(Read::Object(there)) if payload.iter().flatten().eq(there.bytes.iter()) => Ok(Some(there.tag)),
                    _ => Ok(None),
                }
            }
            Err(e) => Err(self.fault(key, &e)),
        }
    }

    async fn len(&self, key: &Key) -> Result<Option<u64>> {
        match within(&self.what(key), 0, self.store.head(&self.path(key))).await? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(e) if fault::is_missing(&e) => Ok(None),
            Err(e) => Err(self.fault(key, &e)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        if self.kind == Kind::Http {
            let why = "a web server does not list what it has; ask the store that it shows";
            return Err(StoreError::Denied(format!("{}: {why}", self.name)));
        }
        let now = SystemTime::now();
        let path = self.path(prefix);
        let mut objects = self.store.list(Some(&path));
        let mut listed = Vec::new();
        while let Some(object) = within(&self.what(prefix), 0, objects.next()).await? {
            let object = object.map_err(|e| self.fault(prefix, &e))?;
            let parts = object.location.prefix_match(&self.prefix);
            let Some(key) = parts.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"))
            else {
                continue;
            };
            if listed.len() >= LIST_MAX {
                let (what, max) = (self.what(prefix), LIST_MAX as u64);
                return Err(StoreError::TooLarge { what, has: max + 1, max });
            }
            let age = now.duration_since(object.last_modified.into()).unwrap_or_default();
            listed.push(Listed { key, len: object.size, age });
        }
        Ok(listed)
    }

    async fn delete(&self, key: &Key) -> Result<()> {
        self.writes()?;
        match within(&self.what(key), 0, self.store.delete(&self.path(key))).await? {
            Ok(()) => Ok(()),
            Err(e) if fault::is_missing(&e) => Ok(()),
            Err(e) => Err(self.fault(key, &e)),
        }
    }

    fn poll_interval(&self) -> Duration {
        POLL_INTERVAL
    }
}
