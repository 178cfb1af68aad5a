//! `catchment promote`.

use super::head::{EXIT_CODES, Head};
use super::store::now_secs;
use crate::sync::publish::Outcome;
use std::process::ExitCode;

/// Arguments of `catchment promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    head: Head,
}

/// Makes the content of the release that is on trial the head, for all nodes. Nobody is asked how it went.
pub fn run(arguments: &Arguments) -> ExitCode {
    arguments.head.moved_to(async |publisher, key| {
        let promoted = publisher.promote(key, None, now_secs()).await?;
        Ok(Outcome::Published(promoted))
    })
}
