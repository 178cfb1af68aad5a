//! The bytes of DNS (RFC 1035 section 4) and nothing else: names, codes, the view of a query, the writer of a response.
//!
//! Called by `zone` and `answer`; knows neither of them, and no sockets.

pub mod case;
pub mod code;
pub mod lookup;
pub mod name;
pub mod query;
pub mod rdata;
pub mod serial;
pub mod writer;
