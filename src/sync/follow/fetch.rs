//! Getting what a release needs: from the cache, and from the stores what is not there.
//!
//! Many at once, in bounded number; each blob from the store that is followed, or from another if that one has it not, or has
//! other octets under its name. What came is kept at once: so an attempt that is broken off is gone on with.

use super::Shared;
use super::failure::Failure;
use super::tree::{Pages, Tree};
use crate::sync::cache::{Cache, Files, Kept, Kind, is_image};
use crate::sync::codec::Digest;
use crate::sync::pack::{PACK_MAX, Pack};
use crate::sync::page::{Leaf, PAGE_MAX, PageRef, Place};
use crate::sync::tree::{Crawl, Root};
use crate::sync::zone_name::ZoneName;
use crate::zone::image::{self, Image, Segment};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// Blobs that are fetched at once.
const FETCHES_MAX: usize = 16;
/// A blob may take so long to come,
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// and this much longer for each second that its octets take at the slowest rate that is put up with.
const OCTETS_PER_SEC_MIN: u64 = 64 << 10;

/// What is fetched for, and how.
pub(super) struct Fetch<'a> {
    pub(super) shared: &'a Shared,
    /// Whether stores may be asked.
    pub(super) online: bool,
    /// The first thing that could not be kept.
    pub(super) unkept: Option<String>,
}

