//! Where a publisher keeps what it remembers of zone files, so that the next publish reads only those that changed.
//!
//! ```text
//! DIR/checkouts/DIGEST    digest of the rest | which program wrote it | what files were found to be; DIGEST is of where the zones are
//! ```
//!
//! Nothing depends on it: what is missing, damaged, another program's, or not this user's alone is not believed, and made anew.

use crate::sync::codec::Digest;
use crate::zone::library::{Memory, Places};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More octets are not read.
const FILE_MAX: u64 = 1 << 30;
/// What was not written for so long is removed by the next write: checkouts come and go.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whether and where zone files are remembered.
#[derive(Debug, clap::Args)]
pub(super) struct Remember {
    /// Where to remember what zone files were compiled to, so that only those that changed are read
    /// [default: $XDG_CACHE_HOME/catchment, else ~/.cache/catchment]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Read all zone files, and remember nothing
    #[arg(long)]
    no_cache: bool,
}

impl Remember {
    /// Whether the operator has named the place.
    pub(super) fn is_asked_for(&self) -> bool {
        self.cache.is_some()
    }

    fn directory(&self) -> Option<PathBuf> {
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        match (&self.cache, self.no_cache) {
            (_, true) => None,
            (Some(directory), false) => Some(directory.clone()),
            (None, false) => {
                let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
                Some(caches.join("catchment"))
            }
        }
    }
}

/// The file that is about these places; `None`: nothing is to be remembered.
pub(super) fn place(remember: &Remember, places: &Places) -> Option<PathBuf> {
    let name = Digest::of(Memory::key(places).as_bytes()).to_string();
    Some(remember.directory()?.join("checkouts").join(name))
}

/// What is remembered there; nothing, if there is any doubt.
pub(super) fn read(place: &Path) -> Memory {
    believed(place).unwrap_or_default()
}

fn believed(place: &Path) -> Option<Memory> {
    let file = fs::File::open(place).ok()?;
    let metadata = file.metadata().ok()?;
    // Who can write to it could keep a change from being published.
    if metadata.uid() != nix::unistd::geteuid().as_raw() || metadata.mode() & 0o022 != 0 || metadata.len() > FILE_MAX {
        return None;
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text).ok()?;
    let (digest, rest) = text.split_once('\n')?;
    let (program, content) = rest.split_once('\n')?;
    let whole = digest == Digest::of(rest.as_bytes()).to_string();
    if !whole || program != self::program()? {
        return None;
    }
    serde_json::from_str(content).ok()
}

/// Replaces what is remembered there.
pub(super) fn write(place: &Path, memory: &Memory) -> io::Result<()> {
    let Some(directory) = place.parent() else { return Ok(()) };
    let Some(program) = program() else { return Ok(()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    remove_unused(directory);
    let rest = format!("{program}\n{}", serde_json::to_string(memory)?);
    let text = format!("{}\n{rest}", Digest::of(rest.as_bytes()));
    let new = place.with_extension(format!("new-{}", std::process::id()));
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    // Not synced: what a crash leaves of it has another digest.
    let written = file.and_then(|mut file| file.write_all(text.as_bytes())).and_then(|()| fs::rename(&new, place));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}

/// The program that runs: another one may compile the same files to other images.
fn program() -> Option<String> {
    let metadata = fs::metadata("/proc/self/exe").ok()?;
    let (version, modified, nanos) = (env!("CARGO_PKG_VERSION"), metadata.mtime(), metadata.mtime_nsec());
    Some(format!("catchment {version} {} {} {modified}.{nanos:09}", metadata.ino(), metadata.len()))
}

fn remove_unused(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age > UNUSED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
