//! Questions as nodes are asked them, each with how often: what reports carry, and what files of questions list.
//!
//! One line each, `name type [count]`, as dnsperf's files have them. The name is absolute, with or without its final dot.

use crate::wire::code::rtype;
use crate::wire::name::Name;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Questions that are taken from one file, or from all reports together.
pub const QUESTIONS_MAX: usize = 100_000;
/// Octets of a file of questions.
pub const FILE_LEN_MAX: u64 = 64 << 20;

/// A name and a type, class IN. The name is in lower case: letters make no difference to an answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    name: Name,
    qtype: u16,
}

/// Questions, each with how often it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked(BTreeMap<Question, u64>);

/// What a node was asked lately, as far as it noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Traffic {
    /// Queries for zones of its channel, those for other questions too.
    pub queries: u64,
    /// What was asked most.
    pub questions: Asked,
}

impl Question {
    /// A question for this name, in any case.
    pub fn new(name: &Name, qtype: u16) -> Question {
        Question { name: name.to_lower(), qtype }
    }

    /// The name, in lower case.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The type.
    pub fn qtype(&self) -> u16 {
        self.qtype
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.to_string();
        // Names may begin so, but a file's line that does is a comment.
        let escape = if name.starts_with('#') { "\\" } else { "" };
        write!(f, "{escape}{name} {}", rtype::text(self.qtype))
    }
}

impl Asked {
    /// One of them more, so often.
    pub fn add(&mut self, question: Question, count: u64) {
        if self.0.len() < QUESTIONS_MAX || self.0.contains_key(&question) {
            let sum = self.0.entry(question).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// These too.
    pub fn merge(&mut self, others: Asked) {
        others.0.into_iter().for_each(|(question, count)| self.add(question, count));
    }

    /// All, by name, each with how often it was asked.
    pub fn iter(&self) -> impl Iterator<Item = (&Question, u64)> {
        self.0.iter().map(|(question, count)| (question, *count))
    }

    /// How many questions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How often they were asked, all together.
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Reads a file of them, called `file` in what is said of it. A question that is there twice was asked as often as its lines say
    /// together; a line without a count says once. Empty lines, and those that begin with `;` or `#`, are none. `Err`: what is wrong with
    /// the first line that is wrong, and what to do.
    pub fn parse(file: &str, text: &str) -> Result<Asked, String> {
        let mut asked = Asked::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with([';', '#']) {
                continue;
            }
            let at = || format!("{file}:{}", number + 1);
            let (question, count) = read_line(line).map_err(|error| format!("{}: {error}", at()))?;
            if asked.len() == QUESTIONS_MAX && !asked.0.contains_key(&question) {
                return Err(format!(
                    "{}: there are more than {QUESTIONS_MAX} questions; keep those that are asked most",
                    at()
                ));
            }
            asked.add(question, count);
        }
        Ok(asked)
    }
}

/// `name type [count]`. `Err`: what is wrong, and what to do.
fn read_line(line: &str) -> Result<(Question, u64), String> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(qtype)) = (words.next(), words.next()) else {
        return Err("a type is missing; write a name, a type, and how often it was asked: www.example.com A 12".into());
    };
    let name: Name = name.parse().map_err(|error| {
        format!("{} is no domain name: {error}; write it as in a zone file, other octets as \\DDD", quoted(name))
    })?;
    let code = rtype::from_text(qtype).ok_or_else(|| {
        format!("{} is no type; write its mnemonic, such as AAAA, or its number as TYPE65", quoted(qtype))
    })?;
    let count = match words.next() {
        None => 1,
        Some(count) => count.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
            format!("{} is no count; write how often it was asked, from 1 on, or nothing for once", quoted(count))
        })?,
    };
    match words.next() {
        None => Ok((Question::new(&name, code), count)),
        Some(more) => Err(format!("there is {} behind the count; write one question a line", quoted(more))),
    }
}

/// A word of a file, at a length that can be shown.
fn quoted(word: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match word.char_indices().nth(SHOWN_MAX) {
        None => format!("{word:?}"),
        Some((end, _)) => format!("{:?}...", &word[..end]),
    }
}

