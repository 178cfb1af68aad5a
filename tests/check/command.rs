//! `catchment check` as a command: what it prints, in text and JSON, and its exit codes.

use crate::support::catchment::{run, zone};
use crate::support::process::TempDir;

const BAD: &str =
    "$TTL 1h\n@ SOA ns hostmaster 1 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2\n@ MX 10 mail\nx CNAME ns\nx TXT y\n";
const DOUBTFUL: &str = "$TTL 1h\n@ SOA ns hostmaster 1 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2.1\n@ MX 10 mail\n";

fn directory(label: &str, files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new(label);
    std::fs::create_dir(dir.path().join("zones")).unwrap();
    files.iter().for_each(|(name, text)| drop(dir.write(&format!("zones/{name}"), text)));
    dir
}

#[test]
fn all_problems_of_all_zones_in_one_run() {
    let dir = directory(
        "check",
        &[
            ("a.zone", &zone(1)),
            ("bad.zone", BAD),
            ("doubtful.zone", DOUBTFUL),
            ("README", "hello"),
            ("db.doubtful", DOUBTFUL),
        ],
    );
    let (code, said, error) = run(&["check", "zones"], dir.path());
    assert_eq!(code, 1);
    assert_eq!(error, "note: no zone: zones/README: it has no SOA record at README.\n");
    let expected = "\
error: expected an IPv4 address such as 192.0.2.1, found `192.0.2`
 --> zones/bad.zone:4:6
  |
4 | ns A 192.0.2
  |      ^^^^^^^";
    assert!(said.contains(expected), "{said}");
    let expected = "\
error: x.bad. has a CNAME record and other data (TXT)
 --> zones/bad.zone:6:1
  |
6 | x CNAME ns
  | ^^^^^^^^^^
  |
  = help: keep either the CNAME or the other records";
    assert!(said.contains(expected), "{said}");
    let expected = "\
warning: doubtful. MX: mail.doubtful. is not in the zone
 --> zones/doubtful.zone:5:9
  |
5 | @ MX 10 mail
  |         ^^^^
  |
  = help: add it, or mend the name
";
    assert!(said.contains(expected), "{said}");
    assert!(
        said.contains("error: zone doubtful. has another file, zones/db.doubtful\n--> zones/doubtful.zone\n"),
        "{said}"
    );
    assert!(said.ends_with("4 zones, 42 records: 3 errors, 2 warnings\n"), "{said}");
    // In a pipe there is no colour, and no bar.
    assert!(!said.contains('\u{1b}') && !error.contains('\u{1b}'));
}

#[test]
fn exit_codes() {
    let dir = directory("check-codes", &[("good.zone", &zone(1)), ("bad.zone", BAD), ("doubtful.zone", DOUBTFUL)]);
    dir.write("somewhere", DOUBTFUL);
    for (arguments, expected) in [
        (&["zones/good.zone"][..], 0),
        (&["zones/good.zone", "--strict"], 0),
        (&["zones/doubtful.zone"], 0),
        (&["zones/doubtful.zone", "--strict"], 1),
        (&["zones/bad.zone"], 1),
        (&["zones/good.zone", "zones/bad.zone"], 1),
        (&["zones", "--zone", "GOOD."], 0),
        (&["zones", "--zone", "bad"], 1),
        (&["somewhere", "--zone", "example.com"], 0),
        (&["zones/good.zone", "--dnssec"], 1),
        (&["zones/good.zone", "--time", "20261130000000"], 0),
        (&[], 2),
        (&["nowhere"], 2),
        (&["zones", "--zone", "a..b"], 2),
        (&["zones", "--zone", "other"], 2),
        (&["zones", "--time", "tomorrow"], 2),
        (&["zones", "--format", "xml"], 2),
    ] {
        let (code, said, error) = run(&[&["check"], arguments].concat(), dir.path());
        assert_eq!(code, expected, "{arguments:?}: {said}{error}");
        assert_eq!(error.is_empty(), expected != 2, "{arguments:?}: {error}");
    }
    let (_, said, _) = run(&["check", "zones/good.zone", "--dnssec"], dir.path());
    assert!(said.starts_with("error: good. is not signed\n--> zones/good.zone\n"), "{said}");
    let (_, _, error) = run(&["check", "zones", "--time", "tomorrow"], dir.path());
    assert!(error.contains("write YYYYMMDDHHmmSS, YYYY-MM-DDTHH:MM:SSZ or seconds since 1970"), "{error}");
}

#[test]
fn one_json_document() {
    let dir = directory("check-json", &[("bad.zone", "$INCLUDE more\n"), ("more", BAD), ("x~", "")]);
    let (code, said, error) = run(&["check", "zones", "--format", "json", "--zone", "bad"], dir.path());
    assert_eq!((code, error.as_str()), (1, ""));
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let expected = serde_json::json!({
        "errors": 2,
        "warnings": 0,
        "zones": [{
            "zone": "bad.", "file": "zones/bad.zone", "serial": null, "records": null, "errors": 2, "warnings": 0,
            "findings": [
                {
                    "severity": "error", "file": "zones/more", "line": 4, "column": 6, "width": 7,
                    "message": "expected an IPv4 address such as 192.0.2.1, found `192.0.2`",
                    "remedy": document["zones"][0]["findings"][0]["remedy"],
                    "included-from": ["zones/bad.zone:1"],
                },
                {
                    "severity": "error", "file": "zones/more", "line": 6, "column": null, "width": null,
                    "message": "x.bad. has a CNAME record and other data (TXT)",
                    "remedy": "keep either the CNAME or the other records",
                    "included-from": ["zones/bad.zone:1"],
                },
            ],
        }],
        "skipped": [
            { "file": "zones/x~", "reason": "is a backup, journal or other leftover by its name" },
        ],
    });
    assert_eq!(document, expected, "{said}");

    let (code, said, _) = run(&["check", "zones/more", "--zone", "x", "--format=json"], dir.path());
    assert_eq!(code, 1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&said).unwrap()["zones"][0]["zone"], "x.");
}

