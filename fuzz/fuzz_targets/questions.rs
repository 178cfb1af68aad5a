//! Questions as operators and nodes write them: any text as a file, and as what a report says of traffic.
#![no_main]

use catchment::sync::question::{Asked, Traffic};

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Asked::parse("q", text) {
        Ok(asked) => {
            assert!(asked.len() <= text.lines().count());
            let written: String = asked.iter().map(|(question, count)| format!("{question} {count}\n")).collect();
            assert_eq!(Asked::parse("q", &written).as_ref(), Ok(&asked), "what is written is read back");
            round_trip(&Traffic { queries: asked.total(), questions: asked });
        }
        Err(said) => assert!(said.starts_with("q:") && said.len() < 2_000, "{said}"),
    }
    if let Ok(traffic) = serde_json::from_str::<Traffic>(text) {
        round_trip(&traffic);
    }
});

fn round_trip(traffic: &Traffic) {
    let text = serde_json::to_string(traffic).expect("plain data");
    assert_eq!(&serde_json::from_str::<Traffic>(&text).expect("our own"), traffic);
}
