//! Zones: from text to immutable images, and the set of images that is served.
//!
//! ```text
//! text -> parse -> records -> compile -> image -> set (all zones) -> answer
//! ```

mod arena;
pub mod compile;
pub mod image;
mod layout;
pub mod memory;
pub mod records;
pub mod set;
