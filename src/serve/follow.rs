//! Following a channel beside answering queries.
//!
//! ```text
//! follower (a thread of its own) -> Update -> Reloader: zones of files and of the channel -> one swap of what is served
//! ```
//!
//! The follower's thread hashes and opens what it has fetched: nothing that serves TCP or a command waits for that. Updates and reloads
//! go through one owner, the [`super::reload::Reloader`], one after the other: neither loses what the other did.

use crate::config::SyncSettings;
use crate::observe::questions::{GATHERED_EVERY, Questions};
use crate::observe::view::View;
use crate::sync::disk::Directory;
use crate::sync::follow::{Follower, Health, Node, Parts, Settings, Update};
use crate::sync::report::{ADDRESSES_MAX, Answers};
use crate::sync::store::address::Address;
use crate::wire::code::rcode;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// Queries per second are counted over this time at least.
const RATE_TIME: Duration = Duration::from_secs(1);
/// What was answered lately is counted over so much, if the server has run for so long.
const LATELY: Duration = Duration::from_secs(600);
/// So often it is written down for that.
const LATELY_STEP: Duration = Duration::from_secs(20);

/// An update for the one who swaps what is served.
pub struct Apply {
    /// The update.
    pub update: Update,
    /// Told when it is served.
    pub done: oneshot::Sender<()>,
}

/// A server, as its follower sees it.
struct Server {
    updates: mpsc::Sender<Apply>,
    view: Arc<View>,
    /// When queries were counted, how many they were, and the rate then.
    counted: Mutex<(Instant, u64, u64)>,
    /// What had been answered when, the oldest first: one more than [`LATELY`] has steps.
    lately: Mutex<VecDeque<(Instant, Answers)>>,
}

/// A follower that was started.
pub struct Started {
    /// Told when what the disk has is served.
    pub served: oneshot::Receiver<()>,
    /// Tell it to follow.
    pub go: oneshot::Sender<()>,
}

/// Starts the follower's thread. Its updates go to `updates`.
pub fn start(settings: &SyncSettings, view: &Arc<View>, updates: mpsc::Sender<Apply>) -> Result<Started, String> {
    let Some(following) = view.sync.get() else { return Err("nothing shows what the follower does".into()) };
    let (served, is_served) = oneshot::channel();
    let (go, told) = oneshot::channel();
    let parts = Parts {
        stores: Vec::new(),
        disk: Arc::new(Directory::new(&settings.cache)),
        node: Arc::new(Server {
            updates,
            view: Arc::clone(view),
            counted: Mutex::new((Instant::now(), 0, 0)),
            lately: Mutex::default(),
        }),
        clock: Arc::new(now_secs),
        // When nodes ask must differ between them.
        seed: RandomState::new().hash_one(0),
        status: Arc::clone(&following.status),
    };
    let follower = Settings {
        policy: settings.policy.clone(),
        node: view.node.load().to_string(),
        report_interval: settings.report_interval,
        stale_after: settings.stale_after,
        wave: settings.wave,
        delay: settings.delay,
    };
    let (addresses, shown) = (settings.follow.clone(), Arc::clone(view));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime for the follower: {error}"))?;
    // What is wrong with an address, or with the credentials for it, is known before anything is answered.
    let stores = {
        let _in_runtime = runtime.enter();
        let open = |address: &Address| address.open().map_err(|error| format!("store {address}: {error}"));
        addresses.iter().map(open).collect::<Result<Vec<_>, _>>()
    };
    let stores = match stores {
        Ok(stores) => stores,
        Err(error) => {
            // It may not be waited for here.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    let parts = Parts { stores, ..parts };
    let follow = async move {
        let follower = Follower::start(follower, parts).await;
        // Nobody waits any more: the server is ending.
        let _ = served.send(());
        if told.await.is_ok() {
            tokio::join!(follower.run(), gather(&shown));
        }
    };
    let thread = std::thread::Builder::new().name("sync".into()).spawn(move || runtime.block_on(follow));
    thread.map_err(|error| format!("no thread for the follower: {error}"))?;
    Ok(Started { served: is_served, go })
}

/// Gathers what workers notice of questions, if they do.
async fn gather(view: &View) {
    let Some(questions) = view.plane.get().and_then(|plane| plane.questions.as_ref()) else { return };
    loop {
        tokio::time::sleep(GATHERED_EVERY).await;
        questions.gather(Instant::now());
    }
}

/// Seconds since 1970.
pub fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[async_trait]
impl Node for Server {
    async fn apply(&self, update: Update) {
        let (done, is_done) = oneshot::channel();
        if self.updates.send(Apply { update, done }).await.is_ok() && is_done.await.is_ok() {
            return;
        }
        // The server is ending: nothing may be taken for served that is not.
        std::future::pending().await
    }

    fn health(&self) -> Health {
        let counts = self.view.served.counts();
        let sidecars = self.view.sidecars.count();
        let announcing = self.view.sidecars.announcing().len();
        let announce = match (sidecars, announcing) {
            (0, _) => None,
            (_, 0) => Some("withdrawn".to_owned()),
            _ => Some("announced".to_owned()),
        };
        Health {
            ready: self.view.not_ready().is_empty(),
            announce,
            zones: counts.zones,
            failed: counts.failed,
            qps: self.qps(),
            signatures_end: counts.signatures_end,
            answers: self.answers(),
            lately: self.lately(),
            addresses: self.addresses(),
            traffic: self.questions().map(|questions| questions.traffic(&self.view.served.zones())),
        }
    }
}

impl Server {
    fn answers(&self) -> Option<Answers> {
        let counters = &self.view.plane.get()?.counters;
        Some(Answers {
            queries: counters.totals().foreign,
            servfail: counters.answers(rcode::SERVFAIL),
            nxdomain: counters.answers(rcode::NXDOMAIN),
            refused: counters.answers(rcode::REFUSED),
        })
    }

    fn lately(&self) -> Option<Answers> {
        let (answers, now) = (self.answers()?, Instant::now());
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.back().is_none_or(|(then, _)| now - *then >= LATELY_STEP) {
            lately.push_back((now, answers));
        }
        while lately.get(1).is_some_and(|(then, _)| now - *then >= LATELY) {
            lately.pop_front();
        }
        answers.since(&lately.front()?.1)
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        let all = self.view.plane.get().into_iter().flat_map(|plane| &plane.addresses);
        all.filter(|address| !address.ip().is_unspecified()).take(ADDRESSES_MAX).copied().collect()
    }

    fn questions(&self) -> Option<&Questions> {
        self.view.plane.get()?.questions.as_deref()
    }

    fn qps(&self) -> u64 {
        let Some(plane) = self.view.plane.get() else { return 0 };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before, rate) = *counted;
        let (now, passed) = (Instant::now(), since.elapsed());
        if passed < RATE_TIME {
            return rate;
        }
        let total = plane.counters.totals().foreign;
        let rate = (total.saturating_sub(before) as f64 / passed.as_secs_f64()).round() as u64;
        *counted = (now, total, rate);
        rate
    }
}
