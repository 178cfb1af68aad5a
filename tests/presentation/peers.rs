//! The same examples through the readers of BIND and Knot: BIND prints what it read, and that is the same record.

use super::examples::EXAMPLES;
use super::support::peers::Peers;
use super::support::process::TempDir;
use super::support::skip;
use super::{octets, only, parse, parse_data, written};
use catchment::wire::code::rtype;
use std::collections::BTreeMap;
use std::process::Command;

/// What BIND writes otherwise than we do; what is written, why.
const BIND_WRITES: &[(&str, &str, &str)] = &[
    ("SIG TYPE0 ", "SIG 0 ", "type 0 has no name: a bare number, which we read too"),
    (
        "LOC 42 21 54.000 N 71 6 18.000 W -24.00m 30.00m 10000.00m 10.00m",
        "LOC 42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m",
        "whole metres without decimals",
    ),
    (
        "LOC 52 14 5.000 N 0 8 50.000 E 10.00m 1.00m 10000.00m 10.00m",
        "LOC 52 14 5.000 N 0 8 50.000 E 10.00m 1m 10000m 10m",
        "whole metres without decimals",
    ),
    (
        "LOC 32 7 19.000 S 116 2 25.000 E 10.00m 20.00m 100.00m 3.00m",
        "LOC 32 7 19.000 S 116 2 25.000 E 10.00m 20m 100m 3m",
        "whole metres without decimals",
    ),
    ("NXT . NS TYPE127", "NXT . NS 127", "types without a name as numbers, in NXT alone"),
    ("CERT 3 0 0 ", "CERT PGP 0 0 ", "names of numbers, in CERT alone"),
    ("CERT 65535 65535 5 ", "CERT 65535 65535 RSASHA1 ", "names of numbers, in CERT alone"),
    ("CERT 254 1 254 ", "CERT OID 1 PRIVATEOID ", "names of numbers, in CERT alone"),
    ("APL \\# 0", "APL", "nothing for a list of nothing"),
    ("DSYNC CDS 1 ", "DSYNC CDS NOTIFY ", "the name of the scheme"),
    ("NID 10 0014:", "NID 10 14:", "groups without zeros in front, which Knot would refuse"),
    (
        "NID 65535 0014:4fff:0000:0001",
        "NID 65535 14:4fff:0:1",
        "groups without zeros in front, which Knot would refuse",
    ),
    ("L64 10 2001:0db8:", "L64 10 2001:db8:", "groups without zeros in front, which Knot would refuse"),
    (
        "NSEC \\000.a.example. RRSIG NSEC NXNAME",
        "NSEC \\000.a.example. RRSIG NSEC TYPE128",
        "a type that is younger than BIND 9.18",
    ),
];

/// What BIND does not read, and why we do.
const BIND_REFUSES: &[(&str, &str)] =
    &[("IPSECKEY 0 0 0 .", "RFC 4025 section 2.4: with algorithm 0 there is no key. BIND asks for one all the same")];

/// What BIND reads only in the generic form.
const BIND_GENERIC: &[(&str, &str)] =
    &[("NSEC \\000.a.example. RRSIG NSEC nxname", "NXNAME is younger than BIND 9.18")];

/// The types that Knot DNS 3.2 has no text form for. Newer ones know DSYNC, RESINFO and WALLET, and take the generic form too.
const KNOT_GENERIC: &str = "MB MG MR WKS X25 ISDN NSAP NSAP-PTR SIG PX GPOS NXT EID NIMLOC ATMA A6 SINK HIP NINFO RKEY TALINK DSYNC \
                            HHIT BRID AVC DOA AMTRELAY RESINFO WALLET TA DLV";

/// What Knot does not read, and why we do.
const KNOT_REFUSES: &[(&str, &str)] = &[
    ("KEY 49152 3 5", "RFC 2535 section 3.1.2 has keys without a key"),
    ("DS 1 255 255 00", "Knot judges algorithms when it reads; a DS of a future one is no fault of the text"),
    ("NSEC \\000.a.example. RRSIG NSEC NXNAME", "NXNAME is younger than Knot 3.2"),
    (
        "NSEC3 2 255 65535 00 CO TYPE65535",
        "Knot reads Base 32 in groups of eight digits alone, which RFC 5155 section 3.3 does not ask for",
    ),
];

fn is_listed(list: &[(&str, &str)], text: &str) -> bool {
    list.iter().any(|(example, _)| *example == text)
}

/// The data in the form of RFC 3597, with the type as a number.
fn generic(text: &str) -> String {
    let parsed = parse_data(text);
    let hex: String = octets(&parsed).iter().map(|octet| format!("{octet:02x}")).collect();
    format!("TYPE{} \\# {} {hex}", only(&parsed).rtype, hex.len() / 2)
}

fn zone(lines: impl Iterator<Item = (usize, String)>) -> String {
    let records: String = lines.map(|(number, data)| format!("n{number} {data}\n")).collect();
    format!("$TTL 60\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n{records}")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{err}\n{out:.1000}", output.status);
    out.into_owned()
}

