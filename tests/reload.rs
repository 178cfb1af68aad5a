//! Reloads of a running server: by signal and by command, good ones and bad ones.

mod support;

use hickory_proto::rr::{DNSClass, RecordType};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::catchment::{Server, catchment, configure, prepare, query, receive, serial, zone};

/// Asks for the serial again and again on one socket until told to stop; gives all serials, and fails on a lost answer.
fn keep_asking(dns: SocketAddr, stop: &AtomicBool) -> Vec<u32> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut serials = Vec::new();
    let mut last = false;
    while !last {
        // One more after the end was seen, so that the last reload is seen too.
        last = stop.load(Ordering::Relaxed);
        let question = query("example.com.", RecordType::SOA, DNSClass::IN);
        socket.send_to(&question.to_vec().unwrap(), dns).unwrap();
        let answer = receive(&socket, question.metadata.id).expect("no query is lost");
        assert!(answer.metadata.authoritative);
        serials.push(serial(&answer).expect("every answer is whole"));
    }
    serials
}

#[test]
fn reloads_by_signal_and_by_command_lose_no_query() {
    let mut server = Server::start("reload", &[("example.com.zone", &zone(1)), ("other.zone", &zone(1))], "");
    let file = server.zone_file("example.com.zone");
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2)
        .map(|_| {
            let (dns, stop) = (server.dns, Arc::clone(&stop));
            std::thread::spawn(move || keep_asking(dns, &stop))
        })
        .collect();
    for serial in 2..=9 {
        std::fs::write(&file, zone(serial)).unwrap();
        if serial % 2 == 0 {
            server.signal("HUP");
            server.wait_for("reloaded: 2 zones, 68 records; ");
        } else {
            let (code, out, errors) = server.reload();
            assert_eq!(code, 0, "{errors}");
            assert!(out.starts_with("reloaded: 2 zones, 68 records; 1 changed, 0 removed, 0 failed, in "), "{out}");
            assert!(out.ends_with(&format!("\nzone example.com.: serial {} -> {serial}\n", serial - 1)), "{out}");
            server.wait_for("reloaded: ");
        }
        assert_eq!(server.serial("example.com."), Some(serial));
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let serials = client.join().unwrap();
        assert!(serials.is_sorted(), "an old version never comes back");
        assert!(serials.len() > 8 && serials.last() == Some(&9), "{} answers", serials.len());
    }
}

#[test]
fn a_zone_that_turns_bad_keeps_its_last_good_version() {
    let server = Server::start("last-good", &[("example.com.zone", &zone(1)), ("other.zone", &zone(1))], "");
    std::fs::write(server.zone_file("example.com.zone"), zone(2) + "oops A 192.0.2\n").unwrap();
    std::fs::write(server.zone_file("other.zone"), zone(2)).unwrap();
    let (code, _, errors) = server.reload();
    assert_eq!(code, 1);
    let kept = "\nwhat is at fault is not taken: the last good version is served on";
    for part in ["1 changed, 0 removed, 1 failed", "zones/example.com.zone:7:8", "oops A 192.0.2", kept] {
        assert!(errors.contains(part), "no `{part}` in:\n{errors}");
    }
    assert_eq!(server.serial("example.com."), Some(1));
    assert_eq!(server.serial("other."), Some(2), "the others go on");
    let zones: serde_json::Value = serde_json::from_str(&server.get("/zones").1).unwrap();
    assert_eq!((&zones[0]["state"], &zones[0]["serial"]), (&"last-good".into(), &1.into()));
    assert!(zones[0]["error"].as_str().unwrap().contains("example.com.zone:7: "), "{zones}");
    assert_eq!(server.get("/readyz"), (200, "ready\n".into()));

    std::fs::write(server.zone_file("example.com.zone"), zone(3)).unwrap();
    assert_eq!(server.reload().0, 0);
    assert_eq!(server.serial("example.com."), Some(3));
}

#[test]
fn the_answer_to_a_reload_is_bounded_however_much_is_wrong() {
    let server = Server::start("many", &[("example.com.zone", &zone(1))], "");
    for n in 0..1000 {
        std::fs::write(
            server.zone_file(&format!("bad{n:04}.zone")),
            "@ A 192.0.2.1 and more of it than there should be\n",
        )
        .unwrap();
    }
    let (code, _, errors) = server.reload();
    assert_eq!(code, 1);
    assert!(errors.starts_with("reloaded: 1001 zones, 34 records; 0 changed, 0 removed, 1000 failed, in "), "{errors}");
    assert!(errors.contains("zones/bad0000.zone:1:") && !errors.contains("zones/bad0999.zone"), "{errors}");
    assert!(errors.len() <= 65 * 1024, "{} octets", errors.len());
    let last = errors.lines().last().unwrap();
    let named = (0..1000).filter(|n| errors.contains(&format!("zones/bad{n:04}.zone"))).count();
    assert_eq!(last, format!("and {} more zones at fault: see the log", 1000 - named));
}

