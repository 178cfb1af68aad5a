//! The figures of the server in OpenMetrics text, for Prometheus. `docs/configuration.md` has the table.
//!
//! Nothing is kept here: each scrape adds up the workers' counters and writes what it finds.

use super::counters::{Closed, Distribution, DropCause, Family, Snapshot};
use super::view::{Following, View};
use crate::answer::Transport;
use crate::sync::follow::Doing;
use crate::wire::code::{rcode, rtype};
use crate::zone::set::State;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Error};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Media type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures now.
pub fn text(view: Arc<View>) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register_collector(Box::new(Scrape(view)));
    let mut out = String::new();
    prometheus_client::encoding::text::encode(&mut out, &registry).expect("a String takes all that is written to it");
    out
}

struct Scrape(Arc<View>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), Error> {
        let mut out = Out(encoder);
        process(&self.0, &mut out)?;
        zones(&self.0, &mut out)?;
        if let Some(following) = self.0.sync.get() {
            sync(following, &mut out)?;
        }
        let Some(plane) = self.0.plane.get() else { return Ok(()) };
        out.gauges("catchment_worker_beat_age_seconds", "Time since a UDP worker came round", || {
            (plane.beats)().into_iter().enumerate().map(|(i, age)| ([("worker", i.to_string())], age.as_secs_f64()))
        })?;
        let snapshot = plane.counters.snapshot();
        queries(&snapshot, &mut out)?;
        connections(&snapshot, &mut out)?;
        busiest_zones(&self.0, &snapshot, &mut out)
    }
}

fn process(view: &View, out: &mut Out<'_>) -> Result<(), Error> {
    let node = view.node.load_full();
    let build = [("version", env!("CARGO_PKG_VERSION")), ("node", node.as_str())];
    out.0
        .encode_descriptor("catchment_build", "The program and the node's name", None, MetricType::Info)?
        .encode_info(&build.as_slice())?;
    let started = view.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    out.gauge("catchment_start_time_seconds", "When the server started, in seconds since 1970", started)?;
    let ready = f64::from(u8::from(view.not_ready().is_empty()));
    out.gauge("catchment_ready", "1 when /readyz says so", ready)?;
    out.gauge(
        "catchment_draining",
        "1 while an operator's drain lasts",
        f64::from(u8::from(view.draining.load(Relaxed))),
    )?;
    let announcing = view.sidecars.announcing().len();
    out.gauges("catchment_sidecars", "Sidecars that are connected, by whether they have withdrawn everything", || {
        let withdrawn = view.sidecars.count().saturating_sub(announcing);
        [([("state", "announcing")], announcing as f64), ([("state", "withdrawn")], withdrawn as f64)]
    })?;
    out.counters("catchment_reloads", "Reloads, by whether they were taken", || {
        [
            ([("result", "taken")], view.reloads.load(Relaxed)),
            ([("result", "failed")], view.reloads_failed.load(Relaxed)),
        ]
    })
}

fn zones(view: &View, out: &mut Out<'_>) -> Result<(), Error> {
    let zones = view.served.zones();
    let mut versions = Vec::with_capacity(zones.len());
    let mut states = [0u64; 3];
    for zone in zones.iter() {
        states[zone.state() as usize] += 1;
        versions.extend(zone.version().map(|version| (zone.name().to_string(), version)));
    }
    versions.sort_by(|a, b| a.0.cmp(&b.0));
    let now = Instant::now();
    out.gauges("catchment_zones", "Zones by what they answer with", || {
        [State::Serving, State::LastGood, State::Failed]
            .map(|state| ([("state", state_text(state))], states[state as usize] as f64))
    })?;
    out.gauges("catchment_zone_serial", "Serial of the zone's SOA record", || {
        versions.iter().map(|(name, version)| ([("zone", name.as_str())], f64::from(version.serial)))
    })?;
    out.gauges("catchment_zone_age_seconds", "Time since the zone's content was loaded", || {
        let age = |since| now.saturating_duration_since(since).as_secs_f64();
        versions.iter().map(move |(name, version)| ([("zone", name.as_str())], age(version.since)))
    })?;
    out.gauges("catchment_zone_records", "Records of the zone", || {
        versions.iter().map(|(name, version)| ([("zone", name.as_str())], version.records as f64))
    })?;
    let help = "When the first of the zone's signatures ends, in seconds since 1970";
    out.gauges("catchment_zone_signatures_end_seconds", help, || {
        let signed = versions.iter().filter_map(|(name, version)| Some((name, version.signatures_end?)));
        signed.map(|(name, end)| ([("zone", name.as_str())], f64::from(end)))
    })?;
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let soon = versions.iter().filter(|(_, version)| version.ends_soon(now_secs)).count();
    let help = "Zones of which a signature has ended, or ends within 3 days";
    out.gauge("catchment_zones_signatures_alarm", help, soon as f64)
}