impl Fetch<'_> {
    /// The pages of `root`'s tree that `tree` has not.
    pub(super) async fn pages(&mut self, cache: &mut Cache, root: &Root, tree: &Tree) -> Result<Pages, Failure> {
        let known = |page: &Digest| tree.has(page);
        let mut crawl = Crawl::new(root, known);
        let mut pages = Pages::new();
        let files = cache.files();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < FETCHES_MAX
                && let Some(page) = crawl.next_page()
            {
                let cached = cache.has_page(&page.digest);
                under_way.push(page_from(self.shared, &files, page, cached, self.online));
            }
            let Some((page, came)) = under_way.next().await else { return Ok(pages) };
            let Came { content, kept, damaged } = came;
            if damaged {
                cache.lost_page(&page.digest, content.is_ok() && kept.is_ok()).await;
            }
            let bytes = content?;
            if self.note(kept) {
                cache.has(Kept::Page(page.digest));
            }
            // Its digest is right: whoever signed the release erred.
            crawl.supply(&page, &bytes, known).map_err(|error| Failure::release("page", error.to_string()))?;
            pages.insert(page.digest, bytes.into());
        }
    }

    /// The images of these zones, opened, in their order. Large ones share the segments of those that are `served`.
    pub(super) async fn images(
        &mut self,
        cache: &mut Cache,
        leaves: Vec<Leaf>,
        served: &Large,
    ) -> Result<Vec<(Leaf, Image)>, Failure> {
        let mut roots: Vec<Option<image::Root>> = vec![None; leaves.len()];
        self.images_from_cache(cache, &leaves, &mut roots).await?;
        self.images_from_stores(cache, &leaves, &mut roots).await?;
        // All are there, or one of the two has failed.
        let roots: Vec<_> = leaves.into_iter().zip(roots).filter_map(|(leaf, root)| Some((leaf, root?))).collect();
        let mut segments = self.segments(cache, &roots, served).await?;
        let assembled = roots.into_iter().map(|(leaf, root)| {
            let image = root.assemble(|name| segments.take(&Digest(*name)));
            let image = image.map_err(|error| refused(&leaf, &error))?;
            Ok((leaf, image))
        });
        assembled.collect()
    }

    /// The segments of these images: those of the same zones that are served, and what the cache and then the stores have.
    async fn segments(
        &mut self,
        cache: &mut Cache,
        roots: &[(Leaf, image::Root)],
        served: &Large,
    ) -> Result<Segments, Failure> {
        let mut segments = Segments::default();
        let mut wanted: BTreeMap<Digest, u32> = BTreeMap::new();
        let files = cache.files();
        for (leaf, root) in roots {
            let here: HashMap<Digest, Segment> = match served.get(&leaf.name).filter(|_| root.segments().len() > 0) {
                Some(image) => image.segments().map(|segment| (Digest(*segment.digest()), segment)).collect(),
                None => HashMap::new(),
            };
            for (name, len) in root.segments().map(|(digest, len)| (Digest(digest), len)) {
                *segments.uses.entry(name).or_default() += 1;
                if segments.here.contains_key(&name) {
                    continue;
                }
                let Some(segment) = here.get(&name) else {
                    wanted.insert(name, len);
                    continue;
                };
                // It is on the disk, unless that failed when it came.
                if !cache.has_segment(&name) && self.note(files.keep_segment(&name, segment.bytes()).await) {
                    cache.has(Kept::Segment(name));
                }
                segments.here.insert(name, segment.clone());
            }
        }
        // One that is both here and wanted has been found with a later zone.
        wanted.retain(|name, _| !segments.here.contains_key(name));
        let mut wanted = wanted.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < FETCHES_MAX
                && let Some((name, len)) = wanted.next()
            {
                let cached = cache.has_segment(&name);
                under_way.push(segment_from(self.shared, &files, name, len, cached, self.online));
            }
            let Some((name, came)) = under_way.next().await else { return Ok(segments) };
            let Came { content, kept, damaged } = came;
            if damaged {
                cache.lost_segment(&name, content.is_ok() && kept.is_ok()).await;
            }
            let segment = content?;
            if self.note(kept) {
                cache.has(Kept::Segment(name));
            }
            segments.here.insert(name, segment);
        }
    }

    /// Keeps a large image that is here.
    pub(super) async fn keep(&mut self, cache: &mut Cache, image: &Image) {
        let files = cache.files();
        for segment in image.segments() {
            let name = Digest(*segment.digest());
            if !cache.has_segment(&name) && self.note(files.keep_segment(&name, segment.bytes()).await) {
                cache.has(Kept::Segment(name));
            }
        }
        let name = Digest(image.digest());
        if cache.home(&name).is_none() && self.note(files.keep_images(Kind::Image, &name, image.root()).await) {
            cache.has(Kept::Image(name));
        }
    }

    async fn images_from_cache(
        &mut self,
        cache: &mut Cache,
        leaves: &[Leaf],
        opened: &mut [Option<image::Root>],
    ) -> Result<(), Failure> {
        let by_name: BTreeMap<Digest, usize> = leaves.iter().enumerate().map(|(at, leaf)| (leaf.image, at)).collect();
        let mut failure = None;
        let mut files: BTreeSet<u32> = leaves.iter().filter_map(|leaf| cache.home(&leaf.image)).collect();
        if leaves.iter().any(|leaf| cache.home(&leaf.image).is_none()) {
            // Packs say what is in them only when they are read.
            files.extend(cache.unread());
        }
        let longest = leaves.iter().map(Leaf::root_len_max).max().unwrap_or(0);
        for file in files {
            cache
                .images(file, longest, |name, bytes| {
                    if let Some(at) = by_name.get(&name).copied().filter(|at| opened[*at].is_none()) {
                        match open(&leaves[at], bytes.to_vec()) {
                            Ok(image) => opened[at] = Some(image),
                            Err(error) => failure = Some(error),
                        }
                    }
                })
                .await;
        }
        failure.map_or(Ok(()), Err)
    }

    async fn images_from_stores(
        &mut self,
        cache: &mut Cache,
        leaves: &[Leaf],
        opened: &mut [Option<image::Root>],
    ) -> Result<(), Failure> {
        let mut wanted: BTreeMap<(Digest, bool), Vec<usize>> = BTreeMap::new();
        for (at, leaf) in leaves.iter().enumerate().filter(|(at, _)| opened[*at].is_none()) {
            let blob = match leaf.place {
                Place::Own => (leaf.image, false),
                Place::Pack { pack, .. } => (pack, true),
            };
            wanted.entry(blob).or_default().push(at);
        }
        let files = cache.files();
        let mut wanted = wanted.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < FETCHES_MAX
                && let Some(((digest, packed), zones)) = wanted.next()
            {
                let len = zones.first().map_or(0, |at| leaves[*at].root_len_max());
                under_way.push(blob_from(self.shared, &files, digest, packed, len, zones, self.online));
            }
            let Some((zones, came)) = under_way.next().await else { return Ok(()) };
            let (blob, kept) = came?;
            let kept = self.note(kept);
            match blob {
                Blob::Image(bytes) => {
                    for at in zones {
                        opened[at] = Some(open(&leaves[at], bytes.clone())?);
                        if kept {
                            cache.has(Kept::Image(leaves[at].image));
                        }
                    }
                }
                Blob::Pack(pack) => {
                    let directory: BTreeMap<Digest, &_> = pack.entries().iter().map(|e| (e.image, e)).collect();
                    for at in zones {
                        let entry = directory.get(&leaves[at].image).and_then(|entry| pack.image(entry));
                        let Some(bytes) = entry else {
                            let (pack, name) = (pack.digest(), &leaves[at].name);
                            return Err(Failure::release("pack", format!("pack {pack} has no image of zone {name}")));
                        };
                        opened[at] = Some(open(&leaves[at], bytes.to_vec())?);
                    }
                    if kept {
                        cache.has(Kept::Pack(&pack));
                    }
                }
            }
        }
    }

    /// Whether something was kept; the first failure is remembered.
    fn note(&mut self, kept: io::Result<()>) -> bool {
        match kept {
            Ok(()) => true,
            Err(error) => {
                self.unkept.get_or_insert_with(|| format!("the cache can't be written: {error}"));
                false
            }
        }
    }
}

