//! `catchment promote`.

use super::publish::{generation, tell};
use super::store::{Trusted, Wait, block_on, now_secs, publisher, read_secret, told, waited};
use crate::sync::channel::Channel;
use crate::sync::publish::Outcome;
use crate::sync::store::address::Address;
use std::process::ExitCode;

/// Arguments of `catchment promote`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
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

/// Makes the content of the release that is on trial the head, for all nodes. Nobody is asked how it went.
pub fn run(arguments: &Arguments) -> ExitCode {
    let run = || {
        let key = read_secret(&arguments.key)?;
        let set = arguments.trusted.key_set(Some(&arguments.key))?;
        let anchor = arguments.trusted.anchor(set.as_ref())?;
        let publisher = publisher(&arguments.of, &arguments.channel, anchor, arguments.json)?;
        block_on(async {
            let outcome = Outcome::Published(publisher.promote(&key, None, now_secs()).await?);
            publisher.progress.end();
            let generation = generation(&outcome);
            let wait = arguments.wait.wait(&publisher, generation).await?;
            tell(&outcome, wait.as_ref(), arguments.json, None);
            Ok(waited(wait.as_ref(), generation))
        })
    };
    told(run())
}
