//! Values that several tables have.

use crate::config::document::{Fault, Read, Value, integer, list, string};
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

/// A value and where it stands.
pub(super) type Placed<T> = (T, Range<usize>);

/// A list of at most so many; not empty.
pub(super) fn bounded<'a, T>(
    most: usize,
    item: impl Fn(Value<'a>) -> Read<T>,
) -> impl FnOnce(Value<'a>) -> Read<Vec<T>> {
    move |value| {
        let at = value.span();
        let items = list(item)(value)?;
        match items.len() {
            0 => Err(vec![Fault::new(at, "the list is empty", "write one at least")]),
            count if count > most => {
                Err(vec![Fault::new(at, format!("the list has {count} items"), format!("write at most {most}"))])
            }
            _ => Ok(items),
        }
    }
}

/// An address without a port.
pub(super) fn ip(value: Value<'_>) -> Read<IpAddr> {
    let at = value.span();
    let text = string(value)?;
    text.parse().map_err(|_| {
        let remedy = "write an IP address without a port, such as \"192.0.2.1\" or \"2001:db8::1\"";
        vec![Fault::new(at, format!("\"{text}\" is no IP address"), remedy)]
    })
}

/// An AS number that somebody can have.
pub(super) fn asn(value: Value<'_>) -> Read<u32> {
    let at = value.span();
    let asn = integer(1..=u32::MAX)(value)?;
    let why = match asn {
        23456 => "stands for AS numbers that an old router can't read (RFC 6793)",
        65535 | u32::MAX => "is reserved (RFC 7300)",
        _ => return Ok(asn),
    };
    Err(vec![Fault::new(at, format!("AS {asn} {why}"), "write an AS number of your own, or one of 64512 to 65534")])
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A name that logs, metrics and messages show: 1 to 64 characters without blanks.
pub(super) fn label(value: Value<'_>) -> Read<String> {
    let at = value.span();
    let text = string(value)?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text);
    }
    Err(vec![Fault::new(at, "this is no name", "write 1 to 64 letters, digits and signs, without blanks and quotes")])
}
