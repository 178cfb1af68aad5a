//! What is said about data that is wrong: where, which field, and how it should be.

use super::examples::EXAMPLES;
use super::{findings, parse_data, written};
use catchment::wire::code::rtype;
use catchment::zone::parse::Parsed;
use std::collections::BTreeSet;

/// Columns in front of the type in what [`parse_data`] reads.
const HEAD: usize = "a 60 ".len();

/// The one error about a record, whose remedy says what to do: most often the form of the whole.
fn error(parsed: &Parsed) -> Result<(usize, usize, &str), String> {
    match &parsed.diagnostics[..] {
        [found] if parsed.has_errors() && !found.remedy.is_empty() && parsed.records.is_empty() => {
            Ok((found.column as usize, found.width as usize, &found.message))
        }
        found => Err(format!("{:?}", findings(found))),
    }
}

/// The words of a record as we write it, with their columns: strings in quotes are one.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let (mut start, mut in_quotes, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c == ' ' && !in_quotes {
            words.push((HEAD + 1 + start, &text[start..at]));
            start = at + 1;
        }
        in_quotes ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    words
}

fn examples_written() -> Vec<String> {
    EXAMPLES.iter().map(|(text, _)| written(&parse_data(text)).unwrap()).filter(|text| !text.contains("\\#")).collect()
}

/// Types that end with what may be left out, and from how many words on.
const SHORTER: &[(&str, usize)] = &[
    ("TXT", 1),
    ("SPF", 1),
    ("NINFO", 1),
    ("AVC", 1),
    ("RESINFO", 1),
    ("WALLET", 1),
    ("ISDN", 1),
    ("WKS", 2),
    ("NXT", 1),
    ("LOC", 9),
    ("APL", 0),
    ("NSEC", 2),
    ("NSEC3", 5),
    ("CSYNC", 2),
    ("SINK", 3),
    ("HIP", 3),
    ("SVCB", 2),
    ("HTTPS", 2),
    // Other rules than those of the form are in the way, or none at all.
    ("KEY", 3),
];

