//! Two sessions on virtual time, with a pipe between them that delays and loses what it is told to.

use super::packet::{LEN, State};
use super::session::{Action, Event, Session, Settings};
use crate::announce::Moment;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What the pipe does with the packets of one direction, in the order in which they are sent; then again from the first. None
/// overtakes another: where a path reorders, an old Down that comes after Up is a new Down (RFC 5880 has no sequence numbers
/// without authentication).
#[derive(Debug, Clone)]
struct Pipe {
    /// Microseconds on the way.
    delays_us: Vec<u64>,
    /// Whether each is lost.
    losses: Vec<bool>,
    cut: bool,
    packets: usize,
    last_arrival: Moment,
}

impl Pipe {
    fn new(delays_us: Vec<u64>, losses: Vec<bool>) -> Pipe {
        Pipe { delays_us, losses, cut: false, packets: 0, last_arrival: Moment::ZERO }
    }

    fn arrival(&mut self, now: Moment) -> Option<Moment> {
        let at = self.packets;
        self.packets += 1;
        let lost = self.cut || self.losses[at % self.losses.len()];
        if lost {
            return None;
        }
        let delay = Moment::from_micros(self.delays_us[at % self.delays_us.len()]);
        self.last_arrival = self.last_arrival.max(now + delay);
        Some(self.last_arrival)
    }
}

struct World {
    now: Moment,
    ends: [Session; 2],
    /// From end 0, from end 1.
    pipes: [Pipe; 2],
    /// By time and order of sending: to whom, and what.
    flying: BTreeMap<(Moment, u64), (usize, [u8; LEN])>,
    sent: u64,
    /// When each end reported which state.
    reports: Vec<(Moment, usize, bool)>,
}

impl World {
    fn new(settings: [Settings; 2], pipes: [Pipe; 2], seed: u64) -> World {
        let ends = [Session::new(settings[0], seed), Session::new(settings[1], seed.wrapping_add(1))];
        // Away from zero, where a clock of a host is too.
        let now = Moment::from_secs(1000);
        World { now, ends, pipes, flying: BTreeMap::new(), sent: 0, reports: Vec::new() }
    }

    fn event(&mut self, end: usize, event: Event<'_>) {
        for action in self.ends[end].handle(self.now, event) {
            match action {
                Action::Up => self.reports.push((self.now, end, true)),
                Action::Down { .. } => self.reports.push((self.now, end, false)),
                Action::Send(octets) => {
                    self.sent += 1;
                    if let Some(arrival) = self.pipes[end].arrival(self.now) {
                        self.flying.insert((arrival, self.sent), (1 - end, octets));
                    }
                }
            }
        }
    }

    fn start(&mut self) {
        (0..2).for_each(|end| self.event(end, Event::Start));
    }

    fn run(&mut self, millis: u64) {
        let until = self.now + Moment::from_millis(millis);
        loop {
            let arrival = self.flying.first_key_value().map(|((at, _), _)| *at);
            let deadlines = [0, 1].map(|end| self.ends[end].deadline());
            let Some(next) = deadlines.into_iter().flatten().chain(arrival).min().filter(|next| *next <= until) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival == Some(next)
                && let Some((_, (to, octets))) = self.flying.pop_first()
            {
                let at = self.now;
                self.event(to, Event::Packet { octets: &octets, ttl: 255, at });
                continue;
            }
            for (end, deadline) in deadlines.into_iter().enumerate() {
                if deadline == Some(next) {
                    self.event(end, Event::Tick);
                }
            }
        }
        self.now = until;
    }

    fn both_up(&self) -> bool {
        self.ends.iter().all(Session::is_up)
    }

    fn flaps(&self) -> u64 {
        self.ends.iter().map(|end| end.snapshot().flaps).sum()
    }
}

fn perfect() -> Pipe {
    Pipe::new(vec![1000], vec![false])
}

/// Loses at most `most` packets in a row.
fn losses(most: usize) -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(0..=most, 1..40)
        .prop_map(|runs| runs.into_iter().flat_map(|run| std::iter::repeat_n(true, run).chain([false])).collect())
}

