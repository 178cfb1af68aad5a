//! From a channel's state to the release that is served: what a node believes, fetches, checks, keeps and applies.

mod trial;

use super::ask::Asker;
use super::delay::Queue;
use super::failure::{Failure, Refused};
use super::fetch::{Fetch, Large};
use super::figures::Doing;
use super::tree::{Step, Tree};
use super::watch::{Newest, Sighting};
use super::{Shared, Update};
use crate::counted::counted;
use crate::sync::cache::{Cache, Item, RELEASES_KEPT};
use crate::sync::codec::Digest;
use crate::sync::head::{Head, State};
use crate::sync::key_set::KeySet;
use crate::sync::manifest::Manifest;
use crate::sync::pack::PACK_MAX;
use crate::sync::page::{Leaf, Page, Place};
use crate::sync::report::Serving;
use crate::sync::signed::Signed;
use crate::sync::tree::{Change, Root};
use crate::sync::trust::{Held, Learned, Refusal, Trust, Verdict};
use crate::zone::image::{self, Image};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch as latest;
use tokio::time::{Instant, sleep_until, timeout};

/// How long stores are asked at the start for what is damaged on the disk, before an older release is served.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(10);
/// A cache that could not be written is tried again after this.
const MEND_PAUSE: Duration = Duration::from_secs(60);
/// A file of the cache is looked at each time that so much has passed, one after the other: what is damaged while the node runs is mended
/// while stores can be asked, not at the next start.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
/// Key sets that are walked through at once.
const KEY_SETS_MAX: u32 = 256;
/// How long a store may take for a key set.
const KEY_SET_TIMEOUT: Duration = Duration::from_secs(30);
/// A pack of the node's own is closed before it would grow beyond this.
const PACK_FILL: usize = PACK_MAX - (64 << 10);

/// All that a release needs, here and checked.
struct Assembled {
    step: Step,
    changed: Vec<(Leaf, Image)>,
    /// Why not all of it is on the disk, if it is not.
    unkept: Option<String>,
}

/// What only the release before the one that is served uses: kept as long as that one is.
#[derive(Default)]
struct Previous {
    pages: BTreeSet<Digest>,
    /// Octets of images by their names.
    images: BTreeMap<Digest, u64>,
    /// Segments of such images; what is served may have them too.
    segments: HashSet<Digest>,
}

/// Takes releases.
pub(super) struct Taker {
    trust: Trust,
    cache: Cache,
    tree: Tree,
    /// The large images that are served: the next ones share what did not change.
    large: Large,
    /// What is served, and the state in which it was taken.
    serving: Option<(Held, Arc<State>)>,
    previous: Previous,
    /// Why what is served is not on the disk, if it is not.
    unkept: Option<String>,
    asker: Asker,
    /// A release whose content was refused: it is not fetched again to be refused again.
    bad: Option<(Digest, Refused)>,
    /// Damage of the cache that is known.
    damaged: u64,
    mend_now: bool,
    /// When something was mended last.
    mended: Option<Instant>,
    /// The file of the cache that was looked at last.
    looked_at: Option<Item>,
    /// When a release on trial is gone back from, or that is tried again; the step from which time counts; and how often it failed.
    back_at: Option<Instant>,
    tried_step: u32,
    back_failures: u32,
    /// Releases that a node which runs behind is to take.
    queue: Queue,
}

impl Taker {
    /// Reads the cache, and serves the newest release in it that is whole.
    pub(super) async fn start(shared: &Shared, cache: Cache) -> Taker {
        let trust = Trust::new(shared.settings.policy.clone());
        let mut taker = Taker {
            trust,
            cache,
            tree: Tree::default(),
            large: Large::new(),
            serving: None,
            previous: Previous::default(),
            unkept: None,
            asker: Asker::new(),
            bad: None,
            damaged: 0,
            mend_now: false,
            mended: None,
            looked_at: None,
            back_at: None,
            tried_step: 0,
            back_failures: 0,
            queue: Queue::new(shared.settings.delay),
        };
        if let Err(error) = taker.read_cache(shared).await {
            taker.cannot_keep(shared, format!("the cache can't be read: {error}"));
        }
        taker.count_damage(shared);
        taker
    }

