//! The questions that are asked most, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and
//! top-k elements in data streams, 2005), by zone and in each zone by question.
//!
//! Of `m` entries the one with the lowest count makes room for a newcomer, which takes over its count as a possible error. So what is asked
//! more often than one time in `m` is always among them, however many names a flood makes up; no count is too low, and none is too high by
//! more than its error. What is told is the count without the error, and only of what was noticed twice: names that are made up for one
//! query are told to nobody.

use crate::sync::question::{Asked, Question, Traffic};
use crate::wire::name::Name;
use std::cmp::Reverse;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Zones, the busiest.
const ZONES_MAX: usize = 64;
/// Questions of each.
const QUESTIONS_MAX: usize = 128;
/// What was noticed less often is not told: it may be somebody's own, and is no traffic to guard.
const TIMES_MIN: u64 = 2;

/// What was asked.
pub(super) struct Summary {
    /// Beside each question, how many times it was noticed since it is here.
    zones: Top<u32, Top<Key, u64>>,
    /// Clients choose names: so that they can't choose what is equal to what.
    hashes: RandomState,
}

/// A question.
#[derive(PartialEq, Eq)]
struct Key {
    /// Of the name; compared first.
    hash: u64,
    qtype: u16,
    name: Box<[u8]>,
}

/// What is counted most.
struct Top<K, V> {
    max: usize,
    entries: Vec<Entry<K, V>>,
}

struct Entry<K, V> {
    key: K,
    value: V,
    count: u64,
    /// So much of the count may be others'.
    error: u64,
}

impl Default for Summary {
    fn default() -> Summary {
        Summary { zones: Top::new(ZONES_MAX), hashes: RandomState::new() }
    }
}

impl Summary {
    /// So many queries for a name, in wire form and lower case.
    pub(super) fn add(&mut self, zone: u32, name: &[u8], qtype: u16, queries: u64) {
        let key = Key { hash: self.hashes.hash_one(name), qtype, name: name.into() };
        let times = self.zones.add(zone, queries, || Top::new(QUESTIONS_MAX)).add(key, queries, || 0);
        *times += 1;
    }

    /// Halves all counts; what is left of none goes.
    pub(super) fn halve(&mut self) {
        self.zones.halve();
        self.zones.entries.iter_mut().for_each(|zone| zone.value.halve());
    }

    /// The zones that it knows something of.
    pub(super) fn zones(&self) -> impl Iterator<Item = u32> {
        self.zones.entries.iter().map(|zone| zone.key)
    }

    /// What was asked most of each of these zones, in so many octets of JSON: first what is asked most of each zone, the busiest first, then
    /// what comes second, and so on.
    pub(super) fn traffic(&self, is_told: impl Fn(u32) -> bool, octets_max: usize) -> Traffic {
        let mut zones: Vec<&Entry<u32, Top<Key, u64>>> =
            self.zones.entries.iter().filter(|zone| is_told(zone.key)).collect();
        zones.sort_by_key(|zone| (Reverse(zone.sure()), zone.key));
        let sorted: Vec<Vec<&Entry<Key, u64>>> = zones.iter().map(|zone| zone.value.told()).collect();
        let (mut questions, mut octets) = (Asked::default(), 0);
        'all: for rank in 0..QUESTIONS_MAX {
            for entry in sorted.iter().filter_map(|zone| zone.get(rank)) {
                let Ok(name) = Name::from_wire(&entry.key.name) else { continue };
                let (question, count) = (Question::new(&name, entry.key.qtype), entry.sure());
                let line = format!("{question} {count}");
                // Quotes around it, a comma, and what JSON escapes.
                octets += line.len() + 3 + line.bytes().filter(|octet| matches!(octet, b'\\' | b'"')).count();
                if octets > octets_max {
                    break 'all;
                }
                questions.add(question, count);
            }
        }
        let queries = zones.iter().map(|zone| zone.sure()).sum();
        Traffic { queries, questions }
    }
}

impl<K: PartialEq, V> Top<K, V> {
    fn new(max: usize) -> Top<K, V> {
        Top { max, entries: Vec::new() }
    }

    /// Counts a key. What goes with it is `fresh` if the key is new.
    fn add(&mut self, key: K, count: u64, fresh: impl FnOnce() -> V) -> &mut V {
        let at = match self.entries.iter().position(|entry| entry.key == key) {
            Some(at) => at,
            None if self.entries.len() < self.max => {
                self.entries.push(Entry { key, value: fresh(), count: 0, error: 0 });
                self.entries.len() - 1
            }
            None => {
                let lowest = self.entries.iter().enumerate().min_by_key(|(_, entry)| entry.count);
                let at = lowest.map_or(0, |(at, _)| at);
                let entry = &mut self.entries[at];
                *entry = Entry { key, value: fresh(), count: entry.count, error: entry.count };
                at
            }
        };
        let entry = &mut self.entries[at];
        entry.count = entry.count.saturating_add(count);
        &mut entry.value
    }

    fn halve(&mut self) {
        for entry in &mut self.entries {
            // What is sure stays so.
            (entry.count, entry.error) = (entry.count / 2, entry.error.div_ceil(2));
        }
        self.entries.retain(|entry| entry.count > 0);
    }
}

