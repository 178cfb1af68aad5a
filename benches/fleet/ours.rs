//! Catchment: `catchment publish`, and nodes that follow the store: a directory that they look at from time to time, or etcd, which
//! tells them.

use crate::fleet::{Fleet, Told};
use crate::support::etcd::{Cluster, Options};
use crate::support::fleet::{Node, Publisher};
use crate::support::process::TempDir;
use crate::zones;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;

/// The fleet.
pub(crate) struct Ours {
    name: &'static str,
    nodes: Vec<Node>,
    addrs: Vec<SocketAddr>,
    zones: PathBuf,
    publisher: Publisher,
    cluster: Option<Cluster>,
    // Where blobs are when heads are in etcd; removed after the processes have ended.
    _blobs: TempDir,
}

impl Ours {
    /// Nodes that follow a directory.
    pub(crate) fn over_directory(nodes: usize, count: usize) -> Result<Ours, String> {
        Ours::start("dir", None, nodes, count)
    }

    /// Nodes that follow a three-member etcd. The first error says why it can't be had here.
    pub(crate) fn over_etcd(nodes: usize, count: usize) -> Result<Result<Ours, String>, String> {
        match Cluster::start(Options::default()) {
            Ok(cluster) => Ours::start("etcd", Some(cluster), nodes, count).map(Ok),
            Err(why) => Ok(Err(why)),
        }
    }

    fn start(name: &'static str, cluster: Option<Cluster>, nodes: usize, count: usize) -> Result<Ours, String> {
        let blobs = TempDir::new("fleet-blobs");
        let store = cluster.as_ref().map(|cluster| {
            format!("etcd://{}/fleet?blobs=dir:{}", cluster.clients().join(","), blobs.path().display())
        });
        let publisher = Publisher::new("fleet-publisher", store)?;
        let zones = publisher.zones();
        zones::write_all(&zones, count).map_err(|e| e.to_string())?;
        publisher.publish()?;
        let nodes = (0..nodes).map(|n| Node::start(&publisher, n)).collect::<Result<Vec<_>, _>>()?;
        let addrs = nodes.iter().map(|node| node.addr).collect();
        Ok(Ours { name, nodes, addrs, zones, publisher, cluster, _blobs: blobs })
    }
}

impl Fleet for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn nodes(&self) -> &[SocketAddr] {
        &self.addrs
    }

    fn node_pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }

    fn other_pids(&self) -> Vec<u32> {
        self.cluster.as_ref().map(Cluster::pids).unwrap_or_default()
    }

    fn zones(&self) -> &Path {
        &self.zones
    }

    fn ways(&self) -> &'static [Told] {
        &[Told::Nothing]
    }

    fn publish(&mut self, _zone: usize, _told: Told) -> Result<Child, String> {
        self.publisher.start_publish()
    }
}
