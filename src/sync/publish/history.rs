//! The releases of a channel, newest first, and going back to one of them.

use super::assemble::Release;
use super::content::Content;
use super::gc::YOUNG;
use super::images::Images;
use super::tip::{Held, Tip};
use super::transfer::{each, persist};
use super::{Error, Outcome, Published, Publisher, REBASES_MAX, sign};
use crate::counted::counted;
use crate::sync::channel::Generation;
use crate::sync::codec::Digest;
use crate::sync::head::State;
use crate::sync::key::{KeyId, KeyPair};
use crate::sync::key_set::Use;
use crate::sync::manifest::Manifest;
use crate::sync::page::IMAGE_MAX;
use crate::sync::signed::{DOCUMENT_LEN_MAX, Signed};
use std::collections::{BTreeSet, HashMap, HashSet, hash_map};
use std::sync::Arc;

/// A release that was the head once, or is.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its manifest.
    pub manifest: Signed<Manifest>,
    /// Who is said to have signed it.
    pub by: Option<KeyId>,
    /// Why that is not to be believed, where it is not.
    pub doubt: Option<String>,
    /// An older release of the list with the same content.
    pub same_as: Option<Generation>,
}

/// Releases, newest first.
#[derive(Debug, Default)]
pub struct History {
    /// The head first.
    pub entries: Vec<Entry>,
    /// The manifest at which it ends although it was not the first: removed long since, or lost.
    pub ends_before: Option<Digest>,
}

impl Entry {
    /// Its generation.
    pub fn generation(&self) -> Generation {
        self.manifest.claims().generation
    }
}

impl Publisher {
    /// At most `limit` releases, from the head on.
    pub async fn history(&self, tip: &Tip, limit: usize) -> Result<History, Error> {
        let mut history = History::default();
        let mut key_sets = HashMap::new();
        let mut next = tip.state.head.as_ref().map(|head| head.manifest.clone());
        while let Some(manifest) = next.take() {
            let version = manifest.claims().generation.key_set;
            let key_set = match key_sets.entry(version) {
                hash_map::Entry::Occupied(known) => known.into_mut(),
                hash_map::Entry::Vacant(unknown) => {
                    let ours = Some(tip.state.key_set.clone()).filter(|set| set.claims().version == version);
                    unknown.insert(if ours.is_some() { ours } else { self.key_set(version).await? })
                }
            };
            let by = manifest.signers().next();
            let key = by.and_then(|id| key_set.as_ref()?.claims().key(id));
            let doubt = match (key, &*key_set) {
                (_, None) => Some(format!("its key set {version} is not in the store")),
                (None, _) => Some(format!("its key is none of key set {version}")),
                (Some(key), _) if key.signs != Use::Releases => Some("its key may not sign releases".into()),
                (Some(key), _) if !manifest.is_signed_by(&key.key) => Some("its signature is none".into()),
                (Some(_), _) => None,
            };
            let (parent, generation) = (manifest.claims().parent, manifest.claims().generation);
            history.entries.push(Entry { manifest, by, doubt, same_as: None });
            let Some(parent) = parent else { break };
            if history.entries.len() >= limit {
                break;
            }
            match self.manifest(&parent).await? {
                Some(older) if older.claims().generation < generation => next = Some(older),
                _ => history.ends_before = Some(parent),
            }
        }
        for index in 0..history.entries.len() {
            let root = history.entries[index].manifest.claims().root;
            let older = history.entries[index + 1..].iter().find(|older| older.manifest.claims().root == root);
            history.entries[index].same_as = older.map(Entry::generation);
        }
        Ok(history)
    }

    /// A manifest of this channel by its digest; `None`: it is not there, or is not it.
    pub(super) async fn manifest(&self, name: &Digest) -> Result<Option<Signed<Manifest>>, Error> {
        let blobs = &self.store.blobs;
        let bytes = persist(|| blobs.get(name, DOCUMENT_LEN_MAX as u64)).await;
        let bytes = bytes.map_err(Error::store(format!("reading manifest {name}")))?;
        let manifest = bytes.and_then(|bytes| Signed::<Manifest>::decode(&bytes).ok());
        Ok(manifest.filter(|manifest| manifest.digest() == *name && manifest.claims().channel == self.channel))
    }

