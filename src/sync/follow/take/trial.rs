//! Releases on trial: taken if the node is named, and gone back from when time is over.
//!
//! - It is taken on top of the head, so that what one goes back to was served just before, and only while all of that is on the disk.
//! - Time is the monotonic clock's, from the moment in which the release was applied, or a higher step was seen.
//! - Whatever the stores do, going back needs nothing of them: the cache keeps all that the return release needs.
//! - A node that starts goes back at once, whatever time is left: if the release was what ended it, the first restart heals that; and no
//!   clock has to be trusted over a restart.

use super::super::Shared;
use super::super::failure::Failure;
use super::super::figures::Doing;
use super::Taker;
use crate::sync::head::{Head, State};
use crate::sync::trial::OnTrial;
use crate::sync::trust::Part;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

impl Taker {
    /// What is served, if it is on trial.
    fn tried(&self) -> Option<&OnTrial> {
        let (held, state) = self.serving.as_ref()?;
        let on = state.head.as_ref()?.trial.as_ref()?;
        (on.manifest.held() == *held).then_some(on)
    }

    /// The tree that one goes back to, while a release is on trial.
    pub(super) fn way_back(&self) -> Option<crate::sync::tree::Root> {
        self.tried().map(|on| on.back.claims().root)
    }

    /// The release on trial beside this head, which is served, if there is one and it is meant for this node.
    pub(super) async fn take_on_trial(
        &mut self,
        shared: &Shared,
        state: &Arc<State>,
        head: &Head,
        on: &OnTrial,
        began: Instant,
    ) -> Result<(), Failure> {
        self.trust.learn_trial(&head.manifest, on)?;
        shared.hears_of_trial(Some(on));
        let settings = &shared.settings;
        // A node that runs behind tries nothing.
        if !settings.delay.is_zero() {
            return Ok(());
        }
        let (trial, held) = (on.trial.claims(), on.manifest.held());
        match self.trust.judge_trial(&settings.node, on)? {
            Part::None | Part::Over => Ok(()),
            Part::Held => {
                if self.tried().is_some() {
                    // Under a new key set the same word is news once more, and no reason to stay.
                    if trial.step > self.tried_step && trial.names(&settings.node) {
                        self.counts_from_now(shared, on);
                    }
                    return Ok(());
                }
                // What was taken is damaged, and what was before is served: from there the way leads on, not back.
                self.serve_back(shared, on, Arc::clone(state)).await
            }
            Part::Take => {
                shared.status.set(|figures| {
                    figures.pending_since.get_or_insert_with(Instant::now);
                });
                let is_ready = self.serving.as_ref().is_some_and(|(serving, _)| *serving == head.manifest.held());
                if let Some(why) = self.unkept.clone().or_else(|| (!is_ready).then(|| "the head is not served".into()))
                {
                    let generation = held.generation;
                    return Err(Failure::Passing(format!(
                        "release {generation} is on trial, and taken when what it would be gone back to is kept: {why}"
                    )));
                }
                let root = on.manifest.claims().root;
                let assembled = self.assemble_good(shared, held, root).await?;
                let kept = match &assembled.unkept {
                    Some(why) => Err(why.clone()),
                    None => self.keep(held, state).await,
                };
                if let Err(why) = kept {
                    // It is not served before it can be left again; what is served stays kept.
                    return Err(Failure::Passing(format!("release {} is on trial: {why}", held.generation)));
                }
                self.serve(shared, held, Arc::clone(state), assembled, began).await;
                self.counts_from_now(shared, on);
                self.tidy(shared).await;
                Ok(())
            }
        }
    }

    /// The deadline of a release on trial that is served counts from now.
    fn counts_from_now(&mut self, shared: &Shared, on: &OnTrial) {
        let trial = on.trial.claims();
        let back = Instant::now() + Duration::from_secs(trial.deadline_secs.into());
        (self.back_at, self.tried_step) = (Some(back), trial.step);
        shared.status.set(|figures| figures.trial = Some((trial.step, back)));
        tracing::info!(
            "generation {} is on trial, step {}: back to what was before in {} s, unless it is promoted",
            trial.release.generation,
            trial.step,
            trial.deadline_secs
        );
        shared.news.notify_one();
    }

    /// Nobody promoted what is on trial in time.
    pub(super) async fn go_back(&mut self, shared: &Shared) {
        self.back_at = None;
        let Some((on, (_, state))) = self.tried().cloned().zip(self.serving.clone()) else { return };
        let (tried, back) = (on.manifest.claims().generation, on.back.claims().generation);
        tracing::error!(
            "generation {tried} was on trial, and nobody promoted it in time: back to what was served before, as {back}"
        );
        match self.serve_back(shared, &on, state).await {
            Ok(()) if self.back_failures > 0 => {
                self.back_failures = 0;
                shared.status.set(|figures| (figures.doing, figures.problem) = (Doing::Watching, None));
            }
            Ok(()) => {}
            Err(failure) => {
                self.back_failures += 1;
                self.back_at = Some(Instant::now() + shared.pause(self.back_failures));
                let why = failure.why();
                tracing::error!("ALARM: generation {tried} is still served, its return release can't be had: {why}");
                shared.status.hindered(format!("generation {back}, which is to be gone back to, can't be had: {why}"));
                shared.news.notify_one();
            }
        }
    }

    /// Serves the return release.
    async fn serve_back(&mut self, shared: &Shared, on: &OnTrial, state: Arc<State>) -> Result<(), Failure> {
        let (began, held) = (Instant::now(), on.back.held());
        let assembled = self.assemble(shared, on.back.claims().root, true).await?;
        let kept = match &assembled.unkept {
            Some(why) => Err(why.clone()),
            None => self.keep(held, &state).await,
        };
        // Unlike others it is served although it is not kept: a restart finds the one on trial, and goes back from that.
        if let Err(why) = kept {
            self.cannot_keep(shared, why);
        }
        self.serve(shared, held, state, assembled, began).await;
        if self.unkept.is_none() {
            self.tidy(shared).await;
        }
        Ok(())
    }

    /// What this gives, unless the node must go back first.
    pub(super) async fn in_time<T>(
        back_at: Option<Instant>,
        job: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(back_at) = back_at else { return job.await };
        let late = |_| Err(Failure::Passing("what is on trial must be gone back from first".into()));
        timeout_at(back_at, job).await.unwrap_or_else(late)
    }
}
