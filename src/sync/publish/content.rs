//! The zones of a release, read from its pages.

use super::images::Images;
use super::transfer::{PARALLEL, each, persist};
use super::{Error, Publisher, Step, Tip};
use crate::counted::counted;
use crate::sync::codec::Digest;
use crate::sync::page::{Leaf, PAGE_MAX, Page, PageError, PageRef, Place};
use crate::sync::store::{Blobs, StoreError};
use crate::sync::tree::{Crawl, Root};
use crate::sync::zone_name::ZoneName;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::task::JoinSet;

/// What a release holds, as far as its pages can be read.
#[derive(Debug, Default)]
pub struct Content {
    /// Its zones.
    pub zones: BTreeMap<ZoneName, Leaf>,
    /// Its pages.
    pub pages: HashSet<Digest>,
    /// What is amiss.
    pub faults: Vec<Fault>,
    /// The segments of images that are blobs of their own, by image, as far as their roots could be read.
    pub segments: HashMap<Digest, Vec<Digest>>,
    /// Roots that could be read and are none.
    pub damaged: HashSet<Digest>,
    /// Packs, roots and segments that are not in the store. Looked for only by whoever builds upon the content.
    pub lost: HashSet<Digest>,
}

/// A page that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which.
    pub page: PageRef,
    /// What is wrong with it; `None`: it is not there.
    pub error: Option<PageError>,
}

impl Content {
    /// Whether all of it is there.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.lost.is_empty()
    }

    /// Whether all of a zone's image, of this name, is there.
    pub fn has_image(&self, zone: &ZoneName, image: &Digest) -> bool {
        self.zones.get(zone).is_some_and(|leaf| leaf.image == *image && !self.has_lost(leaf))
    }

    /// The blobs that hold images: packs, roots, segments. Roots must have been read.
    pub fn image_blobs(&self) -> BTreeSet<Digest> {
        let whole = self.zones.values().map(|leaf| leaf.pack().unwrap_or(leaf.image));
        whole.chain(self.segments.values().flatten().copied()).collect()
    }

    /// Whether a zone's image, or a part of it, is lost.
    pub fn has_lost(&self, leaf: &Leaf) -> bool {
        match leaf.pack() {
            Some(pack) => self.lost.contains(&pack),
            None => {
                let segments = self.segments.get(&leaf.image).into_iter().flatten();
                [&leaf.image].into_iter().chain(segments).any(|blob| self.lost.contains(blob))
            }
        }
    }
}

/// What came of a root's name.
pub(super) enum RootRead {
    /// Its segments: digests and octets.
    Segments(Vec<(Digest, u32)>),
    /// It is not there.
    Missing,
    /// It is not what it should be: why.
    Damaged(String),
}

/// Reads the root of an image that is a blob of its own.
pub(super) async fn read_root(blobs: &dyn Blobs, leaf: &Leaf) -> Result<RootRead, Error> {
    let bytes = match persist(|| blobs.get(&leaf.image, leaf.root_len_max())).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(RootRead::Missing),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Malformed { .. })) => {
            return Ok(RootRead::Damaged(error.to_string()));
        }
        Err(error) => return Err(Error::Store { what: format!("reading image {}", leaf.image), error }),
    };
    Ok(match leaf.open_root(bytes) {
        Ok(root) => RootRead::Segments(root.segments().map(|(digest, len)| (Digest(digest), len)).collect()),
        Err(refusal) => RootRead::Damaged(refusal.to_string()),
    })
}

