//! Forms that several types share: blanks within digits, names for numbers, and what each type's error says is the right form.

use super::examples::EXAMPLES;
use super::{octets, parse_data, written};

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(written(&parse_data(text)).as_deref(), Ok(expected), "{text}");
}

/// The names of the algorithms in the IANA registries, and those of BIND.
#[test]
fn numbers_by_name() {
    for (number, names) in [
        (1, "RSAMD5 rsamd5"),
        (2, "DH"),
        (3, "DSA"),
        (5, "RSASHA1"),
        (6, "DSA-NSEC3-SHA1 NSEC3DSA"),
        (7, "RSASHA1-NSEC3-SHA1 NSEC3RSASHA1"),
        (8, "RSASHA256"),
        (10, "RSASHA512"),
        (12, "ECC-GOST ECCGOST"),
        (13, "ECDSAP256SHA256 ECDSA256"),
        (14, "ECDSAP384SHA384 ecdsa384"),
        (15, "ED25519 Ed25519"),
        (16, "ED448"),
        (17, "SM2SM3"),
        (23, "ECC-GOST12"),
        (252, "INDIRECT"),
        (253, "PRIVATEDNS"),
        (254, "PRIVATEOID"),
    ] {
        for name in names.split(' ') {
            check(&format!("DNSKEY 256 3 {name} AQID"), &format!("DNSKEY 256 3 {number} AQID"));
        }
    }
    for (number, digits, names) in [
        (1, 40, "SHA-1 sha1"),
        (2, 64, "SHA-256 SHA256"),
        (3, 64, "GOST"),
        (4, 96, "SHA-384"),
        (5, 64, "GOST-2012"),
        (6, 64, "SM3"),
    ] {
        for name in names.split(' ') {
            let digest = "0".repeat(digits);
            check(&format!("DS 1 13 {name} {digest}"), &format!("DS 1 13 {number} {digest}"));
        }
    }
    for (number, name) in ["PKIX", "SPKI", "PGP", "IPKIX", "ISPKI", "IPGP", "ACPKIX", "IACPKIX"]
        .iter()
        .enumerate()
        .map(|(at, name)| (at + 1, name))
    {
        check(&format!("CERT {name} 1 1 AQID"), &format!("CERT {number} 1 1 AQID"));
    }
    check("WKS 192.0.2.1 tcp telnet SMTP ftp domain", "WKS 192.0.2.1 6 21 23 25 53");
    check("SVCB 1 . OHTTP dohpath=\"/q{?dns}\"", "SVCB 1 . key7=\"/q{?dns}\" key8");
    check("NSEC3PARAM sha1 0 0 -", "NSEC3PARAM 1 0 0 -");
    check("RRSIG 1 5 0 0 0 0 0 . AQID", "RRSIG A 5 0 0 19700101000000 19700101000000 0 . AQID");
}

/// Digits of octets may be cut anywhere, over lines too: signers do, every 56 or so.
#[test]
fn blanks_within_digits() {
    let key = "AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e1AQ==";
    let whole = format!("DNSKEY 257 3 8 {key}");
    for size in 1..key.len() {
        let pieces: Vec<&str> = (0..key.len()).step_by(size).map(|at| &key[at..key.len().min(at + size)]).collect();
        check(&format!("DNSKEY 257 3 8 {}", pieces.join(" ")), &whole);
        check(&format!("DNSKEY 257 3 8 ( {}\n)", pieces.join(" ; part\n\t")), &whole);
    }
    check("TLSA 3 1 0 ( 0\n0 f 0 )", "TLSA 3 1 0 00F0");
}

/// Long data: a key of 4,096 bits, a signature of as many, an NSEC that lists hundreds of types, a HIP with a long key.
#[test]
fn long_data() {
    let octets_516: Vec<u8> = (0..516u32).map(|at| (at * 7) as u8).collect();
    let hex: String = octets_516.iter().map(|octet| format!("{octet:02x}")).collect();
    let generic = parse_data(&format!("DNSKEY \\# 520 01010308{hex}"));
    let text = written(&generic).unwrap();
    assert_eq!(text.len(), "DNSKEY 257 3 8 ".len() + 688);
    assert_eq!(octets(&parse_data(&text)), octets(&generic));
    let types: Vec<String> = (1..2000).step_by(7).map(|number| format!("TYPE{number}")).collect();
    let parsed = parse_data(&format!("NSEC a. {}", types.join(" ")));
    assert_eq!(octets(&parsed).len(), 3 + 8 * 2 + 7 * 32 + 26);
    assert_eq!(octets(&parse_data(&written(&parsed).unwrap())), octets(&parsed));
}

/// The remedy of an error says how the record is written.
#[test]
fn remedies_show_the_form() {
    for (text, form) in [
        (
            "RRSIG",
            "RRSIG <type covered> <algorithm> <number of labels> <original TTL> <expiration time YYYYMMDDHHmmSS> <inception time YYYYMMDDHHmmSS> <key tag> <signer's name> <signature>",
        ),
        ("NSEC", "NSEC <next name> <type> ..."),
        ("NSEC3", "NSEC3 <hash algorithm> <flags> <iterations> <salt>|- <next hashed owner name> [<type> ...]"),
        ("DNSKEY", "DNSKEY <flags> <protocol> <algorithm> <public key>"),
        ("ZONEMD", "ZONEMD <serial> <scheme> <hash algorithm> <digest>"),
        (
            "IPSECKEY",
            "IPSECKEY <precedence> 0 <algorithm> . | 1|2 <algorithm> <address> | 3 <algorithm> <name>, then <public key>, which algorithm 0 has none of",
        ),
        ("AMTRELAY", "AMTRELAY <precedence> <discovery 0|1>, then 0 . | 1|2 <address> | 3 <name>"),
        ("ISDN", "ISDN \"ISDN address\" [\"subaddress\"]"),
        ("SINK", "SINK <meaning> <coding> <subcoding> [<data>]"),
        ("HIP", "HIP <algorithm> <host identity tag> <public key> [<rendezvous server> ...]"),
    ] {
        let parsed = parse_data(text);
        assert_eq!(parsed.diagnostics[0].message, "the record ends where the record's data is expected");
        assert_eq!(parsed.diagnostics[0].remedy, format!("the form is: {form}"));
    }
    // Each type has one.
    for (text, _) in EXAMPLES {
        let mnemonic = text.split(' ').next().unwrap();
        let parsed = parse_data(&format!("{mnemonic} \\# 1 00 00"));
        assert_eq!(parsed.diagnostics.len(), 1);
        let parsed = parse_data(&format!("{mnemonic} ( ; nothing\n )"));
        let expected = if mnemonic == "APL" { 0 } else { 1 };
        assert_eq!(parsed.diagnostics.len(), expected, "{mnemonic}");
        assert!(parsed.diagnostics.iter().all(|found| found.remedy.starts_with(&format!("the form is: {mnemonic} "))));
    }
}
