//! The rules of RFC 5880 6, each under its section, on virtual time.

use super::*;
use proptest::prelude::*;

const PEER: u32 = 0xfeed;

fn ms(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

/// What a peer says in some state; 100 ms both ways, x 3.
fn says(session: &Session, state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        is_final: false,
        control_plane_independent: false,
        demand: false,
        detect_mult: 3,
        my_discriminator: PEER,
        your_discriminator: session.discriminator(),
        desired_min_tx_us: 100_000,
        required_min_rx_us: 100_000,
        required_min_echo_rx_us: 0,
    }
}

fn hear(session: &mut Session, now: Moment, packet: Packet) -> Vec<Action> {
    session.handle(now, Event::Packet { octets: &packet.encode(), ttl: 255, at: now })
}

fn sent(actions: &[Action]) -> Vec<Packet> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send(octets) => Some(Packet::decode(octets, PEER).unwrap()),
        _ => None,
    });
    sent.collect()
}

fn started(settings: Settings) -> Session {
    let mut session = Session::new(settings, 7);
    session.handle(ms(0), Event::Start);
    session
}

/// A session that heard Init at 10 ms.
fn up_with(settings: Settings) -> Session {
    let mut session = started(settings);
    let init = says(&session, State::Init);
    assert!(hear(&mut session, ms(10), init).contains(&Action::Up));
    session
}

fn up() -> Session {
    up_with(Settings::default())
}

/// Up, and the poll about the faster interval answered at 20 ms.
fn settled(settings: Settings) -> Session {
    let mut session = up_with(settings);
    session.handle(session.transmission().unwrap(), Event::Tick);
    let answer = Packet { is_final: true, ..says(&session, State::Up) };
    let now = session.sent.unwrap();
    hear(&mut session, now, answer);
    assert_eq!(session.poll, Poll::Idle);
    session
}

#[test]
fn section_6_8_1_discriminators_are_not_zero_and_follow_from_the_seed() {
    let of = |seed| Session::new(Settings::default(), seed).discriminator();
    assert_eq!(of(1), of(1));
    let mut all: Vec<u32> = (0..1000).map(of).collect();
    all.sort();
    all.dedup();
    assert!(all.len() == 1000 && all[0] != 0);
}

#[test]
fn section_6_8_1_it_starts_in_down_and_says_so() {
    let mut session = Session::new(Settings::default(), 7);
    assert_eq!((session.snapshot().state, session.deadline()), (State::AdminDown, None));
    let first = sent(&session.handle(ms(5), Event::Start));
    let expected = Packet {
        my_discriminator: session.discriminator(),
        your_discriminator: 0,
        desired_min_tx_us: 1_000_000,
        ..says(&session, State::Down)
    };
    assert_eq!(first, [expected]);
    assert!(session.handle(ms(6), Event::Start).is_empty());
}

#[test]
fn section_6_2_the_state_machine() {
    use State::*;
    let table = [
        (Down, AdminDown, Down),
        (Down, Down, Init),
        (Down, Init, Up),
        (Down, Up, Down),
        (Init, AdminDown, Down),
        (Init, Down, Init),
        (Init, Init, Up),
        (Init, Up, Up),
        (Up, AdminDown, Down),
        (Up, Down, Down),
        (Up, Init, Up),
        (Up, Up, Up),
        (AdminDown, AdminDown, AdminDown),
        (AdminDown, Down, AdminDown),
        (AdminDown, Init, AdminDown),
        (AdminDown, Up, AdminDown),
    ];
    for (before, heard, after) in table {
        let mut session = started(Settings::default());
        let word = |session: &Session, state| Some(says(session, state));
        let way = match before {
            Down => None,
            Init => word(&session, Down),
            Up | AdminDown => word(&session, Init),
        };
        way.map(|packet| hear(&mut session, ms(10), packet));
        if before == AdminDown {
            session.handle(ms(11), Event::AdminDown);
        }
        assert_eq!(session.state, before);
        let packet = says(&session, heard);
        let actions = hear(&mut session, ms(20), packet);
        assert_eq!(session.state, after, "{before} hears {heard}");
        // 6.8.7: a change is told at once.
        let told: Vec<State> = sent(&actions).iter().map(|packet| packet.state).collect();
        assert_eq!(told, if before == after { vec![] } else { vec![after] }, "{before} hears {heard}");
        assert_eq!(actions.contains(&Action::Up), before != Up && after == Up);
        let down = Action::Down {
            diagnostic: Diagnostic::NEIGHBOR_SIGNALED_DOWN,
            administrative: heard == AdminDown, // RFC 5882 3.2
        };
        assert_eq!(actions.contains(&down), before == Up && after == Down, "{before} hears {heard}: {actions:?}");
        assert_eq!(session.snapshot().since, if before == after { session.since } else { ms(20) });
    }
}

