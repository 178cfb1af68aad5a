//! `catchment plan`: what a publish would change, and what guards say to it.

mod answers;
mod json;
mod markdown;
mod paint;
mod text;

use super::proposed::{Proposed, Zones};
use super::store::{Trusted, block_on, now_secs, print_json, publisher, told};
use super::{complain, done};
use crate::sync::channel::Channel;
use crate::sync::publish::Error;
use crate::sync::publish::guard::{Guard, Objection, judge, stopping};
use crate::sync::publish::plan::Plan;
use crate::sync::publish::proposal::Proposal;
use crate::sync::store::address::Address;
use crate::sync::zone_name::ZoneName;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Exit code: there is something to publish, or something that guards would stop.
const CHANGES: u8 = 2;

/// Arguments of `catchment plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing would change; 1 failed, or the command line is wrong; 2 there are changes, or objections of guards."
)]
pub struct Arguments {
    #[command(flatten)]
    proposed: Proposed,
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
    #[command(flatten)]
    trusted: Trusted,
    /// How it is told
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with_all = ["format", "markdown"])]
    json: bool,
    /// The same as --format markdown
    #[arg(long, conflicts_with = "format")]
    markdown: bool,
}

/// How a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people, coloured on a terminal.
    Text,
    /// One JSON document.
    Json,
    /// For the comments of a merge request.
    Markdown,
}

impl Arguments {
    fn format(&self) -> Format {
        match (self.json, self.markdown) {
            (true, _) => Format::Json,
            (_, true) => Format::Markdown,
            _ => self.format,
        }
    }
}

/// A plan, and what there is to say to it.
pub(super) struct Judged<'a> {
    pub(super) channel: &'a Channel,
    pub(super) plan: &'a Plan,
    pub(super) objections: &'a [Objection],
}

/// Prints what a publish would change.
pub fn run(arguments: &Arguments) -> ExitCode {
    told(plan(arguments))
}

fn plan(arguments: &Arguments) -> Result<Result<ExitCode, Error>, String> {
    let Arguments { proposed, channel, .. } = arguments;
    let format = arguments.format();
    let publisher = publisher(&arguments.of, channel, arguments.trusted.reader()?, format == Format::Json)?;
    let settings = proposed.settings(channel)?;
    let questions = proposed.read_questions()?;
    let mut zones = Zones::read(proposed)?;
    let images = zones.images(settings.serials);
    block_on(async {
        let make = |names: &[ZoneName]| zones.make(names);
        let questions = match questions {
            None => publisher.questions().await,
            given => given,
        };
        let mut proposal = Proposal { serials: settings.serials, questions, ..Proposal::new(images, &make) };
        let plan = publisher.plan(&mut proposal, proposed.listing(), now_secs()).await?;
        publisher.progress.end();
        let objections = judge(&plan, &zones.faulty, &settings.guards, now_secs());
        let judged = Judged { channel, plan: &plan, objections: &objections };
        match format {
            Format::Text => drop(done(&judged.text(std::io::stdout().is_terminal()))),
            Format::Json => drop(print_json(&judged.json())),
            Format::Markdown => drop(done(&judged.markdown())),
        }
        let is_nothing = plan.changes.is_empty() && stopping(&objections).is_empty();
        let published = proposal.images;
        zones.remember(&published, settings.serials);
        Ok(if is_nothing { ExitCode::SUCCESS } else { ExitCode::from(CHANGES) })
    })
}

impl Judged<'_> {
    /// Tells of it before it is published: what changes on standard output, what guards say on standard error. `Err`: they stop it.
    pub(super) fn tell(&self) -> Result<(), Error> {
        if !self.plan.changes.is_empty() {
            done(&self.changes(std::io::stdout().is_terminal()));
        }
        if !self.objections.is_empty() {
            complain(&self.objections(std::io::stderr().is_terminal()));
        }
        self.verdict()
    }

    /// `Err`: guards stop it.
    pub(super) fn verdict(&self) -> Result<(), Error> {
        let by: Vec<Guard> = stopping(self.objections);
        if by.is_empty() { Ok(()) } else { Err(Error::Guarded { by }) }
    }
}

#[cfg(test)]
mod tests;
