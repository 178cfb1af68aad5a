//! Zones: from text to immutable images, and the set of images that is served.
//!
//! ```text
//! text -> parse (rdata, diagnostic) -> records -> compile -> image -> set (all zones) -> answer
//!                                                            image -> dump -> text
//! ```

mod arena;
mod base32;
pub mod check;
pub mod compile;
pub(crate) mod cores;
pub mod diagnostic;
pub mod diff;
pub mod dump;
pub mod finding;
pub mod image;
mod known;
mod layout;
pub mod library;
pub mod memory;
mod names;
pub mod nsec3;
pub mod order;
pub mod parse;
pub mod rdata;
pub mod records;
pub mod set;
pub mod sources;
pub mod spot;
