//! Removing blobs that no kept release uses.

use super::tip::Anchor;
use super::transfer::{each, persist};
use super::{Error, Progress, Publisher};
use crate::counted::counted;
use crate::sync::codec::Digest;
use crate::sync::page::Place;
use crate::sync::store::{Blob, Store, Version};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Blobs younger than this stay: a publisher may be about to use them.
pub const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);
/// Releases of each channel that are kept, if nothing else is asked for.
pub const KEEP: usize = 100;
/// Blobs removed before the channels are looked at again.
const BATCH: usize = 256;
/// So often a collection starts again because somebody published.
const ROUNDS_MAX: usize = 8;

/// What was found and done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Channels.
    pub channels: usize,
    /// Their releases that are kept.
    pub releases: usize,
    /// Blobs in the store, before.
    pub blobs: usize,
    /// Their octets.
    pub octets: u64,
    /// Blobs that nothing uses, and that are too young to go.
    pub young: usize,
    /// Blobs that were removed, or would be.
    pub removed: usize,
    /// Their octets.
    pub removed_octets: u64,
}

/// Removes blobs that neither any of the newest `keep` releases of any channel uses nor one on trial, and that are older than [`YOUNG`]. With `dry_run`
/// it only counts them. Errors leave all that is used where it is.
pub async fn collect(
    store: &Store,
    progress: Arc<dyn Progress>,
    keep: usize,
    dry_run: bool,
) -> Result<Collected, Error> {
    let mut gone: HashSet<Digest> = HashSet::new();
    let mut collected = Collected::default();
    for _ in 0..ROUNDS_MAX {
        // Before what is used: what is put and published in between is then either young or used.
        let all = persist(|| store.blobs.list()).await.map_err(Error::store("listing blobs"))?;
        let survey = survey(store, &progress, keep).await?;
        if let Some(lost) = gone.iter().find(|name| survey.used.contains(*name)) {
            return Err(Error::Release(format!(
                "blob {lost} was removed in the moment in which a publisher made use of it; publish again, which mends it"
            )));
        }
        let (young, old): (Vec<Blob>, Vec<Blob>) =
            all.iter().filter(|blob| !survey.used.contains(&blob.name)).partition(|blob| blob.age < YOUNG);
        if gone.is_empty() {
            collected.blobs = all.len();
            collected.octets = all.iter().map(|blob| blob.len).sum();
        }
        collected.channels = survey.states.len();
        collected.releases = survey.releases;
        collected.young = young.len();
        if dry_run {
            collected.removed = old.len();
            collected.removed_octets = old.iter().map(|blob| blob.len).sum();
            return Ok(collected);
        }
        let mut moved = false;
        for batch in old.chunks(BATCH) {
            moved = survey.states != states(store).await?;
            if moved {
                break;
            }
            remove(store, batch).await?;
            gone.extend(batch.iter().map(|blob| blob.name));
            collected.removed = gone.len();
            collected.removed_octets += batch.iter().map(|blob| blob.len).sum::<u64>();
        }
        if !moved && survey.states == states(store).await? {
            return Ok(collected);
        }
        progress.note("somebody published meanwhile: looking again");
    }
    Err(Error::Release(format!(
        "somebody publishes all the time: removed {} so far; run it again later",
        counted(collected.removed, "blob")
    )))
}

/// What the kept releases use.
struct Survey {
    used: HashSet<Digest>,
    releases: usize,
    states: States,
}

/// Which states the channels were in.
type States = BTreeMap<crate::sync::channel::Channel, Option<Version>>;

async fn states(store: &Store) -> Result<States, Error> {
    let mut states = States::new();
    for channel in persist(|| store.channels.channels()).await.map_err(Error::store("listing channels"))? {
        let state =
            persist(|| store.channels.state(&channel)).await.map_err(Error::store("reading a channel's state"))?;
        states.insert(channel, state.map(|state| state.version));
    }
    Ok(states)
}

async fn survey(store: &Store, progress: &Arc<dyn Progress>, keep: usize) -> Result<Survey, Error> {
    let mut survey = Survey { used: HashSet::new(), releases: 0, states: states(store).await? };
    // Then no blob has a use: all would be removed from a store that lost its channels.
    if survey.states.is_empty() {
        return Err(Error::NoChannels);
    }
    let channels: Vec<_> = survey.states.keys().cloned().collect();
    for channel in channels {
        let publisher =
            Publisher { store: store.clone(), channel, anchor: Anchor::Store, progress: Arc::clone(progress) };
        let tip = match publisher.tip().await {
            // A channel that never had a state.
            Err(Error::NoChannel(_)) => continue,
            tip => tip?,
        };
        let history = publisher.history(&tip, keep.max(1)).await?;
        let mut kept = Vec::new();
        if let Some(on) = tip.on_trial() {
            // What one goes back to has the head's content.
            survey.used.insert(on.back.digest());
            kept.push((&on.manifest, "take the channel back, with catchment rollback".to_owned()));
        }
        kept.extend(history.entries.iter().enumerate().map(|(index, entry)| match index {
            0 => (&entry.manifest, "publish again, which mends it".into()),
            whole => (&entry.manifest, format!("keep fewer, with --keep {whole}, or restore the store")),
        }));
        for (manifest, remedy) in kept {
            survey.used.insert(manifest.digest());
            let known = |page: &Digest| survey.used.contains(page);
            let mut content = publisher.read_content(&manifest.claims().root, known).await?;
            // An image that is used by now came with its segments.
            publisher.read_roots(&mut content, |image| survey.used.contains(image).then(Vec::new)).await?;
            let unread = content
                .zones
                .values()
                .find(|leaf| leaf.place == Place::Own && !content.segments.contains_key(&leaf.image));
            let lost = match (content.faults.first(), unread) {
                (Some(fault), _) => Some(format!("page {}", fault.page.digest)),
                (None, unread) => unread.map(|leaf| format!("image {}", leaf.image)),
            };
            if let Some(lost) = lost {
                return Err(Error::Release(format!(
                    "nothing is removed: what release {} of channel {} uses is not known, {lost} of it is lost; {remedy}",
                    manifest.claims().generation,
                    publisher.channel,
                )));
            }
            survey.used.extend(content.image_blobs());
            survey.used.extend(content.pages);
        }
        survey.releases += history.entries.len();
    }
    Ok(survey)
}

async fn remove(store: &Store, batch: &[Blob]) -> Result<(), Error> {
    let remove = |name: Digest| {
        let blobs = Arc::clone(&store.blobs);
        async move { persist(|| blobs.delete(&name)).await }
    };
    // A closure over borrowed blobs would make this future one that no task may run.
    let names: Vec<Digest> = batch.iter().map(|blob| blob.name).collect();
    each(names, remove, |done| done.map_err(Error::store("removing a blob"))).await
}
