//! What the commands to a running server share: finding it, asking it, telling what it said.

use super::{done, fail};
use crate::config::{self, Endpoint};
use crate::serve::control::{self, Request};
use std::path::PathBuf;
use std::process::ExitCode;

/// Which server is meant.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// Control socket of the server [default: as in the settings file, else where `serve` makes it by default]
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Settings file to take the control socket from [default: /etc/catchment/catchment.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Target {
    /// Asks the server, and waits until it has responded. `otherwise`: what the operator can do without a control socket.
    pub(super) fn ask(&self, request: Request, otherwise: &str) -> ExitCode {
        let paths = match self.paths(otherwise) {
            Ok(paths) => paths,
            Err(message) => return fail(&message),
        };
        let mut failures = Vec::new();
        for path in &paths {
            match control::ask(path, request) {
                Ok(response) if response.ok => return done(&response.message),
                Ok(response) => return fail(&response.message),
                Err(error) => failures.push(format!("{}: {error}", path.display())),
            }
        }
        failures.push(
            "is the server running, and as whom? its log names its control socket; give it with --control".into(),
        );
        fail(&format!("error: no server could be asked\n  {}", failures.join("\n  ")))
    }

    /// Where the server may be, the most likely first.
    fn paths(&self, otherwise: &str) -> Result<Vec<PathBuf>, String> {
        if let Some(path) = &self.control {
            return Ok(vec![path.clone()]);
        }
        let Some(file) = config::found(self.config.as_deref()) else { return Ok(control::default_paths()) };
        match config::load(file).map_err(|error| error.to_string())?.control {
            Endpoint::At(path) => Ok(vec![path]),
            Endpoint::Default => Ok(control::default_paths()),
            Endpoint::None => Err(format!("error: {}: `control` is \"none\"; {otherwise}", file.display())),
        }
    }
}
