//! Good and bad zones beside `named-checkzone`, `kzonecheck` and `nsd-checkzone`: where a verdict differs from ours, why.

use crate::support;
use crate::support::peers::Peers;
use crate::support::process::TempDir;
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::finding::Severity;
use catchment::zone::parse::{Options, parse_text};

/// A zone without fault.
const HEAD: &str = "$TTL 1h\n@ SOA ns hostmaster 1 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2.1\n";

/// BIND keeps records outside the zone out, and says so; Knot does so silently.
const OUTSIDE: &str =
    "RFC 1035 section 5.2 wants all records of one zone: what was written is not served, and that is an error here";
/// Servers load it; nobody can follow the delegation.
const GLUE: &str = "RFC 9471 section 3.1: without it the delegation can't be followed. BIND only warns when it loads it, NSD does not look";

/// What is behind the head (or the zone as a whole, where it starts with a dollar sign), whether we find an error (`-`) or not (`+`),
/// what BIND, Knot and NSD find, and why they differ.
#[rustfmt::skip]
const ROWS: &[(&str, char, &str, &str)] = &[
    ("", '+', "+++", ""),
    // The apex.
    ("$TTL 1h\n@ NS ns\nns A 192.0.2.1", '-', "---", ""),
    ("$TTL 1h\n@ SOA ns h 1 1h 15m 2w 1h\nns A 192.0.2.1", '-', "--+", "RFC 1034 section 4.2.1: a zone has NS records at its apex; NSD does not look"),
    ("@ SOA ns hostmaster 2 1h 15m 2w 1h", '-', "-+-", "RFC 2181 section 6.1: there is one SOA; Knot takes the last"),
    ("a SOA ns hostmaster 2 1h 15m 2w 1h", '-', "-+-", "RFC 1035 section 5.2: one SOA, at the top; Knot takes it as data"),
    ("a.example.net. A 192.0.2.1", '-', "++-", OUTSIDE),
    // What stands alone.
    ("a CNAME ns\na TXT x", '-', "---", ""),
    ("a CNAME ns\na CNAME @", '-', "---", ""),
    ("a DNAME b\na DNAME c", '-', "---", ""),
    ("a DNAME b\na CNAME ns", '-', "---", ""),
    ("a DNAME b\nx.a A 192.0.2.1", '-', "+--", "RFC 6672 section 2.4: no data below a DNAME; BIND loads it, and never serves it"),
    // RDATA, labels, names, strings.
    ("a A 192.0.2.256", '-', "---", ""),
    ("a MX mail", '-', "---", ""),
    ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx A 192.0.2.1", '-', "---", ""),
    ("abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.\
      abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi.abcdefghi \
      A 192.0.2.1", '-', "---", ""),
    ("$TTL 1h\n@ SOA ns h 1 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2.1\n\
      a TXT xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
      xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
      '-', "-+-", "RFC 1035 section 3.3: a string has at most 255 octets; Knot cuts it in two"),
    ("a CH TXT x", '-', "---", ""),
    // RRsets.
    ("a 60 A 192.0.2.1\na 61 A 192.0.2.2", '+', "+++", ""),
    ("a A 192.0.2.1\na A 192.0.2.1", '+', "+++", ""),
    // Glue and targets.
    ("sub NS ns.sub", '-', "+-+", GLUE),
    ("sub NS sub", '-', "+-+", GLUE),
    ("sub NS ns.sub\nns.sub A 192.0.2.1", '+', "+++", ""),
    ("sub NS ns.other\nother NS ns.example.net.", '+', "+++", ""),
    ("@ NS nowhere", '+', "--+", "a warning: the other name servers answer (RFC 1912 section 2.8); NSD does not look"),
    ("@ NS alias\nalias CNAME ns", '+', "--+", "a warning: RFC 2181 section 10.3 forbids it, most resolvers manage; NSD does not look"),
    ("@ NS t\nt TXT x", '+', "--+", "a warning: the other name servers answer (RFC 1912 section 2.8); NSD does not look"),
    ("sub NS nowhere", '+', "+-+", "a warning: it is no glue, as it lies outside the delegation (RFC 9499 section 7); Knot calls it so"),
    ("@ MX 10 nowhere", '+', "+++", ""),
    ("@ MX 10 alias\nalias CNAME ns", '+', "+++", ""),
    ("@ MX 0 .", '+', "+++", ""),
    ("@ MX 10 x.w\n*.w A 192.0.2.1", '+', "+++", ""),
    ("_a._tcp SRV 1 1 1 nowhere", '+', "+++", ""),
    // RFC 9460.
    ("a HTTPS 1 . mandatory=port", '-', "---", ""),
    ("a HTTPS 1 . port=1 port=2", '-', "---", ""),
    ("a HTTPS 0 . alpn=h2", '-', "+++", "RFC 9460 section 2.4.2: SvcParams of an alias are ignored, so whoever wrote them is mistaken"),
    ("a HTTPS 0 ns\na HTTPS 1 .", '+', "+++", ""),
    ("a HTTPS 0 a\na A 192.0.2.1", '+', "+++", ""),
    // What is never served, or was not meant.
    ("sub NS ns.sub\nns.sub A 192.0.2.1\nx.sub TXT x", '+', "+++", ""),
    ("sub NS ns\nsub TXT x", '+', "+++", ""),
    ("www.example.com A 192.0.2.1", '+', "+++", ""),
    ("*.x NS ns", '+', "-++", "RFC 4592 section 4.2 leaves NS at a wildcard undefined, and does not forbid it"),
    ("a_b A 192.0.2.1", '+', "+++", ""),
];

#[test]
fn verdicts_beside_other_checkers() {
    let peers = match Peers::find() {
        Ok(peers) => peers,
        Err(why) => return support::skip(why),
    };
    let apex: Name = "example.com".parse().unwrap();
    let dir = TempDir::new("corpus");
    let mut wrong = Vec::new();
    for (text, expected, others, why) in ROWS {
        let text = if text.starts_with('$') { format!("{text}\n") } else { format!("{HEAD}{text}\n") };
        let parsed = parse_text("zone", text.as_str(), &apex, &Options::default());
        let (image, findings) = compile(&apex, &parsed.records);
        let has_errors = parsed.has_errors() || findings.iter().any(|finding| finding.severity == Severity::Error);
        let is_good = image.is_some() && !has_errors;
        let path = dir.write("zone", &text);
        let path = path.display().to_string();
        let mut found = String::new();
        for (key, arguments) in [
            ("NAMED_CHECKZONE", &["-i", "local", "example.com", &path][..]),
            ("KZONECHECK", &["-o", "example.com", &path]),
            ("NSD_CHECKZONE", &["example.com", &path]),
        ] {
            let output = match peers.command(key).map(|mut command| command.args(arguments).output()) {
                Ok(output) => output.unwrap(),
                Err(why) => return support::skip(why),
            };
            found.push(if output.status.success() { '+' } else { '-' });
        }
        let ours = if is_good { '+' } else { '-' };
        if (ours, found.as_str()) != (*expected, *others) {
            wrong.push(format!("{text}ours {ours}, others {found}; expected {expected}, {others}"));
        }
        assert_eq!(
            others.chars().any(|other| other != *expected),
            !why.is_empty(),
            "{text}: disagreements have reasons"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
