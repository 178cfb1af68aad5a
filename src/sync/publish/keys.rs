//! A channel's key sets in a store: laying out the first, rolling to the next.

use super::tip::Anchor;
use super::{Error, Publisher, REBASES_MAX};
use crate::sync::head::State;
use crate::sync::key_set::{KeySet, ReleaseKey, Roots};
use crate::sync::signed::Signed;
use crate::sync::trust::Learned;

/// What became of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Laid {
    /// It is in force from now on.
    New,
    /// It was already.
    Known,
}

impl Publisher {
    /// Puts a key set into force: the channel's first, or the next. Releases stay; a head whose key the set no longer has is refused by
    /// nodes that have nothing yet, until the next publish.
    pub async fn lay_key_set(&self, set: &Signed<KeySet>) -> Result<Laid, Error> {
        let claims = set.claims();
        if claims.channel != self.channel {
            return Err(Error::KeySet(format!(
                "the key set is one of channel {}, not {}",
                claims.channel, self.channel
            )));
        }
        for _ in 0..=REBASES_MAX {
            let tip = match self.tip().await {
                Err(Error::NoChannel(_)) => None,
                tip => Some(tip?),
            };
            let Some(tip) = tip else {
                let missing = missing(&claims.roots, set);
                if missing > 0 {
                    return Err(unsigned(missing, "its own root keys"));
                }
                self.keep_key_set(set).await?;
                if self.replace(None, &State { key_set: set.clone(), head: None }).await? {
                    return Ok(Laid::New);
                }
                continue;
            };
            let known = tip.state.key_set.claims();
            if claims.version > known.version && claims.version != known.version + 1 {
                return Err(Error::KeySet(format!(
                    "channel {} has key set {}, and {} was given: make the next one of what is in force, with catchment keyset next",
                    self.channel, known.version, claims.version
                )));
            }
            for (roots, whose) in
                [(&known.roots, "the root keys of the key set in force"), (&claims.roots, "its own root keys")]
            {
                let missing = missing(roots, set);
                if missing > 0 && claims.version > known.version {
                    return Err(unsigned(missing, whose));
                }
            }
            let refused = |refusal| Error::Refused {
                what: "key set, if it were",
                refusal: Box::new(refusal),
                remedy: "make the next one of what is in force, with catchment keyset next",
            };
            let mut trust = tip.trust.clone();
            if trust.learn_key_set(set.clone()).map_err(refused)? == Learned::Known {
                return Ok(Laid::Known);
            }
            self.keep_key_set(set).await?;
            let mut head = tip.state.head;
            if let Some(head) = &mut head
                && let Some(on) = head.trial.take()
            {
                // What nobody would believe any more would have nodes refuse the state.
                head.trial = trust.learn_trial(&head.manifest, &on).is_ok().then_some(on);
            }
            let state = State { key_set: set.clone(), head };
            if self.replace(tip.version.as_ref(), &state).await? {
                return Ok(Laid::New);
            }
        }
        Err(self.too_often().await)
    }

    /// The key set in force, from the store.
    pub async fn key_set_in_force(&self) -> Result<Signed<KeySet>, Error> {
        Ok(self.tip().await?.state.key_set)
    }
}

/// How many signatures of these root keys a key set lacks.
pub fn missing(roots: &Roots, set: &Signed<KeySet>) -> usize {
    usize::from(roots.threshold()).saturating_sub(roots.signed(set))
}

fn unsigned(missing: usize, whose: &str) -> Error {
    Error::KeySet(format!("{missing} more of {whose} must sign the key set: catchment keyset sign"))
}

/// The key set that follows one: what is not asked for stays.
pub fn next(
    before: &KeySet,
    roots: Option<Roots>,
    keys: Vec<ReleaseKey>,
    now_secs: u64,
) -> Result<KeySet, crate::sync::codec::FormatError> {
    use crate::sync::codec::FormatError;
    let version = before.version.checked_add(1).ok_or(FormatError::Invalid("no version follows this key set's"))?;
    KeySet::new(before.channel.clone(), version, now_secs, roots.unwrap_or_else(|| before.roots.clone()), keys)
}

impl Anchor {
    /// Believes a key set and those that follow it.
    pub fn key_set(set: Signed<KeySet>) -> Anchor {
        Anchor::KeySet(Box::new(set))
    }
}
