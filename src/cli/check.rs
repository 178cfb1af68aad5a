//! `catchment check`: all that is wrong with zones, as a compiler tells it.

use super::annotations::{self, Annotation};
use super::store::escaped;
use super::zones::{bar, places};
use super::{complain, fail, put};
use crate::calendar;
use crate::counted::counted;
use crate::wire::name::Name;
use crate::zone::diagnostic::{Diagnostic, Severity, render, shown_path};
use crate::zone::library::{Examined, Judging, Misfits, Skipped, examine};
use crate::zone::sources::Sources;
use clap::ValueEnum;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Exit code: what was asked for makes no sense.
const USAGE: u8 = 2;

/// Arguments of `catchment check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no errors; 1 errors, or warnings with --strict; 2 the command line is wrong.")]
pub struct Arguments {
    /// Directories of zone files, zone files, or images of zones
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Check this zone alone; a file holds it whatever its own name says
    #[arg(long, value_name = "NAME")]
    zone: Option<Name>,
    /// How findings are told
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit code 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Zones must be signed, and what is wrong with their signatures is an error
    #[arg(long)]
    dnssec: bool,
    /// Judge signatures at this time: YYYYMMDDHHmmSS, RFC 3339, or seconds since 1970 [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<u64>,
    /// Let `$INCLUDE` leave the directory
    #[arg(long)]
    include_outside: bool,
}

/// How findings are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// Workflow commands of GitHub Actions: findings at their lines of a pull request.
    Github,
    /// A Code Quality report of GitLab CI: findings at their lines of a merge request.
    Gitlab,
}

fn time(text: &str) -> Result<u64, String> {
    calendar::read(text).ok_or_else(|| "write YYYYMMDDHHmmSS, YYYY-MM-DDTHH:MM:SSZ or seconds since 1970".into())
}

/// Everything, in numbers.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Totals {
    errors: u64,
    warnings: u64,
}

impl Totals {
    fn of(diagnostics: &[Diagnostic]) -> Totals {
        let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error).count() as u64;
        Totals { errors, warnings: diagnostics.len() as u64 - errors }
    }

    fn add(&mut self, other: Totals) {
        self.errors += other.errors;
        self.warnings += other.warnings;
    }
}

/// One zone in the JSON document.
#[derive(Serialize)]
struct Zone {
    zone: String,
    file: String,
    serial: Option<u32>,
    records: Option<u64>,
    #[serde(flatten)]
    totals: Totals,
    findings: Vec<Finding>,
}

/// One finding there.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Finding {
    severity: &'static str,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    width: Option<u32>,
    message: String,
    remedy: String,
    included_from: Vec<String>,
}

/// A file of a directory that is no zone.
#[derive(Serialize)]
struct NoZone {
    file: String,
    reason: String,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    totals: Totals,
    zones: Vec<Zone>,
    skipped: Vec<NoZone>,
}

/// Checks, tells, and gives the exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let judging = Judging { now_secs: arguments.time.unwrap_or(now_secs), must_be_signed: arguments.dnssec };
    let mut all = Vec::new();
    for path in &arguments.paths {
        match places(path, arguments.zone.as_ref(), arguments.include_outside) {
            Ok(places) => all.push(places),
            Err(why) => {
                complain(&why);
                return ExitCode::from(USAGE);
            }
        }
    }
    let color = std::io::stdout().is_terminal();
    let mut teller = Teller { format: arguments.format, color, ..Teller::default() };
    let bar = bar("checking");
    let mut done = 0;
    let rest = examine(&all, arguments.zone.as_ref(), judging, |examined, count| {
        done += 1;
        bar.set_length(count as u64);
        bar.set_position(done);
        bar.suspend(|| teller.tell(&examined));
    });
    bar.finish_and_clear();
    match rest {
        Ok(rest) => {
            rest.misfits.iter().for_each(|misfits| teller.tell_more(misfits));
            teller.skip(rest.skipped);
        }
        Err(why) => return fail(&format!("error: {why}")),
    }
    if teller.zones == 0 {
        complain("error: there is no zone to check: name a directory of zone files, or a zone file with --zone");
        return ExitCode::from(USAGE);
    }
    let totals = teller.totals;
    let is_told = match teller.end() {
        Ok(is_told) => is_told,
        Err(error) => return fail(&format!("error: {error}")),
    };
    match !is_told || totals.errors > 0 || (arguments.strict && totals.warnings > 0) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Tells of one zone after the other.
struct Teller {
    format: Format,
    color: bool,
    totals: Totals,
    zones: u64,
    records: u64,
    document: Document,
    annotations: Vec<Annotation>,
    /// Standard output takes no more, which was said.
    is_full: bool,
}

