//! The sidecar's sockets on loopback addresses: authentication and TTLs as the kernel enforces them, both ways and families.

mod support;

use catchment::announce::sockets::{
    Accepted, Algorithm, Authentication, BfdReceiver, BfdSender, Error, Listener, Peer, Secret, Ttl, check, dial,
    is_local, local_addresses, now,
};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For what should happen; a busy machine may take a while.
const SOON: Duration = Duration::from_secs(10);
/// For what should not.
const NEVER: Duration = Duration::from_millis(400);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(text), port)
}

fn peer(address: &str) -> Peer {
    Peer { name: format!("router-{address}"), address: ip(address), ttl: Ttl::Sent(1), authentication: None }
}

fn md5(key: &str) -> Option<Authentication> {
    Some(Authentication::Md5(Secret::new(key.as_bytes())))
}

/// Whether this machine can do what the peer's settings ask for.
fn can(peer: &Peer) -> bool {
    match check(peer) {
        Ok(()) => true,
        Err(error) => {
            support::skip(error);
            false
        }
    }
}

async fn accept(listener: &Listener) -> Result<Accepted, Error> {
    timeout(SOON, poll_fn(|cx| listener.poll_accept(cx))).await.expect("a connection")
}

/// Each sends to the other.
async fn talk(a: &mut TcpStream, b: &mut TcpStream) {
    for _ in 0..2 {
        a.write_all(b"word").await.unwrap();
        let mut heard = [0; 4];
        timeout(SOON, b.read_exact(&mut heard)).await.expect("data in time").unwrap();
        assert_eq!(&heard, b"word");
        std::mem::swap(a, b);
    }
}

/// Two ends, each with an address of the family; over IPv6 loopback has but one.
const ENDS: [(&str, &str); 2] = [("127.0.0.11", "127.0.0.12"), ("::1", "::1")];

#[tokio::test]
async fn without_authentication_a_configured_peer_connects() {
    for (ours, theirs) in ENDS {
        let listener = Listener::bind(at(ours, 0), &[peer(theirs)]).unwrap();
        let (dialled, accepted) =
            tokio::join!(dial(&peer(ours), Some(ip(theirs)), listener.address().port(), SOON), accept(&listener));
        let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
        assert_eq!((accepted.peer, dialled.local_addr().unwrap().ip()), (ip(theirs), ip(theirs)));
        talk(&mut dialled, &mut accepted.stream).await;
        for stream in [&dialled, &accepted.stream] {
            assert!(stream.nodelay().unwrap());
            let socket = socket2::SockRef::from(stream);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(240)));
            let (ttl, class) = match ip(ours) {
                IpAddr::V4(_) => (socket.ttl_v4(), socket.tos_v4()),
                IpAddr::V6(_) => (socket.unicast_hops_v6(), socket.tclass_v6()),
            };
            // One hop; CS6 (RFC 4594 3.2).
            assert_eq!((ttl.unwrap(), class.unwrap()), (1, 0xc0));
        }
    }
}

