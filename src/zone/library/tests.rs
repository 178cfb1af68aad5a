use super::super::compile::compile;
use super::super::parse::{self, parse_text};
use super::super::set::State;
use super::*;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of zones that goes with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(files: &[(&str, &str)]) -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("catchment-library-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = Directory(std::env::temp_dir().join(unique));
        std::fs::create_dir_all(&directory.0).unwrap();
        for (file, text) in files {
            directory.write(file, text);
        }
        directory
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    pub(super) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }

    pub(super) fn remove(&self, file: &str) {
        std::fs::remove_file(self.0.join(file)).unwrap();
    }

    pub(super) fn places(&self) -> Places {
        Places { directory: Some(self.0.clone()), listed: Vec::new(), include_outside: false }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A small zone with this serial.
pub(super) fn zone(serial: u32) -> String {
    format!("$TTL 1h\n@ SOA ns hostmaster {serial} 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n")
}

/// `name serial` or `name -` of each zone, sorted.
fn served(load: &Load) -> Vec<String> {
    answering(&load.zones)
}

fn answering(zones: &Zones) -> Vec<String> {
    let serial = |zone: &Zone| zone.image().map_or("-".into(), |image| image.serial().to_string());
    let mut all: Vec<_> = zones.iter().map(|zone| format!("{} {}", zone.name(), serial(zone))).collect();
    all.sort();
    all
}

fn states(library: &Library) -> Vec<(String, State)> {
    let mut all: Vec<_> = library.zones.iter().map(|zone| (zone.name().to_string(), zone.state())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn a_directory_is_searched_by_name_and_content() {
    let directory = Directory::new(&[
        ("example.com.zone", &zone(1)),
        ("db.example.org", &zone(2)),
        ("example.net", &zone(3)),
        ("root.zone", ". 60 SOA a.nic b.nic 4 3600 900 1209600 60\n. 60 NS a.nic\na.nic 60 A 192.0.2.1\n"),
        ("README", "Zones are one file each.\n"),
        ("example.com.zone~", &zone(9)),
    ]);
    std::fs::create_dir(directory.0.join("old")).unwrap();
    let load = Library::new().load(&directory.places()).unwrap();
    assert_eq!(served(&load), [". 4", "example.com. 1", "example.net. 3", "example.org. 2"]);
    let skipped: Vec<_> = load.skipped.iter().map(|s| format!("{}: {}", file(&s.path), s.reason)).collect();
    assert_eq!(
        skipped,
        [
            "README: has no SOA record at README.",
            "example.com.zone~: is a backup, journal or other leftover by its name",
            "old: is a directory; name its zones with [[zone]]",
        ]
    );
    assert_eq!(load.summary, Summary { zones: 4, records: 15, changed: 4, removed: 0, failed: 0 });
    assert!(load.reports.is_empty());
}

fn file(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn a_bad_zone_does_not_stop_the_others_and_all_errors_of_all_files_are_told() {
    let directory = Directory::new(&[
        ("good.zone", &zone(1)),
        ("bad.zone", "$TTL 1h\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2\nx AAAA zz\n"),
        ("worse.zone", "$TTL 1h\n@ NS ns\nns A 192.0.2.1\n"),
    ]);
    let mut library = Library::new();
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["bad. -", "good. 1", "worse. -"]);
    assert_eq!(load.summary.failed, 2);
    let told: String = load.reports.iter().map(|report| report.text.as_str()).collect();
    for part in ["bad.zone:4:", "bad.zone:5:", "worse.zone", "SOA"] {
        assert!(told.contains(part), "no `{part}` in:\n{told}");
    }
    assert!(load.reports.iter().all(|report| report.fatal));
    use State::*;
    assert_eq!(states(&library), [("bad.".into(), Failed), ("good.".into(), Serving), ("worse.".into(), Failed)]);
    let errors: Vec<_> = library.zones.iter().filter_map(|zone| zone.error.clone()).collect();
    assert!(errors.iter().any(|error| error.contains("bad.zone:4: ")), "{errors:?}");
}

#[test]
fn a_reload_keeps_the_last_good_version_ids_and_ages() {
    let directory = Directory::new(&[("a.zone", &zone(1)), ("b.zone", &zone(1))]);
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    let id = |library: &Library, name: &str| {
        library.zones.iter().find(|zone| zone.name().to_string() == name).map(|zone| (zone.id, zone.since))
    };
    let (a, since) = id(&library, "a.").unwrap();

    directory.write("a.zone", "@ SOA broken");
    directory.write("b.zone", &zone(2));
    directory.write("0.zone", &zone(7));
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["0. 7", "a. 1", "b. 2"]);
    assert_eq!(load.summary, Summary { zones: 3, records: 12, changed: 2, removed: 0, failed: 1 });
    assert_eq!(states(&library)[1], ("a.".into(), State::LastGood));
    assert_eq!(id(&library, "a."), Some((a, since)), "the id stays when others come");

    directory.write("a.zone", &format!("; only a comment is new\n{}", zone(1)));
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(load.summary, Summary { zones: 3, records: 12, changed: 0, removed: 0, failed: 0 });
    assert_eq!(id(&library, "a."), Some((a, since)), "the same content keeps its age");

    directory.remove("a.zone");
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["0. 7", "b. 2"]);
    assert_eq!(load.summary.removed, 1);
    directory.write("c.zone", &zone(1));
    library.load(&directory.places()).unwrap();
    assert_ne!(id(&library, "c.").unwrap().0, a, "an id is never given to another zone");
    directory.write("a.zone", &zone(3));
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["0. 7", "a. 3", "b. 2", "c. 1"]);
    assert_eq!(id(&library, "a.").unwrap().0, a);
}

