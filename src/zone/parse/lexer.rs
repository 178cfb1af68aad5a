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

/// Whether an entry that starts with this octet is a record with an owner, or nothing that is right.
#[inline]
pub(super) fn starts_word(octet: u8) -> bool {
    matches!(CLASSES[octet as usize], Class::Plain | Class::Escape) && octet != b'$'
}

/// How many octets of class [`Class::Plain`] a text starts with. Sixteen are looked at at once: most words are shorter.
#[inline(always)]
pub(super) fn plain_len(text: &[u8]) -> usize {
    let mut len = 0;
    while let Some(&octets) = text[len..].first_chunk::<16>() {
        let suspects = suspects(octets);
        len += (suspects.trailing_zeros() / u8::BITS) as usize;
        if suspects != 0 && CLASSES[text[len] as usize] != Class::Plain {
            return len;
        }
        len += usize::from(suspects != 0);
    }
    let rest = &text[len..];
    len + rest.iter().position(|&octet| CLASSES[octet as usize] != Class::Plain).unwrap_or(rest.len())
}

/// Bit 7 of the first octet that may be of another class than [`Class::Plain`]; what is said of those behind it is not to be relied on.
/// All control characters are suspects.
#[inline(always)]
fn suspects(octets: [u8; 16]) -> u128 {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let word = u128::from_le_bytes(octets);
    let below = |word: u128, octet: u8| word.wrapping_sub(ONES * octet as u128) & !word;
    let equal = |word: u128, octet: u8| below(word ^ (ONES * octet as u128), 1);
    // `(` and `)` differ in their lowest bit.
    let found =
        below(word, b' ' + 1) | equal(word | ONES, b')') | equal(word, b'"') | equal(word, b';') | equal(word, b'\\');
    found & (ONES << 7)
}

/// A word, or what stands between two quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    /// The octets as written, without the quotes.
    pub(crate) text: &'a [u8],
    /// Whether it stood in quotes.
    pub(crate) quoted: bool,
    /// Whether there is a backslash in it.
    pub(crate) escaped: bool,
    /// Offset of the first octet, that of the quote if there is one.
    at: usize,
}

impl<'a> Token<'a> {
    /// A part of a word.
    pub(crate) fn part(&self, range: Range<usize>) -> Token<'a> {
        Token { at: self.at + range.start, text: &self.text[range], ..*self }
    }

    /// Where it stands, quotes included.
    pub(crate) fn spot(&self) -> Spot {
        let quotes = if self.quoted { 2 } else { 0 };
        Spot { at: self.at, len: (self.text.len() + quotes).max(1) }
    }

    /// Where `len` octets stand that begin `from` octets into the text.
    pub(crate) fn spot_within(&self, from: usize, len: usize) -> Spot {
        Spot { at: self.at + usize::from(self.quoted) + from, len: len.max(1) }
    }

    /// Whether it is this word; the text in quotes is none.
    pub(crate) fn is_word(&self, word: &[u8]) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(word)
    }
}

/// Reads one file from its start.
///
/// Where tokens are of the common shape, all of the work is inlined at the caller, and the rest is functions that return
/// a flag: a token that goes through memory costs more than cutting it off did.
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    depth: u32,
    /// Offset and line of the outermost parenthesis that is open, when `depth` is above 0.
    opened: (usize, u32),
    resumed: u32,
    /// Offset where the blanks and comments began that [`Lexer::seek_any`] stepped over last.
    gap_at: usize,
}

