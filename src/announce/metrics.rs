//! The figures of the sidecar in OpenMetrics text, for Prometheus. `docs/announcer.md` has the table.
//!
//! What changes slowly is taken from the [`Report`] at each scrape; only times are kept between scrapes.

use super::explain::Report;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

type Labels = Vec<(&'static str, String)>;

/// Upper bounds of the times from a cause to its withdrawal, seconds.
const WITHDRAW_BUCKETS: [f64; 12] = [50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1.0];
/// Upper bounds of the times that probes take, seconds.
const PROBE_BUCKETS: [f64; 11] = [200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5, 1.0];

/// Makes the histograms of [`Figures::probes`].
#[derive(Debug, Clone)]
struct ProbeTimes;

impl MetricConstructor<Histogram> for ProbeTimes {
    fn new_metric(&self) -> Histogram {
        Histogram::new(PROBE_BUCKETS)
    }
}

/// Times, since the start.
#[derive(Debug)]
pub struct Figures {
    withdraws: Histogram,
    last_withdraw: Gauge<f64, AtomicU64>,
    probes: Family<Labels, Histogram, ProbeTimes>,
    transitions: Family<Labels, Counter>,
    reloads: Family<Labels, Counter>,
    stalls: Counter,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            withdraws: Histogram::new(WITHDRAW_BUCKETS),
            last_withdraw: Gauge::default(),
            probes: Family::new_with_constructor(ProbeTimes),
            transitions: Family::default(),
            reloads: Family::default(),
            stalls: Counter::default(),
        }
    }
}

impl Figures {
    /// A withdrawal was written to all sessions so long after its cause was read.
    pub fn withdrew(&self, took: Duration) {
        self.withdraws.observe(took.as_secs_f64());
        self.last_withdraw.set(took.as_secs_f64());
    }

    /// A probe of a service took so long; passed or not.
    pub fn probed(&self, service: &str, kind: &'static str, took: Duration) {
        let labels = vec![("service", service.to_owned()), ("type", kind.to_owned())];
        self.probes.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A prefix went to a state, for such a cause.
    pub fn moved(&self, prefix: &str, to: &str, cause: &str) {
        self.transitions.get_or_create(&labels([("prefix", prefix), ("to", to), ("cause", cause)])).inc();
    }

    /// A reload was taken, or not.
    pub fn reloaded(&self, taken: bool) {
        let result = if taken { "taken" } else { "failed" };
        self.reloads.get_or_create(&vec![("result", result.to_owned())]).inc();
    }

    /// The loop did not come round in time: stopped, or without a processor.
    pub fn stalled(&self) {
        self.stalls.inc();
    }

    /// All figures as text.
    pub fn text(&self, report: &Report) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut scrape = Scrape(&mut registry);
        scrape.process(report);
        scrape.prefixes(report);
        scrape.services(report);
        scrape.routers(report);
        let mut out = String::new();
        encode(&mut out, &registry).expect("a String takes all that is written to it");
        out
    }

    fn register(&self, registry: &mut Registry) {
        let name = "catchment_announcer_withdraw_seconds";
        registry.register(
            name,
            "From reading a cause to having written its withdrawal to all routers",
            self.withdraws.clone(),
        );
        let name = "catchment_announcer_last_withdraw_seconds";
        registry.register(name, "The same, of the last withdrawal", self.last_withdraw.clone());
        registry.register("catchment_announcer_probe_seconds", "How long probes took", self.probes.clone());
        let name = "catchment_announcer_transitions";
        registry.register(
            name,
            "Changes of a prefix's state, by the new state and the cause",
            self.transitions.clone(),
        );
        registry.register("catchment_announcer_reloads", "Reloads, by whether they were taken", self.reloads.clone());
        registry.register(
            "catchment_announcer_stalls",
            "Times that the process did not come round for 200 ms or more",
            self.stalls.clone(),
        );
    }
}

/// Labels from pairs.
fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.map(|(name, value)| (name, value.to_owned())).to_vec()
}

/// Writes the report's figures into a registry of this scrape.
struct Scrape<'r>(&'r mut Registry);

