//! The publisher: from compiled zones to a release that a channel's head names.
//!
//! ```text
//! read the state, judge it as a node would -> page through the head's tree, and the roots of its large images -> what changed
//!   -> compare with the head's images, record by record -> guards
//!   -> plan packs, build pages; of large images the segments that the head has not
//!   -> put blobs -> sign -> are all blobs there? -> compare-and-set of the state
//! ```
//!
//! Nothing before the last step is seen by a node, so a publisher that ends anywhere leaves the head as it was, and blobs that the next
//! one finds or [`gc`] removes. Of two at once one wins the compare-and-set; the other reads the new head and does its changes again on
//! top of it, or stops where both changed a zone.
//!
//! - [`tip`]: a channel's state, judged, and how it is replaced
//! - [`images`]: what a publish brings; [`serials`]: under which serials; [`content`]: the zones of a release; [`change`]: what one publish
//!   changes of them, also on another head; [`assemble`]: packs and pages
//! - [`proposal`]: all that together, for whoever looks at it first: [`plan`], what differs, of which `before` fetches the old side;
//!   [`answers`], what nodes would answer otherwise; [`guard`], what should not happen by accident
//! - [`transfer`]: many requests at once, bounded and tried again
//! - [`history`]: releases, newest first, and going back to one
//! - [`trial`]: releases that some nodes try before they are the head
//! - [`gc`], [`verify`]: a store's blobs, those too many and those amiss
//! - [`keys`]: laying out a channel, rolling its key set
//! - [`fleet`]: what nodes report
//!
//! Clocks are arguments: seconds since 1970, for people and for freshness.
//!
//! # Beside a garbage collector
//!
//! [`gc`] removes what no kept release uses and what is older than a day. A publisher relies on blobs that its parent uses, which
//! are never removed, and on those that it put, which are young from then on. One that was old garbage when the publisher put it may
//! have been in a collector's list already: hence all are looked for again before the head moves, and these once more afterwards.

pub mod answers;
mod asked;
pub mod assemble;
mod before;
pub mod change;
pub mod content;
pub mod fleet;
pub mod gc;
pub mod guard;
pub mod history;
pub mod images;
pub mod keys;
pub mod octets;
pub mod plan;
pub mod proposal;
pub mod serials;
pub mod tip;
pub mod transfer;
pub mod trial;
pub mod verify;
pub mod wave;

use super::channel::{Channel, Generation};
use super::codec::{Digest, FormatError};
use super::freshness::Freshness;
use super::head::{Head, State};
use super::key::{KeyId, KeyPair};
use super::key_set::{KeySet, Use};
use super::manifest::Manifest;
use super::signed::Signed;
use super::store::{Store, StoreError, Version};
use super::tree::Root;
use super::trust::Refusal;
use crate::counted::{counted, listed};
use crate::zone::image::Image;
use assemble::Release;
use change::Changes;
use guard::Guard;
use octets::Octets;
use proposal::Proposal;
use std::collections::HashSet;
use std::sync::Arc;
use tip::{Anchor, Held, Tip};
use trial::Takers;

/// So often a publish that lost the race starts again on the new head.
pub const REBASES_MAX: usize = 8;
/// So often blobs that vanished are put again before a publish gives up.
const CHECKS_MAX: usize = 3;
/// Seconds by which clocks of publishers may differ without a word.
const CLOCKS_MAX: u64 = 60;
/// What becomes of a publish that does not start again.
const NOT_AFTER_IT: &str = "and this publish was not to go on after it";

/// Where is published, and whom one believes there.
#[derive(Clone)]
pub struct Publisher {
    /// The store.
    pub store: Store,
    /// The channel.
    pub channel: Channel,
    /// Whose key sets are believed.
    pub anchor: Anchor,
    /// Who is told how it goes.
    pub progress: Arc<dyn Progress>,
}

/// What a publisher does, for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Pages of the head are read.
    Reading,
    /// Zones that change are compared with the head's.
    Comparing,
    /// Packs and pages are built.
    Building,
    /// Blobs are put.
    Uploading,
    /// All blobs are looked for.
    Checking,
}

