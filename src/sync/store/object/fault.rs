//! What went wrong behind HTTP, in words for the operator: what the store said, and what to do about it.

use super::StoreError;
use std::error::Error;

/// Characters of a server's own words.
const WORDS_MAX: usize = 200;

/// Codes of S3 that somebody must act on, and how. A server may give any status with them.
const CODES: [(&str, &str); 13] = [
    ("AccessDenied", "these credentials may not do this; docs/sync.md has the permissions that each part needs"),
    ("AccountProblem", "ask the provider"),
    ("AuthorizationHeaderMalformed", "check AWS_REGION: it must be the bucket's"),
    ("ExpiredToken", "the session has ended: renew AWS_SESSION_TOKEN and its keys"),
    ("IllegalLocationConstraintException", "check AWS_REGION: it must be the bucket's"),
    ("InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
    ("InvalidBucketName", "check the address"),
    ("InvalidToken", "check AWS_SESSION_TOKEN"),
    ("NoSuchBucket", "make the bucket, or check the address and AWS_ENDPOINT_URL"),
    ("NotImplemented", "this store lacks what is needed: conditional writes (If-Match, If-None-Match)"),
    ("PermanentRedirect", "check AWS_REGION and AWS_ENDPOINT_URL"),
    ("RequestTimeTooSkewed", "the clock of this host or of the store is wrong"),
    ("SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"),
];

/// A store whose settings don't make one.
pub(super) fn opening(name: &str, e: &object_store::Error) -> StoreError {
    StoreError::Denied(format!("{name}: {}", words(&innermost(e))))
}

/// Whether an object is missing, and not the whole bucket.
pub(super) fn is_missing(e: &object_store::Error) -> bool {
    matches!(e, object_store::Error::NotFound { .. }) && code(&chain(e)).is_none_or(|(code, _)| code != "NoSuchBucket")
}

/// What an error of the library means for a store.
pub(super) fn of(what: &str, e: &object_store::Error) -> StoreError {
    let text = chain(e);
    if let Some((code, remedy)) = code(&text) {
        return StoreError::Denied(match element(&text, "Message") {
            Some(message) => format!("{what}: {code}: {}; {remedy}", words(message).trim_end_matches('.')),
            None => format!("{what}: {code}; {remedy}"),
        });
    }
    match e {
        // Without an S3 code it is a proxy's or a web server's, or the answer to a HEAD, which has no body.
        object_store::Error::PermissionDenied { .. } => {
            StoreError::Denied(format!("{what}: permission denied (HTTP 403)"))
        }
        object_store::Error::Unauthenticated { .. } => {
            StoreError::Denied(format!("{what}: no valid credentials (HTTP 401)"))
        }
        object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. } => {
            StoreError::Denied(format!("{what}: {}", words(&innermost(e))))
        }
        _ => match status(&text) {
            Some(status) => StoreError::Unavailable(format!("{what}: HTTP {status}")),
            None => StoreError::Unavailable(format!("{what}: {}", words(&innermost(e)))),
        },
    }
}

/// An error and all that caused it.
fn chain(e: &object_store::Error) -> String {
    let mut text = e.to_string();
    let mut next = e.source();
    while let Some(e) = next {
        text.push('\n');
        text.push_str(&e.to_string());
        next = e.source();
    }
    text
}

/// The first cause: what the system or TLS said.
fn innermost(e: &object_store::Error) -> String {
    let mut last: &dyn Error = e;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

fn code(text: &str) -> Option<(&'static str, &'static str)> {
    let found = element(text, "Code")?;
    CODES.into_iter().find(|(code, _)| *code == found)
}

/// The content of the first XML element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(content, _)| content)
}

/// The status that the library's text has.
fn status(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.split(':').next().filter(|status| status.len() < 64)
}

/// Another's words, so short and plain that they fit into a line of a log.
fn words(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX + 1).collect();
    match plain.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}...", &plain[..end]),
        None => plain,
    }
}
