//! Stores behind a web server: reading, with and without ETags, and what servers do wrong. Over TLS by a server of its own.

use crate::contract::channel;
use crate::support::process::TempDir;
use catchment::sync::codec::Digest;
use catchment::sync::store::{Store, StoreError, address::Address, dir, object};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};
use tokio::net::TcpListener;

/// How a server goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// ETags of time in seconds and length, as nginx makes them.
    Nginx,
    NoTags,
    /// It says 2 octets, and sends them one every 50 ms for ever.
    Drips,
    /// It says nothing of a length, and sends 64 KiB pieces for ever.
    Pours,
    /// It answers 500, with such a body.
    PoursErrors,
    /// It ends in the middle.
    Stops,
}

type Log = Arc<Mutex<Vec<(String, String, u16)>>>;

async fn server(root: PathBuf, manner: Manner) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let serving = log.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (root, log) = (root.clone(), serving.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let response = answer(&root, manner, &request);
                    let entry = (request.method().to_string(), request.uri().path().into(), response.status().as_u16());
                    log.lock().unwrap().push(entry);
                    async { Ok::<_, Infallible>(response) }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, log)
}

fn answer(root: &std::path::Path, manner: Manner, request: &Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
    let pieces = |first: Vec<u8>, len: usize, pause: Duration| {
        let stream = futures_util::stream::unfold(first, move |first| async move {
            tokio::time::sleep(pause).await;
            let piece = if first.is_empty() { vec![b'x'; len] } else { first };
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(piece))), Vec::new()))
        });
        BodyExt::boxed(StreamBody::new(stream))
    };
    match manner {
        Manner::Drips => {
            let body = pieces(vec![], 1, Duration::from_millis(50));
            return Response::builder().header("content-length", 1 << 20).body(body).unwrap();
        }
        Manner::Pours => return Response::new(pieces(vec![], 64 << 10, Duration::ZERO)),
        Manner::PoursErrors => {
            return Response::builder().status(403).body(pieces(vec![], 64 << 10, Duration::ZERO)).unwrap();
        }
        Manner::Stops => {
            // hyper closes the connection when less comes than was said.
            let half = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from("half")))]);
            let body = BodyExt::boxed(StreamBody::new(half));
            return Response::builder().header("content-length", 8).body(body).unwrap();
        }
        Manner::Nginx | Manner::NoTags => {}
    }
    let path = root.join(request.uri().path().strip_prefix("/zones/").unwrap_or("missing"));
    let empty = |status: u16| Response::builder().status(status).body(Full::default().boxed()).unwrap();
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return empty(405);
    }
    let Ok(bytes) = std::fs::read(&path) else { return empty(404) };
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let etag = format!("\"{:x}-{:x}\"", modified.duration_since(UNIX_EPOCH).unwrap().as_secs(), bytes.len());
    let known = request.headers().get("if-none-match").map(|value| value.to_str().unwrap());
    let mut response = Response::builder().header("content-length", bytes.len());
    if manner == Manner::Nginx {
        if known == Some(&etag) {
            return empty(304);
        }
        response = response.header("etag", etag).header("last-modified", crate::s3_server::http_date(modified));
    }
    let body = if request.method() == "HEAD" { Vec::new() } else { bytes };
    response.body(Full::from(body).boxed()).unwrap()
}

async fn open(root: PathBuf, manner: Manner) -> (Store, Log) {
    let (address, log) = server(root, manner).await;
    let address: Address = format!("http://{address}/zones").parse().unwrap();
    (address.open().unwrap(), log)
}

