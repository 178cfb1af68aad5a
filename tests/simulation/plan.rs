//! What a run is made of: drawn from its seed, and from what the environment asks for.

use super::chance::Chance;
use std::collections::BTreeSet;
use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Requests and answers are lost.
    Loss,
    /// Nodes, or publishers, reach no store for a while.
    Partition,
    /// Nobody reaches the store for a while.
    Outage,
    /// Nodes die, at any step.
    Crash,
    /// Publishers die, at any step.
    PublisherCrash,
    /// Clocks jump.
    Clock,
    /// Stores lie to some nodes for a while.
    Lies,
    /// Files on nodes' disks are damaged.
    Rot,
    /// Nodes' disks are full, or fail.
    Disk,
    /// Key sets are replaced.
    Roll,
    /// A release key is stolen, and used.
    Theft,
    /// Blobs are collected, after the store's clock has gone on by more than a day.
    Collect,
    /// Nodes follow two stores, of which the second lags.
    Mirror,
    /// Publishers try releases at some nodes first; some nodes run behind.
    Waves,
}

impl Trouble {
    pub(crate) const ALL: [(Trouble, &'static str); 14] = [
        (Trouble::Loss, "loss"),
        (Trouble::Partition, "partition"),
        (Trouble::Outage, "outage"),
        (Trouble::Crash, "crash"),
        (Trouble::PublisherCrash, "publisher-crash"),
        (Trouble::Clock, "clock"),
        (Trouble::Lies, "lies"),
        (Trouble::Rot, "rot"),
        (Trouble::Disk, "disk"),
        (Trouble::Roll, "roll"),
        (Trouble::Theft, "theft"),
        (Trouble::Collect, "collect"),
        (Trouble::Mirror, "mirror"),
        (Trouble::Waves, "waves"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Trouble::ALL[self as usize].1
    }
}

/// How nodes hear of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    /// A directory, looked at four times a second.
    Dir,
    /// A bucket, asked every 5 s.
    S3,
    /// Channels in etcd, watched; blobs in a bucket.
    Etcd,
}

impl Model {
    pub(crate) const ALL: [Model; 3] = [Model::Dir, Model::S3, Model::Etcd];

    /// How often a state is asked for, by whoever has to ask.
    pub(crate) fn poll_interval(self) -> Duration {
        match self {
            Model::Dir => Duration::from_millis(250),
            Model::S3 | Model::Etcd => Duration::from_secs(5),
        }
    }
}

/// A run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: u32,
    pub(crate) publishers: u32,
    pub(crate) model: Model,
    pub(crate) troubles: BTreeSet<Trouble>,
    /// How long there is trouble.
    pub(crate) trouble_secs: u64,
    /// Small zones.
    pub(crate) zones: u32,
    /// Whether there is a large one too.
    pub(crate) large: bool,
    /// Most time that a message takes one way.
    pub(crate) way_ms_max: u64,
    /// Requests or answers of a hundred that are lost.
    pub(crate) loss_percent: u64,
    /// Time between two publishes of one publisher.
    pub(crate) gap_secs_max: u64,
}

impl Plan {
    pub(crate) fn of(seed: u64, nodes: u32) -> Plan {
        let mut chance = Chance::of(&[seed, 1]);
        let model = Model::ALL[(seed % 3) as usize];
        let mut troubles = BTreeSet::new();
        for (trouble, _) in Trouble::ALL {
            if chance.percent(60) {
                troubles.insert(trouble);
            }
        }
        let few = nodes > 200;
        Plan {
            seed,
            nodes,
            publishers: chance.between(1, 3) as u32,
            model,
            troubles,
            trouble_secs: if few { 45 } else { chance.between(40, 100) },
            zones: if !few && chance.percent(4) { 200 } else { chance.between(3, 12) as u32 },
            large: !few && chance.percent(4),
            way_ms_max: *chance.pick(&[1, 20, 150, 300]),
            loss_percent: chance.between(1, 12),
            gap_secs_max: if few { 20 } else { chance.between(5, 30) },
        }
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }
}
