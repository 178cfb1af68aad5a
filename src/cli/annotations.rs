//! Findings as code hosts take them for a change under review: GitHub's workflow commands, GitLab's Code Quality report. Pure.

use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;

/// A finding, as far as a code host can show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Annotation {
    /// Whether it is an error; else a warning.
    pub(super) error: bool,
    /// The file, as the command was told to find it: from the top of the checkout where it runs there.
    pub(super) file: String,
    /// From 1; 0: the file as a whole.
    pub(super) line: u32,
    /// From 1; 0: the line as a whole.
    pub(super) column: u32,
    /// Characters of the line, from the column on; 0: not known.
    pub(super) width: u32,
    /// What is wrong.
    pub(super) message: String,
    /// What to do about it; may be empty.
    pub(super) remedy: String,
}

impl Annotation {
    fn text(&self) -> String {
        match self.remedy.as_str() {
            "" => self.message.clone(),
            remedy => format!("{}; {remedy}", self.message),
        }
    }
}

/// A line of GitHub's: `::error file=...,line=...::text`. It shows ten errors and ten warnings of a step, and logs all.
pub(super) fn github(annotation: &Annotation) -> String {
    let Annotation { error, file, line, column, width, .. } = annotation;
    let mut out = format!("::{} file={}", if *error { "error" } else { "warning" }, escaped(file, true));
    if *line > 0 {
        let _ = write!(out, ",line={line}");
        if *column > 0 {
            let _ = write!(out, ",col={column}");
            if *width > 0 {
                let _ = write!(out, ",endColumn={}", column.saturating_add(*width));
            }
        }
    }
    let _ = writeln!(out, "::{}", escaped(&annotation.text(), false));
    out
}

/// What would end a line, or in a `property` the property, is written as octets in hexadecimal.
fn escaped(text: &str, property: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' | '\r' | '\n' => drop(write!(out, "%{:02X}", u32::from(character))),
            ':' | ',' if property => drop(write!(out, "%{:02X}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out
}

/// One entry of GitLab's report.
#[derive(Serialize)]
struct Entry<'a> {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// All of GitLab's report. A finding keeps its fingerprint when lines before it come or go: so a merge request shows what is new with it.
pub(super) fn gitlab(annotations: &[Annotation]) -> serde_json::Result<String> {
    let mut seen: HashMap<(&str, &str), u32> = HashMap::new();
    let entries: Vec<Entry<'_>> = annotations
        .iter()
        .map(|annotation| {
            let path = annotation.file.strip_prefix("./").unwrap_or(&annotation.file);
            // Of several that say the same of a file each is one of its own.
            let same = seen.entry((path, &annotation.message)).or_default();
            let fingerprint = blake3::hash(format!("{path}\0{}\0{same}", annotation.message).as_bytes());
            *same += 1;
            Entry {
                description: annotation.text(),
                check_name: "catchment-check",
                fingerprint: fingerprint.to_hex()[..32].to_owned(),
                severity: if annotation.error { "critical" } else { "minor" },
                location: Location { path, lines: Lines { begin: annotation.line.max(1) } },
            }
        })
        .collect();
    Ok(serde_json::to_string_pretty(&entries)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation() -> Annotation {
        Annotation {
            error: true,
            file: "zones/a,b.zone".into(),
            line: 4,
            column: 6,
            width: 7,
            message: "found `50%`\nand: more".into(),
            remedy: "mend it".into(),
        }
    }

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(
            github(&annotation()),
            "::error file=zones/a%2Cb.zone,line=4,col=6,endColumn=13::found `50%25`%0Aand: more; mend it\n"
        );
        let whole =
            Annotation { error: false, line: 0, remedy: String::new(), message: "no SOA".into(), ..annotation() };
        assert_eq!(github(&whole), "::warning file=zones/a%2Cb.zone::no SOA\n");
        let line = Annotation { column: 0, ..annotation() };
        assert!(github(&line).starts_with("::error file=zones/a%2Cb.zone,line=4::"));
    }

    #[test]
    fn fingerprints_are_of_what_is_wrong_and_not_of_where() {
        let report = |annotations: &[Annotation]| -> Vec<serde_json::Value> {
            serde_json::from_str(&gitlab(annotations).unwrap()).unwrap()
        };
        let moved = Annotation { line: 40, ..annotation() };
        let both = report(&[annotation(), moved.clone()]);
        assert_eq!(both[0]["fingerprint"], report(&[moved])[0]["fingerprint"]);
        assert_ne!(both[0]["fingerprint"], both[1]["fingerprint"]);
        let elsewhere = Annotation { file: "./zones/c.zone".into(), line: 0, ..annotation() };
        let other = report(&[elsewhere]);
        assert_ne!(both[0]["fingerprint"], other[0]["fingerprint"]);
        assert_eq!(other[0]["location"], serde_json::json!({ "path": "zones/c.zone", "lines": { "begin": 1 } }));
        assert_eq!(gitlab(&[]).unwrap(), "[]\n");
    }
}
