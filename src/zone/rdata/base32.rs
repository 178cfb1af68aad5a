//! Base 32 with the digits of hexadecimal first (RFC 4648 section 7), without padding, as NSEC3 writes its hashes (RFC 5155
//! section 3.3).

use super::identifier::measured;

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// Appends the octets that `text` stands for behind their number, 1 to 255.
pub(super) fn read(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    measured(out, |out| decode(text, out).filter(|()| !text.is_empty()))
}

/// Appends the octets that `text` stands for, in any case. `None`: it is not such text.
fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (mut bits, mut count) = (0u32, 0);
    for &digit in text {
        let value = match digit.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => digit - b'0',
            digit @ b'A'..=b'V' => digit - b'A' + 10,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Less than a digit is left over, and nothing is set in it.
    (count < 5 && bits == 0).then_some(())
}

/// Appends the text that stands for `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks(5) {
        let bits = group.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet)) << (8 * (5 - group.len()));
        let digits = (8 * group.len()).div_ceil(5);
        out.extend((0..digits).map(|nth| DIGITS[(bits >> (35 - 5 * nth)) as usize & 31] as char));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_section_10_without_padding() {
        for (octets, text) in [
            ("", ""),
            ("f", "CO"),
            ("fo", "CPNG"),
            ("foo", "CPNMU"),
            ("foob", "CPNMUOG"),
            ("fooba", "CPNMUOJ1"),
            ("foobar", "CPNMUOJ1E8"),
        ] {
            let mut encoded = String::new();
            encode(octets.as_bytes(), &mut encoded);
            assert_eq!(encoded, text);
            for text in [text.to_owned(), text.to_ascii_lowercase()] {
                let mut decoded = Vec::new();
                assert_eq!(decode(text.as_bytes(), &mut decoded), Some(()));
                assert_eq!(decoded, octets.as_bytes());
            }
        }
        for bad in ["C", "CP", "CPN", "CPNMUO", "CO======", "CW", "C-"] {
            assert_eq!(decode(bad.as_bytes(), &mut Vec::new()), None, "{bad}");
        }
    }
}
