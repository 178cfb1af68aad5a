//! Cuts the octets of one file into the tokens of RFC 1035 section 5.1.
//!
//! An *entry* is what one line holds, or several lines joined by parentheses: a record or a directive. The lexer stops at
//! the end of each; the caller goes on with [`Lexer::finish_entry`]. Where RFC 1035 is silent it cuts as BIND does: a quote or
//! parenthesis also ends a word, a string in quotes ends on its line unless a backslash stands before the line's end.

use super::fault::{Fault, Spot};
use std::ops::Range;

/// What an octet does outside quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    /// Part of a word.
    Plain,
    /// Space and tab.
    Blank,
    /// Line feed.
    Newline,
    /// Carriage return: blank before a line feed.
    Return,
    /// `"`
    Quote,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Comment,
    /// `\`: part of a word, together with the octet behind it.
    Escape,
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    classes[b' ' as usize] = Class::Blank;
    classes[b'\t' as usize] = Class::Blank;
    classes[b'\n' as usize] = Class::Newline;
    classes[b'\r' as usize] = Class::Return;
    classes[b'"' as usize] = Class::Quote;
    classes[b'(' as usize] = Class::Open;
    classes[b')' as usize] = Class::Close;
    classes[b';' as usize] = Class::Comment;
    classes[b'\\' as usize] = Class::Escape;
    classes
};

/// A word, or what stands between two quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// The octets as written, without the quotes.
    pub(crate) text: &'a [u8],
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
    /// Whether there is a backslash in it.
    pub(crate) escaped: bool,
    at: usize,
    line: u32,
    line_at: usize,
}

impl<'a> Token<'a> {
    /// A part of a word.
    pub(crate) fn part(&self, range: Range<usize>) -> Token<'a> {
        Token { at: self.at + range.start, text: &self.text[range], ..*self }
    }

    /// Where it stands, quotes included.
    pub(crate) fn spot(&self) -> Spot {
        let quotes = if self.quoted { 2 } else { 0 };
        Spot { at: self.at, len: (self.text.len() + quotes).max(1), line: self.line, line_at: self.line_at }
    }

    /// Where `len` octets stand that begin `from` octets into the text.
    pub(crate) fn spot_within(&self, from: usize, len: usize) -> Spot {
        Spot { at: self.at + usize::from(self.quoted) + from, len: len.max(1), line: self.line, line_at: self.line_at }
    }

    /// Whether it is this word; the text in quotes is none.
    pub(crate) fn is_word(&self, word: &[u8]) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }
}

/// Reads one file from its start.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    line_at: usize,
    depth: u32,
    /// The outermost parenthesis that is open, when `depth` is above 0.
    opened: Spot,
    resumed: u32,
}

