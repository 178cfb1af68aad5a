//! What an operator reads about zone text: each finding with its place, the line, the spot in it, and the remedy.
//!
//! The zone's text goes to a terminal here. Control characters, bidirectional overrides and octets that are not UTF-8 are
//! shown as escapes, and long lines are cut around the spot.

pub use super::finding::Severity;
use super::sources::Sources;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// One finding about zone text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Index into the [`Sources`].
    pub file: u16,
    /// Line, from 1; 0 when it is about the file or zone as a whole.
    pub line: u32,
    /// First octet of the spot in its line, from 1; 0 when it is about the line as a whole.
    pub column: u32,
    /// Octets that the spot takes, on that line or going on behind it.
    pub width: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Diagnostic {
    /// An error about a zone's own file as a whole.
    pub fn of_file(message: String, remedy: &str) -> Diagnostic {
        let (severity, remedy) = (Severity::Error, remedy.into());
        Diagnostic { severity, file: 0, line: 0, column: 0, width: 0, message, remedy }
    }
}

/// Octets of a line that are shown before the spot, and from its start on.
const SHOWN_BEFORE: usize = 60;
const SHOWN_FROM: usize = 100;

/// Renders diagnostics in the order given, for a terminal or, without `color`, for a log or a test.
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let lines = find_lines(sources, diagnostics);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for (diagnostic, line) in diagnostics.iter().zip(lines) {
        render_one(sources, diagnostic, line, &renderer, &mut out);
    }
    out
}

fn render_one(sources: &Sources, diagnostic: &Diagnostic, line: Option<&[u8]>, renderer: &Renderer, out: &mut String) {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = printable(diagnostic.message.as_bytes());
    let remedy = printable(diagnostic.remedy.as_bytes());
    let mut group = Group::with_title(level.primary_title(message));
    let path = sources.path(diagnostic.file).map(shown_path).unwrap_or_default();
    let origin = || {
        let mut origin = Origin::path(path.clone());
        if diagnostic.line > 0 {
            origin = origin.line(diagnostic.line as usize);
        }
        if diagnostic.column > 0 {
            origin = origin.char_column(diagnostic.column as usize);
        }
        origin
    };
    match line {
        Some(line) => {
            let (text, span) = excerpt(line, diagnostic.column, diagnostic.width);
            // The renderer counts the column in what it is given; where that was cut or escaped we say it ourselves.
            let counted = text[..span.start].chars().count() + 1;
            let mut snippet = Snippet::source(text).line_start(diagnostic.line as usize).fold(false);
            if diagnostic.column == 0 || diagnostic.column as usize == counted {
                snippet = snippet.path(path);
            } else {
                group = group.element(origin());
            }
            group = group.element(snippet.annotation(AnnotationKind::Primary.span(span)));
        }
        None if !path.is_empty() => group = group.element(origin()),
        None => {}
    }
    if !remedy.is_empty() {
        group = group.element(Level::HELP.message(remedy));
    }
    let mut from = sources.included_from(diagnostic.file);
    while let Some((file, line)) = from {
        let path = sources.path(file).map(shown_path).unwrap_or_default();
        group = group.element(Level::NOTE.message(format!("included from {path}:{line}")));
        from = sources.included_from(file);
    }
    out.push_str(&renderer.render(&[group]));
    out.push('\n');
}

/// A path as text that does nothing to a terminal or to a log of lines: who names files may not be who reads logs.
pub(crate) fn shown_path(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

/// The line of each diagnostic, found in one walk through each file.
fn find_lines<'s>(sources: &'s Sources, diagnostics: &[Diagnostic]) -> Vec<Option<&'s [u8]>> {
    let mut wanted: Vec<usize> = (0..diagnostics.len()).filter(|&nth| diagnostics[nth].line > 0).collect();
    wanted.sort_by_key(|&nth| (diagnostics[nth].file, diagnostics[nth].line));
    let mut lines = vec![None; diagnostics.len()];
    let mut walk: Option<(u16, u32, &[u8])> = None;
    for nth in wanted {
        let Diagnostic { file, line, .. } = diagnostics[nth];
        let (_, mut at_line, mut rest) = match walk {
            Some(walk) if walk.0 == file => walk,
            _ => (file, 1, sources.text(file).unwrap_or_default()),
        };
        while at_line < line {
            let Some(end) = rest.iter().position(|&octet| octet == b'\n') else {
                rest = &[];
                break;
            };
            rest = &rest[end + 1..];
            at_line += 1;
        }
        if at_line == line {
            // The window is all that is shown; a line of gigabytes need not be walked to its end.
            let shown = diagnostics[nth].column as usize + SHOWN_FROM;
            let window = &rest[..rest.len().min(shown)];
            lines[nth] = Some(window.split(|&octet| octet == b'\n').next().unwrap_or_default());
        }
        walk = Some((file, at_line, rest));
    }
    lines
}

/// The part of a line around the spot, printable, and where the spot is in that text. `line` begins at column 1.
fn excerpt(line: &[u8], column: u32, width: u32) -> (String, Range<usize>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (start, end) = match column {
        // The whole line, without the blanks around it.
        0 => {
            let start = line.iter().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(0);
            (start, line.len() - line.iter().rev().position(|octet| !octet.is_ascii_whitespace()).unwrap_or(0))
        }
        _ => {
            let start = (column as usize - 1).min(line.len());
            (start, start.saturating_add(width as usize).min(line.len()))
        }
    };
    let mut cut = start.saturating_sub(SHOWN_BEFORE);
    // Not in the middle of a character.
    while cut > 0 && cut < start && line[cut] & 0xc0 == 0x80 {
        cut += 1;
    }
    let stop = line.len().min(start + SHOWN_FROM);
    let end = end.clamp(start, stop);
    let mut text = String::new();
    if cut > 0 {
        text.push_str("...");
    }
    text.push_str(&printable(&line[cut..start]));
    let from = text.len();
    text.push_str(&printable(&line[start..end]));
    let mut to = text.len();
    text.push_str(&printable(&line[end..stop]));
    if from == to {
        // Behind the last character.
        text.push(' ');
        to += 1;
    }
    (text, from..to)
}

/// The bytes as text that does nothing to a terminal: what is no printable character becomes an escape.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => text.push('\t'),
                '\0'..='\x1f' | '\x7f' => {
                    let _ = write!(text, "\\{:03}", character as u32);
                }
                _ if is_unprintable(character) => {
                    let _ = write!(text, "\\u{{{:x}}}", character as u32);
                }
                _ => text.push(character),
            }
        }
        for octet in chunk.invalid() {
            let _ = write!(text, "\\{octet:03}");
        }
    }
    text
}

/// C1 controls, and the characters of Unicode that are invisible or turn the writing direction.
fn is_unprintable(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
