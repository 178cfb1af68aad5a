//! `catchment plan`, and `publish` with its guards and serials: the real binary, on stores in directories.

mod support;

use hickory_proto::rr::{DNSClass, RecordType};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::catchment::{Server, catchment, prepare, query, run, zone};
use support::process::TempDir;

/// A checkout whose zones are release 1.1 of channel `prod`.
fn published(label: &str) -> TempDir {
    let dir = TempDir::new(label);
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    dir.write("zones/example.com.zone", zone(1));
    dir.write("zones/example.org.zone", zone(1));
    let (code, _, err) = run(&["keygen", "--out", "prod"], dir.path());
    assert_eq!((code, err.as_str()), (0, ""));
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, err.as_str()), (0, "note: dir:store has no channel prod yet: it begins there\n"));
    assert_eq!(
        out.lines().take(3).collect::<Vec<_>>(),
        [
            "channel prod, first release: 2 added, 0 changed, 0 removed",
            "+ example.com. is new: serial 1, 34 records",
            "+ example.org. is new: serial 1, 34 records"
        ]
    );
    dir
}

fn plan(dir: &TempDir, more: &[&str]) -> (i32, String, String) {
    run(&[&["plan", "zones", "--of", "dir:store", "--channel", "prod"], more].concat(), dir.path())
}

