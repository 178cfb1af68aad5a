//! Any octets as a manifest, as a word about the head or about a trial, and as a state with all of them: no panic, nothing large, and one
//! encoding of each value.
#![no_main]

use catchment::sync::freshness::Freshness;
use catchment::sync::head::State;
use catchment::sync::manifest::Manifest;
use catchment::sync::trial::Trial;
use catchment_fuzz::one_encoding;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    one_encoding::<Manifest>(bytes);
    one_encoding::<Freshness>(bytes);
    one_encoding::<Trial>(bytes);
    if let Ok(state) = State::decode(bytes) {
        assert_eq!(state.encode(), bytes, "a state with two encodings");
    }
});
