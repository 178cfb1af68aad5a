//! A release's course on virtual time, as a table: what each node reports when, and what becomes of the release.
//!
//! A second of a script: nodes report at a tenth of it, and are looked at when it has passed two. Canaries serve the release from second 1 on, so
//! that they are watched from 1.2 s on; five seconds later they have had all queries of the soak.

use super::*;
use crate::sync::publish::wave::Settings;
use crate::sync::publish::wave::ask::Ask;
use crate::sync::publish::wave::course::{ASKED_AT_ONCE, Course, Passed, Told, Why};
use crate::sync::publish::wave::judge::Limits;
use crate::sync::publish::wave::observe::Observer;
use crate::sync::publish::wave::share::Share;
use crate::sync::report::Answers;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{Instant, sleep, sleep_until};

/// Queries, SERVFAIL, NXDOMAIN, REFUSED.
type Figures = [u64; 4];

const CALM: Figures = [10_000, 5, 800, 10];
const CALM_SOAK: Figures = [1_000, 0, 80, 1];
const BROKEN_SOAK: Figures = [1_000, 0, 330, 1];
/// So many queries that a share may rise by hardly more than the margin.
const BUSY: Figures = [1_000_000, 500, 80_000, 1_000];
const NOTHING: Figures = [0; 4];

const SOAK: Duration = Duration::from_secs(10);
/// Nodes report once a second then, and are silent when they have said nothing for 5 s.
const DEADLINE: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);

type Change = fn(&mut Report);

/// A node of a script.
#[derive(Clone)]
struct Node {
    name: String,
    /// From this second on it serves the release, if it does.
    serves: Option<u64>,
    before: Figures,
    soak: Figures,
    /// When it has had the queries of a soak.
    asked: Vec<u64>,
    mute: Range<u64>,
    /// What is changed in its reports from a second on.
    changes: Vec<(u64, Change)>,
}

fn canary(name: &str, before: Figures, soak: Figures) -> Node {
    Node { serves: Some(1), ..other(name, before, soak) }
}

/// One that is not to serve the release.
fn other(name: &str, before: Figures, soak: Figures) -> Node {
    let (asked, mute, changes) = (vec![6], 0..0, Vec::new());
    Node { name: name.into(), serves: None, before, soak, asked, mute, changes }
}

impl Node {
    fn since(mut self, second: u64, change: fn(&mut Report)) -> Node {
        self.changes.push((second, change));
        self
    }

    fn mute(self, mute: Range<u64>) -> Node {
        Node { mute, ..self }
    }

    /// It serves the release from this second on, and is asked five later.
    fn serves_at(self, second: u64) -> Node {
        Node { serves: Some(second), asked: vec![second + 5], ..self }
    }

    fn report(&self, second: u64, head: Held, release: Held) -> Option<Report> {
        if self.mute.contains(&second) {
            return None;
        }
        let Held { generation, manifest } = if self.serves.is_some_and(|from| from <= second) { release } else { head };
        let start = answers([1_000_000, 500, 70_000, 9]);
        let mut report = Report {
            node: self.name.clone(),
            time_secs: second,
            serving: Some(Serving { generation, manifest, since_secs: 100 }),
            ready: true,
            answers: Some(self.asked.iter().filter(|at| **at <= second).fold(start, |sum, _| sum + answers(self.soak))),
            lately: Some(answers(self.before)),
            ..Report::default()
        };
        self.changes.iter().filter(|(from, _)| *from <= second).for_each(|(_, change)| change(&mut report));
        Some(report)
    }
}

fn answers([queries, servfail, nxdomain, refused]: Figures) -> Answers {
    Answers { queries, servfail, nxdomain, refused }
}

fn held(counter: u64) -> Held {
    Held { generation: Generation { key_set: 1, counter }, manifest: Digest::of(&counter.to_le_bytes()) }
}

