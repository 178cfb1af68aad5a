//! `catchment publish` and `catchment refresh`.

use super::memory::{self, Remember};
use super::progress::Loading;
use super::store::{Trusted, Wait, block_on, now_secs, print_json, publisher, read_secret, told, waited};
use super::{complain, done};
use crate::counted::counted;
use crate::sync::channel::Channel;
use crate::sync::codec::Digest;
use crate::sync::publish::fleet::Waited;
use crate::sync::publish::images::{Brought, Images, Named};
use crate::sync::publish::{OnConflict, Options, Outcome, Published};
use crate::sync::store::address::Address;
use crate::sync::zone_name::ZoneName;
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
use crate::zone::image::Image;
use crate::zone::library::{Checkout, Compiled, Judging, Places, Report, apex_of};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `catchment publish`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A directory of zone files, or one zone file: all that the release is to have
    zones: PathBuf,
    /// Store: dir:PATH, s3://BUCKET/PREFIX, etcd://HOST:PORT/PREFIX?blobs=...
    #[arg(long, value_name = "STORE")]
    to: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
    /// Release key: its file, or env:NAME for one in the environment
    #[arg(long, value_name = "KEY")]
    key: String,
    #[command(flatten)]
    trusted: Trusted,
    /// What to do when another publisher is faster: apply our changes to its release, or stop with exit code 3
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnConflict::Rebase)]
    on_conflict: OnConflict,
    /// Publish a release without any zone, if there are none
    #[arg(long)]
    allow_empty: bool,
    /// Zones must be signed, and what is wrong with their signatures is an error
    #[arg(long)]
    dnssec: bool,
    /// Let `$INCLUDE` leave the directory
    #[arg(long)]
    include_outside: bool,
    #[command(flatten)]
    remember: Remember,
    #[command(flatten)]
    wait: Wait,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `catchment refresh`.
#[derive(Debug, clap::Args)]
pub struct RefreshArguments {
    /// Store
    #[arg(long, value_name = "STORE")]
    of: Address,
    /// Channel
    #[arg(long)]
    channel: Channel,
    /// Release key, or one for freshness alone: its file, or env:NAME
    #[arg(long, value_name = "KEY")]
    key: String,
    #[command(flatten)]
    trusted: Trusted,
}

/// Makes the zones the channel's newest release.
pub fn run(arguments: &Arguments) -> ExitCode {
    told(publish(arguments))
}

fn publish(arguments: &Arguments) -> Result<Result<ExitCode, crate::sync::publish::Error>, String> {
    let key = read_secret(&arguments.key)?;
    let first_key_set = arguments.trusted.key_set(Some(&arguments.key))?;
    let anchor = arguments.trusted.anchor(first_key_set.as_ref())?;
    let publisher = publisher(&arguments.to, &arguments.channel, anchor, arguments.json)?;
    if let Some(set) = first_key_set.as_ref().filter(|set| set.claims().channel != arguments.channel) {
        return Err(format!(
            "error: the key set is one of channel {}, not {}; give another with --key-set",
            set.claims().channel,
            arguments.channel
        ));
    }
    let checkout = checkout(arguments)?;
    if checkout.zones().next().is_none() && !arguments.allow_empty {
        return Err(format!(
            "error: there are no zones in {}: nodes would have none; if that is meant, --allow-empty",
            arguments.zones.display()
        ));
    }
    let options = Options { on_conflict: arguments.on_conflict, first_key_set, now_secs: now_secs() };
    let make = |zones: &[ZoneName]| make(&checkout, zones);
    block_on(async {
        let outcome = publisher.publish_zones(&key, images(&checkout), &make, &options).await?;
        publisher.progress.end();
        let generation = generation(&outcome);
        let wait = arguments.wait.wait(&publisher, generation).await?;
        tell(&outcome, wait.as_ref(), arguments.json);
        Ok(waited(wait.as_ref(), generation))
    })
}

/// All zones, or what is wrong with them.
fn checkout(arguments: &Arguments) -> Result<Checkout, String> {
    let (zones, include_outside) = (&arguments.zones, arguments.include_outside);
    let places = match zones.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Places { directory: Some(zones.into()), listed: Vec::new(), include_outside }
        }
        Ok(_) => Places { directory: None, listed: vec![(apex_of(zones)?, zones.into())], include_outside },
        Err(error) => return Err(format!("error: {}: {error}; give a directory of zone files", zones.display())),
    };
    let place = memory::place(&arguments.remember, &places);
    let remembered = place.as_deref().map(memory::read).unwrap_or_default();
    let judging = Judging { now_secs: now_secs(), must_be_signed: arguments.dnssec };
    let loading = Loading::show();
    let checkout = Checkout::read(&places, &remembered, judging, loading.watch().as_ref())
        .map_err(|message| format!("error: {message}"))?;
    drop(loading);
    if let Some(place) = place.filter(|_| checkout.memory != remembered)
        && let Err(error) = memory::write(&place, &checkout.memory)
        && arguments.remember.is_asked_for()
    {
        complain(&format!("note: {}: {error}; the next publish reads all zones again", place.display()));
    }
    for skipped in &checkout.skipped {
        complain(&format!("note: no zone: {}: it {}", shown_path(&skipped.path), skipped.reason));
    }
    let (fatal, warnings): (Vec<_>, Vec<_>) = checkout.reports.iter().partition(|report| report.has_errors);
    warnings.iter().for_each(|report| complain(&report.text));
    if fatal.is_empty() { Ok(checkout) } else { Err(faults(fatal)) }
}

