//! What nodes report: each under a lease of its own, which the next report keeps alive. A node that no longer reports is forgotten.
//!
//! ```text
//! first report    grant a lease, put under it
//! the next ones   put under it, keep it alive; if it is gone: as the first
//! age             what was granted less what is left
//! ```

use super::super::{Reports, Result, StoreError, at_most_nodes};
use super::answer_max;
use super::gateway::{Gateway, SMALL, Trouble};
use super::keys::end_of;
use super::message::{Done, Item, KeyValue, Lease, Range};
use crate::sync::report::{KEPT_MAX, REPORT_LEN_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// Reports that are read at once.
const PAGE: u64 = 64;
/// Leases that are asked about at once.
const QUESTIONS_MAX: usize = 32;

/// The leases of reports by their keys: usually one, of this node.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<String, Held>>);

#[derive(Clone, Copy)]
struct Held {
    id: i64,
    /// As it was asked for: etcd may have granted more.
    ttl_secs: u64,
}

impl Leases {
    fn of(&self, key: &str, ttl_secs: u64) -> Option<Held> {
        let held = *self.0.lock().unwrap_or_else(|e| e.into_inner()).get(key)?;
        (held.ttl_secs == ttl_secs).then_some(held)
    }

    fn keep(&self, key: &str, held: Option<Held>) {
        let mut leases = self.0.lock().unwrap_or_else(|e| e.into_inner());
        match held {
            Some(held) => drop(leases.insert(key.into(), held)),
            None => drop(leases.remove(key)),
        }
    }
}

/// Writes a report at a key.
pub(super) async fn report(gateway: &Gateway, leases: &Leases, key: &str, bytes: &[u8], ttl: Duration) -> Result<()> {
    if bytes.len() > REPORT_LEN_MAX {
        let (has, max) = (bytes.len() as u64, REPORT_LEN_MAX as u64);
        return Err(StoreError::TooLarge { what: "a report".into(), has, max });
    }
    let ttl_secs = (ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0)).clamp(1, KEPT_MAX.as_secs());
    if let Some(held) = leases.of(key, ttl_secs) {
        // First the report: a lease that was kept alive by one that was not written would make the old one look young.
        match put(gateway, key, bytes, held.id).await {
            Ok(()) => {
                if keep_alive(gateway, held.id).await? {
                    return Ok(());
                }
            }
            Err(Trouble::NoLease) => {}
            Err(trouble) => return Err(trouble.into_error()),
        }
        leases.keep(key, None);
    }
    let body = json!({ "TTL": ttl_secs.to_string() });
    let granted = gateway.ask::<Lease>("lease/grant", &body, "a lease", SMALL).await;
    let id = granted.map_err(Trouble::into_error)?.answer.id;
    put(gateway, key, bytes, id).await.map_err(Trouble::into_error)?;
    leases.keep(key, Some(Held { id, ttl_secs }));
    Ok(())
}

async fn put(gateway: &Gateway, key: &str, bytes: &[u8], lease: i64) -> std::result::Result<(), Trouble> {
    let body = json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(bytes), "lease": lease.to_string() });
    gateway.ask::<Done>("kv/put", &body, "a report", SMALL).await.map(drop)
}

/// Whether it is still there.
async fn keep_alive(gateway: &Gateway, lease: i64) -> Result<bool> {
    let body = json!({ "ID": lease.to_string() });
    let kept = gateway.ask::<Item<Lease>>("lease/keepalive", &body, "a lease", SMALL).await;
    match kept.map_err(Trouble::into_error)?.answer {
        Item::Result(lease) => Ok(lease.ttl > 0),
        Item::Error(refused) => Err(StoreError::Unavailable(format!("etcd: a lease: {:?}", refused.meaning()))),
    }
}

/// All reports below `prefix`, sorted by their keys. One that has no lease is none of ours, and left out; of one that is too long only
/// that it is there is told.
pub(super) async fn reports(
    gateway: &Arc<Gateway>,
    prefix: &str,
    node_of: impl Fn(&[u8]) -> Option<String>,
) -> Result<Reports> {
    let mut all = Vec::new();
    let mut from = prefix.as_bytes().to_vec();
    loop {
        let page = page(gateway, &from, &end_of(prefix.as_bytes())).await?;
        let Some(last) = page.kvs.last() else { break };
        from = [&last.key.0[..], &[0]].concat();
        all.extend(
            page.kvs.into_iter().filter_map(|kv| Some((node_of(&kv.key.0)?, kv))).filter(|(_, kv)| kv.lease != 0),
        );
        at_most_nodes(prefix, all.len())?;
        if !page.more {
            break;
        }
    }
    let mut reports = Reports::new();
    for some in all.chunks_mut(QUESTIONS_MAX) {
        let ages = ages(gateway, some).await?;
        for (node, kv) in some {
            // One whose lease has just ended is forgotten.
            let Some(&age) = ages.get(&kv.lease) else { continue };
            let mut value = std::mem::take(&mut kv.value.0);
            if value.len() > REPORT_LEN_MAX {
                value.clear();
            }
            reports.push((std::mem::take(node), value, age));
        }
    }
    reports.sort();
    Ok(reports)
}

/// Some of the keys between two: fewer where somebody wrote more into one than a report can be.
async fn page(gateway: &Gateway, from: &[u8], to: &[u8]) -> Result<Range> {
    let mut limit = PAGE;
    loop {
        let body =
            json!({ "key": STANDARD.encode(from), "range_end": STANDARD.encode(to), "limit": limit.to_string() });
        let max = answer_max(REPORT_LEN_MAX) * PAGE;
        match gateway.ask::<Range>("kv/range", &body, "reports", max).await {
            Ok(asked) => return Ok(asked.answer),
            Err(Trouble::Final(StoreError::TooLarge { .. })) if limit > 1 => limit /= 8,
            Err(trouble) => return Err(trouble.into_error()),
        }
    }
}

/// How old what is under these leases is.
async fn ages(gateway: &Arc<Gateway>, reports: &[(String, KeyValue)]) -> Result<HashMap<i64, Duration>> {
    let mut questions = JoinSet::new();
    // Ours are one each, but nobody keeps others from putting more under one.
    for id in reports.iter().map(|(_, kv)| kv.lease).collect::<BTreeSet<i64>>() {
        let gateway = gateway.clone();
        questions.spawn(async move {
            let body = json!({ "ID": id.to_string() });
            (id, gateway.ask::<Lease>("lease/timetolive", &body, "a lease", SMALL).await)
        });
    }
    let mut ages = HashMap::new();
    while let Some(answer) = questions.join_next().await {
        let (id, asked) = answer.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        let lease = asked.map_err(Trouble::into_error)?.answer;
        if lease.ttl >= 0 {
            let secs = u64::try_from(lease.granted_ttl.saturating_sub(lease.ttl)).unwrap_or(0);
            ages.insert(id, Duration::from_secs(secs));
        }
    }
    Ok(ages)
}
