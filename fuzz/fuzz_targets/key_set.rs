//! Any octets as a key set: no panic, one encoding of each value, and nobody's signature but that of who signed.
#![no_main]

use catchment::sync::key::{KeyPair, PublicKey};
use catchment::sync::key_set::KeySet;
use catchment_fuzz::one_encoding;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    one_encoding::<KeySet>(bytes);
    // Key files are text that people edit.
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = PublicKey::from_text(&text, "fuzz") {
        assert_eq!(PublicKey::from_text(&key.to_string(), "fuzz"), Ok(key));
    }
    if let Ok(pair) = KeyPair::from_text(&text, "fuzz") {
        let again = KeyPair::from_text(&pair.to_secret_text("fuzz"), "fuzz").expect("what was just written");
        assert_eq!(again.public(), pair.public());
    }
});
