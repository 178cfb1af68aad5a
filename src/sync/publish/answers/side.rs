//! One release, as far as it must be here to answer some questions: the zones that these lie in, and those that aliases lead to.

use super::message::{Answer, UDP_SIZE, query};
use crate::answer::{self, Query, Served, Settings, Transport};
use crate::sync::question::Question;
use crate::sync::zone_name::ZoneName;
use crate::wire::code::rtype;
use crate::wire::name::{Name, labels};
use crate::zone::image::Image;
use crate::zone::set::{Content, Zone, Zones};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Octets of any response.
const RESPONSE_LEN_MAX: usize = 65_535;

/// A release's zones by name, as far as they are wanted; `None`: the image can't be had.
pub(super) type Images = BTreeMap<ZoneName, Option<Image>>;

/// Answers as a node does that serves these zones.
pub(super) struct Server {
    served: Served,
    pub(super) out: Vec<u8>,
}

/// An answer, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// All of it, as over TCP.
    pub(super) whole: Answer,
    /// Its octets.
    pub(super) len: usize,
    /// Over UDP, in [`UDP_SIZE`] octets.
    pub(super) short: Answer,
}

impl Server {
    /// A node whose settings make no difference to what is asked here.
    pub(super) fn new(images: &Images) -> Server {
        let settings = Settings::plain(UDP_SIZE);
        let zones = images.iter().zip(0..).map(|((name, image), id)| {
            let content = image.clone().map_or_else(|| Content::Missing(name.name().clone()), Content::Image);
            Zone::new(id, content)
        });
        Server { served: Served { zones: Zones::new(zones), settings }, out: vec![0; RESPONSE_LEN_MAX] }
    }

    /// Puts a question. `None`: our own responder broke its word.
    pub(super) fn ask(&mut self, question: &Question) -> Option<Given> {
        let packet = query(question, 0);
        let (len, whole) = self.put(&packet, Transport::Tcp)?;
        // Nearly all fit, and over UDP they are the same.
        let short = if len <= usize::from(UDP_SIZE) { whole.clone() } else { self.put(&packet, Transport::Udp)?.1 };
        Some(Given { whole, len, short })
    }

    pub(super) fn put(&mut self, packet: &[u8], transport: Transport) -> Option<(usize, Answer)> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let query = Query { packet, peer: SocketAddr::new(local, 53), local, transport, now_secs: 0 };
        let len = answer::answer(&query, &self.served, &mut self.out).result.ok()?;
        Some((len, Answer::read(self.out.get(..len)?)?))
    }
}

/// The zones of a release that may answer for this name: the deepest one that it lies in, and for DS the one above that as well (RFC 4035
/// section 3.1.4.1).
fn authorities(wire: &[u8], qtype: u16, has_zone: &dyn Fn(&ZoneName) -> bool) -> Vec<ZoneName> {
    let most = if qtype == rtype::DS { 2 } else { 1 };
    let mut starts = vec![0];
    for label in labels(wire) {
        starts.push(starts[starts.len() - 1] + 1 + label.len());
    }
    let suffixes = starts.into_iter().filter_map(|start| Name::from_wire(&wire[start..]).ok());
    suffixes.map(|name| ZoneName::from(&name)).filter(|zone| has_zone(zone)).take(most).collect()
}

/// The zone that this question lies in.
pub(super) fn zone_of(question: &Question, has_zone: &dyn Fn(&ZoneName) -> bool) -> Option<ZoneName> {
    authorities(question.name().as_wire(), 0, has_zone).into_iter().next()
}

/// What is still unknown of a release.
#[derive(Default)]
pub(super) struct Wanted {
    /// Zones that questions lie in.
    pub(super) asked: BTreeSet<ZoneName>,
    /// Zones that the aliases of others lead to.
    pub(super) followed: BTreeSet<ZoneName>,
}

/// Which zones are needed to answer these questions, beside those that `images` has; and the questions that need them. Called again when they
/// are there: only then it is known where their aliases lead.
pub(super) fn wanted<'q>(
    questions: &[&'q Question],
    images: &Images,
    has_zone: &dyn Fn(&ZoneName) -> bool,
) -> (Wanted, Vec<&'q Question>) {
    let mut server = Server::new(images);
    let (mut found, mut waiting) = (Wanted::default(), Vec::new());
    for question in questions {
        let lacking = |wire: &[u8]| {
            let all = authorities(wire, question.qtype(), has_zone);
            all.into_iter().filter(|zone| !images.contains_key(zone))
        };
        let mut direct = lacking(question.name().as_wire()).peekable();
        let mut is_waiting = direct.peek().is_some();
        found.asked.extend(direct);
        if !is_waiting && let Some(given) = server.ask(question) {
            for zone in given.whole.targets().flat_map(lacking) {
                is_waiting = true;
                found.followed.insert(zone);
            }
        }
        waiting.extend(is_waiting.then_some(*question));
    }
    (found, waiting)
}