#[test]
fn settings_that_are_at_fault_change_nothing() {
    let server = Server::start("fault", &[("example.com.zone", &zone(1))], "node = \"ams1\"");
    std::fs::write(server.zone_file("example.com.zone"), zone(2)).unwrap();
    // The command reads the same file to find the socket: ask by its path.
    let reload = || support::catchment::run(&["reload", "--control", "control.sock"], server.dir.path());
    for (settings, error) in [
        ("node = \"fra1\"\nudp-size = 1", "1 is out of bounds"),
        ("node = \"fra1\"\ncookie-secrets = \"missing\"", "missing: No such file"),
        ("node = \"fra1\"\n[[zone]]\nname = \"x\"", "`file` is missing"),
    ] {
        configure(&server.dir, settings);
        let (code, _, errors) = reload();
        assert!(code == 1 && errors.contains("nothing has changed") && errors.contains(error), "{errors}");
        assert_eq!(server.ask_chaos("id.server.").as_deref(), Some("ams1"));
        assert_eq!(server.serial("example.com."), Some(1));
    }
    assert!(server.get("/metrics").1.contains("catchment_reloads_total{result=\"failed\"} 3\n"));

    configure(&server.dir, "node = \"fra1\"\nworkers = 1\ntcp-idle-timeout = \"20s\"");
    let (code, out, errors) = reload();
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("taken on only at the next start: workers, tcp-idle-timeout"), "{out}");
    assert_eq!(server.ask_chaos("id.server.").as_deref(), Some("fra1"));
    assert_eq!(server.serial("example.com."), Some(2));
}

#[test]
fn zones_come_and_go() {
    let server = Server::start("come", &[("a.zone", &zone(1)), ("b.zone", &zone(1))], "");
    std::fs::remove_file(server.zone_file("a.zone")).unwrap();
    std::fs::write(server.zone_file("c"), zone(4)).unwrap();
    let (_, out, _) = server.reload();
    assert!(out.contains("2 zones, 68 records; 1 changed, 1 removed, 0 failed"), "{out}");
    assert!(out.ends_with("\nzone c.: new, serial 4\nzone a.: removed\n"), "{out}");
    assert_eq!((server.serial("a."), server.serial("b."), server.serial("c.")), (None, Some(1), Some(4)));

    // A directory that is suddenly empty is a mount that is missing, more likely than the wish to serve nothing.
    std::fs::rename(server.dir.path().join("zones"), server.dir.path().join("away")).unwrap();
    std::fs::create_dir(server.dir.path().join("zones")).unwrap();
    let (code, _, errors) = server.reload();
    assert!(code == 1 && errors.contains("no zone is left"), "{errors}");
    assert_eq!(server.serial("b."), Some(1));
}

#[test]
fn the_control_socket_takes_no_commands_of_other_users() {
    let mut server = Server::start("uid", &[("example.com.zone", &zone(1))], "");
    let socket = server.dir.path().join("control.sock");
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    if !nix::unistd::geteuid().is_root() {
        return support::skip("only root can be somebody else");
    }
    // Even if the file's mode let them.
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    // The other user may not reach the build directory: the program goes where it can.
    let program = server.dir.path().join("catchment");
    std::fs::copy(env!("CARGO_BIN_EXE_catchment"), &program).unwrap();
    let mut command = std::process::Command::new(&program);
    let output = command.args(["reload", "--control"]).arg(&socket).uid(65_534).gid(65_534).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer = String::from_utf8(output.stderr).unwrap();
    assert_eq!(answer, "user 65534 may not: only root and the server's own user may\n");
    assert!(server.wait_for("a command was refused").contains("uid=65534"));
    assert!(server.get("/metrics").1.contains("catchment_reloads_total{result=\"taken\"} 0\n"));
}

#[test]
fn the_service_manager_is_told() {
    let dir = prepare("notify", &[("example.com.zone", &zone(1))], "");
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let hear = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = catchment();
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "400000");
    let mut server = Server::launch(dir, command);
    std::fs::write(server.zone_file("bad.zone"), "@ A 192.0.2\n").unwrap();
    let ready = hear();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    assert_eq!(hear(), "WATCHDOG=1\n");
    server.signal("HUP");
    let next = || {
        let mut said = hear();
        while said == "WATCHDOG=1\n" {
            said = hear();
        }
        said
    };
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let ready = next();
    assert!(ready.starts_with("READY=1\nSTATUS=reloaded: 2 zones"), "{ready}");
    assert_eq!(ready.lines().count(), 2, "each line is a state, so errors of zones must not follow: {ready}");
    server.signal("TERM");
    assert_eq!(next(), "STOPPING=1\n");
    assert_eq!(server.wait_end().0.code(), Some(0));
}
