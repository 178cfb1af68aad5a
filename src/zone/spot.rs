//! Where in the text the part of a record stands that a finding is about.
//!
//! Records don't know their columns: millions of them would carry some for the few that something is said about. So the record's
//! entry is cut into words again, and the part is looked for in them. Where it is not found (another spelling, a line of
//! `$GENERATE`) the finding is shown with the whole line.

use super::diagnostic::Diagnostic;
use super::finding::{Finding, Part};
use super::sources::Sources;
use crate::wire::code::rtype;
use crate::wire::name::Name;

/// Octets of an entry that are looked through.
const ENTRY_MAX: usize = 64 << 10;

/// The findings as they are shown, each at its spot. They are in the order of files and lines, so that each file is walked through
/// once.
pub fn place(findings: Vec<Finding>, sources: &Sources) -> Vec<Diagnostic> {
    let mut walk: Option<Walk> = None;
    let one = |finding: Finding| {
        let Finding { severity, file, line, part, message, remedy, .. } = finding;
        let mut shown = Diagnostic { severity, file, line, column: 0, width: 0, message, remedy };
        if line > 0 && part != Part::Whole {
            let mut at = match walk.take() {
                Some(walk) if walk.file == file && walk.line <= line => walk,
                _ => Walk { file, line: 1, at: 0 },
            };
            let text = sources.text(file).unwrap_or_default();
            at.go(text, line);
            let entry = &text[at.at..];
            if let Some(word) = find(&entry[..entry.len().min(ENTRY_MAX)], &part) {
                (shown.line, shown.column, shown.width) = (line + word.line, word.column, word.text.len() as u32);
            }
            walk = Some(at);
        }
        shown
    };
    findings.into_iter().map(one).collect()
}

/// A place in a file: where this line starts.
struct Walk {
    file: u16,
    line: u32,
    at: usize,
}

impl Walk {
    fn go(&mut self, text: &[u8], line: u32) {
        while self.line < line {
            let Some(end) = text[self.at..].iter().position(|&octet| octet == b'\n') else {
                self.at = text.len();
                return;
            };
            self.at += end + 1;
            self.line += 1;
        }
    }
}

/// A word of an entry; what stands in quotes is one.
struct Word<'t> {
    text: &'t [u8],
    /// Lines below the entry's first.
    line: u32,
    /// From 1.
    column: u32,
}

fn find<'t>(entry: &'t [u8], part: &Part) -> Option<Word<'t>> {
    let words = words(entry);
    match part {
        Part::Whole => None,
        Part::Owner => words.into_iter().next().filter(|word| word.line == 0 && word.column == 1),
        Part::Type(rtype) => {
            let (mnemonic, is_owner) = (rtype::text(*rtype), |word: &Word| word.line == 0 && word.column == 1);
            let is_it = |word: &Word| !is_owner(word) && word.text.eq_ignore_ascii_case(mnemonic.as_bytes());
            words.into_iter().find(is_it)
        }
        Part::Word(wanted) => words.into_iter().rfind(|word| word.text.eq_ignore_ascii_case(wanted.as_bytes())),
        Part::FromEnd(nth) => words.into_iter().nth_back(*nth),
        // The longest spelling of it: relative ones are its first labels.
        Part::Name(wire) => {
            let spelled = |word: &Word| labels_of(word.text, wire);
            words
                .into_iter()
                .filter(|word| spelled(word) > 0)
                .max_by_key(|word| (spelled(word), word.line, word.column))
        }
    }
}

/// How many octets of the name's wire form this spelling of it stands for; 0: it is another name.
fn labels_of(text: &[u8], wire: &[u8]) -> usize {
    let Some(name) = std::str::from_utf8(text).ok().and_then(|text| Name::from_text(text).ok()) else { return 0 };
    let (name, is_absolute) = (name.as_wire(), text.ends_with(b".") && !text.ends_with(b"\\."));
    let len = if is_absolute { name.len() } else { name.len() - 1 };
    match wire.get(..len) {
        Some(head) if head.eq_ignore_ascii_case(&name[..len]) => len,
        _ => 0,
    }
}

/// The words of the entry that the text starts with: up to the end of its line, or of the line that closes its parentheses.
fn words(text: &[u8]) -> Vec<Word<'_>> {
    let (mut words, mut line, mut line_at, mut depth, mut at) = (Vec::new(), 0, 0, 0u32, 0);
    while let Some(&octet) = text.get(at) {
        let from = at;
        at += 1;
        match octet {
            b'\n' if depth == 0 => break,
            b'\n' => (line, line_at) = (line + 1, at),
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b';' => at += text[at..].iter().position(|&octet| octet == b'\n').unwrap_or(text.len() - at),
            octet if octet.is_ascii_whitespace() => {}
            _ => {
                let ends = |octet: u8| match text[from] {
                    b'"' => matches!(octet, b'"' | b'\n'),
                    _ => octet.is_ascii_whitespace() || matches!(octet, b'"' | b'(' | b')' | b';'),
                };
                at = from + usize::from(text[from] == b'"');
                while let Some(&octet) = text.get(at).filter(|octet| !ends(**octet)) {
                    at += if octet == b'\\' { 2 } else { 1 };
                }
                at = at.min(text.len());
                let word = text[from..at].strip_prefix(b"\"").unwrap_or(&text[from..at]);
                words.push(Word { text: word, line, column: (from - line_at + 1) as u32 });
                at += usize::from(text[from] == b'"' && text.get(at) == Some(&b'"'));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_where_they_stand() {
        let name = |text: &str| Part::Name(Name::from_text(text).unwrap().as_wire().into());
        let word = |text: &str| Part::Word(text.into());
        for (entry, part, expected) in [
            ("www 60 IN MX 10 mail ; mail\n", name("mail.example.com"), "0:17 mail"),
            ("mail MX 10 mail\nmail", name("mail.example.com"), "0:12 mail"),
            ("a MX 10 mail.example.com.", name("MAIL.example.com"), "0:9 mail.example.com."),
            ("a MX 10 mail.example.", name("mail.example.com"), "-"),
            ("@ SOA ns h (\n 1 ; serial\n 2h 15m 1w\n 5m )\n", word("1W"), "2:9 1w"),
            ("@ SOA ns h (\n 1 ; serial\n", word("3"), "-"),
            ("@ SOA ns h (\n 1 ; serial\n 2h 15m 1w\n 5m )\n", Part::FromEnd(2), "2:5 15m"),
            ("@ SOA", Part::FromEnd(2), "-"),
            ("ns NS ns", Part::Type(rtype::NS), "0:4 NS"),
            ("\tIN ns ns", Part::Type(rtype::NS), "0:5 ns"),
            ("a TYPE65280 \\# 0", Part::Type(65280), "0:3 TYPE65280"),
            ("a TXT \"b ; c\" \"d\"\nb", word("b ; c"), "0:7 b ; c"),
            ("a TXT b\\ c d\\", word("b\\ c"), "0:7 b\\ c"),
            ("a TXT \"b", word("b"), "0:7 b"),
            ("a TXT", Part::Owner, "0:1 a"),
            (" TXT a", Part::Owner, "-"),
            ("a CNAME @", name("example.com"), "-"),
            ("", Part::Owner, "-"),
        ] {
            let found = find(entry.as_bytes(), &part).map_or("-".into(), |word| {
                format!("{}:{} {}", word.line, word.column, String::from_utf8_lossy(word.text))
            });
            assert_eq!(found, expected, "{entry}");
        }
    }
}
