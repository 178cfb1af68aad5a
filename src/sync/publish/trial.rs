//! Releases on trial: laid beside the head for some nodes, widened wave by wave, then promoted, or taken back.
//!
//! ```text
//! lay_trial          release g+1 and return release g+2 beside head g, for the nodes that are named
//!   widen            the next step: more nodes, the deadline anew
//!   promote          head g+3 with the content of g+1; the trial is over
//!   take_back        head g+2, the content of g; the trial is over
//! nobody             each node that took g+1 takes g+2 when its deadline is over
//! ```
//!
//! Each is one compare-and-set of the state. `of` says which release is meant, so that nobody ends another publisher's trial: without it,
//! whichever is on.
//!
//! # What else may be done while a release is on trial
//!
//! | | |
//! |---|---|
//! | publish, another trial | refused ([`Error::OnTrial`]) while its publisher may be at work. After twice the deadline since the last step it is *abandoned*: its nodes have gone back, and whoever publishes takes the channel back first |
//! | refresh | leaves it as it is |
//! | roll back | ends it: going back must always be possible. All nodes move to the new head |
//! | key set | stays, if the next key set has the key that signed it. Else nobody would believe it: it is dropped, and its nodes go back at their deadline |
//! | collect | keeps what release and return release use |
//!
//! That a trial is abandoned is told by the publisher's clock. If that is wrong, a trial is ended too early or too late, by a head whose
//! generation is above both releases: no node is led anywhere but forward.

use super::assemble::Release;
use super::images::Images;
use super::proposal::Proposal;
use super::tip::Tip;
use super::{Error, Options, Outcome, Published, Publisher, REBASES_MAX, history, manifest_of, refused_once, word_of};
use crate::sync::channel::Generation;
use crate::sync::head::{Head, State};
use crate::sync::key::{KeyId, KeyPair};
use crate::sync::key_set::Use;
use crate::sync::manifest::{Held, Manifest};
use crate::sync::signed::Signed;
use crate::sync::tree::Root;
use crate::sync::trial::{OnTrial, Trial};
use std::collections::BTreeSet;
use std::time::Duration;

/// Who is to try a release, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takers {
    /// The nodes, by name.
    pub nodes: BTreeSet<String>,
    /// How long each of them serves it, unless there is a further step or it is promoted: whole seconds, rounded up, 1 s to a week.
    pub deadline: Duration,
}

impl Takers {
    fn deadline_secs(&self) -> u32 {
        let secs = self.deadline.as_secs() + u64::from(self.deadline.subsec_nanos() > 0);
        u32::try_from(secs).unwrap_or(u32::MAX)
    }
}

/// How a trial ended that somebody else put an end to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The content of the release on trial became the head.
    Promoted(By),
    /// The return release became the head.
    TakenBack(By),
    /// Another release became the head: somebody went back to an older one, say.
    Replaced(By),
    /// None did. The key that signed the release was removed, so that nobody believes it any more.
    Disowned,
}

/// By what a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The release that became the head.
    pub head: Generation,
    /// An older release with the same content.
    pub same_as: Option<Generation>,
    /// Whose word that was. Of a return release it is not known: it was signed with the trial, and the word that it is the head may have been
    /// given again since, by anybody who refreshes.
    pub key: Option<KeyId>,
}

/// Releases that are looked through for the one that ended a trial.
const ENDED_SINCE_MAX: usize = 32;

impl Tip {
    /// The release on trial, if one is.
    pub fn on_trial(&self) -> Option<&OnTrial> {
        self.state.head.as_ref()?.trial.as_ref()
    }

    /// Whether there is one whose publisher can be thought to be gone, at this time in seconds since 1970.
    pub fn is_abandoned(&self, now_secs: u64) -> bool {
        self.on_trial().is_some_and(|on| {
            let trial = on.trial.claims();
            now_secs > trial.time_secs.saturating_add(2 * u64::from(trial.deadline_secs))
        })
    }

