//! What a publish brings: zones by name, each with its image, or with that image's name where nothing more is needed.
//!
//! A publisher that remembers what its files were compiled to has no image of most zones. Those that the head has are not needed; the others
//! are made when it is known which these are.

use super::Error;
use crate::sync::codec::Digest;
use crate::sync::zone_name::ZoneName;
use crate::zone::image::Image;
use std::collections::{BTreeMap, HashMap};

/// What pages say of a zone's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The SOA's serial.
    pub serial: u32,
    /// The image's name.
    pub image: Digest,
    /// Its octets.
    pub len: u64,
}

impl From<&Image> for Named {
    fn from(image: &Image) -> Named {
        Named { serial: image.serial(), image: Digest(image.digest()), len: image.len() }
    }
}

/// A zone that a publish brings.
#[derive(Clone)]
pub enum Brought {
    /// Its image.
    Image(Image),
    /// What the image is called: it can be made if it is needed.
    Named(Named),
}

impl Brought {
    fn named(&self) -> Named {
        match self {
            Brought::Image(image) => image.into(),
            Brought::Named(named) => *named,
        }
    }
}

/// Makes the images of zones, each of which was brought by its name alone. `Err`: why that can't be done any more, for the operator.
pub type Make<'a> = dyn Fn(&[ZoneName]) -> Result<Vec<Image>, String> + Sync + 'a;

/// The zones of a publish.
#[derive(Default)]
pub struct Images {
    zones: BTreeMap<ZoneName, Brought>,
    by_digest: HashMap<Digest, ZoneName>,
}

impl Images {
    /// Takes them; of two of one zone the last.
    pub fn new(zones: impl IntoIterator<Item = (ZoneName, Brought)>) -> Images {
        let mut images = Images::default();
        images.zones.extend(zones);
        let with_image = images.zones.iter().filter_map(|(name, zone)| match zone {
            Brought::Image(image) => Some((Digest(image.digest()), name.clone())),
            Brought::Named(_) => None,
        });
        images.by_digest = with_image.collect();
        images
    }

    /// All, in canonical order.
    pub fn zones(&self) -> impl Iterator<Item = (&ZoneName, Named)> {
        self.zones.iter().map(|(name, zone)| (name, zone.named()))
    }

    /// Those whose images are here.
    pub(super) fn images(&self) -> impl Iterator<Item = (&ZoneName, &Image)> {
        self.zones.iter().filter_map(|(name, zone)| match zone {
            Brought::Image(image) => Some((name, image)),
            Brought::Named(_) => None,
        })
    }

    /// Takes a zone's image in place of what there is of it.
    pub(super) fn insert(&mut self, image: Image) {
        let name = ZoneName::from(&image.apex());
        if let Some(Brought::Image(before)) = self.zones.get(&name) {
            self.by_digest.remove(&Digest(before.digest()));
        }
        self.by_digest.insert(Digest(image.digest()), name.clone());
        self.zones.insert(name, Brought::Image(image));
    }

    /// What pages say of this zone, if it is among them.
    pub fn named(&self, name: &ZoneName) -> Option<Named> {
        self.zones.get(name).map(Brought::named)
    }

    /// Whether this zone is among them.
    pub fn has_zone(&self, name: &ZoneName) -> bool {
        self.zones.contains_key(name)
    }

    /// The image of this name, if it is here.
    pub fn by_name(&self, digest: &Digest) -> Option<&Image> {
        match self.by_digest.get(digest).and_then(|name| self.zones.get(name))? {
            Brought::Image(image) => Some(image),
            Brought::Named(_) => None,
        }
    }

    /// Makes the images that are not here and that nobody else `has`, as the zone's image of this name.
    pub(super) fn complete(&mut self, has: impl Fn(&ZoneName, &Digest) -> bool, make: &Make) -> Result<(), Error> {
        let is_lacking = |(name, zone): &(&ZoneName, &Brought)| match zone {
            Brought::Image(_) => false,
            Brought::Named(named) => !has(name, &named.image),
        };
        let lacking: Vec<ZoneName> = self.zones.iter().filter(is_lacking).map(|(name, _)| name.clone()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        make(&lacking).map_err(Error::Zones)?.into_iter().for_each(|image| self.insert(image));
        match lacking.iter().find(|name| matches!(self.zones.get(name), Some(Brought::Named(_)))) {
            Some(name) => Err(Error::Zones(format!("error: zone {name} can't be compiled any more: publish again"))),
            None => Ok(()),
        }
    }
}

impl From<Vec<Image>> for Images {
    fn from(images: Vec<Image>) -> Images {
        Images::new(images.into_iter().map(|image| (ZoneName::from(&image.apex()), Brought::Image(image))))
    }
}
