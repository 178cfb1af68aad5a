//! What every store must do, whatever it is made of: one suite, run over each.

use catchment::sync::channel::Channel;
use catchment::sync::codec::Digest;
use catchment::sync::head::STATE_LEN_MAX;
use catchment::sync::store::{Store, StoreError, Version};
use std::collections::HashSet;
use std::time::Duration;

/// Publishers that try at once, and how often.
const WRITERS: usize = 8;
const ROUNDS: usize = 5;

/// All rules. The two are one store, opened twice, as by two processes, and empty; `lag` is how long a change may go unseen.
pub(crate) async fn all(a: &Store, b: &Store, lag: Duration) {
    nothing_is_there(a).await;
    blobs(a, b).await;
    one_writer_wins(a, b).await;
    key_sets(a, b).await;
    reports(a, b).await;
    changes_are_seen(a, b, lag).await;
    bounds(a).await;
}

pub(crate) fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

async fn nothing_is_there(store: &Store) {
    let name = Digest::of(b"nothing");
    assert_eq!(store.channels.channels().await, Ok(vec![]));
    assert_eq!(store.channels.state(&channel("prod")).await, Ok(None));
    assert_eq!(store.channels.key_set(&channel("prod"), 1).await, Ok(None));
    assert_eq!(store.channels.reports(&channel("prod")).await, Ok(vec![]));
    assert_eq!(store.blobs.get(&name, 10).await, Ok(None));
    assert_eq!(store.blobs.has(&[name]).await, Ok(vec![false]));
    assert_eq!(store.blobs.list().await, Ok(vec![]));
    assert_eq!(store.blobs.delete(&name).await, Ok(()));
}

async fn blobs(a: &Store, b: &Store) {
    let contents: Vec<Vec<u8>> = (0..10u8).map(|n| vec![n; n as usize * 1000]).collect();
    let names: Vec<Digest> = contents.iter().map(|content| Digest::of(content)).collect();
    for (name, content) in names.iter().zip(&contents) {
        a.blobs.put(name, content.clone()).await.unwrap();
    }
    for (name, content) in names.iter().zip(&contents) {
        assert_eq!(b.blobs.get(name, content.len() as u64).await, Ok(Some(content.clone())));
    }
    let too_large = b.blobs.get(&names[9], 8999).await.unwrap_err();
    assert!(matches!(too_large, StoreError::TooLarge { has: 9000.., max: 8999, .. }), "{too_large}");
    let mut listed = b.blobs.list().await.unwrap();
    listed.sort_by_key(|blob| blob.len);
    assert_eq!(listed.iter().map(|blob| blob.name).collect::<Vec<_>>(), names);
    assert_eq!(listed.iter().map(|blob| blob.len).collect::<Vec<_>>(), (0..10).map(|n| n * 1000).collect::<Vec<_>>());
    assert!(listed.iter().all(|blob| blob.age < Duration::from_secs(60)), "{listed:?}");
    a.blobs.delete(&names[3]).await.unwrap();
    a.blobs.delete(&names[3]).await.unwrap();
    assert_eq!(b.blobs.get(&names[3], 9000).await, Ok(None));
    assert_eq!(b.blobs.has(&names[2..5]).await, Ok(vec![true, false, true]));
    assert_eq!(b.blobs.list().await.unwrap().len(), 9);
    // What is not whole is made so.
    a.blobs.put(&names[3], contents[3].clone()).await.unwrap();
    a.blobs.put(&names[3], contents[3].clone()).await.unwrap();
    assert_eq!(b.blobs.get(&names[3], 9000).await, Ok(Some(contents[3].clone())));
}

async fn one_writer_wins(a: &Store, b: &Store) {
    let prod = channel("prod");
    let nonsense = Version("no version of this store".into());
    assert_eq!(a.channels.replace(&prod, Some(&nonsense), b"x".to_vec()).await, Ok(None));
    assert_eq!(a.channels.state(&prod).await, Ok(None));
    let mut known: Option<Version> = None;
    let mut seen = HashSet::new();
    for round in 0..ROUNDS {
        let tries: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (store, prod, known) = (if writer % 2 == 0 { a } else { b }.clone(), prod.clone(), known.clone());
                tokio::spawn(async move {
                    let bytes = format!("round {round} writer {writer}").into_bytes();
                    (bytes.clone(), store.channels.replace(&prod, known.as_ref(), bytes).await.unwrap())
                })
            })
            .collect();
        let mut won = Vec::new();
        for tried in tries {
            let (bytes, version) = tried.await.unwrap();
            won.extend(version.map(|version| (bytes, version)));
        }
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        let (bytes, version) = won.remove(0);
        for store in [a, b] {
            let state = store.channels.state(&prod).await.unwrap().unwrap();
            assert_eq!((&state.bytes, &state.version), (&bytes, &version));
        }
        assert!(seen.insert(version.clone()), "{version:?} was there before");
        // Who knows less than the last changes nothing.
        assert_eq!(b.channels.replace(&prod, known.as_ref(), b"late".to_vec()).await, Ok(None));
        known = Some(version);
    }
    assert_eq!(a.channels.replace(&channel("test"), None, b"t".to_vec()).await.map(|v| v.is_some()), Ok(true));
    assert_eq!(b.channels.channels().await, Ok(vec![channel("prod"), channel("test")]));
}

