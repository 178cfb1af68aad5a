//! What is announced to whom, since when and why: one value for people ([`Report::text`]), for machines (JSON) and for the
//! metrics. Made by the running sidecar, carried over the control socket and by `/prefixes`.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Transitions that are remembered.
pub const TRANSITIONS_MAX: usize = 50;

/// All there is to say at one moment. Ages are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The node's name.
    pub node: String,
    /// Version of the sidecar.
    pub version: String,
    /// How long it has been running.
    pub uptime: f64,
    /// What needs a person.
    pub alarms: Vec<Alarm>,
    /// Nothing is announced: `--dry-run`.
    pub dry_run: bool,
    /// Whether this sidecar is to move traffic away, by command or by a signal.
    pub draining: bool,
    /// By prefix.
    pub prefixes: Vec<Prefix>,
    /// Health of each service and family.
    pub services: Vec<Service>,
    /// What the server says; `None` when no lease is asked for.
    pub lease: Option<Lease>,
    /// By router, as in the settings.
    pub routers: Vec<Router>,
    /// The last ones, oldest first.
    pub transitions: Vec<Transition>,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What, in a word: `overload`, `zones-failed`, `stale`.
    pub alarm: String,
    /// The service that it is about; empty: the server as a whole.
    pub service: String,
    /// Its family.
    pub family: String,
    /// In words.
    pub text: String,
}

/// One prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prefix {
    /// As `192.0.2.0/24`.
    pub prefix: String,
    /// INIT, UP, DEPREF, DRAIN or WITHDRAWN.
    pub state: String,
    /// How long it has been in this state.
    pub age: f64,
    /// Why it is.
    pub cause: String,
    /// The cause as a short word, for metrics.
    pub cause_kind: String,
    /// What the settings give it in this state, while it is announced.
    pub attributes: Option<String>,
    /// How long a hold-down keeps it from being announced; 0: none does.
    pub hold_down: f64,
    /// Withdrawals by fault since the start.
    pub flaps: u64,
    /// Services that it depends on.
    pub services: Vec<String>,
    /// What each router was told, in the order of [`Report::routers`].
    pub routers: Vec<Told>,
}

/// What a router was told of a prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The router's name.
    pub router: String,
    /// Whether it was told to send packets here.
    pub announced: bool,
    /// How long ago that was written to its connection; `None` when it was not, or not yet.
    pub age: Option<f64>,
    /// The path attributes as sent.
    pub attributes: Option<String>,
    /// Why it is not announced although it should be.
    pub obstacle: Option<String>,
}

/// Health of one service in one family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub service: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Its health in a word, for metrics.
    pub health: String,
    /// Its health in words.
    pub detail: String,
    /// Addresses that no interface of the host has.
    pub missing: Vec<String>,
    /// Its probes, by address.
    pub probes: Vec<Probe>,
}

/// One probe of one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The service's address.
    pub address: String,
    /// `dns-udp`, `dns-tcp`, `tcp`, `http` or `exec`.
    pub kind: String,
    /// Which of the service's probes, from 1.
    pub number: usize,
    /// How often it went well.
    pub passed: u64,
    /// How often it did not.
    pub failed: u64,
    /// How long the last one took; `None` before the first.
    pub took: Option<f64>,
    /// What was wrong with the last one.
    pub error: Option<String>,
}

/// The server's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// Whether it is valid.
    pub valid: bool,
    /// Age of its oldest stamp; `None` when there never was one, or its connection ended.
    pub age: Option<f64>,
    /// In words: what it says, or why there is none.
    pub detail: String,
    /// How long its permit to withdraw for staleness lasts if it is not renewed; `None`: there is none.
    #[serde(default)]
    pub permit: Option<f64>,
    /// Leases that were ignored: unreadable, from the future, or older than one that was seen.
    pub ignored: u64,
}

