//! The sidecar's end of the lease: keeps a connection to the server, reads leases, says what is announced.
//!
//! ```text
//!            +------------- the socket is missing, refused, or another user's -------------+
//!            v                                                                            |
//! wait (100 ms .. 1 s) -> connect -> whose server is it? --- ours ---> read leases, send words
//!            ^                                                                            |
//!            +---------------------------- end of the connection -------------------------+
//! ```
//!
//! The end of the connection is told at once: the kernel closes it when the server dies, long before a lease expires. What
//! leases mean is decided elsewhere.

use super::Moment;
use crate::lease::{Lease, Leases, WORD_INTERVAL, Word};
use crate::local::{self, Allowed};
use std::io;
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Pause before another attempt to connect; doubles up to [`RETRY_MAX`], as the start of a server should be noticed soon.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
const RETRY_MAX: Duration = Duration::from_secs(1);
/// Octets of one read.
const READ_LEN: usize = 16 * 1024;
/// Reads in a row: more than any socket buffer holds, so that a server that floods us can't keep us from everything else.
const READS_MAX: usize = 64;

/// What there is to know from the server.
#[derive(Debug)]
pub enum Told {
    /// A lease, the newest of those that waited.
    Lease(Lease),
    /// There is no connection: whatever lease there was has ended. Told once for each cause in a row.
    Lost(Lost),
}

/// Why there is no connection to the server.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// Nobody is there, or we may not go there.
    #[error("no server at {}: {error}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The socket is another user's.
    #[error("the server at {} runs as user {uid}: set `server-user` if that is right", path.display())]
    Stranger {
        /// The socket.
        path: PathBuf,
        /// Who bound it.
        uid: u32,
    },
    /// It ended after a lease had come.
    #[error("the server closed the connection, or is gone")]
    Ended,
    /// It ended before a lease came.
    #[error("the server closed the connection before it sent a lease: is our user its `lease-user`?")]
    Refused,
}

/// The sidecar's end of the connection.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    allowed: Allowed,
    clock: fn() -> Moment,
    state: State,
    retry: Duration,
    leases: Leases,
    /// The cause that was told last, in words.
    told: Option<String>,
    word: Option<Word>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Until another attempt.
    Waiting(Instant),
    /// Whether user `uid` may be the server is looked up.
    Checking { stream: UnixStream, uid: u32, admitted: JoinHandle<bool> },
    /// Connected.
    Reading {
        stream: UnixStream,
        /// When the next word is due.
        word_due: Instant,
        /// Whether a lease has come.
        heard: bool,
    },
}

impl Client {
    /// For the server's socket at `path`, which only root, our own user or `server_user` (name or number) may have bound.
    /// `clock` reads the boot clock.
    pub fn new(path: PathBuf, server_user: Option<String>, clock: fn() -> Moment) -> Client {
        Client {
            path,
            allowed: Allowed::new(server_user),
            clock,
            state: State::Waiting(Instant::now()),
            retry: RETRY_MIN,
            leases: Leases::default(),
            told: None,
            word: None,
            buffer: vec![0; READ_LEN],
        }
    }

    /// Sets the word, which is sent at once if it is another one than before, and again each second.
    pub fn say(&mut self, word: Word) {
        if self.word.as_ref() == Some(&word) {
            return;
        }
        self.word = Some(word);
        if let State::Reading { word_due, .. } = &mut self.state {
            *word_due = Instant::now();
            self.send_word();
        }
    }

    /// Lines that were ignored so far, by why.
    pub fn ignored(&self) -> crate::lease::Ignored {
        self.leases.ignored()
    }

