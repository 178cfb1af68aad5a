//! A PoP: `catchment serve` at the service addresses, and who announces them.

use crate::router::ROUTER_AS;
use crate::support::catchment::catchment;
use crate::support::process::{Process, TempDir};
use crate::topology::{Family, Net, SERVICE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::path::PathBuf;

const ZONE: &str =
    "$TTL 300\n@ SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.53\nwww A 192.0.2.80\n";

/// Routes received from the router up to which the announcer stays with it.
pub(crate) const RECEIVE_LIMIT: usize = 20;

/// Who announces a PoP's prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcer {
    /// Ours.
    Catchment,
    /// BIRD with static routes: announces whatever happens to the server.
    Bird,
    /// ExaBGP with its own health check, which asks by dig.
    ExaBgp,
}

/// How a PoP is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) announcer: Announcer,
    /// 100 ms x 3.
    pub(crate) bfd: bool,
    pub(crate) hold_secs: u32,
    /// How many probes in a row must fail; one comes each 100 ms and waits as long.
    pub(crate) fall: u32,
    pub(crate) hold_down: &'static str,
    /// TCP-MD5.
    pub(crate) password: Option<&'static str>,
    /// Where the server gives leases and the sidecar takes them, if something stands between.
    pub(crate) lease: Option<(PathBuf, PathBuf)>,
    /// More `[[peer]]` tables.
    pub(crate) peers: String,
}

/// BFD, and a probe of 100 ms x 3.
pub(crate) const USUAL: Setup = Setup {
    announcer: Announcer::Catchment,
    bfd: true,
    hold_secs: 9,
    fall: 3,
    hold_down: "1s",
    password: None,
    lease: None,
    peers: String::new(),
};

/// The processes of one PoP. All are killed when this value goes.
pub(crate) struct Pop {
    /// 1 or 2. Routes of PoP 2 have a longer path: the router prefers PoP 1.
    pub(crate) number: usize,
    pub(crate) setup: Setup,
    dir: TempDir,
    pub(crate) server: Option<Process>,
    pub(crate) announcer: Option<Process>,
}

impl Pop {
    pub(crate) fn new(number: usize, setup: Setup) -> Pop {
        let dir = TempDir::new(&format!("pop{number}"));
        std::fs::create_dir_all(dir.path().join("zones")).expect("a directory of our own");
        dir.write("zones/example.com.zone", ZONE);
        Pop { number, setup, dir, server: None, announcer: None }
    }

    /// Its namespace.
    pub(crate) fn host(&self) -> &'static str {
        ["p1", "p2"][self.number - 1]
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts what does not run.
    pub(crate) fn start(&mut self, net: &Net) -> Result<(), String> {
        self.start_server(net)?;
        self.start_announcer(net)
    }

    pub(crate) fn start_server(&mut self, net: &Net) -> Result<(), String> {
        if self.server.as_mut().is_some_and(|server| server.ended().is_none()) {
            return Ok(());
        }
        let [v4, v6] = SERVICE;
        let lease = self.setup.lease.as_ref().map_or_else(|| self.path("lease.sock"), |(given, _)| given.clone());
        let text = format!(
            "listen = [\"{v4}:53\", \"[{v6}]:53\"]\nnode = \"{}\"\nworkers = 2\nzones = \"zones\"\nadmin = \"127.0.0.1:9153\"\n\
             control = \"control.sock\"\nlease = \"{}\"\n",
            self.host(),
            lease.display(),
        );
        let config = self.dir.write("catchment.toml", text);
        let words = [env!("CARGO_BIN_EXE_catchment"), "serve", "--config", &config.display().to_string()];
        self.server = Some(self.spawn(net, "server", &words.map(str::to_owned))?);
        Ok(())
    }

    pub(crate) fn start_announcer(&mut self, net: &Net) -> Result<(), String> {
        if self.announcer.as_mut().is_some_and(|announcer| announcer.ended().is_none()) {
            return Ok(());
        }
        let words = match self.setup.announcer {
            Announcer::Catchment => {
                let config = self.configure().display().to_string();
                [announcer_program().display().to_string(), "--config".into(), config].into()
            }
            Announcer::Bird => self.bird(net)?,
            Announcer::ExaBgp => self.exabgp(net)?,
        };
        self.announcer = Some(self.spawn(net, "announcer", &words)?);
        Ok(())
    }