    /// The head, and the release on trial that is meant.
    fn trial_of(&self, of: Option<Held>) -> Result<(&Head, &OnTrial), Error> {
        let Some(head) = &self.state.head else { return Err(self.no_head()) };
        let on = head.trial.as_ref().filter(|on| of.is_none_or(|of| on.manifest.held() == of));
        let over = || Error::NoTrial {
            channel: head.manifest.claims().channel.clone(),
            release: of.map(|of| of.generation),
            head: head.manifest.claims().generation,
        };
        on.map(|on| (head, on)).ok_or_else(over)
    }
}

impl Publisher {
    /// Puts the zones of the proposal, and no others, on trial at some nodes; the head stays. The outcome tells of the release on trial.
    pub async fn lay_trial(
        &self,
        key: &KeyPair,
        proposal: &mut Proposal<'_>,
        takers: &Takers,
        options: &Options,
    ) -> Result<Outcome, Error> {
        self.publish_to(key, proposal, Some(takers), options).await
    }

    /// The next step: these nodes take the release too. All that have taken it count the deadline anew.
    pub async fn widen(&self, key: &KeyPair, of: Held, takers: &Takers, now_secs: u64) -> Result<Signed<Trial>, Error> {
        for _ in 0..=REBASES_MAX {
            let tip = self.tip().await?;
            tip.may_sign(key, &[Use::Releases], "releases")?;
            let (head, on) = tip.trial_of(Some(of))?;
            let before = on.trial.claims().clone();
            let nodes: BTreeSet<String> = before.nodes().iter().chain(&takers.nodes).cloned().collect();
            let Some(step) = before.step.checked_add(1) else {
                return Err(Error::Release(
                    "no step follows the last one: promote the release, or take it back".into(),
                ));
            };
            let mut trial = before.with_nodes(nodes);
            (trial.step, trial.deadline_secs, trial.time_secs) = (step, takers.deadline_secs(), now_secs);
            let trial = Signed::sign(&trial, &[key])?;
            let on = OnTrial { trial: trial.clone(), ..on.clone() };
            let mut trust = tip.trust.clone();
            trust.learn_trial(&head.manifest, &on).map_err(refused_once)?;
            let head = Some(Head { trial: Some(on), ..head.clone() });
            if self.replace(tip.version.as_ref(), &State { key_set: tip.state.key_set.clone(), head }).await? {
                return Ok(trial);
            }
        }
        Err(self.too_often().await)
    }

    /// Makes the content of the release on trial the head, for all nodes.
    pub async fn promote(&self, key: &KeyPair, of: Option<Held>, now_secs: u64) -> Result<Published, Error> {
        self.end_trial(key, of, now_secs, true).await
    }

    /// Makes the return release the head, for all nodes.
    pub async fn take_back(&self, key: &KeyPair, of: Option<Held>, now_secs: u64) -> Result<Published, Error> {
        self.end_trial(key, of, now_secs, false).await
    }

    async fn end_trial(
        &self,
        key: &KeyPair,
        of: Option<Held>,
        now_secs: u64,
        promote: bool,
    ) -> Result<Published, Error> {
        for rebased in 0..=REBASES_MAX {
            let tip = self.tip().await?;
            tip.may_sign(key, &[Use::Releases], "releases")?;
            let (head, on) = tip.trial_of(of)?;
            let (manifest, release, counts) = if promote {
                let (generation, root) = (on.manifest.claims().generation, on.manifest.claims().root);
                let content = self.whole(generation, &root).await?;
                let counts = history::counts(&self.content(&tip, &Images::default()).await?, &content);
                let kept = content.pages.iter().copied().chain(content.image_blobs()).collect();
                let manifest = manifest_of(&tip, key, tip.next_generation()?, root, now_secs)?;
                (manifest, Release { root, blobs: Vec::new(), kept }, counts)
            } else {
                let root = on.back.claims().root;
                let release = Release { root, blobs: Vec::new(), kept: BTreeSet::new() };
                (on.back.clone(), release, super::Counts::default())
            };
            let freshness = word_of(&tip, key, &manifest, now_secs)?;
            let (held, before) = (manifest.held(), head.manifest.claims().generation);
            let (zones, octets) = (release.root.totals.zones, manifest.bytes().len() as u64);
            let state =
                State { key_set: tip.state.key_set.clone(), head: Some(Head { freshness, manifest, trial: None }) };
            if self.release(state, release, tip.version.clone(), None).await? {
                return Ok(Published {
                    generation: held.generation,
                    manifest: held.manifest,
                    before: Some(before),
                    zones,
                    added: counts.added,
                    changed: counts.changed,
                    removed: counts.removed,
                    blobs: 1,
                    octets,
                    rebased,
                });
            }
        }
        Err(self.too_often().await)
    }

