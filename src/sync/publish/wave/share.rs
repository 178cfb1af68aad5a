//! Parts of a whole, as operators write them: `10%`, `0.5%`.

use std::fmt;
use std::str::FromStr;

/// A part of a whole, in steps of a hundredth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    hundredths: u16,
}

/// Hundredths of a percent in the whole.
const WHOLE: u16 = 10_000;

/// Text that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a share is a number from 0 to 100 with at most two decimals and a percent sign, such as 10% or 0.5%")]
pub struct NotAShare;

impl Share {
    /// So many percent, at most 100.
    pub const fn percent(percent: u8) -> Share {
        assert!(percent <= 100, "a share is a part of a whole");
        Share { hundredths: percent as u16 * 100 }
    }

    /// From 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.hundredths) / f64::from(WHOLE)
    }

    /// So many of `all`, rounded up: none only of none, or for 0 %.
    pub fn of(self, all: usize) -> usize {
        (all * usize::from(self.hundredths)).div_ceil(WHOLE.into())
    }
}

impl FromStr for Share {
    type Err = NotAShare;
    fn from_str(text: &str) -> Result<Share, NotAShare> {
        let number = text.strip_suffix('%').ok_or(NotAShare)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        if !digits(whole, 3) || !digits(decimals, 2) {
            return Err(NotAShare);
        }
        let parsed: [u32; 2] = [whole, &format!("{decimals:0<2}")].map(|text| text.parse().unwrap_or(u32::from(WHOLE)));
        match u16::try_from(parsed[0] * 100 + parsed[1]) {
            Ok(hundredths @ 0..=WHOLE) => Ok(Share { hundredths }),
            _ => Err(NotAShare),
        }
    }
}

/// As it is written: `10%`, `0.5%`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.hundredths / 100, self.hundredths % 100);
        match decimals {
            0 => write!(f, "{whole}%"),
            _ if decimals % 10 == 0 => write!(f, "{whole}.{}%", decimals / 10),
            _ => write!(f, "{whole}.{decimals:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_written() {
        for text in ["0%", "10%", "100%", "0.5%", "0.05%", "33.33%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        assert_eq!("5.50%".parse::<Share>().unwrap().to_string(), "5.5%");
        for bad in ["", "%", "10", "-1%", "+1%", "100.01%", "101%", "999%", "1.%", ".5%", "1.234%", "1,5%", "1 %"] {
            assert_eq!(bad.parse::<Share>(), Err(NotAShare), "{bad}");
        }
    }

    #[test]
    fn of_a_few_it_is_one_at_least() {
        let tenth = Share::percent(10);
        assert_eq!([0, 1, 10, 11, 20].map(|all| tenth.of(all)), [0, 1, 1, 2, 2]);
        assert_eq!((Share::percent(0).of(5), Share::percent(100).of(5)), (0, 5));
        assert_eq!(tenth.fraction(), 0.1);
    }
}