/// How often [`Lexer::skip_entry`] goes back to an open parenthesis that nothing closes.
const RESUMED_MAX: u32 = 8;

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Lexer<'a> {
        Lexer::starting_at(text, 0)
    }

    /// Reads from offset `at`, which must be in the text.
    pub(crate) fn starting_at(text: &'a [u8], at: usize) -> Lexer<'a> {
        Lexer { text, at, line: 1, depth: 0, opened: (0, 1), resumed: 0, gap_at: at }
    }

    /// Where the lexer stands: line, from 1, and offset.
    #[inline]
    pub(crate) fn position(&self) -> (u32, usize) {
        (self.line, self.at)
    }

    /// Whether it stands within parentheses.
    #[inline]
    pub(super) fn is_in_parentheses(&self) -> bool {
        self.depth > 0
    }

    /// Goes to another place outside parentheses.
    #[inline]
    pub(super) fn go_to(&mut self, line: u32, at: usize) {
        (self.line, self.at) = (line, at);
    }

    /// The octet that comes next. `None` at the end of the text.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Whether the word that comes next is `word`. Asked where [`Lexer::seek`] stopped.
    #[inline]
    pub(crate) fn stands_at(&self, word: &[u8]) -> bool {
        let rest = &self.text[self.at.min(self.text.len())..];
        rest.starts_with(word)
            && rest.get(word.len()).is_none_or(|&next| !matches!(CLASSES[next as usize], Class::Plain | Class::Escape))
    }

    /// The place where the lexer stands.
    pub(crate) fn here(&self) -> Spot {
        Spot { at: self.at, len: 1 }
    }

    /// The place behind the last token, when [`Lexer::seek`] just found no other.
    pub(crate) fn behind_last(&self) -> Spot {
        Spot { at: self.gap_at, len: 1 }
    }

    /// Goes to the entry's next token. False at its end, as often as asked.
    #[inline(always)]
    pub(crate) fn seek(&mut self) -> Result<bool, Fault> {
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        match self.peek() {
            Some(octet) if CLASSES[octet as usize] == Class::Plain => Ok(true),
            _ => self.seek_any(),
        }
    }

    #[inline(never)]
    fn seek_any(&mut self) -> Result<bool, Fault> {
        self.gap_at = self.at;
        loop {
            let Some(octet) = self.peek() else {
                return if self.depth == 0 { Ok(false) } else { Err(self.unclosed()) };
            };
            match CLASSES[octet as usize] {
                Class::Plain | Class::Escape | Class::Quote => return Ok(true),
                Class::Blank => self.at += 1,
                Class::Newline if self.depth == 0 => return Ok(false),
                Class::Newline => self.newline(),
                Class::Comment => self.comment(),
                Class::Open => {
                    if self.depth == 0 {
                        self.opened = (self.at, self.line);
                    }
                    // A text of 2^32 parentheses is over every sensible limit on its size, but no reason to panic.
                    self.depth = self.depth.saturating_add(1);
                    self.at += 1;
                }
                Class::Close => {
                    let spot = self.here();
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
                Class::Return => {
                    let spot = self.here();
                    self.at += 1;
                    if !matches!(self.peek(), Some(b'\n') | None) {
                        return Err(Fault::new(
                            spot,
                            "a carriage return without a line feed",
                            "end lines with LF or CR LF; write \\013 for the character itself",
                        ));
                    }
                }
            }
        }
    }

    /// The entry's next token; `None` at its end, as often as asked.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        if !self.seek()? {
            return Ok(None);
        }
        let start = self.at;
        if self.peek() == Some(b'"') {
            let escaped = self.skip_quoted()?;
            return Ok(Some(Token { text: &self.text[start + 1..self.at - 1], quoted: true, escaped, at: start }));
        }
        let rest = &self.text[start..];
        let len = plain_len(rest);
        self.at = start + len;
        let escaped = rest.get(len) == Some(&b'\\');
        if escaped {
            self.skip_escaped();
        }
        Ok(Some(Token { text: &self.text[start..self.at], quoted: false, escaped, at: start }))
    }

    /// The token behind the one read last, if it stands in quotes that follow without a blank: the value of `alpn="h2,h3"`.
    pub(crate) fn adjacent_quoted(&mut self) -> Result<Option<Token<'a>>, Fault> {
        if self.peek() == Some(b'"') { self.next() } else { Ok(None) }
    }

    /// Steps over the line's end, where [`Lexer::next`] stopped. False at the end of the text.
    #[inline]
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
                    (self.at, self.line) = self.opened;
                    self.comment();
                }
                return Err(fault);
            }
            if let Ok(None) = self.next() {
                return Ok(());
            }
        }
    }

    fn unclosed(&self) -> Fault {
        let spot = Spot { at: self.opened.0, len: 1 };
        Fault::new(spot, "this parenthesis is never closed", "close it with `)` where the record ends")
    }

    /// Goes to the end of a word from its first backslash.
    #[inline(never)]
    fn skip_escaped(&mut self) {
        while let Some(octet) = self.peek() {
            match CLASSES[octet as usize] {
                Class::Plain => self.at += 1,
                Class::Escape => {
                    self.at += 1;
                    // The escaped octet loses its meaning, except that a line ends in any case.
                    if self.peek().is_some_and(|octet| !matches!(octet, b'\n' | b'\r')) {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    /// Goes behind the quote that closes the one that comes next. Says whether there is a backslash between them.
    #[inline(never)]
    fn skip_quoted(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        let line = self.line;
        let mut escaped = false;
        let mut at = start + 1;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 1;
                    if self.text.get(at) == Some(&b'\n') {
                        self.line = self.line.saturating_add(1);
                    }
                    at = self.text.len().min(at + 1);
                }
                Some(b'\n') | None => {
                    self.at = at;
                    // What the quote was meant to enclose is not known: show it and the rest of its line.
                    let len = if self.line == line { at - start } else { 1 };
                    return Err(Fault::new(
                        Spot { at: start, len },
                        "this quote is not closed on its line",
                        "close it with `\"`; long texts are written as several strings in quotes",
                    ));
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        Ok(escaped)
    }

    fn comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().position(|&octet| octet == b'\n').unwrap_or(rest.len());
    }

    #[inline]
    fn newline(&mut self) {
        self.at += 1;
        self.line = self.line.saturating_add(1);
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
    fn words_of_any_length_end_where_their_classes_say() {
        for octet in 0..=u8::MAX {
            for len in [0, 1, 7, 15, 16, 17, 31, 32, 40] {
                let text = [&vec![b'x'; len][..], &[octet], &[b'y'; 20], b" z"].concat();
                let expected = text.iter().position(|&octet| CLASSES[octet as usize] != Class::Plain);
                assert_eq!(plain_len(&text), expected.unwrap(), "octet {octet} behind {len}");
                assert_eq!(plain_len(&text[..len]), len);
            }
        }
    }

    #[test]
    fn faults_stop_their_own_entry_only() {
        assert_eq!(entries("a ) b\nc"), ["a !this parenthesis closes none", "c"]);
        assert_eq!(entries("a \"b\nc"), ["a !this quote is not closed on its line", "c"]);
        assert_eq!(entries("a\rb\nc"), ["a !a carriage return without a line feed", "c"]);
        assert_eq!(entries("a ( b\nc\n"), ["a b c !this parenthesis is never closed", "c"]);
        assert_eq!(entries("a \"b\\\nc\" d"), ["a <b\\\nc> d"]);
        assert_eq!(entries("a\\\nb\\"), ["a\\", "b\\"]);
    }
}
