//! Base 32 with the digits of hexadecimal first (RFC 4648 section 7), without padding, as NSEC3 writes its hashes (RFC 5155
//! section 3.3).

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// Gives `put` the octets that `text` stands for, in any case. `None`: it is not such text.
pub(super) fn decode(text: &[u8], mut put: impl FnMut(u8)) -> Option<()> {
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
            put((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Less than a digit is left over, and nothing is set in it.
    (count < 5 && bits == 0).then_some(())
}

/// Appends the text that stands for `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for five in bytes.chunks(5) {
        let digits = (8 * five.len()).div_ceil(5);
        out.extend(eight(five)[..digits].iter().map(|&digit| digit as char));
    }
}

/// The digits of up to five octets, as if zeros followed.
#[inline]
pub(super) fn eight(five: &[u8]) -> [u8; 8] {
    let bits = five.iter().fold(0u64, |bits, &octet| bits << 8 | u64::from(octet)) << (8 * (5 - five.len()));
    std::array::from_fn(|at| DIGITS[(bits >> (35 - 5 * at)) as usize & 31])
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
                assert_eq!(decode(text.as_bytes(), |octet| decoded.push(octet)), Some(()));
                assert_eq!(decoded, octets.as_bytes());
            }
        }
        for bad in ["C", "CP", "CPN", "CPNMUO", "CO======", "CW", "C-"] {
            assert_eq!(decode(bad.as_bytes(), |_| ()), None, "{bad}");
        }
    }
}
