//! The times of signatures (RFC 4034 section 3.2): `YYYYMMDDHHmmSS` in UTC, or seconds since 1970, told apart by their length.
//!
//! In wire form 32 bits in serial number arithmetic (RFC 4034 section 3.1.5), so a date behind 2106 means the same as one
//! 2^32 seconds before it. Written is the date from 1970 to 2106.

use crate::calendar;

/// Appends the time that `text` is. `None`: it has neither form, or is no date of the calendar.
pub(super) fn read(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&parse(text)?.to_be_bytes());
    Some(())
}

fn parse(text: &[u8]) -> Option<u32> {
    /// Digits of a date.
    const DATE_LEN: usize = 14;
    let secs = calendar::read_digits(text)?;
    // A date goes around, a number does not.
    if text.len() == DATE_LEN { Some(secs as u32) } else { u32::try_from(secs).ok() }
}

/// Writes the date.
pub(super) fn write(secs: u32, out: &mut String) {
    out.push_str(&calendar::compact(secs.into()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (text, secs, written) in [
            ("0", 0, "19700101000000"),
            ("19700101000000", 0, "19700101000000"),
            // RFC 4034 section 3.3.
            ("20030322173103", 1_048_354_263, "20030322173103"),
            ("1048354263", 1_048_354_263, "20030322173103"),
            ("20000229235959", 951_868_799, "20000229235959"),
            ("20380119031408", 1 << 31, "20380119031408"),
            ("21060207062815", u32::MAX, "21060207062815"),
            ("4294967295", u32::MAX, "21060207062815"),
            // Once around.
            ("21060207062816", 0, "19700101000000"),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(secs), "{text}");
            let mut out = String::new();
            write(secs, &mut out);
            assert_eq!(out, written);
        }
        for bad in [
            "",
            "4294967296",
            "12345678901",
            "2003032217310",
            "200303221731030",
            "20030022173103",
            "20031322173103",
            "20030300173103",
            "20030332173103",
            "20030229000000",
            "21000229000000",
            "20030322243103",
            "20030322176003",
            "20030322173160",
            "19691231235959",
            "2003032217310a",
            "-1",
            "+1",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn every_day_there_and_back() {
        for day in 0..=(u32::MAX / 86_400) {
            let secs = (day * 86_400).saturating_add(day % 86_400);
            let mut text = String::new();
            write(secs, &mut text);
            assert_eq!(parse(text.as_bytes()), Some(secs), "{text}");
        }
    }
}
