//! The running sidecar: one thread, one loop. All that decides is pure and lies elsewhere; here is who calls it when.
//!
//! ```text
//! server's leases --+                       +-> routes -> sessions -> sockets     first
//! routers' octets --+                       |
//! BFD's datagrams --+-> wake -> policy -----+-> word to the server
//! outcomes of probes+     (or a session)    |
//! commands, signals-+                       +-> log lines, figures                last
//! time -------------+
//! ```
//!
//! - A withdrawal is written to all sessions before anything else that its cause brings: before the log line, before the word
//!   to the server, before the answer to whoever asked for it.
//! - What waits in sockets is taken before time is told to have passed. So a process that was stopped for a while judges
//!   leases, routers and BFD by what they said meanwhile, and by the age of that, before it announces or withdraws anything.
//! - Once a second it is looked whether each session has what it shall have, and whether the host has the services' addresses.

mod network;
mod peers;
mod probes;
mod reload;
mod report;

use super::admin::{self, Wanted};
use super::control::{self, Asked, Page, Request, Response};
use super::explain::Transitions;
use super::lease::{Client, Told};
use super::metrics::Figures;
use super::policy::{self, Change, Policy};
use super::prefix::Prefix;
use super::settings::{self, Settings};
use super::{Moment, explain, sockets};
use crate::config::{Endpoint, LogFormat};
use crate::lease::Word;
use crate::local::{Allowed, LocalSocket};
use crate::notify;
use crate::observe::logs;
use crate::signals::{self, Signals};
use network::Network;
use probes::{Ended, Probes};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn, ready};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// The loop comes round at least so often, to look after what nobody tells.
const ROUND: Duration = Duration::from_secs(1);
/// Coming round so much later than planned is worth a line: the process was stopped, or had no processor.
const STALL: Duration = Duration::from_millis(200);
/// So much later than planned something may have come meanwhile that makes a difference.
const LATE: Duration = Duration::from_millis(10);
/// Events that are taken while the time for something has come: then that has its turn.
const EVENTS_MAX: u32 = 32;
/// Requests that wait; more connections wait in their listen queues.
const REQUESTS_MAX: usize = 16;
/// At the end, octets that the system did not take yet get this long.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The command line. What it sets goes before the settings file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The settings file.
    pub config: PathBuf,
    /// Everything but sessions.
    pub dry_run: bool,
    /// How log lines look.
    pub log_format: Option<LogFormat>,
    /// The least severe level that is logged.
    pub log_level: Option<tracing::Level>,
}

/// Announces until a signal ends it. `Err`: it could not begin; without a message, the log has it.
pub fn run(options: Options) -> Result<(), Option<String>> {
    let (settings, warnings) = settings::load(&options.config).map_err(|error| Some(error.to_string()))?;
    let format = options.log_format.unwrap_or(settings.log_format);
    let _logs = logs::start(format, options.log_level.unwrap_or(settings.log_level), false);
    for warning in warnings.lines() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Some(format!("no runtime: {error}")))?;
    let done = runtime.block_on(async { Announcer::new(options, settings)?.run().await });
    done.map_err(|message| {
        tracing::error!("{message}");
        None
    })
}

/// Everything that the loop has.
struct Announcer {
    options: Options,
    settings: Arc<Settings>,
    policy: Policy,
    network: Network,
    server: Option<Client>,
    /// Why there is no connection to the server.
    server_lost: Option<String>,
    probes: Probes,
    counts: report::Counts,
    /// Addresses of services that the host had when it was last looked.
    present: BTreeSet<IpAddr>,
    transitions: Transitions,
    figures: Figures,
    /// What is being withdrawn, and the moment of its cause, until it is written everywhere.
    withdrawing: Option<(Moment, BTreeSet<Prefix>)>,
    started: Moment,
    /// A signal said to end.
    leaving: bool,
    signals: Signals,
    inputs: Inputs,
}