/// One router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Router {
    /// Its name in the settings.
    pub router: String,
    /// Its address.
    pub address: String,
    /// Its AS number.
    pub asn: u32,
    /// State of the session, as RFC 4271 calls it.
    pub state: String,
    /// How long it has been in this state.
    pub age: f64,
    /// Hold time agreed on.
    pub hold_time: Option<f64>,
    /// Time between KEEPALIVEs.
    pub keepalive_time: Option<f64>,
    /// Time until the next attempt to connect, if one is waited for.
    pub next_attempt: Option<f64>,
    /// Kept down until BFD is up.
    pub waits_for_bfd: bool,
    /// What is likely the matter, while the router does not answer at all.
    pub suspicion: Option<String>,
    /// How often the session was established.
    pub established: u64,
    /// How often it ended after that.
    pub flaps: u64,
    /// What ended the last session or attempt.
    pub last_error: Option<String>,
    /// Prefixes that the router announces to us by family: counted, and dropped.
    pub received: Vec<(String, u64)>,
    /// Prefixes announced to it.
    pub announced: u64,
    /// BFD with it, where it is on.
    pub bfd: Option<Bfd>,
}

/// BFD with one router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bfd {
    /// As RFC 5880 calls it.
    pub state: String,
    /// How long it has been in this state.
    pub age: f64,
    /// After so long without a packet the path counts as gone.
    pub detection_time: Option<f64>,
    /// How often it went down.
    pub flaps: u64,
    /// Why it last went down.
    pub diagnostic: Option<String>,
    /// Packets received, sent, and discarded.
    pub packets: [u64; 3],
}

/// A prefix changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When, UTC.
    pub at: String,
    /// The prefix.
    pub prefix: String,
    /// State before.
    pub from: String,
    /// State after.
    pub to: String,
    /// Why.
    pub cause: String,
}

/// The last [`TRANSITIONS_MAX`] transitions.
#[derive(Debug, Default)]
pub struct Transitions(VecDeque<Transition>);

impl Transitions {
    /// Adds one; the oldest goes.
    pub fn push(&mut self, transition: Transition) {
        if self.0.len() == TRANSITIONS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(transition);
    }

    /// All, oldest first.
    pub fn all(&self) -> Vec<Transition> {
        self.0.iter().cloned().collect()
    }
}

impl Report {
    /// For people: by prefix, then what the prefixes depend on, then what happened.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String never fails.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, "node {}, catchment-announcer {}, up {}", self.node, self.version, Ago(self.uptime))?;
        if self.dry_run {
            write!(out, ", dry run: there are no sessions")?;
        }
        if self.draining {
            write!(out, ", draining")?;
        }
        writeln!(out)?;
        for alarm in &self.alarms {
            writeln!(out, "ALARM {}", alarm.text)?;
        }
        for prefix in &self.prefixes {
            prefix.write(out)?;
        }
        writeln!(out, "\nservices")?;
        for service in &self.services {
            service.write(out)?;
        }
        if let Some(lease) = &self.lease {
            let age = lease.age.map(|age| format!(", {age:.3} s old")).unwrap_or_default();
            writeln!(out, "\nlease {}{age}: {}", if lease.valid { "valid" } else { "not valid" }, lease.detail)?;
        }
        writeln!(out, "\nrouters")?;
        for router in &self.routers {
            router.write(out)?;
        }
        writeln!(out, "\ntransitions, the last {TRANSITIONS_MAX}")?;
        for Transition { at, prefix, from, to, cause } in &self.transitions {
            writeln!(out, "  {at} {prefix} {from} -> {to}: {cause}")?;
        }
        Ok(())
    }
}

impl Prefix {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\n{} {} for {}: {}", self.prefix, self.state, Ago(self.age), self.cause)?;
        write!(out, "  services {}; {} so far", self.services.join(", "), Flaps(self.flaps))?;
        if self.hold_down > 0.0 {
            write!(out, "; held down for {:.0} s more", self.hold_down)?;
        }
        writeln!(out)?;
        if let Some(attributes) = &self.attributes {
            writeln!(out, "  set: {attributes}")?;
        }
        for told in &self.routers {
            let name = &told.router;
            match (told.announced, &told.attributes, &told.obstacle) {
                (true, attributes, _) => {
                    let written = match told.age {
                        Some(age) => format!("for {}", Ago(age)),
                        None => "not yet written".into(),
                    };
                    writeln!(out, "  {name}: announced {written}: {}", attributes.as_deref().unwrap_or("-"))?;
                }
                (false, _, Some(obstacle)) => writeln!(out, "  {name}: not announced: {obstacle}")?,
                (false, _, None) => writeln!(out, "  {name}: not announced")?,
            }
        }
        Ok(())
    }
}

