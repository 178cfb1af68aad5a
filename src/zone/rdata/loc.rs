//! Geographical location (RFC 1876): the one type whose text is made of degrees and metres.

use crate::wire::code::rtype;
use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::Fields;
use crate::zone::parse::lexer::Token;
use std::fmt::Write;

/// Thousandths of a second of arc in a degree.
const DEGREE: u32 = 3_600_000;
/// Where equator and prime meridian lie.
const ARC_ZERO: u32 = 1 << 31;
/// Altitudes count centimetres from 100,000 m below the WGS 84 ellipsoid.
const ALTITUDE_ZERO: i64 = 10_000_000;
/// Size and precisions where the text leaves them out: 1 m, 10 km, 10 m.
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];
/// 90,000,000 m in centimetres.
const EXTENT_MAX: u64 = 9_000_000_000;

/// Reads the text of RFC 1876 section 3.
pub(super) fn read(fields: &mut Fields, out: &mut Vec<u8>) -> Result<(), Fault> {
    let latitude = arc(fields, "the latitude", 90, b'N', b'S')?;
    let longitude = arc(fields, "the longitude", 180, b'E', b'W')?;
    let token = fields.token("the altitude")?;
    let Some(altitude) = altitude(&token) else {
        return Err(fields.unexpected(&token, "an altitude from -100000.00m to 42849672.95m"));
    };
    let mut extents = DEFAULTS;
    for (extent, what) in extents.iter_mut().zip(["size", "horizontal precision", "vertical precision"]) {
        let Some(token) = fields.optional()? else { break };
        *extent = match metres(&token).filter(|&centimetres| centimetres <= EXTENT_MAX) {
            Some(centimetres) => power(centimetres),
            None => return Err(fields.unexpected(&token, &format!("a {what} from 0.00m to 90000000.00m"))),
        };
    }
    out.push(0);
    out.extend_from_slice(&extents);
    for value in [latitude, longitude, altitude] {
        out.extend_from_slice(&value.to_be_bytes());
    }
    Ok(())
}

/// Degrees, perhaps minutes, perhaps seconds with up to three decimals, and the direction.
fn arc(fields: &mut Fields, what: &str, degrees_max: u32, plus: u8, minus: u8) -> Result<u32, Fault> {
    let direction = |token: &Token| match token.text {
        [letter] if letter.eq_ignore_ascii_case(&plus) && !token.quoted => Some(true),
        [letter] if letter.eq_ignore_ascii_case(&minus) && !token.quoted => Some(false),
        _ => None,
    };
    let limits = [(degrees_max, DEGREE, "degrees", 0), (59, 60_000, "minutes", 0), (59, 1000, "seconds", 3)];
    let start = fields.expect(what)?;
    let mut sum = 0;
    let mut north_or_east = None;
    for (nth, (max, unit, name, decimals)) in limits.into_iter().enumerate() {
        let token = fields.token(what)?;
        if nth > 0
            && let Some(found) = direction(&token)
        {
            north_or_east = Some(found);
            break;
        }
        // Scaled to the third decimal, so that seconds count in their wire unit.
        let scaled = if token.quoted { None } else { scaled(token.text, decimals, 3) };
        match scaled.filter(|&value| value <= u64::from(max) * 1000 + if decimals > 0 { 999 } else { 0 }) {
            Some(thousandths) => sum += (thousandths * u64::from(unit) / 1000) as u32,
            None => return Err(fields.unexpected(&token, &format!("{what}'s {name} (0 to {max})"))),
        }
    }
    let north_or_east = match north_or_east {
        Some(found) => found,
        None => {
            let token = fields.token(what)?;
            match direction(&token) {
                Some(found) => found,
                None => {
                    let expected = format!("{what}'s direction, {} or {}", plus as char, minus as char);
                    return Err(fields.unexpected(&token, &expected));
                }
            }
        }
    };
    if sum > degrees_max * DEGREE {
        return Err(Fault::new(
            fields.since(start),
            format!("{what} is more than {degrees_max} degrees"),
            super::usage(rtype::LOC),
        ));
    }
    Ok(if north_or_east { ARC_ZERO + sum } else { ARC_ZERO - sum })
}

