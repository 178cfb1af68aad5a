//! Zones: from text to immutable images, and the set of images that is served.

pub mod compile;
pub mod image;
pub mod records;
pub mod set;