#[test]
fn rfc_5881_section_5_a_single_hop_takes_ttl_255_only() {
    let mut session = up_with(Settings { min_ttl: 1, ..Settings::default() });
    for ttl in [0, 1, 64, 254] {
        let down = says(&session, State::Down).encode();
        assert!(session.handle(ms(20), Event::Packet { octets: &down, ttl, at: ms(20) }).is_empty());
    }
    let snapshot = session.snapshot();
    assert_eq!((snapshot.state, snapshot.packets_in), (State::Up, 1));
    assert_eq!(snapshot.discarded[0], (Discard::Ttl, 4));
}

#[test]
fn rfc_5883_section_5_multihop_has_a_port_and_a_least_ttl_of_its_own() {
    let mut session = started(Settings { multihop: true, min_ttl: 250, ..Settings::default() });
    assert_eq!((session.port(), up().port()), (4784, 3784));
    let init = says(&session, State::Init).encode();
    assert!(session.handle(ms(10), Event::Packet { octets: &init, ttl: 249, at: ms(10) }).is_empty());
    assert!(session.handle(ms(10), Event::Packet { octets: &init, ttl: 250, at: ms(10) }).contains(&Action::Up));
}

#[test]
fn section_6_8_6_a_discarded_packet_changes_nothing_and_is_counted() {
    let mut session = up();
    let before = (session.deadline(), session.snapshot());
    let good = says(&session, State::Down);
    let mut cases = vec![
        (Packet { my_discriminator: 0, ..good }.encode().to_vec(), Discard::MyDiscriminator),
        (Packet { your_discriminator: 1, ..good }.encode().to_vec(), Discard::YourDiscriminator),
        (Packet { detect_mult: 0, ..good }.encode().to_vec(), Discard::DetectMult),
        (Packet { your_discriminator: 0, state: State::Init, ..good }.encode().to_vec(), Discard::State),
    ];
    for (at, octet, cause) in [(0, 0x40, Discard::Version), (1, 0x41, Discard::Multipoint)] {
        let mut octets = good.encode().to_vec();
        octets[at] = octet;
        cases.push((octets, cause));
    }
    for (octets, cause) in cases {
        assert!(session.handle(ms(20), Event::Packet { octets: &octets, ttl: 255, at: ms(20) }).is_empty());
        let mut snapshot = session.snapshot();
        assert_eq!(snapshot.discarded[cause as usize].1, 1, "{cause}");
        snapshot.discarded = before.1.discarded;
        assert_eq!((session.deadline(), snapshot), (before.0, before.1.clone()), "{cause}");
        session.discarded = [0; 11];
    }
}

#[test]
fn section_6_3_a_peer_that_restarted_is_known_by_its_address() {
    let mut session = settled(Settings::default());
    let fresh = Packet { my_discriminator: 0xbeef, your_discriminator: 0, ..says(&session, State::Down) };
    let actions = hear(&mut session, ms(150), fresh);
    assert!(matches!(actions[0], Action::Down { administrative: false, .. }));
    assert_eq!(session.packet().your_discriminator, 0xbeef);
}

#[test]
fn section_6_8_6_a_poll_is_answered_at_once_with_final_in_any_state() {
    for state in [State::Down, State::Init, State::Up] {
        let mut session = settled(Settings::default());
        let heard = session.sent.unwrap() + ms(1);
        let poll = Packet { poll: true, ..says(&session, state) };
        let answers = sent(&hear(&mut session, heard, poll));
        assert_eq!(answers.len(), 1);
        assert!(answers[0].is_final && !answers[0].poll);
        assert_eq!(answers[0].state, session.state);
    }
}

