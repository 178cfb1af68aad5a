//! Reading settings and zones again while queries go on.
//!
//! ```text
//! SIGHUP, `catchment reload` -> Reload -> Reloader: settings -> zones -> one swap of what is served -> the old set retires
//! ```
//!
//! Updates of a channel's zones ([`super::follow`]) come the same way, without the settings: one owner, one thing after another.
//!
//! All or nothing: settings or places that are at fault change nothing. A zone that is at fault keeps its last good version
//! and is told about. Requests that come while a reload runs share the next one.

use super::control::{Reload, Response};
use super::follow::Apply;
use super::{retire, syscall};
use crate::answer::cookie::Secrets;
use crate::answer::{Served, Settings};
use crate::config::Config;
use crate::counted::counted;
use crate::notify;
use crate::observe::view::View;
use crate::sync::follow::Update;
use crate::wire::name::Name;
use crate::zone::diagnostic::shown_path;
use crate::zone::library::{Change, Followed, Library, Load, Report, Summary};
use crate::zone::memory;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Zones and files that are named one by one in the log; of more only the number is told.
const NAMED_MAX: usize = 20;
/// Octets of a response with errors of zone files: what a person reads, and far less than a client takes. The log has all.
const REPORTS_LEN_MAX: usize = 64 * 1024;

/// Reads the settings again as they were read at the start: the same file, the same arguments.
pub type ReadConfig = Box<dyn Fn() -> Result<Config, String> + Send>;

/// All that a reload needs.
pub struct Reloader {
    /// Where settings come from.
    pub read_config: ReadConfig,
    /// What the process was started with: some settings stay until it is started again.
    pub started_with: Config,
    /// The cookie secret for when none is set.
    pub random: Secrets,
    /// The zones.
    pub library: Library,
    /// What is served.
    pub served: Arc<ArcSwap<Served>>,
    /// What the admin server shows.
    pub view: Arc<View>,
    /// The generation that is served of the channel that is followed, as text.
    pub generation: Option<Box<[u8]>>,
}

/// A reload that was taken.
struct Reloaded {
    summary: Summary,
    changes: Vec<String>,
    reports: Vec<Report>,
    needs_restart: Vec<&'static str>,
    replaced: Arc<Served>,
    took: Duration,
}

impl Reloader {
    /// Serves requests until all who can make any are gone.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Reload>, mut updates: mpsc::Receiver<Apply>) {
        loop {
            let first = tokio::select! {
                biased;
                Some(Apply { update, done }) = updates.recv() => {
                    self = self.follow(update).await;
                    // A follower that went away has no use for it.
                    let _ = done.send(());
                    continue;
                }
                first = requests.recv() => match first {
                    Some(first) => first,
                    None => return,
                },
            };
            let mut asked = vec![first];
            // Whoever asked before the files are read is served by this reading.
            while let Ok(another) = requests.try_recv() {
                asked.push(another);
            }
            let (reloader, response) = self.reload().await;
            self = reloader;
            for reply in asked.into_iter().filter_map(|asked| asked.reply) {
                // A client that went away knows nothing of it.
                let _ = reply.send(response.clone());
            }
        }
    }

    /// Serves what an update leaves.
    async fn follow(mut self, update: Update) -> Reloader {
        let work = tokio::task::spawn_blocking(move || {
            let replaced = behind_workers(|| self.update_and_swap(update));
            (self, replaced)
        });
        let (reloader, replaced) = work.await.expect("an update does not panic");
        tokio::spawn(retire(replaced));
        reloader
    }

    fn update_and_swap(&mut self, update: Update) -> Arc<Served> {
        let Update { release, channel, changed, removed } = update;
        let before = self.served.load_full();
        let changed = changed.into_iter().map(|(_, image)| image).collect();
        let removed: Vec<Name> = removed.iter().map(|zone| zone.name().clone()).collect();
        let Followed { zones, ids, conflicts } = self.library.follow(channel.as_str(), changed, &removed);
        for conflict in conflicts.iter().take(NAMED_MAX) {
            tracing::error!("{conflict}");
        }
        if conflicts.len() > NAMED_MAX {
            tracing::error!(
                "and {} of files that are in the channel too",
                counted(conflicts.len() - NAMED_MAX, "more zone")
            );
        }
        if let Some(plane) = self.view.plane.get() {
            plane.counters.grow_zones(ids);
        }
        self.generation = Some(release.generation.to_string().into_bytes().into());
        let settings = Settings { generation: self.generation.clone(), ..before.settings.clone() };
        self.view.served.set(&zones);
        self.served.swap(Arc::new(Served { zones, settings }))
    }

    async fn reload(mut self) -> (Reloader, Response) {
        notify::reloading();
        let work = tokio::task::spawn_blocking(move || {
            let outcome = behind_workers(|| self.read_and_swap());
            (self, outcome)
        });
        let (reloader, outcome) = work.await.expect("a reload does not panic");
        let response = match outcome {
            Ok(reloaded) => {
                reloader.view.reloads.fetch_add(1, Ordering::Relaxed);
                let response = told(&reloaded);
                tokio::spawn(async move {
                    retire(reloaded.replaced).await;
                    memory::return_freed();
                });
                response
            }
            Err(message) => {
                reloader.view.reloads_failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!("the reload failed and changed nothing: {message}");
                Response { ok: false, message: format!("nothing has changed: {message}") }
            }
        };
        // A state is a line (sd_notify(3)): what follows would be read as further states.
        notify::ready(response.message.lines().next().unwrap_or_default());
        (reloader, response)
    }

    fn read_and_swap(&mut self) -> Result<Reloaded, String> {
        let began = Instant::now();
        let mut config = (self.read_config)()?;
        let mut settings = config.settings(&self.random)?;
        settings.generation = self.generation.clone();
        // It follows a timeout of connections, which stays until the next start.
        settings.keepalive_100ms = self.served.load().settings.keepalive_100ms;
        let Load { zones, ids, reports, summary, changed, removed, .. } = self.library.load(&config.take_places())?;
        let changes =
            changed.iter().map(changed_in_words).chain(removed.iter().map(|zone| format!("zone {zone}: removed")));
        let changes = changes.collect();
        if let Some(plane) = self.view.plane.get() {
            plane.counters.grow_zones(ids);
        }
        self.view.served.set(&zones);
        self.view.node.store(Arc::new(config.node_name()));
        self.view.metrics_zones.store(config.metrics_zones, Ordering::Relaxed);
        let replaced = self.served.swap(Arc::new(Served { zones, settings }));
        let needs_restart = self.started_with.needs_restart(&config);
        Ok(Reloaded { summary, changes, reports, needs_restart, replaced, took: began.elapsed() })
    }
}

