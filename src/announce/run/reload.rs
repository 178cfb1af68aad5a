//! SIGHUP: the settings are read again. What is at fault changes nothing.

use super::Announcer;
use crate::announce::settings::{self, Settings};
use crate::announce::{Moment, policy};
use crate::notify;
use std::sync::Arc;

impl Announcer {
    pub(super) fn reload(&mut self, now: Moment) {
        notify::reloading();
        let taken = match settings::load(&self.options.config) {
            Ok((settings, warnings)) => {
                self.take(now, Arc::new(settings));
                for warning in warnings.lines() {
                    tracing::warn!("{warning}");
                }
                tracing::info!("the settings were read again");
                true
            }
            Err(error) => {
                tracing::error!("the settings stay as they were:\n{error}");
                false
            }
        };
        self.figures.reloaded(taken);
        notify::ready(if taken { "watching" } else { "watching; the last reload failed, see the log" });
    }

    /// Routes first: what the new settings don't have is withdrawn before anything else is changed.
    fn take(&mut self, now: Moment, settings: Arc<Settings>) {
        let old = std::mem::replace(&mut self.settings, Arc::clone(&settings));
        self.decide(now, policy::Event::Settings(Arc::clone(&settings)));
        if !self.options.dry_run
            && let Err(error) = self.network.set(now, &settings)
        {
            tracing::error!("{error}");
        }
        self.network.announce(now, self.policy.routes());
        self.probes.set(&settings.services);
        self.counts.keep(&settings.services);
        self.look_at_addresses(now, true);
        if (&old.lease, &old.server_user) != (&settings.lease, &settings.server_user) {
            self.watch_server();
            self.decide(now, policy::Event::LeaseLost { reason: "the settings name another server".into() });
        }
        let restart = [
            ("control", old.control != settings.control),
            ("admin", old.admin != settings.admin),
            ("log-format", old.log_format != settings.log_format),
            ("log-level", old.log_level != settings.log_level),
        ];
        for (key, _) in restart.iter().filter(|(_, changed)| *changed) {
            tracing::warn!("`{key}` has changed, and takes effect at the next start");
        }
    }
}
