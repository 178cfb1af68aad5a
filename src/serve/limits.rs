//! How many TCP connections there may be, in total and for one client, and which one goes when there are too many.
//!
//! A new connection is never refused: the one that has been idle the longest makes room, of the same client first if that
//! has too many, else of all (RFC 7766 sections 6.2.2 and 6.2.3). Idle is counted from the last whole message, so that
//! neither dribbling octets nor reading slowly keeps a place. Who floods us with connections thus mostly evicts himself.
//!
//! Called when a connection opens and closes, and never on UDP's path. No lock is held across an await.

use crate::observe::counters::Closed;
use dashmap::DashMap;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who a connection is counted for: an IPv4 address, or the /56 around an IPv6 address, which is the least that a site is
/// commonly given (RFC 6177). With /64 one household would count as 256 clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(crate) fn of(address: IpAddr) -> Client {
        match address {
            IpAddr::V4(_) => Client(address),
            IpAddr::V6(ip) => Client(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 72)).into()),
        }
    }
}

const NOT_EVICTED: u8 = 0;
const FOR_CLIENT: u8 = 1;
const FOR_TOTAL: u8 = 2;

/// A connection's place in the table.
pub(crate) struct Place {
    id: u64,
    client: Client,
    /// When it last was active, in nanoseconds of any one clock.
    active_ns: AtomicU64,
    /// The time that it is filed under in [`Table::by_age`]; written under that lock.
    filed_ns: AtomicU64,
    evicted_for: AtomicU8,
    evicted: Notify,
}

impl Place {
    /// Notes that a whole message came.
    pub(crate) fn touch(&self, now_ns: u64) {
        self.active_ns.store(now_ns, Relaxed);
    }

    /// Waits until this connection must close, and says why.
    pub(crate) async fn evicted(&self) -> Closed {
        loop {
            match self.evicted_for.load(Relaxed) {
                FOR_CLIENT => return Closed::EvictedByClient,
                FOR_TOTAL => return Closed::EvictedByTotal,
                _ => self.evicted.notified().await,
            }
        }
    }

    fn evict(&self, cause: u8) {
        if self.evicted_for.compare_exchange(NOT_EVICTED, cause, Relaxed, Relaxed).is_ok() {
            self.evicted.notify_one();
        }
    }

    /// Order of idleness: the least goes first.
    fn age(&self) -> (u64, u64) {
        (self.active_ns.load(Relaxed), self.id)
    }
}

/// All connections. Neither part locks the other: a place is entered into and removed from one after the other.
pub(crate) struct Table {
    total_max: usize,
    client_max: usize,
    clients: DashMap<Client, Vec<Arc<Place>>>,
    /// By the activity that was known when the place was filed. Activity does not file it anew, which would be a lock on
    /// every query; a look for the oldest does, for those that it meets too early.
    by_age: Mutex<BTreeMap<(u64, u64), Arc<Place>>>,
    ids: AtomicU64,
}

impl Table {
    /// Limits of 0 are taken as 1.
    pub(crate) fn new(total_max: usize, client_max: usize) -> Table {
        Table {
            total_max: total_max.max(1),
            client_max: client_max.max(1),
            clients: DashMap::new(),
            by_age: Mutex::default(),
            ids: AtomicU64::new(0),
        }
    }

    /// Enters a new connection, and evicts another one if there are too many now.
    pub(crate) fn admit(&self, address: IpAddr, now_ns: u64) -> Arc<Place> {
        let place = Arc::new(Place {
            id: self.ids.fetch_add(1, Relaxed),
            client: Client::of(address),
            active_ns: AtomicU64::new(now_ns),
            filed_ns: AtomicU64::new(now_ns),
            evicted_for: AtomicU8::new(NOT_EVICTED),
            evicted: Notify::new(),
        });
        let of_client = {
            let mut places = self.clients.entry(place.client).or_default();
            let over = places.len() >= self.client_max;
            let oldest = (0..places.len()).min_by_key(|i| places[*i].age()).filter(|_| over);
            let oldest = oldest.map(|i| places.swap_remove(i));
            places.push(place.clone());
            oldest
        };
        if let Some(oldest) = of_client {
            self.unfile(&oldest);
            oldest.evict(FOR_CLIENT);
        }
        let of_all = {
            let mut by_age = self.by_age();
            by_age.insert((now_ns, place.id), place.clone());
            if by_age.len() > self.total_max { pop_oldest(&mut by_age) } else { None }
        };
        self.evict_of_all(of_all);
        place
    }

    /// Whether the next connection evicts another one.
    pub(crate) fn is_full(&self) -> bool {
        self.by_age().len() >= self.total_max
    }

    /// Evicts the one that has been idle the longest, to get its file descriptor back.
    pub(crate) fn evict_oldest(&self) {
        let oldest = pop_oldest(&mut self.by_age());
        self.evict_of_all(oldest);
    }

    /// Takes a closed connection out.
    pub(crate) fn leave(&self, place: &Place) {
        self.unfile(place);
        self.forget(place);
    }

