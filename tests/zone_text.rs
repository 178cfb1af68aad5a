//! Zone text as an operator writes it: what is read, what is said about errors, and that text, image and text agree.

use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::diagnostic::{Diagnostic, Severity, render};
use catchment::zone::dump;
use catchment::zone::parse::{Options, Parsed, parse_file, parse_text};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn apex() -> Name {
    Name::from_text("example.com.").unwrap()
}

fn parse(text: &str) -> Parsed {
    parse_text("test.zone", text, &apex(), &Options::default())
}

/// The records of a zone as canonical text, tabs shown as blanks.
fn records(parsed: &Parsed) -> String {
    let mut text = String::new();
    for record in parsed.records.iter() {
        let (owner, rdata) = (parsed.records.owner(&record), parsed.records.rdata(&record));
        dump::write_record(owner, record.rtype, record.ttl_secs, rdata, &mut text);
    }
    text.replace('\t', " ")
}

/// Reads `text` without a finding, as `expected`: a record a line, blanks in front of lines ignored.
#[track_caller]
fn check(text: &str, expected: &str) {
    let parsed = parse(text);
    assert_eq!(render(&parsed.sources, &parsed.diagnostics, false), "", "{text}");
    let expected: String =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert_eq!(records(&parsed), expected, "{text}");
}

/// `line:column+width message` of each finding.
fn findings(diagnostics: &[Diagnostic]) -> Vec<String> {
    let one = |d: &Diagnostic| format!("{}:{}+{} {}", d.line, d.column, d.width, d.message);
    diagnostics.iter().map(one).collect()
}

/// Reads `text` with exactly one error, which begins as `expected` says.
#[track_caller]
fn refuse(text: &str, expected: &str) {
    let parsed = parse(text);
    let found = findings(&parsed.diagnostics);
    assert_eq!(found.len(), 1, "{text:.200}: {found:?}");
    assert!(found[0].starts_with(expected), "{text:.200}: {found:?}");
    assert!(parsed.has_errors());
    assert!(!parsed.diagnostics[0].remedy.is_empty(), "{text}");
}

#[test]
fn owner_ttl_and_class_in_any_order_or_left_out() {
    check(
        "$TTL 60\na 5 IN A 192.0.2.1\nb IN 5 A 192.0.2.1\nc IN A 192.0.2.1\nd 1h30m A 192.0.2.1\n\tA 192.0.2.2\n  class1 7 type1 192.0.2.3\nin a 192.0.2.4\n5 5 A 192.0.2.5",
        "a.example.com. 5 IN A 192.0.2.1
         b.example.com. 5 IN A 192.0.2.1
         c.example.com. 60 IN A 192.0.2.1
         d.example.com. 5400 IN A 192.0.2.1
         d.example.com. 60 IN A 192.0.2.2
         d.example.com. 7 IN A 192.0.2.3
         in.example.com. 60 IN A 192.0.2.4
         5.example.com. 5 IN A 192.0.2.5",
    );
}

#[test]
fn parentheses_comments_quotes_and_line_ends() {
    let expected = "example.com. 60 IN SOA ns.example.com. a\\.b.example.com. 1 7200 3600 1209600 300
         t.example.com. 60 IN TXT \"a ; b\" \"c\" \"d\\\"e\"
         u.example.com. 60 IN TXT \"f;g\" \"h\" \"\"
         v.example.com. 60 IN TXT \"AB\" \"gr\\195\\188n\"";
    let text = "$TTL 60 ; default\n\n; comment\n@ SOA ns a\\.b ( ; (\n 1 2h ; \"\n 1H 2w\n\n 5m ) ; end\nt TXT \"a ; b\" ( c\n\"d\\\"e\" )\nu TXT f\\;g\"h\"\"\";x\nv TXT \\065\\B grün";
    check(text, expected);
    check(&text.replace('\n', "\r\n"), expected);
    check(&format!("\u{feff}{text}"), expected);
}

#[test]
fn at_sign_and_relative_names_in_rdata() {
    check(
        "$TTL 60\n$ORIGIN sub\n@ MX 10 @\na MX 20 b\nc MX 30 d.\n. . ; owner and type\n"
            .replace(". . ; owner and type\n", "")
            .as_str(),
        "sub.example.com. 60 IN MX 10 sub.example.com.
         a.sub.example.com. 60 IN MX 20 b.sub.example.com.
         c.sub.example.com. 60 IN MX 30 d.",
    );
    check("$TTL 60\n\\@ CNAME \\@", "\\@.example.com. 60 IN CNAME \\@.example.com.");
}

