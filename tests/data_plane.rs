//! The data plane over real sockets, on loopback: what comes in by UDP and TCP, what leaves, what is counted.

use arc_swap::ArcSwap;
use catchment::answer::{Served, Settings, Transport};
use catchment::config::TcpSettings;
use catchment::observe::counters::{Closed, DropCause, Family, Snapshot};
use catchment::serve::socket::{Bound, Listen, SocketOptions, bind};
use catchment::serve::{Options, Running, Unfinished, retire, start};
use catchment::wire::code::{rcode, rtype};
use catchment::wire::name::Name;
use catchment::zone::compile::compile;
use catchment::zone::records::Records;
use catchment::zone::set::{Zone, Zones};
use socket2::SockRef;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

/// What a test waits for at most before it fails.
const PATIENCE: Duration = Duration::from_secs(10);
const ZONE_ID: u32 = 3;

/// `example.` with `www.example. A` of this address, and 60 kB at `big.example. TXT`.
fn served(www: [u8; 4]) -> Arc<Served> {
    let apex = Name::from_text("example.").unwrap();
    let mut records = Records::default();
    records.set_owner(apex.as_wire());
    let soa = [b"\x02ns\x07example\0\x04root\x07example\0".as_slice(), &[0; 3], &[1], &[0, 0, 1, 0].repeat(4)].concat();
    records.push(rtype::SOA, 300, &soa, 0, 1);
    records.push(rtype::NS, 300, b"\x02ns\x07example\0", 0, 2);
    for (name, rdata) in [("ns.example.", [127, 0, 0, 53]), ("www.example.", www)] {
        records.set_owner(Name::from_text(name).unwrap().as_wire());
        records.push(rtype::A, 300, &rdata, 0, 3);
    }
    records.set_owner(Name::from_text("big.example.").unwrap().as_wire());
    for i in 0..225u8 {
        let mut rdata = [i; 250];
        rdata[0] = 249;
        records.push(rtype::TXT, 300, &rdata, 0, 4);
    }
    let (image, findings) = compile(&apex, &records);
    let image = image.unwrap_or_else(|| panic!("{findings:?}"));
    let settings = Settings { keepalive_100ms: 100, ..Settings::plain(1232) };
    Arc::new(Served { zones: Zones::new([Zone::new(ZONE_ID, image.into())]), settings })
}

struct Server {
    addresses: Vec<SocketAddr>,
    running: Running,
    served: Arc<ArcSwap<Served>>,
}

impl Server {
    fn bind(addresses: &[&str], workers: usize) -> Bound {
        let listen = |text: &&str| Listen { address: text.parse().unwrap(), required: true };
        let addresses: Vec<_> = addresses.iter().map(listen).collect();
        bind(&addresses, workers, &SocketOptions::default()).unwrap()
    }

    fn start(bound: Bound, tcp: TcpSettings, query_log: bool) -> Server {
        let addresses = bound.addresses();
        let served = Arc::new(ArcSwap::new(served([192, 0, 2, 1])));
        let options = Options { runtime: Handle::current(), query_log, questions: false, tcp };
        let running = start(bound, served.clone(), options).unwrap();
        running.counters().grow_zones(ZONE_ID as usize + 1);
        Server { addresses, running, served }
    }

    /// On one address, with one worker.
    fn with_tcp(tcp: TcpSettings) -> Server {
        Server::start(Server::bind(&["127.0.0.1:0"], 1), tcp, false)
    }

    fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    fn snapshot(&self) -> Snapshot {
        self.running.counters().snapshot()
    }

    async fn until_closed(&self, cause: Closed, times: u64) {
        eventually(&format!("{times} connections to be closed as {cause:?}"), || {
            self.snapshot().tcp.closed(cause) == times
        })
        .await;
    }

    async fn stop(self) {
        assert_eq!(self.running.stop(PATIENCE).await, Unfinished::default());
    }
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

fn query(id: u16, name: &str, qtype: u16) -> Vec<u8> {
    let name = Name::from_text(name).unwrap();
    [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], name.as_wire(), &qtype.to_be_bytes(), &[0, 1]].concat()
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

/// The address at the end of the answer for `www.example. A`.
fn www(message: &[u8]) -> [u8; 4] {
    assert_eq!((message[2] & 0x80, message[3] & 15, message[7]), (0x80, 0, 1), "{message:?}");
    // The answer's RDATA stands behind the header, the question (17 octets) and the record's other fields.
    message[12 + 17 + 12..][..4].try_into().unwrap()
}

fn udp_client(source: &str) -> UdpSocket {
    let socket = UdpSocket::bind(source).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
    socket
}

fn udp_receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_535];
    let (len, source) = socket.recv_from(&mut buffer).expect("an answer");
    buffer.truncate(len);
    (buffer, source)
}

