//! The command line: one file a subcommand, each with its arguments and a `run` that gives the exit code.

pub mod control;
pub mod drain;
pub mod health;
pub mod reload;
pub mod serve;
mod suggest;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// An anycast authoritative DNS server.
#[derive(Debug, Parser)]
#[command(name = "catchment", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer queries from zone files, over UDP and TCP
    Serve(serve::Arguments),
    /// Make the running server read its settings and changed zones again
    Reload(reload::Arguments),
    /// Have traffic moved away from the running server, which goes on answering
    Drain(drain::Arguments),
    /// End a drain
    Undrain(drain::UndrainArguments),
    /// Ask a server whether it answers; exit code 0 if so
    Health(health::Arguments),
}

/// Prints an error and gives the code of failure.
fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

/// Prints a warning or an error.
fn complain(message: &str) {
    // A closed standard error has nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
}

/// Prints a result and gives the code of success.
fn done(message: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{}", message.trim_end());
    ExitCode::SUCCESS
}
