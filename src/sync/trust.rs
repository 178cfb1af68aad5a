//! What a node believes of what a store gives it, and why not.
//!
//! ```text
//! settings: roots, channel, min-generation, bounds
//!                |
//!           [no key set] -- learn_key_set --> [key set v] -- learn_key_set --> [key set w > v]
//!                                                  |
//!                       learn_freshness: which manifest is the head, how old is that word
//!                       learn_trial:     which release is on trial beside it, at which step
//!                       judge:           may this release be taken?  then, when it is served whole:  applied
//! ```
//!
//! A node that serves a release on trial, or has gone back to its return release, is above the head: words about that head stay good, no
//! older ones. Whatever becomes the head next is above all three.
//!
//! The node's clock decides nothing here. A release that is refused changes nothing: the node goes on with what it has (I8).

use super::channel::{Channel, Generation};
use super::codec::{Digest, FormatError};
use super::freshness::Freshness;
use super::key::KeyId;
use super::key_set::{KeySet, Roots, Use};
pub use super::manifest::Held;
use super::manifest::Manifest;
use super::signed::{Document, Signed};
use super::trial::{OnTrial, Trial};

/// What the operator of a node has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The root keys that are trusted before any key set is known.
    pub roots: Roots,
    /// The channel that is followed.
    pub channel: Channel,
    /// No release below, and no key set below its key set's version: what an empty node can't be made to start from.
    pub min_generation: Generation,
    /// Most zones.
    pub zones_max: u64,
    /// Most octets of all images: what fits into this node.
    pub octets_max: u64,
}

/// All that a node's decisions depend on.
#[derive(Debug, Clone)]
pub struct Trust {
    policy: Policy,
    key_set: Option<Signed<KeySet>>,
    held: Option<Held>,
    head: Option<Freshness>,
    /// The head on top of which the release that is held was on trial.
    base: Option<Held>,
    trial: Option<Trial>,
}

/// What to do with a release that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fetch and apply it.
    Take,
    /// It is the one that is held, or the head below one that was on trial.
    Held,
}

/// What a release on trial, which was not refused, is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Others are to serve it.
    None,
    /// Fetch and apply it.
    Take,
    /// It is held.
    Held,
    /// This node is past it: it has gone back.
    Over,
}

/// Whether something was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It replaced what was known.
    New,
    /// It was known.
    Known,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not in a format that this build reads; damaged, or too long.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Meant for others.
    #[error("it is of channel {theirs}, this node follows {ours}")]
    OtherChannel {
        /// The channel of the settings.
        ours: Channel,
        /// What it says.
        theirs: Channel,
    },
    /// An older key set than the one in force, or than min-generation asks for.
    #[error("key set {theirs} is older than {ours}, which is known here")]
    KeySetRollback {
        /// The least version that would be taken.
        ours: u32,
        /// What came.
        theirs: u32,
    },
    /// Two different key sets with one version. ALARM: holders of root keys contradict each other, or their keys were stolen.
    #[error("another key set {0} is in force here: two were signed with one version")]
    KeySetEquivocation(u32),
    /// Too few of those who must sign a key set.
    #[error("{signed} of the {asked} did sign, {needed} must")]
    Threshold {
        /// Whose keys.
        asked: Signers,
        /// How many of them signed.
        signed: usize,
        /// How many must.
        needed: u8,
    },
    /// Nothing can be believed yet.
    #[error("no key set is known yet")]
    NoKeySet,
    /// The key set of this generation must be fetched first.
    #[error("it was signed under key set {theirs}, and the newest known here is {ours}")]
    KeySetUnknown {
        /// The newest known.
        ours: u32,
        /// Its own.
        theirs: u32,
    },
    /// A key that may not sign this: unknown, replaced, or of another use.
    #[error("key {key}, which signed it, is not one that key set {key_set} lets sign a {what}")]
    WrongKey {
        /// Who is said to have signed.
        key: KeyId,
        /// The key set in force.
        key_set: u32,
        /// What was signed.
        what: &'static str,
    },
    /// The key is right, the signature is not.
    #[error("the signature of key {0} is not one")]
    BadSignature(KeyId),
    /// What is held is newer.
    #[error("generation {theirs} is below {ours}, which this node has")]
    LowerGeneration {
        /// What is held.
        ours: Generation,
        /// What came.
        theirs: Generation,
    },
    /// Below the settings' bound.
    #[error("generation {theirs} is below min-generation, {min}")]
    BelowMinimum {
        /// The bound.
        min: Generation,
        /// What came.
        theirs: Generation,
    },
    /// Two manifests with one generation. ALARM: ours is kept.
    #[error("another manifest of generation {generation} is held, {ours}, and {theirs} came: two were signed")]
    Equivocation {
        /// Of both.
        generation: Generation,
        /// What is held.
        ours: Digest,
        /// What came.
        theirs: Digest,
    },
    /// More than this node takes.
    #[error("{has} {what}, this node takes {max}")]
    TooLarge {
        /// Zones, or octets.
        what: &'static str,
        /// As signed.
        has: u64,
        /// The bound.
        max: u64,
    },
    /// Head and manifest were put together by somebody else than the publisher.
    #[error("the head is manifest {head}, and {came} came")]
    NotTheHead {
        /// As signed.
        head: Digest,
        /// What came.
        came: Digest,
    },
    /// A word about a trial that is beside another head, or other releases, than it says. Somebody else than the publisher put them together.
    #[error("the trial of release {release} does not belong here: {why}")]
    TrialOfOther {
        /// The release on trial, as signed.
        release: Generation,
        /// What does not fit.
        why: &'static str,
    },
    /// An older word about a trial than the newest heard.
    #[error(
        "step {theirs_step} of the trial of release {theirs} came after step {ours_step} of that of {ours} was heard"
    )]
    OlderTrial {
        /// Release of the newest.
        ours: Generation,
        /// Its step.
        ours_step: u32,
        /// Release of what came.
        theirs: Generation,
        /// Its step.
        theirs_step: u32,
    },
    /// An older word about the head than the newest heard.
    #[error(
        "an older word about the head: of generation {theirs}, at {theirs_secs}, after {ours} at {ours_secs} was heard"
    )]
    OlderFreshness {
        /// Generation of the newest.
        ours: Generation,
        /// Its time, in seconds.
        ours_secs: u64,
        /// Of what came.
        theirs: Generation,
        /// Of what came, in seconds.
        theirs_secs: u64,
    },
}

