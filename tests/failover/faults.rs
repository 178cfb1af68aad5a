//! The faults, each with what may be lost by it.

use crate::client::{Figures, answer, question};
use crate::lab::{Kind, Lab};
use crate::pop::{Pop, RECEIVE_LIMIT, Setup, USUAL};
use crate::relay::Relay;
use crate::router::{BURST, wait_until};
use crate::router_gobgp::Monitor;
use crate::speaker::{self, Speaker};
use crate::support::wedge::wedge;
use crate::topology::Family;
use nix::sys::signal::Signal::{SIGHUP, SIGKILL, SIGSTOP, SIGTERM};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// No query is lost.
    NoneLost,
    /// The outage is at most this.
    Outage(Duration),
    /// Only what the run itself checks.
    Checked,
}

/// What one run gave.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// What the client saw, IPv4 and IPv6.
    pub(crate) figures: Option<[Figures; 2]>,
    /// Where nothing is forwarded: from the fault to the router's changed choice.
    pub(crate) chosen: Option<[Duration; 2]>,
    /// More that was seen, for the table.
    pub(crate) notes: Vec<String>,
}

/// What a run gives; the error says what was not as it should be.
pub(crate) type Run = Result<Outcome, String>;

/// One row.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) target_text: &'static str,
    pub(crate) routers: &'static [Kind],
    /// Whether it takes so long that a check has it behind one router only.
    pub(crate) slow: bool,
    pub(crate) run: fn(&mut Lab) -> Run,
}

const ANY: &[Kind] = &Kind::ALL;
const FORWARDING: &[Kind] = &[Kind::Bird, Kind::Frr];
/// How long anything may take that has no target of its own.
const PATIENCE: Duration = Duration::from_secs(30);

const fn row(
    name: &'static str,
    target: Target,
    target_text: &'static str,
    routers: &'static [Kind],
    run: fn(&mut Lab) -> Run,
) -> Fault {
    Fault { name, target, target_text, routers, slow: false, run }
}

/// A row that takes long.
const fn slow(fault: Fault) -> Fault {
    Fault { slow: true, ..fault }
}

const fn ms(millis: u64) -> Target {
    Target::Outage(Duration::from_millis(millis))
}

/// All of them, as the documentation lists them.
pub(crate) const FAULTS: &[Fault] = &[
    row("drain: SIGTERM to the server", Target::NoneLost, "0 lost", ANY, drain_server),
    row("drain: SIGTERM to the sidecar", Target::NoneLost, "0 lost", ANY, drain_sidecar),
    row("drain: `catchment drain`, `undrain`", Target::NoneLost, "0 lost", FORWARDING, drain_command),
    row("server killed (-9)", ms(100), "≤ 100 ms", ANY, |lab| {
        switch(lab, &USUAL, |lab| lab.one.signal_server(SIGKILL))
    }),
    row("sidecar killed (-9)", ms(50), "≤ 50 ms", ANY, |lab| {
        switch(lab, &USUAL, |lab| lab.one.signal_announcer(SIGKILL))
    }),
    row("server stopped (SIGSTOP), probe 100 ms x 3", ms(500), "≤ 500 ms", ANY, |lab| {
        switch(lab, &USUAL, |lab| lab.one.signal_server(SIGSTOP))
    }),
    row("server stopped (SIGSTOP), lease alone", ms(2000), "≤ 2 s", ANY, |lab| {
        switch(lab, &lease_alone(), |lab| lab.one.signal_server(SIGSTOP))
    }),
    row("one worker thread wedged, lease alone", ms(2000), "≤ 2 s", FORWARDING, one_worker_wedged),
    row("host cut off, BFD 100 ms x 3", ms(400), "≤ 400 ms", FORWARDING, |lab| {
        switch(lab, &USUAL, |lab| lab.net.cut_off("p1"))
    }),
    slow(row("host cut off, no BFD, hold 9 s", ms(9500), "≤ 9.5 s", FORWARDING, |lab| {
        switch(lab, &Setup { bfd: false, ..USUAL }, |lab| lab.net.cut_off("p1"))
    })),
    row("server and sidecar stopped, BFD", ms(400), "≤ 400 ms", FORWARDING, |lab| {
        switch(lab, &USUAL, |lab| lab.one.signal_announcer(SIGSTOP).and_then(|()| lab.one.signal_server(SIGSTOP)))
    }),
    row("PoP returns, hold-down 3 s", Target::NoneLost, "0 lost", FORWARDING, pop_returns),
    row("flood on PoP 1 until its probes fail", Target::Checked, "route stays; 0 lost at PoP 2", FORWARDING, flood),
    row("router restarted", Target::Checked, "recovers", FORWARDING, router_restart),
    row("sessions reset by the router", Target::Checked, "recovers", FORWARDING, session_reset),
    slow(row("wrong MD5 key", Target::NoneLost, "0 lost; says why; recovers", FORWARDING, wrong_key)),
    slow(row("too many routes", Target::NoneLost, "0 lost; says why; recovers", FORWARDING, too_many_routes)),
    row("malformed updates", Target::NoneLost, "0 lost; says why; recovers", FORWARDING, malformed),
    row("every PoP stale at once", Target::NoneLost, "0 lost; all announce", FORWARDING, all_stale),
    row("TCP across a cut-off, BFD", Target::Checked, "reset ≤ 1 s; dig succeeds", FORWARDING, tcp),
];