#[test]
fn a_zone_of_the_channel_goes_before_a_file_and_leaves_it_its_place() {
    let directory = Directory::new(&[("a.zone", &zone(1)), ("b.zone", &zone(1))]);
    let mut library = Library::new();
    let load = library.load(&directory.places()).unwrap();
    let id = |zones: &Zones, name: &str| zones.exact(name.parse::<Name>().unwrap().as_wire()).map(|zone| zone.id);
    let a = id(&load.zones, "a.");

    let followed = library.follow("prod", vec![image("a", 8), image("c", 8)], &[]);
    assert_eq!(answering(&followed.zones), ["a. 8", "b. 1", "c. 8"]);
    assert_eq!(id(&followed.zones, "a."), a, "it is the same zone");
    let [conflict] = &followed.conflicts[..] else { panic!("{:?}", followed.conflicts) };
    assert!(conflict.contains("channel prod") && conflict.contains("a.zone is not served"), "{conflict}");
    let followed = library.follow("prod", vec![image("a", 9)], &[]);
    assert_eq!((answering(&followed.zones)[0].as_str(), followed.conflicts.len()), ("a. 9", 0), "that is known");

    // Its file is kept up with meanwhile.
    directory.write("a.zone", &zone(2));
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["a. 9", "b. 1", "c. 8"]);
    assert!(load.reports.iter().any(|report| report.text.contains(conflict)), "{:?}", load.reports);
    assert_eq!((load.summary.changed, load.summary.removed, load.summary.failed), (1, 0, 1));
    assert!(states(&library).iter().all(|(_, state)| *state == State::Serving));

    let c = id(&load.zones, "c.");
    let followed = library.follow("prod", Vec::new(), &["a.".parse().unwrap(), "C.".parse().unwrap()]);
    assert_eq!(answering(&followed.zones), ["a. 2", "b. 1"]);
    assert_eq!(library.load(&directory.places()).unwrap().summary.failed, 0);
    let followed = library.follow("prod", vec![image("new", 1), image("c", 9)], &[]);
    assert_eq!(id(&followed.zones, "c."), c, "a zone that comes back has the id that it had");
    assert_ne!(id(&followed.zones, "new."), c);
}

fn image(apex: &str, serial: u32) -> Image {
    let apex = apex.parse().unwrap();
    let parsed = parse_text("zone", zone(serial), &apex, &parse::Options::default());
    let (image, findings) = compile(&apex, &parsed.records);
    image.unwrap_or_else(|| panic!("{findings:?}"))
}

