//! Two sessions that talk to each other on virtual time, over connections that delay, cut up, block, break and fall silent.
//! Whatever happened, in the end both are established and each holds what the other wants it to hold.

use super::*;
use crate::announce::bgp::codec::{Context, Decoder, encode};
use crate::announce::prefix::Family;
use crate::announce::route::Attributes;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;

/// Long enough for every wait to end once nothing happens any more: two idle holds of 60 s and some attempts.
const CALM: Duration = Duration::from_secs(300);
/// Steps of one simulation; more would be two sessions that never agree.
const STEPS_MAX: usize = 200_000;
const PREFIXES: [&str; 6] =
    ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.1.2.0/24", "2001:db8:1::/48", "2001:db8:2::/48"];

/// What befalls the two, or the network between them. The number is the end, 0 or 1.
#[derive(Debug, Clone)]
enum Trouble {
    /// An end wants the prefixes of these bits announced, with this community.
    Routes(usize, u8, u32),
    /// All connections are reset.
    Reset,
    /// All connections fall silent for good: nothing arrives, no end hears of it.
    Silence,
    /// An end's send buffers stay full for so many seconds.
    Block(usize, u64),
    /// An end asks for the other's routes.
    Refresh(usize),
    /// BFD of an end.
    Path(usize, PathState),
    /// The operator of an end.
    Stop(usize),
    Start(usize),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let end = 0..2usize;
    let path = prop_oneof![Just(PathState::Up), Just(PathState::Down), Just(PathState::AdminDown)];
    prop_oneof![
        6 => (end.clone(), any::<u8>(), 0..3u32).prop_map(|(end, bits, community)| Trouble::Routes(end, bits, community)),
        2 => Just(Trouble::Reset),
        1 => Just(Trouble::Silence),
        2 => (end.clone(), 1..20u64).prop_map(|(end, secs)| Trouble::Block(end, secs)),
        2 => end.clone().prop_map(Trouble::Refresh),
        1 => (end.clone(), path).prop_map(|(end, state)| Trouble::Path(end, state)),
        1 => end.clone().prop_map(Trouble::Stop),
        1 => end.prop_map(Trouble::Start),
    ]
}

/// What happens at an end of a connection when it arrives.
#[derive(Debug)]
enum Arrival {
    /// The peer wants to connect.
    Knock,
    /// It let us in.
    Welcome,
    Octets(Vec<u8>),
    End,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Pipe {
    /// In the sender's buffer.
    buffer: Vec<u8>,
    /// Under way, in order.
    arrivals: VecDeque<(Moment, Arrival)>,
    /// Reads what arrived.
    reader: Decoder,
}

/// A TCP connection. `pipes[n]` leads to end n.
#[derive(Debug)]
struct Link {
    dialler: usize,
    /// Which ends still have it open.
    open: [bool; 2],
    silent: bool,
    pipes: [Pipe; 2],
}

struct End {
    session: Session,
    wanted: Routes,
    /// The link of each side, an index.
    links: [Option<usize>; 2],
    blocked_until: Moment,
    /// What it holds of the other's routes: their prefixes and communities.
    held: BTreeMap<Prefix, Vec<u32>>,
}

struct World {
    now: Moment,
    draws: Jitter,
    ends: [End; 2],
    links: Vec<Link>,
    context: Context,
}

fn settings(end: usize, passive: bool, low_identifier: bool) -> Peer {
    let numbers = [64501, 4_200_000_000];
    let identifier = Ipv4Addr::new(192, 0, 2, if low_identifier == (end == 0) { 1 } else { 2 });
    let connect_retry = Duration::from_secs(5);
    Peer { passive, connect_retry, ..Peer::new(numbers[end], numbers[1 - end], identifier) }
}

fn wanted(bits: u8, community: u32) -> Routes {
    let all = PREFIXES.iter().map(|text| text.parse::<Prefix>().unwrap()).enumerate();
    all.filter(|(bit, _)| bits >> bit & 1 == 1)
        .map(|(_, prefix)| {
            let next_hop = (prefix.family() == Family::Ipv6).then(|| "2001:db8::2".parse().unwrap());
            (prefix, Attributes { communities: vec![community], next_hop, ..Attributes::default() })
        })
        .collect()
}

fn communities(routes: &Routes) -> BTreeMap<Prefix, Vec<u32>> {
    routes.iter().map(|(prefix, attributes)| (*prefix, attributes.communities.clone())).collect()
}

impl World {
    fn new(seed: u64, passive: bool, low_identifier: bool) -> World {
        let all = [settings(0, false, low_identifier), settings(1, passive, low_identifier)];
        let context = Context::negotiated(&negotiate::open(&all[0]), &negotiate::open(&all[1]));
        let mut number = seed;
        let ends = all.map(|settings| {
            number = number.wrapping_add(1);
            End {
                session: Session::new(settings, number),
                wanted: Routes::new(),
                links: [None, None],
                blocked_until: Moment::ZERO,
                held: BTreeMap::new(),
            }
        });
        World { now: Moment::from_secs(1), draws: Jitter::new(seed), ends, links: Vec::new(), context }
    }