#[test]
fn ttl_rules_of_rfc_2308_section_4() {
    let soa = "@ SOA . . 1 2 3 4 300\n";
    // The SOA's minimum, where there is nothing else: also for what follows, as in BIND.
    let parsed = parse(&format!("{soa}@ NS .\na 9 A 192.0.2.1\nb A 192.0.2.1\n"));
    assert_eq!(findings(&parsed.diagnostics), ["1:3+3 no TTL here and no $TTL before: taking the SOA's minimum, 300"]);
    assert_eq!(parsed.diagnostics[0].severity, Severity::Warning);
    assert_eq!(parsed.records.iter().map(|record| record.ttl_secs).collect::<Vec<_>>(), [300, 300, 9, 300]);
    // The last one stated, with one warning.
    let parsed = parse(&format!("@ 8 {}@ NS .\na 9 A 192.0.2.1\nb A 192.0.2.1\n$TTL 5\nc A 192.0.2.1\n", &soa[2..]));
    assert_eq!(
        findings(&parsed.diagnostics),
        ["2:3+2 no TTL here and no $TTL before: taking 8, as the last record that states one does"]
    );
    assert_eq!(parsed.records.iter().map(|record| record.ttl_secs).collect::<Vec<_>>(), [8, 8, 9, 9, 5]);
    // No TTL at all: one error, not one a record.
    let parsed = parse("a A 192.0.2.1\nb A 192.0.2.1\n");
    assert!(findings(&parsed.diagnostics)[0].starts_with("1:3+1 no TTL"));
    assert_eq!(parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error).count(), 1);
    refuse("$TTL 2147483648\n", "1:6+10 the TTL `2147483648` is over 2147483647");
}

#[test]
fn types_of_rfc_3597() {
    check(
        "$TTL 60\na TYPE65280 \\# 3 ( 0a 0\nB0c )\nb TYPE65280 \\# 0\nc TYPE1 \\# 4 C0000201\nd A \\# 4 C0 00 02 01\ne TYPE28 2001:db8::1\nf CLASS1 DNSKEY \\# 7 01010305010203",
        "a.example.com. 60 IN TYPE65280 \\# 3 0A0B0C
         b.example.com. 60 IN TYPE65280 \\# 0
         c.example.com. 60 IN A 192.0.2.1
         d.example.com. 60 IN A 192.0.2.1
         e.example.com. 60 IN AAAA 2001:db8::1
         f.example.com. 60 IN DNSKEY 257 3 5 AQID",
    );
    refuse("a 1 TYPE65280 \\# 3 0A0B", "1:18+1 3 octets are announced, but 2 follow");
    refuse("a 1 TYPE65280 \\# 1 0A0", "1:20+3 the octets: an odd number");
    refuse("a 1 TYPE65280 \\# 1 0G", "1:21+1 `G` in the octets is not a hexadecimal digit");
    refuse("a 1 A \\# 3 010203", "1:10+1 these octets are not valid A data");
    refuse("a 1 MX \\# 4 0001C00C", "1:11+1 these octets are not valid MX data");
    refuse("a 1 TYPE65536 \\# 0", "1:5+9 `TYPE65536` is not a type");
    refuse("a 1 DNSKEY \\# 4 01010305", "1:15+1 these octets are not valid DNSKEY data: it ends where the public key");
    let parsed = parse("a 1 NULL text");
    assert_eq!(findings(&parsed.diagnostics), ["1:10+4 NULL records have no text form here"]);
    assert!(parsed.diagnostics[0].remedy.contains("NULL \\# 4 0A000001"));
}

#[test]
fn types_that_are_no_zone_data() {
    refuse("a 1 MD b", "1:5+2 MD records are obsolete");
    refuse("a 1 AXFR", "1:5+4 AXFR is a type of questions");
    refuse("a 1 OPT \\# 0", "1:5+3 OPT is a type of questions");
    refuse("a 1 NXNAME \\# 0", "1:5+6 NXNAME is a type of questions");
}

/// What `tests/presentation` says of every type, here in the middle of a zone: names relative to its origin, lines joined.
#[test]
fn signed_records_as_signers_write_them() {
    check(
        "$TTL 60
         $ORIGIN sub
         a RRSIG A 13 4 60 ( 20300101000000 20291201000000 12345 @
             AQID BAUG ; end
             BwgJ )
         a NSEC b A RRSIG NSEC
         @ SVCB 1 . port=1 key9=x alpn=a mandatory=port,alpn"
            .replace("\n         ", "\n")
            .as_str(),
        "a.sub.example.com. 60 IN RRSIG A 13 4 60 20300101000000 20291201000000 12345 sub.example.com. AQIDBAUGBwgJ
         a.sub.example.com. 60 IN NSEC b.sub.example.com. A RRSIG NSEC
         sub.example.com. 60 IN SVCB 1 . mandatory=alpn,port alpn=\"a\" port=1 key9=\"x\"",
    );
}

