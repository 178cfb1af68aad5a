//! A channel's state, judged as a node would, and how it is replaced.

use super::transfer::persist;
use super::{Error, Publisher};
use crate::sync::channel::Generation;
use crate::sync::head::State;
use crate::sync::key::KeyPair;
use crate::sync::key_set::{KeySet, Roots, Use};
use crate::sync::signed::Signed;
use crate::sync::store::Version;
pub use crate::sync::trust::Held;
use crate::sync::trust::{Policy, Refusal, Signers, Trust};

/// Whose key sets a publisher believes.
#[derive(Debug, Clone)]
pub enum Anchor {
    /// Those that these root keys signed, as a node that has nothing yet.
    Roots(Roots),
    /// This one and those that follow it.
    KeySet(Box<Signed<KeySet>>),
    /// Whatever the store has: only that its documents follow from each other is checked.
    Store,
}

/// A channel's state as a publisher found it.
pub struct Tip {
    /// Which one; `None`: it is yet to be made.
    pub version: Option<Version>,
    /// The state, without a release on trial whose key was replaced.
    pub state: State,
    /// A node that has just learned it.
    pub trust: Trust,
    /// Why the head is not believed under the key set in force: its key was replaced. What it holds is not built upon.
    pub disowned: Option<Refusal>,
}

const ROOTS_REMEDY: &str = "give the channel's root key with --root-key, or its newest key set with --key-set";
const HEAD_REMEDY: &str = "somebody else writes to the store: see catchment verify";

impl Tip {
    /// The head, if there is one that is believed.
    pub fn held(&self) -> Option<Held> {
        self.trust.held()
    }

    /// The newest generation that was ever the head, believed or not.
    pub fn generation(&self) -> Option<Generation> {
        self.state.head.as_ref().map(|head| head.manifest.claims().generation)
    }

    /// The generation of the next release: after the head, and after what nodes may have taken on trial.
    pub(super) fn next_generation(&self) -> Result<Generation, Error> {
        let tried = self.on_trial().map(|on| on.back.claims().generation);
        let last = self.generation().max(tried).unwrap_or_default();
        last.next(self.state.key_set.claims().version).ok_or(Error::LastGeneration(last))
    }

    pub(super) fn may_sign(&self, key: &KeyPair, uses: &[Use], what: &'static str) -> Result<(), Error> {
        let set = self.state.key_set.claims();
        match set.key(key.public().id()) {
            Some(known) if uses.contains(&known.signs) => Ok(()),
            _ => Err(Error::Key { key: key.public().id(), key_set: set.version, channel: set.channel.clone(), what }),
        }
    }

    pub(super) fn no_head(&self) -> Error {
        let channel = self.state.key_set.claims().channel.clone();
        match &self.disowned {
            Some(refusal) => Error::Refused {
                what: "head",
                refusal: Box::new(refusal.clone()),
                remedy: "publish a release under the key set in force",
            },
            None => Error::NoRelease(channel),
        }
    }

    /// Who was faster, for those who stop.
    pub(super) fn conflict(&self, why: String) -> Error {
        let Some(head) = &self.state.head else { return self.no_head() };
        let Some(by) = head.manifest.signers().next() else { return self.no_head() };
        Error::Conflict { by, generation: head.manifest.claims().generation, why }
    }
}

impl Publisher {
    /// The channel's state.
    pub async fn tip(&self) -> Result<Tip, Error> {
        self.tip_or_first(None).await
    }

    /// The channel's state; that which is made of `first`, if there is none.
    pub(super) async fn tip_or_first(&self, first: Option<&Signed<KeySet>>) -> Result<Tip, Error> {
        let channels = &self.store.channels;
        let found = persist(|| channels.state(&self.channel)).await;
        let (version, mut state) = match (found.map_err(Error::store("reading the channel's state"))?, first) {
            (Some(found), _) => {
                let damaged = |error| Error::State { channel: self.channel.clone(), error };
                (Some(found.version.clone()), found.state().map_err(damaged)?)
            }
            (None, Some(first)) => (None, State { key_set: first.clone(), head: None }),
            (None, None) => return Err(Error::NoChannel(self.channel.clone())),
        };
        let mut trust = self.learn_key_sets(&state.key_set).await?;
        let mut disowned = None;
        if let Some(head) = &state.head {
            let judged = trust
                .learn_freshness(&head.freshness)
                .and_then(|_| trust.judge_head(head.freshness.claims(), &head.manifest));
            match judged {
                Ok(_) => trust
                    .applied(Held { generation: head.manifest.claims().generation, manifest: head.manifest.digest() }),
                Err(refusal @ Refusal::WrongKey { .. }) => disowned = Some(refusal),
                Err(refusal) => {
                    return Err(Error::Refused { what: "head", refusal: Box::new(refusal), remedy: HEAD_REMEDY });
                }
            }
        }
        if let Some(head) = &mut state.head
            && let Some(on) = head.trial.take()
        {
            match trust.learn_trial(&head.manifest, &on) {
                Ok(_) => head.trial = Some(on),
                // Its key was replaced: no node takes it any more.
                Err(Refusal::WrongKey { .. }) => {}
                Err(refusal) => {
                    let what = "release on trial";
                    return Err(Error::Refused { what, refusal: Box::new(refusal), remedy: HEAD_REMEDY });
                }
            }
        }
        Ok(Tip { version, state, trust, disowned })
    }

