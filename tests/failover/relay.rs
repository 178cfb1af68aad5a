//! A lease on its way from server to sidecar, made stale: nothing yet makes a real server so.
//!
//! A Unix socket that the sidecar connects to; each connection is led on to the server's own, and each lease of the server
//! has `stale` set while that is wanted. All else passes unchanged: stamps, words of the sidecar, ends.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) struct Relay {
    stale: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
    path: PathBuf,
}

impl Relay {
    /// Between the sidecar, which connects to `path`, and the server at `server`.
    pub(crate) fn new(path: PathBuf, server: PathBuf) -> std::io::Result<Relay> {
        let listener = UnixListener::bind(&path)?;
        let (stale, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (wanted, end) = (Arc::clone(&stale), Arc::clone(&done));
        std::thread::spawn(move || {
            for sidecar in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                // No server: the sidecar sees its connection end, as it would at the server's own socket.
                if let Ok(server) = UnixStream::connect(&server) {
                    lead(sidecar, server, &wanted);
                }
            }
        });
        Ok(Relay { stale, done, path })
    }

    /// From the next lease on.
    pub(crate) fn set_stale(&self, stale: bool) {
        self.stale.store(stale, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        let _ = UnixStream::connect(&self.path);
    }
}

fn lead(sidecar: UnixStream, server: UnixStream, stale: &Arc<AtomicBool>) {
    let (Ok(mut words), Ok(mut up)) = (sidecar.try_clone(), server.try_clone()) else { return };
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut words, &mut up);
        let _ = up.shutdown(std::net::Shutdown::Both);
    });
    let (stale, mut down) = (Arc::clone(stale), sidecar);
    std::thread::spawn(move || {
        for line in BufReader::new(server).lines().map_while(Result::ok) {
            let line = match stale.load(Ordering::Relaxed) {
                true => line.replace("\"stale\":false", "\"stale\":true"),
                false => line,
            };
            if writeln!(down, "{line}").is_err() {
                break;
            }
        }
        let _ = down.shutdown(std::net::Shutdown::Both);
    });
}
