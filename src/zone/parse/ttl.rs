//! Times in seconds, plain or in BIND's units: `3600`, `1h`, `1w2d3h4m5s`.

/// Reads a time. `None`: not one, or over 2^32 - 1 seconds.
#[inline]
pub(crate) fn seconds(text: &[u8]) -> Option<u32> {
    let mut total = 0u32;
    let mut digits = None::<u32>;
    let mut units = false;
    for &octet in text {
        let unit = match octet {
            b'0'..=b'9' => {
                let value = digits.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(octet - b'0'))?;
                digits = Some(value);
                continue;
            }
            b's' | b'S' => 1,
            b'm' | b'M' => 60,
            b'h' | b'H' => 3600,
            b'd' | b'D' => 86_400,
            b'w' | b'W' => 604_800,
            _ => return None,
        };
        total = total.checked_add(digits.take()?.checked_mul(unit)?)?;
        units = true;
    }
    match digits {
        // Digits without a unit stand alone: BIND refuses `1h30`, which might mean minutes or seconds.
        Some(value) => (!units).then_some(value),
        None => units.then_some(total),
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn plain_and_units() {
        for (text, expected) in [
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("1h30m", Some(5400)),
            ("1W1D1H1M1S", Some(694_861)),
            ("1s1s", Some(2)),
            ("0h", Some(0)),
            ("4294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("7102w", None),
            ("1h30", None),
            ("0h30", None),
            ("h", None),
            ("1hm", None),
            ("1y", None),
            ("", None),
            ("-1", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }
}
