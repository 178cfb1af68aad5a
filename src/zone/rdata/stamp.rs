//! The times of signatures (RFC 4034 section 3.2): `YYYYMMDDHHmmSS` in UTC, or seconds since 1970, told apart by their length.
//!
//! In wire form 32 bits in serial number arithmetic (RFC 4034 section 3.1.5), so a date behind 2106 means the same as one
//! 2^32 seconds before it. Written is the date from 1970 to 2106.

use std::fmt::Write;

const DAY: u64 = 86_400;

/// Appends the time that `text` is. `None`: it has neither form, or is no date of the calendar.
pub(super) fn read(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(&parse(text)?.to_be_bytes());
    Some(())
}

fn parse(text: &[u8]) -> Option<u32> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number =
        |from: usize, to: usize| text[from..to].iter().fold(0u64, |value, &digit| value * 10 + u64::from(digit - b'0'));
    match text.len() {
        1..=10 => u32::try_from(number(0, text.len())).ok(),
        14 => {
            let [year, month, day] = [number(0, 4), number(4, 6), number(6, 8)];
            let [hour, minute, second] = [number(8, 10), number(10, 12), number(12, 14)];
            let is_date = year >= 1970 && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
            if !is_date || hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            let days = (1970..year).map(days_of_year).sum::<u64>()
                + (1..month).map(|month| days_of(year, month)).sum::<u64>()
                + (day - 1);
            Some((days * DAY + hour * 3600 + minute * 60 + second) as u32)
        }
        _ => None,
    }
}

/// Writes the date.
pub(super) fn write(secs: u32, out: &mut String) {
    let (mut days, second) = (u64::from(secs) / DAY, u64::from(secs) % DAY);
    let (mut year, mut month) = (1970, 1);
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let _ = write!(out, "{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}", days + 1);
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
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