/// The lease decides: so many probes don't fail in time.
fn lease_alone() -> Setup {
    Setup { fall: 1000, ..USUAL }
}

/// PoP 1 has the traffic, then something is done, then PoP 2 has it.
pub(crate) fn switch(lab: &mut Lab, setup: &Setup, act: impl FnOnce(&mut Lab) -> Result<(), String>) -> Run {
    lab.settle(setup, &USUAL)?;
    measure(lab, act)
}

fn measure(lab: &mut Lab, act: impl FnOnce(&mut Lab) -> Result<(), String>) -> Run {
    if !lab.kind.forwards() {
        return watch(lab, act);
    }
    let from = Instant::now();
    act(lab)?;
    lab.wait_moved(2, PATIENCE)?;
    Ok(Outcome { figures: Some(lab.figures(from)), ..Outcome::default() })
}

/// The same by the router's own monitor.
fn watch(lab: &mut Lab, act: impl FnOnce(&mut Lab) -> Result<(), String>) -> Run {
    let [v4, v6] = [Monitor::start(&lab.net, Family::V4)?, Monitor::start(&lab.net, Family::V6)?];
    let monitors = [(Family::V4, &v4), (Family::V6, &v6)];
    // The monitor tells what there is when it begins to watch.
    for (family, monitor) in monitors {
        let seen = || Ok(monitor.text().contains(&family.pop(1).to_string()));
        wait_until("the monitor shows PoP 1", PATIENCE, seen)?;
    }
    let from = Instant::now();
    act(lab)?;
    let mut chosen = [Duration::ZERO; 2];
    for (family, monitor) in monitors {
        wait_until("the router chooses PoP 2", PATIENCE, || Ok(monitor.moved_to(2, family, from).is_some()))
            .map_err(|error| format!("{error}; the monitor said:\n{}", monitor.text()))?;
        let at = monitor.moved_to(2, family, from).expect("just seen");
        chosen[family as usize] = at.duration_since(from);
    }
    Ok(Outcome { chosen: Some(chosen), ..Outcome::default() })
}

/// Waits for the end of a process, and wants exit code 0.
fn ended_well(process: Option<&mut crate::support::process::Process>, what: &str) -> Result<(), String> {
    let process = process.ok_or("it does not run")?;
    let mut status = None;
    wait_until(&format!("{what} ends"), PATIENCE, || {
        status = process.ended();
        Ok(status.is_some())
    })?;
    match status.and_then(|status| status.code()) {
        Some(0) => Ok(()),
        _ => Err(format!("{what} ended with {status:?}")),
    }
}

fn drain_server(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    let mut took = Duration::ZERO;
    let mut outcome = measure(lab, |lab| {
        lab.one.signal_server(SIGTERM)?;
        if lab.kind.forwards() {
            ended_well(lab.one.server.as_mut(), "the server")?;
            took = from.elapsed();
        }
        Ok(())
    })?;
    if lab.kind.forwards() {
        outcome.notes.push(format!("the server ended after {}", secs(took)));
    }
    Ok(outcome)
}

