//! `catchment drain` and `catchment undrain`.

use super::control::Target;
use crate::serve::control::Request;
use std::process::ExitCode;

/// What can be done without a control socket.
const OTHERWISE: &str = "set it to a path and start the server again, or drain the sidecar";

/// Arguments of `catchment drain`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Wait until every sidecar has withdrawn and queries have ceased, at most for `drain-timeout`
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    target: Target,
}

/// Arguments of `catchment undrain`.
#[derive(Debug, clap::Args)]
pub struct UndrainArguments {
    #[command(flatten)]
    target: Target,
}

/// Asks the server to have traffic moved away. Fails when it could not be asked, or when the wait ended before traffic did.
pub fn run(arguments: &Arguments) -> ExitCode {
    arguments.target.ask(Request::Drain { wait: arguments.wait }, OTHERWISE)
}

/// Asks the server to have traffic back.
pub fn undrain(arguments: &UndrainArguments) -> ExitCode {
    arguments.target.ask(Request::Undrain {}, OTHERWISE)
}
