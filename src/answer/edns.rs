//! Our OPT record and its options (RFC 6891): there if and only if the query had one.

use super::{Response, Settings, cookie};
use crate::wire::code::{option, rtype};
use crate::wire::query::Edns;

/// What our OPT will say. Its length is known before the sections are written, so that room is kept for it.
#[derive(Default)]
pub(super) struct Reply<'a> {
    /// The client's; None: no OPT goes back.
    edns: Option<Edns<'a>>,
    /// Whether the node's name goes along (RFC 5001).
    pub(super) nsid: bool,
    /// The COOKIE option's data (RFC 7873).
    pub(super) cookie: Option<[u8; cookie::LEN]>,
    /// Whether the idle timeout goes along (RFC 7828).
    pub(super) keepalive: bool,
    /// Labels and serial of the zone that the answer is from (RFC 9660).
    pub(super) zone_version: Option<(u8, u32)>,
    /// INFO-CODE of an extended error (RFC 8914).
    pub(super) error: Option<u16>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(edns: Option<Edns<'a>>) -> Reply<'a> {
        Reply { edns, ..Reply::default() }
    }

    /// Whether the client asked for the zone's version.
    pub(super) fn wants_zone_version(&self) -> bool {
        self.edns.is_some_and(|edns| edns.zone_version)
    }

    /// Octets of the whole record; 0 when there is none.
    pub(super) fn len(&self, settings: &Settings) -> usize {
        if self.edns.is_none() { 0 } else { 11 + self.options_len(settings) }
    }

    /// Appends the record. Whether there is one.
    pub(super) fn write(&self, response: &mut Response, settings: &Settings) -> bool {
        if self.edns.is_none() {
            return false;
        }
        let start = response.writer.len();
        // Sections kept this room free; only options larger than a whole response (a node's name of 500 octets, say, to a
        // client that takes 512) can fail, and then the options are left out, all but the record itself.
        if self.put(response, settings).is_err() {
            response.writer.truncate(start);
            let bare = Reply::new(self.edns);
            return bare.put(response, settings).is_ok();
        }
        true
    }

    fn options_len(&self, settings: &Settings) -> usize {
        let nsid = if self.nsid { 4 + node(settings).len() } else { 0 };
        let cookie = if self.cookie.is_some() { 4 + cookie::LEN } else { 0 };
        let keepalive = if self.keepalive { 4 + 2 } else { 0 };
        let zone_version = if self.zone_version.is_some() { 4 + 6 } else { 0 };
        let error = if self.error.is_some() { 4 + 2 } else { 0 };
        nsid + cookie + keepalive + zone_version + error
    }

    fn put(&self, response: &mut Response, settings: &Settings) -> Result<(), crate::wire::writer::Full> {
        let extended_rcode = (response.rcode >> 4) as u8;
        let writer = &mut response.writer;
        let [size_high, size_low] = settings.udp_size.to_be_bytes();
        let [len_high, len_low] = (self.options_len(settings) as u16).to_be_bytes();
        let [type_high, type_low] = rtype::OPT.to_be_bytes();
        // DO is copied (RFC 3225 section 3), the other flags are zero.
        let flags = if self.edns.is_some_and(|edns| edns.dnssec_ok) { 0x80 } else { 0 };
        writer.put(&[0, type_high, type_low, size_high, size_low, extended_rcode, 0, flags, 0, len_high, len_low])?;
        let mut option = |code: u16, parts: &[&[u8]]| {
            writer.put_u16(code)?;
            writer.put_u16(parts.iter().map(|part| part.len()).sum::<usize>() as u16)?;
            parts.iter().try_for_each(|part| writer.put(part))
        };
        if self.nsid {
            option(option::NSID, &[node(settings)])?;
        }
        if let Some(cookie) = &self.cookie {
            option(option::COOKIE, &[cookie])?;
        }
        if self.keepalive {
            option(option::TCP_KEEPALIVE, &[&settings.keepalive_100ms.to_be_bytes()])?;
        }
        if let Some((labels, serial)) = self.zone_version {
            /// Version type SOA-SERIAL (RFC 9660 section 7.2).
            const SOA_SERIAL: u8 = 0;
            option(option::ZONEVERSION, &[&[labels, SOA_SERIAL], &serial.to_be_bytes()])?;
        }
        if let Some(error) = self.error {
            option(option::EDE, &[&error.to_be_bytes()])?;
        }
        Ok(())
    }
}

fn node(settings: &Settings) -> &[u8] {
    settings.node.as_deref().unwrap_or_default()
}