/// Whoever is asked itself takes so long, and says this.
struct Askable {
    takes: Duration,
    says: Result<usize, String>,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Askable {
    fn new(takes: Duration, says: Result<usize, &str>) -> Askable {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Askable { takes, says: says.map_err(String::from), now, most }
    }
}

#[async_trait]
impl Ask for Askable {
    async fn ask(&self, _: &Report, _: &Held) -> Result<usize, String> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        sleep(self.takes).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        self.says.clone()
    }
}

/// Reports of a script, for ever.
async fn live(memory: &Memory, nodes: &[Node], [head, release]: [Held; 2]) {
    let (began, channel) = (Instant::now(), "prod".parse().unwrap());
    for second in 0.. {
        for report in nodes.iter().filter_map(|node| node.report(second, head, release)) {
            memory.report_aged(&channel, &report.node, serde_json::to_vec(&report).unwrap(), Duration::ZERO);
        }
        sleep_until(began + Duration::from_secs(second + 1) + Duration::from_millis(100)).await;
    }
}

/// How a release went: what is said of it in the end, after how many tenths of a second, and what was told meanwhile.
struct Went {
    said: Vec<String>,
    tenths: u64,
    told: Vec<Told>,
}

async fn run(
    publisher: &Publisher,
    memory: &Memory,
    (nodes, held): (&[Node], [Held; 2]),
    steps: &[BTreeSet<String>],
    (settings, ask): (&Settings, &Askable),
) -> Went {
    let key = key(2);
    let (began, mut told) = (Instant::now(), Vec::new());
    let course = async {
        let mut observer = Observer::start(publisher).await.unwrap();
        let release = held[1];
        let course = Course { publisher, key: &key, settings, steps, release, timeout: TIMEOUT, clock: || 150, ask };
        course.run(&mut observer, |news| told.push(news.clone())).await
    };
    let went = tokio::select! {
        biased;
        () = live(memory, nodes, held) => unreachable!("seconds don't end"),
        went = course => went,
    };
    let tenths = (began.elapsed().as_millis() as u64 + 50) / 100;
    let said = match went {
        Ok(()) => Vec::new(),
        Err(Why::Faults { wave, faults }) => faults.iter().map(|fault| format!("wave {wave}: {fault}")).collect(),
        Err(Why::Error(error)) => vec![error.to_string()],
    };
    Went { said, tenths, told }
}

fn settings(soak: Duration, deadline: Duration) -> Settings {
    let limits = Limits { margin: Share::percent(1), queries_min: 100 };
    Settings { soak, deadline: Some(deadline), limits, ..Settings::default() }
}

fn names(nodes: &[Node]) -> BTreeSet<String> {
    nodes.iter().map(|node| node.name.clone()).collect()
}

/// One wave of these canaries beside these others: when it is over, and what is said of it.
async fn wave(canaries: &[Node], others: &[Node], soak: Duration, ask: &Askable) -> (u64, Vec<String>) {
    let memory = Memory::default();
    let all = [canaries, others].concat();
    let settings = settings(soak, DEADLINE);
    let went =
        run(&publisher(&memory), &memory, (&all, [held(6), held(7)]), &[names(canaries)], (&settings, ask)).await;
    let passed = |told: &Told| match told {
        Told::Passed { wave, by: Passed { queries, asked } } => {
            let asked = asked.iter().map(|(node, questions)| format!(", asked {node} {questions} questions"));
            Some(format!("wave {wave}: passed, {queries} queries{}", asked.collect::<String>()))
        }
        Told::Serve { .. } | Told::Soak(_) => None,
    };
    (went.tenths, went.told.iter().filter_map(passed).chain(went.said).collect())
}

/// What it is about, the canaries, the others, after how many tenths of a second it is over, and what is said then.
type Row<'a> = (&'a str, Vec<Node>, Vec<Node>, u64, &'a [&'a str]);

