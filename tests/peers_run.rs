//! The peers themselves: each starts, answers for its zones, and is gone afterwards. If this fails, no comparison means much.

mod support;

use std::path::Path;
use support::peers::{Kind, Options, Peers};
use support::process::TempDir;

const ZONE: &str = "\
$TTL 300
@ SOA ns1 hostmaster 1 7200 3600 1209600 300
@ NS ns1
ns1 A 192.0.2.1
www A 192.0.2.80
";

#[test]
fn each_peer_starts_answers_and_stops() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let dir = TempDir::new("peers-run");
    let zone = dir.write("example.zone", ZONE);
    let zones: [(&str, &Path); 2] = [("example.", &zone), ("sub.example.org.", &zone)];
    for kind in Kind::ALL {
        if !peers.has(kind) {
            support::skip(format_args!("{} is not here", kind.name()));
            continue;
        }
        let mut running = peers.start(kind, &zones, &Options::default()).unwrap_or_else(|why| panic!("{why}"));
        if let Ok(mut dig) = peers.command("DIG") {
            let port = running.addr.port().to_string();
            let output = dig.args(["@127.0.0.1", "-p", &port, "+short", "+norec", "www.sub.example.org", "A"]).output();
            let output = output.expect("dig runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "192.0.2.80\n", "{}", kind.name());
        }
        let home = running.process.dir().to_owned();
        assert!(running.process.stop(), "{} needed SIGKILL: {}", kind.name(), running.process.log());
        drop(running);
        assert!(!home.exists());
    }
}

#[test]
fn a_peer_that_cannot_serve_says_why() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let dir = TempDir::new("peers-run");
    let zone = dir.write("broken.zone", "@ SOA ns1 hostmaster one two\n");
    for kind in Kind::ALL.into_iter().filter(|kind| peers.has(*kind)) {
        let options = Options { patience: std::time::Duration::from_secs(2), ..Options::default() };
        let why = peers.start(kind, &[("example.", &zone)], &options).expect_err("a broken zone is not served");
        assert!(why.contains("broken.zone") || why.contains("example"), "{why}");
    }
}
