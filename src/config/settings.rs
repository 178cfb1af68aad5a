//! From the settings file to what the other modules take.

use super::{Config, SECRETS_LEN_MAX, read_bounded};
use crate::answer::Settings;
use crate::answer::cookie::Secrets;
use crate::zone::library::Places;
use std::io;

/// What `version.server` answers (RFC 4892 names the practice; the value is ours).
const VERSION: &str = concat!("catchment ", env!("CARGO_PKG_VERSION"));

impl Config {
    /// The responder's settings. `random`: the cookie secret of this process, for when no file of secrets is set: it must
    /// stay over reloads, or every client's cookie would turn bad. `Err`: the file of secrets is at fault.
    pub fn settings(&self, random: &Secrets) -> Result<Settings, String> {
        let cookies = match &self.cookie_secrets {
            None => random.clone(),
            Some(path) => {
                let unreadable = |e: io::Error| {
                    format!(
                        "{}: {e}; `cookie-secrets` must name a file that the server's user can read",
                        path.display()
                    )
                };
                let octets = read_bounded(path, SECRETS_LEN_MAX).map_err(unreadable)?;
                let not_text = |_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"));
                let text = String::from_utf8(octets).map_err(not_text)?;
                Secrets::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?
            }
        };
        Ok(Settings {
            udp_size: self.udp_size,
            node: Some(self.node_name().into_bytes().into()),
            nsid: self.nsid,
            chaos_id: self.chaos_id,
            chaos_hostname: self.chaos_hostname,
            chaos_version: self.chaos_version.then(|| VERSION.as_bytes().into()),
            generation: None,
            keepalive_100ms: u16::try_from(self.tcp.idle_timeout.as_millis() / 100).unwrap_or(u16::MAX),
            cookies,
            require_cookie: self.require_cookie,
        })
    }

    /// This node's name: as set, or the host's.
    pub fn node_name(&self) -> String {
        self.node.clone().unwrap_or_else(host_name)
    }

    /// Where the zones are. Those that are named one by one go along: there may be half a million, and nobody else needs them.
    pub fn take_places(&mut self) -> Places {
        Places {
            directory: self.zones.clone(),
            listed: std::mem::take(&mut self.zone).into_iter().map(|entry| (entry.name, entry.file)).collect(),
            include_outside: self.include_outside,
        }
    }
}

/// The host's name, for a node whose settings name none.
pub(crate) fn host_name() -> String {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    host.filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".into())
}
