//! Publishing in waves, for `publish`: what the command line says of it, who tries the release, how it goes, and how it ends.

use super::store::{CONFLICT, TIMED_OUT, Wait, failed, now_secs, print_json, waited};
use super::{complain, done, printable};
use crate::config::document::duration_from_text;
use crate::config::publish::NO_CANARY;
use crate::counted::{counted, many};
use crate::sync::channel::Generation;
use crate::sync::key::KeyPair;
use crate::sync::publish::fleet::Waited;
use crate::sync::publish::tip::{Held, Tip};
use crate::sync::publish::trial::{Ended, Takers};
use crate::sync::publish::wave::ask::{Asker, Question};
use crate::sync::publish::wave::choose::{Canary, NotACanary, Unfit, steps};
use crate::sync::publish::wave::course::{Course, Passed, Told, Why};
use crate::sync::publish::wave::observe::Observer;
use crate::sync::publish::wave::share::Share;
use crate::sync::publish::wave::{DEADLINE_MAX, SOAK_MAX, Settings};
use crate::sync::publish::{Error, Published, Publisher};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code: tried, and taken back.
const TAKEN_BACK: u8 = 6;
/// Nodes that are named where there may be many.
const NAMED_MAX: usize = 5;

/// How a release is tried before it is the head, for `publish`; `[waves]` of publish.toml has the same.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Waves")]
pub(super) struct Waves {
    /// Try it first on these nodes: a share of those that report (10%), or names with commas between them
    #[arg(long, value_name = "NODES", value_parser = canary)]
    canary: Option<Canary>,
    /// Watch the nodes of each wave for so long [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = time)]
    soak: Option<Duration>,
    /// Further waves after the canary, before everyone: shares of the nodes, such as 30%,50%
    #[arg(long, value_name = "SHARES", value_delimiter = ',')]
    waves: Option<Vec<Share>>,
    /// So much of all answers more may be SERVFAIL, NXDOMAIN or REFUSED [default: 1%]
    #[arg(long, value_name = "SHARE")]
    margin: Option<Share>,
    /// Nodes with fewer queries in a soak are asked themselves [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    min_queries: Option<u64>,
    /// Nodes of a wave go back by themselves after so long, if nobody tells them more [default: twice the soak and a minute]
    #[arg(long, value_name = "TIME", value_parser = time)]
    deadline: Option<Duration>,
    /// Everyone at once, whatever publish.toml says
    #[arg(long, conflicts_with_all = ["canary", "soak", "waves", "margin", "min_queries", "deadline"])]
    at_once: bool,
}

