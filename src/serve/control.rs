//! The control socket: a Unix stream socket for commands that change a running server.
//!
//! One line of JSON in, such as `{"command":"reload"}`, and one out, `{"ok":true,"message":"..."}`; then the connection closes. The
//! kernel says who asks (`SO_PEERCRED`): root and the server's own user may, nobody else, whatever the file's mode.

use super::drain::{Drain, Ended};
use super::throttle::Throttle;
use crate::local::requests::{self, Came};
use crate::local::{self, Allowed, LocalSocket};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Octets of a response's line, as far as a client reads.
const RESPONSE_LEN_MAX: u64 = 1 << 20;
/// Pause between warnings about refused users.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

/// What can be asked of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Read settings and changed zones again.
    Reload {},
    /// Have traffic moved away.
    Drain {
        /// Whether to respond only once it has gone, or the time for that is over.
        #[serde(default)]
        wait: bool,
    },
    /// Have it back.
    Undrain {},
}

/// What it says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done, and all is well.
    pub ok: bool,
    /// For people.
    pub message: String,
}

/// A reload that was asked for.
pub struct Reload {
    /// Where the response goes; `None` when nobody waits for it (SIGHUP).
    pub reply: Option<oneshot::Sender<Response>>,
}

/// Who does what is asked.
#[derive(Clone)]
pub struct Commands {
    /// Reloads go here, one after the other.
    pub reloads: mpsc::Sender<Reload>,
    /// Drains.
    pub drain: Arc<Drain>,
}

/// Where the control socket is when the settings say nothing, the best first. All may be missing or out of reach.
pub fn default_paths() -> Vec<PathBuf> {
    local::default_paths("catchment", "control.sock")
}

/// Takes requests of root and of the server's own user until the task is dropped.
pub async fn serve(socket: LocalSocket, commands: Commands) -> io::Result<()> {
    let acceptor = socket.listen()?;
    let refusals = Arc::new(Throttle::new(REFUSAL_PAUSE));
    let respond = move |came| {
        let (commands, refusals) = (commands.clone(), Arc::clone(&refusals));
        async move {
            match came {
                Came::Line(line) => respond(&line, &commands).await,
                Came::ByStranger { uid } => refuse(uid, &refusals),
            }
        }
    };
    requests::serve(acceptor, Allowed::new(None), respond).await;
    Ok(())
}

fn refuse(uid: u32, refusals: &Throttle) -> Response {
    if let Some(count) = refusals.pass() {
        tracing::warn!(uid, count, "a command was refused: only root and the server's own user may give one");
    }
    Response { ok: false, message: format!("user {uid} may not: only root and the server's own user may") }
}

async fn respond(line: &[u8], commands: &Commands) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Response { ok: false, message: format!("not understood: {error}") },
    };
    match request {
        Request::Reload {} => {
            let (reply, done) = oneshot::channel();
            if commands.reloads.send(Reload { reply: Some(reply) }).await.is_ok()
                && let Ok(response) = done.await
            {
                return response;
            }
            Response { ok: false, message: "the server is stopping".into() }
        }
        Request::Drain { wait } => drain(&commands.drain, wait).await,
        Request::Undrain {} => {
            let message = if commands.drain.end() { "no longer draining" } else { "there was no drain" };
            Response { ok: true, message: message.into() }
        }
    }
}

async fn drain(drain: &Drain, wait: bool) -> Response {
    let begun = if drain.begin() { "draining" } else { "draining already" };
    if !wait {
        let sidecars = match drain.sidecars() {
            0 => "no sidecar is connected: only /readyz tells of it".into(),
            1 => "1 sidecar is told to move traffic away".into(),
            many => format!("{many} sidecars are told to move traffic away"),
        };
        return Response { ok: true, message: format!("{begun}: {sidecars}") };
    }
    match drain.wait().await {
        Ended::Drained(took) => Response {
            ok: true,
            message: format!("drained in {took:.1?}: no sidecar announces, and queries have ceased"),
        },
        Ended::TimedOut(left) => {
            Response { ok: false, message: format!("{begun}, but not drained within {:?}: {left}", drain.timeout()) }
        }
        Ended::CalledOff => Response { ok: false, message: "the drain was called off".into() },
    }
}

/// Asks the server at `path`, and waits for as long as it takes: a reload of large zones takes its time.
pub fn ask(path: &Path, request: Request) -> io::Result<Response> {
    requests::ask(path, &request, None, RESPONSE_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_documented() {
        for (request, text) in [
            (Request::Reload {}, "{\"command\":\"reload\"}"),
            (Request::Drain { wait: true }, "{\"command\":\"drain\",\"wait\":true}"),
            (Request::Undrain {}, "{\"command\":\"undrain\"}"),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        assert_eq!(serde_json::from_str::<Request>("{\"command\":\"drain\"}").unwrap(), Request::Drain { wait: false });
        assert!(serde_json::from_str::<Request>("{\"command\":\"reload\",\"force\":1}").is_err());
        assert!(serde_json::from_str::<Request>("{\"command\":\"stop\"}").is_err());
    }
}