#[test]
fn section_6_8_6_in_admin_down_even_a_poll_is_discarded() {
    let mut session = up();
    session.handle(ms(20), Event::AdminDown);
    let poll = Packet { poll: true, ..says(&session, State::Up) };
    assert!(hear(&mut session, ms(21), poll).is_empty());
    assert_eq!(session.snapshot().discarded[10], (Discard::AdminDown, 1));
}

#[test]
fn section_6_8_4_silence_for_the_detection_time_is_the_end() {
    let mut session = settled(Settings::default());
    let heard = session.heard.unwrap();
    assert_eq!(session.snapshot().detection_time, ms(300));
    assert_eq!(session.expiry(), Some(heard + ms(300)));
    let early = session.handle(heard + ms(300) - Moment::from_micros(1), Event::Tick);
    assert!(!early.iter().any(|action| matches!(action, Action::Down { .. })));
    let actions = session.handle(heard + ms(300), Event::Tick);
    let diagnostic = Diagnostic::DETECTION_TIME_EXPIRED;
    assert_eq!(actions[0], Action::Down { diagnostic, administrative: false });
    let told = sent(&actions)[0];
    // 6.8.1: the peer's discriminator counts no longer; 6.8.3: slow again.
    assert_eq!((told.state, told.diagnostic, told.your_discriminator), (State::Down, diagnostic, 0));
    assert_eq!(told.desired_min_tx_us, 1_000_000);
    assert_eq!(session.snapshot().flaps, 1);
    assert_eq!(session.expiry(), None);
}

#[test]
fn section_6_8_4_the_detection_time_is_the_peers_multiplier_by_the_slower_of_both() {
    let cases = [(3, 100_000, 300), (5, 100_000, 500), (3, 10_000, 300), (2, 700_000, 1400), (1, 100_000, 100)];
    for (detect_mult, desired_min_tx_us, expected_ms) in cases {
        let mut session = settled(Settings { multiplier: 9, ..Settings::default() });
        let word = Packet { detect_mult, desired_min_tx_us, ..says(&session, State::Up) };
        hear(&mut session, ms(200), word);
        assert_eq!(session.expiry(), Some(ms(200 + expected_ms)));
    }
}

#[test]
fn section_6_8_4_init_ends_with_silence_too_and_is_no_flap() {
    let mut session = started(Settings::default());
    let down = says(&session, State::Down);
    hear(&mut session, ms(10), down);
    let actions = session.handle(ms(310), Event::Tick);
    assert_eq!(sent(&actions)[0].state, State::Down);
    assert!(!actions.iter().any(|action| matches!(action, Action::Down { .. })));
    assert_eq!(session.snapshot().flaps, 0);
}

#[test]
fn section_6_8_1_in_down_the_peers_discriminator_is_forgotten_with_silence() {
    let mut session = started(Settings::default());
    let word = says(&session, State::AdminDown);
    hear(&mut session, ms(10), word);
    assert_eq!(session.packet().your_discriminator, PEER);
    session.handle(ms(310), Event::Tick);
    assert_eq!((session.packet().your_discriminator, session.state), (0, State::Down));
}

/// Times between periodic packets while nothing else happens than the peer's packets, in microseconds.
fn intervals(mut session: Session, count: usize) -> Vec<u64> {
    let mut intervals = Vec::new();
    let mut last = session.sent.unwrap();
    while intervals.len() < count {
        let now = session.transmission().unwrap();
        assert_eq!(sent(&session.handle(now, Event::Tick)).len(), 1);
        intervals.push((now - last).as_micros() as u64);
        last = now;
        let word = says(&session, State::Up);
        hear(&mut session, now, word);
    }
    intervals
}

#[test]
fn section_6_8_4_the_detection_time_counts_from_when_a_packet_arrived() {
    let mut session = settled(Settings::default());
    let arrived = session.heard.unwrap() + ms(50);
    let octets = says(&session, State::Up).encode();
    session.handle(arrived + ms(90), Event::Packet { octets: &octets, ttl: 255, at: arrived });
    assert_eq!(session.expiry(), Some(arrived + ms(300)));
}

