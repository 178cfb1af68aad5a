//! Whether files changed since they were read.

use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The times of files are those of the kernel's last tick: one that changed within so long before it was read may change
/// again without a new time.
const TICK: Duration = Duration::from_millis(50);
/// The same where times are whole seconds, or every second one: some file systems keep no more.
const COARSE_TICK: Duration = Duration::from_millis(2_050);

/// The files of a zone as they were when they were read: its own, and those that this includes. A server keeps one for each of its
/// zones, so they are small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamps {
    own: Option<Seen>,
    included: Box<[(Box<Path>, Option<Seen>)]>,
}

/// What tells a changed file: a hash of device, inode, size, and the times of the last change of content and of the file. Where there
/// is none, the file is unknown, or so fresh that the next change may not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Seen(NonZeroU64);

/// A file before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Octets; 0 if it can't be looked at.
    pub(super) len: u64,
    seen: Option<Seen>,
}

impl Look {
    /// Looks at a file, to read it then. `began`: the time before.
    pub(super) fn at(path: &Path, began: SystemTime) -> Look {
        match path.metadata() {
            Ok(metadata) => Look { len: metadata.len(), seen: Seen::settled(&metadata, began) },
            Err(_) => Look { len: 0, seen: None },
        }
    }
}

impl Stamps {
    /// Of a zone's file, as it was looked at before it was read, and of those that it includes, which are looked at now. `began`: the time
    /// before all that. A change after the first look shows later, one before the second as a fresh file.
    pub(super) fn take<'a>(own: Look, included: impl Iterator<Item = &'a Path>, began: SystemTime) -> Stamps {
        let own = own.seen;
        let included = included.map(|path| {
            let seen = path.metadata().ok().and_then(|metadata| Seen::settled(&metadata, began));
            (path.into(), seen)
        });
        Stamps { own, included: included.collect() }
    }

    /// Whether all are as they were; `path` is that of the zone's own file.
    pub(super) fn are_current(&self, path: &Path) -> bool {
        let included = self.included.iter().map(|(path, seen)| (&**path, *seen));
        std::iter::once((path, self.own)).chain(included).all(|(path, seen)| seen.is_some() && seen == Seen::now(path))
    }

    /// All their paths; `own` is that of the zone's own file.
    pub(super) fn paths<'s>(&'s self, own: &'s Path) -> impl Iterator<Item = &'s Path> {
        std::iter::once(own).chain(self.included.iter().map(|(path, _)| &**path))
    }

    /// Whether a later look, of another process too, can tell a changed file.
    pub(super) fn are_certain(&self) -> bool {
        // Paths that are no text can't be written down.
        self.own.is_some() && self.included.iter().all(|(path, seen)| seen.is_some() && path.to_str().is_some())
    }
}

impl Seen {
    fn of(metadata: &Metadata) -> Seen {
        let (device, inode, size) = (metadata.dev(), metadata.ino(), metadata.size());
        let modified = [metadata.mtime(), metadata.mtime_nsec()].map(|part| part as u64);
        let changed = [metadata.ctime(), metadata.ctime_nsec()].map(|part| part as u64);
        let all = [device, inode, size, modified[0], modified[1], changed[0], changed[1]];
        let hash = xxhash_rust::xxh3::xxh3_64(all.map(u64::to_le_bytes).as_flattened());
        Seen(NonZeroU64::new(hash).unwrap_or(NonZeroU64::MAX))
    }

    /// `None`: it has changed so shortly before `began` that another change may leave the same times.
    fn settled(metadata: &Metadata, began: SystemTime) -> Option<Seen> {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let nanos = metadata.ctime_nsec().clamp(0, 999_999_999) as u32;
        let changed = Duration::new(metadata.ctime().max(0) as u64, nanos);
        let tick = if nanos == 0 { COARSE_TICK } else { TICK };
        (changed < began.saturating_sub(tick)).then(|| Seen::of(metadata))
    }

    fn now(path: &Path) -> Option<Seen> {
        path.metadata().ok().map(|metadata| Seen::of(&metadata))
    }
}
