//! deploy/ci as a team uses it: the jobs of the workflows run as their hosts run them, in a git repository, with a store, a node, and a
//! server where they put their comments; hooks refuse commits; what the real octoDNS writes is published.

#[path = "../support/mod.rs"]
mod support;

mod forge;
mod hooks;
mod octodns;
mod workflows;
