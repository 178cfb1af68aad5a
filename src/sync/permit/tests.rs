//! A fleet that is stale, on virtual time from a seed: questions and answers that are slow or lost, nodes and the quorum that are cut off,
//! clocks that run fast or slow. Never are more permits in force than there are slots.

use super::super::store::{Result, StoreError};
use super::*;
use async_trait::async_trait;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use tokio::time::Instant;

/// What a quorum does, in one moment: slots, and when each is free again.
#[derive(Default)]
struct Quorum {
    slots: Mutex<BTreeMap<u32, (String, Instant)>>,
    gone: AtomicBool,
}

impl Quorum {
    fn take(&self, holder: &str, slots: u32, ttl: Duration) -> Option<u32> {
        let now = Instant::now();
        let mut held = self.slots.lock().unwrap();
        held.retain(|_, (_, end)| now < *end);
        let ours = held.iter().find(|(_, (name, _))| name == holder).map(|(slot, _)| *slot);
        let slot = ours.or_else(|| (0..slots).find(|slot| !held.contains_key(slot)))?;
        held.insert(slot, (holder.into(), now + ttl));
        Some(slot)
    }
}

/// A node's way to it.
struct Way {
    quorum: Arc<Quorum>,
    cut: Arc<AtomicBool>,
    /// Whether questions and answers are slow, or lost.
    rough: bool,
    chance: Mutex<Random>,
}

impl Way {
    fn chance(&self) -> u64 {
        self.chance.lock().unwrap().draw()
    }

    fn loses(&self) -> bool {
        self.rough && self.chance().is_multiple_of(8)
    }
}

#[async_trait]
impl Permits for Way {
    async fn take(&self, _: &Channel, holder: &str, slots: u32, ttl: Duration) -> Result<Option<u32>> {
        let lost = || StoreError::Unavailable("lost on the way".into());
        let slow = if self.rough { [10, 100, 3000, 6000][self.chance() as usize % 4] } else { 300 };
        sleep(Duration::from_millis(self.chance() % slow)).await;
        if self.cut.load(Relaxed) || self.quorum.gone.load(Relaxed) || self.loses() {
            return Err(lost());
        }
        let given = self.quorum.take(holder, slots, ttl);
        sleep(Duration::from_millis(self.chance() % slow)).await;
        // It was done, and nobody hears of it.
        if self.cut.load(Relaxed) || self.loses() { Err(lost()) } else { Ok(given) }
    }
}

struct Node {
    permit: Arc<Permit>,
    cut: Arc<AtomicBool>,
    stale: Arc<AtomicBool>,
}

impl Node {
    /// Where all is well.
    fn start(quorum: &Arc<Quorum>, number: usize, slots: u32) -> Node {
        Node::start_at(quorum, number, slots, 7, 100, false)
    }

    /// `speed_percent`: how fast its clock goes.
    fn start_at(quorum: &Arc<Quorum>, number: usize, slots: u32, seed: u64, speed_percent: u32, rough: bool) -> Node {
        let (cut, stale) = (Arc::<AtomicBool>::default(), Arc::new(AtomicBool::new(true)));
        let booted = Instant::now();
        let permit = Arc::new(Permit::new(Arc::new(move || booted.elapsed() * speed_percent / 100)));
        let seed = seed ^ (number as u64) << 32;
        let way =
            Way { quorum: Arc::clone(quorum), cut: Arc::clone(&cut), rough, chance: Mutex::new(Random::new(seed)) };
        let wants = Arc::clone(&stale);
        let keeper = Keeper {
            permits: Arc::new(way),
            channel: "prod".parse().unwrap(),
            holder: format!("node{number}"),
            slots,
            wanted: Box::new(move || wants.load(Relaxed)),
            permit: Arc::clone(&permit),
            jitter: Random::new(seed),
        };
        tokio::spawn(keeper.run());
        Node { permit, cut, stale }
    }

    fn permitted(&self) -> bool {
        self.permit.in_force()
    }
}

/// Runs on virtual time.
fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work);
}

fn in_force(nodes: &[Node]) -> usize {
    nodes.iter().filter(|node| node.permitted()).count()
}

