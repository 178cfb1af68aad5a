//! The attacks that The Update Framework lists, and what else a store may try. Named so that the table of docs/sync.md can point here.

use super::*;
use crate::sync::key::KeyPair;
use crate::sync::key_set::ReleaseKey;
use crate::sync::page::{ImageRefusal, Leaf, Place, Totals};
use crate::sync::tree::Root;
use crate::sync::zone_name::ZoneName;
use crate::wire::name::Name;

/// Root keys are 1 to 9, release keys 10 to 19, freshness keys 20 to 29.
fn key(n: u8) -> KeyPair {
    KeyPair::from_seed([n; 32])
}

fn roots(keys: &[u8], threshold: u8) -> Roots {
    Roots::new(keys.iter().map(|n| key(*n).public()).collect(), threshold).unwrap()
}

fn generation(text: &str) -> Generation {
    text.parse().unwrap()
}

fn policy() -> Policy {
    Policy {
        roots: roots(&[1, 2, 3], 2),
        channel: "prod".parse().unwrap(),
        min_generation: generation("1.0"),
        zones_max: 1000,
        octets_max: 1 << 30,
    }
}

/// A key set with these roots (two must sign) and keys, signed by `signers`.
fn key_set(version: u32, root_keys: &[u8], keys: &[u8], signers: &[u8]) -> Signed<KeySet> {
    let uses = |n: u8| if n < 20 { Use::Releases } else { Use::FreshnessOnly };
    let keys = keys.iter().map(|n| ReleaseKey { key: key(*n).public(), signs: uses(*n) }).collect();
    let set = KeySet::new("prod".parse().unwrap(), version, 0, roots(root_keys, 2), keys).unwrap();
    let signers: Vec<KeyPair> = signers.iter().map(|n| key(*n)).collect();
    Signed::sign(&set, &signers.iter().collect::<Vec<_>>()).unwrap()
}

fn manifest_of(generation: &str) -> Manifest {
    Manifest {
        channel: "prod".parse().unwrap(),
        generation: self::generation(generation),
        parent: None,
        time_secs: 0,
        root: Root { digest: Digest([7; 32]), level: 0, totals: Totals { zones: 3, octets: 3000 } },
        extensions: vec![],
    }
}

fn manifest(generation: &str, signer: u8) -> Signed<Manifest> {
    Signed::sign(&manifest_of(generation), &[&key(signer)]).unwrap()
}

fn freshness(manifest: &Signed<Manifest>, time_secs: u64, signer: u8) -> Signed<Freshness> {
    let claims = manifest.claims();
    let word = Freshness {
        channel: claims.channel.clone(),
        generation: claims.generation,
        manifest: manifest.digest(),
        time_secs,
        extensions: vec![],
    };
    Signed::sign(&word, &[&key(signer)]).unwrap()
}

fn held(manifest: &Signed<Manifest>) -> Held {
    Held { generation: manifest.claims().generation, manifest: manifest.digest() }
}

/// A node with key set 1 (release key 10, freshness key 20).
fn empty_node() -> Trust {
    let mut trust = Trust::new(policy());
    assert_eq!(trust.learn_key_set(key_set(1, &[1, 2, 3], &[10, 20], &[1, 2])), Ok(Learned::New));
    trust
}

/// The same, at this generation.
fn node_at(generation: &str) -> Trust {
    let mut trust = empty_node();
    trust.applied(held(&manifest(generation, 10)));
    trust
}

#[test]
fn a_signed_newer_release_is_taken() {
    let mut trust = empty_node();
    let (first, second) = (manifest("1.1", 10), manifest("1.2", 10));
    let head = freshness(&first, 100, 20);
    assert_eq!(trust.learn_freshness(&head), Ok(Learned::New));
    assert_eq!(trust.judge_head(head.claims(), &first), Ok(Verdict::Take));
    trust.applied(held(&first));
    assert_eq!(trust.judge(&first), Ok(Verdict::Held));
    assert_eq!(trust.judge(&second), Ok(Verdict::Take));
    trust.applied(held(&second));
    trust.applied(held(&first));
    assert_eq!(trust.held(), Some(held(&second)), "I2: a node's generation never goes down");
}

