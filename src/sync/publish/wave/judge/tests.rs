//! The verdict, as a table: what nodes answered, and what is said to it.

use super::*;
use crate::sync::codec::Digest;
use crate::sync::report::Serving;

const LIMITS: Limits = Limits { margin: Share::percent(1), queries_min: 100 };

impl std::ops::Add for Answers {
    type Output = Answers;
    fn add(self, other: Answers) -> Answers {
        Answers {
            queries: self.queries.saturating_add(other.queries),
            servfail: self.servfail.saturating_add(other.servfail),
            nxdomain: self.nxdomain.saturating_add(other.nxdomain),
            refused: self.refused.saturating_add(other.refused),
        }
    }
}

fn held(counter: u64) -> Held {
    Held { generation: Generation { key_set: 1, counter }, manifest: Digest::of(&counter.to_le_bytes()) }
}

fn answers([queries, servfail, nxdomain, refused]: [u64; 4]) -> Answers {
    Answers { queries, servfail, nxdomain, refused }
}

fn report(node: &str, counter: u64, answers: Option<Answers>) -> Report {
    let Held { generation, manifest } = held(counter);
    Report {
        node: node.into(),
        serving: Some(Serving { generation, manifest, since_secs: 100 }),
        ready: true,
        answers,
        ..Report::default()
    }
}

/// A node that had `before` lately and `soak` over the soak: queries, SERVFAIL, NXDOMAIN, REFUSED.
fn watched(node: &str, counter: u64, before: [u64; 4], soak: [u64; 4]) -> Watched {
    let start = answers([1_000_000, 500, 70_000, 9]);
    Watched {
        node: node.into(),
        before: Some(answers(before)),
        start: report(node, counter, Some(start)),
        end: End::Said(Box::new(report(node, counter, Some(start + answers(soak))))),
    }
}

/// What is said of one canary beside two other nodes.
fn check(canary: Watched, others: [[u64; 4]; 2]) -> Vec<String> {
    let others = ["fra1", "lon1"].map(|node| watched(node, 6, others[0], others[1]));
    let Judgement { faults, undecided, .. } = judge(&[canary], &others, &held(7), &LIMITS);
    let undecided = undecided.iter().map(|(node, queries)| format!("{node} undecided: {queries}"));
    faults.iter().map(Fault::to_string).chain(undecided).collect()
}

