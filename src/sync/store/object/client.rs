//! The HTTP client of [`super`]: TLS by rustls with `ring`, bounded times, bounded answers.

use super::{Result, StoreError};
use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Time to connect, with TLS.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// Time without an octet after which another connection is tried.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Time of one operation with all its tries, and what it may take longer for each octet that is moved: 32 KiB a second.
const TIME_MAX: Duration = Duration::from_secs(30);
const OCTETS_PER_SEC_MIN: u64 = 32 << 10;
/// Tries after the first.
const RETRIES_MAX: usize = 3;
/// Octets of an answer that is no object: of an error, of a page of a list (1,000 names of up to 1 KiB, in XML).
const ERROR_LEN_MAX: usize = 64 << 10;
const LIST_LEN_MAX: usize = 8 << 20;

/// Where answers come from; `plain` is HTTP without TLS, which needs no certificates on the system.
pub(super) fn options(allow_http: bool, plain: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_no_system_certificates(plain)
        .with_http1_only()
        .with_connect_timeout(CONNECT_TIME_MAX)
        .with_read_timeout(SILENCE_MAX)
        // Not a whole request's time: a large image over a thin line takes as long as it takes.
        .with_timeout_disabled()
}

/// How often, and when, a request is tried again that the server failed.
pub(super) fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 };
    RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: TIME_MAX }
}

/// Waits for an operation on so many octets.
pub(super) async fn within<T>(what: &str, octets: usize, operation: impl Future<Output = T>) -> Result<T> {
    Pace::new().within(what, octets, operation).await
}

/// A start, and the pace that is due since.
#[derive(Debug)]
pub(super) struct Pace(Instant);

impl Pace {
    pub(super) fn new() -> Pace {
        Pace(Instant::now())
    }

    /// Waits for the next part, if `octets` have come or go so far.
    pub(super) async fn within<T>(&mut self, what: &str, octets: usize, next: impl Future<Output = T>) -> Result<T> {
        let allowed = TIME_MAX + Duration::from_millis(octets as u64 * 1000 / OCTETS_PER_SEC_MIN);
        let waited = timeout_at(self.0 + allowed, next).await;
        waited
            .map_err(|_| StoreError::Unavailable(format!("{what}: no answer, or too slow, in {} s", allowed.as_secs())))
    }
}

/// Makes clients whose answers are bounded. The library reads errors and lists as a whole; objects are read by us.
#[derive(Debug)]
pub(super) struct Bounded;

impl HttpConnector for Bounded {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Whoever was first has chosen; there is no other provider than this in the program.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(HttpClient::new(BoundedClient(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct BoundedClient(HttpClient);

#[async_trait]
impl HttpService for BoundedClient {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        let is_object = request.method() == "GET" && request.uri().query().is_none();
        let (parts, body) = self.0.execute(request).await?.into_parts();
        let max = match (parts.status.is_success(), is_object) {
            (true, true) => return Ok(HttpResponse::from_parts(parts, body)),
            (true, false) => LIST_LEN_MAX,
            (false, _) => ERROR_LEN_MAX,
        };
        let limited = Limited::new(body, max).map_err(|e| HttpError::new_boxed(HttpErrorKind::Decode, e));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(limited)))
    }
}