/// TUF: arbitrary software installation.
#[test]
fn arbitrary_releases_are_refused() {
    let trust = node_at("1.5");
    let wrong = |key: u8| Err(Refusal::WrongKey { key: self::key(key).public().id(), key_set: 1, what: "manifest" });
    assert_eq!(trust.judge(&manifest("1.6", 99)), wrong(99), "a stranger");
    assert_eq!(trust.judge(&manifest("1.6", 1)), wrong(1), "a root key signs key sets alone");
    assert_eq!(trust.judge(&manifest("1.6", 20)), wrong(20), "a freshness key signs no release");
    let mut bytes = manifest("1.6", 10).bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let broken = Signed::decode(&bytes).unwrap();
    assert_eq!(trust.judge(&broken), Err(Refusal::BadSignature(key(10).public().id())));
    let nothing_known = Trust::new(policy());
    assert_eq!(nothing_known.judge(&manifest("1.6", 10)), Err(Refusal::NoKeySet));
}

/// TUF: rollback.
#[test]
fn older_releases_are_refused() {
    let trust = node_at("1.5");
    let (ours, theirs) = (generation("1.5"), generation("1.4"));
    assert_eq!(trust.judge(&manifest("1.4", 10)), Err(Refusal::LowerGeneration { ours, theirs }));
    let word = freshness(&manifest("1.4", 10), u64::MAX, 20);
    assert_eq!(trust.clone().learn_freshness(&word), Err(Refusal::LowerGeneration { ours, theirs }));
    // Going back is a new generation with older content, and no exception.
    assert_eq!(trust.judge(&manifest("1.6", 10)), Ok(Verdict::Take));
}

#[test]
fn an_empty_node_starts_at_min_generation() {
    let min_generation = generation("1.5");
    let mut trust = Trust::new(Policy { min_generation, ..policy() });
    trust.learn_key_set(key_set(1, &[1, 2, 3], &[10], &[1, 2])).unwrap();
    let refusal = Refusal::BelowMinimum { min: min_generation, theirs: generation("1.4") };
    assert_eq!(trust.judge(&manifest("1.4", 10)), Err(refusal));
    assert_eq!(trust.judge(&manifest("1.5", 10)), Ok(Verdict::Take));
    let mut later = Trust::new(Policy { min_generation: generation("2.0"), ..policy() });
    let old = key_set(1, &[1, 2, 3], &[10], &[1, 2]);
    assert_eq!(later.learn_key_set(old), Err(Refusal::KeySetRollback { ours: 2, theirs: 1 }));
}

/// TUF: rollback, of the key set: what was replaced stays replaced, after a restart too.
#[test]
fn older_key_sets_are_refused() {
    let one = key_set(1, &[1, 2, 3], &[10], &[1, 2]);
    let two = key_set(2, &[1, 2, 3], &[11], &[1, 2]);
    let rollback = Err(Refusal::KeySetRollback { ours: 2, theirs: 1 });
    let mut trust = empty_node();
    assert_eq!(trust.learn_key_set(two.clone()), Ok(Learned::New));
    assert_eq!(trust.learn_key_set(one.clone()), rollback);
    assert_eq!(trust.learn_key_set(two), Ok(Learned::Known));
    // Its key sets were lost, its release was not.
    let mut restarted = Trust::new(policy());
    restarted.applied(held(&manifest("2.1", 11)));
    assert_eq!(restarted.learn_key_set(one), rollback);
}

