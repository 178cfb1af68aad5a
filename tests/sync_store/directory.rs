//! Stores in a directory: the contract, what carries and what spoils files, and disks that are full or only read.

use crate::contract::{self, channel};
use crate::support::process::TempDir;
use catchment::sync::codec::Digest;
use catchment::sync::disk::{Directory, Disk};
use catchment::sync::store::{Store, StoreError, dir};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

fn open(path: &Path) -> Store {
    dir::open(path, 1)
}

fn blob_path(root: &Path, name: &Digest) -> PathBuf {
    let text = name.to_string();
    root.join("blobs").join(&text[..2]).join(text)
}

fn age(path: &Path, by: Duration) {
    fs::File::open(path).unwrap().set_modified(SystemTime::now() - by).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let temp = TempDir::new("store");
    let path = temp.path().join("made/when/written");
    contract::all(&open(&path), &open(&path), Duration::from_millis(2000)).await;
}

#[tokio::test]
async fn blobs_are_young_again_and_whole_again() {
    let temp = TempDir::new("store");
    let store = open(temp.path());
    let (content, name) = (b"content".to_vec(), Digest::of(b"content"));
    let path = blob_path(temp.path(), &name);
    store.blobs.put(&name, content.clone()).await.unwrap();
    age(&path, Duration::from_secs(100_000));
    assert!(store.blobs.list().await.unwrap()[0].age >= Duration::from_secs(100_000));
    store.blobs.put(&name, content.clone()).await.unwrap();
    assert!(store.blobs.list().await.unwrap()[0].age < Duration::from_secs(60));
    // Cut short, or other octets of the same length.
    for damage in [&b"cont"[..], b"CONTENT"] {
        fs::write(&path, damage).unwrap();
        assert_eq!(store.blobs.get(&name, 100).await, Ok(Some(damage.to_vec())));
        store.blobs.put(&name, content.clone()).await.unwrap();
        assert_eq!(store.blobs.get(&name, 100).await, Ok(Some(content.clone())));
    }
}

#[tokio::test]
async fn what_crashes_leave_is_ignored_and_removed_when_old() {
    let temp = TempDir::new("store");
    let store = open(temp.path());
    store.blobs.put(&Digest::of(b"a"), b"a".to_vec()).await.unwrap();
    let of_a = blob_path(temp.path(), &Digest::of(b"a")).with_file_name(".tmp-17-1");
    let (old, young) = (of_a.with_file_name(".tmp-17-2"), of_a);
    fs::write(&old, "half").unwrap();
    fs::write(&young, "half").unwrap();
    age(&old, Duration::from_secs(7200));
    // What others put there is not a blob, and stays.
    fs::write(temp.path().join("blobs/README"), "ours").unwrap();
    assert_eq!(store.blobs.list().await.unwrap().len(), 1);
    assert!(!old.exists() && young.exists() && temp.path().join("blobs/README").exists());
}

#[tokio::test]
async fn a_copy_by_other_times_and_inodes_is_the_same_store() {
    let (from, to) = (TempDir::new("store"), TempDir::new("store"));
    let (store, copy) = (open(from.path()), open(to.path()));
    let prod = channel("prod");
    store.blobs.put(&Digest::of(b"a"), b"a".to_vec()).await.unwrap();
    let version = store.channels.replace(&prod, None, b"state 1".to_vec()).await.unwrap().unwrap();
    let carry = || {
        let (from, to) = (format!("{}/.", from.path().display()), to.path());
        assert!(Command::new("cp").args(["-r", &from]).arg(to).status().unwrap().success());
    };
    carry();
    assert_eq!(copy.channels.state(&prod).await.unwrap().unwrap().version, version);
    assert_eq!(copy.blobs.get(&Digest::of(b"a"), 1).await, Ok(Some(b"a".to_vec())));
    // An older time than that of the file before, as of a checkout of git, and the same length.
    store.channels.replace(&prod, Some(&version), b"state 2".to_vec()).await.unwrap().unwrap();
    carry();
    age(&to.path().join("channels/prod/state"), Duration::from_secs(100_000));
    assert_eq!(copy.channels.changed(&prod, Some(&version)).await.unwrap().unwrap().bytes, b"state 2");
}