/// The text without what makes no difference: blanks and case outside of quotes.
fn squeezed(text: &str) -> String {
    let mut in_quotes = false;
    let mut escaped = false;
    let mut squeezed = String::new();
    for c in text.chars() {
        if c == '"' && !escaped {
            in_quotes = !in_quotes;
        }
        escaped = c == '\\' && !escaped;
        match c {
            ' ' | '\t' if !in_quotes => {}
            c if in_quotes => squeezed.push(c),
            c => squeezed.push(c.to_ascii_uppercase()),
        }
    }
    squeezed
}

/// BIND's text for what we write, where it is another one.
fn as_bind_writes(ours: &str) -> String {
    match BIND_WRITES.iter().find(|(prefix, _, _)| ours.starts_with(prefix)) {
        Some((prefix, theirs, _)) => ours.replacen(prefix, theirs, 1),
        None => ours.to_owned(),
    }
}

/// As they stand in the table, and as we write them out.
#[test]
fn bind_reads_the_same_and_what_it_writes_is_read_as_the_same() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return skip(why),
    };
    let ours: BTreeMap<usize, String> =
        EXAMPLES.iter().enumerate().map(|(number, (text, _))| (number, written(&parse_data(text)).unwrap())).collect();
    let as_given = |number: usize| EXAMPLES[number].0.to_owned();
    let as_written = |number: usize| ours[&number].clone();
    let forms: [&dyn Fn(usize) -> String; 2] = [&as_given, &as_written];
    for form in forms {
        let lines = ours.keys().filter(|&&number| !is_listed(BIND_REFUSES, EXAMPLES[number].0)).map(|&number| {
            let example = EXAMPLES[number].0;
            (number, if is_listed(BIND_GENERIC, example) { generic(example) } else { form(number) })
        });
        let dir = TempDir::new("presentation-bind");
        let file = dir.write("example.zone", zone(lines));
        let mut command = match peers.command("NAMED_COMPILEZONE") {
            Ok(command) => command,
            Err(why) => return skip(why),
        };
        // What a zone says as a whole is not judged here.
        for check in [
            "-i", "none", "-k", "ignore", "-m", "ignore", "-n", "ignore", "-r", "ignore", "-S", "ignore", "-T",
            "ignore",
        ] {
            command.arg(check);
        }
        let theirs = run(command.args(["-o", "-", "example."]).arg(file));
        let mut wrong = Vec::new();
        let mut seen = 0;
        for line in theirs.lines() {
            let Some((number, rest)) = line.strip_prefix('n').and_then(|rest| rest.split_once(".example.")) else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else { continue };
            let data = rest.split_once(" IN ").map_or(rest, |(_, data)| data);
            let expected = as_bind_writes(&ours[&number]);
            if squeezed(data) != squeezed(&expected) {
                wrong.push(format!("{data}, not {expected}"));
            }
            if octets(&parse(line)) != octets(&parse_data(EXAMPLES[number].0)) {
                wrong.push(format!("{data} is read otherwise than {}", EXAMPLES[number].0));
            }
            seen += 1;
        }
        assert_eq!(wrong, [""; 0]);
        assert_eq!(seen, EXAMPLES.len() - BIND_REFUSES.len());
    }
}

/// As we write them out; types that Knot has no text form for in the generic form.
#[test]
fn knot_reads_what_we_write() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return skip(why),
    };
    let mut command = match peers.command("KZONECHECK") {
        Ok(command) => command,
        Err(why) => return skip(why),
    };
    let without_text: Vec<&str> = KNOT_GENERIC.split_whitespace().collect();
    let lines = EXAMPLES.iter().enumerate().filter_map(|(number, (text, _))| {
        let ours = written(&parse_data(text)).unwrap();
        let mnemonic = ours.split(' ').next().unwrap();
        assert!(rtype::from_text(mnemonic).is_some());
        if is_listed(KNOT_REFUSES, &ours) {
            return None;
        }
        Some((number, if without_text.contains(&mnemonic) { generic(text) } else { ours }))
    });
    let dir = TempDir::new("presentation-knot");
    let file = dir.write("example.zone", zone(lines));
    run(command.args(["-o", "example.", "-d", "off"]).arg(file));
}

/// Nothing is explained that is not there.
#[test]
fn every_explanation_is_of_an_example() {
    let ours: Vec<String> = EXAMPLES.iter().map(|(text, _)| written(&parse_data(text)).unwrap()).collect();
    for (prefix, _, _) in BIND_WRITES {
        assert!(ours.iter().any(|ours| ours.starts_with(prefix)), "{prefix}");
    }
    for (text, _) in BIND_REFUSES.iter().chain(BIND_GENERIC) {
        assert!(EXAMPLES.iter().any(|(example, _)| example == text), "{text}");
    }
    for (text, _) in KNOT_REFUSES {
        assert!(ours.iter().any(|ours| ours == text), "{text}");
    }
}
