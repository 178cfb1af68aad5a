//! All zones that are served, found by the name of a question.

use super::image::Image;
use crate::wire::name::Name;

/// One zone of the set.
#[derive(Clone)]
pub struct Zone {
    /// Stable for as long as the process runs: counters are indexed by it. Dense, from 0.
    pub id: u32,
    /// Apex, case as written.
    pub name: Name,
    /// What is served; `None` when no version of the zone could be loaded: SERVFAIL.
    pub image: Option<Image>,
}

/// An immutable set of zones.
pub struct Zones {}

impl Zones {
    /// Builds the set. Names must differ (letters compared without case).
    pub fn new(_zones: Vec<Zone>) -> Zones {
        todo!()
    }
    /// All zones, in no stated order.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        std::iter::empty()
    }
    /// How many.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
