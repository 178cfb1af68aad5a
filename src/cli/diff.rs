//! `catchment diff`: the records that two versions of zones don't share.

use super::complain;
use super::zones::images;
use crate::wire::name::Name;
use crate::zone::diff::{Side, diff};
use crate::zone::dump::write_record;
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code: there is no answer.
const TROUBLE: u8 = 2;

/// Arguments of `catchment diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no difference; 1 differences; 2 trouble.")]
pub struct Arguments {
    /// The old version: a zone file, an image, or a directory of these
    old: PathBuf,
    /// The new version
    new: PathBuf,
    /// This zone alone; a zone file holds it whatever its name says
    #[arg(long, value_name = "NAME")]
    zone: Option<Name>,
}

/// Prints what differs.
pub fn run(arguments: &Arguments) -> ExitCode {
    match differences(arguments) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(why) => {
            complain(&why);
            ExitCode::from(TROUBLE)
        }
    }
}

fn differences(arguments: &Arguments) -> Result<bool, String> {
    let old = images(&arguments.old, arguments.zone.as_ref())?;
    let new = images(&arguments.new, arguments.zone.as_ref())?;
    if let Some(zone) = arguments.zone.as_ref().filter(|_| old.is_empty() && new.is_empty()) {
        return Err(format!("error: zone {zone} is in neither of them"));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut differ = false;
    for zone in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (old.get(zone), new.get(zone));
        let mut written = Ok(());
        let mut line = String::new();
        let compared = diff(old, new, |change| {
            differ = true;
            line.clear();
            line.push(match change.side {
                Side::Removed => '-',
                Side::Added => '+',
            });
            write_record(change.owner, change.rtype, change.ttl_secs, change.rdata, &mut line);
            if written.is_ok() {
                written = out.write_all(line.as_bytes());
            }
        });
        compared.map_err(|error| format!("error: zone {zone}: {error}"))?;
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(differ),
            result => result.map_err(|error| format!("error: standard output: {error}"))?,
        }
    }
    Ok(differ)
}