fn drain_sidecar(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    let mut took = Duration::ZERO;
    let mut outcome = measure(lab, |lab| {
        lab.one.signal_announcer(SIGTERM)?;
        if lab.kind.forwards() {
            ended_well(lab.one.announcer.as_mut(), "the sidecar")?;
            took = from.elapsed();
        }
        Ok(())
    })?;
    if lab.kind.forwards() {
        outcome.notes.push(format!("the sidecar ended after {}", secs(took)));
    }
    Ok(outcome)
}

fn drain_command(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    lab.one.tell("drain")?;
    lab.wait_moved(2, PATIENCE)?;
    let asked = Instant::now();
    lab.one.tell("undrain")?;
    lab.wait_moved(1, PATIENCE)?;
    let back = lab.figures(asked)[0].moved.unwrap_or_default();
    let notes = vec![format!("there and back; back {} after `undrain`", secs(back))];
    Ok(Outcome { figures: Some(lab.figures(from)), notes, ..Outcome::default() })
}

/// The worker that is wedged is the one that answers our client: with two, a client may well be the other's.
fn one_worker_wedged(lab: &mut Lab) -> Run {
    lab.settle(&lease_alone(), &USUAL)?;
    let server = lab.one.server.as_ref().ok_or("the server does not run")?.pid();
    let before = switches(server)?;
    std::thread::sleep(Duration::from_millis(500));
    let busiest = switches(server)?
        .into_iter()
        .filter_map(|(tid, count)| {
            let earlier = before.iter().find(|(other, _)| *other == tid)?.1;
            Some((count - earlier, tid))
        })
        .max()
        .ok_or("no UDP worker")?
        .1;
    let mut held = None;
    let outcome = measure(lab, |_| {
        held = Some(wedge(busiest).map_err(|error| format!("ptrace: {error}"))?);
        Ok(())
    });
    drop(held);
    outcome
}

/// Times that each UDP worker of a server has waited, by thread id.
fn switches(pid: u32) -> Result<Vec<(u32, u64)>, String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
    let count = |path: std::path::PathBuf| {
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        let tid = path.file_name()?.to_str()?.parse().ok()?;
        name.starts_with("udp-").then_some((tid, line.trim().parse().ok()?))
    };
    Ok(threads.flatten().filter_map(|thread| count(thread.path())).collect())
}

fn pop_returns(lab: &mut Lab) -> Run {
    const HOLD_DOWN: Duration = Duration::from_secs(3);
    lab.settle(&Setup { hold_down: "3s", ..USUAL }, &USUAL)?;
    let killed = Instant::now();
    lab.one.signal_server(SIGKILL)?;
    lab.client.wait_for(2, &Family::BOTH, PATIENCE)?;
    std::thread::sleep(Duration::from_millis(600));
    let from = Instant::now();
    lab.one.start_server(&lab.net)?;
    lab.wait_moved(1, PATIENCE)?;
    let figures = lab.figures(from);
    let mut notes = Vec::new();
    for (family, figures) in Family::BOTH.into_iter().zip(figures) {
        let moved = figures.moved.ok_or("the traffic did not move")?;
        let since = (from + moved).duration_since(killed);
        // The clock of the hold-down began when the withdrawal was decided, a little after the kill.
        if since < HOLD_DOWN {
            return Err(format!(
                "{}: back {since:?} after the fault, before the hold-down of {HOLD_DOWN:?}",
                family.name()
            ));
        }
        notes.push(format!("{} back {} after the fault", family.name(), secs(since)));
    }
    Ok(Outcome { figures: Some(figures), notes, ..Outcome::default() })
}

/// PoP 1 loses so many of 100 packets while it is flooded, whoever sent them.
const LOSS: u32 = 95;
/// Queries a second of the flood.
const FLOOD: u32 = 20_000;

