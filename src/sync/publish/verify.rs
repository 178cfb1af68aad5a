//! Whether a store has all that its releases need, and has it right.

use super::content::{RootRead, read_root};
use super::tip::Anchor;
use super::transfer::{each, persist};
use super::{Error, Progress, Publisher, Step};
use crate::sync::channel::{Channel, Generation};
use crate::sync::codec::Digest;
use crate::sync::pack::{PACK_MAX, Pack};
use crate::sync::page::{Leaf, Place};
use crate::sync::store::{Blobs, Store, StoreError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Channels.
    pub channels: usize,
    /// Their releases, those on trial too.
    pub releases: usize,
    /// Pages, of all releases.
    pub pages: usize,
    /// Packs, images of their own, and their segments.
    pub blobs: usize,
    /// Images.
    pub images: usize,
    /// What is missing or damaged, a line each.
    pub faults: Vec<String>,
}

/// An image of some release, and in which it was met first.
type Member = (Leaf, Generation);

/// Reads all kept releases of all channels, or of one: signatures, pages, packs, images.
pub async fn verify(
    store: &Store,
    progress: Arc<dyn Progress>,
    only: Option<&Channel>,
    anchor: &Anchor,
) -> Result<Verified, Error> {
    let channels = match only {
        Some(channel) => vec![channel.clone()],
        None => persist(|| store.channels.channels()).await.map_err(Error::store("listing channels"))?,
    };
    if channels.is_empty() {
        return Err(Error::NoChannels);
    }
    let mut verified = Verified { channels: channels.len(), ..Verified::default() };
    for channel in channels {
        let publisher =
            Publisher { store: store.clone(), channel, anchor: anchor.clone(), progress: Arc::clone(&progress) };
        publisher.verify_into(&mut verified).await?;
    }
    verified.faults.sort();
    Ok(verified)
}

impl Publisher {
    async fn verify_into(&self, verified: &mut Verified) -> Result<(), Error> {
        let channel = &self.channel;
        let tip = match self.tip().await {
            Err(error @ (Error::State { .. } | Error::Refused { .. })) => {
                verified.faults.push(format!("channel {channel}: {error}"));
                return Ok(());
            }
            tip => tip?,
        };
        if let Some(refusal) = &tip.disowned {
            verified.faults.push(format!("channel {channel}: nodes refuse its head: {refusal}; publish a release"));
        }
        let history = self.history(&tip, usize::MAX).await?;
        let mut members: BTreeMap<Digest, HashMap<Digest, Member>> = BTreeMap::new();
        let mut pages: HashSet<Digest> = HashSet::new();
        for entry in &history.entries {
            if let Some(doubt) = &entry.doubt {
                verified.faults.push(format!("channel {channel}, release {}: {doubt}", entry.generation()));
            }
        }
        let trial = tip.on_trial().map(|on| &on.manifest);
        for manifest in trial.into_iter().chain(history.entries.iter().map(|entry| &entry.manifest)) {
            let generation = manifest.claims().generation;
            verified.releases += 1;
            let content = self.read_content(&manifest.claims().root, |page| pages.contains(page)).await?;
            for fault in &content.faults {
                let what = match &fault.error {
                    None => format!("page {} is missing", fault.page.digest),
                    Some(error) => error.to_string(),
                };
                verified.faults.push(format!("channel {channel}, release {generation}: {what}"));
            }
            pages.extend(&content.pages);
            for leaf in content.zones.into_values() {
                let blob = leaf.pack().unwrap_or(leaf.image);
                members.entry(blob).or_default().entry(leaf.image).or_insert((leaf, generation));
            }
        }
        verified.pages += pages.len();
        verified.blobs += members.len();
        verified.images += members.values().map(HashMap::len).sum::<usize>();
        let (mut done, all) = (0, members.len() as u64);
        let check = |(blob, members): (Digest, HashMap<Digest, Member>)| {
            let blobs = Arc::clone(&self.store.blobs);
            async move { check(&*blobs, blob, members).await }
        };
        let mut segments: BTreeMap<Digest, Segment> = BTreeMap::new();
        each(members, check, |checked: Result<Checked, Error>| {
            done += 1;
            self.progress.at(Step::Checking, done, Some(all));
            let checked = checked?;
            verified.faults.extend(checked.faults.into_iter().map(|fault| format!("channel {channel}, {fault}")));
            for segment in checked.segments {
                // Of several that have it the first is named, whatever order the answers come in.
                let known = segments.entry(segment.name).or_insert_with(|| segment.clone());
                if segment.of < known.of {
                    *known = segment;
                }
            }
            Ok::<(), Error>(())
        })
        .await?;
        verified.blobs += segments.len();
        let (mut done, all) = (0, segments.len() as u64);
        let check = |segment: Segment| {
            let blobs = Arc::clone(&self.store.blobs);
            async move { check_segment(&*blobs, segment).await }
        };
        each(segments.into_values(), check, |fault: Result<Option<String>, Error>| {
            done += 1;
            self.progress.at(Step::Checking, done, Some(all));
            verified.faults.extend(fault?.map(|fault| format!("channel {channel}, {fault}")));
            Ok::<(), Error>(())
        })
        .await
    }
}

