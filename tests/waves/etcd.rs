//! Waves through etcd: quicker, and the same when it is gone in the middle.

use crate::clients::NAMES;
use crate::command::publish;
use crate::fleet::{Fleet, write};
use crate::support::etcd::{Cluster, Options};
use crate::support::process::TempDir;
use crate::support::{self};

const CANARY: usize = 7;
const NAME: &str = "node07";
const WAVES: [&str; 8] = ["--canary", NAME, "--soak", "2s", "--deadline", "6s", "--min-queries", "30"];

#[test]
fn ten_nodes_and_etcd() {
    let mut cluster = match Cluster::start(Options { members: 1, ..Options::default() }) {
        Ok(cluster) => cluster,
        Err(why) => return support::skip(why),
    };
    let blobs = TempDir::new("waves-blobs");
    let store = format!("etcd://{}/waves?blobs=dir:{}", cluster.clients().join(","), blobs.path().display());
    let fleet = Fleet::start("waves-etcd", Some(store));

    fleet.write(2);
    fleet.settle();
    let ended = publish(&fleet.publisher, &["--canary", "10%", "--soak", "5s", "--min-queries", "100"]).ended();
    println!("{}", ended.out);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    fleet.wait_all(2);

    write(&fleet.publisher, 3, &NAMES[1..]);
    fleet.settle();
    let ended = publish(&fleet.publisher, &[&WAVES[..], &["--allow", "answer-nxdomain"]].concat()).ended();
    assert_eq!(ended.code, 6, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains(&format!("error: canary: {NAME}: NXDOMAIN is ")), "{}", ended.err);
    assert_eq!(fleet.clients.broken(), [CANARY]);
    fleet.wait_all(2);

    fleet.write(4);
    fleet.settle();
    let mut command = publish(&fleet.publisher, &WAVES);
    command.until("soak 2s");
    cluster.kill(0);
    let ended = command.ended();
    assert_ne!(ended.code, 0, "{}{}", ended.out, ended.err);
    fleet.wait(&[CANARY], 2);
    assert_eq!(fleet.clients.served(4), [CANARY]);
    cluster.spawn(0).unwrap();
    cluster.wait().unwrap();
    fleet.write(5);
    // The trial is abandoned after twice its deadline: then the next publish ends it and goes on.
    let start = std::time::Instant::now();
    loop {
        let ended = publish(&fleet.publisher, &["--at-once", "--wait"]).ended();
        if ended.code == 0 {
            assert!(ended.err.contains("was abandoned: the channel is taken back first"), "{}", ended.err);
            break;
        }
        assert!(ended.code == 3 && start.elapsed() < crate::fleet::PATIENCE, "{}{}", ended.out, ended.err);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    fleet.wait_all(5);
    assert_eq!(fleet.clients.served(4), [CANARY]);
}
