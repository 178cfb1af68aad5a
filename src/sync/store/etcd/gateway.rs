//! Questions to etcd's members over its JSON gateway: which member, as whom, how long, how much.
//!
//! ```text
//! ask         round the members, from the one that answered last, until one answers or [`CALL_TIME`] is over
//! ask_member  one member, [`ATTEMPT_TIME`]; logs in when it must, once
//! stream      a stream of lines from one member
//! ```
//!
//! Reads are linearizable (etcd's default, and nothing here asks for another): a member that is cut off from its quorum answers others
//! from what it has, and fails these.

use super::super::{Result, StoreError};
use super::message::{Authenticated, Refusal, Refused};
use super::settings::{Auth, Settings, malformed, read};
use reqwest::{Certificate, Client, Identity, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Members that may be named.
const MEMBERS_MAX: usize = 16;
/// Where members listen for clients, if no port is given.
const PORT: u16 = 2379;
/// Until a connection is there.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// Until a member has answered, logging in included.
pub(super) const ATTEMPT_TIME: Duration = Duration::from_secs(2);
/// Until members have been asked long enough: an election takes one or two seconds.
const CALL_TIME: Duration = Duration::from_secs(8);
/// First pause after all members have failed.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long an idle connection is kept.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Octets of an answer that holds no values of ours.
pub(super) const SMALL: u64 = 64 << 10;
/// Octets of one line of a stream. etcd splits what has more than 2 MiB, before base64.
const LINE_LEN_MAX: usize = 4 << 20;

/// What a request is sent with; `None`: as nobody.
type Token = Option<Arc<str>>;

/// The members, and who we are to them.
pub(super) struct Gateway {
    client: Client,
    members: Vec<Url>,
    /// The member to ask first.
    first: AtomicUsize,
    auth: Option<Auth>,
    /// The outer `None`: not logged in.
    login: tokio::sync::Mutex<Option<Token>>,
}

/// Why a member did not do what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another may. `sent`: it may have done it all the same.
    Passing { why: String, sent: bool },
    /// There is no such lease.
    NoLease,
    /// No other will either.
    Final(StoreError),
}

/// An answer.
pub(super) struct Asked<T> {
    /// What a member said.
    pub(super) answer: T,
    /// Which.
    pub(super) member: usize,
    /// Whether an earlier attempt failed so that it may have been carried out: a write may have been done twice.
    pub(super) repeated: bool,
}

impl Trouble {
    pub(super) fn into_error(self) -> StoreError {
        match self {
            Trouble::Passing { why, .. } => StoreError::Unavailable(why),
            Trouble::NoLease => StoreError::Unavailable("the lease is gone".into()),
            Trouble::Final(error) => error,
        }
    }
}

impl Gateway {
    /// Reads certificates and checks members; asks nobody.
    pub(super) fn new(settings: &Settings) -> Result<Gateway> {
        if settings.members.is_empty() || settings.members.len() > MEMBERS_MAX {
            return Err(malformed("etcd's members", format!("1 to {MEMBERS_MAX} can be named")));
        }
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let members = settings.members.iter().map(|member| url(scheme, member)).collect::<Result<Vec<Url>>>()?;
        // Fails if there is one already, and then that one is good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            // A connection to a member that went silent must take no watch with it: one request, one connection.
            .http1_only();
        builder = match &settings.tls {
            // Nobody to trust, so that no certificates of the system are read for nothing.
            None => builder.tls_certs_only([]),
            Some(tls) => {
                if let Some(path) = &tls.ca {
                    let certificates = Certificate::from_pem_bundle(&read(path)?);
                    let certificates = certificates.map_err(|e| malformed(path.display(), chain(&e)))?;
                    if certificates.is_empty() {
                        return Err(malformed(path.display(), "there is no certificate (PEM) in it"));
                    }
                    builder = builder.tls_certs_only(certificates);
                }
                match &tls.identity {
                    None => builder,
                    Some(identity) => {
                        let pem = [read(&identity.certificate)?, b"\n".to_vec(), read(&identity.key)?].concat();
                        let pair = format!("{} and {}", identity.certificate.display(), identity.key.display());
                        builder.identity(Identity::from_pem(&pem).map_err(|e| malformed(pair, chain(&e)))?)
                    }
                }
            }
        };
        let client = builder.build().map_err(|e| malformed("TLS to etcd", chain(&e)))?;
        // Anywhere: else all nodes ask the member that is named first.
        let first = AtomicUsize::new(random() as usize % members.len());
        Ok(Gateway { client, members, first, auth: settings.auth.clone(), login: Default::default() })
    }

