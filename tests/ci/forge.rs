//! A stand-in for the code hosts, which can't run here: as much of their interfaces as comments of a request need, on loopback. Whoever
//! speaks to it is real: `gh`, and `curl`.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Whose interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The REST interface of GitHub: comments of an issue, the oldest first.
    GitHub,
    /// Version 4 of GitLab's: notes of a merge request, the newest first.
    GitLab,
}

/// What must be shown to it.
pub(crate) const TOKEN: &str = "token-of-the-forge";
/// Comments on a page, at most (both hosts').
const PAGE_MAX: usize = 100;

/// A comment of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Its number.
    pub(crate) id: u64,
    /// Its text, in Markdown.
    pub(crate) body: String,
}

#[derive(Default)]
struct Shared {
    comments: Mutex<Vec<Comment>>,
    /// From now on every request is answered with status 500.
    broken: AtomicBool,
    stop: AtomicBool,
}

/// One that answers, until it is dropped.
pub(crate) struct Forge {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Forge {
    /// Starts one with no comments.
    pub(crate) fn start(kind: Kind) -> Forge {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.stop.load(Ordering::Relaxed) {
                    return;
                }
                // Whoever breaks off has no answer.
                let _ = serve(kind, &serving, stream);
            }
        });
        Forge { address, shared, thread: Some(thread) }
    }

    /// `http://HOST:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All comments, the oldest first.
    pub(crate) fn comments(&self) -> Vec<Comment> {
        self.shared.comments.lock().unwrap().clone()
    }

    /// Other people comment.
    pub(crate) fn discuss(&self, times: usize) {
        let mut comments = self.shared.comments.lock().unwrap();
        (0..times).for_each(|n| add(&mut comments, format!("What about line {n}?")));
    }

    /// Whether it is out of order.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.shared.broken.store(broken, Ordering::Relaxed);
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn add(comments: &mut Vec<Comment>, body: String) {
    let id = comments.last().map_or(1, |last| last.id + 1);
    comments.push(Comment { id, body });
}

/// A request.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Request> {
        let mut from = BufReader::new(stream);
        let mut line = String::new();
        from.read_line(&mut line)?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, target, headers, body: Vec::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        from.take(length).read_to_end(&mut request.body)?;
        Ok(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(known, value)| (known == name).then_some(value.as_str()))
    }

    /// Path and a number of the query.
    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<usize> {
        let mut pairs = self.target.split_once('?')?.1.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(known, value)| (known == name).then(|| value.parse().ok())?)
    }
}

fn serve(kind: Kind, shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let mut comments = shared.comments.lock().unwrap();
    let (status, headers, body) = match shared.broken.load(Ordering::Relaxed) {
        true => (500, String::new(), json!({ "message": "out of order" })),
        false => answer(kind, &mut comments, &request),
    };
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

/// Status, headers, and what is said.
fn answer(kind: Kind, comments: &mut Vec<Comment>, request: &Request) -> (u16, String, Value) {
    let (list, one, change, token) = match kind {
        // `gh` comes by way of a proxy, so with the whole address.
        Kind::GitHub => (
            "http://api.github.localhost/repos/example/zones/issues/5/comments",
            "http://api.github.localhost/repos/example/zones/issues/comments/",
            "PATCH",
            request.header("authorization").and_then(|shown| shown.strip_prefix("token ")),
        ),
        Kind::GitLab => (
            "/api/v4/projects/42/merge_requests/5/notes",
            "/api/v4/projects/42/merge_requests/5/notes/",
            "PUT",
            request.header("private-token"),
        ),
    };
    if token != Some(TOKEN) {
        return (401, String::new(), json!({ "message": "who are you?" }));
    }
    let body = || match kind {
        Kind::GitHub => serde_json::from_slice::<Value>(&request.body).ok()?["body"].as_str().map(str::to_owned),
        Kind::GitLab => form_value(&request.body, "body"),
    };
    let id = request.path().strip_prefix(one).and_then(|id| id.parse::<u64>().ok());
    match (request.method.as_str(), request.path() == list, id) {
        ("GET", true, _) => page(kind, comments, request),
        ("POST", true, _) => match body() {
            Some(body) => {
                add(comments, body);
                (201, String::new(), json!({ "id": comments.len() }))
            }
            None => (422, String::new(), json!({ "message": "no body" })),
        },
        (method, false, Some(id)) if method == change => {
            match (comments.iter_mut().find(|comment| comment.id == id), body()) {
                (Some(comment), Some(body)) => {
                    comment.body = body;
                    (200, String::new(), json!({ "id": id }))
                }
                _ => (404, String::new(), json!({ "message": "no such comment" })),
            }
        }
        _ => (404, String::new(), json!({ "message": "not found" })),
    }
}

/// One page of the comments, and where the next one is.
fn page(kind: Kind, comments: &[Comment], request: &Request) -> (u16, String, Value) {
    let size = request.number("per_page").unwrap_or(30).clamp(1, PAGE_MAX);
    let at = request.number("page").unwrap_or(1).max(1);
    let mut all: Vec<Value> = comments.iter().map(|c| json!({ "id": c.id, "body": c.body })).collect();
    if kind == Kind::GitLab {
        all.reverse();
    }
    let next = (all.len() > at * size).then_some(at + 1);
    let headers = match (kind, next) {
        (Kind::GitHub, Some(next)) => {
            format!("Link: <{}?per_page={size}&page={next}>; rel=\"next\"\r\n", request.path())
        }
        (Kind::GitHub, None) => String::new(),
        // Without a next page it is there, and empty.
        (Kind::GitLab, next) => format!("X-Next-Page: {}\r\n", next.map(|n| n.to_string()).unwrap_or_default()),
    };
    (200, headers, all.into_iter().skip((at - 1) * size).take(size).collect())
}

/// A value of a form (application/x-www-form-urlencoded).
fn form_value(form: &[u8], name: &str) -> Option<String> {
    let form = std::str::from_utf8(form).ok()?;
    let value = form.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name))?.1;
    let mut octets = Vec::new();
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(octets).ok()
}
