//! Plans from zone text, for tests.

use super::{Listing, Old, Plan, ZoneChange};
use crate::sync::zone_name::ZoneName;
use crate::wire::name::Name;
use crate::zone::compile::compile;
use crate::zone::image::Image;
use crate::zone::parse::{Options, parse_text};
use std::collections::BTreeMap;

/// Zones as text, by name.
pub(crate) type Texts<'a> = [(&'a str, &'a str)];

/// The image of a zone; its text needs no TTL.
pub(crate) fn image(name: &str, text: &str) -> Image {
    let apex: Name = name.parse().unwrap();
    let parsed = parse_text(name, format!("$TTL 3600\n{text}"), &apex, &Options::default());
    let image = compile(&apex, &parsed.records).0.filter(|_| !parsed.has_errors());
    image.unwrap_or_else(|| panic!("{name}: {:?}", parsed.diagnostics))
}

/// What it takes to make `new` of `old`, which is release 1.7; without any zone it is none.
pub(crate) fn plan(old: &Texts, new: &Texts, listing: Listing) -> Plan {
    let images = |texts: &Texts| -> BTreeMap<ZoneName, Image> {
        texts.iter().map(|(name, text)| (ZoneName::from(&name.parse::<Name>().unwrap()), image(name, text))).collect()
    };
    let (old, new) = (images(old), images(new));
    let mut changes: Vec<ZoneChange> = Vec::new();
    let zones: std::collections::BTreeSet<&ZoneName> = old.keys().chain(new.keys()).collect();
    for zone in zones {
        let (before, after) = (old.get(zone), new.get(zone).cloned());
        if before.map(Image::digest) != after.as_ref().map(Image::digest) {
            let before = before.map(|image| Old { serial: image.serial(), image: Some(image.clone()) });
            changes.push(ZoneChange::new(zone.clone(), before, after));
        }
    }
    let head = (!old.is_empty()).then(|| "1.7".parse().unwrap());
    let plan = Plan::new(head, old.len() as u64, changes, |zone| new.contains_key(zone), listing);
    plan.unwrap_or_else(|(zone, error)| panic!("{zone}: {error}"))
}