async fn check(table: &[Row<'_>], soak: Duration, says: Result<usize, &str>) {
    for (what, canaries, others, tenths, said) in table {
        let askable = Askable::new(Duration::ZERO, says);
        let went = wave(canaries, others, soak, &askable).await;
        assert_eq!(went, (*tenths, said.iter().map(|line| String::from(*line)).collect()), "{what}");
    }
}

/// What others do who are asked as usual.
fn calm() -> Vec<Node> {
    vec![other("fra1", CALM, CALM_SOAK), other("lon1", CALM, CALM_SOAK)]
}

fn ams1(soak: Figures) -> Vec<Node> {
    vec![canary("ams1", CALM, soak)]
}

/// The least that is too much, of each share, and what is just not.
#[tokio::test(start_paused = true)]
async fn by_shares() {
    let busy = |[queries, servfail, nxdomain, refused]: Figures| {
        vec![canary("ams1", BUSY, [queries, servfail, nxdomain, refused])]
    };
    let others = |soak| vec![other("fra1", BUSY, soak), other("lon1", BUSY, soak)];
    let passed: &[&str] = &["wave 0: passed, 1000000 queries"];
    let flood: Figures = [1_000_000, 500, 130_000, 1_000];
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("as before", ams1(CALM_SOAK), calm(), 112, &["wave 0: passed, 1000 queries"]),
        ("SERVFAIL within", busy([1_000_000, 10_831, 80_000, 1_000]), others(BUSY), 112, passed),
        ("SERVFAIL beyond", busy([1_000_000, 10_832, 80_000, 1_000]), others(BUSY), 112,
            &["wave 0: ams1: SERVFAIL is 1.1 % (10,832 of 1,000,000) of its answers over the soak, was 0.1 % (500 of 1,000,000) before; on 2 \
               other nodes it changed by 0.0 points (median); a rise by 1.0 points, allowed are 1.0"]),
        ("NXDOMAIN within", busy([1_000_000, 500, 91_654, 1_000]), others(BUSY), 112, passed),
        ("NXDOMAIN beyond", busy([1_000_000, 500, 91_655, 1_000]), others(BUSY), 112,
            &["wave 0: ams1: NXDOMAIN is 9.2 % (91,655 of 1,000,000) of its answers over the soak, was 8.0 % (80,000 of 1,000,000) before; on 2 \
               other nodes it changed by 0.0 points (median); a rise by 1.2 points, allowed are 1.2"]),
        ("REFUSED within", busy([1_000_000, 500, 80_000, 11_357]), others(BUSY), 112, passed),
        ("REFUSED beyond", busy([1_000_000, 500, 80_000, 11_358]), others(BUSY), 112,
            &["wave 0: ams1: REFUSED is 1.1 % (11,358 of 1,000,000) of its answers over the soak, was 0.1 % (1,000 of 1,000,000) before; on 2 \
               other nodes it changed by 0.0 points (median); a rise by 1.0 points, allowed are 1.0"]),
        ("as much as elsewhere, within", busy([1_000_000, 500, 141_854, 1_000]), others(flood), 112, passed),
        ("as much as elsewhere, beyond", busy([1_000_000, 500, 141_855, 1_000]), others(flood), 112,
            &["wave 0: ams1: NXDOMAIN is 14.2 % (141,855 of 1,000,000) of its answers over the soak, was 8.0 % (80,000 of 1,000,000) before; on 2 \
               other nodes it changed by +5.0 points (median); a rise by 1.2 points, allowed are 1.2"]),
        ("all are canaries, within", busy([1_000_000, 500, 91_186, 1_000]), vec![], 112, passed),
        ("all are canaries, beyond", busy([1_000_000, 500, 91_187, 1_000]), vec![], 112,
            &["wave 0: ams1: NXDOMAIN is 9.1 % (91,187 of 1,000,000) of its answers over the soak, was 8.0 % (80,000 of 1,000,000) before; a rise \
               by 1.1 points, allowed are 1.1"]),
        ("one of two", vec![canary("ams1", CALM, CALM_SOAK), canary("par1", CALM, BROKEN_SOAK)], calm(), 112,
            &["wave 0: par1: NXDOMAIN is 33.0 % (330 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; on 2 other nodes \
               it changed by 0.0 points (median); a rise by 25.0 points, allowed are 6.3"]),
    ];
    check(table, SOAK, Err("nobody is to be asked")).await;
}