impl Publisher {
    /// What a new release is built upon: the head's zones, and which of its blobs are lost. Roots of `images` are not read again.
    pub(super) async fn content(&self, tip: &Tip, images: &Images) -> Result<Content, Error> {
        let mut content = self.zones(tip).await?;
        for fault in &content.faults {
            let page = fault.page.digest;
            let what = fault.error.as_ref().map_or("missing".into(), |error| error.to_string());
            self.progress.note(&format!("page {page} of the head is lost, and made again: {what}"));
            // What has a wrong content would stay: a blob that is there is not put again.
            if fault.error.is_some() {
                let blobs = &self.store.blobs;
                persist(|| blobs.delete(&page)).await.map_err(Error::store("removing a damaged page"))?;
            }
        }
        let ours =
            |image: &Digest| images.by_name(image).map(|image| image.segments().map(|s| Digest(*s.digest())).collect());
        self.read_roots(&mut content, ours).await?;
        for image in &content.damaged {
            self.progress.note(&format!("image {image} of the head is damaged, and made again"));
            let blobs = &self.store.blobs;
            persist(|| blobs.delete(image)).await.map_err(Error::store("removing a damaged image"))?;
        }
        let blobs: Vec<Digest> = content.image_blobs().into_iter().collect();
        let there = self.present(&blobs).await?;
        content.lost = blobs.into_iter().filter(|blob| !there.contains(blob)).collect();
        if !content.lost.is_empty() {
            let lost = counted(content.lost.len(), "blob");
            self.progress.note(&format!("the head has lost {lost} of images: made again"));
        }
        Ok(content)
    }

    /// The zones of a head that is built upon; no more of it is read than its pages.
    pub(super) async fn zones(&self, tip: &Tip) -> Result<Content, Error> {
        match (&tip.state.head, &tip.disowned) {
            (Some(head), None) => self.read_content(&head.manifest.claims().root, |_| false).await,
            (Some(_), Some(refusal)) => {
                self.progress.note(&format!("the head is not built upon: {refusal}"));
                Ok(Content::default())
            }
            (None, _) => Ok(Content::default()),
        }
    }

    /// Reads the roots of images that are blobs of their own, but not those whose segments are `known`.
    pub(super) async fn read_roots(
        &self,
        content: &mut Content,
        known: impl Fn(&Digest) -> Option<Vec<Digest>>,
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        let mut seen = HashSet::new();
        for leaf in content.zones.values().filter(|leaf| leaf.place == Place::Own) {
            if seen.insert(leaf.image) {
                match known(&leaf.image) {
                    Some(segments) => drop(content.segments.insert(leaf.image, segments)),
                    None => wanted.push(leaf.clone()),
                }
            }
        }
        let read = |leaf: Leaf| {
            let blobs = Arc::clone(&self.store.blobs);
            async move {
                let root = read_root(&*blobs, &leaf).await;
                (leaf.image, root)
            }
        };
        each(wanted, read, |(image, root): (Digest, Result<RootRead, Error>)| {
            match root? {
                RootRead::Segments(segments) => {
                    content.segments.insert(image, segments.into_iter().map(|(digest, _)| digest).collect());
                }
                RootRead::Missing => {}
                RootRead::Damaged(_) => drop(content.damaged.insert(image)),
            }
            Ok::<(), Error>(())
        })
        .await
    }

    /// Reads a tree, but not what is `known`.
    pub(super) async fn read_content(&self, root: &Root, known: impl Fn(&Digest) -> bool) -> Result<Content, Error> {
        let mut content = Content::default();
        let mut crawl = Crawl::new(root, &known);
        let mut fetches = JoinSet::new();
        loop {
            while fetches.len() < PARALLEL
                && let Some(page) = crawl.next_page()
            {
                let blobs = Arc::clone(&self.store.blobs);
                fetches.spawn(async move {
                    let bytes = persist(|| blobs.get(&page.digest, PAGE_MAX as u64)).await;
                    (page, bytes)
                });
            }
            let Some(fetched) = fetches.join_next().await else { break };
            let (page, bytes) = fetched.expect("fetches neither panic nor are cancelled");
            let digest = page.digest;
            let error = match bytes {
                Ok(None) => None,
                Ok(Some(bytes)) => match crawl.supply(&page, &bytes, &known) {
                    Ok(opened) => {
                        content.pages.insert(digest);
                        self.progress.at(Step::Reading, content.pages.len() as u64, None);
                        if let Page::Leaves(leaves) = opened {
                            content.zones.extend(leaves.into_iter().map(|leaf| (leaf.name.clone(), leaf)));
                        }
                        continue;
                    }
                    Err(error) => Some(error),
                },
                Err(StoreError::TooLarge { has, max, .. }) => {
                    let error = crate::sync::codec::FormatError::TooLarge { what: "octets of a page", has, max };
                    Some(PageError::Format(digest, error))
                }
                Err(error) => return Err(Error::Store { what: format!("reading page {digest}"), error }),
            };
            content.faults.push(Fault { page, error });
        }
        Ok(content)
    }
}