/// What TCP's user timeout is for: the other end lives, acknowledges, and takes nothing.
#[tokio::test]
async fn a_router_that_shuts_its_window_is_left() {
    let listener = Listener::bind(at("127.0.0.11", 0), &[peer("127.0.0.12")]).unwrap();
    let us = peer("127.0.0.11");
    let (dialled, accepted) =
        tokio::join!(dial(&us, Some(ip("127.0.0.12")), listener.address().port(), SOON), accept(&listener));
    let (mut dialled, _accepted) = (dialled.unwrap(), accepted.unwrap());
    // The same, only sooner.
    socket2::SockRef::from(&dialled).set_tcp_user_timeout(Some(Duration::from_secs(1))).unwrap();
    while timeout(NEVER, dialled.write(&[0; 1 << 16])).await.is_ok() {}
    let ended = timeout(6 * SOON, dialled.read(&mut [0])).await.expect("it ends");
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn whoever_is_no_peer_is_closed() {
    let listener = Listener::bind(at("127.0.0.11", 0), &[peer("127.0.0.12"), peer("::1")]).unwrap();
    let port = listener.address().port();
    let mut stranger = dial(&peer("127.0.0.11"), Some(ip("127.0.0.13")), port, SOON).await.unwrap();
    let error = accept(&listener).await.unwrap_err();
    assert!(matches!(error, Error::Stranger(from) if from.ip() == ip("127.0.0.13")), "{error}");
    assert_eq!(timeout(SOON, stranger.read(&mut [0])).await.unwrap().unwrap_or(0), 0);
}

#[tokio::test]
async fn md5_the_right_key_connects_both_ways() {
    for (ours, theirs) in ENDS {
        let them = Peer { authentication: md5("correct horse"), ..peer(theirs) };
        let us = Peer { authentication: md5("correct horse"), ..peer(ours) };
        if !can(&them) {
            return;
        }
        for (local, listen, remote) in [(ours, &them, &us), (theirs, &us, &them)] {
            let listener = Listener::bind(at(local, 0), std::slice::from_ref(listen)).unwrap();
            let port = listener.address().port();
            let (dialled, accepted) = tokio::join!(dial(remote, Some(listen.address), port, SOON), accept(&listener));
            talk(&mut dialled.unwrap(), &mut accepted.unwrap().stream).await;
        }
    }
}

#[tokio::test]
async fn md5_a_wrong_key_or_none_never_gets_through() {
    for (ours, theirs) in ENDS {
        let them = Peer { authentication: md5("correct horse"), ..peer(theirs) };
        if !can(&them) {
            return;
        }
        let listener = Listener::bind(at(ours, 0), &[them]).unwrap();
        let port = listener.address().port();
        for authentication in [md5("battery staple"), None] {
            let us = Peer { authentication, ..peer(ours) };
            let error = dial(&us, Some(ip(theirs)), port, NEVER).await.unwrap_err();
            assert!(matches!(error, Error::Silent { .. }), "{error}");
            assert!(error.to_string().contains("`password-file`"), "{error}");
        }
        let nobody = timeout(NEVER, poll_fn(|cx| listener.poll_accept(cx))).await;
        assert!(nobody.is_err(), "{nobody:?}");
    }
}

#[tokio::test]
async fn md5_a_key_that_only_we_have_never_connects() {
    let listener = Listener::bind(at("127.0.0.11", 0), &[peer("127.0.0.12")]).unwrap();
    let us = Peer { authentication: md5("correct horse"), ..peer("127.0.0.11") };
    if can(&us) {
        let error = dial(&us, Some(ip("127.0.0.12")), listener.address().port(), NEVER).await.unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
    }
}

#[tokio::test]
async fn md5_each_peer_of_a_listener_has_its_own_key() {
    let with = |address, key| Peer { authentication: md5(key), ..peer(address) };
    let peers = [with("127.0.0.12", "first"), with("127.0.0.13", "second"), peer("127.0.0.14")];
    if !can(&peers[0]) {
        return;
    }
    let listener = Listener::bind(at("127.0.0.11", 0), &peers).unwrap();
    let port = listener.address().port();
    for (from, authentication) in [("127.0.0.12", md5("first")), ("127.0.0.13", md5("second")), ("127.0.0.14", None)] {
        let us = Peer { authentication, ..peer("127.0.0.11") };
        let (dialled, accepted) = tokio::join!(dial(&us, Some(ip(from)), port, SOON), accept(&listener));
        let mut accepted = accepted.unwrap();
        assert_eq!(accepted.peer, ip(from));
        talk(&mut dialled.unwrap(), &mut accepted.stream).await;
    }
    let crossed = Peer { authentication: md5("first"), ..peer("127.0.0.11") };
    assert!(matches!(dial(&crossed, Some(ip("127.0.0.13")), port, NEVER).await, Err(Error::Silent { .. })));
}

#[test]
fn keys_have_1_to_80_octets() {
    for (octets, setting) in [(0, "password-file"), (81, "tcp-ao")] {
        let secret = Secret::new(&vec![b'x'; octets]);
        let authentication = Some(match setting {
            "tcp-ao" => Authentication::Ao { secret, send_id: 1, receive_id: 1, algorithm: Algorithm::HmacSha1 },
            _ => Authentication::Md5(secret),
        });
        let error = check(&Peer { authentication, ..peer("127.0.0.11") }).unwrap_err().to_string();
        let expected = format!("peer router-127.0.0.11: a key of {octets} octets in `{setting}`");
        assert!(error.starts_with(&expected), "{error}");
    }
    assert_eq!(format!("{:?}", Secret::new(b"hunter2")), "Secret");
}

/// Where the kernel has TCP-AO it connects; where it has not, it is refused and nothing is sent.
#[tokio::test]
async fn tcp_ao_is_had_or_refused_and_never_falls_back() {
    for (ours, theirs) in ENDS {
        for algorithm in [Algorithm::HmacSha1, Algorithm::Aes128Cmac] {
            let with = |address, secret: &str, send_id, receive_id| {
                let secret = Secret::new(secret.as_bytes());
                Peer {
                    authentication: Some(Authentication::Ao { secret, send_id, receive_id, algorithm }),
                    ..peer(address)
                }
            };
            let (us, them) = (with(ours, "correct horse", 7, 9), with(theirs, "correct horse", 9, 7));
            match check(&us) {
                Ok(()) => {
                    let listener = Listener::bind(at(ours, 0), &[them]).unwrap();
                    let port = listener.address().port();
                    let (dialled, accepted) = tokio::join!(dial(&us, Some(ip(theirs)), port, SOON), accept(&listener));
                    talk(&mut dialled.unwrap(), &mut accepted.unwrap().stream).await;
                    for wrong in [with(ours, "battery staple", 7, 9), peer(ours)] {
                        let error = dial(&wrong, Some(ip(theirs)), port, NEVER).await.unwrap_err();
                        assert!(matches!(error, Error::Silent { .. }), "{error}");
                    }
                }
                Err(error) => {
                    println!("no TCP-AO here: its refusal is tested");
                    assert!(matches!(error, Error::AoMissing { .. }), "{error}");
                    let text = error.to_string();
                    assert!(
                        text.starts_with(&format!("peer router-{ours}: `tcp-ao` is not in this kernel (")),
                        "{text}"
                    );
                    assert!(text.contains("run Linux 6.7 or newer with CONFIG_TCP_AO"), "{text}");
                    // Neither side goes on without it, though the other one would take it.
                    let open = Listener::bind(at(ours, 0), &[peer(theirs)]).unwrap();
                    let dialled = dial(&us, Some(ip(theirs)), open.address().port(), SOON).await;
                    assert!(matches!(dialled, Err(Error::AoMissing { .. })), "{dialled:?}");
                    assert!(timeout(NEVER, poll_fn(|cx| open.poll_accept(cx))).await.is_err());
                    assert!(matches!(Listener::bind(at(ours, 0), &[them]), Err(Error::AoMissing { .. })));
                }
            }
        }
    }
}

#[tokio::test]
async fn gtsm_both_ends_with_it_connect() {
    for (ours, theirs) in ENDS {
        let secured = |address| Peer { ttl: Ttl::Security { hops: 1 }, ..peer(address) };
        let listener = Listener::bind(at(ours, 0), &[secured(theirs)]).unwrap();
        let port = listener.address().port();
        let us = secured(ours);
        let (dialled, accepted) = tokio::join!(dial(&us, Some(ip(theirs)), port, SOON), accept(&listener));
        talk(&mut dialled.unwrap(), &mut accepted.unwrap().stream).await;
    }
}

#[tokio::test]
async fn gtsm_a_connection_from_too_far_is_closed() {
    for (ours, theirs) in ENDS {
        // Not all have it, so that it can't be the kernel who judges the first segment.
        let without = peer(if ip(ours).is_ipv4() { "192.0.2.1" } else { "2001:db8::1" });
        let peers = [Peer { ttl: Ttl::Security { hops: 3 }, ..peer(theirs) }, without];
        let listener = Listener::bind(at(ours, 0), &peers).unwrap();
        let port = listener.address().port();
        for (ttl, near) in [(64, false), (252, false), (253, true), (255, true)] {
            let us = Peer { ttl: Ttl::Sent(ttl), ..peer(ours) };
            let (dialled, accepted) = tokio::join!(dial(&us, Some(ip(theirs)), port, SOON), accept(&listener));
            let mut dialled = dialled.unwrap();
            match accepted {
                Ok(mut accepted) => {
                    assert!(near, "TTL {ttl} was let in");
                    talk(&mut dialled, &mut accepted.stream).await;
                }
                Err(Error::Far { ttl: seen, least: 253, .. }) => {
                    assert_eq!((seen, near), (ttl, false));
                    assert_eq!(timeout(SOON, dialled.read(&mut [0])).await.unwrap().unwrap_or(0), 0);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn gtsm_where_all_peers_have_it_the_first_segment_is_dropped() {
    for (ours, theirs) in ENDS {
        let near = peer(if ip(ours).is_ipv4() { "192.0.2.1" } else { "2001:db8::1" });
        let peers =
            [Peer { ttl: Ttl::Security { hops: 3 }, ..peer(theirs) }, Peer { ttl: Ttl::Security { hops: 1 }, ..near }];
        let listener = Listener::bind(at(ours, 0), &peers).unwrap();
        let port = listener.address().port();
        let far = Peer { ttl: Ttl::Sent(252), ..peer(ours) };
        let error = dial(&far, Some(ip(theirs)), port, NEVER).await.unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
        let near = Peer { ttl: Ttl::Sent(253), ..peer(ours) };
        let (dialled, accepted) = tokio::join!(dial(&near, Some(ip(theirs)), port, SOON), accept(&listener));
        talk(&mut dialled.unwrap(), &mut accepted.unwrap().stream).await;
    }
}

/// With few file descriptors, as which this test runs itself once more.
#[tokio::test]
async fn want_of_file_descriptors_is_waited_out() {
    const INSIDE: &str = "CATCHMENT_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(INSIDE).is_none() {
        let script = "ulimit -n 40 && exec \"$0\" --exact want_of_file_descriptors_is_waited_out";
        let mut command = std::process::Command::new("sh");
        let output =
            command.args(["-c", script]).arg(std::env::current_exe().unwrap()).env(INSIDE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let listener = Listener::bind(at("127.0.0.11", 0), &[peer("127.0.0.1")]).unwrap();
    let _client = std::net::TcpStream::connect(listener.address()).unwrap();
    let files: Vec<std::fs::File> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(matches!(accept(&listener).await, Err(Error::Other { step: "accept", .. })));
    let again = timeout(NEVER, poll_fn(|cx| listener.poll_accept(cx))).await;
    assert!(again.is_err(), "asked again at once: {again:?}");
    drop(files);
    assert_eq!(accept(&listener).await.unwrap().peer, ip("127.0.0.1"));
}

#[tokio::test]
async fn gtsm_what_comes_later_from_too_far_is_dropped() {
    for (ours, theirs) in ENDS {
        let listener = Listener::bind(at(ours, 0), &[Peer { ttl: Ttl::Security { hops: 1 }, ..peer(theirs) }]).unwrap();
        let us = Peer { ttl: Ttl::Security { hops: 1 }, ..peer(ours) };
        let port = listener.address().port();
        let (dialled, accepted) = tokio::join!(dial(&us, Some(ip(theirs)), port, SOON), accept(&listener));
        let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap().stream);
        let set = |stream: &TcpStream, ttl| match ip(ours) {
            IpAddr::V4(_) => socket2::SockRef::from(stream).set_ttl_v4(ttl).unwrap(),
            IpAddr::V6(_) => socket2::SockRef::from(stream).set_unicast_hops_v6(ttl).unwrap(),
        };
        set(&dialled, 254);
        let mut heard = [0; 4];
        dialled.write_all(b"word").await.unwrap();
        let early = timeout(NEVER, accepted.read(&mut heard)).await;
        assert!(early.is_err(), "{ours}: TTL 254 was let in: {early:?} {heard:?}");
        // Sent again by TCP, now as it should be.
        set(&dialled, 255);
        timeout(SOON, accepted.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(&heard, b"word");
        talk(&mut dialled, &mut accepted).await;
    }
}

#[tokio::test]
async fn gtsm_a_router_that_answers_from_too_far_is_not_heard() {
    for (ours, theirs) in ENDS {
        let router = std::net::TcpListener::bind(at(ours, 0)).unwrap();
        let us = Peer { ttl: Ttl::Security { hops: 1 }, ..peer(ours) };
        let error = dial(&us, Some(ip(theirs)), router.local_addr().unwrap().port(), NEVER).await.unwrap_err();
        assert!(matches!(error, Error::Silent { .. }), "{error}");
        assert!(error.to_string().contains("`ttl-security`"), "{error}");
    }
}

#[tokio::test]
async fn errors_name_the_setting_and_the_remedy() {
    let us = peer("127.0.0.11");
    // An address for documentation (RFC 5737): no interface has it.
    let text = dial(&us, Some(ip("192.0.2.1")), 179, SOON).await.unwrap_err().to_string();
    assert_eq!(
        text,
        "peer router-127.0.0.11: this host has no address 192.0.2.1: add it to an interface, or correct `local-address`"
    );
    let free = std::net::TcpListener::bind(at("127.0.0.11", 0)).unwrap().local_addr().unwrap();
    let error = dial(&us, None, free.port(), SOON).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    let listener = Listener::bind(at("127.0.0.11", 0), &[]).unwrap();
    let error = Listener::bind(listener.address(), &[]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{} is in use", listener.address())), "{error}");
    let error = Listener::bind(at("192.0.2.1", 0), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this host has no address 192.0.2.1: add it to an interface, or correct `local-address`"
    );
    // Bound anew at once, while a connection of the former one lives on.
    let address = listener.address();
    let _connection = TcpStream::connect(address).await.unwrap();
    drop(listener);
    Listener::bind(address, &[]).unwrap();
}

#[tokio::test]
async fn bfd_the_ttl_and_both_addresses_of_a_datagram_are_told() {
    for (ours, theirs, any) in [("127.0.0.11", "127.0.0.12", "0.0.0.0"), ("::1", "::1", "::")] {
        let receiver = BfdReceiver::bind(at(any, 0)).unwrap();
        let to = at(ours, receiver.address().port());
        let sender = BfdSender::bind(ip(theirs), 1).unwrap();
        assert!(sender.address().port() >= 49152);
        let plain = std::net::UdpSocket::bind(at(theirs, 0)).unwrap();
        match ip(theirs) {
            IpAddr::V4(_) => socket2::SockRef::from(&plain).set_ttl_v4(254).unwrap(),
            IpAddr::V6(_) => socket2::SockRef::from(&plain).set_unicast_hops_v6(254).unwrap(),
        }
        sender.send(&[1; 24], to).unwrap();
        plain.send_to(&[2; 200], to).unwrap();
        for (from, ttl, len, octet) in [(sender.address(), 255, 24, 1), (plain.local_addr().unwrap(), 254, 64, 2)] {
            let mut buffer = [0; 64];
            let received = timeout(SOON, poll_fn(|cx| receiver.poll_receive(cx, &mut buffer))).await.unwrap().unwrap();
            assert_eq!((received.from, received.to, received.ttl), (from, ip(ours), ttl));
            assert_eq!(buffer[..received.len], vec![octet; len]);
        }
    }
}

#[tokio::test]
async fn bfd_datagrams_wake_nobody_where_that_is_wanted_and_say_when_they_came() {
    let mut receiver = BfdReceiver::bind(at("127.0.0.11", 0)).unwrap();
    let sender = BfdSender::bind(ip("127.0.0.12"), 2).unwrap();
    let mut buffer = [0; 64];
    receiver.watch(false).unwrap();
    assert_eq!(receiver.take(&mut buffer).unwrap(), None);
    // The kernel begins to note times a moment after it is asked to, on a busy machine a longer one; until then it gives that of reading.
    let slack = Duration::from_millis(5);
    let mut noted = false;
    for _ in 0..20 {
        let before = now();
        sender.send(&[1; 24], receiver.address()).unwrap();
        let after = now();
        let wait = Duration::from_millis(60);
        let polled = timeout(wait, poll_fn(|cx| receiver.poll_receive(cx, &mut buffer))).await;
        assert!(polled.is_err(), "{polled:?}");
        let datagram = receiver.take(&mut buffer).unwrap().unwrap();
        assert_eq!((datagram.ttl, receiver.take(&mut buffer).unwrap()), (255, None));
        assert!(datagram.at >= before, "{before:?} {:?}", datagram.at);
        // Two clocks were read one after the other.
        noted |= datagram.at < after + slack;
        if noted {
            break;
        }
    }
    assert!(noted, "the time is that of reading, not of receipt");

    // What waits when it is watched again is found.
    sender.send(&[2; 24], receiver.address()).unwrap();
    receiver.watch(true).unwrap();
    let received = timeout(SOON, poll_fn(|cx| receiver.poll_receive(cx, &mut buffer))).await.unwrap().unwrap();
    assert_eq!((received.len, buffer[0]), (24, 2));
}

#[tokio::test]
async fn bfd_each_session_has_a_source_port_of_its_own() {
    let local = ip("127.0.0.11");
    // The same seed asks for the same port; what is taken is passed over.
    let senders: Vec<BfdSender> = (0..20).map(|_| BfdSender::bind(local, 5).unwrap()).collect();
    let mut ports: Vec<u16> = senders.iter().map(|sender| sender.address().port()).collect();
    ports.sort();
    ports.dedup();
    assert!(ports.len() == 20 && ports[0] >= 49152, "{ports:?}");
    let receiver = BfdReceiver::bind(at("127.0.0.11", 0)).unwrap();
    let error = BfdReceiver::bind(receiver.address()).unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    // ICMP's "nobody listens here" is no error of the next packet.
    let gone = receiver.address();
    drop(receiver);
    for _ in 0..3 {
        senders[0].send(&[0; 24], gone).unwrap();
    }
}

#[test]
fn local_addresses_are_those_of_interfaces_and_of_prefixes_routed_here() {
    let addresses = local_addresses().unwrap();
    assert!(addresses.contains(&ip("127.0.0.1")) && addresses.contains(&ip("::1")), "{addresses:?}");
    // 127.0.0.0/8 is routed to the host as a whole.
    assert!(!addresses.contains(&ip("127.9.9.9")));
    for (address, expected) in
        [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("192.0.2.1", false), ("2001:db8::1", false)]
    {
        assert_eq!(is_local(ip(address)).unwrap(), expected, "{address}");
    }
}

/// In a network namespace, where this test runs itself once more.
#[test]
fn prefixes_routed_to_this_host_count_as_local() {
    const INSIDE: &str = "CATCHMENT_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        let cases = [
            ("192.0.2.1", true),
            ("192.0.3.1", false),
            ("2001:db8::1", true),
            ("2001:db8:1::1", false),
            ("192.0.2.200", true),
        ];
        for (address, expected) in cases {
            assert_eq!(is_local(ip(address)).unwrap(), expected, "{address}");
            assert!(!local_addresses().unwrap().contains(&ip(address)), "{address}");
        }
        return;
    }
    let script = "ip link set lo up && ip route add local 192.0.2.0/24 dev lo \
        && ip -6 route add local 2001:db8::/48 dev lo && exec \"$0\" --exact prefixes_routed_to_this_host_count_as_local";
    let namespace = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]).arg(std::env::current_exe().unwrap());
        command.env(INSIDE, "1").output()
    };
    match namespace("ip link set lo up") {
        Ok(output) if output.status.success() => {}
        other => return support::skip(format!("no network namespace can be made: {other:?}")),
    }
    let output = namespace(script).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_clock_is_that_of_the_boot_and_goes_on() {
    let uptime = || {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        Duration::from_secs_f64(text.split_whitespace().next().unwrap().parse().unwrap())
    };
    let (before, moment, after) = (uptime(), now(), uptime());
    // /proc/uptime has hundredths.
    assert!(before <= moment && moment <= after + Duration::from_millis(11), "{before:?} {moment:?} {after:?}");
    assert!(now() >= moment);
}