/// Whose keys had to sign a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signers {
    /// The root keys of the settings.
    Settings,
    /// Those of the key set in force.
    InForce,
    /// Its own: so that whoever makes a key set has shown that it can be followed by another.
    Own,
}

impl std::fmt::Display for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Signers::Settings => "root keys of this node's settings",
            Signers::InForce => "root keys of the key set in force",
            Signers::Own => "root keys that it names itself",
        })
    }
}

impl Refusal {
    /// A word for metrics, the same for all refusals of one kind.
    pub fn label(&self) -> &'static str {
        match self {
            Refusal::Format(_) => "format",
            Refusal::OtherChannel { .. } => "other_channel",
            Refusal::KeySetRollback { .. } => "key_set_rollback",
            Refusal::KeySetEquivocation(_) => "key_set_equivocation",
            Refusal::Threshold { .. } => "threshold",
            Refusal::NoKeySet => "no_key_set",
            Refusal::KeySetUnknown { .. } => "key_set_unknown",
            Refusal::WrongKey { .. } => "wrong_key",
            Refusal::BadSignature(_) => "bad_signature",
            Refusal::LowerGeneration { .. } => "lower_generation",
            Refusal::BelowMinimum { .. } => "below_minimum",
            Refusal::Equivocation { .. } => "equivocation",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::NotTheHead { .. } => "not_the_head",
            Refusal::OlderFreshness { .. } => "older_freshness",
            Refusal::TrialOfOther { .. } => "trial_of_other",
            Refusal::OlderTrial { .. } => "older_trial",
        }
    }

    /// Whether it means that keys are misused: somebody must look, today.
    pub fn is_alarm(&self) -> bool {
        matches!(self, Refusal::Equivocation { .. } | Refusal::KeySetEquivocation(_))
    }
}

impl Trust {
    /// A node that has nothing. One that restarts gives the key sets that it kept to [`Trust::learn_key_set`], oldest first, and
    /// then its release to [`Trust::applied`].
    pub fn new(policy: Policy) -> Trust {
        Trust { policy, key_set: None, held: None, head: None, base: None, trial: None }
    }

    /// The key set in force.
    pub fn key_set(&self) -> Option<&Signed<KeySet>> {
        self.key_set.as_ref()
    }

    /// The release that is held.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// The newest word about the head.
    pub fn head(&self) -> Option<&Freshness> {
        self.head.as_ref()
    }

