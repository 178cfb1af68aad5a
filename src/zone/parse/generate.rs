//! BIND's `$GENERATE start-stop[/step] owner [TTL] [class] type data`: one record for each number of a range.
//!
//! In owner and data `$` is the number; `$$` and `\$` a dollar sign; `${offset,width,base}` the number plus an offset, filled up
//! with zeros, in base `d`, `o`, `x` or `X`, or as `n` or `N`: hexadecimal digits in reverse with dots between, for ip6.arpa.
//! Data with blanks in it stands in quotes as a whole, and quotes within it are written `\"`.

use super::directives::{argument, end};
use super::fault::{Fault, Spot, shown};
use super::fields::decimal;
use super::lexer::{Lexer, Token};
use super::names::NameBuf;
use super::reader::{Entry, Reader, out_of_zone};
use crate::wire::name;
use std::io::Write;

/// Longest number that `${}` makes; a label has no more.
const WIDTH_MAX: usize = 255;

const FORM: &str =
    "the form is: $GENERATE 1-10[/step] host$ [TTL] [class] type data, the data in quotes if it has blanks";

impl Reader<'_> {
    pub(super) fn generate(&mut self, directive: &Token, lexer: &mut Lexer, entry: Entry) -> Result<(), Fault> {
        let range = argument(directive, lexer, FORM)?;
        let numbers = numbers(&range)?;
        let owner = argument(directive, lexer, FORM)?;
        let head = self.head(lexer)?;
        let data = argument(directive, lexer, FORM)?;
        end(lexer).map_err(|fault| {
            Fault::new(
                fault.spot(),
                "more than one word of data",
                "put all of it in quotes; quotes within it are written \\\"",
            )
        })?;
        let count = u64::from((numbers.stop - numbers.start) / numbers.step) + 1;
        if self.generated + count > self.options.generated_max {
            return Err(Fault::new(
                range.spot(),
                format!("the zone's $GENERATEs make more than {} records", self.options.generated_max),
                "make the range smaller",
            ));
        }
        self.generated += count;
        let template = template(&data);
        let (mut owner_text, mut data_text) = (Vec::new(), Vec::new());
        let mut name = NameBuf::new(&[0]);
        for number in (numbers.start..=numbers.stop).step_by(numbers.step as usize) {
            let context = format!("in the record for {number}");
            owner_text.clear();
            expand(owner.text, number, owner.spot(), &mut owner_text)?;
            let mut words = Lexer::new(&owner_text);
            let word = match (words.next(), words.peek()) {
                (Ok(Some(word)), None) if !owner.quoted => word,
                _ => return Err(Fault::new(owner.spot(), format!("{} is not a name", shown(&owner_text)), FORM)),
            };
            let relative =
                name.read(&word, self.origin.as_wire()).map_err(|fault| fault.moved(owner.spot(), &context))?;
            if !name::is_at_or_below(name.as_wire(), self.apex.as_wire()) {
                return Err(out_of_zone(owner.spot(), name.as_wire(), self.apex, relative));
            }
            data_text.clear();
            expand(&template, number, data.spot(), &mut data_text)?;
            let octets = self
                .generated_record(&name, &head, &data_text, entry)
                .map_err(|fault| fault.moved(data.spot(), &context))?;
            // The text counts too, blanks and comments in it: they take the time, if not the memory.
            self.generated_octets += octets.max((owner_text.len() + data_text.len()) as u64);
            if self.generated_octets > self.options.generated_octets_max {
                return Err(Fault::new(
                    directive.spot(),
                    format!("the zone's $GENERATEs make more than {} octets", self.options.generated_octets_max),
                    "make the range or the data smaller",
                ));
            }
        }
        Ok(())
    }
}

/// The numbers of a range: the stop is one of them if the steps meet it, and not below the start; the step is not 0.
struct Numbers {
    start: u32,
    stop: u32,
    step: u32,
}