struct Client(TcpStream);

impl Client {
    async fn connect(server: SocketAddr) -> Client {
        Client(TcpStream::connect(server).await.unwrap())
    }

    async fn connect_from(source: [u8; 4], server: SocketAddr) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(source), 0).into()).unwrap();
        Client(socket.connect(server).await.unwrap())
    }

    async fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).await.unwrap();
    }

    async fn receive(&mut self) -> Vec<u8> {
        let mut message =
            vec![0; timeout(PATIENCE, self.0.read_u16()).await.expect("an answer in time").unwrap().into()];
        timeout(PATIENCE, self.0.read_exact(&mut message)).await.expect("the whole answer in time").unwrap();
        message
    }

    async fn ask(&mut self, id_sent: u16) {
        self.send(&prefixed(&query(id_sent, "www.example.", rtype::A))).await;
        assert_eq!(id(&self.receive().await), id_sent);
    }

    /// The stream's end, by FIN or reset, with nothing before it.
    async fn end(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("the end in time");
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test]
async fn on_a_wildcard_address_the_answer_comes_from_the_address_asked() {
    let server = Server::start(Server::bind(&["0.0.0.0:0", "[::]:0"], 2), TcpSettings::default(), false);
    let [v4, v6] = server.addresses[..] else { panic!() };
    let client = udp_client("127.0.0.1:0");
    for last in 1..=40 {
        let asked = SocketAddr::from(([127, 0, 0, last], v4.port()));
        client.send_to(&query(last.into(), "www.example.", rtype::A), asked).unwrap();
        let (answer, source) = udp_receive(&client);
        assert_eq!((id(&answer), source), (last.into(), asked));
    }
    let client = udp_client("[::1]:0");
    let asked = format!("[::1]:{}", v6.port()).parse().unwrap();
    client.send_to(&query(9, "www.example.", rtype::A), asked).unwrap();
    let (answer, source) = udp_receive(&client);
    assert_eq!((www(&answer), source), ([192, 0, 2, 1], asked));
    // IPv4 over the IPv6 socket is nobody's.
    let refused = TcpStream::connect(("127.0.0.1", v6.port())).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.stop().await;
}

#[tokio::test]
async fn a_flooded_address_does_not_starve_another() {
    let bound = Server::bind(&["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"], 1);
    let addresses = bound.addresses();
    let flood = udp_client("127.0.0.1:0");
    for i in 0..2000 {
        flood.send_to(&query(i, "www.example.", rtype::A), addresses[0]).unwrap();
    }
    let (second, third) = (udp_client("127.0.0.1:0"), udp_client("[::1]:0"));
    second.send_to(&query(2, "www.example.", rtype::A), addresses[1]).unwrap();
    third.send_to(&query(3, "www.example.", rtype::A), addresses[2]).unwrap();
    // All wait when the only worker begins.
    let server = Server::start(bound, TcpSettings::default(), false);
    assert_eq!(id(&udp_receive(&second).0), 2);
    assert_eq!(id(&udp_receive(&third).0), 3);
    for i in 0..2000 {
        assert_eq!(id(&udp_receive(&flood).0), i);
    }
    server.stop().await;
}

#[tokio::test]
async fn many_clients_each_get_their_own_answer_from_several_workers() {
    let server = Server::start(Server::bind(&["127.0.0.1:0"], 3), TcpSettings::default(), false);
    let clients: Vec<_> = (0..40).map(|_| udp_client("127.0.0.1:0")).collect();
    for round in 0..5u16 {
        for (i, client) in clients.iter().enumerate() {
            client.send_to(&query(round << 8 | i as u16, "www.example.", rtype::A), server.address()).unwrap();
        }
    }
    for (i, client) in clients.iter().enumerate() {
        let mut ids: Vec<_> = (0..5).map(|_| id(&udp_receive(client).0)).collect();
        ids.sort();
        assert_eq!(ids, [0, 1, 2, 3, 4].map(|round| round << 8 | i as u16));
    }
    assert_eq!(server.running.beats().len(), 3);
    eventually("all workers to beat", || server.running.beats().iter().all(|age| *age < Duration::from_millis(500)))
        .await;
    server.stop().await;
}

