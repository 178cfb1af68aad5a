//! What the admin server shows: one place that the parts of the server fill in as they come up.

use super::counters::Registry;
use super::sidecars::Sidecars;
use crate::sync::follow::Status;
use crate::zone::library::{State, Statuses};
use crate::zone::set::Zones;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// A worker that has not come round for so long hangs.
pub const BEAT_AGE_MAX: Duration = Duration::from_secs(1);

/// A server as seen from outside.
pub struct View {
    /// This node's name.
    pub node: ArcSwap<String>,
    /// When the process started.
    pub started: SystemTime,
    /// How every zone stands.
    pub statuses: Arc<Statuses>,
    /// How many zones, the busiest, have query counts of their own.
    pub metrics_zones: AtomicUsize,
    /// Reloads that were taken.
    pub reloads: AtomicU64,
    /// Reloads that failed and changed nothing.
    pub reloads_failed: AtomicU64,
    /// The data plane; unset until it answers.
    pub plane: OnceLock<Plane>,
    /// Whether the server is on its way out.
    pub stopping: AtomicBool,
    /// Whether an operator asked for traffic to be moved away.
    pub draining: AtomicBool,
    /// The sidecars that are told of all this.
    pub sidecars: Sidecars,
    /// How many zones are answered from.
    pub served: ServedZones,
    /// The channel that is followed; unset if there is none.
    pub sync: OnceLock<Following>,
}

/// Following a channel, as seen from outside.
pub struct Following {
    /// What the follower does.
    pub status: Arc<Status>,
    /// The head's age from which on there is an alarm.
    pub head_age_alarm: Duration,
}

/// How many zones are answered from; set at each swap.
#[derive(Debug, Default)]
pub struct ServedZones(Mutex<ZoneCounts>);

/// Zones by whether they can be answered from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ZoneCounts {
    /// Those that can, by an older version too.
    pub zones: u64,
    /// Those that can't.
    pub failed: u64,
    /// When the first signature of any of them ends, in seconds since 1970.
    pub signatures_end: Option<u32>,
}

impl ServedZones {
    /// What is served now.
    pub fn set(&self, zones: &Zones) {
        let failed = zones.iter().filter(|zone| zone.image.is_none()).count() as u64;
        let signatures_end = zones.iter().filter_map(|zone| zone.image.as_ref()?.signatures_end()).min();
        let zones = zones.len() as u64 - failed;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ZoneCounts { zones, failed, signatures_end };
    }

    /// What was set last.
    pub fn counts(&self) -> ZoneCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The data plane as seen from outside.
pub struct Plane {
    /// Counters.
    pub counters: Arc<Registry>,
    /// How long ago each worker came round.
    pub beats: Box<dyn Fn() -> Vec<Duration> + Send + Sync>,
    /// Addresses that queries are answered at.
    pub addresses: Vec<SocketAddr>,
}

impl View {
    /// A server that does not answer yet.
    pub fn new(node: String, statuses: Arc<Statuses>, metrics_zones: usize) -> View {
        View {
            node: ArcSwap::from_pointee(node),
            started: SystemTime::now(),
            statuses,
            metrics_zones: metrics_zones.into(),
            reloads: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            plane: OnceLock::new(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            sidecars: Sidecars::default(),
            served: ServedZones::default(),
            sync: OnceLock::new(),
        }
    }

    /// Why the server should not be sent queries; nothing when it should.
    ///
    /// One bad zone is no reason: the others would go with it. That all are bad is one, and that there are none.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.load(Ordering::Relaxed) {
            reasons.push("the server is stopping".into());
        }
        if self.draining.load(Ordering::Relaxed) {
            reasons.push("the server is drained: `catchment undrain` ends that".into());
        }
        let Some(plane) = self.plane.get() else {
            reasons.push("the server is starting: its zones are being loaded".into());
            return reasons;
        };
        for (worker, age) in (plane.beats)().into_iter().enumerate().filter(|(_, age)| *age >= BEAT_AGE_MAX) {
            reasons.push(format!("worker {worker} has not come round for {} ms", age.as_millis()));
        }
        // Zones of files may be served: but who asks here asks for the channel's too.
        if let Some(figures) = self.sync.get().map(|sync| sync.status.figures()).filter(|f| f.serving.is_none()) {
            let why = figures.problem.unwrap_or_else(|| "none has come yet".into());
            reasons.push(format!("no release of channel {} is served: {why}", figures.channel));
        }
        let served = self.statuses.iter().filter(|status| status.state != State::Failed).count();
        if self.statuses.is_empty() {
            reasons.push("there are no zones".into());
        } else if served == 0 {
            reasons.push(match self.statuses.len() {
                1 => "the only zone could not be loaded; see /zones".into(),
                zones => format!("none of the {zones} zones could be loaded; see /zones"),
            });
        }
        reasons
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::wire::name::Name;
    use crate::zone::library::{Origin, Status, Version};
    use std::path::Path;
    use std::time::Instant;

    /// A view of two zones, the first served, and of one worker that came round `beat` ago.
    pub(in crate::observe) fn sample(beat: Duration) -> View {
        let view = View::new("ams1".into(), Arc::default(), 100);
        let status = |name: &str, state, version| Status {
            name: Name::from_text(name).unwrap(),
            origin: Origin::File(Path::new(&format!("/zones/{name}.zone")).into()),
            state,
            error: (state != State::Serving).then(|| "line 3 is \"bad\"".into()),
            version,
        };
        let (digest, since) = ([0xab; 32], Instant::now());
        let version = Version { serial: 20260101, records: 7, digest, signatures_end: Some(1_900_000_000), since };
        view.statuses.insert(0, status("example.com", State::Serving, Some(version)));
        view.statuses.insert(1, status("bad.example", State::Failed, None));
        let counters = Arc::new(Registry::new(1));
        counters.grow_zones(2);
        let addresses = vec!["127.0.0.1:5300".parse().unwrap()];
        let _ = view.plane.set(Plane { counters, beats: Box::new(move || vec![beat]), addresses });
        view
    }

    #[test]
    fn ready_needs_beats_and_a_zone() {
        assert_eq!(sample(Duration::ZERO).not_ready(), Vec::<String>::new(), "one bad zone is no reason");

        let reasons = sample(Duration::from_millis(1500)).not_ready();
        assert_eq!(reasons, ["worker 0 has not come round for 1500 ms"]);

        let view = sample(Duration::ZERO);
        view.statuses.remove(&0);
        assert_eq!(view.not_ready(), ["the only zone could not be loaded; see /zones"]);
        view.statuses.clear();
        assert_eq!(view.not_ready(), ["there are no zones"]);

        let view = sample(Duration::ZERO);
        view.draining.store(true, Ordering::Relaxed);
        assert_eq!(view.not_ready(), ["the server is drained: `catchment undrain` ends that"]);
        view.draining.store(false, Ordering::Relaxed);
        assert_eq!(view.not_ready(), Vec::<String>::new());

        let view = View::new("n".into(), Arc::default(), 1);
        view.stopping.store(true, Ordering::Relaxed);
        assert_eq!(view.not_ready()[0], "the server is stopping");
        assert!(view.not_ready()[1].contains("starting"));
    }
}
