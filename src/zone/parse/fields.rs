//! The fields of one record's RDATA, one token after another.

use super::fault::{Fault, Spot, shown};
use super::lexer::{Lexer, Token};
use super::names::NameBuf;
use super::ttl;
use crate::wire::name::escape;

/// What is left of a record, and the origin that its names are relative to.
pub(crate) struct Fields<'l, 'a> {
    lexer: &'l mut Lexer<'a>,
    origin: &'l [u8],
    /// Where names are built.
    scratch: &'l mut NameBuf,
    /// How the whole record is written, for remedies.
    usage: fn(u16) -> String,
    rtype: u16,
}

impl<'l, 'a> Fields<'l, 'a> {
    pub(crate) fn new(
        lexer: &'l mut Lexer<'a>,
        origin: &'l [u8],
        scratch: &'l mut NameBuf,
        rtype: u16,
        usage: fn(u16) -> String,
    ) -> Fields<'l, 'a> {
        Fields { lexer, origin, scratch, usage, rtype }
    }

    /// The next token, if there is one.
    #[inline(always)]
    pub(crate) fn optional(&mut self) -> Result<Option<Token<'a>>, Fault> {
        self.lexer.next()
    }

    /// See [`Lexer::adjacent_quoted`].
    pub(crate) fn adjacent_quoted(&mut self) -> Result<Option<Token<'a>>, Fault> {
        self.lexer.adjacent_quoted()
    }

    /// The next token; `what` names it for the error when there is none.
    #[inline(always)]
    pub(crate) fn token(&mut self, what: &str) -> Result<Token<'a>, Fault> {
        self.lexer.next()?.ok_or_else(|| self.missing(what))
    }

    /// Goes to the next token and gives its place; `what` names it for the error when there is none.
    #[inline]
    pub(crate) fn expect(&mut self, what: &str) -> Result<Spot, Fault> {
        if self.lexer.seek()? { Ok(self.lexer.here()) } else { Err(self.missing(what)) }
    }

    /// From a place that [`Fields::expect`] gave up to the end of the token read last.
    #[inline]
    pub(crate) fn since(&self, start: Spot) -> Spot {
        Spot { at: start.at, len: self.lexer.here().at.saturating_sub(start.at).max(1) }
    }

    /// Takes the next word if it is this one. Asked behind [`Fields::expect`].
    #[inline]
    pub(crate) fn take_word(&mut self, word: &[u8]) -> Result<bool, Fault> {
        Ok(self.lexer.stands_at(word) && self.lexer.next()?.is_some())
    }

    /// Whether the record goes on.
    #[inline]
    pub(crate) fn has_more(&mut self) -> Result<bool, Fault> {
        self.lexer.seek()
    }

    #[cold]
    fn missing(&self, what: &str) -> Fault {
        self.wrong(self.lexer.behind_last(), format!("the record ends where {what} is expected"))
    }

    /// A fault whose remedy is how the whole record is written.
    #[cold]
    pub(crate) fn wrong(&self, spot: Spot, message: String) -> Fault {
        Fault::new(spot, message, (self.usage)(self.rtype))
    }

    /// What is wrong with a token in the place of `what`.
    #[cold]
    pub(crate) fn unexpected(&self, token: &Token, what: &str) -> Fault {
        let text = shown(token.text);
        let message = match token.quoted {
            true => format!("expected {what}, found the quoted string {text}"),
            false => format!("expected {what}, found {text}"),
        };
        self.wrong(token.spot(), message)
    }

    /// Everything must be read by now.
    #[inline(always)]
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        match self.optional()? {
            None => Ok(()),
            Some(token) => Err(Fault::new(
                token.spot(),
                format!("the record should end before {}", shown(token.text)),
                format!("remove the rest, or put it in quotes if it belongs to a text; {}", (self.usage)(self.rtype)),
            )),
        }
    }

    /// A decimal number up to `max`.
    pub(crate) fn number(&mut self, what: &str, max: u32) -> Result<u32, Fault> {
        let token = self.token(what)?;
        match decimal(&token).filter(|&value| value <= max) {
            Some(value) => Ok(value),
            None => Err(self.unexpected(&token, &format!("{what} (a number from 0 to {max})"))),
        }
    }

    /// Seconds, or units as in `1h30m`.
    pub(crate) fn time(&mut self, what: &str) -> Result<u32, Fault> {
        let token = self.token(what)?;
        match ttl::seconds(token.text) {
            Some(value) if !token.quoted => Ok(value),
            _ => {
                Err(self
                    .unexpected(&token, &format!("{what} (seconds, or a time like 1h30m, up to 4294967295 seconds)")))
            }
        }
    }

    /// A name, made absolute; appended in wire form.
    #[inline]
    pub(crate) fn name(&mut self, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let token = self.token(what)?;
        self.scratch.read(&token, self.origin).map_err(|fault| about(what, fault))?;
        out.extend_from_slice(self.scratch.as_wire());
        Ok(())
    }

    /// Hexadecimal digits up to the end of the record, blanks between them ignored. Digits may be cut anywhere.
    pub(crate) fn hex(&mut self, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut high = None;
        let mut last = None;
        while let Some(token) = self.optional()? {
            if token.quoted {
                return Err(self.unexpected(&token, what));
            }
            let mut in_pairs = 0;
            if high.is_none() {
                // Mostly all of them.
                for [first, second] in token.text.as_chunks::<2>().0 {
                    let (first, second) = (HEX_DIGITS[*first as usize], HEX_DIGITS[*second as usize]);
                    if first | second == NO_DIGIT {
                        break;
                    }
                    out.push(first << 4 | second);
                    in_pairs += 2;
                }
            }
            for (at, &octet) in token.text.iter().enumerate().skip(in_pairs) {
                let digit = HEX_DIGITS[octet as usize];
                if digit == NO_DIGIT {
                    let message = format!("{} in {what} is not a hexadecimal digit", shown(&token.text[at..at + 1]));
                    return Err(self.wrong(token.spot_within(at, 1), message));
                }
                match high.take() {
                    None => high = Some(digit),
                    Some(high) => out.push(high << 4 | digit),
                }
            }
            self.bound(token.spot(), out)?;
            last = Some(token);
        }
        match (high, last) {
            (None, _) => Ok(()),
            (Some(_), Some(token)) => Err(Fault::new(
                token.spot(),
                format!("{what}: an odd number of hexadecimal digits"),
                "two digits make an octet: one is missing, or one too many",
            )),
            (Some(_), None) => unreachable!("a digit came from a token"),
        }
    }

    /// RDATA and its parts have at most 65,535 octets (RFC 1035 section 3.2.1).
    pub(crate) fn bound(&self, spot: Spot, out: &[u8]) -> Result<(), Fault> {
        if out.len() <= usize::from(u16::MAX) {
            return Ok(());
        }
        Err(Fault::new(
            spot,
            "the record's data is longer than 65535 octets",
            "DNS can't carry it; shorten it, or spread it over several records",
        ))
    }
}

