//! Numbers that have names: read as the number or, in any case, as the name.

use crate::zone::parse::fault::Fault;
use crate::zone::parse::fields::{Fields, decimal};

/// The names of one kind of number.
pub(super) struct Registry {
    /// Octets of the number in wire form.
    octets: usize,
    /// A name, for messages.
    example: &'static str,
    names: &'static [(&'static str, u16)],
}

/// IANA "DNS Security Algorithm Numbers", and what BIND calls some of them.
pub(super) static ALGORITHMS: Registry = Registry {
    octets: 1,
    example: "ECDSAP256SHA256",
    names: &[
        ("RSAMD5", 1),
        ("DH", 2),
        ("DSA", 3),
        ("RSASHA1", 5),
        ("DSA-NSEC3-SHA1", 6),
        ("NSEC3DSA", 6),
        ("RSASHA1-NSEC3-SHA1", 7),
        ("NSEC3RSASHA1", 7),
        ("RSASHA256", 8),
        ("RSASHA512", 10),
        ("ECC-GOST", 12),
        ("ECCGOST", 12),
        ("ECDSAP256SHA256", 13),
        ("ECDSA256", 13),
        ("ECDSAP384SHA384", 14),
        ("ECDSA384", 14),
        ("ED25519", 15),
        ("ED448", 16),
        ("SM2SM3", 17),
        ("ECC-GOST12", 23),
        ("INDIRECT", 252),
        ("PRIVATEDNS", 253),
        ("PRIVATEOID", 254),
    ],
};

/// IANA "DNSSEC Delegation Signer (DS) Digest Algorithms", and BIND's names for them.
pub(super) static DIGESTS: Registry = Registry {
    octets: 1,
    example: "SHA-256",
    names: &[
        ("SHA-1", 1),
        ("SHA1", 1),
        ("SHA-256", 2),
        ("SHA256", 2),
        ("GOST", 3),
        ("SHA-384", 4),
        ("SHA384", 4),
        ("GOST-2012", 5),
        ("GOST2012", 5),
        ("SM3", 6),
    ],
};

/// IANA "DNSSEC NSEC3 Hash Algorithms".
pub(super) static HASHES: Registry = Registry { octets: 1, example: "SHA-1", names: &[("SHA-1", 1), ("SHA1", 1)] };

/// RFC 4398 section 2.1.
pub(super) static CERTIFICATES: Registry = Registry {
    octets: 2,
    example: "PKIX",
    names: &[
        ("PKIX", 1),
        ("SPKI", 2),
        ("PGP", 3),
        ("IPKIX", 4),
        ("ISPKI", 5),
        ("IPGP", 6),
        ("ACPKIX", 7),
        ("IACPKIX", 8),
        ("URI", 253),
        ("OID", 254),
    ],
};

/// RFC 9859 section 5.2.
pub(super) static SCHEMES: Registry = Registry { octets: 1, example: "NOTIFY", names: &[("NOTIFY", 1)] };

/// The two protocols of RFC 1035 section 3.4.2.
pub(super) static PROTOCOLS: Registry = Registry { octets: 1, example: "TCP", names: &[("TCP", 6), ("UDP", 17)] };

/// Reads a number or its name.
pub(super) fn read(registry: &Registry, fields: &mut Fields, what: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    let token = fields.token(what)?;
    let max = (1u32 << (8 * registry.octets)) - 1;
    let by_name =
        || registry.names.iter().find(|(name, _)| token.is_word(name.as_bytes())).map(|&(_, number)| number.into());
    let Some(number) = decimal(&token).filter(|&number| number <= max).or_else(by_name) else {
        let expected = format!("{what} (a number from 0 to {max}, or a name such as {})", registry.example);
        return Err(fields.unexpected(&token, &expected));
    };
    out.extend_from_slice(&number.to_be_bytes()[4 - registry.octets..]);
    Ok(())
}
