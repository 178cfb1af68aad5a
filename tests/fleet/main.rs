//! Fleets of real processes: nodes that follow a store, publishers, etcd's members; killed at any moment, and short of room.
//!
//! `cargo test --test fleet` runs a bounded version of each. The figures of docs/sync.md:
//!
//! ```text
//! cargo test --release --test fleet -- --ignored --nocapture --test-threads 1
//! ```

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod crash;
mod full_disk;
mod large;
mod release;
mod swarm;

use std::time::{SystemTime, UNIX_EPOCH};

/// A seed from the clock, or from the environment variable `SEED`; printed, so that a failing run can be made again.
fn seed() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(clock);
    println!("seed {seed} (SEED={seed} chooses it)");
    seed
}
