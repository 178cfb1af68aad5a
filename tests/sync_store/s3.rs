//! Stores in S3: the contract, signatures, permissions, lost answers, servers that fail or hang.

use crate::contract::{self, channel};
use crate::s3_server::{Policy, Server};
use catchment::sync::codec::Digest;
use catchment::sync::store::{Store, StoreError, object};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

async fn server() -> Server {
    Server::start("zones", vec![(ID, SECRET, Policy::all())]).await
}

fn open(server: &Server) -> Store {
    object::open_s3("zones", "prod/eu=1", server.variables(ID, SECRET), 1).unwrap()
}

fn with(server: &Server, name: &str, value: &str) -> Result<Store, StoreError> {
    let mut variables = server.variables(ID, SECRET);
    variables.push((name.into(), value.into()));
    object::open_s3("zones", "", variables, 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let server = server().await;
    // Beside it lies what is not its own.
    server.plant("prod/other/blobs/x", vec![]);
    server.plant("prod/eu=10/channels/x/state", vec![]);
    // Each waits up to five quarters of 5 s.
    contract::all(&open(&server), &open(&server), Duration::from_millis(6500)).await;
    let asked = server.asked();
    assert!(asked.iter().all(|(_, name, _)| name.is_empty() || name.starts_with("prod/eu=1/")), "{asked:?}");
    let conflicts = asked.iter().filter(|(method, _, status)| method == "PUT" && *status == 412).count();
    assert!(conflicts > 10, "{conflicts}");
}

#[tokio::test]
async fn an_unchanged_state_costs_no_octets() {
    let server = server().await;
    let store = open(&server);
    let prod = channel("prod");
    let version = store.channels.replace(&prod, None, b"state".to_vec()).await.unwrap().unwrap();
    server.asked();
    let waiting = tokio::time::timeout(Duration::from_millis(500), store.channels.changed(&prod, Some(&version)));
    assert!(waiting.await.is_err());
    assert_eq!(server.asked(), [("GET".into(), "prod/eu=1/channels/prod/state".into(), 304)]);
}

#[tokio::test]
async fn blobs_are_young_again() {
    let server = server().await;
    let store = open(&server);
    let name = Digest::of(b"content");
    store.blobs.put(&name, b"content".to_vec()).await.unwrap();
    let text = name.to_string();
    server.age(&format!("prod/eu=1/blobs/{}/{text}", &text[..2]), Duration::from_secs(100_000));
    assert!(store.blobs.list().await.unwrap()[0].age >= Duration::from_secs(100_000));
    store.blobs.put(&name, b"content".to_vec()).await.unwrap();
    assert!(store.blobs.list().await.unwrap()[0].age < Duration::from_secs(60));
}

/// A writer whose answer was lost tries again, finds its own object, and has not lost the race.
#[tokio::test]
async fn an_answer_that_is_lost_is_no_lost_race() {
    let server = server().await;
    let store = open(&server);
    let prod = channel("prod");
    server.shared.faults.lose_answers.store(1, Ordering::SeqCst);
    let version = store.channels.replace(&prod, None, b"one".to_vec()).await.unwrap().expect("ours");
    server.shared.faults.lose_answers.store(1, Ordering::SeqCst);
    let version = store.channels.replace(&prod, Some(&version), b"two".to_vec()).await.unwrap().expect("ours");
    server.shared.faults.lose_answers.store(1, Ordering::SeqCst);
    assert_eq!(store.channels.put_key_set(&prod, 1, b"keys".to_vec()).await, Ok(true));
    let state = store.channels.state(&prod).await.unwrap().unwrap();
    assert_eq!((state.bytes, state.version), (b"two".to_vec(), version));
}

#[tokio::test]
async fn what_is_denied_says_why_and_what_to_do() {
    let server = server().await;
    let denied = |result: Result<_, StoreError>, says: &[&str]| {
        let error: StoreError = Result::<Option<_>, _>::map(result, |_| ()).unwrap_err();
        assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
        let text = error.to_string();
        assert!(says.iter().all(|says| text.contains(says)), "{text}");
        assert!(!text.contains(SECRET) && !text.contains("wrong-secret"), "{text}");
    };
    let prod = channel("prod");
    let state = async |store: Result<Store, StoreError>| store?.channels.state(&prod).await;
    denied(
        state(with(&server, "AWS_SECRET_ACCESS_KEY", "wrong-secret")).await,
        &[
            "s3://zones/channels/prod/state: SignatureDoesNotMatch: The request signature we calculated",
            "; check AWS_SECRET_ACCESS_KEY",
        ],
    );
    denied(
        state(with(&server, "AWS_ACCESS_KEY_ID", "nobody")).await,
        &["InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"],
    );
    denied(
        state(with(&server, "AWS_REGION", "us-east-1")).await,
        &["AuthorizationHeaderMalformed", "check AWS_REGION"],
    );
    denied(state(with(&server, "AWS_SKIP_SIGNATURE", "true")).await, &["AccessDenied"]);
    let other = object::open_s3("other-zones", "", server.variables(ID, SECRET), 1);
    denied(state(other).await, &["NoSuchBucket", "make the bucket, or check the address"]);
    server.shared.faults.ahead_secs.store(3600, Ordering::SeqCst);
    denied(
        state(Ok(open(&server))).await,
        &["RequestTimeTooSkewed", "the clock of this host or of the store is wrong"],
    );
    // What is seen before anything is sent.
    denied(state(with(&server, "AWS_ALLOW_HTTP", "false")).await, &["http://", "set AWS_ALLOW_HTTP=true"]);
    let half = vec![("AWS_ACCESS_KEY_ID".into(), "half".into())];
    denied(state(object::open_s3("zones", "", half, 1)).await, &["s3://zones: ", "SecretAccessKey"]);
}

/// The permissions that docs/sync.md names are enough, and no more than enough.
#[tokio::test]
async fn documented_permissions_are_enough() {
    let node = Policy {
        get: vec!["zones/blobs/", "zones/channels/"],
        put: vec!["zones/channels/prod/nodes/"],
        list: true,
        ..Policy::default()
    };
    let publisher = Policy {
        get: vec!["zones/"],
        put: vec!["zones/blobs/", "zones/channels/prod/state", "zones/channels/prod/keys/"],
        list: true,
        ..Policy::default()
    };
    let keys = vec![("node", "n-secret", node), ("publisher", "p-secret", publisher), (ID, SECRET, Policy::all())];
    let server = Server::start("zones", keys).await;
    let open = |id, secret| object::open_s3("zones", "zones", server.variables(id, secret), 1).unwrap();
    let (node, publisher, admin) = (open("node", "n-secret"), open("publisher", "p-secret"), open(ID, SECRET));
    let prod = channel("prod");
    let ttl = Duration::from_secs(60);
    let name = Digest::of(b"blob");
    assert_eq!(publisher.blobs.has(&[name]).await, Ok(vec![false]));
    publisher.blobs.put(&name, b"blob".to_vec()).await.unwrap();
    publisher.channels.put_key_set(&prod, 1, b"keys".to_vec()).await.unwrap();
    let version = publisher.channels.replace(&prod, None, b"state".to_vec()).await.unwrap();
    assert_eq!(node.channels.changed(&prod, None).await.unwrap().unwrap().bytes, b"state");
    assert_eq!(node.blobs.get(&name, 4).await, Ok(Some(b"blob".to_vec())));
    assert_eq!(node.channels.key_set(&prod, 1).await, Ok(Some(b"keys".to_vec())));
    assert_eq!(node.channels.key_set(&prod, 2).await, Ok(None));
    node.channels.report(&prod, "ams1", b"{}".to_vec(), ttl).await.unwrap();
    assert_eq!(publisher.channels.reports(&prod).await.unwrap().len(), 1);
    for error in [
        node.channels.replace(&prod, version.as_ref(), b"x".to_vec()).await.unwrap_err(),
        node.blobs.put(&Digest::of(b"x"), b"x".to_vec()).await.unwrap_err(),
        node.blobs.delete(&name).await.unwrap_err(),
        publisher.channels.report(&prod, "ams1", b"{}".to_vec(), ttl).await.unwrap_err(),
        publisher.blobs.delete(&name).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::Denied(text) if text.contains("AccessDenied")), "{error:?}");
    }
    admin.blobs.delete(&name).await.unwrap();
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again() {
    let server = server().await;
    let store = open(&server);
    server.shared.faults.unavailable.store(2, Ordering::SeqCst);
    assert_eq!(store.channels.state(&channel("prod")).await, Ok(None));
    let statuses: Vec<u16> = server.asked().iter().map(|(_, _, status)| *status).collect();
    assert_eq!(statuses, [503, 503, 404]);
    server.shared.faults.unavailable.store(1000, Ordering::SeqCst);
    let error = store.channels.state(&channel("prod")).await.unwrap_err();
    assert!(error.is_passing() && error.to_string().ends_with("HTTP 503 Service Unavailable"), "{error:?}");
    assert!(server.asked().len() <= 4, "tries are bounded");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = server().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = with(&server, "AWS_ENDPOINT_URL", &format!("http://{closed}")).unwrap();
    let error = store.channels.state(&channel("prod")).await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("Connection refused"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable_in_the_end() {
    let server = server().await;
    let store = open(&server);
    server.shared.faults.hang.store(true, Ordering::SeqCst);
    let start = Instant::now();
    let (prod, name) = (channel("prod"), Digest::of(b"blob"));
    let (state, put) = tokio::join!(store.channels.state(&prod), store.blobs.put(&name, b"blob".to_vec()));
    for error in [state.unwrap_err(), put.unwrap_err()] {
        assert!(error.is_passing(), "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(35), "{:?}", start.elapsed());
}
