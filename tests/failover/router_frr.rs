//! FRR as the router: zebra, bgpd and bfdd.

use crate::router::{BURST, HOLD_SECS, ROUTER_AS, Router, spawn, wait_until};
use crate::support::frr;
use crate::support::process::{Process, TempDir};
use crate::topology::{Family, Net};
use std::fmt::Write as _;
use std::time::Duration;

pub(crate) struct Frr {
    dir: TempDir,
    zebra: Option<Process>,
    daemons: Vec<Process>,
    password: Option<String>,
}

impl Frr {
    pub(crate) fn new() -> Frr {
        Frr { dir: TempDir::new("frr-router"), zebra: None, daemons: Vec::new(), password: None }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn shell(&self, net: &Net, lines: &[String]) -> Result<String, String> {
        let mut words: Vec<String> = frr::as_user(&self.dir).into();
        words.extend(net.peers().words("VTYSH")?);
        words.extend(["--vty_socket".to_owned(), self.path("")]);
        words.extend(lines.iter().flat_map(|line| ["-c".to_owned(), line.clone()]));
        net.output("r", &words)
    }

    fn configure(&self) -> Result<(), String> {
        frr::make_user(&self.dir)?;
        self.dir.write("zebra.conf", "ip nht resolve-via-default\n");
        self.dir.write(
            "bfdd.conf",
            "bfd\n profile lab\n  receive-interval 100\n  transmit-interval 100\n  detect-multiplier 3\n exit\nexit\n",
        );
        self.dir.write("bgpd.conf", self.bgpd());
        Ok(())
    }

    fn bgpd(&self) -> String {
        let mut text = format!(
            "bgp community-list standard drain seq 5 permit graceful-shutdown
ip prefix-list service seq 5 permit {v4}
ipv6 prefix-list service6 seq 5 permit {v6}
",
            v4 = Family::V4.prefix(),
            v6 = Family::V6.prefix()
        );
        for (family, list) in
            [(Family::V4, "ip address prefix-list service"), (Family::V6, "ipv6 address prefix-list service6")]
        {
            let n = family as usize;
            let _ = write!(
                text,
                "route-map in{n} permit 10
 match community drain
 match {list}
 set local-preference 0
route-map in{n} permit 20
 match {list}
"
            );
        }
        text.push_str("route-map none deny 10\n");
        let _ = writeln!(
            text,
            "router bgp {ROUTER_AS}
 bgp router-id 10.255.0.9
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 timers bgp {} {HOLD_SECS}",
            HOLD_SECS / 3
        );
        for pop in 1..=2 {
            for family in Family::BOTH {
                let other = family.pop(pop);
                let _ = writeln!(
                    text,
                    " neighbor {other} remote-as {}
 neighbor {other} timers connect 1
 neighbor {other} advertisement-interval 0
 neighbor {other} bfd profile lab",
                    ROUTER_AS + pop as u32
                );
                if let Some(password) = self.password.as_ref().filter(|_| pop == 1) {
                    let _ = writeln!(text, " neighbor {other} password {password}");
                }
            }
        }
        for family in Family::BOTH {
            let _ = writeln!(text, " address-family {} unicast", family.word());
            for pop in 1..=2 {
                let other = family.pop(pop);
                let _ = writeln!(
                    text,
                    "  neighbor {other} activate\n  neighbor {other} route-map in{} in",
                    family as usize
                );
            }
            // The burst of routes is for PoP 1 alone.
            let _ = writeln!(text, "  neighbor {} route-map none out\n exit-address-family", family.pop(2));
        }
        text
    }

    fn daemon(&self, net: &Net, program: &str, name: &str) -> Result<Process, String> {
        let path = |file: &str| self.path(file);
        let mut words: Vec<String> = frr::as_user(&self.dir).into();
        words.extend(net.peers().words(program)?);
        let directory = path("");
        let (config, pid, socket) = (path(&format!("{name}.conf")), path(&format!("{name}.pid")), path("zserv.api"));
        words.extend(
            ["-f", &config, "-i", &pid, "-z", &socket, "--vty_socket", &directory, "-P", "0", "--log", "stdout"]
                .map(str::to_owned),
        );
        if name == "bfdd" {
            words.extend(["--bfdctl".to_owned(), path("bfdd.sock")]);
        }
        spawn(net, name, &words)
    }
}

impl Router for Frr {
    fn start(&mut self, net: &Net) -> Result<(), String> {
        self.configure()?;
        self.zebra = Some(self.daemon(net, "ZEBRA", "zebra")?);
        wait_until("zebra takes clients", Duration::from_secs(10), || Ok(self.dir.path().join("zserv.api").exists()))?;
        self.daemons.push(self.daemon(net, "BFDD", "bfdd")?);
        self.daemons.push(self.daemon(net, "BGPD", "bgpd")?);
        Ok(())
    }

