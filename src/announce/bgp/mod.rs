//! BGP-4 as a speaker that announces a few prefixes and accepts none (RFC 4271).
//!
//! - [`message`]: the messages as values
//! - [`codec`]: octets to messages and back
//! - [`notification`]: what the codes of a NOTIFICATION mean
//! - [`settings`]: what is set for a router
//! - [`session`]: the session with one router, a pure state machine
//! - [`advertise`]: what a router shall hold, what it was sent, and the difference

pub mod advertise;
pub mod codec;
pub mod message;
pub mod notification;
pub mod session;
pub mod settings;
