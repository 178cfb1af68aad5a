//! Publishing in waves, with real processes: ten nodes under queries, releases that are good and one that breaks a name, publishers that are killed
//! (at each of their writes, too), interrupted or fight, a canary that dies, stores that go away; from `git commit` to everyone.
//!
//! What the command prints, as docs/publishing.md shows it: `cargo test --test waves -- --nocapture`.

#[path = "../support/mod.rs"]
mod support;

mod by_hand;
mod clients;
mod command;
mod commit;
mod dir;
mod etcd;
#[cfg(target_arch = "x86_64")]
mod fight;
mod fleet;
#[cfg(target_arch = "x86_64")]
mod killed;
#[cfg(target_arch = "x86_64")]
mod moves;
