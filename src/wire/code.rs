//! The registered numbers of DNS: RR types, classes, opcodes, response codes, EDNS options and extended errors.
//!
//! Plain integers with named constants: a server meets unregistered values all the time, and keeps them as they are.

/// RR types (IANA "Resource Record (RR) TYPEs").
pub mod rtype {
    /// Most octets of a text that [`key`] holds.
    const KEY_LEN_MAX: usize = 15;

    /// A short text in upper case as one integer. The leading one keeps `\0A` apart from `A`.
    const fn key(text: &[u8]) -> u128 {
        let mut key = 1;
        let mut at = 0;
        while at < text.len() {
            key = key << 8 | text[at].to_ascii_uppercase() as u128;
            at += 1;
        }
        key
    }

    macro_rules! types {
        ($($name:ident = $value:literal, $text:literal;)*) => {
            $(#[doc = concat!("`", $text, "`")] pub const $name: u16 = $value;)*

            /// The mnemonic of a type, where it has one.
            pub fn mnemonic(rtype: u16) -> Option<&'static str> {
                match rtype { $($value => Some($text),)* _ => None }
            }

            mod keys {
                $(pub(super) const $name: u128 = super::key($text.as_bytes());)*
            }

            /// The type with this mnemonic, in any case, or written `TYPEnnn` (RFC 3597 section 5).
            pub fn from_text(text: impl AsRef<[u8]>) -> Option<u16> {
                let text = text.as_ref();
                // One comparison of integers a step of a binary search: a zone of millions of records asks this
                // once a record. Longer texts would lose their head in the key.
                if text.len() <= KEY_LEN_MAX {
                    match key(text) { $(keys::$name => return Some($value),)* _ => {} }
                }
                super::numbered(text, b"TYPE")
            }
        };
    }
    types! {
        A = 1, "A"; NS = 2, "NS"; MD = 3, "MD"; MF = 4, "MF"; CNAME = 5, "CNAME"; SOA = 6, "SOA"; MB = 7, "MB";
        MG = 8, "MG"; MR = 9, "MR"; NULL = 10, "NULL"; WKS = 11, "WKS"; PTR = 12, "PTR"; HINFO = 13, "HINFO";
        MINFO = 14, "MINFO"; MX = 15, "MX"; TXT = 16, "TXT"; RP = 17, "RP"; AFSDB = 18, "AFSDB"; X25 = 19, "X25";
        ISDN = 20, "ISDN"; RT = 21, "RT"; NSAP = 22, "NSAP"; NSAP_PTR = 23, "NSAP-PTR"; SIG = 24, "SIG";
        KEY = 25, "KEY"; PX = 26, "PX"; GPOS = 27, "GPOS"; AAAA = 28, "AAAA"; LOC = 29, "LOC"; NXT = 30, "NXT";
        EID = 31, "EID"; NIMLOC = 32, "NIMLOC"; SRV = 33, "SRV"; ATMA = 34, "ATMA"; NAPTR = 35, "NAPTR"; KX = 36, "KX";
        CERT = 37, "CERT"; A6 = 38, "A6"; DNAME = 39, "DNAME"; SINK = 40, "SINK"; OPT = 41, "OPT"; APL = 42, "APL";
        DS = 43, "DS"; SSHFP = 44, "SSHFP"; IPSECKEY = 45, "IPSECKEY"; RRSIG = 46, "RRSIG"; NSEC = 47, "NSEC";
        DNSKEY = 48, "DNSKEY"; DHCID = 49, "DHCID"; NSEC3 = 50, "NSEC3"; NSEC3PARAM = 51, "NSEC3PARAM";
        TLSA = 52, "TLSA"; SMIMEA = 53, "SMIMEA"; HIP = 55, "HIP"; NINFO = 56, "NINFO"; RKEY = 57, "RKEY";
        TALINK = 58, "TALINK"; CDS = 59, "CDS"; CDNSKEY = 60, "CDNSKEY"; OPENPGPKEY = 61, "OPENPGPKEY";
        CSYNC = 62, "CSYNC"; ZONEMD = 63, "ZONEMD"; SVCB = 64, "SVCB"; HTTPS = 65, "HTTPS"; DSYNC = 66, "DSYNC";
        HHIT = 67, "HHIT"; BRID = 68, "BRID"; SPF = 99, "SPF"; UINFO = 100, "UINFO"; UID = 101, "UID"; GID = 102, "GID";
        UNSPEC = 103, "UNSPEC"; NID = 104, "NID"; L32 = 105, "L32"; L64 = 106, "L64"; LP = 107, "LP";
        EUI48 = 108, "EUI48"; EUI64 = 109, "EUI64"; NXNAME = 128, "NXNAME"; TKEY = 249, "TKEY"; TSIG = 250, "TSIG";
        IXFR = 251, "IXFR"; AXFR = 252, "AXFR"; MAILB = 253, "MAILB"; MAILA = 254, "MAILA"; ANY = 255, "ANY";
        URI = 256, "URI"; CAA = 257, "CAA"; AVC = 258, "AVC"; DOA = 259, "DOA"; AMTRELAY = 260, "AMTRELAY";
        RESINFO = 261, "RESINFO"; WALLET = 262, "WALLET"; TA = 32768, "TA";
        DLV = 32769, "DLV";
    }

