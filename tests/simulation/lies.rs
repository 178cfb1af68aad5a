//! What a store says that lies: all that one without keys can. What those who stole a key can is in `thief`.

use super::network::Link;
use super::shelf::{STATE, Shelf};
use catchment::sync::channel::Generation;
use catchment::sync::freshness::Freshness;
use catchment::sync::head::{Head, State};
use catchment::sync::key::KeyPair;
use catchment::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
use catchment::sync::manifest::Manifest;
use catchment::sync::signed::Signed;
use catchment::sync::trial::{DEADLINE_SECS_MAX, OnTrial};
use std::sync::Arc;

/// A lie.
pub(crate) enum Lie {
    /// It is not there.
    Nothing,
    /// These.
    Octets(Arc<[u8]>),
    /// More than anybody would take.
    Absurd,
    /// They never end.
    Endless,
}

/// A lie about this object, or none this time.
pub(crate) fn tell(link: &Link, shelf: &Shelf, key: &str, max: u64) -> Option<Lie> {
    let mut chance = link.world.chance(&[link.client.number, super::chance::number(key), 5]);
    if key == STATE
        && let Some(state) = link.client.shown()
    {
        return Some(Lie::Octets(state));
    }
    let (there, _) = shelf.read(key)?;
    let octets = match chance.below(10) {
        0 => return Some(Lie::Nothing),
        1 => return Some(Lie::Absurd),
        2 if chance.percent(20) => return Some(Lie::Endless),
        2 | 3 => there[..chance.below(there.len() as u64) as usize].into(),
        4 => {
            let mut bytes = there.to_vec();
            let at = chance.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << chance.below(8);
            bytes.into()
        }
        5 => {
            let mut bytes = there.to_vec();
            bytes.resize(max.min(1 << 16) as usize, 0);
            bytes.into()
        }
        6 | 7 if key == STATE => shelf.old_state(chance.draw())?,
        6 | 7 => shelf.some_blob(chance.draw())?,
        8 if key == STATE => forged(shelf, &there, chance.below(8))?,
        _ => return None,
    };
    Some(Lie::Octets(octets))
}

/// A state put together of what the store has and of what anybody can sign.
fn forged(shelf: &Shelf, now: &[u8], how: u64) -> Option<Arc<[u8]>> {
    let now = State::decode(now).ok()?;
    let head = now.head.as_ref()?;
    let set = now.key_set.claims();
    let stranger = KeyPair::from_seed([77; 32]);
    let state = match how {
        // The newest word about the head, with an older release.
        0 => {
            let old = State::decode(&shelf.old_state(1)?).ok()?;
            let manifest = old.head?.manifest;
            State { head: Some(Head { freshness: head.freshness.clone(), manifest, trial: None }), ..now }
        }
        // The same content, far ahead, signed by a stranger.
        1 => {
            let generation = Generation { counter: u64::MAX - 1, ..head.manifest.claims().generation };
            let manifest = Manifest { generation, ..head.manifest.claims().clone() };
            State { head: Some(signed(manifest, &stranger)?), ..now }
        }
        // A key set of a stranger's.
        2 => {
            let roots = Roots::new(vec![stranger.public()], 1).ok()?;
            let keys = vec![ReleaseKey { key: stranger.public(), signs: Use::Releases }];
            let next = KeySet::new(set.channel.clone(), set.version + 1, 0, roots, keys).ok()?;
            let generation = Generation { key_set: set.version + 1, counter: 1 };
            let manifest = Manifest { generation, ..head.manifest.claims().clone() };
            State { key_set: Signed::sign(&next, &[&stranger]).ok()?, head: Some(signed(manifest, &stranger)?) }
        }
        // A trial that is over, beside the head of now.
        3 | 4 => {
            let old = shelf.state_on_trial()?.head?;
            State { head: Some(Head { trial: old.trial, ..head.clone() }), ..now }
        }
        // The trial of now, for all nodes and as long as can be, signed by a stranger.
        5 | 6 => {
            let on = head.trial.as_ref()?;
            let all = (0..shelf.world.plan.nodes).map(|node| format!("node{node}"));
            let mut trial = on.trial.claims().clone().with_nodes(all);
            (trial.step, trial.deadline_secs) = (trial.step + 1, DEADLINE_SECS_MAX);
            let on = OnTrial { trial: Signed::sign(&trial, &[&stranger]).ok()?, ..on.clone() };
            State { head: Some(Head { trial: Some(on), ..head.clone() }), ..now }
        }
        // The state of another channel, whose root keys and release keys are the same.
        _ => State::decode(&other_channel(shelf)?).ok()?,
    };
    Some(state.encode().into())
}

fn signed(manifest: Manifest, key: &KeyPair) -> Option<Head> {
    let manifest = Signed::sign(&manifest, &[key]).ok()?;
    Some(Head { freshness: word_of(&manifest, key)?, manifest, trial: None })
}

/// The word that a manifest is the head.
pub(crate) fn word_of(manifest: &Signed<Manifest>, key: &KeyPair) -> Option<Signed<Freshness>> {
    let claims = manifest.claims();
    let word = Freshness {
        channel: claims.channel.clone(),
        generation: claims.generation,
        manifest: manifest.digest(),
        time_secs: claims.time_secs,
        extensions: Vec::new(),
    };
    Signed::sign(&word, &[key]).ok()
}

/// Where the state of the other channel is.
pub(crate) const OTHER_STATE: &str = "channels/other/state";

fn other_channel(shelf: &Shelf) -> Option<Arc<[u8]>> {
    shelf.read(OTHER_STATE).map(|(bytes, _)| bytes)
}

/// Puts another channel beside the one that is followed, with a release far ahead of its own.
pub(crate) fn lay_other_channel(shelf: &Shelf, roots: &Roots, root: &KeyPair, second: &KeyPair, release: &KeyPair) {
    let channel: catchment::sync::channel::Channel = "other".parse().unwrap();
    let keys = vec![ReleaseKey { key: release.public(), signs: Use::Releases }];
    let set = KeySet::new(channel.clone(), 9, 0, roots.clone(), keys).unwrap();
    let generation = Generation { key_set: 9, counter: 1_000_000 };
    let tree = catchment::sync::tree::build(Vec::new(), |name, page| shelf.put_blob(&name, &page)).unwrap();
    let manifest = Manifest { channel, generation, parent: None, time_secs: 0, root: tree, extensions: Vec::new() };
    let state = State { key_set: Signed::sign(&set, &[root, second]).unwrap(), head: signed(manifest, release) };
    let expect = catchment::sync::store::objects::Expect::Anything;
    shelf.write(OTHER_STATE, &state.encode(), expect, false);
}