#[test]
fn sessions_that_have_sent_together_do_so_again() {
    let mut sessions = [1, 2].map(|_| settled(Settings::default()));
    let now = sessions[0].sent.unwrap() + ms(100);
    for session in &mut sessions {
        assert_eq!(sent(&session.handle(now, Event::Tick)).len(), 1);
    }
    assert_eq!(sessions[0].transmission(), sessions[1].transmission());
    assert_eq!(sessions[0].rhythm(), Some(ms(100)), "at the latest");
    sessions[0].handle(now, Event::AdminDown);
    assert_eq!(sessions[0].rhythm(), None);
}

#[test]
fn section_6_8_7_intervals_are_jittered_by_up_to_a_quarter() {
    let intervals = intervals(settled(Settings::default()), 1000);
    assert!(intervals.iter().all(|us| (75_000..=100_000).contains(us)), "{intervals:?}");
    // All of the range is used.
    assert!(*intervals.iter().min().unwrap() < 77_000 && *intervals.iter().max().unwrap() > 98_000);
}

#[test]
fn section_6_8_7_a_caller_who_is_awake_may_send_from_three_quarters_of_the_interval_on() {
    let mut session = settled(Settings::default());
    let last = session.sent.unwrap();
    assert_eq!(session.handle(last + ms(75) - Duration::from_micros(1), Event::Awake), []);
    assert_eq!(sent(&session.handle(last + ms(75), Event::Awake)), [session.packet()]);
    assert!(session.deadline().unwrap() >= last + ms(150), "the next one counts from this one");
}

#[test]
fn section_6_8_7_with_a_multiplier_of_1_the_interval_is_75_to_90_percent() {
    let intervals = intervals(settled(Settings { multiplier: 1, ..Settings::default() }), 1000);
    assert!(intervals.iter().all(|us| (75_000..=90_000).contains(us)), "{intervals:?}");
    assert!(*intervals.iter().max().unwrap() > 88_000);
}

#[test]
fn section_6_8_3_while_not_up_it_sends_once_a_second_at_most() {
    let mut session = started(Settings { interval: ms(10), ..Settings::default() });
    let mut last = ms(0);
    for _ in 0..100 {
        let now = session.deadline().unwrap();
        assert!(now - last >= ms(750) && now - last <= ms(1000));
        let packets = sent(&session.handle(now, Event::Tick));
        assert_eq!((packets.len(), packets[0].desired_min_tx_us), (1, 1_000_000));
        last = now;
    }
    // Slower is as set.
    let slow = started(Settings { interval: ms(2000), ..Settings::default() });
    assert_eq!(slow.packet().desired_min_tx_us, 2_000_000);
}

#[test]
fn section_6_8_2_the_slower_side_decides_how_fast_is_sent() {
    for (required_min_rx_us, expected_ms) in [(50_000, 100), (100_000, 100), (350_000, 350)] {
        let mut session = settled(Settings::default());
        let word = Packet { required_min_rx_us, ..says(&session, State::Up) };
        hear(&mut session, ms(200), word);
        assert_eq!(session.snapshot().transmit_interval, ms(expected_ms));
    }
}

#[test]
fn section_6_8_3_a_shorter_interval_of_the_peer_counts_from_the_last_packet() {
    let mut session = settled(Settings::default());
    let last = session.sent.unwrap();
    let slow = Packet { required_min_rx_us: 10_000_000, ..says(&session, State::Up) };
    hear(&mut session, last, slow);
    assert!(session.transmission().unwrap() >= last + ms(7500));
    let fast = says(&session, State::Up);
    hear(&mut session, last + ms(2000), fast);
    assert!(session.deadline().unwrap() <= last + ms(100), "it is due at once");
}

#[test]
fn section_6_8_7_a_peer_that_wants_no_periodic_packets_gets_none() {
    let mut session = settled(Settings::default());
    let word = Packet { required_min_rx_us: 0, ..says(&session, State::Up) };
    hear(&mut session, ms(200), word);
    assert_eq!((session.transmission(), session.deadline()), (None, Some(ms(500))));
    let word = says(&session, State::Up);
    hear(&mut session, ms(400), word);
    assert!(session.transmission().is_some());
}