/// `start-stop` or `start-stop/step`.
fn numbers(token: &Token) -> Result<Numbers, Fault> {
    let number = |part| decimal(&token.part(part)).filter(|&number| number <= i32::MAX as u32);
    let find = |octet| token.text.iter().position(|&found| found == octet);
    let end = find(b'/').unwrap_or(token.text.len());
    let step = if end < token.text.len() { number(end + 1..token.text.len()) } else { Some(1) };
    let bounds = find(b'-').filter(|&dash| dash < end).map(|dash| (number(0..dash), number(dash + 1..end)));
    match (bounds, step) {
        (Some((Some(start), Some(stop))), Some(step @ 1..)) if start <= stop => Ok(Numbers { start, stop, step }),
        _ => Err(Fault::new(
            token.spot(),
            format!("{} is not a range", shown(token.text)),
            "write start-stop or start-stop/step: numbers up to 2147483647, the start first, the step at least 1",
        )),
    }
}

/// The data as the records will be read from it: without the backslashes that protected quotes within quotes.
fn template(token: &Token) -> Vec<u8> {
    let mut text = Vec::with_capacity(token.text.len());
    let mut octets = token.text.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match (octet, octets.peek()) {
            (b'\\', Some(b'"')) if token.quoted => {}
            (b'\\', Some(&escaped)) => {
                text.extend([octet, escaped]);
                octets.next();
            }
            _ => text.push(octet),
        }
    }
    text
}

const EXPAND_FORM: &str = "write $, or ${offset,width,base} with base d, o, x, X, n or N; $$ stands for a dollar sign";

/// Octets of a record's text: its data have 65,535 at most, each four octets long as `\\DDD`.
const EXPANDED_MAX: usize = 512 << 10;

/// Puts the number in.
fn expand(template: &[u8], number: u32, spot: Spot, out: &mut Vec<u8>) -> Result<(), Fault> {
    let malformed = |why: String| Fault::new(spot, why, EXPAND_FORM);
    let mut rest = template;
    loop {
        if out.len() > EXPANDED_MAX {
            let message = format!("for {number} this makes more than {EXPANDED_MAX} octets");
            return Err(Fault::new(spot, message, "write less: no record has so many"));
        }
        rest = match rest {
            [] => return Ok(()),
            [b'\\', escaped, after @ ..] => {
                out.extend([b'\\', *escaped]);
                after
            }
            [b'$', b'$', after @ ..] => {
                // A bare dollar sign would begin a directive, were this a line.
                out.extend(b"\\$");
                after
            }
            [b'$', b'{', after @ ..] => {
                let end = after
                    .iter()
                    .position(|&octet| octet == b'}')
                    .ok_or_else(|| malformed("`${` without `}`".into()))?;
                modified(&after[..end], number, out)
                    .ok_or_else(|| malformed(format!("{} can't be expanded for {number}", shown(&rest[..end + 3]))))?;
                &after[end + 1..]
            }
            [b'$', after @ ..] => {
                write(out, format_args!("{number}"));
                after
            }
            [octet, after @ ..] => {
                out.push(*octet);
                after
            }
        };
    }
}

/// What stands in `${...}`: offset, then width and base, both optional. `None`: malformed, or the sum is no number of 32 bits.
fn modified(inside: &[u8], number: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = std::str::from_utf8(inside).ok()?.split(',');
    let offset: i64 = parts.next()?.parse().ok()?;
    let width: usize = parts.next().map_or(Ok(0), str::parse).ok().filter(|&width| width <= WIDTH_MAX)?;
    let base = parts.next().unwrap_or("d");
    let value = u32::try_from(i64::from(number).checked_add(offset)?).ok()?;
    if parts.next().is_some() {
        return None;
    }
    match base {
        "d" => write(out, format_args!("{value:0width$}")),
        "o" => write(out, format_args!("{value:0width$o}")),
        "x" => write(out, format_args!("{value:0width$x}")),
        "X" => write(out, format_args!("{value:0width$X}")),
        "n" => nibbles(value, width, b"0123456789abcdef", out),
        "N" => nibbles(value, width, b"0123456789ABCDEF", out),
        _ => return None,
    }
    Some(())
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments) {
    out.write_fmt(text).unwrap_or_else(|_| unreachable!("a vector takes all"));
}

/// Digits from the lowest on, dots between; the width counts both, so an even one ends in a dot.
fn nibbles(mut value: u32, mut width: usize, digits: &[u8; 16], out: &mut Vec<u8>) {
    loop {
        out.push(digits[(value & 15) as usize]);
        value >>= 4;
        width = width.saturating_sub(1);
        if value == 0 && width == 0 {
            return;
        }
        out.push(b'.');
        width = width.saturating_sub(1);
        if value == 0 && width == 0 {
            return;
        }
    }
}