#[tokio::test]
async fn an_overflow_of_the_receive_buffer_is_counted() {
    let options = SocketOptions { receive_buffer: 20_000, ..SocketOptions::default() };
    let listen = Listen { address: "127.0.0.1:0".parse().unwrap(), required: true };
    let bound = bind(&[listen], 1, &options).unwrap();
    let address = bound.addresses()[0];
    let client = udp_client("127.0.0.1:0");
    for i in 0..1000 {
        client.send_to(&query(i, "www.example.", rtype::A), address).unwrap();
    }
    let server = Server::start(bound, TcpSettings::default(), false);
    // Those that were kept are answered; then it is quiet.
    let first = id(&udp_receive(&client).0);
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut buffer = [0; 512];
    let answered = 1 + std::iter::from_fn(|| client.recv(&mut buffer).ok()).count() as u64;
    assert_eq!((first, server.snapshot().dropped(Transport::Udp, DropCause::KernelOverflow)), (0, 0));
    // The kernel tells its count with the next datagram that it keeps, and never again the same drops.
    for _ in 0..2 {
        client.send_to(&query(1, "www.example.", rtype::A), address).unwrap();
        udp_receive(&client);
        assert_eq!(server.snapshot().dropped(Transport::Udp, DropCause::KernelOverflow), 1000 - answered);
    }
    assert!((1..1000).contains(&answered));
    server.stop().await;
}

