//! Reading a TOML document key by key, with the place of every fault.
//!
//! A derive would stop at the first fault; an operator wants all of them at once, each with its line. So the document is
//! parsed to a tree with spans, and each key is taken from it by a small typed reader. Keys that nobody took are unknown.

use crate::wire::name::Name;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing wrong with the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where in the text, in bytes.
    pub(crate) at: Range<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(at: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { at, message: message.into(), remedy: remedy.into() }
    }
}

/// A value with its place.
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

/// What a typed reader gives.
pub(crate) type Read<T> = Result<T, Vec<Fault>>;

/// Parses TOML. The table holds what could be read, the faults what could not.
pub(crate) fn parse(text: &str) -> (DeTable<'_>, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let fault = |e: toml::de::Error| {
        let at = e.span().unwrap_or(0..0);
        Fault::new(at, e.message(), "this line is no TOML: keys are written `key = value`, text in double quotes")
    };
    (table.into_inner(), errors.into_iter().map(fault).collect())
}

/// Shows faults the way a compiler does: `file:line:column`, the line, the spot, the remedy. `level`: errors or warnings.
pub(crate) fn render(path: &str, text: &str, level: Level<'_>, faults: &[Fault], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for fault in faults {
        // A span at the very end of the text would point at no line.
        let at = fault.at.start.min(text.len())..fault.at.end.min(text.len());
        let shown = Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(at));
        let group = level.clone().primary_title(fault.message.as_str()).element(shown);
        out.push_str(&renderer.render(&[group.element(Level::HELP.message(fault.remedy.as_str()))]));
        out.push_str("\n\n");
    }
    out
}

/// The keys of one table that have not been read yet.
pub(crate) struct Keys<'a, 'f> {
    table: DeTable<'a>,
    taken: Vec<&'static str>,
    faults: &'f mut Vec<Fault>,
}

impl<'a, 'f> Keys<'a, 'f> {
    pub(crate) fn new(table: DeTable<'a>, faults: &'f mut Vec<Fault>) -> Keys<'a, 'f> {
        Keys { table, taken: Vec::new(), faults }
    }

    /// Takes a key and reads its value. `None` when it is absent, or at fault.
    pub(crate) fn read<T>(&mut self, key: &'static str, reader: impl FnOnce(Value<'a>) -> Read<T>) -> Option<T> {
        self.taken.push(key);
        let value = self.table.remove(key)?;
        reader(value).map_err(|faults| self.faults.extend(faults)).ok()
    }

    /// Like [`Keys::read`]; absence is a fault, shown at `at`.
    pub(crate) fn require<T>(
        &mut self,
        key: &'static str,
        at: Range<usize>,
        reader: impl FnOnce(Value<'a>) -> Read<T>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.taken.push(key);
            self.faults.push(Fault::new(at, format!("`{key}` is missing"), format!("add a line `{key} = \"...\"`")));
            return None;
        }
        self.read(key, reader)
    }

    /// Something else is wrong with the table.
    pub(crate) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Where a key stands that has not been read yet.
    pub(crate) fn place(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// Every key that is left is unknown.
    pub(crate) fn finish(self) {
        for key in self.table.keys() {
            let remedy = match nearest(key.get_ref(), &self.taken) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here are: {}", self.taken.join(", ")),
            };
            self.faults.push(Fault::new(key.span(), format!("unknown key `{}`", key.get_ref()), remedy));
        }
    }
}

/// Text.
pub(crate) fn string(value: Value<'_>) -> Read<String> {
    let at = value.span();
    match value.into_inner() {
        DeValue::String(text) => Ok(text.into_owned()),
        other => wrong_type(at, &other, "text in double quotes"),
    }
}

/// `true` or `false`.
pub(crate) fn boolean(value: Value<'_>) -> Read<bool> {
    let at = value.span();
    match value.into_inner() {
        DeValue::Boolean(truth) => Ok(truth),
        other => wrong_type(at, &other, "`true` or `false`, without quotes"),
    }
}

/// A number within bounds.
pub(crate) fn integer<N>(bounds: RangeInclusive<N>) -> impl Fn(Value<'_>) -> Read<N>
where
    N: TryFrom<i64> + PartialOrd + Display,
{
    move |value| {
        let at = value.span();
        let between = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        let DeValue::Integer(digits) = value.get_ref() else { return wrong_type(at, value.get_ref(), &between) };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok().and_then(|n| N::try_from(n).ok());
        match number {
            Some(number) if bounds.contains(&number) => Ok(number),
            _ => Err(vec![Fault::new(at, format!("{digits} is out of bounds"), format!("write {between}"))]),
        }
    }
}

/// A share in percent, whole or with a decimal point, in thousandths of a percent.
pub(crate) fn percent(value: Value<'_>) -> Read<u32> {
    const UNIT: u32 = 1_000;
    let at = value.span();
    let expected = "a number from 0 to 100, such as 0.1";
    let number = match value.get_ref() {
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok().map(|n| n as f64),
        DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
        other => return wrong_type(at, other, expected),
    };
    match number {
        Some(number) if (0.0..=100.0).contains(&number) => Ok((number * f64::from(UNIT)).round() as u32),
        _ => Err(vec![Fault::new(at, "the share is out of bounds", format!("write {expected}"))]),
    }
}

/// A time: text of a number and `ms`, `s` or `m`, within bounds.
pub(crate) fn duration(bounds: RangeInclusive<Duration>) -> impl Fn(Value<'_>) -> Read<Duration> {
    move |value| {
        let at = value.span();
        let between = format!("a time in quotes from \"{:?}\" to \"{:?}\"", bounds.start(), bounds.end());
        let text = match value.into_inner() {
            DeValue::String(text) => text,
            other => return wrong_type(at, &other, &format!("{between}, such as \"10s\"")),
        };
        match duration_from_text(&text) {
            Some(time) if bounds.contains(&time) => Ok(time),
            Some(_) => Err(vec![Fault::new(at, format!("\"{text}\" is out of bounds"), format!("write {between}"))]),
            None => Err(vec![Fault::new(
                at,
                format!("\"{text}\" is no time"),
                "write a whole number and `ms`, `s` or `m`, such as \"500ms\" or \"10s\"",
            )]),
        }
    }
}

/// One of several words.
pub(crate) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(Value<'_>) -> Read<T> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        let all = || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                Err(vec![Fault::new(at, format!("\"{text}\" is not known here"), format!("write one of {}", all()))])
            }
        }
    }
}

