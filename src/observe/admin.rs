//! The admin HTTP server: what monitoring asks, read-only, on loopback.
//!
//! | path | answer |
//! |---|---|
//! | `/healthz` | 200 as long as the process runs |
//! | `/readyz` | 200 when queries should be sent here, else 503; the body says why not |
//! | `/zones` | JSON: each zone's serial, records, age, digest, state |
//! | `/metrics` | OpenMetrics text |
//!
//! It runs beside the data plane and shares nothing with it but counters that it reads.

use super::metrics::{self, state_text};
use super::view::View;
use crate::calendar;
use crate::places::{Place, Places};
use crate::zone::set::Zone;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Connections at once; a fresh one gets the place of the oldest idle one.
const CONNECTIONS_MAX: usize = 16;
/// Octets of a request's headers.
const HEADER_LEN_MAX: usize = 8192;
/// How long a request's headers may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last, requests and answers together.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after an `accept` that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until the task is dropped.
pub async fn serve(listener: TcpListener, view: Arc<View>) {
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
        let view = Arc::clone(&view);
        let converse = |place: Place| async move {
            let service = service_fn(|request| respond(request, Arc::clone(&view), &place));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(HEADER_LEN_MAX)
                .serve_connection(TokioIo::new(stream), service);
            // How a client ends its connection, or that it sends no HTTP, is its own affair.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
        };
        places.give(converse).await;
    }
}

async fn respond(
    request: Request<Incoming>,
    view: Arc<View>,
    place: &Place,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _work = place.work();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // Adding up the counters, and listing many zones, takes milliseconds: not on the threads that serve TCP.
    let page = tokio::task::spawn_blocking(move || page(&method, &path, &view)).await;
    Ok(page.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n".into())))
}

fn page(method: &Method, path: &str, view: &Arc<View>) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "this server is read-only: GET or HEAD\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/healthz" => text(StatusCode::OK, "alive\n".into()),
        "/readyz" => match view.not_ready() {
            reasons if reasons.is_empty() => text(StatusCode::OK, "ready\n".into()),
            reasons => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
        },
        "/zones" => content(StatusCode::OK, "application/json", zones(view)),
        "/metrics" => content(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(Arc::clone(view))),
        _ => text(StatusCode::NOT_FOUND, "here are /healthz, /readyz, /zones and /metrics\n".into()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    content(status, "text/plain; charset=utf-8", body)
}

fn content(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One zone in `/zones`.
#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    serial: Option<u32>,
    records: Option<u64>,
    signatures_end: Option<String>,
    age_seconds: Option<f64>,
    digest: Option<String>,
    file: Option<String>,
    channel: Option<String>,
    error: Option<String>,
}

/// Sorted by name.
fn zones(view: &View) -> String {
    let now = Instant::now();
    let row = |zone: &Zone| {
        let version = zone.version();
        Row {
            name: zone.name().to_string(),
            state: state_text(zone.state()),
            serial: version.map(|version| version.serial),
            records: version.map(|version| version.records),
            signatures_end: version.and_then(|version| version.signatures_end).map(|end| calendar::text(end.into())),
            age_seconds: version.map(|version| now.saturating_duration_since(version.since).as_secs_f64()),
            digest: version.map(|version| blake3::Hash::from_bytes(version.digest).to_hex().to_string()),
            file: zone.file().map(|path| path.display().to_string()),
            channel: zone.channel().map(str::to_owned),
            error: zone.error.as_deref().map(str::to_owned),
        }
    };
    let mut rows: Vec<Row> = view.served.zones().iter().map(|zone| row(zone)).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    serde_json::to_string(&rows).expect("rows are strings and numbers") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::sample;
    use super::*;
    use http_body_util::BodyExt;

    /// Status and body of a page.
    fn get(method: Method, path: &str, view: View) -> (u16, String) {
        let response = page(&method, path, &Arc::new(view));
        let status = response.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn pages() {
        let fine = || sample(Duration::ZERO);
        assert_eq!(get(Method::GET, "/healthz", fine()), (200, "alive\n".into()));
        assert_eq!(get(Method::GET, "/readyz", fine()), (200, "ready\n".into()));
        assert_eq!(get(Method::GET, "/", fine()).0, 404);
        assert_eq!(get(Method::POST, "/readyz", fine()).0, 405);
        let (status, why) = get(Method::HEAD, "/readyz", sample(Duration::from_secs(2)));
        assert_eq!((status, why.as_str()), (503, "worker 0 has not come round for 2000 ms\n"));
        assert!(get(Method::GET, "/metrics", fine()).1.contains("catchment_build_info"));
    }

    #[test]
    fn zones_are_json_sorted_by_name() {
        let view = sample(Duration::ZERO);
        let version = view.served.zones().iter().find_map(|zone| zone.version()).unwrap();
        let (status, body) = get(Method::GET, "/zones", view);
        assert_eq!(status, 200);
        let rows: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(rows[0]["name"], "bad.example.");
        assert_eq!(rows[0]["state"], "failed");
        assert_eq!(rows[0]["serial"], serde_json::Value::Null);
        assert_eq!(rows[0]["error"], "line 3 is \"bad\"");
        assert_eq!(rows[1]["name"], "example.com.");
        assert_eq!(rows[1]["serial"], 20_260_101);
        assert_eq!(rows[1]["records"], 7);
        assert_eq!(rows[1]["signatures_end"], "2030-03-17T17:46:40Z");
        assert_eq!(rows[0]["signatures_end"], serde_json::Value::Null);
        assert_eq!(rows[1]["digest"], blake3::Hash::from_bytes(version.digest).to_hex().as_str());
        assert_eq!(rows[1]["file"], "/zones/example.com.zone");
        assert!(rows[1]["age_seconds"].as_f64().unwrap() < 10.0);
    }
}
