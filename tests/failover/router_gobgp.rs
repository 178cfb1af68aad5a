//! GoBGP as the router. It has no BFD and, as packaged, writes nothing to the kernel: there is no forwarding, and what is
//! measured is when its monitor says that the best route changed.

use crate::router::{HOLD_SECS, ROUTER_AS, Router, spawn};
use crate::support::process::{Process, TempDir};
use crate::topology::{Family, Net};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub(crate) struct GoBgp {
    dir: TempDir,
    process: Option<Process>,
}

impl GoBgp {
    pub(crate) fn new() -> GoBgp {
        GoBgp { dir: TempDir::new("gobgp-router"), process: None }
    }
}

fn neighbor(text: &mut String, pop: usize, family: Family) {
    let _ = write!(
        text,
        "[[neighbors]]
  [neighbors.config]
    neighbor-address = \"{other}\"
    peer-as = {remote}
  [neighbors.timers.config]
    hold-time = {HOLD_SECS}
    connect-retry = 1
    idle-hold-time-after-reset = 1
  [neighbors.transport.config]
    local-address = \"{own}\"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = \"{word}-unicast\"
",
        other = family.pop(pop),
        own = family.router(pop),
        remote = ROUTER_AS + pop as u32,
        word = family.word(),
    );
}

impl Router for GoBgp {
    fn start(&mut self, net: &Net) -> Result<(), String> {
        let mut text = format!("[global.config]\n  as = {ROUTER_AS}\n  router-id = \"10.255.0.9\"\n");
        // GRACEFUL_SHUTDOWN is obeyed by policy: the lowest preference (RFC 8326 section 4.1).
        text.push_str(
            "[global.apply-policy.config]
  import-policy-list = [\"in\"]
  default-import-policy = \"accept-route\"
[[defined-sets.bgp-defined-sets.community-sets]]
  community-set-name = \"drain\"
  community-list = [\"65535:0\"]
[[policy-definitions]]
  name = \"in\"
  [[policy-definitions.statements]]
    name = \"drain\"
    [policy-definitions.statements.conditions.bgp-conditions.match-community-set]
      community-set = \"drain\"
    [policy-definitions.statements.actions]
      route-disposition = \"accept-route\"
    [policy-definitions.statements.actions.bgp-actions]
      set-local-pref = 0
",
        );
        for pop in 1..=2 {
            Family::BOTH.into_iter().for_each(|family| neighbor(&mut text, pop, family));
        }
        let path = self.dir.write("gobgpd.toml", text);
        let mut words = net.peers().words("GOBGPD")?;
        let arguments =
            ["-t", "toml", "-f", &path.display().to_string(), "--api-hosts", "127.0.0.1:50051", "--pprof-disable"];
        words.extend(arguments.map(str::to_owned));
        self.process = Some(spawn(net, "gobgpd", &words)?);
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn routes(&self, net: &Net, family: Family) -> Result<Vec<usize>, String> {
        let text = net.run("r", "GOBGP", &["global", "rib", "-a", family.word(), family.prefix()]);
        // "Network not in table" is a failure to gobgp.
        let text = text.unwrap_or_default();
        let paths: Vec<&str> = text.split_ascii_whitespace().collect();
        Ok((1..=2).filter(|pop| paths.contains(&family.pop(*pop).to_string().as_str())).collect())
    }

    fn bfd_up(&self, _: &Net, _: usize) -> Result<bool, String> {
        Err("GoBGP has no BFD".into())
    }

    fn reset(&self, net: &Net) -> Result<(), String> {
        let reset =
            |family: &Family| net.run("r", "GOBGP", &["neighbor", &family.pop(1).to_string(), "reset"]).map(drop);
        Family::BOTH.iter().try_for_each(reset)
    }

    fn burst(&self, _: &Net, _: bool) -> Result<(), String> {
        Err("no run with GoBGP asks for it".into())
    }

    fn password(&mut self, _: &Net, _: Option<&str>) -> Result<(), String> {
        Err("no run with GoBGP asks for it".into())
    }

    fn detail(&self, net: &Net) -> String {
        let ask = |words: &[&str]| net.run("r", "GOBGP", words).unwrap_or_else(|error| error);
        let log = self.process.as_ref().map(Process::log).unwrap_or_default();
        ask(&["neighbor"]) + &ask(&["global", "rib"]) + &ask(&["global", "rib", "-a", "ipv6"]) + &log
    }
}

/// What the monitor printed, and when.
type Lines = Arc<Mutex<Vec<(Instant, String)>>>;

/// `gobgp monitor global rib`: each change of a best route, as it comes.
pub(crate) struct Monitor {
    child: Child,
    lines: Lines,
}

impl Monitor {
    pub(crate) fn start(net: &Net, family: Family) -> Result<Monitor, String> {
        let mut words = net.peers().words("GOBGP")?;
        words.extend(["monitor", "global", "rib", "-a", family.word(), "--current"].map(str::to_owned));
        let mut command = net.command("r", &words)?;
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let lines = Lines::default();
        let (output, sink) = (child.stdout.take().expect("piped"), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                sink.lock().expect("no panic while reading").push((Instant::now(), line));
            }
        });
        Ok(Monitor { child, lines })
    }

    /// When it first said after `since` that the best route of the family leads to a PoP.
    pub(crate) fn moved_to(&self, pop: usize, family: Family, since: Instant) -> Option<Instant> {
        let (prefix, next_hop) = (family.prefix(), family.pop(pop).to_string());
        let lines = self.lines.lock().expect("no panic while reading");
        let tells = |line: &str| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            words.iter().any(|word| word.contains(prefix))
                && words.contains(&next_hop.as_str())
                && !line.contains("DELROUTE")
        };
        lines.iter().find(|(at, line)| *at >= since && tells(line)).map(|(at, _)| *at)
    }

    /// All that it said.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().expect("no panic while reading");
        lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