    /// A number below `bound`, at least 1.
    fn draw(&mut self, bound: u64) -> u64 {
        let whole = Duration::from_secs(1 << 20);
        let share = (whole - self.draws.shorten(whole)).as_secs_f64() / (whole / 4).as_secs_f64();
        ((share * bound as f64) as u64).min(bound - 1)
    }

    fn event(&mut self, end: usize, event: Event) {
        let mut out = Vec::new();
        self.ends[end].session.handle(self.now, event, &mut out);
        check_order(&out, &self.context);
        let mut wrote = BTreeSet::new();
        for action in out {
            match action {
                Action::Connect => {
                    assert_eq!(self.ends[end].links[Side::Outgoing as usize], None, "one outgoing connection at most");
                    let mut open = [false; 2];
                    open[end] = true;
                    let pipes = [Pipe::default(), Pipe::default()];
                    self.links.push(Link { dialler: end, open, silent: false, pipes });
                    let link = self.links.len() - 1;
                    self.ends[end].links[Side::Outgoing as usize] = Some(link);
                    self.post(link, 1 - end, Arrival::Knock);
                }
                Action::Send { side, octets } => {
                    let link = self.ends[end].links[side as usize].expect("octets are sent on a connection");
                    self.links[link].pipes[1 - end].buffer.extend(octets);
                    wrote.insert(side);
                }
                Action::Close { side } => {
                    wrote.remove(&side);
                    self.close(end, side);
                }
                Action::Accept | Action::Refuse | Action::Notice(_) => {}
            }
        }
        if self.ends[end].session.state() != State::Established {
            self.ends[end].held.clear();
        }
        for side in wrote {
            self.flush(end, side);
        }
    }

    /// Puts what is in a send buffer on its way, in pieces, if the end is not blocked; says how much is left.
    fn flush(&mut self, end: usize, side: Side) {
        let Some(link) = self.ends[end].links[side as usize] else { return };
        if self.now >= self.ends[end].blocked_until {
            let mut octets = std::mem::take(&mut self.links[link].pipes[1 - end].buffer);
            while !octets.is_empty() {
                let piece = 1 + self.draw(octets.len() as u64) as usize;
                let rest = octets.split_off(piece);
                self.post(link, 1 - end, Arrival::Octets(std::mem::replace(&mut octets, rest)));
            }
        }
        let queued = self.links[link].pipes[1 - end].buffer.len();
        self.event(end, Event::Written { side, queued });
    }

    /// Something is on its way to an end; it overtakes nothing.
    fn post(&mut self, link: usize, to: usize, arrival: Arrival) {
        let delay = Duration::from_millis(1 + self.draw(30));
        let arrivals = &mut self.links[link].pipes[to].arrivals;
        let last = arrivals.back().map_or(Moment::ZERO, |(at, _)| *at);
        arrivals.push_back((last.max(self.now + delay), arrival));
    }

    fn close(&mut self, end: usize, side: Side) {
        let Some(link) = self.ends[end].links[side as usize].take() else { return };
        self.links[link].open[end] = false;
        // The system takes what it can before the end.
        let octets = std::mem::take(&mut self.links[link].pipes[1 - end].buffer);
        if self.now >= self.ends[end].blocked_until && !octets.is_empty() {
            self.post(link, 1 - end, Arrival::Octets(octets));
        }
        self.post(link, 1 - end, Arrival::End);
    }

    fn side(&self, link: usize, end: usize) -> Side {
        if self.links[link].dialler == end { Side::Outgoing } else { Side::Incoming }
    }

