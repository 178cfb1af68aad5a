//! `catchment serve`: the story of starting a server, and of ending it.
//!
//! ```text
//! settings -> logs -> bind all sockets -> give up root -> load zones -> answer -> signals: reload, drain and stop
//! ```

use super::progress::Loading;
use super::{complain, done, fail, suggest};
use crate::answer::Served;
use crate::answer::cookie::Secrets;
use crate::config::{
    self, Config, DEFAULT_ADMIN, DEFAULT_LISTEN, DEFAULT_PATH, Endpoint, LogFormat, TcpSettings, ZoneEntry,
};
use crate::counted::counted;
use crate::local::{self, Allowed, LocalSocket};
use crate::notify;
use crate::observe::view::{BEAT_AGE_MAX, Following, Plane, View};
use crate::observe::{admin, logs};
use crate::serve::control::{self, Commands, Reload};
use crate::serve::drain::Drain;
use crate::serve::privileges::{self, Identity};
use crate::serve::reload::{Reloader, log_load};
use crate::serve::socket::{self, Bound, Listen, SocketOptions};
use crate::serve::{self, Running, descriptors, expiry, follow, lease, permit};
use crate::signals::{Signals, Told};
use crate::sync::permit::Permit;
use crate::zone::diagnostic::shown_path;
use crate::zone::library::{Library, Load, Summary, apex_of};
use crate::zone::memory;
use crate::zone::set::Zones;
use arc_swap::ArcSwap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Workers get so long to come up, on however busy a machine.
const WORKERS_TIMEOUT: Duration = Duration::from_secs(10);
/// What is under way gets so long to end after SIGTERM; the process must be gone after 5 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
/// Then the rest gets this.
const RUNTIME_TIMEOUT: Duration = Duration::from_millis(500);
/// Mode of the control socket's file: the kernel says who asks, but who may not need not knock.
const CONTROL_MODE: u32 = 0o600;
/// Requests to reload that wait; more signals than that say nothing new.
const REQUESTS_MAX: usize = 16;

/// Arguments of `catchment serve`. Each goes before the key of the settings file.
#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// A directory of zone files, or one zone file (example.com.zone) [instead of `zones` in the settings]
    zones: Option<PathBuf>,
    /// Settings file [default: /etc/catchment/catchment.toml if ZONES is not given, else none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to answer at, over UDP and TCP; can be repeated [default: 127.0.0.1:5300 and [::1]:5300]
    #[arg(long, value_name = "ADDR", value_parser = config::address_argument)]
    listen: Vec<SocketAddr>,
    /// UDP worker threads [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// This node's name, told by NSID and id.server [default: the host's name]
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Don't start if any zone is bad; without it, a bad zone is answered SERVFAIL and the others are served
    #[arg(long)]
    strict: bool,
    /// Check the settings and all zones, say what is wrong, and exit
    #[arg(long)]
    check_config: bool,
    /// Log every query
    #[arg(long)]
    query_log: bool,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Loopback address of the admin server, or `none` [default: 127.0.0.1:9153]
    #[arg(long, value_name = "ADDR", value_parser = config::admin_argument)]
    admin: Option<Endpoint<SocketAddr>>,
    /// Unix socket for commands, or `none` [default: control.sock in the first runtime directory that can be written]
    #[arg(long, value_name = "SOCKET", value_parser = config::socket_argument)]
    control: Option<Endpoint<PathBuf>>,
    /// Unix socket for sidecars, or `none` [default: lease.sock beside the control socket]
    #[arg(long, value_name = "SOCKET", value_parser = config::socket_argument)]
    lease: Option<Endpoint<PathBuf>>,
}