/// Where a disk is not mounted, a report would lie below that.
#[tokio::test]
async fn a_report_begins_no_store() {
    let temp = TempDir::new("store");
    let (root, prod) = (temp.path().join("not/mounted"), channel("prod"));
    let store = open(&root);
    let report = || store.channels.report(&prod, "ams1", b"{}".to_vec(), Duration::from_secs(60));
    let refused = report().await.unwrap_err();
    assert_eq!(refused, StoreError::Unavailable("it has no channel prod".into()));
    assert!(!temp.path().join("not").exists());
    store.channels.replace(&prod, None, b"state".to_vec()).await.unwrap().unwrap();
    report().await.unwrap();
    // Other spellings of a node's key are no node's.
    fs::create_dir_all(root.join("channels/prod/nodes/61")).unwrap();
    for other in ["616D7331.json", "61/6d7331.json", "+6+1.json", "6.json"] {
        temp.write(&format!("not/mounted/channels/prod/nodes/{other}"), "{}");
    }
    let reports = store.channels.reports(&prod).await.unwrap();
    assert_eq!(reports.iter().map(|(node, ..)| node.as_str()).collect::<Vec<_>>(), ["ams1"]);
}

#[tokio::test]
async fn nothing_outside_is_read_written_or_removed() {
    let (temp, outside) = (TempDir::new("store"), TempDir::new("outside"));
    let name = Digest::of(b"secret");
    let text = name.to_string();
    outside.write(&text, "secret");
    fs::create_dir_all(temp.path().join("blobs")).unwrap();
    symlink(outside.path(), temp.path().join("blobs").join(&text[..2])).unwrap();
    let store = open(temp.path());
    let refused = |error: StoreError| {
        assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
        assert!(error.to_string().contains("links are not followed"), "{error}");
    };
    refused(store.blobs.get(&name, 100).await.unwrap_err());
    refused(store.blobs.put(&name, b"secret".to_vec()).await.unwrap_err());
    refused(store.blobs.has(&[name]).await.unwrap_err());
    assert_eq!(store.blobs.list().await, Ok(vec![]));
    assert!(store.blobs.delete(&name).await.is_err() || outside.path().join(&text).exists());
    assert_eq!(fs::read(outside.path().join(&text)).unwrap(), b"secret");

    // The last step.
    fs::create_dir_all(temp.path().join("channels/prod")).unwrap();
    let state = temp.path().join("channels/prod/state");
    symlink(outside.path().join(&text), &state).unwrap();
    refused(store.channels.state(&channel("prod")).await.unwrap_err());
    fs::remove_file(&state).unwrap();
    // Nor does a FIFO keep us waiting.
    assert!(Command::new("mkfifo").arg(&state).status().unwrap().success());
    let error = store.channels.state(&channel("prod")).await.unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");

    let disk = Directory::new(temp.path());
    for path in
        ["", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a/", ".hidden", "a/.tmp-1", "a\0b", "1/2/3/4/5/6/7/8/9"]
    {
        assert_eq!(disk.read(path, 10).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
        assert_eq!(disk.write(path, vec![]).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
        assert_eq!(disk.remove(path).await.unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
    }
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_goes_with_its_holder() {
    let temp = TempDir::new("store");
    let (one, other) = (Directory::new(temp.path()), Directory::new(temp.path()));
    let held = one.lock("node").await.unwrap();
    let waiting = tokio::spawn(async move { other.lock("node").await.map(drop) });
    one.lock("another").await.map(drop).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    drop(held);
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("the lock").unwrap().unwrap();
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_is_done_or_not() {
    let temp = TempDir::new("store");
    let store = open(temp.path());
    let prod = channel("prod");
    let mut version = store.channels.replace(&prod, None, b"start".to_vec()).await.unwrap().unwrap();
    for round in 0..40u64 {
        let dropped = store.channels.replace(&prod, Some(&version), format!("dropped {round}").into_bytes());
        let done = tokio::time::timeout(Duration::from_micros(round * 50), dropped).await;
        // Whoever comes next either finds the version unchanged and wins for good, or is told that it is another.
        let ours = format!("ours {round}").into_bytes();
        let won = match done {
            Ok(_) => None,
            Err(_) => store.channels.replace(&prod, Some(&version), ours.clone()).await.unwrap(),
        };
        if won.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(store.channels.state(&prod).await.unwrap().unwrap().bytes, ours, "round {round}");
        }
        version = store.channels.state(&prod).await.unwrap().unwrap().version;
    }
}

/// Runs an ignored test of this file in a mount namespace of its own.
fn in_namespace(test: &str) {
    let available = Command::new("unshare").args(["--mount", "true"]).output();
    if !available.is_ok_and(|output| output.status.success()) {
        crate::support::skip("no mount namespace can be made (needs root and unshare)");
        return;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn mount(options: &str, at: &Path) {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(at).status().unwrap();
    assert!(status.success(), "mount -o {options}");
}

#[test]
fn a_full_disk() {
    in_namespace("directory::on_a_full_disk");
}

/// At each amount of room there is, a publish is done or fails, and what was there is served.
#[tokio::test]
#[ignore = "a_full_disk runs it in a mount namespace"]
async fn on_a_full_disk() {
    let temp = TempDir::new("full");
    let prod = channel("prod");
    mount("size=512k,mode=755", temp.path());
    let store = open(temp.path());
    let old: Vec<u8> = vec![1; 40_000];
    store.blobs.put(&Digest::of(&old), old.clone()).await.unwrap();
    let mut state = store.channels.replace(&prod, None, vec![1; 20_000]).await.unwrap().unwrap();
    let (mut failed, mut done) = (0, 0);
    for pages in 0..60u8 {
        // All room is taken, and so many pages given back.
        let filler = temp.path().join("filler");
        let room =
            Command::new("sh").arg("-c").arg(format!("cat /dev/zero > {} 2>/dev/null", filler.display())).status();
        assert!(!room.unwrap().success());
        let len = fs::metadata(&filler).unwrap().len();
        fs::OpenOptions::new().write(true).open(&filler).unwrap().set_len(len - u64::from(pages) * 4096).unwrap();
        let new = vec![pages; 30_000 + usize::from(pages)];
        let name = Digest::of(&new);
        let publish = async {
            store.blobs.put(&name, new.clone()).await?;
            let version = store.channels.replace(&prod, Some(&state), vec![pages; 20_000]).await?;
            store.channels.report(&prod, "ams1", vec![pages; 5_000], Duration::from_secs(60)).await?;
            Ok::<_, StoreError>(version.unwrap())
        };
        let result = publish.await;
        match result {
            Ok(_) => done += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Full(_)), "{error:?}");
                failed += 1;
            }
        }
        // Old or new, and whole.
        let now = store.channels.state(&prod).await.unwrap().unwrap();
        assert!(now.bytes.len() == 20_000 && now.bytes.iter().all(|octet| *octet == now.bytes[0]));
        assert!(now.version == state || now.bytes[0] == pages);
        if now.version != state {
            assert_eq!(store.blobs.get(&name, 1 << 20).await, Ok(Some(new)));
        }
        assert_eq!(store.blobs.get(&Digest::of(&old), 1 << 20).await, Ok(Some(old.clone())));
        for blob in store.blobs.list().await.unwrap() {
            let content = store.blobs.get(&blob.name, 1 << 20).await.unwrap().unwrap();
            assert_eq!(Digest::of(&content), blob.name);
        }
        let left = Command::new("find").arg(temp.path()).args(["-name", ".tmp-*"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
        state = now.version;
        // A blob can be removed on a full disk.
        store.blobs.delete(&name).await.unwrap();
        fs::remove_file(filler).unwrap();
    }
    assert!(failed >= 10 && done >= 10, "{failed} failed, {done} done");
}

#[test]
fn a_disk_that_is_only_read() {
    in_namespace("directory::on_a_disk_that_is_only_read");
}

#[tokio::test]
#[ignore = "a_disk_that_is_only_read runs it in a mount namespace"]
async fn on_a_disk_that_is_only_read() {
    let temp = TempDir::new("only-read");
    let prod = channel("prod");
    mount("size=1m", temp.path());
    let store = open(temp.path());
    let name = Digest::of(b"a");
    store.blobs.put(&name, b"a".to_vec()).await.unwrap();
    let version = store.channels.replace(&prod, None, b"state".to_vec()).await.unwrap().unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(temp.path()).status().unwrap();
    assert!(remounted.success());
    let store = open(temp.path());
    assert_eq!(store.channels.state(&prod).await.unwrap().unwrap().bytes, b"state");
    assert_eq!(store.blobs.get(&name, 1).await, Ok(Some(b"a".to_vec())));
    assert_eq!(store.blobs.list().await.unwrap().len(), 1);
    assert_eq!(store.channels.channels().await, Ok(vec![prod.clone()]));
    let denied = |error: StoreError| {
        assert!(matches!(error, StoreError::Denied(_)) && error.to_string().contains("Read-only"), "{error:?}");
    };
    denied(store.channels.report(&prod, "ams1", b"{}".to_vec(), Duration::from_secs(1)).await.unwrap_err());
    denied(store.channels.replace(&prod, Some(&version), b"x".to_vec()).await.unwrap_err());
    denied(store.blobs.put(&Digest::of(b"b"), b"b".to_vec()).await.unwrap_err());
    denied(store.blobs.delete(&name).await.unwrap_err());
}
