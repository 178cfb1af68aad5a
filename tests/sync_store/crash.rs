//! A publisher killed at each of its writes: what is in the directory then is a store, with the old state or the new one.
//!
//! The publisher is this program again, under ptrace: it is killed when it enters the nth system call that changes a file.

use crate::contract::channel;
use crate::support::process::TempDir;
use catchment::sync::codec::Digest;
use catchment::sync::store::{Store, dir};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DIRECTORY: &str = "CATCHMENT_TEST_DIRECTORY";

fn new_blobs() -> Vec<Vec<u8>> {
    (1..=3u8).map(|n| vec![n; 70_000 * n as usize]).collect()
}

async fn publish(store: &Store) {
    let prod = channel("prod");
    let state = store.channels.state(&prod).await.unwrap().unwrap();
    for blob in new_blobs() {
        store.blobs.put(&Digest::of(&blob), blob).await.unwrap();
    }
    store.channels.put_key_set(&prod, 2, b"key set".to_vec()).await.unwrap();
    store.channels.replace(&prod, Some(&state.version), b"new".to_vec()).await.unwrap().unwrap();
    store.channels.report(&prod, "ams1", b"{}".to_vec(), Duration::from_secs(60)).await.unwrap();
}

#[tokio::test]
#[ignore = "a_kill_at_each_write runs it as a process"]
async fn publisher() {
    let path = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    // Until whoever traces us is ready.
    std::io::stdin().read_line(&mut String::new()).unwrap();
    publish(&dir::open(&path, 1)).await;
}

fn start(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::publisher", "--test-threads=1"])
        .env(DIRECTORY, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A store with an old release, in a directory of its own.
async fn prepared() -> TempDir {
    let temp = TempDir::new("crash");
    let store = dir::open(temp.path(), 1);
    store.blobs.put(&Digest::of(b"old"), b"old".to_vec()).await.unwrap();
    store.channels.replace(&channel("prod"), None, b"old".to_vec()).await.unwrap().unwrap();
    temp
}

/// What must be true whenever a publisher was killed. True if the new state is there.
async fn check(temp: &TempDir, at: usize) -> bool {
    let store = dir::open(temp.path(), 1);
    let prod = channel("prod");
    let state = store.channels.state(&prod).await.unwrap().unwrap();
    let blobs = store.blobs.list().await.unwrap();
    for blob in &blobs {
        let content = store.blobs.get(&blob.name, 1 << 20).await.unwrap().unwrap();
        assert_eq!(Digest::of(&content), blob.name, "killed at {at}");
    }
    assert!(blobs.iter().any(|blob| blob.name == Digest::of(b"old")), "killed at {at}");
    let all_new = new_blobs().iter().all(|new| blobs.iter().any(|blob| blob.name == Digest::of(new)));
    let is_new = match &state.bytes[..] {
        b"new" => true,
        b"old" => false,
        other => panic!("killed at {at}: {other:?}"),
    };
    assert!(all_new || !is_new, "killed at {at}: a state without its blobs");
    if let Some(key_set) = store.channels.key_set(&prod, 2).await.unwrap() {
        assert_eq!(key_set, b"key set", "killed at {at}");
    }
    // The next publisher waits for no lock, and gets through.
    tokio::time::timeout(Duration::from_secs(5), publish(&store)).await.expect("no lock is left");
    assert_eq!(store.channels.state(&prod).await.unwrap().unwrap().bytes, b"new");
    is_new
}

#[cfg(target_arch = "x86_64")]
mod traced {
    use super::*;
    use crate::support::trace::{self, Then};
    use nix::libc;
    use nix::unistd::Pid;

    /// System calls that change what a disk holds, and locks.
    const WRITES: [(i64, &str); 9] = [
        (libc::SYS_openat, "openat"),
        (libc::SYS_write, "write"),
        (libc::SYS_fsync, "fsync"),
        (libc::SYS_fdatasync, "fdatasync"),
        (libc::SYS_mkdirat, "mkdirat"),
        (libc::SYS_renameat, "renameat"),
        (libc::SYS_unlinkat, "unlinkat"),
        (libc::SYS_utimensat, "utimensat"),
        (libc::SYS_flock, "flock"),
    ];

    /// Runs a publisher and kills it at the nth of its writes; gives the writes that it entered, and whether it ended by itself.
    pub(super) fn run(path: &Path, kill_at: Option<usize>) -> (Vec<(Pid, &'static str)>, bool) {
        let mut writes = Vec::new();
        let code = trace::run(start(path), &WRITES, |call| {
            if call.result.is_some() {
                return Then::GoOn;
            }
            let then = if kill_at == Some(writes.len()) { Then::Kill } else { Then::GoOn };
            writes.push((call.thread, call.name));
            then
        });
        assert!(code.is_none_or(|code| code == 0), "the publisher failed");
        (writes, code.is_some())
    }
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn a_kill_at_each_write() {
    let temp = prepared().await;
    let (writes, whole) = traced::run(temp.path(), None);
    assert!(whole && check(&temp, usize::MAX).await);
    let renames = writes.iter().filter(|(_, name)| *name == "renameat").count();
    assert_eq!(renames, 6, "three blobs, a key set, a state, a report: {writes:?}");
    // What is renamed was synced before, and the directory is synced after.
    for thread in writes.iter().map(|(thread, _)| *thread).collect::<std::collections::HashSet<_>>() {
        let calls: Vec<&str> = writes.iter().filter(|(of, _)| *of == thread).map(|(_, name)| *name).collect();
        for at in calls.iter().enumerate().filter(|(_, name)| **name == "renameat").map(|(at, _)| at) {
            assert_eq!(calls[at - 1..=at + 1], ["fsync", "renameat", "fsync"], "{calls:?}");
        }
    }
    let (mut old, mut new) = (0, 0);
    for at in 0..writes.len() {
        let temp = prepared().await;
        let (_, whole) = traced::run(temp.path(), Some(at));
        if whole {
            continue;
        }
        if check(&temp, at).await { new += 1 } else { old += 1 }
    }
    assert!(old > 20 && new > 2, "{old} kills before the new state, {new} after");
}