/// Where wakes come from that are no sockets of routers.
struct Inputs {
    outcomes: mpsc::Receiver<Ended>,
    asked: mpsc::Receiver<Asked>,
    pages: mpsc::Receiver<Wanted>,
}

/// Why the loop goes on.
enum Wake {
    Server(Told),
    Network(Vec<network::Event>),
    Signal(signals::Told),
    Outcome(Ended),
    Asked(Asked),
    Page(Wanted),
    Time,
}

impl Announcer {
    fn new(options: Options, settings: Settings) -> Result<Announcer, String> {
        let signals = Signals::new().map_err(|error| format!("no signals: {error}"))?;
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let (wanted, pages) = mpsc::channel(REQUESTS_MAX);
        serve_control(&settings.control, requests)?;
        serve_admin(&settings.admin, wanted)?;
        let (probes, outcomes) = Probes::new();
        let settings = Arc::new(settings);
        let now = sockets::now();
        Ok(Announcer {
            policy: Policy::new(Arc::clone(&settings), now),
            network: Network::default(),
            server: None,
            server_lost: None,
            probes,
            counts: report::Counts::default(),
            present: BTreeSet::new(),
            transitions: Transitions::default(),
            figures: Figures::default(),
            withdrawing: None,
            started: now,
            leaving: false,
            signals,
            inputs: Inputs { outcomes, asked, pages },
            options,
            settings,
        })
    }

