//! Reports that somebody writes who wants to do harm: their names and numbers stop nobody.

use super::*;
use crate::sync::publish::wave::observe::Observer;
use crate::sync::question::{Asked, Traffic};
use std::collections::BTreeSet;

fn traffic() -> Option<Traffic> {
    Some(Traffic { queries: 9, questions: Asked::parse("", "www.example A 9").unwrap() })
}

fn names<'a>(reports: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    reports.into_iter().map(String::as_str).collect()
}

#[tokio::test]
async fn names_that_no_node_has() {
    let memory = Memory::default();
    let publisher = publisher(&memory);
    published(&memory, &zones(3)).await;
    for node in ["ams1", "", "ams1\n", "\u{1b}[2J", &"n".repeat(256)] {
        let report = Report { node: node.into(), traffic: traffic(), ..Report::default() };
        let bytes = serde_json::to_vec(&report).unwrap();
        memory.report_aged(&publisher.channel, node, bytes, Duration::ZERO);
    }
    let fleet = publisher.fleet(110, fleet::AGE_MAX).await.unwrap();
    assert_eq!(names(fleet.nodes.iter().map(|node| &node.node)), ["ams1"]);
    assert_eq!(publisher.questions().await.unwrap().source, "1 node");
    assert_eq!(names(Observer::start(&publisher).await.unwrap().fleet().keys()), ["ams1"]);
}

#[tokio::test]
async fn nodes_are_those_of_the_first_look() {
    let memory = Memory::default();
    let publisher = publisher(&memory);
    let tell = |node: &str, time_secs, age| {
        let report = Report { node: node.into(), time_secs, traffic: traffic(), ..Report::default() };
        let bytes = serde_json::to_vec(&report).unwrap();
        memory.report_aged(&publisher.channel, node, bytes, Duration::from_secs(age));
    };
    tell("ams1", 1, 0);
    tell("fra1", 1, 0);
    tell("gone", 1, 61);
    let mut observer = Observer::start(&publisher).await.unwrap();
    let start = observer.reports();
    assert_eq!(names(start.keys()), ["ams1", "fra1"]);
    let (_, first) = observer.report("ams1").unwrap();
    tell("ams1", 2, 0);
    tell("gone", 2, 0);
    (0..100).for_each(|n| tell(&format!("new{n}"), 1, 0));
    observer.look().await.unwrap();
    assert_eq!(names(observer.reports().keys()), ["ams1", "fra1"]);
    let (report, at) = observer.report("ams1").unwrap();
    assert_eq!((report.time_secs, &report.traffic), (2, &None));
    assert!(at > first);
    assert_eq!(observer.report("fra1").unwrap().1, first, "it said nothing new");
    let (wave, others) = observer.watched(&BTreeSet::from(["ams1".into()]), &start, at);
    let node = |watched: &[_]| watched.iter().map(|w: &wave::judge::Watched| w.node.clone()).collect::<Vec<_>>();
    assert_eq!((node(&wave), node(&others)), (vec!["ams1".into()], vec!["fra1".into()]));
}

#[tokio::test]
async fn numbers_as_large_as_can_be() {
    let memory = Memory::default();
    let publisher = publisher(&memory);
    let first = published(&memory, &zones(3)).await;
    published(&memory, &zones(4)).await;
    let most = Report {
        node: "a".into(),
        serving: Some(Serving { generation: first.generation, manifest: first.manifest, since_secs: u64::MAX }),
        ready: true,
        time_secs: u64::MAX,
        delay_secs: u64::MAX,
        signatures_end: Some(u32::MAX),
        ..Report::default()
    };
    memory.report_aged(&publisher.channel, "a", serde_json::to_vec(&most).unwrap(), Duration::ZERO);
    let fleet = publisher.fleet(110, fleet::AGE_MAX).await.unwrap();
    // It waits for as long as it likes; its clock is far behind the end of any signature.
    assert_eq!(fleet.nodes[0].behind, Some(1));
    assert_eq!(fleet.nodes[0].faults.len(), 1, "{:?}", fleet.nodes[0].faults);
    assert!(fleet.nodes[0].faults[0].starts_with("a zone's signatures end at "), "{:?}", fleet.nodes[0].faults);
}
