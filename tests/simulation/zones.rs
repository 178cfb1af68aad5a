//! The zones that simulated publishers publish: a few small ones in several versions, compiled once for all runs.

use catchment::sync::codec::Digest;
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::image::Image;
use catchment::zone::parse::{Options, parse_text};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Versions of a zone that publishers have.
pub(crate) const VERSIONS: u32 = 6;
/// The version that a thief makes.
pub(crate) const FORGED: u32 = 666;

/// A zone's number and version.
pub(crate) type Which = (u32, u32);

/// The content of a checkout: zones by number, in some version.
pub(crate) type Content = BTreeMap<u32, u32>;

/// Which zones a release has: their names in wire form, and their images.
pub(crate) type Tree = BTreeMap<Vec<u8>, Digest>;

/// The image of a zone.
pub(crate) fn image(which: Which) -> Image {
    static IMAGES: OnceLock<Mutex<BTreeMap<Which, Image>>> = OnceLock::new();
    let images = IMAGES.get_or_init(Mutex::default);
    let mut images = images.lock().unwrap_or_else(PoisonError::into_inner);
    images.entry(which).or_insert_with(|| compiled(which)).clone()
}

fn compiled((zone, version): Which) -> Image {
    let apex: Name = format!("z{zone}.example").parse().unwrap();
    let mut text = format!(
        "@ 300 SOA ns hostmaster {version} 3600 600 86400 60\n@ 300 NS ns\nns 300 A 192.0.2.{}\nwww 60 A 198.51.100.{}\n",
        zone % 250,
        version % 250
    );
    if is_large(zone) {
        text.push_str("$GENERATE 1-24000 host-with-a-long-name-$ 300 A 203.0.113.1\n");
    }
    let parsed = parse_text("simulated", text, &apex, &Options::default());
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    compile(&apex, &parsed.records).0.expect("it compiles")
}

/// Whether a zone's image is a blob of its own.
pub(crate) fn is_large(zone: u32) -> bool {
    zone == 1_000_000
}

/// The images of a checkout.
pub(crate) fn images(content: &Content) -> Vec<Image> {
    content.iter().map(|(zone, version)| image((*zone, *version))).collect()
}

/// What a release of this content must hold.
pub(crate) fn tree(content: &Content) -> Tree {
    images(content).iter().map(|image| (image.apex().to_lower().as_wire().to_vec(), Digest(image.digest()))).collect()
}
