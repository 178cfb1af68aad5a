//! `catchment serve`, `health` and their ends, on the real binary.

mod support;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RData, RecordType};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;
use support::catchment::{Server, catchment, prepare, query, run, zone};
use support::process::TempDir;

const BAD: &str = "$TTL 1h\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2\nx AAAA zz\n";

#[test]
fn a_directory_is_served_over_udp_and_tcp() {
    let server =
        Server::start("serve", &[("example.com.zone", &zone(5)), ("db.example.org", &zone(6)), ("README", "hi")], "");
    for answer in
        [server.ask("www.example.com.", RecordType::A).unwrap(), server.ask_tcp("www.example.com.", RecordType::A)]
    {
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.metadata.authoritative);
        let RData::A(address) = &answer.answers[0].data else { panic!("{answer:?}") };
        assert_eq!(address.to_string(), "192.0.2.2");
    }
    assert_eq!(server.serial("example.org."), Some(6));
    let elsewhere = server.ask("www.example.net.", RecordType::A).unwrap();
    assert_eq!(elsewhere.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn the_start_tells_zones_time_and_a_dig_line_that_is_answered() {
    let zones = [("2.0.192.in-addr.arpa.zone", zone(1).replace("www A 192.0.2.2\n", "2 PTR www.example.com.\n"))];
    let zones = [(zones[0].0, zones[0].1.as_str()), ("example.com.zone", &zone(7)), ("README", "hello")];
    let mut server = Server::start("greet", &zones, "");
    let line = server.wait_for("try: ");
    let expected = format!("try: dig @127.0.0.1 -p {} www.example.com", server.dns.port());
    assert!(line.ends_with(&expected), "{line}");
    for part in
        ["zone example.com.: serial 7, 34 records", "loaded 2 zones, 68 records, in ", "README: it has no SOA record"]
    {
        assert!(server.log().contains(part), "no `{part}` in:\n{}", server.log());
    }
    assert!(!server.log().contains('\u{1b}'), "no colour in a pipe");
}

#[test]
fn a_bad_zone_fails_alone_and_strict_refuses_to_start() {
    let zones = [("good.zone", zone(1)), ("bad.zone", BAD.to_owned())];
    let zones = zones.each_ref().map(|(name, text)| (*name, text.as_str()));
    let server = Server::start("bad", &zones, "");
    assert_eq!(server.serial("good."), Some(1));
    assert_eq!(server.ask("x.bad.", RecordType::A).unwrap().metadata.response_code, ResponseCode::ServFail);
    for part in ["zones/bad.zone:4:6", "zones/bad.zone:5:8", "ns A 192.0.2\n", "SERVFAIL until its file is mended"] {
        assert!(server.log().contains(part), "no `{part}` in:\n{}", server.log());
    }

    let mut strict = Server::launch(prepare("strict", &zones, "strict = true"), catchment());
    let (status, _) = strict.wait_end();
    assert_eq!(status.code(), Some(1));
    assert!(strict.log().contains("not starting: 1 zone at fault"), "{}", strict.log());
    assert!(!strict.log().contains("ready: "));
}

#[test]
fn sigterm_ends_it_within_5_s_and_answers_what_was_asked() {
    let mut server = Server::start("term", &[("example.com.zone", &zone(1))], "");
    let mut silent = TcpStream::connect(server.dns).unwrap();
    let mut half = TcpStream::connect(server.dns).unwrap();
    half.write_all(&[0]).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let question = query("example.com.", RecordType::SOA, DNSClass::IN);
    socket.send_to(&question.to_vec().unwrap(), server.dns).unwrap();
    server.signal("TERM");
    let (status, took) = server.wait_end();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(server.log().contains("stopped"), "{}", server.log());
    assert!(socket.recv(&mut [0; 512]).is_ok(), "a query that had come is answered");
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert!(!server.dir.path().join("control.sock").exists());
}

#[test]
fn a_port_in_use_names_the_remedy() {
    let first = Server::start("first", &[("example.com.zone", &zone(1))], "");
    let second = TempDir::new("second");
    let zones = first.dir.path().join("zones");
    let listen = first.dns.to_string();
    let (code, _, log) = run(
        &["serve", zones.to_str().unwrap(), "--listen", &listen, "--admin", "none", "--control", "none"],
        second.path(),
    );
    assert_eq!(code, 1);
    for part in [format!("{listen} is in use"), format!("'sport = :{}'", first.dns.port()), "--listen".into()] {
        assert!(log.contains(&part), "no `{part}` in:\n{log}");
    }
    // What is configured must bind: the admin address and the control socket too.
    let admin = first.admin.to_string();
    let arguments =
        ["serve", zones.to_str().unwrap(), "--listen", "127.0.0.1:0", "--control", "none", "--admin", &admin];
    let (code, _, log) = run(&arguments, second.path());
    assert!(code == 1 && log.contains(&format!("admin server can't be at {admin}")), "{log}");
    let control = first.dir.path().join("control.sock");
    let control = control.to_str().unwrap();
    let arguments =
        ["serve", zones.to_str().unwrap(), "--listen", "127.0.0.1:0", "--admin", "none", "--control", control];
    let (code, _, log) = run(&arguments, second.path());
    assert!(code == 1 && log.contains("belongs to a process that is running"), "{log}");
    assert_eq!(first.serial("example.com."), Some(1), "the first one goes on");
}

#[test]
fn wrong_settings_are_told_with_place_and_remedy() {
    let dir = prepare("settings", &[("example.com.zone", &zone(1))], "udp_size = 1232\nworkers = 0");
    for arguments in
        [&["serve", "--config", "catchment.toml"][..], &["serve", "--config", "catchment.toml", "--check-config"]]
    {
        let (code, _, errors) = run(arguments, dir.path());
        assert_eq!(code, 1);
        for part in ["unknown key `udp_size`", "catchment.toml:6:1", "did you mean `udp-size`?", "catchment.toml:7:11"]
        {
            assert!(errors.contains(part), "no `{part}` in:\n{errors}");
        }
    }
    let (code, _, errors) = run(&["serve", "--listen", "127.0.0.1", "zones"], dir.path());
    assert_eq!(code, 2);
    assert!(errors.contains("add the port: \"127.0.0.1:53\""), "{errors}");
    let (code, _, errors) = run(&["serve", "nowhere"], dir.path());
    assert!(code == 1 && errors.contains("nowhere: No such file or directory"), "{errors}");
    assert_eq!(run(&["serve", "--wrong"], dir.path()).0, 2);
    assert_eq!(run(&["--version"], dir.path()).1, format!("catchment {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn check_config_tries_everything_and_tells_all() {
    let dir = prepare("check", &[("example.com.zone", &zone(1))], "");
    let check = ["serve", "--config", "catchment.toml", "--check-config"];
    assert_eq!(run(&check, dir.path()), (0, "all is well: 1 zone, 34 records\n".into(), String::new()));
    dir.write("zones/notes", "buy milk\n");
    let (code, out, errors) = run(&check, dir.path());
    assert_eq!((code, out.as_str()), (0, "all is well: 1 zone, 34 records\n"));
    assert!(errors.starts_with("note: no zone: ") && errors.contains("zones/notes: it "), "{errors}");

    dir.write("zones/bad.zone", BAD);
    dir.write("secrets", "generate 00\n");
    support::catchment::configure(&dir, "cookie-secrets = \"secrets\"\nuser = \"no-such-user-here\"");
    let (code, out, errors) = run(&check, dir.path());
    assert_eq!((code, out.as_str()), (1, ""));
    for part in ["zones/bad.zone:4:6", "zones/bad.zone:5:8", "secrets: line 1", "no user `no-such-user-here`"] {
        assert!(errors.contains(part), "no `{part}` in:\n{errors}");
    }
    // It binds nothing, but what can't be bound anywhere is told.
    for (second, error) in [("127.0.0.1:53", "127.0.0.1:53 is given twice"), ("0.0.0.0:53", "0.0.0.0:53 is covered")] {
        let listen = ["--listen", "127.0.0.1:53", "--listen", second];
        let (code, _, errors) = run(&[&check[..], &listen].concat(), dir.path());
        assert!(code == 1 && errors.contains(error) && errors.contains("bad.zone:4:6"), "{errors}");
    }
}

#[test]
fn one_zone_file_alone_can_be_served() {
    let dir = prepare("file", &[("example.com.zone", &zone(3))], "");
    let check = ["serve", "zones/example.com.zone", "--check-config"];
    assert_eq!(run(&check, dir.path()).1, "all is well: 1 zone, 34 records\n");
}

#[test]
fn logs_are_json_when_asked_and_queries_are_logged_only_when_asked() {
    let mut server =
        Server::start("json", &[("example.com.zone", &zone(1))], "log-format = \"json\"\nquery-log = true");
    server.ask("host7.Example.com.", RecordType::A).unwrap();
    let line: serde_json::Value = serde_json::from_str(&server.wait_for("host7")).unwrap();
    assert_eq!(line["qname"], "host7.Example.com.");
    assert_eq!((&line["transport"], &line["dropped"]), (&"udp".into(), &serde_json::Value::Null));
    assert_eq!((&line["qtype"], &line["rcode"], &line["level"]), (&"A".into(), &"NOERROR".into(), &"INFO".into()));
    server.signal("TERM");
    server.wait_end();
    for line in server.log().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "no JSON: {line}");
    }

    let mut quiet = Server::start("quiet", &[("example.com.zone", &zone(1))], "");
    quiet.ask("host7.example.com.", RecordType::A).unwrap();
    quiet.signal("TERM");
    quiet.wait_end();
    assert!(!quiet.log().contains("host7"), "{}", quiet.log());
}

#[test]
fn health_asks_the_server_and_its_admin_server() {
    let zones = [("bad.zone", BAD)];
    let server = Server::start("health", &zones, "");
    let (dns, admin) = (server.dns.to_string(), server.admin.to_string());
    let health = |more: &[&str]| run(&[&["health", "--server", &dns], more].concat(), server.dir.path());
    let (code, out, _) = health(&[]);
    assert!(code == 0 && out.starts_with(&format!("healthy: {dns} answered")), "{out}");
    let (code, _, errors) = health(&["--name", "bad."]);
    assert_eq!(
        (code, errors.contains("answered Server Failure") || errors.contains("ServFail")),
        (1, true),
        "{errors}"
    );
    let (code, _, errors) = health(&["--admin", &admin]);
    assert_eq!((code, errors.as_str()), (1, "unhealthy: not ready: the only zone could not be loaded; see /zones\n"));

    // Nobody answers at a port that is bound by a socket which is not read.
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = deaf.local_addr().unwrap().to_string();
    let (code, _, errors) = run(&["health", "--server", &deaf, "--timeout", "1"], server.dir.path());
    assert!(code == 1 && errors.starts_with("unhealthy: no answer from"), "{errors}");
}

#[test]
fn root_is_given_up_for_good_and_not_by_others() {
    let settings = "user = \"65534\"\ngroup = \"65534\"";
    let zones = [("example.com.zone", zone(1))];
    let dir = prepare("user", &[(zones[0].0, &zones[0].1)], settings);
    if !nix::unistd::geteuid().is_root() {
        let mut server = Server::launch(dir, catchment());
        assert_eq!(server.wait_end().0.code(), Some(1));
        assert!(server.log().contains("only root can become another user"), "{}", server.log());
        return;
    }
    let mut server = Server::launch(dir, catchment());
    server.wait_for("ready: ");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t65534 ",
        "CapEff:\t0000000000000000",
    ] {
        assert!(status.contains(line), "no `{line}` in:\n{status}");
    }
    // Every thread, and root can still give commands.
    for task in std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
    std::fs::write(server.zone_file("example.com.zone"), zone(2)).unwrap();
    let (code, out, errors) = server.reload();
    assert_eq!((code, out.contains("1 changed")), (0, true), "{out}{errors}");
}
