//! What a node says of itself to the store that it follows; what `catchment status` shows. JSON, for people and scripts too.
//!
//! Nobody signs it, and whoever may write it may lie in it. So no node goes by the reports of others, and none can change what a release says;
//! but publishers go by them: guards object by the questions in them ([`crate::sync::publish::answers`]), and waves are chosen by them, wait for
//! them, and pass or are taken back by them ([`crate::sync::publish::wave`]). A lie can stop a good release, or let one pass that a wave would have
//! stopped. What all others answered is weighed with one voice for each name, but names cost nothing either. Where that matters, let each node write
//! its own report only, and name the canaries.

use super::channel::Generation;
use super::codec::Digest;
use super::question::Traffic;
use crate::shown::is_shown;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Octets of a report.
pub const REPORT_LEN_MAX: usize = 16 << 10;
/// A report is forgotten after so long: that of a node which is gone, most likely.
pub const KEPT_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Nodes of a channel whose reports are read: names cost whoever may write reports nothing, so of more none is.
pub const NODES_MAX: usize = 10_000;
/// Addresses that a report tells.
pub const ADDRESSES_MAX: usize = 16;
/// Octets of a node's name (RFC 1035 section 3.3: it is told in one TXT string).
pub const NODE_LEN_MAX: usize = 255;

/// Whether a node may be called this: a report under another name is nobody's.
pub fn is_node_name(name: &str) -> bool {
    (1..=NODE_LEN_MAX).contains(&name.len()) && name.chars().all(is_shown)
}

/// How often nodes report while a release is on trial somewhere with this deadline, if they don't report as often anyhow: so that a soak is
/// seen in steps, and a fleet of many nodes does not drown its store.
pub fn interval_on_trial(deadline: Duration) -> Duration {
    (deadline / 60).clamp(Duration::from_secs(1), Duration::from_secs(30))
}

/// One node, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The node's name.
    pub node: String,
    /// The version of the software.
    pub version: String,
    /// When this was written, in seconds since 1970 by the node's clock.
    pub time_secs: u64,
    /// The release that is served; `None`: none yet.
    pub serving: Option<Serving>,
    /// Why the head is not served, if it is known and is not.
    pub problem: Option<String>,
    /// Whether the node answers, as its /readyz says.
    pub ready: bool,
    /// What its sidecars do, such as `announced`, `drained`; `None`: it has none.
    pub announce: Option<String>,
    /// Zones that are answered from, local ones too.
    pub zones: u64,
    /// Zones that can't be.
    pub failed: u64,
    /// Queries per second, lately.
    pub qps: u64,
    /// When the first signature of any of its zones ends, in seconds since 1970; `None`: none is signed.
    #[serde(default)]
    pub signatures_end: Option<u32>,
    /// When it is to take a release, as its settings say.
    #[serde(default)]
    pub wave: Wave,
    /// How long it waits before it takes a release, in seconds.
    #[serde(default)]
    pub delay_secs: u64,
    /// If what is served is on trial: how that goes.
    #[serde(default)]
    pub trial: Option<Trying>,
    /// Releases, heads and key sets refused since the start, by reason.
    #[serde(default)]
    pub refused: std::collections::BTreeMap<String, u64>,
    /// What was answered since the start; `None`: the build does not tell, or nothing is answered yet.
    #[serde(default)]
    pub answers: Option<Answers>,
    /// What was answered lately, some minutes of it: what a new release is compared with.
    #[serde(default)]
    pub lately: Option<Answers>,
    /// Addresses at which it answers, those that were named, at most [`ADDRESSES_MAX`]. Others may have them too: they are anycast.
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
    /// What it was asked lately; `None`: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// Answers, counted. Shares of them show what a release does to those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Answers {
    /// Queries of other hosts that were answered.
    pub queries: u64,
    /// Answers with SERVFAIL, to whomever.
    pub servfail: u64,
    /// Those with NXDOMAIN.
    pub nxdomain: u64,
    /// Those with REFUSED.
    pub refused: u64,
}

impl Answers {
    /// What came since `before`. `None`: some are fewer than they were, so the node has been started again.
    pub fn since(&self, before: &Answers) -> Option<Answers> {
        Some(Answers {
            queries: self.queries.checked_sub(before.queries)?,
            servfail: self.servfail.checked_sub(before.servfail)?,
            nxdomain: self.nxdomain.checked_sub(before.nxdomain)?,
            refused: self.refused.checked_sub(before.refused)?,
        })
    }
}

/// The release that a node serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Serving {
    /// Its generation.
    #[serde(with = "text")]
    pub generation: Generation,
    /// Its manifest.
    #[serde(with = "text")]
    pub manifest: Digest,
    /// Since when, in seconds since 1970 by the node's clock.
    pub since_secs: u64,
}

