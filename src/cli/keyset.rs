//! `catchment keyset`: looking at key sets, making the next one, signing it, and putting it into force.

use super::keygen::write_new;
use super::store::{Trusted, begins, block_on, now_secs, publisher, read_key_set, read_public, read_secret, told};
use super::{complain, done, fail};
use crate::counted::counted;
use crate::sync::channel::Channel;
use crate::sync::key_set::{KeySet, ReleaseKey, Roots, Use};
use crate::sync::publish::Error;
use crate::sync::publish::keys::{Laid, missing, next};
use crate::sync::signed::Signed;
use crate::sync::store::address::Address;
use clap::Subcommand;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `catchment keyset`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What to do with key sets.
#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a key set holds: of a file, or the one in force
    Show {
        /// The file
        #[arg(required_unless_present = "of")]
        file: Option<PathBuf>,
        /// Store, instead of a file
        #[arg(long, value_name = "STORE", requires = "channel", conflicts_with = "file")]
        of: Option<Address>,
        /// Channel of the store
        #[arg(long)]
        channel: Option<Channel>,
    },
    /// Make the key set that follows one; what is not asked for stays
    Next(Next),
    /// Add a root key's signature to a key set's file
    Sign {
        /// The file
        file: PathBuf,
        /// Root key: its file, or env:NAME
        #[arg(long, value_name = "KEY")]
        root: String,
    },
    /// Put a key set into force
    Publish {
        /// The file
        file: PathBuf,
        /// Store
        #[arg(long, value_name = "STORE")]
        to: Address,
        /// Begin the channel in this store, though its keys are not new; without it, only keys of the last hour begin one
        #[arg(long)]
        first: bool,
        #[command(flatten)]
        trusted: Trusted,
    },
}

/// Arguments of `catchment keyset next`.
#[derive(Debug, clap::Args)]
struct Next {
    /// The key set in force
    file: PathBuf,
    /// Where the next one goes
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A root key that signs it: its file, or env:NAME; can be repeated, and others can sign later
    #[arg(long, value_name = "KEY", required = true)]
    root: Vec<String>,
    /// Public key that may sign releases from now on, or its file
    #[arg(long, value_name = "KEY")]
    add: Vec<String>,
    /// Public key that may sign freshness alone, or its file
    #[arg(long, value_name = "KEY")]
    add_freshness: Vec<String>,
    /// Id (or the file, or text) of a key that may no longer sign
    #[arg(long, value_name = "KEY")]
    remove: Vec<String>,
    /// Root keys from now on, all of them, or their files [default: as before]
    #[arg(long, value_name = "KEY")]
    roots: Vec<String>,
    /// How many root keys must sign from now on [default: as before]
    #[arg(long, value_name = "N")]
    threshold: Option<u8>,
}

/// Does one of these.
pub fn run(arguments: &Arguments) -> ExitCode {
    let result = match &arguments.command {
        Command::Show { file: Some(file), .. } => read_key_set(file).map(|set| done(&text(&set))),
        Command::Show { of: Some(of), channel: Some(channel), .. } => return show(of, channel),
        Command::Show { .. } => Err("error: give a key set's file, or --of STORE --channel CHANNEL".into()),
        Command::Next(arguments) => make_next(arguments),
        Command::Sign { file, root } => sign(file, root),
        Command::Publish { file, to, first, trusted } => return publish(file, to, *first, trusted),
    };
    result.unwrap_or_else(|message| fail(&message))
}

fn show(of: &Address, channel: &Channel) -> ExitCode {
    let anchor = crate::sync::publish::tip::Anchor::Store;
    told(
        publisher(of, channel, anchor, true)
            .and_then(|publisher| block_on(async { Ok(done(&text(&publisher.key_set_in_force().await?))) })),
    )
}

