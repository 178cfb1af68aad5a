//! What comes back to a probe: DNS messages and HTTP responses, from whoever holds the address.
//!
//! The first octet chooses what is expected, the rest is the answer. Its ID and question are made right, as no fuzzer guesses them.
#![no_main]

use catchment::announce::probe::dns::{Expect, Question, Wrong, judge, query};
use catchment::announce::probe::http;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::RecordType;

const ID: u16 = 0x1234;
/// Questions and what is expected, as settings have them.
const PROBES: [(&str, &str); 8] = [
    ("www.example.com A", "192.0.2.80"),
    ("www.example.com AAAA", "2001:db8::80"),
    ("example.com NS", "ns1.example.com"),
    ("example.com MX", "10 mx.example.com"),
    ("example.com TXT", "hello"),
    ("example.com SOA", "\\# 2 0A0B"),
    ("www.example.com A", "NOERROR"),
    ("nowhere.example.com A", "NXDOMAIN"),
];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, answer)) = input.split_first() else { return };
    dns(PROBES[usize::from(*which) % PROBES.len()], answer);
    page(answer);
});

fn dns((question, expected): (&str, &str), answer: &[u8]) {
    let question: Question = question.parse().expect("a good question");
    let expect = Expect::from_text(expected, question.rtype).expect("good data");
    // As it came: whatever it is, it is read to an end.
    let _ = judge(answer, ID, &question, &expect);
    let mut packet = query(ID, &question);
    let Some((head, records)) = answer.split_first_chunk::<8>() else { return };
    packet[2..4].copy_from_slice(&head[..2]);
    packet[6..12].copy_from_slice(&head[2..]);
    packet.extend_from_slice(records);
    let verdict = judge(&packet, ID, &question, &expect);
    if let Err(Wrong::Record(seen)) = verdict {
        assert!(seen <= usize::from(u16::from_be_bytes([packet[6], packet[7]])), "no more than the header says");
    }
    // What is taken for the answer another reader takes for a response with a record of that type, if it can read it at all.
    let (Ok(()), Ok(message)) = (verdict, Message::from_vec(&packet)) else { return };
    assert_eq!((message.metadata.id, message.metadata.message_type), (ID, MessageType::Response));
    let code = message.metadata.response_code.low();
    match expect {
        Expect::Rcode(expected) => assert_eq!(u16::from(code), expected),
        Expect::Record(_) | Expect::Text(_) => {
            assert_eq!(code, ResponseCode::NoError.low());
            let rtype = RecordType::from(question.rtype);
            assert!(message.answers.iter().any(|record| record.record_type() == rtype), "{message:?}");
        }
    }
}

fn page(response: &[u8]) {
    let check = http::Check { port: 80, path: "/".into(), host: None, status: 200, contains: Some("ok".into()) };
    if check.judge(response).is_ok() {
        assert!(response.starts_with(b"HTTP/1."));
        assert!(response.contains(&b'o') && response.contains(&b'k'), "what it must have came");
    }
}
