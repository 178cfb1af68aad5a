//! Sets of numbers, a bit each: the types of NSEC, NSEC3 and CSYNC in windows of 256 (RFC 4034 section 4.1.2); those of NXT
//! (RFC 2535 section 5.2) and the ports of WKS (RFC 1035 section 3.4.2) in one run from 0.

use crate::wire::code::rtype;
use crate::zone::parse::fault::{Fault, shown};
use crate::zone::parse::fields::{Fields, decimal};
use crate::zone::parse::lexer::Token;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

/// Octets of a window at most.
const WINDOW_LEN: usize = 32;
/// The types that NXT can list (RFC 2535 section 5.2).
const NXT_TYPE_MAX: u16 = 127;

/// Reads types up to the record's end, in any order.
pub(super) fn read_types(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    // Nearly all types lie in the first window: the others may cost an allocation.
    let mut first = [0; WINDOW_LEN];
    let mut others: BTreeMap<u8, [u8; WINDOW_LEN]> = BTreeMap::new();
    while let Some(token) = fields.optional()? {
        let [window, bit] = a_type(fields, &token)?.to_be_bytes();
        let bits = if window == 0 { &mut first } else { others.entry(window).or_insert([0; WINDOW_LEN]) };
        bits[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    for (window, bits) in std::iter::once((0, first)).chain(others) {
        if let Some(last) = bits.iter().rposition(|&octet| octet != 0) {
            out.extend_from_slice(&[window, last as u8 + 1]);
            out.extend_from_slice(&bits[..=last]);
        }
    }
    Ok(())
}

fn a_type(fields: &Fields, token: &Token) -> Result<u16, Fault> {
    match rtype::from_text(token.text) {
        Some(rtype) if !token.quoted => Ok(rtype),
        _ => Err(fields.unexpected(token, "a type, by its name or as TYPEnnn (RFC 3597)")),
    }
}

/// Whether octets are windows as RFC 4034 section 4.1.2 has them.
pub(super) fn check_types(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    let mut last = None;
    while !rest.is_empty() {
        let (window, bits) = take_window(&mut rest).ok_or("it ends within a window of its types")?;
        if last.is_some_and(|last| last >= window) {
            return Err("the windows of its types are not in ascending order".into());
        }
        if !matches!(bits.len(), 1..=WINDOW_LEN) || bits.last() == Some(&0) {
            return Err(format!("window {window} of its types must have 1 to {WINDOW_LEN} octets, the last not 0"));
        }
        last = Some(window);
    }
    Ok(())
}

/// One window off the front: its number and its bits.
fn take_window<'w>(rest: &mut &'w [u8]) -> Option<(u8, &'w [u8])> {
    let [window, len, after @ ..] = *rest else { return None };
    let (bits, after) = after.split_at_checked(usize::from(*len))?;
    *rest = after;
    Some((*window, bits))
}

/// Writes windows that [`check_types`] accepts, as a list of types.
pub(super) fn write_types(bytes: &[u8], out: &mut String) -> Option<()> {
    let mut rest = bytes;
    let mut types = Vec::new();
    while !rest.is_empty() {
        let (window, bits) = take_window(&mut rest)?;
        types.extend(ones(bits).map(|bit| rtype::text(u16::from(window) << 8 | bit as u16)));
    }
    write_list(types.into_iter(), out);
    Some(())
}

/// The places of the bits that are set.
fn ones(bits: &[u8]) -> impl Iterator<Item = usize> + '_ {
    (0..8 * bits.len()).filter(|bit| bits[bit / 8] & (0x80 >> (bit % 8)) != 0)
}

fn write_list(items: impl Iterator<Item = impl Display>, out: &mut String) {
    for (nth, item) in items.enumerate() {
        let _ = write!(out, "{}{item}", if nth > 0 { " " } else { "" });
    }
}

/// Reads the types of an NXT record up to its end.
pub(super) fn read_nxt_types(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    // BIND writes types without a name as numbers here.
    let by_number = |token: &Token| decimal(token).and_then(|number| u16::try_from(number).ok());
    read_run(fields, out, |fields, token| match by_number(token).map_or_else(|| a_type(fields, token), Ok)? {
        rtype @ 1..=NXT_TYPE_MAX => Ok(rtype),
        _ => Err(Fault::new(
            token.spot(),
            format!("{} is not among the types 1 to {NXT_TYPE_MAX}, which NXT can list", shown(token.text)),
            "NXT is obsolete: sign the zone with NSEC or NSEC3 (RFC 3755)",
        )),
    })
}

/// Writes the bits of an NXT record that [`check_nxt_types`] accepts.
pub(super) fn write_nxt_types(bytes: &[u8], out: &mut String) {
    write_list(ones(bytes).map(|bit| rtype::text(bit as u16)), out);
}

/// Whether the octets are the bits of an NXT record: types 1 to 127, no octet more than they need.
pub(super) fn check_nxt_types(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > usize::from(NXT_TYPE_MAX / 8 + 1) || bytes.first().is_some_and(|&octet| octet & 0x80 != 0) {
        return Err(format!("NXT can list the types 1 to {NXT_TYPE_MAX} only"));
    }
    no_zeros_behind(bytes)
}

/// Services by the names that zones gave them when WKS was in use; BIND asks the host for them, which makes a zone of one host
/// another one elsewhere.
const SERVICES: [(&str, u16); 20] = [
    ("echo", 7),
    ("discard", 9),
    ("systat", 11),
    ("daytime", 13),
    ("netstat", 15),
    ("chargen", 19),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("time", 37),
    ("domain", 53),
    ("tftp", 69),
    ("finger", 79),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("nntp", 119),
    ("ntp", 123),
];

/// Reads ports up to the end of a WKS record.
pub(super) fn read_ports(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    read_run(fields, out, |fields, token| {
        let by_name = || SERVICES.iter().find(|(name, _)| token.is_word(name.as_bytes())).map(|&(_, port)| port);
        let port = decimal(token).and_then(|port| u16::try_from(port).ok()).or_else(by_name);
        port.ok_or_else(|| fields.unexpected(token, "a port (a number from 0 to 65535, or a service such as smtp)"))
    })
}

/// Writes the bits of a WKS record that [`check_ports`] accepts.
pub(super) fn write_ports(bytes: &[u8], out: &mut String) {
    write_list(ones(bytes), out);
}

/// Whether the octets are the bits of ports: 65,536 at most, no octet more than they need.
pub(super) fn check_ports(bytes: &[u8]) -> Result<(), String> {
    if bytes.len() > 1 << 13 {
        return Err("it has bits behind port 65535".into());
    }
    no_zeros_behind(bytes)
}

/// What the text can't say, it could not be read back as.
fn no_zeros_behind(bytes: &[u8]) -> Result<(), String> {
    if bytes.last() == Some(&0) { Err("the last octet of its bits is 0".into()) } else { Ok(()) }
}

/// Reads numbers up to the record's end into one run of bits.
fn read_run(
    fields: &mut Fields,
    out: &mut Vec<u8>,
    number: impl Fn(&Fields, &Token) -> Result<u16, Fault>,
) -> Result<(), Fault> {
    let from = out.len();
    while let Some(token) = fields.optional()? {
        let number = number(fields, &token)?;
        let at = from + usize::from(number / 8);
        if out.len() <= at {
            out.resize(at + 1, 0);
        }
        out[at] |= 0x80 >> (number % 8);
    }
    Ok(())
}
