use super::super::tests::{Directory, age, zone};
use super::*;
use crate::calendar;

/// When zones are read here.
const NOW_SECS: u64 = 1_800_000_000;

/// `name serial` of each zone, with `*` where it was compiled.
fn zones(checkout: &Checkout) -> Vec<String> {
    let each = checkout.zones().map(|(apex, compiled)| match compiled {
        Compiled::Image(image) => format!("{apex} {} *", image.serial()),
        Compiled::Known(known) => format!("{apex} {}", known.serial),
    });
    each.collect()
}

/// Reads with this memory.
fn read(directory: &Directory, memory: &Memory) -> Checkout {
    read_at(directory, memory, NOW_SECS, false)
}

/// Reads at a time, after the memory has been written down and read again.
fn read_at(directory: &Directory, memory: &Memory, now_secs: u64, must_be_signed: bool) -> Checkout {
    let memory = serde_json::from_str(&serde_json::to_string(memory).unwrap()).unwrap();
    Checkout::read(&directory.places(), &memory, Judging { now_secs, must_be_signed }, None).unwrap()
}

/// Errors with `!`, and warnings, each by its first words.
fn told(checkout: &Checkout) -> Vec<String> {
    let lines = checkout.reports.iter().flat_map(|report| report.text.lines());
    let titles = lines.filter_map(|line| match line.strip_prefix("error: ") {
        Some(error) => Some(format!("! {error}")),
        None => line.strip_prefix("warning: ").map(String::from),
    });
    titles.collect()
}

fn settled(files: &[(&str, &str)]) -> Directory {
    let directory = Directory::new(files);
    files.iter().for_each(|(file, _)| age(&directory.path(file)));
    directory
}

#[test]
fn only_files_that_changed_are_read_again() {
    let directory =
        settled(&[(".a.inc", &zone(1)), ("a.zone", "$INCLUDE .a.inc\n"), ("b.zone", &zone(1)), ("README", "hi")]);
    let first = read(&directory, &Memory::default());
    assert_eq!(zones(&first), ["a. 1 *", "b. 1 *"]);
    let second = read(&directory, &first.memory);
    assert_eq!(zones(&second), ["a. 1", "b. 1"]);
    assert_eq!(second.skipped, first.skipped, "what is no zone is told each time");
    assert_eq!(second.memory, first.memory);

    let image = |compiled: &Compiled| match compiled {
        Compiled::Image(image) => image.digest(),
        Compiled::Known(known) => known.digest,
    };
    for ((_, now), (_, then)) in second.zones().zip(first.zones()) {
        assert_eq!(image(now), image(then));
    }
    let made = second.compile(&["B".parse().unwrap()]).unwrap();
    assert_eq!((made.len(), made[0].apex().to_string(), made[0].serial()), (1, "b.".into(), 1));

    directory.write(".a.inc", &zone(2));
    assert_eq!(zones(&read(&directory, &second.memory)), ["a. 2 *", "b. 1"], "an included file counts");
    directory.remove("b.zone");
    directory.write("c.zone", &zone(3));
    assert_eq!(zones(&read(&directory, &second.memory)), ["a. 2 *", "c. 3 *"]);
}

#[test]
fn what_could_change_unseen_is_not_remembered() {
    let directory = Directory::new(&[("a.zone", &zone(1))]);
    // Read in the moment in which it was written: the next write may leave the same times.
    let fresh = read(&directory, &Memory::default());
    assert_eq!(fresh.memory, Memory::default());

    age(&directory.path("a.zone"));
    let memory = read(&directory, &fresh.memory).memory;
    assert_eq!(zones(&read(&directory, &memory)), ["a. 1"]);
    // The same octets in another file, the same size at another time, other octets with the old times.
    let path = directory.path("a.zone");
    let modified = path.metadata().unwrap().modified().unwrap();
    std::fs::rename(&path, directory.path(".old")).unwrap();
    std::fs::copy(directory.path(".old"), &path).unwrap();
    assert_eq!(zones(&read(&directory, &memory)), ["a. 1 *"]);
    directory.remove("a.zone");
    std::fs::rename(directory.path(".old"), &path).unwrap();
    assert_eq!(zones(&read(&directory, &memory)), ["a. 1 *"], "it was elsewhere for a while");
    age(&path);
    let memory = read(&directory, &memory).memory;
    directory.write("a.zone", &zone(2));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(zones(&read(&directory, &memory)), ["a. 2 *"], "a time can be set, but not that of the change");
}

#[test]
fn what_is_remembered_is_believed_for_a_day() {
    let directory = settled(&[("a.zone", &zone(1))]);
    let memory = read(&directory, &Memory::default()).memory;
    let read_at = |now_secs: u64| zones(&read_at(&directory, &memory, now_secs, false));
    assert_eq!(read_at(NOW_SECS + BELIEVED_SECS - 1), ["a. 1"]);
    assert_eq!(read_at(NOW_SECS + BELIEVED_SECS), ["a. 1 *"]);
    assert_eq!(read_at(NOW_SECS - 1), ["a. 1 *"], "nothing was read in the future");
}