/// Hears how it goes.
pub trait Progress: Send + Sync {
    /// So much of so many is done in this step, if their number is known.
    fn at(&self, step: Step, done: u64, of: Option<u64>);
    /// Something that the operator should know, and that stops nothing.
    fn note(&self, text: &str);
    /// Nothing more is done for now.
    fn end(&self) {}
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn at(&self, _: Step, _: u64, _: Option<u64>) {}
    fn note(&self, _: &str) {}
}

/// What to do when another publisher was faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnConflict {
    /// Apply our changes to the new head, if it changed none of the same zones.
    Rebase,
    /// Stop.
    Stop,
}

/// How to publish.
pub struct Options {
    /// What to do when another publisher was faster.
    pub on_conflict: OnConflict,
    /// The key set to lay out if the channel does not exist yet.
    pub first_key_set: Option<Signed<KeySet>>,
    /// The time, in seconds since 1970.
    pub now_secs: u64,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new release.
    Published(Published),
    /// All zones are as they were: the head's freshness was signed again.
    Unchanged {
        /// The head's.
        generation: Generation,
        /// The head's.
        manifest: Digest,
        /// Its zones.
        zones: u64,
    },
}

/// A new release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its generation.
    pub generation: Generation,
    /// Its manifest.
    pub manifest: Digest,
    /// The generation that was the head before.
    pub before: Option<Generation>,
    /// Its zones.
    pub zones: u64,
    /// Zones that it adds.
    pub added: u64,
    /// Zones with new content.
    pub changed: u64,
    /// Zones that it no longer has.
    pub removed: u64,
    /// Blobs that were put.
    pub blobs: u64,
    /// Their octets.
    pub octets: u64,
    /// How often another publisher was faster.
    pub rebased: usize,
}

/// Why nothing was published: the head is as it was, unless said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error("{what}: {error}")]
    Store {
        /// What was asked of it.
        what: String,
        /// What it said.
        error: StoreError,
    },
    /// There is no such channel.
    #[error(
        "the store has no channel {0}: is it the one that is meant? The channel begins there with the first publish that is given the key set that keygen made (--key-set)"
    )]
    NoChannel(Channel),
    /// There is no channel at all.
    #[error(
        "the store has no channels: is it the one that is meant, or was it emptied? Then bring it back from a copy, before anything is published to it"
    )]
    NoChannels,
    /// There is a channel without a release.
    #[error("channel {0} has no release yet")]
    NoRelease(Channel),
    /// Octets that are no state.
    #[error(
        "the state of channel {channel} in the store is damaged: {error}; restore the store, or publish to a new one"
    )]
    State {
        /// Whose.
        channel: Channel,
        /// What is wrong.
        error: FormatError,
    },
    /// What a node would refuse too.
    #[error("the {what} in the store would be refused by a node: {refusal}; {remedy}")]
    Refused {
        /// Key set, head.
        what: &'static str,
        /// Why.
        refusal: Box<Refusal>,
        /// What to do.
        remedy: &'static str,
    },
    /// The key set has no such key.
    #[error(
        "key {key} is not one that key set {key_set} of channel {channel} lets sign {what}; sign with one of its keys, or add this one with catchment keyset"
    )]
    Key {
        /// Ours.
        key: KeyId,
        /// The version in force.
        key_set: u32,
        /// Whose.
        channel: Channel,
        /// Releases, freshness.
        what: &'static str,
    },
    /// Another publisher was faster, and no rebase is possible or wanted.
    #[error("key {by} published generation {generation} meanwhile, {why}; nothing was published")]
    Conflict {
        /// Who signed the new head.
        by: KeyId,
        /// Its generation.
        generation: Generation,
        /// Why this publish stops.
        why: String,
    },
    /// Zones can't be compiled any more: what is wrong with them, as the operator reads it.
    #[error("{0}")]
    Zones(String),
    /// Guards stopped it. What they said was told to the reviewer.
    #[error(
        "nothing was published, as guards object: {}; mend that, or allow what is meant by name, with --allow",
        listed(.by, usize::MAX)
    )]
    Guarded {
        /// Which, each once.
        by: Vec<Guard>,
    },
    /// A key set can't be laid out or rolled.
    #[error("{0}")]
    KeySet(String),
    /// A release that was asked for can't be had.
    #[error("{0}")]
    Release(String),
    /// Blobs are gone although they were put.
    #[error(
        "the store lacks {} of the release, {example} for one, though all were put; does somebody else remove blobs? publish again",
        counted(*missing, "blob")
    )]
    Vanished {
        /// How many.
        missing: usize,
        /// One of them.
        example: Digest,
    },
    /// It can't be said whether it was done.
    #[error("the store did not say whether it moved the head ({0}); publish again: what was done is not done twice")]
    Unknown(StoreError),
    /// What we made is no release.
    #[error("no release can be made of these zones: {0}")]
    Format(#[from] FormatError),
    /// A release is on trial, and its publisher may be at work.
    #[error(
        "key {by} has release {generation} on trial at {} (step {step}): wait for it, or finish it: catchment promote, or catchment rollback",
        counted(*nodes, "node")
    )]
    OnTrial {
        /// Who signed it.
        by: KeyId,
        /// The release on trial.
        generation: Generation,
        /// Its step.
        step: u32,
        /// Nodes that are named.
        nodes: usize,
    },
    /// What is to be promoted, widened or taken back is not on trial.
    #[error("{}, the head of channel {channel} is {head}: see catchment releases", not_on_trial(*.release))]
    NoTrial {
        /// Whose.
        channel: Channel,
        /// Which one was meant; `None`: whichever is on trial.
        release: Option<Generation>,
        /// The head.
        head: Generation,
    },
    /// No generation is left.
    #[error("no generation follows {0}; roll the key set with catchment keyset")]
    LastGeneration(Generation),
}