/// Serves until a signal ends it.
pub fn run(arguments: Arguments) -> ExitCode {
    memory::keep_little();
    let config = match arguments.read_config() {
        Ok(config) => config,
        Err(message) => return fail(&message),
    };
    if arguments.check_config {
        return check(config);
    }
    if let Err(error) = privileges::gain_no_more() {
        return fail(&format!("error: {error}"));
    }
    let _logs = logs::start(config.log_format, config.log_level, config.query_log);
    match serve(arguments, config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    /// The settings file, if there is one, with what the arguments say instead.
    fn read_config(&self) -> Result<Config, String> {
        let mut config = match (&self.config, &self.zones) {
            (Some(path), _) => config::load(path).map_err(|error| error.to_string())?,
            (None, Some(_)) => Config::default(),
            (None, None) if !Path::new(DEFAULT_PATH).exists() => {
                let remedy =
                    "name a directory of zone files, `catchment serve zones`, or a settings file with --config";
                return Err(format!("error: nothing to serve: there is no {DEFAULT_PATH}; {remedy}"));
            }
            (None, None) => config::load(Path::new(DEFAULT_PATH)).map_err(|error| error.to_string())?,
        };
        if let Some(path) = &self.zones {
            match path.metadata() {
                Ok(metadata) if metadata.is_dir() => config.zones = Some(path.clone()),
                Ok(_) => config.zone.push(ZoneEntry { name: apex_of(path)?, file: path.clone() }),
                Err(error) => {
                    return Err(format!("error: {}: {error}; give a directory of zone files", path.display()));
                }
            }
        }
        if config.zones.is_none() && config.zone.is_empty() && config.sync.is_none() {
            let remedy = "set `zones` to a directory of zone files, add a [[zone]], or follow a channel with [sync]";
            return Err(format!("error: nothing to serve: {remedy}"));
        }
        if !self.listen.is_empty() {
            config.listen = Some(self.listen.clone());
        }
        config.workers = self.workers.map(usize::from).or(config.workers);
        config.node = self.node.clone().or(config.node);
        config.strict |= self.strict;
        config.query_log |= self.query_log;
        config.log_format = self.log_format.unwrap_or(config.log_format);
        config.admin = self.admin.clone().unwrap_or(config.admin);
        config.control = self.control.clone().unwrap_or(config.control);
        config.lease = self.lease.clone().unwrap_or(config.lease);
        Ok(config)
    }
}

/// `--check-config`: everything but binding and serving.
fn check(mut config: Config) -> ExitCode {
    let mut errors = Vec::new();
    errors.extend(socket::check(&listen(&config)).err().map(|error| format!("error: {error}")));
    errors.extend(identity(&config).err().map(|error| format!("error: {error}")));
    let secrets = Secrets::random().map_err(|error| format!("no random numbers: {error}"));
    errors.extend(secrets.and_then(|random| config.settings(&random)).err().map(|error| format!("error: {error}")));
    let mut summary = String::new();
    let loading = Loading::show();
    let mut library = Library::new();
    library.watch(loading.watch());
    let load = library.load(&config.take_places());
    drop(loading);
    match load {
        Ok(load) => {
            errors.extend(load.reports.iter().filter(|report| report.has_errors).map(|report| report.text.clone()));
            for skipped in &load.skipped {
                complain(&format!("note: no zone: {}: it {}", shown_path(&skipped.path), skipped.reason));
            }
            for warning in load.reports.iter().filter(|report| !report.has_errors) {
                complain(&warning.text);
            }
            let Summary { zones, records, .. } = load.summary;
            summary = format!("{}, {}", counted(zones, "zone"), counted(records, "record"));
        }
        Err(message) => errors.push(format!("error: {message}")),
    }
    match errors.len() {
        0 => done(&format!("all is well: {summary}")),
        _ => fail(&errors.join("\n")),
    }
}

/// Binds everything while the process may, gives up root, and hands over to [`live`].
fn serve(arguments: Arguments, config: Config) -> Result<(), String> {
    let identity = identity(&config)?;
    let workers = config.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()));
    let listen = listen(&config);
    let connections = descriptors::make_room(listen.len() * (workers + 1), config.tcp.connections);
    let options = SocketOptions { tcp_mss: config.tcp.mss, ..SocketOptions::default() };
    let bound = socket::bind(&listen, workers, &options).map_err(|error| error.to_string())?;
    for address in &bound.skipped {
        tracing::warn!("this host has no address {}: not listening on {address}", address.ip());
    }
    let admin = bind_admin(&config.admin)?;
    let control = bind_local(&config.control, "control.sock", CONTROL_MODE, "control")?;
    let lease = bind_local(&config.lease, "lease.sock", lease::SOCKET_MODE, "lease")?;
    if let Some(identity) = identity {
        identity.check().map_err(|error| error.to_string())?;
        for socket in [&control, &lease].into_iter().flatten() {
            let given = socket.give_to(identity.uid.as_raw(), identity.gid.as_raw());
            given.map_err(|error| format!("{}: {error}", socket.path().display()))?;
        }
        identity.assume().map_err(|error| error.to_string())?;
    }

    // TCP, the admin server and commands run on the runtime's threads; UDP has threads of its own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads: {error}"))?;
    let sockets = Sockets { admin, control, lease };
    let result = runtime.block_on(live(arguments, config, connections, bound, sockets));
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    result
}

