//! The operators: who hold the root keys, sign key sets, and know which release key is in force.

use super::chance::Chance;
use super::world::{World, lock};
use catchment::sync::key::KeyPair;
use catchment::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
use catchment::sync::publish::keys;
use catchment::sync::signed::Signed;
use std::sync::{Arc, Mutex};

/// What they have decided.
pub(crate) struct Office {
    world: Arc<World>,
    inner: Mutex<Inner>,
}

struct Inner {
    key_set: Signed<KeySet>,
    /// How often root keys were replaced.
    roots: u64,
    /// The release key in force, and all that the key set has.
    release: u64,
    releases: Vec<u64>,
    stolen: Option<u64>,
}

fn root_keys(seed: u64, roots: u64) -> [KeyPair; 2] {
    [0, 1].map(|which| KeyPair::from_seed(key_seed(&[seed, 20, roots, which])))
}

fn release_key(seed: u64, number: u64) -> KeyPair {
    KeyPair::from_seed(key_seed(&[seed, 21, number]))
}

fn key_seed(parts: &[u64]) -> [u8; 32] {
    let mut chance = Chance::of(parts);
    let mut seed = [0; 32];
    seed.as_chunks_mut::<8>().0.iter_mut().for_each(|eight| *eight = chance.draw().to_le_bytes());
    seed
}

fn roots_of(keys: &[KeyPair; 2]) -> Roots {
    Roots::new(keys.iter().map(KeyPair::public).collect(), 2).unwrap()
}

fn may_release(keys: &[u64], seed: u64) -> Vec<ReleaseKey> {
    keys.iter().map(|number| ReleaseKey { key: release_key(seed, *number).public(), signs: Use::Releases }).collect()
}

impl Office {
    pub(crate) fn new(world: &Arc<World>) -> Office {
        let seed = world.plan.seed;
        let [one, two] = root_keys(seed, 0);
        let roots = Office::first_roots(seed);
        let set = KeySet::new(super::shelf::channel(), 1, 0, roots, may_release(&[0], seed)).unwrap();
        world.oracle().lays(&set);
        let key_set = Signed::sign(&set, &[&one, &two]).unwrap();
        let inner = Inner { key_set, roots: 0, release: 0, releases: vec![0], stolen: None };
        Office { world: Arc::clone(world), inner: Mutex::new(inner) }
    }

    /// Those of the nodes' settings.
    pub(crate) fn first_roots(seed: u64) -> Roots {
        roots_of(&root_keys(seed, 0))
    }

    pub(crate) fn lay_other_channel(&self, shelf: &super::shelf::Shelf) {
        let seed = self.world.plan.seed;
        let [one, two] = root_keys(seed, 0);
        super::lies::lay_other_channel(shelf, &Office::first_roots(seed), &one, &two, &release_key(seed, 0));
    }

    pub(crate) fn key_set(&self) -> Signed<KeySet> {
        lock(&self.inner).key_set.clone()
    }

    /// The key that publishers sign with.
    pub(crate) fn release_key(&self) -> KeyPair {
        release_key(self.world.plan.seed, lock(&self.inner).release)
    }

    /// Somebody has copied the release key.
    pub(crate) fn is_robbed(&self) -> KeyPair {
        let mut inner = lock(&self.inner);
        inner.stolen = Some(inner.release);
        release_key(self.world.plan.seed, inner.release)
    }

    /// Whether somebody has a key that is still in force.
    pub(crate) fn is_in_danger(&self) -> bool {
        let inner = lock(&self.inner);
        inner.stolen.is_some_and(|stolen| inner.releases.contains(&stolen))
    }

    /// The next key set: a new release key, without one that is known to be stolen; now and then with new root keys.
    pub(crate) fn next_key_set(&self, recover: bool) -> Signed<KeySet> {
        let seed = self.world.plan.seed;
        let mut inner = lock(&self.inner);
        let before = inner.key_set.claims().clone();
        let mut chance = Chance::of(&[seed, 22, u64::from(before.version)]);
        let mut signers: Vec<KeyPair> = root_keys(seed, inner.roots).into();
        let roots = chance.percent(40).then(|| {
            inner.roots += 1;
            let fresh = root_keys(seed, inner.roots);
            let roots = roots_of(&fresh);
            signers.extend(fresh);
            roots
        });
        inner.release += 1;
        let (release, stolen) = (inner.release, inner.stolen);
        match chance.percent(50) {
            true => inner.releases = vec![release],
            false => inner.releases.push(release),
        }
        inner.releases.retain(|key| !recover || Some(*key) != stolen);
        let set = keys::next(&before, roots, may_release(&inner.releases, seed), 0).unwrap();
        let mut oracle = self.world.oracle();
        oracle.lays(&set);
        if let Some(stolen) = stolen
            && !inner.releases.contains(&stolen)
        {
            oracle.recovery.get_or_insert(set.version);
        }
        inner.key_set = Signed::sign(&set, &signers.iter().collect::<Vec<_>>()).unwrap();
        inner.key_set.clone()
    }
}