    fn spawn(&self, net: &Net, label: &str, words: &[String]) -> Result<Process, String> {
        let dir = TempDir::new(&format!("{label}{}", self.number));
        Process::start(net.command(self.host(), words)?, dir).map_err(|error| error.to_string())
    }

    /// Writes announcer.toml.
    pub(crate) fn configure(&self) -> PathBuf {
        let Setup { bfd, hold_secs, fall, hold_down, .. } = &self.setup;
        let (number, [v4, v6]) = (self.number, SERVICE);
        let lease = self.setup.lease.as_ref().map_or_else(|| self.path("lease.sock"), |(_, taken)| taken.clone());
        let mut text = format!(
            r#"router-id = "10.255.0.{number}"
local-as = {local_as}
node = "{node}"
lease = "{lease}"
control = "{control}"
admin = "127.0.0.1:9154"
drain-timeout = "10s"

[damping]
hold-down = "{hold_down}"
hold-down-max = "{hold_down}"

[[service]]
name = "dns"
addresses = ["{v4}", "{v6}"]
rise = 3
fall = {fall}
up = {{ prepend = {prepend} }}

[[service.probe]]
type = "dns"
interval = "100ms"
timeout = "100ms"
port = 53
transports = ["udp", "tcp"]
question = "www.example.com A"
expect = "192.0.2.80"

"#,
            local_as = ROUTER_AS + number as u32,
            node = self.host(),
            lease = lease.display(),
            control = self.path("announcer.sock").display(),
            prepend = number - 1,
        );
        for family in Family::BOTH {
            let _ = writeln!(text, "[[prefix]]\nprefix = \"{}\"\nservices = [\"dns\"]\n", family.prefix());
        }
        for family in Family::BOTH {
            let _ = writeln!(
                text,
                "[[peer]]\nname = \"router-{word}\"\naddress = \"{router}\"\nas = {ROUTER_AS}\nlocal-address = \"{own}\"\n\
                 families = [\"{word}\"]\nhold-time = \"{hold_secs}s\"\nconnect-retry = \"1s\"\n\
                 receive-alarm = {alarm}\nreceive-limit = {RECEIVE_LIMIT}",
                word = family.word(),
                router = family.router(number),
                own = family.pop(number),
                alarm = RECEIVE_LIMIT / 2,
            );
            if let Some(password) = self.setup.password {
                let key = self.dir.write("router.key", password);
                let _ = writeln!(text, "password-file = \"{}\"", key.display());
            }
            if *bfd {
                text.push_str("[peer.bfd]\ninterval = \"100ms\"\nmultiplier = 3\n");
            }
            text.push('\n');
        }
        text.push_str(&self.setup.peers);
        let path = self.dir.write("announcer.toml", text);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        let _ = std::fs::set_permissions(self.path("router.key"), private);
        path
    }

    fn bird(&self, net: &Net) -> Result<Vec<String>, String> {
        let Setup { bfd, hold_secs, .. } = self.setup;
        let mut text = format!("router id 10.255.0.{};\nprotocol device {{ }}\n", self.number);
        if bfd {
            text.push_str("protocol bfd { interface \"e0\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; }; }\n");
        }
        let prepend = format!("bgp_path.prepend({});", ROUTER_AS + self.number as u32);
        for family in Family::BOTH {
            let _ = writeln!(
                text,
                "protocol static s{word} {{ {word}; route {prefix} blackhole; }}
                 protocol bgp b{word} {{ local {own} as {own_as}; neighbor {router} as {ROUTER_AS}; hold time {hold_secs}; {bfd}
                   connect retry time 1; connect delay time 1; error wait time 1, 2;
                   {word} {{ import none; export filter {{ {prepend} accept; }}; next hop self; }}; }}",
                word = family.word(),
                prefix = family.prefix(),
                own = family.pop(self.number),
                own_as = ROUTER_AS + self.number as u32,
                router = family.router(self.number),
                bfd = if bfd { "bfd on;" } else { "" },
                prepend = if self.number == 2 { &prepend } else { "" },
            );
        }
        let config = self.dir.write("bird.conf", text).display().to_string();
        let mut words = net.peers().words("BIRD")?;
        let socket = self.path("bird.ctl").display().to_string();
        let pid = self.path("bird.pid").display().to_string();
        words.extend(["-f", "-c", &config, "-s", &socket, "-P", &pid].map(str::to_owned));
        Ok(words)
    }