fn sync(following: &Following, out: &mut Out<'_>) -> Result<(), Error> {
    let figures = following.status.figures();
    let flag = |truth: bool| f64::from(u8::from(truth));
    out.gauges("catchment_sync_state", "1 for what the follower is doing", || {
        Doing::ALL.map(|doing| ([("state", doing.label())], flag(doing == figures.doing)))
    })?;
    // Generations are compared by key set, then by counter: two gauges each.
    let generations = [
        ("catchment_sync_key_set", "catchment_sync_generation", "is served", figures.serving.map(|s| s.generation)),
        ("catchment_sync_head_key_set", "catchment_sync_head_generation", "is the head", figures.head.map(|h| h.0)),
    ];
    for (key_set, counter, which, generation) in generations {
        let Some(generation) = generation else { continue };
        out.gauge(key_set, &format!("Key set of the release that {which}"), f64::from(generation.key_set))?;
        out.gauge(counter, &format!("Counter of the release that {which}"), generation.counter as f64)?;
    }
    if let Some(serving) = figures.serving {
        let help = "Since when the release is served, in seconds since 1970";
        out.gauge("catchment_sync_serving_since_seconds", help, serving.since_secs as f64)?;
    }
    let now_secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let age = figures.head_age_secs(now_secs);
    if let Some(age) = age {
        out.gauge(
            "catchment_sync_head_age_seconds",
            "Time since the publisher last said what the head is",
            age as f64,
        )?;
    }
    let old = age.is_some_and(|age| age >= following.head_age_alarm.as_secs() as i64);
    out.gauge("catchment_sync_head_age_alarm", "1 when the head's age is head-age-alarm or more", flag(old))?;
    let help = "1 when a newer signed release is known and was not served within stale-after";
    out.gauge("catchment_sync_stale", help, flag(figures.stale()))?;
    if let Some(permit) = &following.permit {
        let help = "1 while this node has a permit to withdraw because it is stale";
        out.gauge("catchment_sync_permit", help, flag(permit.in_force()))?;
    }
    let help = "1 when what is served is not in the cache";
    out.gauge("catchment_sync_unkept", help, flag(figures.unkept.is_some()))?;
    out.counter("catchment_sync_applied", "Releases applied", figures.applied)?;
    let help = "Time that the last release took from being checked to being served";
    out.gauge("catchment_sync_apply_seconds", help, figures.apply_time.as_secs_f64())?;
    let help = "Time that the last release took from the news to being served";
    out.gauge("catchment_sync_take_seconds", help, figures.take_time.as_secs_f64())?;
    out.counters("catchment_sync_refused", "Refusals of what stores have, by reason", || {
        figures.refused.iter().map(|(reason, count)| ([("reason", *reason)], *count))
    })?;
    out.counter("catchment_sync_requests", "Blobs asked for at stores", figures.requests)?;
    out.counter("catchment_sync_fetched_bytes", "Octets of blobs that came", figures.octets)?;
    out.counters("catchment_sync_store_errors", "Failures of stores", || {
        figures.store_errors.iter().map(|(store, count)| ([("store", store.as_str())], *count))
    })?;
    out.counter("catchment_sync_damaged_files", "Damaged files found in the cache", figures.damaged)
}

fn queries(snapshot: &Snapshot, out: &mut Out<'_>) -> Result<(), Error> {
    out.counters("catchment_queries", "Queries that were answered", || {
        snapshot.queries().map(|kind| {
            let qtype = match kind.qtype {
                Some(0) => "unreadable".into(),
                Some(qtype) => rtype::text(qtype),
                None => "other".into(),
            };
            let labels = [
                ("transport", transport_text(kind.transport)),
                ("family", family_text(kind.family)),
                ("qtype", qtype),
                ("rcode", kind.rcode.map_or("other".into(), |code| rcode::text(code).into())),
            ];
            (labels, kind.count)
        })
    })?;
    let transports = || Transport::ALL.into_iter().map(|transport| (transport, transport_text(transport)));
    out.counters("catchment_local_queries", "Queries that were answered and came from this host itself", || {
        transports().map(|(transport, text)| ([("transport", text)], snapshot.local(transport)))
    })?;
    out.counters("catchment_truncated", "Answers with TC set", || {
        transports().map(|(transport, text)| ([("transport", text)], snapshot.truncated(transport)))
    })?;
    out.counters("catchment_dropped", "Messages that got no answer, by cause", || {
        transports().flat_map(|(transport, text)| {
            DropCause::ALL.map(move |cause| {
                let labels = [("transport", text.clone()), ("cause", drop_text(cause).into())];
                (labels, snapshot.dropped(transport, cause))
            })
        })
    })?;
    out.histograms("catchment_answer_size_bytes", "Octets of an answer", 1.0, |t| snapshot.sizes(t))?;
    let help = "Time from receiving a query to having its answer out (TCP: written to the connection's buffer)";
    out.histograms("catchment_answer_latency_seconds", help, 1e-9, |t| snapshot.latencies(t))
}

