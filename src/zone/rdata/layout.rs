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
    /// The time of a signature: 32 bits; the text is a date or seconds (RFC 4034 section 3.2).
    Stamp,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A character-string: length octet and up to 255 octets (RFC 1035 section 3.3).
    String,
    /// The same, or nothing at the record's end.
    MaybeString,
    /// One or more character-strings up to the end.
    Strings,
    /// A character-string of at least four digits (RFC 1183 section 3.1).
    Psdn,
    /// At least one octet up to the end, in hexadecimal.
    Hex,
    /// At least one octet up to the end, in Base 64.
    Base64,
    /// The same, or nothing at the record's end.
    MaybeBase64,
    /// The same, or `-` for nothing.
    Base64OrDash,
    /// A DNSSEC algorithm: 8 bits, number or mnemonic (RFC 4034 appendix A.1).
    Algorithm,
    /// The algorithm of a digest of a key: 8 bits, number or mnemonic.
    Digest,
    /// The algorithm of NSEC3: 8 bits, number or mnemonic.
    HashAlgorithm,
    /// What a certificate is: 16 bits, number or mnemonic (RFC 4398 section 2.1).
    Certificate,
    /// A scheme of notifications: 8 bits, number or mnemonic (RFC 9859 section 5.2).
    Scheme,
    /// A protocol above IP: 8 bits, number or mnemonic.
    Protocol,
    /// An RR type: 16 bits, mnemonic, `TYPEnnn` or number.
    Type,
    /// RR types up to the end in the windows of RFC 4034 section 4.1.2.
    Types,
    /// The same, but at least one.
    SomeTypes,
    /// RR types up to the end, in one run of bits (RFC 2535 section 5.2).
    NxtTypes,
    /// Ports up to the end, in one run of bits (RFC 1035 section 3.4.2).
    Ports,
    /// NSEC3's salt: length octet, octets in hexadecimal, `-` for none (RFC 5155 section 3.3).
    Salt,
    /// NSEC3's hash: length octet, octets in Base 32 (RFC 5155 section 3.3).
    Hash,
    /// A MAC address of 48 bits (RFC 7043 section 3).
    Eui48,
    /// A MAC address of 64 bits (RFC 7043 section 4).
    Eui64,
    /// 64 bits in four groups (RFC 6742 section 2.1.2).
    Locator,
    /// The address of an OSI network up to the end (RFC 1706).
    Nsap,
    /// The address of an ATM network up to the end.
    Atma,
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
    /// Address prefixes up to the end (RFC 3123).
    Prefixes,
    /// All of IPSECKEY behind the precedence (RFC 4025 section 2).
    Ipseckey,
    /// All of AMTRELAY behind the precedence (RFC 8777 section 4).
    Amtrelay,
    /// All of HIP (RFC 8005 section 5).
    Hip,
    /// All of A6 (RFC 2874 section 3.1).
    A6,
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
            Kind::MaybeString => format!("[\"{name}\"]"),
            Kind::Strings => format!("\"{name}\" ..."),
            Kind::MaybeBase64 => format!("[<{name}>]"),
            Kind::Base64OrDash | Kind::Salt => format!("<{name}>|-"),
            Kind::Stamp => format!("<{name} YYYYMMDDHHmmSS>"),
            Kind::Types | Kind::NxtTypes | Kind::Ports => format!("[<{name}> ...]"),
            Kind::SomeTypes => format!("<{name}> ..."),
            Kind::Prefixes => "[[!]1|2:<address>/<bits> ...]".into(),
            Kind::Loc => "degrees [minutes [seconds]] N|S degrees [minutes [seconds]] E|W altitude[m] \
                          [size[m] [horizontal precision[m] [vertical precision[m]]]]"
                .into(),
            Kind::SvcParams => "[key[=value]] ...".into(),
            Kind::Ipseckey => "0 <algorithm> . | 1|2 <algorithm> <address> | 3 <algorithm> <name>, then <public key>, \
                               which algorithm 0 has none of"
                .into(),
            Kind::Amtrelay => "<discovery 0|1>, then 0 . | 1|2 <address> | 3 <name>".into(),
            Kind::Hip => "<algorithm> <host identity tag> <public key> [<rendezvous server> ...]".into(),
            Kind::A6 => "<prefix length> [<address suffix>] [<prefix name>]".into(),
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
        rtype::WKS => fields![Ipv4 "the address", Protocol "the protocol", Ports "a port"],
        // RFC 1183
        rtype::RP => fields![Name "the mailbox", Name "the name of a TXT record"],
        rtype::AFSDB => fields![U16 "the subtype", Name "the server's name"],
        rtype::X25 => fields![Psdn "the PSDN address"],
        rtype::ISDN => fields![String "the ISDN address", MaybeString "the subaddress"],
        rtype::RT => fields![U16 "the preference", Name "the intermediate host's name"],
        // RFC 1706, RFC 1348
        rtype::NSAP => fields![Nsap "the NSAP address"],
        rtype::NSAP_PTR => fields![Name "the name pointed to"],
        // RFC 1712
        rtype::GPOS => fields![String "the longitude", String "the latitude", String "the altitude"],
        // RFC 2163
        rtype::PX => fields![U16 "the preference", Name "the mail domain", Name "the X.400 domain"],
        // RFC 2230
        rtype::KX => fields![U16 "the preference", Name "the exchanger's name"],
        // RFC 2535
        rtype::SIG | rtype::RRSIG => fields![
            Type "the type covered", Algorithm "the algorithm", U8 "the number of labels", U32 "the original TTL",
            Stamp "the expiration time", Stamp "the inception time", U16 "the key tag", Name "the signer's name",
            Base64 "the signature",
        ],
        rtype::KEY => {
            fields![U16 "the flags", U8 "the protocol", Algorithm "the algorithm", MaybeBase64 "the public key"]
        }
        rtype::NXT => fields![Name "the next name", NxtTypes "a type"],
        // RFC 2874
        rtype::A6 => fields![A6 "the address"],
        // RFC 3596
        rtype::AAAA => fields![Ipv6 "the address"],
        // RFC 1876
        rtype::LOC => fields![Loc "the location"],
        // Nimrod and ATM: registered without an RFC
        rtype::EID => fields![Hex "the endpoint identifier"],
        rtype::NIMLOC => fields![Hex "the Nimrod locator"],
        rtype::ATMA => fields![Atma "the ATM address"],
        // RFC 2782
        rtype::SRV => fields![U16 "the priority", U16 "the weight", U16 "the port", Name "the target name"],
        // RFC 3123
        rtype::APL => fields![Prefixes "an address prefix"],
        // RFC 3403 section 4
        rtype::NAPTR => fields![
            U16 "the order", U16 "the preference", String "the flags", String "the services",
            String "the regular expression", Name "the replacement name",
        ],
        // RFC 4025
        rtype::IPSECKEY => fields![U8 "the precedence", Ipseckey "the gateway"],
        // RFC 4034, RFC 4431, RFC 7344
        rtype::DS | rtype::CDS | rtype::DLV | rtype::TA => fields![
            U16 "the key tag", Algorithm "the algorithm", Digest "the digest type", Hex "the digest",
        ],
        rtype::DNSKEY | rtype::CDNSKEY | rtype::RKEY => fields![
            U16 "the flags", U8 "the protocol", Algorithm "the algorithm", Base64 "the public key",
        ],
        rtype::NSEC => fields![Name "the next name", SomeTypes "a type"],
        // RFC 4255
        rtype::SSHFP => fields![U8 "the algorithm", U8 "the fingerprint type", Hex "the fingerprint"],
        // RFC 4398
        rtype::CERT => fields![
            Certificate "the certificate type", U16 "the key tag", Algorithm "the algorithm", Base64 "the certificate",
        ],
        // RFC 4701
        rtype::DHCID => fields![Base64 "the DHCP identifier"],
        // RFC 5155
        rtype::NSEC3 => fields![
            HashAlgorithm "the hash algorithm", U8 "the flags", U16 "the iterations", Salt "the salt",
            Hash "the next hashed owner name", Types "a type",
        ],
        rtype::NSEC3PARAM => fields![
            HashAlgorithm "the hash algorithm", U8 "the flags", U16 "the iterations", Salt "the salt",
        ],
        // RFC 6698, RFC 8162
        rtype::TLSA | rtype::SMIMEA => fields![
            U8 "the certificate usage", U8 "the selector", U8 "the matching type", Hex "the certificate data",
        ],
        // RFC 6742
        rtype::NID => fields![U16 "the preference", Locator "the node identifier"],
        rtype::L32 => fields![U16 "the preference", Ipv4 "the locator"],
        rtype::L64 => fields![U16 "the preference", Locator "the locator"],
        rtype::LP => fields![U16 "the preference", Name "the name of L32 and L64 records"],
        // RFC 7043
        rtype::EUI48 => fields![Eui48 "the MAC address"],
        rtype::EUI64 => fields![Eui64 "the MAC address"],
        // RFC 7477
        rtype::CSYNC => fields![U32 "the serial", U16 "the flags", Types "a type"],
        // RFC 7553
        rtype::URI => fields![U16 "the priority", U16 "the weight", RestSome "the target"],
        // RFC 7929
        rtype::OPENPGPKEY => fields![Base64 "the public key"],
        // RFC 8005
        rtype::HIP => fields![Hip "the host identity"],
        // RFC 8659
        rtype::CAA => fields![U8 "the flags", Tag "the tag", Rest "the value"],
        // RFC 8777
        rtype::AMTRELAY => fields![U8 "the precedence", Amtrelay "the relay"],
        // RFC 8976
        rtype::ZONEMD => fields![U32 "the serial", U8 "the scheme", U8 "the hash algorithm", Hex "the digest"],
        // RFC 9460
        rtype::SVCB | rtype::HTTPS => fields![U16 "the priority", Name "the target name", SvcParams "a parameter"],
        // RFC 9606, RFC 9859, RFC 9886
        rtype::RESINFO => fields![Strings "a key and value"],
        rtype::DSYNC => fields![Type "the type", Scheme "the scheme", U16 "the port", Name "the target name"],
        rtype::HHIT | rtype::BRID => fields![Base64 "the data"],
        // Registered with a template and no RFC
        rtype::SINK => fields![U8 "the meaning", U8 "the coding", U8 "the subcoding", MaybeBase64 "the data"],
        rtype::NINFO | rtype::AVC | rtype::WALLET => fields![Strings "a text"],
        rtype::TALINK => fields![Name "the previous name", Name "the next name"],
        rtype::DOA => fields![
            U32 "the enterprise", U32 "the type", U8 "the location", String "the media type", Base64OrDash "the data",
        ],
        _ => None,
    }
}

/// Every type that has a layout.
#[cfg(test)]
pub(super) fn known() -> Vec<u16> {
    (0..=u16::MAX).filter(|&rtype| layout(rtype).is_some()).collect()
}