/// TUF: indefinite freeze. What can't be renewed by a store grows old, and is seen to.
#[test]
fn a_frozen_head_grows_old() {
    let mut trust = node_at("1.5");
    assert_eq!(trust.head_age_secs(1000), None);
    let head = manifest("1.5", 10);
    trust.learn_freshness(&freshness(&head, 1000, 20)).unwrap();
    trust.learn_freshness(&freshness(&head, 1060, 20)).unwrap();
    assert_eq!(trust.head_age_secs(1070), Some(10));
    let ours = generation("1.5");
    let older = Refusal::OlderFreshness { ours, ours_secs: 1060, theirs: ours, theirs_secs: 1000 };
    assert_eq!(trust.learn_freshness(&freshness(&head, 1000, 20)), Err(older));
    assert_eq!(trust.learn_freshness(&freshness(&head, 1060, 20)), Ok(Learned::Known));
    assert_eq!(trust.head_age_secs(90_000), Some(88_940));
    assert_eq!(trust.head_age_secs(0), Some(-1060), "a clock that is wrong changes a figure and nothing else");
    assert_eq!(trust.judge(&manifest("1.6", 10)), Ok(Verdict::Take));
}

/// TUF: fast-forward. A stolen key signs the highest numbers there are; the next key set recovers.
#[test]
fn a_stolen_keys_huge_counter_is_overtaken() {
    let mut trust = node_at("1.5");
    let stolen = manifest("1.18446744073709551615", 10);
    assert_eq!(trust.judge(&stolen), Ok(Verdict::Take), "nobody can know yet");
    trust.applied(held(&stolen));
    trust.learn_freshness(&freshness(&stolen, u64::MAX, 20)).unwrap();
    // It can't reach into the key sets to come.
    let far = manifest("4294967295.1", 10);
    assert_eq!(trust.judge(&far), Err(Refusal::KeySetUnknown { ours: 1, theirs: u32::MAX }));

    assert_eq!(trust.learn_key_set(key_set(2, &[1, 2, 3], &[11, 21], &[2, 3])), Ok(Learned::New));
    let wrong = Refusal::WrongKey { key: key(10).public().id(), key_set: 2, what: "manifest" };
    assert_eq!(trust.judge(&manifest("2.1", 10)), Err(wrong), "the stolen key is out of force");
    let recovery = manifest("2.1", 11);
    assert_eq!(trust.judge(&recovery), Ok(Verdict::Take));
    assert_eq!(trust.learn_freshness(&freshness(&recovery, 1100, 21)), Ok(Learned::New));
    trust.applied(held(&recovery));
    assert_eq!(trust.held().unwrap().generation, generation("2.1"));
}

/// A stolen freshness key claims a time that is never reached: replaced by a key set alone, without a release.
#[test]
fn a_stolen_freshness_key_is_replaced() {
    let mut trust = node_at("1.5");
    let head = manifest("1.5", 10);
    trust.learn_freshness(&freshness(&head, u64::MAX, 20)).unwrap();
    assert!(trust.learn_freshness(&freshness(&head, 1000, 10)).is_err());
    trust.learn_key_set(key_set(2, &[1, 2, 3], &[10, 21], &[1, 2])).unwrap();
    assert_eq!(trust.learn_freshness(&freshness(&head, 1000, 21)), Ok(Learned::New));
    let wrong = Refusal::WrongKey { key: key(20).public().id(), key_set: 2, what: "freshness statement" };
    assert_eq!(trust.learn_freshness(&freshness(&head, u64::MAX, 20)), Err(wrong));
}

/// TUF: mix and match. Each part is signed, and they don't belong together.
#[test]
fn parts_of_different_releases_are_refused() {
    let trust = node_at("1.5");
    let (six, seven) = (manifest("1.6", 10), manifest("1.7", 10));
    let head = freshness(&seven, 1000, 20);
    let refusal = Refusal::NotTheHead { head: seven.digest(), came: six.digest() };
    assert_eq!(trust.judge_head(head.claims(), &six), Err(refusal));
    assert_eq!(trust.judge_head(head.claims(), &seven), Ok(Verdict::Take));
}