/// Below `min-queries` answers count, whatever the figures say.
#[tokio::test(start_paused = true)]
async fn by_asking() {
    let failing = |queries| ams1([queries, queries, 0, 0]);
    let rose: &[&str] = &[
        "wave 0: ams1: SERVFAIL is 100.0 % (100 of 100) of its answers over the soak, was 0.1 % (5 of 10,000) before; on 2 other \
                           nodes it changed by -0.1 points (median); a rise by 100.0 points, allowed are 1.1",
    ];
    let nobody_knows = || vec![canary("ams1", NOTHING, BROKEN_SOAK)];
    let table: &[Row] = &[
        ("min-queries", failing(100), calm(), 112, rose),
        ("one less", failing(99), calm(), 112, &["wave 0: passed, 99 queries, asked ams1 4 questions"]),
        ("none", failing(0), calm(), 112, &["wave 0: passed, 0 queries, asked ams1 4 questions"]),
        (
            "all are canaries, and nothing is known of before",
            nobody_knows(),
            vec![],
            112,
            &["wave 0: passed, 1000 queries, asked ams1 4 questions"],
        ),
    ];
    check(table, SOAK, Ok(4)).await;
    let wrong = "asked at 192.0.2.1:53, 1 of 4 answers are wrong: www.example. A: it answers NXDOMAIN";
    let said = format!("wave 0: ams1: {wrong}");
    let table: &[Row] = &[
        ("min-queries", failing(100), calm(), 112, rose),
        ("one less", failing(99), calm(), 112, &[&said]),
        ("all are canaries, and nothing is known of before", nobody_knows(), vec![], 112, &[&said]),
    ];
    check(table, SOAK, Err(wrong)).await;
}

/// By what nodes are during a soak, whatever they answer.
#[tokio::test(start_paused = true)]
async fn by_how_nodes_are() {
    let calm_ams1 = || canary("ams1", CALM, CALM_SOAK);
    let passed: &[&str] = &["wave 0: passed, 1000 queries"];
    let restarted: &[&str] = &["wave 0: ams1: it was started again during the soak"];
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("it serves the release just in time", vec![calm_ams1().serves_at(9)], calm(), 192, passed),
        ("just too late", vec![calm_ams1().serves_at(10)], calm(), 100, &["wave 0: ams1: it serves 1.6"]),
        ("never, and says why", vec![calm_ams1().serves_at(99).since(3, |report| report.problem = Some("the disk is full".into()))], calm(), 100,
            &["wave 0: ams1: it serves 1.6: the disk is full"]),
        ("it says nothing at all", vec![calm_ams1().mute(1..99)], calm(), 100, &["wave 0: ams1: it has reported nothing for 10 s"]),
        ("it is silent for a while", vec![calm_ams1().mute(5..10)], calm(), 112, passed),
        ("for too long", vec![calm_ams1().mute(5..11)], calm(), 102, &["wave 0: ams1: it has reported nothing for 6 s"]),
        ("it dies", vec![calm_ams1().mute(6..99)], calm(), 110, &["wave 0: ams1: it has reported nothing for 5 s"]),
        ("so late that it may only be slow", vec![calm_ams1().mute(7..99)], calm(), 162, &["wave 0: ams1: it has reported nothing for 10 s"]),
        ("it is not ready, and ready again", vec![calm_ams1().since(3, |report| report.ready = false).since(11, |report| report.ready = true)], calm(),
            112, passed),
        ("not in the end", vec![calm_ams1().since(11, |report| report.ready = false)], calm(), 112, &["wave 0: ams1: it is not ready"]),
        ("it restarts, and counts from nothing", vec![calm_ams1().since(7, |report| report.answers = Some(answers([9, 0, 0, 0])))], calm(), 72,
            restarted),
        ("it restarts, and nobody had asked it", vec![calm_ams1().since(7, |report| report.serving.as_mut().unwrap().since_secs = 7)], calm(), 72,
            restarted),
        ("it goes back", vec![calm_ams1().since(7, |report| report.serving.as_mut().unwrap().generation.counter = 8)], calm(), 72,
            &["wave 0: ams1: it serves 1.8"]),
        ("what others do is no fault", ams1(CALM_SOAK),
            vec![calm()[0].clone().mute(3..99), calm()[1].clone().since(4, |report| report.answers = Some(answers([9, 9, 9, 9])))], 112, passed),
    ];
    check(table, SOAK, Err("nobody is to be asked")).await;
}