fn not_on_trial(release: Option<Generation>) -> String {
    match release {
        Some(release) => format!("release {release} is not on trial, or no longer"),
        None => "no release is on trial".into(),
    }
}

impl Error {
    /// For `map_err`: what was asked of the store when it failed.
    pub(super) fn store(what: impl Into<String>) -> impl FnOnce(StoreError) -> Error {
        let what = what.into();
        move |error| Error::Store { what, error }
    }
}

impl Publisher {
    /// Makes the zones of these images, and no others, the channel's newest release.
    pub async fn publish(&self, key: &KeyPair, images: Vec<Image>, options: &Options) -> Result<Outcome, Error> {
        let mut proposal = Proposal::new(images.into(), &|_| Ok(Vec::new()));
        self.publish_zones(key, &mut proposal, options).await
    }

    /// Makes the zones of the proposal, and no others, the channel's newest release.
    pub async fn publish_zones(
        &self,
        key: &KeyPair,
        proposal: &mut Proposal<'_>,
        options: &Options,
    ) -> Result<Outcome, Error> {
        self.publish_to(key, proposal, None, options).await
    }

    /// For all nodes, or on trial at some.
    async fn publish_to(
        &self,
        key: &KeyPair,
        proposal: &mut Proposal<'_>,
        takers: Option<&Takers>,
        options: &Options,
    ) -> Result<Outcome, Error> {
        // What our changes are relative to: the first head that was seen.
        let mut changes: Option<Changes> = None;
        let mut rebased = 0;
        loop {
            let tip = self.tip_or_first(options.first_key_set.as_ref()).await?;
            tip.may_sign(key, &[Use::Releases], "releases")?;
            if self.ends_abandoned(key, &tip, options.now_secs).await? {
                continue;
            }
            if takers.is_some() && tip.held().is_none() {
                // There is nothing to go back to.
                return Err(tip.no_head());
            }
            let content = self.content(&tip, &proposal.images).await?;
            proposal.complete(&content, changes.as_ref(), options.now_secs)?;
            let images = &proposal.images;
            let mine = match &mut changes {
                None => changes.insert(Changes::between(&content, images)),
                Some(mine) => {
                    mine.rebase(&content, images).map_err(|why| tip.conflict(why))?;
                    mine
                }
            };
            if let Some((review, listing)) = proposal.review {
                let plan = self.plan_of(Some(&tip), &content, mine, images, listing).await?;
                review(&self.answered(plan, &content, mine, proposal).await?)?;
            }
            let counts = mine.counts(&content);
            if let Some(held) = tip.held().filter(|_| counts.none() && content.is_whole()) {
                if !self.refresh_tip(key, tip, options.now_secs).await? {
                    rebased += 1;
                    if rebased > REBASES_MAX {
                        return Err(self.too_often().await);
                    }
                    continue;
                }
                let zones = content.zones.len() as u64;
                return Ok(Outcome::Unchanged { generation: held.generation, manifest: held.manifest, zones });
            }
            let release = assemble::release(self, mine.applied_to(&content), images, &content).await?;
            let before = tip.generation();
            let version = tip.version.clone();
            let head = match takers {
                None => sign(&tip, key, release.root, options.now_secs)?,
                Some(takers) => self.sign_trial(&tip, key, release.root, takers, options.now_secs)?,
            };
            let signed = head.trial.as_ref().map_or(&head.manifest, |on| &on.manifest);
            let Held { generation, manifest } = signed.held();
            let (blobs, octets) = (release.blobs.len() as u64 + 1, release.octets() + signed.bytes().len() as u64);
            let zones = release.root.totals.zones;
            let state = State { key_set: tip.state.key_set.clone(), head: Some(head) };
            if self.release(state, release, version, options.first_key_set.as_ref()).await? {
                let Counts { added, changed, removed } = counts;
                return Ok(Outcome::Published(Published {
                    generation,
                    manifest,
                    before,
                    zones,
                    added,
                    changed,
                    removed,
                    blobs,
                    octets,
                    rebased,
                }));
            }
            rebased += 1;
            if options.on_conflict == OnConflict::Stop || rebased > REBASES_MAX {
                // Whoever was faster may have laid a trial, which leaves the head as it was.
                let tip = self.tip().await?;
                return Err(match tip.on_trial() {
                    Some(on) => trial::busy(on, key),
                    None => tip.conflict(NOT_AFTER_IT.into()),
                });
            }
        }
    }