    fn exabgp(&self, net: &Net) -> Result<Vec<String>, String> {
        let dig = net.peers().words("DIG")?.join(" ");
        let exabgp = net.peers().words("EXABGP")?;
        let python = exabgp[..exabgp.len() - 1].join(" ");
        let mut text = String::new();
        for family in Family::BOTH {
            let (word, own) = (family.word(), family.pop(self.number));
            let check = self.dir.write(
                &format!("check-{word}"),
                format!(
                    "#!/bin/sh\n{dig} +short +norec +tries=1 +time=1 @{} www.example.com A | grep -qx 192.0.2.80\n",
                    family.service()
                ),
            );
            let _ = std::fs::set_permissions(&check, std::os::unix::fs::PermissionsExt::from_mode(0o755));
            let _ = writeln!(
                text,
                "process check-{word} {{
                   run {python} /usr/bin/python3 -m exabgp healthcheck --cmd {check} --interval 1 --fast-interval 1 --rise 3 --fall 3 --timeout 2 --ip {prefix} --no-ip-setup --next-hop {own} --withdraw-on-down;
                   encoder text;
                 }}
                 neighbor {router} {{
                   router-id 10.255.0.{number}; local-address {own}; local-as {own_as}; peer-as {ROUTER_AS}; hold-time {hold};
                   family {{ {word} unicast; }}
                   api {{ processes [ check-{word} ]; }}
                 }}",
                check = check.display(),
                prefix = family.prefix(),
                router = family.router(self.number),
                number = self.number,
                own_as = ROUTER_AS + self.number as u32,
                hold = self.setup.hold_secs,
            );
        }
        let config = self.dir.write("exabgp.conf", text).display().to_string();
        let mut words: Vec<String> =
            ["env", "exabgp.daemon.drop=false", "exabgp.cache.nexthops=false"].map(str::to_owned).into();
        words.extend(exabgp);
        words.push(config);
        Ok(words)
    }

    /// Signals its server.
    pub(crate) fn signal_server(&self, signal: Signal) -> Result<(), String> {
        send(self.server.as_ref(), signal)
    }

    /// Signals its announcer.
    pub(crate) fn signal_announcer(&self, signal: Signal) -> Result<(), String> {
        send(self.announcer.as_ref(), signal)
    }

    /// `catchment WORD` to its server.
    pub(crate) fn tell(&self, word: &str) -> Result<(), String> {
        let output = catchment().args([word, "--control"]).arg(self.path("control.sock")).output();
        let output = output.map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("catchment {word}: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// `catchment-announcer explain`.
    pub(crate) fn explain(&self) -> String {
        let mut command = std::process::Command::new(announcer_program());
        let output = command.arg("explain").arg("--config").arg(self.path("announcer.toml")).output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    }

    /// The announcer's log.
    pub(crate) fn log(&self) -> String {
        self.announcer.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Ends all at once.
    pub(crate) fn kill(&mut self) {
        for process in [&mut self.announcer, &mut self.server] {
            if let Some(mut process) = process.take() {
                process.kill();
            }
        }
    }
}

impl Drop for Pop {
    fn drop(&mut self) {
        self.kill();
    }
}

fn send(process: Option<&Process>, signal: Signal) -> Result<(), String> {
    let process = process.ok_or("it does not run")?;
    kill(Pid::from_raw(process.pid() as i32), signal).map_err(|error| format!("{signal}: {error}"))
}

/// Beside the server's program: built together.
pub(crate) fn announcer_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_catchment")).with_file_name("catchment-announcer")
}