/// A zone's image from its octets, or the root of a large one: the one place where what a release names becomes what is served.
fn open(leaf: &Leaf, bytes: Vec<u8>) -> Result<image::Root, Failure> {
    let root = leaf.open_root(bytes).map_err(|error| refused(leaf, &error))?;
    if leaf.place != Place::Own && root.segments().len() > 0 {
        return Err(refused(leaf, &"a pack has its root, and not its segments"));
    }
    Ok(root)
}

fn refused(leaf: &Leaf, why: &dyn std::fmt::Display) -> Failure {
    Failure::release("image", format!("zone {}: {why}", leaf.name))
}

/// The large images that are served, by zone.
pub(super) type Large = BTreeMap<ZoneName, Image>;

/// Segments that are here, until they are part of an image.
#[derive(Default)]
struct Segments {
    here: HashMap<Digest, Segment>,
    /// How often each is still to be taken.
    uses: HashMap<Digest, usize>,
}

impl Segments {
    /// The last time it is given away, so that images are put together within little more memory than they take.
    fn take(&mut self, name: &Digest) -> Option<Segment> {
        let left = self.uses.get_mut(name)?;
        *left = left.saturating_sub(1);
        if *left == 0 { self.here.remove(name) } else { self.here.get(name).cloned() }
    }
}

/// A page or a segment, or why there is none.
struct Came<T> {
    content: Result<T, Failure>,
    kept: io::Result<()>,
    /// The cache's file was.
    damaged: bool,
}

async fn page_from(
    shared: &Shared,
    files: &Files,
    page: PageRef,
    cached: bool,
    online: bool,
) -> (PageRef, Came<Vec<u8>>) {
    if cached && let Some(bytes) = files.page(&page.digest).await {
        return (page, Came { content: Ok(bytes), kept: Ok(()), damaged: false });
    }
    let digest = page.digest;
    let came = match shared.blob(&digest, PAGE_MAX as u64, "page", online, |bytes| Digest::of(bytes) == digest).await {
        Ok(bytes) => {
            let kept = files.keep_page(&digest, &bytes).await;
            Came { content: Ok(bytes), kept, damaged: cached }
        }
        Err(failure) => Came { content: Err(failure), kept: Ok(()), damaged: cached },
    };
    (page, came)
}

