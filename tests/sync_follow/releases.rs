//! Releases made by hand, and disks that fail: what followers are tried on.

use async_trait::async_trait;
use catchment::sync::channel::{Channel, Generation};
use catchment::sync::codec::Digest;
use catchment::sync::disk::{Disk, File};
use catchment::sync::freshness::Freshness;
use catchment::sync::head::{Head, State};
use catchment::sync::key::KeyPair;
use catchment::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
use catchment::sync::manifest::Manifest;
use catchment::sync::pack::Pack;
use catchment::sync::packing::{Candidate, plan};
use catchment::sync::page::{Leaf, Place};
use catchment::sync::signed::Signed;
use catchment::sync::store::Store;
use catchment::sync::tree;
use catchment::sync::trial::{OnTrial, Trial};
use catchment::sync::trust::Policy;
use catchment::sync::zone_name::ZoneName;
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::image::Image;
use catchment::zone::parse::{Options, parse_text};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

/// Keys of this number: root keys are 1 to 9, release keys 10 on.
pub(crate) fn key(n: u8) -> KeyPair {
    KeyPair::from_seed([n; 32])
}

pub(crate) fn prod() -> Channel {
    "prod".parse().unwrap()
}

pub(crate) fn generation(text: &str) -> Generation {
    text.parse().unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy {
        roots: Roots::new(vec![key(1).public()], 1).unwrap(),
        channel: prod(),
        min_generation: generation("0.0"),
        zones_max: 1000,
        octets_max: 1 << 30,
    }
}

/// The zone `name` with this serial.
pub(crate) fn image(name: &str, serial: u32) -> Image {
    let text = format!(
        "$TTL 1h\n@ SOA ns hostmaster {serial} 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.{}\n",
        serial % 200
    );
    let apex: Name = name.parse().unwrap();
    let parsed = parse_text("zone", text, &apex, &Options::default());
    compile(&apex, &parsed.records).0.unwrap()
}

/// A large zone: so many delegations, with two servers below each; some of them have an address more.
pub(crate) fn large(name: &str, serial: u32, delegations: usize, changed: &[usize]) -> Image {
    let mut text = format!("$TTL 1h\n@ SOA ns hostmaster {serial} 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\n");
    for n in 0..delegations {
        let [.., a, b] = (n as u32).to_be_bytes();
        let _ = write!(
            text,
            "customer-{n} NS ns1.customer-{n}\ncustomer-{n} NS ns2.customer-{n}\n\
             ns1.customer-{n} A 192.0.{a}.{b}\nns2.customer-{n} A 198.51.{a}.{b}\n"
        );
        if changed.contains(&n) {
            let _ = writeln!(text, "ns1.customer-{n} A 203.0.113.7");
        }
    }
    let apex: Name = name.parse().unwrap();
    let parsed = parse_text("zone", text, &apex, &Options::default());
    let image = compile(&apex, &parsed.records).0.unwrap();
    assert!(image.segments().len() > 0);
    image
}

/// A registry's zone: so many delegations to two servers each, of as many hosters as a hundredth of them; one has another server.
pub(crate) fn registry(name: &str, serial: u32, delegations: usize, changed: Option<usize>) -> Image {
    let mut text = format!("$TTL 1h\n@ SOA ns hostmaster {serial} 1h 15m 1w 5m\n@ NS ns\nns A 192.0.2.1\n");
    for n in 0..delegations {
        let hash = blake3::hash(&n.to_le_bytes());
        let (label, hoster) = (&hash.to_hex()[..6 + n % 8], usize::from(hash.as_bytes()[31]) * delegations / 25_600);
        let second =
            if changed == Some(n) { "ns.elsewhere.example.".into() } else { format!("ns2.hoster{hoster}.example.") };
        let _ = write!(text, "{label}-{n} NS ns1.hoster{hoster}.example.\n{label}-{n} NS {second}\n");
    }
    let apex: Name = name.parse().unwrap();
    let parsed = parse_text("zone", text, &apex, &Options::default());
    compile(&apex, &parsed.records).0.unwrap()
}

/// Signs key set `version` of these root and release keys, by these root keys.
pub(crate) fn key_set(version: u32, roots: &[u8], keys: &[u8], signers: &[u8]) -> Signed<KeySet> {
    let roots = Roots::new(roots.iter().map(|n| key(*n).public()).collect(), 1).unwrap();
    let keys = keys.iter().map(|n| ReleaseKey { key: key(*n).public(), signs: Use::Releases }).collect();
    let set = KeySet::new(prod(), version, 0, roots, keys).unwrap();
    let signers: Vec<KeyPair> = signers.iter().map(|n| key(*n)).collect();
    Signed::sign(&set, &signers.iter().collect::<Vec<_>>()).unwrap()
}

/// Zones by name, and their serials.
pub(crate) type Content = BTreeMap<String, u32>;