/// A release on trial, as a node that serves it sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trying {
    /// The newest step that it has seen.
    pub step: u32,
    /// When it goes back if nothing comes, in seconds from when this was written.
    pub back_secs: u64,
}

/// Where a node stands in the order in which a release reaches the fleet. Publishers choose by it; whoever is named in a trial takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wave {
    /// Among the first.
    Canary,
    /// When canaries are well.
    #[default]
    Main,
    /// When all others are.
    Last,
}

impl Wave {
    /// All, in their order.
    pub const ALL: [Wave; 3] = [Wave::Canary, Wave::Main, Wave::Last];

    /// Its name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Wave::Canary => "canary",
            Wave::Main => "main",
            Wave::Last => "last",
        }
    }
}

/// Values that have one spelling as text.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(from: D) -> Result<T, D::Error>
    where
        T::Err: Display,
    {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::question::Asked;

    #[test]
    fn as_documented() {
        let generation = Generation { key_set: 1, counter: 42 };
        let report = Report {
            node: "ams1".into(),
            version: "0.1.0".into(),
            time_secs: 1_700_000_000,
            serving: Some(Serving { generation, manifest: Digest([0xab; 32]), since_secs: 1_699_999_000 }),
            problem: None,
            ready: true,
            announce: Some("announced".into()),
            zones: 3,
            failed: 0,
            qps: 1200,
            signatures_end: Some(1_700_500_000),
            wave: Wave::Canary,
            delay_secs: 600,
            trial: Some(Trying { step: 1, back_secs: 117 }),
            refused: [("wrong_key".into(), 1)].into(),
            answers: Some(Answers { queries: 900, servfail: 1, nxdomain: 20, refused: 3 }),
            lately: Some(Answers { queries: 90, ..Answers::default() }),
            addresses: vec!["192.0.2.1:53".parse().unwrap(), "[2001:db8::1]:53".parse().unwrap()],
            traffic: Some(Traffic { queries: 64, questions: Asked::parse("", "www.a A 64").unwrap() }),
        };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\"node\":\"ams1\",\"version\":\"0.1.0\",\"time-secs\":1700000000,\"serving\":{{\"generation\":\"{generation}\",\
                 \"manifest\":\"{}\",\"since-secs\":1699999000}},\"problem\":null,\"ready\":true,\"announce\":\"announced\",\
                 \"zones\":3,\"failed\":0,\"qps\":1200,\"signatures-end\":1700500000,\"wave\":\"canary\",\"delay-secs\":600,\
                 \"trial\":{{\"step\":1,\"back-secs\":117}},\"refused\":{{\"wrong_key\":1}},\
                 \"answers\":{{\"queries\":900,\"servfail\":1,\"nxdomain\":20,\"refused\":3}},\
                 \"lately\":{{\"queries\":90,\"servfail\":0,\"nxdomain\":0,\"refused\":0}},\
                 \"addresses\":[\"192.0.2.1:53\",\"[2001:db8::1]:53\"],\
                 \"traffic\":{{\"queries\":64,\"questions\":[\"www.a. A 64\"]}}}}",
                "ab".repeat(32)
            )
        );
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        // Nodes of other builds say more, or less.
        let (common, _) = text.split_once("\"signatures-end\"").unwrap();
        let fewer = Report {
            signatures_end: None,
            wave: Wave::Main,
            delay_secs: 0,
            trial: None,
            refused: Default::default(),
            answers: None,
            lately: None,
            addresses: Vec::new(),
            traffic: None,
            ..report
        };
        assert_eq!(serde_json::from_str::<Report>(&format!("{common}\"colour\":\"red\"}}")).unwrap(), fewer);
        for wave in Wave::ALL {
            assert_eq!(serde_json::to_string(&wave).unwrap(), format!("\"{}\"", wave.name()));
        }
    }

    #[test]
    fn what_a_node_may_be_called() {
        let longest = "n".repeat(NODE_LEN_MAX);
        for name in ["a", "ams1.example.net", "Z\u{fc}rich 1", &longest] {
            assert!(is_node_name(name), "{name}");
        }
        for name in ["", "a\n", "\u{1b}[2J", "a\0", "\u{9b}m", &format!("{longest}n")] {
            assert!(!is_node_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_counter_that_fell_is_a_start() {
        let before = Answers { queries: 10, servfail: 1, nxdomain: 2, refused: 3 };
        let after = Answers { queries: 15, servfail: 1, nxdomain: 4, refused: 3 };
        assert_eq!(after.since(&before), Some(Answers { queries: 5, nxdomain: 2, ..Answers::default() }));
        assert_eq!(Answers { servfail: 0, ..after }.since(&before), None);
        assert_eq!(before + after.since(&before).unwrap(), after);
    }
}
