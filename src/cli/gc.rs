//! `catchment gc`.

use super::done;
use super::store::{block_on, open, print_json, progress, told};
use crate::counted::counted;
use crate::sync::publish::gc::{Collected, KEEP, collect};
use crate::sync::store::address::Address;
use std::process::ExitCode;

/// Arguments of `catchment gc`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Releases of each channel that stay whole, newest first
    #[arg(long, value_name = "N", default_value_t = KEEP as u32, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Removes blobs that no kept release uses, and that are older than a day.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let store = open(&arguments.of)?;
        let progress = progress(arguments.json);
        block_on(async {
            let collected = collect(&store, progress, arguments.keep as usize, arguments.dry_run).await?;
            Ok(if arguments.json { print_json(&json(&collected)) } else { done(&text(&collected, arguments.dry_run)) })
        })
    };
    told(run())
}

fn text(c: &Collected, dry_run: bool) -> String {
    format!(
        "{}, {} kept; {}, {} octets\n{} {}, {} octets; {} younger than a day",
        counted(c.channels, "channel"),
        counted(c.releases, "release"),
        counted(c.blobs, "blob"),
        c.octets,
        if dry_run { "would remove" } else { "removed" },
        counted(c.removed, "blob"),
        c.removed_octets,
        counted(c.young, "unused one")
    )
}

fn json(c: &Collected) -> serde_json::Value {
    serde_json::json!({
        "channels": c.channels, "releases": c.releases, "blobs": c.blobs, "octets": c.octets,
        "removed": c.removed, "removed-octets": c.removed_octets, "young": c.young,
    })
}
