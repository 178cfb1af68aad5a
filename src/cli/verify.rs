//! `catchment verify`.

use super::store::{Trusted, block_on, open, print_json, progress, told};
use super::{complain, done, fail};
use crate::counted::counted;
use crate::sync::channel::Channel;
use crate::sync::publish::verify::verify;
use crate::sync::store::address::Address;
use std::process::ExitCode;

/// Arguments of `catchment verify`.
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
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads all kept releases, and says what is missing or damaged.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let (store, anchor) = (open(&arguments.of)?, arguments.trusted.reader()?);
        let progress = progress(arguments.json);
        block_on(async {
            let verified = verify(&store, progress.clone(), arguments.channel.as_ref(), &anchor).await?;
            progress.end();
            let v = &verified;
            if arguments.json {
                print_json(&serde_json::json!({
                    "channels": v.channels, "releases": v.releases, "pages": v.pages, "blobs": v.blobs,
                    "images": v.images, "faults": v.faults,
                }));
                return Ok(if v.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            v.faults.iter().for_each(|fault| complain(fault));
            let read = format!(
                "{}, {}, {}, {} (packs and large images), {}",
                counted(v.channels, "channel"),
                counted(v.releases, "release"),
                counted(v.pages, "page"),
                counted(v.blobs, "blob"),
                counted(v.images, "image"),
            );
            Ok(match v.faults.len() {
                0 => done(&format!("all is well: {read}")),
                faults => fail(&format!(
                    "error: {} in {read}; what the head lacks, the next publish makes again",
                    counted(faults, "fault")
                )),
            })
        })
    };
    told(run())
}
