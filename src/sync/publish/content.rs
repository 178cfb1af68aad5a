//! The zones of a release, read from its pages.

use super::transfer::{PARALLEL, persist};
use super::{Error, Publisher, Step, Tip};
use crate::sync::codec::Digest;
use crate::sync::page::{Leaf, PAGE_MAX, Page, PageError, PageRef};
use crate::sync::tree::{Crawl, Root};
use crate::sync::zone_name::ZoneName;
use std::collections::{BTreeMap, HashSet};
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
    /// Packs and images of their own that are not in the store. Looked for only by whoever builds upon the content.
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

    /// The blobs that hold images.
    pub fn image_blobs(&self) -> HashSet<Digest> {
        self.zones.values().map(|leaf| leaf.pack().unwrap_or(leaf.image)).collect()
    }
}

impl Publisher {
    /// What a new release is built upon: the head's zones, and which of its blobs are lost.
    pub(super) async fn content(&self, tip: &Tip) -> Result<Content, Error> {
        let head = match (&tip.state.head, &tip.disowned) {
            (Some(head), None) => head,
            (Some(_), Some(refusal)) => {
                self.progress.note(&format!("the head is not built upon: {refusal}; all zones are packed anew"));
                return Ok(Content::default());
            }
            (None, _) => return Ok(Content::default()),
        };
        let mut content = self.read_content(&head.manifest.claims().root, |_| false).await?;
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
        let blobs: Vec<Digest> = content.image_blobs().into_iter().collect();
        let there = self.present(&blobs).await?;
        content.lost = blobs.into_iter().filter(|blob| !there.contains(blob)).collect();
        if !content.lost.is_empty() {
            self.progress.note(&format!("{} packs or images of the head are lost, and made again", content.lost.len()));
        }
        Ok(content)
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
                Err(crate::sync::store::StoreError::TooLarge { has, max, .. }) => {
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
