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
    if text.is_empty() || !text.is_ascii() {
        return None;
    }
    if text.len() <= 10 && text.bytes().all(|octet| octet.is_ascii_digit()) {
        return text.parse().ok();
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.len() != 14 {
        return None;
    }
    let number = |from: usize, len: usize| digits[from..from + len].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 2)?, number(6, 2)?);
    let (hour, minute, second) = (number(8, 2)?, number(10, 2)?, number(12, 2)?);
    let days = days(year as i64, month as i64, day as i64);
    let secs = u64::try_from(days).ok()? * 86_400 + hour * 3600 + minute * 60 + second;
    // Written again it must be the same: so there was no 30 February, and nothing between the digits that doesn't belong there.
    (self::text(secs) == text || compact(secs) == text).then_some(secs)
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
        for wrong in
            ["", "x", "20000230000000", "20000101240000", "2000-01-01 00:00:00", "12345678901", "+1", "2000010100000x"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