impl Service {
    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "  {} {}: {}", self.service, self.family, self.detail)?;
        for address in &self.missing {
            writeln!(out, "    {address} is on no interface of this host")?;
        }
        for probe in &self.probes {
            let took = probe.took.map(|took| format!(", last in {:.1} ms", took * 1e3)).unwrap_or_default();
            let error = probe.error.as_deref().unwrap_or_default();
            let Probe { kind, number, address, passed, failed, .. } = probe;
            writeln!(
                out,
                "    probe {number}, {kind} {address}: {passed} passed, {failed} failed{took}{}",
                Behind(error)
            )?;
        }
        Ok(())
    }
}

impl Router {
    fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, "  {} {} AS {}: {} for {}", self.router, self.address, self.asn, self.state, Ago(self.age))?;
        if let (Some(hold), Some(keepalive)) = (self.hold_time, self.keepalive_time) {
            write!(out, ", hold time {hold:.0} s, keepalive {keepalive:.1} s")?;
        }
        if let Some(next) = self.next_attempt {
            write!(out, ", next attempt in {next:.1} s")?;
        }
        if self.waits_for_bfd {
            write!(out, ", waits for BFD")?;
        }
        write!(out, ", {} announced", self.announced)?;
        for (family, count) in &self.received {
            write!(out, ", {count} {family} received")?;
        }
        writeln!(out, ", established {}, {}", Times(self.established), Flaps(self.flaps))?;
        if let Some(bfd) = &self.bfd {
            write!(out, "    BFD {} for {}", bfd.state, Ago(bfd.age))?;
            if let Some(time) = bfd.detection_time {
                write!(out, ", detects within {:.0} ms", time * 1e3)?;
            }
            writeln!(out, ", {}{}", Flaps(bfd.flaps), Behind(bfd.diagnostic.as_deref().unwrap_or_default()))?;
        }
        if let Some(suspicion) = &self.suspicion {
            writeln!(out, "    {suspicion}")?;
        }
        if let Some(error) = &self.last_error {
            writeln!(out, "    last error: {error}")?;
        }
        Ok(())
    }
}

/// A detail behind a colon, if there is one.
struct Behind<'a>(&'a str);

impl fmt::Display for Behind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// How often something was.
struct Times(u64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 1 { f.write_str("once") } else { write!(f, "{} times", self.0) }
    }
}

/// How often something went away.
struct Flaps(u64);

impl fmt::Display for Flaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} flap{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// A time in seconds as people say it: its two largest units.
struct Ago(f64);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.max(0.0) as u64;
        match secs {
            0..60 => write!(f, "{:.1} s", self.0),
            60..3600 => write!(f, "{} min {} s", secs / 60, secs % 60),
            3600..86_400 => write!(f, "{} h {} min", secs / 3600, secs / 60 % 60),
            _ => write!(f, "{} d {} h", secs / 86_400, secs / 3600 % 24),
        }
    }
}

/// A time as RFC 3339 writes it: UTC, milliseconds.
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of a number of days since 1970. A calendar of eras of 400 years, each year beginning in March so that
/// the day that comes and goes is its last.
fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
pub(in crate::announce) mod tests {
    use super::*;