    /// Signs the head's freshness again. The key need not be one for releases.
    pub async fn refresh(&self, key: &KeyPair, now_secs: u64) -> Result<tip::Held, Error> {
        for _ in 0..=REBASES_MAX {
            let tip = self.tip().await?;
            let held = tip.held().ok_or_else(|| tip.no_head())?;
            if self.refresh_tip(key, tip, now_secs).await? {
                return Ok(held);
            }
        }
        Err(self.too_often().await)
    }

    /// Another publisher was faster, and this one does not go on.
    async fn too_often(&self) -> Error {
        match self.tip().await {
            Ok(tip) => tip.conflict(NOT_AFTER_IT.into()),
            Err(error) => error,
        }
    }

    /// Signs the freshness of this tip's head again. False: there is another state now.
    async fn refresh_tip(&self, key: &KeyPair, tip: Tip, now_secs: u64) -> Result<bool, Error> {
        tip.may_sign(key, &[Use::Releases, Use::FreshnessOnly], "freshness statements")?;
        let Some(head) = &tip.state.head else { return Err(tip.no_head()) };
        let last = head.freshness.claims();
        let behind = last.time_secs.saturating_sub(now_secs);
        if behind > CLOCKS_MAX {
            self.progress.note(&format!(
                "this machine's clock is {behind} s behind the time at which the head was said last: one of them is wrong; if it was the other, only a new release ends it"
            ));
        }
        // A clock that is behind must not make nodes refuse the word as an older one.
        let freshness = Freshness { time_secs: now_secs.max(last.time_secs), ..last.clone() };
        let freshness = Signed::sign(&freshness, &[key])?;
        let head = Some(Head { freshness, ..head.clone() });
        self.replace(tip.version.as_ref(), &State { key_set: tip.state.key_set.clone(), head }).await
    }

    /// Puts all that a signed release of this state needs, checks that it is there, and moves the state on. False: there is another state
    /// now.
    pub(super) async fn release(
        &self,
        state: State,
        mut release: Release,
        version: Option<Version>,
        first_key_set: Option<&Signed<KeySet>>,
    ) -> Result<bool, Error> {
        for manifest in state.head.iter().flat_map(trial::manifests) {
            release.blobs.push((manifest.digest(), manifest.bytes().into()));
        }
        let revived = self.put_all(&release.blobs).await?;
        self.check(&release).await?;
        if version.is_none() {
            self.keep_key_set(first_key_set.unwrap_or(&state.key_set)).await?;
        }
        if !self.replace(version.as_ref(), &state).await? {
            return Ok(false);
        }
        // Whatever becomes of this, the head has moved.
        if let Err(error) = self.put_again(release.blobs, &revived).await {
            self.progress
                .note(&format!("the release is the head, but was not looked at again: {error}; see catchment verify"));
        }
        Ok(true)
    }

