use super::*;
use crate::sync::publish::plan::examples::plan;
use crate::sync::publish::plan::{Listing, Old};
use crate::wire::code::rtype;

/// 2027-01-15T08:00:00Z
const NOW_SECS: u64 = 1_800_000_000;

/// `guard zone: why` of all objections to `new` in the place of `old`.
fn said(old: &[(&str, &str)], new: &[(&str, &str)], settings: &Settings) -> Vec<String> {
    let objections = judge(&plan(old, new, Listing::default()), &[], settings, NOW_SECS);
    let zone = |zone: &Option<ZoneName>| zone.as_ref().map_or_else(String::new, |zone| format!(" {zone}"));
    objections.iter().map(|found| format!("{}{}: {}", found.guard, zone(&found.zone), found.why)).collect()
}

/// The records of a zone: its own, these hosts', and others.
fn zone(serial: u32, hosts: std::ops::RangeInclusive<u32>, rest: &str) -> String {
    let (first, last) = hosts.into_inner();
    format!("@ SOA ns.o. h {serial} 1 1 1 1\n@ NS ns.o.\n$GENERATE {first}-{last} h$ A 192.0.2.1\n{rest}")
}

/// What is said of one zone `a` that was `old` and is to be `new`.
fn of_zone(old: &str, new: &str, settings: &Settings) -> Vec<String> {
    said(&[("a", old)], &[("a", new)], settings)
}

#[test]
fn usual_changes_are_nobodys_business() {
    let defaults = Settings::default();
    let (old, new) = (zone(1, 1..=40, ""), zone(2, 1..=45, "www A 192.0.2.1\n"));
    assert_eq!(of_zone(&old, &new, &defaults), Vec::<String>::new());
    assert_eq!(said(&[], &[("a", &old), ("b", &new)], &defaults), Vec::<String>::new(), "the first release");
    assert_eq!(said(&[("a", &old)], &[("a", &old), ("b", &zone(0, 1..=1, ""))], &defaults), Vec::<String>::new());
}

#[test]
fn a_head_that_is_not_built_upon_is_no_first_release() {
    let mut plan = plan(&[], &[("a", &zone(1, 1..=2, ""))], Listing::default());
    plan.disowned = Some("1.7".parse().unwrap());
    for (allow, expected) in [(None, vec![Guard::RemovedKey]), (Some(Guard::RemovedKey), vec![])] {
        let settings = Settings { allow: allow.into_iter().collect(), ..Settings::default() };
        let objections = judge(&plan, &[], &settings, NOW_SECS);
        assert_eq!(stopping(&objections), expected);
        let [found] = &objections[..] else { panic!("{objections:?}") };
        assert_eq!((found.guard, &found.zone), (Guard::RemovedKey, &None));
        assert!(found.why.starts_with("the key that signed the head, 1.7, was removed: "), "{}", found.why);
    }
}

#[test]
fn a_zone_goes() {
    let (old, more) = (zone(7, 1..=2, ""), zone(9, 1..=2_000, ""));
    let expected = [
        "zone-removal b.: it disappears: serial 7, 4 records",
        "zone-removal c.: it disappears: serial 9, 2,002 records",
    ];
    assert_eq!(said(&[("a", &old), ("b", &old), ("c", &more)], &[("a", &old)], &Settings::default()), expected);
}

#[test]
fn much_of_a_zone_changes() {
    let settings =
        |zone_share_max, zone_records_min| Settings { zone_share_max, zone_records_min, ..Settings::default() };
    // 99 hosts and an NS record.
    let old = zone(1, 1..=99, "");
    for (hosts, settings, expected) in [
        (1..=69, settings(30, 20), None),
        (1..=68, settings(30, 20), Some("31 of 100 records change (31 %), more than 30 %")),
        (32..=99, settings(30, 20), Some("31 of 100 records change (31 %), more than 30 %")),
        (1..=130, settings(30, 20), Some("31 of 100 records change (31 %), more than 30 %")),
        // Gone and new records are not added up.
        (26..=124, settings(30, 20), None),
        (1..=68, settings(31, 20), None),
        (1..=68, settings(30, 100), Some("31 of 100 records change (31 %), more than 30 %")),
        (1..=68, settings(30, 101), None),
        (1..=98, settings(0, 20), Some("1 of 100 records change (1 %), more than 0 %")),
        (1..=99, settings(0, 0), None),
        (200..=900, settings(100, 0), None),
    ] {
        let expected: Vec<String> = expected.map(|why| format!("zone-share a.: {why}")).into_iter().collect();
        assert_eq!(of_zone(&old, &zone(2, hosts.clone(), ""), &settings), expected, "{hosts:?} {settings:?}");
    }
}

