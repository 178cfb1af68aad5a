//! A node's disk: what is durable survives a crash, what is being written does or does not, and sometimes it is full, fails, or rots.

use super::chance::number;
use super::network::Life;
use super::world::{World, lock};
use async_trait::async_trait;
use catchment::sync::disk::{Disk, File};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Files by path: their octets, and when each was written.
type Files = BTreeMap<String, (Arc<[u8]>, Instant)>;

/// A disk.
pub(crate) struct Platter {
    world: Arc<World>,
    node: u64,
    files: Mutex<Files>,
    /// Halves of files that crashes left: nobody reads them.
    leftovers: AtomicU64,
    full_until_ms: AtomicU64,
    fails_until_ms: AtomicU64,
}

impl Platter {
    pub(crate) fn new(world: &Arc<World>, node: u64) -> Arc<Platter> {
        Arc::new(Platter {
            world: Arc::clone(world),
            node,
            files: Mutex::default(),
            leftovers: AtomicU64::new(0),
            full_until_ms: AtomicU64::new(0),
            fails_until_ms: AtomicU64::new(0),
        })
    }

    /// No file can be written until then, or, if it `fails`, some can neither be read.
    pub(crate) fn spoil(&self, until_ms: u64, fails: bool) {
        let what = if fails { &self.fails_until_ms } else { &self.full_until_ms };
        what.fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Damages a file. The answer is which.
    pub(crate) fn rot(&self, draw: u64) -> Option<String> {
        let mut files = lock(&self.files);
        let count = files.len() as u64;
        let (path, (bytes, _)) = files.iter_mut().nth((draw % count.max(1)) as usize)?;
        let mut damaged = bytes.to_vec();
        if draw & 1 << 40 == 0 || damaged.is_empty() {
            damaged.truncate(damaged.len() / 2);
        } else {
            let at = (draw >> 20) as usize % damaged.len();
            damaged[at] ^= 0x10;
        }
        *bytes = damaged.into();
        Some(path.clone())
    }

    /// Its files below a directory of the channel's.
    pub(crate) fn names(&self, directory: &str) -> Vec<String> {
        let prefix = format!("prod/{directory}/");
        let files = lock(&self.files);
        let below = files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        below.map(|(path, _)| path[prefix.len()..].to_owned()).collect()
    }

    pub(crate) fn leftovers(&self) -> u64 {
        self.leftovers.load(Ordering::Relaxed)
    }

    fn is_until(&self, until: &AtomicU64) -> bool {
        !self.world.is_calm() && self.world.now_ms() < until.load(Ordering::Relaxed)
    }

    fn fault(&self, path: &str) -> io::Result<()> {
        let mut chance = self.world.chance(&[self.node, number(path), 6]);
        match self.is_until(&self.fails_until_ms) && chance.percent(40) {
            true => Err(io::Error::other("simulated: input/output error")),
            false => Ok(()),
        }
    }
}

/// A disk, as a process has it.
pub(crate) struct Mount {
    pub(crate) platter: Arc<Platter>,
    pub(crate) life: Arc<Life>,
}

/// A write under way. One that is not waited for any more was done or not; if its process died, half of a file may be left.
struct Writing<'a> {
    mount: &'a Mount,
    path: &'a str,
    bytes: Option<Arc<[u8]>>,
}

impl Writing<'_> {
    fn done(&mut self) {
        if let Some(bytes) = self.bytes.take() {
            lock(&self.mount.platter.files).insert(self.path.into(), (bytes, Instant::now()));
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let platter = &self.mount.platter;
        if self.bytes.is_none() {
            return;
        }
        match platter.world.chance(&[platter.node, number(self.path), 7]).below(3) {
            0 => self.done(),
            1 => drop(platter.leftovers.fetch_add(1, Ordering::Relaxed)),
            _ => {}
        }
    }
}

#[async_trait]
impl Disk for Mount {
    async fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        self.life.step().await;
        self.platter.fault(path)?;
        let bytes = lock(&self.platter.files).get(path).map(|(bytes, _)| Arc::clone(bytes));
        match bytes {
            Some(bytes) if bytes.len() as u64 > max => Err(io::ErrorKind::FileTooLarge.into()),
            bytes => Ok(bytes.map(|bytes| bytes.to_vec())),
        }
    }

    async fn write(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.life.step().await;
        let platter = &self.platter;
        if platter.is_until(&platter.full_until_ms) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.fault(path)?;
        let mut writing = Writing { mount: self, path, bytes: Some(bytes.into()) };
        sleep(Duration::from_millis(platter.world.chance(&[platter.node, number(path), 8]).between(1, 4))).await;
        self.life.step().await;
        writing.done();
        drop(writing);
        self.life.step().await;
        Ok(())
    }

    async fn touch(&self, path: &str) -> io::Result<bool> {
        self.life.step().await;
        let mut files = lock(&self.platter.files);
        Ok(files.get_mut(path).map(|file| file.1 = Instant::now()).is_some())
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<File>> {
        self.life.step().await;
        self.platter.fault(directory)?;
        let prefix = format!("{directory}/");
        let files = lock(&self.platter.files);
        let below = files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let listed =
            below.map(|(path, (bytes, at))| File { path: path.clone(), len: bytes.len() as u64, age: at.elapsed() });
        Ok(listed.collect())
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.life.step().await;
        self.platter.fault(path)?;
        lock(&self.platter.files).remove(path);
        Ok(())
    }

    async fn lock(&self, _: &str) -> io::Result<Box<dyn Send>> {
        // A node has one process, and that takes none.
        Err(io::ErrorKind::Unsupported.into())
    }
}
