//! Everything together: the network, a router, two PoPs, and the client that asks all the time.

use crate::client::{Client, Figures};
use crate::pop::{Announcer, Pop, Setup, USUAL};
use crate::router::{Router, wait_until};
use crate::router_bird::Bird;
use crate::router_frr::Frr;
use crate::router_gobgp::GoBgp;
use crate::support::peers::Peers;
use crate::topology::{Family, Net};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a PoP may take to come up, on a busy machine.
pub(crate) const SETTLE: Duration = Duration::from_secs(40);
/// After the traffic has moved it is watched for so long: it must stay.
const AFTERMATH: Duration = Duration::from_millis(1200);

/// Which daemon is the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bird,
    Frr,
    GoBgp,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Bird, Kind::Frr, Kind::GoBgp];

    /// For tables and arguments.
    pub(crate) fn name(self) -> &'static str {
        ["BIRD", "FRR", "GoBGP"][self as usize]
    }

    /// Whether it forwards packets and has BFD.
    pub(crate) fn forwards(self) -> bool {
        self != Kind::GoBgp
    }
}

/// Fields go in this order: clients, processes, namespaces.
pub(crate) struct Lab {
    pub(crate) kind: Kind,
    pub(crate) client: Client,
    /// Beyond PoP 2.
    pub(crate) second: Client,
    pub(crate) one: Pop,
    pub(crate) two: Pop,
    pub(crate) router: Box<dyn Router>,
    pub(crate) net: Net,
}

impl Lab {
    /// Builds it. Nothing but the router runs yet.
    pub(crate) fn new(peers: Arc<Peers>, kind: Kind) -> Result<Lab, String> {
        let net = Net::new(peers)?;
        let mut router: Box<dyn Router> = match kind {
            Kind::Bird => Box::new(Bird::new()),
            Kind::Frr => Box::new(Frr::new()),
            Kind::GoBgp => Box::new(GoBgp::new()),
        };
        router.start(&net)?;
        let (client, second) = (Client::start(&net, "c"), Client::start(&net, "d"));
        Ok(Lab { kind, client, second, one: Pop::new(1, USUAL), two: Pop::new(2, USUAL), router, net })
    }

    /// PoP 1 fresh, PoP 2 running, both announced, and all traffic at PoP 1.
    pub(crate) fn settle(&mut self, one: &Setup, two: &Setup) -> Result<(), String> {
        self.net.heal("p1")?;
        self.net.heal("p2")?;
        self.one.kill();
        self.one = Pop::new(1, one.clone());
        if self.two.setup != *two {
            self.two.kill();
            self.two = Pop::new(2, two.clone());
        }
        self.two.start(&self.net)?;
        self.one.start(&self.net)?;
        self.wait_announced(&[1, 2], SETTLE)?;
        if self.kind.forwards() {
            self.client.wait_for(1, &Family::BOTH, SETTLE)?;
            self.second.wait_for(2, &Family::BOTH, SETTLE)?;
            for pop in [&self.one, &self.two]
                .into_iter()
                .filter(|pop| pop.setup.bfd && pop.setup.announcer != Announcer::ExaBgp)
            {
                wait_until("BFD is up", SETTLE, || self.router.bfd_up(&self.net, pop.number))?;
            }
        }
        // What a start brings is over.
        std::thread::sleep(Duration::from_millis(500));
        Ok(())
    }

    /// Waits until the router has the routes of exactly these PoPs, for both families.
    pub(crate) fn wait_announced(&self, pops: &[usize], patience: Duration) -> Result<(), String> {
        for family in Family::BOTH {
            let what = format!("{} routes of PoPs {pops:?}", family.name());
            wait_until(&what, patience, || Ok(self.router.routes(&self.net, family)? == pops))?;
        }
        Ok(())
    }

    /// Waits until the traffic of both families is at a PoP, and a little longer.
    pub(crate) fn wait_moved(&self, pop: usize, patience: Duration) -> Result<(), String> {
        self.client.wait_for(pop, &Family::BOTH, patience)?;
        std::thread::sleep(AFTERMATH);
        self.client.wait_for(pop, &Family::BOTH, Duration::from_millis(500))
    }

    /// What the client saw since then, of both families.
    pub(crate) fn figures(&self, from: Instant) -> [Figures; 2] {
        let until = Instant::now();
        Family::BOTH.map(|family| self.client.figures(family, from, until))
    }

    /// What everybody says, for when something failed.
    pub(crate) fn detail(&self) -> String {
        let end = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        let mut all = format!("---- router\n{}\n", end(self.router.detail(&self.net)));
        for pop in [&self.one, &self.two] {
            let server = pop.server.as_ref().map(|server| server.log()).unwrap_or_default();
            let (host, announcer, explain) = (pop.host(), end(pop.log()), pop.explain());
            all += &format!(
                "---- {host}: announcer\n{announcer}\n---- explain\n{explain}\n---- server\n{}\n",
                end(server)
            );
        }
        all
    }
}