async fn key_sets(a: &Store, b: &Store) {
    let prod = channel("prod");
    let tries: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, prod) = (if writer % 2 == 0 { a } else { b }.clone(), prod.clone());
            let bytes = vec![writer as u8; 3];
            tokio::spawn(async move { (bytes.clone(), store.channels.put_key_set(&prod, 2, bytes).await.unwrap()) })
        })
        .collect();
    let mut kept = Vec::new();
    for tried in tries {
        let (bytes, won) = tried.await.unwrap();
        kept.extend(won.then_some(bytes));
    }
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(b.channels.key_set(&prod, 2).await, Ok(Some(kept.remove(0))));
    assert_eq!(b.channels.put_key_set(&prod, u32::MAX, b"last".to_vec()).await, Ok(true));
    assert_eq!(a.channels.key_set(&prod, u32::MAX).await, Ok(Some(b"last".to_vec())));
    assert_eq!(a.channels.key_set(&prod, 1).await, Ok(None));
    assert_eq!(a.channels.key_set(&channel("test"), 2).await, Ok(None));
}

async fn reports(a: &Store, b: &Store) {
    let (prod, ttl) = (channel("prod"), Duration::from_secs(60));
    let long = "n".repeat(255);
    for node in ["ams1", "../../evil", "f\u{e4}hre 2", &long] {
        a.channels.report(&prod, node, format!("old of {node}").into_bytes(), ttl).await.unwrap();
        b.channels.report(&prod, node, format!("new of {node}").into_bytes(), ttl).await.unwrap();
    }
    a.channels.report(&channel("test"), "other", b"elsewhere".to_vec(), ttl).await.unwrap();
    let reports = a.channels.reports(&prod).await.unwrap();
    let said: Vec<(&str, &[u8])> = reports.iter().map(|(node, bytes, _)| (&node[..], &bytes[..])).collect();
    let of_long = format!("new of {long}");
    let expected: [(&str, &[u8]); 4] = [
        ("../../evil", b"new of ../../evil"),
        ("ams1", b"new of ams1"),
        ("f\u{e4}hre 2", "new of f\u{e4}hre 2".as_bytes()),
        (&long, of_long.as_bytes()),
    ];
    assert_eq!(said, expected);
    assert!(reports.iter().all(|(_, _, age)| *age < Duration::from_secs(60)));
    // Reports make no channels.
    assert_eq!(b.channels.channels().await, Ok(vec![channel("prod"), channel("test")]));
}

async fn changes_are_seen(a: &Store, b: &Store, lag: Duration) {
    let prod = channel("prod");
    let state = a.channels.state(&prod).await.unwrap().unwrap();
    assert_eq!(a.channels.changed(&prod, None).await, Ok(Some(state.clone())));
    let other = Version("no version of this store".into());
    assert_eq!(a.channels.changed(&prod, Some(&other)).await, Ok(Some(state.clone())));
    let waiting = tokio::spawn({
        let (a, prod, known) = (a.clone(), prod.clone(), state.version.clone());
        async move { a.channels.changed(&prod, Some(&known)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    // A channel that is not there is told at once: another store may have it.
    let dawn = channel("dawn");
    for known in [None, Some(&state.version)] {
        let told = tokio::time::timeout(lag, a.channels.changed(&dawn, known)).await.expect("told in time");
        assert_eq!(told, Ok(None));
    }
    let version = b.channels.replace(&prod, Some(&state.version), b"changed".to_vec()).await.unwrap().unwrap();
    b.channels.replace(&dawn, None, b"first".to_vec()).await.unwrap().unwrap();
    let seen = tokio::time::timeout(lag, waiting).await.expect("seen in time").unwrap().unwrap().unwrap();
    assert_eq!((seen.bytes, seen.version), (b"changed".to_vec(), version));
    let seen = tokio::time::timeout(lag, a.channels.changed(&dawn, None)).await.expect("seen in time");
    assert_eq!(seen.unwrap().unwrap().bytes, b"first");
}

async fn bounds(store: &Store) {
    let big = channel("big");
    let error = store.channels.replace(&big, None, vec![0; STATE_LEN_MAX + 1]).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    assert_eq!(store.channels.state(&big).await, Ok(None));
    let error = store.channels.put_key_set(&big, 1, vec![0; (64 << 10) + 1]).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    let error = store.channels.report(&big, "n", vec![0; (16 << 10) + 1], Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    for node in ["", &"n".repeat(256)] {
        let error = store.channels.report(&big, node, vec![], Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    }
    assert!(store.channels.replace(&big, None, vec![7; STATE_LEN_MAX]).await.unwrap().is_some());
    assert_eq!(store.channels.state(&big).await.unwrap().unwrap().bytes, vec![7; STATE_LEN_MAX]);
}