    /// Asks a member, and the next ones if that can't answer. `what` is the answer, `max` the octets of all of it.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        what: &str,
        max: u64,
    ) -> std::result::Result<Asked<T>, Trouble> {
        let deadline = Instant::now() + CALL_TIME;
        let mut member = self.first.load(Ordering::Relaxed);
        let mut repeated = false;
        for round in 0.. {
            let mut whys = Vec::new();
            let mut heard = false;
            for _ in 0..self.members.len() {
                match self.ask_member(member, path, body, what, max).await {
                    Ok(answer) => {
                        self.first.store(member, Ordering::Relaxed);
                        return Ok(Asked { answer, member, repeated });
                    }
                    Err(Trouble::Passing { why, sent }) => {
                        repeated |= sent;
                        heard |= sent;
                        whys.push(why);
                    }
                    Err(trouble) => return Err(trouble),
                }
                member = (member + 1) % self.members.len();
                if Instant::now() >= deadline {
                    break;
                }
            }
            let pause = back_off(round);
            // Where nobody listens no leader is about to be elected.
            if !heard || Instant::now() + pause >= deadline {
                return Err(Trouble::Passing { why: format!("etcd: {}", whys.join("; ")), sent: repeated });
            }
            sleep(pause).await;
        }
        unreachable!("rounds end with the deadline")
    }

    /// Asks one member.
    pub(super) async fn ask_member<T: DeserializeOwned>(
        &self,
        member: usize,
        path: &str,
        body: &Value,
        what: &str,
        max: u64,
    ) -> std::result::Result<T, Trouble> {
        let asked = async {
            let mut response = self.open(member, path, body).await?;
            let bytes = self.body(member, &mut response, what, max).await?;
            serde_json::from_slice(&bytes).map_err(|e| self.passing(member, format!("no answer of etcd's: {e}"), true))
        };
        let late = || Err(self.passing(member, format!("no answer in {} s", ATTEMPT_TIME.as_secs()), true));
        timeout(ATTEMPT_TIME, asked).await.unwrap_or_else(|_| late())
    }

    /// Opens a stream of one member's.
    pub(super) async fn stream(&self, member: usize, path: &str, body: &Value) -> std::result::Result<Lines, Trouble> {
        let late = || Err(self.passing(member, format!("no answer in {} s", ATTEMPT_TIME.as_secs()), true));
        let response = timeout(ATTEMPT_TIME, self.open(member, path, body)).await.unwrap_or_else(|_| late())?;
        Ok(Lines { response, buffer: Vec::new(), searched: 0 })
    }

    /// Another member is asked first from now on, if this one still is.
    pub(super) fn leave(&self, member: usize) {
        let next = (member + 1) % self.members.len();
        let _ = self.first.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A member's address, for messages.
    pub(super) fn name(&self, member: usize) -> &str {
        self.members[member].authority()
    }

    /// Sends a request and gives the answer if it is a success.
    async fn open(&self, member: usize, path: &str, body: &Value) -> std::result::Result<Response, Trouble> {
        let mut refused = None;
        loop {
            let token = self.token(member, refused.as_ref()).await?;
            match self.send(member, path, body, &token).await? {
                Ok(response) => return Ok(response),
                Err(Refusal::Token(_)) if self.auth.is_some() && refused.is_none() => refused = Some(token),
                Err(refusal) => return Err(self.trouble(member, refusal)),
            }
        }
    }

    async fn send(
        &self,
        member: usize,
        path: &str,
        body: &Value,
        token: &Token,
    ) -> std::result::Result<std::result::Result<Response, Refusal>, Trouble> {
        let url = format!("{}{path}", self.members[member]);
        // A member without a leader ends its streams only if it is asked to.
        let mut request = self.client.post(url).header("Grpc-Metadata-hasleader", "true").body(body.to_string());
        if let Some(token) = token {
            request = request.header("Authorization", &**token);
        }
        let mut response = request.send().await.map_err(|e| {
            let sent = !e.is_connect();
            self.passing(member, chain(&e.without_url()), sent)
        })?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        let status = response.status();
        let said = self.body(member, &mut response, "a refusal", SMALL).await?;
        match Refused::read(&said) {
            Some(refused) => Ok(Err(refused.meaning())),
            None => {
                let said = String::from_utf8_lossy(&said);
                let line: String = said.lines().next().unwrap_or_default().chars().take(100).collect();
                Err(self.passing(member, format!("not etcd's JSON gateway: {status}: {line}"), true))
            }
        }
    }

    /// Reads all of an answer.
    async fn body(
        &self,
        member: usize,
        response: &mut Response,
        what: &str,
        max: u64,
    ) -> std::result::Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|e| self.passing(member, chain(&e.without_url()), true))?
        {
            bytes.extend_from_slice(&chunk);
            let has = bytes.len() as u64;
            if has > max {
                return Err(Trouble::Final(StoreError::TooLarge { what: what.into(), has, max }));
            }
        }
        Ok(bytes)
    }

    /// What to send a request with; another than the one that was refused.
    async fn token(&self, member: usize, refused: Option<&Token>) -> std::result::Result<Token, Trouble> {
        let Some(auth) = &self.auth else { return Ok(None) };
        // Held while one logs in: the others wait for what that gives.
        let mut login = self.login.lock().await;
        if let Some(token) = &*login
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        *login = None;
        let token: Token = match auth {
            Auth::Token(secret) => {
                let token = Some(secret.read().map_err(Trouble::Final)?.into());
                if refused == Some(&token) {
                    return Err(self.trouble(member, Refusal::Denied("the token is not taken: get another".into())));
                }
                token
            }
            Auth::Password { user, password } => {
                let body = json!({ "name": user, "password": password.read().map_err(Trouble::Final)? });
                match self.send(member, "auth/authenticate", &body, &None).await? {
                    Ok(mut response) => {
                        let bytes = self.body(member, &mut response, "a token", SMALL).await?;
                        let answer: Authenticated = serde_json::from_slice(&bytes)
                            .map_err(|e| self.passing(member, format!("no answer of etcd's: {e}"), false))?;
                        Some(answer.token.into())
                    }
                    // As long as nobody is asked who they are; once somebody is, logging in is tried again.
                    Err(Refusal::NoAuthentication) => None,
                    Err(Refusal::Denied(why)) => {
                        return Err(self.trouble(member, Refusal::Denied(format!("user {user}: {why}"))));
                    }
                    // Nothing but a token was asked for.
                    Err(Refusal::Passing(why)) => return Err(self.passing(member, why, false)),
                    Err(refusal) => return Err(self.trouble(member, refusal)),
                }
            }
        };
        *login = Some(token.clone());
        Ok(token)
    }

    fn passing(&self, member: usize, why: impl std::fmt::Display, sent: bool) -> Trouble {
        Trouble::Passing { why: format!("{}: {why}", self.name(member)), sent }
    }

    fn trouble(&self, member: usize, refusal: Refusal) -> Trouble {
        let name = self.name(member);
        let denied = |why: &str| Trouble::Final(StoreError::Denied(format!("etcd at {name}: {why}")));
        match refusal {
            Refusal::Passing(why) => self.passing(member, why, true),
            Refusal::NoLease => Trouble::NoLease,
            Refusal::Full(why) => Trouble::Final(StoreError::Full(format!("etcd at {name}: {why}"))),
            Refusal::Denied(why) => denied(&why),
            Refusal::NoAuthentication => denied("authentication is not enabled"),
            Refusal::Token(why) if self.auth.is_none() => denied(&format!(
                "{why}: it asks who we are (CATCHMENT_ETCD_USER and CATCHMENT_ETCD_PASSWORD_FILE, or CATCHMENT_ETCD_TOKEN_FILE)"
            )),
            Refusal::Token(why) => denied(&why),
        }
    }
}

