//! A sidecar that a test leads: the real end of the lease, and words as the test wants them.

use catchment::announce::lease::{Client, Lost, Told};
use catchment::lease::{Lease, Word};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sidecar in a thread of its own; it goes when this does.
pub(crate) struct Sidecar {
    told: Receiver<Told>,
    words: Option<mpsc::UnboundedSender<Word>>,
    thread: Option<JoinHandle<()>>,
}

impl Sidecar {
    /// Connects to the server's socket at `path`, which root, our own user or `server_user` may have bound.
    pub(crate) fn start(path: &Path, server_user: Option<&str>) -> Sidecar {
        let mut client = Client::new(path.into(), server_user.map(str::to_owned), catchment::serve::boot_time);
        let (words, mut to_say) = mpsc::unbounded_channel();
        let (sender, told) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lead = async move {
            loop {
                tokio::select! {
                    told = client.next() => drop(sender.send(told)),
                    word = to_say.recv() => match word {
                        Some(word) => client.say(word),
                        None => return,
                    },
                }
            }
        };
        let thread = std::thread::spawn(move || runtime.block_on(lead));
        Sidecar { told, words: Some(words), thread: Some(thread) }
    }

    /// Says that it announces so many prefixes, and by none that it withdrew.
    pub(crate) fn announce(&self, prefixes: u64) {
        let word = Word { name: "test".into(), announced: prefixes, withdrawn: prefixes == 0, ..Word::default() };
        self.words.as_ref().unwrap().send(word).unwrap();
    }

    /// What it is told next.
    pub(crate) fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("the sidecar is told something")
    }

    /// The next lease for which `wanted` holds. An end of the connection is a failure.
    pub(crate) fn lease(&self, wanted: impl Fn(&Lease) -> bool) -> Lease {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next() {
                Told::Lease(lease) if wanted(&lease) => return lease,
                Told::Lease(lease) => assert!(Instant::now() < deadline, "not wanted: {lease:?}"),
                Told::Lost(lost) => panic!("{lost}"),
            }
        }
    }

    /// A lease that has come already, if one has.
    pub(crate) fn waiting(&self) -> Option<Lease> {
        match self.told.try_recv() {
            Ok(Told::Lease(lease)) => Some(lease),
            Ok(Told::Lost(lost)) => panic!("{lost}"),
            Err(_) => None,
        }
    }

    /// Forgets what it was told so far, and gives the next lease.
    pub(crate) fn fresh_lease(&self) -> Lease {
        while self.told.try_recv().is_ok() {}
        self.lease(|_| true)
    }

    /// Why there is no connection any more; leases before that are dropped.
    pub(crate) fn lost(&self) -> Lost {
        loop {
            if let Told::Lost(lost) = self.next() {
                return lost;
            }
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.words = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
