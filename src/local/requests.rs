//! Requests on a Unix socket: a line of JSON there, a line of JSON back, and the connection closes. Both ends.

use super::{Acceptor, Allowed};
use crate::places::{Place, Places};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Octets of a request's line.
const REQUEST_LEN_MAX: u64 = 1024;
/// Connections at once; a fresh one gets the place of the oldest one that has not asked yet.
const CONNECTIONS_MAX: usize = 8;
/// How long a request may take to come, or a response to be taken.
pub(crate) const LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// What came.
pub(crate) enum Came {
    /// This line, from somebody who may.
    Line(Vec<u8>),
    /// Somebody who may not; the line was not read.
    ByStranger {
        /// Who.
        uid: u32,
    },
}

/// Has requests responded to until it is dropped.
pub(crate) async fn serve<F, R>(
    mut acceptor: Acceptor,
    allowed: Allowed,
    respond: impl Fn(Came) -> F + Clone + Send + 'static,
) where
    F: Future<Output = R> + Send + 'static,
    R: Serialize + Send,
{
    let mut places = Places::new(CONNECTIONS_MAX);
    loop {
        let stream = acceptor.accept().await;
        let (allowed, respond) = (allowed.clone(), respond.clone());
        let converse = |place: Place| async move {
            // A client that is gone, or too slow, gets nothing.
            let _ = converse(stream, &allowed, &place, respond).await;
        };
        places.give(converse).await;
    }
}

async fn converse<F, R>(
    mut stream: tokio::net::UnixStream,
    allowed: &Allowed,
    place: &Place,
    respond: impl Fn(Came) -> F,
) -> io::Result<()>
where
    F: Future<Output = R>,
    R: Serialize,
{
    let uid = stream.peer_cred()?.uid();
    let came = if allowed.admits(uid).await {
        let (reader, _) = stream.split();
        let mut line = Vec::new();
        let mut reader = tokio::io::BufReader::new(reader.take(REQUEST_LEN_MAX));
        timeout(LINE_TIMEOUT, reader.read_until(b'\n', &mut line)).await??;
        Came::Line(line)
    } else {
        Came::ByStranger { uid }
    };
    let mut line = {
        let _work = place.work();
        serde_json::to_vec(&respond(came).await)?
    };
    line.push(b'\n');
    timeout(LINE_TIMEOUT, stream.write_all(&line)).await?
}

/// Asks who listens at `path`: one line of JSON there, one of at most `len_max` octets back. `patience`: how long that may take
/// to come; `None`: as long as it takes.
pub(crate) fn ask<T: DeserializeOwned>(
    path: &Path,
    request: &impl Serialize,
    patience: Option<Duration>,
    len_max: u64,
) -> io::Result<T> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(patience)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    // Who may not ask is told so before the request is read: then writing it fails, and the response is there all the same.
    let written = stream.write_all(&line);
    let mut response = String::new();
    if BufReader::new(stream.take(len_max)).read_line(&mut response)? == 0 {
        written?;
    }
    serde_json::from_str(&response).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::super::LocalSocket;
    use super::*;
    use std::time::Instant;

    /// Clients that connect and say nothing hold nobody up.
    #[tokio::test]
    async fn silent_clients_make_room_for_one_that_asks() {
        let directory = std::env::temp_dir().join(format!("catchment-requests-{}", std::process::id()));
        let path = directory.join("test.sock");
        let acceptor = LocalSocket::bind(&path, 0o600, "control").unwrap().listen().unwrap();
        let respond = |came| async move {
            match came {
                Came::Line(line) => String::from_utf8(line).unwrap(),
                Came::ByStranger { uid } => panic!("{uid} is this process's own user"),
            }
        };
        let server = tokio::spawn(serve(acceptor, Allowed::new(None), respond));
        let mut silent: Vec<UnixStream> = (0..CONNECTIONS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let began = Instant::now();
        let asking = path.clone();
        let told = tokio::task::spawn_blocking(move || ask::<String>(&asking, &"who", None, 100).unwrap());
        assert_eq!(told.await.unwrap(), "\"who\"\n");
        assert!(began.elapsed() < LINE_TIMEOUT, "it waited for the silent ones");
        let mut oldest = silent.remove(0);
        let end = tokio::task::spawn_blocking(move || oldest.read_to_end(&mut Vec::new()));
        assert_eq!(end.await.unwrap().unwrap(), 0);
        assert!(began.elapsed() < LINE_TIMEOUT, "it was not the oldest that went");
        // Who has asked keeps its place and the others theirs, as long as there are free ones.
        silent[0].write_all(b"1\n").unwrap();
        let mut second = silent.remove(0);
        let said = tokio::task::spawn_blocking(move || io::read_to_string(&mut second));
        assert_eq!(said.await.unwrap().unwrap(), "\"1\\n\"\n");
        server.abort();
        let _ = std::fs::remove_dir_all(directory);
    }
}
