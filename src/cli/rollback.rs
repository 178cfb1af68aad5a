//! `catchment rollback`.

use super::publish::{generation, tell};
use super::store::{Trusted, Wait, block_on, now_secs, publisher, read_secret, told, waited};
use crate::sync::channel::{Channel, Generation};
use crate::sync::store::address::Address;
use std::process::ExitCode;

/// Arguments of `catchment rollback`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
    /// The release whose content is to be served again, as `catchment releases` lists it
    #[arg(long, value_name = "GENERATION")]
    to: Generation,
    /// Release key: its file, or env:NAME for one in the environment
    #[arg(long, value_name = "KEY")]
    key: String,
    #[command(flatten)]
    trusted: Trusted,
    #[command(flatten)]
    wait: Wait,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Makes a new release with older content.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let key = read_secret(&arguments.key)?;
        let set = arguments.trusted.key_set(Some(&arguments.key))?;
        let anchor = arguments.trusted.anchor(set.as_ref())?;
        let publisher = publisher(&arguments.of, &arguments.channel, anchor, arguments.json)?;
        block_on(async {
            let outcome = publisher.roll_back(&key, arguments.to, now_secs()).await?;
            publisher.progress.end();
            let generation = generation(&outcome);
            let wait = arguments.wait.wait(&publisher, generation).await?;
            tell(&outcome, wait.as_ref(), arguments.json, None);
            Ok(waited(wait.as_ref(), generation))
        })
    };
    told(run())
}