/// Works on a thread that stands back behind the workers, as do all that it starts: a large zone takes every core for a while, and who asks
/// is not to notice.
fn behind_workers<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            syscall::stand_back();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Logs a reload, and puts it in words for who asked: in a line, and what of the rest is bounded.
fn told(reloaded: &Reloaded) -> Response {
    let Reloaded { summary, changes, reports, needs_restart, took, .. } = reloaded;
    let mut message = format!("reloaded: {}, in {:.1?}", in_words(summary), took);
    tracing::info!("{message}");
    log_reports(reports);
    if summary.failed > 0 {
        let kept =
            "what is at fault is not taken: the last good version is served on, and SERVFAIL where there is none";
        tracing::warn!("{kept}");
        message.push('\n');
        message.push_str(kept);
    }
    for change in changes.iter().take(NAMED_MAX) {
        tracing::info!("{change}");
        message.push('\n');
        message.push_str(change);
    }
    if changes.len() > NAMED_MAX {
        let more = format!("and {}", counted(changes.len() - NAMED_MAX, "more change"));
        tracing::info!("{more}");
        message.push('\n');
        message.push_str(&more);
    }
    for (told, report) in reports.iter().filter(|report| report.fatal).enumerate() {
        message.push('\n');
        if message.len() + report.text.len() > REPORTS_LEN_MAX {
            let left = counted(summary.failed.saturating_sub(told), "more zone");
            message.push_str(&format!("and {left} at fault: see the log"));
            break;
        }
        message.push_str(report.text.trim_end());
    }
    if !needs_restart.is_empty() {
        let restart = format!("changed, but taken on only at the next start: {}", needs_restart.join(", "));
        tracing::warn!("{restart}");
        message.push('\n');
        message.push_str(&restart);
    }
    Response { ok: summary.failed == 0, message }
}

/// `zone example.com.: serial 1 -> 2`.
fn changed_in_words(change: &Change) -> String {
    let Change { zone, before, now } = change;
    match before {
        None => format!("zone {zone}: new, serial {now}"),
        Some(before) if before == now => format!("zone {zone}: changed, but the serial is {now} as before"),
        Some(before) => format!("zone {zone}: serial {before} -> {now}"),
    }
}

/// `3 zones, 58 records; 1 changed, 0 removed, 1 failed`.
fn in_words(summary: &Summary) -> String {
    let Summary { zones, records, changed, removed, failed } = summary;
    let (zones, records) = (counted(*zones, "zone"), counted(*records, "record"));
    format!("{zones}, {records}; {changed} changed, {removed} removed, {failed} failed")
}

/// Logs what is wrong with zone files: all of it, a line of log a file.
pub fn log_reports(reports: &[Report]) {
    for report in reports {
        let text = report.text.trim_end();
        match report.fatal {
            true => tracing::error!("{} can't be served:\n{text}", shown_path(&report.path)),
            false => tracing::warn!("{} is served, but look at this:\n{text}", shown_path(&report.path)),
        }
    }
}

/// Logs what is served after the start.
pub fn log_load(load: &Load, took: Duration) {
    log_reports(&load.reports);
    for skipped in load.skipped.iter().take(NAMED_MAX) {
        tracing::info!("skipped {}: it {}", shown_path(&skipped.path), skipped.reason);
    }
    if load.skipped.len() > NAMED_MAX {
        tracing::info!("skipped {}", counted(load.skipped.len() - NAMED_MAX, "more file"));
    }
    for zone in load.zones.iter().take(NAMED_MAX) {
        match zone.image() {
            Some(image) => {
                let (name, serial, records) = (image.apex(), image.serial(), counted(image.record_count(), "record"));
                tracing::info!("zone {name}: serial {serial}, {records}");
            }
            None => tracing::error!("zone {}: SERVFAIL until its file is mended", zone.name()),
        }
    }
    if load.zones.len() > NAMED_MAX {
        tracing::info!("and {}", counted(load.zones.len() - NAMED_MAX, "more zone"));
    }
    let Summary { zones, records, failed, .. } = load.summary;
    let bad = if failed == 0 { String::new() } else { format!(", {failed} of them bad") };
    let (zones, records) = (counted(zones, "zone"), counted(records, "record"));
    tracing::info!("loaded {zones}{bad}, {records}, in {took:.1?}");
}
