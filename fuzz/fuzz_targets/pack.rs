//! Any octets as a pack: no panic, one encoding of each value.
//!
//! First octet of the input: 0 takes the rest as the file; anything else sets the digests right first, as far as the directory can be
//! followed, so that mutations get past the door.
#![no_main]

use catchment::sync::codec::Digest;
use catchment::sync::pack::Pack;

/// Octets before the directory, of one of its entries, of a digest.
const HEAD: usize = 16;
const ENTRY: usize = 36;
const DIGEST: usize = 32;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((mode, file)) = input.split_first() else { return };
    let mut file = file.to_vec();
    if *mode != 0 {
        mend(&mut file);
    }
    let Ok(pack) = Pack::decode(file.clone()) else { return };
    let images: Vec<&[u8]> = pack.entries().iter().map(|entry| pack.image(entry).expect("an image of it")).collect();
    let again = Pack::build(&images).expect("what was decoded can be built");
    assert!(again.bytes() == file, "a value with two encodings");
    assert_eq!(Pack::open(file, &again.digest()).as_ref(), Ok(&again));
});

fn mend(file: &mut [u8]) {
    let Some(count) = file.get(12..HEAD) else { return };
    let count = u32::from_le_bytes(count.try_into().expect("4 octets")) as usize;
    let mut at = HEAD.saturating_add(count.saturating_mul(ENTRY));
    for entry in (0..count).map(|index| HEAD + index * ENTRY) {
        let Some(len) = file.get(entry + DIGEST..entry + ENTRY) else { return };
        let end = at.saturating_add(u32::from_le_bytes(len.try_into().expect("4 octets")) as usize);
        let Some(content) = file.get(at..end).and_then(|image| image.len().checked_sub(DIGEST)) else { return };
        let digest = Digest::of(&file[at..at + content]);
        file[at + content..end].copy_from_slice(&digest.0);
        file[entry..entry + DIGEST].copy_from_slice(&digest.0);
        at = end;
    }
}
