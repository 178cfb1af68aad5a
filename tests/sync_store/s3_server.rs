//! A server that speaks as much of S3 as a store asks for, in memory, on loopback. It checks every signature (AWS Signature
//! Version 4) and every digest of a body, keeps to a policy for each key, and writes conditionally as one step.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ring::{digest, hmac};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

/// Objects on a page of a list: few, so that lists have pages.
const PAGE: usize = 3;
/// How far clocks may be apart.
const SKEW_MAX_SECS: i64 = 15 * 60;

/// What a key may do: prefixes of names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    pub(crate) get: Vec<&'static str>,
    pub(crate) put: Vec<&'static str>,
    pub(crate) delete: Vec<&'static str>,
    pub(crate) list: bool,
}

impl Policy {
    pub(crate) fn all() -> Policy {
        Policy { get: vec![""], put: vec![""], delete: vec![""], list: true }
    }
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: Vec<u8>,
    etag: String,
    modified: SystemTime,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// So many answers to writes are lost: the write is done, the connection ends.
    pub(crate) lose_answers: AtomicU32,
    /// So many requests get status 503.
    pub(crate) unavailable: AtomicU32,
    /// From now on no request is answered.
    pub(crate) hang: std::sync::atomic::AtomicBool,
    /// Seconds that the server's clock is ahead.
    pub(crate) ahead_secs: std::sync::atomic::AtomicI64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    bucket: &'static str,
    keys: HashMap<&'static str, (&'static str, Policy)>,
    objects: Mutex<BTreeMap<String, Stored>>,
    pub(crate) faults: Faults,
    /// What was asked: method, name, status.
    pub(crate) log: Mutex<Vec<(String, String, u16)>>,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
}

impl Server {
    /// Starts one with a bucket, and keys: id, secret, policy. It ends with the runtime.
    pub(crate) async fn start(bucket: &'static str, keys: Vec<(&'static str, &'static str, Policy)>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            bucket,
            keys: keys.into_iter().map(|(id, secret, policy)| (id, (secret, policy))).collect(),
            objects: Mutex::default(),
            faults: Faults::default(),
            log: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    // A connection that we break is what some tests are about.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Server { address, shared }
    }

    /// The environment of a client.
    pub(crate) fn variables(&self, id: &str, secret: &str) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        [
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "eu-central-1"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
    }

    /// Makes an object older.
    pub(crate) fn age(&self, name: &str, by: Duration) {
        self.shared.objects.lock().unwrap().get_mut(name).unwrap().modified -= by;
    }

    /// Puts an object by another way.
    pub(crate) fn plant(&self, name: &str, bytes: Vec<u8>) {
        self.shared.objects.lock().unwrap().insert(name.into(), stored(bytes));
    }

    pub(crate) fn asked(&self) -> Vec<(String, String, u16)> {
        std::mem::take(&mut self.shared.log.lock().unwrap())
    }
}

fn stored(bytes: Vec<u8>) -> Stored {
    let etag = format!("\"{}\"", hex(&digest::digest(&digest::SHA256, &bytes).as_ref()[..16]));
    Stored { bytes, etag, modified: SystemTime::now() }
}

/// An error of S3: status, code, message.
type Refusal = (u16, &'static str, &'static str);

#[derive(Debug)]
struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer is lost")
    }
}

impl std::error::Error for Lost {}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Err(Lost) };
    let body = body.to_bytes();
    if shared.faults.hang.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let name = decoded(parts.uri.path().strip_prefix(&format!("/{}/", shared.bucket)).unwrap_or_default());
    let answered = if take(&shared.faults.unavailable) {
        Err((503, "SlowDown", "Please reduce your request rate."))
    } else {
        handle(&shared, &parts, &name, &body)
    };
    let head = parts.method == "HEAD";
    let response = answered.unwrap_or_else(|(status, code, message)| {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let xml = if head || status == 304 { String::new() } else { xml };
        Response::builder().status(status).body(Full::from(xml)).unwrap()
    });
    shared.log.lock().unwrap().push((parts.method.to_string(), name, response.status().as_u16()));
    if parts.method == "PUT" && response.status().is_success() && take(&shared.faults.lose_answers) {
        return Err(Lost);
    }
    Ok(response)
}