    fn kill(&mut self) {
        // bgpd first: zebra takes its routes out of the kernel when it is gone.
        for mut daemon in self.daemons.drain(..).rev() {
            daemon.kill();
        }
        if let Some(mut zebra) = self.zebra.take() {
            zebra.stop();
        }
        for file in ["zserv.api", "zebra.vty", "bgpd.vty", "bfdd.vty", "bfdd.sock", "zebra.pid", "bgpd.pid", "bfdd.pid"]
        {
            let _ = std::fs::remove_file(self.dir.path().join(file));
        }
    }

    fn routes(&self, net: &Net, family: Family) -> Result<Vec<usize>, String> {
        let text = self.shell(net, &[format!("show bgp {} unicast {} json", family.word(), family.prefix())])?;
        Ok((1..=2).filter(|pop| text.contains(&format!("\"peerId\":\"{}\"", family.pop(*pop)))).collect())
    }

    fn bfd_up(&self, net: &Net, pop: usize) -> Result<bool, String> {
        let text = self.shell(net, &["show bfd peers json".to_owned()])?;
        let sessions: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let up = |family: &Family| {
            let address = family.pop(pop).to_string();
            let mut sessions = sessions.as_array().into_iter().flatten();
            sessions.any(|session| session["peer"] == address.as_str() && session["status"] == "up")
        };
        Ok(Family::BOTH.iter().all(up))
    }

    fn reset(&self, net: &Net) -> Result<(), String> {
        let clear = Family::BOTH.map(|family| format!("clear bgp {}", family.pop(1)));
        self.shell(net, &clear).map(drop)
    }

    fn burst(&self, net: &Net, on: bool) -> Result<(), String> {
        let no = if on { "" } else { "no " };
        let mut lines = vec!["configure terminal".to_owned(), format!("router bgp {ROUTER_AS}")];
        for (family, block) in [(Family::V4, "203.0.113."), (Family::V6, "2001:db8:bb::")] {
            lines.push(format!("address-family {} unicast", family.word()));
            lines.extend((1..=BURST).map(|n| format!("{no}network {block}{n}/{}", [32, 128][family as usize])));
            lines.push("exit-address-family".into());
        }
        self.shell(net, &lines).map(drop)
    }

    fn password(&mut self, net: &Net, password: Option<&str>) -> Result<(), String> {
        self.password = password.map(str::to_owned);
        let mut lines = vec!["configure terminal".to_owned(), format!("router bgp {ROUTER_AS}")];
        lines.extend(Family::BOTH.map(|family| match password {
            Some(password) => format!("neighbor {} password {password}", family.pop(1)),
            None => format!("no neighbor {} password", family.pop(1)),
        }));
        self.shell(net, &lines).map(drop)
    }

    fn detail(&self, net: &Net) -> String {
        let lines =
            ["show bgp summary", "show bgp ipv4 unicast", "show bgp ipv6 unicast", "show bfd peers"].map(str::to_owned);
        let said = self.shell(net, &lines).unwrap_or_else(|error| error);
        self.daemons.iter().fold(said, |all, daemon| all + &daemon.log())
    }
}
