//! A session: the state machine, the timers and their negotiation (RFC 5880 6.8).
//!
//! ```text
//!                          +------ hears AdminDown, nothing ------+
//!                          v                                      |
//!   Start  --> [ Down ] -- hears Down --> [ Init ] -- hears Init or Up --> [ Up ]
//!                |  ^                                               ^       |
//!                |  +--- hears Down, AdminDown or, for the detection time, nothing
//!                +--------------------- hears Init -----------------+
//!
//!   AdminDown (from any) --> [ AdminDown ], silent after a while --> Start
//! ```
//!
//! Timers work on three numbers each way: what this end says in its packets, what is in force (they differ until the peer has
//! answered a poll, 6.8.3), and what the peer said. While the session is not Up, this end says that it sends once a second.

use super::packet::{Diagnostic, Discard, LEN, Packet, State};
use crate::announce::Moment;
use std::time::Duration;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Least interval at which a session that is not Up says that it sends (6.8.3).
const SLOW_US: u32 = 1_000_000;
/// Shortest interval; what settings ask for below it is raised.
const INTERVAL_US_MIN: u32 = 1_000;
/// One in the fixed-point numbers of the jitter.
const ONE: u64 = 1 << 16;
/// The part of an interval that lies between two packets at least (6.8.7).
const LEAST_WAIT: u64 = ONE * 3 / 4;

/// What is set for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How often packets are to pass each way, if the peer agrees: 1 ms to 4,294 s.
    pub interval: Duration,
    /// Intervals without a packet after which the session is down: the peer applies it to ours, we apply the peer's. At
    /// least 1.
    pub multiplier: u8,
    /// Whether there may be routers between the ends (RFC 5883).
    pub multihop: bool,
    /// Least TTL of a packet that counts, for `multihop`. Over a single hop it is always 255 (RFC 5881 5).
    pub min_ttl: u8,
}

impl Default for Settings {
    /// 100 ms, 3, a single hop.
    fn default() -> Self {
        Settings { interval: Duration::from_millis(100), multiplier: 3, multihop: false, min_ttl: 255 }
    }
}

impl Settings {
    fn interval_us(&self) -> u32 {
        u32::try_from(self.interval.as_micros()).unwrap_or(u32::MAX).max(INTERVAL_US_MIN)
    }

    fn least_ttl(&self) -> u8 {
        if self.multihop { self.min_ttl } else { 255 }
    }
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The operator wants it; it begins in Down. Nothing if it is not AdminDown.
    Start,
    /// A datagram came in.
    Packet {
        /// Its payload.
        octets: &'a [u8],
        /// TTL or hop limit that it arrived with.
        ttl: u8,
        /// When it arrived: it may have waited in the socket, and the detection time counts from here.
        at: Moment,
    },
    /// A deadline came. What waits in the socket is to be handled before: a process that was kept from running must not
    /// take its own absence for the peer's.
    Tick,
    /// The caller is awake for something else: a packet that is due soon may go now, and saves it from waking again for it.
    Awake,
    /// The operator switches it off (6.8.16). The peer is told.
    AdminDown,
    /// Interval and multiplier were set anew; the session stays in its state (6.8.3).
    Retime {
        /// As in [`Settings`].
        interval: Duration,
        /// As in [`Settings`].
        multiplier: u8,
    },
}

/// What is to be done, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send this, with TTL 255.
    Send([u8; LEN]),
    /// The path works.
    Up,
    /// It did, and does no longer.
    Down {
        /// Why.
        diagnostic: Diagnostic,
        /// One of the operators wanted it, and nothing says that the path is broken: clients go on without BFD (RFC 5882
        /// 3.2).
        administrative: bool,
    },
}

/// The polling of the peer about changed intervals (6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    Idle,
    /// The next periodic packet will have P; until then F answers nothing of ours.
    Wanted,
    /// P was sent, and all that has P said the same.
    Sent,
    /// P was sent, then the intervals changed again: F may mean the former ones, so that one more sequence follows.
    Outdated,
}

/// What the peer said last; defaults of 6.8.1 while it said nothing.
#[derive(Debug, Clone, Copy)]
struct Remote {
    discriminator: u32,
    state: State,
    demand: bool,
    detect_mult: u8,
    desired_min_tx_us: u32,
    required_min_rx_us: u32,
}

const UNHEARD: Remote = Remote {
    discriminator: 0,
    state: State::Down,
    demand: false,
    detect_mult: 0,
    desired_min_tx_us: 0,
    required_min_rx_us: 1,
};

