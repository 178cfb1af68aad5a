//! FRR's daemons, installed or only unpacked.
//!
//! FRR insists on a user and a group of its own (`frr`, `frrvty`), and its shell on a word of PAM. Where the package is only unpacked
//! there are none, so its programs get an `/etc/passwd`, `/etc/group` and `/etc/pam.d` of their own, mounted in a private mount
//! namespace.

use super::process::TempDir;
use std::path::Path;

/// Ids that no system gives to a package (Debian Policy 9.2.2: 60000 to 64999 are reserved).
const USER: u32 = 64_990;

/// Writes the files into the directory, and gives it to the user.
pub(crate) fn make_user(dir: &TempDir) -> Result<(), String> {
    let ids = |file: &str, lines: &str| {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let others: Vec<&str> = text.lines().filter(|line| !line.starts_with("frr")).collect();
        let name = Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        dir.write(name, others.join("\n") + lines);
        Ok::<(), String>(())
    };
    ids("/etc/passwd", &format!("\nfrr:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin\n"))?;
    ids("/etc/group", &format!("\nfrr:x:{USER}:\nfrrvty:x:{}:frr\n", USER + 1))?;
    let pam = dir.path().join("pam.d");
    std::fs::create_dir_all(&pam).map_err(|error| format!("{}: {error}", pam.display()))?;
    dir.write("pam.d/frr", "auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n");
    std::os::unix::fs::chown(dir.path(), Some(USER), Some(USER)).map_err(|error| error.to_string())
}

/// The words before a program and its arguments, where the mount namespace is private: there the user exists. The scripts that some
/// systems run at a change of addresses read the same files: only this process sees ours.
pub(crate) fn as_user(dir: &TempDir) -> [String; 4] {
    let path = |file: &str| dir.path().join(file).display().to_string();
    let mounts = ["passwd", "group", "pam.d"].map(|name| format!("mount --bind {} /etc/{name}; ", path(name)));
    let script = format!("set -e; {}exec \"$@\"", mounts.concat());
    ["sh".into(), "-c".into(), script, "sh".into()]
}
