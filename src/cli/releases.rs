//! `catchment releases`.

use super::done;
use super::store::{Trusted, block_on, print_json, publisher, told};
use crate::sync::channel::Channel;
use crate::sync::publish::history::{Entry, History};
use crate::sync::store::address::Address;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// Arguments of `catchment releases`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
    #[command(flatten)]
    trusted: Trusted,
    /// Most releases that are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Lists releases, newest first.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let publisher = publisher(&arguments.of, &arguments.channel, arguments.trusted.reader()?, arguments.json)?;
        block_on(async {
            let tip = publisher.tip().await?;
            let history = publisher.history(&tip, arguments.limit.max(1)).await?;
            Ok(if arguments.json { print_json(&json(&history)) } else { done(&text(&history)) })
        })
    };
    told(run())
}

fn text(history: &History) -> String {
    let mut text =
        format!("{:<10} {:<20} {:>9}  {:<16}  {:<16}  NOTES\n", "GENERATION", "TIME", "ZONES", "MANIFEST", "KEY");
    for (index, entry) in history.entries.iter().enumerate() {
        let claims = entry.manifest.claims();
        let _ = writeln!(
            text,
            "{:<10} {:<20} {:>9}  {:.16}  {:<16}  {}",
            claims.generation.to_string(),
            time(claims.time_secs),
            claims.root.totals.zones,
            entry.manifest.digest().to_string(),
            entry.by.map(|by| by.to_string()).unwrap_or_default(),
            notes(index, entry)
        );
    }
    if history.entries.is_empty() {
        text = "no release yet".into();
    }
    if let Some(parent) = &history.ends_before {
        let _ = writeln!(text, "older ones are no longer in the store, {parent:.16} the next");
    }
    text
}

fn notes(index: usize, entry: &Entry) -> String {
    let head = (index == 0).then(|| "head".to_string());
    let same = entry.same_as.map(|same| format!("content of {same}"));
    head.into_iter().chain(same).chain(entry.doubt.clone()).collect::<Vec<_>>().join("; ")
}

/// RFC 3339, in UTC.
fn time(secs: u64) -> String {
    // A manifest may claim any time: what no calendar has is shown as a number.
    match UNIX_EPOCH.checked_add(Duration::from_secs(secs)) {
        Some(_) if secs < 253_402_300_800 => {
            let (days, of_day) = ((secs / 86_400) as i64, secs % 86_400);
            let (year, month, day) = date(days);
            format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
        }
        _ => secs.to_string(),
    }
}

/// The date so many days after 1970-01-01, by the proleptic Gregorian calendar: years are counted from March, in eras of 400.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

fn json(history: &History) -> serde_json::Value {
    let entry = |(index, entry): (usize, &Entry)| {
        let claims = entry.manifest.claims();
        serde_json::json!({
            "generation": claims.generation.to_string(),
            "head": index == 0,
            "time-secs": claims.time_secs,
            "zones": claims.root.totals.zones,
            "octets": claims.root.totals.octets,
            "manifest": entry.manifest.digest().to_string(),
            "key": entry.by.map(|by| by.to_string()),
            "content-of": entry.same_as.map(|same| same.to_string()),
            "doubt": entry.doubt,
        })
    };
    serde_json::json!({
        "releases": history.entries.iter().enumerate().map(entry).collect::<Vec<_>>(),
        "ends-before": history.ends_before.map(|parent| parent.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(time(secs), expected);
        }
    }
}