    pub(in crate::announce) fn sample() -> Report {
        Report {
            node: "ams1".into(),
            version: "0.1.0".into(),
            uptime: 90_061.0,
            alarms: vec![
                Alarm {
                    alarm: "overload".into(),
                    service: "dns".into(),
                    family: "ipv4".into(),
                    text: "service dns is overloaded (ipv4): its prefixes stay announced".into(),
                },
                Alarm {
                    alarm: "stale".into(),
                    service: String::new(),
                    family: String::new(),
                    text: "the server is stale: it serves generation 3".into(),
                },
            ],
            dry_run: false,
            draining: true,
            prefixes: vec![Prefix {
                prefix: "192.0.2.0/24".into(),
                state: "DRAIN".into(),
                age: 75.0,
                cause: "an operator asked".into(),
                cause_kind: "drain".into(),
                attributes: Some("prepend 6".into()),
                hold_down: 9.6,
                flaps: 2,
                services: vec!["dns".into(), "web".into()],
                routers: vec![
                    Told {
                        router: "r1".into(),
                        announced: true,
                        age: Some(1.25),
                        attributes: Some("AS path 64501".into()),
                        obstacle: None,
                    },
                    Told {
                        router: "r2".into(),
                        announced: false,
                        age: None,
                        attributes: None,
                        obstacle: Some("the session is Idle".into()),
                    },
                ],
            }],
            services: vec![Service {
                service: "dns".into(),
                family: "ipv4".into(),
                health: "healthy".into(),
                detail: "it answers".into(),
                missing: vec!["192.0.2.54".into()],
                probes: vec![Probe {
                    address: "192.0.2.53".into(),
                    kind: "dns-udp".into(),
                    number: 1,
                    passed: 7,
                    failed: 1,
                    took: Some(0.0012),
                    error: Some("UDP: refused".into()),
                }],
            }],
            lease: Some(Lease {
                valid: true,
                age: Some(0.1),
                detail: "generation 3".into(),
                permit: Some(4.5),
                ignored: 0,
            }),
            routers: vec![Router {
                router: "r1".into(),
                address: "10.0.0.1".into(),
                asn: 64500,
                state: "Established".into(),
                age: 3700.0,
                hold_time: Some(9.0),
                keepalive_time: Some(3.0),
                next_attempt: None,
                waits_for_bfd: false,
                suspicion: None,
                established: 3,
                flaps: 2,
                last_error: Some("hold timer expired".into()),
                received: vec![("ipv4".into(), 4)],
                announced: 1,
                bfd: Some(Bfd {
                    state: "Up".into(),
                    age: 10.0,
                    detection_time: Some(0.3),
                    flaps: 1,
                    diagnostic: None,
                    packets: [100, 99, 1],
                }),
            }],
            transitions: vec![Transition {
                at: "2026-01-02T03:04:05.678Z".into(),
                prefix: "192.0.2.0/24".into(),
                from: "UP".into(),
                to: "DRAIN".into(),
                cause: "an operator asked".into(),
            }],
        }
    }

    #[test]
    fn people_read_all_of_it() {
        let expected = "\
node ams1, catchment-announcer 0.1.0, up 1 d 1 h, draining
ALARM service dns is overloaded (ipv4): its prefixes stay announced
ALARM the server is stale: it serves generation 3

192.0.2.0/24 DRAIN for 1 min 15 s: an operator asked
  services dns, web; 2 flaps so far; held down for 10 s more
  set: prepend 6
  r1: announced for 1.2 s: AS path 64501
  r2: not announced: the session is Idle

services
  dns ipv4: it answers
    192.0.2.54 is on no interface of this host
    probe 1, dns-udp 192.0.2.53: 7 passed, 1 failed, last in 1.2 ms: UDP: refused

lease valid, 0.100 s old: generation 3

routers
  r1 10.0.0.1 AS 64500: Established for 1 h 1 min, hold time 9 s, keepalive 3.0 s, 1 announced, 4 ipv4 received, established 3 times, 2 flaps
    BFD Up for 10.0 s, detects within 300 ms, 1 flap
    last error: hold timer expired

transitions, the last 50
  2026-01-02T03:04:05.678Z 192.0.2.0/24 UP -> DRAIN: an operator asked
";
        assert_eq!(sample().text(), expected);
    }

    #[test]
    fn machines_read_what_was_written() {
        let report = sample();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }

    #[test]
    fn fifty_transitions_are_remembered() {
        let mut transitions = Transitions::default();
        for i in 0..60 {
            transitions.push(Transition { at: i.to_string(), ..sample().transitions[0].clone() });
        }
        let all = transitions.all();
        assert_eq!((all.len(), all[0].at.as_str(), all[49].at.as_str()), (50, "10", "59"));
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_767_323_045, "2026-01-02T03:04:05.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(secs)), expected);
        }
    }
}