#[test]
fn many_zones_change() {
    let (old, new) = (zone(1, 1..=1, ""), zone(2, 1..=1, ""));
    let names: Vec<String> = (0..20).map(|n| format!("z{n}")).collect();
    let before: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), old.as_str())).collect();
    for (changed, removed, max, min, expected) in [
        (6, 0, 30, 10, None),
        (7, 0, 30, 10, Some("7 of 20 zones change (35 %), more than 30 %")),
        (5, 2, 30, 10, Some("7 of 20 zones change (35 %), more than 30 %")),
        (7, 0, 30, 20, Some("7 of 20 zones change (35 %), more than 30 %")),
        (7, 0, 30, 21, None),
        (1, 0, 0, 0, Some("1 of 20 zones change (5 %), more than 0 %")),
        (20, 0, 100, 0, None),
    ] {
        let mut after = before[removed..].to_vec();
        after[..changed].iter_mut().for_each(|zone| zone.1 = &new);
        after.extend([("new1", new.as_str()), ("new2", new.as_str())]);
        let settings = Settings {
            zones_share_max: max,
            zones_min: min,
            allow: [Guard::ZoneRemoval].into(),
            ..Settings::default()
        };
        let objections = judge(&plan(&before, &after, Listing::default()), &[], &settings, NOW_SECS);
        let of_all: Vec<&str> = objections.iter().filter(|o| !o.is_allowed).map(|o| o.why.as_str()).collect();
        assert_eq!(of_all, expected.into_iter().collect::<Vec<_>>(), "{changed} {removed} {max} {min}");
    }
}

#[test]
fn serials_rise() {
    for (old, new, expected) in [
        (1, 2, None),
        (u32::MAX, 0, None),
        (u32::MAX, 5, None),
        (2_026_010_101, 5, Some("serial-back a.: its serial goes back, from 2026010101 to 5")),
        (5, 4, Some("serial-back a.: its serial goes back, from 5 to 4")),
        (0, 1 << 31, Some("serial-back a.: its serial goes back, from 0 to 2147483648")),
        (7, 7, Some("serial-same a.: its content changes, its serial 7 does not")),
    ] {
        let found = of_zone(&zone(old, 1..=1, ""), &zone(new, 1..=2, ""), &Settings::default());
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{old} {new}");
    }
    let same = zone(7, 1..=1, "");
    assert_eq!(of_zone(&same, &same, &Settings::default()), Vec::<String>::new(), "nothing changes");
}

#[test]
fn how_a_zone_is_found_and_believed_changes() {
    let ds = |tag: u32| format!("sub DS {tag} 13 2 {}\n", "ab".repeat(32));
    let delegation = "sub NS ns.o.\n";
    let sub = zone(1, 1..=1, "");
    let old = zone(1, 1..=1, &format!("{delegation}{}", ds(1)));
    let check = |new: &str, has_sub: bool, expected: &[&str]| {
        let others: &[(&str, &str)] = if has_sub { &[("sub.a", &sub)] } else { &[] };
        let zones = |text| [&[("a", text)][..], others].concat();
        assert_eq!(said(&zones(old.as_str()), &zones(new), &Settings::default()), expected);
    };
    let digest = "AB".repeat(32);
    let changed = format!("apex-ds a.: the DS records of sub.a. change: -1 13 2 {digest} +2 13 2 {digest}");
    check(&zone(2, 1..=1, &format!("{delegation}{}", ds(2))), true, &[&changed]);
    check(&zone(2, 1..=1, &format!("{delegation}{}", ds(2))), false, &[]);
    check(
        &zone(2, 1..=1, delegation),
        true,
        &[&format!("apex-ds a.: the DS records of sub.a. change: -1 13 2 {digest}")],
    );
    check(&zone(2, 1..=1, &format!("sub NS other.o.\n{}", ds(1))), true, &[]);
    let servers =
        zone(2, 1..=1, &format!("@ NS ns2.o.\n{delegation}{}", ds(1))).replacen("@ NS ns.o.", "@ NS NS3.o.", 1);
    check(&servers, true, &["apex-ns a.: its NS records change: -ns.o. +ns2.o. +ns3.o."]);
    let many: String = (0..40).map(|n| format!("@ NS n{n}.o.\n")).collect();
    let found =
        of_zone(&zone(1, 1..=1, ""), &zone(2, 1..=1, &many), &Settings { zone_records_min: 99, ..Settings::default() });
    assert_eq!((found.len(), found[0].matches(" +n").count()), (1, 16));
    assert!(found[0].ends_with(" ..."), "{}", found[0]);
}