/// Lines of a stream.
pub(super) struct Lines {
    response: Response,
    buffer: Vec<u8>,
    searched: usize,
}

impl Lines {
    /// The next line; `Ok(None)`: it has ended. May be dropped while it waits: nothing is lost.
    pub(super) async fn next(&mut self) -> std::result::Result<Option<Vec<u8>>, String> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|octet| *octet == b'\n') {
                let rest = self.buffer.split_off(self.searched + at + 1);
                self.searched = 0;
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_LEN_MAX {
                return Err(format!("a line of more than {LINE_LEN_MAX} octets"));
            }
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(e) => return Err(chain(&e.without_url())),
            }
        }
    }
}

/// The n-th pause: doubled each time, and between half and all of that.
pub(super) fn back_off(failures: u32) -> Duration {
    let pause = PAUSE.saturating_mul(1 << failures.min(16)).min(PAUSE_MAX);
    jitter(pause / 2, pause)
}

/// Some time between two.
pub(super) fn jitter(from: Duration, to: Duration) -> Duration {
    from + (to - from).mul_f64(random() as f64 / u64::MAX as f64)
}

/// Each hasher has new keys.
fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// An error and what caused it: an error of a client alone says that sending failed.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.contains(&why) {
            text = format!("{text}: {why}");
        }
        cause = error.source();
    }
    text
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`
fn url(scheme: &str, member: &str) -> Result<Url> {
    let wrong = || malformed(format!("etcd's member {member}"), "it is HOST or HOST:PORT, without user, path or query");
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._:[]%".contains(&octet);
    if member.is_empty() || !member.bytes().all(plain) {
        return Err(wrong());
    }
    let mut url = Url::parse(&format!("{scheme}://{member}/v3/")).map_err(|_| wrong())?;
    // A URL forgets the default port of its scheme, so that `host:80` would become `host:2379`.
    let says_port = member.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !says_port {
        url.set_port(Some(PORT)).map_err(|()| wrong())?;
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        for (member, good) in [
            ("etcd1", Some("http://etcd1:2379/v3/")),
            ("etcd1.example:4001", Some("http://etcd1.example:4001/v3/")),
            ("etcd1:80", Some("http://etcd1/v3/")),
            ("[::1]:2379", Some("http://[::1]:2379/v3/")),
            ("[::1]", Some("http://[::1]:2379/v3/")),
            ("192.0.2.1", Some("http://192.0.2.1:2379/v3/")),
            ("", None),
            ("user@etcd1", None),
            ("etcd1/x", None),
            ("etcd1?x", None),
            ("etcd1:99999", None),
            ("::1:2379", None),
        ] {
            assert_eq!(url("http", member).ok().map(|url| url.to_string()).as_deref(), good, "{member}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        for failures in [0, 1, 5, 40, u32::MAX] {
            let whole = PAUSE.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX);
            for _ in 0..100 {
                let pause = back_off(failures);
                assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?}");
            }
        }
        assert!((0..100).any(|_| back_off(9) != back_off(9)), "they are jittered");
    }
}