impl Default for Teller {
    fn default() -> Teller {
        let document = Document { totals: Totals::default(), zones: Vec::new(), skipped: Vec::new() };
        let (totals, annotations) = (Totals::default(), Vec::new());
        Teller {
            format: Format::Text,
            color: false,
            totals,
            zones: 0,
            records: 0,
            document,
            annotations,
            is_full: false,
        }
    }
}

impl Teller {
    /// Prints text, unless it was found out that there is no room for it.
    fn put(&mut self, text: &str) {
        if !self.is_full {
            self.is_full = put(text) == ExitCode::FAILURE;
        }
    }

    fn tell(&mut self, examined: &Examined) {
        let Examined { zone, path, image, sources, diagnostics } = examined;
        let totals = Totals::of(diagnostics);
        self.totals.add(totals);
        self.zones += 1;
        let records = image.as_ref().map(|image| image.record_count());
        self.records += records.unwrap_or(0);
        match self.format {
            Format::Text if diagnostics.is_empty() => {}
            Format::Text => self.put(&render(sources, diagnostics, self.color)),
            Format::Json => self.document.zones.push(Zone {
                zone: zone.to_string(),
                file: shown_path(path),
                serial: image.as_ref().map(|image| image.serial()),
                records,
                totals,
                findings: diagnostics.iter().map(|found| finding(found, sources)).collect(),
            }),
            Format::Github | Format::Gitlab => self.annotate(path, sources, diagnostics),
        }
    }

    /// At lines of files, for a code host.
    fn annotate(&mut self, zone_file: &Path, sources: &Sources, diagnostics: &[Diagnostic]) {
        let annotations = diagnostics.iter().map(|found| Annotation {
            error: found.severity == Severity::Error,
            file: shown_path(sources.path(found.file).unwrap_or(zone_file)),
            line: found.line,
            column: found.column,
            width: found.width,
            message: found.message.clone(),
            remedy: found.remedy.clone(),
        });
        match self.format {
            Format::Github => annotations.for_each(|annotation| self.put(&annotations::github(&annotation))),
            _ => self.annotations.extend(annotations),
        }
    }

    /// Tells more of a zone that was told of.
    fn tell_more(&mut self, misfits: &Misfits) {
        let Misfits { path, sources, diagnostics, .. } = misfits;
        let totals = Totals::of(diagnostics);
        self.totals.add(totals);
        match self.format {
            Format::Text => self.put(&render(sources, diagnostics, self.color)),
            Format::Json => {
                let path = shown_path(path);
                if let Some(zone) = self.document.zones.iter_mut().find(|zone| zone.file == path) {
                    zone.totals.add(totals);
                    zone.findings.extend(diagnostics.iter().map(|found| finding(found, sources)));
                }
            }
            Format::Github | Format::Gitlab => self.annotate(path, sources, diagnostics),
        }
    }

    fn skip(&mut self, skipped: Vec<Skipped>) {
        for Skipped { path, reason } in skipped {
            match self.format {
                Format::Text | Format::Github | Format::Gitlab => {
                    complain(&format!("note: no zone: {}: it {reason}", shown_path(&path)))
                }
                Format::Json => self.document.skipped.push(NoZone { file: shown_path(&path), reason }),
            }
        }
    }

    /// Tells the sum of it all. Gives whether there was room for everything.
    fn end(mut self) -> Result<bool, serde_json::Error> {
        let Totals { errors, warnings } = self.totals;
        match self.format {
            Format::Gitlab => {
                let text = annotations::gitlab(&self.annotations)?;
                self.put(&text);
            }
            Format::Text | Format::Github => self.put(&format!(
                "{}, {}: {}, {}\n",
                counted(self.zones, "zone"),
                counted(self.records, "record"),
                counted(errors, "error"),
                counted(warnings, "warning")
            )),
            Format::Json => {
                self.document.totals = self.totals;
                let text = escaped(&serde_json::to_string_pretty(&self.document)?) + "\n";
                self.put(&text);
            }
        }
        Ok(!self.is_full)
    }
}

fn finding(found: &Diagnostic, sources: &Sources) -> Finding {
    let known = |number: u32| (number > 0).then_some(number);
    let mut included_from = Vec::new();
    let mut from = sources.included_from(found.file);
    while let Some((file, line)) = from {
        included_from.push(format!("{}:{line}", sources.path(file).map(shown_path).unwrap_or_default()));
        from = sources.included_from(file);
    }
    Finding {
        severity: match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        file: sources.path(found.file).map(shown_path),
        line: known(found.line),
        column: known(found.column),
        width: known(found.width),
        message: found.message.clone(),
        remedy: found.remedy.clone(),
        included_from,
    }
}