    /// Presentation form: the mnemonic, or `TYPEnnn` (RFC 3597 section 5).
    pub fn text(rtype: u16) -> std::borrow::Cow<'static, str> {
        mnemonic(rtype).map_or_else(|| format!("TYPE{rtype}").into(), Into::into)
    }

    /// Whether records of the type may stand in a zone: no types of questions and messages, and none that are obsolete.
    pub fn is_zone_data(rtype: u16) -> bool {
        !is_meta(rtype) && !matches!(rtype, MD | MF)
    }

    /// Whether the type can't be zone data: OPT and the question and meta types (RFC 6895 section 3.1).
    pub fn is_meta(rtype: u16) -> bool {
        rtype == OPT || (128..=255).contains(&rtype) || rtype == 0
    }
}

/// Classes.
pub mod class {
    /// The Internet.
    pub const IN: u16 = 1;
    /// Chaos: here only for the server's own names.
    pub const CH: u16 = 3;
    /// Hesiod.
    pub const HS: u16 = 4;
    /// In questions: any class.
    pub const ANY: u16 = 255;

    /// The class with this mnemonic, in any case, or written `CLASSnnn` (RFC 3597 section 5).
    pub fn from_text(text: impl AsRef<[u8]>) -> Option<u16> {
        let text = text.as_ref();
        match text {
            [b'I' | b'i', b'N' | b'n'] => Some(IN),
            [b'C' | b'c', b'H' | b'h'] => Some(CH),
            [b'H' | b'h', b'S' | b's'] => Some(HS),
            _ => super::numbered(text, b"CLASS"),
        }
    }
}

/// Opcodes (RFC 6895 section 2.2).
pub mod opcode {
    /// A standard query.
    pub const QUERY: u8 = 0;
    /// Zone change notification (RFC 1996).
    pub const NOTIFY: u8 = 4;
    /// Dynamic update (RFC 2136).
    pub const UPDATE: u8 = 5;
}

/// Response codes; those over 15 need EDNS (RFC 6891 section 6.1.3).
pub mod rcode {
    macro_rules! rcodes {
        ($($name:ident = $value:literal;)*) => {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: u16 = $value;)*

            /// The mnemonic of a response code that this server sends; `OTHER` for the rest.
            pub fn text(rcode: u16) -> &'static str {
                match rcode { $($value => stringify!($name),)* _ => "OTHER" }
            }
        };
    }
    rcodes! {
        NOERROR = 0; FORMERR = 1; SERVFAIL = 2; NXDOMAIN = 3; NOTIMP = 4; REFUSED = 5; YXDOMAIN = 6;
        NOTAUTH = 9;
        BADVERS = 16; BADCOOKIE = 23;
    }
}

/// EDNS option codes (IANA "DNS EDNS0 Option Codes").
pub mod option {
    /// Name server identifier (RFC 5001).
    pub const NSID: u16 = 3;
    /// DNS cookies (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// TCP keepalive (RFC 7828).
    pub const TCP_KEEPALIVE: u16 = 11;
    /// Extended DNS error (RFC 8914).
    pub const EDE: u16 = 15;
    /// Zone version (RFC 9660).
    pub const ZONEVERSION: u16 = 19;
}

/// Extended DNS errors (RFC 8914 section 4).
pub mod ede {
    /// The server is not authoritative for the name.
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// The kind of request is not supported.
    pub const NOT_SUPPORTED: u16 = 21;
    /// The request is not allowed.
    pub const PROHIBITED: u16 = 18;
    /// The server holds the zone but can't answer from it.
    pub const INVALID_DATA: u16 = 24;
}

fn numbered(text: &[u8], prefix: &[u8]) -> Option<u16> {
    let (head, digits) = text.split_at_checked(prefix.len())?;
    if !head.eq_ignore_ascii_case(prefix) || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name_and_number() {
        assert_eq!(rtype::from_text("aaaa"), Some(rtype::AAAA));
        assert_eq!(rtype::from_text("type65534"), Some(65534));
        assert_eq!(rtype::from_text("TYPE65536"), None);
        assert_eq!(rtype::from_text("TYPE"), None);
        assert_eq!(rtype::from_text("TYPE+1"), None);
        assert_eq!(rtype::from_text("nsec3Param"), Some(rtype::NSEC3PARAM));
        assert_eq!(rtype::from_text("nsap-ptr"), Some(rtype::NSAP_PTR));
        assert_eq!(rtype::from_text(""), None);
        assert_eq!(rtype::from_text("AA"), None);
        assert_eq!(rtype::from_text("\0A"), None);
        assert_eq!(rtype::from_text("XXXXXXXXXXXXXXXXXA"), None);
        for rtype in 0..=u16::MAX {
            assert_eq!(rtype::from_text(rtype::text(rtype).as_bytes()), Some(rtype));
        }
        assert_eq!(rtype::text(257), "CAA");
        assert_eq!(rtype::text(65280), "TYPE65280");
        assert_eq!(class::from_text("CLASS32"), Some(32));
    }
}
