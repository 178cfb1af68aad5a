//! Which store is followed, and what it says.
//!
//! The first store that works. One that fails, that has not the channel, or whose state is refused, waits its turn out while the next one is followed; when
//! its time is over it is asked again, beside the one that is followed then.

use super::{PAUSE_MAX, Shared};
use crate::sync::store::{StoreError, Version, Versioned};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch as latest;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a store that failed may take to say what it has.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// About so long at most a store that has not the channel is not asked for it.
const BEGINNING_PAUSE: Duration = Duration::from_secs(4);

/// A channel's state, and which store it was seen in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) store: usize,
    pub(super) state: Versioned,
}

/// The newest sighting.
pub(super) type Newest = Option<Arc<Sighting>>;

/// How a store stands.
struct Standing {
    /// Its state, as far as it was seen.
    known: Option<Version>,
    /// It, or its state, was of no use so many times in a row.
    failures: u32,
    /// Until then others go before it.
    until: Instant,
}

/// Puts every new state into `seen`. What others have refused comes back through `refusals`.
pub(super) async fn watch(shared: &Shared, seen: latest::Sender<Newest>, mut refusals: latest::Receiver<Newest>) {
    let channel = &shared.settings.policy.channel;
    let fresh = || Standing { known: None, failures: 0, until: Instant::now() };
    let mut standings: Vec<Standing> = shared.stores.iter().map(|_| fresh()).collect();
    loop {
        let now = Instant::now();
        let Some(current) = standings.iter().position(|standing| standing.until <= now) else {
            match standings.iter().map(|standing| standing.until).min() {
                Some(until) => sleep_until(until).await,
                // Settings name one store at least.
                None => std::future::pending().await,
            }
            continue;
        };
        shared.preferred.store(current, Ordering::Relaxed);
        shared.status.set(|figures| figures.store = Some(shared.stores[current].name.clone()));
        // Of the better ones the first whose time is over.
        let better = (0..current).min_by_key(|store| standings[*store].until);
        let probe = async {
            let Some(better) = better else { return std::future::pending().await };
            sleep_until(standings[better].until).await;
            let state = timeout(PROBE_TIMEOUT, shared.stores[better].channels.state(channel)).await;
            (better, state.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into()))))
        };
        let changed = shared.stores[current].channels.changed(channel, standings[current].known.as_ref());
        let (store, state) = tokio::select! {
            biased;
            told = refusals.changed() => {
                if told.is_err() {
                    return;
                }
                let refused = refusals.borrow_and_update().clone();
                // With nobody else to ask there is nothing better than to wait for another state.
                if let Some(refused) = refused.filter(|_| standings.len() > 1) {
                    let until = Instant::now() + shared.jittered(PAUSE_MAX);
                    standings[refused.store].until = until;
                }
                continue;
            }
            state = changed => (current, state),
            (store, state) = probe => (store, state),
        };
        match state {
            Ok(Some(state)) => {
                let standing = &mut standings[store];
                let is_new = standing.known.as_ref() != Some(&state.version);
                standing.known = Some(state.version.clone());
                (standing.failures, standing.until) = (0, Instant::now());
                if is_new {
                    seen.send_replace(Some(Arc::new(Sighting { store, state })));
                }
            }
            Ok(None) => {
                let what = format!(
                    "it has no channel {channel}: are the store and the channel those that are meant, or was it emptied?"
                );
                shared.store_failed(store, &what);
                standings[store].lacks_channel(shared);
            }
            Err(error) => {
                shared.store_failed(store, &format!("its channel {channel}: {error}"));
                standings[store].fails(shared);
            }
        }
    }
}

impl Standing {
    fn fails(&mut self, shared: &Shared) {
        self.failures = self.failures.saturating_add(1);
        self.until = Instant::now() + shared.pause(self.failures);
    }

    /// It works, and the channel may begin there at any time.
    fn lacks_channel(&mut self, shared: &Shared) {
        self.known = None;
        self.failures = self.failures.saturating_add(1);
        self.until = Instant::now() + shared.pause(self.failures).min(shared.jittered(BEGINNING_PAUSE));
    }
}

impl Shared {
    /// Counts and logs that a store did not do what was asked.
    pub(super) fn store_failed(&self, store: usize, what: &str) {
        let name = &self.stores[store].name;
        let mut count = 0;
        self.status.set(|figures| {
            let errors = figures.store_errors.entry(name.clone()).or_default();
            *errors += 1;
            count = *errors;
        });
        // A store that is away for a day fails often: powers of two are told, and all are counted.
        if count.is_power_of_two() {
            tracing::warn!(count, "store {name}: {what}");
        }
    }
}
