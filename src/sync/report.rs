//! What a node says of itself to the store that it follows; what `catchment status` shows. JSON, for people and scripts too.
//!
//! Nobody signs it, and nothing is decided by it that could harm: whoever may write to the store may lie in it.

use super::channel::Generation;
use super::codec::Digest;
use super::question::Traffic;
use serde::{Deserialize, Serialize};

/// Octets of a report.
pub const REPORT_LEN_MAX: usize = 16 << 10;
/// Octets of a node's name (RFC 1035 section 3.3: it is told in one TXT string).
pub const NODE_LEN_MAX: usize = 255;

/// One node, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What it was asked lately; `None`: it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
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
                 \"traffic\":{{\"queries\":64,\"questions\":[\"www.a. A 64\"]}}}}",
                "ab".repeat(32)
            )
        );
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        // Nodes of other builds say more, or less.
        let (begin, _) = text.split_once("\"signatures-end\"").unwrap();
        let (fewer, refused) = (format!("{begin}\"region\":\"eu\"}}"), Default::default());
        let plain = Report {
            signatures_end: None,
            wave: Wave::Main,
            delay_secs: 0,
            trial: None,
            refused,
            traffic: None,
            ..report
        };
        assert_eq!(serde_json::from_str::<Report>(&fewer).unwrap(), plain);
        for wave in Wave::ALL {
            assert_eq!(serde_json::to_string(&wave).unwrap(), format!("\"{}\"", wave.name()));
        }
    }
}
