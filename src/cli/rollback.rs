//! `catchment rollback`.

use super::publish::{generation, tell};
use super::store::{Trusted, Wait, block_on, now_secs, publisher, read_secret, told, waited};
use crate::sync::channel::{Channel, Generation};
use crate::sync::key::KeyPair;
use crate::sync::publish::{Error, Outcome, Publisher};
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
    /// The release whose content is to be served again, as `catchment releases` lists it [default: that which the head has, if a release
    /// is on trial]
    #[arg(long, value_name = "GENERATION")]
    to: Option<Generation>,
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
            let outcome = match arguments.to {
                Some(to) => publisher.roll_back(&key, to, now_secs()).await?,
                None => take_back(&publisher, &key).await?,
            };
            publisher.progress.end();
            let generation = generation(&outcome);
            let wait = arguments.wait.wait(&publisher, generation).await?;
            tell(&outcome, wait.as_ref(), arguments.json, None);
            Ok(waited(wait.as_ref(), generation))
        })
    };
    told(run())
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
