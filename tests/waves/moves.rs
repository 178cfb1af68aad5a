//! What a publisher does to a store, seen as its system calls: which of them are writes, and which of these move the channel's state.

use crate::fleet::PATIENCE;
use crate::support::fleet::{CHANNEL, Publisher};
use crate::support::trace::Call;
use catchment::sync::store::Store;
use catchment::sync::store::address::Address;
use nix::libc;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The calls by which a publisher writes: files of a directory appear by a rename, and etcd is sent a request.
pub(crate) const CALLS: [(libc::c_long, &str); 7] = [
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_utimensat, "utimensat"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_write, "write"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_writev, "writev"),
];
/// How a transaction begins, through etcd's gateway.
const TRANSACTION: &[u8] = b"POST /v3/kv/txn ";

/// A write, as whoever reads the store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Write {
    /// A blob appears.
    Blob,
    /// A blob that is there becomes young.
    Young,
    /// The channel's state is replaced: the one thing that nodes look at.
    State,
}

/// Where to look.
pub(crate) enum Place {
    /// A store in this directory.
    Directory(PathBuf),
    /// The state in etcd. Its blobs, which are elsewhere, are not looked at.
    Etcd,
}

impl Place {
    /// Of a publisher's store.
    pub(crate) fn of(publisher: &Publisher) -> Place {
        match publisher.store.strip_prefix("dir:") {
            Some(path) => Place::Directory(path.into()),
            None => Place::Etcd,
        }
    }

    /// The write that a call is.
    pub(crate) fn write(&self, call: &Call) -> Option<Write> {
        match (self, call.name) {
            (Place::Directory(store), "renameat") => of_file(&call.path(2, 3), store),
            (Place::Directory(store), "utimensat") => call.path(0, 1).starts_with(store).then_some(Write::Young),
            (Place::Directory(store), "unlinkat") => {
                let path = call.path(0, 1);
                assert!(!path.starts_with(store), "a publish removes {}", path.display());
                None
            }
            (Place::Etcd, "write" | "sendto" | "writev") => {
                call.data().starts_with(TRANSACTION).then_some(Write::State)
            }
            _ => None,
        }
    }

    /// Whether a call is the first of those by which the state is moved, if nobody else has moved it.
    pub(crate) fn begins_to_move(&self, call: &Call) -> bool {
        match self {
            // The lock under which it is compared and renamed.
            Place::Directory(store) => call.name == "flock" && call.path(0, 1).starts_with(store),
            Place::Etcd => self.write(call) == Some(Write::State),
        }
    }
}

fn of_file(path: &Path, store: &Path) -> Option<Write> {
    let below = path.strip_prefix(store).ok()?;
    Some(match below.starts_with("blobs") {
        true => Write::Blob,
        false => {
            assert_eq!(below, Path::new("channels").join(CHANNEL).join("state"));
            Write::State
        }
    })
}

/// The channel's state, looked at from outside.
pub(crate) struct Eye {
    store: Store,
    runtime: tokio::runtime::Runtime,
}

impl Eye {
    pub(crate) fn on(publisher: &Publisher) -> Eye {
        let store = publisher.store.parse::<Address>().unwrap().open().unwrap();
        Eye { store, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() }
    }

    /// Its octets now.
    pub(crate) fn state(&self) -> Vec<u8> {
        let channel = CHANNEL.parse().unwrap();
        self.runtime.block_on(self.store.channels.state(&channel)).unwrap().expect("a channel").bytes
    }

    /// Waits until it is another.
    pub(crate) fn until_other_than(&self, state: &[u8]) {
        let start = Instant::now();
        while self.state() == state {
            assert!(start.elapsed() < PATIENCE, "the state does not move");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