fn faults<'a>(fatal: impl IntoIterator<Item = &'a Report>) -> String {
    let texts: Vec<&str> = fatal.into_iter().map(|report| report.text.trim_end()).collect();
    let faulty = counted(texts.len(), "zone");
    format!("{}\nerror: nothing was published: {faulty} at fault", texts.join("\n"))
}

/// What the checkout brings.
fn images(checkout: &Checkout) -> Images {
    Images::new(checkout.zones().map(|(apex, content)| {
        let zone = match content {
            Compiled::Image(image) => Brought::Image(image.clone()),
            Compiled::Known(known) => {
                Brought::Named(Named { serial: known.serial, image: Digest(known.digest), len: known.len })
            }
        };
        (ZoneName::from(apex), zone)
    }))
}

/// Makes images that the head has not.
fn make(checkout: &Checkout, zones: &[ZoneName]) -> Result<Vec<Image>, String> {
    let zones: Vec<Name> = zones.iter().map(|zone| zone.name().clone()).collect();
    checkout.compile(&zones).map_err(|fatal| faults(&fatal))
}

pub(super) fn generation(outcome: &Outcome) -> crate::sync::channel::Generation {
    match outcome {
        Outcome::Published(published) => published.generation,
        Outcome::Unchanged { generation, .. } => *generation,
    }
}

/// Says what was done.
pub(super) fn tell(outcome: &Outcome, wait: Option<&Waited>, json: bool) {
    let fleet = wait.map(|wait| match wait {
        Waited::All(fleet) | Waited::TimedOut(fleet) => fleet,
    });
    let all = matches!(wait, Some(Waited::All(_)));
    match outcome {
        Outcome::Published(p) if json => drop(print_json(&serde_json::json!({
            "published": true,
            "generation": p.generation.to_string(),
            "before": p.before.map(|before| before.to_string()),
            "manifest": p.manifest.to_string(),
            "zones": p.zones, "added": p.added, "changed": p.changed, "removed": p.removed,
            "blobs": p.blobs, "octets": p.octets, "rebased": p.rebased,
            "all-serve-it": wait.map(|_| all), "fleet": fleet,
        }))),
        Outcome::Unchanged { generation, manifest, zones } if json => drop(print_json(&serde_json::json!({
            "published": false, "generation": generation.to_string(), "manifest": manifest.to_string(), "zones": zones,
            "all-serve-it": wait.map(|_| all), "fleet": fleet,
        }))),
        Outcome::Published(published) => drop(done(&line(published))),
        Outcome::Unchanged { generation, zones, .. } => {
            done(&format!(
                "nothing changed: {generation} stays the head, {}; its freshness was signed again",
                counted(*zones, "zone")
            ));
        }
    }
    if let Some(fleet) = fleet.filter(|_| all && !json) {
        done(&match fleet.nodes.len() {
            0 => "no node has reported: there was none to wait for".into(),
            1 => "the only node serves it".into(),
            nodes => format!("all {nodes} nodes serve it"),
        });
    }
}

fn line(p: &Published) -> String {
    let after = p.before.map(|before| format!(" after {before}")).unwrap_or_default();
    format!(
        "published {}{after}: {}, {} added, {} changed, {} removed; {}, {} octets",
        p.generation,
        counted(p.zones, "zone"),
        p.added,
        p.changed,
        p.removed,
        counted(p.blobs, "blob"),
        p.octets
    )
}

/// Signs the head's freshness again.
pub fn refresh(arguments: &RefreshArguments) -> ExitCode {
    let run = || {
        let key = read_secret(&arguments.key)?;
        let set = arguments.trusted.key_set(Some(&arguments.key))?;
        let anchor = arguments.trusted.anchor(set.as_ref())?;
        let publisher = publisher(&arguments.of, &arguments.channel, anchor, false)?;
        block_on(async {
            let held = publisher.refresh(&key, now_secs()).await?;
            Ok(done(&format!("{} is the head: its freshness was signed again", held.generation)))
        })
    };
    told(run())
}