fn handle(
    shared: &Shared,
    parts: &hyper::http::request::Parts,
    name: &str,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, Refusal> {
    let policy = authorize(shared, parts, body)?;
    let denied = (403, "AccessDenied", "Access Denied");
    let may = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if !parts.uri.path().starts_with(&format!("/{}", shared.bucket)) {
        return Err((404, "NoSuchBucket", "The specified bucket does not exist"));
    }
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap());
    let mut objects = shared.objects.lock().unwrap();
    let there = objects.get(name).cloned();
    match parts.method.as_str() {
        "GET" if name.is_empty() => {
            if !policy.list {
                Err(denied)
            } else {
                Ok(list(shared, &objects, parts.uri.query().unwrap_or_default()))
            }
        }
        "GET" | "HEAD" => {
            if !may(&policy.get) {
                return Err(denied);
            }
            // Who may not list is not told what is missing, as in S3.
            let missing = if policy.list { (404, "NoSuchKey", "The specified key does not exist.") } else { denied };
            let there = there.ok_or(missing)?;
            if header("if-none-match") == Some(&there.etag) {
                return Err((304, "", ""));
            }
            let response = Response::builder()
                .header("etag", &there.etag)
                .header("last-modified", http_date(there.modified))
                .header("content-length", there.bytes.len());
            let body = if parts.method == "HEAD" { Vec::new() } else { there.bytes };
            Ok(response.body(Full::from(body)).unwrap())
        }
        "PUT" => {
            if !may(&policy.put) {
                return Err(denied);
            }
            let failed = (412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold");
            if header("if-none-match") == Some("*") && there.is_some() {
                return Err(failed);
            }
            if let Some(etag) = header("if-match") {
                let there = there.ok_or((404, "NoSuchKey", "The specified key does not exist."))?;
                if there.etag != etag {
                    return Err(failed);
                }
            }
            let stored = stored(body.into());
            let etag = stored.etag.clone();
            objects.insert(name.into(), stored);
            Ok(Response::builder().header("etag", etag).body(Full::default()).unwrap())
        }
        "DELETE" => {
            if !may(&policy.delete) {
                return Err(denied);
            }
            objects.remove(name);
            Ok(Response::builder().status(204).body(Full::default()).unwrap())
        }
        _ => Err((501, "NotImplemented", "A header you provided implies functionality that is not implemented")),
    }
}

fn list(shared: &Shared, objects: &BTreeMap<String, Stored>, query: &str) -> Response<Full<Bytes>> {
    let query: HashMap<String, String> =
        query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decoded(k), decoded(v))).collect();
    assert_eq!(query.get("list-type").map(String::as_str), Some("2"));
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let after = query.get("continuation-token").cloned().unwrap_or_default();
    let mut matching = objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after).peekable();
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>{}</Name>", shared.bucket);
    let mut last = String::new();
    for (name, object) in matching.by_ref().take(PAGE) {
        let (modified, len) = (iso_date(object.modified), object.bytes.len());
        let etag = object.etag.replace('"', "&quot;");
        xml += &format!(
            "<Contents><Key>{name}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{len}</Size></Contents>"
        );
        last.clone_from(name);
    }
    if matching.peek().is_some() {
        xml += &format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>");
    }
    xml += "</ListBucketResult>";
    Response::new(Full::from(xml))
}

