//! What integration tests and the comparison share: the peers (other servers, run as processes), processes, skips.
//!
//! Used as `mod support;` from tests and by `#[path]` from `benches/compare`.

// Each test is a crate of its own and uses only a part.
#![allow(dead_code)]

pub(crate) mod announcer;
pub(crate) mod catchment;
pub(crate) mod etcd;
pub(crate) mod fleet;
pub(crate) mod frr;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod sidecar;
pub(crate) mod signing;
#[cfg(target_arch = "x86_64")]
pub(crate) mod trace;
pub(crate) mod watch;
pub(crate) mod wedge;
pub(crate) mod workflow;

/// Says why a test can't run here. With CI=true that is a failure: there, everything runs.
pub(crate) fn skip(reason: impl std::fmt::Display) {
    println!("skipped: {reason}");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "skipped with CI=true: {reason}");
}
