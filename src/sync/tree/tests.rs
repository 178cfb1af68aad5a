use super::*;
use crate::sync::page::{Child, LEVELS_MAX, Place};
use crate::wire::name::Name;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

type Zones = BTreeMap<ZoneName, Leaf>;

/// Pages by digest, and how many were fetched.
#[derive(Default)]
struct Store {
    pages: HashMap<Digest, Vec<u8>>,
    fetched: Cell<usize>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("no such page")]
struct Missing;

impl Store {
    fn build(&mut self, zones: &Zones) -> (Root, HashSet<Digest>) {
        let mut digests = HashSet::new();
        let root = build(zones.values().cloned(), |digest, bytes| {
            digests.insert(digest);
            self.pages.insert(digest, bytes);
        });
        (root.unwrap(), digests)
    }

    fn fetch(&self, wanted: &PageRef) -> Result<Vec<u8>, Missing> {
        self.fetched.set(self.fetched.get() + 1);
        self.pages.get(&wanted.digest).cloned().ok_or(Missing)
    }

    fn diff(&self, old: Option<&Root>, new: &Root) -> Vec<Change> {
        let mut changes = Vec::new();
        self.fetched.set(0);
        diff(old, new, |page| self.fetch(page), |change| changes.push(change)).unwrap();
        changes
    }

    fn octets(&self, pages: &HashSet<Digest>) -> usize {
        pages.iter().map(|digest| self.pages[digest].len()).sum()
    }
}

fn zone(text: &str) -> ZoneName {
    ZoneName::from(&text.parse::<Name>().unwrap())
}

fn leaf(text: &str, serial: u32) -> Leaf {
    let image = Digest::of(format!("{text} {serial}").as_bytes());
    Leaf { name: zone(text), serial, image, len: 1000, place: Place::Own }
}

fn zones(names: impl IntoIterator<Item = String>) -> Zones {
    names.into_iter().map(|name| (zone(&name), leaf(&name, 1))).collect()
}

/// What a hoster has: names of some length, in several top-level domains, small images in packs of a megabyte.
fn hoster(count: u32) -> Zones {
    let mut zones = zones((0..count).map(|n| {
        let tld = ["com", "net", "org", "de", "co.uk"][n as usize % 5];
        let hash = blake3::hash(&n.to_le_bytes()).to_hex();
        format!("{}-{n}.{tld}", &hash[..4 + n as usize % 12])
    }));
    for (index, zone) in zones.values_mut().enumerate() {
        let pack = Digest::of(&(index as u32 / 1000).to_le_bytes());
        zone.place = Place::Pack { pack, offset: index as u32 % 1000 * 1000 };
    }
    zones
}

fn expected(old: &Zones, new: &Zones) -> Vec<Change> {
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let change = |name| match (old.get(name), new.get(name)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => Some(Change::Changed { old: old.clone(), new: new.clone() }),
        (Some(old), None) => Some(Change::Removed(old.clone())),
        (None, new) => new.cloned().map(Change::Added),
    };
    names.into_iter().filter_map(change).collect()
}

#[test]
fn a_release_without_zones() {
    let mut store = Store::default();
    let (none, pages) = store.build(&Zones::new());
    assert_eq!((none.level, none.totals, pages.len()), (0, Totals::default(), 1));
    assert_eq!(store.diff(None, &none), []);
    let (one, _) = store.build(&zones(["example.".into()]));
    assert_eq!(store.diff(Some(&none), &one), [Change::Added(leaf("example.", 1))]);
    assert_eq!(store.diff(Some(&one), &none), [Change::Removed(leaf("example.", 1))]);
    assert_eq!(store.diff(Some(&one), &one), []);
    assert_eq!(store.fetched.get(), 0, "equal roots need no page");
}

#[test]
fn only_sorted_names_make_a_tree() {
    let error = build([leaf("b.", 1), leaf("a.", 1)], |_, _| {}).unwrap_err();
    assert_eq!(error, FormatError::Order("zones"));
    assert_eq!(build([leaf("a.", 1), leaf("a.", 2)], |_, _| {}).unwrap_err(), FormatError::Order("zones"));
}

