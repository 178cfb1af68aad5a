//! Any octets as a manifest, and as a word about the head: no panic, nothing large, and one encoding of each value.
#![no_main]

use catchment::sync::freshness::Freshness;
use catchment::sync::manifest::Manifest;
use catchment_fuzz::one_encoding;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    one_encoding::<Manifest>(bytes);
    one_encoding::<Freshness>(bytes);
});
