//! DNS cookies (RFC 7873, RFC 9018).

/// The secrets of a fleet.
#[derive(Debug, Clone)]
pub struct Secrets {}

impl Secrets {
    /// One random secret that lives as long as the process.
    pub fn random() -> std::io::Result<Secrets> {
        todo!()
    }
    /// Reads a secrets file: a line each, `verify-only|generate|retire` and 32 hex digits; `#` starts a comment.
    /// Errors name the line.
    pub fn parse(_text: &str) -> Result<Secrets, String> {
        todo!()
    }
}