    async fn read_cache(&mut self, shared: &Shared) -> io::Result<()> {
        let versions = self.cache.list().await?;
        let taken = self.cache.releases();
        let mut states = BTreeMap::new();
        for held in &taken {
            if let Some(state) = self.cache.release(held).await {
                states.insert(*held, state);
            }
        }
        let mut sets: Vec<Signed<KeySet>> = states.values().map(|state| state.key_set.clone()).collect();
        for version in versions {
            sets.extend(self.cache.key_set(version).await);
        }
        sets.sort_by_key(|set| set.claims().version);

        // A release was signed under a key set that was in force when it was taken: newer ones may have replaced its key since.
        let mut believed = BTreeSet::new();
        let mut refused = BTreeMap::new();
        for set in sets {
            if self.trust.learn_key_set(set).is_ok() {
                for (held, state) in &states {
                    let manifests =
                        state.head.iter().flat_map(|head| head.find(held).into_iter().chain(back(head, held)));
                    match manifests.map(|manifest| self.trust.judge(manifest)).find(Result::is_err) {
                        None => drop(believed.insert(*held)),
                        Some(Err(refusal)) => drop(refused.insert(*held, refusal)),
                        Some(Ok(_)) => {}
                    }
                }
            }
        }
        for held in states.keys().filter(|held| !believed.contains(held)) {
            let why =
                refused.get(held).map_or("no key set in the cache is signed by root-keys".into(), |r| r.to_string());
            tracing::error!("release {} in the cache is not served: {why}", held.generation);
        }
        // A name says what was taken even if the content is damaged: nobody may lead the node back.
        let floor = taken.iter().rev().find(|held| believed.contains(held) || !states.contains_key(held));
        if let Some(newest) = floor {
            self.trust_has(*newest, states.get(newest));
        }

        let mut repair = true;
        for taken in believed.iter().rev() {
            let Some(state) = states.remove(taken) else { continue };
            let Some(head) = &state.head else { continue };
            // What was on trial is gone back from.
            let Some(manifest) = back(head, taken).or_else(|| head.find(taken)) else { continue };
            let (held, root) = (&manifest.held(), manifest.claims().root);
            if held != taken {
                tracing::error!(
                    "generation {} was on trial when the node ended: it starts with what was before, as {}",
                    taken.generation,
                    held.generation
                );
            }
            let mut assembled = self.assemble(shared, root, false).await;
            if let Err(Failure::Passing(why)) = &assembled
                && std::mem::take(&mut repair)
            {
                tracing::warn!("release {} in the cache is not whole: {why}", held.generation);
                let again = timeout(REPAIR_TIMEOUT, self.assemble(shared, root, true)).await;
                assembled = again.unwrap_or_else(|_| Err(Failure::Passing("stores take too long".into())));
            }
            match assembled {
                Ok(assembled) => {
                    let _ = self.trust.learn_freshness(&head.freshness);
                    let state = Arc::new(state);
                    if held != taken
                        && let Err(why) = self.keep(*held, &state).await
                    {
                        self.cannot_keep(shared, why);
                    }
                    self.serve(shared, *held, state, assembled, Instant::now()).await;
                    let older = believed.range(..*taken).next_back();
                    let older = older.and_then(|held| root_of(states.get(held)?, held));
                    self.count_used(older).await;
                    // Who died before all was tidied, or went back just now, need not wait for the next release.
                    let kept = self.cache.releases();
                    if self.unkept.is_none() && kept.len() > RELEASES_KEPT && kept.last() == Some(held) {
                        self.tidy(shared).await;
                    }
                    return Ok(());
                }
                Err(Failure::Passing(why) | Failure::Refused(Refused { why, .. })) => {
                    tracing::error!("release {} in the cache can't be served: {why}", held.generation);
                }
            }
        }
        Ok(())
    }

