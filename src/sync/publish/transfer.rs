//! Many requests at once, bounded, and tried again when that may help.

use super::octets::Octets;
use super::{Error, Publisher, Step};
use crate::sync::codec::Digest;
use crate::sync::store::{Result, StoreError};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Requests at once.
pub const PARALLEL: usize = 16;
/// Tries of a request.
const TRIES_MAX: u32 = 4;
/// Before the second try; twice as long before each other.
const PAUSE: Duration = Duration::from_millis(200);
/// More names than that are looked for in a list of all.
const NAMES_MAX: usize = 1000;

/// Asks again while the store can't be reached.
pub async fn persist<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    let mut pause = PAUSE;
    for _ in 1..TRIES_MAX {
        match ask().await {
            Err(error) if error.is_passing() => tokio::time::sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}

/// Runs `job` for each item, [`PARALLEL`] at once, and gives each result to `each`. Ends at the first error. Items come in an order of
/// their own, not a hash table's: what a store is asked for would not be the same twice, and a simulated run could not be repeated.
pub async fn each<T, O, F, E>(
    items: impl IntoIterator<Item = T>,
    job: impl Fn(T) -> F,
    mut each: impl FnMut(O) -> std::result::Result<(), E>,
) -> std::result::Result<(), E>
where
    F: Future<Output = O> + Send + 'static,
    O: Send + 'static,
{
    let mut items = items.into_iter();
    let mut jobs = JoinSet::new();
    loop {
        while jobs.len() < PARALLEL
            && let Some(item) = items.next()
        {
            jobs.spawn(job(item));
        }
        match jobs.join_next().await {
            Some(done) => each(done.expect("jobs neither panic nor are cancelled"))?,
            None => return Ok(()),
        }
    }
}

impl Publisher {
    /// Puts blobs. Gives those that were there already, and are young from now on.
    pub(super) async fn put_all(&self, blobs: &[(Digest, Octets)]) -> std::result::Result<HashSet<Digest>, Error> {
        let names: Vec<Digest> = blobs.iter().map(|(name, _)| *name).collect();
        let revived = self.present(&names).await?;
        let (mut done, all) = (0, blobs.len() as u64);
        let put = |(name, octets): &(Digest, Octets)| {
            // Those that are under way are copied, no others.
            let (store, name, octets) = (Arc::clone(&self.store.blobs), *name, octets.clone());
            async move { (name, persist(|| store.put(&name, octets.to_vec())).await) }
        };
        each(blobs, put, |(name, answer): (Digest, Result<()>)| {
            answer.map_err(Error::store(format!("putting blob {name}")))?;
            done += 1;
            self.progress.at(Step::Uploading, done, Some(all));
            Ok::<(), Error>(())
        })
        .await?;
        Ok(revived)
    }

    /// Which of these the store has: asked for one by one if they are few, else looked for in a list.
    pub(super) async fn present(&self, names: &[Digest]) -> std::result::Result<HashSet<Digest>, Error> {
        let blobs = &self.store.blobs;
        let what = || Error::store("looking for blobs");
        if names.len() > NAMES_MAX {
            let wanted: HashSet<Digest> = names.iter().copied().collect();
            let all = persist(|| blobs.list()).await.map_err(what())?;
            return Ok(all.into_iter().map(|blob| blob.name).filter(|name| wanted.contains(name)).collect());
        }
        let there = persist(|| blobs.has(names)).await.map_err(what())?;
        if there.len() != names.len() {
            let error = StoreError::Malformed { what: "the answer".into(), why: "it is not about all blobs".into() };
            return Err(what()(error));
        }
        Ok(names.iter().zip(there).filter(|(_, there)| *there).map(|(name, _)| *name).collect())
    }
}
