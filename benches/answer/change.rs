//! What one changed record of a large zone costs a node: octets moved, processor time, memory. The node is a process of its own:
//! the compiler's memory would hide its.

use super::{delegations_of, name};
use catchment::random::Random;
use catchment::wire::code::rtype;
use catchment::zone::compile::compile;
use catchment::zone::image::{Image, Root, Segment};
use catchment::zone::memory;
use catchment::zone::records::Records;
use nix::sys::resource::{UsageWho, getrusage};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// The option that makes this program the node; the directory of the store follows.
pub(crate) const NODE: &str = "--node";

/// Publishes two versions of a zone of so many delegations into a directory, and has a node follow them.
pub(crate) fn publish(names: usize) {
    let store = Store(env::temp_dir().join(format!("catchment-change-{}", process::id())));
    fs::create_dir_all(&store.0).expect("a directory for the store");
    let (mut zone, labels) = delegations_of(names, &mut Random::new(20));
    let before = compiled(&zone);
    // One record, and the serial.
    let owner = format!("{}.bench", labels[6 % names]);
    change(&mut zone, name(&owner).as_wire());
    let after = compiled(&zone);
    store.put("before", &before);
    store.put("after", &after);
    let here: HashSet<[u8; 32]> = before.segments().map(|segment| *segment.digest()).collect();
    let new: Vec<usize> = after
        .segments()
        .filter(|segment| !here.contains(segment.digest()))
        .map(|segment| segment.bytes().len())
        .collect();
    println!(
        "{names} delegations: {} records, an image of {} octets: a root of {} and {} segments.",
        after.record_count(),
        after.len(),
        after.root().len(),
        here.len()
    );
    println!(
        "One record changed: {} octets to fetch, the root and {} segments.",
        after.root().len() + new.iter().sum::<usize>(),
        new.len()
    );
    drop((zone, before, after));
    let this = env::current_exe().expect("this program's path");
    let status = process::Command::new(this).arg(NODE).arg(&store.0).status().expect("the node starts");
    fs::remove_dir_all(&store.0).expect("the store can be removed");
    assert!(status.success(), "the node: {status}");
}

/// The node's part.
pub(crate) fn node(store: &Path) {
    let store = Store(store.to_owned());
    let (image, fetched, seconds) = store.follow("before", None);
    memory::return_freed();
    println!(
        "First load: {fetched} octets fetched, {seconds:.3} s of processor time, {} MiB at its peak.",
        mib("VmHWM")
    );
    // The peak counts anew from here.
    fs::write("/proc/self/clear_refs", "5").expect("the peak can be set back");
    let before = mib("VmRSS");
    let (next, fetched, seconds) = store.follow("after", Some(&image));
    let (held, peak) = (mib("VmRSS"), mib("VmHWM"));
    drop(image);
    println!(
        "Change: {fetched} octets fetched, {:.1} ms of processor time; {before} MiB before, {peak} MiB at the peak ({:.3} times), \
         {held} MiB with both versions.",
        seconds * 1000.0,
        peak as f64 / before as f64
    );
    assert_eq!(next.serial(), 2);
}

/// Blobs in a directory, by their digests; and roots by name.
struct Store(PathBuf);

impl Store {
    fn put(&self, version: &str, image: &Image) {
        fs::write(self.0.join(version), image.root()).expect("a root can be written");
        for segment in image.segments() {
            fs::write(self.blob(segment.digest()), segment.bytes()).expect("a segment can be written");
        }
    }

    /// Fetches what `from` has not, and puts the version together. Gives octets fetched and processor time in seconds too.
    fn follow(&self, version: &str, from: Option<&Image>) -> (Image, usize, f64) {
        let start = processor_secs();
        let here: HashMap<[u8; 32], Segment> =
            from.into_iter().flat_map(Image::segments).map(|segment| (*segment.digest(), segment)).collect();
        let root = fs::read(self.0.join(version)).expect("a root");
        let mut fetched = root.len();
        let image = Root::open(root).expect("a root as it was written").assemble(|digest| {
            here.get(digest).cloned().or_else(|| {
                let octets = fs::read(self.blob(digest)).expect("a segment");
                fetched += octets.len();
                Some(Segment::open(octets, digest).expect("a segment as it was written"))
            })
        });
        (image.expect("all segments"), fetched, processor_secs() - start)
    }

    fn blob(&self, digest: &[u8; 32]) -> PathBuf {
        self.0.join(blake3::Hash::from_bytes(*digest).to_string())
    }
}

fn compiled(zone: &Records) -> Image {
    let (image, findings) = compile(&name("bench"), zone);
    image.unwrap_or_else(|| panic!("{findings:?}"))
}

/// The same records, but for the serial and for the last NS record of `owner`.
fn change(zone: &mut Records, owner: &[u8]) {
    let old = std::mem::take(zone);
    let servers = old.iter().filter(|record| old.owner(record) == owner && record.rtype == rtype::NS).count();
    let mut seen = 0;
    for record in old.iter() {
        let mut rdata = old.rdata(&record).to_vec();
        if record.rtype == rtype::SOA {
            let serial = rdata.len() - 17;
            rdata[serial] += 1;
        }
        if old.owner(&record) == owner && record.rtype == rtype::NS {
            seen += 1;
            if seen == servers {
                rdata = name("ns.elsewhere.test").as_wire().to_vec();
            }
        }
        zone.set_owner(old.owner(&record));
        zone.push(record.rtype, record.ttl_secs, &rdata, record.file, record.line);
    }
    assert!(seen > 0, "the record to change is there");
}

fn processor_secs() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage knows this process");
    let secs = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    secs(usage.user_time()) + secs(usage.system_time())
}

/// A size of this process as the kernel tells it, in MiB.
fn mib(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a known field");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib >> 10
}