    fn arrive(&mut self, link: usize, to: usize, arrival: Arrival) {
        let side = self.side(link, to);
        if self.links[link].silent {
            return;
        }
        let local = "10.0.0.2".parse().unwrap();
        match arrival {
            Arrival::Knock => {
                if !self.links[link].open[1 - to] {
                    return;
                }
                // TCP itself answers.
                self.post(link, 1 - to, Arrival::Welcome);
                let before = self.ends[to].links[side as usize];
                let mut out = Vec::new();
                // Asked apart from `event`, for the answer decides whose connection the rest is about.
                self.ends[to].session.handle(self.now, Event::Accepted { local }, &mut out);
                let accepted = out.contains(&Action::Accept);
                assert_ne!(accepted, out.contains(&Action::Refuse), "either, and not both");
                if !accepted {
                    assert_eq!(out, [Action::Refuse]);
                    self.post(link, 1 - to, Arrival::End);
                    return;
                }
                if before.is_some() {
                    assert_eq!(out.remove(0), Action::Close { side });
                    self.close(to, side);
                }
                self.links[link].open[to] = true;
                self.ends[to].links[side as usize] = Some(link);
                for action in out {
                    if let Action::Send { octets, .. } = action {
                        self.links[link].pipes[1 - to].buffer.extend(octets);
                    }
                }
                self.flush(to, side);
            }
            _ if !self.links[link].open[to] => {}
            Arrival::Welcome => self.event(to, Event::Connected { local }),
            Arrival::Octets(octets) => {
                self.event(to, Event::Octets { side, octets: octets.clone() });
                self.read(link, to, &octets);
            }
            Arrival::End => {
                self.links[link].open[to] = false;
                self.ends[to].links[side as usize] = None;
                self.event(to, Event::Closed { side, error: "end of stream".into() });
            }
        }
    }

    /// Keeps the book of what an end holds.
    fn read(&mut self, link: usize, to: usize, mut octets: &[u8]) {
        while let Some(message) = self.links[link].pipes[to].reader.next(&mut octets, &self.context) {
            let Ok(Message::Update(update)) = message else { continue };
            assert_eq!(update.malformed, None);
            // If this very message ended the session, nothing is held.
            if self.ends[to].session.state() != State::Established {
                continue;
            }
            for prefix in &update.withdrawn {
                self.ends[to].held.remove(prefix);
            }
            for prefix in &update.announced {
                let communities = update.attributes.as_ref().unwrap().communities.clone();
                self.ends[to].held.insert(*prefix, communities);
            }
        }
    }

    /// Once all that an established session sent has arrived, its peer holds nothing that is not wanted.
    fn check_held(&self) {
        for end in 0..2 {
            let (this, other) = (&self.ends[end], &self.ends[1 - end]);
            let Some(exchange) = &this.session.exchange else { continue };
            let Some(link) = this.links[exchange.side as usize].map(|link| &self.links[link]) else { continue };
            let pipe = &link.pipes[1 - end];
            let side = if link.dialler == end { Side::Incoming } else { Side::Outgoing };
            let same = other.session.exchange.as_ref().is_some_and(|theirs| theirs.side == side);
            if same && !link.silent && link.open == [true; 2] && pipe.buffer.is_empty() && pipe.arrivals.is_empty() {
                for prefix in other.held.keys() {
                    assert!(this.wanted.contains_key(prefix), "{prefix} is held and not wanted");
                    assert!(this.session.may_hold(*prefix), "{prefix} is held, and the session doesn't know");
                }
            }
        }
    }

    fn befall(&mut self, trouble: &Trouble) {
        match *trouble {
            Trouble::Routes(end, bits, community) => {
                self.ends[end].wanted = wanted(bits, community);
                self.event(end, Event::Routes(wanted(bits, community)));
            }
            Trouble::Reset => {
                for link in 0..self.links.len() {
                    for end in 0..2 {
                        self.links[link].pipes[end].arrivals.clear();
                        self.links[link].pipes[end].buffer.clear();
                        self.post(link, end, Arrival::End);
                    }
                }
            }
            Trouble::Silence => self.links.iter_mut().for_each(|link| link.silent = true),
            Trouble::Block(end, secs) => self.ends[end].blocked_until = self.now + Duration::from_secs(secs),
            Trouble::Refresh(end) => {
                let Some(exchange) = &self.ends[end].session.exchange else { return };
                let refresh = RouteRefresh { family: Some(Family::Ipv4), subtype: REFRESH_REQUEST };
                let octets = encode(&Message::RouteRefresh(refresh), &self.context);
                let link = self.ends[end].links[exchange.side as usize].expect("there is a connection");
                self.post(link, 1 - end, Arrival::Octets(octets));
            }
            Trouble::Path(end, state) => self.event(end, Event::Path(state)),
            Trouble::Stop(end) => {
                self.event(end, Event::Stop { reason: Reason::AdministrativeShutdown, message: "x".into() });
            }
            Trouble::Start(end) => self.event(end, Event::Start),
        }
    }