/// What is bound beside the service itself, as far as it is wanted and could be had.
struct Sockets {
    admin: Option<TcpListener>,
    control: Option<LocalSocket>,
    lease: Option<LocalSocket>,
}

/// Loads, answers, obeys signals, stops.
async fn live(
    arguments: Arguments,
    mut config: Config,
    connections: usize,
    bound: Bound,
    sockets: Sockets,
) -> Result<(), String> {
    // From the first moment on: a signal while zones are loaded must not be lost, nor end the process its own way.
    let mut signals = Signals::new().map_err(|error| format!("no signals: {error}"))?;
    let view = Arc::new(View::new(config.node_name(), config.metrics_zones));
    if let Some(sync) = &config.sync {
        let permit = sync.withdraw_stale.map(|_| Arc::new(Permit::new(Arc::new(serve::boot_time))));
        let following = Following {
            status: Arc::default(),
            standby: !sync.delay.is_zero(),
            permit,
            head_age_alarm: sync.head_age_alarm,
        };
        assert!(view.sync.set(following).is_ok(), "a server follows one channel");
    }
    if let Some(admin) = sockets.admin {
        let listener = tokio::net::TcpListener::from_std(admin).map_err(|error| format!("admin server: {error}"))?;
        tokio::spawn(admin::serve(listener, Arc::clone(&view)));
    }

    let random = Secrets::random().map_err(|error| format!("no random numbers for the cookie secret: {error}"))?;
    let settings = config.settings(&random)?;
    let loading = tokio::task::spawn_blocking({
        let places = config.take_places();
        move || {
            let loading = Loading::show();
            let mut library = Library::new();
            library.watch(loading.watch());
            let load = library.load(&places)?;
            library.watch(None);
            Ok::<_, String>((library, load))
        }
    });
    let began = Instant::now();
    let (library, load) = tokio::select! {
        loaded = loading => loaded.map_err(|error| format!("loading zones: {error}"))??,
        () = signals.stop() => return Ok(()),
    };
    let zones = accept(load, began.elapsed(), config.strict)?;
    view.served.set(&zones);

    let served = Arc::new(ArcSwap::from_pointee(Served { zones, settings }));
    let (reloads, asked) = mpsc::channel(REQUESTS_MAX);
    let (updates, to_apply) = mpsc::channel(1);
    let reloader = Reloader {
        read_config: Box::new(move || arguments.read_config()),
        started_with: config.clone(),
        random,
        library,
        served: Arc::clone(&served),
        view: Arc::clone(&view),
        generation: None,
    };
    tokio::spawn(reloader.run(asked, to_apply));
    let following = match &config.sync {
        None => None,
        Some(sync) => {
            let follow::Started { served, go } = follow::start(sync, &view, updates)?;
            permit::start(sync, &view)?;
            tokio::select! {
                // What the cache has is served from the first answer on.
                _ = served => {}
                () = signals.stop() => return Ok(()),
            }
            Some(go)
        }
    };

    let addresses = bound.addresses();
    let running = start(&config, connections, bound, &served)?;
    wait_for_workers(&running).await?;
    show(&view, &running, &addresses);
    // Nobody who asks waits for it.
    tokio::task::spawn_blocking(memory::return_freed);
    if let Some(go) = following {
        // Its thread waits for this as long as it runs.
        let _ = go.send(());
    }

    let drain = Arc::new(Drain::new(Arc::clone(&view), Arc::clone(&running), config.drain_timeout));
    if let Some(socket) = sockets.control {
        tracing::info!("commands are taken at {}", socket.path().display());
        let commands = Commands { reloads: reloads.clone(), drain: Arc::clone(&drain) };
        tokio::spawn(async move {
            if let Err(error) = control::serve(socket, commands).await {
                tracing::error!("no commands are taken: {error}");
            }
        });
    }
    if let Some(socket) = sockets.lease {
        tracing::info!("sidecars are told at {}", socket.path().display());
        let allowed = Allowed::new(Some(config.lease_user.clone()));
        let (running, view, news) = (Arc::clone(&running), Arc::clone(&view), drain.news());
        tokio::spawn(async move {
            // Without a release a node can't answer for the channel's zones: no sidecar may announce it.
            if let Some(sync) = view.sync.get() {
                sync.status.serves().await;
            }
            if let Err(error) = lease::serve(socket, allowed, running, view, news).await {
                tracing::error!("no sidecar is told anything: {error}");
            }
        });
    }
    greet(&served.load(), &addresses);

    notify::ready("answering");
    tokio::spawn(keep_watchdog(Arc::clone(&running)));
    tokio::spawn(expiry::watch(Arc::clone(&view)));
    obey(&mut signals, &reloads).await;
    stop(&mut signals, &running, &view, &drain).await;
    Ok(())
}

