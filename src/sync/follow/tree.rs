//! The pages of the release that is served, in memory, and how to get from them to another release's.
//!
//! They take about a hundred octets a zone. With them a change is found without reading the disk, whatever state it is in, and at the
//! cost of what changed.

use crate::sync::codec::Digest;
use crate::sync::page::{Page, PageRef};
use crate::sync::tree::{self, Change, Crawl, Root, TreeError};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

/// Pages by their digests.
pub(super) type Pages = BTreeMap<Digest, Arc<[u8]>>;

/// A release's tree, all of its pages.
#[derive(Default)]
pub(super) struct Tree {
    root: Option<Root>,
    pages: Pages,
}

/// From one tree to the next.
pub(super) struct Step {
    root: Root,
    /// Pages that only the next one has.
    pub(super) fresh: Pages,
    /// Pages that only the one before has.
    pub(super) gone: BTreeSet<Digest>,
    /// Zones that differ, in canonical order.
    pub(super) changes: Vec<Change>,
}

impl Tree {
    /// Its root; `None`: it is of no release.
    pub(super) fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Whether a page is one of its.
    pub(super) fn has(&self, page: &Digest) -> bool {
        self.pages.contains_key(page)
    }

    /// What differs from here to `root`, of whose pages `fresh` are those that are not here. `Err`: they contradict each other, which
    /// only happens if the release does.
    pub(super) fn step(&self, root: Root, fresh: Pages) -> Result<Step, String> {
        let find = |page: &PageRef| {
            // All pages of both are in one of the two: whoever crawled the new one saw to that.
            let bytes = fresh.get(&page.digest).or_else(|| self.pages.get(&page.digest));
            Ok::<_, Infallible>(bytes.map_or(Vec::new(), |bytes| bytes.to_vec()))
        };
        let mut changes = Vec::new();
        tree::diff(self.root.as_ref(), &root, find, |change| changes.push(change)).map_err(|error| match error {
            TreeError::Fetch(never) => match never {},
            TreeError::Page(error) => error.to_string(),
        })?;
        let gone = self.gone(&root, &fresh)?;
        Ok(Step { root, fresh, gone, changes })
    }

    /// Pages that only this tree has. One that both have is named by one of `fresh`: its parent there is fresh, or one that both have,
    /// and no page is below two.
    fn gone(&self, root: &Root, fresh: &Pages) -> Result<BTreeSet<Digest>, String> {
        let Some(ours) = &self.root else { return Ok(BTreeSet::new()) };
        let mut named: BTreeSet<Digest> = [root.digest].into();
        for bytes in fresh.values() {
            if let Ok(Page::Inner { children, .. }) = Page::decode(bytes) {
                named.extend(children.iter().map(|child| child.page));
            }
        }
        let known = |page: &Digest| named.contains(page);
        let mut crawl = Crawl::new(ours, known);
        let mut gone = BTreeSet::new();
        while let Some(page) = crawl.next_page() {
            let bytes = self.pages.get(&page.digest).ok_or("a page of the release that is served is missing")?;
            crawl.supply(&page, bytes, known).map_err(|error| error.to_string())?;
            gone.insert(page.digest);
        }
        Ok(gone)
    }

    /// Goes to the next one.
    pub(super) fn advance(&mut self, step: Step) {
        self.root = Some(step.root);
        for page in &step.gone {
            self.pages.remove(page);
        }
        self.pages.extend(step.fresh);
    }

    /// All pages.
    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }
}
