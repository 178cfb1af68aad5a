//! Waiting for another state of a channel.
//!
//! ```text
//!        ┌────────────────────────────────────────────────────────────────┐
//!        v                                                                │ the stream ends, its start is compacted,
//!   read the state ── the same ──> watch it at that member, ── silent ──> ask that member ──┤ it can't say, or knows more than it told:
//!        │             from the next revision on            (2 to 3 s)       │ ^           │ pause, next member
//!     another                    │                                           └─┘ the same  │
//!        v                    a change                                                     │
//!     give it <──────────────────┘                                                         │
//! ```
//!
//! A watch that says nothing may mean that nothing happens, that the member hangs, that the network drops all, or that the member is
//! cut off from its quorum. Asking on the stream for its progress doesn't tell these apart: a member answers that from what it has.
//! Reading through the quorum does. So a silent member costs [`SILENCE_MAX`] and [`ATTEMPT_TIME`] at most.

use super::super::{Result, Version, Versioned};
use super::gateway::{ATTEMPT_TIME, Gateway, Lines, back_off, jitter};
use super::message::{Event, Item, KeyValue, Range, Revision, Watched};
use super::{STATE_ANSWER_MAX, revision, state_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Least time between questions to a member whose watch is silent.
const SILENCE_MIN: Duration = Duration::from_secs(2);
/// Most.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// How much later than a read a watch may tell of the same change.
const LAG: Duration = Duration::from_millis(500);
/// A watch that lasted so long ended for a reason of its own: no back-off for it.
const LASTING: Duration = Duration::from_secs(10);

/// How a watch ends without a change.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Read again, from the same member if it can.
    ReadAgain(String),
    /// Leave this member.
    Leave(String),
}

/// Waits until the key of a state has another revision than `known`.
pub(super) async fn changed(gateway: &Gateway, key: &str, known: Option<&Version>) -> Result<Option<Versioned>> {
    let known = known.and_then(revision);
    let what = format!("the state at {key}");
    let encoded = STANDARD.encode(key);
    let body = json!({ "key": encoded });
    let mut failures = 0;
    loop {
        let asked = gateway.ask::<Range>("kv/range", &body, &what, STATE_ANSWER_MAX).await;
        let asked = asked.map_err(|trouble| trouble.into_error())?;
        let range = asked.answer;
        let Some(kv) = range.kvs.into_iter().next() else { return Ok(None) };
        let now = kv.mod_revision;
        if Some(now) != known {
            return state_of(key, kv).map(Some);
        }
        let begun = Instant::now();
        let end = match watch(gateway, asked.member, &encoded, now, range.header.revision + 1).await {
            Ok(kv) => return state_of(key, kv).map(Some),
            Err(end) => end,
        };
        let (End::ReadAgain(why) | End::Leave(why)) = &end;
        tracing::debug!(member = gateway.name(asked.member), "the watch of {key} ended: {why}");
        if matches!(end, End::Leave(_)) {
            gateway.leave(asked.member);
        }
        failures = if begun.elapsed() < LASTING { failures + 1 } else { 0 };
        sleep(back_off(failures)).await;
    }
}

/// Watches a key, that `now` has this revision, at one member from revision `from` on.
async fn watch(
    gateway: &Gateway,
    member: usize,
    key: &str,
    now: Revision,
    from: Revision,
) -> std::result::Result<KeyValue, End> {
    // `fragment`: long histories come in several lines.
    let body = json!({ "create_request": { "key": key, "start_revision": from.to_string(), "fragment": true } });
    let mut lines = match gateway.stream(member, "watch", &body).await {
        Ok(lines) => lines,
        Err(trouble) => return Err(End::Leave(trouble.into_error().to_string())),
    };
    tokio::select! {
        biased;
        heard = listen(&mut lines) => heard,
        end = doubt(gateway, member, key, now) => Err(end),
    }
}

/// Reads what a watch says until it tells of a change.
async fn listen(lines: &mut Lines) -> std::result::Result<KeyValue, End> {
    // What is between us and the member may hold streams back: the first line says that the watch is there.
    let first = timeout(ATTEMPT_TIME, lines.next()).await;
    let mut line = first.map_err(|_| End::Leave("no watch was made".into()))?;
    loop {
        match line {
            Ok(Some(line)) => {
                if let Some(kv) = read(&line)? {
                    return Ok(kv);
                }
            }
            Ok(None) => return Err(End::Leave("the stream ended".into())),
            Err(why) => return Err(End::Leave(why)),
        }
        line = lines.next().await;
    }
}

/// What one line tells: the newest of the states that were written, if there is any.
fn read(line: &[u8]) -> std::result::Result<Option<KeyValue>, End> {
    match serde_json::from_slice::<Item<Watched>>(line) {
        Ok(Item::Result(watched)) if watched.compact_revision > 0 => {
            Err(End::ReadAgain(format!("all before revision {} is gone", watched.compact_revision)))
        }
        Ok(Item::Result(watched)) if watched.canceled => {
            Err(End::Leave(format!("canceled: {}", watched.cancel_reason)))
        }
        Ok(Item::Result(watched)) => Ok(watched.events.into_iter().rfind(Event::is_put).map(|event| event.kv)),
        Ok(Item::Error(refused)) => Err(End::Leave(format!("{:?}", refused.meaning()))),
        Err(e) => Err(End::Leave(format!("no line of a watch: {e}"))),
    }
}

/// Asks the watched member from time to time whether it has its quorum and the revision that we know. Ends when it has not.
async fn doubt(gateway: &Gateway, member: usize, key: &str, now: Revision) -> End {
    let body = json!({ "key": key, "keys_only": true });
    loop {
        sleep(jitter(SILENCE_MIN, SILENCE_MAX)).await;
        match gateway.ask_member::<Range>(member, "kv/range", &body, "a revision", super::gateway::SMALL).await {
            Ok(range) if range.kvs.first().map(|kv| kv.mod_revision) == Some(now) => {}
            Ok(_) => {
                sleep(LAG).await;
                return End::Leave("it did not tell of a change".into());
            }
            Err(trouble) => return End::Leave(trouble.into_error().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_watch() {
        let kv = |text: &str| read(text.as_bytes()).map(|kv| kv.map(|kv| (kv.mod_revision, kv.value.0)));
        assert_eq!(kv(r#"{"result":{"header":{"revision":"3"},"created":true}}"#), Ok(None));
        assert_eq!(kv(r#"{"result":{"header":{"revision":"3"}}}"#), Ok(None), "progress");
        let put = r#"{"kv":{"key":"Zm9v","mod_revision":"3","value":"eA=="}}"#;
        let later = r#"{"type":"PUT","kv":{"key":"Zm9v","mod_revision":"5","value":"eQ=="}}"#;
        let gone = r#"{"type":"DELETE","kv":{"key":"Zm9v","mod_revision":"4"}}"#;
        let events = |events: &[&str]| format!(r#"{{"result":{{"events":[{}]}}}}"#, events.join(","));
        assert_eq!(kv(&events(&[put, gone, later])), Ok(Some((5, b"y".to_vec()))), "the newest");
        assert_eq!(kv(&events(&[gone])), Ok(None), "a state that is deleted is none");
        assert!(matches!(kv(r#"{"result":{"canceled":true,"compact_revision":"7"}}"#), Err(End::ReadAgain(_))));
        assert!(matches!(kv(r#"{"result":{"canceled":true}}"#), Err(End::Leave(_))));
        assert!(matches!(kv(r#"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#), Err(End::Leave(_))));
        assert!(matches!(kv("<html>"), Err(End::Leave(_))));
    }
}
