//! `catchment plan`, and `publish` with its guards and serials: the real binary, on stores in directories.

mod support;

use serde_json::{Value, json};
use std::process::Stdio;
use support::catchment::{catchment, run, zone};
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
    assert_eq!((code, err.as_str()), (0, ""));
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
