//! The control socket: a Unix stream socket for commands that change a running server.
//!
//! One line of JSON in, `{"command":"reload"}`, and one out, `{"ok":true,"message":"..."}`; then the connection closes. The
//! kernel says who asks (`SO_PEERCRED`): root and the server's own user may, nobody else, whatever the file's mode.

use super::throttle::Throttle;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// Octets of a request's line.
const REQUEST_LEN_MAX: u64 = 1024;
/// Octets of a response's line, as far as a client reads.
const RESPONSE_LEN_MAX: u64 = 1 << 20;
/// Connections at once; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 8;
/// How long a request may take to come, or a response to be taken.
const LINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after an `accept` that failed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Pause between warnings about refused users.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

/// What can be asked of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Read settings and changed zones again.
    Reload {},
}

/// What it says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done, and all is well.
    pub ok: bool,
    /// For people.
    pub message: String,
}

/// A request on its way to whoever does it.
pub struct Asked {
    /// What.
    pub request: Request,
    /// Where the response goes; `None` when nobody waits for it (SIGHUP).
    pub reply: Option<oneshot::Sender<Response>>,
}

/// A bound control socket; its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A server answers there.
    #[error("{0} belongs to a server that is running: set `control` to another path")]
    InUse(PathBuf),
    /// Something else.
    #[error("{path}: {error}; set `control` to a path that can be written, or to \"none\"")]
    Refused {
        /// Where.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Where the control socket is when the settings say nothing, the best first. All may be missing or out of reach.
pub fn default_paths() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value: &std::ffi::OsString| !value.is_empty());
    // systemd separates several directories by colons; the first is the unit's own.
    let runtime = variable("RUNTIME_DIRECTORY")
        .and_then(|all| std::env::split_paths(&all).next())
        .map(|directory| directory.join("control.sock"));
    let system = PathBuf::from("/run/catchment/control.sock");
    let session = variable("XDG_RUNTIME_DIR").map(|directory| Path::new(&directory).join("catchment/control.sock"));
    runtime.into_iter().chain([system]).chain(session).collect()
}

impl Control {
    /// Binds the first of the default paths that can be bound. A server that is running keeps its own, and then there is
    /// none for this one: a command must reach the server that the operator thinks of.
    pub fn bind_default() -> Result<Control, ControlError> {
        let mut last = None;
        for path in default_paths() {
            match Control::bind(&path) {
                Ok(control) => return Ok(control),
                Err(ControlError::InUse(path)) => return Err(ControlError::InUse(path)),
                Err(error) => last = Some(error),
            }
        }
        let unset =
            || ControlError::Refused { path: "no runtime directory".into(), error: io::ErrorKind::NotFound.into() };
        Err(last.unwrap_or_else(unset))
    }

