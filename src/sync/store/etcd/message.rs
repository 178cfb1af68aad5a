//! What etcd's JSON gateway says, and what its refusals mean. Pure.
//!
//! It is the JSON of protocol buffers: 64-bit numbers are strings, octets are base64, and what has its default value is left out.

use super::Bytes;
use serde::{Deserialize, Deserializer};

/// A revision of etcd: one for all keys, raised by each change.
pub(super) type Revision = u64;

/// What heads every answer. An answer without it, where the rest may all be left out, is somebody else's and not "there is nothing".
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    /// The revision of the whole, when it was given; 1 or more.
    #[serde(deserialize_with = "number")]
    pub(super) revision: Revision,
}

/// A key and what it holds.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    pub(super) key: Bytes,
    /// The revision that made it.
    #[serde(deserialize_with = "number")]
    pub(super) create_revision: Revision,
    /// The revision that wrote it last.
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: Revision,
    /// 0: none.
    #[serde(deserialize_with = "number")]
    pub(super) lease: i64,
    pub(super) value: Bytes,
}

/// Keys that were read.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    /// Whether there are more in the range that was asked for.
    #[serde(default)]
    pub(super) more: bool,
}

/// A transaction.
#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) succeeded: bool,
    #[serde(default)]
    pub(super) responses: Vec<Response>,
}

/// One of a transaction's answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    pub(super) response_range: Option<Range>,
}

/// A lease that was granted, kept, or asked about.
#[derive(Debug, Deserialize)]
pub(super) struct Lease {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: i64,
    /// What is left of it, in seconds; 0 or less: there is none.
    #[serde(rename = "TTL", default, deserialize_with = "number")]
    pub(super) ttl: i64,
    #[serde(rename = "grantedTTL", default, deserialize_with = "number")]
    pub(super) granted_ttl: i64,
}

/// A login.
#[derive(Debug, Deserialize)]
pub(super) struct Authenticated {
    pub(super) token: String,
}

/// That something was written, and nothing else that anybody needs.
#[derive(Debug, Deserialize)]
pub(super) struct Done {
    #[serde(rename = "header")]
    _header: Header,
}

/// One line of a stream.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Item<T> {
    /// What was asked for.
    Result(T),
    /// The last line: why it ends.
    Error(Refused),
}

/// What a watch says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Watched {
    pub(super) canceled: bool,
    /// The watch was to begin before this revision, and all before is gone.
    #[serde(deserialize_with = "number")]
    pub(super) compact_revision: Revision,
    pub(super) cancel_reason: String,
    pub(super) events: Vec<Event>,
}

/// A change of a key.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    #[serde(rename = "type")]
    kind: String,
    pub(super) kv: KeyValue,
}

impl Event {
    /// Whether the key was written, not deleted.
    pub(super) fn is_put(&self) -> bool {
        self.kind.is_empty() || self.kind == "PUT"
    }
}

/// A refusal, as gRPC has it. Versions of the gateway differ in the names around it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refused {
    #[serde(alias = "grpc_code", deserialize_with = "number")]
    code: i64,
    message: String,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The token is not good, or there was none: log in and ask again.
    Token(String),
    /// The user may not, or is not who it says.
    Denied(String),
    /// There is no authentication at all.
    NoAuthentication,
    /// There is no such lease.
    NoLease,
    /// The database is full.
    Full(String),
    /// This member can't, now: no leader, no quorum, a time-out.
    Passing(String),
}

impl Refused {
    /// Reads the body of an answer that is no success; `None`: nothing that etcd says.
    pub(super) fn read(body: &[u8]) -> Option<Refused> {
        let refused: Refused = serde_json::from_slice(body).ok()?;
        (refused.code != 0).then_some(refused)
    }

    /// What it means.
    pub(super) fn meaning(self) -> Refusal {
        // Codes of gRPC. etcd uses some for much, so that its words count too: they are constants of its API (rpctypes/error.go).
        const INVALID_ARGUMENT: i64 = 3;
        const PERMISSION_DENIED: i64 = 7;
        const RESOURCE_EXHAUSTED: i64 = 8;
        const FAILED_PRECONDITION: i64 = 9;
        const UNIMPLEMENTED: i64 = 12;
        const UNAUTHENTICATED: i64 = 16;
        let says = |words: &str| self.message.contains(words);
        match self.code {
            UNAUTHENTICATED => Refusal::Token(self.message),
            // No token though one is needed; permissions that were changed since the token was given.
            _ if says("user name is empty") || says("revision of auth store is old") => Refusal::Token(self.message),
            FAILED_PRECONDITION if says("authentication is not enabled") => Refusal::NoAuthentication,
            _ if says("requested lease not found") => Refusal::NoLease,
            RESOURCE_EXHAUSTED if says("space exceeded") => Refusal::Full(self.message),
            INVALID_ARGUMENT | PERMISSION_DENIED | FAILED_PRECONDITION | UNIMPLEMENTED => Refusal::Denied(self.message),
            _ => Refusal::Passing(self.message),
        }
    }
}

