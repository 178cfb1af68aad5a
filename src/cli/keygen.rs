//! `catchment keygen`.

use super::store::now_secs;
use super::{done, fail};
use crate::sync::channel::Channel;
use crate::sync::key::KeyPair;
use crate::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
use crate::sync::signed::Signed;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `catchment keygen`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where: OUT.key, OUT.root.key, OUT.root.pub and OUT.keyset are made
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Channel that the key set is for [default: the last part of OUT]
    #[arg(long)]
    channel: Option<Channel>,
    /// Make one key alone: OUT.key and OUT.pub, for a key set that is yet to be made
    #[arg(long, conflicts_with = "channel")]
    single: bool,
}

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Makes keys. Nothing that is there is overwritten.
pub fn run(arguments: &Arguments) -> ExitCode {
    match if arguments.single { single(&arguments.out) } else { pair(arguments) } {
        Ok(text) => done(&text),
        Err(message) => fail(&format!("error: {message}")),
    }
}

fn single(out: &Path) -> Result<String, String> {
    let key = random()?;
    let name = shown(out);
    let files = [
        (with(out, "key"), key.to_secret_text(&name).into_bytes(), PRIVATE),
        (with(out, "pub"), key.to_public_text(&name).into_bytes(), PUBLIC),
    ];
    write_all(&files)?;
    Ok(format!("{}: secret\n{}: public, id {}", files[0].0.display(), files[1].0.display(), key.public().id()))
}

fn pair(arguments: &Arguments) -> Result<String, String> {
    let out = &arguments.out;
    let name = shown(out);
    let channel = match &arguments.channel {
        Some(channel) => channel.clone(),
        None => name.parse().map_err(|error| format!("{name:?} names no channel: {error}; give one with --channel"))?,
    };
    let (root, release) = (random()?, random()?);
    let unsigned = |error| format!("no key set: {error}");
    let roots = Roots::new(vec![root.public()], 1).map_err(unsigned)?;
    let keys = vec![ReleaseKey { key: release.public(), signs: Use::Releases }];
    let set = KeySet::new(channel.clone(), 1, now_secs(), roots, keys).map_err(unsigned)?;
    let set = Signed::sign(&set, &[&root]).map_err(unsigned)?;
    let root_name = format!("root of {name}");
    let files = [
        (with(out, "key"), release.to_secret_text(&name).into_bytes(), PRIVATE),
        (with(out, "root.key"), root.to_secret_text(&root_name).into_bytes(), PRIVATE),
        (with(out, "root.pub"), root.to_public_text(&root_name).into_bytes(), PUBLIC),
        (with(out, "keyset"), set.bytes().to_vec(), PUBLIC),
    ];
    write_all(&files)?;
    let [key, root_key, root_pub, key_set] = files.map(|(path, ..)| path.display().to_string());
    Ok(format!(
        "{key}: secret, signs releases; for CI\n{root_key}: secret, signs key sets; take it offline now\n\
         {root_pub}: public\n{key_set}: key set 1 of channel {channel}\n\
         for each node's settings: root-keys = [\"{}\"]",
        root.public()
    ))
}

fn random() -> Result<KeyPair, String> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| "the system gives no random numbers".to_string())?;
    Ok(KeyPair::from_seed(seed))
}

fn shown(out: &Path) -> String {
    out.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// OUT with a further ending: `with_extension` would take `v2` off `prod.v2`.
fn with(out: &Path, ending: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// Writes new files: all, or none if one is there already.
fn write_all(files: &[(PathBuf, Vec<u8>, u32)]) -> Result<(), String> {
    if let Some((path, ..)) = files.iter().find(|(path, ..)| path.symlink_metadata().is_ok()) {
        return Err(format!("{} is there already; keys are never overwritten: choose another --out", path.display()));
    }
    if let Some(parent) = files[0].0.parent() {
        std::fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
    }
    files.iter().try_for_each(|(path, bytes, mode)| write_new(path, bytes, *mode))
}

/// Writes a file that is not there yet, durably.
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), String> {
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{} is there already; choose another name", path.display()),
        _ => format!("{}: {error}", path.display()),
    })
}
