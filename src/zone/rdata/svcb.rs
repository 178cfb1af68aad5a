//! The parameters of SVCB and HTTPS (RFC 9460 sections 2.1, 2.2 and 7).
//!
//! In text a list in any order; in wire form key, length and value, keys strictly ascending.

use super::base64;
use crate::wire::name;
use crate::zone::parse::fault::{Fault, shown};
use crate::zone::parse::fields::{Fields, unescape};
use crate::zone::parse::lexer::Token;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
/// RFC 9461 section 5.
const DOHPATH: u16 = 7;
/// RFC 9540 section 4.
const OHTTP: u16 = 8;
/// Reserved as "invalid key" (RFC 9460 section 14.3.2).
const INVALID: u16 = 65_535;

/// The keys by number.
const NAMES: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];
/// So many are of RFC 9460 section 14.3.2; later ones are written `keyNNNNN`, which every reader takes.
const NAMES_WRITTEN: usize = 7;

/// Reads the parameters; `out` holds priority and target by now.
pub(super) fn read(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let from = out.len();
    // The place of each parameter in `out`.
    let mut params: BTreeMap<u16, Range<usize>> = BTreeMap::new();
    let mut sorted = true;
    while let Some(token) = fields.optional()? {
        let (name, value) = split(&token, fields)?;
        let Some(key) = key(name) else {
            return Err(
                fields.unexpected(&token.part(0..name.len()), "a parameter's key such as alpn, port or key65280")
            );
        };
        if params.contains_key(&key) {
            return Err(Fault::new(
                token.spot(),
                format!("{} is given twice", text_of(key)),
                "put all values in one list, separated by commas (RFC 9460 section 2.1)",
            ));
        }
        let mut octets = Vec::new();
        if let Some(value) = value {
            unescape(&value, &mut octets)?;
        }
        let at = out.len();
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        // A key by number has its value in wire form.
        let generic = name.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(b"key"));
        let read = if generic {
            check_value(key, &octets).map(|()| out.extend_from_slice(&octets))
        } else {
            value_from_text(key, &octets, out)
        };
        let written = read.and_then(|()| check_value(key, &out[at + 4..]));
        if let Err(why) = written {
            let spot = value.unwrap_or(token).spot();
            return Err(Fault::new(spot, format!("{}: {why}", text_of(key)), remedy(key)));
        }
        fields.bound(token.spot(), &out[from..])?;
        let len = (out.len() - at - 4) as u16;
        out[at + 2..at + 4].copy_from_slice(&len.to_be_bytes());
        sorted &= params.last_key_value().is_none_or(|(&last, _)| last < key);
        params.insert(key, at..out.len());
    }
    if !sorted {
        let unsorted = out.clone();
        out.truncate(from);
        params.into_values().for_each(|param| out.extend_from_slice(&unsorted[param]));
    }
    Ok(())
}

/// `key`, `key=value` or `key="value"`.
fn split<'a>(token: &Token<'a>, fields: &mut Fields<'_, 'a>) -> Result<(&'a [u8], Option<Token<'a>>), Fault> {
    if token.quoted {
        return Err(fields.unexpected(token, "a parameter (key=\"value\", the key outside the quotes)"));
    }
    let Some(equals) = token.text.iter().position(|&octet| octet == b'=') else { return Ok((token.text, None)) };
    let (name, value) = (&token.text[..equals], token.part(equals + 1..token.text.len()));
    if !value.text.is_empty() {
        return Ok((name, Some(value)));
    }
    Ok((name, fields.adjacent_quoted()?))
}

/// A key's number from its name, or from `keyNNNNN` without leading zeros.
fn key(name: &[u8]) -> Option<u16> {
    if let Some(key) = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return Some(key as u16);
    }
    let (head, digits) = name.split_at_checked(3)?;
    let canonical = digits == b"0" || digits.first().is_some_and(|first| (b'1'..=b'9').contains(first));
    if !head.eq_ignore_ascii_case(b"key") || !canonical || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|&key| key != INVALID)
}

/// A key as messages show it.
fn text_of(key: u16) -> String {
    named(&NAMES, key)
}

fn named(names: &[&str], key: u16) -> String {
    names.get(usize::from(key)).map_or_else(|| format!("key{key}"), |name| (*name).into())
}