fn publish(dir: &TempDir, more: &[&str]) -> (i32, String, String) {
    let fixed = ["publish", "zones", "--to", "dir:store", "--channel", "prod", "--key", "prod.key"];
    run(&[&fixed, more].concat(), dir.path())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The serial of each zone of the head, by a plan against no zones but one.
fn serials(dir: &TempDir) -> Vec<(String, u64)> {
    std::fs::create_dir_all(dir.path().join("none")).unwrap();
    let (code, out, err) = run(&["plan", "none", "--of", "dir:store", "--channel", "prod", "--json"], dir.path());
    assert_eq!(code, 2, "{err}");
    let zones = parsed(&out)["zones"].as_array().unwrap().clone();
    zones.iter().map(|z| (z["zone"].as_str().unwrap().to_owned(), z["serial-before"].as_u64().unwrap())).collect()
}

/// The head's generation.
fn head(dir: &TempDir) -> String {
    let (code, out, err) = run(&["releases", "--of", "dir:store", "--channel", "prod", "--json"], dir.path());
    assert_eq!(code, 0, "{err}");
    parsed(&out)["releases"][0]["generation"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_says_what_a_publish_does_and_does_nothing() {
    let dir = published("plan");
    assert_eq!(plan(&dir, &[]), (0, "channel prod, after 1.1, 2 zones: nothing changes\n".into(), String::new()));
    dir.write("zones/example.com.zone", zone(2).replace("www A 192.0.2.2", "www A 192.0.2.9"));
    dir.write("zones/example.net.zone", "$TTL 60\n@ SOA ns.x. h 1 1h 15m 1w 5m\n@ NS ns.x.\n");
    let expected = "\
channel prod, after 1.1, 2 zones: 1 added, 1 changed, 0 removed
~ example.com. changes: serial 1 -> 2, 2 records removed, 2 added
    - example.com. 3600 IN SOA ns.example.com. hostmaster.example.com. 1 3600 900 604800 300
    + example.com. 3600 IN SOA ns.example.com. hostmaster.example.com. 2 3600 900 604800 300
    - www.example.com. 3600 IN A 192.0.2.2
    + www.example.com. 3600 IN A 192.0.2.9
+ example.net. is new: serial 1, 2 records
    + example.net. 60 IN SOA ns.x. h.example.net. 1 3600 900 604800 300
    + example.net. 60 IN NS ns.x.
";
    assert_eq!(plan(&dir, &[]), (2, expected.into(), String::new()));
    let (code, out, _) = plan(&dir, &["--json"]);
    assert_eq!((code, &parsed(&out)["added"], &parsed(&out)["stopped-by"]), (2, &json!(1), &json!([])));
    assert_eq!(plan(&dir, &["--format", "json"]).1, out);
    let (code, out, _) = plan(&dir, &["--markdown"]);
    assert!(
        code == 2 && out.starts_with("### channel prod, after 1.1, 2 zones: 1 added") && out.ends_with("```\n"),
        "{out}"
    );
    assert_eq!(head(&dir), "1.1");
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.starts_with(&format!("{expected}published 1.2 after 1.1: 3 zones, 1 added, 1 changed, 0 removed;")),
        "{out}"
    );
    assert_eq!(plan(&dir, &[]).0, 0);
    // A plan against a channel that is yet to be, and one that can't be made: no exit code says that there are changes.
    let (code, out, err) = run(&["plan", "zones", "--of", "dir:other", "--channel", "prod"], dir.path());
    assert!(code == 2 && out.starts_with("channel prod, first release: 3 added"), "{out}");
    assert_eq!(err, "note: the store has no channel prod yet: this would be its first release\n");
    for wrong in [&["plan", "zones"][..], &["plan", "nowhere", "--of", "dir:store", "--channel", "prod"]] {
        let (code, out, err) = run(wrong, dir.path());
        assert!(code == 1 && out.is_empty() && err.starts_with("error: "), "{err}");
    }
}

#[test]
fn guards_stop_a_publish_until_each_is_allowed() {
    let dir = published("guards");
    std::fs::remove_file(dir.path().join("zones/example.org.zone")).unwrap();
    dir.write("zones/example.com.zone", zone(1).replace("www A", "www 2000000 A"));
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!(code, 5, "{err}");
    assert!(out.contains("\n- example.org. goes: serial 1, 34 records\n") && !out.contains("published"), "{out}");
    assert_eq!(
        err,
        "\
error: zone-removal: zone example.org.: it disappears: serial 1, 34 records
  = help: bring its file back; if it is meant: --allow zone-removal
error: serial-same: zone example.com.: its content changes, its serial 1 does not
  = help: raise it in the file, or have it written: --serial increment; if it is meant: --allow serial-same
error: long-ttl: zone example.com.: www.example.com. A is new or changed, with a TTL of 2000000 s, more than 604800 s
  = help: lower the TTL, or raise ttl-secs-max in publish.toml; if it is meant: --allow long-ttl
error: nothing was published, as guards object: zone-removal, serial-same, long-ttl; mend that, or allow what is meant by name, with --allow
"
    );
    assert_eq!(head(&dir), "1.1");
    let (code, out, _) = plan(&dir, &["--json", "--allow", "long-ttl"]);
    assert_eq!((code, &parsed(&out)["stopped-by"]), (2, &json!(["zone-removal", "serial-same"])));
    let (code, out, err) = publish(&dir, &["--json", "--allow", "long-ttl", "--allow", "zone-removal"]);
    assert_eq!(code, 5, "{err}");
    let document = parsed(&out);
    assert_eq!((&document["published"], &document["plan"]["stopped-by"]), (&json!(false), &json!(["serial-same"])));
    assert_eq!(document["plan"]["objections"][2]["allowed"], true);

    // What a team has agreed upon stands beside the zones, and holds for this channel alone.
    dir.write("zones/publish.toml", "ttl-secs-max = 3000000\n[channel.prod]\nallow = [\"zone-removal\"]\n");
    let (code, out, err) = publish(&dir, &["--allow", "serial-same"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\npublished 1.2 after 1.1: 1 zone, 0 added, 1 changed, 1 removed"), "{out}");
    assert_eq!(
        err,
        "allowed: zone-removal: zone example.org.: it disappears: serial 1, 34 records\n\
         allowed: serial-same: zone example.com.: its content changes, its serial 1 does not\n"
    );
    // Going back is asked nothing, whatever it changes.
    let back = ["rollback", "--of", "dir:store", "--channel", "prod", "--key", "prod.key", "--to", "1.1"];
    let (code, out, err) = run(&back, dir.path());
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("published 1.3 after 1.2: 2 zones, 1 added, 1 changed, 0 removed"), "{out}");
}

#[test]
fn settings_at_fault_stop_everything() {
    let dir = published("settings");
    dir.write("zones/publish.toml", "zone-share-mx = 5\n[channel.staging]\nallow = [\"everything\"]\n");
    for command in [plan(&dir, &[]), publish(&dir, &[])] {
        let (code, out, err) = command;
        assert_eq!((code, out.as_str()), (1, ""));
        for part in [
            "zones/publish.toml:1:1",
            "did you mean `zone-share-max`?",
            "zones/publish.toml:3:10",
            "\"everything\" is no guard",
        ] {
            assert!(err.contains(part), "`{part}` is not in:\n{err}");
        }
    }
}

/// Zones with errors are not published, unless that is meant and they can be served.
#[test]
fn an_error_of_a_check_is_a_guard_like_others() {
    let dir = published("check-error");
    dir.write("zones/example.com.zone", format!("{}sub NS ns.sub\n", zone(2)));
    let (code, _, err) = publish(&dir, &[]);
    assert_eq!(code, 5, "{err}");
    assert!(err.contains("sub.example.com. is delegated to ns.sub.example.com."), "{err}");
    assert!(err.contains("error: check-error: zones/example.com.zone has errors: see above\n"), "{err}");
    let (code, _, err) = publish(&dir, &["--allow", "check-error"]);
    assert_eq!(code, 0, "{err}");
    dir.write("zones/example.com.zone", format!("{}sub NS\n", zone(3)));
    let (code, _, err) = publish(&dir, &["--allow", "check-error"]);
    assert!(code == 1 && err.ends_with("error: nothing was published: 1 zone at fault\n"), "{err}");
}

#[test]
fn serials_are_written_into_the_release_alone() {
    let dir = published("serials");
    let increment = ["--serial", "increment", "--cache", "cache"];
    let file = |host: &str| zone(1).replace("www A", &format!("{host} A"));
    assert_eq!(plan(&dir, &["--serial", "unixtime"]).0, 0, "no content changes");
    dir.write("zones/example.com.zone", file("www2"));
    let (code, out, err) = publish(&dir, &increment);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("\n~ example.com. changes: serial 1 -> 2, 2 records removed, 2 added\n"), "{out}");
    assert_eq!(std::fs::read_to_string(dir.path().join("zones/example.com.zone")).unwrap(), file("www2"));
    assert_eq!(serials(&dir), [("example.com.".into(), 2), ("example.org.".into(), 1)]);

    // Whatever is remembered, or not: nothing more changes.
    for more in [&increment[..], &increment[..], &["--serial", "date"], &["--serial", "increment", "--no-cache"]] {
        let (code, out, err) = publish(&dir, more);
        assert!(code == 0 && out.starts_with("nothing changed: 1.2 stays the head"), "{more:?}: {out}{err}");
    }
    let (code, _, err) = publish(&dir, &[]);
    assert!(code == 5 && err.contains("serial-back: zone example.com.: its serial goes back, from 2 to 1"), "{err}");

    dir.write("zones/publish.toml", "serial = \"increment\"\n");
    dir.write("zones/example.com.zone", file("www3"));
    dir.write("zones/example.org.zone", zone(7).replace("www A", "www7 A"));
    assert_eq!(publish(&dir, &["--cache", "cache"]).0, 0);
    assert_eq!(serials(&dir), [("example.com.".into(), 3), ("example.org.".into(), 7)]);
    dir.write("zones/example.org.zone", zone(7).replace("www A", "web A"));
    assert_eq!(publish(&dir, &["--serial", "date"]).0, 0);
    let today = serials(&dir)[1].1;
    assert!((2_026_000_000..2_100_000_000).contains(&today), "{today}");
    let (code, out, err) = run(&["verify", "--of", "dir:store"], dir.path());
    assert_eq!(code, 0, "{out}{err}");
}

/// The serial of what is signed can't be written, and need not be if its signer has raised it.
#[test]
fn a_signed_serial_stays_what_it_is() {
    let dir = published("sealed");
    let signed = |serial: u32, host: &str| {
        let rrsig = "@ RRSIG SOA 13 2 3600 20900101000000 20200101000000 1 @ AAAA\n";
        format!("{}{rrsig}{host} A 192.0.2.1\n", zone(serial))
    };
    for (serial, host, expected) in
        [(1, "a", None), (2, "a", Some(2)), (2, "a", Some(2)), (2, "b", None), (9, "b", Some(9))]
    {
        dir.write("zones/example.com.zone", signed(serial, host));
        let (code, _, err) = publish(&dir, &["--serial", "increment"]);
        match expected {
            None => assert!(
                code == 1
                    && err.contains(
                        "covers the SOA record of 1 zone, so that no other serial can be written: example.com.; let"
                    ),
                "{err}"
            ),
            Some(expected) => {
                assert_eq!(code, 0, "{err}");
                assert_eq!(serials(&dir)[0].1, expected);
            }
        }
    }
}

/// Two publishers that write serials into the same changes: whoever comes second finds them done.
#[test]
fn two_publishers_write_serials_at_once() {
    let dir = published("race");
    for round in 0..6 {
        for zone_name in ["example.com", "example.org"] {
            dir.write(&format!("zones/{zone_name}.zone"), zone(1).replace("www A", &format!("round{round} A")));
        }
        let start = |serials: &str| {
            let mut command = catchment();
            command.args(["publish", "zones", "--to", "dir:store", "--channel", "prod", "--key", "prod.key"]);
            command.args(["--serial", serials]).current_dir(dir.path());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for output in [start("increment"), start("increment")].map(|child| child.wait_with_output().unwrap()) {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let expected = round + 2;
        assert_eq!(serials(&dir), [("example.com.".into(), expected), ("example.org.".into(), expected)]);
        assert_eq!(head(&dir), format!("1.{expected}"), "one release for each change");
    }
}

/// A node that follows the channel of this checkout, and reports each second.
fn node(dir: &TempDir, name: &str, more: &str) -> Server {
    let store = dir.path().join("store");
    let settings = format!(
        "node = \"{name}\"\nworkers = 2\n[sync]\nfollow = [\"dir:{}\"]\nchannel = \"prod\"\ncache = \"cache\"\n\
         root-keys = [\"{}\"]\nreport-interval = \"1s\"\n{more}",
        store.display(),
        dir.path().join("prod.root.pub").display()
    );
    let mut server = Server::launch(prepare(name, &[], &settings), catchment());
    server.wait_ready();
    server.wait_for("serving generation 1.1 of channel prod");
    server
}

/// Asks a node so many times over UDP, from another address than its own.
fn ask_often(server: &Server, name: &str, rtype: RecordType, times: usize) {
    let socket = UdpSocket::bind("127.0.0.2:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let query = query(name, rtype, DNSClass::IN).to_vec().unwrap();
    let mut buffer = [0; 1500];
    for _ in 0..times {
        socket.send_to(&query, server.dns).unwrap();
        socket.recv(&mut buffer).unwrap();
    }
}

/// The answers of a plan, once its questions satisfy `done`: nodes report from time to time.
fn answers_when(dir: &TempDir, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (code, out, err) = plan(dir, &["--json"]);
        assert_eq!(code, 2, "{err}");
        let answers = parsed(&out)["answers"].take();
        if done(&answers) {
            return answers;
        }
        assert!(Instant::now() < deadline, "{answers}");
    }
}

/// What nodes are asked decides what may not break: a name that is asked for stops the publish, one that nobody asks for does not.
#[test]
fn questions_that_nodes_were_asked_guard_their_answers() {
    let dir = published("asked");
    let (ams, nyc) = (node(&dir, "ams1", ""), node(&dir, "nyc1", ""));
    let silent = node(&dir, "silent", "questions = false");
    ask_often(&ams, "WWW.example.com.", RecordType::A, 12_000);
    ask_often(&ams, "host1.example.com.", RecordType::AAAA, 4_000);
    ask_often(&nyc, "host2.example.com.", RecordType::A, 4_000);
    ask_often(&nyc, "www.example.org.", RecordType::A, 4_000);
    ask_often(&silent, "host3.example.com.", RecordType::A, 4_000);
    dir.write("zones/example.com.zone", zone(2).replace("www A 192.0.2.2\n", ""));
    let answers = answers_when(&dir, |answers| {
        answers["questions"] == 4 && answers["queries-asked"].as_u64().is_some_and(|queries| queries > 20_000)
    });
    assert_eq!((&answers["source"], &answers["questions-left-out"]), (&json!("2 nodes"), &json!(0)));
    let [changed] = &answers["changed"].as_array().unwrap()[..] else { panic!("{answers}") };
    assert_eq!((&changed["kind"], &changed["questions"]), (&json!("nxdomain"), &json!(1)));
    let percent = changed["percent"].as_f64().unwrap();
    assert!((35.0..65.0).contains(&percent), "12,000 of 24,000: {percent}");
    let example = &answers["examples"][0];
    assert_eq!((&example["name"], &example["type"]), (&json!("www.example.com."), &json!("A")));
    assert_eq!((&example["before"], &example["after"]), (&json!("A 192.0.2.2"), &json!("NXDOMAIN")));
    let queries = example["queries"].as_u64().unwrap();
    assert!((9_000..15_000).contains(&queries), "about 12,000: {queries}");

    let (code, out, err) = publish(&dir, &[]);
    assert_eq!(code, 5, "{err}");
    assert!(out.contains("\nanswers, by 4 questions from 2 nodes ("), "{out}");
    assert!(out.contains("\n- newly NXDOMAIN: 1 question, "), "{out}");
    assert!(err.starts_with("error: answer-nxdomain: zone example.com.: "), "{err}");
    assert!(
        err.contains(
            " % of the queries asked of it would be newly NXDOMAIN, more than 0.1 %: www.example.com. A, asked "
        ),
        "{err}"
    );
    assert!(err.contains("; if it is meant: --allow answer-nxdomain\n"), "{err}");
    assert_eq!(head(&dir), "1.1");
    // What nobody asks for may go, and what is meant is allowed by name.
    dir.write("zones/example.com.zone", zone(2).replace("1-30", "1-29"));
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains(": no answer changes\n"), "{out}");
    dir.write("zones/example.com.zone", zone(3).replace("www A 192.0.2.2\n", "").replace("1-30", "1-29"));
    let (code, out, err) = publish(&dir, &["--allow", "answer-nxdomain"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\npublished 1.3 after 1.2") && err.starts_with("allowed: answer-nxdomain: "), "{out}{err}");
}

#[test]
fn questions_of_a_file_are_put_and_its_faults_told() {
    let dir = published("questions");
    let with = |file: &str| ["--questions".to_owned(), file.to_owned()];
    let planned = |more: &[String]| plan(&dir, &more.iter().map(String::as_str).collect::<Vec<_>>());
    dir.write("zones/example.com.zone", zone(2).replace("www A 192.0.2.2", "www AAAA 2001:db8::1"));
    dir.write("q", "; what must not break\nwww.example.com A\nexample.com. SOA 7\nhost1.example.com A 2\nx.test A\n");
    let (code, out, err) = planned(&with("q"));
    assert_eq!(code, 2, "{err}");
    let expected = "\
answers, by 4 questions from q: 1 answer changes, 9.1 % of the queries
- newly without data: 1 question, 9.1 % of the queries
    www.example.com. A (1): A 192.0.2.2 -> no data

error: answer-empty: zone example.com.: 10 % of the queries asked of it would be newly without data, more than 0.1 %: www.example.com. A, asked 1 times
  = help: bring back what is asked for, or raise answers-share-max in publish.toml; if it is meant: --allow answer-empty
";
    assert!(out.ends_with(expected), "{out}");
    // The same from standard input; what a team takes for little is none.
    dir.write("zones/publish.toml", "answers-share-max = 12.5\n");
    let mut command = catchment();
    command.args([
        "publish",
        "zones",
        "--to",
        "dir:store",
        "--channel",
        "prod",
        "--key",
        "prod.key",
        "--questions",
        "-",
    ]);
    command.current_dir(dir.path()).stdin(std::fs::File::open(dir.path().join("q")).unwrap());
    let output = command.output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && out.contains("\npublished 1.2 after 1.1"), "{out}");
    assert!(out.contains("\nanswers, by 4 questions from standard input: 1 answer changes, 9.1 % of"), "{out}");

    for (text, expected) in [
        ("a A\nb.example QQ\n", "error: bad:2: \"QQ\" is no type; write its mnemonic, such as AAAA"),
        ("; nothing\n", "error: bad: there is no question in it; give a file of lines such as `www.example.com A 12`"),
        ("a..b A\n", "error: bad:1: \"a..b\" is no domain name: "),
    ] {
        dir.write("bad", text);
        let (code, out, err) = planned(&with("bad"));
        assert!(code == 1 && out.is_empty() && err.starts_with(expected), "{err}");
    }
    let (code, _, err) = planned(&with("nowhere"));
    assert!(code == 1 && err.starts_with("error: nowhere: ") && err.contains("give a file of lines"), "{err}");
}

/// A zone that does not change, and that a publisher remembers without having its image, is fetched for the sake of what is asked of it.
#[test]
fn an_alias_that_stays_leads_into_what_changes() {
    let dir = published("alias");
    dir.write("zones/example.org.zone", format!("{}shop CNAME www.example.com.\n", zone(2)));
    let cache = ["--cache", "cache"];
    // A file that changed within the last ticks of the clock is not remembered: it may change again without a new time.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(publish(&dir, &cache).0, 0);
    dir.write("zones/example.com.zone", zone(2).replace("www A 192.0.2.2\n", ""));
    dir.write("q", "shop.example.org A 3\nwww.example.org A\n");
    for _ in 0..2 {
        let (code, out, err) = publish(&dir, &[&cache[..], &["--questions", "q"]].concat());
        assert_eq!(code, 5, "{err}");
        assert!(
            out.ends_with(
                "answers, by 2 questions from q: 1 answer changes, 75 % of the queries\n\
             - newly NXDOMAIN: 1 question, 75 % of the queries\n\
             \x20   shop.example.org. A (3): CNAME www.example.com., A 192.0.2.2 -> NXDOMAIN\n"
            ),
            "{out}"
        );
        assert!(err.starts_with("error: answer-nxdomain: zone example.org.: 75 % of"), "{err}");
    }
    // Without its image the alias can't be seen, and that is said.
    for name in std::fs::read_dir(dir.path().join("store/blobs"))
        .unwrap()
        .flat_map(|e| std::fs::read_dir(e.unwrap().path()).unwrap())
    {
        let path = name.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        if octets.windows(4).any(|at| at == b"shop") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let (code, out, err) = plan(&dir, &[&cache[..], &["--questions", "q"]].concat());
    assert_eq!(code, 2, "{err}");
    assert!(
        out.contains(
            "\nanswers, by 0 questions from q: no answer changes; 2 questions not put, as the zones are not at hand\n"
        ),
        "{out}"
    );
}

/// Nobody believes a report: what can't be read is told, and stops nothing.
#[test]
fn reports_that_are_none_stop_nothing() {
    let dir = published("reports");
    let report = |node: &str, text: &str| {
        let hex: String = node.bytes().map(|octet| format!("{octet:02x}")).collect();
        dir.write(&format!("store/channels/prod/nodes/{hex}.json"), text);
    };
    std::fs::create_dir_all(dir.path().join("store/channels/prod/nodes")).unwrap();
    let good = |questions: &str| {
        format!(
            "{{\"node\":\"x\",\"version\":\"0\",\"time-secs\":1,\"serving\":null,\"problem\":null,\"ready\":true,\
             \"announce\":null,\"zones\":1,\"failed\":0,\"qps\":1,\"traffic\":{{\"queries\":5,\"questions\":[{questions}]}}}}"
        )
    };
    report("a", "no JSON");
    report("b", &good("\"www.example.com. A -3\""));
    report("c", &good("\"www.example.com. A 20\",\"host1.example.com. A 18446744073709551615\""));
    report("d", &good(&vec!["\"www.example.com. A 1\""; 2_000].join(",")));
    report("e", &good(""));
    dir.write("zones/example.com.zone", zone(2).replace("www A 192.0.2.2", "www A 192.0.2.3"));
    let (code, out, err) = publish(&dir, &[]);
    assert_eq!(code, 0, "{err}");
    let left_out =
        |node: &str| format!("note: the report of node {node} can't be read: what it is asked is left out\n");
    assert_eq!(err, ["a", "b", "d"].map(left_out).concat());
    assert!(
        out.contains(
            "\nanswers, by 2 questions from 1 node (100 % of what these are asked): 1 answer changes, under 0.01 %"
        ),
        "{out}"
    );
}
