//! What `publish` and `plan` share: zones as they are to be released, and what guards them.

use super::complain;
use super::memory::{self, Remember};
use super::progress::Loading;
use super::store::now_secs;
use crate::config::publish::{self, PublishSettings};
use crate::counted::counted;
use crate::sync::channel::Channel;
use crate::sync::codec::Digest;
use crate::sync::publish::answers::Questions;
use crate::sync::publish::guard::Guard;
use crate::sync::publish::images::{Brought, Images, Named};
use crate::sync::publish::plan::Listing;
use crate::sync::publish::serials::Serials;
use crate::sync::question::{Asked, FILE_LEN_MAX};
use crate::sync::zone_name::ZoneName;
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
use crate::zone::image::Image;
use crate::zone::library::{Checkout, Compiled, Judging, KnownZone, Places, Report, apex_of};
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// What a release is to be made of, for `publish` and `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Proposed {
    /// A directory of zone files, or one zone file: all that the release is to have
    pub(super) zones: PathBuf,
    /// How zones that change come by their serials [default: as publish.toml beside the zones says, else keep]
    #[arg(long, value_name = "HOW", value_enum)]
    serial: Option<Serials>,
    /// Let pass what this guard objects to; can be repeated
    #[arg(long, value_name = "GUARD", value_enum)]
    allow: Vec<Guard>,
    /// Questions whose answers are compared, a line each: name, type, how often it is asked; - for standard input [default: those that nodes
    /// were asked, by their reports]
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// List all zones and records that change, however many
    #[arg(long)]
    full: bool,
    /// Zones must be signed, and what is wrong with their signatures is an error
    #[arg(long)]
    dnssec: bool,
    /// Let `$INCLUDE` leave the directory
    #[arg(long)]
    include_outside: bool,
    #[command(flatten)]
    remember: Remember,
}

impl Proposed {
    /// The settings beside the zones, and what the command line says instead.
    pub(super) fn settings(&self, channel: &Channel) -> Result<PublishSettings, String> {
        let zones = self.zones.as_path();
        let directory = if zones.is_dir() { zones } else { zones.parent().unwrap_or(zones) };
        let mut settings = publish::load(directory, channel).map_err(|error| error.to_string())?;
        settings.guards.allow.extend(&self.allow);
        settings.serials = self.serial.unwrap_or(settings.serials);
        Ok(settings)
    }

    /// The questions of the command line.
    pub(super) fn read_questions(&self) -> Result<Option<Questions>, String> {
        let Some(path) = &self.questions else { return Ok(None) };
        let is_input = path.as_os_str() == "-";
        let source = if is_input { "standard input".into() } else { shown_path(path) };
        let remedy = "give a file of lines such as `www.example.com A 12`";
        let unread = |error: std::io::Error| format!("error: {source}: {error}; {remedy}");
        let from: Box<dyn Read> = match is_input {
            true => Box::new(std::io::stdin()),
            false => Box::new(File::open(path).map_err(unread)?),
        };
        let mut text = String::new();
        // One octet more shows that there is more.
        let octets = from.take(FILE_LEN_MAX + 1).read_to_string(&mut text).map_err(unread)? as u64;
        if octets > FILE_LEN_MAX {
            return Err(format!("error: {source}: it is longer than {FILE_LEN_MAX} octets; keep what is asked most"));
        }
        let asked = Asked::parse(&source, &text).map_err(|error| format!("error: {error}"))?;
        if asked.is_empty() {
            return Err(format!("error: {source}: there is no question in it; {remedy}"));
        }
        Ok(Some(Questions { source, queries: None, asked }))
    }

    /// How much of the changes is listed.
    pub(super) fn listing(&self) -> Listing {
        if self.full { Listing::ALL } else { Listing::default() }
    }
}

/// The zones of a command line, read.
pub(super) struct Zones<'a> {
    checkout: Checkout,
    /// Files with errors that don't keep them from being served.
    pub(super) faulty: Vec<String>,
    proposed: &'a Proposed,
    /// Where it is remembered what they are.
    place: Option<PathBuf>,
}