pub(crate) fn content(zones: &[(&str, u32)]) -> Content {
    zones.iter().map(|(name, serial)| ((*name).to_owned(), *serial)).collect()
}

/// Makes releases for a store.
pub(crate) struct Publisher {
    pub(crate) set: Signed<KeySet>,
    pub(crate) signer: u8,
    pub(crate) channel: Channel,
    places: BTreeMap<Digest, (Digest, u32)>,
    /// Compiled once each.
    images: BTreeMap<(String, u32), Image>,
    now_secs: u64,
}

/// A release: its blobs and its state.
pub(crate) struct Release {
    pub(crate) blobs: Vec<(Digest, Vec<u8>)>,
    pub(crate) state: State,
}

impl Publisher {
    pub(crate) fn new() -> Publisher {
        let set = key_set(1, &[1], &[10, 11], &[1]);
        Publisher {
            set,
            signer: 10,
            channel: prod(),
            places: BTreeMap::new(),
            images: BTreeMap::new(),
            now_secs: 1_700_000_000,
        }
    }

    /// The release of these zones; images that were in none before go into one new pack, large ones beside it.
    pub(crate) fn release(&mut self, at: &str, zones: &Content) -> Release {
        let compiled = |(name, serial): (&String, &u32)| {
            let image = self.images.entry((name.clone(), *serial)).or_insert_with(|| image(name, *serial));
            image.clone()
        };
        let images = zones.iter().map(compiled).collect();
        self.release_of(at, images)
    }

    /// The release of these images.
    pub(crate) fn release_of(&mut self, at: &str, images: Vec<Image>) -> Release {
        let mut images: Vec<(ZoneName, Image)> =
            images.into_iter().map(|image| (ZoneName::from(&image.apex()), image)).collect();
        images.sort_by(|a, b| a.0.cmp(&b.0));
        let mut blobs = Vec::new();
        let candidate = |(_, image): &(ZoneName, Image)| Candidate {
            len: image.len(),
            // Images stay where they are.
            place: self.places.get(&Digest(image.digest())).map(|_| Place::Own),
        };
        let candidates: Vec<Candidate> = images.iter().map(candidate).collect();
        for pack in plan(&candidates, &tree::Shape::of(images.iter().map(|(name, _)| name))) {
            let new: Vec<&[u8]> = pack.iter().map(|index| images[*index].1.root()).collect();
            let pack = Pack::build(&new).unwrap();
            for entry in pack.entries() {
                self.places.insert(entry.image, (pack.digest(), entry.offset));
            }
            blobs.push((pack.digest(), pack.bytes().to_vec()));
        }
        let leaves = images.iter().map(|(name, image)| {
            let digest = Digest(image.digest());
            let place = match self.places.get(&digest) {
                Some((pack, offset)) => Place::Pack { pack: *pack, offset: *offset },
                None => {
                    blobs.push((digest, image.root().to_vec()));
                    blobs.extend(image.segments().map(|segment| (Digest(*segment.digest()), segment.bytes().to_vec())));
                    Place::Own
                }
            };
            Leaf { name: name.clone(), serial: image.serial(), image: digest, len: image.len(), place }
        });
        let leaves: Vec<Leaf> = leaves.collect();
        self.release_with(at, leaves, blobs)
    }

    /// The word that this is the head.
    pub(crate) fn word_of(&self, manifest: &Signed<Manifest>) -> Signed<Freshness> {
        let word = Freshness {
            channel: self.channel.clone(),
            generation: manifest.claims().generation,
            manifest: manifest.digest(),
            time_secs: self.now_secs,
            extensions: vec![],
        };
        Signed::sign(&word, &[&key(self.signer)]).unwrap()
    }

    /// The release of these leaves, whatever they say.
    pub(crate) fn release_with(&mut self, at: &str, leaves: Vec<Leaf>, mut blobs: Vec<(Digest, Vec<u8>)>) -> Release {
        let root = tree::build(leaves, |digest, bytes| blobs.push((digest, bytes))).unwrap();
        self.now_secs += 1;
        let (channel, time_secs) = (self.channel.clone(), self.now_secs);
        let generation = generation(at);
        let manifest = Manifest { channel, generation, parent: None, time_secs, root, extensions: vec![] };
        let manifest = Signed::sign(&manifest, &[&key(self.signer)]).unwrap();
        let freshness = self.word_of(&manifest);
        Release {
            blobs,
            state: State { key_set: self.set.clone(), head: Some(Head { freshness, manifest, trial: None }) },
        }
    }
}

