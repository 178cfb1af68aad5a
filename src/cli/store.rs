//! What the commands on a store share: which store and channel, whom they believe there, keys, progress, and exit codes.

use super::{complain, fail, printable};
use crate::calendar;
use crate::counted::counted;
use crate::shown::is_shown;
use crate::sync::channel::{Channel, Generation};
use crate::sync::key::{KEY_FILE_MAX, KeyPair, PublicKey};
use crate::sync::key_set::{KeySet, Roots};
use crate::sync::publish::fleet::{AGE_MAX, Waited};
use crate::sync::publish::tip::Anchor;
use crate::sync::publish::{Error, Progress, Publisher, Step};
use crate::sync::signed::{DOCUMENT_LEN_MAX, Signed};
use crate::sync::store::Store;
use crate::sync::store::address::Address;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Exit code: another publisher was faster.
pub(super) const CONFLICT: u8 = 3;
/// Exit code: published, but not all nodes serve it in time, or there is none, or that can't be found out.
pub(super) const TIMED_OUT: u8 = 4;

/// Exit code: guards object.
pub(super) const GUARDED: u8 = 5;

/// Whose channel it is, for commands that read.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Trusted {
    /// A key set of the channel: it and those that follow it are believed [default: beside the key, if there is one there]
    #[arg(long, value_name = "FILE", conflicts_with = "root_key")]
    key_set: Option<PathBuf>,
    /// A root key of the channel, ed25519:... or its file; can be repeated
    #[arg(long, value_name = "KEY")]
    root_key: Vec<String>,
    /// How many of the root keys must have signed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "root_key")]
    root_threshold: u8,
}

impl Trusted {
    /// The key set that was named, or that lies beside the key.
    pub(super) fn key_set(&self, key: Option<&str>) -> Result<Option<Signed<KeySet>>, String> {
        let beside = key.filter(|key| !key.starts_with(ENV)).map(|key| Path::new(key).with_extension("keyset"));
        match (&self.key_set, beside.filter(|path| path.exists())) {
            (Some(path), _) => read_key_set(path).map(Some),
            (None, Some(path)) if self.root_key.is_empty() => read_key_set(&path).map(Some),
            (None, _) => Ok(None),
        }
    }

    /// Whom to believe.
    pub(super) fn anchor(&self, key_set: Option<&Signed<KeySet>>) -> Result<Anchor, String> {
        if !self.root_key.is_empty() {
            let keys = self.root_key.iter().map(|text| read_public(text)).collect::<Result<Vec<_>, _>>()?;
            let roots = Roots::new(keys, self.root_threshold).map_err(|error| format!("error: --root-key: {error}"))?;
            return Ok(Anchor::Roots(roots));
        }
        Ok(key_set.map_or(Anchor::Store, |set| Anchor::key_set(set.clone())))
    }

    /// Whom to believe, for commands without a key of their own.
    pub(super) fn reader(&self) -> Result<Anchor, String> {
        self.anchor(self.key_set(None)?.as_ref())
    }
}

/// Text of keys that stand in the environment.
const ENV: &str = "env:";

/// Reads a small file. `what` is what it should hold.
fn read(path: &Path, what: &str, max: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("error: {}: {error}; give the path of a {what}", path.display());
    let mut bytes = Vec::new();
    // One octet more than is good: the decoders refuse what is too long, and say so.
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Reads a key set's file.
pub(super) fn read_key_set(path: &Path) -> Result<Signed<KeySet>, String> {
    let bytes = read(path, "key set, as keygen and keyset make", DOCUMENT_LEN_MAX)?;
    Signed::decode(&bytes).map_err(|error| format!("error: {}: {error}", path.display()))
}

/// Reads a public key: itself, or its file.
pub(super) fn read_public(text: &str) -> Result<PublicKey, String> {
    if text.starts_with("ed25519") {
        return PublicKey::from_text(text, "the command line").map_err(|error| format!("error: {error}"));
    }
    let bytes = read(Path::new(text), "public key", KEY_FILE_MAX)?;
    PublicKey::from_text(&String::from_utf8_lossy(&bytes), text).map_err(|error| format!("error: {error}"))
}

/// Reads a secret key from a file, or from the environment (`env:NAME`). Warns if others can read the file.
pub(super) fn read_secret(place: &str) -> Result<KeyPair, String> {
    if place.starts_with("ed25519") {
        return Err("error: a key on the command line can be seen by all; give its file, or env:NAME".into());
    }
    if let Some(name) = place.strip_prefix(ENV) {
        let text = std::env::var(name).map_err(|_| format!("error: there is no variable {name} with a key in it"))?;
        return KeyPair::from_text(&text, name).map_err(|error| format!("error: {error}"));
    }
    let path = Path::new(place);
    let bytes = read(path, "secret key, as keygen makes", KEY_FILE_MAX)?;
    if path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        complain(&format!("warning: {place} can be read by others: chmod 600 {place}"));
    }
    KeyPair::from_text(&String::from_utf8_lossy(&bytes), place).map_err(|error| format!("error: {error}"))
}

