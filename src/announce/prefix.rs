//! Address families and prefixes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address family with unicast routes of its own (RFC 4760: AFI 1 or 2, SAFI 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 unicast.
    Ipv4,
    /// IPv6 unicast.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }

    /// Its address family identifier (RFC 4760 3).
    pub fn afi(self) -> u16 {
        match self {
            Family::Ipv4 => 1,
            Family::Ipv6 => 2,
        }
    }

    /// Its subsequent address family identifier (RFC 4760 6): unicast.
    pub fn safi(self) -> u8 {
        1
    }

    /// The family of an AFI and SAFI, if it is one of ours.
    pub fn of_identifiers(afi: u16, safi: u8) -> Option<Family> {
        Family::ALL.into_iter().find(|family| (family.afi(), family.safi()) == (afi, safi))
    }

    /// Bits of an address.
    pub fn bits(self) -> u8 {
        match self {
            Family::Ipv4 => 32,
            Family::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        })
    }
}

/// A prefix; bits behind its length are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

/// Why some text or numbers are no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not of the form `address/length`.
    #[error("write an address, a slash and a length, such as 192.0.2.0/24 or 2001:db8::/48")]
    Form,
    /// Longer than an address.
    #[error("the length of an {0} prefix is at most {bits}", bits = .0.bits())]
    Length(Family),
    /// Bits are set behind the length.
    #[error("bits are set behind the length: write {0}")]
    HostBits(Prefix),
}

impl Prefix {
    /// A prefix of its address and length. Bits behind the length are an error.
    pub fn new(address: IpAddr, len: u8) -> Result<Prefix, PrefixError> {
        let family = Family::of(address);
        if len > family.bits() {
            return Err(PrefixError::Length(family));
        }
        let masked = Prefix { address: mask(address, len), len };
        if masked.address == address { Ok(masked) } else { Err(PrefixError::HostBits(masked)) }
    }

    /// Like [`Prefix::new`]; bits behind the length are cleared (RFC 4271 4.3: their value is irrelevant).
    pub fn truncated(address: IpAddr, len: u8) -> Result<Prefix, PrefixError> {
        match Prefix::new(address, len) {
            Err(PrefixError::HostBits(masked)) => Ok(masked),
            other => other,
        }
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Its length in bits.
    pub fn bits(self) -> u8 {
        self.len
    }

    /// Its family.
    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && mask(address, self.len) == self.address
    }
}

fn mask(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Prefix, PrefixError> {
        let (address, len) = text.split_once('/').ok_or(PrefixError::Form)?;
        let address = address.parse().map_err(|_| PrefixError::Form)?;
        Prefix::new(address, len.parse().map_err(|_| PrefixError::Form)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_and_written() {
        for text in ["192.0.2.0/24", "0.0.0.0/0", "192.0.2.53/32", "2001:db8::/48", "::/0", "2001:db8::53/128"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
        assert_eq!(
            "192.0.2.1/24".parse::<Prefix>().unwrap_err().to_string(),
            "bits are set behind the length: write 192.0.2.0/24"
        );
        assert_eq!("192.0.2.0/33".parse::<Prefix>(), Err(PrefixError::Length(Family::Ipv4)));
        assert_eq!("192.0.2.0".parse::<Prefix>(), Err(PrefixError::Form));
        assert_eq!("x/8".parse::<Prefix>(), Err(PrefixError::Form));
    }

    #[test]
    fn a_prefix_holds_the_addresses_of_its_family_that_share_its_bits() {
        let prefix: Prefix = "192.0.2.0/25".parse().unwrap();
        assert!(prefix.contains("192.0.2.127".parse().unwrap()));
        assert!(!prefix.contains("192.0.2.128".parse().unwrap()));
        assert!(!prefix.contains("2001:db8::1".parse().unwrap()));
        assert!("::/0".parse::<Prefix>().unwrap().contains("::1".parse().unwrap()));
    }
}
