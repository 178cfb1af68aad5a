//! Publishers and nodes killed (SIGKILL) at moments chosen at random, many times in a row: the store stays whole, a node starts with what it
//! served or something newer, and the next publish arrives. (At each single write: by the faulty disks of the unit tests.)

use crate::release;
use crate::seed;
use crate::support::fleet::{Node, Publisher};
use crate::support::peers::query;
use crate::support::watch;
use catchment::random::Random;
use hickory_proto::op::Message;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const TXT: u16 = 16;

#[test]
fn a_killed_publisher_leaves_the_store_whole() {
    publishers(12);
}

#[test]
fn a_killed_node_starts_with_what_it_served_or_newer() {
    nodes(12);
}

#[test]
#[ignore = "takes minutes"]
fn publishers_and_nodes_killed_two_hundred_times_each() {
    publishers(200);
    nodes(200);
}

fn publishers(times: u32) {
    let mut random = Random::new(seed());
    let publisher = Publisher::new("crash-publisher", None).unwrap();
    release::write(&publisher, 1);
    publisher.publish().unwrap();
    // The first one lays out the channel too: how long a publish takes is found with the second.
    release::write(&publisher, 2);
    let start = Instant::now();
    publisher.publish().unwrap();
    let length = start.elapsed();
    let node = Node::start(&publisher, 0).unwrap();
    wait(&node, 2);
    let (mut killed, mut served) = (0, 2);
    for number in 3..3 + times {
        release::write(&publisher, number);
        let mut command = publisher.start_publish().unwrap();
        // Killing it before it does anything shows nothing; after its end neither.
        std::thread::sleep(length.mul_f64(0.2 + 0.8 * random.fraction()));
        let _ = command.kill();
        killed += u32::from(!command.wait().unwrap().success());
        publisher.verify().unwrap_or_else(|why| panic!("after {number}: {why}"));
        let now = served_by(&node).expect("a node answers whatever a publisher does");
        assert!(now >= served && now <= number, "release {now} after {served}, while {number} is published");
        served = now;
    }
    let last = 3 + times;
    release::write(&publisher, last);
    publisher.publish().unwrap();
    wait(&node, last);
    publisher.verify().unwrap();
    println!("{killed} of {times} publishers killed within {length:?}: store whole each time, the node at the head");
}

fn nodes(times: u32) {
    let mut random = Random::new(seed());
    let publisher = Publisher::new("crash-node", None).unwrap();
    release::write(&publisher, 1);
    publisher.publish().unwrap();
    let mut node = Node::start(&publisher, 0).unwrap();
    wait(&node, 1);
    let mut served = 1;
    for number in 2..2 + times {
        release::write(&publisher, number);
        publisher.publish().unwrap();
        // A store in a directory is looked at every so often; the moment of the kill is anywhere around the next look.
        std::thread::sleep(Duration::from_millis(random.below(1500) as u64));
        served = served.max(served_by(&node).expect("a node that runs answers"));
        node.kill();
        node.spawn().unwrap();
        let start = Instant::now();
        let now = loop {
            match served_by(&node) {
                Some(now) => break now,
                None => assert!(start.elapsed() < PATIENCE && node.runs(), "does not start again:\n{}", node.log()),
            }
        };
        assert!(now >= served && now <= number, "release {now} after {served}, while {number} is the head");
        served = now;
    }
    wait(&node, 1 + times);
    println!("a node killed {times} times: never behind what it had served, and at the head in the end");
}

/// Waits until the node serves this release.
pub(crate) fn wait(node: &Node, number: u32) {
    let (question, mark) = (query(number as u16, "texts.zone0.test", TXT), format!("one {number}"));
    let done = |response: &[u8]| watch::holds(response, &mark);
    watch::until(&[node.addr], &question, done, Instant::now(), Duration::from_millis(5), PATIENCE)
        .unwrap_or_else(|why| panic!("release {number}: {why}\n{}", node.log()));
}

/// The release that a node answers from; `None`: it does not answer.
pub(crate) fn served_by(node: &Node) -> Option<u32> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.connect(node.addr).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    socket.send(&query(7, "texts.zone0.test", TXT)).ok()?;
    let mut response = [0; 4096];
    let Ok(len) = socket.recv(&mut response) else {
        std::thread::sleep(Duration::from_millis(10));
        return None;
    };
    Some(release::number(&Message::from_vec(&response[..len]).unwrap()).unwrap_or_else(|why| panic!("{why}")))
}
