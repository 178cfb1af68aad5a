//! Zones signed by tools that share no code with this server: BIND's `dnssec-signzone` and ldns' `ldns-signzone`.

use super::peers::Peers;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Validity of all signatures: long before and long after any run. Another one is for tests of what has expired.
pub(crate) const VALIDITY: (&str, &str) = ("20200101000000", "20370101000000");

/// Whose signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signer {
    /// `dnssec-signzone`, with a key that signs keys and one that signs the rest.
    Bind,
    /// `ldns-signzone`, with one key for all.
    Ldns,
}

/// What signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// ECDSA P-256 with SHA-256: algorithm 13.
    EcdsaP256,
    /// Ed25519: algorithm 15.
    Ed25519,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Algorithm::EcdsaP256 => "ECDSAP256SHA256",
            Algorithm::Ed25519 => "ED25519",
        }
    }
}

/// What denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// RFC 4034 section 4.
    Nsec,
    /// RFC 5155.
    Nsec3 {
        /// In hexadecimal; may be empty.
        salt: &'static str,
        /// Beyond the first hash.
        iterations: u16,
        /// Whether unsigned delegations are left out.
        opt_out: bool,
    },
}

/// How a zone is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheme {
    pub(crate) signer: Signer,
    pub(crate) algorithm: Algorithm,
    pub(crate) denial: Denial,
}

impl Scheme {
    /// Every signer with every kind of denial, each algorithm with both signers.
    pub(crate) const ALL: [Scheme; 10] = {
        const fn nsec3(salt: &'static str, iterations: u16, opt_out: bool) -> Denial {
            Denial::Nsec3 { salt, iterations, opt_out }
        }
        const fn scheme(signer: Signer, algorithm: Algorithm, denial: Denial) -> Scheme {
            Scheme { signer, algorithm, denial }
        }
        use Algorithm::{EcdsaP256, Ed25519};
        [
            scheme(Signer::Bind, EcdsaP256, Denial::Nsec),
            scheme(Signer::Bind, Ed25519, nsec3("", 0, false)),
            scheme(Signer::Bind, EcdsaP256, nsec3("aabbccdd", 5, false)),
            scheme(Signer::Bind, EcdsaP256, nsec3("", 0, true)),
            scheme(Signer::Bind, Ed25519, nsec3("aabbccdd", 5, true)),
            scheme(Signer::Ldns, Ed25519, Denial::Nsec),
            scheme(Signer::Ldns, EcdsaP256, nsec3("", 0, false)),
            scheme(Signer::Ldns, Ed25519, nsec3("aabbccdd", 5, false)),
            scheme(Signer::Ldns, Ed25519, nsec3("", 0, true)),
            scheme(Signer::Ldns, EcdsaP256, nsec3("aabbccdd", 5, true)),
        ]
    };
}

/// A signed zone.
#[derive(Debug)]
pub(crate) struct Signed {
    /// Its file.
    pub(crate) path: PathBuf,
    /// DS records of the key that signs the keys, as text: for the parent, or as a trust anchor.
    pub(crate) ds: String,
}

/// Signs zone text with new keys. All files lie in `dir`; two zones with one origin need two of them. `origin` has its final dot.
pub(crate) fn sign(
    peers: &Peers,
    dir: &Path,
    origin: &str,
    text: &str,
    scheme: Scheme,
    validity: (&str, &str),
) -> Result<Signed, String> {
    let plain = dir.join(format!("{origin}plain"));
    let path = dir.join(format!("{origin}signed"));
    let write = |text: String| fs::write(&plain, text).map_err(|e| format!("{}: {e}", plain.display()));
    let read = |path: PathBuf| fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()));
    let (inception, expiration) = validity;
    let algorithm = scheme.algorithm.name();
    let ds = match scheme.signer {
        Signer::Bind => {
            let keygen = |flag: &[&str]| {
                let mut command = peers.command("DNSSEC_KEYGEN")?;
                run(command.args(["-q", "-L", "3600", "-a", algorithm]).args(flag).arg(origin), dir)
            };
            let keys = [keygen(&[])?, keygen(&["-f", "KSK"])?].map(|key| read(dir.join(format!("{key}.key"))));
            let [zone_key, key_key] = keys;
            write(format!("{text}{}{}", zone_key?, key_key?))?;
            let mut command = peers.command("DNSSEC_SIGNZONE")?;
            command.args(["-q", "-P", "-O", "full", "-o", origin, "-s", inception, "-e", expiration, "-f"]).arg(&path);
            if let Denial::Nsec3 { salt, iterations, opt_out } = scheme.denial {
                command.args(["-3", if salt.is_empty() { "-" } else { salt }, "-H", &iterations.to_string()]);
                command.args(opt_out.then_some("-A"));
            }
            run(command.arg(&plain), dir)?;
            read(dir.join(format!("dsset-{origin}")))?
        }
        Signer::Ldns => {
            let key = run(peers.command("LDNS_KEYGEN")?.args(["-a", algorithm, "-k", origin]), dir)?;
            write(text.to_owned())?;
            let mut command = peers.command("LDNS_SIGNZONE")?;
            command.args(["-o", origin, "-i", inception, "-e", expiration, "-f"]).arg(&path);
            if let Denial::Nsec3 { salt, iterations, opt_out } = scheme.denial {
                command.args(["-n", "-t", &iterations.to_string()]);
                command.args((!salt.is_empty()).then_some(["-s", salt]).into_iter().flatten());
                command.args(opt_out.then_some("-p"));
            }
            run(command.arg(&plain).arg(&key), dir)?;
            read(dir.join(format!("{key}.ds")))?
        }
    };
    Ok(Signed { path, ds })
}

/// Runs a command to its end in `dir`, and gives what it printed.
fn run(command: &mut Command, dir: &Path) -> Result<String, String> {
    let output = command.current_dir(dir).output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
