//! Owned memory that images lie in: a large one alone, small ones together. Segments have their own way (`image/segment.rs`).

use super::image::Image;
use std::sync::Arc;

/// Images smaller than this share arenas, so that 100,000 zones are not 100,000 allocations.
const SMALL: usize = 64 << 10;
/// An arena for small images is closed once it holds this much.
pub(super) const ARENA: usize = 1 << 20;

/// Moves small images which lie alone, or in an arena of which more than half is no longer used, into shared arenas.
pub(super) fn pack<'a>(images: impl Iterator<Item = &'a mut Image>) {
    let mut small: Vec<_> = images.filter(|image| image.root().len() < SMALL).collect();
    let mut live = std::collections::HashMap::<*const Vec<u8>, usize>::new();
    for image in &small {
        *live.entry(Arc::as_ptr(image.arena())).or_default() += image.root().len();
    }
    small.retain(|image| {
        let arena = image.arena();
        arena.len() == image.root().len() || live[&Arc::as_ptr(arena)] < arena.len() / 2
    });
    let mut rest = small.as_mut_slice();
    while rest.len() > 1 {
        let mut size = 0;
        let fit = rest.iter().take_while(|image| {
            let before = size;
            size += image.root().len();
            before < ARENA
        });
        let fit = fit.count();
        let (now, later) = std::mem::take(&mut rest).split_at_mut(fit);
        let mut bytes = Vec::with_capacity(now.iter().map(|image| image.root().len()).sum());
        let starts: Vec<usize> = now
            .iter()
            .map(|image| {
                let start = bytes.len();
                bytes.extend_from_slice(image.root());
                start
            })
            .collect();
        let arena = Arc::new(bytes);
        for (image, start) in now.iter_mut().zip(starts) {
            image.relocate(arena.clone(), start);
        }
        rest = later;
    }
}