/// A soak that is shorter than nodes may be silent: what was reported before its end says nothing of it.
#[tokio::test(start_paused = true)]
async fn by_reports_of_the_soak() {
    let early = |mute| vec![canary("ams1", CALM, CALM_SOAK).serves_at(1).mute(mute)];
    let table: &[Row] = &[
        ("reported in time", early(2..9), calm(), 92, &["wave 0: passed, 1000 queries"]),
        (
            "before the soak, and not since",
            early(2..10),
            calm(),
            92,
            &["wave 0: ams1: it has reported nothing for 8 s"],
        ),
    ];
    check(table, Duration::from_secs(3), Err("nobody is to be asked")).await;
}

/// One that appears later than the publish is nobody to compare with, nor one that is waited for.
#[tokio::test(start_paused = true)]
async fn a_node_that_joins() {
    let joins = |node: Node| node.mute(0..3);
    let flood: Figures = [1_000, 0, 900, 0];
    let beside = |joined| vec![other("fra1", CALM, flood), joins(joined)];
    let rose: &[&str] = &[
        "wave 0: ams1: NXDOMAIN is 90.0 % (900 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; a rise by \
                           82.0 points, allowed are 4.0",
    ];
    let table: &[Row] = &[
        ("flooded, and nothing was", ams1(flood), vec![joins(other("new1", CALM, flood))], 112, rose),
        (
            "calm, and all was flooded",
            ams1(flood),
            beside(other("new1", CALM, CALM_SOAK)),
            112,
            &["wave 0: passed, 1000 queries"],
        ),
        (
            "it breaks",
            ams1(CALM_SOAK),
            [calm(), vec![joins(canary("new1", CALM, BROKEN_SOAK))]].concat(),
            112,
            &["wave 0: passed, 1000 queries"],
        ),
    ];
    check(table, SOAK, Err("nobody is to be asked")).await;
}

/// Those that are asked and say nothing cost their time together.
#[tokio::test(start_paused = true)]
async fn a_hundred_silent_nodes() {
    let nodes: Vec<Node> = (0..100).map(|node| canary(&format!("n{node:02}"), CALM, NOTHING)).collect();
    let said = |why: &str| nodes.iter().map(|node| format!("wave 0: {}: {why}", node.name)).collect::<Vec<_>>();
    let no_answer = Askable::new(Duration::from_secs(3), Err("no answer"));
    assert_eq!(wave(&nodes, &[], SOAK, &no_answer).await, (112 + 2 * 30, said("no answer")));
    assert_eq!(no_answer.most.into_inner(), ASKED_AT_ONCE);

    // Until they go back by themselves, and no longer.
    let endless = Askable::new(Duration::from_secs(600), Ok(4));
    let late = "too few queries to tell by, and no time to ask it before it goes back: a longer deadline helps";
    assert_eq!(wave(&nodes, &[], SOAK, &endless).await, (600, said(late)));

    let (memory, patient) = (Memory::default(), settings(SOAK, Duration::from_secs(3_600)));
    let all = (&nodes[..], [held(6), held(7)]);
    let went = run(&publisher(&memory), &memory, all, &[names(&nodes)], (&patient, &endless)).await;
    assert_eq!(
        (went.tenths, went.said),
        (112 + 2 * 600, said("too few queries to tell by, and asking it takes more than 60 s"))
    );
}

