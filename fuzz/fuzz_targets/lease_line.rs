//! What a sidecar reads from its server, and a server from its sidecar: any octets, cut anywhere. The first says where.
#![no_main]

use catchment::lease::{LINE_LEN_MAX, Lease, Leases, Words};
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((cut, octets)) = input.split_first() else { return };
    let now = Duration::from_nanos(u64::MAX / 2);
    let mut whole = Leases::default();
    let newest = whole.push(now, octets);
    let mut parts = Leases::default();
    let mut last = None;
    for part in octets.chunks(usize::from(*cut).max(1)) {
        last = parts.push(now, part).or(last);
    }
    assert_eq!(newest, last, "how a stream is cut changes nothing");
    assert_eq!(whole.ignored(), parts.ignored());
    let lines = octets.iter().filter(|octet| **octet == b'\n').count() as u64;
    let ignored = whole.ignored();
    assert!(ignored.unreadable + ignored.future + ignored.older + u64::from(newest.is_some()) <= lines);
    if let Some(lease) = newest {
        assert!(lease.sent <= now, "none comes from the future");
        assert!(lease.valid_until() >= lease.stamp() && lease.stamp() <= lease.sent && lease.stamp() <= lease.beat);
        round_trip(&lease);
    }
    if let Some(word) = Words::default().push(octets) {
        let line = word.line();
        if line.len() <= LINE_LEN_MAX + 1 {
            assert_eq!(Words::default().push(&line), Some(word));
        }
    }
});

/// Escapes may make a line longer than the one that was read; then, and only then, it is not read again.
fn round_trip(lease: &Lease) {
    let line = lease.line();
    let again = Leases::default().push(lease.sent, &line);
    assert_eq!(again.as_ref(), (line.len() <= LINE_LEN_MAX + 1).then_some(lease));
}
