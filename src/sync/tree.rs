//! The tree of a release's zones: built by the publisher, fetched and compared by nodes.
//!
//! **Where pages end depends on the names alone**, by their hash: so the same entries give the same pages whatever came
//! before, a zone that changes changes one page a level, and one that is added or removed about as few. (A tree of this
//! kind is known as a prolly tree.) Customers choose names, and with them hashes: no page ends before it has
//! [`PAGE_MIN`] octets, so that such names make pages smaller, never many or deep. The places of images are part of the entries,
//! so two publishers that pack differently have equal boundaries, and other digests.

use super::codec::{Digest, FormatError, at_most};
use super::page::{Child, HEAD, INNER, LEAF_MAX, Leaf, PAGE_MAX, Page, PageError, PageRef, Totals, ZONES_MAX};
use super::zone_name::ZoneName;
use std::cmp::Ordering;

/// Octets that a page has at least, if another follows it; entries are counted at the most that they may take.
pub const PAGE_MIN: usize = 2048;
/// Of so many names one ends a page.
const SPREAD: u64 = 96;

/// The root of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Root {
    /// The root page's name.
    pub digest: Digest,
    /// Its level: 0 if it has zones itself.
    pub level: u8,
    /// All zones.
    pub totals: Totals,
}

impl Root {
    /// The root page.
    pub fn page(&self) -> PageRef {
        PageRef { digest: self.digest, level: self.level, after: None, last: None, totals: self.totals }
    }
}

/// Builds the tree of these zones, which must be in canonical order, each once. `emit(digest, octets)` is called for every page,
/// the root last.
pub fn build(
    leaves: impl IntoIterator<Item = Leaf>,
    mut emit: impl FnMut(Digest, Vec<u8>),
) -> Result<Root, FormatError> {
    let leaves = split(leaves, 0, LEAF_MAX, |leaf| &leaf.name, |leaves| write(Page::Leaves(leaves), &mut emit));
    let mut pages = leaves?;
    if pages.is_empty() {
        pages.push(write(Page::Leaves(Vec::new()), &mut emit)?);
    }
    let mut level = 0;
    while pages.len() > 1 {
        level += 1;
        let children = pages.into_iter().filter_map(|(last, (page, totals))| Some(Child { last: last?, page, totals }));
        let inner = |children| write(Page::Inner { level, children }, &mut emit);
        pages = split(children, level, INNER, |child| &child.last, inner)?;
    }
    let (_, (digest, totals)) = pages.pop().ok_or(FormatError::Invalid("a tree without a page"))?;
    Ok(Root { digest, level, totals })
}

/// A page that was written: its last name, its own name, and what is below.
type Written = (Option<ZoneName>, (Digest, Totals));

fn write(page: Page, emit: &mut impl FnMut(Digest, Vec<u8>)) -> Result<Written, FormatError> {
    let bytes = page.encode()?;
    let totals = page.totals().ok_or(FormatError::Invalid("its totals overflow"))?;
    at_most("zones", totals.zones, ZONES_MAX)?;
    let digest = Digest::of(&bytes);
    emit(digest, bytes);
    Ok((page.last().cloned(), (digest, totals)))
}

/// Cuts a level's entries into pages.
fn split<T>(
    entries: impl IntoIterator<Item = T>,
    level: u8,
    fixed: usize,
    name: impl Fn(&T) -> &ZoneName,
    mut write: impl FnMut(Vec<T>) -> Result<Written, FormatError>,
) -> Result<Vec<Written>, FormatError> {
    let mut pages = Vec::new();
    let mut page: Vec<T> = Vec::new();
    let mut cut = Cut::new(level, fixed);
    let mut before: Option<ZoneName> = None;
    for entry in entries {
        let this = name(&entry).clone();
        if before.is_some_and(|before| before >= this) {
            return Err(FormatError::Order("zones"));
        }
        if cut.is_before(&this) {
            pages.push(write(std::mem::take(&mut page))?);
        }
        page.push(entry);
        before = Some(this);
    }
    if !page.is_empty() {
        pages.push(write(page)?);
    }
    Ok(pages)
}

/// The lowest pages of a tree: what a publisher must know to change few octets of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// For each zone its leaf page, from 0 on.
    pub page_of: Vec<u32>,
    /// For each leaf page its octets, with a few packs.
    pub octets: Vec<u64>,
    /// For each leaf page its parent, from 0 on.
    pub parent: Vec<u32>,
    /// For each parent its octets.
    pub parent_octets: Vec<u64>,
}

/// Packs that a leaf page is taken to name.
const PACKS_EXPECTED: usize = 4;