/// The second wave: more nodes, those of the first among them, beside those that are left.
#[tokio::test(start_paused = true)]
async fn two_waves() {
    for (soak, expected) in [
        (CALM_SOAK, None),
        (
            BROKEN_SOAK,
            Some(
                "wave 1: fra1: NXDOMAIN is 33.0 % (330 of 1,000) of its answers over the soak, was 8.0 % (800 of 10,000) before; on 1 other node it \
                 changed by 0.0 points; a rise by 25.0 points, allowed are 6.3",
            ),
        ),
    ] {
        let memory = Memory::default();
        let mut zones = zones(3);
        published(&memory, &zones).await;
        zones.insert("z2.example.".into(), "two".into());
        let publisher = publisher(&memory);
        let step = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect::<BTreeSet<_>>();
        let steps = [step(&["ams1"]), step(&["ams1", "fra1"])];
        let takers = Takers { nodes: steps[0].clone(), deadline: DEADLINE };
        let mut proposal = Proposal::new(images(&zones).into(), &|_| Ok(Vec::new()));
        let laid = publisher.lay_trial(&key(2), &mut proposal, &takers, &options(100)).await.unwrap();
        let Outcome::Published(laid) = laid else { panic!("{laid:?}") };
        let release = Held { generation: laid.generation, manifest: laid.manifest };
        let head = publisher.tip().await.unwrap().held().unwrap();
        let nodes = [
            Node { asked: vec![6, 19], ..canary("ams1", CALM, CALM_SOAK) },
            other("fra1", CALM, soak).serves_at(13),
            Node { asked: vec![6, 19], ..other("lon1", CALM, CALM_SOAK) },
        ];
        let askable = Askable::new(Duration::ZERO, Err("nobody is to be asked"));
        let settings = settings(SOAK, DEADLINE);
        let went = run(&publisher, &memory, (&nodes, [head, release]), &steps, (&settings, &askable)).await;
        assert_eq!((went.tenths, went.said), (232, expected.iter().map(|line| String::from(*line)).collect()));
        let serve =
            |wave, there, nodes, millis| Told::Serve { wave, there, nodes, after: Duration::from_millis(millis) };
        let passed = |wave, queries| Told::Passed { wave, by: Passed { queries, asked: Vec::new() } };
        let mut told = vec![
            serve(0, 0, 1, 0),
            serve(0, 1, 1, 1_200),
            Told::Soak(SOAK),
            passed(0, 1_000),
            serve(1, 1, 2, 0),
            serve(1, 2, 2, 2_000),
            Told::Soak(SOAK),
        ];
        told.extend(expected.is_none().then(|| passed(1, 2_000)));
        assert_eq!(went.told, told);
        let tip = publisher.tip().await.unwrap();
        let trial = tip.on_trial().unwrap().trial.claims();
        assert_eq!((trial.step, trial.nodes(), trial.release), (2, &["ams1".to_owned(), "fra1".into()][..], release));
        assert_eq!((trial.deadline_secs, trial.time_secs), (60, 150));
        assert_eq!(tip.held(), Some(head), "it is on trial still: what becomes of it is not for the course to say");
    }
}

/// What can't be looked at is not judged.
#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away() {
    let memory = Memory::default();
    let publisher = publisher(&memory);
    let (nodes, askable) = ([ams1(CALM_SOAK), calm()].concat(), Askable::new(Duration::ZERO, Ok(4)));
    let (settings, steps) = (settings(SOAK, DEADLINE), [names(&nodes[..1])]);
    let goes = async {
        sleep(Duration::from_millis(6_500)).await;
        memory.kill_after(Some(0));
        std::future::pending::<()>().await;
    };
    let went = tokio::select! {
        went = run(&publisher, &memory, (&nodes, [held(6), held(7)]), &steps, (&settings, &askable)) => went,
        () = goes => unreachable!("it waits for ever"),
    };
    assert_eq!((went.tenths, went.said), (72, vec!["reading reports: killed".to_owned()]));
}