#[test]
fn only_what_changed_is_read_again() {
    let directory = Directory::new(&[("a.zone", "$INCLUDE shared/a.inc\n"), ("b.zone", &zone(1)), ("README", "hi")]);
    std::fs::create_dir(directory.0.join("shared")).unwrap();
    directory.write("shared/a.inc", &zone(1));
    for file in ["a.zone", "shared/a.inc", "b.zone", "README"] {
        age(&directory.0.join(file));
    }
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    assert_eq!((library.stamps.len(), library.no_zones.len()), (2, 1));
    let changed = |library: &Library| {
        let (sources, _) = sources(&directory.places(), |_, _| false).unwrap();
        let unknown = sources.iter().filter(|source| library.known(source).is_none());
        unknown.map(|source| source.apex.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(changed(&library), Vec::<String>::new());
    directory.write("shared/a.inc", &zone(2));
    assert_eq!(changed(&library), ["a."], "an included file counts");
    assert_eq!(served(&library.load(&directory.places()).unwrap()), ["a. 2", "b. 1"]);
}

/// Waits until the kernel's clock of file times has passed the file's by the tick that is allowed for.
pub(super) fn age(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.metadata().unwrap();
    let changed = std::time::Duration::new(metadata.ctime() as u64, metadata.ctime_nsec() as u32);
    while std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
        <= changed + std::time::Duration::from_millis(51)
    {
        std::thread::yield_now();
    }
}

#[test]
fn two_files_for_one_zone_are_an_error_that_names_both() {
    let directory = Directory::new(&[("example.com.zone", &zone(1)), ("other.zone", &zone(1))]);
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    directory.write("db.EXAMPLE.com", &zone(2));
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["example.com. 1", "other. 1"], "the last good version stays");
    let text = &load.reports[0].text;
    assert!(
        text.contains("two files") && text.contains("db.EXAMPLE.com") && text.contains("example.com.zone"),
        "{text}"
    );
    assert_eq!(load.summary.failed, 1);
    directory.remove("example.com.zone");
    assert_eq!(served(&library.load(&directory.places()).unwrap()), ["EXAMPLE.com. 2", "other. 1"]);
}

#[test]
fn a_zone_that_is_served_does_not_go_because_its_file_is_no_zone_any_more() {
    let directory = Directory::new(&[("bare.test", &zone(1)), ("sure.test.zone", &zone(1)), ("other.zone", &zone(1))]);
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    // What a full disk leaves, and a file that is being replaced by an unlucky script.
    directory.write("bare.test", "");
    directory.remove("sure.test.zone");
    std::fs::create_dir(directory.0.join("sure.test.zone")).unwrap();
    for _ in 0..2 {
        let load = library.load(&directory.places()).unwrap();
        assert_eq!(served(&load), ["bare.test. 1", "other. 1", "sure.test. 1"]);
        assert_eq!(load.summary, Summary { zones: 3, records: 12, changed: 0, removed: 0, failed: 2 });
        let told: String = load.reports.iter().map(|report| report.text.as_str()).collect();
        assert!(told.contains("bare.test. has no SOA record") && told.contains("not a regular file"), "{told}");
    }
    // To take a zone out, its file is removed.
    directory.remove("bare.test");
    directory.write("README", "");
    let load = library.load(&directory.places()).unwrap();
    assert_eq!(served(&load), ["other. 1", "sure.test. 1"]);
    directory.write("bare.test", "");
    assert_eq!(library.load(&directory.places()).unwrap().summary.zones, 2, "it was never served from this one");
}

#[test]
fn a_listed_file_of_the_directory_is_no_second_source() {
    let directory = Directory::new(&[("example.com.zone", &zone(1)), ("parked", &zone(5))]);
    let name = |text| Name::from_text(text).unwrap();
    let listed = vec![
        (name("Example.com"), directory.0.join("./example.com.zone")),
        (name("a.test"), directory.0.join("parked")),
        (name("b.test"), directory.0.join("parked")),
        (name("gone.test"), directory.0.join("gone")),
    ];
    let load = Library::new().load(&Places { listed, ..directory.places() }).unwrap();
    assert_eq!(served(&load), ["Example.com. 1", "a.test. 5", "b.test. 5", "gone.test. -", "parked. 5"]);
    assert!(load.reports.iter().all(|report| report.text.contains("gone")), "{:?}", load.reports);
}

#[test]
fn a_pipe_in_the_place_of_an_image_holds_nobody_up() {
    let directory = Directory::new(&[]);
    let pipe = directory.path("a.image");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(read_image(&pipe).err().unwrap().to_string(), "it is not a regular file");
}

#[test]
fn a_directory_that_vanishes_or_empties_changes_nothing() {
    let directory = Directory::new(&[("a.zone", &zone(1))]);
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    directory.remove("a.zone");
    assert!(library.load(&directory.places()).err().unwrap().contains("no zone is left"));
    assert_eq!(states(&library), [("a.".into(), State::Serving)]);
    let nowhere = Places { directory: Some(directory.0.join("nowhere")), ..directory.places() };
    assert!(library.load(&nowhere).err().unwrap().contains("can't be read"));
    directory.write("a.zone", &zone(2));
    assert_eq!(served(&library.load(&directory.places()).unwrap()), ["a. 2"]);
}

#[test]
fn a_zone_known_by_its_soa_alone_is_kept_when_its_file_loses_that() {
    let directory = Directory::new(&[("example.com", &zone(1)), ("example.net", &zone(2))]);
    let mut library = Library::new();
    library.load(&directory.places()).unwrap();
    directory.write("example.com", "half writ");
    for _ in 0..2 {
        let load = library.load(&directory.places()).unwrap();
        assert_eq!(served(&load), ["example.com. 1", "example.net. 2"]);
        assert!(load.reports[0].fatal && load.reports[0].text.contains("half writ"), "{:?}", load.reports);
        assert_eq!(load.summary.failed, 1);
    }
    assert_eq!(states(&library)[0], ("example.com.".into(), State::LastGood));
    directory.write("example.com", &zone(3));
    assert_eq!(served(&library.load(&directory.places()).unwrap()), ["example.com. 3", "example.net. 2"]);
    directory.remove("example.com");
    assert_eq!(served(&library.load(&directory.places()).unwrap()), ["example.net. 2"]);
}

#[test]
fn the_name_of_a_file_forges_no_line_of_log() {
    let directory = Directory::new(&[("a\n2026 ERROR all is lost \x1b[2J.zone", "x"), ("example.com.zone", &zone(1))]);
    let mut library = Library::new();
    let load = library.load(&directory.places()).unwrap();
    let error = library.zones.iter().find_map(|zone| zone.error.clone()).unwrap();
    for text in [&*error, load.reports[0].text.lines().nth(1).unwrap()] {
        assert!(text.contains("a\\0102026 ERROR all is lost \\027[2J.zone"), "{text}");
        assert!(!text.contains(['\n', '\x1b']), "{text}");
    }
}
