//! Datagrams for a BFD session: what decodes is encoded to the same octets, and the session takes anything at any time.
//!
//! The input is a row of steps: an octet that says which and how much later it is, a TTL, a length, and so many octets.
#![no_main]

use catchment::announce::Moment;
use catchment::announce::bfd::packet::{LEN, Packet, your_discriminator};
use catchment::announce::bfd::session::{Action, Event, Session, Settings};
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    codec(input);
    session(input);
});

fn codec(octets: &[u8]) {
    let Ok(packet) = Packet::decode(octets, your_discriminator(octets).unwrap_or(0)) else { return };
    let mut expected: [u8; LEN] = octets[..LEN].try_into().expect("what decodes is that long");
    // What is behind the 24 octets is not kept.
    expected[3] = LEN as u8;
    assert_eq!(packet.encode(), expected);
}

fn session(mut input: &[u8]) {
    let mut session = Session::new(Settings { multihop: true, min_ttl: 1, ..Settings::default() }, 1);
    let (mut now, mut up) = (Moment::ZERO, false);
    while let [how, ttl, len, rest @ ..] = input {
        let (octets, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        input = rest;
        // Up to 4 s, in steps that grow.
        now += Duration::from_millis((1 << (how >> 3 & 15)) >> 3);
        let actions = match how & 7 {
            0 => session.handle(now, Event::Start),
            1 => session.handle(now, Event::AdminDown),
            2 => {
                let interval =
                    Duration::from_micros(octets.iter().fold(1, |us: u64, octet| us.wrapping_mul(u64::from(*octet))));
                session.handle(now, Event::Retime { interval, multiplier: *ttl })
            }
            3 => session.handle(now, Event::Packet { octets, ttl: *ttl, at: now }),
            4 | 5 => session.handle(now, Event::Tick),
            // No fuzzer guesses the discriminator.
            _ => {
                let mut octets = octets.to_vec();
                if let Some(place) = octets.get_mut(8..12) {
                    place.copy_from_slice(&session.discriminator().to_be_bytes());
                }
                session.handle(now, Event::Packet { octets: &octets, ttl: *ttl, at: now })
            }
        };
        assert!(actions.len() <= 3, "{actions:?}");
        for action in actions {
            match action {
                Action::Up => assert!(!std::mem::replace(&mut up, true)),
                Action::Down { .. } => assert!(std::mem::replace(&mut up, false)),
                Action::Send(octets) => {
                    let packet = Packet::decode(&octets, your_discriminator(&octets).unwrap_or(0));
                    assert!(packet.is_ok_and(|packet| !(packet.poll && packet.is_final)), "{packet:?}");
                }
            }
        }
        assert_eq!(up, session.is_up());
        if matches!(how & 7, 4 | 5) {
            assert!(session.deadline().is_none_or(|deadline| deadline > now));
        }
    }
}
