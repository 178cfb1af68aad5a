//! Zones that say in every record which release they are of, and what a response says of that.

use crate::support::fleet::Publisher;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use std::collections::BTreeSet;

/// Zones of a release.
pub(crate) const ZONES: usize = 5;

/// Questions whose responses are of one release each; several of them across zones.
pub(crate) fn questions() -> Vec<(String, RecordType)> {
    let of_zone = |z: usize| {
        [
            (format!("texts.zone{z}.test."), RecordType::TXT),
            // The addresses of both exchanges in the additional section, one of them in the next zone.
            (format!("zone{z}.test."), RecordType::MX),
            // No data: the SOA record in the authority section.
            (format!("texts.zone{z}.test."), RecordType::AAAA),
            (format!("zone{z}.test."), RecordType::SOA),
            // An alias: it and its target.
            (format!("alias.zone{z}.test."), RecordType::A),
        ]
    };
    (0..ZONES).flat_map(of_zone).collect()
}

/// Writes all zone files of release `number`.
pub(crate) fn write(publisher: &Publisher, number: u32) {
    let (high, low) = (number >> 8 & 255, number & 255);
    for z in 0..ZONES {
        let text = format!(
            "$TTL 1h\n@ SOA ns hostmaster {number} 1d 2h 4w 1h\n@ NS ns\nns A 10.0.{high}.{low}\n\
             texts TXT \"one {number}\"\ntexts TXT \"two {number}\"\ntexts TXT \"three {number}\"\n\
             @ MX {number} mail\n@ MX {number} mail.zone{next}.test.\nmail A 10.1.{high}.{low}\n\
             alias CNAME target\ntarget A 10.2.{high}.{low}\n",
            next = (z + 1) % ZONES,
        );
        publisher.write(&format!("zone{z}.test"), &text);
    }
}

/// The release that a response is of. The error says what is wrong with it: a record of another release, say.
pub(crate) fn number(response: &Message) -> Result<u32, String> {
    if response.metadata.response_code != ResponseCode::NoError {
        return Err(format!("{}", response.metadata.response_code));
    }
    let records = response.answers.iter().chain(&response.authorities).chain(&response.additionals);
    let mut numbers = BTreeSet::new();
    for record in records {
        numbers.insert(match &record.data {
            RData::SOA(soa) => soa.serial,
            RData::MX(mx) => u32::from(mx.preference),
            RData::A(a) => u32::from(a.0.octets()[2]) << 8 | u32::from(a.0.octets()[3]),
            RData::TXT(text) => {
                let text = text.to_string();
                text.rsplit(' ').next().and_then(|n| n.parse().ok()).ok_or(format!("no number in {text:?}"))?
            }
            RData::NS(_) | RData::CNAME(_) => continue,
            other => return Err(format!("an unexpected record: {other:?}")),
        });
    }
    match (numbers.pop_first(), numbers.pop_first()) {
        (Some(number), None) => Ok(number),
        (None, _) => Err("no record tells".into()),
        (Some(one), Some(other)) => Err(format!("records of release {one} and of {other}: {response:?}")),
    }
}