async fn segment_from(
    shared: &Shared,
    files: &Files,
    name: Digest,
    len: u32,
    cached: bool,
    online: bool,
) -> (Digest, Came<Segment>) {
    if cached && let Some(segment) = files.segment(&name, len).await {
        return (name, Came { content: Ok(segment), kept: Ok(()), damaged: false });
    }
    let is_it = |bytes: &[u8]| Digest::of(bytes) == name;
    let came = match shared.blob(&name, len.into(), "segment", online, is_it).await {
        Ok(bytes) => {
            let kept = files.keep_segment(&name, &bytes).await;
            // Its digest is right: whoever signed the release erred.
            let content = Segment::open(bytes, &name.0).map_err(|error| Failure::release("image", error.to_string()));
            Came { content, kept, damaged: cached }
        }
        Err(failure) => Came { content: Err(failure), kept: Ok(()), damaged: cached },
    };
    (name, came)
}

/// What images come in.
enum Blob {
    Pack(Pack),
    Image(Vec<u8>),
}

/// Which zones a blob is for, and the blob.
type ImagesCame = (Vec<usize>, Result<(Blob, io::Result<()>), Failure>);

async fn blob_from(
    shared: &Shared,
    files: &Files,
    digest: Digest,
    packed: bool,
    len: u64,
    zones: Vec<usize>,
    online: bool,
) -> ImagesCame {
    let blob = async {
        if !packed {
            let bytes = shared.blob(&digest, len, "image", online, |bytes| is_image(bytes, &digest)).await?;
            let kept = files.keep_images(Kind::Image, &digest, &bytes).await;
            return Ok((Blob::Image(bytes), kept));
        }
        let is_it = |bytes: &[u8]| Digest::of(bytes) == digest;
        let bytes = shared.blob(&digest, PACK_MAX as u64, "pack", online, is_it).await?;
        let pack = Pack::open(bytes, &digest).map_err(|error| Failure::release("pack", error.to_string()))?;
        let kept = files.keep_images(Kind::Pack, &digest, pack.bytes()).await;
        Ok((Blob::Pack(pack), kept))
    };
    let blob = blob.await;
    (zones, blob)
}

impl Shared {
    /// A blob's octets from the first store that has them: the one that is followed goes first.
    async fn blob(
        &self,
        name: &Digest,
        max: u64,
        what: &str,
        online: bool,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, Failure> {
        if !online {
            return Err(Failure::Passing(format!("{what} {name} is not in the cache")));
        }
        let time = FETCH_TIMEOUT + Duration::from_secs(max / OCTETS_PER_SEC_MIN);
        let mut why = Vec::new();
        for (at, store) in self.by_preference() {
            let got = timeout(time, store.blobs.get(name, max)).await;
            self.status.set(|figures| {
                figures.requests += 1;
                figures.octets += got.as_ref().map_or(0, |got| match got {
                    Ok(Some(bytes)) => bytes.len() as u64,
                    Ok(None) | Err(_) => 0,
                });
            });
            let failed = match got {
                Ok(Ok(Some(bytes))) if is_it(&bytes) => return Ok(bytes),
                Ok(Ok(Some(_))) => "it has other octets under this name".to_owned(),
                Ok(Ok(None)) => {
                    // Not a failure of the store's: whoever carries blobs to it may not be done.
                    why.push(format!("{}: it is not there", store.name));
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            self.store_failed(at, &format!("{what} {name}: {failed}"));
            why.push(format!("{}: {failed}", store.name));
        }
        Err(Failure::Passing(format!("{what} {name} can't be had: {}", why.join("; "))))
    }
}
