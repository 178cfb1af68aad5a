//! Permits to withdraw for staleness: how many there may be, and how a node comes by one and keeps it.
//!
//! Staleness comes to many nodes at once: a release that none can take, a store that withholds. If each withdrew for it, nobody would
//! answer. So a node may only if it has one of a few permits, whose number is a share of the fleet as it is *configured*: of how many nodes
//! answer at the moment nothing can be known by those who are cut off.
//!
//! ```text
//! wanted ──> take (a store's quorum) ──> until = before it was asked + half of the lease ──> the server's lease ──> the sidecar
//!   ^           │ none is free: after a lease's time      │
//!   └───────────┴──────────── again after a fifth ────────┘   not renewed: it ends by itself, wherever that is known
//! ```
//!
//! Never are more in force than there are slots: the holder's time began earlier than the store's and is half as long. That holds as long as
//! one clock does not run twice as fast as the other, whoever is cut off, stopped or started again. A permit is never handed back:
//! the slot is free when its lease ends, which is after the last that was told of it has forgotten it.

use super::channel::Channel;
use super::store::Permits;
use crate::random::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Most permits of a channel.
pub const SLOTS_MAX: u32 = 1000;
/// How long the store keeps a slot for its holder.
pub const TTL: Duration = Duration::from_secs(10);
/// How long its holder counts on it: half of that, from before it asked.
pub const VALID: Duration = TTL.checked_div(2).expect("two is not zero");
/// When it is renewed: late enough to be cheap, early enough to outlive an election, or a member that does not answer.
const RENEWAL: Duration = TTL.checked_div(5).expect("five is not zero");
/// How often it is looked whether one is wanted.
const LOOK: Duration = Duration::from_millis(250);
/// Least pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of which fleet may withdraw for staleness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Nodes that there are meant to be.
    pub fleet: u32,
    /// Hundredths of them.
    pub share_percent: u8,
}

impl Terms {
    /// How many permits there are: whole ones. 0: none will ever be given.
    pub fn slots(self) -> u32 {
        let slots = u64::from(self.fleet) * u64::from(self.share_percent) / 100;
        u32::try_from(slots).unwrap_or(u32::MAX).min(SLOTS_MAX)
    }
}

/// The boot clock, or what stands for it.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A node's permit, where others can see it.
pub struct Permit {
    clock: Clock,
    /// Nanoseconds of that clock; 0: it has none.
    until: AtomicU64,
}

impl Permit {
    /// None yet.
    pub fn new(clock: Clock) -> Permit {
        Permit { clock, until: AtomicU64::new(0) }
    }

    /// Whether it is in force.
    pub fn in_force(&self) -> bool {
        (self.clock)() < self.until()
    }

    /// Until when it is in force, boot clock; a moment that is past, or 0: it is not.
    pub fn until(&self) -> Duration {
        Duration::from_nanos(self.until.load(Relaxed))
    }

    fn set(&self, until: Duration) {
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Asks for a permit while one is wanted.
pub struct Keeper {
    /// Who gives them.
    pub permits: Arc<dyn Permits>,
    /// Of which channel.
    pub channel: Channel,
    /// Who asks: another name for each process, or two would have one slot.
    pub holder: String,
    /// How many there are.
    pub slots: u32,
    /// Whether one is wanted.
    pub wanted: Box<dyn Fn() -> bool + Send + Sync>,
    /// Where it is shown.
    pub permit: Arc<Permit>,
    /// What pauses differ by.
    pub jitter: Random,
}

/// What was said last, so that nothing is said over and over.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Given,
    NoneFree,
    Failed(String),
}

impl Keeper {
    /// Until it is dropped.
    pub async fn run(mut self) {
        let mut said = Said::Nothing;
        loop {
            if self.slots == 0 || !(self.wanted)() {
                self.permit.set(Duration::ZERO);
                said = Said::Nothing;
                sleep(LOOK).await;
                continue;
            }
            let sent = (self.permit.clock)();
            let asked = self.permits.take(&self.channel, &self.holder, self.slots, TTL);
            // A permit that comes later is over when it comes.
            let (now, pause) = match timeout(VALID, asked).await {
                Ok(Ok(Some(slot))) => {
                    self.permit.set(sent + VALID);
                    if said != Said::Given {
                        tracing::warn!(
                            "stale, with permit {} of {}: what is announced may be withdrawn",
                            slot + 1,
                            self.slots
                        );
                    }
                    (Said::Given, RENEWAL)
                }
                Ok(Ok(None)) => {
                    // Somebody has taken it away, or it was lost: that is known before its time is over.
                    self.permit.set(Duration::ZERO);
                    if said != Said::NoneFree {
                        tracing::info!("stale, without a permit: all {} are held; what is announced stays", self.slots);
                    }
                    (Said::NoneFree, self.jitter.between(TTL / 2, TTL))
                }
                failed => {
                    let why = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => format!("no answer in {} s", VALID.as_secs()),
                    };
                    let why = Said::Failed(why);
                    if let (Said::Failed(why), true) = (&why, said != why) {
                        tracing::warn!("no permit is given or renewed: {why}");
                    }
                    (why, self.jitter.between(PAUSE, 2 * PAUSE))
                }
            };
            said = now;
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests;