/// A release of another channel, signed by a key that both channels trust.
#[test]
fn other_channels_are_refused() {
    let mut trust = node_at("1.5");
    let theirs: Channel = "staging".parse().unwrap();
    let refusal = Refusal::OtherChannel { ours: "prod".parse().unwrap(), theirs: theirs.clone() };
    let manifest = Manifest { channel: theirs.clone(), ..manifest_of("1.6") };
    let manifest = Signed::sign(&manifest, &[&key(10)]).unwrap();
    assert_eq!(trust.judge(&manifest), Err(refusal.clone()));
    assert_eq!(trust.learn_freshness(&freshness(&manifest, 1, 20)), Err(refusal.clone()));
    let set = KeySet::new(theirs, 2, 0, roots(&[1, 2, 3], 2), vec![]).unwrap();
    assert_eq!(trust.learn_key_set(Signed::sign(&set, &[&key(1), &key(2)]).unwrap()), Err(refusal));
}

/// TUF: endless data. (What is longer than its kind's bound is refused before it is read: see the decoders' own tests.)
#[test]
fn more_than_a_node_takes_is_refused() {
    let trust = node_at("1.5");
    let with = |zones, octets| {
        let root = Root { totals: Totals { zones, octets }, ..manifest_of("1.6").root };
        trust.judge(&Signed::sign(&Manifest { root, ..manifest_of("1.6") }, &[&key(10)]).unwrap())
    };
    assert_eq!(with(1000, 1 << 30), Ok(Verdict::Take));
    assert_eq!(with(1001, 0), Err(Refusal::TooLarge { what: "zones", has: 1001, max: 1000 }));
    let octets = Refusal::TooLarge { what: "octets", has: u64::MAX, max: 1 << 30 };
    assert_eq!(with(1000, u64::MAX), Err(octets));
}

/// Two manifests with one generation: ours is kept, and somebody is called.
#[test]
fn equivocation_is_an_alarm() {
    let mut trust = node_at("1.5");
    let ours = manifest("1.5", 10);
    let theirs = Signed::sign(&Manifest { time_secs: 1, ..manifest_of("1.5") }, &[&key(10)]).unwrap();
    let refusal = Refusal::Equivocation { generation: generation("1.5"), ours: ours.digest(), theirs: theirs.digest() };
    assert_eq!(trust.judge(&theirs), Err(refusal.clone()));
    assert!(refusal.is_alarm());
    assert_eq!(trust.learn_freshness(&freshness(&theirs, 9, 20)), Err(refusal));
    // Of the head, before either is applied.
    let (six, other) = (manifest("1.6", 10), Manifest { time_secs: 1, ..manifest_of("1.6") });
    let other = Signed::sign(&other, &[&key(10)]).unwrap();
    trust.learn_freshness(&freshness(&six, 9, 20)).unwrap();
    assert!(trust.learn_freshness(&freshness(&other, 10, 20)).unwrap_err().is_alarm());
    assert_eq!(trust.head().unwrap().manifest, six.digest());
    // A stranger's manifest raises no alarm.
    assert!(!trust.judge(&manifest("1.5", 99)).unwrap_err().is_alarm());
    // Of key sets.
    let another = key_set(1, &[1, 2, 3], &[11], &[1, 3]);
    assert_eq!(trust.learn_key_set(another), Err(Refusal::KeySetEquivocation(1)));
    // The same one, signed by one more, is no other.
    assert_eq!(trust.learn_key_set(key_set(1, &[1, 2, 3], &[10, 20], &[1, 2, 3])), Ok(Learned::Known));
}

