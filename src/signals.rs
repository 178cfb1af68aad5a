//! The signals that server and sidecar obey. SIGPIPE is ignored by Rust's runtime.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals as they come. Once there is one of these, none of them ends the process by its default.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Obeyed by doing nothing: NSD writes statistics at SIGUSR1, and by default it would end the process.
    _user: Signal,
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// SIGHUP.
    Reload,
    /// SIGTERM, SIGINT.
    Stop,
}

impl Signals {
    /// Within a runtime.
    pub(crate) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _user: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            () = stop(&mut self.terminate, &mut self.interrupt) => Told::Stop,
        }
    }

    /// The next that says stop; the others wait.
    pub(crate) async fn stop(&mut self) {
        stop(&mut self.terminate, &mut self.interrupt).await;
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
