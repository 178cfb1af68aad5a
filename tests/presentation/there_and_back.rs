//! Text, octets, image and text again.

use super::examples::{EXAMPLES, WITHOUT_TEXT};
use super::{apex, findings, octets, only, parse, parse_data, written};
use catchment::wire::code::rtype;
use catchment::zone::compile::compile;
use catchment::zone::dump;
use std::collections::{BTreeMap, BTreeSet};

/// The text that an example is written out as.
fn expected<'e>((text, written): &(&'e str, &'e str)) -> &'e str {
    if written.is_empty() { text } else { written }
}

#[test]
fn each_example_is_written_as_it_says_and_read_again() {
    let mut wrong = Vec::new();
    for example in EXAMPLES {
        let expected = expected(example);
        let parsed = parse_data(example.0);
        if written(&parsed).as_deref() != Ok(expected) {
            wrong.push(format!("{}: {:?}", example.0, written(&parsed)));
            continue;
        }
        let again = parse_data(expected);
        if written(&again).as_deref() != Ok(expected) || octets(&again) != octets(&parsed) {
            wrong.push(format!("{expected}: {:?}", written(&again)));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// RFC 3597 section 5: a type that is known is read and checked in the generic form too, and is then the same record.
#[test]
fn each_example_in_the_generic_form_is_the_same_record() {
    for example in EXAMPLES {
        let parsed = parse_data(example.0);
        let (rdata, rtype) = (octets(&parsed), only(&parsed).rtype);
        let hex: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
        for head in [rtype::text(rtype).into_owned(), format!("TYPE{rtype}")] {
            let generic = format!("{head} \\# {} {hex}", rdata.len());
            assert_eq!(written(&parse_data(&generic)).as_deref(), Ok(expected(example)), "{generic}");
        }
    }
}

/// All examples in one zone, from whose image they come back.
#[test]
fn all_examples_survive_text_image_text() {
    let mut text = "$TTL 60\n@ SOA ns.example.net. h 1 2 3 4 5\n@ NS ns.example.net.\n".to_owned();
    let mut lines = BTreeSet::new();
    for (number, example) in EXAMPLES.iter().enumerate() {
        text += &format!("n{number} {}\n", example.0);
        lines.insert(format!("n{number}.example.\t60\tIN\t{}", expected(example).replacen(' ', "\t", 1)));
    }
    let parsed = parse(&text);
    assert_eq!(findings(&parsed.diagnostics), [""; 0]);
    let (image, found) = compile(&apex(), &parsed.records);
    let found: Vec<_> = found.into_iter().filter(|finding| finding.fatal).collect();
    assert_eq!(found, []);
    let image = image.unwrap();
    let dumped = dump::to_text(&image).unwrap();
    let dumped_lines: BTreeSet<String> =
        dumped.lines().filter(|line| line.starts_with('n')).map(str::to_owned).collect();
    assert_eq!(dumped_lines, lines);
    let again = parse(&dumped);
    assert_eq!(findings(&again.diagnostics), [""; 0]);
    assert!(compile(&apex(), &again.records).0.unwrap().root() == image.root());
}

/// No type is left out: each that has a name has examples, or is among those that have no text form.
#[test]
fn every_type_has_examples_or_is_known_to_have_no_text() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (text, _) in EXAMPLES {
        *counts.entry(text.split(' ').next().unwrap()).or_default() += 1;
    }
    let without: BTreeMap<&str, &str> = WITHOUT_TEXT.iter().copied().collect();
    for mnemonic in (0..=u16::MAX).filter_map(rtype::mnemonic) {
        if let Some(message) = without.get(mnemonic) {
            let found = findings(&parse_data(&format!("{mnemonic} x")).diagnostics);
            assert!(found.len() == 1 && found[0].contains(message), "{mnemonic}: {found:?}");
            assert!(!counts.contains_key(mnemonic));
        } else if mnemonic != "SOA" {
            assert!(counts.contains_key(mnemonic), "{mnemonic} has no example");
        }
    }
}
