//! Releases on trial, as they were signed: who may serve one, for how long, and who may end it.

use super::met::Met;
use super::oracle::Oracle;
use super::shelf::Shelf;
use super::world::World;
use catchment::sync::codec::Digest;
use catchment::sync::head::Head;
use catchment::sync::trial::{OnTrial, Trial};
use catchment::sync::trust::Held;
use std::collections::BTreeSet;
use std::time::Duration;

/// Going back takes a whole disk no longer than this.
pub(crate) const BACK_MAX: Duration = Duration::from_secs(1);

/// A release on trial.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// All that any step named.
    pub(crate) nodes: BTreeSet<String>,
    step: u32,
    /// The deadlines of all steps together: a node may see each just before that of the one before is over.
    pub(crate) longest: Duration,
    /// What one goes back to.
    back: Digest,
}

/// Which trial is on, and who may end it.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// With the key set that was in force when it was last heard of.
    on_trial: Option<(Trial, u32)>,
    /// Those that their own publishers end.
    own: BTreeSet<Digest>,
    /// Others who end whichever is on: who goes back to an older release, operators.
    others: u32,
    /// No publisher can be expected to know any more how old a trial is.
    clocks_jumped: bool,
}

impl Ends {
    pub(crate) fn on_trial(&self) -> Option<&Trial> {
        self.on_trial.as_ref().map(|(trial, _)| trial)
    }

    /// Its own publisher is about to.
    pub(crate) fn may_end(&mut self, of: Held) {
        self.own.insert(of.manifest);
    }

    pub(crate) fn clocks_jump(&mut self) {
        self.clocks_jumped = true;
    }
}

/// Somebody who may end whichever trial is on, as long as this is there.
pub(crate) struct Ending<'a>(&'a World);

impl Ending<'_> {
    pub(crate) fn begin(world: &World) -> Ending<'_> {
        world.oracle().ends.others += 1;
        Ending(world)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.oracle().ends.others -= 1;
    }
}

impl Oracle {
    /// A publisher has laid a release on trial, or widened it. `Err`: what is wrong with that.
    pub(crate) fn tries(&mut self, shelf: &Shelf, head: &Head, on: &OnTrial, stolen: bool) -> Result<(), String> {
        let (trial, name) = (on.trial.claims(), on.manifest.digest());
        if trial.head != head.manifest.held() || on.back.claims().root != head.manifest.claims().root {
            return Err("what is on trial is beside another head".into());
        }
        for manifest in [&on.manifest, &on.back] {
            self.learn(shelf, manifest, stolen)?;
            if let Some(lost) = self.lost_of(shelf, &manifest.digest()) {
                return Err(format!("blob {lost} of what is on trial is not there"));
            }
        }
        let back = on.back.digest();
        let first = Tried { nodes: BTreeSet::new(), step: 0, longest: Duration::ZERO, back };
        let tried = self.trials.entry(name).or_insert(first);
        if trial.step == tried.step {
            return Ok(());
        }
        let nodes: BTreeSet<String> = trial.nodes().iter().cloned().collect();
        if trial.step != tried.step + 1 || !tried.nodes.is_subset(&nodes) {
            return Err(format!("step {} does not follow step {}", trial.step, tried.step));
        }
        tried.step = trial.step;
        tried.longest += Duration::from_secs(trial.deadline_secs.into());
        tried.nodes = nodes;
        Ok(())
    }

    /// This is on trial now. `Err`: what was on trial before was ended by somebody who had no business to.
    pub(crate) fn goes_on(&mut self, world: &World, now: Option<&Trial>, stolen: bool) -> Result<(), String> {
        let key_set = self.key_set;
        let ends = &mut self.ends;
        let before = std::mem::replace(&mut ends.on_trial, now.map(|trial| (trial.clone(), key_set)));
        let Some((trial, in_force)) = before.filter(|(trial, _)| now.is_none_or(|now| now.release != trial.release))
        else {
            return Ok(());
        };
        // A key set without the key that signed it ends it as well.
        if stolen || key_set > in_force || ends.others > 0 || ends.own.contains(&trial.release.manifest) {
            return Ok(());
        }
        let age_secs = world.now_secs().saturating_sub(trial.time_secs);
        if age_secs > 2 * u64::from(trial.deadline_secs) {
            world.meets(Met::Abandoned);
            return Ok(());
        }
        match ends.clocks_jumped {
            true => Ok(()),
            false => Err(format!(
                "another publisher had {} on trial, since {age_secs} s with a deadline of {} s",
                trial.release.generation, trial.deadline_secs
            )),
        }
    }

    /// A release that is on trial or was, and never the head.
    pub(crate) fn tried(&self, release: &Digest) -> Option<&Tried> {
        self.trials.get(release).filter(|_| !self.was_head(release))
    }

    /// The trial from which one goes back to this release, which was never the head.
    pub(crate) fn left(&self, back: &Digest) -> Option<&Tried> {
        self.trials.values().find(|tried| tried.back == *back).filter(|_| !self.was_head(back))
    }

    fn was_head(&self, release: &Digest) -> bool {
        self.releases.get(release).is_some_and(|release| release.head_since.is_some())
    }
}
