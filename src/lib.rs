//! Catchment: an anycast authoritative DNS server.
//!
//! Four flows run through the crate, each one way; read the modules in their order.
//!
//! ```text
//! a query    serve (socket) -> wire (view) -> answer -> zone (image) -> wire (writer) -> serve
//! a zone     zone::library -> text -> zone::parse -> zone::compile = image -> zone::set -> swap of what is served
//! health     serve (heartbeats) -> lease -> announce
//! a figure   answer's outcome -> observe::counters -> observe::metrics -> admin HTTP
//! ```
//!
//! The modules, lowest first; nothing imports upwards:
//!
//! - [`wire`]: the bytes of DNS and nothing else
//! - [`calendar`]: times as people write them
//! - `counted`: numbers of things, as people read them
//! - [`random`]: numbers that need not be secret
//! - [`lease`]: the messages between server and sidecar
//! - `places`: the connections of admin servers and control sockets
//! - `signals`: the signals that server and sidecar obey
//! - [`local`]: Unix sockets between processes of one host
//! - [`notify`]: what the service manager is told
//! - [`zone`]: text to image, and the set of images that is served
//! - [`sync`]: releases: their formats, and what a node believes
//! - [`answer`]: the pure responder
//! - [`config`]: the settings file
//! - [`observe`]: counters, metrics, admin HTTP, logs
//! - [`serve`]: sockets, threads, signals
//! - [`announce`]: the BGP sidecar; of the modules above it uses `config`, `counted`, `observe::logs`, `lease`, `local`, `notify`,
//!   `places`, `signals` and `wire` only
//! - [`cli`]: one file per subcommand

pub mod announce;
pub mod answer;
pub mod calendar;
pub mod cli;
pub mod config;
pub(crate) mod counted;
pub mod lease;
pub mod local;
pub mod notify;
pub mod observe;
pub(crate) mod places;
pub mod random;
pub(crate) mod regular;
pub mod serve;
pub(crate) mod shown;
pub(crate) mod signals;
pub mod sync;
pub mod wire;
pub mod zone;