impl Top<Key, u64> {
    /// What may be told, the most asked first.
    fn told(&self) -> Vec<&Entry<Key, u64>> {
        let is_told = |entry: &&Entry<Key, u64>| entry.value >= TIMES_MIN && entry.sure() > 0;
        let mut entries: Vec<&Entry<Key, u64>> = self.entries.iter().filter(is_told).collect();
        entries.sort_by_key(|entry| Reverse(entry.sure()));
        entries
    }
}

impl<K, V> Entry<K, V> {
    /// So many were counted for certain.
    fn sure(&self) -> u64 {
        self.count.saturating_sub(self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use std::collections::HashMap;

    fn wire(name: &str) -> Vec<u8> {
        name.parse::<Name>().unwrap().as_wire().to_vec()
    }

    /// From 1 to `n`, the number k as often as 1/k.
    fn zipf(random: &mut Random, n: u32) -> u32 {
        f64::from(n + 1).powf(random.fraction()) as u32
    }

    /// Three of four queries are for names that nobody else asks for: what is asked often stays, and no count lies.
    #[test]
    fn a_flood_of_random_names_pushes_nothing_out() {
        let mut random = Random::new(7);
        let mut summary = Summary::default();
        let mut truth: HashMap<Vec<u8>, u64> = HashMap::new();
        let total = 200_000_u64;
        for n in 0..total {
            let name = match n % 4 {
                0 => format!("host{}.a", zipf(&mut random, 1_000)),
                _ => format!("{:x}.a", random.draw()),
            };
            let name = wire(&name);
            summary.add(3, &name, 1, 1);
            *truth.entry(name).or_default() += 1;
        }
        let top = &summary.zones.entries[0].value;
        assert_eq!((summary.zones.entries.len(), top.entries.len()), (1, QUESTIONS_MAX));
        for Entry { key, count, error, .. } in &top.entries {
            let asked = truth.get(&*key.name).copied().unwrap_or(0);
            assert!(*count >= asked && count - error <= asked, "{asked} {count} {error}");
            assert!(*error <= total / QUESTIONS_MAX as u64);
        }
        let often: Vec<_> = truth.iter().filter(|(_, count)| **count > total / QUESTIONS_MAX as u64).collect();
        assert!(often.len() >= 3, "{}", often.len());
        for (name, _) in often {
            assert!(top.entries.iter().any(|entry| *entry.key.name == **name), "what is asked often is there");
        }
        // Of the flood's names hardly any was asked twice.
        let traffic = summary.traffic(|_| true, 8 << 10);
        let told = |prefix: &str| {
            let of = traffic.questions.iter().filter(|(question, _)| question.to_string().starts_with(prefix));
            of.map(|(_, count)| count).sum::<u64>()
        };
        let host1 = truth[&wire("host1.a")];
        assert!(told("host1.a. A") > host1 * 9 / 10, "{} of {host1}", told("host1.a. A"));
        assert_eq!(traffic.questions.total(), told("host"));
        assert_eq!(traffic.queries, total);
    }

    #[test]
    fn the_busiest_zones_stay_and_memory_is_bounded() {
        let mut summary = Summary::default();
        for round in 0..200_u32 {
            for zone in 0..5_u32 {
                summary.add(zone, &wire(&format!("www.z{zone}")), 1, 10);
            }
            for zone in 0..50 {
                let zone = 1_000 + round * 50 + zone;
                summary.add(zone, &wire(&format!("www.z{zone}")), 1, 1);
            }
        }
        assert_eq!(summary.zones.entries.len(), ZONES_MAX);
        for zone in 0..5 {
            let entry = summary.zones.entries.iter().find(|entry| entry.key == zone).unwrap();
            assert_eq!((entry.count, entry.error, entry.value.entries.len()), (2_000, 0, 1));
        }
        let traffic = summary.traffic(|zone| zone < 5, 8 << 10);
        assert_eq!((traffic.queries, traffic.questions.len(), traffic.questions.total()), (10_000, 5, 10_000));
    }

    /// Each zone has a say before the busiest has its second.
    #[test]
    fn little_room_is_shared() {
        let mut summary = Summary::default();
        for n in 1..=100 {
            for _ in 0..2 {
                summary.add(1, &wire(&format!("h{n}.busy")), 1, 500 * n);
                summary.add(2, &wire(&format!("h{n}.calm")), 28, n);
            }
            if n <= 20 {
                summary.add(2, &wire(&format!("once{n}.calm")), 28, 1_000);
            }
        }
        let lines = |octets_max| {
            let traffic = summary.traffic(|_| true, octets_max);
            traffic.questions.iter().map(|(question, count)| format!("{question} {count}")).collect::<Vec<_>>()
        };
        assert_eq!(lines(0), Vec::<String>::new());
        assert_eq!(lines(80), ["h99.busy. A 99000", "h100.busy. A 100000", "h100.calm. AAAA 200"]);
        assert_eq!(lines(1 << 20).len(), 200);
        let told = summary.traffic(|_| true, 2_000);
        let octets = serde_json::to_string(&told.questions).unwrap().len();
        assert!((1_900..=2_002).contains(&octets), "{octets}");
    }

    #[test]
    fn names_that_need_escapes_take_what_they_take() {
        let mut summary = Summary::default();
        for n in 0..100_u8 {
            (0..2).for_each(|_| summary.add(1, &[&[40][..], &[n; 40], b"\0"].concat(), 1, 1));
        }
        let told = summary.traffic(|_| true, 4_000);
        let octets = serde_json::to_string(&told.questions).unwrap().len();
        assert!((3_700..=4_002).contains(&octets), "{octets}");
    }
}