/// TUF: key compromise. One root key of three makes no key set, and a release key never does.
#[test]
fn fewer_than_the_threshold_make_no_key_set() {
    let threshold = |asked, signed| Err(Refusal::Threshold { asked, signed, needed: 2 });
    let mut trust = empty_node();
    let learn =
        |trust: &mut Trust, roots: &[u8], signers: &[u8]| trust.learn_key_set(key_set(2, roots, &[66], signers));
    assert_eq!(learn(&mut trust, &[1, 2, 3], &[1]), threshold(Signers::InForce, 1));
    assert_eq!(learn(&mut trust, &[1, 2, 3], &[1, 10]), threshold(Signers::InForce, 1));
    assert_eq!(learn(&mut trust, &[8, 9], &[8, 9]), threshold(Signers::InForce, 0));
    assert_eq!(learn(&mut trust, &[8, 9], &[1, 8, 9]), threshold(Signers::InForce, 1));
    assert_eq!(learn(&mut Trust::new(policy()), &[1, 2, 3], &[3]), threshold(Signers::Settings, 1));
    assert_eq!(trust.key_set().unwrap().claims().version, 1, "nothing changed");
}

/// Root keys are replaced by those that they replace, and from then on count for nothing.
#[test]
fn root_keys_roll() {
    let (two, three) = (key_set(2, &[3, 4, 5], &[11], &[1, 2, 4, 5]), key_set(3, &[3, 4, 5], &[12], &[4, 5]));
    let mut trust = empty_node();
    // The old ones alone: nobody could follow.
    let own = Refusal::Threshold { asked: Signers::Own, signed: 0, needed: 2 };
    assert_eq!(trust.learn_key_set(key_set(2, &[4, 5], &[11], &[1, 2])), Err(own));
    // The new ones alone: a node that has not met them must walk.
    let in_force = Refusal::Threshold { asked: Signers::InForce, signed: 0, needed: 2 };
    assert_eq!(trust.learn_key_set(three.clone()), Err(in_force));
    assert_eq!(trust.learn_key_set(two), Ok(Learned::New));
    assert_eq!(trust.learn_key_set(three), Ok(Learned::New));
    let old = key_set(4, &[1, 2, 3], &[66], &[1, 2]);
    assert!(matches!(trust.learn_key_set(old), Err(Refusal::Threshold { asked: Signers::InForce, signed: 0, .. })));
}

/// The next key set is laid out before the first release under it: what a key that stays has signed is good until then.
#[test]
fn a_key_that_stays_in_force_may_finish() {
    let mut trust = empty_node();
    trust.learn_key_set(key_set(2, &[1, 2, 3], &[10, 11], &[1, 2])).unwrap();
    assert_eq!(trust.judge(&manifest("1.9", 10)), Ok(Verdict::Take));
    assert_eq!(trust.judge(&manifest("2.1", 11)), Ok(Verdict::Take));
}

/// A key set without keys closes the channel, until the next.
#[test]
fn a_channel_can_be_closed() {
    let mut trust = node_at("1.5");
    trust.learn_key_set(key_set(2, &[1, 2, 3], &[], &[1, 2])).unwrap();
    assert!(matches!(trust.judge(&manifest("1.6", 10)), Err(Refusal::WrongKey { key_set: 2, .. })));
    assert_eq!(trust.held().unwrap().generation, generation("1.5"));
}

/// TUF: malicious mirrors. Whatever one store says, the next one's good release is taken.
#[test]
fn refusals_change_nothing() {
    let mut trust = node_at("1.5");
    let before = format!("{trust:?}");
    for bad in [manifest("1.4", 10), manifest("1.9", 99), manifest("9.9", 10)] {
        assert!(trust.judge(&bad).is_err());
        assert!(trust.learn_freshness(&freshness(&bad, 5, 99)).is_err());
    }
    assert!(trust.learn_key_set(key_set(2, &[1, 2, 3], &[66], &[66])).is_err());
    assert_eq!(format!("{trust:?}"), before);
    assert_eq!(trust.judge(&manifest("1.6", 10)), Ok(Verdict::Take));
}