#[test]
fn signatures_end_soon() {
    let signed =
        |serial: u32, end: &str| zone(serial, 1..=1, &format!("h1 RRSIG A 13 2 3600 {end} 20200101000000 1 @ AAAA\n"));
    let days = |signature_days_min| Settings { signature_days_min, ..Settings::default() };
    for (end, settings, expected) in [
        ("20270118080000", days(3), None),
        ("20270118075959", days(3), Some("it has signatures that end at 2027-01-18T07:59:59Z, within 3 days")),
        ("20270118075959", days(0), None),
        ("20270214080000", days(31), Some("it has signatures that end at 2027-02-14T08:00:00Z, within 31 days")),
        ("20270115080000", days(0), Some("it has signatures that ended at 2027-01-15T08:00:00Z")),
        ("20210101000000", days(3), Some("it has signatures that ended at 2021-01-01T00:00:00Z")),
    ] {
        let expected: Vec<String> = expected.map(|why| format!("signatures-end a.: {why}")).into_iter().collect();
        let (old, new) = (zone(1, 1..=1, ""), signed(2, end));
        assert_eq!(of_zone(&old, &new, &settings), expected, "{end} {settings:?}");
        assert_eq!(said(&[], &[("a", &new)], &settings), expected, "a zone that is new");
        assert_eq!(of_zone(&new, &new, &settings), Vec::<String>::new(), "no change, no objection");
    }
}

#[test]
fn a_mistake_would_stay_for_long() {
    let old = zone(1, 1..=1, "old 999999 A 192.0.2.1\n");
    let new = |rest: &str| zone(2, 1..=1, &format!("old 999999 A 192.0.2.1\n{rest}"));
    let max = |ttl_secs_max| Settings { ttl_secs_max, ..Settings::default() };
    let long = |ttl: u32, max: u32| {
        format!("long-ttl a.: www.a. TXT is new or changed, with a TTL of {ttl} s, more than {max} s")
    };
    assert_eq!(
        of_zone(&old, &new("www 604800 TXT x\n"), &max(604_800)),
        Vec::<String>::new(),
        "what was there may stay"
    );
    assert_eq!(of_zone(&old, &new("www 604801 TXT x\nv 60 TXT x\n"), &max(604_800)), [long(604_801, 604_800)]);
    assert_eq!(of_zone(&old, &new("www 86401 TXT x\n"), &max(86_400)), [long(86_401, 86_400)]);
    assert_eq!(said(&[], &[("a", &new("www 1000000 TXT x\n"))], &max(604_800)), [long(1_000_000, 604_800)]);
}

#[test]
fn what_is_asked_gets_no_answer_any_more() {
    use crate::sync::publish::answers::{Answers, Kind, OfZone, Tally};
    use crate::sync::question::Question;
    let max = |answers_share_max| Settings { answers_share_max, ..Settings::default() };
    let tally = |questions, queries| Tally { questions, queries };
    let nxdomain = |questions, queries, settings: Settings| (Kind::Nxdomain, tally(questions, queries), settings);
    for ((kind, changed, settings), expected) in [
        (nxdomain(1, 10, max(100)), None),
        (
            nxdomain(1, 11, max(100)),
            Some(
                "answer-nxdomain a.: 0.11 % of the queries asked of it would be newly NXDOMAIN, more than 0.1 %: www.a. A, asked 7 times",
            ),
        ),
        (
            nxdomain(1_200, 9_000, max(100)),
            Some(
                "answer-nxdomain a.: 90 % of the queries asked of it would be newly NXDOMAIN, more than 0.1 %: \
                 1,200 questions, www.a. A for one, asked 7 times",
            ),
        ),
        (nxdomain(1, 9_000, max(100_000)), None),
        (nxdomain(1, 150, max(1_500)), None),
        (
            nxdomain(1, 1, max(0)),
            Some(
                "answer-nxdomain a.: 0.01 % of the queries asked of it would be newly NXDOMAIN, more than 0 %: www.a. A, asked 7 times",
            ),
        ),
        (
            (Kind::Servfail, tally(1, 200), max(1_500)),
            Some(
                "answer-servfail a.: 2.0 % of the queries asked of it would be newly SERVFAIL, more than 1.5 %: www.a. A, asked 7 times",
            ),
        ),
        (
            (Kind::Empty, tally(1, 200), max(100)),
            Some(
                "answer-empty a.: 2.0 % of the queries asked of it would be newly without data, more than 0.1 %: www.a. A, asked 7 times",
            ),
        ),
        (
            (Kind::Large, tally(1, 200), max(100)),
            Some(
                "answer-large a.: 2.0 % of the queries asked of it would be newly over 1232 octets, more than 0.1 %: www.a. A, asked 7 times",
            ),
        ),
        // A zone that goes is another guard's, and what changes is what a publish is for.
        ((Kind::Refused, tally(1, 10_000), max(0)), None),
        ((Kind::Other, tally(1, 10_000), max(0)), None),
    ] {
        let old = zone(1, 1..=1, "");
        let mut plan = plan(&[("a", &old)], &[("a", &zone(2, 1..=1, "www TXT x\n"))], Listing::default());
        let question = Question::new(&"www.a".parse().unwrap(), rtype::A);
        let of_zone = OfZone {
            put: tally(2_000, 10_000),
            changed: [(kind, changed)].into(),
            most: [(kind, (question, 7))].into(),
        };
        let zones = [(plan.changes[0].zone.clone(), of_zone)].into();
        plan.answers = Some(Answers { zones, ..Answers::default() });
        let objections = judge(&plan, &[], &settings, NOW_SECS);
        let said: Vec<String> = objections.iter().map(|found| format!("{} a.: {}", found.guard, found.why)).collect();
        assert_eq!(said, expected.map(String::from).into_iter().collect::<Vec<_>>(), "{kind:?} {changed:?}");
        let allow = Guard::value_variants().iter().copied().collect();
        assert_eq!(stopping(&judge(&plan, &[], &Settings { allow, ..settings }, NOW_SECS)), []);
    }
}

