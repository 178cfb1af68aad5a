//! The sidecar: announces a service's prefixes by BGP while, and only while, the node can answer.
//!
//! ```text
//! lease, probes, addresses, operator -> policy -> what to announce -> bgp (one session a router) -> router
//!                                                                      ^ bfd: the path is gone
//! ```
//!
//! The policy, [`bgp`] and [`bfd`] are pure: `handle(now, event) -> actions`, and a `deadline()` at which they want to be
//! called again. The clock is an argument ([`Moment`]).

pub mod admin;
pub mod bfd;
pub mod bgp;
pub mod control;
pub mod explain;
pub mod lease;
pub mod metrics;
pub mod policy;
pub mod prefix;
pub mod probe;
pub mod route;
pub mod run;
pub mod settings;
pub mod sockets;
pub mod state;

/// A moment: time since the host booted (CLOCK_BOOTTIME), which goes on while a host sleeps and is never set.
pub type Moment = std::time::Duration;
