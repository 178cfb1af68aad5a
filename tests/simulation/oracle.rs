//! What is true: the releases that were signed, by whom, and what they hold. Learned from what is put into the store, never from what
//! a store says; and what must hold of a publisher is looked at here, each time that the head moves.

use super::shelf::Shelf;
use super::world::World;
use super::zones::Tree;
use catchment::sync::channel::Generation;
use catchment::sync::codec::Digest;
use catchment::sync::head::State;
use catchment::sync::key::{KeyId, PublicKey};
use catchment::sync::key_set::{KeySet, Use};
use catchment::sync::manifest::Manifest;
use catchment::sync::page::Page;
use catchment::sync::signed::Signed;
use catchment::sync::tree::Crawl;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// A release.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) generation: Generation,
    pub(crate) tree: Tree,
    /// Pages, packs, images of their own, the manifest.
    pub(crate) blobs: BTreeSet<Digest>,
    /// Whether it was signed with a stolen key.
    pub(crate) stolen: bool,
    /// When it was heard of here: a thief's from then on is shown to some.
    pub(crate) learned: Instant,
    /// When it became the head; `None`: it never was.
    pub(crate) head_since: Option<Instant>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// By the manifest's name.
    pub(crate) releases: BTreeMap<Digest, Release>,
    /// The head, as the store really has it.
    pub(crate) head: Option<Digest>,
    /// All that were the head, in their order.
    pub(crate) heads: Vec<Digest>,
    /// Those that were on trial, by the manifest's name.
    pub(crate) trials: BTreeMap<Digest, super::trials::Tried>,
    /// Who may end a trial, and which is on.
    pub(crate) ends: super::trials::Ends,
    /// The key set in force there.
    pub(crate) key_set: u32,
    /// The keys for releases of each key set that was laid out.
    key_sets: BTreeMap<u32, BTreeMap<KeyId, PublicKey>>,
    /// The first key set without the key that was stolen.
    pub(crate) recovery: Option<u32>,
}

impl Oracle {
    pub(crate) fn head_release(&self) -> Option<&Release> {
        self.releases.get(&self.head?)
    }

    /// The operators have signed a key set.
    pub(crate) fn lays(&mut self, set: &KeySet) {
        let keys = set.keys().iter().filter(|key| key.signs == Use::Releases);
        self.key_sets.insert(set.version, keys.map(|key| (key.key.id(), key.key)).collect());
    }

    /// Takes note of a release whose blobs are all in the store. `Err`: what is wrong with it.
    pub(crate) fn learn(&mut self, shelf: &Shelf, manifest: &Signed<Manifest>, stolen: bool) -> Result<(), String> {
        let (claims, name) = (manifest.claims(), manifest.digest());
        if self.releases.contains_key(&name) {
            return Ok(());
        }
        // An older key set's generation stays good while a newer one has its key.
        let sets = self.key_sets.range(claims.generation.key_set..);
        let signs = |keys: &BTreeMap<KeyId, PublicKey>, id| keys.get(&id).is_some_and(|key| manifest.is_signed_by(key));
        let mut signers = sets.flat_map(|(_, keys)| manifest.signers().map(move |id| (keys, id)));
        if !signers.any(|(keys, id)| signs(keys, id)) {
            return Err("it is signed by no key that was ever in force for it".into());
        }
        let mut blobs = BTreeSet::from([name]);
        let mut tree = Tree::new();
        let mut crawl = Crawl::new(&claims.root, |_| false);
        while let Some(page) = crawl.next_page() {
            let bytes = shelf.blob(&page.digest).ok_or_else(|| format!("page {} is not there", page.digest))?;
            let opened = crawl.supply(&page, &bytes, |_| false).map_err(|error| error.to_string())?;
            blobs.insert(page.digest);
            if let Page::Leaves(leaves) = opened {
                for leaf in leaves {
                    blobs.insert(leaf.pack().unwrap_or(leaf.image));
                    tree.insert(leaf.name.as_wire().to_vec(), leaf.image);
                }
            }
        }
        let (generation, learned) = (claims.generation, Instant::now());
        let release = Release { generation, tree, blobs, stolen, learned, head_since: None };
        self.releases.insert(name, release);
        Ok(())
    }

    /// A blob of the head that is not in the store.
    pub(crate) fn lost_of_head(&self, shelf: &Shelf) -> Option<Digest> {
        self.lost_of(shelf, &self.head?)
    }

    /// The same of another release.
    pub(crate) fn lost_of(&self, shelf: &Shelf, release: &Digest) -> Option<Digest> {
        self.releases.get(release)?.blobs.iter().find(|name| shelf.blob(name).is_none()).copied()
    }
}

/// The channel's state is another now.
pub(crate) fn moved(world: &World, shelf: &Shelf, bytes: &[u8], stolen: bool) {
    let problem = look(world, shelf, bytes, stolen).err();
    if let Some(problem) = problem {
        world.violated(format_args!("a publisher moved the head, but {problem}"));
    }
}

fn look(world: &World, shelf: &Shelf, bytes: &[u8], stolen: bool) -> Result<(), String> {
    let state = State::decode(bytes).map_err(|error| error.to_string())?;
    let mut oracle = world.oracle();
    let version = state.key_set.claims().version;
    if version < oracle.key_set {
        return Err(format!("key set {version} came after {}", oracle.key_set));
    }
    if version > oracle.key_set {
        oracle.key_set = version;
        world.log(format_args!("key set {version} is in force"));
    }
    let Some(head) = state.head else {
        return if oracle.head.is_none() { Ok(()) } else { Err("there is no head any more".into()) };
    };
    oracle.goes_on(world, head.trial.as_ref().map(|on| on.trial.claims()), stolen)?;
    if let Some(on) = &head.trial {
        oracle.tries(shelf, &head, on, stolen)?;
        let trial = on.trial.claims();
        let (nodes, generation) = (trial.nodes().len(), trial.release.generation);
        world.log(format_args!("{generation} is on trial at {nodes} nodes, step {}", trial.step));
    }
    let (claims, name) = (head.manifest.claims(), head.manifest.digest());
    if head.freshness.claims().manifest != name {
        return Err("the word about it is about another".into());
    }
    if oracle.head == Some(name) {
        return Ok(());
    }
    oracle.learn(shelf, &head.manifest, stolen)?;
    if let Some(before) = oracle.head_release()
        && before.generation >= claims.generation
    {
        return Err(format!("generation {} came after {}", claims.generation, before.generation));
    }
    if claims.parent != oracle.head {
        return Err("it was not made from the head before".into());
    }
    if let Some(release) = oracle.releases.get_mut(&name) {
        release.head_since = Some(Instant::now());
    }
    oracle.head = Some(name);
    oracle.heads.push(name);
    if let Some(lost) = oracle.lost_of_head(shelf) {
        return Err(format!("blob {lost} of it is not there"));
    }
    let by = if stolen { ", by a thief" } else { "" };
    world.log(format_args!("the head is {} {name}{by}", claims.generation));
    Ok(())
}