/// The budgets: a first sync is at most 2,000 requests with packs of a megabyte, one changed zone at most 64 KiB of new blobs.
#[test]
fn a_hundred_thousand_zones() {
    let mut store = Store::default();
    let mut zones = hoster(100_000);
    let (root, pages) = store.build(&zones);
    let packs: HashSet<_> = zones.values().filter_map(Leaf::pack).collect();
    println!(
        "100,000 zones: {} levels, {} pages of {} octets, {} on average; {} packs",
        root.level + 1,
        pages.len(),
        store.octets(&pages),
        store.octets(&pages) / pages.len(),
        packs.len()
    );
    // As many packs as there ever are of 100 MB: full or half dead ones, and half as many sparse ones as leaf pages.
    let packs = 200 + pages.len() / 2;
    assert!(pages.len() + packs <= 2000 - 10, "{} pages", pages.len());

    // As its shape says it beforehand.
    let shape = Shape::of(zones.keys());
    assert_eq!(1 + shape.parent_octets.len() + shape.octets.len(), pages.len());
    let said: u64 = shape.octets.iter().chain(&shape.parent_octets).sum();
    assert!(said.abs_diff(store.octets(&pages) as u64) * 20 < said, "{said}");

    // Fetched by a crawl, each page once.
    let mut crawl = Crawl::new(&root, |_| false);
    let mut fetched = 0;
    while let Some(page) = crawl.next_page() {
        crawl.supply(&page, &store.pages[&page.digest], |_| false).unwrap();
        fetched += 1;
    }
    assert_eq!(fetched, pages.len());

    let name = zones.keys().nth(31_415).unwrap().clone();
    let entry = zones.get_mut(&name).unwrap();
    (entry.serial, entry.image) = (2, Digest::of(b"changed"));
    entry.place = Place::Pack { pack: Digest::of(b"new pack"), offset: 52 };
    let (changed, changed_pages) = store.build(&zones);
    let new: HashSet<_> = changed_pages.difference(&pages).copied().collect();
    println!("one changed zone: {} new pages, {} octets", new.len(), store.octets(&new));
    assert_eq!(new.len(), root.level as usize + 1, "one page a level");
    // An image of 4 KiB, its pack's header, and the manifest come on top.
    assert!(store.octets(&new) + 4096 + 1024 <= 64 << 10);
    let changes = store.diff(Some(&root), &changed);
    assert!(matches!(&changes[..], [Change::Changed { new, .. }] if new.name == name));
    assert_eq!(store.fetched.get(), 2 * new.len(), "the path in both trees");
    let mut crawl = Crawl::new(&changed, |page| pages.contains(page));
    let mut fetched = Vec::new();
    while let Some(page) = crawl.next_page() {
        fetched.push(page.digest);
        crawl.supply(&page, &store.pages[&page.digest], |page| pages.contains(page)).unwrap();
    }
    assert_eq!(fetched.into_iter().collect::<HashSet<_>>(), new);

    // Added and removed zones: a boundary may move, and the page behind it.
    let (mut most, mut sum) = (0, 0);
    for n in 0u32..6 {
        let mut after = zones.clone();
        let name = format!("{}.com", &blake3::hash(&n.to_be_bytes()).to_hex()[..12]);
        after.insert(zone(&name), leaf(&name, 1));
        let (_, pages) = store.build(&after);
        let octets = store.octets(&pages.difference(&changed_pages).copied().collect());
        (most, sum) = (most.max(octets), sum + octets);
    }
    println!("one added zone: {} octets of new pages on average, {most} at most", sum / 6);
    assert!(most <= 64 << 10);
}

/// Names whose hashes all say that a page ends: customers can choose such. Pages get smaller, not many and not deep.
#[test]
fn chosen_names_make_neither_many_nor_deep_pages() {
    let mut names = Vec::new();
    for n in 0u32.. {
        let name = zone(&format!("{n}.example."));
        if ends_page(&name, 0) && ends_page(&name, 1) {
            names.push(format!("{n}.example."));
        }
        if names.len() == 200 {
            break;
        }
    }
    let mut store = Store::default();
    let (root, pages) = store.build(&zones(names));
    // 200 entries of about 96 octets: 22 in 2 KiB.
    assert_eq!(root.level, 1);
    assert!(pages.len() <= 1 + 200 / 20, "{} pages", pages.len());
}

