//! Giving up root once the sockets are bound.
//!
//! The whole process changes its user (the C library carries the change to every thread), and then makes sure that there
//! is no way back. Files are read after this, as the new user: what that user can't read must fail at the start, not at
//! the first reload.

use nix::sys::prctl::set_no_new_privs;
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, setgid, setgroups, setuid};

/// From now on no program that is executed gets more than this process has, by set-user-ID bits or file capabilities. To be
/// called before there are other threads: they have it from the one that makes them.
pub fn gain_no_more() -> Result<(), PrivilegeError> {
    set_no_new_privs().map_err(|error| PrivilegeError::Refused { step: "PR_SET_NO_NEW_PRIVS", error })
}

/// Who to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: Uid,
    /// Group; there are no others.
    pub gid: Gid,
}

/// Why the process can't become another user. All are fatal: to go on as root is not what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// There is no such user.
    #[error("there is no user `{0}`: create it (`useradd --system {0}`), or correct `user`")]
    NoUser(String),
    /// There is no such group.
    #[error("there is no group `{0}`: create it (`groupadd --system {0}`), or correct `group`")]
    NoGroup(String),
    /// A number without an entry in the user database names no group.
    #[error("user {0} has no entry in the user database, and so no group: set `group` too")]
    GroupNeeded(String),
    /// Only root becomes somebody else.
    #[error(
        "only root can become another user, and this process runs as user {0}: start it as root, or take `user` out"
    )]
    NotRoot(Uid),
    /// The system refused a step.
    #[error("{step} failed: {error}")]
    Refused {
        /// The step.
        step: &'static str,
        /// What the kernel said.
        error: nix::Error,
    },
    /// Root could be had back.
    #[error("the process could become root again after it gave root up; not going on")]
    WayBack,
}

impl Identity {
    /// Looks up a user, by name or number, and a group; without one, the user's own.
    pub fn find(user: &str, group: Option<&str>) -> Result<Identity, PrivilegeError> {
        let refused = |step| move |error| PrivilegeError::Refused { step, error };
        let entry = match user.parse() {
            Ok(number) => User::from_uid(Uid::from_raw(number)),
            Err(_) => User::from_name(user),
        }
        .map_err(refused("looking up `user`"))?;
        let uid = match (&entry, user.parse()) {
            (Some(entry), _) => entry.uid,
            (None, Ok(number)) => Uid::from_raw(number),
            (None, Err(_)) => return Err(PrivilegeError::NoUser(user.into())),
        };
        let gid = match (group, entry) {
            (None, Some(entry)) => entry.gid,
            (None, None) => return Err(PrivilegeError::GroupNeeded(user.into())),
            (Some(group), _) => match (group.parse(), Group::from_name(group)) {
                (Ok(number), _) => Gid::from_raw(number),
                (Err(_), Ok(Some(entry))) => entry.gid,
                (Err(_), Ok(None)) => return Err(PrivilegeError::NoGroup(group.into())),
                (Err(_), Err(error)) => return Err(refused("looking up `group`")(error)),
            },
        };
        Ok(Identity { uid, gid })
    }

    /// Whether the process can become this user: to be asked before that user is given anything.
    pub fn check(self) -> Result<(), PrivilegeError> {
        if self.is_ours() || geteuid().is_root() { Ok(()) } else { Err(PrivilegeError::NotRoot(geteuid())) }
    }

    fn is_ours(self) -> bool {
        geteuid() == self.uid && getegid() == self.gid
    }

    /// Becomes this user for good. Does nothing if the process is this user already.
    pub fn assume(self) -> Result<(), PrivilegeError> {
        let refused = |step| move |error| PrivilegeError::Refused { step, error };
        self.check()?;
        if self.is_ours() {
            return Ok(());
        }
        // The order matters: without root neither groups nor group can be set.
        setgroups(&[self.gid]).map_err(refused("setgroups"))?;
        setgid(self.gid).map_err(refused("setgid"))?;
        setuid(self.uid).map_err(refused("setuid"))?;
        let came_back = !self.uid.is_root() && (setuid(Uid::from_raw(0)).is_ok() || setgid(Gid::from_raw(0)).is_ok());
        if came_back || geteuid() != self.uid || getegid() != self.gid {
            return Err(PrivilegeError::WayBack);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_by_name_and_number() {
        let root = Identity { uid: Uid::from_raw(0), gid: Gid::from_raw(0) };
        assert_eq!(Identity::find("root", None).unwrap(), root);
        assert_eq!(Identity::find("0", Some("root")).unwrap(), root);
        let number = Identity { uid: Uid::from_raw(65_532), gid: Gid::from_raw(65_533) };
        assert_eq!(Identity::find("65532", Some("65533")).unwrap(), number);
        assert!(matches!(Identity::find("no-such-user", None), Err(PrivilegeError::NoUser(_))));
        assert!(matches!(Identity::find("root", Some("no-such-group")), Err(PrivilegeError::NoGroup(_))));
        assert!(matches!(Identity::find("4000000", None), Err(PrivilegeError::GroupNeeded(_))));
    }

    #[test]
    fn to_become_who_one_is_needs_nothing() {
        Identity { uid: geteuid(), gid: getegid() }.assume().unwrap();
    }
}
