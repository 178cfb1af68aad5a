//! Stores against what they are stores in: one contract for all, and what is particular to directories, S3 and web servers.

#[path = "../support/mod.rs"]
mod support;

mod contract;
mod crash;
mod directory;
mod s3;
mod s3_server;
mod web;
