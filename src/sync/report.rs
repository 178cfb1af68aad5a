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
            refused: [("wrong_key".into(), 1)].into(),
            traffic: Some(Traffic { queries: 64, questions: Asked::parse("", "www.a A 64").unwrap() }),
        };
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(
            text,
            format!(
                "{{\"node\":\"ams1\",\"version\":\"0.1.0\",\"time-secs\":1700000000,\"serving\":{{\"generation\":\"{generation}\",\
                 \"manifest\":\"{}\",\"since-secs\":1699999000}},\"problem\":null,\"ready\":true,\"announce\":\"announced\",\
                 \"zones\":3,\"failed\":0,\"qps\":1200,\"signatures-end\":1700500000,\"refused\":{{\"wrong_key\":1}},\
                 \"traffic\":{{\"queries\":64,\"questions\":[\"www.a. A 64\"]}}}}",
                "ab".repeat(32)
            )
        );
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        // Nodes of other builds say more, or less.
        let fewer = text.split(",\"signatures-end\"").next().unwrap().to_owned() + ",\"wave\":\"canary\"}";
        assert_eq!(
            serde_json::from_str::<Report>(&fewer).unwrap(),
            Report { signatures_end: None, refused: Default::default(), traffic: None, ..report }
        );
    }
}