    /// Takes a key set into force, if those who must have signed it: the root keys of the one in force (of the settings, when there
    /// is none) and its own. Versions may be skipped as long as the root keys stay: whoever meets
    /// [`Signers::InForce`] fetches the versions between, one after another.
    pub fn learn_key_set(&mut self, candidate: Signed<KeySet>) -> Result<Learned, Refusal> {
        let set = candidate.claims();
        self.check_channel(&set.channel)?;
        // A release that is held was signed under a key set that was in force: no older one may come back.
        let held = self.held.map_or(0, |held| held.generation.key_set);
        let known = self.key_set.as_ref().map_or(0, |known| known.claims().version);
        let least = self.policy.min_generation.key_set.max(held).max(known);
        if set.version < least {
            return Err(Refusal::KeySetRollback { ours: least, theirs: set.version });
        }
        // Every state brings the key set in force along: its signatures were looked at when it was new.
        if self.key_set.as_ref().is_some_and(|known| known.bytes() == candidate.bytes()) {
            return Ok(Learned::Known);
        }
        let (asked, roots) = match &self.key_set {
            Some(known) => (Signers::InForce, &known.claims().roots),
            None => (Signers::Settings, &self.policy.roots),
        };
        for (asked, roots) in [(asked, roots), (Signers::Own, &set.roots)] {
            let signed = roots.signed(&candidate);
            if signed < roots.threshold() as usize {
                return Err(Refusal::Threshold { asked, signed, needed: roots.threshold() });
            }
        }
        match &self.key_set {
            Some(known) if known.claims().version == set.version => {
                if known.says_the_same(&candidate) {
                    Ok(Learned::Known)
                } else {
                    Err(Refusal::KeySetEquivocation(set.version))
                }
            }
            _ => {
                self.key_set = Some(candidate);
                // Who said what the head is may have lost the right to, and have claimed a time that no honest word reaches.
                self.head = None;
                self.trial = None;
                Ok(Learned::New)
            }
        }
    }

    /// Whether a release may be taken. Says nothing about its zones: those are checked as they come.
    pub fn judge(&self, candidate: &Signed<Manifest>) -> Result<Verdict, Refusal> {
        let manifest = candidate.claims();
        self.check_channel(&manifest.channel)?;
        self.check_signer(candidate, manifest.generation, &[Use::Releases])?;
        let (theirs, min) = (manifest.generation, self.policy.min_generation);
        if self.is_known(candidate.held())? {
            return Ok(Verdict::Held);
        }
        if theirs < min {
            return Err(Refusal::BelowMinimum { min, theirs });
        }
        let totals = manifest.root.totals;
        for (what, has, max) in
            [("zones", totals.zones, self.policy.zones_max), ("octets", totals.octets, self.policy.octets_max)]
        {
            if has > max {
                return Err(Refusal::TooLarge { what, has, max });
            }
        }
        Ok(Verdict::Take)
    }

    /// [`Trust::judge`] for the release that `head` names.
    pub fn judge_head(&self, head: &Freshness, candidate: &Signed<Manifest>) -> Result<Verdict, Refusal> {
        let came = candidate.digest();
        if came != head.manifest || candidate.claims().generation != head.generation {
            return Err(Refusal::NotTheHead { head: head.manifest, came });
        }
        self.judge(candidate)
    }

    /// Takes a word about the head, unless a newer one was heard.
    pub fn learn_freshness(&mut self, candidate: &Signed<Freshness>) -> Result<Learned, Refusal> {
        let word = candidate.claims();
        self.check_channel(&word.channel)?;
        self.check_signer(candidate, word.generation, &[Use::Releases, Use::FreshnessOnly])?;
        self.is_known(Held { generation: word.generation, manifest: word.manifest })?;
        if let Some(head) = &self.head {
            if (word.generation, word.time_secs) < (head.generation, head.time_secs) {
                let (ours, ours_secs) = (head.generation, head.time_secs);
                let (theirs, theirs_secs) = (word.generation, word.time_secs);
                return Err(Refusal::OlderFreshness { ours, ours_secs, theirs, theirs_secs });
            }
            if word.generation == head.generation && word.manifest != head.manifest {
                let (ours, theirs) = (head.manifest, word.manifest);
                return Err(Refusal::Equivocation { generation: word.generation, ours, theirs });
            }
            if word == head {
                return Ok(Learned::Known);
            }
        }
        self.head = Some(word.clone());
        Ok(Learned::New)
    }

