//! Any zone text: no panic; the same in pieces; and what compiles, dumped as text and read again, gives the same image.
#![no_main]

use catchment::wire::name::Name;
use catchment::zone::check::dnssec;
use catchment::zone::compile::compile;
use catchment::zone::parse::Parsed;
use catchment::zone::records::Record;
use catchment::zone::{diagnostic, dump, parse, spot};
use std::path::PathBuf;
use std::sync::LazyLock;

static APEX: LazyLock<Name> = LazyLock::new(|| Name::from_text("example.").expect("a name"));

static FILE: LazyLock<PathBuf> = LazyLock::new(|| format!("text-{}.zone", std::process::id()).into());

fn is_the_same(parsed: &Parsed, whole: &Parsed) {
    assert_eq!(parsed.diagnostics, whole.diagnostics);
    let records = |of: &Parsed| -> Vec<_> {
        let told =
            |r: Record| (of.records.owner(&r).to_vec(), r.rtype, r.ttl_secs, of.records.rdata(&r).to_vec(), r.line);
        of.records.iter().map(told).collect()
    };
    assert_eq!(records(parsed), records(whole));
}

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    // Bounds are the parser's own, small: large ones only make each execution slow.
    let options = parse::Options { generated_max: 200, generated_octets_max: 1 << 16, ..parse::Options::default() };
    let parsed = parse::parse_text("fuzz.zone", text, &APEX, &options);
    // However it is gone through, it says the same: without a look at plain lines; in pieces, on several cores; as a file that is never in
    // memory as a whole. Threads and files take most of the time, so not of each text.
    let (whole, piece) = (usize::MAX / 2, 1 + text.len() % 61);
    let general = parse::Way { piece: whole, first_lines: 0, probe: 1, knows_plain: false };
    is_the_same(&parse::parse_text_by(general, text, &APEX, &options), &parsed);
    let spread = parse::Options { cores: 2, ..options.clone() };
    let way = parse::Way { piece, first_lines: text.len() * 7 % 97, probe: 1 + text.len() % 5, knows_plain: true };
    let in_pieces = match text.len() % 8 {
        0 => Some(parse::parse_text_by(way, text, &APEX, &spread)),
        1 => {
            std::fs::write(&*FILE, text).expect("a file");
            let windows = parse::parse_file_text_by(way, &FILE, &APEX, &spread);
            Some(windows.expect("a file that nobody else changes"))
        }
        _ => None,
    };
    in_pieces.iter().for_each(|pieces| is_the_same(pieces, &parsed));
    // One of the findings, chosen by the input: to render them all would take most of the time.
    if let Some(at) = text.len().checked_rem(parsed.diagnostics.len()) {
        let rendered = diagnostic::render(&parsed.sources, &parsed.diagnostics[at..=at], false);
        assert!(!rendered.is_empty());
    }
    let (image, mut findings) = compile(&APEX, &parsed.records);
    // Name servers that delegations have in common are known as one only where they were read in pieces.
    if let Some(pieces) = in_pieces {
        let (other, found) = compile(&APEX, &pieces.records);
        assert_eq!(found, findings);
        assert!(other.as_ref().map(|image| image.root()) == image.as_ref().map(|image| image.root()), "in pieces");
    }
    findings.extend(dnssec::judge(&APEX, &parsed.records, 1_700_000_000, 1).findings);
    for found in spot::place(findings, &parsed.sources) {
        assert!(!found.message.is_empty() && !found.remedy.is_empty());
    }
    let Some(image) = image else { return };
    let dumped = dump::to_text(&image).expect("what was just compiled can be read");
    let again = parse::parse_text("dump.zone", dumped.as_str(), &APEX, &options);
    assert!(!again.has_errors(), "{}", diagnostic::render(&again.sources, &again.diagnostics, false));
    let (image_again, findings) = compile(&APEX, &again.records);
    let image_again = image_again.unwrap_or_else(|| panic!("{findings:?}\n{dumped}"));
    assert!(image.root() == image_again.root(), "text, image, text, image: the images differ\n{dumped}");
});
