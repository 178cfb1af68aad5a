//! A permit to withdraw for staleness, asked for beside answering queries: see [`crate::sync::permit`].
//!
//! ```text
//! stale, and a sidecar that would withdraw -> Keeper (a task) -> etcd
//!                                                `-> Permit -> the lease -> the sidecar
//! ```
//!
//! With connections of its own: the follower's thread is busy while it checks a release.

use crate::config::SyncSettings;
use crate::observe::view::View;
use crate::random::Random;
use crate::sync::permit::Keeper;
use crate::sync::store::address::Address;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Starts the task, if the settings ask for one. To be called in the runtime.
pub fn start(settings: &SyncSettings, view: &Arc<View>) -> Result<(), String> {
    let Some(terms) = settings.withdraw_stale else { return Ok(()) };
    let Some(permit) = view.sync.get().and_then(|sync| sync.permit.clone()) else { return Ok(()) };
    let slots = terms.slots();
    if slots == 0 {
        let (fleet, share) = (terms.fleet, terms.share_percent);
        tracing::warn!("{share} % of {fleet} nodes is less than one: `withdraw-stale` never gives a permit");
        return Ok(());
    }
    let Some(address) = settings.follow.iter().find(|address| matches!(address, Address::Etcd(_))) else {
        return Ok(());
    };
    let store = address.open().map_err(|error| format!("store {address}: {error}"))?;
    let Some(permits) = store.permits else { return Ok(()) };
    let seed = RandomState::new().hash_one(0);
    let wants = Arc::clone(view);
    let keeper = Keeper {
        permits,
        channel: settings.policy.channel.clone(),
        // Of two nodes with one name each has its own; and a process that was started again is another.
        holder: format!("{} {seed:016x}", view.node.load()),
        slots,
        wanted: Box::new(move || {
            wants.sidecars.want_permit() && wants.sync.get().is_some_and(|sync| sync.status.stale())
        }),
        permit,
        jitter: Random::new(seed),
    };
    tracing::info!("{slots} of {} nodes may withdraw because they are stale", terms.fleet);
    tokio::spawn(keeper.run());
    Ok(())
}
