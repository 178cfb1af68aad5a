//! What a node keeps on its disk, to start from with no store reachable.
//!
//! ```text
//! CHANNEL/releases/KEYSET.COUNTER.DIGEST   a release that was taken: the channel's state as it was then; DIGEST is its manifest's: the
//!                                          head's, that of a release on trial, or that of its return release
//! CHANNEL/keys/VERSION                     a key set
//! CHANNEL/pages/DIGEST                     a page
//! CHANNEL/packs/DIGEST                     a pack: as fetched, or of the node's own making
//! CHANNEL/images/DIGEST                    an image that is a blob of its own; of a large one the root
//! CHANNEL/segments/DIGEST                  a segment of a large image
//! ```
//!
//! A release's file is written when all that it needs is there, durably: so whatever moment the process dies at, the newest file names
//! a whole release, and what was fetched of the next one is found again. The name says what was taken, so that the node is not led
//! back even if the content is damaged. Every content is checked when it is read; what is damaged is removed.
//!
//! **An image has one home here**, the first pack that it came in, wherever later releases say that it lies: what is here is never
//! fetched again. Packs of which little is used are made into fewer by the same plan as at the publisher.

use super::channel::{Channel, Generation};
use super::codec::Digest;
use super::disk::Disk;
use super::head::{STATE_LEN_MAX, State};
use super::key_set::KeySet;
use super::pack::{PACK_MAX, Pack};
use super::packing::SPARSE_PACKS_MAX;
use super::page::PAGE_MAX;
use super::signed::{DOCUMENT_LEN_MAX, Signed};
use super::trust::Held;
use crate::zone::image::Segment;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::ops::Bound::{self, Excluded, Unbounded};
use std::sync::Arc;

/// Releases that are kept.
pub const RELEASES_KEPT: usize = 2;
/// Where images are is looked through for leftovers only when so many files went: it takes as long as there are images.
const HOMES_SWEEP: usize = 16;

/// Octets of a segment, at most.
const SEGMENT_LEN_MAX: u32 = 1 << 20;
/// After all releases.
const PAST_RELEASES: Bound<Held> =
    Excluded(Held { generation: Generation { key_set: u32::MAX, counter: u64::MAX }, manifest: Digest([0xff; 32]) });
/// After all that is named by digests.
const PAST_DIGESTS: Bound<Digest> = Excluded(Digest([0xff; 32]));

/// The files of a cache. What they are asked for concurrently, each may fail alone.
#[derive(Clone)]
pub struct Files {
    disk: Arc<dyn Disk>,
    root: String,
}

impl Files {
    /// A page, if it is there undamaged.
    pub async fn page(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = self.read(&self.page_path(digest), PAGE_MAX as u64).await?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Keeps a page. Tell [`Cache::has`] of it.
    pub async fn keep_page(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(&self.page_path(digest), bytes.to_vec()).await
    }

    /// A segment, if it is there undamaged. `len`: its octets.
    pub async fn segment(&self, digest: &Digest, len: u32) -> Option<Segment> {
        let bytes = self.read(&self.segment_path(digest), len.into()).await?;
        Segment::open(bytes, &digest.0).ok()
    }

    /// Keeps a segment. Tell [`Cache::has`] of it.
    pub async fn keep_segment(&self, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(&self.segment_path(digest), bytes.to_vec()).await
    }

    /// Keeps a pack, or an image that is a blob of its own. Tell [`Cache::has`] of it.
    pub async fn keep_images(&self, kind: Kind, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.disk.write(&self.images_path(kind, digest), bytes.to_vec()).await
    }

    fn page_path(&self, digest: &Digest) -> String {
        format!("{}/pages/{digest}", self.root)
    }

    fn segment_path(&self, digest: &Digest) -> String {
        format!("{}/segments/{digest}", self.root)
    }

    fn images_path(&self, kind: Kind, digest: &Digest) -> String {
        let directory = match kind {
            Kind::Pack => "packs",
            Kind::Image => "images",
        };
        format!("{}/{directory}/{digest}", self.root)
    }

    fn key_set_path(&self, version: u32) -> String {
        format!("{}/keys/{version:010}", self.root)
    }

    /// `None`: it is not there, or can't be read.
    async fn read(&self, path: &str, max: u64) -> Option<Vec<u8>> {
        self.disk.read(path, max).await.ok().flatten()
    }
}

/// A node's cache of one channel: what it has, without reading it.
pub struct Cache {
    files: Files,
    releases: BTreeMap<Held, String>,
    /// Those of them whose content is damaged.
    unreadable: BTreeSet<Held>,
    pages: BTreeSet<Digest>,
    segments: BTreeSet<Digest>,
    blobs: BTreeMap<u32, Blob>,
    /// Their numbers; a number is never used again.
    numbers: BTreeMap<Digest, u32>,
    next_number: u32,
    /// Packs of which it is not known yet what is in them.
    unread: BTreeSet<u32>,
    /// Where images are; never iterated over, as its order is none.
    homes: HashMap<Digest, u32>,
    /// Files that were removed because they were damaged.
    damaged: u64,
}

/// A file with images.
struct Blob {
    kind: Kind,
    digest: Digest,
    /// Octets of images that a kept release uses.
    used: u64,
}

/// What a file with images is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pack.
    Pack,
    /// One image, or its root.
    Image,
}