#[test]
fn longest_names_fit() {
    let label = "x".repeat(63);
    let names = (0..5000).map(|n| format!("{n:061}.{label}.{label}.{label}."));
    let mut store = Store::default();
    let zones = zones(names);
    let (root, pages) = store.build(&zones);
    assert!(pages.iter().all(|page| store.pages[page].len() <= PAGE_MAX));
    assert!((root.level as usize) < LEVELS_MAX);
    assert_eq!(store.diff(None, &root).len(), 5000);
}

/// A page in another's place, or one that lies about itself, is refused wherever it is met.
#[test]
fn pages_that_lie_are_refused() {
    let good = vec![leaf("c.", 1), leaf("d.", 1)];
    let open = |page: &Page, change: &dyn Fn(&mut PageRef)| {
        let bytes = page.encode().unwrap();
        let totals = page.totals().unwrap();
        let last = page.last().cloned();
        let mut wanted =
            PageRef { digest: Digest::of(&bytes), level: page.level(), after: Some(zone("b.")), last, totals };
        change(&mut wanted);
        Page::open(&bytes, &wanted).map_err(|error| match error {
            PageError::Contradiction(_, what) => what.to_string(),
            other => other.to_string(),
        })
    };
    let page = Page::Leaves(good);
    assert_eq!(open(&page, &|_| {}).unwrap(), page);
    type Lie<'a> = (&'a dyn Fn(&mut PageRef), &'a str);
    let cases: [Lie; 6] = [
        (&|wanted| wanted.level = 1, "it is of another level than its parent says"),
        (&|wanted| wanted.after = Some(zone("c.")), "it has names that belong before it"),
        (&|wanted| wanted.last = Some(zone("e.")), "its last name is another than its parent says"),
        (&|wanted| wanted.totals.zones = 3, "it has other totals than its parent says"),
        (&|wanted| wanted.totals.octets += 1, "it has other totals than its parent says"),
        (&|wanted| wanted.last = Some(zone("c.")), "its last name is another than its parent says"),
    ];
    for (change, reason) in cases {
        assert_eq!(open(&page, change).unwrap_err(), reason);
    }
    let error = open(&page, &|wanted| wanted.digest = Digest([0; 32])).unwrap_err();
    assert!(error.contains("its octets have another digest"), "{error}");
    let long = vec![0; PAGE_MAX + 1];
    let root = Root { digest: Digest::of(&long), level: 0, totals: Totals::default() };
    let too_large = FormatError::TooLarge { what: "octets of a page", has: 16_385, max: 16_384 };
    assert_eq!(Page::open(&long, &root.page()), Err(PageError::Format(root.digest, too_large)));
}

/// A page that both releases have is not fetched again; what the new one says of it is looked at all the same.
#[test]
fn pages_that_are_lied_about_are_refused_by_those_who_have_them() {
    let mut store = Store::default();
    let (old, _) = store.build(&hoster(2_000));
    let Page::Inner { level, children } = Page::decode(&store.pages[&old.digest]).unwrap() else { panic!("one page") };
    let mut lie = |children: Vec<Child>| {
        let page = Page::Inner { level, children };
        let (bytes, totals) = (page.encode().unwrap(), page.totals().unwrap());
        let root = Root { digest: Digest::of(&bytes), level, totals };
        store.pages.insert(root.digest, bytes);
        let told = |old| {
            let error = diff(old, &root, |page| store.fetch(page), |_| {}).unwrap_err();
            error.to_string()
        };
        // Whoever has nothing finds the same.
        assert_eq!(told(Some(&old)), told(None));
        told(Some(&old))
    };
    let mut totals = children.clone();
    totals[1].totals.zones += 1;
    assert!(lie(totals).ends_with("it has other totals than its parent says"));
    let mut octets = children.clone();
    octets[1].totals.octets -= 1;
    assert!(lie(octets).ends_with("it has other totals than its parent says"));
    let mut last = children.clone();
    let name = &last[0].last;
    last[0].last = zone(&format!("zzzz.{name}"));
    assert!(lie(last).ends_with("its last name is another than its parent says"));
    let mut moved = children.clone();
    let gone = moved.remove(0);
    moved.insert(1, Child { last: zone(&format!("zzzz.{}", moved[0].last)), ..gone });
    assert!(lie(moved).ends_with("it has names that belong before it"));
}