fn connections(snapshot: &Snapshot, out: &mut Out<'_>) -> Result<(), Error> {
    let tcp = &snapshot.tcp;
    out.gauge("catchment_tcp_connections", "TCP connections that are open", tcp.open as f64)?;
    out.counter("catchment_tcp_accepted", "TCP connections accepted", tcp.accepted)?;
    out.counter("catchment_tcp_accept_failures", "TCP connections that could not be accepted", tcp.accept_failures)?;
    out.counters("catchment_tcp_closed", "TCP connections closed, by cause", || {
        Closed::ALL.map(|cause| ([("cause", closed_text(cause))], tcp.closed(cause)))
    })
}

fn busiest_zones(view: &View, snapshot: &Snapshot, out: &mut Out<'_>) -> Result<(), Error> {
    let mut counts: Vec<(u64, u32)> =
        snapshot.zones().iter().zip(0..).filter(|(count, _)| **count > 0).map(|(count, id)| (*count, id)).collect();
    let shown = view.metrics_zones.load(Relaxed);
    if counts.len() > shown {
        counts.select_nth_unstable_by_key(shown, |(count, _)| Reverse(*count));
        counts.truncate(shown);
    }
    counts.sort_by_key(|(count, id)| (Reverse(*count), *id));
    let busiest: HashSet<u32> = counts.iter().map(|(_, id)| *id).collect();
    let zones = view.served.zones();
    let named = zones.iter().filter(|zone| busiest.contains(&zone.id));
    let names: HashMap<u32, String> = named.map(|zone| (zone.id, zone.name().to_string())).collect();
    out.counters("catchment_zone_queries", "Queries by zone, the busiest ones", || {
        // A zone that is no longer served has no name, and no count any more.
        let named = counts.iter().filter_map(|(count, id)| Some((names.get(id)?, *count)));
        named.map(|(name, count)| ([("zone", name.as_str())], count))
    })
}

/// Writes families: a descriptor, and a line for each set of labels.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> Result<(), Error> {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    fn counters<L, I>(&mut self, name: &str, help: &str, lines: impl FnOnce() -> I) -> Result<(), Error>
    where
        L: EncodeLabelSet,
        I: IntoIterator<Item = (L, u64)>,
    {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in lines() {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    fn gauges<L, I>(&mut self, name: &str, help: &str, lines: impl FnOnce() -> I) -> Result<(), Error>
    where
        L: EncodeLabelSet,
        I: IntoIterator<Item = (L, f64)>,
    {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in lines() {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// One histogram a transport. `scale` turns the counted unit into the named one.
    fn histograms<'s>(
        &mut self,
        name: &str,
        help: &str,
        scale: f64,
        of: impl Fn(Transport) -> &'s Distribution,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for transport in Transport::ALL {
            let distribution = of(transport);
            let ends = distribution.ends.iter().map(|end| *end as f64 * scale).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = ends.zip(distribution.counts.iter().copied()).collect();
            let (sum, count) = (distribution.sum as f64 * scale, distribution.count());
            family
                .encode_family(&[("transport", transport_text(transport))])?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// The word for a state, in metrics and in `/zones`.
pub(super) fn state_text(state: State) -> &'static str {
    match state {
        State::Serving => "serving",
        State::LastGood => "last-good",
        State::Failed => "failed",
    }
}

fn transport_text(transport: Transport) -> std::borrow::Cow<'static, str> {
    match transport {
        Transport::Udp => "udp".into(),
        Transport::Tcp => "tcp".into(),
    }
}

fn family_text(family: Family) -> std::borrow::Cow<'static, str> {
    match family {
        Family::V4 => "ipv4".into(),
        Family::V6 => "ipv6".into(),
    }
}

fn drop_text(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Short => "short",
        DropCause::Response => "response",
        DropCause::PortZero => "port-zero",
        DropCause::KernelOverflow => "kernel-overflow",
        DropCause::SendFailed => "send-failed",
    }
}