/// An address with a port.
pub(crate) fn address(value: Value<'_>) -> Read<SocketAddr> {
    let at = value.span();
    let text = string(value)?;
    address_from_text(&text).map_err(|(message, remedy)| vec![Fault::new(at, message, remedy)])
}

/// An address with a port from text, or what is wrong with it and the remedy.
pub(crate) fn address_from_text(text: &str) -> Result<SocketAddr, (String, String)> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let remedy = match text.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(bare) => format!("add the port: \"{}\"", SocketAddr::new(bare, 53)),
        Err(_) => "write an IP address and a port, such as \"192.0.2.1:53\" or \"[2001:db8::1]:53\"".into(),
    };
    Err((format!("\"{text}\" is no address with a port"), remedy))
}

/// A domain name.
pub(crate) fn name(value: Value<'_>) -> Read<Name> {
    let at = value.span();
    let text = string(value)?;
    Name::from_text(&text).map_err(|e| {
        vec![Fault::new(
            at,
            format!("\"{text}\" is no domain name: {e}"),
            "write it as in a zone file: \"example.com\"",
        )]
    })
}

/// A path; what is relative starts at `base`.
pub(crate) fn path(base: &std::path::Path) -> impl Fn(Value<'_>) -> Read<PathBuf> {
    move |value| {
        let at = value.span();
        let text = string(value)?;
        if text.is_empty() {
            return Err(vec![Fault::new(at, "the path is empty", "write a path, or leave the key out")]);
        }
        Ok(base.join(text))
    }
}

/// A list; the faults of all its items.
pub(crate) fn list<'a, T>(item: impl Fn(Value<'a>) -> Read<T>) -> impl FnOnce(Value<'a>) -> Read<Vec<T>> {
    move |value| {
        let at = value.span();
        let items = match value.into_inner() {
            DeValue::Array(items) => items,
            other => return wrong_type(at, &other, "a list in square brackets"),
        };
        let mut out = Vec::with_capacity(items.len());
        let mut faults = Vec::new();
        for value in items {
            match item(value) {
                Ok(read) => out.push(read),
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok(out) } else { Err(faults) }
    }
}

/// The value's own place, beside what `reader` makes of it.
pub(crate) fn placed<'a, T>(reader: impl Fn(Value<'a>) -> Read<T>) -> impl Fn(Value<'a>) -> Read<(T, Range<usize>)> {
    move |value| {
        let at = value.span();
        Ok((reader(value)?, at))
    }
}

/// A table.
pub(crate) fn table(value: Value<'_>) -> Read<DeTable<'_>> {
    let at = value.span();
    match value.into_inner() {
        DeValue::Table(table) => Ok(table),
        other => wrong_type(at, &other, "a table"),
    }
}

fn wrong_type<T>(at: Range<usize>, found: &DeValue<'_>, wanted: &str) -> Read<T> {
    Err(vec![Fault::new(at, format!("unexpected {}", found.type_str()), format!("write {wanted}"))])
}

pub(crate) fn duration_from_text(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

/// The known key that differs least from `key`, if it differs little.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let key = key.to_ascii_lowercase().replace('_', "-");
    let (distance, best) = known.iter().map(|k| (edits(&key, k), *k)).min()?;
    (distance <= 2 && distance * 2 < best.len()).then_some(best)
}

/// Levenshtein distance in octets; keys longer than any known one are cut short.
fn edits(a: &str, b: &str) -> usize {
    let a = &a.as_bytes()[..a.len().min(64)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = corner + usize::from(*x != y);
            corner = row[j + 1];
            row[j + 1] = cost.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("10s", Some(Duration::from_secs(10))),
            ("2m", Some(Duration::from_secs(120))),
            ("10", None),
            ("s", None),
            ("1h", None),
            ("-1s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615m", None),
        ] {
            assert_eq!(duration_from_text(text), expected, "{text}");
        }
    }

    #[test]
    fn the_nearest_key_is_named_only_when_it_is_near() {
        let known = ["listen", "udp-size", "workers", "nsid", "node"];
        assert_eq!(nearest("udp_size", &known), Some("udp-size"));
        assert_eq!(nearest("Listen", &known), Some("listen"));
        assert_eq!(nearest("worker", &known), Some("workers"));
        assert_eq!(nearest("zonefile", &known), None);
        assert_eq!(nearest("x", &known), None);
    }

    #[test]
    fn an_address_without_port_names_the_remedy() {
        assert_eq!(address_from_text("[::1]:53").unwrap(), "[::1]:53".parse().unwrap());
        assert_eq!(address_from_text("::1").unwrap_err().1, "add the port: \"[::1]:53\"");
        assert_eq!(address_from_text("192.0.2.1").unwrap_err().1, "add the port: \"192.0.2.1:53\"");
        assert!(address_from_text("localhost:53").unwrap_err().0.contains("no address"));
    }
}