    async fn run(mut self) -> Result<(), String> {
        let now = sockets::now();
        self.watch_server();
        self.probes.set(&self.settings.services);
        self.look_at_addresses(now, true);
        if self.options.dry_run {
            tracing::info!("dry run: no router is told anything");
        } else {
            self.network.set(now, &self.settings)?;
        }
        tracing::info!("ready: {}", self.settings.summary());
        notify::ready("watching");

        let watchdog = notify::watchdog_interval();
        let mut alive_at = now;
        let mut round_at = now + ROUND;
        let mut busy = 0;
        let mut before = now;
        loop {
            let wanted = [
                self.policy.deadline(),
                self.network.deadline(),
                Some(round_at),
                watchdog.map(|every| alive_at + every),
            ];
            let due = wanted.into_iter().flatten().min().unwrap_or(round_at);
            let wake = if busy < EVENTS_MAX { self.wake(due).await } else { Wake::Time };
            let now = sockets::now();
            busy = if now >= due && !matches!(wake, Wake::Time) { busy + 1 } else { 0 };
            // What was due already when the wait began is late for another reason.
            let late = if due > before { now.saturating_sub(due) } else { Duration::ZERO };
            before = now;
            // Nothing is announced, and nobody told anything, by what has expired meanwhile. But the server goes before.
            let expired = match &wake {
                Wake::Server(_) => false,
                _ => self.expire(now).await,
            };
            let now = if expired { sockets::now() } else { now };
            // BFD keeps us awake day and night: what it does not change is not worked out anew each time.
            let only_bfd = match &wake {
                Wake::Time => !expired && now < round_at,
                Wake::Network(events) => !expired && events.iter().all(network::Event::is_datagram),
                _ => false,
            };
            match wake {
                Wake::Time => {
                    self.network.tick(now);
                    if round_at <= now {
                        round_at = now + ROUND;
                        self.look_at_addresses(now, false);
                        self.network.repair(now, self.policy.routes());
                    }
                    if let Some(every) = watchdog.filter(|every| alive_at + *every <= now) {
                        alive_at = now + every;
                        notify::alive();
                    }
                }
                Wake::Server(told) => self.told(now, told),
                Wake::Network(events) => self.network.handle(now, events),
                Wake::Outcome(ended) => self.probed(now, ended),
                Wake::Asked(asked) => self.answer(now, asked),
                Wake::Page((page, reply)) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(self.page(now, page));
                }
                Wake::Signal(signals::Told::Reload) => self.reload(now),
                Wake::Signal(signals::Told::Stop) if self.leaving => {
                    tracing::warn!("a second signal: not waiting for traffic to go");
                    break;
                }
                Wake::Signal(signals::Told::Stop) => {
                    notify::stopping();
                    notify::stop_takes(self.settings.drain_timeout + Duration::from_secs(5));
                    self.leaving = true;
                    self.decide(now, policy::Event::Drain { by: "a signal to the announcer".into() });
                }
            }
            if !only_bfd || self.network.has_news() {
                self.settle(now);
            }
            if late >= STALL {
                self.figures.stalled();
                tracing::warn!("came round {} ms late: stopped, or without a processor", late.as_millis());
            }
            if self.leaving && self.policy.drained() && self.held().next().is_none() {
                break;
            }
        }
        self.end().await;
        Ok(())
    }

    /// Waits for what comes next. In this order if several are there: what was said before what time brings.
    ///
    /// A process that is continued after a stop finds its wait interrupted (signal(7)), the time over, and has not looked at a
    /// socket yet. So when it is late sockets are looked at once more.
    async fn wake(&mut self, due: Moment) -> Wake {
        let Announcer { server, network, signals, inputs, .. } = self;
        let told = async {
            match server {
                Some(client) => client.next().await,
                None => pending().await,
            }
        };
        let time = async {
            tokio::time::sleep(due.saturating_sub(sockets::now())).await;
            if sockets::now().saturating_sub(due) >= LATE {
                // Lets the runtime ask the system which sockets are ready.
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            told = told => Wake::Server(told),
            events = poll_fn(|cx| network.poll(cx)) => Wake::Network(events),
            received = signals.next() => Wake::Signal(received),
            Some(ended) = inputs.outcomes.recv() => Wake::Outcome(ended),
            Some(asked) = inputs.asked.recv() => Wake::Asked(asked),
            Some(wanted) = inputs.pages.recv() => Wake::Page(wanted),
            () = time => Wake::Time,
        }
    }

    /// Tells the policy that time has passed, if that makes a difference to it. If it is late, the server is heard first: whatever
    /// woke us, it may have sent leases meanwhile.
    async fn expire(&mut self, now: Moment) -> bool {
        let due = self.policy.deadline().filter(|due| *due <= now);
        let Some(due) = due else { return false };
        if now.saturating_sub(due) >= LATE {
            // Lets the runtime ask the system which sockets are ready.
            tokio::task::yield_now().await;
            let told = match &mut self.server {
                Some(client) => tokio::select! {
                    biased;
                    told = client.next() => Some(told),
                    () = ready(()) => None,
                },
                None => None,
            };
            if let Some(told) = told {
                self.told(sockets::now(), told);
            }
        }
        let now = sockets::now();
        if self.policy.deadline().is_some_and(|due| due <= now) {
            self.decide(now, policy::Event::Tick);
        }
        true
    }

    /// Tells the policy, and does what it wants.
    fn decide(&mut self, now: Moment, event: policy::Event) {
        let before: BTreeSet<Prefix> = self.policy.routes().keys().copied().collect();
        for action in self.policy.handle(now, event) {
            match action {
                policy::Action::Routes(change) => self.announce(now, &before, &change),
                policy::Action::Transition(transition) => self.log(&transition),
                policy::Action::Alarm { alarm, text, raised: true } => tracing::warn!("{alarm}: {text}"),
                policy::Action::Alarm { alarm, raised: false, .. } => tracing::info!("over: {alarm}"),
            }
        }
    }

    /// Hands the routes to all sessions, which write what goes away before what comes.
    fn announce(&mut self, now: Moment, before: &BTreeSet<Prefix>, change: &Change) {
        self.network.announce(now, &change.routes);
        let gone = before.iter().filter(|prefix| !change.routes.contains_key(prefix)).copied().collect::<BTreeSet<_>>();
        if !gone.is_empty() && !self.options.dry_run {
            self.withdrawing = Some((change.caused_at, gone));
            self.note_withdrawn();
        }
    }

    /// Notes how long a withdrawal took, once no router is left that was not told.
    fn note_withdrawn(&mut self) {
        let Some((caused_at, prefixes)) = &self.withdrawing else { return };
        let held =
            prefixes.iter().any(|prefix| self.network.may_hold(*prefix) && !self.policy.routes().contains_key(prefix));
        if !held {
            self.figures.withdrew(sockets::now().saturating_sub(*caused_at));
            self.withdrawing = None;
        }
    }

    fn log(&mut self, transition: &policy::Transition) {
        let policy::Transition { prefix, from, to, cause, .. } = transition;
        let expected = to.announced() || *to == policy::State::Init || cause.kind == policy::CauseKind::Drain;
        if expected {
            tracing::info!(%prefix, %from, %to, kind = cause.kind.word(), "{prefix} {from} -> {to}: {cause}");
        } else {
            tracing::warn!(%prefix, %from, %to, kind = cause.kind.word(), "{prefix} {from} -> {to}: {cause}");
        }
        self.figures.moved(&prefix.to_string(), &to.to_string(), cause.kind.word());
        self.transitions.push(explain::Transition {
            at: explain::timestamp(SystemTime::now()),
            prefix: prefix.to_string(),
            from: from.to_string(),
            to: to.to_string(),
            cause: cause.to_string(),
        });
    }

    /// After each event: log lines that waited for withdrawals, and the word to the server.
    fn settle(&mut self, now: Moment) {
        self.note_withdrawn();
        self.network.log();
        let announced = self.held().count();
        let leaving = self.held().any(|prefix| !self.policy.routes().contains_key(&prefix));
        let word = Word {
            name: self.settings.node.clone(),
            announced: announced as u64,
            withdrawn: self.policy.withdrawn(now) && !leaving,
            wants_permit: self.settings.wants_permit(),
        };
        if let Some(client) = &mut self.server {
            client.say(word);
        }
    }

    /// Prefixes that some router may send packets here for: announced, and no withdrawal written.
    fn held(&self) -> impl Iterator<Item = Prefix> {
        let all = self.settings.prefixes.iter().map(|announced| announced.prefix);
        all.filter(|prefix| self.network.may_hold(*prefix))
    }

    fn told(&mut self, now: Moment, told: Told) {
        match told {
            Told::Lease(lease) => {
                let again = self.server_lost.take().is_some();
                let node = lease.node.clone();
                self.decide(now, policy::Event::Lease(lease));
                if again {
                    tracing::info!("the server of node {node} sends leases");
                }
            }
            Told::Lost(lost) => {
                let reason = lost.to_string();
                self.decide(now, policy::Event::LeaseLost { reason: reason.clone() });
                tracing::warn!("no lease: {reason}");
                self.server_lost = Some(reason);
            }
        }
    }

    fn probed(&mut self, now: Moment, Ended { id, kind, outcome }: Ended) {
        let ok = outcome.result.is_ok();
        let detail = outcome.result.clone().err().unwrap_or_default();
        self.decide(now, policy::Event::Probed { id: id.clone(), ok, latency: outcome.took, detail });
        self.figures.probed(&id.service, kind, outcome.took);
        self.counts.count(id, outcome);
    }

    /// Tells the policy which of the services' addresses the host has. `all`: not only what changed.
    fn look_at_addresses(&mut self, now: Moment, all: bool) {
        let settings = Arc::clone(&self.settings);
        let addresses: BTreeSet<IpAddr> =
            settings.services.iter().flat_map(|service| &service.addresses).copied().collect();
        let before = std::mem::take(&mut self.present);
        for address in addresses {
            let present = match sockets::is_local(address) {
                Ok(present) => present,
                // Not being able to look says nothing about the address.
                Err(error) => {
                    tracing::warn!("whether this host has {address} can't be seen: {error}");
                    before.contains(&address)
                }
            };
            if present {
                self.present.insert(address);
            }
            if all || present != before.contains(&address) {
                self.decide(now, policy::Event::Address { address, present });
                // Reading the settings has told of those that were missing then.
                if !present && !all {
                    tracing::warn!("packets to {address} are not for this host: add it to an interface, such as lo");
                }
            }
        }
    }

    /// Connects to the server that the settings name.
    fn watch_server(&mut self) {
        let path = match &self.settings.lease {
            Endpoint::None => None,
            Endpoint::At(path) => Some(path.clone()),
            Endpoint::Default => Some(default_lease()),
        };
        let user = Some(self.settings.server_user.clone()).filter(|user| !user.is_empty());
        self.server = path.map(|path| Client::new(path, user, sockets::now));
    }

    fn answer(&mut self, now: Moment, (request, reply): Asked) {
        let response = match request {
            Request::Explain {} => Response { ok: true, message: String::new(), report: Some(self.report(now)) },
            Request::Drain {} => {
                self.decide(now, policy::Event::Drain { by: "`catchment-announcer drain`".into() });
                Response { ok: true, message: "draining; `explain` shows how far it is".into(), report: None }
            }
            Request::Undrain {} if self.leaving => {
                Response { ok: false, message: "the announcer is on its way out".into(), report: None }
            }
            Request::Undrain {} => {
                self.decide(now, policy::Event::Undrain);
                Response { ok: true, message: "taking traffic again".into(), report: None }
            }
        };
        // Whoever asked may be gone.
        let _ = reply.send(response);
    }

    fn page(&mut self, now: Moment, page: Page) -> String {
        match page {
            Page::Healthz => "alive\n".into(),
            Page::Prefixes => serde_json::to_string(&self.report(now)).expect("a report is text and numbers") + "\n",
            Page::Metrics => self.figures.text(&self.report(now)),
        }
    }

    /// Ends all sessions with a Cease, and gives its octets a moment to go.
    async fn end(mut self) {
        let now = sockets::now();
        self.network.stop_all(now, &format!("{}: catchment-announcer stops", self.settings.node));
        self.settle(now);
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, poll_fn(|cx| self.network.poll_flushed(cx))).await;
        tracing::info!("stopped");
    }
}

