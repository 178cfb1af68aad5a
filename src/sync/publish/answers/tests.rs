use super::message::UDP_SIZE;
use super::*;
use crate::answer::Transport;
use crate::sync::publish::plan::examples::{Texts, image};
use crate::wire::name::Name;
use std::collections::BTreeSet;

fn zone_name(name: &str) -> ZoneName {
    ZoneName::from(&name.parse::<Name>().unwrap())
}

fn asked(text: &str) -> Asked {
    Asked::parse("q", text).unwrap()
}

fn questions_of(text: &str) -> Questions {
    Questions { source: "a file".into(), queries: None, asked: asked(text) }
}

/// What becomes of these questions from `old` to `new`, and the zones that were asked for on the way, round by round. Images of unchanged
/// zones in `lost` can't be had.
fn compare(old: &Texts, new: &Texts, questions: &str, lost: &[&str]) -> (Answers, Vec<Vec<String>>) {
    let images = |texts: &Texts| -> BTreeMap<ZoneName, Image> {
        texts.iter().map(|(name, text)| (zone_name(name), image(name, text))).collect()
    };
    let (old, new) = (images(old), images(new));
    let all: BTreeSet<&ZoneName> = old.keys().chain(new.keys()).collect();
    let digest = |of: &BTreeMap<ZoneName, Image>, zone: &ZoneName| of.get(zone).map(Image::digest);
    let changed = all.into_iter().filter(|zone| digest(&old, zone) != digest(&new, zone));
    let changed = changed.map(|zone| (zone.clone(), old.get(zone).cloned(), new.get(zone).cloned())).collect();
    let questions = questions_of(questions);
    let (old_has, new_has) = (|zone: &ZoneName| old.contains_key(zone), |zone: &ZoneName| new.contains_key(zone));
    let mut inquiry = Inquiry::new(&questions, changed, &old_has, &new_has);
    let mut rounds = Vec::new();
    loop {
        let lacking = inquiry.lacking();
        if lacking.is_empty() {
            break;
        }
        rounds.push(lacking.iter().map(ToString::to_string).collect());
        for zone in lacking {
            let image = old.get(&zone).filter(|_| !lost.contains(&zone.to_string().as_str())).cloned();
            inquiry.supply(zone, image);
        }
    }
    (inquiry.compare(), rounds)
}

/// `kind question count: before -> after` of all examples.
fn said(answers: &Answers) -> Vec<String> {
    let line = |change: &AnswerChange| {
        let AnswerChange { question, count, kind, before, after } = change;
        format!("{} {question} {count}: {before} -> {after}", kind.word())
    };
    answers.examples.iter().map(line).collect()
}

const HEAD: &str = "@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n";

fn zone(serial: u32, rest: &str) -> String {
    format!("{}{rest}", HEAD.replace(" 1 1 1 1 1", &format!(" {serial} 1 1 1 1")))
}

/// What is said of one question to a zone `a` that changes.
fn of_one(old: &str, new: &str, question: &str) -> Vec<String> {
    said(&compare(&[("a", &zone(1, old))], &[("a", &zone(2, new))], question, &[]).0)
}