/// What publish.toml calls none has a flag of its own here: nobody is to read `none` for the name of a node.
fn canary(text: &str) -> Result<Canary, String> {
    match text {
        NO_CANARY => Err("for everyone at once, whatever publish.toml says, give --at-once instead".into()),
        text => text.parse().map_err(|error: NotACanary| error.to_string()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration_from_text(text).ok_or("a time is a whole number and `ms`, `s` or `m`, such as 90s or 2m")?;
    if time < Duration::from_secs(1) { Err("it must be 1s at least".into()) } else { Ok(time) }
}

impl Waves {
    /// Takes what the command line says in place of what the settings say. `Err`: that can't be done.
    pub(super) fn settle(&self, settings: &mut Settings) -> Result<(), String> {
        if self.at_once {
            settings.canary = None;
        }
        settings.canary = self.canary.clone().or(settings.canary.take());
        settings.then = self.waves.clone().unwrap_or(std::mem::take(&mut settings.then));
        settings.soak = self.soak.unwrap_or(settings.soak);
        settings.deadline = self.deadline.or(settings.deadline);
        settings.limits.margin = self.margin.unwrap_or(settings.limits.margin);
        settings.limits.queries_min = self.min_queries.unwrap_or(settings.limits.queries_min);
        let is_timed = self.soak.is_some() || self.waves.is_some() || self.deadline.is_some();
        if settings.canary.is_none() && (is_timed || self.margin.is_some() || self.min_queries.is_some()) {
            return Err("error: --soak, --waves, --deadline, --margin and --min-queries say how a canary is watched: give --canary too".into());
        }
        let (soak, deadline) = (settings.soak, settings.deadline());
        if settings.canary.is_some() && soak > SOAK_MAX {
            return Err(format!("error: a soak of {soak:?} is longer than {SOAK_MAX:?}"));
        }
        if settings.canary.is_some() && !(soak < deadline && deadline <= DEADLINE_MAX) {
            return Err(format!(
                "error: a deadline of {deadline:?} is not longer than the soak of {soak:?}, or longer than {DEADLINE_MAX:?}: nodes would go back before they are judged"
            ));
        }
        Ok(())
    }
}

/// How a release comes to its nodes.
pub(super) enum Way<'a> {
    /// To everyone at once.
    AtOnce,
    /// To some first.
    Try(Trying<'a>),
    /// It was to be tried, and can't be: why. Only what changes nothing is published.
    Unfit(String),
}

/// A release that is about to be tried.
pub(super) struct Trying<'a> {
    pub(super) publisher: &'a Publisher,
    pub(super) key: &'a KeyPair,
    pub(super) settings: &'a Settings,
    pub(super) wait: &'a Wait,
    pub(super) json: bool,
    /// When the command began.
    pub(super) began: Instant,
    observer: Observer<'a>,
    steps: Vec<BTreeSet<String>>,
}

impl<'a> Trying<'a> {
    /// Chooses who tries it. `tip`: the channel's state, if it has one.
    pub(super) async fn prepare(
        publisher: &'a Publisher,
        key: &'a KeyPair,
        settings: &'a Settings,
        tip: Option<&Tip>,
        (wait, json): (&'a Wait, bool),
        began: Instant,
    ) -> Result<Way<'a>, Error> {
        let Some(canary) = &settings.canary else {
            if *settings != Settings::default() {
                publisher.progress.note("no canary is set: this release is for everyone at once");
            }
            return Ok(Way::AtOnce);
        };
        let unfit = |why: &str| Ok(Way::Unfit(format!("nothing was published, as it can't be tried: {why}")));
        let head = match tip.map(|tip| (tip.held(), &tip.state.head)) {
            Some((Some(head), _)) => head,
            // Its key was removed: nodes that serve it could not be told to go back to it.
            Some((None, Some(head))) => {
                return unfit(&format!(
                    "the head is none that could be gone back to, as the key that signed it is no longer one of the channel's; sign it once more, catchment rollback --to {}, or publish to everyone with --at-once",
                    head.manifest.claims().generation
                ));
            }
            Some((None, None)) | None => {
                publisher.progress.note("there is no release to go back to: this one is for everyone at once");
                return Ok(Way::AtOnce);
            }
        };
        let observer = Observer::start(publisher).await?;
        let steps = match steps(&observer.fleet(), canary, &settings.then, &head.manifest) {
            Ok(steps) => steps,
            Err(why @ Unfit::NoNodes) => {
                return unfit(&format!("{why}; see catchment status, or publish to everyone with --at-once"));
            }
            Err(why) => return unfit(&why.to_string()),
        };
        let runs_behind = |node: &&String| observer.report(node).is_some_and(|(report, _)| report.delay_secs > 0);
        if let Some(node) = steps[0].iter().find(runs_behind) {
            return unfit(&format!("{node} runs behind, by its setting `delay`, and tries nothing; name others"));
        }
        Ok(Way::Try(Trying { publisher, key, settings, wait, json, began, observer, steps }))
    }

    /// Who is first.
    pub(super) fn canary(&self) -> Takers {
        Takers { nodes: self.steps[0].clone(), deadline: self.settings.deadline() }
    }

    /// Takes a release that is on trial from wave to wave, until it is the head or is taken back. `questions`: what nodes are asked.
    pub(super) async fn finish(
        mut self,
        tried: &Published,
        questions: &[Box<dyn Question>],
        plan: Option<Value>,
    ) -> Result<ExitCode, Error> {
        let release = Held { generation: tried.generation, manifest: tried.manifest };
        self.say(format_args!(
            "{} is on trial: {}; without further word it goes back after {:?}",
            tried.generation,
            self.who(0),
            self.settings.deadline()
        ));
        let asker = Asker { questions };
        let course = Course {
            publisher: self.publisher,
            key: self.key,
            settings: self.settings,
            steps: &self.steps,
            release,
            timeout: self.wait.timeout(),
            clock: now_secs,
            ask: &asker,
        };
        let (began, json) = (self.began, self.json);
        let mut passed = Vec::new();
        let tell = |told: &Told| {
            if let Told::Passed { wave, by: Passed { queries, asked } } = told {
                let asked: Vec<Value> = asked.iter().map(|(node, n)| json!({ "node": node, "questions": n })).collect();
                passed.push(json!({ "wave": name(*wave), "secs": began.elapsed().as_secs_f64(), "queries": queries, "asked": asked }));
            }
            // That none serves it yet is no news.
            if !matches!(told, Told::Serve { there: 0, .. }) {
                say(json, began, format_args!("{}", line(told, release.generation)));
            }
        };
        let interrupted = interrupted()?;
        let ended = tokio::select! {
            biased;
            signal = interrupted => Err(Stop::Signal(signal)),
            went = course.run(&mut self.observer, tell) => match went {
                Err(why) => Err(Stop::Why(why)),
                // From here on it may be the head: whoever interrupts now is told how it ended.
                Ok(()) => course.promote().await.map_err(|error| Stop::Why(Why::Error(error))),
            },
        };
        match ended {
            Ok(promoted) => self.promoted(tried, &promoted, passed, plan).await,
            Err(stop) => Ok(self.take_back(release, &stop, passed, plan).await),
        }
    }

    async fn promoted(
        &self,
        tried: &Published,
        promoted: &Published,
        passed: Vec<Value>,
        plan: Option<Value>,
    ) -> Result<ExitCode, Error> {
        let generation = promoted.generation;
        self.say(format_args!("{generation} is the head, with the content of {}", tried.generation));
        let wait = tokio::select! {
            biased;
            signal = interrupted()? => {
                complain(&format!("error: interrupted by {signal}: {generation} is the head, and who serves it was not waited for"));
                return Ok(ExitCode::from(TIMED_OUT));
            }
            wait = self.publisher.wait(generation, self.wait.timeout(), now_secs(), |_, _| {}) => wait,
        };
        if self.json {
            print_json(&json!({
                "published": true, "generation": generation.to_string(), "before": promoted.before.map(|g| g.to_string()),
                "manifest": promoted.manifest.to_string(), "tried": tried.generation.to_string(), "waves": passed,
                "zones": tried.zones, "added": tried.added, "changed": tried.changed, "removed": tried.removed,
                "blobs": tried.blobs, "octets": tried.octets, "rebased": tried.rebased,
                "secs": self.began.elapsed().as_secs_f64(),
                "all-serve-it": matches!(wait, Ok(Waited::All(_))), "fleet": wait.as_ref().ok().map(Waited::fleet), "plan": plan,
            }));
        } else if let Ok(Waited::All(fleet)) = &wait {
            self.say(format_args!("everyone: {} it", serve(fleet.nodes.len())));
        }
        Ok(waited(Some(&wait), generation))
    }

    /// Takes the channel back and says why.
    async fn take_back(&self, release: Held, stop: &Stop, passed: Vec<Value>, plan: Option<Value>) -> ExitCode {
        let generation = release.generation;
        let reasons = stop.reasons();
        let complain_of_all = || reasons.iter().for_each(|reason| complain(&printable(&format!("error: {reason}"))));
        // Whoever interrupts is answered at once. What was seen of nodes may come from nothing but the end of the trial.
        let is_interrupted = matches!(stop, Stop::Signal(_));
        if is_interrupted {
            complain_of_all();
        }
        let back = self.publisher.take_back(self.key, Some(release), now_secs()).await;
        if !is_interrupted && !matches!(back, Err(Error::NoTrial { .. })) {
            complain_of_all();
        }
        let mut ended = None;
        let (code, outcome) = match &back {
            Ok(back) => {
                complain(&format!(
                    "error: {generation} was taken back: {} is the head, with the content of {}",
                    back.generation,
                    back.before.map(|before| before.to_string()).unwrap_or_default()
                ));
                (ExitCode::from(TAKEN_BACK), json!({ "generation": back.generation.to_string() }))
            }
            Err(error @ Error::NoTrial { .. }) => {
                ended = self.publisher.ended(release).await.ok().flatten();
                let how = ended.as_ref().map_or_else(|| error.to_string(), |ended| how_it_ended(generation, ended));
                complain(&format!("error: somebody else has ended the trial meanwhile: {how}"));
                (ExitCode::from(CONFLICT), Value::Null)
            }
            Err(error) => {
                failed(error);
                complain(&format!(
                    "error: {generation} could not be taken back: its nodes go back by themselves within {:?}; then catchment rollback ends the trial",
                    self.settings.deadline()
                ));
                (ExitCode::from(TAKEN_BACK), Value::Null)
            }
        };
        if self.json {
            print_json(&json!({
                "published": false, "tried": generation.to_string(), "waves": passed, "reasons": reasons,
                "taken-back": outcome, "ended": ended.as_ref().map(ended_json), "plan": plan,
            }));
        }
        code
    }

    fn who(&self, step: usize) -> String {
        let nodes: Vec<&String> = self.steps[step].iter().collect();
        crate::counted::listed(&nodes, NAMED_MAX)
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        say(self.json, self.began, what);
    }
}

/// Why it does not go on.
enum Stop {
    Signal(&'static str),
    Why(Why),
}

impl Stop {
    fn reasons(&self) -> Vec<String> {
        match self {
            Stop::Signal(name) => vec![format!("interrupted by {name}")],
            Stop::Why(Why::Error(error)) => vec![error.to_string()],
            Stop::Why(Why::Faults { wave, faults }) => {
                faults.iter().map(|fault| format!("{}: {fault}", name(*wave))).collect()
            }
        }
    }
}

/// What somebody else made of a release on trial.
fn how_it_ended(tried: Generation, ended: &Ended) -> String {
    let (Ended::Promoted(by) | Ended::TakenBack(by) | Ended::Replaced(by)) = ended else {
        return format!("the key that signed {tried} was removed; its nodes go back by themselves");
    };
    let who = by.key.map_or_else(|| "somebody".into(), |key| format!("key {key}"));
    let what = match (ended, by.same_as) {
        (Ended::Promoted(_), _) => format!("promoted {tried}, and everyone is to serve it:"),
        (Ended::TakenBack(_), _) => format!("took {tried} back, and everyone is to serve what was the head before:"),
        (_, Some(same)) => format!("went back to the content of {same}:"),
        (_, None) => "published another release:".into(),
    };
    format!("{who} {what} {} became the head", by.head)
}

/// The same for machines.
fn ended_json(ended: &Ended) -> Value {
    let (how, by) = match ended {
        Ended::Promoted(by) => ("promoted", Some(by)),
        Ended::TakenBack(by) => ("taken-back", Some(by)),
        Ended::Replaced(by) => ("replaced", Some(by)),
        Ended::Disowned => ("key-removed", None),
    };
    let key = by.and_then(|by| by.key).map(|key| key.to_string());
    json!({ "how": how, "head": by.map(|by| by.head.to_string()), "key": key })
}

/// Ends with the name of the first signal to stop.
fn interrupted() -> Result<impl Future<Output = &'static str>, Error> {
    let listen = |kind| signal(kind).map_err(|error| Error::Release(format!("no signals can be waited for: {error}")));
    let (mut asked, mut ordered) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    // The terminal is gone: without a handler that would end the process, and leave the trial to its deadline.
    let mut left = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = asked.recv() => "SIGINT",
            _ = ordered.recv() => "SIGTERM",
            _ = left.recv() => "SIGHUP",
        }
    })
}

