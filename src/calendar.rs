//! Times as people write them: RFC 3339, and the form of signatures (RFC 4034 section 3.2). UTC, no leap seconds.

/// The first second that has no year of four digits.
const YEARS_END: u64 = 253_402_300_800;

/// RFC 3339; what no calendar has is shown as a number.
pub fn text(secs: u64) -> String {
    match fields(secs) {
        Some([year, month, day, hour, minute, second]) => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
        }
        None => secs.to_string(),
    }
}

/// `YYYYMMDDHHmmSS`.
pub fn compact(secs: u64) -> String {
    match fields(secs) {
        Some([year, month, day, hour, minute, second]) => {
            format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
        }
        None => secs.to_string(),
    }
}

/// Reads seconds since 1970 (up to ten digits), `YYYYMMDDHHmmSS` or `YYYY-MM-DDTHH:MM:SSZ`.
pub fn read(text: &str) -> Option<u64> {
    match *text.as_bytes() {
        [y0, y1, y2, y3, b'-', o0, o1, b'-', d0, d1, b'T', h0, h1, b':', m0, m1, b':', s0, s1, b'Z'] => {
            read_digits(&[y0, y1, y2, y3, o0, o1, d0, d1, h0, h1, m0, m1, s0, s1])
        }
        ref digits => read_digits(digits),
    }
}

/// Reads seconds since 1970 (up to ten digits) or `YYYYMMDDHHmmSS`: a zone may have millions of them.
pub fn read_digits(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| -> u64 {
        text[from..to].iter().fold(0, |value, &digit| value * 10 + u64::from(digit - b'0'))
    };
    match text.len() {
        len @ 1..=10 => Some(number(0, len)),
        14 => {
            let written = [number(0, 4), number(4, 6), number(6, 8), number(8, 10), number(10, 12), number(12, 14)];
            let [year, month, day, hour, minute, second] = written;
            let days = u64::try_from(days(year as i64, month as i64, day as i64)).ok()?;
            let secs = days * 86_400 + hour * 3600 + minute * 60 + second;
            // What no calendar has, such as 30 February, is another time.
            (fields(secs) == Some(written)).then_some(secs)
        }
        _ => None,
    }
}

fn fields(secs: u64) -> Option<[u64; 6]> {
    if secs >= YEARS_END {
        return None;
    }
    let (days, of_day) = ((secs / 86_400) as i64, secs % 86_400);
    let (year, month, day) = date(days);
    Some([year as u64, month as u64, day as u64, of_day / 3600, of_day / 60 % 60, of_day % 60])
}

/// The date so many days after 1970-01-01, by the proleptic Gregorian calendar: years are counted from March, in eras of 400.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// The other way; what is no date gives the days of another one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_back() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(secs), expected);
            assert_eq!(read(expected), Some(secs));
            assert_eq!(read(&compact(secs)), Some(secs));
        }
        assert_eq!(text(u64::MAX), "18446744073709551615");
        assert_eq!(compact(951_827_696), "20000229123456");
        assert_eq!(read("1700000000"), Some(1_700_000_000));
        assert_eq!(read_digits(b"20000229123456"), Some(951_827_696));
        assert_eq!(read_digits(b"2000-02-29T12:34:56Z"), None);
        for wrong in [
            "",
            "x",
            "2000-02-29T12:34:56",
            "2000-02-29T12:34:5-Z",
            "20000229125999Z",
            "20000230000000",
            "20000101240000",
            "2000-01-01 00:00:00",
            "12345678901",
            "+1",
            "2000010100000x",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
