//! Prefixes as octets: a length in bits, and as many octets as that takes (RFC 4271 4.3, RFC 4760 5).

use super::read::Octets;
use crate::announce::prefix::{Family, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// All prefixes of a field. `None` where one is longer than an address or cut off: then none can be told from the next
/// (RFC 7606 5.3).
pub(super) fn decode(mut octets: Octets, family: Family) -> Option<Vec<Prefix>> {
    let mut prefixes = Vec::new();
    while !octets.is_empty() {
        let bits = octets.u8().filter(|bits| *bits <= family.bits())?;
        let significant = octets.take(usize::from(bits.div_ceil(8)))?;
        let mut address = [0; 16];
        address.iter_mut().zip(significant).for_each(|(to, from)| *to = *from);
        let address = match family {
            Family::Ipv4 => {
                let [a, b, c, d, ..] = address;
                IpAddr::from(Ipv4Addr::new(a, b, c, d))
            }
            Family::Ipv6 => Ipv6Addr::from(address).into(),
        };
        prefixes.push(Prefix::truncated(address, bits).ok()?);
    }
    Some(prefixes)
}

/// Prefixes in fields of at most `room` octets, in their order; and those that have no room even alone.
pub(super) fn encode(prefixes: &[Prefix], room: usize) -> (Vec<Vec<u8>>, Vec<Prefix>) {
    let (mut fields, mut field, mut unsent) = (Vec::new(), Vec::new(), Vec::new());
    for prefix in prefixes {
        let significant = usize::from(prefix.bits().div_ceil(8));
        if 1 + significant > room {
            unsent.push(*prefix);
            continue;
        }
        if field.len() + 1 + significant > room {
            fields.push(std::mem::take(&mut field));
        }
        field.push(prefix.bits());
        match prefix.address() {
            IpAddr::V4(address) => field.extend(address.octets().iter().take(significant)),
            IpAddr::V6(address) => field.extend(address.octets().iter().take(significant)),
        }
    }
    if !field.is_empty() {
        fields.push(field);
    }
    (fields, unsent)
}