fn remedy(key: u16) -> &'static str {
    match key {
        MANDATORY => "list other keys of this record, each once: mandatory=alpn,port",
        ALPN => "list protocol identifiers of 1 to 255 octets: alpn=h2,h3",
        NO_DEFAULT_ALPN => "write it without a value, beside alpn",
        PORT => "give one number from 0 to 65535: port=8443",
        IPV4HINT => "list IPv4 addresses: ipv4hint=192.0.2.1,192.0.2.2",
        ECH => "give the ECHConfigList in Base 64, with its padding",
        IPV6HINT => "list IPv6 addresses: ipv6hint=2001:db8::1,2001:db8::2",
        DOHPATH => "give the path of the queries as a template: dohpath=/dns-query{?dns}",
        OHTTP => "write it without a value",
        _ => "see RFC 9460 section 2.1",
    }
}

/// Appends the wire form of a value whose string escapes are taken out already.
fn value_from_text(key: u16, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let parsed = |item: &[u8]| std::str::from_utf8(item).ok().map(str::to_owned);
    match key {
        MANDATORY => {
            let mut keys = Vec::new();
            for item in text.split(|&octet| octet == b',') {
                keys.push(self::key(item).ok_or_else(|| format!("{} is not a key", shown(item)))?);
            }
            keys.sort_unstable();
            keys.iter().for_each(|key| out.extend_from_slice(&key.to_be_bytes()));
        }
        ALPN => {
            for item in list(text) {
                let len = u8::try_from(item.len()).map_err(|_| "a protocol identifier has more than 255 octets")?;
                out.push(len);
                out.extend_from_slice(&item);
            }
        }
        PORT => {
            let all_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            let port = parsed(text).filter(|_| all_digits).and_then(|text| text.parse::<u16>().ok());
            out.extend_from_slice(&port.ok_or_else(|| format!("{} is not a port", shown(text)))?.to_be_bytes());
        }
        IPV4HINT => {
            for item in text.split(|&octet| octet == b',') {
                let address = parsed(item).and_then(|text| text.parse::<Ipv4Addr>().ok());
                out.extend_from_slice(
                    &address.ok_or_else(|| format!("{} is not an IPv4 address", shown(item)))?.octets(),
                );
            }
        }
        IPV6HINT => {
            for item in text.split(|&octet| octet == b',') {
                let address = parsed(item).and_then(|text| text.parse::<Ipv6Addr>().ok());
                out.extend_from_slice(
                    &address.ok_or_else(|| format!("{} is not an IPv6 address", shown(item)))?.octets(),
                );
            }
        }
        ECH => base64::decode(text, out).ok_or_else(|| format!("{} is not Base 64", shown(text)))?,
        _ => out.extend_from_slice(text),
    }
    Ok(())
}

/// The items of a list whose commas and backslashes may be escaped once more (RFC 9460 appendix A.1).
fn list(text: &[u8]) -> Vec<Vec<u8>> {
    let mut items = vec![Vec::new()];
    let mut octets = text.iter().copied();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b',' => {
                items.push(Vec::new());
                continue;
            }
            b'\\' => octets.next().unwrap_or(b'\\'),
            octet => octet,
        };
        if let Some(item) = items.last_mut() {
            item.push(octet);
        }
    }
    items
}

/// Whether a value's wire form is right by itself.
fn check_value(key: u16, value: &[u8]) -> Result<(), String> {
    let some_of = |octets: usize, what: &str| match value.len() {
        0 => Err(format!("it needs {what}")),
        len if len.is_multiple_of(octets) => Ok(()),
        len => Err(format!("{len} octets are no list of {octets} each")),
    };
    match key {
        MANDATORY => {
            some_of(2, "at least one key")?;
            let keys: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            if keys.contains(&MANDATORY) {
                return Err("it can't list itself".into());
            }
            match keys.windows(2).find(|pair| pair[0] >= pair[1]) {
                Some(pair) if pair[0] == pair[1] => Err(format!("{} is listed twice", text_of(pair[0]))),
                Some(_) => Err("its keys are not in ascending order".into()),
                None => Ok(()),
            }
        }
        ALPN => {
            let mut rest = value;
            if rest.is_empty() {
                return Err("it needs at least one protocol identifier".into());
            }
            while let Some((&len, after)) = rest.split_first() {
                if len == 0 {
                    return Err("a protocol identifier is empty".into());
                }
                rest = after.get(usize::from(len)..).ok_or("a protocol identifier goes on behind the end")?;
            }
            Ok(())
        }
        NO_DEFAULT_ALPN | OHTTP if !value.is_empty() => Err("it takes no value".into()),
        PORT if value.len() != 2 => Err("it needs one port of two octets".into()),
        IPV4HINT => some_of(4, "at least one address"),
        IPV6HINT => some_of(16, "at least one address"),
        ECH | DOHPATH if value.is_empty() => Err("it needs a value".into()),
        _ => Ok(()),
    }
}