#[test]
fn section_6_8_3_coming_up_polls_the_peer_about_the_faster_interval() {
    let mut session = up();
    // The change of state itself goes without P: it is not periodic (6.5).
    assert_eq!(session.poll, Poll::Wanted);
    // F that answers nothing ends nothing.
    let stray = Packet { is_final: true, ..says(&session, State::Up) };
    hear(&mut session, ms(11), stray);
    for _ in 0..3 {
        let now = session.transmission().unwrap();
        let packet = sent(&session.handle(now, Event::Tick))[0];
        assert!(packet.poll && !packet.is_final);
        assert_eq!(packet.desired_min_tx_us, 100_000);
        let word = says(&session, State::Up);
        hear(&mut session, now, word);
    }
    let answer = Packet { is_final: true, ..says(&session, State::Up) };
    let now = session.sent.unwrap();
    hear(&mut session, now, answer);
    let now = session.transmission().unwrap();
    assert!(!sent(&session.handle(now, Event::Tick))[0].poll);
}

#[test]
fn section_6_8_3_a_longer_interval_waits_for_the_end_of_the_poll() {
    let mut session = settled(Settings::default());
    session.handle(ms(110), Event::Retime { interval: ms(500), multiplier: 4 });
    let snapshot = session.snapshot();
    assert_eq!((snapshot.transmit_interval, snapshot.polling), (ms(100), true));
    // Waiting longer needs nobody's consent.
    assert_eq!(snapshot.detection_time, ms(1500));
    let now = session.transmission().unwrap();
    let packet = sent(&session.handle(now, Event::Tick))[0];
    assert!(packet.poll);
    assert_eq!((packet.desired_min_tx_us, packet.required_min_rx_us, packet.detect_mult), (500_000, 500_000, 4));
    let answer = Packet { is_final: true, ..says(&session, State::Up) };
    hear(&mut session, now, answer);
    let snapshot = session.snapshot();
    assert_eq!((snapshot.transmit_interval, snapshot.polling, snapshot.flaps), (ms(500), false, 0));
}

#[test]
fn section_6_8_3_a_shorter_detection_time_waits_for_the_end_of_the_poll() {
    let mut session = settled(Settings { interval: ms(500), ..Settings::default() });
    session.handle(ms(600), Event::Retime { interval: ms(100), multiplier: 3 });
    let snapshot = session.snapshot();
    assert_eq!((snapshot.transmit_interval, snapshot.detection_time), (ms(100), ms(1500)));
    let now = session.transmission().unwrap();
    session.handle(now, Event::Tick);
    let answer = Packet { is_final: true, ..says(&session, State::Up) };
    hear(&mut session, now, answer);
    assert_eq!(session.snapshot().detection_time, ms(300));
}

#[test]
fn section_6_5_a_change_during_a_poll_brings_another_poll() {
    let mut session = settled(Settings::default());
    session.handle(ms(110), Event::Retime { interval: ms(500), multiplier: 3 });
    session.handle(session.transmission().unwrap(), Event::Tick);
    session.handle(ms(200), Event::Retime { interval: ms(700), multiplier: 3 });
    let answer = Packet { is_final: true, ..says(&session, State::Up) };
    hear(&mut session, ms(201), answer);
    assert_eq!((session.poll, session.snapshot().transmit_interval), (Poll::Wanted, ms(100)));
    session.handle(session.transmission().unwrap(), Event::Tick);
    hear(&mut session, ms(301), answer);
    assert_eq!((session.poll, session.snapshot().transmit_interval), (Poll::Idle, ms(700)));
}

#[test]
fn section_6_6_a_peer_in_demand_mode_gets_packets_only_when_it_or_we_poll() {
    let mut session = settled(Settings::default());
    let demand = Packet { demand: true, ..says(&session, State::Up) };
    hear(&mut session, ms(200), demand);
    assert_eq!((session.transmission(), session.snapshot().remote_demand), (None, true));
    // Its polls are answered, without D of our own.
    let answer = sent(&hear(&mut session, ms(300), Packet { poll: true, ..demand }))[0];
    assert!(answer.is_final && !answer.demand);
    // A poll of ours is sent periodically until it is answered.
    session.handle(ms(310), Event::Retime { interval: ms(200), multiplier: 3 });
    let now = session.transmission().unwrap();
    assert!(sent(&session.handle(now, Event::Tick))[0].poll);
    assert!(session.transmission().is_some());
    hear(&mut session, ms(400), Packet { is_final: true, ..demand });
    assert_eq!(session.transmission(), None);
    // It is not in force while its session is not Up.
    hear(&mut session, ms(410), Packet { state: State::Init, ..demand });
    assert!(session.transmission().is_some());
}

