//! A node that follows a channel: in one process on virtual time, and as the real binary.

mod in_process;
mod large;
mod node;
mod releases;
#[path = "../support/mod.rs"]
mod support;
mod trials;