/// Who asks, if the signature is right (AWS Signature Version 4).
fn authorize<'a>(shared: &'a Shared, parts: &hyper::http::request::Parts, body: &[u8]) -> Result<&'a Policy, Refusal> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fields = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or((
        403,
        "AccessDenied",
        "Anonymous access is forbidden for this operation",
    ))?;
    let field = |name: &str| {
        let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or((400, "AuthorizationHeaderMalformed", "The authorization header is malformed."))
    };
    let (credential, signed, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let (id, scope) = credential.split_once('/').unwrap_or_default();
    let (secret, policy) =
        shared.keys.get(id).ok_or((403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist."))?;
    let region = scope.split('/').nth(1).unwrap_or_default();
    if region != "eu-central-1" {
        return Err((400, "AuthorizationHeaderMalformed", "the region is wrong; expecting 'eu-central-1'"));
    }
    let date = header("x-amz-date");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let now = now + shared.faults.ahead_secs.load(Ordering::SeqCst);
    if (now - seconds(date)).abs() > SKEW_MAX_SECS {
        let message = "The difference between the request time and the current time is too large.";
        return Err((403, "RequestTimeTooSkewed", message));
    }
    let payload = header("x-amz-content-sha256");
    if payload != hex(digest::digest(&digest::SHA256, body).as_ref()) {
        return Err((400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match."));
    }
    for needed in ["host", "x-amz-date", "x-amz-content-sha256"] {
        assert!(signed.split(';').any(|name| name == needed), "{needed} is not signed");
    }
    let headers: Vec<(&str, &str)> = signed.split(';').map(|name| (name, header(name).trim())).collect();
    let canonical =
        canonical(parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default(), &headers, payload);
    let expected = sign(secret, scope, date, &canonical);
    if expected != signature {
        let message = "The request signature we calculated does not match the signature you provided.";
        return Err((403, "SignatureDoesNotMatch", message));
    }
    Ok(policy)
}

fn canonical(method: &str, path: &str, query: &str, headers: &[(&str, &str)], payload: &str) -> String {
    let mut query: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.into() } else { format!("{pair}=") })
        .collect();
    query.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    format!("{method}\n{path}\n{}\n{headers}\n{}\n{payload}", query.join("&"), names.join(";"))
}

fn sign(secret: &str, scope: &str, date: &str, canonical: &str) -> String {
    let digest = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    let mac =
        |key: &[u8], data: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec();
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    hex(&mac(&key, &text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'%' => {
                let digits = [octets.next().unwrap(), octets.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}

/// Seconds since 1970 of `20130524T000000Z`.
fn seconds(date: &str) -> i64 {
    let number = |from: usize, to: usize| date.get(from..to).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(0);
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    // Days from the civil calendar: years start in March, so that leap days come last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
            - 719_469;
    days * 86_400 + number(9, 11) * 3600 + number(11, 13) * 60 + number(13, 15)
}

/// Year, month, day, hour, minute, second; and the day of the week, 0 for Sunday.
fn civil(time: SystemTime) -> ([i64; 6], usize) {
    let secs = time.duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let (mut year, mut rest) = (1970, secs / 86_400);
    let length = |year: i64| 365 + i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    while rest >= length(year) {
        rest -= length(year);
        year += 1;
    }
    let mut month = 0;
    let months = [31, length(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    while rest >= months[month] {
        rest -= months[month];
        month += 1;
    }
    let in_day = secs % 86_400;
    let date = [year, month as i64 + 1, rest + 1, in_day / 3600, in_day / 60 % 60, in_day % 60];
    (date, ((secs / 86_400 + 4) % 7) as usize)
}

fn iso_date(time: SystemTime) -> String {
    let ([year, month, day, hour, minute, second], _) = civil(time);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

pub(crate) fn http_date(time: SystemTime) -> String {
    let ([year, month, day, hour, minute, second], weekday) = civil(time);
    let weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][weekday];
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize - 1];
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The examples of AWS's own documentation of Signature Version 4 ("Examples: Signature Calculations"): so the server that the store is
/// tested against is known to check what S3 checks.
#[test]
fn signatures_are_those_of_the_specification() {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let (scope, date) = ("20130524/us-east-1/s3/aws4_request", "20130524T000000Z");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let host = ("host", "examplebucket.s3.amazonaws.com");
    let (hash, at) = (("x-amz-content-sha256", empty), ("x-amz-date", date));
    let get = canonical("GET", "/test.txt", "", &[host, ("range", "bytes=0-9"), hash, at], empty);
    assert_eq!(sign(secret, scope, date, &get), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    let lifecycle = canonical("GET", "/", "lifecycle", &[host, hash, at], empty);
    assert_eq!(
        sign(secret, scope, date, &lifecycle),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    );
    let list = canonical("GET", "/", "max-keys=2&prefix=J", &[host, hash, at], empty);
    assert_eq!(sign(secret, scope, date, &list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    assert_eq!(seconds(date), 1_369_353_600);
    assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(1_369_353_600)), "Fri, 24 May 2013 00:00:00 GMT");
    assert_eq!(iso_date(UNIX_EPOCH + Duration::from_secs(1_709_210_096)), "2024-02-29T12:34:56.000Z");
}
