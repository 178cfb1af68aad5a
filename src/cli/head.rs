//! What `catchment promote` and `catchment rollback` have in common: the head is moved to what the store has already.

use super::publish::{generation, tell};
use super::store::{Signing, Wait, block_on, told, waited};
use crate::sync::key::KeyPair;
use crate::sync::publish::{Error, Outcome, Publisher};
use crate::sync::store::address::Address;
use std::process::ExitCode;

/// Exit codes of both.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, also if there was nothing to do; 1 failed; 2 the command line is wrong; \
    3 another publisher was faster, or nothing is on trial; 4 the head was moved, but not all nodes serve it in time, or none reports (--wait).";

/// Arguments of both.
#[derive(Debug, clap::Args)]
pub(super) struct Head {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    #[command(flatten)]
    signing: Signing,
    #[command(flatten)]
    wait: Wait,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

impl Head {
    /// Moves the head, waits for nodes if that is asked for, and says what came of it.
    pub(super) fn moved(&self, to: impl AsyncFnOnce(&Publisher, &KeyPair) -> Result<Outcome, Error>) -> ExitCode {
        let run = || {
            let (key, publisher, _) = self.signing.open(&self.of, self.json)?;
            block_on(async {
                let outcome = to(&publisher, &key).await?;
                publisher.progress.end();
                let generation = generation(&outcome);
                let wait = self.wait.wait(&publisher, generation).await?;
                tell(&outcome, wait.as_ref(), self.json, None);
                Ok(waited(wait.as_ref(), generation))
            })
        };
        told(run())
    }
}
