//! `catchment publish` and `catchment refresh`.

use super::done;
use super::head::moved;
use super::plan::Judged;
use super::proposed::{Proposed, Zones};
use super::store::{Signing, Wait, begins, block_on, now_secs, print_json, told};
use super::waves::{Trying, Waves, Way};
use crate::sync::publish::guard::judge;
use crate::sync::publish::plan::Plan;
use crate::sync::publish::proposal::{Proposal, Review};
use crate::sync::publish::tip::Tip;
use crate::sync::publish::wave::ask::{self, Question};
use crate::sync::publish::{Error, OnConflict, Options, Outcome, Publisher};
use crate::sync::store::address::Address;
use crate::sync::zone_name::ZoneName;
use serde_json::Value;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

const EXIT_CODES: &str = "Exit codes: 0 done, also if there was nothing to do; 1 failed; 2 the command line is wrong; \
    3 another publisher was faster, is at work, or has ended our trial; 4 published, but not all nodes serve it in time, or none reports, or that can't be found out (--wait, waves); \
    5 guards object; 6 tried on some nodes, and taken back.";

/// Arguments of `catchment publish`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(flatten)]
    proposed: Proposed,
    /// Store: dir:PATH, s3://BUCKET/PREFIX, etcd://HOST:PORT/PREFIX?blobs=...
    #[arg(long, value_name = "STORE")]
    to: Address,
    #[command(flatten)]
    signing: Signing,
    /// Begin the channel in this store, though its keys are not new; without it, only keys of the last hour begin one
    #[arg(long)]
    first: bool,
    /// What to do when another publisher is faster: apply our changes to its release, or stop with exit code 3
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnConflict::Rebase)]
    on_conflict: OnConflict,
    /// Publish a release without any zone, if there are none
    #[arg(long)]
    allow_empty: bool,
    #[command(flatten)]
    waves: Waves,
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
    #[command(flatten)]
    signing: Signing,
}

/// Makes the zones the channel's newest release.
pub fn run(arguments: &Arguments) -> ExitCode {
    told(publish(arguments))
}

fn publish(arguments: &Arguments) -> Result<Result<ExitCode, Error>, String> {
    let began = Instant::now();
    let (key, publisher, first_key_set) = arguments.signing.open(&arguments.to, arguments.json)?;
    let Arguments { proposed, signing: Signing { channel, .. }, json, .. } = arguments;
    if let Some(set) = first_key_set.as_ref().filter(|set| set.claims().channel != *channel) {
        return Err(format!(
            "error: the key set is one of channel {}, not {channel}; give another with --key-set",
            set.claims().channel
        ));
    }
    let mut settings = proposed.settings(channel)?;
    arguments.waves.settle(&mut settings.waves)?;
    let asked = proposed.read_questions()?;
    let mut zones = Zones::read(proposed)?;
    if zones.is_none() && !arguments.allow_empty {
        return Err(format!(
            "error: there are no zones in {}: nodes would have none; if that is meant, --allow-empty",
            proposed.zones.display()
        ));
    }
    let options = Options { on_conflict: arguments.on_conflict, first_key_set, now_secs: now_secs() };
    let images = zones.images(settings.serials);
    // The plan that was judged last, for the one document.
    let document: Mutex<Option<Value>> = Mutex::default();
    let questions: Mutex<Vec<Box<dyn Question>>> = Mutex::default();
    block_on(async {
        let tip = match publisher.tip().await {
            Err(Error::NoChannel(_)) => None,
            tip => Some(tip?),
        };
        arguments.begin(&publisher, tip.as_ref(), &options)?;
        let how = (&arguments.wait, *json);
        let (trying, unfit) = match Trying::prepare(&publisher, &key, &settings.waves, tip.as_ref(), how, began).await?
        {
            Way::AtOnce => (None, None),
            Way::Try(trying) => (Some(trying), None),
            Way::Unfit(why) => (None, Some(why)),
        };
        let review = |plan: &Plan| {
            if trying.is_some() {
                *questions.lock().expect("nobody panics") = ask::about(plan);
            }
            publisher.progress.end();
            let objections = judge(plan, &zones.faulty, &settings.guards, options.now_secs);
            let judged = Judged { channel, plan, objections: &objections };
            if *json {
                *document.lock().expect("nobody panics") = Some(judged.json());
                judged.verdict()?;
            } else {
                judged.tell()?;
            }
            // Where nothing changes there is nothing to try.
            match &unfit {
                Some(why) if !plan.changes.is_empty() => Err(Error::Release(why.clone())),
                _ => Ok(()),
            }
        };
        let make = |names: &[ZoneName]| zones.make(names);
        let review: Option<(&Review, _)> = Some((&review, proposed.listing()));
        let asked = match asked {
            None => publisher.questions().await,
            given => given,
        };
        let mut proposal = Proposal { images, make: &make, serials: settings.serials, questions: asked, review };
        let outcome = match &trying {
            None => publisher.publish_zones(&key, &mut proposal, &options).await,
            Some(trying) => publisher.lay_trial(&key, &mut proposal, &trying.canary(), &options).await,
        };
        publisher.progress.end();
        let images = proposal.images;
        zones.remember(&images, settings.serials);
        let plan = document.into_inner().expect("nobody panics");
        if let (Err(Error::Guarded { .. }), true) = (&outcome, json) {
            print_json(&serde_json::json!({ "published": false, "plan": plan }));
        }
        let outcome = outcome?;
        if let (Some(trying), Outcome::Published(tried)) = (trying, &outcome) {
            let questions = questions.into_inner().expect("nobody panics");
            return trying.finish(tried, &questions, plan).await;
        }
        Ok(moved(&publisher, &outcome, &arguments.wait, *json, plan).await)
    })
}

impl Arguments {
    /// Whether the channel may begin there, if it has not yet.
    fn begin(&self, publisher: &Publisher, tip: Option<&Tip>, options: &Options) -> Result<(), Error> {
        let Arguments { to, signing: Signing { channel, .. }, first, .. } = self;
        let refusal = |why: String| Error::Release(format!("nothing was published: {why}"));
        if let Some(head) = tip.and_then(Tip::generation).filter(|_| *first) {
            return Err(refusal(format!("{to} has channel {channel} already, at {head}; leave --first out")));
        }
        let note = match (tip, &options.first_key_set) {
            (Some(tip), _) if tip.generation().is_none() => {
                format!("{to} has channel {channel}, but no release of it: this is its first")
            }
            (None, Some(set)) => begins(to, set, *first).map_err(refusal)?,
            // Without a key set there is none to lay out.
            _ => return Ok(()),
        };
        publisher.progress.note(&note);
        Ok(())
    }
}

/// Signs the head's freshness again.
pub fn refresh(arguments: &RefreshArguments) -> ExitCode {
    let run = || {
        let (key, publisher, _) = arguments.signing.open(&arguments.of, false)?;
        block_on(async {
            let held = publisher.refresh(&key, now_secs()).await?;
            Ok(done(&format!("{} is the head: its freshness was signed again", held.generation)))
        })
    };
    told(run())
}