/// TUF: wrong software installation, extraneous dependencies. An image that is sound, but not the one that the release names there.
#[test]
fn an_image_of_another_zone_is_refused() {
    let image = |apex: &str, serial: u32| {
        let apex: Name = apex.parse().unwrap();
        let text = format!("@ 60 IN SOA ns1 hostmaster {serial} 1 1 1 60\n@ 60 IN NS ns1\nns1 60 IN A 192.0.2.1\n");
        let parsed = crate::zone::parse::parse_text("test", text, &apex, &Default::default());
        crate::zone::compile::compile(&apex, &parsed.records).0.unwrap()
    };
    let good = image("Example.", 7);
    let leaf = Leaf {
        name: ZoneName::from(&"example".parse::<Name>().unwrap()),
        serial: 7,
        image: good.digest().into(),
        len: good.root().len() as u64,
        place: Place::Own,
    };
    assert_eq!(leaf.open(good.root().to_vec()).unwrap().serial(), 7);
    let other = image("exampla.", 7);
    assert_eq!(other.root().len(), good.root().len());
    let (wanted, found) = (leaf.image, other.digest().into());
    assert_eq!(leaf.open(other.root().to_vec()).err(), Some(ImageRefusal::Digest { wanted, found }));
    // The release itself says so.
    let named = Leaf { image: found, ..leaf.clone() };
    assert_eq!(named.open(other.root().to_vec()).err(), Some(ImageRefusal::Zone("exampla.".into())));
    let later = Leaf { serial: 8, ..leaf.clone() };
    assert_eq!(later.open(good.root().to_vec()).err(), Some(ImageRefusal::Serial { has: 7, wants: 8 }));
    let has = leaf.len - 1;
    let cut = good.root()[1..].to_vec();
    assert_eq!(leaf.open(cut).err(), Some(ImageRefusal::Length { has, wants: leaf.len }));
    let mut damaged = good.root().to_vec();
    damaged[100] ^= 1;
    assert_eq!(leaf.open(damaged).err(), Some(ImageRefusal::Image(crate::zone::image::ImageError::Digest)));
}

/// The head 1.5, 1.6 on trial beside it at `ams1`, and 1.7 to go back to.
fn on_trial(step: u32, nodes: &[&str], signer: u8) -> (Signed<Manifest>, OnTrial) {
    let (head, manifest) = (manifest("1.5", 10), Manifest { root: other_root(), ..manifest_of("1.6") });
    let manifest = Signed::sign(&manifest, &[&key(signer)]).unwrap();
    let back = self::manifest("1.7", signer);
    let trial = Trial::new("prod".parse().unwrap(), head.held(), manifest.held(), back.held(), 60, 0);
    let mut trial = trial.with_nodes(nodes.iter().map(|node| String::from(*node)));
    trial.step = step;
    (head, OnTrial { trial: Signed::sign(&trial, &[&key(signer)]).unwrap(), manifest, back })
}

fn other_root() -> Root {
    Root { digest: Digest([8; 32]), ..manifest_of("1.6").root }
}

/// A node that has the head, and has heard of the trial.
fn node_beside_a_trial() -> (Trust, OnTrial) {
    let mut trust = node_at("1.5");
    let (head, on) = on_trial(1, &["ams1"], 10);
    assert_eq!(trust.learn_freshness(&freshness(&head, 100, 20)), Ok(Learned::New));
    assert_eq!(trust.learn_trial(&head, &on), Ok(Learned::New));
    assert_eq!(trust.learn_trial(&head, &on), Ok(Learned::Known));
    (trust, on)
}