/// What it is about, what the node answered before and over the soak, what each of two others did, and what is said.
type Row = (&'static str, [u64; 4], [u64; 4], [[u64; 4]; 2], &'static [&'static str]);

const CALM: [u64; 4] = [10_000, 5, 800, 10];
const CALM_SOAK: [u64; 4] = [1_000, 0, 80, 1];

#[test]
fn by_what_is_answered() {
    let none: &'static [&'static str] = &[];
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("as before", CALM, CALM_SOAK, [CALM, CALM_SOAK], none),
        ("a little more is chance", CALM, [1_000, 2, 95, 3], [CALM, CALM_SOAK], none),
        ("a name is gone", CALM, [1_000, 0, 330, 1], [CALM, CALM_SOAK],
            &["ams1: NXDOMAIN is 33.0 % (330 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; on 2 other \
               nodes it changed by 0.0 points (median); a rise by 25.0 points, allowed are 6.3"]),
        ("a zone is gone", CALM, [1_000, 0, 80, 200], [CALM, CALM_SOAK],
            &["ams1: REFUSED is 20.0 % (200 of 1,000) of its answers over the soak, was 0.1 % (10 of 10,000) before; on 2 other \
               nodes it changed by 0.0 points (median); a rise by 19.9 points, allowed are 4.8"]),
        ("broken in two ways", CALM, [1_000, 300, 400, 1], [CALM, CALM_SOAK],
            &["ams1: SERVFAIL is 30.0 % (300 of 1,000) of its answers over the soak, was 0.1 % (5 of 10,000) before; on 2 other \
               nodes it changed by -0.1 points (median); a rise by 30.0 points, allowed are 5.3",
              "ams1: NXDOMAIN is 40.0 % (400 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; on 2 other \
               nodes it changed by 0.0 points (median); a rise by 32.0 points, allowed are 6.4"]),
        ("random names everywhere", CALM, [1_000, 0, 400, 1], [CALM, [1_000, 0, 390, 1]], none),
        ("a flood that ends everywhere hides nothing", [10_000, 0, 5_000, 0], [1_000, 0, 450, 0], [[10_000, 0, 5_000, 0], CALM_SOAK],
            &["ams1: NXDOMAIN is 45.0 % (450 of 1,000) of its answers over the soak, was 50.0 % (5,000 of 10,000) before; on 2 other \
               nodes it changed by -42.0 points (median); a rise by 37.0 points, allowed are 6.8"]),
        ("a node that always had more of it", [10_000, 0, 4_000, 0], [1_000, 0, 400, 0], [CALM, CALM_SOAK], none),
        ("few queries need a large difference", CALM, [100, 0, 12, 0], [CALM, CALM_SOAK], none),
        ("and show it", CALM, [100, 0, 40, 0], [CALM, CALM_SOAK],
            &["ams1: NXDOMAIN is 40.0 % (40 of 100) of its answers over the soak, was 8.0 % (800 of 10,000) before; on 2 other \
               nodes it changed by 0.0 points (median); a rise by 32.0 points, allowed are 16.0"]),
        ("many show a small one", [1_000_000, 0, 80_000, 0], [1_000_000, 0, 95_000, 0], [[1_000_000, 0, 80_000, 0], [1_000_000, 0, 80_000, 0]],
            &["ams1: NXDOMAIN is 9.5 % (95,000 of 1,000,000) of its answers over the soak, was 8.0 % (80,000 of 1,000,000) before; on 2 other \
               nodes it changed by 0.0 points (median); a rise by 1.5 points, allowed are 1.2"]),
        ("within the margin, however sure", [1_000_000, 0, 80_000, 0], [1_000_000, 0, 89_000, 0], [[1_000_000, 0, 80_000, 0], [1_000_000, 0, 80_000, 0]], none),
        ("too few queries say nothing", CALM, [99, 99, 0, 0], [CALM, CALM_SOAK], &["ams1 undecided: 99"]),
        ("no past of its own", [0; 4], [1_000, 0, 330, 1], [CALM, CALM_SOAK],
            &["ams1: NXDOMAIN is 33.0 % (330 of 1,000) of its answers over the soak; on 2 other nodes it is 8.0 % (median); a rise by 25.0 \
               points, allowed are 6.2"]),
        ("others that are not asked now", CALM, [1_000, 0, 330, 1], [CALM, [10, 10, 0, 0]],
            &["ams1: NXDOMAIN is 33.0 % (330 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; a rise by 25.0 \
               points, allowed are 5.5"]),
        ("nobody knows what is usual", [0; 4], [1_000, 0, 330, 1], [[0; 4], [0; 4]], &["ams1 undecided: 1000"]),
        ("the host's own questions are no share above all", CALM, [100, 900, 8, 0], [CALM, CALM_SOAK],
            &["ams1: SERVFAIL is 100.0 % (100 of 100) of its answers over the soak, was 0.1 % (5 of 10,000) before; on 2 other \
               nodes it changed by -0.1 points (median); a rise by 100.0 points, allowed are 1.1"]),
    ];
    for (what, before, soak, others, expected) in table {
        assert_eq!(check(watched("ams1", 7, *before, *soak), *others), *expected, "{what}");
    }
}

/// What it is about, what each of the others answered before and over the soak, how many faults a good release has, and a broken one.
type Place = (&'static str, &'static [[[u64; 4]; 2]], usize, usize);

/// What happens at one place is not what happens everywhere, however much that place is asked: it hides nothing, and is laid to nobody.
#[test]
fn by_one_of_the_others() {
    const FLOOD: [u64; 4] = [5_000_000, 0, 4_500_000, 0];
    // So much is asked nowhere.
    const LIE: [u64; 4] = [1 << 60, 0, 1 << 59, 0];
    const HALF: [u64; 4] = [10_000, 0, 5_000, 0];
    const PLACE: [[u64; 4]; 2] = [CALM, CALM_SOAK];
    const FLOODED: [[u64; 4]; 2] = [CALM, FLOOD];
    const FLOODS_END: [[u64; 4]; 2] = [FLOOD, CALM_SOAK];
    let (good, broken) = (CALM_SOAK, [1_000, 0, 330, 1]);
    #[rustfmt::skip]
    let table: &[Place] = &[
        ("calm", &[PLACE, PLACE, PLACE], 0, 1),
        ("one of three is flooded", &[FLOODED, PLACE, PLACE], 0, 1),
        ("one of two is", &[PLACE, FLOODED], 0, 1),
        ("two of four are", &[PLACE, FLOODED, PLACE, FLOODED], 0, 1),
        ("two of five are", &[PLACE, FLOODED, PLACE, FLOODED, PLACE], 0, 1),
        ("a flood ends at one of three", &[PLACE, PLACE, FLOODS_END], 0, 1),
        ("at one of two", &[FLOODS_END, PLACE], 0, 1),
        ("at one, and begins at another", &[FLOODS_END, FLOODED], 0, 1),
        ("one of three lies that all is flooded", &[[CALM, LIE], PLACE, PLACE], 0, 1),
        ("that a flood ended", &[PLACE, [LIE, CALM_SOAK], PLACE], 0, 1),
        ("that nothing changes, of as few queries as count", &[[[100, 0, 50, 0], [100, 0, 50, 0]], PLACE, PLACE], 0, 1),
        ("of two", &[[[100, 0, 50, 0], [100, 0, 50, 0]], PLACE], 0, 1),
        ("most are flooded, and so is the node", &[[CALM, [1_000, 0, 330, 0]], [CALM, [1_000, 0, 340, 0]], PLACE], 0, 0),
        ("a flood ends at most", &[[HALF, CALM_SOAK], [HALF, CALM_SOAK], PLACE], 1, 1),
    ];
    for (what, nodes, good_has, broken_has) in table {
        let others = nodes.iter().enumerate().map(|(n, [before, soak])| watched(&format!("n{n}"), 6, *before, *soak));
        let others: Vec<Watched> = others.collect();
        let faults = |soak, before| judge(&[watched("ams1", 7, before, soak)], &others, &held(7), &LIMITS).faults.len();
        assert_eq!((faults(good, CALM), faults(broken, CALM)), (*good_has, *broken_has), "{what}");
        // Without a past of its own.
        if *what != "a flood ends at most" {
            assert_eq!((faults(good, [0; 4]), faults(broken, [0; 4])), (*good_has, *broken_has), "{what}, no past");
        }
    }
    // A node of the wave that lies, beside one that does not.
    let wave = [watched("ams1", 7, CALM, LIE), watched("fra1", 7, CALM, [u64::MAX / 2, 0, 0, 0])];
    let wave = [&wave[..], &[watched("lon1", 7, CALM, [u64::MAX / 2, 0, 0, 0])]].concat();
    let Judgement { faults, queries, .. } = judge(&wave, &[], &held(7), &LIMITS);
    assert_eq!((faults.len(), queries), (1, u64::MAX));
}