#[tokio::test]
async fn pipelined_queries_are_answered_in_order() {
    let server = Server::with_tcp(TcpSettings::default());
    let mut client = Client::connect(server.address()).await;
    // More than one read and than one joint write hold.
    let all: Vec<_> = (0..2000).flat_map(|i| prefixed(&query(i, "www.example.", rtype::A))).collect();
    client.send(&all).await;
    for i in 0..2000 {
        let answer = client.receive().await;
        assert_eq!((id(&answer), www(&answer)), (i, [192, 0, 2, 1]));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_query_may_come_octet_by_octet() {
    let server = Server::with_tcp(TcpSettings::default());
    let mut client = Client::connect(server.address()).await;
    client.0.set_nodelay(true).unwrap();
    let two = [prefixed(&query(1, "www.example.", rtype::A)), prefixed(&query(2, "big.example.", rtype::TXT))].concat();
    for octet in two {
        client.send(&[octet]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(www(&client.receive().await), [192, 0, 2, 1]);
    let big = client.receive().await;
    assert_eq!((id(&big), big[3] & 15, big.len() > 50_000), (2, 0, true));
    server.stop().await;
}

#[tokio::test]
async fn the_longest_message_is_read_whole() {
    let server = Server::with_tcp(TcpSettings::default());
    let mut client = Client::connect(server.address()).await;
    let mut longest = query(7, "www.example.", rtype::A);
    longest.resize(65_535, 0);
    client.send(&[prefixed(&longest), prefixed(&query(8, "www.example.", rtype::A))].concat()).await;
    // What it means is the responder's affair: octets after the question and without a record are FORMERR.
    assert_eq!(id(&client.receive().await), 7);
    assert_eq!(www(&client.receive().await), [192, 0, 2, 1]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_ends_its_side_still_gets_its_answers() {
    let server = Server::with_tcp(TcpSettings::default());
    let mut client = Client::connect(server.address()).await;
    client.send(&prefixed(&query(1, "big.example.", rtype::TXT)).repeat(20)).await;
    client.0.shutdown().await.unwrap();
    for _ in 0..20 {
        assert!(client.receive().await.len() > 50_000);
    }
    client.end().await;
    server.until_closed(Closed::ByClient, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn what_gets_no_answer_closes_the_connection_behind_those_before_it() {
    let server = Server::with_tcp(TcpSettings::default());
    for bad in [&[0, 5, 1, 2, 3, 4, 5][..], &[0, 0], &[0, 12, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut client = Client::connect(server.address()).await;
        let good = prefixed(&query(1, "www.example.", rtype::A));
        client.send(&[&good, bad, &good].concat()).await;
        assert_eq!(id(&client.receive().await), 1);
        client.end().await;
    }
    server.until_closed(Closed::BadMessage, 3).await;
    let snapshot = server.snapshot();
    assert_eq!(snapshot.dropped(Transport::Tcp, DropCause::Short), 2);
    assert_eq!(snapshot.dropped(Transport::Tcp, DropCause::Response), 1);
    server.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_from_the_last_query() {
    let idle_timeout = Duration::from_millis(300);
    let server = Server::with_tcp(TcpSettings { idle_timeout, ..TcpSettings::default() });
    let mut client = Client::connect(server.address()).await;
    client.ask(1).await;
    let asked = Instant::now();
    client.ask(2).await;
    client.end().await;
    assert!(asked.elapsed() >= idle_timeout, "{:?}", asked.elapsed());
    assert_eq!(server.snapshot().tcp.closed(Closed::Idle), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_message_that_dribbles_in_is_not_waited_for() {
    let read_timeout = Duration::from_millis(300);
    let server = Server::with_tcp(TcpSettings { read_timeout, ..TcpSettings::default() });
    let mut client = Client::connect(server.address()).await;
    client.send(&[255, 255]).await;
    let begun = Instant::now();
    // Each octet comes well within the time, and the message's end never would.
    let mut buffer = [0];
    while timeout(Duration::from_millis(20), client.0.read(&mut buffer)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE);
        let _ = client.0.write_all(&[0]).await;
    }
    server.until_closed(Closed::ReadTimeout, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn a_slow_reader_waits_alone_and_gets_everything_in_the_end() {
    let server = Server::with_tcp(TcpSettings { write_timeout: Duration::from_secs(60), ..TcpSettings::default() });
    let mut slow = Client::connect(server.address()).await;
    for i in 0..300 {
        slow.send(&prefixed(&query(i, "big.example.", rtype::TXT))).await;
    }
    let mut other = Client::connect(server.address()).await;
    for i in 0..100 {
        other.ask(i).await;
    }
    assert!(server.snapshot().sizes(Transport::Tcp).sum < 300 * 50_000, "the kernel took all: nothing was slow");
    for i in 0..300 {
        let answer = slow.receive().await;
        assert_eq!((id(&answer), answer.len() > 50_000), (i, true));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let server = Server::with_tcp(TcpSettings { write_timeout: Duration::from_millis(200), ..TcpSettings::default() });
    let mut client = Client::connect(server.address()).await;
    client.send(&prefixed(&query(1, "big.example.", rtype::TXT)).repeat(300)).await;
    server.until_closed(Closed::WriteTimeout, 1).await;
    assert_eq!(server.snapshot().tcp.open, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_client_with_too_many_connections_loses_its_idlest() {
    let server = Server::with_tcp(TcpSettings { connections_per_client: 3, ..TcpSettings::default() });
    let mut other = Client::connect_from([127, 0, 0, 2], server.address()).await;
    other.ask(1).await;
    let mut mine = Vec::new();
    for i in 0..3 {
        mine.push(Client::connect(server.address()).await);
        mine[i].ask(i as u16).await;
    }
    mine[0].ask(9).await;
    // Octets that are no whole message are no activity.
    mine[1].send(&[0]).await;
    for victim in [1, 2, 0] {
        let mut new = Client::connect(server.address()).await;
        new.ask(1).await;
        mine[victim].end().await;
        mine.push(new);
    }
    server.until_closed(Closed::EvictedByClient, 3).await;
    other.ask(2).await;
    for client in &mut mine[3..] {
        client.ask(3).await;
    }
    assert_eq!(server.snapshot().tcp.open, 4);
    server.stop().await;
}

#[tokio::test]
async fn with_too_many_connections_in_all_the_idlest_of_all_goes() {
    let server = Server::with_tcp(TcpSettings { connections: 3, ..TcpSettings::default() });
    let mut all = Vec::new();
    for i in 0..3 {
        all.push(Client::connect_from([127, 0, 0, i + 1], server.address()).await);
        all[i as usize].ask(1).await;
    }
    all[0].ask(2).await;
    all[2].ask(2).await;
    all[1].ask(2).await;
    for (i, victim) in [(4, 0), (5, 2), (6, 1)] {
        let mut new = Client::connect_from([127, 0, 0, i], server.address()).await;
        new.ask(1).await;
        all[victim].end().await;
        all.push(new);
    }
    server.until_closed(Closed::EvictedByTotal, 3).await;
    for client in &mut all[3..] {
        client.ask(3).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn segments_are_no_longer_than_told() {
    let server = Server::with_tcp(TcpSettings::default());
    let mut client = Client::connect(server.address()).await;
    client.ask(1).await;
    let mss = SockRef::from(&client.0).tcp_mss().unwrap();
    assert!((1000..=1220).contains(&mss), "{mss}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_has_come_and_ends_all() {
    let bound = Server::bind(&["127.0.0.1:0", "127.0.0.2:0"], 2);
    let udp = udp_client("127.0.0.1:0");
    let server = Server::start(bound, TcpSettings::default(), false);
    let mut idle = Client::connect(server.addresses[1]).await;
    let mut asking = Client::connect(server.address()).await;
    let mut slow = Client::connect(server.address()).await;
    idle.ask(1).await;
    asking.ask(1).await;
    slow.ask(1).await;
    slow.send(&prefixed(&query(2, "big.example.", rtype::TXT)).repeat(100)).await;
    assert!(slow.receive().await.len() > 50_000);
    for i in 0..1000 {
        udp.send_to(&query(i, "www.example.", rtype::A), server.addresses[usize::from(i % 2)]).unwrap();
    }
    for i in 0..50 {
        asking.send(&prefixed(&query(i, "www.example.", rtype::A))).await;
    }
    // Connected, and not accepted before the stop, perhaps.
    let mut late = Client::connect(server.address()).await;
    late.send(&prefixed(&query(7, "www.example.", rtype::A))).await;
    // Behind queries whose answers are still being written.
    slow.send(&prefixed(&query(3, "big.example.", rtype::TXT)).repeat(20)).await;
    let address = server.address();
    let stop = tokio::spawn(server.stop());
    for _ in 0..1000 {
        assert_eq!(www(&udp_receive(&udp).0), [192, 0, 2, 1]);
    }
    for i in 0..50 {
        assert_eq!(id(&asking.receive().await), i);
    }
    assert_eq!(id(&late.receive().await), 7);
    for _ in 0..119 {
        assert!(slow.receive().await.len() > 50_000);
    }
    for client in [&mut idle, &mut asking, &mut late, &mut slow] {
        client.end().await;
    }
    timeout(Duration::from_secs(5), stop).await.expect("the stop within its deadline").unwrap();
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_client_beyond_its_deadline() {
    let server = Server::with_tcp(TcpSettings { write_timeout: Duration::from_secs(60), ..TcpSettings::default() });
    let mut client = Client::connect(server.address()).await;
    client.send(&prefixed(&query(1, "big.example.", rtype::TXT)).repeat(300)).await;
    assert!(client.receive().await.len() > 50_000);
    let begun = Instant::now();
    let unfinished = server.running.stop(Duration::from_millis(300)).await;
    assert_eq!(unfinished, Unfinished { workers: 0, connections: 1 });
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_swap_is_seen_at_once_and_the_old_set_is_freed_though_nobody_asks() {
    let server = Server::start(Server::bind(&["127.0.0.1:0", "127.0.0.2:0"], 2), TcpSettings::default(), false);
    let udp = udp_client("127.0.0.1:0");
    let mut tcp = Client::connect(server.address()).await;
    for last in 1..=5 {
        let old = server.served.swap(served([192, 0, 2, last]));
        udp.send_to(&query(1, "www.example.", rtype::A), server.addresses[usize::from(last % 2)]).unwrap();
        assert_eq!(www(&udp_receive(&udp).0), [192, 0, 2, last]);
        tcp.send(&prefixed(&query(1, "www.example.", rtype::A))).await;
        assert_eq!(www(&tcp.receive().await), [192, 0, 2, last]);
        let freed = Arc::downgrade(&old);
        timeout(PATIENCE, retire(old)).await.expect("no worker keeps it");
        assert!(freed.upgrade().is_none());
    }
    server.stop().await;
}

#[tokio::test]
async fn queries_are_counted_by_kind() {
    let server = Server::start(Server::bind(&["127.0.0.1:0", "[::1]:0"], 2), TcpSettings::default(), false);
    let [v4, v6] = server.addresses[..] else { panic!() };
    let udp = udp_client("127.0.0.1:0");
    for packet in [&[0; 11][..], &[0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        udp.send_to(packet, v4).unwrap();
    }
    let mut octets = 0;
    let mut ask = |socket: &UdpSocket, server, name, qtype| {
        socket.send_to(&query(1, name, qtype), server).unwrap();
        octets += udp_receive(socket).0.len();
    };
    for _ in 0..3 {
        ask(&udp, v4, "www.example.", rtype::A);
    }
    ask(&udp, v4, "nowhere.example.", rtype::AAAA);
    ask(&udp, v4, "elsewhere.test.", 4711);
    ask(&udp, v4, "big.example.", rtype::TXT);
    ask(&udp_client("[::1]:0"), v6, "www.example.", rtype::A);
    let mut tcp = Client::connect(v6).await;
    tcp.ask(1).await;

    let (udp4, udp6) = ((Transport::Udp, Family::V4), (Transport::Udp, Family::V6));
    let expected = [
        (udp4, Some(rtype::A), rcode::NOERROR, 3),
        (udp4, Some(rtype::TXT), rcode::NOERROR, 1),
        (udp4, Some(rtype::AAAA), rcode::NXDOMAIN, 1),
        (udp4, None, rcode::REFUSED, 1),
        (udp6, Some(rtype::A), rcode::NOERROR, 1),
        ((Transport::Tcp, Family::V6), Some(rtype::A), rcode::NOERROR, 1),
    ];
    eventually("all to be counted", || {
        let count = |transport| server.snapshot().latencies(transport).count();
        (count(Transport::Udp), count(Transport::Tcp)) == (9, 1)
    })
    .await;
    let snapshot = server.snapshot();
    let counted: Vec<_> =
        snapshot.queries().map(|q| ((q.transport, q.family), q.qtype, q.rcode.unwrap(), q.count)).collect();
    assert_eq!(counted.len(), expected.len(), "{counted:?}");
    for kind in expected {
        assert!(counted.contains(&kind), "{kind:?} in {counted:?}");
    }
    assert_eq!((snapshot.sizes(Transport::Udp).count(), snapshot.sizes(Transport::Udp).sum), (7, octets as u64));
    assert_eq!((snapshot.truncated(Transport::Udp), snapshot.truncated(Transport::Tcp)), (1, 0));
    assert_eq!(snapshot.dropped(Transport::Udp, DropCause::Short), 1);
    assert_eq!(snapshot.dropped(Transport::Udp, DropCause::Response), 1);
    assert_eq!(snapshot.dropped(Transport::Udp, DropCause::SendFailed), 0);
    assert_eq!(snapshot.zones()[ZONE_ID as usize], 7);
    assert_eq!(snapshot.zones().iter().sum::<u64>(), 7);
    assert_eq!((snapshot.tcp.open, snapshot.tcp.accepted), (1, 1));
    drop(tcp);
    server.until_closed(Closed::ByClient, 1).await;
    assert_eq!(server.snapshot().tcp.open, 0);
    server.stop().await;
}

/// What tracing writes, from all threads of this test program.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn queries_are_logged_for_those_who_asked_for_it_and_no_others() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let udp = udp_client("127.0.0.1:0");
    for (query_log, name) in [(false, "quiet.example."), (true, "logged.example.")] {
        let server = Server::start(Server::bind(&["127.0.0.1:0"], 1), TcpSettings::default(), query_log);
        udp.send_to(&query(1, name, rtype::MX), server.address()).unwrap();
        udp_receive(&udp);
        let mut tcp = Client::connect(server.address()).await;
        tcp.send(&prefixed(&query(1, name, rtype::AAAA))).await;
        tcp.receive().await;
        server.stop().await;
    }
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("quiet"), "{text}");
    let logged: Vec<_> = text.lines().filter(|line| line.contains("name=logged.example.")).collect();
    assert_eq!(logged.len(), 2, "{text}");
    assert!(logged[0].contains("transport=\"udp\"") && logged[0].contains("qtype=MX rcode=\"NXDOMAIN\""), "{text}");
    assert!(logged[1].contains("transport=\"tcp\"") && logged[1].contains("qtype=AAAA"), "{text}");
    assert!(logged.iter().all(|line| !line.contains("dropped")), "only of what got no answer: {text}");
}
