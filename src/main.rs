//! The `catchment` command.

use catchment::cli::{self, Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(arguments) => cli::serve::run(arguments),
        Command::Reload(arguments) => cli::reload::run(&arguments),
        Command::Drain(arguments) => cli::drain::run(&arguments),
        Command::Undrain(arguments) => cli::drain::undrain(&arguments),
        Command::Health(arguments) => cli::health::run(&arguments),
    }
}