/// A file of a cache, to look at whether it is still as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A release's.
    Release(Held),
    /// A page.
    Page(Digest),
    /// A pack or an image, by its number.
    Images(u32),
    /// A segment.
    Segment(Digest),
}

/// What was kept, or read.
pub enum Kept<'a> {
    /// A page.
    Page(Digest),
    /// A pack.
    Pack(&'a Pack),
    /// An image that is a blob of its own, or its root.
    Image(Digest),
    /// A segment.
    Segment(Digest),
}

impl Cache {
    /// The cache of this channel. Nothing is read yet.
    pub fn new(disk: Arc<dyn Disk>, channel: &Channel) -> Cache {
        Cache {
            files: Files { disk, root: channel.to_string() },
            releases: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            pages: BTreeSet::new(),
            segments: BTreeSet::new(),
            blobs: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_number: 0,
            unread: BTreeSet::new(),
            homes: HashMap::new(),
            damaged: 0,
        }
    }

    /// Its files.
    pub fn files(&self) -> Files {
        self.files.clone()
    }

    /// Looks at what is there, without reading any of it. Gives the versions of key sets, ascending.
    pub async fn list(&mut self) -> io::Result<Vec<u32>> {
        for file in self.directory("releases").await? {
            if let Some(held) = name_of(&file).and_then(held_of) {
                self.releases.insert(held, file);
            }
        }
        let digests = |files: BTreeSet<String>| files.iter().filter_map(|file| name_of(file)?.parse().ok()).collect();
        self.pages = digests(self.directory("pages").await?);
        self.segments = digests(self.directory("segments").await?);
        for (kind, directory) in [(Kind::Pack, "packs"), (Kind::Image, "images")] {
            for file in self.directory(directory).await? {
                let Some(digest) = name_of(&file).and_then(|name| name.parse().ok()) else { continue };
                let number = self.number(kind, digest);
                match kind {
                    Kind::Image => drop(self.homes.insert(digest, number)),
                    Kind::Pack => drop(self.unread.insert(number)),
                }
            }
        }
        let keys = self.directory("keys").await?;
        let versions: BTreeSet<u32> = keys.iter().filter_map(|file| name_of(file)?.parse().ok()).collect();
        Ok(versions.into_iter().collect())
    }

