//! Serials that are written into a release, for zones whose files have one that nobody raises.
//!
//! A zone is compared with the head's apart from its serial: as the compiler is deterministic, a zone has the head's content if its image
//! gets the head's name under the head's serial. So nothing of the head need be read to know what changed, and a zone that did not
//! keeps serial and image. A second look, at another head, is harmless: what was given a serial already keeps it, as long as it is
//! ahead.

use super::Error;
use super::content::Content;
use super::images::Images;
use crate::calendar;
use crate::counted::{counted, listed};
use crate::sync::codec::Digest;
use crate::sync::page::Leaf;
use crate::sync::zone_name::ZoneName;
use crate::wire::serial::is_before;
use crate::zone::image::{Image, ImageError};

/// How zones that change come by their serials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Serials {
    /// Their files have them.
    #[default]
    Keep,
    /// One more than the head has, or their files' if that is ahead.
    Increment,
    /// The day and two digits, YYYYMMDDnn, or one more than the head has if that is no less (RFC 1912 section 2.2).
    Date,
    /// Seconds since 1970, or one more than the head has if that is no less.
    Unixtime,
}

/// So many zones are named that can't be given a serial.
const NAMED_MAX: usize = 5;

/// Why a zone is not given a serial.
enum Unfit {
    /// Something in it proves the serial that it has.
    Sealed,
    Damaged(ImageError),
}

impl Images {
    /// Gives the serials that they have in a release after `head` to the zones whose images are here and that are `wanted` in it: what
    /// another publisher has changed meanwhile, and we have not, is older here.
    pub(super) fn number(
        &mut self,
        head: &Content,
        wanted: impl Fn(&ZoneName) -> bool,
        serials: Serials,
        now_secs: u64,
    ) -> Result<(), Error> {
        if serials == Serials::Keep {
            return Ok(());
        }
        let mut sealed: Vec<ZoneName> = Vec::new();
        let images = self.images().filter(|(zone, _)| wanted(zone));
        let images: Vec<(ZoneName, Image)> = images.map(|(zone, image)| (zone.clone(), image.clone())).collect();
        for (zone, image) in images {
            match serials.numbered(&image, head.zones.get(&zone), now_secs) {
                Ok(None) => {}
                Ok(Some(numbered)) => self.insert(numbered),
                Err(Unfit::Sealed) => sealed.push(zone),
                Err(Unfit::Damaged(error)) => return Err(Error::Zones(format!("error: zone {zone}: {error}"))),
            }
        }
        if sealed.is_empty() { Ok(()) } else { Err(Error::Zones(why_sealed(&sealed))) }
    }
}

fn why_sealed(zones: &[ZoneName]) -> String {
    format!(
        "error: a signature or digest (RRSIG, ZONEMD) covers the SOA record of {}, so that no other serial can be written: {}; let \
         what signs them raise it, or publish with --serial keep",
        counted(zones.len(), "zone"),
        listed(zones, NAMED_MAX)
    )
}

impl Serials {
    /// The image under its serial after `before`, the head's; `None`: it has that already.
    fn numbered(self, image: &Image, before: Option<&Leaf>, now_secs: u64) -> Result<Option<Image>, Unfit> {
        let damaged = |error: ImageError| Unfit::Damaged(error);
        let is_sealed = image.has_sealed_serial().map_err(|error| damaged(error.into()))?;
        let own = image.serial();
        let next = match before {
            None if is_sealed => own,
            None => self.wished(own, now_secs),
            Some(leaf) if leaf.image == Digest(image.digest()) => own,
            Some(leaf) if is_sealed => match is_before(leaf.serial, own) {
                true => own,
                false => return Err(Unfit::Sealed),
            },
            Some(leaf) => {
                let same = image.with_serial(leaf.serial).map_err(damaged)?;
                if Digest(same.digest()) == leaf.image {
                    return Ok(Some(same));
                }
                self.after(leaf.serial, own, now_secs)
            }
        };
        if next == own { Ok(None) } else { image.with_serial(next).map(Some).map_err(damaged) }
    }

    /// The serial of a zone that changes, after `last`. `own`: its file's.
    fn after(self, last: u32, own: u32, now_secs: u64) -> u32 {
        let wished = self.wished(own, now_secs);
        if is_before(last, wished) { wished } else { last.wrapping_add(1) }
    }

    /// The serial of a zone that had none before.
    fn wished(self, own: u32, now_secs: u64) -> u32 {
        match self {
            Serials::Keep | Serials::Increment => own,
            // Serials go round, years do not: the lower 32 bits.
            Serials::Date => calendar::compact(now_secs)
                .get(..8)
                .and_then(|day| day.parse::<u64>().ok())
                .map_or(own, |day| (day * 100) as u32),
            Serials::Unixtime => now_secs as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_after_the_heads() {
        // 2026-11-30T12:00:00Z
        const NOW: u64 = 1_796_040_000;
        for (serials, last, own, expected) in [
            (Serials::Increment, 7, 7, 8),
            (Serials::Increment, 7, 1, 8),
            (Serials::Increment, 7, 9, 9),
            (Serials::Increment, u32::MAX, u32::MAX, 0),
            (Serials::Increment, u32::MAX, 3, 3),
            (Serials::Date, 2_026_112_900, 1, 2_026_113_000),
            (Serials::Date, 2_026_113_000, 1, 2_026_113_001),
            (Serials::Date, 2_026_113_099, 1, 2_026_113_100),
            (Serials::Date, 2_030_010_100, 1, 2_030_010_101),
            (Serials::Unixtime, 7, 1, NOW as u32),
            (Serials::Unixtime, NOW as u32, 1, NOW as u32 + 1),
            (Serials::Unixtime, 2_026_113_000, 1, 2_026_113_001),
        ] {
            assert_eq!(serials.after(last, own, NOW), expected, "{serials:?} {last} {own}");
            assert!(is_before(last, expected));
            assert_eq!(serials.after(last, expected, NOW), expected, "a second look changes nothing");
        }
    }
}