/// Opens a store.
pub(super) fn open(address: &Address) -> Result<Store, String> {
    address.open().map_err(|error| format!("error: {address}: {error}"))
}

/// A channel of a store.
pub(super) fn publisher(address: &Address, channel: &Channel, anchor: Anchor, json: bool) -> Result<Publisher, String> {
    Ok(Publisher { store: open(address)?, channel: channel.clone(), anchor, progress: progress(json) })
}

/// Whose channel a command changes, and by what right.
#[derive(Debug, clap::Args)]
pub(super) struct Signing {
    /// Channel
    #[arg(long)]
    pub(super) channel: Channel,
    /// Release key: its file, or env:NAME for one in the environment
    #[arg(long, value_name = "KEY")]
    key: String,
    #[command(flatten)]
    trusted: Trusted,
}

impl Signing {
    /// The key, the channel in this store, and the key set beside the key, if there is one.
    pub(super) fn open(
        &self,
        store: &Address,
        json: bool,
    ) -> Result<(KeyPair, Publisher, Option<Signed<KeySet>>), String> {
        let key = read_secret(&self.key)?;
        let set = self.trusted.key_set(Some(&self.key))?;
        let anchor = self.trusted.anchor(set.as_ref())?;
        Ok((key, publisher(store, &self.channel, anchor, json)?, set))
    }
}

/// A channel begins with keys that are not older, and says so.
const NEW_KEYS_SECS: u64 = 60 * 60;

/// What to note when the key set's channel begins in this store, which has it not; `Err`: why it does not. It begins where somebody means it
/// to: with keys that were just made, or with `--first`. Else a store without it is another one than was meant, or was emptied.
pub(super) fn begins(to: &Address, set: &Signed<KeySet>, first: bool) -> Result<String, String> {
    let KeySet { channel, version, time_secs, .. } = set.claims();
    if !first && (*version > 1 || now_secs().abs_diff(*time_secs) > NEW_KEYS_SECS) {
        let made = calendar::text(*time_secs);
        return Err(format!(
            "{to} has no channel {channel}, and key set {version} of it was made at {made}: is that the store that is meant, or was it emptied? To begin the channel there: --first"
        ));
    }
    Ok(format!("{to} has no channel {channel} yet: it begins there"))
}

/// Seconds since 1970.
pub(super) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// Runs a command to its end.
pub(super) fn block_on<T>(command: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.map_err(|error| format!("error: no threads: {error}"))?.block_on(command))
}

/// Says why nothing was done.
pub(super) fn failed(error: &Error) -> ExitCode {
    match error {
        // The reports begin with what they are.
        Error::Zones(reports) => complain(reports),
        error => complain(&format!("error: {error}")),
    }
    match error {
        Error::Conflict { .. } | Error::OnTrial { .. } | Error::NoTrial { .. } => ExitCode::from(CONFLICT),
        Error::Guarded { .. } => ExitCode::from(GUARDED),
        _ => ExitCode::FAILURE,
    }
}

/// The exit code of a command, whose errors of both kinds are told.
pub(super) fn told(result: Result<Result<ExitCode, Error>, String>) -> ExitCode {
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => failed(&error),
        Err(message) => fail(&message),
    }
}

/// Prints one JSON document.
pub(super) fn print_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => super::done(&escaped(&text)),
        Err(error) => fail(&format!("error: {error}")),
    }
}

/// A JSON document in which what moves a terminal, or turns text around, is escaped too: serde_json writes all above U+001F as it is.
pub(super) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c == '\n' || is_shown(c) {
            true => text.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(text, "\\u{unit:04x}");
            }),
        }
    }
    text
}

