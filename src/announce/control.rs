//! The control socket: a Unix stream socket for `catchment-announcer explain`, `drain` and `undrain`.
//!
//! One line of JSON in, `{"command":"explain"}`, and one out, `{"ok":true,"message":"...","report":{...}}`; then the connection
//! closes. The kernel says who asks: root and the sidecar's own user may, nobody else, whatever the file's mode.

use super::explain::Report;
use crate::local::requests::{self, Came, LINE_TIMEOUT};
use crate::local::{Acceptor, Allowed};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// Octets of a response's line, as far as a client reads.
const RESPONSE_LEN_MAX: u64 = 16 << 20;

/// What can be asked of a running sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What is announced to whom, and why?
    Explain {},
    /// Move traffic away, then withdraw; stays so until [`Request::Undrain`].
    Drain {},
    /// Take traffic again.
    Undrain {},
}

/// What it says to that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Whether it was done.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// The explanation that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// A request on its way to whoever does it.
pub type Asked = (Request, oneshot::Sender<Response>);

/// Pages of the admin server that only the running loop can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Whether the loop comes round.
    Healthz,
    /// [`Report`] as JSON.
    Prefixes,
    /// The metrics.
    Metrics,
}

impl Page {
    /// What kind of text it is.
    pub fn media_type(self) -> &'static str {
        match self {
            Page::Healthz => "text/plain; charset=utf-8",
            Page::Prefixes => "application/json",
            Page::Metrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Where the control socket is when the settings say nothing, the best first.
pub fn default_paths() -> Vec<PathBuf> {
    crate::local::default_paths("catchment-announcer", "control.sock")
}

/// Takes requests until the task is dropped.
pub async fn serve(acceptor: Acceptor, allowed: Allowed, sender: mpsc::Sender<Asked>) {
    let respond = move |came| {
        let sender = sender.clone();
        async move {
            match came {
                Came::Line(line) => respond(&line, &sender).await,
                Came::ByStranger { uid } => {
                    tracing::debug!(uid, "a command was refused: only root and the sidecar's own user may give one");
                    refusal(format!("user {uid} may not: only root and the sidecar's own user may"))
                }
            }
        }
    };
    requests::serve(acceptor, allowed, respond).await;
}

async fn respond(line: &[u8], requests: &mpsc::Sender<Asked>) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return refusal(format!("not understood: {error}")),
    };
    let (reply, done) = oneshot::channel();
    if requests.send((request, reply)).await.is_ok()
        && let Ok(response) = done.await
    {
        return response;
    }
    refusal("the announcer is stopping".into())
}

fn refusal(message: String) -> Response {
    Response { ok: false, message, report: None }
}

/// Asks the sidecar at `path`.
pub fn ask(path: &Path, request: Request) -> io::Result<Response> {
    requests::ask(path, &request, Some(2 * LINE_TIMEOUT), RESPONSE_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::LocalSocket;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn requests_are_written_as_documented() {
        assert_eq!(serde_json::to_string(&Request::Explain {}).unwrap(), "{\"command\":\"explain\"}");
        assert_eq!(serde_json::from_str::<Request>("{\"command\":\"undrain\"}").unwrap(), Request::Undrain {});
        assert!(serde_json::from_str::<Request>("{\"command\":\"drain\",\"now\":1}").is_err());
        assert!(serde_json::from_str::<Request>("{\"command\":\"stop\"}").is_err());
    }

    #[tokio::test]
    async fn requests_are_passed_on_and_nonsense_is_not() {
        let directory = std::env::temp_dir().join(format!("catchment-announcer-{}", std::process::id()));
        let path = directory.join("control.sock");
        let (sender, mut asked) = mpsc::channel(1);
        let acceptor = LocalSocket::bind(&path, 0o600, "control").unwrap().listen().unwrap();
        let server = tokio::spawn(serve(acceptor, Allowed::new(None), sender));
        let worker = tokio::spawn(async move {
            let (request, reply) = asked.recv().await.unwrap();
            assert_eq!(request, Request::Drain {});
            reply.send(Response { ok: true, message: "draining".into(), report: None }).unwrap();
            asked
        });
        let asking = |path: PathBuf, request| tokio::task::spawn_blocking(move || ask(&path, request).unwrap());
        let response = asking(path.clone(), Request::Drain {}).await.unwrap();
        assert_eq!(response, Response { ok: true, message: "draining".into(), report: None });
        let asked = worker.await.unwrap();
        let nonsense = path.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(nonsense).unwrap();
            stream.write_all(b"drain\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(answer.await.unwrap().starts_with("{\"ok\":false,\"message\":\"not understood: "));
        drop(asked);
        let response = asking(path, Request::Explain {}).await.unwrap();
        assert_eq!(response.message, "the announcer is stopping");
        server.abort();
        let _ = std::fs::remove_dir_all(directory);
    }
}
