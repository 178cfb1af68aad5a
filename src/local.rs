//! Unix sockets between processes of one host: binding one safely, and knowing who is at the other end.
//!
//! A file's mode says who may connect, the kernel (`SO_PEERCRED`) who did. The second is what counts here; it can't be forged,
//! and needs no agreement about groups and umasks.

pub(crate) mod requests;

use nix::unistd::User;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Connections that wait to be accepted; more are refused at once.
const QUEUE_LEN: i32 = 128;
/// Pause after an `accept` that failed, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Pause between warnings about that.
const WARNING_PAUSE: Duration = Duration::from_secs(60);

/// A bound socket; its file goes with it.
#[derive(Debug)]
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum LocalSocketError {
    /// Somebody answers there.
    #[error("{path} belongs to a process that is running: set `{setting}` to another path")]
    InUse {
        /// Where.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
    },
    /// Something else.
    #[error("{path}: {error}; set `{setting}` to a path that can be written, or to \"none\"")]
    Refused {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
        /// The setting that names it.
        setting: &'static str,
    },
}

/// Where a program's socket is when the settings say nothing, the best first: in the directory that the service manager made
/// (`$RUNTIME_DIRECTORY`), in `/run/PROGRAM`, in the user's own runtime directory. All may be missing or out of reach.
pub fn default_paths(program: &str, file: &str) -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value: &std::ffi::OsString| !value.is_empty());
    // systemd separates several directories by colons; the first is the unit's own.
    let runtime = variable("RUNTIME_DIRECTORY").and_then(|all| std::env::split_paths(&all).next());
    let system = Path::new("/run").join(program);
    let session = variable("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join(program));
    runtime.into_iter().chain([system]).chain(session).map(|directory| directory.join(file)).collect()
}

/// Connects without waiting, to a non-blocking stream. A process that is stopped takes no connections, and when its queue of them
/// is full this fails, where a blocking call would wait for it.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(socket.into())
}

impl LocalSocket {
    /// Binds the first of `paths` that can be bound. A process that is running keeps its own, and then there is none for this
    /// one: who connects must reach the process that the operator thinks of.
    pub fn bind_first(paths: &[PathBuf], mode: u32, setting: &'static str) -> Result<LocalSocket, LocalSocketError> {
        let mut last = None;
        for path in paths {
            match LocalSocket::bind(path, mode, setting) {
                Err(error @ LocalSocketError::Refused { .. }) => last = Some(error),
                bound => return bound,
            }
        }
        let (path, error) = ("no runtime directory".into(), io::ErrorKind::NotFound.into());
        Err(last.unwrap_or(LocalSocketError::Refused { path, error, setting }))
    }

    /// Binds `path` with this mode. What a process left behind that is gone is replaced.
    pub fn bind(path: &Path, mode: u32, setting: &'static str) -> Result<LocalSocket, LocalSocketError> {
        let refused = |error| LocalSocketError::Refused { path: path.into(), error, setting };
        match connect(path) {
            Ok(_) => return Err(LocalSocketError::InUse { path: path.into(), setting }),
            // Its queue is full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(LocalSocketError::InUse { path: path.into(), setting });
            }
            Err(_) => {}
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(refused)?;
        }
        // Under another name until its mode is right: the umask may be anything.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        let listener = listen(&fresh).map_err(refused)?;
        let placed = std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(mode))
            .and_then(|()| std::fs::rename(&fresh, path))
            .and_then(|()| listener.set_nonblocking(true));
        if let Err(error) = placed {
            let _ = std::fs::remove_file(&fresh);
            return Err(refused(error));
        }
        Ok(LocalSocket { listener, path: path.into() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file another user's, before root is given up.
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        // The directory may be that user's, who could put a link to any file there since: a link is not followed.
        std::os::unix::fs::lchown(&self.path, Some(uid), Some(gid))
    }

    /// Registers it with the runtime.
    pub fn listen(self) -> io::Result<Acceptor> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        Ok(Acceptor { listener, socket: self, warned: None })
    }
}

/// Binds and listens. Not by [`UnixListener::bind`], whose queue is as long as the kernel lets it be: of whoever connects and never goes
/// on, no more should wait than a process may have files open.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(QUEUE_LEN)?;
    Ok(socket.into())
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        // May fail after root was given up, in a directory of root's: the next start replaces the file.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub struct Acceptor {
    listener: tokio::net::UnixListener,
    socket: LocalSocket,
    warned: Option<Instant>,
}