/// Bars on a terminal; else nothing but notes.
pub(super) fn progress(json: bool) -> Arc<dyn Progress> {
    let terminal = std::io::stderr().is_terminal() && !json;
    Arc::new(Bars(Mutex::new(terminal.then(|| (Step::Reading, ProgressBar::hidden())))))
}

/// The step that is shown, and its bar.
struct Bars(Mutex<Option<(Step, ProgressBar)>>);

impl Progress for Bars {
    fn at(&self, step: Step, done: u64, of: Option<u64>) {
        let Ok(mut shown) = self.0.lock() else { return };
        let Some((at, bar)) = &mut *shown else { return };
        if *at != step || bar.is_hidden() {
            bar.finish_and_clear();
            *bar = ProgressBar::new(0).with_prefix(match step {
                Step::Reading => "reading pages",
                Step::Comparing => "comparing",
                Step::Building => "building",
                Step::Uploading => "uploading",
                Step::Checking => "checking",
            });
            if let Ok(style) = ProgressStyle::with_template("{prefix:14} {wide_bar} {pos}/{len}") {
                bar.set_style(style);
            }
            *at = step;
        }
        bar.set_length(of.unwrap_or(done));
        bar.set_position(done);
    }

    fn note(&self, text: &str) {
        if let Ok(shown) = self.0.lock() {
            match &*shown {
                Some((_, bar)) => bar.suspend(|| complain(&printable(&format!("note: {text}")))),
                None => complain(&printable(&format!("note: {text}"))),
            }
        }
    }

    fn end(&self) {
        if let Ok(Some((_, bar))) = self.0.lock().as_deref() {
            bar.finish_and_clear();
        }
    }
}

/// Waiting for nodes, for commands that move the head.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Wait {
    /// Wait until all nodes that report serve it, one at least
    #[arg(long)]
    wait: bool,
    /// Seconds to wait; exit code 4 after that
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

impl Wait {
    /// How long.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Waits, if that is wanted, and tells. `None`: it was not.
    pub(super) async fn wait(&self, publisher: &Publisher, generation: Generation) -> Option<Result<Waited, Error>> {
        if !self.wait {
            return None;
        }
        let mut told = None;
        let each = |fleet: &crate::sync::publish::fleet::Fleet, there: usize| {
            let nodes = fleet.nodes.len();
            if told.replace((there, nodes)) != Some((there, nodes)) {
                complain(&match nodes {
                    0 => format!("no node has reported lately: waiting for one that serves {generation}"),
                    nodes => format!("{generation} is served by {there} of {}", counted(nodes, "node")),
                });
            }
        };
        Some(publisher.wait(generation, self.timeout(), now_secs(), each).await)
    }
}

/// The code for how a wait ended; says who is missing.
pub(super) fn waited(waited: Option<&Result<Waited, Error>>, generation: Generation) -> ExitCode {
    let fleet = match waited {
        None | Some(Ok(Waited::All(_))) => return ExitCode::SUCCESS,
        Some(Ok(Waited::TimedOut(fleet))) => fleet,
        Some(Err(error)) => {
            complain(&printable(&format!(
                "error: {generation} is the head, but who serves it can't be found out: {error}"
            )));
            return ExitCode::from(TIMED_OUT);
        }
    };
    if fleet.nodes.is_empty() {
        complain(&format!(
            "error: {generation} is the head, but no node that is waited for has reported within the last {} s: is it the store that they follow? see catchment status",
            AGE_MAX.as_secs()
        ));
        return ExitCode::from(TIMED_OUT);
    }
    let late = fleet.nodes.iter().filter(|node| {
        let serving = node.report.as_ref().and_then(|report| report.serving);
        serving.is_none_or(|serving| serving.generation < generation)
    });
    let late: Vec<String> = late.map(|node| format!("{} ({})", node.node, node.faults.join(", "))).collect();
    complain(&printable(&format!(
        "error: {generation} is the head, but time is up and these nodes don't serve it: {}",
        late.join(", ")
    )));
    ExitCode::from(TIMED_OUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_moves_no_terminal() {
        let said = ["a \u{9b}31m\x1b[2J", "\u{202e}f\u{e4}hre\u{7f}\u{feff}"];
        let text = escaped(&serde_json::to_string_pretty(&said).unwrap());
        assert_eq!(text, "[\n  \"a \\u009b31m\\u001b[2J\",\n  \"\\u202ef\u{e4}hre\\u007f\\ufeff\"\n]");
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), said);
    }
}