impl FromIterator<(Question, u64)> for Asked {
    fn from_iter<I: IntoIterator<Item = (Question, u64)>>(questions: I) -> Asked {
        let mut asked = Asked::default();
        questions.into_iter().for_each(|(question, count)| asked.add(question, count));
        asked
    }
}

impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.iter().map(|(question, count)| format!("{question} {count}")))
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Asked, D::Error> {
        let lines = Vec::<String>::deserialize(from)?;
        lines.iter().map(|line| read_line(line)).collect::<Result<Asked, String>>().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, qtype: u16) -> Question {
        Question::new(&name.parse().unwrap(), qtype)
    }

    #[test]
    fn lines_of_a_file() {
        let text = "; from dnsperf\n\nwww.Example.com A\n  example.com.\tTXT  7 \r\n#more\nWWW.example.com a 3\n. NS\n\
                    a\\.b\\032c.example.com TYPE65 2\n\\#1.example.com A\n";
        let asked = Asked::parse("q", text).unwrap();
        let expected = [
            (question(".", rtype::NS), 1),
            (question("#1.example.com", rtype::A), 1),
            (question("a\\.b\\032c.example.com", 65), 2),
            (question("example.com", rtype::TXT), 7),
            (question("www.example.com", rtype::A), 4),
        ];
        assert_eq!(asked, expected.into_iter().collect());
        assert_eq!((asked.len(), asked.total()), (5, 15));
        assert_eq!(question("#1.example.com", rtype::A).to_string(), "\\#1.example.com. A");
        assert_eq!(question("A\\.b\\032c.Example.com", 65).to_string(), "a\\.b\\032c.example.com. HTTPS");
    }

    #[test]
    fn faults_name_line_and_remedy() {
        for (text, expected) in [
            ("www.example.com", "q:1: a type is missing; write a name, a type, and how often"),
            ("a A\n\nb A\nc..d A", "q:4: \"c..d\" is no domain name: a label is empty (two dots in a row?); write"),
            ("a APEX", "q:1: \"APEX\" is no type; write its mnemonic, such as AAAA"),
            ("a A 0", "q:1: \"0\" is no count; write how often it was asked, from 1 on"),
            ("a A -1", "q:1: \"-1\" is no count;"),
            ("a A 1.5", "q:1: \"1.5\" is no count;"),
            ("a A 1 b A", "q:1: there is \"b\" behind the count; write one question a line"),
        ] {
            let said = Asked::parse("q", text).unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
        let long = format!("a {}", "x".repeat(1_000_000));
        assert!(Asked::parse("q", &long).unwrap_err().len() < 300);
    }

    #[test]
    fn more_than_enough_is_refused_in_a_file_and_left_out_of_reports() {
        let mut text: String = (0..QUESTIONS_MAX).map(|n| format!("h{n} A\n")).collect();
        assert_eq!(Asked::parse("q", &format!("{text}h1 A 5\n")).unwrap().total(), QUESTIONS_MAX as u64 + 5);
        text.push_str("more A\n");
        let said = Asked::parse("q", &text).unwrap_err();
        assert_eq!(said, "q:100001: there are more than 100000 questions; keep those that are asked most");
        let mut asked = Asked::parse("q", &text[..text.len() - 7]).unwrap();
        asked.merge([(question("more", 1), 9), (question("h1", 1), u64::MAX)].into_iter().collect());
        assert_eq!((asked.len(), asked.total()), (QUESTIONS_MAX, u64::MAX));
    }

    #[test]
    fn as_json_and_back() {
        let questions = [(question("www.a", rtype::A), 640), (question("b", 65_000), 1)].into_iter().collect();
        let traffic = Traffic { queries: 1_000, questions };
        let text = serde_json::to_string(&traffic).unwrap();
        assert_eq!(text, "{\"queries\":1000,\"questions\":[\"b. TYPE65000 1\",\"www.a. A 640\"]}");
        assert_eq!(serde_json::from_str::<Traffic>(&text).unwrap(), traffic);
        for wrong in ["[\"www.a.\"]", "[\"www.a. A -1\"]", "[\"www..a. A 1\"]", "[1]", "{}"] {
            let text = format!("{{\"queries\":1,\"questions\":{wrong}}}");
            assert!(serde_json::from_str::<Traffic>(&text).is_err(), "{wrong}");
        }
    }
}
