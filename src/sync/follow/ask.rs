//! Questions that a node asks itself about a zone before it serves it: through the one door, [`answer`].
//!
//! An image can have the right digest and be of no use: made by a compiler that erred, or by somebody who holds a key. Then the
//! release is refused, not the zone answered SERVFAIL.

use crate::answer::{self, Query, Served, Settings, Transport};
use crate::wire::code::{class, rcode, rtype};
use crate::wire::name::Name;
use crate::zone::image::Image;
use crate::zone::set::{Zone, Zones};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A label that hardly any zone has: it asks for a wildcard, or for the proof that there is nothing.
const ABSENT: &[u8] = b"\x10catchment-asks-0";

/// Asks about zones before they are served.
pub(super) struct Asker {
    settings: Option<Settings>,
    out: Vec<u8>,
}

impl Asker {
    pub(super) fn new() -> Asker {
        let settings = Settings::plain(1232);
        Asker { settings: Some(settings), out: vec![0; 65_535] }
    }

    /// `Err`: the question, and what came instead of an answer.
    pub(super) fn ask(&mut self, image: &Image) -> Result<(), String> {
        let Some(settings) = self.settings.take() else { return Ok(()) };
        let name = image.apex();
        let zones = Zones::new([Zone::new(0, image.clone().into())]);
        let served = Served { zones, settings };
        let mut result = Ok(());
        let below = below(&name);
        let questions = [Some((&name, rtype::SOA)), Some((&name, rtype::NS)), below.as_ref().map(|n| (n, rtype::A))];
        for (asked, qtype) in questions.into_iter().flatten() {
            let code = self.rcode(asked, qtype, &served);
            let is_soa = qtype == rtype::SOA && asked == &name;
            if code != Some(rcode::NOERROR) && (is_soa || code != Some(rcode::NXDOMAIN)) {
                let came = code.map_or("no answer", rcode::text);
                result = Err(format!("asked for {asked} {}, it gives {came}", rtype::text(qtype)));
                break;
            }
        }
        self.settings = Some(served.settings);
        result
    }

    fn rcode(&mut self, name: &Name, qtype: u16, served: &Served) -> Option<u16> {
        let mut packet = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        packet.extend_from_slice(name.as_wire());
        packet.extend_from_slice(&qtype.to_be_bytes());
        packet.extend_from_slice(&class::IN.to_be_bytes());
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let peer = SocketAddr::new(local, 53);
        let query = Query { packet: &packet, peer, local, transport: Transport::Tcp, now_secs: 0 };
        let outcome = answer::answer(&query, served, &mut self.out);
        outcome.result.ok().map(|_| outcome.rcode)
    }
}

/// A name below the zone's; `None` if it would be too long for one.
fn below(apex: &Name) -> Option<Name> {
    Name::from_wire(&[ABSENT, apex.as_wire()].concat()).ok()
}