    /// Waits for what there is to know next. Nothing is lost when the future is dropped: call it again.
    pub async fn next(&mut self) -> Told {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    if let Some(told) = self.connect() {
                        return told;
                    }
                }
                State::Checking { uid, admitted, .. } => {
                    let (uid, admitted) = (*uid, admitted.await.unwrap_or(false));
                    let State::Checking { stream, .. } = self.wait() else { continue };
                    if admitted {
                        self.begin(stream);
                    } else if let Some(told) = self.lost(Lost::Stranger { path: self.path.clone(), uid }) {
                        return told;
                    }
                }
                State::Reading { stream, word_due, .. } => {
                    let due = self.word.is_some() && *word_due <= Instant::now();
                    let interest = if due { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
                    let ready = tokio::select! {
                        ready = stream.ready(interest) => ready,
                        () = sleep_until(*word_due), if self.word.is_some() && !due => continue,
                    };
                    if ready.as_ref().is_ok_and(|ready| ready.is_writable()) {
                        self.send_word();
                    }
                    if ready.map_or(true, |ready| ready.is_readable() || ready.is_read_closed())
                        && let Some(told) = self.read()
                    {
                        return told;
                    }
                }
            }
        }
    }

    fn connect(&mut self) -> Option<Told> {
        let connected = local::connect(&self.path).and_then(|stream| {
            let stream = UnixStream::from_std(stream)?;
            let uid = stream.peer_cred()?.uid();
            Ok((stream, uid))
        });
        match connected {
            Ok((stream, uid)) => {
                let allowed = self.allowed.clone();
                let admitted = tokio::spawn(async move { allowed.admits(uid).await });
                self.state = State::Checking { stream, uid, admitted };
                None
            }
            Err(error) => {
                self.wait();
                self.lost(Lost::Unreachable { path: self.path.clone(), error })
            }
        }
    }

    fn begin(&mut self, stream: UnixStream) {
        self.leases.reconnected();
        self.state = State::Reading { stream, word_due: Instant::now(), heard: false };
    }

    /// Reads all that waits.
    fn read(&mut self) -> Option<Told> {
        let State::Reading { stream, heard, .. } = &mut self.state else { return None };
        let mut newest = None;
        for _ in 0..READS_MAX {
            match stream.try_read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What came before the end counts no more.
                Ok(0) | Err(_) => {
                    let lost = if *heard { Lost::Ended } else { Lost::Refused };
                    self.wait();
                    return self.lost(lost);
                }
                Ok(len) => newest = self.leases.push((self.clock)(), &self.buffer[..len]).or(newest),
            }
        }
        let lease = newest?;
        *heard = true;
        self.retry = RETRY_MIN;
        self.told = None;
        Some(Told::Lease(lease))
    }

    /// Sends the word if there is room for it at once. A server that doesn't read has none, and is asked again later.
    fn send_word(&mut self) {
        let (State::Reading { stream, word_due, .. }, Some(word)) = (&mut self.state, &self.word) else { return };
        let line = word.line();
        match stream.try_write(&line) {
            Ok(len) if len == line.len() => *word_due = Instant::now() + WORD_INTERVAL,
            // Its readiness may not be known yet: `next` waits for it.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // Half a line can't be taken back. How the connection ended is told by reading.
            _ => {
                *word_due = Instant::now() + WORD_INTERVAL;
                let _ = socket2::SockRef::from(&*stream).shutdown(Shutdown::Both);
            }
        }
    }

    /// Gives up what there was, and waits before the next attempt.
    fn wait(&mut self) -> State {
        let until = Instant::now() + self.retry;
        self.retry = (self.retry * 2).min(RETRY_MAX);
        std::mem::replace(&mut self.state, State::Waiting(until))
    }

    fn lost(&mut self, lost: Lost) -> Option<Told> {
        let cause = lost.to_string();
        if self.told.as_ref() == Some(&cause) {
            return None;
        }
        self.told = Some(cause);
        Some(Told::Lost(lost))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixListener;
    use tokio::time::timeout;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    fn clock() -> Moment {
        START.elapsed()
    }

    fn lease(seq: u64) -> Vec<u8> {
        // Each is younger than the last.
        std::thread::sleep(Duration::from_millis(1));
        Lease { seq, sent: clock(), beat: clock(), ..Lease::default() }.line()
    }

    /// A directory that goes with the test, and a client of `lease.sock` in it.
    struct Setting {
        directory: PathBuf,
        client: Client,
    }

    impl Setting {
        fn new(name: &str) -> Setting {
            let directory = std::env::temp_dir().join(format!("catchment-client-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&directory).unwrap();
            let client = Client::new(directory.join("lease.sock"), None, clock);
            Setting { directory, client }
        }

        fn listen(&self) -> UnixListener {
            let path = self.directory.join("lease.sock");
            let _ = std::fs::remove_file(&path);
            UnixListener::bind(path).unwrap()
        }

        async fn told(&mut self) -> Told {
            timeout(Duration::from_secs(20), self.client.next()).await.expect("something is told")
        }

        async fn seq(&mut self) -> u64 {
            match self.told().await {
                Told::Lease(lease) => lease.seq,
                lost => panic!("{lost:?}"),
            }
        }

        /// The other end of the client's next connection; what it tells before that is dropped.
        async fn accepted(&mut self, listener: &UnixListener) -> UnixStream {
            loop {
                tokio::select! {
                    accepted = listener.accept() => return accepted.unwrap().0,
                    _ = self.client.next() => {}
                }
            }
        }
    }

    impl Drop for Setting {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }

    #[tokio::test]
    async fn leases_come_and_end_with_the_connection() {
        let mut setting = Setting::new("end");
        let Told::Lost(Lost::Unreachable { error, .. }) = setting.told().await else { panic!("nobody is there") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound);

        let listener = setting.listen();
        let mut server = setting.accepted(&listener).await;
        server.write_all(&lease(1)).await.unwrap();
        assert_eq!(setting.seq().await, 1);
        // A backlog: its newest counts. And one whose sender has gone counts no more.
        server.write_all(&[lease(2), lease(3), lease(4)].concat()).await.unwrap();
        assert_eq!(setting.seq().await, 4);
        server.write_all(&lease(5)).await.unwrap();
        drop(server);
        assert!(matches!(setting.told().await, Told::Lost(Lost::Ended)));

        let mut server = setting.accepted(&listener).await;
        server.write_all(&lease(1)).await.unwrap();
        assert_eq!(setting.seq().await, 1, "another server counts anew");
    }

    #[tokio::test]
    async fn words_are_sent_when_they_change_and_repeated() {
        let mut setting = Setting::new("words");
        let listener = setting.listen();
        let announced = |announced| Word { name: "ams1".into(), announced, ..Word::default() };
        setting.client.say(announced(1));
        let server = setting.accepted(&listener).await;
        let mut lines = BufReader::new(server).lines();
        let mut words = Vec::new();
        let began = Instant::now();
        let mut changed = None;
        while words.len() < 4 {
            tokio::select! {
                line = lines.next_line() => {
                    let word: Word = serde_json::from_str(&line.unwrap().expect("the client stays")).unwrap();
                    if word.announced == 1 && changed.is_none() {
                        setting.client.say(announced(2));
                        setting.client.say(announced(2));
                        changed = Some(began.elapsed());
                    }
                    words.push(word.announced);
                }
                told = setting.client.next() => panic!("{told:?}"),
            }
        }
        assert_eq!(words, [1, 2, 2, 2], "changed once, and then repeated");
        assert!(began.elapsed() - changed.unwrap() >= 2 * WORD_INTERVAL);
    }

    #[tokio::test]
    async fn a_server_that_refuses_us_is_told_of_once() {
        let mut setting = Setting::new("refused");
        let listener = setting.listen();
        let mut refusals = 0;
        let mut told = Vec::new();
        while refusals < 3 {
            tokio::select! {
                accepted = listener.accept() => {
                    drop(accepted.unwrap());
                    refusals += 1;
                }
                lost = setting.client.next() => told.push(lost),
            }
        }
        assert!(matches!(told[..], [Told::Lost(Lost::Refused)]), "{told:?}");
    }

    #[tokio::test]
    async fn a_server_that_does_not_read_costs_nothing() {
        let mut setting = Setting::new("deaf");
        let listener = setting.listen();
        let mut server = setting.accepted(&listener).await;
        server.write_all(&lease(1)).await.unwrap();
        assert_eq!(setting.seq().await, 1);
        // Far more than the buffers hold.
        for announced in 0..20_000 {
            setting.client.say(Word { name: "x".repeat(200), announced, ..Word::default() });
        }
        server.write_all(&lease(2)).await.unwrap();
        assert_eq!(setting.seq().await, 2);
    }
}