    /// How the trial of this release ended; `None`: it goes on.
    pub async fn ended(&self, release: Held) -> Result<Option<Ended>, Error> {
        let tip = self.tip().await?;
        if tip.on_trial().is_some_and(|on| on.manifest.held() == release) {
            return Ok(None);
        }
        let history = self.history(&tip, ENDED_SINCE_MAX).await?;
        // Whatever ends a trial is above both of its releases, or is the second of them.
        let Some(at) = history.entries.iter().rposition(|entry| entry.generation() > release.generation) else {
            return Ok(Some(Ended::Disowned));
        };
        let entry = &history.entries[at];
        let by = By { head: entry.generation(), same_as: entry.same_as, key: entry.by };
        if Some(by.head) == release.generation.next(release.generation.key_set) {
            return Ok(Some(Ended::TakenBack(By { key: None, ..by })));
        }
        let tried = self.manifest(&release.manifest).await?;
        let is_promoted = tried.is_some_and(|tried| tried.claims().root == entry.manifest.claims().root);
        Ok(Some(if is_promoted { Ended::Promoted(by) } else { Ended::Replaced(by) }))
    }

    /// Whether something else than this release may be published now. An abandoned trial is ended first; then the tip is another: true.
    pub(super) async fn ends_abandoned(&self, key: &KeyPair, tip: &Tip, now_secs: u64) -> Result<bool, Error> {
        let Some(on) = tip.on_trial() else { return Ok(false) };
        if !tip.is_abandoned(now_secs) {
            return Err(busy(on, key));
        }
        let trial = on.trial.claims();
        let generation = trial.release.generation;
        self.progress
            .note(&format!("the trial of release {generation} was abandoned: the channel is taken back first"));
        match self.take_back(key, Some(trial.release), now_secs).await {
            // Somebody else has ended it.
            Ok(_) | Err(Error::NoTrial { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The tip's head with a release of this tree on trial beside it, signed.
    pub(super) fn sign_trial(
        &self,
        tip: &Tip,
        key: &KeyPair,
        root: Root,
        takers: &Takers,
        now_secs: u64,
    ) -> Result<Head, Error> {
        let (Some(head), true) = (&tip.state.head, tip.held().is_some()) else { return Err(tip.no_head()) };
        let generation = tip.next_generation()?;
        let manifest = manifest_of(tip, key, generation, root, now_secs)?;
        let last = generation.next(generation.key_set).ok_or(Error::LastGeneration(generation))?;
        let back = manifest_of(tip, key, last, head.manifest.claims().root, now_secs)?;
        let (channel, deadline_secs) = (self.channel.clone(), takers.deadline_secs());
        let trial = Trial::new(channel, head.manifest.held(), manifest.held(), back.held(), deadline_secs, now_secs);
        let trial = Signed::sign(&trial.with_nodes(takers.nodes.iter().cloned()), &[key])?;
        let on = OnTrial { trial, manifest, back };
        let mut trust = tip.trust.clone();
        trust.learn_trial(&head.manifest, &on).map_err(refused_once)?;
        trust.judge(&on.manifest).map_err(refused_once)?;
        Ok(Head { trial: Some(on), ..head.clone() })
    }
}

/// Why nothing else is published meanwhile.
pub(super) fn busy(on: &OnTrial, key: &KeyPair) -> Error {
    let trial = on.trial.claims();
    let by = on.trial.signers().next().unwrap_or(key.public().id());
    Error::OnTrial { by, generation: trial.release.generation, step: trial.step, nodes: trial.nodes().len() }
}

/// The manifests of a head and of what is on trial beside it.
pub(super) fn manifests(head: &Head) -> impl Iterator<Item = &Signed<Manifest>> {
    let trial = head.trial.iter().flat_map(|on| [&on.manifest, &on.back]);
    [&head.manifest].into_iter().chain(trial)
}
