//! What can be seen of a running server: counters, metrics, the admin HTTP server, logs.
//!
//! Nothing in here may stop an answer: logs are dropped rather than waited for, counters are added up by the reader.

pub mod admin;
pub mod counters;
pub mod logs;
pub mod metrics;
pub mod questions;
pub mod sidecars;
pub mod view;
