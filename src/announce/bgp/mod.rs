//! BGP-4 as a speaker that announces a few prefixes and accepts none (RFC 4271).
//!
//! - [`message`]: the messages as values
//! - [`codec`]: octets to messages and back
//! - [`notification`]: what the codes of a NOTIFICATION mean

pub mod codec;
pub mod message;
pub mod notification;
