//! `catchment reload`.

use super::{done, fail};
use crate::config::{self, Endpoint};
use crate::serve::control::{self, Request};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `catchment reload`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Control socket of the server [default: as in the settings file, else where `serve` makes it by default]
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Settings file to take the control socket from [default: /etc/catchment/catchment.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Asks the server to reload and waits until it has. Fails when it did not, or when a zone is at fault.
pub fn run(arguments: &Arguments) -> ExitCode {
    let paths = match arguments.paths() {
        Ok(paths) => paths,
        Err(message) => return fail(&message),
    };
    let mut failures = Vec::new();
    for path in &paths {
        match control::ask(path, Request::Reload {}) {
            Ok(response) if response.ok => return done(&response.message),
            Ok(response) => return fail(&response.message),
            Err(error) => failures.push(format!("{}: {error}", path.display())),
        }
    }
    failures
        .push("is the server running, and as whom? its log names its control socket; give it with --control".into());
    fail(&format!("error: no server could be asked\n  {}", failures.join("\n  ")))
}

impl Arguments {
    /// Where the server may be, the most likely first.
    fn paths(&self) -> Result<Vec<PathBuf>, String> {
        if let Some(path) = &self.control {
            return Ok(vec![path.clone()]);
        }
        let Some(file) = config::found(self.config.as_deref()) else { return Ok(control::default_paths()) };
        match config::load(file).map_err(|error| error.to_string())?.control {
            Endpoint::At(path) => Ok(vec![path]),
            Endpoint::Default => Ok(control::default_paths()),
            Endpoint::None => Err(format!("error: {}: `control` is \"none\"; send SIGHUP instead", file.display())),
        }
    }
}
