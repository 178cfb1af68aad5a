//! `catchment status`.

use super::store::{Trusted, block_on, escaped, failed, now_secs, open, print_json, progress, told};
use super::waves::serve;
use super::{done, printable};
use crate::counted::{counted, listed};
use crate::sync::channel::Channel;
use crate::sync::publish::fleet::{AGE_MAX, Fleet, Tried};
use crate::sync::publish::{Error, Publisher};
use crate::sync::store::address::Address;
use std::fmt::Write;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

/// Nodes of a trial that are named.
const NAMED_MAX: usize = 5;

/// Arguments of `catchment status`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// One channel alone
    #[arg(long)]
    channel: Option<Channel>,
    #[command(flatten)]
    trusted: Trusted,
    /// Seconds after which a node that says nothing is out of step
    #[arg(long, value_name = "SECONDS", default_value_t = AGE_MAX.as_secs())]
    age_max: u64,
    /// Show it again each second, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print one JSON document (with --watch: one a line)
    #[arg(long)]
    json: bool,
}

/// Shows the fleet; exit code 1 when a node is out of step.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let (store, anchor) = (open(&arguments.of)?, arguments.trusted.reader()?);
        let progress = progress(true);
        block_on(async {
            loop {
                let channels = match &arguments.channel {
                    Some(channel) => vec![channel.clone()],
                    None => store
                        .channels
                        .channels()
                        .await
                        .map_err(|error| Error::Store { what: "listing channels".into(), error })?,
                };
                let mut fleets = Vec::new();
                for channel in channels {
                    let (store, anchor, progress) = (store.clone(), anchor.clone(), progress.clone());
                    let publisher = Publisher { store, channel, anchor, progress };
                    fleets.push(publisher.fleet(now_secs(), Duration::from_secs(arguments.age_max)).await?);
                }
                let code = show(&fleets, arguments);
                if !arguments.watch {
                    return Ok(code);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    };
    told(run())
}

fn show(fleets: &[Fleet], arguments: &Arguments) -> ExitCode {
    let in_step = !fleets.is_empty() && fleets.iter().all(|fleet| fleet.in_step);
    if arguments.json && arguments.watch {
        done(&escaped(&serde_json::to_string(fleets).unwrap_or_default()));
    } else if arguments.json {
        print_json(&fleets);
    } else {
        let clear = if arguments.watch && std::io::stdout().is_terminal() { "\x1b[H\x1b[J" } else { "" };
        let text: Vec<String> = fleets.iter().map(table).collect();
        if !text.is_empty() {
            done(&format!("{clear}{}", text.join("\n")));
        }
    }
    match fleets.is_empty() {
        true => failed(&Error::NoChannels),
        false if in_step => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// A release on trial: at whom, and since when.
pub(super) fn place(trial: &Tried) -> String {
    let Tried { generation, step, nodes, age_secs, .. } = trial;
    let named: Vec<String> = nodes.iter().map(|node| printable(node)).collect();
    let named = listed(&named, NAMED_MAX);
    format!("{generation} is on trial at {named} (step {step}, begun {age_secs} s ago)")
}

/// A release on trial: at whom, and what becomes of it.
fn on_trial(trial: &Tried, fleet: &Fleet) -> String {
    let Tried { generation, back, age_secs, deadline_secs, abandoned, .. } = trial;
    let reports = || fleet.nodes.iter().filter_map(|node| node.report.as_ref());
    let serving = reports().filter(|report| report.serving.is_some_and(|serving| serving.generation == *generation));
    let still: Vec<Option<u64>> = serving.map(|report| report.trial.map(|trial| trial.back_secs)).collect();
    let deadline = i64::from(*deadline_secs);
    let has_gone_back = reports().any(|report| report.serving.is_some_and(|serving| serving.generation == *back));
    let by_hand = "or catchment promote, or rollback";
    let what_next = match still.iter().flatten().max() {
        Some(secs) => format!("{} it; without further word back to {back} within {secs} s", serve(still.len())),
        None if !still.is_empty() => format!("{} it", serve(still.len())),
        None if *abandoned => format!("abandoned, its nodes have gone back: the next publish ends it, {by_hand}"),
        None if has_gone_back || *age_secs > deadline => {
            let left = (2 * deadline + 1).saturating_sub(*age_secs);
            format!("its nodes have gone back: a publish ends it in {left} s, {by_hand}")
        }
        None => "no node serves it yet".into(),
    };
    format!("{}: {what_next}", place(trial))
}

fn table(fleet: &Fleet) -> String {
    let mut text = format!("channel {}: ", fleet.channel);
    let _ = match (fleet.generation, fleet.head_age_secs) {
        (Some(generation), Some(age)) => {
            writeln!(text, "head {generation}, said {age} s ago; {}", counted(fleet.nodes.len(), "node"))
        }
        _ => writeln!(text, "no release; {}", counted(fleet.nodes.len(), "node")),
    };
    if let Some(trial) = &fleet.trial {
        let _ = writeln!(text, "{}", on_trial(trial, fleet));
    }
    if fleet.nodes.is_empty() {
        return text;
    }
    let width = fleet.nodes.iter().map(|node| node.node.chars().count()).max().unwrap_or(0).clamp(4, 40);
    let _ = writeln!(
        text,
        "{:<width$}  {:<10} {:>6}  {:<5}  {:<12} {:>9} {:>6}  FAULTS",
        "NODE", "GENERATION", "BEHIND", "READY", "ANNOUNCE", "QUERIES/S", "AGE"
    );
    for node in &fleet.nodes {
        let report = node.report.as_ref();
        let serving = report.and_then(|report| report.serving);
        let _ = writeln!(
            text,
            "{:<width$}  {:<10} {:>6}  {:<5}  {:<12} {:>9} {:>4} s  {}",
            printable(&node.node),
            serving.map_or("-".into(), |serving| serving.generation.to_string()),
            node.behind.map_or("-".into(), |behind| behind.to_string()),
            report.map_or("-", |report| if report.ready { "yes" } else { "no" }),
            printable(report.and_then(|report| report.announce.as_deref()).unwrap_or("-")),
            report.map_or("-".into(), |report| report.qps.to_string()),
            node.age_secs,
            printable(&node.faults.join("; "))
        );
    }
    text
}