    /// A node's trust that has the state's key set in force; walks through those between where root keys changed.
    async fn learn_key_sets(&self, newest: &Signed<KeySet>) -> Result<Trust, Error> {
        let refused = |refusal| Error::Refused { what: "key set", refusal: Box::new(refusal), remedy: ROOTS_REMEDY };
        let first = match &self.anchor {
            Anchor::Roots(_) => None,
            Anchor::KeySet(set) => Some((**set).clone()),
            Anchor::Store => Some(self.key_set(1).await?.unwrap_or_else(|| newest.clone())),
        };
        let roots = match (&self.anchor, &first) {
            (Anchor::Roots(roots), _) => roots.clone(),
            (_, Some(set)) => set.claims().roots.clone(),
            (_, None) => newest.claims().roots.clone(),
        };
        let (channel, version) = (self.channel.clone(), newest.claims().version);
        let policy =
            Policy { roots, channel, min_generation: Generation::default(), zones_max: u64::MAX, octets_max: u64::MAX };
        let mut trust = Trust::new(policy);
        if let Some(first) = first {
            let ours = first.claims().version;
            if ours > version {
                return Err(Error::KeySet(format!(
                    "key set {ours} was given, and channel {} has {version}; lay it out first: catchment keyset publish",
                    self.channel
                )));
            }
            trust.learn_key_set(first).map_err(refused)?;
        }
        loop {
            match trust.learn_key_set(newest.clone()) {
                Ok(_) => return Ok(trust),
                Err(refusal @ Refusal::Threshold { asked: Signers::InForce | Signers::Settings, .. }) => {
                    let known = trust.key_set().map_or(0, |set| set.claims().version);
                    // Each round takes one version; those that the roots in force did not sign end it.
                    let next = match self.key_set(known + 1).await? {
                        Some(next) if known + 1 < version => next,
                        _ => return Err(refused(refusal)),
                    };
                    trust.learn_key_set(next).map_err(refused)?;
                }
                Err(refusal) => return Err(refused(refusal)),
            }
        }
    }

    /// A key set of the channel by its version, well-formed.
    pub(super) async fn key_set(&self, version: u32) -> Result<Option<Signed<KeySet>>, Error> {
        let channels = &self.store.channels;
        let found = persist(|| channels.key_set(&self.channel, version)).await;
        let found = found.map_err(Error::store(format!("reading key set {version}")))?;
        found.map(|bytes| Signed::decode(&bytes).map_err(Error::Format)).transpose()
    }

    /// Keeps a key set under its version. An error if there is another one.
    pub(super) async fn keep_key_set(&self, set: &Signed<KeySet>) -> Result<(), Error> {
        let version = set.claims().version;
        let channels = &self.store.channels;
        let kept = persist(|| channels.put_key_set(&self.channel, version, set.bytes().to_vec())).await;
        if kept.map_err(Error::store(format!("keeping key set {version}")))? {
            return Ok(());
        }
        match self.key_set(version).await? {
            Some(known) if known.says_the_same(set) => Ok(()),
            _ => Err(Error::KeySet(format!(
                "the store has another key set {version} of channel {}; make the next version of that one: catchment keyset next",
                self.channel
            ))),
        }
    }

    /// Moves the state on. False: it is another than `known`.
    pub(super) async fn replace(&self, known: Option<&Version>, state: &State) -> Result<bool, Error> {
        let bytes = state.encode();
        match self.store.channels.replace(&self.channel, known, bytes.clone()).await {
            Ok(version) => Ok(version.is_some()),
            // It may have been done, or not.
            Err(error) if error.is_passing() => {
                let channels = &self.store.channels;
                match persist(|| channels.state(&self.channel)).await {
                    Ok(Some(now)) if now.bytes == bytes => Ok(true),
                    Ok(now) if now.as_ref().map(|now| &now.version) == known => {
                        Err(Error::Store { what: "moving the head".into(), error })
                    }
                    Ok(_) => Ok(false),
                    Err(_) => Err(Error::Unknown(error)),
                }
            }
            Err(error) => Err(Error::Store { what: "moving the head".into(), error }),
        }
    }
}