    /// How long ago the publisher last said what the head is, in seconds: for people and alarms. Negative: its clock, or ours,
    /// is wrong. `None`: it was never heard.
    pub fn head_age_secs(&self, now_secs: u64) -> Option<i64> {
        let age = i128::from(now_secs) - i128::from(self.head.as_ref()?.time_secs);
        Some(age.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// Takes a word about a release on trial beside this head, unless a newer one was heard: both its releases are signed, rise, and the
    /// second has the head's content.
    pub fn learn_trial(&mut self, head: &Signed<Manifest>, on: &OnTrial) -> Result<Learned, Refusal> {
        let trial = on.trial.claims();
        self.check_channel(&trial.channel)?;
        self.check_signer(&on.trial, trial.release.generation, &[Use::Releases])?;
        for manifest in [&on.manifest, &on.back] {
            let claims = manifest.claims();
            self.check_channel(&claims.channel)?;
            self.check_signer(manifest, claims.generation, &[Use::Releases])?;
        }
        let theirs = trial.release.generation;
        let of_other = |why| Err(Refusal::TrialOfOther { release: theirs, why });
        if trial.head != head.held() {
            return of_other("another release is the head");
        }
        if trial.release != on.manifest.held() || trial.back != on.back.held() {
            return of_other("other manifests are beside it than it names");
        }
        if on.back.claims().root != head.claims().root {
            return of_other("what one would go back to is not what the head has");
        }
        for (ours, theirs) in self.held.into_iter().flat_map(|ours| [(ours, trial.release), (ours, trial.back)]) {
            not_twice(ours, theirs)?;
        }
        if let Some(known) = &self.trial {
            not_twice(known.release, trial.release)?;
            if known == trial {
                return Ok(Learned::Known);
            }
            if (trial.release, trial.step) <= (known.release, known.step) {
                let (ours, ours_step, theirs_step) = (known.release.generation, known.step, trial.step);
                return Err(Refusal::OlderTrial { ours, ours_step, theirs, theirs_step });
            }
        }
        self.trial = Some(trial.clone());
        Ok(Learned::New)
    }

    /// What a release on trial, the word about which was learned, is to the node of this name.
    pub fn judge_trial(&self, node: &str, on: &OnTrial) -> Result<Part, Refusal> {
        let trial = on.trial.claims();
        match self.held {
            Some(held) if held.generation > trial.release.generation => Ok(Part::Over),
            Some(held) if held == trial.release => Ok(Part::Held),
            _ if !trial.names(node) => Ok(Part::None),
            _ => self.judge(&on.manifest).map(|_| Part::Take),
        }
    }

    /// The node serves this release now, all of it (I1). Its generation never goes down (I2): a lower one is ignored.
    pub fn applied(&mut self, held: Held) {
        if self.held.is_none_or(|before| before.generation < held.generation) {
            self.held = Some(held);
            self.base = None;
        }
    }

    /// The same of a release on trial beside this head, or of its return release.
    pub fn applied_on_trial(&mut self, held: Held, head: Held) {
        self.applied(held);
        if self.held == Some(held) {
            self.base = Some(head);
        }
    }

    /// Whether a release is the one that is held, or the head on top of which that was on trial. `Err`: it is older than what is held, or
    /// contradicts it.
    fn is_known(&self, theirs: Held) -> Result<bool, Refusal> {
        let Some(held) = self.held else { return Ok(false) };
        for ours in self.base.into_iter().chain([held]) {
            not_twice(ours, theirs)?;
            if ours == theirs {
                return Ok(true);
            }
        }
        if theirs.generation < held.generation {
            return Err(Refusal::LowerGeneration { ours: held.generation, theirs: theirs.generation });
        }
        Ok(false)
    }

    fn check_channel(&self, theirs: &Channel) -> Result<(), Refusal> {
        let ours = &self.policy.channel;
        if theirs == ours {
            return Ok(());
        }
        Err(Refusal::OtherChannel { ours: ours.clone(), theirs: theirs.clone() })
    }

    /// One key of the key set in force signed it, whose use is one of these. Of an older key set's generations those stay good whose
    /// key is still in force: so the next key set can be laid out before the first release under it.
    fn check_signer<T: Document>(
        &self,
        candidate: &Signed<T>,
        generation: Generation,
        uses: &[Use],
    ) -> Result<(), Refusal> {
        let set = self.key_set.as_ref().ok_or(Refusal::NoKeySet)?.claims();
        // Or whoever steals a release key would sign for a key set of the far future, and no real one would ever be newer.
        if generation.key_set > set.version {
            return Err(Refusal::KeySetUnknown { ours: set.version, theirs: generation.key_set });
        }
        for id in candidate.signers() {
            let wrong = Refusal::WrongKey { key: id, key_set: set.version, what: T::WHAT };
            let key = set.key(id).filter(|key| uses.contains(&key.signs)).ok_or(wrong)?;
            if !candidate.is_signed_by(&key.key) {
                return Err(Refusal::BadSignature(id));
            }
        }
        Ok(())
    }
}

/// Two manifests with one generation contradict each other.
fn not_twice(ours: Held, theirs: Held) -> Result<(), Refusal> {
    if ours.generation != theirs.generation || ours.manifest == theirs.manifest {
        return Ok(());
    }
    Err(Refusal::Equivocation { generation: theirs.generation, ours: ours.manifest, theirs: theirs.manifest })
}

#[cfg(test)]
mod tests;
