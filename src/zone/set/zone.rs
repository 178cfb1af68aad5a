//! One zone of the set: what it answers with, where that comes from, and how it stands.

use crate::wire::name::Name;
use crate::zone::check::dnssec;
use crate::zone::image::Image;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A zone, never changed: sets share those that stay, and what people and monitoring are told is read from here as well.
#[derive(Clone)]
pub struct Zone {
    /// Stable for as long as the process runs: counters are indexed by it. Dense, from 0.
    pub id: u32,
    /// What it answers with.
    pub content: Content,
    /// Where it comes from.
    pub origin: Origin,
    /// Why its file can't be served, where it can't; of a channel's zone, why a file of the same zone is not.
    pub error: Option<Box<str>>,
    /// When this content was first loaded.
    pub since: Instant,
}

/// What a zone answers with.
#[derive(Clone)]
pub enum Content {
    /// Its records.
    Image(Image),
    /// SERVFAIL: no version of the zone of this name could be loaded.
    Missing(Name),
}

/// Where a zone comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file of this node.
    File(Arc<Path>),
    /// A release of this channel.
    Channel(Arc<str>),
    /// This process, which asks it something itself.
    Process,
}

/// How a zone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers with what its file or release says.
    Serving,
    /// It answers with the last version of it that was good: its file now is not.
    LastGood,
    /// SERVFAIL: no good version was ever loaded.
    Failed,
}

/// What is served of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The SOA's serial.
    pub serial: u32,
    /// Records.
    pub records: u64,
    /// The image's name.
    pub digest: [u8; 32],
    /// When the first of its signatures ends, in seconds since 1970. `None`: it has none.
    pub signatures_end: Option<u32>,
    /// When this content was first loaded.
    pub since: Instant,
}

impl Zone {
    /// A zone of this process, from now on.
    pub fn new(id: u32, content: Content) -> Zone {
        Zone { id, content, origin: Origin::Process, error: None, since: Instant::now() }
    }

    /// What is served; `None` when no version of the zone could be loaded: SERVFAIL.
    #[inline]
    pub fn image(&self) -> Option<&Image> {
        match &self.content {
            Content::Image(image) => Some(image),
            Content::Missing(_) => None,
        }
    }

    /// The apex in wire form, case as written.
    #[inline]
    pub fn apex_wire(&self) -> &[u8] {
        match &self.content {
            Content::Image(image) => image.apex_wire(),
            Content::Missing(name) => name.as_wire(),
        }
    }

    /// The apex, case as written.
    pub fn name(&self) -> Name {
        match &self.content {
            Content::Image(image) => image.apex(),
            Content::Missing(name) => name.clone(),
        }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        match (&self.content, &self.origin, &self.error) {
            (Content::Missing(_), ..) => State::Failed,
            (Content::Image(_), Origin::File(_), Some(_)) => State::LastGood,
            (Content::Image(_), ..) => State::Serving,
        }
    }

    /// What is served of it, if anything is.
    pub fn version(&self) -> Option<Version> {
        let image = self.image()?;
        Some(Version {
            serial: image.serial(),
            records: image.record_count(),
            digest: image.digest(),
            signatures_end: image.signatures_end(),
            since: self.since,
        })
    }

    /// Its file, if it comes from one.
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Channel(_) | Origin::Process => None,
        }
    }

    /// Its channel, if it comes from one.
    pub fn channel(&self) -> Option<&str> {
        match &self.origin {
            Origin::Channel(channel) => Some(channel),
            Origin::File(_) | Origin::Process => None,
        }
    }
}

impl From<Image> for Content {
    fn from(image: Image) -> Content {
        Content::Image(image)
    }
}

impl Version {
    /// Whether a signature has ended, or ends within [`dnssec::ENDS_SOON_SECS`].
    pub fn ends_soon(&self, now_secs: u64) -> bool {
        self.signatures_end.is_some_and(|end| u64::from(end) < now_secs + u64::from(dnssec::ENDS_SOON_SECS))
    }
}