/// Lays a release on trial beside the head of another, for these nodes: the state that has both, with a return release of the generation
/// after it.
pub(crate) fn on_trial(head: &Release, tried: &Release, nodes: &[&str], step: u32, deadline_secs: u32) -> Release {
    let mut state = head.state.clone();
    let (head, manifest) = (state.head.as_mut().unwrap(), tried.state.head.as_ref().unwrap().manifest.clone());
    let generation = manifest.claims().generation;
    let back = Manifest { generation: generation.next(generation.key_set).unwrap(), ..head.manifest.claims().clone() };
    let back = Signed::sign(&back, &[&key(10)]).unwrap();
    let trial = Trial::new(prod(), head.manifest.held(), manifest.held(), back.held(), deadline_secs, 0);
    let mut trial = trial.with_nodes(nodes.iter().map(|node| String::from(*node)));
    trial.step = step;
    head.trial = Some(OnTrial { trial: Signed::sign(&trial, &[&key(10)]).unwrap(), manifest, back });
    Release { blobs: tried.blobs.clone(), state }
}

impl Release {
    pub(crate) async fn put_blobs(&self, store: &Store) {
        for (digest, bytes) in &self.blobs {
            store.blobs.put(digest, bytes.clone()).await.unwrap();
        }
    }

    pub(crate) async fn move_head(&self, store: &Store) {
        put_state(store, self.state.encode()).await;
    }

    pub(crate) async fn publish(&self, store: &Store) {
        self.put_blobs(store).await;
        self.move_head(store).await;
    }
}

/// Whatever these octets are, they are the channel's state now.
pub(crate) async fn put_state(store: &Store, bytes: Vec<u8>) {
    let known = store.channels.state(&prod()).await.unwrap().map(|state| state.version);
    assert!(store.channels.replace(&prod(), known.as_ref(), bytes).await.unwrap().is_some());
}

/// A disk in memory: it can be full, away, or the last thing that a process wrote to.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    files: BTreeMap<String, Vec<u8>>,
    away: bool,
    /// Writes that are still done; then the disk is full, or the process dies in the next one.
    writes_left: Option<usize>,
    dies: bool,
    writes: usize,
}

impl Memory {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.inner().files.clone()
    }

    pub(crate) fn set(&self, path: &str, bytes: Option<Vec<u8>>) {
        let mut inner = self.inner();
        match bytes {
            Some(bytes) => drop(inner.files.insert(path.to_owned(), bytes)),
            None => drop(inner.files.remove(path)),
        }
    }

    pub(crate) fn away(&self, away: bool) {
        self.inner().away = away;
    }

    /// From the `n`th write on the disk is full.
    pub(crate) fn full_after(&self, n: Option<usize>) {
        let mut inner = self.inner();
        (inner.writes_left, inner.dies) = (n, false);
    }

    /// The `n`th write never returns: whoever awaits it is to be dropped.
    pub(crate) fn dies_at(&self, n: Option<usize>) {
        let mut inner = self.inner();
        (inner.writes_left, inner.dies) = (n, true);
    }

    /// Writes since it was asked last.
    pub(crate) fn writes(&self) -> usize {
        std::mem::take(&mut self.inner().writes)
    }

    /// `Err`: the disk says no; `Ok(false)`: the process dies here.
    fn write_allowed(&self) -> io::Result<bool> {
        let mut inner = self.inner();
        if inner.away {
            return Err(io::Error::other("the disk is away"));
        }
        inner.writes += 1;
        match inner.writes_left {
            Some(0) if inner.dies => Ok(false),
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(left) => {
                inner.writes_left = Some(left - 1);
                Ok(true)
            }
            None => Ok(true),
        }
    }
}

/// A disk that several hold.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) std::sync::Arc<Memory>);

#[async_trait]
impl Disk for Shared {
    async fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let inner = self.0.inner();
        if inner.away {
            return Err(io::Error::other("the disk is away"));
        }
        match inner.files.get(path) {
            Some(bytes) if bytes.len() as u64 > max => Err(io::ErrorKind::FileTooLarge.into()),
            bytes => Ok(bytes.cloned()),
        }
    }

    async fn write(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        if !self.0.write_allowed()? {
            std::future::pending::<()>().await;
        }
        self.0.set(path, Some(bytes));
        Ok(())
    }

    async fn touch(&self, path: &str) -> io::Result<bool> {
        Ok(self.0.inner().files.contains_key(path))
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<File>> {
        let inner = self.0.inner();
        if inner.away {
            return Err(io::Error::other("the disk is away"));
        }
        let below = format!("{directory}/");
        let files = inner.files.iter().filter(|(path, _)| path.starts_with(&below));
        Ok(files.map(|(path, b)| File { path: path.clone(), len: b.len() as u64, age: Duration::ZERO }).collect())
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        if !self.0.write_allowed()? {
            std::future::pending::<()>().await;
        }
        self.0.set(path, None);
        Ok(())
    }

    async fn lock(&self, _name: &str) -> io::Result<Box<dyn Send>> {
        // Tests write one after another.
        Ok(Box::new(()))
    }
}
