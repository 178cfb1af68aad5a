//! Signed queries (RFC 8945). This server holds no keys, and says so to whoever signs: in a TSIG record that is not signed itself.

use crate::wire::code::{class, rtype};
use crate::wire::name::{self, NAME_LEN_MAX};
use crate::wire::query::HEADER_LEN;
use crate::wire::writer::{Full, Writer};

/// TSIG error: the key is not known (section 5.2.1).
const BADKEY: u16 = 17;

/// A query's TSIG record: what the response's says again (section 5.3.2).
#[derive(Clone, Copy)]
pub(super) struct Tsig<'a> {
    packet: &'a [u8],
    /// Where in the packet the key's name stands.
    key_at: usize,
    algorithm: &'a [u8],
    /// Time signed and fudge.
    time: &'a [u8; 8],
    original_id: [u8; 2],
}

impl<'a> Tsig<'a> {
    /// Reads the last record of a packet. None: it is malformed.
    #[cold]
    pub(super) fn read(packet: &'a [u8], record: &[u8]) -> Option<Tsig<'a>> {
        let key_at = packet.len() - record.len();
        let fixed_at = labels(packet, key_at, |_| {})?;
        let (&[_, _, c0, c1, t0, t1, t2, t3, _, _], rdata) = packet.get(fixed_at..)?.split_first_chunk::<10>()?;
        if u16::from_be_bytes([c0, c1]) != class::ANY || [t0, t1, t2, t3] != [0; 4] {
            return None;
        }
        let (algorithm, rest) = rdata.split_at_checked(name::wire_len(rdata).ok()?)?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (&mac_len, rest) = rest.split_first_chunk::<2>()?;
        let rest = rest.get(usize::from(u16::from_be_bytes(mac_len))..)?;
        let (&[i0, i1, _, _, l0, l1], other) = rest.split_first_chunk::<6>()?;
        let is_whole = other.len() == usize::from(u16::from_be_bytes([l0, l1]));
        is_whole.then_some(Tsig { packet, key_at, algorithm, time, original_id: [i0, i1] })
    }

    /// Appends the response's record. Whether there was room for it.
    #[cold]
    pub(super) fn write(&self, writer: &mut Writer) -> bool {
        let start = writer.len();
        let written = self.put(writer).is_ok();
        if !written {
            writer.truncate(start);
        }
        written
    }

    fn put(&self, writer: &mut Writer) -> Result<(), Full> {
        let mut key = Ok(());
        labels(self.packet, self.key_at, |label| key = key.and_then(|()| writer.put(label)));
        key?;
        writer.put_u16(rtype::TSIG)?;
        writer.put_u16(class::ANY)?;
        writer.put_array(&[0; 4])?;
        writer.put_u16((self.algorithm.len() + 16) as u16)?;
        writer.put(self.algorithm)?;
        writer.put_array(self.time)?;
        // No MAC.
        writer.put_u16(0)?;
        writer.put_array(&self.original_id)?;
        writer.put_u16(BADKEY)?;
        // Nothing else.
        writer.put_u16(0)
    }
}

/// Gives `each` the labels of a name in a packet, the octet with their length before them, the root's last. Gives where the name ends
/// in its place; None: it is malformed. Pointers lead backwards, so that it ends (RFC 1035 section 4.1.4).
fn labels(packet: &[u8], mut at: usize, mut each: impl FnMut(&[u8])) -> Option<usize> {
    let (mut end, mut floor, mut name_len) = (None, at, 0);
    loop {
        match *packet.get(at)? {
            len @ 0..=63 => {
                let next = at + 1 + usize::from(len);
                let label = packet.get(at..next)?;
                name_len += label.len();
                if name_len > NAME_LEN_MAX {
                    return None;
                }
                each(label);
                if len == 0 {
                    return Some(end.unwrap_or(next));
                }
                at = next;
            }
            high @ 0xc0.. => {
                let target = usize::from(u16::from_be_bytes([high & 0x3f, *packet.get(at + 1)?]));
                if !(HEADER_LEN..floor).contains(&target) {
                    return None;
                }
                end = end.or(Some(at + 2));
                (at, floor) = (target, target);
            }
            _ => return None,
        }
    }
}
