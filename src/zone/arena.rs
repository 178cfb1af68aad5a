//! Owned memory that images lie in: a large one alone, small ones together. Segments have their own way (`image/segment.rs`).

use super::image::Image;
use std::collections::HashMap;
use std::sync::Arc;

/// Images smaller than this share arenas, so that 100,000 zones are not 100,000 allocations.
const SMALL: usize = 64 << 10;
/// An arena for small images is closed once it holds this much: larger ones, in huge pages, take longer to fill than they save, as what is
/// read until then no longer stays in the cache.
pub(super) const ARENA: usize = 1 << 20;

/// Moves small images which lie alone, or in an arena of which more than half is no longer used, into shared arenas. `image` says which
/// image an item has, `replace` gives it the same one at another place; who has none that moves is not touched.
pub(super) fn pack<T>(items: &mut [T], image: impl Fn(&T) -> Option<&Image>, replace: impl Fn(&mut T, Image)) {
    let is_small = |image: &&Image| image.root().len() < SMALL;
    let mut live = HashMap::<*const Vec<u8>, usize>::new();
    for image in items.iter().filter_map(|item| image(item).filter(is_small)) {
        *live.entry(Arc::as_ptr(image.arena())).or_default() += image.root().len();
    }
    let moves = |image: &Image| {
        let arena = image.arena();
        arena.len() == image.root().len() || live[&Arc::as_ptr(arena)] < arena.len() / 2
    };
    let mut moving: Vec<&mut T> =
        items.iter_mut().filter(|item| image(item).filter(is_small).is_some_and(moves)).collect();
    let mut rest = moving.as_mut_slice();
    while rest.len() > 1 {
        let mut size = 0;
        let fit = rest.iter().take_while(|item| {
            let before = size;
            size += image(item).map_or(0, |image| image.root().len());
            before < ARENA
        });
        let fit = fit.count();
        let (now, later) = std::mem::take(&mut rest).split_at_mut(fit);
        gather(now, &image, &replace);
        rest = later;
    }
}

/// Moves these images into an arena of their own.
fn gather<T>(items: &mut [&mut T], image: impl Fn(&T) -> Option<&Image>, replace: impl Fn(&mut T, Image)) {
    let len = items.iter().filter_map(|item| image(item)).map(|image| image.root().len()).sum();
    let mut bytes = Vec::with_capacity(len);
    items.iter().filter_map(|item| image(item)).for_each(|image| bytes.extend_from_slice(image.root()));
    let arena = Arc::new(bytes);
    let mut start = 0;
    for item in items {
        if let Some(moved) = image(item).map(|image| image.moved(Arc::clone(&arena), start)) {
            start += moved.root().len();
            replace(item, moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::compile::compile;
    use crate::zone::parse::{self, parse_text};

    fn image(apex: &str) -> Image {
        let apex = apex.parse().unwrap();
        let text = "@ 60 SOA ns hostmaster 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.1\n";
        let parsed = parse_text("zone", text, &apex, &parse::Options::default());
        let (image, findings) = compile(&apex, &parsed.records);
        image.unwrap_or_else(|| panic!("{findings:?}"))
    }

    fn pack_all(images: &mut [Image]) {
        pack(images, |image| Some(image), |image, moved| *image = moved);
    }

    #[test]
    fn small_images_share_an_arena_until_most_of_it_is_unused() {
        let mut images: Vec<Image> = ["a", "b", "c", "d", "e"].map(image).into();
        pack_all(&mut images);
        let first = Arc::clone(images[0].arena());
        assert!(images.iter().all(|image| Arc::ptr_eq(image.arena(), &first)));
        let names: Vec<String> = images.iter().map(|image| image.apex().to_string()).collect();
        assert_eq!(names, ["a.", "b.", "c.", "d.", "e."]);

        images.extend(["f", "g"].map(image));
        pack_all(&mut images);
        assert!(images[..5].iter().all(|image| Arc::ptr_eq(image.arena(), &first)), "they stay where they are");
        assert!(Arc::ptr_eq(images[5].arena(), images[6].arena()) && !Arc::ptr_eq(images[5].arena(), &first));

        images.drain(..3);
        pack_all(&mut images);
        assert!(images[..2].iter().all(|image| !Arc::ptr_eq(image.arena(), &first)));
        let digest = |image: &Image| image.digest();
        assert_eq!(
            images.iter().map(digest).collect::<Vec<_>>(),
            ["d", "e", "f", "g"].map(|apex| digest(&image(apex)))
        );
    }
}
