//! A text in pieces, and a file in windows, give what one reader gives that goes through it from start to end; a line of the plain shape
//! gives what the same words give in another.

use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Owner, type, TTL, RDATA, file and line.
type Line = (String, u16, u32, Vec<u8>, u16, u32);

/// What was read, and what was said about it.
fn told(parsed: &Parsed) -> (Vec<Line>, &[Diagnostic]) {
    let records = &parsed.records;
    let tell = records.iter().map(|record| {
        let owner = crate::wire::name::Text(records.owner(&record)).to_string();
        (owner, record.rtype, record.ttl_secs, records.rdata(&record).to_vec(), record.file, record.line)
    });
    (tell.collect(), &parsed.diagnostics)
}

fn by(way: Way, text: &str) -> Parsed {
    parse_text_by(way, text, &"example.".parse().unwrap(), &Options { cores: 3, ..Options::default() })
}

fn pieces_of(piece: usize) -> Way {
    Way { piece, first_lines: piece / 4, probe: 1 + piece % 7, knows_plain: true }
}

fn in_pieces(octets: usize, text: &str) -> Parsed {
    by(pieces_of(octets), text)
}

/// The text as a file.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> File {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("catchment-parse-{}-{number}.zone", std::process::id()));
        std::fs::write(&path, text).unwrap();
        File(path)
    }

    /// With its pieces behind some of so many octets.
    fn in_windows(&self, octets: usize, first_lines: usize) -> Parsed {
        let (apex, options) = ("example.".parse().unwrap(), Options { cores: 3, ..Options::default() });
        parse_file_text_by(Way { first_lines, ..pieces_of(octets) }, &self.0, &apex, &options).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// As pieces of these octets, and of all others up to the text's length, the text means what it means as a whole.
fn check(text: &str) -> Parsed {
    let whole = in_pieces(usize::MAX / 2, text);
    let file = File::new(text);
    for octets in 1..text.len() {
        assert_eq!(told(&in_pieces(octets, text)), told(&whole), "pieces of {octets} octets of:\n{text}");
        for first_lines in [30, 50] {
            let windows = file.in_windows(octets, first_lines);
            assert_eq!(told(&windows), told(&whole), "windows of {octets} octets behind {first_lines} of:\n{text}");
        }
    }
    whole
}

#[test]
fn a_long_file_is_not_kept_unless_it_must_be() {
    let line = "name 60 IN NS ns.example.net.\n";
    let text = format!("@ 60 IN SOA ns h 1 2 3 4 5\n{}", line.repeat(100));
    let file = File::new(&text);
    let mut parsed = file.in_windows(1000, 250);
    assert_eq!((parsed.records.len(), parsed.diagnostics.len()), (101, 0));
    assert_eq!(parsed.sources.text(0), Some(text.as_bytes()), "it is read again");
    parsed.sources.release();
    std::fs::write(&file.0, "other").unwrap();
    assert_eq!(parsed.sources.text(0), Some(&b""[..]));
}

#[test]
fn plain_lines_mean_what_other_lines_mean() {
    let whole = pieces_of(usize::MAX / 2);
    for line in [
        "a 60 A 192.0.2.1",
        "a IN A 192.0.2.1",
        "a 1h IN NS ns.b.example.",
        "a.example. 60 NS .",
        "a.b.c 60 NS @",
        "@ 60 NS a",
        "* 60 NS a.b",
        ". 60 NS a",
        "a 60 IN AAAA 2001:db8::1",
        "a 60 DS 1 13 2 8e638ec9cdf123ff7793d8db31612964df58c0582fad039fea8d0e73e7336bf6",
        "a 60 DS 1 13 2 8E638ec9cdf123ff7793d8db31612964df58c0582fad039fea8d0e73e7336bf",
        "a 60 TXT b",
        "a 60 TXT \"b\"",
        "a 60 TYPE65280 \\# 1 ff",
        "a 60 NS \\# 1 00",
        "a 60 A \\# 4 01020304",
        "a 60 MD b",
        "a 60 ANY b",
        "a 60 OPT b",
        "a 60 60 A 192.0.2.1",
        "a 60 CH A 192.0.2.1",
        "a IN IN A 192.0.2.1",
        "a 2147483647 A 192.0.2.1",
        "a 2147483648 A 192.0.2.1",
        "a 60x A 192.0.2.1",
        "a 60 A 192.0.2.01",
        "a 60 A 192.0.2.256",
        "a 60 A 192.0.2.1 ; b",
        "a 60 A 192.0.2.1 b",
        "a 60 A",
        "a 60 A  ; b",
        "a 60 MX  ; b",
        "a 60 TXT  ",
        "a 60",
        "a",
        "a..b 60 A 192.0.2.1",
        "a 60 NS b..c",
        ".a 60 A 192.0.2.1",
        "a.other. 60 A 192.0.2.1",
        "$a 60 A 192.0.2.1",
        "\\097 60 A 192.0.2.1",
        "a;b 60 A 192.0.2.1",
        "\"a\" 60 A 192.0.2.1",
        "a ( 60 A 192.0.2.1",
        "a ( 60 A 192.0.2.1\n)",
        "a ( 60 A 192.0.2.1 ; b\n)",
        "a ( 60 A 192.0.2.1\nb 60 TXT x )",
        "a ( 60 A 192.0.2.1\n60 A 192.0.2.2 )",
        "a ( 60 NS ns\n)",
        "a ( 60\nAAAA 2001:db8::1\n)",
    ] {
        // The owner goes on behind it, in another spelling, and under another origin.
        let around = |line: &str| {
            format!(
                "$TTL 5\n@ SOA ns h 1 2 3 4 5\na 60 A 192.0.2.8\n{line}\n 60 A 192.0.2.9\na 60 MX 1 a\n\
                 $ORIGIN other.\n{line}\n 60 A 192.0.2.9\n$ORIGIN x.example.\n{line}\n{line}\n"
            )
        };
        let text = around(line);
        assert_eq!(told(&by(whole, &text)), told(&by(Way { knows_plain: false, ..whole }, &text)), "{line}");
    }
}

#[test]
fn what_goes_over_the_border_of_a_piece() {
    let soa = "@ 60 IN SOA ns h 1 2 3 4 5\n";
    for (text, records, diagnostics) in [
        // The owner of the line before.
        ("a 60 A 192.0.2.1\n 60 A 192.0.2.2\nb 60 A 192.0.2.3\n 60 A 192.0.2.4\n", 4, 0),
        // What looks like a record stands in parentheses, or in quotes.
        ("a 60 TXT ( x\nb\nc 60 A ) d\ne 60 A 192.0.2.1\n", 2, 0),
        ("a ( 60 A 192.0.2.1\n)\nb 60 A 192.0.2.2\n", 2, 0),
        ("a ( 60 A 192.0.2.1\nb 60 TXT x )\nc 60 A 192.0.2.2\n", 1, 1),
        ("a ( 60 A 192.0.2.1\nb 60 A 192.0.2.2\n", 1, 1),
        ("a 60 TXT \"x\\\nb 60 A 192.0.2.1\"\nc 60 A 192.0.2.2\n", 2, 0),
        ("a 60 TXT ; ( x\nb 60 TXT \\( x\nc 60 A 192.0.2.1\n", 2, 1),
        // Directives change what follows; a TTL comes from a line before.
        ("a 60 A 192.0.2.1\n$ORIGIN x.example.\na 60 A 192.0.2.2\n$TTL 5\nb A 192.0.2.3\nc A 192.0.2.4\n", 4, 0),
        ("a 60 A 192.0.2.1\nb A 192.0.2.2\nc 30 A 192.0.2.3\nd A 192.0.2.4\n", 4, 1),
        ("$TTL 7\na A 192.0.2.1\nb 60 A 192.0.2.2\nc A 192.0.2.3\n", 3, 0),
        ("a 60 A 192.0.2.1\n$GENERATE 1-3 g$ 60 A 192.0.2.$\nb 60 A 192.0.2.9\n", 5, 0),
        // Faults, each at its place; what is never closed.
        ("a 60 A 192.0.2.1\nb 60 A x\n 60 A y\nc.other. 60 A 192.0.2.1\n 60 A 192.0.2.2\nd 60 A 192.0.2.3\n", 2, 3),
        ("a 60 A 192.0.2.1\nb 60 TXT ( x\nc 60 A 192.0.2.2\nd 60 A 192.0.2.3\n", 3, 1),
        ("\n; only comments\n\n   \n; and blanks\n", 0, 0),
        ("a 60 A 192.0.2.1\r\nb 60 A 192.0.2.2\r\n\r\nc 60 A 192.0.2.3", 3, 0),
    ] {
        let parsed = check(&format!("{soa}{text}"));
        assert_eq!((parsed.records.len() - 1, parsed.diagnostics.len()), (records, diagnostics), "{text}");
    }
}

/// Lines of which texts are made: what they mean depends on each other.
const LINES: [&str; 26] = [
    "a 60 A 192.0.2.1",
    "b A 192.0.2.2",
    " 60 A 192.0.2.3",
    "\tAAAA 2001:db8::1",
    "www.a 60 NS ns.b",
    "c.example. 5 IN TXT \"one\" two",
    "d 60 TXT ( one",
    "two ; three )",
    ") ; closed",
    "( e 60 A 192.0.2.4 )",
    "i ( 60 A 192.0.2.7",
    "60 NS ns )",
    "f 60 TXT \"open",
    "g 60 TXT \"goes on\\",
    "h 60 A 192.0.2.5\"",
    "$ORIGIN x.example.",
    "$ORIGIN example.",
    "$ORIGIN other.",
    "$TTL 30",
    "$GENERATE 1-2 g$ A 192.0.2.$",
    "$WHAT",
    "; a comment ( \"",
    "",
    "\\097 60 A 192.0.2.6",
    "@ 60 MX 10 @",
    "bad 60 A 192.0.2",
];

proptest! {
    #[test]
    fn pieces_change_nothing(
        lines in proptest::collection::vec(prop_oneof![3 => 0..6usize, 1 => 0..LINES.len()], 0..60),
        octets in 1..300usize,
        first_lines in 0..100usize,
        is_dos in any::<bool>(),
    ) {
        let end = if is_dos { "\r\n" } else { "\n" };
        let text = lines.iter().map(|&line| LINES[line]).collect::<Vec<_>>().join(end);
        let whole = by(Way { knows_plain: false, ..pieces_of(usize::MAX / 2) }, &text);
        for parsed in [in_pieces(usize::MAX / 2, &text), in_pieces(octets, &text)] {
            prop_assert_eq!(told(&parsed), told(&whole));
        }
        let windows = File::new(&text).in_windows(octets, first_lines);
        prop_assert_eq!(told(&windows), told(&whole));
    }
}
