//! The lease: tells the sidecars beside this server, every 250 ms, that it can answer (see [`crate::lease`]).
//!
//! ```text
//! beats, counters, zones, drain -> Writer -> newest line -> a task for each sidecar -> its connection
//!                                                              |
//!                         words of the sidecar -> Sidecars <---+
//! ```
//!
//! Nothing ever waits for a sidecar: its task sends a line if there is room for all of it, and leaves it out if there is none.
//! That the lease is sent says that the runtime works, on which TCP is served; the stamp in it says so for the UDP workers.

use super::Running;
use super::throttle::Throttle;
use crate::lease::{INTERVAL, Lease, Words};
use crate::local::{Allowed, LocalSocket};
use crate::observe::sidecars::Sidecars;
use crate::observe::view::View;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{MissedTickBehavior, interval};

/// Sidecars at once.
const SIDECARS_MAX: usize = 8;
/// Connections at once of whom it is not yet known whether they may: strangers must not keep sidecars out.
const JUDGED_MAX: usize = 64;
/// Octets of one read: words are short.
const READ_LEN: usize = 4096;
/// Queries per second are counted over this time.
const RATE_TIME: Duration = Duration::from_secs(1);
/// Mode of the socket's file. The sidecar's user may exist only while the sidecar runs, so that the file can't be its own:
/// everybody may connect, and who may not read is sent away by what the kernel says of it.
pub const SOCKET_MODE: u32 = 0o666;
/// Pause between warnings about who was sent away.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

/// Sends leases to every sidecar that is `allowed`, until the task is dropped.
pub async fn serve(
    socket: LocalSocket,
    allowed: Allowed,
    running: Arc<Running>,
    view: Arc<View>,
    mut news: watch::Receiver<()>,
) -> io::Result<()> {
    let mut acceptor = socket.listen()?;
    let slots = Arc::new(Semaphore::new(SIDECARS_MAX));
    let judged = Arc::new(Semaphore::new(JUDGED_MAX));
    let refusals = Arc::new(Throttle::new(REFUSAL_PAUSE));
    let mut writer = Writer { running, view: Arc::clone(&view), seq: 0, rate: Rate::default() };
    let newest = watch::Sender::new(writer.line());
    let mut ticks = interval(INTERVAL);
    // After a pause of the process only the present counts.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let stream = tokio::select! {
            _ = ticks.tick() => {
                newest.send_replace(writer.line());
                continue;
            }
            changed = news.changed() => match changed {
                // What changed is told before the next turn.
                Ok(()) => {
                    newest.send_replace(writer.line());
                    continue;
                }
                Err(_) => return Ok(()),
            },
            stream = acceptor.accept() => stream,
        };
        let Ok(judging) = Arc::clone(&judged).try_acquire_owned() else {
            if let Some(count) = refusals.pass() {
                tracing::warn!(count, "a connection for leases was closed: {JUDGED_MAX} others came just before");
            }
            continue;
        };
        let (allowed, refusals, view) = (allowed.clone(), Arc::clone(&refusals), Arc::clone(&view));
        let (slots, newest) = (Arc::clone(&slots), newest.subscribe());
        tokio::spawn(async move {
            let Ok(peer) = stream.peer_cred() else { return };
            if !allowed.admits(peer.uid()).await {
                if let Some(count) = refusals.pass() {
                    let uid = peer.uid();
                    tracing::warn!(
                        uid,
                        count,
                        "a sidecar was sent away: its user is not root, our own, or `lease-user`"
                    );
                }
                return;
            }
            drop(judging);
            let Ok(_slot) = slots.try_acquire() else {
                if let Some(count) = refusals.pass() {
                    tracing::warn!(count, "a sidecar was sent away: there are {SIDECARS_MAX}");
                }
                return;
            };
            let end = converse(&stream, newest, &view.sidecars, peer.pid()).await;
            tracing::info!(pid = peer.pid(), "a sidecar is gone: {end}");
        });
    }
}