impl Acceptor {
    /// The next connection. Failures are waited out, and told about now and then. Can be dropped and called again.
    pub async fn accept(&mut self) -> tokio::net::UnixStream {
        loop {
            let error = match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => error,
            };
            if self.warned.is_none_or(|warned| warned.elapsed() >= WARNING_PAUSE) {
                self.warned = Some(Instant::now());
                tracing::warn!("{} can't take a connection: {error}", self.socket.path.display());
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Who may be at the other end: root, this process's own user, and one more.
#[derive(Debug, Clone)]
pub struct Allowed {
    own_uid: u32,
    user: Option<String>,
}

impl Allowed {
    /// `user`: a name or a number.
    pub fn new(user: Option<String>) -> Allowed {
        Allowed { own_uid: nix::unistd::geteuid().as_raw(), user }
    }

    /// Whether this user may. The name is looked up anew each time, as a user that a service manager makes for a service comes
    /// and goes with it; on a thread where that may take its time.
    pub async fn admits(&self, uid: u32) -> bool {
        if uid == 0 || uid == self.own_uid {
            return true;
        }
        let Some(user) = self.user.clone() else { return false };
        if let Ok(number) = user.parse::<u32>() {
            return number == uid;
        }
        let found = tokio::task::spawn_blocking(move || User::from_name(&user)).await;
        matches!(found, Ok(Ok(Some(user))) if user.uid.as_raw() == uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// A path that goes with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let directory = std::env::temp_dir().join(format!("catchment-local-{}-{name}", std::process::id()));
            Place(directory.join("test.sock"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[test]
    fn a_living_socket_is_kept_and_a_dead_one_replaced() {
        let place = Place::new("bind");
        let first = LocalSocket::bind(&place.0, 0o640, "control").unwrap();
        assert_eq!(place.0.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        let error = LocalSocket::bind(&place.0, 0o640, "control").unwrap_err();
        assert!(error.to_string().ends_with("is running: set `control` to another path"), "{error}");
        drop(first);
        assert!(!place.0.exists());
        drop(UnixListener::bind(&place.0).unwrap());
        assert!(place.0.exists(), "what a killed process leaves");
        LocalSocket::bind(&place.0, 0o600, "control").unwrap();
    }

    #[test]
    fn to_connect_never_waits() {
        let place = Place::new("connect");
        assert_eq!(connect(&place.0).unwrap_err().kind(), io::ErrorKind::NotFound);
        // Nobody accepts here: its queue fills.
        let _socket = LocalSocket::bind(&place.0, 0o600, "control").unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match connect(&place.0) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10_000, "the queue has no end");
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        assert!(matches!(LocalSocket::bind(&place.0, 0o600, "control"), Err(LocalSocketError::InUse { .. })));
    }

    #[test]
    fn the_first_path_that_can_be_had_is_taken_unless_it_is_somebodys() {
        let place = Place::new("first");
        let hopeless = PathBuf::from("/proc/nothing/here.sock");
        let paths = [hopeless.clone(), place.0.clone()];
        let bound = LocalSocket::bind_first(&paths, 0o600, "lease").unwrap();
        assert_eq!(bound.path(), place.0);
        let further = [place.0.clone(), place.0.with_extension("other")];
        assert!(matches!(LocalSocket::bind_first(&further, 0o600, "lease"), Err(LocalSocketError::InUse { .. })));
        assert!(matches!(LocalSocket::bind_first(&[hopeless], 0o600, "lease"), Err(LocalSocketError::Refused { .. })));
        let error = LocalSocket::bind_first(&[], 0o600, "lease").unwrap_err();
        assert!(error.to_string().starts_with("no runtime directory: "), "{error}");
    }

    #[test]
    fn the_file_that_a_link_in_its_place_leads_to_is_not_given_away() {
        let place = Place::new("give");
        let socket = LocalSocket::bind(&place.0, 0o600, "control").unwrap();
        let victim = place.0.with_extension("victim");
        std::fs::write(&victim, "").unwrap();
        std::fs::remove_file(&place.0).unwrap();
        std::os::unix::fs::symlink(&victim, &place.0).unwrap();
        let before = victim.metadata().unwrap();
        // Who is not root may not give anything away; root gives the link, and no more.
        let _ = socket.give_to(65_534, 65_534);
        let after = victim.metadata().unwrap();
        assert_eq!((after.uid(), after.gid(), after.ctime_nsec()), (before.uid(), before.gid(), before.ctime_nsec()));
    }

    #[tokio::test]
    async fn root_ones_own_user_and_one_more_are_admitted() {
        let own = nix::unistd::geteuid().as_raw();
        let nobody = Allowed::new(None);
        assert!(nobody.admits(0).await && nobody.admits(own).await);
        assert!(!nobody.admits(4_000_000).await);
        let number = Allowed::new(Some("4000000".into()));
        assert!(number.admits(4_000_000).await && number.admits(0).await && !number.admits(4_000_001).await);
        let name = Allowed::new(Some("root".into()));
        assert!(name.admits(0).await && !name.admits(4_000_000).await);
        assert!(!Allowed::new(Some("no-such-user-here".into())).admits(4_000_000).await);
    }
}