fn settings(millis: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Settings> {
    millis.prop_map(|ms| Settings { interval: Moment::from_millis(ms), ..Settings::default() })
}

#[test]
fn both_come_up_and_agree_on_100_ms() {
    let mut world = World::new([Settings::default(); 2], [perfect(), perfect()], 1);
    world.start();
    world.run(2000);
    assert!(world.both_up());
    let before = world.sent;
    world.run(10_000);
    // 100 to 134 packets a side: 100 ms less up to a quarter.
    let packets = world.sent - before;
    assert!((200..=268).contains(&packets), "{packets}");
    for end in &world.ends {
        let snapshot = end.snapshot();
        assert_eq!((snapshot.state, snapshot.remote_state, snapshot.polling), (State::Up, State::Up, false));
        assert_eq!(snapshot.transmit_interval, Moment::from_millis(100));
        assert_eq!(snapshot.detection_time, Moment::from_millis(300));
        assert_eq!(snapshot.discarded.iter().map(|(_, count)| count).sum::<u64>(), 0);
        assert_eq!(snapshot.packets_in + snapshot.packets_out, world.sent);
    }
}

#[test]
fn one_end_is_switched_off_and_on_again() {
    let mut world = World::new([Settings::default(); 2], [perfect(), perfect()], 2);
    world.start();
    world.run(2000);
    world.event(0, Event::AdminDown);
    world.run(10_000);
    let states = [0, 1].map(|end| world.ends[end].snapshot().state);
    assert_eq!(states, [State::AdminDown, State::Down]);
    world.event(0, Event::Start);
    world.run(2000);
    assert!(world.both_up());
}

#[test]
fn one_end_restarts_with_another_discriminator() {
    let mut world = World::new([Settings::default(); 2], [perfect(), perfect()], 3);
    world.start();
    world.run(2000);
    world.ends[0] = Session::new(Settings::default(), 77);
    world.event(0, Event::Start);
    world.run(3000);
    assert!(world.both_up());
    assert_eq!(world.ends[1].snapshot().flaps, 1);
}

#[test]
fn a_path_that_works_in_one_direction_only_is_down_for_both() {
    let mut world = World::new([Settings::default(); 2], [perfect(), perfect()], 4);
    world.start();
    world.run(2000);
    world.pipes[0].cut = true;
    let cut = world.now;
    world.run(1000);
    // End 1 hears nothing and says so; end 0 hears that.
    let [(first, 1, false), (second, 0, false)] = world.reports[2..] else { panic!("{:?}", world.reports) };
    assert!(first - cut <= Moment::from_millis(301) && second - first == Moment::from_millis(1));
}

proptest! {
    #[test]
    fn they_come_up_over_a_pipe_that_loses_half(
        seed: u64,
        settings in [settings(50..=2000), settings(50..=2000)],
        delays in proptest::collection::vec(0..200_000u64, 1..20),
        losses in [losses(1), losses(1)],
    ) {
        let pipes = losses.map(|losses| Pipe::new(delays.clone(), losses));
        let mut world = World::new(settings, pipes, seed);
        world.start();
        for _ in 0..60 {
            world.run(500);
            if world.both_up() {
                return Ok(());
            }
        }
        prop_assert!(false, "not up after 30 s");
    }

    /// One packet in a row may be lost where delays vary by less than an interval: what arrives is at most 3 intervals apart.
    #[test]
    fn they_never_flap_below_the_loss_threshold_whatever_the_delay(
        seed: u64,
        delays in proptest::collection::vec(0..99_000u64, 1..20),
        losses in [losses(1), losses(1)],
    ) {
        let pipes = losses.map(|losses| Pipe::new(delays.clone(), losses));
        let mut world = World::new([Settings::default(); 2], pipes, seed);
        world.start();
        world.run(60_000);
        prop_assert!(world.both_up());
        prop_assert_eq!(world.flaps(), 0);
    }

    /// Two where they do not vary.
    #[test]
    fn they_never_flap_below_the_loss_threshold(seed: u64, delay in 0..50_000u64, losses in [losses(2), losses(2)]) {
        let pipes = losses.map(|losses| Pipe::new(vec![delay], losses));
        let mut world = World::new([Settings::default(); 2], pipes, seed);
        world.start();
        world.run(60_000);
        prop_assert!(world.both_up());
        prop_assert_eq!(world.flaps(), 0);
    }

    #[test]
    fn silence_is_noticed_within_the_detection_time(
        seed: u64,
        settings in [settings(10..=1500), settings(10..=1500)],
        delay in 0..5_000u64,
        later in 0..1000u64,
    ) {
        let mut world = World::new(settings, [Pipe::new(vec![delay], vec![false]), Pipe::new(vec![delay], vec![false])], seed);
        world.start();
        world.run(20_000 + later);
        prop_assert!(world.both_up());
        let detection_times = [0, 1].map(|end| world.ends[end].snapshot().detection_time);
        let slower = settings[0].interval.max(settings[1].interval);
        prop_assert_eq!(detection_times, [3 * slower; 2]);
        world.pipes.iter_mut().for_each(|pipe| pipe.cut = true);
        let cut = world.now;
        world.run(10_000);
        prop_assert_eq!(world.reports.len(), 4);
        for (at, _, up) in &world.reports[2..] {
            // Packets of the last moment are still on their way.
            prop_assert!(!up && *at - cut <= 3 * slower + Moment::from_micros(delay), "{:?}", *at - cut);
        }
        // And they come back.
        world.pipes.iter_mut().for_each(|pipe| pipe.cut = false);
        world.run(20_000);
        prop_assert!(world.both_up());
    }

    /// Intervals change by poll, over a pipe that loses packets, and never bring the session down.
    #[test]
    fn intervals_are_changed_while_it_is_up(
        seed: u64,
        changes in proptest::collection::vec((0..2usize, 20..=2000u64, 0..3000u64), 1..10),
        losses in [losses(2), losses(2)],
        delay in 0..5_000u64,
    ) {
        let pipes = losses.map(|losses| Pipe::new(vec![delay], losses));
        let mut world = World::new([Settings::default(); 2], pipes, seed);
        world.start();
        world.run(30_000);
        prop_assert!(world.both_up());
        let mut millis = [100, 100];
        for (end, interval, wait) in changes {
            millis[end] = interval;
            world.event(end, Event::Retime { interval: Moment::from_millis(interval), multiplier: 3 });
            world.run(wait);
        }
        world.run(30_000);
        prop_assert_eq!(world.flaps(), 0);
        // Losses that repeat may hit every answer to a poll. Then it goes on; one answer ends it.
        world.pipes.iter_mut().for_each(|pipe| pipe.losses = vec![false]);
        world.run(10_000);
        prop_assert_eq!(world.flaps(), 0);
        let slower = Moment::from_millis(millis[0].max(millis[1]));
        for end in &world.ends {
            let snapshot = end.snapshot();
            prop_assert!(!snapshot.polling);
            prop_assert_eq!(snapshot.transmit_interval, slower);
            prop_assert_eq!(snapshot.detection_time, 3 * slower);
        }
    }
}