fn name(wave: usize) -> String {
    if wave == 0 { "canary".into() } else { format!("wave {}", wave + 1) }
}

/// `1 node serves`, `2 nodes serve`.
pub(super) fn serve(nodes: usize) -> String {
    match nodes {
        1 => "1 node serves".into(),
        nodes => format!("{nodes} nodes serve"),
    }
}

fn line(told: &Told, generation: Generation) -> String {
    match told {
        Told::Serve { wave, there, nodes, after } => {
            format!("{}: {there} of {} {generation} after {:.1} s", name(*wave), serve(*nodes), after.as_secs_f64())
        }
        Told::Soak(time) => format!("soak {time:?}"),
        Told::Passed { wave, by: Passed { queries, asked } } => {
            let asked: usize = asked.iter().map(|(_, questions)| questions).sum();
            let asked =
                if asked == 0 { String::new() } else { format!(", {} asked by us", counted(asked, "question")) };
            format!("{}: passed, {}{asked}", name(*wave), many(*queries, "query"))
        }
    }
}

/// Tells of a step, with the time since the command began.
fn say(json: bool, began: Instant, what: std::fmt::Arguments<'_>) {
    let line = printable(&format!("{:7.1} s  {what}", began.elapsed().as_secs_f64()));
    if json {
        complain(&line);
    } else {
        done(&line);
    }
}
