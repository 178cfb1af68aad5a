//! Publishing in waves, with real processes: ten nodes under queries, releases that are good and one that breaks a name, publishers that are killed,
//! interrupted or fight, a canary that dies, stores that go away.
//!
//! What the command prints, as docs/publishing.md shows it: `cargo test --test waves -- --nocapture`.

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod clients;
mod command;
mod dir;
mod etcd;
mod fleet;
