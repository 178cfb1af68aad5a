//! What the lab asks of a router, whichever daemon it runs.

use crate::support::process::{Process, TempDir};
use crate::topology::{Family, Net};
use std::time::{Duration, Instant};

/// The router's autonomous system; PoP n is in the one n after it.
pub(crate) const ROUTER_AS: u32 = 64_500;
/// Hold time that the router offers: the PoP's decides.
pub(crate) const HOLD_SECS: u32 = 240;
/// Routes that [`Router::burst`] announces to PoP 1.
pub(crate) const BURST: usize = 30;

/// A routing daemon in namespace `r`, with a session for each family with each PoP, BFD of 100 ms x 3 where it can, and an
/// import policy that takes the service prefixes and obeys GRACEFUL_SHUTDOWN (RFC 8326).
pub(crate) trait Router {
    /// Starts its processes.
    fn start(&mut self, net: &Net) -> Result<(), String>;
    /// Ends them at once.
    fn kill(&mut self);
    /// PoPs whose route is in its table.
    fn routes(&self, net: &Net, family: Family) -> Result<Vec<usize>, String>;
    /// Whether BFD with a PoP is up, for both families.
    fn bfd_up(&self, net: &Net, pop: usize) -> Result<bool, String>;
    /// Resets the sessions with PoP 1.
    fn reset(&self, net: &Net) -> Result<(), String>;
    /// Announces [`BURST`] routes to PoP 1, or withdraws them.
    fn burst(&self, net: &Net, on: bool) -> Result<(), String>;
    /// Sets the TCP-MD5 password of the sessions with PoP 1.
    fn password(&mut self, net: &Net, password: Option<&str>) -> Result<(), String>;
    /// What it says of itself, for when something failed.
    fn detail(&self, net: &Net) -> String;
}

/// Starts a program in the router's namespace.
pub(crate) fn spawn(net: &Net, label: &str, words: &[String]) -> Result<Process, String> {
    Process::start(net.command("r", words)?, TempDir::new(label)).map_err(|error| error.to_string())
}

/// Asks until the answer is good.
pub(crate) fn wait_until(
    what: &str,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool, String>,
) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let said = done();
        if said == Ok(true) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "not within {patience:?}: {what}{}",
                said.err().map_or(String::new(), |e| format!(": {e}"))
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