/// A decimal number without sign, in units of 10^-`scale`; at most `decimals` digits behind the dot.
fn scaled(text: &[u8], decimals: usize, scale: usize) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|&octet| octet == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    // Ten digits hold every value of this type with room to spare, and can't overflow.
    if whole.is_empty() || whole.len() > 10 || fraction.len() > decimals {
        return None;
    }
    let padded = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(scale);
    whole
        .iter()
        .copied()
        .chain(padded)
        .try_fold(0u64, |value, octet| octet.is_ascii_digit().then(|| value * 10 + u64::from(octet - b'0')))
}

/// Metres with up to two decimals and perhaps an `m`, as centimetres.
fn metres(token: &Token) -> Option<u64> {
    if token.quoted {
        return None;
    }
    scaled(token.text.strip_suffix(b"m").or(token.text.strip_suffix(b"M")).unwrap_or(token.text), 2, 2)
}

fn altitude(token: &Token) -> Option<u32> {
    let below = token.text.starts_with(b"-");
    let centimetres = metres(&token.part(usize::from(below)..token.text.len()))? as i64;
    u32::try_from(ALTITUDE_ZERO + if below { -centimetres } else { centimetres }).ok()
}

/// Mantissa and power of ten, four bits each; what one digit can't say is cut off, as RFC 1876's own code does.
fn power(centimetres: u64) -> u8 {
    let mut exponent = 0;
    let mut mantissa = centimetres;
    while mantissa > 9 {
        mantissa /= 10;
        exponent += 1;
    }
    (mantissa as u8) << 4 | exponent
}

/// Whether 16 octets are a location: version 0, angles on the globe, decimal digits.
pub(super) fn check(rdata: &[u8]) -> Result<(), String> {
    let [version, extents @ .., _, _, _, _, _, _, _, _, _, _, _, _] = rdata else {
        return Err("a location has 16 octets".into());
    };
    if *version != 0 {
        return Err(format!("its version is {version}, only 0 is known"));
    }
    if extents.iter().any(|extent| extent >> 4 > 9 || extent & 15 > 9) {
        return Err("a size or precision has a digit over 9".into());
    }
    let angle = |at: usize| word(rdata, at).abs_diff(ARC_ZERO);
    if angle(4) > 90 * DEGREE || angle(8) > 180 * DEGREE {
        return Err("it lies beyond 90 degrees of latitude or 180 of longitude".into());
    }
    Ok(())
}

fn word(rdata: &[u8], at: usize) -> u32 {
    rdata.iter().skip(at).take(4).fold(0, |value, &octet| value << 8 | u32::from(octet))
}

/// Writes octets that [`check`] accepts. `None`: a zero with a power of ten, which the text can't tell from plain zero.
pub(super) fn write(rdata: &[u8], out: &mut String) -> Option<()> {
    for (at, plus, minus) in [(4, 'N', 'S'), (8, 'E', 'W')] {
        let value = word(rdata, at);
        let sum = value.abs_diff(ARC_ZERO);
        let (minutes, thousandths) = (sum / 60_000, sum % 60_000);
        let direction = if value >= ARC_ZERO { plus } else { minus };
        write!(out, "{} {} {}.{:03} {direction} ", minutes / 60, minutes % 60, thousandths / 1000, thousandths % 1000)
            .ok()?;
    }
    let altitude = i64::from(word(rdata, 12)) - ALTITUDE_ZERO;
    let sign = if altitude < 0 { "-" } else { "" };
    write!(out, "{sign}{}.{:02}m", altitude.abs() / 100, altitude.abs() % 100).ok()?;
    for extent in rdata.get(1..4)? {
        let (mantissa, exponent) = (u64::from(extent >> 4), u32::from(extent & 15));
        if mantissa == 0 && exponent > 0 {
            return None;
        }
        let centimetres = mantissa * 10u64.pow(exponent);
        write!(out, " {}.{:02}m", centimetres / 100, centimetres % 100).ok()?;
    }
    Some(())
}
