//! A hundred thousand zones: what a first sync and a change of one zone move and take.

use crate::support::fleet::{Node, Publisher};
use crate::support::peers::query;
use crate::support::watch;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(600);
const TXT: u16 = 16;

/// The same with fewer zones: that the bounds hold which do not depend on how many there are.
#[test]
fn one_change_among_two_thousand_zones() {
    sync(2_000);
}

#[test]
#[ignore = "takes minutes: the figures of docs/sync.md"]
fn figures_of_a_hundred_thousand_zones() {
    sync(100_000);
}

fn sync(zones: usize) {
    let publisher = Publisher::new("large", None).unwrap();
    for at in 0..zones {
        write(&publisher, at, 0);
    }
    let start = Instant::now();
    publisher.publish().unwrap();
    println!("{zones} zones: first publish {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let node = Node::start(&publisher, 0).unwrap();
    let took = arrived(&node, zones - 1, 0, start);
    let first = Figures::of(&node);
    println!(
        "first sync: {} requests, {} octets, {:.2} s from the start",
        first.requests,
        first.octets,
        took.as_secs_f64()
    );
    assert!(first.requests <= 2_000.0, "{} requests", first.requests);

    for change in 1..=5 {
        let at = zones / 7 * change;
        write(&publisher, at, change as u32);
        let before = Figures::of(&node);
        let start = Instant::now();
        publisher.publish().unwrap();
        let published = start.elapsed();
        let took = arrived(&node, at, change as u32, start);
        // Metrics follow the swap.
        std::thread::sleep(Duration::from_millis(100));
        let after = Figures::of(&node);
        let octets = after.octets - before.octets;
        println!(
            "one zone changed: {} requests, {octets} octets, publish {} ms, served {} ms after the start, applied in {:.1} ms",
            after.requests - before.requests,
            published.as_millis(),
            took.as_millis(),
            1e3 * after.apply_seconds,
        );
        assert!(octets <= 65_536.0, "{octets} octets for one zone");
    }
}

fn write(publisher: &Publisher, at: usize, change: u32) {
    let text = format!(
        "$TTL 1h\n@ SOA ns hostmaster {serial} 1d 2h 4w 1h\n@ NS ns\nns A 192.0.2.1\nwww A 198.51.{}.{}\n@ MX 10 mail\n\
         mail A 192.0.2.3\nchanged TXT \"change-{change:08}\"\n",
        at >> 8 & 255,
        at & 255,
        serial = 1 + change,
    );
    publisher.write(&format!("zone{at:06}.test"), &text);
}

fn arrived(node: &Node, at: usize, change: u32, start: Instant) -> Duration {
    let question = query(change as u16, &format!("changed.zone{at:06}.test"), TXT);
    let mark = format!("change-{change:08}");
    let done = |response: &[u8]| watch::holds(response, &mark);
    let found = watch::until(&[node.addr], &question, done, start, Duration::from_millis(5), PATIENCE);
    found.unwrap_or_else(|why| panic!("{why}\n{}", node.log()))[0]
}

struct Figures {
    requests: f64,
    octets: f64,
    apply_seconds: f64,
}

impl Figures {
    fn of(node: &Node) -> Figures {
        let metric = |name: &str| node.metric(name).unwrap_or_else(|| panic!("no {name} in /metrics"));
        Figures {
            requests: metric("catchment_sync_requests_total"),
            octets: metric("catchment_sync_fetched_bytes_total"),
            apply_seconds: metric("catchment_sync_apply_seconds"),
        }
    }
}