    /// Makes a new release with the content of an older one. A release on trial is on trial no longer.
    pub async fn roll_back(&self, key: &KeyPair, to: Generation, now_secs: u64) -> Result<Outcome, Error> {
        for rebased in 0..=REBASES_MAX {
            let tip = self.tip().await?;
            tip.may_sign(key, &[Use::Releases], "releases")?;
            let history = self.history(&tip, usize::MAX).await?;
            let Some(target) = history.entries.iter().find(|entry| entry.generation() == to) else {
                let oldest = history.entries.last().map_or("none".into(), |entry| entry.generation().to_string());
                return Err(Error::Release(format!(
                    "channel {} has no release {to} that is kept, the oldest is {oldest}: see catchment releases",
                    self.channel
                )));
            };
            if let Some(doubt) = &target.doubt {
                return Err(Error::Release(format!("release {to} is not to be trusted: {doubt}")));
            }
            let root = target.manifest.claims().root;
            let head = self.content(&tip, &Images::default()).await?;
            if let (Some(held), Some(now)) = (tip.held(), &tip.state.head)
                && now.manifest.claims().root == root
                && head.is_whole()
            {
                if let Some(on) = &now.trial {
                    let back = self.take_back(key, Some(on.manifest.held()), now_secs).await;
                    match back {
                        Err(Error::NoTrial { .. }) => continue,
                        back => return back.map(Outcome::Published),
                    }
                }
                let zones = root.totals.zones;
                if self.refresh_tip(key, tip, now_secs).await? {
                    return Ok(Outcome::Unchanged { generation: held.generation, manifest: held.manifest, zones });
                }
                continue;
            }
            let content = self.whole(to, &root).await?;
            let kept: BTreeSet<Digest> = content.pages.iter().copied().chain(content.image_blobs()).collect();
            // What the head does not use, a collector may be about to remove.
            let used: BTreeSet<Digest> = head.pages.iter().copied().chain(head.image_blobs()).collect();
            self.renew(kept.difference(&used).copied().collect()).await?;
            let (before, version) = (tip.generation(), tip.version.clone());
            let signed = sign(&tip, key, root, now_secs)?;
            let Held { generation, manifest } = signed.manifest.held();
            let octets = signed.manifest.bytes().len() as u64;
            let counts = counts(&head, &content);
            let state = State { key_set: tip.state.key_set.clone(), head: Some(signed) };
            if self.release(state, Release { root, blobs: Vec::new(), kept }, version, None).await? {
                return Ok(Outcome::Published(Published {
                    generation,
                    manifest,
                    before,
                    zones: root.totals.zones,
                    added: counts.added,
                    changed: counts.changed,
                    removed: counts.removed,
                    blobs: 1,
                    octets,
                    rebased,
                }));
            }
        }
        Err(self.too_often().await)
    }

    /// A release's content, all of which is there.
    pub(super) async fn whole(&self, generation: Generation, root: &crate::sync::tree::Root) -> Result<Content, Error> {
        let mut content = self.read_content(root, |_| false).await?;
        self.read_roots(&mut content, |_| None).await?;
        let blobs: Vec<Digest> = content.image_blobs().into_iter().collect();
        let there = self.present(&blobs).await?;
        let lost = blobs.len() - there.len() + content.damaged.len();
        if content.faults.is_empty() && lost == 0 {
            return Ok(content);
        }
        Err(Error::Release(format!(
            "release {generation} is no longer whole: it has lost {} and {} of images; publish its zones again from where they were written",
            counted(content.faults.len(), "page"),
            counted(lost, "blob")
        )))
    }

    /// Makes blobs count as young, but for those that still do for long enough.
    async fn renew(&self, names: Vec<Digest>) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let all = persist(|| self.store.blobs.list()).await.map_err(Error::store("listing blobs"))?;
        let young: HashSet<Digest> = all.iter().filter(|blob| blob.age < YOUNG / 2).map(|blob| blob.name).collect();
        let names: Vec<Digest> = names.into_iter().filter(|name| !young.contains(name)).collect();
        let renew = |name: Digest| {
            let blobs = Arc::clone(&self.store.blobs);
            async move {
                let bytes = persist(|| blobs.get(&name, IMAGE_MAX)).await?;
                match bytes {
                    Some(bytes) => persist(|| blobs.put(&name, bytes.clone())).await,
                    // It is missed when all are looked for.
                    None => Ok(()),
                }
            }
        };
        each(names, renew, |done| done.map_err(Error::store("renewing blobs of the older release"))).await
    }
}

pub(super) fn counts(head: &Content, target: &Content) -> super::Counts {
    let added = target.zones.keys().filter(|name| !head.zones.contains_key(*name)).count() as u64;
    let removed = head.zones.keys().filter(|name| !target.zones.contains_key(*name)).count() as u64;
    let differs = |(name, leaf): &(&_, &crate::sync::page::Leaf)| {
        head.zones.get(*name).is_some_and(|there| there.image != leaf.image)
    };
    super::Counts { added, changed: target.zones.iter().filter(differs).count() as u64, removed }
}
