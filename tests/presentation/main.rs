//! RDATA as text, for every type: there and back, beside other servers' readers, and what is said about text that is wrong.

mod bad;
mod examples;
mod forms;
mod peers;
mod there_and_back;

#[path = "../support/mod.rs"]
mod support;

use catchment::wire::name::Name;
use catchment::zone::diagnostic::Diagnostic;
use catchment::zone::dump;
use catchment::zone::parse::{Options, Parsed, parse_text};
use catchment::zone::records::Record;

fn apex() -> Name {
    Name::from_text("example.").unwrap()
}

fn parse(text: &str) -> Parsed {
    parse_text("test.zone", text, &apex(), &Options::default())
}

/// Reads one record, given from its type on.
fn parse_data(data: &str) -> Parsed {
    parse(&format!("a 60 {data}"))
}

/// `line:column+width message` of each finding.
fn findings(diagnostics: &[Diagnostic]) -> Vec<String> {
    let one = |d: &Diagnostic| format!("{}:{}+{} {}", d.line, d.column, d.width, d.message);
    diagnostics.iter().map(one).collect()
}

/// Type and data of the only record, as they are written out; or the findings.
fn written(parsed: &Parsed) -> Result<String, String> {
    if !parsed.diagnostics.is_empty() {
        return Err(findings(&parsed.diagnostics).join("; "));
    }
    let record = only(parsed);
    let mut line = String::new();
    dump::write_record(
        parsed.records.owner(&record),
        record.rtype,
        record.ttl_secs,
        parsed.records.rdata(&record),
        &mut line,
    );
    Ok(line.trim_end().splitn(4, '\t').last().unwrap_or_default().replacen('\t', " ", 1))
}

/// The octets of the only record's data.
fn octets(parsed: &Parsed) -> &[u8] {
    assert_eq!(findings(&parsed.diagnostics), [""; 0]);
    parsed.records.rdata(&only(parsed))
}

/// The only record.
fn only(parsed: &Parsed) -> Record {
    assert_eq!(parsed.records.len(), 1);
    parsed.records.iter().next().unwrap()
}