/// One parameter off the front of the wire form.
fn take<'w>(rest: &mut &'w [u8]) -> Result<(u16, &'w [u8]), String> {
    let [k1, k2, l1, l2, after @ ..] = *rest else { return Err("it ends within a parameter".into()) };
    let len = usize::from(u16::from_be_bytes([*l1, *l2]));
    let (value, next) = after.split_at_checked(len).ok_or("it ends within a parameter's value")?;
    *rest = next;
    Ok((u16::from_be_bytes([*k1, *k2]), value))
}

/// Whether RDATA with a sound priority and target has sound parameters that agree with each other.
pub(super) fn check(rdata: &[u8]) -> Result<(), String> {
    let after_priority = rdata.get(2..).ok_or("it ends within the priority")?;
    let target = name::wire_len(after_priority).map_err(|why| why.to_string())?;
    let mut rest = &after_priority[target..];
    if rdata[..2] == [0, 0] && !rest.is_empty() {
        // RFC 9460 section 2.4.2: those who ask must ignore them.
        return Err("priority 0 makes an alias, which takes no parameters".into());
    }
    let mut keys: Vec<u16> = Vec::new();
    let mut mandatory: &[u8] = &[];
    while !rest.is_empty() {
        let (key, value) = take(&mut rest)?;
        if keys.last().is_some_and(|&last| last >= key) {
            return Err("its keys are not in ascending order".into());
        }
        if key == INVALID {
            return Err("key65535 is reserved".into());
        }
        check_value(key, value).map_err(|why| format!("{}: {why}", text_of(key)))?;
        if key == MANDATORY {
            mandatory = value;
        }
        keys.push(key);
    }
    if keys.contains(&NO_DEFAULT_ALPN) && !keys.contains(&ALPN) {
        return Err("no-default-alpn needs alpn beside it (RFC 9460 section 7.1.1)".into());
    }
    for pair in mandatory.chunks_exact(2) {
        let key = u16::from_be_bytes([pair[0], pair[1]]);
        if keys.binary_search(&key).is_err() {
            return Err(format!("{} is mandatory, but is not given (RFC 9460 section 8)", text_of(key)));
        }
    }
    Ok(())
}

/// Writes parameters that [`check`] accepts.
pub(super) fn write(params: &[u8], out: &mut String) -> Option<()> {
    let mut rest = params;
    while !rest.is_empty() {
        if rest.len() < params.len() {
            out.push(' ');
        }
        let (key, value) = take(&mut rest).ok()?;
        out.push_str(&named(&NAMES[..NAMES_WRITTEN], key));
        match key {
            NO_DEFAULT_ALPN => continue,
            _ if value.is_empty() => continue,
            _ => out.push('='),
        }
        match key {
            MANDATORY => separated(value.chunks_exact(2), out, |pair, out| {
                out.push_str(&named(&NAMES[..NAMES_WRITTEN], u16::from_be_bytes([pair[0], pair[1]])));
            }),
            ALPN => {
                let mut items = Vec::new();
                let mut identifiers = value;
                while let Some((&len, after)) = identifiers.split_first() {
                    let (identifier, next) = after.split_at_checked(len.into())?;
                    if !items.is_empty() {
                        items.push(b',');
                    }
                    for &octet in identifier {
                        if matches!(octet, b',' | b'\\') {
                            items.push(b'\\');
                        }
                        items.push(octet);
                    }
                    identifiers = next;
                }
                super::quote(&items, out);
            }
            PORT => write!(out, "{}", u16::from_be_bytes(value.try_into().ok()?)).ok()?,
            IPV4HINT => separated(value.chunks_exact(4), out, |octets, out| {
                let _ = write!(out, "{}", Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]));
            }),
            IPV6HINT => separated(value.chunks_exact(16), out, |octets, out| {
                let bits = octets.iter().fold(0u128, |bits, &octet| bits << 8 | u128::from(octet));
                let _ = write!(out, "{}", Ipv6Addr::from_bits(bits));
            }),
            ECH => base64::encode(value, out),
            _ => super::quote(value, out),
        }
    }
    Some(())
}

fn separated<'w>(items: impl Iterator<Item = &'w [u8]>, out: &mut String, one: impl Fn(&'w [u8], &mut String)) {
    for (nth, item) in items.enumerate() {
        if nth > 0 {
            out.push(',');
        }
        one(item, out);
    }
}