/// One end of a BFD session.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    seed: u64,
    /// Numbers drawn from the seed so far.
    drawn: u64,

    state: State,
    since: Moment,
    diagnostic: Diagnostic,
    discriminator: u32,
    remote: Remote,

    /// What packets say.
    desired_min_tx_us: u32,
    required_min_rx_us: u32,
    /// What is in force: until the peer's consent no longer interval for sending, no shorter one for receiving.
    tx_in_force_us: u32,
    rx_in_force_us: u32,
    poll: Poll,

    /// When the last periodic packet was sent, and the part of the interval after which the next one follows, of [`ONE`].
    sent: Option<Moment>,
    jitter: u64,
    /// When the last packet was received; `None` once the detection time is over.
    heard: Option<Moment>,
    /// Until when AdminDown is told.
    told_until: Moment,

    packets_in: u64,
    packets_out: u64,
    discarded: [u64; Discard::ALL.len()],
    flaps: u64,
}

/// What a session looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Moment,
    /// Why it last went down.
    pub diagnostic: Diagnostic,
    /// The peer's state as it said last; Down if nothing is heard.
    pub remote_state: State,
    /// Whether the peer is in Demand mode, so that nothing periodic is sent to it.
    pub remote_demand: bool,
    /// Its name at this end.
    pub discriminator: u32,
    /// Its name at the peer's; 0 if unknown.
    pub remote_discriminator: u32,
    /// Between packets to the peer, before jitter takes up to a quarter off.
    pub transmit_interval: Duration,
    /// The peer sends no faster than this.
    pub receive_interval: Duration,
    /// Silence after which the session goes down; zero if nothing is heard.
    pub detection_time: Duration,
    /// Whether changed intervals still wait for the peer's consent.
    pub polling: bool,
    /// Packets received and not discarded.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
    /// Packets discarded, by cause.
    pub discarded: [(Discard, u64); Discard::ALL.len()],
    /// Times that it went from Up to Down for another cause than this end's operator.
    pub flaps: u64,
}

impl Session {
    /// A session in AdminDown, silent until [`Event::Start`]. All that is random in it (its discriminator, which others
    /// should not be able to guess, and the jitter) follows from the seed. Where several sessions get one discriminator, which
    /// hardly happens, the caller makes one of them anew with another seed.
    pub fn new(settings: Settings, seed: u64) -> Session {
        let settings = Settings { multiplier: settings.multiplier.max(1), ..settings };
        let mut session = Session {
            settings,
            seed,
            drawn: 0,
            state: State::AdminDown,
            since: Moment::ZERO,
            diagnostic: Diagnostic::NONE,
            discriminator: 0,
            remote: UNHEARD,
            desired_min_tx_us: settings.interval_us().max(SLOW_US),
            required_min_rx_us: settings.interval_us(),
            tx_in_force_us: settings.interval_us().max(SLOW_US),
            rx_in_force_us: settings.interval_us(),
            poll: Poll::Idle,
            sent: None,
            jitter: ONE,
            heard: None,
            told_until: Moment::ZERO,
            packets_in: 0,
            packets_out: 0,
            discarded: [0; Discard::ALL.len()],
            flaps: 0,
        };
        while session.discriminator == 0 {
            session.discriminator = session.draw() as u32;
        }
        session
    }

    /// Its name at this end: what the peer's packets have as Your Discriminator.
    pub fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// The UDP port to send to (RFC 5881 4, RFC 5883 5).
    pub fn port(&self) -> u16 {
        if self.settings.multihop { super::PORT_MULTIHOP } else { super::PORT_SINGLE_HOP }
    }

