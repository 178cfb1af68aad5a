//! BIRD 2 as the router.

use crate::router::{BURST, HOLD_SECS, ROUTER_AS, Router, spawn};
use crate::support::process::{Process, TempDir};
use crate::topology::{Family, Net};
use std::fmt::Write as _;

pub(crate) struct Bird {
    dir: TempDir,
    process: Option<Process>,
    password: Option<String>,
}

impl Bird {
    pub(crate) fn new() -> Bird {
        Bird { dir: TempDir::new("bird-router"), process: None, password: None }
    }

    fn control(&self, net: &Net, words: &[&str]) -> Result<String, String> {
        let socket = self.dir.path().join("bird.ctl");
        net.run("r", "BIRDC", &[&["-s", socket.to_str().expect("a plain path")], words].concat())
    }

    fn write(&self) {
        let mut text = String::from(
            "router id 10.255.0.9;
             protocol device { }
             protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
             protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; }
             protocol bfd { interface \"v*\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }
             filter service {
               if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
               if net ~ [ 192.0.2.0/24 ] then accept;
               reject;
             }
             filter service6 {
               if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
               if net ~ [ 2001:db8:53::/48 ] then accept;
               reject;
             }
            ",
        );
        for (family, block) in [(Family::V4, "203.0.113."), (Family::V6, "2001:db8:bb::")] {
            let (word, length) = (family.word(), [32, 128][family as usize]);
            let _ = writeln!(text, "protocol static burst{} {{ disabled; {word};", family as usize);
            for n in 1..=BURST {
                let _ = writeln!(text, "  route {block}{n}/{length} blackhole;");
            }
            text.push_str("}\n");
        }
        for pop in 1..=2 {
            for family in Family::BOTH {
                let password = self.password.as_ref().filter(|_| pop == 1);
                let password = password.map_or(String::new(), |password| format!("password \"{password}\";"));
                let _ = writeln!(
                    text,
                    "protocol bgp {name} {{
                       local {own} as {ROUTER_AS}; neighbor {other} as {remote}; hold time {HOLD_SECS}; bfd on; {password}
                       connect retry time 2; connect delay time 1; error wait time 1, 2;
                       {word} {{ import filter {filter}; export {export}; }};
                     }}",
                    name = session(pop, family),
                    own = family.router(pop),
                    other = family.pop(pop),
                    remote = ROUTER_AS + pop as u32,
                    word = family.word(),
                    filter = ["service", "service6"][family as usize],
                    export = if pop == 1 { "where source = RTS_STATIC" } else { "none" },
                );
            }
        }
        self.dir.write("bird.conf", text);
    }
}

fn session(pop: usize, family: Family) -> String {
    format!("p{pop}{}", family.word())
}

impl Router for Bird {
    fn start(&mut self, net: &Net) -> Result<(), String> {
        self.write();
        let mut words = net.peers().words("BIRD")?;
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        words.extend(["-f", "-c", &path("bird.conf"), "-s", &path("bird.ctl"), "-P", &path("pid")].map(str::to_owned));
        self.process = Some(spawn(net, "bird", &words)?);
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    fn routes(&self, net: &Net, family: Family) -> Result<Vec<usize>, String> {
        let text = self.control(net, &["show", "route", "for", family.prefix()]);
        // "Network not found" is a failure to birdc.
        let text = text.unwrap_or_else(|error| error);
        Ok((1..=2).filter(|pop| text.contains(&format!("[{} ", session(*pop, family)))).collect())
    }

    fn bfd_up(&self, net: &Net, pop: usize) -> Result<bool, String> {
        let text = self.control(net, &["show", "bfd", "sessions"])?;
        let up = |family: &Family| {
            let address = family.pop(pop).to_string();
            text.lines().any(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                words.first() == Some(&address.as_str()) && words.contains(&"Up")
            })
        };
        Ok(Family::BOTH.iter().all(up))
    }

    fn reset(&self, net: &Net) -> Result<(), String> {
        Family::BOTH.iter().try_for_each(|family| self.control(net, &["restart", &session(1, *family)]).map(drop))
    }

    fn burst(&self, net: &Net, on: bool) -> Result<(), String> {
        let word = if on { "enable" } else { "disable" };
        ["burst0", "burst1"].iter().try_for_each(|name| self.control(net, &[word, name]).map(drop))
    }

    fn password(&mut self, net: &Net, password: Option<&str>) -> Result<(), String> {
        self.password = password.map(str::to_owned);
        self.write();
        self.control(net, &["configure"]).map(drop)
    }

    fn detail(&self, net: &Net) -> String {
        let ask = |words: &[&str]| self.control(net, words).unwrap_or_else(|error| error);
        let log = self.process.as_ref().map(Process::log).unwrap_or_default();
        let all = [&["show", "protocols", "all"][..], &["show", "route", "all"], &["show", "bfd", "sessions"]];
        all.map(ask).join("\n") + &log
    }
}
