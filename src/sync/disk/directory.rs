//! The real disk: a directory of the file system.
//!
//! A file is written under a temporary name beside its place, synced, renamed, and its directory synced: at each step a crash leaves
//! the old file or the new one. What a crash leaves of temporary files starts with a dot, is never read or listed, and is removed by the
//! first listing an hour later.
//!
//! Every path is walked from the directory down, one open directory after the other, and no symbolic link is followed below it: whoever
//! may write there, such as a peer of rsync, can't make us read, write or remove what lies elsewhere.

use super::{Disk, File};
use crate::sync::codec::Digest;
use async_trait::async_trait;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstatat, futimens, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{UnlinkatFlags, fsync, unlinkat};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Temporary files start with this.
const TEMPORARY: &str = ".tmp-";
/// Age at which a temporary file is one that a crash left.
const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(3600);
/// Directories in each other.
const DEPTH_MAX: usize = 8;
/// Directories that are remembered as synced.
const SYNCED_MAX: usize = 4096;
/// How long a conditional write waits for another process that holds the lock. A write takes milliseconds.
const LOCK_TIME_MAX: Duration = Duration::from_secs(10);
/// Pauses between two looks at a lock that another holds.
const LOCK_PAUSE_MIN: Duration = Duration::from_millis(1);
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(20);

/// A directory, made when first written to.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Root>);

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// Part of the next temporary file's name. It starts with the time: in a container every process may have the same id.
    next: AtomicU64,
    /// Directories that are known to outlive a crash, each with all above it.
    synced: Mutex<HashSet<String>>,
}

impl Directory {
    /// Nothing is looked at yet.
    pub fn new(path: impl Into<PathBuf>) -> Directory {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let next = AtomicU64::new(since.as_nanos() as u64);
        Directory(Arc::new(Root { path: path.into(), next, synced: Mutex::default() }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Does what blocks elsewhere. It is done to its end even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Root) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let root = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&root)).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Disk for Directory {
    async fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        let place = Place::of(path)?;
        self.run(move |root| root.said(&place, root.read(&place, max))).await
    }

    async fn len(&self, path: &str) -> io::Result<Option<u64>> {
        let place = Place::of(path)?;
        self.run(move |root| root.said(&place, root.len(&place))).await
    }

    async fn write(&self, path: &str, bytes: Vec<u8>) -> io::Result<()> {
        let place = Place::of(path)?;
        self.run(move |root| root.said(&place, root.write(&place, &bytes))).await
    }

    async fn write_if(&self, path: &str, known: Option<Digest>, bytes: Vec<u8>) -> io::Result<bool> {
        let place = Place::of(path)?;
        // In one piece, so that the lock is held until the write is done, whoever still waits for it.
        self.run(move |root| root.said(&place, root.write_if(&place, known, &bytes))).await
    }

    async fn touch(&self, path: &str) -> io::Result<bool> {
        let place = Place::of(path)?;
        self.run(move |root| root.said(&place, root.touch(&place))).await
    }

    async fn list(&self, directory: &str) -> io::Result<Vec<File>> {
        let place = match directory {
            "" => Place { path: String::new(), name: 0 },
            _ => Place::of(&format!("{directory}/x"))?,
        };
        self.run(move |root| {
            let mut files = Vec::new();
            let open = root.said(&place, root.open(place.directory()))?;
            let listed = match open {
                Some(directory) => list(directory, place.directory(), DEPTH_MAX, SystemTime::now(), &mut files),
                None => Ok(()),
            };
            root.said(&place, listed).map(|()| files)
        })
        .await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let place = Place::of(path)?;
        self.run(move |root| root.said(&place, root.remove(&place))).await
    }

    async fn lock(&self, name: &str) -> io::Result<Box<dyn Send>> {
        let place = Place::of(name)?;
        let mut pause = LOCK_PAUSE_MIN;
        loop {
            let place = place.clone();
            if let Some(lock) = self.run(move |root| root.said(&place, root.try_lock(&place.path))).await? {
                return Ok(Box::new(lock));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOCK_PAUSE_MAX);
        }
    }
}

/// A path that leaves no directory: segments that are not empty and don't start with a dot.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    /// Where the file's own name starts.
    name: usize,
}

