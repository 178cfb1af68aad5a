//! Each rule of the state machine, on virtual time. Here is the rig; the rules are in the files.

mod ends;
mod open;
mod routes;
mod timers;

use super::*;
use crate::announce::bgp::codec::{Context, Decoder, encode};
use crate::announce::bgp::message::{Attributes, Capability, Origin, Role, RouteRefresh, Update};
use crate::announce::prefix::Family;
use crate::announce::route;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const US: u32 = 64501;
const THEM: u32 = 64500;

/// What the machine did, as a test reads it.
#[derive(Debug, Clone, PartialEq)]
enum Did {
    Connect,
    Accept,
    Refuse,
    Close(Side),
    Sent(Side, Message),
}

/// A session, its clock, and the other end of its connections.
struct Rig {
    session: Session,
    now: Moment,
    ends: [(Decoder, Context); 2],
    notices: Vec<Notice>,
    /// Octets are taken by the system as soon as they are sent.
    takes: bool,
}

impl Rig {
    fn new(settings: Peer) -> Rig {
        let session = Session::new(settings, 7);
        let end = || (Decoder::new(), Context::default());
        Rig { session, now: Moment::from_secs(1000), ends: [end(), end()], notices: Vec::new(), takes: true }
    }

    /// One that is established, its peer as [`their_open`] has it.
    fn established(settings: Peer) -> Rig {
        let open = their_open(&settings);
        Rig::established_with(settings, open)
    }

    fn established_with(settings: Peer, open: Open) -> Rig {
        let mut rig = Rig::new(settings);
        rig.event(Event::Start);
        rig.establish(open);
        rig
    }

    /// From Connect to Established. Returns what was sent last.
    fn establish(&mut self, open: Open) -> Vec<Did> {
        self.event(Event::Connected { local: "10.0.0.2".parse().unwrap() });
        self.opens(Side::Outgoing, open);
        let did = self.says(Side::Outgoing, Message::Keepalive);
        assert_eq!(self.session.state(), State::Established);
        did
    }

    fn event(&mut self, event: Event) -> Vec<Did> {
        let mut out = Vec::new();
        self.session.handle(self.now, event, &mut out);
        let mut did = Vec::new();
        let mut wrote = BTreeSet::new();
        for action in out {
            match action {
                Action::Connect => did.push(Did::Connect),
                Action::Accept => did.push(Did::Accept),
                Action::Refuse => did.push(Did::Refuse),
                Action::Close { side } => {
                    self.ends[side as usize] = (Decoder::new(), Context::default());
                    wrote.remove(&side);
                    did.push(Did::Close(side));
                }
                Action::Send { side, octets } => {
                    wrote.insert(side);
                    let (decoder, context) = &mut self.ends[side as usize];
                    let mut octets = octets.as_slice();
                    while let Some(message) = decoder.next(&mut octets, context) {
                        did.push(Did::Sent(side, message.unwrap()));
                    }
                }
                Action::Notice(notice) => self.notices.push(notice),
            }
        }
        if self.takes {
            for side in wrote {
                did.extend(self.event(Event::Written { side, queued: 0 }));
            }
        }
        did
    }

    /// The peer sends its OPEN.
    fn opens(&mut self, side: Side, open: Open) -> Vec<Did> {
        let octets = encode(&Message::Open(open.clone()), &Context::default());
        self.ends[side as usize].1 = Context::negotiated(&negotiate::open(&self.session.settings), &open);
        self.event(Event::Octets { side, octets })
    }

    fn says(&mut self, side: Side, message: Message) -> Vec<Did> {
        let octets = encode(&message, &self.ends[side as usize].1);
        self.event(Event::Octets { side, octets })
    }

    /// Ticks until a moment; returns what was done, and when.
    fn wait(&mut self, time: Duration) -> Vec<(Duration, Did)> {
        let (start, end) = (self.now, self.now + time);
        let mut did = Vec::new();
        while let Some(deadline) = self.session.deadline().filter(|deadline| *deadline <= end) {
            assert!(deadline >= self.now, "a deadline is never left in the past");
            self.now = deadline;
            let at = self.now - start;
            did.extend(self.event(Event::Tick).into_iter().map(|did| (at, did)));
        }
        self.now = end;
        did
    }