fn flood(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    // As on a link that is full: most packets are dropped before they reach the server, those of its own probes too.
    lab.net.lose("p1", LOSS)?;
    let from = Instant::now();
    let done = AtomicBool::new(false);
    let watched = std::thread::scope(|scope| {
        let enter = lab.net.entrance("c");
        scope.spawn(|| {
            enter();
            pour(&done);
        });
        let watched = watch_routes(lab, Duration::from_secs(5));
        done.store(true, Ordering::Relaxed);
        watched
    });
    let explain = lab.one.explain();
    watched?;
    let until = Instant::now();
    lab.net.heal("p1")?;
    if !explain.contains("overload") {
        return Err(format!("probes fail while answers flow, and nothing is said of an overload:\n{explain}"));
    }
    let lost = Family::BOTH.map(|family| lab.second.figures(family, from, until));
    let own = Family::BOTH.map(|family| lab.client.figures(family, from, until));
    if lost.iter().any(|figures| figures.lost > 0) {
        return Err(format!("the other PoP's client lost queries: {lost:?}"));
    }
    lab.wait_moved(1, PATIENCE)?;
    let share = |figures: &Figures| 100 * figures.lost / figures.sent.max(1);
    let notes = vec![format!(
        "{FLOOD} queries/s at a PoP that loses {LOSS} % of all; its own client lost {} % and {} %, the other PoP's {} of {}",
        share(&own[0]),
        share(&own[1]),
        lost[0].lost + lost[1].lost,
        lost[0].sent + lost[1].sent
    )];
    Ok(Outcome { notes, ..Outcome::default() })
}

