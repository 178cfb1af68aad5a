//! What the service manager is told (sd_notify(3)). Without one, all of this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// The server answers; `status` is shown by `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it, whether it was taken or not.
pub fn reloading() {
    // A manager since systemd 253 tells by this time which request is being answered.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("no monotonic clock for the service manager: {error}"),
    }
}

/// The server is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The stop may take so long: the manager's own limit does not hold.
pub fn stop_takes(time: Duration) {
    tell(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))]);
}

/// The server is well.
pub fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// How often [`alive`] must be said: twice in the time that the manager waits. `None`: nobody listens.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|timeout| timeout / 2)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("the service manager can't be told: {error}");
    }
}
