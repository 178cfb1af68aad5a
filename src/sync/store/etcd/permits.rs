//! Permits: numbered keys, each under a lease that the holder replaces again and again. Whose lease ends loses its key.
//!
//! ```text
//! read all permits (through the quorum) ── ours is there ──> grant a lease, put ours under it if nobody has taken it since
//!                                       ── one is free  ──> grant a lease, create it if nobody has since
//!                                       ── none is free ──> none
//! ```
//!
//! A lease is never kept alive, as etcd has that answered by whoever thinks that it leads: a leader that was cut off, or slept, may say yes
//! after its successor has ended the lease; and it may ask for leases to be revoked that it has missed the renewal of. Granting and
//! putting are decided by the quorum. So what was granted lasts for all of its time from then on, by the clock of whoever leads: longer than its
//! holder counts, who begins before it asks, and counts half of it. Old leases have no key any more, and end by themselves.

use super::super::{Result, StoreError};
use super::gateway::{Gateway, SMALL, Trouble};
use super::keys::end_of;
use super::message::{KeyValue, Lease, Range, Revision, Transaction};
use super::{answer_max, malformed};
use crate::sync::permit::SLOTS_MAX;
use crate::sync::report::NODE_LEN_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Octets of a holder's name: a node's, and what makes it one process's.
const HOLDER_LEN_MAX: usize = NODE_LEN_MAX + 64;

/// Slots that are asked for, one after the other, where others were faster.
const TRIES: usize = 4;

/// Takes one of `slots` keys below `prefix` for `holder`, or goes on with the one that it has. `None`: all are taken.
pub(super) async fn take(
    gateway: &Gateway,
    prefix: &str,
    holder: &str,
    slots: u32,
    ttl: Duration,
) -> Result<Option<u32>> {
    if holder.len() > HOLDER_LEN_MAX {
        let (has, max) = (holder.len() as u64, HOLDER_LEN_MAX as u64);
        return Err(StoreError::TooLarge { what: "a holder's name".into(), has, max });
    }
    let mut lease = None;
    // Of many that ask at once one gets a slot: the others look for another.
    for _ in 0..TRIES {
        let taken = read(gateway, prefix).await?;
        let Some((slot, created)) = choose(&taken, holder.as_bytes(), slots) else { return Ok(None) };
        let lease = match lease {
            Some(lease) => lease,
            None => *lease.insert(grant(gateway, ttl).await?),
        };
        if put(gateway, prefix, holder, slot, created, lease).await? {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

async fn grant(gateway: &Gateway, ttl: Duration) -> Result<i64> {
    let body = json!({ "TTL": ttl.as_secs().max(1).to_string() });
    let granted = gateway.ask::<Lease>("lease/grant", &body, "a lease", SMALL).await;
    Ok(granted.map_err(Trouble::into_error)?.answer.id)
}

/// Puts a slot under a lease if it is still the one that was `created` then. Whether it is.
async fn put(gateway: &Gateway, prefix: &str, holder: &str, slot: u32, created: Revision, lease: i64) -> Result<bool> {
    let name = format!("{prefix}{slot}");
    let key = STANDARD.encode(&name);
    let body = json!({
        "compare": [{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": created.to_string() }],
        "success": [{ "request_put": { "key": key, "value": STANDARD.encode(holder), "lease": lease.to_string() } }],
        "failure": [{ "request_range": { "key": key } }],
    });
    let asked = gateway.ask::<Transaction>("kv/txn", &body, &name, answer_max(HOLDER_LEN_MAX)).await;
    let answer = asked.map_err(Trouble::into_error)?.answer;
    // It may have been carried out at a first try, of which the answer was lost.
    let there = answer.responses.into_iter().find_map(|response| response.response_range?.kvs.into_iter().next());
    Ok(answer.succeeded || there.is_some_and(|kv| kv.lease == lease))
}

/// Permits that are held: their numbers, and what is known of them.
async fn read(gateway: &Gateway, prefix: &str) -> Result<Vec<(u32, KeyValue)>> {
    let (from, to) = (STANDARD.encode(prefix), STANDARD.encode(end_of(prefix.as_bytes())));
    let body = json!({ "key": from, "range_end": to, "limit": (SLOTS_MAX + 1).to_string() });
    let max = answer_max(HOLDER_LEN_MAX) * u64::from(SLOTS_MAX);
    let range = gateway.ask::<Range>("kv/range", &body, "permits", max).await.map_err(Trouble::into_error)?.answer;
    if range.more || range.kvs.len() > SLOTS_MAX as usize {
        return Err(malformed(prefix, format!("there are more than {SLOTS_MAX} permits")));
    }
    let slot = |kv: &KeyValue| std::str::from_utf8(kv.key.0.strip_prefix(prefix.as_bytes())?).ok()?.parse().ok();
    // What has another name than a permit's counts too: it was meant to be one.
    Ok(range.kvs.into_iter().map(|kv| (slot(&kv).unwrap_or(u32::MAX), kv)).collect())
}

/// Which slot to ask for, and the revision that has made it (0: it is free). `None`: as many as there may be are taken, whatever their
/// numbers: another node's settings may have named more.
fn choose(taken: &[(u32, KeyValue)], holder: &[u8], slots: u32) -> Option<(u32, Revision)> {
    if let Some((slot, kv)) = taken.iter().find(|(slot, kv)| kv.value.0 == holder && *slot < slots) {
        return Some((*slot, kv.create_revision));
    }
    let numbers: BTreeSet<u32> = taken.iter().map(|(slot, _)| *slot).collect();
    let room = taken.len() < slots as usize;
    (0..slots).find(|slot| room && !numbers.contains(slot)).map(|slot| (slot, 0))
}

#[cfg(test)]
mod tests {
    use super::super::Bytes;
    use super::*;

    #[test]
    fn ours_first_then_a_free_one_and_never_one_too_many() {
        let key = |slot: u32, holder: &str, created: u64| {
            let value = Bytes(holder.into());
            (slot, KeyValue { value, create_revision: created, ..KeyValue::default() })
        };
        let taken = [key(0, "a", 7), key(2, "b", 9)];
        assert_eq!(choose(&[], b"a", 3), Some((0, 0)));
        assert_eq!(choose(&[], b"a", 0), None, "of no slots there is none");
        assert_eq!(choose(&taken, b"b", 3), Some((2, 9)));
        assert_eq!(choose(&taken, b"c", 3), Some((1, 0)));
        assert_eq!(choose(&taken, b"c", 2), None, "slot 1 is free, and two are out");
        assert_eq!(choose(&taken, b"b", 2), None, "its number is none of ours");
        assert_eq!(choose(&[key(u32::MAX, "by hand", 3)], b"c", 1), None);
    }
}
