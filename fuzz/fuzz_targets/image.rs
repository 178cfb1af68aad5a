//! A zone image from a hostile hand, its digest right: an error at opening or SERVFAIL at worst, never a panic.
//!
//! First octet of the input: 0 takes the rest as the file; anything else sets magic, version, length and digest right first,
//! so that mutations get past the door.
#![no_main]

use catchment::answer::Transport;
use catchment::zone::{dump, image::Image};
use catchment_fuzz::{ZONES, ask, image, served};
use std::cell::RefCell;
use std::sync::LazyLock;

/// Octets of magic and version, and where the length of the whole stands (u64, little-endian).
const MAGIC: usize = 12;
const LENGTH: std::ops::Range<usize> = 16..24;
const DIGEST: usize = 32;

static REAL: LazyLock<Image> = LazyLock::new(|| image(ZONES[0].0, ZONES[0].1));

/// Names to ask below the image's apex: what the seeds' zones have, and what they don't.
const NAMES: [&[u8]; 14] = [
    b"",
    b"\x03ns1",
    b"\x04mail",
    b"\x03www",
    b"\x01x\x04wild",
    b"\x04wild",
    b"\x01b\x03old",
    b"\x03old",
    b"\x03ent",
    b"\x01x\x03sub",
    b"\x03sub",
    b"\x03svc",
    b"\x05nope!",
    b"\x01a\x01b\x01c\x01d\x03ent",
];
/// A, NS, SOA, CNAME, MX, TXT, DS, SVCB, ANY.
const TYPES: [u16; 9] = [1, 2, 6, 5, 15, 16, 43, 64, 255];

thread_local! {
    static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; 65535]);
}

/// Writes the seeds, real images as this build compiles them, into the directory that `IMAGE_SEEDS` names.
fn write_seeds() {
    let Some(directory) = std::env::var_os("IMAGE_SEEDS") else { return };
    for (at, (apex, text)) in ZONES.iter().enumerate() {
        let image = image(apex, text);
        let content = &image.bytes()[..image.bytes().len() - DIGEST];
        let path = std::path::Path::new(&directory).join(format!("image{at}"));
        std::fs::write(path, [&[1], content].concat()).expect("the seeds' directory can be written");
    }
}

libfuzzer_sys::fuzz_target!(init: write_seeds(), |input: &[u8]| {
    let Some((&mode, content)) = input.split_first() else { return };
    let mut bytes = content.to_vec();
    if mode != 0 {
        if bytes.len() < LENGTH.end {
            return;
        }
        bytes[..MAGIC].copy_from_slice(&REAL.bytes()[..MAGIC]);
        let len = (bytes.len() + DIGEST) as u64;
        bytes[LENGTH].copy_from_slice(&len.to_le_bytes());
        let digest = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&digest);
    }
    let Ok(image) = Image::open(bytes) else { return };
    let _ = dump::to_text(&image);
    let _ = image.for_each_record(|_, _, _, _| ());

    let apex = image.apex();
    let served = served(vec![image]);
    for (at, name) in NAMES.iter().enumerate() {
        if name.len() + apex.as_wire().len() > 255 {
            continue;
        }
        let mut packet = vec![0, at as u8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        packet.extend_from_slice(name);
        packet.extend_from_slice(apex.as_wire());
        for rtype in TYPES {
            let mut packet = packet.clone();
            packet.extend_from_slice(&rtype.to_be_bytes());
            packet.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
            OUT.with_borrow_mut(|out| {
                for transport in [Transport::Udp, Transport::Tcp] {
                    ask(&served, &packet, transport, out);
                }
            });
        }
    }
});