/// Where the server's lease socket is by default. Not in our own runtime directory, which is another than the server's.
fn default_lease() -> PathBuf {
    let system = PathBuf::from("/run/catchment/lease.sock");
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
    let session = session.map(|directory| Path::new(&directory).join("catchment/lease.sock"));
    session.filter(|path| path.exists() && !system.exists()).unwrap_or(system)
}

/// The default path may be another announcer's, or out of reach: then this one goes without.
fn serve_control(endpoint: &Endpoint<PathBuf>, requests: mpsc::Sender<Asked>) -> Result<(), String> {
    let bound = match endpoint {
        Endpoint::None => return Ok(()),
        Endpoint::At(path) => LocalSocket::bind(path, 0o600, "control").map_err(|error| error.to_string())?,
        Endpoint::Default => match LocalSocket::bind_first(&control::default_paths(), 0o600, "control") {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!("no control socket, so that nobody can ask `explain`: {error}");
                return Ok(());
            }
        },
    };
    tracing::info!("commands are taken at {}", bound.path().display());
    let acceptor = bound.listen().map_err(|error| format!("control socket: {error}"))?;
    tokio::spawn(control::serve(acceptor, Allowed::new(None), requests));
    Ok(())
}

/// The default address may be another announcer's: then this one goes without.
fn serve_admin(endpoint: &Endpoint<SocketAddr>, wanted: mpsc::Sender<Wanted>) -> Result<(), String> {
    let (address, required) = match endpoint {
        Endpoint::None => return Ok(()),
        Endpoint::Default => (settings::DEFAULT_ADMIN, false),
        Endpoint::At(address) => (*address, true),
    };
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    });
    match bound {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            tracing::info!("admin server at http://{address}/metrics, /prefixes, /healthz");
            tokio::spawn(admin::serve(listener, wanted));
            Ok(())
        }
        Err(error) => {
            let message =
                format!("the admin server can't be at {address}: {error}; set `admin` to another address or \"none\"");
            if required {
                return Err(message);
            }
            tracing::warn!("{message}");
            Ok(())
        }
    }
}
