//! `catchment rollback`.

use super::head::{EXIT_CODES, Head};
use super::store::now_secs;
use crate::sync::channel::Generation;
use crate::sync::key::KeyPair;
use crate::sync::publish::{Error, Outcome, Publisher};
use std::process::ExitCode;

/// Arguments of `catchment rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    head: Head,
    /// The release whose content is to be served again, as `catchment releases` lists it [default: that which the head has, if a release
    /// is on trial]
    #[arg(long, value_name = "GENERATION")]
    to: Option<Generation>,
}

/// Makes a new release with older content.
pub fn run(arguments: &Arguments) -> ExitCode {
    arguments.head.moved_to(async |publisher, key| match arguments.to {
        Some(to) => publisher.roll_back(key, to, now_secs()).await,
        None => take_back(publisher, key).await,
    })
}

/// Takes back the release that is on trial.
async fn take_back(publisher: &Publisher, key: &KeyPair) -> Result<Outcome, Error> {
    match publisher.take_back(key, None, now_secs()).await {
        Ok(back) => Ok(Outcome::Published(back)),
        Err(error) => {
            if matches!(error, Error::NoTrial { .. }) {
                publisher.progress.note("name the release to go back to, with --to");
            }
            Err(error)
        }
    }
}
