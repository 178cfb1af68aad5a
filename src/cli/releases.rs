//! `catchment releases`.

use super::done;
use super::store::{Trusted, block_on, print_json, publisher, told};
use crate::calendar;
use crate::sync::channel::Channel;
use crate::sync::publish::history::{Entry, History};
use crate::sync::store::address::Address;
use std::fmt::Write;
use std::process::ExitCode;

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
            calendar::text(claims.time_secs),
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
