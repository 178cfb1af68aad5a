//! What is said about zones: each message word for word, the command's exit codes and JSON, and verdicts beside other checkers'.

#[path = "../support/mod.rs"]
mod support;

mod command;
mod corpus;
mod images;
mod messages;
mod signed;
