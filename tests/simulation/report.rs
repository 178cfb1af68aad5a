//! How long it takes from a head that has moved until it is served, without faults: for docs/sync.md.

use super::plan::{Model, Plan};
use super::run::Fleet;
use super::world::{World, lock};
use super::zones::VERSIONS;
use catchment::sync::trust::Held;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Time between publishes, from all at the head on; not a multiple of anybody's interval.
const GAP: Duration = Duration::from_millis(7_300);
/// A fleet without faults takes no longer.
const ALL_MAX: Duration = Duration::from_secs(10);

/// Prints the table, and checks that no model takes longer than its interval explains.
pub(crate) fn convergence(nodes: u32, publishes: u32) {
    println!("{nodes} nodes, {publishes} publishes of one changed zone, 1 to 300 ms each way\n");
    println!("| store | p50 | p99 | max |\n|---|---|---|---|");
    for model in Model::ALL {
        let plan = Plan {
            model,
            publishers: 0,
            troubles: BTreeSet::new(),
            zones: 12,
            large: false,
            way_ms_max: 300,
            ..Plan::of(1, nodes)
        };
        let mut took = measure(plan, publishes);
        took.sort_unstable();
        assert_eq!(took.len(), nodes as usize * publishes as usize, "each node takes each release");
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_millis();
        let name = match model {
            Model::Dir => "dir, looked at every 250 ms",
            Model::S3 => "S3, asked every 5 s",
            Model::Etcd => "etcd, watched",
        };
        println!("| {name} | {} ms | {} ms | {} ms |", at(0.5), at(0.99), at(1.0));
        assert!(at(1.0) < ALL_MAX.as_millis(), "{name}");
    }
}

fn measure(plan: Plan, publishes: u32) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(plan, false));
        let fleet = Fleet::lay_out(&world);
        let mut tasks = JoinSet::new();
        let mut first = fleet.press.publish_all().await;
        fleet.sites.iter().for_each(|site| drop(tasks.spawn(Arc::clone(site).live())));
        all_at(&fleet, first).await;
        let skipped = fleet.sites.iter().map(|site| site.took().len()).collect::<Vec<_>>();
        for publish in 0..publishes {
            sleep(GAP + Duration::from_millis(u64::from(publish) * 137)).await;
            *lock(&fleet.press.repository).entry(publish % 12).or_default() += VERSIONS;
            first = fleet.press.publish_all().await;
            all_at(&fleet, first).await;
        }
        assert_eq!(world.failure(), None);
        fleet.sites.iter().zip(skipped).flat_map(|(site, skipped)| site.took().split_off(skipped)).collect()
    })
}

async fn all_at(
    fleet: &Fleet,
    (generation, manifest): (catchment::sync::channel::Generation, catchment::sync::codec::Digest),
) {
    let (head, began) = (Held { generation, manifest }, Instant::now());
    while let Some(behind) = fleet.sites.iter().find(|site| !site.is_at(head)) {
        assert!(began.elapsed() < ALL_MAX, "{}", behind.behind());
        sleep(Duration::from_millis(50)).await;
    }
}