impl Place {
    fn of(path: &str) -> io::Result<Place> {
        let good = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && !segment.contains('\0');
        if !path.split('/').all(good) || path.split('/').count() > DEPTH_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path:?} is no path below a directory")));
        }
        Ok(Place { path: path.into(), name: path.rfind('/').map_or(0, |slash| slash + 1) })
    }

    fn directory(&self) -> &str {
        self.path[..self.name].trim_end_matches('/')
    }

    fn name(&self) -> &str {
        &self.path[self.name..]
    }
}

impl Root {
    /// Says which file an error is about.
    fn said<T>(&self, place: &Place, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", self.path.join(&place.path).display())))
    }

    /// Opens a directory below; `None`: it is not there.
    fn open(&self, directory: &str) -> io::Result<Option<OwnedFd>> {
        let mut open: OwnedFd = match fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&self.path)
        {
            Ok(open) => open.into(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        for segment in directory.split('/').filter(|segment| !segment.is_empty()) {
            open = match step(&open, segment) {
                Ok(next) => next,
                Err(Errno::ENOENT) => return Ok(None),
                Err(e) => return Err(not_followed(e)),
            };
        }
        Ok(Some(open))
    }

    /// Opens a directory below, made if it is not there. It and those above it outlive a crash from then on.
    fn make(&self, directory: &str) -> io::Result<OwnedFd> {
        let mut made = false;
        if !self.path.exists() {
            make_durably(&self.path)?;
            made = true;
        }
        let mut opened: Vec<OwnedFd> = vec![fs::File::open(&self.path)?.into()];
        for segment in directory.split('/').filter(|segment| !segment.is_empty()) {
            let above = &opened[opened.len() - 1];
            let next = match step(above, segment) {
                Err(Errno::ENOENT) => {
                    made = true;
                    match mkdirat(above, segment, Mode::from_bits_truncate(0o777)) {
                        Ok(()) | Err(Errno::EEXIST) => step(above, segment),
                        Err(e) => Err(e),
                    }
                }
                found => found,
            };
            opened.push(next.map_err(not_followed)?);
        }
        let target = opened.pop().ok_or(Errno::ENOENT)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if made || !synced.contains(directory) {
            // One that another process made a moment ago may not be synced yet either.
            for above in &opened {
                fsync(above)?;
            }
            if synced.len() >= SYNCED_MAX {
                synced.clear();
            }
            synced.insert(directory.into());
        }
        Ok(target)
    }

    fn read(&self, place: &Place, max: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(directory) = self.open(place.directory())? else { return Ok(None) };
        let Some(file) = open_file(&directory, place.name())? else { return Ok(None) };
        let len = file.metadata()?.len();
        let too_large =
            |len: u64| io::Error::new(io::ErrorKind::FileTooLarge, format!("{len} octets, more than {max}"));
        if len > max {
            return Err(too_large(len));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len as usize)?;
        // It may grow meanwhile.
        (&file).take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max { Err(too_large(bytes.len() as u64)) } else { Ok(Some(bytes)) }
    }

    fn len(&self, place: &Place) -> io::Result<Option<u64>> {
        let Some(directory) = self.open(place.directory())? else { return Ok(None) };
        let Some(file) = open_file(&directory, place.name())? else { return Ok(None) };
        Ok(Some(file.metadata()?.len()))
    }

    fn write(&self, place: &Place, bytes: &[u8]) -> io::Result<()> {
        let directory = self.make(place.directory())?;
        let temporary = format!("{TEMPORARY}{}-{:x}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed));
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: fs::File = openat(&directory, temporary.as_str(), flags, Mode::from_bits_truncate(0o666))?.into();
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        let renamed = written.and_then(|()| Ok(renameat(&directory, temporary.as_str(), &directory, place.name())?));
        if let Err(e) = renamed {
            // On a full disk what was written so far is given back.
            let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
            return Err(e);
        }
        Ok(fsync(&directory)?)
    }

    fn write_if(&self, place: &Place, known: Option<Digest>, bytes: &[u8]) -> io::Result<bool> {
        let deadline = Instant::now() + LOCK_TIME_MAX;
        let mut pause = LOCK_PAUSE_MIN;
        let _lock = loop {
            if let Some(lock) = self.try_lock("write")? {
                break lock;
            }
            if Instant::now() >= deadline {
                let why = format!("another process holds its lock for more than {} s", LOCK_TIME_MAX.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOCK_PAUSE_MAX);
        };
        if self.digest(place)? != known {
            return Ok(false);
        }
        self.write(place, bytes).map(|()| true)
    }

    fn digest(&self, place: &Place) -> io::Result<Option<Digest>> {
        let Some(directory) = self.open(place.directory())? else { return Ok(None) };
        let Some(file) = open_file(&directory, place.name())? else { return Ok(None) };
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file)?;
        Ok(Some(Digest(*hasher.finalize().as_bytes())))
    }

    fn touch(&self, place: &Place) -> io::Result<bool> {
        let Some(directory) = self.open(place.directory())? else { return Ok(false) };
        let Some(file) = open_file(&directory, place.name())? else { return Ok(false) };
        // "Now" is allowed to whoever may write to it, a time only to its owner (utimensat(2)).
        futimens(&file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW)?;
        Ok(true)
    }

    fn remove(&self, place: &Place) -> io::Result<()> {
        let Some(directory) = self.open(place.directory())? else { return Ok(()) };
        match unlinkat(&directory, place.name(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// The lock of this name, unless another has it. It goes with the process that holds it, however that ends.
    fn try_lock(&self, name: &str) -> io::Result<Option<Flock<OwnedFd>>> {
        let directory = self.make("")?;
        // For reading, which is enough for flock(2): another user of the group may have made it.
        let flags = OFlag::O_RDONLY | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(&directory, format!(".{name}.lock").as_str(), flags, Mode::from_bits_truncate(0o666))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, e)) => Err(e.into()),
        }
    }
}

/// One directory down.
fn step(from: &OwnedFd, segment: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(from, segment, flags, Mode::empty())
}

/// A file that is one; `None`: it is not there.
fn open_file(directory: &OwnedFd, name: &str) -> io::Result<Option<fs::File>> {
    // Not blocking: a FIFO would have us wait for whoever writes to it.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file: fs::File = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(not_followed(e)),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no regular file"));
    }
    Ok(Some(file))
}

fn not_followed(e: Errno) -> io::Error {
    match e {
        Errno::ELOOP | Errno::ENOTDIR => {
            io::Error::new(io::ErrorKind::InvalidData, "a symbolic link, or no directory; links are not followed here")
        }
        _ => e.into(),
    }
}

/// Makes a directory and those above it, and syncs where each of them is named.
fn make_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(path)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(above)?.sync_all()?;
    }
    Ok(())
}