fn make_next(arguments: &Next) -> Result<ExitCode, String> {
    let before = read_key_set(&arguments.file)?;
    let before = before.claims();
    let mut keys = before.keys().to_vec();
    for wanted in &arguments.remove {
        let id = match wanted.contains(['/', '.', ':']) {
            true => read_public(wanted)?.id().to_string(),
            false => wanted.clone(),
        };
        let there = keys.len();
        keys.retain(|key| key.key.id().to_string() != id);
        if keys.len() == there {
            return Err(format!(
                "error: key {wanted} is not in {}: see catchment keyset show",
                arguments.file.display()
            ));
        }
    }
    let added = arguments.add.iter().map(|key| (key, Use::Releases));
    let added = added.chain(arguments.add_freshness.iter().map(|key| (key, Use::FreshnessOnly)));
    for (text, signs) in added {
        let key = read_public(text)?;
        keys.retain(|known| known.key != key);
        keys.push(ReleaseKey { key, signs });
    }
    let roots = match (&arguments.roots[..], arguments.threshold) {
        ([], None) => None,
        (new, threshold) => {
            let keys = match new {
                [] => before.roots.keys().to_vec(),
                new => new.iter().map(|text| read_public(text)).collect::<Result<Vec<_>, _>>()?,
            };
            let threshold = threshold.unwrap_or(before.roots.threshold());
            Some(Roots::new(keys, threshold).map_err(|error| format!("error: {error}"))?)
        }
    };
    if keys.iter().all(|key| key.signs != Use::Releases) {
        complain("warning: no key of the new set may sign releases: the channel is closed until the next one");
    }
    let unsigned = |error| format!("error: no key set: {error}");
    let set = next(before, roots, keys, now_secs()).map_err(unsigned)?;
    let signers = arguments.root.iter().map(|key| read_secret(key)).collect::<Result<Vec<_>, _>>()?;
    let set = Signed::sign(&set, &signers.iter().collect::<Vec<_>>()).map_err(unsigned)?;
    write_new(&arguments.out, set.bytes(), 0o644).map_err(|error| format!("error: {error}"))?;
    let lacking = lacking(&before.roots, &set);
    Ok(done(&format!("{}\n{}{lacking}", arguments.out.display(), text(&set))))
}

/// Which signatures are still to be had.
fn lacking(before: &Roots, set: &Signed<KeySet>) -> String {
    match missing(before, set).max(missing(&set.claims().roots, set)) {
        0 => "enough root keys signed it: catchment keyset publish\n".into(),
        more => format!("{} must sign it: catchment keyset sign\n", counted(more, "more root key")),
    }
}

fn sign(file: &Path, root: &str) -> Result<ExitCode, String> {
    let set = read_key_set(file)?;
    let key = read_secret(root)?;
    let signed = set.and_signed_by(&key).map_err(|error| format!("error: {error}"))?;
    // Beside it, and then in its place: the signatures that are there are not to be lost.
    let new = file.with_extension(format!("{}.new", std::process::id()));
    let written = write_new(&new, signed.bytes(), 0o644).map_err(|error| format!("error: {error}"));
    written?;
    std::fs::rename(&new, file).map_err(|error| format!("error: {}: {error}", file.display()))?;
    Ok(done(&format!("signed by {}\n{}", key.public().id(), text(&signed))))
}

fn publish(file: &Path, to: &Address, first: bool, trusted: &Trusted) -> ExitCode {
    let run = || {
        let set = read_key_set(file)?;
        let publisher = publisher(to, &set.claims().channel, trusted.reader()?, true)?;
        block_on(async {
            let (version, channel) = (set.claims().version, &set.claims().channel);
            match publisher.tip().await {
                Ok(_) if first => {
                    let why = format!("nothing was published: {to} has channel {channel} already; leave --first out");
                    return Err(Error::KeySet(why));
                }
                Err(Error::NoChannel(_)) => {
                    complain(&format!("note: {}", begins(to, &set, first).map_err(Error::KeySet)?));
                }
                // What else is wrong with it, the next step says.
                Ok(_) | Err(_) => {}
            }
            Ok(done(&match publisher.lay_key_set(&set).await? {
                Laid::New => format!("key set {version} of channel {channel} is in force"),
                Laid::Known => format!("key set {version} of channel {channel} was in force already"),
            }))
        })
    };
    told(run())
}

fn text(set: &Signed<KeySet>) -> String {
    let claims = set.claims();
    let mut text = format!("key set {} of channel {}\n", claims.version, claims.channel);
    let roots = &claims.roots;
    let _ = writeln!(text, "root keys, {} of {} must sign:", roots.threshold(), roots.keys().len());
    for key in roots.keys() {
        let signed = if set.is_signed_by(key) { "  signed this" } else { "" };
        let _ = writeln!(text, "  {}  {key}{signed}", key.id());
    }
    let others: Vec<String> =
        set.signers().filter(|id| roots.keys().iter().all(|key| key.id() != *id)).map(|id| id.to_string()).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "signed by former root keys too, it is said: {}", others.join(", "));
    }
    text.push_str("keys:\n");
    for key in claims.keys() {
        let signs = match key.signs {
            Use::Releases => "releases",
            Use::FreshnessOnly => "freshness",
        };
        let _ = writeln!(text, "  {}  {}  {signs}", key.key.id(), key.key);
    }
    text
}
