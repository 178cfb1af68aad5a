//! The SOA: timers that secondaries or resolvers fare badly with, and the mailbox.

use super::{Content, Part};
use crate::wire::code::rtype;
use crate::wire::name::{Text, labels};
use crate::wire::rdata;
use crate::zone::finding::Findings;
use crate::zone::names::NameEntry;

/// RFC 2308 section 5: negative answers kept for more than a day have been found to be problematic.
const NEGATIVE_MAX: u32 = 86_400;
/// RFC 1912 section 2.2 has two to four weeks. What is below one does not outlast a long weekend and the repair after it.
const EXPIRE_MIN: u32 = 7 * 86_400;

pub(super) fn check(content: &Content, apex: &NameEntry, findings: &mut Findings) {
    // That there is one, and one alone, is the compiler's to say.
    let [record] = content.of_type(apex, rtype::SOA)[..] else { return };
    let data = content.records.rdata(&record);
    let Some((_, numbers)) = data.split_last_chunk::<20>() else { return };
    let number = |nth: usize| u32::from_be_bytes(std::array::from_fn(|octet| numbers[4 * nth + octet]));
    let [refresh, retry, expire, minimum] = [1, 2, 3, 4].map(number);
    let mut warn = |from_end: usize, message: String, remedy: &str| {
        findings.point(false, Some(&record), Part::FromEnd(from_end), message, remedy);
    };
    let (retry_at, expire_at, minimum_at) = (2, 1, 0);
    if retry >= refresh {
        let message = format!("SOA retry {retry} is not below refresh {refresh}");
        warn(retry_at, message, "retry sooner than you refresh: a few minutes, say (RFC 1912 section 2.2)");
    }
    if u64::from(expire) <= u64::from(refresh) + u64::from(retry) {
        let message = format!("SOA expire {expire} is not above refresh {refresh} and retry {retry} together");
        warn(
            expire_at,
            message,
            "secondaries give the zone up after one failure: take two to four weeks (RFC 1912 section 2.2)",
        );
    } else if expire < EXPIRE_MIN {
        let message = format!("SOA expire {expire} is less than a week");
        warn(
            expire_at,
            message,
            "take two to four weeks (RFC 1912 section 2.2), so that secondaries outlast a failure",
        );
    }
    if minimum > NEGATIVE_MAX {
        let message = format!("SOA minimum {minimum}, the TTL of negative answers, is over a day");
        warn(minimum_at, message, "take one to three hours (RFC 2308 section 5)");
    }
    // The second name: RFC 1035 section 3.3.13. `@` in it is not where the mailbox ends, its first dot is.
    if let Some(mailbox) = rdata::names(rtype::SOA, data).nth(1)
        && labels(&data[mailbox.clone()]).any(|label| label.contains(&b'@'))
    {
        let mailbox = &data[mailbox];
        let message = format!("the SOA's mailbox {} has an @ in it", Text(mailbox));
        let remedy = "write a dot instead: the mailbox of hostmaster.example.com. is hostmaster@example.com";
        findings.point(false, Some(&record), Part::Name(mailbox.into()), message, remedy);
    }
}