#[test]
fn by_how_nodes_are() {
    let calm = || watched("ams1", 7, CALM, CALM_SOAK);
    let ends = |change: &dyn Fn(&mut Report)| {
        let mut watched = calm();
        if let End::Said(end) = &mut watched.end {
            change(end);
        }
        check(watched, [CALM, CALM_SOAK])
    };
    let none: [&str; 0] = [];
    assert_eq!(ends(&|_| {}), none);
    assert_eq!(
        check(Watched { end: End::Silent(7), ..calm() }, [CALM, CALM_SOAK]),
        ["ams1: it has reported nothing for 7 s"]
    );
    assert_eq!(ends(&|end| end.ready = false), ["ams1: it is not ready"]);
    assert_eq!(ends(&|end| end.serving = None), ["ams1: it serves no release"]);
    let back = report("", 8, None).serving;
    assert_eq!(ends(&|end| end.serving = back), ["ams1: it serves 1.8"]);
    assert_eq!(
        ends(&|end| (end.serving, end.problem) = (report("", 6, None).serving, Some("the disk is full".into()))),
        ["ams1: it serves 1.6: the disk is full"]
    );
    // Another release of the same generation is another.
    assert_eq!(ends(&|end| end.serving.as_mut().unwrap().manifest = Digest([9; 32])), ["ams1: it serves 1.7"]);
    assert_eq!(ends(&|end| end.answers = Some(answers([5, 0, 0, 0]))), ["ams1: it was started again during the soak"]);
    // Even if nobody had asked it before.
    assert_eq!(
        ends(&|end| end.serving.as_mut().unwrap().since_secs += 3),
        ["ams1: it was started again during the soak"]
    );
    // A build that does not tell what it answered.
    assert_eq!(ends(&|end| end.answers = None), ["ams1 undecided: 0"]);
}

/// What other nodes do is no fault of the release, and they don't speak for it either.
#[test]
fn by_nodes_that_are_not_yet_changed() {
    let good = watched("fra1", 6, CALM, CALM_SOAK);
    let mut restarted = watched("lon1", 6, CALM, [1_000, 1_000, 0, 0]);
    restarted.start.serving.as_mut().unwrap().since_secs = 1;
    let silent = Watched { end: End::Silent(99), ..watched("mil1", 6, CALM, CALM_SOAK) };
    let canary = watched("ams1", 7, CALM, [1_000, 300, 80, 1]);
    let Judgement { faults, queries, .. } = judge(&[canary], &[good, restarted, silent], &held(7), &LIMITS);
    assert_eq!((faults.len(), queries), (1, 1_000));
    assert!(faults[0].to_string().contains("; on 1 other node it changed by -0.1 points; a rise"), "{}", faults[0]);
    // Without any, a node's own past is what there is.
    let canary = watched("ams1", 7, CALM, [1_000, 300, 80, 1]);
    let faults = judge(&[canary], &[], &held(7), &LIMITS).faults;
    assert_eq!(
        faults[0].to_string(),
        "ams1: SERVFAIL is 30.0 % (300 of 1,000) of its answers over the soak, was 0.1 % (5 of 10,000) before; a rise by 29.9 points, allowed are 5.3"
    );
}