    /// Whether the path works.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Takes an event, and gives what is to be done about it.
    pub fn handle(&mut self, now: Moment, event: Event<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start => self.start(now, &mut actions),
            Event::Packet { octets, ttl, at } => match self.receive(now, octets, ttl, &mut actions) {
                Ok(()) => {
                    self.packets_in += 1;
                    self.heard = Some(at);
                }
                // The enum's order is that of `ALL`.
                Err(cause) => self.discarded[cause as usize] += 1,
            },
            Event::Tick => self.tick(now, &mut actions),
            Event::Awake => self.send_early(now, &mut actions),
            Event::AdminDown => self.switch_off(now, &mut actions),
            Event::Retime { interval, multiplier } => {
                (self.settings.interval, self.settings.multiplier) = (interval, multiplier.max(1));
                self.retime();
                self.jitter(now);
            }
        }
        actions
    }

    /// When it wants a [`Event::Tick`]. Later than the last one; may have passed after any other event.
    pub fn deadline(&self) -> Option<Moment> {
        [self.transmission(), self.expiry()].into_iter().flatten().min()
    }

    /// While it is Up and sends: how long it waits between two packets at most. So often its caller is awake in any case.
    pub fn rhythm(&self) -> Option<Duration> {
        (self.is_up() && self.transmission().is_some()).then(|| micros(self.transmit_interval_us()))
    }

    /// What explains it.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            remote_state: self.remote.state,
            remote_demand: self.remote.demand,
            discriminator: self.discriminator,
            remote_discriminator: self.remote.discriminator,
            transmit_interval: micros(self.transmit_interval_us()),
            receive_interval: micros(self.rx_in_force_us.max(self.remote.desired_min_tx_us)),
            detection_time: self.detection_time(),
            polling: self.poll != Poll::Idle,
            packets_in: self.packets_in,
            packets_out: self.packets_out,
            discarded: Discard::ALL.map(|cause| (cause, self.discarded[cause as usize])),
            flaps: self.flaps,
        }
    }

    fn start(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.state == State::AdminDown {
            self.forget();
            self.change(now, State::Down, true, actions);
            self.send_periodic(now, actions);
        }
    }

    /// 6.8.16: the peer is told for a detection time.
    fn switch_off(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.state == State::AdminDown {
            return;
        }
        self.diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
        self.change(now, State::AdminDown, true, actions);
        self.poll = Poll::Idle;
        self.heard = None;
        self.told_until = now.saturating_add(micros(self.transmit_interval_us()) * u32::from(self.settings.multiplier));
        self.send_periodic(now, actions);
    }

    /// The rules of 6.8.6, one by one, and in their order.
    fn receive(&mut self, now: Moment, octets: &[u8], ttl: u8, actions: &mut Vec<Action>) -> Result<(), Discard> {
        // RFC 5881 5: discarded before anything is believed.
        if ttl < self.settings.least_ttl() {
            return Err(Discard::Ttl);
        }
        // Version to authentication.
        let packet = Packet::decode(octets, self.discriminator)?;
        self.remote = Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            demand: packet.demand,
            detect_mult: packet.detect_mult,
            desired_min_tx_us: packet.desired_min_tx_us,
            required_min_rx_us: packet.required_min_rx_us,
        };
        // Required Min Echo RX: no Echo packets are sent that could cease.
        if packet.is_final {
            self.end_poll();
        }
        // Transmit interval and detection time are worked out from what was just stored, whenever they are needed.
        let was = self.state;
        match (was, packet.state) {
            (State::AdminDown, _) => return Err(Discard::AdminDown),
            (State::Down, State::AdminDown) => {}
            (_, State::AdminDown) | (State::Up, State::Down) => {
                self.diagnostic = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
                self.change(now, State::Down, packet.state == State::AdminDown, actions);
            }
            (State::Down, State::Down) => self.change(now, State::Init, false, actions),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.change(now, State::Up, false, actions);
            }
            _ => {}
        }
        // Demand mode of this end never becomes active. Whether the peer's lets periodic packets cease: `transmission`.
        if packet.poll {
            // 6.8.7: at once, whatever the timers say. It tells a change of state as well.
            self.send(Packet { is_final: true, ..self.packet() }, actions);
        } else if self.state != was {
            self.send(self.packet(), actions);
        }
        Ok(())
    }

    fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.expiry().is_some_and(|expiry| expiry <= now) {
            // 6.8.1: what the peer said counts no longer.
            self.heard = None;
            self.forget();
            // 6.8.4.
            if matches!(self.state, State::Init | State::Up) {
                self.diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
                self.change(now, State::Down, false, actions);
                self.send(self.packet(), actions);
            }
        }
        if self.transmission().is_some_and(|transmission| transmission <= now) {
            self.send_periodic(now, actions);
        }
    }

    /// Goes to another state. Clients hear of it before the peer does.
    fn change(&mut self, now: Moment, state: State, administrative: bool, actions: &mut Vec<Action>) {
        let was_up = self.is_up();
        (self.state, self.since) = (state, now);
        self.retime();
        if self.is_up() {
            actions.push(Action::Up);
        } else if was_up {
            self.flaps += u64::from(state != State::AdminDown);
            actions.push(Action::Down { diagnostic: self.diagnostic, administrative });
        }
    }

    fn forget(&mut self) {
        (self.remote, self.poll) = (UNHEARD, Poll::Idle);
    }

    /// Says and applies what settings and state ask for (6.8.3).
    fn retime(&mut self) {
        let interval_us = self.settings.interval_us();
        let said = (self.desired_min_tx_us, self.required_min_rx_us);
        self.required_min_rx_us = interval_us;
        self.desired_min_tx_us = if self.is_up() { interval_us } else { interval_us.max(SLOW_US) };
        if self.is_up() {
            // The peer must know of longer intervals before it has to wait for packets, and must send at the shorter ones
            // before they are expected.
            self.tx_in_force_us = self.tx_in_force_us.min(self.desired_min_tx_us);
            self.rx_in_force_us = self.rx_in_force_us.max(self.required_min_rx_us);
        } else {
            (self.tx_in_force_us, self.rx_in_force_us) = (self.desired_min_tx_us, self.required_min_rx_us);
        }
        if said != (self.desired_min_tx_us, self.required_min_rx_us) && self.remote.discriminator != 0 {
            self.poll = match self.poll {
                Poll::Idle | Poll::Wanted => Poll::Wanted,
                Poll::Sent | Poll::Outdated => Poll::Outdated,
            };
        }
    }

    /// The peer answered a poll.
    fn end_poll(&mut self) {
        match self.poll {
            Poll::Idle | Poll::Wanted => {}
            Poll::Outdated => self.poll = Poll::Wanted,
            Poll::Sent => {
                self.poll = Poll::Idle;
                (self.tx_in_force_us, self.rx_in_force_us) = (self.desired_min_tx_us, self.required_min_rx_us);
            }
        }
    }

    /// 6.8.2, 6.8.7.
    fn transmit_interval_us(&self) -> u32 {
        self.tx_in_force_us.max(self.remote.required_min_rx_us)
    }

    /// 6.8.4: what the peer is expected to do, so the multiplier is the peer's.
    fn detection_time(&self) -> Duration {
        micros(self.rx_in_force_us.max(self.remote.desired_min_tx_us)) * u32::from(self.remote.detect_mult)
    }

    /// When the peer's silence means that it is gone.
    fn expiry(&self) -> Option<Moment> {
        Some(self.heard?.saturating_add(self.detection_time()))
    }

    /// When the next periodic packet is due (6.8.7). A shorter interval counts from the last packet (6.8.3), so it may be
    /// due at once.
    fn transmission(&self) -> Option<Moment> {
        self.transmission_after(self.jitter)
    }

    /// The same, were this the part of the interval to wait for.
    fn transmission_after(&self, part: u64) -> Option<Moment> {
        let wait_us = (u64::from(self.transmit_interval_us()) * part).div_ceil(ONE);
        let due = self.sent?.saturating_add(Duration::from_micros(wait_us));
        let both_up = self.is_up() && self.remote.state == State::Up;
        let unwanted = self.remote.required_min_rx_us == 0
            || self.remote.demand && both_up && self.poll == Poll::Idle
            || self.state == State::AdminDown && due > self.told_until;
        (!unwanted).then_some(due)
    }

    /// Any part of an interval from three quarters on will do (6.8.7): what the caller woke up for is as good as chance.
    fn send_early(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.transmission_after(LEAST_WAIT).is_some_and(|earliest| earliest <= now) {
            self.send_periodic(now, actions);
        }
    }

    /// Only periodic packets have P (6.5).
    fn send_periodic(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.poll == Poll::Wanted {
            self.poll = Poll::Sent;
        }
        self.send(Packet { poll: self.poll != Poll::Idle, ..self.packet() }, actions);
        self.sent = Some(now);
        self.jitter(now);
    }

    /// 6.8.7: 75 to 100 % of the interval; to 90 % where the first packet that is late ends the session. Drawn from the moment,
    /// not from the seed: sessions that have sent together will do so again, and one wake of the caller serves them all.
    fn jitter(&mut self, now: Moment) {
        let span = if self.settings.multiplier == 1 { ONE * 15 / 100 } else { ONE / 4 };
        self.jitter = LEAST_WAIT + xxh3_64(&now.as_nanos().to_le_bytes()) % span;
    }

    fn send(&mut self, packet: Packet, actions: &mut Vec<Action>) {
        self.packets_out += 1;
        actions.push(Action::Send(packet.encode()));
    }

    /// What this end has to say now (6.8.7).
    fn packet(&self) -> Packet {
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: false,
            is_final: false,
            control_plane_independent: false,
            demand: false,
            detect_mult: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx_us: self.desired_min_tx_us,
            required_min_rx_us: self.required_min_rx_us,
            required_min_echo_rx_us: 0,
        }
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed)
    }
}

fn micros(us: u32) -> Duration {
    Duration::from_micros(us.into())
}

#[cfg(test)]
mod tests;
