//! Packing: which images of a release go into which new pack.
//!
//! **An image stays where it is** while its pack is well used: a publish packs what changed. So packs fill with the dead, each
//! publish adds one, and a first sync would need ever more of them: packs must be merged. What that costs a node is not the images, which
//! it has by their digests, but the leaf pages that say where they are. Hence [`plan`] merges by pages: what lies in sparse packs, on
//! the pages that change anyway, moves into one new pack; with it what lies on a few pages more, chosen so that packs vanish
//! with them at the least cost. What moves is packed apart from what is new: or a node that needs one image would fetch a pack of those that it has.
//!
//! Then whatever the history of single changes, about half as many sparse packs as leaf pages are left: as long as two packs lie on one
//! page each, and these pages are not too large, the next publish merges them. (To move a few images of the sparsest packs with each publish, wherever they are, does
//! not bound the number of packs: what is merged by twos stays in twos. Packs cut anew from neighbouring zones at each publish
//! have no history, but move a megabyte for one changed zone.)

use super::codec::Digest;
use super::pack::{ENTRY, HEAD, PACK_MAX, SMALL_MAX};
use super::page::Place;
use super::tree::Shape;
use std::collections::{BTreeSet, HashMap};

/// So many packs may be less than half alive before any are merged.
pub const SPARSE_PACKS_MAX: usize = 64;
/// For each leaf page that a publish must change, it may change so many octets of further pages to merge packs. (Measured: a zone of
/// 100,000 that changes costs 28 KB of pages, one that is added 41 KB at most; 64 KiB are to be enough for all that a node fetches.)
pub const FURTHER_OCTETS: u64 = 20 << 10;
/// The same for all of a publish.
pub const FURTHER_OCTETS_MAX: u64 = 4 << 20;

/// An image to be published: its octets' number, and where the last release has the same image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Octets of the image.
    pub len: u64,
    /// Where it is; `None`: it is new.
    pub place: Option<Place>,
}

/// Which images go into which new pack; all others stay, or are blobs of their own.
///
/// `images` are those of the whole release, in the order of its zones, and `shape` is that of their tree. Gives, for each new pack,
/// the indices of its images in that order: neighbours in the tree are neighbours in packs, and a page names few of them. The
/// same input gives the same plan.
pub fn plan(images: &[Candidate], shape: &Shape) -> Vec<Vec<usize>> {
    let pages = &shape.page_of[..];
    let is_new = |index: &usize| images[*index].place.is_none();
    let small = |index: &usize| images[*index].len <= SMALL_MAX as u64;
    let mut packs = fill(images, (0..images.len()).filter(is_new).filter(small));
    let sparse = sparse_packs(images, pages);
    if sparse.len() + packs.len() > SPARSE_PACKS_MAX {
        let changed: BTreeSet<u32> = (0..images.len()).filter(is_new).map(|index| pages[index]).collect();
        let merged = pages_to_merge(&sparse, changed, shape);
        let moves = |index: &usize| match images[*index].place {
            Some(Place::Pack { pack, .. }) => merged.contains(&pages[*index]) && sparse.contains_key(&pack),
            Some(Place::Own) | None => false,
        };
        packs.extend(fill(images, (0..images.len()).filter(moves)));
    }
    packs
}

/// Packs as full as they may be, in order.
fn fill(images: &[Candidate], which: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut packs: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for index in which {
        let needs = ENTRY + images[index].len as usize;
        if needs > room {
            packs.push(Vec::new());
            room = PACK_MAX - HEAD;
        }
        room -= needs;
        if let Some(pack) = packs.last_mut() {
            pack.push(index);
        }
    }
    packs
}

/// The packs that are less than half alive, with the leaf pages that name them.
fn sparse_packs(images: &[Candidate], pages: &[u32]) -> HashMap<Digest, BTreeSet<u32>> {
    let mut live: HashMap<Digest, (u64, BTreeSet<u32>)> = HashMap::new();
    for (image, page) in images.iter().zip(pages) {
        if let Some(Place::Pack { pack, .. }) = image.place {
            let (octets, pages) = live.entry(pack).or_default();
            *octets += image.len;
            pages.insert(*page);
        }
    }
    live.retain(|_, (octets, _)| *octets < PACK_MAX as u64 / 2);
    live.into_iter().map(|(pack, (_, pages))| (pack, pages)).collect()
}

