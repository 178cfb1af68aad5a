//! Signed zones, made by BIND's and ldns' signers and then damaged: what is said of each, and what other verifiers say.
//!
//! Where a verdict differs from ours the row says why, with the RFC.

use crate::support;
use crate::support::peers::Peers;
use crate::support::process::TempDir;
use catchment::calendar;
use catchment::wire::name::Name;
use catchment::zone::check::dnssec;
use catchment::zone::compile::compile;
use catchment::zone::finding::Severity;
use catchment::zone::parse::{Options, parse_text};
use std::path::Path;
use std::process::Command;

const ZONE: &str = "$TTL 1h
@ SOA ns hostmaster 1 1h 15m 2w 30m
@ NS ns
ns A 192.0.2.1
www A 192.0.2.2
a.ent TXT x
*.w A 192.0.2.3
sub NS ns.sub
ns.sub A 192.0.2.4
b.sub2 NS ns
sec NS ns
sec DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
alias CNAME www
";
/// All signatures are valid from 2020 to 2037: by any clock that tests run under, and ldns counts in 31 bits.
const BEGINS: &str = "20200101000000";
const EXPIRES: &str = "20371231000000";
const NOW: &str = "2026-11-30T00:00:00Z";

/// How a zone is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    Nsec,
    Nsec3,
    /// With iterations and salt, which RFC 9276 advises against.
    OldNsec3,
    OptOut,
    /// By ldns, with a ZONEMD record.
    Digest,
}

/// The zone's text, signed, a record a line; and the tags of the key-signing key and of the other.
struct Signed {
    lines: Vec<String>,
    ksk: String,
    zsk: String,
}