#[test]
fn slots_are_whole_nodes() {
    let slots = |fleet, share_percent| Terms { fleet, share_percent }.slots();
    assert_eq!((slots(20, 10), slots(10, 20), slots(19, 10), slots(9, 10)), (2, 2, 1, 0));
    assert_eq!((slots(3, 33), slots(3, 34), slots(100_000, 50)), (0, 1, SLOTS_MAX));
}

#[test]
fn the_slots_are_given_and_kept_and_the_next_has_them_when_they_are_free() {
    run(async {
        let quorum = Arc::<Quorum>::default();
        let nodes: Vec<Node> = (0..10).map(|number| Node::start(&quorum, number, 2)).collect();
        let mut held = 0;
        for second in 0..600 {
            sleep(Duration::from_secs(1)).await;
            held += usize::from(in_force(&nodes) == 2);
            assert!(in_force(&nodes) <= 2, "after {second} s");
        }
        assert!(held >= 598, "{held} s of 600 both were in force");
        // Who has caught up says so at once, and somebody else has a permit soon.
        let holder = nodes.iter().position(Node::permitted).unwrap();
        nodes[holder].stale.store(false, Relaxed);
        sleep(Duration::from_secs(7)).await;
        assert!(!nodes[holder].permitted());
        sleep(Duration::from_secs(60)).await;
        assert!(!nodes[holder].permitted());
        // The store is gone: within half of the lease nobody has one.
        quorum.gone.store(true, Relaxed);
        sleep(VALID + Duration::from_secs(6)).await;
        assert_eq!(in_force(&nodes), 0);
    });
}

/// The holder's clock goes at half the quorum's, just not less, and it is cut off at any moment between two renewals: who waits for its
/// slot has it as soon as the lease has ended, and never sooner than the holder has given up.
#[test]
fn who_is_cut_off_has_given_up_before_the_slot_is_free() {
    for moment in 0..25 {
        run(async {
            let quorum = Arc::<Quorum>::default();
            let mut nodes = vec![Node::start_at(&quorum, 0, 1, 7, 51, false)];
            sleep(Duration::from_secs(10)).await;
            assert!(nodes[0].permitted());
            nodes.extend((1..20).map(|number| Node::start(&quorum, number, 1)));
            sleep(Duration::from_secs(10) + Duration::from_millis(100) * moment).await;
            nodes[0].cut.store(true, Relaxed);
            for _ in 0..400 {
                sleep(Duration::from_millis(50)).await;
                assert!(in_force(&nodes) <= 1);
            }
            assert!(!nodes[0].permitted());
            assert_eq!(in_force(&nodes), 1, "somebody else has it");
        });
    }
}

#[test]
fn of_no_slots_nobody_is_asked_for_any() {
    run(async {
        let quorum = Arc::<Quorum>::default();
        let node = Node::start(&quorum, 0, 0);
        for _ in 0..1000 {
            sleep(LOOK).await;
            assert!(!node.permitted());
        }
        assert!(quorum.slots.lock().unwrap().is_empty());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever is cut off, comes back, is stale or no longer; and by clocks that go at 51 to 160 % of the quorum's.
    #[test]
    fn never_are_more_in_force_than_there_are_slots(
        seed: u64,
        slots in 0..4u32,
        speeds in prop::collection::vec(51..160u32, 6),
        events in prop::collection::vec((0..5000u64, 0..8usize, any::<bool>()), 1..80),
    ) {
        run(async {
            let quorum = Arc::<Quorum>::default();
            let nodes: Vec<Node> =
                speeds.iter().enumerate().map(|(number, speed)| Node::start_at(&quorum, number, slots, seed, *speed, true)).collect();
            for (pause, which, on) in events {
                match nodes.get(which) {
                    Some(node) if pause.is_multiple_of(3) => node.stale.store(on, Relaxed),
                    Some(node) => node.cut.store(on, Relaxed),
                    None => quorum.gone.store(on, Relaxed),
                }
                for _ in 0..pause / 100 {
                    sleep(Duration::from_millis(100)).await;
                    assert!(in_force(&nodes) <= slots as usize);
                }
            }
            // Whatever happened: without the quorum all are over soon, by the slowest clock.
            quorum.gone.store(true, Relaxed);
            sleep((VALID + Duration::from_secs(6)) * 2).await;
            assert_eq!(in_force(&nodes), 0);
        });
    }
}