    /// The next thing that is done, and after what time.
    fn next(&mut self) -> (Duration, Vec<Did>) {
        let start = self.now;
        loop {
            self.now = self.session.deadline().expect("something is waited for");
            let did = self.event(Event::Tick);
            if !did.is_empty() {
                return (self.now - start, did);
            }
        }
    }

    fn state(&self) -> State {
        self.session.state()
    }

    fn said(&self, text: &str) -> bool {
        self.notices.iter().any(|notice| notice.to_string().contains(text))
    }
}

fn settings() -> Peer {
    Peer::new(US, THEM, Ipv4Addr::new(192, 0, 2, 1))
}

fn internal() -> Peer {
    Peer::new(US, US, Ipv4Addr::new(192, 0, 2, 1))
}

/// The OPEN of a peer that can do all, holds for 90 s, and has the higher identifier.
fn their_open(settings: &Peer) -> Open {
    Open {
        asn: settings.remote_as,
        hold_time: 90,
        identifier: Ipv4Addr::new(192, 0, 2, 200),
        capabilities: vec![
            Capability::Multiprotocol(Family::Ipv4),
            Capability::Multiprotocol(Family::Ipv6),
            Capability::RouteRefresh,
            Capability::ExtendedNextHop,
            Capability::FourOctetAsn(settings.remote_as),
            Capability::EnhancedRouteRefresh,
        ],
    }
}

fn with_role(settings: &Peer, role: Role) -> Open {
    let mut open = their_open(settings);
    open.capabilities.push(Capability::Role(role));
    open
}

fn without(settings: &Peer, capability: Capability) -> Open {
    let mut open = their_open(settings);
    open.capabilities.retain(|known| *known != capability);
    open
}

fn local() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn routes(prefixes: &[&str]) -> Routes {
    prefixes.iter().map(|text| (prefix(text), attributes(&[]))).collect()
}

fn attributes(communities: &[u32]) -> route::Attributes {
    let next_hop = None;
    route::Attributes { communities: communities.to_vec(), next_hop, ..route::Attributes::default() }
}

fn v6_routes(prefixes: &[&str]) -> Routes {
    let next_hop = Some("2001:db8::2".parse().unwrap());
    prefixes.iter().map(|text| (prefix(text), route::Attributes { next_hop, ..attributes(&[]) })).collect()
}

/// What the peer announces to us.
fn update(announced: &[&str], withdrawn: &[&str], as_path: &[u32]) -> Message {
    let attributes = Attributes {
        origin: Origin::Igp,
        as_path: as_path.to_vec(),
        next_hop: "10.0.0.1".parse().unwrap(),
        med: None,
        local_preference: None,
        communities: Vec::new(),
        large_communities: Vec::new(),
        only_to_customer: None,
    };
    let all = |texts: &[&str]| texts.iter().map(|text| prefix(text)).collect::<Vec<Prefix>>();
    let attributes = (!announced.is_empty()).then_some(attributes);
    Message::Update(Update { announced: all(announced), withdrawn: all(withdrawn), attributes, ..Update::default() })
}

fn end_of_rib(family: Family) -> Did {
    Did::Sent(Side::Outgoing, Message::Update(Update { end_of_rib: Some(family), ..Update::default() }))
}

fn notified(side: Side, reason: Reason, data: &[u8]) -> Vec<Did> {
    vec![Did::Sent(side, Message::Notification(Notification::new(reason, data))), Did::Close(side)]
}

/// The UPDATEs among what was done.
fn updates(did: &[Did]) -> Vec<&Update> {
    did.iter()
        .filter_map(|did| match did {
            Did::Sent(_, Message::Update(update)) if update.end_of_rib.is_none() => Some(update),
            _ => None,
        })
        .collect()
}

fn sent_open(did: &[Did]) -> &Open {
    did.iter()
        .find_map(|did| match did {
            Did::Sent(_, Message::Open(open)) => Some(open),
            _ => None,
        })
        .expect("an OPEN is sent")
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn assert_jittered(time: Duration, whole: Duration) {
    assert!(time <= whole && time >= whole.mul_f64(0.75), "{time:?} is not between 3/4 and all of {whole:?}");
}
