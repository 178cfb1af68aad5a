//! Whether a store has all that its releases need, and has it right.

use super::tip::Anchor;
use super::transfer::{each, persist};
use super::{Error, Progress, Publisher, Step};
use crate::sync::channel::{Channel, Generation};
use crate::sync::codec::Digest;
use crate::sync::pack::{PACK_MAX, Pack};
use crate::sync::page::{Leaf, Place};
use crate::sync::store::{Blobs, Store, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Channels.
    pub channels: usize,
    /// Their releases.
    pub releases: usize,
    /// Pages, of all releases.
    pub pages: usize,
    /// Packs, and images of their own.
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
        let mut members: HashMap<Digest, HashMap<Digest, Member>> = HashMap::new();
        let mut pages: HashSet<Digest> = HashSet::new();
        for entry in &history.entries {
            let generation = entry.generation();
            verified.releases += 1;
            if let Some(doubt) = &entry.doubt {
                verified.faults.push(format!("channel {channel}, release {generation}: {doubt}"));
            }
            let content = self.read_content(&entry.manifest.claims().root, |page| pages.contains(page)).await?;
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
        each(members, check, |faults: Result<Vec<String>, Error>| {
            done += 1;
            self.progress.at(Step::Checking, done, Some(all));
            verified.faults.extend(faults?.into_iter().map(|fault| format!("channel {channel}, {fault}")));
            Ok::<(), Error>(())
        })
        .await
    }
}

/// What is wrong with a pack or an image of its own.
async fn check(blobs: &dyn Blobs, name: Digest, members: HashMap<Digest, Member>) -> Result<Vec<String>, Error> {
    let mut members: Vec<Member> = members.into_values().collect();
    members.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    let Some((first, generation)) = members.first() else { return Ok(Vec::new()) };
    let own = first.place == Place::Own;
    let of = format!("release {generation}, zone {}", first.name);
    let max = if own { first.len } else { PACK_MAX as u64 };
    let bytes = match persist(|| blobs.get(&name, max)).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(vec![format!("{of}: {} {name} is missing", if own { "image" } else { "pack" })]),
        Err(error @ (StoreError::TooLarge { .. } | StoreError::Malformed { .. })) => {
            return Ok(vec![format!("{of}: {error}")]);
        }
        Err(error) => return Err(Error::Store { what: format!("reading blob {name}"), error }),
    };
    if own {
        return Ok(first.open(bytes).err().map(|refusal| format!("{of}: image {name}: {refusal}")).into_iter().collect());
    }
    let pack = match Pack::open(bytes, &name) {
        Ok(pack) => pack,
        Err(error) => return Ok(vec![format!("{of}: {error}")]),
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
    Ok(faults)
}