    /// Takes what is sighted, until nobody sights anything any more.
    pub(super) async fn run(
        mut self,
        shared: &Shared,
        mut seen: latest::Receiver<Newest>,
        refuse: latest::Sender<Newest>,
    ) {
        let mut failures = 0;
        let mut again: Option<Instant> = None;
        let mut mend: Option<Instant> = None;
        let mut look = Instant::now() + shared.jittered(LOOK_PAUSE);
        shared.status.set(|figures| figures.doing = Doing::Watching);
        loop {
            if self.unkept.is_none() {
                mend = None;
            } else if mend.is_none() {
                mend = Some(Instant::now() + self.mend_pause(shared));
            }
            tokio::select! {
                biased;
                // Before all that a store can bring about.
                () = at(self.back_at) => {
                    self.go_back(shared).await;
                    continue;
                }
                changed = seen.changed() => if changed.is_err() { return },
                () = at(self.queue.due_at()) => {
                    self.take_due(shared).await;
                    continue;
                }
                () = at(again) => {}
                () = at(mend) => {
                    mend = None;
                    self.mend(shared).await;
                    continue;
                }
                () = sleep_until(look) => {
                    self.look_at_cache(shared).await;
                    look = Instant::now() + shared.jittered(LOOK_PAUSE);
                    continue;
                }
            }
            let Some(sighting) = seen.borrow_and_update().clone() else { continue };
            let taken = self.take(shared, &sighting).await;
            self.count_damage(shared);
            again = None;
            match taken {
                Ok(()) => {
                    failures = 0;
                    shared.status.set(|figures| (figures.doing, figures.problem) = (Doing::Watching, None));
                }
                Err(Failure::Refused(refused)) => {
                    failures = 0;
                    self.refused(shared, &sighting, &refused);
                    if refused.elsewhere {
                        refuse.send_replace(Some(sighting));
                    }
                }
                Err(Failure::Passing(why)) => {
                    failures += 1;
                    again = Some(Instant::now() + shared.pause(failures));
                    if shared.status.hindered(why.clone()) {
                        tracing::warn!("a release can't be taken yet: {why}");
                        shared.news.notify_one();
                    }
                }
            }
        }
    }

    /// Looks at the next file of the cache.
    async fn look_at_cache(&mut self, shared: &Shared) {
        self.looked_at = self.cache.after(self.looked_at);
        if let Some(item) = self.looked_at {
            let root_len_max = image::Root::len_max(shared.settings.policy.octets_max);
            self.cache.look_at(item, root_len_max).await;
            self.count_damage(shared);
        }
    }

    /// What is damaged is mended at once, but not over and over; a disk that does not take anything gets some time.
    fn mend_pause(&mut self, shared: &Shared) -> Duration {
        let rested = self.mended.is_none_or(|mended| mended.elapsed() >= MEND_PAUSE);
        if std::mem::take(&mut self.mend_now) && rested { Duration::ZERO } else { shared.jittered(MEND_PAUSE) }
    }

    fn refused(&self, shared: &Shared, sighting: &Sighting, refused: &Refused) {
        let Refused { label, why, alarm, .. } = refused;
        let store = &shared.stores[sighting.store].name;
        shared.status.set(|figures| *figures.refused.entry(label).or_default() += 1);
        if *alarm {
            tracing::error!("ALARM: refused what store {store} has, keys are misused: {why}");
        } else {
            tracing::error!("refused what store {store} has: {why}");
        }
        shared.status.hindered(format!("refused ({label}): {why}"));
        shared.news.notify_one();
    }

    async fn take(&mut self, shared: &Shared, sighting: &Sighting) -> Result<(), Failure> {
        let began = Instant::now();
        let state = Arc::new(sighting.state.state().map_err(Refusal::Format)?);
        self.learn_key_set(shared, &state.key_set).await?;
        let Some(head) = &state.head else { return Ok(()) };
        self.trust.learn_freshness(&head.freshness)?;
        if head.trial.is_none() {
            shared.hears_of_trial(None);
        }
        let word = head.freshness.claims();
        shared.status.set(|figures| figures.head = Some((word.generation, word.time_secs)));
        let verdict = self.trust.judge_head(word, &head.manifest);
        let waits = !self.take_head(shared, verdict, head, &state, began).await?;
        if let Some(on) = &head.trial {
            self.take_on_trial(shared, &state, head, on, began).await?;
        }
        if !waits {
            shared.status.set(|figures| figures.pending_since = None);
        }
        Ok(())
    }

