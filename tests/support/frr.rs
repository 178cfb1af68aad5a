//! FRR's daemons, installed or only unpacked.
//!
//! FRR insists on a user and a group of its own (`frr`, `frrvty`). Where the package is only unpacked there are none, so its
//! daemons get an `/etc/passwd` and `/etc/group` of their own, mounted in a private mount namespace.

use super::process::TempDir;
use std::path::Path;

/// Ids that no system gives to a package (Debian Policy 9.2.2: 60000 to 64999 are reserved).
const USER: u32 = 64_990;

/// Writes both files into the directory, and gives it to the user.
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
    std::os::unix::fs::chown(dir.path(), Some(USER), Some(USER)).map_err(|error| error.to_string())
}

/// The words before a program and its arguments, where the mount namespace is private: there the user exists. The scripts that some
/// systems run at a change of addresses read the same files: only this process sees ours.
pub(crate) fn as_user(dir: &TempDir) -> [String; 4] {
    let path = |file: &str| dir.path().join(file).display().to_string();
    let (passwd, group) = (path("passwd"), path("group"));
    let script = format!("set -e; mount --bind {passwd} /etc/passwd; mount --bind {group} /etc/group; exec \"$@\"");
    ["sh".into(), "-c".into(), script, "sh".into()]
}
