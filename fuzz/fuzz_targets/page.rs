//! Any octets as a page of zones: no panic, one encoding of each value; and as a whole tree from a hostile publisher, all of whose
//! pages are this one: comparing and fetching it ends.
#![no_main]

use catchment::sync::codec::Digest;
use catchment::sync::page::{Page, Totals};
use catchment::sync::tree::{Crawl, Root, diff};
use std::convert::Infallible;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(page) = Page::decode(bytes) else { return };
    let again = page.encode().expect("what was decoded can be encoded");
    assert!(again == bytes, "a value with two encodings: {page:?}");
    let (mut zones, mut octets) = (0, 0);
    match &page {
        Page::Leaves(leaves) => leaves.iter().for_each(|leaf| (zones, octets) = (zones + 1, octets + leaf.len)),
        Page::Inner { children, .. } => {
            children
                .iter()
                .for_each(|child| (zones, octets) = (zones + child.totals.zones, octets + child.totals.octets));
        }
    }
    let root = Root { digest: Digest::of(bytes), level: page.level(), totals: Totals { zones, octets } };
    let mut seen = 0;
    let read = diff(None, &root, |_| Ok::<_, Infallible>(bytes.to_vec()), |_| seen += 1);
    assert_eq!(read.is_ok(), page.level() == 0, "a page is no page below itself");
    assert!(read.is_err() || seen == zones);
    diff(Some(&root), &root, |_| Ok::<_, Infallible>(bytes.to_vec()), |change| panic!("{change:?}")).expect("equal");
    let mut crawl = Crawl::new(&root, |_| false);
    let wanted = crawl.next_page().expect("the root");
    crawl.supply(&wanted, bytes, |_| false).expect("as in its own totals");
    while let Some(below) = crawl.next_page() {
        assert!(crawl.supply(&below, bytes, |_| false).is_err(), "a page is no page below itself");
    }
});