    /// The head, if it is to be served. False: it is not yet time.
    async fn take_head(
        &mut self,
        shared: &Shared,
        verdict: Result<Verdict, Refusal>,
        head: &Head,
        state: &Arc<State>,
        began: Instant,
    ) -> Result<bool, Failure> {
        let (held, root) = (head.manifest.held(), head.manifest.claims().root);
        let waits = !shared.settings.delay.is_zero() && self.serving.is_some() && self.tree.root() != Some(&root);
        if waits && verdict == Ok(Verdict::Take) {
            self.queue.add(held, root, Arc::clone(state), Instant::now());
            return Ok(false);
        }
        if matches!(verdict, Ok(Verdict::Take) | Err(Refusal::TooLarge { .. })) {
            shared.status.set(|figures| {
                figures.pending_since.get_or_insert_with(Instant::now);
            });
        }
        // One that is held may still be to be fetched: the cache was damaged. Above it is what is on trial, or was.
        if verdict? == Verdict::Held && self.serving.as_ref().is_some_and(|(serving, _)| *serving >= held) {
            return Ok(true);
        }
        self.take_release(shared, held, root, Arc::clone(state), began).await?;
        Ok(true)
    }

    /// The newest release that a node which runs behind has known for long enough.
    async fn take_due(&mut self, shared: &Shared) {
        let began = Instant::now();
        let Some(due) = self.queue.due(began).cloned() else { return };
        let Some(manifest) = due.state.head.as_ref().and_then(|head| head.find(&due.held)).cloned() else { return };
        shared.status.set(|figures| {
            figures.pending_since.get_or_insert(began);
        });
        // Keys may have been replaced since.
        let judged = self.trust.judge(&manifest).map_err(Failure::from);
        let taken = match judged {
            Ok(_) => self.take_release(shared, due.held, manifest.claims().root, due.state, began).await,
            Err(refused) => Err(refused),
        };
        self.count_damage(shared);
        match taken {
            Ok(()) => shared.status.set(|figures| (figures.doing, figures.problem) = (Doing::Watching, None)),
            Err(Failure::Refused(refused)) => {
                let Refused { label, why, .. } = &refused;
                tracing::error!(
                    "refused release {}, which was to be taken after the delay: {why}",
                    due.held.generation
                );
                shared.status.set(|figures| *figures.refused.entry(label).or_default() += 1);
                shared.status.hindered(format!("refused ({label}): {why}"));
                self.queue.done(due.held);
                shared.news.notify_one();
            }
            Err(Failure::Passing(why)) => {
                self.queue.try_again(Instant::now() + shared.jittered(MEND_PAUSE));
                if shared.status.hindered(why.clone()) {
                    tracing::warn!("a release can't be taken yet: {why}");
                    shared.news.notify_one();
                }
            }
        }
    }

    /// Gets a release that is not known to be bad, and remembers it if it is.
    async fn assemble_good(&mut self, shared: &Shared, held: Held, root: Root) -> Result<Assembled, Failure> {
        if let Some((_, refused)) = self.bad.as_ref().filter(|(manifest, _)| *manifest == held.manifest) {
            return Err(Failure::Refused(refused.clone()));
        }
        shared.status.set(|figures| figures.doing = Doing::Fetching);
        let assembled = Taker::in_time(self.back_at, self.assemble(shared, root, true)).await;
        if let Err(Failure::Refused(refused)) = &assembled {
            self.bad = Some((held.manifest, refused.clone()));
        }
        assembled
    }

    /// From now on the node starts with this release, all of which is on the disk.
    async fn keep(&mut self, held: Held, state: &State) -> Result<(), String> {
        // Whatever is missing of the release before is missing of this one.
        match &self.unkept {
            Some(why) => Err(why.clone()),
            None => {
                let kept = self.cache.keep_release(held, state).await;
                kept.map_err(|error| format!("the cache can't be written: {error}"))
            }
        }
    }

    async fn take_release(
        &mut self,
        shared: &Shared,
        held: Held,
        root: Root,
        state: Arc<State>,
        began: Instant,
    ) -> Result<(), Failure> {
        let assembled = self.assemble_good(shared, held, root).await?;
        let kept = match &assembled.unkept {
            Some(why) => Err(why.clone()),
            None => self.keep(held, &state).await,
        };
        match kept {
            Ok(()) => {
                self.serve(shared, held, state, assembled, began).await;
                self.tidy(shared).await;
            }
            Err(why) => {
                self.cannot_keep(shared, why);
                self.serve(shared, held, state, assembled, began).await;
            }
        }
        Ok(())
    }