impl Shape {
    /// The shape of the tree of these zones, which are in canonical order.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a ZoneName>) -> Shape {
        let mut shape = Shape::default();
        let (mut leaves, mut parents) = (Cut::new(0, LEAF_MAX), Cut::new(1, INNER));
        let mut last: Option<&ZoneName> = None;
        let mut end_page = |last: &ZoneName, shape: &mut Shape| {
            if parents.is_before(last) || shape.parent_octets.is_empty() {
                shape.parent_octets.push(HEAD as u64);
            }
            shape.parent.push(shape.parent_octets.len() as u32 - 1);
            if let Some(octets) = shape.parent_octets.last_mut() {
                *octets += (INNER + last.as_wire().len()) as u64;
            }
        };
        for name in names {
            if leaves.is_before(name) || last.is_none() {
                last.into_iter().for_each(|last| end_page(last, &mut shape));
                shape.octets.push((HEAD + PACKS_EXPECTED * 32) as u64);
            }
            shape.page_of.push(shape.octets.len() as u32 - 1);
            if let Some(octets) = shape.octets.last_mut() {
                *octets += (LEAF_MAX - 32 + name.as_wire().len()) as u64;
            }
            last = Some(name);
        }
        last.into_iter().for_each(|last| end_page(last, &mut shape));
        shape
    }
}

/// Where the pages of a level end. An entry takes at most `fixed` octets and its name: what it really takes depends on
/// the packs that its neighbours are in, and must not move a boundary.
struct Cut {
    level: u8,
    fixed: usize,
    /// Of the page so far.
    octets: usize,
    /// The next entry begins a page.
    ended: bool,
}

impl Cut {
    fn new(level: u8, fixed: usize) -> Cut {
        Cut { level, fixed, octets: HEAD, ended: false }
    }

    /// Takes the next entry's name. Whether a page ends before it.
    fn is_before(&mut self, name: &ZoneName) -> bool {
        let needs = self.fixed + name.as_wire().len();
        let cut = self.ended || self.octets + needs > PAGE_MAX;
        if cut {
            self.octets = HEAD;
        }
        self.octets += needs;
        self.ended = self.octets >= PAGE_MIN && ends_page(name, self.level);
        cut
    }
}

/// Whether a page of this level ends after `name`. XXH3-64 of the name in wire form, seeded with the level, or pages of all
/// levels would end together.
fn ends_page(name: &ZoneName, level: u8) -> bool {
    xxhash_rust::xxh3::xxh3_64_with_seed(name.as_wire(), level.into()) < u64::MAX / SPREAD
}

/// What differs between two releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the new release has the zone.
    Added(Leaf),
    /// Only the old release has it.
    Removed(Leaf),
    /// Both have it; serial, image or place differ.
    Changed {
        /// As it was.
        old: Leaf,
        /// As it is.
        new: Leaf,
    },
}

/// Why two trees could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E: std::error::Error> {
    /// The caller's own.
    #[error(transparent)]
    Fetch(E),
    /// A page is not what it should be.
    #[error(transparent)]
    Page(#[from] PageError),
}

/// Calls `each` for every zone that differs, in canonical order. Only pages that differ, or of which other things are said, are fetched; `fetch`
/// gives a page's octets, which are then verified: so an error is the same whatever `old` is. `old` is `None` for a node that has nothing.
pub fn diff<E: std::error::Error>(
    old: Option<&Root>,
    new: &Root,
    mut fetch: impl FnMut(&PageRef) -> Result<Vec<u8>, E>,
    mut each: impl FnMut(Change),
) -> Result<(), TreeError<E>> {
    let (mut old, mut new) = (Walk(old.map(|root| Item::Page(root.page())).into_iter().collect()), Walk::from(new));
    loop {
        let expand = match (old.0.last(), new.0.last()) {
            (None, None) => return Ok(()),
            // Not only the digest: what the new release says of a page that both have must be so too, or who has nothing would refuse it.
            (Some(Item::Page(a)), Some(Item::Page(b))) if a == b => {
                old.0.pop();
                new.0.pop();
                continue;
            }
            (Some(Item::Page(a)), Some(Item::Page(b))) if b.is_behind(a) => &mut old,
            (Some(Item::Page(a)), Some(Item::Page(b))) if a.is_behind(b) => &mut new,
            // Of two pages that overlap the higher one; of equal levels both, one after the other.
            (Some(Item::Page(a)), Some(Item::Page(b))) if a.level >= b.level => &mut old,
            (Some(Item::Page(_)), Some(Item::Page(_))) => &mut new,
            // A zone before all that a page has need not wait for the page.
            (Some(Item::Zone(zone)), Some(Item::Page(page))) if !page.is_after(&zone.name) => &mut new,
            (Some(Item::Page(page)), Some(Item::Zone(zone))) if !page.is_after(&zone.name) => &mut old,
            (Some(Item::Page(_)), None) => &mut old,
            (None, Some(Item::Page(_))) => &mut new,
            _ => {
                each_zone(&mut old, &mut new, &mut each);
                continue;
            }
        };
        expand.expand(&mut fetch)?;
    }
}