/// Runs a command that must go well, in a directory, and gives its standard output.
fn output(command: &mut Command, dir: &Path) -> String {
    let output = command.current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn sign(peers: &Peers, signing: Signing, algorithm: &str) -> Result<Signed, String> {
    let dir = TempDir::new("signed");
    dir.write("zone", ZONE);
    let keygen = |more: &[&str]| -> Result<String, String> {
        let mut command = peers.command("DNSSEC_KEYGEN")?;
        command.args(["-q", "-a", algorithm]).args(more).arg("example.com");
        Ok(output(&mut command, dir.path()).trim().to_owned())
    };
    let (ksk, zsk) = (keygen(&["-f", "KSK"])?, keygen(&[])?);
    let text = if signing == Signing::Digest {
        let mut command = peers.command("LDNS_SIGNZONE")?;
        command.args(["-i", BEGINS, "-e", EXPIRES, "-z", "1:1", "-f", "out", "zone", &ksk, &zsk]);
        // ldns wants the origin in the file.
        dir.write("zone", format!("$ORIGIN example.com.\n{ZONE}"));
        output(&mut command, dir.path());
        std::fs::read_to_string(dir.path().join("out")).unwrap()
    } else {
        let mut command = peers.command("DNSSEC_SIGNZONE")?;
        command.args(["-q", "-P", "-S", "-O", "full", "-s", BEGINS, "-e", EXPIRES, "-o", "example.com", "-f", "out"]);
        match signing {
            Signing::Nsec3 => drop(command.args(["-3", "-", "-H", "0"])),
            Signing::OldNsec3 => drop(command.args(["-3", "AABB", "-H", "10"])),
            Signing::OptOut => drop(command.args(["-3", "-", "-H", "0", "-A"])),
            Signing::Nsec | Signing::Digest => {}
        }
        output(command.arg("zone"), dir.path());
        std::fs::read_to_string(dir.path().join("out")).unwrap()
    };
    let lines = text.lines().map(|line| line.split(';').next().unwrap_or_default());
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let tag = |key: &str| key.rsplit('+').next().unwrap().trim_start_matches('0').to_owned();
    Ok(Signed { lines: lines.filter(|line| !line.is_empty()).collect(), ksk: tag(&ksk), zsk: tag(&zsk) })
}

/// A change to the text of a signed zone.
#[derive(Debug, Clone, Copy)]
enum Edit {
    /// The only line that begins so goes.
    Remove(&'static str),
    /// All lines with this in them go.
    RemoveAll(&'static str),
    /// In the only line that begins with the first, the second becomes the third.
    Change(&'static str, &'static str, &'static str),
    /// The same in all lines that have the first in them.
    ChangeAll(&'static str, &'static str, &'static str),
    /// A letter of the signature in this line becomes another.
    Spoil(&'static str),
    Add(&'static str),
}

fn edited(signed: &Signed, edits: &[Edit]) -> String {
    let mut lines = signed.lines.clone();
    for edit in edits {
        let only = |lines: &[String], start: &str| -> usize {
            let found: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].starts_with(start)).collect();
            assert_eq!(found.len(), 1, "{start}: {lines:#?}");
            found[0]
        };
        match *edit {
            Edit::Remove(start) => drop(lines.remove(only(&lines, start))),
            Edit::RemoveAll(part) => {
                let before = lines.len();
                lines.retain(|line| !line.contains(part));
                assert!(lines.len() < before, "{part}");
            }
            Edit::Change(start, from, to) => {
                let at = only(&lines, start);
                let new = lines[at].replacen(from, to, 1);
                assert_ne!(new, lines[at], "{edit:?}");
                lines[at] = new;
            }
            Edit::ChangeAll(part, from, to) => {
                lines.iter_mut().filter(|line| line.contains(part)).for_each(|line| *line = line.replacen(from, to, 1));
            }
            Edit::Spoil(start) => {
                let at = only(&lines, start);
                let letter = lines[at].len() - 10;
                let other = if lines[at].as_bytes()[letter] == b'A' { "B" } else { "A" };
                lines[at].replace_range(letter..=letter, other);
            }
            Edit::Add(line) => lines.push(line.into()),
        }
    }
    lines.join("\n") + "\n"
}

/// `error: message` of each finding about a signed zone, tags and times by name.
fn findings(signed: &Signed, text: &str, now: &str) -> Vec<String> {
    let apex: Name = "example.com".parse().unwrap();
    let parsed = parse_text("zone", text, &apex, &Options::default());
    assert!(!parsed.has_errors(), "{:#?}\n{text}", parsed.diagnostics);
    assert!(compile(&apex, &parsed.records).0.is_some(), "{text}");
    let now_secs = calendar::read(now).unwrap();
    let judgement = dnssec::judge(&apex, &parsed.records, now_secs, 2);
    assert!(judgement.is_signed);
    let lines = judgement.findings.iter().map(|finding| {
        assert!(!finding.remedy.is_empty(), "{}", finding.message);
        format!("{}: {}", if finding.severity == Severity::Error { "error" } else { "warning" }, finding.message)
    });
    let mut lines: Vec<String> = lines
        .map(|line| {
            line.replace(&format!("key {}", signed.ksk), "key KSK").replace(&format!("key {}", signed.zsk), "key ZSK")
        })
        .collect();
    // A key that is revoked has another tag than it was made with.
    for line in lines.iter_mut().filter(|line| line.contains("revoked key ")) {
        *line = line
            .split(' ')
            .map(|word| if word.parse::<u16>().is_ok() { "N" } else { word })
            .collect::<Vec<_>>()
            .join(" ");
    }
    lines.sort();
    lines
}

/// Whether each verifier takes the zone: BIND's, ldns', Knot's. `None`: it is not asked.
fn verdicts(peers: &Peers, text: &str) -> Result<[bool; 3], String> {
    let dir = TempDir::new("verdicts");
    let path = dir.write("example.com.zone", text);
    let mut all = [false; 3];
    for (verdict, (key, arguments)) in all.iter_mut().zip([
        ("DNSSEC_VERIFY", &["-q", "-o", "example.com"][..]),
        ("LDNS_VERIFY_ZONE", &["-V", "0"]),
        ("KZONECHECK", &["-d", "on", "-o", "example.com"]),
    ]) {
        let status =
            peers.command(key)?.args(arguments).arg(&path).output().map_err(|error| format!("{key}: {error}"))?;
        *verdict = status.status.success();
    }
    Ok(all)
}

/// One zone: what is done to it, what we say, what the others say, and why where they differ from us.
struct Row {
    signing: Signing,
    edits: &'static [Edit],
    ours: &'static [&'static str],
    /// `+` takes it, `-` does not: BIND's dnssec-verify, ldns-verify-zone, kzonecheck.
    others: &'static str,
    why: &'static str,
}

include!("signed_rows.rs");

#[test]
fn damaged_zones_beside_other_verifiers() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let mut wrong = Vec::new();
    for signing in [Signing::Nsec, Signing::Nsec3, Signing::OldNsec3, Signing::OptOut, Signing::Digest] {
        let signed = match sign(&peers, signing, "ECDSAP256SHA256") {
            Ok(signed) => signed,
            Err(why) => return support::skip(why),
        };
        for row in ROWS.iter().filter(|row| row.signing == signing) {
            let text = edited(&signed, row.edits);
            let ours = findings(&signed, &text, NOW);
            let others = match verdicts(&peers, &text) {
                Ok(all) => all.map(|taken| if taken { '+' } else { '-' }).iter().collect::<String>(),
                Err(why) => return support::skip(why),
            };
            if ours != row.ours || others != row.others {
                wrong.push(format!("{signing:?} {:?}\n  ours {ours:#?}\n  others {others:?}", row.edits));
            }
            let taken = !ours.iter().any(|line| line.starts_with("error"));
            if row.others.contains(if taken { '-' } else { '+' }) == row.why.is_empty() {
                wrong.push(format!("{signing:?} {:?}: each disagreement has its reason, and nothing else", row.edits));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_clock_decides() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let signed = match sign(&peers, Signing::Nsec, "ED25519") {
        Ok(signed) => signed,
        Err(why) => return support::skip(why),
    };
    let text = signed.lines.join("\n") + "\n";
    for (now, expected) in [
        (NOW, None),
        ("2019-12-31T23:59:59Z", Some("has a signature that is not valid before 2020-01-01T00:00:00Z")),
        ("2020-01-01T00:00:00Z", None),
        ("2037-12-28T00:00:00Z", None),
        ("2037-12-28T00:00:01Z", Some("has a signature that ends at 2037-12-31T00:00:00Z, within 3 days")),
        ("2037-12-31T00:00:00Z", Some("has a signature that ends at 2037-12-31T00:00:00Z, within 3 days")),
        ("2037-12-31T00:00:01Z", Some("has a signature that expired at 2037-12-31T00:00:00Z")),
    ] {
        let found = findings(&signed, &text, now);
        match expected {
            None => assert_eq!(found, [""; 0], "{now}"),
            Some(expected) => {
                assert!(found.contains(&format!("error: www.example.com. A {expected}")), "{now}: {found:#?}");
                let signatures =
                    signed.lines.iter().filter(|line| line.contains(" RRSIG ") && !line.contains(" IN NSEC "));
                assert_eq!(found.len(), signatures.count(), "{found:#?}");
            }
        }
    }
}

#[test]
fn algorithms_and_key_sizes() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    for (algorithm, expected) in [
        ("RSASHA256", &[][..]),
        ("RSASHA512", &[]),
        ("ECDSAP384SHA384", &[]),
        ("ED25519", &[]),
        (
            "ED448",
            &[
                "warning: signatures by key ZSK (ED448) can't be verified here",
                "warning: signatures by key-signing key KSK (ED448) can't be verified here",
            ],
        ),
    ] {
        let signed = match sign(&peers, Signing::Nsec, algorithm) {
            Ok(signed) => signed,
            Err(why) => return support::skip(why),
        };
        let text = signed.lines.join("\n") + "\n";
        assert_eq!(findings(&signed, &text, NOW), expected, "{algorithm}");
        let spoiled = findings(&signed, &edited(&signed, &[Edit::Spoil("www.example.com. 3600 IN RRSIG A ")]), NOW);
        let told = spoiled.contains(&format!(
            "error: www.example.com. A has a signature by key ZSK ({algorithm}) that does not verify"
        ));
        assert_eq!(told, expected.is_empty(), "{algorithm}: {spoiled:?}");
    }
}
