//! The fields that the RDATA of each type consists of.

use crate::wire::code::rtype;

/// What a field is, in text and in wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An uncompressed domain name.
    Name,
    /// A number of 8 bits.
    U8,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// Seconds in 32 bits; the text may use units.
    Time,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A character-string: length octet and up to 255 octets (RFC 1035 section 3.3).
    String,
    /// One or more character-strings up to the end.
    Strings,
    /// At least one octet up to the end, in hexadecimal.
    Hex,
    /// A DNSSEC algorithm: 8 bits, number or mnemonic (RFC 4034 section 5.3).
    Algorithm,
    /// CAA's tag: length octet and letters and digits (RFC 8659 section 4.1).
    Tag,
    /// Any octets up to the end, as one string of the text.
    Rest,
    /// The same, but not empty.
    RestSome,
    /// The 16 octets of LOC (RFC 1876 section 2).
    Loc,
    /// SVCB's parameters up to the end (RFC 9460 section 2.2).
    SvcParams,
}

/// One field of a type.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    /// Its name in messages, with article.
    pub(super) what: &'static str,
}

impl Field {
    /// How it is written, as a placeholder.
    pub(super) fn form(&self) -> String {
        let name = self.what.trim_start_matches("the ").trim_start_matches("a ").trim_start_matches("an ");
        match self.kind {
            Kind::String | Kind::Rest | Kind::RestSome => format!("\"{name}\""),
            Kind::Strings => format!("\"{name}\" ..."),
            Kind::Loc => "degrees [minutes [seconds]] N|S degrees [minutes [seconds]] E|W altitude[m] \
                          [size[m] [horizontal precision[m] [vertical precision[m]]]]"
                .into(),
            Kind::SvcParams => "[key[=value]] ...".into(),
            _ => format!("<{name}>"),
        }
    }
}

macro_rules! fields {
    ($($kind:ident $what:literal),* $(,)?) => { Some(&[$(Field { kind: Kind::$kind, what: $what }),*]) };
}

/// The fields of a type in their order. `None`: its RDATA is opaque here (RFC 3597).
#[inline]
pub(super) fn layout(rtype: u16) -> Option<&'static [Field]> {
    match rtype {
        // RFC 1035 sections 3.3 and 3.4
        rtype::A => fields![Ipv4 "the address"],
        rtype::NS => fields![Name "the name server's name"],
        rtype::CNAME | rtype::DNAME => fields![Name "the target name"],
        rtype::PTR => fields![Name "the name pointed to"],
        rtype::SOA => fields![
            Name "the primary server's name", Name "the mailbox of the person responsible", U32 "the serial",
            Time "the refresh time", Time "the retry time", Time "the expire time", Time "the minimum TTL",
        ],
        rtype::MX => fields![U16 "the preference", Name "the mail server's name"],
        rtype::TXT | rtype::SPF => fields![Strings "a text"],
        rtype::HINFO => fields![String "the CPU", String "the operating system"],
        rtype::MB => fields![Name "the mail host's name"],
        rtype::MG => fields![Name "the member's mailbox"],
        rtype::MR => fields![Name "the new mailbox"],
        rtype::MINFO => fields![Name "the mailbox responsible", Name "the mailbox for errors"],
        // RFC 1183
        rtype::RP => fields![Name "the mailbox", Name "the name of a TXT record"],
        rtype::AFSDB => fields![U16 "the subtype", Name "the server's name"],
        // RFC 2230
        rtype::KX => fields![U16 "the preference", Name "the exchanger's name"],
        // RFC 3596
        rtype::AAAA => fields![Ipv6 "the address"],
        // RFC 1876
        rtype::LOC => fields![Loc "the location"],
        // RFC 2782
        rtype::SRV => fields![U16 "the priority", U16 "the weight", U16 "the port", Name "the target name"],
        // RFC 3403 section 4
        rtype::NAPTR => fields![
            U16 "the order", U16 "the preference", String "the flags", String "the services",
            String "the regular expression", Name "the replacement name",
        ],
        // RFC 4034 section 5
        rtype::DS => fields![U16 "the key tag", Algorithm "the algorithm", U8 "the digest type", Hex "the digest"],
        // RFC 4255
        rtype::SSHFP => fields![U8 "the algorithm", U8 "the fingerprint type", Hex "the fingerprint"],
        // RFC 6698
        rtype::TLSA => fields![
            U8 "the certificate usage", U8 "the selector", U8 "the matching type", Hex "the certificate data",
        ],
        // RFC 7553
        rtype::URI => fields![U16 "the priority", U16 "the weight", RestSome "the target"],
        // RFC 8659
        rtype::CAA => fields![U8 "the flags", Tag "the tag", Rest "the value"],
        // RFC 9460
        rtype::SVCB | rtype::HTTPS => fields![U16 "the priority", Name "the target name", SvcParams "a parameter"],
        _ => None,
    }
}

/// Every type that has a layout.
#[cfg(test)]
pub(super) fn known() -> Vec<u16> {
    (0..=u16::MAX).filter(|&rtype| layout(rtype).is_some()).collect()
}

/// A DNSSEC algorithm by its mnemonic (IANA "DNS Security Algorithm Numbers").
pub(super) fn algorithm(text: &[u8]) -> Option<u8> {
    const ALGORITHMS: [(&str, u8); 15] = [
        ("RSAMD5", 1),
        ("DH", 2),
        ("DSA", 3),
        ("RSASHA1", 5),
        ("DSA-NSEC3-SHA1", 6),
        ("RSASHA1-NSEC3-SHA1", 7),
        ("RSASHA256", 8),
        ("RSASHA512", 10),
        ("ECC-GOST", 12),
        ("ECDSAP256SHA256", 13),
        ("ECDSAP384SHA384", 14),
        ("ED25519", 15),
        ("ED448", 16),
        ("PRIVATEDNS", 253),
        ("PRIVATEOID", 254),
    ];
    ALGORITHMS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(text)).map(|&(_, number)| number)
}
