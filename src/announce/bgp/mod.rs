//! BGP-4 as a speaker that announces a few prefixes and accepts none (RFC 4271).

pub mod message;