#[test]
fn each_way_to_change() {
    let large = |n: u32| format!("$GENERATE 1-{n} t TXT $x{}\n", "x".repeat(90));
    let (small, big) = (large(10), large(15));
    for (old, new, question, expected) in [
        ("www A 192.0.2.2", "", "www.a A 5", "nxdomain www.a. A 5: A 192.0.2.2 -> NXDOMAIN"),
        ("www A 192.0.2.2", "www AAAA ::1", "WWW.a A", "empty www.a. A 1: A 192.0.2.2 -> no data"),
        ("www A 192.0.2.2", "x.www A 192.0.2.2", "www.a A", "empty www.a. A 1: A 192.0.2.2 -> no data"),
        // What had no data has none of this type now either, but the name is gone for all types.
        ("www A 192.0.2.2", "", "www.a AAAA", "nxdomain www.a. AAAA 1: no data -> NXDOMAIN"),
        ("", "www AAAA ::1", "www.a A", "other www.a. A 1: NXDOMAIN -> no data"),
        ("", "www A 192.0.2.2", "www.a A", "other www.a. A 1: NXDOMAIN -> A 192.0.2.2"),
        ("www A 192.0.2.2", "www A 192.0.2.3", "www.a A", "other www.a. A 1: A 192.0.2.2 -> A 192.0.2.3"),
        (
            "www A 192.0.2.2",
            "www 60 A 192.0.2.2",
            "www.a A",
            "other www.a. A 1: A 192.0.2.2 -> the same with other TTLs, or with other records beside it",
        ),
        (
            "m MX 5 mx\nmx A 192.0.2.2",
            "m MX 5 mx\nmx A 192.0.2.3",
            "m.a MX",
            "other m.a. MX 1: MX 5 mx.a. -> the same with other TTLs, or with other records beside it",
        ),
        ("w CNAME v\nv A 192.0.2.2", "w CNAME v", "w.a A", "nxdomain w.a. A 1: CNAME v.a., A 192.0.2.2 -> NXDOMAIN"),
        (
            "w CNAME v\nv A 192.0.2.2",
            "w CNAME v\nv TXT x",
            "w.a A",
            "empty w.a. A 1: CNAME v.a., A 192.0.2.2 -> no data",
        ),
        ("d NS ns.d\nns.d A 192.0.2.2", "", "x.d.a A", "nxdomain x.d.a. A 1: referral to NS ns.d.a. -> NXDOMAIN"),
        ("", "d NS ns.d\nns.d A 192.0.2.2", "x.d.a A", "other x.d.a. A 1: NXDOMAIN -> referral to NS ns.d.a."),
        (&small, &big, "t.a TXT", "large t.a. TXT 1: 1083 octets -> 1613 octets"),
        (&big, &small, "t.a TXT", ""),
        ("* A 192.0.2.2", "", "x.y.a A", "nxdomain x.y.a. A 1: A 192.0.2.2 -> NXDOMAIN"),
        ("w A 192.0.2.2\nw A 192.0.2.3", "w A 192.0.2.3\nw A 192.0.2.2", "w.a A", ""),
        ("w PTR Ns", "w PTR ns", "w.a PTR", ""),
        ("", "www A 192.0.2.2", "a SOA", ""),
        ("", "www A 192.0.2.2", "nowhere.a A", ""),
        ("", "www A 192.0.2.2", "www.b A", ""),
        ("", "www A 192.0.2.2", "a AXFR", ""),
    ] {
        let said = of_one(old, new, question);
        match expected {
            "" => assert!(said.iter().all(|said| said.starts_with("other t.a. TXT 1: ")), "{question}: {said:?}"),
            expected => assert_eq!(said, [expected]),
        }
    }
}

#[test]
fn what_signing_alone_changes_is_no_other_answer() {
    let signed = |end: u32, next: &str, more: &str| {
        let rrsig = |covers: &str| format!("RRSIG {covers} 13 1 3600 {end}0101000000 20200101000000 1 @ AAAA\n");
        let types = ["A", "NSEC"].map(|covers| format!("www {}", rrsig(covers))).concat();
        format!(
            "@ {}@ {}@ NSEC www A NS SOA RRSIG NSEC\nwww A 192.0.2.2\nwww NSEC {next} A RRSIG NSEC\n{types}{more}",
            rrsig("SOA"),
            rrsig("NS")
        )
    };
    let (old, new) = (signed(2030, "@", ""), signed(2031, "x", "x A 192.0.2.2\n"));
    let questions = "www.a A\nwww.a AAAA\na SOA\nnowhere.a A\na NS";
    assert_eq!(of_one(&old, &new, questions), Vec::<String>::new());
    let unsigned = new.replace("www RRSIG A ", "www RRSIG AAAA ");
    assert_eq!(
        of_one(&old, &unsigned, questions),
        ["other www.a. A 1: A 192.0.2.2 -> the same with other TTLs, or with other records beside it"]
    );
}

#[test]
fn how_much_of_the_traffic_changes_by_kind_and_zone() {
    let old = zone(1, "www A 192.0.2.2\nold A 192.0.2.3\nmail A 192.0.2.4\n");
    let new = zone(2, "www A 192.0.2.9\nmail TXT x\n");
    let questions = "www.a A 700\nold.a A 200\nmail.a A 90\nns.a A 10\nwww.b A 1000\nx.c A 50";
    let b = zone(1, "www A 192.0.2.2\n");
    let (answers, rounds) = compare(&[("a", &old), ("b", &b)], &[("a", &new), ("b", &b)], questions, &[]);
    let expected = [
        "nxdomain old.a. A 200: A 192.0.2.3 -> NXDOMAIN",
        "empty mail.a. A 90: A 192.0.2.4 -> no data",
        "other www.a. A 700: A 192.0.2.2 -> A 192.0.2.9",
    ];
    assert_eq!(said(&answers), expected);
    assert_eq!(rounds, [["b."]]);
    assert_eq!(answers.put, Tally { questions: 6, queries: 2_050 });
    let shares: Vec<String> =
        answers.changed.values().map(|tally| format!("{:.2}", tally.percent_of(&answers.put))).collect();
    assert_eq!(shares, ["9.76", "4.39", "34.15"]);
    let a = &answers.zones[&zone_name("a")];
    assert_eq!((a.put, answers.zones.len()), (Tally { questions: 4, queries: 1_000 }, 1), "b does not change");
    assert_eq!(a.changed[&Kind::Nxdomain], Tally { questions: 1, queries: 200 });
    assert_eq!(a.most[&Kind::Empty], (asked("mail.a A").iter().next().unwrap().0.clone(), 90));
}