impl Zones<'_> {
    /// All zones, or what is wrong with them.
    pub(super) fn read(proposed: &Proposed) -> Result<Zones<'_>, String> {
        let (zones, include_outside) = (&proposed.zones, proposed.include_outside);
        let places = match zones.metadata() {
            Ok(metadata) if metadata.is_dir() => {
                Places { directory: Some(zones.into()), listed: Vec::new(), include_outside }
            }
            Ok(_) => Places { directory: None, listed: vec![(apex_of(zones)?, zones.into())], include_outside },
            Err(error) => return Err(format!("error: {}: {error}; give a directory of zone files", zones.display())),
        };
        let place = memory::place(&proposed.remember, &places);
        let remembered = place.as_deref().map(memory::read).unwrap_or_default();
        let judging = Judging { now_secs: now_secs(), must_be_signed: proposed.dnssec };
        let loading = Loading::show();
        let checkout = Checkout::read(&places, &remembered, judging, loading.watch().as_ref())
            .map_err(|message| format!("error: {message}"))?;
        drop(loading);
        for skipped in &checkout.skipped {
            complain(&format!("note: no zone: {}: it {}", shown_path(&skipped.path), skipped.reason));
        }
        let (fatal, others): (Vec<_>, Vec<_>) = checkout.reports.iter().partition(|report| report.fatal);
        others.iter().for_each(|report| complain(&report.text));
        let faulty = others.iter().filter(|report| report.has_errors).map(|report| shown_path(&report.path)).collect();
        let failure = (!fatal.is_empty()).then(|| faults(fatal));
        let zones = Zones { checkout, faulty, proposed, place };
        zones.write_if(zones.checkout.memory != remembered);
        match failure {
            None => Ok(zones),
            Some(failure) => Err(failure),
        }
    }

    /// Whether there are none.
    pub(super) fn is_none(&self) -> bool {
        self.checkout.zones().next().is_none()
    }

    /// What they bring. Those that are remembered are called as they were published last, if serials are written into releases.
    pub(super) fn images(&self, serials: Serials) -> Images {
        Images::new(self.checkout.zones().map(|(apex, content)| {
            let zone = match content {
                Compiled::Image(image) => Brought::Image(image.clone()),
                Compiled::Known(known) => {
                    let released = (serials != Serials::Keep).then(|| self.checkout.released(apex)).flatten();
                    let KnownZone { digest, serial, len } = released.unwrap_or(*known);
                    Brought::Named(Named { serial, image: Digest(digest), len })
                }
            };
            (ZoneName::from(apex), zone)
        }))
    }

    /// Makes images of zones that are remembered.
    pub(super) fn make(&self, zones: &[ZoneName]) -> Result<Vec<Image>, String> {
        let zones: Vec<Name> = zones.iter().map(|zone| zone.name().clone()).collect();
        self.checkout.compile(&zones).map_err(|fatal| faults(&fatal))
    }

    /// Remembers under which serials they are in a release.
    pub(super) fn remember(&mut self, images: &Images, serials: Serials) {
        if serials == Serials::Keep {
            return;
        }
        let before = self.checkout.memory.clone();
        for (zone, Named { serial, image, len }) in images.zones() {
            self.checkout.release(zone.name(), KnownZone { digest: image.0, serial, len });
        }
        self.write_if(self.checkout.memory != before);
    }

    /// Writes down what is remembered, if it is news.
    fn write_if(&self, is_news: bool) {
        if let Some(place) = self.place.as_deref().filter(|_| is_news)
            && let Err(error) = memory::write(place, &self.checkout.memory)
            && self.proposed.remember.is_asked_for()
        {
            complain(&format!("note: {}: {error}; the next publish reads all zones again", place.display()));
        }
    }
}

fn faults<'a>(fatal: impl IntoIterator<Item = &'a Report>) -> String {
    let texts: Vec<&str> = fatal.into_iter().map(|report| report.text.trim_end()).collect();
    let faulty = counted(texts.len(), "zone");
    format!("{}\nerror: nothing was published: {faulty} at fault", texts.join("\n"))
}