    /// Takes the newest key set into force, through those between if it must be.
    async fn learn_key_set(&mut self, shared: &Shared, newest: &Signed<KeySet>) -> Result<(), Failure> {
        let first = match self.learn_and_keep(shared, newest.clone()).await {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        if !matches!(first, Refusal::Threshold { .. }) || newest.claims().channel != shared.settings.policy.channel {
            return Err(first.into());
        }
        let known = self.trust.key_set().map(|set| set.claims().version);
        let first_version = shared.settings.policy.min_generation.key_set.max(1);
        let from = known.map_or(first_version, |known| known.saturating_add(1));
        let end = newest.claims().version.min(from.saturating_add(KEY_SETS_MAX));
        for version in from..end {
            let set = Taker::in_time(self.back_at, self.key_set(shared, version)).await?;
            let Some(set) = set else { break };
            if let Err(refusal) = self.learn_and_keep(shared, set).await
                && self.trust.key_set().is_some()
            {
                // The chain is broken here: nothing further on can be believed.
                return Err(refusal.into());
            }
        }
        self.learn_and_keep(shared, newest.clone()).await.map_err(Failure::from)
    }

    async fn learn_and_keep(&mut self, shared: &Shared, set: Signed<KeySet>) -> Result<(), Refusal> {
        let version = set.claims().version;
        if self.trust.learn_key_set(set.clone())? == Learned::New {
            tracing::info!("key set {version} is in force");
            if let Err(error) = self.cache.keep_key_set(&set).await {
                self.cannot_keep(shared, format!("the cache can't be written: {error}"));
            }
        }
        Ok(())
    }

    /// A key set from the first store that has it.
    async fn key_set(&self, shared: &Shared, version: u32) -> Result<Option<Signed<KeySet>>, Failure> {
        let mut failed = None;
        for (at, store) in shared.by_preference() {
            let channel = &shared.settings.policy.channel;
            let got = timeout(KEY_SET_TIMEOUT, store.channels.key_set(channel, version)).await;
            let why = match got {
                Ok(Ok(Some(bytes))) => match Signed::decode(&bytes) {
                    Ok(set) => return Ok(Some(set)),
                    Err(error) => error.to_string(),
                },
                Ok(Ok(None)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            let what = format!("key set {version}: {why}");
            shared.store_failed(at, &what);
            failed = Some(Failure::Passing(what));
        }
        failed.map_or(Ok(None), Err)
    }

    /// Gets what the release with this root needs and is not served already, and checks it.
    async fn assemble(&mut self, shared: &Shared, root: Root, online: bool) -> Result<Assembled, Failure> {
        let mut fetch = Fetch { shared, online, unkept: None };
        let fresh = fetch.pages(&mut self.cache, &root, &self.tree).await?;
        let step = self.tree.step(root, fresh).map_err(|why| Failure::release("page", why))?;
        Taker::contradiction(&step).map_or(Ok(()), Err)?;
        let leaves = step.changes.iter().filter_map(new_image).cloned().collect();
        let changed = fetch.images(&mut self.cache, leaves, &self.large).await?;
        for (_, image) in &changed {
            self.asker.ask(image).map_err(|why| Failure::release("question", why))?;
        }
        Ok(Assembled { step, changed, unkept: fetch.unkept })
    }

    /// What a step says of an image that is served already, and that this image is not. It is not opened again; but the next start opens all
    /// images by what the newest release says of them, and must find that to be so: else the node would go back to the release before (I2).
    fn contradiction(step: &Step) -> Option<Failure> {
        step.changes.iter().find_map(|change| {
            let Change::Changed { old, new } = change else { return None };
            let is_other = old.image == new.image && (old.serial, old.len) != (new.serial, new.len);
            let name = &new.name;
            is_other.then(|| {
                Failure::release("image", format!("zone {name}: what is said of its image is not what that image is"))
            })
        })
    }

    /// Has the node answer from it.
    async fn serve(&mut self, shared: &Shared, held: Held, state: Arc<State>, assembled: Assembled, began: Instant) {
        let Assembled { step, changed, .. } = assembled;
        let removed = step.changes.iter().filter_map(|change| match change {
            Change::Removed(leaf) => Some(leaf.name.clone()),
            Change::Added(_) | Change::Changed { .. } => None,
        });
        let removed: Vec<_> = removed.collect();
        let (zones, gone) = (changed.len(), removed.len());
        let channel = shared.settings.policy.channel.clone();
        let is_large =
            |(leaf, image): &(Leaf, Image)| (image.segments().len() > 0).then(|| (leaf.name.clone(), image.clone()));
        let large: Large = changed.iter().filter_map(is_large).collect();
        let applying = Instant::now();
        shared.node.apply(Update { release: held, channel, changed, removed }).await;
        let now = Instant::now();
        self.trust_has(held, Some(&state));
        self.serving = Some((held, state));
        self.bad = None;
        (self.back_at, self.tried_step) = (None, 0);
        self.queue.done(held);

        let mut before = std::mem::take(&mut self.previous.images);
        self.previous.segments.clear();
        for change in &step.changes {
            if let Some(leaf) = new_image(change)
                && before.remove(&leaf.image).is_none()
            {
                self.cache.uses(&leaf.image, leaf.len);
            }
            if let Some(leaf) = old_image(change) {
                self.previous.images.insert(leaf.image, leaf.len);
                if let Some(image) = self.large.remove(&leaf.name) {
                    self.previous.segments.extend(image.segments().map(|segment| Digest(*segment.digest())));
                }
            }
        }
        self.large.extend(large);
        before.iter().for_each(|(image, len)| self.cache.uses_no_more(image, *len));
        self.previous.pages.clone_from(&step.gone);
        self.tree.advance(step);

        let since_secs = (shared.clock)();
        shared.status.set(|figures| {
            let Held { generation, manifest } = held;
            figures.serving = Some(Serving { generation, manifest, since_secs });
            figures.applied += 1;
            (figures.apply_time, figures.take_time) = (now - applying, now - began);
            figures.trial = None;
            // Who runs behind has taken what was due.
            if figures.head.is_none_or(|(head, _)| head <= generation) || !shared.settings.delay.is_zero() {
                figures.pending_since = None;
            }
        });
        let took = now - began;
        tracing::info!(
            "serving generation {} of channel {}: {} changed, {gone} removed, in {took:.1?}",
            held.generation,
            shared.settings.policy.channel,
            counted(zones, "zone")
        );
        shared.news.notify_one();
    }

    /// The node has this release, which was taken in this state.
    fn trust_has(&mut self, held: Held, state: Option<&State>) {
        let head = state.and_then(|state| state.head.as_ref()).map(|head| head.manifest.held());
        match head.filter(|head| *head < held) {
            Some(head) => self.trust.applied_on_trial(held, head),
            None => self.trust.applied(held),
        }
    }

    /// Counts which of the cache's images are used, by what is served and by the release before it, whose tree this is.
    async fn count_used(&mut self, older: Option<Root>) {
        self.previous = match older {
            Some(root) => self.only_in(root).await.unwrap_or_default(),
            None => Previous::default(),
        };
        self.cache.uses_nothing();
        for leaf in self.tree.leaves() {
            self.cache.uses(&leaf.image, leaf.len);
        }
        for (image, len) in &self.previous.images {
            self.cache.uses(image, *len);
        }
    }

    /// What only this older release uses. `None`: its pages are not all here.
    async fn only_in(&mut self, root: Root) -> Option<Previous> {
        let (mut older, mut pages) = (Tree::default(), BTreeMap::new());
        let files = self.cache.files();
        let mut crawl = crate::sync::tree::Crawl::new(&root, |_| false);
        while let Some(page) = crawl.next_page() {
            let bytes: Arc<[u8]> = match self.tree.pages().get(&page.digest) {
                Some(bytes) => Arc::clone(bytes),
                None => files.page(&page.digest).await?.into(),
            };
            crawl.supply(&page, &bytes, |_| false).ok()?;
            pages.insert(page.digest, bytes);
        }
        let step = older.step(root, pages).ok()?;
        older.advance(step);
        let newest = *self.tree.root()?;
        let fresh = self.tree.pages().iter().filter(|(digest, _)| !older.has(digest));
        let step = older.step(newest, fresh.map(|(digest, bytes)| (*digest, Arc::clone(bytes))).collect()).ok()?;
        let mut previous = Previous { pages: step.gone, ..Previous::default() };
        for leaf in step.changes.iter().filter_map(old_image) {
            previous.images.insert(leaf.image, leaf.len);
            let home = self.cache.home(&leaf.image).filter(|_| leaf.place == Place::Own);
            if let Some(file) = home {
                let read = |_, bytes: &[u8]| {
                    if let Ok(root) = leaf.open_root(bytes.to_vec()) {
                        previous.segments.extend(root.segments().map(|(digest, _)| Digest(digest)));
                    }
                };
                self.cache.images(file, leaf.root_len_max(), read).await;
            }
        }
        Some(previous)
    }

    /// Removes what no kept release uses, and makes few packs of many that are hardly used.
    async fn tidy(&mut self, shared: &Shared) {
        let tidied = async {
            let sparse = self.cache.sparse();
            if !sparse.is_empty() {
                self.merge(sparse).await?;
            }
            let (tree, previous) = (&self.tree, &self.previous);
            let served = self.large.values().flat_map(Image::segments).map(|segment| Digest(*segment.digest()));
            let segments = served.chain(previous.segments.iter().copied()).collect();
            let used = |page: &Digest| tree.has(page) || previous.pages.contains(page);
            self.cache.sweep(RELEASES_KEPT, used, &segments).await
        };
        if let Err(error) = tidied.await {
            // What is too much does no harm but take room; the next release tries again.
            tracing::warn!("the cache can't be tidied: {error}");
        }
        self.count_damage(shared);
    }

    async fn merge(&mut self, sparse: Vec<u32>) -> io::Result<()> {
        let mut used: BTreeSet<Digest> = self.tree.leaves().map(|leaf| leaf.image).collect();
        used.extend(self.previous.images.keys());
        let (mut images, mut octets): (Vec<Vec<u8>>, usize) = (Vec::new(), 0);
        for file in sparse {
            let mut here = Vec::new();
            self.cache.images(file, 0, |name, bytes| here.push((name, bytes.to_vec()))).await;
            for (name, bytes) in here {
                if !used.contains(&name) || self.cache.home(&name) != Some(file) {
                    continue;
                }
                if octets + bytes.len() > PACK_FILL {
                    self.cache.rehome(&images.iter().map(Vec::as_slice).collect::<Vec<_>>()).await?;
                    (images, octets) = (Vec::new(), 0);
                }
                octets += bytes.len() + IMAGE_ENTRY;
                images.push(bytes);
            }
        }
        match images.is_empty() {
            true => Ok(()),
            false => self.cache.rehome(&images.iter().map(Vec::as_slice).collect::<Vec<_>>()).await,
        }
    }

    /// Brings what is served onto the disk, after that could not be written, or was damaged.
    async fn mend(&mut self, shared: &Shared) {
        self.mended = Some(Instant::now());
        let Some((held, state)) = self.serving.clone() else {
            // Only a key set could not be kept: a release that is kept has its own.
            return self.is_kept(shared);
        };
        let back_at = self.back_at;
        match Taker::in_time(back_at, self.bring_to_disk(shared, held, &state)).await {
            Ok(()) => {
                tracing::info!("generation {} is in the cache now", held.generation);
                self.is_kept(shared);
                let older = match self.way_back() {
                    Some(root) => Some(root),
                    None => self.older_root(held).await,
                };
                if let Some(root) = older
                    && let Err(failure) = Taker::in_time(back_at, self.bring_older_to_disk(shared, root)).await
                {
                    let why = failure.why();
                    tracing::warn!("the release before {} is not whole in the cache: {why}", held.generation);
                }
                self.count_used(older).await;
                self.tidy(shared).await;
            }
            Err(failure) => self.cannot_keep(shared, failure.why()),
        }
    }

    /// The tree of the release in the cache that is before this one.
    async fn older_root(&mut self, held: Held) -> Option<Root> {
        let older = self.cache.releases().into_iter().rev().find(|older| *older < held)?;
        root_of(&self.cache.release(&older).await?, &older)
    }

    async fn bring_to_disk(&mut self, shared: &Shared, held: Held, state: &State) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Passing(format!("the cache can't be written: {error}"));
        let files = self.cache.files();
        for (digest, bytes) in self.tree.pages() {
            if !self.cache.has_page(digest) {
                files.keep_page(digest, bytes).await.map_err(failed)?;
                self.cache.has(crate::sync::cache::Kept::Page(*digest));
            }
        }
        let mut fetch = Fetch { shared, online: true, unkept: None };
        for image in self.large.values() {
            fetch.keep(&mut self.cache, image).await;
        }
        if let Some(why) = fetch.unkept {
            return Err(Failure::Passing(why));
        }
        let missing: Vec<Leaf> = self.tree.leaves().filter(|leaf| self.cache.home(&leaf.image).is_none()).collect();
        fetch.images(&mut self.cache, missing, &self.large).await?;
        if let Some(why) = fetch.unkept {
            return Err(Failure::Passing(why));
        }
        if let Some(set) = self.trust.key_set() {
            self.cache.keep_key_set(set).await.map_err(failed)?;
        }
        self.cache.keep_release(held, state).await.map_err(failed)
    }

    /// The same for what only the release before has.
    async fn bring_older_to_disk(&mut self, shared: &Shared, root: Root) -> Result<(), Failure> {
        let mut fetch = Fetch { shared, online: true, unkept: None };
        let pages = fetch.pages(&mut self.cache, &root, &self.tree).await?;
        let leaves = pages.values().flat_map(|bytes| leaves_of(bytes));
        // Whether all segments of large ones are here is seen when these are put together.
        let lacking =
            leaves.filter(|leaf| leaf.place == Place::Own || self.cache.home(&leaf.image).is_none()).collect();
        fetch.images(&mut self.cache, lacking, &self.large).await.map(drop)
    }

    /// A restart would serve what is served now.
    fn is_kept(&mut self, shared: &Shared) {
        self.unkept = None;
        shared.status.set(|figures| figures.unkept = None);
    }

    /// What is served is not on the disk: a restart without a store would serve an older release.
    fn cannot_keep(&mut self, shared: &Shared, why: String) {
        if self.unkept.as_ref() != Some(&why) {
            let kept = self.cache.releases().last().map_or("nothing".into(), |held| held.generation.to_string());
            tracing::error!("ALARM: {why}; a restart would begin with what the cache has: {kept}");
        }
        shared.status.set(|figures| figures.unkept = Some(why.clone()));
        self.unkept = Some(why);
    }

    /// What is damaged is fetched again: what is served must be on the disk, whole.
    fn count_damage(&mut self, shared: &Shared) {
        let damaged = self.cache.damaged();
        if std::mem::replace(&mut self.damaged, damaged) != damaged {
            shared.status.set(|figures| figures.damaged = damaged);
            if self.serving.is_some() {
                self.unkept.get_or_insert_with(|| "files of the cache were damaged".into());
                self.mend_now = true;
            }
        }
    }
}

/// What one goes back to from this release, if it was on trial.
fn back<'a>(head: &'a Head, held: &Held) -> Option<&'a Signed<Manifest>> {
    head.trial.as_ref().filter(|on| on.manifest.held() == *held).map(|on| &on.back)
}