    /// Lets all happen that is due before a moment.
    fn run(&mut self, until: Moment, steps: &mut usize) {
        loop {
            *steps += 1;
            assert!(*steps < STEPS_MAX, "the sessions never come to rest");
            self.check_held();
            let arrivals = self.links.iter().enumerate().flat_map(|(number, link)| {
                (0..2).filter_map(move |to| link.pipes[to].arrivals.front().map(|(at, _)| (*at, number, to)))
            });
            let arrival = arrivals.min();
            let timer = (0..2).filter_map(|end| self.ends[end].session.deadline().map(|at| (at, end))).min();
            let waits = |end: &usize| {
                let links = self.ends[*end].links.iter().flatten();
                links.into_iter().any(|link| !self.links[*link].pipes[1 - *end].buffer.is_empty())
            };
            let unblocked = (0..2).filter(waits).map(|end| (self.ends[end].blocked_until, end)).min();
            let times = [arrival.map(|(at, ..)| at), timer.map(|(at, _)| at), unblocked.map(|(at, _)| at)];
            let Some(next) = times.into_iter().flatten().min().filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return;
            };
            self.now = self.now.max(next);
            // Octets before timers, as the machine asks for.
            if let Some((at, link, to)) = arrival.filter(|(at, ..)| *at <= self.now) {
                let (_, arrival) = self.links[link].pipes[to].arrivals.pop_front().expect("there is one");
                assert!(at <= self.now);
                self.arrive(link, to, arrival);
            } else if let Some((_, end)) = unblocked.filter(|(at, _)| *at <= self.now) {
                self.flush(end, Side::Outgoing);
                self.flush(end, Side::Incoming);
            } else if let Some((_, end)) = timer {
                self.event(end, Event::Tick);
                let deadline = self.ends[end].session.deadline();
                assert!(deadline.is_none_or(|deadline| deadline > self.now), "a tick moves the deadline on");
            }
        }
    }
}

/// In what one event brings, no withdrawal comes after anything else that is sent on its connection.
fn check_order(actions: &[Action], context: &Context) {
    for side in [Side::Outgoing, Side::Incoming] {
        let mut others = false;
        for action in actions {
            let Action::Send { side: on, octets } = action else { continue };
            let (mut reader, mut octets) = (Decoder::new(), octets.as_slice());
            while let Some(Ok(message)) = reader.next(&mut octets, context).filter(|_| *on == side) {
                match message {
                    Message::Update(update) if !update.withdrawn.is_empty() => {
                        assert!(!others, "a withdrawal waits behind something else");
                        assert_eq!(update.announced, []);
                    }
                    _ => others = true,
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn two_sessions_agree_in_the_end(
        seed in any::<u64>(),
        passive in any::<bool>(),
        low_identifier in any::<bool>(),
        troubles in prop::collection::vec((0..8000u64, trouble()), 0..40),
    ) {
        let mut world = World::new(seed, passive, low_identifier);
        let mut steps = 0;
        for end in 0..2 {
            world.event(end, Event::Start);
        }
        for (pause_ms, trouble) in &troubles {
            world.run(world.now + Duration::from_millis(*pause_ms), &mut steps);
            world.befall(trouble);
        }
        for end in 0..2 {
            world.event(end, Event::Path(PathState::Up));
            world.event(end, Event::Start);
        }
        world.run(world.now + CALM, &mut steps);
        for end in 0..2 {
            let (this, other) = (&world.ends[end], &world.ends[1 - end]);
            prop_assert_eq!(this.session.state(), State::Established);
            prop_assert_eq!(&other.held, &communities(&this.wanted));
            let advertised: Vec<Prefix> = this.session.advertised().unwrap().keys().copied().collect();
            prop_assert_eq!(advertised, this.wanted.keys().copied().collect::<Vec<_>>());
            let counted = other.session.snapshot().prefixes;
            prop_assert_eq!((counted.ipv4 + counted.ipv6) as usize, this.wanted.len());
        }
        let sides: Vec<_> = world.ends.iter().map(|end| end.session.snapshot().side).collect();
        prop_assert_ne!(sides[0], sides[1], "one connection, seen from both ends");
    }
}