    fn evict_of_all(&self, oldest: Option<Arc<Place>>) {
        if let Some(oldest) = oldest {
            self.forget(&oldest);
            oldest.evict(FOR_TOTAL);
        }
    }

    fn unfile(&self, place: &Place) {
        let mut by_age = self.by_age();
        by_age.remove(&(place.filed_ns.load(Relaxed), place.id));
    }

    fn forget(&self, place: &Place) {
        if let dashmap::Entry::Occupied(mut entry) = self.clients.entry(place.client) {
            entry.get_mut().retain(|other| other.id != place.id);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
    }

    fn by_age(&self) -> MutexGuard<'_, BTreeMap<(u64, u64), Arc<Place>>> {
        self.by_age.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the place that has been idle the longest. Each one filed too early is filed anew once for its activity since.
fn pop_oldest(by_age: &mut BTreeMap<(u64, u64), Arc<Place>>) -> Option<Arc<Place>> {
    // Activity goes on meanwhile: whoever is met a second time is young enough to show that all others were met.
    for _ in 0..by_age.len() {
        let (filed, place) = by_age.pop_first()?;
        let age = place.age();
        if age == filed {
            return Some(place);
        }
        place.filed_ns.store(age.0, Relaxed);
        by_age.insert(age, place);
    }
    by_age.pop_first().map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evicted(places: &[Arc<Place>]) -> Vec<(usize, u8)> {
        let causes = places.iter().map(|place| place.evicted_for.load(Relaxed)).enumerate();
        causes.filter(|(_, cause)| *cause != NOT_EVICTED).collect()
    }

    fn len(table: &Table) -> (usize, usize) {
        (table.clients.iter().map(|places| places.len()).sum(), table.by_age().len())
    }

    #[test]
    fn the_client_with_too_many_loses_its_own_idlest() {
        let table = Table::new(100, 3);
        let other = table.admit([127, 0, 0, 9].into(), 0);
        let mut mine: Vec<_> = (1..=3).map(|now| table.admit([127, 0, 0, 1].into(), now)).collect();
        mine[0].touch(10);
        mine.push(table.admit([127, 0, 0, 1].into(), 11));
        assert_eq!(evicted(&mine), [(1, FOR_CLIENT)]);
        mine.push(table.admit([127, 0, 0, 1].into(), 12));
        assert_eq!(evicted(&mine), [(1, FOR_CLIENT), (2, FOR_CLIENT)]);
        mine.push(table.admit([127, 0, 0, 1].into(), 13));
        assert_eq!(evicted(&mine), [(0, FOR_CLIENT), (1, FOR_CLIENT), (2, FOR_CLIENT)]);
        assert_eq!(evicted(&[other]), []);
        assert_eq!(len(&table), (4, 4));
    }

    #[test]
    fn the_total_evicts_the_idlest_of_all() {
        let table = Table::new(4, 100);
        let mut all: Vec<_> = (0..4).map(|i| table.admit([127, 0, 0, i].into(), i.into())).collect();
        all[0].touch(20);
        all[1].touch(30);
        all[2].touch(10);
        all[3].touch(11);
        for (now, idlest) in [(40, 2), (41, 3), (42, 0), (43, 1)] {
            let before = evicted(&all);
            all.push(table.admit([127, 0, 1, 1].into(), now));
            let new: Vec<_> = evicted(&all).into_iter().filter(|one| !before.contains(one)).collect();
            assert_eq!(new, [(idlest, FOR_TOTAL)], "at {now}");
            assert_eq!(len(&table), (4, 4));
        }
    }

    #[test]
    fn who_leaves_makes_room_and_leaves_nothing_behind() {
        let table = Table::new(2, 2);
        let places: Vec<_> = (0..2).map(|now| table.admit([127, 0, 0, 1].into(), now)).collect();
        places[0].touch(7);
        table.leave(&places[0]);
        assert!(!table.is_full());
        let third = table.admit([127, 0, 0, 1].into(), 8);
        assert!(table.is_full());
        assert_eq!(evicted(&places), []);
        table.evict_oldest();
        assert_eq!(evicted(&places), [(1, FOR_TOTAL)]);
        for place in [&places[1], &third] {
            table.leave(place);
        }
        assert_eq!((len(&table), table.clients.len()), ((0, 0), 0));
        table.evict_oldest();
    }

    #[test]
    fn an_ipv6_client_is_its_56() {
        let client = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(client("2001:db8:0:1200::1"), client("2001:db8:0:12ff:ffff::2"));
        assert_ne!(client("2001:db8:0:1200::1"), client("2001:db8:0:1300::1"));
        assert_ne!(client("127.0.0.1"), client("127.0.0.2"));
    }

    #[tokio::test]
    async fn an_eviction_is_told_whether_it_was_awaited_or_not() {
        let table = Table::new(1, 1);
        let first = table.admit([127, 0, 0, 1].into(), 0);
        let second = table.admit([127, 0, 0, 2].into(), 0);
        let third = table.admit([127, 0, 0, 2].into(), 0);
        assert_eq!(first.evicted().await, Closed::EvictedByTotal);
        assert_eq!(second.evicted().await, Closed::EvictedByClient);
        drop(third);
    }
}