/// Sends queries from many ports, at [`FLOOD`] a second at most.
fn pour(done: &AtomicBool) {
    const BURST: u32 = FLOOD / 200;
    let sockets: Vec<UdpSocket> = (0..16).filter_map(|_| UdpSocket::bind("0.0.0.0:0").ok()).collect();
    let service = SocketAddr::new(Family::V4.service(), 53);
    let packet = question(0);
    let mut next = Instant::now();
    while !done.load(Ordering::Relaxed) {
        for n in 0..BURST {
            let _ = sockets[n as usize % sockets.len()].send_to(&packet, service);
        }
        next += Duration::from_millis(5);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Both PoPs must be in the router's table all the time.
fn watch_routes(lab: &Lab, time: Duration) -> Result<(), String> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for family in Family::BOTH {
            let routes = lab.router.routes(&lab.net, family)?;
            if routes != [1, 2] {
                return Err(format!("{}: the router has routes of {routes:?} only", family.name()));
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn router_restart(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    lab.router.kill();
    lab.router.start(&lab.net)?;
    let started = Instant::now();
    recovered(lab, from, started, "the router's start")
}

fn session_reset(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    lab.router.reset(&lab.net)?;
    recovered(lab, from, from, "the reset")
}

/// After too many routes the sidecar stays away from the router for 60 s.
const RECOVERY: Duration = Duration::from_secs(90);

/// Waits until PoP 1 has the traffic again.
fn recovered(lab: &Lab, from: Instant, since: Instant, what: &str) -> Run {
    lab.wait_announced(&[1, 2], RECOVERY)?;
    let announced = since.elapsed();
    lab.wait_moved(1, PATIENCE)?;
    let notes = vec![format!("announced again {} after {what}", secs(announced))];
    Ok(Outcome { figures: Some(lab.figures(from)), notes, ..Outcome::default() })
}

/// The key of the router.
const KEY: &str = "of-both-sides";

/// What `explain` says while a router with another key keeps silent.
const SUSPICION: &str = "another key than `password-file`";

fn wrong_key(lab: &mut Lab) -> Run {
    // A router that has only just started takes no orders yet.
    wait_until("the router takes a password", PATIENCE, || lab.router.password(&lab.net, Some(KEY)).map(|()| true))?;
    let outcome = with_wrong_key(lab);
    lab.router.password(&lab.net, None)?;
    outcome
}

fn with_wrong_key(lab: &mut Lab) -> Run {
    lab.settle(&Setup { password: Some(KEY), ..USUAL }, &USUAL)?;
    lab.one.kill();
    lab.client.wait_for(2, &Family::BOTH, PATIENCE)?;
    lab.one = Pop::new(1, Setup { password: Some("of-one-side-only"), ..USUAL });
    let from = Instant::now();
    lab.one.start(&lab.net)?;
    says(lab, SUSPICION)?;
    let said = from.elapsed();
    std::thread::sleep(Duration::from_secs(2));
    lab.client.wait_for(2, &Family::BOTH, PATIENCE)?;
    let explain = lab.one.explain() + &lab.one.log();
    lab.one.setup.password = Some(KEY);
    lab.one.configure();
    lab.one.signal_announcer(SIGHUP)?;
    let corrected = Instant::now();
    let mut outcome = recovered(lab, from, corrected, "the right key and SIGHUP")?;
    outcome.notes.push(format!("{} after {} s", reason(&explain, SUSPICION), said.as_secs()));
    Ok(outcome)
}

/// Waits until the announcer says something with `text` in it.
fn says(lab: &Lab, text: &str) -> Result<(), String> {
    let said = || Ok(lab.one.log().contains(text) || lab.one.explain().contains(text));
    wait_until(&format!("the announcer says `{text}`"), PATIENCE, said)
}

/// The line that says why, for the table: without time, level and fields of a log line.
fn reason(said: &str, text: &str) -> String {
    let line = said.lines().find(|line| line.contains(text)).unwrap_or_default();
    let line = line.split_once(" WARN ").map_or(line, |(_, rest)| rest);
    let line = line.split_once(" router=").map_or(line, |(rest, _)| rest).trim();
    // A bar would end a table's cell.
    format!("it said: “{}”", line.replace('|', "/"))
}

/// Cease 6/1 (RFC 4486 section 4).
const TOO_MANY: &str = "maximum number of prefixes";

fn too_many_routes(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let from = Instant::now();
    lab.router.burst(&lab.net, true)?;
    let said = says(lab, TOO_MANY);
    let mut closed = said.and_then(|()| {
        let gone = || {
            Ok(lab.router.routes(&lab.net, Family::V4)? != [1, 2] && lab.router.routes(&lab.net, Family::V6)? != [1, 2])
        };
        wait_until("the announcer closes the sessions", PATIENCE, gone)
    });
    let explain = lab.one.explain() + &lab.one.log();
    let withdrawn = lab.router.burst(&lab.net, false);
    let since = Instant::now();
    closed = closed.and(withdrawn);
    closed?;
    let mut outcome = recovered(lab, from, since, "the routes were withdrawn")?;
    outcome.notes.insert(0, format!("{BURST} routes, limit {RECEIVE_LIMIT}"));
    outcome.notes.push(reason(&explain, TOO_MANY));
    Ok(outcome)
}

fn malformed(lab: &mut Lab) -> Run {
    let peers = format!(
        "[[peer]]\nname = \"odd\"\naddress = \"{}\"\nport = {}\nas = {}\nlocal-address = \"{}\"\nfamilies = [\"ipv4\"]\nconnect-retry = \"1s\"\n",
        speaker::ADDRESS,
        speaker::PORT,
        speaker::AS,
        Family::V4.pop(1),
    );
    let io = |error: std::io::Error| format!("the odd router: {error}");
    let speaker = Speaker::new(&lab.net).map_err(io)?;
    lab.settle(&Setup { peers, ..USUAL }, &USUAL)?;
    let mut session = speaker.session(PATIENCE).map_err(io)?;
    let from = Instant::now();
    // RFC 7606 section 7.1: an ORIGIN of an undefined value is treated as a withdrawal; the session stays.
    session.update(9).map_err(io)?;
    if let Some((kind, body)) = session.hear(Duration::from_secs(1)).map_err(io)? {
        return Err(format!("an undefined ORIGIN got message {kind} {body:?}; RFC 7606 keeps the session"));
    }
    // Section 3 (a): attributes longer than the message leave nothing but a reset. 3/1 is Malformed Attribute List.
    session.overlong().map_err(io)?;
    match session.hear(Duration::from_secs(2)).map_err(io)? {
        Some((speaker::NOTIFICATION, body)) if body.starts_with(&[3, 1]) => {}
        other => return Err(format!("attributes longer than the message got {other:?}, not NOTIFICATION 3/1")),
    }
    let reset = Instant::now();
    drop(session);
    let explain = lab.one.explain() + &lab.one.log();
    let mut again = speaker.session(PATIENCE).map_err(io)?;
    let took = reset.elapsed();
    if again.hear(Duration::from_millis(500)).map_err(io)?.is_some() {
        return Err("the new session does not hold".into());
    }
    lab.client.wait_for(1, &Family::BOTH, PATIENCE)?;
    let lower = explain.to_lowercase();
    if !lower.contains("malformed") {
        return Err(format!("nothing is said of malformed updates:\n{explain}"));
    }
    let notes = vec![format!("session again after {}", secs(took))];
    Ok(Outcome { figures: Some(lab.figures(from)), notes, ..Outcome::default() })
}

fn all_stale(lab: &mut Lab) -> Run {
    // Paths in directories of their own: PoPs come and go.
    let dir = crate::support::process::TempDir::new("relays");
    let paths = [1, 2].map(|pop| dir.path().join(format!("lease{pop}")));
    let servers = [1, 2].map(|pop| dir.path().join(format!("server{pop}")));
    let relays: Vec<Relay> = paths
        .iter()
        .zip(&servers)
        .map(|(path, server)| {
            Relay::new(path.clone(), server.clone()).map_err(|error| format!("{}: {error}", path.display()))
        })
        .collect::<Result<_, _>>()?;
    let [one, two] = [0, 1].map(|n| Setup { lease: Some((servers[n].clone(), paths[n].clone())), ..USUAL });
    lab.settle(&one, &two)?;
    let from = Instant::now();
    relays.iter().for_each(|relay| relay.set_stale(true));
    for pop in [&lab.one, &lab.two] {
        wait_until("both PoPs are DEPREF", PATIENCE, || Ok(pop.explain().contains("DEPREF")))?;
    }
    watch_routes(lab, Duration::from_secs(2))?;
    let figures = lab.figures(from);
    lab.two.kill();
    let notes = vec!["both DEPREF, both in the router's table".into()];
    Ok(Outcome { figures: Some(figures), notes, ..Outcome::default() })
}

/// A query in a stream (RFC 1035 section 4.2.2).
fn ask_tcp(stream: &mut TcpStream) -> std::io::Result<usize> {
    let packet = question(1);
    stream.write_all(&[&(packet.len() as u16).to_be_bytes()[..], &packet].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut packet = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut packet)?;
    answer(&packet).map(|(_, pop)| pop).ok_or_else(|| std::io::Error::other("no good answer"))
}

fn tcp(lab: &mut Lab) -> Run {
    lab.settle(&USUAL, &USUAL)?;
    let mut streams = Vec::new();
    for family in Family::BOTH {
        let stream = lab.net.within("c", || TcpStream::connect(SocketAddr::new(family.service(), 53)));
        let mut stream = stream.map_err(|error| format!("TCP: {error}"))?;
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).and_then(|()| stream.set_nodelay(true)).map_err(|error| error.to_string())?;
        match ask_tcp(&mut stream) {
            Ok(1) => streams.push((family, stream)),
            other => return Err(format!("over TCP PoP 1 should answer: {other:?}")),
        }
    }
    let from = Instant::now();
    lab.net.cut_off("p1")?;
    // Asked into the outage, on the open connections and on new ones.
    let net = &lab.net;
    let (resets, digs) = std::thread::scope(|scope| {
        let digs = Family::BOTH.map(|family| {
            scope.spawn(move || {
                let service = format!("@{}", family.service());
                let said = net.run("c", "DIG", &["+tcp", "+short", "+norec", &service, "www.example.com", "A"])?;
                Ok::<_, String>((said, from.elapsed()))
            })
        });
        let resets: Vec<_> = streams
            .into_iter()
            .map(|(family, mut stream)| scope.spawn(move || (family, ask_tcp(&mut stream), from.elapsed())))
            .collect();
        let resets: Vec<_> = resets.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        (resets, digs.map(|thread| thread.join().expect("no panic")))
    });
    let mut notes = Vec::new();
    for (family, result, took) in resets {
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset && took <= Duration::from_secs(1) => {
                notes.push(format!("{}: open connection reset after {}", family.name(), secs(took)));
            }
            other => {
                return Err(format!("{}: an open connection should be reset: {other:?} after {took:?}", family.name()));
            }
        }
    }
    for (family, result) in Family::BOTH.into_iter().zip(digs) {
        match result? {
            (said, took) if said == "192.0.2.80\n" => {
                notes.push(format!("{}: `dig +tcp` answered after {}", family.name(), secs(took)));
            }
            (said, _) => return Err(format!("{}: dig said {said:?}", family.name())),
        }
    }
    lab.wait_moved(2, PATIENCE)?;
    Ok(Outcome { figures: Some(lab.figures(from)), notes, ..Outcome::default() })
}

/// For tables.
pub(crate) fn secs(time: Duration) -> String {
    match time.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
