//! A node on a real socket, whose datagrams come twice, late, or from nowhere.

use super::*;
use crate::sync::channel::Generation;
use crate::sync::codec::Digest;
use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::{SOA as Soa, TXT};

const NODE: &str = "ams1";

fn release() -> Held {
    Held { generation: Generation { key_set: 1, counter: 7 }, manifest: Digest([7; 32]) }
}

/// Zones, each with its number as its serial.
fn questions(number: u32) -> Vec<Box<dyn Question>> {
    let serial = |serial| Serial { zone: format!("zone{serial}.test").parse().unwrap(), serial };
    (0..number).map(|number| Box::new(serial(number)) as Box<dyn Question>).collect()
}

/// The answer of a node that serves all that, with this many added to each serial.
fn answer(query: &[u8], more: u32) -> Vec<u8> {
    let mut message = Message::from_vec(query).unwrap();
    message.metadata.message_type = MessageType::Response;
    let name = message.queries[0].name().clone();
    if message.queries[0].query_type() == RecordType::TXT {
        let text = TXT::new(vec![release().generation.to_string()]);
        let mut record = Record::from_rdata(name, 0, RData::TXT(text));
        record.dns_class = DNSClass::CH;
        message.add_answer(record);
        let mut edns = Edns::new();
        edns.options_mut().insert(EdnsOption::Unknown(EdnsCode::NSID.into(), NODE.into()));
        message.set_edns(edns);
    } else {
        let number: u32 = name.to_ascii().trim_start_matches("zone").trim_end_matches(".test.").parse().unwrap();
        let host = Name::from_ascii("ns.test.").unwrap();
        let soa = Soa::new(host.clone(), host, number + more, 1, 1, 1, 1);
        message.add_answer(Record::from_rdata(name, 0, RData::SOA(soa)));
    }
    message.to_vec().unwrap()
}

/// Asks a node that sends what `sends` makes of each query in turn.
async fn asked(number: u32, mut sends: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Result<usize, String> {
    let node = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let report = Report { node: NODE.into(), addresses: vec![node.local_addr().unwrap()], ..Report::default() };
    let answering = async {
        let mut buffer = [0; 4096];
        loop {
            let (length, peer) = node.recv_from(&mut buffer).await.unwrap();
            for datagram in sends(&buffer[..length]) {
                node.send_to(&datagram, peer).await.unwrap();
            }
        }
    };
    let questions = questions(number);
    let asker = Asker { questions: &questions };
    let release = release();
    tokio::select! {
        went = asker.ask(&report, &release) => went,
        () = answering => unreachable!(),
    }
}

#[tokio::test]
async fn each_answer_once() {
    // More than are put at once.
    assert_eq!(asked(40, |query| vec![answer(query, 0)]).await, Ok(41));
    let wrong = asked(2, |query| vec![answer(query, 5)]).await.unwrap_err();
    assert!(
        wrong.ends_with(
            ", 2 of 3 answers are wrong: zone0.test. SOA: it answers serial 5, not 0, zone1.test. SOA: it answers serial 6, not 1"
        ),
        "{wrong}"
    );
}

#[tokio::test]
async fn answers_that_come_twice() {
    let twice = |query: &[u8]| vec![answer(query, 0), answer(query, 0)];
    assert_eq!(asked(40, twice).await, Ok(41));
}

/// Those to the questions before are said again, and are wrong then, whenever another one is put.
#[tokio::test]
async fn answers_that_come_late() {
    let mut before: Vec<Vec<u8>> = Vec::new();
    let late = move |query: &[u8]| {
        let late: Vec<Vec<u8>> = before.iter().rev().take(4).map(|query| answer(query, 5)).collect();
        before.push(query.to_vec());
        late.into_iter().chain([answer(query, 0)]).collect()
    };
    assert_eq!(asked(40, late).await, Ok(41));
}

/// With the ID of an open question, and another question; and with the question, and another ID.
#[tokio::test]
async fn answers_to_something_else() {
    let odd = |query: &[u8]| {
        let good = answer(query, 0);
        let mut other_id = answer(query, 5);
        other_id[0] ^= 0x80;
        let mut other_question = answer(query, 5);
        other_question[13] ^= 1;
        let mut other_type = answer(query, 5);
        let question_end = 12 + name::wire_len(&query[12..]).unwrap() + 4;
        other_type[question_end - 3] ^= 1;
        vec![other_id, other_question, other_type, query.to_vec(), good[..5].to_vec(), good]
    };
    assert_eq!(asked(20, odd).await, Ok(21));
}

#[test]
fn a_serial_is_that_of_its_question() {
    let serial = Serial { zone: "zone3.test".parse().unwrap(), serial: 3 };
    let response = answer(&serial.query(9), 0);
    assert_eq!(serial.judge(9, &response), Ok(()));
    let no_response = Err("what it sends is no response to this question".into());
    assert_eq!(serial.judge(8, &response), no_response);
    assert_eq!(serial.judge(9, &serial.query(9)), no_response);
    assert_eq!(Serial { zone: "zone4.test".parse().unwrap(), serial: 3 }.judge(9, &response), no_response);
    // Letters in another case are the same question (RFC 4343).
    let mut capital = response.clone();
    capital[13].make_ascii_uppercase();
    assert_eq!(serial.judge(9, &capital), Ok(()));
}

/// A report may name many addresses that nobody answers at; the rest is not for the asker.
#[tokio::test(start_paused = true)]
async fn addresses_beyond_the_most() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addresses = vec![silent.local_addr().unwrap(); ADDRESSES_MAX + 5];
    let report = Report { node: NODE.into(), addresses, ..Report::default() };
    let began = Instant::now();
    let why = Asker { questions: &[] }.ask(&report, &release()).await.unwrap_err();
    assert_eq!(why.matches("no answer from").count(), ADDRESSES_MAX, "{why}");
    assert!(began.elapsed() <= ASKING_MAX, "{:?}", began.elapsed());
}