/// The tree of a release that was taken in this state; of one that was on trial, that of its return release.
fn root_of(state: &State, held: &Held) -> Option<Root> {
    let head = state.head.as_ref()?;
    back(head, held).or_else(|| head.find(held)).map(|manifest| manifest.claims().root)
}

/// At this time; never if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Octets that an image takes in a pack's directory.
const IMAGE_ENTRY: usize = 36;

/// The zone whose image the next release has and the one before has not.
fn new_image(change: &Change) -> Option<&Leaf> {
    match change {
        Change::Added(leaf) => Some(leaf),
        Change::Changed { old, new } if old.image != new.image => Some(new),
        Change::Changed { .. } | Change::Removed(_) => None,
    }
}

/// The zone whose image the release before has and the next one has not.
fn old_image(change: &Change) -> Option<&Leaf> {
    match change {
        Change::Removed(leaf) => Some(leaf),
        Change::Changed { old, new } if old.image != new.image => Some(old),
        Change::Changed { .. } | Change::Added(_) => None,
    }
}

impl Tree {
    /// All zones, in no stated order.
    fn leaves(&self) -> impl Iterator<Item = Leaf> {
        self.pages().values().flat_map(|bytes| leaves_of(bytes))
    }
}

/// The zones of a page; it was read when it came.
fn leaves_of(page: &[u8]) -> Vec<Leaf> {
    match Page::decode(page) {
        Ok(Page::Leaves(leaves)) => leaves,
        Ok(Page::Inner { .. }) | Err(_) => Vec::new(),
    }
}
