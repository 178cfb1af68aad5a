//! The command line: one file a subcommand, each with its arguments and a `run` that gives the exit code.

mod annotations;
pub mod check;
pub mod compile;
pub mod control;
pub mod diff;
pub mod drain;
pub mod gc;
mod head;
pub mod health;
pub mod keygen;
pub mod keyset;
mod memory;
pub mod plan;
mod progress;
pub mod promote;
mod proposed;
pub mod publish;
pub mod releases;
pub mod reload;
pub mod rollback;
pub mod serve;
pub mod status;
mod store;
mod suggest;
pub mod verify;
mod waves;
mod zones;

use crate::shown::is_shown;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// An anycast authoritative DNS server.
#[derive(Debug, Parser)]
#[command(name = "catchment", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, also if there was nothing to do; 1 failed; 2 the command line is wrong; \
    3 another publisher was faster, or is at work, or has ended our trial (publish), or nothing is on trial (promote, rollback); \
    4 published, but not all nodes serve it in time, or none reports, or that can't be found out (--wait, waves); \
    5 guards object (publish); 6 tried on some nodes, and taken back (publish). Of plan: 0 nothing would change, 1 failed, 2 changes.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer queries from zone files, over UDP and TCP
    Serve(serve::Arguments),
    /// Say all that is wrong with zone files
    Check(check::Arguments),
    /// Compile zone files to images, which `serve` starts from at once
    Compile(compile::Arguments),
    /// Print an image as zone text
    Dump(compile::DumpArguments),
    /// Print the records that differ between two zones, images or directories of them
    Diff(diff::Arguments),
    /// Make the running server read its settings and changed zones again
    Reload(reload::Arguments),
    /// Have traffic moved away from the running server, which goes on answering
    Drain(drain::Arguments),
    /// End a drain
    Undrain(drain::UndrainArguments),
    /// Ask a server whether it answers; exit code 0 if so
    Health(health::Arguments),
    /// Make the keys of a channel
    Keygen(keygen::Arguments),
    /// Look at a channel's key sets, make the next one, and put it into force
    Keyset(keyset::Arguments),
    /// Print what a publish would change, and what guards say to it
    Plan(plan::Arguments),
    /// Make zone files the newest release of a channel
    Publish(publish::Arguments),
    /// Make the release that is on trial the newest one
    Promote(promote::Arguments),
    /// Say again, signed, what a channel's newest release is
    Refresh(publish::RefreshArguments),
    /// List the releases of a channel
    Releases(releases::Arguments),
    /// Make a new release with the content of an older one, or take back the one that is on trial
    Rollback(rollback::Arguments),
    /// Show the nodes of a store's channels; exit code 1 if one is out of step
    Status(status::Arguments),
    /// Read all releases of a store; exit code 1 if something is missing or damaged
    Verify(verify::Arguments),
    /// Remove what no release of a store uses
    Gc(gc::Arguments),
}

impl Cli {
    /// Reads a command line. `Err`: it is wrong, or asks for help, which is told; the exit code.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        Cli::try_parse_from(&arguments).map_err(|error| {
            let _ = error.print();
            match error.exit_code() {
                0 => ExitCode::SUCCESS,
                // Its other codes say whether there are changes.
                _ if arguments.get(1).is_some_and(|command| command == "plan") => ExitCode::FAILURE,
                code => ExitCode::from(code as u8),
            }
        })
    }
}

/// Prints an error and gives the code of failure.
fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

/// One line in which there are texts that others chose, such as whoever may write to the store: it neither moves a terminal nor begins
/// a line that something else reads.
fn printable(text: &str) -> String {
    text.chars().filter(|&c| is_shown(c)).collect()
}

/// Prints a warning or an error.
fn complain(message: &str) {
    // A closed standard error has nobody to tell.
    let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
}

/// Prints a result and gives the code of success.
fn done(message: &str) -> ExitCode {
    put(&format!("{}\n", message.trim_end()))
}

/// Prints text to standard output. Gives the code of success, or that of failure if there is no room for it.
fn put(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end_of_output(&error),
    }
}

/// Whoever reads may have had enough: `catchment dump | head`.
fn end_of_output(error: &std::io::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => fail(&format!("error: standard output: {error}")),
    }
}