/// The value of each hexadecimal digit. A table, as nobody can predict whether the next one is a letter.
static HEX_DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut octet = 0;
    while octet < digits.len() {
        if let Some(digit) = (octet as u8 as char).to_digit(16) {
            digits[octet] = digit as u8;
        }
        octet += 1;
    }
    digits
};
const NO_DIGIT: u8 = 0xff;

/// A fault in a field that says which it is.
#[cold]
pub(crate) fn about(what: &str, fault: Fault) -> Fault {
    let spot = fault.spot();
    fault.moved(spot, what)
}

/// A decimal number up to 2^32 - 1.
pub(crate) fn decimal(token: &Token) -> Option<u32> {
    if token.quoted || token.text.is_empty() {
        return None;
    }
    token.text.iter().try_fold(0u32, |value, octet| {
        value.checked_mul(10)?.checked_add(octet.is_ascii_digit().then(|| u32::from(octet - b'0'))?)
    })
}

/// Takes the backslashes out of a word or a text in quotes: `\X` and `\DDD` (RFC 1035 section 5.1).
pub(crate) fn unescape(token: &Token, out: &mut Vec<u8>) -> Result<(), Fault> {
    if !token.escaped {
        out.extend_from_slice(token.text);
        return Ok(());
    }
    let text = token.text;
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let Some((octet, used)) = escape(&text[at..]) else {
            return Err(Fault::new(
                token.spot_within(at, 4.min(text.len() - at)),
                format!("{} is not an escape", shown(&text[at..text.len().min(at + 4)])),
                "write the octet as three digits, \\000 to \\255, or `\\\\` for a backslash itself",
            ));
        };
        out.push(octet);
        at += used;
    }
    Ok(())
}
