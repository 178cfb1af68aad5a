//! `announcer.toml`: what it means, everything that can be wrong with it, and what it warns of.

use catchment::announce::bgp::message::Role;
use catchment::announce::prefix::Family;
use catchment::announce::probe::dns::Expect;
use catchment::announce::route::Attributes;
use catchment::announce::settings::{
    AoAlgorithm, Authentication, Bfd, Damping, Overload, Peer, Probe, ProbeKind, Require, Settings, Stale, Transport,
    Warnings, load, parse,
};
use catchment::config::{Endpoint, LogFormat};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOP: &str = "router-id = \"192.0.2.1\"\nlocal-as = 64501\nnode = \"ams1\"\n";
const SERVICE: &str = "[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\", \"2001:db8:53::53\"]\n";
const PREFIX: &str = "[[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\"]\n\
                      [[prefix]]\nprefix = \"2001:db8:53::/48\"\nservices = [\"dns\"]\n";
const PEER: &str = "[[peer]]\nname = \"r1\"\naddress = \"2001:db8::1\"\nas = 64500\n";

fn read(text: &str) -> Result<(Settings, Warnings), String> {
    parse(Path::new("/etc/c/announcer.toml"), text).map_err(|e| e.to_string())
}

/// Settings without a fault and a warning.
fn good(text: &str) -> Settings {
    let (settings, warnings) = read(text).unwrap_or_else(|e| panic!("{e}"));
    assert!(warnings.is_empty(), "{}", warnings.render(false));
    settings
}

/// A minimal file with more in its service, its prefix, and its peer.
fn with(service: &str, prefix: &str, peer: &str) -> String {
    // What follows the last prefix belongs to it.
    format!("{TOP}{SERVICE}{service}\n{PREFIX}{prefix}\n{PEER}{peer}\n")
}

/// The same with addresses that every host has.
fn at_home(text: &str) -> String {
    let text = text.replace(", \"2001:db8:53::53\"", "").replace("2001:db8:53::/48", "127.0.1.0/24");
    text.replace("192.0.2.53", "127.0.0.53").replace("192.0.2.0/24", "127.0.0.0/24")
}

/// What is wrong with a text: all of these parts are in the message.
#[track_caller]
fn wrong(text: &str, parts: &[&str]) {
    let message = read(text).expect_err(text);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in:\n{message}");
    }
}

