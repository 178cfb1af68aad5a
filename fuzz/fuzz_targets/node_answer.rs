//! What a node sends to a publisher that asks it: any datagram, and any mended to be a response to a question that was put.
#![no_main]

use catchment::sync::publish::answers::message::Answer;
use catchment::sync::publish::answers::{Expected, expected};
use catchment::sync::question::Asked;
use catchment_fuzz::{ZONES, image};
use hickory_proto::op::Message;
use std::sync::LazyLock;

const ID: u16 = 0x1234;

static EXPECTED: LazyLock<Vec<Expected>> = LazyLock::new(|| {
    let asked =
        Asked::parse("q", "www.example A 3\nexample MX 2\nsub.example NS\nnowhere.other A\n").expect("questions");
    expected(asked.iter(), ZONES.iter().map(|(apex, text)| image(apex, text)))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    read(input);
    let Some((which, rest)) = input.split_first() else { return };
    let expected = &EXPECTED[usize::from(*which) % EXPECTED.len()];
    let _ = expected.judge(ID, rest);
    let mut message = expected.query(ID);
    // Without the OPT that ends a query.
    message.truncate(message.len() - 11);
    let Some((head, records)) = rest.split_first_chunk::<8>() else { return };
    message[2..4].copy_from_slice(&head[..2]);
    message[6..12].copy_from_slice(&head[2..]);
    message.extend_from_slice(records);
    read(&message);
    if expected.judge(ID, &message).is_ok() {
        let answer = Answer::read(&message).expect("it was judged");
        assert_eq!(answer.rcode, expected.answer.rcode);
    }
});

/// Whatever it is, it is read to an end; what another reader reads, too, says the same to both.
fn read(message: &[u8]) {
    let Some(answer) = Answer::read(message) else { return };
    assert!(answer.to_string().len() < 10_000);
    assert!(answer.agrees_with(&answer).is_ok(), "each answer is as expected of itself");
    if let Ok(parsed) = Message::from_vec(message) {
        assert_eq!(answer.is_truncated, parsed.metadata.truncation);
        assert_eq!(answer.is_authoritative, parsed.metadata.authoritative);
        assert_eq!(answer.rcode & 0xf, u16::from(parsed.metadata.response_code) & 0xf);
    }
}