/// Cut short behind each of its words: the error is behind the last one, and names what is missing.
#[test]
fn each_example_cut_short() {
    let mut wrong = Vec::new();
    for text in examples_written() {
        let words = words(&text);
        let mnemonic = words[0].1;
        let needed = SHORTER.iter().find(|(name, _)| *name == mnemonic).map_or(words.len() - 1, |&(_, needed)| needed);
        for &(column, last) in words.iter().take(needed.min(words.len() - 1)) {
            let end = column + last.len();
            let short = &text[..end - HEAD - 1];
            let parsed = parse_data(short);
            match error(&parsed) {
                Ok((column, _, message)) if column == end && message.starts_with("the record ends where ") => {}
                found => wrong.push(format!("{short}: {found:?}")),
            }
            let remedy = parsed.diagnostics.first().map_or("", |found| &found.remedy);
            if !remedy.starts_with(&format!("the form is: {mnemonic} ")) {
                wrong.push(format!("{short}: {remedy}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Types that go on with any word.
const ENDLESS: &[&str] = &["TXT", "SPF", "NINFO", "AVC", "RESINFO", "WALLET"];

/// With more behind its end: the error is there.
#[test]
fn each_example_with_more_behind() {
    let mut wrong = Vec::new();
    for text in examples_written() {
        let mnemonic = text.split(' ').next().unwrap_or_default();
        // A second subaddress is one too many.
        let more = if mnemonic == "ISDN" && words(&text).len() == 2 { "1 ?..?" } else { "?..?" };
        let parsed = parse_data(&format!("{text} {more}"));
        let (start, end) = (HEAD + 1, HEAD + 1 + text.len() + 1 + more.len());
        match error(&parsed) {
            Ok((column, width, _)) if column >= start && column + width <= end && column + width > end - 4 => {}
            Err(_) if ENDLESS.contains(&mnemonic) => {}
            found => wrong.push(format!("{text} {more}: {found:?}")),
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Each of its words by nonsense, and by the same in quotes: the error is at that word. Strings may be anything.
#[test]
fn each_word_of_each_example_by_nonsense() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for text in examples_written() {
        for (column, word) in words(&text).into_iter().skip(1) {
            if word.starts_with('"') {
                continue;
            }
            for nonsense in ["?..?", "\"?..?\""] {
                let at = column - HEAD - 1;
                let with = format!("{}{nonsense}{}", &text[..at], &text[at + word.len()..]);
                match error(&parse_data(&with)) {
                    Ok((found, width, _)) if found >= column && found + width <= column + nonsense.len() => {}
                    found => wrong.push(format!("{with}: {found:?}")),
                }
                tried += 1;
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(tried > 500, "{tried}");
}

/// Data, and `column+width message` of what is said about it; what was found there, which ends many messages, is left out.
const WRONG: &[(&str, &str)] = &[
    ("A 192.0.2.256", "3+11 expected an IPv4 address such as 192.0.2.1"),
    ("A 192.0.02.1", "3+10 expected an IPv4 address such as 192.0.2.1"),
    ("A 192.0.2.1 x", "13+1 the record should end before `x`"),
    ("A", "2+1 the record ends where the record's data is expected"),
    ("AAAA 2001:db8::1::2", "6+14 expected an IPv6 address such as 2001:db8::1"),
    ("AAAA 192.0.2.1", "6+9 expected an IPv6 address such as 2001:db8::1"),
    ("NS a..b", "6+1 the name server's name: a label is empty (two dots in a row?): `a..b`"),
    ("NS \"a\"", "4+3 the name server's name: a name can't stand in quotes"),
    ("CNAME a b", "9+1 the record should end before `b`"),
    ("DNAME", "6+1 the record ends where the record's data is expected"),
    ("SOA . . 1 2 3 4 1h30", "17+4 expected the minimum TTL (seconds, or a time like 1h30m, up to 4294967295 seconds)"),
    ("SOA . . 4294967296 2 3 4 5", "9+10 expected the serial (a number from 0 to 4294967295)"),
    ("MX 65536 a", "4+5 expected the preference (a number from 0 to 65535)"),
    ("MX 10 ; a", "7+1 the record ends where the mail server's name is expected"),
    ("MX \"10\" a", "4+4 expected the preference (a number from 0 to 65535)"),
    (
        "PTR a\\256",
        "6+4 the name pointed to: a backslash must be followed by a character or by three digits up to 255: `a\\256`",
    ),
    ("MB", "3+1 the record ends where the record's data is expected"),
    ("MG a..b", "6+1 the member's mailbox: a label is empty (two dots in a row?): `a..b`"),
    ("MR a b", "6+1 the record should end before `b`"),
    ("MINFO a", "8+1 the record ends where the mailbox for errors is expected"),
    ("MINFO a b..c", "11+1 the mailbox for errors: a label is empty (two dots in a row?): `b..c`"),
    ("HINFO a", "8+1 the record ends where the operating system is expected"),
    ("HINFO a b c", "11+1 the record should end before `c`"),
    ("TXT a\\256", "6+4 a text: `\\256` is not an escape"),
    ("TXT \"a", "5+2 this quote is not closed on its line"),
    ("WKS 10.0.0 TCP 25", "5+6 expected an IPv4 address such as 192.0.2.1"),
    ("WKS 10.0.0.1 IP 25", "14+2 expected the protocol (a number from 0 to 255, or a name such as TCP)"),
    ("WKS 10.0.0.1 256 25", "14+3 expected the protocol (a number from 0 to 255, or a name such as TCP)"),
    ("WKS 10.0.0.1 TCP mail", "18+4 expected a port (a number from 0 to 65535, or a service such as smtp)"),
    ("WKS 10.0.0.1 TCP 65536", "18+5 expected a port (a number from 0 to 65535, or a service such as smtp)"),
    ("RP a", "5+1 the record ends where the name of a TXT record is expected"),
    ("RP a..b c", "6+1 the mailbox: a label is empty (two dots in a row?): `a..b`"),
    ("AFSDB -1 a", "7+2 expected the subtype (a number from 0 to 65535)"),
    ("AFSDB 1", "8+1 the record ends where the server's name is expected"),
    ("X25 123", "5+3 expected the PSDN address (4 to 255 digits)"),
    ("X25 12a4", "5+4 expected the PSDN address (4 to 255 digits)"),
    ("X25 1234 5", "10+1 the record should end before `5`"),
    ("ISDN", "5+1 the record ends where the record's data is expected"),
    ("ISDN 1 2 3", "10+1 the record should end before `3`"),
    ("ISDN a\\256", "7+4 the ISDN address: `\\256` is not an escape"),
    ("RT a b", "4+1 expected the preference (a number from 0 to 65535)"),
    ("RT 10", "6+1 the record ends where the intermediate host's name is expected"),
    ("NSAP 47.0005", "6+7 expected the NSAP address (0x and pairs of hexadecimal digits, dots among them)"),
    ("NSAP 0x4", "6+3 expected the NSAP address (0x and pairs of hexadecimal digits, dots among them)"),
    ("NSAP 0x", "6+2 expected the NSAP address (0x and pairs of hexadecimal digits, dots among them)"),
    ("NSAP 0x4g", "6+4 expected the NSAP address (0x and pairs of hexadecimal digits, dots among them)"),
    ("NSAP 0x47 00", "11+2 the record should end before `00`"),
    ("NSAP-PTR", "9+1 the record ends where the record's data is expected"),
    ("PX 10 a", "8+1 the record ends where the X.400 domain is expected"),
    ("PX 10 a b..c", "11+1 the X.400 domain: a label is empty (two dots in a row?): `b..c`"),
    ("PX x a b", "4+1 expected the preference (a number from 0 to 65535)"),
    ("GPOS 1 2", "9+1 the record ends where the altitude is expected"),
    ("GPOS 1 2 3 4", "12+1 the record should end before `4`"),
    ("SIG A 5 3 86400 20030322173103 20030220173103 2642 a.", "54+1 the record ends where the signature is expected"),
    (
        "SIG NOPE 5 3 86400 20030322173103 20030220173103 2642 a. AQID",
        "5+4 expected the type covered (a type's name, or TYPEnnn)",
    ),
    ("KEY 256 3 5", "5+7 the public key is missing, and the flags don't say so (49152)"),
    ("KEY 65536 3 5 AQID", "5+5 expected the flags (a number from 0 to 65535)"),
    ("KEY 256 256 5 AQID", "9+3 expected the protocol (a number from 0 to 255)"),
    ("KEY 256 3 NOPE AQID", "11+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)"),
    ("KEY 256 3 5 AQI", "13+3 the public key ends within a group of four digits"),
    ("NXT a. A CAA", "10+3 `CAA` is not among the types 1 to 127, which NXT can list"),
    ("NXT a. NOPE", "8+4 expected a type, by its name or as TYPEnnn (RFC 3597)"),
    ("NXT", "4+1 the record ends where the record's data is expected"),
    ("EID", "4+1 the record ends where the record's data is expected"),
    ("EID 0", "5+1 the endpoint identifier: an odd number of hexadecimal digits"),
    ("EID 0g", "6+1 `g` in the endpoint identifier is not a hexadecimal digit"),
    ("NIMLOC \"00\"", "8+4 expected the Nimrod locator"),
    ("NIMLOC 000", "8+3 the Nimrod locator: an odd number of hexadecimal digits"),
    ("SRV 65536 1 1 a", "5+5 expected the priority (a number from 0 to 65535)"),
    ("SRV 1 x 1 a", "7+1 expected the weight (a number from 0 to 65535)"),
    ("SRV 1 1 -1 a", "9+2 expected the port (a number from 0 to 65535)"),
    ("SRV 1 1 1", "10+1 the record ends where the target name is expected"),
    ("ATMA 123", "6+3 expected the ATM address (pairs of hexadecimal digits, or + and digits)"),
    ("ATMA +1a", "6+3 expected the ATM address (pairs of hexadecimal digits, or + and digits)"),
    ("ATMA .12", "6+3 expected the ATM address (pairs of hexadecimal digits, or + and digits)"),
    ("ATMA 12..34", "6+6 expected the ATM address (pairs of hexadecimal digits, or + and digits)"),
    ("ATMA +", "6+1 expected the ATM address (pairs of hexadecimal digits, or + and digits)"),
    ("ATMA 12 34", "9+2 the record should end before `34`"),
    ("NAPTR 1 2 u", "12+1 the record ends where the services is expected"),
    ("NAPTR 1 65536 u s r .", "9+5 expected the preference (a number from 0 to 65535)"),
    ("KX 1", "5+1 the record ends where the exchanger's name is expected"),
    ("KX x a", "4+1 expected the preference (a number from 0 to 65535)"),
    ("CERT NOPE 1 1 AQID", "6+4 expected the certificate type (a number from 0 to 65535, or a name such as PKIX)"),
    ("CERT 65536 1 1 AQID", "6+5 expected the certificate type (a number from 0 to 65535, or a name such as PKIX)"),
    ("CERT PKIX 65536 1 AQID", "11+5 expected the key tag (a number from 0 to 65535)"),
    (
        "CERT PKIX 1 NOPE AQID",
        "13+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)",
    ),
    ("CERT PKIX 1 1", "14+1 the record ends where the certificate is expected"),
    ("CERT PKIX 1 1 AQ", "15+2 the certificate ends within a group of four digits"),
    ("A6 129 ::1 a", "4+3 expected the prefix length (a number from 0 to 128)"),
    ("A6 64 192.0.2.1 a", "7+9 expected an IPv6 address such as 2001:db8::1"),
    ("A6 64 ::1", "10+1 the record ends where the prefix name is expected"),
    ("A6 0 ::1 a", "10+1 the record should end before `a`"),
    ("A6 128 ::1 a", "12+1 the record should end before `a`"),
    ("SINK 256 1 1", "6+3 expected the meaning (a number from 0 to 255)"),
    ("SINK 1 x 1", "8+1 expected the coding (a number from 0 to 255)"),
    ("SINK 1 1", "9+1 the record ends where the subcoding is expected"),
    ("SINK 1 1 1 A", "12+1 the data ends within a group of four digits"),
    ("APL 1:192.168.32.0", "5+14 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 1:192.168.32.0/33", "5+17 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 1:192.168.32/24", "5+15 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 2:2001:db8::/129", "5+16 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 2:192.168.32.0/24", "5+17 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 3:192.168.32.0/24", "5+17 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL !!1:192.168.32.0/24", "5+19 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL 192.168.32.0/24", "5+15 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("APL \"1:192.168.32.0/24\"", "5+19 expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32"),
    ("DS 65536 13 2 ABCD", "4+5 expected the key tag (a number from 0 to 65535)"),
    ("DS 1 NOPE 2 ABCD", "6+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)"),
    ("DS 1 256 2 ABCD", "6+3 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)"),
    ("DS 1 13 NOPE ABCD", "9+4 expected the digest type (a number from 0 to 255, or a name such as SHA-256)"),
    ("DS 1 13 2 ABCD", "4+11 a digest of type 2 has 32 octets, not 2"),
    ("DS 1 13 2 ABC", "11+3 the digest: an odd number of hexadecimal digits"),
    ("DS 1 13 2 ABXD", "13+1 `X` in the digest is not a hexadecimal digit"),
    ("DS 1 13 2", "10+1 the record ends where the digest is expected"),
    ("DS 1 \"13\" 2 ABCD", "6+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)"),
    ("SSHFP 256 1 ABCD", "7+3 expected the algorithm (a number from 0 to 255)"),
    ("SSHFP 1 1 ABCD", "7+8 a digest of type 1 has 20 octets, not 2"),
    ("SSHFP 1 2 \"AB\"", "11+4 expected the fingerprint"),
    ("IPSECKEY 256 1 2 192.0.2.38 AQID", "10+3 expected the precedence (a number from 0 to 255)"),
    ("IPSECKEY 10 4 2 . AQID", "13+1 expected the gateway's type (a number from 0 to 3)"),
    ("IPSECKEY 10 1 256 192.0.2.38 AQID", "15+3 expected the algorithm (a number from 0 to 255)"),
    ("IPSECKEY 10 1 2 2001:db8::1 AQID", "17+11 expected an IPv4 address such as 192.0.2.1"),
    ("IPSECKEY 10 2 2 192.0.2.38 AQID", "17+10 expected an IPv6 address such as 2001:db8::1"),
    ("IPSECKEY 10 0 2 192.0.2.38 AQID", "17+10 expected the gateway, `.` for type 0"),
    ("IPSECKEY 10 3 2 a..b AQID", "19+1 the gateway: a label is empty (two dots in a row?): `a..b`"),
    ("IPSECKEY 10 3 2 a.", "19+1 the record ends where the public key is expected"),
    ("IPSECKEY 10 3 0 a. AQID", "20+4 the record should end before `AQID`"),
    ("IPSECKEY 10 1 2 192.0.2.38 AQID!", "32+1 `!` can't stand here in the public key, which is in Base 64"),
    (
        "RRSIG NOPE 5 3 86400 20030322173103 20030220173103 2642 a. AQID",
        "7+4 expected the type covered (a type's name, or TYPEnnn)",
    ),
    (
        "RRSIG \"A\" 5 3 86400 20030322173103 20030220173103 2642 a. AQID",
        "7+3 expected the type covered (a type's name, or TYPEnnn)",
    ),
    (
        "RRSIG A NOPE 3 86400 20030322173103 20030220173103 2642 a. AQID",
        "9+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)",
    ),
    (
        "RRSIG A 5 256 86400 20030322173103 20030220173103 2642 a. AQID",
        "11+3 expected the number of labels (a number from 0 to 255)",
    ),
    (
        "RRSIG A 5 3 1d 20030322173103 20030220173103 2642 a. AQID",
        "13+2 expected the original TTL (a number from 0 to 4294967295)",
    ),
    (
        "RRSIG A 5 3 86400 20030232173103 20030220173103 2642 a. AQID",
        "19+14 expected the expiration time (YYYYMMDDHHmmSS, or seconds since 1970)",
    ),
    (
        "RRSIG A 5 3 86400 200303221731 20030220173103 2642 a. AQID",
        "19+12 expected the expiration time (YYYYMMDDHHmmSS, or seconds since 1970)",
    ),
    (
        "RRSIG A 5 3 86400 20030322173103 4294967296 2642 a. AQID",
        "34+10 expected the inception time (YYYYMMDDHHmmSS, or seconds since 1970)",
    ),
    (
        "RRSIG A 5 3 86400 20030322173103 20030220173103 65536 a. AQID",
        "49+5 expected the key tag (a number from 0 to 65535)",
    ),
    (
        "RRSIG A 5 3 86400 20030322173103 20030220173103 2642 a..b AQID",
        "56+1 the signer's name: a label is empty (two dots in a row?): `a..b`",
    ),
    (
        "RRSIG A 5 3 86400 20030322173103 20030220173103 2642 a. AQI",
        "57+3 the signature ends within a group of four digits",
    ),
    (
        "RRSIG A 5 3 86400 20030322173103 20030220173103 2642 a. AQ== AQID",
        "62+1 `A` can't stand here in the signature, which is in Base 64",
    ),
    ("RRSIG A 5 3 86400 20030322173103 20030220173103 2642 a. \"AQID\"", "57+6 expected the signature"),
    ("RRSIG A 5 3 86400 20030322173103 20030220173103 2642 a.", "56+1 the record ends where the signature is expected"),
    ("NSEC a.", "8+1 the record ends where a type is expected"),
    ("NSEC a. A NOPE", "11+4 expected a type, by its name or as TYPEnnn (RFC 3597)"),
    ("NSEC a. \"A\"", "9+3 expected a type, by its name or as TYPEnnn (RFC 3597)"),
    ("NSEC a. TYPE65536", "9+9 expected a type, by its name or as TYPEnnn (RFC 3597)"),
    ("NSEC a..b A", "8+1 the next name: a label is empty (two dots in a row?): `a..b`"),
    ("DNSKEY 65536 3 5 AQID", "8+5 expected the flags (a number from 0 to 65535)"),
    ("DNSKEY 256 x 5 AQID", "12+1 expected the protocol (a number from 0 to 255)"),
    (
        "DNSKEY 256 3 NOPE AQID",
        "14+4 expected the algorithm (a number from 0 to 255, or a name such as ECDSAP256SHA256)",
    ),
    ("DNSKEY 256 3 5", "15+1 the record ends where the public key is expected"),
    ("DNSKEY 256 3 5 AQ=", "16+3 the public key ends within a group of four digits"),
    ("DNSKEY 256 3 5 AQJ=", "19+1 `=` can't stand here in the public key, which is in Base 64"),
    ("DNSKEY 256 3 5 AQID=", "20+1 `=` can't stand here in the public key, which is in Base 64"),
    ("DHCID", "6+1 the record ends where the record's data is expected"),
    ("DHCID AQ_D", "9+1 `_` can't stand here in the DHCP identifier, which is in Base 64"),
    (
        "NSEC3 NOPE 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A",
        "7+4 expected the hash algorithm (a number from 0 to 255, or a name such as SHA-1)",
    ),
    ("NSEC3 1 256 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A", "9+3 expected the flags (a number from 0 to 255)"),
    ("NSEC3 1 0 65536 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A", "11+5 expected the iterations (a number from 0 to 65535)"),
    (
        "NSEC3 1 0 0 ABC 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A",
        "13+3 expected the salt (pairs of hexadecimal digits, 255 at most, or - for none)",
    ),
    (
        "NSEC3 1 0 0 -- 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR A",
        "13+2 expected the salt (pairs of hexadecimal digits, 255 at most, or - for none)",
    ),
    (
        "NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJW A",
        "15+32 expected the next hashed owner name (Base 32 with the digits 0-9 and A-V, without padding)",
    ),
    ("NSEC3 1 0 0 - 2T7B4G4VSA5SMI47 A", "7+26 the next hashed owner name has 20 octets with hash algorithm 1, not 10"),
    (
        "NSEC3 1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NOPE",
        "48+4 expected a type, by its name or as TYPEnnn (RFC 3597)",
    ),
    ("NSEC3 1 0 0 -", "14+1 the record ends where the next hashed owner name is expected"),
    ("NSEC3PARAM x 0 0 -", "12+1 expected the hash algorithm (a number from 0 to 255, or a name such as SHA-1)"),
    ("NSEC3PARAM 1 -1 0 -", "14+2 expected the flags (a number from 0 to 255)"),
    ("NSEC3PARAM 1 0 1h -", "16+2 expected the iterations (a number from 0 to 65535)"),
    ("NSEC3PARAM 1 0 0 0", "18+1 expected the salt (pairs of hexadecimal digits, 255 at most, or - for none)"),
    ("NSEC3PARAM 1 0 0", "17+1 the record ends where the salt is expected"),
    ("NSEC3PARAM 1 0 0 00 00", "21+2 the record should end before `00`"),
    ("TLSA 256 1 1 00", "6+3 expected the certificate usage (a number from 0 to 255)"),
    ("TLSA 3 256 1 00", "8+3 expected the selector (a number from 0 to 255)"),
    ("TLSA 3 1 256 00", "10+3 expected the matching type (a number from 0 to 255)"),
    ("TLSA 3 1 1", "11+1 the record ends where the certificate data is expected"),
    ("SMIMEA 3 1 1 0", "14+1 the certificate data: an odd number of hexadecimal digits"),
    ("SMIMEA 3 1 x 00", "12+1 expected the matching type (a number from 0 to 255)"),
    ("HIP 256 00 AQID", "5+3 expected the public key's algorithm (a number from 0 to 255)"),
    ("HIP 2 0 AQID", "7+1 expected the host identity tag (an even number of hexadecimal digits, 510 at most)"),
    ("HIP 2 00 AQI", "10+3 expected the public key (in Base 64, without blanks)"),
    ("HIP 2 00", "9+1 the record ends where the public key is expected"),
    ("HIP 2 00 AQID a..b", "17+1 a rendezvous server's name: a label is empty (two dots in a row?): `a..b`"),
    ("HIP 2 \"00\" AQID", "7+4 expected the host identity tag (an even number of hexadecimal digits, 510 at most)"),
    ("NINFO", "6+1 the record ends where the record's data is expected"),
    ("RKEY 1 3 5 AQID", "6+10 the flags of an RKEY record are 0"),
    ("RKEY 0 3 5", "11+1 the record ends where the public key is expected"),
    ("RKEY x 3 5 AQID", "6+1 expected the flags (a number from 0 to 65535)"),
    ("TALINK a", "9+1 the record ends where the next name is expected"),
    ("TALINK a b..c", "12+1 the next name: a label is empty (two dots in a row?): `b..c`"),
    ("CDS 0 0 0", "10+1 the record ends where the digest is expected"),
    ("CDS 1 13 2 00", "5+9 a digest of type 2 has 32 octets, not 1"),
    ("CDNSKEY 0 3 0", "14+1 the record ends where the public key is expected"),
    ("CDNSKEY 0 3 0 A===", "16+1 `=` can't stand here in the public key, which is in Base 64"),
    ("OPENPGPKEY", "11+1 the record ends where the record's data is expected"),
    ("OPENPGPKEY AQI*", "15+1 `*` can't stand here in the public key, which is in Base 64"),
    ("CSYNC x 0 A", "7+1 expected the serial (a number from 0 to 4294967295)"),
    ("CSYNC 1 65536 A", "9+5 expected the flags (a number from 0 to 65535)"),
    ("CSYNC 1 0 NOPE", "11+4 expected a type, by its name or as TYPEnnn (RFC 3597)"),
    ("CSYNC 1", "8+1 the record ends where the flags is expected"),
    ("ZONEMD 4294967296 1 1 00", "8+10 expected the serial (a number from 0 to 4294967295)"),
    ("ZONEMD 1 256 1 00", "10+3 expected the scheme (a number from 0 to 255)"),
    ("ZONEMD 1 1 x 00", "12+1 expected the hash algorithm (a number from 0 to 255)"),
    ("ZONEMD 1 1 1 00", "8+8 a digest has at least 12 octets, not 1"),
    ("ZONEMD 1 1 240 0001020304050607080910", "8+30 a digest has at least 12 octets, not 11"),
    ("ZONEMD 1 1 1 000102030405060708091011", "8+30 a digest of type 1 has 48 octets, not 12"),
    ("ZONEMD 1 1 1", "13+1 the record ends where the digest is expected"),
    ("SVCB x .", "6+1 expected the priority (a number from 0 to 65535)"),
    ("SVCB 1 a..b", "10+1 the target name: a label is empty (two dots in a row?): `a..b`"),
    ("HTTPS 1 . nope=1", "11+4 expected a parameter's key such as alpn, port or key65280"),
    ("DSYNC NOPE NOTIFY 53 a", "7+4 expected the type (a type's name, or TYPEnnn)"),
    ("DSYNC CDS NOPE 53 a", "11+4 expected the scheme (a number from 0 to 255, or a name such as NOTIFY)"),
    ("DSYNC CDS NOTIFY 65536 a", "18+5 expected the port (a number from 0 to 65535)"),
    ("DSYNC CDS NOTIFY 53", "20+1 the record ends where the target name is expected"),
    ("HHIT", "5+1 the record ends where the record's data is expected"),
    ("HHIT AQI-", "9+1 `-` can't stand here in the data, which is in Base 64"),
    ("BRID A", "6+1 the data ends within a group of four digits"),
    ("SPF", "4+1 the record ends where the record's data is expected"),
    ("NID 65536 0014:4fff:ff20:ee64", "5+5 expected the preference (a number from 0 to 65535)"),
    ("NID 10 0014:4fff:ff20", "8+14 expected the node identifier (four groups of digits: 14:4fff:ff20:ee64)"),
    ("NID 10 0014:4fff:ff20:ee64:1", "8+21 expected the node identifier (four groups of digits: 14:4fff:ff20:ee64)"),
    ("NID 10 0014::ff20:ee64", "8+15 expected the node identifier (four groups of digits: 14:4fff:ff20:ee64)"),
    ("NID 10 00014:4fff:ff20:ee64", "8+20 expected the node identifier (four groups of digits: 14:4fff:ff20:ee64)"),
    ("NID 10 +014:4fff:ff20:ee64", "8+19 expected the node identifier (four groups of digits: 14:4fff:ff20:ee64)"),
    ("L32 10 2001:db8::1", "8+11 expected an IPv4 address such as 192.0.2.1"),
    ("L32 x 10.0.0.1", "5+1 expected the preference (a number from 0 to 65535)"),
    ("L64 10 2001:db8::1", "8+11 expected the locator (four groups of digits: 14:4fff:ff20:ee64)"),
    ("L64 10", "7+1 the record ends where the locator is expected"),
    ("LP 10 a..b", "9+1 the name of L32 and L64 records: a label is empty (two dots in a row?): `a..b`"),
    ("LP x a", "4+1 expected the preference (a number from 0 to 65535)"),
    ("EUI48 00-00-5e-00-53", "7+14 expected the MAC address (six pairs of digits: 00-00-5e-00-53-2a)"),
    ("EUI48 00-00-5e-00-53-2a-00", "7+20 expected the MAC address (six pairs of digits: 00-00-5e-00-53-2a)"),
    ("EUI48 00:00:5e:00:53:2a", "7+17 expected the MAC address (six pairs of digits: 00-00-5e-00-53-2a)"),
    ("EUI48 0-00-5e-00-53-2a", "7+16 expected the MAC address (six pairs of digits: 00-00-5e-00-53-2a)"),
    ("EUI48 00-00-5e-00-53-2g", "7+17 expected the MAC address (six pairs of digits: 00-00-5e-00-53-2a)"),
    ("EUI64 00-00-5e-00-53-2a", "7+17 expected the MAC address (eight pairs of digits: 00-00-5e-ef-10-00-00-2a)"),
    ("EUI64", "6+1 the record ends where the record's data is expected"),
    ("URI 1 1 \"\"", "9+2 expected the target, which may not be empty (RFC 7553 section 4.4)"),
    ("URI 65536 1 \"a\"", "5+5 expected the priority (a number from 0 to 65535)"),
    ("URI 1 x \"a\"", "7+1 expected the weight (a number from 0 to 65535)"),
    ("URI 1 1", "8+1 the record ends where the target is expected"),
    ("CAA 256 issue x", "5+3 expected the flags (a number from 0 to 255)"),
    ("CAA 0 is-sue x", "7+6 expected the tag (1 to 255 letters and digits: issue, issuewild, iodef)"),
    ("CAA 0 \"issue\" x", "7+7 expected the tag (1 to 255 letters and digits: issue, issuewild, iodef)"),
    ("CAA 0 issue", "12+1 the record ends where the value is expected"),
    ("CAA 0 issue a b", "15+1 the record should end before `b`"),
    ("AVC", "4+1 the record ends where the record's data is expected"),
    ("DOA x 1 1 \"\" -", "5+1 expected the enterprise (a number from 0 to 4294967295)"),
    ("DOA 1 4294967296 1 \"\" -", "7+10 expected the type (a number from 0 to 4294967295)"),
    ("DOA 1 1 256 \"\" -", "9+3 expected the location (a number from 0 to 255)"),
    ("DOA 1 1 1", "10+1 the record ends where the media type is expected"),
    ("DOA 1 1 1 \"\"", "13+1 the record ends where the data is expected"),
    ("DOA 1 1 1 \"\" A", "14+1 the data ends within a group of four digits"),
    ("DOA 1 1 1 \"\" - A", "16+1 the record should end before `A`"),
    ("AMTRELAY 256 0 0 .", "10+3 expected the precedence (a number from 0 to 255)"),
    ("AMTRELAY 10 2 0 .", "13+1 expected the discovery bit (a number from 0 to 1)"),
    ("AMTRELAY 10 0 4 .", "15+1 expected the relay's type (a number from 0 to 3)"),
    ("AMTRELAY 10 0 0 a", "17+1 expected the relay, `.` for type 0"),
    ("AMTRELAY 10 0 1 a", "17+1 expected an IPv4 address such as 192.0.2.1"),
    ("AMTRELAY 10 0 2 192.0.2.1", "17+9 expected an IPv6 address such as 2001:db8::1"),
    ("AMTRELAY 10 0 3 a..b", "19+1 the relay: a label is empty (two dots in a row?): `a..b`"),
    ("AMTRELAY 10 0 3", "16+1 the record ends where the relay is expected"),
    ("AMTRELAY 10 0 0 . x", "19+1 the record should end before `x`"),
    ("RESINFO", "8+1 the record ends where the record's data is expected"),
    ("RESINFO a\\256", "10+4 a key and value: `\\256` is not an escape"),
    ("WALLET", "7+1 the record ends where the record's data is expected"),
    ("WALLET \"a", "8+2 this quote is not closed on its line"),
    ("TA 1 13 2 00", "4+9 a digest of type 2 has 32 octets, not 1"),
    ("DLV 1 13 1 00", "5+9 a digest of type 1 has 20 octets, not 1"),
    ("LOC 91 N 0 E 0m", "5+2 expected the latitude's degrees (0 to 90)"),
    ("LOC 1 2 3 4 N", "11+1 expected the latitude's direction, N or S"),
    ("NULL x", "6+1 NULL records have no text form here"),
    ("SVCB 1 . ohttp=x", "16+1 ohttp: it takes no value"),
    ("SVCB 1 . dohpath", "10+7 dohpath: it needs a value"),
];

/// Type, octets, and why they are not valid.
const WRONG_OCTETS: &[(&str, &str, &str)] = &[
    ("WKS", "0A00000106FF00", "the last octet of its bits is 0"),
    ("WKS", "0A000001", "it ends where the protocol is expected"),
    ("X25", "03313233", "the PSDN address must be of 4 to 255 digits"),
    ("X25", "0431323361", "the PSDN address must be of 4 to 255 digits"),
    ("ISDN", "0131013200", "1 octets too many"),
    ("RT", "000A", "the intermediate host's name: malformed wire form"),
    ("NSAP", "", "it ends where the NSAP address is expected"),
    ("PX", "000A0161000162", "the X.400 domain: malformed wire form"),
    ("GPOS", "013101320133FF", "1 octets too many"),
    ("KEY", "01000305", "the public key is missing, and the flags don't say so (49152)"),
    ("NXT", "0000", "the last octet of its bits is 0"),
    ("NXT", "0080", "NXT can list the types 1 to 127 only"),
    ("NXT", "000000000000000000000000000000000001", "NXT can list the types 1 to 127 only"),
    ("EID", "", "it ends where the endpoint identifier is expected"),
    ("ATMA", "00", "it has a format and no address"),
    ("ATMA", "0200", "its format is 2: only 0 and 1 are known"),
    ("CERT", "0001000105", "it ends where the certificate is expected"),
    ("A6", "81", "the prefix length is 129: 128 is the most"),
    ("A6", "40FFFF", "it ends within the address suffix"),
    ("A6", "3D08000000000000000100", "bits of the prefix are set in the address suffix"),
    ("A6", "00000000000000000000000000000000010161", "2 octets too many"),
    ("SINK", "0102", "it ends where the subcoding is expected"),
    ("APL", "000118", "it ends within an address prefix"),
    ("APL", "0001210 1C0", "an address prefix of family 1 is longer than 32 bits"),
    ("APL", "00011805C000020001", "an address prefix of family 1 is longer than 32 bits"),
    ("APL", "00011803C00000", "an address prefix ends with an octet of 0, which must be left out"),
    ("DS", "00010D02ABCD", "a digest of type 2 has 32 octets, not 2"),
    ("IPSECKEY", "0A", "it ends where the gateway is expected"),
    ("IPSECKEY", "0A0102C00002", "it ends within the gateway"),
    ("IPSECKEY", "0A0102C0000226", "it ends where the public key is expected"),
    ("IPSECKEY", "0A0000AA", "it has a key, but algorithm 0 says that there is none"),
    ("IPSECKEY", "0A03020561", "the gateway: malformed wire form"),
    ("RRSIG", "00010503000151803E7C9C9E3E5511F70A52016100", "it ends where the signature is expected"),
    ("RRSIG", "000105030001", "it ends where the original TTL is expected"),
    ("NSEC", "00", "it ends where a type is expected"),
    ("NSEC", "0000014000", "it ends within a window of its types"),
    ("NSEC", "00000100", "window 0 of its types must have 1 to 32 octets, the last not 0"),
    (
        "NSEC",
        "000021000000000000000000000000000000000000000000000000000000000000000001",
        "window 0 of its types must have 1 to 32 octets, the last not 0",
    ),
    ("NSEC", "00010140000140", "the windows of its types are not in ascending order"),
    ("NSEC", "000001400001", "it ends within a window of its types"),
    ("DNSKEY", "01000305", "it ends where the public key is expected"),
    ("DHCID", "", "it ends where the DHCP identifier is expected"),
    ("NSEC3", "01000000001400", "it ends where the next hashed owner name is expected"),
    ("NSEC3", "0100000000024000", "the next hashed owner name has 20 octets with hash algorithm 1, not 2"),
    ("NSEC3", "02000000000000", "the next hashed owner name is empty"),
    ("NSEC3", "02000000000140000100", "window 0 of its types must have 1 to 32 octets, the last not 0"),
    ("NSEC3PARAM", "0100000001", "it ends where the salt is expected"),
    ("NSEC3PARAM", "010000000000", "1 octets too many"),
    ("HIP", "0102000100", "it ends within the host identity tag or the public key"),
    ("HIP", "010200010061C0", "a rendezvous server's name: malformed wire form"),
    ("HIP", "00020001AA", "the host identity tag or the public key is empty"),
    ("HIP", "0102000000", "the host identity tag or the public key is empty"),
    ("CSYNC", "000000420003000100", "window 0 of its types must have 1 to 32 octets, the last not 0"),
    ("ZONEMD", "0000000101F00001020304050607080910", "a digest has at least 12 octets, not 11"),
    ("DSYNC", "003B0114EF", "the target name: malformed wire form"),
    ("NID", "000A0014", "it ends where the node identifier is expected"),
    ("L32", "000A0A01020001", "1 octets too many"),
    ("L64", "000A2001", "it ends where the locator is expected"),
    ("LP", "000A", "the name of L32 and L64 records: malformed wire form"),
    ("EUI48", "00005E005300AA", "1 octets too many"),
    ("EUI64", "00005E0053", "it ends where the MAC address is expected"),
    ("DOA", "000000000000000101 05", "it ends where the media type is expected"),
    ("AMTRELAY", "0A", "it ends where the relay's type is expected"),
    ("AMTRELAY", "0A0100", "it ends within the relay"),
    ("AMTRELAY", "0A02", "it ends within the relay"),
    ("AMTRELAY", "0A00AA", "1 octets too many"),
    ("AMTRELAY", "0A03016100AA", "1 octets too many"),
    ("TALINK", "0161000162", "the next name: malformed wire form"),
    ("URI", "00010001", "it ends where the target is expected"),
    ("CAA", "00052D69737375", "the tag must be of letters and digits"),
    ("LOC", "01", "it ends where the location is expected"),
    ("SIG", "00010503000151803E7C9C9E3E5511F70A52016100", "it ends where the signature is expected"),
    ("ATMA", "01313A", "an E.164 number has digits only"),
    ("IPSECKEY", "0A0402AA", "the gateway's type is 4: only 0 to 3 are known"),
];

/// Each with its place, counted from the type on, and how what is said about it begins.
#[test]
fn errors_say_where_and_what() {
    let mut wrong = Vec::new();
    for (data, expected) in WRONG {
        let (column, rest) = expected.split_once('+').unwrap();
        let expected = format!("1:{}+{rest}", column.parse::<usize>().unwrap() + HEAD);
        let parsed = parse_data(data);
        let found = findings(&parsed.diagnostics);
        if error(&parsed).is_err() || !found[0].starts_with(&expected) {
            wrong.push(format!("{data}: {found:?}, not {expected}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Octets in the generic form that the type can't have.
#[test]
fn octets_are_judged_as_text_is() {
    let mut wrong = Vec::new();
    for (mnemonic, hex, why) in WRONG_OCTETS {
        let parsed = parse_data(&format!("{mnemonic} \\# {} {hex}", hex.replace(' ', "").len() / 2));
        let expected = format!("these octets are not valid {mnemonic} data: {why}");
        match error(&parsed) {
            Ok((_, _, message)) if message == expected => {}
            found => wrong.push(format!("{mnemonic} {hex}: {found:?}")),
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// No type without an error of its own.
#[test]
fn every_type_is_among_the_wrong() {
    let types =
        |texts: &[&str]| texts.iter().map(|text| text.split(' ').next().unwrap().to_owned()).collect::<BTreeSet<_>>();
    let examples: Vec<&str> = EXAMPLES.iter().map(|(text, _)| *text).collect();
    let wrong: Vec<&str> = WRONG.iter().map(|(text, _)| *text).collect();
    let missing: Vec<_> = types(&examples).difference(&types(&wrong)).cloned().collect();
    assert_eq!(missing, [""; 0]);
    assert!(WRONG_OCTETS.iter().all(|(mnemonic, _, _)| rtype::from_text(mnemonic).is_some()));
}