/// Takes the first zone, or the same zone of both. At least one walk is at a zone, and no page could hold an earlier one.
fn each_zone(old: &mut Walk, new: &mut Walk, each: &mut impl FnMut(Change)) {
    let order = match (old.zone(), new.zone()) {
        (Some(a), Some(b)) => a.name.cmp(&b.name),
        (Some(_), None) => Ordering::Less,
        _ => Ordering::Greater,
    };
    let before = if order.is_le() { old.take_zone() } else { None };
    let after = if order.is_ge() { new.take_zone() } else { None };
    match (before, after) {
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => each(Change::Changed { old, new }),
        (Some(old), None) => each(Change::Removed(old)),
        (None, Some(new)) => each(Change::Added(new)),
        (None, None) => {}
    }
}

/// What is still to be looked at of a tree, the next last: at most one page's entries a level.
struct Walk(Vec<Item>);

enum Item {
    Page(PageRef),
    Zone(Leaf),
}

impl From<&Root> for Walk {
    fn from(root: &Root) -> Walk {
        Walk(vec![Item::Page(root.page())])
    }
}

impl Walk {
    fn zone(&self) -> Option<&Leaf> {
        match self.0.last() {
            Some(Item::Zone(zone)) => Some(zone),
            Some(Item::Page(_)) | None => None,
        }
    }

    fn take_zone(&mut self) -> Option<Leaf> {
        match self.0.pop() {
            Some(Item::Zone(zone)) => Some(zone),
            Some(Item::Page(_)) | None => None,
        }
    }

    /// Puts what a page has in its place.
    fn expand<E: std::error::Error>(
        &mut self,
        fetch: &mut impl FnMut(&PageRef) -> Result<Vec<u8>, E>,
    ) -> Result<(), TreeError<E>> {
        let Some(Item::Page(wanted)) = self.0.pop() else { return Ok(()) };
        let bytes = fetch(&wanted).map_err(TreeError::Fetch)?;
        match Page::open(&bytes, &wanted)? {
            Page::Leaves(leaves) => self.0.extend(leaves.into_iter().rev().map(Item::Zone)),
            Page::Inner { level, children } => {
                self.0.extend(below(&wanted, level, children).into_iter().rev().map(Item::Page));
            }
        }
        Ok(())
    }
}

impl PageRef {
    /// Whether all that the page has is after `name`.
    fn is_after(&self, name: &ZoneName) -> bool {
        self.after.as_ref().is_some_and(|after| after >= name)
    }

    /// Whether all that the page has is after all that `other` has.
    fn is_behind(&self, other: &PageRef) -> bool {
        other.last.as_ref().is_some_and(|last| self.is_after(last))
    }
}

/// The pages below an inner page, in order.
fn below(parent: &PageRef, level: u8, children: Vec<Child>) -> Vec<PageRef> {
    let mut after = parent.after.clone();
    let mut pages = Vec::with_capacity(children.len());
    for child in children {
        let last = Some(child.last);
        let after = std::mem::replace(&mut after, last.clone());
        pages.push(PageRef { digest: child.page, level: level - 1, after, last, totals: child.totals });
    }
    pages
}

/// The pages of a tree that are still to be fetched, any number at once. For whoever has a high latency to hide; afterwards
/// [`diff`] reads them from where they were put.
///
/// Bounded by what was signed: each page has its share of the manifest's number of zones, one at least.
pub struct Crawl {
    /// The next last.
    wanted: Vec<PageRef>,
}

impl Crawl {
    /// Starts at the root. `known(digest)` says whether that page and all below it need not be fetched.
    pub fn new(root: &Root, known: impl Fn(&Digest) -> bool) -> Crawl {
        let root = root.page();
        Crawl { wanted: if known(&root.digest) { Vec::new() } else { vec![root] } }
    }

    /// A page to fetch; it is given out once. `None`: nothing is left but what is under way.
    pub fn next_page(&mut self) -> Option<PageRef> {
        self.wanted.pop()
    }

    /// Takes the octets of a page that was given out. Errors: it is another; ask elsewhere, or give the release up.
    pub fn supply(
        &mut self,
        wanted: &PageRef,
        bytes: &[u8],
        known: impl Fn(&Digest) -> bool,
    ) -> Result<Page, PageError> {
        let page = Page::open(bytes, wanted)?;
        if let Page::Inner { level, children } = &page {
            let below = below(wanted, *level, children.clone());
            self.wanted.extend(below.into_iter().rev().filter(|page| !known(&page.digest)));
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests;
