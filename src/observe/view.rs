//! What the admin server shows: one place that the parts of the server fill in as they come up.

use super::counters::Registry;
use super::questions::Questions;
use super::sidecars::Sidecars;
use crate::sync::follow::Status;
use crate::sync::permit::Permit;
use crate::zone::set::Zones;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// A worker that has not come round for so long hangs.
pub const BEAT_AGE_MAX: Duration = Duration::from_secs(1);

/// A server as seen from outside.
pub struct View {
    /// This node's name.
    pub node: ArcSwap<String>,
    /// When the process started.
    pub started: SystemTime,
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
    /// The zones that are served, and how each stands.
    pub served: ServedZones,
    /// The channel that is followed; unset if there is none.
    pub sync: OnceLock<Following>,
}

/// Following a channel, as seen from outside.
pub struct Following {
    /// What the follower does.
    pub status: Arc<Status>,
    /// Whether it runs behind on purpose.
    pub standby: bool,
    /// The permit to withdraw for staleness; `None`: none is asked for.
    pub permit: Option<Arc<Permit>>,
    /// The head's age from which on there is an alarm.
    pub head_age_alarm: Duration,
}

/// The zones that are served, and how many are answered from; set at each swap.
#[derive(Default)]
pub struct ServedZones(Mutex<(Zones, ZoneCounts)>);

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
        let failed = zones.iter().filter(|zone| zone.image().is_none()).count() as u64;
        let signatures_end = zones.iter().filter_map(|zone| zone.image()?.signatures_end()).min();
        let counts = ZoneCounts { zones: zones.len() as u64 - failed, failed, signatures_end };
        let before = std::mem::replace(&mut *self.lock(), (zones.clone(), counts));
        // Outside the lock: it may be the last that has them.
        drop(before);
    }

    /// What was set last.
    pub fn zones(&self) -> Zones {
        self.lock().0.clone()
    }

    /// The same, in numbers.
    pub fn counts(&self) -> ZoneCounts {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Zones, ZoneCounts)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The data plane as seen from outside.
pub struct Plane {
    /// Counters.
    pub counters: Arc<Registry>,
    /// What is asked most, if that is noticed.
    pub questions: Option<Arc<Questions>>,
    /// How long ago each worker came round.
    pub beats: Box<dyn Fn() -> Vec<Duration> + Send + Sync>,
    /// Addresses that queries are answered at.
    pub addresses: Vec<SocketAddr>,
}

impl View {
    /// A server that does not answer yet.
    pub fn new(node: String, metrics_zones: usize) -> View {
        View {
            node: ArcSwap::from_pointee(node),
            started: SystemTime::now(),
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
        let ZoneCounts { zones, failed, .. } = self.served.counts();
        match (zones, failed) {
            (0, 0) => reasons.push("there are no zones".into()),
            (0, 1) => reasons.push("the only zone could not be loaded; see /zones".into()),
            (0, _) => reasons.push(format!("none of the {failed} zones could be loaded; see /zones")),
            _ => {}
        }
        reasons
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::zone::compile::compile;
    use crate::zone::parse::{self, parse_text};
    use crate::zone::set::{Content, Origin, Zone};
    use std::path::Path;

    /// Seven records, one of them a signature.
    const ZONE: &str = "$TTL 1h
@ SOA ns hostmaster 20260101 1h 15m 1w 5m
@ RRSIG SOA 13 2 3600 20300317174640 20200101000000 1 example.com. AAAA
@ NS ns
ns A 192.0.2.1
ns AAAA 2001:db8::1
www A 192.0.2.2
www AAAA 2001:db8::2
";

    fn good() -> Zone {
        let apex = "example.com".parse().unwrap();
        let parsed = parse_text("zone", ZONE, &apex, &parse::Options::default());
        let (image, findings) = compile(&apex, &parsed.records);
        let image = image.unwrap_or_else(|| panic!("{:?} {findings:?}", parsed.diagnostics));
        Zone { origin: file("/zones/example.com.zone"), ..Zone::new(0, image.into()) }
    }

    fn bad() -> Zone {
        let zone = Zone::new(1, Content::Missing("bad.example".parse().unwrap()));
        Zone { origin: file("/zones/bad.example.zone"), error: Some("line 3 is \"bad\"".into()), ..zone }
    }

    fn file(path: &str) -> Origin {
        Origin::File(Path::new(path).into())
    }

    /// A view of two zones, the first served, and of one worker that came round `beat` ago.
    pub(in crate::observe) fn sample(beat: Duration) -> View {
        let view = View::new("ams1".into(), 100);
        view.served.set(&Zones::new([good(), bad()]));
        let counters = Arc::new(Registry::new(1));
        counters.grow_zones(2);
        let addresses = vec!["127.0.0.1:5300".parse().unwrap()];
        let _ = view.plane.set(Plane { counters, questions: None, beats: Box::new(move || vec![beat]), addresses });
        view
    }

    #[test]
    fn ready_needs_beats_and_a_zone() {
        assert_eq!(sample(Duration::ZERO).not_ready(), Vec::<String>::new(), "one bad zone is no reason");

        let reasons = sample(Duration::from_millis(1500)).not_ready();
        assert_eq!(reasons, ["worker 0 has not come round for 1500 ms"]);

        let view = sample(Duration::ZERO);
        view.served.set(&Zones::new([bad()]));
        assert_eq!(view.not_ready(), ["the only zone could not be loaded; see /zones"]);
        view.served.set(&Zones::default());
        assert_eq!(view.not_ready(), ["there are no zones"]);

        let view = sample(Duration::ZERO);
        view.draining.store(true, Ordering::Relaxed);
        assert_eq!(view.not_ready(), ["the server is drained: `catchment undrain` ends that"]);
        view.draining.store(false, Ordering::Relaxed);
        assert_eq!(view.not_ready(), Vec::<String>::new());

        let view = View::new("n".into(), 1);
        view.stopping.store(true, Ordering::Relaxed);
        assert_eq!(view.not_ready()[0], "the server is stopping");
        assert!(view.not_ready()[1].contains("starting"));
    }
}