/// Sends what is newest and hears what the sidecar says, until one side ends it. Gives the cause.
async fn converse(
    stream: &UnixStream,
    mut newest: watch::Receiver<Arc<[u8]>>,
    sidecars: &Sidecars,
    pid: Option<i32>,
) -> String {
    let sidecar = sidecars.join();
    tracing::info!(pid, "a sidecar is connected");
    let mut words = Words::default();
    let mut buffer = [0; READ_LEN];
    let mut full = false;
    // Not known before it was asked for.
    if let Err(error) = stream.writable().await {
        return error.to_string();
    }
    newest.mark_changed();
    loop {
        tokio::select! {
            changed = newest.changed() => {
                if changed.is_err() {
                    return "the server is ending".into();
                }
                let line = Arc::clone(&newest.borrow_and_update());
                match stream.try_write(&line) {
                    Ok(len) if len == line.len() => full = false,
                    // Its reader sleeps. What it will find is old; when there is room again, the newest comes.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        if !full {
                            tracing::warn!(pid, "a sidecar does not read its leases");
                        }
                        full = true;
                    }
                    // Half a line can't be taken back.
                    Ok(_) => return "there was room for half a lease only".into(),
                    Err(error) => return error.to_string(),
                }
            }
            ready = stream.readable() => {
                match ready.and_then(|()| stream.try_read(&mut buffer)) {
                    Ok(0) => return "it closed the connection".into(),
                    Ok(len) => {
                        if let Some(word) = words.push(&buffer[..len]) {
                            sidecar.says(word);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return error.to_string(),
                }
            }
        }
    }
}

/// Makes leases of what the server is doing.
struct Writer {
    running: Arc<Running>,
    view: Arc<View>,
    seq: u64,
    rate: Rate,
}

impl Writer {
    fn line(&mut self) -> Arc<[u8]> {
        let beat = self.running.oldest_beat();
        let totals = self.running.counters().totals();
        let served = self.view.served.counts();
        let following = self.view.sync.get();
        let permit_until = following.and_then(|sync| Some(sync.permit.as_ref()?.until())).unwrap_or_default();
        let sync = following.map(|sync| &sync.status);
        let generation = sync.and_then(|status| status.generation());
        let stale = sync.is_some_and(|status| status.stale());
        // Last: what took its time before this must not make the lease look younger.
        let sent = super::boot_time();
        self.seq += 1;
        let lease = Lease {
            seq: self.seq,
            sent,
            beat,
            node: self.view.node.load().to_string(),
            generation: generation.map_or(0, |generation| generation.counter),
            zones: served.zones,
            failed: served.failed,
            queries: totals.foreign,
            qps: self.rate.of(sent, totals.foreign),
            drops: totals.kernel_drops,
            stale,
            standby: following.is_some_and(|sync| sync.standby),
            stopping: self.view.stopping.load(Relaxed),
            draining: self.view.draining.load(Relaxed),
            permit_until,
        };
        lease.line().into()
    }
}

/// Queries per second over about the last [`RATE_TIME`], from totals now and then.
#[derive(Debug, Default)]
struct Rate {
    /// When, and how many by then; the oldest first. Covers [`RATE_TIME`] and at most one step more.
    seen: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// The rate at `now`, when `total` have come.
    fn of(&mut self, now: Duration, total: u64) -> u64 {
        // Leases that tell of a change may come close together: one for each quarter of a second is enough to count by.
        let step = self.seen.back().map_or(INTERVAL, |(at, _)| now.saturating_sub(*at));
        while self.seen.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= RATE_TIME) {
            self.seen.pop_front();
        }
        let rate = match self.seen.front() {
            Some((at, before)) if *at < now => {
                let count = total.saturating_sub(*before) as f64;
                (count / (now - *at).as_secs_f64()).round() as u64
            }
            _ => 0,
        };
        if step >= INTERVAL / 2 {
            self.seen.push_back((now, total));
        }
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_second() {
        let ms = Duration::from_millis;
        let mut rate = Rate::default();
        // 100 a step of 250 ms, for 3 s; then none.
        let rising: Vec<u64> = (0..12).map(|i| rate.of(ms(i * 250), i * 100)).collect();
        assert_eq!(rising[..3], [0, 400, 400]);
        assert!(rising[1..].iter().all(|rate| *rate == 400), "{rising:?}");
        let falling: Vec<u64> = (12..18).map(|i| rate.of(ms(i * 250), 1100)).collect();
        assert_eq!(falling, [300, 200, 100, 0, 0, 0]);
        assert!(rate.seen.len() <= 5, "{:?}", rate.seen);
    }

    #[test]
    fn leases_in_quick_succession_count_by_no_less_than_others() {
        let mut rate = Rate::default();
        for i in 0..10_000u64 {
            let seen = rate.of(Duration::from_millis(i), i * 2);
            assert!(i < 200 || (1999..=2001).contains(&seen), "{seen} after {i} ms");
            assert!(rate.seen.len() <= 12, "{}", rate.seen.len());
        }
    }

    #[test]
    fn after_a_pause_the_rate_is_that_of_the_pause() {
        let mut rate = Rate::default();
        rate.of(Duration::ZERO, 0);
        assert_eq!(rate.of(Duration::from_secs(10), 1000), 100);
        assert_eq!(rate.of(Duration::from_secs(10), 1000), 100);
        assert_eq!(rate.of(Duration::from_secs(11), 1000), 0);
    }
}
