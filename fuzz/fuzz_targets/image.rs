//! A zone image from a hostile hand, its digests right: an error at opening or SERVFAIL at worst, never a panic.
//!
//! First octet of the input: 0 takes the rest as a flat image's file. Anything else sets right what no mutation would, so that
//! mutations get past the door: magic, version, lengths and digests. 1 is a flat image, the others are a root and its segments:
//! the lengths of the root (without its segments' names) and of all segments but the last (u16 each), and these.
#![no_main]

use catchment::answer::Transport;
use catchment::zone::diff::diff;
use catchment::zone::dump;
use catchment::zone::image::{Image, ImageError, Root, Segment};
use catchment_fuzz::{ZONES, ask, image, image_in_segments, served};
use std::cell::RefCell;
use std::sync::LazyLock;

/// Octets of magic and version, and where the header has its lengths (u64: the whole, the root), the buckets of far items in a
/// segment (u32), its form, how many bits choose a segment (u8 for names, u8 for far items), and the segments of the order (u32).
const MAGIC: usize = 12;
const LENGTH: std::ops::Range<usize> = 16..24;
const ROOT_LENGTH: std::ops::Range<usize> = 24..32;
const FAR_BUCKETS: std::ops::Range<usize> = 52..56;
const FORM: usize = 72;
const BITS: std::ops::Range<usize> = 73..75;
const ORDER_SEGMENTS: std::ops::Range<usize> = 85..89;
const HEADER: usize = 97;
const DIGEST: usize = 32;
const SEGMENT_ENTRY: usize = DIGEST + 4;

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
/// A, NS, SOA, CNAME, MX, TXT, DS, RRSIG, SVCB, ANY.
const TYPES: [u16; 10] = [1, 2, 6, 5, 15, 16, 43, 46, 64, 255];

thread_local! {
    static OUT: RefCell<Vec<u8>> = RefCell::new(vec![0; 65535]);
}

/// Writes the seeds, real images as this build compiles them, into the directory that `IMAGE_SEEDS` names.
fn write_seeds() {
    let Some(directory) = std::env::var_os("IMAGE_SEEDS") else { return };
    for (at, (apex, text)) in ZONES.iter().enumerate() {
        let image = image(apex, text);
        let write = |name: String, octets: Vec<u8>| {
            std::fs::write(std::path::Path::new(&directory).join(name), octets)
                .expect("the seeds' directory can be written");
        };
        let content = &image.root()[..image.root().len() - DIGEST];
        write(format!("image{at}"), [&[1], content].concat());
        let image = image_in_segments(apex, text);
        let segments: Vec<Segment> = image.segments().collect();
        let root = &image.root()[..image.root().len() - DIGEST - segments.len() * SEGMENT_ENTRY];
        let len = |index: usize| segments.get(index).map_or(0, |segment| segment.bytes().len() as u16);
        let lens = [root.len() as u16, len(0), len(1)].map(u16::to_le_bytes).concat();
        let octets = segments.iter().flat_map(|segment| segment.bytes().to_vec()).collect::<Vec<u8>>();
        write(format!("segments{at}"), [&[2][..], &lens, root, &octets].concat());
    }
}

/// A flat image with this content.
fn flat(content: &[u8]) -> Option<Image> {
    let mut bytes = content.to_vec();
    if bytes.len() < HEADER {
        return None;
    }
    let len = bytes.len() + DIGEST;
    finish(&mut bytes, len);
    Image::open(bytes).ok()
}

/// An image in segments. The header's magic and the numbers of segments are those that the input has.
fn segmented(input: &[u8]) -> Option<Image> {
    let (lens, content) = input.split_first_chunk::<6>()?;
    let len = |at: usize| u16::from_le_bytes([lens[at], lens[at + 1]]) as usize;
    let root_len = len(0);
    let (root, segments) = content.split_at_checked(root_len)?;
    if root.len() < HEADER {
        return None;
    }
    let mut root = root.to_vec();
    root[FORM] = 1;
    root[BITS].fill(0);
    let has = |field: std::ops::Range<usize>| root[field].iter().any(|octet| *octet != 0);
    let count = 1 + usize::from(has(FAR_BUCKETS)) + usize::from(has(ORDER_SEGMENTS));
    if has(ORDER_SEGMENTS) {
        root[ORDER_SEGMENTS].copy_from_slice(&1u32.to_le_bytes());
    }
    let mut rest = segments;
    let mut segments = Vec::new();
    for index in 1..count {
        let (segment, behind) = rest.split_at(len(2 * index).min(rest.len()));
        segments.push(segment);
        rest = behind;
    }
    segments.push(rest);
    for segment in &segments {
        root.extend_from_slice(blake3::hash(segment).as_bytes());
        root.extend_from_slice(&(segment.len() as u32).to_le_bytes());
    }
    let len = root.len() + DIGEST + segments.iter().map(|segment| segment.len()).sum::<usize>();
    finish(&mut root, len);
    let missing = Root::open(root.clone()).ok()?.assemble(|_| None).err();
    assert!(matches!(missing, Some(ImageError::SegmentMissing(_))), "an image without its segments: {missing:?}");
    let opened = |digest: &[u8; 32]| {
        let mut named = segments.iter().filter(|segment| blake3::hash(segment).as_bytes() == digest);
        Some(Segment::open(named.next()?.to_vec(), digest).expect("its digest was found"))
    };
    Root::open(root).expect("it opened before").assemble(opened).ok()
}

/// Sets magic, version and lengths right, and appends the digest.
fn finish(root: &mut Vec<u8>, len: usize) {
    root[..MAGIC].copy_from_slice(&REAL.root()[..MAGIC]);
    let root_len = root.len() + DIGEST;
    root[LENGTH].copy_from_slice(&(len as u64).to_le_bytes());
    root[ROOT_LENGTH].copy_from_slice(&(root_len as u64).to_le_bytes());
    let digest = *blake3::hash(root).as_bytes();
    root.extend_from_slice(&digest);
}

libfuzzer_sys::fuzz_target!(init: write_seeds(), |input: &[u8]| {
    let Some((&mode, content)) = input.split_first() else { return };
    let image = match mode {
        0 => {
            let image = Image::open(content.to_vec()).ok();
            let read = Image::read_from(content, content.len() as u64).ok();
            assert_eq!(image.as_ref().map(Image::digest), read.as_ref().map(Image::digest), "a file is as good as octets");
            image
        }
        1 => flat(content),
        _ => segmented(content),
    };
    let Some(image) = image else { return };
    let _ = dump::to_text(&image);
    let _ = diff(None, Some(&image), |_| ());
    let mut file = Vec::new();
    image.write_to(&mut file).expect("memory takes all");
    let read = Image::read_from(&file[..], file.len() as u64).expect("what was written is read");
    assert_eq!(read.digest(), image.digest());

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
            packet.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
            OUT.with_borrow_mut(|out| {
                for transport in [Transport::Udp, Transport::Tcp] {
                    ask(&served, &packet, transport, out);
                }
            });
        }
    }
});
