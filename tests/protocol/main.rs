//! The responder against the RFCs: zone text, a query and the response that the RFCs ask for, as text, one named case a rule.
//!
//! The files go by protocol idea. Responses are decoded by hickory-proto; what holds for every response is asserted on
//! every one, in [`check`].

mod additional;
mod aliases;
mod any;
mod case;
mod chaos;
mod check;
mod class;
mod compression;
mod cookies;
mod denial_nsec;
mod denial_nsec3;
mod dname;
mod ds;
mod edns;
mod errors;
mod flags;
mod garbage;
mod negative;
mod options;
mod referrals;
mod sign;
mod signatures;
mod truncation;
mod tsig;
mod wildcards;
mod zones;

#[path = "../support/message.rs"]
#[allow(dead_code)]
mod message;
