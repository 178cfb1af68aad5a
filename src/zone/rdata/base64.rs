//! Base 64 (RFC 4648 section 4), strict: padding is there, and no bits are set behind the last octet.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the octets that `text` stands for. `None`: it is not Base 64.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    for (nth, group) in text.chunks_exact(4).enumerate() {
        let last = nth + 1 == text.len() / 4;
        let padding = group.iter().rev().take_while(|&&digit| digit == b'=').count();
        if padding > 2 || (padding > 0 && !last) {
            return None;
        }
        let mut bits = 0u32;
        for &digit in &group[..4 - padding] {
            bits = bits << 6 | DIGITS.iter().position(|&known| known == digit)? as u32;
        }
        bits <<= 6 * padding;
        let [_, octets @ ..] = bits.to_be_bytes();
        let (kept, dropped) = octets.split_at(3 - padding);
        if dropped.iter().any(|&octet| octet != 0) {
            return None;
        }
        out.extend_from_slice(kept);
    }
    Some(())
}

/// Appends the text that stands for `bytes`.
pub(super) fn encode(bytes: &[u8], out: &mut String) {
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - group.len()));
        for nth in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * nth)) as usize & 63];
            out.push(if nth <= group.len() { digit as char } else { '=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4648_section_10() {
        for (octets, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut encoded = String::new();
            encode(octets.as_bytes(), &mut encoded);
            assert_eq!(encoded, text);
            let mut decoded = Vec::new();
            assert_eq!(decode(text.as_bytes(), &mut decoded), Some(()));
            assert_eq!(decoded, octets.as_bytes());
        }
        for bad in ["Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9_"] {
            assert_eq!(decode(bad.as_bytes(), &mut Vec::new()), None, "{bad}");
        }
    }
}
