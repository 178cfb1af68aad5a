//! The admin server: read-only HTTP/1.1 on loopback, one request a connection.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 as long as the process comes round |
//! | `/prefixes` | JSON: what is announced to whom, and why |
//! | `/metrics` | OpenMetrics text |
//!
//! By hand, as three pages need no HTTP library: one would be a fifth of the program.

use super::control::Page;
use crate::places::{Place, Places};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Connections at once; a fresh one gets the place of the oldest idle one.
const CONNECTIONS_MAX: usize = 16;
/// Octets of a request's head.
const HEAD_LEN_MAX: usize = 8192;
/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after an `accept` that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// A page that somebody wants, on its way to whoever makes it.
pub type Wanted = (Page, oneshot::Sender<String>);

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, pages: mpsc::Sender<Wanted>) {
    let mut places = Places::new(CONNECTIONS_MAX);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the admin server can't take a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let pages = pages.clone();
        let converse = |place: Place| async move {
            // How a client ends its connection, or that it sends no HTTP, is its own affair.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, answer(stream, &pages, &place)).await;
        };
        places.give(converse).await;
    }
}

async fn answer(mut stream: TcpStream, pages: &mpsc::Sender<Wanted>, place: &Place) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() >= HEAD_LEN_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (route, with_body) = route(&head);
    let (status, kind, body) = match route {
        Route::Text(status, text) => (status, "text/plain; charset=utf-8", text.into()),
        Route::Page(page) => {
            let _work = place.work();
            let (reply, made) = oneshot::channel();
            let asked = pages.send((page, reply)).await.is_ok();
            match made.await {
                Ok(body) if asked => ("200 OK", page.media_type(), body),
                _ => ("503 Service Unavailable", "text/plain; charset=utf-8", "the announcer is stopping\n".into()),
            }
        }
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{allow}Connection: close\r\n\r\n",
        body.len()
    );
    if with_body {
        response.push_str(&body);
    }
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Text(&'static str, &'static str),
    Page(Page),
}

/// What a head asks for, and whether the body is wanted.
fn route(head: &[u8]) -> (Route, bool) {
    let line = head.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return (Route::Text("400 Bad Request", "this is no HTTP request\n"), true);
    };
    if !version.starts_with("HTTP/1.") {
        return (Route::Text("400 Bad Request", "this is no HTTP/1 request\n"), true);
    }
    if method != "GET" && method != "HEAD" {
        return (Route::Text("405 Method Not Allowed", "this server is read-only: GET or HEAD\n"), true);
    }
    let route = match target.split('?').next().unwrap_or_default() {
        "/healthz" => Route::Page(Page::Healthz),
        "/prefixes" => Route::Page(Page::Prefixes),
        "/metrics" => Route::Page(Page::Metrics),
        _ => Route::Text("404 Not Found", "here are /healthz, /prefixes and /metrics\n"),
    };
    (route, method == "GET")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        assert_eq!(route(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), (Route::Page(Page::Metrics), true));
        assert_eq!(route(b"HEAD /prefixes?x=1 HTTP/1.0\r\n\r\n"), (Route::Page(Page::Prefixes), false));
        let status = |head: &[u8]| match route(head).0 {
            Route::Text(status, _) => status,
            Route::Page(page) => panic!("{page:?}"),
        };
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404 Not Found");
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\n"), "405 Method Not Allowed");
        for nonsense in
            [&b"\r\n\r\n"[..], b"GET /metrics\r\n\r\n", b"GET /metrics SSH-2\r\n\r\n", b"\xff\xfe a b\r\n\r\n"]
        {
            assert_eq!(status(nonsense), "400 Bad Request");
        }
    }

    #[tokio::test]
    async fn pages_are_made_by_whoever_runs() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut wanted) = mpsc::channel::<Wanted>(1);
        let server = tokio::spawn(serve(listener, sender));
        let maker = tokio::spawn(async move {
            let (page, reply) = wanted.recv().await.unwrap();
            reply.send(format!("{page:?}")).unwrap();
            // And then it is stopping.
            drop(wanted.recv().await.unwrap());
        });
        let mut answers = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answers.push(answer);
        }
        assert!(
            answers[0].starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text"),
            "{}",
            answers[0]
        );
        assert!(
            answers[0]
                .ends_with("\r\nContent-Length: 7\r\nCache-Control: no-store\r\nConnection: close\r\n\r\nMetrics")
        );
        assert!(answers[1].starts_with("HTTP/1.1 503 "), "{}", answers[1]);
        maker.await.unwrap();
        server.abort();
    }
}
