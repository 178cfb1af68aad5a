//! The HTTP probe: one GET over HTTP/1.1 (RFC 9112) on a connection of its own.

use super::tcp;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Octets of a response that are read; what is expected must come before.
const RESPONSE_LEN_MAX: usize = 64 * 1024;

/// What is asked, and what must come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The port.
    pub port: u16,
    /// The target, `/` first.
    pub path: String,
    /// The Host field; `None`: address and port.
    pub host: Option<String>,
    /// The status code.
    pub status: u16,
    /// What the content must have somewhere.
    pub contains: Option<String>,
}

impl Check {
    /// Asks. `Err`: what was wrong.
    pub(super) async fn ask(&self, address: IpAddr) -> Result<(), String> {
        let mut stream = tcp::open(address, self.port).await?;
        let failed = |error: std::io::Error| error.to_string();
        stream.write_all(self.request(address).as_bytes()).await.map_err(failed)?;
        let mut response = Vec::with_capacity(2048);
        while response.len() < RESPONSE_LEN_MAX && !is_whole(&response) {
            let left = (RESPONSE_LEN_MAX - response.len()) as u64;
            if (&mut stream).take(left).read_buf(&mut response).await.map_err(failed)? == 0 {
                break;
            }
        }
        self.judge(&response)
    }

    fn request(&self, address: IpAddr) -> String {
        let host = match &self.host {
            Some(host) => host.clone(),
            None => SocketAddr::new(address, self.port).to_string(),
        };
        let agent = concat!("catchment-announcer/", env!("CARGO_PKG_VERSION"));
        format!("GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n", self.path)
    }

    /// Whether a response, as far as it was read, is the expected one.
    pub fn judge(&self, response: &[u8]) -> Result<(), String> {
        let Some((head, content)) = head(response) else { return Err("what came is no HTTP response".into()) };
        let status = status(head).ok_or("what came is no HTTP response")?;
        if status != self.status {
            return Err(format!("the status is {status}, not {}", self.status));
        }
        let Some(wanted) = self.contains.as_deref().filter(|wanted| !wanted.is_empty()) else { return Ok(()) };
        let joined;
        let content = match field(head, "transfer-encoding") {
            Some(encoding) if encoding.eq_ignore_ascii_case("chunked") => {
                joined = join_chunks(content);
                &joined
            }
            _ => content,
        };
        if content.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
            return Ok(());
        }
        Err(format!("the content, {} octets, does not have \"{wanted}\"", content.len()))
    }
}

/// The head as text, without the empty line, and what follows it.
fn head(response: &[u8]) -> Option<(&str, &[u8])> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&response[..end]).ok()?, &response[end + 4..]))
}

/// The status line's code (RFC 9112 section 4).
fn status(head: &str) -> Option<u16> {
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// The value of a field; names are compared without case.
fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(|(its, _)| its.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// Whether nothing more will come, although the server may keep the connection (RFC 9112 section 6.3).
fn is_whole(response: &[u8]) -> bool {
    let Some((head, content)) = head(response) else { return false };
    match field(head, "content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) => content.len() >= length,
        None => content.ends_with(b"0\r\n\r\n") && field(head, "transfer-encoding").is_some(),
    }
}

/// The content of a chunked response (RFC 9112 section 7.1), as far as it came.
fn join_chunks(mut content: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(content.len());
    while let Some(end) = content.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&content[..end]).ok().and_then(|line| line.split(';').next());
        let Some(size) = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()).filter(|size| *size > 0)
        else {
            break;
        };
        let chunk = &content[end + 2..];
        let (data, rest) = chunk.split_at(size.min(chunk.len()));
        joined.extend_from_slice(data);
        content = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(contains: Option<&str>) -> Check {
        Check { port: 80, path: "/health".into(), host: None, status: 200, contains: contains.map(Into::into) }
    }

    #[test]
    fn the_request_names_the_host() {
        let request = check(None).request("2001:db8::1".parse().unwrap());
        assert!(request.starts_with("GET /health HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n"), "{request}");
        let named = Check { host: Some("www.example.com".into()), ..check(None) };
        assert!(named.request("192.0.2.1".parse().unwrap()).contains("\r\nHost: www.example.com\r\n"));
    }

    #[test]
    fn status_and_content_decide() {
        let fine = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup\n";
        assert_eq!(check(None).judge(fine), Ok(()));
        assert_eq!(check(Some("up")).judge(fine), Ok(()));
        assert_eq!(check(Some("down")).judge(fine), Err("the content, 3 octets, does not have \"down\"".into()));
        let busy = b"HTTP/1.1 503 Service Unavailable\r\n\r\nup";
        assert_eq!(check(Some("up")).judge(busy), Err("the status is 503, not 200".into()));
        for nonsense in
            [&b""[..], b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 OK\r\n\r\n", b"\xff\r\n\r\n"]
        {
            assert_eq!(check(None).judge(nonsense), Err("what came is no HTTP response".into()));
        }
        // What is wanted in the head alone is not in the content.
        assert!(check(Some("OK")).judge(fine).is_err());
    }

    #[test]
    fn chunks_are_joined() {
        let response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n";
        assert_eq!(check(Some("healthy")).judge(response), Ok(()));
        assert!(is_whole(response));
        assert!(!is_whole(&response[..response.len() - 1]));
        assert_eq!(join_chunks(b"ffffffffffffffff\r\nab"), b"ab", "as far as it came");
        assert_eq!(join_chunks(b"zz\r\nab"), b"");
    }

    #[test]
    fn the_length_says_when_all_is_there() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nup\n"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"));
    }
}