#[tokio::test]
async fn what_a_directory_holds_is_read() {
    let temp = TempDir::new("web");
    let origin = dir::open(temp.path(), 1);
    let (prod, name) = (channel("prod"), Digest::of(b"blob"));
    origin.blobs.put(&name, b"blob".to_vec()).await.unwrap();
    origin.channels.put_key_set(&prod, 1, b"keys".to_vec()).await.unwrap();
    let version = origin.channels.replace(&prod, None, b"state".to_vec()).await.unwrap();
    for manner in [Manner::Nginx, Manner::NoTags] {
        let (store, _) = open(temp.path().into(), manner).await;
        assert_eq!(store.channels.state(&prod).await.unwrap().unwrap().bytes, b"state", "{manner:?}");
        assert_eq!(store.channels.state(&channel("test")).await, Ok(None));
        assert_eq!(store.channels.key_set(&prod, 1).await, Ok(Some(b"keys".to_vec())));
        assert_eq!(store.channels.key_set(&prod, 2).await, Ok(None));
        assert_eq!(store.blobs.get(&name, 4).await, Ok(Some(b"blob".to_vec())));
        let error = store.blobs.get(&name, 3).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { has: 4, max: 3, .. }), "{error:?}");
        assert_eq!(store.blobs.has(&[name, Digest::of(b"other")]).await, Ok(vec![true, false]));
        for (error, says) in [
            (store.blobs.put(&name, b"blob".to_vec()).await.unwrap_err(), "a web server is only read"),
            (store.blobs.delete(&name).await.unwrap_err(), "a web server is only read"),
            (
                store.channels.replace(&prod, version.as_ref(), b"x".to_vec()).await.unwrap_err(),
                "a web server is only read",
            ),
            (store.channels.put_key_set(&prod, 3, b"x".to_vec()).await.unwrap_err(), "a web server is only read"),
            (store.channels.report(&prod, "n", vec![], Duration::ZERO).await.unwrap_err(), "a web server is only read"),
            (store.blobs.list().await.unwrap_err(), "a web server does not list"),
            (store.channels.channels().await.unwrap_err(), "a web server does not list"),
            (store.channels.reports(&prod).await.unwrap_err(), "a web server does not list"),
        ] {
            assert!(matches!(&error, StoreError::Denied(text) if text.contains(says)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn changes_are_seen_with_and_without_tags() {
    for (manner, while_unchanged) in [(Manner::Nginx, 304), (Manner::NoTags, 200)] {
        let temp = TempDir::new("web");
        let origin = dir::open(temp.path(), 1);
        let prod = channel("prod");
        let version = origin.channels.replace(&prod, None, b"first".to_vec()).await.unwrap();
        let (store, log) = open(temp.path().into(), manner).await;
        let first = store.channels.state(&prod).await.unwrap().unwrap();
        log.lock().unwrap().clear();
        let wait =
            tokio::time::timeout(Duration::from_millis(500), store.channels.changed(&prod, Some(&first.version)));
        assert!(wait.await.is_err());
        assert_eq!(
            log.lock().unwrap().pop().unwrap(),
            ("GET".into(), "/zones/channels/prod/state".into(), while_unchanged)
        );
        origin.channels.replace(&prod, version.as_ref(), b"the second".to_vec()).await.unwrap().unwrap();
        let seen = store.channels.changed(&prod, Some(&first.version)).await.unwrap().unwrap();
        assert_eq!(seen.bytes, b"the second", "{manner:?}");
    }
}

/// Two states of one length within one second have one ETag at nginx: the later is seen all the same.
#[tokio::test]
async fn an_etag_that_stays_hides_no_change_for_long() {
    let temp = TempDir::new("web");
    let origin = dir::open(temp.path(), 1);
    let prod = channel("prod");
    let version = origin.channels.replace(&prod, None, b"first".to_vec()).await.unwrap();
    let state = temp.path().join("channels/prod/state");
    let modified = std::fs::metadata(&state).unwrap().modified().unwrap();
    let (store, _) = open(temp.path().into(), Manner::Nginx).await;
    let first = store.channels.state(&prod).await.unwrap().unwrap();
    origin.channels.replace(&prod, version.as_ref(), b"later".to_vec()).await.unwrap().unwrap();
    std::fs::File::open(&state).unwrap().set_modified(modified).unwrap();
    let mut asked = 0;
    let seen = loop {
        // Each question anew, as waiting between them takes seconds.
        let wait =
            tokio::time::timeout(Duration::from_millis(300), store.channels.changed(&prod, Some(&first.version)));
        asked += 1;
        if let Ok(seen) = wait.await {
            break seen.unwrap().unwrap();
        }
        assert!(asked < 13, "not seen");
    };
    assert_eq!(seen.bytes, b"later");
    assert_eq!(asked, 12, "of the eleven before, each was answered 304");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_drip_pour_or_stop_are_bounded() {
    let prod = channel("prod");
    let start = Instant::now();
    let state = async |manner| {
        let (store, _) = open(PathBuf::new(), manner).await;
        store.channels.state(&prod).await.unwrap_err()
    };
    // A drip takes its whole time: 30 s and what 600 octets may take.
    let (drips, pours, errors, stops) = tokio::join!(
        async { open(PathBuf::new(), Manner::Drips).await.0.blobs.get(&Digest::of(b""), 1 << 20).await.unwrap_err() },
        state(Manner::Pours),
        state(Manner::PoursErrors),
        state(Manner::Stops),
    );
    assert!(drips.is_passing() && drips.to_string().contains("too slow"), "{drips:?}");
    assert!(pours.to_string().contains("ontent-Length") || matches!(pours, StoreError::TooLarge { .. }), "{pours:?}");
    assert!(errors.to_string().contains("length limit exceeded"), "{errors:?}");
    assert!(stops.is_passing(), "{stops:?}");
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
}

/// The client takes its authorities from the system, or from what SSL_CERT_FILE names: so it is a process of its own.
#[test]
fn tls() {
    let temp = TempDir::new("tls");
    let openssl = |words: &str| {
        let output = Command::new("openssl").args(words.split(' ')).current_dir(temp.path()).output();
        let output = output.expect("openssl");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=ca"));
    for (name, host) in [("right", "IP:127.0.0.1"), ("wrong", "DNS:elsewhere.example")] {
        openssl(&format!("req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        temp.write("names", format!("subjectAltName={host}\n"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        ));
    }
    openssl(&format!(
        "req -x509 {key} -keyout other.key -out other.pem -days 2 -subj /CN=other -addext subjectAltName=IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE"
    ));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "web::over_tls", "--nocapture"])
        .env("SSL_CERT_FILE", temp.path().join("ca.pem"))
        .env_remove("SSL_CERT_DIR")
        .env("CATCHMENT_TEST_DIRECTORY", temp.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "tls runs it with certificates"]
async fn over_tls() {
    let directory = PathBuf::from(std::env::var_os("CATCHMENT_TEST_DIRECTORY").unwrap());
    let temp = TempDir::new("web");
    let prod = channel("prod");
    dir::open(temp.path(), 1).channels.replace(&prod, None, b"state".to_vec()).await.unwrap();
    for (certificate, says) in
        [("right", None), ("wrong", Some("not valid for name")), ("other", Some("UnknownIssuer"))]
    {
        let chain = CertificateDer::pem_file_iter(directory.join(format!("{certificate}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(directory.join(format!("{certificate}.key"))).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let root = temp.path().to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, root) = (acceptor.clone(), root.clone());
                tokio::spawn(async move {
                    // A client that does not like the certificate goes.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| {
                        let response = answer(&root, Manner::Nginx, &request);
                        async { Ok::<_, Infallible>(response) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        let store = format!("https://{address}/zones").parse::<Address>().unwrap().open().unwrap();
        let state = store.channels.state(&prod).await;
        match says {
            None => assert_eq!(state.unwrap().unwrap().bytes, b"state"),
            Some(says) => assert!(state.as_ref().unwrap_err().to_string().contains(says), "{state:?}"),
        }
    }
}

#[tokio::test]
async fn plain_http_is_not_what_https_falls_back_to() {
    let temp = TempDir::new("web");
    let (address, log) = server(temp.path().into(), Manner::Nginx).await;
    let store = object::open_http(&format!("https://{address}/zones"), 1).unwrap();
    let error = store.channels.state(&channel("prod")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(*log.lock().unwrap(), []);
}
