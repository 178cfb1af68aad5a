//! The admin HTTP server of a running server.

mod support;

use hickory_proto::rr::RecordType;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::catchment::{Server, zone};

/// How long a client may take to say what it wants.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn pages_tell_what_the_server_does() {
    let server = Server::start("pages", &[("example.com.zone", &zone(42)), ("other.zone", &zone(1))], "");
    assert_eq!(server.get("/healthz"), (200, "alive\n".into()));
    assert_eq!(server.get("/readyz"), (200, "ready\n".into()));
    for _ in 0..3 {
        server.ask("www.example.com.", RecordType::A).unwrap();
    }
    server.ask("nothing.example.com.", RecordType::AAAA).unwrap();
    server.ask_tcp("example.com.", RecordType::SOA);

    // A batch's latency is counted when its last answer has left: a client can be faster than that.
    let all_counted = "\ncatchment_answer_latency_seconds_count{transport=\"udp\"} 4\n";
    let scrapes = std::iter::repeat_with(|| server.get("/metrics")).take(1000);
    let counted = scrapes.inspect(|(status, _)| assert_eq!(*status, 200)).find(|(_, page)| page.contains(all_counted));
    let (_, metrics) = counted.expect("the latency of four answers is counted");
    for line in [
        "catchment_queries_total{transport=\"udp\",family=\"ipv4\",qtype=\"A\",rcode=\"NOERROR\"} 3",
        "catchment_queries_total{transport=\"udp\",family=\"ipv4\",qtype=\"AAAA\",rcode=\"NXDOMAIN\"} 1",
        "catchment_queries_total{transport=\"tcp\",family=\"ipv4\",qtype=\"SOA\",rcode=\"NOERROR\"} 1",
        "catchment_answer_size_bytes_count{transport=\"udp\"} 4",
        "catchment_dropped_total{transport=\"udp\",cause=\"kernel-overflow\"} 0",
        "catchment_tcp_accepted_total 1",
        "catchment_zone_serial{zone=\"example.com.\"} 42.0",
        "catchment_zone_queries_total{zone=\"example.com.\"} 5",
        "catchment_ready 1.0",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "no `{line}` in:\n{metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));

    let zones: serde_json::Value = serde_json::from_str(&server.get("/zones").1).unwrap();
    assert_eq!(zones.as_array().unwrap().len(), 2);
    assert_eq!(
        (&zones[0]["name"], &zones[0]["serial"], &zones[0]["records"]),
        (&"example.com.".into(), &42.into(), &34.into())
    );
    assert_eq!(zones[0]["digest"].as_str().unwrap().len(), 64);
    assert!(zones[0]["age_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn it_only_reads() {
    let server = Server::start("reads", &[("example.com.zone", &zone(1))], "");
    assert_eq!(server.get("/").0, 404);
    assert_eq!(server.get("/zones/").0, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let request = format!("{method} /zones HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let (head, body) = server.http(&request);
        assert!(head.starts_with("HTTP/1.1 405 ") && head.to_lowercase().contains("allow: get, head"), "{head}");
        assert!(body.contains("read-only"), "{body}");
    }
    let (head, body) = server.http("HEAD /zones HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"), "{head}");
    assert_eq!(body, "");
    let (head, _) = server.http(&format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(10_000)));
    assert!(head.starts_with("HTTP/1.1 4") || head.is_empty(), "{head}");
}

#[test]
fn all_zones_bad_is_not_ready_and_the_body_says_why() {
    let server = Server::start("notready", &[("bad.zone", "@ SOA oops\n")], "");
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.get("/readyz"), (503, "the only zone could not be loaded; see /zones\n".into()));
    let zones: serde_json::Value = serde_json::from_str(&server.get("/zones").1).unwrap();
    assert_eq!(zones[0]["state"], "failed");
    assert!(zones[0]["error"].as_str().unwrap().contains("bad.zone:1: "), "{zones}");
}

#[test]
fn silent_clients_end_and_cost_nobody_an_answer() {
    let server = Server::start("silent", &[("example.com.zone", &zone(1))], "");
    // As many as are served at once, silent or half silent.
    let mut silent: Vec<TcpStream> = (0..16).map(|_| TcpStream::connect(server.admin).unwrap()).collect();
    for stream in silent.iter_mut().skip(1).step_by(2) {
        stream.write_all(b"GET /hea").unwrap();
    }
    assert_eq!(server.serial("example.com."), Some(1), "queries don't notice");
    let began = Instant::now();
    assert_eq!(server.get("/healthz").0, 200);
    assert!(began.elapsed() < HEADER_TIMEOUT, "it waited for the silent ones");
    // It got the place of the first, which was hung up on without a word.
    let mut end = Vec::new();
    assert_eq!(silent[0].read_to_end(&mut end).ok(), Some(0));
    assert!(began.elapsed() < HEADER_TIMEOUT);
}