/// Appends all files of a directory and of those in it, and removes temporary ones that a crash left.
fn list(open: OwnedFd, path: &str, depth: usize, now: SystemTime, files: &mut Vec<File>) -> io::Result<()> {
    let mut directory = Dir::from_fd(open)?;
    let mut below = Vec::new();
    let mut old = Vec::new();
    // Its file descriptor serves for fstatat while it is read.
    let descriptor = directory.as_fd().try_clone_to_owned()?;
    for entry in directory.iter() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let temporary = name.starts_with(TEMPORARY);
        if name.starts_with('.') && !temporary {
            continue;
        }
        if entry.file_type() == Some(Type::Directory) {
            below.push(name.to_owned());
            continue;
        }
        let stat = match fstatat(&descriptor, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Removed or renamed meanwhile.
            Err(Errno::ENOENT) => continue,
            Err(e) => return Err(e.into()),
        };
        let written = SystemTime::UNIX_EPOCH + Duration::new(stat.st_mtime.max(0) as u64, stat.st_mtime_nsec as u32);
        let age = now.duration_since(written).unwrap_or_default();
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFREG if temporary && age > TEMPORARY_AGE_MAX => old.push(name.to_owned()),
            libc::S_IFREG if !temporary => {
                files.push(File { path: below_of(path, name), len: stat.st_size.max(0) as u64, age });
            }
            // Some file systems don't say in the entry what it is of.
            libc::S_IFDIR => below.push(name.to_owned()),
            _ => {}
        }
    }
    for name in old {
        // Who may only read leaves it to another.
        let _ = unlinkat(&descriptor, name.as_str(), UnlinkatFlags::NoRemoveDir);
    }
    for name in below {
        if depth == 0 {
            return Err(io::Error::other(format!("{path}: directories in each other, more than {DEPTH_MAX}")));
        }
        match step(&descriptor, &name) {
            Ok(open) => list(open, &below_of(path, &name), depth - 1, now, files)?,
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(not_followed(e)),
        }
    }
    Ok(())
}

fn below_of(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}/{name}") }
}
