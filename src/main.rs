//! The `catchment` command.

use catchment::cli::{self, Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match cli.command {
        Command::Serve(arguments) => cli::serve::run(arguments),
        Command::Check(arguments) => cli::check::run(&arguments),
        Command::Compile(arguments) => cli::compile::run(&arguments),
        Command::Dump(arguments) => cli::compile::dump(&arguments),
        Command::Diff(arguments) => cli::diff::run(&arguments),
        Command::Reload(arguments) => cli::reload::run(&arguments),
        Command::Drain(arguments) => cli::drain::run(&arguments),
        Command::Undrain(arguments) => cli::drain::undrain(&arguments),
        Command::Health(arguments) => cli::health::run(&arguments),
        Command::Keygen(arguments) => cli::keygen::run(&arguments),
        Command::Keyset(arguments) => cli::keyset::run(&arguments),
        Command::Plan(arguments) => cli::plan::run(&arguments),
        Command::Publish(arguments) => cli::publish::run(&arguments),
        Command::Promote(arguments) => cli::promote::run(&arguments),
        Command::Refresh(arguments) => cli::publish::refresh(&arguments),
        Command::Releases(arguments) => cli::releases::run(&arguments),
        Command::Rollback(arguments) => cli::rollback::run(&arguments),
        Command::Status(arguments) => cli::status::run(&arguments),
        Command::Verify(arguments) => cli::verify::run(&arguments),
        Command::Gc(arguments) => cli::gc::run(&arguments),
    }
}
