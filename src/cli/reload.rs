//! `catchment reload`.

use super::control::Target;
use crate::serve::control::Request;
use std::process::ExitCode;

/// Arguments of `catchment reload`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
}

/// Asks the server to reload and waits until it has. Fails when it did not, or when a zone is at fault.
pub fn run(arguments: &Arguments) -> ExitCode {
    arguments.target.ask(Request::Reload {}, "send SIGHUP instead")
}
