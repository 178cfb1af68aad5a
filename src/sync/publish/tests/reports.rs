//! Reports that somebody writes who wants to do harm: their names and numbers stop nobody.

use super::*;
use crate::sync::publish::wave::observe::Observer;
use crate::sync::question::{Asked, Traffic};
use crate::sync::report::{KEPT_MAX, NODES_MAX};
use crate::sync::store::objects::{Expect, Key, Listed, Object, Objects, Plain, Read, Tag};
use crate::sync::store::{Result as Answered, StoreError};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// A bucket with nothing but reports.
#[derive(Clone, Default)]
struct Crowd(Arc<Counts>);

#[derive(Default)]
struct Counts {
    nodes: AtomicUsize,
    /// So many of them were written long ago.
    gone: AtomicUsize,
    /// Reports that were read.
    read: AtomicUsize,
}

#[async_trait]
impl Objects for Crowd {
    async fn read(&self, _: &Key, _: Option<&Tag>, _: u64) -> Answered<Read> {
        self.0.read.fetch_add(1, Ordering::Relaxed);
        let bytes = serde_json::to_vec(&Report { traffic: traffic(), ..Report::default() }).unwrap();
        Ok(Read::Object(Object { bytes, tag: "1".into() }))
    }

    async fn list(&self, prefix: &str) -> Answered<Vec<Listed>> {
        let digits = |name: String| name.bytes().map(|octet| format!("{octet:02x}")).collect::<String>();
        let (nodes, gone) = (self.0.nodes.load(Ordering::Relaxed), self.0.gone.load(Ordering::Relaxed));
        let listed = (0..nodes).map(|node| Listed {
            key: format!("{prefix}{}.json", digits(format!("n{node}"))),
            len: 400,
            age: if node < gone { KEPT_MAX + Duration::from_secs(1) } else { Duration::ZERO },
        });
        Ok(listed.collect())
    }

    async fn write(&self, _: &Key, _: Vec<u8>, _: Expect<'_>) -> Answered<Option<Tag>> {
        Err(StoreError::Denied("it is only read".into()))
    }

    async fn len(&self, _: &Key) -> Answered<Option<u64>> {
        Ok(None)
    }

    async fn delete(&self, _: &Key) -> Answered<()> {
        Ok(())
    }

    fn poll_interval(&self) -> Duration {
        Duration::ZERO
    }
}

/// Names cost nothing: of more than there may be none is read, at the first look and at each further one.
#[tokio::test]
async fn more_names_than_nodes() {
    let crowd = Crowd::default();
    let Counts { nodes, gone, read } = &*crowd.0;
    let publisher = Publisher { store: Plain::store("crowd", crowd.clone(), 7), ..publisher(&Memory::default()) };
    nodes.store(NODES_MAX, Ordering::Relaxed);
    let mut observer = Observer::start(&publisher).await.unwrap();
    assert_eq!((observer.fleet().len(), read.swap(0, Ordering::Relaxed)), (NODES_MAX, NODES_MAX));
    assert_eq!(publisher.questions().await.unwrap().source, "10000 nodes");
    read.store(0, Ordering::Relaxed);

    nodes.store(NODES_MAX + 1, Ordering::Relaxed);
    let refused = "reading reports: channels/prod/nodes/: it has reports of more than 10,000 nodes; remove those that are no nodes'";
    assert_eq!(Observer::start(&publisher).await.err().unwrap().to_string(), refused);
    assert_eq!(observer.look().await.unwrap_err().to_string(), refused);
    assert_eq!(publisher.questions().await, None);
    assert_eq!((observer.fleet().len(), read.load(Ordering::Relaxed)), (NODES_MAX, 0));

    // Those of nodes that are gone are forgotten at last.
    gone.store(2, Ordering::Relaxed);
    let observer = Observer::start(&publisher).await.unwrap();
    assert_eq!((observer.fleet().len(), read.load(Ordering::Relaxed)), (NODES_MAX - 1, NODES_MAX - 1));
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