#[test]
fn wrong_data_is_pointed_at() {
    let mut wrong = Vec::new();
    for (data, expected) in [
        ("A 192.0.2.256", "3+11 expected an IPv4 address"),
        ("A 192.0.02.1", "3+10 expected an IPv4 address"),
        ("A 192.0.2.1 x", "13+1 the record should end before `x`"),
        ("A", "2+1 the record ends where the record's data is expected"),
        ("AAAA 2001:db8::1::2", "6+14 expected an IPv6 address"),
        ("MX 65536 a", "4+5 expected the preference (a number from 0 to 65535)"),
        ("MX 10 ; a", "7+1 the record ends where the mail server's name is expected"),
        ("MX \"10\" a", "4+4 expected the preference (a number from 0 to 65535), found the quoted string `10`"),
        ("NS a..b", "6+1 the name server's name: a label is empty"),
        ("NS \"a\"", "4+3 the name server's name: a name can't stand in quotes"),
        ("TXT a\\256", "6+4 a text: `\\256` is not an escape"),
        ("TXT \"a", "5+2 this quote is not closed on its line"),
        ("SOA . . 1 2 3 4 1h30", "17+4 expected the minimum TTL"),
        ("DS 1 13 2 ABCD", "4+11 a digest of type 2 has 32 octets, not 2"),
        ("DS 1 NOPE 2 ABCD", "6+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)"),
        ("SSHFP 1 1 ABCD", "7+8 a digest of type 1 has 20 octets, not 2"),
        ("CAA 0 is-sue x", "7+6 expected the tag (1 to 255 letters and digits"),
        ("URI 1 1 \"\"", "9+2 expected the target, which may not be empty"),
        ("LOC 91 N 0 E 0m", "5+2 expected the latitude's degrees (0 to 90)"),
        ("LOC 90 0 0.001 N 0 E 0m", "5+12 the latitude is more than 90 degrees"),
        ("LOC 1 2 3.1234 N 0 E 0m", "9+6 expected the latitude's seconds"),
        ("LOC 1 2 3 4 N", "11+1 expected the latitude's direction"),
        ("LOC 1 N 0 E 0m 90000000.01m", "16+12 expected a size"),
        ("LOC 1 N 0 E -100000.01m", "13+11 expected an altitude"),
        ("SVCB 0 . port=1", "6+10 priority 0 makes an alias"),
        ("SVCB 1 . port=1 port=2", "17+6 port is given twice"),
        ("SVCB 1 . key3=\\000\\001 port=2", "24+6 port is given twice"),
        ("SVCB 1 . mandatory=port", "6+18 port is mandatory, but is not given"),
        ("SVCB 1 . mandatory=mandatory", "20+9 mandatory: it can't list itself"),
        ("SVCB 1 . mandatory=port,port port=1", "20+9 mandatory: port is listed twice"),
        ("SVCB 1 . no-default-alpn", "6+19 no-default-alpn needs alpn"),
        ("SVCB 1 . alpn=h2 no-default-alpn=x", "34+1 no-default-alpn: it takes no value"),
        ("SVCB 1 . alpn", "10+4 alpn: a protocol identifier is empty"),
        ("SVCB 1 . port=65536", "15+5 port: `65536` is not a port"),
        ("SVCB 1 . port=\"+1\"", "15+4 port: `+1` is not a port"),
        ("SVCB 1 . ech=AA", "14+2 ech: `AA` is not Base 64"),
        ("SVCB 1 . ipv4hint=192.0.2.1,::1", "19+13 ipv4hint: `::1` is not an IPv4 address"),
        ("SVCB 1 . key07=x", "10+5 expected a parameter's key"),
        ("SVCB 1 . key65535=x", "10+8 expected a parameter's key"),
        ("SVCB 1 . \"alpn=h2\"", "10+9 expected a parameter"),
        ("HTTPS 1 . key4=abc", "16+3 ipv4hint: 3 octets are no list of 4 each"),
    ] {
        // The owner and TTL are 6 octets.
        let parsed = parse(&format!("a 60  {data}"));
        let found = findings(&parsed.diagnostics);
        let (column, rest) = expected.split_once('+').unwrap();
        let expected = format!("1:{}+{rest}", column.parse::<usize>().unwrap() + 6);
        if found.len() != 1 || !found[0].starts_with(&expected) {
            wrong.push(format!("{data}: {found:?}, not {expected}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    let long = "x".repeat(256);
    refuse(&format!("a 1 TXT {long}"), "1:9+256 a text: `xxx");
    let string = format!("\"{}\" ", "x".repeat(255));
    refuse(&format!("a 1 TXT {}", string.repeat(256)), "1:65799+257 the record's data is longer than 65535 octets");
}

/// The vectors of RFC 9460 appendix D.
#[test]
fn svcb_vectors_of_rfc_9460() {
    for (text, expected) in [
        ("HTTPS 0 foo.example.com.", "0000 03666f6f076578616d706c6503636f6d00"),
        ("SVCB 1 .", "0001 00"),
        ("SVCB 16 foo.example.com. port=53", "0010 03666f6f076578616d706c6503636f6d00 0003 0002 0035"),
        ("SVCB 1 foo.example.com. key667=hello", "0001 03666f6f076578616d706c6503636f6d00 029b 0005 68656c6c6f"),
        (
            "SVCB 1 foo.example.com. key667=\"hello\\210qoo\"",
            "0001 03666f6f076578616d706c6503636f6d00 029b 0009 68656c6c6fd2716f6f",
        ),
        (
            "SVCB 1 foo.example.com. ipv6hint=\"2001:db8::1,2001:db8::53:1\"",
            "0001 03666f6f076578616d706c6503636f6d00 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
        ),
        (
            "SVCB 1 example.com. ipv6hint=\"2001:db8:122:344::192.0.2.33\"",
            "0001 076578616d706c6503636f6d00 0006 0010 20010db8012203440000 0000c0000221",
        ),
        (
            "SVCB 16 foo.example.org. alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1",
            "0010 03666f6f076578616d706c65036f726700 0000 0004 0001 0004 0001 0009 026832 0568332d3139 0004 0004 c0000201",
        ),
        (
            "SVCB 16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
            "0010 03666f6f076578616d706c65036f726700 0001 000c 08665c6f6f2c626172 026832",
        ),
        (
            "SVCB 16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
            "0010 03666f6f076578616d706c65036f726700 0001 000c 08665c6f6f2c626172 026832",
        ),
    ] {
        let parsed = parse(&format!("a 60 {text}"));
        assert_eq!(findings(&parsed.diagnostics), [""; 0], "{text}");
        let record = parsed.records.iter().next().unwrap();
        let octets: String = parsed.records.rdata(&record).iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(octets, expected.replace(' ', ""), "{text}");
    }
}

#[test]
fn generate_as_bind_does() {
    check(
        "$TTL 60\n$GENERATE 1-3/2 h$ 5 IN A 192.0.2.$\n$GENERATE 10-10 ${-1,3}.${0,0,x}.${0,2,X} IN 7 CNAME $$.\\$.$\n$GENERATE 8-8 a TXT \"\\\"a $;\\\" b\\.c\"",
        "h1.example.com. 5 IN A 192.0.2.1
         h3.example.com. 5 IN A 192.0.2.3
         009.a.0A.example.com. 7 IN CNAME \\$.\\$.10.example.com.
         a.example.com. 60 IN TXT \"a 8;\" \"b.c\"",
    );
    check(
        "$TTL 60\n$GENERATE 18-18 ${0,0,n} A 10.0.0.1\n$GENERATE 18-18 ${0,6,N}x A 10.0.0.1\n$GENERATE 8-8 ${1,3,o} A 10.0.0.1",
        "2.1.example.com. 60 IN A 10.0.0.1
         2.1.0.x.example.com. 60 IN A 10.0.0.1
         011.example.com. 60 IN A 10.0.0.1",
    );
    refuse("$GENERATE 2-1 a A 10.0.0.1", "1:11+3 `2-1` is not a range");
    refuse("$GENERATE 1-2/0 a A 10.0.0.1", "1:11+5 `1-2/0` is not a range");
    refuse("$GENERATE 1-2 a 1 MX 10 b$", "1:25+2 more than one word of data");
    refuse("$GENERATE 1-2 a 1 A 10.0.0.${-2}", "1:21+12 `${-2}` can't be expanded for 1");
    refuse("$GENERATE 1-2 a 1 A 10.0.0.${0", "1:21+10 `${` without `}`");
    // One error, though 45 records have it.
    refuse("$GENERATE 1-300 a 1 A 10.0.0.$", "1:23+8 in the record for 256: expected an IPv4 address");
    refuse("$GENERATE 1-2 a.$.net. 1 A 10.0.0.$", "1:15+8 `a.1.net.` is outside the zone");
    let long = format!("$GENERATE 1-1 a 1 TXT \"{}\"", "${0,255}".repeat(100_000));
    let parsed = parse_text("test", &*long, &apex(), &Options::default());
    assert_eq!(findings(&parsed.diagnostics), ["1:23+800002 for 1 this makes more than 524288 octets"]);
    refuse("$GENERATE 0-1048576 a$ 1 A 10.0.0.1", "1:11+9 the zone's $GENERATEs make more than 1048576 records");
    let options = Options { generated_octets_max: 100, ..Options::default() };
    let parsed = parse_text("test", "$GENERATE 1-100 a$ 1 A 10.0.0.1", &apex(), &options);
    assert_eq!(findings(&parsed.diagnostics), ["1:1+9 the zone's $GENERATEs make more than 100 octets"]);
}

#[test]
fn generate_counts_the_text_that_it_makes_and_not_the_records_alone() {
    let options = Options { generated_octets_max: 10_000, ..Options::default() };
    let comment = "x".repeat(1000);
    let text = format!("$GENERATE 1-100 a$ 1 A \"10.0.0.1 ;{comment}\"");
    let parsed = parse_text("test", text, &apex(), &options);
    assert_eq!(findings(&parsed.diagnostics), ["1:1+9 the zone's $GENERATEs make more than 10000 octets"]);
    assert_eq!(parsed.records.len(), 10, "it stopped there");
}

#[test]
fn all_errors_are_reported_each_at_its_place() {
    let text = "$TTL 60
@ NS ns1
a AA 192.0.2.1
 A 192.0.2.1
www.example.net. A 192.0.2.1
b TXT ( \"x
 y )
c A ( 192.0.2.1
  192.0.2.2 )
d CH A 192.0.2.1
e
$FOO bar
 $TTL 5
f 1 2 A 192.0.2.1
g IN IN A 192.0.2.1
h ) A 192.0.2.1
i TXT ( never closed
j A 192.0.2.300
$ORIGIN
$ORIGIN net.
k A 192.0.2.1
";
    let parsed = parse(text);
    let found = findings(&parsed.diagnostics);
    let expected = [
        "3:3+2 `AA` is not a type",
        "5:1+16 `www.example.net.` is outside the zone example.com.",
        "6:9+2 this quote is not closed on its line",
        "9:3+9 the record should end before `192.0.2.2`",
        "10:3+2 class `CH` is not served",
        "11:1+1 only an owner, `e`, and no record",
        "12:1+4 `$FOO` is not a directive",
        "13:2+4 the directive `$TTL` is not at the start of its line",
        "14:5+1 a second TTL, `2`",
        "15:6+2 a second class, `IN`",
        "16:3+1 this parenthesis closes none",
        "17:7+1 this parenthesis is never closed",
        "18:5+11 expected an IPv4 address such as 192.0.2.1, found `192.0.2.300`",
        "19:1+7 `$ORIGIN` without an argument",
        "21:1+1 `k.net.` is outside the zone example.com.",
    ];
    assert_eq!(found, expected);
    assert!(parsed.diagnostics.iter().all(|found| !found.remedy.is_empty()));
    // What is right is read all the same.
    assert_eq!(records(&parsed), "example.com. 60 IN NS ns1.example.com.\na.example.com. 60 IN A 192.0.2.1\n");
    refuse(" A 192.0.2.1", "1:2+1 this record has no owner");
}

/// Every record handed on lies in the zone, and where it was meant to: what is wrong with it is told all the same.
#[test]
fn records_of_a_refused_owner_go_with_it() {
    let parsed =
        parse("$TTL 60\nwww.example.net. A 192.0.2.1\n A 192.0.2.2\na A 192.0.2.3\nb..c A 192.0.2.4\n A 192.0.2.500\n");
    assert_eq!(parsed.diagnostics.len(), 3);
    assert_eq!(records(&parsed), "a.example.com. 60 IN A 192.0.2.3\n");
}

#[test]
fn diagnostics_are_bounded() {
    let parsed = parse(&"a 1 AA x\n".repeat(2500));
    assert_eq!(parsed.diagnostics.len(), 1001);
    assert_eq!(parsed.diagnostics[1000].message, "and 1500 more errors");
    let parsed = parse(&"a.example.net. 1 A 192.0.2.1\n".repeat(2500));
    assert_eq!(parsed.diagnostics.len(), 1001);
    assert_eq!(parsed.diagnostics[999].message, "`a.example.net.` is outside the zone example.com.");
    assert_eq!(parsed.diagnostics[1000].message, "and 1500 more errors");
}

#[test]
fn rendering_shows_line_spot_and_remedy() {
    let parsed = parse("$TTL 60\nwww\tA 192.0.2.300 ; x\n");
    let expected = "\
error: expected an IPv4 address such as 192.0.2.1, found `192.0.2.300`
 --> test.zone:2:7
  |
2 | www    A 192.0.2.300 ; x
  |          ^^^^^^^^^^^
  |
  = help: the form is: A <address>
";
    assert_eq!(render(&parsed.sources, &parsed.diagnostics, false), expected);
    assert!(render(&parsed.sources, &parsed.diagnostics, true).contains("\x1b["));
}

#[test]
fn rendering_is_safe_for_terminals() {
    let mut text = b"a 1 A \x1b[31m\xff\x07\xc2\x9b1m\xe2\x80\xae\n".to_vec();
    text.extend(vec![b'x'; 100_000]);
    text.extend(b" 1 A 192.0.2.300 ");
    text.extend(vec![0x1b; 100_000]);
    text.extend(b"\nb 1 TXT \"x\\\ny\" \\999");
    let parsed = parse_text("evil\x1b[2J.zone", text, &apex(), &Options::default());
    assert_eq!(parsed.diagnostics.len(), 3);
    for color in [false, true] {
        let rendered = render(&parsed.sources, &parsed.diagnostics, color);
        let plain = rendered.replace("\x1b[0m", "").replace("\x1b[1m", "");
        assert!(!plain.contains("\x1b[31m") && !plain.contains("\x1b[2J"), "{plain:?}");
        assert!(rendered.chars().all(|c| !c.is_control() || c == '\n' || (color && c == '\x1b')), "{rendered:?}");
        assert!(!rendered.contains('\u{202e}'));
        assert!(rendered.len() < 10_000, "{}", rendered.len());
        assert!(rendered.contains("evil\\027[2J.zone:1:7"), "{rendered}");
    }
    // A finding about a line or file that is not there is shown without it.
    let odd = |file, line, column| Diagnostic {
        severity: Severity::Warning,
        file,
        line,
        column,
        width: u32::MAX,
        message: "m".into(),
        remedy: String::new(),
    };
    for (file, line, column) in [(0, 1, u32::MAX), (0, u32::MAX, 1), (9, 1, 1), (0, 0, 0), (0, 1, 0)] {
        assert!(render(&parsed.sources, &[odd(file, line, column)], false).starts_with("warning: m\n"));
    }
}

/// A directory of its own for a test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn include_keeps_origin_and_owner_of_the_including_file() {
    let scratch = Scratch::new("include");
    let zone = scratch.file(
        "a.zone",
        "$TTL 60\nx A 192.0.2.1\n$INCLUDE sub/one.inc\n A 192.0.2.3\ny A 192.0.2.4\n$INCLUDE \"sub/two.inc\" o ; origin\nz A 192.0.2.5\n",
    );
    // The owner goes on into the file, `$TTL` also out of it, as in BIND. Paths are relative to the file that includes.
    scratch.file("sub/one.inc", " A 192.0.2.2\n$ORIGIN other\nin A 192.0.2.6\n$TTL 5\n");
    scratch.file("sub/two.inc", "@ A 192.0.2.7\n$INCLUDE three.inc");
    scratch.file("sub/three.inc", "deep A 192.0.2.8");
    let parsed = parse_file(&zone, &apex(), &Options::default());
    assert_eq!(render(&parsed.sources, &parsed.diagnostics, false), "");
    assert_eq!(
        records(&parsed),
        "x.example.com. 60 IN A 192.0.2.1
x.example.com. 60 IN A 192.0.2.2
in.other.example.com. 60 IN A 192.0.2.6
x.example.com. 5 IN A 192.0.2.3
y.example.com. 5 IN A 192.0.2.4
o.example.com. 5 IN A 192.0.2.7
deep.o.example.com. 5 IN A 192.0.2.8
z.example.com. 5 IN A 192.0.2.5
"
    );
    let last = parsed.records.iter().find(|record| parsed.records.owner(record).starts_with(b"\x04deep")).unwrap();
    assert_eq!((parsed.sources.path(last.file).unwrap(), last.line), (scratch.0.join("sub/three.inc").as_path(), 1));
    assert_eq!(parsed.sources.included_from(last.file), Some((2, 2)));
}

#[test]
fn include_does_not_leave_the_directory() {
    let scratch = Scratch::new("leave");
    let outside = scratch.file("outside.inc", "out 5 A 192.0.2.1\n");
    scratch.file("zones/sub/in.inc", "in 5 A 192.0.2.2\n");
    std::os::unix::fs::symlink(&outside, scratch.0.join("zones/link.inc")).unwrap();
    std::os::unix::fs::symlink(scratch.0.join("zones/sub"), scratch.0.join("zones/linked")).unwrap();
    let text = format!(
        "$INCLUDE ../outside.inc\n$INCLUDE {}\n$INCLUDE link.inc\n$INCLUDE linked/../../outside.inc\n$INCLUDE linked/in.inc\n",
        outside.display()
    );
    let zone = scratch.file("zones/a.zone", &text);
    let parsed = parse_file(&zone, &apex(), &Options::default());
    let lines: Vec<_> =
        parsed.diagnostics.iter().map(|found| (found.line, found.message.contains("it lies outside"))).collect();
    assert_eq!(lines, [(1, true), (2, true), (3, true), (4, true)]);
    assert_eq!(records(&parsed), "in.example.com. 5 IN A 192.0.2.2\n");
    for options in [
        Options { include_outside: true, ..Options::default() },
        Options { root: Some(scratch.0.clone()), ..Options::default() },
    ] {
        let parsed = parse_file(&zone, &apex(), &options);
        assert_eq!(findings(&parsed.diagnostics), [""; 0]);
        assert_eq!(parsed.records.len(), 5);
    }
    // A root that is not there holds no files.
    let options = Options { root: Some(scratch.0.join("absent")), ..Options::default() };
    assert_eq!(parse_file(&zone, &apex(), &options).diagnostics.len(), 5);
}

#[test]
fn includes_are_bounded() {
    let scratch = Scratch::new("bounds");
    let zone = scratch.file("loop.zone", "$INCLUDE b.inc\n");
    scratch.file("b.inc", "$INCLUDE ./loop.zone\n$INCLUDE b.inc\n");
    let parsed = parse_file(&zone, &apex(), &Options::default());
    let messages: Vec<_> = parsed.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`./loop.zone` includes itself, directly or through others",
            "`b.inc` includes itself, directly or through others"
        ]
    );
    assert!(render(&parsed.sources, &parsed.diagnostics, false).contains("included from"));

    let deep = scratch.file("0.inc", "$INCLUDE 1.inc\n");
    for depth in 1..=17 {
        scratch.file(&format!("{depth}.inc"), &format!("$INCLUDE {}.inc\nd{depth} 5 A 192.0.2.1\n", depth + 1));
    }
    let parsed = parse_file(&deep, &apex(), &Options::default());
    assert_eq!(findings(&parsed.diagnostics), ["1:10+6 `17.inc` is included more than 16 files deep"]);
    assert_eq!(parsed.records.len(), 16);

    let many = scratch.file("many.zone", &"$INCLUDE empty.inc\n".repeat(12));
    scratch.file("empty.inc", "");
    let parsed = parse_file(&many, &apex(), &Options { includes_max: 10, ..Options::default() });
    assert_eq!(parsed.diagnostics.len(), 2);
    assert_eq!(parsed.sources.len(), 11);

    let long = scratch.file("long.zone", "; 10 octets\n$INCLUDE long.inc\n");
    scratch.file("long.inc", &";".repeat(100));
    let parsed = parse_file(&long, &apex(), &Options { text_octets_max: 60, ..Options::default() });
    assert!(parsed.diagnostics[0].message.contains("it is over the limit of 30 octets"), "{:?}", parsed.diagnostics);
    let parsed = parse_file(&long, &apex(), &Options { text_octets_max: 20, ..Options::default() });
    assert!(parsed.diagnostics[0].message.starts_with("the zone's file can't be read"));
}

#[test]
fn files_that_are_none_are_refused() {
    let scratch = Scratch::new("none");
    for path in [scratch.0.clone(), scratch.0.join("absent.zone"), PathBuf::from("/dev/zero")] {
        let parsed = parse_file(&path, &apex(), &Options::default());
        assert_eq!(parsed.diagnostics.len(), 1);
        assert!(parsed.diagnostics[0].message.starts_with("the zone's file can't be read"), "{:?}", parsed.diagnostics);
        assert_eq!(parsed.sources.path(0), Some(path.as_path()));
    }
    refuse("$INCLUDE a.inc", "1:10+5 `a.inc` can't be included: this text is not a file");
    let zone = scratch.file("a.zone", "$INCLUDE /dev/zero\n");
    let parsed = parse_file(&zone, &apex(), &Options { include_outside: true, ..Options::default() });
    assert_eq!(findings(&parsed.diagnostics), ["1:10+9 `/dev/zero` can't be included: it is not a regular file"]);
}

/// The zones that a newcomer serves first, by file and apex.
const EXAMPLES: [(&str, &str); 3] = [
    ("example.com.zone", "example.com."),
    ("2.0.192.in-addr.arpa.zone", "2.0.192.in-addr.arpa."),
    ("8.b.d.0.1.0.0.2.ip6.arpa.zone", "8.b.d.0.1.0.0.2.ip6.arpa."),
];

fn example(file: &str, apex: &str) -> (Name, Parsed) {
    let apex = Name::from_text(apex).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("zones").join(file);
    let parsed = parse_file(&path, &apex, &Options::default());
    assert_eq!(render(&parsed.sources, &parsed.diagnostics, false), "");
    (apex, parsed)
}

#[test]
fn example_zones_survive_text_image_text() {
    for (file, apex) in EXAMPLES {
        let (apex, parsed) = example(file, apex);
        let (image, found) = compile(&apex, &parsed.records);
        assert_eq!(found, []);
        let image = image.unwrap();
        let text = dump::to_text(&image).unwrap();
        let again = parse_text("dump", text.as_str(), &apex, &Options::default());
        assert_eq!(findings(&again.diagnostics), [""; 0]);
        assert_eq!(again.records.len(), parsed.records.len());
        let (image_again, _) = compile(&apex, &again.records);
        assert_eq!(image_again.unwrap().root(), image.root(), "{file}");
        assert_eq!(dump::to_text(&image).unwrap(), text);
    }
}

#[test]
fn example_zones_agree_with_each_other() {
    let (_, forward) = example(EXAMPLES[0].0, EXAMPLES[0].1);
    let forward = records(&forward);
    for address in ["www.example.com. 3600 IN A 192.0.2.10\n", "www.example.com. 3600 IN AAAA 2001:db8::10\n"] {
        assert!(forward.contains(address));
    }
    for (file, apex) in &EXAMPLES[1..] {
        let (_, reverse) = example(file, apex);
        for line in records(&reverse).lines().filter(|line| line.contains(" PTR ")) {
            let fields: Vec<&str> = line.split(' ').collect();
            let labels: Vec<&str> = fields[0].split('.').rev().skip(3).collect();
            let address = match labels.len() {
                4 => labels.join("."),
                32 => labels.chunks(4).map(|group| group.concat()).collect::<Vec<_>>().join(":"),
                _ => panic!("{line}"),
            };
            let address: std::net::IpAddr = address.parse().unwrap();
            let rtype = if address.is_ipv4() { "A" } else { "AAAA" };
            assert!(forward.contains(&format!("{} 3600 IN {rtype} {address}\n", fields[4])), "{line}");
        }
    }
}

/// A record that any zone may have anywhere, as text.
fn line() -> impl Strategy<Value = String> {
    let owner = prop_oneof!["[a-c]", "[a-c]\\.[a-c]", "\\*\\.[a-c]", "[A-C]", Just("@".to_owned()), "x\\\\\\.[a-c]"];
    let data = prop_oneof![
        (0u8..4).prop_map(|host| format!("A 192.0.2.{host}")),
        (0u8..4).prop_map(|host| format!("AAAA 2001:db8::{host}")),
        "MX [0-9] [a-c]",
        "TXT \"[ -!#-\\[\\]-~]{0,20}\" [a-z]{1,9}",
        "CAA 0 issue \"[a-z;= ]{0,9}\"",
        "SRV 1 2 3 [a-c]\\.example\\.net\\.",
        "HTTPS [1-9] \\. alpn=h[23]",
        "TYPE65280 \\\\# 1 0[0-9a-f]",
    ];
    (owner, data).prop_map(|(owner, data)| format!("{owner} {data}\n"))
}

proptest! {
    #[test]
    fn text_image_text_keeps_the_content_in_any_order(
        (lines, shuffled) in proptest::collection::vec(line(), 0..40)
            .prop_flat_map(|lines| (Just(lines.clone()), Just(lines).prop_shuffle())),
    ) {
        let head = "$TTL 60\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n";
        let image = |lines: &[String]| {
            let parsed = parse(&format!("{head}{}", lines.concat()));
            assert_eq!(findings(&parsed.diagnostics), [""; 0]);
            compile(&apex(), &parsed.records).0.unwrap()
        };
        let first = image(&lines);
        prop_assert!(first.root() == image(&shuffled).root());
        let text = dump::to_text(&first).unwrap();
        let again = parse(&text);
        prop_assert_eq!(findings(&again.diagnostics), [""; 0]);
        prop_assert!(compile(&apex(), &again.records).0.unwrap().root() == first.root());
    }

    #[test]
    fn arbitrary_octets_never_panic(text in proptest::collection::vec(any::<u8>(), 0..500)) {
        let parsed = parse_text("fuzz", text, &apex(), &Options::default());
        render(&parsed.sources, &parsed.diagnostics, true);
    }

    /// Octets that mean something, so that what is behind the first token is reached.
    #[test]
    fn arbitrary_zone_text_never_panics(words in proptest::collection::vec(prop_oneof![
        "[ -~]{0,6}",
        proptest::sample::select(vec![
            "\n", "\r\n", " ", "\t", "(", ")", "\"", ";", "\\", "\\#", "@", ".", "$TTL", "$ORIGIN", "$GENERATE", "$INCLUDE", "IN",
            "A", "SOA", "TXT", "LOC", "HTTPS", "NAPTR", "CAA", "DS", "TYPE1", "alpn=", "mandatory=", "ipv6hint=", "1", "0-9",
            "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "CSYNC", "APL", "HIP", "IPSECKEY", "AMTRELAY", "WKS", "A6", "EUI48",
            "-", "AQID", "AQ==", "20300101000000", "2T7B4G4VSA5SMI47K61MV5BV1A22BOJR", "!1:10.0.0.0/8", "TYPE65535",
            "${0,9,n}", "$", "192.0.2.1", "::1", "1h", "a.b.", "*", "00", "N", "E", "1m", "\\255", "\\256", "é", "\u{1b}",
        ]).prop_map(str::to_owned),
    ], 0..60), spaced in any::<bool>()) {
        let text = words.join(if spaced { " " } else { "" });
        let parsed = parse(&text);
        let rendered = render(&parsed.sources, &parsed.diagnostics, false);
        prop_assert!(rendered.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", rendered);
        for found in &parsed.diagnostics {
            prop_assert!(found.line as usize <= text.split('\n').count());
            prop_assert!(!found.message.is_empty() && !found.remedy.is_empty());
        }
    }
}