/// The pages whose images leave their sparse packs: the changed ones, and further ones that are the last to name a pack. None, if
/// fewer than two packs would vanish for the one that is made.
fn pages_to_merge(sparse: &HashMap<Digest, BTreeSet<u32>>, changed: BTreeSet<u32>, shape: &Shape) -> BTreeSet<u32> {
    let mut budget = (FURTHER_OCTETS * changed.len() as u64).min(FURTHER_OCTETS_MAX);
    let parent = |page: u32| shape.parent[page as usize];
    let mut parents: BTreeSet<u32> = changed.iter().map(|page| parent(*page)).collect();
    let mut chosen = changed;
    // The pages that still name each pack, those aside that are chosen.
    let mut left: HashMap<Digest, BTreeSet<u32>> = sparse.clone();
    let mut vanished = 0;
    loop {
        for pages in left.values_mut() {
            pages.retain(|page| !chosen.contains(page));
        }
        left.retain(|_, pages| {
            vanished += usize::from(pages.is_empty());
            !pages.is_empty()
        });
        let mut last: HashMap<u32, u64> = HashMap::new();
        for pages in left.values().filter(|pages| pages.len() == 1) {
            pages.iter().for_each(|page| *last.entry(*page).or_default() += 1);
        }
        let cost = |page: u32| {
            let above = if parents.contains(&parent(page)) { 0 } else { shape.parent_octets[parent(page) as usize] };
            shape.octets[page as usize] + above
        };
        let affordable = last.into_iter().filter(|(page, _)| cost(*page) <= budget);
        let Some((page, _)) = affordable.min_by_key(|(page, packs)| (cost(*page) / packs, *page)) else { break };
        budget -= cost(page);
        chosen.insert(page);
        parents.insert(parent(page));
    }
    if vanished < 2 { BTreeSet::new() } else { chosen }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn new(len: u64) -> Candidate {
        Candidate { len, place: None }
    }

    fn packed(len: u64, pack: u32) -> Candidate {
        Candidate { len, place: Some(Place::Pack { pack: Digest::of(&pack.to_le_bytes()), offset: 0 }) }
    }

    #[test]
    fn what_is_small_and_new_is_packed() {
        let small = SMALL_MAX as u64;
        let images =
            [new(100), new(small + 1), packed(100, 1), new(small), Candidate { len: 9, place: Some(Place::Own) }];
        assert_eq!(plan(&images, &pages_of(5, 5)), [vec![0, 3]]);
        let full = [new(small), new(small), new(small), new(small), new(1)];
        assert_eq!(plan(&full, &pages_of(5, 5)), [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(plan(&[], &Shape::default()), Vec::<Vec<usize>>::new());
    }

    /// So many images, so many to a page; pages of 8 KiB, 50 of them below one of 4 KiB.
    fn pages_of(images: usize, on_page: usize) -> Shape {
        let pages = images.div_ceil(on_page);
        Shape {
            page_of: (0..images).map(|index| (index / on_page) as u32).collect(),
            octets: vec![8 << 10; pages],
            parent: (0..pages as u32).map(|page| page / 50).collect(),
            parent_octets: vec![4 << 10; pages.div_ceil(50)],
        }
    }

    /// So many images to a page, and pages of them.
    const ON_PAGE: usize = 10;
    const PAGES: usize = 300;

    /// Publishes of these images one by one, the first of all. Gives the most packs that there were, and the most pages that a
    /// publish of one image changed.
    fn history(changes: impl IntoIterator<Item = usize>) -> (usize, usize) {
        let mut images: Vec<Candidate> = (0..ON_PAGE * PAGES).map(|_| new(1000)).collect();
        let shape = pages_of(images.len(), ON_PAGE);
        let (mut made, mut packs_most, mut pages_most) = (0, 0, 0);
        for (publish, change) in std::iter::once(0).chain(changes).enumerate() {
            images[change].place = None;
            let packs = plan(&images, &shape);
            let changed: HashSet<u32> = packs.iter().flatten().map(|index| shape.page_of[*index]).collect();
            if publish > 0 {
                assert_eq!(packs[0], [change], "what is new is packed apart");
                pages_most = pages_most.max(changed.len());
            }
            for pack in packs {
                made += 1;
                pack.into_iter().for_each(|index| images[index] = packed(1000, made));
            }
            if publish % 32 == 31 {
                let packs: HashSet<_> = images.iter().map(|image| image.place).collect();
                packs_most = packs_most.max(packs.len());
            }
        }
        (packs_most, pages_most)
    }

    /// After long histories of publishes of one image each: few packs, and no publish changes more than three leaf pages. The
    /// sparse packs are half as many as pages, and those that can't be afforded at once.
    #[test]
    fn packs_stay_few_and_publishes_small() {
        let all = ON_PAGE * PAGES;
        let bound = PAGES / 2 + 40;
        let mut random = Random::new(1);
        let anywhere: Vec<usize> = (0..1500).map(|_| random.below(all)).collect();
        let hot: Vec<usize> = (0..800).map(|_| random.below(PAGES / 2) * ON_PAGE * 2).collect();
        for (name, changes) in [
            ("anywhere", anywhere),
            ("hot", hot),
            ("in order", (0..1000).collect()),
            ("page by page", (0..1500).map(|n| n * ON_PAGE % all + n * ON_PAGE / all).collect()),
            ("one", vec![77; 300]),
        ] {
            let (packs, pages) = history(changes);
            println!("{name}: {packs} packs at most, {pages} pages changed by one publish at most");
            assert!(packs <= bound, "{name}: {packs} packs, more than {bound}");
            assert!(pages <= 3, "{name}: {pages} pages");
        }
    }

    proptest! {
        /// Each plan can be built: it fits, and takes each image at most once.
        #[test]
        fn plans_fit(lens in proptest::collection::vec(32u64..400_000, 0..60)) {
            let images: Vec<_> = lens.iter().map(|len| new(*len)).collect();
            let packs = plan(&images, &pages_of(images.len(), 60));
            for pack in &packs {
                let octets: u64 = pack.iter().map(|index| images[*index].len).sum();
                prop_assert!(HEAD + pack.len() * ENTRY + octets as usize <= PACK_MAX);
                prop_assert!(!pack.is_empty());
            }
            let planned: Vec<usize> = packs.concat();
            let small: Vec<usize> = (0..images.len()).filter(|index| images[*index].len <= SMALL_MAX as u64).collect();
            prop_assert_eq!(planned, small);
        }
    }
}