#[test]
fn what_makes_no_page() {
    let refused = |leaves: Vec<Leaf>| Page::Leaves(leaves).encode().unwrap_err();
    assert_eq!(refused(vec![leaf("b.", 1), leaf("a.", 1)]), FormatError::Order("its zones"));
    assert_eq!(refused(vec![leaf("a.", 1), leaf("a.", 1)]), FormatError::Order("its zones"));
    assert_eq!(refused(vec![Leaf { len: 0, ..leaf("a.", 1) }]), FormatError::Invalid("an image has no octets"));
    assert!(matches!(refused(vec![Leaf { len: u64::MAX, ..leaf("a.", 1) }]), FormatError::TooLarge { .. }));
    let place = |offset| Place::Pack { pack: Digest([1; 32]), offset };
    let behind = Leaf { place: place(1 << 20), ..leaf("a.", 1) };
    assert!(matches!(refused(vec![behind]), FormatError::TooLarge { what: "end of an image in its pack", .. }));
    let large = Leaf { len: 300_000, place: place(0), ..leaf("a.", 1) };
    assert!(matches!(refused(vec![large]), FormatError::TooLarge { what: "octets of a packed image", .. }));
    let empty = Page::Inner { level: 1, children: vec![] };
    assert_eq!(empty.encode().unwrap_err(), FormatError::Invalid("an inner page has no pages below"));

    // A pack that no zone uses, two packs in the wrong order: other encodings of the same zones.
    let two = |first: u8, second: u8| {
        let in_pack = |name, pack| Leaf { place: Place::Pack { pack: Digest([pack; 32]), offset: 0 }, ..leaf(name, 1) };
        Page::Leaves(vec![in_pack("a.", first), in_pack("b.", second)]).encode().unwrap()
    };
    let mut swapped = two(1, 2);
    swapped[HEAD..HEAD + 64].rotate_left(32);
    assert_eq!(Page::decode(&swapped), Err(FormatError::Order("its packs")));
    let mut unused = two(1, 2);
    let at = unused.len() - 6;
    assert_eq!(unused[at], 1);
    unused[at] = 0;
    let invalid = FormatError::Invalid("it names a pack that none of its images is in");
    assert_eq!(Page::decode(&unused), Err(invalid));
    unused[at] = 2;
    assert_eq!(Page::decode(&unused), Err(FormatError::Invalid("an image is in a pack that the page doesn't name")));
}

/// A tree that would go on for ever, or have more zones than were signed: ends at the first page that contradicts.
#[test]
fn a_tree_deeper_than_it_says_ends() {
    let mut store = Store::default();
    let (leafs, _) = store.build(&zones(["a.".into()]));
    let mut top = leafs;
    for level in 1..=3 {
        let child = Child { last: zone("a."), page: top.digest, totals: top.totals };
        let bytes = Page::Inner { level, children: vec![child] }.encode().unwrap();
        top = Root { digest: Digest::of(&bytes), level, totals: top.totals };
        store.pages.insert(top.digest, bytes);
    }
    assert_eq!(store.diff(None, &top), [Change::Added(leaf("a.", 1))]);
    for level in [0, 1, 2, 4] {
        let error = diff(None, &Root { level, ..top }, |page| store.fetch(page), |_| {}).unwrap_err();
        let what = "it is of another level than its parent says";
        assert!(matches!(error, TreeError::Page(PageError::Contradiction(_, said)) if said == what));
    }
    let many = Root { totals: Totals { zones: 2, ..top.totals }, ..top };
    let error = Crawl::new(&many, |_| false).supply(&many.page(), &store.pages[&many.digest], |_| false).unwrap_err();
    assert_eq!(error, PageError::Contradiction(top.digest, "it has other totals than its parent says"));
}