#[test]
fn only_the_most_asked_are_examples_and_all_count() {
    let old = zone(1, "$GENERATE 1-40 h$ A 192.0.2.1\n");
    let questions: String = (1..=40).map(|n| format!("h{n}.a A {n}\n")).collect();
    let (answers, _) = compare(&[("a", &old)], &[("a", &zone(2, ""))], &questions, &[]);
    assert_eq!((answers.examples.len(), answers.examples[0].count), (EXAMPLES_MAX, 40));
    assert_eq!(answers.changed[&Kind::Nxdomain], Tally { questions: 40, queries: 820 });
}

/// Chains go through whatever zones the release has; what they lead to is fetched, and nothing else.
#[test]
fn aliases_are_followed_through_zones_that_do_not_change() {
    let vanity = zone(1, "www CNAME lb.b.\nelse CNAME x.y.\n");
    let (lb, lb_new) = (zone(1, "lb CNAME pool.c.\n"), zone(2, "lb CNAME gone.c.\n"));
    let pool = zone(1, "pool A 192.0.2.2\n");
    let (old, new) = (
        [("a", &*vanity), ("b", &lb), ("c", &pool), ("d", &pool)],
        [("a", &*vanity), ("b", &lb_new), ("c", &pool), ("d", &pool)],
    );
    let questions = "www.a A 3\nelse.a A 2\nlb.b A 1";
    let (answers, rounds) = compare(&old, &new, questions, &[]);
    let expected = [
        "nxdomain www.a. A 3: CNAME lb.b., CNAME pool.c., A 192.0.2.2 -> NXDOMAIN",
        "nxdomain lb.b. A 1: CNAME pool.c., A 192.0.2.2 -> NXDOMAIN",
    ];
    assert_eq!(said(&answers), expected);
    assert_eq!(rounds, [["c.", "a."]], "what others lead to comes first");
    assert_eq!(answers.zones.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a.", "b."]);
    // What can't be had ends the chain on both sides; the questions that lie in it are not put.
    let (answers, _) = compare(&old, &new, questions, &["a.", "c."]);
    assert_eq!(said(&answers), ["other lb.b. A 1: CNAME pool.c. -> CNAME gone.c."]);
    assert_eq!((answers.put.queries, answers.left_out), (1, Tally { questions: 2, queries: 5 }));
}

#[test]
fn zones_that_come_and_go_change_who_answers() {
    let parent = zone(1, "sub NS ns.sub\nns.sub A 192.0.2.3\nwww A 192.0.2.2\n");
    let child = zone(1, "x A 192.0.2.4\n");
    let ds = format!("{parent}sub DS 1 13 2 {}\n", "ab".repeat(32));
    let questions = "x.sub.a A\nsub.a DS\nwww.z A\n";
    let z = zone(1, "www A 192.0.2.5\n");
    let (answers, rounds) = compare(&[("a", &ds), ("z", &z)], &[("a", &ds), ("sub.a", &child)], questions, &[]);
    let expected =
        ["refused www.z. A 1: A 192.0.2.5 -> REFUSED", "other x.sub.a. A 1: referral to NS ns.sub.a. -> A 192.0.2.4"];
    assert_eq!(said(&answers), expected, "DS is the parent's, whoever has the child");
    assert_eq!(rounds, [["a."]]);
    let (answers, _) = compare(&[("a", &ds), ("sub.a", &child)], &[("a", &ds)], "x.sub.a A\nsub.a DS", &[]);
    assert_eq!(said(&answers), ["other x.sub.a. A 1: A 192.0.2.4 -> referral to NS ns.sub.a."]);
}

#[test]
fn a_lost_image_of_the_head_leaves_its_questions_out() {
    let questions = questions_of("www.a A 4");
    let new = image("a", &zone(2, "www A 192.0.2.2\n"));
    let has = |zone: &ZoneName| *zone == zone_name("a");
    let mut inquiry = Inquiry::new(&questions, vec![(zone_name("a"), None, Some(new))], &has, &has);
    assert_eq!(inquiry.lacking(), []);
    let answers = inquiry.compare();
    assert_eq!((answers.put, answers.left_out), (Tally::default(), Tally { questions: 1, queries: 4 }));
    assert!(answers.expected.is_empty());
}

/// What a node sends that serves these images.
fn sent(images: &[Image], expected: &Expected, id: u16, transport: Transport) -> Vec<u8> {
    let images = images.iter().map(|image| (ZoneName::from(&image.apex()), Some(image.clone()))).collect();
    let mut server = Server::new(&images);
    let mut message = server.put(&expected.query(id), transport).map(|(len, _)| server.out[..len].to_vec()).unwrap();
    message[12..].iter_mut().take(3).for_each(u8::make_ascii_uppercase);
    message
}

#[test]
fn a_node_is_asked_for_what_is_expected() {
    let long = format!("$GENERATE 1-15 t TXT $x{}\nwww A 192.0.2.2\nw CNAME www\nm MX 5 www\n", "x".repeat(90));
    let right = image("a", &zone(2, &long));
    let wrong = image("a", &zone(2, &long.replace("192.0.2.2", "192.0.2.3").replace("TXT", "AAAA ::1 ;")));
    let asked = asked("www.a A 9\nw.a A 8\nm.a MX 7\nnowhere.a A 6\nt.a TXT 5\nx.b A");
    let all = expected(asked.iter(), [right.clone()]);
    assert_eq!(all.len(), 5, "b is no zone of it");
    for expected in &all {
        let judge = |message: &[u8]| expected.judge(77, message);
        let answer = sent(std::slice::from_ref(&right), expected, 77, Transport::Udp);
        assert_eq!(judge(&answer), Ok(()), "{}", expected.question);
        let foreign = Err("what it sends is no response to this question".into());
        assert_eq!(judge(&sent(std::slice::from_ref(&right), expected, 78, Transport::Udp)), foreign);
        assert_eq!(judge(&[]), foreign);
        assert_eq!(judge(&answer[..answer.len() - 5]), Err("it sends a malformed response".into()));
        assert_eq!(judge(&expected.query(77)), Err("it sends a malformed response".into()));
        let refused = "it answers REFUSED, not ";
        assert!(judge(&sent(&[], expected, 77, Transport::Udp)).unwrap_err().starts_with(refused));
    }
    let judge = |name: &str, image: &Image| {
        let expected = all.iter().find(|expected| expected.question.to_string() == name).unwrap();
        expected.judge(1, &sent(std::slice::from_ref(image), expected, 1, Transport::Udp))
    };
    assert_eq!(judge("www.a. A", &wrong), Err("it answers A 192.0.2.3, not A 192.0.2.2".into()));
    assert_eq!(judge("m.a. MX", &wrong), Ok(()), "additional records are the server's own business");
    assert_eq!(judge("t.a. TXT", &wrong), Err("it answers no data, not NOERROR and TC".into()));
}

#[test]
fn no_octets_are_too_strange() {
    let image = image("a", &zone(1, "w CNAME v\nv MX 5 m.v\nm.v A 192.0.2.2\n"));
    let [one] = &expected(asked("w.a MX").iter(), [image.clone()])[..] else { panic!() };
    let good = sent(&[image], one, 0, Transport::Udp);
    assert_eq!(Answer::read(&good).map(|answer| answer.to_string()), Some("CNAME v.a., MX 5 m.v.a.".into()));
    assert!(good.len() < usize::from(UDP_SIZE));
    for len in 0..good.len() {
        assert_eq!(Answer::read(&good[..len]), None, "{len}");
    }
    for at in 0..good.len() {
        for octet in [0, 1, 0x3f, 0x40, 0xc0, 0xff] {
            let mut bad = good.clone();
            bad[at] = octet;
            if let Some(answer) = Answer::read(&bad) {
                assert!(answer.to_string().len() < 1_000);
            }
        }
    }
    // A pointer to itself, and two to each other.
    for name in [&b"\xc0\x0c"[..], b"\x01a\xc0\x0c", b"\xc0\x0e\xc0\x0c"] {
        assert_eq!(Answer::read(&[&[0, 0, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0], name, &[0; 8]].concat()), None);
    }
}