/// Numbers of 64 bits are strings, smaller ones are not.
fn number<'de, T: std::str::FromStr + TryFrom<i64>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number<'a> {
        Text(std::borrow::Cow<'a, str>),
        Plain(i64),
    }
    let number = match Number::deserialize(from)? {
        Number::Text(text) => text.parse().ok(),
        Number::Plain(number) => T::try_from(number).ok(),
    };
    number.ok_or_else(|| serde::de::Error::custom("no such number can be here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_etcd_3_4_gives_them() {
        let range: Range = serde_json::from_str(
            r#"{"header":{"cluster_id":"324952591200643719","member_id":"3319814642761637952","revision":"7","raft_term":"2"},
            "kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2","value":"eA==","lease":"77"}],"count":"1"}"#,
        )
        .unwrap();
        assert_eq!(range.header.revision, 7);
        let kv = &range.kvs[0];
        assert_eq!((&kv.key.0[..], kv.mod_revision, &kv.value.0[..], kv.lease), (&b"foo"[..], 3, &b"x"[..], 77));
        assert!(!range.more);
        let item: Item<Watched> = serde_json::from_str(
            r#"{"result":{"header":{"revision":"3"},"events":[{"kv":{"key":"Zm9v","mod_revision":"3","value":"eA=="}},
            {"type":"DELETE","kv":{"key":"Zm9v","mod_revision":"4"}}]}}"#,
        )
        .unwrap();
        let Item::Result(watched) = item else { panic!("{item:?}") };
        assert_eq!(watched.events.iter().map(Event::is_put).collect::<Vec<_>>(), [true, false]);
        let lease: Lease = serde_json::from_str(r#"{"header":{},"ID":"99","TTL":"-1"}"#).unwrap();
        assert_eq!((lease.id, lease.ttl), (99, -1));
    }

    #[test]
    fn what_is_no_answer() {
        for strange in ["{}", "[]", "null", r#"{"header":{}}"#, r#"{"header":{"revision":"-1"}}"#, r#"{"status":"ok"}"#]
        {
            assert!(serde_json::from_str::<Range>(strange).is_err(), "{strange}");
            assert!(serde_json::from_str::<Transaction>(strange).is_err(), "{strange}");
            assert!(serde_json::from_str::<Done>(strange).is_err(), "{strange}");
            assert!(serde_json::from_str::<Lease>(strange).is_err(), "{strange}");
            assert!(serde_json::from_str::<Authenticated>(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn refusals_by_code_and_words() {
        for (body, meaning) in [
            (
                r#"{"error":"x","message":"etcdserver: invalid auth token","code":16}"#,
                Refusal::Token("etcdserver: invalid auth token".into()),
            ),
            (
                r#"{"message":"etcdserver: user name is empty","code":3}"#,
                Refusal::Token("etcdserver: user name is empty".into()),
            ),
            (
                r#"{"message":"etcdserver: permission denied","code":7}"#,
                Refusal::Denied("etcdserver: permission denied".into()),
            ),
            (r#"{"message":"etcdserver: authentication is not enabled","code":9}"#, Refusal::NoAuthentication),
            (r#"{"message":"etcdserver: requested lease not found","code":5}"#, Refusal::NoLease),
            (
                r#"{"message":"etcdserver: mvcc: database space exceeded","code":8}"#,
                Refusal::Full("etcdserver: mvcc: database space exceeded".into()),
            ),
            (
                r#"{"message":"etcdserver: leader changed","code":14,"details":[]}"#,
                Refusal::Passing("etcdserver: leader changed".into()),
            ),
            (
                r#"{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"x"}"#,
                Refusal::Passing("etcdserver: no leader".into()),
            ),
        ] {
            assert_eq!(Refused::read(body.as_bytes()).unwrap().meaning(), meaning, "{body}");
        }
        for strange in ["", "404 page not found", "{}", "[]", r#"{"code":"x"}"#] {
            assert!(Refused::read(strange.as_bytes()).is_none(), "{strange}");
        }
    }
}