/// How often [`Lexer::skip_entry`] goes back to an open parenthesis that nothing closes.
const RESUMED_MAX: u32 = 8;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer::starting_at(text, 0)
    }

    /// Reads from offset `at`, which must be in the text.
    pub(crate) fn starting_at(text: &'a [u8], at: usize) -> Lexer<'a> {
        let opened = Spot { at: 0, len: 1, line: 1, line_at: 0 };
        Lexer { text, at, line: 1, line_at: 0, depth: 0, opened, resumed: 0 }
    }

    /// The line that comes next, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    /// The octet that comes next. `None` at the end of the text.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The place where the lexer stands.
    pub(crate) fn here(&self) -> Spot {
        self.spot(1)
    }

    /// The entry's next token; `None` at its end, as often as asked.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        loop {
            let Some(&octet) = self.text.get(self.at) else { return self.end_of_text() };
            match CLASSES[octet as usize] {
                Class::Plain | Class::Escape => return Ok(Some(self.word())),
                Class::Blank => self.at += 1,
                Class::Newline if self.depth == 0 => return Ok(None),
                Class::Newline => self.newline(),
                Class::Comment => self.comment(),
                Class::Quote => return self.quoted().map(Some),
                Class::Open => {
                    if self.depth == 0 {
                        self.opened = self.spot(1);
                    }
                    // A text of 2^32 parentheses is over every limit on its size that makes sense, but is no reason to panic.
                    self.depth = self.depth.saturating_add(1);
                    self.at += 1;
                }
                Class::Close => {
                    let spot = self.spot(1);
                    self.at += 1;
                    match self.depth.checked_sub(1) {
                        Some(depth) => self.depth = depth,
                        None => {
                            return Err(Fault::new(
                                spot,
                                "this parenthesis closes none",
                                "remove it, or open one with `(` before it",
                            ));
                        }
                    }
                }
                Class::Return => match self.text.get(self.at + 1) {
                    Some(b'\n') | None => self.at += 1,
                    Some(_) => {
                        let spot = self.spot(1);
                        self.at += 1;
                        return Err(Fault::new(
                            spot,
                            "a carriage return without a line feed",
                            "end lines with LF or CR LF; write \\013 for the character itself",
                        ));
                    }
                },
            }
        }
    }

    /// The token behind the one read last, if it stands in quotes that follow without a blank: the value of `alpn="h2,h3"`.
    pub(crate) fn adjacent_quoted(&mut self) -> Result<Option<Token<'a>>, Fault> {
        if self.peek() == Some(b'"') { self.quoted().map(Some) } else { Ok(None) }
    }

    /// Steps over the line's end, where [`Lexer::next`] stopped. False at the end of the text.
    pub(crate) fn finish_entry(&mut self) -> bool {
        if self.at >= self.text.len() {
            return false;
        }
        self.newline();
        true
    }

    /// Gives up on the entry: goes to its end, whatever it holds. The fault is a parenthesis that nothing closes; the
    /// lexer then stands at the end of that parenthesis's line, so that what follows can be read at all.
    pub(crate) fn skip_entry(&mut self) -> Result<(), Fault> {
        loop {
            if self.at >= self.text.len() && self.depth > 0 {
                let fault = self.unclosed();
                self.depth = 0;
                // Each time costs a walk to the end of the text.
                if self.resumed < RESUMED_MAX {
                    self.resumed += 1;
                    (self.at, self.line, self.line_at) = (self.opened.at, self.opened.line, self.opened.line_at);
                    self.comment();
                }
                return Err(fault);
            }
            if let Ok(None) = self.next() {
                return Ok(());
            }
        }
    }

    fn end_of_text(&self) -> Result<Option<Token<'a>>, Fault> {
        if self.depth == 0 { Ok(None) } else { Err(self.unclosed()) }
    }

    fn unclosed(&self) -> Fault {
        Fault::new(self.opened, "this parenthesis is never closed", "close it with `)` where the record ends")
    }

    #[inline]
    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        let mut at = start;
        let mut escaped = false;
        while let Some(&octet) = self.text.get(at) {
            match CLASSES[octet as usize] {
                Class::Plain => at += 1,
                Class::Escape => {
                    escaped = true;
                    at += 1;
                    // The escaped octet loses its meaning, except that a line ends in any case.
                    if self.text.get(at).is_some_and(|octet| !matches!(octet, b'\n' | b'\r')) {
                        at += 1;
                    }
                }
                _ => break,
            }
        }
        self.at = at;
        Token { text: &self.text[start..at], quoted: false, escaped, at: start, line: self.line, line_at: self.line_at }
    }

    fn quoted(&mut self) -> Result<Token<'a>, Fault> {
        let (start, line, line_at) = (self.at, self.line, self.line_at);
        let mut escaped = false;
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 1;
                    if self.text.get(at) == Some(&b'\n') {
                        self.line += 1;
                        self.line_at = at + 1;
                    }
                    at = self.text.len().min(at + 1);
                }
                Some(b'\n') | None => {
                    self.at = at;
                    // What the quote was meant to enclose is not known: show it and the rest of its line.
                    let len = if self.line == line { at - start } else { 1 };
                    return Err(Fault::new(
                        Spot { at: start, len, line, line_at },
                        "this quote is not closed on its line",
                        "close it with `\"`; long texts are written as several strings in quotes",
                    ));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(Token { text: &self.text[start + 1..at], quoted: true, escaped, at: start, line, line_at })
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
    }

    fn newline(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
        self.line_at = self.at;
    }

    fn spot(&self, len: usize) -> Spot {
        Spot { at: self.at, len, line: self.line, line_at: self.line_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All entries of a text: words as they are, strings in quotes between `<` and `>`, faults as `!message`.
    fn entries(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text.as_bytes());
        let mut entries = Vec::new();
        loop {
            let mut entry = Vec::new();
            loop {
                match lexer.next() {
                    Ok(None) => break,
                    Ok(Some(token)) => {
                        let text = String::from_utf8_lossy(token.text);
                        entry.push(if token.quoted { format!("<{text}>") } else { text.into_owned() });
                    }
                    Err(fault) => {
                        entry.push(format!("!{}", fault.into_texts().0));
                        let _ = lexer.skip_entry();
                    }
                }
            }
            if !entry.is_empty() {
                entries.push(entry.join(" "));
            }
            if !lexer.finish_entry() {
                return entries;
            }
        }
    }

    #[test]
    fn words_quotes_comments_and_lines() {
        assert_eq!(entries("a b\tc ; d\n\n ; x\ne"), ["a b c", "e"]);
        assert_eq!(entries("a ( b ; one )\n c\n) d\ne"), ["a b c d", "e"]);
        assert_eq!(entries("a \"b ; c\" \"\" \"d\\\"e\"\n"), ["a <b ; c> <> <d\\\"e>"]);
        assert_eq!(entries("a\\;b \\( c\\ d\\\\;e\n"), ["a\\;b \\( c\\ d\\\\"]);
        assert_eq!(entries("x\"y\"z(w)v\n"), ["x <y> z w v"]);
        assert_eq!(entries("a\r\nb (\r\nc)\r\nd\r"), ["a", "b c", "d"]);
    }

    #[test]
    fn faults_stop_their_own_entry_only() {
        assert_eq!(entries("a ) b\nc"), ["a !this parenthesis closes none", "c"]);
        assert_eq!(entries("a \"b\nc"), ["a !this quote is not closed on its line", "c"]);
        assert_eq!(entries("a\rb\nc"), ["a !a carriage return without a line feed", "c"]);
        assert_eq!(entries("a ( b\nc\n"), ["a b c !this parenthesis is never closed"]);
        assert_eq!(entries("a \"b\\\nc\" d"), ["a <b\\\nc> d"]);
        assert_eq!(entries("a\\\nb\\"), ["a\\", "b\\"]);
    }
}