/// The same checks, wherever a zone is read.
#[test]
fn serve_and_publish_say_the_same() {
    let dir = directory("check-same", &[("bad.zone", &format!("{DOUBTFUL}sub NS ns.sub\n"))]);
    let words = "sub.bad. is delegated to ns.sub.bad., which lies in it and has no address here";
    let keys = run(&["keygen", "--out", "prod"], dir.path());
    assert_eq!(keys.0, 0, "{}", keys.2);
    for command in [
        &["check", "zones"][..],
        &["serve", "zones", "--check-config"],
        &["publish", "zones", "--to", "dir:store", "--channel", "prod", "--key", "prod.key"],
        &["compile", "zones", "-o", "images"],
    ] {
        let (code, said, error) = run(command, dir.path());
        // A publish could be told to go on.
        assert_eq!(code, if command[0] == "publish" { 5 } else { 1 }, "{command:?}");
        let said = said + &error;
        assert!(said.contains(words) && said.contains("mail.bad. is not in the zone"), "{command:?}: {said}");
    }
}

/// DS records of a parent zone, and the keys of its child, from different paths of one run.
#[test]
fn a_parent_beside_its_child() {
    let zone = "$TTL 1h\n@ SOA ns hostmaster 1 1h 15m 2w 30m\n@ NS ns\nns A 192.0.2.1\n";
    let key = "@ DNSKEY 257 3 15 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let dir = directory(
        "check-family",
        &[
            ("com.zone", &format!("{zone}{key}a NS ns\nb NS ns\n")),
            ("a.com.zone", &format!("{zone}{key}")),
            ("b.com.zone", zone),
        ],
    );
    let words = "a.com. is signed, but has no DS record here";
    let (code, said, error) = run(&["check", "zones/com.zone", "zones/a.com.zone", "zones/b.com.zone"], dir.path());
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains(&format!("warning: {words}\n --> zones/com.zone:6:1\n")), "{said}");
    assert!(!said.contains("b.com. "), "{said}");
    let (_, said, _) = run(&["check", "zones", "--format", "json"], dir.path());
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let zones = document["zones"].as_array().unwrap();
    let parent = zones.iter().find(|zone| zone["zone"] == "com.").unwrap();
    let found = parent["findings"].as_array().unwrap().last().unwrap();
    assert_eq!((found["message"].as_str(), found["line"].as_u64()), (Some(words), Some(6)), "{said}");
    let counted: u64 = zones.iter().map(|zone| zone["warnings"].as_u64().unwrap()).sum();
    assert_eq!(document["warnings"], counted);
    assert_eq!(parent["warnings"], parent["findings"].as_array().unwrap().len());
    let (_, said, _) = run(&["check", "zones/com.zone"], dir.path());
    assert!(!said.contains(words), "{said}");
}

#[test]
fn findings_at_the_lines_of_a_change_under_review() {
    let dir = directory("check-annotate", &[("bad.zone", BAD), ("doubtful.zone", DOUBTFUL), ("README", "hello")]);
    let (code, said, error) = run(&["check", "zones", "--format", "github"], dir.path());
    assert_eq!((code, error.as_str()), (1, "note: no zone: zones/README: it has no SOA record at README.\n"));
    let lines: Vec<&str> = said.lines().collect();
    for line in [
        "::error file=zones/bad.zone,line=4,col=6,endColumn=13::expected an IPv4 address such as 192.0.2.1, found `192.0.2`; \
         the form is: A <address>",
        "::error file=zones/bad.zone,line=6::x.bad. has a CNAME record and other data (TXT); \
         keep either the CNAME or the other records",
        "::warning file=zones/doubtful.zone,line=5,col=9,endColumn=13::doubtful. MX: mail.doubtful. is not in the zone; \
         add it, or mend the name",
    ] {
        assert!(lines.contains(&line), "{line} is not in:\n{said}");
    }
    assert!(lines.last().unwrap().starts_with("2 zones, "), "{said}");

    let (code, said, _) = run(&["check", "zones", "--format", "gitlab", "--zone", "doubtful"], dir.path());
    assert_eq!(code, 0);
    let expected = r#"[
  {
    "description": "doubtful. MX: mail.doubtful. is not in the zone; add it, or mend the name",
    "check_name": "catchment-check",
    "fingerprint": "FINGERPRINT",
    "severity": "minor",
    "location": {
      "path": "zones/doubtful.zone",
      "lines": {
        "begin": 5
      }
    }
  }
]
"#;
    let fingerprint = said.split("\"fingerprint\": \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(fingerprint.len(), 32);
    assert_eq!(said.replace(fingerprint, "FINGERPRINT"), expected);
    let (code, said, _) = run(&["check", "zones", "--format", "gitlab"], dir.path());
    let report: Vec<serde_json::Value> = serde_json::from_str(&said).unwrap();
    let errors = report.iter().filter(|entry| entry["severity"] == "critical").count();
    assert_eq!((code, errors, report.len()), (1, 2, 3));
}