#[test]
fn a_trial_is_for_those_whom_it_names() {
    let (mut trust, on) = node_beside_a_trial();
    let head = manifest("1.5", 10);
    for other in ["ams2", "ams", "AMS1", ""] {
        assert_eq!(trust.judge_trial(other, &on), Ok(Part::None), "{other}");
    }
    assert_eq!(trust.judge_trial("ams1", &on), Ok(Part::Take));
    trust.applied_on_trial(on.manifest.held(), head.held());
    assert_eq!(trust.judge_trial("ams1", &on), Ok(Part::Held));
    // Words about the head below stay good while it is on trial, and after it went back; older ones never.
    let word = |secs| freshness(&head, secs, 20);
    assert_eq!(trust.learn_freshness(&word(101)), Ok(Learned::New));
    assert_eq!(trust.judge_head(word(101).claims(), &head), Ok(Verdict::Held));
    let lower = |theirs| Err(Refusal::LowerGeneration { ours: generation("1.6"), theirs: generation(theirs) });
    assert_eq!(trust.judge(&manifest("1.4", 10)), lower("1.4"));
    trust.applied_on_trial(on.back.held(), head.held());
    assert_eq!(trust.judge_trial("ams1", &on), Ok(Part::Over));
    assert_eq!(trust.learn_freshness(&word(102)), Ok(Learned::New));
    assert!(trust.learn_freshness(&freshness(&manifest("1.6", 10), 103, 20)).is_err(), "it never was the head");
    // Whatever comes next is above: the return release is held already, the promoted one is taken.
    assert_eq!(trust.judge(&on.back), Ok(Verdict::Held));
    let promoted = Manifest { root: other_root(), ..manifest_of("1.8") };
    let promoted = Signed::sign(&promoted, &[&key(10)]).unwrap();
    assert_eq!(trust.learn_freshness(&freshness(&promoted, 104, 20)), Ok(Learned::New));
    assert_eq!(trust.judge(&promoted), Ok(Verdict::Take));
    trust.applied(promoted.held());
    assert!(trust.judge(&head).is_err() && trust.learn_freshness(&word(200)).is_err(), "I2: the head below is over");
}

/// Who may not sign releases may put none on trial.
#[test]
fn trials_that_nobody_signed_are_refused() {
    let wrong = |key: u8, what| Err(Refusal::WrongKey { key: self::key(key).public().id(), key_set: 1, what });
    for signer in [99, 1, 20] {
        let (head, on) = on_trial(1, &["ams1"], signer);
        assert_eq!(node_at("1.5").learn_trial(&head, &on), wrong(signer, "word about a trial"), "{signer}");
    }
    let (head, good) = on_trial(1, &["ams1"], 10);
    let (_, strange) = on_trial(1, &["ams1"], 99);
    let mixed = OnTrial { manifest: strange.manifest, ..good.clone() };
    assert_eq!(node_at("1.5").learn_trial(&head, &mixed), wrong(99, "manifest"));
    let mut bytes = good.trial.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let broken = OnTrial { trial: Signed::decode(&bytes).unwrap(), ..good };
    assert_eq!(node_at("1.5").learn_trial(&head, &broken), Err(Refusal::BadSignature(key(10).public().id())));
    let mut elsewhere = broken.trial.claims().clone();
    elsewhere.channel = "test".parse().unwrap();
    let elsewhere = OnTrial { trial: Signed::sign(&elsewhere, &[&key(10)]).unwrap(), ..broken };
    let refusal = node_at("1.5").learn_trial(&head, &elsewhere).unwrap_err();
    assert_eq!(refusal.label(), "other_channel");
}

/// Rollback: a trial that is over is laid beside the head of now, or shown again to a node that has gone back from it.
#[test]
fn an_old_trial_is_replayed() {
    let (_, on) = on_trial(1, &["ams1"], 10);
    let release = generation("1.6");
    let of_other = |why| Err(Refusal::TrialOfOther { release, why });
    let mut trust = node_at("1.8");
    assert_eq!(trust.learn_trial(&manifest("1.8", 10), &on), of_other("another release is the head"));
    // With the head of then the word about that is an older one.
    let refusal = trust.learn_freshness(&freshness(&manifest("1.5", 10), 100, 20)).unwrap_err();
    assert_eq!(refusal.label(), "lower_generation");

    let (mut trust, on) = node_beside_a_trial();
    trust.applied_on_trial(on.back.held(), manifest("1.5", 10).held());
    assert_eq!(trust.judge_trial("ams1", &on), Ok(Part::Over), "nobody takes it twice");
}

