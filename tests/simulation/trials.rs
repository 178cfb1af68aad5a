//! Releases on trial, as they were signed: who may serve one, and for how long.

use super::oracle::Oracle;
use super::shelf::Shelf;
use catchment::sync::codec::Digest;
use catchment::sync::head::Head;
use catchment::sync::trial::OnTrial;
use std::collections::BTreeSet;
use std::time::Duration;

/// Going back takes a whole disk no longer than this.
pub(crate) const BACK_MAX: Duration = Duration::from_secs(1);

/// A release on trial.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// All that any step named.
    pub(crate) nodes: BTreeSet<String>,
    step: u32,
    /// The deadlines of all steps together: a node may see each just before that of the one before is over.
    pub(crate) longest: Duration,
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
        let tried = self.trials.entry(name).or_default();
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

    /// A release that is on trial or was, and never the head.
    pub(crate) fn tried(&self, release: &Digest) -> Option<&Tried> {
        let was_head = self.releases.get(release).is_some_and(|release| release.head_since.is_some());
        self.trials.get(release).filter(|_| !was_head)
    }
}