    /// The paths of a directory's files, sorted: a disk lists them in any order.
    async fn directory(&self, name: &str) -> io::Result<BTreeSet<String>> {
        let files = self.files.disk.list(&format!("{}/{name}", self.files.root)).await?;
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    /// The number of this file, which is here.
    fn number(&mut self, kind: Kind, digest: Digest) -> u32 {
        if let Some(number) = self.numbers.get(&digest) {
            return *number;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.blobs.insert(number, Blob { kind, digest, used: 0 });
        self.numbers.insert(digest, number);
        number
    }

    /// The releases that were taken, by the names of their files, the newest last.
    pub fn releases(&self) -> Vec<Held> {
        self.releases.keys().copied().collect()
    }

    /// Files that were found damaged so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The state in which this release was taken. A file that is damaged stays: its name says still what was taken.
    pub async fn release(&mut self, held: &Held) -> Option<State> {
        if self.unreadable.contains(held) {
            return None;
        }
        let path = self.releases.get(held)?;
        let state = self.files.read(path, STATE_LEN_MAX as u64).await.and_then(|bytes| State::decode(&bytes).ok());
        let is_it = |state: &State| state.head.as_ref().is_some_and(|head| head.find(held).is_some());
        let state = state.filter(is_it);
        if state.is_none() {
            tracing::warn!("{path} in the cache is damaged");
            self.damaged += 1;
            self.unreadable.insert(*held);
        }
        state
    }

    /// A key set.
    pub async fn key_set(&mut self, version: u32) -> Option<Signed<KeySet>> {
        let path = self.files.key_set_path(version);
        let bytes = self.files.read(&path, DOCUMENT_LEN_MAX as u64).await;
        let set = bytes.and_then(|bytes| Signed::decode(&bytes).ok());
        if set.is_none() {
            self.remove_damaged(&path).await;
        }
        set
    }

    /// Keeps a key set.
    pub async fn keep_key_set(&self, set: &Signed<KeySet>) -> io::Result<()> {
        self.files.disk.write(&self.files.key_set_path(set.claims().version), set.bytes().to_vec()).await
    }

    /// Whether a page is here.
    pub fn has_page(&self, digest: &Digest) -> bool {
        self.pages.contains(digest)
    }

    /// A page that should be here was damaged; if it is not `mended` by now, it is removed.
    pub async fn lost_page(&mut self, digest: &Digest, mended: bool) {
        self.pages.remove(digest);
        self.was_damaged(&self.files.page_path(digest), mended).await;
    }

    /// Whether a segment is here.
    pub fn has_segment(&self, digest: &Digest) -> bool {
        self.segments.contains(digest)
    }

    /// A segment that should be here was damaged; if it is not `mended` by now, it is removed.
    pub async fn lost_segment(&mut self, digest: &Digest, mended: bool) {
        self.segments.remove(digest);
        self.was_damaged(&self.files.segment_path(digest), mended).await;
    }

    /// The file that an image is in, if it is here; of a large one its root.
    pub fn home(&self, image: &Digest) -> Option<u32> {
        self.homes.get(image).copied().filter(|number| self.blobs.contains_key(number))
    }

    /// Packs that were not read yet.
    pub fn unread(&self) -> impl Iterator<Item = u32> {
        self.unread.iter().copied()
    }

    /// Reads a file with images and calls `each(image's name, its octets)`, of a large image with its root's. What is damaged is
    /// removed: then its images are no longer here. `len_max`: octets of an image of its own, at most.
    pub async fn images(&mut self, file: u32, len_max: u64, mut each: impl FnMut(Digest, &[u8])) {
        let Some(Blob { kind, digest, .. }) = self.blobs.get(&file) else { return };
        let (kind, digest) = (*kind, *digest);
        let path = self.files.images_path(kind, &digest);
        let max = match kind {
            Kind::Pack => PACK_MAX as u64,
            Kind::Image => len_max,
        };
        let bytes = self.files.read(&path, max).await;
        self.unread.remove(&file);
        match kind {
            Kind::Pack => {
                if let Some(pack) = bytes.and_then(|bytes| Pack::open(bytes, &digest).ok()) {
                    self.has(Kept::Pack(&pack));
                    for entry in pack.entries() {
                        pack.image(entry).into_iter().for_each(|bytes| each(entry.image, bytes));
                    }
                    return;
                }
            }
            Kind::Image => {
                if let Some(bytes) = bytes.filter(|bytes| is_image(bytes, &digest)) {
                    each(digest, &bytes);
                    return;
                }
            }
        }
        self.blobs.remove(&file);
        self.numbers.remove(&digest);
        self.remove_damaged(&path).await;
    }

    /// Something is here now. Images that have a home already keep it.
    pub fn has(&mut self, kept: Kept<'_>) {
        match kept {
            Kept::Page(digest) => {
                self.pages.insert(digest);
            }
            Kept::Pack(pack) => {
                let number = self.number(Kind::Pack, pack.digest());
                for entry in pack.entries() {
                    if self.home(&entry.image).is_none() {
                        self.homes.insert(entry.image, number);
                    }
                }
            }
            Kept::Image(digest) => {
                let number = self.number(Kind::Image, digest);
                self.homes.insert(digest, number);
            }
            Kept::Segment(digest) => {
                self.segments.insert(digest);
            }
        }
    }

    /// The file that comes after this one, round and round; the first one after none. `None`: there are no files.
    pub fn after(&self, item: Option<Item>) -> Option<Item> {
        let (release, page, images, segment) = match item {
            None => (Unbounded, Unbounded, Unbounded, Unbounded),
            Some(Item::Release(held)) => (Excluded(held), Unbounded, Unbounded, Unbounded),
            Some(Item::Page(page)) => (PAST_RELEASES, Excluded(page), Unbounded, Unbounded),
            Some(Item::Images(file)) => (PAST_RELEASES, PAST_DIGESTS, Excluded(file), Unbounded),
            Some(Item::Segment(segment)) => (PAST_RELEASES, PAST_DIGESTS, Excluded(u32::MAX), Excluded(segment)),
        };
        let next = self.releases.range((release, Unbounded)).next().map(|(held, _)| Item::Release(*held));
        let next = next.or_else(|| self.pages.range((page, Unbounded)).next().map(|page| Item::Page(*page)));
        let next = next.or_else(|| self.blobs.range((images, Unbounded)).next().map(|(file, _)| Item::Images(*file)));
        let next = next.or_else(|| self.segments.range((segment, Unbounded)).next().map(|name| Item::Segment(*name)));
        match item {
            Some(_) => next.or_else(|| self.after(None)),
            None => next,
        }
    }

    /// Reads a file to see whether it is as it was written: if not, it is damaged from now on. One that can't be read now, as when no
    /// file can be opened, is not. `root_len_max`: octets of the root of an image, at most.
    pub async fn look_at(&mut self, item: Item, root_len_max: u64) {
        let Some((path, max)) = self.place(item, root_len_max) else { return };
        if let Err(error) = self.files.disk.read(&path, max).await
            && error.kind() != io::ErrorKind::FileTooLarge
        {
            return;
        }
        match item {
            Item::Release(held) => drop(self.release(&held).await),
            Item::Page(page) => {
                if self.files.page(&page).await.is_none() {
                    self.lost_page(&page, false).await;
                }
            }
            Item::Images(file) => self.images(file, root_len_max, |_, _| {}).await,
            Item::Segment(segment) => {
                if self.files.segment(&segment, SEGMENT_LEN_MAX).await.is_none() {
                    self.lost_segment(&segment, false).await;
                }
            }
        }
    }

    /// A file's path, and its octets at most.
    fn place(&self, item: Item, root_len_max: u64) -> Option<(String, u64)> {
        Some(match item {
            Item::Release(held) => (self.releases.get(&held)?.clone(), STATE_LEN_MAX as u64),
            Item::Page(page) => (self.files.page_path(&page), PAGE_MAX as u64),
            Item::Images(file) => {
                let blob = self.blobs.get(&file)?;
                let max = if blob.kind == Kind::Pack { PACK_MAX as u64 } else { root_len_max };
                (self.files.images_path(blob.kind, &blob.digest), max)
            }
            Item::Segment(segment) => (self.files.segment_path(&segment), SEGMENT_LEN_MAX.into()),
        })
    }

    /// A kept release uses this image.
    pub fn uses(&mut self, image: &Digest, len: u64) {
        if let Some(blob) = self.homes.get(image).and_then(|number| self.blobs.get_mut(number)) {
            blob.used += len;
        }
    }

    /// No kept release uses this image any more.
    pub fn uses_no_more(&mut self, image: &Digest, len: u64) {
        if let Some(blob) = self.homes.get(image).and_then(|number| self.blobs.get_mut(number)) {
            blob.used = blob.used.saturating_sub(len);
        }
    }

    /// Begins to count anew what is used.
    pub fn uses_nothing(&mut self) {
        self.blobs.values_mut().for_each(|blob| blob.used = 0);
    }

    /// Keeps a release, all of which is here: from now on the node starts from it.
    pub async fn keep_release(&mut self, held: Held, state: &State) -> io::Result<()> {
        let Generation { key_set, counter } = held.generation;
        let path = format!("{}/releases/{key_set:010}.{counter:020}.{}", self.files.root, held.manifest);
        self.files.disk.write(&path, state.encode()).await?;
        self.releases.insert(held, path);
        self.unreadable.remove(&held);
        Ok(())
    }

    /// Removes what is not used: releases but the newest `keep`, then pages that are not `used`, then files without a used image, then
    /// segments that are not `used_segments`.
    pub async fn sweep(
        &mut self,
        keep: usize,
        used: impl Fn(&Digest) -> bool,
        used_segments: &HashSet<Digest>,
    ) -> io::Result<()> {
        while self.releases.len() > keep {
            let Some((oldest, path)) = self.releases.iter().next().map(|(held, path)| (*held, path.clone())) else {
                break;
            };
            self.files.disk.remove(&path).await?;
            self.releases.remove(&oldest);
        }
        let gone: Vec<Digest> = self.pages.iter().filter(|page| !used(page)).copied().collect();
        for page in gone {
            self.files.disk.remove(&self.files.page_path(&page)).await?;
            self.pages.remove(&page);
        }
        let unused = self.blobs.iter().filter(|(_, blob)| blob.used == 0);
        let unused: Vec<(u32, Kind, Digest)> = unused.map(|(n, blob)| (*n, blob.kind, blob.digest)).collect();
        for (number, kind, digest) in &unused {
            self.files.disk.remove(&self.files.images_path(*kind, digest)).await?;
            self.blobs.remove(number);
            self.numbers.remove(digest);
        }
        let gone: Vec<Digest> = self.segments.iter().filter(|name| !used_segments.contains(name)).copied().collect();
        for segment in gone {
            self.files.disk.remove(&self.files.segment_path(&segment)).await?;
            self.segments.remove(&segment);
        }
        if unused.len() > HOMES_SWEEP {
            let blobs = &self.blobs;
            self.homes.retain(|_, number| blobs.contains_key(number));
        }
        Ok(())
    }

    /// Packs of which less than half is used, once there are too many of them.
    pub fn sparse(&self) -> Vec<u32> {
        let is_sparse = |blob: &Blob| blob.kind == Kind::Pack && blob.used < PACK_MAX as u64 / 2;
        let sparse: Vec<u32> = self.blobs.iter().filter(|(_, blob)| is_sparse(blob)).map(|(n, _)| *n).collect();
        if sparse.len() >= SPARSE_PACKS_MAX { sparse } else { Vec::new() }
    }

    /// Puts these used images, which are in other packs, into a new one, which becomes their home.
    pub async fn rehome(&mut self, images: &[&[u8]]) -> io::Result<()> {
        let pack = Pack::build(images).map_err(io::Error::other)?;
        self.files.keep_images(Kind::Pack, &pack.digest(), pack.bytes()).await?;
        let number = self.number(Kind::Pack, pack.digest());
        for entry in pack.entries() {
            let len = u64::from(entry.len);
            self.uses_no_more(&entry.image, len);
            self.homes.insert(entry.image, number);
            self.uses(&entry.image, len);
        }
        Ok(())
    }

    async fn remove_damaged(&mut self, path: &str) {
        self.was_damaged(path, false).await;
    }

    async fn was_damaged(&mut self, path: &str, mended: bool) {
        self.damaged += 1;
        if mended {
            tracing::warn!("{path} in the cache was damaged or gone: it was fetched again");
            return;
        }
        tracing::warn!("{path} in the cache is damaged or gone: it is fetched again when it is needed");
        // What can't be removed is replaced as a whole when it is fetched.
        let _ = self.files.disk.remove(path).await;
    }
}

/// Whether these octets are what this name of an image, or of its root, is of: they end with the digest of those before.
pub fn is_image(bytes: &[u8], name: &Digest) -> bool {
    bytes.split_last_chunk().is_some_and(|(content, end)| *end == name.0 && Digest::of(content) == *name)
}

fn name_of(path: &str) -> Option<&str> {
    path.rsplit('/').next()
}

/// The release that a file's name names.
fn held_of(name: &str) -> Option<Held> {
    let mut parts = name.splitn(3, '.');
    let (key_set, counter) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Held { generation: Generation { key_set, counter }, manifest: parts.next()?.parse().ok()? })
}