#[test]
fn what_cannot_be_compared_is_said() {
    let (old, new) = (zone(1, 1..=99, ""), zone(1, 1..=1, ""));
    let mut plan = plan(&[("a", &old)], &[("a", &new)], Listing::default());
    plan.changes[0].old = Some(Old { serial: 2, image: None });
    plan.changes[0].difference = Default::default();
    let objections = judge(&plan, &[], &Settings::default(), NOW_SECS);
    let said: Vec<String> = objections.iter().map(|found| format!("{}: {}", found.guard, found.why)).collect();
    assert_eq!(
        said,
        [
            "serial-back: its serial goes back, from 2 to 1",
            "unreadable: the store has lost what the head has of it: there is nothing to compare with"
        ]
    );
}

#[test]
fn all_are_told_in_one_run_and_allowed_by_name() {
    let old = zone(7, 1..=99, "");
    let new = zone(7, 1..=2, "www 1000000 TXT x\n").replacen("@ NS ns.o.", "@ NS ns2.o.", 1);
    let (old, new) = ([("a", old.as_str()), ("b", old.as_str())], [("a", new.as_str())]);
    let all =
        [Guard::CheckError, Guard::ZoneRemoval, Guard::ZoneShare, Guard::SerialSame, Guard::ApexNs, Guard::LongTtl];
    let judged = |allow: &[Guard]| {
        let settings = Settings { allow: allow.iter().copied().collect(), ..Settings::default() };
        judge(&plan(&old, &new, Listing::default()), &["zones/a.zone".into()], &settings, NOW_SECS)
    };
    assert_eq!(stopping(&judged(&[])), all);
    assert_eq!(judged(&[])[0].why, "zones/a.zone has errors: see above");
    assert_eq!(
        stopping(&judged(&[Guard::ZoneShare, Guard::CheckError])),
        [Guard::ZoneRemoval, Guard::SerialSame, Guard::ApexNs, Guard::LongTtl]
    );
    let allowed = judged(&all);
    assert_eq!((allowed.len(), stopping(&allowed)), (6, Vec::new()), "what is allowed is told all the same");
}

#[test]
fn guards_have_the_names_that_allow_them() {
    let names: Vec<String> = Guard::value_variants().iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "check-error",
            "removed-key",
            "zone-removal",
            "zones-share",
            "zone-share",
            "serial-back",
            "serial-same",
            "apex-ns",
            "apex-ds",
            "signatures-end",
            "long-ttl",
            "answer-nxdomain",
            "answer-servfail",
            "answer-empty",
            "answer-large",
            "unreadable"
        ]
    );
    for guard in Guard::value_variants() {
        assert_eq!(Guard::from_str(&guard.to_string(), false).as_ref(), Ok(guard));
        assert!(guard.remedy().len() > 10);
    }
}