#[test]
fn warnings_are_told_each_time_and_faults_are_looked_at_again() {
    let odd = format!("{}www 60 A 192.0.2.2\n", zone(1));
    let directory = settled(&[("a.zone", &odd), ("bad.zone", "@ SOA broken\n")]);
    let told = |checkout: &Checkout| -> Vec<(bool, String)> {
        checkout.reports.iter().map(|report| (report.fatal, report.text.clone())).collect()
    };
    let first = read(&directory, &Memory::default());
    assert_eq!(told(&first).iter().map(|(fatal, _)| *fatal).collect::<Vec<_>>(), [false, true], "{:?}", told(&first));
    let second = read(&directory, &first.memory);
    assert_eq!(told(&second), told(&first));
    assert_eq!(zones(&second), ["a. 1"]);

    let third = read(&directory, &second.memory);
    directory.write("a.zone", "@ SOA broken");
    let faults = third.compile(&["a".parse().unwrap()]).err().unwrap();
    assert!(faults.len() == 1 && faults[0].fatal && faults[0].text.contains("a.zone:1:"), "{faults:?}");
}

#[test]
fn two_files_for_one_zone_are_an_error_of_remembered_ones_too() {
    let directory = settled(&[("a.zone", &zone(1)), ("db.a", &zone(1))]);
    let memory = read(&directory, &Memory::default()).memory;
    let again = read(&directory, &memory);
    assert!(again.reports.iter().any(|report| report.fatal && report.text.contains("two files")));
}

/// A zone that has nothing of a signed one but a signature that ends then.
fn signed(ends_secs: u64) -> String {
    let ends = calendar::compact(ends_secs);
    format!("{}@ 1h RRSIG NS 13 1 3600 {ends} 20200101000000 1 a. AAAA\n", zone(1))
}

#[test]
fn signatures_are_judged_until_time_alone_changes_the_verdict() {
    let ends_secs = NOW_SECS + 3600;
    let directory = settled(&[("a.zone", &signed(ends_secs)), ("b.zone", &zone(1))]);
    let first = read(&directory, &Memory::default());
    assert!(told(&first).iter().any(|line| line.contains("has a signature by key 1")), "{:?}", told(&first));
    let last_second = read_at(&directory, &first.memory, ends_secs, false);
    assert_eq!((zones(&last_second), told(&last_second)), (vec!["a. 1".into(), "b. 1".into()], told(&first)));

    let expired = read_at(&directory, &first.memory, ends_secs + 1, false);
    assert_eq!(zones(&expired), ["a. 1 *", "b. 1"], "only this file is read again");
    let ends = format!("has a signature that expired at {}", calendar::text(ends_secs));
    assert!(told(&expired).iter().any(|line| line.ends_with(&ends)), "{:?}", told(&expired));
    let again = read_at(&directory, &expired.memory, ends_secs + 2, false);
    assert_eq!((zones(&again), told(&again)), (vec!["a. 1".into(), "b. 1".into()], told(&expired)));
}

#[test]
fn what_was_a_warning_is_an_error_where_zones_must_be_signed() {
    let directory = settled(&[("a.zone", &signed(NOW_SECS - 1)), ("b.zone", &zone(1))]);
    let lenient = read(&directory, &Memory::default());
    assert!(!lenient.reports.iter().any(|report| report.has_errors), "{:?}", told(&lenient));
    let faults = |memory: &Memory| {
        let strict = read_at(&directory, memory, NOW_SECS, true);
        let faulty = strict.reports.iter().filter(|report| report.has_errors && !report.fatal);
        assert_eq!(faulty.count(), 2, "{:?}", told(&strict));
        let told = told(&strict);
        assert!(told.iter().any(|line| line.starts_with("! a. NS has a signature that expired")), "{told:?}");
        assert!(told.contains(&"! b. is not signed".into()), "{told:?}");
        strict.memory
    };
    // The second time with the memory of the first.
    let memory = faults(&faults(&lenient.memory));
    assert_eq!(told(&read(&directory, &memory)), told(&lenient), "and a warning again without");
}

#[test]
fn delegations_are_compared_with_children_that_are_remembered() {
    let key = "@ DNSKEY 257 3 15 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let ds = format!("sub NS ns\nsub DS 1 15 2 {}\n", "00".repeat(32));
    let parent = format!("{}{key}{ds}", zone(1));
    let directory = settled(&[("a.zone", &parent), ("sub.a.zone", &zone(1)), ("x.zone", &zone(1))]);
    let said = |checkout: &Checkout| -> Vec<String> {
        told(checkout).into_iter().filter(|line| line.contains("DS record")).collect()
    };
    let unsigned = "sub.a. has a DS record here, but its zone is not signed";
    let first = read(&directory, &Memory::default());
    assert_eq!(said(&first), [unsigned]);
    let second = read(&directory, &first.memory);
    assert_eq!(zones(&second), ["a. 1", "x. 1", "sub.a. 1"]);
    assert_eq!(told(&second), told(&first));
    let texts = |checkout: &Checkout| -> Vec<String> { checkout.reports.iter().map(|r| r.text.clone()).collect() };
    assert_eq!(texts(&second), texts(&first), "with the same lines of the file");
    assert!(texts(&second).iter().any(|text| text.contains("sub DS 1 15 2")), "{:?}", texts(&second));

    directory.write("sub.a.zone", &format!("{}{key}", zone(2)));
    age(&directory.path("sub.a.zone"));
    let third = read(&directory, &second.memory);
    assert_eq!(zones(&third), ["a. 1", "x. 1", "sub.a. 2 *"]);
    assert_eq!(said(&third), ["no DS record of sub.a. is about a key of its zone"]);

    directory.remove("sub.a.zone");
    let fourth = read(&directory, &third.memory);
    assert_eq!(zones(&fourth), ["a. 1 *", "x. 1"], "other children: what was remembered says nothing of them");
    assert_eq!(said(&fourth), [""; 0]);
    directory.write("sub.a.zone", &zone(1));
    let strict = read_at(&directory, &fourth.memory, NOW_SECS, true);
    assert_eq!(said(&strict), [format!("! {unsigned}")]);
}