fn closed_text(cause: Closed) -> &'static str {
    match cause {
        Closed::ByClient => "client",
        Closed::Idle => "idle",
        Closed::ReadTimeout => "read-timeout",
        Closed::WriteTimeout => "write-timeout",
        Closed::EvictedByClient => "evicted-client",
        Closed::EvictedByTotal => "evicted-total",
        Closed::BadMessage => "bad-message",
        Closed::Error => "error",
        Closed::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::sample;
    use super::*;
    use crate::answer::Outcome;
    use std::time::Duration;

    fn scrape(view: View) -> String {
        text(Arc::new(view))
    }

    #[test]
    fn every_family_is_there_with_its_labels() {
        let view = sample(Duration::from_millis(20));
        let counters = &view.plane.get().unwrap().counters;
        let hit = Outcome { result: Ok(100), rcode: 0, qtype: rtype::A, zone: Some(0), truncated: true };
        counters.udp(0).outcome(Family::V4, &hit);
        counters.udp(0).latency(3_000, 1);
        counters.tcp().outcome(Family::V6, &Outcome { qtype: 0, rcode: rcode::FORMERR, zone: None, ..hit });
        counters.tcp().local();
        counters.udp(0).dropped(DropCause::KernelOverflow, 3);
        counters.connections().accepted();
        let out = scrape(view);
        for line in [
            "catchment_build_info{version=\"0.1.0\",node=\"ams1\"} 1",
            "catchment_ready 1.0",
            "catchment_draining 0.0",
            "catchment_sidecars{state=\"announcing\"} 0.0",
            "catchment_sidecars{state=\"withdrawn\"} 0.0",
            "catchment_local_queries_total{transport=\"udp\"} 0",
            "catchment_local_queries_total{transport=\"tcp\"} 1",
            "catchment_reloads_total{result=\"taken\"} 0",
            "catchment_zones{state=\"serving\"} 1.0",
            "catchment_zones{state=\"failed\"} 1.0",
            "catchment_zone_serial{zone=\"example.com.\"} 20260101.0",
            "catchment_zone_records{zone=\"example.com.\"} 7.0",
            "catchment_zone_age_seconds{zone=\"example.com.\"} 0.",
            "catchment_worker_beat_age_seconds{worker=\"0\"} 0.02",
            "catchment_queries_total{transport=\"udp\",family=\"ipv4\",qtype=\"A\",rcode=\"NOERROR\"} 1",
            "catchment_queries_total{transport=\"tcp\",family=\"ipv6\",qtype=\"unreadable\",rcode=\"FORMERR\"} 1",
            "catchment_truncated_total{transport=\"udp\"} 1",
            "catchment_dropped_total{transport=\"udp\",cause=\"kernel-overflow\"} 3",
            "catchment_answer_size_bytes_sum{transport=\"udp\"} 100.0",
            "catchment_answer_size_bytes_bucket{le=\"96.0\",transport=\"udp\"} 0",
            "catchment_answer_size_bytes_bucket{le=\"128.0\",transport=\"udp\"} 1",
            "catchment_answer_size_bytes_bucket{le=\"+Inf\",transport=\"udp\"} 1",
            "catchment_answer_latency_seconds_count{transport=\"udp\"} 1",
            "catchment_tcp_connections 1.0",
            "catchment_tcp_accepted_total 1",
            "catchment_tcp_closed_total{cause=\"idle\"} 0",
            "catchment_zone_queries_total{zone=\"example.com.\"} 1",
        ] {
            assert!(out.contains(&format!("\n{line}")), "no `{line}` in:\n{out}");
        }
        assert!(out.ends_with("# EOF\n"));
    }

    #[test]
    fn a_server_that_starts_has_figures_too() {
        let out = scrape(View::new("n".into(), 100));
        assert!(out.contains("\ncatchment_ready 0.0"), "{out}");
        assert!(!out.contains("catchment_queries"), "{out}");
    }

    #[test]
    fn only_the_busiest_zones_are_shown() {
        let view = sample(Duration::ZERO);
        view.metrics_zones.store(1, Relaxed);
        let counters = &view.plane.get().unwrap().counters;
        let asked = |zone| Outcome { result: Ok(50), rcode: 0, qtype: rtype::A, zone: Some(zone), truncated: false };
        for zone in [0, 1, 1] {
            counters.udp(0).outcome(Family::V4, &asked(zone));
        }
        let out = scrape(view);
        assert!(out.contains("\ncatchment_zone_queries_total{zone=\"bad.example.\"} 2"), "{out}");
        assert!(!out.contains("catchment_zone_queries_total{zone=\"example.com.\"}"), "{out}");
    }
}