#[test]
fn section_6_8_16_admin_down_is_told_for_a_detection_time() {
    let mut session = settled(Settings::default());
    let actions = session.handle(ms(200), Event::AdminDown);
    let diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
    assert_eq!(actions[0], Action::Down { diagnostic, administrative: true });
    let told = sent(&actions)[0];
    assert_eq!((told.state, told.diagnostic), (State::AdminDown, diagnostic));
    let mut packets = 0;
    while let Some(now) = session.deadline() {
        assert!(now <= ms(3200), "3 x 1 s");
        packets += sent(&session.handle(now, Event::Tick)).len();
    }
    assert!((3..=4).contains(&packets), "{packets}");
    assert_eq!(session.snapshot().flaps, 0);
    let packet = sent(&session.handle(ms(9000), Event::Start))[0];
    assert_eq!((packet.state, packet.your_discriminator), (State::Down, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Packet(Vec<u8>, u8),
    Valid { flags: u8, mult: u8, zero: bool, intervals: [u32; 3] },
    Tick,
    AdminDown,
    Start,
    Retime(u64, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (proptest::collection::vec(any::<u8>(), 0..40), any::<u8>()).prop_map(|(octets, ttl)| Step::Packet(octets, ttl)),
        8 => (any::<u8>(), 1..=255u8, any::<bool>(), any::<[u32; 3]>())
            .prop_map(|(flags, mult, zero, intervals)| Step::Valid { flags: flags & 0xfa, mult, zero, intervals }),
        4 => Just(Step::Tick),
        1 => Just(Step::AdminDown),
        2 => Just(Step::Start),
        1 => (0..u64::MAX, any::<u8>()).prop_map(|(ms, multiplier)| Step::Retime(ms, multiplier)),
    ]
}

proptest! {
    /// Whatever comes: Up and Down alternate, deadlines lie ahead of a tick, and what is sent is a packet.
    #[test]
    fn any_events_in_any_order(seed: u64, steps in proptest::collection::vec((step(), 0..2_000_000u64), 0..200)) {
        let mut session = Session::new(Settings::default(), seed);
        let (mut now, mut up) = (Moment::ZERO, false);
        for (step, us) in steps {
            now += Moment::from_micros(us);
            let actions = match &step {
                Step::Packet(octets, ttl) => session.handle(now, Event::Packet { octets, ttl: *ttl, at: now }),
                Step::Valid { flags, mult, zero, intervals } => {
                    let mut octets = says(&session, State::Down).encode();
                    (octets[1], octets[2]) = (*flags, *mult);
                    if *zero {
                        octets[8..12].fill(0);
                    }
                    for (place, interval) in octets[12..].chunks_exact_mut(4).zip(intervals) {
                        place.copy_from_slice(&interval.to_be_bytes());
                    }
                    session.handle(now, Event::Packet { octets: &octets, ttl: 255, at: now })
                }
                Step::Tick => session.handle(now, Event::Tick),
                Step::AdminDown => session.handle(now, Event::AdminDown),
                Step::Start => session.handle(now, Event::Start),
                Step::Retime(ms, multiplier) => {
                    session.handle(now, Event::Retime { interval: Duration::from_millis(*ms), multiplier: *multiplier })
                }
            };
            for action in &actions {
                match action {
                    Action::Up => prop_assert!(!std::mem::replace(&mut up, true)),
                    Action::Down { .. } => prop_assert!(std::mem::replace(&mut up, false)),
                    Action::Send(octets) => {
                        let packet = Packet::decode(octets, session.remote.discriminator);
                        prop_assert!(packet.is_ok_and(|packet| !(packet.poll && packet.is_final)), "{:?}", packet);
                    }
                }
            }
            prop_assert_eq!(up, session.is_up());
            if matches!(step, Step::Tick) {
                prop_assert!(session.deadline().is_none_or(|deadline| deadline > now));
            }
        }
    }
}
