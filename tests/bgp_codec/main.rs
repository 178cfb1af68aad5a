//! The BGP codec against the RFCs' field layouts, against malformed messages, and against two other codecs.
//!
//! - `vectors`: messages in octets and as values, both ways
//! - `malformed`: what of a peer's errors ends the session, withdraws routes, or costs an attribute
//! - `properties`: any message, however the stream is cut
//! - `oracles`: what we write others read the same, and the reverse; each difference with the RFC that explains it

mod malformed;
mod messages;
mod oracles;
mod properties;
mod vectors;