    /// Binds `path`, mode 0600. What a server left behind that is gone is replaced.
    pub fn bind(path: &Path) -> Result<Control, ControlError> {
        let refused = |error| ControlError::Refused { path: path.into(), error };
        if UnixStream::connect(path).is_ok() {
            return Err(ControlError::InUse(path.into()));
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).map_err(refused)?;
        }
        // Under another name until its mode is right: the umask may be anything.
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let _ = std::fs::remove_file(&fresh);
        let listener = UnixListener::bind(&fresh).map_err(refused)?;
        let placed = std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&fresh, path))
            .and_then(|()| listener.set_nonblocking(true));
        if let Err(error) = placed {
            let _ = std::fs::remove_file(&fresh);
            return Err(refused(error));
        }
        Ok(Control { listener, path: path.into() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file the server's user's, before root is given up.
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        // The directory may be that user's, who could put a link to any file there since: a link is not followed.
        std::os::unix::fs::lchown(&self.path, Some(uid), Some(gid))
    }

    /// Takes requests of root and of user `own_uid` until the task is dropped.
    pub async fn serve(self, own_uid: u32, requests: mpsc::Sender<Asked>) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.listener.try_clone()?)?;
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let refusals = Arc::new(Throttle::new(REFUSAL_PAUSE));
        loop {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("the control socket can't take a connection: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (requests, refusals) = (requests.clone(), Arc::clone(&refusals));
            tokio::spawn(async move {
                let _slot = slot;
                // A client that is gone, or too slow, gets nothing.
                let _ = converse(stream, own_uid, &requests, &refusals).await;
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // May fail after root was given up, in a directory of root's: the next start replaces the file.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn converse(
    mut stream: tokio::net::UnixStream,
    own_uid: u32,
    requests: &mpsc::Sender<Asked>,
    refusals: &Throttle,
) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let response = if uid == 0 || uid == own_uid {
        let (reader, _) = stream.split();
        let mut line = Vec::new();
        let mut reader = tokio::io::BufReader::new(reader.take(REQUEST_LEN_MAX));
        timeout(LINE_TIMEOUT, reader.read_until(b'\n', &mut line)).await??;
        respond(&line, requests).await
    } else {
        if let Some(count) = refusals.pass() {
            tracing::warn!(uid, count, "a command was refused: only root and the server's own user may give one");
        }
        Response { ok: false, message: format!("user {uid} may not: only root and the server's own user may") }
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    timeout(LINE_TIMEOUT, stream.write_all(&line)).await?
}

async fn respond(line: &[u8], requests: &mpsc::Sender<Asked>) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Response { ok: false, message: format!("not understood: {error}") },
    };
    let (reply, done) = oneshot::channel();
    if requests.send(Asked { request, reply: Some(reply) }).await.is_ok()
        && let Ok(response) = done.await
    {
        return response;
    }
    Response { ok: false, message: "the server is stopping".into() }
}

/// Asks the server at `path`, and waits for as long as it takes: a reload of large zones takes its time.
pub fn ask(path: &Path, request: Request) -> io::Result<Response> {
    let mut stream = UnixStream::connect(path)?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    // Who may not ask is told so before the request is read: then writing it fails, and the response is there all the same.
    let written = stream.write_all(&line);
    let mut response = String::new();
    if BufReader::new(stream.take(RESPONSE_LEN_MAX)).read_line(&mut response)? == 0 {
        written?;
    }
    serde_json::from_str(&response).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// A path that goes with the test.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let directory = std::env::temp_dir().join(format!("catchment-control-{}-{name}", std::process::id()));
            Place(directory.join("control.sock"))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[test]
    fn requests_are_written_as_documented() {
        assert_eq!(serde_json::to_string(&Request::Reload {}).unwrap(), "{\"command\":\"reload\"}");
        assert!(serde_json::from_str::<Request>("{\"command\":\"reload\",\"force\":1}").is_err());
        assert!(serde_json::from_str::<Request>("{\"command\":\"stop\"}").is_err());
    }

    #[test]
    fn a_living_socket_is_kept_and_a_dead_one_replaced() {
        let place = Place::new("bind");
        let first = Control::bind(&place.0).unwrap();
        assert_eq!(place.0.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Control::bind(&place.0), Err(ControlError::InUse(_))));
        drop(first);
        assert!(!place.0.exists());
        drop(UnixListener::bind(&place.0).unwrap());
        assert!(place.0.exists(), "what a killed server leaves");
        Control::bind(&place.0).unwrap();
    }

    #[test]
    fn the_file_that_a_link_in_its_place_leads_to_is_not_given_away() {
        let place = Place::new("give");
        let control = Control::bind(&place.0).unwrap();
        let victim = place.0.with_extension("victim");
        std::fs::write(&victim, "").unwrap();
        std::fs::remove_file(&place.0).unwrap();
        std::os::unix::fs::symlink(&victim, &place.0).unwrap();
        let before = victim.metadata().unwrap();
        // Who is not root may not give anything away; root gives the link, and no more.
        let _ = control.give_to(65_534, 65_534);
        let after = victim.metadata().unwrap();
        assert_eq!((after.uid(), after.gid(), after.ctime_nsec()), (before.uid(), before.gid(), before.ctime_nsec()));
    }

    #[tokio::test]
    async fn requests_are_passed_on_and_nonsense_is_not() {
        let place = Place::new("ask");
        let (sender, mut asked) = mpsc::channel(1);
        let control = Control::bind(&place.0).unwrap();
        let server = tokio::spawn(control.serve(nix::unistd::geteuid().as_raw(), sender));
        let worker = tokio::spawn(async move {
            let Asked { request, reply } = asked.recv().await.unwrap();
            assert_eq!(request, Request::Reload {});
            reply.unwrap().send(Response { ok: true, message: "done".into() }).unwrap();
            asked
        });
        let path = place.0.clone();
        let response = tokio::task::spawn_blocking(move || ask(&path, Request::Reload {})).await.unwrap().unwrap();
        assert_eq!(response, Response { ok: true, message: "done".into() });
        let mut asked = worker.await.unwrap();

        for nonsense in ["\n", "reload\n", &"x".repeat(5000)] {
            let path = place.0.clone();
            let nonsense = nonsense.to_owned();
            let answer = tokio::task::spawn_blocking(move || {
                let mut stream = UnixStream::connect(path).unwrap();
                // The server may close before it has read all of too much.
                let _ = stream.write_all(nonsense.as_bytes());
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                answer
            });
            let answer = answer.await.unwrap();
            assert!(answer.is_empty() || answer.contains("not understood"), "{answer}");
        }
        assert!(asked.try_recv().is_err());
        server.abort();
    }
}