/// Mix and match: documents of different trials.
#[test]
fn parts_of_different_trials_are_refused() {
    let (head, on) = on_trial(1, &["ams1"], 10);
    let of_other = |why| Err(Refusal::TrialOfOther { release: generation("1.6"), why });
    let others = of_other("other manifests are beside it than it names");
    let release = OnTrial { manifest: manifest("1.6", 10), ..on.clone() };
    assert_eq!(node_at("1.5").learn_trial(&head, &release), others);
    let higher = OnTrial { back: manifest("1.9", 10), ..on.clone() };
    assert_eq!(node_at("1.5").learn_trial(&head, &higher), others);
    // Signed like that, it would lead those who go back elsewhere than where they were.
    let back = Manifest { root: other_root(), ..manifest_of("1.7") };
    let back = Signed::sign(&back, &[&key(10)]).unwrap();
    let trial = Trial { back: back.held(), ..on.trial.claims().clone() };
    let elsewhere = OnTrial { trial: Signed::sign(&trial, &[&key(10)]).unwrap(), back, ..on };
    let refused = of_other("what one would go back to is not what the head has");
    assert_eq!(node_at("1.5").learn_trial(&head, &elsewhere), refused);
}

/// Freeze: an older step is shown again, so that nodes count anew, or fewer are named.
#[test]
fn an_older_step_is_refused() {
    let (mut trust, _) = node_beside_a_trial();
    let (head, second) = on_trial(2, &["ams1", "fra1"], 10);
    assert_eq!(trust.learn_trial(&head, &second), Ok(Learned::New));
    assert_eq!(trust.judge_trial("fra1", &second), Ok(Part::Take));
    let release = generation("1.6");
    let older = |theirs_step| Err(Refusal::OlderTrial { ours: release, ours_step: 2, theirs: release, theirs_step });
    assert_eq!(trust.learn_trial(&head, &on_trial(1, &["ams1"], 10).1), older(1));
    assert_eq!(trust.learn_trial(&head, &on_trial(2, &["ams2"], 10).1), older(2), "one word for each step");
    assert_eq!(trust.learn_trial(&head, &second), Ok(Learned::Known));
}

#[test]
fn two_releases_on_trial_with_one_generation_are_an_alarm() {
    let (mut trust, on) = node_beside_a_trial();
    let head = manifest("1.5", 10);
    let other = manifest("1.6", 10);
    let trial = Trial { release: other.held(), step: 2, ..on.trial.claims().clone() };
    let other = OnTrial { trial: Signed::sign(&trial, &[&key(10)]).unwrap(), manifest: other, back: on.back.clone() };
    let alarm = |trust: &mut Trust| {
        let refusal = trust.learn_trial(&head, &other).unwrap_err();
        assert!(refusal.is_alarm(), "{refusal}");
    };
    alarm(&mut trust);
    trust.applied_on_trial(on.manifest.held(), head.held());
    alarm(&mut trust);
    // A node that never heard of the other, and has it from its disk.
    let mut started = node_at("1.5");
    started.applied_on_trial(on.manifest.held(), head.held());
    alarm(&mut started);
}

/// The settings' bounds hold for those who would take it.
#[test]
fn a_trial_of_more_than_a_node_takes_is_refused_by_those_it_names() {
    let (head, on) = on_trial(1, &["ams1"], 10);
    let mut trust = Trust::new(Policy { zones_max: 2, ..policy() });
    trust.learn_key_set(key_set(1, &[1, 2, 3], &[10, 20], &[1, 2])).unwrap();
    trust.applied(head.held());
    trust.learn_trial(&head, &on).unwrap();
    assert_eq!(trust.judge_trial("ams2", &on), Ok(Part::None));
    assert_eq!(trust.judge_trial("ams1", &on), Err(Refusal::TooLarge { what: "zones", has: 3, max: 2 }));
}