/// What a look at a blob brought.
#[derive(Default)]
struct Checked {
    faults: Vec<String>,
    segments: Vec<Segment>,
}

impl Checked {
    fn fault(fault: String) -> Checked {
        Checked { faults: vec![fault], segments: Vec::new() }
    }
}

/// A segment that a root names.
#[derive(Clone)]
struct Segment {
    name: Digest,
    len: u32,
    /// Whose: for people.
    of: String,
}

async fn check_segment(blobs: &dyn Blobs, segment: Segment) -> Result<Option<String>, Error> {
    let Segment { name, len, of } = segment;
    let fault = match persist(|| blobs.get(&name, len.into())).await {
        Ok(Some(bytes)) if bytes.len() == len as usize && Digest::of(&bytes) == name => return Ok(None),
        Ok(Some(_)) => format!("segment {name} is damaged"),
        Ok(None) => format!("segment {name} is missing"),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Malformed { .. })) => error.to_string(),
        Err(error) => return Err(Error::Store { what: format!("reading segment {name}"), error }),
    };
    Ok(Some(format!("{of}: {fault}")))
}

/// What is wrong with a pack, or with the root of an image of its own; and which segments that has.
async fn check(blobs: &dyn Blobs, name: Digest, members: HashMap<Digest, Member>) -> Result<Checked, Error> {
    let mut members: Vec<Member> = members.into_values().collect();
    members.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let Some((first, generation)) = members.first() else { return Ok(Checked::default()) };
    let of = format!("release {generation}, zone {}", first.name);
    if first.place == Place::Own {
        return Ok(match read_root(blobs, first).await? {
            RootRead::Missing => Checked::fault(format!("{of}: image {name} is missing")),
            RootRead::Damaged(why) => Checked::fault(format!("{of}: image {name}: {why}")),
            RootRead::Segments(segments) => {
                let segment = |(name, len)| Segment { name, len, of: of.clone() };
                Checked { faults: Vec::new(), segments: segments.into_iter().map(segment).collect() }
            }
        });
    }
    let bytes = match persist(|| blobs.get(&name, PACK_MAX as u64)).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Checked::fault(format!("{of}: pack {name} is missing"))),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Malformed { .. })) => {
            return Ok(Checked::fault(format!("{of}: {error}")));
        }
        Err(error) => return Err(Error::Store { what: format!("reading blob {name}"), error }),
    };
    let pack = match Pack::open(bytes, &name) {
        Ok(pack) => pack,
        Err(error) => return Ok(Checked::fault(format!("{of}: {error}"))),
    };
    let mut faults = Vec::new();
    for (leaf, generation) in &members {
        let Place::Pack { offset, .. } = leaf.place else { continue };
        let entry = pack.entries().iter().find(|entry| entry.offset == offset && u64::from(entry.len) == leaf.len);
        let fault = match entry.and_then(|entry| pack.image(entry)) {
            None => Some("is not where the release says".into()),
            Some(image) => leaf.open(image.to_vec()).err().map(|refusal| refusal.to_string()),
        };
        let of = format!("release {generation}, zone {}", leaf.name);
        faults.extend(fault.map(|fault| format!("{of}: its image in pack {name}: {fault}")));
    }
    Ok(Checked { faults, segments: Vec::new() })
}