/// What a text is warned of: one line each.
#[track_caller]
fn warned(text: &str, lines: &[&str]) {
    let (_, warnings) = read(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(warnings.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn the_least_that_is_needed_and_the_defaults() {
    let settings = good(&with("", "", ""));
    assert_eq!(settings.router_id, "192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap());
    assert_eq!((settings.local_as, settings.node.as_str()), (64501, "ams1"));
    assert_eq!(
        (settings.lease, settings.control, settings.admin),
        (Endpoint::Default, Endpoint::Default, Endpoint::Default)
    );
    assert_eq!(settings.server_user, "catchment");
    assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    assert_eq!((settings.log_format, settings.log_level), (LogFormat::Text, tracing::Level::INFO));
    let secs = Duration::from_secs;
    assert_eq!(settings.damping, Damping { hold_down: secs(5), hold_down_max: secs(300), forget: secs(600) });
    let service = &settings.services[0];
    assert_eq!((service.lease, service.overload, service.rise, service.fall), (true, Overload::Absorb, 3, 3));
    assert_eq!(service.stale, Stale::Depreference);
    assert!(service.probes.is_empty(), "the lease alone may do");
    assert_eq!(settings.prefixes[0].require, Require::All);
    assert_eq!(
        settings.peers,
        [Peer {
            name: "r1".into(),
            address: "2001:db8::1".parse().unwrap(),
            port: 179,
            asn: 64500,
            local_address: None,
            passive: false,
            families: vec![Family::Ipv4, Family::Ipv6],
            hold_time: secs(9),
            connect_retry: secs(5),
            multihop: false,
            ttl_security: None,
            authentication: None,
            role: None,
            strict_role: false,
            receive_alarm: 100,
            receive_limit: 1000,
            bfd: None,
        }]
    );
}

#[test]
fn every_other_key() {
    let settings = good(
        "local-as = 4200000000\nnode = \"ams1\"\nlease = \"l.sock\"\nserver-user = \"dns\"\ncontrol = \"none\"\n\
         admin = \"[::1]:9000\"\ndrain-timeout = \"1500ms\"\nlog-format = \"json\"\nlog-level = \"debug\"\n\
         [damping]\nhold-down = \"1s\"\nhold-down-max = \"1m\"\nforget = \"2m\"\n\
         [[service]]\nname = \"dns\"\naddresses = [\"192.0.2.53\"]\noverload = \"withdraw\"\nstale = \"withdraw\"\nrise = 2\nfall = 5\n\
         [[service.probe]]\ntype = \"dns\"\ninterval = \"100ms\"\nport = 5300\ntransports = [\"tcp\"]\n\
         question = \"a.example TYPE65280\"\nexpect = \"NXDOMAIN\"\n\
         [[service.probe]]\ntype = \"dns\"\ntimeout = \"1s\"\nquestion = \". SOA\"\n\
         [[service]]\nname = \"web\"\naddresses = [\"192.0.2.80\"]\nlease = false\n\
         [[service.probe]]\ntype = \"tcp\"\nport = 443\n\
         [[service.probe]]\ntype = \"http\"\nport = 8080\npath = \"/up?x\"\nhost = \"www.example.com\"\nstatus = 204\ncontains = \"fine\"\n\
         [[service.probe]]\ntype = \"http\"\n\
         [[service.probe]]\ntype = \"exec\"\ncommand = [\"./check\", \"{address}\"]\n\
         [[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"web\", \"dns\"]\nrequire = \"any\"\n\
         [[peer]]\nname = \"r1\"\naddress = \"10.0.0.1\"\nport = 1179\nas = 64500\nlocal-address = \"10.0.0.2\"\npassive = true\n\
         families = [\"ipv4\"]\nhold-time = \"30s\"\nconnect-retry = \"1s\"\nmultihop = true\nttl-security = 3\n\
         password-file = \"r1.key\"\nrole = \"customer\"\nstrict-role = true\nreceive-alarm = 1\nreceive-limit = 2\n\
         [peer.bfd]\ninterval = \"50ms\"\nmultiplier = 5\nmin-ttl = 250\n\
         [[peer]]\nname = \"r2\"\naddress = \"10.0.0.3\"\nas = 4200000000\nttl-security = true\nfamilies = [\"ipv4\"]\n\
         [peer.tcp-ao]\nkey-file = \"/k\"\nsend-id = 7\nreceive-id = 8\nalgorithm = \"aes-128-cmac\"\n[peer.bfd]\n",
    );
    assert_eq!(settings.router_id.to_string(), "10.0.0.2", "the first IPv4 local-address");
    assert_eq!(settings.local_as, 4_200_000_000);
    assert_eq!(settings.lease, Endpoint::At(PathBuf::from("/etc/c/l.sock")));
    assert_eq!((settings.control, settings.admin), (Endpoint::None, Endpoint::At("[::1]:9000".parse().unwrap())));
    assert_eq!(settings.server_user, "dns");
    assert_eq!(settings.drain_timeout, Duration::from_millis(1500));
    assert_eq!((settings.log_format, settings.log_level), (LogFormat::Json, tracing::Level::DEBUG));
    assert_eq!(settings.damping.forget, Duration::from_secs(120));

    let [dns, web] = &settings.services[..] else { panic!() };
    assert_eq!((dns.overload, dns.stale, dns.rise, dns.fall), (Overload::Withdraw, Stale::Withdraw, 2, 5));
    let (ms, name) = (Duration::from_millis, |text| catchment::wire::name::Name::from_text(text).unwrap());
    let kinds = |service: &catchment::announce::settings::Service| -> Vec<ProbeKind> {
        service.probes.iter().map(|probe| probe.kind.clone()).collect()
    };
    assert_eq!(
        dns.probes,
        [
            Probe {
                interval: ms(100),
                timeout: ms(100),
                kind: ProbeKind::Dns {
                    port: 5300,
                    transports: vec![Transport::Tcp],
                    name: name("a.example"),
                    rtype: 65280,
                    expect: Expect::Rcode(3),
                },
            },
            Probe {
                interval: ms(1000),
                timeout: ms(1000),
                kind: ProbeKind::Dns {
                    port: 53,
                    transports: vec![Transport::Udp, Transport::Tcp],
                    name: name("."),
                    rtype: 6,
                    expect: Expect::Rcode(0),
                },
            },
        ]
    );
    assert_eq!(dns.probe_ids().count(), 3);
    assert!(!web.lease);
    let http = |port, host: Option<&str>, path: &str, status, contains: Option<&str>| ProbeKind::Http {
        port,
        host: host.map(Into::into),
        path: path.into(),
        status,
        contains: contains.map(Into::into),
    };
    assert_eq!(
        kinds(web),
        [
            ProbeKind::Tcp { port: 443 },
            http(8080, Some("www.example.com"), "/up?x", 204, Some("fine")),
            http(80, None, "/", 200, None),
            ProbeKind::Exec { command: vec!["/etc/c/./check".into(), "{address}".into()] },
        ]
    );
    assert_eq!(
        (settings.prefixes[0].require, &settings.prefixes[0].services[..]),
        (Require::Any, &["web".into(), "dns".into()][..])
    );

    let [r1, r2] = &settings.peers[..] else { panic!() };
    assert_eq!((r1.port, r1.passive, r1.multihop, r1.ttl_security), (1179, true, true, Some(3)));
    assert_eq!(r1.local_address, Some("10.0.0.2".parse().unwrap()));
    assert_eq!((r1.hold_time, r1.connect_retry), (Duration::from_secs(30), Duration::from_secs(1)));
    assert_eq!(r1.authentication, Some(Authentication::Md5 { key_file: "/etc/c/r1.key".into() }));
    assert_eq!((r1.role, r1.strict_role, r1.receive_alarm, r1.receive_limit), (Some(Role::Customer), true, 1, 2));
    assert_eq!(r1.bfd, Some(Bfd { interval: ms(50), multiplier: 5, multihop: true, min_ttl: 250 }));
    assert_eq!((r2.ttl_security, &r2.families[..]), (Some(1), &[Family::Ipv4][..]));
    let ao =
        Authentication::Ao { key_file: "/k".into(), send_id: 7, receive_id: 8, algorithm: AoAlgorithm::Aes128Cmac };
    assert_eq!(r2.authentication, Some(ao));
    assert_eq!(r2.bfd, Some(Bfd { interval: ms(100), multiplier: 3, multihop: false, min_ttl: 255 }));
}

#[test]
fn attributes_of_each_state() {
    let settings = good(&with("", "", ""));
    let prefix = &settings.prefixes[0];
    assert_eq!(prefix.up, Attributes::default());
    let depreference = Attributes { prepend: 3, med: Some(100), local_preference: Some(50), ..Attributes::default() };
    assert_eq!(prefix.depreference, depreference);
    // RFC 8326 6: GRACEFUL_SHUTDOWN is 65535:0.
    let drain = Attributes {
        communities: vec![0xffff_0000],
        prepend: 6,
        med: Some(200),
        local_preference: Some(0),
        ..Attributes::default()
    };
    assert_eq!(prefix.drain, drain);

    let settings = good(&with(
        "[service.up]\ncommunities = [\"64501:100\"]\nlarge-communities = [\"4200000000:1:2\"]\nmed = 5\nprepend = 1\n\
         local-preference = 60\nnext-hop-ipv4 = \"192.0.2.9\"\nnext-hop-ipv6 = \"2001:db8::9\"\n\
         [service.drain]\nlocal-preference = 1\n",
        "[prefix.up]\nmed = 7\n[prefix.depreference]\nprepend = 9\ncommunities = []\n",
        "",
    ));
    let [v4, v6] = &settings.prefixes[..] else { panic!() };
    let base = Attributes {
        communities: vec![64501 << 16 | 100],
        large_communities: vec![[4_200_000_000, 1, 2]],
        med: Some(5),
        prepend: 1,
        local_preference: Some(60),
        next_hop: Some("192.0.2.9".parse().unwrap()),
    };
    assert_eq!(v4.up, base);
    let worse = Attributes { med: Some(105), prepend: 4, local_preference: Some(30), ..base.clone() };
    assert_eq!(v4.depreference, worse, "never better than UP");
    let drain = Attributes {
        communities: vec![64501 << 16 | 100, 0xffff_0000],
        med: Some(205),
        prepend: 7,
        local_preference: Some(1),
        ..base.clone()
    };
    assert_eq!(v4.drain, drain);
    // The second prefix sets its own.
    let next_hop = Some("2001:db8::9".parse().unwrap());
    assert_eq!(v6.up, Attributes { med: Some(7), next_hop, ..base.clone() });
    let worse =
        Attributes { communities: vec![], med: Some(107), prepend: 9, local_preference: Some(30), next_hop, ..base };
    assert_eq!(v6.depreference, worse);
    assert_eq!(
        v6.up.to_string(),
        "communities 64501:100; large-communities 4200000000:1:2; med 7; local-preference 60; \
                                   prepend 1; next-hop 2001:db8::9"
    );
}

#[test]
fn faults_of_single_keys_name_place_and_remedy() {
    let top =
        |line: &str| format!("{line}\n{}", with("", "", "").replace(TOP, "router-id = \"192.0.2.1\"\nlocal-as = 1\n"));
    let table = |lines: &str| with("", "", "").replace(TOP, &format!("{TOP}{lines}\n"));
    wrong(
        &top("drain_timeout = \"1s\""),
        &["unknown key `drain_timeout`", "announcer.toml:1:1", "did you mean `drain-timeout`?"],
    );
    wrong(&top("drain-timeout = 30"), &["unexpected integer", ":1:17", "such as \"10s\""]);
    wrong(&top("drain-timeout = \"0s\""), &["out of bounds", "from \"1s\""]);
    wrong(&top("admin = \"192.0.2.1:80\""), &["not a loopback address", "\"127.0.0.1:9154\""]);
    wrong(&top("lease = \"\""), &["the path is empty"]);
    wrong(&top("node = \"\""), &["0 octets"]);
    wrong(&top("log-level = \"loud\""), &["\"loud\" is not known here"]);
    wrong(
        &table("[damping]\nhold-down = \"10s\"\nhold-down-max = \"5s\""),
        &["`hold-down-max` (5s) is shorter", ":4:1"],
    );
    wrong(&table("[damping]\nforget = \"1m\""), &["`forget` (60s) is shorter than `hold-down-max` (300s)"]);
    wrong(&table("[damping]\nhold_down = \"1s\""), &["unknown key `hold_down`", ":5:1", "did you mean `hold-down`?"]);
    wrong("local-as = 1\n", &["there is no `[[service]]`", "there is no `[[prefix]]`", ":1:1"]);

    let id = |id: &str| with("", "", "").replace("192.0.2.1\"", &format!("{id}\""));
    wrong(&id("0.0.0.0"), &["the router identifier is zero", ":1:13"]);
    wrong(&id("::1"), &["\"::1\" is no router identifier"]);
    let asn = |asn: &str| with("", "", "").replace("= 64501", &format!("= {asn}"));
    for (number, part) in [
        ("0", "0 is out of bounds"),
        ("23456", "RFC 6793"),
        ("65535", "RFC 7300"),
        ("4294967295", "RFC 7300"),
        ("4294967296", "out of bounds"),
    ] {
        wrong(&asn(number), &[part, ":2:12"]);
    }

    let service = |line: &str| with(line, "", "");
    wrong(&service("over-load = 1"), &["unknown key `over-load`", ":7:1", "did you mean `overload`?"]);
    wrong(&service("overload = \"no\""), &["\"absorb\", \"depreference\", \"withdraw\""]);
    wrong(&service("stale = \"absorb\""), &["\"depreference\", \"withdraw\""]);
    wrong(&service("rise = 0"), &["0 is out of bounds", "from 1 to 1000"]);
    wrong(&service("probe = []"), &["the list is empty"]);
    for (addresses, part) in [
        ("[]", "the list is empty"),
        ("[\"192.0.2.53:53\"]", "\"192.0.2.53:53\" is no IP address"),
        ("[\"0.0.0.0\"]", "0.0.0.0 can't be a service address"),
        ("[\"ff02::1\"]", "can't be a service address"),
        ("[\"::ffff:192.0.2.1\"]", "can't be a service address"),
    ] {
        let text = with("", "", "").replace("[\"192.0.2.53\", \"2001:db8:53::53\"]", addresses);
        wrong(&text, &[part, ":6:1"]);
    }
    wrong(&with("", "", "").replace("\"dns\"", "\"d n\""), &["this is no name", ":5:8"]);

    let probe = |lines: &str| with(&format!("[[service.probe]]\n{lines}"), "", "");
    wrong(&probe("port = 1"), &["`type` is missing", ":7:1"]);
    wrong(&probe("type = \"ping\""), &["\"dns\", \"tcp\", \"http\", \"exec\""]);
    wrong(&probe("type = \"tcp\""), &["`port` is missing"]);
    wrong(&probe("type = \"tcp\"\nport = 1\npath = \"/\""), &["unknown key `path`", ":10:1"]);
    wrong(&probe("type = \"dns\""), &["`question` is missing"]);
    wrong(&probe("type = \"dns\"\nquestion = \"www.example.com\""), &["is no question", ":9:12", "a name and a type"]);
    wrong(&probe("type = \"dns\"\nquestion = \"a..b A\""), &["\"a..b\" is no domain name"]);
    wrong(&probe("type = \"dns\"\nquestion = \"a AXFR\""), &["\"AXFR\" is no type that can be asked for"]);
    wrong(&probe("type = \"dns\"\nquestion = \"a A\"\ntransports = [\"udp\", \"udp\"]"), &["listed twice", ":10:14"]);
    let expect =
        |question: &str, text: &str| probe(&format!("type = \"dns\"\nquestion = \"{question}\"\nexpect = \"{text}\""));
    wrong(&expect("a A", ""), &["nothing is expected", ":10:10"]);
    wrong(
        &expect("a A", "192.0.2"),
        &["192.0.2 is no IPv4 address", ":10:10", "a record of type A, or a response code"],
    );
    wrong(&expect("a AAAA", "192.0.2.1"), &["192.0.2.1 is no IPv6 address", ":10:10"]);
    wrong(&expect("a MX", "mx.example.com"), &["is no MX data", "\"10 mx.example.com\""]);
    wrong(&expect("a SOA", "ns. host. 1 2 3 4 5"), &["expected SOA data is written as octets (RFC 3597)", ":10:10"]);
    good(&expect("a SOA", "\\\\# 2 0A0B"));
    wrong(
        &probe("type = \"tcp\"\nport = 1\ninterval = \"1s\"\ntimeout = \"2s\""),
        &["longer than the interval of 1s", ":11:11"],
    );
    wrong(&probe("type = \"tcp\"\nport = 1\ninterval = \"1ms\""), &["from \"20ms\""]);
    wrong(&probe("type = \"http\"\npath = \"up\""), &["\"up\" is no path", "write \"/up\""]);
    wrong(&probe("type = \"http\"\nhost = \"a\\r\\nX: y\""), &["can't be sent in a request"]);
    wrong(&probe("type = \"http\"\nstatus = 100"), &["from 200 to 599"]);
    wrong(&probe("type = \"exec\"\ncommand = [\"check\"]"), &["\"check\" is no path of a program", "full path"]);
    wrong(&probe("type = \"exec\"\ncommand = []"), &["the list is empty"]);

    let up = |line: &str| with(&format!("[service.up]\n{line}"), "", "");
    wrong(&up("communities = [\"64501\"]"), &["\"64501\" is no community", ":8:16"]);
    wrong(&up("communities = [\"4200000000:1\"]"), &["is no community", "`large-communities`"]);
    wrong(&up("large-communities = [\"1:2\"]"), &["\"1:2\" is no large community"]);
    wrong(&up("prepend = 100"), &["from 0 to 20"]);
    wrong(&up("next-hop-ipv6 = \"192.0.2.1\""), &["can't be the next hop of IPv6 routes", ":8:17"]);
    wrong(&up("next-hop-ipv4 = \"0.0.0.0\""), &["can't be a next hop"]);
    wrong(&up("metric = 1"), &["unknown key `metric`", "known here are: communities"]);
    let many = format!("communities = [{}]", vec!["\"1:1\""; 65].join(", "));
    wrong(&up(&many), &["65 communities are too many", "at most 64"]);

    let prefix = |prefix: &str| with("", "", "").replace("192.0.2.0/24", prefix);
    wrong(&prefix("192.0.2.1/24"), &["is no prefix", "write 192.0.2.0/24", ":9:10"]);
    wrong(&prefix("192.0.2.0"), &["is no prefix", "an address, a slash and a length"]);
    wrong(&prefix("0.0.0.0/0"), &["the default route"]);
    wrong(&prefix("224.0.0.0/24"), &["is multicast"]);
    wrong(&with("", "require = \"most\"", ""), &["\"all\", \"any\""]);

    let peer = |line: &str| with("", "", line);
    wrong(&peer("hold-time = \"2s\""), &["out of bounds", "from \"3s\""]);
    wrong(&peer("hold-time = \"4500ms\""), &["a hold time of 4.5s", "whole seconds"]);
    wrong(
        &peer("local-address = \"10.0.0.2\""),
        &["10.0.0.2 is of another family than the peer's 2001:db8::1", ":19:17"],
    );
    wrong(&peer("families = []"), &["the list is empty"]);
    wrong(&peer("families = [\"ipv4\", \"ipv4\"]"), &["a family is listed twice"]);
    wrong(&peer("ttl-security = 255"), &["from 1 to 254"]);
    wrong(&peer("ttl-security = \"1\""), &["how many hops"]);
    wrong(&peer("role = \"client\""), &["\"route-server-client\""]);
    wrong(&peer("strict-role = true"), &["`strict-role` without `role`"]);
    wrong(&peer("receive-limit = 10\nreceive-alarm = 11"), &["comes after the end at 10", ":20:1"]);
    wrong(&peer("password-file = \"k\"\ntcp-ao.key-file = \"k\""), &["both `password-file` and `tcp-ao`"]);
    wrong(&peer("[peer.tcp-ao]\nsend-id = 1"), &["`key-file` is missing", ":19:1"]);
    wrong(&peer("[peer.bfd]\nmin-ttl = 254"), &["RFC 5881 5", ":20:11"]);
    wrong(&peer("[peer.bfd]\nmultiplier = 0"), &["from 1 to 255"]);
    let address = |address: &str| with("", "", "").replace("2001:db8::1\"", &format!("{address}\""));
    wrong(&address("fe80::1"), &["fe80::1 can't be an end of a session", "link-local"]);
    wrong(&address("0.0.0.0"), &["can't be an end of a session"]);
}

#[test]
fn faults_of_things_that_do_not_fit_together() {
    wrong(&with("", "", "").replace("router-id = \"192.0.2.1\"\n", ""), &["`router-id` is missing", ":1:1"]);
    wrong(&with("lease = false", "", ""), &["neither a lease nor a probe", ":4:1", "`[[service.probe]]`"]);
    wrong(
        &format!("lease = \"none\"\n{}", with("", "", "")),
        &["needs the server's lease, and `lease` is \"none\"", ":5:1"],
    );
    let twice = format!("{SERVICE}[[service]]\nname = \"dns\"\naddresses = [\"192.0.2.54\", \"192.0.2.54\"]\n");
    wrong(
        &with("", "", "").replace(SERVICE, &twice),
        &["service dns is named twice: also in line 5", ":8:8", "address 192.0.2.54 is named twice", ":9:28"],
    );
    wrong(
        &with("", "[[prefix]]\nprefix = \"192.0.2.0/24\"\nservices = [\"dns\", \"dns\"]", ""),
        &["prefix 192.0.2.0/24 is named twice: also in line 9", "service dns is named twice"],
    );
    wrong(
        &with("", "[[prefix]]\nprefix = \"192.0.2.0/25\"\nservices = [\"dsn\"]", ""),
        &["there is no service dsn", ":16:13", "write one of: dns"],
    );
    wrong(
        &with("", "", "").replace(", \"2001:db8:53::53\"", ""),
        &["no service of 2001:db8:53::/48 has an ipv6 address", ":12:10"],
    );
    let second = "[[peer]]\nname = \"r1\"\naddress = \"2001:db8::1\"\nas = 1\n";
    wrong(
        &with("", "", second),
        &["peer r1 is named twice: also in line 16", "[2001:db8::1]:179 is named twice: also in line 17"],
    );
    let second = "[[peer]]\nname = \"r2\"\naddress = \"2001:db8::1\"\nport = 1790\nas = 1\n";
    good(&with("", "", &format!("[peer.bfd]\n{second}")));
    wrong(
        &with("", "", &format!("[peer.bfd]\n{second}[peer.bfd]\n")),
        &["peers r1 (line 15) and r2 have BFD with one address, 2001:db8::1", "keep `[peer.bfd]` at one of the two"],
    );
    wrong(
        &with("", "", "role = \"peer\"").replace("as = 64500", "as = 64501"),
        &["peer r1 is internal", "remove `role`"],
    );
    // Not an address of its own in the other family.
    let v4 = with("", "", "").replace("2001:db8::1\"", "10.0.0.1\"");
    wrong(&v4, &["2001:db8:53::/48 has no next hop towards peer r1 (line 15)", ":12:10", "set `next-hop-ipv6`"]);
    good(
        &v4.replace("as = 64500", "as = 64500\nfamilies = [\"ipv4\"]")
            .replace(PREFIX, PREFIX.split_inclusive("[\"dns\"]\n").next().unwrap())
            .replace(", \"2001:db8:53::53\"", ""),
    );
    good(&v4.replace(PREFIX, &format!("[service.up]\nnext-hop-ipv6 = \"2001:db8::2\"\n{PREFIX}")));
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = with("fal = 1", "requires = 1", "hold-time = 1\n").replace("= 64501", "= 0");
    let message = read(&text).unwrap_err();
    let at: Vec<_> =
        [":2:12", ":7:1", ":14:1", ":19:13"].iter().map(|place| message.find(place).expect(place)).collect();
    assert!(at.is_sorted(), "{message}");
    // Half a file of TOML tells what is no TOML, and nothing that only follows from it.
    let message = read("local-as = \n[[service]]\n").unwrap_err();
    assert!(message.contains("announcer.toml:1:"), "{message}");
}

#[test]
fn warnings_have_their_place() {
    warned(
        &with("", "", "hold-time = \"10s\""),
        &[
            "/etc/c/announcer.toml:19:13: a host that is cut off keeps its routes for 10s; set `hold-time = \"9s\"` or less, or add a table `[peer.bfd]`",
        ],
    );
    warned(&with("", "", "hold-time = \"90s\"\n[peer.bfd]"), &[]);
    warned(
        &with("", "", "").replace("0/24", "0/25").replace("::/48", "::/64"),
        &[
            "/etc/c/announcer.toml:9:10: 192.0.2.0/25 is longer than /24; most of the Internet drops longer prefixes: announce a shorter one if it is to be seen everywhere",
            "/etc/c/announcer.toml:12:10: 2001:db8:53::/64 is longer than /48; most of the Internet drops longer prefixes: announce a shorter one if it is to be seen everywhere",
        ],
    );
    warned(
        &with("", "", "").replace("\"192.0.2.53\"", "\"192.0.3.53\""),
        &[
            "/etc/c/announcer.toml:6:14: 192.0.3.53 lies in no prefix that names service dns; add its prefix, or remove the address: nothing leads clients to it",
        ],
    );
    let unused = "[[service]]\nname = \"web\"\naddresses = [\"192.0.2.80\"]\nlease = false\noverload = \"absorb\"\nstale = \"withdraw\"\n\
                  [[service.probe]]\ntype = \"tcp\"\nport = 80\n";
    warned(
        &with(unused, "", ""),
        &[
            "/etc/c/announcer.toml:8:8: no prefix is announced for service web; name it in the `services` of a `[[prefix]]`",
            "/etc/c/announcer.toml:11:12: service web has no lease, so that nobody knows when it is overloaded; remove `overload`: a failing probe withdraws",
            "/etc/c/announcer.toml:12:9: service web has no lease, so that nobody knows when it is stale; remove `stale`",
        ],
    );
    warned(
        &with("", "", "families = [\"ipv6\"]"),
        &["/etc/c/announcer.toml:9:10: no peer takes 192.0.2.0/24; add \"ipv4\" to the `families` of a peer"],
    );
    warned(
        &format!("{TOP}{SERVICE}{PREFIX}"),
        &[
            "/etc/c/announcer.toml:1:1: there is no `[[peer]]`; add a table `[[peer]]`: until then nothing is announced to anybody",
        ],
    );
    warned(
        &with("[service.drain]\ncommunities = [\"1:1\"]", "", ""),
        &[
            "/etc/c/announcer.toml:8:1: a drain without GRACEFUL_SHUTDOWN; add \"65535:0\" (RFC 8326), so that routers prefer other routes at once",
        ],
    );
    warned(
        &with("[service.up]\nnext-hop-ipv4 = \"2001:db8::2\"", "", ""),
        &[
            "/etc/c/announcer.toml:8:17: 2001:db8::2 is an IPv6 next hop of IPv4 routes; only routers that know RFC 8950 take it; write an IPv4 address for the others",
        ],
    );
    let (_, warnings) = read(&with("", "", "hold-time = \"10s\"")).unwrap();
    let shown = warnings.render(false);
    for part in ["warning: a host that is cut off", "announcer.toml:19:13", "help: set `hold-time"] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
}

#[test]
fn files_of_keys_are_looked_at() {
    let directory = std::env::temp_dir().join(format!("catchment-announcer-settings-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (file, key) = (directory.join("announcer.toml"), directory.join("r1.key"));
    // The host has loopback addresses only.
    let text = at_home(&with("", "", "password-file = \"r1.key\""));
    std::fs::write(&file, text).unwrap();
    let lines =
        || load(&file).unwrap().1.lines().map(|line| line.replace(directory.to_str().unwrap(), "")).collect::<Vec<_>>();
    assert_eq!(
        lines(),
        [
            "/announcer.toml:19:17: /r1.key: No such file or directory (os error 2); write the key to it, or the session is refused: it never goes on without",
        ]
    );
    std::fs::create_dir(&key).unwrap();
    assert_eq!(
        lines(),
        ["/announcer.toml:19:17: /r1.key: it is no regular file; name a file whose first line is the key"]
    );
    std::fs::remove_dir(&key).unwrap();
    std::fs::write(&key, "secret\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(lines(), ["/announcer.toml:19:17: /r1.key: everybody can read or write the key; chmod 0640 /r1.key"]);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(lines(), [] as [String; 0]);
    std::fs::remove_dir_all(&directory).unwrap();
    let error = load(&file).unwrap_err().to_string();
    assert!(error.contains("announcer.toml: No such file") && error.contains("--config"), "{error}");
}

#[test]
fn addresses_that_the_host_lacks_are_told() {
    let directory = std::env::temp_dir().join(format!("catchment-announcer-addresses-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("announcer.toml");
    // TEST-NET-2 (RFC 5737) is on no host.
    let text = at_home(&with("", "", "")).replace("127.0.0.53", "198.51.100.53").replace("127.0.0.0", "198.51.100.0");
    std::fs::write(&file, &text).unwrap();
    let warnings: Vec<String> = load(&file).unwrap().1.lines().collect();
    let (line, _) = text.lines().enumerate().find(|(_, line)| line.contains("addresses")).unwrap();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains(&format!("announcer.toml:{}:", line + 1)), "{warning}");
    assert!(
        warning.contains("198.51.100.53 is on no interface of this host; add it, `ip addr add 198.51.100.53 dev lo`")
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The example with everything uncommented that is not an alternative to something else.
fn example() -> String {
    let alternatives = [
        "#password-file",
        "#[peer.tcp-ao]",
        "#key-file",
        "#send-id",
        "#receive-id",
        "#algorithm",
        "#next-hop-ipv4",
        "#node",
        "#role",
        "#ttl-security",
        "#med",
        "#local-preference",
        "#lease = \"",
        "#control",
        "#admin",
    ];
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(rest)
            if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[')
                && !alternatives.iter().any(|alternative| line.starts_with(alternative)) =>
        {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    include_str!("../deploy/announcer.toml").lines().map(|line| uncommented(line) + "\n").collect()
}

#[test]
fn the_example_settings_are_good_and_show_the_defaults() {
    let shipped = include_str!("../deploy/announcer.toml");
    let settings = good(shipped);
    assert_eq!((settings.services.len(), settings.prefixes.len(), settings.peers.len()), (1, 2, 1));
    assert!(settings.peers[0].bfd.is_some());
    let uncommented = example();
    assert!(uncommented.lines().count() == shipped.lines().count() && uncommented != shipped);
    assert_eq!(good(&uncommented), settings, "what is commented out is the default");
    // The alternatives can be read as well.
    let ao = shipped
        .replace("#[peer.tcp-ao]", "[peer.tcp-ao]")
        .replace("#key-file", "key-file")
        .replace("#send-id", "send-id");
    assert!(matches!(good(&ao).peers[0].authentication, Some(Authentication::Ao { send_id: 1, .. })));
}
