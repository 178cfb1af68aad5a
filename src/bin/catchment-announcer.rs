//! The `catchment-announcer` command: the BGP sidecar, and what asks a running one.

use catchment::announce::control::{self, Request};
use catchment::announce::run::{self, Options};
use catchment::announce::settings;
use catchment::config::{Endpoint, LogFormat};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Announces the service's prefixes by BGP while, and only while, this node can answer.
#[derive(Debug, Parser)]
#[command(name = "catchment-announcer", version, after_help = EXIT_CODES)]
struct Cli {
    /// Settings file [default: /etc/catchment/announcer.toml]; it also says where a running announcer can be asked
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Do everything but connect to routers
    #[arg(long)]
    dry_run: bool,
    /// Check the settings, say what is wrong or unwise, and exit
    #[arg(long)]
    check_config: bool,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// The least severe level that is logged: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<tracing::Level>,
    /// Ask a running announcer
    #[command(subcommand)]
    command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong.
Signals: SIGTERM and SIGINT drain, then exit, a second one at once; SIGHUP reads the settings again.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is announced to whom, with which attributes, since when and why
    Explain {
        #[command(flatten)]
        place: Place,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Move traffic to other nodes, then withdraw; until `undrain`
    Drain(Place),
    /// Take traffic again
    Undrain(Place),
}

/// Where the running announcer is.
#[derive(Debug, clap::Args)]
struct Place {
    /// Its control socket [default: as in the settings file, else where it makes it by default]
    #[arg(long, value_name = "SOCKET", conflicts_with = "config")]
    control: Option<PathBuf>,
}

impl Cli {
    /// An option that was given, and that only announcing knows.
    fn for_running(&self) -> Option<&'static str> {
        let given = [
            ("--dry-run", self.dry_run),
            ("--check-config", self.check_config),
            ("--log-format", self.log_format.is_some()),
            ("--log-level", self.log_level.is_some()),
        ];
        given.into_iter().find_map(|(option, given)| given.then_some(option))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let (Some(_), Some(option)) = (&cli.command, cli.for_running()) {
        let message = format!("{option} is for announcing, not for asking an announcer that runs: leave it out");
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let config = cli.config.as_deref();
    let file = config.unwrap_or(Path::new(settings::DEFAULT_PATH));
    let done = match &cli.command {
        None if cli.check_config => check(file).map_err(Some),
        None => run::run(Options {
            config: file.into(),
            dry_run: cli.dry_run,
            log_format: cli.log_format,
            log_level: cli.log_level,
        }),
        Some(Command::Explain { place, json }) => explain(place, config, *json).map_err(Some),
        Some(Command::Drain(place)) => order(place, config, Request::Drain {}).map_err(Some),
        Some(Command::Undrain(place)) => order(place, config, Request::Undrain {}).map_err(Some),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if let Some(message) = message {
                // A closed standard error has nobody to tell.
                let _ = writeln!(std::io::stderr(), "{}", message.trim_end());
            }
            ExitCode::FAILURE
        }
    }
}

/// `--check-config`.
fn check(config: &Path) -> Result<(), String> {
    let (settings, warnings) = settings::load(config).map_err(|error| error.to_string())?;
    let _ = write!(std::io::stderr(), "{}", warnings.render(false));
    say(&format!("all is well: {}", settings.summary()))
}

fn explain(place: &Place, config: Option<&Path>, json: bool) -> Result<(), String> {
    let report = place.ask(config, Request::Explain {})?.report.ok_or("the announcer sent no explanation")?;
    if json {
        say(&serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?)
    } else {
        say(&report.text())
    }
}

fn order(place: &Place, config: Option<&Path>, request: Request) -> Result<(), String> {
    place.ask(config, request).and_then(|response| say(&response.message))
}

/// A closed standard output has nobody to tell.
fn say(text: &str) -> Result<(), String> {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    Ok(())
}

impl Place {
    /// Asks the first that answers. `Err`: it refused, or nobody could be asked.
    fn ask(&self, config: Option<&Path>, request: Request) -> Result<control::Response, String> {
        let mut failures = Vec::new();
        for path in self.paths(config)? {
            match control::ask(&path, request) {
                Ok(response) if response.ok => return Ok(response),
                Ok(response) => return Err(response.message),
                Err(error) => failures.push(format!("{}: {error}", path.display())),
            }
        }
        failures.push(
            "is the announcer running, and as whom? its log names its control socket; give it with --control".into(),
        );
        Err(format!("error: no announcer could be asked\n  {}", failures.join("\n  ")))
    }

    /// Where it may be, the most likely first.
    fn paths(&self, config: Option<&Path>) -> Result<Vec<PathBuf>, String> {
        if let Some(path) = &self.control {
            return Ok(vec![path.clone()]);
        }
        let default = Path::new(settings::DEFAULT_PATH);
        let Some(file) = config.or(default.exists().then_some(default)) else {
            return Ok(control::default_paths());
        };
        match settings::load(file).map_err(|error| error.to_string())?.0.control {
            Endpoint::At(path) => Ok(vec![path]),
            Endpoint::Default => Ok(control::default_paths()),
            Endpoint::None => Err(format!("error: {}: `control` is \"none\"", file.display())),
        }
    }
}