/// The zones of a load, of which the log has the rest; `Err`: they must not be served.
fn accept(load: Load, took: Duration, strict: bool) -> Result<Zones, String> {
    log_load(&load, took);
    match load.summary.failed {
        failed @ 1.. if strict => {
            Err(format!("not starting: {} at fault, and `strict` is set", counted(failed, "zone")))
        }
        _ => Ok(load.zones),
    }
}

/// Starts the data plane. From here on queries are answered.
fn start(
    config: &Config,
    connections: usize,
    bound: Bound,
    served: &Arc<ArcSwap<Served>>,
) -> Result<Arc<Running>, String> {
    let options = serve::Options {
        runtime: tokio::runtime::Handle::current(),
        query_log: config.query_log,
        // Nobody but who publishes wants to know.
        questions: config.sync.as_ref().is_some_and(|sync| sync.questions),
        tcp: TcpSettings { connections, ..config.tcp.clone() },
    };
    let running = serve::start(bound, Arc::clone(served), options);
    running.map(Arc::new).map_err(|error| format!("the workers could not be started: {error}"))
}

/// Until every worker has come round once: only then is the server ready.
async fn wait_for_workers(running: &Running) -> Result<(), String> {
    let deadline = Instant::now() + WORKERS_TIMEOUT;
    while running.beats().iter().any(|age| *age >= BEAT_AGE_MAX) {
        if Instant::now() > deadline {
            return Err(format!("a worker did not come up within {WORKERS_TIMEOUT:?}"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Lets the admin server see the data plane.
fn show(view: &View, running: &Arc<Running>, addresses: &[SocketAddr]) {
    let counters = Arc::clone(running.counters());
    let (questions, running) = (running.questions(), Arc::clone(running));
    let plane = Plane { counters, questions, beats: Box::new(move || running.beats()), addresses: addresses.to_vec() };
    assert!(view.plane.set(plane).is_ok(), "a server has one data plane");
}

/// Tells where the server answers, and how to try it.
fn greet(served: &Served, addresses: &[SocketAddr]) {
    let all: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    tracing::info!("ready: answering on {}", all.join(", "));
    match addresses.first().and_then(|address| suggest::dig_line(served, *address)) {
        Some(line) => tracing::info!("try: {line}"),
        None => tracing::warn!("no zone is served: every query is refused or fails"),
    }
}

/// Until a signal says stop. SIGHUP asks for a reload.
async fn obey(signals: &mut Signals, reloads: &mpsc::Sender<Reload>) {
    while let Told::Reload = signals.next().await {
        // A full queue means that reloads are asked for already.
        let _ = reloads.try_send(Reload { reply: None });
    }
}

/// The service manager hears that workers are alive while they are, during a drain too.
async fn keep_watchdog(running: Arc<Running>) {
    let Some(interval) = notify::watchdog_interval() else { return };
    let mut ticks = tokio::time::interval(interval);
    loop {
        ticks.tick().await;
        if running.beats().iter().all(|age| *age < BEAT_AGE_MAX) {
            notify::alive();
        }
    }
}

/// Lets traffic go where sidecars move it, and what is under way end, each in bounded time; a second signal ends the wait.
async fn stop(signals: &mut Signals, running: &Running, view: &View, drain: &Drain) {
    notify::stopping();
    notify::stop_takes(drain.timeout() + STOP_TIMEOUT + 2 * RUNTIME_TIMEOUT);
    view.stopping.store(true, Ordering::Relaxed);
    tracing::info!("stopping");
    let stopped = async {
        drain.before_stop().await;
        running.stop(STOP_TIMEOUT).await
    };
    tokio::select! {
        left = stopped => {
            if left != serve::Unfinished::default() {
                let (workers, connections) = (counted(left.workers, "worker"), counted(left.connections, "TCP connection"));
                tracing::warn!("not ended in time: {workers}, {connections}");
            }
        }
        () = signals.stop() => tracing::warn!("a second signal: not waiting for what is under way"),
    }
    tracing::info!("stopped");
}

fn identity(config: &Config) -> Result<Option<Identity>, String> {
    let Some(user) = &config.user else { return Ok(None) };
    Identity::find(user, config.group.as_deref()).map(Some).map_err(|error| error.to_string())
}

fn listen(config: &Config) -> Vec<Listen> {
    match &config.listen {
        Some(addresses) => addresses.iter().map(|address| Listen { address: *address, required: true }).collect(),
        None => DEFAULT_LISTEN.into_iter().map(|address| Listen { address, required: false }).collect(),
    }
}

/// The default address may be another server's: then this one goes without.
fn bind_admin(endpoint: &Endpoint<SocketAddr>) -> Result<Option<TcpListener>, String> {
    let (address, required) = match endpoint {
        Endpoint::None => return Ok(None),
        Endpoint::Default => (DEFAULT_ADMIN, false),
        Endpoint::At(address) => (*address, true),
    };
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    match bound {
        Ok(listener) => {
            let address = listener.local_addr().unwrap_or(address);
            tracing::info!("admin server at http://{address}/metrics, /zones, /readyz, /healthz");
            Ok(Some(listener))
        }
        Err(error) => {
            let message =
                format!("the admin server can't be at {address}: {error}; set `admin` to another address or \"none\"");
            if required {
                return Err(message);
            }
            tracing::warn!("{message}");
            Ok(None)
        }
    }
}

/// The default path may be another server's, or out of reach: then this one goes without.
fn bind_local(
    endpoint: &Endpoint<PathBuf>,
    file: &str,
    mode: u32,
    setting: &'static str,
) -> Result<Option<LocalSocket>, String> {
    match endpoint {
        Endpoint::None => Ok(None),
        Endpoint::At(path) => LocalSocket::bind(path, mode, setting).map(Some).map_err(|error| error.to_string()),
        Endpoint::Default => match LocalSocket::bind_first(&local::default_paths("catchment", file), mode, setting) {
            Ok(socket) => Ok(Some(socket)),
            Err(error) => {
                tracing::warn!("going without a {setting} socket: {error}");
                Ok(None)
            }
        },
    }
}
