//! Zones: from text to immutable images, and the set of images that is served.

pub mod compile;
pub mod diagnostic;
pub mod dump;
pub mod image;
pub mod parse;
pub mod rdata;
pub mod records;
pub mod set;