impl Scrape<'_> {
    fn gauges(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        self.0.register(name, help, gauge);
    }

    fn counters(&mut self, name: &str, help: &str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in rows {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn process(&mut self, report: &Report) {
        let build = labels([("version", &report.version), ("node", &report.node)]);
        self.gauges("catchment_announcer_build_info", "The program and the node's name", [(build, 1.0)]);
        self.gauge("catchment_announcer_uptime_seconds", "Time since the start", report.uptime);
        self.gauge(
            "catchment_announcer_draining",
            "1 when traffic is to be moved away",
            f64::from(u8::from(report.draining)),
        );
        let alarms = report.alarms.iter().map(|alarm| {
            let mut labels = labels([("alarm", &alarm.alarm), ("service", &alarm.service), ("family", &alarm.family)]);
            labels.retain(|(_, value)| !value.is_empty());
            (labels, 1.0)
        });
        self.gauges("catchment_announcer_alarm", "1 while something needs a person", alarms);
        let Some(lease) = &report.lease else { return };
        self.gauge(
            "catchment_announcer_lease_valid",
            "1 when the server's lease is valid",
            f64::from(u8::from(lease.valid)),
        );
        if let Some(age) = lease.age {
            self.gauge("catchment_announcer_lease_age_seconds", "Age of the lease's oldest stamp", age);
        }
        self.gauge(
            "catchment_announcer_permit_seconds",
            "How long the permit to withdraw for staleness lasts if it is not renewed; 0 without one",
            lease.permit.unwrap_or(0.0),
        );
        let ignored = Counter::<u64>::default();
        ignored.inc_by(lease.ignored);
        let help = "Leases that were unreadable, from the future, or old";
        self.0.register("catchment_announcer_leases_ignored", help, ignored);
    }

    fn prefixes(&mut self, report: &Report) {
        let state = report.prefixes.iter().map(|prefix| {
            let pairs = [("prefix", prefix.prefix.as_str()), ("state", &prefix.state), ("cause", &prefix.cause_kind)];
            (labels(pairs), 1.0)
        });
        self.gauges("catchment_announcer_prefix_state", "1 for the state of each prefix, and its cause", state);
        let age = report.prefixes.iter().map(|prefix| (labels([("prefix", prefix.prefix.as_str())]), prefix.age));
        self.gauges("catchment_announcer_prefix_state_age_seconds", "How long each prefix has been in its state", age);
        let hold =
            report.prefixes.iter().map(|prefix| (labels([("prefix", prefix.prefix.as_str())]), prefix.hold_down));
        self.gauges(
            "catchment_announcer_prefix_hold_down_seconds",
            "How long damping keeps it from being announced",
            hold,
        );
        let flaps = report.prefixes.iter().map(|prefix| (labels([("prefix", prefix.prefix.as_str())]), prefix.flaps));
        self.counters("catchment_announcer_prefix_flaps", "Withdrawals by fault", flaps);
        let told = report.prefixes.iter().flat_map(|prefix| {
            prefix.routers.iter().map(|told| {
                let pairs = [("prefix", prefix.prefix.as_str()), ("router", told.router.as_str())];
                (labels(pairs), f64::from(u8::from(told.announced)))
            })
        });
        self.gauges("catchment_announcer_announced", "1 when a prefix is announced to a router", told);
    }

    fn services(&mut self, report: &Report) {
        let health = report.services.iter().map(|service| {
            let pairs =
                [("service", service.service.as_str()), ("family", &service.family), ("health", &service.health)];
            (labels(pairs), 1.0)
        });
        self.gauges("catchment_announcer_service_health", "1 for the health of each service and family", health);
        let probes =
            || report.services.iter().flat_map(|service| service.probes.iter().map(move |probe| (service, probe)));
        let counts = probes().flat_map(|(service, probe)| {
            [("passed", probe.passed), ("failed", probe.failed)].map(|(result, count)| {
                let name = service.service.as_str();
                let number = probe.number.to_string();
                let pairs = [
                    ("service", name),
                    ("address", &probe.address),
                    ("probe", &number),
                    ("type", &probe.kind),
                    ("result", result),
                ];
                (labels(pairs), count)
            })
        });
        self.counters("catchment_announcer_probes", "Probes, by result", counts);
    }

    fn routers(&mut self, report: &Report) {
        let each = || report.routers.iter().map(|router| (labels([("router", router.router.as_str())]), router));
        let state = report
            .routers
            .iter()
            .map(|router| (labels([("router", router.router.as_str()), ("state", &router.state)]), 1.0));
        self.gauges("catchment_announcer_session_state", "1 for the state of each BGP session", state);
        let up = each().map(|(labels, router)| (labels, f64::from(u8::from(router.state == "Established"))));
        self.gauges("catchment_announcer_session_up", "1 when the BGP session is established", up);
        let age = each().map(|(labels, router)| (labels, router.age));
        self.gauges(
            "catchment_announcer_session_state_age_seconds",
            "How long each session has been in its state",
            age,
        );
        let hold = each().filter_map(|(labels, router)| Some((labels, router.hold_time?)));
        self.gauges("catchment_announcer_session_hold_time_seconds", "Hold time agreed on", hold);
        let keepalive = each().filter_map(|(labels, router)| Some((labels, router.keepalive_time?)));
        self.gauges("catchment_announcer_session_keepalive_seconds", "Time between KEEPALIVEs", keepalive);
        let next = each().filter_map(|(labels, router)| Some((labels, router.next_attempt?)));
        self.gauges("catchment_announcer_session_next_attempt_seconds", "Time until the next attempt to connect", next);
        let flaps = each().map(|(labels, router)| (labels, router.flaps));
        self.counters("catchment_announcer_session_flaps", "Sessions that ended after they were established", flaps);
        let received = report.routers.iter().flat_map(|router| {
            let row = |(family, count): &(String, u64)| {
                (labels([("router", router.router.as_str()), ("family", family)]), *count as f64)
            };
            router.received.iter().map(row)
        });
        self.gauges(
            "catchment_announcer_received_prefixes",
            "Prefixes that a router announces to us: dropped",
            received,
        );
        let bfd = || each().filter_map(|(labels, router)| Some((labels, router.bfd.as_ref()?)));
        let up = bfd().map(|(labels, bfd)| (labels, f64::from(u8::from(bfd.state == "Up"))));
        self.gauges("catchment_announcer_bfd_up", "1 when BFD is up", up);
        let flaps = bfd().map(|(labels, bfd)| (labels, bfd.flaps));
        self.counters("catchment_announcer_bfd_flaps", "How often BFD went down", flaps);
        let packets = bfd().flat_map(|(labels, bfd)| {
            let named = ["received", "sent", "discarded"].into_iter().zip(bfd.packets);
            named.map(move |(what, count)| ([labels.clone(), vec![("packets", what.to_owned())]].concat(), count))
        });
        self.counters("catchment_announcer_bfd_packets", "BFD packets", packets);
        let time = bfd().filter_map(|(labels, bfd)| Some((labels, bfd.detection_time?)));
        self.gauges(
            "catchment_announcer_bfd_detection_seconds",
            "After so long without a packet the path counts as gone",
            time,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_openmetrics() {
        let figures = Figures::default();
        figures.withdrew(Duration::from_micros(150));
        figures.probed("dns", "dns", Duration::from_millis(3));
        figures.reloaded(false);
        figures.moved("192.0.2.0/24", "WITHDRAWN", "lease-lost");
        let text = figures.text(&super::super::explain::tests::sample());
        for line in [
            "catchment_announcer_withdraw_seconds_bucket{le=\"0.0001\"} 0",
            "catchment_announcer_withdraw_seconds_bucket{le=\"0.0002\"} 1",
            "catchment_announcer_last_withdraw_seconds 0.00015",
            "catchment_announcer_probe_seconds_count{service=\"dns\",type=\"dns\"} 1",
            "catchment_announcer_reloads_total{result=\"failed\"} 1",
            "catchment_announcer_transitions_total{prefix=\"192.0.2.0/24\",to=\"WITHDRAWN\",cause=\"lease-lost\"} 1",
            "catchment_announcer_build_info{version=\"0.1.0\",node=\"ams1\"} 1.0",
            "catchment_announcer_prefix_state{prefix=\"192.0.2.0/24\",state=\"DRAIN\",cause=\"drain\"} 1.0",
            "catchment_announcer_prefix_flaps_total{prefix=\"192.0.2.0/24\"} 2",
            "catchment_announcer_announced{prefix=\"192.0.2.0/24\",router=\"r2\"} 0.0",
            "catchment_announcer_lease_age_seconds 0.1",
            "catchment_announcer_permit_seconds 4.5",
            "catchment_announcer_alarm{alarm=\"stale\"} 1.0",
            "catchment_announcer_alarm{alarm=\"overload\",service=\"dns\",family=\"ipv4\"} 1.0",
            "catchment_announcer_probes_total{service=\"dns\",address=\"192.0.2.53\",probe=\"1\",type=\"dns-udp\",result=\"failed\"} 1",
            "catchment_announcer_session_up{router=\"r1\"} 1.0",
            "catchment_announcer_session_flaps_total{router=\"r1\"} 2",
            "catchment_announcer_received_prefixes{router=\"r1\",family=\"ipv4\"} 4.0",
            "catchment_announcer_bfd_up{router=\"r1\"} 1.0",
            "catchment_announcer_bfd_detection_seconds{router=\"r1\"} 0.3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn each_figure_is_documented() {
        let figures = Figures::default();
        let text = figures.text(&super::super::explain::tests::sample());
        let docs = include_str!("../../docs/announcer.md");
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE catchment_announcer_"));
        let mut count = 0;
        for (name, kind) in types.map(|rest| rest.split_once(' ').unwrap()) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            assert!(docs.contains(&format!("`{name}{suffix}`")), "{name}{suffix}");
            count += 1;
        }
        assert!(count >= 25, "{count}");
    }
}
