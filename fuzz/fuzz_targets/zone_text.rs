//! Any zone text: no panic; the same in pieces; and what compiles, dumped as text and read again, gives the same image.
#![no_main]

use catchment::wire::name::Name;
use catchment::zone::check::dnssec;
use catchment::zone::compile::compile;
use catchment::zone::{diagnostic, dump, parse, spot};
use std::sync::LazyLock;

static APEX: LazyLock<Name> = LazyLock::new(|| Name::from_text("example.").expect("a name"));

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    // Bounds are the parser's own, small: large ones only make each execution slow.
    let options = parse::Options { generated_max: 200, generated_octets_max: 1 << 16, ..parse::Options::default() };
    let parsed = parse::parse_text("fuzz.zone", text, &APEX, &options);
    // In pieces, and on several cores, it says the same.
    let spread = parse::Options { cores: 2, ..options.clone() };
    let pieces = parse::parse_text_in_pieces(1 + text.len() % 61, text, &APEX, &spread);
    assert_eq!(pieces.diagnostics, parsed.diagnostics);
    assert!(
        pieces
            .records
            .iter()
            .map(|r| (pieces.records.owner(r), r.rtype, r.ttl_secs, pieces.records.rdata(r), r.line))
            .eq(parsed.records.iter().map(|r| (
                parsed.records.owner(r),
                r.rtype,
                r.ttl_secs,
                parsed.records.rdata(r),
                r.line
            )),)
    );
    // One of the findings, chosen by the input: to render them all would take most of the time.
    if let Some(at) = text.len().checked_rem(parsed.diagnostics.len()) {
        let rendered = diagnostic::render(&parsed.sources, &parsed.diagnostics[at..=at], false);
        assert!(!rendered.is_empty());
    }
    let (image, mut findings) = compile(&APEX, &parsed.records);
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