/// Mix and match (of TUF's list): pages of two releases, each signed, are no release.
#[test]
fn a_page_of_another_release_is_refused() {
    let mut store = Store::default();
    let mut set = hoster(500);
    let (old, old_pages) = store.build(&set);
    let name = set.keys().nth(250).unwrap().clone();
    set.get_mut(&name).unwrap().serial = 2;
    let (new, _) = store.build(&set);
    let of_old = |wanted: &PageRef| {
        let same_level = |digest: &&Digest| Page::decode(&store.pages[*digest]).unwrap().level() == wanted.level;
        old_pages.iter().find(same_level).map(|digest| store.pages[digest].clone()).ok_or(Missing)
    };
    let mixed = |page: &PageRef| if old_pages.contains(&page.digest) { store.fetch(page) } else { of_old(page) };
    let mut changes = 0;
    let error = diff(Some(&old), &new, mixed, |_| changes += 1);
    assert!(matches!(error, Err(TreeError::Page(PageError::Digest { .. }))));
    assert_eq!(changes, 0);
}

prop_compose! {
    /// Names that collide, nest, and come in any order.
    fn some_zones()(names in proptest::collection::vec("[a-c]{1,2}(\\.[a-d]{1,3}){0,3}", 0..400)) -> Zones {
        zones(names.into_iter().map(|name| format!("{name}.")))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// All zones, and exactly those, come out again; every page is at most 16 KiB and what it says it is.
    #[test]
    fn a_tree_has_its_zones(set in some_zones()) {
        let mut store = Store::default();
        let (root, pages) = store.build(&set);
        let read: Vec<Leaf> = store.diff(None, &root).into_iter().map(|change| match change {
            Change::Added(leaf) => leaf,
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(&read, &set.values().cloned().collect::<Vec<_>>());
        prop_assert_eq!(store.fetched.get(), pages.len());
        for digest in &pages {
            let bytes = &store.pages[digest];
            prop_assert!(bytes.len() <= PAGE_MAX);
            prop_assert_eq!(&Page::decode(bytes).unwrap().encode().unwrap(), bytes);
        }
    }

    /// The difference is that of the sets, whatever the two are.
    #[test]
    fn diff_of_any_two(old in some_zones(), new in some_zones(), serial in 1u32..3) {
        let mut new = new;
        for zone in new.values_mut().step_by(3) {
            zone.serial = serial;
        }
        let mut store = Store::default();
        let ((a, _), (b, _)) = (store.build(&old), store.build(&new));
        prop_assert_eq!(store.diff(Some(&a), &b), expected(&old, &new));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Some of 3,000 zones change, go, or come, and go back: the tree does not know its history, its difference is exact, and its
    /// cost is that of the change.
    #[test]
    fn cost_follows_the_change(
        changed in proptest::collection::btree_set(0usize..3000, 0..8),
        removed in proptest::collection::btree_set(0usize..3000, 0..8),
        added in proptest::collection::btree_set("[a-z]{3,9}\\.(com|net|org)\\.", 0..8),
    ) {
        let mut store = Store::default();
        let old = hoster(3000);
        let (a, a_pages) = store.build(&old);
        let names: Vec<_> = old.keys().cloned().collect();
        let mut new = old.clone();
        for index in &changed {
            new.get_mut(&names[*index]).unwrap().serial = 9;
        }
        for index in &removed {
            new.remove(&names[*index]);
        }
        for name in &added {
            new.entry(zone(name)).or_insert(leaf(name, 1));
        }
        let (b, b_pages) = store.build(&new);
        prop_assert_eq!(store.diff(Some(&a), &b), expected(&old, &new));
        let (levels, fetched) = (a.level.max(b.level) as usize + 1, store.fetched.get());
        prop_assert!(fetched <= 2 * levels * (changed.len() + 3 * removed.len() + 3 * added.len()), "{fetched} pages");
        // Nothing was fetched that both have, but for what comes after the end of a page that has moved.
        let differ = a_pages.symmetric_difference(&b_pages).count();
        let moved = 2 * levels * (removed.len() + added.len());
        prop_assert!(fetched <= differ + 2 + moved, "{fetched} fetched, {differ} differ");
        let (again, again_pages) = store.build(&old);
        prop_assert_eq!((again, again_pages), (a, a_pages));
    }
}