    /// Puts those of `revived` again that a collector removed: see "Beside a garbage collector".
    async fn put_again(&self, blobs: Vec<(Digest, Octets)>, revived: &HashSet<Digest>) -> Result<(), Error> {
        let revived: Vec<_> = blobs.into_iter().filter(|(name, _)| revived.contains(name)).collect();
        let names: Vec<Digest> = revived.iter().map(|(name, _)| *name).collect();
        let there = self.present(&names).await?;
        let gone: Vec<_> = revived.into_iter().filter(|(name, _)| !there.contains(name)).collect();
        self.put_all(&gone).await?;
        Ok(())
    }

    /// All blobs of a release are there: those that were put, or else they are put again, and those that its parent has too.
    async fn check(&self, release: &Release) -> Result<(), Error> {
        let new: Vec<Digest> = release.blobs.iter().map(|(name, _)| *name).collect();
        for _ in 0..CHECKS_MAX {
            let there = self.present(&new).await?;
            let gone: Vec<_> = release.blobs.iter().filter(|(name, _)| !there.contains(name)).cloned().collect();
            if gone.is_empty() {
                break;
            }
            let gone_blobs = counted(gone.len(), "blob");
            self.progress.note(&format!("the store has lost {gone_blobs} of the release since: putting again"));
            self.put_all(&gone).await?;
        }
        let all: Vec<Digest> = new.into_iter().chain(release.kept.iter().copied()).collect();
        let there = self.present(&all).await?;
        let missing: Vec<Digest> = all.into_iter().filter(|name| !there.contains(name)).collect();
        match missing.first() {
            None => Ok(()),
            Some(example) => Err(Error::Vanished { missing: missing.len(), example: *example }),
        }
    }
}

/// What a publish changes, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// New zones.
    pub added: u64,
    /// Zones with new content.
    pub changed: u64,
    /// Zones that go.
    pub removed: u64,
}

impl Counts {
    fn none(&self) -> bool {
        *self == Counts::default()
    }
}

/// Signs the release that follows `tip` as the head, and judges it as a node would that has `tip`.
pub(super) fn sign(tip: &Tip, key: &KeyPair, root: Root, now_secs: u64) -> Result<Head, Error> {
    let manifest = manifest_of(tip, key, tip.next_generation()?, root, now_secs)?;
    let freshness = word_of(tip, key, &manifest, now_secs)?;
    Ok(Head { freshness, manifest, trial: None })
}

/// Signs a release of this generation that is made from the head of `tip`.
pub(super) fn manifest_of(
    tip: &Tip,
    key: &KeyPair,
    generation: Generation,
    root: Root,
    now_secs: u64,
) -> Result<Signed<Manifest>, Error> {
    let channel = tip.state.key_set.claims().channel.clone();
    let parent = tip.state.head.as_ref().map(|head| head.manifest.digest());
    let manifest = Manifest { channel, generation, parent, time_secs: now_secs, root, extensions: Vec::new() };
    Ok(Signed::sign(&manifest, &[key])?)
}

/// Signs the word that this release is the head from now on, and judges both as a node would that has `tip`.
pub(super) fn word_of(
    tip: &Tip,
    key: &KeyPair,
    manifest: &Signed<Manifest>,
    now_secs: u64,
) -> Result<Signed<Freshness>, Error> {
    let (channel, held) = (manifest.claims().channel.clone(), manifest.held());
    let Held { generation, manifest: digest } = held;
    let freshness = Freshness { channel, generation, manifest: digest, time_secs: now_secs, extensions: Vec::new() };
    let freshness = Signed::sign(&freshness, &[key])?;
    let mut trust = tip.trust.clone();
    trust.learn_freshness(&freshness).map_err(refused_once)?;
    trust.judge_head(freshness.claims(), manifest).map_err(refused_once)?;
    Ok(freshness)
}

/// A node would refuse what was just made.
pub(super) fn refused_once(refusal: Refusal) -> Error {
    Error::Refused { what: "release that was made, once", refusal: Box::new(refusal), remedy: "nothing was published" }
}

#[cfg(test)]
mod tests;
